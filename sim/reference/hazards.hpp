// Finds hazards that a program leaves to timing. Units run side by side; what orders them is semaphores, the
// order of issue of each unit, and the scheduler's own waits. Two accesses to one place, one of them a write,
// must be ordered.
//
// Vector clocks: an instruction knows, of every unit, up to which instruction that unit is done when it
// starts. A semaphore carries the giver's knowledge to the taker. Within VEC, PIM and SMX an instruction sees
// everything of the earlier ones; within ARR and DMA (which overlap instructions) only semaphores count, and
// the order of done pulses.
//
// Between two SYNCs one unit (or the scheduler) alone takes from a semaphore: of two, the one with the
// younger instruction could take what the older one waits for, for ever (docs/formal.md, Deadlock).
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>

#include "models/compiler/compiler.hpp"
#include "models/isa/instruction.hpp"

namespace pimllm {

class HazardChecker {
 public:
  static constexpr size_t kUnits = 6;
  using Clock = std::array<uint32_t, kUnits>;  // by unit: instructions known to be done

  // For tests of the checker: semaphores that the instruction takes order nothing.
  void ignore_waits_of(uint64_t index) { ignored_ = index; }

  // Calls in program order: begin (with the semaphores taken), accesses, end (with the semaphores given).
  void take(uint8_t semaphore, isa::Unit unit, uint64_t index);
  void begin(isa::Unit unit, uint64_t index, std::string_view name);
  void read(Space space, uint64_t first, uint64_t count) { access(space, first, count, false); }
  void write(Space space, uint64_t first, uint64_t count) { access(space, first, count, true); }
  void give(uint8_t semaphore, isa::Unit unit);
  // The scheduler waits for everything (SYNC, HALT).
  void sync();

 private:
  struct Stamp {
    uint32_t sequence = 0;
    uint64_t index = 0;  // of the instruction, for the message
  };
  struct Place {
    std::array<Stamp, kUnits> read;
    std::array<Stamp, kUnits> write;
  };

  void access(Space space, uint64_t first, uint64_t count, bool is_write);

  std::array<Clock, kUnits> knows_{};  // of the unit's last issued instruction; [0] is the scheduler
  std::array<uint32_t, kUnits> issued_{};
  std::array<std::deque<Clock>, isa::kSemaphores> tokens_;
  std::array<std::optional<isa::Unit>, isa::kSemaphores> takers_;  // since the last SYNC
  std::array<std::unordered_map<uint64_t, Place>, 6> places_;
  isa::Unit unit_ = isa::Unit::kSched;
  uint64_t index_ = 0;
  uint64_t ignored_ = ~uint64_t{0};
  std::string_view name_;
};

}  // namespace pimllm

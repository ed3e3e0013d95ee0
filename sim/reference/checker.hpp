// Compares the machine with the instruction-level reference while it runs: every command the scheduler gives
// and every word a unit writes between issue and done. Stops at the first difference.
//
// The reference runs in program order, as far ahead as the machine needs it. Program order is a legal order
// and the program has no hazards (hazards.hpp), so whatever order the units take, their writes are the same.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "golden/error.hpp"
#include "models/compiler/compiler.hpp"
#include "sim/machine/machine.hpp"
#include "sim/reference/reference.hpp"

namespace pimllm::sim {

// A difference between the machine and a reference: instruction, unit, element, expected, found.
class Mismatch : public Error {
 public:
  using Error::Error;
};

class Checker : public Listener {
 public:
  explicit Checker(const CompiledModel& model);

  // The host starts a program with these registers; called before the machine runs.
  void on_start(const CompiledProgram& program, const HostRegisters& host);
  // The machine says that the program is done. Throws Mismatch if an instruction of it was not done.
  void on_finish();
  void on_command(isa::Unit unit, const isa::UnitCommand& command) override;
  void on_write(const Write& write) override;
  void on_done(isa::Unit unit) override;

  uint64_t instructions() const { return instructions_; }
  Reference& reference() { return reference_; }

  // Called when the host starts a program.
  using Started = std::function<void(const CompiledProgram&, const HostRegisters&)>;
  void on_started(Started callback) { on_started_ = std::move(callback); }

  // Called after the reference has executed an instruction of the step program (index in it).
  void on_executed(std::function<void(size_t)> callback) { on_executed_ = std::move(callback); }

 private:
  static constexpr size_t kUnits = 6;
  struct Word {
    std::vector<uint8_t> bytes;
    std::vector<uint8_t> written;
    int age = 0;  // instructions of the unit done since
    // Before the last write, and what that one wrote: it may be the next instruction's, in the cycle of done.
    std::vector<uint8_t> bytes_before, written_before, written_last;
  };
  struct Expected {
    Issued issued;
    std::vector<pimllm::Write> writes;
  };

  static uint64_t key(Space space, uint32_t bank, uint64_t address);
  void advance(isa::Unit unit);
  // Bytes [first, first + count) of a write as a word of its own.
  void observe(const Write& write, uint32_t bank, size_t first, size_t count);
  void compare(isa::Unit unit, const Expected& expected);
  // The last word that a unit wrote is `write` but for that last write, which is the next instruction's.
  bool overtaken(isa::Unit unit, uint64_t where, const pimllm::Write& write) const;
  void expect_no_leftovers(isa::Unit unit, const Expected* last);
  [[noreturn]] void report(const Expected& expected, const std::string& what) const;

  const CompiledModel& model_;
  Reference reference_;
  const CompiledProgram* program_ = nullptr;
  bool ended_ = true;
  std::array<std::deque<Expected>, kUnits> ahead_;    // the reference has them, the scheduler not yet
  std::array<std::deque<Expected>, kUnits> running_;  // given to the unit
  std::array<std::unordered_map<uint64_t, Word>, kUnits> observed_;
  std::array<uint64_t, kUnits> last_written_{};  // key
  uint64_t instructions_ = 0;
  Started on_started_;
  std::function<void(size_t)> on_executed_;
};

}  // namespace pimllm::sim

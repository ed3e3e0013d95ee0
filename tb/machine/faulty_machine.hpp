// The `faulty` machine: as any other, but bits of its state can be flipped while it runs.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "sim/machine/machine.hpp"

namespace pimllm::tb {

// State by the names of the RTL.
struct State {
  std::string scope;     // of the instances; "*" stands for any text
  std::string variable;  // opened by faults.vlt
  int low_bit = 0;       // the bits [low_bit, low_bit + bits) of an element may flip
  int bits = 1;
};

// A fault: a bit of one instance, flipped `after` cycles behind the `ordinal`-th command of a unit (from 1),
// once or in `cycles` cycles in a row.
struct Injection {
  isa::Unit unit = isa::Unit::kArr;
  State state;
  uint64_t ordinal = 1;
  uint64_t after = 0;
  uint64_t cycles = 1;
  // The word that the unit wrote last into a space, instead of any word (then `state` is that space's RAM).
  bool last_write = false;
  Space space = Space::kScl;
  // A byte of memory that the command is about to load, instead of `state`.
  bool memory = false;
};

class FaultyMachine : public sim::Machine, private sim::Listener {
 public:
  explicit FaultyMachine(uint64_t seed);

  // Replaces the injection before it; counts commands from now on.
  void arm(const Injection& injection);
  bool fired() const { return fired_; }
  uint64_t fired_at() const { return fired_at_; }  // cycle
  // Instructions of the injection's unit that ran while bits were flipped, and those done since the first
  // flip.
  uint64_t struck() const { return struck_; }
  uint64_t done_since() const { return done_[index(injection_.unit)] - done_then_; }

  void reset() override { machine_->reset(); }
  void step() override;
  uint64_t cycles() const override { return machine_->cycles(); }
  bool irq() const override { return machine_->irq(); }
  uint32_t read_register(uint32_t address) override { return machine_->read_register(address); }
  void write_register(uint32_t address, uint32_t value) override { machine_->write_register(address, value); }
  AxiMemory& memory() override { return machine_->memory(); }
  void hang_memory(bool hang) override { machine_->hang_memory(hang); }
  void set_memory_timing(const sim::MemoryTiming& timing, uint64_t seed) override {
    machine_->set_memory_timing(timing, seed);
  }
  void listen(sim::Listener* listener) override;
  void end_trace() override { machine_->end_trace(); }

 private:
  static constexpr size_t kUnits = 6;
  static size_t index(isa::Unit unit) { return static_cast<size_t>(unit); }

  void on_command(isa::Unit unit, const isa::UnitCommand& command) override;
  void on_write(const sim::Write& write) override;
  void on_done(isa::Unit unit) override;
  void choose_bit();

  std::unique_ptr<sim::Machine> machine_;
  sim::Listener* next_ = nullptr;
  std::mt19937_64 rng_;
  Injection injection_;
  bool armed_ = false, counting_ = false, fired_ = false;
  uint64_t at_ = 0, fired_at_ = 0, struck_ = 0, done_then_ = 0, seen_ = 0;
  uint64_t written_ = 0, group_ = 0;
  bool any_written_ = false;
  uint8_t* byte_ = nullptr;
  uint8_t mask_ = 0;
  std::array<uint64_t, kUnits> taken_{}, done_{};
};

}  // namespace pimllm::tb

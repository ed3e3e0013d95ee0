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
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "golden/error.hpp"
#include "models/compiler/compiler.hpp"
#include "sim/machine/machine.hpp"
#include "sim/reference/reference.hpp"

namespace pimllm::sim {

// Where the machine differs from the instruction-level reference. Cycles are those of Machine::cycles().
struct Difference {
  isa::Unit unit = isa::Unit::kSched;
  std::string program;
  std::optional<Issued> instruction;  // none: a command or write that belongs to none
  std::string text;                   // of the instruction, disassembled
  std::string element, expected, found;
  uint64_t issued = 0;              // cycle in which the unit took the command; `noticed` if it did not
  std::optional<uint64_t> written;  // cycle in which it wrote the word that differs
  uint64_t noticed = 0;             // cycle in which the checker saw the difference
};

// A difference between the machine and a reference: instruction, unit, element, expected, found. Without a
// Difference it is the two references that differ.
class Mismatch : public Error {
 public:
  explicit Mismatch(const std::string& what) : Error(what) {}
  Mismatch(const std::string& what, Difference difference)
      : Error(what), difference_(std::move(difference)) {}
  const std::optional<Difference>& difference() const { return difference_; }

 private:
  std::optional<Difference> difference_;
};

// The machine stopped with an error, where programs have none: at the instruction it names, of a watchdog at
// the one that has been running longest.
class Stopped : public Mismatch {
 public:
  using Mismatch::Mismatch;
};

class Checker : public Listener {
 public:
  explicit Checker(const CompiledModel& model);

  // The host starts a program with these registers; called before the machine runs.
  void on_start(const CompiledProgram& program, const HostRegisters& host);
  // The machine says that the program is done. Throws Mismatch if an instruction of it was not done.
  void on_finish();
  // The machine says that it has stopped, because of an instruction (index in the program) of a unit; without
  // one because nothing goes on. Throws Stopped, with this text and cause.
  [[noreturn]] void on_stop(const std::string& what, const std::string& cause, isa::Unit unit,
                            std::optional<size_t> index) const;
  void on_command(isa::Unit unit, const isa::UnitCommand& command) override;
  void on_write(const Write& write) override;
  void on_done(isa::Unit unit) override;

  // Cycles of the machine, for the differences; without it they are 0.
  void use_clock(std::function<uint64_t()> clock) { clock_ = std::move(clock); }

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
    uint64_t cycle = 0;  // of the last write
    int age = 0;         // instructions of the unit done since
    // Before the last write, and what that one wrote: it may be the next instruction's, in the cycle of done.
    std::vector<uint8_t> bytes_before, written_before, written_last;
  };
  struct Expected {
    Issued issued;
    std::vector<pimllm::Write> writes;
    std::optional<uint64_t> taken;  // cycle
  };

  static uint64_t key(Space space, uint32_t bank, uint64_t address);
  void advance(isa::Unit unit);
  // Bytes [first, first + count) of a write as a word of its own.
  void observe(const Write& write, uint32_t bank, size_t first, size_t count);
  void compare(isa::Unit unit, const Expected& expected);
  // The last word that a unit wrote is `write` but for that last write, which is the next instruction's.
  bool overtaken(isa::Unit unit, uint64_t where, const pimllm::Write& write) const;
  void expect_no_leftovers(isa::Unit unit, const Expected* last);
  uint64_t now() const { return clock_ ? clock_() : 0; }
  // What differs: element, expected, found.
  struct Finding {
    std::string element, expected, found;
    std::optional<uint64_t> written;  // cycle
    std::string sentence() const;
  };
  [[noreturn]] void report(const Expected& expected, const Finding& finding) const;
  // The same where another unit is to blame: commands are the scheduler's.
  [[noreturn]] void report(const Expected& expected, const Finding& finding, isa::Unit unit) const;
  // The same where no instruction is to blame.
  [[noreturn]] void report(isa::Unit unit, const Finding& finding) const;

  const CompiledModel& model_;
  Reference reference_;
  const CompiledProgram* program_ = nullptr;
  bool ended_ = true;
  std::array<std::deque<Expected>, kUnits> ahead_;    // the reference has them, the scheduler not yet
  std::array<std::deque<Expected>, kUnits> running_;  // given to the unit
  std::array<std::unordered_map<uint64_t, Word>, kUnits> observed_;
  std::array<uint64_t, kUnits> last_written_{};  // key
  uint64_t instructions_ = 0;
  uint64_t last_event_ = 0;  // cycle in which a unit took a command or was done
  std::function<uint64_t()> clock_;
  Started on_started_;
  std::function<void(size_t)> on_executed_;
};

}  // namespace pimllm::sim

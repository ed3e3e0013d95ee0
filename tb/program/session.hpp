// One Verilated machine and its reference, kept alive from program to program. Every command and every write
// is compared (sim/reference/checker.hpp), hazards left to timing are looked for (hazards.hpp), and so are
// failed assertions of the RTL, stray writes into memory, host registers and hangs.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "sim/machine/machine.hpp"
#include "sim/reference/checker.hpp"
#include "tb/program/assertions.hpp"
#include "tb/program/executable.hpp"

namespace pimllm::tb {

struct RunResult {
  std::string failure;                        // empty: good
  std::optional<sim::Difference> difference;  // of a failure of the machine: the unit it is put down to
  uint64_t cycles = 0;                        // start to end
  uint64_t two_busy = 0;                      // cycles in which two or more units had an instruction
  uint64_t instructions = 0;                  // of units, compared
  std::array<uint64_t, 6> busy{};             // cycles by unit

  bool passed() const { return failure.empty(); }
};

class Session {
 public:
  // The options are those of every machine that the session makes.
  explicit Session(const std::string& config, sim::MachineOptions options = {});
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const HardwareParameters& hardware() const { return model_.hardware; }

  // Runs from the state that earlier programs left, or (`fresh`) from that of a new machine. A program that
  // does not end as it must is a failure; after one, and after an expected error, the machine is set up anew
  // (an expected error: by a soft reset).
  RunResult run(const Executable& executable, bool fresh = false);

  // Gives the machine back, with which its trace is complete. The next run makes another.
  void close();

  // For tests of the bench itself: what the machine gets in place of what the reference has.
  using Tamper = void (*)(Executable& of_machine);
  void tamper(Tamper tamper) { tamper_ = tamper; }

 private:
  class Watch;

  // A machine that cannot be set up fails as a program does.
  RunResult build();
  RunResult set_up();
  RunResult execute(const Executable& executable, bool reset);
  void prepare(const Executable& executable, bool reset);
  // Of these, nothing: as it must be.
  std::optional<sim::Difference> end_of(const Executable& executable, const Watch& watch, uint32_t status);
  std::optional<sim::Difference> compare_host(const Watch& watch);
  std::optional<sim::Difference> compare_memory(const Watch& watch);
  void soft_reset();
  uint32_t get(std::string_view name);
  void put(std::string_view name, uint32_t value);

  sim::MachineOptions options_;
  AssertionWatch assertions_;
  CompiledModel model_;
  Executable set_up_program_;
  std::unique_ptr<sim::Machine> machine_;
  std::unique_ptr<sim::Checker> checker_;
  CompiledProgram program_;  // in work; the checker refers to it
  bool stale_ = true;        // the machine is not to be used any more
  Tamper tamper_ = nullptr;
};

}  // namespace pimllm::tb

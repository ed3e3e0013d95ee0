// Cycles of a compiled program on this project's machine: one walk through its instructions, no simulation.
//
// Program order is a legal order of execution (docs/compiler.md), so the times of an instruction follow from
// those of earlier ones: decode (fetch, branches, full queues), queue, semaphores, the unit's own time. Where
// one behind it in the program has precedence, a further walk knows from the one before what that costs.
// docs/cycles.md names every constant with its register stage; cost is proportional to the number of
// instructions executed, and to the walks (two to fifteen, mostly three to five).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string_view>
#include <vector>

#include "models/compiler/compiler.hpp"
#include "models/compiler/hardware.hpp"
#include "models/cycles/units.hpp"
#include "models/isa/instruction.hpp"

namespace pimllm::cycles {

// What the host writes before the start.
struct Host {
  uint64_t token_in = 0;
  uint64_t position = 0;
  uint64_t tokens_left = 0;
  uint64_t arg0 = 0;
};

// A unit instruction, in the order of the program. Cycle 0 is the first in which the machine is busy.
struct Record {
  size_t index = 0;  // in the program
  isa::Unit unit = isa::Unit::kSched;
  isa::UnitCommand command;
  uint64_t decoded = 0;
  uint64_t queued = 0;     // in the queue of its unit
  uint64_t presented = 0;  // semaphores taken
  Span span;
};

struct Result {
  uint64_t cycles = 0;        // as the counter CYCLES
  uint64_t instructions = 0;  // executed, the scheduler's own included
  std::array<uint64_t, 6>
      busy{};  // by isa::Unit, as the counters *_BUSY: from behind taken to done, overlaps once
  std::vector<uint64_t> marks;  // cycle in which the instruction at `mark` is done, each time
  std::vector<std::array<uint64_t, 6>> busy_at_marks;  // `busy` then
  uint64_t linear_turn = 0;                            // DMA channel of the next linear transfer
};

struct Options {
  Timing timing;
  Host host;
  uint64_t linear_turn =
      0;          // DMA channel of the first linear transfer: they go to the channels in turn, over programs
  int walks = 0;  // at most so many through the program; 0: until the times stand
  size_t mark = ~size_t{0};                      // index of a unit instruction whose times are wanted
  std::function<void(const Record&)> on_record;  // may be empty
};

// A program decoded, for several runs.
struct Code {
  uint64_t base = 0;  // address in instructions
  std::vector<isa::Instruction> instructions;
  std::vector<isa::Unit> units;  // of each
};
Code decode(const CompiledProgram& program);

// Runs from the first instruction to HALT. Throws Error if program order is not a legal order.
Result run(const Code& code, const HardwareParameters& hardware, const Options& options);
Result run(const CompiledProgram& program, const HardwareParameters& hardware, const Options& options);

// Timing of a compiled model on the memory of the benches (latency in cycles).
Timing timing_of(const CompiledModel& model, int memory_latency = 40);

}  // namespace pimllm::cycles

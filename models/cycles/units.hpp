// When the units of the machine take their commands and are done, in closed form from operands and
// parameters. docs/cycles.md names every constant with the register stage of the RTL that it counts.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "models/compiler/hardware.hpp"
#include "models/isa/instruction.hpp"

namespace pimllm::cycles {

// Cycles of an instruction, counted from the start of the program.
struct Span {
  uint64_t taken = 0;  // cmd_valid and cmd_ready
  uint64_t done = 0;
};

// What decides cycles beside the parameters of the machine.
struct Timing {
  int memory_latency = 40;  // from an address to its first beat, from a last beat to its response
  int outstanding = 32;     // bursts of a port that the memory takes before the first is answered
  int rows_per_conversion = 128;
};

// A sweep of the array: folds of `fold_steps` steps. Tile t of a fold of `fold_tiles` is read by stage t <<
// lg_heads, a stage later each; with several heads the folds take the bank groups in turn.
struct Steps {
  uint64_t from = 0;  // first step of stage 0
  uint64_t fold_steps = 1;
  uint64_t folds = 0;
  uint64_t fold_tiles = 1;
  uint64_t tail = 1;  // tiles of the last fold
  uint64_t lg_heads = 0;
  bool pair = false;     // both halves of the groups are read in each fold
  uint64_t stop = 0;     // the step of this cycle at stage 0 waits,
  uint64_t stopped = 0;  // so many cycles; later stages likewise, each in its turn

  uint64_t end() const { return from + folds * fold_steps + (fold_tiles << lg_heads) + stopped; }
  // The first cycle, not before `at`, in which this sweep does not read the bank group.
  uint64_t free_at(uint64_t at, uint64_t group) const;
};
using StepHistory = std::deque<Steps>;

// Cycles that things in a program lose to others behind them in it, which a walk has not met yet when it
// comes to them: found in one walk, used by the next. They are counted in the order of the program.
class Lost {
 public:
  uint64_t next() { return count_ < known_.size() ? known_[count_++] : (++count_, 0); }
  size_t count() const { return count_; }  // of those that were asked for
  void found(size_t i, uint64_t cycles) {
    if (found_.size() <= i) found_.resize(i + 1);
    found_[i] = cycles;
  }
  // Ends a walk. Are they what it used?
  bool settled() {
    while (!found_.empty() && found_.back() == 0) found_.pop_back();
    const bool same = found_ == known_;
    known_.swap(found_);
    found_.clear();
    count_ = 0;
    return same;
  }

 private:
  std::vector<uint64_t> known_, found_;
  size_t count_ = 0;
};

// Writes of K and V into the open tile: one every `period` cycles.
struct Append {
  uint64_t from = 0;
  uint64_t count = 1;
  uint64_t period = 1;
  uint64_t group = 0;  // of banks
  uint64_t end() const { return from + (count - 1) * period + 1; }
};

// Every unit: `presented` is the first cycle in which the command is on its port. Calls come in the order of
// commands.

class VectorUnit {
 public:
  explicit VectorUnit(const HardwareParameters& hardware) : h_(hardware) {}
  Span run(const isa::UnitCommand& command, uint64_t presented);
  const std::vector<Append>& appends() const { return appends_; }  // of the command run last

 private:
  struct Times {
    uint64_t computed = 0;  // nothing is left but to write rows of K; else done
    uint64_t done = 0;
  };
  // `hold`: cycles in which the instruction before is still written. Leaves `appends_`, too.
  Times times(const isa::UnitCommand& command, uint64_t hold);

  HardwareParameters h_;
  std::vector<Append> appends_;
  uint64_t computed_ = 0, done_ = 0;
  bool used_ = false;
};

class PimUnit {
 public:
  PimUnit(const HardwareParameters& hardware, const Timing& timing) : h_(hardware), timing_(timing) {}
  Span run(const isa::UnitCommand& command, uint64_t presented);

 private:
  HardwareParameters h_;
  Timing timing_;
  uint64_t load_free_ = 0;                        // pim_load takes a command
  uint64_t convert_last_ = 0;                     // last step of the chunk in work
  uint64_t hold_free_ = 0;                        // hold registers are read
  uint64_t written_first_ = 0, written_end_ = 0;  // words of ACT that XBARs in work write
  uint64_t done_ = 0;
};

class ArrayUnit {
 public:
  explicit ArrayUnit(const HardwareParameters& hardware) : h_(hardware) {}
  Span run(const isa::UnitCommand& command, uint64_t presented);
  const StepHistory& steps() const { return steps_; }  // of the last sweeps

 private:
  HardwareParameters h_;
  void note_steps(const Steps& steps);

  StepHistory steps_;
  uint64_t step_free_ = 0;   // the sequencer is at its next instruction
  uint64_t chain_free_ = 0;  // no step in any stage
  uint64_t emit_free_ = 0;   // PV sums of the last sweep are taken
  uint64_t write_free_ = 0;  // of accumulating words
  uint64_t done_ = 0;
  std::array<uint64_t, 4> popped_{};  // by drain: entries of the ring
  size_t count_ = 0;
  int feed_ = -1;  // north and multicast of the steps in the chain
};

class SoftmaxUnit {
 public:
  explicit SoftmaxUnit(const HardwareParameters& hardware) : h_(hardware) {}
  Span run(const isa::UnitCommand& command, uint64_t presented);

 private:
  HardwareParameters h_;
  uint64_t s0_ = ~uint64_t{0} >> 1;  // its head record
  uint64_t accept_ = 0;              // the next command's place is free
  uint64_t done_ = 0;
};

class DmaUnit {
 public:
  // What transfers lose: `overtaken` by those of lower channels, `appended` to appends of K and V.
  DmaUnit(const HardwareParameters& hardware, const Timing& timing, uint64_t turn, Lost& overtaken,
          Lost& appended);
  uint64_t turn() const { return turn_; }
  // `array`: the array's steps so far, for stores of KV tiles.
  Span run(const isa::UnitCommand& command, uint64_t presented, const StepHistory& array);
  void append(const std::vector<Append>& appends);

 private:
  // Tiles of a LOADT through a channel: `beats` a tile, bank groups from `group` on, a channel's next each.
  struct Tiles {
    size_t number = 0;
    uint64_t first = 0;
    uint64_t count = 0;
    uint64_t beats = 0;
    uint64_t group = 0;
    uint64_t late = 0;      // cycles lost to appends so far
    uint64_t expected = 0;  // of them to earlier ones
  };

  // A descriptor of a load, as far as later ones depend on it.
  struct Burst {
    uint64_t bursts = 0;      // of the channel up to its end
    uint64_t count = 0;       // its own
    uint64_t first_beat = 0;  // cycle
    uint64_t cycles = 0;      // of the data
    uint64_t last_beat = 0;
  };
  struct Channel {
    uint64_t request_free = 0;  // the request engine takes a descriptor
    uint64_t data_free = 0;     // the next beat may move
    uint64_t bursts = 0;
    std::deque<Burst> history;
    std::deque<uint64_t> popped;  // from the request buffer
    uint64_t store_free = 0;
    std::deque<Tiles> tiles;     // the last ones
    std::deque<Append> appends;  // likewise, into its bank groups
  };

  // Write port of a linear space: its last transfers. A lower channel has precedence, word by word.
  struct Transfer {
    size_t channel = 0;
    size_t number = 0;
    uint64_t first = 0;
    uint64_t cycles = 0;
    uint64_t last = 0;      // with what it lost to later ones in the walk before
    uint64_t expected = 0;  // with what earlier ones take alone
    uint64_t now = 0;       // with what later ones take in this walk
  };
  using Port = std::deque<Transfer>;

  uint64_t burst_done(const Channel& channel, uint64_t index) const;
  uint64_t load(size_t channel, uint64_t accepted, uint64_t address, uint64_t tiles, uint64_t beats,
                uint64_t cycles, uint64_t group, Port* port);
  uint64_t transfer(Port& port, size_t channel, uint64_t first, uint64_t cycles);
  static uint64_t last_write(const Port& port, const Transfer& transfer);
  uint64_t tile_transfer(Channel& channel, uint64_t first, uint64_t tiles, uint64_t beats, uint64_t group);
  void meet(Tiles& tiles, const Append& append) const;
  uint64_t store(Channel& channel, uint64_t accepted, uint64_t address, uint64_t beats, uint64_t words,
                 uint64_t group, const StepHistory* array);
  uint64_t bursts_of(uint64_t address, uint64_t beats) const;

  HardwareParameters h_;
  Timing timing_;
  Lost& overtaken_;
  Lost& appended_;
  std::vector<Channel> channels_;
  std::array<uint64_t, 8> retired_{};  // by tag
  size_t count_ = 0;
  size_t turn_ = 0;  // channel of the next linear transfer
  uint64_t accept_ = 0;
  uint64_t done_ = 0;
  std::array<Port, 4> ports_{};            // ACT, SCR, KVS, SCL
  std::array<uint64_t, 2> store_reads_{};  // ends of the reads of the last stores: a beat in two cycles each
  size_t stores_ = 0;
};

// Byte planes of a numerator that PV sweeps and JOIN reads.
int planes(const isa::UnitCommand& command);

}  // namespace pimllm::cycles

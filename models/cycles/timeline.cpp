#include "models/cycles/timeline.hpp"

#include <algorithm>

#include "golden/error.hpp"
#include "models/cycles/fetch.hpp"
#include "models/isa/scalar_core.hpp"

namespace pimllm::cycles {
namespace {

using isa::Opcode;
using isa::Unit;

constexpr size_t kUnits = 6;
constexpr size_t kInFlight = 8;        // sched_pkg::InFlightDepth
constexpr uint64_t kOperandStage = 1;  // sched_core -> operand_stage, which pushes
constexpr uint64_t kQueue = 1;         // fifo of unit_queue
constexpr uint64_t kGranted = 1;       // has_waited_q: presented the cycle after its semaphores are granted
constexpr uint64_t kGiven = 1;         // semaphore counters are registers
constexpr uint64_t kQueuePopped = 1;   // room the cycle after the head is accepted
constexpr int kMostWalks = 64;         // more than any program has needed
constexpr uint64_t kAllIdle = 1;       // the last done is out of the in-flight buffer the cycle after

// Cycles in which tokens of a semaphore come, and who is granted when.
class Semaphores {
 public:
  explicit Semaphores(Lost& overtaken) : overtaken_(overtaken) {}
  void give(uint8_t semaphore, uint64_t done) {
    if (semaphore == 0) return;
    Tokens& tokens = tokens_[semaphore];
    if (tokens.given - tokens.taken > isa::kSemaphoreLimit)
      fail("semaphore {}: expected at most {} tokens", semaphore, isa::kSemaphoreLimit);
    tokens.at[tokens.given++ % tokens.at.size()] = done + kGiven;
  }
  // The first cycle, not before `wanted`, in which both tokens are there and no unit of a lower number is
  // granted.
  uint64_t take(uint8_t first, uint8_t second, uint64_t wanted, Unit unit, size_t index) {
    for (const uint8_t semaphore : {first, second}) {
      if (semaphore == 0) continue;
      Tokens& tokens = tokens_[semaphore];
      if (tokens.taken == tokens.given)
        fail("instruction {}: expected semaphore {} to be given before it", index, semaphore);
      wanted = std::max(wanted, tokens.at[tokens.taken++ % tokens.at.size()]);
    }
    Grant grant{peer(unit), overtaken_.count(), wanted, 0, 0, 0};
    grant.free = grant.expected = first_free(grant.peer, wanted);
    grant.at = grant.expected + overtaken_.next();
    grants_[grant.number % grants_.size()] = grant;
    for (Grant& other : grants_) {
      if (other.free != grant.at || other.peer <= grant.peer) continue;
      other.free = first_free(other.peer, other.free);
      overtaken_.found(other.number, other.free - other.expected);
    }
    return grant.at;
  }

 private:
  struct Tokens {
    std::array<uint64_t, isa::kSemaphoreLimit + 1> at{};
    uint64_t given = 0, taken = 0;
  };
  struct Grant {
    size_t peer = 0;  // the lowest that can be served is granted, one a cycle
    size_t number = 0;
    uint64_t wanted = 0;
    uint64_t at = 0;        // with what it lost to later ones in the walk before
    uint64_t expected = 0;  // with what earlier ones take alone
    uint64_t free = 0;      // with what later ones take in this walk
  };
  static size_t peer(Unit unit) { return unit == Unit::kSched ? kUnits : static_cast<size_t>(unit); }
  uint64_t first_free(size_t peer, uint64_t at) const {
    const auto taken = [&](const Grant& other) { return other.at == at && other.peer < peer; };
    while (std::any_of(grants_.begin(), grants_.end(), taken)) ++at;
    return at;
  }

  Lost& overtaken_;
  std::array<Tokens, isa::kSemaphores> tokens_;
  std::array<Grant, 32> grants_{};  // the last ones
};

// The last `Depth` times of something, oldest first.
class Last {
 public:
  explicit Last(size_t depth) : times_(depth) {}
  uint64_t oldest() const { return times_[next_]; }
  void add(uint64_t time) {
    times_[next_] = time;
    next_ = (next_ + 1) % times_.size();
  }

 private:
  std::vector<uint64_t> times_;  // cycle + 1 in which there is room
  size_t next_ = 0;
};

struct Queue {
  explicit Queue(size_t depth) : accepted(depth), done(kInFlight) {}
  Last accepted, done;
  uint64_t head = 0;  // the next command is at the head
};

}  // namespace

Timing timing_of(const CompiledModel& model, int memory_latency) {
  Timing timing;
  timing.memory_latency = memory_latency;
  for (const auto& r : model.registers) {
    if (r.name == "ROWS_PER_CONV") timing.rows_per_conversion = static_cast<int>(r.value);
  }
  return timing;
}

Code decode(const CompiledProgram& program) {
  Code code;
  code.base = program.address / isa::kInstructionBytes;
  for (const auto& word : program.words) {
    code.instructions.push_back(isa::decode(word));
    code.units.push_back(isa::opcode_info(code.instructions.back().opcode).unit);
  }
  return code;
}

Result run(const CompiledProgram& program, const HardwareParameters& hardware, const Options& options) {
  return run(decode(program), hardware, options);
}

namespace {

// What things lose to others behind them in the program. A walk in the order of the program finds it, the
// next uses it; when they agree the times stand. They do in the end: what a walk gets wrong first in time the
// next gets right, as nothing depends on a later cycle.
struct Overtaken {
  Lost grants;     // to a unit of a lower number, at the semaphores
  Lost transfers;  // to a lower channel, at the write port of a space
  Lost tiles;      // to appends of K and V
  bool settled() {
    const bool all_grants = grants.settled();
    const bool all_transfers = transfers.settled();
    return tiles.settled() && all_transfers && all_grants;
  }
};

Result walk(const Code& code, const HardwareParameters& hardware, const Options& options,
            const std::function<void(const Record&)>& on_record, Overtaken& overtaken) {
  Result result;
  isa::ScalarCore core;
  Host host = options.host;
  const auto csr = [&](uint64_t number) -> uint64_t {
    switch (number) {
      case 0:
        return host.token_in;
      case 1:
        return host.position;
      case 2:
        return host.tokens_left;
      case 4:
        return host.arg0;
      default:
        return 0;
    }
  };
  Fetch fetch(hardware, options.timing, code.base);
  Semaphores semaphores(overtaken.grants);
  std::vector<Queue> queues(kUnits, Queue(static_cast<size_t>(hardware.queue_depth)));
  std::array<uint64_t, kUnits> busy_to{};
  VectorUnit vec(hardware);
  PimUnit pim(hardware, options.timing);
  ArrayUnit arr(hardware);
  SoftmaxUnit smx(hardware);
  DmaUnit dma(hardware, options.timing, options.linear_turn, overtaken.transfers, overtaken.tiles);
  const auto channel_bytes = static_cast<uint64_t>(hardware.channel_bytes);

  uint64_t idle_from = 0;  // nothing in flight anywhere
  const auto count_busy = [&](const Record& record) {
    const auto u = static_cast<size_t>(record.unit);
    const uint64_t from = std::max(record.span.taken, busy_to[u]);
    if (record.span.done > from) result.busy[u] += record.span.done - from;
    busy_to[u] = std::max(busy_to[u], record.span.done);
    idle_from = std::max(idle_from, record.span.done + kAllIdle);
    if (on_record) on_record(record);
  };

  uint64_t pushed = 0;  // the operand stage is free again
  for (;;) {
    const size_t index = core.pc();
    if (index >= code.instructions.size()) fail("program: expected HALT, found its end at {}", index);
    const isa::Instruction& in = code.instructions[index];
    const Unit unit = code.units[index];
    uint64_t decoded = fetch.decoded(index);
    ++result.instructions;
    uint64_t issued = decoded;
    if (unit == Unit::kSched) {
      if (in.opcode == Opcode::kSync || in.opcode == Opcode::kHalt) issued = std::max(issued, idle_from);
      if (in.opcode == Opcode::kWait || in.opcode == Opcode::kCsrw || in.opcode == Opcode::kArgmax) {
        if (in.wait0 != 0) issued = semaphores.take(in.wait0, 0, issued, unit, index);
      }
      if (in.opcode == Opcode::kPost) semaphores.give(in.sig0, issued);
      if (in.opcode == Opcode::kHalt) {
        result.cycles = issued + 1;
        break;
      }
      if (in.opcode == Opcode::kCsrw) {
        const uint64_t value = core.registers()[in.rs];
        if (in.imm == static_cast<uint64_t>(isa::Csr::kPosition)) host.position = value;
        if (in.imm == static_cast<uint64_t>(isa::Csr::kTokensLeft)) host.tokens_left = value;
      }
      const bool redirected = core.step(in, csr, 0);
      fetch.issued(issued, redirected, core.pc());
      continue;
    }

    // Dispatch: the operand stage holds one instruction until its queue has room.
    issued = std::max(issued, pushed);
    Queue& queue = queues[static_cast<size_t>(unit)];
    const uint64_t push = std::max(issued + kOperandStage, queue.accepted.oldest());
    pushed = push;
    Record record;
    record.index = index;
    record.unit = unit;
    record.decoded = decoded;
    record.queued = push + kQueue;
    record.command =
        isa::resolve(in, core.registers(), static_cast<uint32_t>(code.base + index), channel_bytes);
    uint64_t presented = std::max({push + kQueue, queue.head, queue.done.oldest()});
    if (in.wait0 != 0 || in.wait1 != 0) {
      presented = semaphores.take(in.wait0, in.wait1, presented, unit, index) + kGranted;
    }
    record.presented = presented;
    switch (unit) {
      case Unit::kDma:
        record.span = dma.run(record.command, presented, arr.steps());
        break;
      case Unit::kPim:
        record.span = pim.run(record.command, presented);
        break;
      case Unit::kArr:
        record.span = arr.run(record.command, presented);
        break;
      case Unit::kSmx:
        record.span = smx.run(record.command, presented);
        break;
      default:
        record.span = vec.run(record.command, presented);
        dma.append(vec.appends());
    }
    const Span& span = record.span;
    queue.head = span.taken + 1;
    queue.accepted.add(span.taken + kQueuePopped);
    semaphores.give(in.sig0, span.done);
    semaphores.give(in.sig1, span.done);
    queue.done.add(span.done + 1);
    count_busy(record);
    if (index == options.mark) {
      result.marks.push_back(span.done);
      result.busy_at_marks.push_back(result.busy);
    }
    const bool redirected = core.step(in, csr, 0);
    fetch.issued(issued, redirected, core.pc());
  }
  result.linear_turn = dma.turn();
  return result;
}

}  // namespace

Result run(const Code& code, const HardwareParameters& hardware, const Options& options) {
  Overtaken overtaken;
  std::vector<Record> records;
  std::function<void(const Record&)> keep;
  if (options.on_record) keep = [&](const Record& record) { records.push_back(record); };
  const int most = options.walks == 0 ? kMostWalks : options.walks;
  for (int walks = 1;; ++walks) {
    records.clear();
    const Result result = walk(code, hardware, options, keep, overtaken);
    if (!overtaken.settled() && walks != most) continue;
    for (const Record& record : records) options.on_record(record);
    return result;
  }
}

}  // namespace pimllm::cycles

// VEC: passes over chunks (rtl/vector/vector_pkg.sv, vector_issue.sv), scale programs between them
// (vector_scalar.sv).
#include <algorithm>
#include <array>

#include "golden/error.hpp"
#include "models/cycles/units.hpp"

namespace pimllm::cycles {
namespace {

using isa::Opcode;

// From the fire of a chunk to the cycle in which vector_scalar sees the maximum (or sum) that it ends: the
// stages up to the one that the trees tap, then three cycles of the trees (vector_max_tree.sv,
// vector_sum_tree.sv).
constexpr uint64_t kTree = 3;
constexpr uint64_t kStageC = 1;
constexpr uint64_t kStageP = 3;        // C, N, P
constexpr uint64_t kStageA = 4;        // C, N, P, A
constexpr uint64_t kShortW = 4;        // C, A, M, W
constexpr uint64_t kScaleW = 5;        // C, P, A, M, W
constexpr uint64_t kLongW = 6;         // C, N, P, A, M, W
constexpr uint64_t kSecondBeat = 1;    // what is taken from the second beat comes a cycle later
constexpr uint64_t kQuantLoop = 3;     // W back to A, M, W
constexpr uint64_t kGateLoop = 5;      // W, T, S, A, M, W
constexpr uint64_t kLateProduct = 2;   // W, L, E
constexpr uint64_t kWritten = 2;       // output buffer, then the write's grant; idle the cycle after
constexpr uint64_t kReadToFire = 2;    // granted, captured (flight), held
constexpr uint64_t kStartToRead = 1;   // command register
constexpr uint64_t kLoadToInit = 2;    // last scale granted, arrives, InitA
constexpr uint64_t kInitToReady = 1;   // InitA, init_done
constexpr uint64_t kShiftProgram = 1;  // Wait; ready_count
constexpr uint64_t kQuantReady = 2;    // Wait, QuantRecip; ready_count
constexpr uint64_t kQuantProgram = 3;  // Wait, QuantRecip, QuantFactor
constexpr uint64_t kMeanProgram = 2;   // Wait, MeanShift
constexpr uint64_t kVarProgram = 6;    // Wait, VarNorm .. VarScale
constexpr uint64_t kRmsScale = 5;      // VarNorm .. VarScale
constexpr uint64_t kOutProgram = 4;    // OutNorm, OutSize, OutScale, OutWrite
constexpr uint64_t kOutEref = 1;       // OutEref
constexpr uint64_t kActProgram = 3;    // ActSquare, ActShift, OutWrite
constexpr uint64_t kActGated = 2;      // ActGate, ActGateShift
constexpr uint64_t kSlots = 4;         // heads in work at once
constexpr size_t kBuffer = 3;          // chunks in the output buffer
constexpr uint64_t kActBanks = 2;      // pimllm_pkg::ActBanks

enum class Need { kNone, kInit, kPrevious, kSlot };
enum class Kind { kNone, kShift, kQuant, kMean, kVar };

struct Pass {
  uint64_t main = 1;     // words a chunk through the port of x
  uint64_t aux = 0;      // and through that of constants
  uint64_t gap = 1;      // least cycles between two fires
  bool aligned = false;  // fires in even cycles only
  Need need = Need::kNone;
  Kind kind = Kind::kNone;  // scale program behind it
  uint64_t reduced = 0;     // fire to the result of the trees, if kind
  uint64_t end = 0;         // fire to the last stage
  bool out = false;
  uint64_t reads = 1;  // cycles that the words of a chunk take
};

struct Passes {
  std::array<Pass, 5> pass;
  size_t count = 0;
  void add(const Pass& p) { pass[count++] = p; }
  // Both ports at the same time, unless they `meet` in a bank.
  void read(bool meet) {
    for (Pass& p : pass) p.reads = meet ? p.main + p.aux : std::max(p.main, p.aux);
  }
};

constexpr Pass max_pass(Kind kind) {
  return {.kind = kind, .reduced = kStageC + kTree, .end = kStageC + kTree - 1};
}

Passes norm_passes(bool layer) {
  Passes p;
  if (!layer) {
    p.add(max_pass(Kind::kShift));
    p.add({.aux = 1,
           .gap = 2,
           .need = Need::kPrevious,
           .kind = Kind::kQuant,
           .reduced = kStageA + kTree,
           .end = kStageP + kSecondBeat + kTree - 1});
    p.add({.aux = 1, .need = Need::kPrevious, .end = kLongW, .out = true});
    return p;
  }
  p.add({.kind = Kind::kMean, .reduced = kStageC + kTree});
  p.add(max_pass(Kind::kShift));
  p.pass[1].need = Need::kPrevious;
  p.add({.need = Need::kPrevious, .kind = Kind::kVar, .reduced = kStageP + kTree});
  p.add({.aux = 2, .gap = 2, .need = Need::kPrevious, .kind = Kind::kQuant, .reduced = kLongW + kTree});
  p.add({.aux = 2,
         .gap = 2,
         .aligned = true,
         .need = Need::kPrevious,
         .end = kLongW + kQuantLoop,
         .out = true});
  return p;
}

Passes quant_passes(int aux) {
  Passes p;
  if (aux == 1) {  // bias
    p.add({.aux = 1, .need = Need::kInit, .kind = Kind::kQuant, .reduced = kShortW + kTree});
    p.add({.aux = 1,
           .gap = 2,
           .aligned = true,
           .need = Need::kPrevious,
           .end = kShortW + kQuantLoop,
           .out = true});
  } else if (aux == 2) {  // RoPE: the second beat goes on
    p.add(max_pass(Kind::kShift));
    p.add({.aux = 1,
           .gap = 2,
           .need = Need::kPrevious,
           .kind = Kind::kQuant,
           .reduced = kStageA + kSecondBeat + kTree});
    p.add({.aux = 1, .gap = 2, .need = Need::kPrevious, .end = kLongW + kSecondBeat, .out = true});
  } else {
    p.add(max_pass(Kind::kQuant));
    p.add({.need = Need::kPrevious, .end = kShortW, .out = true});
  }
  return p;
}

Passes act_passes(int function, bool gated, bool bias) {
  Passes p;
  const uint64_t aux = gated || bias ? 1 : 0;
  const uint64_t gap = gated ? 2 : 1;
  if (function == 1 || (function == 0 && !bias)) {
    p.add(max_pass(Kind::kShift));
    if (gated) p.add(max_pass(Kind::kShift));
    p.add({.aux = aux, .gap = gap, .need = Need::kPrevious, .end = kLongW, .out = true});
    return p;
  }
  if (gated) p.add(max_pass(Kind::kShift));
  Pass last{
      .aux = aux, .gap = gap, .need = gated ? Need::kPrevious : Need::kInit, .end = kShortW, .out = true};
  if (function != 0) {
    last.aligned = true;
    last.end += kGateLoop + (gated ? kLateProduct : 0);
  }
  p.add(last);
  return p;
}

// When the next chunk of the issue fires: the state of vector_issue after a fire.
struct Issue {
  uint64_t fired = 0;
  uint64_t gap = 1;
  bool any = false;
  bool waited = false;  // fired in the very cycle in which its operands became ready
  bool aligned = false;

  void fire(const Pass& pass, uint64_t start, uint64_t ready) {
    uint64_t at = start + kStartToRead + (pass.reads - 1) + kReadToFire;
    if (any) {
      // Reads go on a cycle before a fire that is certain, else in its cycle.
      at = std::max(fired + pass.reads + (waited ? 1 : 0), fired + gap);
      if (pass.aligned && aligned && (at - fired) % 2 != 0 && at > ready) ++at;
    }
    waited = ready >= at;
    at = std::max(at, ready);
    if (any && pass.aligned && aligned && (at - fired) % 2 != 0) ++at;
    fired = at;
    gap = pass.gap;
    aligned = pass.aligned;
    any = true;
  }
};

}  // namespace

int planes(const isa::UnitCommand& command) {
  constexpr uint8_t kPvThree = 1 << 5;
  constexpr uint8_t kJoinThree = 1;
  const bool three = command.opcode == Opcode::kPv     ? (command.mode & kPvThree) != 0
                     : command.opcode == Opcode::kJoin ? (command.mode & kJoinThree) != 0
                                                       : false;
  return three ? 3 : 2;
}

// From the taking of a command, no request refused.
VectorUnit::Times VectorUnit::times(const isa::UnitCommand& c, uint64_t hold) {
  const auto scr_words = static_cast<uint64_t>(std::max(1, h_.vec_lanes / h_.array_cols));
  const bool join = c.opcode == Opcode::kJoin;
  const bool quant = c.opcode == Opcode::kQuant;
  const bool norm = c.opcode == Opcode::kNorm;
  const bool act = c.opcode == Opcode::kActfn;
  const bool layer = norm && (c.mode & 1) != 0;
  const bool gated = act && (c.mode & 4) != 0;
  const int destination = quant ? c.mode >> 2 & 3 : 0;
  const bool key = destination == 2;
  const bool value = destination == 3;

  uint64_t head_chunks = c.count;
  if ((quant || join) && c.mode >> 4 != 7) head_chunks = uint64_t{1} << (c.mode >> 4 & 7);
  uint64_t heads_left = c.count / head_chunks;

  Passes passes;
  uint64_t loads = 2;
  bool argmax = false;
  const bool known = norm ? (c.mode & 4) != 0 : quant && (c.mode & 3) == 3;
  const bool keeps =
      act ? (c.mode & 0x10) != 0 : !norm && !quant && c.opcode != Opcode::kLogit && (c.mode & 2) != 0;
  switch (c.opcode) {
    case Opcode::kNorm:
      passes = norm_passes(layer);
      loads = 4;
      break;
    case Opcode::kQuant:
      passes = quant_passes(c.mode & 3);
      break;
    case Opcode::kActfn:
      passes = act_passes(c.mode & 3, gated, (c.mode & 8) != 0);
      loads = gated ? 3 : 2;
      break;
    case Opcode::kJoin:
      passes.add({.main = static_cast<uint64_t>(planes(c)) * scr_words,
                  .gap = 2,
                  .need = Need::kSlot,
                  .end = kShortW,
                  .out = true});
      break;
    case Opcode::kResadd:
      passes.add({.main = 2, .aux = c.mode & 1U, .gap = 2, .need = Need::kInit, .end = kShortW, .out = true});
      loads = 3;
      break;
    case Opcode::kEmbed:
      passes.add({.aux = c.mode & 1U, .need = Need::kInit, .end = kShortW, .out = true});
      break;
    case Opcode::kLogit:
      passes.add({.main = scr_words, .aux = 1, .gap = 2, .need = Need::kInit, .end = kScaleW, .out = true});
      loads = 1;
      argmax = true;
      break;
    default:
      fail("opcode {}: expected one of the vector unit", static_cast<int>(c.opcode));
  }

  const auto bank = [this](uint64_t word) {
    return word / (static_cast<uint64_t>(h_.act_words) / kActBanks);
  };
  passes.read(!join && c.opcode != Opcode::kLogit && bank(c.a0) == bank(c.a1));

  // Of kv heads in pairs the odd one's tile lies half of the bank groups further.
  const auto groups = static_cast<uint64_t>(h_.groups());
  const bool pairs = (c.s2 >> 16 & 1) != 0;
  const auto append = [&](uint64_t from, uint64_t count, uint64_t each, uint64_t head) {
    const uint64_t further = pairs && head % 2 != 0 ? groups / 2 : 0;
    const uint64_t group = (c.pos / static_cast<uint64_t>(h_.array_cols) + further) % groups;
    Append* before = appends_.empty() ? nullptr : &appends_.back();
    if (before != nullptr && before->group == group && before->end() == from && before->period == 1 &&
        each == 1) {
      before->count += count;
    } else {
      appends_.push_back({from, count, each, group});
    }
  };
  appends_.clear();

  const uint64_t key_writes = static_cast<uint64_t>(h_.vec_lanes / h_.group_banks());
  uint64_t start = 0;
  bool first = true;
  uint64_t first_head = 0;  // of the batch
  uint64_t init_done = 0;
  std::array<uint64_t, kBuffer> written{};  // last writes of the last chunks, the latest first
  Issue issue;
  uint64_t stands_at = 0, stands = 0;  // the pipeline waits for the instruction before: when, how long
  for (;;) {
    const uint64_t heads = std::min(heads_left, kSlots);
    const bool last_batch = heads_left <= kSlots;
    heads_left -= heads;
    uint64_t scalar = start + 1;  // state Wait, or what takes its place
    if (first || join) {
      const uint64_t init = start + (join ? heads : loads) + kLoadToInit;
      init_done = init + kInitToReady;
      scalar = init + 1;
      if (norm) scalar += 2;
      if (gated) scalar += 1;
    }
    std::array<uint64_t, kSlots> ready{};
    uint64_t pipe_end = 0;
    if (join) {
      for (uint64_t h = 0; h < heads; ++h) ready[h] = init_done + h;
      scalar = init_done + heads - 1;
    }
    issue.any = first ? false : issue.any;
    bool batch_first = true;
    if (known) {
      // The scale program behind the first pass runs at once, on what was kept.
      ready[0] = scalar + (layer ? kMeanProgram : quant ? kQuantReady : kShiftProgram);
      scalar += layer ? kMeanProgram : quant ? kQuantProgram : 1;
    }
    for (size_t p = known ? 1 : 0; p < passes.count; ++p) {
      const Pass& pass = passes.pass[p];
      uint64_t period = std::max(pass.reads, pass.gap);
      if (pass.aligned) period += period % 2;
      for (uint64_t h = 0; h < heads; ++h) {
        uint64_t can = 0;
        if (pass.need == Need::kInit) can = init_done;
        if (pass.need == Need::kPrevious || pass.need == Need::kSlot) can = ready[h];
        // What was ready before the pipeline stood has fired, or does so as far behind the last chunk.
        if (stands != 0) can = can < stands_at ? can + stands : std::max(can, stands_at + stands);
        if (batch_first && !first) {
          // A batch's first read comes the cycle after its start.
          Issue fresh;
          fresh.fire(pass, start, can);
          issue = fresh;
        } else {
          issue.fire(pass, start, can);
        }
        batch_first = false;
        const auto push = [&] {
          if (!pass.out) return;
          // The pipeline stands while the buffer is full, or another instruction's.
          uint64_t pushed = issue.fired + pass.end;
          if (pushed <= hold) {
            stands_at = pushed;
            stands = hold + 1 - pushed;
            issue.fired += stands;
            pushed = hold + 1;
          }
          if (value) append(pushed + 1, 1, 1, first_head + h);
          if (!key) return;
          // Rows of the K tile, one a cycle.
          if (pushed <= written.back()) {
            issue.fired += written.back() + 1 - pushed;
            pushed = written.back() + 1;
          }
          std::rotate(written.begin(), written.end() - 1, written.end());
          const uint64_t before = std::max(written[1], pushed);
          written[0] = before + key_writes;
          append(before + 1, key_writes, 1, first_head + h);
        };
        push();
        if (key && pass.out) {
          for (uint64_t k = 1; k < head_chunks; ++k) {
            issue.fire(pass, start, 0);
            push();
          }
        } else if (head_chunks > 1) {
          issue.fire(pass, start, 0);
          push();
          if (head_chunks > 2) {
            issue.fire(pass, start, 0);
            push();
            const uint64_t rest = head_chunks - 3;
            if (value && pass.out && rest != 0) {
              append(issue.fired + pass.end + period + 1, rest, period, first_head + h);
            }
            issue.fired += rest * period;
            issue.waited = false;
          }
        }
        pipe_end = std::max(pipe_end, issue.fired + pass.end);
        if (pass.kind == Kind::kNone) continue;
        const uint64_t wait = std::max(scalar, issue.fired + pass.reduced);
        switch (pass.kind) {
          case Kind::kShift:
            ready[h] = wait + kShiftProgram;
            scalar = wait + 1;
            break;
          case Kind::kQuant:
            ready[h] = wait + kQuantReady;
            scalar = wait + kQuantProgram;
            break;
          case Kind::kMean:
            ready[h] = wait + kMeanProgram;
            scalar = wait + kMeanProgram;
            break;
          default:
            ready[h] = wait + kVarProgram;
            scalar = wait + kVarProgram;
        }
      }
    }
    // What is left to the scales.
    if (norm) scalar += (layer ? 0 : kRmsScale) + kOutProgram;
    if (quant) scalar += heads * (kOutProgram + (value ? kOutEref : 0));
    if (act) scalar += kActProgram + (gated ? kActGated : 0);
    if (norm || quant || act) {
      const uint64_t others = quant ? (heads - 1) * (kOutProgram + (value ? kOutEref : 0)) : 0;
      const uint64_t first_write = scalar - others;
      if (first_write <= hold + 1) scalar += hold + 2 - first_write;
    }
    uint64_t end = std::max(scalar, pipe_end + 1 + (argmax || keeps ? kTree - 1 : 0));
    if (last_batch) {
      const uint64_t out = key ? written[0] + 1 : pipe_end + kWritten;
      const uint64_t done = std::max(end, out);
      return {key ? end : done, done};
    }
    start = end;
    first = false;
    first_head += heads;
  }
}

Span VectorUnit::run(const isa::UnitCommand& command, uint64_t presented) {
  // The next command is taken in the cycle of done, or while rows of K are written.
  const uint64_t taken = used_ ? std::max(presented, computed_) : presented;
  const uint64_t hold = used_ && done_ > taken ? done_ - taken : 0;
  used_ = true;
  const Times t = times(command, hold);
  for (Append& a : appends_) a.from += taken;
  computed_ = taken + t.computed;
  done_ = taken + t.done;
  return {taken, done_};
}

}  // namespace pimllm::cycles

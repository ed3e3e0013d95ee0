// Random legal programs: scalar work, loops, forward branches, unit instructions, and tokens between
// everybody.
//
// Every semaphore has one giver and one taker, and every token is given and taken within one block, so that
// programs cannot hang whatever the timing, and the k-th take belongs to the k-th give.
#pragma once

#include <array>
#include <random>
#include <vector>

#include "tb/scheduler/interpreter.hpp"

namespace pimllm::tb {

// Tokens from unit `giver` (kUnits: the decoder) to unit `taker` (or the decoder), as far as such a pair has
// a number.
inline int token_sem(int giver, int taker) {
  if (giver == kUnits) return 1 + taker * kUnits + taker;  // no unit gives to itself
  if (taker == kUnits) return 26 + giver;
  return 1 + giver * kUnits + taker;
}
inline constexpr int kPostSem = 31;  // from the decoder to itself

class ProgramGenerator {
 public:
  explicit ProgramGenerator(std::mt19937_64& rng) : rng_(rng) {}

  std::vector<Word> generate(int items) {
    program_.clear();
    for (int r = kFirstData; r <= kLastData; ++r) li(r, static_cast<int64_t>(rng_() & kMask48));
    for (int r = kFirstSmall; r <= kLastSmall; ++r) li(r, pick(0, kSmall));
    for (int r = kFirstCount; r <= kLastCount; ++r) li(r, pick(1, 65535));
    li(1, pick(0, 65535));
    block(items, 0);
    sched(isa::Opcode::kHalt);
    return program_;
  }

 private:
  static constexpr int kFirstData = 2, kLastData = 9;
  static constexpr int kFirstSmall = 10, kLastSmall = 15;  // addresses: always at most kSmall
  static constexpr int kFirstCount = 16, kLastCount = 17;  // never 0
  static constexpr int kFirstLoop = 18;                    // one a level
  static constexpr int kSmall = 63;
  static constexpr int kMaxOpenTokens = 3;  // of one semaphore

  int pick(int low, int high) { return std::uniform_int_distribution(low, high)(rng_); }
  bool coin(double p) { return std::uniform_real_distribution<double>(0, 1)(rng_) < p; }
  void sched(isa::Opcode op, const SchedFields& f = {}) { program_.push_back(sched_instr(op, f)); }
  void li(int rd, int64_t value) { sched(isa::Opcode::kLi, {.rd = rd, .imm = value}); }
  int data() { return coin(0.1) ? 0 : pick(kFirstData, kLastData); }
  Ref small() { return {coin(0.5) ? 0 : pick(kFirstSmall, kLastSmall), pick(0, kSmall)}; }

  void block(int items, int loops) {
    std::array<int, 32> open{};  // tokens given and not yet taken in this block
    for (int i = 0; i < items; ++i) {
      const int kind = pick(0, 99);
      if (kind < 35) {
        scalar();
      } else if (kind < 80) {
        unit(open, true);
      } else if (kind < 86 && loops < isa_loops() && items > 2) {
        loop(items, loops);
      } else if (kind < 92 && items > 2) {
        branch(items, loops);
      } else if (kind < 95) {
        tokens_of_decoder(open);
      } else if (kind < 97) {
        sched(isa::Opcode::kCsrw, {.rs = data(), .imm = std::array{1, 2, 8}[rng_() % 3]});
      } else if (kind < 98) {
        sched(isa::Opcode::kSync);
      } else {
        sched(isa::Opcode::kArgmax, {.rd = data()});
      }
    }
    for (int s = 1; s <= 31; ++s) {
      while (open[static_cast<size_t>(s)] > 0) take_one(open, s);
    }
  }

  static int isa_loops() { return 4; }

  void scalar() {
    using isa::Opcode;
    SchedFields f{.rd = data(), .rs = data(), .rt = data()};
    switch (pick(0, 10)) {
      case 0:
        f.imm = static_cast<int64_t>(rng_() & kMask48);
        return sched(Opcode::kLi, f);
      case 1:
        f.imm = static_cast<int64_t>(rng_() & kMask48);
        return sched(Opcode::kAddi, f);
      case 2:
        return sched(Opcode::kAdd, f);
      case 3:
        return sched(Opcode::kSub, f);
      case 4:
        f.imm = coin(0.1) ? static_cast<int64_t>(rng_() & kMask48) : pick(0, 50);
        return sched(Opcode::kShli, f);
      case 5:
        f.imm = coin(0.1) ? static_cast<int64_t>(rng_() & kMask48) : pick(0, 50);
        return sched(Opcode::kShri, f);
      case 6:
        if (coin(0.5)) {
          f.rd = pick(kFirstSmall, kLastSmall);
          f.imm = kSmall;
        } else {
          f.imm = static_cast<int64_t>(rng_() & kMask48);
        }
        return sched(Opcode::kAndi, f);
      case 7:
        f.imm = static_cast<int64_t>(rng_() & 0xFFFFFFFF);
        return sched(Opcode::kMuli, f);
      case 8:
        return sched(Opcode::kMin, f);
      case 9:
        f.imm = std::array{0, 1, 2, 4, 5, 6, 7}[rng_() % 7];
        return sched(Opcode::kCsrr, f);
      default:
        f.rd = 1;
        return sched(Opcode::kAddi, f);
    }
  }

  // Operands that the opcode does not have, or that are no local address, may be anything.
  void operands_without_limit(isa::Opcode op, UnitFields& f) {
    using isa::Opcode;
    const auto any = [this] { return Ref{data(), pick(0, 2047)}; };
    const auto any_scalar = [this] { return Ref{data(), pick(0, 127)}; };
    const bool open = (f.mode & 4) != 0;
    switch (op) {
      case Opcode::kLoadt:
      case Opcode::kStoret:
      case Opcode::kLoadl:
      case Opcode::kStorel:
        f.a2 = any();
        f.s1 = any_scalar();
        break;
      case Opcode::kXprog:
        f.a1 = any();
        [[fallthrough]];
      case Opcode::kXbar:
        f.a2 = any();
        f.s1 = any_scalar();
        f.s2 = any_scalar();
        break;
      case Opcode::kQk:
      case Opcode::kPv:
        f.s0 = any_scalar();
        if (!open) f.s1 = any_scalar();
        break;
      case Opcode::kSmaxscan:
        f.a1 = any();
        [[fallthrough]];
      case Opcode::kSoftmax:
        if (!open) f.s2 = any_scalar();
        break;
      case Opcode::kQuant:
        if ((f.mode & 3) == 0) f.a1 = any();
        break;
      case Opcode::kJoin:
        f.a1 = any();
        f.s1 = any_scalar();
        f.s2 = any_scalar();
        break;
      case Opcode::kResadd:
      case Opcode::kEmbed:
        if ((f.mode & 1) == 0) f.a1 = any();
        break;
      case Opcode::kActfn:
        if ((f.mode & 0xC) == 0) f.a1 = any();
        break;
      case Opcode::kLogit:
        f.s1 = any_scalar();
        f.s2 = any_scalar();
        break;
      default:
        break;
    }
  }

  // A unit instruction that takes tokens meant for its unit and may give some.
  void unit(std::array<int, 32>& open, bool gives, int only_unit = -1) {
    using isa::Opcode;
    static const std::vector<Opcode> kOps = [] {
      std::vector<Opcode> ops;
      for (const auto& info : isa::kOpcodes) {
        if (info.unit != isa::Unit::kSched) ops.push_back(info.opcode);
      }
      return ops;
    }();
    Opcode op;
    do op = kOps[rng_() % kOps.size()];
    while (only_unit >= 0 && unit_index(op) != only_unit);
    const int me = unit_index(op);
    UnitFields f;
    f.mode = pick(0, 127);
    f.count = me != 4 && (f.mode & 0x40) != 0 ? pick(kFirstCount, kLastCount) : pick(1, 2047);
    f.a0 = small();
    f.a1 = me == 0 ? Ref{data(), pick(0, 2047)} : small();
    f.a2 = small();
    f.s0 = small();
    f.s1 = small();
    f.s2 = small();
    if (me == 0 || me == 2) f.s2 = {data(), pick(0, 127)};
    if (me == 0 || me == 1) f.s0 = {data(), pick(0, 127)};
    operands_without_limit(op, f);
    if (op == Opcode::kLogit) f.s2 = {data(), pick(0, 127)};
    f.wait0 = take(open, me);
    f.wait1 = take(open, me);
    if (gives) {
      f.sig0 = give(open, me);
      f.sig1 = give(open, me);
    }
    program_.push_back(unit_instr(op, f));
  }

  // A token that waits for this taker, taken; 0 if there is none, or now and then.
  int take(std::array<int, 32>& open, int taker) {
    if (coin(0.3)) return 0;
    for (int giver = 0; giver <= kUnits; ++giver) {
      const int s = token_sem(giver, taker);
      if (giver != taker && open[static_cast<size_t>(s)] > 0 && coin(0.7)) {
        --open[static_cast<size_t>(s)];
        return s;
      }
    }
    return 0;
  }

  int give(std::array<int, 32>& open, int giver) {
    if (coin(0.5)) return 0;
    const int taker = pick(0, kUnits);
    if (taker == giver) return 0;
    const int s = token_sem(giver, taker);
    if (open[static_cast<size_t>(s)] >= kMaxOpenTokens) return 0;
    ++open[static_cast<size_t>(s)];
    return s;
  }

  void tokens_of_decoder(std::array<int, 32>& open) {
    const int taker = pick(0, kUnits);
    const int s = taker == kUnits ? kPostSem : token_sem(kUnits, taker);
    if (open[static_cast<size_t>(s)] < kMaxOpenTokens) {
      sched(isa::Opcode::kPost, {.sig = s});
      ++open[static_cast<size_t>(s)];
    }
  }

  void take_one(std::array<int, 32>& open, int s) {
    if (s >= 26) {
      sched(isa::Opcode::kWait, {.wait0 = s});
      --open[static_cast<size_t>(s)];
      return;
    }
    unit(open, false, (s - 1) % kUnits);  // may or may not take it
  }

  void loop(int items, int loops) {
    const int counter = kFirstLoop + loops;
    li(counter, pick(0, 3));
    const size_t at = program_.size();
    sched(isa::Opcode::kLoop, {.rs = counter});
    block(pick(1, items / 2), loops + 1);
    if (ends_badly()) sched(isa::Opcode::kNop);
    program_[at].put(isa::sched_field::kImm, program_.size() - at - 1);
  }

  // A body may end where an inner one does, but not in a LOOP or a jump.
  bool ends_badly() const {
    const auto op = static_cast<isa::Opcode>(program_.back().get(isa::sched_field::kOpcode));
    return op == isa::Opcode::kLoop || landing_ == program_.size();
  }

  void branch(int items, int loops) {
    using isa::Opcode;
    const Opcode op = std::array{Opcode::kBeqz, Opcode::kBnez, Opcode::kJump}[rng_() % 3];
    const size_t at = program_.size();
    sched(op, {.rs = coin(0.3) ? 0 : pick(kFirstSmall, kLastSmall)});
    block(pick(0, items / 2), loops);
    program_[at].put(isa::sched_field::kImm, program_.size() - at);
    landing_ = program_.size();  // something must follow here within the body of a loop
  }

  std::mt19937_64& rng_;
  std::vector<Word> program_;
  size_t landing_ = 0;
};

}  // namespace pimllm::tb

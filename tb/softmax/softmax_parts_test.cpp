// Parts of the softmax unit, each by itself: a lane, from raw score to numerator, and an operand stream.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <deque>
#include <optional>

#include "Vsoftmax_part_fetch.h"
#include "Vsoftmax_part_lane.h"
#include "golden/attention.hpp"
#include "tb/common/part.hpp"
#include "tb/common/seed.hpp"
#include "tb/common/signal.hpp"

namespace pimllm::tb {
namespace {

// --- a lane
// ---------------------------------------------------------------------------------------------------

struct LaneBeat {
  bool con = false;
  Scale sq, sk, sv, c;
  int32_t acc = 0, score = 0;
  int16_t max = 0, eref = 0, z = 0;
  bool clipped = false;
};

// Operands that bring scores and numerators into their ranges and beyond either end.
class LaneOperands {
 public:
  LaneBeat draw(bool con) {
    LaneBeat b;
    b.con = con;
    const bool wild = below(20) == 0;
    const auto scale = [&](int e) {
      if (below(60) == 0) return Scale{};
      const auto m =
          static_cast<uint16_t>(below(8) == 0 ? (below(2) == 0 ? 0x8000 : 0xFFFF) : 0x8000 | below(0x8000));
      return Scale{m, wild ? static_cast<int16_t>(below(0x10000)) : wrap16(e)};
    };
    const auto near = [&](int spread) {
      return static_cast<int>(below(2 * static_cast<uint64_t>(spread) + 1)) - spread;
    };
    constexpr int kPoint = 12, kProduct = 31;  // of scores; bits of the product of two mantissas that go away
    const int sq = near(40);
    b.sq = scale(sq);
    b.sk = scale(near(36) - 18 - kPoint - kProduct + 16 - sq);
    b.acc = static_cast<int32_t>(static_cast<uint32_t>(rng())) >> below(32);
    const int sv = near(100), c = near(100);
    b.sv = scale(sv);
    b.c = scale(c);
    b.z = static_cast<int16_t>(near(100));
    b.eref = static_cast<int16_t>(con ? c + sv - b.z + near(40) : sv + near(40));
    return b;
  }
  // One that covers the score.
  int16_t maximum(int32_t score) {
    const int least = (score + 4095) >> 12;
    const uint64_t above = below(2) == 0 ? below(3) : below(8) != 0 ? below(40) : below(30000);
    return static_cast<int16_t>(least + static_cast<int>(above));
  }
  uint64_t below(uint64_t n) { return rng() % n; }

  std::mt19937_64 rng = make_rng(101);
};

// A stage takes over from the one before when it holds a beat and all go, and keeps what it has otherwise.
TEST(SoftmaxLane, ScoresAndNumerators) {
  constexpr size_t kStages = 10;
  LaneOperands operands;
  auto& rng = operands.rng;
  Part<Vsoftmax_part_lane> part;
  auto& dut = part.dut;
  std::array<std::optional<LaneBeat>, kStages + 1> at;  // in front of a stage, if it is known
  bool con = false;
  const auto any_scale = [&] { return static_cast<uint32_t>(rng()); };
  for (int cycle = 0; cycle < 200000; ++cycle) {
    if (cycle % 500 == 0) {
      con = rng() % 2 != 0;
      at.fill(std::nullopt);
    }
    at[0] = operands.draw(con);
    const bool go = chance(rng, 0.8);
    const auto valid = static_cast<uint16_t>(cycle % 1000 < 500 ? rng() | rng() : rng());
    dut.con_i = con;
    dut.go_i = go;
    dut.v_i = valid & ((1U << kStages) - 1);
    const auto beat_of = [&](size_t stage) { return at[stage].value_or(LaneBeat{}); };
    const auto holds = [&](size_t stage) { return (valid >> stage & 1) != 0 && at[stage]; };
    if (holds(5)) at[5]->max = operands.maximum(at[5]->score);
    dut.sq_i = holds(0) ? sf_pack(beat_of(0).sq) : any_scale();
    dut.sk_i = holds(0) ? sf_pack(beat_of(0).sk) : any_scale();
    dut.acc_i = holds(2) ? static_cast<uint32_t>(beat_of(2).acc) : any_scale();
    dut.sv_i = holds(5) ? sf_pack(beat_of(5).sv) : any_scale();
    dut.c_i = holds(5) ? sf_pack(beat_of(5).c) : any_scale();
    dut.max_i = static_cast<uint16_t>(holds(5) ? beat_of(5).max : rng());
    dut.eref_i = static_cast<uint16_t>(holds(6) ? beat_of(6).eref : rng());
    dut.z_i = static_cast<uint16_t>(holds(6) ? beat_of(6).z : rng());
    part.clock();
    for (size_t stage = kStages; go && stage-- > 0;) {
      if ((valid >> stage & 1) == 0) continue;
      at[stage + 1] = at[stage];
      if (stage != 4 || !at[5]) continue;
      const Scale ks = sf_mul(at[5]->sq, at[5]->sk);
      uint64_t clips = 0;
      at[5]->score = con ? consmax_score(at[5]->acc, ks, clips) : softmax_score(at[5]->acc, ks);
      at[5]->clipped = clips != 0;
    }
    SCOPED_TRACE(cycle);
    if (at[5]) {
      ASSERT_EQ(dut.clip_o, at[5]->clipped);
      if (!con) {
        ASSERT_EQ(dut.ceil_o, static_cast<uint32_t>((at[5]->score + 4095) >> 12) & 0x1FFF);
      }
    }
    const auto exact = [](const LaneBeat& b) {
      SoftmaxState state{.max = b.max, .sum = 0};
      std::array<uint32_t, 1> numerator{};
      softmax_numerators(std::array{b.score}, std::array{b.sv}, b.eref, state, numerator);
      return std::pair(state.sum, numerator[0]);
    };
    if (at[9] && !con) {
      ASSERT_EQ(dut.prob_o, exact(*at[9]).first);
    }
    if (at[10]) {
      const LaneBeat& b = *at[10];
      ASSERT_EQ(dut.num_o, con ? consmax_numerator(b.score, b.sv, b.eref, {b.c, b.z}) : exact(b).second);
    }
  }
}

// --- an operand stream
// ---------------------------------------------------------------------------------------------------

// Words in their order, each as soon as the one before is sure to have gone; a word is two beats one behind
// the other.
TEST(SoftmaxFetch, WordsInOrderWithoutAGap) {
  constexpr uint64_t kAddresses = 128, kStep = 2;
  auto rng = make_rng(102);
  Part<Vsoftmax_part_fetch> part;
  auto& dut = part.dut;
  dut.start_i = dut.use_i = dut.last_i = dut.go_i = dut.go_next_i = dut.gnt_i = 0;
  part.reset();
  std::deque<uint64_t> left;  // addresses
  bool full = false, arriving = false;
  uint64_t word = 0, next_word = 0;  // what they hold
  uint64_t beats = 0;                // to come
  bool use = false, last = false, go = true;
  double grants = 1, goes = 1;
  for (int cycle = 0; cycle < 300000; ++cycle) {
    SCOPED_TRACE(cycle);
    if (cycle % 3000 == 0) {
      grants = chance(rng, 0.4) ? 1.0 : 0.5;
      goes = chance(rng, 0.4) ? 1.0 : 0.7;
    }
    dut.start_i = left.empty() && !full && !arriving && beats == 0 && !use && chance(rng, 0.3);
    dut.words_i = static_cast<uint16_t>(rng());
    dut.base_i = rng() % kAddresses;
    dut.open_addr_i = rng() % kAddresses;
    dut.open_i = rng() % 2;
    dut.twice_i = rng() % 2;
    if (dut.start_i != 0) {
      dut.words_i = static_cast<uint16_t>(cycle < 10         ? UINT16_MAX
                                          : chance(rng, 0.1) ? rng() % 300
                                                             : rng() % 12);
      if (cycle < 10) dut.twice_i = 0;
    }
    dut.use_i = use;
    dut.last_i = use ? last : rng() % 2;
    dut.go_i = go;
    const bool leaves = use && last && go;
    const bool full_next = arriving || (full && !leaves);
    // The next beat, and whether all move then.
    bool next_use = use, next_last = last;
    if (go) {
      next_last = use && !last;
      next_use = next_last || (beats != 0 && chance(rng, goes));
    }
    const bool go_next = (!next_use || full_next) && chance(rng, goes);
    dut.go_next_i = go_next;
    dut.gnt_i = 0;
    const uint64_t data = arriving ? next_word : rng();
    put_bits(Signal(dut.data_i), 0, 64, data);
    put_bits(Signal(dut.data_i), 64, 64, ~data);
    dut.eval();
    ASSERT_EQ(dut.full_next_o, full_next);
    const bool soon = use && !last && go && go_next;
    ASSERT_EQ(dut.req_o, !left.empty() && !arriving && (!full || leaves || soon));
    if (dut.req_o != 0) {
      ASSERT_EQ(dut.addr_o, left.front());
    }
    if (full) {
      ASSERT_EQ(bits_of(Signal(dut.word_o), 0, 64), word);
      ASSERT_EQ(bits_of(Signal(dut.word_o), 64, 64), ~word);
    }
    dut.gnt_i = dut.req_o != 0 && chance(rng, grants);
    part.clock();
    if (arriving) word = next_word;
    full = full_next;
    arriving = dut.gnt_i != 0;
    if (arriving) {
      next_word = left.front() ^ rng() << 8;
      left.pop_front();
    }
    if (go && next_use) --beats;
    use = next_use;
    last = next_last;
    go = go_next;
    if (dut.start_i != 0) {
      const uint64_t words = dut.words_i;
      for (uint64_t i = 0; i < words << dut.twice_i; ++i) {
        const bool open = dut.open_i != 0 && i % words == words - 1;
        left.push_back(open ? dut.open_addr_i : (dut.base_i + kStep * (i % words)) % kAddresses);
      }
      beats = 2 * left.size();
    }
  }
}

}  // namespace
}  // namespace pimllm::tb

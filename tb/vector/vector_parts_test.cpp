// Parts of the vector unit, each by itself: what it refuses (docs/isa.md, VEC), its maxima and its sums.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <numeric>
#include <optional>
#include <vector>

#include "Vvector_part_check.h"
#include "Vvector_part_max.h"
#include "Vvector_part_sum.h"
#include "models/isa/instruction.hpp"
#include "tb/common/part.hpp"
#include "tb/common/seed.hpp"
#include "tb/common/signal.hpp"
#include "tb/common/unit_cmd.hpp"

namespace pimllm::tb {
namespace {

using isa::Opcode;

// The machine `unit`.
constexpr uint64_t kLanes = 4, kCols = 4, kGroupBanks = 2;
constexpr uint64_t kActWords = 512, kScrBytes = 256 * 4 * kCols, kSclWords = 256, kKvsWords = 128,
                   kKvRows = 512;
constexpr uint64_t kPairBit = 1 << 16;                      // of s2: K or V of the second head of a pair
constexpr uint64_t kHalfBytes = 2 * kCols, kWordBytes = 4;  // of int32

struct Verdict {
  bool operand = false, address = false;
};

class Refusals {
 public:
  explicit Refusals(const UnitCmd& c) : c_(c) {}
  Verdict verdict() {
    const uint64_t n = c_.count, bytes = (n + 3) / 4;  // chunks, words of ACT that hold as many int8 chunks
    const uint64_t elements = n * kLanes, lg = c_.mode >> 4, mode = c_.mode & 3;
    const bool one_group = lg == 7, whole = one_group || n % (1U << lg) == 0;
    const uint64_t heads = one_group ? 1 : n >> lg;
    v_.operand = n == 0;
    scl(c_.s0, 1);
    switch (c_.opcode) {
      case Opcode::kNorm:
        act(c_.a0, n);
        act(local(c_.a1), (c_.mode & 1) != 0 ? 2 * n : n);
        if ((c_.mode & 2) != 0)
          scr(c_.a2 * kHalfBytes, elements);
        else
          act(c_.a2, bytes);
        scl(c_.s1, 3);
        scl(local(c_.s2), 1);
        break;
      case Opcode::kQuant:
        v_.operand |= (mode == 3 && !one_group) || !whole || (one_group && (c_.mode & 8) != 0);
        act(c_.a0, n);
        if (mode == 1) act(local(c_.a1), n);
        if (mode == 2) act(local(c_.a1), one_group ? n : 1U << lg);
        scl(c_.s1, 1);
        quant(elements, bytes, heads);
        break;
      case Opcode::kJoin:
        v_.operand |= one_group || !whole || c_.a0 % 2 != 0;
        act(c_.a2, n);
        scr(c_.a0 * kHalfBytes, elements * kWordBytes * ((c_.mode & 1) != 0 ? 3 : 2));
        if (heads != 0) scl(c_.s0, 8 * (heads - 1) + 1);
        break;
      case Opcode::kResadd:
        act(c_.a0, n);
        act(c_.a2, n);
        if ((c_.mode & 1) != 0) act(local(c_.a1), n);
        scl(c_.s1, 1);
        scl(local(c_.s2), 1);
        break;
      case Opcode::kActfn: {
        const bool gated = (c_.mode & 4) != 0, bias = (c_.mode & 8) != 0;
        v_.operand |= (bias && (gated || mode == 1)) || ((c_.mode & 16) != 0 && gated);
        act(c_.a0, n);
        act(c_.a2, n);
        if (gated || bias) act(local(c_.a1), n);
        scl(c_.s1, gated ? 2 : 1);
        scl(local(c_.s2), 1);
        break;
      }
      case Opcode::kEmbed:
        act(c_.a0, bytes);
        act(c_.a2, n);
        if ((c_.mode & 1) != 0) act(local(c_.a1), n);
        scl(local(c_.s2), 1);
        break;
      case Opcode::kLogit:
        v_.operand |= c_.a0 % 2 != 0;
        act(local(c_.a1), n);
        act(c_.a2, n);
        scr(c_.a0 * kHalfBytes, elements * kWordBytes);
        break;
      default:
        v_.operand = true;
    }
    return v_;
  }

 private:
  void quant(uint64_t elements, uint64_t bytes, uint64_t heads) {
    switch (c_.mode >> 2 & 3) {
      case 0:
        act(c_.a2, bytes);
        scl(local(c_.s2), heads);
        break;
      case 1:
        scr(c_.a2 * kHalfBytes, elements);
        if (heads != 0) scl(local(c_.s2), 8 * (heads - 1) + 1);
        break;
      default:
        within(c_.a2, 2 * elements / kGroupBanks, kKvRows);
        within(local(c_.s2 & ~kPairBit), 2 * heads, kKvsWords);
        if ((c_.mode & 4) != 0) scl(c_.s1 + 1U, heads);
    }
  }
  // Local addresses have 16 bits.
  uint64_t local(uint64_t address) {
    v_.address |= address >> 16 != 0;
    return address & 0xFFFF;
  }
  void within(uint64_t first, uint64_t size, uint64_t space) { v_.address |= first + size > space; }
  void act(uint64_t first, uint64_t words) { within(first, words, kActWords); }
  void scr(uint64_t first, uint64_t bytes) { within(first, bytes, kScrBytes); }
  void scl(uint64_t first, uint64_t words) { within(first, words, kSclWords); }

  const UnitCmd& c_;
  Verdict v_;
};

// Something short, at the beginning or the end of a space, or of which one bit is wrong.
UnitCmd near_the_limits(std::mt19937_64& rng) {
  constexpr std::array kOps = {Opcode::kNorm,  Opcode::kQuant, Opcode::kJoin, Opcode::kResadd,
                               Opcode::kActfn, Opcode::kEmbed, Opcode::kLogit};
  UnitCmd c = any_command(rng, kOps[rng() % kOps.size()]);
  if (rng() % 100 == 0) c.opcode = static_cast<Opcode>(rng() % 64);
  const bool long_one = rng() % 4 == 0;
  c.count = static_cast<uint16_t>(rng() % (long_one ? 600 : 40));
  if (rng() % 2 == 0) c.count &= 0xFFF8;
  const auto place = [&rng](uint64_t space) {
    const uint64_t at = rng() % 3 == 0 ? space - std::min(space, rng() % 50) : rng() % (space / 2);
    return static_cast<uint16_t>(at);
  };
  const std::array<uint64_t, 3> spaces = {kActWords, kScrBytes / kHalfBytes, kKvRows};
  const bool scores = c.opcode == Opcode::kJoin || c.opcode == Opcode::kLogit;
  c.a0 = place(scores ? spaces[1] : kActWords);
  if (scores && rng() % 8 != 0) c.a0 &= 0xFFFE;
  c.a1 = place(kActWords);
  c.a2 = place(spaces[rng() % spaces.size()]);
  c.s0 = place(kSclWords);
  c.s1 = place(kSclWords);
  c.s2 = place(rng() % 2 == 0 ? kSclWords : kKvsWords);
  if (rng() % 8 == 0) c.a1 ^= uint64_t{1} << rng() % 48;
  if (rng() % 8 == 0) c.s2 ^= uint64_t{1} << rng() % 48;
  for (uint16_t* field : {&c.count, &c.a0, &c.a2, &c.s0, &c.s1})
    if (rng() % 16 == 0) *field = static_cast<uint16_t>(*field ^ 1U << rng() % 16);
  return c;
}

TEST(VectorCheck, RefusesWhatGoesBeyond) {
  VerilatedContext context;
  Vvector_part_check dut(&context);
  auto rng = make_rng(1);
  for (int i = 0; i < 200000; ++i) {
    const UnitCmd c = near_the_limits(rng);
    Signal(dut.cmd_i).set_bytes(pack(c));
    dut.eval();
    const Verdict expected = Refusals(c).verdict();
    ASSERT_EQ(dut.bad_operand_o, expected.operand) << i;
    if (!expected.operand) {
      ASSERT_EQ(dut.bad_address_o, expected.address) << i << " " << isa::opcode_info(c.opcode).name;
    }
  }
  dut.final();
  collect_coverage(context);
}

// --- maxima
// ---------------------------------------------------------------------------------------------------

struct Chunk {
  bool argmax = false, keep = false, first = false, last = false;
  uint32_t slot = 0, id = 0, lanes = 0;
  std::array<uint32_t, kLanes> keys{};
};

TEST(VectorMaxTree, MaximaAndFirstOfTheLargest) {
  constexpr size_t kDelay = 3, kSlots = 4;
  auto rng = make_rng(2);
  Part<Vvector_part_max> part;
  auto& dut = part.dut;
  dut.clear_i = dut.valid_i = dut.argmax_clear_i = dut.kept_clear_i = 0;
  part.reset();
  std::deque<std::optional<Chunk>> pipeline(kDelay - 1);
  std::array<std::optional<uint32_t>, kSlots> largest{};  // of the heads that are complete
  uint32_t running = 0, kept = 0, heads = 0, id = 0;
  int64_t best = -1;  // none yet
  bool open = false;
  const auto apply = [&](const Chunk& c) {
    if (!c.argmax) {
      const uint32_t here = *std::ranges::max_element(c.keys);
      running = c.first ? here : std::max(running, here);
      if (c.last) largest[c.slot] = running;
      if (c.keep) kept = std::max(kept, here);
      heads = (heads + c.last) & 31;
      return;
    }
    for (uint32_t lane = 0; lane < c.lanes; ++lane) {
      const uint32_t key = c.keys[lane], at = c.id + lane;
      if (key < best || (key == best && at >= id)) continue;
      best = key;
      id = at;
    }
  };
  for (int cycle = 0; cycle < 40000; ++cycle) {
    std::optional<Chunk> next;
    if (chance(rng, 0.7)) {
      next.emplace();
      next->argmax = chance(rng, 0.3);
      next->slot = rng() % kSlots;
      if (!next->argmax) {
        next->keep = chance(rng, 0.5);
        next->first = !open;
        next->last = chance(rng, 0.3);
        open = !next->last;
      }
      // Ids from near each other or from anywhere, and keys that often are equal or differ in one bit.
      next->id = static_cast<uint32_t>(chance(rng, 0.5) ? rng() : 4 * (rng() % 16));
      if (next->id > UINT32_MAX - kLanes) next->id = 0;
      next->lanes = rng() % (kLanes + 1);
      const auto common = static_cast<uint32_t>(chance(rng, 0.5) ? rng() : rng() % 4);
      for (auto& key : next->keys) key = chance(rng, 0.5) ? common : common ^ 1U << rng() % 32;
    }
    const bool quiet = !next && std::ranges::none_of(pipeline, [](const auto& c) { return c.has_value(); });
    dut.clear_i = quiet && chance(rng, 0.1);
    dut.argmax_clear_i = quiet && chance(rng, 0.5);
    const Chunk driven = next.value_or(Chunk{});
    dut.valid_i = next.has_value();
    dut.argmax_i = driven.argmax;
    dut.keep_i = driven.keep;
    dut.kept_clear_i = chance(rng, 0.02);
    dut.slot_i = driven.slot;
    dut.first_i = driven.first;
    dut.last_i = driven.last;
    dut.id_i = driven.id;
    dut.lanes_i = driven.lanes;
    for (size_t lane = 0; lane < kLanes; ++lane) dut.key_i[lane] = driven.keys[lane];
    pipeline.push_back(next);
    part.clock();
    if (pipeline.front()) apply(*pipeline.front());
    pipeline.pop_front();
    if (dut.clear_i != 0) heads = 0;
    if (dut.argmax_clear_i != 0) best = -1;
    if (dut.kept_clear_i != 0) kept = 0;
    SCOPED_TRACE(cycle);
    for (size_t slot = 0; slot < kSlots; ++slot) {
      if (largest[slot]) {
        ASSERT_EQ(bits_of(Signal(dut.max_o), 32 * slot, 32), *largest[slot]);
      }
    }
    ASSERT_EQ(dut.count_o, heads);
    ASSERT_EQ(dut.kept_o, kept);
    ASSERT_EQ(dut.argmax_id_o, id);
    ASSERT_EQ(dut.busy_o, std::ranges::any_of(pipeline, [](const auto& c) { return c.has_value(); }));
  }
}

TEST(VectorSumTree, SumsOfManyChunks) {
  constexpr size_t kDelay = 3;
  constexpr int64_t kLow48 = (int64_t{1} << 48) - 1;
  struct Values {
    bool keep, first, last;
    std::array<int32_t, kLanes> values;
  };
  auto rng = make_rng(3);
  Part<Vvector_part_sum> part;
  auto& dut = part.dut;
  dut.clear_i = dut.valid_i = dut.kept_clear_i = 0;
  part.reset();
  std::deque<std::optional<Values>> pipeline(kDelay - 1);
  int64_t sum = 0, kept = 0;
  bool known = false, done = false, open = false;
  double ends = 0;
  int32_t least = 0, most = 0;
  for (int cycle = 0; cycle < 60000; ++cycle) {
    // Long and short ones, of anything or of values that drive the sum far away.
    if (cycle % 10000 == 0) {
      ends = std::array{0.3, 0.0001}[rng() % 2];
      least = rng() % 2 == 0 ? INT32_MIN : INT32_MAX - 1000;
      most = rng() % 2 == 0 && least < 0 ? INT32_MIN + 1000 : INT32_MAX;
    }
    // A vector begins when the one before is through, and its sum taken.
    std::optional<Values> next;
    const auto of_vector = [](const auto& values) { return values && !values->keep; };
    const bool through = !done && !of_vector(pipeline[0]) && !of_vector(pipeline[1]);
    const bool keep = chance(rng, 0.2);
    if ((keep || open || through) && chance(rng, 0.8)) {
      next = Values{
          .keep = keep, .first = keep ? chance(rng, 0.5) : !open, .last = chance(rng, ends), .values = {}};
      if (!keep) open = !next->last;
      for (auto& value : next->values) value = std::uniform_int_distribution<int32_t>(least, most)(rng);
    }
    dut.valid_i = next.has_value();
    dut.keep_i = next ? next->keep : rng() % 2;
    dut.kept_clear_i = chance(rng, 0.01);
    dut.first_i = next ? next->first : rng() % 2;
    dut.last_i = next ? next->last : rng() % 2;
    for (size_t lane = 0; lane < kLanes; ++lane)
      dut.value_i[lane] = next ? static_cast<uint32_t>(next->values[lane]) : static_cast<uint32_t>(rng());
    dut.clear_i = chance(rng, done ? 0.5 : 0.02);
    dut.rst_ni = !chance(rng, 0.001);
    pipeline.push_back(next);
    part.clock();
    const auto out = pipeline.front();
    pipeline.pop_front();
    if (out) {
      const int64_t chunk = std::accumulate(out->values.begin(), out->values.end(), int64_t{0});
      if (out->keep) {
        kept += chunk;
      } else {
        sum = out->first ? chunk : sum + chunk;
        known = true;
      }
    }
    done = dut.clear_i == 0 && (done || (of_vector(out) && out->last));
    if (dut.kept_clear_i != 0) kept = 0;
    if (dut.rst_ni == 0) {
      kept = 0;
      pipeline.assign(pipeline.size(), std::nullopt);
      known = done = open = false;
    }
    SCOPED_TRACE(cycle);
    if (known) {
      ASSERT_EQ(dut.sum_o, static_cast<uint64_t>(sum & kLow48));
    }
    ASSERT_EQ(dut.kept_o, static_cast<uint64_t>(kept & kLow48));
    ASSERT_EQ(dut.done_o, done);
    ASSERT_EQ(dut.busy_o, pipeline[0].has_value() || pipeline[1].has_value());
  }
}

}  // namespace
}  // namespace pimllm::tb

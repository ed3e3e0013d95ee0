// Parts of the vector unit, each by itself: what it refuses (docs/isa.md, VEC), its maxima and its sums, what
// it writes.
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
#include "Vvector_part_output.h"
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
      // Ids from near each other, one bit from the best or from anywhere, and keys that often are equal or
      // differ in one bit.
      next->id = static_cast<uint32_t>(chance(rng, 0.5) ? rng() : 4 * (rng() % 16));
      if (chance(rng, 0.4)) next->id = id ^ 1U << rng() % 32;
      if (next->id > UINT32_MAX - kLanes) next->id = 0;
      next->lanes = rng() % (kLanes + 1);
      auto common = static_cast<uint32_t>(chance(rng, 0.5) ? rng() : rng() % 4);
      if (best >= 0 && chance(rng, 0.3)) common = static_cast<uint32_t>(best);
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

// --- chunks that come out, written
// ---------------------------------------------------------------------------------------------------

// As dest_e of vector_pkg.
enum Dest { kDestAct, kDestActBytes, kDestScrBytes, kDestKey, kDestValue };

struct Written {
  uint64_t space = 0, word = 0;  // space: 0 ACT, 1 SCR, from 2 on the groups of KV
  uint64_t enables = 0;
  std::array<uint8_t, 16> bytes{};
  void put(uint64_t at, uint8_t byte) {
    enables |= uint64_t{1} << at;
    bytes[at] = byte;
  }
};

// A command's chunks, with heads of as many chunks as a power of two; addresses are counted modulo their
// space.
struct OutputStream {
  UnitCmd cmd;
  uint64_t dest = 0, head_chunks = 1, chunks = 0;

  std::vector<Written> writes_of(uint64_t chunk, const std::array<uint32_t, kLanes>& values) const {
    constexpr uint64_t kActBytes = 4 * kLanes, kScrWordBytes = 4 * kCols, kBeat = kGroupBanks * kCols,
                       kGroups = 2;
    std::vector<Written> writes(1);
    const auto lowest = [&](size_t lane) { return static_cast<uint8_t>(values[lane]); };
    const auto all_at = [&](uint64_t byte, uint64_t word_bytes, uint64_t words) {
      writes[0].word = byte / word_bytes % words;
      for (size_t lane = 0; lane < kLanes; ++lane) writes[0].put(byte % word_bytes + lane, lowest(lane));
    };
    if (dest == kDestAct) {
      writes[0].word = (cmd.a2 + chunk) % kActWords;
      for (size_t i = 0; i < kActBytes; ++i)
        writes[0].put(i, static_cast<uint8_t>(values[i / 4] >> 8 * (i % 4)));
      return writes;
    }
    if (dest == kDestActBytes) {
      all_at(cmd.a2 * kActBytes + chunk * kLanes, kActBytes, kActWords);
      return writes;
    }
    if (dest == kDestScrBytes) {
      writes[0].space = 1;
      all_at(cmd.a2 * kHalfBytes + chunk * kLanes, kScrWordBytes, kScrBytes / kScrWordBytes);
      return writes;
    }
    // A tile of K is [dim][tokens], one of V behind it [tokens][dim].
    const uint64_t head = chunk / head_chunks, first = chunk % head_chunks * kLanes,
                   dim = head_chunks * kLanes;
    const uint64_t column = cmd.pos % kCols, base = cmd.a2 + 2 * head * dim / kGroupBanks;
    const bool further = (cmd.s2 & kPairBit) != 0 && head % 2 == 1;
    const uint64_t space = 2 + (cmd.pos / kCols + (further ? kGroups / 2 : 0)) % kGroups;
    if (dest == kDestValue) {
      all_at((base + dim / kGroupBanks) * kBeat + column * dim + first, kBeat, kKvRows);
      writes[0].space = space;
      return writes;
    }
    writes.resize(kLanes / kGroupBanks);
    for (size_t lane = 0; lane < kLanes; ++lane) {
      Written& w = writes[lane / kGroupBanks];
      const uint64_t byte = base * kBeat + (first + lane) * kCols + column;
      w.space = space;
      w.word = byte / kBeat % kKvRows;
      w.put(byte % kBeat, lowest(lane));
    }
    return writes;
  }
};

class OutputBench {
 public:
  OutputBench() {
    auto& dut = part.dut;
    dut.start_i = dut.hold_i = dut.push_i = 0;
    dut.act_wr_gnt_i = dut.scr_wr_gnt_i = dut.kva_gnt_i = 0;
    part.reset();
  }

  // Its chunks through; before them, columns of K that the one before has left are written, with this command
  // there already.
  void run(const OutputStream& next, double pushes, double grants) {
    auto& dut = part.dut;
    if (!expected_.empty()) {
      if (stream_.dest == kDestKey && chance(rng, 0.7)) {
        command(next);
        dut.hold_i = 1;
      }
      while (!expected_.empty()) cycle(std::nullopt, grants);
      dut.hold_i = 0;
    }
    dut.start_i = 1;
    cycle(std::nullopt, grants);
    dut.start_i = 0;
    command(next);
    cycle(std::nullopt, grants);
    stream_ = next;
    for (uint64_t chunk = 0; chunk < next.chunks && !testing::Test::HasFatalFailure();) {
      const bool push = room_ && chance(rng, pushes);
      cycle(push ? std::optional(chunk) : std::nullopt, grants);
      chunk += push ? 1 : 0;
    }
  }
  void drain() {
    while (!expected_.empty() && !testing::Test::HasFatalFailure()) cycle(std::nullopt, 0.5);
    cycle(std::nullopt, 0.5);
  }

  std::mt19937_64 rng = make_rng(4);

 private:
  void command(const OutputStream& s) {
    auto& dut = part.dut;
    Signal(dut.cmd_i).set_bytes(pack(s.cmd));
    dut.dest_i = static_cast<uint8_t>(s.dest);
    dut.head_mask_i = static_cast<uint16_t>(s.head_chunks - 1);
  }

  void cycle(std::optional<uint64_t> chunk, double grants) {
    auto& dut = part.dut;
    dut.push_i = chunk.has_value();
    std::array<uint32_t, kLanes> values{};
    for (size_t lane = 0; lane < kLanes; ++lane)
      dut.data_i[lane] = values[lane] = static_cast<uint32_t>(rng());
    dut.act_wr_gnt_i = dut.scr_wr_gnt_i = dut.kva_gnt_i = 0;
    dut.eval();
    ASSERT_EQ(dut.busy_o, !expected_.empty());
    room_ = dut.room_next_o != 0;
    ASSERT_EQ(room_, dut.hold_i == 0 && held() + dut.push_i < kBuffer);
    compare();
    const bool granted = chance(rng, grants);
    // Grants come to requests only.
    dut.act_wr_gnt_i = granted && dut.act_wr_req_o;
    dut.scr_wr_gnt_i = granted && dut.scr_wr_req_o;
    dut.kva_gnt_i = granted && dut.kva_req_o;
    part.clock();
    if (granted && !expected_.empty()) {
      expected_.front().pop_front();
      if (expected_.front().empty()) expected_.pop_front();
    }
    if (chunk) {
      const auto writes = stream_.writes_of(*chunk, values);
      expected_.emplace_back(writes.begin(), writes.end());
    }
  }
  uint64_t held() const { return expected_.size(); }

  void compare() {
    auto& dut = part.dut;
    const Written none{.space = UINT64_MAX};
    const Written& want = expected_.empty() ? none : expected_.front().front();
    ASSERT_EQ(dut.act_wr_req_o, want.space == 0);
    ASSERT_EQ(dut.scr_wr_req_o, want.space == 1);
    ASSERT_EQ(dut.kva_req_o, want.space != UINT64_MAX && want.space >= 2);
    if (expected_.empty()) return;
    const auto same = [&](uint64_t word, uint64_t enables, const Signal& data) {
      ASSERT_EQ(word, want.word);
      ASSERT_EQ(enables, want.enables);
      for (size_t i = 0; i < want.bytes.size(); ++i) {
        if ((enables >> i & 1) != 0) {
          ASSERT_EQ(data.bytes()[i], want.bytes[i]) << i;
        }
      }
    };
    if (want.space == 0) {
      same(dut.act_wr_addr_o, dut.act_wr_be_o, Signal(dut.act_wr_data_o));
    } else if (want.space == 1) {
      same(dut.scr_wr_addr_o, dut.scr_wr_be_o, Signal(dut.scr_wr_data_o));
    } else {
      ASSERT_EQ(dut.kva_group_o, want.space - 2);
      same(dut.kva_addr_o, dut.kva_be_o, Signal(dut.kva_data_o));
    }
  }

  static constexpr uint64_t kBuffer = 3;  // chunks
  Part<Vvector_part_output> part;
  OutputStream stream_;
  std::deque<std::deque<Written>> expected_;  // by chunk
  bool room_ = false;
};

// Vectors of any length and heads of any size, also longer than the spaces, in all destinations.
TEST(VectorOutput, WritesEveryChunkToItsPlace) {
  OutputBench bench;
  auto& rng = bench.rng;
  const auto run = [&](uint64_t dest, bool pairs, int lg, uint64_t chunks, double pushes, double grants) {
    OutputStream s;
    s.cmd = any_command(rng, Opcode::kQuant);
    s.cmd.s2 = (s.cmd.s2 & ~kPairBit) | (pairs ? kPairBit : 0);
    s.dest = dest;
    s.head_chunks = uint64_t{1} << lg;
    s.chunks = chunks;
    SCOPED_TRACE(testing::Message() << chunks << " chunks to " << s.dest << ", heads of " << s.head_chunks);
    bench.run(s, pushes, grants);
  };
  constexpr double kRates[] = {0.3, 0.8, 1.0};
  for (int i = 0; i < 600 && !HasFatalFailure(); ++i) {
    run(rng() % (kDestValue + 1), rng() % 2 != 0, static_cast<int>(rng() % 7), 1 + rng() % 40,
        kRates[rng() % 3], kRates[rng() % 3]);
  }
  // A count has 16 bits, and so has a head's.
  for (int lg = 0; lg <= 16 && !HasFatalFailure(); ++lg) {
    run(kDestValue, true, lg, UINT16_MAX - rng() % (UINT16_MAX / 2), 1.0, 0.95);
    run(rng() % kDestValue, rng() % 2 != 0, lg, 1 + rng() % (UINT16_MAX / 8), 1.0, 0.95);
  }
  bench.drain();
}

}  // namespace
}  // namespace pimllm::tb

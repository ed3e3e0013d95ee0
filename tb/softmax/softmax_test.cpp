// The softmax unit against the golden operators: every result bit, order of writes and dones, errors, resets,
// cycles.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "Vsoftmax_paper.h"
#include "Vsoftmax_small.h"
#include "Vsoftmax_tiny.h"
#include "golden/attention.hpp"
#include "golden/total_variation.hpp"
#include "tb/common/seed.hpp"
#include "tb/common/unit_bench.hpp"

namespace pimllm::tb {
namespace {

struct Shape {
  int cols, scr_words, kvs_words, scl_words;
};
template <typename Model>
constexpr Shape kShape{};
template <>
constexpr Shape kShape<Vsoftmax_tiny>{4, 256, 128, 256};
template <>
constexpr Shape kShape<Vsoftmax_small>{8, 1024, 512, 1024};
template <>
constexpr Shape kShape<Vsoftmax_paper>{32, 8192, 4096, 4096};

// Bits of mode.
constexpr uint8_t kExact = 0, kConsmax = 1, kContinue = 2, kOpen = 4;

// Words of a head record.
enum Head { kSq = 0, kC = 1, kZ = 2, kMax = 3, kSum = 4, kFactor = 5, kClips = 6 };

int ceil_div(int a, int b) { return (a + b - 1) / b; }

int16_t low16(uint32_t word) { return static_cast<int16_t>(static_cast<uint16_t>(word)); }

struct Spaces {
  Ram scr, kvs, scl;
  explicit Spaces(Shape s)
      : scr(s.scr_words, 4 * s.cols), kvs(s.kvs_words, 4 * s.cols), scl(s.scl_words, 4) {}
};

// What the instruction does, written from docs/isa.md on golden's operators.
void execute(const UnitCmd& cmd, int cols, Spaces& m) {
  const bool scan = cmd.opcode == isa::Opcode::kSmaxscan;
  const int tokens = cmd.count;
  const int tiles = ceil_div(tokens, cols);
  const auto scores =
      m.scr.as<int32_t>().subspan(static_cast<size_t>(cmd.a0 / 2 * cols), static_cast<size_t>(tokens));
  auto head = m.scl.as<uint32_t>().subspan(cmd.s0, 8);
  const Scale sq = sf_unpack(head[kSq]);
  std::vector<Scale> sk, sv;
  for (int t = 0; t < tokens; ++t) {
    const int tile = t / cols;
    const size_t word = (cmd.mode & kOpen) != 0 && tile == tiles - 1 ? cmd.s2 : cmd.a2 + 2U * tile;
    const auto scales = m.kvs.as<uint32_t>();
    sk.push_back(sf_unpack(scales[word * cols + t % cols]));
    sv.push_back(sf_unpack(scales[(word + 1) * cols + t % cols]));
  }
  const bool consmax = !scan && (cmd.mode & kConsmax) != 0;
  const int eref = scan ? 0 : low16(m.scl.as<uint32_t>()[cmd.s1]);
  // Half words: ConSMax one a tile; exact softmax two, bits 23:8, then 7:0.
  std::vector<uint16_t> halves(static_cast<size_t>(tiles * cols * (consmax ? 1 : 2)));
  if (consmax) {
    const ConsmaxHead c{sf_unpack(head[kC]), low16(head[kZ])};
    uint64_t clips = 0;
    std::vector<int8_t> s;
    for (int t = 0; t < tokens; ++t) s.push_back(consmax_score(scores[t], sf_mul(sq, sk[t]), clips));
    consmax_numerators(s, sv, eref, c, std::span(halves).first(static_cast<size_t>(tokens)));
    head[kFactor] = sf_pack(consmax_factor(eref, c));
    head[kClips] += static_cast<uint32_t>(clips);
  } else {
    SoftmaxState state;
    if ((cmd.mode & kContinue) != 0) state = {low16(head[kMax]), head[kSum]};
    std::vector<int32_t> s;
    for (int t = 0; t < tokens; ++t) s.push_back(softmax_score(scores[t], sf_mul(sq, sk[t])));
    softmax_maximum(s, state);
    if (!scan) {
      std::vector<uint32_t> numerators(static_cast<size_t>(tokens));
      softmax_numerators(s, sv, eref, state, numerators);
      for (int t = 0; t < tokens; ++t) {
        const auto at = static_cast<size_t>(t / cols * 2 * cols + t % cols);
        halves[at] = static_cast<uint16_t>(numerators[static_cast<size_t>(t)] >> 8);
        halves[at + static_cast<size_t>(cols)] =
            static_cast<uint16_t>(numerators[static_cast<size_t>(t)] & 255);
      }
      head[kFactor] = sf_pack(softmax_factor(state, eref));
    }
    head[kMax] = static_cast<uint32_t>(state.max);
    head[kSum] = state.sum;
  }
  if (scan) return;
  std::copy(halves.begin(), halves.end(), m.scr.as<uint16_t>().begin() + static_cast<long>(cmd.a1) * cols);
}

// ---- Functional points: mode and size of an instruction ----

std::vector<std::pair<std::string, int>> sizes(int cols) {
  return {{"1 token", 1},         {"half tile", cols / 2}, {"half tile + 1", cols / 2 + 1},
          {"tile - 1", cols - 1}, {"tile", cols},          {"tile + 1", cols + 1},
          {"2 tiles", 2 * cols}};
}

Names cells(const UnitCmd& cmd, int cols) {
  const bool scan = cmd.opcode == isa::Opcode::kSmaxscan;
  const std::string mode = fmt::format("{}, {}{}",
                                       scan                         ? "SMAXSCAN"
                                       : (cmd.mode & kConsmax) != 0 ? "SOFTMAX, ConSMax"
                                                                    : "SOFTMAX, exact",
                                       (cmd.mode & kContinue) != 0 ? "continues" : "begins",
                                       (cmd.mode & kOpen) != 0 ? ", open tile" : "");
  Names names;
  for (const auto& [name, tokens] : sizes(cols)) {
    if (cmd.count == tokens) names.push_back(mode + ", " + name);
  }
  return names;
}

const Names kErrorPoints = {error_point(isa::Opcode::kSoftmax, isa::ErrorCode::kBadAddress),
                            error_point(isa::Opcode::kSoftmax, isa::ErrorCode::kBadOperand),
                            error_point(isa::Opcode::kSmaxscan, isa::ErrorCode::kBadAddress),
                            error_point(isa::Opcode::kSmaxscan, isa::ErrorCode::kBadOperand)};

template <typename Model>
struct Bench : UnitBench<Model> {
  static constexpr Shape kSize = kShape<Model>;
  Spaces mem{kSize};
  std::mt19937_64 rng;
  int phase = 0;  // of records in SCL modulo 8, and of K's words in KVS modulo 2
  ReadPort scr_rd, kvs_rd, scl_rd;
  WritePort scr_wr, scl_wr;

  explicit Bench(uint64_t salt)
      : rng(make_rng(salt)),
        scr_rd(mem.scr, Signal(this->dut->scr_rd_req_o), Signal(this->dut->scr_rd_addr_o),
               Signal(this->dut->scr_rd_gnt_i), Signal(this->dut->scr_rd_data_i)),
        kvs_rd(mem.kvs, Signal(this->dut->kvs_rd_req_o), Signal(this->dut->kvs_rd_addr_o),
               Signal(this->dut->kvs_rd_gnt_i), Signal(this->dut->kvs_rd_data_i)),
        scl_rd(mem.scl, Signal(this->dut->scl_rd_req_o), Signal(this->dut->scl_rd_addr_o),
               Signal(this->dut->scl_rd_gnt_i), Signal(this->dut->scl_rd_data_i)),
        scr_wr(mem.scr, Signal(this->dut->scr_wr_req_o), Signal(this->dut->scr_wr_addr_o),
               Signal(this->dut->scr_wr_data_o), Signal(this->dut->scr_wr_be_o),
               Signal(this->dut->scr_wr_gnt_i)),
        scl_wr(mem.scl, Signal(this->dut->scl_wr_req_o), Signal(this->dut->scl_wr_addr_o),
               Signal(this->dut->scl_wr_data_o), Signal(this->dut->scl_wr_be_o),
               Signal(this->dut->scl_wr_gnt_i)) {
    for (Port* port : std::initializer_list<Port*>{&scr_rd, &kvs_rd, &scl_rd, &scr_wr, &scl_wr})
      this->add(*port);
    for (auto* port : {&scr_rd, &kvs_rd, &scl_rd}) port->stall.rng = &rng;
    for (auto* port : {&scr_wr, &scl_wr}) port->stall.rng = &rng;
    this->functional.follow([](const UnitCmd& cmd) { return cells(cmd, kSize.cols); });
    this->reset();
  }

  void stall_all(double p) { stall(p, p); }
  void stall(double reads, double writes) {
    for (auto* port : {&scr_rd, &kvs_rd, &scl_rd}) port->stall.probability = reads;
    for (auto* port : {&scr_wr, &scl_wr}) port->stall.probability = writes;
  }

  int draw(int low, int high) { return std::uniform_int_distribution<int>(low, high)(rng); }

  // A normalised scale with an exponent around `e`, sometimes zero.
  Scale scale(int e, int spread) {
    if (draw(0, 31) == 0) return {};
    const uint16_t m =
        draw(0, 7) == 0 ? (draw(0, 1) != 0 ? 0xFFFF : 0x8000) : static_cast<uint16_t>(draw(0x8000, 0xFFFF));
    return {m, wrap16(e + draw(-spread, spread))};
  }

  // Fills all spaces; the spread of exponents decides how far from the working range the values go.
  void fill(int spread) {
    for (auto& acc : mem.scr.template as<int32_t>()) {
      acc = draw(0, 15) == 0 ? (draw(0, 1) != 0 ? INT32_MIN : INT32_MAX)
                             : static_cast<int32_t>(static_cast<uint32_t>(rng())) >> draw(8, 31);
    }
    auto scales = mem.kvs.template as<uint32_t>();
    for (size_t i = 0; i < scales.size(); ++i) {
      const bool v = (i / static_cast<size_t>(kSize.cols) + static_cast<size_t>(phase)) % 2 == 1;
      scales[i] = sf_pack(v ? scale(-22, spread) : scale(-29, spread));
    }
    auto scl = mem.scl.template as<uint32_t>();
    for (size_t i = 0; i < scl.size(); ++i) {
      switch ((i + 8 - static_cast<size_t>(phase)) % 8) {
        case kSq:
          scl[i] = sf_pack(scale(-20, spread));
          break;
        case kC:
          scl[i] = sf_pack(scale(-22, spread));
          break;
        case kZ:
          scl[i] = static_cast<uint32_t>(draw(-3, 8) + draw(-spread, spread));
          break;
        case kMax:
          scl[i] = static_cast<uint32_t>(draw(-2048, 40));
          break;
        case 7:
          scl[i] = static_cast<uint32_t>(-20 + draw(-spread, spread));
          break;  // taken as eref
        default:
          scl[i] = static_cast<uint32_t>(rng());
      }
    }
  }

  // An instruction on scores in the lower half of SCR, numerators in the upper half.
  UnitCmd command(int tokens) {
    UnitCmd cmd;
    cmd.opcode = draw(0, 3) == 0 ? isa::Opcode::kSmaxscan : isa::Opcode::kSoftmax;
    cmd.mode = static_cast<uint8_t>(draw(0, 7));
    cmd.count = static_cast<uint16_t>(tokens);
    const int tiles = ceil_div(tokens, kSize.cols);
    cmd.a0 = static_cast<uint16_t>(2 * draw(0, kSize.scr_words / 2 - tiles));
    place_numerators(cmd);
    const int odd = phase % 2, records = kSize.scl_words / 8 - 2;
    cmd.a2 = static_cast<uint16_t>(2 * draw(0, std::max(kSize.kvs_words / 2 - tiles - odd, 0)));
    if (cmd.a2 + 2 * tiles < kSize.kvs_words) cmd.a2 = static_cast<uint16_t>(cmd.a2 + odd);
    cmd.s2 = static_cast<uint64_t>(2 * draw(0, kSize.kvs_words / 2 - 1 - odd) + odd);
    if ((cmd.mode & kOpen) == 0 && draw(0, 1) != 0) cmd.s2 = rng() >> 16;  // not looked at
    cmd.s0 = static_cast<uint16_t>(8 * draw(0, records) + phase);
    cmd.s1 = static_cast<uint16_t>(8 * draw(0, records) + 7 + phase);
    cmd.pos = static_cast<uint16_t>(rng());
    return cmd;
  }

  // Half words of the numerators.
  static int halves(const UnitCmd& cmd) {
    return ceil_div(cmd.count, kSize.cols) * ((cmd.mode & kConsmax) != 0 ? 1 : 2);
  }
  // In the upper half of SCR; exact softmax's begin with a full word.
  void place_numerators(UnitCmd& cmd) {
    cmd.a1 = static_cast<uint64_t>(kSize.scr_words + draw(0, kSize.scr_words - halves(cmd)));
    if ((cmd.mode & kConsmax) == 0) cmd.a1 &= ~uint64_t{1};
  }

  int max_tokens() const { return kSize.cols * std::min(kSize.scr_words, kSize.kvs_words) / 2; }

  // Issues the commands back to back, with pauses now and then; checks results and the order of writes and
  // dones.
  void run_sequence(const std::vector<UnitCmd>& cmds) {
    Spaces expected = mem;
    for (const auto& cmd : cmds) execute(cmd, kSize.cols, expected);
    const uint64_t first = this->done();
    scr_wr.on_write = [&](uint64_t word) {
      const uint64_t n = this->done() - first;
      ASSERT_LT(n, cmds.size()) << "a write after the last done";
      const uint64_t from = cmds[n].a1, to = from + static_cast<uint64_t>(halves(cmds[n]));
      EXPECT_TRUE(2 * word + 1 >= from && 2 * word < to) << "a write that is not of instruction " << n;
    };
    scl_wr.on_write = [&](uint64_t word) {
      const uint64_t n = this->done() - first;
      ASSERT_LT(n, cmds.size()) << "a write after the last done";
      EXPECT_TRUE(word >= cmds[n].s0 + 3U && word <= cmds[n].s0 + 6U)
          << "a write that is not of instruction " << n;
    };
    for (const auto& cmd : cmds) {
      for (int pause = draw(0, 3) == 0 ? draw(1, 40) : 0; pause > 0; --pause) this->step();
      this->issue(cmd);
    }
    this->wait_done(first + cmds.size());
    for (int i = 0; i < 20; ++i) this->step();
    EXPECT_EQ(this->done(), first + cmds.size());
    EXPECT_EQ(this->dut->busy_o, 0);
    scr_wr.on_write = scl_wr.on_write = nullptr;
    compare(expected);
  }

  void compare(Spaces& expected) {
    const auto got = mem.scr.template as<uint16_t>(), want = expected.scr.template as<uint16_t>();
    int shown = 0;
    for (size_t i = 0; i < got.size() && shown < 10; ++i) {
      if (got[i] != want[i]) {
        ++shown;
        ADD_FAILURE() << fmt::format("SCR half word {} element {}: {} instead of {}", i / kSize.cols,
                                     i % kSize.cols, got[i], want[i]);
      }
    }
    const auto scl = mem.scl.template as<uint32_t>(), scl_want = expected.scl.template as<uint32_t>();
    for (size_t i = 0; i < scl.size(); ++i)
      EXPECT_EQ(scl[i], scl_want[i]) << "SCL word " << i << " (of record " << i % 8 << ")";
  }
};

template <typename Model>
class Softmax : public ::testing::Test {};
using Models = ::testing::Types<Vsoftmax_tiny, Vsoftmax_small, Vsoftmax_paper>;
TYPED_TEST_SUITE(Softmax, Models);

TYPED_TEST(Softmax, Random) {
  Bench<TypeParam> bench(1);
  const bool paper = bench.kSize.cols == 32;
  for (int round = 0; round < (paper ? 12 : 120); ++round) {
    constexpr int kSpreads[] = {2, 2, 10, 60, 32767};
    bench.phase = bench.draw(0, 7);
    bench.fill(kSpreads[round % 5]);
    bench.stall_all(round % 3 == 0 ? 0.0 : bench.draw(0, 2) == 0 ? 0.85 : 0.3);
    std::vector<UnitCmd> cmds;
    for (int i = bench.draw(1, 8); i > 0; --i) {
      const int limit = std::min(bench.max_tokens(), bench.kSize.cols * (bench.draw(0, 5) == 0 ? 40 : 6));
      cmds.push_back(
          bench.command(bench.draw(0, 15) == 0 && !paper ? bench.max_tokens() : bench.draw(0, limit)));
    }
    bench.run_sequence(cmds);
    if (::testing::Test::HasFailure()) break;
  }
}

// Scores that round to the edge of the score's range, and just beyond.
TYPED_TEST(Softmax, RoundingCorners) {
  Bench<TypeParam> bench(10);
  const int cols = bench.kSize.cols;
  for (const uint8_t mode : {kExact, kConsmax}) {
    // acc * 2^-1 is the score in its last place.
    const int edge = mode == kExact ? 1 << 24 : 1 << 8;
    std::vector<int32_t> scores;
    for (const int at : {-edge, -edge / 2, 0, edge / 2, edge}) {
      for (int d = -4; d <= 4; ++d) scores.push_back(at + d);
    }
    for (const int top :
         {40, 45}) {  // without and with the overflow at the top, which hides the rest from exact softmax
      bench.fill(0);
      UnitCmd cmd = bench.command(top);
      cmd.opcode = isa::Opcode::kSoftmax;
      cmd.mode = mode;
      bench.place_numerators(cmd);
      bench.mem.scl.template as<uint32_t>()[cmd.s0 + kSq] = sf_pack(sf_pow2(mode == kExact ? -13 : -5));
      for (int t = 0; t < top; ++t) {
        bench.mem.scr.template as<int32_t>()[cmd.a0 / 2 * cols + t] = scores[static_cast<size_t>(t)];
        bench.mem.kvs.template as<uint32_t>()[(cmd.a2 + t / cols * 2) * cols + t % cols] =
            sf_pack(sf_pow2(0));
      }
      bench.run_sequence({cmd});
    }
  }
}

// The maximum is in the last beat of the first pass, whatever stalls come between that beat and the second
// pass.
TYPED_TEST(Softmax, MaximumComesLast) {
  Bench<TypeParam> bench(9);
  const int cols = bench.kSize.cols;
  for (int round = 0; round < (cols == 32 ? 10 : 150); ++round) {
    bench.fill(0);
    bench.stall_all(0.1 * bench.draw(0, 5));
    UnitCmd cmd = bench.command(bench.draw(1, 3 * cols));
    cmd.opcode = isa::Opcode::kSoftmax;
    cmd.mode = kExact;
    bench.place_numerators(cmd);
    for (int t = 0; t < cmd.count; ++t)
      bench.mem.scr.template as<int32_t>()[cmd.a0 / 2 * cols + t] = (t + 1) << 18;
    bench.run_sequence({cmd});
    if (::testing::Test::HasFailure()) break;
  }
}

// Random stalls of one port at a time, long enough to fill every buffer before it.
TYPED_TEST(Softmax, OnePortBlocked) {
  Bench<TypeParam> bench(2);
  const std::vector<Stall*> stalls = {&bench.scr_rd.stall, &bench.kvs_rd.stall, &bench.scl_rd.stall,
                                      &bench.scr_wr.stall, &bench.scl_wr.stall};
  for (auto* stall : stalls) {
    bench.fill(3);
    bench.stall_all(0.0);
    stall->probability = 0.95;
    bench.run_sequence({bench.command(5 * bench.kSize.cols + 1), bench.command(3 * bench.kSize.cols)});
  }
}

// Every mode with every size at a boundary; nothing refused, reads refused, writes refused.
TYPED_TEST(Softmax, EveryModeSizeAndRefusal) {
  Bench<TypeParam> bench(11);
  constexpr int kTries = 100;
  const std::vector<Refusal> refusals = {Refusal::kRead, Refusal::kWrite};
  for (const Refusal refusal : {Refusal::kNone, Refusal::kRead, Refusal::kWrite}) {
    bench.stall(refusal == Refusal::kRead ? 0.6 : 0.0, refusal == Refusal::kWrite ? 0.6 : 0.0);
    for (const auto opcode : {isa::Opcode::kSoftmax, isa::Opcode::kSmaxscan}) {
      for (uint8_t mode = 0; mode < 8; ++mode) {
        for (const auto& [name, tokens] : sizes(bench.kSize.cols)) {
          bench.fill(2);
          UnitCmd cmd = bench.command(tokens);
          cmd.opcode = opcode;
          cmd.mode = mode;
          cmd.s2 = cmd.a2;
          bench.place_numerators(cmd);
          const Names points = with_refusals(cells(cmd, bench.kSize.cols), refusals);
          declare_points(points);
          const Names wanted = {points[static_cast<size_t>(refusal)]};
          for (int i = 0; i < kTries && !missing_points(wanted).empty(); ++i) bench.run_sequence({cmd});
          EXPECT_EQ(missing_points(wanted), Names{});
        }
      }
    }
  }
}

// A context in segments: SMAXSCAN over all, then SOFTMAX over each, has the result of one instruction.
TYPED_TEST(Softmax, Segments) {
  Bench<TypeParam> bench(3);
  const int cols = bench.kSize.cols, tiles = 12;
  for (int round = 0; round < 6; ++round) {
    bench.fill(2);
    const int tokens = tiles * cols - bench.draw(0, cols - 1);
    UnitCmd whole;
    whole.opcode = isa::Opcode::kSoftmax;
    whole.count = static_cast<uint16_t>(tokens);
    whole.a1 = static_cast<uint64_t>(bench.kSize.scr_words);
    whole.s1 = 7;
    std::vector<UnitCmd> parts;
    for (const auto opcode : {isa::Opcode::kSmaxscan, isa::Opcode::kSoftmax}) {
      for (int from = 0; from < tiles; from += 5) {
        UnitCmd part = whole;
        part.opcode = opcode;
        part.mode = from == 0 && opcode == isa::Opcode::kSmaxscan ? 0 : kContinue;
        part.count = static_cast<uint16_t>(std::min(tokens - from * cols, 5 * cols));
        part.a0 = static_cast<uint16_t>(2 * from);
        part.a1 = whole.a1 + 2 * static_cast<uint64_t>(from);
        part.a2 = static_cast<uint16_t>(2 * from);
        parts.push_back(part);
      }
    }
    Spaces expected = bench.mem;
    execute(whole, cols, expected);
    bench.run_sequence(parts);
    bench.compare(expected);
  }
}

TYPED_TEST(Softmax, ResetInMidOperation) {
  Bench<TypeParam> bench(4);
  for (int round = 0; round < 40; ++round) {
    bench.fill(2);
    bench.stall_all(0.3);
    bench.issue(bench.command(4 * bench.kSize.cols));
    if (bench.draw(0, 1) != 0) bench.issue(bench.command(2 * bench.kSize.cols));
    for (int i = bench.draw(0, 80); i > 0; --i) bench.step();
    bench.reset(1);
    EXPECT_EQ(bench.dut->busy_o, 0);
    bench.fill(2);
    bench.run_sequence({bench.command(2 * bench.kSize.cols), bench.command(1)});
    if (::testing::Test::HasFailure()) break;
  }
}

TYPED_TEST(Softmax, Errors) {
  Bench<TypeParam> bench(5);
  bench.fill(2);
  const Shape s = bench.kSize;
  UnitCmd good;
  good.opcode = isa::Opcode::kSoftmax;
  good.count = static_cast<uint16_t>(2 * s.cols + 1);
  good.a1 = static_cast<uint64_t>(s.scr_words);
  good.s1 = 7;
  std::vector<std::pair<UnitCmd, isa::ErrorCode>> bad;
  const auto add = [&](auto change, isa::ErrorCode code) {
    bad.emplace_back(good, code);
    change(bad.back().first);
  };
  add([](UnitCmd& c) { c.opcode = isa::Opcode::kNorm; }, isa::ErrorCode::kIllegalOpcode);
  add([](UnitCmd& c) { c.a0 = 1; }, isa::ErrorCode::kBadOperand);
  add([&](UnitCmd& c) { c.a0 = static_cast<uint16_t>(2 * (s.scr_words - 2)); }, isa::ErrorCode::kBadAddress);
  add([&](UnitCmd& c) { c.a1 = static_cast<uint64_t>(2 * s.scr_words - 4); }, isa::ErrorCode::kBadAddress);
  add([&](UnitCmd& c) { c.mode = kConsmax, c.a1 = static_cast<uint64_t>(2 * s.scr_words - 2); },
      isa::ErrorCode::kBadAddress);
  add([&](UnitCmd& c) { c.a1 += 1; }, isa::ErrorCode::kBadOperand);
  add([&](UnitCmd& c) { c.a1 = uint64_t{1} << 47; }, isa::ErrorCode::kBadAddress);
  add([&](UnitCmd& c) { c.a2 = static_cast<uint16_t>(s.kvs_words - 4); }, isa::ErrorCode::kBadAddress);
  add([&](UnitCmd& c) { c.mode = kOpen, c.s2 = static_cast<uint64_t>(s.kvs_words - 1); },
      isa::ErrorCode::kBadAddress);
  add([&](UnitCmd& c) { c.s0 = static_cast<uint16_t>(s.scl_words - 7); }, isa::ErrorCode::kBadAddress);
  add([&](UnitCmd& c) { c.s1 = static_cast<uint16_t>(s.scl_words); }, isa::ErrorCode::kBadAddress);
  add([](UnitCmd& c) { c.opcode = isa::Opcode::kSmaxscan, c.a0 = 1; }, isa::ErrorCode::kBadOperand);
  add([&](UnitCmd& c) { c.opcode = isa::Opcode::kSmaxscan, c.s0 = static_cast<uint16_t>(s.scl_words - 7); },
      isa::ErrorCode::kBadAddress);
  declare_points(kErrorPoints);
  for (const auto& [cmd, code] : bad) {
    const auto before = bench.done();
    const auto writes = bench.scr_wr.writes + bench.scl_wr.writes;
    bench.issue(cmd);
    int errors = 0;
    for (int i = 0; i < 50; ++i) {
      if (bench.dut->err_o != 0) {
        ++errors;
        EXPECT_EQ(static_cast<int>(bench.dut->err_code_o), static_cast<int>(code));
      }
      bench.step();
    }
    EXPECT_EQ(errors, 1);
    EXPECT_EQ(bench.done(), before);
    EXPECT_EQ(bench.scr_wr.writes + bench.scl_wr.writes, writes);
  }
  EXPECT_EQ(missing_points(kErrorPoints), Names{});
  bench.expect_refusals(
      bench.rng, {isa::Opcode::kSoftmax, isa::Opcode::kSmaxscan}, [](UnitCmd& c) { c.a0 |= 1; },
      isa::ErrorCode::kBadOperand);
  // What is just inside passes.
  UnitCmd last = good;
  last.a0 = static_cast<uint16_t>(2 * (s.scr_words / 2 - 3));
  last.a1 = static_cast<uint64_t>(2 * s.scr_words - 6);
  last.a2 = static_cast<uint16_t>(s.kvs_words - 6);
  last.s0 = static_cast<uint16_t>(s.scl_words - 8);
  UnitCmd open = last;
  open.mode = kOpen;
  open.a2 = static_cast<uint16_t>(s.kvs_words - 4);
  open.s2 = static_cast<uint64_t>(s.kvs_words - 2);
  open.s1 = static_cast<uint16_t>(s.scl_words - 1);
  UnitCmd consmax = last;
  consmax.mode = kConsmax;
  consmax.a1 = static_cast<uint64_t>(2 * s.scr_words - 3);
  bench.run_sequence({last, open, consmax});
}

// ConSMax over all 256 scores, 16 values of C and several scales of V: bit for bit golden's, and how far from
// the real function, in units of the numerator's last place.
TEST(SoftmaxAccuracy, ConsmaxAllScores) {
  Bench<Vsoftmax_small> bench(6);
  const int cols = bench.kSize.cols, tokens = 256;
  double worst = 0.0;
  for (int c = 0; c < 16; ++c) {
    const ConsmaxHead head = consmax_head(-9.0 + 0.61 * c);
    for (const int mantissa : {0x8000, 0x8001, 0x9249, 0xB505, 0xC0DE, 0xFFFF}) {
      for (const int below : {0, 1, 7}) {  // exponent of this scale below eref
        const Scale sv{static_cast<uint16_t>(mantissa), -21};
        for (int t = 0; t < tokens; ++t) {
          bench.mem.scr.as<int32_t>()[t] = t - 128;
          bench.mem.kvs.as<uint32_t>()[(t / cols * 2) * cols + t % cols] = sf_pack(sf_pow2(-2));
          bench.mem.kvs.as<uint32_t>()[(t / cols * 2 + 1) * cols + t % cols] = sf_pack(sv);
        }
        auto scl = bench.mem.scl.as<uint32_t>();
        const int eref = sv.e + below;
        scl[kSq] = sf_pack(sf_pow2(-2));
        scl[kC] = sf_pack(head.c);
        scl[kZ] = static_cast<uint32_t>(head.z);
        scl[8] = static_cast<uint32_t>(eref);
        UnitCmd cmd;
        cmd.opcode = isa::Opcode::kSoftmax;
        cmd.mode = kConsmax;
        cmd.count = tokens;
        cmd.a1 = static_cast<uint64_t>(bench.kSize.scr_words);
        cmd.s1 = 8;
        bench.run_sequence({cmd});
        for (int t = 0; t < tokens; ++t) {
          const double real = std::exp((t - 128) / 16.0) * sf_value(head.c) * sf_value(sv) *
                              std::ldexp(1.0, -(head.z + eref));
          const double got =
              bench.mem.scr.as<uint16_t>()[static_cast<size_t>(bench.kSize.scr_words * cols + t)];
          worst = std::max(worst, std::abs(got - std::min(real, 65535.0)));
        }
      }
    }
  }
  fmt::print(
      "ConSMax: worst error {:.3f} units of the numerator's last place over 256 scores x 16 C x 18 scales\n",
      worst);
  RecordProperty("consmax_worst_lsb", fmt::format("{:.4f}", worst));
  EXPECT_LE(worst, 1.0);
}

// The numerators of 24 bits that the array multiplies at `half_word`.
std::vector<uint32_t> exact_numerators(Spaces& mem, int cols, uint64_t half_word, int tokens) {
  const auto halves =
      mem.scr.as<uint16_t>().subspan(static_cast<size_t>(half_word) * static_cast<size_t>(cols));
  std::vector<uint32_t> n;
  for (int t = 0; t < tokens; ++t) {
    const auto at = static_cast<size_t>(t / cols * 2 * cols + t % cols);
    n.push_back(uint32_t{halves[at]} << 8 | halves[at + static_cast<size_t>(cols)]);
  }
  return n;
}

// docs/numerics.md, "Accuracy": every single draw.
TEST(SoftmaxAccuracy, TotalVariation) {
  Bench<Vsoftmax_paper> bench(7);
  const int cols = bench.kSize.cols;
  constexpr int kDraws = 3;
  for (const bool equal_v : {true, false}) {
    for (const double deviation : {0.0, 1.0 / 3.0, 1.0, 2.0}) {
      double worst = 0.0, mean = 0.0;
      int count = 0;
      std::normal_distribution<double> normal(0.0, std::max(deviation, 1e-300));
      for (const int tokens : {1, 2, 3, 7, 16, 31, 32, 33, 64, 128, 256, 512, 1024, 2048, 4096}) {
        for (int draw = 0; draw < kDraws; ++draw) {
          int eref = kErefStart;
          std::vector<double> scores;
          const auto mantissa = static_cast<uint16_t>(bench.draw(0x8000, 0xFFFF));
          std::vector<Scale> v_scales;
          for (int t = 0; t < tokens; ++t) {
            const Scale sv{equal_v ? mantissa : static_cast<uint16_t>(bench.draw(0x8000, 0xFFFF)),
                           static_cast<int16_t>(equal_v ? -21 : bench.draw(-22, -21))};
            v_scales.push_back(sv);
            eref = next_eref(eref, sv);
            const auto acc = static_cast<int32_t>(normal(bench.rng) * std::numbers::log2e * (1 << 20));
            scores.push_back(acc * std::ldexp(std::numbers::ln2, -20));
            bench.mem.scr.as<int32_t>()[t] = acc;
            bench.mem.kvs.as<uint32_t>()[(t / cols * 2) * cols + t % cols] = sf_pack(sf_pow2(-20));
            bench.mem.kvs.as<uint32_t>()[(t / cols * 2 + 1) * cols + t % cols] = sf_pack(sv);
          }
          auto scl = bench.mem.scl.as<uint32_t>();
          scl[kSq] = sf_pack(sf_pow2(0));
          scl[8] = static_cast<uint32_t>(eref);
          UnitCmd cmd;
          cmd.opcode = isa::Opcode::kSoftmax;
          cmd.count = static_cast<uint16_t>(tokens);
          cmd.a1 = static_cast<uint64_t>(bench.kSize.scr_words);
          cmd.s1 = 8;
          bench.run_sequence({cmd});
          const auto n = exact_numerators(bench.mem, cols, cmd.a1, tokens);
          const double distance = total_variation<uint32_t>(scores, n, v_scales, sf_unpack(scl[kFactor]));
          worst = std::max(worst, distance);
          mean += distance;
          ++count;
        }
      }
      fmt::print(
          "exact softmax, {} V scales, deviation {:.2f}, {} draws of 1..4096: mean {:.2e}, max {:.2e}\n",
          equal_v ? "equal" : "random", deviation, count, mean / count, worst);
      EXPECT_LE(worst, kTotalVariationLimit);
    }
  }
}

// The largest numerator, 2^24 - 1, from V scales beyond eref; and scores so low that only the lowest byte is
// left, all ones in some.
TYPED_TEST(Softmax, NumeratorCorners) {
  Bench<TypeParam> bench(11);
  const int cols = bench.kSize.cols;
  bench.fill(0);
  UnitCmd cmd;
  cmd.opcode = isa::Opcode::kSoftmax;
  cmd.count = static_cast<uint16_t>(2 * cols + 1);
  cmd.a1 = static_cast<uint64_t>(bench.kSize.scr_words);
  cmd.s1 = 7;
  const auto set = [&](auto score, Scale sv) {
    auto scl = bench.mem.scl.template as<uint32_t>();
    scl[kSq] = sf_pack(sf_pow2(-12));
    scl[7] = static_cast<uint32_t>(-21);
    for (int t = 0; t < cmd.count; ++t) {
      bench.mem.scr.template as<int32_t>()[t] = score(t);
      bench.mem.kvs.template as<uint32_t>()[(t / cols * 2) * cols + t % cols] = sf_pack(sf_pow2(0));
      bench.mem.kvs.template as<uint32_t>()[(t / cols * 2 + 1) * cols + t % cols] = sf_pack(sv);
    }
    bench.run_sequence({cmd});
    return exact_numerators(bench.mem, cols, cmd.a1, cmd.count);
  };
  for (const uint32_t n : set([](int) { return 0; }, Scale{0xFFFF, -20})) EXPECT_EQ(n, 0xFFFFFFU);
  for (const uint32_t n : set([](int) { return 0; }, Scale{0xFFFF, -21})) EXPECT_EQ(n, 0xFFFF00U);
  const auto low = set([](int t) { return t == 0 ? 0 : -16 * 4096 + t % 2; }, Scale{0xFFFF, -21});
  for (size_t t = 1; t < low.size(); ++t) EXPECT_LE(low[t], 0x100U);
  const auto ones = set([](int t) { return t == 0 ? 0 : -16 * 4096 - 23; }, Scale{0xFFFF, -21});
  for (size_t t = 1; t < ones.size(); ++t) EXPECT_EQ(ones[t], 0xFFU);
}

// Cycles from the command to done, every request granted, and with the head record read behind the
// instruction before.
TEST(SoftmaxCycles, Paper) {
  Bench<Vsoftmax_paper> bench(8);
  bench.fill(2);
  const int cols = bench.kSize.cols, lanes = cols / 2;
  for (const uint8_t mode : {kExact, kConsmax}) {
    for (const int tokens : {1, 32, 64, 128, 256, 1024, 4096}) {
      UnitCmd cmd;
      cmd.opcode = isa::Opcode::kSoftmax;
      cmd.mode = mode;
      cmd.count = static_cast<uint16_t>(tokens);
      cmd.a1 = static_cast<uint64_t>(bench.kSize.scr_words);
      cmd.s1 = 7;
      const auto single = bench.run(cmd);
      const auto before = bench.done();
      constexpr int kMany = 8;
      const auto start = bench.cycles();
      for (int i = 0; i < kMany; ++i) {
        cmd.s0 = static_cast<uint16_t>(8 * (i + 1));
        bench.issue(cmd);
      }
      bench.wait_done(before + kMany);
      const double each = static_cast<double>(bench.cycles() - start) / kMany;
      const int passes = mode == kExact ? 2 : 1;
      const int work = passes * ceil_div(tokens, lanes);
      fmt::print("{} {} tokens: {} cycles = {} + {}, in a row {:.1f} each\n",
                 mode == kExact ? "exact" : "ConSMax", tokens, single, work, static_cast<int>(single) - work,
                 each);
      EXPECT_LE(single,
                static_cast<uint64_t>(passes * 2 * ceil_div(tokens, cols) + (mode == kExact ? 30 : 25)));
    }
  }
}

}  // namespace
}  // namespace pimllm::tb

// What the vector unit reads and fires, by itself: each pass of docs/vector.md and docs/isa.md, chunk by
// chunk.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "Vvector_part_issue.h"
#include "models/isa/instruction.hpp"
#include "tb/common/part.hpp"
#include "tb/common/seed.hpp"
#include "tb/common/signal.hpp"
#include "tb/common/unit_cmd.hpp"

namespace pimllm::tb {
namespace {

using isa::Opcode;

// The machine `unit`, in which a chunk is a word of ACT and one of SCR.
constexpr uint64_t kActWords = 512, kScrWords = 256, kSlots = 4;

// Selections, as in vector_pkg.
enum Source { kSrcAct, kSrcBytes, kSrcScr };
enum Route { kRouteNone, kRouteShort, kRouteLong, kRouteScale };
enum Beats { kBeatNone, kBeatSquare, kBeatRope, kBeatOther };
enum Mul { kMulWeight, kMulSquare, kMulOne, kMulRope, kMulScale };
enum Norm { kNormNone, kNormSlot, kNormHalf };
enum Factor { kFactorCommon, kFactorSlot, kFactorOne, kFactorOther, kFactorLane };
enum Shift { kShiftCommon, kShiftSlot, kShiftZero, kShiftLane };
enum Loop { kLoopNone, kLoopQuant, kLoopGate };

struct Stage {
  uint64_t slot = 0, first = 0, last = 0, route = kRouteNone, beats = kBeatNone, max_c = 0, max_a = 0,
           max_w = 0, sum_c = 0, sum_p = 0, argmax = 0, keep = 0, mul = kMulWeight, relu = 0,
           norm = kNormNone, factor = kFactorCommon, shift = kShiftCommon, add = 0, loop = kLoopNone,
           gelu = 0, out = 0, out_bytes = 0, out_relu = 0, gated = 0;

  // stage_t, its last member in the lowest bits; a chunk that is fired is a first beat on its first way.
  uint64_t packed() const {
    constexpr uint64_t kBeat = 0, kSecond = 0;
    const std::pair<uint64_t, int> fields[] = {
        {gated, 1},   {out_relu, 1}, {out_bytes, 1}, {out, 1},   {gelu, 1},  {loop, 2},  {add, 1},
        {shift, 3},   {factor, 3},   {norm, 2},      {relu, 1},  {mul, 3},   {keep, 1},  {argmax, 1},
        {sum_p, 1},   {sum_c, 1},    {max_w, 1},     {max_a, 1}, {max_c, 1}, {beats, 2}, {route, 2},
        {kSecond, 1}, {kBeat, 1},    {last, 1},      {first, 1}, {slot, 2}};
    uint64_t bits = 0;
    int at = 0;
    for (const auto& [value, width] : fields) {
      bits |= value << at;
      at += width;
    }
    return bits;
  }
  void quantise() {
    norm = kNormSlot;
    factor = kFactorSlot;
    shift = kShiftSlot;
    out = out_bytes = 1;
  }
};

enum Register { kX, kG, kB };
enum Need { kNothing, kInit, kPrevious, kScales };

struct Read {
  Register into = kX;
  Source source = kSrcAct;
  uint64_t address = 0;
};

struct Pass {
  Stage stage;
  Need need = kNothing;
  bool aligned = false, mean = false, add_g = false;
  uint64_t gap = 0;
  std::vector<Read> main, aux;  // of the first chunk of the vector; advance() for another one's

  bool has(Register which) const {
    const auto into = [which](const Read& r) { return r.into == which; };
    return std::ranges::any_of(main, into) || std::ranges::any_of(aux, into);
  }
};

struct FiredChunk {
  Pass pass;
  uint64_t result = 0;  // that it needs to be counted
};

class Vector {
 public:
  Vector(const UnitCmd& cmd, uint64_t head_chunks) : cmd_(cmd), head_chunks_(head_chunks) {}

  // All chunks of a batch of heads, in order.
  std::vector<FiredChunk> batch(uint64_t first_head, uint64_t heads) const {
    std::vector<FiredChunk> chunks;
    const std::vector<Pass> all = passes();
    for (size_t pass = skips() ? 1 : 0; pass < all.size(); ++pass) {
      for (uint64_t slot = 0; slot < heads; ++slot) {
        for (uint64_t i = 0; i < head_chunks_; ++i) {
          FiredChunk c{.pass = all[pass], .result = (pass == 0 ? 0 : pass - 1) * heads + slot};
          c.pass.stage.slot |= slot;
          c.pass.stage.first = i == 0;
          c.pass.stage.last = i == head_chunks_ - 1;
          place(c.pass, first_head + slot, i);
          chunks.push_back(c);
        }
      }
    }
    return chunks;
  }
  bool skips() const {
    return (cmd_.opcode == Opcode::kNorm && (cmd_.mode & 4) != 0) ||
           (cmd_.opcode == Opcode::kQuant && (cmd_.mode & 3) == 3);
  }

 private:
  // Addresses of a chunk, from those of the first.
  void place(Pass& pass, uint64_t head, uint64_t i) const {
    const uint64_t chunk = head * head_chunks_ + i;
    const uint64_t planes = (cmd_.mode & 1) != 0 ? 3 : 2;
    for (auto* reads : {&pass.main, &pass.aux}) {
      for (Read& r : *reads) {
        if (cmd_.opcode == Opcode::kJoin) {
          const uint64_t plane = r.into == kX ? 0 : r.into == kB ? 1 : planes - 1;
          r.address += (head * planes + plane) * head_chunks_ + i;
        } else if (cmd_.opcode == Opcode::kQuant && (cmd_.mode & 3) == 2 && r.into == kG) {
          r.address += i;  // a row of the table for all heads
        } else {
          r.address += r.source == kSrcBytes ? chunk / 4 : chunk;
        }
        r.address %= r.source == kSrcScr ? kScrWords : kActWords;
      }
    }
  }

  Read x(uint64_t address) const { return {kX, kSrcAct, address}; }
  Read constant(Register into) const { return {into, kSrcAct, cmd_.a1 & 0xFFFF}; }

  Pass maximum(uint64_t address, uint64_t slot) const {
    Pass p;
    p.main = {x(address)};
    p.stage.max_c = 1;
    p.stage.slot = slot;
    return p;
  }

  std::vector<Pass> passes() const {
    switch (cmd_.opcode) {
      case Opcode::kNorm:
        return (cmd_.mode & 1) != 0 ? layer_norm() : rms_norm();
      case Opcode::kQuant:
        return quant();
      case Opcode::kActfn:
        return activation();
      default:
        return {single()};
    }
  }

  std::vector<Pass> rms_norm() const {
    Pass weighted;
    weighted.main = {x(cmd_.a0)};
    weighted.aux = {constant(kG)};
    weighted.need = kPrevious;
    weighted.stage.route = kRouteLong;
    Pass last = weighted;
    weighted.gap = 1;
    weighted.stage.beats = kBeatSquare;
    weighted.stage.max_a = weighted.stage.sum_p = 1;
    last.stage.quantise();
    return {maximum(cmd_.a0, 0), weighted, last};
  }

  std::vector<Pass> layer_norm() const {
    Pass sum;
    sum.main = {x(cmd_.a0)};
    Pass largest = sum;
    sum.stage.sum_c = 1;
    largest.need = kPrevious;
    largest.mean = true;
    Pass squares = largest;
    largest.stage.max_c = 1;
    squares.stage.route = kRouteLong;
    Pass scaled = squares;
    squares.stage.mul = kMulSquare;
    squares.stage.sum_p = 1;
    Read bias = constant(kB);
    bias.address += cmd_.count;
    scaled.aux = {constant(kG), bias};
    scaled.gap = 1;
    scaled.stage.add = 1;
    Pass last = scaled;
    scaled.stage.max_w = 1;
    last.aligned = true;
    last.stage.loop = kLoopQuant;
    return {sum, largest, squares, scaled, last};
  }

  std::vector<Pass> quant() const {
    Pass p;
    p.main = {x(cmd_.a0)};
    p.stage.route = kRouteShort;
    if ((cmd_.mode & 3) == 1) {
      p.aux = {constant(kB)};
      p.stage.add = 1;
      Pass last = p;
      p.need = kInit;
      p.stage.max_w = 1;
      last.need = kPrevious;
      last.gap = 1;
      last.aligned = true;
      last.stage.loop = kLoopQuant;
      return {p, last};
    }
    p.need = kPrevious;
    if ((cmd_.mode & 3) == 2) {
      p.aux = {constant(kG)};
      p.gap = 1;
      p.stage.route = kRouteLong;
      p.stage.beats = kBeatRope;
      p.stage.mul = kMulRope;
      Pass last = p;
      p.stage.max_a = 1;
      last.stage.quantise();
      return {maximum(cmd_.a0, 0), p, last};
    }
    p.stage.quantise();
    return {maximum(cmd_.a0, 0), p};
  }

  std::vector<Pass> activation() const {
    const uint64_t kind = cmd_.mode & 3;  // ReLU, ReLU^2, SiLU, GELU
    const bool gated = (cmd_.mode & 4) != 0, bias = (cmd_.mode & 8) != 0;
    std::vector<Pass> all;
    Pass p;
    p.main = {x(cmd_.a0)};
    p.stage.out = 1;
    p.stage.keep = (cmd_.mode & 16) != 0 ? 1 : 0;
    if (gated) {
      p.aux = {constant(kG)};
      p.gap = 1;
      p.stage.beats = kBeatOther;
    }
    const bool block = kind == 1 || (kind == 0 && !bias);
    if (block) all.push_back(maximum(cmd_.a0, 0));
    if (gated) all.push_back(maximum(cmd_.a1 & 0xFFFF, 1));
    p.need = all.empty() ? kInit : kPrevious;
    if (block) {
      p.stage.route = kRouteLong;
      p.stage.relu = 1;
      p.stage.mul = kind == 1 ? kMulSquare : kMulOne;
      p.stage.norm = kind == 1 ? kNormHalf : kNormNone;
      p.stage.factor = gated ? kFactorOther : kFactorOne;
      p.stage.shift = kShiftZero;
    } else {
      if (bias) p.aux = {constant(kB)};
      p.stage.route = kRouteShort;
      p.stage.add = bias ? 1 : 0;
      p.stage.out_relu = kind == 0 ? 1 : 0;
      p.aligned = kind != 0;
      p.stage.loop = kind != 0 ? kLoopGate : kLoopNone;
      p.stage.gelu = kind == 3 ? 1 : 0;
      p.stage.gated = kind != 0 && gated ? 1 : 0;
    }
    all.push_back(p);
    return all;
  }

  Pass single() const {
    const bool option = (cmd_.mode & 1) != 0;
    const uint64_t planes = cmd_.a0 / 2U;  // a word of SCR
    Pass p;
    p.need = kInit;
    p.stage.route = kRouteShort;
    p.stage.out = 1;
    p.stage.keep = (cmd_.mode & 2) != 0 ? 1 : 0;
    switch (cmd_.opcode) {
      case Opcode::kJoin:
        p.main.push_back({kG, kSrcScr, planes});
        if (option) p.main.push_back({kB, kSrcScr, planes});
        p.main.push_back({kX, kSrcScr, planes});
        p.need = kScales;
        p.gap = 1;
        p.stage.factor = kFactorSlot;
        p.stage.shift = kShiftSlot;
        break;
      case Opcode::kResadd:
        p.main = {{kG, kSrcAct, cmd_.a2}, x(cmd_.a0)};
        if (option) p.aux = {constant(kB)};
        p.add_g = true;
        p.gap = 1;
        p.stage.add = 1;
        break;
      case Opcode::kEmbed:
        p.main = {{kX, kSrcBytes, cmd_.a0}};
        if (option) p.aux = {constant(kB)};
        p.stage.add = option ? 1 : 0;
        break;
      default:  // LOGIT
        p.main = {{kX, kSrcScr, planes}};
        p.aux = {constant(kG)};
        p.gap = 1;
        p.stage.route = kRouteScale;
        p.stage.mul = kMulScale;
        p.stage.factor = kFactorLane;
        p.stage.shift = kShiftLane;
        p.stage.argmax = 1;
        p.stage.keep = 0;
    }
    return p;
  }

  const UnitCmd& cmd_;
  uint64_t head_chunks_;
};

class IssueBench {
 public:
  IssueBench() {
    auto& dut = part.dut;
    dut.start_i = dut.act_rd_gnt_i = dut.aux_rd_gnt_i = dut.scr_rd_gnt_i = 0;
    part.reset();
  }

  // A batch from its start until nothing is left of it.
  void run(const UnitCmd& cmd, const Vector& vector, uint64_t head_chunks, uint64_t first_head,
           uint64_t heads) {
    auto& dut = part.dut;
    chunks_ = vector.batch(first_head, heads);
    const bool join = cmd.opcode == Opcode::kJoin;
    done_ = fired_ = main_ = aux_ = ready_ = 0;
    results_ = join ? heads : vector.skips() ? 1 : 0;
    if (first_head == 0) dut.init_done_i = 0;
    dut.start_i = 1;
    dut.first_batch_i = first_head == 0;
    cycle();
    dut.start_i = 0;
    Signal(dut.cmd_i).set_bytes(pack(cmd));
    dut.base_chunk_i = static_cast<uint16_t>(first_head * head_chunks);
    dut.head_mask_i = static_cast<uint16_t>(whole ? UINT16_MAX : head_chunks - 1);
    dut.heads_i = static_cast<uint8_t>(heads);
    const size_t most = 200 * (chunks_.size() + 1);
    for (size_t i = 0; fired_ < chunks_.size() && !testing::Test::HasFatalFailure(); ++i) {
      ASSERT_LT(i, most) << fired_ << " of " << chunks_.size() << " chunks fired";
      cycle();
    }
    if (testing::Test::HasFatalFailure()) return;
    cycle();
    ASSERT_EQ(dut.busy_o, 0);
  }

  std::mt19937_64 rng = make_rng(6);
  bool whole = false;  // the vector is one head
  double grants = 1, enables = 1;

 private:
  void cycle() {
    auto& dut = part.dut;
    const bool draw = chance(rng, 0.3);
    if (dut.start_i == 0 && draw) {
      dut.init_done_i = 1;
      ready_ += ready_ < results_ ? 1 : 0;
    }
    dut.ready_count_i = ready_ & 31;
    dut.en_i = enabled_;
    enabled_ = chance(rng, enables);
    dut.en_next_i = enabled_;
    dut.act_rd_gnt_i = dut.aux_rd_gnt_i = dut.scr_rd_gnt_i = 0;
    dut.eval();
    captures();
    fire();
    // A chunk's reads through either port, each in its order; the next one's when both are through.
    const Read* main = nullptr;
    const Read* aux = nullptr;
    if (done_ < chunks_.size()) {
      const Pass& pass = chunks_[done_].pass;
      if (main_ < pass.main.size()) main = &pass.main[main_];
      if (aux_ < pass.aux.size()) aux = &pass.aux[aux_];
    }
    const auto request = [](bool asked, uint64_t address, const Read* want, bool scr) {
      if (!asked) return;
      ASSERT_TRUE(want != nullptr && (want->source == kSrcScr) == scr);
      ASSERT_EQ(address, want->address);
    };
    request(dut.act_rd_req_o, dut.act_rd_addr_o, main, false);
    request(dut.scr_rd_req_o, dut.scr_rd_addr_o, main, true);
    request(dut.aux_rd_req_o, dut.aux_rd_addr_o, aux, false);
    const bool main_granted = (dut.act_rd_req_o != 0 || dut.scr_rd_req_o != 0) && chance(rng, grants);
    dut.act_rd_gnt_i = main_granted && dut.act_rd_req_o;
    dut.scr_rd_gnt_i = main_granted && dut.scr_rd_req_o;
    dut.aux_rd_gnt_i = dut.aux_rd_req_o && chance(rng, grants);
    captured_.clear();
    if (testing::Test::HasFatalFailure()) return;
    if (main_granted) captured_.push_back({*main, false, done_ % 4});
    if (dut.aux_rd_gnt_i != 0) captured_.push_back({*aux, true, 0});
    main_ += main_granted ? 1 : 0;
    aux_ += dut.aux_rd_gnt_i;
    if (done_ < chunks_.size() && main_ == chunks_[done_].pass.main.size() &&
        aux_ == chunks_[done_].pass.aux.size()) {
      ++done_;
      main_ = aux_ = 0;
    }
    part.clock();
  }

  void captures() {
    auto& dut = part.dut;
    const auto held = [this](Register which) {
      return std::ranges::find_if(captured_, [which](const Captured& c) { return c.read.into == which; });
    };
    const auto none = captured_.end();
    ASSERT_EQ(dut.cap_x_o, held(kX) != none);
    ASSERT_EQ(dut.cap_g_o, held(kG) != none);
    ASSERT_EQ(dut.cap_b_o, held(kB) != none);
    if (held(kG) != none) {
      ASSERT_EQ(dut.cap_g_aux_o, held(kG)->aux);
    }
    if (held(kB) != none) {
      ASSERT_EQ(dut.cap_b_aux_o, held(kB)->aux);
    }
    for (const Captured& c : captured_) {
      if (c.aux) continue;
      ASSERT_EQ(dut.cap_src_o, c.read.source);
      ASSERT_EQ(dut.cap_word_o, 0);
      if (c.read.source == kSrcBytes) {
        ASSERT_EQ(dut.cap_quarter_o, c.quarter);
      }
    }
  }

  void fire() {
    auto& dut = part.dut;
    since_fire_ += dut.en_i;
    if (dut.fire_o == 0) return;
    ASSERT_EQ(dut.en_i, 1);
    ASSERT_LT(fired_, done_) << "its operands are not there";
    const FiredChunk& c = chunks_[fired_];
    SCOPED_TRACE(testing::Message() << "chunk " << fired_ << " of " << chunks_.size());
    if (c.pass.need == kInit) {
      ASSERT_EQ(dut.init_done_i, 1);
    }
    if (c.pass.need == kPrevious || c.pass.need == kScales) {
      ASSERT_GT(ready_, c.result);
    }
    if (fired_ > 0) {
      const Pass& before = chunks_[fired_ - 1].pass;
      ASSERT_GT(since_fire_, before.gap);
      if (before.aligned && c.pass.aligned) {
        ASSERT_EQ(since_fire_ % 2, 0U);
      }
    }
    ASSERT_EQ(Signal(dut.stage_o).get(), c.pass.stage.packed());
    const bool join = c.pass.need == kScales;
    ASSERT_EQ(dut.join_o, join);
    ASSERT_EQ(dut.three_o, join && c.pass.has(kB));
    ASSERT_EQ(dut.mean_o, c.pass.mean);
    ASSERT_EQ(dut.add_b_o, c.pass.has(kB));
    ASSERT_EQ(dut.add_g_o, c.pass.add_g);
    since_fire_ = 0;
    // A result is there some time after the last chunk of its head.
    if (c.pass.stage.last != 0 && !join) ++results_;
    ++fired_;
  }

  struct Captured {
    Read read;
    bool aux = false;
    uint64_t quarter = 0;  // of a word of bytes, in the order of the vector
  };

  Part<Vvector_part_issue> part;
  std::vector<FiredChunk> chunks_;
  std::vector<Captured> captured_;
  size_t done_ = 0, fired_ = 0, main_ = 0, aux_ = 0;  // chunks read and fired; reads of the next one
  uint64_t ready_ = 0, results_ = 0, since_fire_ = 0;
  bool enabled_ = true;
};

TEST(VectorIssue, ReadsAndFiresEveryChunk) {
  IssueBench bench;
  auto& rng = bench.rng;
  constexpr std::array kOps = {Opcode::kNorm,  Opcode::kQuant, Opcode::kJoin, Opcode::kResadd,
                               Opcode::kActfn, Opcode::kEmbed, Opcode::kLogit};
  constexpr std::array<uint8_t, 11> kActivations = {0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11};
  for (int i = 0; i < 1500 && !HasFatalFailure(); ++i) {
    UnitCmd cmd = any_command(rng, kOps[rng() % kOps.size()]);
    uint64_t heads = 1, head_chunks = 1 + rng() % (i % 50 == 0 ? 600 : 20);
    bench.whole = true;
    if (cmd.opcode == Opcode::kActfn) {
      cmd.mode = kActivations[rng() % kActivations.size()];
      if ((cmd.mode & 4) == 0 && rng() % 2 == 0) cmd.mode |= 16;
    }
    if (cmd.opcode == Opcode::kJoin) cmd.a0 &= 0xFFFE;
    if (cmd.opcode == Opcode::kJoin ||
        (cmd.opcode == Opcode::kQuant && (cmd.mode & 3) != 3 && rng() % 4 != 0)) {
      bench.whole = false;
      heads = 1 + rng() % 9;
      head_chunks = uint64_t{1} << rng() % (i % 50 == 0 ? 7 : 3);
    }
    cmd.count = static_cast<uint16_t>(heads * head_chunks);
    constexpr double kRates[] = {0.4, 0.8, 1.0};
    bench.grants = kRates[rng() % 3];
    bench.enables = kRates[rng() % 3];
    SCOPED_TRACE(testing::Message() << isa::opcode_info(cmd.opcode).name << " mode " << int{cmd.mode} << ", "
                                    << heads << " heads of " << head_chunks);
    const Vector vector(cmd, head_chunks);
    for (uint64_t head = 0; head < heads && !HasFatalFailure(); head += kSlots) {
      bench.run(cmd, vector, head_chunks, head, std::min(kSlots, heads - head));
    }
  }
}

}  // namespace
}  // namespace pimllm::tb

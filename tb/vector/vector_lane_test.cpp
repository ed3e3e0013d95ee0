// A lane of the vector unit by itself: any loads and selections in any order, its registers as
// docs/numerics.md has the operations between them.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "Vvector_part_lane.h"
#include "golden/fixed.hpp"
#include "golden/scale.hpp"
#include "tb/common/part.hpp"
#include "tb/common/seed.hpp"
#include "tb/common/signal.hpp"

namespace pimllm::tb {
namespace {

// Selections, as in vector_pkg.
enum Source { kSrcAct, kSrcBytes, kSrcScr, kSources };
enum CSelection { kCMain, kCMean, kCJoin, kCJoinThree, kCOther, kCSelections };
enum Mul { kMulWeight, kMulSquare, kMulOne, kMulRope, kMulScale, kMulLate, kMuls };
enum ASelection { kAFromC, kAFromP, kAFromW, kAFromZ, kASelections };
enum Factor { kFactorCommon, kFactorSlot, kFactorOne, kFactorOther, kFactorLane, kFactorGate, kFactors };
enum MaxSelection { kMaxC, kMaxA, kMaxW, kMaxSigned, kMaxSelections };

constexpr int kLeastShift = -34, kMostShift = 48, kFractionBits = 16;
constexpr uint64_t kMostFactor = 1 << 16;
constexpr size_t kOthers = 8;

struct Control {
  bool cap_x = false, cap_g = false, cap_b = false;
  uint64_t x_src = 0, from_scr = 0, g_aux = 0, b_aux = 0, ld_c = 0, ld_op = 0, c_sel = 0, use_b = 0,
           add_g = 0, ld_n = 0, ld_g2 = 0, relu = 0, d_n = 0, ld_other = 0, other_wr = 0, other_rd = 0,
           ld_p = 0, mul = 0, mul_second = 0, ld_a = 0, a_sel = 0, norm_a = 0, d_a = 0, factor = 0,
           factor_value = 0, ld_m = 0, ld_w = 0, lane_shift = 0, add = 0, ld_t = 0, gelu = 0, ld_s = 0,
           ld_late = 0, max_en = 0, max_sel = 0, sum_en = 0, sum_p = 0, sum_w = 0, out_en = 0, out_bytes = 0,
           out_relu = 0, out_p = 0;
  int shift = 0;

  // The last member of lane_ctl_t in the lowest bits.
  void drive(const Signal& port) const {
    size_t bit = 0;
    const auto put = [&](uint64_t value, size_t width) {
      put_bits(port, bit, width, value);
      bit += width;
    };
    for (const uint64_t flag : {out_p, out_relu, out_bytes, out_en, sum_w, sum_p, sum_en}) put(flag, 1);
    put(max_sel, 2);
    for (const uint64_t flag : {max_en, ld_late, ld_s, gelu, ld_t, add}) put(flag, 1);
    put(static_cast<uint64_t>(shift), 7);
    for (const uint64_t flag : {lane_shift, ld_w, ld_m}) put(flag, 1);
    put(factor_value, 17);
    put(factor, 3);
    put(d_a, 5);
    put(norm_a, 1);
    put(a_sel, 2);
    put(ld_a, 1);
    put(mul_second, 1);
    put(mul, 3);
    put(ld_p, 1);
    put(other_rd, 3);
    put(other_wr, 3);
    put(ld_other, 1);
    put(d_n, 5);
    for (const uint64_t flag : {relu, ld_g2, ld_n, add_g, use_b}) put(flag, 1);
    put(c_sel, 3);
    for (const uint64_t flag : {ld_op, ld_c, b_aux, g_aux, from_scr}) put(flag, 1);
    put(x_src, 2);
  }
};

struct LaneInputs {
  int32_t act = 0, aux = 0, scr = 0, mean = 0;
  int8_t byte = 0;
  Scale logit_scale;
  int16_t pair_n = 0, pair_g = 0;
};

// Of an even lane.
class LaneReference {
 public:
  bool normalised() const { return low_p() == 0 || low_p() >= 1U << 30; }

  void load(const Control& k, const LaneInputs& in) {
    const LaneReference o = *this;  // the registers before
    if (k.ld_late != 0) late_ = sat16(rsh(o.w_, 2));
    if (k.ld_s != 0) gate_ = o.gate();
    if (k.ld_t != 0) {
      z_ = o.w_;
      gelu_ = k.gelu != 0;
    }
    if (k.ld_w != 0) w_ = sat32(rsh(o.m_, k.lane_shift != 0 ? o.shift_ : k.shift) + (k.add != 0 ? o.bm_ : 0));
    if (k.ld_m != 0) {
      m_ = o.a_ * o.factor_;
      bm_ = o.ba_;
    }
    if (k.ld_a != 0) load_a(k, in, o);
    if (k.ld_p != 0) {
      p_ = o.product(k, in);
      bp_ = o.b1_;
    }
    const int16_t normed = sat16(rsh(o.c_, static_cast<int>(k.d_n)));
    if (k.ld_n != 0) n_ = k.relu != 0 ? std::max<int16_t>(normed, 0) : normed;
    if (k.ld_g2 != 0) g2_ = static_cast<int16_t>(o.g1_);
    if (k.ld_other != 0) others_[k.other_wr] = normed;
    if (k.ld_c != 0) c_ = o.operand(k, in);
    if (k.ld_op != 0) {
      g1_ = o.g_;
      b1_ = (k.use_b != 0 ? int64_t{o.b_} : 0) + (k.add_g != 0 ? int64_t{o.g_} : 0);
    }
    if (k.cap_x) x_ = k.x_src == kSrcBytes ? in.byte : k.x_src == kSrcScr ? in.scr : in.act;
    if (k.cap_g) g_ = k.g_aux != 0 ? in.aux : k.from_scr != 0 ? in.scr : in.act;
    if (k.cap_b) b_ = k.b_aux != 0 ? in.aux : in.scr;
  }

  int16_t n() const { return n_; }
  int16_t g2() const { return g2_; }
  uint32_t key(const Control& k) const {
    if (k.max_en == 0) return 0;
    if (k.max_sel == kMaxSigned) return static_cast<uint32_t>(w_) ^ 1U << 31;
    const int64_t v = k.max_sel == kMaxA ? a_ : k.max_sel == kMaxW ? result(k) : c_;
    return static_cast<uint32_t>(std::abs(v));
  }
  uint32_t sum(const Control& k) const {
    if (k.sum_en == 0) return 0;
    return k.sum_w != 0   ? static_cast<uint32_t>(result(k))
           : k.sum_p != 0 ? low_p()
                          : static_cast<uint32_t>(c_);
  }
  uint32_t out(const Control& k) const {
    if (k.out_en == 0) return 0;
    if (k.out_p != 0) return low_p();
    return static_cast<uint32_t>(k.out_bytes != 0 ? std::clamp(w_, -127, 127) : result(k));
  }

 private:
  uint32_t low_p() const { return static_cast<uint32_t>(static_cast<uint64_t>(p_)); }
  int32_t result(const Control& k) const { return k.out_relu != 0 ? std::max(w_, 0) : w_; }

  int32_t operand(const Control& k, const LaneInputs& in) const {
    switch (k.c_sel) {
      case kCMean:
        return sat32(int64_t{x_} - in.mean);
      case kCJoin:
        return sat32(rsh(int64_t{g_} * 256 + x_, 4));
      case kCJoinThree:
        return sat32(rsh((int64_t{g_} * 256 + b_) * 256 + x_, 12));
      case kCOther:
        return g1_;
      default:
        return x_;
    }
  }

  // 33 bits. Even lanes hold cos, odd ones sin.
  int64_t product(const Control& k, const LaneInputs& in) const {
    switch (k.mul) {
      case kMulSquare:
        return int64_t{n_} * n_;
      case kMulOne:
        return n_;
      case kMulRope: {
        if (k.mul_second == 0) return int64_t{n_} * g2_;
        const auto both = static_cast<uint64_t>(p_ - int64_t{in.pair_n} * in.pair_g);
        return static_cast<int64_t>(both << 31) >> 31;
      }
      case kMulScale:
        return int64_t{in.logit_scale.m} * static_cast<uint16_t>(g1_);
      case kMulLate:
        return int64_t{late_} * others_[k.other_rd];
      default:
        return int64_t{n_} * g2_;
    }
  }

  void load_a(const Control& k, const LaneInputs& in, const LaneReference& o) {
    const int32_t from = k.a_sel == kAFromP   ? static_cast<int32_t>(o.low_p())
                         : k.a_sel == kAFromW ? o.w_
                         : k.a_sel == kAFromZ ? o.z_
                                              : o.c_;
    ba_ = k.a_sel == kAFromP ? o.bp_ : o.b1_;
    a_ = k.norm_a != 0 ? sat16(rsh(from, static_cast<int>(k.d_a))) : from;
    if (k.factor == kFactorLane) {
      const Scale s = sf_norm(o.low_p(), (o.g1_ >> 16) + in.logit_scale.e);
      factor_ = s.m;
      shift_ = std::clamp(-(s.e + kFractionBits), kLeastShift, kMostShift);
    } else {
      factor_ = k.factor == kFactorOther  ? o.n_
                : k.factor == kFactorGate ? o.gate_
                                          : static_cast<int64_t>(k.factor_value);
    }
  }

  // 2^16 G(z).
  int64_t gate() const {
    const auto entry = [this](int64_t i) {
      const double x = static_cast<double>(i) / 32;
      const double g = gelu_
                           ? (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x))) / 2
                           : 1 / (1 + std::exp(-x));
      return std::min<int64_t>(65535, round_half_up(std::ldexp(g, 16)));
    };
    const int64_t u = std::min<int64_t>(std::abs(int64_t{z_}), 32767), i = u >> 7;
    const int64_t g = entry(i) + rsh((entry(i + 1) - entry(i)) * (u & 127), 7);
    return z_ < 0 ? 65536 - g : g;
  }

  int32_t x_ = 0, g_ = 0, b_ = 0, c_ = 0, g1_ = 0, w_ = 0, z_ = 0;
  int64_t b1_ = 0, bp_ = 0, ba_ = 0, bm_ = 0, p_ = 0, a_ = 0, factor_ = 0, m_ = 0, gate_ = 0;
  int16_t n_ = 0, g2_ = 0, late_ = 0;
  std::array<int16_t, kOthers> others_{};
  int shift_ = 0;
  bool gelu_ = false;
};

class LaneStimulus {
 public:
  // Of any size, and near a power of two.
  int32_t value() {
    const auto small = static_cast<uint32_t>(rng()) >> below(32);
    const uint32_t at = below(3) == 0 ? 1U << below(32) : 0;
    const uint32_t v = below(2) == 0 ? at + small : at - small;
    return static_cast<int32_t>(below(2) == 0 ? v : 0 - v);
  }
  LaneInputs inputs() {
    LaneInputs in;
    for (int32_t* operand : {&in.act, &in.aux, &in.scr, &in.mean}) *operand = value();
    in.byte = static_cast<int8_t>(rng());
    in.pair_n = static_cast<int16_t>(value());
    in.pair_g = static_cast<int16_t>(value());
    // Scales of rows, for the product of two scales.
    in.logit_scale = scale();
    if (below(2) == 0) in.aux = static_cast<int32_t>(sf_pack(scale()));
    return in;
  }
  // Everything loads, nothing goes around: after some of these all registers are known.
  Control first(size_t cycle, bool normalised) {
    Control k = any(normalised);
    k.cap_x = k.cap_g = k.cap_b = true;
    for (uint64_t* load : {&k.ld_c, &k.ld_op, &k.ld_n, &k.ld_g2, &k.ld_other, &k.ld_p, &k.ld_a, &k.ld_m,
                           &k.ld_w, &k.ld_t, &k.ld_s, &k.ld_late}) {
      *load = 1;
    }
    k.other_wr = cycle % kOthers;
    k.mul = kMulWeight + cycle / 8 % 2 * kMulScale;
    k.g_aux = 1;
    k.a_sel = kAFromC;
    k.lane_shift = 0;
    return k;
  }
  Control any(bool normalised) {
    Control k;
    k.cap_x = below(2) != 0;
    k.cap_g = below(2) != 0;
    k.cap_b = below(2) != 0;
    for (uint64_t* flag :
         {&k.from_scr,  &k.g_aux,    &k.b_aux,  &k.ld_c,       &k.ld_op, &k.use_b,      &k.add_g,
          &k.ld_n,      &k.ld_g2,    &k.relu,   &k.ld_other,   &k.ld_p,  &k.mul_second, &k.ld_a,
          &k.norm_a,    &k.ld_m,     &k.ld_w,   &k.lane_shift, &k.add,   &k.ld_t,       &k.gelu,
          &k.ld_s,      &k.ld_late,  &k.max_en, &k.sum_en,     &k.sum_p, &k.sum_w,      &k.out_en,
          &k.out_bytes, &k.out_relu, &k.out_p}) {
      *flag = below(2);
    }
    k.x_src = below(kSources);
    k.c_sel = below(kCSelections);
    k.d_n = below(18);
    k.other_wr = below(kOthers);
    k.other_rd = below(kOthers);
    k.mul = below(kMuls);
    k.a_sel = below(kASelections);
    k.d_a = below(18);
    k.factor = below(kFactors);
    if (k.factor == kFactorLane && !normalised) k.factor = kFactorCommon;
    k.factor_value = below(8) == 0 ? kMostFactor : below(kMostFactor);
    k.shift = kLeastShift + static_cast<int>(below(kMostShift - kLeastShift + 1));
    k.max_sel = below(kMaxSelections);
    return k;
  }

  std::mt19937_64 rng = make_rng(5);

 private:
  uint64_t below(uint64_t n) { return rng() % n; }
  Scale scale() {
    const auto e = static_cast<int16_t>(below(4) == 0 ? rng() : below(60) - 45);
    return {static_cast<uint16_t>(0x8000 | rng()), e};
  }
};

TEST(VectorLane, AnyLoadsAndSelections) {
  LaneStimulus stimulus;
  LaneReference reference;
  Part<Vvector_part_lane> part;
  auto& dut = part.dut;
  constexpr size_t kFirst = 64;
  for (size_t cycle = 0; cycle < 100000; ++cycle) {
    const LaneInputs in = stimulus.inputs();
    const Control k =
        cycle < kFirst ? stimulus.first(cycle, reference.normalised()) : stimulus.any(reference.normalised());
    k.drive(Signal(dut.ctl_i));
    dut.cap_x_i = k.cap_x;
    dut.cap_g_i = k.cap_g;
    dut.cap_b_i = k.cap_b;
    dut.act_i = static_cast<uint32_t>(in.act);
    dut.aux_i = static_cast<uint32_t>(in.aux);
    dut.byte_i = static_cast<uint8_t>(in.byte);
    dut.scr_i = static_cast<uint32_t>(in.scr);
    dut.mean_i = static_cast<uint32_t>(in.mean);
    dut.logit_scale_i = sf_pack(in.logit_scale);
    dut.pair_n_i = static_cast<uint16_t>(in.pair_n);
    dut.pair_g_i = static_cast<uint16_t>(in.pair_g);
    dut.eval();
    if (cycle >= kFirst) {
      SCOPED_TRACE(cycle);
      ASSERT_EQ(dut.n_o, static_cast<uint16_t>(reference.n()));
      ASSERT_EQ(dut.g_o, static_cast<uint16_t>(reference.g2()));
      ASSERT_EQ(dut.max_key_o, reference.key(k));
      ASSERT_EQ(dut.sum_o, reference.sum(k));
      ASSERT_EQ(dut.out_o, reference.out(k));
    }
    part.clock();
    reference.load(k, in);
  }
}

}  // namespace
}  // namespace pimllm::tb

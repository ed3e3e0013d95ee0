// Attention operators against real arithmetic: the accuracy claims at the end of docs/numerics.md.
#include "golden/attention.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "golden/error.hpp"
#include "golden/test_util.hpp"
#include "golden/total_variation.hpp"

namespace pimllm {
namespace {

// docs/numerics.md: exp2 table, absolute error against 1.
TEST(Softmax, Exp2AccuracyExhaustive) {
  double worst = 0.0;
  for (int f = 0; f < 4096; ++f) {
    worst = std::max(worst, std::fabs(exp2_table(f) * 0x1p-17 - std::exp2(-f / 4096.0)));
  }
  fmt::print("exp2: worst absolute error {:.3g} = 2^{:.2f}\n", worst, std::log2(worst));
  EXPECT_LE(worst, 0x1p-16);
}

// Of scores x (natural logarithm) as the machine has them: 12 fraction bits, base 2.
double softmax_distance(const std::vector<double>& x, const std::vector<Scale>& sv) {
  std::vector<int32_t> scores(x.size());
  for (size_t t = 0; t < x.size(); ++t) {
    scores[t] = static_cast<int32_t>(std::floor(x[t] * std::numbers::log2e * 4096.0 + 0.5));
  }
  int eref = kErefStart;
  for (const Scale s : sv) eref = next_eref(eref, s);
  SoftmaxState state;
  softmax_maximum(scores, state);
  std::vector<uint32_t> numerators(x.size());
  softmax_numerators(scores, sv, eref, state, numerators);
  return total_variation<uint32_t>(x, numerators, sv, softmax_factor(state, eref));
}

// docs/numerics.md, "Accuracy": every single draw.
TEST(Softmax, TotalVariation) {
  constexpr int kSeeds = 4;
  constexpr int kDraws = 16;
  const uint64_t seed = test_seed();
  for (const bool equal_v : {true, false}) {
    for (const double deviation : {0.0, 1.0 / 3.0, 1.0, 2.0}) {
      double worst = 0.0;
      double worst_mean = 0.0;
      for (const size_t n : {1, 2, 3, 7, 16, 31, 32, 33, 64, 128, 256, 512, 1024, 2048, 4096}) {
        double mean = 0.0;
        for (int trial = 0; trial < kSeeds * kDraws; ++trial) {
          std::mt19937_64 rng(seed + 1000 * n + static_cast<uint64_t>(trial));
          std::normal_distribution<double> draw(0.37, std::max(deviation, 1e-300));
          std::vector<double> x(n);
          // V scales of a head: equal, or a factor of up to four between tokens.
          std::vector<Scale> sv(n, Scale{static_cast<uint16_t>(0x8000 | rng()), -20});
          for (auto& v : x) v = draw(rng);
          if (!equal_v) {
            for (auto& s : sv) {
              s = {static_cast<uint16_t>(0x8000 | rng()),
                   static_cast<int16_t>(-20 - static_cast<int>(rng() % 2))};
            }
          }
          const double tv = softmax_distance(x, sv);
          worst = std::max(worst, tv);
          mean += tv / (kSeeds * kDraws);
        }
        worst_mean = std::max(worst_mean, mean);
      }
      fmt::print(
          "softmax total variation, {} V scales, deviation {:.2f}, n = 1..4096: worst mean {:.2e}, max "
          "{:.2e}\n",
          equal_v ? "equal" : "varied", deviation, worst_mean, worst);
      EXPECT_LE(worst, kTotalVariationLimit);
    }
  }
}

// The largest score at the maximum, every token alike: the largest numerator there is; and V scales beyond
// eref saturate it.
TEST(Softmax, LargestNumerator) {
  const std::vector<int32_t> scores(3, 0);
  std::vector<uint32_t> n(3);
  SoftmaxState state;
  softmax_maximum(scores, state);
  softmax_numerators(scores, std::vector<Scale>(3, {0xFFFF, -7}), -7, state, n);
  EXPECT_EQ(n, std::vector<uint32_t>(3, 0xFFFF00));
  softmax_numerators(scores, std::vector<Scale>(3, {0xFFFF, -6}), -7, state, n);
  EXPECT_EQ(n, std::vector<uint32_t>(3, 0xFFFFFF));
}

// Saved and continued tile by tile with a rising maximum: close to the sum in one go, exact when the maximum
// came first.
TEST(Softmax, RecurrenceContinues) {
  const std::vector<int32_t> scores = {0, 4096, -300, 9000, 100};
  const std::vector<Scale> sv(scores.size(), sf_pow2(0));
  std::vector<uint32_t> n(scores.size());
  SoftmaxState whole;
  softmax_maximum(scores, whole);
  EXPECT_EQ(whole.max, 3);
  softmax_numerators(scores, sv, -15, whole, n);
  SoftmaxState state;
  const std::span<const int32_t> all(scores);
  std::vector<uint32_t> part(2);
  softmax_maximum(all.first(2), state);
  EXPECT_EQ(state.max, 1);
  softmax_numerators(all.first(2), std::span(sv).first(2), -15, state, part);
  const uint32_t before = state.sum;
  softmax_maximum(all.last(3), state);
  EXPECT_EQ(state.max, 3);
  EXPECT_EQ(state.sum, before >> 2);
  std::vector<uint32_t> rest(3);
  softmax_numerators(all.last(3), std::span(sv).last(3), -15, state, rest);
  EXPECT_NEAR(static_cast<double>(state.sum), static_cast<double>(whole.sum), 3.0);
  EXPECT_TRUE(std::equal(rest.begin(), rest.end(), n.begin() + 2));
  SoftmaxState none;
  none.sum = 5;
  softmax_maximum(scores, none);  // from -32768: everything is shifted out
  EXPECT_EQ(none.sum, 0U);
}

TEST(Softmax, ZeroValueScalesGiveZero) {
  const std::vector<int32_t> scores = {10, 20};
  const std::vector<Scale> sv(2);
  SoftmaxState state;
  softmax_maximum(scores, state);
  std::vector<uint32_t> n(2, 7);
  softmax_numerators(scores, sv, kErefStart, state, n);
  EXPECT_EQ(n, (std::vector<uint32_t>{0, 0}));
  EXPECT_EQ(attention_value(0, softmax_factor(state, kErefStart)), 0);
}

// docs/numerics.md: ConSMax within 1 LSB of real arithmetic on the quantised C, over all 256 scores.
TEST(Consmax, Accuracy) {
  std::mt19937_64 rng(test_seed());
  double worst_lsb = 0.0;
  double worst_relative = 0.0;
  for (int i = 0; i < 16; ++i) {
    const double ln_c = -9.0 + 0.77 * i + static_cast<double>(rng() % 1000) * 1e-4;
    const ConsmaxHead head = consmax_head(ln_c);
    const double top = std::exp(ln_c + 127.0 / 16.0);
    EXPECT_LT(top, std::ldexp(1.0, head.z));
    EXPECT_GE(top, std::ldexp(1.0, head.z - 1));
    for (int v = 0; v < 64; ++v) {
      const int eref = -20 + v;
      const uint16_t mantissa = v == 0 ? 0x8000 : v == 1 ? 0xFFFF : static_cast<uint16_t>(0x8000 | rng());
      const Scale sv{mantissa, static_cast<int16_t>(eref - (v % 3))};
      const double lsb = sf_value(consmax_factor(eref, head));
      for (int s = -128; s < 128; ++s) {
        const double exact = sf_value(head.c) * std::exp(s / 16.0) * sf_value(sv) / lsb;
        const double error = std::fabs(consmax_numerator(s, sv, eref, head) - exact);
        worst_lsb = std::max(worst_lsb, error);
        if (exact > 256.0) worst_relative = std::max(worst_relative, error / exact);
      }
    }
  }
  fmt::print("ConSMax: worst error {:.3f} LSB, worst relative error above 256 LSB {:.2e}\n", worst_lsb,
             worst_relative);
  EXPECT_LE(worst_lsb, 1.0);
  EXPECT_LE(worst_relative, 0.01);
}

TEST(Consmax, CountsClips) {
  uint64_t clips = 0;
  EXPECT_EQ(consmax_score(127, sf_pow2(-4), clips), 127);
  EXPECT_EQ(clips, 0U);
  EXPECT_EQ(consmax_score(128, sf_pow2(-4), clips), 127);
  EXPECT_EQ(consmax_score(-129, sf_pow2(-4), clips), -128);
  EXPECT_EQ(clips, 2U);
  EXPECT_THROW(consmax_head(1e9), Error);
}

template <typename Numerator>
class Pv : public testing::Test {};
using Numerators = testing::Types<uint16_t, uint32_t>;
TYPED_TEST_SUITE(Pv, Numerators);

// Two planes and three.
TYPED_TEST(Pv, JoinsBytePlanes) {
  constexpr uint32_t kTop = sizeof(TypeParam) == 2 ? 0xFFFF : 0xFFFFFF;
  constexpr int kShift = sizeof(TypeParam) == 2 ? 4 : 12;
  std::mt19937_64 rng(test_seed());
  const size_t tokens = 4096;
  std::vector<TypeParam> n(tokens);
  for (auto& v : n) v = static_cast<TypeParam>(rng() & kTop);
  const auto v = random_int8(tokens * 2, rng);
  std::vector<int32_t> o(2);
  pv(std::span<const TypeParam>(n), v, o);
  for (size_t d = 0; d < 2; ++d) {
    int64_t sum = 0;
    for (size_t t = 0; t < tokens; ++t) sum += int64_t{n[t]} * v[2 * t + d];
    EXPECT_EQ(o[d], sat32(rsh(sum, kShift)));
  }
  // The most that 4096 tokens can give does not saturate.
  std::fill(n.begin(), n.end(), static_cast<TypeParam>(kTop));
  const std::vector<int8_t> top(tokens, 127);
  o.resize(1);
  pv(std::span<const TypeParam>(n), top, o);
  EXPECT_LT(o[0], std::numeric_limits<int32_t>::max());
}

TEST(Operands, RopeRotates) {
  std::mt19937_64 rng(test_seed());
  const int head_dim = 64;
  std::vector<int32_t> y(head_dim);
  for (auto& v : y) v = static_cast<int32_t>(rng() % 200000) - 100000;
  const Scale s = sf_from(1e-3);
  const RopeRow row = rope_row(77, head_dim, 10000.0);
  const std::span<const int32_t> all(y);
  const Quantized q = rope_quant(all.first(32), all.last(32), row.cos, row.sin, s);
  for (size_t i = 0; i < 32; ++i) {
    const double a = 77 * std::pow(10000.0, -2.0 * static_cast<double>(i) / head_dim);
    const double lo = (y[i] * std::cos(a) - y[i + 32] * std::sin(a)) * sf_value(s);
    const double hi = (y[i + 32] * std::cos(a) + y[i] * std::sin(a)) * sf_value(s);
    EXPECT_NEAR(q.q[i] * sf_value(q.scale), lo, 0.52 * sf_value(q.scale));
    EXPECT_NEAR(q.q[i + 32] * sf_value(q.scale), hi, 0.52 * sf_value(q.scale));
  }
}

}  // namespace
}  // namespace pimllm

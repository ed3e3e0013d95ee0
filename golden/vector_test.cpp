// Quantisation, norms, activations, residual, head against real arithmetic.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "golden/activation.hpp"
#include "golden/error.hpp"
#include "golden/norm.hpp"
#include "golden/test_util.hpp"

namespace pimllm {
namespace {

std::vector<int32_t> random_int32(size_t n, std::mt19937_64& rng) {
  const int shift = static_cast<int>(rng() % 31);
  std::vector<int32_t> y(n);
  for (auto& v : y) v = static_cast<int32_t>(static_cast<uint32_t>(rng())) >> shift;
  return y;
}

TEST(Quant, FollowsAbsmax) {
  std::mt19937_64 rng(test_seed());
  for (int trial = 0; trial < 3000; ++trial) {
    auto y = random_int32(1 + rng() % 50, rng);
    if (trial == 0) y = {std::numeric_limits<int32_t>::min()};
    if (trial == 1) y = {1, 0, -1};
    const Scale s{static_cast<uint16_t>(0x8000 | rng()), static_cast<int16_t>(rng() % 60 - 30)};
    const Quantized q = quant(y, s);
    const double a = absmax(y);
    if (a == 0) {
      EXPECT_EQ(q.scale, Scale{});
      continue;
    }
    EXPECT_NEAR(sf_value(q.scale) / (a / 127.0 * sf_value(s)), 1.0, 1e-4);
    int largest = 0;
    for (size_t i = 0; i < y.size(); ++i) {
      EXPECT_NEAR(q.q[i], y[i] * 127.0 / a, 0.52);
      largest = std::max(largest, std::abs(int{q.q[i]}));
    }
    EXPECT_EQ(largest, 127);
  }
}

TEST(Quant, NormParameters) {
  NormWeights w{{1.0F, -0.5F, 0.25F}, {}};
  QuantizedNorm q = quantize_norm(w, 1e-5);
  EXPECT_EQ(q.g, (std::vector<int16_t>{16384, -8192, 4096}));  // 2^15 would be 32768
  EXPECT_EQ(q.sg, sf_pow2(-14));
  w.weight = {-1.0F};
  EXPECT_EQ(quantize_norm(w, 1e-5).g[0], -16384);
  w.weight = {1.99999F};
  EXPECT_EQ(quantize_norm(w, 1e-5).sg, sf_pow2(-13));  // 1.99999 * 2^14 rounds to 32768
  w.weight = {0.0F, 0.0F};
  EXPECT_EQ(quantize_norm(w, 1e-5).sg, sf_pow2(0));
  w.weight = {std::nanf("")};
  EXPECT_THROW(quantize_norm(w, 1e-5), Error);
}

TEST(Quant, Embedding) {
  const std::vector<float> e = {1.0F, -2.0F, 0.0F, 0.0F};
  const QuantizedEmbedding q = quantize_embedding(e, 2, 2);
  EXPECT_EQ(q.values, (std::vector<int8_t>{64, -127, 0, 0}));
  EXPECT_EQ(q.scales[0], sf_from(2.0 / 127.0));
  EXPECT_EQ(q.scales[1], Scale{});
  std::vector<int32_t> x(2);
  embed(std::span(q.values).first(2), q.scales[0], 16, {}, x);
  EXPECT_NEAR(x[1], -131072, 2);
}

TEST(Norm, RmsFollowsReals) {
  std::mt19937_64 rng(test_seed());
  for (int trial = 0; trial < 500; ++trial) {
    const size_t n = 2 + rng() % 300;
    const auto x = random_int32(n, rng);
    const Scale sx{static_cast<uint16_t>(0x8000 | rng()),
                   static_cast<int16_t>(-static_cast<int>(rng() % 40) - 15)};
    NormWeights w;
    for (size_t i = 0; i < n; ++i) w.weight.push_back(static_cast<float>(rng() % 2000) * 1e-3F - 0.5F);
    const Quantized q = rms_norm(x, sx, quantize_norm(w, 1e-5));
    double ss = 0.0;
    for (const int32_t v : x) ss += std::pow(v * sf_value(sx), 2);
    const double rs = 1.0 / std::sqrt(ss / static_cast<double>(n) + 1e-5);
    for (size_t i = 0; i < n; ++i) {
      EXPECT_NEAR(q.q[i] * sf_value(q.scale), x[i] * sf_value(sx) * rs * w.weight[i],
                  0.53 * sf_value(q.scale));
    }
  }
}

TEST(Norm, LayerFollowsReals) {
  std::mt19937_64 rng(test_seed());
  for (int trial = 0; trial < 500; ++trial) {
    const size_t n = 2 + rng() % 300;
    std::vector<int32_t> x(n);
    const auto offset = static_cast<int32_t>(rng() % 300000) - 150000;
    for (auto& v : x) v = static_cast<int32_t>(rng() % 400000) - 200000 + offset;
    NormWeights w;
    for (size_t i = 0; i < n; ++i) {
      w.weight.push_back(static_cast<float>(rng() % 2000) * 1e-3F - 0.5F);
      w.bias.push_back(static_cast<float>(rng() % 2000) * 1e-3F - 1.0F);
    }
    const Quantized q = layer_norm(x, sf_pow2(-16), quantize_norm(w, 1e-5));
    double mean = 0.0;
    for (const int32_t v : x) mean += v / static_cast<double>(n);
    double var = 0.0;
    for (const int32_t v : x) var += std::pow((v - mean) * 0x1p-16, 2) / static_cast<double>(n);
    const double rs = 1.0 / std::sqrt(var + 1e-5);
    for (size_t i = 0; i < n; ++i) {
      EXPECT_NEAR(q.q[i] * sf_value(q.scale), (x[i] - mean) * 0x1p-16 * rs * w.weight[i] + w.bias[i],
                  0.53 * sf_value(q.scale) + 1e-3);
    }
  }
}

// docs/numerics.md: within 2^-11 absolute over all 16-bit z.
TEST(Activation, SiluAndGeluExhaustive) {
  for (const Activation kind : {Activation::kSilu, Activation::kGelu}) {
    double worst = 0.0;
    for (int z = -32768; z <= 32767; ++z) {
      const double x = z / 4096.0;
      const double gate =
          kind == Activation::kSilu
              ? 1.0 / (1.0 + std::exp(-x))
              : 0.5 * (1.0 + std::tanh(std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
      worst = std::max(worst, std::fabs(sigmoid_like(kind, z) / 4096.0 - x * gate));
    }
    fmt::print("{}: worst absolute error {:.3g} = 2^{:.2f}\n", kind == Activation::kSilu ? "SiLU" : "GELU",
               worst, std::log2(worst));
    EXPECT_LE(worst, 0x1p-11);
  }
}

TEST(Activation, AllKindsFollowReals) {
  std::mt19937_64 rng(test_seed());
  const auto real = [](Activation kind, double x) {
    switch (kind) {
      case Activation::kRelu:
        return std::max(x, 0.0);
      case Activation::kRelu2:
        return std::pow(std::max(x, 0.0), 2);
      case Activation::kSilu:
        return x / (1.0 + std::exp(-x));
      case Activation::kGelu:
        break;
    }
    return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
  };
  for (int trial = 0; trial < 400; ++trial) {
    const auto kind = static_cast<Activation>(trial % 4);
    const bool gated = trial / 4 % 2 == 0;
    const bool biased = trial / 8 % 2 == 0 && kind != Activation::kRelu2;
    const size_t n = 64;
    std::vector<int32_t> g(n);
    std::vector<int32_t> u(gated ? n : 0);
    std::vector<int32_t> b(biased ? n : 0);
    for (auto& v : g) v = static_cast<int32_t>(rng() % 60000) - 30000;
    for (auto& v : u) v = static_cast<int32_t>(rng() % 60000) - 30000;
    for (auto& v : b) v = static_cast<int32_t>(rng() % 8192) - 4096;
    const Scale sg = sf_from(1e-4);
    const Scale su = sf_from(3e-4);
    const Activated a = activate(kind, g, sg, b, u, su);
    for (size_t i = 0; i < n; ++i) {
      const double x = g[i] * sf_value(sg) + (biased ? b[i] / 4096.0 : 0.0);
      const double factor = gated ? u[i] * sf_value(su) : 1.0;
      const double tolerance = (gated ? 0x1p-10 : 0x1p-11) * std::max(std::fabs(factor), 1e-3);
      EXPECT_NEAR(a.h[i] * sf_value(a.scale), real(kind, x) * factor, tolerance) << static_cast<int>(kind);
    }
  }
  const std::vector<int32_t> one = {1};
  EXPECT_THROW(activate(Activation::kRelu2, one, sf_pow2(0), one, {}, {}), Error);
}

TEST(Residual, AddsAndSaturates) {
  std::vector<int32_t> x = {100, std::numeric_limits<int32_t>::max() - 1,
                            std::numeric_limits<int32_t>::min() + 1};
  const std::vector<int32_t> y = {3, 100, -100};
  const std::vector<int32_t> b = {7, 0, 0};
  residual_add(x, y, sf_pow2(-1), 0, b);
  EXPECT_EQ(x, (std::vector<int32_t>{109, std::numeric_limits<int32_t>::max(),
                                     std::numeric_limits<int32_t>::min()}));
}

TEST(Head, TiesGoToTheLowestId) {
  const std::vector<int32_t> v = {1, 5, 5, 2};
  EXPECT_EQ(argmax(v), 1);
  QuantizedEmbedding head{2, 2, {1, 2, -3, 4}, {sf_pow2(0), sf_pow2(1)}};
  const std::vector<int8_t> q = {10, -1};
  std::vector<int32_t> logits(2);
  logits_into(head, q, sf_pow2(-3), logits);
  EXPECT_EQ(logits, (std::vector<int32_t>{8 << 13, -34 * 2 * (1 << 13)}));
}

}  // namespace
}  // namespace pimllm

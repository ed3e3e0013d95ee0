// Scales against real arithmetic: rounding, exhaustive accuracy of the reciprocals, wrap-around.
#include "golden/scale.hpp"

#include <cmath>

#include "golden/error.hpp"
#include "golden/test_util.hpp"

namespace pimllm {
namespace {

TEST(Fixed, RshRoundsHalfUp) {
  EXPECT_EQ(rsh(5, 1), 3);
  EXPECT_EQ(rsh(-5, 1), -2);
  EXPECT_EQ(rsh(-6, 2), -1);
  EXPECT_EQ(rsh(-7, 2), -2);
  EXPECT_EQ(rsh(3, -4), 48);
  EXPECT_EQ(rsh(-1, 62), 0);
  EXPECT_EQ(rsh(-1, 1), 0);
  EXPECT_EQ(rsh((int64_t{1} << 62) - 1, 100), 0);
  EXPECT_EQ(rsh(1, -100), int64_t{1} << 62);
  EXPECT_EQ(rsh(-1, -62), -(int64_t{1} << 62));
  EXPECT_EQ(rsh(0, -1000), 0);
  EXPECT_EQ(rsh(-3, -60), -(int64_t{3} << 60));
}

TEST(Fixed, RshIsFloorOfXPlusHalf) {
  std::mt19937_64 rng(test_seed());
  for (int i = 0; i < 100000; ++i) {
    const auto x = static_cast<int64_t>(rng()) >> (12 + rng() % 50);
    const int s = static_cast<int>(rng() % 60) - 8;
    const double expected = std::floor(std::ldexp(static_cast<long double>(x), -s) + 0.5L);
    if (std::fabs(expected) < 0x1p52) {
      EXPECT_EQ(static_cast<double>(rsh(x, s)), expected) << x << " " << s;
    }
  }
}

TEST(Fixed, Norm16KeepsFifteenBits) {
  const std::vector<int32_t> y = {std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max(),
                                  65535, 1};
  std::vector<int16_t> out(y.size());
  EXPECT_EQ(norm16(y, out), 17);
  EXPECT_EQ(out[0], -16384);
  EXPECT_EQ(out[1], 16384);
  const std::vector<int32_t> edge = {32767, -32768};
  out.resize(2);
  EXPECT_EQ(norm16(edge, out), 1);
  const std::vector<int32_t> top = {65535};
  out.resize(1);
  EXPECT_EQ(norm16(top, out), 1);
  EXPECT_EQ(out[0], 32767);  // 32768 saturates
}

TEST(Scale, NormRounds) {
  EXPECT_EQ(sf_norm(0, 5), (Scale{0, 0}));
  EXPECT_EQ(sf_norm(1, 0), (Scale{0x8000, -15}));
  EXPECT_EQ(sf_norm(0x1FFFF, 0), (Scale{0x8000, 2}));
  EXPECT_EQ(sf_norm(0x18001, 0), (Scale{0xC001, 1}));  // half up
  EXPECT_EQ(sf_norm(~uint64_t{0}, 0), (Scale{0x8000, 49}));
  EXPECT_EQ(sf_norm(0x8000, 32767), (Scale{0x8000, 32767}));
  EXPECT_EQ(sf_norm(0x10000, 32767), (Scale{0x8000, -32768}));  // wraps
}

TEST(Scale, PackRoundTrip) {
  const Scale s{0x9ABC, -7};
  EXPECT_EQ(sf_pack(s), 0xFFF99ABCU);
  EXPECT_EQ(sf_unpack(sf_pack(s)), s);
}

TEST(Scale, AddMulFollowReals) {
  std::mt19937_64 rng(test_seed());
  for (int i = 0; i < 200000; ++i) {
    const Scale a{static_cast<uint16_t>(0x8000 | rng()), static_cast<int16_t>(rng() % 80)};
    const Scale b{static_cast<uint16_t>(0x8000 | rng()), static_cast<int16_t>(rng() % 80)};
    const double sum = sf_value(a) + sf_value(b);
    EXPECT_NEAR(sf_value(sf_add(a, b)), sum, sum * 0x1.01p-16);
    EXPECT_EQ(sf_add(a, b).m, sf_add(b, a).m);
    const double product = sf_value(a) * sf_value(b);
    EXPECT_NEAR(sf_value(sf_mul(a, b)), product, product * 0x1p-16);
  }
  EXPECT_EQ(sf_add({}, {0x8001, 3}), (Scale{0x8001, 3}));
  EXPECT_EQ(sf_mul({}, {0x8001, 3}), (Scale{}));
}

TEST(Scale, FromIsNearest) {
  EXPECT_EQ(sf_from(0.0), (Scale{}));
  EXPECT_EQ(sf_from(1.0), sf_pow2(0));
  EXPECT_EQ(sf_from(127.0), (Scale{65024, -9}));
  EXPECT_EQ(sf_from(1.0 - 0x1p-40), sf_pow2(0));
  EXPECT_THROW(sf_from(-1.0), Error);
  EXPECT_THROW(sf_from(std::nan("")), Error);
}

// docs/numerics.md, "Accuracy": reciprocal within 2^-15 relative, all mantissas.
TEST(Scale, RecipAccuracyExhaustive) {
  double worst = 0.0;
  for (int m = 0x8000; m < 0x10000; ++m) {
    for (const int e : {-20, -15, 0, 7}) {
      const Scale a{static_cast<uint16_t>(m), static_cast<int16_t>(e)};
      worst = std::max(worst, std::fabs(sf_value(sf_recip(a)) * sf_value(a) - 1.0));
    }
  }
  fmt::print("sf_recip: worst relative error {:.3g} = 2^{:.2f}\n", worst, std::log2(worst));
  EXPECT_LE(worst, 0x1p-15);
  EXPECT_EQ(sf_recip({}), (Scale{}));
  EXPECT_EQ(sf_recip(sf_pow2(3)), sf_pow2(-3));
}

TEST(Scale, RsqrtAccuracyExhaustive) {
  double worst = 0.0;
  for (int m = 0x8000; m < 0x10000; ++m) {
    for (const int e : {-21, -20, -15, -14, 0, 7}) {
      const Scale a{static_cast<uint16_t>(m), static_cast<int16_t>(e)};
      const double y = sf_value(sf_rsqrt(a));
      worst = std::max(worst, std::fabs(y * std::sqrt(sf_value(a)) - 1.0));
    }
  }
  fmt::print("sf_rsqrt: worst relative error {:.3g} = 2^{:.2f}\n", worst, std::log2(worst));
  EXPECT_LE(worst, 0x1p-15);
  EXPECT_EQ(sf_rsqrt({}), (Scale{}));
  EXPECT_EQ(sf_rsqrt(sf_pow2(4)), sf_pow2(-2));
}

}  // namespace
}  // namespace pimllm

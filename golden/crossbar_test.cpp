// Crossbar projections: exact where nothing clips, the prepared matrix equal to the specification everywhere.
#include "golden/crossbar.hpp"

#include "golden/error.hpp"
#include "golden/gemm.hpp"
#include "golden/test_util.hpp"

namespace pimllm {
namespace {

std::vector<int32_t> plain_product(const std::vector<int8_t>& w, int out, const std::vector<int8_t>& x) {
  std::vector<int32_t> y(static_cast<size_t>(out));
  for (size_t c = 0; c < y.size(); ++c) {
    for (size_t r = 0; r < x.size(); ++r) y[c] += int32_t{w[c * x.size() + r]} * x[r];
  }
  return y;
}

TEST(Gemm, MatchesPlainLoops) {
  std::mt19937_64 rng(test_seed());
  for (int trial = 0; trial < 60; ++trial) {
    const int m = 1 + static_cast<int>(rng() % 9);
    const int n = 1 + static_cast<int>(rng() % 9);
    const int k = 1 + static_cast<int>(rng() % 200);
    const size_t lda = static_cast<size_t>(k) + rng() % 3;
    const size_t ldb = static_cast<size_t>(k) + rng() % 3;
    const auto a = random_int8(lda * static_cast<size_t>(m), rng, -128, 127);
    const auto b = random_int8(ldb * static_cast<size_t>(n), rng, -128, 127);
    std::vector<uint8_t> ua(a.begin(), a.end());
    std::vector<int32_t> c(static_cast<size_t>(m * n));
    std::vector<int32_t> uc(c.size());
    gemm_i8(m, n, k, a.data(), lda, b.data(), ldb, c.data(), static_cast<size_t>(n));
    gemm_u8i8(m, n, k, ua.data(), lda, b.data(), ldb, uc.data(), static_cast<size_t>(n));
    std::vector<int32_t> portable(c.size());
    gemm_i8_portable(m, n, k, a.data(), lda, b.data(), ldb, portable.data(), static_cast<size_t>(n));
    EXPECT_EQ(portable, c);
    gemm_u8i8_portable(m, n, k, ua.data(), lda, b.data(), ldb, portable.data(), static_cast<size_t>(n));
    EXPECT_EQ(portable, uc);
    for (size_t i = 0; i < static_cast<size_t>(m); ++i) {
      for (size_t j = 0; j < static_cast<size_t>(n); ++j) {
        int32_t expected = 0;
        int32_t unsigned_expected = 0;
        for (size_t p = 0; p < static_cast<size_t>(k); ++p) {
          expected += a[i * lda + p] * b[j * ldb + p];
          unsigned_expected += ua[i * lda + p] * b[j * ldb + p];
        }
        ASSERT_EQ(c[i * static_cast<size_t>(n) + j], expected);
        ASSERT_EQ(uc[i * static_cast<size_t>(n) + j], unsigned_expected);
      }
    }
  }
}

TEST(Crossbar, LosslessSettingsGiveThePlainProduct) {
  std::mt19937_64 rng(test_seed());
  for (int trial = 0; trial < 20; ++trial) {
    const int in = 1 + static_cast<int>(rng() % 700);
    const int out = 1 + static_cast<int>(rng() % 20);
    const auto w = random_int8(static_cast<size_t>(in * out), rng, -1, 1);
    const auto x = random_int8(static_cast<size_t>(in), rng, -128, 127);
    uint64_t clips = 0;
    CrossbarSettings settings;
    EXPECT_EQ(crossbar_project(w, out, x, settings, {}, clips), plain_product(w, out, x));
    settings = {256, 256, 0, 10};
    EXPECT_EQ(crossbar_project(w, out, x, settings, {}, clips), plain_product(w, out, x));
    EXPECT_EQ(clips, 0U);
  }
}

TEST(Crossbar, OnlyPlus128Clips) {
  std::vector<int8_t> w(256, 1);
  std::fill(w.begin() + 128, w.end(), int8_t{-1});  // second row group: -128 is a code
  const std::vector<int8_t> x(256, -1);             // all eight bits set
  uint64_t clips = 0;
  const auto y = crossbar_project(w, 1, x, {}, {}, clips);
  EXPECT_EQ(clips, 8U);
  EXPECT_EQ(y[0], -127 + 128);
  uint64_t fast_clips = 0;
  const CrossbarMatrix matrix(w, 256, 1, {});
  std::vector<int32_t> fast(1);
  matrix.project(x, 1, fast, fast_clips);
  EXPECT_EQ(fast, y);
  EXPECT_EQ(fast_clips, clips);
  EXPECT_EQ(matrix.inexact_conversions(), 1U);
}

TEST(Crossbar, PreparedMatrixEqualsTheSpecification) {
  std::mt19937_64 rng(test_seed());
  uint64_t all_clips = 0;
  for (int trial = 0; trial < 150; ++trial) {
    const int in = 1 + static_cast<int>(rng() % 600);
    const int out = 1 + static_cast<int>(rng() % 12);
    const int tokens = 1 + static_cast<int>(rng() % 6);
    CrossbarSettings settings;
    settings.xbar_rows = 1 << (4 + rng() % 5);
    settings.rows_per_conversion = 1 + static_cast<int>(rng() % static_cast<uint64_t>(settings.xbar_rows));
    settings.lsb_shift = static_cast<int>(rng() % 3);
    settings.adc_bits = 2 + static_cast<int>(rng() % 8);
    std::vector<int> rows;
    if (rng() % 2 == 0) {
      const int block = 1 + static_cast<int>(rng() % 80);
      rows = padded_row_positions(in, block, block + static_cast<int>(rng() % 40));
    }
    // Biased columns clip often.
    auto w = random_int8(static_cast<size_t>(in * out), rng, rng() % 2 == 0 ? -1 : 0, 1);
    const auto x = random_int8(static_cast<size_t>(in * tokens), rng, -128, 127);
    const CrossbarMatrix matrix(w, in, out, settings, rows);
    std::vector<int32_t> y(static_cast<size_t>(tokens * out));
    uint64_t clips = 0;
    matrix.project(x, tokens, y, clips);
    uint64_t expected_clips = 0;
    for (int t = 0; t < tokens; ++t) {
      const auto expected =
          crossbar_project(w, out, std::span(x).subspan(static_cast<size_t>(t * in), static_cast<size_t>(in)),
                           settings, rows, expected_clips);
      ASSERT_TRUE(std::equal(expected.begin(), expected.end(), y.begin() + t * out)) << "trial " << trial;
    }
    ASSERT_EQ(clips, expected_clips) << "trial " << trial;
    all_clips += clips;
  }
  EXPECT_GT(all_clips, 1000U);
}

// Every kind of noise alone and all at once.
std::vector<CrossbarNoise> kinds_of_noise(uint64_t seed) {
  return {{seed, 400, 0, 0, 0, 0}, {seed, 0, 3000, 0, 0, 0}, {seed, 0, 0, 3000, 0, 0},
          {seed, 0, 0, 0, 300, 0}, {seed, 0, 0, 0, 0, 300},  {seed, 200, 900, 900, 100, 200}};
}

TEST(Crossbar, NoisyMatrixEqualsTheSpecification) {
  std::mt19937_64 rng(test_seed());
  for (int trial = 0; trial < 36; ++trial) {
    const int in = 1 + static_cast<int>(rng() % 150);
    const int out = 1 + static_cast<int>(rng() % 12);
    const int tokens = 1 + static_cast<int>(rng() % 4);
    const int position = static_cast<int>(rng() % 1000);
    CrossbarSettings settings;
    settings.xbar_rows = 1 << (4 + rng() % 4);
    settings.rows_per_conversion = 1 + static_cast<int>(rng() % static_cast<uint64_t>(settings.xbar_rows));
    settings.lsb_shift = static_cast<int>(rng() % 3);
    settings.adc_bits = 3 + static_cast<int>(rng() % 6);
    settings.noise = kinds_of_noise(rng())[static_cast<size_t>(trial) % 6];
    settings.bank = {16, 2, 8};
    const int tiles = (in + settings.xbar_rows - 1) / settings.xbar_rows + static_cast<int>(rng() % 2);
    const CrossbarPlace place{static_cast<int>(rng() % 9), static_cast<int>(rng() % 40), tiles, {}};
    const auto w = random_int8(static_cast<size_t>(in * out), rng, -1, 1);
    const auto x = random_int8(static_cast<size_t>(in * tokens), rng, -128, 127);
    const CrossbarMatrix matrix(w, in, out, settings, {}, place);
    std::vector<int32_t> y(static_cast<size_t>(tokens * out));
    uint64_t clips = 0;
    matrix.project(x, tokens, y, clips, position);
    uint64_t expected_clips = 0;
    for (int t = 0; t < tokens; ++t) {
      const auto token = std::span(x).subspan(static_cast<size_t>(t * in), static_cast<size_t>(in));
      const auto expected =
          crossbar_project(w, out, token, settings, {}, expected_clips, place, position + t);
      ASSERT_TRUE(std::equal(expected.begin(), expected.end(), y.begin() + t * out)) << "trial " << trial;
    }
    ASSERT_EQ(clips, expected_clips) << "trial " << trial;
  }
}

TEST(Crossbar, EveryKindOfNoiseChangesTheResult) {
  std::mt19937_64 rng(test_seed());
  const auto w = random_int8(128 * 32, rng, -1, 1);
  const auto x = random_int8(128, rng, -128, 127);
  const auto project = [&](const CrossbarNoise& noise, int first_crossbar, int position) {
    CrossbarSettings settings;
    settings.noise = noise;
    uint64_t clips = 0;
    return crossbar_project(w, 32, x, settings, {}, clips, {first_crossbar, 0, 1, {}}, position);
  };
  const auto ideal = project({}, 0, 0);
  for (const CrossbarNoise& noise : kinds_of_noise(rng())) {
    const auto noisy = project(noise, 0, 0);
    EXPECT_NE(noisy, ideal);
    EXPECT_EQ(noisy, project(noise, 0, 0));
    EXPECT_NE(noisy, project(noise, 1, 0));
    EXPECT_EQ(noisy != project(noise, 0, 1), noise.read_noise != 0);
  }
  EXPECT_THROW(project({0, 4097, 0, 0, 0, 0}, 0, 0), Error);
  EXPECT_THROW(project({0, 0, 40000, 40000, 0, 0}, 0, 0), Error);
  EXPECT_THROW(project({0, 0, 0, 0, -1, 0}, 0, 0), Error);
}

TEST(Crossbar, RowOrderMovesTheGroups) {
  // Four inputs of +1 weights: one group of 4 clips a 3-bit ADC, heads padded to 4 rows do not.
  const std::vector<int8_t> w(4, 1);
  const std::vector<int8_t> x(4, 1);
  const CrossbarSettings settings{16, 4, 0, 3};
  uint64_t clips = 0;
  EXPECT_EQ(crossbar_project(w, 1, x, settings, {}, clips)[0], 3);
  EXPECT_EQ(clips, 1U);
  const auto rows = padded_row_positions(4, 2, 4);
  EXPECT_EQ(crossbar_project(w, 1, x, settings, rows, clips)[0], 4);
  EXPECT_EQ(clips, 1U);
}

TEST(Crossbar, RefusesWhatIsNotTernary) {
  const std::vector<int8_t> w = {0, 2};
  EXPECT_THROW(CrossbarMatrix(w, 2, 1, {}), Error);
  EXPECT_THROW(CrossbarMatrix(w, 3, 1, {}), Error);
  const std::vector<int8_t> ok = {0, 1};
  EXPECT_THROW(CrossbarMatrix(ok, 2, 1, {0, 1, 0, 8}), Error);
  EXPECT_THROW(CrossbarMatrix(ok, 2, 1, {16, 16, 0, 17}), Error);
  const std::vector<int> rows = {1, 1};
  EXPECT_THROW(CrossbarMatrix(ok, 2, 1, {}, rows), Error);
}

}  // namespace
}  // namespace pimllm

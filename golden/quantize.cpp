#include "golden/quantize.hpp"

#include <cmath>
#include <numbers>

#include "golden/error.hpp"

namespace pimllm {
namespace {

void check_finite(std::span<const float> values, const char* what) {
  for (const float v : values) {
    if (!std::isfinite(v)) fail("{}: expected finite values, found {}", what, v);
  }
}

}  // namespace

Scale quant_into(std::span<const int32_t> y, Scale s, std::span<int8_t> q) {
  static const Scale k127 = sf_from(127.0);
  static const Scale kI127 = sf_from(1.0 / 127.0);
  const uint32_t a = absmax(y);
  if (a == 0) {
    std::fill(q.begin(), q.end(), int8_t{0});
    return {};
  }
  const int d = norm16_shift(a);
  const Scale largest = sf_norm(a, 0);
  const Scale k = sf_mul(sf_recip(largest), k127);
  const int shift = -(k.e + d);
  const int64_t m = k.m;
  for (size_t i = 0; i < y.size(); ++i) {
    const int64_t y16 = sat16(rsh(y[i], d));
    q[i] = static_cast<int8_t>(std::clamp<int64_t>(rsh(y16 * m, shift), -127, 127));
  }
  return sf_mul(sf_mul(largest, kI127), s);
}

Quantized quant(std::span<const int32_t> y, Scale s) {
  Quantized result;
  result.q.resize(y.size());
  result.scale = quant_into(y, s, result.q);
  return result;
}

QuantizedNorm quantize_norm(const NormWeights& norm, double epsilon) {
  check_finite(norm.weight, "norm weight");
  check_finite(norm.bias, "norm bias");
  QuantizedNorm result;
  double largest = 0.0;
  for (const float w : norm.weight) largest = std::max(largest, std::fabs(static_cast<double>(w)));
  int k = 0;
  if (largest > 0.0) {
    const auto fits = [&](int bits) {
      return std::all_of(norm.weight.begin(), norm.weight.end(), [&](float w) {
        return std::fabs(std::floor(std::ldexp(static_cast<double>(w), bits) + 0.5)) <= 32767.0;
      });
    };
    k = 16 - std::ilogb(largest);
    while (!fits(k)) --k;
  }
  for (const float w : norm.weight) {
    result.g.push_back(static_cast<int16_t>(round_half_up(std::ldexp(static_cast<double>(w), k))));
  }
  result.sg = sf_pow2(-k);
  result.b = quantize_fixed(norm.bias, 16);
  result.invn = sf_from(norm.weight.empty() ? 0.0 : 1.0 / static_cast<double>(norm.weight.size()));
  result.eps = sf_from(epsilon);
  return result;
}

std::vector<int32_t> quantize_fixed(std::span<const float> values, int fraction_bits, double factor) {
  std::vector<int32_t> result;
  result.reserve(values.size());
  for (const float v : values) {
    if (!std::isfinite(v)) fail("bias or position: expected finite values, found {}", v);
    const double fixed = std::floor(std::ldexp(v * factor, fraction_bits) + 0.5);
    result.push_back(static_cast<int32_t>(std::clamp(fixed, -2147483648.0, 2147483647.0)));
  }
  return result;
}

QuantizedEmbedding quantize_embedding(std::span<const float> values, int rows, int columns) {
  if (values.size() != static_cast<size_t>(rows) * static_cast<size_t>(columns)) {
    fail("embedding: expected {} x {} values, found {}", rows, columns, values.size());
  }
  check_finite(values, "embedding");
  QuantizedEmbedding result;
  result.rows = rows;
  result.columns = columns;
  result.values.resize(values.size());
  for (int r = 0; r < rows; ++r) {
    const auto offset = static_cast<size_t>(r) * static_cast<size_t>(columns);
    const auto row = values.subspan(offset, static_cast<size_t>(columns));
    double largest = 0.0;
    for (const float v : row) largest = std::max(largest, std::fabs(static_cast<double>(v)));
    const double s = largest / 127.0;
    for (size_t i = 0; i < row.size(); ++i) {
      const double scaled = s > 0.0 ? std::floor(row[i] / s + 0.5) : 0.0;
      result.values[offset + i] = static_cast<int8_t>(std::clamp(scaled, -127.0, 127.0));
    }
    result.scales.push_back(sf_from(s));
  }
  return result;
}

double query_factor(Normalizer normalizer, int head_dim) {
  const double root = std::sqrt(static_cast<double>(head_dim));
  return (normalizer == Normalizer::kSoftmax ? std::numbers::log2e : 1.0) / root;
}

RopeRow rope_row(int position, int head_dim, double theta) {
  RopeRow row;
  for (int i = 0; i < head_dim / 2; ++i) {
    const double angle = position * std::pow(theta, -2.0 * i / head_dim);
    row.cos.push_back(static_cast<int16_t>(round_half_up(16384.0 * std::cos(angle))));
    row.sin.push_back(static_cast<int16_t>(round_half_up(16384.0 * std::sin(angle))));
  }
  return row;
}

}  // namespace pimllm

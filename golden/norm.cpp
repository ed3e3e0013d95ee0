#include "golden/norm.hpp"

#include <vector>

namespace pimllm {
namespace {

// 1 / sqrt(mean square + epsilon) of x16 * 2^d, in units of sx, with the exponent of x16.
Scale inverse_deviation(std::span<const int16_t> x16, int d, Scale sx, const QuantizedNorm& norm) {
  uint64_t ss = 0;
  for (const int16_t v : x16) ss += static_cast<uint64_t>(int64_t{v} * v);
  const Scale r = sf_recip(sx);
  const Scale v = sf_add(sf_mul(sf_norm(ss, 2 * d), norm.invn), sf_mul(norm.eps, sf_mul(r, r)));
  return sf_shift(sf_rsqrt(v), d);
}

}  // namespace

Scale rms_norm_into(std::span<const int32_t> x, Scale sx, const QuantizedNorm& norm, std::span<int8_t> q) {
  std::vector<int16_t> x16(x.size());
  const int d = norm16(x, x16);
  const Scale rs = inverse_deviation(x16, d, sx, norm);
  std::vector<int32_t> y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = int32_t{x16[i]} * norm.g[i];
  return quant_into(y, sf_mul(rs, norm.sg), q);
}

Scale layer_norm_into(std::span<const int32_t> x, Scale sx, const QuantizedNorm& norm, std::span<int8_t> q) {
  int64_t sum = 0;
  for (const int32_t v : x) sum += v;
  const int32_t mean = sat32(rsh(sum * norm.invn.m, -norm.invn.e));
  std::vector<int32_t> y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = sat32(int64_t{x[i]} - mean);
  std::vector<int16_t> c16(x.size());
  const int d = norm16(y, c16);
  const Scale st = sf_mul(inverse_deviation(c16, d, sx, norm), norm.sg);
  for (size_t i = 0; i < x.size(); ++i) {
    y[i] = sat32(scale_to_fixed(int32_t{c16[i]} * norm.g[i], st, 16) + (norm.b.empty() ? 0 : norm.b[i]));
  }
  return quant_into(y, sf_pow2(-16), q);
}

Quantized rms_norm(std::span<const int32_t> x, Scale sx, const QuantizedNorm& norm) {
  Quantized result;
  result.q.resize(x.size());
  result.scale = rms_norm_into(x, sx, norm, result.q);
  return result;
}

Quantized layer_norm(std::span<const int32_t> x, Scale sx, const QuantizedNorm& norm) {
  Quantized result;
  result.q.resize(x.size());
  result.scale = layer_norm_into(x, sx, norm, result.q);
  return result;
}

}  // namespace pimllm

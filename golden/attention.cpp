#include "golden/attention.hpp"

#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "golden/error.hpp"

namespace pimllm {
namespace {

// X[i] = round(2^17 * 2^(-i/128)), i = 0..128.
const std::array<int32_t, 129>& exp2_entries() {
  static const auto kTable = [] {
    std::array<int32_t, 129> t{};
    for (int i = 0; i <= 128; ++i) {
      t[static_cast<size_t>(i)] = static_cast<int32_t>(round_half_up(131072.0 * std::exp2(-i / 128.0)));
    }
    return t;
  }();
  return kTable;
}

struct ConsmaxTables {
  std::array<int32_t, 16> h{};  // [hi + 8]
  std::array<int, 16> x{};      // [hi + 8]
  std::array<int32_t, 16> w{};  // [lo]
};

const ConsmaxTables& consmax_tables() {
  static const auto kTables = [] {
    ConsmaxTables t;
    for (int hi = -8; hi < 8; ++hi) {
      const auto i = static_cast<size_t>(hi + 8);
      t.x[i] = static_cast<int>(std::floor(hi * std::numbers::log2e)) - 17;
      t.h[i] = static_cast<int32_t>(round_half_up(std::ldexp(std::exp(static_cast<double>(hi)), -t.x[i])));
    }
    for (int lo = 0; lo < 16; ++lo) {
      t.w[static_cast<size_t>(lo)] = static_cast<int32_t>(round_half_up(131072.0 * std::exp(lo / 16.0)));
    }
    return t;
  }();
  return kTables;
}

int32_t exp2_interpolated(const std::array<int32_t, 129>& x, int f) {
  const auto i = static_cast<size_t>(f >> 5);
  return x[i] - static_cast<int32_t>(rsh(int64_t{x[i] - x[i + 1]} * (f & 31), 5));
}

uint16_t saturate_u16(int64_t v) { return static_cast<uint16_t>(std::min<int64_t>(v, 65535)); }
uint32_t saturate_u24(int64_t v) { return static_cast<uint32_t>(std::min<int64_t>(v, (1 << 24) - 1)); }

// The sum over tokens of byte `index` of the numerator times v.
template <typename Numerator>
std::vector<int32_t> pv_plane(std::span<const Numerator> numerators, int index, std::span<const int8_t> v,
                              size_t head_dim) {
  std::vector<int32_t> sum(head_dim);
  for (size_t t = 0; t < numerators.size(); ++t) {
    const auto byte = static_cast<int32_t>(numerators[t] >> (8 * index) & 255U);
    for (size_t d = 0; d < head_dim; ++d) sum[d] += byte * v[t * head_dim + d];
  }
  return sum;
}

}  // namespace

Scale bias_quant_into(std::span<const int32_t> y, Scale s, std::span<const int32_t> b, std::span<int8_t> q) {
  std::vector<int32_t> z(y.size());
  for (size_t i = 0; i < y.size(); ++i) z[i] = sat32(scale_to_fixed(y[i], s, 16) + b[i]);
  return quant_into(z, sf_pow2(-16), q);
}

Quantized bias_quant(std::span<const int32_t> y, Scale s, std::span<const int32_t> b) {
  Quantized result;
  result.q.resize(y.size());
  result.scale = bias_quant_into(y, s, b, result.q);
  return result;
}

Scale rope_quant_into(std::span<const int32_t> lo, std::span<const int32_t> hi, std::span<const int16_t> cos,
                      std::span<const int16_t> sin, Scale s, std::span<int8_t> q_lo, std::span<int8_t> q_hi) {
  const size_t half = lo.size();
  const int d = norm16_shift(std::max(absmax(lo), absmax(hi)));
  std::vector<int32_t> rotated(2 * half);
  for (size_t i = 0; i < half; ++i) {
    const int32_t l = sat16(rsh(lo[i], d));
    const int32_t h = sat16(rsh(hi[i], d));
    rotated[i] = l * cos[i] - h * sin[i];
    rotated[half + i] = h * cos[i] + l * sin[i];
  }
  std::vector<int8_t> q(2 * half);
  const Scale scale = quant_into(rotated, sf_shift(s, d - 14), q);
  std::copy_n(q.begin(), half, q_lo.begin());
  std::copy_n(q.begin() + static_cast<std::ptrdiff_t>(half), half, q_hi.begin());
  return scale;
}

Quantized rope_quant(std::span<const int32_t> lo, std::span<const int32_t> hi, std::span<const int16_t> cos,
                     std::span<const int16_t> sin, Scale s) {
  Quantized result;
  result.q.resize(2 * lo.size());
  const std::span<int8_t> q(result.q);
  result.scale = rope_quant_into(lo, hi, cos, sin, s, q.first(lo.size()), q.last(lo.size()));
  return result;
}

int32_t dot(std::span<const int8_t> q, std::span<const int8_t> k) {
  int32_t acc = 0;
  for (size_t i = 0; i < q.size(); ++i) acc += int32_t{q[i]} * k[i];
  return acc;
}

int32_t softmax_score(int32_t acc, Scale ks) {
  return static_cast<int32_t>(
      std::clamp<int64_t>(scale_to_fixed(acc, ks, 12), -(int64_t{1} << 23), (int64_t{1} << 23) - 1));
}

void softmax_maximum(std::span<const int32_t> scores, SoftmaxState& state) {
  int32_t m = state.max;
  for (const int32_t s : scores) m = std::max(m, (s + 4095) >> 12);
  const int32_t shift = m - state.max;
  state.sum = shift < 32 ? state.sum >> shift : 0;
  state.max = m;
}

int32_t exp2_table(int f) { return exp2_interpolated(exp2_entries(), f); }

void softmax_numerators(std::span<const int32_t> scores, std::span<const Scale> v_scales, int eref,
                        SoftmaxState& state, std::span<uint32_t> numerators) {
  const auto& table = exp2_entries();
  for (size_t t = 0; t < scores.size(); ++t) {
    const int32_t u = 4096 * state.max - scores[t];
    const int k = u >> 12;
    const int32_t y = exp2_interpolated(table, u & 4095);
    state.sum += saturate_u16(rsh(y, k + 1));
    numerators[t] = saturate_u24(rsh(int64_t{y} * v_scales[t].m, k + 9 + eref - v_scales[t].e));
  }
}

Scale softmax_factor(const SoftmaxState& state, int eref) {
  return sf_shift(sf_recip(sf_norm(state.sum, 0)), 16 + eref);
}

ConsmaxHead consmax_head(double ln_c) {
  const double c = std::exp(ln_c);
  if (!std::isfinite(c) || c <= 0.0)
    fail("ConSMax ln C: expected e^lnC finite and above 0, found ln C {}", ln_c);
  return {sf_from(c), std::ilogb(std::exp(ln_c + 127.0 / 16.0)) + 1};
}

int8_t consmax_score(int32_t acc, Scale ks, uint64_t& clips) {
  const int64_t s = scale_to_fixed(acc, ks, 4);
  const int64_t clamped = std::clamp<int64_t>(s, -128, 127);
  if (clamped != s) ++clips;
  return static_cast<int8_t>(clamped);
}

uint16_t consmax_numerator(int score, Scale v_scale, int eref, const ConsmaxHead& head) {
  const auto& tables = consmax_tables();
  const auto hi = static_cast<size_t>((score >> 4) + 8);
  const auto lo = static_cast<size_t>(score & 15);
  if (head.c.m == 0 || v_scale.m == 0) return 0;
  const int64_t w = rsh(int64_t{tables.h[hi]} * tables.w[lo], 17);
  const int64_t v = rsh(int64_t{head.c.m} * v_scale.m, 14);
  return saturate_u16(rsh(w * v, head.z + eref - (tables.x[hi] + head.c.e + v_scale.e + 14)));
}

void consmax_numerators(std::span<const int8_t> scores, std::span<const Scale> v_scales, int eref,
                        const ConsmaxHead& head, std::span<uint16_t> numerators) {
  for (size_t t = 0; t < scores.size(); ++t) {
    numerators[t] = consmax_numerator(scores[t], v_scales[t], eref, head);
  }
}

Scale consmax_factor(int eref, const ConsmaxHead& head) { return sf_pow2(head.z + eref); }

void pv(std::span<const uint16_t> numerators, std::span<const int8_t> v, std::span<int32_t> o) {
  const auto lo = pv_plane(numerators, 0, v, o.size());
  const auto hi = pv_plane(numerators, 1, v, o.size());
  for (size_t d = 0; d < o.size(); ++d) o[d] = pv_join(lo[d], hi[d]);
}

void pv(std::span<const uint32_t> numerators, std::span<const int8_t> v, std::span<int32_t> o) {
  const auto lo = pv_plane(numerators, 0, v, o.size());
  const auto mid = pv_plane(numerators, 1, v, o.size());
  const auto hi = pv_plane(numerators, 2, v, o.size());
  for (size_t d = 0; d < o.size(); ++d) o[d] = pv_join(lo[d], mid[d], hi[d]);
}

}  // namespace pimllm

// From projections to attention operands, and attention: docs/numerics.md sections 6 and 7.
// One query head against the tokens 0..n-1; spans over tokens have n entries.
#pragma once

#include <cstdint>
#include <span>

#include "golden/quantize.hpp"

namespace pimllm {

// --- section 6: one head's projection y with scale s = sf_mul(s_x, s_w) ---

// z = sat32(scale(y, s, 16) + b), then quant at scale 2^-16. b has 16 fraction bits.
Scale bias_quant_into(std::span<const int32_t> y, Scale s, std::span<const int32_t> b, std::span<int8_t> q);
Quantized bias_quant(std::span<const int32_t> y, Scale s, std::span<const int32_t> b);

// Rotation of the pairs (lo[i], hi[i]) by (cos[i], sin[i]), then quant; all spans have head_dim / 2 entries
// and share one normalisation and one scale. A caller with another pair layout gathers lo and hi itself.
Scale rope_quant_into(std::span<const int32_t> lo, std::span<const int32_t> hi, std::span<const int16_t> cos,
                      std::span<const int16_t> sin, Scale s, std::span<int8_t> q_lo, std::span<int8_t> q_hi);
// The result holds the lo half, then the hi half (NEOX order).
Quantized rope_quant(std::span<const int32_t> lo, std::span<const int32_t> hi, std::span<const int16_t> cos,
                     std::span<const int16_t> sin, Scale s);

// eref of a kv head after one more token's V scale; starts at kErefStart.
inline constexpr int kErefStart = -32768;
constexpr int next_eref(int eref, Scale sv) { return sv.m == 0 ? eref : std::max<int>(eref, sv.e); }

// acc = sum q_d * k_d.
int32_t dot(std::span<const int8_t> q, std::span<const int8_t> k);

// --- exact softmax ---

inline constexpr int32_t kSoftmaxMaxStart = -32768;

// The recurrence over tiles: running maximum M (in powers of two) and sum of probabilities, saved and
// restored per head.
struct SoftmaxState {
  int32_t max = kSoftmaxMaxStart;
  uint32_t sum = 0;

  friend bool operator==(const SoftmaxState&, const SoftmaxState&) = default;
};

// s_t with 12 fraction bits from a dot product and ks = sf_mul(sq, sk_t).
int32_t softmax_score(int32_t acc, Scale ks);
// Raises the maximum to cover the scores; a sum already there is shifted right by the difference.
void softmax_maximum(std::span<const int32_t> scores, SoftmaxState& state);
// 2^17 * 2^(-f/4096) for f in [0, 4096).
int32_t exp2_table(int f);
// Numerators of 24 bits relative to state.max, which covers all scores; their probabilities are added to
// state.sum.
void softmax_numerators(std::span<const int32_t> scores, std::span<const Scale> v_scales, int eref,
                        SoftmaxState& state, std::span<uint32_t> numerators);
// The output factor F.
Scale softmax_factor(const SoftmaxState& state, int eref);

// --- ConSMax ---

struct ConsmaxHead {
  Scale c;    // sf_from(C)
  int z = 0;  // C e^(127/16) in [2^(z-1), 2^z)
};
ConsmaxHead consmax_head(double ln_c);

// Score with 4 fraction bits in [-128, 127]; a clamp that changes it is counted.
int8_t consmax_score(int32_t acc, Scale ks, uint64_t& clips);
uint16_t consmax_numerator(int score, Scale v_scale, int eref, const ConsmaxHead& head);
void consmax_numerators(std::span<const int8_t> scores, std::span<const Scale> v_scales, int eref,
                        const ConsmaxHead& head, std::span<uint16_t> numerators);
Scale consmax_factor(int eref, const ConsmaxHead& head);

// --- PV ---

// The accumulators of two (ConSMax) or three (exact softmax) byte planes joined, lowest first: O.
constexpr int32_t pv_join(int32_t lo, int32_t hi) { return sat32(rsh(int64_t{hi} * 256 + lo, 4)); }
constexpr int32_t pv_join(int32_t lo, int32_t mid, int32_t hi) {
  return sat32(rsh((int64_t{hi} * 256 + mid) * 256 + lo, 12));
}
// O for a V of [tokens][head_dim], from ConSMax's 16-bit and from softmax's 24-bit numerators.
void pv(std::span<const uint16_t> numerators, std::span<const int8_t> v, std::span<int32_t> o);
void pv(std::span<const uint32_t> numerators, std::span<const int8_t> v, std::span<int32_t> o);
// att with 16 fraction bits from O and the output factor F.
constexpr int32_t attention_value(int32_t o, Scale f) { return sat32(scale_to_fixed(o, sf_shift(f, 4), 16)); }

}  // namespace pimllm

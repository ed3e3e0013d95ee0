// Quantisation to int8 at run time and of parameters, docs/numerics.md sections 3, 5, 6 and 8.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "golden/model.hpp"
#include "golden/scale.hpp"

namespace pimllm {

// int8 values q in [-127, 127] with one scale: q * scale is the real value.
struct Quantized {
  std::vector<int8_t> q;
  Scale scale;

  friend bool operator==(const Quantized&, const Quantized&) = default;
};

// quant(y, s); writes q (same size as y) and returns its scale.
Scale quant_into(std::span<const int32_t> y, Scale s, std::span<int8_t> q);
Quantized quant(std::span<const int32_t> y, Scale s);

// Norm parameters as integers: weight g * sg; bias with 16 fraction bits (empty for RMSNorm).
struct QuantizedNorm {
  std::vector<int16_t> g;
  Scale sg;
  std::vector<int32_t> b;
  Scale invn;  // 1 / n
  Scale eps;
};
// k is the largest with all |g_i| <= 32767 (0 if all weights are 0). Throws Error if a value is not finite.
QuantizedNorm quantize_norm(const NormWeights& norm, double epsilon);

// Reals as fixed point, sat32(floor(v * factor * 2^fraction_bits + 1/2)).
std::vector<int32_t> quantize_fixed(std::span<const float> values, int fraction_bits, double factor = 1.0);

// Embedding rows in int8, one scale a row; also the LM head.
struct QuantizedEmbedding {
  int rows = 0;
  int columns = 0;
  std::vector<int8_t> values;  // [rows][columns]
  std::vector<Scale> scales;   // [rows], zero scale for a zero row
};
QuantizedEmbedding quantize_embedding(std::span<const float> values, int rows, int columns);

// The factor that Q's matrix scale and bias take in: log2(e) / sqrt(head_dim) for exact softmax, 1 /
// sqrt(head_dim) for ConSMax.
double query_factor(Normalizer normalizer, int head_dim);

// RoPE angles of one position: floor(2^14 cos a + 1/2), floor(2^14 sin a + 1/2) for i in [0, head_dim / 2).
struct RopeRow {
  std::vector<int16_t> cos;
  std::vector<int16_t> sin;
};
RopeRow rope_row(int position, int head_dim, double theta);

}  // namespace pimllm

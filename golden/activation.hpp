// Activation functions, residual add, embedding and head: docs/numerics.md section 8.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "golden/model.hpp"
#include "golden/quantize.hpp"

namespace pimllm {

// w = z * G(z) with 12 fraction bits in and out, through the 256-segment table; kSilu or kGelu.
int32_t sigmoid_like(Activation kind, int32_t z);

// h = activation(g) or, with u not empty, activation(g) * u; returns the scale of h. All sizes equal. b (12
// fraction bits) may be empty. Throws Error for a bias with ReLU^2, which the specification does not define.
Scale activate_into(Activation kind, std::span<const int32_t> g, Scale sg, std::span<const int32_t> b,
                    std::span<const int32_t> u, Scale su, std::span<int32_t> h);
struct Activated {
  std::vector<int32_t> h;
  Scale scale;
};
Activated activate(Activation kind, std::span<const int32_t> g, Scale sg, std::span<const int32_t> b,
                   std::span<const int32_t> u, Scale su);

// x += y * s + b, x and b with fx fraction bits; b may be empty.
void residual_add(std::span<int32_t> x, std::span<const int32_t> y, Scale s, int fx,
                  std::span<const int32_t> b);

// x = row * s_row + p with fx fraction bits; p may be empty.
void embed(std::span<const int8_t> row, Scale s_row, int fx, std::span<const int32_t> p,
           std::span<int32_t> x);

// Logit with 16 fraction bits from the dot product of an embedding row and the last activations.
constexpr int32_t logit(int32_t acc, Scale row_times_q) {
  return sat32(scale_to_fixed(acc, row_times_q, 16));
}
// All logits; s_q is the scale of q.
void logits_into(const QuantizedEmbedding& head, std::span<const int8_t> q, Scale s_q,
                 std::span<int32_t> logits);

// Lowest index of the largest value; values is not empty.
int argmax(std::span<const int32_t> values);

}  // namespace pimllm

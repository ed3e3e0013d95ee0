// Small random models for tests: any ModelConfig, with statistics that keep activations of order 1.
#pragma once

#include <cstdint>

#include "golden/model.hpp"

namespace pimllm {

// Every weight of the configuration, drawn from `seed` alone (the same on every machine). Ternary values are
// about one third each, scales make projections keep the size of their input, norm weights are around 1,
// embeddings of order 1. Biases exist where norm is kLayer, ln C is around -ln(context_length) for ConSMax.
// Throws Error if a size is below 1, kv_heads does not divide heads, or head_dim is odd with rope.
ModelWeights make_random_model(const ModelConfig& config, uint64_t seed);

// Shapes for tests. bitnet: d_model 32, 2 layers, 4 heads of 8, 2 KV heads, d_ff 48, context 64,
// vocabulary 64.
ModelConfig small_bitnet_config();
// gpt2 or gpt2-consmax: the same, with 4 KV heads.
ModelConfig small_gpt2_config(Normalizer normalizer);

}  // namespace pimllm

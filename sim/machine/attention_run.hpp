// Decode attention of one layer on the machine, timed from its first load of KV to its last PV write.
#pragma once

#include <cstdint>

#include "golden/model.hpp"
#include "models/compiler/compiler.hpp"
#include "sim/machine/machine.hpp"

namespace pimllm::sim {

struct AttentionRun {
  uint64_t cycles = 0;     // first command taken to the last PV done, softmax included
  uint64_t kv_bytes = 0;   // int8 K and V of the context, all KV heads; scales not counted
  double bound = 0.0;      // kv_bytes / bytes a cycle of the memory channels
  uint64_t published = 0;  // cycles of the published array for the same products (M = 1, north feed)
};

// KV and operands are random, KV in memory at the start. With `check` every command and write is compared
// with the instruction-level reference (throws Mismatch). Throws Error if the shape does not fit.
AttentionRun run_attention(Machine& machine, const ModelConfig& shape, const HardwareParameters& hardware,
                           const AttentionOptions& options, bool check);

// heads * (cycles(1, tokens, head_dim) + cycles(1, head_dim, tokens)) on an array of R x C, with cycles(M, N,
// K) = ceil(M/R) ceil(N/C) (K + R + C - 2) - 1 (arXiv 2504.01994, published rows).
uint64_t published_attention_cycles(const ModelConfig& shape, const HardwareParameters& hardware, int tokens);

}  // namespace pimllm::sim

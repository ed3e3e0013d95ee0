// Checkpoints: GGUF v3 files of ternary transformers to and from golden/model.hpp.
// Architectures: bitnet (SiLU unless bitnet.hidden_activation says otherwise), bitnet-b1.58 (ReLU^2), gpt2
// (softmax) and gpt2-consmax. Every error is a pimllm::Error that names file, field, expected and found
// value.
#pragma once

#include <string>

#include "golden/model.hpp"
#include "models/gguf/gguf_file.hpp"
#include "models/gguf/tokenizer_data.hpp"

namespace pimllm {

enum class TernaryType { kAuto, kTq1_0, kTq2_0, kQ2_0, kI2_S, kF16, kF32 };

// Reads the whole model. Projections may be TQ1_0, TQ2_0, Q2_0, I2_S, F32, F16 or BF16, the last three only
// if every matrix is exactly ternary times one scale. Embeddings and norms may be F32, F16, BF16 or Q8_0.
// Throws Error for anything damaged, inconsistent, not finite or not supported.
ModelWeights load_model(const std::string& path);
ModelWeights load_model(const GgufFile& file);

// Reads tokenizer.ggml.{model, pre, tokens, merges}; tokens is empty when the file has no tokenizer.
TokenizerData load_tokenizer_data(const std::string& path);
TokenizerData load_tokenizer_data(const GgufFile& file);

// Writes the model atomically (temporary name, then rename). Projections as `type` with block scales of 1 and
// an F32 tensor `<projection>.scale`; kAuto is TQ2_0, or I2_S where rows are not multiples of 256, or F32
// where neither fits. Embeddings F16 (F32 below 4096 elements or if F16 would not keep every value finite),
// all else F32. The tokenizer may be empty (no keys are written), else it has config.vocab_size tokens.
void save_model(const std::string& path, const ModelWeights& model, const TokenizerData& tokenizer,
                TernaryType type = TernaryType::kAuto);

}  // namespace pimllm

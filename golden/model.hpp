// A decoder-only model with ternary projections, as it comes out of a checkpoint: plain data, no behaviour.
// Source: docs/numerics.md, section "Model".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pimllm {

enum class NormKind { kRms, kLayer };
enum class Normalizer { kSoftmax, kConsmax };
enum class Activation { kRelu, kRelu2, kSilu, kGelu };

struct ModelConfig {
  std::string architecture;  // "bitnet", "bitnet-b1.58", "gpt2", "gpt2-consmax"
  std::string name;
  int vocab_size = 0;
  int context_length = 0;
  int d_model = 0;
  int layers = 0;
  int heads = 0;
  int kv_heads = 0;  // divides heads
  int head_dim = 0;
  int d_ff = 0;
  NormKind norm = NormKind::kRms;
  Normalizer normalizer = Normalizer::kSoftmax;
  Activation activation = Activation::kRelu2;
  bool gated = false;           // ffn: act(gate) * up, else act(up)
  bool sub_norms = false;       // norms before the attention output and the down projection
  bool rope = false;            // else learned positions
  double rope_theta = 10000.0;  // NEOX pairs (i, i + head_dim / 2)
  double norm_eps = 1e-5;
};

// Ternary matrix, y = scale * (values * x) + bias. values[out * in_features + in] is -1, 0 or +1.
struct TernaryMatrix {
  int in_features = 0;
  int out_features = 0;
  float scale = 1.0F;
  std::vector<int8_t> values;
  std::vector<float> bias;  // empty, or out_features
};

// A norm's parameters; bias is empty for RMSNorm.
struct NormWeights {
  std::vector<float> weight;
  std::vector<float> bias;
};

struct LayerWeights {
  NormWeights attn_norm;
  NormWeights attn_sub_norm;  // empty without sub_norms
  NormWeights ffn_norm;
  NormWeights ffn_sub_norm;  // empty without sub_norms
  TernaryMatrix wq, wk, wv, wo;
  TernaryMatrix w_gate;  // empty without gated
  TernaryMatrix w_up, w_down;
  std::vector<float> consmax_ln_c;  // heads values of ln C, empty for softmax
};

struct ModelWeights {
  ModelConfig config;
  std::vector<float> token_embedding;     // [vocab_size][d_model]; also the LM head (tied)
  std::vector<float> position_embedding;  // [context_length][d_model], empty with RoPE
  std::vector<LayerWeights> layers;
  NormWeights output_norm;
};

}  // namespace pimllm

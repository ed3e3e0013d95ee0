#include "models/gguf/model_layout.hpp"

#include <array>
#include <cmath>
#include <utility>

#include "golden/error.hpp"

namespace pimllm {
namespace {

constexpr int kMaxWidth = 1 << 16;
constexpr int kMaxLayers = 1024;
constexpr int kMaxVocabulary = 1 << 20;
constexpr int kMaxContext = 1 << 20;
constexpr float kMaxLnC = 60.0F;

constexpr std::array<std::pair<const char*, Activation>, 4> kActivations = {{{"relu", Activation::kRelu},
                                                                             {"relu2", Activation::kRelu2},
                                                                             {"silu", Activation::kSilu},
                                                                             {"gelu", Activation::kGelu}}};

void check_range(const std::string& where, const char* field, int value, int lowest, int highest) {
  if (value < lowest || value > highest) {
    fail("{}: {}: expected {} to {}, found {}", where, field, lowest, highest, value);
  }
}

void check_flag(const std::string& where, const std::string& architecture, const char* field, bool found,
                bool expected) {
  if (found != expected) {
    fail("{}: {}: expected {} for architecture {}, found {}", where, field, expected, architecture, found);
  }
}

void check_vector(const std::string& where, const std::string& field, const std::vector<float>& values,
                  size_t size) {
  if (values.size() != size) fail("{}: {}: expected {} values, found {}", where, field, size, values.size());
  for (size_t i = 0; i < size; ++i) {
    if (!std::isfinite(values[i])) {
      fail("{}: {}: element {}: expected a finite value, found {}", where, field, i, values[i]);
    }
  }
}

void check_norm(const std::string& where, const std::string& field, const NormWeights& norm, int size,
                bool bias) {
  check_vector(where, field + ".weight", norm.weight, static_cast<size_t>(size));
  check_vector(where, field + ".bias", norm.bias, bias ? static_cast<size_t>(size) : 0);
}

void check_matrix(const std::string& where, const std::string& field, const TernaryMatrix& m, int in,
                  int out) {
  if (m.in_features != in || m.out_features != out) {
    fail("{}: {}: expected {} x {} features, found {} x {}", where, field, in, out, m.in_features,
         m.out_features);
  }
  const auto size = static_cast<size_t>(in) * static_cast<size_t>(out);
  if (m.values.size() != size)
    fail("{}: {}: expected {} values, found {}", where, field, size, m.values.size());
  for (size_t i = 0; i < size; ++i) {
    if (m.values[i] < -1 || m.values[i] > 1) {
      fail("{}: {}: element {}: expected -1, 0 or 1, found {}", where, field, i, m.values[i]);
    }
  }
  if (!std::isfinite(m.scale) || m.scale <= 0.0F) {
    fail("{}: {}: scale: expected a finite value above 0, found {}", where, field, m.scale);
  }
  if (!m.bias.empty()) check_vector(where, field + ".bias", m.bias, static_cast<size_t>(out));
}

}  // namespace

std::optional<Architecture> find_architecture(const std::string& name) {
  if (name == "bitnet") return Architecture{NormKind::kRms, Normalizer::kSoftmax, Activation::kSilu, true};
  if (name == "bitnet-b1.58")
    return Architecture{NormKind::kRms, Normalizer::kSoftmax, Activation::kRelu2, true};
  if (name == "bitnet-consmax")
    return Architecture{NormKind::kRms, Normalizer::kConsmax, Activation::kRelu2, true};
  if (name == "gpt2") return Architecture{NormKind::kLayer, Normalizer::kSoftmax, Activation::kGelu, false};
  if (name == "gpt2-consmax")
    return Architecture{NormKind::kLayer, Normalizer::kConsmax, Activation::kGelu, false};
  return std::nullopt;
}

std::string architecture_names() { return "bitnet, bitnet-b1.58, bitnet-consmax, gpt2 or gpt2-consmax"; }

std::string activation_name(Activation activation) {
  for (const auto& [name, value] : kActivations) {
    if (value == activation) return name;
  }
  fail("activation: expected one of the enumeration, found {}", static_cast<int>(activation));
}

std::optional<Activation> find_activation(const std::string& name) {
  for (const auto& [known, value] : kActivations) {
    if (name == known) return value;
  }
  if (name == "relu^2" || name == "relu_squared") return Activation::kRelu2;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh") return Activation::kGelu;
  return std::nullopt;
}

void check_config(const ModelConfig& c, const std::string& where) {
  const auto architecture = find_architecture(c.architecture);
  if (!architecture) {
    fail("{}: general.architecture: expected {}, found '{}'", where, architecture_names(), c.architecture);
  }
  check_range(where, "vocabulary size", c.vocab_size, 1, kMaxVocabulary);
  check_range(where, "context_length", c.context_length, 1, kMaxContext);
  check_range(where, "embedding_length", c.d_model, 1, kMaxWidth);
  check_range(where, "block_count", c.layers, 1, kMaxLayers);
  check_range(where, "feed_forward_length", c.d_ff, 1, kMaxWidth);
  check_range(where, "attention.head_count", c.heads, 1, kMaxWidth);
  check_range(where, "attention.head_count_kv", c.kv_heads, 1, c.heads);
  check_range(where, "head dimension", c.head_dim, 1, kMaxWidth / c.heads);
  if (c.heads % c.kv_heads != 0) {
    fail("{}: attention.head_count_kv: expected a divisor of {} heads, found {}", where, c.heads, c.kv_heads);
  }
  if (c.rope && c.head_dim % 2 != 0) {
    fail("{}: head dimension: expected an even number for rotary positions, found {}", where, c.head_dim);
  }
  if (!std::isfinite(c.rope_theta) || c.rope_theta < 1.0) {
    fail("{}: rope.freq_base: expected a finite value of at least 1, found {}", where, c.rope_theta);
  }
  if (!std::isfinite(c.norm_eps) || c.norm_eps <= 0.0 || c.norm_eps >= 1.0) {
    fail("{}: norm epsilon: expected a value between 0 and 1, found {}", where, c.norm_eps);
  }
  const bool layer = architecture->norm == NormKind::kLayer;
  check_flag(where, c.architecture, "LayerNorm", c.norm == NormKind::kLayer, layer);
  check_flag(where, c.architecture, "ConSMax", c.normalizer == Normalizer::kConsmax,
             architecture->normalizer == Normalizer::kConsmax);
  check_flag(where, c.architecture, "gated feed-forward", c.gated, architecture->bitnet);
  check_flag(where, c.architecture, "sub-norms", c.sub_norms, architecture->bitnet);
  check_flag(where, c.architecture, "rotary positions", c.rope, architecture->bitnet);
}

void check_model(const ModelWeights& model, const std::string& where) {
  const ModelConfig& c = model.config;
  check_config(c, where);
  const bool bias = c.norm == NormKind::kLayer;
  const int attention = c.heads * c.head_dim;
  const int kv = c.kv_heads * c.head_dim;
  const auto width = static_cast<size_t>(c.d_model);
  check_vector(where, "token_embd.weight", model.token_embedding, static_cast<size_t>(c.vocab_size) * width);
  check_vector(where, "position_embd.weight", model.position_embedding,
               c.rope ? 0 : static_cast<size_t>(c.context_length) * width);
  check_norm(where, "output_norm", model.output_norm, c.d_model, bias);
  if (model.layers.size() != static_cast<size_t>(c.layers)) {
    fail("{}: blocks: expected {}, found {}", where, c.layers, model.layers.size());
  }
  for (int i = 0; i < c.layers; ++i) {
    const LayerWeights& w = model.layers[static_cast<size_t>(i)];
    const std::string block = fmt::format("blk.{}.", i);
    check_norm(where, block + "attn_norm", w.attn_norm, c.d_model, bias);
    check_norm(where, block + "ffn_norm", w.ffn_norm, c.d_model, bias);
    check_norm(where, block + "attn_sub_norm", w.attn_sub_norm, c.sub_norms ? attention : 0, false);
    check_norm(where, block + "ffn_sub_norm", w.ffn_sub_norm, c.sub_norms ? c.d_ff : 0, false);
    check_matrix(where, block + "attn_q", w.wq, c.d_model, attention);
    check_matrix(where, block + "attn_k", w.wk, c.d_model, kv);
    check_matrix(where, block + "attn_v", w.wv, c.d_model, kv);
    check_matrix(where, block + "attn_output", w.wo, attention, c.d_model);
    if (c.gated) check_matrix(where, block + "ffn_gate", w.w_gate, c.d_model, c.d_ff);
    check_matrix(where, block + "ffn_up", w.w_up, c.d_model, c.d_ff);
    check_matrix(where, block + "ffn_down", w.w_down, c.d_ff, c.d_model);
    const bool consmax = c.normalizer == Normalizer::kConsmax;
    check_vector(where, block + "attn_consmax.weight", w.consmax_ln_c,
                 consmax ? static_cast<size_t>(c.heads) : 0);
    for (const float ln_c : w.consmax_ln_c) {
      if (std::fabs(ln_c) > kMaxLnC) {
        fail("{}: {}attn_consmax.weight: expected ln C of {} to {}, found {}", where, block, -kMaxLnC,
             kMaxLnC, ln_c);
      }
    }
  }
}

}  // namespace pimllm

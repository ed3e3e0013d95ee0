#include "golden/check_model.hpp"

#include <cmath>
#include <span>
#include <string>
#include <string_view>

#include "golden/error.hpp"

namespace pimllm {
namespace {

void check_positive(int value, std::string_view what) {
  if (value < 1) fail("model {}: expected at least 1, found {}", what, value);
}

void check_values(std::span<const float> values, size_t expected, const std::string& what) {
  if (values.size() != expected)
    fail("model {}: expected {} values, found {}", what, expected, values.size());
  for (const float v : values) {
    if (!std::isfinite(v)) fail("model {}: expected finite values, found {}", what, v);
  }
}

void check_norm(const NormWeights& norm, NormKind kind, int n, const std::string& what) {
  const auto size = static_cast<size_t>(n);
  check_values(norm.weight, size, what + ".weight");
  check_values(norm.bias, kind == NormKind::kLayer ? size : 0, what + ".bias");
}

void check_matrix(const TernaryMatrix& m, int in, int out, const std::string& what) {
  if (m.in_features != in || m.out_features != out) {
    fail("model {}: expected {} inputs and {} outputs, found {} and {}", what, in, out, m.in_features,
         m.out_features);
  }
  const size_t expected = static_cast<size_t>(in) * static_cast<size_t>(out);
  if (m.values.size() != expected)
    fail("model {}: expected {} values, found {}", what, expected, m.values.size());
  for (const int8_t v : m.values) {
    if (v < -1 || v > 1) fail("model {}: expected values -1, 0 or 1, found {}", what, v);
  }
  if (!std::isfinite(m.scale) || m.scale < 0.0F) {
    fail("model {}: expected a finite scale of at least 0, found {}", what, m.scale);
  }
  if (!m.bias.empty()) check_values(m.bias, static_cast<size_t>(out), what + ".bias");
}

}  // namespace

void check_model(const ModelWeights& model) {
  const ModelConfig& c = model.config;
  check_positive(c.vocab_size, "vocab_size");
  check_positive(c.context_length, "context_length");
  check_positive(c.d_model, "d_model");
  check_positive(c.layers, "layers");
  check_positive(c.heads, "heads");
  check_positive(c.kv_heads, "kv_heads");
  check_positive(c.head_dim, "head_dim");
  check_positive(c.d_ff, "d_ff");
  if (c.heads % c.kv_heads != 0)
    fail("model kv_heads: expected a divisor of {} heads, found {}", c.heads, c.kv_heads);
  if (c.rope && c.head_dim % 2 != 0)
    fail("model head_dim: expected an even number with RoPE, found {}", c.head_dim);
  if (c.rope && !(c.rope_theta > 0.0)) fail("model rope_theta: expected more than 0, found {}", c.rope_theta);
  if (!(c.norm_eps >= 0.0) || !std::isfinite(c.norm_eps)) {
    fail("model norm_eps: expected a finite number of at least 0, found {}", c.norm_eps);
  }
  const auto d = static_cast<size_t>(c.d_model);
  check_values(model.token_embedding, static_cast<size_t>(c.vocab_size) * d, "token_embd");
  check_values(model.position_embedding, c.rope ? 0 : static_cast<size_t>(c.context_length) * d,
               "position_embd");
  if (model.layers.size() != static_cast<size_t>(c.layers)) {
    fail("model layers: expected {}, found {}", c.layers, model.layers.size());
  }
  const int q = c.heads * c.head_dim;
  const int kv = c.kv_heads * c.head_dim;
  for (size_t i = 0; i < model.layers.size(); ++i) {
    const LayerWeights& layer = model.layers[i];
    const std::string name = fmt::format("blk.{}", i);
    check_norm(layer.attn_norm, c.norm, c.d_model, name + ".attn_norm");
    check_norm(layer.ffn_norm, c.norm, c.d_model, name + ".ffn_norm");
    if (c.sub_norms) {
      check_norm(layer.attn_sub_norm, c.norm, q, name + ".attn_sub_norm");
      check_norm(layer.ffn_sub_norm, c.norm, c.d_ff, name + ".ffn_sub_norm");
    }
    check_matrix(layer.wq, c.d_model, q, name + ".attn_q");
    check_matrix(layer.wk, c.d_model, kv, name + ".attn_k");
    check_matrix(layer.wv, c.d_model, kv, name + ".attn_v");
    check_matrix(layer.wo, q, c.d_model, name + ".attn_output");
    if (c.gated) check_matrix(layer.w_gate, c.d_model, c.d_ff, name + ".ffn_gate");
    check_matrix(layer.w_up, c.d_model, c.d_ff, name + ".ffn_up");
    check_matrix(layer.w_down, c.d_ff, c.d_model, name + ".ffn_down");
    check_values(layer.consmax_ln_c, c.normalizer == Normalizer::kConsmax ? static_cast<size_t>(c.heads) : 0,
                 name + ".attn_consmax");
  }
  check_norm(model.output_norm, c.norm, c.d_model, "output_norm");
}

}  // namespace pimllm

#include <algorithm>
#include <cmath>

#include "golden/error.hpp"
#include "models/gguf/gguf_file.hpp"
#include "models/gguf/load_model.hpp"
#include "models/gguf/model_layout.hpp"

namespace pimllm {
namespace {

constexpr size_t kSmallEmbedding = 4096;

// The stored type of a projection with rows of `in` elements.
GgufType stored_type(TernaryType type, int in) {
  switch (type) {
    case TernaryType::kTq1_0:
      return GgufType::kTq1_0;
    case TernaryType::kTq2_0:
      return GgufType::kTq2_0;
    case TernaryType::kQ2_0:
      return GgufType::kQ2_0;
    case TernaryType::kI2_S:
      return GgufType::kI2_S;
    case TernaryType::kF16:
      return GgufType::kF16;
    case TernaryType::kF32:
      return GgufType::kF32;
    case TernaryType::kAuto:
      break;
  }
  for (const GgufType candidate : {GgufType::kTq2_0, GgufType::kI2_S}) {
    if (static_cast<uint64_t>(in) % block_elements(candidate) == 0) return candidate;
  }
  return GgufType::kF32;
}

class ModelWriter {
 public:
  ModelWriter(const std::string& path, TernaryType type) : path_(path), type_(type) {}

  void add(const ModelWeights& model, const TokenizerData& tokenizer) {
    add_keys(model.config);
    if (!tokenizer.tokens.empty()) {
      writer_.add_text("tokenizer.ggml.model", tokenizer.model);
      writer_.add_text("tokenizer.ggml.pre", tokenizer.pre);
      writer_.add_texts("tokenizer.ggml.tokens", tokenizer.tokens);
      writer_.add_texts("tokenizer.ggml.merges", tokenizer.merges);
    }
    const auto width = static_cast<uint64_t>(model.config.d_model);
    add_embedding("token_embd.weight", model.token_embedding, width);
    if (!model.config.rope) add_embedding("position_embd.weight", model.position_embedding, width);
    add_norm("output_norm", model.output_norm);
    for (size_t i = 0; i < model.layers.size(); ++i) {
      add_layer(model.config, model.layers[i], fmt::format("blk.{}.", i));
    }
  }

  void write() const { writer_.write(path_); }

 private:
  void add_keys(const ModelConfig& c) {
    const std::string prefix = c.architecture + ".";
    const auto add_size = [&](const char* name, int value) {
      writer_.add_u32(prefix + name, static_cast<uint32_t>(value));
    };
    writer_.add_text("general.architecture", c.architecture);
    if (!c.name.empty()) writer_.add_text("general.name", c.name);
    add_size("vocab_size", c.vocab_size);
    add_size("context_length", c.context_length);
    add_size("embedding_length", c.d_model);
    add_size("block_count", c.layers);
    add_size("feed_forward_length", c.d_ff);
    add_size("attention.head_count", c.heads);
    add_size("attention.head_count_kv", c.kv_heads);
    if (c.heads * c.head_dim != c.d_model) {
      add_size("attention.key_length", c.head_dim);
      add_size("attention.value_length", c.head_dim);
    }
    writer_.add_f32(prefix + (c.norm == NormKind::kRms ? "attention.layer_norm_rms_epsilon"
                                                       : "attention.layer_norm_epsilon"),
                    static_cast<float>(c.norm_eps));
    if (c.rope) {
      add_size("rope.dimension_count", c.head_dim);
      writer_.add_f32(prefix + "rope.freq_base", static_cast<float>(c.rope_theta));
    }
    writer_.add_text(c.gated ? "bitnet.hidden_activation" : prefix + "hidden_activation",
                     activation_name(c.activation));
  }

  void add_f32(const std::string& name, const std::vector<float>& values) {
    writer_.add_tensor(name, {values.size()}, GgufType::kF32, encode_floats(GgufType::kF32, values));
  }

  void add_embedding(const std::string& name, const std::vector<float>& values, uint64_t width) {
    const bool fits = std::all_of(values.begin(), values.end(),
                                  [](float v) { return std::isfinite(half_to_float(float_to_half(v))); });
    const GgufType type = fits && values.size() >= kSmallEmbedding ? GgufType::kF16 : GgufType::kF32;
    writer_.add_tensor(name, {width, values.size() / width}, type, encode_floats(type, values));
  }

  void add_norm(const std::string& name, const NormWeights& norm) {
    if (norm.weight.empty()) return;
    add_f32(name + ".weight", norm.weight);
    if (!norm.bias.empty()) add_f32(name + ".bias", norm.bias);
  }

  // One tensor of all parts' outputs. F32 and a lone I2_S carry the scale themselves, the others have
  // `.scale`.
  void add_projections(const std::string& name, const std::vector<const TernaryMatrix*>& parts) {
    const int in = parts[0]->in_features;
    const GgufType type = stored_type(type_, in);
    if (static_cast<uint64_t>(in) % block_elements(type) != 0) {
      fail("{}: tensor {}.weight: expected rows of a multiple of {} elements for {}, found {}", path_, name,
           block_elements(type), type_name(static_cast<uint32_t>(type)), in);
    }
    const bool own_scale = type == GgufType::kF32 || (type == GgufType::kI2_S && parts.size() == 1);
    std::vector<int8_t> values;
    std::vector<uint8_t> data;
    std::vector<float> scales;
    std::vector<float> bias;
    uint64_t outputs = 0;
    for (const TernaryMatrix* part : parts) {
      if (type == GgufType::kF32) {
        const auto bytes = encode_ternary(type, part->values, part->scale);
        data.insert(data.end(), bytes.begin(), bytes.end());
      } else {
        values.insert(values.end(), part->values.begin(), part->values.end());
      }
      scales.push_back(part->scale);
      bias.insert(bias.end(), part->bias.begin(), part->bias.end());
      outputs += static_cast<uint64_t>(part->out_features);
    }
    if (type != GgufType::kF32) data = encode_ternary(type, values, own_scale ? scales[0] : 1.0F);
    writer_.add_tensor(name + ".weight", {static_cast<uint64_t>(in), outputs}, type, std::move(data));
    if (!own_scale) add_f32(name + ".scale", scales);
    if (bias.empty()) return;
    if (bias.size() != outputs) {
      fail("{}: tensor {}.bias: expected {} values or none, found {}", path_, name, outputs, bias.size());
    }
    add_f32(name + ".bias", bias);
  }

  void add_layer(const ModelConfig& c, const LayerWeights& w, const std::string& block) {
    add_norm(block + "attn_norm", w.attn_norm);
    add_norm(block + "attn_sub_norm", w.attn_sub_norm);
    add_norm(block + "ffn_norm", w.ffn_norm);
    add_norm(block + "ffn_sub_norm", w.ffn_sub_norm);
    const bool fused = c.norm == NormKind::kLayer;
    if (fused) {
      add_projections(block + "attn_qkv", {&w.wq, &w.wk, &w.wv});
    } else {
      add_projections(block + "attn_q", {&w.wq});
      add_projections(block + "attn_k", {&w.wk});
      add_projections(block + "attn_v", {&w.wv});
    }
    if (!w.consmax_ln_c.empty()) add_f32(block + "attn_consmax.weight", w.consmax_ln_c);
    add_projections(block + "attn_output", {&w.wo});
    if (c.gated) add_projections(block + "ffn_gate", {&w.w_gate});
    add_projections(block + "ffn_up", {&w.w_up});
    add_projections(block + "ffn_down", {&w.w_down});
  }

  std::string path_;
  TernaryType type_;
  GgufWriter writer_;
};

}  // namespace

void save_model(const std::string& path, const ModelWeights& model, const TokenizerData& tokenizer,
                TernaryType type) {
  check_model(model, path);
  if (!tokenizer.tokens.empty() && tokenizer.tokens.size() != static_cast<size_t>(model.config.vocab_size)) {
    fail("{}: tokenizer.ggml.tokens: expected {} as the vocabulary size, found {}", path,
         model.config.vocab_size, tokenizer.tokens.size());
  }
  ModelWriter writer(path, type);
  writer.add(model, tokenizer);
  writer.write();
}

}  // namespace pimllm

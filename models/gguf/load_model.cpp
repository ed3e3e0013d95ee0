#include "models/gguf/load_model.hpp"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <set>

#include "golden/error.hpp"
#include "models/gguf/model_layout.hpp"

namespace pimllm {
namespace {

constexpr uint64_t kMaxSize = 1U << 24;  // any size key; check_config narrows it

bool is_float_type(GgufType type) {
  return type == GgufType::kF32 || type == GgufType::kF16 || type == GgufType::kBf16;
}

class ModelReader {
 public:
  explicit ModelReader(const GgufFile& file) : file_(file), path_(file.path()) {}

  ModelWeights read() {
    ModelWeights model;
    model.config = read_config();
    const ModelConfig& c = model.config;
    const auto d = size(c.d_model);
    model.token_embedding = floats("token_embd.weight", {d, size(c.vocab_size)}, true);
    if (!c.rope) model.position_embedding = floats("position_embd.weight", {d, size(c.context_length)}, true);
    for (int i = 0; i < c.layers; ++i) model.layers.push_back(read_layer(c, fmt::format("blk.{}.", i)));
    model.output_norm = norm("output_norm", d, c.norm == NormKind::kLayer);
    check_output(model);
    for (const GgufTensor& tensor : file_.tensors()) {
      if (!used_.contains(tensor.name)) {
        fail(
            "{}: tensor {}: expected only tensors of architecture {}, found this one, which it has no use "
            "for",
            path_, printable(tensor.name), c.architecture);
      }
    }
    check_model(model, path_);
    return model;
  }

 private:
  static uint64_t size(int n) { return static_cast<uint64_t>(n); }

  ModelConfig read_config() {
    ModelConfig c;
    const auto name = file_.find_text("general.architecture");
    if (!name) fail("{}: general.architecture: expected {}, found no such key", path_, architecture_names());
    const auto architecture = find_architecture(*name);
    if (!architecture) {
      fail("{}: general.architecture: expected {}, found '{}'", path_, architecture_names(),
           printable(*name));
    }
    c.architecture = *name;
    c.name = file_.find_text("general.name").value_or("");
    c.norm = architecture->norm;
    c.normalizer = architecture->normalizer;
    c.gated = c.sub_norms = c.rope = architecture->bitnet;
    c.context_length = required("context_length");
    c.d_model = required("embedding_length");
    c.layers = required("block_count");
    c.d_ff = required("feed_forward_length");
    c.heads = required("attention.head_count");
    c.kv_heads = optional("attention.head_count_kv").value_or(c.heads);
    c.head_dim = read_head_dim(c);
    c.vocab_size = read_vocab_size();
    const std::string epsilon =
        key(c.norm == NormKind::kRms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon");
    const auto eps = file_.find_real(epsilon);
    if (!eps) fail("{}: {}: expected a number, found no such key", path_, epsilon);
    c.norm_eps = *eps;
    if (c.rope) {
      c.rope_theta = file_.find_real(key("rope.freq_base")).value_or(c.rope_theta);
      const std::string scaling = file_.find_text(key("rope.scaling.type")).value_or("none");
      if (scaling != "none") {
        fail("{}: {}: expected none, found '{}'", path_, key("rope.scaling.type"), printable(scaling));
      }
    }
    c.activation = architecture->activation;
    for (const std::string& hidden : {std::string("bitnet.hidden_activation"), key("hidden_activation")}) {
      const auto text = file_.find_text(hidden);
      if (!text) continue;
      const auto activation = find_activation(*text);
      if (!activation) {
        fail("{}: {}: expected relu, relu2, silu or gelu, found '{}'", path_, hidden, printable(*text));
      }
      c.activation = *activation;
    }
    check_config(c, path_);
    return c;
  }

  std::string key(const std::string& name) const {
    return *file_.find_text("general.architecture") + "." + name;
  }

  std::optional<int> optional(const std::string& name) const {
    const auto value = file_.find_unsigned(key(name));
    if (!value) return std::nullopt;
    if (*value < 1 || *value > kMaxSize) {
      fail("{}: {}: expected 1 to {}, found {}", path_, key(name), kMaxSize, *value);
    }
    return static_cast<int>(*value);
  }

  int required(const std::string& name) const {
    const auto value = optional(name);
    if (!value) fail("{}: {}: expected a number, found no such key", path_, key(name));
    return *value;
  }

  int read_head_dim(const ModelConfig& c) const {
    const auto given = optional("attention.key_length");
    if (!given && c.d_model % c.heads != 0) {
      fail("{}: {}: expected a divisor of the embedding length {}, found {}", path_,
           key("attention.head_count"), c.d_model, c.heads);
    }
    const int head_dim = given.value_or(c.d_model / c.heads);
    for (const char* name : {"attention.value_length", "rope.dimension_count"}) {
      const auto value = optional(name);
      if (value && *value != head_dim) {
        fail("{}: {}: expected the head dimension {}, found {}", path_, key(name), head_dim, *value);
      }
    }
    return head_dim;
  }

  int read_vocab_size() const {
    const GgufTensor& table = tensor("token_embd.weight");
    if (table.shape.size() != 2 || table.shape[1] > kMaxSize) {
      fail(
          "{}: tensor token_embd.weight: shape: expected 2 dimensions and at most {} tokens, found {} and {}",
          path_, kMaxSize, table.shape.size(), table.shape.back());
    }
    const int vocab_size = static_cast<int>(table.shape[1]);
    if (const auto named = optional("vocab_size"); named && *named != vocab_size) {
      fail("{}: {}: expected {} as in token_embd.weight, found {}", path_, key("vocab_size"), vocab_size,
           *named);
    }
    const auto tokens = file_.find_texts("tokenizer.ggml.tokens");
    if (tokens && tokens->size() != size(vocab_size)) {
      fail("{}: tokenizer.ggml.tokens: expected {} as in token_embd.weight, found {}", path_, vocab_size,
           tokens->size());
    }
    return vocab_size;
  }

  const GgufTensor& tensor(const std::string& name) const {
    const GgufTensor* found = file_.find_tensor(name);
    if (found == nullptr) fail("{}: tensor {}: expected to be in the file, found none", path_, name);
    return *found;
  }

  bool has(const std::string& name) const { return file_.find_tensor(name) != nullptr; }

  // Checks the shape (a trailing 1 may be left out or added) and marks the tensor as used.
  const GgufTensor& take(const std::string& name, const std::vector<uint64_t>& shape) {
    const GgufTensor& found = tensor(name);
    std::vector<uint64_t> has = found.shape;
    while (has.size() > shape.size() && has.back() == 1) has.pop_back();
    if (has != shape) {
      fail("{}: tensor {}: shape: expected [{}], found [{}]", path_, name, fmt::join(shape, ", "),
           fmt::join(found.shape, ", "));
    }
    used_.insert(name);
    return found;
  }

  std::string where(const std::string& name) const { return fmt::format("{}: tensor {}", path_, name); }

  std::vector<float> floats(const std::string& name, const std::vector<uint64_t>& shape,
                            bool allow_q8 = false) {
    const GgufTensor& found = take(name, shape);
    if (!is_float_type(found.type) && !(allow_q8 && found.type == GgufType::kQ8_0)) {
      fail("{}: type: expected F32, F16{}, found {}", where(name), allow_q8 ? ", BF16 or Q8_0" : " or BF16",
           type_name(static_cast<uint32_t>(found.type)));
    }
    return decode_floats(found.type, found.data, found.elements, where(name));
  }

  NormWeights norm(const std::string& name, uint64_t n, bool bias) {
    NormWeights weights{floats(name + ".weight", {n}), {}};
    if (bias) weights.bias = floats(name + ".bias", {n});
    return weights;
  }

  // Splits the outputs of one tensor into matrices. A fused tensor may have one `.scale` or one for each
  // part.
  std::vector<TernaryMatrix> projections(const std::string& name, uint64_t in,
                                         const std::vector<uint64_t>& outs) {
    uint64_t total = 0;
    for (const uint64_t out : outs) total += out;
    const std::string weight = name + ".weight";
    const GgufTensor& found = take(weight, {in, total});
    const std::vector<float> scales = read_scales(name, outs.size());
    std::vector<float> bias;
    if (has(name + ".bias")) bias = floats(name + ".bias", {total});
    std::vector<TernaryMatrix> result;
    uint64_t first = 0;
    for (size_t part = 0; part < outs.size(); ++part) {
      TernaryValues values = decode_rows(found, in, first, outs[part]);
      TernaryMatrix m;
      m.in_features = static_cast<int>(in);
      m.out_features = static_cast<int>(outs[part]);
      m.values = std::move(values.values);
      m.scale = values.scale * scales[part];
      if (!std::isfinite(m.scale) || m.scale <= 0.0F) {
        fail("{}: scale: expected a finite value above 0, found {}", where(weight), m.scale);
      }
      if (!bias.empty()) {
        m.bias.assign(bias.begin() + static_cast<int64_t>(first),
                      bias.begin() + static_cast<int64_t>(first + outs[part]));
      }
      result.push_back(std::move(m));
      first += outs[part];
    }
    return result;
  }

  TernaryMatrix projection(const std::string& name, uint64_t in, uint64_t out) {
    return std::move(projections(name, in, {out})[0]);
  }

  std::vector<float> read_scales(const std::string& name, size_t parts) {
    const std::string scale = name + ".scale";
    if (!has(scale)) return std::vector<float>(parts, 1.0F);
    const bool shared = tensor(scale).elements == 1;
    std::vector<float> scales = floats(scale, {shared ? 1 : uint64_t{parts}});
    for (const float s : scales) {
      if (s <= 0.0F) fail("{}: expected a value above 0, found {}", where(scale), s);
    }
    scales.resize(parts, scales[0]);
    return scales;
  }

  TernaryValues decode_rows(const GgufTensor& found, uint64_t in, uint64_t first, uint64_t rows) const {
    const std::string at = where(found.name);
    if (found.type == GgufType::kI2_S) {
      // One scale at the end of all rows.
      TernaryValues all = decode_ternary(found.type, found.data, found.elements, file_.q2_group(), at);
      const auto begin = all.values.begin() + static_cast<int64_t>(first * in);
      return {{begin, begin + static_cast<int64_t>(rows * in)}, all.scale};
    }
    const int group = file_.q2_group();
    const auto data = found.data.subspan(tensor_bytes(found.type, first * in, group),
                                         tensor_bytes(found.type, rows * in, group));
    if (is_float_type(found.type)) {
      return ternary_from_floats(decode_floats(found.type, data, rows * in, at), at);
    }
    return decode_ternary(found.type, data, rows * in, group, at);
  }

  LayerWeights read_layer(const ModelConfig& c, const std::string& block) {
    const bool bias = c.norm == NormKind::kLayer;
    const auto d = size(c.d_model);
    const auto ff = size(c.d_ff);
    const uint64_t attention = size(c.heads) * size(c.head_dim);
    const uint64_t kv = size(c.kv_heads) * size(c.head_dim);
    LayerWeights w;
    w.attn_norm = norm(block + "attn_norm", d, bias);
    w.ffn_norm = norm(block + "ffn_norm", d, bias);
    if (c.sub_norms) {
      w.attn_sub_norm = norm(block + "attn_sub_norm", attention, false);
      w.ffn_sub_norm = norm(block + "ffn_sub_norm", ff, false);
    }
    if (has(block + "attn_qkv.weight")) {
      auto parts = projections(block + "attn_qkv", d, {attention, kv, kv});
      w.wq = std::move(parts[0]);
      w.wk = std::move(parts[1]);
      w.wv = std::move(parts[2]);
    } else {
      w.wq = projection(block + "attn_q", d, attention);
      w.wk = projection(block + "attn_k", d, kv);
      w.wv = projection(block + "attn_v", d, kv);
    }
    w.wo = projection(block + "attn_output", attention, d);
    if (c.gated) w.w_gate = projection(block + "ffn_gate", d, ff);
    w.w_up = projection(block + "ffn_up", d, ff);
    w.w_down = projection(block + "ffn_down", ff, d);
    if (c.normalizer == Normalizer::kConsmax)
      w.consmax_ln_c = floats(block + "attn_consmax.weight", {size(c.heads)});
    return w;
  }

  // The head is tied to the embedding: an output.weight must say the same.
  void check_output(const ModelWeights& model) {
    if (!has("output.weight")) return;
    const auto output =
        floats("output.weight", {size(model.config.d_model), size(model.config.vocab_size)}, true);
    if (output != model.token_embedding) {
      fail(
          "{}: tensor output.weight: expected the values of token_embd.weight, found others (the head must "
          "be tied)",
          path_);
    }
  }

  const GgufFile& file_;
  std::string path_;
  std::set<std::string> used_;
};

}  // namespace

ModelWeights load_model(const std::string& path) { return load_model(GgufFile(path)); }

ModelWeights load_model(const GgufFile& file) { return ModelReader(file).read(); }

TokenizerData load_tokenizer_data(const std::string& path) { return load_tokenizer_data(GgufFile(path)); }

TokenizerData load_tokenizer_data(const GgufFile& file) {
  TokenizerData data;
  data.tokens = file.find_texts("tokenizer.ggml.tokens").value_or(std::vector<std::string>{});
  data.merges = file.find_texts("tokenizer.ggml.merges").value_or(std::vector<std::string>{});
  data.model = file.find_text("tokenizer.ggml.model").value_or(data.model);
  data.pre = file.find_text("tokenizer.ggml.pre").value_or("");
  return data;
}

}  // namespace pimllm

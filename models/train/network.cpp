#include "models/train/network.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>

#include "golden/error.hpp"

namespace pimllm::train {
namespace {

using torch::Tensor;

constexpr double kEmbeddingDeviation = 0.02;
constexpr double kEmbeddingDeviationBesidePositions = 0.1;  // as large as the positions, or these drown it
constexpr double kPositionDeviation = 0.1;
constexpr double kPositionRate = 0.1;
constexpr double kQueryGain = 1.5;
constexpr double kConsmaxLnC = -4.605170185988091;  // -ln 100

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// Learned positions start as sinusoids and learn slowly, and head h starts by looking h + 1 tokens back.
// Small random positions are drowned by the tokens and by Adam's noise: the model then stays at bigram
// statistics for a thousand steps. Frequencies from 0 to half a turn a token, mostly low: similarity falls
// quickly with distance but has a long tail.
double position_frequency(int64_t i, int64_t half) {
  const double u = static_cast<double>(i + 1) / static_cast<double>(half);
  return std::numbers::pi * u * u;
}

void fill_sinusoids(const Tensor& positions) {
  auto p = positions.accessor<float, 2>();
  const int64_t half = p.size(1) / 2;
  for (int64_t t = 0; t < p.size(0); ++t) {
    for (int64_t i = 0; i < half; ++i) {
      const double angle = static_cast<double>(t) * position_frequency(i, half);
      p[t][i] = static_cast<float>(kPositionDeviation * std::numbers::sqrt2 * std::sin(angle));
      p[t][i + half] = static_cast<float>(kPositionDeviation * std::numbers::sqrt2 * std::cos(angle));
    }
  }
}

// Key rows become the query rows turned so that the key of a position matches the query of a later one.
void look_back(const Tensor& qkv, int64_t heads) {
  const int64_t d = qkv.size(1);
  const int64_t half = d / 2;
  const int64_t head_dim = d / heads;
  qkv.narrow(0, 0, d).mul_(kQueryGain);
  auto w = qkv.accessor<float, 2>();
  for (int64_t row = 0; row < d; ++row) {
    const auto distance = static_cast<double>(row / head_dim + 1);
    for (int64_t i = 0; i < half; ++i) {
      const double angle = distance * position_frequency(i, half);
      const double a = w[row][i];
      const double b = w[row][i + half];
      w[d + row][i] = static_cast<float>(a * std::cos(angle) - b * std::sin(angle));
      w[d + row][i + half] = static_cast<float>(b * std::cos(angle) + a * std::sin(angle));
    }
  }
}

std::vector<float> to_vector(const Tensor& tensor) {
  const float* p = tensor.data_ptr<float>();
  return {p, p + tensor.numel()};
}

void copy_into(const std::vector<float>& from, const Tensor& to) {
  if (static_cast<int64_t>(from.size()) != to.numel()) {
    fail("network: parameter size: expected {}, found {}", to.numel(), from.size());
  }
  std::copy(from.begin(), from.end(), to.data_ptr<float>());
}

}  // namespace

ModelConfig shipped_config(const std::string& architecture, const std::string& size) {
  if (size != "full" && size != "board") fail("--size: expected full or board, found '{}'", size);
  ModelConfig config;
  config.architecture = architecture;
  config.vocab_size = 512;
  config.context_length = 256;
  config.d_model = 256;
  config.layers = 4;
  config.heads = 4;
  config.kv_heads = 4;
  config.head_dim = 64;
  if (architecture == "bitnet-b1.58") {
    config.name = "kjv-bitnet";
    config.d_ff = 768;
    config.gated = true;
    config.sub_norms = true;
    config.rope = true;
    if (size == "board") {
      config.name = "kjv-board";
      config.vocab_size = 256;
      config.context_length = 128;
      config.d_model = 128;
      config.kv_heads = 2;
      config.head_dim = 32;
      config.d_ff = 192;
    }
    return config;
  }
  if (size != "full") fail("--size: expected full with {}, found '{}'", architecture, size);
  if (architecture == "gpt2-consmax" || architecture == "gpt2") {
    const bool consmax = architecture == "gpt2-consmax";
    config.name = consmax ? "kjv-consmax" : "kjv-gpt2";
    config.d_ff = 1024;
    config.norm = NormKind::kLayer;
    config.normalizer = consmax ? Normalizer::kConsmax : Normalizer::kSoftmax;
    config.activation = Activation::kGelu;
    return config;
  }
  fail("--arch: expected bitnet-b1.58, gpt2-consmax or gpt2, found '{}'", architecture);
}

Network::Network(const ModelConfig& config) : config_(config) {
  lay_out();
  const torch::NoGradGuard no_grad;
  const double residual = 1.0 / std::sqrt(2.0 * config_.layers);
  for (Parameter& p : parameters_) {
    if (p.name == "position_embd.weight") {
      fill_sinusoids(p.value);
    } else if (p.value.dim() == 2) {
      double deviation = config_.rope ? kEmbeddingDeviation : kEmbeddingDeviationBesidePositions;
      if (!p.parts.empty()) deviation = 1.0 / std::sqrt(static_cast<double>(p.value.size(1)));
      if (ends_with(p.name, "attn_output.weight") || ends_with(p.name, "ffn_down.weight"))
        deviation *= residual;
      p.value.normal_(0.0, deviation);
      if (!config_.rope && ends_with(p.name, "attn_qkv.weight")) {
        look_back(p.value, config_.heads);
      }
    } else if (ends_with(p.name, "attn_consmax.weight")) {
      p.value.fill_(kConsmaxLnC);
    } else {
      p.value.fill_(ends_with(p.name, "norm.weight") ? 1.0 : 0.0);
    }
  }
}

void Network::lay_out() {
  const int64_t d = config_.d_model;
  const int64_t ff = config_.d_ff;
  const bool bias = config_.norm == NormKind::kLayer;
  const int64_t kv = config_.kv_heads * config_.head_dim;
  if (config_.heads % config_.kv_heads != 0 || config_.heads * config_.head_dim != config_.d_model) {
    fail("network: heads: expected a multiple of the KV heads, of d_model / heads, found {} and {} of {}",
         config_.heads, config_.kv_heads, config_.head_dim);
  }
  if (!config_.rope && kv != d) {
    fail("network: KV heads: expected {}, as many as heads with learned positions, found {}", config_.heads,
         config_.kv_heads);
  }
  const auto add_norm = [&](const std::string& name, int64_t n) {
    add(name + ".weight", {n});
    if (bias) add(name + ".bias", {n});
  };
  const auto add_projection = [&](const std::string& name, const std::vector<int64_t>& parts, int64_t in) {
    int64_t out = 0;
    for (const int64_t part : parts) out += part;
    add(name + ".weight", {out, in}, parts);
    if (bias) add(name + ".bias", {out});
  };
  add("token_embd.weight", {config_.vocab_size, d});
  if (!config_.rope) add("position_embd.weight", {config_.context_length, d});
  for (int layer = 0; layer < config_.layers; ++layer) {
    const std::string block = fmt::format("blk.{}.", layer);
    add_norm(block + "attn_norm", d);
    add_projection(block + "attn_qkv", {d, kv, kv}, d);
    if (config_.normalizer == Normalizer::kConsmax) add(block + "attn_consmax.weight", {config_.heads});
    if (config_.sub_norms) add_norm(block + "attn_sub_norm", d);
    add_projection(block + "attn_output", {d}, d);
    add_norm(block + "ffn_norm", d);
    add_projection(block + "ffn_up", config_.gated ? std::vector<int64_t>{ff, ff} : std::vector<int64_t>{ff},
                   d);
    if (config_.sub_norms) add_norm(block + "ffn_sub_norm", ff);
    add_projection(block + "ffn_down", {d}, ff);
  }
  add_norm("output_norm", d);
  flat_ = torch::zeros({size_});
  for (Parameter& p : parameters_) {
    p.value =
        flat_.narrow(0, p.offset, p.value.numel()).view(p.value.sizes()).detach().requires_grad_(!frozen_);
  }
}

void Network::add(const std::string& name, const std::vector<int64_t>& shape,
                  const std::vector<int64_t>& parts) {
  Parameter p;
  p.name = name;
  p.value = torch::empty(shape);
  p.parts = parts;
  p.offset = size_;
  p.decays = !parts.empty();
  if (name == "position_embd.weight") p.rate = kPositionRate;
  size_ += p.value.numel();
  parameters_.push_back(std::move(p));
}

const Parameter& Network::find(const std::string& name) const {
  for (const Parameter& p : parameters_) {
    if (p.name == name) return p;
  }
  fail("network: expected parameter {}, found none", name);
}

Tensor Network::get(const std::string& name) const {
  for (const Parameter& p : parameters_) {
    if (p.name == name) return p.value;
  }
  return {};
}

Tensor Network::project(const Tensor& x, const std::string& name) const {
  const Parameter& p = find(name + ".weight");
  return ternary_linear(x, p.value, get(name + ".bias"), p.parts, frozen_);
}

Tensor Network::norm(const Tensor& x, const std::string& name) const {
  return normalize(x, get(name + ".weight"), get(name + ".bias"), config_.norm_eps);
}

Tensor Network::forward(const Tensor& ids) const {
  const HeadShape shape{ids.size(0), ids.size(1), config_.heads, config_.kv_heads, config_.head_dim};
  const Tensor table = quantize_rows(get("token_embd.weight"));
  Tensor x = torch::embedding(table, ids);
  if (!config_.rope) x = x + quantize_rows(get("position_embd.weight")).narrow(0, 0, ids.size(1));
  x = x.reshape({ids.numel(), config_.d_model});
  for (int layer = 0; layer < config_.layers; ++layer) {
    const std::string block = fmt::format("blk.{}.", layer);
    const Tensor qkv = project(norm(x, block + "attn_norm"), block + "attn_qkv");
    Tensor a = attend(split_heads(qkv, shape, config_.rope ? config_.rope_theta : 0.0),
                      get(block + "attn_consmax.weight"), shape);
    if (config_.sub_norms) a = norm(a, block + "attn_sub_norm");
    x = x + project(a, block + "attn_output");
    Tensor h = project(norm(x, block + "ffn_norm"), block + "ffn_up");
    h = config_.gated ? gated_relu2(h) : tanh_gelu(h);
    if (config_.sub_norms) h = norm(h, block + "ffn_sub_norm");
    x = x + project(h, block + "ffn_down");
  }
  return quantize_rows(norm(x, "output_norm")).mm(table.t());
}

namespace {

// One of the ternary matrices of a parameter, with its slice of the bias.
TernaryMatrix ternary_part(const Parameter& p, const Tensor& bias, size_t part) {
  int64_t first = 0;
  for (size_t i = 0; i < part; ++i) first += p.parts[i];
  const int64_t out = p.parts[part];
  const int64_t in = p.value.size(1);
  std::vector<float> w = to_vector(p.value.detach().narrow(0, first, out).contiguous());
  TernaryMatrix m;
  m.in_features = static_cast<int>(in);
  m.out_features = static_cast<int>(out);
  m.scale = ternarize(w.data(), {out}, in)[0];
  for (const float v : w) m.values.push_back(static_cast<int8_t>(v > 0.0F ? 1 : v < 0.0F ? -1 : 0));
  if (bias.defined()) m.bias = to_vector(bias.detach().narrow(0, first, out).contiguous());
  return m;
}

}  // namespace

ModelWeights Network::to_model() const {
  const auto vector_of = [&](const std::string& name) {
    const Tensor t = get(name);
    return t.defined() ? to_vector(t.detach()) : std::vector<float>{};
  };
  const auto norm_of = [&](const std::string& name) {
    return NormWeights{vector_of(name + ".weight"), vector_of(name + ".bias")};
  };
  const auto matrix_of = [&](const std::string& name, size_t part) {
    return ternary_part(find(name + ".weight"), get(name + ".bias"), part);
  };
  ModelWeights model;
  model.config = config_;
  model.token_embedding = vector_of("token_embd.weight");
  model.position_embedding = vector_of("position_embd.weight");
  for (int layer = 0; layer < config_.layers; ++layer) {
    const std::string block = fmt::format("blk.{}.", layer);
    LayerWeights w;
    w.attn_norm = norm_of(block + "attn_norm");
    w.attn_sub_norm = norm_of(block + "attn_sub_norm");
    w.ffn_norm = norm_of(block + "ffn_norm");
    w.ffn_sub_norm = norm_of(block + "ffn_sub_norm");
    w.wq = matrix_of(block + "attn_qkv", 0);
    w.wk = matrix_of(block + "attn_qkv", 1);
    w.wv = matrix_of(block + "attn_qkv", 2);
    w.wo = matrix_of(block + "attn_output", 0);
    if (config_.gated) w.w_gate = matrix_of(block + "ffn_up", 0);
    w.w_up = matrix_of(block + "ffn_up", config_.gated ? 1 : 0);
    w.w_down = matrix_of(block + "ffn_down", 0);
    w.consmax_ln_c = vector_of(block + "attn_consmax.weight");
    model.layers.push_back(std::move(w));
  }
  model.output_norm = norm_of("output_norm");
  return model;
}

Network::Network(const ModelWeights& model) : config_(model.config), frozen_(true) {
  lay_out();
  const auto put = [&](const std::string& name, const std::vector<float>& values) {
    if (const Tensor t = get(name); t.defined()) copy_into(values, t);
  };
  const auto put_norm = [&](const std::string& name, const NormWeights& norm) {
    put(name + ".weight", norm.weight);
    put(name + ".bias", norm.bias);
  };
  const auto put_matrices = [&](const std::string& name, const std::vector<const TernaryMatrix*>& matrices) {
    std::vector<float> weight;
    std::vector<float> bias;
    for (const TernaryMatrix* m : matrices) {
      for (const int8_t v : m->values) weight.push_back(static_cast<float>(v) * m->scale);
      bias.insert(bias.end(), m->bias.begin(), m->bias.end());
    }
    put(name + ".weight", weight);
    put(name + ".bias", bias);
  };
  put("token_embd.weight", model.token_embedding);
  put("position_embd.weight", model.position_embedding);
  for (int layer = 0; layer < config_.layers; ++layer) {
    const std::string block = fmt::format("blk.{}.", layer);
    const LayerWeights& w = model.layers[layer];
    put_norm(block + "attn_norm", w.attn_norm);
    put_norm(block + "attn_sub_norm", w.attn_sub_norm);
    put_norm(block + "ffn_norm", w.ffn_norm);
    put_norm(block + "ffn_sub_norm", w.ffn_sub_norm);
    put_matrices(block + "attn_qkv", {&w.wq, &w.wk, &w.wv});
    put_matrices(block + "attn_output", {&w.wo});
    if (config_.gated) {
      put_matrices(block + "ffn_up", {&w.w_gate, &w.w_up});
    } else {
      put_matrices(block + "ffn_up", {&w.w_up});
    }
    put_matrices(block + "ffn_down", {&w.w_down});
    put(block + "attn_consmax.weight", w.consmax_ln_c);
  }
  put_norm("output_norm", model.output_norm);
}

}  // namespace pimllm::train

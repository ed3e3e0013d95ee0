#include "models/random/random_model.hpp"

#include <cmath>

#include "golden/error.hpp"

namespace pimllm {
namespace {

constexpr float kBiasRange = 0.2F;
constexpr float kNormRange = 0.3F;
constexpr float kLnCRange = 0.5F;
constexpr float kPositionShare = 0.5F;
constexpr double kTernaryDeviation = 0.816496580927726;  // sqrt(2 / 3)

// SplitMix64: the standard distributions differ between libraries, tests must not.
class Generator {
 public:
  explicit Generator(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    state_ += 0x9E3779B97F4A7C15ULL;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }

  // Uniform in [-1, 1), 24 bits.
  float symmetric() { return static_cast<float>(static_cast<int32_t>(next() >> 40) - (1 << 23)) * 0x1p-23F; }

  int8_t ternary() { return static_cast<int8_t>(static_cast<int>((next() >> 32) % 3) - 1); }

  std::vector<float> around(float center, float range, int n) {
    std::vector<float> values;
    for (int i = 0; i < n; ++i) values.push_back(center + range * symmetric());
    return values;
  }

 private:
  uint64_t state_;
};

class Maker {
 public:
  Maker(const ModelConfig& config, uint64_t seed) : config_(config), generator_(seed) {}

  ModelWeights make() {
    const ModelConfig& c = config_;
    ModelWeights model;
    model.config = c;
    const float uniform = std::sqrt(3.0F);  // of deviation 1
    model.token_embedding = generator_.around(0.0F, uniform, c.vocab_size * c.d_model);
    if (!c.rope) {
      model.position_embedding =
          generator_.around(0.0F, kPositionShare * uniform, c.context_length * c.d_model);
    }
    for (int i = 0; i < c.layers; ++i) model.layers.push_back(layer());
    model.output_norm = norm(c.d_model);
    return model;
  }

 private:
  NormWeights norm(int n) {
    NormWeights weights{generator_.around(1.0F, kNormRange, n), {}};
    if (config_.norm == NormKind::kLayer) weights.bias = generator_.around(0.0F, kBiasRange, n);
    return weights;
  }

  NormWeights sub_norm(int n) {
    if (!config_.sub_norms) return {};
    return {generator_.around(1.0F, kNormRange, n), {}};
  }

  // scale * sqrt(in) * deviation of a ternary value is about 1.
  TernaryMatrix matrix(int in, int out) {
    TernaryMatrix m;
    m.in_features = in;
    m.out_features = out;
    for (int64_t i = 0; i < int64_t{in} * out; ++i) m.values.push_back(generator_.ternary());
    const double size = 1.0 + 0.25 * static_cast<double>(generator_.symmetric());
    m.scale = static_cast<float>(size / (kTernaryDeviation * std::sqrt(static_cast<double>(in))));
    if (config_.norm == NormKind::kLayer) m.bias = generator_.around(0.0F, kBiasRange, out);
    return m;
  }

  LayerWeights layer() {
    const ModelConfig& c = config_;
    const int attention = c.heads * c.head_dim;
    const int kv = c.kv_heads * c.head_dim;
    LayerWeights w;
    w.attn_norm = norm(c.d_model);
    w.attn_sub_norm = sub_norm(attention);
    w.ffn_norm = norm(c.d_model);
    w.ffn_sub_norm = sub_norm(c.d_ff);
    w.wq = matrix(c.d_model, attention);
    w.wk = matrix(c.d_model, kv);
    w.wv = matrix(c.d_model, kv);
    w.wo = matrix(attention, c.d_model);
    if (c.gated) w.w_gate = matrix(c.d_model, c.d_ff);
    w.w_up = matrix(c.d_model, c.d_ff);
    w.w_down = matrix(c.d_ff, c.d_model);
    if (c.normalizer == Normalizer::kConsmax) {
      w.consmax_ln_c = generator_.around(-std::log(static_cast<float>(c.context_length)), kLnCRange, c.heads);
    }
    return w;
  }

  const ModelConfig& config_;
  Generator generator_;
};

ModelConfig small_config() {
  ModelConfig c;
  c.name = "random";
  c.vocab_size = 64;
  c.context_length = 64;
  c.d_model = 32;
  c.layers = 2;
  c.heads = 4;
  c.kv_heads = 4;
  c.head_dim = 8;
  c.d_ff = 48;
  return c;
}

}  // namespace

ModelWeights make_random_model(const ModelConfig& config, uint64_t seed) {
  for (const int size : {config.vocab_size, config.context_length, config.d_model, config.layers,
                         config.heads, config.kv_heads, config.head_dim, config.d_ff}) {
    if (size < 1) fail("random model: configuration: expected sizes of at least 1, found {}", size);
  }
  if (config.heads % config.kv_heads != 0) {
    fail("random model: kv_heads: expected a divisor of {} heads, found {}", config.heads, config.kv_heads);
  }
  if (config.rope && config.head_dim % 2 != 0) {
    fail("random model: head_dim: expected an even number for rotary positions, found {}", config.head_dim);
  }
  return Maker(config, seed).make();
}

ModelConfig small_bitnet_config() {
  ModelConfig c = small_config();
  c.architecture = "bitnet-b1.58";
  c.kv_heads = 2;
  c.gated = true;
  c.sub_norms = true;
  c.rope = true;
  return c;
}

ModelConfig small_gpt2_config(Normalizer normalizer) {
  ModelConfig c = small_config();
  c.architecture = normalizer == Normalizer::kConsmax ? "gpt2-consmax" : "gpt2";
  c.norm = NormKind::kLayer;
  c.normalizer = normalizer;
  c.activation = Activation::kGelu;
  return c;
}

}  // namespace pimllm

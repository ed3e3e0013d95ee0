// The integer golden model: docs/numerics.md layer by layer, knowing nothing of programs, tiles or hardware
// beyond the crossbars' conversions.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "golden/attention.hpp"
#include "golden/crossbar.hpp"
#include "golden/model.hpp"
#include "golden/quantize.hpp"

namespace pimllm {

// Where the projections of layer 0 lie on the crossbars, keys of the noise; a layer on is `per_layer`
// crossbars on.
struct ModelPlaces {
  int per_layer = 0;
  CrossbarPlace q, k, v, o, gate, up, down;
};

struct IntegerSettings {
  CrossbarSettings crossbar;
  int residual_fraction_bits = 16;  // Fx
  int head_stride = 0;   // rows from head to head at the attention output projection; 0 is head_dim
  ModelPlaces places{};  // used with noise only
};

struct ClipCounts {
  uint64_t adc = 0;    // conversions whose code was clamped
  uint64_t score = 0;  // ConSMax scores clamped

  ClipCounts& operator+=(const ClipCounts& other) {
    adc += other.adc;
    score += other.score;
    return *this;
  }
  friend bool operator==(const ClipCounts&, const ClipCounts&) = default;
};

// A matrix on crossbars; its bias has the fraction bits of the operation it goes to (empty without).
struct QuantizedProjection {
  CrossbarMatrix matrix;
  Scale scale;  // of the matrix; for Q with the query factor
  std::vector<int32_t> bias;
};

struct QuantizedLayer {
  QuantizedNorm attn_norm, attn_sub_norm, ffn_norm, ffn_sub_norm;
  QuantizedProjection wq, wk, wv, wo, w_gate, w_up, w_down;
  std::vector<ConsmaxHead> consmax;  // [heads], empty for softmax
};

// All parameters as integers. Throws Error for a model that docs/numerics.md does not cover: a bias on Q or K
// together with RoPE, on a gated FFN's up or gate, or with ReLU^2.
struct QuantizedModel {
  QuantizedModel(const ModelWeights& weights, const IntegerSettings& settings);

  ModelConfig config;
  IntegerSettings settings;
  QuantizedEmbedding embedding;
  std::vector<int32_t> positions;  // [context_length][d_model], Fx fraction bits; empty with RoPE
  std::vector<RopeRow> rope;       // [context_length], empty without RoPE
  std::vector<QuantizedLayer> layers;
  QuantizedNorm output_norm;
};

// One named tensor of one token. Exactly one of q8, u16, u24, i32 has values; golden/README.md lists the
// names and shapes.
struct ObservedTensor {
  std::string_view name;  // without the layer: "attn_norm", "q", ...
  int layer = -1;         // -1 outside the layers
  int position = 0;
  std::span<const int8_t> q8{};
  std::span<const uint16_t> u16{};
  std::span<const uint32_t> u24{};
  std::span<const int32_t> i32{};
  std::span<const Scale> scales{};
};
using Observer = std::function<void(const ObservedTensor&)>;

// A sequence being decoded: position, KV cache and clip counts. Not thread-safe; models of several threads
// share one QuantizedModel.
class IntegerModel {
 public:
  explicit IntegerModel(const ModelWeights& weights, const IntegerSettings& settings = {});
  explicit IntegerModel(std::shared_ptr<const QuantizedModel> model);

  // Decodes one token; the logits ([vocab_size], 16 fraction bits) are valid until the next call. Throws
  // Error if the token is outside the vocabulary or the context is full.
  std::span<const int32_t> step(int32_t token);

  // Decodes all tokens at once, the same bits as step by step; logits ([tokens - first][vocab_size]) of
  // tokens[first..].
  std::span<const int32_t> forward(std::span<const int32_t> tokens, size_t first = 0);

  // Position 0, empty KV cache. Clip counts stay.
  void reset();

  int position() const { return position_; }
  const ClipCounts& clips() const { return clips_; }
  void clear_clips() { clips_ = {}; }
  void set_observer(Observer observer) { observer_ = std::move(observer); }
  const QuantizedModel& model() const { return *model_; }
  const std::shared_ptr<const QuantizedModel>& shared() const { return model_; }

 private:
  // Of one layer and kv head: K rows, V columns, and per token their scales and eref.
  struct HeadCache {
    std::vector<int8_t> k;      // [context][head_dim]
    std::vector<int8_t> v;      // [head_dim][context]
    std::vector<Scale> sk, sv;  // [context]
    std::vector<int32_t> eref;  // [context], after this token
  };
  // Activations of a chunk: int8 rows, one scale a row.
  struct Rows {
    std::vector<int8_t> q;
    std::vector<Scale> s;
  };

  void chunk(std::span<const int32_t> tokens, size_t first);
  void normalise(const QuantizedNorm& norm, std::span<const int32_t> x, std::span<const Scale> sx, size_t n,
                 Rows& out);
  void requantise(std::span<const int32_t> x, std::span<const Scale> sx, size_t n, Rows& out);
  void project(const QuantizedProjection& p, const Rows& in, std::vector<int32_t>& y);
  void add(const QuantizedProjection& p, const Rows& in, std::vector<int32_t>& x, std::string_view name,
           int layer);
  void attention_operands(int layer, const Rows& in);
  void attend(int layer, size_t tokens);
  void observe_i32(std::string_view name, int layer, std::span<const int32_t> values,
                   std::span<const Scale> scales, size_t tokens);
  void observe_rows(std::string_view name, int layer, const Rows& rows, size_t scales_per_token);

  std::shared_ptr<const QuantizedModel> model_;
  std::vector<HeadCache> cache_;  // [layers][kv_heads]
  int position_ = 0;
  ClipCounts clips_;
  Observer observer_;
  std::vector<int32_t> logits_;
  Rows q_, k_, v_;            // per head scales
  std::vector<int32_t> att_;  // [tokens][heads * head_dim]
};

}  // namespace pimllm

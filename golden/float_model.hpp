// The float golden model: the network of a checkpoint in float32. Projections quantise their input to int8 by
// absmax per token (s = 127 / max(absmax, 1e-5)) and multiply exactly; everything else is float, as in other
// programs that open such files. With trained_rounding also what our trainer rounds: see FloatSettings and
// docs/training.md.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "golden/model.hpp"

namespace pimllm {

struct FloatSettings {
  // int8 by absmax for embedding rows, position rows, each head of q, k and v, and the last activations;
  // ConSMax scores rounded to 1/16 and clipped to [-8, 7.9375].
  bool trained_rounding = false;
};

// A sequence being decoded. Not thread-safe; several threads share the weights.
class FloatModel {
 public:
  // Throws Error for a model that check_model refuses.
  explicit FloatModel(std::shared_ptr<const ModelWeights> weights, const FloatSettings& settings = {});
  explicit FloatModel(const ModelWeights& weights, const FloatSettings& settings = {});

  // Decodes one token; logits [vocab_size], valid until the next call. Throws Error if the token is outside
  // the vocabulary or the context is full.
  std::span<const float> step(int32_t token);

  // Decodes all tokens at once; logits ([tokens - first][vocab_size]) of tokens[first..]. Differs from step
  // by float rounding only.
  std::span<const float> forward(std::span<const int32_t> tokens, size_t first = 0);

  void reset() { position_ = 0; }
  int position() const { return position_; }
  const ModelWeights& weights() const { return *weights_; }

 private:
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

  Matrix normalise(const NormWeights& norm, const Matrix& x) const;
  static Matrix linear(const TernaryMatrix& w, const Matrix& x);
  void rotate(Matrix& x) const;
  Matrix attend(const LayerWeights& w, size_t layer, const Matrix& q) const;
  void activate(Matrix& x) const;
  void chunk(std::span<const int32_t> tokens, size_t first);

  std::shared_ptr<const ModelWeights> weights_;
  FloatSettings settings_;
  Matrix embedding_, positions_;  // rounded copies, with trained_rounding only
  std::vector<Matrix> k_, v_;     // [layers], [context_length][kv_heads * head_dim]
  int position_ = 0;
  std::vector<float> logits_;
};

}  // namespace pimllm

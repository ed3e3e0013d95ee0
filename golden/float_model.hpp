// The float golden model: the network as it was trained, in float32. Projections quantise their input to int8
// by absmax per token (s = 127 / max(absmax, 1e-5)) and multiply exactly; everything else is float.
// Definition: docs/training.md.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "golden/model.hpp"

namespace pimllm {

// A sequence being decoded. Not thread-safe; several threads share the weights.
class FloatModel {
 public:
  // Throws Error for a model that check_model refuses.
  explicit FloatModel(std::shared_ptr<const ModelWeights> weights);
  explicit FloatModel(const ModelWeights& weights);

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
  std::vector<Matrix> k_, v_;  // [layers], [context_length][kv_heads * head_dim]
  int position_ = 0;
  std::vector<float> logits_;
};

}  // namespace pimllm

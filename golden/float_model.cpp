#include "golden/float_model.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "golden/check_model.hpp"
#include "golden/error.hpp"
#include "golden/gemm.hpp"

namespace pimllm {
namespace {

using Index = Eigen::Index;
constexpr size_t kChunk = 256;  // tokens at once, bounds the memory of long prompts
constexpr float kMinAbsmax = 1e-5F;

// Each row of x to int8 and back, as the trainer does.
template <typename Block>
void round_rows(Block&& x) {
  for (Index t = 0; t < x.rows(); ++t) {
    const float scale = 127.0F / std::max(x.row(t).cwiseAbs().maxCoeff(), kMinAbsmax);
    const float step = 1.0F / scale;
    for (Index i = 0; i < x.cols(); ++i) x(t, i) = std::nearbyint(x(t, i) * scale) * step;
  }
}

template <typename M>
void round_heads(M& x, Index head_dim) {
  for (Index h = 0; h < x.cols(); h += head_dim) round_rows(x.middleCols(h, head_dim));
}

}  // namespace

FloatModel::FloatModel(std::shared_ptr<const ModelWeights> weights, const FloatSettings& settings)
    : weights_(std::move(weights)), settings_(settings) {
  check_model(*weights_);
  const ModelConfig& c = weights_->config;
  const Index width = Index{c.kv_heads} * c.head_dim;
  k_.assign(static_cast<size_t>(c.layers), Matrix::Zero(c.context_length, width));
  v_ = k_;
  if (!settings_.trained_rounding) return;
  embedding_ = Eigen::Map<const Matrix>(weights_->token_embedding.data(), c.vocab_size, c.d_model);
  round_rows(embedding_);
  if (c.rope) return;
  positions_ = Eigen::Map<const Matrix>(weights_->position_embedding.data(), c.context_length, c.d_model);
  round_rows(positions_);
}

FloatModel::FloatModel(const ModelWeights& weights, const FloatSettings& settings)
    : FloatModel(std::make_shared<const ModelWeights>(weights), settings) {}

std::span<const float> FloatModel::step(int32_t token) { return forward({&token, 1}); }

std::span<const float> FloatModel::forward(std::span<const int32_t> tokens, size_t first) {
  const ModelConfig& c = weights_->config;
  if (tokens.size() > static_cast<size_t>(c.context_length - position_)) {
    fail("context: expected at most {} tokens, found {}", c.context_length,
         static_cast<size_t>(position_) + tokens.size());
  }
  for (const int32_t token : tokens) {
    if (token < 0 || token >= c.vocab_size) fail("token: expected 0..{}, found {}", c.vocab_size - 1, token);
  }
  logits_.clear();
  for (size_t begin = 0; begin < tokens.size(); begin += kChunk) {
    const size_t count = std::min(kChunk, tokens.size() - begin);
    chunk(tokens.subspan(begin, count), first > begin ? std::min(first - begin, count) : 0);
    position_ += static_cast<int>(count);
  }
  return logits_;
}

FloatModel::Matrix FloatModel::normalise(const NormWeights& norm, const Matrix& x) const {
  const ModelConfig& c = weights_->config;
  const auto eps = static_cast<float>(c.norm_eps);
  const Eigen::Map<const Eigen::RowVectorXf> weight(norm.weight.data(),
                                                    static_cast<Index>(norm.weight.size()));
  Matrix y(x.rows(), x.cols());
  for (Index t = 0; t < x.rows(); ++t) {
    if (c.norm == NormKind::kRms) {
      const float mean_square = x.row(t).squaredNorm() / static_cast<float>(x.cols());
      y.row(t) = (x.row(t) / std::sqrt(mean_square + eps)).cwiseProduct(weight);
    } else {
      const Eigen::RowVectorXf centred = x.row(t).array() - x.row(t).mean();
      const float variance = centred.squaredNorm() / static_cast<float>(x.cols());
      const Eigen::Map<const Eigen::RowVectorXf> bias(norm.bias.data(), static_cast<Index>(norm.bias.size()));
      y.row(t) = (centred / std::sqrt(variance + eps)).cwiseProduct(weight) + bias;
    }
  }
  return y;
}

FloatModel::Matrix FloatModel::linear(const TernaryMatrix& w, const Matrix& x) {
  const auto tokens = static_cast<size_t>(x.rows());
  const auto in = static_cast<size_t>(x.cols());
  const auto out = static_cast<size_t>(w.out_features);
  std::vector<int8_t> q(tokens * in);
  std::vector<float> s(tokens);
  for (size_t t = 0; t < tokens; ++t) {
    const auto row = x.row(static_cast<Index>(t));
    s[t] = 127.0F / std::max(row.cwiseAbs().maxCoeff(), kMinAbsmax);
    for (size_t i = 0; i < in; ++i) {
      const float scaled = std::nearbyint(row[static_cast<Index>(i)] * s[t]);
      q[t * in + i] = static_cast<int8_t>(std::clamp(scaled, -128.0F, 127.0F));
    }
  }
  std::vector<int32_t> sums(tokens * out);
  gemm_i8(static_cast<int>(tokens), w.out_features, w.in_features, q.data(), in, w.values.data(), in,
          sums.data(), out);
  Matrix y(x.rows(), w.out_features);
  for (size_t t = 0; t < tokens; ++t) {
    const float scale = w.scale / s[t];
    for (size_t o = 0; o < out; ++o) {
      y(static_cast<Index>(t), static_cast<Index>(o)) =
          static_cast<float>(sums[t * out + o]) * scale + (w.bias.empty() ? 0.0F : w.bias[o]);
    }
  }
  return y;
}

void FloatModel::rotate(Matrix& x) const {
  const ModelConfig& c = weights_->config;
  const Index half = c.head_dim / 2;
  for (Index t = 0; t < x.rows(); ++t) {
    for (Index i = 0; i < half; ++i) {
      const double angle = static_cast<double>(position_ + t) *
                           std::pow(c.rope_theta, -2.0 * static_cast<double>(i) / c.head_dim);
      const auto cosine = static_cast<float>(std::cos(angle));
      const auto sine = static_cast<float>(std::sin(angle));
      for (Index h = 0; h < x.cols(); h += c.head_dim) {
        const float lo = x(t, h + i);
        const float hi = x(t, h + i + half);
        x(t, h + i) = lo * cosine - hi * sine;
        x(t, h + i + half) = hi * cosine + lo * sine;
      }
    }
  }
}

FloatModel::Matrix FloatModel::attend(const LayerWeights& w, size_t layer, const Matrix& q) const {
  const ModelConfig& c = weights_->config;
  const Index tokens = q.rows();
  const Index keys = position_ + tokens;
  const Index head_dim = c.head_dim;
  const Index group = c.heads / c.kv_heads;
  const float factor = 1.0F / std::sqrt(static_cast<float>(c.head_dim));
  Matrix out(tokens, q.cols());
  Matrix p(tokens, keys);
  for (Index h = 0; h < c.heads; ++h) {
    const auto k = k_[layer].block(0, h / group * head_dim, keys, head_dim);
    const auto v = v_[layer].block(0, h / group * head_dim, keys, head_dim);
    p.noalias() = q.middleCols(h * head_dim, head_dim) * k.transpose();
    for (Index t = 0; t < tokens; ++t) {
      const Index n = position_ + t + 1;
      auto row = p.row(t).head(n).array();
      row *= factor;
      if (c.normalizer == Normalizer::kSoftmax) {
        row = (row - row.maxCoeff()).exp();
        row /= row.sum();
      } else {
        if (settings_.trained_rounding) row = ((row * 16.0F).rint() / 16.0F).max(-8.0F).min(7.9375F);
        row = (row + w.consmax_ln_c[static_cast<size_t>(h)]).exp();
      }
      p.row(t).tail(keys - n).setZero();
    }
    out.middleCols(h * head_dim, head_dim).noalias() = p * v;
  }
  return out;
}

void FloatModel::activate(Matrix& x) const {
  const auto a = x.array();
  switch (weights_->config.activation) {
    case Activation::kRelu:
      x = a.max(0.0F).matrix();
      return;
    case Activation::kRelu2:
      x = a.max(0.0F).square().matrix();
      return;
    case Activation::kSilu:
      x = (a / (1.0F + (-a).exp())).matrix();
      return;
    case Activation::kGelu:
      break;
  }
  const auto root = static_cast<float>(std::sqrt(2.0 / std::numbers::pi));
  x = (0.5F * a * (1.0F + (root * (a + 0.044715F * a.cube())).tanh())).matrix();
}

void FloatModel::chunk(std::span<const int32_t> tokens, size_t first) {
  const ModelConfig& c = weights_->config;
  const auto count = static_cast<Index>(tokens.size());
  using Table = Eigen::Map<const Matrix>;
  const bool rounded = settings_.trained_rounding;
  const Table embedding(rounded ? embedding_.data() : weights_->token_embedding.data(), c.vocab_size,
                        c.d_model);
  Matrix x(count, c.d_model);
  for (Index t = 0; t < count; ++t) x.row(t) = embedding.row(tokens[static_cast<size_t>(t)]);
  if (!c.rope) {
    const float* positions = rounded ? positions_.data() : weights_->position_embedding.data();
    x += Table(positions, c.context_length, c.d_model).middleRows(position_, count);
  }
  for (size_t l = 0; l < weights_->layers.size(); ++l) {
    const LayerWeights& w = weights_->layers[l];
    Matrix n = normalise(w.attn_norm, x);
    Matrix q = linear(w.wq, n);
    Matrix k = linear(w.wk, n);
    if (c.rope) {
      rotate(q);
      rotate(k);
    }
    Matrix v = linear(w.wv, n);
    if (rounded) {
      for (Matrix* m : {&q, &k, &v}) round_heads(*m, c.head_dim);
    }
    k_[l].middleRows(position_, count) = k;
    v_[l].middleRows(position_, count) = v;
    Matrix a = attend(w, l, q);
    if (c.sub_norms) a = normalise(w.attn_sub_norm, a);
    x += linear(w.wo, a);
    n = normalise(w.ffn_norm, x);
    Matrix h = linear(c.gated ? w.w_gate : w.w_up, n);
    activate(h);
    if (c.gated) h = h.cwiseProduct(linear(w.w_up, n)).eval();
    if (c.sub_norms) h = normalise(w.ffn_sub_norm, h);
    x += linear(w.w_down, h);
  }
  if (first >= tokens.size()) return;
  const Index scored = count - static_cast<Index>(first);
  Matrix last = normalise(weights_->output_norm, x.bottomRows(scored));
  if (rounded) round_rows(last);
  const Matrix logits = last * embedding.transpose();
  logits_.insert(logits_.end(), logits.data(), logits.data() + logits.size());
}

}  // namespace pimllm

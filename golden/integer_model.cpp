#include "golden/integer_model.hpp"

#include <algorithm>
#include <utility>

#include "golden/activation.hpp"
#include "golden/check_model.hpp"
#include "golden/error.hpp"
#include "golden/gemm.hpp"
#include "golden/norm.hpp"

namespace pimllm {
namespace {

constexpr size_t kChunk = 256;  // tokens at once, bounds the memory of long prompts

size_t to_size(int v) { return static_cast<size_t>(v); }

QuantizedProjection quantize_projection(const TernaryMatrix& m, const CrossbarSettings& settings,
                                        const CrossbarPlace& place, int bias_bits, double factor = 1.0,
                                        RowPositions rows = {}) {
  return {CrossbarMatrix(m.values, m.in_features, m.out_features, settings, rows, place),
          sf_from(static_cast<double>(m.scale) * factor), quantize_fixed(m.bias, bias_bits, factor)};
}

void refuse_bias(const TernaryMatrix& m, size_t layer, std::string_view matrix, std::string_view reason) {
  if (!m.bias.empty()) {
    fail("model blk.{}.{}.bias: expected none with {}, found {} values", layer, matrix, reason,
         m.bias.size());
  }
}

}  // namespace

QuantizedModel::QuantizedModel(const ModelWeights& weights, const IntegerSettings& chosen)
    : config(weights.config), settings(chosen) {
  check_model(weights);
  const ModelConfig& c = config;
  const int fx = settings.residual_fraction_bits;
  if (fx < 0 || fx > 30) fail("residual fraction bits: expected 0..30, found {}", fx);
  embedding = quantize_embedding(weights.token_embedding, c.vocab_size, c.d_model);
  positions = quantize_fixed(weights.position_embedding, fx);
  if (c.rope) {
    for (int p = 0; p < c.context_length; ++p) rope.push_back(rope_row(p, c.head_dim, c.rope_theta));
  }
  std::vector<int> rows;
  if (settings.head_stride != 0) {
    rows = padded_row_positions(c.heads * c.head_dim, c.head_dim, settings.head_stride);
  }
  const CrossbarSettings& xbar = settings.crossbar;
  const ModelPlaces& places = settings.places;
  for (size_t i = 0; i < weights.layers.size(); ++i) {
    const LayerWeights& w = weights.layers[i];
    if (c.rope) {
      refuse_bias(w.wq, i, "attn_q", "RoPE");
      refuse_bias(w.wk, i, "attn_k", "RoPE");
    }
    if (c.gated) {
      refuse_bias(w.w_gate, i, "ffn_gate", "a gated FFN");
      refuse_bias(w.w_up, i, "ffn_up", "a gated FFN");
    }
    if (c.activation == Activation::kRelu2) refuse_bias(w.w_up, i, "ffn_up", "ReLU^2");
    const auto at = [&](CrossbarPlace place) {
      place.first_crossbar += static_cast<int>(i) * places.per_layer;
      return place;
    };
    QuantizedLayer layer;
    layer.attn_norm = quantize_norm(w.attn_norm, c.norm_eps);
    layer.ffn_norm = quantize_norm(w.ffn_norm, c.norm_eps);
    if (c.sub_norms) {
      layer.attn_sub_norm = quantize_norm(w.attn_sub_norm, c.norm_eps);
      layer.ffn_sub_norm = quantize_norm(w.ffn_sub_norm, c.norm_eps);
    }
    layer.wq = quantize_projection(w.wq, xbar, at(places.q), 16, query_factor(c.normalizer, c.head_dim));
    layer.wk = quantize_projection(w.wk, xbar, at(places.k), 16);
    layer.wv = quantize_projection(w.wv, xbar, at(places.v), 16);
    layer.wo = quantize_projection(w.wo, xbar, at(places.o), fx, 1.0, rows);
    if (c.gated) layer.w_gate = quantize_projection(w.w_gate, xbar, at(places.gate), 12);
    layer.w_up = quantize_projection(w.w_up, xbar, at(places.up), 12);
    layer.w_down = quantize_projection(w.w_down, xbar, at(places.down), fx);
    for (const float ln_c : w.consmax_ln_c) layer.consmax.push_back(consmax_head(ln_c));
    layers.push_back(std::move(layer));
  }
  output_norm = quantize_norm(weights.output_norm, c.norm_eps);
}

IntegerModel::IntegerModel(const ModelWeights& weights, const IntegerSettings& settings)
    : IntegerModel(std::make_shared<const QuantizedModel>(weights, settings)) {}

IntegerModel::IntegerModel(std::shared_ptr<const QuantizedModel> model) : model_(std::move(model)) {
  const ModelConfig& c = model_->config;
  const size_t context = to_size(c.context_length);
  const size_t head_dim = to_size(c.head_dim);
  cache_.resize(to_size(c.layers) * to_size(c.kv_heads));
  for (HeadCache& head : cache_) {
    head.k.resize(context * head_dim);
    head.v.resize(context * head_dim);
    head.sk.resize(context);
    head.sv.resize(context);
    head.eref.resize(context);
  }
}

void IntegerModel::reset() { position_ = 0; }

std::span<const int32_t> IntegerModel::step(int32_t token) { return forward({&token, 1}); }

std::span<const int32_t> IntegerModel::forward(std::span<const int32_t> tokens, size_t first) {
  const ModelConfig& c = model_->config;
  if (tokens.size() > to_size(c.context_length - position_)) {
    fail("context: expected at most {} tokens, found {}", c.context_length,
         to_size(position_) + tokens.size());
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

void IntegerModel::normalise(const QuantizedNorm& norm, std::span<const int32_t> x, std::span<const Scale> sx,
                             size_t n, Rows& out) {
  out.q.resize(x.size());
  out.s.resize(x.size() / n);
  const std::span<int8_t> q(out.q);
  for (size_t t = 0; t < out.s.size(); ++t) {
    const Scale scale = sx[sx.size() == 1 ? 0 : t];
    out.s[t] = model_->config.norm == NormKind::kRms
                   ? rms_norm_into(x.subspan(t * n, n), scale, norm, q.subspan(t * n, n))
                   : layer_norm_into(x.subspan(t * n, n), scale, norm, q.subspan(t * n, n));
  }
}

void IntegerModel::requantise(std::span<const int32_t> x, std::span<const Scale> sx, size_t n, Rows& out) {
  out.q.resize(x.size());
  out.s.resize(x.size() / n);
  for (size_t t = 0; t < out.s.size(); ++t) {
    out.s[t] =
        quant_into(x.subspan(t * n, n), sx[sx.size() == 1 ? 0 : t], std::span(out.q).subspan(t * n, n));
  }
}

void IntegerModel::project(const QuantizedProjection& p, const Rows& in, std::vector<int32_t>& y) {
  y.resize(in.s.size() * to_size(p.matrix.out()));
  p.matrix.project(in.q, static_cast<int>(in.s.size()), y, clips_.adc, position_);
}

void IntegerModel::add(const QuantizedProjection& p, const Rows& in, std::vector<int32_t>& x,
                       std::string_view name, int layer) {
  std::vector<int32_t> y;
  project(p, in, y);
  observe_i32(name, layer, y, {}, in.s.size());
  const size_t n = to_size(p.matrix.out());
  for (size_t t = 0; t < in.s.size(); ++t) {
    residual_add(std::span(x).subspan(t * n, n), std::span<const int32_t>(y).subspan(t * n, n),
                 sf_mul(in.s[t], p.scale), model_->settings.residual_fraction_bits, p.bias);
  }
}

void IntegerModel::observe_i32(std::string_view name, int layer, std::span<const int32_t> values,
                               std::span<const Scale> scales, size_t tokens) {
  if (!observer_) return;
  const size_t n = values.size() / tokens;
  for (size_t t = 0; t < tokens; ++t) {
    observer_({.name = name,
               .layer = layer,
               .position = position_ + static_cast<int>(t),
               .i32 = values.subspan(t * n, n),
               .scales = scales.size() <= 1 ? scales : scales.subspan(t, 1)});
  }
}

void IntegerModel::observe_rows(std::string_view name, int layer, const Rows& rows, size_t scales_per_token) {
  if (!observer_) return;
  const size_t tokens = rows.s.size() / scales_per_token;
  const size_t n = rows.q.size() / tokens;
  for (size_t t = 0; t < tokens; ++t) {
    observer_({.name = name,
               .layer = layer,
               .position = position_ + static_cast<int>(t),
               .q8 = std::span(rows.q).subspan(t * n, n),
               .scales = std::span(rows.s).subspan(t * scales_per_token, scales_per_token)});
  }
}

// Projects to q_, k_, v_ and appends K and V to the cache.
void IntegerModel::attention_operands(int layer, const Rows& in) {
  const ModelConfig& c = model_->config;
  const QuantizedLayer& w = model_->layers[to_size(layer)];
  const size_t tokens = in.s.size();
  const size_t head_dim = to_size(c.head_dim);
  const size_t half = head_dim / 2;
  std::vector<int32_t> y;
  const auto operand = [&](const QuantizedProjection& p, bool rotated, std::string_view name, Rows& out) {
    project(p, in, y);
    const size_t heads = to_size(p.matrix.out()) / head_dim;
    out.q.resize(y.size());
    out.s.resize(tokens * heads);
    for (size_t i = 0; i < tokens * heads; ++i) {
      const auto head_y = std::span<const int32_t>(y).subspan(i * head_dim, head_dim);
      const auto q = std::span(out.q).subspan(i * head_dim, head_dim);
      const Scale s = sf_mul(in.s[i / heads], p.scale);
      if (rotated) {
        const RopeRow& row = model_->rope[to_size(position_) + i / heads];
        out.s[i] = rope_quant_into(head_y.first(half), head_y.last(half), row.cos, row.sin, s, q.first(half),
                                   q.last(half));
      } else if (!p.bias.empty()) {
        out.s[i] = bias_quant_into(
            head_y, s, std::span<const int32_t>(p.bias).subspan(i % heads * head_dim, head_dim), q);
      } else {
        out.s[i] = quant_into(head_y, s, q);
      }
    }
    observe_rows(name, layer, out, heads);
  };
  operand(w.wq, c.rope, "q", q_);
  operand(w.wk, c.rope, "k", k_);
  operand(w.wv, false, "v", v_);

  const size_t kv_heads = to_size(c.kv_heads);
  const size_t context = to_size(c.context_length);
  for (size_t h = 0; h < kv_heads; ++h) {
    HeadCache& head = cache_[to_size(layer) * kv_heads + h];
    for (size_t t = 0; t < tokens; ++t) {
      const size_t i = t * kv_heads + h;
      const size_t pos = to_size(position_) + t;
      std::copy_n(k_.q.begin() + static_cast<std::ptrdiff_t>(i * head_dim), head_dim,
                  head.k.begin() + static_cast<std::ptrdiff_t>(pos * head_dim));
      for (size_t d = 0; d < head_dim; ++d) head.v[d * context + pos] = v_.q[i * head_dim + d];
      head.sk[pos] = k_.s[i];
      head.sv[pos] = v_.s[i];
      head.eref[pos] = next_eref(pos == 0 ? kErefStart : head.eref[pos - 1], v_.s[i]);
    }
  }
}

// Attention of q_ over the cache into att_.
void IntegerModel::attend(int layer, size_t tokens) {
  const ModelConfig& c = model_->config;
  const size_t heads = to_size(c.heads);
  const size_t head_dim = to_size(c.head_dim);
  const size_t group = heads / to_size(c.kv_heads);
  const size_t context = to_size(c.context_length);
  const size_t keys = to_size(position_) + tokens;
  const bool softmax = c.normalizer == Normalizer::kSoftmax;
  const size_t width = heads * head_dim;
  att_.resize(tokens * width);
  std::vector<int32_t> acc(tokens * keys);
  // Byte planes of the numerators and their products with V, lowest first.
  const size_t planes = softmax ? 3 : 2;
  std::vector<std::vector<uint8_t>> plane(planes, std::vector<uint8_t>(tokens * keys));
  std::vector<std::vector<int32_t>> o(planes, std::vector<int32_t>(tokens * head_dim));
  std::vector<int32_t> scores(keys);
  std::vector<int8_t> scores8(keys);
  std::vector<uint16_t> numerators16(keys);  // ConSMax
  std::vector<uint32_t> numerators24(keys);
  std::vector<Scale> factors(tokens);
  // Of the whole token, for the observer only: [tokens][heads][position + 1].
  std::vector<std::vector<int32_t>> all_scores(observer_ ? tokens : 0);
  std::vector<std::vector<uint16_t>> all16(observer_ ? tokens : 0);
  std::vector<std::vector<uint32_t>> all24(observer_ ? tokens : 0);
  std::vector<std::vector<Scale>> all_factors(observer_ ? tokens : 0);
  const int t_count = static_cast<int>(tokens);
  const int key_count = static_cast<int>(keys);
  for (size_t h = 0; h < heads; ++h) {
    const HeadCache& head = cache_[to_size(layer) * to_size(c.kv_heads) + h / group];
    gemm_i8(t_count, key_count, c.head_dim, q_.q.data() + h * head_dim, width, head.k.data(), head_dim,
            acc.data(), keys);
    for (size_t t = 0; t < tokens; ++t) {
      const size_t n = to_size(position_) + t + 1;
      const Scale sq = q_.s[t * heads + h];
      const auto sv = std::span<const Scale>(head.sv).first(n);
      const int eref = head.eref[n - 1];
      const int32_t* row = acc.data() + t * keys;
      const auto numerator = std::span(numerators24).first(n);
      if (softmax) {
        for (size_t i = 0; i < n; ++i) scores[i] = softmax_score(row[i], sf_mul(sq, head.sk[i]));
        const auto score = std::span<const int32_t>(scores).first(n);
        SoftmaxState state;
        softmax_maximum(score, state);
        softmax_numerators(score, sv, eref, state, numerator);
        factors[t] = softmax_factor(state, eref);
      } else {
        for (size_t i = 0; i < n; ++i) {
          scores8[i] = consmax_score(row[i], sf_mul(sq, head.sk[i]), clips_.score);
          scores[i] = scores8[i];
        }
        const ConsmaxHead& consmax = model_->layers[to_size(layer)].consmax[h];
        consmax_numerators(std::span<const int8_t>(scores8).first(n), sv, eref, consmax,
                           std::span(numerators16).first(n));
        std::copy_n(numerators16.begin(), n, numerator.begin());
        factors[t] = consmax_factor(eref, consmax);
      }
      for (size_t p = 0; p < planes; ++p) {
        for (size_t i = 0; i < n; ++i)
          plane[p][t * keys + i] = static_cast<uint8_t>(numerator[i] >> (8 * p) & 255U);
      }
      if (observer_) {
        all_scores[t].insert(all_scores[t].end(), scores.begin(),
                             scores.begin() + static_cast<std::ptrdiff_t>(n));
        if (softmax) {
          all24[t].insert(all24[t].end(), numerator.begin(), numerator.end());
        } else {
          all16[t].insert(all16[t].end(), numerators16.begin(),
                          numerators16.begin() + static_cast<std::ptrdiff_t>(n));
        }
        all_factors[t].push_back(factors[t]);
      }
    }
    for (size_t p = 0; p < planes; ++p) {
      gemm_u8i8(t_count, c.head_dim, key_count, plane[p].data(), keys, head.v.data(), context, o[p].data(),
                head_dim);
    }
    for (size_t t = 0; t < tokens; ++t) {
      for (size_t d = 0; d < head_dim; ++d) {
        const size_t i = t * head_dim + d;
        const int32_t joined = softmax ? pv_join(o[0][i], o[1][i], o[2][i]) : pv_join(o[0][i], o[1][i]);
        att_[t * width + h * head_dim + d] = attention_value(joined, factors[t]);
      }
    }
  }
  if (!observer_) return;
  for (size_t t = 0; t < tokens; ++t) {
    const int position = position_ + static_cast<int>(t);
    observer_({.name = "scores", .layer = layer, .position = position, .i32 = all_scores[t]});
    observer_({.name = "numerators",
               .layer = layer,
               .position = position,
               .u16 = all16[t],
               .u24 = all24[t],
               .scales = all_factors[t]});
  }
}

void IntegerModel::chunk(std::span<const int32_t> tokens, size_t first) {
  const QuantizedModel& m = *model_;
  const ModelConfig& c = m.config;
  const size_t count = tokens.size();
  const size_t d = to_size(c.d_model);
  const int fx = m.settings.residual_fraction_bits;
  const std::vector<Scale> residual_scale(1, sf_pow2(-fx));
  const std::vector<Scale> attention_scale(1, sf_pow2(-16));

  std::vector<int32_t> x(count * d);
  for (size_t t = 0; t < count; ++t) {
    const size_t row = to_size(tokens[t]);
    const auto position =
        m.positions.empty() ? std::span<const int32_t>()
                            : std::span<const int32_t>(m.positions).subspan((to_size(position_) + t) * d, d);
    embed(std::span<const int8_t>(m.embedding.values).subspan(row * d, d), m.embedding.scales[row], fx,
          position, std::span(x).subspan(t * d, d));
  }
  observe_i32("embedding", -1, x, residual_scale, count);

  Rows rows;
  std::vector<int32_t> g;
  std::vector<int32_t> u;
  for (int l = 0; l < c.layers; ++l) {
    const QuantizedLayer& w = m.layers[to_size(l)];
    normalise(w.attn_norm, x, residual_scale, d, rows);
    observe_rows("attn_norm", l, rows, 1);
    attention_operands(l, rows);
    attend(l, count);
    observe_i32("att", l, att_, attention_scale, count);
    const size_t width = to_size(c.heads) * to_size(c.head_dim);
    if (c.sub_norms) {
      normalise(w.attn_sub_norm, att_, attention_scale, width, rows);
    } else {
      requantise(att_, attention_scale, width, rows);
    }
    observe_rows("attn_sub_norm", l, rows, 1);
    add(w.wo, rows, x, "attn_output", l);
    observe_i32("resid_attn", l, x, residual_scale, count);

    normalise(w.ffn_norm, x, residual_scale, d, rows);
    observe_rows("ffn_norm", l, rows, 1);
    const size_t ff = to_size(c.d_ff);
    project(w.w_up, rows, u);
    observe_i32("ffn_up", l, u, {}, count);
    if (c.gated) {
      project(w.w_gate, rows, g);
      observe_i32("ffn_gate", l, g, {}, count);
    }
    std::vector<int32_t> h(count * ff);
    std::vector<Scale> sh(count);
    for (size_t t = 0; t < count; ++t) {
      const auto up = std::span<const int32_t>(u).subspan(t * ff, ff);
      const auto out = std::span(h).subspan(t * ff, ff);
      const Scale su = sf_mul(rows.s[t], w.w_up.scale);
      sh[t] = c.gated ? activate_into(c.activation, std::span<const int32_t>(g).subspan(t * ff, ff),
                                      sf_mul(rows.s[t], w.w_gate.scale), w.w_gate.bias, up, su, out)
                      : activate_into(c.activation, up, su, w.w_up.bias, {}, {}, out);
    }
    observe_i32("act", l, h, sh, count);
    if (c.sub_norms) {
      normalise(w.ffn_sub_norm, h, sh, ff, rows);
    } else {
      requantise(h, sh, ff, rows);
    }
    observe_rows("ffn_sub_norm", l, rows, 1);
    add(w.w_down, rows, x, "ffn_down", l);
    observe_i32("resid_ffn", l, x, residual_scale, count);
  }
  if (first >= count) return;
  const size_t heads = count - first;
  normalise(m.output_norm, std::span<const int32_t>(x).subspan(first * d), residual_scale, d, rows);
  const size_t vocab = to_size(c.vocab_size);
  const size_t offset = logits_.size();
  logits_.resize(offset + heads * vocab);
  const std::span<int32_t> logits = std::span(logits_).subspan(offset);
  gemm_i8(static_cast<int>(heads), c.vocab_size, c.d_model, rows.q.data(), d, m.embedding.values.data(), d,
          logits.data(), vocab);
  for (size_t t = 0; t < heads; ++t) {
    for (size_t v = 0; v < vocab; ++v) {
      int32_t& value = logits[t * vocab + v];
      value = logit(value, sf_mul(m.embedding.scales[v], rows.s[t]));
    }
  }
  if (!observer_) return;
  for (size_t t = 0; t < heads; ++t) {
    const int position = position_ + static_cast<int>(first + t);
    observer_({.name = "output_norm",
               .position = position,
               .q8 = std::span(rows.q).subspan(t * d, d),
               .scales = std::span(rows.s).subspan(t, 1)});
    observer_({.name = "logits", .position = position, .i32 = logits.subspan(t * vocab, vocab)});
  }
}

}  // namespace pimllm

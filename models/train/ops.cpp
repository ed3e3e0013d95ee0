#include "models/train/ops.hpp"

#include <ATen/Parallel.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

namespace pimllm::train {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

constexpr float kMinAbsmax = 1e-5F;
constexpr float kScoreSteps = 16.0F;
constexpr float kMinScore = -8.0F;
constexpr float kMaxScore = 7.9375F;
constexpr int64_t kGrain = 64;

// Autograd functions take no undefined tensors: an absent one is empty.
Tensor or_empty(const Tensor& x) { return x.defined() ? x : torch::empty({0}); }
bool present(const Tensor& x) { return x.numel() > 0; }

template <typename F>
void for_rows(int64_t rows, F f) {
  at::parallel_for(0, rows, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) f(i);
  });
}

void quantize_row(const float* x, float* out, int64_t n) {
  float absmax = 0.0F;
  for (int64_t i = 0; i < n; ++i) absmax = std::max(absmax, std::fabs(x[i]));
  const float scale = 127.0F / std::max(absmax, kMinAbsmax);
  const float step = 1.0F / scale;
  for (int64_t i = 0; i < n; ++i) out[i] = std::nearbyint(x[i] * scale) * step;
}

Tensor quantized(const Tensor& x) {
  Tensor out = torch::empty_like(x);
  const int64_t n = x.size(-1);
  const float* from = x.data_ptr<float>();
  float* to = out.data_ptr<float>();
  for_rows(x.numel() / n, [=](int64_t row) { quantize_row(from + row * n, to + row * n, n); });
  return out;
}

// Mean of |w| of n rows.
float absmean(const float* w, int64_t rows, int64_t in) {
  double sum = 0.0;
  for (int64_t row = 0; row < rows; ++row) {
    float row_sum = 0.0F;
    for (int64_t i = 0; i < in; ++i) row_sum += std::fabs(w[row * in + i]);
    sum += row_sum;
  }
  return std::max(static_cast<float>(sum / static_cast<double>(rows * in)), kMinAbsmax);
}

struct QuantizeRows : Function<QuantizeRows> {
  static Tensor forward(AutogradContext*, const Tensor& x) { return quantized(x); }
  static variable_list backward(AutogradContext*, const variable_list& grads) { return {grads[0]}; }
};

// bfloat16 holds int8 and ternary values exactly; rounding to nearest even. Finite values only.
uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}
float from_bf16(uint16_t value) { return std::bit_cast<float>(static_cast<uint32_t>(value) << 16); }

Tensor empty_bf16(at::IntArrayRef shape) { return torch::empty(shape, torch::kBFloat16); }
uint16_t* bf16_data(const Tensor& x) { return reinterpret_cast<uint16_t*>(x.data_ptr<at::BFloat16>()); }

// out[i][j] = bf16(x[i][j] * row[i] * column[j]); either factor may be null.
Tensor scaled_to_bf16(const Tensor& x, const float* row, const float* column) {
  const int64_t n = x.size(1);
  Tensor out = empty_bf16(x.sizes());
  const float* from = x.data_ptr<float>();
  uint16_t* to = bf16_data(out);
  for_rows(x.size(0), [=](int64_t i) {
    const float factor = row != nullptr ? row[i] : 1.0F;
    if (column != nullptr) {
      for (int64_t j = 0; j < n; ++j) to[i * n + j] = to_bf16(from[i * n + j] * factor * column[j]);
    } else {
      for (int64_t j = 0; j < n; ++j) to[i * n + j] = to_bf16(from[i * n + j] * factor);
    }
  });
  return out;
}

// out[i][j] = x[i][j] * row[i] * column[j] + bias[j]; any of the three may be null.
Tensor scaled_from_bf16(const Tensor& x, const float* row, const float* column, const float* bias) {
  const int64_t n = x.size(1);
  Tensor out = torch::empty(x.sizes());
  const uint16_t* from = bf16_data(x);
  float* to = out.data_ptr<float>();
  for_rows(x.size(0), [=](int64_t i) {
    const float factor = row != nullptr ? row[i] : 1.0F;
    for (int64_t j = 0; j < n; ++j) to[i * n + j] = from_bf16(from[i * n + j]) * factor;
    if (column != nullptr) {
      for (int64_t j = 0; j < n; ++j) to[i * n + j] *= column[j];
    }
    if (bias != nullptr) {
      for (int64_t j = 0; j < n; ++j) to[i * n + j] += bias[j];
    }
  });
  return out;
}

// The exact form, in float32.
struct TernaryLinear : Function<TernaryLinear> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& w, const Tensor& bias,
                        const std::vector<int64_t>& parts, bool frozen) {
    const Tensor xq = quantized(x);
    Tensor wq = w.detach();
    if (!frozen) {
      wq = wq.clone();
      ternarize(wq.data_ptr<float>(), parts, wq.size(1));
    }
    context->save_for_backward({xq, wq});
    context->saved_data["bias"] = present(bias);
    return present(bias) ? torch::addmm(bias, xq, wq.t()) : torch::mm(xq, wq.t());
  }
  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const auto saved = context->get_saved_variables();
    const Tensor dy = grads[0].contiguous();
    Tensor db;
    if (context->saved_data["bias"].toBool()) db = dy.sum(0);
    return {dy.mm(saved[1]), dy.t().mm(saved[0]), db, Tensor(), Tensor()};
  }
};

// The fast form: products of bfloat16 integers, scales applied to the results (which are rounded to
// bfloat16).
struct FastTernaryLinear : Function<FastTernaryLinear> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& w, const Tensor& bias,
                        const std::vector<int64_t>& parts) {
    const int64_t rows = x.size(0);
    const int64_t in = x.size(1);
    const int64_t out = w.size(0);
    Tensor xi = empty_bf16({rows, in});
    Tensor row_scale = torch::empty({rows});
    const float* px = x.data_ptr<float>();
    uint16_t* pi = bf16_data(xi);
    float* pr = row_scale.data_ptr<float>();
    for_rows(rows, [=](int64_t row) {
      float absmax = 0.0F;
      for (int64_t i = 0; i < in; ++i) absmax = std::max(absmax, std::fabs(px[row * in + i]));
      const float scale = 127.0F / std::max(absmax, kMinAbsmax);
      pr[row] = 1.0F / scale;
      for (int64_t i = 0; i < in; ++i) pi[row * in + i] = to_bf16(std::nearbyint(px[row * in + i] * scale));
    });
    Tensor wt = empty_bf16({out, in});
    Tensor column_scale = torch::empty({out});
    const float* pw = w.data_ptr<float>();
    uint16_t* pt = bf16_data(wt);
    float* pc = column_scale.data_ptr<float>();
    for (const int64_t part : parts) {
      const float scale = absmean(pw, part, in);
      const float inverse = 1.0F / scale;
      for (int64_t i = 0; i < part * in; ++i) {
        pt[i] = to_bf16(std::min(std::max(std::nearbyint(pw[i] * inverse), -1.0F), 1.0F));
      }
      std::fill(pc, pc + part, scale);
      pw += part * in;
      pt += part * in;
      pc += part;
    }
    context->save_for_backward({xi, row_scale, wt, column_scale});
    context->saved_data["bias"] = present(bias);
    return scaled_from_bf16(torch::mm(xi, wt.t()), pr, column_scale.data_ptr<float>(),
                            present(bias) ? bias.data_ptr<float>() : nullptr);
  }
  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const auto saved = context->get_saved_variables();
    const Tensor dy = grads[0].contiguous();
    const Tensor for_x = scaled_to_bf16(dy, nullptr, saved[3].data_ptr<float>());
    const Tensor for_w = scaled_to_bf16(dy, saved[1].data_ptr<float>(), nullptr);
    Tensor db;
    if (context->saved_data["bias"].toBool()) db = dy.sum(0);
    return {scaled_from_bf16(for_x.mm(saved[2]), nullptr, nullptr, nullptr),
            scaled_from_bf16(for_w.t().mm(saved[0]), nullptr, nullptr, nullptr), db, Tensor()};
  }
};

struct Normalize : Function<Normalize> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, const Tensor& bias,
                        double eps) {
    const int64_t rows = x.size(0);
    const int64_t n = x.size(1);
    const bool layer = present(bias);
    Tensor unit = torch::empty_like(x);  // normalised, before weight and bias
    Tensor inverse = torch::empty({rows});
    Tensor out = torch::empty_like(x);
    const float* px = x.data_ptr<float>();
    const float* pw = weight.data_ptr<float>();
    const float* pb = layer ? bias.data_ptr<float>() : nullptr;
    float* pu = unit.data_ptr<float>();
    float* pi = inverse.data_ptr<float>();
    float* po = out.data_ptr<float>();
    for_rows(rows, [=](int64_t row) {
      const float* xr = px + row * n;
      float mean = 0.0F;
      if (pb != nullptr) {
        for (int64_t i = 0; i < n; ++i) mean += xr[i];
        mean /= static_cast<float>(n);
      }
      float square = 0.0F;
      for (int64_t i = 0; i < n; ++i) square += (xr[i] - mean) * (xr[i] - mean);
      const float inv = 1.0F / std::sqrt(square / static_cast<float>(n) + static_cast<float>(eps));
      pi[row] = inv;
      for (int64_t i = 0; i < n; ++i) {
        const float u = (xr[i] - mean) * inv;
        pu[row * n + i] = u;
        po[row * n + i] = u * pw[i] + (pb != nullptr ? pb[i] : 0.0F);
      }
    });
    context->save_for_backward({unit, inverse, weight});
    context->saved_data["layer"] = layer;
    return out;
  }
  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const auto saved = context->get_saved_variables();
    const bool layer = context->saved_data["layer"].toBool();
    const Tensor dy = grads[0].contiguous();
    const int64_t rows = dy.size(0);
    const int64_t n = dy.size(1);
    Tensor dx = torch::empty_like(dy);
    Tensor dw = torch::zeros({n});
    Tensor db = layer ? torch::zeros({n}) : Tensor();
    const float* pd = dy.data_ptr<float>();
    const float* pu = saved[0].data_ptr<float>();
    const float* pi = saved[1].data_ptr<float>();
    const float* pw = saved[2].data_ptr<float>();
    float* px = dx.data_ptr<float>();
    float* pdw = dw.data_ptr<float>();
    float* pdb = layer ? db.data_ptr<float>() : nullptr;
    for_rows(rows, [=](int64_t row) {
      const float* g = pd + row * n;
      const float* u = pu + row * n;
      float along = 0.0F;
      float mean = 0.0F;
      for (int64_t i = 0; i < n; ++i) along += g[i] * pw[i] * u[i];
      if (layer) {
        for (int64_t i = 0; i < n; ++i) mean += g[i] * pw[i];
      }
      along /= static_cast<float>(n);
      mean /= static_cast<float>(n);
      for (int64_t i = 0; i < n; ++i) px[row * n + i] = pi[row] * (g[i] * pw[i] - mean - u[i] * along);
    });
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t i = 0; i < n; ++i) pdw[i] += pd[row * n + i] * pu[row * n + i];
    }
    if (layer) {
      for (int64_t row = 0; row < rows; ++row) {
        for (int64_t i = 0; i < n; ++i) pdb[i] += pd[row * n + i];
      }
    }
    return {dx, dw, db, Tensor()};
  }
};

// cos and sin of position * theta^(-2 i / head_dim), [context][head_dim / 2] each.
struct Rotation {
  Rotation(int64_t context, int64_t head_dim, double theta) : half(head_dim / 2) {
    for (int64_t t = 0; t < context; ++t) {
      for (int64_t i = 0; i < half; ++i) {
        const double angle = static_cast<double>(t) *
                             std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
        cosine.push_back(static_cast<float>(std::cos(angle)));
        sine.push_back(static_cast<float>(std::sin(angle)));
      }
    }
  }
  void turn(const float* x, float* out, int64_t position, float direction) const {
    const float* c = cosine.data() + position * half;
    const float* s = sine.data() + position * half;
    for (int64_t i = 0; i < half; ++i) {
      const float a = x[i];
      const float b = x[i + half];
      out[i] = a * c[i] - direction * b * s[i];
      out[i + half] = b * c[i] + direction * a * s[i];
    }
  }
  int64_t half;
  std::vector<float> cosine, sine;
};

// Where the heads of q, k and v lie in a row of qkv.
struct HeadParts {
  explicit HeadParts(const HeadShape& s)
      : count{s.heads, s.kv_heads, s.kv_heads}, first{0, s.heads, s.heads + s.kv_heads}, shape(s) {}
  // Offset of token t of row [batch][head] of a part.
  int64_t at(int64_t part, int64_t row, int64_t t) const {
    const int64_t token = row / count[part] * shape.context + t;
    return (token * (shape.heads + 2 * shape.kv_heads) + first[part] + row % count[part]) * shape.head_dim;
  }
  int64_t count[3], first[3];
  HeadShape shape;
};

struct SplitHeads : Function<SplitHeads> {
  static variable_list forward(AutogradContext* context, const Tensor& qkv, int64_t batch, int64_t tokens,
                               int64_t heads, int64_t kv_heads, int64_t head_dim, double rope_theta) {
    context->saved_data["batch"] = batch;
    context->saved_data["tokens"] = tokens;
    context->saved_data["heads"] = heads;
    context->saved_data["kv_heads"] = kv_heads;
    context->saved_data["head_dim"] = head_dim;
    context->saved_data["rope_theta"] = rope_theta;
    const bool rope = rope_theta > 0.0;
    const Rotation rotation(rope ? tokens : 0, head_dim, rope_theta);
    const HeadParts parts({batch, tokens, heads, kv_heads, head_dim});
    const float* from = qkv.data_ptr<float>();
    variable_list out;
    for (int64_t part = 0; part < 3; ++part) {
      out.push_back(torch::empty({batch * parts.count[part], tokens, head_dim}));
      float* to = out.back().data_ptr<float>();
      for_rows(batch * parts.count[part], [&, to, part](int64_t row) {
        std::vector<float> turned(head_dim);
        for (int64_t t = 0; t < tokens; ++t) {
          const float* x = from + parts.at(part, row, t);
          if (rope && part < 2) {
            rotation.turn(x, turned.data(), t, 1.0F);
            x = turned.data();
          }
          quantize_row(x, to + (row * tokens + t) * head_dim, head_dim);
        }
      });
    }
    return out;
  }
  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const int64_t batch = context->saved_data["batch"].toInt();
    const int64_t tokens = context->saved_data["tokens"].toInt();
    const int64_t heads = context->saved_data["heads"].toInt();
    const int64_t kv_heads = context->saved_data["kv_heads"].toInt();
    const int64_t head_dim = context->saved_data["head_dim"].toInt();
    const double rope_theta = context->saved_data["rope_theta"].toDouble();
    const bool rope = rope_theta > 0.0;
    const Rotation rotation(rope ? tokens : 0, head_dim, rope_theta);
    const HeadParts parts({batch, tokens, heads, kv_heads, head_dim});
    Tensor dqkv = torch::empty({batch * tokens, (heads + 2 * kv_heads) * head_dim});
    float* to = dqkv.data_ptr<float>();
    for (int64_t part = 0; part < 3; ++part) {
      const Tensor grad = grads[part].contiguous();
      const float* from = grad.data_ptr<float>();
      for_rows(batch * parts.count[part], [&, from, to, part](int64_t row) {
        for (int64_t t = 0; t < tokens; ++t) {
          const float* g = from + (row * tokens + t) * head_dim;
          float* dx = to + parts.at(part, row, t);
          if (rope && part < 2) {
            rotation.turn(g, dx, t, -1.0F);
          } else {
            std::copy(g, g + head_dim, dx);
          }
        }
      });
    }
    return {dqkv, Tensor(), Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

void softmax_row(float* s, int64_t valid, float scale) {
  float top = s[0];
  for (int64_t j = 1; j < valid; ++j) top = std::max(top, s[j]);
  float sum = 0.0F;
  for (int64_t j = 0; j < valid; ++j) {
    s[j] = std::exp((s[j] - top) * scale);
    sum += s[j];
  }
  const float inverse = 1.0F / sum;
  for (int64_t j = 0; j < valid; ++j) s[j] *= inverse;
}

void consmax_row(const float* s, float* p, int64_t valid, float scale, float ln_c) {
  for (int64_t j = 0; j < valid; ++j) {
    const float score = std::nearbyint(s[j] * scale * kScoreSteps) * (1.0F / kScoreSteps);
    p[j] = std::exp(std::min(std::max(score, kMinScore), kMaxScore) + ln_c);
  }
}

// The heads of a KV head are neighbours: all their queries are one matrix beside its keys and values.
Tensor grouped(const Tensor& x, const Tensor& k) { return x.view({k.size(0), -1, x.size(2)}); }

struct Attend : Function<Attend> {
  static Tensor forward(AutogradContext* context, const Tensor& q, const Tensor& k, const Tensor& v,
                        const Tensor& ln_c) {
    const int64_t rows = q.size(0);
    const int64_t tokens = q.size(1);
    const float scale = 1.0F / std::sqrt(static_cast<float>(q.size(2)));
    const bool consmax = present(ln_c);
    const Tensor scores = torch::bmm(grouped(q, k), k.transpose(1, 2)).view({rows, tokens, tokens});
    const Tensor p = consmax ? torch::empty_like(scores) : scores;
    const float* ps = scores.data_ptr<float>();
    const float* pc = consmax ? ln_c.data_ptr<float>() : nullptr;
    const int64_t heads = consmax ? ln_c.size(0) : 1;
    float* pp = p.data_ptr<float>();
    for_rows(rows * tokens, [=](int64_t row) {
      const int64_t valid = row % tokens + 1;
      if (consmax) {
        consmax_row(ps + row * tokens, pp + row * tokens, valid, scale, pc[(row / tokens) % heads]);
      } else {
        softmax_row(pp + row * tokens, valid, scale);
      }
      std::fill(pp + row * tokens + valid, pp + (row + 1) * tokens, 0.0F);
    });
    context->save_for_backward({q, k, v, p, consmax ? scores : torch::empty({0})});
    context->saved_data["heads"] = consmax ? heads : int64_t{0};
    return torch::bmm(grouped(p, v), v).view(q.sizes());
  }
  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const auto saved = context->get_saved_variables();
    const Tensor& q = saved[0];
    const Tensor& k = saved[1];
    const Tensor& v = saved[2];
    const Tensor& p = saved[3];
    const int64_t heads = context->saved_data["heads"].toInt();
    const bool consmax = heads > 0;
    const int64_t rows = q.size(0);
    const int64_t tokens = q.size(1);
    const float scale = 1.0F / std::sqrt(static_cast<float>(q.size(2)));
    const Tensor dout = grads[0].contiguous();
    const Tensor dv = torch::bmm(grouped(p, v).transpose(1, 2), grouped(dout, v));
    const Tensor dp = torch::bmm(grouped(dout, v), v.transpose(1, 2)).view(p.sizes());
    Tensor row_sums = torch::empty({rows, tokens});
    const float* pp = p.data_ptr<float>();
    const float* ps = consmax ? saved[4].data_ptr<float>() : nullptr;
    float* pd = dp.data_ptr<float>();
    float* pr = row_sums.data_ptr<float>();
    for_rows(rows * tokens, [=](int64_t row) {
      const int64_t valid = row % tokens + 1;
      const float* pi = pp + row * tokens;
      float* d = pd + row * tokens;
      float sum = 0.0F;
      for (int64_t j = 0; j < valid; ++j) sum += pi[j] * d[j];
      pr[row] = sum;
      if (consmax) {
        const float* s = ps + row * tokens;
        for (int64_t j = 0; j < valid; ++j) {
          const float g = pi[j] * d[j] * scale;
          const float score = s[j] * scale;
          // A clipped score only learns to come back.
          const bool stuck = (score > kMaxScore && g < 0.0F) || (score < kMinScore && g > 0.0F);
          d[j] = stuck ? 0.0F : g;
        }
      } else {
        for (int64_t j = 0; j < valid; ++j) d[j] = pi[j] * (d[j] - sum) * scale;
      }
      std::fill(d + valid, d + tokens, 0.0F);
    });
    Tensor dln_c;
    if (consmax) dln_c = row_sums.view({rows / heads, heads, tokens}).sum(2).sum(0);
    return {torch::bmm(grouped(dp, k), k).view(q.sizes()),
            torch::bmm(grouped(dp, k).transpose(1, 2), grouped(q, k)), dv, dln_c};
  }
};

struct GatedRelu2 : Function<GatedRelu2> {
  static Tensor forward(AutogradContext* context, const Tensor& h) {
    const int64_t rows = h.size(0);
    const int64_t n = h.size(1) / 2;
    Tensor out = torch::empty({rows, n});
    const float* ph = h.data_ptr<float>();
    float* po = out.data_ptr<float>();
    for_rows(rows, [=](int64_t row) {
      const float* gate = ph + row * 2 * n;
      const float* up = gate + n;
      for (int64_t i = 0; i < n; ++i) {
        const float r = std::max(gate[i], 0.0F);
        po[row * n + i] = r * r * up[i];
      }
    });
    context->save_for_backward({h});
    return out;
  }
  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const Tensor h = context->get_saved_variables()[0];
    const Tensor dy = grads[0].contiguous();
    const int64_t rows = h.size(0);
    const int64_t n = h.size(1) / 2;
    Tensor dh = torch::empty_like(h);
    const float* ph = h.data_ptr<float>();
    const float* pd = dy.data_ptr<float>();
    float* po = dh.data_ptr<float>();
    for_rows(rows, [=](int64_t row) {
      const float* gate = ph + row * 2 * n;
      const float* up = gate + n;
      for (int64_t i = 0; i < n; ++i) {
        const float r = std::max(gate[i], 0.0F);
        po[row * 2 * n + i] = 2.0F * r * up[i] * pd[row * n + i];
        po[row * 2 * n + n + i] = r * r * pd[row * n + i];
      }
    });
    return {dh};
  }
};

constexpr float kGeluFactor = 0.7978845608F;  // sqrt(2 / pi)
constexpr float kGeluCubic = 0.044715F;

// tanh through exp, which vectorises; exact to a few units in the last place where it matters here.
float fast_tanh(float x) { return 1.0F - 2.0F / (std::exp(2.0F * x) + 1.0F); }

struct Gelu : Function<Gelu> {
  static Tensor forward(AutogradContext* context, const Tensor& x) {
    const int64_t n = x.size(1);
    Tensor out = torch::empty_like(x);
    const float* px = x.data_ptr<float>();
    float* po = out.data_ptr<float>();
    for_rows(x.size(0), [=](int64_t row) {
      for (int64_t i = row * n; i < (row + 1) * n; ++i) {
        const float v = px[i];
        po[i] = 0.5F * v * (1.0F + fast_tanh(kGeluFactor * (v + kGeluCubic * v * v * v)));
      }
    });
    context->save_for_backward({x});
    return out;
  }
  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const Tensor x = context->get_saved_variables()[0];
    const Tensor dy = grads[0].contiguous();
    const int64_t n = x.size(1);
    Tensor dx = torch::empty_like(x);
    const float* px = x.data_ptr<float>();
    const float* pd = dy.data_ptr<float>();
    float* po = dx.data_ptr<float>();
    for_rows(x.size(0), [=](int64_t row) {
      for (int64_t i = row * n; i < (row + 1) * n; ++i) {
        const float v = px[i];
        const float t = fast_tanh(kGeluFactor * (v + kGeluCubic * v * v * v));
        const float inner = kGeluFactor * (1.0F + 3.0F * kGeluCubic * v * v);
        po[i] = pd[i] * 0.5F * (1.0F + t + v * (1.0F - t * t) * inner);
      }
    });
    return {dx};
  }
};

}  // namespace

Tensor quantize_rows(const Tensor& x) { return QuantizeRows::apply(x); }

std::vector<float> ternarize(float* w, const std::vector<int64_t>& parts, int64_t in) {
  std::vector<float> scales;
  for (const int64_t out : parts) {
    const int64_t n = out * in;
    const float scale = absmean(w, out, in);
    const float inverse = 1.0F / scale;
    for (int64_t i = 0; i < n; ++i) {
      w[i] = std::min(std::max(std::nearbyint(w[i] * inverse), -1.0F), 1.0F) * scale;
    }
    scales.push_back(scale);
    w += n;
  }
  return scales;
}

Tensor ternary_linear(const Tensor& x, const Tensor& w, const Tensor& bias, const std::vector<int64_t>& parts,
                      bool frozen) {
  static const bool kHasBf16 = __builtin_cpu_supports("avx512bf16") != 0;
  if (kHasBf16 && !frozen && torch::GradMode::is_enabled()) {
    return FastTernaryLinear::apply(x, w, or_empty(bias), parts);
  }
  return TernaryLinear::apply(x, w, or_empty(bias), parts, frozen);
}

Tensor normalize(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  return Normalize::apply(x, weight, or_empty(bias), eps);
}

variable_list split_heads(const Tensor& qkv, const HeadShape& shape, double rope_theta) {
  return SplitHeads::apply(qkv, shape.batch, shape.context, shape.heads, shape.kv_heads, shape.head_dim,
                           rope_theta);
}

Tensor attend(const variable_list& qkv, const Tensor& ln_c, const HeadShape& shape) {
  const Tensor out = Attend::apply(qkv[0], qkv[1], qkv[2], or_empty(ln_c));
  return out.view({shape.batch, shape.heads, shape.context, shape.head_dim})
      .transpose(1, 2)
      .reshape({shape.batch * shape.context, shape.heads * shape.head_dim});
}

Tensor tanh_gelu(const Tensor& x) { return Gelu::apply(x); }

Tensor gated_relu2(const Tensor& h) { return GatedRelu2::apply(h); }

}  // namespace pimllm::train

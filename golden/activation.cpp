#include "golden/activation.hpp"

#include <array>
#include <cmath>
#include <numbers>

#include "golden/attention.hpp"
#include "golden/error.hpp"

namespace pimllm {
namespace {

using GateTable = std::array<int32_t, 257>;

// T[i] = min(65535, round(2^16 G(i/32))), i = 0..256.
GateTable make_gate_table(double (*g)(double)) {
  GateTable t{};
  for (int i = 0; i <= 256; ++i) {
    t[static_cast<size_t>(i)] =
        static_cast<int32_t>(std::min<int64_t>(65535, round_half_up(65536.0 * g(i / 32.0))));
  }
  return t;
}

const GateTable& gate_table(Activation kind) {
  static const GateTable kSiluTable = make_gate_table([](double x) { return 1.0 / (1.0 + std::exp(-x)); });
  static const GateTable kGeluTable = make_gate_table([](double x) {
    return 0.5 * (1.0 + std::tanh(std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
  });
  return kind == Activation::kSilu ? kSiluTable : kGeluTable;
}

int32_t gate(const GateTable& t, int32_t z) {
  const int64_t magnitude = z < 0 ? -int64_t{z} : int64_t{z};
  const auto u = static_cast<uint32_t>(std::min<int64_t>(magnitude, 32767));
  const size_t i = u >> 7;
  int64_t s = t[i] + rsh(int64_t{t[i + 1] - t[i]} * (u & 127U), 7);
  if (z < 0) s = 65536 - s;
  return sat32(rsh(z * s, 16));
}

}  // namespace

int32_t sigmoid_like(Activation kind, int32_t z) { return gate(gate_table(kind), z); }

Scale activate_into(Activation kind, std::span<const int32_t> g, Scale sg, std::span<const int32_t> b,
                    std::span<const int32_t> u, Scale su, std::span<int32_t> h) {
  const bool gated = !u.empty();
  Scale sa;
  if (kind == Activation::kRelu2 && !b.empty())
    fail("activation: ReLU^2 takes no bias, found {} values", b.size());
  if (kind == Activation::kRelu2 || (kind == Activation::kRelu && b.empty())) {
    const int d = norm16_shift(absmax(g));
    for (size_t i = 0; i < g.size(); ++i) {
      const int32_t positive = std::max<int32_t>(sat16(rsh(g[i], d)), 0);
      h[i] =
          kind == Activation::kRelu ? positive : static_cast<int32_t>(rsh(int64_t{positive} * positive, 15));
    }
    sa = kind == Activation::kRelu ? sf_shift(sg, d) : sf_shift(sf_mul(sg, sg), 2 * d + 15);
  } else {
    const GateTable& table = gate_table(kind);
    for (size_t i = 0; i < g.size(); ++i) {
      const int32_t z = sat32(scale_to_fixed(g[i], sg, 12) + (b.empty() ? 0 : b[i]));
      const int32_t w = kind == Activation::kRelu ? std::max(z, 0) : gate(table, z);
      h[i] = gated ? sat16(rsh(w, 2)) : w;
    }
    sa = sf_pow2(gated ? -10 : -12);
  }
  if (!gated) return sa;
  const int du = norm16_shift(absmax(u));
  for (size_t i = 0; i < u.size(); ++i) h[i] *= sat16(rsh(u[i], du));
  return sf_shift(sf_mul(sa, su), du);
}

Activated activate(Activation kind, std::span<const int32_t> g, Scale sg, std::span<const int32_t> b,
                   std::span<const int32_t> u, Scale su) {
  Activated result;
  result.h.resize(g.size());
  result.scale = activate_into(kind, g, sg, b, u, su, result.h);
  return result;
}

void residual_add(std::span<int32_t> x, std::span<const int32_t> y, Scale s, int fx,
                  std::span<const int32_t> b) {
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = sat32(int64_t{x[i]} + scale_to_fixed(y[i], s, fx) + (b.empty() ? 0 : b[i]));
  }
}

void embed(std::span<const int8_t> row, Scale s_row, int fx, std::span<const int32_t> p,
           std::span<int32_t> x) {
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = sat32(scale_to_fixed(row[i], s_row, fx) + (p.empty() ? 0 : p[i]));
  }
}

void logits_into(const QuantizedEmbedding& head, std::span<const int8_t> q, Scale s_q,
                 std::span<int32_t> logits) {
  const std::span<const int8_t> values(head.values);
  for (size_t v = 0; v < logits.size(); ++v) {
    logits[v] = logit(dot(values.subspan(v * q.size(), q.size()), q), sf_mul(head.scales[v], s_q));
  }
}

int argmax(std::span<const int32_t> values) {
  return static_cast<int>(std::max_element(values.begin(), values.end()) - values.begin());
}

}  // namespace pimllm

// The hand-written gradients against libtorch's own, with the roundings passed straight through.
#include "models/train/ops.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace pimllm::train {
namespace {

using torch::Tensor;

constexpr double kTolerance = 1e-4;

Tensor leaf(at::IntArrayRef shape) { return torch::randn(shape).requires_grad_(); }

// Gradients of sum(out * weights) with respect to the inputs.
std::vector<Tensor> gradients(const Tensor& out, const Tensor& weights, const std::vector<Tensor>& inputs) {
  return torch::autograd::grad({(out * weights).sum()}, inputs, {}, true);
}

void expect_close(const Tensor& found, const Tensor& expected) {
  const double scale = expected.abs().max().item<double>() + 1e-12;
  EXPECT_LT((found - expected).abs().max().item<double>() / scale, kTolerance);
}

void expect_all_close(const Tensor& found, const Tensor& expected, const std::vector<Tensor>& inputs) {
  expect_close(found, expected);
  const Tensor weights = torch::randn(found.sizes());
  const auto a = gradients(found, weights, inputs);
  const auto b = gradients(expected, weights, inputs);
  for (size_t i = 0; i < inputs.size(); ++i) expect_close(a[i], b[i]);
}

Tensor straight_through(const Tensor& x, const Tensor& rounded) { return x + (rounded - x).detach(); }

TEST(Ops, NormsMatchLibtorch) {
  torch::manual_seed(1);
  const Tensor x = leaf({12, 32});
  const Tensor weight = leaf({32});
  const Tensor bias = leaf({32});
  expect_all_close(normalize(x, weight, bias, 1e-5), torch::layer_norm(x, {32}, weight, bias, 1e-5),
                   {x, weight, bias});
  const Tensor rms = x * torch::rsqrt(x.square().mean(1, true) + 1e-5) * weight;
  expect_all_close(normalize(x, weight, Tensor(), 1e-5), rms, {x, weight});
}

TEST(Ops, AttentionMatchesLibtorch) {
  torch::manual_seed(2);
  const HeadShape shape{2, 16, 3, 3, 8};
  const Tensor q = leaf({6, 16, 8});
  const Tensor k = leaf({6, 16, 8});
  const Tensor v = leaf({6, 16, 8});
  const Tensor ln_c = torch::randn({3}).sub(3.0).requires_grad_();
  const Tensor scores = torch::bmm(q, k.transpose(1, 2)) / std::sqrt(8.0);
  const Tensor causal = torch::ones({16, 16}).tril();
  const auto merged = [](const Tensor& out) {
    return out.view({2, 3, 16, 8}).transpose(1, 2).reshape({32, 24});
  };
  const Tensor soft = torch::softmax(scores.masked_fill(causal == 0, -1e9), 2);
  expect_all_close(attend({q, k, v}, Tensor(), shape), merged(torch::bmm(soft, v)), {q, k, v});
  const Tensor stepped = straight_through(scores, torch::round(scores * 16) / 16);
  const Tensor p = torch::exp(stepped + ln_c.repeat({2}).view({6, 1, 1})) * causal;
  expect_all_close(attend({q, k, v}, ln_c, shape), merged(torch::bmm(p, v)), {q, k, v, ln_c});
}

TEST(Ops, AttentionOfGroupedHeadsMatchesLibtorch) {
  torch::manual_seed(5);
  const HeadShape shape{2, 16, 6, 2, 8};
  const Tensor q = leaf({12, 16, 8});
  const Tensor k = leaf({4, 16, 8});
  const Tensor v = leaf({4, 16, 8});
  const Tensor ln_c = torch::randn({6}).sub(3.0).requires_grad_();
  // KV head of each row [batch][head]: heads 0 to 2 share the first, 3 to 5 the second.
  const Tensor shared = torch::tensor({0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3});
  const Tensor keys = k.index_select(0, shared);
  const Tensor values = v.index_select(0, shared);
  const Tensor scores = torch::bmm(q, keys.transpose(1, 2)) / std::sqrt(8.0);
  const Tensor causal = torch::ones({16, 16}).tril();
  const auto merged = [](const Tensor& out) {
    return out.view({2, 6, 16, 8}).transpose(1, 2).reshape({32, 48});
  };
  const Tensor soft = torch::softmax(scores.masked_fill(causal == 0, -1e9), 2);
  expect_all_close(attend({q, k, v}, Tensor(), shape), merged(torch::bmm(soft, values)), {q, k, v});
  const Tensor stepped = straight_through(scores, torch::round(scores * 16) / 16);
  const Tensor p = torch::exp(stepped + ln_c.repeat({2}).view({12, 1, 1})) * causal;
  expect_all_close(attend({q, k, v}, ln_c, shape), merged(torch::bmm(p, values)), {q, k, v, ln_c});
}

TEST(Ops, HeadsSplitAndRotate) {
  torch::manual_seed(3);
  for (const int64_t kv_heads : {4, 2}) {
    const HeadShape shape{2, 5, 4, kv_heads, 8};
    const Tensor qkv = leaf({10, (4 + 2 * kv_heads) * 8});
    const auto heads = split_heads(qkv, shape, 10000.0);
    const Tensor angle =
        torch::arange(5).view({5, 1}) * torch::pow(10000.0, -torch::arange(4) / 4.0).view({1, 4});
    const std::array<int64_t, 3> counts = {4, kv_heads, kv_heads};
    int64_t first = 0;
    for (size_t part = 0; part < 3; ++part) {
      const Tensor plain = qkv.narrow(1, first * 8, counts[part] * 8)
                               .reshape({2, 5, counts[part], 8})
                               .transpose(1, 2)
                               .reshape({2 * counts[part], 5, 8});
      first += counts[part];
      const Tensor low = plain.narrow(2, 0, 4);
      const Tensor high = plain.narrow(2, 4, 4);
      const Tensor turned =
          torch::cat({low * angle.cos() - high * angle.sin(), high * angle.cos() + low * angle.sin()}, 2);
      const Tensor exact = part < 2 ? turned : plain;
      const Tensor step = exact.abs().amax(2, true) / 127;
      expect_all_close(heads[part], straight_through(exact, torch::round(exact / step) * step), {qkv});
    }
  }
}

TEST(Ops, LinearAndActivationMatchLibtorch) {
  torch::manual_seed(4);
  const Tensor h = leaf({6, 16});
  expect_all_close(gated_relu2(h), torch::relu(h.narrow(1, 0, 8)).square() * h.narrow(1, 8, 8), {h});
  expect_all_close(tanh_gelu(h), torch::gelu(h, "tanh"), {h});
  const Tensor x = leaf({6, 16});
  const Tensor w = leaf({8, 16});
  const Tensor bias = leaf({8});
  Tensor ternary = w.detach().clone();
  ternarize(ternary.data_ptr<float>(), {2, 6}, 16);
  const Tensor expected = torch::addmm(bias, quantize_rows(x), straight_through(w, ternary).t());
  const Tensor found = ternary_linear(x, w, bias, {2, 6}, false);
  // bfloat16 products where the processor has them: 8 bits of mantissa.
  EXPECT_LT((found - expected).abs().max().item<double>(), 0.02 * expected.abs().max().item<double>());
  const Tensor weights = torch::randn(found.sizes());
  const auto a = gradients(found, weights, {x, w, bias});
  const auto b = gradients(expected, weights, {x, w, bias});
  for (int i = 0; i < 3; ++i) {
    EXPECT_LT((a[i] - b[i]).abs().max().item<double>(), 0.02 * b[i].abs().max().item<double>()) << i;
  }
}

}  // namespace
}  // namespace pimllm::train

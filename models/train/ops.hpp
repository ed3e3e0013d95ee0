// Differentiable operations of quantisation-aware training: every rounding is passed straight through by the
// gradient. All tensors are float32 and contiguous. The formats are those of docs/numerics.md.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

namespace pimllm::train {

// Each row rounded to int8 times one scale, absmax / 127. x [rows, n].
torch::Tensor quantize_rows(const torch::Tensor& x);

// y = ternary(w) * int8(x) + bias. x [rows, in], w [out, in], bias [out] or undefined. `parts` splits the
// outputs into matrices with a scale each (absmean); the activations have one scale a row. With frozen, w is
// used as it is. While gradients are recorded, processors with bfloat16 multiply in it: the integers are
// exact, results and gradients are rounded to it.
torch::Tensor ternary_linear(const torch::Tensor& x, const torch::Tensor& w, const torch::Tensor& bias,
                             const std::vector<int64_t>& parts, bool frozen);

// Rounds w [out, in] in place to -1, 0, +1 times the absmean of each part and returns the scales.
std::vector<float> ternarize(float* w, const std::vector<int64_t>& parts, int64_t in);

// RMSNorm, or LayerNorm where bias is defined. x [rows, n].
torch::Tensor normalize(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                        double eps);

// kv_heads divides heads: head h attends to KV head h / (heads / kv_heads).
struct HeadShape {
  int64_t batch, context, heads, kv_heads, head_dim;
};

// qkv [batch * context, (heads + 2 * kv_heads) * head_dim] -> q [batch * heads, context, head_dim], k and v
// [batch * kv_heads, context, head_dim], q and k rotated (NEOX) where rope_theta > 0, then int8 per token and
// head.
torch::autograd::variable_list split_heads(const torch::Tensor& qkv, const HeadShape& shape,
                                           double rope_theta);

// Causal attention of those, back in [batch * context, heads * head_dim]. ln_c undefined: softmax. Else
// ConSMax: exp(score + ln_c[head]) of scores rounded to 1/16 and clipped to [-8, 7.9375].
torch::Tensor attend(const torch::autograd::variable_list& qkv, const torch::Tensor& ln_c,
                     const HeadShape& shape);

// h [rows, 2 * n], gate first -> relu(gate)^2 * up [rows, n].
torch::Tensor gated_relu2(const torch::Tensor& h);

// The tanh form. x [rows, n].
torch::Tensor tanh_gelu(const torch::Tensor& x);

}  // namespace pimllm::train

// RMSNorm and LayerNorm, docs/numerics.md section 5.
#pragma once

#include <cstdint>
#include <span>

#include "golden/quantize.hpp"

namespace pimllm {

// int32 x with scale sx -> int8. Sizes of x, norm.g and q are equal; returns the scale of q.
Scale rms_norm_into(std::span<const int32_t> x, Scale sx, const QuantizedNorm& norm, std::span<int8_t> q);
Scale layer_norm_into(std::span<const int32_t> x, Scale sx, const QuantizedNorm& norm, std::span<int8_t> q);

Quantized rms_norm(std::span<const int32_t> x, Scale sx, const QuantizedNorm& norm);
Quantized layer_norm(std::span<const int32_t> x, Scale sx, const QuantizedNorm& norm);

}  // namespace pimllm

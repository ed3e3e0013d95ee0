// Tensor types of GGUF files and their block layouts (docs/checkpoints.md). Ternary values are -1, 0, +1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace pimllm {

enum class GgufType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ8_0 = 8,
  kBf16 = 30,
  kTq1_0 = 34,
  kTq2_0 = 35,
  kI2_S = 36,
  kQ2_0 = 42,
};

// "F32", "Q4_K", ... for every id that is known anywhere, else "unknown".
std::string type_name(uint32_t type);

// A sentence's end on why a type is refused ("needs an activation transform"), or empty if it is supported.
std::string refusal(uint32_t type);

// Elements a block; rows must be a multiple of it. q2_group is 64 or 128.
uint64_t block_elements(GgufType type, int q2_group = 64);

// Bytes of `elements` elements, a multiple of block_elements; elements < 2^48.
uint64_t tensor_bytes(GgufType type, uint64_t elements, int q2_group = 64);

float half_to_float(uint16_t half);
uint16_t float_to_half(float value);  // round to nearest even; beyond the range: infinity

// F32, F16, BF16 and Q8_0 as they are stored; data.size() == tensor_bytes(). Throws Error, beginning with
// `where`, if a value is not finite.
std::vector<float> decode_floats(GgufType type, std::span<const uint8_t> data, uint64_t elements,
                                 const std::string& where);

struct TernaryValues {
  std::vector<int8_t> values;
  float scale = 1.0F;
};

// TQ1_0, TQ2_0, Q2_0 and I2_S. Throws Error, beginning with `where`, for a code 3, a scale that is not finite
// or is negative, or blocks whose scales differ (values may be all zero in a block of any scale).
TernaryValues decode_ternary(GgufType type, std::span<const uint8_t> data, uint64_t elements, int q2_group,
                             const std::string& where);

// Floats that are exactly -scale, 0 or +scale. Throws Error, beginning with `where`, if they are not.
TernaryValues ternary_from_floats(std::span<const float> floats, const std::string& where);

// The reverse; values.size() is a multiple of block_elements. F16 with a scale that is not a half throws
// Error.
std::vector<uint8_t> encode_ternary(GgufType type, std::span<const int8_t> values, float scale,
                                    int q2_group = 64);
std::vector<uint8_t> encode_floats(GgufType type, std::span<const float> values);

}  // namespace pimllm

#include "models/gguf/tensor_types.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "golden/error.hpp"

namespace pimllm {
namespace {

constexpr uint64_t kTqBlock = 256;
constexpr uint64_t kTq1Bytes = 54;
constexpr uint64_t kTq2Bytes = 66;
constexpr uint64_t kI2Block = 128;
constexpr uint64_t kI2Tail = 32;
constexpr uint64_t kQ8Block = 32;
constexpr uint64_t kQ8Bytes = 34;
constexpr uint16_t kHalfOne = 0x3C00;

uint16_t load_u16(const uint8_t* p) { return static_cast<uint16_t>(p[0] | (p[1] << 8)); }

float load_f32(const uint8_t* p) {
  float value = 0.0F;
  std::memcpy(&value, p, sizeof value);
  return value;
}

void store_u16(uint8_t* p, uint16_t v) {
  p[0] = static_cast<uint8_t>(v);
  p[1] = static_cast<uint8_t>(v >> 8);
}

// Collects values block by block and insists on one scale.
class TernaryCollector {
 public:
  TernaryCollector(uint64_t elements, const std::string& where) : where_(where) {
    result_.values.resize(elements);
  }

  void put(uint64_t index, unsigned code) {
    if (code > 2) fail("{}: element {}: expected a ternary code of 0 to 2, found {}", where_, index, code);
    result_.values[index] = static_cast<int8_t>(static_cast<int>(code) - 1);
  }

  // The scale of elements [first, first + count), which are already there.
  void put_scale(uint64_t first, uint64_t count, float scale) {
    if (!std::isfinite(scale) || scale < 0.0F) {
      fail("{}: scale of element {}: expected a finite scale of at least 0, found {}", where_, first, scale);
    }
    const auto begin = result_.values.begin() + static_cast<int64_t>(first);
    const auto end = begin + static_cast<int64_t>(count);
    if (scale == 0.0F) std::fill(begin, end, int8_t{0});
    if (std::all_of(begin, end, [](int8_t v) { return v == 0; })) return;
    if (seen_ && scale != result_.scale) {
      fail("{}: scale of element {}: expected one scale for the whole tensor, {}, found {}", where_, first,
           result_.scale, scale);
    }
    result_.scale = scale;
    seen_ = true;
  }

  TernaryValues take() { return std::move(result_); }

 private:
  std::string where_;
  TernaryValues result_;
  bool seen_ = false;
};

// Code of a trit: position n (0 most significant) of `trits` in a byte that holds ceil(v * 256 / 243).
unsigned trit(uint8_t byte, int n) {
  static constexpr std::array<unsigned, 5> kPowers = {1, 3, 9, 27, 81};
  const auto q = static_cast<uint8_t>(byte * kPowers[n]);
  return (static_cast<unsigned>(q) * 3) >> 8;
}

uint8_t pack_trits(const int8_t* values, int stride, int count) {
  unsigned v = 0;
  for (int n = 0; n < 5; ++n) v = v * 3 + (n < count ? static_cast<unsigned>(values[n * stride] + 1) : 0U);
  return static_cast<uint8_t>((v * 256 + 242) / 243);
}

void decode_tq1(std::span<const uint8_t> data, uint64_t elements, TernaryCollector& out) {
  for (uint64_t block = 0; block < elements / kTqBlock; ++block) {
    const uint8_t* b = data.data() + block * kTq1Bytes;
    const uint64_t first = block * kTqBlock;
    for (int n = 0; n < 5; ++n) {
      for (int m = 0; m < 32; ++m) out.put(first + 32 * n + m, trit(b[m], n));
      for (int m = 0; m < 16; ++m) out.put(first + 160 + 16 * n + m, trit(b[32 + m], n));
    }
    for (int n = 0; n < 4; ++n) {
      for (int j = 0; j < 4; ++j) out.put(first + 240 + 4 * n + j, trit(b[48 + j], n));
    }
    out.put_scale(first, kTqBlock, half_to_float(load_u16(b + 52)));
  }
}

void decode_tq2(std::span<const uint8_t> data, uint64_t elements, TernaryCollector& out) {
  for (uint64_t block = 0; block < elements / kTqBlock; ++block) {
    const uint8_t* b = data.data() + block * kTq2Bytes;
    const uint64_t first = block * kTqBlock;
    for (int i = 0; i < 256; ++i) {
      out.put(first + i, (b[32 * (i / 128) + i % 32] >> (2 * (i / 32 % 4))) & 3U);
    }
    out.put_scale(first, kTqBlock, half_to_float(load_u16(b + 64)));
  }
}

void decode_q2(std::span<const uint8_t> data, uint64_t elements, uint64_t group, TernaryCollector& out) {
  const uint64_t bytes = group / 4 + 2;
  for (uint64_t block = 0; block < elements / group; ++block) {
    const uint8_t* b = data.data() + block * bytes;
    for (uint64_t i = 0; i < group; ++i) out.put(block * group + i, (b[2 + i / 4] >> (2 * (i % 4))) & 3U);
    out.put_scale(block * group, group, half_to_float(load_u16(b)));
  }
}

void decode_i2(std::span<const uint8_t> data, uint64_t elements, TernaryCollector& out) {
  for (uint64_t i = 0; i < elements; ++i) {
    const uint64_t in_run = i % kI2Block;
    out.put(i, (data[i / kI2Block * 32 + in_run % 32] >> (6 - 2 * (in_run / 32))) & 3U);
  }
  out.put_scale(0, elements, load_f32(data.data() + elements / 4));
}

}  // namespace

std::string type_name(uint32_t type) {
  switch (type) {
    case 0:
      return "F32";
    case 1:
      return "F16";
    case 2:
      return "Q4_0";
    case 3:
      return "Q4_1";
    case 6:
      return "Q5_0";
    case 7:
      return "Q5_1";
    case 8:
      return "Q8_0";
    case 9:
      return "Q8_1";
    case 10:
      return "Q2_K";
    case 11:
      return "Q3_K";
    case 12:
      return "Q4_K";
    case 13:
      return "Q5_K";
    case 14:
      return "Q6_K";
    case 15:
      return "Q8_K";
    case 16:
      return "IQ2_XXS";
    case 17:
      return "IQ2_XS";
    case 18:
      return "IQ3_XXS";
    case 19:
      return "IQ1_S";
    case 20:
      return "IQ4_NL";
    case 21:
      return "IQ3_S";
    case 22:
      return "IQ2_S";
    case 23:
      return "IQ4_XS";
    case 24:
      return "I8";
    case 25:
      return "I16";
    case 26:
      return "I32";
    case 27:
      return "I64";
    case 28:
      return "F64";
    case 29:
      return "IQ1_M";
    case 30:
      return "BF16";
    case 34:
      return "TQ1_0";
    case 35:
      return "TQ2_0";
    case 36:
      return "I2_S";
    case 38:
      return "TL1";
    case 39:
      return "TL2 or MXFP4";
    case 42:
      return "Q2_0";
    case 142:
      return "PQ2_0";
    case 143:
      return "PTQ1_0";
    default:
      return "unknown";
  }
}

std::string refusal(uint32_t type) {
  switch (type) {
    case 0:
    case 1:
    case 8:
    case 30:
    case 34:
    case 35:
    case 36:
    case 42:
      return {};
    case 38:
    case 39:
      return "its layout depends on the machine it was written for";
    case 142:
    case 143:
      return "its weights are rotated and need an activation transform";
    default:
      return "it is neither ternary nor F32, F16, BF16 or Q8_0";
  }
}

uint64_t block_elements(GgufType type, int q2_group) {
  switch (type) {
    case GgufType::kF32:
    case GgufType::kF16:
    case GgufType::kBf16:
      return 1;
    case GgufType::kQ8_0:
      return kQ8Block;
    case GgufType::kTq1_0:
    case GgufType::kTq2_0:
      return kTqBlock;
    case GgufType::kI2_S:
      return kI2Block;
    case GgufType::kQ2_0:
      return static_cast<uint64_t>(q2_group);
  }
  fail("tensor type: expected a supported type, found {}", static_cast<uint32_t>(type));
}

uint64_t tensor_bytes(GgufType type, uint64_t elements, int q2_group) {
  const uint64_t blocks = elements / block_elements(type, q2_group);
  switch (type) {
    case GgufType::kF32:
      return 4 * elements;
    case GgufType::kF16:
    case GgufType::kBf16:
      return 2 * elements;
    case GgufType::kQ8_0:
      return blocks * kQ8Bytes;
    case GgufType::kTq1_0:
      return blocks * kTq1Bytes;
    case GgufType::kTq2_0:
      return blocks * kTq2Bytes;
    case GgufType::kI2_S:
      return elements / 4 + kI2Tail;
    case GgufType::kQ2_0:
      return blocks * (static_cast<uint64_t>(q2_group) / 4 + 2);
  }
  fail("tensor type: expected a supported type, found {}", static_cast<uint32_t>(type));
}

float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000U) << 16;
  const uint32_t exponent = (half >> 10) & 0x1FU;
  const uint32_t fraction = half & 0x3FFU;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000U | (fraction << 13));
  if (exponent == 0) {
    const float magnitude = std::ldexp(static_cast<float>(fraction), -24);
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
}

uint16_t float_to_half(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000U);
  const float magnitude = std::fabs(value);
  if (std::isnan(value)) return static_cast<uint16_t>(sign | 0x7E00U);
  if (magnitude >= 65520.0F) return static_cast<uint16_t>(sign | 0x7C00U);
  if (magnitude < 0x1p-14F) {
    return static_cast<uint16_t>(sign | static_cast<uint16_t>(std::nearbyint(std::ldexp(magnitude, 24))));
  }
  const uint32_t m = bits & 0x7FFFFFFFU;
  const uint32_t rounded = m + 0xFFFU + ((m >> 13) & 1U);
  return static_cast<uint16_t>(sign | ((rounded >> 13) - (112U << 10)));
}

std::vector<float> decode_floats(GgufType type, std::span<const uint8_t> data, uint64_t elements,
                                 const std::string& where) {
  std::vector<float> out(elements);
  switch (type) {
    case GgufType::kF32:
      std::memcpy(out.data(), data.data(), elements * sizeof(float));
      break;
    case GgufType::kF16:
      for (uint64_t i = 0; i < elements; ++i) out[i] = half_to_float(load_u16(data.data() + 2 * i));
      break;
    case GgufType::kBf16:
      for (uint64_t i = 0; i < elements; ++i) {
        out[i] = std::bit_cast<float>(static_cast<uint32_t>(load_u16(data.data() + 2 * i)) << 16);
      }
      break;
    case GgufType::kQ8_0:
      for (uint64_t i = 0; i < elements; ++i) {
        const uint8_t* b = data.data() + i / kQ8Block * kQ8Bytes;
        out[i] = half_to_float(load_u16(b)) * static_cast<float>(static_cast<int8_t>(b[2 + i % kQ8Block]));
      }
      break;
    default:
      fail("{}: type: expected F32, F16, BF16 or Q8_0, found {}", where,
           type_name(static_cast<uint32_t>(type)));
  }
  for (uint64_t i = 0; i < elements; ++i) {
    if (!std::isfinite(out[i])) fail("{}: element {}: expected a finite value, found {}", where, i, out[i]);
  }
  return out;
}

TernaryValues decode_ternary(GgufType type, std::span<const uint8_t> data, uint64_t elements, int q2_group,
                             const std::string& where) {
  TernaryCollector out(elements, where);
  switch (type) {
    case GgufType::kTq1_0:
      decode_tq1(data, elements, out);
      break;
    case GgufType::kTq2_0:
      decode_tq2(data, elements, out);
      break;
    case GgufType::kQ2_0:
      decode_q2(data, elements, static_cast<uint64_t>(q2_group), out);
      break;
    case GgufType::kI2_S:
      decode_i2(data, elements, out);
      break;
    default:
      fail("{}: type: expected TQ1_0, TQ2_0, Q2_0 or I2_S, found {}", where,
           type_name(static_cast<uint32_t>(type)));
  }
  return out.take();
}

TernaryValues ternary_from_floats(std::span<const float> floats, const std::string& where) {
  TernaryValues out;
  out.values.resize(floats.size());
  bool seen = false;
  for (size_t i = 0; i < floats.size(); ++i) {
    const float magnitude = std::fabs(floats[i]);
    if (magnitude == 0.0F) continue;
    if (!seen) out.scale = magnitude;
    seen = true;
    if (!(magnitude == out.scale)) {
      fail(
          "{}: element {}: expected ternary weights, 0 or {} in magnitude, found {} (quantise the model "
          "first)",
          where, i, out.scale, floats[i]);
    }
    out.values[i] = static_cast<int8_t>(floats[i] > 0.0F ? 1 : -1);
  }
  return out;
}

std::vector<uint8_t> encode_floats(GgufType type, std::span<const float> values) {
  std::vector<uint8_t> out(tensor_bytes(type, values.size()));
  switch (type) {
    case GgufType::kF32:
      std::memcpy(out.data(), values.data(), out.size());
      break;
    case GgufType::kF16:
      for (size_t i = 0; i < values.size(); ++i) store_u16(out.data() + 2 * i, float_to_half(values[i]));
      break;
    case GgufType::kBf16:
      for (size_t i = 0; i < values.size(); ++i) {
        const auto bits = std::bit_cast<uint32_t>(values[i]);
        store_u16(out.data() + 2 * i, static_cast<uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16));
      }
      break;
    case GgufType::kQ8_0:
      for (size_t block = 0; block < values.size() / kQ8Block; ++block) {
        const float* v = values.data() + block * kQ8Block;
        uint8_t* b = out.data() + block * kQ8Bytes;
        float absmax = 0.0F;
        for (size_t i = 0; i < kQ8Block; ++i) absmax = std::max(absmax, std::fabs(v[i]));
        const float d = absmax / 127.0F;
        store_u16(b, float_to_half(d));
        for (size_t i = 0; i < kQ8Block; ++i) {
          b[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(d > 0.0F ? std::round(v[i] / d) : 0.0F));
        }
      }
      break;
    default:
      fail("tensor type: expected F32, F16, BF16 or Q8_0, found {}", type_name(static_cast<uint32_t>(type)));
  }
  return out;
}

std::vector<uint8_t> encode_ternary(GgufType type, std::span<const int8_t> values, float scale,
                                    int q2_group) {
  if (type == GgufType::kF32 || type == GgufType::kF16) {
    if (type == GgufType::kF16 && half_to_float(float_to_half(scale)) != scale) {
      fail("ternary tensor as F16: scale: expected a value that F16 holds exactly, found {}", scale);
    }
    std::vector<float> floats;
    for (const int8_t v : values) floats.push_back(static_cast<float>(v) * scale);
    return encode_floats(type, floats);
  }
  const uint64_t group = block_elements(type, q2_group);
  if (values.size() % group != 0) {
    fail("ternary tensor as {}: elements: expected a multiple of {}, found {}",
         type_name(static_cast<uint32_t>(type)), group, values.size());
  }
  std::vector<uint8_t> out(tensor_bytes(type, values.size(), q2_group), 0);
  const uint16_t half = type == GgufType::kI2_S ? kHalfOne : float_to_half(scale);
  if (type != GgufType::kI2_S && half_to_float(half) != scale) {
    fail("ternary tensor as {}: scale: expected a value that F16 holds exactly, found {}",
         type_name(static_cast<uint32_t>(type)), scale);
  }
  const auto code = [&](uint64_t i) { return static_cast<unsigned>(values[i] + 1); };
  const auto merge = [&](uint64_t byte, unsigned bits) {
    out[byte] = static_cast<uint8_t>(out[byte] | bits);
  };
  switch (type) {
    case GgufType::kTq1_0:
      for (uint64_t block = 0; block < values.size() / kTqBlock; ++block) {
        const int8_t* v = values.data() + block * kTqBlock;
        uint8_t* b = out.data() + block * kTq1Bytes;
        for (int m = 0; m < 32; ++m) b[m] = pack_trits(v + m, 32, 5);
        for (int m = 0; m < 16; ++m) b[32 + m] = pack_trits(v + 160 + m, 16, 5);
        for (int j = 0; j < 4; ++j) b[48 + j] = pack_trits(v + 240 + j, 4, 4);
        store_u16(b + 52, half);
      }
      break;
    case GgufType::kTq2_0:
      for (uint64_t i = 0; i < values.size(); ++i) {
        const uint64_t in = i % kTqBlock;
        merge(i / kTqBlock * kTq2Bytes + 32 * (in / 128) + in % 32, code(i) << (2 * (in / 32 % 4)));
      }
      for (uint64_t block = 0; block < values.size() / kTqBlock; ++block) {
        store_u16(out.data() + block * kTq2Bytes + 64, half);
      }
      break;
    case GgufType::kQ2_0:
      for (uint64_t i = 0; i < values.size(); ++i) {
        merge(i / group * (group / 4 + 2) + 2 + i % group / 4, code(i) << (2 * (i % 4)));
      }
      for (uint64_t block = 0; block < values.size() / group; ++block) {
        store_u16(out.data() + block * (group / 4 + 2), half);
      }
      break;
    case GgufType::kI2_S:
      for (uint64_t i = 0; i < values.size(); ++i) {
        const uint64_t in = i % kI2Block;
        merge(i / kI2Block * 32 + in % 32, code(i) << (6 - 2 * (in / 32)));
      }
      std::memcpy(out.data() + values.size() / 4, &scale, sizeof scale);
      break;
    default:
      fail("ternary tensor: type: expected TQ1_0, TQ2_0, Q2_0, I2_S, F16 or F32, found {}",
           type_name(static_cast<uint32_t>(type)));
  }
  return out;
}

}  // namespace pimllm

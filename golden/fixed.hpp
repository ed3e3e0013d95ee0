// Fixed-point basics of docs/numerics.md, section 1.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>

namespace pimllm {

// Bits of the unsigned x, 0 for 0.
constexpr int bitlen(uint64_t x) { return 64 - std::countl_zero(x); }

// floor(x / 2^s + 1/2) for |x| < 2^62 and any s; for s <= 0 it is x * 2^-s, saturated to +-2^62.
constexpr int64_t rsh(int64_t x, int s) {
  constexpr int64_t kLimit = int64_t{1} << 62;
  if (s > 0) {
    if (s >= 63) return 0;
    return (x + (int64_t{1} << (s - 1))) >> s;
  }
  if (s == 0 || x == 0) return x;
  if (s <= -62) return x > 0 ? kLimit : -kLimit;
  if (x >= kLimit >> -s) return kLimit;
  if (x <= -(kLimit >> -s)) return -kLimit;
  return x * (int64_t{1} << -s);
}

constexpr int32_t sat32(int64_t x) {
  return static_cast<int32_t>(
      std::clamp<int64_t>(x, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()));
}

constexpr int16_t sat16(int64_t x) { return static_cast<int16_t>(std::clamp<int64_t>(x, -32768, 32767)); }

// A real constant as an integer: floor(v + 1/2).
inline int64_t round_half_up(double v) { return static_cast<int64_t>(std::floor(v + 0.5)); }

// max |y_i| as an unsigned number; 0 for an empty span.
inline uint32_t absmax(std::span<const int32_t> y) {
  uint32_t a = 0;
  for (const int32_t v : y) {
    const uint32_t u = static_cast<uint32_t>(v);
    a = std::max(a, v < 0 ? 0U - u : u);
  }
  return a;
}

// The shift d of norm16 for a largest magnitude a.
constexpr int norm16_shift(uint32_t a) { return std::max(0, bitlen(a) - 15); }

// Block normalisation: out * 2^d stands for y; returns d. Sizes equal.
inline int norm16(std::span<const int32_t> y, std::span<int16_t> out) {
  const int d = norm16_shift(absmax(y));
  for (size_t i = 0; i < y.size(); ++i) out[i] = sat16(rsh(y[i], d));
  return d;
}

}  // namespace pimllm

// Scales: 16-bit mantissa and exponent, docs/numerics.md section 2.
#pragma once

#include <cstdint>

#include "golden/fixed.hpp"

namespace pimllm {

// m * 2^e; m in [2^15, 2^16), or m = 0 and e = 0.
struct Scale {
  uint16_t m = 0;
  int16_t e = 0;

  friend bool operator==(const Scale&, const Scale&) = default;
};

// {e, m} as the machine stores it.
constexpr uint32_t sf_pack(Scale s) {
  return (static_cast<uint32_t>(static_cast<uint16_t>(s.e)) << 16) | s.m;
}
constexpr Scale sf_unpack(uint32_t bits) {
  return {static_cast<uint16_t>(bits & 0xFFFFU), static_cast<int16_t>(static_cast<uint16_t>(bits >> 16))};
}

// Exponents wrap modulo 2^16 when they are stored.
constexpr int16_t wrap16(int e) {
  return static_cast<int16_t>(static_cast<uint16_t>(static_cast<unsigned>(e)));
}

// The scale with its exponent field raised by d (wrapping). The zero scale keeps m = 0 and gets e = 0.
constexpr Scale sf_shift(Scale s, int d) { return s.m == 0 ? Scale{} : Scale{s.m, wrap16(s.e + d)}; }

Scale sf_norm(uint64_t v, int e);
Scale sf_mul(Scale a, Scale b);
Scale sf_add(Scale a, Scale b);
Scale sf_recip(Scale a);
Scale sf_rsqrt(Scale a);

// The scale nearest to a real v >= 0; the zero scale for 0. Throws Error for negative or not finite v.
Scale sf_from(double v);
constexpr Scale sf_pow2(int k) { return {0x8000, wrap16(k - 15)}; }

// The real value, for reports and tests.
double sf_value(Scale s);

// y * s as fixed point with `fraction_bits`, not saturated to 32 bits (rsh's limits). |y| < 2^46.
constexpr int64_t scale_to_fixed(int64_t y, Scale s, int fraction_bits) {
  return rsh(y * s.m, -(s.e + fraction_bits));
}

}  // namespace pimllm

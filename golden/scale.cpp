#include "golden/scale.hpp"

#include <array>
#include <cmath>

#include "golden/error.hpp"

namespace pimllm {
namespace {

// round(2^17 / (1 + i/256)), i = 0..256.
const std::array<int32_t, 257>& recip_table() {
  static const auto kTable = [] {
    std::array<int32_t, 257> t{};
    for (int i = 0; i <= 256; ++i) {
      t[static_cast<size_t>(i)] = static_cast<int32_t>(round_half_up(131072.0 / (1.0 + i / 256.0)));
    }
    return t;
  }();
  return kTable;
}

// round(2^17 / sqrt((1 + p)(1 + i/128))), i = 0..128, by p.
const std::array<std::array<int32_t, 129>, 2>& rsqrt_tables() {
  static const auto kTables = [] {
    std::array<std::array<int32_t, 129>, 2> t{};
    for (int p = 0; p < 2; ++p) {
      for (int i = 0; i <= 128; ++i) {
        t[static_cast<size_t>(p)][static_cast<size_t>(i)] =
            static_cast<int32_t>(round_half_up(131072.0 / std::sqrt((1.0 + p) * (1.0 + i / 128.0))));
      }
    }
    return t;
  }();
  return kTables;
}

}  // namespace

Scale sf_norm(uint64_t v, int e) {
  if (v == 0) return {};
  const int length = bitlen(v);
  int exponent = e + length - 16;
  uint64_t m = 0;
  if (length <= 16) {
    m = v << (16 - length);
  } else {
    m = ((v >> (length - 17)) + 1) >> 1;
    if (m == 0x10000) {
      m = 0x8000;
      ++exponent;
    }
  }
  return {static_cast<uint16_t>(m), wrap16(exponent)};
}

Scale sf_mul(Scale a, Scale b) { return sf_norm(static_cast<uint64_t>(a.m) * b.m, a.e + b.e); }

Scale sf_add(Scale a, Scale b) {
  if (a.m == 0) return b;
  if (b.m == 0) return a;
  const bool a_high = a.e >= b.e;
  const Scale hi = a_high ? a : b;
  const Scale lo = a_high ? b : a;
  const int k = hi.e - lo.e;
  const uint64_t low = k < 32 ? (static_cast<uint64_t>(lo.m) << 16) >> k : 0;
  return sf_norm((static_cast<uint64_t>(hi.m) << 16) + low, hi.e - 16);
}

Scale sf_recip(Scale a) {
  if (a.m == 0) return {};
  const auto& r = recip_table();
  const size_t i = (a.m >> 7) & 0xFFU;
  const int64_t f = a.m & 0x7F;
  const int64_t y = r[i] - rsh((r[i] - r[i + 1]) * f, 7);
  return sf_norm(static_cast<uint64_t>(y), -32 - a.e);
}

Scale sf_rsqrt(Scale a) {
  if (a.m == 0) return {};
  const int exponent = a.e + 15;
  const int p = exponent & 1;
  const auto& q = rsqrt_tables()[static_cast<size_t>(p)];
  const size_t i = (a.m >> 8) & 0x7FU;
  const int64_t f = a.m & 0xFF;
  const int64_t y = q[i] - rsh((q[i] - q[i + 1]) * f, 8);
  return sf_norm(static_cast<uint64_t>(y), -17 - (exponent - p) / 2);
}

Scale sf_from(double v) {
  if (!std::isfinite(v) || v < 0.0) fail("scale must be a finite number of at least 0, found {}", v);
  if (v == 0.0) return {};
  int e = std::ilogb(v) - 15;
  int64_t m = round_half_up(std::ldexp(v, -e));
  if (m == 0x10000) {
    m = 0x8000;
    ++e;
  }
  return {static_cast<uint16_t>(m), wrap16(e)};
}

double sf_value(Scale s) { return std::ldexp(static_cast<double>(s.m), s.e); }

}  // namespace pimllm

// Arithmetic and units of the cost models.
#pragma once

#include <cstdint>

namespace pimllm::cost {

inline constexpr double kSecondsPerNs = 1e-9;
inline constexpr double kJoulesPerNj = 1e-9;

constexpr double as_double(int64_t n) { return static_cast<double>(n); }

// a >= 0, b >= 1.
constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Smallest e with 2^e >= n, n >= 1.
constexpr int ceil_log2(int64_t n) {
  int e = 0;
  while ((int64_t{1} << e) < n) ++e;
  return e;
}

}  // namespace pimllm::cost

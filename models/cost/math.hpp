// Integer helpers of the cost models.
#pragma once

#include <cstdint>

namespace pimllm::cost {

// a >= 0, b >= 1.
constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Smallest e with 2^e >= n, n >= 1.
constexpr int ceil_log2(int64_t n) {
  int e = 0;
  while ((int64_t{1} << e) < n) ++e;
  return e;
}

}  // namespace pimllm::cost

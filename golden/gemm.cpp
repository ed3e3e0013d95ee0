#include "golden/gemm.hpp"

#include <algorithm>
#include <vector>

#if defined(__x86_64__) && defined(__GNUC__)
#define PIMLLM_GEMM_VNNI 1
#include <immintrin.h>
#endif

namespace pimllm {
namespace {

template <typename A>
void gemm_plain(int m, int n, int k, const A* a, size_t lda, const int8_t* b, size_t ldb, int32_t* c,
                size_t ldc) {
  // Both operands as int16: compilers turn the inner loop into multiply-add-pairs.
  const auto depth = static_cast<size_t>(k);
  std::vector<int16_t> wide(static_cast<size_t>(m) * depth);
  for (int i = 0; i < m; ++i) {
    std::copy_n(a + static_cast<size_t>(i) * lda, depth,
                wide.begin() + static_cast<std::ptrdiff_t>(i * depth));
  }
  std::vector<int16_t> column(depth);
  for (int j = 0; j < n; ++j) {
    std::copy_n(b + static_cast<size_t>(j) * ldb, depth, column.begin());
    for (int i = 0; i < m; ++i) {
      const int16_t* row = wide.data() + static_cast<size_t>(i) * depth;
      int32_t sum = 0;
      for (size_t p = 0; p < depth; ++p) sum += int32_t{row[p]} * column[p];
      c[static_cast<size_t>(i) * ldc + static_cast<size_t>(j)] = sum;
    }
  }
}

#ifdef PIMLLM_GEMM_VNNI
#define PIMLLM_VNNI_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

// Sum of the lanes. (GCC 12's _mm512_reduce_add_epi32 warns of its own uninitialised variable.)
PIMLLM_VNNI_TARGET inline int32_t sum_lanes(__m512i v) {
  alignas(64) int32_t lanes[16];
  _mm512_store_si512(lanes, v);
  const __m256i half = _mm256_add_epi32(_mm256_load_si256(reinterpret_cast<const __m256i*>(lanes)),
                                        _mm256_load_si256(reinterpret_cast<const __m256i*>(lanes + 8)));
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4E));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xB1));
  return _mm_cvtsi128_si32(sum);
}

// M x N dot products of length k. A is unsigned, or signed with the sign bit flipped (x + 128).
template <int M, int N>
PIMLLM_VNNI_TARGET void vnni_block(size_t k, const uint8_t* a, size_t lda, const int8_t* b, size_t ldb,
                                   uint8_t flip, const int32_t* correction, int32_t* c, size_t ldc) {
  __m512i acc[M][N];
  for (int i = 0; i < M; ++i) {
    for (int j = 0; j < N; ++j) acc[i][j] = _mm512_setzero_si512();
  }
  const __m512i sign = _mm512_set1_epi8(static_cast<char>(flip));
  for (size_t p = 0; p < k; p += 64) {
    const __mmask64 mask = k - p >= 64 ? ~__mmask64{0} : (__mmask64{1} << (k - p)) - 1;
    __m512i bv[N];
    for (int j = 0; j < N; ++j) bv[j] = _mm512_maskz_loadu_epi8(mask, b + static_cast<size_t>(j) * ldb + p);
    for (int i = 0; i < M; ++i) {
      const __m512i av =
          _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, a + static_cast<size_t>(i) * lda + p), sign);
      for (int j = 0; j < N; ++j) acc[i][j] = _mm512_dpbusd_epi32(acc[i][j], av, bv[j]);
    }
  }
  for (int i = 0; i < M; ++i) {
    for (int j = 0; j < N; ++j) {
      c[static_cast<size_t>(i) * ldc + static_cast<size_t>(j)] = sum_lanes(acc[i][j]) - correction[j];
    }
  }
}

template <int N>
PIMLLM_VNNI_TARGET void vnni_columns(int m, size_t k, const uint8_t* a, size_t lda, const int8_t* b,
                                     size_t ldb, uint8_t flip, int32_t* c, size_t ldc) {
  int32_t correction[N] = {};
  if (flip != 0) {
    // 128 * sum of each row of B, taken off again; one pass with A all 128.
    const uint8_t kFlip = flip;
    for (int j = 0; j < N; ++j) {
      __m512i sum = _mm512_setzero_si512();
      for (size_t p = 0; p < k; p += 64) {
        const __mmask64 mask = k - p >= 64 ? ~__mmask64{0} : (__mmask64{1} << (k - p)) - 1;
        sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(static_cast<char>(kFlip)),
                                  _mm512_maskz_loadu_epi8(mask, b + static_cast<size_t>(j) * ldb + p));
      }
      correction[j] = sum_lanes(sum);
    }
  }
  int i = 0;
  for (; i + 4 <= m; i += 4) {
    vnni_block<4, N>(k, a + static_cast<size_t>(i) * lda, lda, b, ldb, flip, correction,
                     c + static_cast<size_t>(i) * ldc, ldc);
  }
  for (; i < m; ++i) {
    vnni_block<1, N>(k, a + static_cast<size_t>(i) * lda, lda, b, ldb, flip, correction,
                     c + static_cast<size_t>(i) * ldc, ldc);
  }
}

void gemm_vnni(int m, int n, int k, const uint8_t* a, size_t lda, const int8_t* b, size_t ldb, uint8_t flip,
               int32_t* c, size_t ldc) {
  int j = 0;
  for (; j + 4 <= n; j += 4) {
    vnni_columns<4>(m, static_cast<size_t>(k), a, lda, b + static_cast<size_t>(j) * ldb, ldb, flip, c + j,
                    ldc);
  }
  for (; j < n; ++j) {
    vnni_columns<1>(m, static_cast<size_t>(k), a, lda, b + static_cast<size_t>(j) * ldb, ldb, flip, c + j,
                    ldc);
  }
}

bool has_vnni() {
  static const bool kHas = __builtin_cpu_supports("avx512bw") != 0 &&
                           __builtin_cpu_supports("avx512vl") != 0 &&
                           __builtin_cpu_supports("avx512vnni") != 0;
  return kHas;
}
#endif

}  // namespace

void gemm_i8(int m, int n, int k, const int8_t* a, size_t lda, const int8_t* b, size_t ldb, int32_t* c,
             size_t ldc) {
#ifdef PIMLLM_GEMM_VNNI
  if (has_vnni()) {
    gemm_vnni(m, n, k, reinterpret_cast<const uint8_t*>(a), lda, b, ldb, 0x80, c, ldc);
    return;
  }
#endif
  gemm_plain(m, n, k, a, lda, b, ldb, c, ldc);
}

void gemm_u8i8(int m, int n, int k, const uint8_t* a, size_t lda, const int8_t* b, size_t ldb, int32_t* c,
               size_t ldc) {
#ifdef PIMLLM_GEMM_VNNI
  if (has_vnni()) {
    gemm_vnni(m, n, k, a, lda, b, ldb, 0, c, ldc);
    return;
  }
#endif
  gemm_plain(m, n, k, a, lda, b, ldb, c, ldc);
}

void gemm_i8_portable(int m, int n, int k, const int8_t* a, size_t lda, const int8_t* b, size_t ldb,
                      int32_t* c, size_t ldc) {
  gemm_plain(m, n, k, a, lda, b, ldb, c, ldc);
}

void gemm_u8i8_portable(int m, int n, int k, const uint8_t* a, size_t lda, const int8_t* b, size_t ldb,
                        int32_t* c, size_t ldc) {
  gemm_plain(m, n, k, a, lda, b, ldb, c, ldc);
}

}  // namespace pimllm

// Exact integer matrix products, the golden model's only hot loops. Not part of the specification: any order
// of an exact sum gives the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pimllm {

// c[m][n] = sum over k of a[m][k] * b[n][k]; rows are lda, ldb, ldc elements apart. Sums fit in int32.
void gemm_i8(int m, int n, int k, const int8_t* a, size_t lda, const int8_t* b, size_t ldb, int32_t* c,
             size_t ldc);
void gemm_u8i8(int m, int n, int k, const uint8_t* a, size_t lda, const int8_t* b, size_t ldb, int32_t* c,
               size_t ldc);

// The same without processor-specific instructions, for comparison.
void gemm_i8_portable(int m, int n, int k, const int8_t* a, size_t lda, const int8_t* b, size_t ldb,
                      int32_t* c, size_t ldc);
void gemm_u8i8_portable(int m, int n, int k, const uint8_t* a, size_t lda, const int8_t* b, size_t ldb,
                        int32_t* c, size_t ldc);

}  // namespace pimllm

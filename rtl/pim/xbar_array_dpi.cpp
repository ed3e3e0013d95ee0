// Cells and conversions of xbar_array (docs/pim.md): packed bit planes of the +1 and the -1 cells, counted with popcount.
//
// Rows are counted 64 at a time: planes of one (slot, column group) lie as [word of rows][column], so that the loop over
// columns vectorizes.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "svdpi.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define PIMLLM_XBAR_TARGET(features) __attribute__((target(features), optimize("O3")))
#define PIMLLM_XBAR_X86 1
#endif

namespace {

constexpr int kWordRows = 64;

// What one conversion of a column group works on.
struct Conversion {
  const uint64_t* plus = nullptr;   // [word][column]
  const uint64_t* minus = nullptr;  // likewise
  const uint64_t* drive = nullptr;  // [word]
  size_t words = 0;
  size_t columns = 0;
  int lsb_shift = 0;
  int64_t most = 0;  // largest code
  int64_t* sums = nullptr;
  int8_t* codes = nullptr;
};

// Codes of all columns; returns how many clipped.
[[gnu::always_inline]] inline int64_t convert_columns(const Conversion& job) {
  int64_t* sums = job.sums;
  for (size_t c = 0; c < job.columns; ++c) sums[c] = 0;
  for (size_t w = 0; w < job.words; ++w) {
    const uint64_t drive = job.drive[w];
    if (drive == 0) continue;
    const uint64_t* plus = job.plus + w * job.columns;
    const uint64_t* minus = job.minus + w * job.columns;
    for (size_t c = 0; c < job.columns; ++c) {
      sums[c] += static_cast<int64_t>(std::popcount(plus[c] & drive)) -
                 static_cast<int64_t>(std::popcount(minus[c] & drive));
    }
  }
  const int64_t half = job.lsb_shift == 0 ? 0 : int64_t{1} << (job.lsb_shift - 1);
  const int64_t most = job.most;
  const int64_t least = -most - 1;
  const int shift = job.lsb_shift;
  int8_t* codes = job.codes;
  int64_t clips = 0;
  for (size_t c = 0; c < job.columns; ++c) {
    const int64_t rounded = (sums[c] + half) >> shift;
    int64_t code = rounded > most ? most : rounded;
    code = code < least ? least : code;
    clips += code != rounded ? 1 : 0;
    codes[c] = static_cast<int8_t>(code);
  }
  return clips;
}

int64_t convert_portable(const Conversion& job) { return convert_columns(job); }

#ifdef PIMLLM_XBAR_X86
PIMLLM_XBAR_TARGET("popcnt")
int64_t convert_popcnt(const Conversion& job) { return convert_columns(job); }

PIMLLM_XBAR_TARGET("avx512f,avx512vl,avx512dq,avx512vpopcntdq")
int64_t convert_avx512(const Conversion& job) { return convert_columns(job); }
#endif

using ConvertFunction = int64_t (*)(const Conversion&);

ConvertFunction choose_convert() {
#ifdef PIMLLM_XBAR_X86
  if (__builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq")) {
    return convert_avx512;
  }
  if (__builtin_cpu_supports("popcnt")) return convert_popcnt;
#endif
  return convert_portable;
}

struct Xbar {
  ConvertFunction convert = choose_convert();
  int rows = 0;
  int slots = 0;
  int adcs = 0;
  int adc_bits = 0;
  int groups = 0;
  int words = 0;                       // 64-row words of a column
  std::vector<uint64_t> plus;          // [slot][group][word][adc]
  std::vector<uint64_t> minus;         // likewise
  std::vector<uint32_t> row_programs;  // [slot][row], programmings of the row's first column group
  std::vector<uint64_t> drive;         // of the conversion in work
  std::vector<int64_t> sums;           // likewise, one a column
  std::vector<int8_t> codes;           // likewise

  size_t plane(int slot, int group) const {
    return (static_cast<size_t>(slot) * static_cast<size_t>(groups) + static_cast<size_t>(group)) *
           static_cast<size_t>(words) * static_cast<size_t>(adcs);
  }
};

Xbar& xbar_of(void* handle) { return *static_cast<Xbar*>(handle); }

}  // namespace

extern "C" {

void* pimllm_xbar_new(int rows, int cols, int slots, int adcs, int adc_bits, int /*sets*/, int /*set_index*/) {
  auto* xbar = new Xbar;
  xbar->rows = rows;
  xbar->slots = slots;
  xbar->adcs = adcs;
  xbar->adc_bits = adc_bits;
  xbar->groups = cols / adcs;
  xbar->words = (rows + kWordRows - 1) / kWordRows;
  xbar->plus.resize(xbar->plane(slots, 0));
  xbar->minus.resize(xbar->plus.size());
  xbar->row_programs.resize(static_cast<size_t>(slots) * static_cast<size_t>(rows));
  xbar->drive.resize(static_cast<size_t>(xbar->words));
  xbar->sums.resize(static_cast<size_t>(adcs));
  xbar->codes.resize(static_cast<size_t>(adcs));
  return xbar;
}

void pimllm_xbar_free(void* handle) { delete static_cast<Xbar*>(handle); }

// Two bits a column, weight + 1.
void pimllm_xbar_program(void* handle, int slot, int group, int row, const svBitVecVal* codes) {
  Xbar& xbar = xbar_of(handle);
  const size_t word = xbar.plane(slot, group) + static_cast<size_t>(row / kWordRows) * static_cast<size_t>(xbar.adcs);
  const uint64_t mask = uint64_t{1} << (row % kWordRows);
  for (int c = 0; c < xbar.adcs; ++c) {
    const uint32_t code = codes[c / 16] >> (2 * (c % 16)) & 3U;
    uint64_t& plus = xbar.plus[word + static_cast<size_t>(c)];
    uint64_t& minus = xbar.minus[word + static_cast<size_t>(c)];
    plus = code == 2 ? plus | mask : plus & ~mask;
    minus = code == 0 ? minus | mask : minus & ~mask;
  }
  if (group == 0) ++xbar.row_programs[static_cast<size_t>(slot) * static_cast<size_t>(xbar.rows) + static_cast<size_t>(row)];
}

// Converts one column group; returns the number of clipped columns.
int pimllm_xbar_convert(void* handle, int slot, int group, const svBitVecVal* drive, int /*pos*/, int /*step*/,
                        int lsb_shift, int adc_bits, svBitVecVal* codes) {
  Xbar& xbar = xbar_of(handle);
  const auto adcs = static_cast<size_t>(xbar.adcs);
  for (int w = 0; w < xbar.words; ++w) {
    uint64_t rows = drive[2 * w];
    if (xbar.rows > kWordRows * w + kWordRows / 2) rows |= static_cast<uint64_t>(drive[2 * w + 1]) << 32;
    xbar.drive[static_cast<size_t>(w)] = rows;
  }
  const size_t plane = xbar.plane(slot, group);
  const int64_t clips = xbar.convert({&xbar.plus[plane], &xbar.minus[plane], xbar.drive.data(), xbar.drive.size(), adcs,
                                      lsb_shift, (int64_t{1} << (adc_bits - 1)) - 1, xbar.sums.data(),
                                      xbar.codes.data()});
  if (xbar.adc_bits == 8 && adcs % 4 == 0) {
    std::memcpy(codes, xbar.codes.data(), adcs);
    return static_cast<int>(clips);
  }
  const uint32_t mask = (1U << xbar.adc_bits) - 1;
  uint64_t bits = 0;
  int filled = 0;
  size_t out = 0;
  for (size_t c = 0; c < adcs; ++c) {
    bits |= static_cast<uint64_t>(static_cast<uint32_t>(xbar.codes[c]) & mask) << filled;
    filled += xbar.adc_bits;
    if (filled >= 32) {
      codes[out++] = static_cast<uint32_t>(bits);
      bits >>= 32;
      filled -= 32;
    }
  }
  if (filled > 0) codes[out] = static_cast<uint32_t>(bits);
  return static_cast<int>(clips);
}

}  // extern "C"

// Cells and conversions of xbar_array (docs/pim.md): packed bit planes of the +1 and the -1 cells, counted
// with popcount.
//
// Rows are counted 64 at a time: planes of one (slot, column group) lie as [word of rows][column], so that
// the loop over columns vectorizes.
#include "xbar_array_dpi.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
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

// --- non-idealities
// --------------------------------------------------------------------------------------------------
constexpr int kCellShift = 12;  // a nominal cell is 2^12
constexpr int64_t kCell = int64_t{1} << kCellShift;
constexpr int64_t kNoiseUnit = kCell / 256;
enum Draw : uint64_t { kSpread = 1, kStuck = 2, kRead = 3, kOffset = 4 };

thread_local pimllm::XbarNoise next_noise;

uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

uint64_t draw(uint64_t seed, Draw kind, uint64_t a, uint64_t b, uint64_t c) {
  uint64_t x = mix(seed);
  for (const uint64_t key : std::array<uint64_t, 4>{kind, a, b, c})
    x = mix(x + 0x9E3779B97F4A7C15U * (key + 1));
  return x;
}

int64_t gauss(uint64_t bits, int64_t sigma) {
  constexpr int64_t kMean = 2 * 65535;
  constexpr int64_t kPerSigma = 113512;  // 2^32 / standard deviation of the sum
  int64_t sum = -kMean;
  for (int i = 0; i < 4; ++i) sum += static_cast<int64_t>(bits >> (16 * i) & 0xffffU);
  return (sum * sigma * kPerSigma + (int64_t{1} << 31)) >> 32;
}

struct Xbar {
  ConvertFunction convert = choose_convert();
  pimllm::XbarNoise noise;
  bool noisy = false;  // conversions differ from counts of the planes
  int rows = 0;
  int slots = 0;
  int adcs = 0;
  int adc_bits = 0;
  int sets = 0;
  int set_index = 0;
  int groups = 0;
  int words = 0;                       // 64-row words of a column
  std::vector<uint64_t> plus;          // [slot][group][word][adc], devices in LRS
  std::vector<uint64_t> minus;         // likewise
  std::vector<int16_t> values;         // with spread: [slot][group][row][adc], current of a cell
  std::vector<uint32_t> row_programs;  // [slot][row], programmings of the row's first column group
  std::vector<uint64_t> drive;         // of the conversion in work
  std::vector<int64_t> sums;           // likewise, one a column
  std::vector<int8_t> codes;           // likewise

  size_t plane(int slot, int group) const {
    return (static_cast<size_t>(slot) * static_cast<size_t>(groups) + static_cast<size_t>(group)) *
           static_cast<size_t>(words) * static_cast<size_t>(adcs);
  }
  size_t value(int slot, int group, int row) const {
    return ((static_cast<size_t>(slot) * static_cast<size_t>(groups) + static_cast<size_t>(group)) *
                static_cast<size_t>(rows) +
            static_cast<size_t>(row)) *
           static_cast<size_t>(adcs);
  }
  uint64_t crossbar(int slot) const { return static_cast<uint64_t>(slot * sets + set_index); }
  uint64_t column(int group, int adc) const { return static_cast<uint64_t>(group * adcs + adc); }

  // Whether a device that was programmed to `lrs` conducts.
  bool conducts(uint64_t crossbar, int row, uint64_t device, bool lrs) const {
    if (noise.stuck_hrs == 0 && noise.stuck_lrs == 0) return lrs;
    const auto u =
        static_cast<int>(draw(noise.seed, kStuck, crossbar, static_cast<uint64_t>(row), device) & 0xffffU);
    if (u < noise.stuck_hrs) return false;
    return u < noise.stuck_hrs + noise.stuck_lrs || lrs;
  }

  int64_t current(uint64_t crossbar, int row, uint64_t device) const {
    const int64_t spread =
        gauss(draw(noise.seed, kSpread, crossbar, static_cast<uint64_t>(row), device), noise.spread);
    return kCell + std::clamp(spread, -kCell, kCell);
  }

  void program(int slot, int group, int row, int adc, int weight) {
    const size_t word = plane(slot, group) +
                        static_cast<size_t>(row / kWordRows) * static_cast<size_t>(adcs) +
                        static_cast<size_t>(adc);
    const uint64_t mask = uint64_t{1} << (row % kWordRows);
    const uint64_t device = 2 * column(group, adc);
    const bool p = conducts(crossbar(slot), row, device, weight > 0);
    const bool m = conducts(crossbar(slot), row, device + 1, weight < 0);
    plus[word] = p ? plus[word] | mask : plus[word] & ~mask;
    minus[word] = m ? minus[word] | mask : minus[word] & ~mask;
    if (!values.empty()) {
      values[value(slot, group, row) + static_cast<size_t>(adc)] =
          static_cast<int16_t>((p ? current(crossbar(slot), row, device) : 0) -
                               (m ? current(crossbar(slot), row, device + 1) : 0));
    }
  }

  // A conversion with noise; returns how many columns clipped.
  int64_t convert_noisy(int slot, int group, uint64_t pos, uint64_t step, int lsb_shift, int64_t most) {
    for (int c = 0; c < adcs; ++c) {
      int64_t analog = 0;
      if (values.empty()) {
        for (int w = 0; w < words; ++w) {
          const size_t at = plane(slot, group) + static_cast<size_t>(w * adcs + c);
          const uint64_t rows_on = drive[static_cast<size_t>(w)];
          analog += std::popcount(plus[at] & rows_on) - std::popcount(minus[at] & rows_on);
        }
        analog *= kCell;
      } else {
        for (int row = 0; row < rows; ++row) {
          if ((drive[static_cast<size_t>(row / kWordRows)] >> (row % kWordRows) & 1U) == 0) continue;
          analog += values[value(slot, group, row) + static_cast<size_t>(c)];
        }
      }
      const uint64_t conversion = pos * 8 * static_cast<uint64_t>(rows) + step;
      analog += kNoiseUnit * gauss(draw(noise.seed, kRead, crossbar(slot), column(group, c), conversion),
                                   noise.read_noise);
      analog += kNoiseUnit * gauss(draw(noise.seed, kOffset, static_cast<uint64_t>(set_index),
                                        static_cast<uint64_t>(c), 0),
                                   noise.adc_offset);
      sums[static_cast<size_t>(c)] = analog;
    }
    const int shift = lsb_shift + kCellShift;
    int64_t clips = 0;
    for (int c = 0; c < adcs; ++c) {
      const int64_t rounded = (sums[static_cast<size_t>(c)] + (int64_t{1} << (shift - 1))) >> shift;
      const int64_t code = std::clamp(rounded, -most - 1, most);
      clips += code != rounded ? 1 : 0;
      codes[static_cast<size_t>(c)] = static_cast<int8_t>(code);
    }
    return clips;
  }
};

Xbar& xbar_of(void* handle) { return *static_cast<Xbar*>(handle); }

}  // namespace

void pimllm::set_xbar_noise(const XbarNoise& noise) { next_noise = noise; }

extern "C" {

void* pimllm_xbar_new(int rows, int cols, int slots, int adcs, int adc_bits, int sets, int set_index) {
  auto* xbar = new Xbar;
  xbar->noise = next_noise;
  xbar->noisy = next_noise.spread != 0 || next_noise.read_noise != 0 || next_noise.adc_offset != 0;
  xbar->rows = rows;
  xbar->slots = slots;
  xbar->adcs = adcs;
  xbar->adc_bits = adc_bits;
  xbar->sets = sets;
  xbar->set_index = set_index;
  xbar->groups = cols / adcs;
  xbar->words = (rows + kWordRows - 1) / kWordRows;
  xbar->plus.resize(xbar->plane(slots, 0));
  xbar->minus.resize(xbar->plus.size());
  if (next_noise.spread != 0) xbar->values.resize(xbar->value(slots, 0, 0));
  xbar->row_programs.resize(static_cast<size_t>(slots) * static_cast<size_t>(rows));
  xbar->drive.resize(static_cast<size_t>(xbar->words));
  xbar->sums.resize(static_cast<size_t>(adcs));
  xbar->codes.resize(static_cast<size_t>(adcs));
  if (next_noise.stuck_lrs != 0) {  // devices that conduct without having been programmed
    for (int slot = 0; slot < slots; ++slot) {
      for (int group = 0; group < xbar->groups; ++group) {
        for (int row = 0; row < rows; ++row) {
          for (int adc = 0; adc < adcs; ++adc) xbar->program(slot, group, row, adc, 0);
        }
      }
    }
  }
  return xbar;
}

void pimllm_xbar_free(void* handle) {
  const Xbar& xbar = xbar_of(handle);
  if (!xbar.noise.wear_file.empty()) {
    std::ofstream out(xbar.noise.wear_file, std::ios::app);
    for (size_t i = 0; i < xbar.row_programs.size(); ++i) {
      if (xbar.row_programs[i] == 0) continue;
      const auto rows = static_cast<size_t>(xbar.rows);
      out << xbar.crossbar(static_cast<int>(i / rows)) << ',' << i % rows << ',' << xbar.row_programs[i]
          << '\n';
    }
  }
  delete static_cast<Xbar*>(handle);
}

// Two bits a column, weight + 1.
void pimllm_xbar_program(void* handle, int slot, int group, int row, const svBitVecVal* codes) {
  constexpr int kCodesPerWord = 16;
  Xbar& xbar = xbar_of(handle);
  for (int c = 0; c < xbar.adcs; ++c) {
    const auto code = static_cast<int>(codes[c / kCodesPerWord] >> (2 * (c % kCodesPerWord)) & 3U);
    xbar.program(slot, group, row, c, code - 1);
  }
  if (group == 0) {
    ++xbar.row_programs[static_cast<size_t>(slot) * static_cast<size_t>(xbar.rows) +
                        static_cast<size_t>(row)];
  }
}

// Converts one column group; returns the number of clipped columns.
int pimllm_xbar_convert(void* handle, int slot, int group, const svBitVecVal* drive, int pos, int step,
                        int lsb_shift, int adc_bits, svBitVecVal* codes) {
  Xbar& xbar = xbar_of(handle);
  const auto adcs = static_cast<size_t>(xbar.adcs);
  for (int w = 0; w < xbar.words; ++w) {
    uint64_t rows = drive[2 * w];
    if (xbar.rows > kWordRows * w + kWordRows / 2) rows |= static_cast<uint64_t>(drive[2 * w + 1]) << 32;
    xbar.drive[static_cast<size_t>(w)] = rows;
  }
  const int64_t most = (int64_t{1} << (adc_bits - 1)) - 1;
  int64_t clips = 0;
  if (xbar.noisy) {
    clips = xbar.convert_noisy(slot, group, static_cast<uint64_t>(pos), static_cast<uint64_t>(step),
                               lsb_shift, most);
  } else {
    const size_t plane = xbar.plane(slot, group);
    clips = xbar.convert({&xbar.plus[plane], &xbar.minus[plane], xbar.drive.data(), xbar.drive.size(), adcs,
                          lsb_shift, most, xbar.sums.data(), xbar.codes.data()});
  }
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

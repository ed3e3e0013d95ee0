#include "golden/crossbar.hpp"

#include <array>

#include "golden/error.hpp"
#include "golden/fixed.hpp"
#include "golden/gemm.hpp"

#if defined(__x86_64__) && defined(__GNUC__)
#define PIMLLM_POPCNT 1
#define PIMLLM_INLINE inline __attribute__((always_inline))
#else
#define PIMLLM_INLINE inline
#endif

namespace pimllm {
namespace {

constexpr size_t kBits = 8;
constexpr int kCurrentBits = 12;  // a nominal cell is 2^12
static_assert(kNominalCurrent == 1 << kCurrentBits);

void check_settings(const CrossbarSettings& s) {
  if (s.xbar_rows < 1) fail("crossbar rows: expected at least 1, found {}", s.xbar_rows);
  if (s.rows_per_conversion < 1)
    fail("rows per conversion: expected at least 1, found {}", s.rows_per_conversion);
  if (s.lsb_shift < 0 || s.lsb_shift > 15) fail("ADC LSB shift: expected 0..15, found {}", s.lsb_shift);
  if (s.adc_bits < 1 || s.adc_bits > 16) fail("ADC bits: expected 1..16, found {}", s.adc_bits);
  check_noise(s.noise);
}

struct InputRange {
  int begin = 0;
  int end = 0;
  int tile = 0;
  int number = 0;  // row group of the tile
};

int row_of(int input, RowPositions rows) { return rows.empty() ? input : rows[static_cast<size_t>(input)]; }

// The inputs of each row group, in order. Without noise only of those that have any; with noise of all groups
// of the place's row tiles, because conversions without inputs are noisy too.
std::vector<InputRange> row_groups(int in, const CrossbarSettings& s, RowPositions rows,
                                   const CrossbarPlace& place) {
  check_settings(s);
  if (!rows.empty() && rows.size() != static_cast<size_t>(in)) {
    fail("crossbar row positions: expected {} entries, found {}", in, rows.size());
  }
  const bool noisy = s.noise.any();
  const int groups_of_tile = (s.xbar_rows + s.rows_per_conversion - 1) / s.rows_per_conversion;
  std::vector<InputRange> groups;
  if (noisy) {
    for (int g = 0; g < place.row_tiles * groups_of_tile; ++g) {
      groups.push_back({0, 0, g / groups_of_tile, g % groups_of_tile});
    }
  }
  int last_row = -1;
  int last = -1;
  for (int i = 0; i < in; ++i) {
    const int row = row_of(i, rows);
    if (row <= last_row)
      fail("crossbar row positions: expected more than {} at entry {}, found {}", last_row, i, row);
    last_row = row;
    const int tile = row / s.xbar_rows;
    const int number = row % s.xbar_rows / s.rows_per_conversion;
    const int group = tile * groups_of_tile + number;
    if (noisy && tile >= place.row_tiles) {
      fail("crossbar row positions: expected rows of {} row tiles, found row {}", place.row_tiles, row);
    }
    if (group != last) {
      if (!noisy) groups.push_back({i, i, tile, number});
      if (noisy) groups[static_cast<size_t>(group)].begin = i;
      last = group;
    }
    (noisy ? groups[static_cast<size_t>(group)] : groups.back()).end = i + 1;
  }
  return groups;
}

// The cell column of output c in its row tiles.
struct ColumnPlace {
  int first_crossbar = 0;  // of row tile 0
  int column = 0;
};

ColumnPlace column_place(const CrossbarPlace& place, const CrossbarBank& bank, size_t c) {
  const int at = place.first_column + (place.columns.empty() ? static_cast<int>(c) : place.columns.at(c));
  return {place.first_crossbar + at / bank.xbar_cols * place.row_tiles, at % bank.xbar_cols};
}

struct Adc {
  explicit Adc(const CrossbarSettings& s)
      : lsb_shift(s.lsb_shift), minimum(-(1 << (s.adc_bits - 1))), maximum((1 << (s.adc_bits - 1)) - 1) {}

  // The converted value in units of 1 (code * 2^L).
  int32_t convert(int32_t analog, uint64_t& clips) const {
    const int32_t rounded = lsb_shift == 0 ? analog : (analog + (1 << (lsb_shift - 1))) >> lsb_shift;
    const int32_t code = std::clamp(rounded, minimum, maximum);
    if (code != rounded) ++clips;
    return code * (1 << lsb_shift);
  }

  // The same of a current in 1/4096.
  int32_t convert_current(int64_t current, uint64_t& clips) const {
    const int shift = kCurrentBits + lsb_shift;
    const int64_t rounded = (current + (int64_t{1} << (shift - 1))) >> shift;
    const auto code = static_cast<int32_t>(std::clamp<int64_t>(rounded, minimum, maximum));
    if (code != rounded) ++clips;
    return code * (1 << lsb_shift);
  }

  int lsb_shift;
  int32_t minimum;
  int32_t maximum;
};

// What the conversions of one column and row group differ from their exact sums, over all bits. cells: plus
// words, then minus words; planes: [bit][word]. kWords: the number of words if it is known, so that the loop
// over them unrolls; else 0.
template <size_t kWords>
PIMLLM_INLINE int32_t errors_of(const Adc& adc, const uint64_t* cells, const uint64_t* planes,
                                size_t any_words, uint64_t& clips) {
  const size_t words = kWords != 0 ? kWords : any_words;
  const uint64_t* minus = cells + words;
  int32_t sum = 0;
  for (size_t b = 0; b < kBits; ++b) {
    int32_t analog = 0;
    for (size_t w = 0; w < words; ++w) {
      const uint64_t plane = planes[b * words + w];
      analog += std::popcount(plane & cells[w]) - std::popcount(plane & minus[w]);
    }
    const int32_t error = adc.convert(analog, clips) - analog;
    sum += error * (b == kBits - 1 ? -(1 << b) : 1 << b);
  }
  return sum;
}

PIMLLM_INLINE int32_t errors_of_words(const Adc& adc, const uint64_t* cells, const uint64_t* planes,
                                      size_t words, uint64_t& clips) {
  switch (words) {
    case 1:
      return errors_of<1>(adc, cells, planes, words, clips);
    case 2:
      return errors_of<2>(adc, cells, planes, words, clips);
    case 4:
      return errors_of<4>(adc, cells, planes, words, clips);
    default:
      return errors_of<0>(adc, cells, planes, words, clips);
  }
}

#ifdef PIMLLM_POPCNT
__attribute__((target("popcnt"))) int32_t errors_popcnt(const Adc& adc, const uint64_t* cells,
                                                        const uint64_t* planes, size_t words,
                                                        uint64_t& clips) {
  return errors_of_words(adc, cells, planes, words, clips);
}
#endif

int32_t conversion_errors(const Adc& adc, const uint64_t* cells, const uint64_t* planes, size_t words,
                          uint64_t& clips) {
#ifdef PIMLLM_POPCNT
  static const bool kPopcnt = __builtin_cpu_supports("popcnt") != 0;
  if (kPopcnt) return errors_popcnt(adc, cells, planes, words, clips);
#endif
  return errors_of_words(adc, cells, planes, words, clips);
}

}  // namespace

std::vector<int> padded_row_positions(int inputs, int block, int stride) {
  if (block < 1 || stride < block)
    fail("padded rows: expected stride >= block >= 1, found {} and {}", stride, block);
  std::vector<int> rows;
  rows.reserve(static_cast<size_t>(inputs));
  for (int i = 0; i < inputs; ++i) rows.push_back(i / block * stride + i % block);
  return rows;
}

std::vector<int32_t> crossbar_project(std::span<const int8_t> values, int out, std::span<const int8_t> x,
                                      const CrossbarSettings& settings, RowPositions rows, uint64_t& clips,
                                      const CrossbarPlace& place, int position) {
  const auto groups = row_groups(static_cast<int>(x.size()), settings, rows, place);
  const CrossbarNoise& noise = settings.noise;
  const CrossbarBank& bank = settings.bank;
  const Adc adc(settings);
  std::vector<int32_t> y(static_cast<size_t>(out));
  for (size_t c = 0; c < y.size(); ++c) {
    const auto column = values.subspan(c * x.size(), x.size());
    const ColumnPlace at = column_place(place, bank, c);
    for (const InputRange& group : groups) {
      const int crossbar = at.first_crossbar + group.tile;
      for (size_t b = 0; b < kBits; ++b) {
        int64_t current = 0;
        for (int r = group.begin; r < group.end; ++r) {
          const auto i = static_cast<size_t>(r);
          if (((static_cast<uint8_t>(x[i]) >> b) & 1) == 0) continue;
          if (!noise.any()) {
            current += kNominalCurrent * column[i];
            continue;
          }
          const int row = row_of(r, rows) % settings.xbar_rows;
          current += device_current(noise, crossbar, row, at.column, 0, column[i] > 0) -
                     device_current(noise, crossbar, row, at.column, 1, column[i] < 0);
        }
        const uint64_t conversion =
            static_cast<uint64_t>(position & 0xFFFF) * kBits * static_cast<uint64_t>(settings.xbar_rows) +
            kBits * static_cast<uint64_t>(group.number) + b;
        current += read_current(noise, crossbar, at.column, conversion) +
                   offset_current(noise, crossbar % bank.xbar_sets, at.column % bank.xbar_adcs);
        const int32_t weight = b == kBits - 1 ? -(1 << b) : 1 << b;
        y[c] += weight * adc.convert_current(current, clips);
      }
    }
  }
  return y;
}

CrossbarMatrix::CrossbarMatrix(std::span<const int8_t> values, int in, int out,
                               const CrossbarSettings& settings, RowPositions rows,
                               const CrossbarPlace& place)
    : in_(in), out_(out), settings_(settings), values_(values.begin(), values.end()), place_(place) {
  if (values.size() != static_cast<size_t>(in) * static_cast<size_t>(out)) {
    fail("crossbar matrix: expected {} x {} values, found {}", out, in, values.size());
  }
  for (const InputRange& range : row_groups(in, settings, rows, place)) {
    const auto words = static_cast<size_t>(range.end - range.begin + 63) / 64;
    groups_.push_back({range.begin, range.end, range.tile, range.number, words_, words});
    words_ += words;
  }
  if (settings.noise.any()) {
    prepare_currents(rows);
    return;
  }
  const Adc adc(settings);
  for (int c = 0; c < out; ++c) {
    const int8_t* column = values_.data() + static_cast<size_t>(c) * static_cast<size_t>(in);
    for (size_t g = 0; g < groups_.size(); ++g) {
      const Group& group = groups_[g];
      int32_t plus = 0;
      int32_t minus = 0;
      for (int r = group.begin; r < group.end; ++r) {
        if (column[r] < -1 || column[r] > 1) {
          fail("crossbar matrix: expected -1, 0 or 1 at output {} input {}, found {}", c, r, column[r]);
        }
        plus += column[r] > 0 ? 1 : 0;
        minus += column[r] < 0 ? 1 : 0;
      }
      uint64_t can_clip = 0;
      adc.convert(plus, can_clip);
      adc.convert(-minus, can_clip);
      if (can_clip == 0 && (settings.lsb_shift == 0 || plus + minus == 0)) continue;
      inexact_.push_back({static_cast<int>(g), c, cells_.size()});
      cells_.resize(cells_.size() + 2 * group.words);
      uint64_t* cells = cells_.data() + inexact_.back().cells;
      for (int r = group.begin; r < group.end; ++r) {
        const auto i = static_cast<size_t>(r - group.begin);
        const uint64_t bit = uint64_t{1} << (i % 64);
        if (column[r] > 0) cells[i / 64] |= bit;
        if (column[r] < 0) cells[group.words + i / 64] |= bit;
      }
    }
  }
}

void CrossbarMatrix::correct(const int8_t* x, int32_t* y, uint64_t& clips) const {
  std::vector<uint64_t> planes(kBits * words_);
  for (const Group& group : groups_) {
    uint64_t* words = planes.data() + kBits * group.word;
    for (int r = group.begin; r < group.end; ++r) {
      const auto i = static_cast<size_t>(r - group.begin);
      const auto bits = static_cast<uint8_t>(x[r]);
      for (size_t b = 0; b < kBits; ++b) {
        words[b * group.words + i / 64] |= static_cast<uint64_t>((bits >> b) & 1U) << (i % 64);
      }
    }
  }
  const Adc adc(settings_);
  for (const Conversion& conversion : inexact_) {
    const Group& group = groups_[static_cast<size_t>(conversion.group)];
    y[conversion.column] += conversion_errors(adc, cells_.data() + conversion.cells,
                                              planes.data() + kBits * group.word, group.words, clips);
  }
}

void CrossbarMatrix::prepare_currents(RowPositions rows) {
  currents_.resize(values_.size());
  for (size_t c = 0; c < static_cast<size_t>(out_); ++c) {
    const ColumnPlace at = column_place(place_, settings_.bank, c);
    for (int i = 0; i < in_; ++i) {
      const size_t cell = c * static_cast<size_t>(in_) + static_cast<size_t>(i);
      const int8_t value = values_[cell];
      if (value < -1 || value > 1) {
        fail("crossbar matrix: expected -1, 0 or 1 at output {} input {}, found {}", c, i, value);
      }
      const int row = row_of(i, rows);
      const int crossbar = at.first_crossbar + row / settings_.xbar_rows;
      const auto current = [&](int device, bool on) {
        return device_current(settings_.noise, crossbar, row % settings_.xbar_rows, at.column, device, on);
      };
      currents_[cell] = static_cast<int16_t>(current(0, value > 0) - current(1, value < 0));
    }
  }
}

void CrossbarMatrix::project_noisy(const int8_t* x, int position, int32_t* y, uint64_t& clips) const {
  const auto in = static_cast<size_t>(in_);
  // Bit planes as masks, so that the sums over rows vectorize.
  std::vector<int16_t> planes(kBits * in);
  for (size_t i = 0; i < in; ++i) {
    for (size_t b = 0; b < kBits; ++b) {
      planes[b * in + i] = static_cast<int16_t>(-((static_cast<uint8_t>(x[i]) >> b) & 1));
    }
  }
  const Adc adc(settings_);
  const uint64_t base =
      static_cast<uint64_t>(position & 0xFFFF) * kBits * static_cast<uint64_t>(settings_.xbar_rows);
  for (size_t c = 0; c < static_cast<size_t>(out_); ++c) {
    const ColumnPlace at = column_place(place_, settings_.bank, c);
    const int16_t* cells = currents_.data() + c * in;
    int32_t sum = 0;
    for (const Group& group : groups_) {
      const int crossbar = at.first_crossbar + group.tile;
      const int64_t offset = offset_current(settings_.noise, crossbar % settings_.bank.xbar_sets,
                                            at.column % settings_.bank.xbar_adcs);
      for (size_t b = 0; b < kBits; ++b) {
        const int16_t* plane = planes.data() + b * in;
        int32_t current = 0;
        for (auto i = static_cast<size_t>(group.begin); i < static_cast<size_t>(group.end); ++i) {
          current += cells[i] & plane[i];
        }
        const uint64_t conversion = base + kBits * static_cast<uint64_t>(group.number) + b;
        const int64_t noisy =
            current + offset + read_current(settings_.noise, crossbar, at.column, conversion);
        sum += adc.convert_current(noisy, clips) * (b == kBits - 1 ? -(1 << b) : 1 << b);
      }
    }
    y[c] = sum;
  }
}

void CrossbarMatrix::project(std::span<const int8_t> x, int tokens, std::span<int32_t> y, uint64_t& clips,
                             int position) const {
  const auto in = static_cast<size_t>(in_);
  const auto out = static_cast<size_t>(out_);
  if (x.size() != static_cast<size_t>(tokens) * in || y.size() != static_cast<size_t>(tokens) * out) {
    fail("crossbar projection: expected {} tokens of {} inputs and {} outputs, found {} and {}", tokens, in,
         out, x.size(), y.size());
  }
  if (settings_.noise.any()) {
    for (size_t t = 0; t < static_cast<size_t>(tokens); ++t) {
      project_noisy(x.data() + t * in, position + static_cast<int>(t), y.data() + t * out, clips);
    }
    return;
  }
  gemm_i8(tokens, out_, in_, x.data(), in, values_.data(), in, y.data(), out);
  if (inexact_.empty()) return;
  for (size_t t = 0; t < static_cast<size_t>(tokens); ++t)
    correct(x.data() + t * in, y.data() + t * out, clips);
}

}  // namespace pimllm

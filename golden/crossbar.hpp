// Bit-serial ternary crossbar projections with a clipping ADC: docs/numerics.md section 4. The array is
// ideal, or has the noise of docs/pim.md.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "golden/crossbar_noise.hpp"

namespace pimllm {

struct CrossbarSettings {
  int xbar_rows = 256;            // rows of a crossbar = inputs of a row tile, >= 1
  int rows_per_conversion = 128;  // G, >= 1
  int lsb_shift = 0;              // L, 0..15: one code is 2^L
  int adc_bits = 8;               // A, 1..16
  CrossbarNoise noise{};
  CrossbarBank bank{};  // keys of the noise

  friend bool operator==(const CrossbarSettings&, const CrossbarSettings&) = default;
};

// Where input i sits on the machine's row order: strictly increasing, from 0. An empty map is the natural
// order. Rows that no input names are unconnected.
using RowPositions = std::span<const int>;

// The row order in which blocks of `block` inputs (heads) start at multiples of `stride` >= block rows.
std::vector<int> padded_row_positions(int inputs, int block, int stride);

// The specification, conversion by conversion: values[out * in + i] for one input vector x of `in` entries;
// `out` results. Adds the clips to `clips`. `place` and the position of the token are keys of the noise only.
// Throws Error for settings out of range, rows not increasing, or rows beyond the place's row tiles.
std::vector<int32_t> crossbar_project(std::span<const int8_t> values, int out, std::span<const int8_t> x,
                                      const CrossbarSettings& settings, RowPositions rows, uint64_t& clips,
                                      const CrossbarPlace& place = {}, int position = 0);

// A matrix prepared for many projections; the same bits and clip counts as crossbar_project. Exact integer
// products, plus a correction from the conversions (row group x column) that can clip or round; with noise,
// conversion by conversion on the currents of the cells.
class CrossbarMatrix {
 public:
  CrossbarMatrix() = default;
  // values[out * in + i] in {-1, 0, 1}. Throws Error for other values, sizes or settings.
  CrossbarMatrix(std::span<const int8_t> values, int in, int out, const CrossbarSettings& settings,
                 RowPositions rows = {}, const CrossbarPlace& place = {});

  int in() const { return in_; }
  int out() const { return out_; }
  // Conversions (row group, column) that can differ from the exact sum.
  size_t inexact_conversions() const { return inexact_.size(); }

  // x[tokens][in] -> y[tokens][out]; adds the clips. `position` is that of the first token, the others
  // follow. Safe to call from several threads.
  void project(std::span<const int8_t> x, int tokens, std::span<int32_t> y, uint64_t& clips,
               int position = 0) const;

 private:
  struct Group {
    int begin = 0;  // inputs [begin, end)
    int end = 0;
    int tile = 0;
    int number = 0;   // in the row tile
    size_t word = 0;  // first 64-bit word of the group in a bit plane
    size_t words = 0;
  };
  struct Conversion {
    int group = 0;
    int column = 0;
    size_t cells = 0;  // offset in cells_: plus words, then minus words
  };

  void correct(const int8_t* x, int32_t* y, uint64_t& clips) const;
  void prepare_currents(RowPositions rows);
  void project_noisy(const int8_t* x, int position, int32_t* y, uint64_t& clips) const;

  int in_ = 0;
  int out_ = 0;
  CrossbarSettings settings_;
  std::vector<int8_t> values_;
  std::vector<Group> groups_;
  size_t words_ = 0;
  std::vector<Conversion> inexact_;
  std::vector<uint64_t> cells_;
  CrossbarPlace place_;
  std::vector<int16_t> currents_;  // with noise: [out][in], of the cell
};

}  // namespace pimllm

// Non-idealities of the crossbars: docs/pim.md, "Non-idealities". Every draw is a function of its keys, so
// that another model repeats it.
#pragma once

#include <cstdint>
#include <vector>

namespace pimllm {

struct CrossbarNoise {
  uint64_t seed = 0;
  int spread = 0;      // deviation of a conducting device's current, in 1/4096 of it, 0..4096
  int stuck_hrs = 0;   // probability of a device that never conducts, in 1/65536
  int stuck_lrs = 0;   // of one that always does; both together at most 65536
  int read_noise = 0;  // deviation from conversion to conversion, in 1/256 of a cell's current, 0..65535
  int adc_offset = 0;  // deviation from ADC to ADC, likewise

  bool any() const {
    return spread != 0 || stuck_hrs != 0 || stuck_lrs != 0 || read_noise != 0 || adc_offset != 0;
  }
  friend bool operator==(const CrossbarNoise&, const CrossbarNoise&) = default;
};

// Throws Error for values out of range.
void check_noise(const CrossbarNoise& noise);

// The crossbars of a machine, as far as they are keys of the noise.
struct CrossbarBank {
  int xbar_cols = 256;
  int xbar_sets = 8;
  int xbar_adcs = 128;

  friend bool operator==(const CrossbarBank&, const CrossbarBank&) = default;
};

// Where a matrix lies: its column c is column columns[c] (c if empty) + first_column of the column tiles that
// begin at crossbar first_crossbar; row tile r of column tile t is crossbar first_crossbar + t * row_tiles +
// r.
struct CrossbarPlace {
  int first_crossbar = 0;
  int first_column = 0;
  int row_tiles = 1;
  std::vector<int> columns{};
};

inline constexpr int kNominalCurrent = 4096;  // of a conducting device without spread

// Whether device 0 (weight +1) or 1 (weight -1) of a cell conducts, programmed to `on`, and with what
// current.
int32_t device_current(const CrossbarNoise& noise, int crossbar, int row, int column, int device, bool on);

// What is added to a conversion: read noise of (crossbar, column, conversion) and offset of (set, ADC).
int64_t read_current(const CrossbarNoise& noise, int crossbar, int column, uint64_t conversion);
int64_t offset_current(const CrossbarNoise& noise, int set, int adc);

}  // namespace pimllm

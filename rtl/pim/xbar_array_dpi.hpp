// Non-idealities of xbar_array, for C++ that runs the Verilated machine; defined in docs/pim.md, section
// "Non-idealities".
#pragma once

#include <cstdint>
#include <string>

namespace pimllm {

struct XbarNoise {
  uint64_t seed = 0;
  int spread = 0;      // standard deviation of a device's conductance in LRS, in 1/4096 of it; 0..4096
  int stuck_hrs = 0;   // probability of a device stuck at HRS, in 1/65536
  int stuck_lrs = 0;   // and at LRS
  int read_noise = 0;  // standard deviation a conversion, in 1/256 of a cell's current; 0..65535
  int adc_offset = 0;  // standard deviation over ADCs, in 1/256 of a cell's current; 0..65535
  std::string
      wear_file;  // if given, "crossbar,row,programmings" of every programmed row is appended on final()
};

// Holds for the models that this thread evaluates for the first time from now on. Off by default.
void set_xbar_noise(const XbarNoise& noise);

}  // namespace pimllm

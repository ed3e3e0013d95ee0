// LPDDR behind the machine: a roofline of bandwidth, and energy a bit.
#pragma once

namespace pimllm::cost {

struct DramParameters {
  double gb_per_s = 51.2;  // LPDDR5-6400, 64 bit: 512 bytes in a cycle of 100 MHz
  // No vendor publishes a figure for LPDDR5; HBM2 takes 3.92 pJ a bit (O'Connor et al., MICRO 2017).
  double pj_per_bit = 4;
};

// Time to move `bytes` at full bandwidth, s.
double dram_seconds(const DramParameters& dram, double bytes);
// J.
double dram_joules(const DramParameters& dram, double bytes);

}  // namespace pimllm::cost

#include "models/cost/dram.hpp"

namespace pimllm::cost {

double dram_seconds(const DramParameters& dram, double bytes) { return bytes / (dram.gb_per_s * 1e9); }

double dram_joules(const DramParameters& dram, double bytes) { return bytes * 8 * dram.pj_per_bit * 1e-12; }

}  // namespace pimllm::cost

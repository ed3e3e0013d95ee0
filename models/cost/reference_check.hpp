// Comparison with published rows: edge_throughput.csv, pim_layers.csv, pim_energy.csv of a folder.
#pragma once

#include <string>
#include <vector>

#include "models/cost/designs.hpp"

namespace pimllm::cost {

struct CheckedFile {
  std::string name;
  int64_t rows = 0;
  int64_t columns = 0;  // compared, beside those that name the row
};

struct CheckReport {
  std::vector<CheckedFile> files;
  int64_t values = 0;  // compared
  int64_t differences = 0;
  std::vector<std::string> first_differences;  // at most 20, one sentence each
};

// Compares every column of every row. Integers (dimensions, cycles, tiles, hops, crossbars, the PIM latency
// of a decoder layer) must be equal; area and power within 0.001; every other figure within 1e-9 of itself,
// or half of the last printed digit where at least three decimals are printed. Throws Error: none of the
// three files is there, a column is missing, unknown or twice, a cell is no number, a model or FC layer is
// unknown, a context is below 1.
CheckReport check_reference(const std::string& folder, const std::vector<Workload>& workloads,
                            const MachineParameters& machine, const Accounting& accounting);

}  // namespace pimllm::cost

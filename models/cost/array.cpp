#include "models/cost/array.hpp"

#include "golden/error.hpp"
#include "models/cost/math.hpp"

namespace pimllm::cost {

Dataflow dataflow_of(std::string_view text) {
  if (text == "os") return Dataflow::kOutputStationary;
  if (text == "ws") return Dataflow::kWeightStationary;
  if (text == "is") return Dataflow::kInputStationary;
  fail("dataflow: expected os, ws or is, found \"{}\"", text);
}

int64_t gemm_cycles(const ArrayParameters& array, int64_t m, int64_t n, int64_t k) {
  const int64_t fill = array.rows + array.columns - 2;
  switch (array.dataflow) {
    case Dataflow::kOutputStationary:
      return ceil_div(m, array.rows) * ceil_div(n, array.columns) * (k + fill) - 1;
    case Dataflow::kWeightStationary:
      return ceil_div(k, array.rows) * ceil_div(n, array.columns) * (array.rows + m + fill) - 1;
    case Dataflow::kInputStationary:
      return ceil_div(k, array.rows) * ceil_div(m, array.columns) * (array.rows + n + fill) - 1;
  }
  fail("dataflow {} does not exist", static_cast<int>(array.dataflow));
}

double nj_per_cycle(const ArrayParameters& array) {
  constexpr double kPublishedMacs = 32 * 32;
  return array.nj_per_cycle_32x32 * static_cast<double>(array.rows * array.columns) / kPublishedMacs;
}

double array_mm2(const ArrayParameters& array) {
  constexpr double kGatesPerMac = 1217;  // NAND2 equivalents: int8 x int8 -> int32, synthesised by Yosys 0.70
  constexpr double kNand2Um2 = 0.798;    // NAND2_X1 of the open 45 nm library NanGate FreePDK45
  return static_cast<double>(array.rows * array.columns) * kGatesPerMac * kNand2Um2 * 1e-6;
}

}  // namespace pimllm::cost

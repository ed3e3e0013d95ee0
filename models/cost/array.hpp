// Cycles of a GEMM on a systolic array, M x K times K x N, without a simulation.
//
// Output stationary is the published PIM-LLM array, exact for all published rows; weight and input stationary
// are for comparison, with the same conventions: folds follow one another without overlap, operands enter
// skewed, so that a fold of T steps takes T + R + C - 2 cycles, and the last cycle of the run is not counted.
// A stationary operand takes R cycles to load. Source and derivation: docs/cost_models.md.
#pragma once

#include <cstdint>
#include <string_view>

namespace pimllm::cost {

enum class Dataflow { kOutputStationary, kWeightStationary, kInputStationary };

struct ArrayParameters {
  int64_t rows = 32;
  int64_t columns = 32;
  Dataflow dataflow = Dataflow::kOutputStationary;
  double cycle_ns = 10;  // 100 MHz
  // Energy of one cycle of the published 32 x 32 array; other sizes in proportion to their MACs.
  double nj_per_cycle_32x32 = 0.040713;
};

// "os", "ws" or "is"; throws Error naming the text otherwise.
Dataflow dataflow_of(std::string_view text);

// All sizes >= 1.
int64_t gemm_cycles(const ArrayParameters& array, int64_t m, int64_t n, int64_t k);

// Energy of a cycle of this array, nJ.
double nj_per_cycle(const ArrayParameters& array);

// Area of the MACs, mm2 in 45 nm, without SRAM.
double array_mm2(const ArrayParameters& array);

}  // namespace pimllm::cost

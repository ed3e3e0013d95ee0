// What Verilated models have covered, summed over all models of a process and written to a file when it ends.
// Only in a build with PIMLLM_COVERAGE; elsewhere nothing is collected.
#pragma once

class VerilatedContext;

namespace pimllm::tb {

#if PIMLLM_COVERAGE
// To be called before the models of the context go. The files go to the folder PIMLLM_COVERAGE_DIR of the
// environment; without it nothing is collected.
void collect_coverage(VerilatedContext& context);
#else
inline void collect_coverage(VerilatedContext&) {}
#endif

}  // namespace pimllm::tb

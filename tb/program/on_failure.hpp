// --on-mismatch DIR of random_program: the first failure leaves report.txt, and in a traced build trace.fst
// and mismatch.gtkw (sim/mismatch/investigate.hpp).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/machine/machine.hpp"
#include "tb/program/session.hpp"

namespace pimllm::tb {

struct OnFailure {
  std::string folder;           // empty: not asked for
  sim::MachineOptions machine;  // with a trace: this is the run that was started for it

  bool asked() const { return !folder.empty(); }
  bool tracing() const { return !machine.trace.empty(); }
};

// Writes the report and starts this executable again with the arguments, which must meet the same failure.
// Prints what came of it.
void investigate_failure(const OnFailure& options, const RunResult& run, const std::string& config,
                         uint64_t seed, const std::vector<std::string>& arguments);

// In the traced run: the view on the trace, which must be complete.
void show_failure(const OnFailure& options, const RunResult& run);

}  // namespace pimllm::tb

// --on-mismatch DIR of the machine benches: a mismatch leaves report.txt, trace.fst and mismatch.gtkw in a
// folder (sim/mismatch/investigate.hpp). The bench runs its test again for the trace, with the options
//   --trace FILE --trace-from CYCLE --trace-to CYCLE --trace-machine N
// where N counts the machines that the test makes, from 1.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include "sim/machine/machine.hpp"
#include "sim/reference/checker.hpp"

namespace pimllm::tb {

// Parses and removes the options. PIMLLM_ON_MISMATCH, for runs of many tests, names a folder with a folder
// for each test that fails.
void init_on_mismatch(int* argc, char** argv);

// Counts a machine that the running test makes, and adds the trace to its options if it is the one.
sim::MachineOptions next_machine(const sim::MachineOptions& options);

// How many the running test has made.
int machines_made();

// To be called with a mismatch of machine number `machine`; does nothing unless asked for.
void on_mismatch(const sim::Mismatch& mismatch, std::string_view config, int machine);

// Does the work of a machine; a mismatch is reported, and thrown on.
template <typename Work>
std::invoke_result_t<Work> investigated(std::string_view config, int machine, Work work) {
  try {
    return work();
  } catch (const sim::Mismatch& mismatch) {
    on_mismatch(mismatch, config, machine);
    throw;
  }
}

}  // namespace pimllm::tb

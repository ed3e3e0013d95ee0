#include "tb/program/on_failure.hpp"

#include <fmt/format.h>

#include "sim/mismatch/investigate.hpp"

namespace pimllm::tb {
namespace {

// What failed, as sim/mismatch takes it; without a place it is not the machine that failed.
sim::Mismatch as_mismatch(const RunResult& run) {
  return run.difference ? sim::Mismatch(run.failure, *run.difference) : sim::Mismatch(run.failure);
}

}  // namespace

void investigate_failure(const OnFailure& options, const RunResult& run, const std::string& config,
                         uint64_t seed, const std::vector<std::string>& arguments) {
  sim::Repeat repeat;
  repeat.command = {sim::own_command().front()};
  repeat.command.insert(repeat.command.end(), arguments.begin(), arguments.end());
  repeat.seed = seed;
  repeat.config = config;
  repeat.target = "random_program";
  repeat.traced = PIMLLM_TRACE;
  fmt::print("{}\n", sim::investigate(options.folder, as_mismatch(run), repeat));
}

void show_failure(const OnFailure& options, const RunResult& run) {
  fmt::print("failure: {}\n", run.failure);
  if (run.difference)
    sim::write_view(options.folder, as_mismatch(run), sim::read_trace_signals(options.machine.trace));
}

}  // namespace pimllm::tb

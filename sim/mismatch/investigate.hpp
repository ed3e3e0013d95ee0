// From a mismatch to a waveform: leaves report.txt, and with a traced build trace.fst and mismatch.gtkw, in a
// folder.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/reference/checker.hpp"

namespace pimllm::sim {

// How a run that failed is done again.
struct Repeat {
  std::vector<std::string> command;      // executable and arguments, without those below
  std::vector<std::string> trace_extra;  // further arguments of the traced run
  uint64_t seed = 0;
  std::string config;
  std::string target;   // of CMake, for the hint how to get a traced build
  bool traced = false;  // this executable can trace this machine
};

// The command line of this process.
std::vector<std::string> own_command();

// A command as a shell takes it.
std::string shell_line(std::span<const std::string> command);

// The same executable in the build with tracing; empty if there is none.
std::string traced_executable(const std::string& executable);

// Text of report.txt.
std::string report_text(const Mismatch& mismatch, const Repeat& repeat);

// Writes report.txt and runs the command again, traced: with --on-mismatch, --trace, --trace-from and
// --trace-to. That run meets the same mismatch and leaves the waveform (write_view). Returns what to tell the
// user. Throws Error if the folder cannot be written.
std::string investigate(const std::string& folder, const Mismatch& mismatch, const Repeat& repeat);

// In the traced run: mismatch.gtkw beside its trace with these signals.
void write_view(const std::string& folder, const Mismatch& mismatch, std::span<const std::string> signals);

// The trace of that run.
std::string trace_path(const std::string& folder);

}  // namespace pimllm::sim

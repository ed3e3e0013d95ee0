// GTKWave save files of a mismatch, made from those of sim/waves.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/reference/checker.hpp"

namespace pimllm::sim {

// Cycles [from, to) that show a difference: from a bit before the command was taken to a bit after it was
// noticed.
struct TraceWindow {
  uint64_t from = 0;
  uint64_t to = 0;
};
TraceWindow trace_window(const Difference& difference);

// Name of the save file in sim/waves for a unit, without extension: "array".
std::string_view view_name(isa::Unit unit);

// Names of the signals in a save file, in order.
std::vector<std::string> view_signals(std::string_view view);

// The save file with the ranges of its signals as in `signals`; signals that are not among them are left out.
std::string fit_view(std::string_view view, std::span<const std::string> signals);

// The save file of the unit for a trace of the window: trace.fst beside it, markers at issue, at the wrong
// write and at the mismatch.
std::string mismatch_view(std::string_view view, const Difference& difference,
                          std::span<const std::string> signals);

}  // namespace pimllm::sim

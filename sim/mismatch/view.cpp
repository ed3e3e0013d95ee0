#include "sim/mismatch/view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <sstream>

#include "sim/machine/machine.hpp"

namespace pimllm::sim {
namespace {

constexpr uint64_t kCyclesBefore = 20;
constexpr uint64_t kCyclesAfter = 5;  // at least; and a part of the window for the last marker's name
constexpr uint64_t kPartAfter = 12;
constexpr double kZoomPixels = 200;   // at zoom z so many pixels are 2^-z time units
constexpr double kWavePixels = 1050;  // of a window of kWindow, beside the names
constexpr std::string_view kWindow = "1600 1000";
constexpr int kNameWidth = 330;

// A line of a save file that shows a signal: "a.b[7:0]", or "+{another name} a.b[7:0]".
struct Line {
  std::string_view before, signal;  // no signal: another line
};

Line parse(std::string_view line) {
  size_t start = 0;
  if (line.starts_with("+{")) start = std::min(line.find("} ") + 2, line.size());
  const std::string_view signal = line.substr(start);
  if (signal.empty() || std::string_view("[@-*^+#>!?").find(signal.front()) != std::string_view::npos)
    return {line, {}};
  return {line.substr(0, start), signal};
}

// "a.b[7:0]" and, of one bit, "a.b[0]" are the same signal in two configurations; "a.b[3]" is an element of
// an array.
std::string_view without_range(std::string_view name) {
  const size_t bracket = name.rfind('[');
  if (bracket == std::string_view::npos) return name;
  const bool range = name.find(':', bracket) != std::string_view::npos || name.substr(bracket) == "[0]";
  return range ? name.substr(0, bracket) : name;
}

template <typename Each>
void for_each_line(std::string_view text, Each each) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    each(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace

TraceWindow trace_window(const Difference& difference) {
  const uint64_t from = difference.issued - std::min(difference.issued, kCyclesBefore);
  return {.from = from,
          .to = difference.noticed + std::max(kCyclesAfter, (difference.noticed - from) / kPartAfter)};
}

std::string_view view_name(isa::Unit unit) {
  constexpr std::array<std::string_view, 6> kNames = {"scheduler", "dma",     "pim",
                                                      "array",     "softmax", "vector"};
  return kNames.at(static_cast<size_t>(unit));
}

std::vector<std::string> view_signals(std::string_view view) {
  std::vector<std::string> names;
  for_each_line(view, [&](std::string_view line) {
    if (const Line parsed = parse(line); !parsed.signal.empty()) names.emplace_back(parsed.signal);
  });
  return names;
}

std::string fit_view(std::string_view view, std::span<const std::string> signals) {
  std::map<std::string_view, std::string_view> by_name;
  for (const auto& signal : signals) by_name.emplace(signal, signal);
  for (const auto& signal : signals) by_name.emplace(without_range(signal), signal);
  std::string text;
  for_each_line(view, [&](std::string_view line) {
    const Line parsed = parse(line);
    auto found = by_name.find(parsed.signal);
    if (found == by_name.end()) found = by_name.find(without_range(parsed.signal));
    if (!parsed.signal.empty() && found == by_name.end()) return;
    text.append(parsed.before).append(parsed.signal.empty() ? parsed.signal : found->second).push_back('\n');
  });
  return text;
}

std::string mismatch_view(std::string_view view, const Difference& difference,
                          std::span<const std::string> signals) {
  const TraceWindow window = trace_window(difference);
  const auto time = [](uint64_t cycle) { return kTraceCycle * cycle; };
  const double units = static_cast<double>(time(window.to) - time(window.from));
  const double zoom = -std::log2(kZoomPixels * units / kWavePixels);
  // GTKWave finds files beside this one by where it was written: both names count from the same folder.
  std::string text = fmt::format(
      "[dumpfile] \"/mismatch/trace.fst\"\n[savefile] \"/mismatch/mismatch.gtkw\"\n[timestart] {}\n[size] "
      "{}\n[pos] -1 -1\n",
      time(window.from), kWindow);
  text += fmt::format("*{:.3f} {} {} {}", zoom, time(difference.written.value_or(difference.noticed)),
                      time(difference.issued), time(difference.noticed));
  if (difference.written) text += fmt::format(" {}", time(*difference.written));
  // Names stand in the middle of their markers: spaces keep those of neighbours apart.
  text += "\n[markername] Aissue\n[markername] B          mismatch\n";
  if (difference.written) text += "[markername] Cwrong word            \n";
  text += fmt::format("[sst_width] 180\n[signals_width] {}\n[sst_expanded] 0\n", kNameWidth);
  std::string traces;
  for_each_line(fit_view(view, signals), [&](std::string_view line) {
    // The head of the save file in sim/waves is that of another trace.
    if (!line.empty() && (line.front() == '[' || line.front() == '*')) return;
    traces.append(line).push_back('\n');
  });
  return text + traces;
}

}  // namespace pimllm::sim

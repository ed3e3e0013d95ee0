#include "tb/machine/on_mismatch.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "sim/mismatch/investigate.hpp"
#include "tb/common/seed.hpp"

namespace pimllm::tb {
namespace {

struct State {
  std::string folder, trace;
  bool folder_per_test = false;
  uint64_t from = 0, to = ~uint64_t{0};
  int trace_machine = 0;
  const testing::TestInfo* test = nullptr;  // whose machines are counted
  int made = 0;
};

// Per process by nature, as the seed.
State& state() {
  static State state;
  return state;
}

}  // namespace

void init_on_mismatch(int* argc, char** argv) {
  State& s = state();
  if (const char* folder = std::getenv("PIMLLM_ON_MISMATCH")) {
    s.folder = folder;
    s.folder_per_test = true;
  }
  int kept = 1;
  for (int i = 1; i < *argc; ++i) {
    const std::string option = argv[i];
    const auto value = [&] { return i + 1 < *argc ? argv[++i] : ""; };
    if (option == "--on-mismatch") {
      s.folder = value();
      s.folder_per_test = false;
    } else if (option == "--trace") {
      s.trace = value();
    } else if (option == "--trace-from") {
      s.from = std::stoull(value());
    } else if (option == "--trace-to") {
      s.to = std::stoull(value());
    } else if (option == "--trace-machine") {
      s.trace_machine = std::stoi(value());
    } else {
      argv[kept++] = argv[i];
    }
  }
  *argc = kept;
}

int machines_made() {
  State& s = state();
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  if (test != s.test) {
    s.test = test;
    s.made = 0;
  }
  return s.made;
}

sim::MachineOptions next_machine(const sim::MachineOptions& options) {
  State& s = state();
  sim::MachineOptions traced = options;
  s.made = machines_made() + 1;
  if (s.made == s.trace_machine) {
    traced.trace = s.trace;
    traced.trace_from = s.from;
    traced.trace_to = s.to;
  }
  return traced;
}

void on_mismatch(const sim::Mismatch& mismatch, std::string_view config, int machine) {
  const State& s = state();
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  if (s.folder.empty() || test == nullptr) return;
  if (!s.trace.empty()) {
    if (machine == s.trace_machine) {
      fmt::print("mismatch: {}\n", mismatch.what());
      sim::write_view(s.folder, mismatch, sim::read_trace_signals(s.trace));
    }
    return;
  }
  std::string folder = s.folder;
  if (s.folder_per_test) {
    std::string name = fmt::format("{}.{}", test->test_suite_name(), test->name());
    std::replace(name.begin(), name.end(), '/', '_');
    folder += "/" + name;
  }
  const std::string executable = sim::own_command().front();
#if PIMLLM_TRACE
  const bool traced = true;
#else
  const bool traced = config == "faulty";
#endif
  const std::string answer = sim::investigate(
      folder, mismatch,
      {.command = {executable, fmt::format("--gtest_filter={}.{}", test->test_suite_name(), test->name()),
                   "--seed", std::to_string(seed())},
       .trace_extra = {"--trace-machine", std::to_string(machine)},
       .seed = seed(),
       .config = std::string(config),
       .target = std::filesystem::path(executable).filename().string(),
       .traced = traced});
  fmt::print("{}\n", answer);
}

}  // namespace pimllm::tb

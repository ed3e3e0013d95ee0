// Random programs on the whole machine against the instruction-level reference.
#include <fmt/format.h>
#include <verilated.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <random>

#include "golden/error.hpp"
#include "tb/program/campaign.hpp"

double sc_time_stamp() { return 0; }

namespace pimllm::tb {
namespace {

constexpr int kCannotRun = 2;

int replay(const std::vector<std::string>& files, const OnFailure& on_failure) {
  int failures = 0;
  for (const auto& file : files) {
    const Executable e = load_executable(file);
    Session session(e.conditions.config, on_failure.machine);
    const RunResult run = session.run(e);
    fmt::print("{}: {}\n", file, run.passed() ? "good" : run.failure);
    if (run.passed()) continue;
    ++failures;
    if (!on_failure.asked()) continue;
    session.close();
    if (on_failure.tracing()) {
      show_failure(on_failure, run);
    } else {
      investigate_failure(on_failure, run, e.conditions.config, e.conditions.seed, {"--replay", file});
    }
    break;
  }
  return failures == 0 ? 0 : 1;
}

int random(const CampaignOptions& options, bool whole) {
  const auto begin = std::chrono::steady_clock::now();
  const CampaignResult r = run_campaign(options);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  fmt::print("{}: {} programs ({} legal), {} instructions of units compared, {} failures\n", options.config,
             r.programs, r.legal, r.instructions, r.failures);
  if (r.legal != 0) {
    fmt::print(
        "{} cycles, two or more units busy in {:.1f} % (least {:.1f} %), at least {} instructions a "
        "program\n",
        r.cycles, 100.0 * static_cast<double>(r.two_busy) / static_cast<double>(r.cycles),
        100 * r.least_overlap, r.least_words);
  }
  fmt::print("{:.1f} s, {:.1f} programs/s\n", seconds, static_cast<double>(r.programs) / seconds);
  r.coverage.count_points();
  const auto missing = r.coverage.missing_pairs();
  fmt::print("pairs of units: {} of {} covered; {} opcodes with modes; {} kinds of errors\n",
             unit_pairs().size() - missing.size(), unit_pairs().size(), r.coverage.opcodes.size(),
             r.coverage.errors.size());
  int failures = r.failures == 0 ? 0 : 1;
  fmt::print("in {} places no legal program drawn has two units busy in {:.0f} % of the cycles\n", r.idle,
             100 * kLeastOverlap);
  const double most = std::max(1.0, kMostIdle * static_cast<double>(r.legal));
  if (static_cast<double>(r.idle) > most) {
    fmt::print("FAILED: expected at most {:.0f} such programs, found {}\n", most, r.idle);
    failures = 1;
  }
  if (whole) {
    for (const auto& name : missing) fmt::print("FAILED: expected {} in some program, found none\n", name);
    failures |= missing.empty() ? 0 : 1;
  }
  return failures;
}

}  // namespace
}  // namespace pimllm::tb

int main(int argc, char** argv) {
  using namespace pimllm;
  CLI::App app("Random programs on the whole machine against the instruction-level reference.");
  tb::CampaignOptions options;
  options.seed = std::random_device{}();
  if (const char* text = std::getenv("PIMLLM_SEED")) options.seed = std::strtoull(text, nullptr, 10);
  std::vector<std::string> files;
  bool whole = true;
  app.add_option("--config", options.config, "small or unit")->capture_default_str();
  app.add_option("--seed", options.seed, "of the first program; the next has the next");
  app.add_option("--programs", options.programs, "how many")->capture_default_str();
  app.add_option("--save", options.save_to, "folder of shrunk programs")->check(CLI::ExistingDirectory);
  app.add_option("--replay", files, "kept programs to run instead")->check(CLI::ExistingFile);
  tb::OnFailure& on_failure = options.on_failure;
  auto* folder = app.add_option(
      "--on-mismatch", on_failure.folder,
      "end with the first failure and leave a report, and in a traced build a waveform, there");
  app.add_option("--trace", on_failure.machine.trace, "FST file of the machine made first")->needs(folder);
  app.add_option("--trace-from", on_failure.machine.trace_from, "first cycle");
  app.add_option("--trace-to", on_failure.machine.trace_to, "cycle after the last");
  app.add_flag("!--no-coverage", whole, "do not ask for all pairs of units (short runs)");
  CLI11_PARSE(app, argc, argv);
  try {
    Verilated::commandArgs(argc, argv);
    if (!files.empty()) return tb::replay(files, on_failure);
    fmt::print("seed {} (repeat with --seed {})\n", options.seed, options.seed);
    std::fflush(stdout);
    return tb::random(options, whole);
  } catch (const Error& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return tb::kCannotRun;
  }
}

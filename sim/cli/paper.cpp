// pimllm paper: the published figures, as published and corrected.
#include <fmt/format.h>

#include <memory>

#include "golden/error.hpp"
#include "models/cost/reference_check.hpp"
#include "sim/cli/commands.hpp"
#include "sim/cli/console.hpp"

namespace pimllm::cli {
namespace {

struct Options {
  std::string check, workloads = cost::default_workload_folder();
  std::vector<std::string> quirks;
};

int run(const Options& options) {
  const auto workloads = cost::load_workloads(options.workloads);
  const auto report = cost::check_reference(options.check, workloads, {}, cost::as_published());
  for (const auto& file : report.files)
    fmt::print("{}: {} rows, {} columns\n", file.name, file.rows, file.columns);
  for (const auto& line : report.first_differences) fmt::print("{}\n", line);
  fmt::print("{} differences in {} values\n", report.differences, report.values);
  return report.differences == 0 ? kGood : kWrong;
}

}  // namespace

void add_paper(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("paper", "the published figures, as published and corrected");
  command->add_option("--check", options->check, "compare with the published rows in DIR");
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace pimllm::cli

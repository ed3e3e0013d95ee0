// pimllm sweep: cost of every combination of the values of some axes, and the best of them.
#include "models/cost/sweep.hpp"

#include <fmt/format.h>

#include <memory>

#include "golden/error.hpp"
#include "sim/cli/commands.hpp"
#include "sim/cli/console.hpp"

namespace pimllm::cli {
namespace {

struct Options {
  std::string spec, json;
  std::string csv = "sweep.csv";
  std::string workloads = cost::default_workload_folder();
};

int run(const Options& options) {
  const auto workloads = cost::load_workloads(options.workloads);
  const cost::SweepSpec spec = cost::load_sweep(options.spec, workloads);
  const auto total = static_cast<uint64_t>(cost::point_count(spec));
  std::optional<cost::SweepResult> result;
  {
    Progress progress("sweep", "points", total);
    result = cost::run_sweep(spec, options.csv, [&](int64_t done) {
      progress.update(static_cast<uint64_t>(done));
      return !interrupted();
    });
  }
  if (!result) fail("interrupted; the same command goes on from {}.partial", options.csv);
  nlohmann::ordered_json front = nlohmann::ordered_json::array();
  for (size_t i = 0; i < result->rows.size(); ++i) {
    if (result->front[i]) front.push_back(cost::to_json(result->rows[i]));
  }
  fmt::print(
      "{} points in {}, {} of them on the Pareto front (tokens/s, tokens/J, mm2) of their model and "
      "context\n",
      total, options.csv, front.size());
  write_json(options.json, {{"points", total}, {"csv", options.csv}, {"front", front}});
  return kGood;
}

}  // namespace

void add_sweep(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("sweep", "cost of every combination of design parameters");
  command->add_option("spec", options->spec, "axes and their values (JSON), docs/cost_models.md")->required();
  command->add_option("--csv", options->csv, "write all points to FILE; a run that was cut off goes on")
      ->capture_default_str();
  command->add_option("--workloads", options->workloads, "folder of workload files")->capture_default_str();
  command->add_option("--json", options->json, "write the Pareto fronts to FILE");
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace pimllm::cli

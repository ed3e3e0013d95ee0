// pimllm compile: program, memory image and manifest for any AXI host.
#include <fmt/format.h>

#include <memory>

#include "golden/error.hpp"
#include "models/compiler/compiler.hpp"
#include "models/gguf/load_model.hpp"
#include "sim/cli/commands.hpp"
#include "sim/cli/console.hpp"

namespace pimllm::cli {
namespace {

struct Options {
  std::string model, out, json;
  std::string config = "paper";
};

int run(const Options& options) {
  const ModelWeights weights = load_model(options.model);
  const CompiledModel compiled = compile(weights, hardware_preset(options.config));
  fmt::print("{}\n", compiled.step.words.size());
  return kGood;
}

}  // namespace

void add_compile(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("compile", "program, memory image and manifest for any AXI host");
  command->add_option("--model", options->model, "checkpoint (GGUF)")->required();
  command->add_option("--config", options->config, "machine")->capture_default_str();
  command->add_option("-o,--out", options->out, "folder to write")->required();
  command->add_option("--json", options->json, "write the result to FILE");
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace pimllm::cli

// pimllm profile: cycles and utilisation per unit of one token at given contexts.
#include <fmt/format.h>

#include <memory>

#include "golden/error.hpp"
#include "models/gguf/load_model.hpp"
#include "sim/cli/commands.hpp"
#include "sim/cli/console.hpp"
#include "sim/cli/rtl_session.hpp"

namespace pimllm::cli {
namespace {

struct Options {
  std::string model, json;
  std::string config = "paper";
  std::vector<int> contexts;
  CrossbarOptions crossbar;
};

int run(const Options& options) {
  const ModelWeights weights = load_model(options.model);
  RtlSession session(weights, options.config, {}, options.crossbar, false);
  nlohmann::ordered_json json;
  json["model"] = options.model;
  for (const int context : options.contexts) {
    if (context < 1 || context > weights.config.context_length) {
      fail("--context: expected 1 to {}, found {}", weights.config.context_length, context);
    }
    check_interrupt();
    // The cycles do not depend on what is in the KV cache, so the token is decoded right at its position.
    session.jump(context - 1);
    session.clear_counters();
    session.step(0);
    fmt::print("context {}, configuration {}: ", context, options.config);
    auto entry = session.report();
    entry["context"] = context;
    json["contexts"].push_back(entry);
  }
  write_json(options.json, json);
  return kGood;
}

}  // namespace

void add_profile(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("profile", "cycles and utilisation per unit of a token, measured in RTL");
  command->add_option("--model", options->model, "checkpoint (GGUF)")->required();
  command->add_option("--context", options->contexts, "tokens in the context, the new one included")
      ->delimiter(',')
      ->required();
  command->add_option("--config", options->config, "machine")->capture_default_str();
  add_converter_options(*command, options->crossbar);
  command->add_option("--json", options->json, "write the result to FILE");
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace pimllm::cli

// pimllm profile: cycles and utilisation per unit of one token at given contexts.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "golden/error.hpp"
#include "models/cost/workload.hpp"
#include "models/cycles/timeline.hpp"
#include "models/gguf/load_model.hpp"
#include "sim/cli/commands.hpp"
#include "sim/cli/console.hpp"
#include "sim/cli/rtl_session.hpp"
#include "sim/machine/attention_run.hpp"

namespace pimllm::cli {
namespace {

struct Options {
  std::string model, json;
  std::string config = "paper";
  std::string engine = "rtl";
  std::string feed = "banked";
  bool attention = false;
  std::vector<int> contexts;
  CrossbarOptions crossbar;
};

void check_context(int context, const ModelConfig& config) {
  if (context < 1 || context > config.context_length) {
    fail("--context: expected 1 to {}, found {}", config.context_length, context);
  }
}

struct UnitName {
  isa::Unit unit;
  const char* name;
  const char* counter;
};
constexpr UnitName kUnits[] = {{isa::Unit::kPim, "PIM bank", "PIM"},
                               {isa::Unit::kArr, "array", "ARR"},
                               {isa::Unit::kSmx, "softmax", "SMX"},
                               {isa::Unit::kVec, "vector", "VEC"},
                               {isa::Unit::kDma, "DMA", "DMA"}};
constexpr double kModelHertz = 100e6;

// The same table from the cycle model (docs/cycles.md).
int run_model(const Options& options) {
  const ModelWeights weights = load_model(options.model);
  const CompiledModel compiled = compile_shape(weights.config, hardware_preset(options.config));
  const cycles::Code code = cycles::decode(compiled.step);
  nlohmann::ordered_json json;
  json["model"] = options.model;
  json["engine"] = "cycles";
  auto turn = static_cast<uint64_t>(compiled.layout.crossbars);  // one load each by the init program
  for (const int context : options.contexts) {
    check_context(context, weights.config);
    cycles::Options o;
    o.timing = cycles::timing_of(compiled);
    o.host.position = static_cast<uint64_t>(context - 1);
    o.linear_turn = turn;
    const cycles::Result result = cycles::run(code, compiled.hardware, o);
    turn = result.linear_turn;
    const auto total = static_cast<double>(result.cycles);
    fmt::print("context {}, configuration {}: model\n  {:<10} {:>12} {:>8}\n", context, options.config,
               "unit", "busy/token", "of time");
    nlohmann::ordered_json entry;
    entry["cycles"] = result.cycles;
    entry["tokens_per_second"] = kModelHertz / total;
    for (const auto& unit : kUnits) {
      const auto busy = static_cast<double>(result.busy[static_cast<size_t>(unit.unit)]);
      fmt::print("  {:<10} {:>12.0f} {:>7.1f}%\n", unit.name, busy, 100 * busy / total);
      entry["busy_per_token"][unit.counter] = busy;
    }
    fmt::print("  cycles per token {}, {:.0f} tokens/s at 100 MHz\n", result.cycles, kModelHertz / total);
    entry["context"] = context;
    json["contexts"].push_back(entry);
  }
  write_json(options.json, json);
  return kGood;
}

// Of a checkpoint, or of a shape as in models/workloads.
ModelConfig attention_shape(const Options& options) {
  if (!options.model.ends_with(".json")) return load_model(options.model).config;
  const cost::Workload workload = cost::load_workload(options.model);
  ModelConfig shape;
  shape.name = workload.name;
  shape.heads = static_cast<int>(workload.heads);
  shape.kv_heads = static_cast<int>(workload.kv_heads);
  shape.head_dim = static_cast<int>(workload.head_dim);
  shape.context_length = *std::max_element(options.contexts.begin(), options.contexts.end());
  return shape;
}

// Decode attention of one layer on random KV, in RTL.
int run_attention(const Options& options) {
  if (options.engine != "rtl") fail("--attention: expected --engine rtl, found {}", options.engine);
  const ModelConfig shape = attention_shape(options);
  const HardwareParameters hardware = hardware_preset(options.config);
  nlohmann::ordered_json json;
  json["model"] = options.model;
  json["config"] = options.config;
  json["feed"] = options.feed;
  fmt::print("attention of a layer of {}, configuration {}, {} feed, RTL, first load to last PV\n",
             shape.name, options.config, options.feed);
  fmt::print("  {:>8} {:>10} {:>14} {:>8} {:>16} {:>10}\n", "context", "cycles", "KV at memory", "ratio",
             "published array", "times it");
  for (const int context : options.contexts) {
    check_context(context, shape);
    check_interrupt();
    const auto machine = sim::make_machine(options.config, {});
    const auto run = sim::run_attention(*machine, shape, hardware,
                                        {.tokens = context, .north = options.feed == "north"}, false);
    const auto cycles = static_cast<double>(run.cycles);
    const auto published = static_cast<double>(run.published);
    fmt::print("  {:>8} {:>10} {:>14.0f} {:>8.3f} {:>16} {:>10.3f}\n", context, run.cycles, run.bound,
               cycles / run.bound, run.published, published / cycles);
    json["contexts"].push_back({{"context", context},
                                {"cycles", run.cycles},
                                {"kv_bytes", run.kv_bytes},
                                {"memory_bound_cycles", run.bound},
                                {"ratio", cycles / run.bound},
                                {"published_array_cycles", run.published}});
  }
  write_json(options.json, json);
  return kGood;
}

int run(const Options& options) {
  if (options.attention) return run_attention(options);
  if (options.engine == "cycles") return run_model(options);
  const ModelWeights weights = load_model(options.model);
  RtlSession session(weights, options.config, {}, options.crossbar, false);
  nlohmann::ordered_json json;
  json["model"] = options.model;
  for (const int context : options.contexts) {
    check_context(context, weights.config);
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
  CLI::App* command = app.add_subcommand(
      "profile", "cycles and utilisation per unit of a token, measured in RTL or modelled");
  command->add_option("--model", options->model, "checkpoint (GGUF); for --attention also a shape (JSON)")
      ->required();
  command->add_flag("--attention", options->attention,
                    "decode attention of one layer alone, against the time that memory needs for K and V");
  command->add_option("--feed", options->feed, "of the array, for --attention")
      ->check(CLI::IsMember({"banked", "north"}))
      ->capture_default_str();
  command->add_option("--context", options->contexts, "tokens in the context, the new one included")
      ->delimiter(',')
      ->required();
  command->add_option("--config", options->config, "machine")->capture_default_str();
  add_converter_options(*command, options->crossbar);
  command->add_option("--engine", options->engine, "rtl: measured; cycles: the cycle model")
      ->check(CLI::IsMember({"rtl", "cycles"}))
      ->capture_default_str();
  command->add_option("--json", options->json, "write the result to FILE");
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace pimllm::cli

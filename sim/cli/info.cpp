// pimllm info: what a checkpoint or a configuration is, what it needs, where things lie.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>

#include "golden/error.hpp"
#include "models/compiler/compiler.hpp"
#include "models/gguf/load_model.hpp"
#include "models/isa/instruction.hpp"
#include "sim/cli/commands.hpp"
#include "sim/cli/console.hpp"

namespace pimllm::cli {
namespace {

struct Options {
  std::string what, json;
  std::string config = "paper";
  bool program = false;
};

constexpr std::array kConfigs = {"paper", "large", "small", "unit", "fpga"};

const char* name_of(Activation activation) {
  switch (activation) {
    case Activation::kRelu:
      return "ReLU";
    case Activation::kRelu2:
      return "ReLU^2";
    case Activation::kSilu:
      return "SiLU";
    case Activation::kGelu:
      return "GELU";
  }
  return "?";
}

uint64_t ternary_weights(const ModelWeights& weights) {
  uint64_t count = 0;
  for (const auto& layer : weights.layers) {
    for (const auto* matrix :
         {&layer.wq, &layer.wk, &layer.wv, &layer.wo, &layer.w_gate, &layer.w_up, &layer.w_down}) {
      count += matrix->values.size();
    }
  }
  return count;
}

void show_config(const std::string& name, nlohmann::ordered_json& json) {
  fmt::print("configuration {}\n", name);
  for (const auto& [parameter, value] : hardware_values(hardware_preset(name))) {
    fmt::print("  {:<14} {}\n", parameter, value);
    json["parameters"][parameter] = value;
  }
}

void show_program(const CompiledProgram& program) {
  fmt::print("program {}, {} instructions at {:#x}\n{}", program.name, program.words.size(), program.address,
             isa::disassemble(program.words, program.symbols));
}

void show_model(const Options& options, nlohmann::ordered_json& json) {
  const ModelWeights weights = load_model(options.what);
  const auto& c = weights.config;
  if (!options.program) {
    fmt::print("{}: {} ({})\n", options.what, c.architecture, c.name.empty() ? "no name" : c.name);
    fmt::print("  d_model {}, layers {}, heads {}, kv_heads {}, head_dim {}, d_ff {}\n", c.d_model, c.layers,
               c.heads, c.kv_heads, c.head_dim, c.d_ff);
    fmt::print("  vocabulary {}, context {}, {} ternary weights\n", c.vocab_size, c.context_length,
               ternary_weights(weights));
    fmt::print("  {}, {}, {}{}{}, {}\n", c.norm == NormKind::kRms ? "RMSNorm" : "LayerNorm",
               c.normalizer == Normalizer::kSoftmax ? "softmax" : "ConSMax", name_of(c.activation),
               c.gated ? ", gated" : "", c.sub_norms ? ", sub-norms" : "",
               c.rope ? "RoPE" : "learned positions");
  }
  json["architecture"] = c.architecture;
  json["d_model"] = c.d_model;
  json["layers"] = c.layers;
  json["heads"] = c.heads;
  json["kv_heads"] = c.kv_heads;
  json["head_dim"] = c.head_dim;
  json["d_ff"] = c.d_ff;
  json["vocab_size"] = c.vocab_size;
  json["context_length"] = c.context_length;
  json["ternary_weights"] = ternary_weights(weights);

  const CompiledModel compiled = compile(weights, hardware_preset(options.config));
  if (options.program) {
    show_program(compiled.init);
    show_program(compiled.step);
    return;
  }
  const auto& l = compiled.layout;
  const auto& h = compiled.hardware;
  fmt::print("on configuration {}\n", options.config);
  fmt::print("  crossbars {} of {}; instructions {} (init) and {} (a token)\n", l.crossbars, h.crossbars(),
             compiled.init.words.size(), compiled.step.words.size());
  fmt::print("  scratchpad words: ACT {} of {}, SCR {} of {}, KVS {} of {}, SCL {} of {}, KV rows {} of {}\n",
             l.act_words, h.act_words, l.scr_words, h.scr_words, l.kvs_words, h.kvs_words, l.scl_words,
             h.scl_words, l.kv_rows, h.kv_rows);
  fmt::print("  memory map, {} bytes\n", compiled.memory_end - compiled.options.memory_base);
  for (const auto& segment : compiled.segments) {
    fmt::print("    {:#010x} {:>10} {}\n", segment.address, segment.size, segment.name);
    json["memory"].push_back({{"name", segment.name}, {"address", segment.address}, {"bytes", segment.size}});
  }
  json["config"] = options.config;
  json["crossbars"] = l.crossbars;
}

int run(const Options& options) {
  nlohmann::ordered_json json;
  if (std::find(kConfigs.begin(), kConfigs.end(), options.what) != kConfigs.end()) {
    show_config(options.what, json);
  } else {
    show_model(options, json);
  }
  write_json(options.json, json);
  return kGood;
}

}  // namespace

void add_info(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("info", "what a checkpoint or configuration is and needs");
  command->add_option("what", options->what, "checkpoint (GGUF), or paper, small, unit, fpga")->required();
  command->add_option("--config", options->config, "machine a checkpoint is compiled for")
      ->capture_default_str();
  command->add_flag("--program", options->program, "disassemble the compiled program");
  command->add_option("--json", options->json, "write the result to FILE");
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace pimllm::cli

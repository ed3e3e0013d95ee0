// pimllm generate: text from a checkpoint, by the float model, the integer golden model or the Verilated
// machine.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <random>

#include "golden/error.hpp"
#include "models/gguf/load_model.hpp"
#include "models/tokenizer/tokenizer.hpp"
#include "sim/cli/commands.hpp"
#include "sim/cli/console.hpp"
#include "sim/cli/engine.hpp"
#include "sim/cli/rtl_session.hpp"
#include "sim/mismatch/investigate.hpp"

namespace pimllm::cli {
namespace {

constexpr double kMaxStall = 0.95;

struct Options {
  std::string model, prompt, json, on_mismatch;
  std::string engine = "golden";
  std::string config = "paper";
  int tokens = 64;
  int prompt_tokens = 0;
  int prefill = 0;
  double temperature = 0.0;
  uint64_t seed = 1;
  bool check = false;
  sim::MachineOptions machine;
  CrossbarOptions crossbar;
};

// Softmax sampling at a temperature; the lowest id among the largest at temperature 0.
int32_t choose(std::span<const double> logits, double temperature, std::mt19937_64& rng) {
  const int32_t best = greedy(logits);
  if (temperature <= 0) return best;
  std::vector<double> weights(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    weights[i] = std::exp((logits[i] - logits[static_cast<size_t>(best)]) / temperature);
  }
  return std::discrete_distribution<int32_t>(weights.begin(), weights.end())(rng);
}

class Printer {
 public:
  explicit Printer(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  void operator()(int32_t token) {
    tokens.push_back(token);
    fmt::print("{}", tokenizer_.token_bytes(token));
    std::fflush(stdout);
  }
  std::vector<int32_t> tokens;

 private:
  const Tokenizer& tokenizer_;
};

void run_model(const Options& options, Engine& engine, const std::vector<int32_t>& prompt, Printer& print) {
  std::mt19937_64 rng(options.seed);
  std::span<const double> logits;
  for (const int32_t token : prompt) {
    check_interrupt();
    logits = engine.step(token);
  }
  for (int i = 0; i < options.tokens; ++i) {
    check_interrupt();
    const int32_t token = choose(logits, options.temperature, rng);
    print(token);
    if (i + 1 < options.tokens) logits = engine.step(token);
  }
}

void run_rtl(const Options& options, const ModelWeights& weights, const std::vector<int32_t>& prompt,
             Printer& print, nlohmann::ordered_json& json) {
  RtlSession session(weights, options.config, options.machine, options.crossbar, options.check,
                     options.prefill);
  std::mt19937_64 rng(options.seed);
  Progress progress("rtl", "tokens",
                    static_cast<uint64_t>(prompt.size()) + static_cast<uint64_t>(options.tokens));
  uint64_t decoded = 0;
  const auto show = [&] {
    check_interrupt();
    progress.update(decoded, session.speed());
  };
  session.on_cycles(show);
  session.prompt(std::span(prompt).first(prompt.size() - 1), [&](size_t taken) {
    decoded += taken;
    show();
  });
  if (options.temperature <= 0) {
    session.generate(prompt.back(), options.tokens, [&](int32_t token) {
      ++decoded;
      print(token);
    });
  } else {
    int32_t token = prompt.back();
    for (int i = 0; i < options.tokens; ++i, ++decoded) {
      token = choose(session.step(token), options.temperature, rng);
      print(token);
    }
  }
  fmt::print("\n\n");
  json["rtl"] = session.report();
}

#if VM_TRACE_FST
constexpr bool kTraced = true;
#else
constexpr bool kTraced = false;
#endif

// In the run that was asked for: the report, and a traced run for the waveform. In the traced run: its view.
void handle_mismatch(const Options& options, const sim::Mismatch& mismatch) {
  if (options.on_mismatch.empty()) return;
  fmt::print("\n");
  if (!options.machine.trace.empty()) {
    sim::write_view(options.on_mismatch, mismatch, sim::read_trace_signals(options.machine.trace));
    return;
  }
  std::vector<std::string> command = sim::own_command();
  const auto option = std::find_if(command.begin(), command.end(), [](const std::string& argument) {
    return argument.starts_with("--on-mismatch");
  });
  if (option == command.end()) fail("the command line: expected --on-mismatch, found none");
  command.erase(option, option + (*option == "--on-mismatch" ? 2 : 1));
  try {
    fmt::print("{}\n", sim::investigate(options.on_mismatch, mismatch,
                                        {.command = std::move(command),
                                         .trace_extra = {},
                                         .seed = options.seed,
                                         .config = options.config,
                                         .target = "pimllm",
                                         .traced = kTraced}));
  } catch (const Error& error) {
    fmt::print("{}\n", error.what());  // the mismatch is what the command ends with
  }
}

int run(const Options& options) {
  const ModelWeights weights = load_model(options.model);
  const Tokenizer tokenizer = load_tokenizer(options.model);
  std::vector<int32_t> prompt = tokenizer.encode(options.prompt);
  if (options.prompt_tokens > 0) {
    if (prompt.size() < static_cast<size_t>(options.prompt_tokens)) {
      fail("--prompt-tokens: expected at most {}, found {}", prompt.size(), options.prompt_tokens);
    }
    prompt.resize(static_cast<size_t>(options.prompt_tokens));
  }
  if (prompt.empty()) fail("--prompt: expected at least one token, found an empty prompt");
  if (options.tokens < 1) fail("--tokens: expected at least 1, found {}", options.tokens);
  // Written so that NaN fails, too.
  if (!(options.temperature >= 0 && std::isfinite(options.temperature))) {
    fail("--temperature: expected a finite number of at least 0, found {}", options.temperature);
  }
  if (!(options.machine.memory.stall >= 0 && options.machine.memory.stall <= kMaxStall)) {
    fail("--memory-stall: expected 0 to {}, found {}", kMaxStall, options.machine.memory.stall);
  }
  const auto total = prompt.size() + static_cast<size_t>(options.tokens);
  if (total > static_cast<size_t>(weights.config.context_length)) {
    fail("--tokens: {} prompt tokens and {} new ones are {}, the context holds {}", prompt.size(),
         options.tokens, total, weights.config.context_length);
  }
  if (options.check && options.engine != "rtl")
    fail("--check: expected --engine rtl, found {}", options.engine);
  if (!options.on_mismatch.empty() && !options.check)
    fail("--on-mismatch: expected --check, without which no mismatch is seen");
  if (!options.on_mismatch.empty() && !options.machine.trace.empty() &&
      options.machine.trace != sim::trace_path(options.on_mismatch)) {
    fail("--trace: expected {} with --on-mismatch, found {}", sim::trace_path(options.on_mismatch),
         options.machine.trace);
  }
  if (options.prefill != 0 && options.engine != "rtl")
    fail("--prefill: expected --engine rtl, found {}", options.engine);

  if (options.engine == "float") refuse_crossbar_options(options.crossbar);

  nlohmann::ordered_json json{
      {"model", options.model}, {"engine", options.engine}, {"prompt", options.prompt}};
  fmt::print("{}", tokenizer.decode(prompt));
  std::fflush(stdout);
  Printer print(tokenizer);
  if (options.engine == "rtl") {
    try {
      run_rtl(options, weights, prompt, print, json);
    } catch (const sim::Mismatch& mismatch) {
      handle_mismatch(options, mismatch);
      throw;
    }
  } else {
    const auto engine =
        options.engine == "float"
            ? make_float_engine(weights)
            : make_golden_engine(weights, golden_settings(weights, options.config, options.crossbar));
    run_model(options, *engine, prompt, print);
    fmt::print("\n");
  }
  json["prompt_tokens"] = prompt;
  json["tokens"] = print.tokens;
  json["text"] = tokenizer.decode(print.tokens);
  write_json(options.json, json);
  return kGood;
}

}  // namespace

void add_generate(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("generate", "text from a checkpoint");
  command->add_option("--model", options->model, "checkpoint (GGUF)")->required();
  command->add_option("--prompt", options->prompt, "text to begin with")->required();
  command->add_option("--prompt-tokens", options->prompt_tokens,
                      "take only the first N tokens of the prompt");
  command->add_option("--tokens", options->tokens, "new tokens")->capture_default_str();
  command->add_option("--engine", options->engine)
      ->check(CLI::IsMember({"golden", "float", "rtl"}))
      ->capture_default_str();
  command->add_option("--config", options->config, "machine of the rtl engine")->capture_default_str();
  command->add_option("--temperature", options->temperature, "0: the most likely token")
      ->capture_default_str();
  command->add_option("--seed", options->seed, "of sampling, and of the stalls of memory")
      ->capture_default_str();
  command->add_option("--prefill", options->prefill, "prompt tokens at a time (2, 4 or 8; 0: one by one)")
      ->capture_default_str();
  command->add_flag("--check", options->check, "compare every write of the machine with the references");
  command->add_option("--on-mismatch", options->on_mismatch,
                      "folder for the report and the waveform of a mismatch (with --check)");
  command->add_option("--memory-latency", options->machine.memory.latency, "cycles")->capture_default_str();
  command->add_option("--memory-latency-spread", options->machine.memory.latency_spread,
                      "random cycles on top");
  command->add_option("--memory-stall", options->machine.memory.stall, "probability of a refusal a cycle");
  command->add_option("--memory-error", options->machine.memory.error_at,
                      "the memory answers accesses to this address with an error (to see what happens)");
  command->add_option("--memory-hang", options->machine.memory.hang_at,
                      "the memory answers nothing from this cycle on (to see what happens)");
  command->add_option("--trace", options->machine.trace, "FST file (a build with tracing)");
  command->add_option("--trace-from", options->machine.trace_from, "first cycle");
  command->add_option("--trace-to", options->machine.trace_to, "cycle after the last");
  add_converter_options(*command, options->crossbar);
  add_noise_options(*command, options->crossbar);
  command->add_option("--json", options->json, "write the result to FILE");
  command->callback([options, &action] {
    options->machine.seed = options->seed;
    action = [options] { return run(*options); };
  });
}

}  // namespace pimllm::cli

// pimllm perplexity: how well a model predicts a text, by engine.
#include "golden/perplexity.hpp"

#include <fmt/format.h>

#include <memory>

#include "golden/error.hpp"
#include "golden/float_model.hpp"
#include "golden/integer_model.hpp"
#include "models/gguf/load_model.hpp"
#include "models/io/atomic_file.hpp"
#include "models/tokenizer/tokenizer.hpp"
#include "sim/cli/commands.hpp"
#include "sim/cli/console.hpp"
#include "sim/cli/engine.hpp"

namespace pimllm::cli {
namespace {

struct Options {
  std::string model, text, json;
  std::string engine = "golden";
  std::string config = "paper";
  CrossbarOptions crossbar;
  int threads = 0;
  uint64_t limit = 0;
};

std::function<WindowScorer()> make_scorer(const Options& options, const ModelWeights& weights) {
  if (options.engine == "float") {
    auto shared = std::make_shared<const ModelWeights>(weights);
    return [shared] { return float_scorer(shared); };
  }
  if (options.engine == "golden") {
    const IntegerSettings settings = golden_settings(weights, options.config, options.crossbar);
    auto shared = std::make_shared<const QuantizedModel>(weights, settings);
    return [shared] { return integer_scorer(shared); };
  }
  return [&options, &weights] { return rtl_scorer(weights, options.config, options.crossbar); };
}

int run(const Options& options) {
  if (options.engine == "float") refuse_crossbar_options(options.crossbar);
  const ModelWeights weights = load_model(options.model);
  const Tokenizer tokenizer = load_tokenizer(options.model);
  const std::string text = read_file(options.text);
  std::vector<int32_t> tokens = tokenizer.encode(text);
  if (options.limit != 0 && tokens.size() > options.limit) tokens.resize(options.limit);
  if (tokens.size() < 2) fail("{}: expected at least 2 tokens, found {}", options.text, tokens.size());
  const uint64_t bytes = tokenizer.decode(tokens).size();

  const int threads = options.engine == "rtl" ? 1 : options.threads;
  std::unique_ptr<Progress> shown;
  const PerplexityResult result =
      perplexity(tokens, bytes, weights.config.context_length, make_scorer(options, weights), threads,
                 [&](uint64_t done, uint64_t total) {
                   check_interrupt();
                   if (!shown) shown = std::make_unique<Progress>("perplexity", "windows", total);
                   shown->update(done);
                 });
  shown.reset();
  fmt::print("perplexity {:.4f}, {:.4f} bits per byte, {} tokens, {} bytes ({} engine)\n", result.perplexity,
             result.bits_per_byte, result.tokens, bytes, options.engine);
  nlohmann::ordered_json json{{"model", options.model},
                              {"engine", options.engine},
                              {"perplexity", result.perplexity},
                              {"bits_per_byte", result.bits_per_byte},
                              {"tokens", result.tokens},
                              {"bytes", bytes},
                              {"nll", result.nll}};
  if (options.engine != "float") {
    fmt::print("converter clips {}", result.clips.adc);
    json["adc_clips"] = result.clips.adc;
  }
  if (options.engine == "golden") {
    fmt::print(", score clips {}", result.clips.score);
    json["score_clips"] = result.clips.score;
  }
  if (options.engine != "float") fmt::print("\n");
  write_json(options.json, json);
  return kGood;
}

}  // namespace

void add_perplexity(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("perplexity", "how well a model predicts a text");
  command->add_option("--model", options->model, "checkpoint (GGUF)")->required();
  command->add_option("--text", options->text, "text file")->required();
  command->add_option("--engine", options->engine)
      ->check(CLI::IsMember({"golden", "float", "rtl"}))
      ->capture_default_str();
  command->add_option("--config", options->config, "machine, of golden only its crossbars")
      ->capture_default_str();
  command->add_option("--limit", options->limit, "score only the first N tokens of the text");
  add_converter_options(*command, options->crossbar);
  add_noise_options(*command, options->crossbar);
  command->add_option("--threads", options->threads, "0: all cores")->capture_default_str();
  command->add_option("--json", options->json, "write the result to FILE");
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace pimllm::cli

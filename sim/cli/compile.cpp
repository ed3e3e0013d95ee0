// pimllm compile: program, memory image and manifest for any AXI host.
#include <fmt/format.h>

#include <memory>

#include "golden/error.hpp"
#include "models/compiler/board.hpp"
#include "models/compiler/compiler.hpp"
#include "models/compiler/image.hpp"
#include "models/gguf/load_model.hpp"
#include "models/tokenizer/tokenizer.hpp"
#include "sim/cli/commands.hpp"
#include "sim/cli/console.hpp"
#include "sim/cli/crossbar_options.hpp"

namespace pimllm::cli {
namespace {

struct Options {
  std::string model, out, json, board;
  std::string config = "paper";
  std::string prompt = "In the beginning";
  int tokens = 16;
  CrossbarOptions crossbar;
};

int run(const Options& options) {
  const ModelWeights weights = load_model(options.model);
  const Tokenizer tokenizer = load_tokenizer(options.model);
  if (!options.board.empty() && options.crossbar.any())
    fail("--board: expected no options of converters, a board has its own");
  const std::string config = options.board.empty() ? options.config : find_board(options.board).config;
  const CompiledModel compiled = options.board.empty()
                                     ? compile_for(weights, config, options.crossbar)
                                     : compile_for_board(weights, find_board(options.board));
  const ExampleRun example = example_run(weights, compiled, tokenizer.encode(options.prompt), options.tokens);
  write_compiled(compiled, example, options.out);
  if (!options.board.empty()) {
    write_board_images(compiled, find_board(options.board), options.out);  // memory.hex is the board's
  }
  const uint64_t bytes = compiled.memory_end - compiled.options.memory_base;
  fmt::print("{}: {} for {}: {} + {} instructions, {} bytes of memory; example: {}{}\n", options.out,
             options.model, options.board.empty() ? config : options.board, compiled.init.words.size(),
             compiled.step.words.size(), bytes, options.prompt, tokenizer.decode(example.tokens));
  write_json(options.json, {{"model", options.model},
                            {"config", config},
                            {"board", options.board},
                            {"out", options.out},
                            {"init_instructions", compiled.init.words.size()},
                            {"step_instructions", compiled.step.words.size()},
                            {"memory_bytes", bytes}});
  return kGood;
}

}  // namespace

void add_compile(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("compile", "program, memory image and manifest for any AXI host");
  command->add_option("--model", options->model, "checkpoint (GGUF)")->required();
  command->add_option("--config", options->config, "machine")->capture_default_str();
  command->add_option("--board", options->board,
                      "FPGA board (ulx3s): its machine, and the contents of its block RAMs");
  command->add_option("-o,--out", options->out, "folder to write")->required();
  command->add_option("--prompt", options->prompt, "of the example in the manifest")->capture_default_str();
  command->add_option("--tokens", options->tokens, "of the example in the manifest")->capture_default_str();
  add_converter_options(*command, options->crossbar);
  command->add_option("--json", options->json, "write the result to FILE");
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace pimllm::cli

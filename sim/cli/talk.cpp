// pimllm talk: text from a board on a serial port, or from the simulated one.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>

#include "golden/error.hpp"
#include "models/compiler/board.hpp"
#include "models/gguf/load_model.hpp"
#include "models/tokenizer/tokenizer.hpp"
#include "sim/board/board_host.hpp"
#include "sim/board/serial_port.hpp"
#include "sim/board/simulated_port.hpp"
#include "sim/board/token_check.hpp"
#include "sim/cli/commands.hpp"
#include "sim/cli/console.hpp"
#include "sim/cli/engine.hpp"

namespace pimllm::cli {
namespace {

// The simulated board is some hundred times slower than the clock on the wall.
constexpr sim::Patience kSimulatedPatience = {.answer = 60'000, .quiet = 1'500, .token = 300'000};

struct Options {
  std::string model, port, json, images;
  std::string board = "ulx3s";
  std::vector<std::string> prompts;
  int tokens = 64;
  bool check = false;
};

// A folder for the block RAMs of the simulated board, as long as the command runs.
class ImageFolder {
 public:
  ImageFolder() {
    std::string path = (std::filesystem::temp_directory_path() / "pimllm-board-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) fail("{}: cannot create a folder", path);
    path_ = path;
  }
  ~ImageFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ImageFolder(const ImageFolder&) = delete;
  ImageFolder& operator=(const ImageFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

class Talk {
 public:
  explicit Talk(const Options& options)
      : options_(options),
        board_(find_board(options.board)),
        weights_(load_model(options.model)),
        tokenizer_(load_tokenizer(options.model)),
        compiled_(compile_for_board(weights_, board_)) {
    if (options.tokens < 1) fail("--tokens: expected at least 1, found {}", options.tokens);
    for (const std::string& prompt : options.prompts) encode(prompt);  // before the board is asked
    sim::Patience patience;
    std::string device = options.port;
    if (simulated()) {
      std::filesystem::path images = options.images;
      if (images.empty()) {
        folder_.emplace();
        write_board_images(compiled_, board_, folder_->path());
        images = folder_->path();
      }
      simulation_ = std::make_unique<sim::SimulatedPort>(images);
      device = simulation_->device();
      patience = kSimulatedPatience;
    }
    line_ = std::make_unique<sim::SerialPort>(device, board_.baud);
    host_ = std::make_unique<sim::BoardHost>(*line_, compiled_, board_, patience);
    host_->link().on_wait = check_interrupt;
    if (options.check) check_.emplace(weights_, compiled_.golden);
    host_->connect();
  }

  void answer(const std::string& text) {
    const std::vector<int32_t> prompt = encode(text);
    if (check_) check_->begin(prompt);
    const uint64_t simulated_before = simulation_ ? simulation_->cycles() : 0;
    const auto start = std::chrono::steady_clock::now();
    const sim::BoardHost::Text made = host_->generate(prompt, options_.tokens, [&](int32_t token) {
      fmt::print("{}", tokenizer_.token_bytes(token));
      std::fflush(stdout);
      if (check_) (*check_)(token);
    });
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const double cycles_per_token = static_cast<double>(made.cycles) / static_cast<double>(made.steps);
    const double at_clock = board_.clock_hz / cycles_per_token;
    fmt::print("\n\n{} prompt tokens, {} new: {:.0f} cycles a token, {:.1f} tokens/s at {:.0f} MHz",
               prompt.size(), made.tokens.size(), cycles_per_token, at_clock, board_.clock_hz / 1e6);
    nlohmann::ordered_json json = {{"prompt", text},
                                   {"prompt_tokens", prompt},
                                   {"tokens", made.tokens},
                                   {"text", tokenizer_.decode(made.tokens)},
                                   {"cycles", made.cycles},
                                   {"steps", made.steps},
                                   {"cycles_per_token", cycles_per_token},
                                   {"tokens_per_second_at_clock", at_clock},
                                   {"restarts", made.restarts}};
    if (simulation_) {
      const double rate = static_cast<double>(simulation_->cycles() - simulated_before) / seconds / 1e3;
      fmt::print("; simulation: {:.0f} kcycles/s", rate);
      json["kcycles_per_second"] = rate;
    } else {
      const double rate = static_cast<double>(made.steps) / seconds;
      fmt::print("; measured with the line: {:.1f} tokens/s", rate);
      json["tokens_per_second"] = rate;
    }
    if (check_) fmt::print("; all equal to the integer golden model");
    if (made.restarts > 0) fmt::print("; begun again {} times", made.restarts);
    fmt::print("\n");
    results_.push_back(std::move(json));
  }

  nlohmann::ordered_json results() const {
    return {{"model", options_.model}, {"port", options_.port}, {"board", board_.name}, {"texts", results_}};
  }

 private:
  bool simulated() const { return options_.port == "sim"; }

  std::vector<int32_t> encode(const std::string& text) const {
    std::vector<int32_t> prompt = tokenizer_.encode(text);
    if (prompt.empty()) fail("--prompt: expected at least one token, found an empty prompt");
    const size_t total = prompt.size() + static_cast<size_t>(options_.tokens);
    if (total > static_cast<size_t>(weights_.config.context_length)) {
      fail("--tokens: {} prompt tokens and {} new ones are {}, the context holds {}", prompt.size(),
           options_.tokens, total, weights_.config.context_length);
    }
    return prompt;
  }

  const Options& options_;
  Board board_;
  ModelWeights weights_;
  Tokenizer tokenizer_;
  CompiledModel compiled_;
  std::optional<ImageFolder> folder_;
  std::unique_ptr<sim::SimulatedPort> simulation_;
  std::unique_ptr<sim::SerialPort> line_;
  std::unique_ptr<sim::BoardHost> host_;
  std::optional<sim::TokenCheck> check_;
  nlohmann::ordered_json results_ = nlohmann::ordered_json::array();
};

int run(const Options& options) {
  if (!options.images.empty() && options.port != "sim")
    fail("--images: expected --port sim, found {}", options.port);
  Talk talk(options);
  if (options.prompts.empty()) {
    const bool terminal = ::isatty(STDIN_FILENO) != 0;
    std::string line;
    for (;;) {
      if (terminal) {
        fmt::print("> ");
        std::fflush(stdout);
      }
      if (!std::getline(std::cin, line)) break;
      check_interrupt();
      if (line.empty()) continue;
      fmt::print("{}", line);
      talk.answer(line);
    }
    check_interrupt();
  }
  for (const std::string& prompt : options.prompts) {
    fmt::print("{}", prompt);
    talk.answer(prompt);
  }
  write_json(options.json, talk.results());
  return kGood;
}

}  // namespace

void add_talk(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("talk", "text from an FPGA board, or from the simulated one");
  command->add_option("--model", options->model, "checkpoint (GGUF) that the board holds")->required();
  command->add_option("--port", options->port, "serial port (/dev/ttyUSB0), or sim")->required();
  command->add_option("--board", options->board)->capture_default_str();
  command->add_option("--prompt", options->prompts,
                      "text to begin with, once or several times; else lines of stdin");
  command->add_option("--tokens", options->tokens, "new tokens for each prompt")->capture_default_str();
  command->add_flag("--check", options->check, "compare every token with the integer golden model");
  command->add_option("--images", options->images,
                      "block RAM files of the simulated board (compile --board; else those of the model)");
  command->add_option("--json", options->json, "write the result to FILE");
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace pimllm::cli

// pimllm-kjv-text: writes the text the shipped models are trained or measured on.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

#include "models/io/atomic_file.hpp"
#include "models/train/kjv_text.hpp"

int main(int argc, char** argv) {
  CLI::App app(
      "Writes the training or the held-out chapters of the King James text, as the trainer uses them.");
  std::string out;
  std::string text;
  bool training = false;
  app.add_option("--out", out, "file to write")->required();
  app.add_option("--text", text, "file with the output of `bible -l10000 Gen1:1-Rev22:21`");
  app.add_flag("--training", training, "the training chapters, not the held-out ones");
  CLI11_PARSE(app, argc, argv);
  try {
    const std::string printed = text.empty() ? pimllm::run_bible_command() : pimllm::read_file(text);
    const pimllm::SplitText split = pimllm::split_chapters(pimllm::parse_chapters(printed));
    pimllm::write_file_atomically(out, std::string_view(training ? split.training : split.held_out));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "pimllm-kjv-text: %s\n", error.what());
    return 2;
  }
}

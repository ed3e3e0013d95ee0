// The subcommands of `pimllm`. Each adds itself to the application; `run` is called when the user chose it.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace pimllm::cli {

// Set by the chosen subcommand, called by main; returns the exit code.
using Action = std::function<int()>;

void add_info(CLI::App& app, Action& action);
void add_generate(CLI::App& app, Action& action);
void add_compile(CLI::App& app, Action& action);
void add_perplexity(CLI::App& app, Action& action);
void add_profile(CLI::App& app, Action& action);
void add_paper(CLI::App& app, Action& action);
void add_talk(CLI::App& app, Action& action);
void add_sweep(CLI::App& app, Action& action);

}  // namespace pimllm::cli

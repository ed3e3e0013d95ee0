// pimllm: a 1-bit transformer on a processing-in-memory machine, in golden model and RTL.
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>

#include "sim/cli/commands.hpp"
#include "sim/cli/console.hpp"
#include "sim/reference/checker.hpp"

int main(int argc, char** argv) {
  using namespace pimllm::cli;
  CLI::App app{"pimllm: 1-bit transformers on a processing-in-memory machine"};
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::simple);
  Action action;
  add_info(app, action);
  add_generate(app, action);
  add_compile(app, action);
  add_talk(app, action);
  add_perplexity(app, action);
  add_profile(app, action);
  add_paper(app, action);
  add_sweep(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "pimllm: {}\n", error.what());
    return kCannotRun;
  }
  catch_interrupts();
  try {
    const int code = action();
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
      fmt::print(stderr, "pimllm: standard output cannot be written: {}\n", std::strerror(errno));
      return kCannotRun;
    }
    return code;
  } catch (const pimllm::sim::Stopped& stopped) {
    fmt::print(stderr, "pimllm: {}\n", stopped.what());
    return kCannotRun;
  } catch (const pimllm::sim::Mismatch& mismatch) {
    fmt::print(stderr, "pimllm: mismatch: {}\n", mismatch.what());
    return kWrong;
  } catch (const std::exception& error) {
    fmt::print(stderr, "pimllm: {}\n", error.what());
    return kCannotRun;
  }
}

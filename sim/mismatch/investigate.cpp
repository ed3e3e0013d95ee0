#include "sim/mismatch/investigate.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "golden/error.hpp"
#include "models/io/atomic_file.hpp"
#include "sim/mismatch/view.hpp"

namespace pimllm::sim {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBuild = PIMLLM_BUILD_DIR;
constexpr std::string_view kTracedBuild = PIMLLM_BUILD_DIR "-trace";
constexpr std::string_view kViews = PIMLLM_SOURCE_DIR "/sim/waves/";

std::string file_in(const std::string& folder, std::string_view name) {
  return (fs::path(folder) / name).string();
}

std::string relative(const fs::path& path) { return fs::proximate(path).string(); }

void make_folder(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail("{}: cannot be made a folder: {}", folder, error.message());
}

// Runs a command, its output into a file, and waits for the end.
void run_into(const std::vector<std::string>& command, const std::string& log) {
  std::vector<char*> arguments;
  for (const auto& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  pid_t child = 0;
  const int error = ::posix_spawn(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) fail("{}: cannot be started: {}", command[0], std::strerror(error));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
}

std::string operands(const isa::UnitCommand& c) {
  return fmt::format("mode {:#x}, count {}, a0 {}, a1 {:#x}, a2 {}, s0 {}, s1 {}, s2 {:#x}, pos {}", c.mode,
                     c.count, c.a0, c.a1, c.a2, c.s0, c.s1, c.s2, c.pos);
}

std::vector<std::string> traced_command(const std::string& executable, const std::string& folder,
                                        const TraceWindow& window, const Repeat& repeat) {
  std::vector<std::string> command = repeat.command;
  command[0] = executable;
  command.insert(command.end(), repeat.trace_extra.begin(), repeat.trace_extra.end());
  for (const auto& argument : {std::string("--on-mismatch"), folder, std::string("--trace"),
                               trace_path(folder), std::string("--trace-from"), std::to_string(window.from),
                               std::string("--trace-to"), std::to_string(window.to)}) {
    command.push_back(argument);
  }
  return command;
}

}  // namespace

std::vector<std::string> own_command() {
  std::vector<std::string> command;
  std::ifstream file("/proc/self/cmdline");
  for (std::string argument; std::getline(file, argument, '\0');) command.push_back(argument);
  if (command.empty()) fail("/proc/self/cmdline: expected the command line, found nothing");
  command[0] = fs::read_symlink("/proc/self/exe").string();
  return command;
}

std::string shell_line(std::span<const std::string> command) {
  std::string line;
  for (const auto& argument : command) {
    constexpr std::string_view kPlain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=:,+@%";
    if (!line.empty()) line += ' ';
    if (!argument.empty() && argument.find_first_not_of(kPlain) == std::string::npos) {
      line += argument;
      continue;
    }
    line += '\'';
    for (const char c : argument) {
      if (c == '\'') {
        line += "'\\''";
      } else {
        line += c;
      }
    }
    line += '\'';
  }
  return line;
}

std::string traced_executable(const std::string& executable) {
  const std::string inside = fs::path(executable).lexically_relative(kBuild).string();
  if (inside.empty() || inside.starts_with("..")) return {};
  const fs::path twin = fs::path(kTracedBuild) / inside;
  return fs::exists(twin) ? twin.string() : std::string();
}

std::string trace_path(const std::string& folder) { return file_in(folder, "trace.fst"); }

std::string report_text(const Mismatch& mismatch, const Repeat& repeat) {
  std::vector<std::string> command = repeat.command;
  command[0] = relative(command[0]);
  std::string text = fmt::format("{}\n\n", mismatch.what());
  const auto line = [&](std::string_view name, const std::string& value) {
    text += fmt::format("{:<12} {}\n", name, value);
  };
  if (const auto& d = mismatch.difference()) {
    line("unit", std::string(unit_name(d->unit)));
    line("program", d->program);
    if (d->instruction) {
      const isa::UnitCommand& c = d->instruction->command;
      line("instruction", d->text);
      line("index", std::to_string(d->instruction->index));
      line("pc", fmt::format("{:#x} (address {:#x})", c.pc, uint64_t{c.pc} * isa::kInstructionBytes));
      line("operands", operands(c));
    }
    line("element", d->element.empty() ? "-" : d->element);
    line("expected", d->expected);
    line("found", d->found);
    line("issued", fmt::format("cycle {}", d->issued));
    if (d->written) line("wrong word", fmt::format("cycle {}", *d->written));
    line("noticed", fmt::format("cycle {}", d->noticed));
  }
  line("machine", repeat.config);
  line("seed", std::to_string(repeat.seed));
  line("repeat", shell_line(command));
  return text;
}

std::string investigate(const std::string& folder, const Mismatch& mismatch, const Repeat& repeat) {
  make_folder(folder);
  const std::string report = file_in(folder, "report.txt");
  const std::string text = report_text(mismatch, repeat);
  write_file_atomically(report, std::string_view(text));
  for (const auto* stale : {"trace.fst", "mismatch.gtkw", "rerun.log"}) fs::remove(file_in(folder, stale));
  const auto& difference = mismatch.difference();
  if (!difference) {
    return fmt::format("{}: the report; there is no waveform, as it is the two references that differ",
                       report);
  }
  const std::string executable = repeat.traced ? repeat.command[0] : traced_executable(repeat.command[0]);
  if (executable.empty()) {
    return fmt::format(
        "{}: the report; for the waveform build the traced machine, `make traced TARGET={} CONFIG={}`, and "
        "repeat the command",
        report, repeat.target, repeat.config);
  }
  const TraceWindow window = trace_window(*difference);
  const auto command = traced_command(executable, folder, window, repeat);
  const std::string log = file_in(folder, "rerun.log");
  run_into(command, log);
  const std::string view = file_in(folder, "mismatch.gtkw");
  std::vector<std::string> shown = command;
  shown[0] = relative(shown[0]);
  write_file_atomically(report,
                        std::string_view(text + fmt::format("{:<12} {}\n", "traced", shell_line(shown))));
  if (!fs::exists(view)) {
    return fmt::format(
        "{}: the report; the traced run met no mismatch (is that build of the same RTL?), its output is {}",
        report, log);
  }
  if (read_file(log).find(mismatch.what()) == std::string::npos) {
    return fmt::format(
        "{}: the report; the traced run met another mismatch, its output is {}, its waveform {}", report, log,
        view);
  }
  fs::remove(log);
  return fmt::format("{}: the report; the waveform of cycles {} to {}: gtkwave {}", report, window.from,
                     window.to, view);
}

void write_view(const std::string& folder, const Mismatch& mismatch, std::span<const std::string> signals) {
  const auto& difference = mismatch.difference();
  if (!difference) return;
  const std::string view = read_file(fmt::format("{}{}.gtkw", kViews, view_name(difference->unit)));
  write_file_atomically(file_in(folder, "mismatch.gtkw"),
                        std::string_view(mismatch_view(view, *difference, signals)));
}

}  // namespace pimllm::sim

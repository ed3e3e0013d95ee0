// What a person sees: progress on a terminal, one line per error, Ctrl-C.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace pimllm::cli {

// Exit codes of every command.
inline constexpr int kGood = 0;
inline constexpr int kWrong = 1;
inline constexpr int kCannotRun = 2;

// A line on stderr that is rewritten in place; silent unless stderr is a terminal.
class Progress {
 public:
  // unit: what is counted, "windows".
  Progress(std::string what, std::string unit, uint64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // note: more to show behind the rate, "812 kcycles/s".
  void update(uint64_t done, const std::string& note = "");

 private:
  using Clock = std::chrono::steady_clock;
  std::string what_, unit_;
  uint64_t total_;
  Clock::time_point start_, shown_;
  bool terminal_;
  bool dirty_ = false;
};

// Installs the handler of Ctrl-C; the commands ask `interrupted()` between two steps of work.
void catch_interrupts();
bool interrupted();

// Throws Error if Ctrl-C was pressed.
void check_interrupt();

// Writes the result for --json; nothing if the path is empty.
void write_json(const std::string& path, const nlohmann::ordered_json& result);

}  // namespace pimllm::cli

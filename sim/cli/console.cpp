#include "sim/cli/console.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>

#include "golden/error.hpp"
#include "models/io/atomic_file.hpp"

namespace pimllm::cli {
namespace {

constexpr auto kShowEvery = std::chrono::milliseconds(200);

// A signal handler can reach nothing but a global.
std::atomic<bool>& interrupt_flag() {
  static std::atomic<bool> flag{false};
  return flag;
}

}  // namespace

Progress::Progress(std::string what, std::string unit, uint64_t total)
    : what_(std::move(what)),
      unit_(std::move(unit)),
      total_(total),
      start_(Clock::now()),
      shown_(start_ - kShowEvery),
      terminal_(::isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() {
  if (dirty_) fmt::print(stderr, "\r\033[K");
}

void Progress::update(uint64_t done, const std::string& note) {
  if (!terminal_) return;
  const auto now = Clock::now();
  if (now - shown_ < kShowEvery && done < total_) return;
  shown_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0.0;
  const double left = rate > 0 ? static_cast<double>(total_ - done) / rate : 0.0;
  fmt::print(stderr, "\r\033[K{}: {}/{} {}, {:.1f} {}/s, {:.0f} s left{}{}", what_, done, total_, unit_, rate,
             unit_, left, note.empty() ? "" : ", ", note);
  std::fflush(stderr);
  dirty_ = true;
}

void catch_interrupts() {
  interrupt_flag();
  std::signal(SIGINT, [](int) { interrupt_flag() = true; });
}

bool interrupted() { return interrupt_flag(); }

void check_interrupt() {
  if (interrupted()) fail("interrupted");
}

void write_json(const std::string& path, const nlohmann::ordered_json& result) {
  if (!path.empty()) write_file_atomically(path, result.dump(2) + "\n");
}

}  // namespace pimllm::cli

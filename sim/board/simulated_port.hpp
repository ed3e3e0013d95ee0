// The simulated board behind a pseudo-terminal, in a thread of its own: a device that any host program can
// open. Time on the board stands still while nothing happens on the line and the machine rests.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>
#include <thread>

namespace pimllm::sim {

class SimulatedPort {
 public:
  // Throws Error if the images are missing or the system gives no pseudo-terminal.
  explicit SimulatedPort(const std::filesystem::path& images);
  ~SimulatedPort();
  SimulatedPort(const SimulatedPort&) = delete;
  SimulatedPort& operator=(const SimulatedPort&) = delete;

  const std::string& device() const { return device_; }
  uint64_t cycles() const { return cycles_; }
  void press_reset() { reset_ = true; }

 private:
  void serve(const std::filesystem::path& images);

  std::string device_;
  int master_ = -1, slave_ = -1;
  std::atomic<bool> stop_{false}, reset_{false};
  std::atomic<uint64_t> cycles_{0};
  std::thread thread_;
};

}  // namespace pimllm::sim

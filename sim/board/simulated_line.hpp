// A simulated board (SimulatedBoard, or the netlist of one) as a serial line in the same thread: time passes
// only while the host reads or writes, and a millisecond is as many cycles as the board's clock has in it.
#pragma once

#include <functional>
#include <string>

#include "sim/board/byte_line.hpp"

namespace pimllm::sim {

template <class SomeBoard>
class SimulatedLine : public ByteLine {
 public:
  SimulatedLine(SomeBoard& board, int clock_hz) : board_(board), clock_hz_(clock_hz) {}

  const std::string& name() const override { return name_; }
  void write(std::span<const uint8_t> bytes) override {
    for (const uint8_t byte : bytes) board_.send(byte);
  }
  std::optional<uint8_t> read(int milliseconds) override {
    const uint64_t end =
        board_.cycles() + static_cast<uint64_t>(milliseconds) * static_cast<uint64_t>(clock_hz_ / 1000);
    for (;;) {
      if (const auto byte = board_.receive()) return byte;
      if (board_.cycles() >= end && !board_.sending()) return std::nullopt;
      if (on_cycle) on_cycle();
      board_.step();
    }
  }

  std::function<void()> on_cycle;  // for tests: the reset button, noise

 private:
  SomeBoard& board_;
  int clock_hz_;
  std::string name_ = "simulated board";
};

}  // namespace pimllm::sim

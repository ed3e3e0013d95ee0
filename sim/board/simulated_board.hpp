// The Verilated board (rtl/board/board.sv with the parameters of the ULX3S): clock, reset button and the
// serial line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include "sim/board/serial_pins.hpp"

class Vboard;
class VerilatedContext;

namespace pimllm::sim {

// Longest silence within a frame, in cycles (rtl/board/ulx3s.sv).
inline constexpr uint64_t kGapCycles = 250'000;

class SimulatedBoard {
 public:
  // Configured with the block RAM files of a folder (write_board_images), in reset for some cycles. Throws
  // Error if a file is missing.
  explicit SimulatedBoard(const std::filesystem::path& images);
  ~SimulatedBoard();
  SimulatedBoard(const SimulatedBoard&) = delete;
  SimulatedBoard& operator=(const SimulatedBoard&) = delete;

  void press_reset();  // block RAMs keep what is in them
  void step();         // one cycle
  bool busy() const;   // a program runs
  unsigned leds() const;

  void send(uint8_t byte, bool stop_bit = true) { pins_.send(byte, stop_bit); }
  bool sending() const { return pins_.sending(); }
  std::optional<uint8_t> receive() { return pins_.receive(); }
  uint64_t cycles() const { return pins_.cycles(); }
  uint64_t quiet_cycles() const { return pins_.quiet_cycles(); }

 private:
  std::unique_ptr<VerilatedContext> context_;
  std::unique_ptr<Vboard> dut_;
  SerialPins pins_;
};

}  // namespace pimllm::sim

// The Verilated board (rtl/board/board.sv with the parameters of the ULX3S): clock, reset button and the
// serial line, bit by bit.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>

class Vboard;
class VerilatedContext;

namespace pimllm::sim {

// Cycles of the board's clock a bit of the line.
inline constexpr int kClkPerBit = 25;
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
  uint64_t cycles() const { return cycles_; }
  bool busy() const;  // a program runs
  unsigned leds() const;

  // To the board, behind what waits already. Without a stop bit the line is low in its place.
  void send(uint8_t byte, bool stop_bit = true);
  bool sending() const { return !out_.empty() || out_bits_ > 0; }
  // The next byte from the board; throws Error if its stop bit was missing.
  std::optional<uint8_t> receive();
  // Cycles since the last change of either line.
  uint64_t quiet_cycles() const { return cycles_ - last_change_; }

 private:
  void drive();
  void sample();

  std::unique_ptr<VerilatedContext> context_;
  std::unique_ptr<Vboard> dut_;
  uint64_t cycles_ = 0, last_change_ = 0;
  std::deque<uint16_t> out_;  // start bit, data, stop bit and a bit of pause
  uint16_t out_shift_ = 0;
  int out_bits_ = 0, out_tick_ = 0;
  std::deque<uint8_t> in_;
  int in_bits_ = 0, in_tick_ = 0;
  unsigned in_shift_ = 0;
  bool in_idle_ = true, broken_ = false;
};

}  // namespace pimllm::sim

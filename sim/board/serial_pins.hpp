// A serial line at the pins of a simulated board, bit by bit in cycles of the board's clock: 8N1.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

namespace pimllm::sim {

// Cycles of the board's clock a bit of the line.
inline constexpr int kClkPerBit = 25;

class SerialPins {
 public:
  // To the board, behind what waits already. Without a stop bit the line is low in its place.
  void send(uint8_t byte, bool stop_bit = true);
  bool sending() const { return !out_.empty() || out_bits_ > 0; }
  // The next byte from the board; throws Error if its stop bit was missing.
  std::optional<uint8_t> receive();

  bool next_to_board();           // level of the line to the board in the next cycle
  void cycle_done(bool to_host);  // with the level of the other line
  void cut_off();                 // the byte on its way from the board is lost

  uint64_t cycles() const { return cycles_; }
  // Cycles since the last change of either line.
  uint64_t quiet_cycles() const { return cycles_ - last_change_; }

 private:
  uint64_t cycles_ = 0, last_change_ = 0;
  std::deque<uint16_t> out_;  // start bit, data, stop bit and a bit of pause
  uint16_t out_shift_ = 0;
  int out_bits_ = 0, out_tick_ = 0;
  bool level_ = true;
  std::deque<uint8_t> in_;
  int in_bits_ = 0, in_tick_ = 0;
  unsigned in_shift_ = 0;
  bool in_idle_ = true, broken_ = false;
};

}  // namespace pimllm::sim

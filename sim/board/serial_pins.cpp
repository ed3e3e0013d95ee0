#include "sim/board/serial_pins.hpp"

#include "golden/error.hpp"

namespace pimllm::sim {
namespace {

constexpr int kDataBits = 8;
constexpr int kLineBits = 10;  // of a byte: start, data, stop

}  // namespace

void SerialPins::send(uint8_t byte, bool stop_bit) {
  // A byte without stop bit is followed by an idle line, so that the next one begins.
  const unsigned bits = static_cast<unsigned>(byte) << 1 | (stop_bit ? 1U << 9 : 0U) | 1U << 10;
  out_.push_back(static_cast<uint16_t>(bits));
}

bool SerialPins::next_to_board() {
  if (out_tick_ > 0) {
    --out_tick_;
    return level_;
  }
  if (out_bits_ == 0) {
    if (out_.empty()) return level_;
    out_shift_ = out_.front();
    out_.pop_front();
    out_bits_ = (out_shift_ >> (kLineBits - 1) & 1) != 0 ? kLineBits : kLineBits + 1;
  }
  const bool bit = (out_shift_ & 1) != 0;
  if (bit != level_) last_change_ = cycles_;
  level_ = bit;
  out_shift_ = static_cast<uint16_t>(out_shift_ >> 1);
  --out_bits_;
  out_tick_ = kClkPerBit - 1;
  return level_;
}

void SerialPins::cycle_done(bool to_host) {
  ++cycles_;
  if (in_bits_ == 0 && in_idle_ && !to_host) {
    in_bits_ = kDataBits + 1;
    in_tick_ = kClkPerBit + kClkPerBit / 2;
    in_shift_ = 0;
    in_idle_ = false;
    last_change_ = cycles_;
  }
  if (in_bits_ == 0) {
    in_idle_ = to_host;
    return;
  }
  if (--in_tick_ > 0) return;
  in_tick_ = kClkPerBit;
  last_change_ = cycles_;
  if (--in_bits_ > 0) {
    in_shift_ |= static_cast<unsigned>(to_host) << (kDataBits - in_bits_);
    return;
  }
  broken_ = broken_ || !to_host;
  in_.push_back(static_cast<uint8_t>(in_shift_));
  in_idle_ = to_host;
}

void SerialPins::cut_off() {
  in_bits_ = 0;
  in_idle_ = true;
}

std::optional<uint8_t> SerialPins::receive() {
  if (broken_) fail("board: expected a stop bit, found none");
  if (in_.empty()) return std::nullopt;
  const uint8_t byte = in_.front();
  in_.pop_front();
  return byte;
}

}  // namespace pimllm::sim

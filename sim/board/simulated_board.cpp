#include "sim/board/simulated_board.hpp"

#include <fmt/format.h>
#include <verilated.h>

#include <array>
#include <string>

#include "Vboard.h"
#include "Vboard___024root.h"
#include "golden/error.hpp"

namespace pimllm::sim {
namespace {

constexpr int kResetCycles = 4;
constexpr int kDataBits = 8;
constexpr int kLineBits = 10;  // of a byte: start, data, stop

}  // namespace

SimulatedBoard::SimulatedBoard(const std::filesystem::path& images)
    : context_(std::make_unique<VerilatedContext>()) {
  // $readmemh would only warn.
  if (!std::filesystem::exists(images / "memory.hex"))
    fail("{}: expected the board's memory.hex, found none", images.string());
  const std::string program = "board", argument = "+image=" + images.string();
  std::array<const char*, 2> arguments = {program.c_str(), argument.c_str()};
  context_->commandArgs(static_cast<int>(arguments.size()), arguments.data());
  Verilated::threadContextp(context_.get());  // its RAMs look for the argument there
  dut_ = std::make_unique<Vboard>(context_.get());
  dut_->clk_i = 0;
  dut_->rx_i = 1;
  press_reset();
}

SimulatedBoard::~SimulatedBoard() {
  Verilated::threadContextp(context_.get());  // its scopes go out of the thread's context
  dut_->final();
}

void SimulatedBoard::press_reset() {
  dut_->rst_ni = 0;
  for (int i = 0; i < kResetCycles; ++i) step();
  dut_->rst_ni = 1;
  in_bits_ = 0;  // a byte that the reset cut off
  in_idle_ = true;
}

bool SimulatedBoard::busy() const {
  return dut_->rootp->board__DOT__u_machine__DOT__u_control__DOT__u_scheduler__DOT__busy_o != 0;
}

unsigned SimulatedBoard::leds() const { return dut_->led_o; }

void SimulatedBoard::step() {
  drive();
  dut_->clk_i = 1;
  dut_->eval();
  dut_->clk_i = 0;
  dut_->eval();
  ++cycles_;
  sample();
}

void SimulatedBoard::send(uint8_t byte, bool stop_bit) {
  // A byte without stop bit is followed by an idle line, so that the next one begins.
  const unsigned bits = static_cast<unsigned>(byte) << 1 | (stop_bit ? 1U << 9 : 0U) | 1U << 10;
  out_.push_back(static_cast<uint16_t>(bits));
}

void SimulatedBoard::drive() {
  if (out_tick_ > 0) {
    --out_tick_;
    return;
  }
  if (out_bits_ == 0) {
    if (out_.empty()) return;
    out_shift_ = out_.front();
    out_.pop_front();
    out_bits_ = (out_shift_ >> (kLineBits - 1) & 1) != 0 ? kLineBits : kLineBits + 1;
  }
  const auto bit = static_cast<uint8_t>(out_shift_ & 1);
  if (bit != dut_->rx_i) last_change_ = cycles_;
  dut_->rx_i = bit;
  out_shift_ = static_cast<uint16_t>(out_shift_ >> 1);
  --out_bits_;
  out_tick_ = kClkPerBit - 1;
}

void SimulatedBoard::sample() {
  const bool line = dut_->tx_o != 0;
  if (in_bits_ == 0 && in_idle_ && !line) {
    in_bits_ = kDataBits + 1;
    in_tick_ = kClkPerBit + kClkPerBit / 2;
    in_shift_ = 0;
    in_idle_ = false;
    last_change_ = cycles_;
  }
  if (in_bits_ == 0) {
    in_idle_ = line;
    return;
  }
  if (--in_tick_ > 0) return;
  in_tick_ = kClkPerBit;
  last_change_ = cycles_;
  if (--in_bits_ > 0) {
    in_shift_ |= static_cast<unsigned>(line) << (kDataBits - in_bits_);
    return;
  }
  broken_ = broken_ || !line;
  in_.push_back(static_cast<uint8_t>(in_shift_));
  in_idle_ = line;
}

std::optional<uint8_t> SimulatedBoard::receive() {
  if (broken_) fail("board: expected a stop bit, found none");
  if (in_.empty()) return std::nullopt;
  const uint8_t byte = in_.front();
  in_.pop_front();
  return byte;
}

}  // namespace pimllm::sim

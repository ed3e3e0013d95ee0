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
  pins_.cut_off();
}

bool SimulatedBoard::busy() const {
  return dut_->rootp->board__DOT__u_machine__DOT__u_control__DOT__u_scheduler__DOT__busy_o != 0;
}

unsigned SimulatedBoard::leds() const { return dut_->led_o; }

void SimulatedBoard::step() {
  dut_->rx_i = pins_.next_to_board();
  dut_->clk_i = 1;
  dut_->eval();
  dut_->clk_i = 0;
  dut_->eval();
  pins_.cycle_done(dut_->tx_o != 0);
}

}  // namespace pimllm::sim

// The netlist of the ULX3S (rtl/board/ulx3s.sv after synthesis) at its pins: board_gate MODEL CONTENTS TOKENS
// PROMPT... Each prompt is answered over the serial line with TOKENS tokens; tokens and the last one's logits
// must be the integer golden model's. CONTENTS is a folder of netlist.py's. Exit status 1 at the first
// difference.
#include <fmt/format.h>
#include <verilated.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "Vulx3s.h"
#include "golden/error.hpp"
#include "models/compiler/board.hpp"
#include "models/gguf/load_model.hpp"
#include "models/tokenizer/tokenizer.hpp"
#include "sim/board/board_host.hpp"
#include "sim/board/serial_pins.hpp"
#include "sim/board/simulated_line.hpp"
#include "sim/board/token_check.hpp"

namespace pimllm::sim {
namespace {

constexpr int kBeatBytes = 8;
constexpr unsigned kNoButton = 0b01;  // PWR is high when released, FIRE1 low

// In milliseconds of the line, 25,000 cycles each. The board has just been configured, so nothing old is on
// it.
constexpr Patience kPatience = {.answer = 20, .quiet = 1, .token = 40};

class GateBoard {
 public:
  explicit GateBoard(const std::string& contents) {
    const std::string program = "board_gate", argument = "+image=" + contents;
    std::array<const char*, 2> arguments = {program.c_str(), argument.c_str()};
    context_->commandArgs(static_cast<int>(arguments.size()), arguments.data());
    Verilated::threadContextp(context_.get());  // the RAMs look for the argument there
    dut_ = std::make_unique<Vulx3s>(context_.get());
    dut_->btn = kNoButton;
  }
  ~GateBoard() { dut_->final(); }
  GateBoard(const GateBoard&) = delete;
  GateBoard& operator=(const GateBoard&) = delete;

  void step() {
    dut_->ftdi_txd = pins_.next_to_board();
    dut_->clk_25mhz = 1;
    dut_->eval();
    dut_->clk_25mhz = 0;
    dut_->eval();
    pins_.cycle_done(dut_->ftdi_rxd != 0);
  }
  void send(uint8_t byte) { pins_.send(byte); }
  bool sending() const { return pins_.sending(); }
  std::optional<uint8_t> receive() { return pins_.receive(); }
  uint64_t cycles() const { return pins_.cycles(); }

 private:
  std::unique_ptr<VerilatedContext> context_ = std::make_unique<VerilatedContext>();
  std::unique_ptr<Vulx3s> dut_;
  SerialPins pins_;
};

std::vector<int32_t> read_logits(BoardLink& link, uint64_t address, size_t count) {
  std::vector<int32_t> logits(count);
  for (size_t i = 0; i < count; i += kBeatBytes / sizeof(int32_t)) {
    const auto beat = link.read_beat(static_cast<uint32_t>(address / kBeatBytes + i / 2));
    std::memcpy(&logits[i], beat.data(), kBeatBytes);
  }
  return logits;
}

// Answers a prompt; throws Error at the first difference.
void answer(BoardHost& host, GateBoard& gates, const CompiledModel& compiled, TokenCheck& check,
            const Tokenizer& tokenizer, const std::string& text, int tokens) {
  const std::vector<int32_t> prompt = tokenizer.encode(text);
  check.begin(prompt);
  fmt::print("{}", text);
  const auto start = std::chrono::steady_clock::now();
  const uint64_t cycles = gates.cycles();
  const BoardHost::Text made = host.generate(prompt, tokens, [&](int32_t token) {
    fmt::print("{}", tokenizer.token_bytes(token));
    std::fflush(stdout);
    check(token);
  });
  const auto expected = check.chosen_from();
  const std::vector<int32_t> logits =
      read_logits(host.link(), compiled.layout.logits_address, expected.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] != expected[i]) fail("logit {}: expected {}, found {}", i, expected[i], logits[i]);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  fmt::print(
      "\n{} tokens and {} logits of the netlist equal the golden model's; {:.0f} cycles a token, {:.1f} "
      "kcycles/s\n",
      made.tokens.size(), logits.size(), static_cast<double>(made.cycles) / static_cast<double>(made.steps),
      static_cast<double>(gates.cycles() - cycles) / seconds / 1e3);
}

int run(std::span<char*> arguments) {
  if (arguments.size() < 5)
    fail("board_gate: expected MODEL CONTENTS TOKENS PROMPT..., found {} arguments", arguments.size() - 1);
  const std::string model = arguments[1];
  const int tokens = std::stoi(arguments[3]);
  const Board board = find_board("ulx3s");
  const ModelWeights weights = load_model(model);
  const Tokenizer tokenizer = load_tokenizer(model);
  const CompiledModel compiled = compile_for_board(weights, board);
  TokenCheck check(weights, compiled.golden);
  GateBoard gates(arguments[2]);
  SimulatedLine<GateBoard> line(gates, board.clock_hz);
  BoardHost host(line, compiled, board, kPatience);
  host.connect();
  for (char* const prompt : arguments.subspan(4))
    answer(host, gates, compiled, check, tokenizer, prompt, tokens);
  return 0;
}

}  // namespace
}  // namespace pimllm::sim

int main(int argc, char** argv) {
  try {
    return pimllm::sim::run(std::span(argv, static_cast<size_t>(argc)));
  } catch (const std::exception& error) {
    fmt::print(stderr, "\n{}\n", error.what());
    return 1;
  }
}

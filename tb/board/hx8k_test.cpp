// Modules of rtl/study, and the self-test of the HX8K board with them: what it sends over the serial line is
// the signature of sums and numerators worked out here in plain arithmetic, and the lane is the golden
// model's ConSMax.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <string>

#include "Vhx8k.h"
#include "Vhx8k_lane.h"
#include "Vternary_adder.h"
#include "golden/attention.hpp"
#include "tb/common/coverage.hpp"

namespace pimllm::tb {
namespace {

constexpr int kClkPerBit = 4, kRounds = 1024;  // of the Verilated board: its own rounds, a quicker line
constexpr int kSize = 4, kDepth = 64, kRoundCycles = 128, kResetCycles = 16;

template <typename Model>
void cycle(Model& dut) {
  dut.clk = 1;
  dut.eval();
  dut.clk = 0;
  dut.eval();
}

uint64_t xorshift(uint64_t x) {
  x ^= x << 13;
  x ^= x >> 7;
  return x ^ x << 17;
}

uint32_t fold(uint32_t state, uint32_t word) {
  return state << 1 ^ (state >> 31 != 0 ? 0x04c11db7U : 0U) ^ word;
}

int8_t byte_of(uint64_t word, int index) { return static_cast<int8_t>(word >> (8 * index)); }

// Head of a mantissa of C; the exponent is of no concern to the lane.
ConsmaxHead head_of(uint16_t mantissa) { return consmax_head(std::log(std::ldexp(mantissa, -15))); }

// Numerator with a value scale of 1 and the largest one of the head in [2^15, 2^16).
uint16_t numerator(int score, const ConsmaxHead& head) {
  return consmax_numerator(score, {.m = 0x8000, .e = -15}, -16, head);
}

uint32_t expected_signature() {
  uint64_t random = 0x9e3779b97f4a7c15;
  uint32_t signature = 0;
  for (int round = 0; round < kRounds; ++round) {
    std::array<std::array<uint32_t, kSize>, kSize> sums{};
    const ConsmaxHead head = head_of(static_cast<uint16_t>(random | 0x8000));
    for (int i = 0; i < kRoundCycles; ++i, random = xorshift(random)) {
      if (i < 1 || i > kDepth) continue;
      for (int r = 0; r < kSize; ++r) {
        for (int c = 0; c < kSize; ++c)
          sums[r][c] += static_cast<uint32_t>(byte_of(random, r) * byte_of(random, kSize + c));
      }
      signature = fold(signature, numerator(byte_of(random, 0), head));
    }
    for (const auto& row : sums) {
      uint32_t word = 0;
      for (int c = 0; c < kSize; ++c) word ^= std::rotl(row[c], 8 * c);
      signature = fold(signature, word);
    }
  }
  return signature;
}

// The next line that the board sends.
std::string line(Vhx8k& dut) {
  constexpr int64_t kPatience = int64_t{2} * kRounds * kRoundCycles;
  std::string text;
  int64_t waited = 0;
  while (text.empty() || text.back() != '\n') {
    for (; dut.tx != 0 && waited < kPatience; ++waited) cycle(dut);
    if (waited == kPatience) return text + " (and then nothing)";
    for (int i = 0; i < kClkPerBit + kClkPerBit / 2; ++i) cycle(dut);
    unsigned value = 0;
    for (int bit = 0; bit < 8; ++bit) {
      value |= static_cast<unsigned>(dut.tx) << bit;
      for (int i = 0; i < kClkPerBit; ++i) cycle(dut);
    }
    EXPECT_EQ(dut.tx, 1) << "stop bit";
    text += static_cast<char>(value);
  }
  return text;
}

TEST(Hx8k, SaysThatItPassesTwice) {
  VerilatedContext context;
  Vhx8k dut(&context);
  for (int i = 0; i < kResetCycles; ++i) cycle(dut);
  const std::string expected = fmt::format("P{:08x}\n", expected_signature());
  EXPECT_EQ(line(dut), expected);
  EXPECT_EQ(dut.led & 3, 1);
  EXPECT_EQ(line(dut), expected);
  EXPECT_EQ(dut.led & 3, 1);
  collect_coverage(context);
}

TEST(ConsmaxLane, IsTheGoldenModelsForAllScores) {
  constexpr int kLatency = 8;
  VerilatedContext context;
  Vhx8k_lane dut(&context);
  double worst = 0;
  for (int mantissa = 0x8000; mantissa<0x10000; mantissa += mantissa> 47900 && mantissa < 47960 ? 1 : 251) {
    const ConsmaxHead head = head_of(static_cast<uint16_t>(mantissa));
    const double largest = std::ldexp(mantissa, -15) * std::exp(127.0 / 16);
    dut.c_i = static_cast<uint16_t>(mantissa);
    dut.near_i = largest >= 4096 ? 1 : 0;
    const double scale = std::ldexp(1.0, largest >= 4096 ? 3 : 4);
    dut.go_i = 1;
    dut.eval();
    for (int i = 0; i < 256 + kLatency; ++i) {
      dut.score_i = static_cast<uint8_t>(i);
      dut.clk_i = 1;
      dut.eval();
      dut.clk_i = 0;
      dut.eval();
      if (i < kLatency - 1 || i - kLatency + 1 > 255) continue;
      const int score = static_cast<int8_t>(i - kLatency + 1);
      ASSERT_EQ(dut.num_o, numerator(score, head)) << "score " << score << " C.m " << mantissa;
      worst =
          std::max(worst, std::abs(dut.num_o - scale * std::ldexp(mantissa, -15) * std::exp(score / 16.0)));
    }
  }
  EXPECT_LE(worst, 1.0);
  RecordProperty("worst", std::to_string(worst));
  fmt::print("worst distance to C e^(s/16): {:.3f} of the last place\n", worst);
}

TEST(TernaryAdder, AddsSubtractsOrLeavesEveryOperand) {
  constexpr int kLanes = 8, kCycles = 2000;
  VerilatedContext context;
  Vternary_adder dut(&context);
  std::array<uint32_t, kLanes> sums{};
  uint64_t random = 1;
  dut.eval();
  for (int i = 0; i < kCycles; ++i, random = xorshift(random)) {
    const bool clear = i % 512 == 0;
    dut.clear_i = clear ? 1 : 0;
    dut.operand_i = static_cast<uint8_t>(random);
    unsigned weights = 0;
    for (int lane = 0; lane < kLanes; ++lane) {
      const auto code = static_cast<unsigned>((random >> 8 >> 5 * lane) % 3);
      weights |= code << 2 * lane;
      const auto weight = static_cast<uint32_t>(code) - 1;
      sums[lane] = clear ? 0 : sums[lane] + weight * static_cast<uint32_t>(byte_of(random, 0));
    }
    dut.weight_i = static_cast<uint16_t>(weights);
    dut.clk_i = 1;
    dut.eval();
    dut.clk_i = 0;
    dut.eval();
    for (int lane = 0; lane < kLanes; ++lane)
      ASSERT_EQ(dut.sum_o[lane], sums[lane]) << "cycle " << i << ", lane " << lane;
  }
}

}  // namespace
}  // namespace pimllm::tb

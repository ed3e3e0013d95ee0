// Serial receiver and transmitter: every byte, lines that are faster or slower, glitches, missing stop bits.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "Vboard_uart_rx.h"
#include "Vboard_uart_tx.h"
#include "tb/common/coverage.hpp"
#include "tb/common/seed.hpp"

namespace pimllm::tb {
namespace {

constexpr int kClkPerBit = 25;

template <typename Model>
void cycle(Model& dut) {
  dut.clk_i = 1;
  dut.eval();
  dut.clk_i = 0;
  dut.eval();
}

class Receiver {
 public:
  Receiver() : dut_(&context_) {
    dut_.rx_i = 1;
    dut_.rst_ni = 0;
    for (int i = 0; i < 3; ++i) cycle(dut_);
    dut_.rst_ni = 1;
  }
  ~Receiver() { collect_coverage(context_); }

  // Holds the line for so many cycles; a fraction goes over to the next.
  void hold(bool level, double cycles) {
    dut_.rx_i = level ? 1 : 0;
    time_ += cycles;
    for (; at_ + 0.5 < time_; ++at_) {
      cycle(dut_);
      if (dut_.valid_o != 0) bytes.push_back(dut_.data_o);
      if (dut_.error_o != 0) ++errors;
    }
  }
  void byte(uint8_t value, double bit, bool stop = true) {
    hold(false, bit);
    for (int i = 0; i < 8; ++i) hold((value >> i & 1) != 0, bit);
    hold(stop, bit);
  }

  std::vector<uint8_t> bytes;
  int errors = 0;

 private:
  VerilatedContext context_;
  Vboard_uart_rx dut_;
  double time_ = 0, at_ = 0;
};

TEST(UartRx, TakesLinesTwoPercentOff) {
  for (const double off : {-0.02, -0.01, 0.0, 0.01, 0.02}) {
    Receiver receiver;
    std::mt19937_64 rng = make_rng(1);
    std::vector<uint8_t> sent;
    for (int i = 0; i < 512; ++i) {
      sent.push_back(static_cast<uint8_t>(i < 256 ? i : rng()));
      receiver.byte(sent.back(), kClkPerBit * (1 + off));  // without a pause
    }
    receiver.hold(true, 2 * kClkPerBit);
    EXPECT_EQ(receiver.bytes, sent) << off;
    EXPECT_EQ(receiver.errors, 0);
  }
}

TEST(UartRx, MissesBytesOfALineTenPercentOff) {
  Receiver receiver;
  std::vector<uint8_t> sent;
  for (int i = 0; i < 256; ++i) {
    sent.push_back(static_cast<uint8_t>(i));
    receiver.byte(sent.back(), kClkPerBit * 1.1);
  }
  receiver.hold(true, 20 * kClkPerBit);
  EXPECT_NE(receiver.bytes, sent);
}

TEST(UartRx, AShortGlitchIsNoByte) {
  Receiver receiver;
  for (int cycles = 1; cycles <= kClkPerBit / 2 - 2; ++cycles) {
    receiver.hold(false, cycles);
    receiver.hold(true, 12 * kClkPerBit);
  }
  EXPECT_TRUE(receiver.bytes.empty());
  EXPECT_EQ(receiver.errors, 0);
}

TEST(UartRx, AMissingStopBitIsOneErrorAndTheNextByteIsRead) {
  Receiver receiver;
  for (const int low : {1, 2, 30}) {
    receiver.bytes.clear();
    receiver.errors = 0;
    receiver.byte(0x3C, kClkPerBit, false);
    receiver.hold(false, (low - 1) * kClkPerBit);
    receiver.hold(true, kClkPerBit);
    receiver.byte(0xA5, kClkPerBit);
    receiver.hold(true, 2 * kClkPerBit);
    EXPECT_EQ(receiver.errors, 1);
    EXPECT_EQ(receiver.bytes, std::vector<uint8_t>{0xA5});
  }
}

TEST(UartTx, EveryByteBitByBit) {
  VerilatedContext context;
  Vboard_uart_tx dut(&context);
  dut.valid_i = 0;
  dut.rst_ni = 0;
  for (int i = 0; i < 3; ++i) cycle(dut);
  dut.rst_ni = 1;
  for (int value = 0; value < 256; ++value) {
    dut.data_i = static_cast<uint8_t>(value);
    dut.valid_i = 1;
    dut.eval();
    ASSERT_EQ(dut.ready_o, 1);
    cycle(dut);
    dut.valid_i = 0;
    dut.data_i = static_cast<uint8_t>(~value);  // taken, so it may change
    int wait = 0;
    while (dut.tx_o != 0 && wait < 3) {
      cycle(dut);
      ++wait;
    }
    ASSERT_LT(wait, 3);
    const unsigned bits = static_cast<unsigned>(value) << 1 | 1U << 9;
    for (int i = 0; i < 10 * kClkPerBit; ++i) {
      ASSERT_EQ(dut.tx_o, bits >> (i / kClkPerBit) & 1) << value << " cycle " << i;
      // Busy up to the end of the stop bit.
      if (i < 10 * kClkPerBit - 1) {
        ASSERT_EQ(dut.ready_o, 0);
      }
      cycle(dut);
    }
    ASSERT_EQ(dut.tx_o, 1);
  }
  collect_coverage(context);
}

}  // namespace
}  // namespace pimllm::tb

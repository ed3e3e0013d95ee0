// The host registers by themselves: every bit that the machine shows, and every bit that the host sets.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "Vhost_regs_unit.h"
#include "models/isa/pimllm_regs.h"
#include "tb/common/axi_lite.hpp"
#include "tb/common/coverage.hpp"
#include "tb/common/part.hpp"
#include "tb/common/seed.hpp"
#include "tb/common/signal.hpp"

namespace pimllm::tb {
namespace {

#define REG(name) static_cast<uint32_t>(offsetof(pimllm_regs_t, name))

constexpr uint64_t kMask48 = (uint64_t{1} << 48) - 1;
constexpr size_t kCounters = 25;

class HostRegs : public testing::Test {
 protected:
  HostRegs() : dut(&context), host(dut, [this] { step(); }), rng(make_rng(1)) {
    host.rng = &rng;
    dut.clk_i = 0;
    dut.position_we_i = dut.tokens_left_we_i = 0;
    dut.done_event_i = dut.error_event_i = dut.token_event_i = 0;
    dut.rst_ni = 0;
    step();
    dut.rst_ni = 1;
    step();
  }
  ~HostRegs() override {
    dut.final();
    collect_coverage(context);
  }

  void step() {
    dut.eval();
    pulses |= pulse_bits();
    dut.clk_i = 1;
    dut.eval();
    dut.clk_i = 0;
    dut.eval();
  }

  uint32_t pulse_bits() const {
    return static_cast<uint32_t>(dut.start_o | dut.stop_o << 1 | dut.soft_reset_o << 2 |
                                 dut.clear_counters_o << 3);
  }

  uint32_t random_word() { return static_cast<uint32_t>(rng()); }

  VerilatedContext context;
  Vhost_regs_unit dut;
  AxiLiteMaster<Vhost_regs_unit> host;
  std::mt19937_64 rng;
  uint32_t pulses = 0;  // of CONTROL, since somebody cleared it
};

TEST_F(HostRegs, ShowWhatTheMachineSays) {
  for (int round = 0; round < 60; ++round) {
    dut.busy_i = rng() & 1;
    dut.done_i = rng() & 1;
    dut.error_i = rng() & 1;
    dut.error_code_i = rng() & 15;
    dut.error_unit_i = rng() & 7;
    dut.error_pc_i = random_word();
    dut.token_out_i = random_word();
    dut.token_count_i = random_word();
    dut.clip_count_i = random_word();
    for (auto& counter : dut.counters_i) counter = rng() & kMask48;
    step();
    EXPECT_EQ(host.read(REG(STATUS)), dut.busy_i | dut.done_i << 1 | dut.error_i << 2);
    EXPECT_EQ(host.read(REG(ERROR_CAUSE)), dut.error_code_i | static_cast<uint32_t>(dut.error_unit_i) << 8);
    EXPECT_EQ(host.read(REG(ERROR_PC)), dut.error_pc_i);
    EXPECT_EQ(host.read(REG(TOKEN_OUT)), dut.token_out_i);
    EXPECT_EQ(host.read(REG(TOKEN_COUNT)), dut.token_count_i);
    EXPECT_EQ(host.read(REG(CLIP_COUNT)), dut.clip_count_i);
    for (uint32_t i = 0; i < kCounters; ++i) {
      const uint64_t value =
          host.read(REG(CYCLES_LO) + 8 * i) | static_cast<uint64_t>(host.read(REG(CYCLES_HI) + 8 * i)) << 32;
      EXPECT_EQ(value, dut.counters_i[i]) << "counter " << i;
    }
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
}

TEST_F(HostRegs, TellTheParameters) {
  const std::vector<uint32_t> parameters = {4, 4, 2,   8,   16,  16,  2,   16, 8, 5,
                                            4, 2, 512, 512, 256, 128, 256, 4,  8};
  for (uint32_t i = 0; i < parameters.size(); ++i)
    EXPECT_EQ(host.read(REG(ARRAY_ROWS) + 4 * i), parameters[i]) << "parameter " << i;
  EXPECT_EQ(host.read(REG(ID)), 0x4C4D4950U);
  EXPECT_EQ(host.read(REG(VERSION)), 0x00010000U);
}

// Every address is a register that keeps some bits, one that keeps none, or an error.
TEST_F(HostRegs, KeepWhatTheHostWrites) {
  constexpr uint32_t kWord = 0xFFFFFFFF, kHalf = 0xFFFF;
  const std::map<uint32_t, uint32_t> kept = {{REG(PROGRAM_BASE_LO), kWord}, {REG(PROGRAM_BASE_HI), kHalf},
                                             {REG(TOKEN_IN), kWord},        {REG(POSITION), kWord},
                                             {REG(TOKENS_LEFT), kWord},     {REG(IRQ_ENABLE), 7},
                                             {REG(WATCHDOG_LIMIT), kWord},  {REG(ARG0), kWord},
                                             {REG(ARG0_HI), kHalf},         {REG(ARG1), kWord},
                                             {REG(ARG1_HI), kHalf},         {REG(ARG2), kWord},
                                             {REG(ARG2_HI), kHalf},         {REG(ARG3), kWord},
                                             {REG(ARG3_HI), kHalf},         {REG(ROWS_PER_CONV), kHalf},
                                             {REG(LSB_SHIFT), 7},           {REG(ADC_BITS), 15}};
  std::map<uint32_t, uint32_t> expected = {
      {REG(WATCHDOG_LIMIT), 0x01000000}, {REG(ROWS_PER_CONV), 16}, {REG(ADC_BITS), 5}};
  for (const auto& [addr, mask] : kept) EXPECT_EQ(host.read(addr), expected[addr]) << "after reset " << addr;
  for (int round = 0; round < 400; ++round) {
    for (int i = 0; i < 3; ++i) {
      auto it = kept.begin();
      std::advance(it, rng() % kept.size());
      const auto [addr, mask] = *it;
      const uint32_t value = random_word();
      const auto strobe = static_cast<uint8_t>(rng() & 15);
      uint32_t bits = 0;
      for (int byte = 0; byte < 4; ++byte)
        if ((strobe >> byte & 1) != 0) bits |= 0xFFU << 8 * byte;
      ASSERT_EQ(host.write_access(addr, value, strobe).resp, 0);
      expected[addr] = ((expected[addr] & ~bits) | (value & bits)) & mask;
    }
    // What programs write (CSRW).
    dut.csr_data_i = random_word();
    dut.position_we_i = rng() % 4 == 0;
    dut.tokens_left_we_i = rng() % 4 == 0;
    if (dut.position_we_i != 0) expected[REG(POSITION)] = dut.csr_data_i;
    if (dut.tokens_left_we_i != 0) expected[REG(TOKENS_LEFT)] = dut.csr_data_i;
    step();
    dut.position_we_i = dut.tokens_left_we_i = 0;
    const auto wide = [&](uint32_t lo, uint32_t hi) {
      return expected[lo] | static_cast<uint64_t>(expected[hi]) << 32;
    };
    ASSERT_EQ(dut.program_base_o, wide(REG(PROGRAM_BASE_LO), REG(PROGRAM_BASE_HI)));
    ASSERT_EQ(dut.watchdog_limit_o, expected[REG(WATCHDOG_LIMIT)]);
    ASSERT_EQ(dut.token_in_o, expected[REG(TOKEN_IN)]);
    ASSERT_EQ(dut.position_o, expected[REG(POSITION)]);
    ASSERT_EQ(dut.tokens_left_o, expected[REG(TOKENS_LEFT)]);
    for (uint32_t i = 0; i < 4; ++i) {
      const auto bytes = Signal(dut.args_o).bytes().subspan(6 * i, 6);
      uint64_t value = 0;
      for (size_t byte = 0; byte < 6; ++byte) value |= static_cast<uint64_t>(bytes[byte]) << 8 * byte;
      ASSERT_EQ(value, wide(REG(ARG0) + 8 * i, REG(ARG0_HI) + 8 * i)) << "argument " << i;
    }
    ASSERT_EQ(dut.rows_per_conv_o, expected[REG(ROWS_PER_CONV)]);
    ASSERT_EQ(dut.lsb_shift_o, expected[REG(LSB_SHIFT)]);
    ASSERT_EQ(dut.adc_bits_o, expected[REG(ADC_BITS)]);
    auto it = kept.begin();
    std::advance(it, rng() % kept.size());
    ASSERT_EQ(host.read(it->first), expected[it->first]);
  }
}

TEST_F(HostRegs, NothingElseIsThere) {
  for (int round = 0; round < 400; ++round) {
    const auto addr = static_cast<uint32_t>(rng() & 0x3FC);
    const bool gap = addr > REG(CLIP_COUNT) && addr < REG(ARRAY_ROWS);
    const bool after = addr > REG(IBUF_LINES) && addr < REG(CYCLES_LO);
    const bool none = gap || after || addr > REG(CYCLES_LO) + 8 * (kCounters - 1) + 4;
    ASSERT_EQ(host.read_access(addr).resp, none ? 2 : 0) << addr;
    if (none) {
      EXPECT_EQ(host.read_access(addr).data, 0U) << addr;
      ASSERT_EQ(host.write_access(addr, random_word()).resp, 2) << addr;
    }
  }
}

TEST_F(HostRegs, CommandsAreSinglePulses) {
  for (int round = 0; round < 100; ++round) {
    const uint32_t value = random_word();
    pulses = 0;
    host.write(REG(CONTROL), value);
    step();
    EXPECT_EQ(pulses, value & 15);
    EXPECT_EQ(pulse_bits(), 0U);
    EXPECT_EQ(host.read(REG(CONTROL)), 0U);
    pulses = 0;
    host.write_access(REG(CONTROL), value, 0xE);
    step();
    EXPECT_EQ(pulses, 0U);
  }
}

// A write that leaves the byte alone keeps the bits for its cycle.
TEST_F(HostRegs, WriteBehindACommand) {
  for (const uint32_t value : {1U, 2U, 4U, 8U}) {
    dut.s_axil_awaddr_i = REG(CONTROL);
    dut.s_axil_wdata_i = value;
    dut.s_axil_bready_i = 1;
    int cycles = 0;
    for (int cycle = 0; cycle < 10; ++cycle) {
      dut.s_axil_awvalid_i = dut.s_axil_wvalid_i = cycle < 2;
      dut.s_axil_wstrb_i = cycle == 0 ? 0xF : 0xE;
      step();
      EXPECT_TRUE(pulse_bits() == 0 || pulse_bits() == value);
      cycles += pulse_bits() != 0;
    }
    EXPECT_EQ(cycles, 2) << "command " << value;
  }
}

// Reads as fast as they are taken, answers as slow as it may be: none is lost, and they stay in order.
TEST_F(HostRegs, ReadsInARow) {
  std::deque<uint32_t> asked;
  // Of an address, the bits below a word do not count.
  const auto pick = [&] {
    return static_cast<uint32_t>(REG(CYCLES_LO) + 8 * (rng() % kCounters) + rng() % 4);
  };
  for (uint32_t i = 0; i < kCounters; ++i) dut.counters_i[i] = 100 + i;
  uint32_t next = pick();
  int answers = 0;
  double ready = 0.5;
  for (int cycle = 0; cycle < 3000; ++cycle) {
    if (cycle % 100 == 0) ready = std::array{0.05, 0.5, 1.0}[rng() % 3];
    if (dut.s_axil_arvalid_i == 0) dut.s_axil_arvalid_i = chance(rng, 0.8);
    dut.s_axil_araddr_i = next;
    dut.s_axil_rready_i = chance(rng, ready);
    dut.eval();
    if (dut.s_axil_rvalid_o != 0 && dut.s_axil_rready_i != 0) {
      ASSERT_FALSE(asked.empty()) << cycle;
      ASSERT_EQ(dut.s_axil_rdata_o, 100 + (asked.front() - REG(CYCLES_LO)) / 8) << cycle;
      asked.pop_front();
      ++answers;
    }
    const bool taken = dut.s_axil_arvalid_i != 0 && dut.s_axil_arready_o != 0;
    step();
    if (taken) {
      asked.push_back(next);
      next = pick();
      dut.s_axil_arvalid_i = 0;
    }
  }
  EXPECT_GT(answers, 500);
}

TEST_F(HostRegs, InterruptsStayUntilTheyAreCleared) {
  uint32_t state = 0;
  for (int round = 0; round < 300; ++round) {
    const auto events = static_cast<uint32_t>(rng() & rng() & 7), clear = static_cast<uint32_t>(rng() & 7),
               enable = static_cast<uint32_t>(rng() & 7);
    dut.done_event_i = events & 1;
    dut.error_event_i = events >> 1 & 1;
    dut.token_event_i = events >> 2 & 1;
    step();
    dut.done_event_i = dut.error_event_i = dut.token_event_i = 0;
    state |= events;
    host.write(REG(IRQ_ENABLE), enable);
    EXPECT_EQ(dut.irq_o, (state & enable) != 0);
    EXPECT_EQ(host.read(REG(IRQ_STATE)), state);
    host.write(REG(IRQ_STATE), clear);
    state &= ~clear;
    EXPECT_EQ(host.read(REG(IRQ_STATE)), state);
    EXPECT_EQ(dut.irq_o, (state & enable) != 0);
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
}

}  // namespace
}  // namespace pimllm::tb

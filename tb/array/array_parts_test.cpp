// The leaves of the array: both forms of the multiply-accumulate, and the bank address generator.
#include <gtest/gtest.h>

#include <cstdint>
#include <random>

#include "Varray_addr_gen.h"
#include "Varray_mac.h"
#include "Varray_mac_gates.h"
#include "tb/common/coverage.hpp"
#include "tb/common/seed.hpp"

namespace pimllm::tb {
namespace {

template <typename Model>
void clock(Model& dut) {
  dut.clk_i = 0;
  dut.eval();
  dut.clk_i = 1;
  dut.eval();
}

template <typename Model>
class MacTest : public testing::Test {};
using MacForms = testing::Types<Varray_mac, Varray_mac_gates>;
TYPED_TEST_SUITE(MacTest, MacForms);

// Every pair of operands, signed and unsigned A, is added to a sum that wraps.
TYPED_TEST(MacTest, AllProducts) {
  VerilatedContext context;
  TypeParam dut(&context);
  dut.clr_i = 1;
  dut.active_i = 0;
  clock(dut);
  ASSERT_EQ(dut.acc_o, 0u);
  dut.clr_i = 0;
  dut.active_i = 1;
  uint32_t sum = 0;
  for (int a = -256; a < 256; ++a) {
    for (int b = -128; b < 128; ++b) {
      dut.a_i = static_cast<uint16_t>(a & 0x1FF);
      dut.b_i = static_cast<uint8_t>(b);
      clock(dut);
      sum += static_cast<uint32_t>(a * b);
      ASSERT_EQ(dut.acc_o, sum) << a << " * " << b;
    }
  }
  dut.clr_i = 1;
  dut.active_i = 0;
  clock(dut);
  EXPECT_EQ(dut.acc_o, 0u);
  collect_coverage(context);
}

TEST(BankAddrGen, BaseAndStrides) {
  VerilatedContext context;
  Varray_addr_gen dut(&context);
  auto rng = make_rng(1);
  for (int run = 0; run < 200; ++run) {
    const int stride = std::uniform_int_distribution<int>(-20, 20)(rng);
    uint16_t expected = static_cast<uint16_t>(rng());
    dut.base_i = expected;
    dut.stride_i = static_cast<uint16_t>(stride);
    for (int step = 0; step < 30; ++step) {
      dut.load_i = step == 0;
      dut.use_i = step == 0 || rng() % 3 != 0;
      dut.clk_i = 0;
      dut.eval();
      ASSERT_EQ(dut.addr_o, expected) << "step " << step << " stride " << stride;
      if (dut.use_i) expected = static_cast<uint16_t>(expected + stride);
      dut.clk_i = 1;
      dut.eval();
      dut.base_i = static_cast<uint16_t>(rng());
    }
  }
  collect_coverage(context);
}

}  // namespace
}  // namespace pimllm::tb

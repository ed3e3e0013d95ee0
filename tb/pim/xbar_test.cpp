// xbar_array and xbar_digital side by side: the same codes, clips and timing at every conversion.
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "Vxbar_array.h"
#include "Vxbar_digital.h"
#include "tb/common/seed.hpp"
#include "tb/common/signal.hpp"

namespace pimllm {
namespace {

constexpr int kRows = 64, kSlots = 4, kAdcs = 16, kGroups = 4, kAdcBits = 8;
constexpr int kLatency = 2;

// Drives the same ports of both.
class Twins {
 public:
  Twins() {
    each([](auto& dut) {
      dut.rst_ni = 0;
      dut.conv_valid_i = 0;
      dut.prog_valid_i = 0;
      dut.lsb_shift_i = 0;
      dut.adc_bits_i = kAdcBits;
    });
    step();
    step();
    each([](auto& dut) { dut.rst_ni = 1; });
  }
  ~Twins() {
    each([](auto& dut) { dut.final(); });
  }
  Twins(const Twins&) = delete;
  Twins& operator=(const Twins&) = delete;

  template <typename F>
  void each(F&& f) {
    f(*array_);
    f(*digital_);
  }

  void step() {
    each([](auto& dut) {
      dut.clk_i = 0;
      dut.eval();
      dut.clk_i = 1;
      dut.eval();
      dut.clk_i = 0;
      dut.eval();
    });
  }

  std::unique_ptr<VerilatedContext> context_ = std::make_unique<VerilatedContext>();
  std::unique_ptr<Vxbar_array> array_ = std::make_unique<Vxbar_array>(context_.get());
  std::unique_ptr<Vxbar_digital> digital_ = std::make_unique<Vxbar_digital>(context_.get());
};

TEST(Xbar, ArrayEqualsDigitalAndTheDefinition) {
  auto rng = tb::make_rng(20);
  Twins twins;
  std::vector<int8_t> cells(static_cast<size_t>(kSlots * kGroups * kRows * kAdcs));
  const auto cell = [&](int slot, int group, int row, int adc) -> int8_t& {
    return cells[static_cast<size_t>(((slot * kGroups + group) * kRows + row) * kAdcs + adc)];
  };
  for (int slot = 0; slot < kSlots; ++slot) {
    for (int group = 0; group < kGroups; ++group) {
      for (int row = 0; row < kRows; ++row) {
        uint32_t codes = 0;
        for (int adc = 0; adc < kAdcs; ++adc) {
          // Slot 0 all +1, slot 1 all -1.
          const int weight = slot == 0 ? 1 : slot == 1 ? -1 : static_cast<int>(rng() % 3) - 1;
          cell(slot, group, row, adc) = static_cast<int8_t>(weight);
          codes |= static_cast<uint32_t>(weight + 1) << (2 * adc);
        }
        twins.each([&](auto& dut) {
          dut.prog_valid_i = 1;
          dut.prog_slot_i = static_cast<uint8_t>(slot);
          dut.prog_group_i = static_cast<uint8_t>(group);
          dut.prog_row_i = static_cast<uint8_t>(row);
          dut.prog_codes_i = codes;
        });
        twins.step();
      }
    }
  }
  twins.each([](auto& dut) { dut.prog_valid_i = 0; });

  struct Expected {
    bool valid = false;
    std::vector<int> codes;
    int clips = 0;
  };
  std::vector<Expected> pipe(kLatency);
  uint64_t clipped = 0;
  for (int setting = 0; setting < 40; ++setting) {
    const int lsb = static_cast<int>(rng() % 8);
    const int bits = 1 + static_cast<int>(rng() % kAdcBits);
    twins.each([&](auto& dut) {
      dut.lsb_shift_i = static_cast<uint8_t>(lsb);
      dut.adc_bits_i = static_cast<uint8_t>(bits);
    });
    for (int i = 0; i < 100 + kLatency; ++i) {
      Expected next;
      next.valid = i < 100 && rng() % 4 != 0;
      const auto slot = static_cast<int>(rng() % kSlots);
      const auto group = static_cast<int>(rng() % kGroups);
      uint64_t drive = rng();
      if (rng() % 4 == 0) drive = rng() % 2 == 0 ? ~uint64_t{0} : drive & rng() & rng();
      if (next.valid) {
        for (int adc = 0; adc < kAdcs; ++adc) {
          int analog = 0;
          for (int row = 0; row < kRows; ++row) analog += static_cast<int>(drive >> row & 1) * cell(slot, group, row, adc);
          const int rounded = lsb == 0 ? analog : (analog + (1 << (lsb - 1))) >> lsb;
          const int most = (1 << (bits - 1)) - 1;
          const int code = std::min(std::max(rounded, -most - 1), most);
          next.clips += code != rounded ? 1 : 0;
          next.codes.push_back(code);
        }
      }
      twins.each([&](auto& dut) {
        dut.conv_valid_i = next.valid ? 1 : 0;
        dut.conv_slot_i = static_cast<uint8_t>(slot);
        dut.conv_group_i = static_cast<uint8_t>(group);
        tb::Signal(dut.conv_drive_i).set(drive);
      });
      pipe.push_back(next);
      twins.step();
      const Expected& now = pipe[pipe.size() - kLatency];
      twins.each([&](auto& dut) {
        ASSERT_EQ(dut.valid_o, now.valid ? 1 : 0);
        if (!now.valid) return;
        ASSERT_EQ(dut.clips_o, now.clips);
        for (int adc = 0; adc < kAdcs; ++adc) {
          ASSERT_EQ(static_cast<int8_t>(tb::Signal(dut.codes_o).bytes()[static_cast<size_t>(adc)]),
                    now.codes[static_cast<size_t>(adc)]);
        }
      });
      if (HasFatalFailure()) return;
      clipped += static_cast<uint64_t>(now.clips);
    }
  }
  EXPECT_GT(clipped, 1000U);
}

}  // namespace
}  // namespace pimllm

// xbar_array and xbar_digital side by side: the same codes, clips and timing at every conversion.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "Vxbar_array.h"
#include "Vxbar_digital.h"
#include "rtl/pim/xbar_array_dpi.hpp"
#include "tb/common/coverage.hpp"
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
    tb::collect_coverage(*context_);
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
          for (int row = 0; row < kRows; ++row)
            analog += static_cast<int>(drive >> row & 1) * cell(slot, group, row, adc);
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

// --- non-idealities, from docs/pim.md
// ----------------------------------------------------------------------------------
uint64_t mix(uint64_t z) {
  z ^= z >> 30;
  z *= 0xBF58476D1CE4E5B9U;
  z ^= z >> 27;
  z *= 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

uint64_t draw(uint64_t seed, uint64_t kind, uint64_t a, uint64_t b, uint64_t c) {
  const uint64_t gold = 0x9E3779B97F4A7C15U;
  return mix(mix(mix(mix(mix(seed) + gold * (kind + 1)) + gold * (a + 1)) + gold * (b + 1)) + gold * (c + 1));
}

int64_t normal(uint64_t h, int64_t sigma) {
  const int64_t sum =
      static_cast<int64_t>((h & 0xffff) + (h >> 16 & 0xffff) + (h >> 32 & 0xffff) + (h >> 48));
  return ((sum - 131070) * sigma * 113512 + (int64_t{1} << 31)) >> 32;
}

TEST(Xbar, NonIdealities) {
  const std::string wear_file = "pimllm_xbar_wear_" + std::to_string(tb::seed()) + ".csv";
  std::remove(wear_file.c_str());
  std::vector<XbarNoise> kinds(6);
  kinds[0].spread = 400;
  kinds[1].stuck_hrs = 3000;
  kinds[1].stuck_lrs = 5000;
  kinds[2].read_noise = 300;
  kinds[3].adc_offset = 500;
  kinds[4] = {1, 300, 1000, 1000, 100, 100, wear_file};
  for (size_t k = 0; k < kinds.size(); ++k) {
    XbarNoise noise = kinds[k];
    noise.seed = tb::seed() + k;
    set_xbar_noise(noise);
    auto rng = tb::make_rng(30 + k);
    auto context = std::make_unique<VerilatedContext>();
    auto dut = std::make_unique<Vxbar_array>(context.get());
    const auto step = [&] {
      for (const int clk : {0, 1}) {
        dut->clk_i = static_cast<uint8_t>(clk);
        dut->eval();
      }
    };
    dut->rst_ni = 0;
    dut->conv_valid_i = 0;
    dut->prog_valid_i = 0;
    dut->adc_bits_i = kAdcBits;
    dut->lsb_shift_i = 0;
    step();
    set_xbar_noise({});
    step();
    dut->rst_ni = 1;
    const int slot = 1, set = 0, sets = 2, crossbar = slot * sets + set;
    std::vector<int> weights(static_cast<size_t>(kRows * kAdcs * kGroups));  // left at 0 in row 0
    const auto weight = [&](int group, int row, int adc) -> int& {
      return weights[static_cast<size_t>((group * kRows + row) * kAdcs + adc)];
    };
    for (int group = 0; group < kGroups; ++group) {
      for (int row = 1; row < kRows; ++row) {
        uint32_t codes = 0;
        for (int adc = 0; adc < kAdcs; ++adc) {
          weight(group, row, adc) = static_cast<int>(rng() % 3) - 1;
          codes |= static_cast<uint32_t>(weight(group, row, adc) + 1) << (2 * adc);
        }
        dut->prog_valid_i = 1;
        dut->prog_slot_i = slot;
        dut->prog_group_i = static_cast<uint8_t>(group);
        dut->prog_row_i = static_cast<uint8_t>(row);
        dut->prog_codes_i = codes;
        step();
      }
    }
    dut->prog_valid_i = 0;
    int differ = 0;
    for (int trial = 0; trial < 200; ++trial) {
      const int group = static_cast<int>(rng() % kGroups), lsb = static_cast<int>(rng() % 3);
      const uint64_t drive = rng() & (trial % 2 == 0 ? rng() : ~uint64_t{0});
      const auto pos = static_cast<uint64_t>(rng() & 0xffff),
                 key = static_cast<uint64_t>(rng() % (8 * kRows));
      dut->lsb_shift_i = static_cast<uint8_t>(lsb);
      dut->conv_valid_i = 1;
      dut->conv_slot_i = slot;
      dut->conv_group_i = static_cast<uint8_t>(group);
      tb::Signal(dut->conv_drive_i).set(drive);
      tb::Signal(dut->conv_pos_i).set(pos);
      tb::Signal(dut->conv_step_i).set(key);
      step();
      dut->conv_valid_i = 0;
      step();
      ASSERT_EQ(dut->valid_o, 1);
      int clips = 0;
      for (int adc = 0; adc < kAdcs; ++adc) {
        const auto column = static_cast<uint64_t>(group * kAdcs + adc);
        int64_t analog = 0, ideal = 0;
        for (int row = 0; row < kRows; ++row) {
          if ((drive >> row & 1) == 0) continue;
          ideal += weight(group, row, adc);
          for (const int device : {0, 1}) {
            const uint64_t which = 2 * column + static_cast<uint64_t>(device);
            bool on = weight(group, row, adc) == (device == 0 ? 1 : -1);
            const auto u =
                static_cast<int>(draw(noise.seed, 2, crossbar, static_cast<uint64_t>(row), which) & 0xffff);
            if (u < noise.stuck_hrs) on = false;
            if (u >= noise.stuck_hrs && u < noise.stuck_hrs + noise.stuck_lrs) on = true;
            if (!on) continue;
            const int64_t spread =
                normal(draw(noise.seed, 1, crossbar, static_cast<uint64_t>(row), which), noise.spread);
            const int64_t current = std::clamp<int64_t>(4096 + spread, 0, 8192);
            analog += device == 0 ? current : -current;
          }
        }
        analog += 16 * normal(draw(noise.seed, 3, crossbar, column, pos * 8 * kRows + key), noise.read_noise);
        analog += 16 * normal(draw(noise.seed, 4, set, static_cast<uint64_t>(adc), 0), noise.adc_offset);
        const int64_t rounded = (analog + (int64_t{1} << (11 + lsb))) >> (12 + lsb);
        const int64_t code = std::clamp<int64_t>(rounded, -128, 127);
        clips += code != rounded ? 1 : 0;
        ASSERT_EQ(static_cast<int8_t>(tb::Signal(dut->codes_o).bytes()[static_cast<size_t>(adc)]), code)
            << "kind " << k << " trial " << trial << " column " << column;
        const int64_t exact = lsb == 0 ? ideal : (ideal + (int64_t{1} << (lsb - 1))) >> lsb;
        differ += code != exact ? 1 : 0;
      }
      ASSERT_EQ(dut->clips_o, clips);
    }
    if (k + 1 < kinds.size()) {
      EXPECT_GT(differ, 100) << "kind " << k;
    } else {
      EXPECT_EQ(differ, 0);  // all off
    }
    dut->final();
    tb::collect_coverage(*context);
  }
  std::ifstream wear(wear_file);
  int lines = 0;
  for (std::string line; std::getline(wear, line); ++lines) {
    EXPECT_EQ(line, "2," + std::to_string(lines + 1) + ",1");
  }
  EXPECT_EQ(lines, kRows - 1);
  std::remove(wear_file.c_str());
}

}  // namespace
}  // namespace pimllm

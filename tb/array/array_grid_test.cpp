// The rows of the array by themselves: what each row gets, adds, passes on and shows (docs/array.md).
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <random>
#include <span>

#include "Varray_part_grid.h"
#include "Varray_part_row.h"
#include "tb/array/plan.hpp"
#include "tb/common/part.hpp"
#include "tb/common/seed.hpp"
#include "tb/common/signal.hpp"

namespace pimllm::tb {
namespace {

using Word = std::array<int8_t, kCols>;
using Sums = std::array<uint32_t, kCols>;

Word any_word(std::mt19937_64& rng) {
  Word word{};
  for (auto& byte : word) byte = static_cast<int8_t>(rng());
  return word;
}

// A signed or an unsigned byte.
int any_a(std::mt19937_64& rng) { return static_cast<int>(rng() % 384) - 128; }

void add(Sums& sums, int a, const Word& b) {
  for (size_t c = 0; c < kCols; ++c) sums[c] += static_cast<uint32_t>(a * b[c]);
}

template <typename Port>
auto part_of(Port& port, size_t index) {
  return Signal(port).bytes().subspan(index * kCols * sizeof(uint32_t), kCols * sizeof(uint32_t));
}

void expect_sums(std::span<const uint8_t> port, const Sums& expected) {
  Sums sums{};
  std::memcpy(sums.data(), port.data(), sizeof(sums));
  ASSERT_EQ(sums, expected);
}

// Every combination of the controls.
TEST(ArrayRow, AnyStep) {
  auto rng = make_rng(6);
  Part<Varray_part_row> part;
  auto& dut = part.dut;
  Sums sums{};
  Word below{};
  for (int cycle = 0; cycle < 10000; ++cycle) {
    SCOPED_TRACE(cycle);
    dut.rst_ni = 1;
    dut.clr_i = cycle == 0 || chance(rng, 0.1);
    dut.active_i = dut.clr_i == 0 && chance(rng, 0.6);
    dut.shift_i = chance(rng, 0.5);
    dut.drop_i = cycle == 0 || chance(rng, 0.2);
    dut.read_i = cycle > 0 && chance(rng, 0.5);
    const int a = dut.active_i != 0 ? any_a(rng) : 0;
    dut.a_i = static_cast<uint16_t>(a & 0x1FF);
    const Word b = any_word(rng);
    std::memcpy(Signal(dut.b_i).bytes().data(), b.data(), sizeof(b));
    dut.eval();
    expect_sums(part_of(dut.acc_o, 0), dut.read_i != 0 ? sums : Sums{});
    if (cycle > 0) {
      ASSERT_EQ(std::memcmp(Signal(dut.below_o).bytes().data(), below.data(), sizeof(below)), 0);
    }
    ASSERT_FALSE(testing::Test::HasFatalFailure());
    if (dut.clr_i != 0) sums = {};
    add(sums, a, b);
    if (dut.drop_i != 0) {
      below = {};
    } else if (dut.shift_i != 0) {
      below = b;
    }
    part.clock();
  }
}

// --- the grid
// ---------------------------------------------------------------------------------------------------

// What all stages in S0 are of: heads share a bank group, or have bank groups in turn (pair).
struct Kind {
  bool north = false, pair = false;
  uint64_t lg_heads = 0;

  bool operator==(const Kind&) const = default;
};

struct Step {
  Kind kind;
  std::array<uint64_t, kGroups> phase{};
  uint64_t north_bank = 0;
  std::array<bool, kRows> use{}, clear{};
};

class ArrayGrid : public testing::Test {
 protected:
  ArrayGrid() : rng(make_rng(7)) {}

  Kind any_kind() {
    Kind kind{.north = chance(rng, 0.5)};
    // North feed is one feed for all, whatever the heads.
    kind.lg_heads = rng() % (kind.north ? 4 : lg(kGroups) + 1);
    kind.pair = (kind.north || kind.lg_heads == 1) && chance(rng, 0.5);
    return kind;
  }

  static bool shared(const Kind& kind, uint64_t group) {
    return !kind.north && !kind.pair && group % (uint64_t{1} << kind.lg_heads) != 0;
  }

  // Stages between the first, which reads a bank, and the one whose row works.
  static uint64_t depth(const Kind& kind, uint64_t row) {
    if (kind.north) return row;
    return shared(kind, row / kGroupBanks) ? row / kGroupBanks % (uint64_t{1} << kind.lg_heads) : 0;
  }

  Step any_step() {
    Step step{.kind = kind};
    for (auto& phase : step.phase)
      phase = kind.north || kind.lg_heads == 0 ? rng() & 0xFF : rng() % (uint64_t{1} << kind.lg_heads);
    step.north_bank = rng() % kRows;
    for (uint64_t row = 0; row < kRows; ++row) {
      step.clear[row] = !cleared[row] || chance(rng, 0.05);
      step.use[row] = !step.clear[row] && depth(kind, row) <= steps && chance(rng, 0.7);
    }
    return step;
  }

  // Operand B of the rows in a step, given what they had in the one before.
  std::array<Word, kRows> operands(const Step& step, const std::array<Word, kRows>& banks) const {
    std::array<Word, kRows> b{};
    for (uint64_t row = 0; row < kRows; ++row) {
      const uint64_t group = row / kGroupBanks, lg_heads = step.kind.lg_heads;
      if (step.kind.north) {
        b[row] = row == 0 ? banks[step.north_bank] : had[row - 1];
      } else if (shared(step.kind, group)) {
        b[row] = had[row - kGroupBanks];
      } else {
        const uint64_t turn = step.phase[group] ^ (step.kind.pair && group % 2 == 1 ? 1 : 0);
        const uint64_t source = lg_heads == 0 ? group : (group + turn * kGroups) >> lg_heads;
        b[row] = banks[source * kGroupBanks + row % kGroupBanks];
      }
    }
    return b;
  }

  std::mt19937_64 rng;
  Kind kind;
  uint64_t steps = 0;  // of this kind so far
  std::array<bool, kRows> cleared{};
  std::array<Word, kRows> had{};
};

// S0 random, S1 as the contract has it, every sum of S2; a reset now and then.
TEST_F(ArrayGrid, AnySteps) {
  Part<Varray_part_grid> part;
  auto& dut = part.dut;
  part.reset();
  std::array<Sums, kRows> sums{}, shown{};
  std::optional<Step> working;  // in S1
  for (int cycle = 0; cycle < 30000; ++cycle) {
    SCOPED_TRACE(cycle);
    const bool reset = chance(rng, 0.01);
    dut.rst_ni = !reset;
    if (chance(rng, 0.05)) {
      if (const Kind next = any_kind(); next != kind) {
        kind = next;
        steps = 0;
      }
    }
    const Step step = any_step();
    dut.adv_i = chance(rng, 0.8);
    dut.step_i = chance(rng, 0.9);
    const bool moves = dut.adv_i != 0 && dut.step_i != 0;
    dut.north_i = kind.north;
    dut.pair_i = kind.pair;
    dut.lg_heads_i = static_cast<uint8_t>(kind.lg_heads);
    for (size_t g = 0; g < kGroups; ++g) put_bits(Signal(dut.phase_i), 8 * g, 8, step.phase[g]);
    dut.north_bank_i = static_cast<uint8_t>(step.north_bank);
    dut.use_i = dut.clear_i = 0;
    for (size_t row = 0; moves && row < kRows; ++row) {
      dut.use_i = static_cast<uint8_t>(dut.use_i | step.use[row] << row);
      dut.clear_i = static_cast<uint8_t>(dut.clear_i | step.clear[row] << row);
    }

    std::array<Word, kRows> banks{};
    std::array<int, kRows> a{};
    for (size_t row = 0; row < kRows; ++row) {
      banks[row] = any_word(rng);
      std::memcpy(Signal(dut.bank_i).bytes().data() + row * kCols, banks[row].data(), kCols);
      if (working && working->use[row]) a[row] = any_a(rng);
      put_bits(Signal(dut.a_i), 9 * row, 9, static_cast<uint64_t>(a[row]));
    }
    dut.read_i = std::ranges::all_of(cleared, std::identity()) && chance(rng, 0.7);
    dut.read_north_i = chance(rng, 0.5);
    dut.read_stage_i = static_cast<uint8_t>(chance(rng, 0.8) ? rng() % kRows : rng());
    dut.eval();
    for (size_t i = 0; i < kGroupBanks; ++i) expect_sums(part_of(dut.sums_o[i], 0), shown[i]);
    ASSERT_FALSE(HasFatalFailure());

    if (working) {
      had = operands(*working, banks);
      for (size_t row = 0; row < kRows; ++row) {
        if (working->clear[row]) {
          sums[row] = {};
          cleared[row] = true;
        }
        add(sums[row], a[row], had[row]);
      }
    }
    working.reset();
    shown = {};
    if (reset) {
      steps = 0;
    } else {
      if (moves) {
        working = step;
        ++steps;
      }
      for (uint64_t row = 0; row < kRows; ++row) {
        const uint64_t stage = dut.read_north_i != 0 ? row : row / kGroupBanks;
        if (dut.read_i != 0 && dut.read_stage_i == stage) shown[row % kGroupBanks] = sums[row];
      }
    }
    part.clock();
  }
}

}  // namespace
}  // namespace pimllm::tb

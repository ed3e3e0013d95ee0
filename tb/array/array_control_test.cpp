// What the array makes of an instruction, in numbers and in steps, for operands of any size (docs/isa.md,
// ARR).
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "Varray_part_decode.h"
#include "Varray_part_loader.h"
#include "Varray_part_seq.h"
#include "tb/array/plan.hpp"
#include "tb/common/part.hpp"
#include "tb/common/seed.hpp"
#include "tb/common/signal.hpp"

namespace pimllm::tb {
namespace {

using isa::ErrorCode;
using isa::Opcode;

TEST(ArrayDecode, AnyCommand) {
  VerilatedContext context;
  Varray_part_decode dut(&context);
  auto rng = make_rng(1);
  for (int i = 0; i < 40000; ++i) {
    UnitCmd c = random_command(rng, 16);
    // One thing wrong, or more.
    switch (rng() % 16) {
      case 0:
        c.opcode = static_cast<Opcode>(rng() % 64);
        break;
      case 1:
        c.a1 |= uint64_t{1} << rng() % 48;
        break;
      case 2:
        c.s2 ^= uint64_t{1} << rng() % 48;
        break;
      case 3:
        c.s0 = static_cast<uint16_t>(c.s0 | 1U << rng() % 16);
        break;
      case 4:
        c.s0 = static_cast<uint16_t>(1U << rng() % 16);
        break;
      case 5:
        c.mode = static_cast<uint8_t>(rng() & 0x7F);
        break;
      case 6:
        c.a2 |= 1;
        break;
      case 7:
        c = any_command(rng, c.opcode);
        break;
      case 8:
        c.s0 = 0;
        break;
      default:
        break;
    }
    Signal(dut.cmd_i).set_bytes(pack(c));
    dut.eval();
    SCOPED_TRACE(i);
    const ErrorCode error = error_of(c);
    ASSERT_EQ(dut.error_o, static_cast<uint32_t>(error));
    ASSERT_EQ(dut.empty_o, c.opcode != Opcode::kPv && c.count == 0);
    if (error != ErrorCode::kNone) continue;
    const Plan plan = plan_of(c);
    size_t lsb = 0;
    for (const auto& field : kFields) {
      ASSERT_EQ(bits_of(Signal(dut.cmd_o), lsb, field.width), plan.*field.member) << field.name;
      lsb += field.width;
    }
  }
  dut.final();
  collect_coverage(context);
}

// --- the steps of an instruction
// ------------------------------------------------------------------------------

// Where the sequencer is in the loops plane > sweep > segment > step.
struct Place {
  bool clear = true;
  uint64_t plane = 0, sweep = 0, segment = 0, step = 0;
};

struct Expected {
  bool first, clear, sweep_end, end, bad_address, high, slot, block_end, load, open;
  bool bubble;  // no step in the next cycle: a pair's second head is still in the fold before
  uint64_t offset, limit, phase, bank, base, open_base, pair_base, pair_open_base;
  bool next_slot;
};

Expected at(const Plan& p, const Place& n, bool slot) {
  Expected e{};
  const bool pv = p.pv != 0, north = p.north != 0;
  const bool step_last = n.step + 1 == p.steps, segment_last = n.segment + 1 == p.segments;
  const bool plane_end = n.sweep + 1 == p.sweeps, sweep_last = plane_end && n.plane == p.plane_last;
  const bool ends = segment_last && (pv || sweep_last);
  e.clear = n.clear;
  e.first = n.clear && n.sweep == 0 && n.plane == 0;
  e.sweep_end = !n.clear && step_last && segment_last;
  e.end = e.sweep_end && sweep_last;
  e.high = pv && n.plane == p.plane_last;
  // A turn is a tile for each bank group (north), or a tile for each head.
  const uint64_t tile = pv ? n.segment : n.sweep, turn = north ? kGroups : uint64_t{1} << p.lg_heads;
  const uint64_t chunk = pv ? n.sweep : 0, pass = north ? chunk / kGroupBanks : chunk;
  constexpr uint64_t kRowMask = 0x3FFFF;
  const uint64_t base = (p.base + tile / turn * p.tile_rows + pass) & kRowMask,
                 open_base = p.open_base + pass;
  const uint64_t pair_base = p.pair != 0 ? (base + p.pair_stride) & kRowMask : 0,
                 pair_open_base = p.pair != 0 ? open_base + 2 * p.tile_rows : 0;
  e.phase = tile % turn ^ (p.rotated != 0 ? kGroups / 2 : 0);
  e.pair_base = pair_base & 0xFFFF;
  e.pair_open_base = pair_open_base & 0xFFFF;
  e.bubble = p.pair != 0 && !n.clear && step_last && !(segment_last && (pv || north || sweep_last));
  e.base = base & 0xFFFF;
  e.open_base = open_base & 0xFFFF;
  const uint64_t bytes = north ? 1 : pv ? 2 * kGroupBanks >> p.lg_chunks : kGroupBanks;
  const uint64_t block = north ? kCols : kSlotBytes;
  e.offset = n.step * bytes % block;
  const bool block_end = step_last || e.offset + bytes == block;
  const bool operand_last = sweep_last || (p.three != 0 && n.plane == 0 && plane_end);
  e.slot = slot;
  e.next_slot = slot != (block_end && p.tail != 0 && (p.keep_one == 0 || operand_last));
  e.block_end = block_end && (p.keep == 0 || operand_last);
  e.limit = ends ? p.tail : p.full;
  e.load = n.step < (north ? kGroupBanks >> p.lg_chunks : 1);
  e.open = p.open != 0 && ends;
  e.bank = ((n.step << p.lg_chunks) + chunk) % kGroupBanks;
  e.bad_address = !n.clear && e.limit != 0 &&
                  ((std::max(base, pair_base) >= kKvRows && !(e.open && (north || e.limit == 1))) ||
                   (e.open && std::max(open_base, pair_open_base) >= kKvRows));
  return e;
}

Place after(const Plan& p, Place n) {
  if (n.clear) {
    n.clear = false;
    return n;
  }
  if (++n.step < p.steps) return n;
  n.step = 0;
  if (++n.segment < p.segments) return n;
  n.segment = 0;
  n.clear = p.pv != 0 || p.north != 0;
  if (++n.sweep < p.sweeps) return n;
  n.sweep = 0;
  return ++n.plane <= p.plane_last ? n : Place{};
}

void check(const Varray_part_seq& dut, const Expected& e, bool bubble, const Plan& p) {
  ASSERT_EQ(dut.ready_o, !bubble);
  ASSERT_EQ(dut.clear_o, e.clear);
  ASSERT_EQ(dut.first_o, e.first);
  ASSERT_EQ(dut.sweep_end_o, e.sweep_end);
  ASSERT_EQ(dut.cmd_pop_o, e.end);
  ASSERT_EQ(dut.bad_address_o, e.bad_address);
  if (e.clear) return;
  const auto ctl = [&](int lsb, int width) { return dut.ctl_o >> lsb & ((1U << width) - 1); };
  ASSERT_EQ(ctl(23, 1), p.pv);
  ASSERT_EQ(ctl(22, 1), e.high);
  ASSERT_EQ(ctl(21, 1), e.slot);
  ASSERT_EQ(ctl(20, 1), e.block_end);
  ASSERT_EQ(ctl(16, 4), p.lg_chunks);
  ASSERT_EQ(ctl(8, 8), e.offset);
  ASSERT_EQ(ctl(0, 8), e.limit);
  const auto addr = [&](size_t lsb, size_t width) { return bits_of(Signal(dut.addr_o), lsb, width); };
  ASSERT_EQ(addr(85, 1), e.load);
  ASSERT_EQ(addr(84, 1), e.open);
  ASSERT_EQ(addr(80, 4), p.lg_passes);
  ASSERT_EQ(addr(72, 8), e.phase);
  ASSERT_EQ(addr(64, 8), e.bank);
  ASSERT_EQ(addr(48, 16), e.base);
  ASSERT_EQ(addr(32, 16), e.open_base);
  ASSERT_EQ(addr(16, 16), e.pair_base);
  ASSERT_EQ(addr(0, 16), e.pair_open_base);
}

class ArraySeq : public testing::Test {
 protected:
  ArraySeq() : rng(make_rng(2)) { reset(); }

  void reset() {
    auto& dut = part.dut;
    dut.cmd_valid_i = dut.take_i = dut.adv_i = 0;
    part.reset();
    slot = false;
  }

  // Runs a command to its end; false if that takes more cycles than the limit.
  bool run(const Plan& plan, double takes, int limit) {
    auto& dut = part.dut;
    drive(Signal(dut.cmd_i), plan);
    dut.cmd_valid_i = 1;
    Place place;
    bool bubble = false;
    for (int cycle = 0; cycle < limit; ++cycle) {
      dut.take_i = !bubble && (takes == 1 || chance(rng, takes));
      dut.adv_i = dut.take_i != 0 || chance(rng, 0.5);
      dut.eval();
      const Expected e = at(plan, place, slot);
      check(dut, e, bubble, plan);
      if (HasFatalFailure()) {
        ADD_FAILURE() << "in cycle " << cycle;
        return false;
      }
      if (dut.take_i != 0) {
        if (!place.clear) slot = e.next_slot;
        place = after(plan, place);
        bubble = e.bubble;
      } else if (dut.adv_i != 0) {
        bubble = false;
      }
      const bool last = dut.take_i != 0 && e.end;
      part.clock();
      if (last) return true;
    }
    return false;
  }

  void idle(uint64_t cycles) {
    auto& dut = part.dut;
    dut.cmd_valid_i = dut.take_i = 0;
    for (; cycles > 0; --cycles) {
      dut.eval();
      EXPECT_EQ(dut.bad_address_o, 0);
      part.clock();
    }
  }

  std::mt19937_64 rng;
  Part<Varray_part_seq> part;
  bool slot = false;
};

TEST_F(ArraySeq, StepsOfAnyCommand) {
  constexpr int kShort = 5, kLong = 16, kEnough = 30000;
  for (int round = 0; round < 200; ++round) {
    SCOPED_TRACE(round);
    // One long command for many short ones; what takes too long ends with a reset.
    const bool is_long = round % 10 == 0;
    UnitCmd command = legal_command(rng, is_long ? kLong : kShort);
    if (rng() % 2 == 0) command.a1 %= kKvRows;
    if (rng() % 2 == 0) command.s1 %= kKvRows;
    const bool done = run(plan_of(command), is_long ? 1 : 0.7, kEnough);
    if (HasFailure()) return;
    if (!done) reset();
    idle(rng() % 3);
  }
}

// A row of a bank, more often than not near the end of the bank or of the addresses.
uint64_t any_row(std::mt19937_64& rng) {
  const uint64_t near = rng() % 4 - 2;
  return std::array<uint64_t, 4>{rng(), rng() % kKvRows, kKvRows + near, near}[rng() % 4] & 0xFFFF;
}

TEST_F(ArraySeq, StepsOfAnyPlan) {
  constexpr int kEnough = 400;
  for (int round = 0; round < 800; ++round) {
    SCOPED_TRACE(round);
    Plan plan = any_plan(rng);
    plan.base = any_row(rng);
    plan.open_base = any_row(rng);
    if (rng() % 2 == 0) plan.tile_rows = any_row(rng);
    if (rng() % 2 == 0) plan.pair_stride = (any_row(rng) - plan.base) & 0xFFFF;
    const bool done = run(plan, 0.7, kEnough);
    if (HasFailure()) return;
    if (!done) reset();
    idle(rng() % 3);
  }
}

// Each loop in turn, to its end.
TEST_F(ArraySeq, AnyNumberOfTurns) {
  constexpr int kBits = 16, kShort = 10, kEnough = 300000;
  for (int bit = 0; bit < kBits; ++bit) {
    const bool is_long = bit >= kShort;
    for (uint64_t more = is_long ? 2 : 0; more < 4; ++more) {
      for (const auto loop : {&Plan::sweeps, &Plan::segments, &Plan::steps}) {
        Plan plan = any_plan(rng, kRows);
        if (loop == &Plan::segments && plan.pv == 0) continue;
        plan.sweeps = is_long ? 1 : 1 + rng() % 2;
        plan.segments = is_long || plan.pv == 0 ? 1 : 1 + rng() % 2;
        plan.steps = is_long ? 1 : 1 + rng() % 3;
        plan.*loop = (uint64_t{1} << bit) + more;
        EXPECT_TRUE(run(plan, 1, kEnough));
        ASSERT_FALSE(HasFailure()) << plan.sweeps << " sweeps, " << plan.segments << " segments, "
                                   << plan.steps << " steps";
      }
    }
  }
}

// --- operand A
// ------------------------------------------------------------------------------------------------

constexpr uint64_t kScrHalves = 2 * kScrWords, kHalfBytes = 2 * kCols;

// A load in the loops plane > sweep > segment > block > member (a tile of the fold, or a plane in the rows) >
// head.
struct LoadPlace {
  uint64_t plane = 0, sweep = 0, segment = 0, block = 0, member = 0, head = 0;
};

struct Loops {
  uint64_t heads, members, blocks, segments, sweeps, planes;
};

Loops loops_of(const Plan& p, const LoadPlace& n) {
  const uint64_t tiles = n.segment + 1 == p.segments ? p.tail : p.full;
  return {.heads = p.north != 0 ? p.rows : uint64_t{1} << p.lg_heads,
          .members = p.north != 0 ? p.row_plane_last + 1
                     : p.pv != 0  ? tiles
                                  : 1,
          .blocks = p.blocks,
          .segments = p.segments,
          // What is kept is loaded once; of three planes the lowest has half words of its own.
          .sweeps = p.keep != 0 ? 1 : p.sweeps,
          .planes = p.keep != 0 ? 1 + p.three : 1 + p.plane_last};
}

// The place after n, or none at the end; `block_done`: n was the last load of a slot.
std::optional<LoadPlace> next_load(const Plan& p, LoadPlace n, bool& block_done) {
  const Loops l = loops_of(p, n);
  block_done = false;
  if (++n.head < l.heads) return n;
  n.head = 0;
  if (++n.member < l.members) return n;
  n.member = 0;
  block_done = true;
  if (++n.block < l.blocks) return n;
  n.block = 0;
  if (++n.segment < l.segments) return n;
  n.segment = 0;
  if (++n.sweep < l.sweeps) return n;
  n.sweep = 0;
  if (++n.plane < l.planes) return n;
  return std::nullopt;
}

struct Fill {
  uint64_t mask = 0, slot = 0, north = 0;
  bool planes = false, high = false, odd_half = false, odd_quarter = false;
};

struct LoadOf {
  uint64_t half;  // half word of SCR
  Fill fill;
};

LoadOf load_at(const Plan& p, const LoadPlace& n, uint64_t slot) {
  const bool pv = p.pv != 0, north = p.north != 0;
  const uint64_t heads = loops_of(p, n).heads;
  const uint64_t tile = !pv ? 0 : north ? n.segment : n.segment * p.full + n.member;
  const uint64_t plane = n.plane + (north ? n.member : 0);
  const uint64_t lowest = p.three != 0 && plane == 0;
  LoadOf load{};
  load.half = p.a0 + (tile << p.three) + lowest + (north ? n.block / 2 : n.block) + n.head * p.a_stride;
  load.fill = {.mask = 0,
               .slot = slot,
               .north = p.north,
               .planes = north && pv,
               .high = plane == 1 + p.three,
               .odd_half = load.half % 2 != 0,
               .odd_quarter = n.block % 2 != 0};
  if (pv || north) {
    load.fill.mask = uint64_t{1} << (n.member * heads + n.head) % kRows;
  } else {
    for (uint64_t group = n.head; group < kGroups; group += heads) load.fill.mask |= uint64_t{1} << group;
  }
  return load;
}

std::array<uint8_t, kHalfBytes> fill_data(const Fill& fill, std::span<const uint8_t> word) {
  std::array<uint8_t, kHalfBytes> data{};
  const auto half = word.subspan(fill.odd_half ? kHalfBytes : 0, kHalfBytes);
  for (size_t i = 0; i < kHalfBytes; ++i) {
    const size_t column = i % kCols;
    if (fill.planes) {
      data[i] = half[2 * column + fill.high];
    } else if (fill.north != 0) {
      data[i] = half[column + (fill.odd_quarter ? kCols : 0)];
    } else {
      data[i] = half[i];
    }
  }
  return data;
}

class ArrayLoader : public testing::Test {
 protected:
  ArrayLoader() : rng(make_rng(3)) { reset(); }

  void reset() {
    auto& dut = part.dut;
    dut.cmd_valid_i = dut.release_i = dut.rd_gnt_i = 0;
    part.reset();
    claimed = loaded = {};
    flight = {};
    slot = north = 0;
  }

  // Runs a command to its end, or to its first address that is not there; false after the latter.
  bool run(const Plan& p, double grants, double releases, int limit) {
    auto& dut = part.dut;
    drive(Signal(dut.cmd_i), p);
    dut.cmd_valid_i = 1;
    LoadPlace place;
    for (int cycle = 0; cycle < limit; ++cycle) {
      const LoadOf load = load_at(p, place, slot);
      const bool nothing = p.tail == 0;
      const bool switching = p.north != north && (claimed[0] | claimed[1]) != 0;
      const bool active = !nothing && !switching && (claimed[slot] & load.fill.mask) == 0;
      bool block_done = false;
      const auto next = next_load(p, place, block_done);
      std::array<uint64_t, 2> release{};
      for (size_t s = 0; s < 2; ++s)
        for (uint64_t row = 0; row < kRows; ++row)
          if (chance(rng, releases)) release[s] |= loaded[s] & uint64_t{1} << row;
      dut.release_i = static_cast<uint8_t>(release[0] | release[1] << kRows);
      dut.rd_gnt_i = chance(rng, grants);
      for (auto& byte : Signal(dut.rd_data_i).bytes()) byte = static_cast<uint8_t>(rng());
      dut.eval();
      const bool in_range = load.half < kScrHalves, take = active && in_range && dut.rd_gnt_i != 0;
      check(active, in_range, load);
      EXPECT_EQ(dut.cmd_pop_o, nothing || (take && !next));
      if (HasFailure()) return false;
      if (active && !in_range) return false;
      for (size_t s = 0; s < 2; ++s) {
        claimed[s] &= ~release[s];
        loaded[s] &= ~release[s];
      }
      loaded[flight.slot] |= flight.mask;
      flight = {};
      if (take) {
        claimed[slot] |= load.fill.mask;
        flight = load.fill;
        north = p.north;
        slot ^= block_done;
        if (next) place = *next;
      }
      part.clock();
      if (nothing || (take && !next)) return true;
    }
    return false;
  }

  void check(bool active, bool in_range, const LoadOf& load) {
    auto& dut = part.dut;
    EXPECT_EQ(dut.rd_req_o, active && in_range);
    EXPECT_EQ(dut.bad_address_o, active && !in_range);
    if (active && in_range) {
      EXPECT_EQ(dut.rd_addr_o, load.half / 2);
    }
    EXPECT_EQ(dut.loaded_o, loaded[0] | loaded[1] << kRows);
    EXPECT_EQ(dut.idle_o, (claimed[0] | claimed[1]) == 0);
    EXPECT_EQ(dut.fill_mask_o, flight.mask);
    if (flight.mask == 0) return;
    EXPECT_EQ(dut.fill_slot_o, flight.slot);
    EXPECT_EQ(dut.fill_north_o, flight.north);
    const auto expected = fill_data(flight, Signal(dut.rd_data_i).bytes());
    EXPECT_TRUE(std::ranges::equal(Signal(dut.fill_data_o).bytes(), expected));
  }

  std::mt19937_64 rng;
  Part<Varray_part_loader> part;
  std::array<uint64_t, 2> claimed{}, loaded{};
  Fill flight;
  uint64_t slot = 0, north = 0;
};

TEST_F(ArrayLoader, LoadsOfAnyCommand) {
  constexpr int kShort = 5, kLong = 14, kEnough = 30000;
  for (int round = 0; round < 400; ++round) {
    SCOPED_TRACE(round);
    const bool is_long = round % 20 == 0;
    UnitCmd command = legal_command(rng, is_long ? kLong : kShort);
    command.a0 %= kScrHalves;
    if (rng() % 4 == 0) command.a0 ^= static_cast<uint16_t>(kScrHalves << rng() % 7);  // one bit beyond
    if (rng() % 8 != 0) command.s2 &= ~uint64_t{0xFFFF'0000} | (rng() % 32) << 16;
    const double grants = is_long ? 1 : std::array{0.3, 1.0}[rng() % 2];
    const double releases = is_long ? 1 : std::array{0.1, 0.5, 1.0}[rng() % 3];
    const bool done = run(plan_of(command), grants, releases, kEnough);
    if (HasFailure()) return;
    if (!done) reset();
  }
}

TEST_F(ArrayLoader, LoadsOfAnyPlan) {
  constexpr int kEnough = 6000;
  for (int round = 0; round < 400; ++round) {
    SCOPED_TRACE(round);
    Plan plan = any_plan(rng);
    // In the space, more often than not.
    if (rng() % 8 != 0) plan.a0 %= rng() % 2 == 0 ? kScrHalves : kScrHalves / 8;
    if (rng() % 8 != 0) plan.a_stride = rng() % (kScrHalves / loops_of(plan, {}).heads + 1);
    const double grants = std::array{0.3, 1.0, 1.0}[rng() % 3];
    const double releases = std::array{0.1, 0.5, 1.0, 1.0}[rng() % 4];
    const bool done = run(plan, grants, releases, kEnough);
    if (HasFailure()) return;
    if (!done) reset();
  }
}

// What does not stay in the slots is loaded for every sweep.
TEST_F(ArrayLoader, AnyNumberOfSweeps) {
  constexpr int kBits = 11, kEnough = 200000;
  for (int bit = 0; bit < kBits; ++bit) {
    for (uint64_t more = 0; more < 4; ++more) {
      Plan plan = any_plan(rng, kRows);
      plan.sweeps = (uint64_t{1} << bit) + more;
      (plan.pv != 0 ? plan.segments : plan.blocks) = kSlots + 1;
      plan.keep = plan.keep_one = 0;
      plan.a0 %= kScrHalves / 8;
      plan.a_stride %= kScrHalves / 8;
      EXPECT_TRUE(run(plan, 1, 1, kEnough)) << plan.sweeps << " sweeps";
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace pimllm::tb

// What the array makes of an instruction, in numbers and in steps, for operands of any size (docs/isa.md,
// ARR).
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <span>

#include "Varray_part_decode.h"
#include "Varray_part_loader.h"
#include "Varray_part_seq.h"
#include "models/isa/instruction.hpp"
#include "tb/common/part.hpp"
#include "tb/common/seed.hpp"
#include "tb/common/signal.hpp"
#include "tb/common/unit_cmd.hpp"

namespace pimllm::tb {
namespace {

using isa::ErrorCode;
using isa::Opcode;

// The machine `unit`.
constexpr uint64_t kRows = 4, kCols = 4, kGroupBanks = 2, kGroups = kRows / kGroupBanks, kKvRows = 512;
constexpr uint64_t kSlotBytes = 2 * kCols, kSlots = 2;

// array_cmd_t.
struct Plan {
  uint64_t pv = 0, north = 0, accumulate = 0, open = 0, keep = 0, keep_one = 0, three = 0, plane_last = 0,
           row_plane_last = 0, rows = 0, lg_heads = 0, pair = 0, rotated = 0, pair_stride = 0, lg_chunks = 0,
           lg_passes = 0, a0 = 0, a_stride = 0, dst = 0, dst_stride = 0, base = 0, open_base = 0,
           tile_rows = 0, sweeps = 0, segments = 0, steps = 0, blocks = 0, full = 0, tail = 0, used = 0;
};

struct Field {
  const char* name;
  uint64_t Plan::*member;
  size_t width;
};
constexpr std::array kFields = {Field{"used", &Plan::used, 8},
                                Field{"tail", &Plan::tail, 8},
                                Field{"full", &Plan::full, 8},
                                Field{"blocks", &Plan::blocks, 16},
                                Field{"steps", &Plan::steps, 16},
                                Field{"segments", &Plan::segments, 16},
                                Field{"sweeps", &Plan::sweeps, 16},
                                Field{"tile_rows", &Plan::tile_rows, 16},
                                Field{"pair_stride", &Plan::pair_stride, 16},
                                Field{"open_base", &Plan::open_base, 16},
                                Field{"base", &Plan::base, 16},
                                Field{"dst_stride", &Plan::dst_stride, 15},
                                Field{"dst", &Plan::dst, 15},
                                Field{"a_stride", &Plan::a_stride, 16},
                                Field{"a0", &Plan::a0, 16},
                                Field{"lg_passes", &Plan::lg_passes, 4},
                                Field{"lg_chunks", &Plan::lg_chunks, 4},
                                Field{"rotated", &Plan::rotated, 1},
                                Field{"pair", &Plan::pair, 1},
                                Field{"lg_heads", &Plan::lg_heads, 2},
                                Field{"rows", &Plan::rows, 8},
                                Field{"row_plane_last", &Plan::row_plane_last, 2},
                                Field{"plane_last", &Plan::plane_last, 2},
                                Field{"three", &Plan::three, 1},
                                Field{"keep_one", &Plan::keep_one, 1},
                                Field{"keep", &Plan::keep, 1},
                                Field{"open", &Plan::open, 1},
                                Field{"accumulate", &Plan::accumulate, 1},
                                Field{"north", &Plan::north, 1},
                                Field{"pv", &Plan::pv, 1}};

uint64_t ceil_div(uint64_t a, uint64_t b) { return (a + b - 1) / b; }
uint64_t lg(uint64_t power) { return static_cast<uint64_t>(std::countr_zero(power)); }

ErrorCode error_of(const UnitCmd& c) {
  const uint64_t rows = c.s2 & 0xFFFF;
  const bool pv = c.opcode == Opcode::kPv, north = (c.mode & 1) != 0;
  if (!pv && c.opcode != Opcode::kQk) return ErrorCode::kIllegalOpcode;
  if (c.a2 % 2 != 0 || (c.s2 >> 32) % 2 != 0 || c.a1 >> 16 != 0) return ErrorCode::kBadAddress;
  if (pv && !std::has_single_bit(c.s0)) return ErrorCode::kBadOperand;
  if (pv && c.s0 * kCols > 1 << 15) return ErrorCode::kBadOperand;
  if (!pv && (c.s0 == 0 || c.s0 % kGroupBanks != 0)) return ErrorCode::kBadOperand;
  if (north && (rows == 0 || rows > kRows)) return ErrorCode::kBadOperand;
  if (!north && 1U << (c.mode >> 3 & 3) > kGroups) return ErrorCode::kBadOperand;
  return ErrorCode::kNone;
}

// Of a command without error.
Plan plan_of(const UnitCmd& c) {
  Plan p;
  p.pv = c.opcode == Opcode::kPv;
  p.north = c.mode & 1;
  p.accumulate = c.mode >> 1 & 1;
  p.open = c.mode >> 2 & 1;
  p.lg_heads = p.north != 0 ? 0 : c.mode >> 3 & 3;
  p.rows = c.s2 & 0xFF;
  p.pair_stride = c.s2 & 0xFFFF;
  p.pair = p.lg_heads == 1 && p.pair_stride != 0;
  p.rotated = p.north != 0 && (c.mode >> 3 & 1) != 0;
  p.a0 = c.a0;
  p.a_stride = c.s2 >> 16 & 0xFFFF;
  p.dst = c.a2 / 2;
  p.dst_stride = c.s2 >> 33;
  p.base = c.a1;
  p.open_base = c.s1;
  const uint64_t tiles = ceil_div(c.count, kCols), fold = kGroups >> p.lg_heads,
                 folds = ceil_div(tiles, fold);
  const uint64_t planes = (c.mode >> 5 & 1) != 0 ? 3 : 2;
  const bool in_rows = p.pv != 0 && p.north != 0 && p.rows * planes <= kRows;
  if (p.north != 0) {
    p.full = p.used = in_rows ? p.rows * planes : p.rows;
    p.tail = tiles != 0 ? p.full : 0;
  } else {
    p.full = fold;
    p.tail = tiles != 0 ? (tiles - 1) % fold + 1 : 0;
    p.used = std::max<uint64_t>(1, folds > 1 ? fold : p.tail);
  }
  uint64_t slots;  // of operand A in a sweep
  if (p.pv != 0) {
    p.three = planes == 3;
    (in_rows ? p.row_plane_last : p.plane_last) = planes - 1;
    p.lg_chunks = std::min(lg(c.s0), lg(kGroupBanks));
    p.lg_passes = lg(c.s0) - p.lg_chunks;
    p.tile_rows = kCols * c.s0 / kGroupBanks;
    p.sweeps = p.north != 0 ? c.s0 : uint64_t{1} << p.lg_passes;
    p.segments = std::max<uint64_t>(1, p.north != 0 ? tiles : folds);
    p.steps = p.north != 0 ? kCols : kCols / kGroupBanks << p.lg_chunks;
    p.blocks = 1;
    slots = p.segments;
    p.keep = p.north == 0 && slots <= kSlots;
  } else {
    p.tile_rows = c.s0 / kGroupBanks;
    p.sweeps = p.north != 0 ? tiles : folds;
    p.segments = 1;
    p.steps = p.north != 0 ? c.s0 : c.s0 / kGroupBanks;
    p.blocks = slots = ceil_div(c.s0, p.north != 0 ? kCols : kSlotBytes);
    p.keep = slots <= kSlots;
  }
  p.keep_one = p.keep != 0 && slots == 1;
  return p;
}

uint64_t any_size(std::mt19937_64& rng, int bits) {
  return rng() & ((uint64_t{1} << rng() % static_cast<uint64_t>(bits + 1)) - 1);
}

// Legal more often than not.
UnitCmd random_command(std::mt19937_64& rng, int bits) {
  UnitCmd c = any_command(rng, rng() % 2 == 0 ? Opcode::kQk : Opcode::kPv);
  c.count = static_cast<uint16_t>(any_size(rng, bits));
  c.s0 =
      c.opcode == Opcode::kPv
          ? static_cast<uint16_t>(1U << rng() % static_cast<uint64_t>(std::min(bits, 14)))
          : static_cast<uint16_t>(std::max<uint64_t>(kGroupBanks, any_size(rng, bits) & ~(kGroupBanks - 1)));
  c.a2 &= 0xFFFE;
  c.a1 &= 0xFFFF;
  c.mode &= 0x2F;  // up to two heads
  c.s2 = (c.s2 & 0xFFFE'FFFF'0000) | (1 + rng() % kRows);
  return c;
}

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

void check(const Varray_part_seq& dut, const Expected& e, const Plan& p) {
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

// A command that has something to do.
UnitCmd legal_command(std::mt19937_64& rng, int bits) {
  for (;;) {
    const UnitCmd c = random_command(rng, bits);
    if (error_of(c) == ErrorCode::kNone && (c.opcode == Opcode::kPv || c.count != 0)) return c;
  }
}

TEST(ArraySeq, StepsOfAnyCommand) {
  constexpr int kShort = 5, kLong = 16, kEnough = 100000;
  auto rng = make_rng(2);
  Part<Varray_part_seq> part;
  auto& dut = part.dut;
  dut.cmd_valid_i = dut.take_i = dut.adv_i = 0;
  part.reset();
  bool slot = false;
  for (int round = 0; round < 200; ++round) {
    // One long command for many short ones; what takes too long ends with a reset.
    UnitCmd command = legal_command(rng, round % 10 == 0 ? kLong : kShort);
    if (rng() % 2 == 0) command.a1 %= kKvRows;
    if (rng() % 2 == 0) command.s1 %= kKvRows;
    const Plan plan = plan_of(command);
    size_t lsb = 0;
    for (const auto& field : kFields) {
      put_bits(Signal(dut.cmd_i), lsb, field.width, plan.*field.member);
      lsb += field.width;
    }
    Place place;
    bool bubble = false;
    for (int cycle = 0;; ++cycle) {
      dut.cmd_valid_i = 1;
      dut.take_i = !bubble && (round % 10 == 0 || chance(rng, 0.7));
      dut.adv_i = dut.take_i != 0 || chance(rng, 0.5);
      dut.eval();
      ASSERT_EQ(dut.ready_o, !bubble);
      const Expected e = at(plan, place, slot);
      check(dut, e, plan);
      ASSERT_FALSE(testing::Test::HasFatalFailure()) << "round " << round << " cycle " << cycle;
      if (dut.take_i != 0) {
        if (!place.clear) slot = e.next_slot;
        place = after(plan, place);
        bubble = e.bubble;
      } else if (dut.adv_i != 0) {
        bubble = false;
      }
      const bool last = dut.take_i != 0 && e.end;
      part.clock();
      if (last) break;
      if (cycle == kEnough) {
        dut.cmd_valid_i = dut.take_i = 0;
        part.reset();
        slot = false;
        break;
      }
    }
    dut.cmd_valid_i = dut.take_i = 0;
    for (uint64_t idle = rng() % 3; idle > 0; --idle) {
      dut.eval();
      ASSERT_EQ(dut.bad_address_o, 0);
      part.clock();
    }
  }
}

// --- operand A
// ------------------------------------------------------------------------------------------------

constexpr uint64_t kScrHalves = 512, kHalfBytes = 2 * kCols;

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
    size_t lsb = 0;
    for (const auto& field : kFields) {
      put_bits(Signal(dut.cmd_i), lsb, field.width, p.*field.member);
      lsb += field.width;
    }
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

}  // namespace
}  // namespace pimllm::tb

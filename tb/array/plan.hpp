// What array_decode makes of a command in the machine `unit`: array_cmd_t of rtl/array/array_pkg.sv
// (docs/isa.md, ARR).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <random>

#include "models/isa/instruction.hpp"
#include "tb/common/signal.hpp"
#include "tb/common/unit_cmd.hpp"

namespace pimllm::tb {

inline constexpr uint64_t kRows = 4, kCols = 4, kGroupBanks = 2, kGroups = kRows / kGroupBanks, kKvRows = 512,
                          kScrWords = 256;
inline constexpr uint64_t kSlotBytes = 2 * kCols, kSlots = 2;

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
inline constexpr std::array kFields = {Field{"used", &Plan::used, 8},
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

// Onto a port of type array_cmd_t.
inline void drive(const Signal& port, const Plan& plan) {
  size_t lsb = 0;
  for (const auto& field : kFields) {
    put_bits(port, lsb, field.width, plan.*field.member);
    lsb += field.width;
  }
}

inline uint64_t ceil_div(uint64_t a, uint64_t b) { return (a + b - 1) / b; }
inline uint64_t lg(uint64_t power) { return static_cast<uint64_t>(std::countr_zero(power)); }

// --- of a command
// ----------------------------------------------------------------------------------------------

inline isa::ErrorCode error_of(const UnitCmd& c) {
  using isa::ErrorCode;
  const uint64_t rows = c.s2 & 0xFFFF;
  const bool pv = c.opcode == isa::Opcode::kPv, north = (c.mode & 1) != 0;
  if (!pv && c.opcode != isa::Opcode::kQk) return ErrorCode::kIllegalOpcode;
  if (c.a2 % 2 != 0 || (c.s2 >> 32) % 2 != 0 || c.a1 >> 16 != 0) return ErrorCode::kBadAddress;
  if (pv && !std::has_single_bit(c.s0)) return ErrorCode::kBadOperand;
  if (pv && c.s0 * kCols > 1 << 15) return ErrorCode::kBadOperand;
  if (!pv && (c.s0 == 0 || c.s0 % kGroupBanks != 0)) return ErrorCode::kBadOperand;
  if (north && (rows == 0 || rows > kRows)) return ErrorCode::kBadOperand;
  if (!north && 1U << (c.mode >> 3 & 3) > kGroups) return ErrorCode::kBadOperand;
  return ErrorCode::kNone;
}

// Of a command without error.
inline Plan plan_of(const UnitCmd& c) {
  Plan p;
  p.pv = c.opcode == isa::Opcode::kPv;
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

inline uint64_t any_size(std::mt19937_64& rng, int bits) {
  return rng() & ((uint64_t{1} << rng() % static_cast<uint64_t>(bits + 1)) - 1);
}

// Legal more often than not.
inline UnitCmd random_command(std::mt19937_64& rng, int bits) {
  UnitCmd c = any_command(rng, rng() % 2 == 0 ? isa::Opcode::kQk : isa::Opcode::kPv);
  c.count = static_cast<uint16_t>(any_size(rng, bits));
  c.s0 =
      c.opcode == isa::Opcode::kPv
          ? static_cast<uint16_t>(1U << rng() % static_cast<uint64_t>(std::min(bits, 14)))
          : static_cast<uint16_t>(std::max<uint64_t>(kGroupBanks, any_size(rng, bits) & ~(kGroupBanks - 1)));
  c.a2 &= 0xFFFE;
  c.a1 &= 0xFFFF;
  c.mode &= 0x2F;  // up to two heads
  c.s2 = (c.s2 & 0xFFFE'FFFF'0000) | (1 + rng() % kRows);
  return c;
}

// A command that has something to do.
inline UnitCmd legal_command(std::mt19937_64& rng, int bits) {
  for (;;) {
    const UnitCmd c = random_command(rng, bits);
    if (error_of(c) == isa::ErrorCode::kNone && (c.opcode == isa::Opcode::kPv || c.count != 0)) return c;
  }
}

// --- of any size
// -----------------------------------------------------------------------------------------------

// Loops of as many turns as their counters hold and as many rows as the largest array has, no matter which
// command and which array would make them so: one of them is long, the others are short.
inline Plan any_plan(std::mt19937_64& rng, uint64_t most_rows = 128) {
  const auto up_to = [&rng](uint64_t most) { return 1 + rng() % most; };
  const auto flag = [&rng] { return rng() % 2; };
  Plan p;
  p.pv = flag();
  p.north = flag();
  p.accumulate = flag();
  p.open = flag();
  p.a0 = rng() & 0xFFFF;
  p.a_stride = rng() & 0xFFFF;
  p.dst = rng() & 0x7FFF;
  p.dst_stride = rng() & 0x7FFF;
  p.base = rng() & 0xFFFF;
  p.open_base = rng() & 0xFFFF;
  p.pair_stride = rng() & 0xFFFF;
  p.tile_rows = rng() & 0xFFFF;
  p.sweeps = up_to(3);
  p.segments = p.pv != 0 ? up_to(3) : 1;
  p.steps = up_to(6);
  p.blocks = p.pv != 0 ? 1 : up_to(3);
  if (p.pv != 0) {
    p.three = flag();
    const uint64_t planes = 2 + p.three;
    if (p.north != 0 && flag() != 0) {
      p.row_plane_last = planes - 1;
      most_rows /= planes;
    } else {
      p.plane_last = planes - 1;
    }
    p.lg_chunks = rng() % (lg(kGroupBanks) + 1);
    p.lg_passes = rng() % 14;
  }
  const uint64_t many_rows = rng() % 4 == 0 ? most_rows : std::min<uint64_t>(most_rows, kRows);
  if (p.north != 0) {
    p.rotated = flag();
    p.rows = up_to(many_rows);
    p.full = p.tail = p.used = p.rows * (p.row_plane_last + 1);
  } else {
    p.rows = rng() & 0xFF;
    p.lg_heads = rng() % (lg(kGroups) + 1);
    p.pair = p.lg_heads == 1 ? flag() : 0;
    p.full = up_to(many_rows >> p.lg_heads);
    p.tail = up_to(p.full);
  }
  // Sizes that are much smaller without their highest bit.
  auto& count =
      p.*std::array{&Plan::sweeps, p.pv != 0 ? &Plan::segments : &Plan::blocks, &Plan::steps}[rng() % 3];
  count = std::min<uint64_t>(0xFFFF, (uint64_t{1} << rng() % 16) + rng() % 4);
  if (p.north == 0) p.used = p.segments > 1 ? p.full : p.tail;
  const uint64_t slots = p.pv != 0 ? p.segments : p.blocks;
  p.keep = slots <= kSlots && !(p.pv != 0 && p.north != 0);
  p.keep_one = p.keep != 0 && slots == 1;
  return p;
}

}  // namespace pimllm::tb

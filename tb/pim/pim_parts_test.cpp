// Front end and sequencer of the PIM unit, each by itself: instructions and chunks of any place and shape.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <optional>

#include "Vpim_part_convert.h"
#include "Vpim_part_load.h"
#include "tb/common/part.hpp"
#include "tb/common/seed.hpp"
#include "tb/common/signal.hpp"
#include "tb/common/unit_cmd.hpp"

namespace pimllm::tb {
namespace {

// The machine `unit`.
constexpr uint64_t kRows = 16, kSets = 2, kSlots = 16, kColGroups = 2, kBits = 8, kLatency = 2;

struct Chunk {
  uint64_t bank, first, crossbars, row_tiles, col_tiles, part_first, part_last, last, out_word, words_left,
      pos;
};

Chunk random_chunk(std::mt19937_64& rng) {
  Chunk c{};
  c.bank = rng() % 2;
  c.first = rng() % (kSets * kSlots);
  c.crossbars = 1 + rng() % kSets;
  c.row_tiles = rng() % 2 == 0 ? 1 : c.crossbars;
  c.col_tiles = c.crossbars / c.row_tiles;
  c.part_first = rng() % 2;
  c.part_last = rng() % 2;
  c.last = rng() % 2;
  c.out_word = rng() & 0xFFFF;
  c.words_left = rng() & 0xFFFF;
  c.pos = rng() & 0xFFFF;
  return c;
}

// The fields of chunk_t, the lowest first.
constexpr std::array<std::pair<uint64_t Chunk::*, size_t>, 11> kFields = {{{&Chunk::pos, 16},
                                                                           {&Chunk::words_left, 16},
                                                                           {&Chunk::out_word, 16},
                                                                           {&Chunk::last, 1},
                                                                           {&Chunk::part_last, 1},
                                                                           {&Chunk::part_first, 1},
                                                                           {&Chunk::col_tiles, 8},
                                                                           {&Chunk::row_tiles, 8},
                                                                           {&Chunk::crossbars, 8},
                                                                           {&Chunk::first, 16},
                                                                           {&Chunk::bank, 1}}};

void drive(const Signal& port, const Chunk& c) {
  size_t lsb = 0;
  for (const auto& [field, width] : kFields) {
    put_bits(port, lsb, width, c.*field);
    lsb += width;
  }
}

void expect_chunk(const Signal& port, const Chunk& c) {
  size_t lsb = 0;
  for (const auto& [field, width] : kFields) {
    ASSERT_EQ(bits_of(port, lsb, width), c.*field) << "at bit " << lsb;
    lsb += width;
  }
}

struct Place {
  uint64_t group = 0, bit = kBits - 1, row_group = 0;
};

// What the accumulators do with a step's codes: {fresh, twice, negate}.
uint64_t operation(const Place& p) {
  const bool top = p.bit == kBits - 1, first = p.row_group == 0;
  return static_cast<uint64_t>(top && first) << 2 | static_cast<uint64_t>(first) << 1 |
         static_cast<uint64_t>(top);
}

// Which crossbars of the chunk are in set s.
void expect_set(const Vpim_part_convert& dut, const Chunk& c, uint64_t s) {
  const uint64_t k = (s - c.first) % kSets;
  const bool used = k < c.crossbars;
  ASSERT_EQ(dut.set_en_o >> s & 1, used);
  if (!used) return;
  ASSERT_EQ(dut.set_slot_o >> 4 * s & 15, (c.first + k) / kSets % kSlots);
  ASSERT_EQ(dut.set_tile_o >> s & 1, k % c.row_tiles);
  ASSERT_EQ(dut.set_col_o >> s & 1, k / c.row_tiles);
}

TEST(PimConvert, StepsOfChunks) {
  auto rng = make_rng(1);
  Part<Vpim_part_convert> part;
  auto& dut = part.dut;
  dut.chunk_valid_i = dut.hold_free_i = 0;
  dut.rows_per_conv_i = 1;
  part.reset();
  std::optional<Chunk> work;
  std::optional<Chunk> offered;
  Place place;
  bool hold_busy = false;
  std::deque<std::optional<uint64_t>> operations(kLatency);
  std::deque<bool> captures(kLatency + 1);
  double offers = 0, frees = 0;
  for (int cycle = 0; cycle < 60000; ++cycle) {
    SCOPED_TRACE(cycle);
    if (cycle % 500 == 0) {
      offers = std::array{0.02, 0.3, 1.0}[rng() % 3];
      frees = std::array{0.01, 0.2, 1.0}[rng() % 3];
    }
    // Settings change while there is nothing to do.
    if (!work && !offered && chance(rng, 0.5)) dut.rows_per_conv_i = static_cast<uint16_t>(1 + rng() % kRows);
    if (!offered && chance(rng, offers)) offered = random_chunk(rng);
    dut.chunk_valid_i = offered.has_value();
    drive(Signal(dut.chunk_i), offered ? *offered : random_chunk(rng));
    dut.hold_free_i = hold_busy && chance(rng, frees);
    dut.rst_ni = !chance(rng, 0.001);
    dut.eval();
    const uint64_t rows = dut.rows_per_conv_i, row_groups = (kRows + rows - 1) / rows;
    const bool row_last = place.row_group + 1 == row_groups, group_done = row_last && place.bit == 0;
    const bool chunk_done = group_done && place.group + 1 == kColGroups;
    const bool step = work && (!group_done || !hold_busy || dut.hold_free_i != 0);
    ASSERT_EQ(dut.active_o, work.has_value());
    ASSERT_EQ(dut.step_valid_o, step);
    ASSERT_EQ(dut.stalled_o, work && !step);
    ASSERT_EQ(dut.chunk_ready_o, !work || (step && chunk_done));
    ASSERT_EQ(dut.group_start_o, step && group_done);
    if (work) {
      ASSERT_EQ(dut.step_bank_o, work->bank);
      ASSERT_EQ(dut.step_group_o, place.group);
      ASSERT_EQ(dut.step_bit_o, place.bit);
      ASSERT_EQ(dut.step_row_group_o, place.row_group);
      ASSERT_EQ(dut.step_rows_o, ((uint64_t{1} << rows) - 1) << place.row_group * rows & 0xFFFF);
      ASSERT_EQ(dut.step_pos_o, work->pos);
      ASSERT_EQ(dut.group_last_o, chunk_done);
      for (uint64_t s = 0; s < kSets; ++s) expect_set(dut, *work, s);
      expect_chunk(Signal(dut.chunk_o), *work);
    }
    ASSERT_EQ(dut.capture_o, captures.front());
    if (operations.front()) {
      ASSERT_EQ(dut.acc_op_o, *operations.front());
    }
    ASSERT_FALSE(testing::Test::HasFailure());

    operations.pop_front();
    operations.push_back(step ? std::optional(operation(place)) : std::nullopt);
    captures.pop_front();
    captures.push_back(step && group_done);
    if (dut.hold_free_i != 0) hold_busy = false;
    if (step && group_done) hold_busy = true;
    const bool take = dut.chunk_valid_i != 0 && dut.chunk_ready_o != 0;
    if (step) {
      ++place.row_group;
      if (row_last) place = {place.group, place.bit - 1, 0};
      if (group_done) place = {place.group + 1, kBits - 1, 0};
      if (chunk_done) work.reset();
    }
    if (take) {
      work = offered;
      offered.reset();
      place = {};
    }
    if (dut.rst_ni == 0) {
      work.reset();
      hold_busy = false;
      captures.assign(captures.size(), false);
      operations.assign(operations.size(), std::nullopt);
    }
    part.clock();
  }
}

// --- XBAR, from the instruction to its chunks
// -----------------------------------------------------------------

constexpr uint64_t kActWords = 512, kTileWords = 4, kCrossbars = kSets * kSlots;

// An XBAR, its row tiles times column tiles at `first` and behind.
UnitCmd random_xbar(std::mt19937_64& rng) {
  UnitCmd c = any_command(rng, isa::Opcode::kXbar);
  const uint64_t row_tiles = 1 + rng() % 8, col_tiles = 1 + rng() % (kCrossbars / row_tiles);
  c.s1 = static_cast<uint16_t>(row_tiles);
  c.s0 = static_cast<uint16_t>(rng() % (kCrossbars - row_tiles * col_tiles + 1));
  c.count = static_cast<uint16_t>(kTileWords * col_tiles - rng() % kTileWords);
  c.a0 = static_cast<uint16_t>(rng() % (kActWords - row_tiles + 1));
  c.a1 = (c.a1 & ~uint64_t{0xFFFF}) | rng() % (kActWords - c.count + 1);
  return c;
}

// Row tiles that are read one after the other, and the chunks that work on them.
struct InputLoad {
  uint64_t first_word, words;
  std::deque<Chunk> chunks;
};

std::deque<InputLoad> loads_of(const UnitCmd& c, uint64_t& bank) {
  std::deque<InputLoad> loads;
  const uint64_t row_tiles = c.s1, col_tiles = (c.count + kTileWords - 1) / kTileWords;
  const bool parted = row_tiles > kSets;
  const uint64_t fit = parted ? 1 : kSets / row_tiles;
  uint64_t first = c.s0;
  for (uint64_t col = 0; col < col_tiles; col += fit) {
    const uint64_t cols = std::min(fit, col_tiles - col);
    for (uint64_t row = 0; row < row_tiles; row += kSets) {
      const uint64_t rows = std::min(kSets, row_tiles - row);
      if (parted || loads.empty()) {
        bank ^= 1;
        loads.push_back({c.a0 + row, rows, {}});
      }
      const bool part_last = row + rows == row_tiles;
      loads.back().chunks.push_back({.bank = bank,
                                     .first = first,
                                     .crossbars = rows * cols,
                                     .row_tiles = rows,
                                     .col_tiles = cols,
                                     .part_first = row == 0,
                                     .part_last = part_last,
                                     .last = part_last && col + cols == col_tiles,
                                     .out_word = (c.a1 & 0xFFFF) + col * kTileWords,
                                     .words_left = c.count - col * kTileWords,
                                     .pos = c.pos});
      first += rows * cols;
    }
  }
  return loads;
}

class PimLoad : public testing::Test {
 protected:
  PimLoad() : rng(make_rng(2)) {
    auto& dut = part.dut;
    dut.cmd_valid_i = dut.act_rd_gnt_i = dut.chunk_ready_i = 0;
    dut.pipeline_idle_i = 1;
    dut.rows_per_conv_i = kRows;
    dut.adc_bits_i = 5;
    part.reset();
  }

  // From the instruction to its last chunk. One that has to wait for earlier ones gets an idle pipeline
  // later.
  void run(const UnitCmd& c, bool waits, double grants, double takes) {
    auto& dut = part.dut;
    Signal(dut.cmd_i).set_bytes(pack(c));
    dut.cmd_valid_i = 1;
    dut.eval();
    ASSERT_EQ(dut.cmd_ready_o, 1);
    part.clock();
    dut.cmd_valid_i = 0;
    for (int i = 0; waits && i < 20; ++i) {
      dut.eval();
      ASSERT_EQ(dut.act_rd_req_o, 0) << "reads what is not written";
      part.clock();
    }
    if (waits) dut.pipeline_idle_i = 1;
    dut.eval();
    ASSERT_EQ(dut.err_o, 0);
    part.clock();  // checked
    auto loads = loads_of(c, bank);
    uint64_t asked = 0, came = 0;
    bool data = false;
    for (int cycle = 0; !loads.empty(); ++cycle) {
      ASSERT_LT(cycle, 100000);
      auto& load = loads.front();
      dut.act_rd_gnt_i = chance(rng, grants);
      dut.chunk_ready_i = chance(rng, takes);
      dut.eval();
      ASSERT_EQ(dut.busy_o, 1);
      ASSERT_EQ(dut.act_rd_req_o, asked < load.words);
      if (dut.act_rd_req_o != 0) {
        ASSERT_EQ(dut.act_rd_addr_o, load.first_word + asked);
      }
      ASSERT_EQ(dut.tile_we_o, data);
      if (data) {
        ASSERT_EQ(dut.tile_bank_o, load.chunks.front().bank);
        ASSERT_EQ(dut.tile_index_o, came);
        ASSERT_EQ(dut.tile_part_o, 0);
        ++came;
      }
      ASSERT_EQ(dut.chunk_valid_o, came == load.words);
      if (dut.chunk_valid_o != 0) expect_chunk(Signal(dut.chunk_o), load.chunks.front());
      ASSERT_FALSE(HasFailure());
      data = dut.act_rd_req_o != 0 && dut.act_rd_gnt_i != 0;
      asked += data;
      if (dut.chunk_valid_o != 0 && dut.chunk_ready_i != 0) {
        load.chunks.pop_front();
        if (load.chunks.empty()) {
          loads.pop_front();
          asked = came = 0;
        }
      }
      part.clock();
    }
  }

  std::mt19937_64 rng;
  Part<Vpim_part_load> part;
  uint64_t bank = 0;
};

// Those that read what earlier ones are still to write wait, the others do not.
TEST_F(PimLoad, ChunksOfAnyXbar) {
  uint64_t written_first = 0, written_end = 0;
  for (int round = 0; round < 3000; ++round) {
    SCOPED_TRACE(round);
    const UnitCmd c = random_xbar(rng);
    const bool idle = rng() % 4 == 0 || round == 0;
    part.dut.pipeline_idle_i = idle;
    const bool waits = !idle && c.a0 < written_end && c.a0 + c.s1 > written_first;
    run(c, waits, std::array{0.3, 1.0}[rng() % 2], std::array{0.2, 1.0}[rng() % 2]);
    ASSERT_FALSE(HasFailure());
    const uint64_t out = c.a1 & 0xFFFF, end = out + c.count;
    const bool fresh = idle || waits;
    written_first = fresh ? out : std::min(written_first, out);
    written_end = fresh ? end : std::max(written_end, end);
  }
}

}  // namespace
}  // namespace pimllm::tb

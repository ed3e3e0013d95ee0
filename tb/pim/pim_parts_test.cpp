// Front end, sequencer and output stage of the PIM unit, each by itself: instructions and chunks of any place
// and shape.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "Vpim_part_convert.h"
#include "Vpim_part_load.h"
#include "Vpim_part_reduce.h"
#include "tb/common/part.hpp"
#include "tb/common/seed.hpp"
#include "tb/common/signal.hpp"
#include "tb/common/unit_cmd.hpp"

namespace pimllm::tb {
namespace {

// pim_load and pim_convert are larger than in any machine, so that all 16 bits of an instruction's fields
// count.
constexpr uint64_t kRows = 32, kCols = 16, kSets = 4, kSlots = 16384, kAdcs = 4, kAdcBits = 5, kLanes = 4,
                   kActWords = 65536;
constexpr uint64_t kColGroups = kCols / kAdcs, kTileWords = kCols / kLanes, kInWords = kRows / (4 * kLanes),
                   kCrossbars = kSets * kSlots;
constexpr size_t kSetWidth = 2, kSlotWidth = 14;
constexpr uint64_t kBits = 8, kLatency = 2;

struct Chunk {
  uint64_t bank, first, crossbars, row_tiles, col_tiles, part_first, part_last, last, out_word, words_left,
      pos;
};

// Up to `sets` crossbars.
Chunk random_chunk(std::mt19937_64& rng, uint64_t sets) {
  Chunk c{};
  c.bank = rng() % 2;
  c.row_tiles = 1 + rng() % sets;
  c.col_tiles = 1 + rng() % (sets / c.row_tiles);
  c.crossbars = c.row_tiles * c.col_tiles;
  c.first = rng() % (kCrossbars - c.crossbars + 1);
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
void expect_set(Vpim_part_convert& dut, const Chunk& c, uint64_t s) {
  const uint64_t k = (s - c.first) % kSets;
  const bool used = k < c.crossbars;
  ASSERT_EQ(dut.set_en_o >> s & 1, used);
  if (!used) return;
  ASSERT_EQ(bits_of(Signal(dut.set_slot_o), kSlotWidth * s, kSlotWidth), (c.first + k) / kSets);
  ASSERT_EQ(bits_of(Signal(dut.set_tile_o), kSetWidth * s, kSetWidth), k % c.row_tiles);
  ASSERT_EQ(bits_of(Signal(dut.set_col_o), kSetWidth * s, kSetWidth), k / c.row_tiles);
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
    if (!work && !offered && chance(rng, 0.5)) {
      dut.rows_per_conv_i = static_cast<uint16_t>(chance(rng, 0.3) ? kRows - rng() % 2 : 1 + rng() % kRows);
    }
    if (!offered && chance(rng, offers)) offered = random_chunk(rng, kSets);
    dut.chunk_valid_i = offered.has_value();
    drive(Signal(dut.chunk_i), offered ? *offered : random_chunk(rng, kSets));
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
      ASSERT_EQ(dut.step_rows_o, ((uint64_t{1} << rows) - 1) << place.row_group * rows & 0xFFFFFFFF);
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

// --- instructions, to the chunks of an XBAR and the rows of an XPROG

constexpr uint64_t kRowsPerWord = 16 * kLanes / kCols;

// 0..most, the ends more often.
uint64_t up_to(std::mt19937_64& rng, uint64_t most) {
  const uint64_t value = rng() % (most + 1);
  return std::array{uint64_t{0}, most, value, value, value, value, value, value}[rng() % 8];
}

// 1..most, small ones more often, and just above powers of two.
uint64_t few(std::mt19937_64& rng, uint64_t most) {
  if (rng() % 4 == 0) return std::min(most, (uint64_t{1} << rng() % 16) + rng() % 8);
  return 1 + rng() % std::min(most, uint64_t{1} << (rng() % 4 == 0 ? rng() % 17 : rng() % 4));
}

// An XBAR, its row tiles times column tiles at `first` and behind.
UnitCmd random_xbar(std::mt19937_64& rng) {
  UnitCmd c = any_command(rng, isa::Opcode::kXbar);
  const uint64_t row_tiles = few(rng, kActWords / kInWords);
  const uint64_t col_tiles = few(rng, std::min(kCrossbars / row_tiles, kActWords / kTileWords));
  c.s1 = static_cast<uint16_t>(row_tiles);
  c.s0 = static_cast<uint16_t>(up_to(rng, kCrossbars - row_tiles * col_tiles));
  c.count =
      static_cast<uint16_t>(std::min<uint64_t>(kTileWords * col_tiles - rng() % kTileWords, kActWords - 1));
  c.a0 = static_cast<uint16_t>(up_to(rng, kActWords - row_tiles * kInWords));
  c.a1 = (c.a1 & ~uint64_t{0xFFFF}) | up_to(rng, kActWords - c.count);
  return c;
}

// One of a few words at `place`, the output of one where another reads, or next to it.
UnitCmd xbar_near(std::mt19937_64& rng, uint64_t place) {
  UnitCmd c = random_xbar(rng);
  c.s1 = static_cast<uint16_t>(1 + rng() % 5);
  c.count = static_cast<uint16_t>(1 + rng() % 12);
  c.s0 = static_cast<uint16_t>(rng() % (kCrossbars - 16));
  const uint64_t spread = std::array{48, 8}[rng() % 2];
  c.a0 = static_cast<uint16_t>(place + rng() % spread);
  c.a1 = (c.a1 & ~uint64_t{0xFFFF}) | (place + 8 + rng() % spread);
  return c;
}

UnitCmd random_xprog(std::mt19937_64& rng) {
  UnitCmd c = any_command(rng, isa::Opcode::kXprog);
  c.count = static_cast<uint16_t>(1 + up_to(rng, kRows - 1));
  c.s1 = static_cast<uint16_t>(up_to(rng, kRows - c.count));
  c.a0 = static_cast<uint16_t>(up_to(rng, kActWords - (c.count + kRowsPerWord - 1) / kRowsPerWord));
  return c;
}

// One field is another, often by one.
void spoil(std::mt19937_64& rng, UnitCmd& c) {
  const auto other = [&](uint64_t value) {
    return static_cast<uint16_t>(std::array{value + 1, value - 1, uint64_t{0}, rng()}[rng() % 4]);
  };
  switch (rng() % 6) {
    case 0:
      c.count = other(c.count);
      break;
    case 1:
      c.a0 = other(c.a0);
      break;
    case 2:
      c.a1 = other(c.a1);
      break;
    case 3:
      c.s0 = other(c.s0);
      break;
    case 4:
      c.s1 = other(c.s1);
      break;
    default:
      c = any_command(rng, static_cast<isa::Opcode>(rng() % 64));
  }
}

// Row tiles that are read one after the other, and the chunks that work on them.
struct InputLoad {
  uint64_t first_word, words;
  std::deque<Chunk> chunks;
};

std::deque<InputLoad> loads_of(const UnitCmd& c, uint64_t bank) {
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
        loads.push_back({c.a0 + row * kInWords, rows * kInWords, {}});
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

// What it shows in a cycle; busy with an instruction, but for what is named.
struct Shown {
  bool ready = false, loading = false, done = false;
  isa::ErrorCode error = isa::ErrorCode::kNone;
  std::optional<uint64_t> read{};                 // ACT address
  std::optional<std::array<uint64_t, 3>> tile{};  // bank, row tile, word of it
  const Chunk* chunk = nullptr;
  std::optional<std::array<uint64_t, 5>> row{};  // programmed: set, slot, column group, row, codes
};

class PimLoad : public testing::Test {
 protected:
  PimLoad() : rng(make_rng(2)) {
    part.dut.cmd_valid_i = 0;
    reset();
  }

  void reset() {
    part.reset();
    bank = 0;
    written.reset();
  }

  // Grants, and who takes chunks, come by chance, and so does what the unit does not look at.
  void cycle(const Shown& s) {
    auto& dut = part.dut;
    dut.act_rd_gnt_i = chance(rng, grants);
    dut.chunk_ready_i = chance(rng, takes);
    if (!s.ready) {
      dut.cmd_valid_i = rng() % 2;
      Signal(dut.cmd_i).set_bytes(pack(any_command(rng, isa::Opcode::kXbar)));
    }
    dut.eval();
    ASSERT_EQ(dut.cmd_ready_o, s.ready);
    ASSERT_EQ(dut.busy_o, !s.ready);
    ASSERT_EQ(dut.loading_o, s.loading);
    ASSERT_EQ(dut.err_o, s.error != isa::ErrorCode::kNone);
    if (dut.err_o != 0) {
      ASSERT_EQ(dut.err_code_o, static_cast<int>(s.error));
    }
    ASSERT_EQ(dut.act_rd_req_o, s.read.has_value());
    if (s.read) {
      ASSERT_EQ(dut.act_rd_addr_o, *s.read);
    }
    ASSERT_EQ(dut.tile_we_o, s.tile.has_value());
    if (s.tile) {
      ASSERT_EQ((std::array<uint64_t, 3>{dut.tile_bank_o, dut.tile_index_o, dut.tile_part_o}), *s.tile);
    }
    ASSERT_EQ(dut.chunk_valid_o, s.chunk != nullptr);
    if (s.chunk != nullptr) expect_chunk(Signal(dut.chunk_o), *s.chunk);
    ASSERT_EQ(dut.prog_valid_o, s.row.has_value());
    if (s.row) {
      ASSERT_EQ((std::array<uint64_t, 5>{dut.prog_set_o, dut.prog_slot_o, dut.prog_group_o, dut.prog_row_o,
                                         dut.prog_codes_o}),
                *s.row);
    }
    ASSERT_EQ(dut.prog_done_o, s.done);
    granted = dut.act_rd_req_o != 0 && dut.act_rd_gnt_i != 0;
    taken = dut.chunk_valid_o != 0 && dut.chunk_ready_i != 0;
    part.clock();
    dut.cmd_valid_i = 0;
  }

  // docs/pim.md, "Settings, errors, counters".
  isa::ErrorCode refusal(const UnitCmd& c) {
    const uint64_t rows_per_conv = part.dut.rows_per_conv_i, adc_bits = part.dut.adc_bits_i;
    bool operand = c.count == 0, address = false;
    if (c.opcode == isa::Opcode::kXbar) {
      operand = operand || c.s1 == 0 || rows_per_conv == 0 || rows_per_conv > kRows || adc_bits == 0 ||
                adc_bits > kAdcBits;
      address = c.a0 + c.s1 * kInWords > kActWords || (c.a1 & 0xFFFF) + c.count > kActWords ||
                c.s0 + (c.count + kTileWords - 1) / kTileWords * c.s1 > kCrossbars;
    } else if (c.opcode == isa::Opcode::kXprog) {
      address =
          c.a0 + (c.count + kRowsPerWord - 1) / kRowsPerWord > kActWords || uint64_t{c.s1} + c.count > kRows;
    } else {
      return isa::ErrorCode::kIllegalOpcode;
    }
    return operand   ? isa::ErrorCode::kBadOperand
           : address ? isa::ErrorCode::kBadAddress
                     : isa::ErrorCode::kNone;
  }

  // An instruction, for `most` cycles; a reset ends what takes longer.
  void run(const UnitCmd& c, uint64_t most) {
    Signal(part.dut.cmd_i).set_bytes(pack(c));
    part.dut.cmd_valid_i = 1;
    cycle({.ready = true});
    const isa::ErrorCode error = refusal(c);
    if (error != isa::ErrorCode::kNone) {
      cycle({.loading = true, .error = error});
    } else if (c.opcode == isa::Opcode::kXbar) {
      convert(c, most);
    } else {
      program(c);
    }
  }

  // One that reads what earlier ones are still to write waits until all is written.
  void convert(const UnitCmd& c, uint64_t most) {
    bool idle = false, waits = false;
    do {
      idle = !written || chance(rng, idles);
      part.dut.pipeline_idle_i = idle;
      waits = !idle && c.a0 < written->second && c.a0 + c.s1 * kInWords > written->first;
      cycle({.loading = true});
    } while (waits && !HasFailure());
    const uint64_t out = c.a1 & 0xFFFF, end = out + c.count;
    written =
        idle ? std::pair{out, end} : std::pair{std::min(written->first, out), std::max(written->second, end)};
    uint64_t cycles = 0;
    for (InputLoad& load : loads_of(c, bank)) {
      uint64_t asked = 0, came = 0;
      bool data = false;
      bank ^= 1;
      while (!load.chunks.empty()) {
        Shown s{.loading = came < load.words};
        if (asked < load.words) s.read = load.first_word + asked;
        if (data) {
          s.tile = {bank, came / kInWords, came % kInWords};
          ++came;
        }
        if (came == load.words) s.chunk = &load.chunks.front();
        part.dut.pipeline_idle_i = rng() % 2;
        cycle(s);
        if (HasFailure()) return;
        data = granted;
        asked += granted;
        if (taken) load.chunks.pop_front();
        if (++cycles == most) return reset();
      }
    }
  }

  // Starts when all earlier work is written; ends with the last row or at a cell of code 3.
  void program(const UnitCmd& c) {
    cycle({.loading = true});
    do {
      part.dut.pipeline_idle_i = chance(rng, idles);
      cycle({});
    } while (part.dut.pipeline_idle_i == 0 && !HasFailure());
    const double bad = std::array{0.0, 0.003}[rng() % 2];
    uint64_t address = c.a0, words = (c.count + kRowsPerWord - 1) / kRowsPerWord, row = c.s1, group = 0;
    std::deque<uint8_t> slices;  // of the word at hand, a row and column group each
    bool data = false;
    for (bool over = false; !over && !HasFailure();) {
      Shown s;
      bool wanted = slices.size() <= 1;
      if (!slices.empty()) {
        const uint64_t codes = slices.front();
        if ((codes & codes >> 1 & 0x55) != 0) {
          s.error = isa::ErrorCode::kBadOperand;
          wanted = false;
        } else {
          s.row = {c.s0 % kSets, c.s0 / kSets, group, row, codes};
          s.done = row + 1 == uint64_t{c.s1} + c.count && group + 1 == kColGroups;
        }
        slices.pop_front();
        over = s.done || !s.row;
        row += group + 1 == kColGroups;
        group = (group + 1) % kColGroups;
      }
      if (words > 0 && !data && wanted) s.read = address;
      std::array<uint8_t, 4 * kLanes> word{};
      for (size_t cell = 0; cell < 4 * word.size(); ++cell) {
        const uint64_t code = chance(rng, bad) ? 3 : rng() % 3;
        word[cell / 4] = static_cast<uint8_t>(word[cell / 4] | code << 2 * (cell % 4));
      }
      Signal(part.dut.act_rd_data_i).set_bytes(word);
      part.dut.pipeline_idle_i = rng() % 2;
      cycle(s);
      if (data) slices.assign(word.begin(), word.end());
      data = granted;
      address += granted;
      words -= granted;
    }
  }

  std::mt19937_64 rng;
  Part<Vpim_part_load> part;
  uint64_t bank = 0;
  std::optional<std::pair<uint64_t, uint64_t>> written;  // words that may be still to write
  double grants = 1, takes = 1, idles = 1;
  bool granted = false, taken = false;
};

TEST_F(PimLoad, AnyInstruction) {
  uint64_t place = 0;
  for (int round = 0; round < 4000; ++round) {
    SCOPED_TRACE(round);
    if (round % 100 == 0) {
      grants = std::array{0.3, 1.0}[rng() % 2];
      takes = std::array{0.2, 1.0}[rng() % 2];
      idles = std::array{0.05, 0.3, 1.0}[rng() % 3];
      place = rng() % (kActWords - 100);
    }
    const bool settings = rng() % 10 != 0;  // in range
    part.dut.rows_per_conv_i = static_cast<uint16_t>(settings ? 1 + rng() % kRows : rng() >> (rng() % 16));
    part.dut.adc_bits_i = static_cast<uint8_t>(settings ? 1 + rng() % kAdcBits : rng() % 16);
    while (rng() % 4 == 0) cycle({.ready = true});
    UnitCmd c = rng() % 4 == 0   ? random_xprog(rng)
                : rng() % 2 == 0 ? xbar_near(rng, place)
                                 : random_xbar(rng);
    if (rng() % 4 == 0) spoil(rng, c);
    run(c, round % 200 == 0 ? 20000 : 200);
    ASSERT_FALSE(HasFailure());
  }
}

// --- column groups, to the words they write

// The machine `unit`.
constexpr uint64_t kOutSets = 2, kOutLanes = 4, kOutColGroups = 2, kGroupWords = 2, kOutTileWords = 4,
                   kOutActWords = 512;
constexpr size_t kSumWidth = 14;

using Lanes = std::array<uint32_t, kOutLanes>;

// A word of the column group in the hold registers, and what becomes of it.
struct Word {
  uint64_t in_group, in_tile, address, sets;
  bool first, emit, write, frees, done;
};

// In the order in which they are read.
std::deque<Word> words_of(const Chunk& c, uint64_t group, uint64_t enabled,
                          const std::array<uint64_t, kOutSets>& columns) {
  std::deque<Word> words;
  for (uint64_t col = 0; col < c.col_tiles; ++col) {
    for (uint64_t w = 0; w < kGroupWords; ++w) {
      const uint64_t in_tile = group * kGroupWords + w, index = col * kOutTileWords + in_tile;
      const bool frees = col + 1 == c.col_tiles && w + 1 == kGroupWords;
      uint64_t sets = 0;
      for (uint64_t s = 0; s < kOutSets; ++s) {
        if ((enabled >> s & 1) != 0 && columns[s] == col) sets |= 1 << s;
      }
      words.push_back({.in_group = w,
                       .in_tile = in_tile,
                       .address = (c.out_word + index) % kOutActWords,
                       .sets = sets,
                       .first = c.part_first != 0,
                       .emit = c.part_last != 0,
                       .write = index < c.words_left,
                       .frees = frees,
                       .done = frees && c.last != 0 && group + 1 == kOutColGroups});
    }
  }
  return words;
}

// Chunks as they follow each other: whole column tiles, or the parts of one.
class Chunks {
 public:
  Chunk next(std::mt19937_64& rng) {
    Chunk c = random_chunk(rng, kOutSets);
    if (parts_ == 0) {
      parts_ = std::array<uint64_t, 4>{1, 1, 2, 5}[rng() % 4];
      whole_ = parts_ == 1;
      c.part_first = 1;
      shown_ = c;
      // Few words, and just above a power of two.
      if (rng() % 2 == 0) shown_.words_left = rng() % 16;
      if (rng() % 4 == 0) shown_.words_left = (uint64_t{1} << rng() % 16) + rng() % 8;
    } else {
      c.part_first = 0;
    }
    if (!whole_) c.col_tiles = 1;
    c.part_last = --parts_ == 0;
    c.last = c.part_last & c.last;
    c.out_word = shown_.out_word;
    c.words_left = shown_.words_left;
    return c;
  }

  void reset() { parts_ = 0; }

 private:
  uint64_t parts_ = 0;
  bool whole_ = true;
  Chunk shown_{};
};

TEST(PimReduce, WordsOfChunks) {
  auto rng = make_rng(3);
  Part<Vpim_part_reduce> part;
  auto& dut = part.dut;
  dut.group_start_i = dut.capture_i = dut.act_wr_gnt_i = 0;
  part.reset();
  struct Out {
    Word word;
    Lanes data;
  };
  Chunks chunks;
  Chunk chunk{};
  uint64_t group = kOutColGroups;  // the next of the chunk
  bool started = false, full = false, done = false;
  std::deque<Word> held;  // to be read from the hold registers
  std::deque<Word> sum;   // at most one, as in the next
  std::deque<Out> out;
  std::array<Lanes, kOutTileWords> parts{};
  double starts = 0, captures = 0, grants = 0;
  for (int cycle = 0; cycle < 40000; ++cycle) {
    SCOPED_TRACE(cycle);
    if (cycle % 200 == 0) {
      starts = std::array{0.05, 0.5, 1.0}[rng() % 3];
      captures = std::array{0.2, 1.0}[rng() % 2];
      grants = std::array{0.1, 0.5, 1.0}[rng() % 3];
    }
    dut.rst_ni = !chance(rng, 0.001);
    dut.act_wr_gnt_i = chance(rng, grants);
    dut.capture_i = started && !full && chance(rng, captures);
    const bool writes = !out.empty() && out.front().word.write;
    const bool out_free = !writes || dut.act_wr_gnt_i != 0;
    const bool sum_free = sum.empty() || !sum.front().emit || out_free;
    const bool read = full && sum_free, frees = read && held.front().frees;
    const bool busy = started || !sum.empty() || !out.empty() || done;
    // The setting changes while there is nothing to do.
    if (!busy && chance(rng, 0.5)) dut.lsb_shift_i = rng() % 8;
    const bool start = (!started || frees) && chance(rng, starts);
    if (start && group == kOutColGroups) {
      chunk = chunks.next(rng);
      group = 0;
    }
    dut.group_start_i = start;
    dut.group_i = start ? group : rng() % kOutColGroups;
    dut.group_last_i = start ? group + 1 == kOutColGroups : rng() % 2;
    drive(Signal(dut.chunk_i), start ? chunk : random_chunk(rng, kOutSets));
    const uint64_t enabled = rng() % (1 << kOutSets);
    std::array<uint64_t, kOutSets> columns{};
    for (size_t s = 0; s < kOutSets; ++s) {
      columns[s] = rng() % kOutSets;
      put_bits(Signal(dut.set_col_i), s, 1, columns[s]);
    }
    dut.set_en_i = enabled;

    dut.eval();
    ASSERT_EQ(dut.read_o, read);
    ASSERT_EQ(dut.read_sets_o, read ? held.front().sets : 0);
    if (read) {
      ASSERT_EQ(dut.read_word_o, held.front().in_group);
    }
    ASSERT_EQ(dut.hold_free_o, frees);
    ASSERT_EQ(dut.act_wr_req_o, writes);
    if (writes) {
      ASSERT_EQ(dut.act_wr_addr_o, out.front().word.address);
      for (size_t l = 0; l < kOutLanes; ++l) {
        ASSERT_EQ(bits_of(Signal(dut.act_wr_data_o), 32 * l, 32), out.front().data[l]) << "lane " << l;
      }
      ASSERT_EQ(dut.act_wr_be_o, 0xFFFF);
    }
    ASSERT_EQ(dut.done_o, done);
    ASSERT_EQ(dut.busy_o, busy);

    // From the last stage to the first, each into one that is free.
    done = !out.empty() && out_free && out.front().word.done;
    if (out_free) out.clear();
    if (!sum.empty() && sum_free) {
      const Word word = sum.front();
      sum.clear();
      Lanes total = word.first ? Lanes{} : parts[word.in_tile];
      for (size_t l = 0; l < kOutLanes; ++l) {
        const auto raw = static_cast<uint32_t>(bits_of(Signal(dut.sum_i), kSumWidth * l, kSumWidth));
        const uint32_t sign = uint32_t{1} << (kSumWidth - 1);
        total[l] += ((raw ^ sign) - sign) << dut.lsb_shift_i;
      }
      if (word.emit) {
        out.push_back({word, total});
      } else {
        parts[word.in_tile] = total;
      }
    }
    if (read) {
      sum.push_back(held.front());
      held.pop_front();
    }
    if (frees) started = full = false;
    if (dut.capture_i != 0) full = true;
    if (start) {
      started = true;
      held = words_of(chunk, group, enabled, columns);
      ++group;
    }
    if (dut.rst_ni == 0) {
      started = full = done = false;
      sum.clear();
      out.clear();
      held.clear();
      chunks.reset();
      group = kOutColGroups;
    }
    part.clock();
    // Sums stay until the next word is read.
    for (auto& byte : read ? Signal(dut.sum_i).bytes() : std::span<uint8_t>()) {
      byte = static_cast<uint8_t>(rng());
    }
    put_bits(Signal(dut.sum_i), kSumWidth * kOutLanes, 8, 0);
  }
}

}  // namespace
}  // namespace pimllm::tb

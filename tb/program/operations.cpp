#include "tb/program/operations.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "golden/error.hpp"

namespace pimllm::tb {
namespace {

using isa::Opcode;
using isa::Unit;

constexpr int kAct = 0, kScr = 1, kKvs = 2, kScl = 3;  // mode[1:0] of LOADL and STOREL
constexpr uint8_t kNorth = 1, kAccumulate = 2, kOpen = 4, kRotated = 8, kThreePlanes = 0x20;
constexpr uint8_t kGated = 4, kKeepAnew = 6, kActKeepAnew = 0x30, kNormKnown = 4, kQuantKnown = 0x73;
constexpr uint64_t kPairs = 1 << 16;  // of s2, QUANT of K and V
constexpr uint8_t kConsmax = 1, kContinue = 2;
constexpr uint64_t kOneGroup = 7;

// Crossbars that programs use, at the bottom and at the top: most keep what the set-up wrote.
constexpr uint64_t kFixedCrossbars = 12, kScratchCrossbars = 4;
constexpr uint64_t kCrossbars = kFixedCrossbars + kScratchCrossbars;

uint64_t up(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

void read(Operation& op, Space space, uint64_t first, uint64_t count) {
  op.accesses.push_back({space, first, count, false});
}
void write(Operation& op, Space space, uint64_t first, uint64_t count) {
  op.accesses.push_back({space, first, count, true});
}

}  // namespace

OperationSource::OperationSource(const HardwareParameters& hardware, const Window& window,
                                 const MemoryMap& map, std::mt19937_64& rng)
    : h_(hardware),
      w_(window),
      map_(map),
      rng_(rng),
      lanes_(static_cast<uint64_t>(hardware.vec_lanes)),
      cols_(static_cast<uint64_t>(hardware.array_cols)),
      banks_(static_cast<uint64_t>(hardware.group_banks())),
      groups_(static_cast<uint64_t>(hardware.groups())),
      beat_(static_cast<uint64_t>(hardware.channel_bytes)),
      act_bytes_(static_cast<uint64_t>(hardware.act_bytes())),
      scr_bytes_(static_cast<uint64_t>(hardware.scr_bytes())) {}

uint64_t OperationSource::within(Region region, uint64_t size, uint64_t step) {
  if (size > region.size) fail("random operand: expected at most {} places, found {}", region.size, size);
  return region.first + pick(0, (region.size - size) / step) * step;
}

uint64_t OperationSource::beats(Region region, uint64_t bytes) {
  return within(region, up(bytes, beat_) * beat_, beat_);
}

uint64_t OperationSource::chunks() { return coin(0.15) ? pick(9, 24) : pick(1, 8); }

uint64_t OperationSource::lg_head() {
  const uint64_t least = std::bit_width(std::max<uint64_t>(2 * cols_ / lanes_, 1)) - 1U;
  return least + (coin(0.3) ? 1 : 0);
}

uint64_t OperationSource::pick_heads() { return coin(0.2) ? pick(5, 6) : pick(1, 4); }

uint64_t OperationSource::destination(const Operation& op, Space space, Region region, uint64_t size,
                                      uint64_t step) {
  constexpr int kTries = 200;
  for (int i = 0; i < kTries; ++i) {
    const uint64_t first = within(region, size, step);
    const bool good = std::all_of(op.accesses.begin(), op.accesses.end(), [&](const Access& a) {
      return a.space != space || apart(first, size, a.first, a.count);
    });
    if (good) return first;
  }
  fail("random operand: expected room for {} places of {}, found none", size, space_name(space));
}

// --- DMA ---

Operation OperationSource::linear(bool load, int space, Region region, Region memory, uint64_t count,
                                  uint64_t step) {
  const uint64_t halves = space == kScr ? 2 : 1;
  const uint64_t bytes = count * (space == kAct ? act_bytes_ : scr_bytes_);
  constexpr std::array kSpaces = {Space::kAct, Space::kScr, Space::kKvs};
  Operation op;
  op.opcode = load ? Opcode::kLoadl : Opcode::kStorel;
  op.mode = static_cast<uint8_t>(space);
  op.count = static_cast<uint16_t>(count);
  op.a0 = within(region, count * halves, step);
  op.a1 = beats(memory, bytes);
  if (count == 0) return op;
  op.accesses.push_back({kSpaces[static_cast<size_t>(space)], *op.a0, count * halves, load});
  op.accesses.push_back({Space::kMemory, *op.a1 / beat_, up(bytes, beat_), !load});
  return op;
}

// Between a part of Window::scl and the same part of an image. The last beat may be cut short: it ends in the
// same region.
Operation OperationSource::scalars(bool load, Region region) {
  const uint64_t step = beat_ / 4;
  Operation op;
  op.opcode = load ? Opcode::kLoadl : Opcode::kStorel;
  op.mode = kScl;
  op.a0 = region.first + pick(0, region.size / step - 1) * step;
  const uint64_t count = pick(1, std::min<uint64_t>(region.end() - *op.a0, 24));
  op.count = static_cast<uint16_t>(count);
  op.a1 = map_.images.first + pick(0, kImages - 1) * map_.image_bytes + 4 * (*op.a0 - w_.scl.first);
  op.accesses.push_back({Space::kScl, *op.a0, count, load});
  op.accesses.push_back({Space::kMemory, *op.a1 / beat_, up(4 * count, beat_), !load});
  return op;
}

Operation OperationSource::tiles(uint64_t count, uint64_t rows) {
  Operation op;
  op.opcode = Opcode::kLoadt;
  op.count = static_cast<uint16_t>(count);
  op.s0 = rows;
  op.s1 = pick(0, 2 * groups_ - 1);
  op.a0 = within(w_.kv, std::max<uint64_t>(up(count, groups_), 1) * rows);
  op.a1 = beats(map_.general, count * rows * beat_);
  if (count == 0) return op;
  read(op, Space::kMemory, *op.a1 / beat_, count * rows);
  for (uint64_t t = 0; t < count; ++t) {
    const uint64_t group = (t + *op.s1) % groups_;
    write(op, Space::kKv, group * static_cast<uint64_t>(h_.kv_rows) + *op.a0 + t / groups_ * rows, rows);
  }
  return op;
}

Operation OperationSource::store_tile() {
  Operation op;
  op.opcode = Opcode::kStoret;
  op.s0 = pick(1, 8);
  op.s1 = pick(0, 2 * groups_ - 1);
  op.a0 = within(w_.kv, *op.s0);
  op.a1 = beats(map_.general, *op.s0 * beat_);
  read(op, Space::kKv, *op.s1 % groups_ * static_cast<uint64_t>(h_.kv_rows) + *op.a0, *op.s0);
  write(op, Space::kMemory, *op.a1 / beat_, *op.s0);
  return op;
}

std::vector<Operation> OperationSource::dma() {
  const bool load = coin(0.6);
  const uint64_t none = coin(0.03) ? 0 : 1;  // a factor
  switch (pick(0, 11)) {
    case 0:
    case 1:
    case 2:
      return {linear(load, kAct, w_.act, map_.general, none * chunks())};
    case 3:
      return {linear(true, kAct, w_.act_small, map_.small, pick(1, 8))};
    case 4:
      return {linear(load, kAct, w_.act_scales, map_.scales, pick(1, 8))};
    case 5:
    case 6:
      return {linear(load, kScr, w_.scr, map_.scores, none * pick(1, 12), 2)};
    case 7:
      return {linear(load, kKvs, w_.kvs, map_.scales, pick(1, 8))};
    case 8:
      return {scalars(load, std::array{w_.records, w_.erefs, w_.scales}[pick(0, 2)])};
    case 9:
      return {scalars(true, w_.points)};
    default:
      return {load ? tiles(none * pick(1, 4), pick(1, 8)) : store_tile()};
  }
}

// --- PIM ---

Operation OperationSource::project() {
  const auto rows = static_cast<uint64_t>(h_.xbar_rows), columns = static_cast<uint64_t>(h_.xbar_cols);
  const uint64_t tile_words = columns / lanes_;
  constexpr int kMostTiles = 4;
  Operation op;
  op.opcode = Opcode::kXbar;
  // Up to three parts of a column tile.
  const uint64_t row_tiles = coin(0.2) ? pick(1, 2 * static_cast<uint64_t>(h_.xbar_sets) + 1) : pick(1, 2);
  const uint64_t column_tiles = pick(1, std::min<uint64_t>(kMostTiles, kCrossbars / row_tiles));
  const uint64_t words = (column_tiles - 1) * tile_words + (coin(0.5) ? tile_words : pick(1, tile_words));
  op.count = static_cast<uint16_t>(words);
  op.s1 = row_tiles;
  const uint64_t bank = coin(0.5) ? 0 : static_cast<uint64_t>(h_.crossbars()) - kCrossbars;
  op.s0 = bank + pick(0, kCrossbars - row_tiles * column_tiles);
  const uint64_t in_words = row_tiles * rows / act_bytes_;
  op.a0 = within(w_.act, in_words);
  read(op, Space::kAct, *op.a0, in_words);
  op.a1 = destination(op, Space::kAct, w_.act, words);
  write(op, Space::kAct, *op.a1, words);
  return op;
}

std::vector<Operation> OperationSource::program_rows() {
  const auto rows = static_cast<uint64_t>(h_.xbar_rows);
  const uint64_t row_bytes = static_cast<uint64_t>(h_.xbar_cols) / 4;
  Operation op;
  op.opcode = Opcode::kXprog;
  op.s1 = coin(0.2) ? pick(0, rows - 1) : 0;
  const uint64_t count = coin(0.2) ? rows - *op.s1 : pick(1, std::min<uint64_t>(rows - *op.s1, 8));
  op.count = static_cast<uint16_t>(count);
  const uint64_t bank = coin(0.5) ? 0 : static_cast<uint64_t>(h_.crossbars()) - kCrossbars;
  op.s0 = bank + kFixedCrossbars + pick(0, kScratchCrossbars - 1);
  const uint64_t words = up(count * row_bytes, act_bytes_);
  Operation load = linear(true, kAct, w_.act, map_.codes, words);
  op.a0 = load.a0;
  read(op, Space::kAct, *op.a0, words);
  return {load, op};
}

// --- array ---

// PV multiplies whole tiles: numerators of tokens beyond the last are zero where SOFTMAX wrote them, else the
// tokens are whole tiles.
Operation OperationSource::attention(bool pv) {
  const uint64_t rows_of_array = static_cast<uint64_t>(h_.array_rows);
  Operation op;
  op.opcode = pv ? Opcode::kPv : Opcode::kQk;
  const bool north = coin(0.35), open = coin(0.3), three = pv && coin(0.5);
  uint64_t most_lg = 0;
  while (most_lg < 3 && (uint64_t{2} << most_lg) <= groups_) ++most_lg;
  const uint64_t lg = north ? 0 : pick(0, most_lg);
  op.mode = static_cast<uint8_t>((north ? kNorth : 0) | (coin(0.3) ? kAccumulate : 0) | (open ? kOpen : 0) |
                                 (lg << 3) | (three ? kThreePlanes : 0));
  uint64_t heads = north ? pick(1, rows_of_array) : uint64_t{1} << lg;
  const uint64_t tiles = pick(1, 4);
  const uint64_t tokens = pv ? tiles * cols_ : (tiles - 1) * cols_ + pick(1, cols_);
  const uint64_t ch = pv ? uint64_t{1} << pick(0, 1) : 0;
  const uint64_t dims = pv ? ch * cols_ : banks_ * pick(1, std::max<uint64_t>(3 * cols_ / banks_, 1));
  const uint64_t tile_rows = dims / banks_;
  const uint64_t ring = tiles - (open ? 1 : 0);
  const uint64_t a_halves = pv ? tiles * (three ? 2 : 1) : up(dims, 2 * cols_);
  const uint64_t d_halves = 2 * (pv ? (three ? 3 : 2) * ch : tiles);
  const uint64_t room = w_.scr.size / 3;  // a third for the operands, the rest for results
  uint64_t a_stride = pick(0, a_halves + 1), d_stride = d_halves + 2 * pick(0, 1);
  while (heads > 1 && (heads * d_stride > room || heads * std::max(a_stride, a_halves) > room)) {
    if (!north) {  // the number of heads is the mode's
      a_stride = 0;
      d_stride = d_halves;
      break;
    }
    --heads;
  }
  op.count = static_cast<uint16_t>(tokens);
  op.s0 = pv ? ch : dims;
  const uint64_t a_span = (heads - 1) * a_stride + a_halves, d_span = (heads - 1) * d_stride + d_halves;
  op.a0 = within(w_.scr, a_span);
  for (uint64_t i = 0; i < heads; ++i) read(op, Space::kScr, *op.a0 + i * a_stride, a_halves);
  const Operation sources = op;
  op.a2 = destination(sources, Space::kScr, w_.scr, d_span, 2);
  // Two kv heads so many rows apart, their open tiles two.
  const uint64_t ring_rows = std::max<uint64_t>(up(ring, groups_), 1) * tile_rows;
  const bool fits = ring_rows < w_.kv.size && 3 * tile_rows <= w_.kv.size;
  const uint64_t pair_rows = lg == 1 && fits && coin(0.6) ? pick(1, w_.kv.size - ring_rows) : 0;
  const uint64_t m = north ? heads : lg == 1 ? pair_rows : pick(0, rows_of_array);
  const bool rotated = north && coin(0.5);
  if (rotated) op.mode |= kRotated;
  op.s2 = d_stride << 32 | a_stride << 16 | m;
  op.a1 = within(w_.kv, ring_rows + pair_rows);
  op.s1 = within(w_.kv, (pair_rows != 0 ? 3 : 1) * tile_rows);
  for (uint64_t t = 0; t < tiles; ++t) {
    const bool from_open = open && t == tiles - 1;
    const uint64_t row = from_open ? *op.s1 : *op.a1 + t / groups_ * tile_rows;
    const auto tile_read = [&](uint64_t turn, uint64_t first) {
      read(op, Space::kKv, (t + turn) % groups_ * static_cast<uint64_t>(h_.kv_rows) + first, tile_rows);
    };
    tile_read(rotated ? groups_ / 2 : 0, row);
    if (pair_rows != 0) tile_read(groups_ / 2, row + (from_open ? 2 * tile_rows : pair_rows));
  }
  for (uint64_t i = 0; i < heads; ++i) {
    if ((op.mode & kAccumulate) != 0) read(op, Space::kScr, *op.a2 + i * d_stride, d_halves);
    write(op, Space::kScr, *op.a2 + i * d_stride, d_halves);
  }
  return op;
}

// --- softmax unit ---

Operation OperationSource::softmax(bool scan) {
  Operation op;
  op.opcode = scan ? Opcode::kSmaxscan : Opcode::kSoftmax;
  const bool consmax = !scan && coin(0.4), open = coin(0.3), resume = coin(0.4);
  op.mode = static_cast<uint8_t>((consmax ? kConsmax : 0) | (resume ? kContinue : 0) | (open ? kOpen : 0));
  const uint64_t tiles = coin(0.2) ? pick(5, 8) : pick(1, 4);
  op.count = static_cast<uint16_t>((tiles - 1) * cols_ + pick(1, cols_));
  const uint64_t ring = tiles - (open ? 1 : 0);
  op.a0 = within(w_.scr, 2 * tiles, 2);
  read(op, Space::kScr, *op.a0, 2 * tiles);
  op.a2 = within(w_.kvs, std::max<uint64_t>(2 * ring, 1), 2);
  if (ring > 0) read(op, Space::kKvs, *op.a2, 2 * ring);
  op.s2 = within(w_.kvs, 2, 2);
  if (open) read(op, Space::kKvs, *op.s2, 2);
  op.s0 = record();
  read(op, Space::kScl, *op.s0, kRecordWords);
  op.s1 = coin(0.5) ? *op.s0 + kRecordWords - 1
                    : w_.erefs.first + kErefGroup * pick(0, w_.erefs.size / kErefGroup - 1) +
                          pick(1, kErefGroup - 1);
  read(op, Space::kScl, *op.s1, 1);
  if (scan) {
    op.a1 = w_.scr.first;  // not used
    write(op, Space::kScl, *op.s0 + 3, 2);
    return op;
  }
  const uint64_t halves = tiles * (consmax ? 1 : 2);
  op.a1 = destination(op, Space::kScr, w_.scr, halves, consmax ? 1 : 2);
  write(op, Space::kScr, *op.a1, halves);
  if (consmax) {
    write(op, Space::kScl, *op.s0 + 5, 2);
  } else {
    write(op, Space::kScl, *op.s0 + 3, 3);
  }
  return op;
}

std::vector<Operation> OperationSource::softmax_and_pv() {
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; ++i) {
    Operation normal = softmax(false);
    Operation product = attention(true);
    const bool consmax = (normal.mode & kConsmax) != 0, three = (product.mode & kThreePlanes) != 0;
    const uint64_t tiles = up(normal.count, cols_);
    if (consmax == three || up(product.count, cols_) != tiles || (product.mode >> 3 & 3) != 0) continue;
    if ((product.mode & kNorth) != 0 && (*product.s2 & 0xFFFF) != 1) continue;
    const uint64_t halves = tiles * (consmax ? 1 : 2);
    const uint64_t written = 2 * (three ? 3 : 2) * *product.s0;
    if (!apart(*normal.a1, halves, *product.a2, written)) continue;
    product.count = normal.count;
    product.a0 = normal.a1;
    product.accesses.front() = {Space::kScr, *product.a0, halves, false};
    return {normal, product};
  }
  return {softmax(false)};
}

// --- vector unit ---

Operation OperationSource::norm() {
  Operation op;
  op.opcode = Opcode::kNorm;
  const uint64_t n = pick(1, 8);
  op.count = static_cast<uint16_t>(n);
  op.mode = static_cast<uint8_t>(pick(0, 3));
  op.a0 = within(w_.act, n);
  read(op, Space::kAct, *op.a0, n);
  const uint64_t weights = n * ((op.mode & 1) != 0 ? 2 : 1);
  op.a1 = within(w_.act_small, weights);
  read(op, Space::kAct, *op.a1, weights);
  op.s0 = scale();
  op.s1 = within(w_.scales, 3);
  read(op, Space::kScl, *op.s0, 1);
  read(op, Space::kScl, *op.s1, 3);
  if ((op.mode & 2) != 0) {
    const uint64_t halves = up(n * lanes_, 2 * cols_);
    op.a2 = within(w_.scr, halves);
    write(op, Space::kScr, *op.a2, halves);
  } else {
    op.a2 = destination(op, Space::kAct, w_.act, up(n, 4));
    write(op, Space::kAct, *op.a2, up(n, 4));
  }
  op.s2 = destination(op, Space::kScl, w_.scales, 1);
  write(op, Space::kScl, *op.s2, 1);
  return op;
}

Operation OperationSource::quantise() {
  Operation op;
  op.opcode = Opcode::kQuant;
  const uint64_t aux = pick(0, 2);
  uint64_t to = pick(0, 3);
  uint64_t lg = lg_head(), heads = pick_heads();
  if (coin(0.15)) {
    lg = kOneGroup;
    to &= 1;
    heads = 1;
  }
  const uint64_t head_chunks = lg == kOneGroup ? pick(1, 8) : uint64_t{1} << lg;
  const uint64_t dims = head_chunks * lanes_;
  if (to >= 2) heads = std::min(heads, w_.kv.size / (2 * dims / banks_));
  const uint64_t n = heads * head_chunks;
  op.count = static_cast<uint16_t>(n);
  op.mode = static_cast<uint8_t>(aux | to << 2 | lg << 4);
  op.a0 = within(w_.act, n);
  read(op, Space::kAct, *op.a0, n);
  op.a1 = w_.act.first;
  if (aux != 0) {
    const uint64_t words = aux == 1 ? n : head_chunks;
    op.a1 = within(aux == 1 ? w_.act : w_.act_small, words);
    read(op, Space::kAct, *op.a1, words);
  }
  op.s0 = scale();
  op.s1 = to == 3 ? w_.erefs.first + kErefGroup * pick(0, w_.erefs.size / kErefGroup - 1) : scale();
  read(op, Space::kScl, *op.s0, 1);
  read(op, Space::kScl, *op.s1, 1);
  if (to == 0) {
    op.a2 = destination(op, Space::kAct, w_.act, up(n, 4));
    write(op, Space::kAct, *op.a2, up(n, 4));
    op.s2 = destination(op, Space::kScl, w_.scales, heads);
    write(op, Space::kScl, *op.s2, heads);
  } else if (to == 1) {
    const uint64_t halves = up(n * lanes_, 2 * cols_);
    op.a2 = within(w_.scr, halves);
    write(op, Space::kScr, *op.a2, halves);
    op.s2 = w_.records.first + kRecordWords * pick(0, w_.records.size / kRecordWords - heads);
    for (uint64_t i = 0; i < heads; ++i) write(op, Space::kScl, *op.s2 + kRecordWords * i, 1);
  } else {
    const bool v = to == 3;
    const uint64_t tile_rows = dims / banks_, chunk_words = dims / cols_;
    op.position = static_cast<uint16_t>(pick(0, 65535));
    const uint64_t token = *op.position % cols_;
    const bool pairs = coin(0.5);
    op.a2 = within(w_.kv, 2 * heads * tile_rows);
    op.s2 = within(w_.kvs, 2 * heads, 2);
    for (uint64_t i = 0; i < heads; ++i) {
      const uint64_t turn = pairs && i % 2 == 1 ? groups_ / 2 : 0;
      const uint64_t group = (*op.position / cols_ + turn) % groups_ * static_cast<uint64_t>(h_.kv_rows);
      const uint64_t base = group + *op.a2 + (2 * i + (v ? 1 : 0)) * tile_rows;
      const uint64_t first = token * chunk_words / banks_;
      const uint64_t last = ((token + 1) * chunk_words - 1) / banks_;
      if (v) {
        write(op, Space::kKv, base + first, last - first + 1);
        read(op, Space::kScl, *op.s1 + 1 + i, 1);
        write(op, Space::kScl, *op.s1 + 1 + i, 1);
      } else {
        write(op, Space::kKv, base, tile_rows);
      }
      write(op, Space::kKvs, *op.s2 + 2 * i + (v ? 1 : 0), 1);
    }
    if (pairs) op.s2 = *op.s2 | kPairs;
  }
  return op;
}

Operation OperationSource::join() {
  Operation op;
  op.opcode = Opcode::kJoin;
  const uint64_t lg = lg_head(), heads = pick_heads(), planes = pick(2, 3);
  const uint64_t n = heads << lg;
  op.count = static_cast<uint16_t>(n);
  op.mode = static_cast<uint8_t>((planes - 2) | lg << 4);
  const uint64_t halves = heads * 2 * planes * ((lanes_ << lg) / cols_);
  op.a0 = within(w_.scr, halves, 2);
  read(op, Space::kScr, *op.a0, halves);
  op.s0 = w_.records.first + kRecordWords * pick(0, w_.records.size / kRecordWords - heads) + 5;
  for (uint64_t i = 0; i < heads; ++i) read(op, Space::kScl, *op.s0 + kRecordWords * i, 1);
  op.a2 = within(w_.act, n);
  write(op, Space::kAct, *op.a2, n);
  return op;
}

Operation OperationSource::residual() {
  Operation op;
  op.opcode = Opcode::kResadd;
  const uint64_t n = chunks();
  op.count = static_cast<uint16_t>(n);
  op.mode = static_cast<uint8_t>(pick(0, 1));
  op.a0 = within(w_.act, n);
  read(op, Space::kAct, *op.a0, n);
  op.a1 = w_.act.first;
  if (op.mode != 0) {
    op.a1 = within(w_.act, n);
    read(op, Space::kAct, *op.a1, n);
  }
  op.a2 = destination(op, Space::kAct, w_.act, n);
  read(op, Space::kAct, *op.a2, n);
  write(op, Space::kAct, *op.a2, n);
  op.s0 = scale();
  op.s1 = scale();
  op.s2 = within(w_.points, 1);
  for (const auto s : {*op.s0, *op.s1, *op.s2}) read(op, Space::kScl, s, 1);
  return op;
}

Operation OperationSource::activation() {
  Operation op;
  op.opcode = Opcode::kActfn;
  const uint64_t n = chunks();
  const uint64_t function = pick(0, 3);
  const bool gated = coin(0.4), bias = !gated && function != 1 && coin(0.5);
  op.count = static_cast<uint16_t>(n);
  op.mode = static_cast<uint8_t>(function | (gated ? 4U : 0U) | (bias ? 8U : 0U));
  op.a0 = within(w_.act, n);
  read(op, Space::kAct, *op.a0, n);
  op.a1 = w_.act.first;
  if (gated || bias) {
    op.a1 = within(w_.act, n);
    read(op, Space::kAct, *op.a1, n);
  }
  op.a2 = destination(op, Space::kAct, w_.act, n);
  write(op, Space::kAct, *op.a2, n);
  op.s0 = scale();
  op.s1 = within(w_.scales, 2);
  read(op, Space::kScl, *op.s0, 1);
  read(op, Space::kScl, *op.s1, gated ? 2 : 1);
  op.s2 = destination(op, Space::kScl, w_.scales, 1);
  write(op, Space::kScl, *op.s2, 1);
  return op;
}

Operation OperationSource::embedding() {
  Operation op;
  op.opcode = Opcode::kEmbed;
  const uint64_t n = chunks();
  op.count = static_cast<uint16_t>(n);
  op.mode = static_cast<uint8_t>(pick(0, 1));
  op.a0 = within(w_.act, up(n, 4));
  read(op, Space::kAct, *op.a0, up(n, 4));
  op.a1 = w_.act.first;
  if (op.mode != 0) {
    op.a1 = within(w_.act, n);
    read(op, Space::kAct, *op.a1, n);
  }
  op.a2 = destination(op, Space::kAct, w_.act, n);
  write(op, Space::kAct, *op.a2, n);
  op.s0 = scale();
  op.s2 = within(w_.points, 1);
  read(op, Space::kScl, *op.s0, 1);
  read(op, Space::kScl, *op.s2, 1);
  return op;
}

// The first of a program starts the maximum: lower() sees to that.
Operation OperationSource::logits() {
  Operation op;
  op.opcode = Opcode::kLogit;
  const uint64_t n = pick(1, 8);
  op.count = static_cast<uint16_t>(n);
  op.mode = coin(0.3) ? 1 : 0;
  const uint64_t halves = 2 * up(n * lanes_, cols_);
  op.a0 = within(w_.scr, halves, 2);
  read(op, Space::kScr, *op.a0, halves);
  op.a1 = within(w_.act_scales, n);
  read(op, Space::kAct, *op.a1, n);
  op.a2 = within(w_.act, n);
  write(op, Space::kAct, *op.a2, n);
  op.s0 = scale();
  read(op, Space::kScl, *op.s0, 1);
  op.s1 = pick(0, 60000);
  op.s2 = pick(1, n * lanes_);
  return op;
}

// --- programs ---

// A vector, and a quantisation or a norm that finds its maximum or sum kept.
std::vector<Operation> OperationSource::kept() {
  Operation write_it = coin(0.5) ? residual() : coin(0.5) ? embedding() : activation();
  const bool act = write_it.opcode == Opcode::kActfn;
  if (act && (write_it.mode & kGated) != 0) return {write_it};
  write_it.mode |= act ? kActKeepAnew : kKeepAnew;
  const uint64_t n = write_it.count;
  Operation op;
  op.opcode = coin(0.5) ? Opcode::kNorm : Opcode::kQuant;
  const bool norm = op.opcode == Opcode::kNorm;
  op.count = static_cast<uint16_t>(n);
  op.mode = norm ? static_cast<uint8_t>(kNormKnown | pick(0, 1)) : kQuantKnown;
  op.a0 = write_it.a2;
  read(op, Space::kAct, *op.a0, n);
  op.a1 = w_.act_small.first;
  op.s0 = scale();
  op.s1 = norm ? within(w_.scales, 3) : scale();
  if (norm) {
    const uint64_t weights = n * ((op.mode & 1) != 0 ? 2 : 1);
    if (weights > w_.act_small.size) return {write_it};
    op.a1 = within(w_.act_small, weights);
    read(op, Space::kAct, *op.a1, weights);
  }
  read(op, Space::kScl, *op.s0, 1);
  read(op, Space::kScl, *op.s1, norm ? 3 : 1);
  op.a2 = destination(op, Space::kAct, w_.act, up(n, 4));
  write(op, Space::kAct, *op.a2, up(n, 4));
  op.s2 = destination(op, Space::kScl, w_.scales, 1);
  write(op, Space::kScl, *op.s2, 1);
  return {write_it, op};
}

std::vector<Operation> OperationSource::draw(Unit unit) {
  switch (unit) {
    case Unit::kDma:
      return dma();
    case Unit::kPim:
      if (coin(0.15)) return program_rows();
      return {project()};
    case Unit::kArr:
      return {attention(coin(0.5))};
    case Unit::kSmx:
      if (coin(0.25)) return softmax_and_pv();
      return {softmax(coin(0.3))};
    default:
      switch (pick(0, 8)) {
        case 0:
          return {norm()};
        case 8:
          return kept();
        case 1:
        case 2:
          return {quantise()};
        case 3:
          return {join()};
        case 4:
          return {residual()};
        case 5:
          return {activation()};
        case 6:
          return {embedding()};
        default:
          return {logits()};
      }
  }
}

std::vector<Operation> OperationSource::prologue() {
  std::vector<Operation> out;
  // In pieces, so that units start while others still wait for their first operands.
  const auto pieces = [&](int space, Region region, Region memory, uint64_t most) {
    const uint64_t halves = space == kScr ? 2 : 1;
    for (uint64_t at = region.first; at < region.end();) {
      const uint64_t count = std::min(pick(most / 2, most), (region.end() - at) / halves);
      out.push_back(linear(true, space, {at, count * halves}, memory, count));
      at += count * halves;
    }
  };
  Operation scl = scalars(true, {w_.scl.first, beat_ / 4});
  scl.count = static_cast<uint16_t>(w_.scl.size);
  scl.a1 = map_.images.first + pick(0, kImages - 1) * map_.image_bytes;
  scl.accesses = {{Space::kScl, *scl.a0, w_.scl.size, true},
                  {Space::kMemory, *scl.a1 / beat_, 4 * w_.scl.size / beat_, false}};
  out.push_back(scl);
  pieces(kAct, w_.act, map_.general, 64);
  pieces(kAct, w_.act_small, map_.small, 24);
  pieces(kAct, w_.act_scales, map_.scales, 12);
  pieces(kScr, w_.scr, map_.scores, 40);
  pieces(kKvs, w_.kvs, map_.scales, 24);
  Operation kv = tiles(groups_, 1);
  kv.s0 = w_.kv.size;
  kv.s1 = 0;
  kv.a0 = w_.kv.first;
  kv.a1 = beats(map_.general, groups_ * w_.kv.size * beat_);
  kv.accesses = {{Space::kMemory, *kv.a1 / beat_, groups_ * w_.kv.size, false}};
  for (uint64_t g = 0; g < groups_; ++g) {
    write(kv, Space::kKv, g * static_cast<uint64_t>(h_.kv_rows) + w_.kv.first, w_.kv.size);
  }
  out.push_back(kv);
  return out;
}

std::vector<Operation> OperationSource::set_up() {
  std::vector<Operation> out;
  const std::array words = {h_.act_words, h_.scr_words, h_.kvs_words, h_.scl_words};
  const std::array word_bytes = {act_bytes_, scr_bytes_, scr_bytes_, uint64_t{4}};
  for (size_t space = 0; space < words.size(); ++space) {
    const auto total = static_cast<uint64_t>(words[space]);
    for (uint64_t at = 0; at < total;) {
      constexpr uint64_t kMostWords = 1024;
      const uint64_t count = std::min({total - at, kMostWords, map_.zeros.size / word_bytes[space]});
      Operation op;
      op.opcode = Opcode::kLoadl;
      op.mode = static_cast<uint8_t>(space);
      op.count = static_cast<uint16_t>(count);
      op.a0 = at * (space == kScr ? 2 : 1);
      op.a1 = map_.zeros.first;
      constexpr std::array kSpaces = {Space::kAct, Space::kScr, Space::kKvs, Space::kScl};
      write(op, kSpaces[space], *op.a0, space == kScr ? 2 * count : count);
      out.push_back(op);
      at += count;
    }
  }
  const auto kv_rows = static_cast<uint64_t>(h_.kv_rows);
  const uint64_t rows = std::min(kv_rows, map_.zeros.size / (groups_ * beat_));
  for (uint64_t at = 0; at < kv_rows; at += rows) {
    Operation op = tiles(0, 1);
    op.count = static_cast<uint16_t>(groups_);
    op.s0 = rows;
    op.s1 = 0;
    op.a0 = at;
    op.a1 = map_.zeros.first;
    for (uint64_t g = 0; g < groups_; ++g) write(op, Space::kKv, g * kv_rows + at, rows);
    out.push_back(op);
  }
  for (const uint64_t bank : {uint64_t{0}, static_cast<uint64_t>(h_.crossbars()) - kCrossbars}) {
    for (uint64_t i = 0; i < kCrossbars; ++i) {
      const auto count = static_cast<uint64_t>(h_.xbar_rows);
      const uint64_t bytes = static_cast<uint64_t>(h_.xbar_bytes());
      Operation load = linear(true, kAct, {0, bytes / act_bytes_}, map_.codes, bytes / act_bytes_);
      Operation op;
      op.opcode = Opcode::kXprog;
      op.count = static_cast<uint16_t>(count);
      op.a0 = load.a0;
      op.s0 = bank + i;
      op.s1 = 0;
      read(op, Space::kAct, *op.a0, bytes / act_bytes_);
      out.push_back(load);
      out.push_back(op);
    }
  }
  Operation clear = linear(true, kAct, {0, static_cast<uint64_t>(h_.xbar_bytes()) / act_bytes_}, map_.zeros,
                           static_cast<uint64_t>(h_.xbar_bytes()) / act_bytes_);
  clear.a1 = map_.zeros.first;
  out.push_back(clear);
  return out;
}

}  // namespace pimllm::tb

#include "sim/reference/reference.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "golden/error.hpp"
#include "golden/ops.hpp"

namespace pimllm {
namespace {

using isa::Opcode;
using isa::Unit;
using isa::UnitCommand;

constexpr int kScoreMaxWord = 3;
constexpr int kRecordWords = 8;
constexpr uint8_t kModeAccumulate = 2;
constexpr uint8_t kModeOpen = 4;
constexpr uint8_t kKeep = 2, kActKeep = 0x10;  // JOIN, RESADD, EMBED; ACTFN
constexpr uint8_t kNormKnown = 4;
constexpr int kAuxKnown = 3;
constexpr uint8_t kModeRotated = 8;             // north feed
constexpr uint64_t kPairs = uint64_t{1} << 16;  // of s2, QUANT of K and V
constexpr uint8_t kModeThreePlanes = 0x20;

size_t index_of(Space space) { return static_cast<size_t>(space); }

uint32_t get32(const uint8_t* p) {
  return static_cast<uint32_t>(p[0]) | static_cast<uint32_t>(p[1]) << 8 | static_cast<uint32_t>(p[2]) << 16 |
         static_cast<uint32_t>(p[3]) << 24;
}

void put32(uint8_t* p, uint32_t value) {
  for (size_t i = 0; i < 4; ++i) p[i] = static_cast<uint8_t>(value >> (8 * i));
}

int sign16(uint32_t v) { return static_cast<int16_t>(static_cast<uint16_t>(v)); }

// Binary point of a fixed scale 2^-f.
int fraction_bits(Scale s) { return -(s.e + 15); }

}  // namespace

Reference::Reference(const HardwareParameters& hardware, const CrossbarSettings& crossbar) : h_(hardware) {
  check_hardware(h_);
  set_crossbar(crossbar);
  const auto bytes = [](int words, int word) {
    return static_cast<size_t>(words) * static_cast<size_t>(word);
  };
  spaces_[index_of(Space::kAct)].resize(bytes(h_.act_words, h_.act_bytes()));
  spaces_[index_of(Space::kScr)].resize(bytes(h_.scr_words, h_.scr_bytes()));
  spaces_[index_of(Space::kKvs)].resize(bytes(h_.kvs_words, h_.scr_bytes()));
  spaces_[index_of(Space::kScl)].resize(bytes(h_.scl_words, 4));
  spaces_[index_of(Space::kKv)].resize(bytes(h_.kv_rows, h_.array_cols) * static_cast<size_t>(h_.array_rows));
  cells_.resize(bytes(h_.crossbars(), h_.xbar_rows) * static_cast<size_t>(h_.xbar_cols));
}

void Reference::set_crossbar(const CrossbarSettings& crossbar) {
  settings_ = crossbar;
  settings_.xbar_rows = h_.xbar_rows;
  settings_.bank = {h_.xbar_cols, h_.xbar_sets, h_.xbar_adcs};
  matrices_.clear();
}

void Reference::load(std::span<const MemorySegment> segments) {
  if (segments.empty()) fail("memory image: expected segments, found none");
  uint64_t low = ~uint64_t{0};
  uint64_t high = 0;
  for (const MemorySegment& s : segments) {
    low = std::min(low, s.address);
    high = std::max(high, s.address + s.size);
  }
  memory_base_ = low;
  const auto beat = static_cast<uint64_t>(h_.channel_bytes);
  memory_.assign((high - low + beat - 1) / beat * beat, 0);
  for (const MemorySegment& s : segments) {
    std::copy(s.bytes.begin(), s.bytes.end(), memory_.begin() + static_cast<std::ptrdiff_t>(s.address - low));
  }
  decoded_.clear();
}

// --- access to spaces
// -------------------------------------------------------------------------------------------

size_t Reference::word_bytes(Space space) const {
  switch (space) {
    case Space::kAct:
      return static_cast<size_t>(h_.act_bytes());
    case Space::kScl:
      return 4;
    case Space::kKv:
      return static_cast<size_t>(h_.array_cols);
    default:
      return static_cast<size_t>(h_.scr_bytes());
  }
}

size_t Reference::words(Space space) const {
  switch (space) {
    case Space::kAct:
      return static_cast<size_t>(h_.act_words);
    case Space::kScr:
      return static_cast<size_t>(h_.scr_words);
    case Space::kKvs:
      return static_cast<size_t>(h_.kvs_words);
    case Space::kScl:
      return static_cast<size_t>(h_.scl_words);
    default:
      return static_cast<size_t>(h_.kv_rows);
  }
}

size_t Reference::checked(Space space, uint64_t word, uint64_t count) const {
  if (word + count > words(space)) {
    fail("bad address: expected words below {} of {}, found {} from {} on", words(space), space_name(space),
         count, word);
  }
  return static_cast<size_t>(word) * word_bytes(space);
}

void Reference::note_read(Space space, uint64_t word, uint64_t count) {
  if (hazards_) hazards_->read(space, word, count);
}

void Reference::note_write(Space space, uint64_t word, uint64_t count) {
  if (hazards_) hazards_->write(space, word, count);
}

std::span<uint8_t> Reference::bytes(Space space) {
  return space == Space::kMemory ? std::span(memory_) : std::span(spaces_[index_of(space)]);
}

std::span<const uint8_t> Reference::memory(uint64_t address, size_t size) const {
  if (address < memory_base_ || address + size > memory_base_ + memory_.size()) {
    fail("memory: expected {:#x} to {:#x}, found {} bytes at {:#x}", memory_base_,
         memory_base_ + memory_.size(), size, address);
  }
  return std::span(memory_).subspan(address - memory_base_, size);
}

std::span<uint8_t> Reference::memory_span(uint64_t address, size_t size) {
  const auto part = memory(address, size);
  return std::span(memory_).subspan(address - memory_base_, part.size());
}

uint32_t Reference::scalar(size_t word) const {
  return get32(spaces_[index_of(Space::kScl)].data() + checked(Space::kScl, word, 1));
}

std::vector<int32_t> Reference::read_act(uint64_t word, size_t count) {
  const size_t at = checked(Space::kAct, word, count);
  note_read(Space::kAct, word, count);
  std::vector<int32_t> values(count * static_cast<size_t>(h_.vec_lanes));
  std::memcpy(values.data(), spaces_[index_of(Space::kAct)].data() + at, values.size() * 4);
  return values;
}

std::vector<int32_t> Reference::read_scr(uint64_t half_word, size_t count) {
  if (half_word % 2 != 0) fail("bad address: expected an even half word of SCR, found {}", half_word);
  const size_t at = checked(Space::kScr, half_word / 2, count);
  note_read(Space::kScr, half_word, 2 * count);
  std::vector<int32_t> values(count * static_cast<size_t>(h_.array_cols));
  std::memcpy(values.data(), spaces_[index_of(Space::kScr)].data() + at, values.size() * 4);
  return values;
}

uint32_t Reference::read_scl(uint64_t word) {
  note_read(Space::kScl, word, 1);
  return scalar(word);
}

std::vector<Scale> Reference::read_kvs(uint64_t word) {
  const size_t at = checked(Space::kKvs, word, 1);
  note_read(Space::kKvs, word, 1);
  std::vector<Scale> scales;
  for (size_t i = 0; i < static_cast<size_t>(h_.array_cols); ++i) {
    scales.push_back(sf_unpack(get32(spaces_[index_of(Space::kKvs)].data() + at + 4 * i)));
  }
  return scales;
}

uint8_t* Reference::kv_word(size_t bank, uint64_t row) {
  checked(Space::kKv, row, 1);
  const auto rows = static_cast<size_t>(h_.kv_rows);
  return spaces_[index_of(Space::kKv)].data() + (bank * rows + row) * static_cast<size_t>(h_.array_cols);
}

// Writes consecutive bytes of a space (KV: of a bank); one Write a word.
void Reference::write_bytes(Space space, uint64_t byte, std::span<const uint8_t> data, uint32_t bank) {
  const size_t size = word_bytes(space);
  size_t done = 0;
  while (done < data.size()) {
    const uint64_t word = (byte + done) / size;
    const size_t offset = (byte + done) % size;
    const size_t n = std::min(size - offset, data.size() - done);
    const size_t at = checked(space, word, 1) + (space == Space::kKv ? bank * words(space) * size : 0);
    std::copy_n(data.begin() + static_cast<std::ptrdiff_t>(done), n,
                spaces_[index_of(space)].begin() + static_cast<std::ptrdiff_t>(at + offset));
    // One Write a word, however many parts it comes in.
    const uint64_t key = static_cast<uint64_t>(space) << 60 | static_cast<uint64_t>(bank) << 48 | word;
    const auto [slot, added] = written_.emplace(key, writes_->size());
    if (added)
      writes_->push_back({space, bank, word, std::vector<uint8_t>(size), std::vector<uint8_t>(size)});
    Write* write = &(*writes_)[slot->second];
    for (size_t i = 0; i < n; ++i) {
      write->bytes[offset + i] = data[done + i];
      write->mask[offset + i] = 1;
    }
    switch (space) {
      case Space::kScr: {
        const uint64_t first = 2 * word + offset / (size / 2);
        note_write(space, first, 2 * word + (offset + n - 1) / (size / 2) - first + 1);
        break;
      }
      case Space::kKv:
        note_write(
            space,
            static_cast<uint64_t>(bank / static_cast<uint32_t>(h_.group_banks())) * words(space) + word, 1);
        break;
      default:
        note_write(space, word, 1);
    }
    done += n;
  }
}

void Reference::write_words(Space space, uint64_t word, std::span<const int32_t> values) {
  std::vector<uint8_t> data(values.size() * 4);
  std::memcpy(data.data(), values.data(), data.size());
  write_bytes(space, word * word_bytes(space), data);
}

// `defined`: bytes that the instruction set defines.
void Reference::write_scl(uint64_t word, uint32_t value, size_t defined) {
  std::array<uint8_t, 4> data{};
  put32(data.data(), value);
  write_bytes(Space::kScl, 4 * word, data);
  Write& write = (*writes_)[written_.at(static_cast<uint64_t>(Space::kScl) << 60 | word)];
  for (size_t i = defined; i < 4; ++i) write.mask[i] = 0;
}

// --- execution
// --------------------------------------------------------------------------------------------------

std::vector<Write> Reference::execute(const UnitCommand& cmd) {
  std::vector<Write> writes;
  writes_ = &writes;
  written_.clear();
  switch (cmd.opcode) {
    case Opcode::kLoadt:
      load_tiles(cmd);
      break;
    case Opcode::kStoret:
      store_tile(cmd);
      break;
    case Opcode::kLoadl:
      linear(cmd, true);
      break;
    case Opcode::kStorel:
      linear(cmd, false);
      break;
    case Opcode::kXbar:
      project(cmd);
      break;
    case Opcode::kXprog:
      program_rows(cmd);
      break;
    case Opcode::kQk:
      array(cmd, false);
      break;
    case Opcode::kPv:
      array(cmd, true);
      break;
    case Opcode::kSoftmax:
      softmax(cmd, false);
      break;
    case Opcode::kSmaxscan:
      softmax(cmd, true);
      break;
    case Opcode::kNorm:
      norm(cmd);
      break;
    case Opcode::kQuant:
      quantise(cmd);
      break;
    case Opcode::kJoin:
      join(cmd);
      break;
    case Opcode::kResadd:
      residual(cmd);
      break;
    case Opcode::kActfn:
      activation(cmd);
      break;
    case Opcode::kEmbed:
      embedding(cmd);
      break;
    case Opcode::kLogit:
      logits(cmd);
      break;
    default:
      fail("command: expected a unit instruction, found opcode {}", static_cast<int>(cmd.opcode));
  }
  writes_ = nullptr;
  ++instructions_;
  return writes;
}

// --- DMA
// --------------------------------------------------------------------------------------------------------

void Reference::load_tiles(const UnitCommand& cmd) {
  const auto cols = static_cast<size_t>(h_.array_cols);
  const auto banks = static_cast<size_t>(h_.group_banks());
  const auto groups = static_cast<size_t>(h_.groups());
  const auto beat = static_cast<size_t>(h_.channel_bytes);
  const size_t tile_bytes = cmd.s0 * beat;
  if (cmd.count != 0 && cmd.s0 == 0) fail("LOADT: expected tile rows above 0");
  if (cmd.count != 0 && cmd.a1 % beat != 0) {
    fail("bad address: expected a multiple of {}, found {:#x}", beat, cmd.a1);
  }
  for (size_t t = 0; t < cmd.count; ++t) {
    const size_t group = (t + cmd.s1) % groups;
    const uint64_t address = cmd.a1 + t * tile_bytes;
    const auto source = memory(address, tile_bytes);
    note_read(Space::kMemory, address / beat, cmd.s0);
    for (size_t k = 0; k < cmd.s0; ++k) {
      const uint64_t row = cmd.a0 + t / groups * cmd.s0 + k;
      for (size_t b = 0; b < banks; ++b) {
        write_bytes(Space::kKv, row * cols, source.subspan(k * beat + b * cols, cols),
                    static_cast<uint32_t>(group * banks + b));
      }
    }
  }
}

void Reference::store_tile(const UnitCommand& cmd) {
  const auto cols = static_cast<size_t>(h_.array_cols);
  const auto banks = static_cast<size_t>(h_.group_banks());
  const auto beat = static_cast<size_t>(h_.channel_bytes);
  const size_t group = cmd.s1 % static_cast<size_t>(h_.groups());
  if (cmd.s0 == 0) fail("STORET: expected tile rows above 0");
  if (cmd.a1 % beat != 0) fail("bad address: expected a multiple of {}, found {:#x}", beat, cmd.a1);
  const auto target = memory_span(cmd.a1, cmd.s0 * beat);
  for (size_t k = 0; k < cmd.s0; ++k) {
    Write write{Space::kMemory, 0, cmd.a1 + k * beat, {}, std::vector<uint8_t>(beat, 1)};
    for (size_t b = 0; b < banks; ++b) {
      const uint8_t* word = kv_word(group * banks + b, cmd.a0 + k);
      write.bytes.insert(write.bytes.end(), word, word + cols);
    }
    note_read(Space::kKv, group * words(Space::kKv) + cmd.a0 + k, 1);
    note_write(Space::kMemory, write.address / beat, 1);
    std::copy(write.bytes.begin(), write.bytes.end(), target.begin() + static_cast<std::ptrdiff_t>(k * beat));
    writes_->push_back(std::move(write));
  }
}

void Reference::linear(const UnitCommand& cmd, bool load) {
  const auto space = static_cast<Space>(cmd.mode & 3);
  const size_t size = word_bytes(space);
  const auto beat = static_cast<size_t>(h_.channel_bytes);
  uint64_t word = cmd.a0;
  if (space == Space::kScr) {
    if (word % 2 != 0) fail("bad address: expected an even half word of SCR, found {}", word);
    word /= 2;
  }
  if (cmd.a1 % beat != 0) fail("bad address: expected a multiple of {}, found {:#x}", beat, cmd.a1);
  const size_t at = checked(space, word, cmd.count);
  const size_t bytes = cmd.count * size;
  const size_t beats = (bytes + beat - 1) / beat;
  const uint64_t halves = space == Space::kScr ? 2 : 1;
  if (load) {
    const auto source = memory(cmd.a1, bytes);
    note_read(Space::kMemory, cmd.a1 / beat, beats);
    write_bytes(space, word * size, source);
    return;
  }
  const auto& from = spaces_[index_of(space)];
  note_read(space, word * halves, cmd.count * halves);
  const auto target = memory_span(cmd.a1, beats * beat);
  std::fill(target.begin(), target.end(), uint8_t{0});
  std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(at), bytes, target.begin());
  note_write(Space::kMemory, cmd.a1 / beat, beats);
  for (size_t k = 0; k < beats; ++k) {
    const auto part = target.subspan(k * beat, beat);
    writes_->push_back(
        {Space::kMemory, 0, cmd.a1 + k * beat, {part.begin(), part.end()}, std::vector<uint8_t>(beat, 1)});
  }
}

// --- PIM
// --------------------------------------------------------------------------------------------------------

void Reference::project(const UnitCommand& cmd) {
  const auto rows = static_cast<size_t>(h_.xbar_rows);
  const auto cols = static_cast<size_t>(h_.xbar_cols);
  const size_t in = cmd.s1 * rows;
  const size_t out = size_t{cmd.count} * static_cast<size_t>(h_.vec_lanes);
  auto& cached = matrices_[{cmd.s0, cmd.s1, cmd.count}];
  if (cached.matrix.out() == 0) {
    const size_t last = cmd.s0 + (out + cols - 1) / cols * cmd.s1;
    if (last > static_cast<size_t>(h_.crossbars()) || in == 0 || out == 0) {
      fail("XBAR: expected crossbars below {}, found {} row tiles and {} words from {} on", h_.crossbars(),
           cmd.s1, cmd.count, cmd.s0);
    }
    std::vector<int8_t> values(in * out);
    for (size_t o = 0; o < out; ++o) {
      for (size_t i = 0; i < in; ++i) {
        const size_t crossbar = cmd.s0 + o / cols * cmd.s1 + i / rows;
        const int8_t value = cells_[(crossbar * rows + i % rows) * cols + o % cols];
        values[o * in + i] = value;
        if (value != 0) cached.inputs = std::max(cached.inputs, i + 1);
      }
    }
    // A device stuck at LRS makes every row of the crossbars count.
    if (settings_.noise.stuck_lrs != 0) cached.inputs = in;
    const CrossbarPlace place{cmd.s0, 0, cmd.s1, {}};
    cached.matrix = CrossbarMatrix(values, static_cast<int>(in), static_cast<int>(out), settings_, {}, place);
  }
  // Rows behind the last weight may lie beyond the space: they are not connected.
  std::vector<int8_t> x(in);
  const size_t word = word_bytes(Space::kAct);
  const size_t used_words = (cached.inputs + word - 1) / word;
  const size_t at = checked(Space::kAct, cmd.a0, used_words);
  note_read(Space::kAct, cmd.a0, used_words);
  std::memcpy(x.data(), spaces_[index_of(Space::kAct)].data() + at, cached.inputs);
  std::vector<int32_t> y(out);
  cached.matrix.project(x, 1, y, adc_clips_, cmd.pos);
  write_words(Space::kAct, cmd.a1 & 0xFFFF, y);
}

void Reference::program_rows(const UnitCommand& cmd) {
  const auto rows = static_cast<size_t>(h_.xbar_rows);
  const auto cols = static_cast<size_t>(h_.xbar_cols);
  if (cmd.s0 >= h_.crossbars() || cmd.s1 + cmd.count > h_.xbar_rows) {
    fail("XPROG: expected crossbars below {} and rows up to {}, found {} and {} from {} on", h_.crossbars(),
         h_.xbar_rows, cmd.s0, cmd.count, cmd.s1);
  }
  const size_t row_bytes = cols / 4;
  const size_t word = word_bytes(Space::kAct);
  const size_t used_words = (cmd.count * row_bytes + word - 1) / word;
  const size_t at = checked(Space::kAct, cmd.a0, used_words);
  note_read(Space::kAct, cmd.a0, used_words);
  const uint8_t* data = spaces_[index_of(Space::kAct)].data() + at;
  for (size_t r = 0; r < cmd.count; ++r) {
    for (size_t c = 0; c < cols; ++c) {
      const int code = data[r * row_bytes + c / 4] >> (2 * (c % 4)) & 3;
      cells_[(cmd.s0 * rows + cmd.s1 + r) * cols + c] = static_cast<int8_t>(code - 1);
    }
  }
  matrices_.clear();
}

// --- array
// ------------------------------------------------------------------------------------------------------

void Reference::array(const UnitCommand& cmd, bool pv) {
  const auto cols = static_cast<size_t>(h_.array_cols);
  const auto banks = static_cast<size_t>(h_.group_banks());
  const auto groups = static_cast<size_t>(h_.groups());
  const bool north = (cmd.mode & 1) != 0;
  const bool open = (cmd.mode & kModeOpen) != 0;
  const bool accumulate = (cmd.mode & kModeAccumulate) != 0;
  const size_t rows = north ? cmd.s2 & 0xFFFF : size_t{1} << (cmd.mode >> 3 & 3);
  // Two kv heads, so many rows apart; the second's tiles half of the groups further. North: all tiles so.
  const size_t pair_rows = !north && rows == 2 ? cmd.s2 & 0xFFFF : 0;
  const bool rotated = north && (cmd.mode & kModeRotated) != 0;
  const size_t a_stride = cmd.s2 >> 16 & 0xFFFF;
  const size_t d_stride = cmd.s2 >> 32 & 0xFFFF;
  const size_t tiles = (cmd.count + cols - 1) / cols;
  const size_t chunks = cmd.s0;  // of PV
  const size_t dims = pv ? chunks * cols : cmd.s0;
  const size_t tile_rows = dims / banks;
  if (tiles == 0 || dims == 0 || dims % banks != 0 || (north && rows == 0)) {
    fail("{}: expected tokens, rows and dims in whole groups of {}, found {}, {} and {}", pv ? "PV" : "QK",
         banks, cmd.count, rows, dims);
  }
  const auto base = static_cast<uint16_t>(cmd.a1);
  // The bytes of a tile of a head, in memory order.
  const auto tile = [&](size_t t, bool second) {
    std::vector<int8_t> values(tile_rows * banks * cols);
    const size_t group = (t + (second || rotated ? groups / 2 : 0)) % groups;
    size_t row = base + t / groups * tile_rows + (second ? pair_rows : 0);
    if (open && t == tiles - 1) row = cmd.s1 + (second ? 2 * tile_rows : 0);
    for (size_t k = 0; k < tile_rows; ++k) {
      for (size_t b = 0; b < banks; ++b) {
        std::memcpy(values.data() + (k * banks + b) * cols, kv_word(group * banks + b, row + k), cols);
      }
    }
    note_read(Space::kKv, group * words(Space::kKv) + row, tile_rows);
    return values;
  };
  const size_t half = 2 * cols;  // bytes of a half word
  // PV: planes of a numerator, and half words of a tile.
  const size_t planes = (cmd.mode & kModeThreePlanes) != 0 ? 3 : 2;
  const size_t tile_halves = planes == 3 ? 2 : 1;
  const auto operand = [&](size_t i, size_t halves) {
    const uint64_t first = cmd.a0 + i * a_stride;
    checked(Space::kScr, (first + halves - 1) / 2, 1);
    note_read(Space::kScr, first, halves);
    return spaces_[index_of(Space::kScr)].data() + first * half;
  };
  const auto store = [&](uint64_t half_word, std::span<int32_t> values) {
    if (half_word % 2 != 0) fail("bad address: expected an even half word of SCR, found {}", half_word);
    if (accumulate) {
      const auto before = read_scr(half_word, 1);
      for (size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<int32_t>(static_cast<uint32_t>(values[i]) + static_cast<uint32_t>(before[i]));
      }
    }
    write_words(Space::kScr, half_word / 2, values);
  };

  // Of query row i, plane p: [i * planes + p], lowest plane first.
  std::vector<std::vector<int32_t>> sums(pv ? rows * planes : 0, std::vector<int32_t>(dims));
  for (size_t t = 0; t < tiles; ++t) {
    auto values = tile(t, false);
    for (size_t i = 0; i < rows; ++i) {
      if (pair_rows != 0 && i == 1) values = tile(t, true);
      if (!pv) {
        const uint8_t* q = operand(i, (dims + half - 1) / half);
        std::vector<int32_t> scores(cols);
        for (size_t d = 0; d < dims; ++d) {
          const auto qd = static_cast<int32_t>(static_cast<int8_t>(q[d]));
          for (size_t c = 0; c < cols; ++c) scores[c] += qd * values[d * cols + c];
        }
        store(cmd.a2 + i * d_stride + 2 * t, scores);
      } else {
        const uint8_t* n = operand(i, tiles * tile_halves) + t * tile_halves * half;
        for (size_t p = 0; p < planes; ++p) {
          // Three planes: the lowest is in the second half word.
          const uint8_t* bytes = planes == 2 ? n + p : p == 0 ? n + half : n + p - 1;
          auto& sum = sums[i * planes + p];
          for (size_t token = 0; token < cols; ++token) {
            const int32_t byte = bytes[2 * token];
            for (size_t d = 0; d < dims; ++d) sum[d] += byte * values[token * dims + d];
          }
        }
      }
    }
  }
  if (!pv) return;
  for (size_t i = 0; i < rows; ++i) {
    for (size_t p = 0; p < planes; ++p) {
      for (size_t j = 0; j < chunks; ++j) {
        store(cmd.a2 + i * d_stride + 2 * (p * chunks + j),
              std::span(sums[i * planes + p]).subspan(j * cols, cols));
      }
    }
  }
}

// --- softmax unit
// -----------------------------------------------------------------------------------------------

void Reference::softmax(const UnitCommand& cmd, bool scan_only) {
  const auto cols = static_cast<size_t>(h_.array_cols);
  const bool consmax = (cmd.mode & 1) != 0;
  const bool resume = (cmd.mode & 2) != 0;
  const bool open = (cmd.mode & kModeOpen) != 0;
  const size_t tokens = cmd.count;
  const size_t tiles = (tokens + cols - 1) / cols;
  if (tokens == 0 || (scan_only && consmax)) {
    fail("softmax: expected tokens, and exact softmax for a scan, found {} tokens, mode {}", tokens,
         cmd.mode);
  }
  const auto acc = read_scr(cmd.a0, tiles);
  std::vector<Scale> sk, sv;
  for (size_t t = 0; t < tiles; ++t) {
    const uint64_t word = open && t == tiles - 1 ? cmd.s2 & 0xFFFF : cmd.a2 + 2 * t;
    const auto k = read_kvs(word);
    sk.insert(sk.end(), k.begin(), k.end());
    if (scan_only) continue;
    const auto v = read_kvs(word + 1);
    sv.insert(sv.end(), v.begin(), v.end());
  }
  const uint64_t record = cmd.s0;
  const Scale sq = read_scale(record);
  // Half words: ConSMax one a tile; exact softmax two, bits 23:8, then 7:0.
  std::vector<uint16_t> halves(tiles * cols * (consmax ? 1 : 2));
  sv.resize(scan_only ? 0 : tokens);
  Scale factor;
  if (consmax) {
    const ConsmaxHead head{read_scale(record + 1), sign16(read_scl(record + 2))};
    const int eref = sign16(read_scl(cmd.s1));
    uint64_t clips = 0;
    std::vector<int8_t> scores(tokens);
    for (size_t i = 0; i < tokens; ++i) scores[i] = consmax_score(acc[i], sf_mul(sq, sk[i]), clips);
    consmax_numerators(scores, sv, eref, head, std::span(halves).first(tokens));
    factor = consmax_factor(eref, head);
    write_scl(record + 5, sf_pack(factor));
    write_scl(record + 6, read_scl(record + 6) + static_cast<uint32_t>(clips));
  } else {
    SoftmaxState state;
    if (resume) state = {sign16(read_scl(record + kScoreMaxWord)), read_scl(record + 4)};
    std::vector<int32_t> scores(tokens);
    for (size_t i = 0; i < tokens; ++i) scores[i] = softmax_score(acc[i], sf_mul(sq, sk[i]));
    softmax_maximum(scores, state);
    if (scan_only) {
      write_scl(record + kScoreMaxWord, static_cast<uint32_t>(state.max), 2);
      write_scl(record + 4, state.sum);
      return;
    }
    const int eref = sign16(read_scl(cmd.s1));
    std::vector<uint32_t> numerators(tokens);
    softmax_numerators(scores, sv, eref, state, numerators);
    for (size_t i = 0; i < tokens; ++i) {
      const size_t at = i / cols * 2 * cols + i % cols;
      halves[at] = static_cast<uint16_t>(numerators[i] >> 8);
      halves[at + cols] = static_cast<uint16_t>(numerators[i] & 255);
    }
    factor = softmax_factor(state, eref);
    write_scl(record + kScoreMaxWord, static_cast<uint32_t>(state.max), 2);
    write_scl(record + 4, state.sum);
    write_scl(record + 5, sf_pack(factor));
  }
  if (!consmax && cmd.a1 % 2 != 0) {
    fail("softmax: expected an even half word for the numerators, found {}", cmd.a1);
  }
  std::vector<uint8_t> data(halves.size() * 2);
  std::memcpy(data.data(), halves.data(), data.size());
  write_bytes(Space::kScr, (cmd.a1 & 0xFFFF) * 2 * cols, data);
}

// --- vector unit
// ------------------------------------------------------------------------------------------------

void Reference::norm(const UnitCommand& cmd) {
  const size_t n = size_t{cmd.count} * static_cast<size_t>(h_.vec_lanes);
  const bool layer = (cmd.mode & 1) != 0;
  const auto x = read_act(cmd.a0, cmd.count);
  if ((cmd.mode & kNormKnown) != 0) check_kept("NORM", x);
  const auto g = read_act(cmd.a1 & 0xFFFF, cmd.count);
  QuantizedNorm weights;
  for (const int32_t v : g) weights.g.push_back(static_cast<int16_t>(v));
  if (layer) weights.b = read_act((cmd.a1 & 0xFFFF) + cmd.count, cmd.count);
  weights.sg = read_scale(cmd.s1);
  weights.eps = read_scale(cmd.s1 + 1U);
  weights.invn = read_scale(cmd.s1 + 2U);
  std::vector<int8_t> q(n);
  const Scale sx = read_scale(cmd.s0);
  const Scale scale = layer ? layer_norm_into(x, sx, weights, q) : rms_norm_into(x, sx, weights, q);
  const std::span<const uint8_t> data(reinterpret_cast<const uint8_t*>(q.data()), n);
  if ((cmd.mode & 2) != 0) {
    write_bytes(Space::kScr, uint64_t{cmd.a2} * word_bytes(Space::kScr) / 2, data);
  } else {
    write_bytes(Space::kAct, uint64_t{cmd.a2} * word_bytes(Space::kAct), data);
  }
  write_scl(cmd.s2 & 0xFFFF, sf_pack(scale));
}

void Reference::quantise(const UnitCommand& cmd) {
  const auto lanes = static_cast<size_t>(h_.vec_lanes);
  const auto cols = static_cast<size_t>(h_.array_cols);
  const auto banks = static_cast<size_t>(h_.group_banks());
  const int lg = cmd.mode >> 4;
  const size_t group_chunks = lg == 7 ? cmd.count : size_t{1} << lg;
  if (cmd.count == 0 || cmd.count % group_chunks != 0) {
    fail("QUANT: expected whole heads of {} chunks, found {}", group_chunks, cmd.count);
  }
  const size_t heads = cmd.count / group_chunks;
  const size_t n = group_chunks * lanes;
  const int aux = cmd.mode & 3;
  const int to = cmd.mode >> 2 & 3;
  const auto y = read_act(cmd.a0, cmd.count);
  if (aux == kAuxKnown) check_kept("QUANT", y);
  const Scale s = sf_mul(read_scale(cmd.s0), read_scale(cmd.s1));
  std::vector<int32_t> b;
  if (aux == 1) b = read_act(cmd.a1 & 0xFFFF, cmd.count);
  if (aux == 2) b = read_act(cmd.a1 & 0xFFFF, group_chunks);
  for (size_t h = 0; h < heads; ++h) {
    const auto part = std::span(y).subspan(h * n, n);
    std::vector<int8_t> q(n);
    Scale scale;
    if (aux == 2) {
      std::vector<int32_t> low, high;
      std::vector<int16_t> cos, sin;
      for (size_t i = 0; i < n / 2; ++i) {
        low.push_back(part[2 * i]);
        high.push_back(part[2 * i + 1]);
        cos.push_back(static_cast<int16_t>(b[2 * i]));
        sin.push_back(static_cast<int16_t>(b[2 * i + 1]));
      }
      std::vector<int8_t> q_low(n / 2), q_high(n / 2);
      scale = rope_quant_into(low, high, cos, sin, s, q_low, q_high);
      for (size_t i = 0; i < n / 2; ++i) {
        q[2 * i] = q_low[i];
        q[2 * i + 1] = q_high[i];
      }
    } else if (aux == 1) {
      scale = bias_quant_into(part, s, std::span<const int32_t>(b).subspan(h * n, n), q);
    } else {
      scale = quant_into(part, s, q);
    }
    const std::span<const uint8_t> data(reinterpret_cast<const uint8_t*>(q.data()), n);
    const auto groups = static_cast<size_t>(h_.groups());
    const bool second = (cmd.s2 & kPairs) != 0 && h % 2 == 1;
    const size_t group = (cmd.pos / cols + (second ? groups / 2 : 0)) % groups;
    const auto token = static_cast<size_t>(cmd.pos % h_.array_cols);
    const size_t tile_rows = n / banks;
    switch (to) {
      case 0:
        write_bytes(Space::kAct, uint64_t{cmd.a2} * word_bytes(Space::kAct) + h * n, data);
        write_scl((cmd.s2 & 0xFFFF) + h, sf_pack(scale));
        break;
      case 1:
        write_bytes(Space::kScr, (cmd.a2 + h * n / (2 * cols)) * 2 * cols, data);
        write_scl((cmd.s2 & 0xFFFF) + kRecordWords * h, sf_pack(scale));
        break;
      default: {
        const bool v = to == 3;
        const uint64_t base = cmd.a2 + (2 * h + (v ? 1 : 0)) * tile_rows;
        if (v) {
          const size_t chunks = n / cols;
          for (size_t j = 0; j < chunks; ++j) {
            const size_t word = token * chunks + j;
            write_bytes(Space::kKv, (base + word / banks) * cols, data.subspan(j * cols, cols),
                        static_cast<uint32_t>(group * banks + word % banks));
          }
        } else {
          for (size_t d = 0; d < n; ++d) {
            write_bytes(Space::kKv, (base + d / banks) * cols + token, data.subspan(d, 1),
                        static_cast<uint32_t>(group * banks + d % banks));
          }
        }
        std::array<uint8_t, 4> packed{};
        put32(packed.data(), sf_pack(scale));
        const uint64_t word = (cmd.s2 & 0xFFFF) + 2 * h + (v ? 1 : 0);
        write_bytes(Space::kKvs, word * word_bytes(Space::kKvs) + 4 * token, packed);
        if (v) {
          const uint64_t eref = cmd.s1 + 1 + h;
          const int before = sign16(read_scl(eref));
          const int now = next_eref(before, scale);
          if (now != before) write_scl(eref, static_cast<uint32_t>(now), 2);
        }
      }
    }
  }
}

void Reference::join(const UnitCommand& cmd) {
  const size_t head_chunks = size_t{1} << (cmd.mode >> 4);
  const auto cols = static_cast<size_t>(h_.array_cols);
  const size_t n = head_chunks * static_cast<size_t>(h_.vec_lanes);
  if (cmd.count == 0 || cmd.count % head_chunks != 0) {
    fail("JOIN: expected whole heads of {} chunks, found {}", head_chunks, cmd.count);
  }
  const size_t words_of = n / cols;  // of a plane
  const size_t planes = (cmd.mode & 1) != 0 ? 3 : 2;
  std::vector<int32_t> att(size_t{cmd.count} * static_cast<size_t>(h_.vec_lanes));
  for (size_t h = 0; h < cmd.count / head_chunks; ++h) {
    const auto sums = read_scr(cmd.a0 + h * 2 * planes * words_of, planes * words_of);
    const Scale f = read_scale(cmd.s0 + kRecordWords * h);
    for (size_t i = 0; i < n; ++i) {
      const int32_t o =
          planes == 3 ? pv_join(sums[i], sums[n + i], sums[2 * n + i]) : pv_join(sums[i], sums[n + i]);
      att[h * n + i] = attention_value(o, f);
    }
  }
  write_words(Space::kAct, cmd.a2, att);
  keep(cmd, kKeep, att);
}

void Reference::Kept::add(std::span<const int32_t> values) {
  for (const int32_t v : values) {
    max = std::max(max, std::abs(int64_t{v}));
    sum += v;
  }
}

// Maximum and sum of what an instruction writes, for a later one; `bit` of mode, the next one begins anew.
void Reference::keep(const UnitCommand& cmd, uint8_t bit, std::span<const int32_t> values) {
  if ((cmd.mode & bit) == 0) return;
  if ((cmd.mode & 2 * bit) != 0) kept_ = {};
  kept_.add(values);
}

// What a vector that an instruction finds should have left.
void Reference::check_kept(std::string_view name, std::span<const int32_t> values) const {
  Kept kept;
  kept.add(values);
  if (kept.max != kept_.max || kept.sum != kept_.sum) {
    fail("{}: expected a vector of maximum {} and sum {}, found {} and {}", name, kept_.max, kept_.sum,
         kept.max, kept.sum);
  }
}

void Reference::residual(const UnitCommand& cmd) {
  const auto y = read_act(cmd.a0, cmd.count);
  auto x = read_act(cmd.a2, cmd.count);
  std::vector<int32_t> b;
  if ((cmd.mode & 1) != 0) b = read_act(cmd.a1 & 0xFFFF, cmd.count);
  const Scale s = sf_mul(read_scale(cmd.s0), read_scale(cmd.s1));
  residual_add(x, y, s, fraction_bits(read_scale(cmd.s2 & 0xFFFF)), b);
  write_words(Space::kAct, cmd.a2, x);
  keep(cmd, kKeep, x);
}

void Reference::activation(const UnitCommand& cmd) {
  static constexpr std::array<Activation, 4> kFunctions = {Activation::kRelu, Activation::kRelu2,
                                                           Activation::kSilu, Activation::kGelu};
  const bool gated = (cmd.mode & 4) != 0;
  const bool bias = (cmd.mode & 8) != 0;
  const auto g = read_act(cmd.a0, cmd.count);
  std::vector<int32_t> u, b;
  if (gated) u = read_act(cmd.a1 & 0xFFFF, cmd.count);
  if (bias) b = read_act(cmd.a1 & 0xFFFF, cmd.count);
  const Scale in = read_scale(cmd.s0);
  const Scale sg = sf_mul(in, read_scale(cmd.s1));
  const Scale su = gated ? sf_mul(in, read_scale(cmd.s1 + 1U)) : Scale{};
  const Activated result = activate(kFunctions[cmd.mode & 3], g, sg, b, u, su);
  write_words(Space::kAct, cmd.a2, result.h);
  keep(cmd, kActKeep, result.h);
  write_scl(cmd.s2 & 0xFFFF, sf_pack(result.scale));
}

void Reference::embedding(const UnitCommand& cmd) {
  const size_t n = size_t{cmd.count} * static_cast<size_t>(h_.vec_lanes);
  const size_t row_words = (n + word_bytes(Space::kAct) - 1) / word_bytes(Space::kAct);
  const auto packed = read_act(cmd.a0, row_words);
  std::vector<int8_t> row(n);
  std::memcpy(row.data(), packed.data(), n);
  std::vector<int32_t> p;
  if ((cmd.mode & 1) != 0) p = read_act(cmd.a1 & 0xFFFF, cmd.count);
  std::vector<int32_t> x(n);
  embed(row, read_scale(cmd.s0), fraction_bits(read_scale(cmd.s2 & 0xFFFF)), p, x);
  write_words(Space::kAct, cmd.a2, x);
  keep(cmd, kKeep, x);
}

void Reference::logits(const UnitCommand& cmd) {
  const auto lanes = static_cast<size_t>(h_.vec_lanes);
  const auto cols = static_cast<size_t>(h_.array_cols);
  const size_t n = size_t{cmd.count} * lanes;
  const auto acc = read_scr(cmd.a0, (n + cols - 1) / cols);
  const auto scales = read_act(cmd.a1 & 0xFFFF, cmd.count);
  const Scale s = read_scale(cmd.s0);
  std::vector<int32_t> out(n);
  for (size_t i = 0; i < n; ++i) {
    out[i] = logit(acc[i], sf_mul(sf_unpack(static_cast<uint32_t>(scales[i])), s));
  }
  write_words(Space::kAct, cmd.a2, out);
  bool first = (cmd.mode & 1) != 0;
  for (size_t i = 0; i < std::min<size_t>(n, cmd.s2); ++i) {
    const int id = cmd.s1 + static_cast<int>(i);
    if (first || out[i] > largest_ || (out[i] == largest_ && id < argmax_)) {
      largest_ = out[i];
      argmax_ = id;
      first = false;
    }
  }
}

// --- scheduler
// --------------------------------------------------------------------------------------------------

void Reference::start(uint64_t program_base) {
  program_base_ = program_base;
  core_ = {};
  semaphores_ = {};
  decoded_.clear();
  host_.token_count = 0;
  if (hazards_) hazards_->sync();
}

void Reference::take(uint8_t semaphore, Unit unit) {
  if (semaphore == 0) return;
  if (semaphores_[semaphore] == 0)
    fail("instruction {}: semaphore {} is empty in program order", core_.pc(), semaphore);
  --semaphores_[semaphore];
  if (hazards_) hazards_->take(semaphore, unit, core_.pc());
}

void Reference::give(uint8_t semaphore, Unit unit) {
  if (semaphore == 0) return;
  if (++semaphores_[semaphore] > isa::kSemaphoreLimit) {
    fail("instruction {}: semaphore {} is above {}", core_.pc(), semaphore, isa::kSemaphoreLimit);
  }
  if (hazards_) hazards_->give(semaphore, unit);
}

uint64_t Reference::csr_read(uint64_t csr) const {
  switch (static_cast<isa::Csr>(csr)) {
    case isa::Csr::kTokenIn:
      return host_.token_in;
    case isa::Csr::kPosition:
      return host_.position;
    case isa::Csr::kTokensLeft:
      return host_.tokens_left;
    case isa::Csr::kArg0:
    case isa::Csr::kArg1:
    case isa::Csr::kArg2:
    case isa::Csr::kArg3:
      return host_.arg[csr - static_cast<uint64_t>(isa::Csr::kArg0)];
    default:
      fail("CSRR: expected a readable register, found {}", csr);
  }
}

void Reference::csr_write(uint64_t csr, uint64_t value) {
  value &= 0xFFFFFFFF;  // these host registers have 32 bits
  switch (static_cast<isa::Csr>(csr)) {
    case isa::Csr::kPosition:
      host_.position = value;
      break;
    case isa::Csr::kTokensLeft:
      host_.tokens_left = value;
      break;
    case isa::Csr::kTokenOut:
      host_.token_out = value;
      ++host_.token_count;
      break;
    default:
      fail("CSRW: expected a writable register, found {}", csr);
  }
}

std::optional<Issued> Reference::next() {
  const auto beat = static_cast<uint64_t>(h_.channel_bytes);
  const auto csr = [this](uint64_t number) { return csr_read(number); };
  for (;;) {
    const size_t index = core_.pc();
    auto found = decoded_.find(index);
    if (found == decoded_.end()) {
      const auto bytes = memory(program_base_ + index * isa::kInstructionBytes, isa::kInstructionBytes);
      found =
          decoded_.emplace(index, isa::decode(isa::from_bytes(bytes.first<isa::kInstructionBytes>()))).first;
    }
    const isa::Instruction in = found->second;
    const Unit unit = isa::opcode_info(in.opcode).unit;
    if (unit != Unit::kSched) {
      Issued issued;
      issued.instruction = in;
      issued.unit = unit;
      issued.index = index;
      issued.command = isa::resolve(
          in, core_.registers(), static_cast<uint32_t>(program_base_ / isa::kInstructionBytes + index), beat);
      take(in.wait0, unit);
      take(in.wait1, unit);
      if (hazards_) hazards_->begin(unit, index, isa::opcode_info(in.opcode).name);
      // Given when done; in program order nobody asks before.
      give(in.sig0, unit);
      give(in.sig1, unit);
      core_.step(in, csr, 0);
      return issued;
    }
    take(in.wait0, unit);
    switch (in.opcode) {
      case Opcode::kHalt:
        if (hazards_) hazards_->sync();
        for (size_t s = 0; s < semaphores_.size(); ++s) {
          if (semaphores_[s] != 0) fail("HALT: expected semaphore {} at 0, found {}", s, semaphores_[s]);
        }
        return std::nullopt;
      case Opcode::kCsrw:
        csr_write(in.imm, core_.registers()[in.rs]);
        break;
      case Opcode::kPost:
        give(in.sig0, unit);
        break;
      case Opcode::kSync:
        if (hazards_) hazards_->sync();
        break;
      default:  // registers, loops and jumps alone
        break;
    }
    core_.step(in, csr, static_cast<uint64_t>(argmax_));
  }
}

void Reference::run(uint64_t program_base, const Observer& observer) {
  start(program_base);
  while (const auto issued = next()) {
    const auto writes = execute(issued->command);
    if (observer) observer(*issued, writes);
  }
}

}  // namespace pimllm

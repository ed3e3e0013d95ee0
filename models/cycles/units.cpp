// PIM, ARR and SMX.
#include "models/cycles/units.hpp"

#include <algorithm>

#include "golden/error.hpp"

namespace pimllm::cycles {
namespace {

using isa::Opcode;

uint64_t ceil_div(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

// --- PIM: rtl/pim ---
constexpr uint64_t kPimCheck = 2;  // taken, Check; first read of a row tile
constexpr uint64_t kPimData = 1;   // the last read's data; the chunk is offered in that cycle
constexpr uint64_t kPimHold =
    3;  // XbarLatency, capture: from the last step of a column group to before its reads
constexpr uint64_t kPimWrite = 3;  // sum, word, done: from the last read to done
constexpr uint64_t kPimIdle = 2;   // from the last done to the first read behind an idle pipeline
constexpr uint64_t kInputBits = 8;

// --- ARR: rtl/array ---
constexpr uint64_t kArrRing = 1;     // command ring
constexpr uint64_t kArrLoad = 3;     // ring, read granted, filled: from the taking to a slot that is loaded
constexpr uint64_t kArrReload = 1;   // released in the last stage, read granted, filled; less the step itself
constexpr uint64_t kArrDrain = 5;    // from the last stage's S0 to done: S1, S2, tree, result buffer, done
constexpr uint64_t kArrEmit = 4;     // from S0 of a stage to the read of its sums: S1, S2, tree, captured
constexpr uint64_t kArrEmitted = 3;  // from the last read of sums to done: adder, result buffer, done
constexpr uint64_t kArrAccumulate = 3;  // read, add, write

// --- SMX: rtl/softmax ---
constexpr uint64_t kSmxHead = 2;      // behind the reads of the head record: arrives, starts
constexpr uint64_t kSmxExact = 18;    // stages of both passes, the empty beat, normalise, reciprocal, F, done
constexpr uint64_t kSmxConsmax = 17;  // stages, numerators, F and clips, done
constexpr uint64_t kRecordWords = 8;  // RecordWords
constexpr uint64_t kSmxScan = 10;     // stages to the maximum, M and sum, done

}  // namespace

Span PimUnit::run(const isa::UnitCommand& c, uint64_t presented) {
  const auto sets = static_cast<uint64_t>(h_.xbar_sets);
  const auto groups = static_cast<uint64_t>(h_.xbar_cols / h_.xbar_adcs);
  const uint64_t taken = std::max(presented, load_free_);
  if (c.opcode == Opcode::kXprog) {
    // Rows in groups of columns, after all that is in work; a word of ACT is read in two cycles.
    const uint64_t words = ceil_div(uint64_t{c.count} * static_cast<uint64_t>(h_.xbar_cols / 4),
                                    static_cast<uint64_t>(h_.act_bytes()));
    const uint64_t begin = std::max(taken + kPimCheck, done_ + 1);
    done_ = begin + 2 + c.count * groups + words;
    load_free_ = done_ + 1;
    return {taken, done_};
  }
  if (c.opcode != Opcode::kXbar) fail("opcode {}: expected one of the PIM unit", static_cast<int>(c.opcode));
  const auto tile_words = static_cast<uint64_t>(h_.xbar_cols / h_.vec_lanes);
  const auto in_words = static_cast<uint64_t>(h_.xbar_rows / h_.act_bytes());
  const auto group_words = static_cast<uint64_t>(h_.xbar_adcs / h_.vec_lanes);
  const uint64_t steps = kInputBits * ceil_div(static_cast<uint64_t>(h_.xbar_rows),
                                               static_cast<uint64_t>(timing_.rows_per_conversion));
  const uint64_t row_tiles = c.s1;
  uint64_t columns = ceil_div(c.count, tile_words);
  const bool parted = row_tiles > sets;
  const uint64_t fit = parted ? 1 : sets / row_tiles;

  // An XBAR whose row tiles reach into what others are still to write waits for the end of them.
  uint64_t begin_load = taken + kPimCheck;
  const uint64_t idle = done_ + kPimIdle;
  if (begin_load < idle && c.a0 < written_end_ && c.a0 + row_tiles * in_words > written_first_) {
    begin_load = idle;
  }
  if (begin_load >= idle || c.a1 < written_first_) written_first_ = c.a1;
  if (begin_load >= idle || c.a1 + c.count > written_end_) written_end_ = c.a1 + c.count;

  uint64_t loaded = begin_load + std::min(row_tiles, sets) * in_words - 1 + kPimData;
  uint64_t done = 0;
  uint64_t rows_left = row_tiles;
  while (columns != 0) {
    const uint64_t chunk_columns = std::min(columns, fit);
    const uint64_t chunk_rows = std::min(rows_left, sets);
    const bool part_last = rows_left == chunk_rows;
    // Taken in the last step of the chunk before; then a column group after the other.
    const uint64_t begin = std::max(loaded, convert_last_);
    uint64_t last = begin;
    const uint64_t words = chunk_columns * group_words;
    for (uint64_t g = 0; g < groups; ++g) {
      last = std::max(last + steps, hold_free_);
      hold_free_ = last + kPimHold + words;
    }
    convert_last_ = last;
    done = hold_free_ + kPimWrite;
    load_free_ = begin + 1;
    if (parted) {
      rows_left = part_last ? row_tiles : rows_left - chunk_rows;
      loaded = begin + std::min(rows_left, sets) * in_words + kPimData;
    } else {
      loaded = begin + 1;
    }
    if (part_last) columns -= chunk_columns;
  }
  done_ = done;
  return {taken, done_};
}

uint64_t Steps::free_at(uint64_t at, uint64_t group) const {
  const uint64_t tile = group % fold_tiles;
  const uint64_t half = group / fold_tiles;
  const uint64_t before_stop = stop - from;
  for (;;) {
    if (at < from) return at;
    // The stage of the first head; of a pair's second one, a cycle later, in the folds of the other half.
    uint64_t begin = from + (tile << lg_heads);
    if (at < begin) return at;
    const auto step_of = [&](uint64_t first) {
      const uint64_t t = at - first;
      return t < before_stop ? t : std::max(before_stop, t - std::min(t, stopped));
    };
    if (pair && step_of(begin) / fold_steps % 2 != half) {
      ++begin;
      if (at < begin) return at;
    }
    const uint64_t t = at - begin;
    if (t >= before_stop && t < before_stop + stopped) return at;  // this stage has no step
    const uint64_t step = t < before_stop ? t : t - stopped;
    const uint64_t fold = step / fold_steps;
    const bool reads =
        (pair || fold % (uint64_t{1} << lg_heads) == half) && (fold + 1 < folds || tile < tail);
    if (fold >= folds || !reads) return at;
    if (pair && step % fold_steps == fold_steps - 1) return at;  // the empty cycle between folds
    const uint64_t next = (fold + 1) * fold_steps - (pair ? 1 : 0);
    at = stopped != 0 && step < before_stop && next > before_stop ? begin + before_stop : at + next - step;
  }
}

void ArrayUnit::note_steps(const Steps& steps) {
  constexpr size_t kKept = 32;
  steps_.push_back(steps);
  if (steps_.size() > kKept) steps_.pop_front();
}

Span ArrayUnit::run(const isa::UnitCommand& c, uint64_t presented) {
  const bool pv = c.opcode == Opcode::kPv;
  if (!pv && c.opcode != Opcode::kQk)
    fail("opcode {}: expected one of the array", static_cast<int>(c.opcode));
  const auto cols = static_cast<uint64_t>(h_.array_cols);
  const auto banks = static_cast<uint64_t>(h_.group_banks());
  const auto groups = static_cast<uint64_t>(h_.groups());
  const bool north = (c.mode & 1) != 0;
  const bool accumulate = (c.mode & 2) != 0;
  const uint64_t lg_heads = north ? 0 : c.mode >> 3 & 3;
  const uint64_t heads = uint64_t{1} << lg_heads;
  const uint64_t rows = c.s2 & 0xFFFF;
  const uint64_t tiles = ceil_div(c.count, cols);
  // Two kv heads: no step for a cycle where they change halves of the groups.
  const bool pair = lg_heads == 1 && rows != 0;
  const uint64_t bubble = pair ? 1 : 0;

  // Ring of four commands.
  const uint64_t taken =
      std::max(presented, count_ < popped_.size() ? 0 : popped_[count_ % popped_.size()] + 1);
  const int feed = north ? 1 : static_cast<int>(lg_heads) << 1 | (pair ? 8 : 0);
  uint64_t step = std::max(taken + kArrRing, step_free_);
  if (feed != feed_) step = std::max(step, chain_free_);
  feed_ = feed;

  const uint64_t fold_tiles = groups >> lg_heads;
  const uint64_t folds = ceil_div(tiles, fold_tiles);
  const uint64_t tail = (tiles - 1) % fold_tiles + 1;
  const uint64_t used = folds > 1 ? fold_tiles : tail;
  uint64_t pop = 0;
  uint64_t last_stage = 0;
  if (!pv && !north) {
    // A clearing step, then folds without a gap; operand A of the first is two cycles behind.
    const uint64_t first = std::max(step + 1, taken + kArrLoad);
    // The sums of PV are read before those of the first fold come.
    const uint64_t fold_steps = c.s0 / banks + bubble;
    const uint64_t stop = first + c.s0 / banks - 1;
    const uint64_t stopped = emit_free_ > stop ? emit_free_ - stop : 0;
    uint64_t end = stop + stopped + (folds - 1) * fold_steps;
    // Two slots of operand A: a half word comes when the one before the last is free in all stages. Only a
    // short block at the end of the dims does not cover that.
    const uint64_t short_dims = c.s0 % (2 * cols);
    if (short_dims != 0 && c.s0 > 4 * cols && short_dims / banks < groups + kArrReload) {
      end += (folds - 1) * (groups + kArrReload - short_dims / banks);
    }
    note_steps({first, fold_steps, folds, fold_tiles, tail, lg_heads, pair, stop, stopped});
    last_stage = (tail << lg_heads) - 1;
    step_free_ = end + 1;
    pop = end + last_stage + 2;
    done_ = end + last_stage + kArrDrain;
  } else if (!pv) {
    // A tile a sweep: clear, then the tile's dims.
    uint64_t end = std::max(step + 1, taken + kArrLoad) + c.s0 - 1;
    end = std::max(end + (tiles - 1) * (c.s0 + 1), emit_free_);
    last_stage = rows - 1;
    step_free_ = end + 1;
    pop = end + last_stage + 2;
    done_ = end + last_stage + kArrDrain;
  } else if (north) {
    const uint64_t sweeps = static_cast<uint64_t>(planes(c)) * c.s0;
    uint64_t end = std::max(step + 1, taken + kArrLoad) + tiles * cols - 1;
    end = std::max(end + (sweeps - 1) * (tiles * cols + 1), emit_free_);
    last_stage = rows - 1;
    step_free_ = end + 1;
    pop = end + last_stage + 2;
    done_ = end + last_stage + kArrDrain;
  } else {
    const uint64_t chunks = std::min<uint64_t>(c.s0, banks);
    const uint64_t sweeps = static_cast<uint64_t>(planes(c)) * (c.s0 / chunks);
    const uint64_t fold_steps = cols / banks * chunks + bubble;
    const uint64_t steps = folds * fold_steps - bubble;
    // Reads of sums, one a cycle; those of the first head wait for its last group.
    const uint64_t emission = heads * chunks * used + (used - 1) * (heads - 1);
    const uint64_t stages = used << lg_heads;
    uint64_t end = 0;
    for (uint64_t s = 0; s < sweeps; ++s) {
      const uint64_t first = s == 0 ? std::max(step + 1, taken + kArrLoad) : step + 1;
      const uint64_t stop = first + steps - 1;
      end = std::max(stop, emit_free_);
      note_steps({first, fold_steps, folds, fold_tiles, tail, lg_heads, pair, stop, end - stop});
      step = end + 1;
      uint64_t emitted = 0;
      if (accumulate) {
        write_free_ = std::max(write_free_, end + kArrEmit + used) + kArrAccumulate * heads * chunks;
        emitted = std::max(end + kArrEmit + emission - 1, write_free_ - kArrEmitted);
      } else {
        emitted = end + kArrEmit + emission - 1;
      }
      emit_free_ = emitted + 1;
    }
    last_stage = stages - 1;
    step_free_ = end + 1;
    pop = emit_free_ - 1;
    done_ = pop + kArrEmitted;
  }
  chain_free_ = step_free_ + (north ? rows : groups) - 1;
  popped_[count_ % popped_.size()] = pop;
  ++count_;
  return {taken, done_};
}

Span SoftmaxUnit::run(const isa::UnitCommand& c, uint64_t presented) {
  const bool scan = c.opcode == Opcode::kSmaxscan;
  if (!scan && c.opcode != Opcode::kSoftmax) {
    fail("opcode {}: expected one of the softmax unit", static_cast<int>(c.opcode));
  }
  const bool consmax = !scan && (c.mode & 1) != 0;
  const bool goes_on = (c.mode & 2) != 0;
  const uint64_t taken = std::max(presented, accept_);
  // Words of the head record, one a cycle, while the instruction before runs.
  const uint64_t record = consmax ? 5 : 1 + (scan ? 0 : 1) + (goes_on ? 2 : 0);
  // Not while the instruction before may still write a word of it.
  const auto near = [](uint64_t a, uint64_t b) { return a < b + kRecordWords && b < a + kRecordWords; };
  const bool held = near(c.s0, s0_) || (c.s1 >= s0_ && c.s1 < s0_ + kRecordWords);
  const uint64_t start = std::max(std::max(taken, held ? done_ : 0) + record + kSmxHead, done_);
  s0_ = c.s0;
  accept_ = start;
  const uint64_t beats = 2 * ceil_div(c.count, static_cast<uint64_t>(h_.array_cols));
  done_ = start + (scan ? beats + kSmxScan : consmax ? beats + kSmxConsmax : 2 * beats + kSmxExact);
  return {taken, done_};
}

}  // namespace pimllm::cycles

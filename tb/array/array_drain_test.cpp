// The drain by itself, cycle by cycle: sums of rows in, words for SCR out (docs/array.md).
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <random>
#include <vector>

#include "Varray_part_drain.h"
#include "tb/array/plan.hpp"
#include "tb/common/part.hpp"
#include "tb/common/seed.hpp"
#include "tb/common/signal.hpp"

namespace pimllm::tb {
namespace {

using Lanes = std::array<uint32_t, kCols>;
using Rows = std::array<Lanes, kGroupBanks>;

Lanes sum(Lanes a, const Lanes& b, uint32_t factor = 1) {
  for (size_t c = 0; c < kCols; ++c) a[c] += factor * b[c];
  return a;
}

Lanes any_lanes(std::mt19937_64& rng) {
  Lanes lanes{};
  for (auto& lane : lanes) lane = static_cast<uint32_t>(rng());
  return lanes;
}

// A sweep of an instruction; after the last one, the first of the next.
struct Place {
  uint64_t plane = 0, sweep = 0;

  bool last(const Plan& p) const { return plane == p.plane_last && sweep + 1 == p.sweeps; }
  void next(const Plan& p) {
    if (++sweep < p.sweeps) return;
    sweep = 0;
    if (++plane > p.plane_last) plane = 0;
  }
};

bool is_direct(const Plan& p) { return p.north != 0 || p.pv == 0; }

uint64_t stages_of(const Plan& p, const Place& n) {
  if (p.north != 0) return p.full;
  return (p.pv != 0 ? p.used : n.last(p) ? p.tail : p.full) << p.lg_heads;
}

struct Word {
  uint64_t addr = 0;
  Lanes data{};
  bool accumulate = false, last = false;
};

// What comes in and what the drain is to answer, a cycle at a time.
class Reference {
 public:
  struct Inputs {
    std::optional<uint64_t> stage;  // of a capture
    Rows rows{};
    bool reserve = false, pv_start = false, rd_gnt = false, wr_gnt = false;
    Lanes rd_data{};
  };

  bool room() const { return credit_ > 0; }
  bool pv_busy() const { return pv_busy_; }
  bool done() const { return done_; }
  bool busy() const { return pv_busy_ || taken_ || emitted_ || !words_.empty() || done_; }
  bool bad_address() const { return pushed_ && pushed_->addr >= kScrWords; }
  const Word* reads() const {
    return !words_.empty() && words_.front().accumulate && turn_ == kRead ? &words_.front() : nullptr;
  }
  // With its data as they are to be written.
  std::optional<Word> writes() const {
    if (words_.empty() || (words_.front().accumulate && turn_ != kWrite)) return std::nullopt;
    Word word = words_.front();
    if (word.accumulate) word.data = sum_;
    return word;
  }

  // Is this the last capture, or the last sum read, of the instruction.
  bool pops(const Plan& p, const Inputs& in) const {
    if (in.stage && is_direct(p)) return place_.last(p) && *in.stage + 1 == stages_of(p, place_);
    return emits(p) && place_.last(p) && head_ + 1 == heads(p) && chunk_ + 1 == chunks(p) &&
           member_ + 1 == p.used;
  }

  void clock(const Plan& p, const Inputs& in) {
    emitted_ = emits(p);
    write(in);
    if (pushed_ && !bad_address()) words_.push_back(*pushed_);
    pushed_.reset();
    captured_ = captured_next_;
    if (emitted_) emit(p);
    taken_ = in.stage.has_value();
    if (in.stage) take(p, *in.stage, in.rows);
    credit_ -= in.reserve;
    if (in.pv_start) pv_busy_ = true;
  }

 private:
  enum Turn { kRead, kAdd, kWrite };

  static uint64_t heads(const Plan& p) { return uint64_t{1} << p.lg_heads; }
  static uint64_t chunks(const Plan& p) { return uint64_t{1} << p.lg_chunks; }

  bool emits(const Plan& p) const {
    return pv_busy_ && member_ * heads(p) + head_ < captured_ && (member_ + 1 < p.used || credit_ > 0);
  }

  // A sum of PV: over the groups of a head.
  void emit(const Plan& p) {
    const Lanes& chunk = sums_[member_ * heads(p) + head_][chunk_];
    partial_ = member_ == 0 ? chunk : sum(partial_, chunk);
    if (++member_ < p.used) return;
    member_ = 0;
    --credit_;
    const uint64_t word = (place_.plane * p.sweeps + place_.sweep) * chunks(p) + chunk_;
    pushed_ = {
        .addr = p.dst + head_ * p.dst_stride + word, .data = partial_, .accumulate = p.accumulate != 0};
    if (++chunk_ < chunks(p)) return;
    chunk_ = 0;
    if (++head_ < heads(p)) return;
    head_ = 0;
    pushed_->last = place_.last(p);
    pv_busy_ = false;
    captured_ = captured_next_ = 0;
    place_.next(p);
  }

  void take(const Plan& p, uint64_t stage, const Rows& rows) {
    if (!is_direct(p)) {
      sums_[stage] = {};
      for (size_t i = 0; i < kGroupBanks; ++i) {
        Lanes& chunk = sums_[stage][i % chunks(p)];
        chunk = sum(chunk, rows[i]);
      }
      captured_next_ = stage + 1;
      return;
    }
    Lanes total{};
    for (const Lanes& row : rows) total = sum(total, row);
    const uint64_t rows_or_heads = p.north != 0 ? p.rows : heads(p);
    const uint64_t head = stage % rows_or_heads, turn = stage / rows_or_heads;
    const uint64_t word =
        p.north != 0 ? (place_.plane + turn) * p.sweeps + place_.sweep : place_.sweep * p.full + turn;
    const bool sweep_end = stage + 1 == stages_of(p, place_);
    pushed_ = {.addr = p.dst + head * p.dst_stride + word,
               .data = total,
               .accumulate = p.accumulate != 0,
               .last = sweep_end && place_.last(p)};
    if (p.north == 0) {
      if (place_.sweep != 0) pushed_->data = sum(total, before_[stage], ~0U);
      before_[stage] = total;
    }
    if (sweep_end) place_.next(p);
  }

  void write(const Inputs& in) {
    done_ = false;
    if (words_.empty()) return;
    if (words_.front().accumulate && turn_ != kWrite) {
      if (turn_ == kAdd) {
        sum_ = sum(words_.front().data, in.rd_data);
        turn_ = kWrite;
      } else if (in.rd_gnt) {
        turn_ = kAdd;
      }
    } else if (in.wr_gnt) {
      turn_ = kRead;
      done_ = words_.front().last;
      words_.pop_front();
      ++credit_;
    }
  }

  Place place_;
  std::array<Lanes, kGroups> before_{};                         // QK: sums up to the fold before
  std::array<std::array<Lanes, kGroupBanks>, kGroups> sums_{};  // PV: of a group, by chunk
  uint64_t captured_ = 0, captured_next_ = 0;  // PV: groups whose sums can be read, a cycle later
  uint64_t head_ = 0, chunk_ = 0, member_ = 0;
  Lanes partial_{};
  bool pv_busy_ = false, taken_ = false, emitted_ = false, done_ = false;
  std::optional<Word> pushed_;
  std::deque<Word> words_;
  uint64_t credit_ = 5;
  Turn turn_ = kRead;
  Lanes sum_{};
};

class ArrayDrain : public testing::Test {
 protected:
  ArrayDrain() : rng(make_rng(8)) { reset(); }

  void reset() {
    auto& dut = part.dut;
    dut.cmd_valid_i = dut.cap_valid_i = dut.reserve_i = dut.pv_start_i = dut.rd_gnt_i = dut.wr_gnt_i = 0;
    part.reset();
    reference = {};
  }

  void put(const Signal& port, const Lanes& lanes) {
    std::memcpy(port.bytes().data(), lanes.data(), sizeof(lanes));
  }

  // What the drain answers in this cycle.
  void check(bool pops) {
    auto& dut = part.dut;
    ASSERT_EQ(dut.cmd_pop_o, pops);
    ASSERT_EQ(dut.room_o, reference.room());
    ASSERT_EQ(dut.pv_busy_o, reference.pv_busy());
    ASSERT_EQ(dut.busy_o, reference.busy());
    ASSERT_EQ(dut.done_o, reference.done());
    ASSERT_EQ(dut.bad_address_o, reference.bad_address());
    const Word* read = reference.reads();
    ASSERT_EQ(dut.rd_req_o, read != nullptr);
    if (read != nullptr) {
      ASSERT_EQ(dut.rd_addr_o, read->addr);
    }
    const auto word = reference.writes();
    ASSERT_EQ(dut.wr_req_o, word.has_value());
    if (!word) return;
    ASSERT_EQ(dut.wr_addr_o, word->addr);
    ASSERT_EQ(std::memcmp(Signal(dut.wr_data_o).bytes().data(), word->data.data(), sizeof(word->data)), 0);
  }

  // Runs instructions to their end, or to the first address that is not there; false after the latter, and
  // where that takes more cycles than the limit.
  bool run(const std::vector<Plan>& plans, double captures, double grants, int limit) {
    auto& dut = part.dut;
    size_t draining = 0, ending = 0;  // the instruction in the drain, and the one whose sums become complete
    Place place;                      // of the latter
    uint64_t stage = 0;
    std::array<std::optional<uint64_t>, 2> complete;  // read, and added up
    for (int cycle = 0; cycle < limit; ++cycle) {
      if (draining == plans.size() && !reference.busy()) return true;
      Reference::Inputs in;
      in.stage = complete[1];
      complete[1] = complete[0];
      complete[0].reset();
      if (ending < plans.size() && chance(rng, captures)) {
        const Plan& p = plans[ending];
        const bool direct = is_direct(p);
        if ((stage != 0 || !reference.pv_busy()) && (!direct || reference.room())) {
          complete[0] = stage;
          in.reserve = direct;
          in.pv_start = !direct && stage == 0;
          if (++stage == stages_of(p, place)) {
            stage = 0;
            ending += place.last(p);
            place.next(p);
          }
        }
      }
      for (size_t i = 0; i < kGroupBanks; ++i) {
        in.rows[i] = any_lanes(rng);
        if (in.stage && plans[draining].north != 0 && *in.stage % kGroupBanks != i) in.rows[i] = {};
        put(Signal(dut.cap_acc_i[i]), in.rows[i]);
      }
      in.rd_gnt = chance(rng, grants);
      in.wr_gnt = chance(rng, grants);
      in.rd_data = any_lanes(rng);
      put(Signal(dut.rd_data_i), in.rd_data);
      dut.cmd_valid_i = draining < plans.size();
      const Plan plan = draining < plans.size() ? plans[draining] : any_plan(rng);
      drive(Signal(dut.cmd_i), plan);
      dut.cap_valid_i = in.stage.has_value();
      dut.cap_stage_i = static_cast<uint8_t>(in.stage.value_or(rng() & 0xFF));
      dut.reserve_i = in.reserve;
      dut.pv_start_i = in.pv_start;
      dut.rd_gnt_i = in.rd_gnt;
      dut.wr_gnt_i = in.wr_gnt;
      dut.eval();
      const bool pops = reference.pops(plan, in);
      check(pops);
      if (HasFatalFailure()) {
        ADD_FAILURE() << "in cycle " << cycle;
        return false;
      }
      if (reference.bad_address()) return false;
      reference.clock(plan, in);
      draining += pops;
      part.clock();
    }
    return false;
  }

  std::mt19937_64 rng;
  Part<Varray_part_drain> part;
  Reference reference;
};

TEST_F(ArrayDrain, AnyPlans) {
  constexpr int kEnough = 1500;
  for (int round = 0; round < 600; ++round) {
    SCOPED_TRACE(round);
    std::vector<Plan> plans(1 + rng() % 4);
    for (Plan& p : plans) {
      p = any_plan(rng);
      if (p.north == 0) {
        p.full = kGroups >> p.lg_heads;
        p.tail = 1 + rng() % p.full;
        p.used = p.segments > 1 ? p.full : p.tail;
      }
      // In SCR, more often than not.
      if (rng() % 8 != 0) p.dst %= kScrWords / 4;
      if (rng() % 8 != 0) p.dst_stride = rng() % (kScrWords / 2 / (p.north != 0 ? p.rows : kGroups) + 1);
    }
    const double captures = std::array{0.2, 0.7, 1.0}[rng() % 3];
    const double grants = std::array{0.2, 0.7, 1.0}[rng() % 3];
    const bool done = run(plans, captures, grants, kEnough);
    if (HasFailure()) return;
    if (!done) reset();
  }
}

}  // namespace
}  // namespace pimllm::tb

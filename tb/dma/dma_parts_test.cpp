// Parts of the DMA, each by itself: lengths and addresses far above what its spaces hold.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>

#include "Vdma_part_burst.h"
#include "Vdma_part_load.h"
#include "Vdma_part_store.h"
#include "tb/common/part.hpp"
#include "tb/common/seed.hpp"
#include "tb/common/signal.hpp"

namespace pimllm::tb {
namespace {

constexpr uint64_t kMask48 = (uint64_t{1} << 48) - 1;
constexpr uint64_t kBeatBytes = 8, kPage = 4096, kMaxBurst = 16;

uint64_t burst_of(uint64_t addr, uint64_t beats) {
  return std::min({beats, kMaxBurst, (kPage - addr % kPage) / kBeatBytes});
}

// Of any size: as many bits as it likes.
uint64_t any_size(std::mt19937_64& rng, int bits) {
  const uint64_t width = 1 + rng() % static_cast<uint64_t>(bits);
  return std::max<uint64_t>(1, rng() & ((uint64_t{1} << width) - 1));
}

TEST(DmaBurst, AnyAddressAndLength) {
  VerilatedContext context;
  Vdma_part_burst dut(&context);
  auto rng = make_rng(1);
  for (int i = 0; i < 20000; ++i) {
    dut.addr_i = rng() & kMask48 & ~(kBeatBytes - 1);
    if (i % 4 == 0) dut.addr_i |= kPage - kBeatBytes * (1 + rng() % 20);  // near the end of a page
    dut.beats_left_i = i % 3 == 0 ? 1U << i % 20 : any_size(rng, 20);
    dut.eval();
    ASSERT_EQ(dut.beats_o, burst_of(dut.addr_i, dut.beats_left_i)) << dut.addr_i << " " << dut.beats_left_i;
  }
  dut.final();
  collect_coverage(context);
}

// --- loads
// ----------------------------------------------------------------------------------------------------

constexpr uint64_t kChannels = 2, kGroups = 2;
enum Space : uint64_t { kAct, kScr, kKvs, kScl };

struct Load {
  uint64_t addr = 0, tiles = 1, beats = 1, tag = 0, tiled = 0, space = 0, local = 0, last_word = 0, first = 0,
           turn = 0;
};

Load random_load(std::mt19937_64& rng, int tile_bits, int beat_bits) {
  Load l;
  l.addr = rng() & kMask48 & ~(kBeatBytes - 1);
  l.tag = rng() % 8;
  l.tiled = rng() % 2;
  l.space = rng() % 4;
  l.tiles = l.tiled != 0 ? any_size(rng, tile_bits) : 1;
  l.beats = any_size(rng, beat_bits);
  l.local = rng() & 0xFFFF;
  l.first = rng() % kGroups;
  l.turn = rng() % kGroups;
  // A linear transfer ends in the first or the second word of its last beat.
  l.last_word = (l.local + 2 * l.beats - 1 - rng() % 2) & 0xFFFF;
  return l;
}

// The bursts of a load, in order.
class Bursts {
 public:
  explicit Bursts(const Load& l) : load_(l), addr_(l.addr), left_(l.beats) {}
  bool end() const { return tile_ == load_.tiles; }
  uint64_t addr() const { return addr_; }
  uint64_t beats() const { return burst_of(addr_, left_); }
  void next() {
    const uint64_t n = beats();
    left_ -= n;
    addr_ = (addr_ + n * kBeatBytes) & kMask48;
    if (left_ != 0) return;
    ++tile_;
    left_ = load_.beats;
    addr_ = (load_.addr + tile_ * load_.beats * kChannels * kBeatBytes) & kMask48;
  }

 private:
  Load load_;
  uint64_t tile_ = 0, addr_, left_;
};

// Where the data of a load goes, beat by beat.
struct Sink {
  Load load;
  uint64_t tile = 0, beat = 0, half = 0;  // of SCL: words of this beat that are written

  uint64_t group() const { return (load.first + load.turn + tile * kChannels) % kGroups; }
  uint64_t row() const {
    const uint64_t turns = (load.first + tile * kChannels) / kGroups;
    return (load.local + turns * load.beats + beat) & 0xFFFF;
  }
  uint64_t word() const {
    const uint64_t words = load.space == kScl ? 2 * beat + half : beat / 2;
    return (load.local + words) & 0xFFFF;
  }
  uint64_t slice() const { return load.space == kScl ? half : beat % 2; }
  bool completes_beat() const {
    return load.tiled != 0 || load.space != kScl || half == 1 || word() == load.last_word;
  }
  bool completes_load() const { return completes_beat() && beat + 1 == load.beats && tile + 1 == load.tiles; }
  void take() {
    if (!completes_beat()) {
      half = 1;
      return;
    }
    half = 0;
    if (++beat < load.beats) return;
    beat = 0;
    ++tile;
  }
};

class DmaLoad : public testing::Test {
 protected:
  DmaLoad() : rng(make_rng(2)) {
    auto& dut = part.dut;
    dut.desc_valid_i = dut.flush_i = dut.ar_ready_i = dut.r_valid_i = dut.kv_gnt_i = dut.lin_gnt_i = 0;
    part.reset();
  }

  // One cycle. Memory answers what was asked for, in order.
  void cycle(const Load* offered, double speed, double answers) {
    auto& dut = part.dut;
    dut.desc_valid_i = offered != nullptr;
    if (offered != nullptr) drive(*offered);
    dut.ar_ready_i = chance(rng, speed);
    if (dut.r_valid_i == 0 && !outstanding.empty() && chance(rng, answers)) {
      dut.r_valid_i = 1;
      dut.r_data_i = rng();
      dut.r_error_i = chance(rng, 0.1);
      dut.r_last_i = outstanding.front() == 1;
    }
    dut.kv_gnt_i = chance(rng, speed);
    dut.lin_gnt_i = chance(rng, speed);
    dut.eval();
    taken = offered != nullptr && dut.desc_ready_o != 0;
    check();
    if (HasFatalFailure()) return;
    const bool beat = dut.r_valid_i != 0 && dut.r_ready_o != 0;
    if (dut.flush_i != 0) {
      bursts.clear();
      sinks.clear();
    }
    if (taken) {
      bursts.emplace_back(*offered);
      sinks.push_back({*offered});
    }
    part.clock();
    if (beat) {
      dut.r_valid_i = 0;
      if (--outstanding.front() == 0) outstanding.pop_front();
    }
  }

  void drive(const Load& l) {
    auto& dut = part.dut;
    const Signal req(dut.desc_req_i), sink(dut.desc_sink_i);
    put_bits(req, 0, 20, l.beats);
    put_bits(req, 20, 16, l.tiles);
    put_bits(req, 36, 48, l.addr);
    put_bits(sink, 0, 8, l.turn);
    put_bits(sink, 8, 8, l.first);
    put_bits(sink, 16, 16, l.last_word);
    put_bits(sink, 32, 16, l.local);
    put_bits(sink, 48, 20, l.beats);
    put_bits(sink, 68, 16, l.tiles);
    put_bits(sink, 84, 2, l.space);
    put_bits(sink, 86, 1, l.tiled);
    put_bits(sink, 87, 3, l.tag);
  }

  void check() {
    auto& dut = part.dut;
    ASSERT_EQ(dut.idle_o, sinks.empty() && bursts.empty() && outstanding.empty() && dut.ar_valid_o == 0);
    if (dut.ar_valid_o != 0 && dut.ar_ready_i != 0) {
      if (flushed_request) {
        flushed_request = false;  // it was on the port already
      } else {
        ASSERT_FALSE(bursts.empty());
        ASSERT_EQ(dut.ar_addr_o, bursts.front().addr());
        ASSERT_EQ(dut.ar_len_o + 1U, bursts.front().beats());
        bursts.front().next();
        if (bursts.front().end()) bursts.pop_front();
      }
      outstanding.push_back(dut.ar_len_o + 1U);
    }
    const bool valid = dut.r_valid_i != 0 && dut.flush_i == 0;
    if (dut.flush_i != 0) {
      ASSERT_EQ(dut.r_ready_o, 1);
      ASSERT_EQ(dut.desc_ready_o, 0);
    }
    if (valid) {
      ASSERT_FALSE(sinks.empty());
    }
    ASSERT_EQ(dut.kv_req_o, valid && sinks.front().load.tiled != 0);
    ASSERT_EQ(dut.lin_req_o, valid && sinks.front().load.tiled == 0);
    if (!valid) {
      ASSERT_EQ(dut.done_o, 0);
      ASSERT_EQ(dut.error_o, 0);
      return;
    }
    auto& sink = sinks.front();
    const bool tiled = sink.load.tiled != 0;
    if (tiled) {
      ASSERT_EQ(dut.kv_group_o, sink.group());
      ASSERT_EQ(dut.kv_addr_o, sink.row());
      ASSERT_EQ(dut.kv_data_o, dut.r_data_i);
    } else {
      ASSERT_EQ(dut.lin_space_o, sink.load.space);
      ASSERT_EQ(dut.lin_addr_o, sink.word());
      ASSERT_EQ(dut.lin_slice_o, sink.slice());
      ASSERT_EQ(dut.lin_data_o, dut.r_data_i);
    }
    const bool granted = (tiled ? dut.kv_gnt_i : dut.lin_gnt_i) != 0;
    ASSERT_EQ(dut.r_ready_o, granted && sink.completes_beat());
    ASSERT_EQ(dut.error_o, dut.r_ready_o != 0 && dut.r_error_i != 0);
    ASSERT_EQ(dut.done_o, granted && sink.completes_load());
    if (dut.done_o != 0) {
      ASSERT_EQ(dut.done_tag_o, sink.load.tag);
    }
    if (!granted) return;
    sink.take();
    if (dut.done_o != 0) sinks.pop_front();
  }

  void flush() {
    part.dut.flush_i = 1;
    flushed_request = part.dut.ar_valid_o != 0;
    do {
      cycle(nullptr, 0.9, 0.9);
      ASSERT_FALSE(HasFatalFailure());
    } while (part.dut.idle_o == 0);
    part.dut.flush_i = 0;
  }

  std::mt19937_64 rng;
  Part<Vdma_part_load> part;
  std::deque<Bursts> bursts;         // still to be asked for
  std::deque<uint64_t> outstanding;  // beats of each burst that are still to come
  std::deque<Sink> sinks;
  bool taken = false, flushed_request = false;
};

// To their end if they are short, else until a flush.
TEST_F(DmaLoad, BurstsAndWritesOfAnyLoad) {
  for (int round = 0; round < 120; ++round) {
    SCOPED_TRACE(round);
    const double speed = std::array{0.2, 0.6, 1.0}[rng() % 3];
    const bool is_short = round % 2 == 0;
    Load next = random_load(rng, is_short ? 3 : 16, is_short ? 5 : 20);
    for (int i = 0; i < 600; ++i) {
      cycle(chance(rng, 0.5) ? &next : nullptr, speed, speed);
      ASSERT_FALSE(HasFatalFailure());
      if (taken) next = random_load(rng, is_short ? 3 : 16, is_short ? 5 : 20);
    }
    if (!is_short) flush();
    for (int i = 0; i < 20000 && part.dut.idle_o == 0; ++i) {
      cycle(nullptr, 1, 1);
      ASSERT_FALSE(HasFatalFailure());
    }
    ASSERT_EQ(part.dut.idle_o, 1);
  }
}

// As many tiles and as long ones as the counters hold.
TEST_F(DmaLoad, LongestLoads) {
  for (const Load& l : {Load{.tiles = 0xFFFF, .tiled = 1}, Load{.beats = 0x1FFFF, .tiled = 1}}) {
    cycle(&l, 1, 1);
    for (int i = 0; i < 200000 && part.dut.idle_o == 0; ++i) {
      cycle(nullptr, 1, 1);
      ASSERT_FALSE(HasFatalFailure());
    }
    ASSERT_EQ(part.dut.idle_o, 1);
  }
}

// A memory that says nothing is asked for as many bursts as the counter holds.
TEST_F(DmaLoad, CountsItsBursts) {
  const Load l{.tiles = 6000, .tiled = 1};
  cycle(&l, 1, 0);
  for (int i = 0; i < 6000; ++i) {
    cycle(nullptr, 1, 0);
    ASSERT_FALSE(HasFatalFailure());
  }
  EXPECT_EQ(outstanding.size(), 4095U);
  for (int i = 0; i < 8000 && part.dut.idle_o == 0; ++i) {
    cycle(nullptr, 1, 1);
    ASSERT_FALSE(HasFatalFailure());
  }
  EXPECT_EQ(part.dut.idle_o, 1);
}

// --- stores
// ---------------------------------------------------------------------------------------------------

struct Store {
  uint64_t addr = 0, beats = 1, tag = 0, tiled = 0, space = 0, local = 0, last_word = 0, group = 0;

  bool gathers() const {
    return tiled == 0 && space == kScl;
  }  // a beat of two words, else words of two beats
};

Store random_store(std::mt19937_64& rng, int beat_bits) {
  Store s;
  s.addr = rng() & kMask48 & ~(kBeatBytes - 1);
  if (rng() % 2 == 0) s.addr |= kPage - kBeatBytes * (1 + rng() % 20);  // near the end of a page
  s.tag = rng() % 8;
  s.tiled = rng() % 2;
  s.space = rng() % 4;
  s.local = rng() & 0xFFFF;
  s.group = rng() & 0xFF;
  // Two words a beat: more would pass the first word again. What others have as their last word does not
  // matter.
  s.beats = any_size(rng, s.gathers() ? std::min(beat_bits, 15) : beat_bits);
  s.last_word = (s.gathers() ? s.local + 2 * s.beats - 1 - rng() % 2 : rng()) & 0xFFFF;
  return s;
}

// What is in the scratchpad: eight bytes of a word or of a KV row.
uint64_t content(const Store& s, uint64_t word, uint64_t lane) {
  const uint64_t place = s.tiled != 0 ? 4 + s.group : s.space;
  uint64_t x = (place << 17 | word << 1 | lane) * 0x9E3779B97F4A7C15;
  x = (x ^ x >> 29) * 0xBF58476D1CE4E5B9;
  return x ^ x >> 32;
}

uint64_t word_of(const Store& s, uint64_t beat, uint64_t half) {
  const uint64_t words = s.tiled != 0 ? beat : s.gathers() ? 2 * beat + half : beat / 2;
  return (s.local + words) & 0xFFFF;
}

bool completes_beat(const Store& s, uint64_t beat, uint64_t half) {
  return !s.gathers() || half == 1 || word_of(s, beat, half) == s.last_word;
}

uint64_t data_of(const Store& s, uint64_t beat) {
  const uint64_t word = word_of(s, beat, 0);
  if (!s.gathers()) return content(s, word, s.tiled != 0 ? 0 : beat % 2);
  const uint64_t low = content(s, word, 0) & 0xFFFFFFFF;
  return completes_beat(s, beat, 0) ? low : low | content(s, word_of(s, beat, 1), 0) << 32;
}

// Every output in every cycle, from what a channel's store is at.
class DmaStore : public testing::Test {
 protected:
  enum class At { kNothing, kAddress, kRead, kCapture, kSend, kResponse };
  struct Speeds {
    double offers = 0.5, addresses = 1, beats = 1, responses = 1, reads = 1;
  };

  DmaStore() : rng(make_rng(3)) {
    auto& dut = part.dut;
    dut.desc_valid_i = dut.flush_i = dut.aw_ready_i = dut.w_ready_i = dut.b_valid_i = dut.rd_gnt_i = 0;
    part.reset();
  }

  void cycle(bool flush = false) {
    auto& dut = part.dut;
    dut.flush_i = flush;
    dut.desc_valid_i = chance(rng, speeds.offers);
    drive(next);
    dut.aw_ready_i = chance(rng, speeds.addresses);
    dut.w_ready_i = chance(rng, speeds.beats);
    // Memory answers when it has address and data.
    dut.b_valid_i = at == At::kResponse && !address_out && chance(rng, speeds.responses);
    dut.b_error_i = chance(rng, 0.3);
    const bool arrives = at == At::kCapture;  // else anything
    for (uint64_t lane = 0; lane < 2; ++lane) {
      put_bits(Signal(dut.rd_data_i), 64 * lane, 64,
               arrives ? content(store, word_of(store, beat, half), lane) : rng());
    }
    dut.rd_gnt_i = 0;
    dut.eval();
    dut.rd_gnt_i = dut.rd_req_o != 0 && chance(rng, speeds.reads);
    dut.eval();
    check();
    if (HasFatalFailure()) return;
    step();
    part.clock();
  }

  void drive(const Store& s) {
    const Signal desc(part.dut.desc_i);
    put_bits(desc, 0, 8, s.group);
    put_bits(desc, 8, 16, s.last_word);
    put_bits(desc, 24, 16, s.local);
    put_bits(desc, 40, 20, s.beats);
    put_bits(desc, 60, 48, s.addr);
    put_bits(desc, 108, 2, s.space);
    put_bits(desc, 110, 1, s.tiled);
    put_bits(desc, 111, 3, s.tag);
  }

  bool stops() const { return killed || part.dut.flush_i != 0; }

  void check() {
    auto& dut = part.dut;
    ASSERT_EQ(dut.idle_o, at == At::kNothing);
    ASSERT_EQ(dut.desc_ready_o, at == At::kNothing && dut.flush_i == 0);
    ASSERT_EQ(dut.aw_valid_o, address_out);
    if (address_out) {
      ASSERT_EQ(dut.aw_addr_o, burst_addr);
      ASSERT_EQ(dut.aw_len_o + 1U, burst_beats);
    }
    ASSERT_EQ(dut.w_valid_o, at == At::kSend);
    if (at == At::kSend) {
      ASSERT_EQ(dut.w_last_o, left == 1);
      ASSERT_EQ(dut.w_strb_o, enabled ? 0xFF : 0);
      if (enabled) {
        ASSERT_EQ(dut.w_data_o, data_of(store, beat)) << "beat " << beat;
      }
    }
    const bool reads = at == At::kRead || (at == At::kSend && dut.w_ready_i != 0 && left != 1);
    ASSERT_EQ(dut.rd_req_o, reads && !stops());
    if (dut.rd_req_o != 0) {
      ASSERT_EQ(dut.rd_tiled_o, store.tiled);
      if (store.tiled != 0) {
        ASSERT_EQ(dut.rd_group_o, store.group);
      } else {
        ASSERT_EQ(dut.rd_space_o, store.space);
      }
      ASSERT_EQ(dut.rd_addr_o, at == At::kRead ? word_of(store, beat, half) : word_of(store, beat + 1, 0));
    }
    // No response before the address has been taken.
    ASSERT_EQ(dut.b_ready_o, at == At::kResponse && !address_out);
    const bool response = dut.b_valid_i != 0 && dut.b_ready_o != 0;
    ASSERT_EQ(dut.error_o, response && dut.b_error_i != 0);
    ASSERT_EQ(dut.done_o, response && beat == store.beats && !stops());
    if (dut.done_o != 0) {
      ASSERT_EQ(dut.done_tag_o, store.tag);
      ++done;
    }
  }

  void step() {
    const auto& dut = part.dut;
    if (dut.aw_ready_i != 0) address_out = false;
    switch (at) {
      case At::kNothing:
        if (dut.desc_valid_i == 0 || dut.flush_i != 0) break;
        store = next;
        next = random_store(rng, beat_bits);
        bursts = Bursts({.addr = store.addr, .beats = store.beats});
        beat = 0;
        at = At::kAddress;
        break;
      case At::kAddress:
        if (stops()) {
          at = At::kNothing;
          break;
        }
        address_out = true;
        burst_addr = bursts.addr();
        left = burst_beats = bursts.beats();
        bursts.next();
        half = 0;
        at = At::kRead;
        break;
      case At::kRead:
        if (stops()) {
          offer();
        } else if (dut.rd_gnt_i != 0) {
          at = At::kCapture;
        }
        break;
      case At::kCapture:
        if (stops() || completes_beat(store, beat, half)) {
          offer();
        } else {
          ++half;
          at = At::kRead;
        }
        break;
      case At::kSend:
        if (dut.w_ready_i == 0) break;
        ++beat;
        half = 0;
        if (--left == 0) {
          at = At::kResponse;
        } else if (stops()) {
          offer();
        } else {
          at = dut.rd_gnt_i != 0 ? At::kCapture : At::kRead;
        }
        break;
      case At::kResponse:
        if (dut.b_valid_i != 0) at = beat == store.beats || stops() ? At::kNothing : At::kAddress;
        break;
    }
    killed = stops() && at != At::kNothing;
  }

  // The next beat goes onto the bus, without its bytes if a flush came first.
  void offer() {
    enabled = !stops();
    at = At::kSend;
  }

  void finish(int cycles) {
    speeds.offers = 0;
    for (int i = 0; i < cycles && at != At::kNothing; ++i) {
      cycle();
      ASSERT_FALSE(HasFatalFailure());
    }
    ASSERT_EQ(part.dut.idle_o, 1);
  }

  std::mt19937_64 rng;
  Part<Vdma_part_store> part;
  Speeds speeds;
  Store next, store;
  Bursts bursts{Load{}};
  int beat_bits = 1, done = 0;
  At at = At::kNothing;
  bool address_out = false, killed = false, enabled = false;
  uint64_t burst_addr = 0, burst_beats = 0, left = 0, beat = 0, half = 0;
};

// Short ones to their end, long ones until a flush or a reset.
TEST_F(DmaStore, AnyStore) {
  for (int round = 0; round < 150; ++round) {
    SCOPED_TRACE(round);
    const auto speed = [this] { return std::array{0.1, 0.6, 1.0}[rng() % 3]; };
    speeds = {.addresses = speed(), .beats = speed(), .responses = speed(), .reads = speed()};
    beat_bits = std::array{3, 6, 20}[round % 3];
    next = random_store(rng, beat_bits);
    const double flushes = round % 2 == 0 ? 0 : 0.02;
    for (int i = 0; i < 600; ++i) {
      cycle(chance(rng, flushes));
      ASSERT_FALSE(HasFatalFailure());
    }
    if (beat_bits == 20 && rng() % 2 == 0) {
      part.dut.desc_valid_i = 0;
      part.reset();
      at = At::kNothing;
      address_out = killed = false;
    } else if (beat_bits == 20) {
      speeds.offers = 0;
      for (uint64_t i = 0, held = 1 + rng() % 40; i < held; ++i) cycle(true);
    }
    ASSERT_FALSE(HasFatalFailure());
    finish(20000);
    ASSERT_FALSE(HasFatalFailure());
  }
  EXPECT_GT(done, 1000);
}

// As many beats as carry into the upper bits of what counts them, from each kind of place.
TEST_F(DmaStore, LongStores) {
  for (int kind = 0; kind < 5; ++kind) {
    SCOPED_TRACE(kind);
    beat_bits = 20;
    do {
      next = random_store(rng, beat_bits);
    } while (next.gathers() != (kind == kScl) || (next.tiled != 0) != (kind == 4));
    next.space = static_cast<uint64_t>(kind) % 4;
    next.beats = kind == kAct ? (1 << 16) + 5 : (1 << 12) + 5;
    next.last_word = (next.local + 2 * next.beats - 2) & 0xFFFF;
    speeds = {.offers = 1};
    cycle();
    ASSERT_FALSE(HasFatalFailure());
    finish(1 << 18);
    ASSERT_FALSE(HasFatalFailure());
  }
  EXPECT_EQ(done, 5);
}

}  // namespace
}  // namespace pimllm::tb

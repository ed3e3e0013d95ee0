// The parts of the scheduler, each by itself: what a whole scheduler reaches only after a very long time, or
// never.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "Vsched_counters.h"
#include "Vsched_fifo.h"
#include "Vsched_ifetch.h"
#include "Vsched_loops.h"
#include "Vsched_operands.h"
#include "Vsched_queue.h"
#include "Vsched_semaphores.h"
#include "golden/error.hpp"
#include "tb/common/part.hpp"
#include "tb/common/seed.hpp"
#include "tb/scheduler/control_bench.hpp"

namespace pimllm::tb {
namespace {

// --- counters: without a reset they start anywhere
// ------------------------------------------------------------

constexpr size_t kCounters = 25;

TEST(PerfCounters, CountFromAnyValue) {
  auto rng = make_rng(1);
  std::array<uint64_t, kCounters> ones{}, zeros{};  // bits that were seen so
  for (int round = 1; round <= 40; ++round) {
    Part<Vsched_counters> part(static_cast<int>(1 + rng() % INT32_MAX));
    auto& dut = part.dut;
    part.context->assertOn(false);  // they look at a cycle that was not
    dut.rst_ni = 1;
    dut.clear_i = 0;
    dut.enable_i = 0;
    dut.event_i = 0;
    part.clock();
    part.context->assertOn(true);
    std::array<uint64_t, kCounters> expected{};
    for (size_t i = 0; i < kCounters; ++i) {
      expected[i] = dut.count_o[i];
      ones[i] |= expected[i];
      zeros[i] |= ~expected[i] & kMask48;
    }
    for (int cycle = 0; cycle < 40; ++cycle) {
      dut.enable_i = chance(rng, 0.8);
      dut.event_i = rng() & ((1U << kCounters) - 1);
      part.clock();
      for (size_t i = 0; i < kCounters; ++i) {
        expected[i] = (expected[i] + (dut.enable_i & dut.event_i >> i & 1)) & kMask48;
        ASSERT_EQ(dut.count_o[i], expected[i]) << "counter " << i;
      }
    }
    (round % 2 == 0 ? dut.rst_ni : dut.clear_i) = round % 2;
    part.clock();
    for (size_t i = 0; i < kCounters; ++i) ASSERT_EQ(dut.count_o[i], 0U) << "counter " << i;
  }
  for (size_t i = 0; i < kCounters; ++i) EXPECT_EQ(ones[i] & zeros[i], kMask48) << "counter " << i;
}

// --- semaphores
// -----------------------------------------------------------------------------------------------

constexpr size_t kPeers = 6;
constexpr size_t kSemaphores = 32;
constexpr int kMost = 63;

struct Ask {
  bool valid = false;
  std::array<size_t, 2> sems{};
};
using Asks = std::array<Ask, kPeers>;

uint64_t packed(const Asks& asks) {
  uint64_t all = 0;
  for (size_t p = 0; p < kPeers; ++p)
    for (size_t i = 0; i < 2; ++i) all |= static_cast<uint64_t>(asks[p].sems[i]) << (10 * p + 5 * i);
  return all;
}

uint8_t valid_bits(const Asks& asks) {
  unsigned bits = 0;
  for (size_t p = 0; p < kPeers; ++p) bits |= static_cast<unsigned>(asks[p].valid) << p;
  return static_cast<uint8_t>(bits);
}

// A few names, so that the same ones meet; numbers of any peer, but no take of nothing.
Asks random_asks(std::mt19937_64& rng, const std::array<size_t, 4>& names, double often, bool takes) {
  Asks asks;
  for (auto& ask : asks) {
    ask.valid = chance(rng, often);
    for (auto& sem : ask.sems) sem = chance(rng, 0.2) ? 0 : names[rng() % names.size()];
    if (takes && ask.sems == std::array<size_t, 2>{}) ask.valid = false;
  }
  return asks;
}

// Who gets his tokens: the lowest for whom there are enough.
std::optional<size_t> served(const Asks& takes, const std::array<int, kSemaphores>& count) {
  for (size_t p = 0; p < kPeers; ++p) {
    const auto [first, second] = takes[p].sems;
    if (!takes[p].valid) continue;
    if (first != 0 && count[first] < 1) continue;
    if (second != 0 && count[second] < (first == second ? 2 : 1)) continue;
    return p;
  }
  return std::nullopt;
}

TEST(Semaphores, GiveAndTakeAtOnce) {
  auto rng = make_rng(2);
  Part<Vsched_semaphores> part;
  auto& dut = part.dut;
  dut.clear_i = 0;
  dut.take_req_i = dut.give_valid_i = 0;
  part.reset();
  for (int round = 0; round < 60; ++round) {
    std::array<int, kSemaphores> count{};
    std::array<size_t, 4> names{};
    for (auto& name : names) name = rng() % kSemaphores;
    // More gives than takes, as many, fewer: counts at both ends and between.
    const double giving = std::array{0.05, 0.15, 0.5}[rng() % 3];
    for (int cycle = 0; cycle < 200; ++cycle) {
      const Asks takes = random_asks(rng, names, 0.3, true);
      const Asks gives = random_asks(rng, names, giving, false);
      dut.take_req_i = valid_bits(takes);
      dut.take_sem_i = packed(takes);
      dut.give_valid_i = valid_bits(gives);
      dut.give_sem_i = packed(gives);
      dut.eval();
      const auto winner = served(takes, count);
      ASSERT_EQ(dut.take_gnt_o, winner ? 1U << *winner : 0U) << "round " << round << " cycle " << cycle;
      if (winner)
        for (const size_t s : takes[*winner].sems) --count[s];
      for (const auto& give : gives)
        for (const size_t s : give.sems) count[s] += give.valid;
      count[0] = 0;
      unsigned overflow = 0;
      for (size_t p = 0; p < kPeers; ++p) {
        const auto& [valid, sems] = gives[p];
        if (valid && (count[sems[0]] > kMost || count[sems[1]] > kMost)) overflow |= 1U << p;
      }
      ASSERT_EQ(dut.overflow_o, overflow) << "round " << round << " cycle " << cycle;
      for (int& c : count) c = std::min(c, kMost);
      part.clock();
    }
    dut.clear_i = 1;
    part.clock();
    dut.clear_i = 0;
  }
}

// Each peer, each semaphore: one token serves who takes one; who takes two waits for the second.
TEST(Semaphores, EachPeerNeedsEachToken) {
  Part<Vsched_semaphores> part;
  auto& dut = part.dut;
  dut.clear_i = dut.take_req_i = dut.give_valid_i = 0;
  part.reset();
  for (size_t p = 0; p < kPeers; ++p) {
    for (size_t s = 1; s < kSemaphores; ++s) {
      SCOPED_TRACE(testing::Message() << "peer " << p << " semaphore " << s);
      for (const auto& taken : {std::array{s, s}, std::array{s, size_t{0}}, std::array{size_t{0}, s}}) {
        const bool two = taken[0] == taken[1];
        Asks takes{}, gives{};
        gives[p] = {.valid = true, .sems = {s, 0}};
        takes[p] = {.valid = true, .sems = taken};
        dut.give_sem_i = packed(gives);
        dut.take_sem_i = packed(takes);
        dut.give_valid_i = valid_bits(gives);
        part.clock();
        dut.take_req_i = valid_bits(takes);
        dut.give_valid_i = two ? valid_bits(gives) : 0;
        dut.eval();
        ASSERT_EQ(dut.take_gnt_o, two ? 0U : 1U << p);
        part.clock();
        dut.give_valid_i = 0;
        dut.eval();
        ASSERT_EQ(dut.take_gnt_o, two ? 1U << p : 0U);
        part.clock();
        dut.take_req_i = 0;
      }
    }
  }
}

// --- FIFO
// -----------------------------------------------------------------------------------------------------

TEST(Fifo, KeepsOrder) {
  constexpr size_t kDepth = 8;
  constexpr uint64_t kMask = (uint64_t{1} << 42) - 1;
  auto rng = make_rng(3);
  Part<Vsched_fifo> part;
  auto& dut = part.dut;
  dut.clear_i = 0;
  dut.valid_i = dut.ready_i = 0;
  part.reset();
  std::deque<uint64_t> expected;
  for (int cycle = 0; cycle < 4000; ++cycle) {
    const double full = cycle / 50 % 2 == 0 ? 0.8 : 0.2;
    dut.valid_i = chance(rng, full);
    dut.ready_i = chance(rng, 1 - full);
    dut.data_i = rng() & kMask;
    dut.clear_i = chance(rng, 0.01);
    dut.eval();
    ASSERT_EQ(dut.ready_o, expected.size() < kDepth) << "cycle " << cycle;
    ASSERT_EQ(dut.valid_o, !expected.empty()) << "cycle " << cycle;
    if (dut.valid_o) {
      ASSERT_EQ(dut.data_o, expected.front()) << "cycle " << cycle;
    }
    if (dut.valid_o && dut.ready_i) expected.pop_front();
    if (dut.valid_i && dut.ready_o) expected.push_back(dut.data_i);
    if (dut.clear_i) expected.clear();
    part.clock();
  }
}

// --- loops
// ----------------------------------------------------------------------------------------------------

struct OpenLoop {
  uint64_t first, last, left;
};

// Where the instruction at pc goes on, and the loops that are still open after it.
std::optional<uint64_t> step(std::vector<OpenLoop>& loops, uint64_t pc) {
  while (!loops.empty() && loops.back().last == pc) {
    if (loops.back().left != 1) {
      --loops.back().left;
      return loops.back().first;
    }
    loops.pop_back();
  }
  return std::nullopt;
}

TEST(LoopStack, AnyCountAndAnyAddress) {
  constexpr size_t kDepth = 4;
  constexpr uint64_t kPcMask = (uint64_t{1} << 44) - 1;
  auto rng = make_rng(4);
  Part<Vsched_loops> part;
  auto& dut = part.dut;
  dut.clear_i = 0;
  dut.push_i = dut.step_i = 0;
  part.reset();
  std::vector<OpenLoop> loops;
  const auto power = [&rng](int bits) { return uint64_t{1} << rng() % static_cast<uint64_t>(bits); };
  for (int cycle = 0; cycle < 20000; ++cycle) {
    // Ends that several loops share, and ones that differ from them in a single bit.
    if (loops.empty()) dut.last_i = rng() & kPcMask;
    if (chance(rng, 0.1)) dut.last_i = dut.last_i ^ power(44);
    dut.push_i = loops.size() < kDepth && chance(rng, 0.3);
    dut.first_i = rng() & kPcMask;
    dut.count_i = chance(rng, 0.5) ? 1 + rng() % 3 : power(48) + rng() % 3;
    dut.step_i = chance(rng, 0.9);
    uint64_t pc = loops.empty() ? rng() & kPcMask : loops[rng() % loops.size()].last;
    if (chance(rng, 0.2)) pc ^= power(44);
    dut.skip_i = chance(rng, 0.3);
    dut.pc_i = dut.skip_i ? rng() & kPcMask : pc;
    if (dut.skip_i) dut.last_i = pc;
    dut.clear_i = chance(rng, 0.01);
    dut.eval();
    ASSERT_EQ(dut.full_o, loops.size() == kDepth) << "cycle " << cycle;
    auto after = loops;
    const auto target = step(after, pc);
    ASSERT_EQ(dut.jump_o, target.has_value()) << "cycle " << cycle;
    if (target) {
      ASSERT_EQ(dut.target_o, *target) << "cycle " << cycle;
    }
    if (dut.push_i)
      loops.push_back({dut.first_i, dut.last_i, dut.count_i});
    else if (dut.step_i)
      loops = after;
    if (dut.clear_i) loops.clear();
    part.clock();
  }
}

// --- queue of a unit
// ------------------------------------------------------------------------------------------

struct Entry {
  UnitCmd cmd;
  std::array<uint64_t, 2> wait{}, sig{};
};

Entry random_entry(std::mt19937_64& rng) {
  Entry e{.cmd = any_command(rng, isa::Opcode::kLoadt)};
  for (auto& s : e.wait) s = chance(rng, 0.6) ? 0 : rng() % kSemaphores;
  for (auto& s : e.sig) s = rng() % kSemaphores;
  return e;
}

void drive(const Signal& port, const Entry& e) {
  const auto cmd = pack(e.cmd);
  for (size_t i = 0; i < kUnitCmdBits; ++i) put_bits(port, i, 1, cmd[i / 8] >> i % 8 & 1);
  size_t lsb = kUnitCmdBits;
  for (const uint64_t sem : {e.sig[0], e.sig[1], e.wait[0], e.wait[1]}) {
    put_bits(port, lsb, 5, sem);
    lsb += 5;
  }
}

uint64_t sems(const std::array<uint64_t, 2>& pair) { return pair[0] | pair[1] << 5; }

TEST(UnitQueue, FollowsItsContract) {
  constexpr size_t kDepth = 4, kInFlight = 8;
  auto rng = make_rng(5);
  Part<Vsched_queue> part;
  auto& dut = part.dut;
  dut.clear_i = 0;
  dut.push_valid_i = dut.hold_i = dut.take_gnt_i = dut.cmd_ready_i = dut.done_i = 0;
  part.reset();
  std::deque<Entry> queue, flight;
  bool waited = false, shown = false;
  std::optional<uint32_t> taken;  // pc of the last one
  double push = 0, ready = 0, done = 0, hold = 0;
  for (int cycle = 0; cycle < 30000; ++cycle) {
    if (cycle % 100 == 0) {
      push = std::array{0.1, 0.5, 0.9}[rng() % 3];
      ready = std::array{0.1, 0.5, 0.9}[rng() % 3];
      done = std::array{0.02, 0.3, 0.9}[rng() % 3];
      hold = std::array{0.0, 0.1, 0.7}[rng() % 3];
    }
    const Entry next = random_entry(rng);
    drive(Signal(dut.push_entry_i), next);
    dut.push_valid_i = chance(rng, push);
    dut.cmd_ready_i = chance(rng, ready);
    dut.hold_i = chance(rng, hold);
    dut.clear_i = chance(rng, 0.003);
    const bool room = flight.size() < kInFlight, flying = !flight.empty();
    const bool pending = !queue.empty() && sems(queue.front().wait) != 0 && !waited;
    const bool valid = !queue.empty() && room && !pending && (shown || dut.hold_i == 0);
    const bool accept = valid && dut.cmd_ready_i != 0;
    const bool asks = pending && dut.hold_i == 0 && room;
    dut.take_gnt_i = asks && chance(rng, 0.3);
    dut.done_i = (flying || accept) && chance(rng, done);
    dut.eval();
    SCOPED_TRACE(cycle);
    ASSERT_EQ(dut.idle_o, queue.empty() && !flying);
    ASSERT_EQ(dut.quiet_o, !shown && !flying);
    ASSERT_EQ(dut.push_ready_o, queue.size() < kDepth);
    ASSERT_EQ(dut.take_req_o, asks);
    ASSERT_EQ(dut.cmd_valid_o, valid);
    ASSERT_EQ(dut.give_valid_o, dut.done_i);
    if (asks) {
      ASSERT_EQ(dut.take_sem_o, sems(queue.front().wait));
    }
    if (valid) {
      ASSERT_TRUE(same(unpack(Signal(dut.cmd_o), 0), queue.front().cmd));
      ASSERT_EQ(dut.newest_pc_o, queue.front().cmd.pc);
    } else if (taken) {
      ASSERT_EQ(dut.newest_pc_o, *taken);
    }
    if (dut.done_i != 0) {
      const Entry& finished = flying ? flight.front() : queue.front();
      ASSERT_EQ(dut.give_sem_o, sems(finished.sig));
      ASSERT_EQ(dut.done_pc_o, finished.cmd.pc);
    }
    if (accept) {
      taken = queue.front().cmd.pc;
      flight.push_back(queue.front());
      queue.pop_front();
    }
    if (dut.done_i != 0) flight.pop_front();
    if (dut.push_valid_i != 0 && dut.push_ready_o != 0) queue.push_back(next);
    waited = !accept && (waited || dut.take_gnt_i != 0);
    shown = valid && !accept;
    if (dut.clear_i != 0) {
      queue.clear();
      flight.clear();
      waited = shown = false;
    }
    part.clock();
  }
}

// --- operands ---------------------------------------------------------------------------------------------

// The machine `unit`; addresses of SCR count half words.
enum Space : uint64_t {
  kNowhere = 1 << 16,
  kAct = 512,
  kScrHalves = 2 * 256,
  kKvs = 128,
  kScl = 256,
  kKv = 512
};

// A dispatched instruction: bases, that is registers, and offsets.
struct Fetched {
  Entry entry;  // the command holds the bases
  uint64_t unit = 0;
  std::array<uint64_t, 6> offsets{};  // of a0, a1, a2, s0, s1, s2
};

struct Spaces {
  uint64_t a0 = kNowhere, a1 = kNowhere, a2 = kNowhere, s0 = kNowhere, s1 = kNowhere, s2 = kNowhere;
};

// What the operands of an instruction address (docs/isa.md).
Spaces spaces_of(const UnitCmd& c) {
  using isa::Opcode;
  const auto mode = [&c](int lsb, int width) { return c.mode >> lsb & ((1 << width) - 1); };
  switch (c.opcode) {
    case Opcode::kLoadt:
    case Opcode::kStoret:
      return {.a0 = kKv};
    case Opcode::kLoadl:
    case Opcode::kStorel:
      return {.a0 = std::array<uint64_t, 4>{kAct, kScrHalves, kKvs, kScl}[static_cast<size_t>(mode(0, 2))]};
    case Opcode::kXbar:
      return {.a0 = kAct, .a1 = kAct};
    case Opcode::kXprog:
      return {.a0 = kAct};
    case Opcode::kQk:
    case Opcode::kPv:
      return {.a0 = kScrHalves, .a1 = kKv, .a2 = kScrHalves, .s1 = mode(2, 1) != 0 ? kKv : kNowhere};
    case Opcode::kSoftmax:
    case Opcode::kSmaxscan:
      return {.a0 = kScrHalves,
              .a1 = c.opcode == Opcode::kSoftmax ? kScrHalves : kNowhere,
              .a2 = kKvs,
              .s0 = kScl,
              .s1 = kScl,
              .s2 = mode(2, 1) != 0 ? kKvs : kNowhere};
    case Opcode::kNorm:
      return {.a0 = kAct,
              .a1 = kAct,
              .a2 = mode(1, 1) != 0 ? kScrHalves : kAct,
              .s0 = kScl,
              .s1 = kScl,
              .s2 = kScl};
    case Opcode::kQuant: {
      const bool tile = mode(3, 1) != 0;
      return {.a0 = kAct,
              .a1 = mode(0, 2) != 0 ? kAct : kNowhere,
              .a2 = tile              ? kKv
                    : mode(2, 1) != 0 ? kScrHalves
                                      : kAct,
              .s0 = kScl,
              .s1 = kScl,
              .s2 = tile ? kKvs : kScl};
    }
    case Opcode::kJoin:
      return {.a0 = kScrHalves, .a2 = kAct, .s0 = kScl};
    case Opcode::kResadd:
    case Opcode::kActfn: {
      const bool second = c.opcode == Opcode::kResadd ? mode(0, 1) != 0 : mode(2, 2) != 0;
      return {.a0 = kAct, .a1 = second ? kAct : kNowhere, .a2 = kAct, .s0 = kScl, .s1 = kScl, .s2 = kScl};
    }
    case Opcode::kEmbed:
      return {.a0 = kAct, .a1 = mode(0, 1) != 0 ? kAct : kNowhere, .a2 = kAct, .s0 = kScl, .s2 = kScl};
    case Opcode::kLogit:
      return {.a0 = kScrHalves, .a1 = kAct, .a2 = kAct, .s0 = kScl};
    default:
      throw Error("no opcode of a unit");
  }
}

UnitCmd resolved(const Fetched& f) {
  constexpr uint64_t kBeatBytes = 8;
  UnitCmd c = f.entry.cmd;
  const auto local = [](uint16_t& base, uint64_t offset) { base = static_cast<uint16_t>(base + offset); };
  local(c.a0, f.offsets[0]);
  c.a1 = (c.a1 + f.offsets[1] * (f.unit == 0 ? kBeatBytes : 1)) & kMask48;
  local(c.a2, f.offsets[2]);
  local(c.s0, f.offsets[3]);
  local(c.s1, f.offsets[4]);
  c.s2 = (c.s2 + f.offsets[5]) & kMask48;
  return c;
}

isa::ErrorCode error_of(const UnitCmd& c, uint64_t unit) {
  if (unit != 0 && c.count == 0) return isa::ErrorCode::kIllegalOpcode;
  const Spaces s = spaces_of(c);
  const bool good = c.a0 < s.a0 && (c.a1 & 0xFFFF) < s.a1 && c.a2 < s.a2 && c.s0 < s.s0 && c.s1 < s.s1 &&
                    (c.s2 & 0xFFFF) < s.s2;
  return good ? isa::ErrorCode::kNone : isa::ErrorCode::kBadAddress;
}

// Operands inside the smallest space, but for one in some.
Fetched random_fetched(std::mt19937_64& rng) {
  Fetched f;
  std::vector<isa::Opcode> opcodes;
  for (const auto& info : isa::kOpcodes)
    if (unit_index(info.opcode) >= 0) opcodes.push_back(info.opcode);
  f.entry = random_entry(rng);
  auto& c = f.entry.cmd;
  c.opcode = opcodes[rng() % opcodes.size()];
  f.unit = static_cast<uint64_t>(unit_index(c.opcode));
  if (chance(rng, 0.05)) c.count = 0;
  for (uint64_t& offset : f.offsets) offset = rng() % 64;
  for (uint16_t* base : {&c.a0, &c.a2, &c.s0, &c.s1}) *base = static_cast<uint16_t>(rng() % 64);
  if (f.unit != 0) c.a1 = (c.a1 & ~uint64_t{0xFFFF}) | rng() % 64;
  c.s2 = (c.s2 & ~uint64_t{0xFFFF}) | rng() % 64;
  const auto wrong =
      static_cast<uint16_t>(chance(rng, 0.5) ? 1U << rng() % 16 : 64 * (rng() % 9) - rng() % 64);
  switch (rng() % 12) {
    case 0:
      c.a0 = wrong;
      break;
    case 1:
      c.a1 = (c.a1 & ~uint64_t{0xFFFF}) | wrong;
      break;
    case 2:
      c.a2 = wrong;
      break;
    case 3:
      c.s0 = wrong;
      break;
    case 4:
      c.s1 = wrong;
      break;
    case 5:
      c.s2 = (c.s2 & ~uint64_t{0xFFFF}) | wrong;
      break;
    case 6:
      f.offsets = {rng() % 2048, rng() % 2048, rng() % 2048, rng() % 128, rng() % 128, rng() % 128};
      break;
    default:
      break;
  }
  return f;
}

void drive(const Signal& port, const Fetched& f) {
  size_t lsb = 0;
  const auto put = [&](uint64_t value, size_t width) {
    put_bits(port, lsb, width, value);
    lsb += width;
  };
  const UnitCmd& c = f.entry.cmd;
  const auto& [a0, a1, a2, s0, s1, s2] = f.offsets;
  put(c.pos, 16);
  put(s2, 7);
  put(c.s2, 48);
  put(s1, 7);
  put(c.s1, 16);
  put(s0, 7);
  put(c.s0, 16);
  put(a2, 11);
  put(c.a2, 16);
  put(a1, 11);
  put(c.a1, 48);
  put(a0, 11);
  put(c.a0, 16);
  put(c.count, 16);
  put(c.mode, 7);
  put(static_cast<uint64_t>(c.opcode), 6);
  for (const uint64_t sem : {f.entry.sig[0], f.entry.sig[1], f.entry.wait[0], f.entry.wait[1]}) put(sem, 5);
  put(f.unit, 3);
  put(c.pc, 32);
}

TEST(OperandStage, AddsChecksAndPushes) {
  auto rng = make_rng(6);
  Part<Vsched_operands> part;
  auto& dut = part.dut;
  dut.clear_i = 0;
  dut.valid_i = dut.push_ready_i = 0;
  part.reset();
  std::optional<Fetched> held;
  int errors = 0;
  for (int cycle = 0; cycle < 40000; ++cycle) {
    SCOPED_TRACE(cycle);
    const Fetched next = random_fetched(rng);
    drive(Signal(dut.fetched_i), next);
    dut.valid_i = chance(rng, 0.8);
    dut.push_ready_i = rng() & rng() & 31;
    if (chance(rng, 0.5)) dut.push_ready_i = 31;
    // An error stays for a while.
    dut.clear_i = chance(rng, errors > 0 ? 0.3 : 0.01);
    dut.rst_ni = !chance(rng, 0.01);
    dut.eval();
    bool pushed = false;
    ASSERT_EQ(dut.idle_o, !held);
    if (held) {
      const UnitCmd cmd = resolved(*held);
      const auto error = error_of(cmd, held->unit);
      const bool good = error == isa::ErrorCode::kNone;
      ASSERT_EQ(dut.error_o, !good) << isa::opcode_info(cmd.opcode).name;
      ASSERT_EQ(dut.push_valid_o, good ? 1U << held->unit : 0U);
      if (good) {
        const Signal entry(dut.push_entry_o);
        ASSERT_TRUE(same(unpack(entry, 0), cmd)) << isa::opcode_info(cmd.opcode).name;
        ASSERT_EQ(bits_of(entry, kUnitCmdBits, 20), sems(held->entry.sig) | sems(held->entry.wait) << 10);
        pushed = (dut.push_ready_i >> held->unit & 1) != 0;
      } else {
        ASSERT_EQ(dut.error_code_o, static_cast<uint32_t>(error));
        ASSERT_EQ(dut.error_pc_o, cmd.pc);
      }
      errors = good ? 0 : errors + 1;
    } else {
      ASSERT_EQ(dut.push_valid_o, 0);
      ASSERT_EQ(dut.error_o, 0);
    }
    ASSERT_EQ(dut.ready_o, !held || pushed);
    if (dut.ready_o != 0) held = dut.valid_i != 0 ? std::optional(next) : std::nullopt;
    if (dut.clear_i != 0 || dut.rst_ni == 0) {
      held.reset();
      errors = 0;
    }
    part.clock();
  }
}

// --- instruction fetch
// ----------------------------------------------------------------------------------------

constexpr uint64_t kLines = 8, kAhead = 6, kLineInstrs = 8, kBeats = 16;  // beats of a line
constexpr size_t kFetchBytes = 8;

uint64_t beat_data(uint64_t address) { return address * 0x9E3779B97F4A7C15; }

// Memory that answers one beat a cycle and keeps what was asked for.
struct FetchBench {
  explicit FetchBench(uint64_t seed) : rng(make_rng(seed)) {
    auto& dut = part.dut;
    dut.run_i = dut.redirect_valid_i = dut.instr_ready_i = 0;
    dut.m_axi_fetch_arready_i = dut.m_axi_fetch_rvalid_i = 0;
    dut.m_axi_fetch_rresp_i = 0;
    part.reset();
  }

  void cycle() {
    auto& dut = part.dut;
    dut.m_axi_fetch_arready_i = chance(rng, 0.7);
    dut.m_axi_fetch_rvalid_i = !beats.empty() && chance(rng, 0.7);
    if (!beats.empty()) dut.m_axi_fetch_rdata_i = beat_data(beats.front());
    dut.m_axi_fetch_rlast_i = !beats.empty() && (beats.front() / kFetchBytes + 1) % kBeats == 0;
    dut.eval();
    if (dut.m_axi_fetch_rvalid_i != 0) beats.pop_front();
    if (dut.m_axi_fetch_arvalid_o != 0 && dut.m_axi_fetch_arready_i != 0) {
      const uint64_t address = dut.m_axi_fetch_araddr_o;
      ASSERT_EQ(dut.m_axi_fetch_arlen_o, kBeats - 1);
      asked.push_back(address / (kBeats * kFetchBytes));
      for (uint64_t i = 0; i < kBeats; ++i) beats.push_back(address + kFetchBytes * i);
    }
    part.clock();
  }

  // Until everything that is wanted has come.
  void settle() {
    for (int i = 0; i < 400; ++i) cycle();
    ASSERT_TRUE(beats.empty());
  }

  Part<Vsched_ifetch> part;
  std::mt19937_64 rng;
  std::deque<uint64_t> beats;   // addresses that memory owes
  std::vector<uint64_t> asked;  // lines
};

// The line of the decoder and the next six, in order, each once; a line further, one more.
TEST(Ifetch, AsksForTheLinesAhead) {
  constexpr int kLineBits = 41;
  FetchBench bench(7);
  auto& dut = bench.part.dut;
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE(round);
    dut.run_i = 0;
    bench.settle();
    ASSERT_EQ(dut.idle_o, 1);
    bench.asked.clear();
    const uint64_t line = round < kLineBits ? uint64_t{1} << round : bench.rng() & ((uint64_t{1} << 40) - 1);
    uint64_t pc = line * kLineInstrs + bench.rng() % kLineInstrs;
    dut.redirect_valid_i = 1;
    dut.redirect_pc_i = pc;
    bench.cycle();
    dut.redirect_valid_i = 0;
    dut.run_i = 1;
    std::vector<uint64_t> expected;
    // The instruction behind the one delivered tells which lines are wanted.
    for (uint64_t l = line; l <= (pc + 1) / kLineInstrs + kAhead; ++l) expected.push_back(l);
    bench.settle();
    ASSERT_EQ(bench.asked, expected);
    while (pc / kLineInstrs < line + 2 * kLines) {
      ASSERT_EQ(dut.instr_valid_o, 1);
      ASSERT_EQ(dut.instr_pc_o, pc);
      ASSERT_EQ(dut.instr_error_o, 0);
      for (size_t i = 0; i < 2; ++i)
        ASSERT_EQ(bits_of(Signal(dut.instr_o), 64 * i, 64), beat_data(16 * pc + 8 * i));
      dut.instr_ready_i = 1;
      bench.cycle();
      dut.instr_ready_i = 0;
      ++pc;
      if (pc % kLineInstrs == kLineInstrs - 1) expected.push_back(pc / kLineInstrs + 1 + kAhead);
      bench.settle();
      ASSERT_EQ(bench.asked, expected) << "instruction " << pc % kLineInstrs;
    }
  }
}

}  // namespace
}  // namespace pimllm::tb

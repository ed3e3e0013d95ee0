// The scheduler, its instruction port and the host registers, against an interpreter and fake units.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>

#include "Vcontrol_paper.h"
#include "Vcontrol_small.h"
#include "Vcontrol_unit.h"
#include "Vcontrol_unit___024root.h"
#include "tb/common/functional.hpp"
#include "tb/scheduler/control_bench.hpp"
#include "tb/scheduler/program_generator.hpp"

namespace pimllm::tb {
namespace {

using isa::ErrorCode;
using isa::Opcode;

#define REG(name) static_cast<uint32_t>(offsetof(pimllm_regs_t, name))

constexpr uint32_t kDone = PIMLLM_REGS__STATUS__DONE_bm;
constexpr uint32_t kError = PIMLLM_REGS__STATUS__ERROR_bm;
constexpr uint32_t kBusy = PIMLLM_REGS__STATUS__BUSY_bm;
constexpr uint64_t kBase = 0x12'3456'7F80;  // above 4 GB; the program crosses a 4 KB boundary

struct Unit {
  using Model = Vcontrol_unit;
  static constexpr size_t kChannelBytes = 8;
};
struct Small {
  using Model = Vcontrol_small;
  static constexpr size_t kChannelBytes = 32;
};
struct Paper {
  using Model = Vcontrol_paper;
  static constexpr size_t kChannelBytes = 128;
};

template <typename Config>
class Scheduler : public testing::Test {
 public:
  using Bench = ControlBench<typename Config::Model>;
  static constexpr size_t kBytes = Config::kChannelBytes;
};
using Configs = testing::Types<Unit, Small, Paper>;
TYPED_TEST_SUITE(Scheduler, Configs);

// ---- Functional points: opcodes of programs that ran, tokens of commands, errors ----

const Names kUnitNames = {"DMA", "PIM", "ARR", "SMX", "VEC"};
const Names kTaken = {"takes no token", "takes 1 token", "takes 2 tokens"};
const Names kGiven = {"gives no token", "gives 1 token", "gives 2 tokens"};

std::string scheduled(Opcode opcode) { return fmt::format("scheduler, {}", isa::opcode_info(opcode).name); }

Names program_points() {
  Names names = cross({{"scheduler"}, kUnitNames, kTaken, kGiven});
  for (const auto& info : isa::kOpcodes) names.push_back(scheduled(info.opcode));
  return names;
}

void hit_program(const std::vector<Word>& program, const Outcome& outcome) {
  for (const Word& word : program)
    hit_point(scheduled(static_cast<Opcode>(word.get(isa::sched_field::kOpcode))));
  const auto tokens = [](const auto& sems) {
    return static_cast<size_t>(std::ranges::count_if(sems, std::identity{}));
  };
  for (size_t u = 0; u < kUnits; ++u) {
    for (const auto& issued : outcome.units[u])
      hit_point(cross(
          {{"scheduler"}, {kUnitNames[u]}, {kTaken[tokens(issued.wait)]}, {kGiven[tokens(issued.sig)]}})[0]);
  }
}

Word li(int rd, int64_t imm) { return sched_instr(Opcode::kLi, {.rd = rd, .imm = imm}); }
Word op(Opcode o, const SchedFields& f = {}) { return sched_instr(o, f); }

// A command that is legal in every configuration.
Word load(const UnitFields& f = {}) { return unit_instr(Opcode::kLoadt, f); }
Word norm(UnitFields f = {}) { return unit_instr(Opcode::kNorm, f); }

template <typename Bench>
HostState random_host(Bench& b) {
  HostState host;
  host.token_in = static_cast<uint32_t>(b.rng());
  host.position = static_cast<uint32_t>(b.rng());
  host.tokens_left = static_cast<uint32_t>(b.rng());
  for (auto& arg : host.args) arg = b.rng() & kMask48;
  host.argmax_id = static_cast<uint32_t>(b.rng());
  return host;
}

template <typename Bench>
void set_host(Bench& b, const HostState& host) {
  b.host.write(REG(TOKEN_IN), host.token_in);
  b.host.write(REG(POSITION), host.position);
  b.host.write(REG(TOKENS_LEFT), host.tokens_left);
  for (uint32_t i = 0; i < 4; ++i) {
    b.host.write(REG(ARG0) + 8 * i, static_cast<uint32_t>(host.args[i]));
    b.host.write(REG(ARG0_HI) + 8 * i, static_cast<uint32_t>(host.args[i] >> 32));
  }
  b.dut.argmax_id_i = host.argmax_id;
}

// Times at which tokens of each semaphore were given by units, in order.
template <typename Bench>
std::map<int, std::vector<uint64_t>> give_times(const Bench& b, const Outcome& expected) {
  std::map<int, std::vector<uint64_t>> times;
  for (size_t u = 0; u < kUnits; ++u) {
    for (size_t i = 0; i < b.units[u].done.size(); ++i) {
      for (const int s : expected.units[u][i].sig) {
        if (s != 0) times[s].push_back(b.units[u].done[i].cycle);
      }
    }
  }
  return times;
}

// Every command as expected and in order, and none before its tokens.
template <typename Bench>
void check_units(const Bench& b, const Outcome& expected) {
  for (size_t u = 0; u < kUnits; ++u) {
    const auto& taken = b.units[u].taken;
    ASSERT_EQ(taken.size(), expected.units[u].size()) << "unit " << u;
    ASSERT_EQ(b.units[u].done.size(), taken.size()) << "unit " << u;
    for (size_t i = 0; i < taken.size(); ++i) {
      ASSERT_TRUE(same(taken[i].cmd, expected.units[u][i].cmd)) << "unit " << u << " command " << i;
    }
  }
  const auto times = give_times(b, expected);
  for (size_t u = 0; u < kUnits; ++u) {
    std::map<int, size_t> takes;
    for (size_t i = 0; i < b.units[u].taken.size(); ++i) {
      const auto& issued = expected.units[u][i];
      const uint64_t when = b.units[u].taken[i].cycle;
      for (const int s : issued.wait) {
        if (s == 0) continue;
        const size_t k = takes[s]++;
        if (const auto found = times.find(s); found != times.end()) {
          ASSERT_LT(k, found->second.size());
          EXPECT_LT(found->second[k], when) << "unit " << u << " command " << i << " came before token " << s;
        }
      }
      std::map<int, size_t> waits;
      for (size_t w = 0; w < issued.decoder_waits; ++w) ++waits[expected.wait_sems[w]];
      for (const auto& [s, count] : waits) {
        if (const auto found = times.find(s); found != times.end()) {
          ASSERT_LE(count, found->second.size());
          EXPECT_LT(found->second[count - 1], when)
              << "unit " << u << " command " << i << " overtook WAIT " << s;
        }
      }
    }
  }
}

template <typename Bench>
void random_timing(Bench& b) {
  for (auto& unit : b.units) {
    auto& t = unit.behaviour;
    t.refuse = std::array{0.0, 0.3, 0.9}[b.rng() % 3];
    t.min_cycles = 1 + static_cast<int>(b.rng() % 3);
    t.max_cycles = t.min_cycles + std::array{0, 5, 60}[b.rng() % 3];
    t.in_flight = 1 + b.rng() % 8;
    t.done_at_once = b.rng() % 2 == 0;
  }
  auto& t = b.fetch.timing;
  t.latency = std::array{1, 7, 40}[b.rng() % 3];
  t.cycles_per_beat = 1 + static_cast<int>(b.rng() % 2);
  const double stall = std::array{0.0, 0.2, 0.7}[b.rng() % 3];
  t.stall_address = {&b.rng, stall};
  t.stall_data = {&b.rng, stall};
  b.host.rng = &b.rng;
}

template <typename Bench>
void forget(Bench& b) {
  for (auto& unit : b.units) {
    unit.taken.clear();
    unit.done.clear();
  }
  b.irq_rises.clear();
}

template <typename Bench>
void run_and_check(Bench& b, const std::vector<Word>& program, uint64_t base) {
  const HostState host = random_host(b);
  const Outcome expected = interpret(program, host, base, b.channel_bytes());
  ASSERT_TRUE(expected.halted) << "the generator made an endless program";
  forget(b);
  b.load(program, base);
  set_host(b, host);
  b.host.write(REG(CONTROL), PIMLLM_REGS__CONTROL__CLEAR_COUNTERS_bm);
  b.start(base);
  ASSERT_EQ(b.wait_end(), kDone);
  check_units(b, expected);
  EXPECT_EQ(b.host.read(REG(TOKEN_COUNT)), expected.tokens.size());
  if (!expected.tokens.empty()) {
    EXPECT_EQ(b.host.read(REG(TOKEN_OUT)), expected.tokens.back());
  }
  EXPECT_EQ(b.host.read(REG(POSITION)), expected.position);
  EXPECT_EQ(b.host.read(REG(TOKENS_LEFT)), expected.tokens_left);
  EXPECT_EQ(b.counter(REG(INSTRUCTIONS_LO)), expected.instructions);
  declare_points(program_points());
  hit_program(program, expected);
}

TYPED_TEST(Scheduler, RandomProgramsDoWhatTheInterpreterSays) {
  typename TestFixture::Bench b(1, TestFixture::kBytes);
  constexpr int kLeast = 40, kMost = 2000;
  declare_points(program_points());
  for (int i = 0; i < kLeast || (i < kMost && !missing_points(program_points()).empty()); ++i) {
    random_timing(b);
    b.dut.stall_operand_i = b.rng() & 31;
    b.dut.stall_output_i = b.rng() & 31;
    b.dut.stall_memory_i = b.rng() & 31;
    const uint64_t base = b.rng() & (kMask48 >> 1) & ~uint64_t{15};
    run_and_check(b, ProgramGenerator(b.rng).generate(5 + static_cast<int>(b.rng() % 40)), base);
    if (testing::Test::HasFailure()) FAIL() << "program " << i;
  }
  EXPECT_EQ(missing_points(program_points()), Names{});
}

// A reset in the middle of whatever leaves nothing behind.
TYPED_TEST(Scheduler, SoftResetAtAnyTime) {
  typename TestFixture::Bench b(2, TestFixture::kBytes);
  for (int i = 0; i < 15; ++i) {
    random_timing(b);
    forget(b);
    b.load(ProgramGenerator(b.rng).generate(60), kBase);
    b.start(kBase);
    for (uint64_t c = b.rng() % 400; c > 0; --c) b.step();
    b.dut.dma_idle_i = 0;
    b.host.write(REG(CONTROL), PIMLLM_REGS__CONTROL__SOFT_RESET_bm);
    for (uint64_t c = b.rng() % 300; c > 0; --c) b.step();
    EXPECT_EQ(b.dut.soft_reset_o, 1) << "DMA is not quiet yet";
    EXPECT_EQ(b.status(), kBusy);
    b.dut.dma_idle_i = 1;
    EXPECT_EQ(b.wait_end(), 0U);
    EXPECT_TRUE(b.fetch.idle());
    run_and_check(b, ProgramGenerator(b.rng).generate(10), kBase);
    if (testing::Test::HasFailure()) FAIL() << "round " << i;
  }
}

TYPED_TEST(Scheduler, HardResetAtAnyTime) {
  typename TestFixture::Bench b(3, TestFixture::kBytes);
  for (int i = 0; i < 10; ++i) {
    random_timing(b);
    b.load(ProgramGenerator(b.rng).generate(60), kBase);
    b.start(kBase);
    for (uint64_t c = b.rng() % 300; c > 0; --c) b.step();
    b.reset();
    EXPECT_EQ(b.status(), 0U);
    EXPECT_EQ(b.host.read(REG(POSITION)), 0U);
    run_and_check(b, ProgramGenerator(b.rng).generate(10), kBase);
    if (testing::Test::HasFailure()) FAIL() << "round " << i;
  }
}

// --- errors
// ----------------------------------------------------------------------------------------------------------

struct Wrong {
  const char* name;
  std::vector<Word> program;
  ErrorCode code;
  int unit;  // of ERROR_CAUSE
  int at;    // instruction of ERROR_PC
};

std::vector<Wrong> wrong_programs() {
  const Word halt = op(Opcode::kHalt);
  const auto big = [](int reg) { return li(reg, 0xFFFF); };
  std::vector<Wrong> all;
  const auto add = [&](const char* name, std::vector<Word> program, ErrorCode code, int unit, int at) {
    program.push_back(halt);
    all.push_back({name, std::move(program), code, unit, at});
  };
  for (const int code : {21, 31, 38, 39, 42, 47, 55, 63}) {
    Word w;
    w.put(isa::sched_field::kOpcode, static_cast<uint64_t>(code));
    add("no such opcode", {li(1, 1), w}, ErrorCode::kIllegalOpcode, 0, 1);
  }
  for (const Opcode o : {Opcode::kXbar, Opcode::kQk, Opcode::kSoftmax, Opcode::kNorm, Opcode::kLogit}) {
    add("no count", {unit_instr(o, {.count = 0})}, ErrorCode::kIllegalOpcode, 0, 0);
  }
  add("count register 0", {unit_instr(Opcode::kPv, {.mode = 0x40, .count = 7})}, ErrorCode::kIllegalOpcode, 0,
      0);
  add("CSRR of nothing", {op(Opcode::kCsrr, {.rd = 1, .imm = 3})}, ErrorCode::kBadOperand, 0, 0);
  add("CSRR of an output", {op(Opcode::kCsrr, {.rd = 1, .imm = 8})}, ErrorCode::kBadOperand, 0, 0);
  add("CSRW of an argument", {op(Opcode::kCsrw, {.rs = 1, .imm = 4})}, ErrorCode::kBadOperand, 0, 0);
  add("CSRW far away", {op(Opcode::kCsrw, {.rs = 1, .imm = 0x100000008})}, ErrorCode::kBadOperand, 0, 0);
  add("LOOP without body", {li(2, 2), op(Opcode::kLoop, {.rs = 2})}, ErrorCode::kBadOperand, 0, 1);
  std::vector<Word> nest = {li(2, 2)};
  for (int i = 0; i < 5; ++i) nest.push_back(op(Opcode::kLoop, {.rs = 2, .imm = 6}));
  nest.push_back(op(Opcode::kNop));
  add("five loops", nest, ErrorCode::kLoopNesting, 0, 5);
  add("overflow by POST", {li(2, 64), op(Opcode::kLoop, {.rs = 2, .imm = 1}), op(Opcode::kPost, {.sig = 9})},
      ErrorCode::kSemaphore, 0, 2);
  add("overflow by a unit", {li(2, 32), op(Opcode::kLoop, {.rs = 2, .imm = 1}), load({.sig0 = 9, .sig1 = 9})},
      ErrorCode::kSemaphore, 1, 2);
  const auto bad = [&](const char* name, Opcode o, const UnitFields& f, std::vector<Word> before = {}) {
    const int at = static_cast<int>(before.size());
    before.push_back(unit_instr(o, f));
    add(name, before, ErrorCode::kBadAddress, 0, at);
  };
  // Register 3 is far beyond every space.
  const Ref far{3, 0};
  for (const Opcode o :
       {Opcode::kLoadt, Opcode::kStoret, Opcode::kLoadl, Opcode::kStorel, Opcode::kXbar, Opcode::kXprog,
        Opcode::kQk, Opcode::kPv, Opcode::kSoftmax, Opcode::kSmaxscan, Opcode::kNorm, Opcode::kQuant,
        Opcode::kJoin, Opcode::kResadd, Opcode::kActfn, Opcode::kEmbed, Opcode::kLogit}) {
    bad("a0", o, {.a0 = far}, {big(3)});
  }
  for (int space = 0; space < 4; ++space) bad("LOADL", Opcode::kLoadl, {.mode = space, .a0 = far}, {big(3)});
  for (const Opcode o :
       {Opcode::kXbar, Opcode::kQk, Opcode::kPv, Opcode::kSoftmax, Opcode::kNorm, Opcode::kLogit}) {
    bad("a1", o, {.a1 = far}, {big(3)});
  }
  bad("a1 of RoPE", Opcode::kQuant, {.mode = 2, .a1 = far}, {big(3)});
  bad("a1 of a bias", Opcode::kResadd, {.mode = 1, .a1 = far}, {big(3)});
  bad("a1 gated", Opcode::kActfn, {.mode = 4, .a1 = far}, {big(3)});
  bad("a1 of positions", Opcode::kEmbed, {.mode = 1, .a1 = far}, {big(3)});
  for (const Opcode o : {Opcode::kQk, Opcode::kPv, Opcode::kSoftmax, Opcode::kNorm, Opcode::kJoin,
                         Opcode::kResadd, Opcode::kActfn, Opcode::kEmbed, Opcode::kLogit}) {
    bad("a2", o, {.a2 = far}, {big(3)});
  }
  for (int to = 0; to < 4; ++to) {
    bad("a2 of QUANT", Opcode::kQuant, {.mode = to << 2, .a2 = far}, {big(3)});
    bad("s2 of QUANT", Opcode::kQuant, {.mode = to << 2, .s2 = far}, {big(3)});
  }
  bad("a2 of NORM to SCR", Opcode::kNorm, {.mode = 2, .a2 = far}, {big(3)});
  for (const Opcode o : {Opcode::kSoftmax, Opcode::kNorm, Opcode::kQuant, Opcode::kJoin, Opcode::kResadd,
                         Opcode::kActfn, Opcode::kEmbed, Opcode::kLogit}) {
    bad("s0", o, {.s0 = far}, {big(3)});
  }
  for (const Opcode o : {Opcode::kSoftmax, Opcode::kNorm, Opcode::kQuant, Opcode::kResadd, Opcode::kActfn}) {
    bad("s1", o, {.s1 = far}, {big(3)});
  }
  bad("s1 of an open tile", Opcode::kQk, {.mode = 4, .s1 = far}, {big(3)});
  bad("s2 of an open tile", Opcode::kSoftmax, {.mode = 4, .s2 = far}, {big(3)});
  for (const Opcode o : {Opcode::kNorm, Opcode::kResadd, Opcode::kActfn, Opcode::kEmbed}) {
    bad("s2", o, {.s2 = far}, {big(3)});
  }
  return all;
}

template <typename Bench>
void expect_error(Bench& b, ErrorCode code, int unit, uint64_t pc) {
  EXPECT_EQ(b.wait_end(), kError);
  const uint32_t cause = b.host.read(REG(ERROR_CAUSE));
  EXPECT_EQ(cause & PIMLLM_REGS__ERROR_CAUSE__CAUSE_bm, static_cast<uint32_t>(code));
  EXPECT_EQ(cause >> PIMLLM_REGS__ERROR_CAUSE__UNIT_bp & 7, static_cast<uint32_t>(unit));
  EXPECT_EQ(b.host.read(REG(ERROR_PC)), static_cast<uint32_t>(pc));
  EXPECT_EQ(b.host.read(REG(IRQ_STATE)), PIMLLM_REGS__IRQ_STATE__ERROR_bm);
}

// Only a reset leads out of an error.
template <typename Bench>
void recover(Bench& b) {
  b.start(kBase);
  for (int i = 0; i < 100; ++i) b.step();
  EXPECT_EQ(b.status(), kError) << "started in spite of an error";
  b.host.write(REG(CONTROL), PIMLLM_REGS__CONTROL__SOFT_RESET_bm);
  EXPECT_EQ(b.wait_end(), 0U);
  EXPECT_EQ(b.host.read(REG(ERROR_CAUSE)), 0U);
  b.host.write(REG(IRQ_STATE), 7);
  EXPECT_EQ(b.host.read(REG(IRQ_STATE)), 0U);
}

TYPED_TEST(Scheduler, ErrorsEachInTurn) {
  typename TestFixture::Bench b(4, TestFixture::kBytes);
  b.fetch.timing.latency = 5;
  for (const auto& wrong : wrong_programs()) {
    SCOPED_TRACE(wrong.name);
    const std::string point = fmt::format("scheduler, error, {}", wrong.name);
    declare_points({point});
    forget(b);
    b.load(wrong.program, kBase);
    b.start(kBase);
    expect_error(b, wrong.code, wrong.unit, kBase / 16 + static_cast<uint64_t>(wrong.at));
    if (wrong.code != ErrorCode::kSemaphore) {
      for (const auto& unit : b.units) EXPECT_TRUE(unit.taken.empty());
    }
    recover(b);
    if (testing::Test::HasFailure()) FAIL() << wrong.name << " at " << wrong.at;
    hit_point(point);
  }
  run_and_check(b, ProgramGenerator(b.rng).generate(20), kBase);
}

// A number of a host register counts with all of its 48 bits.
TYPED_TEST(Scheduler, NumbersOfHostRegistersAreWhole) {
  typename TestFixture::Bench b(19, TestFixture::kBytes);
  const auto refused = [&](Opcode opcode, int64_t number) {
    b.load({op(opcode, {.rd = 1, .rs = 1, .imm = number}), op(Opcode::kHalt)}, kBase);
    b.start(kBase);
    expect_error(b, ErrorCode::kBadOperand, 0, kBase / 16);
    recover(b);
    ASSERT_FALSE(testing::Test::HasFailure()) << "number " << number;
  };
  constexpr int kImmBits = 48, kFirstBit = 4;  // above all of the numbers
  for (int bit = kFirstBit; bit < kImmBits; ++bit) {
    for (const int64_t number : {0, 1, 2, 4, 5, 6, 7}) refused(Opcode::kCsrr, int64_t{1} << bit | number);
    for (const int64_t number : {1, 2, 8}) refused(Opcode::kCsrw, int64_t{1} << bit | number);
    if (testing::Test::HasFailure()) return;
  }
}

// The last legal address of each space passes, in the configuration `unit`.
TEST(SchedulerLimits, LastAddressesPass) {
  ControlBench<Vcontrol_unit> b(5, 8);
  const std::vector<Word> program = {
      li(2, 511),
      li(3, 511),
      li(4, 127),
      li(5, 255),
      li(6, 511),  // KV, ACT, KVS, SCL, SCR half words
      unit_instr(Opcode::kLoadt, {.a0 = {2, 0}}),
      unit_instr(Opcode::kXbar, {.a0 = {3, 0}, .a1 = {3, 0}}),
      unit_instr(Opcode::kQk, {.a0 = {6, 0}, .a1 = {2, 0}, .a2 = {6, 0}}),
      unit_instr(Opcode::kSoftmax,
                 {.mode = 4, .a0 = {6, 0}, .a1 = {6, 0}, .a2 = {4, 0}, .s0 = {5, 0}, .s2 = {4, 0}}),
      unit_instr(Opcode::kNorm,
                 {.a0 = {3, 0}, .a1 = {3, 0}, .a2 = {3, 0}, .s0 = {5, 0}, .s1 = {5, 0}, .s2 = {5, 0}}),
      op(Opcode::kHalt)};
  run_and_check(b, program, kBase);
  for (const int reg : {2, 3, 4, 5, 6}) {
    SCOPED_TRACE(reg);
    auto more = program;
    more.insert(more.begin() + 5, op(Opcode::kAddi, {.rd = reg, .rs = reg, .imm = 1}));
    b.load(more, kBase);
    b.start(kBase);
    EXPECT_EQ(b.wait_end(), kError);
    EXPECT_EQ(b.host.read(REG(ERROR_CAUSE)) & 15, static_cast<uint32_t>(ErrorCode::kBadAddress));
    b.host.write(REG(CONTROL), PIMLLM_REGS__CONTROL__SOFT_RESET_bm);
    b.wait_end();
  }
}

TYPED_TEST(Scheduler, FetchErrorOnlyWhereExecuted) {
  typename TestFixture::Bench b(6, TestFixture::kBytes);
  std::vector<Word> program(64, op(Opcode::kNop));
  program[6] = op(Opcode::kJump, {.imm = 34});  // to 40
  program[45] = op(Opcode::kHalt);
  b.load(program, kBase);
  b.memory.add_error(kBase + 16 * 8, kBase + 16 * 16);  // prefetched, never executed
  b.start(kBase);
  EXPECT_EQ(b.wait_end(), kDone);
  b.host.write(REG(IRQ_STATE), 7);
  b.memory.add_error(kBase + 16 * 47, kBase + 16 * 47 + 8,
                     AxiResp::kDecodeError);  // the last beat of the line
  b.start(kBase);
  expect_error(b, ErrorCode::kBusFetch, 0, kBase / 16 + 40);
  recover(b);
  b.memory.clear_errors();
  b.start(kBase);
  EXPECT_EQ(b.wait_end(), kDone);
}

TYPED_TEST(Scheduler, UnitErrorStopsIssue) {
  typename TestFixture::Bench b(7, TestFixture::kBytes);
  for (int u = 0; u < kUnits; ++u) {
    for (const auto code : {ErrorCode::kBadOperand, ErrorCode::kBusRead}) {
      forget(b);
      for (auto& unit : b.units) {
        unit.behaviour = {.refuse = 0.0, .min_cycles = 30, .max_cycles = 30, .in_flight = 3};
        unit.error_at = -1;
      }
      std::vector<Word> program;
      const Opcode ops[] = {Opcode::kLoadt, Opcode::kXbar, Opcode::kQk, Opcode::kSoftmax, Opcode::kNorm};
      for (int i = 0; i < 10; ++i) {
        for (const auto o : ops) program.push_back(unit_instr(o, {}));
      }
      program.push_back(op(Opcode::kHalt));
      b.load(program, kBase);
      auto& failing = b.units[static_cast<size_t>(u)];
      failing.error_at = 2;
      failing.error_code = code;
      b.dut.dma_idle_i = 0;
      b.start(kBase);
      for (int i = 0; i < 400; ++i) b.step();
      EXPECT_EQ(b.status(), kBusy) << "the memory ports are not quiet";
      b.dut.dma_idle_i = 1;
      // A bus error comes from the oldest in flight, a refused operand from the one that came last.
      const int index = code == ErrorCode::kBusRead ? 0 : 2;
      expect_error(b, code, u + 1, kBase / 16 + static_cast<uint64_t>(5 * index + u));
      std::array<size_t, kUnits> taken;
      for (size_t i = 0; i < kUnits; ++i) taken[i] = b.units[i].taken.size();
      for (int i = 0; i < 200; ++i) b.step();
      for (size_t i = 0; i < kUnits; ++i) {
        EXPECT_EQ(b.units[i].taken.size(), taken[i]);
        EXPECT_LE(taken[i], 6U);
      }
      failing.error_at = -1;
      recover(b);
    }
  }
}

TYPED_TEST(Scheduler, WatchdogEndsAHang) {
  typename TestFixture::Bench b(8, TestFixture::kBytes);
  b.host.write(REG(WATCHDOG_LIMIT), 300);
  b.load({op(Opcode::kNop), op(Opcode::kWait, {.wait0 = 5}), op(Opcode::kHalt)}, kBase);
  b.start(kBase);
  expect_error(b, ErrorCode::kWatchdog, 0, kBase / 16 + 1);
  recover(b);
  // A unit that never comes to an end, and a memory that is never quiet.
  b.units[2].behaviour.min_cycles = b.units[2].behaviour.max_cycles = 1 << 30;
  b.dut.dma_idle_i = 0;
  b.load({unit_instr(Opcode::kQk, {}), op(Opcode::kHalt)}, kBase);
  b.start(kBase);
  expect_error(b, ErrorCode::kWatchdog, 0, kBase / 16 + 1);
  b.dut.dma_idle_i = 1;
  recover(b);
  // Progress keeps it quiet.
  b.units[2].behaviour.min_cycles = b.units[2].behaviour.max_cycles = 200;
  std::vector<Word> program(10, unit_instr(Opcode::kQk, {}));
  program.push_back(op(Opcode::kHalt));
  b.load(program, kBase);
  b.start(kBase);
  EXPECT_EQ(b.wait_end(), kDone);
}

TYPED_TEST(Scheduler, StopEndsIssueAndAFreshStartWorks) {
  typename TestFixture::Bench b(9, TestFixture::kBytes);
  b.load({op(Opcode::kNop), norm(), op(Opcode::kJump, {.imm = -2})}, kBase);
  b.start(kBase);
  for (int i = 0; i < 300; ++i) b.step();
  EXPECT_EQ(b.status(), kBusy);
  b.host.write(REG(CONTROL), PIMLLM_REGS__CONTROL__STOP_bm);
  EXPECT_EQ(b.wait_end(), 0U);
  for (const auto& unit : b.units) EXPECT_EQ(unit.taken.size(), unit.done.size());
  run_and_check(b, ProgramGenerator(b.rng).generate(20), kBase);
}

// --- semaphores
// --------------------------------------------------------------------------------------------------------

TYPED_TEST(Scheduler, TheSameSemaphoreTwiceNeedsTwoTokens) {
  typename TestFixture::Bench b(10, TestFixture::kBytes);
  b.units[0].behaviour = {.refuse = 0, .min_cycles = 50, .max_cycles = 50, .in_flight = 1};
  const std::vector<Word> program = {load({.sig0 = 3}), load({.sig0 = 3}), norm({.wait0 = 3, .wait1 = 3}),
                                     op(Opcode::kHalt)};
  b.load(program, kBase);
  b.start(kBase);
  EXPECT_EQ(b.wait_end(), kDone);
  ASSERT_EQ(b.units[0].done.size(), 2U);
  ASSERT_EQ(b.units[4].taken.size(), 1U);
  EXPECT_GT(b.units[4].taken[0].cycle, b.units[0].done[1].cycle);
  EXPECT_LE(b.units[4].taken[0].cycle, b.units[0].done[1].cycle + 2);
}

// Every semaphore up to the most it counts, and down again.
TYPED_TEST(Scheduler, EverySemaphoreCountsUpTo63) {
  typename TestFixture::Bench b(21, TestFixture::kBytes);
  std::vector<Word> program = {li(2, 63)};
  for (int s = 1; s < 32; ++s) {
    program.push_back(op(Opcode::kLoop, {.rs = 2, .imm = 1}));
    program.push_back(op(Opcode::kPost, {.sig = s}));
    program.push_back(op(Opcode::kLoop, {.rs = 2, .imm = 1}));
    program.push_back(op(Opcode::kWait, {.wait0 = s}));
  }
  program.push_back(op(Opcode::kHalt));
  b.load(program, kBase);
  b.start(kBase);
  EXPECT_EQ(b.wait_end(), kDone);
}

// ... and one more is an error.
TYPED_TEST(Scheduler, EverySemaphoreOverflowsAt64) {
  typename TestFixture::Bench b(22, TestFixture::kBytes);
  constexpr int kScheduler = 0, kAtPost = 2;
  for (int s = 1; s < 32; ++s) {
    SCOPED_TRACE(s);
    forget(b);
    b.load(
        {li(2, 64), op(Opcode::kLoop, {.rs = 2, .imm = 1}), op(Opcode::kPost, {.sig = s}), op(Opcode::kHalt)},
        kBase);
    b.start(kBase);
    expect_error(b, ErrorCode::kSemaphore, kScheduler, kBase / 16 + kAtPost);
    recover(b);
    ASSERT_FALSE(this->HasFailure());
  }
}

// Every register holds any value: addresses of loads show them.
TYPED_TEST(Scheduler, EveryRegisterHoldsAnyValue) {
  typename TestFixture::Bench b(22, TestFixture::kBytes);
  for (int round = 0; round < 8; ++round) {
    std::vector<Word> program;
    for (int r = 1; r < 32; ++r) {
      program.push_back(li(r, static_cast<int64_t>(b.rng() & kMask48)));
      program.push_back(load({.a1 = {r, 0}}));
    }
    program.push_back(op(Opcode::kHalt));
    run_and_check(b, program, kBase);
  }
}

// Loops of any number of runs, nested, anywhere in memory, go on until they are reset.
TYPED_TEST(Scheduler, LongLoopsRunOn) {
  typename TestFixture::Bench b(24, TestFixture::kBytes);
  for (int round = 0; round < 12; ++round) {
    const uint64_t base = b.rng() & (kMask48 >> 1) & ~uint64_t{15};
    std::vector<Word> program;
    // Only the innermost comes to its end often; its own count is small in some rounds, so that the others
    // count too.
    for (int r = 2; r < 6; ++r) {
      const bool innermost = r == 5 && round % 2 == 0;
      program.push_back(li(r, innermost ? 2 : static_cast<int64_t>(b.rng() & (kMask48 >> 1)) + 1000));
    }
    const int pads = static_cast<int>(b.rng() % 40);
    for (int i = 0; i < pads; ++i) program.push_back(op(Opcode::kNop));
    for (int r = 2; r < 6; ++r) program.push_back(op(Opcode::kLoop, {.rs = r, .imm = 6 - r + 4}));
    for (int i = 0; i < 4; ++i) program.push_back(op(Opcode::kNop));
    for (int i = 0; i < 4; ++i) program.push_back(op(Opcode::kNop));
    program.push_back(op(Opcode::kHalt));
    b.load(program, base);
    b.start(base);
    for (int i = 0; i < 600; ++i) b.step();
    EXPECT_EQ(b.status(), kBusy);
    b.host.write(REG(CONTROL), PIMLLM_REGS__CONTROL__SOFT_RESET_bm);
    EXPECT_EQ(b.wait_end(), 0U);
  }
}

// One token, two units that want it: the lower one gets it, the other waits for the next.
TYPED_TEST(Scheduler, OneTokenServesOneTaker) {
  typename TestFixture::Bench b(19, TestFixture::kBytes);
  std::vector<Word> program = {norm({.wait0 = 3}), unit_instr(Opcode::kXbar, {.wait0 = 3})};
  program.insert(program.end(), 10, op(Opcode::kNop));
  program.push_back(op(Opcode::kPost, {.sig = 3}));
  program.insert(program.end(), 50, op(Opcode::kNop));
  program.push_back(op(Opcode::kPost, {.sig = 3}));
  program.push_back(op(Opcode::kHalt));
  b.load(program, kBase);
  b.start(kBase);
  EXPECT_EQ(b.wait_end(), kDone);
  ASSERT_EQ(b.units[1].taken.size(), 1U);
  ASSERT_EQ(b.units[4].taken.size(), 1U);
  EXPECT_GE(b.units[4].taken[0].cycle, b.units[1].taken[0].cycle + 51);
}

// CSRW and ARGMAX wait for the unit whose result they take.
TYPED_TEST(Scheduler, ArgmaxAndTokensWaitForTheirSemaphore) {
  typename TestFixture::Bench b(12, TestFixture::kBytes);
  b.units[4].behaviour = {.refuse = 0, .min_cycles = 100, .max_cycles = 100, .in_flight = 1};
  b.dut.argmax_id_i = 1;
  b.load({unit_instr(Opcode::kLogit, {.sig0 = 7, .sig1 = 8}), op(Opcode::kArgmax, {.wait0 = 7, .rd = 2}),
          op(Opcode::kCsrw, {.wait0 = 8, .rs = 2, .imm = 8}), op(Opcode::kHalt)},
         kBase);
  b.host.write(REG(IRQ_ENABLE), PIMLLM_REGS__IRQ_ENABLE__TOKEN_bm);
  b.start(kBase);
  while (b.units[4].done.empty() && b.cycle < 10000) b.step();
  b.dut.argmax_id_i = 4711;  // was 1 while the unit worked
  EXPECT_EQ(b.wait_end(), kDone);
  EXPECT_EQ(b.host.read(REG(TOKEN_OUT)), 4711U);
  EXPECT_EQ(b.host.read(REG(TOKEN_COUNT)), 1U);
  EXPECT_EQ(b.irq_rises.size(), 1U);
  EXPECT_EQ(b.host.read(REG(IRQ_STATE)), PIMLLM_REGS__IRQ_STATE__TOKEN_bm | PIMLLM_REGS__IRQ_STATE__DONE_bm);
  b.host.write(REG(IRQ_STATE), PIMLLM_REGS__IRQ_STATE__TOKEN_bm);
  EXPECT_EQ(b.dut.irq_o, 0) << "done is not enabled";
  b.host.write(REG(IRQ_ENABLE), PIMLLM_REGS__IRQ_ENABLE__DONE_bm);
  b.step();
  EXPECT_EQ(b.dut.irq_o, 1);
}

// --- loops
// -------------------------------------------------------------------------------------------------------------

TYPED_TEST(Scheduler, LoopsThatEndTogether) {
  typename TestFixture::Bench b(13, TestFixture::kBytes);
  for (const int inner : {0, 1, 3}) {
    for (const int outer : {0, 1, 2}) {
      std::vector<Word> program = {li(2, outer),
                                   li(3, inner),
                                   op(Opcode::kLoop, {.rs = 2, .imm = 4}),
                                   op(Opcode::kAddi, {.rd = 4, .rs = 4, .imm = 1}),
                                   op(Opcode::kLoop, {.rs = 3, .imm = 2}),
                                   op(Opcode::kAddi, {.rd = 4, .rs = 4, .imm = 100}),
                                   load({.a1 = {4, 0}}),
                                   op(Opcode::kCsrw, {.rs = 4, .imm = 8}),
                                   op(Opcode::kHalt)};
      run_and_check(b, program, kBase);
      EXPECT_EQ(b.host.read(REG(TOKEN_OUT)), static_cast<uint32_t>(outer * (1 + 100 * inner)));
    }
  }
}

TYPED_TEST(Scheduler, BranchesGoBack) {
  typename TestFixture::Bench b(20, TestFixture::kBytes);
  const std::vector<Word> program = {li(2, 5),
                                     li(3, 0),
                                     op(Opcode::kAddi, {.rd = 3, .rs = 3, .imm = 7}),
                                     load({.a1 = {3, 1}}),
                                     op(Opcode::kAddi, {.rd = 2, .rs = 2, .imm = -1}),
                                     op(Opcode::kBnez, {.rs = 2, .imm = -3}),
                                     op(Opcode::kShri, {.rd = 4, .rs = 3, .imm = 5}),
                                     op(Opcode::kAddi, {.rd = 3, .rs = 3, .imm = 3}),
                                     op(Opcode::kBeqz, {.rs = 4, .imm = -2}),
                                     op(Opcode::kCsrw, {.rs = 3, .imm = 8}),
                                     op(Opcode::kHalt)};
  run_and_check(b, program, kBase);
  EXPECT_EQ(b.units[0].taken.size(), 5U);
}

// --- host registers
// ------------------------------------------------------------------------------------------------------

TYPED_TEST(Scheduler, RegistersReadBackAndUnknownAddressesFail) {
  typename TestFixture::Bench b(14, TestFixture::kBytes);
  b.host.rng = &b.rng;
  EXPECT_EQ(b.host.read(REG(ID)), 0x4C4D4950U);
  EXPECT_EQ(b.host.read(REG(VERSION)), 0x00010000U);
  EXPECT_EQ(b.host.read(REG(CHANNEL_BYTES)), TestFixture::kBytes);
  EXPECT_EQ(b.host.read(REG(SMX_LANES)) * 2, b.host.read(REG(ARRAY_COLS)));
  // Every parameter of the machine is there, and none is 0.
  for (uint32_t addr = REG(ARRAY_ROWS); addr <= REG(IBUF_LINES); addr += 4) {
    EXPECT_NE(b.host.read(addr), 0U) << "register " << addr;
  }
  for (const uint32_t addr : {REG(PROGRAM_BASE_LO), REG(TOKEN_IN), REG(POSITION), REG(TOKENS_LEFT), REG(ARG0),
                              REG(ARG3), REG(WATCHDOG_LIMIT)}) {
    const auto value = static_cast<uint32_t>(b.rng());
    b.host.write(addr, value);
    EXPECT_EQ(b.host.read(addr), value);
    b.host.write_access(addr, ~value, 0x5);  // bytes 0 and 2 only
    EXPECT_EQ(b.host.read(addr), value ^ 0x00FF00FFU);
  }
  b.host.write(REG(ROWS_PER_CONV), 7);
  b.host.write(REG(LSB_SHIFT), 3);
  b.host.write(REG(ADC_BITS), 4);
  b.step();
  EXPECT_EQ(b.dut.rows_per_conv_o, 7);
  EXPECT_EQ(b.dut.lsb_shift_o, 3);
  EXPECT_EQ(b.dut.adc_bits_o, 4);
  for (int i = 0; i < 8; ++i) {
    b.dut.clip_count_i = static_cast<uint32_t>(b.rng());
    EXPECT_EQ(b.host.read(REG(CLIP_COUNT)), b.dut.clip_count_i);
  }
  EXPECT_EQ(b.host.read_access(0x3FC).resp, 2);
  EXPECT_EQ(b.host.write_access(0x3FC, 1).resp, 2);
  EXPECT_EQ(b.host.read(REG(CONTROL)), 0U);
}

TYPED_TEST(Scheduler, SettingsFollowTheParameters) {
  typename TestFixture::Bench b(15, TestFixture::kBytes);
  const uint32_t rows = b.host.read(REG(XBAR_ROWS)), bits = b.host.read(REG(MAX_ADC_BITS));
  EXPECT_EQ(b.host.read(REG(ADC_BITS)), bits);
  EXPECT_EQ(b.host.read(REG(ROWS_PER_CONV)), std::min(rows, 1U << (bits - 1)));
}

TYPED_TEST(Scheduler, CountersCountWhatUnitsSay) {
  typename TestFixture::Bench b(17, TestFixture::kBytes);
  b.units[1].behaviour = {.refuse = 0, .min_cycles = 40, .max_cycles = 40, .in_flight = 1};
  b.dut.stall_memory_i = 0b00001;
  b.load({unit_instr(Opcode::kXbar, {}), unit_instr(Opcode::kXbar, {}), op(Opcode::kHalt)}, kBase);
  b.start(kBase);
  EXPECT_EQ(b.wait_end(), kDone);
  EXPECT_EQ(b.counter(REG(PIM_BUSY_LO)), 80U);
  EXPECT_EQ(b.counter(REG(PIM_STALL_MEMORY_LO)), 0U);
  EXPECT_EQ(b.counter(REG(DMA_BUSY_LO)), 0U);
  EXPECT_EQ(b.counter(REG(DMA_STALL_MEMORY_LO)), b.counter(REG(CYCLES_LO)));
  EXPECT_EQ(b.counter(REG(INSTRUCTIONS_LO)), 3U);
  b.host.write(REG(CONTROL), PIMLLM_REGS__CONTROL__CLEAR_COUNTERS_bm);
  EXPECT_EQ(b.counter(REG(CYCLES_LO)), 0U);
}

// Every counter of every unit, with stalls that stay for a program: they count all of its cycles, or none.
TYPED_TEST(Scheduler, EveryCounterCountsItsUnit) {
  typename TestFixture::Bench b(29, TestFixture::kBytes);
  constexpr int kRounds = 24;
  constexpr size_t kStride = REG(PIM_BUSY_LO) - REG(DMA_BUSY_LO);
  for (int round = 0; round < kRounds; ++round) {
    random_timing(b);
    const std::array<uint64_t, 3> stalls = {b.rng() & 31, b.rng() & 31, b.rng() & 31};
    b.dut.stall_operand_i = stalls[0];
    b.dut.stall_output_i = stalls[1];
    b.dut.stall_memory_i = stalls[2];
    b.busy_cycles = {};
    run_and_check(b, ProgramGenerator(b.rng).generate(30), kBase);
    const uint64_t cycles = b.counter(REG(CYCLES_LO));
    for (size_t u = 0; u < b.busy_cycles.size(); ++u) {
      const size_t first = REG(DMA_BUSY_LO) + kStride * u;
      EXPECT_EQ(b.counter(first), b.busy_cycles[u]) << "unit " << u;
      for (size_t s = 0; s < stalls.size(); ++s)
        EXPECT_EQ(b.counter(first + 8 * (s + 1)), (stalls[s] >> u & 1) != 0 ? cycles : 0)
            << "unit " << u << ", stall " << s;
    }
    ASSERT_FALSE(this->HasFailure()) << "round " << round;
  }
  b.host.write(REG(CONTROL), PIMLLM_REGS__CONTROL__CLEAR_COUNTERS_bm);
  for (size_t at = REG(CYCLES_LO); at <= REG(VEC_STALL_MEMORY_LO); at += 8)
    EXPECT_EQ(b.counter(at), 0U) << at;
}

#ifndef PIMLLM_NETLIST  // a mutant's inside has other names
// Counters have 48 bits: each takes any value (put there from outside, while a program hangs) and counts on
// from it.
TEST(SchedulerCounters, HoldAnyValueAndWrap) {
  ControlBench<Vcontrol_unit> b(23, 8);
  auto* root = b.dut.rootp;
#define COUNTER(i) &root->control__DOT__u_counters__DOT__gen_counters__BRA__##i##__KET____DOT__count_q
  const std::array counters = {COUNTER(0),  COUNTER(1),  COUNTER(2),  COUNTER(3),  COUNTER(4),
                               COUNTER(5),  COUNTER(6),  COUNTER(7),  COUNTER(8),  COUNTER(9),
                               COUNTER(10), COUNTER(11), COUNTER(12), COUNTER(13), COUNTER(14),
                               COUNTER(15), COUNTER(16), COUNTER(17), COUNTER(18), COUNTER(19),
                               COUNTER(20), COUNTER(21), COUNTER(22), COUNTER(23), COUNTER(24)};
#undef COUNTER
  constexpr size_t kFirstOfUnits = 5;
  b.load({op(Opcode::kWait, {.wait0 = 5}), op(Opcode::kHalt)}, kBase);
  b.start(kBase);
  for (int i = 0; i < 100; ++i) b.step();
  for (int round = 0; round < 8; ++round) {
    std::array<uint64_t, counters.size()> values{};
    for (size_t i = 0; i < values.size(); ++i) *counters[i] = values[i] = b.rng() & kMask48;
    b.step();
    for (size_t i = 0; i < values.size(); ++i) {
      const uint64_t found = b.counter(REG(CYCLES_LO) + 8 * i);
      // Only the decoder's count now.
      if (i >= kFirstOfUnits) {
        EXPECT_EQ(found, values[i]) << "counter " << i;
      } else {
        EXPECT_LT((found - values[i]) & kMask48, 10000U) << "counter " << i;
      }
    }
  }
  *counters[0] = kMask48;  // CYCLES
  for (int i = 0; i < 10; ++i) b.step();
  EXPECT_LT(b.counter(REG(CYCLES_LO)), 1000U);
}
#endif

// --- speed
// ---------------------------------------------------------------------------------------------------------------

TYPED_TEST(Scheduler, OneInstructionACycle) {
  typename TestFixture::Bench b(18, TestFixture::kBytes);
  const auto cycles = [&](const std::vector<Word>& program) {
    b.load(program, kBase);
    for (int i = 0; i < 400; ++i) b.step();  // the last run's fetches ahead have come in
    b.host.write(REG(CONTROL), PIMLLM_REGS__CONTROL__CLEAR_COUNTERS_bm);
    b.start(kBase);
    EXPECT_EQ(b.wait_end(), kDone);
    return b.counter(REG(CYCLES_LO));
  };
  const auto loop = [&](const Word& body, int length, int runs) {
    std::vector<Word> program = {li(2, runs), op(Opcode::kLoop, {.rs = 2, .imm = length})};
    program.insert(program.end(), static_cast<size_t>(length), body);
    program.push_back(op(Opcode::kHalt));
    return program;
  };
  const Word add = op(Opcode::kAddi, {.rd = 3, .rs = 3, .imm = 1});
  for (auto& unit : b.units) unit.behaviour = {.refuse = 0, .min_cycles = 1, .max_cycles = 1, .in_flight = 8};
  // Differences of runs, so that the first fetches do not count.
  const auto per_run = [&](const Word& body, int length) {
    return (static_cast<double>(cycles(loop(body, length, 51))) -
            static_cast<double>(cycles(loop(body, length, 1)))) /
           50;
  };
  // The body fits the buffer even beside the lines fetched ahead.
  const int length = b.host.read(REG(IBUF_LINES)) >= 16 ? 32 : 4;
  const double scalar = per_run(add, length), dispatch = per_run(load(), length), one = per_run(add, 1);
  EXPECT_LE(scalar, length + 2);
  EXPECT_LE(dispatch, length + 2);
  EXPECT_LE(one, 3);
  std::vector<Word> line(400, add);
  line.push_back(op(Opcode::kHalt));
  const uint64_t straight = cycles(line);
  fmt::print(
      "channel {} bytes: loop of {} scalar {:.1f} cycles, of dispatches {:.1f}, of 1 {:.1f}; 400 cold "
      "instructions at 40 cycles of latency {}\n",
      TestFixture::kBytes, length, scalar, dispatch, one, straight);
}

}  // namespace
}  // namespace pimllm::tb

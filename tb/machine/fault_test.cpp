// A flipped bit in any unit is noticed by the references: no fault changes a token in silence, and one in a
// unit's own state is reported at the instruction of that unit that was running.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>

#include "models/compiler/compiler.hpp"
#include "models/random/random_model.hpp"
#include "sim/machine/decoder.hpp"
#include "sim/reference/checker.hpp"
#include "sim/reference/golden_check.hpp"
#include "tb/common/seed.hpp"
#include "tb/machine/checked_machine.hpp"
#include "tb/machine/faulty_machine.hpp"
#include "tb/machine/on_mismatch.hpp"

namespace pimllm::tb {
namespace {

constexpr int kAttempts = 60;
constexpr int kTokens = 4;  // of an attempt

struct Case {
  const char* name;
  Injection fault;         // ordinal and after are drawn
  uint64_t commands = 12;  // of the unit in a token, about
  uint64_t window = 12;    // cycles behind the command
  // The mismatch is in the instruction of the unit that was running; else in whichever reads the wrong word
  // first.
  bool at_once = true;
  bool may_stop = false;  // the machine may stop by itself: watchdog, semaphore overflow
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

std::string_view name_of(isa::Unit unit) {
  constexpr std::array<std::string_view, 6> kNames = {"scheduler", "DMA", "PIM", "ARR", "SMX", "VEC"};
  return kNames.at(static_cast<size_t>(unit));
}

class Fault : public testing::TestWithParam<Case> {};

// One fault after the other, each on a machine of its own, until one makes a difference: many hit a bit that
// nobody reads any more, and then every token must be right.
TEST_P(Fault, IsNoticedWhereItHappened) {
  const Case& c = GetParam();
  auto rng = make_rng(std::hash<std::string>{}(c.name));
  const ModelWeights weights = make_random_model(tiny(small_bitnet_config()), seed());
  const CompiledModel compiled = compile(weights, hardware_preset("unit"));
  for (int attempt = 1; attempt <= kAttempts; ++attempt) {
    FaultyMachine machine(rng());
    sim::Checker checker(compiled);
    sim::GoldenCheck golden_check(compiled, weights, checker);
    IntegerModel golden(weights, compiled.golden);
    sim::Decoder decoder(compiled, machine, &checker);
    Injection fault = c.fault;
    fault.ordinal = 1 + rng() % (c.commands * (kTokens - 1));
    fault.after = rng() % c.window;
    machine.arm(fault);
    try {
      for (int token = 0; token < kTokens; ++token) {
        const auto id = static_cast<int32_t>(rng() % static_cast<uint64_t>(compiled.config.vocab_size));
        const auto expected = golden.step(id);
        const auto found = decoder.step(id);
        ASSERT_TRUE(std::equal(expected.begin(), expected.end(), found.begin(), found.end()))
            << "a wrong token that nobody noticed, attempt " << attempt;
      }
    } catch (const Error& error) {
      ASSERT_TRUE(machine.fired()) << error.what();
      const std::string what = error.what();
      const auto* mismatch = dynamic_cast<const sim::Mismatch*>(&error);
      EXPECT_TRUE(mismatch != nullptr || c.may_stop) << what;
      if (mismatch != nullptr) on_mismatch(*mismatch, "faulty", machines_made());
      if (c.at_once) {
        EXPECT_NE(what.find(fmt::format(", {}:", name_of(c.fault.unit))), std::string::npos) << what;
        EXPECT_LE(machine.done_since(), std::max<uint64_t>(machine.struck(), 1)) << what;
      }
      fmt::print("{}: attempt {}, noticed after {} cycles: {}\n", c.name, attempt,
                 machine.cycles() - machine.fired_at(), what.substr(0, 160));
      return;
    }
  }
  FAIL() << "no fault of " << kAttempts << " made a difference";
}

Injection state(isa::Unit unit, const char* scope, const char* variable, int low_bit, int bits,
                uint64_t cycles = 1) {
  Injection i;
  i.unit = unit;
  i.state = {scope, variable, low_bit, bits};
  i.cycles = cycles;
  return i;
}

Injection written(isa::Unit unit, Space space, const char* ram, int low_bit, int bits) {
  Injection i = state(unit, ram, "mem", low_bit, bits);
  i.last_write = true;
  i.space = space;
  return i;
}

Injection loaded() {
  Injection i;
  i.unit = isa::Unit::kDma;
  i.memory = true;
  return i;
}

constexpr uint64_t kPipeline = 8;  // a register that is loaded every cycle is held wrong for so long

std::vector<Case> cases() {
  using isa::Unit;
  return {
      {"ArrayAccumulator", state(Unit::kArr, "*u_array*u_mac", "acc_q", 0, 16), 8, 16},
      {"PimAccumulator", state(Unit::kPim, "*u_shift_add", "acc_q", 0, 64), 8, 30},
      {"SoftmaxTableEntry", state(Unit::kSmx, "*u_softmax*u_lane", "base_q", 8, 9, kPipeline), 4, 20},
      {"SoftmaxMaximum", state(Unit::kSmx, "*u_softmax", "max_q", 0, 4), 4, 20},
      {"SoftmaxSum", state(Unit::kSmx, "*u_softmax", "sum_q", 6, 10), 4, 20},
      {"VectorMultiplier", state(Unit::kVec, "*u_vector*u_lane", "m_q", 8, 24, kPipeline), 20, 30},
      {"VectorMaximum", state(Unit::kVec, "*u_vector.u_max", "run_q", 4, 20, kPipeline), 20, 30},
      {"DmaAddress", state(Unit::kDma, "*u_dma*u_load", "word_q", 0, 3), 20, 60, false, true},
      {"MemoryInFlight", loaded(), 20, 1},
      {"StaleScale", written(Unit::kVec, Space::kScl, "*u_scratchpad.u_scl.*u_ram", 4, 11), 20, 40, false},
      {"ActivationWord", written(Unit::kVec, Space::kAct, "*u_scratchpad.u_act.*u_ram", 0, 128), 20, 40,
       false},
      {"ProjectionWord", written(Unit::kPim, Space::kAct, "*u_scratchpad.u_act.*u_ram", 0, 128), 8, 60,
       false},
      {"ScoreWord", written(Unit::kArr, Space::kScr, "*u_scratchpad.u_scr.*u_ram", 0, 128), 8, 40, false},
      {"OpenTile", written(Unit::kVec, Space::kKv, "*u_scratchpad*u_kv", 0, 32), 20, 80, false},
      {"TokenBetweenUnits", state(Unit::kVec, "*u_semaphores", "count_q", 0, 1), 20, 40, false, true},
      {"OperandRegister", state(Unit::kVec, "*u_operands", "x_q", 0, 300, 40), 20, 40, false, true},
  };
}

INSTANTIATE_TEST_SUITE_P(Machine, Fault, testing::ValuesIn(cases()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace pimllm::tb

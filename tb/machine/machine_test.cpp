// The whole machine: compiled programs on the Verilated RTL, every command and write against the
// instruction-level reference, every named tensor against the integer golden model.
#include "sim/machine/machine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>

#include "models/compiler/compiler.hpp"
#include "models/gguf/load_model.hpp"
#include "models/random/random_model.hpp"
#include "sim/machine/decoder.hpp"
#include "tb/common/seed.hpp"
#include "tb/machine/checked_machine.hpp"

namespace pimllm::sim {
namespace {

using tb::CheckedMachine;
using tb::tiny;

struct Case {
  const char* name;
  const char* config;
  ModelConfig model;
  int tokens;
};

// The name is enough where a test lists its cases.
void PrintTo(const Case& c, std::ostream* out) { *out << c.config << ", " << c.tokens << " tokens"; }

class MachineTest : public testing::TestWithParam<Case> {};

TEST_P(MachineTest, EqualsBothReferences) {
  const auto& c = GetParam();
  CheckedMachine machine(c.config, c.model);
  machine.run(c.tokens);
}

TEST_P(MachineTest, EqualsBothReferencesUnderStalls) {
  const auto& c = GetParam();
  MachineOptions options;
  options.seed = tb::seed();
  options.memory.stall = 0.3;
  options.memory.latency = 20;
  options.memory.latency_spread = 60;
  CheckedMachine machine(c.config, c.model, options);
  machine.run(std::max(1, c.tokens / 2));
}

TEST_P(MachineTest, WritesTextByItself) {
  const auto& c = GetParam();
  CheckedMachine machine(c.config, c.model);
  machine.generate(1, c.tokens);
}

ModelConfig one_layer(ModelConfig config) {
  config.layers = 1;
  return config;
}

// LayerNorm works on whole chunks of the vector lanes.
ModelConfig wide(ModelConfig config) {
  config.d_model = hardware_preset("paper").vec_lanes;
  return config;
}

INSTANTIATE_TEST_SUITE_P(
    Machine, MachineTest,
    testing::Values(Case{"FirstThread", "unit", one_layer(tiny(small_bitnet_config())), 1},
                    Case{"UnitBitnet", "unit", tiny(small_bitnet_config()), 12},
                    Case{"UnitSoftmaxGpt", "unit", tiny(small_gpt2_config(Normalizer::kSoftmax)), 12},
                    Case{"UnitConsmaxGpt", "unit", tiny(small_gpt2_config(Normalizer::kConsmax)), 12},
                    Case{"SmallBitnet", "small", small_bitnet_config(), 40},
                    Case{"SmallConsmaxGpt", "small", small_gpt2_config(Normalizer::kConsmax), 40},
                    Case{"LargeBitnet", "large", small_bitnet_config(), 40},
                    Case{"LargeConsmaxGpt", "large", wide(small_gpt2_config(Normalizer::kConsmax)), 40}),
    [](const auto& info) { return info.param.name; });

// Cycles of a token of the shipped checkpoint at context 256 in `paper`: docs/performance.md, "Budget".
struct Budget {
  const char* counter;
  uint64_t cycles;
};
constexpr Budget kBudget[] = {
    {"CYCLES", 4979}, {"PIM_BUSY", 992}, {"ARR_BUSY", 1386}, {"SMX_BUSY", 816}, {"VEC_BUSY", 1916}};
constexpr uint64_t kMaxCyclesPerToken = 10000;

TEST(MachineBudget, TokenAtContext256InPaper) {
  const ModelWeights weights = load_model(PIMLLM_SOURCE_DIR "/models/checkpoints/kjv-bitnet.gguf");
  const CompiledModel compiled = compile(weights, hardware_preset("paper"));
  const auto machine = make_machine("paper", {});
  Decoder decoder(compiled, *machine);
  decoder.jump(255);
  decoder.clear_counters();
  decoder.step(1);
  const auto counters = decoder.counters();
  EXPECT_LE(counters.at("CYCLES"), kMaxCyclesPerToken);
  for (const auto& [counter, cycles] : kBudget) {
    const auto found = static_cast<double>(counters.at(counter));
    EXPECT_NEAR(found, static_cast<double>(cycles), 0.2 * static_cast<double>(cycles)) << counter;
  }
}

}  // namespace
}  // namespace pimllm::sim

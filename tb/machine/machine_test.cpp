// The whole machine: compiled programs on the Verilated RTL, every command and write against the
// instruction-level reference, every named tensor against the integer golden model.
#include "sim/machine/machine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <ostream>
#include <random>

#include "golden/activation.hpp"
#include "models/compiler/compiler.hpp"
#include "models/gguf/load_model.hpp"
#include "models/random/random_model.hpp"
#include "sim/machine/decoder.hpp"
#include "sim/reference/checker.hpp"
#include "sim/reference/golden_check.hpp"
#include "tb/common/seed.hpp"

namespace pimllm::sim {
namespace {

// A model on a machine, with everything compared.
class CheckedMachine {
 public:
  CheckedMachine(const std::string& config, const ModelConfig& model, const MachineOptions& options = {},
                 const CompileOptions& compile_options = {})
      : weights_(make_random_model(model, tb::seed())),
        compiled_(compile(weights_, hardware_preset(config), compile_options)),
        golden_(weights_, compiled_.golden),
        machine_(make_machine(config, options)),
        checker_(compiled_),
        check_(compiled_, weights_, checker_),
        decoder_(compiled_, *machine_, &checker_) {}

  // Decodes `tokens` random tokens, each with its logits.
  void run(int tokens) {
    auto rng = tb::make_rng(23);
    for (int i = 0; i < tokens; ++i) {
      const auto token = static_cast<int32_t>(rng() % static_cast<uint64_t>(compiled_.config.vocab_size));
      const auto expected = golden_.step(token);
      const auto found = decoder_.step(token);
      ASSERT_TRUE(std::equal(expected.begin(), expected.end(), found.begin(), found.end()))
          << "logits of token " << i;
    }
    EXPECT_GT(checker_.instructions(), static_cast<uint64_t>(tokens));
    EXPECT_GT(check_.tensors(), static_cast<uint64_t>(tokens));
  }

  // The machine's own greedy loop.
  void generate(int32_t first, int tokens) {
    int32_t token = first;
    std::vector<int32_t> expected, found;
    for (int i = 0; i < tokens; ++i) {
      token = argmax(golden_.step(token));
      expected.push_back(token);
    }
    decoder_.generate(first, tokens, [&](int32_t made) { found.push_back(made); });
    EXPECT_EQ(found, expected);
  }

  Machine& machine() { return *machine_; }
  Decoder& decoder() { return decoder_; }

 private:
  ModelWeights weights_;
  CompiledModel compiled_;
  IntegerModel golden_;
  std::unique_ptr<Machine> machine_;
  Checker checker_;
  GoldenCheck check_;
  Decoder decoder_;
};

ModelConfig tiny(ModelConfig config) {
  config.d_model = 16;
  config.layers = 2;
  config.heads = 2;
  config.kv_heads = config.rope ? 1 : 2;
  config.head_dim = 8;
  config.d_ff = 16;
  config.vocab_size = 21;
  config.context_length = 24;
  return config;
}

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
                    Case{"PaperBitnet", "paper", small_bitnet_config(), 40},
                    Case{"PaperConsmaxGpt", "paper", wide(small_gpt2_config(Normalizer::kConsmax)), 40}),
    [](const auto& info) { return info.param.name; });

// Cycles of a token of the shipped checkpoint at context 256 in `paper`: docs/performance.md, "Budget".
struct Budget {
  const char* counter;
  uint64_t cycles;
};
constexpr Budget kBudget[] = {
    {"CYCLES", 5392}, {"PIM_BUSY", 752}, {"ARR_BUSY", 1262}, {"SMX_BUSY", 908}, {"VEC_BUSY", 2120}};
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

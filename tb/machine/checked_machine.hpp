// A model on a Verilated machine with everything compared: every command and write with the instruction-level
// reference, every named tensor and the logits with the integer golden model.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "golden/activation.hpp"
#include "models/compiler/compiler.hpp"
#include "models/random/random_model.hpp"
#include "sim/machine/decoder.hpp"
#include "sim/reference/checker.hpp"
#include "sim/reference/golden_check.hpp"
#include "tb/common/seed.hpp"
#include "tb/machine/on_mismatch.hpp"
#include "tb/machine/test_machines.hpp"

namespace pimllm::tb {

class CheckedMachine {
 public:
  // Random weights drawn from the seed of the run.
  CheckedMachine(const std::string& config, const ModelConfig& model, const sim::MachineOptions& options = {},
                 const CompileOptions& compile_options = {})
      : CheckedMachine(config, make_random_model(model, seed()), options, compile_options) {}

  CheckedMachine(const std::string& config, ModelWeights weights, const sim::MachineOptions& options = {},
                 const CompileOptions& compile_options = {}) try
      : config_(config),
        weights_(std::move(weights)),
        compiled_(compile(weights_, hardware_preset(config), compile_options)),
        golden_(weights_, compiled_.golden),
        machine_(make_test_machine(config, options)),
        checker_(compiled_),
        check_(compiled_, weights_, checker_),
        decoder_(compiled_, *machine_, &checker_) {
  } catch (const sim::Mismatch& mismatch) {
    on_mismatch(mismatch, config, machines_made());
  }

  int32_t random_token(std::mt19937_64& rng) const {
    return static_cast<int32_t>(rng() % static_cast<uint64_t>(compiled_.config.vocab_size));
  }

  // Decodes one token and compares its logits.
  void step(int32_t token) {
    const auto expected = golden_.step(token);
    const auto found = investigated([&] { return decoder_.step(token); });
    ASSERT_TRUE(std::equal(expected.begin(), expected.end(), found.begin(), found.end()))
        << "logits at position " << golden_.position() - 1;
  }

  // Decodes `tokens` random tokens, each with its logits.
  void run(int tokens) {
    auto rng = make_rng(23);
    for (int i = 0; i < tokens; ++i) {
      step(random_token(rng));
      if (testing::Test::HasFatalFailure()) return;
    }
    EXPECT_GT(checker_.instructions(), static_cast<uint64_t>(tokens));
    EXPECT_GT(check_.tensors(), static_cast<uint64_t>(tokens));
  }

  // Prompt tokens without logits.
  void prompt(const std::vector<int32_t>& tokens) {
    for (const int32_t token : tokens) golden_.step(token);
    investigated([&] { decoder_.prompt(tokens); });
  }

  // The machine's own greedy loop.
  void generate(int32_t first, int tokens) {
    int32_t token = first;
    std::vector<int32_t> expected, found;
    for (int i = 0; i < tokens; ++i) {
      token = argmax(golden_.step(token));
      expected.push_back(token);
    }
    investigated([&] { decoder_.generate(first, tokens, [&](int32_t made) { found.push_back(made); }); });
    EXPECT_EQ(found, expected);
  }

  const CompiledModel& compiled() const { return compiled_; }
  sim::Machine& machine() { return *machine_; }
  sim::Decoder& decoder() { return decoder_; }
  sim::Checker& checker() { return checker_; }

 private:
  template <typename Work>
  std::invoke_result_t<Work> investigated(Work work) {
    return tb::investigated(config_, number_, work);
  }

  std::string config_;
  ModelWeights weights_;
  CompiledModel compiled_;
  IntegerModel golden_;
  std::unique_ptr<sim::Machine> machine_;
  int number_ = machines_made();
  sim::Checker checker_;
  sim::GoldenCheck check_;
  sim::Decoder decoder_;
};

// A small configuration for `unit`: two layers, two heads of 8.
inline ModelConfig tiny(ModelConfig config) {
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

}  // namespace pimllm::tb

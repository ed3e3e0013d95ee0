// Decode attention of a layer alone: bit-exact with either feed, and within its bounds in `paper`.
#include <gtest/gtest.h>

#include "models/compiler/hardware.hpp"
#include "sim/machine/attention_run.hpp"
#include "tb/common/seed.hpp"
#include "tb/machine/on_mismatch.hpp"
#include "tb/machine/test_machines.hpp"

namespace pimllm::sim {
namespace {

ModelConfig shape(int heads, int kv_heads, int head_dim, int context, Normalizer normalizer) {
  ModelConfig config;
  config.name = "attention";
  config.heads = heads;
  config.kv_heads = kv_heads;
  config.head_dim = head_dim;
  config.context_length = context;
  config.normalizer = normalizer;
  return config;
}

AttentionRun attend(const std::string& config, const ModelConfig& model, int tokens, bool north, bool check) {
  const auto machine = tb::make_test_machine(config);
  return tb::investigated(config, tb::machines_made(), [&] {
    return run_attention(*machine, model, hardware_preset(config),
                         {.tokens = tokens, .north = north, .seed = tb::seed()}, check);
  });
}

TEST(Attention, EqualsReferenceWithEitherFeed) {
  for (const std::string config : {"unit", "small", "paper"}) {
    const int head_dim = 2 * hardware_preset(config).array_cols;
    for (const Normalizer normalizer : {Normalizer::kSoftmax, Normalizer::kConsmax}) {
      const auto model = shape(4, 2, head_dim, 64, normalizer);
      auto rng = tb::make_rng(41);
      for (const bool north : {false, true}) {
        for (const int tokens : {1, static_cast<int>(2 + rng() % 62), 64}) {
          SCOPED_TRACE(config + (north ? " north " : " banked ") + std::to_string(tokens));
          EXPECT_NO_THROW(attend(config, model, tokens, north, true));
        }
      }
    }
  }
}

// The shape of the shipped checkpoints: 1.3 times the time that the memory needs for K and V, and 200 cycles.
TEST(AttentionBounds, CheckpointAtContext256) {
  for (const Normalizer normalizer : {Normalizer::kSoftmax, Normalizer::kConsmax}) {
    const auto run = attend("paper", shape(4, 4, 64, 256, normalizer), 256, false, true);
    EXPECT_LE(static_cast<double>(run.cycles), 1.3 * run.bound + 200) << run.bound;
  }
}

// The shape of OPT-6.7B: K and V at 1.15 times the time the memory needs, from 1024 to 4096 tokens.
TEST(AttentionBounds, SlopeOfOpt67b) {
  const auto model = shape(32, 32, 128, 4096, Normalizer::kSoftmax);
  const auto at1024 = attend("paper", model, 1024, false, false);
  const auto at4096 = attend("paper", model, 4096, false, false);
  EXPECT_LE(static_cast<double>(at4096.cycles - at1024.cycles), 1.15 * (at4096.bound - at1024.bound));
  EXPECT_EQ(at4096.bound, 65536.0);
  EXPECT_EQ(at4096.published, 1310400U);
}

TEST(AttentionBounds, NorthFeedIsNoSlowerThanPublished) {
  const auto checkpoint = attend("paper", shape(4, 4, 64, 256, Normalizer::kSoftmax), 256, true, false);
  EXPECT_LE(checkpoint.cycles, checkpoint.published);
  const auto opt = attend("paper", shape(32, 32, 128, 1024, Normalizer::kSoftmax), 1024, true, false);
  EXPECT_LE(opt.cycles, opt.published);
}

}  // namespace
}  // namespace pimllm::sim

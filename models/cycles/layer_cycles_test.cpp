// Layers of the published shapes on `paper` with as many crossbars as they need.
#include "models/cycles/layer_cycles.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

namespace pimllm::cycles {
namespace {

struct Shape {
  const char* name;
  int d_model, heads, d_ff;
};
constexpr Shape kShapes[] = {
    {"gpt2-124m", 768, 12, 768},   {"gpt2-355m", 1024, 16, 1024}, {"gpt2-774m", 1280, 20, 1280},
    {"gpt2-1.5b", 1600, 25, 1600}, {"opt-350m", 1024, 16, 4096},  {"opt-1.3b", 2048, 32, 8192},
    {"opt-2.7b", 2560, 32, 10240}, {"opt-6.7b", 4096, 32, 16384}, {"opt-13b", 5120, 40, 20480},
    {"opt-30b", 7168, 56, 28672},  {"llama-7b", 4096, 32, 11008}, {"llama-13b", 5120, 40, 13824}};
constexpr int kContexts[] = {128, 256, 512, 1024, 2048, 4096};
constexpr const char* kUnitNames[] = {"", "DMA", "PIM", "array", "softmax", "vector"};

ModelConfig config_of(const Shape& s) {
  const std::string name = s.name;
  ModelConfig c;
  c.name = name;
  c.d_model = s.d_model;
  c.heads = c.kv_heads = s.heads;
  c.head_dim = s.d_model / s.heads;
  c.d_ff = s.d_ff;
  c.layers = 1;
  c.vocab_size = 50257;
  c.context_length = 4096;
  c.normalizer = Normalizer::kConsmax;
  c.rope = name.starts_with("llama");
  c.norm = c.rope ? NormKind::kRms : NormKind::kLayer;
  c.activation = c.rope                     ? Activation::kSilu
                 : name.starts_with("gpt2") ? Activation::kGelu
                                            : Activation::kRelu;
  return c;
}

TEST(LayerCycles, PublishedShapes) {
  const HardwareParameters paper = hardware_preset("paper");
  for (const Growth growth : {Growth::kSlots, Growth::kSets}) {
    const auto start = std::chrono::steady_clock::now();
    std::string table;
    for (const Shape& shape : kShapes) {
      const LayerModel model(config_of(shape), paper, growth);
      double before = 0.0;
      for (const int context : kContexts) {
        const LayerCycles c = model.at(context);
        const auto most = std::max_element(c.busy.begin(), c.busy.end()) - c.busy.begin();
        table += fmt::format("  {:<10} {:>5} {:>8.0f} {:>8.0f} {:>8.0f} {:>8.0f}  {}\n", shape.name, context,
                             c.layer, c.plain, c.full, c.head, kUnitNames[most]);
        // More context takes more time, at least what memory needs for K and V.
        EXPECT_GT(c.layer, before);
        EXPECT_GE(c.layer, 2.0 * context * shape.d_model / (paper.mem_channels * paper.channel_bytes));
        before = c.layer;
      }
    }
    const double ms =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    fmt::print("{}, {:.0f} ms for 72 cells; cycles: layer, tile open, tile full, LM head; longest unit\n{}",
               growth == Growth::kSlots ? "slots grow (8 converter sets)"
                                        : "sets grow (converters of each crossbar)",
               ms, table);
  }
}

TEST(LayerCycles, TwoWalksAreEnough) {
  const HardwareParameters paper = hardware_preset("paper");
  for (const Growth growth : {Growth::kSlots, Growth::kSets}) {
    for (const Shape& shape : kShapes) {
      const LayerModel model(config_of(shape), paper, growth);
      const LayerModel settled(config_of(shape), paper, growth, 40, 0);
      for (const int context : kContexts) {
        const LayerCycles c = model.at(context);
        const LayerCycles s = settled.at(context);
        EXPECT_EQ(c.plain, s.plain) << shape.name << " at " << context;
        EXPECT_EQ(c.full, s.full) << shape.name << " at " << context;
        EXPECT_NEAR(c.head, s.head, 2e-5 * s.head) << shape.name;
      }
    }
  }
}

TEST(LayerCycles, ContextBeyondTheModelIsRefused) {
  const LayerModel model(config_of(kShapes[0]), hardware_preset("paper"), Growth::kSlots);
  EXPECT_ANY_THROW(model.at(0));
  EXPECT_ANY_THROW(model.at(4097));
}

}  // namespace
}  // namespace pimllm::cycles

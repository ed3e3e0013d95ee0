// Random models of the shapes that real ones have, on the RTL: grouped queries, padded heads, sizes that fill
// no crossbar, both families with all their activations, contexts longer than the ring, models that just fit.
// Everything compared.
#include <gtest/gtest.h>

#include <functional>
#include <ostream>

#include "tb/machine/checked_machine.hpp"

namespace pimllm {
namespace {

using tb::CheckedMachine;
using tb::tiny;

struct Case {
  const char* name;
  const char* config;
  ModelConfig model;
  int tokens;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.config << ", " << c.tokens << " tokens"; }

ModelConfig with(ModelConfig config, const std::function<void(ModelConfig&)>& change) {
  change(config);
  return config;
}

class Shapes : public testing::TestWithParam<Case> {};

TEST_P(Shapes, EqualBothReferences) {
  const auto& c = GetParam();
  CheckedMachine machine(c.config, c.model);
  machine.run(c.tokens);
}

// LLaMA and BitNet: RMSNorm, RoPE, gated.
ModelConfig rms(int d_model, int heads, int kv_heads, int head_dim, int d_ff) {
  ModelConfig c = small_bitnet_config();
  c.d_model = d_model;
  c.heads = heads;
  c.kv_heads = kv_heads;
  c.head_dim = head_dim;
  c.d_ff = d_ff;
  c.context_length = 128;
  return c;
}

ModelConfig llama(ModelConfig c) {
  c.architecture = "llama";
  c.activation = Activation::kSilu;
  c.sub_norms = false;
  return c;
}

// GPT-2 and OPT: LayerNorm, biases, learned positions.
ModelConfig layer_norm(Normalizer normalizer, Activation activation, int d_model, int heads, int d_ff) {
  ModelConfig c = small_gpt2_config(normalizer);
  c.activation = activation;
  c.d_model = d_model;
  c.heads = c.kv_heads = heads;
  c.head_dim = d_model / heads;
  c.d_ff = d_ff;
  c.context_length = 128;
  return c;
}

std::vector<Case> cases() {
  using C = ModelConfig;
  constexpr auto kSoftmax = Normalizer::kSoftmax;
  constexpr auto kConsmax = Normalizer::kConsmax;
  return {
      // BitNet 2B4T's attention: 20 query heads of 128 on 5 KV heads.
      {"Gqa20HeadsLarge", "large", with(rms(2560, 20, 5, 128, 1000), [](C& c) { c.layers = 1; }), 5},
      {"HeadDim80Small", "small", rms(160, 4, 2, 80, 100), 40},
      {"HeadDim80Paper", "paper", with(rms(320, 4, 1, 80, 600), [](C& c) { c.layers = 1; }), 70},
      {"Ffn1000Paper", "paper", with(rms(256, 4, 4, 64, 1000), [](C& c) { c.layers = 1; }), 40},
      {"Ffn100Small", "small", rms(64, 4, 2, 16, 100), 40},
      {"Ffn27Unit", "unit",
       with(tiny(small_bitnet_config()),
            [](C& c) {
              c.d_ff = 27;
              c.layers = 1;
            }),
       24},
      {"LlamaSmall", "small", llama(rms(64, 8, 2, 16, 96)), 40},
      {"LlamaUnit", "unit", llama(tiny(small_bitnet_config())), 24},
      {"Relu2NotGatedUnit", "unit", with(tiny(small_bitnet_config()), [](C& c) { c.gated = false; }), 12},
      {"BitnetConsmaxUnit", "unit", with(tiny(small_bitnet_config()), [](C& c) { c.normalizer = kConsmax; }),
       24},
      {"GeluSoftmaxSmall", "small", layer_norm(kSoftmax, Activation::kGelu, 72, 3, 200), 40},
      {"GeluConsmaxSmall", "small", layer_norm(kConsmax, Activation::kGelu, 72, 3, 200), 40},
      {"GeluConsmaxPaper", "paper", layer_norm(kConsmax, Activation::kGelu, 192, 3, 300), 40},
      {"ReluSoftmaxSmall", "small", layer_norm(kSoftmax, Activation::kRelu, 64, 4, 100), 40},
      {"ReluConsmaxUnit", "unit",
       with(tiny(small_gpt2_config(kConsmax)), [](C& c) { c.activation = Activation::kRelu; }), 24},
      {"SiluNotGatedUnit", "unit",
       with(tiny(small_gpt2_config(kSoftmax)), [](C& c) { c.activation = Activation::kSilu; }), 24},
      {"ThreeQueriesAKvHeadUnit", "unit",
       with(tiny(small_bitnet_config()),
            [](C& c) {
              c.heads = 3;
              c.layers = 1;
            }),
       24},
  };
}

INSTANTIATE_TEST_SUITE_P(Models, Shapes, testing::ValuesIn(cases()),
                         [](const auto& info) { return std::string(info.param.name); });

// K and V of a head are longer than a slot of the ring: the program works in segments.
class Segments : public testing::TestWithParam<Case> {};

TEST_P(Segments, EqualBothReferences) {
  const auto& c = GetParam();
  CheckedMachine machine(c.config, c.model);
  ASSERT_TRUE(machine.compiled().layout.segmented);
  machine.run(c.tokens);
}

// The whole context is decoded: one segment, several, the last one full.
std::vector<Case> segment_cases() {
  const auto long_context = [](ModelConfig c, int head_dim, int heads, int context) {
    c.layers = 1;
    c.heads = heads;
    c.kv_heads = 1;
    c.head_dim = head_dim;
    c.context_length = context;
    return c;
  };
  ModelConfig unit = tiny(small_bitnet_config());
  unit.d_model = 32;
  unit.gated = false;
  ModelConfig gpt2 = tiny(small_gpt2_config(Normalizer::kSoftmax));
  ModelConfig small = rms(64, 1, 1, 64, 64);
  return {{"Unit", "unit", long_context(unit, 32, 1, 128), 128},
          {"UnitLayerNorm", "unit", long_context(gpt2, 32, 1, 128), 128},
          {"Small", "small", long_context(small, 256, 2, 300), 300}};
}

INSTANTIATE_TEST_SUITE_P(Models, Segments, testing::ValuesIn(segment_cases()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace pimllm

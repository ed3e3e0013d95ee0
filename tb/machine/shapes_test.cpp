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

// Models that nearly fill a space of `unit`.
struct FullCase {
  const char* name;
  ModelConfig model;
  int tokens;
  int prefill_tokens;
  int CompiledLayout::*used;
  int available;
  double share;  // at least
};

void PrintTo(const FullCase& c, std::ostream* out) { *out << c.name; }

class Full : public testing::TestWithParam<FullCase> {};

TEST_P(Full, EqualBothReferences) {
  const auto& c = GetParam();
  CheckedMachine machine("unit", c.model, {}, {.prefill_tokens = c.prefill_tokens});
  const int used = machine.compiled().layout.*c.used;
  EXPECT_LE(used, c.available);
  EXPECT_GE(used, c.share * c.available);
  if (c.prefill_tokens != 0) {
    auto rng = tb::make_rng(29);
    std::vector<int32_t> prompt;
    for (int i = 0; i < c.tokens; ++i) prompt.push_back(machine.random_token(rng));
    machine.prompt(prompt);
    machine.step(machine.random_token(rng));
    return;
  }
  machine.run(c.tokens);
}

std::vector<FullCase> full_cases() {
  using C = ModelConfig;
  const C bitnet = tiny(small_bitnet_config());
  const C consmax = tiny(small_gpt2_config(Normalizer::kConsmax));
  const C gpt2 = tiny(small_gpt2_config(Normalizer::kSoftmax));
  const HardwareParameters h = hardware_preset("unit");
  const auto change = [](C c, int layers, int heads, int kv_heads, int head_dim, int context) {
    c.layers = layers;
    c.heads = heads;
    c.kv_heads = kv_heads;
    c.head_dim = head_dim;
    c.context_length = context;
    return c;
  };
  C act = change(gpt2, 1, 1, 1, 8, 24);
  act.d_model = 64;
  act.d_ff = 32;
  act.vocab_size = 140;
  C scr = change(bitnet, 1, 4, 1, 8, 56);
  scr.gated = false;
  C kvs = change(bitnet, 2, 6, 6, 8, 64);
  kvs.gated = false;
  C kv = change(bitnet, 1, 7, 7, 16, 24);
  kv.gated = false;
  return {
      {"Act", act, 12, 2, &CompiledLayout::act_words, h.act_words, 0.8},
      {"Scr", scr, 56, 0, &CompiledLayout::scr_words, h.scr_words, 0.9},
      {"Kvs", kvs, 40, 0, &CompiledLayout::kvs_words, h.kvs_words, 0.68},
      {"Scl", change(consmax, 1, 10, 10, 8, 24), 12, 0, &CompiledLayout::scl_words, h.scl_words, 0.85},
      // More heads than these need more than the 32 crossbars.
      {"Kv", kv, 24, 0, &CompiledLayout::kv_rows, h.kv_rows, 0.7},
  };
}

INSTANTIATE_TEST_SUITE_P(Unit, Full, testing::ValuesIn(full_cases()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace pimllm

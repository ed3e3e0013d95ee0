// Causal prefill on the RTL: blocks of prompt tokens through the array's north feed leave the same bits as
// token by token, in the KV cache, the open tiles and the states; and the tokens after the prompt have the
// same logits.
#include <gtest/gtest.h>

#include <ostream>

#include "models/gguf/load_model.hpp"
#include "tb/machine/checked_machine.hpp"

namespace pimllm {
namespace {

using tb::CheckedMachine;
using tb::tiny;

struct Case {
  const char* name;
  const char* config;
  ModelConfig model;
  int block;
  int prompt;  // tokens
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.config << ", blocks of " << c.block; }

std::vector<uint8_t> memory_bytes(CheckedMachine& machine, uint64_t address, uint64_t size) {
  std::vector<uint8_t> bytes(size);
  machine.machine().memory().read(address, bytes);
  return bytes;
}

// Part of a space as the reference has it, with which the checker has compared every write of the machine.
// KV: these rows of all banks.
std::vector<uint8_t> space_bytes(CheckedMachine& machine, Space space, uint64_t first, uint64_t count) {
  const HardwareParameters& h = machine.compiled().hardware;
  const auto all = machine.checker().reference().bytes(space);
  std::vector<uint8_t> bytes;
  const bool banked = space == Space::kKv;
  const auto word = static_cast<uint64_t>(banked ? h.array_cols : space == Space::kScl ? 4 : h.scr_bytes());
  for (uint64_t bank = 0; bank < (banked ? static_cast<uint64_t>(h.array_rows) : 1); ++bank) {
    const auto part =
        all.subspan((bank * (banked ? static_cast<uint64_t>(h.kv_rows) : 0) + first) * word, count * word);
    bytes.insert(bytes.end(), part.begin(), part.end());
  }
  return bytes;
}

void expect_same_state(CheckedMachine& one, CheckedMachine& many) {
  const CompiledModel& m = one.compiled();
  const CompiledLayout& l = m.layout;
  const auto heads = static_cast<uint64_t>(m.config.layers * m.config.kv_heads);
  EXPECT_EQ(memory_bytes(one, l.kv_address, l.kv_head_bytes * heads),
            memory_bytes(many, l.kv_address, l.kv_head_bytes * heads))
      << "KV cache in memory";
  const uint64_t home_rows = heads * 2 * static_cast<uint64_t>(l.tile_rows);
  EXPECT_EQ(space_bytes(one, Space::kKv, l.kv_home_row, home_rows),
            space_bytes(many, Space::kKv, l.kv_home_row, home_rows))
      << "open tiles";
  EXPECT_EQ(space_bytes(one, Space::kKvs, l.kv_home_scale, 2 * heads),
            space_bytes(many, Space::kKvs, l.kv_home_scale, 2 * heads))
      << "scales of the open tiles";
  EXPECT_EQ(space_bytes(one, Space::kScl, l.states, l.state_words),
            space_bytes(many, Space::kScl, l.states, l.state_words))
      << "eref of every kv head";
}

class Prefill : public testing::TestWithParam<Case> {};

TEST_P(Prefill, LeavesTheBitsOfTokenByToken) {
  const auto& c = GetParam();
  const CompileOptions blocks{.prefill_tokens = c.block};
  CheckedMachine one(c.config, c.model, {}, blocks);
  CheckedMachine many(c.config, c.model, {}, blocks);
  auto rng = tb::make_rng(31);
  std::vector<int32_t> prompt;
  for (int i = 0; i < c.prompt; ++i) prompt.push_back(one.random_token(rng));
  for (const int32_t token : prompt) one.prompt({token});
  many.prompt(prompt);
  EXPECT_EQ(one.decoder().position(), many.decoder().position());
  // The blocks really went through the prefill program.
  EXPECT_LT(many.checker().instructions(), one.checker().instructions());
  expect_same_state(one, many);
  for (int i = 0; i < 3; ++i) {
    const int32_t token = one.random_token(rng);
    one.step(token);
    many.step(token);
  }
}

TEST_P(Prefill, UnderStalls) {
  const auto& c = GetParam();
  sim::MachineOptions options;
  options.seed = tb::seed();
  options.memory.stall = 0.3;
  options.memory.latency = 20;
  options.memory.latency_spread = 60;
  CheckedMachine machine(c.config, c.model, options, {.prefill_tokens = c.block});
  auto rng = tb::make_rng(37);
  std::vector<int32_t> prompt;
  for (int i = 0; i < c.prompt; ++i) prompt.push_back(machine.random_token(rng));
  machine.prompt(prompt);
  machine.step(prompt.front());
}

// Prompts end within a block and go over several KV tiles.
std::vector<Case> cases() {
  const ModelConfig bitnet = small_bitnet_config();
  ModelConfig heads80 = bitnet;
  heads80.heads = 2;
  heads80.kv_heads = 1;
  heads80.head_dim = 80;
  heads80.layers = 1;
  heads80.context_length = 32;
  ModelConfig long_bitnet = bitnet;
  long_bitnet.context_length = 128;
  return {
      {"UnitTwo", "unit", tiny(bitnet), 2, 19},
      {"UnitFourLayerNorm", "unit",
       [] {
         ModelConfig c = tiny(small_gpt2_config(Normalizer::kSoftmax));
         c.layers = 1;
         return c;
       }(),
       4, 18},
      {"SmallTwo", "small", bitnet, 2, 37},
      {"SmallFour", "small", bitnet, 4, 37},
      {"SmallEight", "small", bitnet, 8, 37},
      {"SmallEightConsmax", "small", small_gpt2_config(Normalizer::kConsmax), 8, 44},
      {"SmallEightHeads80", "small", heads80, 8, 27},
      {"PaperEight", "paper", long_bitnet, 8, 77},
  };
}

INSTANTIATE_TEST_SUITE_P(Models, Prefill, testing::ValuesIn(cases()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(PrefillDecoder, RefusesWithASentence) {
  const auto refused = [](sim::Decoder& decoder, std::vector<int32_t> block, const std::string& text) {
    try {
      decoder.prefill(block);
      ADD_FAILURE() << "expected an error about " << text;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
    }
  };
  CheckedMachine without("unit", tiny(small_bitnet_config()));
  refused(without.decoder(), {1, 2}, "expected a model compiled with prefill tokens");
  CheckedMachine machine("unit", tiny(small_bitnet_config()), {}, {.prefill_tokens = 2});
  refused(machine.decoder(), {1, 2, 3}, "expected a block of 2 tokens, found 3");
  refused(machine.decoder(), {1, 21}, "expected an id below 21, found 21");
  machine.decoder().jump(1);
  refused(machine.decoder(), {1, 2}, "expected a position in steps of 2, found 1");
  machine.decoder().jump(24);
  refused(machine.decoder(), {1, 2}, "the context holds 24 tokens");
}

// The trained checkpoint writes the same text after a prompt in blocks of 8.
TEST(PrefillCheckpoint, SameTextInPaper) {
  const ModelWeights weights = load_model(PIMLLM_SOURCE_DIR "/models/checkpoints/kjv-bitnet.gguf");
  CheckedMachine machine("paper", weights, {}, {.prefill_tokens = 8});
  auto rng = tb::make_rng(41);
  std::vector<int32_t> prompt;
  for (int i = 0; i < 45; ++i) prompt.push_back(machine.random_token(rng));
  machine.prompt(prompt);
  machine.generate(prompt.front(), 16);  // what golden writes
}

}  // namespace
}  // namespace pimllm

// The checkpoint of the FPGA board: its shape and how it is stored, what it says, and how well it predicts
// text that it was not trained on.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "golden/error.hpp"
#include "golden/integer_model.hpp"
#include "golden/ops.hpp"
#include "golden/perplexity.hpp"
#include "models/gguf/load_model.hpp"
#include "models/tokenizer/tokenizer.hpp"
#include "models/train/kjv_text.hpp"

namespace pimllm {
namespace {

constexpr const char* kPath = PIMLLM_SOURCE_DIR "/models/checkpoints/kjv-board.gguf";

TEST(BoardCheckpoint, FitsTheBoard) {
  const GgufFile file(kPath);
  uint64_t ternary = 0;
  for (const GgufTensor& tensor : file.tensors()) {
    if (tensor.name.starts_with("blk.") && tensor.shape.size() == 2) {
      // Rows of 192 fit no ternary block that other programs read next to I2_S.
      const bool down = tensor.name.ends_with("ffn_down.weight");
      EXPECT_EQ(tensor.type, down ? GgufType::kF32 : GgufType::kI2_S) << tensor.name;
      ternary += tensor.shape[0] * tensor.shape[1];
    }
  }
  EXPECT_EQ(ternary, 491'520U);
  const ModelConfig c = load_model(file).config;
  EXPECT_EQ(c.architecture, "bitnet-b1.58");
  EXPECT_EQ(c.vocab_size, 256);
  EXPECT_EQ(c.context_length, 128);
  EXPECT_EQ(c.d_model, 128);
  EXPECT_EQ(c.layers, 4);
  EXPECT_EQ(c.heads, 4);
  EXPECT_EQ(c.kv_heads, 2);
  EXPECT_EQ(c.head_dim, 32);
  EXPECT_EQ(c.d_ff, 192);
}

TEST(BoardCheckpoint, SaysTheExpectedTokens) {
  const Tokenizer tokenizer = load_tokenizer(kPath);
  IntegerModel model(load_model(kPath));
  std::vector<int32_t> tokens = tokenizer.encode("And it came to pass");
  EXPECT_EQ(tokens.size(), 8U);
  const auto first = model.forward(tokens, tokens.size() - 1);
  tokens.push_back(argmax(first));
  while (tokens.size() < 40) tokens.push_back(argmax(model.step(tokens.back())));
  EXPECT_EQ(
      tokenizer.decode(tokens),
      "And it came to pass, that when the king's servants, that he might be accounted of the king's hou");
  EXPECT_EQ(model.clips().adc, 0U);
}

TEST(BoardCheckpoint, KnowsOnlyTheBytesOfItsText) {
  const Tokenizer tokenizer = load_tokenizer(kPath);
  std::set<std::string> bytes;
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    if (tokenizer.token_bytes(id).size() == 1) bytes.insert(tokenizer.token_bytes(id));
  }
  EXPECT_EQ(bytes.size(), 63U);
  EXPECT_EQ(tokenizer.data().merges.size(), 193U);
  EXPECT_THROW(tokenizer.encode("And 2 of them"), Error);
}

TEST(BoardCheckpoint, PredictsHeldOutText) {
  constexpr size_t kTokens = 2000;
  const Tokenizer tokenizer = load_tokenizer(kPath);
  const auto weights = std::make_shared<const ModelWeights>(load_model(kPath));
  const auto quantized = std::make_shared<const QuantizedModel>(*weights, IntegerSettings{});
  auto tokens = tokenizer.encode(split_chapters(parse_chapters(run_bible_command())).held_out);
  tokens.resize(kTokens);
  const uint64_t bytes = tokenizer.decode(tokens).size();
  const int context = weights->config.context_length;
  const auto real = perplexity(
      tokens, bytes, context, [&] { return float_scorer(weights); }, 1);
  const auto integer = perplexity(
      tokens, bytes, context, [&] { return integer_scorer(quantized); }, 1);
  EXPECT_LE(integer.bits_per_byte, 1.70);
  EXPECT_NEAR(integer.perplexity, real.perplexity, 0.01 * real.perplexity);
}

}  // namespace
}  // namespace pimllm

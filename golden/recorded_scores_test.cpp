// Exact softmax on the scores that the shipped checkpoints make of a text, of every layer, head and position.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <numbers>
#include <string>
#include <vector>

#include "golden/integer_model.hpp"
#include "golden/total_variation.hpp"
#include "models/gguf/load_model.hpp"
#include "models/tokenizer/tokenizer.hpp"

namespace pimllm {
namespace {

constexpr const char* kText =
    "And God said, Let the waters under the heaven be gathered together unto one place, and let the dry land "
    "appear: and it was so. And God called the dry land Earth; and the gathering together of the waters "
    "called "
    "he Seas: and God saw that it was good. And God said, Let the earth bring forth grass, the herb yielding "
    "seed, and the fruit tree yielding fruit after his kind, whose seed is in itself, upon the earth: and it "
    "was so. And the earth brought forth grass, and herb yielding seed after his kind, and the tree yielding "
    "fruit, whose seed was in itself, after his kind: and God saw that it was good. And the evening and the "
    "morning were the third day.";

// q, and K and V's scales, of one layer, token after token.
struct Recorded {
  std::vector<int8_t> q, k;
  std::vector<Scale> sq, sk, sv;
};

class RecordedScores : public testing::TestWithParam<const char*> {};

TEST_P(RecordedScores, TotalVariation) {
  const std::string path = std::string(PIMLLM_SOURCE_DIR "/models/checkpoints/") + GetParam() + ".gguf";
  const ModelWeights weights = load_model(path);
  const ModelConfig& c = weights.config;
  auto tokens = Tokenizer(load_tokenizer_data(path)).encode(kText);
  tokens.resize(std::min(tokens.size(), static_cast<size_t>(c.context_length)));
  std::vector<Recorded> layers(static_cast<size_t>(c.layers));
  IntegerModel model(weights);
  model.set_observer([&](const ObservedTensor& t) {
    if (t.layer < 0) return;
    Recorded& r = layers[static_cast<size_t>(t.layer)];
    const auto append = [&](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
    if (t.name == "q") {
      append(r.q, t.q8);
      append(r.sq, t.scales);
    } else if (t.name == "k") {
      append(r.k, t.q8);
      append(r.sk, t.scales);
    } else if (t.name == "v") {
      append(r.sv, t.scales);
    }
  });
  model.forward(tokens);

  // ConSMax's scores are natural, softmax's to the base 2 (docs/numerics.md, section 6).
  const bool natural = c.normalizer == Normalizer::kConsmax;
  const Scale base = natural ? sf_from(std::numbers::log2e) : sf_pow2(0);
  const auto heads = static_cast<size_t>(c.heads);
  const auto kv_heads = static_cast<size_t>(c.kv_heads);
  const auto dim = static_cast<size_t>(c.head_dim);
  double worst = 0.0;
  double mean = 0.0;
  size_t count = 0;
  for (const Recorded& r : layers) {
    ASSERT_EQ(r.q.size(), tokens.size() * heads * dim);
    for (size_t h = 0; h < heads; ++h) {
      const size_t kv = h / (heads / kv_heads);
      std::vector<Scale> sv;
      int eref = kErefStart;
      for (size_t pos = 0; pos < tokens.size(); ++pos) {
        sv.push_back(r.sv[pos * kv_heads + kv]);
        ASSERT_NE(sv.back().m, 0);
        eref = next_eref(eref, sv.back());
        const Scale sq = sf_mul(r.sq[pos * heads + h], base);
        const auto q = std::span(r.q).subspan((pos * heads + h) * dim, dim);
        std::vector<int32_t> scores;
        std::vector<double> real;
        for (size_t t = 0; t <= pos; ++t) {
          const int32_t acc = dot(q, std::span(r.k).subspan((t * kv_heads + kv) * dim, dim));
          const Scale sk = r.sk[t * kv_heads + kv];
          scores.push_back(softmax_score(acc, sf_mul(sq, sk)));
          real.push_back(acc * sf_value(sq) * sf_value(sk) * std::numbers::ln2);
        }
        SoftmaxState state;
        softmax_maximum(scores, state);
        std::vector<uint32_t> n(scores.size());
        softmax_numerators(scores, sv, eref, state, n);
        const double tv = total_variation<uint32_t>(real, n, sv, softmax_factor(state, eref));
        worst = std::max(worst, tv);
        mean += tv;
        ++count;
      }
    }
  }
  mean /= static_cast<double>(count);
  fmt::print(
      "softmax total variation, recorded scores of {}, {} draws of 1..{} scores: mean {:.2e}, max {:.2e}\n",
      GetParam(), count, tokens.size(), mean, worst);
  EXPECT_GE(tokens.size(), 128U);
  EXPECT_LE(worst, kTotalVariationLimit);
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, RecordedScores,
                         testing::Values("kjv-bitnet", "kjv-consmax", "kjv-board"),
                         [](const auto& info) { return std::string(info.param).substr(4); });

}  // namespace
}  // namespace pimllm

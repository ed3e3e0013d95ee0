// The trainer's network against the float golden model, which knows nothing of libtorch.
#include "models/train/network.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "golden/error.hpp"
#include "golden/float_model.hpp"

namespace pimllm::train {
namespace {

ModelConfig tiny(const std::string& architecture, const std::string& size) {
  ModelConfig c = shipped_config(architecture, size);
  c.vocab_size = 24;
  c.context_length = 12;
  c.layers = 2;
  c.head_dim = 8;
  c.d_model = 8 * c.heads;
  c.d_ff = 48;
  return c;
}

// The largest difference, relative to the largest logit.
double difference(const Network& network, const ModelWeights& weights) {
  const torch::NoGradGuard no_grad;
  const int n = weights.config.context_length;
  std::vector<int32_t> tokens;
  torch::Tensor ids = torch::empty({1, n}, torch::kInt64);
  for (int t = 0; t < n; ++t) {
    tokens.push_back((7 * t + t * t) % weights.config.vocab_size);
    ids.data_ptr<int64_t>()[t] = tokens.back();
  }
  const torch::Tensor found = network.forward(ids).contiguous();
  FloatModel golden(weights, {.trained_rounding = true});
  const auto expected = golden.forward(tokens);
  EXPECT_EQ(static_cast<size_t>(found.numel()), expected.size());
  double worst = 0.0;
  double largest = 0.0;
  for (size_t i = 0; i < expected.size(); ++i) {
    worst = std::max(worst, std::fabs(double{found.data_ptr<float>()[i]} - double{expected[i]}));
    largest = std::max(largest, std::fabs(double{expected[i]}));
  }
  return worst / largest;
}

TEST(Network, AgreesWithTheFloatGoldenModel) {
  // Rounding in another order moves a value by one int8 step now and then.
  constexpr double kTolerance = 0.02;
  for (const ModelConfig& config :
       {tiny("bitnet-b1.58", "full"), tiny("bitnet-b1.58", "board"), tiny("gpt2-consmax", "full")}) {
    torch::manual_seed(6);
    const Network network(config);
    const ModelWeights weights = network.to_model();
    EXPECT_EQ(weights.layers[0].wk.out_features, config.kv_heads * config.head_dim);
    EXPECT_LT(difference(network, weights), kTolerance) << config.name;
    EXPECT_LT(difference(Network(weights), weights), kTolerance) << config.name;
  }
}

TEST(Network, ShapesItCannotTrainAreRefused) {
  ModelConfig three = tiny("bitnet-b1.58", "board");
  three.kv_heads = 3;
  EXPECT_THROW(Network{three}, Error);
  ModelConfig learned = tiny("gpt2-consmax", "full");
  learned.kv_heads = 2;
  EXPECT_THROW(Network{learned}, Error);
  EXPECT_THROW(shipped_config("bitnet-b1.58", "tiny"), Error);
  EXPECT_THROW(shipped_config("gpt2", "board"), Error);
}

}  // namespace
}  // namespace pimllm::train

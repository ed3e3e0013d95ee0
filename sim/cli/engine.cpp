#include "sim/cli/engine.hpp"

#include <algorithm>

#include "golden/float_model.hpp"
#include "golden/integer_model.hpp"

namespace pimllm::cli {
namespace {

constexpr double kLogitUnit = 1.0 / 65536.0;

class FloatEngine : public Engine {
 public:
  explicit FloatEngine(const ModelWeights& weights) : model_(weights) {}

  std::span<const double> step(int32_t token) override {
    const auto logits = model_.step(token);
    logits_.assign(logits.begin(), logits.end());
    return logits_;
  }

 private:
  FloatModel model_;
  std::vector<double> logits_;
};

class GoldenEngine : public Engine {
 public:
  GoldenEngine(const ModelWeights& weights, const IntegerSettings& settings) : model_(weights, settings) {}

  std::span<const double> step(int32_t token) override {
    const auto logits = model_.step(token);
    logits_.resize(logits.size());
    std::transform(logits.begin(), logits.end(), logits_.begin(), [](int32_t v) { return v * kLogitUnit; });
    return logits_;
  }

 private:
  IntegerModel model_;
  std::vector<double> logits_;
};

}  // namespace

std::unique_ptr<Engine> make_float_engine(const ModelWeights& weights) {
  return std::make_unique<FloatEngine>(weights);
}

std::unique_ptr<Engine> make_golden_engine(const ModelWeights& weights, const IntegerSettings& settings) {
  return std::make_unique<GoldenEngine>(weights, settings);
}

int32_t greedy(std::span<const double> logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

}  // namespace pimllm::cli

// Greedy tokens as they come from a board, against the integer golden model.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "golden/integer_model.hpp"
#include "sim/reference/checker.hpp"

namespace pimllm::sim {

// Throws Mismatch where the golden model says another token.
class TokenCheck {
 public:
  TokenCheck(const ModelWeights& weights, const IntegerSettings& settings) : model_(weights, settings) {}

  void begin(std::span<const int32_t> prompt) {
    model_.reset();
    count_ = 0;
    for (const int32_t token : prompt) next(token);
  }

  void operator()(int32_t token) {
    ++count_;
    const auto expected =
        static_cast<int32_t>(std::max_element(logits_.begin(), logits_.end()) - logits_.begin());
    if (token != expected)
      throw Mismatch(fmt::format("token {}: expected {}, found {}", count_, expected, token));
    chosen_from_ = logits_;
    next(token);
  }

  // The logits of which the last token checked is the greatest.
  std::span<const int32_t> chosen_from() const { return chosen_from_; }

 private:
  void next(int32_t token) {
    if (model_.position() == model_.model().config.context_length) return;
    const auto logits = model_.step(token);
    logits_.assign(logits.begin(), logits.end());
  }

  IntegerModel model_;
  std::vector<int32_t> logits_, chosen_from_;
  int count_ = 0;
};

}  // namespace pimllm::sim

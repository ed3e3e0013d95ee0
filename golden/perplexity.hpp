// Perplexity over a text in windows of the context length that start cold and advance by half a window. Every
// token but the first is scored once: the first window scores all it can, later ones their second half.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "golden/float_model.hpp"
#include "golden/integer_model.hpp"

namespace pimllm {

// Scores one window: nll[i] = -ln p(tokens[first + i] | tokens[0 .. first + i - 1]) for all tokens from
// `first` >= 1 on, from position 0. Returns the clips of the window.
using WindowScorer =
    std::function<ClipCounts(std::span<const int32_t> tokens, size_t first, std::span<double> nll)>;

struct PerplexityResult {
  double perplexity = 0.0;     // per token
  double bits_per_byte = 0.0;  // 0 if the number of bytes is 0
  double nll = 0.0;            // sum, natural logarithm
  uint64_t tokens = 0;         // scored
  uint64_t windows = 0;
  ClipCounts clips;  // of whole windows, so tokens in two windows count twice
};

// After each window, from one thread at a time.
using PerplexityProgress = std::function<void(uint64_t windows_done, uint64_t windows)>;

// tokens: at least 2. bytes: length of the scored text. Each of `threads` (0: all cores) makes its own
// scorer. Sums are made in window order, so the result does not depend on the number of threads. Throws Error
// on bad arguments, and what a scorer throws.
PerplexityResult perplexity(std::span<const int32_t> tokens, uint64_t bytes, int context_length,
                            const std::function<WindowScorer()>& make_scorer, int threads = 0,
                            const PerplexityProgress& progress = {});

WindowScorer integer_scorer(std::shared_ptr<const QuantizedModel> model);
WindowScorer float_scorer(std::shared_ptr<const ModelWeights> weights, const FloatSettings& settings = {});

// Any engine that decodes token by token; logits have 16 fraction bits.
WindowScorer step_scorer(std::function<void()> reset, std::function<std::span<const int32_t>(int32_t)> step);

// -ln softmax(logits)[token], logits in units of `unit`.
double negative_log_likelihood(std::span<const int32_t> logits, int32_t token, double unit = 1.0 / 65536.0);
double negative_log_likelihood(std::span<const float> logits, int32_t token);

}  // namespace pimllm

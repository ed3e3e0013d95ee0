#include "golden/perplexity.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <mutex>
#include <numbers>
#include <thread>
#include <utility>
#include <vector>

#include "golden/error.hpp"

namespace pimllm {
namespace {

struct Window {
  size_t begin = 0;
  size_t end = 0;
  size_t first = 1;  // first token scored, from begin
};

std::vector<Window> windows_of(size_t tokens, size_t context) {
  const size_t stride = context / 2;
  std::vector<Window> windows = {{0, std::min(context, tokens), 1}};
  while (windows.back().end < tokens) {
    const size_t scored = windows.back().end;
    const size_t begin = windows.back().begin + stride;
    windows.push_back({begin, std::min(begin + context, tokens), scored - begin});
  }
  return windows;
}

template <typename T>
double nll_of(std::span<const T> logits, int32_t token, double unit) {
  const double top = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0.0;
  for (const T v : logits) sum += std::exp((static_cast<double>(v) - top) * unit);
  return std::log(sum) - (static_cast<double>(logits[static_cast<size_t>(token)]) - top) * unit;
}

}  // namespace

double negative_log_likelihood(std::span<const int32_t> logits, int32_t token, double unit) {
  return nll_of(logits, token, unit);
}

double negative_log_likelihood(std::span<const float> logits, int32_t token) {
  return nll_of(logits, token, 1.0);
}

PerplexityResult perplexity(std::span<const int32_t> tokens, uint64_t bytes, int context_length,
                            const std::function<WindowScorer()>& make_scorer, int threads,
                            const PerplexityProgress& progress) {
  if (tokens.size() < 2) fail("perplexity: expected at least 2 tokens, found {}", tokens.size());
  if (context_length < 2)
    fail("perplexity: expected a context of at least 2 tokens, found {}", context_length);
  const auto windows = windows_of(tokens.size(), static_cast<size_t>(context_length));
  std::vector<double> sums(windows.size());
  std::vector<ClipCounts> clips(windows.size());
  std::atomic<size_t> next{0};
  std::mutex mutex;
  uint64_t done = 0;
  std::exception_ptr error;
  const auto work = [&] {
    try {
      const WindowScorer scorer = make_scorer();
      for (size_t i = next++; i < windows.size(); i = next++) {
        const Window& w = windows[i];
        std::vector<double> nll(w.end - w.begin - w.first);
        clips[i] = scorer(tokens.subspan(w.begin, w.end - w.begin), w.first, nll);
        for (const double v : nll) sums[i] += v;
        const std::lock_guard lock(mutex);
        if (progress) progress(++done, windows.size());
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
      next = windows.size();
    }
  };
  size_t count =
      threads > 0 ? static_cast<size_t>(threads) : std::max(1U, std::thread::hardware_concurrency());
  count = std::min(count, windows.size());
  if (count == 1) {
    work();
  } else {
    std::vector<std::thread> pool;
    for (size_t i = 0; i < count; ++i) pool.emplace_back(work);
    for (std::thread& thread : pool) thread.join();
  }
  if (error) std::rethrow_exception(error);
  PerplexityResult result;
  for (size_t i = 0; i < windows.size(); ++i) {
    result.nll += sums[i];
    result.clips += clips[i];
    result.tokens += windows[i].end - windows[i].begin - windows[i].first;
  }
  result.windows = windows.size();
  result.perplexity = std::exp(result.nll / static_cast<double>(result.tokens));
  if (bytes > 0) result.bits_per_byte = result.nll / std::numbers::ln2 / static_cast<double>(bytes);
  return result;
}

WindowScorer integer_scorer(std::shared_ptr<const QuantizedModel> shared) {
  auto model = std::make_shared<IntegerModel>(std::move(shared));
  return [model](std::span<const int32_t> tokens, size_t first, std::span<double> nll) {
    model->reset();
    model->clear_clips();
    const auto logits = model->forward(tokens.first(tokens.size() - 1), first - 1);
    const auto vocab = static_cast<size_t>(model->model().config.vocab_size);
    for (size_t i = 0; i < nll.size(); ++i) {
      nll[i] = negative_log_likelihood(logits.subspan(i * vocab, vocab), tokens[first + i]);
    }
    return model->clips();
  };
}

WindowScorer float_scorer(std::shared_ptr<const ModelWeights> weights, const FloatSettings& settings) {
  auto model = std::make_shared<FloatModel>(std::move(weights), settings);
  return [model](std::span<const int32_t> tokens, size_t first, std::span<double> nll) {
    model->reset();
    const auto logits = model->forward(tokens.first(tokens.size() - 1), first - 1);
    const auto vocab = static_cast<size_t>(model->weights().config.vocab_size);
    for (size_t i = 0; i < nll.size(); ++i) {
      nll[i] = negative_log_likelihood(logits.subspan(i * vocab, vocab), tokens[first + i]);
    }
    return ClipCounts{};
  };
}

WindowScorer step_scorer(std::function<void()> reset, std::function<std::span<const int32_t>(int32_t)> step) {
  return [reset = std::move(reset), step = std::move(step)](std::span<const int32_t> tokens, size_t first,
                                                            std::span<double> nll) {
    reset();
    for (size_t i = 0; i + 1 < tokens.size(); ++i) {
      const auto logits = step(tokens[i]);
      if (i + 1 >= first) nll[i + 1 - first] = negative_log_likelihood(logits, tokens[i + 1]);
    }
    return ClipCounts{};
  };
}

}  // namespace pimllm

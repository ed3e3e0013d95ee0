// One way to decode, three engines behind it: float golden, integer golden, Verilated machine.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "golden/integer_model.hpp"
#include "golden/model.hpp"
#include "golden/perplexity.hpp"
#include "sim/cli/crossbar_options.hpp"

namespace pimllm::cli {

class Engine {
 public:
  virtual ~Engine() = default;
  // Decodes one token; logits [vocab_size], valid until the next call.
  virtual std::span<const double> step(int32_t token) = 0;
};

std::unique_ptr<Engine> make_float_engine(const ModelWeights& weights);
std::unique_ptr<Engine> make_golden_engine(const ModelWeights& weights, const IntegerSettings& settings);

// Scores windows on the Verilated machine `config`; clips of the converters are those it counts itself.
WindowScorer rtl_scorer(const ModelWeights& weights, const std::string& config,
                        const CrossbarOptions& options);

// The lowest id among the largest logits.
int32_t greedy(std::span<const double> logits);

}  // namespace pimllm::cli

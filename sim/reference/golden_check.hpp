// Holds the instruction-level reference against the integer golden model while a checker runs it: every named
// tensor and the logits of every token. What the checker finds equal to the reference is thereby equal to
// golden.
#pragma once

#include <cstdint>

#include "models/compiler/compiler.hpp"
#include "sim/reference/checker.hpp"
#include "sim/reference/taps.hpp"

namespace pimllm::sim {

class GoldenCheck {
 public:
  // Attaches itself to the checker, which must not outlive it. A difference throws Mismatch out of the
  // machine's step.
  GoldenCheck(const CompiledModel& model, const ModelWeights& weights, Checker& checker);
  GoldenCheck(const GoldenCheck&) = delete;
  GoldenCheck& operator=(const GoldenCheck&) = delete;

  uint64_t tensors() const { return tensors_.count(); }

 private:
  void executed(size_t index);

  Reference& reference_;
  TensorComparer tensors_;
  size_t first_index_ = 0;  // the instruction after which a token's first tensor is valid
};

}  // namespace pimllm::sim

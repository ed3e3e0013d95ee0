// Compares the machine's state with the integer golden model at every named tensor, by the compiler's map.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "golden/integer_model.hpp"
#include "models/compiler/compiler.hpp"
#include "sim/reference/reference.hpp"

namespace pimllm {

class TensorComparer {
 public:
  // Keeps the compiled model by reference.
  TensorComparer(const CompiledModel& compiled, const ModelWeights& weights);
  TensorComparer(const TensorComparer&) = delete;
  TensorComparer& operator=(const TensorComparer&) = delete;

  // Steps the golden model on the token at `position` and keeps its tensors; position 0 starts a new
  // sequence. Throws Error for another position than the next.
  void begin_token(int32_t token, int position);

  // Instruction `index` of the step program has been executed; the k-th call of a token with an index in the
  // layer loop is layer k. Compares the tensors that are valid now; throws Error "tensor NAME layer L element
  // E: expected X, found Y".
  void after(size_t index, Reference& state);

  // Tensors compared so far.
  uint64_t count() const { return count_; }
  const IntegerModel& golden() const { return golden_; }
  // Of the token in work.
  std::span<const int32_t> logits() const { return logits_; }

 private:
  struct Tensor {
    std::vector<int32_t> values;
    std::vector<Scale> scales;
  };

  void compare(const TensorTap& tap, int layer, Reference& state) const;

  const CompiledModel& compiled_;
  IntegerModel golden_;
  std::map<std::pair<std::string, int>, Tensor> tensors_;
  std::multimap<size_t, size_t> taps_;  // instruction -> tap
  std::vector<int> layer_;              // of each tap, the next
  std::span<const int32_t> logits_;
  int position_ = 0;
  uint64_t count_ = 0;
};

}  // namespace pimllm

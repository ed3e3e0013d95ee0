// Compares a machine's scratchpad and memory with the integer golden model at every named tensor, by the
// compiler's map.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "golden/integer_model.hpp"
#include "models/compiler/compiler.hpp"

namespace pimllm {

// Reads the bytes of a space as they are now; KV: `address` is row, `bank` the bank, else a byte address.
using SpaceReader =
    std::function<std::vector<uint8_t>(Space space, uint32_t bank, uint64_t address, size_t size)>;

class TensorChecker {
 public:
  // Keeps references to both; sets the golden model's observer.
  TensorChecker(const CompiledModel& compiled, IntegerModel& golden);
  TensorChecker(const TensorChecker&) = delete;
  TensorChecker& operator=(const TensorChecker&) = delete;

  // Runs the golden model on the next token and remembers its tensors.
  void begin_token(int32_t token);
  // Instruction `index` of the step program is done (the k-th call with an index is layer k): compares the
  // tensors that are valid now. Returns sentences about what differs, at most one a tensor.
  std::vector<std::string> done(size_t index, const SpaceReader& read);

  std::span<const int32_t> logits() const { return logits_; }
  size_t compared() const { return compared_; }

 private:
  struct Tensor {
    std::vector<int32_t> values;
    std::vector<Scale> scales;
  };

  std::string compare(const TensorTap& tap, int layer, const SpaceReader& read);

  const CompiledModel& compiled_;
  IntegerModel& golden_;
  std::map<std::pair<std::string, int>, Tensor> tensors_;
  std::multimap<size_t, size_t> taps_;  // instruction -> tap
  std::vector<int> layer_;              // of each tap, the next
  std::span<const int32_t> logits_;
  int position_ = 0;
  size_t compared_ = 0;
};

}  // namespace pimllm

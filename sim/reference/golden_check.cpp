#include "sim/reference/golden_check.hpp"

#include <algorithm>

namespace pimllm::sim {
namespace {

constexpr size_t kPositionRegister = 1;

}  // namespace

GoldenCheck::GoldenCheck(const CompiledModel& model, const ModelWeights& weights, Checker& checker)
    : reference_(checker.reference()), tensors_(model, weights) {
  const auto first = std::find_if(model.taps.begin(), model.taps.end(),
                                  [](const auto& tap) { return tap.name == "embedding"; });
  if (first == model.taps.end()) fail("compiled model: expected a tap named embedding, found none");
  first_index_ = first->pc;
  // The prefill program has no named tensors: golden follows, and what the block left in the KV cache shows
  // in the next token's.
  checker.on_started([this, &model](const CompiledProgram& program, const HostRegisters& host) {
    if (&program != &model.prefill) return;
    auto position = static_cast<int>(host.position);
    const PrefillArguments arguments{host.token_in, host.arg[1], host.arg[2], host.arg[3]};
    for (const int32_t token : prefill_tokens(arguments, model.options.prefill_tokens)) {
      tensors_.begin_token(token, position++);
    }
  });
  checker.on_executed([this](size_t index) { executed(index); });
}

void GoldenCheck::executed(size_t index) {
  try {
    if (index == first_index_) {
      const auto& host = reference_.host();
      tensors_.begin_token(static_cast<int32_t>(host.token_count == 0 ? host.token_in : host.token_out),
                           static_cast<int>(reference_.registers()[kPositionRegister]));
    }
    tensors_.after(index, reference_);
  } catch (const Error& error) {
    throw Mismatch(std::string("reference against golden: ") + error.what());
  }
}

}  // namespace pimllm::sim

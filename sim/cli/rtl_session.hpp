// A checkpoint on a Verilated machine: compiled, loaded, decoding, optionally checked against the references.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "golden/model.hpp"
#include "models/compiler/compiler.hpp"
#include "sim/cli/crossbar_options.hpp"
#include "sim/machine/decoder.hpp"
#include "sim/machine/machine.hpp"
#include "sim/reference/checker.hpp"
#include "sim/reference/golden_check.hpp"

namespace pimllm::cli {

class RtlSession {
 public:
  // A difference throws sim::Mismatch.
  RtlSession(const ModelWeights& weights, const std::string& config, sim::MachineOptions machine,
             const CrossbarOptions& options, bool check, int prefill_tokens = 0);
  ~RtlSession();

  // Prompt tokens without logits, in blocks if the options ask for prefill; `on_tokens` as in sim::Decoder.
  void prompt(std::span<const int32_t> tokens, const std::function<void(size_t)>& on_tokens);
  std::span<const double> step(int32_t token);
  std::span<const int32_t> step_fixed(int32_t token);  // 16 fraction bits
  void generate(int32_t token, int count, const std::function<void(int32_t)>& on_token);
  void jump(int position);  // decode the next token at this position, whatever the KV cache holds
  void clear_counters();
  uint64_t adc_clips();  // since power-on
  int position() const;

  // Called now and then while the machine runs.
  void on_cycles(std::function<void()> callback) { on_cycles_ = std::move(callback); }
  std::string speed() const;  // "123456 cycles, 210 kcycles/s"
  // Prints the table of units and returns the same as JSON.
  nlohmann::ordered_json report();

 private:
  using Clock = std::chrono::steady_clock;
  CompiledModel model_;
  std::unique_ptr<sim::Machine> machine_;
  std::unique_ptr<sim::Checker> checker_;
  std::unique_ptr<sim::GoldenCheck> golden_;
  std::unique_ptr<sim::Decoder> decoder_;
  std::function<void()> on_cycles_;
  std::vector<double> logits_;
  uint64_t first_cycle_ = 0;
  uint64_t tokens_ = 0;
  uint64_t adc_clips_ = 0;
  Clock::time_point start_;
};

}  // namespace pimllm::cli

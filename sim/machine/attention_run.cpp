#include "sim/machine/attention_run.hpp"

#include <memory>
#include <optional>

#include "sim/machine/decoder.hpp"
#include "sim/reference/checker.hpp"

namespace pimllm::sim {
namespace {

// Notes when the first command is taken and when the array is done for the last time; passes everything on.
class Stopwatch : public Listener {
 public:
  Stopwatch(const Machine& machine, Listener* next) : machine_(machine), next_(next) {}

  void on_command(isa::Unit unit, const isa::UnitCommand& command) override {
    if (!first_) first_ = machine_.cycles();
    if (next_ != nullptr) next_->on_command(unit, command);
  }
  void on_write(const Write& write) override {
    if (next_ != nullptr) next_->on_write(write);
  }
  void on_done(isa::Unit unit) override {
    if (unit == isa::Unit::kArr) last_ = machine_.cycles();
    if (next_ != nullptr) next_->on_done(unit);
  }
  uint64_t cycles() const { return last_ - first_.value_or(last_) + 1; }

 private:
  const Machine& machine_;
  Listener* next_;
  std::optional<uint64_t> first_;
  uint64_t last_ = 0;
};

uint64_t ceil_div(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

}  // namespace

uint64_t published_attention_cycles(const ModelConfig& shape, const HardwareParameters& hardware,
                                    int tokens) {
  const auto rows = static_cast<uint64_t>(hardware.array_rows);
  const auto cols = static_cast<uint64_t>(hardware.array_cols);
  const auto product = [&](uint64_t n, uint64_t k) { return ceil_div(n, cols) * (k + rows + cols - 2) - 1; };
  const auto head_dim = static_cast<uint64_t>(shape.head_dim);
  const auto context = static_cast<uint64_t>(tokens);
  return static_cast<uint64_t>(shape.heads) * (product(context, head_dim) + product(head_dim, context));
}

AttentionRun run_attention(Machine& machine, const ModelConfig& shape, const HardwareParameters& hardware,
                           const AttentionOptions& options, bool check) {
  const CompiledModel compiled = compile_attention(shape, hardware, options);
  const auto checker = check ? std::make_unique<Checker>(compiled) : nullptr;
  Decoder decoder(compiled, machine, checker.get());
  Stopwatch stopwatch(machine, checker.get());
  machine.listen(&stopwatch);
  decoder.jump(options.tokens - 1);
  decoder.feed(0);
  machine.listen(nullptr);

  AttentionRun run;
  run.cycles = stopwatch.cycles();
  run.kv_bytes = uint64_t{2} * static_cast<uint64_t>(options.tokens) * static_cast<uint64_t>(shape.kv_heads) *
                 static_cast<uint64_t>(shape.head_dim);
  run.bound = static_cast<double>(run.kv_bytes) / (hardware.mem_channels * hardware.channel_bytes);
  run.published = published_attention_cycles(shape, hardware, options.tokens);
  return run;
}

}  // namespace pimllm::sim

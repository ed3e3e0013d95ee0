#include "sim/cli/rtl_session.hpp"

#include <fmt/format.h>

#include <array>

#include "sim/cli/console.hpp"
#include "sim/cli/engine.hpp"
#include "sim/machine/registers.hpp"

namespace pimllm::cli {
namespace {

constexpr double kLogitUnit = 1.0 / 65536.0;
constexpr double kClockHertz = 100e6;

struct UnitRow {
  const char* counter;
  const char* name;
};
constexpr std::array kUnits = {UnitRow{"PIM", "PIM bank"}, UnitRow{"ARR", "array"}, UnitRow{"SMX", "softmax"},
                               UnitRow{"VEC", "vector"}, UnitRow{"DMA", "DMA"}};

}  // namespace

RtlSession::RtlSession(const ModelWeights& weights, const std::string& config, sim::MachineOptions machine,
                       const CrossbarOptions& options, bool check, int prefill_tokens)
    : model_(compile_for(weights, config, options, prefill_tokens)) {
  machine.noise = options.noise;
  machine_ = sim::make_machine(config, machine);
  if (check) {
    checker_ = std::make_unique<sim::Checker>(model_);
    golden_ = std::make_unique<sim::GoldenCheck>(model_, weights, *checker_);
  }
  decoder_ = std::make_unique<sim::Decoder>(model_, *machine_, checker_.get());
  clear_counters();
}

RtlSession::~RtlSession() = default;

int RtlSession::position() const { return decoder_->position(); }

void RtlSession::jump(int position) { decoder_->jump(position); }

void RtlSession::clear_counters() {
  decoder_->clear_counters();
  tokens_ = 0;
  first_cycle_ = machine_->cycles();
  start_ = Clock::now();
}

uint64_t RtlSession::adc_clips() {
  // The register wraps at 32 bits; nobody waits so long that it would wrap twice.
  const uint32_t now = machine_->read_register(sim::register_address("CLIP_COUNT"));
  adc_clips_ += now - static_cast<uint32_t>(adc_clips_);
  return adc_clips_;
}

void RtlSession::prompt(std::span<const int32_t> tokens, const std::function<void(size_t)>& on_tokens) {
  decoder_->prompt(tokens, [&](size_t taken) {
    tokens_ += taken;
    on_tokens(taken);
  });
}

std::span<const int32_t> RtlSession::step_fixed(int32_t token) {
  const auto logits = decoder_->step(token);
  ++tokens_;
  if (on_cycles_) on_cycles_();
  return logits;
}

std::span<const double> RtlSession::step(int32_t token) {
  const auto logits = step_fixed(token);
  logits_.resize(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) logits_[i] = logits[i] * kLogitUnit;
  return logits_;
}

void RtlSession::generate(int32_t token, int count, const std::function<void(int32_t)>& on_token) {
  decoder_->generate(
      token, count,
      [&](int32_t made) {
        ++tokens_;
        on_token(made);
      },
      on_cycles_);
}

std::string RtlSession::speed() const {
  const uint64_t cycles = machine_->cycles() - first_cycle_;
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  return fmt::format("{} cycles, {:.0f} kcycles/s", cycles,
                     static_cast<double>(cycles) / std::max(seconds, 1e-9) / 1e3);
}

nlohmann::ordered_json RtlSession::report() {
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  const uint64_t simulated = machine_->cycles() - first_cycle_;
  const auto counters = decoder_->counters();
  const auto tokens = static_cast<double>(std::max<uint64_t>(tokens_, 1));
  const double cycles = static_cast<double>(counters.at("CYCLES"));
  nlohmann::ordered_json json;
  json["config"] = model_.hardware == hardware_preset("paper") ? "paper" : "other";
  json["tokens"] = tokens_;
  json["cycles"] = counters.at("CYCLES");
  json["cycles_per_token"] = cycles / tokens;
  json["tokens_per_second"] = kClockHertz * tokens / cycles;
  json["kcycles_per_second"] = static_cast<double>(simulated) / seconds / 1e3;
  fmt::print("RTL, {} tokens, mean over all of them\n", tokens_);
  fmt::print("  {:<10} {:>12} {:>8} {:>12} {:>12} {:>12}\n", "unit", "busy/token", "of time", "no operand",
             "output full", "memory");
  for (const auto& unit : kUnits) {
    const auto value = [&](const char* what) {
      return static_cast<double>(counters.at(std::string(unit.counter) + what)) / tokens;
    };
    fmt::print("  {:<10} {:>12.0f} {:>7.1f}% {:>12.0f} {:>12.0f} {:>12.0f}\n", unit.name, value("_BUSY"),
               100 * value("_BUSY") * tokens / cycles, value("_STALL_OPERAND"), value("_STALL_OUTPUT"),
               value("_STALL_MEMORY"));
    json["busy_per_token"][unit.counter] = value("_BUSY");
  }
  fmt::print("  cycles per token {:.0f}, {:.0f} tokens/s at 100 MHz\n", cycles / tokens,
             kClockHertz * tokens / cycles);
  fmt::print("  simulation: {} cycles in {:.1f} s, {:.0f} kcycles/s\n", simulated, seconds,
             static_cast<double>(simulated) / seconds / 1e3);
  if (checker_) {
    fmt::print(
        "bit-exact: {} instructions checked, 0 mismatches; {} tensors equal to the integer golden model\n",
        checker_->instructions(), golden_->tensors());
    json["instructions_checked"] = checker_->instructions();
    json["tensors_checked"] = golden_->tensors();
    json["mismatches"] = 0;
  }
  return json;
}

WindowScorer rtl_scorer(const ModelWeights& weights, const std::string& config,
                        const CrossbarOptions& options) {
  auto session = std::make_shared<RtlSession>(weights, config, sim::MachineOptions{}, options, false);
  const auto score = step_scorer([session] { session->jump(0); },
                                 [session](int32_t token) {
                                   check_interrupt();
                                   return session->step_fixed(token);
                                 });
  return [session, score](std::span<const int32_t> tokens, size_t first, std::span<double> nll) {
    const uint64_t before = session->adc_clips();
    score(tokens, first, nll);
    return ClipCounts{.adc = session->adc_clips() - before};
  };
}

}  // namespace pimllm::cli

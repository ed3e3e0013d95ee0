#include "sim/cli/crossbar_options.hpp"

#include "golden/error.hpp"

namespace pimllm::cli {
namespace {

constexpr int kMaxRows = 65535;
constexpr int kMaxLsbShift = 7;
constexpr int kMaxAdcBits = 16;
constexpr int kMaxSpread = 4096;
constexpr int kMaxProbability = 65536;
constexpr int kMaxDeviation = 65535;
constexpr const char* kGroup = "Crossbars";

}  // namespace

bool CrossbarOptions::any() const {
  return rows_per_conversion || lsb_shift || adc_bits || noise != CrossbarNoise{};
}

CompileOptions CrossbarOptions::compile_options() const {
  CompileOptions out;
  out.rows_per_conversion = rows_per_conversion.value_or(out.rows_per_conversion);
  out.lsb_shift = lsb_shift.value_or(out.lsb_shift);
  out.adc_bits = adc_bits.value_or(out.adc_bits);
  return out;
}

void add_converter_options(CLI::App& command, CrossbarOptions& options) {
  command
      .add_option("--rows-per-conversion", options.rows_per_conversion,
                  "rows driven at once (default: as many as hardly clip, 128 in paper)")
      ->check(CLI::Range(1, kMaxRows))
      ->group(kGroup);
  command.add_option("--lsb-shift", options.lsb_shift, "an ADC step is 2^N cells (default 0)")
      ->check(CLI::Range(0, kMaxLsbShift))
      ->group(kGroup);
  command.add_option("--adc-bits", options.adc_bits, "(default: the machine's, 8 in paper)")
      ->check(CLI::Range(1, kMaxAdcBits))
      ->group(kGroup);
}

void add_noise_options(CLI::App& command, CrossbarOptions& options) {
  CrossbarNoise& noise = options.noise;
  command
      .add_option("--noise-spread", noise.spread,
                  "deviation of a device's conductance, in 1/4096 of it (default 0)")
      ->check(CLI::Range(0, kMaxSpread))
      ->group(kGroup);
  command
      .add_option("--noise-stuck-hrs", noise.stuck_hrs,
                  "probability of a device that never conducts, in 1/65536 (default 0)")
      ->check(CLI::Range(0, kMaxProbability))
      ->group(kGroup);
  command
      .add_option("--noise-stuck-lrs", noise.stuck_lrs,
                  "probability of a device that always conducts, in 1/65536 (default 0)")
      ->check(CLI::Range(0, kMaxProbability))
      ->group(kGroup);
  command
      .add_option("--noise-read", noise.read_noise,
                  "deviation from conversion to conversion, in 1/256 of a cell's current (default 0)")
      ->check(CLI::Range(0, kMaxDeviation))
      ->group(kGroup);
  command
      .add_option("--noise-offset", noise.adc_offset,
                  "deviation from ADC to ADC, in 1/256 of a cell's current (default 0)")
      ->check(CLI::Range(0, kMaxDeviation))
      ->group(kGroup);
  command.add_option("--noise-seed", noise.seed, "of all noise (default 0)")->group(kGroup);
}

void refuse_crossbar_options(const CrossbarOptions& options) {
  if (options.any()) {
    fail(
        "--engine float: has no crossbars, expected no option of converters or noise (or engine golden or "
        "rtl)");
  }
}

CompiledModel compile_for(const ModelWeights& weights, const std::string& config,
                          const CrossbarOptions& options, int prefill_tokens) {
  CompileOptions compile_options = options.compile_options();
  compile_options.prefill_tokens = prefill_tokens;
  CompiledModel compiled = compile(weights, hardware_preset(config), compile_options);
  set_noise(compiled, options.noise);
  return compiled;
}

IntegerSettings golden_settings(const ModelWeights& weights, const std::string& config,
                                const CrossbarOptions& options) {
  return options.any() ? compile_for(weights, config, options).golden : IntegerSettings{};
}

}  // namespace pimllm::cli

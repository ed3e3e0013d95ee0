// Options of the crossbars that several commands share: converters and non-idealities (docs/pim.md).
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "golden/crossbar_noise.hpp"
#include "golden/integer_model.hpp"
#include "golden/model.hpp"
#include "models/compiler/compiler.hpp"

namespace pimllm::cli {

struct CrossbarOptions {
  std::optional<int> rows_per_conversion, lsb_shift, adc_bits;
  CrossbarNoise noise;

  bool any() const;
  CompileOptions compile_options() const;
};

// --rows-per-conversion, --lsb-shift, --adc-bits.
void add_converter_options(CLI::App& command, CrossbarOptions& options);
// --noise-spread, --noise-stuck-hrs, --noise-stuck-lrs, --noise-read, --noise-offset, --noise-seed.
void add_noise_options(CLI::App& command, CrossbarOptions& options);

// Throws Error if one of them is set: the float engine has no crossbars.
void refuse_crossbar_options(const CrossbarOptions& options);

// The model compiled for machine `config`, with the noise for its references.
CompiledModel compile_for(const ModelWeights& weights, const std::string& config,
                          const CrossbarOptions& options, int prefill_tokens = 0);

// What the integer golden model needs to give the bits of machine `config`; without any option its own
// defaults, which need no machine that the model fits.
IntegerSettings golden_settings(const ModelWeights& weights, const std::string& config,
                                const CrossbarOptions& options);

}  // namespace pimllm::cli

// Crossbars that are not ideal, and coarse converters: the machine, the instruction-level reference and the
// integer golden model agree bit for bit, clips included.
#include <gtest/gtest.h>

#include <algorithm>

#include "golden/integer_model.hpp"
#include "models/compiler/compiler.hpp"
#include "models/random/random_model.hpp"
#include "sim/machine/decoder.hpp"
#include "sim/machine/machine.hpp"
#include "sim/machine/registers.hpp"
#include "sim/reference/checker.hpp"
#include "sim/reference/golden_check.hpp"
#include "tb/common/seed.hpp"
#include "tb/machine/on_mismatch.hpp"
#include "tb/machine/test_machines.hpp"

namespace pimllm::sim {
namespace {

struct Kind {
  const char* name;
  CrossbarNoise noise;  // its seed is the test's
};
constexpr Kind kKinds[] = {{"None", {}},
                           {"Spread", {0, 600, 0, 0, 0, 0}},
                           {"StuckHrs", {0, 0, 2000, 0, 0, 0}},
                           {"StuckLrs", {0, 0, 0, 2000, 0, 0}},
                           {"Read", {0, 0, 0, 0, 200, 0}},
                           {"Offset", {0, 0, 0, 0, 0, 200}},
                           {"All", {0, 300, 900, 900, 100, 100}}};

struct Converter {
  const char* name;
  int lsb_shift;
  int bits_less;  // than the machine's converters have
};
constexpr Converter kConverters[] = {{"Fine", 0, 0}, {"Coarse", 1, 1}};

class NoisyMachine : public testing::TestWithParam<std::tuple<const char*, Kind, Converter>> {};

// Whole heads, lanes and crossbars: what set_noise() asks for.
ModelConfig model_for(const HardwareParameters& hardware, ModelConfig config) {
  config.d_model = hardware.xbar_rows;
  config.d_ff = 2 * hardware.xbar_rows;
  config.layers = 1;
  config.head_dim = 2 * hardware.array_cols;
  config.heads = hardware.xbar_rows / config.head_dim;
  config.kv_heads = config.heads / 2;
  config.vocab_size = 21;
  config.context_length = 24;
  return config;
}

TEST_P(NoisyMachine, EqualsBothReferences) {
  const auto& [config, kind, converter] = GetParam();
  const HardwareParameters hardware = hardware_preset(config);
  const ModelWeights weights = make_random_model(model_for(hardware, small_bitnet_config()), tb::seed());
  CompileOptions options;
  options.lsb_shift = converter.lsb_shift;
  options.adc_bits = hardware.adc_bits - converter.bits_less;
  options.rows_per_conversion = hardware.xbar_rows;
  CompiledModel compiled = compile(weights, hardware, options);
  IntegerModel ideal(weights, compiled.golden);
  CrossbarNoise noise = kind.noise;
  noise.seed = tb::seed();
  if (noise == CrossbarNoise{.seed = noise.seed}) noise = {};
  set_noise(compiled, noise);
  IntegerModel golden(weights, compiled.golden);
  MachineOptions machine_options;
  machine_options.noise = noise;
  const auto machine = tb::make_test_machine(config, machine_options);
  Checker checker(compiled);
  GoldenCheck check(compiled, weights, checker);
  Decoder decoder(compiled, *machine, &checker);
  auto rng = tb::make_rng(31);
  bool changed = false;
  for (int i = 0; i < 3; ++i) {
    const auto token = static_cast<int32_t>(rng() % static_cast<uint64_t>(compiled.config.vocab_size));
    const auto expected = golden.step(token);
    const auto found = tb::investigated(config, tb::machines_made(), [&] { return decoder.step(token); });
    ASSERT_TRUE(std::equal(expected.begin(), expected.end(), found.begin(), found.end())) << "token " << i;
    const auto without = ideal.step(token);
    changed = changed || !std::equal(without.begin(), without.end(), found.begin(), found.end());
  }
  EXPECT_EQ(changed, noise.any());
  EXPECT_EQ(checker.reference().adc_clips(), machine->read_register(register_address("CLIP_COUNT")));
  EXPECT_EQ(checker.reference().adc_clips(), golden.clips().adc);
}

INSTANTIATE_TEST_SUITE_P(Machine, NoisyMachine,
                         testing::Combine(testing::Values("unit", "small"), testing::ValuesIn(kKinds),
                                          testing::ValuesIn(kConverters)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param)) + std::get<1>(info.param).name +
                                  std::get<2>(info.param).name;
                         });

TEST(Noise, RefusesModelsThatDoNotFillTheCrossbars) {
  const HardwareParameters hardware = hardware_preset("unit");
  ModelConfig config = model_for(hardware, small_bitnet_config());
  config.d_ff = 24;
  CompiledModel compiled = compile(make_random_model(config, 1), hardware);
  set_noise(compiled, {.spread = 10, .stuck_hrs = 10, .read_noise = 10, .adc_offset = 10});
  EXPECT_THROW(set_noise(compiled, {.stuck_lrs = 1}), Error);
  config.d_ff = 16;
  config.head_dim = 6;
  compiled = compile(make_random_model(config, 1), hardware);
  set_noise(compiled, {.spread = 10, .stuck_hrs = 10});
  EXPECT_THROW(set_noise(compiled, {.read_noise = 1}), Error);
}

}  // namespace
}  // namespace pimllm::sim

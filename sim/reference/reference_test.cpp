// Compiler and instruction-level reference against the integer golden model: every named tensor, every logit,
// and no hazard left to timing.
#include "sim/reference/reference.hpp"

#include <gtest/gtest.h>

#include <random>

#include "golden/activation.hpp"
#include "golden/error.hpp"
#include "golden/test_util.hpp"
#include "models/random/random_model.hpp"
#include "sim/reference/tensor_check.hpp"

namespace pimllm {
namespace {

ModelConfig tiny_bitnet() {
  ModelConfig c = small_bitnet_config();
  c.d_model = 16;
  c.layers = 2;
  c.heads = 2;
  c.kv_heads = 1;
  c.head_dim = 8;
  c.d_ff = 16;
  c.vocab_size = 21;
  c.context_length = 24;
  return c;
}

ModelConfig tiny_gpt2(Normalizer normalizer) {
  ModelConfig c = small_gpt2_config(normalizer);
  c.d_model = 16;
  c.layers = 2;
  c.heads = 2;
  c.kv_heads = 2;
  c.head_dim = 8;
  c.d_ff = 16;
  c.vocab_size = 21;
  c.context_length = 24;
  return c;
}

class Session {
 public:
  Session(const ModelConfig& config, const HardwareParameters& hardware, const CompileOptions& options = {})
      : weights_(make_random_model(config, test_seed())),
        compiled_(compile(weights_, hardware, options)),
        golden_(weights_, compiled_.golden),
        checker_(compiled_, golden_),
        reference_(hardware, compiled_.golden.crossbar) {
    reference_.load(compiled_.segments);
    reference_.check_hazards();
    reference_.run(compiled_.init.address);
  }

  // Tokens one by one; returns whether all was equal.
  bool step(int32_t token, bool head = true) {
    const auto read = [&](Space space, uint32_t bank, uint64_t address, size_t size) {
      std::vector<uint8_t> out;
      if (space == Space::kMemory) {
        const auto part = reference_.memory(address, size);
        return std::vector<uint8_t>(part.begin(), part.end());
      }
      uint64_t at = address;
      if (space == Space::kKv) {
        const auto& h = compiled_.hardware;
        at = (bank * static_cast<uint64_t>(h.kv_rows) + address) * static_cast<uint64_t>(h.array_cols);
      }
      const auto part = reference_.bytes(space).subspan(at, size);
      return std::vector<uint8_t>(part.begin(), part.end());
    };
    checker_.begin_token(token);
    reference_.host().token_in = static_cast<uint64_t>(token);
    reference_.host().arg[0] = head ? 0 : kArgNoHead;
    bool good = true;
    reference_.run(compiled_.step.address, [&](const Issued& issued, const std::vector<Write>&) {
      for (const std::string& difference : checker_.done(issued.index, read)) {
        if (good) ADD_FAILURE() << difference;
        good = false;
      }
    });
    return good;
  }

  const CompiledModel& compiled() const { return compiled_; }
  Reference& reference() { return reference_; }
  TensorChecker& checker() { return checker_; }
  IntegerModel& golden() { return golden_; }

 private:
  ModelWeights weights_;
  CompiledModel compiled_;
  IntegerModel golden_;
  TensorChecker checker_;
  Reference reference_;
};

void run_tokens(Session& run, int tokens) {
  std::mt19937_64 rng(7);
  const int vocab = run.compiled().config.vocab_size;
  const uint64_t clips_before = run.golden().clips().adc;
  for (int t = 0; t < tokens; ++t) {
    const auto token = static_cast<int32_t>(rng() % static_cast<uint64_t>(vocab));
    ASSERT_TRUE(run.step(token)) << "token " << t;
    EXPECT_EQ(run.reference().host().token_out, static_cast<uint64_t>(argmax(run.checker().logits())));
    EXPECT_EQ(run.reference().host().position, static_cast<uint64_t>(t + 1));
  }
  EXPECT_EQ(run.reference().adc_clips(), run.golden().clips().adc - clips_before);
  EXPECT_GT(run.checker().compared(), 10U * static_cast<unsigned>(tokens));
}

TEST(Machine, OneTokenOneLayerUnit) {
  ModelConfig c = tiny_bitnet();
  c.layers = 1;
  Session session(c, hardware_preset("unit"));
  run_tokens(session, 1);
}

TEST(Machine, BitnetUnit) {
  Session session(tiny_bitnet(), hardware_preset("unit"));
  run_tokens(session, 24);
}

TEST(Machine, Gpt2Unit) {
  Session session(tiny_gpt2(Normalizer::kSoftmax), hardware_preset("unit"));
  run_tokens(session, 24);
}

TEST(Machine, ConsmaxUnit) {
  Session session(tiny_gpt2(Normalizer::kConsmax), hardware_preset("unit"));
  run_tokens(session, 24);
}

}  // namespace
}  // namespace pimllm

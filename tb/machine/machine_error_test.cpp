// What goes wrong outside the machine or in its program reaches the host as one Error that names cause,
// instruction and program; after a soft reset the machine decodes as if nothing had been.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "golden/integer_model.hpp"
#include "models/compiler/compiler.hpp"
#include "models/random/random_model.hpp"
#include "sim/machine/decoder.hpp"
#include "sim/machine/machine.hpp"
#include "tb/common/seed.hpp"

namespace pimllm::sim {
namespace {

class MachineError : public testing::Test {
 protected:
  static ModelConfig config() {
    ModelConfig c = small_bitnet_config();
    c.d_model = 16;
    c.d_ff = 16;
    c.layers = 1;
    c.heads = 2;
    c.kv_heads = 1;
    c.head_dim = 8;
    c.vocab_size = 21;
    c.context_length = 24;
    return c;
  }

  uint64_t segment(const std::string& name) const {
    for (const auto& s : compiled_.segments) {
      if (s.name == name) return s.address;
    }
    ADD_FAILURE() << "no segment " << name;
    return 0;
  }

  // The next token fails, and its error says all of `parts` in one line.
  void expect_error(const std::vector<std::string>& parts) {
    try {
      decoder_.step(3);
      FAIL() << "expected an error";
    } catch (const Error& error) {
      const std::string text = error.what();
      EXPECT_EQ(text.find('\n'), std::string::npos) << text;
      for (const auto& part : parts) EXPECT_NE(text.find(part), std::string::npos) << part << " in: " << text;
    }
  }

  void expect_recovery() {
    decoder_.recover();
    IntegerModel golden(weights_, compiled_.golden);
    for (const int32_t token : {3, 7, 1}) {
      const auto expected = golden.step(token);
      const auto found = decoder_.step(token);
      ASSERT_TRUE(std::equal(expected.begin(), expected.end(), found.begin(), found.end()));
    }
  }

  ModelWeights weights_ = make_random_model(config(), tb::seed());
  CompiledModel compiled_ = compile(weights_, hardware_preset("unit"));
  std::unique_ptr<Machine> machine_ = make_machine("unit", {});
  Decoder decoder_{compiled_, *machine_};
};

TEST_F(MachineError, IllegalInstruction) {
  constexpr size_t kIndex = 20;
  const uint64_t address = compiled_.step.address + kIndex * isa::kInstructionBytes;
  const auto good = isa::to_bytes(compiled_.step.words[kIndex]);
  auto bad = good;
  std::fill(bad.begin(), bad.end(), uint8_t{0xFF});
  machine_->memory().write(address, bad);
  expect_error({"illegal opcode", "instruction 20 of program step"});
  machine_->memory().write(address, good);
  expect_recovery();
}

TEST_F(MachineError, BusErrorOnInstructionFetch) {
  for (const tb::AxiResp resp : {tb::AxiResp::kSlaveError, tb::AxiResp::kDecodeError}) {
    const uint64_t address = compiled_.step.address + 40 * isa::kInstructionBytes;
    machine_->memory().add_error(address, address + 1, resp);
    expect_error({"bus error on an instruction fetch", "of program step"});
    machine_->memory().clear_errors();
    expect_recovery();
  }
}

TEST_F(MachineError, BusErrorOnRead) {
  for (const tb::AxiResp resp : {tb::AxiResp::kSlaveError, tb::AxiResp::kDecodeError}) {
    machine_->memory().add_error(segment("embedding"), segment("embedding") + 4096, resp);
    expect_error({"bus error on a read", "of program step", "LOADL"});
    machine_->memory().clear_errors();
    expect_recovery();
  }
}

TEST_F(MachineError, BusErrorOnWrite) {
  for (const tb::AxiResp resp : {tb::AxiResp::kSlaveError, tb::AxiResp::kDecodeError}) {
    const uint64_t logits = compiled_.layout.logits_address;
    machine_->memory().add_error(logits, logits + 1, resp);
    expect_error({"bus error on a write", "of program step", "STOREL"});
    machine_->memory().clear_errors();
    expect_recovery();
  }
}

TEST_F(MachineError, HungMemory) {
  machine_->hang_memory(true);
  expect_error({"watchdog", "of program step"});
  machine_->hang_memory(false);
  expect_recovery();
}

TEST_F(MachineError, HungMemoryForEver) {
  machine_->hang_memory(true);
  expect_error({"watchdog"});
  EXPECT_THROW(decoder_.recover(), Error);
}

}  // namespace
}  // namespace pimllm::sim

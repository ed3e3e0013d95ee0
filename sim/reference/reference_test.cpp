// Compiler and instruction-level reference against the integer golden model: every named tensor, every logit,
// and no hazard left to timing.
#include "sim/reference/reference.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

#include "golden/activation.hpp"
#include "golden/error.hpp"
#include "golden/test_util.hpp"
#include "models/compiler/image.hpp"
#include "models/random/random_model.hpp"
#include "sim/reference/taps.hpp"

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
        comparer_(compiled_, weights_),
        reference_(hardware, compiled_.golden.crossbar) {
    reference_.load(compiled_.segments);
    reference_.check_hazards();
    reference_.run(compiled_.init.address);
  }

  // One token, every tensor compared.
  void step(int32_t token) {
    comparer_.begin_token(token, static_cast<int>(reference_.host().position));
    reference_.host().token_in = static_cast<uint64_t>(token);
    reference_.run(compiled_.step.address, [&](const Issued& issued, const std::vector<Write>&) {
      comparer_.after(issued.index, reference_);
    });
  }

  const CompiledModel& compiled() const { return compiled_; }
  Reference& reference() { return reference_; }
  TensorComparer& comparer() { return comparer_; }

 private:
  ModelWeights weights_;
  CompiledModel compiled_;
  TensorComparer comparer_;
  Reference reference_;
};

void run_tokens(Session& run, int tokens) {
  std::mt19937_64 rng(7);
  const int vocab = run.compiled().config.vocab_size;
  for (int t = 0; t < tokens; ++t) {
    run.step(static_cast<int32_t>(rng() % static_cast<uint64_t>(vocab)));
    EXPECT_EQ(run.reference().host().token_out, static_cast<uint64_t>(argmax(run.comparer().logits())));
    EXPECT_EQ(run.reference().host().position, static_cast<uint64_t>(t + 1));
  }
  EXPECT_EQ(run.reference().adc_clips(), run.comparer().golden().clips().adc);
  EXPECT_GT(run.comparer().count(), 10U * static_cast<unsigned>(tokens));
}

TEST(Machine, OneTokenOneLayerUnit) {
  ModelConfig c = tiny_bitnet();
  c.layers = 1;
  Session session(c, hardware_preset("unit"));
  run_tokens(session, 1);
}

struct Case {
  const char* name;
  const char* hardware;
  ModelConfig config;
  int tokens;
  CompileOptions options = {};
};

ModelConfig with(ModelConfig config, const std::function<void(ModelConfig&)>& change) {
  change(config);
  return config;
}

std::vector<Case> cases() {
  using C = ModelConfig;
  const C bitnet = tiny_bitnet();
  const C gpt2 = tiny_gpt2(Normalizer::kSoftmax);
  const C consmax = tiny_gpt2(Normalizer::kConsmax);
  std::vector<Case> list = {
      {"bitnet", "unit", bitnet, 24},
      {"gpt2", "unit", gpt2, 24},
      {"consmax", "unit", consmax, 24},
      {"opt", "unit", with(gpt2, [](C& c) { c.activation = Activation::kRelu; }), 10},
      {"bitnet_consmax", "unit", with(bitnet, [](C& c) { c.normalizer = Normalizer::kConsmax; }), 10},
      {"llama", "unit",
       with(bitnet,
            [](C& c) {
              c.activation = Activation::kSilu;
              c.sub_norms = false;
            }),
       10},
      {"relu2_not_gated", "unit",
       with(bitnet,
            [](C& c) {
              c.gated = false;
              c.activation = Activation::kRelu2;
            }),
       6},
      // Two batches of two heads on each slot (two bank groups).
      {"group_of_four", "unit",
       with(bitnet,
            [](C& c) {
              c.heads = 4;
              c.layers = 1;
            }),
       13},
      {"group_of_three", "unit",
       with(bitnet,
            [](C& c) {
              c.heads = 3;
              c.layers = 1;
            }),
       13},
      {"three_kv_heads", "unit",
       with(gpt2,
            [](C& c) {
              c.heads = c.kv_heads = 3;
              c.layers = 1;
            }),
       13},
      {"padded_heads", "unit", with(bitnet, [](C& c) { c.head_dim = 6; }), 13},
      {"padded_vectors", "unit",
       with(bitnet,
            [](C& c) {
              c.d_model = 14;
              c.d_ff = 18;
            }),
       9},
      {"row_tiles", "unit",
       with(bitnet,
            [](C& c) {
              c.d_model = 36;
              c.d_ff = 24;
              c.layers = 1;
            }),
       9},
      {"one_token_context", "unit", with(bitnet, [](C& c) { c.context_length = 1; }), 1},
      {"bounce", "unit", bitnet, 9, {.norm_to_scr = false}},
      {"coarse_adc", "unit", bitnet, 9, {.rows_per_conversion = 8, .lsb_shift = 1, .adc_bits = 3}},
      {"far_memory", "unit", bitnet, 9, {.memory_base = 0x1234'5678'9000}},
      {"residual_bits", "unit", gpt2, 9, {.residual_fraction_bits = 12}},
      {"bitnet_small", "small", small_bitnet_config(), 40},
      {"gpt2_small", "small", small_gpt2_config(Normalizer::kSoftmax), 40},
      {"consmax_small", "small", small_gpt2_config(Normalizer::kConsmax), 40},
      {"bitnet_paper", "paper",
       with(small_bitnet_config(),
            [](C& c) {
              c.vocab_size = 200;
              c.context_length = 128;
            }),
       100},
      {"gpt2_fpga", "fpga", with(gpt2, [](C& c) { c.layers = 1; }), 20},
  };
  // Contexts and vocabularies that do not fit the ring at once.
  ModelConfig wide = with(bitnet, [](C& c) {
    c.vocab_size = 300;
    c.d_model = 32;
    c.layers = 1;
  });
  list.push_back({"head_in_pieces", "unit", wide, 5});
  list.push_back({"gpt2_paper", "paper",
                  with(small_gpt2_config(Normalizer::kSoftmax),
                       [](C& c) {
                         c.d_model = 128;
                         c.head_dim = 32;
                         c.d_ff = 512;
                       }),
                  36});
  return list;
}

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class MachineCase : public ::testing::TestWithParam<Case> {};

TEST_P(MachineCase, EqualsGolden) {
  const Case& c = GetParam();
  Session session(c.config, hardware_preset(c.hardware), c.options);
  run_tokens(session, c.tokens);
}

INSTANTIATE_TEST_SUITE_P(Models, MachineCase, ::testing::ValuesIn(cases()),
                         [](const auto& info) { return std::string(info.param.name); });

// K and V longer than a slot of the ring.
class Segments : public ::testing::TestWithParam<std::tuple<int, int>> {};

TEST_P(Segments, EqualGolden) {
  const auto [rows, heads] = GetParam();
  ModelConfig c = tiny_bitnet();
  c.layers = 1;
  c.heads = heads;
  c.context_length = 80;
  HardwareParameters h = hardware_preset("unit");
  h.kv_rows = rows;
  h.scr_words = 512;
  h.kvs_words = 256;
  Session session(c, h);
  EXPECT_TRUE(session.compiled().layout.segmented);
  run_tokens(session, 80);
}

INSTANTIATE_TEST_SUITE_P(Ring, Segments,
                         ::testing::Combine(::testing::Values(32, 64), ::testing::Values(1, 2, 4)));

// Blocks of prompt tokens leave the same KV cache, states and logits as token by token.
class Prefill : public ::testing::TestWithParam<Case> {};

TEST_P(Prefill, EqualsTokenByToken) {
  const Case& c = GetParam();
  const ModelWeights weights = make_random_model(c.config, test_seed());
  const CompiledModel compiled = compile(weights, hardware_preset(c.hardware), c.options);
  const auto block = static_cast<size_t>(c.options.prefill_tokens);
  std::vector<int32_t> prompt;
  for (int i = 0; i < c.tokens; ++i)
    prompt.push_back(static_cast<int32_t>((i * 7 + 3) % c.config.vocab_size));
  const auto machine = [&](bool blocks) {
    Reference reference(compiled.hardware, compiled.golden.crossbar);
    reference.load(compiled.segments);
    reference.check_hazards();
    reference.run(compiled.init.address);
    size_t at = 0;
    while (at + 1 < prompt.size()) {
      const bool whole = blocks && at + block < prompt.size();
      HostRegisters& host = reference.host();
      host.token_in = static_cast<uint64_t>(prompt[at]);
      host.arg = {kArgNoHead, 0, 0, 0};
      for (size_t i = 1; whole && i < block; ++i) {
        host.arg[1 + (i - 1) / 3] |= static_cast<uint64_t>(prompt[at + i]) << 16 * ((i - 1) % 3);
      }
      reference.run(whole ? compiled.prefill.address : compiled.step.address);
      at += whole ? block : 1;
      EXPECT_EQ(host.position, at);
    }
    reference.host().arg[0] = 0;
    reference.host().token_in = static_cast<uint64_t>(prompt.back());
    reference.host().tokens_left = 4;
    reference.run(compiled.step.address);
    return reference;
  };
  Reference one = machine(false);
  Reference many = machine(true);
  EXPECT_EQ(one.host().token_out, many.host().token_out);
  const CompiledLayout& l = compiled.layout;
  const auto bytes = [&](Reference& r, uint64_t address, size_t size) {
    const auto part = r.memory(address, size);
    return std::vector<uint8_t>(part.begin(), part.end());
  };
  const size_t cache = l.kv_head_bytes * static_cast<size_t>(c.config.layers * c.config.kv_heads);
  EXPECT_EQ(bytes(one, l.kv_address, cache), bytes(many, l.kv_address, cache));
  const size_t logits = 4 * static_cast<size_t>(c.config.vocab_size);
  EXPECT_EQ(bytes(one, l.logits_address, logits), bytes(many, l.logits_address, logits));
}

std::vector<Case> prefill_cases() {
  using C = ModelConfig;
  const C bitnet = tiny_bitnet();
  const C gpt2 = tiny_gpt2(Normalizer::kSoftmax);
  return {
      {"bitnet_two", "unit", bitnet, 19, {.prefill_tokens = 2}},
      {"bitnet_four", "unit", with(bitnet, [](C& c) { c.layers = 1; }), 20, {.prefill_tokens = 4}},
      {"gpt2", "unit", gpt2, 18, {.prefill_tokens = 2}},
      {"consmax", "unit", tiny_gpt2(Normalizer::kConsmax), 18, {.prefill_tokens = 2}},
      {"small", "small", small_bitnet_config(), 45, {.prefill_tokens = 8}},
      {"small_consmax", "small", small_gpt2_config(Normalizer::kConsmax), 45, {.prefill_tokens = 4}},
      {"paper",
       "paper",
       with(small_bitnet_config(), [](C& c) { c.context_length = 128; }),
       90,
       {.prefill_tokens = 8}},
  };
}

INSTANTIATE_TEST_SUITE_P(Models, Prefill, ::testing::ValuesIn(prefill_cases()),
                         [](const auto& info) { return std::string(info.param.name); });

// The machine feeds its own tokens back, over program starts, and prompt tokens leave out the head.
TEST(Machine, GreedyLoop) {
  const ModelConfig c = tiny_bitnet();
  const ModelWeights weights = make_random_model(c, 11);
  const CompiledModel compiled = compile(weights, hardware_preset("unit"));
  Reference reference(compiled.hardware, compiled.golden.crossbar);
  reference.load(compiled.segments);
  reference.check_hazards();
  reference.run(compiled.init.address);
  IntegerModel golden(weights, compiled.golden);
  for (int sequence = 0; sequence < 2; ++sequence) {
    golden.reset();
    const std::vector<int32_t> prompt = {3, 1, 4, 1, 5};
    reference.host().position = 0;
    for (size_t i = 0; i + 1 < prompt.size(); ++i) {
      golden.step(prompt[i]);
      reference.host().token_in = static_cast<uint64_t>(prompt[i]);
      reference.host().arg[0] = kArgNoHead;
      reference.run(compiled.step.address);
      EXPECT_EQ(reference.host().position, i + 1);
    }
    EXPECT_EQ(reference.host().token_count, 0U);  // since the start of the program
    reference.host().token_in = static_cast<uint64_t>(prompt.back());
    reference.host().arg[0] = 0;
    reference.host().tokens_left = 11;
    int32_t token = prompt.back();
    int produced = 0;
    // TOKEN_OUT is only seen at the end here; the logits of the last token prove all before.
    reference.run(compiled.step.address);
    for (; produced < 12; ++produced) token = argmax(golden.step(token));
    EXPECT_EQ(reference.host().token_out, static_cast<uint64_t>(token));
    EXPECT_EQ(reference.host().token_count, 12U);
    EXPECT_EQ(reference.host().tokens_left, 0U);
    EXPECT_EQ(reference.host().position, prompt.size() - 1 + 12);
  }
}

// The checker itself: every wait is needed, and taking its order away is seen as a hazard, with a long or a
// short ring, with many or few buffers for scales.
TEST(Hazards, WaitsAreNeeded) {
  ModelConfig c = tiny_gpt2(Normalizer::kSoftmax);
  c.heads = c.kv_heads = 6;
  const ModelWeights weights = make_random_model(c, 5);
  std::map<std::string, bool> caught;  // by text: the programs differ a little
  struct Memory {
    int kv_rows, kvs_words;
  };
  for (const auto& [kv_rows, kvs_words] : {Memory{512, 128}, Memory{128, 128}, Memory{512, 256}}) {
    HardwareParameters h = hardware_preset("unit");
    h.kv_rows = kv_rows;
    h.kvs_words = kvs_words;
    const CompiledModel compiled = compile(weights, h);
    for (size_t i = 0; i < compiled.step.words.size(); ++i) {
      const isa::Instruction in = isa::decode(compiled.step.words[i]);
      if (isa::is_scheduler(in.opcode) || in.wait0 == 0) continue;
      // Implied: DMA is in order, and a later load is waited for.
      if (compiled.step.symbols.semaphores[in.wait0] == "constants") continue;
      bool& is_caught = caught[isa::disassemble(in, i, compiled.step.symbols)];
      Reference reference(compiled.hardware, compiled.golden.crossbar);
      reference.load(compiled.segments);
      HazardChecker& checker = reference.check_hazards();
      reference.run(compiled.init.address);
      checker.ignore_waits_of(i);
      try {
        for (int t = 0; t < 24; ++t) {
          reference.host().token_in = 1;
          reference.run(compiled.step.address);
        }
      } catch (const Error&) {
        is_caught = true;
      }
    }
  }
  EXPECT_GT(caught.size(), 20U);
  for (const auto& [text, is_caught] : caught) EXPECT_TRUE(is_caught) << text;
}

// Compiled and random programs run under the checker, which holds them to what the proof of the scheduler
// asks for.
TEST(Hazards, OneTakerBetweenTwoSyncs) {
  const auto give_and_take = [](HazardChecker& checker, isa::Unit unit) {
    checker.give(3, isa::Unit::kVec);
    checker.take(3, unit, 7);
  };
  HazardChecker checker;
  give_and_take(checker, isa::Unit::kPim);
  give_and_take(checker, isa::Unit::kPim);
  checker.sync();
  give_and_take(checker, isa::Unit::kSched);
  try {
    give_and_take(checker, isa::Unit::kPim);
    FAIL() << "expected an error";
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(),
                 "hazard check: instruction 7: semaphore 3 is taken by PIM, and by scheduler since the "
                 "last SYNC, expected one of them");
  }
}

TEST(Compile, RefusesWithASentence) {
  const auto refused = [](const ModelConfig& c, HardwareParameters h, const CompileOptions& o,
                          const std::string& text) {
    try {
      compile(make_random_model(c, 1), h, o);
      ADD_FAILURE() << "expected an error about " << text;
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
    }
  };
  const HardwareParameters unit = hardware_preset("unit");
  refused(small_bitnet_config(), unit, {}, "crossbars of 16x16, the machine has 32");
  refused(tiny_bitnet(), unit, {.context = 25}, "expected 1..24, found 25");
  refused(tiny_bitnet(), unit, {.memory_base = 8}, "multiple of 4096");
  refused(tiny_bitnet(), unit, {.prefill_tokens = 3}, "prefill tokens: expected 2, 4 or 8");
  refused(tiny_bitnet(), unit, {.prefill_tokens = 8}, "prefill tokens: expected 2, 4 or 8");
  HardwareParameters h = unit;
  h.act_words = 64;
  refused(tiny_bitnet(), h, {}, "words of ACT, the machine has 64");
  h = unit;
  h.scr_words = 32;
  refused(tiny_bitnet(), h, {}, "words of SCR, the machine has 32");
  h = unit;
  h.kvs_words = 16;
  refused(tiny_bitnet(), h, {}, "words of KVS, the machine has 16");
  h = unit;
  h.scl_words = 32;
  refused(tiny_bitnet(), h, {}, "words of SCL, the machine has 32");
  h = unit;
  h.kv_rows = 16;
  refused(tiny_bitnet(), h, {}, "words of KV, the machine has 16");
  refused(with(tiny_gpt2(Normalizer::kSoftmax), [](ModelConfig& c) { c.d_model = 18; }), unit, {},
          "LayerNorm");
}

// A host that knows only the files gets the tokens that they promise.
TEST(Compile, FilesRunTheMachine) {
  const ModelWeights weights = make_random_model(tiny_bitnet(), 3);
  const CompiledModel compiled = compile(weights, hardware_preset("unit"), {.memory_base = 0x10000});
  const std::vector<int32_t> prompt = {7, 8, 9};
  const auto folder = std::filesystem::temp_directory_path() / fmt::format("pimllm_files_{}", ::getpid());
  write_compiled(compiled, example_run(weights, compiled, prompt, 10), folder);
  const auto read = [&](const std::string& name) {
    std::ifstream in(folder / name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const auto json = nlohmann::json::parse(read("manifest.json"));
  const std::string image = read("memory.bin");
  const auto number = [](const nlohmann::json& j) { return std::stoull(j.get<std::string>(), nullptr, 0); };
  const uint64_t base = number(json["memory"]["base"]);
  const HardwareParameters h = hardware_from_values(json["hardware"].get<std::map<std::string, int>>());
  EXPECT_EQ(h, compiled.hardware);
  const auto& crossbars = json["crossbars"];
  Reference reference(h, {.rows_per_conversion = crossbars["rows_per_conversion"],
                          .lsb_shift = crossbars["lsb_shift"],
                          .adc_bits = crossbars["adc_bits"]});
  const std::vector<MemorySegment> memory = {
      {"image", base, number(json["memory"]["end"]) - base, {image.begin(), image.end()}}};
  reference.load(memory);
  reference.run(number(json["programs"]["init"]["address"]));
  const auto tokens = json["example"]["tokens"].get<std::vector<uint64_t>>();
  const auto asked = json["example"]["prompt"].get<std::vector<uint64_t>>();
  for (size_t i = 0; i < asked.size(); ++i) {
    const bool last = i + 1 == asked.size();
    reference.host().token_in = asked[i];
    reference.host().position = i;
    reference.host().arg[0] = last ? 0 : 1;
    reference.run(number(json["programs"]["step"]["address"]));
  }
  for (size_t i = 0; i < tokens.size(); ++i) {
    EXPECT_EQ(reference.host().token_out, tokens[i]);
    reference.host().token_in = tokens[i];
    reference.run(number(json["programs"]["step"]["address"]));
  }
  // The hex file says the same: beats, highest byte first.
  std::istringstream lines(read("memory.hex"));
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(line, fmt::format("@{:x}", base / 8));
  for (size_t at = 0; at < image.size(); at += 8) {
    std::getline(lines, line);
    uint64_t word = 0;
    std::memcpy(&word, image.data() + at, 8);
    ASSERT_EQ(std::stoull(line, nullptr, 16), word);
  }
  EXPECT_NE(read("program.txt").find("QUANT"), std::string::npos);
  std::filesystem::remove_all(folder);
}

TEST(Compile, HardwareNames) {
  for (const char* name : {"paper", "large", "small", "unit", "fpga"}) {
    const HardwareParameters h = hardware_preset(name);
    check_hardware(h);
    EXPECT_EQ(hardware_from_values(hardware_values(h)), h);
  }
  EXPECT_EQ(discovery_register("ArrayRows"), "ARRAY_ROWS");
  EXPECT_EQ(discovery_register("AdcBits"), "MAX_ADC_BITS");
  EXPECT_THROW(hardware_preset("medium"), Error);
}

TEST(Compile, PaperCheckpointNeeds52Crossbars) {
  ModelConfig c = small_bitnet_config();
  c.d_model = 256;
  c.layers = 4;
  c.heads = c.kv_heads = 4;
  c.head_dim = 64;
  c.d_ff = 768;
  c.vocab_size = 512;
  c.context_length = 1024;
  const CompiledModel m = compile(make_random_model(c, 2), hardware_preset("paper"));
  EXPECT_EQ(m.layout.crossbars, 52);
  EXPECT_FALSE(m.layout.segmented);
  EXPECT_EQ(m.layout.head_pieces, 1);
  compile(make_random_model(c, 2), hardware_preset("small"), {.context = 512});
}

}  // namespace
}  // namespace pimllm

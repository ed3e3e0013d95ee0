// Writes corpus/gguf: the smallest models of every architecture and ternary type, and a container with every
// tensor type.
#include <cstdio>
#include <vector>

#include "golden/error.hpp"
#include "models/gguf/gguf_file.hpp"
#include "models/gguf/load_model.hpp"
#include "models/gguf/tensor_types.hpp"
#include "models/random/random_model.hpp"
#include "models/tokenizer/tokenizer.hpp"

namespace pimllm::fuzz {
namespace {

constexpr uint64_t kSeed = 1;

ModelConfig tiny(ModelConfig c, int width) {
  c.name.clear();
  c.d_model = width;
  c.layers = c.heads = c.kv_heads = 1;
  c.head_dim = 2;
  c.d_ff = 4;
  c.context_length = 4;
  c.vocab_size = 4;
  return c;
}

TokenizerData tiny_tokenizer() {
  TokenizerData data;
  data.tokens = {"a", "b", "ab", "<end>"};
  data.merges = {"a b"};
  return data;
}

void write_models(const std::string& folder) {
  const auto save = [&](const std::string& name, const ModelConfig& c, TernaryType type,
                        const TokenizerData& tokenizer) {
    save_model(folder + "/" + name + ".gguf", make_random_model(c, kSeed), tokenizer, type);
  };
  const ModelConfig bitnet = small_bitnet_config();
  ModelConfig bitnet_consmax = bitnet;
  bitnet_consmax.architecture = "bitnet-consmax";
  bitnet_consmax.normalizer = Normalizer::kConsmax;
  save("bitnet_f32", tiny(bitnet, 4), TernaryType::kF32, tiny_tokenizer());
  save("bitnet_consmax_f16", tiny(bitnet_consmax, 4), TernaryType::kF16, {});
  save("bitnet_i2_s", tiny(bitnet, 128), TernaryType::kAuto, {});
  save("bitnet_tq2_0", tiny(bitnet, 256), TernaryType::kAuto, {});
  save("gpt2_f32", tiny(small_gpt2_config(Normalizer::kSoftmax), 4), TernaryType::kF32, tiny_tokenizer());
  save("gpt2_consmax_i2_s", tiny(small_gpt2_config(Normalizer::kConsmax), 128), TernaryType::kAuto, {});
}

void write_container(const std::string& path) {
  constexpr uint64_t kElements = 256;
  GgufWriter writer;
  writer.add_text("general.architecture", "nothing");
  writer.add_u32("general.alignment", 32);
  writer.add_f32("a.real", 0.5F);
  writer.add_texts("a.list", {"x", "yy", ""});
  const std::vector<float> floats(kElements, 0.5F);
  for (const GgufType type : {GgufType::kF32, GgufType::kF16, GgufType::kBf16, GgufType::kQ8_0}) {
    writer.add_tensor(type_name(static_cast<uint32_t>(type)), {kElements}, type, encode_floats(type, floats));
  }
  std::vector<int8_t> ternary(kElements);
  for (size_t i = 0; i < kElements; ++i) ternary[i] = static_cast<int8_t>(static_cast<int>(i % 3) - 1);
  for (const GgufType type : {GgufType::kTq1_0, GgufType::kTq2_0, GgufType::kQ2_0, GgufType::kI2_S}) {
    writer.add_tensor(type_name(static_cast<uint32_t>(type)), {kElements}, type,
                      encode_ternary(type, ternary, 0.5F));
  }
  writer.write(path);
}

}  // namespace
}  // namespace pimllm::fuzz

int main(int argc, char** argv) {
  using namespace pimllm;
  if (argc != 2) {
    std::fputs("usage: fuzz_seeds FOLDER\n", stderr);
    return 2;
  }
  try {
    fuzz::write_models(argv[1]);
    fuzz::write_container(std::string(argv[1]) + "/container.gguf");
  } catch (const Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
  return 0;
}

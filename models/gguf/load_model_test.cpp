// Whole models through save_model and load_model, and models that must be refused.
#include "models/gguf/load_model.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>

#include "golden/error.hpp"
#include "models/gguf/gguf_file.hpp"
#include "models/gguf/model_layout.hpp"
#include "models/random/random_model.hpp"
#include "models/tokenizer/tokenizer.hpp"

namespace pimllm {
namespace {

std::string model_path() {
  return (std::filesystem::temp_directory_path() / fmt::format("pimllm_model_{}.gguf", getpid())).string();
}

struct RemoveModel {
  ~RemoveModel() { std::filesystem::remove(model_path()); }
};

std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "expected an Error";
  return {};
}

void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text << "\nlacks: " << part;
}

ModelConfig wide(ModelConfig config, int d) {
  config.d_model = d;
  config.head_dim = d / config.heads;
  config.d_ff = 2 * d;
  config.layers = 1;
  return config;
}

void expect_same(const NormWeights& a, const NormWeights& b) {
  EXPECT_EQ(a.weight, b.weight);
  EXPECT_EQ(a.bias, b.bias);
}

void expect_same(const TernaryMatrix& a, const TernaryMatrix& b) {
  EXPECT_EQ(a.in_features, b.in_features);
  EXPECT_EQ(a.out_features, b.out_features);
  EXPECT_EQ(a.scale, b.scale);
  EXPECT_EQ(a.values, b.values);
  EXPECT_EQ(a.bias, b.bias);
}

void expect_halves(const std::vector<float>& found, const std::vector<float>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-3) << i;
}

void expect_same(const ModelWeights& a, const ModelWeights& b) {
  EXPECT_EQ(a.config.architecture, b.config.architecture);
  EXPECT_EQ(a.config.vocab_size, b.config.vocab_size);
  EXPECT_EQ(a.config.context_length, b.config.context_length);
  EXPECT_EQ(a.config.kv_heads, b.config.kv_heads);
  EXPECT_EQ(a.config.head_dim, b.config.head_dim);
  EXPECT_EQ(a.config.activation, b.config.activation);
  EXPECT_EQ(a.config.rope_theta, b.config.rope_theta);
  EXPECT_FLOAT_EQ(static_cast<float>(a.config.norm_eps), static_cast<float>(b.config.norm_eps));
  expect_halves(a.token_embedding, b.token_embedding);
  expect_halves(a.position_embedding, b.position_embedding);
  expect_same(a.output_norm, b.output_norm);
  ASSERT_EQ(a.layers.size(), b.layers.size());
  for (size_t i = 0; i < a.layers.size(); ++i) {
    const LayerWeights& x = a.layers[i];
    const LayerWeights& y = b.layers[i];
    expect_same(x.attn_norm, y.attn_norm);
    expect_same(x.attn_sub_norm, y.attn_sub_norm);
    expect_same(x.ffn_norm, y.ffn_norm);
    expect_same(x.ffn_sub_norm, y.ffn_sub_norm);
    expect_same(x.wq, y.wq);
    expect_same(x.wk, y.wk);
    expect_same(x.wv, y.wv);
    expect_same(x.wo, y.wo);
    if (a.config.gated) expect_same(x.w_gate, y.w_gate);
    expect_same(x.w_up, y.w_up);
    expect_same(x.w_down, y.w_down);
    EXPECT_EQ(x.consmax_ln_c, y.consmax_ln_c);
  }
}

std::vector<ModelConfig> families() {
  ModelConfig bitnet_consmax = small_bitnet_config();
  bitnet_consmax.architecture = "bitnet-consmax";
  bitnet_consmax.normalizer = Normalizer::kConsmax;
  ModelConfig silu = small_bitnet_config();
  silu.architecture = "bitnet";
  silu.activation = Activation::kSilu;
  ModelConfig opt = small_gpt2_config(Normalizer::kSoftmax);
  opt.activation = Activation::kRelu;
  ModelConfig odd_heads = small_bitnet_config();
  odd_heads.head_dim = 12;  // heads * head_dim is not d_model
  return {small_bitnet_config(),
          silu,
          bitnet_consmax,
          odd_heads,
          small_gpt2_config(Normalizer::kSoftmax),
          small_gpt2_config(Normalizer::kConsmax),
          opt};
}

TEST(LoadModel, EveryFamilyAndTypeComesBack) {
  const RemoveModel remove;
  for (const ModelConfig& family : families()) {
    for (const TernaryType type :
         {TernaryType::kAuto, TernaryType::kTq1_0, TernaryType::kTq2_0, TernaryType::kQ2_0,
          TernaryType::kI2_S, TernaryType::kF16, TernaryType::kF32}) {
      ModelConfig config = family;
      if (family.heads * family.head_dim == family.d_model)
        config = wide(family, 256);
      else if (type != TernaryType::kAuto && type != TernaryType::kF16 && type != TernaryType::kF32)
        continue;
      const ModelWeights model = make_random_model(config, 3);
      save_model(model_path(), model, byte_tokenizer(config.vocab_size), type);
      expect_same(load_model(model_path()), model);
      EXPECT_EQ(load_tokenizer_data(model_path()).tokens, byte_tokenizer(config.vocab_size).tokens);
    }
  }
}

TEST(LoadModel, AutoPicksATypeThatFitsTheRows) {
  const RemoveModel remove;
  for (const auto& [d, type] : std::vector<std::pair<int, GgufType>>{
           {256, GgufType::kTq2_0}, {128, GgufType::kI2_S}, {32, GgufType::kF32}}) {
    save_model(model_path(), make_random_model(wide(small_bitnet_config(), d), 1), {});
    EXPECT_EQ(GgufFile(model_path()).find_tensor("blk.0.attn_q.weight")->type, type) << d;
  }
  expect_contains(error_of([] {
                    save_model(model_path(), make_random_model(small_bitnet_config(), 1), {},
                               TernaryType::kTq2_0);
                  }),
                  "expected rows of a multiple of 256 elements for TQ2_0, found 32");
}

// The fuzzer starts from these: they must stay what the reader accepts.
TEST(LoadModel, FuzzSeedsLoad) {
  int models = 0;
  for (const auto& entry : std::filesystem::directory_iterator(PIMLLM_FUZZ_SEEDS)) {
    const GgufFile file(entry.path().string());
    EXPECT_FALSE(file.tensors().empty()) << entry.path();
    if (entry.path().filename() == "container.gguf") continue;
    EXPECT_EQ(load_model(file).config.layers, 1) << entry.path();
    ++models;
  }
  EXPECT_EQ(models, 6);
}

TEST(LoadModel, SavingRefusesWhatItCouldNotLoad) {
  const auto refused = [](const std::function<void(ModelWeights&)>& damage) {
    ModelWeights model = make_random_model(small_bitnet_config(), 1);
    damage(model);
    return error_of([&] { save_model(model_path(), model, {}); });
  };
  expect_contains(refused([](auto& m) { m.layers[1].wq.values[5] = 2; }),
                  "blk.1.attn_q: element 5: expected -1, 0 or 1");
  expect_contains(refused([](auto& m) { m.layers[0].wo.scale = std::nanf(""); }), "attn_output: scale");
  expect_contains(refused([](auto& m) { m.layers[0].wo.scale = 0.0F; }), "attn_output: scale");
  expect_contains(refused([](auto& m) { m.token_embedding[3] = INFINITY; }), "token_embd.weight: element 3");
  expect_contains(refused([](auto& m) { m.token_embedding.pop_back(); }),
                  "token_embd.weight: expected 2048 values");
  expect_contains(refused([](auto& m) { m.layers.pop_back(); }), "blocks: expected 2, found 1");
  expect_contains(refused([](auto& m) { m.layers[0].w_up.in_features = 31; }), "ffn_up: expected 32 x 48");
  expect_contains(refused([](auto& m) { m.config.head_dim = 7; }), "head dimension: expected an even number");
  expect_contains(refused([](auto& m) { m.config.kv_heads = 3; }), "head_count_kv: expected a divisor");
  expect_contains(refused([](auto& m) { m.config.architecture = "llama"; }), "general.architecture");
  expect_contains(refused([](auto& m) { m.config.architecture = "gpt2"; }),
                  "expected true for architecture gpt2");
  expect_contains(refused([](auto& m) { m.config.norm_eps = 0.0; }), "norm epsilon");
  expect_contains(error_of([] {
                    save_model(model_path(), make_random_model(small_bitnet_config(), 1), byte_tokenizer(3));
                  }),
                  "tokenizer.ggml.tokens: expected 64");
  ModelWeights consmax = make_random_model(small_gpt2_config(Normalizer::kConsmax), 1);
  consmax.layers[0].consmax_ln_c[0] = 100.0F;
  expect_contains(error_of([&] { save_model(model_path(), consmax, {}); }), "expected ln C of -60 to 60");
}

// A hand-written bitnet file of one block with d = 4, whose parts can be left out or replaced.
struct HandWritten {
  std::string architecture = "bitnet-b1.58";
  std::string left_out, replaced;
  std::vector<uint64_t> shape;
  std::vector<float> values;
  std::function<void(GgufWriter&)> extra;

  void write() const {
    GgufWriter writer;
    const auto text = [&](const std::string& key, const std::string& value) {
      if (key != left_out) writer.add_text(key, value);
    };
    const auto number = [&](const std::string& key, uint32_t value) {
      if (key != left_out) writer.add_u32(architecture + "." + key, value);
    };
    text("general.architecture", architecture);
    number("context_length", 8);
    number("embedding_length", 4);
    number("block_count", 1);
    number("feed_forward_length", 6);
    number("attention.head_count", 2);
    if (left_out != "epsilon") writer.add_f32(architecture + ".attention.layer_norm_rms_epsilon", 1e-5F);
    tensor(writer, "token_embd.weight", {4, 3});
    tensor(writer, "output_norm.weight", {4});
    for (const char* name : {"attn_norm", "attn_sub_norm", "ffn_norm"}) {
      tensor(writer, fmt::format("blk.0.{}.weight", name), {4});
    }
    tensor(writer, "blk.0.ffn_sub_norm.weight", {6});
    for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output"}) {
      tensor(writer, fmt::format("blk.0.{}.weight", name), {4, 4});
    }
    for (const char* name : {"ffn_gate", "ffn_up"})
      tensor(writer, fmt::format("blk.0.{}.weight", name), {4, 6});
    tensor(writer, "blk.0.ffn_down.weight", {6, 4});
    if (extra) extra(writer);
    writer.write(model_path());
  }

  void tensor(GgufWriter& writer, const std::string& name, std::vector<uint64_t> size) const {
    if (name == left_out) return;
    if (name == replaced && !shape.empty()) size = shape;
    uint64_t elements = 1;
    for (const uint64_t n : size) elements *= n;
    std::vector<float> data(elements, 0.5F);
    if (name == replaced && !values.empty()) data = values;
    writer.add_tensor(name, size, GgufType::kF32, encode_floats(GgufType::kF32, data));
  }

  std::string error() const {
    write();
    return error_of([] { load_model(model_path()); });
  }
};

TEST(LoadModel, HandWrittenFileLoads) {
  const RemoveModel remove;
  HandWritten().write();
  const ModelWeights model = load_model(model_path());
  EXPECT_EQ(model.config.head_dim, 2);
  EXPECT_EQ(model.config.kv_heads, 2);
  EXPECT_EQ(model.config.activation, Activation::kRelu2);
  EXPECT_EQ(model.config.rope_theta, 10000.0);
  EXPECT_EQ(model.layers[0].wq.scale, 0.5F);
  HandWritten silu;
  silu.architecture = "bitnet";
  silu.write();
  EXPECT_EQ(load_model(model_path()).config.activation, Activation::kSilu);
  silu.extra = [](GgufWriter& w) { w.add_text("bitnet.hidden_activation", "relu2"); };
  silu.write();
  EXPECT_EQ(load_model(model_path()).config.activation, Activation::kRelu2);
}

TEST(LoadModel, MissingPartsAreNamed) {
  const RemoveModel remove;
  for (const std::string name :
       {"general.architecture", "context_length", "embedding_length", "block_count", "feed_forward_length",
        "attention.head_count", "token_embd.weight", "output_norm.weight", "blk.0.attn_norm.weight",
        "blk.0.attn_sub_norm.weight", "blk.0.ffn_sub_norm.weight", "blk.0.attn_q.weight",
        "blk.0.ffn_gate.weight"}) {
    HandWritten file;
    file.left_out = name;
    const std::string message = file.error();
    expect_contains(message, name);
    expect_contains(message, "found no");
  }
}

TEST(LoadModel, WrongPartsAreNamed) {
  const RemoveModel remove;
  const auto with_shape = [](const std::string& name, const std::vector<uint64_t>& shape) {
    HandWritten file;
    file.replaced = name;
    file.shape = shape;
    return file.error();
  };
  expect_contains(with_shape("blk.0.attn_q.weight", {4, 5}),
                  "attn_q.weight: shape: expected [4, 4], found [4, 5]");
  expect_contains(with_shape("blk.0.ffn_norm.weight", {5}),
                  "ffn_norm.weight: shape: expected [4], found [5]");
  expect_contains(with_shape("token_embd.weight", {5, 3}), "token_embd.weight: shape: expected [4, 3]");
  expect_contains(with_shape("token_embd.weight", {12}), "token_embd.weight: shape");
  const auto with_values = [](const std::string& name, const std::vector<float>& values) {
    HandWritten file;
    file.replaced = name;
    file.values = values;
    return file.error();
  };
  std::vector<float> values(16, 0.5F);
  values[7] = 0.25F;
  expect_contains(with_values("blk.0.attn_k.weight", values),
                  "attn_k.weight: element 7: expected ternary weights");
  values[7] = std::nanf("");
  expect_contains(with_values("blk.0.attn_v.weight", values), "element 7: expected a finite value");
  expect_contains(with_values("output_norm.weight", {1, 2, INFINITY, 4}), "output_norm.weight: element 2");
}

TEST(LoadModel, ExtraPartsAreNamed) {
  const RemoveModel remove;
  const auto with = [](const std::function<void(GgufWriter&)>& extra) {
    HandWritten file;
    file.extra = extra;
    return file.error();
  };
  const auto add = [](GgufWriter& w, const std::string& name, const std::vector<float>& values) {
    w.add_tensor(name, {values.size()}, GgufType::kF32, encode_floats(GgufType::kF32, values));
  };
  expect_contains(with([&](auto& w) { add(w, "blk.0.attn_rot.weight", {1}); }),
                  "attn_rot.weight: expected only");
  expect_contains(with([&](auto& w) { add(w, "blk.0.attn_q.scale", {std::nanf("")}); }), "attn_q.scale");
  expect_contains(with([&](auto& w) { add(w, "blk.0.attn_q.scale", {0}); }),
                  "attn_q.scale: expected a value above 0");
  expect_contains(with([&](auto& w) { add(w, "blk.0.attn_q.scale", {1, 2}); }), "attn_q.scale: shape");
  expect_contains(with([&](auto& w) { w.add_u32("bitnet-b1.58.vocab_size", 9); }), "vocab_size: expected 3");
  expect_contains(with([&](auto& w) { w.add_u32("bitnet-b1.58.rope.dimension_count", 1); }),
                  "expected the head");
  expect_contains(with([&](auto& w) { w.add_u32("bitnet-b1.58.attention.key_length", 3); }), "even number");
  expect_contains(with([&](auto& w) { w.add_u32("bitnet-b1.58.attention.head_count_kv", 0); }),
                  "head_count_kv");
  expect_contains(with([&](auto& w) { w.add_text("bitnet-b1.58.rope.scaling.type", "yarn"); }),
                  "rope.scaling.type");
  expect_contains(with([&](auto& w) { w.add_text("bitnet.hidden_activation", "swish9"); }),
                  "hidden_activation");
  expect_contains(with([&](auto& w) { w.add_texts("tokenizer.ggml.tokens", {"a"}); }),
                  "tokenizer.ggml.tokens");
  expect_contains(with([&](auto& w) {
                    w.add_tensor("output.weight", {4, 3}, GgufType::kF32,
                                 encode_floats(GgufType::kF32, std::vector<float>(12, 0.25F)));
                  }),
                  "output.weight: expected the values of token_embd.weight");
}

TEST(LoadModel, FusedProjectionsMayShareAScale) {
  const RemoveModel remove;
  ModelWeights model = make_random_model(wide(small_gpt2_config(Normalizer::kSoftmax), 256), 5);
  save_model(model_path(), model, {}, TernaryType::kTq2_0);
  EXPECT_EQ(GgufFile(model_path()).find_tensor("blk.0.attn_qkv.scale")->elements, 3U);
  GgufWriter writer;
  const GgufFile file(model_path());
  for (const auto& [key, value] : file.keys()) {
    if (const auto* text = std::get_if<std::string>(&value.value)) writer.add_text(key, *text);
    if (const auto* n = std::get_if<uint64_t>(&value.value)) writer.add_u32(key, static_cast<uint32_t>(*n));
    if (const auto* x = std::get_if<double>(&value.value)) writer.add_f32(key, static_cast<float>(*x));
  }
  for (const GgufTensor& t : file.tensors()) {
    if (t.name == "blk.0.attn_qkv.scale") {
      writer.add_tensor(t.name, {1}, t.type, encode_floats(GgufType::kF32, std::vector<float>{0.125F}));
    } else {
      writer.add_tensor(t.name, t.shape, t.type, {t.data.begin(), t.data.end()});
    }
  }
  writer.write(model_path());
  for (TernaryMatrix* m : {&model.layers[0].wq, &model.layers[0].wk, &model.layers[0].wv}) m->scale = 0.125F;
  expect_same(load_model(model_path()), model);
}

TEST(LoadModel, OldQ2GroupsAreToldBySize) {
  const RemoveModel remove;
  const ModelWeights model = make_random_model(wide(small_bitnet_config(), 256), 5);
  save_model(model_path(), model, {}, TernaryType::kQ2_0);
  GgufWriter writer;
  {
    const GgufFile file(model_path());
    EXPECT_EQ(file.q2_group(), 64);
    for (const GgufTensor& t : file.tensors()) {
      std::vector<uint8_t> data(t.data.begin(), t.data.end());
      if (t.type == GgufType::kQ2_0) {
        const TernaryValues values = decode_ternary(t.type, t.data, t.elements, 64, "t");
        data = encode_ternary(t.type, values.values, 1.0F, 128);
      }
      writer.add_tensor(t.name, t.shape, t.type, data);
    }
    for (const auto& [key, value] : file.keys()) {
      if (const auto* text = std::get_if<std::string>(&value.value)) writer.add_text(key, *text);
      if (const auto* n = std::get_if<uint64_t>(&value.value)) writer.add_u32(key, static_cast<uint32_t>(*n));
      if (const auto* x = std::get_if<double>(&value.value)) writer.add_f32(key, static_cast<float>(*x));
    }
  }
  writer.write(model_path());
  EXPECT_EQ(GgufFile(model_path()).q2_group(), 128);
  expect_same(load_model(model_path()), model);
}

TEST(RandomModel, IsPlainAndRepeatable) {
  for (const ModelConfig& config : families()) {
    const ModelWeights a = make_random_model(config, 9);
    EXPECT_NO_THROW(check_model(a, "random"));
    EXPECT_EQ(a.layers[1].w_down.values, make_random_model(config, 9).layers[1].w_down.values);
    EXPECT_NE(a.layers[1].w_down.values, make_random_model(config, 10).layers[1].w_down.values);
  }
  ModelConfig bad = small_bitnet_config();
  bad.kv_heads = 3;
  expect_contains(error_of([&] { make_random_model(bad, 1); }), "kv_heads: expected a divisor");
}

}  // namespace
}  // namespace pimllm

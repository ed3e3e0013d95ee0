// The GGUF container and its tensor types: round trips, and every kind of damage refused with a sentence.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <random>

#include "golden/error.hpp"
#include "models/gguf/gguf_file.hpp"
#include "models/gguf/load_model.hpp"
#include "models/gguf/tensor_types.hpp"

namespace pimllm {
namespace {

using Bytes = std::vector<uint8_t>;

uint64_t seed() {
  const char* text = std::getenv("PIMLLM_SEED");
  const uint64_t value = text != nullptr ? std::strtoull(text, nullptr, 10) : 1;
  std::printf("seed %llu\n", static_cast<unsigned long long>(value));
  return value;
}

std::string temporary_path(const std::string& name) {
  return (std::filesystem::temp_directory_path() / fmt::format("pimllm_{}_{}", getpid(), name)).string();
}

class TemporaryFile {
 public:
  explicit TemporaryFile(const Bytes& bytes) : path_(temporary_path("test.gguf")) {
    std::ofstream out(path_, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The message of the Error that f throws; fails the test if it throws none.
std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "expected an Error";
  return {};
}

std::string open_error(const Bytes& bytes) {
  const TemporaryFile file(bytes);
  return error_of([&] { GgufFile opened(file.path()); });
}

void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text << "\nlacks: " << part;
}

template <typename T>
void patch(Bytes& bytes, size_t at, T value) {
  ASSERT_LE(at + sizeof value, bytes.size());
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

size_t find(const Bytes& bytes, const std::string& text) {
  const auto found = std::search(bytes.begin(), bytes.end(), text.begin(), text.end());
  EXPECT_NE(found, bytes.end()) << text;
  return static_cast<size_t>(found - bytes.begin());
}

GgufWriter small_writer() {
  GgufWriter writer;
  writer.add_text("general.architecture", "nothing");
  writer.add_u32("a.number", 7);
  writer.add_f32("a.real", 0.5F);
  writer.add_texts("a.list", {"x", "yy", ""});
  writer.add_tensor("first", {4, 2}, GgufType::kF32,
                    encode_floats(GgufType::kF32, std::vector<float>(8, 1.5F)));
  writer.add_tensor("second", {3}, GgufType::kF16,
                    encode_floats(GgufType::kF16, std::vector<float>{1, 2, 3}));
  return writer;
}

std::vector<int8_t> random_ternary(size_t n, std::mt19937_64& generator) {
  std::vector<int8_t> values(n);
  for (int8_t& v : values) v = static_cast<int8_t>(static_cast<int>(generator() % 3) - 1);
  return values;
}

TEST(Gguf, KeysAndTensorsComeBack) {
  const TemporaryFile file(small_writer().bytes());
  const GgufFile opened(file.path());
  EXPECT_EQ(opened.find_text("general.architecture"), "nothing");
  EXPECT_EQ(opened.find_unsigned("a.number"), 7U);
  EXPECT_EQ(opened.find_real("a.real"), 0.5);
  EXPECT_EQ(opened.find_texts("a.list"), (std::vector<std::string>{"x", "yy", ""}));
  EXPECT_EQ(opened.find_text("missing"), std::nullopt);
  ASSERT_EQ(opened.tensors().size(), 2U);
  EXPECT_EQ(opened.tensors()[0].shape, (std::vector<uint64_t>{4, 2}));
  const GgufTensor* second = opened.find_tensor("second");
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(decode_floats(second->type, second->data, 3, "t"), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(opened.find_tensor("third"), nullptr);
  expect_contains(error_of([&] { opened.find_text("a.number"); }), "a.number: expected a string");
  expect_contains(error_of([&] { opened.find_unsigned("a.real"); }), "a.real: expected an integer");
  expect_contains(error_of([&] { opened.find_real("a.number"); }), "a.number: expected a floating-point");
  expect_contains(error_of([&] { opened.find_texts("a.real"); }), "a.real: expected an array of strings");
}

TEST(Gguf, TruncationAtEveryByteIsRefused) {
  const Bytes bytes = small_writer().bytes();
  const size_t end_of_data = bytes.size() - 32 + 6;  // the last tensor has 6 bytes, then padding
  for (size_t size = 0; size < end_of_data; ++size) {
    const std::string message = open_error(Bytes(bytes.begin(), bytes.begin() + static_cast<int64_t>(size)));
    expect_contains(message, "expected");
    expect_contains(message, "found");
  }
  const TemporaryFile whole(Bytes(bytes.begin(), bytes.begin() + static_cast<int64_t>(end_of_data)));
  EXPECT_EQ(GgufFile(whole.path()).tensors().size(), 2U);
}

// Whatever one byte is changed to, the file opens or is refused with an Error; sanitizers see to the rest.
TEST(Gguf, AnyDamagedByteIsSurvived) {
  const Bytes bytes = small_writer().bytes();
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const int change : {0x01, 0x80, 0xFF}) {
      Bytes damaged = bytes;
      damaged[at] = static_cast<uint8_t>(damaged[at] ^ change);
      const TemporaryFile file(damaged);
      try {
        const GgufFile opened(file.path());
        for (const GgufTensor& tensor : opened.tensors()) {
          EXPECT_EQ(tensor.data.size(), tensor_bytes(tensor.type, tensor.elements, opened.q2_group()));
        }
      } catch (const Error& error) {
        expect_contains(error.what(), "expected");
      }
    }
  }
}

TEST(Gguf, HeaderDamageIsNamed) {
  const Bytes good = small_writer().bytes();
  const auto damaged = [&](size_t at, auto value) {
    Bytes bytes = good;
    patch(bytes, at, value);
    return open_error(bytes);
  };
  constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max();
  expect_contains(damaged(0, 'X'), "magic: expected GGUF, found 'XGUF'");
  expect_contains(damaged(4, uint32_t{2}), "version: expected 3, found 2");
  expect_contains(damaged(4, uint32_t{3} << 24), "big-endian");
  expect_contains(damaged(8, kHuge), "tensor count");
  expect_contains(damaged(16, kHuge), "key count");
  expect_contains(damaged(24, kHuge), "key at byte");
  expect_contains(damaged(24, uint64_t{0}), "expected a name of 1 to 65535 bytes, found 0");
  const size_t number = find(good, "a.number") + 8;
  expect_contains(damaged(number, uint32_t{13}), "a.number: expected a value type of 0 to 12, found 13");
  const size_t list = find(good, "a.list") + 6;
  expect_contains(damaged(list + 4, uint32_t{9}),
                  "a.list: expected an array of values, found an array of arrays");
  expect_contains(damaged(list + 8, kHuge), "a.list: expected an array length of at most");
  expect_contains(damaged(list + 16, kHuge), "array element");
  const size_t first = find(good, "first") + 5;  // u32 dims, u64 4, u64 2, u32 type, u64 offset
  expect_contains(damaged(first, uint32_t{0}), "first: expected 1 to 4 dimensions, found 0");
  expect_contains(damaged(first, uint32_t{5}), "first: expected 1 to 4 dimensions, found 5");
  expect_contains(damaged(first + 4, uint64_t{0}), "first: dimension 0");
  expect_contains(damaged(first + 12, uint64_t{1} << 62), "first: dimension 1");
  expect_contains(damaged(first + 12, uint64_t{1} << 30), "first: data: expected 17179869184 bytes");
  expect_contains(damaged(first + 24, uint64_t{8}), "first: offset: expected a multiple of 32, found 8");
  expect_contains(damaged(first + 24, kHuge - 31), "first: data");
  expect_contains(damaged(find(good, "second") + 6 + 4 + 8 + 4, uint64_t{0}),
                  "found another tensor at offset 0");
}

TEST(Gguf, DuplicatesAreRefused) {
  GgufWriter keys;
  keys.add_u32("twice", 1);
  keys.add_u32("twice", 2);
  expect_contains(open_error(keys.bytes()), "found twice a second time");
  GgufWriter tensors;
  for (int i = 0; i < 2; ++i) tensors.add_tensor("twice", {1}, GgufType::kF32, Bytes(4));
  expect_contains(open_error(tensors.bytes()), "found twice a second time");
}

TEST(Gguf, AlignmentIsChecked) {
  for (const uint32_t alignment : {0U, 1U, 4U, 24U, 1U << 30}) {
    GgufWriter writer;
    writer.add_u32("general.alignment", alignment);
    expect_contains(open_error(writer.bytes()), "general.alignment: expected a power of two");
  }
}

TEST(Gguf, ForeignTypesAreRefusedByName) {
  const Bytes good = small_writer().bytes();
  const size_t type = find(good, "first") + 5 + 20;
  for (const auto& [id, words] : std::vector<std::pair<uint32_t, std::string>>{
           {142, "PQ2_0 (142): its weights are rotated and need an activation transform"},
           {143, "PTQ1_0 (143): its weights are rotated and need an activation transform"},
           {38, "TL1 (38)"},
           {39, "TL2 or MXFP4 (39)"},
           {12, "Q4_K (12)"},
           {28, "F64 (28)"},
           {777, "unknown (777)"},
           {0xFFFFFFFF, "unknown"}}) {
    Bytes bytes = good;
    patch(bytes, type, id);
    expect_contains(open_error(bytes), words);
  }
}

TEST(Gguf, MissingFilesAndFoldersAreRefused) {
  expect_contains(error_of([] { GgufFile("/nowhere/at/all.gguf"); }), "No such file");
  expect_contains(error_of([] { GgufFile("/tmp"); }), "expected a regular file");
  expect_contains(open_error({}), "empty file");
}

TEST(Gguf, WritingIsAtomicAndSeesAFullDisk) {
  const std::string path = temporary_path("atomic");
  const std::string temporary = fmt::format("{}.tmp{}", path, getpid());
  small_writer().write(path);
  EXPECT_EQ(std::filesystem::file_size(path), small_writer().bytes().size());
  std::filesystem::remove(path);
  expect_contains(error_of([] { small_writer().write("/nowhere/at/all"); }), "/nowhere/at/all");
  // A folder cannot be replaced by a file: the temporary file must not stay behind.
  std::filesystem::create_directory(path);
  expect_contains(error_of([&] { small_writer().write(path); }), path);
  EXPECT_FALSE(std::filesystem::exists(temporary));
  std::filesystem::remove(path);
  if (access("/dev/full", W_OK) == 0) {
    std::filesystem::create_symlink("/dev/full", temporary);
    expect_contains(error_of([&] { small_writer().write(path); }), "No space left");
    EXPECT_FALSE(std::filesystem::exists(path));
    EXPECT_FALSE(std::filesystem::is_symlink(temporary));
  }
}

TEST(TensorTypes, EveryHalfComesBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = half_to_float(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(half_to_float(float_to_half(value))));
    } else {
      ASSERT_EQ(float_to_half(value), half) << bits;
    }
  }
  EXPECT_EQ(float_to_half(1.0F + 0x1p-11F), 0x3C00);  // a tie goes to even
  EXPECT_EQ(float_to_half(1.0F + 0x1p-11F + 0x1p-20F), 0x3C01);
  EXPECT_EQ(float_to_half(65519.0F), 0x7BFF);
  EXPECT_EQ(float_to_half(65520.0F), 0x7C00);
  EXPECT_EQ(float_to_half(0x1p-25F), 0);
}

TEST(TensorTypes, EveryTernaryTypeRoundTrips) {
  std::mt19937_64 generator(seed());
  for (const int group : {64, 128}) {
    for (const GgufType type : {GgufType::kTq1_0, GgufType::kTq2_0, GgufType::kQ2_0, GgufType::kI2_S,
                                GgufType::kF16, GgufType::kF32}) {
      const auto values = random_ternary(256 * 5, generator);
      const Bytes data = encode_ternary(type, values, 0.75F, group);
      ASSERT_EQ(data.size(), tensor_bytes(type, values.size(), group));
      const TernaryValues back = type == GgufType::kF16 || type == GgufType::kF32
                                     ? ternary_from_floats(decode_floats(type, data, values.size(), "t"), "t")
                                     : decode_ternary(type, data, values.size(), group, "t");
      EXPECT_EQ(back.values, values) << type_name(static_cast<uint32_t>(type));
      EXPECT_EQ(back.scale, 0.75F);
    }
  }
}

// Positions inside a block, from the format's description.
TEST(TensorTypes, LayoutsAreThePublishedOnes) {
  const auto one_at = [](size_t index) {
    std::vector<int8_t> values(256, -1);
    values[index] = 1;
    return values;
  };
  const Bytes tq2 = encode_ternary(GgufType::kTq2_0, one_at(128 + 32 * 2 + 5), 1.0F);
  EXPECT_EQ(tq2[32 + 5], 2U << 4);
  EXPECT_EQ(tq2[65], 0x3C);
  const Bytes q2 = encode_ternary(GgufType::kQ2_0, one_at(64 + 9), 1.0F);
  EXPECT_EQ(q2[18 + 2 + 2], 2U << 2);
  EXPECT_EQ(q2[18 + 1], 0x3C);
  const Bytes i2 = encode_ternary(GgufType::kI2_S, one_at(128 + 32 + 7), 1.0F);
  EXPECT_EQ(i2[32 + 7], 2U << 4);
  EXPECT_EQ(i2.size(), 64U + 32U);
  // v = 2 * 81 (n = 0) of 243: ceil(162 * 256 / 243) = 171; the four-trit byte: 2 * 81 too.
  const Bytes tq1 = encode_ternary(GgufType::kTq1_0, one_at(3), 1.0F);
  EXPECT_EQ(tq1[3], 171);
  EXPECT_EQ(encode_ternary(GgufType::kTq1_0, one_at(242), 1.0F)[50], 171);
}

TEST(TensorTypes, CodeThreeIsRefused) {
  const std::vector<int8_t> zeros(256, 0);
  for (const GgufType type : {GgufType::kTq2_0, GgufType::kQ2_0, GgufType::kI2_S}) {
    Bytes data = encode_ternary(type, zeros, 1.0F);
    data[8] = 0xFF;
    expect_contains(error_of([&] { decode_ternary(type, data, 256, 64, "here"); }),
                    "expected a ternary code of 0 to 2, found 3");
  }
}

// Base-3 bytes have no invalid code: any byte decodes to trits of 0 to 2.
TEST(TensorTypes, AnyTq1ByteDecodes) {
  for (int byte = 0; byte < 256; ++byte) {
    Bytes data(54, static_cast<uint8_t>(byte));
    data[52] = 0;
    data[53] = 0x3C;
    EXPECT_EQ(decode_ternary(GgufType::kTq1_0, data, 256, 64, "here").values.size(), 256U);
  }
}

TEST(TensorTypes, BadScalesAreRefused) {
  const std::vector<int8_t> ones(512, 1);
  for (const uint16_t bad : {0x7E00, 0x7C00, 0xBC00}) {
    for (const auto& [type, at] : std::vector<std::pair<GgufType, size_t>>{
             {GgufType::kTq1_0, 52}, {GgufType::kTq2_0, 64}, {GgufType::kQ2_0, 0}}) {
      Bytes data = encode_ternary(type, ones, 1.0F);
      patch(data, at, bad);
      expect_contains(error_of([&] { decode_ternary(type, data, 512, 64, "here"); }),
                      "expected a finite scale");
    }
  }
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -1.0F}) {
    Bytes data = encode_ternary(GgufType::kI2_S, ones, 1.0F);
    patch(data, 128, bad);
    expect_contains(error_of([&] { decode_ternary(GgufType::kI2_S, data, 512, 64, "here"); }),
                    "expected a finite");
  }
  Bytes two = encode_ternary(GgufType::kTq2_0, ones, 1.0F);
  patch(two, 66 + 64, uint16_t{0x4000});
  expect_contains(error_of([&] { decode_ternary(GgufType::kTq2_0, two, 512, 64, "here"); }),
                  "expected one scale");
}

TEST(TensorTypes, ZeroBlocksMayHaveAnyScale) {
  std::vector<int8_t> values(512, 0);
  values[300] = 1;
  Bytes data = encode_ternary(GgufType::kTq2_0, values, 0.5F);
  patch(data, 64, uint16_t{0});
  EXPECT_EQ(decode_ternary(GgufType::kTq2_0, data, 512, 64, "t").values, values);
  EXPECT_EQ(decode_ternary(GgufType::kTq2_0, data, 512, 64, "t").scale, 0.5F);
}

TEST(TensorTypes, FloatsThatAreNotTernaryAreRefused) {
  EXPECT_EQ(ternary_from_floats(std::vector<float>{0, -0.25F, 0.25F, -0.0F}, "t").values,
            (std::vector<int8_t>{0, -1, 1, 0}));
  expect_contains(error_of([] {
                    ternary_from_floats(std::vector<float>{0.25F, 0.5F}, "here");
                  }),
                  "here: element 1: expected ternary weights");
  const Bytes nan = encode_floats(GgufType::kF32, std::vector<float>{1, std::nanf("")});
  expect_contains(error_of([&] { decode_floats(GgufType::kF32, nan, 2, "here"); }),
                  "element 1: expected a finite");
}

TEST(TensorTypes, FloatTypesRoundTrip) {
  std::mt19937_64 generator(seed());
  std::vector<float> values(96);
  for (float& v : values) v = static_cast<float>(static_cast<int>(generator() % 255) - 127) / 64.0F;
  values[0] = values[32] = values[64] = 127.0F / 64.0F;  // so that a block's step is 1/64
  for (const GgufType type : {GgufType::kF32, GgufType::kF16, GgufType::kBf16, GgufType::kQ8_0}) {
    EXPECT_EQ(decode_floats(type, encode_floats(type, values), values.size(), "t"), values)
        << type_name(static_cast<uint32_t>(type));
  }
}

}  // namespace
}  // namespace pimllm

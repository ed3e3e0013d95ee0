// The GGUF v3 container: keys and tensors, without any knowledge of models. Source: docs/checkpoints.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "models/gguf/tensor_types.hpp"

namespace pimllm {

// Types of key values, as in the file.
enum class GgufKind : uint32_t {
  kU8 = 0,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64
};

// Arrays of strings are kept; other arrays are checked and only counted.
struct GgufArray {
  GgufKind kind = GgufKind::kU8;
  uint64_t count = 0;
  std::vector<std::string> strings;
};

struct GgufValue {
  GgufKind kind = GgufKind::kU8;
  std::variant<uint64_t, int64_t, double, bool, std::string, GgufArray> value;
};

struct GgufTensor {
  std::string name;
  std::vector<uint64_t> shape;  // ne[0] = in_features first; 1 to 4 dimensions, each at least 1
  GgufType type = GgufType::kF32;
  uint64_t elements = 0;
  std::span<const uint8_t> data;
};

// An open file. Everything is checked on opening: afterwards every tensor's data is inside the file, aligned,
// of its type's size and overlaps no other. Contents (codes, scales, values) are checked by whoever decodes
// them.
class GgufFile {
 public:
  // Throws Error.
  explicit GgufFile(const std::string& path);
  // A file's bytes, which must outlive it; `name` stands for the path.
  GgufFile(std::string name, std::span<const uint8_t> bytes);

  const std::string& path() const { return path_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  const std::vector<std::pair<std::string, GgufValue>>& keys() const { return keys_; }
  int q2_group() const { return q2_group_; }  // 64 or 128, for all Q2_0 tensors of the file

  const GgufTensor* find_tensor(const std::string& name) const;  // null if there is none
  const GgufValue* find_key(const std::string& key) const;       // null if there is none

  // Values of a key in the wanted form; nullopt if the key is missing. Throw Error for a value of another
  // kind.
  std::optional<uint64_t> find_unsigned(const std::string& key) const;
  std::optional<double> find_real(const std::string& key) const;
  std::optional<std::string> find_text(const std::string& key) const;
  std::optional<std::vector<std::string>> find_texts(const std::string& key) const;

 private:
  class Parser;
  std::string path_;
  std::shared_ptr<const void> mapping_;
  std::vector<std::pair<std::string, GgufValue>> keys_;
  std::vector<GgufTensor> tensors_;
  int q2_group_ = 64;
};

// Builds a file in memory and writes it under a temporary name, which is then renamed.
class GgufWriter {
 public:
  void add_text(const std::string& key, const std::string& value);
  void add_u32(const std::string& key, uint32_t value);
  void add_f32(const std::string& key, float value);
  void add_texts(const std::string& key, const std::vector<std::string>& values);
  void add_tensor(const std::string& name, const std::vector<uint64_t>& shape, GgufType type,
                  std::vector<uint8_t> data);

  std::vector<uint8_t> bytes() const;

  // Throws Error if the disk is full or the name cannot be written; the old file, if any, is then untouched.
  void write(const std::string& path) const;

 private:
  struct Tensor {
    std::string name;
    std::vector<uint64_t> shape;
    GgufType type;
    std::vector<uint8_t> data;
  };
  void put_key(const std::string& key, GgufKind kind);

  uint64_t key_count_ = 0;
  std::vector<uint8_t> keys_;
  std::vector<Tensor> tensors_;
};

}  // namespace pimllm

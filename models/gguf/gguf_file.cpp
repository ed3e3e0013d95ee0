#include "models/gguf/gguf_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>
#include <set>

#include "golden/error.hpp"
#include "models/io/atomic_file.hpp"

namespace pimllm {
namespace {

constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr uint32_t kVersion = 3;
constexpr uint32_t kVersionSwapped = 3U << 24;
constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMaxAlignment = 1U << 16;
constexpr uint64_t kMaxKeyLength = 65535;
constexpr uint64_t kMaxTensorName = 64;
constexpr uint32_t kMaxDimensions = 4;
constexpr uint64_t kMaxElements = uint64_t{1} << 40;
constexpr uint64_t kMinKeyBytes = 8 + 4 + 1;
constexpr uint64_t kMinTensorInfoBytes = 8 + 4 + 8 + 4 + 8;

static_assert(std::endian::native == std::endian::little, "GGUF files are little-endian");

uint64_t align_up(uint64_t n, uint64_t alignment) { return (n + alignment - 1) / alignment * alignment; }

// Bytes of a scalar in the file; 0 for strings and arrays.
uint64_t kind_bytes(GgufKind kind) {
  switch (kind) {
    case GgufKind::kU8:
    case GgufKind::kI8:
    case GgufKind::kBool:
      return 1;
    case GgufKind::kU16:
    case GgufKind::kI16:
      return 2;
    case GgufKind::kU32:
    case GgufKind::kI32:
    case GgufKind::kF32:
      return 4;
    case GgufKind::kU64:
    case GgufKind::kI64:
    case GgufKind::kF64:
      return 8;
    default:
      return 0;
  }
}

struct Descriptor {
  explicit Descriptor(int number) : fd(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
  int fd;
};

}  // namespace

class GgufFile::Parser {
 public:
  Parser(GgufFile& file, std::span<const uint8_t> bytes) : file_(file), bytes_(bytes) {}

  void parse() {
    const uint64_t tensor_count = parse_header();
    for (uint64_t i = 0; i < key_count_; ++i) parse_key(i);
    uint64_t alignment = kDefaultAlignment;
    if (const auto wanted = file_.find_unsigned("general.alignment")) {
      alignment = *wanted;
      if (alignment < 8 || alignment > kMaxAlignment || !std::has_single_bit(alignment)) {
        fail("{}: general.alignment: expected a power of two of 8 to {}, found {}", path(), kMaxAlignment,
             alignment);
      }
    }
    std::vector<uint64_t> offsets;
    for (uint64_t i = 0; i < tensor_count; ++i) parse_tensor_info(i, alignment, offsets);
    place_tensors(alignment, offsets);
  }

 private:
  const std::string& path() const { return file_.path_; }

  template <typename T>
  T take(const char* field) {
    if (bytes_.size() - at_ < sizeof(T)) {
      fail("{}: {} at byte {}: expected {} bytes, found {} before the end of the file", path(), field, at_,
           sizeof(T), bytes_.size() - at_);
    }
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }

  std::string take_string(const char* field) {
    const auto length = take<uint64_t>(field);
    if (length > bytes_.size() - at_) {
      fail("{}: {} at byte {}: expected a length of at most the {} bytes left, found {}", path(), field, at_,
           bytes_.size() - at_, length);
    }
    std::string text(reinterpret_cast<const char*>(bytes_.data() + at_), length);
    at_ += length;
    return text;
  }

  uint64_t parse_header() {
    if (bytes_.size() < 4 || std::memcmp(bytes_.data(), "GGUF", 4) != 0) {
      fail("{}: magic: expected GGUF, found '{}'", path(),
           printable({reinterpret_cast<const char*>(bytes_.data()), std::min<size_t>(4, bytes_.size())}));
    }
    at_ = 4;
    const auto version = take<uint32_t>("version");
    if (version == kVersionSwapped) {
      fail("{}: version: expected {}, found a big-endian file, which is not supported", path(), kVersion);
    }
    if (version != kVersion) fail("{}: version: expected {}, found {}", path(), kVersion, version);
    const auto tensor_count = take<uint64_t>("tensor count");
    key_count_ = take<uint64_t>("key count");
    const uint64_t left = bytes_.size() - at_;
    if (tensor_count > left / kMinTensorInfoBytes) {
      fail("{}: tensor count: expected at most {} for a file of {} bytes, found {}", path(),
           left / kMinTensorInfoBytes, bytes_.size(), tensor_count);
    }
    if (key_count_ > left / kMinKeyBytes) {
      fail("{}: key count: expected at most {} for a file of {} bytes, found {}", path(), left / kMinKeyBytes,
           bytes_.size(), key_count_);
    }
    return tensor_count;
  }

  void parse_key(uint64_t index) {
    std::string key = take_string("key");
    if (key.empty() || key.size() > kMaxKeyLength) {
      fail("{}: key {}: expected a name of 1 to {} bytes, found {}", path(), index, kMaxKeyLength,
           key.size());
    }
    if (!key_names_.insert(key).second) {
      fail("{}: key {}: expected a new name, found {} a second time", path(), index, printable(key));
    }
    const GgufKind kind = take_kind(key);
    GgufValue value{kind, uint64_t{0}};
    switch (kind) {
      case GgufKind::kString:
        value.value = take_string("string value");
        break;
      case GgufKind::kArray:
        value.value = take_array(key);
        break;
      default:
        value.value = take_scalar(key, kind);
        break;
    }
    file_.keys_.emplace_back(std::move(key), std::move(value));
  }

  GgufKind take_kind(const std::string& key) {
    const auto kind = take<uint32_t>("value type");
    if (kind > static_cast<uint32_t>(GgufKind::kF64)) {
      fail("{}: key {}: expected a value type of 0 to 12, found {}", path(), printable(key), kind);
    }
    return static_cast<GgufKind>(kind);
  }

  std::variant<uint64_t, int64_t, double, bool, std::string, GgufArray> take_scalar(const std::string& key,
                                                                                    GgufKind kind) {
    switch (kind) {
      case GgufKind::kU8:
        return uint64_t{take<uint8_t>("value")};
      case GgufKind::kU16:
        return uint64_t{take<uint16_t>("value")};
      case GgufKind::kU32:
        return uint64_t{take<uint32_t>("value")};
      case GgufKind::kU64:
        return take<uint64_t>("value");
      case GgufKind::kI8:
        return int64_t{take<int8_t>("value")};
      case GgufKind::kI16:
        return int64_t{take<int16_t>("value")};
      case GgufKind::kI32:
        return int64_t{take<int32_t>("value")};
      case GgufKind::kI64:
        return take<int64_t>("value");
      case GgufKind::kF32:
        return double{take<float>("value")};
      case GgufKind::kF64:
        return take<double>("value");
      default:
        break;
    }
    const auto value = take<uint8_t>("value");
    if (value > 1) fail("{}: key {}: expected a bool of 0 or 1, found {}", path(), printable(key), value);
    return value == 1;
  }

  GgufArray take_array(const std::string& key) {
    GgufArray array;
    array.kind = take_kind(key);
    array.count = take<uint64_t>("array length");
    if (array.kind == GgufKind::kArray) {
      fail("{}: key {}: expected an array of values, found an array of arrays, which is not supported",
           path(), printable(key));
    }
    const uint64_t left = bytes_.size() - at_;
    const uint64_t size = array.kind == GgufKind::kString ? sizeof(uint64_t) : kind_bytes(array.kind);
    if (array.count > left / size) {
      fail("{}: key {}: expected an array length of at most {} for the {} bytes left, found {}", path(),
           printable(key), left / size, left, array.count);
    }
    if (array.kind == GgufKind::kString) {
      for (uint64_t i = 0; i < array.count; ++i) array.strings.push_back(take_string("array element"));
    } else if (array.kind == GgufKind::kBool) {
      for (uint64_t i = 0; i < array.count; ++i) take_scalar(key, array.kind);
    } else {
      at_ += array.count * size;
    }
    return array;
  }

  void parse_tensor_info(uint64_t index, uint64_t alignment, std::vector<uint64_t>& offsets) {
    GgufTensor tensor;
    tensor.name = take_string("tensor name");
    if (tensor.name.empty() || tensor.name.size() > kMaxTensorName) {
      fail("{}: tensor {}: expected a name of 1 to {} bytes, found {}", path(), index, kMaxTensorName,
           tensor.name.size());
    }
    const std::string shown = printable(tensor.name);
    if (!tensor_names_.insert(tensor.name).second) {
      fail("{}: tensor {}: expected a new name, found {} a second time", path(), index, shown);
    }
    const auto dimensions = take<uint32_t>("tensor dimensions");
    if (dimensions < 1 || dimensions > kMaxDimensions) {
      fail("{}: tensor {}: expected 1 to {} dimensions, found {}", path(), shown, kMaxDimensions, dimensions);
    }
    tensor.elements = 1;
    for (uint32_t d = 0; d < dimensions; ++d) {
      const auto n = take<uint64_t>("tensor shape");
      if (n < 1 || n > kMaxElements / tensor.elements) {
        fail("{}: tensor {}: dimension {}: expected 1 or more and at most {} elements in all, found {}",
             path(), shown, d, kMaxElements, n);
      }
      tensor.elements *= n;
      tensor.shape.push_back(n);
    }
    const auto type = take<uint32_t>("tensor type");
    if (const std::string reason = refusal(type); !reason.empty()) {
      fail(
          "{}: tensor {}: type: expected F32, F16, BF16, Q8_0, TQ1_0, TQ2_0, Q2_0 or I2_S, found {} ({}): {}",
          path(), shown, type_name(type), type, reason);
    }
    tensor.type = static_cast<GgufType>(type);
    const auto offset = take<uint64_t>("tensor offset");
    if (offset % alignment != 0) {
      fail("{}: tensor {}: offset: expected a multiple of {}, found {}", path(), shown, alignment, offset);
    }
    offsets.push_back(offset);
    file_.tensors_.push_back(std::move(tensor));
  }

  void place_tensors(uint64_t alignment, const std::vector<uint64_t>& offsets) {
    if (offsets.empty()) return;
    const uint64_t start = align_up(at_, alignment);
    if (start > bytes_.size()) {
      fail("{}: padding: expected data to start at byte {}, found a file of {} bytes", path(), start,
           bytes_.size());
    }
    const uint64_t data_size = bytes_.size() - start;
    std::vector<size_t> order(offsets.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return offsets[a] < offsets[b]; });
    // Where the next tensor, or the file, begins: the room each tensor has.
    std::vector<uint64_t> limits(offsets.size(), data_size);
    for (size_t i = 0; i + 1 < order.size(); ++i)
      limits[order[i]] = std::min(offsets[order[i + 1]], data_size);
    file_.q2_group_ = find_q2_group(alignment, offsets, limits);
    for (size_t i = 0; i < offsets.size(); ++i) {
      GgufTensor& tensor = file_.tensors_[i];
      const std::string shown = printable(tensor.name);
      const uint64_t block = block_elements(tensor.type, file_.q2_group_);
      if (tensor.shape[0] % block != 0) {
        fail("{}: tensor {}: shape: expected rows of a multiple of {} elements for {}, found {}", path(),
             shown, block, type_name(static_cast<uint32_t>(tensor.type)), tensor.shape[0]);
      }
      const uint64_t size = tensor_bytes(tensor.type, tensor.elements, file_.q2_group_);
      if (offsets[i] > data_size || size > data_size - offsets[i]) {
        fail("{}: tensor {}: data: expected {} bytes at offset {}, found {} bytes of data in the file",
             path(), shown, size, offsets[i], data_size);
      }
      if (size > limits[i] - offsets[i]) {
        fail("{}: tensor {}: data: expected {} bytes at offset {}, found another tensor at offset {}", path(),
             shown, size, offsets[i], limits[i]);
      }
      tensor.data = bytes_.subspan(start + offsets[i], size);
    }
  }

  // Q2_0 groups have 64 elements, in older files 128, with the same type id: the room between tensors tells.
  int find_q2_group(uint64_t alignment, const std::vector<uint64_t>& offsets,
                    const std::vector<uint64_t>& limits) {
    for (const int group : {64, 128}) {
      bool fits = true;
      for (size_t i = 0; i < offsets.size(); ++i) {
        const GgufTensor& tensor = file_.tensors_[i];
        if (tensor.type != GgufType::kQ2_0) continue;
        const uint64_t size = tensor_bytes(tensor.type, tensor.elements, group);
        const uint64_t room = offsets[i] <= limits[i] ? limits[i] - offsets[i] : 0;
        fits = fits && tensor.shape[0] % static_cast<uint64_t>(group) == 0 &&
               (room == size || room == align_up(size, alignment));
      }
      if (fits) return group;
    }
    return 64;  // the usual checks then say what is wrong
  }

  GgufFile& file_;
  std::span<const uint8_t> bytes_;
  uint64_t at_ = 0;
  uint64_t key_count_ = 0;
  std::set<std::string> key_names_;
  std::set<std::string> tensor_names_;
};

GgufFile::GgufFile(const std::string& path) : path_(path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.fd < 0) fail("{}: file: expected a readable file, found: {}", path, std::strerror(errno));
  struct stat info {};
  if (fstat(file.fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    fail("{}: file: expected a regular file, found something else", path);
  }
  const auto size = static_cast<size_t>(info.st_size);
  if (size == 0) fail("{}: magic: expected GGUF, found an empty file", path);
  void* memory = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (memory == MAP_FAILED)
    fail("{}: file: expected {} bytes to map, found: {}", path, size, std::strerror(errno));
  mapping_ = std::shared_ptr<const void>(memory, [memory, size](const void*) { munmap(memory, size); });
  Parser(*this, {static_cast<const uint8_t*>(memory), size}).parse();
}

GgufFile::GgufFile(std::string name, std::span<const uint8_t> bytes) : path_(std::move(name)) {
  Parser(*this, bytes).parse();
}

const GgufTensor* GgufFile::find_tensor(const std::string& name) const {
  const auto found =
      std::find_if(tensors_.begin(), tensors_.end(), [&](const auto& t) { return t.name == name; });
  return found == tensors_.end() ? nullptr : &*found;
}

const GgufValue* GgufFile::find_key(const std::string& key) const {
  const auto found = std::find_if(keys_.begin(), keys_.end(), [&](const auto& k) { return k.first == key; });
  return found == keys_.end() ? nullptr : &found->second;
}

std::optional<uint64_t> GgufFile::find_unsigned(const std::string& key) const {
  const GgufValue* value = find_key(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* number = std::get_if<uint64_t>(&value->value)) return *number;
  if (const auto* number = std::get_if<int64_t>(&value->value); number != nullptr && *number >= 0) {
    return static_cast<uint64_t>(*number);
  }
  fail("{}: key {}: expected an integer of at least 0, found value type {}", path_, key,
       static_cast<uint32_t>(value->kind));
}

std::optional<double> GgufFile::find_real(const std::string& key) const {
  const GgufValue* value = find_key(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* number = std::get_if<double>(&value->value)) return *number;
  fail("{}: key {}: expected a floating-point number, found value type {}", path_, key,
       static_cast<uint32_t>(value->kind));
}

std::optional<std::string> GgufFile::find_text(const std::string& key) const {
  const GgufValue* value = find_key(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* text = std::get_if<std::string>(&value->value)) return *text;
  fail("{}: key {}: expected a string, found value type {}", path_, key, static_cast<uint32_t>(value->kind));
}

std::optional<std::vector<std::string>> GgufFile::find_texts(const std::string& key) const {
  const GgufValue* value = find_key(key);
  if (value == nullptr) return std::nullopt;
  const auto* array = std::get_if<GgufArray>(&value->value);
  if (array != nullptr && (array->kind == GgufKind::kString || array->count == 0)) return array->strings;
  fail("{}: key {}: expected an array of strings, found value type {}", path_, key,
       static_cast<uint32_t>(value->kind));
}

namespace {

template <typename T>
void put(std::vector<uint8_t>& out, T value) {
  const size_t at = out.size();
  out.resize(at + sizeof value);
  std::memcpy(out.data() + at, &value, sizeof value);
}

void put_string(std::vector<uint8_t>& out, const std::string& text) {
  put(out, static_cast<uint64_t>(text.size()));
  out.insert(out.end(), text.begin(), text.end());
}

}  // namespace

void GgufWriter::put_key(const std::string& key, GgufKind kind) {
  put_string(keys_, key);
  put(keys_, static_cast<uint32_t>(kind));
  ++key_count_;
}

void GgufWriter::add_text(const std::string& key, const std::string& value) {
  put_key(key, GgufKind::kString);
  put_string(keys_, value);
}

void GgufWriter::add_u32(const std::string& key, uint32_t value) {
  put_key(key, GgufKind::kU32);
  put(keys_, value);
}

void GgufWriter::add_f32(const std::string& key, float value) {
  put_key(key, GgufKind::kF32);
  put(keys_, value);
}

void GgufWriter::add_texts(const std::string& key, const std::vector<std::string>& values) {
  put_key(key, GgufKind::kArray);
  put(keys_, static_cast<uint32_t>(GgufKind::kString));
  put(keys_, static_cast<uint64_t>(values.size()));
  for (const std::string& value : values) put_string(keys_, value);
}

void GgufWriter::add_tensor(const std::string& name, const std::vector<uint64_t>& shape, GgufType type,
                            std::vector<uint8_t> data) {
  tensors_.push_back({name, shape, type, std::move(data)});
}

std::vector<uint8_t> GgufWriter::bytes() const {
  std::vector<uint8_t> out;
  put(out, kMagic);
  put(out, kVersion);
  put(out, static_cast<uint64_t>(tensors_.size()));
  put(out, key_count_);
  out.insert(out.end(), keys_.begin(), keys_.end());
  uint64_t offset = 0;
  for (const Tensor& tensor : tensors_) {
    put_string(out, tensor.name);
    put(out, static_cast<uint32_t>(tensor.shape.size()));
    for (const uint64_t n : tensor.shape) put(out, n);
    put(out, static_cast<uint32_t>(tensor.type));
    put(out, offset);
    offset += align_up(tensor.data.size(), kDefaultAlignment);
  }
  out.resize(align_up(out.size(), kDefaultAlignment));
  for (const Tensor& tensor : tensors_) {
    out.insert(out.end(), tensor.data.begin(), tensor.data.end());
    out.resize(align_up(out.size(), kDefaultAlignment));
  }
  return out;
}

void GgufWriter::write(const std::string& path) const { write_file_atomically(path, bytes()); }

}  // namespace pimllm

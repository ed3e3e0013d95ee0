#include "sim/reference/taps.hpp"

#include <algorithm>
#include <cstring>

#include "golden/error.hpp"

namespace pimllm {
namespace {

size_t element_bytes(ElementType type) {
  switch (type) {
    case ElementType::kInt8:
      return 1;
    case ElementType::kUint16:
    case ElementType::kUint24:  // a half word of 16 bits, another of 8
      return 2;
    default:
      return 4;
  }
}

// Element of half words of `cols` elements (kUint24), else of a plain array.
int32_t element(const std::vector<uint8_t>& bytes, size_t index, ElementType type, size_t cols) {
  if (type == ElementType::kUint24) {
    const size_t high = 2 * (index / cols * 2 * cols + index % cols);
    return (bytes[high] | bytes[high + 1] << 8) << 8 | bytes[high + 2 * cols];
  }
  const uint8_t* p = bytes.data() + index * element_bytes(type);
  switch (type) {
    case ElementType::kInt8:
      return static_cast<int8_t>(*p);
    case ElementType::kUint16:
      return p[0] | p[1] << 8;
    default: {
      int32_t value = 0;
      std::memcpy(&value, p, 4);
      return value;
    }
  }
}

std::vector<uint8_t> bytes_of(Reference& state, Space space, uint64_t address, size_t size) {
  if (space == Space::kMemory) {
    const auto part = state.memory(address, size);
    return {part.begin(), part.end()};
  }
  const auto part = state.bytes(space).subspan(address, size);
  return {part.begin(), part.end()};
}

}  // namespace

TensorComparer::TensorComparer(const CompiledModel& compiled, const ModelWeights& weights)
    : compiled_(compiled), golden_(weights, compiled.golden), layer_(compiled.taps.size()) {
  for (size_t i = 0; i < compiled.taps.size(); ++i) taps_.emplace(compiled.taps[i].pc, i);
  golden_.set_observer([this](const ObservedTensor& t) {
    Tensor& tensor = tensors_[{std::string(t.name), t.layer}];
    if (!t.q8.empty()) tensor.values.assign(t.q8.begin(), t.q8.end());
    if (!t.u16.empty()) tensor.values.assign(t.u16.begin(), t.u16.end());
    if (!t.u24.empty()) tensor.values.assign(t.u24.begin(), t.u24.end());
    if (!t.i32.empty()) tensor.values.assign(t.i32.begin(), t.i32.end());
    tensor.scales.assign(t.scales.begin(), t.scales.end());
  });
}

void TensorComparer::begin_token(int32_t token, int position) {
  if (position == 0) golden_.reset();
  if (golden_.position() != position) {
    fail("tensor comparison: expected position {}, found {}", golden_.position(), position);
  }
  tensors_.clear();
  std::fill(layer_.begin(), layer_.end(), 0);
  position_ = position;
  logits_ = golden_.step(token);
}

void TensorComparer::after(size_t index, Reference& state) {
  const auto [begin, end] = taps_.equal_range(index);
  for (auto it = begin; it != end; ++it) {
    const TensorTap& tap = compiled_.taps[it->second];
    compare(tap, tap.per_layer ? layer_[it->second]++ : -1, state);
    ++count_;
  }
}

void TensorComparer::compare(const TensorTap& tap, int layer, Reference& state) const {
  const auto found = tensors_.find({tap.name, layer});
  if (found == tensors_.end()) fail("tensor {} layer {}: not observed in the golden model", tap.name, layer);
  const Tensor& expected = found->second;
  const HardwareParameters& h = compiled_.hardware;
  const auto layers = static_cast<uint64_t>(std::max(layer, 0));
  const uint64_t base = tap.address + layers * tap.layer_stride;
  const size_t size = element_bytes(tap.type);
  const auto pos = static_cast<size_t>(position_);
  const auto cols = static_cast<size_t>(h.array_cols);
  const auto banks = static_cast<size_t>(h.group_banks());
  const auto group = pos / cols % static_cast<size_t>(h.groups());
  const auto token = pos % cols;
  const auto padded = static_cast<size_t>(compiled_.layout.head_dim);

  size_t first = 0;
  size_t n = expected.values.size();
  std::vector<uint8_t> flat;
  switch (tap.kind) {
    case TensorTap::Kind::kNumerators:
      n = pos + 1;
      first = static_cast<size_t>(tap.head) * n;
      flat = bytes_of(state, tap.space, base,
                      tap.type == ElementType::kUint24 ? (n + cols - 1) / cols * 4 * cols : n * size);
      break;
    case TensorTap::Kind::kPlain: {
      size_t last = n;
      for (const uint32_t o : tap.order) last = std::max<size_t>(last, o + 1);
      flat = bytes_of(state, tap.space, base, last * size);
      break;
    }
    default: {
      // All kv heads' vectors of this token, gathered from the open tiles.
      const bool is_v = tap.kind == TensorTap::Kind::kOpenV;
      const auto rows = static_cast<size_t>(compiled_.layout.tile_rows);
      for (size_t kv = 0; kv < static_cast<size_t>(compiled_.config.kv_heads); ++kv) {
        const size_t groups = static_cast<size_t>(h.groups());
        const size_t home = (group + (compiled_.layout.kv_pairs && kv % 2 == 1 ? groups / 2 : 0)) % groups;
        for (size_t lane = 0; lane < padded; ++lane) {
          const size_t word = is_v ? token * (padded / cols) + lane / cols : lane;
          const size_t bank = home * banks + word % banks;
          const size_t row = base + 2 * kv * rows + word / banks;
          const size_t byte = is_v ? lane % cols : token;
          flat.push_back(
              state.bytes(Space::kKv)[(bank * static_cast<size_t>(h.kv_rows) + row) * cols + byte]);
        }
      }
    }
  }
  for (size_t i = 0; i < n; ++i) {
    const size_t place = tap.kind == TensorTap::Kind::kNumerators || tap.order.empty() ? i : tap.order[i];
    const int32_t found_value = element(flat, place, tap.type, cols);
    const int32_t expected_value = expected.values[first + i];
    if (found_value != expected_value) {
      fail("tensor {} layer {} element {}, position {}: expected {}, found {}", tap.name, layer, first + i,
           position_, expected_value, found_value);
    }
  }
  if (!tap.has_scale) return;
  const bool kv = tap.kind == TensorTap::Kind::kOpenK || tap.kind == TensorTap::Kind::kOpenV;
  for (size_t i = 0; i < (tap.head >= 0 ? 1 : expected.scales.size()); ++i) {
    const uint64_t word = tap.scale_address + layers * tap.scale_layer_stride + i * tap.scale_stride;
    const auto bytes =
        kv ? bytes_of(state, Space::kKvs, word * static_cast<uint64_t>(h.scr_bytes()) + 4 * token, 4)
           : bytes_of(state, Space::kScl, word * 4, 4);
    const auto found_scale = static_cast<uint32_t>(element(bytes, 0, ElementType::kInt32, cols));
    const uint32_t expected_scale =
        sf_pack(expected.scales[tap.head >= 0 ? static_cast<size_t>(tap.head) : i]);
    if (found_scale != expected_scale) {
      fail("tensor {} layer {} scale {}, position {}: expected {:#010x}, found {:#010x}", tap.name, layer, i,
           position_, expected_scale, found_scale);
    }
  }
}

}  // namespace pimllm

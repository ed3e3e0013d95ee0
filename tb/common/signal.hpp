// Uniform access to Verilator ports: every port, narrow or wide, is a little-endian run of bytes.
#pragma once

#include <verilated.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

namespace pimllm::tb {

class Signal {
 public:
  template <typename T>
  requires(!std::is_same_v<std::remove_const_t<T>, Signal>) explicit Signal(T& port)
      : bytes_(reinterpret_cast<uint8_t*>(&port), sizeof(T)) {
    static_assert(std::is_trivially_copyable_v<T>);
  }

  // The low 64 bits of the port.
  uint64_t get() const {
    uint64_t value = 0;
    std::memcpy(&value, bytes_.data(), std::min<size_t>(bytes_.size(), 8));
    return value;
  }

  void set(uint64_t value) {
    std::fill(bytes_.begin(), bytes_.end(), uint8_t{0});
    std::memcpy(bytes_.data(), &value, std::min<size_t>(bytes_.size(), 8));
  }

  std::span<uint8_t> bytes() const { return bytes_; }

  void set_bytes(std::span<const uint8_t> source) {
    std::fill(bytes_.begin(), bytes_.end(), uint8_t{0});
    std::copy_n(source.begin(), std::min(source.size(), bytes_.size()), bytes_.begin());
  }

 private:
  std::span<uint8_t> bytes_;
};

// Bits [lsb, lsb + width) of a port, width up to 64.
inline uint64_t bits_of(const Signal& port, size_t lsb, size_t width) {
  uint64_t value = 0;
  const auto bytes = port.bytes();
  for (size_t i = 0; i < width; ++i) {
    value |= static_cast<uint64_t>(bytes[(lsb + i) / 8] >> ((lsb + i) % 8) & 1) << i;
  }
  return value;
}

inline void put_bits(const Signal& port, size_t lsb, size_t width, uint64_t value) {
  const auto bytes = port.bytes();
  for (size_t i = 0; i < width; ++i) {
    uint8_t& byte = bytes[(lsb + i) / 8];
    const unsigned bit = 1U << (lsb + i) % 8;
    byte = static_cast<uint8_t>((value >> i & 1) != 0 ? byte | bit : byte & ~bit);
  }
}

}  // namespace pimllm::tb

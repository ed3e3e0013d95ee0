// Scratchpad-side models of the memory ports of docs/architecture.md ("Memory ports"), with random refusal.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <vector>

#include "tb/common/port.hpp"
#include "tb/common/signal.hpp"

namespace pimllm::tb {

// A space of the scratchpad: words of `word_bytes`, remembers which words were written through ports.
class Ram {
 public:
  Ram(size_t words, size_t word_bytes) : word_bytes_(word_bytes), bytes_(words * word_bytes) {}

  size_t words() const { return bytes_.size() / word_bytes_; }
  size_t word_bytes() const { return word_bytes_; }
  std::span<uint8_t> word(size_t index) {
    return std::span(bytes_).subspan(index * word_bytes_, word_bytes_);
  }
  std::span<uint8_t> bytes() { return bytes_; }

  template <typename T>
  std::span<T> as() {
    return {reinterpret_cast<T*>(bytes_.data()), bytes_.size() / sizeof(T)};
  }

  void randomize(std::mt19937_64& rng) {
    for (auto& byte : bytes_) byte = static_cast<uint8_t>(rng());
  }

 private:
  size_t word_bytes_;
  std::vector<uint8_t> bytes_;
};

class ReadPort : public Port {
 public:
  ReadPort(Ram& ram, Signal req, Signal addr, Signal gnt, Signal data)
      : ram_(ram), req_(req), addr_(addr), gnt_(gnt), data_(data) {}
  Stall stall;
  uint64_t reads = 0;

  void before_edge() override {
    const bool req = req_.get() != 0;
    if (held_ && (!req || addr_.get() != held_addr_))
      ADD_FAILURE() << "read request changed before its grant";
    granted_ = req && !stall();
    gnt_.set(granted_ ? 1 : 0);
    held_ = req && !granted_;
    held_addr_ = addr_.get();
    if (granted_) {
      ASSERT_LT(addr_.get(), ram_.words()) << "read beyond the space";
    }
    granted_addr_ = addr_.get();
  }

  void forget() override { held_ = false; }
  Refusal refused() const override { return held_ ? Refusal::kRead : Refusal::kNone; }

  void after_edge() override {
    if (granted_) {
      ++reads;
      data_.set_bytes(ram_.word(granted_addr_));
    } else {
      for (auto& byte : data_.bytes())
        byte = static_cast<uint8_t>(0xA5 ^ ++noise_);  // not held after a cycle
    }
  }

 private:
  Ram& ram_;
  Signal req_, addr_, gnt_, data_;
  bool granted_ = false, held_ = false;
  uint64_t held_addr_ = 0, granted_addr_ = 0;
  uint8_t noise_ = 0;
};

class WritePort : public Port {
 public:
  WritePort(Ram& ram, Signal req, Signal addr, Signal data, Signal be, Signal gnt)
      : ram_(ram), req_(req), addr_(addr), data_(data), be_(be), gnt_(gnt) {}
  Stall stall;
  uint64_t writes = 0;
  std::function<void(uint64_t)> on_write;  // address

  void before_edge() override {
    const bool req = req_.get() != 0;
    if (held_ && (!req || addr_.get() != held_addr_))
      ADD_FAILURE() << "write request changed before its grant";
    granted_ = req && !stall();
    gnt_.set(granted_ ? 1 : 0);
    held_ = req && !granted_;
    held_addr_ = addr_.get();
    if (!granted_) return;
    ASSERT_LT(addr_.get(), ram_.words()) << "write beyond the space";
    auto word = ram_.word(addr_.get());
    const auto enables = be_.bytes();
    for (size_t i = 0; i < word.size(); ++i) {
      if ((enables[i / 8] >> (i % 8) & 1) != 0) word[i] = data_.bytes()[i];
    }
    ++writes;
    if (on_write) on_write(addr_.get());
  }

  void after_edge() override {}
  void forget() override { held_ = false; }
  Refusal refused() const override { return held_ ? Refusal::kWrite : Refusal::kNone; }

 private:
  Ram& ram_;
  Signal req_, addr_, data_, be_, gnt_;
  bool granted_ = false, held_ = false;
  uint64_t held_addr_ = 0;
};

}  // namespace pimllm::tb

// Seeds of the golden tests: printed, and taken back through PIMLLM_SEED.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

namespace pimllm {

inline uint64_t test_seed() {
  const char* text = std::getenv("PIMLLM_SEED");
  const uint64_t seed = text != nullptr ? std::strtoull(text, nullptr, 0) : std::random_device{}();
  fmt::print("PIMLLM_SEED={}\n", seed);
  ::testing::Test::RecordProperty("seed", std::to_string(seed));
  return seed;
}

inline std::vector<int8_t> random_int8(size_t n, std::mt19937_64& rng, int low = -127, int high = 127) {
  std::uniform_int_distribution<int> draw(low, high);
  std::vector<int8_t> v(n);
  for (auto& x : v) x = static_cast<int8_t>(draw(rng));
  return v;
}

}  // namespace pimllm

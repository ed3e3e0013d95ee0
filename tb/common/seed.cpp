#include "tb/common/seed.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <optional>
#include <string>

namespace pimllm::tb {
namespace {

// The seed is per process by nature; it is set once, before any test runs.
std::optional<uint64_t>& seed_slot() {
  static std::optional<uint64_t> slot;
  return slot;
}

}  // namespace

void init_seed(int* argc, char** argv) {
  if (const char* text = std::getenv("PIMLLM_SEED")) seed_slot() = std::stoull(text);
  int kept = 1;
  for (int i = 1; i < *argc; ++i) {
    if (std::string(argv[i]) == "--seed" && i + 1 < *argc) {
      seed_slot() = std::stoull(argv[++i]);
    } else {
      argv[kept++] = argv[i];
    }
  }
  *argc = kept;
  if (!seed_slot()) seed_slot() = std::random_device{}();
  fmt::print("seed {} (repeat with --seed {})\n", *seed_slot(), *seed_slot());
}

uint64_t seed() {
  if (!seed_slot()) seed_slot() = 1;
  return *seed_slot();
}

std::mt19937_64 make_rng(uint64_t salt) {
  std::seed_seq sequence{static_cast<uint32_t>(seed()), static_cast<uint32_t>(seed() >> 32),
                         static_cast<uint32_t>(salt), static_cast<uint32_t>(salt >> 32)};
  return std::mt19937_64(sequence);
}

}  // namespace pimllm::tb

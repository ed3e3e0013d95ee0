// Instructions that the machine must refuse, one way each, and what it must say (docs/scheduler.md,
// "Errors").
#pragma once

#include <functional>
#include <random>
#include <span>
#include <string_view>
#include <vector>

#include "tb/program/lower.hpp"
#include "tb/program/operations.hpp"

namespace pimllm::tb {

// What lower() puts in: an operation (operands unchecked), or encoded words. `error.index` counts from the
// first word.
struct IllegalCode {
  std::vector<Operation> operations;
  std::vector<isa::Encoded> words;
  bool alone = false;  // behind SYNC, with all semaphores at 0
  ExpectedError error;
};

struct IllegalCase {
  std::string_view name;
  IllegalCode (*make)(const HardwareParameters& hardware, const Window& window, const MemoryMap& map,
                      std::mt19937_64& rng);
};

std::span<const IllegalCase> illegal_cases();

}  // namespace pimllm::tb

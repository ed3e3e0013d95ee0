// Addresses of the host registers, by name.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace pimllm::sim {

// Throws Error for an unknown name.
uint32_t register_address(std::string_view name);

// Names of the 64-bit counters: NAME_LO and NAME_HI.
const std::vector<std::string_view>& counter_names();

}  // namespace pimllm::sim

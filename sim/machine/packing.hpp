// Packed signals of the RTL as plain values.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "models/isa/instruction.hpp"
#include "models/isa/isa.hpp"

namespace pimllm::sim {

// Little-endian bit field of a packed signal; up to 64 bits.
uint64_t bit_field(std::span<const uint8_t> bytes, size_t lsb, size_t width);

// unit_cmd_t number `index` of a packed array of them.
isa::UnitCommand unpack_command(std::span<const uint8_t> bytes, size_t index);

// Order of the units on the command ports of the scheduler.
inline constexpr std::array kPortUnits = {isa::Unit::kDma, isa::Unit::kPim, isa::Unit::kArr, isa::Unit::kSmx,
                                          isa::Unit::kVec};

}  // namespace pimllm::sim

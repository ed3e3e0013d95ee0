// Packs a resolved command as unit_cmd_t of rtl/common/pimllm_pkg.sv.
#pragma once

#include <array>
#include <cstdint>

#include "models/isa/instruction.hpp"

namespace pimllm::tb {

using UnitCmd = isa::UnitCommand;

inline constexpr int kUnitCmdBits = 32 + 6 + 7 + 16 + 16 + 48 + 16 + 16 + 16 + 48 + 16;

// Little-endian bytes of the packed struct (its last member in the lowest bits).
inline std::array<uint8_t, 32> pack(const UnitCmd& cmd) {
  std::array<uint8_t, 32> out{};
  int bit = 0;
  const auto put = [&](uint64_t value, int width) {
    for (int i = 0; i < width; ++i, ++bit) {
      if ((value >> i & 1) != 0) out[bit / 8] = static_cast<uint8_t>(out[bit / 8] | (1 << (bit % 8)));
    }
  };
  put(cmd.pos, 16);
  put(cmd.s2, 48);
  put(cmd.s1, 16);
  put(cmd.s0, 16);
  put(cmd.a2, 16);
  put(cmd.a1, 48);
  put(cmd.a0, 16);
  put(cmd.count, 16);
  put(cmd.mode, 7);
  put(static_cast<uint64_t>(cmd.opcode), 6);
  put(cmd.pc, 32);
  return out;
}

}  // namespace pimllm::tb

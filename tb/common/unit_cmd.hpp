// Packs a resolved command as unit_cmd_t of rtl/common/pimllm_pkg.sv.
#pragma once

#include <array>
#include <cstdint>
#include <random>

#include "models/isa/instruction.hpp"

namespace pimllm::tb {

using UnitCmd = isa::UnitCommand;

inline constexpr int kUnitCmdBits = 32 + 6 + 7 + 16 + 16 + 48 + 16 + 16 + 16 + 48 + 16;

// A command whose fields hold anything.
inline UnitCmd any_command(std::mt19937_64& rng, isa::Opcode opcode) {
  constexpr uint64_t kMask48 = (uint64_t{1} << 48) - 1;
  UnitCmd cmd;
  cmd.opcode = opcode;
  cmd.pc = static_cast<uint32_t>(rng());
  cmd.mode = static_cast<uint8_t>(rng() & 0x7F);
  cmd.count = static_cast<uint16_t>(rng());
  cmd.a0 = static_cast<uint16_t>(rng());
  cmd.a1 = rng() & kMask48;
  cmd.a2 = static_cast<uint16_t>(rng());
  cmd.s0 = static_cast<uint16_t>(rng());
  cmd.s1 = static_cast<uint16_t>(rng());
  cmd.s2 = rng() & kMask48;
  cmd.pos = static_cast<uint16_t>(rng());
  return cmd;
}

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

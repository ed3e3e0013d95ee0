// Just enough of an assembler for the scheduler's bench: fields from the generated table, no checks, so that
// wrong programs can be written too.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "models/isa/isa.hpp"

namespace pimllm::tb {

struct Word {
  uint64_t low = 0, high = 0;

  void put(isa::Field field, uint64_t value) {
    for (int i = 0; i < field.width; ++i) {
      const int bit = field.lsb + i;
      auto& half = bit < 64 ? low : high;
      const uint64_t mask = uint64_t{1} << (bit % 64);
      half = (value >> i & 1) != 0 ? half | mask : half & ~mask;
    }
  }
  uint64_t get(isa::Field field) const {
    uint64_t value = 0;
    for (int i = 0; i < field.width; ++i) {
      const int bit = field.lsb + i;
      value |= ((bit < 64 ? low >> bit : high >> (bit - 64)) & 1) << i;
    }
    return value;
  }
};

struct Ref {
  int reg = 0;
  int off = 0;
};

struct UnitFields {
  int wait0 = 0, wait1 = 0, sig0 = 0, sig1 = 0, mode = 0, count = 1;
  Ref a0{}, a1{}, a2{}, s0{}, s1{}, s2{};
};

inline Word unit_instr(isa::Opcode op, const UnitFields& f) {
  namespace uf = isa::unit_field;
  Word w;
  const auto put = [&w](isa::Field field, int value) { w.put(field, static_cast<uint64_t>(value)); };
  put(uf::kOpcode, static_cast<int>(op));
  put(uf::kWait0, f.wait0);
  put(uf::kWait1, f.wait1);
  put(uf::kSig0, f.sig0);
  put(uf::kSig1, f.sig1);
  put(uf::kMode, f.mode);
  put(uf::kCount, f.count);
  const std::array refs = {&f.a0, &f.a1, &f.a2, &f.s0, &f.s1, &f.s2};
  const std::array regs = {uf::kA0Reg, uf::kA1Reg, uf::kA2Reg, uf::kS0Reg, uf::kS1Reg, uf::kS2Reg};
  const std::array offs = {uf::kA0Off, uf::kA1Off, uf::kA2Off, uf::kS0Off, uf::kS1Off, uf::kS2Off};
  for (size_t i = 0; i < refs.size(); ++i) {
    put(regs[i], refs[i]->reg);
    put(offs[i], refs[i]->off);
  }
  return w;
}

struct SchedFields {
  int wait0 = 0, sig = 0, rd = 0, rs = 0, rt = 0;
  int64_t imm = 0;
};

inline Word sched_instr(isa::Opcode op, const SchedFields& f = {}) {
  namespace sf = isa::sched_field;
  Word w;
  w.put(sf::kOpcode, static_cast<uint64_t>(op));
  w.put(sf::kWait0, static_cast<uint64_t>(f.wait0));
  w.put(sf::kSig, static_cast<uint64_t>(f.sig));
  w.put(sf::kRd, static_cast<uint64_t>(f.rd));
  w.put(sf::kRs, static_cast<uint64_t>(f.rs));
  w.put(sf::kRt, static_cast<uint64_t>(f.rt));
  w.put(sf::kImm, static_cast<uint64_t>(f.imm));
  return w;
}

}  // namespace pimllm::tb

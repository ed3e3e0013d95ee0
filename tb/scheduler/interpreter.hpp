// What a program does, one instruction after the other: the commands of each unit in order, and what reaches
// the host.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "tb/common/unit_cmd.hpp"
#include "tb/scheduler/assembler.hpp"

namespace pimllm::tb {

inline constexpr int kUnits = 5;
inline constexpr uint64_t kMask48 = (uint64_t{1} << 48) - 1;

struct Issued {
  UnitCmd cmd;
  std::array<int, 2> wait{}, sig{};
  uint64_t decoder_waits = 0;  // WAITs done before it, for checks of order
};

struct HostState {
  uint32_t token_in = 0, position = 0, tokens_left = 0;
  std::array<uint64_t, 4> args{};
  uint32_t argmax_id = 0;
};

struct Outcome {
  std::array<std::vector<Issued>, kUnits> units;
  std::vector<int> wait_sems;  // of the WAITs, in order
  std::vector<uint32_t> tokens;
  uint32_t position = 0, tokens_left = 0;
  uint64_t instructions = 0;
  bool halted = false;
};

// -1 for the scheduler's own and for codes that are none.
inline int unit_index(isa::Opcode op) {
  for (const auto& info : isa::kOpcodes) {
    if (info.opcode == op) return static_cast<int>(info.unit) - 1;
  }
  return -1;
}

inline bool same(const UnitCmd& a, const UnitCmd& b) { return pack(a) == pack(b); }

// Runs a legal program of at most `limit` instructions.
inline Outcome interpret(const std::vector<Word>& program, const HostState& host, uint64_t base,
                         uint64_t channel_bytes, uint64_t limit = 1000000) {
  using isa::Opcode;
  namespace sf = isa::sched_field;
  namespace uf = isa::unit_field;
  struct Loop {
    int64_t first, last;
    uint64_t left;
  };
  Outcome out;
  out.position = host.position;
  out.tokens_left = host.tokens_left;
  std::array<uint64_t, 32> r{};
  std::vector<Loop> loops;
  int64_t pc = 0;
  while (out.instructions < limit && pc >= 0 && pc < static_cast<int64_t>(program.size())) {
    const Word& w = program[static_cast<size_t>(pc)];
    ++out.instructions;
    const auto op = static_cast<Opcode>(w.get(sf::kOpcode));
    const uint64_t imm = w.get(sf::kImm);
    const int64_t offset = static_cast<int64_t>(imm << 16) >> 16;
    const uint64_t rs = r[w.get(sf::kRs)], rt = r[w.get(sf::kRt)];
    const auto set = [&](uint64_t value) {
      if (w.get(sf::kRd) != 0) r[w.get(sf::kRd)] = value & kMask48;
    };
    int64_t end_of = pc;  // the instruction whose end may be the end of loops
    int64_t next = pc + 1;
    bool jumped = false;
    switch (op) {
      case Opcode::kNop:
      case Opcode::kSync:
      case Opcode::kPost:
        break;
      case Opcode::kHalt:
        out.halted = true;
        return out;
      case Opcode::kLi:
        set(imm);
        break;
      case Opcode::kAddi:
        set(rs + imm);
        break;
      case Opcode::kAdd:
        set(rs + rt);
        break;
      case Opcode::kSub:
        set(rs - rt);
        break;
      case Opcode::kShli:
        set(imm >= 48 ? 0 : rs << imm);
        break;
      case Opcode::kShri:
        set(imm >= 48 ? 0 : rs >> imm);
        break;
      case Opcode::kAndi:
        set(rs & imm);
        break;
      case Opcode::kMuli:
        set((rs & 0xFFFF) * (imm & 0xFFFFFFFF));
        break;
      case Opcode::kMin:
        set(std::min(rs, rt));
        break;
      case Opcode::kCsrr:
        set(imm == 0   ? host.token_in
            : imm == 1 ? out.position
            : imm == 2 ? out.tokens_left
                       : host.args[imm - 4]);
        break;
      case Opcode::kCsrw:
        if (imm == 8) out.tokens.push_back(static_cast<uint32_t>(rs));
        if (imm == 1) out.position = static_cast<uint32_t>(rs);
        if (imm == 2) out.tokens_left = static_cast<uint32_t>(rs);
        break;
      case Opcode::kLoop:
        if (rs == 0) {
          next = pc + 1 + offset;
          end_of = next - 1;
        } else {
          loops.push_back({pc + 1, pc + offset, rs});
          end_of = -1;
        }
        break;
      case Opcode::kBeqz:
      case Opcode::kBnez:
      case Opcode::kJump:
        if (op == Opcode::kJump || (rs == 0) == (op == Opcode::kBeqz)) {
          next = pc + offset;
          jumped = true;
        }
        break;
      case Opcode::kWait:
        out.wait_sems.push_back(static_cast<int>(w.get(sf::kWait0)));
        break;
      case Opcode::kArgmax:
        set(host.argmax_id);
        break;
      default: {
        const auto value = [&](isa::Field reg, isa::Field off, uint64_t scale = 1) {
          return (r[w.get(reg)] + w.get(off) * scale) & kMask48;
        };
        const int unit = unit_index(op);
        Issued issued;
        issued.wait = {static_cast<int>(w.get(uf::kWait0)), static_cast<int>(w.get(uf::kWait1))};
        issued.sig = {static_cast<int>(w.get(uf::kSig0)), static_cast<int>(w.get(uf::kSig1))};
        issued.decoder_waits = out.wait_sems.size();
        auto& cmd = issued.cmd;
        cmd.pc = static_cast<uint32_t>(base / 16 + static_cast<uint64_t>(pc));
        cmd.opcode = op;
        cmd.mode = static_cast<uint8_t>(w.get(uf::kMode));
        const bool by_register = (cmd.mode & 0x40) != 0 && unit != 4;
        cmd.count = static_cast<uint16_t>(by_register ? r[w.get(uf::kCount) & 31] : w.get(uf::kCount));
        cmd.a0 = static_cast<uint16_t>(value(uf::kA0Reg, uf::kA0Off));
        cmd.a1 = value(uf::kA1Reg, uf::kA1Off, unit == 0 ? channel_bytes : 1);
        cmd.a2 = static_cast<uint16_t>(value(uf::kA2Reg, uf::kA2Off));
        cmd.s0 = static_cast<uint16_t>(value(uf::kS0Reg, uf::kS0Off));
        cmd.s1 = static_cast<uint16_t>(value(uf::kS1Reg, uf::kS1Off));
        cmd.s2 = value(uf::kS2Reg, uf::kS2Off);
        cmd.pos = static_cast<uint16_t>(r[1]);
        out.units[static_cast<size_t>(unit)].push_back(issued);
      }
    }
    if (!jumped) {
      while (!loops.empty() && loops.back().last == end_of) {
        if (--loops.back().left != 0) {
          next = loops.back().first;
          break;
        }
        loops.pop_back();
      }
    }
    pc = next;
  }
  return out;
}

}  // namespace pimllm::tb

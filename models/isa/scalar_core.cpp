#include "models/isa/scalar_core.hpp"

#include <algorithm>

#include "golden/error.hpp"

namespace pimllm::isa {

bool ScalarCore::advance(const Instruction& in, uint64_t value) {
  const size_t index = pc_;
  const uint64_t rs = registers_[in.rs];
  const uint64_t rt = registers_[in.rt];
  const auto set = [&](uint64_t v) {
    if (in.rd != 0) registers_[in.rd] = v & kRegisterMask;
  };
  const auto target = [&] { return static_cast<size_t>((index + in.imm) & kRegisterMask); };
  size_t end_of = index;  // the loops that end here are checked; a skipped body may end an outer one
  bool jumped = false;
  pc_ = index + 1;
  switch (in.opcode) {
    case Opcode::kHalt:
      pc_ = index;
      return false;
    case Opcode::kLi:
      set(in.imm);
      break;
    case Opcode::kAddi:
      set(rs + in.imm);
      break;
    case Opcode::kAdd:
      set(rs + rt);
      break;
    case Opcode::kSub:
      set(rs - rt);
      break;
    case Opcode::kShli:
      set(in.imm < 48 ? rs << in.imm : 0);
      break;
    case Opcode::kShri:
      set(in.imm < 48 ? rs >> in.imm : 0);
      break;
    case Opcode::kAndi:
      set(rs & in.imm);
      break;
    case Opcode::kMuli:
      set((rs & 0xFFFF) * (in.imm & 0xFFFFFFFF));
      break;
    case Opcode::kMin:
      set(std::min(rs, rt));
      break;
    case Opcode::kCsrr:
    case Opcode::kArgmax:
      set(value);
      break;
    case Opcode::kLoop:
      if (rs == 0) {
        pc_ = index + 1 + static_cast<size_t>(in.imm);
        end_of = pc_ - 1;
        jumped = true;
        break;
      }
      if (loops_.size() == kLoopNesting) fail("LOOP: expected at most {} nested", kLoopNesting);
      loops_.push_back({index + 1, index + 1 + static_cast<size_t>(in.imm), rs});
      return false;
    case Opcode::kBeqz:
    case Opcode::kBnez:
    case Opcode::kJump:
      if (in.opcode == Opcode::kJump || (rs == 0) == (in.opcode == Opcode::kBeqz)) {
        pc_ = target();
        return true;
      }
      break;
    default:
      break;
  }
  while (!loops_.empty() && loops_.back().end == end_of + 1) {
    if (--loops_.back().left != 0) {
      pc_ = loops_.back().begin;
      return true;
    }
    loops_.pop_back();
  }
  return jumped;
}

}  // namespace pimllm::isa

// The scheduler's own state in program order: registers, hardware loops and the way through a program
// (docs/isa.md). Semaphores, host registers and units are the caller's.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "models/isa/instruction.hpp"

namespace pimllm::isa {

class ScalarCore {
 public:
  // Index of the next instruction; registers are 0 at the start.
  size_t pc() const { return pc_; }
  std::span<const uint64_t, kRegisters> registers() const { return registers_; }

  // Executes the instruction at pc() as far as registers, loops and pc go (a unit instruction only moves on).
  // `csr` gives host registers, `argmax` the result of ARGMAX. Returns whether the next instruction is not
  // the one behind. HALT stays where it is. Throws Error for loops nested too deep.
  template <typename Csr>
  bool step(const Instruction& in, Csr&& csr, uint64_t argmax) {
    const uint64_t value = in.opcode == Opcode::kCsrr ? csr(in.imm) : argmax;
    return advance(in, value);
  }

 private:
  struct Loop {
    size_t begin = 0;  // first instruction of the body
    size_t end = 0;    // behind the last
    uint64_t left = 0;
  };
  bool advance(const Instruction& in, uint64_t value);

  size_t pc_ = 0;
  std::array<uint64_t, kRegisters> registers_{};
  std::vector<Loop> loops_;
};

}  // namespace pimllm::isa

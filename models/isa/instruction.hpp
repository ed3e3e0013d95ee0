// Instructions as plain data: encoding, strict decoding, disassembly, resolved commands, and a program
// builder with labels and names. Formats and meanings: docs/isa.md; opcodes and fields: models/isa/isa.json.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/isa/isa.hpp"

namespace pimllm::isa {

inline constexpr int kRegisters = 32;
inline constexpr int kSemaphores = 32;  // number 0 is "none"
inline constexpr int kSemaphoreLimit = 63;
inline constexpr int kLoopNesting = 4;
inline constexpr size_t kInstructionBytes = 16;
inline constexpr uint64_t kRegisterMask = (uint64_t{1} << 48) - 1;
inline constexpr uint8_t kModeCountRegister =
    0x40;  // mode bit 6 of units other than VEC: count names a register

// {register, offset}: the value is register + offset.
struct Operand {
  uint8_t reg = 0;
  uint16_t offset = 0;

  friend bool operator==(const Operand&, const Operand&) = default;
};

// Any instruction. Unit instructions use the second block of fields, scheduler instructions the third, both
// the first (a scheduler instruction's `sig` is sig0). Unused fields are 0.
struct Instruction {
  Opcode opcode = Opcode::kNop;
  uint8_t wait0 = 0;
  uint8_t sig0 = 0;

  uint8_t wait1 = 0;
  uint8_t sig1 = 0;
  uint8_t mode = 0;
  uint16_t count = 0;
  Operand a0{}, a1{}, a2{}, s0{}, s1{}, s2{};

  uint8_t rd = 0;
  uint8_t rs = 0;
  uint8_t rt = 0;
  uint64_t imm = 0;  // 48 bits; negative values modulo 2^48

  friend bool operator==(const Instruction&, const Instruction&) = default;
};

// 128 bits; bit 0 is the lowest of `low`.
struct Encoded {
  uint64_t low = 0;
  uint64_t high = 0;

  friend bool operator==(const Encoded&, const Encoded&) = default;
};

// A unit instruction with resolved operands, as the scheduler presents it (unit_cmd_t in
// rtl/common/pimllm_pkg.sv).
struct UnitCommand {
  uint32_t pc = 0;  // address / 16
  Opcode opcode = Opcode::kNop;
  uint8_t mode = 0;
  uint16_t count = 0;
  uint16_t a0 = 0;
  uint64_t a1 = 0;  // 48 bits
  uint16_t a2 = 0;
  uint16_t s0 = 0;
  uint16_t s1 = 0;
  uint64_t s2 = 0;  // 48 bits
  uint16_t pos = 0;

  friend bool operator==(const UnitCommand&, const UnitCommand&) = default;
};

// "DMA", "PIM", "ARR", "SMX", "VEC", or "scheduler".
std::string_view unit_name(Unit unit);
// Unit and name of an opcode; throws Error for a code that is none.
const OpcodeInfo& opcode_info(Opcode opcode);
inline bool is_scheduler(Opcode opcode) { return opcode_info(opcode).unit == Unit::kSched; }

// Throws Error if a field does not fit, or a field is set that the opcode does not have.
Encoded encode(const Instruction& instruction);
// Throws Error for an unknown opcode, set reserved bits, and fields that the opcode does not have.
Instruction decode(const Encoded& word);

std::array<uint8_t, kInstructionBytes> to_bytes(const Encoded& word);
Encoded from_bytes(std::span<const uint8_t, kInstructionBytes> bytes);

// The command of a unit instruction with the values of the registers.
UnitCommand resolve(const Instruction& instruction, std::span<const uint64_t, kRegisters> registers,
                    uint32_t pc, uint64_t channel_bytes);

// Names for the disassembler; an empty name prints the number.
struct Symbols {
  std::array<std::string, kRegisters> registers;
  std::array<std::string, kSemaphores> semaphores;
  std::map<size_t, std::string> labels;    // instruction index -> label
  std::map<size_t, std::string> comments;  // instruction index -> comment
};

// One line. `index` is the instruction's place in its program (branches print their target).
std::string disassemble(const Instruction& instruction, size_t index = 0, const Symbols& symbols = {});
// All lines of a program, with labels and comments.
std::string disassemble(std::span<const Encoded> program, const Symbols& symbols = {});

// Builds a program. Registers and semaphores are named on first use; r0 is "zero", r1 is "pos".
class Program {
 public:
  struct Label {
    size_t id = 0;
  };

  Program();

  // Throws Error when there are no more.
  uint8_t reg(std::string_view name);
  uint8_t sem(std::string_view name);

  // Appends an instruction and returns its index.
  size_t emit(const Instruction& instruction);
  // The comment of the next instruction.
  void comment(std::string text);

  Label make_label(std::string name);
  void place(Label label);
  // BEQZ, BNEZ (with a register) or JUMP to a label, before or behind.
  void branch(Opcode opcode, uint8_t rs, Label target);

  // A hardware loop: the body runs registers[rs] times. A label at the end of the body gets a NOP to stand
  // on.
  void begin_loop(uint8_t rs);
  void end_loop();

  size_t size() const { return instructions_.size(); }
  const std::vector<Instruction>& instructions() const { return instructions_; }
  const Symbols& symbols() const { return symbols_; }

  // Resolves labels and encodes. Throws Error for open loops, unplaced labels, loops nested too deep.
  std::vector<Encoded> assemble() const;

  // Scheduler instructions by name.
  void nop() { emit({}); }
  void halt() { scheduler(Opcode::kHalt); }
  void sync() { scheduler(Opcode::kSync); }
  void li(uint8_t rd, int64_t value) { scheduler(Opcode::kLi, rd, 0, 0, value); }
  void addi(uint8_t rd, uint8_t rs, int64_t value) { scheduler(Opcode::kAddi, rd, rs, 0, value); }
  void add(uint8_t rd, uint8_t rs, uint8_t rt) { scheduler(Opcode::kAdd, rd, rs, rt); }
  void sub(uint8_t rd, uint8_t rs, uint8_t rt) { scheduler(Opcode::kSub, rd, rs, rt); }
  void shli(uint8_t rd, uint8_t rs, int bits) { scheduler(Opcode::kShli, rd, rs, 0, bits); }
  void shri(uint8_t rd, uint8_t rs, int bits) { scheduler(Opcode::kShri, rd, rs, 0, bits); }
  void andi(uint8_t rd, uint8_t rs, int64_t mask) { scheduler(Opcode::kAndi, rd, rs, 0, mask); }
  void muli(uint8_t rd, uint8_t rs, int64_t factor) { scheduler(Opcode::kMuli, rd, rs, 0, factor); }
  void min(uint8_t rd, uint8_t rs, uint8_t rt) { scheduler(Opcode::kMin, rd, rs, rt); }
  void csrr(uint8_t rd, Csr csr) { scheduler(Opcode::kCsrr, rd, 0, 0, static_cast<int64_t>(csr)); }
  void csrw(uint8_t rs, Csr csr) { scheduler(Opcode::kCsrw, 0, rs, 0, static_cast<int64_t>(csr)); }
  void post(uint8_t semaphore);
  void wait(uint8_t semaphore);
  void argmax(uint8_t rd, uint8_t semaphore);

 private:
  struct Branch {
    size_t index = 0;
    size_t label = 0;
  };

  void scheduler(Opcode opcode, uint8_t rd = 0, uint8_t rs = 0, uint8_t rt = 0, int64_t imm = 0);

  std::vector<Instruction> instructions_;
  Symbols symbols_;
  int registers_ = 2;
  int semaphores_ = 1;
  struct Place {
    std::string name;
    std::optional<size_t> index;
  };
  std::vector<Place> labels_;
  std::vector<Branch> branches_;
  std::vector<size_t> loops_;
  int deepest_ = 0;
};

}  // namespace pimllm::isa

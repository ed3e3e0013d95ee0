#include "models/isa/instruction.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "golden/error.hpp"

namespace pimllm::isa {
namespace {

// What an opcode has: names of its operands (empty: not used), mode bits, fields of scheduler instructions.
struct Shape {
  Opcode opcode;
  bool count = false;
  uint8_t modes = 0;
  std::string_view a0{}, a1{}, a2{}, s0{}, s1{}, s2{};
  std::string_view fields{};  // scheduler: any of "wait", "sig", "rd", "rs", "rt", "imm"
};

constexpr uint8_t kCountFlag = kModeCountRegister;

constexpr std::array kShapes = {
    Shape{.opcode = Opcode::kNop},
    Shape{.opcode = Opcode::kHalt},
    Shape{.opcode = Opcode::kLi, .fields = "rd imm"},
    Shape{.opcode = Opcode::kAddi, .fields = "rd rs imm"},
    Shape{.opcode = Opcode::kAdd, .fields = "rd rs rt"},
    Shape{.opcode = Opcode::kSub, .fields = "rd rs rt"},
    Shape{.opcode = Opcode::kShli, .fields = "rd rs imm"},
    Shape{.opcode = Opcode::kShri, .fields = "rd rs imm"},
    Shape{.opcode = Opcode::kAndi, .fields = "rd rs imm"},
    Shape{.opcode = Opcode::kMuli, .fields = "rd rs imm"},
    Shape{.opcode = Opcode::kMin, .fields = "rd rs rt"},
    Shape{.opcode = Opcode::kCsrr, .fields = "rd imm"},
    Shape{.opcode = Opcode::kCsrw, .fields = "wait rs imm"},
    Shape{.opcode = Opcode::kLoop, .fields = "rs imm"},
    Shape{.opcode = Opcode::kBeqz, .fields = "rs imm"},
    Shape{.opcode = Opcode::kBnez, .fields = "rs imm"},
    Shape{.opcode = Opcode::kJump, .fields = "imm"},
    Shape{.opcode = Opcode::kWait, .fields = "wait"},
    Shape{.opcode = Opcode::kPost, .fields = "sig"},
    Shape{.opcode = Opcode::kSync},
    Shape{.opcode = Opcode::kArgmax, .fields = "wait rd"},
    Shape{.opcode = Opcode::kLoadt,
          .count = true,
          .modes = kCountFlag,
          .a0 = "row",
          .a1 = "mem",
          .s0 = "rows",
          .s1 = "first"},
    Shape{.opcode = Opcode::kStoret, .a0 = "row", .a1 = "mem", .s0 = "rows", .s1 = "group"},
    Shape{.opcode = Opcode::kLoadl, .count = true, .modes = kCountFlag | 3, .a0 = "to", .a1 = "mem"},
    Shape{.opcode = Opcode::kStorel, .count = true, .modes = kCountFlag | 3, .a0 = "from", .a1 = "mem"},
    Shape{.opcode = Opcode::kXbar,
          .count = true,
          .modes = kCountFlag,
          .a0 = "in",
          .a1 = "out",
          .s0 = "xbar",
          .s1 = "row_tiles"},
    Shape{.opcode = Opcode::kXprog,
          .count = true,
          .modes = kCountFlag,
          .a0 = "data",
          .s0 = "xbar",
          .s1 = "row"},
    Shape{.opcode = Opcode::kQk,
          .count = true,
          .modes = kCountFlag | 31,
          .a0 = "q",
          .a1 = "row",
          .a2 = "out",
          .s0 = "dims",
          .s1 = "open",
          .s2 = "strides"},
    Shape{.opcode = Opcode::kPv,
          .count = true,
          .modes = kCountFlag | 63,
          .a0 = "num",
          .a1 = "row",
          .a2 = "out",
          .s0 = "chunks",
          .s1 = "open",
          .s2 = "strides"},
    Shape{.opcode = Opcode::kSoftmax,
          .count = true,
          .modes = kCountFlag | 7,
          .a0 = "scores",
          .a1 = "num",
          .a2 = "scales",
          .s0 = "record",
          .s1 = "eref",
          .s2 = "open"},
    Shape{.opcode = Opcode::kSmaxscan,
          .count = true,
          .modes = kCountFlag | 7,
          .a0 = "scores",
          .a1 = "num",
          .a2 = "scales",
          .s0 = "record",
          .s1 = "eref",
          .s2 = "open"},
    Shape{.opcode = Opcode::kNorm,
          .count = true,
          .modes = 7,
          .a0 = "x",
          .a1 = "g",
          .a2 = "q",
          .s0 = "scale",
          .s1 = "constants",
          .s2 = "to_scale"},
    Shape{.opcode = Opcode::kQuant,
          .count = true,
          .modes = 127,
          .a0 = "y",
          .a1 = "aux",
          .a2 = "to",
          .s0 = "scale",
          .s1 = "matrix",
          .s2 = "to_scale"},
    Shape{.opcode = Opcode::kJoin, .count = true, .modes = 0x77, .a0 = "planes", .a2 = "att", .s0 = "factor"},
    Shape{.opcode = Opcode::kResadd,
          .count = true,
          .modes = 7,
          .a0 = "y",
          .a1 = "bias",
          .a2 = "x",
          .s0 = "scale",
          .s1 = "matrix",
          .s2 = "x_scale"},
    Shape{.opcode = Opcode::kActfn,
          .count = true,
          .modes = 0x3F,
          .a0 = "g",
          .a1 = "u",
          .a2 = "h",
          .s0 = "scale",
          .s1 = "matrix",
          .s2 = "to_scale"},
    Shape{.opcode = Opcode::kEmbed,
          .count = true,
          .modes = 7,
          .a0 = "row",
          .a1 = "pos",
          .a2 = "x",
          .s0 = "row_scale",
          .s2 = "x_scale"},
    Shape{.opcode = Opcode::kLogit,
          .count = true,
          .modes = 1,
          .a0 = "acc",
          .a1 = "row_scales",
          .a2 = "logits",
          .s0 = "scale",
          .s1 = "index",
          .s2 = "valid"},
};
static_assert(kShapes.size() == kOpcodes.size());

const Shape& shape_of(Opcode opcode) {
  const auto it =
      std::find_if(kShapes.begin(), kShapes.end(), [&](const Shape& s) { return s.opcode == opcode; });
  if (it == kShapes.end())
    fail("opcode: expected one of the instruction set, found {}", static_cast<int>(opcode));
  return *it;
}

bool has_field(const Shape& shape, std::string_view field) {
  size_t begin = 0;
  while (begin < shape.fields.size()) {
    const size_t end = std::min(shape.fields.find(' ', begin), shape.fields.size());
    if (shape.fields.substr(begin, end - begin) == field) return true;
    begin = end + 1;
  }
  return false;
}

uint64_t mask_of(int width) { return width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1; }

uint64_t get(const Encoded& word, Field field) {
  uint64_t value = 0;
  if (field.lsb >= 64) {
    value = word.high >> (field.lsb - 64);
  } else {
    value = word.low >> field.lsb;
    if (field.lsb + field.width > 64) value |= word.high << (64 - field.lsb);
  }
  return value & mask_of(field.width);
}

void put(Encoded& word, Field field, uint64_t value, std::string_view opcode, std::string_view name) {
  if (value > mask_of(field.width)) {
    fail("{} {}: expected at most {}, found {}", opcode, name, mask_of(field.width), value);
  }
  if (field.lsb >= 64) {
    word.high |= value << (field.lsb - 64);
  } else {
    word.low |= value << field.lsb;
    if (field.lsb + field.width > 64) word.high |= value >> (64 - field.lsb);
  }
}

struct OperandFields {
  std::string_view name;
  Operand Instruction::*operand;
  std::string_view Shape::*label;
  Field reg, offset;
};

constexpr std::array kOperands = {
    OperandFields{"a0", &Instruction::a0, &Shape::a0, unit_field::kA0Reg, unit_field::kA0Off},
    OperandFields{"a1", &Instruction::a1, &Shape::a1, unit_field::kA1Reg, unit_field::kA1Off},
    OperandFields{"a2", &Instruction::a2, &Shape::a2, unit_field::kA2Reg, unit_field::kA2Off},
    OperandFields{"s0", &Instruction::s0, &Shape::s0, unit_field::kS0Reg, unit_field::kS0Off},
    OperandFields{"s1", &Instruction::s1, &Shape::s1, unit_field::kS1Reg, unit_field::kS1Off},
    OperandFields{"s2", &Instruction::s2, &Shape::s2, unit_field::kS2Reg, unit_field::kS2Off},
};

// Fields that the opcode does not have must be zero.
void check_unused(const Instruction& in, const OpcodeInfo& info, const Shape& shape) {
  const auto unused = [&](std::string_view field, uint64_t value) {
    if (value != 0) fail("{} {}: expected 0 (not used), found {}", info.name, field, value);
  };
  if (info.unit == Unit::kSched) {
    if (!has_field(shape, "wait")) unused("wait0", in.wait0);
    if (!has_field(shape, "sig")) unused("sig", in.sig0);
    if (!has_field(shape, "rd")) unused("rd", in.rd);
    if (!has_field(shape, "rs")) unused("rs", in.rs);
    if (!has_field(shape, "rt")) unused("rt", in.rt);
    if (!has_field(shape, "imm")) unused("imm", in.imm);
    unused("wait1", in.wait1);
    unused("sig1", in.sig1);
    unused("mode", in.mode);
    unused("count", in.count);
  } else {
    if (!shape.count) unused("count", in.count);
    unused("mode", in.mode & ~shape.modes & 0xFF);
    if (info.unit != Unit::kVec && (in.mode & kModeCountRegister) != 0 && in.count >= kRegisters) {
      fail("{} count: expected a register below {}, found {}", info.name, kRegisters, in.count);
    }
    unused("rd", in.rd);
    unused("rs", in.rs);
    unused("rt", in.rt);
    unused("imm", in.imm);
  }
  for (const OperandFields& f : kOperands) {
    if ((shape.*f.label).empty()) {
      unused(f.name, (in.*f.operand).reg);
      unused(f.name, (in.*f.operand).offset);
    }
  }
}

std::string register_name(uint8_t reg, const Symbols& symbols) {
  const auto& name = symbols.registers[reg];
  return name.empty() ? fmt::format("r{}", reg) : name;
}

std::string semaphore_name(uint8_t semaphore, const Symbols& symbols) {
  const auto& name = symbols.semaphores[semaphore];
  return name.empty() ? fmt::format("s{}", semaphore) : name;
}

std::string operand_text(Operand operand, const Symbols& symbols) {
  if (operand.reg == 0) return fmt::format("{}", operand.offset);
  if (operand.offset == 0) return register_name(operand.reg, symbols);
  return fmt::format("{}+{}", register_name(operand.reg, symbols), operand.offset);
}

int64_t signed_imm(uint64_t imm) { return static_cast<int64_t>(imm << 16) >> 16; }

std::string csr_name(uint64_t csr) {
  switch (static_cast<Csr>(csr)) {
    case Csr::kTokenIn:
      return "TOKEN_IN";
    case Csr::kPosition:
      return "POSITION";
    case Csr::kTokensLeft:
      return "TOKENS_LEFT";
    case Csr::kArg0:
      return "ARG0";
    case Csr::kArg1:
      return "ARG1";
    case Csr::kArg2:
      return "ARG2";
    case Csr::kArg3:
      return "ARG3";
    case Csr::kTokenOut:
      return "TOKEN_OUT";
  }
  return fmt::format("csr{}", csr);
}

std::string mode_text(Opcode opcode, uint8_t mode) {
  static constexpr std::array<std::string_view, 4> kSpaces = {"act", "scr", "kvs", "scl"};
  std::string text;
  const auto add = [&](std::string_view word) {
    if (!text.empty()) text += ',';
    text += word;
  };
  const auto add_keep = [&](int shift) {
    if ((mode >> shift & 1) != 0) add((mode >> shift & 2) != 0 ? "keep_anew" : "keep");
  };
  switch (opcode) {
    case Opcode::kLoadl:
    case Opcode::kStorel:
      add(kSpaces[mode & 3]);
      break;
    case Opcode::kQk:
    case Opcode::kPv:
      add((mode & 1) != 0 ? "north" : "banked");
      if ((mode & 2) != 0) add("accumulate");
      if ((mode & 4) != 0) add("open");
      if ((mode & 1) != 0 && (mode & 8) != 0) add("rotated");
      if ((mode & 1) == 0 && (mode >> 3 & 3) != 0) add(fmt::format("heads={}", 1 << (mode >> 3 & 3)));
      if ((mode & 0x20) != 0) add("planes=3");
      break;
    case Opcode::kSoftmax:
    case Opcode::kSmaxscan:
      add((mode & 1) != 0 ? "consmax" : "exact");
      if ((mode & 2) != 0) add("continue");
      if ((mode & 4) != 0) add("open");
      break;
    case Opcode::kNorm:
      add((mode & 1) != 0 ? "layer" : "rms");
      if ((mode & 2) != 0) add("scr");
      if ((mode & 4) != 0) add("known");
      break;
    case Opcode::kQuant: {
      static constexpr std::array<std::string_view, 4> kAux = {"plain", "bias", "rope", "known"};
      static constexpr std::array<std::string_view, 4> kTo = {"act", "q", "k", "v"};
      add(kAux[mode & 3]);
      add(kTo[mode >> 2 & 3]);
      add((mode >> 4) == 7 ? "one_group" : fmt::format("head_chunks={}", 1 << (mode >> 4)));
      break;
    }
    case Opcode::kJoin:
      add(fmt::format("head_chunks={}", 1 << (mode >> 4)));
      if ((mode & 1) != 0) add("planes=3");
      add_keep(1);
      break;
    case Opcode::kResadd:
      if ((mode & 1) != 0) add("bias");
      add_keep(1);
      break;
    case Opcode::kActfn: {
      static constexpr std::array<std::string_view, 4> kFunctions = {"relu", "relu2", "silu", "gelu"};
      add(kFunctions[mode & 3]);
      if ((mode & 4) != 0) add("gated");
      if ((mode & 8) != 0) add("bias");
      add_keep(4);
      break;
    }
    case Opcode::kEmbed:
      if ((mode & 1) != 0) add("positions");
      add_keep(1);
      break;
    case Opcode::kLogit:
      if ((mode & 1) != 0) add("first");
      break;
    default:
      break;
  }
  return text;
}

}  // namespace

std::string_view unit_name(Unit unit) {
  constexpr std::array<std::string_view, 6> kNames = {"scheduler", "DMA", "PIM", "ARR", "SMX", "VEC"};
  return kNames.at(static_cast<size_t>(unit));
}

const OpcodeInfo& opcode_info(Opcode opcode) {
  const auto it = std::find_if(kOpcodes.begin(), kOpcodes.end(),
                               [&](const OpcodeInfo& info) { return info.opcode == opcode; });
  if (it == kOpcodes.end()) {
    fail("opcode: expected one of the instruction set, found {}", static_cast<int>(opcode));
  }
  return *it;
}

Encoded encode(const Instruction& in) {
  const OpcodeInfo& info = opcode_info(in.opcode);
  const Shape& shape = shape_of(in.opcode);
  check_unused(in, info, shape);
  Encoded word;
  const auto set = [&](Field field, uint64_t value, std::string_view name) {
    put(word, field, value, info.name, name);
  };
  set(unit_field::kOpcode, static_cast<uint64_t>(in.opcode), "opcode");
  set(unit_field::kWait0, in.wait0, "wait0");
  if (info.unit == Unit::kSched) {
    set(sched_field::kSig, in.sig0, "sig");
    set(sched_field::kRd, in.rd, "rd");
    set(sched_field::kRs, in.rs, "rs");
    set(sched_field::kRt, in.rt, "rt");
    set(sched_field::kImm, in.imm, "imm");
    return word;
  }
  set(unit_field::kWait1, in.wait1, "wait1");
  set(unit_field::kSig0, in.sig0, "sig0");
  set(unit_field::kSig1, in.sig1, "sig1");
  set(unit_field::kMode, in.mode, "mode");
  set(unit_field::kCount, in.count, "count");
  for (const OperandFields& f : kOperands) {
    set(f.reg, (in.*f.operand).reg, f.name);
    set(f.offset, (in.*f.operand).offset, f.name);
  }
  return word;
}

Instruction decode(const Encoded& word) {
  Instruction out;
  out.opcode = static_cast<Opcode>(get(word, unit_field::kOpcode));
  const OpcodeInfo& info = opcode_info(out.opcode);
  const auto small = [&](Field field) { return static_cast<uint8_t>(get(word, field)); };
  out.wait0 = small(unit_field::kWait0);
  if (info.unit == Unit::kSched) {
    out.sig0 = small(sched_field::kSig);
    out.rd = small(sched_field::kRd);
    out.rs = small(sched_field::kRs);
    out.rt = small(sched_field::kRt);
    out.imm = get(word, sched_field::kImm);
    if (get(word, {11, 5}) != 0 || get(word, {21, 5}) != 0 || get(word, {41, 39}) != 0) {
      fail("{}: expected reserved bits 0, found word {:016x}{:016x}", info.name, word.high, word.low);
    }
  } else {
    out.wait1 = small(unit_field::kWait1);
    out.sig0 = small(unit_field::kSig0);
    out.sig1 = small(unit_field::kSig1);
    out.mode = small(unit_field::kMode);
    out.count = static_cast<uint16_t>(get(word, unit_field::kCount));
    for (const OperandFields& f : kOperands) {
      out.*f.operand = {small(f.reg), static_cast<uint16_t>(get(word, f.offset))};
    }
  }
  check_unused(out, info, shape_of(out.opcode));
  return out;
}

std::array<uint8_t, kInstructionBytes> to_bytes(const Encoded& word) {
  std::array<uint8_t, kInstructionBytes> bytes{};
  for (size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<uint8_t>(word.low >> (8 * i));
    bytes[8 + i] = static_cast<uint8_t>(word.high >> (8 * i));
  }
  return bytes;
}

Encoded from_bytes(std::span<const uint8_t, kInstructionBytes> bytes) {
  Encoded word;
  for (size_t i = 0; i < 8; ++i) {
    word.low |= uint64_t{bytes[i]} << (8 * i);
    word.high |= uint64_t{bytes[8 + i]} << (8 * i);
  }
  return word;
}

UnitCommand resolve(const Instruction& in, std::span<const uint64_t, kRegisters> registers, uint32_t pc,
                    uint64_t channel_bytes) {
  const Unit unit = opcode_info(in.opcode).unit;
  if (unit == Unit::kSched) fail("{}: expected a unit instruction", opcode_info(in.opcode).name);
  const auto local = [&](Operand o) { return static_cast<uint16_t>(registers[o.reg] + o.offset); };
  UnitCommand cmd;
  cmd.pc = pc;
  cmd.opcode = in.opcode;
  cmd.mode = in.mode;
  const bool indirect = unit != Unit::kVec && (in.mode & kModeCountRegister) != 0;
  cmd.count = indirect ? static_cast<uint16_t>(registers[in.count % kRegisters]) : in.count;
  cmd.a0 = local(in.a0);
  const uint64_t unit_size = unit == Unit::kDma ? channel_bytes : 1;
  cmd.a1 = (registers[in.a1.reg] + in.a1.offset * unit_size) & kRegisterMask;
  cmd.a2 = local(in.a2);
  cmd.s0 = local(in.s0);
  cmd.s1 = local(in.s1);
  cmd.s2 = (registers[in.s2.reg] + in.s2.offset) & kRegisterMask;
  cmd.pos = static_cast<uint16_t>(registers[1]);
  return cmd;
}

std::string disassemble(const Instruction& in, size_t index, const Symbols& symbols) {
  const OpcodeInfo& info = opcode_info(in.opcode);
  const Shape& shape = shape_of(in.opcode);
  std::string text = fmt::format("{:<8}", info.name);
  const auto add = [&](std::string word) { text += ' ' + word; };
  if (info.unit == Unit::kSched) {
    if (in.wait0 != 0) add("wait=" + semaphore_name(in.wait0, symbols));
    if (in.sig0 != 0) add("sig=" + semaphore_name(in.sig0, symbols));
    if (has_field(shape, "rd")) add(register_name(in.rd, symbols));
    if (has_field(shape, "rs")) add(register_name(in.rs, symbols));
    if (has_field(shape, "rt")) add(register_name(in.rt, symbols));
    switch (in.opcode) {
      case Opcode::kBeqz:
      case Opcode::kBnez:
      case Opcode::kJump: {
        const auto target = static_cast<size_t>(static_cast<int64_t>(index) + signed_imm(in.imm));
        const auto label = symbols.labels.find(target);
        add(label != symbols.labels.end() ? label->second : fmt::format("{}", target));
        break;
      }
      case Opcode::kLoop:
        add(fmt::format("to {}", index + in.imm));
        break;
      case Opcode::kCsrr:
      case Opcode::kCsrw:
        add(csr_name(in.imm));
        break;
      case Opcode::kAndi:
        add(fmt::format("{:#x}", in.imm));
        break;
      default:
        if (has_field(shape, "imm")) add(fmt::format("{}", signed_imm(in.imm)));
    }
    return text;
  }
  if (shape.count) {
    const bool indirect = info.unit != Unit::kVec && (in.mode & kModeCountRegister) != 0;
    add("count=" +
        (indirect ? register_name(static_cast<uint8_t>(in.count), symbols) : fmt::format("{}", in.count)));
  }
  const std::string mode = mode_text(in.opcode, in.mode);
  if (!mode.empty()) add(mode);
  for (const OperandFields& f : kOperands) {
    if (!(shape.*f.label).empty()) {
      add(fmt::format("{}={}", shape.*f.label, operand_text(in.*f.operand, symbols)));
    }
  }
  const auto pair = [&](std::string_view word, uint8_t first, uint8_t second) {
    if (first == 0 && second == 0) return;
    std::string names;
    for (const uint8_t s : {first, second}) {
      if (s != 0) names += (names.empty() ? "" : ",") + semaphore_name(s, symbols);
    }
    add(fmt::format("{}={}", word, names));
  };
  pair("wait", in.wait0, in.wait1);
  pair("sig", in.sig0, in.sig1);
  return text;
}

std::string disassemble(std::span<const Encoded> program, const Symbols& symbols) {
  std::string text;
  for (size_t i = 0; i < program.size(); ++i) {
    const auto label = symbols.labels.find(i);
    if (label != symbols.labels.end()) text += label->second + ":\n";
    const auto comment = symbols.comments.find(i);
    if (comment != symbols.comments.end()) text += "    ; " + comment->second + "\n";
    text += fmt::format("{:5}  {}\n", i, disassemble(decode(program[i]), i, symbols));
  }
  return text;
}

Program::Program() {
  symbols_.registers[0] = "zero";
  symbols_.registers[1] = "pos";
}

uint8_t Program::reg(std::string_view name) {
  for (int i = 0; i < registers_; ++i) {
    if (symbols_.registers[static_cast<size_t>(i)] == name) return static_cast<uint8_t>(i);
  }
  if (registers_ == kRegisters) fail("register {}: expected at most {} registers in use", name, kRegisters);
  symbols_.registers[static_cast<size_t>(registers_)] = name;
  return static_cast<uint8_t>(registers_++);
}

uint8_t Program::sem(std::string_view name) {
  for (int i = 1; i < semaphores_; ++i) {
    if (symbols_.semaphores[static_cast<size_t>(i)] == name) return static_cast<uint8_t>(i);
  }
  if (semaphores_ == kSemaphores) fail("semaphore {}: expected at most {} in use", name, kSemaphores - 1);
  symbols_.semaphores[static_cast<size_t>(semaphores_)] = name;
  return static_cast<uint8_t>(semaphores_++);
}

size_t Program::emit(const Instruction& instruction) {
  encode(instruction);  // refuses what does not fit, where it is written
  instructions_.push_back(instruction);
  return instructions_.size() - 1;
}

void Program::comment(std::string text) {
  auto& slot = symbols_.comments[instructions_.size()];
  slot = slot.empty() ? std::move(text) : slot + "; " + text;
}

Program::Label Program::make_label(std::string name) {
  labels_.push_back({std::move(name), std::nullopt});
  return {labels_.size() - 1};
}

void Program::place(Label label) {
  Place& place = labels_[label.id];
  if (place.index) fail("label {}: expected to be placed once", place.name);
  place.index = instructions_.size();
  symbols_.labels[instructions_.size()] = place.name;
}

void Program::branch(Opcode opcode, uint8_t rs, Label target) {
  branches_.push_back({instructions_.size(), target.id});
  Instruction in;
  in.opcode = opcode;
  in.rs = rs;
  emit(in);
}

void Program::begin_loop(uint8_t rs) {
  loops_.push_back(instructions_.size());
  deepest_ = std::max(deepest_, static_cast<int>(loops_.size()));
  if (deepest_ > kLoopNesting) fail("loops: expected at most {} nested", kLoopNesting);
  scheduler(Opcode::kLoop, 0, rs);
}

void Program::end_loop() {
  if (loops_.empty()) fail("loops: end without a begin");
  const size_t begin = loops_.back();
  loops_.pop_back();
  const bool label_here = std::any_of(labels_.begin(), labels_.end(), [&](const Place& place) {
    return place.index == instructions_.size();
  });
  const Opcode last = instructions_.back().opcode;
  const bool jump =
      last == Opcode::kLoop || last == Opcode::kBeqz || last == Opcode::kBnez || last == Opcode::kJump;
  if (label_here || jump || begin + 1 == instructions_.size()) nop();
  // Two loops may not end with the same instruction.
  for (size_t i = begin + 1; i < instructions_.size(); ++i) {
    if (instructions_[i].opcode == Opcode::kLoop && i + instructions_[i].imm + 1 == instructions_.size()) {
      nop();
      break;
    }
  }
  instructions_[begin].imm = instructions_.size() - begin - 1;
}

std::vector<Encoded> Program::assemble() const {
  if (!loops_.empty()) fail("loops: expected all closed, found {} open", loops_.size());
  std::vector<Instruction> resolved = instructions_;
  for (const Branch& branch : branches_) {
    const Place& place = labels_[branch.label];
    if (!place.index) fail("label {}: expected to be placed", place.name);
    resolved[branch.index].imm = (*place.index - branch.index) & kRegisterMask;
  }
  std::vector<Encoded> words;
  words.reserve(resolved.size());
  for (const Instruction& in : resolved) words.push_back(encode(in));
  return words;
}

void Program::post(uint8_t semaphore) {
  Instruction in;
  in.opcode = Opcode::kPost;
  in.sig0 = semaphore;
  emit(in);
}

void Program::wait(uint8_t semaphore) {
  Instruction in;
  in.opcode = Opcode::kWait;
  in.wait0 = semaphore;
  emit(in);
}

void Program::argmax(uint8_t rd, uint8_t semaphore) {
  Instruction in;
  in.opcode = Opcode::kArgmax;
  in.wait0 = semaphore;
  in.rd = rd;
  emit(in);
}

void Program::scheduler(Opcode opcode, uint8_t rd, uint8_t rs, uint8_t rt, int64_t imm) {
  Instruction in;
  in.opcode = opcode;
  in.rd = rd;
  in.rs = rs;
  in.rt = rt;
  in.imm = static_cast<uint64_t>(imm) & kRegisterMask;
  emit(in);
}

}  // namespace pimllm::isa

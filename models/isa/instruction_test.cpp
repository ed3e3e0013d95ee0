// Encoding, strict decoding, resolution, disassembly and the program builder.
#include "models/isa/instruction.hpp"

#include <gtest/gtest.h>

#include <random>

#include "golden/error.hpp"
#include "golden/test_util.hpp"

namespace pimllm::isa {
namespace {

TEST(Instruction, FieldsLieWhereTheTableSays) {
  Instruction in;
  in.opcode = Opcode::kQk;
  in.wait0 = 1;
  in.wait1 = 2;
  in.sig0 = 3;
  in.sig1 = 4;
  in.mode = 0x45;
  in.count = 7;
  in.a0 = {8, 9};
  in.a1 = {10, 0x7FF};
  in.a2 = {11, 12};
  in.s0 = {13, 14};
  in.s1 = {15, 16};
  in.s2 = {31, 127};
  const Encoded word = encode(in);
  EXPECT_EQ(word.low & 63, 40U);
  EXPECT_EQ(word.low >> 6 & 31, 1U);
  EXPECT_EQ(word.low >> 26 & 127, 0x45U);
  EXPECT_EQ(word.low >> 33 & 2047, 7U);
  EXPECT_EQ(word.low >> 44 & 2047, 9U);
  EXPECT_EQ((word.low >> 60 | word.high << 4) & 2047, 0x7FFU);
  EXPECT_EQ(word.high >> 59 & 31, 31U);
  EXPECT_EQ(word.high >> 52 & 127, 127U);
  EXPECT_EQ(decode(word), in);
  EXPECT_EQ(from_bytes(to_bytes(word)), word);
}

// Whatever decodes encodes back to the same word.
TEST(Instruction, RandomWordsRoundTripOrAreRefused) {
  std::mt19937_64 rng(test_seed());
  int good = 0;
  for (int i = 0; i < 200000; ++i) {
    Encoded word{rng(), rng()};
    if (i % 2 == 0) {  // scheduler-like words with few bits set
      word.low &= rng() & rng() & 0x1F'FFFF'FFFF;
      word.high &= ~uint64_t{0xFFFF};
    }
    try {
      EXPECT_EQ(encode(decode(word)), word);
      ++good;
      EXPECT_FALSE(disassemble(decode(word)).empty());
    } catch (const Error&) {
    }
  }
  EXPECT_GT(good, 1000);
}

TEST(Instruction, RefusesWhatDoesNotFit) {
  Instruction in;
  in.opcode = Opcode::kNorm;
  in.count = 2048;
  EXPECT_THROW(encode(in), Error);
  in.count = 1;
  in.s0.offset = 128;
  EXPECT_THROW(encode(in), Error);
  in.s0.offset = 0;
  in.mode = 0x40;
  EXPECT_THROW(encode(in), Error);
  EXPECT_THROW(decode({63, 0}), Error);
  EXPECT_THROW(decode({static_cast<uint64_t>(Opcode::kHalt) | uint64_t{1} << 45, 0}), Error);
  in = {};
  in.opcode = Opcode::kHalt;
  in.rd = 1;
  EXPECT_THROW(encode(in), Error);
}

TEST(Instruction, ResolvesOperands) {
  std::array<uint64_t, kRegisters> registers{};
  registers[1] = 77;
  registers[5] = 0x1'0000;
  registers[6] = 42;
  Instruction in;
  in.opcode = Opcode::kLoadt;
  in.mode = kModeCountRegister;
  in.count = 6;
  in.a0 = {5, 3};
  in.a1 = {5, 2};
  const UnitCommand cmd = resolve(in, registers, 9, 128);
  EXPECT_EQ(cmd.count, 42);
  EXPECT_EQ(cmd.a0, 3);
  EXPECT_EQ(cmd.a1, 0x1'0100U);
  EXPECT_EQ(cmd.pos, 77);
  EXPECT_EQ(cmd.pc, 9U);
}

TEST(Program, LabelsLoopsAndNames) {
  Program p;
  const uint8_t count = p.reg("count");
  EXPECT_EQ(p.reg("count"), count);
  EXPECT_EQ(p.reg("pos"), 1);
  const auto end = p.make_label("end");
  const auto top = p.make_label("top");
  p.place(top);
  p.begin_loop(count);
  p.branch(Opcode::kBeqz, count, end);
  p.post(p.sem("full"));
  p.place(end);
  p.end_loop();
  p.branch(Opcode::kJump, 0, top);
  const auto words = p.assemble();
  ASSERT_EQ(words.size(), 5U);
  EXPECT_EQ(decode(words[0]).imm, 3U);                      // a NOP stands at the label
  EXPECT_EQ(decode(words[1]).imm, 2U);                      // to the NOP
  EXPECT_EQ(decode(words[4]).imm, kRegisterMask + 1 - 4U);  // back
  const std::string text = disassemble(words, p.symbols());
  EXPECT_NE(text.find("BEQZ     count end"), std::string::npos) << text;
  EXPECT_NE(text.find("POST     sig=full"), std::string::npos) << text;
}

TEST(Program, RunsOutOfNamesWithASentence) {
  Program p;
  for (int i = 2; i < kRegisters; ++i) p.reg("x" + std::to_string(i));
  EXPECT_THROW(p.reg("one more"), Error);
  p.begin_loop(2);
  EXPECT_THROW(p.assemble(), Error);
}

}  // namespace
}  // namespace pimllm::isa

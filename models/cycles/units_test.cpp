// Durations that docs/vector.md, docs/pim.md, docs/array.md and docs/softmax.md measured on the RTL in
// `paper`.
#include "models/cycles/units.hpp"

#include <gtest/gtest.h>

namespace pimllm::cycles {
namespace {

using isa::Opcode;
using isa::UnitCommand;

const HardwareParameters kPaper = hardware_preset("paper");

uint64_t vec(Opcode opcode, uint8_t mode, uint16_t count) {
  VectorUnit unit(kPaper);
  UnitCommand c;
  c.opcode = opcode;
  c.mode = mode;
  c.count = count;
  c.a1 = static_cast<uint64_t>(kPaper.act_words) / 2;  // constants in the other bank
  const Span s = unit.run(c, 100);
  return s.done - s.taken;
}

TEST(VectorCycles, AsMeasured) {
  constexpr uint8_t kOneGroup = 7 << 4;
  EXPECT_EQ(vec(Opcode::kNorm, 0, 4), 38U);
  EXPECT_EQ(vec(Opcode::kNorm, 0, 12), 70U);
  EXPECT_EQ(vec(Opcode::kNorm, 1, 4), 74U);
  EXPECT_EQ(vec(Opcode::kQuant, kOneGroup, 4), 22U);
  EXPECT_EQ(vec(Opcode::kQuant, kOneGroup, 12), 38U);
  EXPECT_EQ(vec(Opcode::kQuant, 1 << 2 | 2, 4), 44U);
  EXPECT_EQ(vec(Opcode::kQuant, 1 << 2 | 1, 4), 40U);
  EXPECT_EQ(vec(Opcode::kQuant, 2 << 2 | 2, 4), 90U);
  EXPECT_EQ(vec(Opcode::kQuant, 3 << 2, 4), 39U);
  EXPECT_EQ(vec(Opcode::kJoin, 0, 4), 26U);
  EXPECT_EQ(vec(Opcode::kResadd, 0, 4), 19U);
  EXPECT_EQ(vec(Opcode::kResadd, 1, 4), 19U);
  EXPECT_EQ(vec(Opcode::kActfn, 4 | 1, 12), 61U);
  EXPECT_EQ(vec(Opcode::kActfn, 4 | 2, 12), 54U);
  EXPECT_EQ(vec(Opcode::kActfn, 8 | 3, 16), 46U);
  EXPECT_EQ(vec(Opcode::kActfn, 8, 16), 27U);
  EXPECT_EQ(vec(Opcode::kEmbed, 0, 4), 15U);
  EXPECT_EQ(vec(Opcode::kLogit, 0, 4), 19U);
}

TEST(PimCycles, AsMeasured) {
  const auto xbar = [](int in, int out) {
    PimUnit unit(kPaper, {});
    UnitCommand c;
    c.opcode = Opcode::kXbar;
    c.count = static_cast<uint16_t>(out / kPaper.vec_lanes);
    c.s1 = static_cast<uint16_t>((in + kPaper.xbar_rows - 1) / kPaper.xbar_rows);
    return unit.run(c, 7).done - 7;
  };
  EXPECT_EQ(xbar(256, 256), 43U);
  EXPECT_EQ(xbar(2048, 256), 50U);
  EXPECT_EQ(xbar(256, 2048), 60U);
  EXPECT_EQ(xbar(768, 768), 77U);
  EXPECT_EQ(xbar(768, 3072), 207U);
  EXPECT_EQ(xbar(3072, 768), 210U);
  EXPECT_EQ(xbar(1024, 4096), 272U);
  EXPECT_EQ(xbar(4096, 1024), 274U);
}

TEST(ArrayCycles, AsMeasured) {
  const auto array = [](Opcode opcode, int tokens, int s0, int lg_heads) {
    ArrayUnit unit(kPaper);
    UnitCommand c;
    c.opcode = opcode;
    c.mode = static_cast<uint8_t>(lg_heads << 3);
    c.count = static_cast<uint16_t>(tokens);
    c.s0 = static_cast<uint16_t>(s0);
    return unit.run(c, 7).done - 7;
  };
  EXPECT_EQ(array(Opcode::kQk, 256, 64, 0), 30U);
  EXPECT_EQ(array(Opcode::kQk, 1024, 64, 0), 78U);
  EXPECT_EQ(array(Opcode::kQk, 4096, 128, 0), 526U);
  EXPECT_EQ(array(Opcode::kQk, 1024, 64, 2), 270U);
  EXPECT_EQ(array(Opcode::kPv, 256, 2, 0), 60U);
  EXPECT_EQ(array(Opcode::kPv, 1024, 2, 0), 153U);
  EXPECT_EQ(array(Opcode::kPv, 4096, 2, 0), 537U);
  EXPECT_EQ(array(Opcode::kPv, 1024, 2, 2), 540U);
}

TEST(ArrayCycles, ThreePlanesAreThreeSweeps) {
  ArrayUnit unit(kPaper);
  UnitCommand c;
  c.opcode = Opcode::kPv;
  c.count = 4096;
  c.s0 = 2;
  const uint64_t two = unit.run(c, 0).done;
  c.mode = 1 << 5;
  ArrayUnit other(kPaper);
  EXPECT_EQ(other.run(c, 0).done, two + 257);
}

TEST(SoftmaxCycles, AsMeasured) {
  for (const auto& [tokens, exact, consmax] :
       {std::tuple{32, 26, 26}, {128, 38, 32}, {1024, 150, 88}, {4096, 534, 280}}) {
    for (const bool con : {false, true}) {
      SoftmaxUnit unit(kPaper);
      UnitCommand c;
      c.opcode = Opcode::kSoftmax;
      c.mode = con ? 1 : 0;
      c.count = static_cast<uint16_t>(tokens);
      c.s0 = 64;
      EXPECT_EQ(unit.run(c, 7).done - 7, static_cast<uint64_t>(con ? consmax : exact)) << tokens;
    }
  }
}

}  // namespace
}  // namespace pimllm::cycles

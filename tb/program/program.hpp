// A random program before its semaphores are placed: instructions with resolved operands and the places they
// read and write. Dropping any item leaves a program that lower() makes legal again, which is what the
// shrinker needs.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/compiler/hardware.hpp"
#include "models/isa/instruction.hpp"
#include "sim/machine/machine.hpp"
#include "tb/program/layout.hpp"

namespace pimllm::tb {

// Places of a space in the units of sim/reference/hazards.hpp: words; SCR half words; KV rows, group after
// group; memory beats.
struct Access {
  Space space = Space::kAct;
  uint64_t first = 0;
  uint64_t count = 0;
  bool write = false;
};

// A unit instruction. Operands that the opcode does not have are empty.
struct Operation {
  isa::Opcode opcode = isa::Opcode::kNop;
  uint8_t mode = 0;
  uint16_t count = 0;
  std::optional<uint64_t> a0, a1, a2, s0, s1, s2;
  std::optional<uint16_t> position;  // r1, where it matters
  std::vector<Access> accesses;

  isa::Unit unit() const { return isa::opcode_info(opcode).unit; }
};

enum class ItemKind {
  kOperations,  // unit instructions that stay together
  kScalar,      // scheduler instructions without effect on units
  kSync,
  kPost,          // tokens from the decoder to itself
  kBranch,        // taken over instructions that must never run, or not taken
  kLoop,          // hardware loop (0 rounds: the body must never run)
  kCountdown,     // loop by ADDI and BNEZ
  kHostRegister,  // CSRR, CSRW
  kArgmax,
  kIllegal,  // see illegal.hpp
};

struct Item {
  ItemKind kind = ItemKind::kOperations;
  uint64_t seed = 0;  // of what lower() draws for it
  std::vector<Operation> operations;
  std::vector<Item> body;
  uint64_t rounds = 0;  // of a loop
  int illegal = 0;      // number of the case
};

struct HostArguments {
  uint32_t token_in = 0;
  uint32_t position = 0;
  uint32_t tokens_left = 0;
  std::array<uint64_t, 4> arg{};  // 48 bits
};

struct CrossbarSetting {
  int rows_per_conversion = 0;
  int lsb_shift = 0;
  int adc_bits = 0;
};

// Everything that a run depends on.
struct Conditions {
  std::string config;
  uint64_t seed = 0;  // of memory's contents, stalls and latencies
  Window window;
  uint64_t memory_base = 0;
  uint64_t program_address = 0;
  HostArguments host;
  CrossbarSetting crossbar;
  sim::MemoryTiming timing;
};

struct RandomProgram {
  Conditions conditions;
  std::vector<Item> items;
};

}  // namespace pimllm::tb

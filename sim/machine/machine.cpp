#include "sim/machine/machine.hpp"

#include <algorithm>

#include "golden/error.hpp"
#include "sim/machine/factories.hpp"
#include "sim/machine/packing.hpp"

namespace pimllm::sim {

uint64_t bit_field(std::span<const uint8_t> bytes, size_t lsb, size_t width) {
  uint64_t value = 0;
  for (size_t bit = 0; bit < width;) {
    const size_t at = lsb + bit;
    const size_t take = std::min(width - bit, 8 - at % 8);
    const uint64_t part = static_cast<uint64_t>(bytes[at / 8]) >> (at % 8) & ((uint64_t{1} << take) - 1);
    value |= part << bit;
    bit += take;
  }
  return value;
}

isa::UnitCommand unpack_command(std::span<const uint8_t> bytes, size_t index) {
  // Widths of the members of unit_cmd_t from the lowest on.
  constexpr size_t kBits = 16 + 48 + 16 + 16 + 16 + 48 + 16 + 16 + 7 + 6 + 32;
  size_t at = index * kBits;
  const auto take = [&](size_t width) {
    const uint64_t value = bit_field(bytes, at, width);
    at += width;
    return value;
  };
  isa::UnitCommand command;
  command.pos = static_cast<uint16_t>(take(16));
  command.s2 = take(48);
  command.s1 = static_cast<uint16_t>(take(16));
  command.s0 = static_cast<uint16_t>(take(16));
  command.a2 = static_cast<uint16_t>(take(16));
  command.a1 = take(48);
  command.a0 = static_cast<uint16_t>(take(16));
  command.count = static_cast<uint16_t>(take(16));
  command.mode = static_cast<uint8_t>(take(7));
  command.opcode = static_cast<isa::Opcode>(take(6));
  command.pc = static_cast<uint32_t>(take(32));
  return command;
}

std::unique_ptr<Machine> make_machine(std::string_view config, const MachineOptions& options) {
  for (const auto& factory : machine_factories()) {
    if (factory.config == config) return factory.make(options);
  }
  std::string known;
  for (const auto& factory : machine_factories())
    known += (known.empty() ? "" : ", ") + std::string(factory.config);
  fail("configuration: expected one of {}, found '{}'", known, config);
}

std::vector<std::string> machine_configs() {
  std::vector<std::string> names;
  for (const auto& factory : machine_factories()) names.emplace_back(factory.config);
  return names;
}

}  // namespace pimllm::sim

#include "sim/machine/registers.hpp"

#include <array>
#include <cstddef>

#include "golden/error.hpp"
#include "models/isa/pimllm_regs.h"

namespace pimllm::sim {
namespace {

struct Register {
  std::string_view name;
  uint32_t address;
};

#define PIMLLM_REGISTER(name) \
  Register { #name, static_cast < uint32_t>(offsetof(pimllm_regs_t, name)) }
#define PIMLLM_COUNTER(name) PIMLLM_REGISTER(name##_LO), PIMLLM_REGISTER(name##_HI)
#define PIMLLM_UNIT_COUNTERS(unit)                                                                        \
  PIMLLM_COUNTER(unit##_BUSY), PIMLLM_COUNTER(unit##_STALL_OPERAND), PIMLLM_COUNTER(unit##_STALL_OUTPUT), \
      PIMLLM_COUNTER(unit##_STALL_MEMORY)

constexpr std::array kRegisters = {PIMLLM_REGISTER(ID),
                                   PIMLLM_REGISTER(VERSION),
                                   PIMLLM_REGISTER(CONTROL),
                                   PIMLLM_REGISTER(STATUS),
                                   PIMLLM_REGISTER(ERROR_CAUSE),
                                   PIMLLM_REGISTER(ERROR_PC),
                                   PIMLLM_REGISTER(TOKEN_IN),
                                   PIMLLM_REGISTER(PROGRAM_BASE_LO),
                                   PIMLLM_REGISTER(PROGRAM_BASE_HI),
                                   PIMLLM_REGISTER(POSITION),
                                   PIMLLM_REGISTER(TOKENS_LEFT),
                                   PIMLLM_REGISTER(TOKEN_OUT),
                                   PIMLLM_REGISTER(TOKEN_COUNT),
                                   PIMLLM_REGISTER(IRQ_ENABLE),
                                   PIMLLM_REGISTER(IRQ_STATE),
                                   PIMLLM_REGISTER(ARG0_HI),
                                   PIMLLM_REGISTER(ARG1_HI),
                                   PIMLLM_REGISTER(ARG2_HI),
                                   PIMLLM_REGISTER(ARG3_HI),
                                   PIMLLM_REGISTER(ARG0),
                                   PIMLLM_REGISTER(ARG1),
                                   PIMLLM_REGISTER(ARG2),
                                   PIMLLM_REGISTER(ARG3),
                                   PIMLLM_REGISTER(WATCHDOG_LIMIT),
                                   PIMLLM_REGISTER(ROWS_PER_CONV),
                                   PIMLLM_REGISTER(LSB_SHIFT),
                                   PIMLLM_REGISTER(ADC_BITS),
                                   PIMLLM_REGISTER(CLIP_COUNT),
                                   PIMLLM_REGISTER(ARRAY_ROWS),
                                   PIMLLM_REGISTER(ARRAY_COLS),
                                   PIMLLM_REGISTER(MEM_CHANNELS),
                                   PIMLLM_REGISTER(CHANNEL_BYTES),
                                   PIMLLM_REGISTER(XBAR_ROWS),
                                   PIMLLM_REGISTER(XBAR_COLS),
                                   PIMLLM_REGISTER(XBAR_SETS),
                                   PIMLLM_REGISTER(XBAR_SLOTS),
                                   PIMLLM_REGISTER(XBAR_ADCS),
                                   PIMLLM_REGISTER(MAX_ADC_BITS),
                                   PIMLLM_REGISTER(VEC_LANES),
                                   PIMLLM_REGISTER(SMX_LANES),
                                   PIMLLM_REGISTER(KV_ROWS),
                                   PIMLLM_REGISTER(ACT_WORDS),
                                   PIMLLM_REGISTER(SCR_WORDS),
                                   PIMLLM_REGISTER(KVS_WORDS),
                                   PIMLLM_REGISTER(SCL_WORDS),
                                   PIMLLM_REGISTER(QUEUE_DEPTH),
                                   PIMLLM_COUNTER(CYCLES),
                                   PIMLLM_COUNTER(INSTRUCTIONS),
                                   PIMLLM_COUNTER(FETCH_STALL),
                                   PIMLLM_COUNTER(QUEUE_STALL),
                                   PIMLLM_COUNTER(TOKEN_STALL),
                                   PIMLLM_UNIT_COUNTERS(DMA),
                                   PIMLLM_UNIT_COUNTERS(PIM),
                                   PIMLLM_UNIT_COUNTERS(ARR),
                                   PIMLLM_UNIT_COUNTERS(SMX),
                                   PIMLLM_UNIT_COUNTERS(VEC)};

#undef PIMLLM_UNIT_COUNTERS
#undef PIMLLM_COUNTER
#undef PIMLLM_REGISTER

}  // namespace

uint32_t register_address(std::string_view name) {
  for (const auto& entry : kRegisters) {
    if (entry.name == name) return entry.address;
  }
  fail("register map: expected a known register, found '{}'", name);
}

const std::vector<std::string_view>& counter_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> out;
    constexpr std::string_view kLow = "_LO";
    for (const auto& entry : kRegisters) {
      const auto name = entry.name;
      if (name.ends_with(kLow) && name != "PROGRAM_BASE_LO")
        out.push_back(name.substr(0, name.size() - kLow.size()));
    }
    return out;
  }();
  return names;
}

}  // namespace pimllm::sim

#include "models/compiler/hardware.hpp"

#include <array>
#include <bit>

#include "golden/error.hpp"

namespace pimllm {
namespace {

struct Member {
  std::string_view name;
  int HardwareParameters::*value;
};

constexpr std::array kMembers = {
    Member{"ArrayRows", &HardwareParameters::array_rows},
    Member{"ArrayCols", &HardwareParameters::array_cols},
    Member{"MemChannels", &HardwareParameters::mem_channels},
    Member{"ChannelBytes", &HardwareParameters::channel_bytes},
    Member{"XbarRows", &HardwareParameters::xbar_rows},
    Member{"XbarCols", &HardwareParameters::xbar_cols},
    Member{"XbarSets", &HardwareParameters::xbar_sets},
    Member{"XbarSlots", &HardwareParameters::xbar_slots},
    Member{"XbarAdcs", &HardwareParameters::xbar_adcs},
    Member{"AdcBits", &HardwareParameters::adc_bits},
    Member{"VecLanes", &HardwareParameters::vec_lanes},
    Member{"KvRows", &HardwareParameters::kv_rows},
    Member{"ActWords", &HardwareParameters::act_words},
    Member{"ScrWords", &HardwareParameters::scr_words},
    Member{"KvsWords", &HardwareParameters::kvs_words},
    Member{"SclWords", &HardwareParameters::scl_words},
    Member{"QueueDepth", &HardwareParameters::queue_depth},
};

}  // namespace

HardwareParameters hardware_preset(std::string_view name) {
  if (name == "paper") {
    return {.array_rows = 32,
            .array_cols = 32,
            .mem_channels = 4,
            .channel_bytes = 128,
            .xbar_rows = 256,
            .xbar_cols = 256,
            .xbar_sets = 8,
            .xbar_slots = 8,
            .xbar_adcs = 128,
            .adc_bits = 8,
            .vec_lanes = 64,
            .kv_rows = 4096,
            .act_words = 8192,
            .scr_words = 8192,
            .kvs_words = 4096,
            .scl_words = 4096,
            .queue_depth = 8};
  }
  if (name == "large") {  // `paper` with room for the crossbars of larger models
    HardwareParameters hardware = hardware_preset("paper");
    hardware.xbar_slots = 64;
    return hardware;
  }
  if (name == "small") {
    return {.array_rows = 8,
            .array_cols = 8,
            .mem_channels = 2,
            .channel_bytes = 32,
            .xbar_rows = 64,
            .xbar_cols = 64,
            .xbar_sets = 4,
            .xbar_slots = 256,
            .xbar_adcs = 32,
            .adc_bits = 8,
            .vec_lanes = 8,
            .kv_rows = 2048,
            .act_words = 2048,
            .scr_words = 1024,
            .kvs_words = 512,
            .scl_words = 1024,
            .queue_depth = 8};
  }
  if (name == "unit") {
    return {.array_rows = 4,
            .array_cols = 4,
            .mem_channels = 2,
            .channel_bytes = 8,
            .xbar_rows = 16,
            .xbar_cols = 16,
            .xbar_sets = 2,
            .xbar_slots = 16,
            .xbar_adcs = 8,
            .adc_bits = 5,
            .vec_lanes = 4,
            .kv_rows = 512,
            .act_words = 512,
            .scr_words = 256,
            .kvs_words = 128,
            .scl_words = 256,
            .queue_depth = 4};
  }
  if (name == "fpga") {
    return {.array_rows = 4,
            .array_cols = 4,
            .mem_channels = 1,
            .channel_bytes = 8,
            .xbar_rows = 32,
            .xbar_cols = 32,
            .xbar_sets = 2,
            .xbar_slots = 256,
            .xbar_adcs = 4,
            .adc_bits = 7,
            .vec_lanes = 2,
            .kv_rows = 1024,
            .act_words = 2048,
            .scr_words = 512,
            .kvs_words = 256,
            .scl_words = 512,
            .queue_depth = 4};
  }
  fail("configuration: expected paper, large, small, unit or fpga, found {}", name);
}

void check_hardware(const HardwareParameters& h) {
  for (const Member& m : kMembers) {
    const int value = h.*m.value;
    if (value < 1) fail("parameter {}: expected at least 1, found {}", m.name, value);
    if (m.name != "AdcBits" && !std::has_single_bit(static_cast<unsigned>(value))) {
      fail("parameter {}: expected a power of two, found {}", m.name, value);
    }
  }
  if (h.channel_bytes % h.array_cols != 0 || h.array_rows % h.group_banks() != 0) {
    fail(
        "parameter ChannelBytes: expected a multiple of ArrayCols {} with at most ArrayRows {} banks, found "
        "{}",
        h.array_cols, h.array_rows, h.channel_bytes);
  }
  if (h.groups() % h.mem_channels != 0) {
    fail("parameter MemChannels: expected a divisor of the {} bank groups, found {}", h.groups(),
         h.mem_channels);
  }
  if (h.xbar_rows != h.xbar_cols) {
    fail("parameter XbarCols: expected XbarRows {}, found {}", h.xbar_rows, h.xbar_cols);
  }
}

std::map<std::string, int> hardware_values(const HardwareParameters& hardware) {
  std::map<std::string, int> values;
  for (const Member& m : kMembers) values[std::string(m.name)] = hardware.*m.value;
  return values;
}

std::string discovery_register(std::string_view parameter) {
  if (parameter == "AdcBits") return "MAX_ADC_BITS";  // ADC_BITS is the run-time setting
  std::string name;
  for (const char c : parameter) {
    if (c >= 'A' && c <= 'Z' && !name.empty()) name += '_';
    name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return name;
}

HardwareParameters hardware_from_values(const std::map<std::string, int>& values) {
  HardwareParameters hardware;
  for (const Member& m : kMembers) {
    const auto it = values.find(std::string(m.name));
    if (it == values.end()) fail("parameter {}: expected a value, found none", m.name);
    hardware.*m.value = it->second;
  }
  check_hardware(hardware);
  return hardware;
}

}  // namespace pimllm

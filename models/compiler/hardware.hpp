// Parameters of a machine (docs/architecture.md, "Parameters and configurations") and what follows from them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace pimllm {

struct HardwareParameters {
  int array_rows = 0;  // R
  int array_cols = 0;  // C, also tokens of a KV tile
  int mem_channels = 0;
  int channel_bytes = 0;  // a beat of one channel
  int xbar_rows = 0;
  int xbar_cols = 0;
  int xbar_sets = 0;
  int xbar_slots = 0;
  int xbar_adcs = 0;
  int adc_bits = 0;
  int vec_lanes = 0;
  int kv_rows = 0;
  int act_words = 0;
  int scr_words = 0;
  int kvs_words = 0;
  int scl_words = 0;
  int queue_depth = 0;

  int group_banks() const { return channel_bytes / array_cols; }  // GB
  int groups() const { return array_rows / group_banks(); }       // NG
  int crossbars() const { return xbar_sets * xbar_slots; }
  int act_bytes() const { return 4 * vec_lanes; }               // of a word
  int scr_bytes() const { return 4 * array_cols; }              // of a word, KVS too
  int xbar_bytes() const { return xbar_rows * xbar_cols / 4; }  // programming data of a crossbar

  friend bool operator==(const HardwareParameters&, const HardwareParameters&) = default;
};

// "paper", "large", "small", "unit" or "fpga"; throws Error for another name. The values are those of
// rtl/configs.json.
HardwareParameters hardware_preset(std::string_view name);

// Throws Error for values the machine cannot have.
void check_hardware(const HardwareParameters& hardware);

// Values by the parameter's name in docs/architecture.md ("ArrayRows", ...), as the discovery registers and
// configuration files give them. from_values throws Error for a missing or unknown name.
std::map<std::string, int> hardware_values(const HardwareParameters& hardware);
HardwareParameters hardware_from_values(const std::map<std::string, int>& values);
// Name of the discovery register of a parameter: "ArrayRows" is in ARRAY_ROWS (rtl/regs/pimllm_regs.rdl).
std::string discovery_register(std::string_view parameter);

}  // namespace pimllm

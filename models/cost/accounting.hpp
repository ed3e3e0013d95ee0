// How costs are counted: each quirk of the published evaluation is a switch.
#pragma once

#include <span>
#include <string_view>

namespace pimllm::cost {

// true: as in the published evaluation. What each one means stands in quirks().
struct Accounting {
  bool attention_energy_once = true;
  bool ffn_dimensions = true;
  bool q_inputs = true;
  bool two_widths = true;
  bool ffn_matrices = true;
  bool output_read_twice = true;
  bool dummy_layer = true;
  bool no_dram_time = true;
  bool no_dram_energy = true;
  bool truncated_latency = true;
  bool store_and_forward = true;
  bool operator==(const Accounting&) const = default;
};

// Every quirk on: the published figures.
Accounting as_published();
// Every error of the published evaluation corrected. store_and_forward stays: it is how the machine is built.
Accounting corrected();

struct Quirk {
  std::string_view name;
  bool Accounting::*member;
  std::string_view published;  // what the published evaluation does
  std::string_view corrected;  // what the correction does
};

// All switches, in the order of Accounting.
std::span<const Quirk> quirks();

// Applies "NAME=on" or "NAME=off"; throws Error that lists the names.
void set_quirk(Accounting& accounting, std::string_view setting);

}  // namespace pimllm::cost

#include "models/cost/accounting.hpp"

#include <array>
#include <string>

#include "golden/error.hpp"

namespace pimllm::cost {
namespace {

constexpr std::array kQuirks = {
    Quirk{"attention_energy_once", &Accounting::attention_energy_once,
          "the hybrid's attention energy counts for one decoder layer", "it counts in every layer"},
    Quirk{"ffn_dimensions", &Accounting::ffn_dimensions, "GPT-2's FFN is d x d", "it is d x 4d"},
    Quirk{"q_inputs", &Accounting::q_inputs, "the first FC layer (Q) has 7168 inputs in every model",
          "it has d inputs"},
    Quirk{"two_widths", &Accounting::two_widths, "GPT-2 1.5B has d = 1792 on the PIM side, 1600 on the array",
          "it has d = 1600 on both"},
    Quirk{"ffn_matrices", &Accounting::ffn_matrices, "LLaMA's FFN has two matrices",
          "it has three: up, gate, down"},
    Quirk{"output_read_twice", &Accounting::output_read_twice,
          "reading a tile's output buffer counts twice in a layer's latency", "it counts once"},
    Quirk{"dummy_layer", &Accounting::dummy_layer,
          "a dummy first layer of 7168 pixels takes one tile, and an 8 KB input buffer in every PE",
          "there is none, and input buffers are as large as needed"},
    Quirk{"no_dram_time", &Accounting::no_dram_time, "DRAM takes no time",
          "a phase takes at least the time of its DRAM traffic"},
    Quirk{"no_dram_energy", &Accounting::no_dram_energy, "DRAM takes no energy",
          "every DRAM bit takes energy"},
    Quirk{"truncated_latency", &Accounting::truncated_latency,
          "the PIM latency of a decoder layer is truncated to whole ns", "it is not truncated"},
    Quirk{"store_and_forward", &Accounting::store_and_forward,
          "a tile receives the whole message before it sends it on",
          "what if: the message is sent once a link, hops add one digital cycle each (wormhole)"},
};

}  // namespace

Accounting as_published() { return {}; }

Accounting corrected() {
  Accounting accounting;
  for (const auto& quirk : kQuirks) accounting.*quirk.member = false;
  accounting.store_and_forward = true;
  return accounting;
}

std::span<const Quirk> quirks() { return kQuirks; }

void set_quirk(Accounting& accounting, std::string_view setting) {
  const size_t equals = setting.find('=');
  const std::string_view name = setting.substr(0, equals);
  const std::string_view value = equals == std::string_view::npos ? "" : setting.substr(equals + 1);
  std::string known;
  for (const auto& quirk : kQuirks) {
    known.append(known.empty() ? "" : ", ").append(quirk.name);
    if (quirk.name != name) continue;
    if (value != "on" && value != "off") fail("quirk {}: expected on or off, found \"{}\"", name, value);
    accounting.*quirk.member = value == "on";
    return;
  }
  fail("quirk \"{}\": unknown; expected one of {}", name, known);
}

}  // namespace pimllm::cost

#include "models/cost/pim_bank.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "golden/error.hpp"
#include "models/cost/math.hpp"
#include "models/cost/pim_components.hpp"

namespace pimllm::cost {
namespace {

constexpr double kActivationBits = 8;  // of inputs and outputs
constexpr double kDigitalPeriodNs = 2;
constexpr double kIntraTileGbps = 1024;
constexpr double kInterTileGbps = 20;
// The dummy layer: one input and one output, run for each of 7168 pixels, all of which its input buffer
// holds.
constexpr int64_t kDummyPixels = 7168;
constexpr FcLayer kDummyLayer{.name = "dummy", .runs = kDummyPixels};

// What part of the bank an FC layer keeps busy.
struct Use {
  double rows, columns;  // of its fullest crossbar
  double pes;            // of its fullest tile
  double tiles;
  double passes;                // conversions a column
  double column_groups;         // columns an ADC converts one after another
  double input_groups;          // row groups x column groups
  double busy_dacs, busy_adcs;  // a PE
  double merge_levels;          // of the tree that joins the PEs
};

int64_t pes_of(const PimParameters& p, const FcLayer& layer) {
  return ceil_div(layer.inputs, p.rows) * ceil_div(layer.outputs, p.columns);
}

Use use_of(const PimParameters& p, const FcLayer& layer) {
  const int64_t pes = pes_of(p, layer);
  const int64_t rows = std::min(layer.inputs, p.rows);
  const int64_t columns = std::min(layer.outputs, p.columns);
  const int64_t column_groups = ceil_div(columns, p.adcs);
  const int64_t input_groups = ceil_div(rows, p.dacs) * column_groups;
  const int64_t bit_steps = ceil_div(static_cast<int64_t>(kActivationBits), p.dac_bits);
  const int64_t pes_in_tile = std::min(pes, p.pes_per_tile);
  Use use;
  use.rows = static_cast<double>(rows);
  use.columns = static_cast<double>(columns);
  use.pes = static_cast<double>(pes_in_tile);
  use.tiles = static_cast<double>(ceil_div(pes, p.pes_per_tile));
  use.passes = static_cast<double>(bit_steps * input_groups);
  use.column_groups = static_cast<double>(column_groups);
  use.input_groups = static_cast<double>(input_groups);
  use.busy_dacs = static_cast<double>(ceil_div(rows, ceil_div(p.rows, p.dacs)));
  use.busy_adcs = static_cast<double>(ceil_div(columns, ceil_div(p.columns, p.adcs)));
  use.merge_levels = ceil_log2(pes_in_tile);
  return use;
}

// Digital latencies of a layer, ns; energy needs them one by one.
struct DigitalLatency {
  double input_register, shift_register, demultiplexer, multiplexer, output_register, joint;
  double total() const {
    return input_register + shift_register + demultiplexer + multiplexer + output_register + joint;
  }
};

DigitalLatency digital_latency(const PimParameters& p, const Use& use) {
  return {.input_register = use.input_groups * kDigitalPeriodNs + use.passes * kDigitalPeriodNs,
          .shift_register = use.passes * kDigitalPeriodNs,
          .demultiplexer = use.passes * demultiplexer_ns(ceil_div(p.rows, p.dacs)),
          .multiplexer = use.passes * multiplexer_ns(ceil_div(p.columns, p.adcs)),
          .output_register = use.column_groups * kDigitalPeriodNs,
          .joint = use.merge_levels * kDigitalPeriodNs};
}

// Time to send bits over `hops` links.
double message_ns(double bits, double hops, double hop_ns, bool store_and_forward) {
  const double link_ns = bits / kInterTileGbps;
  if (store_and_forward) return hops * (hop_ns + link_ns);
  return hops > 0 ? link_ns + hops * kDigitalPeriodNs : 0;
}

PimLatency latency_of(const PimParameters& p, const FcLayer& layer, const LayerHops& hops,
                      const Accounting& accounting) {
  const Use use = use_of(p, layer);
  const double total_levels = ceil_log2(p.pes_per_tile);
  const double adc_bits = static_cast<double>(p.adc_bits);
  const double joined_bits = adc_bits + use.merge_levels;
  const double message_bits = use.columns * use.pes * kActivationBits;
  PimLatency latency;
  latency.computing = use.passes * dac_ns(p.dac_bits) + use.passes * crossbar_ns(p.rows, p.columns) +
                      use.passes * adc_ns(p.adc_bits);
  latency.digital = digital_latency(p, use).total();
  latency.intra_tile = (total_levels * joined_bits - use.merge_levels * (use.merge_levels + 1) / 2) *
                       use.columns / kIntraTileGbps;
  latency.pe_buffer = 2 * buffer_access_ns(use.rows * kActivationBits);
  latency.output_write = buffer_access_ns(joined_bits * use.columns * use.pes);
  latency.output_read = buffer_access_ns(message_bits);
  if (accounting.output_read_twice) latency.output_read_again = latency.output_read;
  latency.merge = message_ns(message_bits, static_cast<double>(hops.in_layer), kDigitalPeriodNs,
                             accounting.store_and_forward);
  latency.transfer = message_ns(static_cast<double>(layer.outputs) * kActivationBits,
                                static_cast<double>(hops.to_next), 0, accounting.store_and_forward);
  return latency;
}

// Powers of a tile, W.
struct TilePower {
  double crossbar, dac, adc, buffer_read, buffer_write;
  double input_register, shift_register, demultiplexer, multiplexer, output_register, joint;
  double total() const {
    return crossbar + dac + adc + buffer_read + buffer_write + input_register + shift_register +
           demultiplexer + multiplexer + output_register + joint;
  }
};

TilePower tile_power(const PimParameters& p, const Use& use, const BufferKind& input,
                     const BufferKind& output) {
  const int64_t rows_per_dac = ceil_div(p.rows, p.dacs);
  const int64_t columns_per_adc = ceil_div(p.columns, p.adcs);
  const double dacs = use.pes * use.busy_dacs;
  const double adcs = use.pes * use.busy_adcs;
  return {.crossbar = use.pes * kCrossbarsPerPe * use.rows * use.columns * kCellReadW /
                      static_cast<double>(rows_per_dac) / static_cast<double>(columns_per_adc),
          .dac = dacs * dac_w(p.dac_bits),
          .adc = adcs * adc_w(p.adc_bits),
          .buffer_read = use.pes * read_w(input) + read_w(output),
          .buffer_write = use.pes * write_w(input) + write_w(output),
          .input_register = dacs * kRegisterW,
          .shift_register = adcs * kShiftRegisterW,
          .demultiplexer = dacs * multiplexer_w(rows_per_dac),
          .multiplexer = adcs * multiplexer_w(columns_per_adc),
          .output_register = adcs * kRegisterW,
          .joint = (use.pes - 1) * use.busy_adcs * kJointW};
}

// W x ns = nJ.
PimEnergy energy_of(const PimParameters& p, const FcLayer& layer, const PimLatency& latency,
                    const TilePower& power) {
  const Use use = use_of(p, layer);
  const DigitalLatency digital = digital_latency(p, use);
  const double tiles = use.tiles * static_cast<double>(layer.runs);
  const double pe_access = latency.pe_buffer / 2;
  PimEnergy energy;
  energy.crossbar = tiles * power.crossbar * use.passes * crossbar_ns(p.rows, p.columns);
  energy.dac = tiles * power.dac * use.passes * dac_ns(p.dac_bits);
  energy.adc = tiles * power.adc * use.passes * adc_ns(p.adc_bits);
  energy.buffer = tiles * (power.buffer_read * (latency.output_read + pe_access) +
                           power.buffer_write * (latency.output_write + pe_access));
  energy.other_digital =
      tiles * (power.shift_register * digital.shift_register + power.input_register * digital.input_register +
               power.output_register * digital.output_register + power.demultiplexer * digital.demultiplexer +
               power.multiplexer * digital.multiplexer + power.joint * digital.joint);
  return energy;
}

// Buffers are of one size in the whole bank: the largest that a layer needs, a power of two bytes.
struct Buffers {
  BufferKind input, output;
};

Buffers buffers_of(const PimParameters& p, const std::vector<FcLayer>& layers, bool dummy) {
  int64_t input_bytes = dummy ? kDummyPixels : 1;
  int64_t output_bytes = 1;
  for (const auto& layer : layers) {
    const int64_t pes = pes_of(p, layer);
    input_bytes = std::max(input_bytes, ceil_div(layer.inputs, pes));
    output_bytes = std::max(output_bytes, ceil_div(2 * layer.outputs, ceil_div(pes, p.pes_per_tile)));
  }
  return {buffer_kind(input_bytes), buffer_kind(output_bytes)};
}

double tile_area_mm2(const PimParameters& p, const Buffers& buffers) {
  const auto pes = static_cast<double>(p.pes_per_tile);
  const auto dacs = static_cast<double>(p.dacs);
  const auto adcs = static_cast<double>(p.adcs);
  const double pe_um2 = kCrossbarsPerPe * crossbar_um2(p.rows, p.columns) + adcs * adc_um2(p.adc_bits) +
                        dacs * dac_um2(p.dac_bits) + buffers.input.area_um2 +
                        (dacs + adcs) * kSmallDigitalUm2;
  return (pes * pe_um2 + (pes - 1) * adcs * kJointUm2 + kForwardingBufferUm2) * 1e-6;
}

}  // namespace

PimEnergy& PimEnergy::operator+=(const PimEnergy& other) {
  crossbar += other.crossbar;
  dac += other.dac;
  adc += other.adc;
  buffer += other.buffer;
  other_digital += other.other_digital;
  return *this;
}

PimLatency& PimLatency::operator+=(const PimLatency& other) {
  computing += other.computing;
  digital += other.digital;
  intra_tile += other.intra_tile;
  pe_buffer += other.pe_buffer;
  output_write += other.output_write;
  output_read += other.output_read;
  output_read_again += other.output_read_again;
  merge += other.merge;
  transfer += other.transfer;
  return *this;
}

void check(const PimParameters& p) {
  const auto expect = [](std::string_view name, int64_t value, int64_t largest) {
    if (value < 1 || value > largest) fail("{}: expected 1 to {}, found {}", name, largest, value);
  };
  constexpr int64_t kLargestCrossbar = 2048;
  expect("crossbar rows", p.rows, kLargestCrossbar);
  expect("crossbar columns", p.columns, kLargestCrossbar);
  expect("DACs", p.dacs, kLargestCrossbar);
  expect("ADCs", p.adcs, kLargestCrossbar);
  expect("DAC bits", p.dac_bits, 8);
  expect("ADC bits", p.adc_bits, 14);
  expect("PEs per tile", p.pes_per_tile, 64);
}

std::vector<FcLayer> fc_layers(const Workload& w, const Accounting& accounting) {
  const PublishedDimensions published = w.published.value_or(PublishedDimensions{});
  const int64_t d = accounting.two_widths ? published.pim_d_model.value_or(w.d_model) : w.d_model;
  const int64_t ffn = accounting.ffn_dimensions ? published.d_ff.value_or(w.d_ff) : w.d_ff;
  const int64_t matrices =
      accounting.ffn_matrices ? published.ffn_matrices.value_or(w.ffn_matrices) : w.ffn_matrices;
  // Where the PIM side has another model width, all widths follow it.
  const auto scaled = [&](int64_t width) { return width * d / w.d_model; };
  const int64_t q = scaled(w.q_width());
  const int64_t kv = scaled(w.kv_width());
  const int64_t f = scaled(ffn);
  std::vector<FcLayer> layers = {{.name = "Q",
                                  .inputs = accounting.q_inputs ? published.q_inputs.value_or(d) : d,
                                  .outputs = q,
                                  .stage = 0},
                                 {.name = "K", .inputs = d, .outputs = kv, .stage = 0},
                                 {.name = "V", .inputs = d, .outputs = kv, .stage = 0},
                                 {.name = "O", .inputs = q, .outputs = d, .stage = 1},
                                 {.name = "FFN up", .inputs = d, .outputs = f, .stage = 2}};
  if (matrices == 3) layers.push_back({.name = "FFN gate", .inputs = d, .outputs = f, .stage = 2});
  layers.push_back({.name = "FFN down", .inputs = f, .outputs = d, .stage = 3});
  return layers;
}

PimBank pim_bank(const PimParameters& p, const std::vector<FcLayer>& layers, const Accounting& accounting) {
  const bool dummy = accounting.dummy_layer;
  const Buffers buffers = buffers_of(p, layers, dummy);
  std::vector<int64_t> tiles;
  for (const auto& layer : layers) tiles.push_back(ceil_div(pes_of(p, layer), p.pes_per_tile));

  PimBank bank;
  bank.tiles = dummy ? 1 : 0;
  for (const int64_t n : tiles) bank.tiles += n;
  constexpr int64_t kMostTiles = 1 << 20;  // each has a place
  if (bank.tiles > kMostTiles)
    fail("a decoder layer takes {} tiles, expected at most {}", bank.tiles, kMostTiles);
  if (p.grid_side > 0 && bank.tiles > p.grid_side * p.grid_side) {
    fail("a decoder layer takes {} tiles, but the grid of {} x {} has {}", bank.tiles, p.grid_side,
         p.grid_side, p.grid_side * p.grid_side);
  }
  const std::vector<LayerHops> hops = place_layers(tiles, dummy ? 1 : 0);

  const auto cost_of = [&](const FcLayer& layer, const LayerHops& layer_hops) {
    PimLayer cost;
    cost.layer = layer;
    cost.pes = pes_of(p, layer);
    cost.tiles = ceil_div(cost.pes, p.pes_per_tile);
    cost.hops = layer_hops;
    cost.latency = latency_of(p, layer, layer_hops, accounting);
    const TilePower power = tile_power(p, use_of(p, layer), buffers.input, buffers.output);
    cost.energy = energy_of(p, layer, cost.latency, power);
    cost.peak_power_w = power.total() * static_cast<double>(cost.tiles);
    return cost;
  };

  PimLatency slowest;
  for (size_t i = 0; i < layers.size(); ++i) {
    bank.layers.push_back(cost_of(layers[i], hops[i]));
    const PimLayer& cost = bank.layers.back();
    bank.energy += cost.energy;
    bank.crossbars += cost.pes;
    bank.peak_power_w += cost.peak_power_w;
    if (cost.latency.total() > slowest.total()) slowest = cost.latency;
    if (i + 1 == layers.size() || layers[i + 1].stage != layers[i].stage) {
      bank.latency += slowest;
      slowest = {};
    }
  }
  if (dummy) {
    const PimLayer cost = cost_of(kDummyLayer, {});
    bank.dummy_energy = cost.energy;
    bank.crossbars += cost.pes;
    bank.peak_power_w += cost.peak_power_w;
  }
  bank.area_mm2 = tile_area_mm2(p, buffers) * static_cast<double>(bank.tiles);
  bank.latency_ns = accounting.truncated_latency ? std::floor(bank.latency.total()) : bank.latency.total();
  return bank;
}

}  // namespace pimllm::cost

// Latency, energy, area and peak power of the PIM bank that holds the projections of one decoder layer.
//
// Equivalent to MNSIM 2.0 for fully connected layers, exact for all published PIM-LLM rows; every formula,
// its constants and their sources are in docs/cost_models.md. One fully connected (FC) layer of i inputs and
// o outputs fills ceil(i/rows) * ceil(o/columns) processing elements (PEs) of one positive and one negative
// crossbar, four PEs a tile.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "models/cost/accounting.hpp"
#include "models/cost/placement.hpp"
#include "models/cost/workload.hpp"

namespace pimllm::cost {

struct PimParameters {
  int64_t rows = 256;     // of a crossbar
  int64_t columns = 256;  // of a crossbar
  int64_t pes_per_tile = 4;
  int64_t dac_bits = 1;
  int64_t dacs = 256;  // a PE
  int64_t adc_bits = 8;
  int64_t adcs = 128;      // a PE
  int64_t grid_side = 64;  // tiles of a decoder layer fit into side x side; 0: as large as needed
};

// Throws Error naming the parameter that has no cost: a size below 1, above 2048 (crossbar, converters), DACs
// above 8 bit, ADCs above 14 bit.
void check(const PimParameters& parameters);

// Layers of one stage run at the same time, stages one after another.
struct FcLayer {
  std::string_view name;
  int64_t inputs = 1;
  int64_t outputs = 1;
  int stage = 0;
  int64_t runs = 1;  // input vectors a token
};

// Q, K, V | O | FFN up (and gate) | FFN down, as counted.
std::vector<FcLayer> fc_layers(const Workload& workload, const Accounting& accounting);

struct PimEnergy {  // nJ
  double crossbar = 0;
  double dac = 0;
  double adc = 0;
  double buffer = 0;
  double other_digital = 0;
  double total() const { return crossbar + dac + adc + buffer + other_digital; }
  PimEnergy& operator+=(const PimEnergy& other);
};

// Latency of one input vector, ns.
struct PimLatency {
  double computing = 0;          // DACs, crossbars, ADCs
  double digital = 0;            // registers, shift and add, multiplexers, joining of PEs
  double intra_tile = 0;         // between the PEs of a tile
  double pe_buffer = 0;          // input buffers, written and read
  double output_write = 0;       // tile output buffer
  double output_read = 0;        // tile output buffer, by the merge
  double output_read_again = 0;  // the same, counted once more (output_read_twice)
  double merge = 0;              // partial sums to the merge tile
  double transfer = 0;           // merge tile to the next layer
  double total() const {
    return computing + digital + intra_tile + pe_buffer + output_write + output_read + output_read_again +
           merge + transfer;
  }
  PimLatency& operator+=(const PimLatency& other);
};

struct PimLayer {
  FcLayer layer;
  int64_t pes = 0;
  int64_t tiles = 0;
  LayerHops hops;
  PimLatency latency;  // of one run
  PimEnergy energy;    // of all runs
  double peak_power_w = 0;
};

struct PimBank {
  std::vector<PimLayer> layers;
  PimLatency latency;       // the slowest layer of each stage, added up, ns
  double latency_ns = 0;    // latency.total(), truncated where accounting says so
  PimEnergy energy;         // of the layers
  PimEnergy dummy_energy;   // of the dummy layer, which no energy total counts
  int64_t tiles = 0;        // the dummy's included
  int64_t crossbars = 0;    // PEs, the dummy's included
  double area_mm2 = 0;      // the dummy's included
  double peak_power_w = 0;  // the dummy's included
};

// The bank of one decoder layer. Throws Error if the tiles do not fit into the grid.
PimBank pim_bank(const PimParameters& parameters, const std::vector<FcLayer>& layers,
                 const Accounting& accounting);

}  // namespace pimllm::cost

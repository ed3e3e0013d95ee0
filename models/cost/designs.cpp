#include "models/cost/designs.hpp"

#include <algorithm>

#include "models/cost/math.hpp"

namespace pimllm::cost {
namespace {

// DRAM bytes of one decoder layer for one step of the batch.
double kv_bytes(const MachineParameters& m, const Workload& w, int64_t context) {
  // The K and V vectors of earlier tokens are read, the new ones are written.
  return as_double(m.batch) * as_double(2 * w.kv_width() * context) * as_double(m.kv_bits) / 8;
}

double weight_bytes(const MachineParameters& m, const Workload& w) {
  return as_double(projection_macs(w)) * as_double(m.weight_bits) / 8;
}

double step_macs(const MachineParameters& m, const Workload& w, int64_t context) {
  return as_double(m.batch * w.layers) * as_double(projection_macs(w) + attention_macs(w, context));
}

// Costs of one decoder layer for one step of the batch.
struct Phase {
  double seconds = 0;  // of the unit that computes
  double joules = 0;
  double dram_bytes = 0;
};

// Time of a phase: its DRAM traffic streams while it computes.
double waited(const MachineParameters& m, const Phase& phase, bool with_dram) {
  return with_dram ? std::max(phase.seconds, dram_seconds(m.dram, phase.dram_bytes)) : phase.seconds;
}

// Both phases on one unit, one after the other.
Result sequential(const MachineParameters& m, const Workload& w, int64_t context, const Phase& projections,
                  const Phase& attention, const Accounting& accounting, bool with_dram_time) {
  const double per_token = as_double(w.layers) / as_double(m.batch);
  Result result;
  result.latency_s = {{"projections", per_token * waited(m, projections, with_dram_time)},
                      {"attention", per_token * waited(m, attention, with_dram_time)}};
  result.energy_j = {{"projections", per_token * projections.joules},
                     {"attention", per_token * attention.joules}};
  result.dram_bytes = per_token * (projections.dram_bytes + attention.dram_bytes);
  if (!accounting.no_dram_energy) result.energy_j.push_back({"DRAM", dram_joules(m.dram, result.dram_bytes)});
  result.macs = step_macs(m, w, context) / as_double(m.batch);
  return result;
}

// A phase that keeps all MACs of the array busy.
Phase busy_phase(const MachineParameters& m, double macs, double bytes) {
  const double cycles = macs / as_double(m.array.rows * m.array.columns);
  return {.seconds = cycles * m.array.cycle_ns * kSecondsPerNs,
          .joules = cycles * nj_per_cycle(m.array) * kJoulesPerNj,
          .dram_bytes = bytes};
}

}  // namespace

Workload counted(const Workload& w, const Accounting& accounting) {
  Workload result = w;
  if (!w.published) return result;
  if (accounting.ffn_dimensions) result.d_ff = w.published->d_ff.value_or(w.d_ff);
  if (accounting.ffn_matrices) result.ffn_matrices = w.published->ffn_matrices.value_or(w.ffn_matrices);
  return result;
}

LayerCycles layer_cycles(const MachineParameters& m, const Workload& workload, int64_t context,
                         const Accounting& accounting) {
  const Workload w = counted(workload, accounting);
  const auto cycles = [&](int64_t rows, int64_t outputs, int64_t inputs) {
    return gemm_cycles(m.array, rows, outputs, inputs);
  };
  const int64_t queries = w.heads / w.kv_heads;
  LayerCycles result;
  result.attention =
      w.kv_heads * (cycles(queries, context, w.head_dim) + cycles(queries, w.head_dim, context));
  result.projections =
      cycles(m.batch, w.q_width(), w.d_model) + 2 * cycles(m.batch, w.kv_width(), w.d_model) +
      cycles(m.batch, w.d_model, w.q_width()) + (w.ffn_matrices - 1) * cycles(m.batch, w.d_ff, w.d_model) +
      cycles(m.batch, w.d_model, w.d_ff);
  return result;
}

Result hybrid(const MachineParameters& m, const PimBank& bank, const Workload& workload, int64_t context,
              const Accounting& accounting) {
  const Workload w = counted(workload, accounting);
  const auto attention_cycles = as_double(layer_cycles(m, workload, context, accounting).attention);
  const double batch = as_double(m.batch);
  const double layers = as_double(w.layers);
  const Phase attention = {.seconds = attention_cycles * m.array.cycle_ns * kSecondsPerNs,  // of one sequence
                           .joules = attention_cycles * nj_per_cycle(m.array) * kJoulesPerNj,
                           .dram_bytes = kv_bytes(m, w, context) / batch};
  const double pim_s = bank.latency_ns * kSecondsPerNs;
  const double attention_s = waited(m, attention, !accounting.no_dram_time);
  // With several sequences the bank works on one while the array works on another: a layer takes
  // bank + array + (batch - 1) * the longer of the two.
  const double attention_seen = attention_s + (batch - 1) * std::max(attention_s - pim_s, 0.0);

  Result result;
  result.latency_s = {{"projections", layers * pim_s}, {"attention", layers * attention_seen / batch}};
  const double attention_layers = accounting.attention_energy_once ? 1 : layers;
  result.energy_j = {{"projections", layers * bank.energy.total() * kJoulesPerNj},
                     {"attention", attention_layers * attention.joules}};
  result.dram_bytes = layers * attention.dram_bytes;
  if (!accounting.no_dram_energy) result.energy_j.push_back({"DRAM", dram_joules(m.dram, result.dram_bytes)});
  result.area_mm2 = {{"PIM banks", layers * bank.area_mm2}};
  result.macs = step_macs(m, w, context) / batch;
  return result;
}

Result hybrid(const MachineParameters& m, const Workload& workload, int64_t context,
              const Accounting& accounting) {
  return hybrid(m, pim_bank(m.pim, fc_layers(workload, accounting), accounting), workload, context,
                accounting);
}

Result array_alone(const MachineParameters& m, const Workload& workload, int64_t context,
                   const Accounting& accounting) {
  const Workload w = counted(workload, accounting);
  const LayerCycles cycles = layer_cycles(m, workload, context, accounting);
  const auto phase = [&](double n, double bytes) {
    return Phase{.seconds = n * m.array.cycle_ns * kSecondsPerNs,
                 .joules = n * nj_per_cycle(m.array) * kJoulesPerNj,
                 .dram_bytes = bytes};
  };
  return sequential(m, w, context, phase(as_double(cycles.projections), weight_bytes(m, w)),
                    phase(as_double(m.batch) * as_double(cycles.attention), kv_bytes(m, w, context)),
                    accounting, !accounting.no_dram_time);
}

Result busy_array(const MachineParameters& m, const Workload& workload, int64_t context,
                  const Accounting& accounting) {
  const Workload w = counted(workload, accounting);
  const double batch = as_double(m.batch);
  return sequential(m, w, context, busy_phase(m, batch * as_double(projection_macs(w)), weight_bytes(m, w)),
                    busy_phase(m, batch * as_double(attention_macs(w, context)), kv_bytes(m, w, context)),
                    accounting, true);
}

Result dram_bound(const MachineParameters& m, const Workload& workload, int64_t context,
                  const Accounting& accounting) {
  const Workload w = counted(workload, accounting);
  const double batch = as_double(m.batch);
  Phase projections = busy_phase(m, batch * as_double(projection_macs(w)), weight_bytes(m, w));
  Phase attention = busy_phase(m, batch * as_double(attention_macs(w, context)), kv_bytes(m, w, context));
  projections.seconds = 0;
  attention.seconds = 0;
  return sequential(m, w, context, projections, attention, accounting, true);
}

std::vector<Design> published_designs(const MachineParameters& machine, const Accounting& accounting) {
  using Function = Result (*)(const MachineParameters&, const Workload&, int64_t, const Accounting&);
  const auto design = [&](const char* name, const char* title, Function function) {
    return Design{name, title, [=](const Workload& workload, int64_t context) {
                    return function(machine, workload, context, accounting);
                  }};
  };
  return {design("array", "array alone", array_alone), design("hybrid", "PIM-LLM hybrid", hybrid),
          design("busy-array", "array with all MACs busy", busy_array),
          design("dram-bound", "2-bit digital, LPDDR5-bound", dram_bound)};
}

int64_t attention_crossover(const MachineParameters& machine, const Workload& workload,
                            const Accounting& accounting) {
  const PimBank bank = pim_bank(machine.pim, fc_layers(workload, accounting), accounting);
  const auto attention_is_less = [&](int64_t context) {
    const Result result = hybrid(machine, bank, workload, context, accounting);
    return result.latency_s[1].value <= result.latency_s[0].value;
  };
  if (!attention_is_less(1)) return 0;
  int64_t low = 1;
  int64_t high = 2;
  while (attention_is_less(high)) {
    low = high;
    high *= 2;
  }
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (attention_is_less(middle) ? low : high) = middle;
  }
  return low;
}

}  // namespace pimllm::cost

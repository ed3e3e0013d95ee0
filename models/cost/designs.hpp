// The machines that are compared. A design is a function of a workload and a context; `Design` (result.hpp)
// carries one with its name, so that a list of designs is all that tables, figures and sweeps need.
#pragma once

#include <vector>

#include "models/cost/accounting.hpp"
#include "models/cost/array.hpp"
#include "models/cost/dram.hpp"
#include "models/cost/pim_bank.hpp"
#include "models/cost/result.hpp"

namespace pimllm::cost {

struct MachineParameters {
  ArrayParameters array;
  PimParameters pim;
  DramParameters dram;
  int64_t kv_bits = 8;
  int64_t weight_bits = 2;  // of a ternary weight in DRAM, where projections do not run in crossbars
  int64_t batch = 1;        // sequences decoded together, each with its own KV cache
};

// Array cycles of one decoder layer for one token a sequence.
struct LayerCycles {
  int64_t attention = 0;    // QK^T and PV of all heads, of one sequence
  int64_t projections = 0;  // of the batch
};

// As counted: the published FFN dimensions where the accounting says so. GQA: the query heads of a KV head
// share its pass over the array, one row each.
LayerCycles layer_cycles(const MachineParameters& machine, const Workload& workload, int64_t context,
                         const Accounting& accounting);

// The workload with the dimensions that the array side, the MACs and the DRAM traffic are counted with.
Workload counted(const Workload& workload, const Accounting& accounting);

// Projections in crossbars, attention on the array, one after the other (PIM-LLM).
Result hybrid(const MachineParameters& machine, const Workload& workload, int64_t context,
              const Accounting& accounting);
// The same with a bank that is already known: `bank` is pim_bank of the workload's fc_layers.
Result hybrid(const MachineParameters& machine, const PimBank& bank, const Workload& workload,
              int64_t context, const Accounting& accounting);
// Everything on the array as published: one row of it works in decode.
Result array_alone(const MachineParameters& machine, const Workload& workload, int64_t context,
                   const Accounting& accounting);
// The same array with all its MACs busy, weights streamed from DRAM with weight_bits each.
Result busy_array(const MachineParameters& machine, const Workload& workload, int64_t context,
                  const Accounting& accounting);
// A digital machine with as many MACs as it needs: only DRAM bounds it.
Result dram_bound(const MachineParameters& machine, const Workload& workload, int64_t context,
                  const Accounting& accounting);

// The four of them, as designs "array", "hybrid", "busy-array", "dram-bound".
std::vector<Design> published_designs(const MachineParameters& machine, const Accounting& accounting);

// The largest context at which attention takes no longer than the projections of the hybrid; 0 if there is
// none.
int64_t attention_crossover(const MachineParameters& machine, const Workload& workload,
                            const Accounting& accounting);

}  // namespace pimllm::cost

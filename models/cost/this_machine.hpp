// This project's machine on a workload: cycles of models/cycles, with the lanes, ports and latencies of the
// RTL's `paper`; only the number of crossbars, each with its own converters, and the depth of memories grow
// with the model. docs/cost_models.md, "This machine", names every assumption.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "models/cost/table.hpp"
#include "models/cycles/layer_cycles.hpp"

namespace pimllm::cost {

// Beside those of the published machine, whose clock, tiles of four crossbars, array and DRAM it shares.
struct ThisMachineParameters {
  int memory_latency = 40;
  bool exact_softmax = true;              // else ConSMax
  double nj_per_tile_pass = 284.3000482;  // published, OPT-6.7B
  double mm2_per_tile = 9.3388259;        // published
};

class ThisMachine {
 public:
  explicit ThisMachine(const MachineParameters& published, const ThisMachineParameters& parameters = {})
      : published_(published), parameters_(parameters) {}

  // Works out all of these at the same time, so that the other functions only look them up.
  void prepare(const std::vector<Workload>& workloads, const std::vector<int64_t>& contexts,
               const Accounting& accounting);

  // Cycles of a decoder layer and of the head. Throws Error if the shape does not fit the machine's
  // addresses.
  cycles::LayerCycles layer(const Workload& workload, int64_t context, const Accounting& accounting);
  // Cycles a layer takes to read K and V at the full width of memory.
  double kv_stream(const Workload& workload, int64_t context, const Accounting& accounting) const;
  // Parts of the time: "KV stream", "rest of the layers" and, if wanted, "LM head".
  Result evaluate(const Workload& workload, int64_t context, const Accounting& accounting, bool with_head);

 private:
  const cycles::LayerModel& model(const Workload& workload, const Workload& counted, int64_t context);

  MachineParameters published_;
  ThisMachineParameters parameters_;
  // Compiled and walked once.
  std::map<std::string, cycles::LayerModel> models_;
  std::map<std::pair<std::string, int64_t>, cycles::LayerCycles> layers_;
};

// Name of the unit that is busy longest in a layer, and its share of the layer's cycles in percent.
struct Limit {
  std::string unit;
  double percent = 0;
};
Limit limit_of(const cycles::LayerCycles& layer);

// Designs "machine" (decoder layers, as the published evaluation counts) and "machine-with-head". `machine`
// must outlive the mode.
Mode this_machine_mode(std::string name, std::string title, ThisMachine& machine,
                       const Accounting& accounting);

}  // namespace pimllm::cost

#include "models/cost/this_machine.hpp"

#include <algorithm>
#include <future>
#include <iterator>

#include "golden/error.hpp"
#include "models/cost/math.hpp"

namespace pimllm::cost {
namespace {

constexpr int64_t kLongestContext = 65535;  // of the machine's instructions
constexpr int64_t kLargestVocabulary = 65536;

// The family follows from the gate: LLaMA's with one, GPT's without.
ModelConfig shape_of(const Workload& workload, const Workload& counted, int64_t context, bool exact_softmax) {
  const bool llama = workload.ffn_matrices == 3;
  ModelConfig c;
  c.name = workload.name;
  c.vocab_size = static_cast<int>(std::min(workload.vocab_size, kLargestVocabulary));
  c.context_length = static_cast<int>(context);
  c.d_model = static_cast<int>(counted.d_model);
  c.layers = 1;
  c.heads = static_cast<int>(counted.heads);
  c.kv_heads = static_cast<int>(counted.kv_heads);
  c.head_dim = static_cast<int>(counted.head_dim);
  c.d_ff = static_cast<int>(counted.d_ff);
  c.norm = llama ? NormKind::kRms : NormKind::kLayer;
  c.normalizer = exact_softmax ? Normalizer::kSoftmax : Normalizer::kConsmax;
  c.activation = llama ? Activation::kSilu : Activation::kGelu;
  c.gated = counted.ffn_matrices == 3;
  c.rope = llama;
  return c;
}

std::string key_of(const Workload& counted) {
  return fmt::format("{} {} {} {}", counted.name, counted.d_model, counted.d_ff, counted.ffn_matrices);
}

}  // namespace

const cycles::LayerModel& ThisMachine::model(const Workload& workload, const Workload& counted,
                                             int64_t context) {
  const std::string key = key_of(counted);
  const auto known = models_.find(key);
  if (known != models_.end() && known->second.compiled().layout.context >= context) return known->second;
  models_.erase(key);
  const int64_t longest = std::max(context, published_contexts().back());
  if (longest > kLongestContext) {
    fail("this machine: expected a context of at most {}, found {}", kLongestContext, longest);
  }
  return models_
      .emplace(key, cycles::LayerModel(shape_of(workload, counted, longest, parameters_.exact_softmax),
                                       hardware_preset("paper"), cycles::Growth::kSets,
                                       parameters_.memory_latency))
      .first->second;
}

void ThisMachine::prepare(const std::vector<Workload>& workloads, const std::vector<int64_t>& contexts,
                          const Accounting& accounting) {
  std::vector<std::future<ThisMachine>> parts;
  for (const Workload& workload : workloads) {
    parts.push_back(std::async(std::launch::async, [&] {
      ThisMachine part(published_, parameters_);
      for (const int64_t context : contexts) part.layer(workload, context, accounting);
      return part;
    }));
  }
  for (auto& future : parts) {
    ThisMachine part = future.get();
    models_.merge(part.models_);
    layers_.merge(part.layers_);
  }
}

cycles::LayerCycles ThisMachine::layer(const Workload& workload, int64_t context,
                                       const Accounting& accounting) {
  const Workload w = counted(workload, accounting);
  const auto key = std::make_pair(key_of(w), context);
  const auto known = layers_.find(key);
  if (known != layers_.end()) return known->second;
  auto cycles = model(workload, w, context).at(static_cast<int>(context));
  // A larger vocabulary takes more pieces of the head, all alike.
  cycles.head *= std::max(1.0, as_double(workload.vocab_size) / as_double(kLargestVocabulary));
  layers_.emplace(key, cycles);
  return cycles;
}

double ThisMachine::kv_stream(const Workload& workload, int64_t context, const Accounting& accounting) const {
  const HardwareParameters hardware = hardware_preset("paper");
  const Workload w = counted(workload, accounting);
  return as_double(2 * w.kv_width() * context) /
         as_double(int64_t{hardware.mem_channels} * hardware.channel_bytes);
}

Result ThisMachine::evaluate(const Workload& workload, int64_t context, const Accounting& accounting,
                             bool with_head) {
  const Workload w = counted(workload, accounting);
  const cycles::LayerCycles cycles = layer(workload, context, accounting);
  const double seconds = published_.array.cycle_ns * kSecondsPerNs;
  const double stream = std::min(kv_stream(workload, context, accounting), cycles.layer);
  const double tiles = as_double(ceil_div(model(workload, w, context).compiled().layout.crossbars_per_layer,
                                          published_.pim.pes_per_tile));
  Result result;
  result.latency_s = {{"KV stream", as_double(w.layers) * stream * seconds},
                      {"rest of the layers", as_double(w.layers) * (cycles.layer - stream) * seconds}};
  result.macs = as_double(w.layers) * as_double(projection_macs(w) + attention_macs(w, context));
  // Old K and V are read, new ones written a tile at a time.
  result.dram_bytes = as_double(w.layers * 2 * w.kv_width() * context);
  double array_cycles = as_double(w.layers) * cycles.busy.at(static_cast<size_t>(isa::Unit::kArr));
  if (with_head) {
    result.latency_s.push_back({"LM head", cycles.head * seconds});
    result.macs += as_double(w.vocab_size * w.d_model);
    result.dram_bytes += as_double(w.vocab_size * w.d_model);
    array_cycles += cycles.head;
  }
  result.energy_j = {
      {"projections", as_double(w.layers) * tiles * parameters_.nj_per_tile_pass * kJoulesPerNj},
      {"attention", array_cycles * nj_per_cycle(published_.array) * kJoulesPerNj},
      {"DRAM", dram_joules(published_.dram, result.dram_bytes)}};
  result.area_mm2 = {{"crossbars", as_double(w.layers) * tiles * parameters_.mm2_per_tile},
                     {"array", array_mm2(published_.array)}};
  return result;
}

Limit limit_of(const cycles::LayerCycles& layer) {
  static constexpr std::array<const char*, 6> kNames = {"",      "memory",  "crossbars",
                                                        "array", "softmax", "vector"};
  const auto most = std::max_element(layer.busy.begin(), layer.busy.end());
  return {kNames.at(static_cast<size_t>(std::distance(layer.busy.begin(), most))), 100 * *most / layer.plain};
}

Mode this_machine_mode(std::string name, std::string title, ThisMachine& machine,
                       const Accounting& accounting) {
  const auto design = [&](const char* design_name, const char* design_title, bool with_head) {
    return Design{design_name, design_title,
                  [&machine, accounting, with_head](const Workload& w, int64_t context) {
                    return machine.evaluate(w, context, accounting, with_head);
                  }};
  };
  return {std::move(name),
          std::move(title),
          {design("machine", "this machine", false),
           design("machine-with-head", "this machine with its LM head", true)}};
}

}  // namespace pimllm::cost

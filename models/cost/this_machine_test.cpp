// This project's machine in the published table.
#include "models/cost/this_machine.hpp"

#include <gtest/gtest.h>

#include "golden/error.hpp"

namespace pimllm::cost {
namespace {

std::vector<Workload> published() {
  std::vector<Workload> result;
  for (const auto& w : load_workloads(default_workload_folder())) {
    if (w.published) result.push_back(w);
  }
  return result;
}

TEST(ThisMachine, PartsOfEveryCellAddUp) {
  const MachineParameters parameters;
  ThisMachine machine(parameters);
  for (const auto& w : published()) {
    double before = 0;
    for (const int64_t context : published_contexts()) {
      const auto layer = machine.layer(w, context, as_published());
      const Result plain = machine.evaluate(w, context, as_published(), false);
      const Result head = machine.evaluate(w, context, as_published(), true);
      const double cycles = static_cast<double>(w.layers) * layer.layer;
      EXPECT_NEAR(sum_of(plain.latency_s) * 1e8, cycles, 1e-6 * cycles) << w.name << " " << context;
      EXPECT_NEAR((sum_of(head.latency_s) - sum_of(plain.latency_s)) * 1e8, layer.head, 1e-6 * cycles);
      // Memory cannot be faster than its width.
      EXPECT_GE(layer.layer, machine.kv_stream(w, context, as_published()));
      EXPECT_GT(layer.layer, before) << "more context takes more time";
      before = layer.layer;
      EXPECT_GT(plain.dram_bytes, 0);
      EXPECT_LE(limit_of(layer).percent, 100.0);
    }
  }
}

// What docs/cost_models.md says: 10 times the published hybrid in every cell, with corrected dimensions in
// all but one.
TEST(ThisMachine, TenTimesThePublishedHybrid) {
  const MachineParameters parameters;
  for (const bool correct : {false, true}) {
    ThisMachine machine(parameters);
    const Accounting accounting = correct ? corrected() : as_published();
    for (const auto& w : published()) {
      for (const int64_t context : published_contexts()) {
        if (correct && w.name == "gpt2-124m" && context == 128) continue;
        const double ratio = tokens_per_s(machine.evaluate(w, context, accounting, false)) /
                             tokens_per_s(hybrid(parameters, w, context, accounting));
        EXPECT_GE(ratio, 10.0) << w.name << " " << context << (correct ? ", corrected" : "");
      }
    }
  }
}

TEST(ThisMachine, CorrectedDimensionsAreMoreWork) {
  ThisMachine machine({});
  const auto workloads = published();
  const Workload& gpt = find_workload(workloads, "gpt2-355m");
  EXPECT_GT(machine.layer(gpt, 1024, corrected()).layer, machine.layer(gpt, 1024, as_published()).layer);
}

TEST(ThisMachine, ContextBeyondTheMachineIsRefused) {
  ThisMachine machine({});
  const auto workloads = published();
  EXPECT_THROW(machine.layer(workloads.front(), 70000, as_published()), Error);
}

}  // namespace
}  // namespace pimllm::cost

// Speed of the cost models: the whole published table, and the points of a sweep (`make bench`).
#include <benchmark/benchmark.h>

#include "models/cost/sweep.hpp"
#include "models/cost/this_machine.hpp"

namespace pimllm::cost {
namespace {

// 12 models x 6 contexts in three modes, all designs. Budget: 50 ms.
void published_table(benchmark::State& state) {
  std::vector<Workload> workloads;
  for (const auto& workload : load_workloads(default_workload_folder())) {
    if (workload.published) workloads.push_back(workload);
  }
  for (auto _ : state) {
    ThisMachine machine({});
    machine.prepare(workloads, published_contexts(), as_published());
    const std::vector<Mode> modes = {published_mode("as-published", "", {}, as_published()),
                                     published_mode("corrected", "", {}, corrected()),
                                     this_machine_mode("this-machine", "", machine, as_published())};
    benchmark::DoNotOptimize(evaluate(modes, workloads, published_contexts()));
  }
}
BENCHMARK(published_table)->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime()->UseRealTime();

// The shipped example. Budget: 100,000 points a second and core, with the text of the row.
void sweep_points(benchmark::State& state) {
  const auto workloads = load_workloads(default_workload_folder());
  const SweepSpec spec = load_sweep(PIMLLM_SWEEP_EXAMPLE, workloads);
  Sweep sweep(spec);
  int64_t point = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(to_csv(sweep.row(point)));
    if (++point == point_count(spec)) point = 0;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(sweep_points)->MinTime(2);

}  // namespace
}  // namespace pimllm::cost

BENCHMARK_MAIN();

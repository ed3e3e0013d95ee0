// Sweep specifications over the shipped workloads and the largest that there may be, and their first, middle
// and last points.
#include "fuzz/target.hpp"
#include "models/cost/sweep.hpp"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pimllm;
  static fuzz::InputFile file;
  static const auto workloads = [] {
    auto all = cost::load_workloads(cost::default_workload_folder());
    all.push_back({.name = "largest",
                   .title = "Largest",
                   .d_model = cost::kLargestWidth,
                   .heads = cost::kLargestWidth,
                   .kv_heads = cost::kLargestWidth,
                   .head_dim = 1,
                   .d_ff = cost::kLargestWidth,
                   .ffn_matrices = 3,
                   .layers = cost::kMostLayers,
                   .vocab_size = 1,
                   .published = {}});
    return all;
  }();
  return fuzz::run([&] {
    const cost::SweepSpec spec = cost::load_sweep(file.holding(data, size), workloads);
    const int64_t points = cost::point_count(spec);
    cost::Sweep sweep(spec);
    for (const int64_t point : {int64_t{0}, points / 2, points - 1}) cost::to_csv(sweep.row(point));
  });
}

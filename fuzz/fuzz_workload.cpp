// Workload files (model shapes), and every published design on the model they describe.
#include "fuzz/target.hpp"
#include "models/cost/table.hpp"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pimllm;
  static fuzz::InputFile file;
  return fuzz::run([&] {
    const std::vector<cost::Workload> workloads = {cost::load_workload(file.holding(data, size))};
    for (const auto& accounting : {cost::as_published(), cost::corrected()}) {
      fuzz::run([&] {
        cost::to_csv(
            cost::evaluate({cost::published_mode("mode", "mode", {}, accounting)}, workloads, {1, 4096}));
      });
    }
  });
}

// Sweeps: every combination of the values of some axes, each a figure of speed, energy and area.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "models/cost/designs.hpp"

namespace pimllm::cost {

struct ArraySize {
  int64_t rows, columns;
};

// An axis that the specification leaves out has the published value.
struct SweepSpec {
  std::string accounting_name;
  Accounting accounting;
  std::vector<Workload> models;
  std::vector<int64_t> crossbar = {256};  // rows = columns = DACs
  std::vector<int64_t> adc_bits = {8};
  std::vector<int64_t> adcs = {128};  // a PE
  std::vector<int64_t> dac_bits = {1};
  std::vector<ArraySize> array = {{32, 32}};
  std::vector<double> gb_per_s = {51.2};
  std::vector<int64_t> kv_bits = {8};
  std::vector<int64_t> batch = {1};
  std::vector<int64_t> context = {1024};
  std::vector<std::string> design = {"hybrid"};  // hybrid, array, busy-array
};

// {"accounting": "corrected", "axes": {"model": [...], "crossbar": [...], ...}}; an array size is n, or
// [rows, columns]. Throws Error naming file and field: not JSON, unknown field, model or design, an empty
// axis, a value that is out of range, no model, more than 10^9 points.
SweepSpec load_sweep(const std::string& path, const std::vector<Workload>& workloads);

int64_t point_count(const SweepSpec& spec);

struct SweepRow {
  const Workload* workload = nullptr;
  std::string_view design;
  int64_t bank = 0;  // number of the bank among those of the sweep
  PimParameters pim;
  ArraySize array;
  double gb_per_s = 0;
  int64_t kv_bits = 0, batch = 0, context = 0;
  double tokens_per_s = 0, tokens_per_j = 0;
  double mm2 = 0;  // PIM banks of all layers, and the array
};

// Evaluates points by number, 0 .. point_count - 1; fast where numbers follow one another. The axes of the
// bank vary slowest, so that neighbours share a bank. A sweep's grid of tiles is as large as it must be.
class Sweep {
 public:
  explicit Sweep(const SweepSpec& spec);  // spec must outlive it
  SweepRow row(int64_t point);
  // The same without its figures.
  SweepRow coordinates(int64_t point) const;

 private:
  const SweepSpec& spec_;
  int64_t bank_number_ = -1;
  PimBank bank_;
};

// One flag a row: nobody of the same model and context is at least as good in tokens/s, tokens/J and mm2, and
// better in one of them.
std::vector<bool> pareto_front(const std::vector<SweepRow>& rows);

std::string sweep_csv_header();           // without the Pareto flag and the line's end
std::string to_csv(const SweepRow& row);  // doubles with all their digits

// Runs the sweep into the CSV file at `path`. Until it is complete the rows lie in `path`.partial, a line
// each; a run that finds such a file goes on behind its last whole line, and throws Error if it belongs to
// another sweep. step(done) is called between two blocks of points; when it returns false, the run stops and
// leaves the partial file. Returns the rows with their Pareto flags, or nothing if it was stopped.
struct SweepResult {
  std::vector<SweepRow> rows;
  std::vector<bool> front;
};
std::optional<SweepResult> run_sweep(const SweepSpec& spec, const std::string& path,
                                     const std::function<bool(int64_t done)>& step);

nlohmann::ordered_json to_json(const SweepRow& row);

}  // namespace pimllm::cost

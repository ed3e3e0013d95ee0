#include "models/cost/reference_check.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>

#include "golden/error.hpp"
#include "models/cost/csv.hpp"

namespace pimllm::cost {
namespace {

constexpr size_t kShownDifferences = 20;

enum class Tolerance { kExact, kThousandth, kRelative };

struct Column {
  std::string_view name;
  Tolerance tolerance;
};

// The bank of each model, made once.
class Banks {
 public:
  Banks(const MachineParameters& machine, const Accounting& accounting)
      : machine_(machine), accounting_(accounting) {}

  const PimBank& of(const Workload& workload) {
    const auto found = banks_.find(workload.name);
    if (found != banks_.end()) return found->second;
    return banks_
        .emplace(workload.name, pim_bank(machine_.pim, fc_layers(workload, accounting_), accounting_))
        .first->second;
  }

 private:
  const MachineParameters& machine_;
  const Accounting& accounting_;
  std::map<std::string, PimBank> banks_;
};

struct Model {
  const MachineParameters& machine;
  const Accounting& accounting;
  Banks& banks;
};

double as_double(int64_t n) { return static_cast<double>(n); }

// The second column of the file names the row together with the model, or there is none.
struct Table {
  std::string_view file;
  std::string_view key;
  std::vector<Column> columns;
  // Our values in the order of `columns`.
  std::function<std::vector<double>(const Model&, const Workload&, int64_t key)> values;
};

std::vector<double> edge_values(const Model& model, const Workload& workload, int64_t context) {
  const Workload w = counted(workload, model.accounting);
  const LayerCycles cycles = layer_cycles(model.machine, workload, context, model.accounting);
  const PimBank& bank = model.banks.of(workload);
  return {as_double(w.d_model),
          as_double(w.heads),
          as_double(w.d_ff),
          as_double(w.layers),
          as_double(cycles.attention),
          as_double(cycles.attention + cycles.projections),
          bank.latency_ns,
          tokens_per_s(array_alone(model.machine, workload, context, model.accounting)),
          tokens_per_s(hybrid(model.machine, bank, workload, context, model.accounting))};
}

std::vector<double> layer_values(const Model& model, const Workload& workload, int64_t number) {
  const PimLayer& layer = model.banks.of(workload).layers[static_cast<size_t>(number - 1)];
  const PimLatency& ns = layer.latency;
  const double inter_tile = ns.output_read + ns.merge + ns.transfer;
  return {as_double(layer.layer.inputs),
          as_double(layer.layer.outputs),
          as_double(layer.tiles),
          as_double(layer.hops.in_layer),
          as_double(layer.hops.to_next),
          ns.pe_buffer + ns.output_write + ns.output_read,
          ns.computing,
          ns.digital,
          ns.intra_tile,
          ns.output_read + ns.merge,
          inter_tile,
          ns.total() - ns.output_read_again,
          ns.total(),
          layer.energy.total()};
}

std::vector<double> energy_values(const Model& model, const Workload& workload, int64_t) {
  const PimBank& bank = model.banks.of(workload);
  const PimEnergy& layers = bank.energy;
  const PimEnergy& dummy = bank.dummy_energy;
  return {as_double(workload.layers),
          layers.crossbar + dummy.crossbar,
          layers.dac + dummy.dac,
          layers.adc + dummy.adc,
          layers.buffer + dummy.buffer,
          layers.other_digital + dummy.other_digital,
          layers.total(),
          as_double(bank.crossbars),
          bank.area_mm2,
          bank.peak_power_w};
}

std::vector<Table> tables() {
  using enum Tolerance;
  return {{"edge_throughput.csv",
           "context",
           {{"d_model", kExact},
            {"heads", kExact},
            {"ffn_tpu", kExact},
            {"layers", kExact},
            {"attention_cycles_per_layer", kExact},
            {"total_cycles_per_layer", kExact},
            {"pim_latency_ns_per_layer", kExact},
            {"tokens_per_s_tpu", kRelative},
            {"tokens_per_s_hybrid", kRelative}},
           edge_values},
          {"pim_layers.csv",
           "fc_layer",
           {{"in_features", kExact},
            {"out_features", kExact},
            {"tiles", kExact},
            {"hops_in_layer", kExact},
            {"hops_to_next", kExact},
            {"buffer_ns", kRelative},
            {"computing_ns", kRelative},
            {"digital_ns", kRelative},
            {"intra_tile_ns", kRelative},
            {"merge_ns", kRelative},
            {"inter_tile_ns", kRelative},
            {"layer_latency_ns", kRelative},
            {"total_latency_ns", kRelative},
            {"energy_nj", kRelative}},
           layer_values},
          {"pim_energy.csv",
           "",
           {{"layers", kExact},
            {"crossbar_nj", kRelative},
            {"dac_nj", kRelative},
            {"adc_nj", kRelative},
            {"buffer_nj", kRelative},
            {"other_digital_nj", kRelative},
            {"fc_total_nj_per_layer", kRelative},
            {"crossbars", kExact},
            {"area_mm2_per_layer", kThousandth},
            {"peak_power_w_per_layer", kThousandth}},
           energy_values}};
}

// Half of the last printed digit, or 0 where too few decimals are printed to tell a rounded figure from a
// whole one.
double half_last_digit(const std::string& cell) {
  constexpr size_t kFewestDecimals = 3;
  const size_t point = cell.find('.');
  if (point == std::string::npos || cell.find_first_of("eE") != std::string::npos) return 0;
  const size_t decimals = cell.size() - point - 1;
  return decimals < kFewestDecimals ? 0 : 0.5 * std::pow(10.0, -static_cast<double>(decimals));
}

bool agrees(Tolerance tolerance, double expected, const std::string& cell, double found) {
  constexpr double kThousandthLimit = 0.001;
  constexpr double kRelativeLimit = 1e-9;
  const double difference = std::abs(expected - found);
  switch (tolerance) {
    case Tolerance::kExact:
      return difference == 0;
    case Tolerance::kThousandth:
      return difference <= kThousandthLimit;
    case Tolerance::kRelative:
      return difference <= std::max(kRelativeLimit * std::abs(expected), half_last_digit(cell));
  }
  return false;
}

// Place of each column of the table in the file; the keys first.
std::vector<size_t> match_columns(const CsvFile& file, const Table& table) {
  std::vector<std::string_view> expected = {"model"};
  if (!table.key.empty()) expected.push_back(table.key);
  for (const auto& column : table.columns) expected.push_back(column.name);
  std::vector<size_t> places;
  for (const auto name : expected) {
    const auto found = std::find(file.header.begin(), file.header.end(), name);
    if (found == file.header.end()) fail("{}: column \"{}\" is missing", file.path, name);
    if (std::find(found + 1, file.header.end(), name) != file.header.end()) {
      fail("{}: column \"{}\" appears twice", file.path, name);
    }
    places.push_back(static_cast<size_t>(found - file.header.begin()));
  }
  for (const auto& name : file.header) {
    if (std::find(expected.begin(), expected.end(), name) == expected.end()) {
      fail("{}: unknown column \"{}\"", file.path, printable(name));
    }
  }
  return places;
}

void check_row(const CsvFile& file, const CsvRow& row, const Table& table, const std::vector<size_t>& places,
               const std::vector<Workload>& workloads, const Model& model, CheckReport& report) {
  const Workload* workload = nullptr;
  try {
    workload = &find_workload(workloads, row.cells[places[0]]);
  } catch (const Error& error) {
    fail("{}: line {}: {}", file.path, row.line, error.what());
  }
  const size_t keys = table.key.empty() ? 1 : 2;
  int64_t key = 0;
  if (keys == 2) {
    key = integer_of(file, row, places[1]);
    const bool is_layer = table.key == "fc_layer";
    const int64_t largest =
        is_layer ? static_cast<int64_t>(model.banks.of(*workload).layers.size()) : int64_t{1} << 31;
    if (key < 1 || key > largest) {
      fail("{}: line {}: {}: expected 1 to {}, found {}", file.path, row.line, table.key, largest, key);
    }
  }
  const std::string name =
      keys == 2 ? fmt::format("{}, {} {}", workload->name, table.key, key) : workload->name;
  const std::vector<double> ours = table.values(model, *workload, key);
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const size_t place = places[keys + i];
    const double expected = number_of(file, row, place);
    ++report.values;
    if (agrees(table.columns[i].tolerance, expected, row.cells[place], ours[i])) continue;
    ++report.differences;
    if (report.first_differences.size() < kShownDifferences) {
      report.first_differences.push_back(fmt::format("{}: line {} ({}): {}: expected {}, found {}",
                                                     table.file, row.line, name, table.columns[i].name,
                                                     row.cells[place], ours[i]));
    }
  }
}

}  // namespace

CheckReport check_reference(const std::string& folder, const std::vector<Workload>& workloads,
                            const MachineParameters& machine, const Accounting& accounting) {
  Banks banks(machine, accounting);
  const Model model{machine, accounting, banks};
  CheckReport report;
  for (const auto& table : tables()) {
    const auto path = std::filesystem::path(folder) / table.file;
    if (!std::filesystem::exists(path)) continue;
    const CsvFile file = read_csv(path.string());
    const std::vector<size_t> places = match_columns(file, table);
    for (const auto& row : file.rows) check_row(file, row, table, places, workloads, model, report);
    report.files.push_back({std::string(table.file), static_cast<int64_t>(file.rows.size()),
                            static_cast<int64_t>(table.columns.size())});
  }
  if (report.files.empty()) {
    fail("{}: expected edge_throughput.csv, pim_layers.csv or pim_energy.csv, found none", folder);
  }
  return report;
}

}  // namespace pimllm::cost

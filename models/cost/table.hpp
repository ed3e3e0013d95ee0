// All designs x models x contexts, in one or more modes; as JSON and CSV.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "models/cost/designs.hpp"

namespace pimllm::cost {

// Designs that are shown side by side under one way of counting.
struct Mode {
  std::string name;   // "as-published"
  std::string title;  // "as published"
  std::vector<Design> designs;
};

Mode published_mode(std::string name, std::string title, const MachineParameters& machine,
                    const Accounting& accounting);

struct Cell {
  const Mode* mode;
  const Design* design;
  const Workload* workload;
  int64_t context;
  Result result;
};

// Contexts of the published evaluation.
std::vector<int64_t> published_contexts();

// Every combination, in the order mode, workload, context, design. The arguments must outlive the cells.
std::vector<Cell> evaluate(const std::vector<Mode>& modes, const std::vector<Workload>& workloads,
                           const std::vector<int64_t>& contexts);

// Throws Error if the combination is not among the cells.
const Result& find_result(const std::vector<Cell>& cells, std::string_view mode, std::string_view design,
                          std::string_view model, int64_t context);

// One object a cell; units are in the names.
nlohmann::ordered_json to_json(const Cell& cell);
nlohmann::ordered_json to_json(const PimBank& bank);
nlohmann::ordered_json to_json(const Accounting& accounting);

// One line a cell: mode, design, model, context, then the figures; parts that a design lacks are empty.
std::string to_csv(const std::vector<Cell>& cells);

}  // namespace pimllm::cost

#include "models/cost/sweep.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <tuple>

#include "golden/error.hpp"
#include "models/cost/json_fields.hpp"

namespace pimllm::cost {
namespace {

constexpr int64_t kMostPoints = 1'000'000'000;

// The elements of an axis; where names file and field. Empty if the axis is not there.
std::vector<nlohmann::json> axis(const std::string& where, const nlohmann::json& axes, const char* name) {
  if (!axes.contains(name)) return {};
  const auto& values = axes[name];
  if (!values.is_array() || values.empty()) fail("{}: {}: expected a list of values", where, name);
  return values;
}

void read_sizes(const std::string& where, const nlohmann::json& axes, const char* name, int64_t largest,
                std::vector<int64_t>& result) {
  const auto values = axis(where, axes, name);
  if (values.empty()) return;
  result.clear();
  for (const auto& value : values) {
    const int64_t size = size_of(fmt::format("{}: {}", where, name), value);
    if (size > largest) fail("{}: {}: expected 1 to {}, found {}", where, name, largest, size);
    result.push_back(size);
  }
}

void read_arrays(const std::string& where, const nlohmann::json& axes, std::vector<ArraySize>& result) {
  const auto values = axis(where, axes, "array");
  if (values.empty()) return;
  result.clear();
  const std::string field = where + ": array";
  for (const auto& value : values) {
    if (!value.is_array()) {
      const int64_t side = size_of(field, value);
      result.push_back({side, side});
    } else if (value.size() == 2) {
      result.push_back({size_of(field, value[0]), size_of(field, value[1])});
    } else {
      fail("{}: expected n or [rows, columns], found {}", field, printable(value.dump()));
    }
    constexpr int64_t kLargestSide = 4096;
    if (std::max(result.back().rows, result.back().columns) > kLargestSide) {
      fail("{}: expected sides of 1 to {}, found {}", field, kLargestSide, printable(value.dump()));
    }
  }
}

void read_bandwidths(const std::string& where, const nlohmann::json& axes, std::vector<double>& result) {
  const auto values = axis(where, axes, "gb_per_s");
  if (values.empty()) return;
  result.clear();
  for (const auto& value : values) {
    if (!value.is_number() || !(value.get<double>() > 0)) {
      fail("{}: gb_per_s: expected a number above 0, found {}", where, printable(value.dump()));
    }
    result.push_back(value.get<double>());
  }
}

void read_designs(const std::string& where, const nlohmann::json& axes, std::vector<std::string>& result) {
  const auto values = axis(where, axes, "design");
  if (values.empty()) return;
  result.clear();
  for (const auto& value : values) {
    if (value != "hybrid" && value != "array" && value != "busy-array") {
      fail("{}: design: expected hybrid, array or busy-array, found {}", where, printable(value.dump()));
    }
    result.push_back(value.get<std::string>());
  }
}

// Splits a point's number into the indices of its axes, the last axis varying fastest.
class Digits {
 public:
  explicit Digits(int64_t point) : rest_(point) {}
  template <typename T>
  const T& next(const std::vector<T>& axis) {
    const auto size = static_cast<int64_t>(axis.size());
    const auto index = static_cast<size_t>(rest_ % size);
    rest_ /= size;
    return axis[index];
  }
  int64_t rest() const { return rest_; }

 private:
  int64_t rest_;
};

auto figures(const SweepRow& row) {
  return std::make_tuple(row.workload, row.context, -row.tokens_per_s, -row.tokens_per_j, row.mm2);
}

}  // namespace

SweepSpec load_sweep(const std::string& path, const std::vector<Workload>& workloads) {
  const nlohmann::json json = read_json(path);
  const JsonFields fields(path, json);
  fields.allow({"accounting", "axes"});
  fields.object("axes").allow({"model", "crossbar", "adc_bits", "adcs", "dac_bits", "array", "gb_per_s",
                               "kv_bits", "batch", "context", "design"});
  SweepSpec spec;
  spec.accounting_name = fields.text("accounting");
  if (spec.accounting_name == "corrected") {
    spec.accounting = corrected();
  } else if (spec.accounting_name == "as-published") {
    spec.accounting = as_published();
  } else {
    fail("{}: accounting: expected corrected or as-published, found \"{}\"", path,
         printable(spec.accounting_name));
  }
  const auto& axes = json["axes"];
  const std::string where = path + ": axes";
  for (const auto& name : axis(where, axes, "model")) {
    if (!name.is_string()) fail("{}: model: expected a name, found {}", where, printable(name.dump()));
    spec.models.push_back(find_workload(workloads, name.get<std::string>()));
  }
  if (spec.models.empty()) fail("{}: model: expected a list of values", where);
  read_sizes(where, axes, "crossbar", 2048, spec.crossbar);
  read_sizes(where, axes, "adc_bits", 14, spec.adc_bits);
  read_sizes(where, axes, "adcs", 2048, spec.adcs);
  read_sizes(where, axes, "dac_bits", 8, spec.dac_bits);
  read_arrays(where, axes, spec.array);
  read_bandwidths(where, axes, spec.gb_per_s);
  read_sizes(where, axes, "kv_bits", 32, spec.kv_bits);
  read_sizes(where, axes, "batch", 65536, spec.batch);
  read_sizes(where, axes, "context", int64_t{1} << 30, spec.context);
  read_designs(where, axes, spec.design);
  double points = 1;
  for (const size_t n : {spec.models.size(), spec.crossbar.size(), spec.adc_bits.size(), spec.adcs.size(),
                         spec.dac_bits.size(), spec.array.size(), spec.gb_per_s.size(), spec.kv_bits.size(),
                         spec.batch.size(), spec.context.size(), spec.design.size()}) {
    points *= static_cast<double>(n);
  }
  if (points > static_cast<double>(kMostPoints)) {
    fail("{}: expected at most {} points, found {:.0f}", path, kMostPoints, points);
  }
  return spec;
}

int64_t point_count(const SweepSpec& s) {
  const size_t count = s.models.size() * s.crossbar.size() * s.adc_bits.size() * s.adcs.size() *
                       s.dac_bits.size() * s.array.size() * s.gb_per_s.size() * s.kv_bits.size() *
                       s.batch.size() * s.context.size() * s.design.size();
  return static_cast<int64_t>(count);
}

Sweep::Sweep(const SweepSpec& spec) : spec_(spec) {}

SweepRow Sweep::coordinates(int64_t point) const {
  Digits digits(point);
  SweepRow row;
  row.design = digits.next(spec_.design);
  row.context = digits.next(spec_.context);
  row.batch = digits.next(spec_.batch);
  row.kv_bits = digits.next(spec_.kv_bits);
  row.gb_per_s = digits.next(spec_.gb_per_s);
  row.array = digits.next(spec_.array);
  row.bank = digits.rest();
  row.pim.dac_bits = digits.next(spec_.dac_bits);
  row.pim.adcs = digits.next(spec_.adcs);
  row.pim.adc_bits = digits.next(spec_.adc_bits);
  row.pim.rows = digits.next(spec_.crossbar);
  row.pim.columns = row.pim.rows;
  row.pim.dacs = row.pim.rows;
  row.pim.grid_side = 0;
  row.workload = &digits.next(spec_.models);
  return row;
}

SweepRow Sweep::row(int64_t point) {
  SweepRow row = coordinates(point);
  const Workload& workload = *row.workload;
  if (row.bank != bank_number_) {
    bank_ = pim_bank(row.pim, fc_layers(workload, spec_.accounting), spec_.accounting);
    bank_number_ = row.bank;
  }
  MachineParameters machine;
  machine.pim = row.pim;
  machine.array.rows = row.array.rows;
  machine.array.columns = row.array.columns;
  machine.dram.gb_per_s = row.gb_per_s;
  machine.kv_bits = row.kv_bits;
  machine.batch = row.batch;
  Result result;
  if (row.design == "hybrid") {
    result = hybrid(machine, bank_, workload, row.context, spec_.accounting);
  } else if (row.design == "array") {
    result = array_alone(machine, workload, row.context, spec_.accounting);
  } else {
    result = busy_array(machine, workload, row.context, spec_.accounting);
  }
  row.tokens_per_s = tokens_per_s(result);
  row.tokens_per_j = tokens_per_joule(result);
  row.mm2 = sum_of(result.area_mm2) + array_mm2(machine.array);
  return row;
}

std::vector<bool> pareto_front(const std::vector<SweepRow>& rows) {
  std::vector<size_t> order(rows.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return figures(rows[a]) < figures(rows[b]); });
  std::vector<bool> front(rows.size());
  // Of the points so far, all at least as fast: area -> tokens/J, rising in both.
  std::map<double, double> stairs;
  for (size_t i = 0; i < order.size(); ++i) {
    const SweepRow& row = rows[order[i]];
    if (i > 0) {
      const SweepRow& previous = rows[order[i - 1]];
      if (row.workload != previous.workload || row.context != previous.context) stairs.clear();
      if (figures(row) == figures(previous)) {
        front[order[i]] = front[order[i - 1]];
        continue;
      }
    }
    auto next = stairs.upper_bound(row.mm2);
    if (next != stairs.begin() && std::prev(next)->second >= row.tokens_per_j) continue;
    front[order[i]] = true;
    while (next != stairs.end() && next->second <= row.tokens_per_j) next = stairs.erase(next);
    stairs.insert_or_assign(row.mm2, row.tokens_per_j);
  }
  return front;
}

std::string sweep_csv_header() {
  return "model,design,crossbar,adc_bits,adcs,dac_bits,array_rows,array_columns,gb_per_s,kv_bits,batch,"
         "context,"
         "tokens_per_s,tokens_per_j,mm2";
}

std::string to_csv(const SweepRow& r) {
  return fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}", r.workload->name, r.design, r.pim.rows,
                     r.pim.adc_bits, r.pim.adcs, r.pim.dac_bits, r.array.rows, r.array.columns, r.gb_per_s,
                     r.kv_bits, r.batch, r.context, r.tokens_per_s, r.tokens_per_j, r.mm2);
}

nlohmann::ordered_json to_json(const SweepRow& r) {
  return {{"model", r.workload->name},
          {"design", r.design},
          {"crossbar", r.pim.rows},
          {"adc_bits", r.pim.adc_bits},
          {"adcs", r.pim.adcs},
          {"dac_bits", r.pim.dac_bits},
          {"array", {r.array.rows, r.array.columns}},
          {"gb_per_s", r.gb_per_s},
          {"kv_bits", r.kv_bits},
          {"batch", r.batch},
          {"context", r.context},
          {"tokens_per_s", r.tokens_per_s},
          {"tokens_per_j", r.tokens_per_j},
          {"mm2", r.mm2}};
}

}  // namespace pimllm::cost

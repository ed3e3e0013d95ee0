#include "models/cost/table.hpp"

#include <algorithm>
#include <optional>

#include "golden/error.hpp"

namespace pimllm::cost {
namespace {

nlohmann::ordered_json parts_json(const std::vector<Part>& parts) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& part : parts) json[std::string(part.name)] = part.value;
  return json;
}

using Parts = std::vector<Part> Result::*;

// Names of the parts of all cells, in order of appearance.
std::vector<std::string_view> part_names(const std::vector<Cell>& cells, Parts parts) {
  std::vector<std::string_view> names;
  for (const auto& cell : cells) {
    for (const auto& part : cell.result.*parts) {
      if (std::find(names.begin(), names.end(), part.name) == names.end()) names.push_back(part.name);
    }
  }
  return names;
}

std::string column_name(std::string_view kind, std::string_view part, std::string_view unit) {
  std::string name = fmt::format("{}_{}_{}", kind, part, unit);
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
}

void append_parts(std::string& text, const std::vector<Part>& parts,
                  const std::vector<std::string_view>& names) {
  for (const auto name : names) {
    text += ',';
    for (const auto& part : parts) {
      if (part.name == name) text += fmt::format("{}", part.value);
    }
  }
}

}  // namespace

Mode published_mode(std::string name, std::string title, const MachineParameters& machine,
                    const Accounting& accounting) {
  return {std::move(name), std::move(title), published_designs(machine, accounting)};
}

std::vector<int64_t> published_contexts() { return {128, 256, 512, 1024, 2048, 4096}; }

std::vector<Cell> evaluate(const std::vector<Mode>& modes, const std::vector<Workload>& workloads,
                           const std::vector<int64_t>& contexts) {
  std::vector<Cell> cells;
  for (const auto& mode : modes) {
    for (const auto& workload : workloads) {
      for (const int64_t context : contexts) {
        for (const auto& design : mode.designs) {
          cells.push_back({&mode, &design, &workload, context, design.evaluate(workload, context)});
        }
      }
    }
  }
  return cells;
}

const Result& find_result(const std::vector<Cell>& cells, std::string_view mode, std::string_view design,
                          std::string_view model, int64_t context) {
  for (const auto& cell : cells) {
    if (cell.context == context && cell.workload->name == model && cell.design->name == design &&
        cell.mode->name == mode) {
      return cell.result;
    }
  }
  fail("no figure of {} {} for {} at context {}", mode, design, model, context);
}

nlohmann::ordered_json to_json(const Cell& cell) {
  const Result& result = cell.result;
  nlohmann::ordered_json json;
  json["mode"] = cell.mode->name;
  json["design"] = cell.design->name;
  json["model"] = cell.workload->name;
  json["context"] = cell.context;
  json["tokens_per_s"] = tokens_per_s(result);
  json["tokens_per_j"] = tokens_per_joule(result);
  json["words_per_battery"] = words_per_battery(result);
  json["gops"] = gops(result);
  json["gops_per_w"] = gops_per_w(result);
  json["macs"] = result.macs;
  json["dram_bytes"] = result.dram_bytes;
  json["latency_s"] = parts_json(result.latency_s);
  json["energy_j"] = parts_json(result.energy_j);
  json["area_mm2"] = parts_json(result.area_mm2);
  return json;
}

nlohmann::ordered_json to_json(const PimBank& bank) {
  const PimLatency& ns = bank.latency;
  const PimEnergy& nj = bank.energy;
  nlohmann::ordered_json json;
  json["tiles"] = bank.tiles;
  json["crossbars"] = bank.crossbars;
  json["area_mm2"] = bank.area_mm2;
  json["peak_power_w"] = bank.peak_power_w;
  json["latency_ns"] = {{"computing", ns.computing},
                        {"digital", ns.digital},
                        {"intra-tile", ns.intra_tile},
                        {"PE buffers", ns.pe_buffer},
                        {"output write", ns.output_write},
                        {"output read", ns.output_read},
                        {"output read again", ns.output_read_again},
                        {"merge", ns.merge},
                        {"transfer", ns.transfer}};
  json["energy_nj"] = {{"crossbars", nj.crossbar},
                       {"DACs", nj.dac},
                       {"ADCs", nj.adc},
                       {"buffers", nj.buffer},
                       {"other digital", nj.other_digital}};
  return json;
}

nlohmann::ordered_json to_json(const Accounting& accounting) {
  nlohmann::ordered_json json;
  for (const auto& quirk : quirks()) json[std::string(quirk.name)] = accounting.*quirk.member;
  return json;
}

std::string to_csv(const std::vector<Cell>& cells) {
  const auto latency = part_names(cells, &Result::latency_s);
  const auto energy = part_names(cells, &Result::energy_j);
  const auto area = part_names(cells, &Result::area_mm2);
  std::string text =
      "mode,design,model,context,tokens_per_s,tokens_per_j,words_per_battery,gops,gops_per_w,macs,dram_bytes";
  for (const auto name : latency) text += ',' + column_name("latency", name, "s");
  for (const auto name : energy) text += ',' + column_name("energy", name, "j");
  for (const auto name : area) text += ',' + column_name("area", name, "mm2");
  text += '\n';
  for (const auto& cell : cells) {
    const Result& r = cell.result;
    text += fmt::format("{},{},{},{},{},{},{},{},{},{},{}", cell.mode->name, cell.design->name,
                        cell.workload->name, cell.context, tokens_per_s(r), tokens_per_joule(r),
                        words_per_battery(r), gops(r), gops_per_w(r), r.macs, r.dram_bytes);
    append_parts(text, r.latency_s, latency);
    append_parts(text, r.energy_j, energy);
    append_parts(text, r.area_mm2, area);
    text += '\n';
  }
  return text;
}

}  // namespace pimllm::cost

#include "tb/program/coverage.hpp"

#include <fmt/format.h>

#include <array>
#include <set>
#include <unordered_map>

#include "tb/common/functional.hpp"
#include "tb/program/illegal.hpp"

namespace pimllm::tb {
namespace {

using isa::Unit;

constexpr std::array<std::string_view, 6> kUnitNames = {"scheduler", "DMA", "PIM", "ARR", "SMX", "VEC"};

std::string pair_name(Unit from, Space space, Unit to) {
  return fmt::format("{} -> {} -> {}", kUnitNames[static_cast<size_t>(from)], space_name(space),
                     kUnitNames[static_cast<size_t>(to)]);
}

class Flow {
 public:
  explicit Flow(Coverage& coverage) : coverage_(coverage) {}

  void items(const std::vector<Item>& list) {
    for (const Item& item : list) {
      for (const Operation& op : item.operations) operation(op);
      if (item.kind == ItemKind::kCountdown || item.rounds > 0) items(item.body);
    }
  }

 private:
  static uint64_t key(Space space, uint64_t place) { return static_cast<uint64_t>(space) << 60 | place; }

  void operation(const Operation& op) {
    ++coverage_.opcodes[fmt::format("{} {:#04x}", isa::opcode_info(op.opcode).name, op.mode)];
    std::set<std::string> found;
    for (const Access& a : op.accesses) {
      if (a.write) continue;
      for (uint64_t i = a.first; i < a.first + a.count; ++i) {
        const auto writer = writers_.find(key(a.space, i));
        if (writer != writers_.end()) found.insert(pair_name(writer->second, a.space, op.unit()));
      }
    }
    for (const auto& name : found) ++coverage_.pairs[name];
    for (const Access& a : op.accesses) {
      if (!a.write) continue;
      for (uint64_t i = a.first; i < a.first + a.count; ++i) writers_[key(a.space, i)] = op.unit();
    }
  }

  Coverage& coverage_;
  std::unordered_map<uint64_t, Unit> writers_;
};

}  // namespace

std::vector<std::string> unit_pairs() {
  struct Ports {
    Space space;
    std::vector<Unit> writers, readers;
  };
  const std::vector<Ports> ports = {
      {Space::kAct, {Unit::kDma, Unit::kPim, Unit::kVec}, {Unit::kDma, Unit::kPim, Unit::kVec}},
      {Space::kScr,
       {Unit::kDma, Unit::kArr, Unit::kSmx, Unit::kVec},
       {Unit::kDma, Unit::kArr, Unit::kSmx, Unit::kVec}},
      {Space::kKvs, {Unit::kDma, Unit::kVec}, {Unit::kDma, Unit::kSmx}},
      {Space::kScl, {Unit::kDma, Unit::kSmx, Unit::kVec}, {Unit::kDma, Unit::kSmx, Unit::kVec}},
      {Space::kKv, {Unit::kDma, Unit::kVec}, {Unit::kDma, Unit::kArr}},
      {Space::kMemory, {Unit::kDma}, {Unit::kDma}},
  };
  std::vector<std::string> names;
  for (const Ports& p : ports) {
    for (const Unit from : p.writers) {
      for (const Unit to : p.readers) names.push_back(pair_name(from, p.space, to));
    }
  }
  return names;
}

void Coverage::add(const RandomProgram& program) { Flow(*this).items(program.items); }

void Coverage::add(const Coverage& other) {
  for (const auto& [name, n] : other.pairs) pairs[name] += n;
  for (const auto& [name, n] : other.opcodes) opcodes[name] += n;
  for (const auto& [name, n] : other.errors) errors[name] += n;
}

void Coverage::count_points() const {
  const auto count = [](const std::string& kind, const Names& names,
                        const std::map<std::string, uint64_t>& hits) {
    for (const auto& name : names) {
      const std::string point = fmt::format("program, {}, {}", kind, name);
      declare_points({point});
      if (hits.contains(name)) hit_point(point);
    }
  };
  Names all_opcodes, all_errors(std::begin(kBusErrors), std::end(kBusErrors));
  std::map<std::string, uint64_t> of_units;
  for (const auto& info : isa::kOpcodes) {
    if (info.unit != Unit::kSched) all_opcodes.emplace_back(info.name);
  }
  for (const auto& [name, n] : opcodes) of_units[name.substr(0, name.find(' '))] += n;
  for (const auto& c : illegal_cases()) all_errors.emplace_back(c.name);
  count("data", unit_pairs(), pairs);
  count("instruction", all_opcodes, of_units);
  count("error", all_errors, errors);
}

std::vector<std::string> Coverage::missing_pairs() const {
  std::vector<std::string> missing;
  for (const auto& name : unit_pairs()) {
    if (!pairs.contains(name)) missing.push_back(name);
  }
  return missing;
}

}  // namespace pimllm::tb

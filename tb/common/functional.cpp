#include "tb/common/functional.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string_view>

#include "golden/error.hpp"

namespace pimllm::tb {
namespace {

class Points {
 public:
  ~Points() {
    const char* folder = std::getenv("PIMLLM_COVERAGE_DIR");
    if (folder == nullptr || hits.empty()) return;
    std::filesystem::create_directories(folder);
    std::ofstream file(std::filesystem::path(folder) / fmt::format("{}.functional", getpid()));
    for (const auto& [name, n] : hits) file << n << ' ' << name << '\n';
  }
  std::map<std::string, uint64_t> hits;
};

Points& points() {
  static Points all;
  return all;
}

constexpr std::string_view kRefusals[] = {"no refusal", "read refused", "write refused", "memory refused"};

std::string with_refusal(const std::string& cell, Refusal refusal) {
  return fmt::format("{}, {}", cell, kRefusals[static_cast<size_t>(refusal)]);
}

}  // namespace

void declare_points(const Names& names) {
  for (const auto& name : names) points().hits.try_emplace(name, 0);
}

void hit_point(const std::string& name) {
  const auto found = points().hits.find(name);
  if (found == points().hits.end()) fail("functional point \"{}\": expected one that was declared", name);
  ++found->second;
}

Names missing_points(const Names& names) {
  Names missing;
  for (const auto& name : names) {
    if (points().hits.at(name) == 0) missing.push_back(name);
  }
  return missing;
}

Names cross(const std::vector<Names>& parts) {
  Names all = {""};
  for (const auto& part : parts) {
    Names longer;
    for (const auto& head : all) {
      for (const auto& word : part)
        longer.push_back(head.empty() || word.empty() ? head + word : head + ", " + word);
    }
    all = std::move(longer);
  }
  return all;
}

void CommandCoverage::taken(const isa::UnitCommand& cmd) {
  if (cells_) work_.push_back({cmd, {}});
}

void CommandCoverage::refused(Refusal refusal) {
  if (!work_.empty()) work_.front().refused[static_cast<size_t>(refusal)] = true;
}

void CommandCoverage::done() {
  if (work_.empty()) return;
  Work& work = work_.front();
  bool& none = work.refused[static_cast<size_t>(Refusal::kNone)];
  none = !work.refused[1] && !work.refused[2] && !work.refused[3];
  for (const auto& cell : cells_(work.cmd)) {
    for (size_t i = 0; i < std::size(kRefusals); ++i) {
      const auto name = with_refusal(cell, static_cast<Refusal>(i));
      if (work.refused[i] && points().hits.contains(name)) hit_point(name);
    }
  }
  work_.pop_front();
}

void CommandCoverage::error(isa::Opcode presented, isa::ErrorCode code) {
  const bool bus = code == isa::ErrorCode::kBusRead || code == isa::ErrorCode::kBusWrite;
  const auto opcode = bus && !work_.empty() ? work_.front().cmd.opcode : presented;
  work_.clear();
  const bool named = std::any_of(isa::kOpcodes.begin(), isa::kOpcodes.end(),
                                 [&](const isa::OpcodeInfo& info) { return info.opcode == opcode; });
  if (!named) return;
  const auto name = error_point(opcode, code);
  if (points().hits.contains(name)) hit_point(name);
}

Names with_refusals(const Names& cells, const std::vector<Refusal>& refusals) {
  Names names;
  for (const auto& cell : cells) {
    names.push_back(with_refusal(cell, Refusal::kNone));
    for (const Refusal refusal : refusals) names.push_back(with_refusal(cell, refusal));
  }
  return names;
}

std::string error_point(isa::Opcode opcode, isa::ErrorCode code) {
  constexpr std::string_view kNames[] = {"none",      "illegal opcode", "bad address", "bus read",
                                         "bus write", "bus fetch",      "semaphore",   "loop nesting",
                                         "watchdog",  "bad operand"};
  return fmt::format("{}, error {}", isa::opcode_info(opcode).name, kNames[static_cast<size_t>(code)]);
}

}  // namespace pimllm::tb

#include "tb/common/coverage.hpp"

#include <fmt/format.h>
#include <unistd.h>
#include <verilated.h>
#include <verilated_cov.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <unordered_map>

namespace pimllm::tb {
namespace {

constexpr char kHeader[] = "# SystemC::Coverage-3";

// Points as Verilator writes them, "C 'keys' count", by what stands before the count.
class Collector {
 public:
  explicit Collector(std::filesystem::path folder) : folder_(std::move(folder)) {
    std::filesystem::create_directories(folder_);
  }
  ~Collector() {
    std::ofstream file(path());
    file << kHeader << '\n';
    for (const auto& [point, count] : counts_) file << point << ' ' << count << '\n';
  }
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  void add(VerilatedContext& context) {
    const auto part = path().replace_extension(".part");
    context.coveragep()->write(part.c_str());
    std::ifstream file(part);
    for (std::string line; std::getline(file, line);) {
      const auto space = line.rfind(' ');
      if (line.starts_with("C ")) counts_[line.substr(0, space)] += std::stoull(line.substr(space + 1));
    }
    std::filesystem::remove(part);
  }

 private:
  std::filesystem::path path() const { return folder_ / fmt::format("{}.dat", getpid()); }

  std::filesystem::path folder_;
  std::unordered_map<std::string, uint64_t> counts_;
};

}  // namespace

void collect_coverage(VerilatedContext& context) {
  const char* folder = std::getenv("PIMLLM_COVERAGE_DIR");
  if (folder == nullptr) return;
  static Collector collector(folder);
  collector.add(context);
}

}  // namespace pimllm::tb

// Save files for GTKWave name what a trace holds, and a mismatch leaves a report and a waveform.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "models/compiler/compiler.hpp"
#include "models/io/atomic_file.hpp"
#include "models/random/random_model.hpp"
#include "sim/machine/decoder.hpp"
#include "sim/mismatch/investigate.hpp"
#include "sim/mismatch/view.hpp"
#include "tb/common/seed.hpp"
#include "tb/machine/checked_machine.hpp"
#include "tb/machine/test_machines.hpp"

namespace pimllm::sim {
namespace {

namespace fs = std::filesystem;

// A folder that goes with the test, or the one that PIMLLM_WAVE_DIR names.
class Folder {
 public:
  Folder() {
    if (const char* kept = std::getenv("PIMLLM_WAVE_DIR")) {
      path_ = kept;
      return;
    }
    std::string name = testing::TempDir() + "pimllm_waves_XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) fail("{}: cannot be made", name);
    path_ = name;
    temporary_ = true;
  }
  ~Folder() {
    if (temporary_) fs::remove_all(path_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string file(const char* name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
  bool temporary_ = false;
};

std::vector<fs::path> views() {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(PIMLLM_SOURCE_DIR "/sim/waves")) {
    if (entry.path().extension() == ".gtkw") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

// The trace of the third token of a tiny model.
std::string trace_a_token(const Folder& folder) {
  const ModelWeights weights = make_random_model(tb::tiny(small_bitnet_config()), tb::seed());
  const CompiledModel compiled = compile(weights, hardware_preset("unit"));
  constexpr int kToken = 2;
  uint64_t from = 0;
  for (const bool traced : {false, true}) {
    MachineOptions options;
    options.seed = tb::seed();
    if (traced) {
      options.trace = folder.file("trace.fst");
      options.trace_from = from;
    }
    const auto machine = tb::make_test_machine("faulty", options);
    Decoder decoder(compiled, *machine);
    for (int token = 0; token <= kToken; ++token) {
      if (token == kToken) from = machine->cycles();
      decoder.step(token);
    }
  }
  return folder.file("trace.fst");
}

TEST(Waves, EverySignalOfEveryViewExists) {
  const Folder folder;
  const auto signals = read_trace_signals(trace_a_token(folder));
  const std::set<std::string> known(signals.begin(), signals.end());
  std::set<std::string> names;
  for (const auto& path : views()) {
    SCOPED_TRACE(path);
    names.insert(path.stem());
    const auto shown = view_signals(read_file(path));
    EXPECT_GE(shown.size(), 40U);
    for (const auto& name : shown) EXPECT_TRUE(known.contains(name)) << name;
  }
  EXPECT_EQ(names, (std::set<std::string>{"array", "dma", "pim", "scheduler", "scratchpad", "softmax", "top",
                                          "vector"}));
  for (const auto unit : {isa::Unit::kSched, isa::Unit::kDma, isa::Unit::kPim, isa::Unit::kArr,
                          isa::Unit::kSmx, isa::Unit::kVec}) {
    EXPECT_TRUE(names.contains(std::string(view_name(unit))));
  }
}

TEST(Waves, ViewFitsAnotherConfiguration) {
  const std::string view =
      "@28\nT.a\n@22\n+{word} T.b[7:0]\nT.c[1][3:0]\nT.d[2]\nT.f[0]\nT.g[0]\n-comment [3:0]\n";
  const std::vector<std::string> signals = {"T.a", "T.b[15:0]", "T.c[0][5:0]", "T.c[1][5:0]",
                                            "T.e", "T.f[1:0]",  "T.g[0]",      "T.g[1]"};
  EXPECT_EQ(view_signals(view),
            (std::vector<std::string>{"T.a", "T.b[7:0]", "T.c[1][3:0]", "T.d[2]", "T.f[0]", "T.g[0]"}));
  EXPECT_EQ(fit_view(view, signals),
            "@28\nT.a\n@22\n+{word} T.b[15:0]\nT.c[1][5:0]\nT.f[1:0]\nT.g[0]\n-comment [3:0]\n");
}

Mismatch softmax_mismatch() {
  Difference difference;
  difference.unit = isa::Unit::kSmx;
  difference.program = "step";
  difference.instruction = Issued{};
  difference.instruction->index = 87;
  difference.instruction->command.pc = 0x157;
  difference.instruction->command.a0 = 12;
  difference.text = "SOFTMAX a0";
  difference.element = "SCR word 3, byte 1";
  difference.expected = "0x01";
  difference.found = "0x02";
  difference.issued = 1000;
  difference.written = 1010;
  difference.noticed = 1015;
  return {"program step instruction 87: expected 0x01, found 0x02", difference};
}

Repeat repeat(std::vector<std::string> command, bool traced) {
  return {.command = std::move(command),
          .trace_extra = {},
          .seed = 77,
          .config = "unit",
          .target = "some_test",
          .traced = traced};
}

void expect_contains(const std::string& text, std::initializer_list<const char*> parts) {
  for (const char* part : parts) EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
}

TEST(Waves, ReportWithoutTracedBuildSaysHowToGetIt) {
  const Folder folder;
  const auto answer =
      investigate(folder.path(), softmax_mismatch(), repeat({"/nowhere/some_test", "it's"}, false));
  expect_contains(answer, {"report.txt", "make traced TARGET=some_test CONFIG=unit"});
  expect_contains(read_file(folder.file("report.txt")),
                  {"instruction  SOFTMAX a0", "index        87", "pc           0x157 (address 0x1570)",
                   "unit         SMX", "a0 12", "element      SCR word 3, byte 1", "expected     0x01",
                   "found        0x02", "issued       cycle 1000", "noticed      cycle 1015",
                   "seed         77", "some_test 'it'\\''s'"});
  EXPECT_FALSE(fs::exists(folder.file("mismatch.gtkw")));
}

TEST(Waves, TracedRunWithoutMismatchIsNotTaken) {
  const Folder folder;
  expect_contains(investigate(folder.path(), softmax_mismatch(), repeat({"/bin/true"}, true)),
                  {"met no mismatch"});
}

TEST(Waves, ReferencesThatDifferHaveNoWaveform) {
  const Folder folder;
  expect_contains(
      investigate(folder.path(), Mismatch("reference against golden"), repeat({"/bin/false"}, true)),
      {"the two references"});
}

TEST(Waves, FolderThatIsAFileIsRefused) {
  const Folder folder;
  write_file_atomically(folder.file("file"), std::string_view("x"));
  EXPECT_THROW(investigate(folder.file("file"), softmax_mismatch(), repeat({"/bin/true"}, true)), Error);
}

TEST(Waves, MarkersStandWhereItHappened) {
  const std::string text = mismatch_view("[timestart] 0\n*-1 -1\n@28\nT.a\n",
                                         *softmax_mismatch().difference(), std::vector<std::string>{"T.a"});
  expect_contains(text, {"[timestart] 9800\n", " 10100 10000 10150 10100\n", "[markername] Aissue\n",
                         "[markername] B          mismatch\n", "[markername] Cwrong word ", "@28\nT.a\n"});
}

// From a flipped bit to the waveform, by the command that a person types.
TEST(Waves, FaultLeavesReportTraceAndView) {
  const Folder folder;
  const std::vector<std::string> command = {PIMLLM_FAULT_TEST, "--gtest_filter=*SoftmaxMaximum",
                                            "--seed",          std::to_string(tb::seed()),
                                            "--on-mismatch",   folder.path()};
  const int status = std::system((shell_line(command) + " > " + folder.file("log")).c_str());
  ASSERT_EQ(WEXITSTATUS(status), 0) << read_file(folder.file("log"));
  expect_contains(read_file(folder.file("log")), {"the waveform of cycles"});
  expect_contains(read_file(folder.file("report.txt")),
                  {"unit         SMX", "machine      faulty", "--trace-machine"});
  EXPECT_FALSE(fs::exists(folder.file("rerun.log")));
  // A few hundred cycles at most.
  constexpr uintmax_t kMaxBytes = 2'000'000;
  EXPECT_LT(fs::file_size(folder.file("trace.fst")), kMaxBytes);
  const auto signals = read_trace_signals(folder.file("trace.fst"));
  const std::set<std::string> known(signals.begin(), signals.end());
  const auto shown = view_signals(read_file(folder.file("mismatch.gtkw")));
  EXPECT_EQ(shown, view_signals(read_file(PIMLLM_SOURCE_DIR "/sim/waves/softmax.gtkw")));
  for (const auto& name : shown) EXPECT_TRUE(known.contains(name)) << name;
}

// A fault by which the machine stops leaves the same. Which flipped bit of those drawn does is up to the
// seed.
class Stop : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(Stop, LeavesReportTraceAndView) {
  const auto& [fault, cause] = GetParam();
  constexpr int kSeeds = 8;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    const Folder folder;
    const std::vector<std::string> command = {PIMLLM_FAULT_TEST, fmt::format("--gtest_filter=*{}", fault),
                                              "--seed",          std::to_string(seed),
                                              "--on-mismatch",   folder.path()};
    const int status = std::system((shell_line(command) + " > " + folder.file("log")).c_str());
    ASSERT_EQ(WEXITSTATUS(status), 0) << read_file(folder.file("log"));
    const std::string report = read_file(folder.file("report.txt"));
    if (report.find(fmt::format("found        {}\n", cause)) == std::string::npos) continue;
    expect_contains(report, {"the machine stopped: ", "expected     HALT"});
    expect_contains(read_file(folder.file("log")), {"the waveform of cycles"});
    EXPECT_FALSE(fs::exists(folder.file("rerun.log")));
    const auto signals = read_trace_signals(folder.file("trace.fst"));
    const std::set<std::string> known(signals.begin(), signals.end());
    const auto shown = view_signals(read_file(folder.file("mismatch.gtkw")));
    EXPECT_FALSE(shown.empty());
    for (const auto& name : shown) EXPECT_TRUE(known.contains(name)) << name;
    return;
  }
  FAIL() << "no fault of " << kSeeds << " seeds stopped the machine by " << cause;
}

INSTANTIATE_TEST_SUITE_P(Waves, Stop,
                         testing::Values(std::pair{"TokenBetweenUnits", "watchdog"},
                                         std::pair{"OperandRegister", "bad address"}),
                         [](const auto& info) { return std::string(info.param.first); });

TEST(Waves, EnvironmentNamesAFolderForTheTestsThatFail) {
  const Folder folder;
  const std::vector<std::string> command = {"env",
                                            "PIMLLM_ON_MISMATCH=" + folder.path(),
                                            PIMLLM_FAULT_TEST,
                                            "--gtest_filter=*PimAccumulator",
                                            "--seed",
                                            std::to_string(tb::seed())};
  const int status = std::system((shell_line(command) + " > " + folder.file("log")).c_str());
  ASSERT_EQ(WEXITSTATUS(status), 0) << read_file(folder.file("log"));
  EXPECT_TRUE(fs::exists(folder.file("Machine_Fault.IsNoticedWhereItHappened_PimAccumulator/mismatch.gtkw")));
}

}  // namespace
}  // namespace pimllm::sim

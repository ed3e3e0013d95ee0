// Sweeps: the published point, Pareto fronts against all pairs, resumption, refused specifications.
#include "models/cost/sweep.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "golden/test_util.hpp"
#include "models/cost/test_util.hpp"

namespace pimllm::cost {
namespace {

using ::testing::HasSubstr;

// 12,288 points: three blocks.
const char* const kSpec = R"({"accounting": "as-published", "axes": {
  "model": ["gpt2-124m", "bitnet-2b4t"], "crossbar": [256, 128], "adc_bits": [8, 6], "adcs": [128, 64], "dac_bits": [1, 2],
  "array": [32, [16, 64], 64], "gb_per_s": [51.2, 12.8], "kv_bits": [8, 4], "batch": [1, 2, 4, 8],
  "context": [128, 256, 512, 4096], "design": ["hybrid", "array"]}})";

SweepSpec spec_of(const TemporaryFolder& folder) {
  return load_sweep(folder.write("spec.json", kSpec), all_workloads());
}

TEST(Sweep, FirstPointIsThePublishedMachine) {
  const TemporaryFolder folder;
  const SweepSpec spec = spec_of(folder);
  const SweepRow row = Sweep(spec).row(0);
  EXPECT_EQ(row.workload->name, "gpt2-124m");
  EXPECT_NEAR(row.tokens_per_s, 547.2698894295914, 1e-6);
  EXPECT_NEAR(row.mm2, 12 * 345.537 + array_mm2({}), 0.02);
}

TEST(Sweep, OrderDoesNotMatter) {
  const TemporaryFolder folder;
  const SweepSpec spec = spec_of(folder);
  Sweep forward(spec);
  Sweep jumping(spec);
  std::mt19937_64 rng(test_seed());
  std::vector<std::string> rows;
  for (int64_t point = 0; point < point_count(spec); ++point) rows.push_back(to_csv(forward.row(point)));
  for (int i = 0; i < 500; ++i) {
    const auto point = rng() % rows.size();
    EXPECT_EQ(to_csv(jumping.row(static_cast<int64_t>(point))), rows[point]);
  }
}

TEST(Sweep, BatchHidesTheShorterUnit) {
  MachineParameters one, four;
  four.batch = 4;
  const Workload& opt = workload("opt-6.7b");
  const Result single = hybrid(one, opt, 4096, as_published());
  const double bank = single.latency_s[0].value;
  const double array = single.latency_s[1].value;
  ASSERT_GT(array, bank);
  EXPECT_NEAR(sum_of(hybrid(four, opt, 4096, as_published()).latency_s), (bank + 4 * array) / 4, 1e-12);
}

TEST(Sweep, ParetoAgainstAllPairs) {
  std::mt19937_64 rng(test_seed());
  std::vector<SweepRow> rows(400);
  for (auto& row : rows) {
    row.workload = &all_workloads()[rng() % 2];
    row.context = static_cast<int64_t>(1 + rng() % 2);
    row.tokens_per_s = static_cast<double>(rng() % 12);
    row.tokens_per_j = static_cast<double>(rng() % 12);
    row.mm2 = static_cast<double>(rng() % 12);
  }
  const auto front = pareto_front(rows);
  for (size_t i = 0; i < rows.size(); ++i) {
    bool dominated = false;
    for (const auto& other : rows) {
      const bool as_good = other.workload == rows[i].workload && other.context == rows[i].context &&
                           other.tokens_per_s >= rows[i].tokens_per_s &&
                           other.tokens_per_j >= rows[i].tokens_per_j && other.mm2 <= rows[i].mm2;
      const bool better = other.tokens_per_s > rows[i].tokens_per_s ||
                          other.tokens_per_j > rows[i].tokens_per_j || other.mm2 < rows[i].mm2;
      dominated = dominated || (as_good && better);
    }
    EXPECT_EQ(front[i], !dominated) << i;
  }
}

TEST(Sweep, ResumesToTheSameFile) {
  const TemporaryFolder folder;
  const SweepSpec spec = spec_of(folder);
  const auto never = [](int64_t) { return true; };
  ASSERT_TRUE(run_sweep(spec, folder.file("whole.csv"), never));

  const std::string path = folder.file("cut.csv");
  EXPECT_FALSE(run_sweep(spec, path, [](int64_t done) { return done < 4096; }));
  EXPECT_FALSE(std::filesystem::exists(path));
  // Killed in the middle of a line.
  std::filesystem::resize_file(path + ".partial", std::filesystem::file_size(path + ".partial") - 7);
  int64_t first = -1;
  ASSERT_TRUE(run_sweep(spec, path, [&](int64_t done) {
    if (first < 0) first = done;
    return true;
  }));
  EXPECT_EQ(first, 4095);
  EXPECT_EQ(read_file(path), read_file(folder.file("whole.csv")));
  EXPECT_FALSE(std::filesystem::exists(path + ".partial"));
}

TEST(Sweep, ForeignAndDamagedPartialFilesAreRefused) {
  const TemporaryFolder folder;
  SweepSpec spec = spec_of(folder);
  const std::string path = folder.file("cut.csv");
  ASSERT_FALSE(run_sweep(spec, path, [](int64_t done) { return done < 4096; }));
  const std::string partial = read_file(path + ".partial");
  SweepSpec other = spec;
  other.context = {99};
  const auto resume = [&](const SweepSpec& s) {
    return error_of([&] { run_sweep(s, path, [](int64_t) { return true; }); });
  };
  EXPECT_THAT(resume(other), HasSubstr("belongs to another sweep"));
  std::string damaged = partial;
  damaged[damaged.find('\n') + 20] = 'x';
  folder.write("cut.csv.partial", damaged);
  EXPECT_THAT(resume(spec), HasSubstr("row 1 is damaged"));
}

TEST(Sweep, DamagedSpecificationsAreRefused) {
  const TemporaryFolder folder;
  const auto refused = [&](const std::string& text) {
    const std::string message =
        error_of([&] { load_sweep(folder.write("spec.json", text), all_workloads()); });
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message;
  };
  const auto with = [](const std::string& axes) {
    return R"({"accounting": "corrected", "axes": {"model": ["opt-6.7b"])" + axes + "}}";
  };
  EXPECT_THAT(refused("{"), HasSubstr("not JSON"));
  EXPECT_THAT(refused("[]"), HasSubstr("expected a JSON object"));
  EXPECT_THAT(refused(R"({"axes": {}})"), HasSubstr("\"accounting\" is missing"));
  EXPECT_THAT(refused(R"({"accounting": "mine", "axes": {}})"),
              HasSubstr("expected corrected or as-published"));
  EXPECT_THAT(refused(R"({"accounting": "corrected", "axes": {}})"), HasSubstr("model: expected a list"));
  EXPECT_THAT(refused(with(R"(, "color": [1])")), HasSubstr("unknown field \"color\""));
  EXPECT_THAT(refused(with(R"(, "context": [])")), HasSubstr("context: expected a list"));
  EXPECT_THAT(refused(with(R"(, "context": [0])")), HasSubstr("context: expected 1"));
  EXPECT_THAT(refused(with(R"(, "array": [-32])")), HasSubstr("array: expected 1"));
  EXPECT_THAT(refused(with(R"(, "array": [[1, 2, 3]])")), HasSubstr("expected n or [rows, columns]"));
  EXPECT_THAT(refused(with(R"(, "adc_bits": [30])")), HasSubstr("adc_bits: expected 1 to 14, found 30"));
  EXPECT_THAT(refused(with(R"(, "gb_per_s": [0])")), HasSubstr("gb_per_s: expected a number above 0"));
  EXPECT_THAT(refused(with(R"(, "design": ["gpu"])")), HasSubstr("design: expected hybrid"));
  EXPECT_THAT(refused(R"({"accounting": "corrected", "axes": {"model": ["gpt5"]}})"),
              HasSubstr("\"gpt5\": unknown"));
  // Found by fuzzing.
  EXPECT_THAT(refused(with(R"(, "gb_per_s": [1e999])")), HasSubstr("expected numbers that fit a double"));
  EXPECT_THAT(refused(R"({"accounting": "a\u0007b", "axes": {}})"), HasSubstr("found \"a?b\""));
  EXPECT_LT(refused(with(", \"array\": [[" + std::string(5000, '1') + "]]")).size(), 1000U);
}

// Found by fuzzing: 600 million tiles, each with a place of its own.
TEST(Sweep, CrossbarsTooSmallAreRefused) {
  const TemporaryFolder folder;
  const SweepSpec spec = load_sweep(
      folder.write("spec.json",
                   R"({"accounting": "corrected", "axes": {"model": ["opt-30b"], "crossbar": [1]}})"),
      all_workloads());
  EXPECT_THAT(error_of([&] { Sweep(spec).row(0); }), HasSubstr("tiles, expected at most 1048576"));
}

// Found by fuzzing: bytes and cycles of a batch beyond 64 bits.
TEST(Sweep, TheLargestValuesStayWithinRange) {
  const TemporaryFolder folder;
  const Workload largest{.name = "largest",
                         .title = "",
                         .d_model = kLargestWidth,
                         .heads = kLargestWidth,
                         .kv_heads = kLargestWidth,
                         .head_dim = 1,
                         .d_ff = kLargestWidth,
                         .ffn_matrices = 3,
                         .layers = kMostLayers,
                         .vocab_size = 1,
                         .published = {}};
  const SweepSpec spec = load_sweep(
      folder.write("spec.json",
                   R"({"accounting": "corrected", "axes": {"model": ["largest"], "crossbar": [2048],
                   "array": [1, 4096], "kv_bits": [32], "batch": [65536], "context": [1073741824],
                   "design": ["hybrid", "array", "busy-array"]}})"),
      {largest});
  Sweep sweep(spec);
  for (int64_t point = 0; point < point_count(spec); ++point) {
    const SweepRow row = sweep.row(point);
    EXPECT_GT(row.tokens_per_s, 0) << to_csv(row);
    EXPECT_GT(row.tokens_per_j, 0) << to_csv(row);
  }
}

TEST(Sweep, ShippedExampleLoads) {
  EXPECT_EQ(point_count(load_sweep(PIMLLM_SWEEP_EXAMPLE, all_workloads())), 15552);
}

}  // namespace
}  // namespace pimllm::cost

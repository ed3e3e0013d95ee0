// The array unit against plain dot products over the address spaces of docs/architecture.md.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "Varray_unit_fpga.h"
#include "Varray_unit_paper.h"
#include "Varray_unit_small.h"
#include "Varray_unit_unit.h"
#include "tb/common/memory_port.hpp"
#include "tb/common/seed.hpp"
#include "tb/common/unit_bench.hpp"

namespace pimllm::tb {
namespace {

struct Shape {
  int rows, cols, channel_bytes, kv_rows, scr_words;
  int group_banks() const { return channel_bytes / cols; }
  int groups() const { return rows / group_banks(); }
};

struct UnitConfig {
  using Model = Varray_unit_unit;
  static constexpr Shape kShape{4, 4, 8, 512, 256};
};
struct SmallConfig {
  using Model = Varray_unit_small;
  static constexpr Shape kShape{8, 8, 32, 2048, 1024};
};
struct FpgaConfig {
  using Model = Varray_unit_fpga;
  static constexpr Shape kShape{8, 8, 8, 512, 1024};
};
struct PaperConfig {
  using Model = Varray_unit_paper;
  static constexpr Shape kShape{32, 32, 128, 4096, 8192};
};

// The KV banks: never refuse, data in the cycle after the enable only.
class KvPort : public Port {
 public:
  KvPort(const Shape& shape, Signal enable, Signal addr, Signal data)
      : shape_(shape),
        bytes_(size_t(shape.rows) * shape.kv_rows * shape.cols),
        enable_(enable),
        addr_(addr),
        data_(data) {
    while ((1 << addr_bits_) < shape.kv_rows) ++addr_bits_;
  }
  bool noise = true;
  uint64_t reads = 0;

  std::span<uint8_t> word(int bank, int row) {
    return std::span(bytes_).subspan((size_t(bank) * shape_.kv_rows + row) * shape_.cols, shape_.cols);
  }
  std::span<uint8_t> bytes() { return bytes_; }

  void before_edge() override {
    enabled_ = enable_.get();
    if (enabled_ == 0) return;
    const auto addr = addr_.bytes();
    for (int b = 0; b < shape_.rows; ++b) {
      if ((enabled_ >> b & 1) == 0) continue;
      const int bit = b * addr_bits_;
      uint32_t raw = 0;
      std::memcpy(&raw, addr.data() + bit / 8, std::min<size_t>(4, addr.size() - bit / 8));
      rows_[b] = raw >> (bit % 8) & ((1u << addr_bits_) - 1);
    }
  }
  void after_edge() override {
    auto data = data_.bytes();
    for (int b = 0; b < shape_.rows; ++b) {
      auto lane = data.subspan(size_t(b) * shape_.cols, shape_.cols);
      if ((enabled_ >> b & 1) != 0) {
        std::ranges::copy(word(b, rows_[b]), lane.begin());
        ++reads;
      } else if (noise) {
        std::ranges::fill(lane, static_cast<uint8_t>(0x5A ^ ++noise_));
      }
    }
  }

 private:
  Shape shape_;
  std::vector<uint8_t> bytes_;
  Signal enable_, addr_, data_;
  int addr_bits_ = 0;
  uint64_t enabled_ = 0;
  std::array<uint32_t, 64> rows_{};
  uint8_t noise_ = 0;
};

// One instruction in words.
struct Job {
  bool pv = false, north = false, accumulate = false, open = false;
  bool three = false;  // planes of PV
  int lg_heads = 0, rows = 1;
  int tokens = 1, size = 1;                           // dims of QK, chunks of PV
  int a0 = 0, a_stride = 0, dst = 0, dst_stride = 0;  // half words
  int base = 0, open_base = 0;
  int pair_rows = 0;     // banked, two heads: rows to the second head's tiles, 0: both have the same
  bool rotated = false;  // north: tiles half of the groups further

  bool shared() const { return pair_rows == 0 || lg_heads != 1; }
  UnitCmd cmd() const {
    UnitCmd c;
    c.opcode = pv ? isa::Opcode::kPv : isa::Opcode::kQk;
    c.mode = static_cast<uint8_t>((north ? 1 : 0) | (accumulate ? 2 : 0) | (open ? 4 : 0) | lg_heads << 3 |
                                  (three ? 32 : 0));
    c.count = static_cast<uint16_t>(tokens);
    c.a0 = static_cast<uint16_t>(a0);
    c.a1 = static_cast<uint64_t>(base);
    c.a2 = static_cast<uint16_t>(dst);
    c.s0 = static_cast<uint16_t>(size);
    c.s1 = static_cast<uint16_t>(open_base);
    if (rotated) c.mode |= 8;
    c.s2 = static_cast<uint64_t>(!north && lg_heads == 1 ? pair_rows : rows) |
           static_cast<uint64_t>(a_stride) << 16 | static_cast<uint64_t>(dst_stride) << 32;
    return c;
  }
  int operands() const { return north ? rows : 1 << lg_heads; }
  int planes() const { return three ? 3 : 2; }
  int tile_halves() const { return three ? 2 : 1; }  // half words of a tile's numerators
  std::string text() const {
    return fmt::format("{}{}{}{}{}{} g={} m={} T={} size={} a0={} as={} dst={} ds={} base={} open={} pair={}",
                       pv ? "PV" : "QK", three ? " three" : "", north ? " north" : "",
                       rotated ? " rotated" : "", accumulate ? " acc" : "", open ? " open" : "",
                       1 << lg_heads, rows, tokens, size, a0, a_stride, dst, dst_stride, base, open_base,
                       pair_rows);
  }
};

Names cells(const UnitCmd& cmd, const Shape& s);  // functional points, below

template <typename Config>
class ArrayBench : public UnitBench<typename Config::Model> {
 public:
  static constexpr Shape kShape = Config::kShape;
  Ram scr{size_t(kShape.scr_words), size_t(kShape.cols) * 4};
  ReadPort read;
  WritePort write;
  KvPort kv;
  std::mt19937_64 stall_rng = make_rng(77);

  ArrayBench()
      : read(scr, Signal(this->dut->scr_rd_req_o), Signal(this->dut->scr_rd_addr_o),
             Signal(this->dut->scr_rd_gnt_i), Signal(this->dut->scr_rd_data_i)),
        write(scr, Signal(this->dut->scr_wr_req_o), Signal(this->dut->scr_wr_addr_o),
              Signal(this->dut->scr_wr_data_o), Signal(this->dut->scr_wr_be_o),
              Signal(this->dut->scr_wr_gnt_i)),
        kv(kShape, Signal(this->dut->kv_rd_en_o), Signal(this->dut->kv_rd_addr_o),
           Signal(this->dut->kv_rd_data_i)) {
    this->add(read);
    this->add(write);
    this->add(kv);
    read.stall.rng = write.stall.rng = &stall_rng;
    this->dut->cmd_valid_i = 0;
    this->functional.follow([](const UnitCmd& cmd) { return cells(cmd, kShape); });
    auto rng = make_rng(5);
    scr.randomize(rng);
    for (auto& byte : kv.bytes()) byte = static_cast<uint8_t>(rng());
    this->reset();
  }

  int tile_rows(const Job& job) const {
    return (job.pv ? job.size * kShape.cols : job.size) / kShape.group_banks();
  }
  // Byte `col` of word `word` of tile `tile` of a head.
  int8_t kv_byte(const Job& job, int head, int tile, int tiles, int word, int col) {
    const bool second = head == 1 && !job.north && !job.shared();
    const int group = (tile + (second || job.rotated ? kShape.groups() / 2 : 0)) % kShape.groups();
    int base = job.base + tile / kShape.groups() * tile_rows(job) + (second ? job.pair_rows : 0);
    if (job.open && tile == tiles - 1) base = job.open_base + (second ? 2 * tile_rows(job) : 0);
    const int bank = group * kShape.group_banks() + word % kShape.group_banks();
    return static_cast<int8_t>(kv.word(bank, base + word / kShape.group_banks())[col]);
  }

  // The words the instruction writes, applied to `image`; operands are read from the present SCR.
  void reference(const Job& job, std::vector<int32_t>& image) {
    const int cols = kShape.cols;
    const int tiles = (job.tokens + cols - 1) / cols;
    const auto put = [&](int operand, int word, const std::vector<int32_t>& value) {
      const size_t at = size_t((job.dst + operand * job.dst_stride) / 2 + word) * cols;
      for (int c = 0; c < cols; ++c) {
        const auto old = static_cast<uint32_t>(image[at + c]);
        image[at + c] = static_cast<int32_t>(static_cast<uint32_t>(value[c]) + (job.accumulate ? old : 0));
      }
    };
    for (int h = 0; h < job.operands(); ++h) {
      const size_t a = size_t(job.a0 + h * job.a_stride) * 2 * cols;
      if (!job.pv) {
        for (int t = 0; t < tiles; ++t) {
          std::vector<int32_t> score(cols, 0);
          for (int d = 0; d < job.size; ++d) {
            const auto q = static_cast<int8_t>(scr.bytes()[a + d]);
            for (int c = 0; c < cols; ++c) score[c] += q * kv_byte(job, h, t, tiles, d, c);
          }
          put(h, t, score);
        }
        continue;
      }
      for (int plane = 0; plane < job.planes(); ++plane) {
        for (int chunk = 0; chunk < job.size; ++chunk) {
          std::vector<int32_t> sum(cols, 0);
          for (int t = 0; t < tiles; ++t) {
            for (int tok = 0; tok < cols; ++tok) {
              const int n = scr.bytes()[a + numerator_byte(job, t, tok, plane)];
              for (int c = 0; c < cols; ++c)
                sum[c] += n * kv_byte(job, h, t, tiles, tok * job.size + chunk, c);
            }
          }
          put(h, plane * job.size + chunk, sum);
        }
      }
    }
  }

  // Place of a byte of a numerator: 16 bits, or the upper 16 of 24 with the lower 8 in the next half word.
  static size_t numerator_byte(const Job& job, int tile, int token, int plane) {
    const int half = 2 * kShape.cols;
    if (!job.three) return size_t(tile * half + 2 * token + plane);
    return size_t(2 * tile * half + 2 * token + (plane == 0 ? half : plane - 1));
  }

  std::vector<int32_t> image() {
    auto words = scr.template as<int32_t>();
    return {words.begin(), words.end()};
  }

  // The half words of operand A of one head.
  int operand_halves(const Job& job) const {
    const int cols = kShape.cols;
    return job.pv ? (job.tokens + cols - 1) / cols * job.tile_halves()
                  : (job.size + 2 * cols - 1) / (2 * cols);
  }

  // Zeroes the numerators of tokens that are not there.
  void clear_tail(const Job& job) {
    if (!job.pv) return;
    const int cols = kShape.cols;
    for (int h = 0; h < job.operands(); ++h) {
      const size_t a = size_t(job.a0 + h * job.a_stride) * 2 * cols;
      const int end = (job.tokens + cols - 1) / cols * cols;
      for (int t = job.tokens; t < end; ++t) {
        for (int p = 0; p < job.planes(); ++p)
          scr.bytes()[a + numerator_byte(job, t / cols, t % cols, p)] = 0;
      }
    }
  }
};

int uniform(std::mt19937_64& rng, int low, int high) {
  return std::uniform_int_distribution<int>(low, high)(rng);
}
bool chance(std::mt19937_64& rng, double p) { return std::uniform_real_distribution<double>(0, 1)(rng) < p; }

// Places a job: operands are allocated upwards from `*a_top` (half words), results lie in the upper half of
// SCR. False: does not fit.
template <typename Config>
bool place(std::mt19937_64& rng, ArrayBench<Config>& bench, int* a_top, Job& job) {
  const Shape& s = Config::kShape;
  const int results = s.scr_words;  // half words: the upper half begins here
  const int tiles = (job.tokens + s.cols - 1) / s.cols;
  const int tile_rows = bench.tile_rows(job);
  const bool pair = !job.north && !job.shared();
  const int span_rows = (tiles + s.groups() - 1) / s.groups() * tile_rows;
  const int open_rows = pair ? 3 * tile_rows : tile_rows;
  if (span_rows + (pair ? 1 : 0) > s.kv_rows || open_rows > s.kv_rows) return false;
  if (pair) job.pair_rows = uniform(rng, 1, s.kv_rows - span_rows);
  job.base = uniform(rng, 0, s.kv_rows - span_rows - (pair ? job.pair_rows : 0));
  job.open_base = uniform(rng, 0, s.kv_rows - open_rows);
  const int halves = bench.operand_halves(job);
  job.a_stride = halves + uniform(rng, 0, 3);
  job.a0 = *a_top + uniform(rng, 0, 2);
  const int a_end = job.a0 + (job.operands() - 1) * job.a_stride + halves;
  const int words = job.pv ? job.planes() * job.size : tiles;
  job.dst_stride = 2 * (words + uniform(rng, 0, 2));
  const int dst_span = (job.operands() - 1) * job.dst_stride + 2 * words;
  if (a_end > results || dst_span > results) return false;
  job.dst = results + uniform(rng, 0, (results - dst_span) / 2) * 2;
  *a_top = a_end;
  // What a single operand and a closed tile do not need may be anything.
  if (job.operands() == 1) {
    job.a_stride = uniform(rng, 0, 0xFFFF);
    job.dst_stride = uniform(rng, 0, 0xFFFF) & ~1;
  }
  if (!job.open) job.open_base = uniform(rng, 0, 0xFFFF);
  return true;
}

// ---- Functional points: mode and size of an instruction ----

std::string feed_name(bool north, int lg_heads, int m, const Shape& s) {
  if (north) {
    return fmt::format("north{}, {}", (lg_heads & 1) != 0 ? " rotated" : "",
                       m == s.rows ? "all rows" : "a row");
  }
  if (lg_heads == 1 && m != 0) return "banked, pair";
  return fmt::format("banked, heads {}", 1 << lg_heads);
}

std::string mode_name(const UnitCmd& cmd, const Shape& s) {
  const bool pv = cmd.opcode == isa::Opcode::kPv, north = (cmd.mode & 1) != 0;
  return fmt::format("{}{}, {}{}{}", pv ? "PV" : "QK",
                     !pv                    ? ""
                     : (cmd.mode & 32) != 0 ? ", planes 3"
                                            : ", planes 2",
                     feed_name(north, cmd.mode >> 3 & 3, static_cast<int>(cmd.s2 & 0xFFFF), s),
                     (cmd.mode & 2) != 0 ? ", accumulates" : "", (cmd.mode & 4) != 0 ? ", open tile" : "");
}

// Tokens around a tile, and, where several tiles are a fold, around a fold.
std::vector<std::pair<std::string, int>> sizes_of(bool north, int lg_heads, const Shape& s) {
  std::vector<std::pair<std::string, int>> sizes = {
      {"1 token", 1}, {"tile - 1", s.cols - 1}, {"tile", s.cols}, {"tile + 1", s.cols + 1}};
  const int tiles = north ? 1 : s.groups() >> lg_heads;
  if (tiles > 1) {
    const int fold = tiles * s.cols;
    sizes.insert(sizes.end(), {{"fold - 1", fold - 1}, {"fold", fold}, {"fold + 1", fold + 1}});
  }
  return sizes;
}

Names cells(const UnitCmd& cmd, const Shape& s) {
  Names names;
  for (const auto& [name, tokens] : sizes_of((cmd.mode & 1) != 0, cmd.mode >> 3 & 3, s)) {
    if (cmd.count == tokens) names.push_back(mode_name(cmd, s) + ", " + name);
  }
  return names;
}

const std::vector<Refusal> kRefusals = {Refusal::kRead, Refusal::kWrite};

const Names kErrorPoints = {error_point(isa::Opcode::kQk, isa::ErrorCode::kBadAddress),
                            error_point(isa::Opcode::kQk, isa::ErrorCode::kBadOperand),
                            error_point(isa::Opcode::kPv, isa::ErrorCode::kBadAddress),
                            error_point(isa::Opcode::kPv, isa::ErrorCode::kBadOperand),
                            error_point(isa::Opcode::kNorm, isa::ErrorCode::kIllegalOpcode)};

// A random instruction, placed. False: does not fit.
template <typename Config>
bool random_job(std::mt19937_64& rng, ArrayBench<Config>& bench, int* a_top, Job* out) {
  const Shape& s = Config::kShape;
  Job job;
  job.pv = chance(rng, 0.5);
  job.three = job.pv && chance(rng, 0.5);
  job.north = chance(rng, 0.3);
  job.accumulate = chance(rng, 0.25);
  job.open = chance(rng, 0.5);
  int lg_groups = 0;
  while ((2 << lg_groups) <= s.groups()) ++lg_groups;
  if (!job.north && chance(rng, 0.5)) job.lg_heads = uniform(rng, 0, std::min(3, lg_groups));
  // North PV has another way of working up to rows / planes query rows.
  const int max_rows = chance(rng, 0.5) ? s.rows : s.rows / 2;
  job.rows = job.north ? uniform(rng, 1, max_rows) : uniform(rng, 0, 40);
  job.rotated = job.north && chance(rng, 0.5);
  if (!job.north && chance(rng, 0.3)) job.lg_heads = job.pair_rows = 1;
  const int max_tiles = chance(rng, 0.2) ? 5 * s.groups() : chance(rng, 0.5) ? 2 * s.groups() : 3;
  job.tokens = uniform(rng, 1, max_tiles * s.cols);
  if (job.pv) {
    job.size = 1 << uniform(rng, 0, 3);
  } else {
    job.size =
        s.group_banks() *
        uniform(rng, 1, chance(rng, 0.3) ? 10 * s.cols / s.group_banks() : 2 * s.cols / s.group_banks());
    if (chance(rng, 0.3)) job.size = 2 * s.cols * uniform(rng, 1, 3);
  }
  if (!place(rng, bench, a_top, job)) return false;
  *out = job;
  return true;
}

template <typename Config>
void run_jobs(ArrayBench<Config>& bench, const std::vector<Job>& jobs, std::mt19937_64* gap_rng) {
  auto expected = bench.image();
  for (const auto& job : jobs) bench.reference(job, expected);
  const uint64_t before = bench.done();
  std::string list;
  for (const auto& job : jobs) {
    list += job.text() + "\n";
    UnitCmd cmd = job.cmd();
    cmd.pos = static_cast<uint16_t>(bench.stall_rng());
    bench.issue(cmd);
    if (gap_rng != nullptr && chance(*gap_rng, 0.2)) {
      for (int i = uniform(*gap_rng, 0, 60); i > 0; --i) bench.step();
    }
  }
  bench.wait_done(before + jobs.size(), 200000);
  if (std::getenv("ARRAY_LIST") != nullptr) fmt::print("{}", list);
  const auto found = bench.image();
  for (size_t i = 0; i < found.size(); ++i) {
    ASSERT_EQ(found[i], expected[i]) << "SCR half word " << i / Config::kShape.cols * 2 << " lane "
                                     << i % Config::kShape.cols << " after\n"
                                     << list;
  }
  // The last steps leave the stages.
  for (int i = 0; i <= Config::kShape.groups(); ++i) bench.step();
  ASSERT_EQ(bench.done(), before + jobs.size());
  ASSERT_EQ(int(bench.dut->busy_o), 0);
}

template <typename Config>
std::vector<Job> random_jobs(std::mt19937_64& rng, ArrayBench<Config>& bench, int count) {
  std::vector<Job> jobs;
  int a_top = 0;
  for (int tries = 0; tries < 20 * count && int(jobs.size()) < count; ++tries) {
    Job job;
    if (!random_job(rng, bench, &a_top, &job)) continue;
    bench.clear_tail(job);
    jobs.push_back(job);
  }
  return jobs;
}

template <typename Config>
class ArrayTest : public testing::Test {};
using SmallConfigs = testing::Types<UnitConfig, SmallConfig, FpgaConfig>;
TYPED_TEST_SUITE(ArrayTest, SmallConfigs);

TYPED_TEST(ArrayTest, SingleInstructions) {
  ArrayBench<TypeParam> bench;
  auto rng = make_rng(10);
  for (int i = 0; i < 300 && !this->HasFatalFailure(); ++i) {
    run_jobs(bench, random_jobs(rng, bench, 1), nullptr);
  }
}

TYPED_TEST(ArrayTest, BackToBack) {
  ArrayBench<TypeParam> bench;
  auto rng = make_rng(11);
  for (int i = 0; i < 100 && !this->HasFatalFailure(); ++i) {
    run_jobs(bench, random_jobs(rng, bench, 12), i % 2 == 0 ? nullptr : &rng);
  }
}

TYPED_TEST(ArrayTest, BackToBackWithStalls) {
  ArrayBench<TypeParam> bench;
  auto rng = make_rng(12);
  for (int i = 0; i < 100 && !this->HasFatalFailure(); ++i) {
    bench.read.stall.probability = 0.25 * uniform(rng, 0, 3);
    bench.write.stall.probability = 0.3 * uniform(rng, 0, 3);
    run_jobs(bench, random_jobs(rng, bench, 12), &rng);
  }
}

// Every mode with every size at a boundary; nothing refused, reads refused, writes refused.
TYPED_TEST(ArrayTest, EveryModeSizeAndRefusal) {
  const Shape& s = TypeParam::kShape;
  ArrayBench<TypeParam> bench;
  auto rng = make_rng(17);
  std::vector<Job> jobs;
  for (const bool pv : {false, true}) {
    for (int flags = 0; flags < (pv ? 8 : 4); ++flags) {
      const Job mode{
          .pv = pv, .accumulate = (flags & 1) != 0, .open = (flags & 2) != 0, .three = (flags & 4) != 0};
      std::vector<Job> feeds;
      for (int lg = 0; lg <= 3 && 1 << lg <= s.groups(); ++lg) {
        feeds.push_back(mode);
        feeds.back().lg_heads = lg;
      }
      feeds.push_back(mode);
      feeds.back().lg_heads = feeds.back().pair_rows = 1;
      for (const int rows : {1, s.rows}) {
        feeds.push_back(mode);
        feeds.back().north = true;
        feeds.back().rows = rows;
        feeds.push_back(feeds.back());
        feeds.back().rotated = true;
      }
      for (Job job : feeds) {
        for (const auto& [name, tokens] : sizes_of(job.north, job.lg_heads, s)) {
          job.tokens = tokens;
          jobs.push_back(job);
        }
      }
    }
  }
  Names points;
  for (const Job& job : jobs) {
    const Names of_job = with_refusals(cells(job.cmd(), s), kRefusals);
    points.insert(points.end(), of_job.begin(), of_job.end());
  }
  declare_points(points);
  constexpr int kTries = 200;
  for (const Refusal refusal : {Refusal::kNone, Refusal::kRead, Refusal::kWrite}) {
    bench.read.stall.probability = refusal == Refusal::kRead ? 0.7 : 0.0;
    bench.write.stall.probability = refusal == Refusal::kWrite ? 0.7 : 0.0;
    for (Job job : jobs) {
      const Names of_job = with_refusals(cells(job.cmd(), s), kRefusals);
      const Names wanted = {of_job[static_cast<size_t>(refusal)]};
      for (int i = 0; i < kTries && !missing_points(wanted).empty() && !this->HasFatalFailure(); ++i) {
        job.size = job.pv ? 1 << uniform(rng, 0, 1)
                          : s.group_banks() * uniform(rng, 1, 2 * s.cols / s.group_banks());
        int a_top = 0;
        if (!place(rng, bench, &a_top, job)) continue;
        bench.clear_tail(job);
        run_jobs(bench, {job}, nullptr);
      }
    }
  }
  EXPECT_EQ(missing_points(points), Names{});
}

// As many dims, tokens and chunks as fit.
TYPED_TEST(ArrayTest, LargeOperands) {
  const Shape& s = TypeParam::kShape;
  ArrayBench<TypeParam> bench;
  auto rng = make_rng(18);
  const int words = s.scr_words / 2 - 2;  // of results, and of operands
  const int most_dims = std::min(4 * s.cols * words, s.kv_rows * s.group_banks());
  int chunks = 1;
  while (3 * 2 * chunks <= words && 2 * chunks * s.cols <= s.kv_rows * s.group_banks()) chunks *= 2;
  const int most_tokens = std::min(words, s.kv_rows * s.groups()) * s.cols;
  for (const bool north : {false, true}) {
    for (const bool open : {false, true}) {
      for (const bool three : {false, true}) {
        std::vector<Job> jobs = {
            {.north = north, .open = open, .tokens = s.cols, .size = most_dims},
            {.north = north, .open = open, .tokens = most_tokens - 1, .size = s.group_banks()},
            {.pv = true, .north = north, .open = open, .three = three, .tokens = 1, .size = chunks},
            {.pv = true, .north = north, .open = open, .three = three, .tokens = most_tokens - 1}};
        for (Job& job : jobs) {
          int a_top = 0;
          ASSERT_TRUE(place(rng, bench, &a_top, job)) << job.text();
          bench.clear_tail(job);
          run_jobs(bench, {job}, nullptr);
          if (this->HasFatalFailure()) return;
        }
      }
    }
  }
}

TYPED_TEST(ArrayTest, ResetInMidOperation) {
  ArrayBench<TypeParam> bench;
  auto rng = make_rng(13);
  for (int i = 0; i < 40 && !this->HasFatalFailure(); ++i) {
    bench.read.stall.probability = bench.write.stall.probability = 0.2;
    for (const auto& job : random_jobs(rng, bench, 3)) bench.issue(job.cmd());
    for (int k = uniform(rng, 0, 100); k > 0; --k) bench.step();
    bench.reset();
    ASSERT_EQ(int(bench.dut->busy_o), 0);
    run_jobs(bench, random_jobs(rng, bench, 4), nullptr);
  }
}

// An instruction's writes all come after the done of the one before it, or in the same cycle.
TYPED_TEST(ArrayTest, DoneIsInOrderOfWrites) {
  ArrayBench<TypeParam> bench;
  auto rng = make_rng(14);
  bench.write.stall.probability = 0.3;
  for (int i = 0; i < 40 && !this->HasFatalFailure(); ++i) {
    const auto jobs = random_jobs(rng, bench, 6);
    std::vector<uint64_t> last;  // writes granted when the instruction is complete
    const uint64_t writes = bench.write.writes;
    uint64_t total = writes;
    const Shape& s = TypeParam::kShape;
    for (const auto& job : jobs) {
      total +=
          uint64_t(job.operands()) * (job.pv ? job.planes() * job.size : (job.tokens + s.cols - 1) / s.cols);
      last.push_back(total);
    }
    const uint64_t before = bench.done();
    bench.write.on_write = [&](uint64_t) {
      // In the cycle of this grant the instructions complete before it are done, or their pulse is up now.
      const uint64_t done = bench.done() - before + (bench.dut->done_o != 0 ? 1 : 0);
      const auto complete =
          std::ranges::count_if(last, [&](uint64_t end) { return end < bench.write.writes; });
      ASSERT_GE(done, static_cast<uint64_t>(complete));
      ASSERT_LE(done, static_cast<uint64_t>(std::ranges::count_if(
                          last, [&](uint64_t end) { return end <= bench.write.writes; })));
    };
    run_jobs(bench, jobs, nullptr);
    bench.write.on_write = nullptr;
    ASSERT_EQ(bench.write.writes, total);
  }
}

TYPED_TEST(ArrayTest, NoTokens) {
  ArrayBench<TypeParam> bench;
  const int results = TypeParam::kShape.scr_words;
  for (const bool north : {false, true}) {
    Job qk{.north = north, .tokens = 0, .size = TypeParam::kShape.cols, .dst = results};
    Job pv{.pv = true, .north = north, .tokens = 0, .size = 2, .dst = results};  // writes zeros
    Job some{.tokens = 3, .size = TypeParam::kShape.cols, .dst = results + 20};
    Job pv3 = pv;
    pv3.three = true;
    pv3.dst = results + 8;
    run_jobs(bench, {qk, pv, qk, some, pv, pv3, some, qk, pv3, pv}, nullptr);
  }
}

// Three planes at their edges: every byte of the numerators at 255 or only the lowest, a single tile and a
// partial last one, every number of heads, accumulated, in both feeds; V at the ends of its range.
TYPED_TEST(ArrayTest, ThreePlanes) {
  ArrayBench<TypeParam> bench;
  const Shape& s = TypeParam::kShape;
  auto rng = make_rng(16);
  for (auto& byte : bench.kv.bytes()) byte = chance(rng, 0.5) ? 0x81 : 0x7F;
  for (const int fill : {0xFFFFFF, 0xFF, 0xFF00, 0xFF0000}) {
    for (int lg_heads = 0; lg_heads <= 3 && (1 << lg_heads) <= s.groups(); ++lg_heads) {
      for (const int tokens : {s.cols, s.cols - 1, 1, s.groups() * s.cols, 2 * s.groups() * s.cols - 3}) {
        std::vector<Job> jobs;
        for (const bool north : {false, true}) {
          Job job{.pv = true,
                  .north = north,
                  .three = true,
                  .lg_heads = north ? 0 : lg_heads,
                  .rows = 1 << lg_heads,
                  .tokens = tokens,
                  .size = 2,
                  .dst = s.scr_words,
                  .dst_stride = 12};
          job.a_stride = bench.operand_halves(job);
          if (job.rows > s.rows || job.operands() * job.a_stride > s.scr_words) continue;
          for (int h = 0; h < job.operands(); ++h) {
            for (int t = 0; t < tokens; ++t) {
              for (int p = 0; p < 3; ++p) {
                bench.scr.bytes()[size_t(h * job.a_stride) * 2 * s.cols +
                                  bench.numerator_byte(job, t / s.cols, t % s.cols, p)] =
                    static_cast<uint8_t>(fill >> (8 * p));
              }
            }
          }
          bench.clear_tail(job);
          jobs.push_back(job);
          job.accumulate = true;
          jobs.push_back(job);
        }
        run_jobs(bench, jobs, nullptr);
        if (this->HasFatalFailure()) return;
      }
    }
  }
}

TYPED_TEST(ArrayTest, Errors) {
  const Shape& s = TypeParam::kShape;
  declare_points(kErrorPoints);
  const Job good{.tokens = 2 * s.cols, .size = 2 * s.cols, .dst = s.scr_words};
  const auto expect = [&](const UnitCmd& cmd, int code) {
    ArrayBench<TypeParam> bench;
    bench.issue(cmd);
    for (int i = 0; i < 300; ++i) {
      if (bench.dut->err_o != 0) {
        EXPECT_EQ(int(bench.dut->err_code_o), code);
        bench.step();
        bench.reset();
        run_jobs(bench, {good}, nullptr);
        return;
      }
      bench.step();
    }
    FAIL() << "no error " << code;
  };
  constexpr int kIllegal = 1, kAddress = 2, kOperand = 9;
  const auto with = [&](auto change) {
    Job job = good;
    change(job);
    return job.cmd();
  };
  UnitCmd cmd = good.cmd();
  cmd.opcode = isa::Opcode::kNorm;
  expect(cmd, kIllegal);
  cmd = good.cmd();
  cmd.a1 = 1ull << 20;
  expect(cmd, kAddress);
  expect(with([](Job& j) { j.dst += 1; }), kAddress);
  expect(with([](Job& j) { j.dst_stride = 1; }), kAddress);
  expect(with([&](Job& j) { j.dst = 2 * s.scr_words - 2; }), kAddress);
  expect(with([&](Job& j) { j.a0 = 2 * s.scr_words; }), kAddress);
  expect(with([&](Job& j) { j.base = s.kv_rows; }), kAddress);
  expect(with([&](Job& j) { j.base = s.kv_rows - 1; }), kAddress);
  expect(with([&](Job& j) { j.open = true, j.open_base = s.kv_rows - 1; }), kAddress);
  const int first_row_beyond = s.kv_rows - good.base;
  expect(with([&](Job& j) { j.lg_heads = 1, j.pair_rows = first_row_beyond; }), kAddress);
  expect(with([&](Job& j) { j.lg_heads = 1, j.pair_rows = 0xFFFF; }), kAddress);
  expect(with([](Job& j) { j.size = 0; }), kOperand);
  expect(with([](Job& j) { j.pv = true, j.size = 3; }), kOperand);
  expect(with([&](Job& j) { j.pv = true, j.size = 1, j.base = s.kv_rows; }), kAddress);
  expect(with([](Job& j) { j.north = true, j.rows = 0; }), kOperand);
  expect(with([&](Job& j) { j.north = true, j.rows = s.rows + 1; }), kOperand);
  if (s.group_banks() > 1) expect(with([](Job& j) { j.size += 1; }), kOperand);
  if (s.groups() < 8) expect(with([](Job& j) { j.lg_heads = 3; }), kOperand);
  // Every bit that alone makes an operand wrong.
  for (int code = 0; code < 64; ++code) {
    cmd = good.cmd();
    cmd.opcode = static_cast<isa::Opcode>(code);
    if (cmd.opcode != isa::Opcode::kQk && cmd.opcode != isa::Opcode::kPv) expect(cmd, kIllegal);
  }
  for (int bit = 16; bit < 48; ++bit) {
    cmd = good.cmd();
    cmd.a1 = 1ull << bit;
    expect(cmd, kAddress);
  }
  for (int bit = 0; bit < 16; ++bit) {
    const int value = 1 << bit;
    if (value > s.rows) expect(with([&](Job& j) { j.north = true, j.rows = value; }), kOperand);
    if (bit > 0) expect(with([&](Job& j) { j.pv = true, j.size = value | 1; }), kOperand);
    if (value * s.cols > 1 << 15) expect(with([&](Job& j) { j.pv = true, j.size = value; }), kOperand);
    if (value < s.group_banks()) expect(with([&](Job& j) { j.size = 2 * s.cols | value; }), kOperand);
  }
  EXPECT_EQ(missing_points(kErrorPoints), Names{});
  // Of anything else in the fields, too: refused at once, or when a step reads a row that is not there.
  ArrayBench<TypeParam> bench;
  auto rng = make_rng(19);
  const std::vector<isa::Opcode> opcodes = {isa::Opcode::kQk, isa::Opcode::kPv};
  bench.expect_refusals(
      rng, opcodes, [](UnitCmd& c) { c.a2 |= 1; }, isa::ErrorCode::kBadAddress);
  int most_lg = 0;
  while (most_lg < 3 && 2 << most_lg <= s.groups()) ++most_lg;
  const auto beyond = [&](UnitCmd& c) {
    c.a1 = 0x8000 | (c.a1 & 0x7FFF);
    c.s1 |= 0x8000;
    c.a2 &= static_cast<uint16_t>(~1U);
    c.count |= 1;
    c.mode = static_cast<uint8_t>((c.mode & ~0x18) | uniform(rng, 0, most_lg) << 3);
    c.s2 = (c.s2 & 0xFFFE'FFFF'0000) | static_cast<uint64_t>(uniform(rng, 1, s.rows));
    c.s0 = c.opcode == isa::Opcode::kPv ? static_cast<uint16_t>(1 << uniform(rng, 0, 10))
                                        : static_cast<uint16_t>((c.s0 | s.group_banks()) & -s.group_banks());
  };
  // In each place of the ring of commands.
  bench.expect_refusals(rng, opcodes, beyond, isa::ErrorCode::kBadAddress, [&](int i) {
    for (int k = 0; k < i % 4; ++k) run_jobs(bench, {good}, nullptr);
  });
}

// ---- Cycles and speed in `paper` ----

class ArrayPaper : public testing::Test {
 protected:
  static constexpr int kResults = PaperConfig::kShape.scr_words;
  ArrayBench<PaperConfig> bench_;

  uint64_t cycles(const Job& job) {
    bench_.clear_tail(job);
    auto expected = bench_.image();
    bench_.reference(job, expected);
    const uint64_t count = bench_.run(job.cmd());
    EXPECT_EQ(bench_.image(), expected) << job.text();
    return count;
  }
  // Cycles of one of many of these instructions in a row.
  double period(const Job& job, int count = 8) {
    bench_.clear_tail(job);
    const uint64_t before = bench_.done();
    bench_.issue(job.cmd());
    bench_.wait_done(before + 1);
    const uint64_t start = bench_.cycles();
    for (int i = 0; i < count; ++i) bench_.issue(job.cmd());
    bench_.wait_done(before + 1 + count);
    return double(bench_.cycles() - start) / count;
  }
};

TEST_F(ArrayPaper, Random) {
  auto rng = make_rng(20);
  for (int i = 0; i < 6 && !HasFatalFailure(); ++i) {
    bench_.read.stall.probability = bench_.write.stall.probability = i % 2 == 0 ? 0.0 : 0.2;
    run_jobs(bench_, random_jobs(rng, bench_, 5), &rng);
  }
}

TEST_F(ArrayPaper, Cycles) {
  const auto qk = [](int tokens, int dims, int lg_heads = 0) {
    return Job{.lg_heads = lg_heads,
               .tokens = tokens,
               .size = dims,
               .a_stride = (dims + 63) / 64,
               .dst = kResults,
               .dst_stride = 2 * ((tokens + 31) / 32)};
  };
  const auto pv = [](int tokens, int chunks, int lg_heads = 0) {
    return Job{.pv = true,
               .lg_heads = lg_heads,
               .tokens = tokens,
               .size = chunks,
               .a_stride = (tokens + 31) / 32,
               .dst = kResults,
               .dst_stride = 4 * chunks};
  };
  const auto report = [&](const char* what, const Job& job, double steps, uint64_t limit) {
    const uint64_t count = cycles(job);
    fmt::print("{:34} {:6.0f} steps {:6} cycles, {:8.1f} in a row\n", what, steps, count, period(job));
    EXPECT_LE(count, limit) << what;
  };
  report("QK 256 tokens, D=64", qk(256, 64), 16, 34);
  report("QK 1024 tokens, D=64", qk(1024, 64), 64, 82);
  report("QK 4096 tokens, D=64", qk(4096, 64), 256, 274);
  report("QK 4096 tokens, D=128", qk(4096, 128), 512, 530);
  report("QK 1024 tokens, D=64, 4 heads", qk(1024, 64, 2), 256, 276);
  report("QK 1024 tokens, D=64, 8 heads", qk(1024, 64, 3), 512, 540);
  report("QK 32 tokens, D=64", qk(32, 64), 16, 28);
  report("QK head, 2048 dims, 256 rows", qk(256, 2048), 512, 532);
  report("PV 256 tokens, ch=2", pv(256, 2), 32, 75);
  report("PV 1024 tokens, ch=2", pv(1024, 2), 128, 165);
  report("PV 4096 tokens, ch=2", pv(4096, 2), 512, 545);
  report("PV 4096 tokens, ch=4", pv(4096, 4), 1024, 1080);
  report("PV 1024 tokens, ch=2, 4 heads", pv(1024, 2, 2), 512, 550);
  report("PV 4096 tokens, ch=8", pv(4096, 8), 2048, 2110);
  const auto pv3 = [&](int tokens, int chunks, int lg_heads = 0) {
    Job job = pv(tokens, chunks, lg_heads);
    job.three = true;
    job.a_stride *= 2;
    job.dst_stride = 6 * chunks;
    return job;
  };
  report("PV 3 planes 256 tokens, ch=2", pv3(256, 2), 48, 95);
  report("PV 3 planes 1024 tokens, ch=2", pv3(1024, 2), 192, 235);
  report("PV 3 planes 4096 tokens, ch=2", pv3(4096, 2), 768, 805);
  report("PV 3 planes 1024 tokens, ch=2, 4 heads", pv3(1024, 2, 2), 768, 815);
  report("PV 3 planes 4096 tokens, ch=8", pv3(4096, 8), 3072, 3140);
  // GEMM, north feed: at most ceil(M/R) * ceil(N/C) * (K + R + C - 2) - 1 and a constant.
  for (const int rows : {1, 8, 32}) {
    for (const int tokens : {32, 128, 512}) {
      Job job = qk(tokens, 64);
      job.north = true;
      job.rows = rows;
      report(fmt::format("QK north m={} {} tokens, D=64", rows, tokens).c_str(), job, 64 * tokens / 32,
             uint64_t(tokens / 32) * (64 + 32 + 32 - 2) - 1 + 16);
    }
  }
  Job job = pv(512, 2);
  job.north = true;
  job.rows = 32;
  report("PV north m=32 512 tokens, ch=2", job, 4 * 512, 4 * (512 + 62) + 16);
  job.rows = 16;
  report("PV north m=16 512 tokens, ch=2", job, 2 * 512, 2 * (512 + 62) + 16);
  job = pv3(512, 2);
  job.north = true;
  for (const int rows : {1, 8, 10, 11}) {
    job.rows = rows;
    const int sweeps = rows <= 10 ? 2 : 6;
    report(fmt::format("PV 3 planes north m={} 512 tokens, ch=2", rows).c_str(), job, sweeps * 512,
           uint64_t(sweeps) * (512 + 62) + 16);
  }
}

// A token's attention in north feed is not slower than the published dataflow: GEMMs of M = 1 on R x C,
// cycles(M, N, K) = ceil(M/R) * ceil(N/C) * (K + R + C - 2) - 1.
TEST_F(ArrayPaper, SingleQueryRowNorth) {
  static constexpr Shape kShape = PaperConfig::kShape;
  const auto published = [](int n, int k) {
    return uint64_t((n + kShape.cols - 1) / kShape.cols) * uint64_t(k + kShape.rows + kShape.cols - 2) - 1;
  };
  for (const auto& [dim, length] : {std::pair{64, 256}, {128, 1024}, {128, 4096}}) {
    const Job qk{.north = true, .tokens = length, .size = dim, .dst = kResults};
    const uint64_t qk_cycles = cycles(qk);
    for (const bool three : {false, true}) {
      const Job pv{.pv = true,
                   .north = true,
                   .three = three,
                   .tokens = length,
                   .size = dim / kShape.cols,
                   .dst = kResults};
      const uint64_t pv_cycles = cycles(pv);
      const uint64_t limit = published(length, dim) + published(dim, length);
      fmt::print(
          "north, m=1, head of {} dims, {} tokens: QK {} + PV ({} planes) {} = {} cycles, published {}\n",
          dim, length, qk_cycles, pv.planes(), pv_cycles, qk_cycles + pv_cycles, limit);
      EXPECT_LE(pv_cycles, published(dim, length));
      EXPECT_LE(qk_cycles + pv_cycles, limit);
    }
  }
}

TEST_F(ArrayPaper, SimulationSpeed) {
  const Job job{.pv = true, .tokens = 4096, .size = 2, .a_stride = 128, .dst = kResults, .dst_stride = 16};
  const Job north{.north = true,
                  .rows = 32,
                  .tokens = 1024,
                  .size = 64,
                  .a_stride = 1,
                  .dst = kResults,
                  .dst_stride = 64};
  bench_.clear_tail(job);
  bench_.kv.noise = false;
  // Processor time, so that other work on the machine does not count.
  const auto measure = [&](const char* what, auto work) {
    const uint64_t start = bench_.cycles();
    const std::clock_t from = std::clock();
    work();
    const double seconds = double(std::clock() - from) / CLOCKS_PER_SEC;
    fmt::print("{:24} {:8.0f} kcycle/s\n", what, double(bench_.cycles() - start) / seconds / 1000);
  };
  const auto repeat = [&](const Job& work, int count) {
    const uint64_t before = bench_.done();
    for (int i = 0; i < count; ++i) bench_.issue(work.cmd());
    bench_.wait_done(before + count);
  };
  measure("idle", [&] {
    for (int i = 0; i < 100000; ++i) bench_.step();
  });
  measure("busy, banked (bench too)", [&] { repeat(job, 100); });
  measure("busy, north (bench too)", [&] { repeat(north, 20); });
}

}  // namespace
}  // namespace pimllm::tb

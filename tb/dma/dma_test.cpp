// The DMA against docs/isa.md: every opcode, space and size class, with refusals and errors on every port.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "Vdma_fpga.h"
#include "Vdma_paper.h"
#include "Vdma_small.h"
#include "Vdma_tiny.h"
#include "tb/common/axi_memory.hpp"
#include "tb/common/seed.hpp"
#include "tb/common/unit_bench.hpp"

namespace pimllm::tb {
namespace {

struct Shape {
  int rows, cols, channels, channel_bytes, lanes, kv_rows, act_words, scr_words, kvs_words, scl_words;
  int groups() const { return rows * cols / channel_bytes; }
};

template <typename Model>
constexpr Shape kShape{};
template <>
constexpr Shape kShape<Vdma_tiny>{4, 4, 2, 8, 4, 512, 512, 256, 128, 256};
template <>
constexpr Shape kShape<Vdma_small>{8, 8, 2, 32, 8, 2048, 2048, 1024, 512, 1024};
template <>
constexpr Shape kShape<Vdma_paper>{32, 32, 4, 128, 64, 4096, 8192, 8192, 4096, 4096};
template <>
constexpr Shape kShape<Vdma_fpga>{8, 8, 1, 8, 4, 512, 1024, 256, 128, 512};

enum Space { kAct = 0, kScr = 1, kKvs = 2, kScl = 3 };

// The KV banks of one group as the DMA sees them: rows of one beat.
class KvWritePort : public Port {
 public:
  KvWritePort(std::vector<Ram>& groups, Slice req, Slice group, Slice addr, Slice data, Slice gnt,
              int channel, int channels)
      : groups_(groups),
        req_(req),
        group_(group),
        addr_(addr),
        data_(data),
        gnt_(gnt),
        channel_(channel),
        channels_(channels) {}
  Stall stall;

  void before_edge() override {
    const bool req = req_.get() != 0, granted = req && !stall();
    gnt_.set(granted ? 1 : 0);
    refused_ = req && !granted;
    if (!granted) return;
    const auto group = group_.get();
    EXPECT_EQ(static_cast<int>(group) % channels_, channel_) << "channel writes a group that is not its own";
    auto word = groups_[group].word(addr_.get());
    std::copy_n(data_.bytes().begin(), word.size(), word.begin());
  }
  void after_edge() override {}
  Refusal refused() const override { return refused_ ? Refusal::kWrite : Refusal::kNone; }

 private:
  std::vector<Ram>& groups_;
  Slice req_, group_, addr_, data_, gnt_;
  int channel_, channels_;
  bool refused_ = false;
};

class KvReadPort : public Port {
 public:
  KvReadPort(std::vector<Ram>& groups, Signal req, Signal group, Signal addr, Signal gnt, Signal data)
      : groups_(groups), req_(req), group_(group), addr_(addr), gnt_(gnt), data_(data) {}
  Stall stall;

  void before_edge() override {
    const bool req = req_.get() != 0;
    granted_ = req && !stall();
    refused_ = req && !granted_;
    gnt_.set(granted_ ? 1 : 0);
    if (granted_) word_ = groups_[group_.get()].word(addr_.get());
  }
  void after_edge() override {
    if (granted_) data_.set_bytes(word_);
  }
  Refusal refused() const override { return refused_ ? Refusal::kRead : Refusal::kNone; }

 private:
  std::vector<Ram>& groups_;
  Signal req_, group_, addr_, gnt_, data_;
  std::span<uint8_t> word_;
  bool granted_ = false, refused_ = false;
};

// ---- Functional points: mode and size of an instruction ----

const Names kSpaces = {"ACT", "SCR", "KVS", "SCL"};
constexpr int kBurst = 16;  // beats

Names dma_cells(const UnitCmd& cmd, const Shape& s) {
  const bool load = cmd.opcode == isa::Opcode::kLoadt || cmd.opcode == isa::Opcode::kLoadl;
  const bool tiled = cmd.opcode == isa::Opcode::kLoadt || cmd.opcode == isa::Opcode::kStoret;
  const Names op = {std::string(isa::opcode_info(cmd.opcode).name)};
  const auto beats_name = [](int beats) -> Names {
    if (beats == 1) return {"1 beat"};
    if (beats == kBurst) return {"a burst"};
    return beats == kBurst + 1 ? Names{"a burst + 1 beat"} : Names{};
  };
  if (tiled) {
    const Names rows = beats_name(cmd.s0);
    const Names group = {cmd.s1 % s.groups() == 0 ? "from group 0" : "from another group"};
    if (!load) return cross({op, rows, group});
    const int tiles = cmd.count;
    const Names count = tiles == 1                ? Names{"1 tile"}
                        : tiles == s.groups()     ? Names{"all groups"}
                        : tiles == s.groups() + 1 ? Names{"all groups + 1"}
                                                  : Names{};
    return cross({op, count, rows, group});
  }
  const size_t space = cmd.mode & 3;
  const int word_bytes = space == kAct ? 4 * s.lanes : space == kScl ? 4 : 4 * s.cols;
  const int bytes = cmd.count * word_bytes;
  Names sizes;
  if (cmd.count == 1) sizes.push_back("1 word");
  if (bytes == kBurst * s.channel_bytes) sizes.push_back("a burst");
  if (bytes > kBurst * s.channel_bytes) sizes.push_back("more than a burst");
  if (cmd.a1 / kAxiBoundary != (cmd.a1 + static_cast<uint64_t>(bytes) - 1) / kAxiBoundary)
    sizes.push_back("across 4 KB");
  if (bytes % s.channel_bytes != 0) sizes.push_back("part of the last beat");
  return cross({op, {kSpaces[space]}, sizes});
}

// What refuses: memory, and the ports that are written (loads) or read (stores).
std::vector<Refusal> dma_refusals(isa::Opcode opcode) {
  const bool load = opcode == isa::Opcode::kLoadt || opcode == isa::Opcode::kLoadl;
  return {load ? Refusal::kWrite : Refusal::kRead, Refusal::kMemory};
}

const Names kErrorPoints = {error_point(isa::Opcode::kLoadt, isa::ErrorCode::kBadAddress),
                            error_point(isa::Opcode::kLoadt, isa::ErrorCode::kBadOperand),
                            error_point(isa::Opcode::kStoret, isa::ErrorCode::kBadAddress),
                            error_point(isa::Opcode::kStoret, isa::ErrorCode::kBadOperand),
                            error_point(isa::Opcode::kLoadl, isa::ErrorCode::kBadAddress),
                            error_point(isa::Opcode::kStorel, isa::ErrorCode::kBadAddress)};
const Names kBusPoints = {error_point(isa::Opcode::kLoadt, isa::ErrorCode::kBusRead),
                          error_point(isa::Opcode::kStoret, isa::ErrorCode::kBusWrite),
                          error_point(isa::Opcode::kLoadl, isa::ErrorCode::kBusRead),
                          error_point(isa::Opcode::kStorel, isa::ErrorCode::kBusWrite)};

// Counts errors, and holds the unit to it that no bus is in use while it is idle.
template <typename Model>
class StatusWatch : public Port {
 public:
  StatusWatch(Model& dut, const std::vector<std::unique_ptr<AxiReadPort>>& reads,
              const std::vector<std::unique_ptr<AxiWritePort>>& writes)
      : dut_(dut), reads_(reads), writes_(writes) {}
  int errors = 0;

  void before_edge() override {
    if (dut_.rst_ni == 0) return;
    errors += dut_.err_o;
    if (dut_.idle_o == 0) return;
    for (const auto& port : reads_) EXPECT_TRUE(port->idle()) << "idle while memory reads";
    for (const auto& port : writes_) EXPECT_TRUE(port->quiet()) << "idle while memory writes";
  }
  void after_edge() override {}

 private:
  Model& dut_;
  const std::vector<std::unique_ptr<AxiReadPort>>& reads_;
  const std::vector<std::unique_ptr<AxiWritePort>>& writes_;
};

template <typename Model>
class DmaBench {
 public:
  static constexpr Shape shape = kShape<Model>;

  DmaBench() : rng(make_rng(17)) {
    auto& dut = *bench.dut;
    spaces.emplace_back(shape.act_words, 4 * shape.lanes);
    spaces.emplace_back(shape.scr_words, 4 * shape.cols);
    spaces.emplace_back(shape.kvs_words, 4 * shape.cols);
    spaces.emplace_back(shape.scl_words, 4);
    for (int g = 0; g < shape.groups(); ++g) kv.emplace_back(shape.kv_rows, shape.channel_bytes);
    for (auto& space : spaces) space.randomize(rng);
    for (auto& group : kv) group.randomize(rng);

    reads.push_back(std::make_unique<ReadPort>(spaces[kAct], Signal(dut.act_rd_req_o),
                                               Signal(dut.act_rd_addr_o), Signal(dut.act_rd_gnt_i),
                                               Signal(dut.act_rd_data_i)));
    reads.push_back(std::make_unique<ReadPort>(spaces[kScr], Signal(dut.scr_rd_req_o),
                                               Signal(dut.scr_rd_addr_o), Signal(dut.scr_rd_gnt_i),
                                               Signal(dut.scr_rd_data_i)));
    reads.push_back(std::make_unique<ReadPort>(spaces[kKvs], Signal(dut.kvs_rd_req_o),
                                               Signal(dut.kvs_rd_addr_o), Signal(dut.kvs_rd_gnt_i),
                                               Signal(dut.kvs_rd_data_i)));
    reads.push_back(std::make_unique<ReadPort>(spaces[kScl], Signal(dut.scl_rd_req_o),
                                               Signal(dut.scl_rd_addr_o), Signal(dut.scl_rd_gnt_i),
                                               Signal(dut.scl_rd_data_i)));
    writes.push_back(std::make_unique<WritePort>(spaces[kAct], Signal(dut.act_wr_req_o),
                                                 Signal(dut.act_wr_addr_o), Signal(dut.act_wr_data_o),
                                                 Signal(dut.act_wr_be_o), Signal(dut.act_wr_gnt_i)));
    writes.push_back(std::make_unique<WritePort>(spaces[kScr], Signal(dut.scr_wr_req_o),
                                                 Signal(dut.scr_wr_addr_o), Signal(dut.scr_wr_data_o),
                                                 Signal(dut.scr_wr_be_o), Signal(dut.scr_wr_gnt_i)));
    writes.push_back(std::make_unique<WritePort>(spaces[kKvs], Signal(dut.kvs_wr_req_o),
                                                 Signal(dut.kvs_wr_addr_o), Signal(dut.kvs_wr_data_o),
                                                 Signal(dut.kvs_wr_be_o), Signal(dut.kvs_wr_gnt_i)));
    writes.push_back(std::make_unique<WritePort>(spaces[kScl], Signal(dut.scl_wr_req_o),
                                                 Signal(dut.scl_wr_addr_o), Signal(dut.scl_wr_data_o),
                                                 Signal(dut.scl_wr_be_o), Signal(dut.scl_wr_gnt_i)));
    const auto bits = [](size_t n) {
      size_t width = 0;
      while ((size_t{1} << width) < n) ++width;
      return std::max<size_t>(width, 1);
    };
    const size_t gw = bits(static_cast<size_t>(shape.groups())),
                 aw = bits(static_cast<size_t>(shape.kv_rows));
    for (int i = 0; i < shape.channels; ++i) {
      const auto c = static_cast<size_t>(i);
      const size_t width = 8 * static_cast<size_t>(shape.channel_bytes);
      kv_writes.push_back(std::make_unique<KvWritePort>(
          kv, Slice(Signal(dut.dkv_wr_req_o), c, 1), Slice(Signal(dut.dkv_wr_group_o), c * gw, gw),
          Slice(Signal(dut.dkv_wr_addr_o), c * aw, aw), Slice(Signal(dut.dkv_wr_data_o), c * width, width),
          Slice(Signal(dut.dkv_wr_gnt_i), c, 1), i, shape.channels));
      axi_reads.push_back(std::make_unique<AxiReadPort>(
          memory, read_signals(dut, c, static_cast<size_t>(shape.channel_bytes))));
      axi_writes.push_back(std::make_unique<AxiWritePort>(
          memory, write_signals(dut, c, static_cast<size_t>(shape.channel_bytes))));
    }
    kv_read = std::make_unique<KvReadPort>(kv, Signal(dut.dkv_rd_req_o), Signal(dut.dkv_rd_group_o),
                                           Signal(dut.dkv_rd_addr_o), Signal(dut.dkv_rd_gnt_i),
                                           Signal(dut.dkv_rd_data_i));
    for (auto& port : reads) bench.add(*port);
    for (auto& port : writes) bench.add(*port);
    for (auto& port : kv_writes) bench.add(*port);
    for (auto& port : axi_reads) bench.add(*port);
    for (auto& port : axi_writes) bench.add(*port);
    bench.add(*kv_read);
    status = std::make_unique<StatusWatch<Model>>(dut, axi_reads, axi_writes);
    bench.add(*status);
    dut.flush_i = 0;
    dut.cmd_valid_i = 0;
    bench.functional.follow([](const UnitCmd& cmd) { return dma_cells(cmd, shape); });
    bench.reset();
  }

  // One kind of refusal at a time.
  void refuse(Refusal refusal, double probability) {
    const auto stall = [&](Refusal kind) { return Stall{&rng, kind == refusal ? probability : 0.0}; };
    for (auto& port : reads) port->stall = stall(Refusal::kRead);
    kv_read->stall = stall(Refusal::kRead);
    for (auto& port : writes) port->stall = stall(Refusal::kWrite);
    for (auto& port : kv_writes) port->stall = stall(Refusal::kWrite);
    for (auto& port : axi_reads) port->timing.stall_address = stall(Refusal::kMemory);
    for (auto& port : axi_writes)
      port->timing.stall_address = port->timing.stall_data = stall(Refusal::kMemory);
  }

  void stall_everything(double probability) {
    const Stall stall{&rng, probability};
    for (auto& port : reads) port->stall = stall;
    for (auto& port : writes) port->stall = stall;
    for (auto& port : kv_writes) port->stall = stall;
    kv_read->stall = stall;
    for (auto& port : axi_reads) {
      port->timing.stall_address = stall;
      port->timing.stall_data = stall;
      port->timing.latency = 7;
    }
    for (auto& port : axi_writes) {
      port->timing.stall_address = stall;
      port->timing.stall_data = stall;
      port->timing.stall_response = stall;
    }
  }

  std::vector<uint8_t> fill_memory(uint64_t addr, size_t bytes) {
    std::vector<uint8_t> data(bytes);
    for (auto& byte : data) byte = static_cast<uint8_t>(rng());
    memory.write(addr, data);
    return data;
  }

  // Where that many bytes fit: anywhere in 48 bits, every other time shortly before a page ends.
  uint64_t address(size_t bytes) {
    const auto beat = static_cast<uint64_t>(shape.channel_bytes);
    uint64_t addr =
        std::min(rng() >> 16, (uint64_t{1} << kAxiAddrBits) - bytes - 2 * kAxiBoundary) / beat * beat;
    if (rng() % 2 == 0) addr = (addr | (kAxiBoundary - 1)) + 1 - beat * (1 + rng() % (kAxiBoundary / beat));
    return addr;
  }

  int uniform(int low, int high) { return std::uniform_int_distribution<int>(low, high)(rng); }

  UnitCmd load_tiles(uint64_t addr, int row, int tiles, int first, int tile_rows) {
    UnitCmd cmd = any_command(rng, isa::Opcode::kLoadt);
    cmd.a0 = static_cast<uint16_t>(row);
    cmd.a1 = addr;
    cmd.count = static_cast<uint16_t>(tiles);
    cmd.s0 = static_cast<uint16_t>(tile_rows);
    cmd.s1 = static_cast<uint16_t>(first);
    return cmd;
  }

  void expect_tiles(const std::vector<uint8_t>& data, int row, int tiles, int first, int tile_rows) {
    const auto beat = static_cast<size_t>(shape.channel_bytes);
    for (int t = 0; t < tiles; ++t) {
      const int u = t + first;
      for (int r = 0; r < tile_rows; ++r) {
        const auto word = kv[static_cast<size_t>(u % shape.groups())].word(
            static_cast<size_t>(row + t / shape.groups() * tile_rows + r));
        const size_t at =
            (static_cast<size_t>(t) * static_cast<size_t>(tile_rows) + static_cast<size_t>(r)) * beat;
        ASSERT_EQ(0, std::memcmp(word.data(), data.data() + at, beat)) << "tile " << t << " row " << r;
      }
    }
  }

  UnitCmd linear(isa::Opcode opcode, int space, int word, uint64_t addr, int count) {
    UnitCmd cmd = any_command(rng, opcode);
    cmd.mode = static_cast<uint8_t>((cmd.mode & ~3) | space);
    cmd.a0 = static_cast<uint16_t>(space == kScr ? 2 * word : word);
    cmd.a1 = addr;
    cmd.count = static_cast<uint16_t>(count);
    return cmd;
  }

  // Runs an instruction on fresh data and compares what it moved.
  void run_and_check(const UnitCmd& cmd) {
    const bool store = cmd.opcode == isa::Opcode::kStoret || cmd.opcode == isa::Opcode::kStorel;
    const auto beat = static_cast<size_t>(shape.channel_bytes);
    if (cmd.opcode == isa::Opcode::kLoadt) {
      const auto data = fill_memory(cmd.a1, cmd.count * static_cast<size_t>(cmd.s0) * beat);
      bench.run(cmd);
      expect_tiles(data, cmd.a0, cmd.count, cmd.s1, cmd.s0);
      return;
    }
    const size_t space = cmd.mode & 3;
    const bool tile = cmd.opcode == isa::Opcode::kStoret;
    const size_t word = !tile && space == kScr ? cmd.a0 / 2U : cmd.a0;
    Ram& source = tile ? kv[cmd.s1 % static_cast<size_t>(shape.groups())] : spaces[space];
    const size_t bytes = tile ? cmd.s0 * beat : cmd.count * source.word_bytes();
    source.randomize(rng);
    const auto data = fill_memory(cmd.a1, (bytes + beat - 1) / beat * beat);
    bench.run(cmd);
    std::vector<uint8_t> moved(bytes);
    memory.read(cmd.a1, moved);
    ASSERT_TRUE(std::equal(moved.begin(), moved.end(),
                           source.bytes().begin() + static_cast<long>(word * source.word_bytes())));
    if (!store) {
      ASSERT_TRUE(std::equal(moved.begin(), moved.end(), data.begin())) << "a load wrote to memory";
    }
  }

  std::mt19937_64 rng;
  std::vector<Ram> spaces, kv;
  AxiMemory memory;
  UnitBench<Model> bench;
  std::vector<std::unique_ptr<ReadPort>> reads;
  std::vector<std::unique_ptr<WritePort>> writes;
  std::vector<std::unique_ptr<KvWritePort>> kv_writes;
  std::unique_ptr<KvReadPort> kv_read;
  std::vector<std::unique_ptr<AxiReadPort>> axi_reads;
  std::vector<std::unique_ptr<AxiWritePort>> axi_writes;
  std::unique_ptr<StatusWatch<Model>> status;
};

template <typename Model>
class DmaTest : public testing::Test {};
using Models = testing::Types<Vdma_tiny, Vdma_small, Vdma_paper, Vdma_fpga>;
TYPED_TEST_SUITE(DmaTest, Models);

TYPED_TEST(DmaTest, TilesGoToTheirGroups) {
  for (const double stall : {0.0, 0.4}) {
    DmaBench<TypeParam> b;
    if (stall > 0) b.stall_everything(stall);
    for (int i = 0; i < 12; ++i) {
      const int tiles = i == 0 ? 0 : b.uniform(1, 3 * b.shape.groups()),
                first = b.uniform(0, 2 * b.shape.groups());
      const int tile_rows = b.uniform(1, 24), row = b.uniform(0, 20);
      const auto bytes = static_cast<size_t>(tiles * tile_rows * b.shape.channel_bytes);
      const uint64_t addr = b.address(bytes);
      const auto data = b.fill_memory(addr, bytes);
      b.bench.run(b.load_tiles(addr, row, tiles, first, tile_rows));
      b.expect_tiles(data, row, tiles, first, tile_rows);
    }
    EXPECT_EQ(b.status->errors, 0);
  }
}

TYPED_TEST(DmaTest, LinearTransfersGoAndComeBack) {
  for (const double stall : {0.0, 0.4}) {
    DmaBench<TypeParam> b;
    if (stall > 0) b.stall_everything(stall);
    for (int i = 0; i < 24; ++i) {
      const int space = i % 4;
      const auto words = static_cast<int>(b.spaces[static_cast<size_t>(space)].words());
      const auto word_bytes = b.spaces[static_cast<size_t>(space)].word_bytes();
      const int count = i < 4 ? 1 : b.uniform(1, std::min(words, 70)), word = b.uniform(0, words - count);
      const uint64_t addr = b.address(static_cast<size_t>(count) * word_bytes + 256);
      const auto data = b.fill_memory(addr, static_cast<size_t>(count) * word_bytes + 256);
      auto expected = std::vector<uint8_t>(b.spaces[static_cast<size_t>(space)].bytes().begin(),
                                           b.spaces[static_cast<size_t>(space)].bytes().end());
      std::copy_n(data.begin(), static_cast<size_t>(count) * word_bytes,
                  expected.begin() + static_cast<long>(static_cast<size_t>(word) * word_bytes));
      b.bench.run(b.linear(isa::Opcode::kLoadl, space, word, addr, count));
      ASSERT_TRUE(
          std::equal(expected.begin(), expected.end(), b.spaces[static_cast<size_t>(space)].bytes().begin()))
          << "space " << space << " word " << word << " count " << count;

      b.spaces[static_cast<size_t>(space)].randomize(b.rng);
      b.bench.run(b.linear(isa::Opcode::kStorel, space, word, addr, count));
      const auto beat = static_cast<size_t>(b.shape.channel_bytes);
      const size_t bytes = static_cast<size_t>(count) * word_bytes;
      std::vector<uint8_t> stored((bytes + beat - 1) / beat * beat);
      b.memory.read(addr, stored);
      ASSERT_TRUE(std::all_of(stored.begin() + static_cast<long>(bytes), stored.end(),
                              [](uint8_t byte) { return byte == 0; }))
          << "tail of the last beat: space " << space << " word " << word << " count " << count;
      stored.resize(bytes);
      ASSERT_TRUE(std::equal(stored.begin(), stored.end(),
                             b.spaces[static_cast<size_t>(space)].word(static_cast<size_t>(word)).data()))
          << "space " << space << " word " << word << " count " << count;
    }
    EXPECT_EQ(b.status->errors, 0);
  }
}

TYPED_TEST(DmaTest, TileStores) {
  for (const double stall : {0.0, 0.4}) {
    DmaBench<TypeParam> b;
    if (stall > 0) b.stall_everything(stall);
    for (int i = 0; i < 8; ++i) {
      UnitCmd cmd = any_command(b.rng, isa::Opcode::kStoret);  // a group of any number, modulo their number
      cmd.s0 = static_cast<uint16_t>(b.uniform(1, 40));
      cmd.a0 = static_cast<uint16_t>(b.uniform(0, 100));
      cmd.a1 = b.address(static_cast<size_t>(cmd.s0 * b.shape.channel_bytes));
      b.bench.run(cmd);
      std::vector<uint8_t> stored(static_cast<size_t>(cmd.s0 * b.shape.channel_bytes));
      b.memory.read(cmd.a1, stored);
      const auto& group = b.kv[static_cast<size_t>(cmd.s1 % b.shape.groups())];
      ASSERT_EQ(0, std::memcmp(stored.data(), const_cast<Ram&>(group).word(cmd.a0).data(), stored.size()));
    }
  }
}

// Every instruction with every size at a boundary; nothing refused, memory refused, the scratchpad refused.
TYPED_TEST(DmaTest, EveryModeSizeAndRefusal) {
  DmaBench<TypeParam> b;
  constexpr int kTries = 200;
  const auto beat = static_cast<uint64_t>(b.shape.channel_bytes);
  std::vector<UnitCmd> cmds;
  for (const int first : {0, 1}) {
    for (const int rows : {1, kBurst, kBurst + 1}) {
      for (const int tiles : {1, b.shape.groups(), b.shape.groups() + 1})
        cmds.push_back(b.load_tiles(0x10000, 5, tiles, first, rows));
      cmds.push_back(b.load_tiles(0x40000, 7, 0, first, rows));
      cmds.back().opcode = isa::Opcode::kStoret;
    }
  }
  for (const auto opcode : {isa::Opcode::kLoadl, isa::Opcode::kStorel}) {
    for (int space = 0; space < 4; ++space) {
      const auto word_bytes = static_cast<int>(b.spaces[static_cast<size_t>(space)].word_bytes());
      const int burst = kBurst * b.shape.channel_bytes / word_bytes;
      for (const int count : {1, burst, burst + 1, burst + 2})
        cmds.push_back(b.linear(opcode, space, 3, 0x20000, count));
      // The last beat before a boundary and the first behind it.
      const int over = static_cast<int>(2 * beat) / word_bytes + 1;
      cmds.push_back(b.linear(opcode, space, 2, 0x30000 - beat, std::max(over, 2)));
    }
  }
  for (const UnitCmd& cmd : cmds) {
    const auto refusals = dma_refusals(cmd.opcode);
    const Names cells = dma_cells(cmd, b.shape);
    const Names points = with_refusals(cells, refusals);
    declare_points(points);
    for (size_t i = 0; i <= refusals.size(); ++i) {
      b.refuse(i == 0 ? Refusal::kNone : refusals[i - 1], 0.6);
      Names wanted;
      for (size_t k = i; k < points.size(); k += refusals.size() + 1) wanted.push_back(points[k]);
      for (int tries = 0; tries < kTries && !missing_points(wanted).empty() && !this->HasFailure(); ++tries)
        b.run_and_check(cmd);
      EXPECT_EQ(missing_points(wanted), Names{});
    }
  }
}

// Several instructions in flight: done in order, each after its own data, and no bubble between them.
TYPED_TEST(DmaTest, TransfersOverlapAndFinishInOrder) {
  DmaBench<TypeParam> b;
  const int tile_rows = 16, tiles = 2 * b.shape.groups();
  const auto bytes = static_cast<size_t>(tiles * tile_rows * b.shape.channel_bytes);
  std::vector<std::vector<uint8_t>> data;
  const uint64_t start = b.bench.cycles();
  const int transfers = 6;
  for (int i = 0; i < transfers; ++i) {
    const uint64_t addr = 0x100000 + static_cast<uint64_t>(i) * bytes;
    data.push_back(b.fill_memory(addr, bytes));
    b.bench.issue(b.load_tiles(addr, i * 2 * tile_rows, tiles, 0, tile_rows));
  }
  b.bench.wait_done(transfers);
  const uint64_t cycles = b.bench.cycles() - start;
  const uint64_t ideal = transfers * bytes / static_cast<uint64_t>(b.shape.channels * b.shape.channel_bytes);
  fmt::print("{} bytes in {} cycles, {} at full rate\n", transfers * bytes, cycles, ideal);
  EXPECT_LE(cycles, ideal + 64);
  for (int i = 0; i < transfers; ++i)
    b.expect_tiles(data[static_cast<size_t>(i)], i * 2 * tile_rows, tiles, 0, tile_rows);
}

TYPED_TEST(DmaTest, RefusesWhatDoesNotFit) {
  DmaBench<TypeParam> b;
  declare_points(kErrorPoints);
  const auto expect_error = [&](const UnitCmd& cmd, isa::ErrorCode code) {
    b.bench.present(cmd);
    b.bench.step();
    EXPECT_EQ(b.bench.dut->err_o, 1);
    EXPECT_EQ(b.bench.dut->err_code_o, static_cast<int>(code));
    b.bench.dut->cmd_valid_i = 0;
    b.bench.step();
    EXPECT_EQ(b.bench.dut->err_o, 0);
    EXPECT_EQ(b.bench.done(), 0U);
  };
  expect_error(b.load_tiles(0x1001, 0, 1, 0, 1), isa::ErrorCode::kBadAddress);
  expect_error(b.load_tiles(0x1000, b.shape.kv_rows - 1, 1, 0, 2), isa::ErrorCode::kBadAddress);
  expect_error(b.load_tiles(0x1000, 0, 1, 0, 0), isa::ErrorCode::kBadOperand);
  expect_error(b.linear(isa::Opcode::kLoadl, kAct, b.shape.act_words - 1, 0x1000, 2),
               isa::ErrorCode::kBadAddress);
  auto odd = b.linear(isa::Opcode::kLoadl, kScr, 1, 0x1000, 1);
  odd.a0 = 3;
  expect_error(odd, isa::ErrorCode::kBadAddress);
  expect_error(b.linear(isa::Opcode::kStorel, kScl, b.shape.scl_words, 0x1000, 1),
               isa::ErrorCode::kBadAddress);
  auto tile = b.load_tiles(0x1000, b.shape.kv_rows - 1, 1, 0, 2);
  tile.opcode = isa::Opcode::kStoret;
  expect_error(tile, isa::ErrorCode::kBadAddress);
  tile.a0 = tile.s0 = 0;
  expect_error(tile, isa::ErrorCode::kBadOperand);
  EXPECT_EQ(missing_points(kErrorPoints), Names{});
}

// Fields that hold anything: refused with the error that the specification names, or, rarely, legal.
TYPED_TEST(DmaTest, RefusesAnythingIllegal) {
  DmaBench<TypeParam> b;
  const Shape s = b.shape;
  for (int i = 0; i < 2000; ++i) {
    const auto opcode = std::array{isa::Opcode::kLoadt, isa::Opcode::kStoret, isa::Opcode::kLoadl,
                                   isa::Opcode::kStorel}[b.rng() % 4];
    UnitCmd cmd = any_command(b.rng, opcode);
    if (i % 2 == 0) cmd.a1 -= cmd.a1 % static_cast<uint64_t>(s.channel_bytes);
    if (i % 8 == 0) cmd.s0 = 0;
    const bool tiled = opcode == isa::Opcode::kLoadt || opcode == isa::Opcode::kStoret;
    const size_t space = cmd.mode & 3;
    const bool nothing = opcode != isa::Opcode::kStoret && cmd.count == 0;
    const uint64_t groups = static_cast<uint64_t>(s.groups());
    const uint64_t rounds = opcode == isa::Opcode::kLoadt ? (cmd.count + groups - 1) / groups : 1;
    const uint64_t word = space == kScr ? cmd.a0 / 2U : cmd.a0;
    const bool beyond = tiled ? cmd.a0 + rounds * cmd.s0 > static_cast<uint64_t>(s.kv_rows)
                              : word + cmd.count > b.spaces[space].words();
    const bool odd = !tiled && space == kScr && cmd.a0 % 2 != 0;
    const bool bad_operand = tiled && cmd.s0 == 0 && !nothing;
    if (nothing || (!bad_operand && !beyond && !odd && cmd.a1 % static_cast<uint64_t>(s.channel_bytes) == 0))
      continue;
    b.bench.present(cmd);
    b.bench.step();
    EXPECT_EQ(b.bench.dut->err_o, 1);
    EXPECT_EQ(b.bench.dut->err_code_o,
              static_cast<int>(bad_operand ? isa::ErrorCode::kBadOperand : isa::ErrorCode::kBadAddress));
    b.bench.dut->cmd_valid_i = 0;
    b.bench.step();
    EXPECT_EQ(b.bench.done(), 0U);
  }
}

// As much as fits: whole spaces there and back, a tile of all rows, as many tiles as there are rows.
TYPED_TEST(DmaTest, WholeSpaces) {
  DmaBench<TypeParam> b;
  for (int space = 0; space < 4; ++space) {
    auto& ram = b.spaces[static_cast<size_t>(space)];
    for (const auto opcode : {isa::Opcode::kLoadl, isa::Opcode::kStorel})
      b.run_and_check(
          b.linear(opcode, space, 0, b.address(ram.bytes().size()), static_cast<int>(ram.words())));
  }
  const auto bytes = static_cast<size_t>(b.shape.groups() * b.shape.kv_rows * b.shape.channel_bytes);
  b.run_and_check(b.load_tiles(b.address(bytes), 0, b.shape.groups(), 0, b.shape.kv_rows));
  b.run_and_check(b.load_tiles(b.address(bytes), 0, b.shape.groups() * b.shape.kv_rows, 0, 1));
  UnitCmd store = b.load_tiles(b.address(bytes), 0, 0, 1, b.shape.kv_rows);
  store.opcode = isa::Opcode::kStoret;
  b.run_and_check(store);
}

TYPED_TEST(DmaTest, ReportsBusErrors) {
  declare_points(kBusPoints);
  // Each instruction on each channel, with each of the two responses that are errors.
  for (const auto opcode :
       {isa::Opcode::kLoadt, isa::Opcode::kStoret, isa::Opcode::kLoadl, isa::Opcode::kStorel}) {
    for (const auto resp : {AxiResp::kSlaveError, AxiResp::kDecodeError}) {
      for (int channel = 0; channel < kShape<TypeParam>.channels; ++channel) {
        DmaBench<TypeParam> b;
        b.memory.add_error(0x8000, 0x8001, resp);
        const bool store = opcode == isa::Opcode::kStoret || opcode == isa::Opcode::kStorel;
        // Linear transfers go to the channels in turn.
        for (int i = 0; i < channel; ++i) b.bench.run(b.linear(isa::Opcode::kLoadl, kAct, 0, 0, 1));
        UnitCmd cmd = b.linear(opcode, kAct, 0, 0x8000, 3);
        cmd.s0 = 2;  // rows of a tile
        cmd.s1 = static_cast<uint16_t>(channel);
        b.bench.issue(cmd);
        bool seen = false;
        for (int i = 0; i < 500; ++i) {
          b.bench.step();
          if (b.bench.dut->err_o != 0) {
            seen = true;
            EXPECT_EQ(b.bench.dut->err_code_o,
                      static_cast<int>(store ? isa::ErrorCode::kBusWrite : isa::ErrorCode::kBusRead));
          }
        }
        EXPECT_TRUE(seen);
      }
    }
  }
  EXPECT_EQ(missing_points(kBusPoints), Names{});
}

// More transfers than the table of those in flight holds, behind a slow memory.
TYPED_TEST(DmaTest, MoreThanTheTableHolds) {
  DmaBench<TypeParam> b;
  for (auto& port : b.axi_reads) port->timing.latency = 300;
  const int transfers = 24;
  const auto word_bytes = b.spaces[kAct].word_bytes();
  std::vector<std::vector<uint8_t>> data;
  for (int i = 0; i < transfers; ++i) {
    const uint64_t addr = b.address(word_bytes);
    data.push_back(b.fill_memory(addr, word_bytes));
    b.bench.issue(b.linear(isa::Opcode::kLoadl, kAct, i, addr, 1));
  }
  b.bench.wait_done(transfers);
  for (size_t i = 0; i < data.size(); ++i)
    EXPECT_TRUE(std::equal(data[i].begin(), data[i].end(), b.spaces[kAct].word(i).begin()))
        << "transfer " << i;
}

// A flush in mid-transfer leaves the buses clean (the memory model checks the protocol) and the unit ready
// for more.
TYPED_TEST(DmaTest, FlushInMidOperation) {
  for (int trial = 0; trial < 84; ++trial) {
    DmaBench<TypeParam> b;
    // First at any time behind a load, then a store in each of its first cycles.
    const bool store_first = trial >= 24;
    if (trial % 2 == 1 && !store_first) b.stall_everything(0.3);
    b.fill_memory(0x10000, 1 << 16);
    auto& stored_space = b.spaces[static_cast<size_t>(trial % 4)];
    const auto stored_bytes = 40 * stored_space.word_bytes();
    const auto before = b.fill_memory(0x60000, stored_bytes);
    const auto after = std::vector<uint8_t>(stored_space.bytes().begin(),
                                            stored_space.bytes().begin() + static_cast<long>(stored_bytes));
    const int stop = store_first ? trial - 24 : b.uniform(1, 120);
    if (!store_first) b.bench.issue(b.load_tiles(0x10000, 0, b.shape.groups(), 1, 12));
    b.bench.issue(b.linear(isa::Opcode::kStorel, trial % 4, 0, 0x60000, 40));
    b.bench.issue(b.linear(isa::Opcode::kLoadl, trial % 4, 60, 0x10000, 9));
    for (int i = 0; i < stop; ++i) b.bench.step();
    b.bench.dut->flush_i = 1;
    int waited = 0;
    do {
      b.bench.forget_requests();
      b.bench.step();
      b.bench.dut->eval();
    } while (b.bench.dut->idle_o == 0 && ++waited < 4000);
    ASSERT_EQ(b.bench.dut->idle_o, 1) << "the bus does not come to rest";
    std::vector<uint8_t> stored(stored_bytes);
    b.memory.read(0x60000, stored);
    for (size_t i = 0; i < stored_bytes; ++i) {
      ASSERT_TRUE(stored[i] == before[i] || stored[i] == after[i]) << "byte " << i << " after a flush";
    }
    b.bench.forget_requests();
    b.bench.step();
    b.bench.dut->flush_i = 0;
    const uint64_t done = b.bench.done();
    const auto data =
        b.fill_memory(0x30000, static_cast<size_t>(2 * b.shape.groups() * 5 * b.shape.channel_bytes));
    b.bench.issue(b.load_tiles(0x30000, 3, 2 * b.shape.groups(), 0, 5));
    b.bench.wait_done(done + 1);
    b.expect_tiles(data, 3, 2 * b.shape.groups(), 0, 5);
  }
}

}  // namespace
}  // namespace pimllm::tb

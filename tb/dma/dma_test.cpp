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
    const bool granted = req_.get() != 0 && !stall();
    gnt_.set(granted ? 1 : 0);
    if (!granted) return;
    const auto group = group_.get();
    EXPECT_EQ(static_cast<int>(group) % channels_, channel_) << "channel writes a group that is not its own";
    auto word = groups_[group].word(addr_.get());
    std::copy_n(data_.bytes().begin(), word.size(), word.begin());
  }
  void after_edge() override {}

 private:
  std::vector<Ram>& groups_;
  Slice req_, group_, addr_, data_, gnt_;
  int channel_, channels_;
};

class KvReadPort : public Port {
 public:
  KvReadPort(std::vector<Ram>& groups, Signal req, Signal group, Signal addr, Signal gnt, Signal data)
      : groups_(groups), req_(req), group_(group), addr_(addr), gnt_(gnt), data_(data) {}
  Stall stall;

  void before_edge() override {
    granted_ = req_.get() != 0 && !stall();
    gnt_.set(granted_ ? 1 : 0);
    if (granted_) word_ = groups_[group_.get()].word(addr_.get());
  }
  void after_edge() override {
    if (granted_) data_.set_bytes(word_);
  }

 private:
  std::vector<Ram>& groups_;
  Signal req_, group_, addr_, gnt_, data_;
  std::span<uint8_t> word_;
  bool granted_ = false;
};

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
    bench.reset();
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
    uint64_t addr = std::min(rng() >> 16, (uint64_t{1} << 48) - bytes - 2 * kAxiBoundary) / beat * beat;
    if (rng() % 2 == 0) addr = (addr | (kAxiBoundary - 1)) + 1 - beat * (1 + rng() % (kAxiBoundary / beat));
    return addr;
  }

  int uniform(int low, int high) { return std::uniform_int_distribution<int>(low, high)(rng); }

  UnitCmd load_tiles(uint64_t addr, int row, int tiles, int first, int tile_rows) {
    UnitCmd cmd;
    cmd.opcode = isa::Opcode::kLoadt;
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
            static_cast<size_t>(row + u / shape.groups() * tile_rows + r));
        const size_t at =
            (static_cast<size_t>(t) * static_cast<size_t>(tile_rows) + static_cast<size_t>(r)) * beat;
        ASSERT_EQ(0, std::memcmp(word.data(), data.data() + at, beat)) << "tile " << t << " row " << r;
      }
    }
  }

  UnitCmd linear(isa::Opcode opcode, int space, int word, uint64_t addr, int count) {
    UnitCmd cmd;
    cmd.opcode = opcode;
    cmd.mode = static_cast<uint8_t>(space);
    cmd.a0 = static_cast<uint16_t>(space == kScr ? 2 * word : word);
    cmd.a1 = addr;
    cmd.count = static_cast<uint16_t>(count);
    return cmd;
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
      UnitCmd cmd;
      cmd.opcode = isa::Opcode::kStoret;
      cmd.s1 = static_cast<uint16_t>(b.uniform(0, 3 * b.shape.groups()));
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

// The longest transfers: whole spaces, a tile of all rows in every group, as many tiles as there are rows.
TYPED_TEST(DmaTest, WholeSpaces) {
  DmaBench<TypeParam> b;
  const auto beat = static_cast<size_t>(b.shape.channel_bytes);
  for (int space = kAct; space <= kScl; ++space) {
    auto& ram = b.spaces[static_cast<size_t>(space)];
    const auto count = static_cast<int>(ram.words());
    const uint64_t addr = b.address(ram.bytes().size());
    const auto data = b.fill_memory(addr, ram.bytes().size());
    b.bench.run(b.linear(isa::Opcode::kLoadl, space, 0, addr, count));
    ASSERT_TRUE(std::equal(data.begin(), data.end(), ram.bytes().begin())) << "space " << space;
    ram.randomize(b.rng);
    b.bench.run(b.linear(isa::Opcode::kStorel, space, 0, addr, count));
    std::vector<uint8_t> stored(data.size());
    b.memory.read(addr, stored);
    ASSERT_TRUE(std::equal(stored.begin(), stored.end(), ram.bytes().begin())) << "space " << space;
  }
  const int rows = b.shape.kv_rows, groups = b.shape.groups();
  const size_t bytes = beat * static_cast<size_t>(rows * groups);
  for (const int tile_rows : {rows, 1}) {
    const uint64_t addr = b.address(bytes);
    const auto data = b.fill_memory(addr, bytes);
    const int tiles = rows / tile_rows * groups;
    b.bench.run(b.load_tiles(addr, 0, tiles, 0, tile_rows));
    b.expect_tiles(data, 0, tiles, 0, tile_rows);
  }
  UnitCmd cmd;
  cmd.opcode = isa::Opcode::kStoret;
  cmd.s0 = static_cast<uint16_t>(rows);
  cmd.s1 = static_cast<uint16_t>(groups - 1);
  cmd.a1 = b.address(beat * static_cast<size_t>(rows));
  b.bench.run(cmd);
  std::vector<uint8_t> stored(beat * static_cast<size_t>(rows));
  b.memory.read(cmd.a1, stored);
  ASSERT_TRUE(std::equal(stored.begin(), stored.end(), b.kv.back().bytes().begin()));
  EXPECT_EQ(b.status->errors, 0);
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
  const auto expect_error = [&](const UnitCmd& cmd, isa::ErrorCode code) {
    Signal(b.bench.dut->cmd_i).set_bytes(pack(cmd));
    b.bench.dut->cmd_valid_i = 1;
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
}

TYPED_TEST(DmaTest, ReportsBusErrors) {
  for (const bool store : {false, true}) {
    DmaBench<TypeParam> b;
    b.memory.add_error(0x8000, 0x8001);
    b.bench.issue(b.linear(store ? isa::Opcode::kStorel : isa::Opcode::kLoadl, kAct, 0, 0x8000, 3));
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

// A flush in mid-transfer leaves the buses clean (the memory model checks the protocol) and the unit ready
// for more.
TYPED_TEST(DmaTest, FlushInMidOperation) {
  for (int trial = 0; trial < 24; ++trial) {
    DmaBench<TypeParam> b;
    if (trial % 2 == 1) b.stall_everything(0.3);
    b.fill_memory(0x10000, 1 << 16);
    auto& stored_space = b.spaces[static_cast<size_t>(trial % 4)];
    const auto stored_bytes = 40 * stored_space.word_bytes();
    const auto before = b.fill_memory(0x60000, stored_bytes);
    const auto after = std::vector<uint8_t>(stored_space.bytes().begin(),
                                            stored_space.bytes().begin() + static_cast<long>(stored_bytes));
    const int stop = b.uniform(1, 120);
    b.bench.issue(b.load_tiles(0x10000, 0, b.shape.groups(), 1, 12));
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

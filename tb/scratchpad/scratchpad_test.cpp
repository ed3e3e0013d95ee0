// Random traffic on all ports of the scratchpad against plain arrays: who is granted, what is read, what is
// written.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "Vscratchpad_fpga.h"
#include "Vscratchpad_paper.h"
#include "Vscratchpad_small.h"
#include "Vscratchpad_tiny.h"
#include "tb/common/axi_memory.hpp"
#include "tb/common/coverage.hpp"
#include "tb/common/memory_port.hpp"
#include "tb/common/seed.hpp"

namespace pimllm::tb {
namespace {

struct Shape {
  size_t rows, cols, channels, channel_bytes, lanes, kv_rows, act_words, scr_words, kvs_words, scl_words;
  size_t group_banks() const { return channel_bytes / cols; }
  size_t groups() const { return rows / group_banks(); }
};
template <typename Model>
constexpr Shape kShape{};
template <>
constexpr Shape kShape<Vscratchpad_tiny>{4, 4, 2, 8, 4, 512, 512, 256, 128, 256};
template <>
constexpr Shape kShape<Vscratchpad_small>{8, 8, 2, 32, 8, 2048, 2048, 1024, 512, 1024};
template <>
constexpr Shape kShape<Vscratchpad_fpga>{8, 8, 1, 8, 4, 512, 1024, 256, 128, 512};
template <>
constexpr Shape kShape<Vscratchpad_paper>{32, 32, 4, 128, 64, 4096, 8192, 8192, 4096, 4096};

using Bytes = std::vector<uint8_t>;
constexpr size_t kActBanks = 2;
constexpr size_t kScrBanks = 4;

struct Requester {
  Signal req, addr, gnt, data;
  std::optional<Signal> be;  // writes
  bool active = false;
};

// One space: its RAM's model and its requesters by falling priority, in each bank.
struct Space {
  Ram ram;
  size_t banks = 1;
  size_t at_once = 0;  // most accesses of one kind in a cycle
  std::vector<Requester> readers, writers;
  std::vector<std::optional<Bytes>> read;  // by bank: the word that was read last; none after a clash
  std::map<size_t, size_t> banks_of;       // by reader: where it was granted last
  size_t bank(const Requester& r) const { return r.addr.get() / (ram.words() / banks); }
};

template <typename Model>
struct Bench {
  static constexpr Shape kSize = kShape<Model>;
  VerilatedContext context;
  Model dut{&context};
  std::mt19937_64 rng = make_rng(1);
  std::vector<Space> spaces;
  std::vector<Ram> banks;

  Bench() {
    const auto space = [&](size_t words, size_t bytes, size_t banks = 1) -> Space& {
      spaces.push_back({Ram(words, bytes), banks, 0, {}, {}, std::vector<std::optional<Bytes>>(banks), {}});
      return spaces.back();
    };
#define READER(p)                                                                  \
  Requester {                                                                      \
    Signal(dut.p##_rd_req_i), Signal(dut.p##_rd_addr_i), Signal(dut.p##_rd_gnt_o), \
        Signal(dut.p##_rd_data_o), {}                                              \
  }
#define WRITER(p)                                                                  \
  Requester {                                                                      \
    Signal(dut.p##_wr_req_i), Signal(dut.p##_wr_addr_i), Signal(dut.p##_wr_gnt_o), \
        Signal(dut.p##_wr_data_i), Signal(dut.p##_wr_be_i)                         \
  }
    spaces.reserve(4);
    auto& act = space(kSize.act_words, 4 * kSize.lanes, kActBanks);
    act.readers = {READER(vec_act), READER(vec_aux), READER(pim_act), READER(dma_act)};
    act.writers = {WRITER(vec_act), WRITER(pim_act), WRITER(dma_act)};
    auto& scr = space(kSize.scr_words, 4 * kSize.cols, kScrBanks);
    scr.readers = {READER(arr_scr), READER(smx_scr), READER(vec_scr), READER(dma_scr)};
    scr.writers = {WRITER(arr_scr), WRITER(smx_scr), WRITER(vec_scr), WRITER(dma_scr)};
    auto& kvs = space(kSize.kvs_words, 4 * kSize.cols);
    kvs.readers = {READER(smx_kvs), READER(dma_kvs)};
    kvs.writers = {WRITER(vec_kvs), WRITER(dma_kvs)};
    auto& scl = space(kSize.scl_words, 4);
    scl.readers = {READER(smx_scl), READER(vec_scl), READER(dma_scl)};
    scl.writers = {WRITER(smx_scl), WRITER(vec_scl), WRITER(dma_scl)};
#undef READER
#undef WRITER
    for (size_t b = 0; b < kSize.rows; ++b) banks.emplace_back(kSize.kv_rows, kSize.cols);
    dut.rst_ni = 0;
    for (int i = 0; i < 3; ++i) clock();
    dut.rst_ni = 1;
  }
  ~Bench() {
    dut.final();
    collect_coverage(context);
  }

  bool coin(double p) { return std::uniform_real_distribution<double>(0, 1)(rng) < p; }
  size_t draw(size_t count) { return std::uniform_int_distribution<size_t>(0, count - 1)(rng); }
  // Few addresses, at both ends of each quarter of the space, so that words are hit again.
  size_t address(size_t words) {
    const size_t quarter = words / 4;
    return draw(4) * quarter + (coin(0.5) ? draw(8) : quarter - 1 - draw(8));
  }
  void noise(std::span<uint8_t> bytes) {
    for (auto& byte : bytes) byte = static_cast<uint8_t>(rng());
  }

  void clock() {
    dut.clk_i = 1;
    dut.eval();
    dut.clk_i = 0;
    dut.eval();
  }

  static void merge(std::span<uint8_t> word, std::span<const uint8_t> data,
                    std::span<const uint8_t> enables) {
    for (size_t i = 0; i < word.size(); ++i) {
      if ((enables[i / 8] >> (i % 8) & 1) != 0) word[i] = data[i];
    }
  }

  // The requesters that must be granted: the first of each bank. Checks all grants.
  static std::vector<size_t> granted(const Space& s, std::vector<Requester>& all) {
    std::vector<size_t> winners;
    std::set<size_t> busy;
    for (size_t i = 0; i < all.size(); ++i) {
      const bool wins = all[i].active && busy.insert(s.bank(all[i])).second;
      if (wins) winners.push_back(i);
      EXPECT_EQ(all[i].gnt.get(), wins ? 1u : 0u) << "grant of requester " << i;
    }
    return winners;
  }

  void drive_space(Space& s, double load) {
    for (auto* list : {&s.readers, &s.writers}) {
      for (auto& r : *list) {
        if (r.active) continue;
        r.active = coin(load);
        r.req.set(r.active ? 1 : 0);
        r.addr.set(address(s.ram.words()));
        if (r.be) {
          noise(r.data.bytes().first(s.ram.word_bytes()));
          noise(r.be->bytes());
          if (coin(0.3)) std::fill(r.be->bytes().begin(), r.be->bytes().end(), uint8_t{0xFF});
          // Bits beyond the port's width stay zero, as Verilator wants.
          if (s.ram.word_bytes() % 8 != 0)
            r.be->bytes()[0] &= static_cast<uint8_t>((1 << s.ram.word_bytes() % 8) - 1);
        }
      }
    }
  }

  // Before the edge: grants; takes over what the cycle does.
  void sample_space(Space& s) {
    const auto readers = granted(s, s.readers), writers = granted(s, s.writers);
    for (const size_t reader : readers) {
      auto& r = s.readers[reader];
      const bool clash = std::any_of(writers.begin(), writers.end(),
                                     [&](size_t w) { return s.writers[w].addr.get() == r.addr.get(); });
      const auto word = s.ram.word(r.addr.get());
      s.banks_of[reader] = s.bank(r);
      s.read[s.bank(r)] = clash ? std::nullopt : std::optional(Bytes(word.begin(), word.end()));
      r.active = false;
    }
    s.at_once = std::max({s.at_once, readers.size(), writers.size()});
    for (const size_t writer : writers) {
      auto& w = s.writers[writer];
      merge(s.ram.word(w.addr.get()), w.data.bytes(), w.be->bytes());
      w.active = false;
    }
  }

  // A bank is read for a grant only: until the next one it shows the same word.
  static void check_space(Space& s) {
    for (const auto& [reader, bank] : s.banks_of) {
      if (!s.read[bank]) continue;
      const auto got = s.readers[reader].data.bytes().first(s.ram.word_bytes());
      EXPECT_TRUE(std::equal(got.begin(), got.end(), s.read[bank]->begin())) << "data of reader " << reader;
    }
  }
};

template <typename Model>
class Scratchpad : public ::testing::Test {};
using Models = ::testing::Types<Vscratchpad_tiny, Vscratchpad_small, Vscratchpad_fpga, Vscratchpad_paper>;
TYPED_TEST_SUITE(Scratchpad, Models);

TYPED_TEST(Scratchpad, Spaces) {
  Bench<TypeParam> bench;
  for (auto& s : bench.spaces) {  // known contents first
    for (auto& w : s.writers) w.req.set(0);
    for (size_t word = 0; word < s.ram.words(); ++word) {
      auto& w = s.writers.back();
      bench.noise(s.ram.word(word));
      w.req.set(1);
      w.addr.set(word);
      w.data.set_bytes(s.ram.word(word));
      w.be->set(s.ram.word_bytes() >= 64 ? ~uint64_t{0} : (uint64_t{1} << s.ram.word_bytes()) - 1);
      if (s.ram.word_bytes() > 64) std::fill(w.be->bytes().begin(), w.be->bytes().end(), uint8_t{0xFF});
      bench.clock();
    }
    s.writers.back().req.set(0);
  }
  for (int cycle = 0; cycle < 4000 && !::testing::Test::HasFailure(); ++cycle) {
    const double load = cycle % 400 < 200 ? 0.2 : 0.7;
    for (auto& s : bench.spaces) bench.drive_space(s, load);
    bench.dut.eval();
    for (auto& s : bench.spaces) bench.sample_space(s);
    bench.clock();
    for (auto& s : bench.spaces) bench.check_space(s);
    for (auto& s : bench.spaces) {
      for (auto* list : {&s.readers, &s.writers}) {
        for (auto& r : *list) r.req.set(r.active ? 1 : 0);
      }
    }
  }
  for (const auto& s : bench.spaces) EXPECT_EQ(s.at_once, s.banks);
}

TYPED_TEST(Scratchpad, KvBanks) {
  Bench<TypeParam> bench;
  auto& dut = bench.dut;
  constexpr Shape s = bench.kSize;
  const size_t gb = s.group_banks(), ng = s.groups(), nc = s.channels;
  const auto bits = [](size_t n) { return std::max<size_t>(1, static_cast<size_t>(std::countr_zero(n))); };
  const size_t group_bits = bits(ng), row_bits = bits(s.kv_rows);
  const auto slice = [](auto& port, size_t index, size_t width) {
    return Slice(Signal(port), index * width, width);
  };
  struct Load {
    bool active = false;
    size_t group = 0, row = 0;
    Bytes data;
  };
  std::vector<Load> loads(nc);
  std::optional<Bytes> dma_expected;
  std::vector<std::optional<Bytes>> bank_expected(s.rows);
  std::vector<std::vector<bool>> known(s.rows, std::vector<bool>(s.kv_rows));
  bool dma_active = false;
  uint64_t delayed = 0, refused = 0;
  for (int cycle = 0; cycle < 6000 && !::testing::Test::HasFailure(); ++cycle) {
    // Array reads.
    std::vector<bool> reads(s.rows);
    std::vector<size_t> rows(s.rows);
    const double array_load = cycle % 500 < 250 ? 0.8 : 0.1;
    for (size_t b = 0; b < s.rows; ++b) {
      reads[b] = bench.coin(array_load / static_cast<double>(gb));
      rows[b] = bench.address(s.kv_rows);
      slice(dut.kv_rd_en_i, b, 1).set(reads[b] ? 1 : 0);
      slice(dut.kv_rd_addr_i, b, row_bits).set(rows[b]);
    }
    // DMA read, held until granted.
    if (!dma_active && bench.coin(0.5)) {
      dma_active = true;
      dut.dkv_rd_group_i = static_cast<unsigned>(bench.draw(ng));
      dut.dkv_rd_addr_i = static_cast<unsigned>(bench.address(s.kv_rows));
    }
    dut.dkv_rd_req_i = dma_active ? 1 : 0;
    // Loads of the channels.
    for (size_t c = 0; c < nc; ++c) {
      auto& load = loads[c];
      if (!load.active && bench.coin(0.7)) {
        load = {true, c + nc * bench.draw(ng / nc), bench.address(s.kv_rows), Bytes(s.channel_bytes)};
        bench.noise(load.data);
      }
      slice(dut.dkv_wr_req_i, c, 1).set(load.active ? 1 : 0);
      slice(dut.dkv_wr_group_i, c, group_bits).set(load.group);
      slice(dut.dkv_wr_addr_i, c, row_bits).set(load.row);
      if (load.active) {
        const auto bytes = slice(dut.dkv_wr_data_i, c, 8 * s.channel_bytes).bytes();
        std::copy(load.data.begin(), load.data.end(), bytes.begin());
      }
    }
    // Append.
    const bool append = bench.coin(0.3);
    const size_t append_group = bench.draw(ng), append_row = bench.address(s.kv_rows);
    Bytes append_data(s.channel_bytes);
    bench.noise(append_data);
    dut.kva_req_i = append ? 1 : 0;
    dut.kva_group_i = static_cast<unsigned>(append_group);
    dut.kva_addr_i = static_cast<unsigned>(append_row);
    Signal(dut.kva_data_i).set_bytes(append_data);
    bench.noise(Signal(dut.kva_be_i).bytes().first(s.channel_bytes / 8));
    dut.eval();

    // Grants.
    EXPECT_EQ(dut.kva_gnt_o, append ? 1 : 0);
    std::vector<std::optional<size_t>> written(s.rows);
    const auto write = [&](size_t group, size_t row, std::span<const uint8_t> data,
                           std::span<const uint8_t> be) {
      for (size_t b = 0; b < gb; ++b) {
        const size_t bank = group * gb + b;
        EXPECT_FALSE(written[bank]) << "two writes to bank " << bank;
        written[bank] = row;
        auto word = bench.banks[bank].word(row);
        bool all = true;
        for (size_t i = 0; i < s.cols; ++i) {
          const size_t at = b * s.cols + i;
          if (be.empty() || (be[at / 8] >> (at % 8) & 1) != 0)
            word[i] = data[at];
          else
            all = false;
        }
        if (all) known[bank][row] = true;
      }
    };
    const Bytes be(Signal(dut.kva_be_i).bytes().begin(), Signal(dut.kva_be_i).bytes().end());
    // Reads see the words before this cycle's writes.
    for (auto& e : bank_expected) e.reset();
    for (size_t b = 0; b < s.rows; ++b) {
      if (reads[b] && known[b][rows[b]]) {
        const auto word = bench.banks[b].word(rows[b]);
        bank_expected[b] = Bytes(word.begin(), word.end());
      }
    }
    dma_expected.reset();
    const size_t group = dut.dkv_rd_group_i, dma_row = dut.dkv_rd_addr_i;
    bool busy = false;
    for (size_t b = 0; b < gb; ++b) busy = busy || reads[group * gb + b];
    EXPECT_EQ(dut.dkv_rd_gnt_o, dma_active && !busy ? 1 : 0);
    refused += dma_active && busy ? 1 : 0;
    const bool dma_read = dut.dkv_rd_gnt_o != 0;
    if (dma_read) {
      dma_active = false;
      Bytes data;
      bool all = true;
      for (size_t b = 0; b < gb; ++b) {
        const auto word = bench.banks[group * gb + b].word(dma_row);
        data.insert(data.end(), word.begin(), word.end());
        all = all && known[group * gb + b][dma_row];
      }
      if (all) dma_expected = data;
    }
    if (append) write(append_group, append_row, append_data, be);
    for (size_t c = 0; c < nc; ++c) {
      auto& load = loads[c];
      const bool blocked = append && append_group == load.group;
      EXPECT_EQ(slice(dut.dkv_wr_gnt_o, c, 1).get(), load.active && !blocked ? 1u : 0u) << "channel " << c;
      delayed += load.active && blocked ? 1 : 0;
      if (load.active && !blocked) {
        write(load.group, load.row, load.data, {});
        load.active = false;
      }
    }
    // A read of the word that is written returns anything.
    for (size_t b = 0; b < s.rows; ++b) {
      if (written[b] && *written[b] == rows[b]) bank_expected[b].reset();
      if (written[b] && *written[b] == dma_row && b / gb == group) dma_expected.reset();
    }

    bench.clock();
    for (size_t b = 0; b < s.rows; ++b) {
      if (!bank_expected[b]) continue;
      const auto got = slice(dut.kv_rd_data_o, b, 8 * s.cols).bytes();
      EXPECT_TRUE(std::equal(got.begin(), got.end(), bank_expected[b]->begin())) << "bank " << b;
    }
    if (dma_expected) {
      const auto got = Signal(dut.dkv_rd_data_o).bytes();
      EXPECT_TRUE(std::equal(dma_expected->begin(), dma_expected->end(), got.begin()))
          << "DMA read of group " << group;
    }
  }
  EXPECT_GT(delayed, 50u);
  EXPECT_GT(refused, 50u);
}

}  // namespace
}  // namespace pimllm::tb

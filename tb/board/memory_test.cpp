// The board's memory: random bursts of every reader and of the writer, with refusals, against an array.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <vector>

#include "Vboard_memory.h"
#include "tb/common/coverage.hpp"
#include "tb/common/seed.hpp"

namespace pimllm::tb {
namespace {

constexpr size_t kWords = 96;
constexpr int kReaders = 3;
constexpr uint8_t kSlaveError = 2;

struct Burst {
  uint64_t beat = 0;
  unsigned length = 0, done = 0;  // beats
};

class MemoryBench {
 public:
  explicit MemoryBench(uint64_t salt) : rng_(make_rng(salt)), dut_(&context_) {
    dut_.arvalid_i = dut_.rready_i = dut_.awvalid_i = dut_.wvalid_i = dut_.bready_i = 0;
    dut_.rst_ni = 0;
    for (int i = 0; i < 3; ++i) cycle();
    dut_.rst_ni = 1;
    // Filled through its own port.
    for (size_t i = 0; i < kWords; ++i) pending_.push_back({i, rng_()});
  }
  ~MemoryBench() { collect_coverage(context_); }

  void run(int cycles, unsigned refuse_percent) {
    for (int i = 0; i < cycles && !testing::Test::HasFailure(); ++i) step(refuse_percent);
  }
  void fill() {
    for (const auto& [beat, value] : pending_) {
      dut_.awvalid_i = 1;
      dut_.awaddr_i = beat * 8;
      cycle();
      dut_.awvalid_i = 0;
      dut_.wvalid_i = dut_.wlast_i = 1;
      dut_.wdata_i = value;
      dut_.wstrb_i = 0xFF;
      cycle();
      dut_.wvalid_i = 0;
      dut_.bready_i = 1;
      dut_.eval();
      ASSERT_EQ(dut_.bvalid_o, 1);
      cycle();
      dut_.bready_i = 0;
      words_[beat] = value;
    }
  }

  int reads = 0, writes = 0, errors = 0, beside = 0;

 private:
  void cycle() {
    dut_.clk_i = 1;
    dut_.eval();
    dut_.clk_i = 0;
    dut_.eval();
  }
  bool chance(unsigned percent) { return rng_() % 100 < percent; }
  // Mostly within, sometimes across the end, sometimes far beyond it.
  Burst any_burst() {
    Burst burst{rng_() % kWords, static_cast<unsigned>(1 + rng_() % 16), 0};
    const uint64_t kind = rng_() % 10;
    if (kind == 0) burst.beat = kWords - 1 - rng_() % 3;
    if (kind == 1) burst.beat = kWords + rng_() % 40;
    if (kind == 2) burst.beat = (uint64_t{1} << (5 + rng_() % 38)) + rng_() % kWords;
    if (kind == 3) burst.length = 256;
    return burst;
  }

  // Reads and writes of one word in one cycle may return either: the writer stays out of beats that are being
  // read.
  bool being_read(const Burst& w) const {
    for (const auto& r : reading_) {
      if (r && w.beat < r->beat + r->length && r->beat < w.beat + w.length) return true;
    }
    return false;
  }

  void step(unsigned refuse) {
    for (int r = 0; r < kReaders; ++r) {
      if (!reading_[r] && chance(20)) {
        Burst burst = any_burst();
        const bool meets = writing_ && writing_->beat < burst.beat + burst.length &&
                           burst.beat < writing_->beat + writing_->length;
        if (!meets) {
          reading_[r] = burst;
          asking_[r] = true;
        }
      }
      set_bit(dut_.arvalid_i, r, asking_[r]);
      set_bit(dut_.rready_i, r, !chance(refuse));
      if (asking_[r]) {
        set_address(r, reading_[r]->beat * 8);
        dut_.arlen_i = static_cast<uint32_t>((dut_.arlen_i & ~(0xFFU << (8 * r))) | (reading_[r]->length - 1)
                                                                                        << (8 * r));
      }
    }
    if (!writing_ && chance(20)) {
      const Burst burst = any_burst();
      if (!being_read(burst)) {
        writing_ = burst;
        asking_write_ = true;
        write_error_ = false;
      }
    }
    dut_.awvalid_i = asking_write_ ? 1 : 0;
    if (asking_write_) dut_.awaddr_i = writing_->beat * 8;
    const bool data = writing_ && !asking_write_ && writing_->done < writing_->length;
    if (data && dut_.wvalid_i == 0 && !chance(refuse)) {
      dut_.wvalid_i = 1;
      dut_.wdata_i = rng_();
      dut_.wstrb_i = static_cast<uint8_t>(rng_());
      dut_.wlast_i = writing_->done + 1 == writing_->length ? 1 : 0;
    }
    dut_.bready_i = chance(refuse) ? 0 : 1;
    dut_.eval();
    observe();
    cycle();
    if (taken_) dut_.wvalid_i = 0;
  }

  void observe() {
    taken_ = false;
    int answered = 0;
    for (int r = 0; r < kReaders; ++r) {
      if (asking_[r] && (dut_.arready_o >> r & 1) != 0) asking_[r] = false;
      if ((dut_.rvalid_o >> r & 1) == 0) continue;
      ++answered;
      ASSERT_TRUE(reading_[r] && !asking_[r]) << "data that reader " << r << " did not ask for";
      Burst& burst = *reading_[r];
      const uint64_t beat = burst.beat + burst.done;
      const bool inside = beat < kWords;
      ASSERT_EQ(dut_.rresp_o, inside ? 0 : kSlaveError) << "beat " << beat;
      if (inside) {
        ASSERT_EQ(dut_.rdata_o, words_[beat]) << "beat " << beat;
      }
      ASSERT_EQ(dut_.rlast_o != 0, burst.done + 1 == burst.length);
      if ((dut_.rready_i >> r & 1) == 0) continue;
      if (!inside) ++errors;
      if (dut_.wvalid_i != 0 && dut_.wready_o != 0) ++beside;
      if (++burst.done == burst.length) {
        reading_[r].reset();
        ++reads;
      }
    }
    ASSERT_LE(answered, 1);
    if (asking_write_ && dut_.awready_o != 0) {
      asking_write_ = false;
    } else if (dut_.wvalid_i != 0 && dut_.wready_o != 0) {
      taken_ = true;
      const uint64_t beat = writing_->beat + writing_->done++;
      if (beat >= kWords) {
        write_error_ = true;
      } else {
        for (int i = 0; i < 8; ++i) {
          const uint64_t mask = uint64_t{0xFF} << (8 * i);
          if ((dut_.wstrb_i >> i & 1) != 0) words_[beat] = (words_[beat] & ~mask) | (dut_.wdata_i & mask);
        }
      }
    }
    if (dut_.bvalid_o != 0) {
      ASSERT_TRUE(writing_ && writing_->done == writing_->length);
      ASSERT_EQ(dut_.bresp_o, write_error_ ? kSlaveError : 0);
      if (dut_.bready_i != 0) {
        writing_.reset();
        ++writes;
      }
    }
  }

  static void set_bit(uint8_t& port, int bit, bool on) {
    port = static_cast<uint8_t>(on ? port | 1U << bit : port & ~(1U << bit));
  }
  // 48 bits a reader in one packed port.
  void set_address(int reader, uint64_t address) {
    for (int i = 0; i < 48; ++i) {
      const int bit = 48 * reader + i;
      uint32_t& word = dut_.araddr_i[static_cast<size_t>(bit / 32)];
      word = (word & ~(1U << bit % 32)) | static_cast<uint32_t>(address >> i & 1) << bit % 32;
    }
  }

  std::mt19937_64 rng_;
  VerilatedContext context_;
  Vboard_memory dut_;
  std::array<uint64_t, kWords> words_{};
  std::vector<std::pair<uint64_t, uint64_t>> pending_;
  std::array<std::optional<Burst>, kReaders> reading_;
  std::array<bool, kReaders> asking_{};
  std::optional<Burst> writing_;
  bool asking_write_ = false, write_error_ = false, taken_ = false;
};

TEST(BoardMemory, RandomBurstsAgainstAnArray) {
  for (const unsigned refuse : {0U, 30U, 80U}) {
    MemoryBench bench(refuse);
    bench.fill();
    bench.run(60'000, refuse);
    EXPECT_GT(bench.reads, 300);
    EXPECT_GT(bench.writes, 100);
    EXPECT_GT(bench.errors, 300);
    EXPECT_GT(bench.beside, 100);
  }
}

}  // namespace
}  // namespace pimllm::tb

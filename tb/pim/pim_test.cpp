// PIM unit against the golden crossbar operator: bits, clip counts, order, errors, reset, cycles.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <ctime>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "Vpim_unit_paper.h"
#include "Vpim_unit_small.h"
#include "Vpim_unit_unit.h"
#include "Vpim_unit_unit_digital.h"
#include "Vpim_unit_wide_digital.h"
#include "golden/crossbar.hpp"
#include "tb/common/seed.hpp"
#include "tb/common/unit_bench.hpp"

namespace pimllm {
namespace {

using isa::Opcode;
using tb::UnitCmd;

template <typename M, int R, int S, int N, int A, int B, int V, int W>
struct Config {
  using Model = M;
  static constexpr int kSide = R, kSets = S, kSlots = N, kAdcs = A, kAdcBits = B, kLanes = V, kActWords = W;
  static constexpr int kCrossbars = kSets * kSlots;
  static constexpr int kWordBytes = 4 * V;
  static constexpr int kInWords = R / kWordBytes;  // of a row tile
  static constexpr int kOutWords = R / kLanes;     // of a column tile
  static constexpr int kRowBytes = R / 4;          // of a programmed row
  static constexpr int kRowsPerWord = kWordBytes / kRowBytes;
};
using Unit = Config<Vpim_unit_unit, 16, 2, 16, 8, 5, 4, 512>;
using UnitDigital = Config<Vpim_unit_unit_digital, 16, 2, 16, 8, 5, 4, 512>;
using WideDigital = Config<Vpim_unit_wide_digital, 16, 2, 16, 16, 7, 4, 512>;
using Small = Config<Vpim_unit_small, 64, 4, 256, 32, 8, 8, 2048>;
using Paper = Config<Vpim_unit_paper, 256, 8, 8, 128, 8, 64, 8192>;

enum class Cells { kRandom, kPlus, kMinus, kMostlyPlus };
enum class Inputs { kRandom, kAllBits, kSignBit, kNoSign };

struct Layer {
  int first = 0;
  int row_tiles = 1;
  int words = 1;
  int in = 0;   // ACT word
  int out = 0;  // ACT word
};

// ---- Functional points: size and place of an instruction ----

// A name for those of the values that stand at a boundary; the first wins where two are equal.
using Boundaries = std::vector<std::pair<std::string, int>>;

template <typename C>
Boundaries row_tile_sizes() {
  Boundaries sizes = {
      {"1 row tile", 1}, {"row tiles = sets", C::kSets}, {"row tiles = sets + 1", C::kSets + 1}};
  if (C::kSets > 2) sizes.emplace_back("row tiles = sets - 1", C::kSets - 1);
  return sizes;
}

template <typename C>
Boundaries word_sizes() {
  return {{"1 word", 1},
          {"column tile - 1", C::kOutWords - 1},
          {"column tile", C::kOutWords},
          {"column tile + 1", C::kOutWords + 1}};
}

template <typename C>
tb::Names size_cells(const UnitCmd& cmd) {
  if (cmd.opcode == Opcode::kXprog) {
    if (cmd.count == 1) return {"XPROG, 1 row"};
    return cmd.count == C::kSide ? tb::Names{"XPROG, all rows"} : tb::Names{};
  }
  tb::Names names;
  for (const auto& [rows, r] : row_tile_sizes<C>()) {
    for (const auto& [words, w] : word_sizes<C>()) {
      if (cmd.s1 != r || cmd.count != w) continue;
      names.push_back(fmt::format("XBAR, {}, {}, {}", rows, words,
                                  cmd.s0 % C::kSets == 0 ? "from set 0" : "from another set"));
    }
  }
  return names;
}

const tb::Names kErrorPoints = {tb::error_point(Opcode::kXbar, isa::ErrorCode::kBadAddress),
                                tb::error_point(Opcode::kXbar, isa::ErrorCode::kBadOperand),
                                tb::error_point(Opcode::kXprog, isa::ErrorCode::kBadAddress),
                                tb::error_point(Opcode::kXprog, isa::ErrorCode::kBadOperand)};

template <typename C>
class Bench : public tb::UnitBench<typename C::Model> {
 public:
  using Base = tb::UnitBench<typename C::Model>;
  using Base::dut;

  explicit Bench(uint64_t salt, double stall = 0.0)
      : rng(tb::make_rng(salt)),
        act(C::kActWords, C::kWordBytes),
        rd_(act, tb::Signal(dut->act_rd_req_o), tb::Signal(dut->act_rd_addr_o), tb::Signal(dut->act_rd_gnt_i),
            tb::Signal(dut->act_rd_data_i)),
        wr_(act, tb::Signal(dut->act_wr_req_o), tb::Signal(dut->act_wr_addr_o),
            tb::Signal(dut->act_wr_data_o), tb::Signal(dut->act_wr_be_o), tb::Signal(dut->act_wr_gnt_i)),
        cells(static_cast<size_t>(C::kCrossbars) * C::kSide * C::kSide) {
    act.randomize(rng);
    this->add(rd_);
    this->add(wr_);
    wr_.on_write = [this](uint64_t) { on_write(); };
    set_stall(stall);
    dut->cmd_valid_i = 0;
    set(C::kSide, 0, C::kAdcBits);
    this->functional.follow(size_cells<C>);
    this->reset();
  }

  void set_stall(double probability) { set_stall(probability, probability); }
  void set_stall(double reads, double writes) {
    rd_.stall = {&rng, reads};
    wr_.stall = {&rng, writes};
  }

  void set(int rows_per_conv, int lsb_shift, int adc_bits) {
    settings = {C::kSide, rows_per_conv, lsb_shift, adc_bits};
    dut->rows_per_conv_i = static_cast<uint16_t>(rows_per_conv);
    dut->lsb_shift_i = static_cast<uint8_t>(lsb_shift);
    dut->adc_bits_i = static_cast<uint8_t>(adc_bits);
  }

  void set_random() {
    set(1 + static_cast<int>(rng() % C::kSide), static_cast<int>(rng() % 3),
        1 + static_cast<int>(rng() % C::kAdcBits));
  }

  int random(int low, int high) {
    return low + static_cast<int>(rng() % static_cast<uint64_t>(high - low + 1));
  }

  int8_t& cell(int crossbar, int row, int col) {
    return cells[(static_cast<size_t>(crossbar) * C::kSide + static_cast<size_t>(row)) * C::kSide +
                 static_cast<size_t>(col)];
  }

  int8_t draw(Cells kind) {
    switch (kind) {
      case Cells::kPlus:
        return 1;
      case Cells::kMinus:
        return -1;
      case Cells::kMostlyPlus:
        return static_cast<int8_t>(rng() % 8 == 0 ? -1 : 1);
      default:
        return static_cast<int8_t>(static_cast<int>(rng() % 3) - 1);
    }
  }

  // Draws rows [row, row + rows) of a crossbar into the reference and ACT; returns the instruction.
  UnitCmd prepare_program(int crossbar, int row, int rows, Cells kind, int word) {
    auto bytes = act.bytes().subspan(static_cast<size_t>(word * C::kWordBytes));
    for (int r = 0; r < rows; ++r) {
      for (int c = 0; c < C::kSide; ++c) {
        const int8_t value = draw(kind);
        cell(crossbar, row + r, c) = value;
        auto& byte = bytes[static_cast<size_t>(r * C::kRowBytes + c / 4)];
        const int shift = c % 4 * 2;
        byte = static_cast<uint8_t>((byte & ~(3 << shift)) | ((value + 1) << shift));
      }
    }
    UnitCmd cmd = tb::any_command(rng, Opcode::kXprog);
    cmd.a0 = static_cast<uint16_t>(word);
    cmd.count = static_cast<uint16_t>(rows);
    cmd.s0 = static_cast<uint16_t>(crossbar);
    cmd.s1 = static_cast<uint16_t>(row);
    return cmd;
  }

  void program(int crossbar, Cells kind = Cells::kRandom) {
    this->run(prepare_program(crossbar, 0, C::kSide, kind, 0));
  }

  void program_all(int crossbars, Cells kind = Cells::kRandom) {
    for (int i = 0; i < crossbars; ++i) program(i, kind);
  }

  void draw_inputs(const Layer& layer, Inputs kind) {
    auto x = act.bytes().subspan(static_cast<size_t>(layer.in * C::kWordBytes),
                                 static_cast<size_t>(layer.row_tiles * C::kSide));
    for (auto& byte : x) {
      switch (kind) {
        case Inputs::kAllBits:
          byte = 0xff;
          break;
        case Inputs::kSignBit:
          byte = 0x80;
          break;
        case Inputs::kNoSign:
          byte = 0x7f;
          break;
        default:
          byte = static_cast<uint8_t>(rng());
          break;
      }
    }
  }

  UnitCmd project_cmd(const Layer& layer) {
    UnitCmd cmd = tb::any_command(rng, Opcode::kXbar);
    cmd.a0 = static_cast<uint16_t>(layer.in);
    cmd.a1 = (cmd.a1 & ~uint64_t{0xFFFF}) | static_cast<uint64_t>(layer.out);  // its low 16 bits
    cmd.count = static_cast<uint16_t>(layer.words);
    cmd.s0 = static_cast<uint16_t>(layer.first);
    cmd.s1 = static_cast<uint16_t>(layer.row_tiles);
    return cmd;
  }

  // Puts the expected words into `image`, the ACT space as it shall be; counts the clips of all columns.
  void expect(const Layer& layer, std::vector<uint8_t>& image) { expect(layer, image, this->image()); }

  // The same with inputs from another image of ACT.
  void expect(const Layer& layer, std::vector<uint8_t>& image, const std::vector<uint8_t>& inputs) {
    const int in = layer.row_tiles * C::kSide;
    const int col_tiles = (layer.words + C::kOutWords - 1) / C::kOutWords;
    std::vector<int8_t> values(static_cast<size_t>(in) * C::kSide), x(static_cast<size_t>(in));
    for (int i = 0; i < in; ++i) {
      x[static_cast<size_t>(i)] =
          static_cast<int8_t>(inputs[static_cast<size_t>(layer.in * C::kWordBytes + i)]);
    }
    for (int tile = 0; tile < col_tiles; ++tile) {
      for (int c = 0; c < C::kSide; ++c) {
        for (int i = 0; i < in; ++i) {
          values[static_cast<size_t>(c * in + i)] =
              cell(layer.first + tile * layer.row_tiles + i / C::kSide, i % C::kSide, c);
        }
      }
      const auto y = crossbar_project(values, C::kSide, x, settings, {}, clips);
      for (int c = 0; c < C::kSide; ++c) {
        const int word = tile * C::kOutWords + c / C::kLanes;
        if (word >= layer.words) break;
        std::memcpy(&image[static_cast<size_t>((layer.out + word) * C::kWordBytes + c % C::kLanes * 4)],
                    &y[static_cast<size_t>(c)], 4);
      }
    }
  }

  std::vector<uint8_t> image() { return {act.bytes().begin(), act.bytes().end()}; }

  void check(const std::vector<uint8_t>& expected) {
    const auto actual = act.bytes();
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(actual[i], expected[i]) << "ACT word " << i / C::kWordBytes << " byte " << i % C::kWordBytes;
    }
    ASSERT_EQ(dut->clip_count_o, static_cast<uint32_t>(clips)) << "clip count";
    ASSERT_EQ(dut->err_o, 0);
  }

  // Runs one projection and compares; returns cycles from taken to done.
  uint64_t project(const Layer& layer, Inputs kind = Inputs::kRandom) {
    draw_inputs(layer, kind);
    auto expected = image();
    expect(layer, expected);
    const uint64_t cycles = this->run(project_cmd(layer));
    check(expected);
    return cycles;
  }

  // A random layer within the first `crossbars` crossbars, its output behind its input.
  Layer random_layer(int crossbars) {
    Layer layer;
    layer.row_tiles = random(1, std::min(crossbars, 3 * C::kSets));
    const int most = (crossbars / layer.row_tiles) * C::kOutWords;
    layer.words = random(1, std::min(most, C::kActWords / 4));
    const int used = (layer.words + C::kOutWords - 1) / C::kOutWords * layer.row_tiles;
    layer.first = random(0, crossbars - used);
    layer.in = random(0, C::kActWords / 2 - layer.row_tiles * C::kInWords);
    layer.out = random(C::kActWords / 2, C::kActWords - layer.words);
    return layer;
  }

  void expect_error(const UnitCmd& cmd, int code) {
    const uint64_t done = this->done();
    const auto before = image();
    this->issue(cmd);
    int errors = 0;
    for (int i = 0; i < 200; ++i) {
      dut->clk_i = 0;
      dut->eval();
      if (dut->err_o != 0) {
        ++errors;
        EXPECT_EQ(dut->err_code_o, code);
      }
      this->step();
    }
    EXPECT_EQ(errors, 1);
    EXPECT_EQ(this->done(), done);
    EXPECT_EQ(dut->busy_o, 0);
    EXPECT_TRUE(before == image());
  }

  void expect_writes() {
    write_owner.clear();
    next_write_ = 0;
  }
  size_t writes_seen() const { return next_write_; }

  std::mt19937_64 rng;
  tb::Ram act;

 private:
  tb::ReadPort rd_;
  tb::WritePort wr_;

  // Writes of an instruction come after the done of the one before it.
  void on_write() {
    if (write_owner.empty()) return;
    ASSERT_LT(next_write_, write_owner.size());
    ASSERT_GE(this->done() + (dut->done_o != 0 ? 1 : 0), write_owner[next_write_]) << "write before done";
    ++next_write_;
  }
  size_t next_write_ = 0;

 public:
  std::vector<uint64_t> write_owner;  // for each write to come: instructions that must be done
  std::vector<int8_t> cells;
  CrossbarSettings settings;
  uint64_t clips = 0;
};

template <typename C>
class Pim : public ::testing::Test {};
using Sizes = ::testing::Types<Unit, UnitDigital, WideDigital, Small>;
struct SizeName {
  template <typename T>
  static std::string GetName(int i) {
    constexpr std::array<const char*, 4> kNames = {"Unit", "UnitDigital", "WideDigital", "Small"};
    return kNames[static_cast<size_t>(i)];
  }
};
TYPED_TEST_SUITE(Pim, Sizes, SizeName);

TYPED_TEST(Pim, EveryShape) {
  using C = TypeParam;
  Bench<C> bench(1);
  const int crossbars = std::min(C::kCrossbars, 8 * C::kSets);
  bench.program_all(crossbars);
  bench.set(C::kSide / 2, 0, C::kAdcBits);
  for (int row_tiles = 1; row_tiles <= 2 * C::kSets + 1; ++row_tiles) {
    for (int col_tiles = 1; col_tiles <= C::kSets + 1; ++col_tiles) {
      for (int offset = 0; offset < C::kSets; ++offset) {
        if (offset + row_tiles * col_tiles > crossbars) continue;
        Layer layer{offset, row_tiles, col_tiles * C::kOutWords, 3, C::kActWords / 2};
        if (offset == 1) layer.words -= 1 + row_tiles % (C::kOutWords - 1);  // an unfinished column tile
        bench.project(layer);
        ASSERT_FALSE(this->HasFatalFailure()) << "row tiles " << row_tiles << " column tiles " << col_tiles;
      }
    }
  }
}

TYPED_TEST(Pim, RandomLayersAndSettings) {
  using C = TypeParam;
  Bench<C> bench(2, 0.3);
  const int crossbars = std::min(C::kCrossbars, 8 * C::kSets);
  for (int i = 0; i < crossbars; ++i)
    bench.program(i, bench.rng() % 2 == 0 ? Cells::kRandom : Cells::kMostlyPlus);
  for (int trial = 0; trial < 60; ++trial) {
    bench.set_stall(trial % 3 * 0.35);
    bench.set_random();
    bench.project(bench.random_layer(crossbars));
    ASSERT_FALSE(this->HasFatalFailure()) << "trial " << trial;
    if (trial % 8 == 0) {  // part of a crossbar anew
      const int row = bench.random(0, C::kSide - 1);
      bench.run(bench.prepare_program(bench.random(0, crossbars - 1), row, bench.random(1, C::kSide - row),
                                      Cells::kRandom, bench.random(0, C::kActWords / 2)));
    }
  }
  EXPECT_GT(bench.clips, 1000U);
}

// Every size at a boundary, from the first set and another; nothing refused, reads refused, writes refused.
TYPED_TEST(Pim, EverySizeAndRefusal) {
  using C = TypeParam;
  Bench<C> bench(13);
  constexpr int kTries = 100;
  const int crossbars = 3 * C::kSets + 4;
  bench.program_all(crossbars);
  for (const auto refusal : {tb::Refusal::kNone, tb::Refusal::kRead, tb::Refusal::kWrite}) {
    bench.set_stall(refusal == tb::Refusal::kRead ? 0.6 : 0.0, refusal == tb::Refusal::kWrite ? 0.6 : 0.0);
    const auto reach = [&](const UnitCmd& cmd, const std::vector<tb::Refusal>& refusals, auto&& run) {
      const auto points = tb::with_refusals(size_cells<C>(cmd), refusals);
      tb::declare_points(points);
      const tb::Names wanted = {points[static_cast<size_t>(refusal)]};
      for (int i = 0; i < kTries && !tb::missing_points(wanted).empty(); ++i) run();
      EXPECT_EQ(tb::missing_points(wanted), tb::Names{});
    };
    for (const auto& [rows, row_tiles] : row_tile_sizes<C>()) {
      for (const auto& [words, count] : word_sizes<C>()) {
        for (const int first : {0, 1}) {
          const Layer layer{first, row_tiles, count, 0, C::kActWords / 2};
          reach(bench.project_cmd(layer), {tb::Refusal::kRead, tb::Refusal::kWrite},
                [&] { bench.project(layer); });
        }
      }
    }
    if (refusal == tb::Refusal::kWrite) continue;  // XPROG writes nothing
    for (const int rows : {1, C::kSide}) {
      UnitCmd cmd;
      cmd.opcode = Opcode::kXprog;
      cmd.count = static_cast<uint16_t>(rows);
      reach(cmd, {tb::Refusal::kRead},
            [&] { bench.run(bench.prepare_program(0, 0, rows, Cells::kRandom, 0)); });
    }
  }
}

// The whole bank in one layer: as wide, as deep, and from the last crossbar.
TYPED_TEST(Pim, WholeBank) {
  using C = TypeParam;
  Bench<C> bench(14);
  bench.program_all(C::kCrossbars);
  const int half = C::kActWords / 2;
  bench.project({0, 1, std::min(C::kCrossbars * C::kOutWords, half), 0, half});
  bench.project({0, C::kCrossbars, C::kOutWords, 0, half});
  bench.project({C::kCrossbars - 1, 1, 1, half - C::kInWords, C::kActWords - 1});
}

TYPED_TEST(Pim, RowsPerConversionAndShift) {
  using C = TypeParam;
  Bench<C> bench(3);
  bench.program_all(2 * C::kSets);
  const Layer layer{1, C::kSets, C::kOutWords, 0, C::kActWords / 2};
  for (int rows = 1; rows <= C::kSide; rows += C::kSide > 32 ? 5 : 1) {
    for (int lsb = 0; lsb < 3; ++lsb) {
      bench.set(rows, lsb, C::kAdcBits - lsb);
      bench.project(layer);
      ASSERT_FALSE(this->HasFatalFailure()) << "rows " << rows << " LSB shift " << lsb;
    }
  }
  for (int lsb = 3; lsb < 8; ++lsb) {
    bench.set(C::kSide, lsb, C::kAdcBits);
    bench.project(layer);
  }
}

TYPED_TEST(Pim, Clipping) {
  using C = TypeParam;
  for (const auto kind : {Cells::kPlus, Cells::kMinus, Cells::kMostlyPlus}) {
    Bench<C> bench(4);
    bench.program_all(2 * C::kSets, kind);
    for (const auto inputs : {Inputs::kAllBits, Inputs::kSignBit, Inputs::kNoSign, Inputs::kRandom}) {
      for (int bits = 1; bits <= C::kAdcBits; ++bits) {
        for (const int rows : {1, 2, C::kSide / 2, C::kSide - 1, C::kSide}) {
          bench.set(rows, bits % 3, bits);
          bench.project({0, 2 * C::kSets, C::kOutWords, 0, C::kActWords / 2}, inputs);
          ASSERT_FALSE(this->HasFatalFailure());
        }
      }
    }
    EXPECT_GT(bench.clips, 1000U);
  }
}

TYPED_TEST(Pim, QueueOfInstructions) {
  using C = TypeParam;
  Bench<C> bench(5);
  const int crossbars = std::min(C::kCrossbars, 8 * C::kSets);
  bench.program_all(crossbars);
  bench.set(C::kSide / 2, 0, C::kAdcBits - 1);
  for (int round = 0; round < 6; ++round) {
    bench.set_stall(round % 3 * 0.3);
    // Layers with inputs and outputs of their own, an XPROG between them.
    std::vector<UnitCmd> queue;
    auto expected = bench.image();
    bench.expect_writes();
    int in = 0, out = C::kActWords / 2;
    const uint64_t done = bench.done();
    for (int i = 0; i < 12; ++i) {
      if (i % 5 == 4) {
        const int row = bench.random(0, C::kSide - 2);
        const int rows = 2;
        const int words = 2;
        queue.push_back(bench.prepare_program(bench.random(0, crossbars - 1), row, rows, Cells::kRandom, in));
        in += words;
      } else {
        Layer layer = bench.random_layer(std::min(crossbars, 3 * C::kSets));
        layer.words = std::min(layer.words, 2 * C::kOutWords);
        layer.in = in;
        layer.out = out;
        if (in + layer.row_tiles * C::kInWords > C::kActWords / 2 - 2 || out + layer.words > C::kActWords)
          break;
        in += layer.row_tiles * C::kInWords;
        out += layer.words;
        bench.draw_inputs(layer, Inputs::kRandom);
        bench.expect(layer, expected);
        for (int w = 0; w < layer.words; ++w) bench.write_owner.push_back(done + queue.size());
        queue.push_back(bench.project_cmd(layer));
      }
    }
    // The reference programmed at once and in order: a layer before an XPROG was expected with the cells of
    // then.
    std::copy_n(bench.act.bytes().begin(), in * C::kWordBytes, expected.begin());
    for (const auto& cmd : queue) bench.issue(cmd);
    bench.wait_done(done + queue.size());
    bench.check(expected);
    EXPECT_EQ(bench.writes_seen(), bench.write_owner.size());
    ASSERT_FALSE(this->HasFatalFailure()) << "round " << round;
  }
}

// An XBAR whose input an earlier one writes, all or part of it, sees what that one wrote.
TYPED_TEST(Pim, ReadsWhatEarlierInstructionsWrote) {
  using C = TypeParam;
  Bench<C> bench(12);
  const int crossbars = std::min(C::kCrossbars, 8 * C::kSets);
  bench.program_all(crossbars);
  bench.set(C::kSide / 2, 0, C::kAdcBits);
  for (int round = 0; round < 40; ++round) {
    bench.set_stall(round % 3 * 0.3);
    auto expected = bench.image();
    std::vector<UnitCmd> queue;
    // Every layer reads around where the last one writes, and writes behind its input.
    int out = 0;
    const uint64_t done = bench.done();
    for (int i = 0; i < 6; ++i) {
      Layer layer = bench.random_layer(std::min(crossbars, 3 * C::kSets));
      layer.words = std::min(layer.words, 3 * C::kOutWords);
      layer.in = std::max(out - bench.random(0, layer.row_tiles * C::kInWords), 0);
      layer.out = layer.in + layer.row_tiles * C::kInWords + bench.random(0, 3);
      if (layer.out + layer.words > C::kActWords) break;
      out = layer.out + bench.random(0, layer.words);
      bench.expect(layer, expected, std::vector<uint8_t>(expected));
      queue.push_back(bench.project_cmd(layer));
    }
    for (const auto& cmd : queue) bench.issue(cmd);
    bench.wait_done(done + queue.size());
    bench.check(expected);
    ASSERT_FALSE(this->HasFatalFailure()) << "round " << round;
  }
}

TYPED_TEST(Pim, RefusesIllegalInstructions) {
  using C = TypeParam;
  Bench<C> bench(6);
  bench.program_all(2 * C::kSets);
  const Layer good{0, 1, 1, 0, C::kActWords / 2};
  const auto xbar = [&](auto change) {
    UnitCmd cmd = bench.project_cmd(good);
    change(cmd);
    return cmd;
  };
  constexpr int kIllegal = 1, kBadAddress = 2, kBadOperand = 9;
  tb::declare_points(kErrorPoints);
  bench.expect_error(xbar([](UnitCmd& c) { c.opcode = Opcode::kNorm; }), kIllegal);
  bench.expect_error(xbar([](UnitCmd& c) { c.count = 0; }), kBadOperand);
  bench.expect_error(xbar([](UnitCmd& c) { c.s1 = 0; }), kBadOperand);
  bench.expect_error(xbar([](UnitCmd& c) { c.a0 = C::kActWords - C::kInWords + 1; }), kBadAddress);
  bench.expect_error(xbar([](UnitCmd& c) { c.a0 = 0xffff; }), kBadAddress);
  bench.expect_error(xbar([](UnitCmd& c) { c.s1 = 0xffff; }), kBadAddress);
  bench.expect_error(xbar([](UnitCmd& c) { c.a1 = C::kActWords; }), kBadAddress);
  bench.expect_error(xbar([](UnitCmd& c) { c.a1 = C::kActWords - 1, c.count = 2; }), kBadAddress);
  bench.expect_error(xbar([](UnitCmd& c) { c.s0 = C::kCrossbars; }), kBadAddress);
  bench.expect_error(xbar([](UnitCmd& c) { c.s0 = C::kCrossbars - 1, c.count = C::kOutWords + 1; }),
                     kBadAddress);
  bench.expect_error(xbar([](UnitCmd& c) { c.s0 = C::kCrossbars - 2, c.s1 = 3; }), kBadAddress);
  const UnitCmd prog = bench.prepare_program(0, 0, 1, Cells::kRandom, 0);
  const auto xprog = [&](auto change) {
    UnitCmd cmd = prog;
    change(cmd);
    return cmd;
  };
  bench.run(prog);
  bench.expect_error(xprog([](UnitCmd& c) { c.count = 0; }), kBadOperand);
  bench.expect_error(xprog([](UnitCmd& c) { c.count = 2, c.s1 = C::kSide - 1; }), kBadAddress);
  bench.expect_error(xprog([](UnitCmd& c) { c.s1 = C::kSide; }), kBadAddress);
  bench.expect_error(xprog([](UnitCmd& c) { c.s0 = C::kCrossbars; }), kBadAddress);
  bench.expect_error(xprog([](UnitCmd& c) { c.a0 = C::kActWords; }), kBadAddress);
  for (const int column : {0, C::kSide - 1}) {  // code 3
    bench.prepare_program(0, 0, 1, Cells::kRandom, 0);
    bench.act.bytes()[static_cast<size_t>(column / 4)] |= static_cast<uint8_t>(3 << (column % 4 * 2));
    bench.expect_error(prog, kBadOperand);
  }
  EXPECT_EQ(tb::missing_points(kErrorPoints), tb::Names{});
  // Of anything else in the fields, too.
  const std::vector<Opcode> both = {Opcode::kXbar, Opcode::kXprog};
  bench.expect_refusals(
      bench.rng, both, [](UnitCmd& c) { c.count = 0; }, isa::ErrorCode::kBadOperand);
  bench.expect_refusals(
      bench.rng, {Opcode::kXbar}, [](UnitCmd& c) { c.s1 = 0; }, isa::ErrorCode::kBadOperand);
  bench.expect_refusals(
      bench.rng, {Opcode::kXprog}, [](UnitCmd& c) { c.s0 |= 0x8000, c.count |= 1; },
      isa::ErrorCode::kBadAddress);
  bench.expect_refusals(
      bench.rng, {Opcode::kQk, Opcode::kLogit}, [](UnitCmd&) {}, isa::ErrorCode::kIllegalOpcode);
  bench.program(0);
  // Settings out of range.
  const Layer layer{0, 2, C::kOutWords, 1, C::kActWords / 2};
  for (const auto& [rows, bits] : {std::pair{0, 1}, std::pair{C::kSide + 1, 1}, std::pair{1, 0},
                                   std::pair{1, C::kAdcBits + 1}, std::pair{0xffff, 1}}) {
    bench.set(rows, 0, bits);
    bench.expect_error(bench.project_cmd(layer), kBadOperand);
  }
  bench.set(C::kSide, 0, C::kAdcBits);
  bench.project(layer);  // and it still works
  // The ends of all spaces.
  bench.program(C::kCrossbars - 1);
  bench.project({C::kCrossbars - 1, 1, 1, C::kActWords - C::kInWords, 0});
  bench.project({0, 2, C::kOutWords, 0, C::kActWords - C::kOutWords});
}

TYPED_TEST(Pim, ResetInMidOperation) {
  using C = TypeParam;
  Bench<C> bench(7, 0.2);
  const int crossbars = 4 * C::kSets;
  bench.program_all(crossbars);
  for (int trial = 0; trial < 40; ++trial) {
    bench.set(C::kSide / 2, 0, C::kAdcBits - 1);
    const Layer layer = bench.random_layer(crossbars);
    const bool programs = trial % 4 == 3;
    bench.issue(programs ? bench.prepare_program(0, 0, C::kSide, Cells::kRandom, 0)
                         : bench.project_cmd(layer));
    if (trial % 2 == 0) {  // a second one behind it
      bench.issue(bench.project_cmd(layer));
    }
    const int cycles = bench.random(0, 60);
    for (int i = 0; i < cycles; ++i) bench.step();
    bench.reset(bench.random(1, 3));
    bench.clips = 0;
    EXPECT_EQ(bench.dut->busy_o, 0);
    EXPECT_EQ(bench.dut->cmd_ready_o, 1);
    EXPECT_EQ(bench.dut->clip_count_o, 0U);
    const uint64_t done = bench.done();
    for (int i = 0; i < 20; ++i) bench.step();
    EXPECT_EQ(bench.done(), done);
    if (programs) bench.program(0);
    bench.project(bench.random_layer(crossbars));  // the cells are still there
    ASSERT_FALSE(this->HasFatalFailure()) << "trial " << trial;
  }
}

TYPED_TEST(Pim, MachinesShareNoCells) {
  using C = TypeParam;
  Bench<C> one(8), two(9);
  one.program_all(2, Cells::kPlus);
  two.program_all(2, Cells::kMinus);
  for (int trial = 0; trial < 4; ++trial) {
    one.project({0, 2, C::kOutWords, 0, C::kActWords / 2});
    two.project({0, 2, C::kOutWords, 0, C::kActWords / 2});
  }
}

// --- paper
// -----------------------------------------------------------------------------------------------------------
uint64_t steps_of(const CrossbarSettings& settings) {
  const auto groups = (Paper::kSide + settings.rows_per_conversion - 1) / settings.rows_per_conversion;
  return static_cast<uint64_t>(Paper::kSide / Paper::kAdcs * groups * 8);
}

TEST(PimPaper, ShapesAndCycles) {
  Bench<Paper> bench(10);
  bench.program_all(Paper::kCrossbars);
  bench.set(128, 0, 8);
  struct Shape {
    int row_tiles, words;
    const char* name;
    uint64_t limit;
  };
  const Shape shapes[] = {
      {1, 4, "256 -> 256", 52},     {8, 4, "2048 -> 256", 60},     {1, 32, "256 -> 2048", 84},
      {2, 16, "512 -> 1024", 70},   {4, 8, "1024 -> 512", 62},     {4, 16, "1024 -> 1024", 100},
      {4, 64, "1024 -> 4096", 320}, {16, 16, "4096 -> 1024", 300}, {11, 4, "2816 -> 256", 90},
      {3, 12, "768 -> 768", 90},    {3, 48, "768 -> 3072", 260},   {12, 12, "3072 -> 768", 230},
  };
  for (const auto& shape : shapes) {
    const uint64_t cycles = bench.project({0, shape.row_tiles, shape.words, 0, 4096});
    ASSERT_FALSE(HasFatalFailure()) << shape.name;
    EXPECT_LE(cycles, shape.limit) << shape.name;
    fmt::print("[ cycles   ] {:14} {:4} cycles, {} conversions a chunk\n", shape.name, cycles,
               steps_of(bench.settings));
  }
  // The same one after the other: input and output hide behind conversions.
  for (const int row_tiles : {1, 8}) {
    constexpr int kRepeats = 16;
    const Layer layer{0, row_tiles, 4, 0, 4096};
    bench.draw_inputs(layer, Inputs::kRandom);
    auto expected = bench.image();
    const uint64_t done = bench.done(), start = bench.cycles();
    for (int i = 0; i < kRepeats; ++i) {
      bench.expect(layer, expected);
      bench.issue(bench.project_cmd(layer));
    }
    bench.wait_done(done + kRepeats);
    const uint64_t cycles = bench.cycles() - start;
    bench.check(expected);
    fmt::print("[ cycles   ] {} -> 256 back to back: {:.1f} cycles each\n", row_tiles * 256,
               static_cast<double>(cycles) / kRepeats);
    EXPECT_LE(cycles, kRepeats * 32U + 30U);
  }
}

TEST(PimPaper, RandomLayersAndSettings) {
  Bench<Paper> bench(11, 0.2);
  for (int i = 0; i < Paper::kCrossbars; ++i)
    bench.program(i, i % 2 == 0 ? Cells::kRandom : Cells::kMostlyPlus);
  for (int trial = 0; trial < 10; ++trial) {
    bench.set_random();
    if (bench.settings.rows_per_conversion < 32) bench.set(32, 1, 6);
    Layer layer = bench.random_layer(Paper::kCrossbars);
    layer.words = std::min(layer.words, 8);
    bench.project(layer);
    ASSERT_FALSE(HasFatalFailure()) << "trial " << trial;
  }
}

TEST(PimPaper, OnlyPlus128Clips) {
  Bench<Paper> bench(12);
  bench.set(128, 0, 8);
  bench.program(0, Cells::kMinus);
  bench.project({0, 1, 4, 0, 4096}, Inputs::kAllBits);
  EXPECT_EQ(bench.clips, 0U);
  bench.program(0, Cells::kPlus);
  bench.project({0, 1, 4, 0, 4096}, Inputs::kAllBits);
  EXPECT_EQ(bench.clips, 2U * 8 * 256);
}

TEST(PimPaper, SimulationSpeed) {
  Bench<Paper> bench(13);
  bench.program_all(8);
  bench.set(128, 0, 8);
  const Layer layer{0, 8, 4, 0, 4096};
  bench.draw_inputs(layer, Inputs::kRandom);
  constexpr int kRepeats = 400;
  const uint64_t done = bench.done(), before = bench.cycles();
  const auto seconds = [](std::clock_t since) {
    return static_cast<double>(std::clock() - since) / CLOCKS_PER_SEC;
  };
  const std::clock_t start = std::clock();
  for (int i = 0; i < kRepeats; ++i) bench.issue(bench.project_cmd(layer));
  bench.wait_done(done + kRepeats);
  const double busy = seconds(start);
  const auto cycles = static_cast<double>(bench.cycles() - before);
  const std::clock_t idle_start = std::clock();
  constexpr int kIdle = 20000;
  for (int i = 0; i < kIdle; ++i) bench.step();
  const double idle = seconds(idle_start);
  fmt::print("[ speed    ] {:.0f} kconversions/s in 8 sets, {:.0f} kcycle/s busy, {:.0f} kcycle/s idle\n",
             kRepeats * 32 / busy / 1e3, cycles / busy / 1e3, kIdle / idle / 1e3);
}

}  // namespace
}  // namespace pimllm

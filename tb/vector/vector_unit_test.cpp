// The vector unit against golden's operators: every instruction, all of memory compared, in four sizes.
#include <fmt/format.h>

#include <memory>
#include <string>

#include "Vvector_unit_fpga.h"
#include "Vvector_unit_paper.h"
#include "Vvector_unit_small.h"
#include "Vvector_unit_unit.h"
#include "golden/error.hpp"
#include "tb/common/seed.hpp"
#include "tb/common/unit_bench.hpp"
#include "tb/vector/vector_reference.hpp"

namespace pimllm::tb {
namespace {

struct UnitSize {
  using Model = Vvector_unit_unit;
  static constexpr VectorShape kShape{4, 4, 4, 2, 8, 512, 512, 256, 128, 256};
  static constexpr int kRounds = 400;
};
struct FpgaSize {
  using Model = Vvector_unit_fpga;
  static constexpr VectorShape kShape{4, 8, 8, 1, 8, 512, 512, 256, 128, 256};
  static constexpr int kRounds = 400;
};
struct SmallSize {
  using Model = Vvector_unit_small;
  static constexpr VectorShape kShape{8, 8, 8, 2, 32, 2048, 2048, 1024, 512, 1024};
  static constexpr int kRounds = 300;
};
struct PaperSize {
  using Model = Vvector_unit_paper;
  static constexpr VectorShape kShape{64, 32, 32, 4, 128, 4096, 8192, 8192, 4096, 4096};
  static constexpr int kRounds = 12;
};

// The append port into the KV banks.
class AppendPort : public Port {
 public:
  AppendPort(Ram& ram, int rows, Signal req, Signal group, Signal addr, Signal data, Signal be, Signal gnt)
      : ram_(ram),
        rows_(static_cast<uint64_t>(rows)),
        req_(req),
        group_(group),
        addr_(addr),
        data_(data),
        be_(be),
        gnt_(gnt) {}
  Stall stall;
  uint64_t writes = 0;

  void before_edge() override {
    const bool req = req_.get() != 0, granted = req && !stall();
    gnt_.set(granted ? 1 : 0);
    refused_ = req && !granted;
    if (!granted) return;
    auto word = ram_.word(group_.get() * rows_ + addr_.get());
    const auto enables = be_.bytes();
    for (size_t i = 0; i < word.size(); ++i) {
      if ((enables[i / 8] >> (i % 8) & 1) != 0) word[i] = data_.bytes()[i];
    }
    ++writes;
  }
  void after_edge() override {}
  Refusal refused() const override { return refused_ ? Refusal::kWrite : Refusal::kNone; }

 private:
  Ram& ram_;
  uint64_t rows_;
  Signal req_, group_, addr_, data_, be_, gnt_;
  bool refused_ = false;
};

// ---- Functional points: mode and size of an instruction ----

const Names kChunks = {"1 chunk", "2 chunks", "3 chunks", "4 chunks", "5 chunks", "8 chunks or more"};
const Names kHeads = {"1 head", "4 heads", "5 heads", "9 heads or more"};

// The name for a count among those that stand for counts from 1 on; empty where there is none.
std::string size_name(const Names& names, uint64_t count) {
  for (const auto& name : names) {
    const uint64_t n = std::stoull(name);
    if (name.ends_with("more") ? count >= n : count == n) return name;
  }
  return "";
}

const Names kAux = {"no aux", "bias", "RoPE"}, kDest = {"to ACT", "Q", "K", "V", "K in pairs", "V in pairs"};
const Names kActs = {"ReLU", "ReLU^2", "SiLU", "GELU"};

// All cells of the instruction.
Names vector_points(isa::Opcode opcode) {
  const Names op = {std::string(isa::opcode_info(opcode).name)};
  switch (opcode) {
    case isa::Opcode::kNorm:
      return cross({op, {"RMS", "LayerNorm"}, {"to ACT", "to SCR"}, kChunks});
    case isa::Opcode::kQuant: {
      Names names = cross({op, kAux, kDest, kHeads});
      const Names whole = cross({op, kAux, {"to ACT", "Q"}, {"one group"}, kChunks});
      names.insert(names.end(), whole.begin(), whole.end());
      return names;
    }
    case isa::Opcode::kJoin:
      return cross({op, {"2 planes", "3 planes"}, kHeads});
    case isa::Opcode::kActfn: {
      Names names = cross({op, kActs, {"", "gated"}, kChunks});
      const Names bias = cross({op, {"ReLU", "SiLU", "GELU"}, {"bias"}, kChunks});
      names.insert(names.end(), bias.begin(), bias.end());
      return names;
    }
    case isa::Opcode::kLogit:
      return cross({op,
                    {"begins, all valid", "begins, some valid", "goes on, all valid", "goes on, some valid",
                     "goes on, none valid"},
                    kChunks});
    default:  // RESADD, EMBED
      return cross({op, {"", opcode == isa::Opcode::kResadd ? "bias" : "positions"}, kChunks});
  }
}

// The cell of a command, if it is one.
Names vector_cells(const UnitCmd& cmd, int lanes) {
  const size_t lg = cmd.mode >> 4 & 7;
  std::vector<std::string> words = {std::string(isa::opcode_info(cmd.opcode).name)};
  std::string size = size_name(kChunks, cmd.count);
  if (cmd.opcode == isa::Opcode::kQuant && (cmd.mode & 3) == 3) return {};
  switch (cmd.opcode) {
    case isa::Opcode::kNorm:
      words.insert(words.end(),
                   {(cmd.mode & 1) != 0 ? "LayerNorm" : "RMS", (cmd.mode & 2) != 0 ? "to SCR" : "to ACT"});
      break;
    case isa::Opcode::kQuant:
      words.insert(words.end(),
                   {kAux[cmd.mode & 3], kDest[static_cast<size_t>(cmd.mode >> 2 & 3) +
                                              ((cmd.mode & 8) != 0 && (cmd.s2 >> 16 & 1) != 0 ? 2 : 0)]});
      if (lg == 7) {
        words.push_back("one group");
      } else {
        size = size_name(kHeads, cmd.count >> lg);
      }
      break;
    case isa::Opcode::kJoin:
      words.push_back((cmd.mode & 1) != 0 ? "3 planes" : "2 planes");
      size = size_name(kHeads, cmd.count >> lg);
      break;
    case isa::Opcode::kActfn:
      words.push_back(kActs[cmd.mode & 3]);
      words.push_back((cmd.mode & 4) != 0 ? "gated" : (cmd.mode & 8) != 0 ? "bias" : "");
      break;
    case isa::Opcode::kLogit:
      words.push_back((cmd.mode & 1) != 0 ? "begins" : "goes on");
      words.push_back(cmd.s2 == 0                                          ? "none valid"
                      : cmd.s2 == static_cast<uint64_t>(cmd.count * lanes) ? "all valid"
                                                                           : "some valid");
      break;
    default:
      words.push_back((cmd.mode & 1) == 0 ? "" : cmd.opcode == isa::Opcode::kResadd ? "bias" : "positions");
  }
  if (size.empty()) return {};
  words.push_back(size);
  std::vector<Names> parts;
  for (const auto& word : words) parts.push_back({word});
  return cross(parts);
}

template <typename Size>
class VectorBench : public UnitBench<typename Size::Model> {
 public:
  static constexpr VectorShape kShape = Size::kShape;
  explicit VectorBench(uint64_t salt)
      : rng(make_rng(salt)), memory(kShape), expected(kShape), reference(kShape) {
    for (Port* port : {static_cast<Port*>(&act_rd), static_cast<Port*>(&aux_rd), static_cast<Port*>(&act_wr),
                       static_cast<Port*>(&scr_rd), static_cast<Port*>(&scr_wr), static_cast<Port*>(&scl_rd),
                       static_cast<Port*>(&scl_wr), static_cast<Port*>(&kvs_wr), static_cast<Port*>(&kva)}) {
      this->add(*port);
    }
    this->dut->cmd_valid_i = 0;
    this->functional.follow([](const UnitCmd& cmd) { return vector_cells(cmd, kShape.lanes); });
    this->reset();
  }

  // Refuses requests of all ports with probability p, or of those that are read and written.
  void stall(double p) { stall(p, p); }
  void stall(double reads, double writes) {
    for (Stall* s : {&act_rd.stall, &aux_rd.stall, &scr_rd.stall, &scl_rd.stall}) *s = {&rng, reads};
    for (Stall* s : {&act_wr.stall, &scr_wr.stall, &scl_wr.stall, &kvs_wr.stall, &kva.stall})
      *s = {&rng, writes};
  }

  // Copies what the program would have put there to the expected side.
  void sync() {
    for (auto [from, to] : spaces())
      std::copy(from->bytes().begin(), from->bytes().end(), to->bytes().begin());
  }

  ::testing::AssertionResult same() {
    const char* names[] = {"ACT", "SCR", "SCL", "KVS", "KV"};
    int space = 0;
    for (auto [from, to] : spaces()) {
      const auto a = from->bytes();
      const auto b = to->bytes();
      const auto [got, want] = std::mismatch(a.begin(), a.end(), b.begin());
      if (got != a.end()) {
        const auto at = static_cast<size_t>(got - a.begin());
        return ::testing::AssertionFailure()
               << names[space] << " word " << at / from->word_bytes() << " byte " << at % from->word_bytes()
               << ": got " << int{*got} << ", expected " << int{*want};
      }
      ++space;
    }
    return ::testing::AssertionSuccess();
  }

  // Runs one instruction and compares all of memory in the cycle of done.
  uint64_t check(const UnitCmd& cmd) {
    reference.execute(cmd, expected);
    const uint64_t cycles = this->run(cmd);
    EXPECT_TRUE(same()) << describe(cmd);
    if (cmd.opcode == isa::Opcode::kLogit) {
      EXPECT_EQ(this->dut->argmax_id_o, reference.argmax_id()) << describe(cmd);
    }
    return cycles;
  }

  static std::string describe(const UnitCmd& c) {
    return fmt::format("opcode {} mode {:#x} count {} a0 {} a1 {} a2 {} s0 {} s1 {} s2 {} pos {}",
                       static_cast<int>(c.opcode), c.mode, c.count, c.a0, c.a1, c.a2, c.s0, c.s1, c.s2,
                       c.pos);
  }

  uint64_t below(uint64_t n) { return rng() % n; }

  Scale random_scale() {
    switch (below(24)) {
      case 0:
        return {};
      case 1:
        return {static_cast<uint16_t>(0x8000 | rng()), static_cast<int16_t>(rng())};
      case 2:
        return {0xFFFF, static_cast<int16_t>(below(20))};
      default:
        return {static_cast<uint16_t>(0x8000 | rng()),
                static_cast<int16_t>(static_cast<int>(below(36)) - 40)};
    }
  }

  int32_t random_value(int kind, int shift) {
    const auto v = static_cast<int32_t>(static_cast<uint32_t>(rng()));
    switch (kind) {
      case 0:
        return 0;
      case 1:
        return std::numeric_limits<int32_t>::min();
      case 2:
        return v < 0 ? std::numeric_limits<int32_t>::min() : std::numeric_limits<int32_t>::max();
      case 3:
        return below(16) == 0 ? v >> shift : 0;
      default:
        return v >> shift;
    }
  }

  void fill(std::span<int32_t> values, int kind, int shift) {
    for (auto& v : values) v = random_value(kind, shift);
  }
  void fill_any(std::span<int32_t> values) {
    fill(values, static_cast<int>(below(40)), static_cast<int>(below(31)));
  }

  std::span<int32_t> act(uint64_t word, uint64_t count) {
    return memory.act.template as<int32_t>().subspan(word * kShape.lanes, count * kShape.lanes);
  }
  std::span<int32_t> scr(uint64_t half, uint64_t elements) {
    return memory.scr.template as<int32_t>().subspan(half / 2 * kShape.cols, elements);
  }
  void set_scale(uint64_t word, Scale s) { memory.scl.template as<uint32_t>()[word] = sf_pack(s); }

  // A legal instruction on fresh random operands.
  UnitCmd random_command(isa::Opcode opcode) {
    UnitCmd cmd;
    cmd.opcode = opcode;
    cmd.pc = static_cast<uint32_t>(rng());
    cmd.pos = static_cast<uint16_t>(rng());
    const auto lanes = static_cast<uint64_t>(kShape.lanes);
    const auto cols = static_cast<uint64_t>(kShape.cols);
    const uint64_t area = static_cast<uint64_t>(kShape.act_words) / 8;  // of an operand in ACT
    const uint64_t limit = std::min<uint64_t>(area / 2, 24);
    uint64_t count = 1 + (below(4) == 0 ? below(limit) : below(8));
    int lg = 0;
    uint64_t heads = 1;
    if (opcode == isa::Opcode::kQuant || opcode == isa::Opcode::kJoin) {
      const int lg_min = static_cast<int>(std::bit_width(std::max<uint64_t>(2 * cols / lanes, 1) - 1));
      lg = lg_min + static_cast<int>(below(3));
      heads = 1 + below(std::max<uint64_t>(limit >> lg, 1));
      count = heads << lg;
    }
    const auto place = [&](uint64_t index, uint64_t used) { return index * area + below(area - used + 1); };
    const auto fresh_scales = [&] {
      for (uint64_t i = 0; i < static_cast<uint64_t>(kShape.scl_words); ++i) set_scale(i, random_scale());
    };
    fresh_scales();
    cmd.count = static_cast<uint16_t>(count);
    cmd.a0 = static_cast<uint16_t>(place(0, count));
    cmd.a1 = place(1, 2 * count);
    cmd.a2 = static_cast<uint16_t>(place(2, count));
    const uint64_t scl = static_cast<uint64_t>(kShape.scl_words);
    cmd.s0 = static_cast<uint16_t>(below(scl / 8));
    cmd.s1 = static_cast<uint16_t>(scl / 8 + below(scl / 16));
    cmd.s2 = scl / 4 + below(scl / 8);
    fill_any(act(cmd.a0, count));
    const auto half_words = [&](uint64_t elements) {  // a free run of SCR for 4-byte elements, even
      const uint64_t used = (elements + cols - 1) / cols;
      return 2 * below(static_cast<uint64_t>(kShape.scr_words) - used + 1);
    };
    const auto byte_halves = [&](uint64_t bytes) {
      const uint64_t used = (bytes + 2 * cols - 1) / (2 * cols);
      return below(2 * static_cast<uint64_t>(kShape.scr_words) - used + 1);
    };
    const auto residual_scale = [&] { set_scale(cmd.s2, sf_pow2(-static_cast<int>(below(24)))); };

    switch (opcode) {
      case isa::Opcode::kNorm: {
        cmd.mode = static_cast<uint8_t>(below(4));
        fill(act(cmd.a1, count), below(12) == 0 ? 0 : 5, 16 + static_cast<int>(below(6)));
        if ((cmd.mode & 1) != 0) fill(act(cmd.a1 + count, count), 5, static_cast<int>(8 + below(20)));
        if ((cmd.mode & 2) != 0) cmd.a2 = static_cast<uint16_t>(byte_halves(count * lanes));
        if (below(4) != 0) {
          set_scale(cmd.s0, sf_pow2(-16));
          set_scale(cmd.s1, sf_pow2(-14));
          set_scale(cmd.s1 + 1U, sf_from(1e-5));
          set_scale(cmd.s1 + 2U, sf_from(1.0 / static_cast<double>(count * lanes)));
        }
        break;
      }
      case isa::Opcode::kQuant: {
        const uint64_t aux = below(3);
        uint64_t dest = below(4);
        if (below(8) == 0) {
          lg = 7;
          dest &= 1;
          heads = 1;
          count = 1 + below(count);
          cmd.count = static_cast<uint16_t>(count);
        }
        cmd.mode = static_cast<uint8_t>(aux | dest << 2 | static_cast<uint64_t>(lg) << 4);
        for (uint64_t h = 0; h < heads; ++h) fill_any(act(cmd.a0 + h * (count / heads), count / heads));
        if (aux == 1) fill_any(act(cmd.a1, count));
        if (aux == 2) {
          for (auto& v : act(cmd.a1, count)) v = static_cast<int32_t>(below(32769)) - 16384;
        }
        if (dest == 1) cmd.a2 = static_cast<uint16_t>(byte_halves(count * lanes));
        if (dest >= 2) {
          const uint64_t rows = 2 * count * lanes / static_cast<uint64_t>(kShape.group_banks());
          cmd.a2 = static_cast<uint16_t>(below(static_cast<uint64_t>(kShape.kv_rows) - rows + 1));
          cmd.s2 = below(static_cast<uint64_t>(kShape.kvs_words) - 2 * heads + 1) | below(2) << 16;
          // Erefs are no scales: one of two places for a matrix scale and the erefs behind it, so that no
          // command finds its scale where an earlier one wrote an eref.
          if (heads >= scl / 8) fail("heads: expected fewer than {}, found {}", scl / 8, heads);
          cmd.s1 = static_cast<uint16_t>(scl * 3 / 4 + below(2) * (scl / 8));
          for (uint64_t h = 0; h < heads; ++h) {
            memory.scl.template as<int32_t>()[cmd.s1 + 1 + h] =
                below(2) == 0 ? -32768 : static_cast<int32_t>(below(120)) - 100;
          }
        }
        break;
      }
      case isa::Opcode::kJoin: {
        cmd.mode = static_cast<uint8_t>(lg << 4 | static_cast<int>(below(8)));
        const uint64_t planes = (cmd.mode & 1) != 0 ? 3 : 2;
        const uint64_t size = count * lanes / heads;  // of a plane of a head
        cmd.a0 = static_cast<uint16_t>(half_words(planes * count * lanes));
        for (uint64_t p = 0; p < planes * heads; ++p) {
          fill_any(scr(cmd.a0, planes * count * lanes).subspan(p * size, size));
        }
        break;
      }
      case isa::Opcode::kResadd:
        cmd.mode = static_cast<uint8_t>(below(8));
        fill_any(act(cmd.a1, count));
        fill_any(act(cmd.a2, count));
        residual_scale();
        break;
      case isa::Opcode::kActfn: {
        static constexpr uint8_t kModes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11};
        cmd.mode = kModes[below(std::size(kModes))];
        if ((cmd.mode & 4) == 0) cmd.mode |= static_cast<uint8_t>(below(4) << 4);
        if ((cmd.mode & 8) != 0) {
          fill(act(cmd.a1, count), 5, static_cast<int>(below(31)));
        } else {
          fill_any(act(cmd.a1, count));
        }
        if (below(2) == 0) {  // z in the range where the gate bends
          fill(act(cmd.a0, count), 5, 12);
          set_scale(cmd.s0, sf_pow2(-10));
          set_scale(cmd.s1, sf_pow2(-8));
        }
        break;
      }
      case isa::Opcode::kEmbed:
        cmd.mode = static_cast<uint8_t>(below(8));
        for (auto& v : act(cmd.a0, (count + 3) / 4)) v = static_cast<int32_t>(static_cast<uint32_t>(rng()));
        fill_any(act(cmd.a1, count));
        residual_scale();
        break;
      default: {  // LOGIT
        cmd.mode = static_cast<uint8_t>(below(2));
        cmd.a0 = static_cast<uint16_t>(half_words(count * lanes));
        cmd.a1 = place(3, count);  // scales only, also in a sequence of instructions
        fill(scr(cmd.a0, count * lanes), 5 - static_cast<int>(below(6)), static_cast<int>(below(31)));
        for (auto& v : act(cmd.a1, count)) v = static_cast<int32_t>(sf_pack(random_scale()));
        cmd.s1 = static_cast<uint16_t>(rng());
        cmd.s2 = below(3) == 0 ? below(count * lanes + 1) : count * lanes;
        break;
      }
    }
    return cmd;
  }

 private:
  std::array<std::pair<Ram*, Ram*>, 5> spaces() {
    return {{{&memory.act, &expected.act},
             {&memory.scr, &expected.scr},
             {&memory.scl, &expected.scl},
             {&memory.kvs, &expected.kvs},
             {&memory.kv, &expected.kv}}};
  }

 public:
  std::mt19937_64 rng;
  VectorMemory memory, expected;
  VectorReference reference;
#define PIMLLM_READ(name, space)                                                                     \
  ReadPort name##_rd{space, Signal(this->dut->name##_rd_req_o), Signal(this->dut->name##_rd_addr_o), \
                     Signal(this->dut->name##_rd_gnt_i), Signal(this->dut->name##_rd_data_i)}
#define PIMLLM_WRITE(name)                                                                \
  WritePort name##_wr {                                                                   \
    memory.name, Signal(this->dut->name##_wr_req_o), Signal(this->dut->name##_wr_addr_o), \
        Signal(this->dut->name##_wr_data_o), Signal(this->dut->name##_wr_be_o),           \
        Signal(this->dut->name##_wr_gnt_i)                                                \
  }
  PIMLLM_READ(act, memory.act);
  PIMLLM_READ(aux, memory.act);
  PIMLLM_WRITE(act);
  PIMLLM_READ(scr, memory.scr);
  PIMLLM_WRITE(scr);
  PIMLLM_READ(scl, memory.scl);
  PIMLLM_WRITE(scl);
  PIMLLM_WRITE(kvs);
#undef PIMLLM_READ
#undef PIMLLM_WRITE
  AppendPort kva{memory.kv,
                 kShape.kv_rows,
                 Signal(this->dut->kva_req_o),
                 Signal(this->dut->kva_group_o),
                 Signal(this->dut->kva_addr_o),
                 Signal(this->dut->kva_data_o),
                 Signal(this->dut->kva_be_o),
                 Signal(this->dut->kva_gnt_i)};
};

constexpr isa::Opcode kOpcodes[] = {isa::Opcode::kNorm,   isa::Opcode::kQuant, isa::Opcode::kJoin,
                                    isa::Opcode::kResadd, isa::Opcode::kActfn, isa::Opcode::kEmbed,
                                    isa::Opcode::kLogit};

template <typename Size>
class VectorUnit : public ::testing::Test {};
using Sizes = ::testing::Types<UnitSize, FpgaSize, SmallSize, PaperSize>;
TYPED_TEST_SUITE(VectorUnit, Sizes);

// Every instruction on random operands, without and with refusals on all ports.
TYPED_TEST(VectorUnit, MatchesGolden) {
  for (const isa::Opcode opcode : kOpcodes) {
    VectorBench<TypeParam> bench(static_cast<uint64_t>(opcode));
    bool good = true;
    for (int round = 0; round < TypeParam::kRounds && good; ++round) {
      bench.stall(round % 2 == 0 ? 0.0 : round % 4 == 1 ? 0.3 : 0.8);
      const UnitCmd cmd = bench.random_command(opcode);
      bench.sync();
      bench.check(cmd);
      good = static_cast<bool>(bench.same());
    }
  }
}

// Every mode with every size at a boundary; nothing refused, reads refused, writes refused. Commands are
// drawn until none is missing.
TEST(VectorPoints, EveryModeSizeAndRefusal) {
  VectorBench<UnitSize> bench(5000);
  constexpr int kDraws = 40000;
  for (const isa::Opcode opcode : kOpcodes) {
    const Names points = with_refusals(vector_points(opcode), {Refusal::kRead, Refusal::kWrite});
    declare_points(points);
    for (size_t refusal = 0; refusal < 3; ++refusal) {
      bench.stall(refusal == 1 ? 0.5 : 0.0, refusal == 2 ? 0.5 : 0.0);
      Names wanted;
      for (size_t i = refusal; i < points.size(); i += 3) wanted.push_back(points[i]);
      wanted = missing_points(wanted);
      for (int i = 0; i < kDraws && !wanted.empty() && !testing::Test::HasFailure(); ++i) {
        const UnitCmd cmd = bench.random_command(opcode);
        const Names cell =
            with_refusals(vector_cells(cmd, UnitSize::kShape.lanes), {Refusal::kRead, Refusal::kWrite});
        if (cell.empty() || std::ranges::find(wanted, cell[refusal]) == wanted.end()) continue;
        bench.sync();
        bench.check(cmd);
        wanted = missing_points(wanted);
      }
    }
    EXPECT_EQ(missing_points(points), Names{});
  }
}

// Vectors as long as ACT holds their operands.
TYPED_TEST(VectorUnit, LongVectors) {
  using isa::Opcode;
  VectorBench<TypeParam> bench(6000);
  const auto& s = TypeParam::kShape;
  const auto quarter = static_cast<uint64_t>(s.act_words) / 4, lanes = static_cast<uint64_t>(s.lanes);
  for (const Opcode opcode : kOpcodes) {
    for (int round = 0; round < 4 && !this->HasFailure(); ++round) {
      UnitCmd cmd = bench.random_command(opcode);
      uint64_t count = quarter - bench.below(4);
      // Of SCR there may be less.
      const uint64_t most = static_cast<uint64_t>(s.scr_words * s.cols) / (3 * lanes);
      if (opcode == Opcode::kJoin) {  // a head record of SCL each
        const uint64_t heads = static_cast<uint64_t>(s.scl_words) / 8;
        count = std::min(std::min(count, most) >> (cmd.mode >> 4), heads) << (cmd.mode >> 4);
      }
      if (opcode == Opcode::kLogit) count = std::min(count, most);
      if (opcode == Opcode::kQuant)
        cmd.mode = static_cast<uint8_t>((cmd.mode & 3) | 0x70);  // one group to ACT
      if (opcode == Opcode::kNorm) cmd.mode &= 1;
      cmd.count = static_cast<uint16_t>(count);
      cmd.a0 = 0;
      cmd.a1 = quarter;  // LayerNorm has two vectors there
      cmd.a2 = static_cast<uint16_t>(3 * quarter);
      cmd.s0 = 0;
      if (opcode == Opcode::kQuant) cmd.s2 = static_cast<uint64_t>(s.scl_words) / 2;
      if (opcode == Opcode::kNorm) bench.fill(bench.act(cmd.a1, 2 * count), 5, 18);
      if (opcode == Opcode::kQuant && (cmd.mode & 3) == 2) {
        for (auto& v : bench.act(cmd.a1, count)) v = static_cast<int32_t>(bench.below(32769)) - 16384;
      }
      if (opcode == Opcode::kLogit) {
        cmd.s1 = 0xFFFF;  // ids beyond 16 bits
        cmd.s2 = count * lanes;
        for (auto& v : bench.act(cmd.a1, count)) v = static_cast<int32_t>(sf_pack(bench.random_scale()));
      }
      bench.sync();
      bench.check(cmd);
    }
  }
}

// Instructions that follow each other without a pause see each other's results.
TYPED_TEST(VectorUnit, BackToBack) {
  VectorBench<TypeParam> bench(1000);
  for (int round = 0; round < TypeParam::kRounds / 8 + 1 && !this->HasFailure(); ++round) {
    bench.stall(round % 2 == 0 ? 0.0 : 0.4);
    std::vector<UnitCmd> cmds;
    for (int i = 0; i < 6; ++i)
      cmds.push_back(bench.random_command(kOpcodes[bench.below(std::size(kOpcodes))]));
    bench.sync();
    const uint64_t before = bench.done();
    for (const auto& cmd : cmds) {
      bench.reference.execute(cmd, bench.expected);
      bench.issue(cmd);
    }
    bench.wait_done(before + cmds.size());
    std::string all;
    for (const auto& cmd : cmds) all += bench.describe(cmd) + "\n";
    EXPECT_TRUE(bench.same()) << all;
  }
}

// Any instruction begins while columns of K are written, and writes nothing before they are.
TYPED_TEST(VectorUnit, OverlapsTheWritingOfKeys) {
  VectorBench<TypeParam> bench(1500);
  int overlapped = 0;
  for (const isa::Opcode opcode : kOpcodes) {
    for (int round = 0; round < TypeParam::kRounds / 8 + 1 && !this->HasFailure(); ++round) {
      bench.stall(round % 2 == 0 ? 0.0 : 0.4);
      UnitCmd key;
      do key = bench.random_command(isa::Opcode::kQuant);
      while ((key.mode >> 2 & 3) != 2);
      const UnitCmd next = bench.random_command(opcode);
      bench.sync();
      const uint64_t before = bench.done();
      bench.issue(key);
      bench.issue(next);
      if (bench.done() == before) ++overlapped;
      bench.wait_done(before + 1);
      bench.reference.execute(key, bench.expected);
      EXPECT_TRUE(bench.same()) << bench.describe(key);
      bench.wait_done(before + 2);
      bench.reference.execute(next, bench.expected);
      EXPECT_TRUE(bench.same()) << bench.describe(key) << "\n" << bench.describe(next);
    }
  }
  EXPECT_GT(overlapped, 0);
}

// Reset in the middle leaves nothing behind.
TYPED_TEST(VectorUnit, ResetInMidOperation) {
  VectorBench<TypeParam> bench(2000);
  for (int round = 0; round < TypeParam::kRounds / 4 + 1 && !this->HasFailure(); ++round) {
    bench.stall(round % 2 == 0 ? 0.0 : 0.5);
    bench.issue(bench.random_command(kOpcodes[bench.below(std::size(kOpcodes))]));
    const uint64_t cycles = bench.below(60);
    for (uint64_t i = 0; i < cycles; ++i) bench.step();
    bench.reset(1);
    EXPECT_EQ(bench.dut->busy_o, 0);
    EXPECT_EQ(bench.dut->cmd_ready_o, 1);
    bench.reference = VectorReference(TypeParam::kShape);
    const UnitCmd cmd = bench.random_command(kOpcodes[bench.below(std::size(kOpcodes))]);
    bench.sync();
    bench.check(cmd);
  }
}

// Illegal operands: an error, no done, nothing written; the next instruction runs.
TYPED_TEST(VectorUnit, RefusesIllegal) {
  VectorBench<TypeParam> bench(3000);
  const auto refused = [&](UnitCmd cmd, isa::ErrorCode code) {
    bench.sync();
    const uint64_t before = bench.done();
    bench.issue(cmd);
    bench.dut->eval();
    EXPECT_EQ(bench.dut->err_o, 1) << bench.describe(cmd);
    EXPECT_EQ(bench.dut->err_code_o, static_cast<int>(code)) << bench.describe(cmd);
    for (int i = 0; i < 40; ++i) bench.step();
    EXPECT_EQ(bench.done(), before);
    EXPECT_EQ(bench.dut->err_o, 0);
    EXPECT_EQ(bench.dut->busy_o, 0);
    EXPECT_TRUE(bench.same()) << bench.describe(cmd);
  };
  Names points;
  for (const isa::Opcode opcode : kOpcodes) {
    points.push_back(error_point(opcode, isa::ErrorCode::kBadOperand));
    points.push_back(error_point(opcode, isa::ErrorCode::kBadAddress));
  }
  declare_points(points);
  for (const isa::Opcode opcode : kOpcodes) {
    UnitCmd cmd = bench.random_command(opcode);
    cmd.count = 0;
    refused(cmd, isa::ErrorCode::kBadOperand);
    cmd = bench.random_command(opcode);
    cmd.s0 = static_cast<uint16_t>(TypeParam::kShape.scl_words);
    refused(cmd, isa::ErrorCode::kBadAddress);
    cmd = bench.random_command(opcode);
    cmd.a0 = 0xFFFE;
    refused(cmd, isa::ErrorCode::kBadAddress);
    cmd = bench.random_command(opcode);
    cmd.a2 = 0xFFFF;
    refused(cmd, isa::ErrorCode::kBadAddress);
    cmd = bench.random_command(opcode);
    bench.sync();
    bench.check(cmd);
  }
  UnitCmd cmd = bench.random_command(isa::Opcode::kActfn);
  cmd.mode = 0xC;  // bias and gated
  refused(cmd, isa::ErrorCode::kBadOperand);
  cmd.mode = 0x9;  // bias with ReLU^2
  refused(cmd, isa::ErrorCode::kBadOperand);
  cmd = bench.random_command(isa::Opcode::kJoin);
  cmd.a0 |= 1;
  refused(cmd, isa::ErrorCode::kBadOperand);
  EXPECT_EQ(missing_points(points), Names{});
  // Of anything else in the fields, too.
  const auto refuses = [&](const std::vector<isa::Opcode>& opcodes, auto spoil) {
    bench.expect_refusals(bench.rng, opcodes, spoil, isa::ErrorCode::kBadOperand);
  };
  refuses({std::begin(kOpcodes), std::end(kOpcodes)}, [](UnitCmd& c) { c.count = 0; });
  refuses({isa::Opcode::kQk}, [](UnitCmd&) {});
  refuses({isa::Opcode::kJoin, isa::Opcode::kLogit}, [](UnitCmd& c) { c.a0 |= 1; });
  refuses({isa::Opcode::kQuant}, [](UnitCmd& c) { c.mode = static_cast<uint8_t>((c.mode & 0xF) | 3); });
  refuses({isa::Opcode::kActfn}, [](UnitCmd& c) { c.mode = static_cast<uint8_t>((c.mode & ~8) | 0x14); });
  refuses({isa::Opcode::kActfn}, [](UnitCmd& c) { c.mode |= 0xC; });
}

// The largest logit wins, the lowest id among equals, over several instructions and with a short last chunk.
TYPED_TEST(VectorUnit, ArgmaxTakesLowestOfEquals) {
  VectorBench<TypeParam> bench(4000);
  const auto lanes = static_cast<uint64_t>(TypeParam::kShape.lanes);
  for (int round = 0; round < 20; ++round) {
    uint64_t id = 0;
    for (int part = 0; part < 3; ++part) {
      UnitCmd cmd = bench.random_command(isa::Opcode::kLogit);
      cmd.mode = part == 0 ? 1 : 0;
      cmd.s1 = static_cast<uint16_t>(id);
      cmd.s2 = cmd.count * lanes - bench.below(lanes);
      for (auto& v : bench.scr(cmd.a0, cmd.count * lanes)) v = static_cast<int32_t>(bench.below(3)) - 3;
      for (auto& v : bench.act(cmd.a1, cmd.count)) v = static_cast<int32_t>(sf_pack(sf_pow2(0)));
      bench.set_scale(cmd.s0, sf_pow2(-3));
      id += cmd.s2;
      bench.sync();
      bench.check(cmd);
    }
  }
}

// A vector that several instructions write, and keep the maximum and the sum of; then normalised or quantised
// with what was kept.
TYPED_TEST(VectorUnit, KeptReductions) {
  VectorBench<TypeParam> bench(4500);
  constexpr isa::Opcode kKeepers[] = {isa::Opcode::kJoin, isa::Opcode::kResadd, isa::Opcode::kActfn,
                                      isa::Opcode::kEmbed};
  const auto area = static_cast<uint16_t>(TypeParam::kShape.act_words / 8);
  const int rounds = std::min(40, TypeParam::kRounds);
  for (const isa::Opcode opcode : kKeepers) {
    for (int round = 0; round < rounds && !this->HasFailure(); ++round) {
      const uint8_t keep = opcode == isa::Opcode::kActfn ? 0x10 : 2;
      const uint64_t parts = 1 + bench.below(3);
      std::vector<UnitCmd> commands;
      uint16_t at = static_cast<uint16_t>(2 * area);
      for (uint64_t p = 0; p < parts; ++p) {
        UnitCmd cmd = bench.random_command(opcode);
        if (at + cmd.count > 3 * area) break;
        if (opcode == isa::Opcode::kActfn) cmd.mode &= 0xB;  // gated results are not kept
        cmd.mode = static_cast<uint8_t>((cmd.mode & ~(keep << 1)) | keep | (p == 0 ? keep << 1 : 0));
        cmd.a2 = at;
        at = static_cast<uint16_t>(at + cmd.count);
        commands.push_back(cmd);
      }
      const bool norm = bench.below(2) == 0;
      UnitCmd use = bench.random_command(norm ? isa::Opcode::kNorm : isa::Opcode::kQuant);
      use.mode = static_cast<uint8_t>(norm ? 4 | bench.below(2) : 7 << 4 | 3);
      use.count = static_cast<uint16_t>(at - 2 * area);
      use.a0 = static_cast<uint16_t>(2 * area);
      use.a1 = static_cast<uint64_t>(4 * area);
      use.a2 = static_cast<uint16_t>(3 * area);
      use.s2 = static_cast<uint64_t>(TypeParam::kShape.scl_words) / 2;
      bench.fill_any(bench.act(use.a0, use.count));
      bench.fill(bench.act(use.a1, 2 * use.count), 5, 17);
      // What later commands drew is not what earlier ones need.
      for (const UnitCmd& cmd : commands) bench.set_scale(cmd.s2, sf_pow2(-12));
      bench.sync();
      bench.stall(round % 2 == 0 ? 0.0 : 0.3);
      for (const UnitCmd& cmd : commands) bench.check(cmd);
      bench.check(use);
    }
  }
}

// SiLU and GELU over all 16-bit z.
template <typename Size>
void exhaustive_gate() {
  VectorBench<Size> bench(5000);
  const auto lanes = static_cast<uint64_t>(Size::kShape.lanes);
  const uint64_t count = std::min<uint64_t>(static_cast<uint64_t>(Size::kShape.act_words) / 4, 1024);
  for (const uint8_t mode : {2, 3}) {
    for (int64_t z = -32768; z <= 32767; z += static_cast<int64_t>(count * lanes)) {
      UnitCmd cmd;
      cmd.opcode = isa::Opcode::kActfn;
      cmd.mode = mode;
      cmd.count = static_cast<uint16_t>(count);
      cmd.a2 = static_cast<uint16_t>(2 * count);
      cmd.s0 = 1;
      cmd.s1 = 2;
      cmd.s2 = 3;
      bench.set_scale(1, sf_pow2(-6));
      bench.set_scale(2, sf_pow2(-6));
      auto g = bench.act(0, count);
      for (size_t i = 0; i < g.size(); ++i) g[i] = static_cast<int32_t>(z + static_cast<int64_t>(i));
      bench.sync();
      bench.check(cmd);
    }
  }
}
TEST(VectorGate, AllValuesSmall) { exhaustive_gate<SmallSize>(); }

// --- arithmetic at its corners, one chunk an instruction ---

class ScaleBench : public VectorBench<UnitSize> {
 public:
  explicit ScaleBench(uint64_t salt) : VectorBench<UnitSize>(salt) {}

  UnitCmd one_chunk(isa::Opcode opcode, uint8_t mode) {
    UnitCmd cmd;
    cmd.opcode = opcode;
    cmd.mode = mode;
    cmd.count = 1;
    cmd.a1 = 100;
    cmd.a2 = 200;
    cmd.s1 = 10;
    cmd.s2 = 20;
    fill(act(cmd.a1, 2), 5, 18);
    return cmd;
  }
  // Of a norm: scale of x, weights, epsilon and 1 / n.
  void set_norm(const UnitCmd& cmd, Scale eps, Scale invn) {
    set_scale(cmd.s0, sf_pow2(0));
    set_scale(cmd.s1, sf_pow2(-14));
    set_scale(cmd.s1 + 1U, eps);
    set_scale(cmd.s1 + 2U, invn);
  }
  uint16_t mantissa() { return static_cast<uint16_t>(0x8000 | rng()); }
  void check_fresh(const UnitCmd& cmd) {
    sync();
    check(cmd);
  }
};

// Each entry of the tables of reciprocal (of the maximum) and of the root (of epsilon alone, 1 / n being
// zero).
TEST(VectorScales, EveryTableEntry) {
  ScaleBench bench(7000);
  for (unsigned entry = 0; entry < 256 && !HasFailure(); ++entry) {
    const auto reciprocal = static_cast<int32_t>(0x8000 | entry << 7 | bench.below(1 << 7));
    UnitCmd cmd = bench.one_chunk(isa::Opcode::kQuant, 7 << 4);
    bench.fill(bench.act(0, 1), 5, 17);
    bench.act(0, 1)[bench.below(4)] = bench.below(2) == 0 ? reciprocal << bench.below(15) : -reciprocal;
    bench.set_scale(cmd.s0, sf_pow2(0));
    bench.set_scale(cmd.s1, sf_pow2(0));
    bench.check_fresh(cmd);
    cmd = bench.one_chunk(isa::Opcode::kNorm, 0);
    bench.fill(bench.act(0, 1), 5, 12);
    const auto root = static_cast<uint16_t>(0x8000 | (entry & 127) << 8 | bench.below(1 << 8));
    bench.set_norm(cmd, {root, static_cast<int16_t>(static_cast<int>(entry >> 7) - 40)}, {});
    bench.check_fresh(cmd);
  }
}

// Variance and epsilon of about the same size, in all the range of exponents.
TEST(VectorScales, SumsOfScales) {
  ScaleBench bench(7100);
  for (int round = 0; round < 500 && !HasFailure(); ++round) {
    const UnitCmd cmd = bench.one_chunk(isa::Opcode::kNorm, 0);
    bench.fill(bench.act(0, 1), 5, static_cast<int>(bench.below(31)));
    uint64_t sum = 0;
    std::array<int16_t, 4> x16{};
    const int d = norm16(bench.act(0, 1), x16);
    for (const int64_t x : x16) sum += static_cast<uint64_t>(x * x);
    const int range = round % 2 == 0 ? 60 : 20000;
    const Scale invn{bench.mantissa(),
                     wrap16(static_cast<int>(bench.below(2 * static_cast<uint64_t>(range))) - range)};
    const Scale variance = sf_mul(sf_norm(sum, 2 * d), invn);
    const Scale eps{bench.mantissa(), wrap16(variance.e + static_cast<int>(bench.below(7)) - 3)};
    bench.set_norm(cmd, eps, invn);
    bench.check_fresh(cmd);
  }
}

// Means of small and large sums, shifted to either side.
TEST(VectorScales, Means) {
  ScaleBench bench(7200);
  for (int round = 0; round < 1000 && !HasFailure(); ++round) {
    const UnitCmd cmd = bench.one_chunk(isa::Opcode::kNorm, 1);
    bench.fill(bench.act(0, 1), 5, static_cast<int>(bench.below(32)));
    if (round % 2 == 0) {  // far from a small mean, which they make between them
      auto x = bench.act(0, 1);
      x[1] = ~x[0];
      x[2] = static_cast<int32_t>(bench.below(64));
      x[3] = 0;
      bench.fill(bench.act(cmd.a1 + 1, 1), 0, 0);
    }
    bench.set_norm(cmd, sf_from(1e-5), {bench.mantissa(), wrap16(static_cast<int>(bench.below(80)) - 60)});
    bench.check_fresh(cmd);
  }
}

// Planes whose sum is near the ends of int32.
TEST(VectorScales, JoinedPlanesAtTheLimits) {
  ScaleBench bench(7300);
  constexpr int32_t kEnd = 1 << 27;  // of the highest plane
  for (int round = 0; round < 200 && !HasFailure(); ++round) {
    const bool three = bench.below(2) != 0;
    const UnitCmd cmd = bench.one_chunk(isa::Opcode::kJoin, three ? 1 : 0);
    bench.fill(bench.scr(0, 12), 5, 31 - static_cast<int>(bench.below(20)));
    for (auto& high : bench.scr(0, 12).subspan(three ? 8 : 4, 4)) {
      const auto off = static_cast<int32_t>(bench.below(uint64_t{1} << bench.below(18)));
      high = (bench.below(2) != 0 ? kEnd : -kEnd) + (bench.below(2) != 0 ? off : -off);
    }
    bench.set_scale(cmd.s0, sf_pow2(-20));
    bench.check_fresh(cmd);
  }
}

// Products of two scales that round to the next power of two, or just do not.
TEST(VectorScales, LogitScalesThatRoundUp) {
  ScaleBench bench(7400);
  for (int round = 0; round < 300 && !HasFailure(); ++round) {
    UnitCmd cmd = bench.one_chunk(isa::Opcode::kLogit, 1);
    cmd.s2 = 4;
    const uint16_t m = bench.mantissa();
    bench.set_scale(cmd.s0, {m, -20});
    bench.fill(bench.scr(0, 4), 5, static_cast<int>(bench.below(31)));
    for (auto& row : bench.act(cmd.a1, 1)) {
      const uint32_t up = INT32_MAX / m - static_cast<uint32_t>(bench.below(2));
      row = static_cast<int32_t>(sf_pack(
          {static_cast<uint16_t>(std::max(up, 0x8000U)), wrap16(static_cast<int>(bench.below(36)) - 40)}));
    }
    bench.check_fresh(cmd);
  }
}

// Cycles from acceptance to done in `paper`, printed for docs/vector.md; the bounds hold them there.
TEST(VectorCycles, Paper) {
  VectorBench<PaperSize> bench(6000);
  const auto measure = [&](const char* name, isa::Opcode opcode, int mode, int count, uint64_t limit) {
    UnitCmd cmd = bench.random_command(opcode);
    const auto prepare = [&] {
      cmd = {};
      cmd.opcode = opcode;
      cmd.mode = static_cast<uint8_t>(mode);
      cmd.count = static_cast<uint16_t>(count);
      cmd.a0 = 0;
      cmd.a1 = 1000;
      cmd.a2 = 2000;
      cmd.s0 = 10;
      cmd.s1 = 100;
      cmd.s2 = 200;
      bench.fill(bench.act(0, 3000), 5, 14);
      if (opcode == isa::Opcode::kResadd || opcode == isa::Opcode::kEmbed) bench.set_scale(200, sf_pow2(-16));
    };
    prepare();
    bench.sync();
    const uint64_t cycles = bench.check(cmd);
    fmt::print("{:40} {:4} cycles\n", name, cycles);
    EXPECT_LE(cycles, limit) << name;
  };
  const auto quant = isa::Opcode::kQuant;
  measure("NORM RMS d=256", isa::Opcode::kNorm, 0, 4, 45);
  measure("NORM RMS d=768", isa::Opcode::kNorm, 0, 12, 90);
  measure("NORM LayerNorm d=256", isa::Opcode::kNorm, 1, 4, 100);
  measure("QUANT one group d=256", quant, 7 << 4, 4, 40);
  measure("QUANT one group d=768", quant, 7 << 4, 12, 60);
  measure("QUANT q, 4 heads of 64, RoPE", quant, 2 | 1 << 2, 4, 60);
  measure("QUANT q, 4 heads of 64, bias", quant, 1 | 1 << 2, 4, 60);
  measure("QUANT k, 4 heads of 64, RoPE", quant, 2 | 2 << 2, 4, 110);
  measure("QUANT v, 4 heads of 64", quant, 0 | 3 << 2, 4, 60);
  measure("JOIN 4 heads of 64, two planes", isa::Opcode::kJoin, 0, 4, 30);
  measure("JOIN 4 heads of 64, three planes", isa::Opcode::kJoin, 1, 4, 38);
  measure("RESADD d=256", isa::Opcode::kResadd, 0, 4, 22);
  measure("RESADD d=256, bias", isa::Opcode::kResadd, 1, 4, 26);
  measure("ACTFN ReLU^2 gated f=768", isa::Opcode::kActfn, 1 | 4, 12, 75);
  measure("ACTFN SiLU gated f=768", isa::Opcode::kActfn, 2 | 4, 12, 70);
  measure("ACTFN GELU f=1024, bias", isa::Opcode::kActfn, 3 | 8, 16, 60);
  measure("ACTFN ReLU f=1024, bias", isa::Opcode::kActfn, 0 | 8, 16, 60);
  measure("EMBED d=256", isa::Opcode::kEmbed, 0, 4, 22);
  measure("LOGIT 256", isa::Opcode::kLogit, 1, 4, 30);
}

// A further chunk costs what docs/vector.md says: as many cycles as the busier read port has words of it, two
// where it takes two beats or goes around, in each pass.
TEST(VectorCycles, OfAChunk) {
  VectorBench<UnitSize> bench(6500);
  const auto measure = [&](isa::Opcode opcode, int mode, uint64_t each) {
    const auto cycles = [&](uint16_t count) {
      UnitCmd cmd = bench.random_command(opcode);
      cmd.mode = static_cast<uint8_t>(mode);
      cmd.count = count;
      cmd.a0 = 0;
      cmd.a1 = 100;
      cmd.a2 = 200;
      cmd.s0 = 10;
      cmd.s1 = 100;
      cmd.s2 = 200;
      bench.fill(bench.act(0, 300), 5, 14);
      bench.set_scale(cmd.s2, sf_pow2(-16));
      bench.sync();
      return bench.check(cmd);
    };
    constexpr uint16_t kMany = 40, kMore = 16;
    EXPECT_EQ(cycles(kMany) - cycles(kMany - kMore), each * kMore)
        << isa::opcode_info(opcode).name << " " << mode;
  };
  using isa::Opcode;
  constexpr int kOneGroup = 7 << 4;
  measure(Opcode::kNorm, 0, 1 + 2 + 1);
  measure(Opcode::kNorm, 1, 1 + 1 + 1 + 2 + 2);
  measure(Opcode::kQuant, kOneGroup, 1 + 1);
  measure(Opcode::kQuant, kOneGroup | 1, 1 + 2);
  measure(Opcode::kQuant, kOneGroup | 2, 1 + 2 + 2);
  measure(Opcode::kResadd, 0, 2);
  measure(Opcode::kResadd, 1, 2);
  measure(Opcode::kActfn, 0, 1 + 1);
  measure(Opcode::kActfn, 1, 1 + 1);
  measure(Opcode::kActfn, 2, 2);
  measure(Opcode::kActfn, 3, 2);
  measure(Opcode::kActfn, 4, 1 + 1 + 2);
  measure(Opcode::kActfn, 5, 1 + 1 + 2);
  measure(Opcode::kActfn, 6, 1 + 2);
  measure(Opcode::kActfn, 7, 1 + 2);
  measure(Opcode::kActfn, 8, 1);
  measure(Opcode::kActfn, 8 | 2, 2);
  measure(Opcode::kActfn, 8 | 3, 2);
  measure(Opcode::kEmbed, 0, 1);
  measure(Opcode::kEmbed, 1, 1);
  measure(Opcode::kLogit, 1, 2);
}

}  // namespace
}  // namespace pimllm::tb

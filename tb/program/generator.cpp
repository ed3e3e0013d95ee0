#include "tb/program/generator.hpp"

#include <algorithm>
#include <array>
#include <deque>

#include "tb/program/illegal.hpp"
#include "tb/program/operations.hpp"

namespace pimllm::tb {
namespace {

using isa::Unit;

constexpr std::array kUnits = {Unit::kDma, Unit::kPim, Unit::kArr, Unit::kSmx, Unit::kVec};
constexpr uint64_t kPage = 4096;
// Least unit instructions behind the prologue: with it more than 64 instructions.
constexpr uint64_t kLeastOperations = 70, kMostOperations = 120;
constexpr size_t kRecent = 10;
constexpr int kCandidates = 6;

class Generator {
 public:
  Generator(const std::string& config, uint64_t seed)
      : h_(hardware_preset(config)), rng_(seed), window_(make_window(h_, rng_)) {
    conditions_.config = config;
    conditions_.seed = rng_();
    conditions_.window = window_;
    static constexpr std::array<uint64_t, 4> kBases = {0, 0x1000, 0xFFFFF000, 0x7F1234500000};
    conditions_.memory_base = kBases[pick(0, kBases.size() - 1)];
    map_ = make_map(h_, conditions_.memory_base);
    conditions_.program_address = map_.program.first + pick(0, 63) * isa::kInstructionBytes;
  }

  RandomProgram run(bool illegal) {
    draw_conditions();
    OperationSource source(h_, window_, map_, rng_);
    std::vector<Item> items;
    // Units begin on what is there while the rest of the window is loaded.
    bool act_there = false;
    for (Operation& op : source.prologue()) {
      const bool act = uses_only_act(op);
      if (act_there && !act) {
        for (uint64_t n = pick(1, 3); n > 0; --n) items.push_back(with(early_operation(source)));
      }
      act_there |= !act;
      note(op);
      items.push_back(with({std::move(op)}));
    }
    const uint64_t operations = pick(kLeastOperations, kMostOperations);
    for (uint64_t i = 0; i < operations; ++i) add(items, source, 0);
    if (illegal) {
      Item item = empty(ItemKind::kIllegal);
      item.illegal = static_cast<int>(pick(0, illegal_cases().size() - 1));
      items.insert(items.begin() + static_cast<std::ptrdiff_t>(pick(items.size() / 3, items.size())), item);
    }
    return {conditions_, std::move(items)};
  }

  RandomProgram set_up() {
    conditions_.crossbar = {h_.xbar_rows, 0, h_.adc_bits};
    OperationSource source(h_, window_, map_, rng_);
    std::vector<Item> items;
    for (Operation& op : source.set_up()) items.push_back(with({std::move(op)}));
    return {conditions_, std::move(items)};
  }

 private:
  uint64_t pick(uint64_t low, uint64_t high) {
    return std::uniform_int_distribution<uint64_t>(low, high)(rng_);
  }
  bool coin(double p) { return std::uniform_real_distribution<double>(0, 1)(rng_) < p; }
  Item empty(ItemKind kind) {
    Item item;
    item.kind = kind;
    item.seed = rng_();
    return item;
  }
  Item with(std::vector<Operation> operations) {
    Item item = empty(ItemKind::kOperations);
    item.operations = std::move(operations);
    return item;
  }

  void draw_conditions() {
    auto& c = conditions_;
    c.host.token_in = static_cast<uint32_t>(rng_());
    c.host.position = static_cast<uint32_t>(rng_());
    c.host.tokens_left = static_cast<uint32_t>(rng_());
    for (auto& arg : c.host.arg) arg = rng_() & isa::kRegisterMask;
    const auto rows = static_cast<uint64_t>(h_.xbar_rows);
    c.crossbar.rows_per_conversion = static_cast<int>(coin(0.6) ? rows : pick(rows / 8, rows));
    c.crossbar.lsb_shift = coin(0.7) ? 0 : static_cast<int>(pick(0, 3));
    c.crossbar.adc_bits =
        coin(0.7) ? h_.adc_bits : static_cast<int>(pick(1, static_cast<uint64_t>(h_.adc_bits)));
    switch (pick(0, 5)) {
      case 0:
        c.timing.latency = 1;
        break;
      case 1:
        c.timing.latency = static_cast<int>(pick(1, 20));
        c.timing.stall = 0.1;
        break;
      case 2:
        c.timing.latency_spread = static_cast<int>(pick(1, 40));
        c.timing.stall = 0.05;
        break;
      case 3:
        c.timing.latency = static_cast<int>(pick(10, 30));
        c.timing.stall = 0.3;
        break;
      default:
        break;
    }
  }

  // Time that units have to do, roughly, in cycles.
  double cost(const Operation& op) const {
    switch (op.unit()) {
      case Unit::kDma: {
        double beats = 0;
        for (const Access& a : op.accesses)
          beats += a.space == Space::kMemory ? static_cast<double>(a.count) : 0;
        return 20 + beats;
      }
      case Unit::kPim:
        return op.opcode == isa::Opcode::kXbar ? 60 : 20 + 2.0 * op.count;
      case Unit::kArr:
        return 40;
      case Unit::kSmx:
        return 30 + op.count;
      default:
        return 25 + 4.0 * op.count;
    }
  }

  void note(const Operation& op) {
    load_[static_cast<size_t>(op.unit())] += cost(op);
    recent_.push_back(op);
    if (recent_.size() > kRecent) recent_.pop_front();
  }

  // Recent instructions of other units that the operations must wait for; `reads`: for their results only.
  int conflicts(const std::vector<Operation>& operations, bool reads) const {
    int count = 0;
    for (const Operation& before : recent_) {
      bool meets = false;
      for (const Operation& op : operations) {
        if (before.unit() == op.unit()) continue;
        for (const Access& a : op.accesses) {
          for (const Access& b : before.accesses) {
            if (a.space != b.space || a.first >= b.first + b.count || b.first >= a.first + a.count) continue;
            meets |= reads ? b.write && !a.write : b.write || a.write;
          }
        }
      }
      count += meets ? 1 : 0;
    }
    return count;
  }

  // Of the scratchpad; codes of XPROG and others come from memory.
  static bool uses_only_act(const Operation& op) {
    return std::all_of(op.accesses.begin(), op.accesses.end(), [](const Access& a) {
      return a.space == Space::kAct || a.space == Space::kScl || a.space == Space::kMemory;
    });
  }

  // Of PIM or VEC, on the part of the window that is loaded first.
  std::vector<Operation> early_operation(OperationSource& source) {
    const Unit unit = coin(0.5) ? Unit::kPim : Unit::kVec;
    for (;;) {
      auto drawn = source.draw(unit);
      if (!std::all_of(drawn.begin(), drawn.end(), uses_only_act)) continue;
      for (const Operation& op : drawn) note(op);
      return drawn;
    }
  }

  std::vector<Operation> operations(OperationSource& source, int depth) {
    // Of two units the one with less to do.
    Unit unit = kUnits[pick(0, kUnits.size() - 1)];
    const Unit other = kUnits[pick(0, kUnits.size() - 1)];
    if (load_[static_cast<size_t>(other)] < load_[static_cast<size_t>(unit)]) unit = other;
    // Not in loops, which repeat it.
    if (depth > 0) {
      streak_ = 0;
    } else if (streak_ > 0) {
      --streak_;
      unit = streak_unit_;
    } else if (coin(0.012)) {
      streak_ = pick(6, 12);  // more than a queue holds
      streak_unit_ = unit;
    }
    std::vector<Operation> best = source.draw(unit);
    const bool depend = coin(0.25);
    const auto score = [&](const std::vector<Operation>& ops) {
      const int all = conflicts(ops, false);
      return depend ? 3 * std::min(conflicts(ops, true), 2) - all : -all;
    };
    int best_score = score(best);
    for (int i = 1; i < kCandidates; ++i) {
      auto candidate = source.draw(unit);
      const int found = score(candidate);
      if (found <= best_score) continue;
      best = std::move(candidate);
      best_score = found;
    }
    for (const Operation& op : best) note(op);
    return best;
  }

  void add(std::vector<Item>& items, OperationSource& source, int depth) {
    const uint64_t kind = pick(0, 199);
    if (kind < 8) {
      items.push_back(empty(ItemKind::kScalar));
    } else if (kind < 12) {
      items.push_back(empty(ItemKind::kBranch));
    } else if (kind < 15) {
      items.push_back(empty(ItemKind::kPost));
    } else if (kind < 19) {
      items.push_back(empty(ItemKind::kHostRegister));
    } else if (kind < 22) {
      items.push_back(empty(ItemKind::kArgmax));
    } else if (kind < 23) {
      items.push_back(empty(ItemKind::kSync));
    } else if (kind < (depth == 0 ? 25U : 24U) && depth < isa::kLoopNesting) {
      Item loop = empty(coin(0.7) ? ItemKind::kLoop : ItemKind::kCountdown);
      loop.rounds = coin(0.15) ? 0 : pick(1, depth == 0 && coin(0.3) ? 3 : 2);
      const uint64_t length = pick(8, 16);
      for (uint64_t i = 0; i < length; ++i) add(loop.body, source, depth + 1);
      items.push_back(std::move(loop));
      return;
    }
    items.push_back(with(operations(source, depth)));
  }

  HardwareParameters h_;
  std::mt19937_64 rng_;
  Window window_;
  MemoryMap map_;
  Conditions conditions_;
  std::deque<Operation> recent_;
  std::array<double, 6> load_{};
  uint64_t streak_ = 0;
  Unit streak_unit_ = Unit::kDma;
};

}  // namespace

RandomProgram make_program(const std::string& config, uint64_t seed, bool illegal) {
  return Generator(config, seed).run(illegal);
}

RandomProgram make_set_up(const std::string& config) { return Generator(config, 1).set_up(); }

}  // namespace pimllm::tb

#include "tb/program/lower.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "golden/error.hpp"
#include "tb/program/illegal.hpp"
#include "tb/program/token_allocator.hpp"

namespace pimllm::tb {
namespace {

using isa::Instruction;
using isa::Opcode;
using isa::Unit;

constexpr uint8_t kPosition = 1;                   // r1
constexpr uint8_t kFirstFree = 2, kLastFree = 27;  // operands and scalar work
constexpr uint8_t kFirstCounter = 28;              // of loops, one a level
// The running maximum of LOGIT, as a place that memory does not have.
constexpr uint64_t kArgmaxPlace = uint64_t{1} << 56;
constexpr uint64_t kMostOffset = 2047, kMostScalarOffset = 127;

class Lowerer {
 public:
  Lowerer(const RandomProgram& program, const HardwareParameters& h)
      : program_(program), h_(h), tokens_(rng_) {
    rng_.seed(program.conditions.seed);
    tokens_ = TokenAllocator(rng_);
    state_.registers.fill(0);
  }

  LoweredProgram run() {
    items(program_.items, 0);
    emit({.opcode = Opcode::kHalt});
    LoweredProgram out;
    for (const auto& word : program_words_) {
      out.words.push_back(word.raw ? *word.raw : isa::encode(word.instruction));
    }
    out.error = error_;
    return out;
  }

 private:
  using Value = std::optional<uint64_t>;  // of a register, if it is known here
  struct Word {
    Instruction instruction;
    std::optional<isa::Encoded> raw;
  };
  // What a body that never runs must not change.
  struct State {
    std::array<Value, isa::kRegisters> registers;
    bool argmax_started = false;
  };

  uint64_t pick(uint64_t low, uint64_t high) {
    return std::uniform_int_distribution<uint64_t>(low, high)(rng_);
  }
  bool coin(double p) { return std::uniform_real_distribution<double>(0, 1)(rng_) < p; }

  size_t emit(const Instruction& in) {
    program_words_.push_back({in, {}});
    return program_words_.size() - 1;
  }
  void sync() {
    emit({.opcode = Opcode::kSync});
    tokens_.sync();
  }

  // --- registers ---

  void scalar(Opcode opcode, uint8_t rd, uint8_t rs, uint8_t rt, uint64_t imm) {
    Instruction in{.opcode = opcode, .rd = rd, .rs = rs, .rt = rt, .imm = imm & isa::kRegisterMask};
    emit(in);
    if (rd != 0) state_.registers[rd] = result(in);
  }

  Value result(const Instruction& in) const {
    const Value rs = state_.registers[in.rs], rt = state_.registers[in.rt];
    const auto both = [&](auto f) -> Value {
      return rs && rt ? Value{f(*rs, *rt) & isa::kRegisterMask} : Value{};
    };
    const auto one = [&](auto f) -> Value {
      return rs ? Value{f(*rs, in.imm) & isa::kRegisterMask} : Value{};
    };
    using U = uint64_t;
    switch (in.opcode) {
      case Opcode::kLi:
        return in.imm;
      case Opcode::kAddi:
        return one([](U a, U b) { return a + b; });
      case Opcode::kAdd:
        return both([](U a, U b) { return a + b; });
      case Opcode::kSub:
        return both([](U a, U b) { return a - b; });
      case Opcode::kShli:
        return one([](U a, U b) { return b < 48 ? a << b : 0; });
      case Opcode::kShri:
        return one([](U a, U b) { return b < 48 ? a >> b : 0; });
      case Opcode::kAndi:
        return one([](U a, U b) { return a & b; });
      case Opcode::kMuli:
        return one([](U a, U b) { return (a & 0xFFFF) * (b & 0xFFFFFFFF); });
      case Opcode::kMin:
        return both([](U a, U b) { return std::min(a, b); });
      case Opcode::kCsrr:
        if (in.imm >= 4 && in.imm < 8) return program_.conditions.host.arg[in.imm - 4];
        return {};
      default:
        return {};
    }
  }

  uint8_t free_register() {
    for (;;) {
      const auto r = static_cast<uint8_t>(pick(kFirstFree, kLastFree));
      if (!locked_[r]) return r;
    }
  }
  std::vector<uint8_t> known_registers() const {
    std::vector<uint8_t> out;
    for (uint8_t r = 0; r < isa::kRegisters; ++r) {
      if (state_.registers[r]) out.push_back(r);
    }
    return out;
  }

  void set(uint8_t rd, uint64_t value) {
    const auto known = known_registers();
    const uint8_t rs = known[pick(0, known.size() - 1)];
    const uint64_t have = *state_.registers[rs];
    switch (pick(0, 7)) {
      case 0:
      case 1:
        return scalar(Opcode::kAddi, rd, rs, 0, value - have);
      case 2: {
        const uint64_t shift = pick(1, 12);
        if (value >> (48 - shift) != 0) break;
        scalar(Opcode::kLi, rd, 0, 0, value << shift | pick(0, (uint64_t{1} << shift) - 1));
        return scalar(Opcode::kShri, rd, rd, 0, shift);
      }
      case 3: {
        const uint64_t mask = rng_() | value;
        scalar(Opcode::kLi, rd, 0, 0, value | (rng_() & ~mask));
        return scalar(Opcode::kAndi, rd, rd, 0, mask);
      }
      case 4:
        if (have < value || rs == rd) break;
        scalar(Opcode::kLi, rd, 0, 0, value);
        return scalar(Opcode::kMin, rd, rd, rs, 0);
      case 5:
        if (rs == rd) break;
        scalar(Opcode::kLi, rd, 0, 0, value + have);
        return scalar(Opcode::kSub, rd, rd, rs, 0);
      case 6:
        if (value > 0xFFFF) break;
        scalar(Opcode::kLi, rd, 0, 0, value | rng_() << 16);
        return scalar(Opcode::kMuli, rd, rd, 0, 1);
      default:
        break;
    }
    scalar(Opcode::kLi, rd, 0, 0, value);
  }

  // Register and offset of a value; the sum is taken modulo 2^width.
  isa::Operand operand(uint64_t value, uint64_t most, uint64_t unit, int width) {
    if (value % unit == 0 && value / unit <= most && coin(0.5)) {
      return {0, static_cast<uint16_t>(value / unit)};
    }
    const uint64_t mask = (uint64_t{1} << width) - 1;
    if (coin(0.8)) {
      auto known = known_registers();
      std::shuffle(known.begin(), known.end(), rng_);
      for (const uint8_t r : known) {
        const uint64_t rest = (value - *state_.registers[r]) & mask;
        if (rest % unit == 0 && rest / unit <= most) {
          locked_[r] = true;
          return {r, static_cast<uint16_t>(rest / unit)};
        }
      }
    }
    const uint64_t offset = coin(0.3) ? 0 : pick(0, std::min(most, value / unit));
    uint64_t base = value - offset * unit;
    if (width < 48 && coin(0.1)) base |= rng_() << width & isa::kRegisterMask;  // only the low bits count
    const uint8_t rd = free_register();
    set(rd, base);
    locked_[rd] = true;
    return {rd, static_cast<uint16_t>(offset)};
  }

  // --- unit instructions ---

  void operation(Operation op) {
    const Unit unit = op.unit();
    if (op.opcode == Opcode::kLogit) {
      if (!state_.argmax_started) op.mode |= 1;
      state_.argmax_started = true;
      op.accesses.push_back({Space::kMemory, kArgmaxPlace, 1, true});
    }
    Instruction in;
    in.opcode = op.opcode;
    in.mode = op.mode;
    in.count = op.count;
    locked_ = {};
    if (op.position &&
        (!state_.registers[kPosition] || (*state_.registers[kPosition] & 0xFFFF) != *op.position)) {
      set(kPosition, *op.position);
    }
    locked_[kPosition] = true;
    const bool countable = unit != Unit::kVec && op.opcode != Opcode::kStoret;
    if (countable && (op.count > kMostOffset || coin(0.25))) {
      const isa::Operand count = register_of(op.count);
      in.mode |= isa::kModeCountRegister;
      in.count = count.reg;
    }
    const uint64_t beat = unit == Unit::kDma ? static_cast<uint64_t>(h_.channel_bytes) : 1;
    if (op.a0) in.a0 = operand(*op.a0, kMostOffset, 1, 16);
    if (op.a1) in.a1 = operand(*op.a1, kMostOffset, beat, 48);
    if (op.a2) in.a2 = operand(*op.a2, kMostOffset, 1, 16);
    if (op.s0) in.s0 = operand(*op.s0, kMostScalarOffset, 1, 16);
    if (op.s1) in.s1 = operand(*op.s1, kMostScalarOffset, 1, 16);
    if (op.s2) in.s2 = operand(*op.s2, kMostScalarOffset, 1, 48);
    locked_ = {};
    wait_for(unit, op.accesses, &in);
    const size_t index = emit(in);
    tokens_.end(unit, index, op.accesses);
  }

  isa::Operand register_of(uint64_t value) {
    for (const uint8_t r : known_registers()) {
      if (r != 0 && (*state_.registers[r] & 0xFFFF) == value && coin(0.7)) {
        locked_[r] = true;
        return {r, 0};
      }
    }
    const uint8_t rd = free_register();
    set(rd, value);
    locked_[rd] = true;
    return {rd, 0};
  }

  bool put_wait(Instruction& in, uint8_t semaphore) {
    if (in.wait0 == 0) {
      in.wait0 = semaphore;
    } else if (in.wait1 == 0) {
      in.wait1 = semaphore;
    } else {
      return false;
    }
    return true;
  }

  void put_signal(size_t index, uint8_t semaphore) {
    Instruction& in = program_words_[index].instruction;
    (in.sig0 == 0 ? in.sig0 : in.sig1) = semaphore;
  }

  // Orders the next instruction of `unit` behind all that its accesses ask for: by tokens that it takes
  // (`in`), that the decoder takes, or by SYNC.
  void wait_for(Unit unit, const std::vector<Access>& accesses, Instruction* in) {
    tokens_.begin(unit);
    auto missing = tokens_.missing(unit, accesses);
    std::shuffle(missing.begin(), missing.end(), rng_);
    for (const Unit giver : missing) {
      const auto still = tokens_.missing(unit, accesses);
      if (std::find(still.begin(), still.end(), giver) == still.end()) continue;
      const bool room = in->wait1 == 0;
      if (room && !coin(0.05)) {
        if (const auto token = tokens_.take(giver, unit, unit, accesses)) {
          put_signal(token->index, token->semaphore);
          put_wait(*in, token->semaphore);
          if (unit != Unit::kSched && in->wait1 == 0 && coin(0.1)) {
            if (const auto again = tokens_.take_again(*token, unit)) {
              put_signal(again->index, again->semaphore);
              put_wait(*in, again->semaphore);
            }
          }
          continue;
        }
      }
      if (const auto token = tokens_.take(giver, Unit::kSched, unit, accesses)) {
        put_signal(token->index, token->semaphore);
        emit({.opcode = Opcode::kWait, .wait0 = token->semaphore});
        continue;
      }
      sync();
      tokens_.begin(unit);
    }
    if (unit != Unit::kSched && in->wait1 == 0 && coin(0.04)) {
      if (const auto semaphore = tokens_.post(unit)) {
        emit({.opcode = Opcode::kPost, .sig0 = *semaphore});
        put_wait(*in, *semaphore);
      }
    }
  }

  // --- items ---

  void items(const std::vector<Item>& list, int depth) {
    for (const Item& item : list) {
      rng_.seed(item.seed);
      one(item, depth);
    }
  }

  void one(const Item& item, int depth) {
    switch (item.kind) {
      case ItemKind::kOperations:
        for (const Operation& op : item.operations) operation(op);
        break;
      case ItemKind::kScalar:
        for (uint64_t n = pick(1, 4); n > 0; --n) scalar_work();
        break;
      case ItemKind::kSync:
        sync();
        break;
      case ItemKind::kPost:
        if (const auto semaphore = tokens_.post(Unit::kSched)) {
          const uint64_t n = pick(1, 3);
          for (uint64_t i = 0; i < n; ++i) emit({.opcode = Opcode::kPost, .sig0 = *semaphore});
          for (uint64_t i = 0; i < n; ++i) emit({.opcode = Opcode::kWait, .wait0 = *semaphore});
        }
        break;
      case ItemKind::kBranch:
        branch();
        break;
      case ItemKind::kLoop:
        hardware_loop(item, depth);
        break;
      case ItemKind::kCountdown:
        countdown(item, depth);
        break;
      case ItemKind::kHostRegister:
        host_register();
        break;
      case ItemKind::kArgmax:
        argmax();
        break;
      case ItemKind::kIllegal:
        illegal(item);
        break;
    }
  }

  void scalar_work() {
    const auto any = [&] { return static_cast<uint8_t>(pick(0, isa::kRegisters - 1)); };
    const uint8_t rd = coin(0.05) ? kPosition : coin(0.05) ? 0 : free_register();
    switch (pick(0, 9)) {
      case 0:
        return scalar(Opcode::kLi, rd, 0, 0, rng_() >> pick(0, 63));
      case 1:
        return scalar(Opcode::kAddi, rd, any(), 0, rng_());
      case 2:
        return scalar(Opcode::kAdd, rd, any(), any(), 0);
      case 3:
        return scalar(Opcode::kSub, rd, any(), any(), 0);
      case 4:
        return scalar(Opcode::kShli, rd, any(), 0, pick(0, 50));
      case 5:
        return scalar(Opcode::kShri, rd, any(), 0, pick(0, 50));
      case 6:
        return scalar(Opcode::kAndi, rd, any(), 0, rng_());
      case 7:
        return scalar(Opcode::kMuli, rd, any(), 0, rng_());
      case 8:
        return scalar(Opcode::kMin, rd, any(), any(), 0);
      default:
        emit({});
    }
  }

  // Words that must never be executed: whatever they are.
  void garbage(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) program_words_.push_back({{}, isa::Encoded{rng_(), rng_()}});
  }

  void branch() {
    const bool taken = coin(0.6);
    const uint64_t distance = pick(1, 12);
    std::vector<uint8_t> nonzero;
    for (const uint8_t r : known_registers()) {
      if (*state_.registers[r] != 0) nonzero.push_back(r);
    }
    const uint8_t rs = nonzero.empty() ? 0 : nonzero[pick(0, nonzero.size() - 1)];
    if (!taken) {
      const uint64_t anywhere = rng_() & isa::kRegisterMask;
      if (rs != 0) {
        emit({.opcode = Opcode::kBeqz, .rs = rs, .imm = anywhere});
      } else {
        emit({.opcode = Opcode::kBnez, .rs = 0, .imm = anywhere});
      }
      emit({});  // a loop may end here
      return;
    }
    switch (pick(0, 2)) {
      case 0:
        emit({.opcode = Opcode::kJump, .imm = distance});
        break;
      case 1:
        emit({.opcode = Opcode::kBeqz, .rs = 0, .imm = distance});
        break;
      default:
        if (rs == 0) {
          emit({.opcode = Opcode::kJump, .imm = distance});
        } else {
          emit({.opcode = Opcode::kBnez, .rs = rs, .imm = distance});
        }
    }
    garbage(distance - 1);
    emit({});
  }

  // Rounds of a body run one after the other: it begins with SYNC, and tokens stay within it.
  void body(const std::vector<Item>& list, int depth) {
    for (size_t r = 1; r < isa::kRegisters; ++r) state_.registers[r].reset();
    sync();
    items(list, depth + 1);
    emit({});
  }

  void hardware_loop(const Item& item, int depth) {
    if (depth >= isa::kLoopNesting) return;
    const auto counter = static_cast<uint8_t>(kFirstCounter + depth);
    set(counter, item.rounds);
    const size_t loop = emit({.opcode = Opcode::kLoop, .rs = counter});
    const State before = state_;
    const TokenAllocator tokens_before = tokens_;
    body(item.body, depth);
    program_words_[loop].instruction.imm = program_words_.size() - loop - 1;
    if (item.rounds == 0) {
      state_ = before;
      tokens_ = tokens_before;
      // The givers in the body never run either.
      emit({});
      return;
    }
    sync();
  }

  void countdown(const Item& item, int depth) {
    if (depth >= isa::kLoopNesting) return;
    const auto counter = static_cast<uint8_t>(kFirstCounter + depth);
    set(counter, std::max<uint64_t>(item.rounds, 1));
    const size_t first = program_words_.size();
    body(item.body, depth);
    emit({.opcode = Opcode::kAddi, .rd = counter, .rs = counter, .imm = isa::kRegisterMask});
    const auto back = static_cast<uint64_t>(program_words_.size() - first);
    emit({.opcode = Opcode::kBnez, .rs = counter, .imm = (0 - back) & isa::kRegisterMask});
    state_.registers[counter] = 0;
    sync();
  }

  void host_register() {
    if (coin(0.5)) {
      static constexpr std::array<uint64_t, 7> kReadable = {0, 1, 2, 4, 5, 6, 7};
      return scalar(Opcode::kCsrr, free_register(), 0, 0, kReadable[pick(0, 6)]);
    }
    static constexpr std::array<uint64_t, 3> kWritable = {1, 2, 8};
    Instruction in{.opcode = Opcode::kCsrw,
                   .rs = static_cast<uint8_t>(pick(0, isa::kRegisters - 1)),
                   .imm = kWritable[pick(0, 2)]};
    if (coin(0.2)) {
      if (const auto semaphore = tokens_.post(Unit::kSched)) {
        emit({.opcode = Opcode::kPost, .sig0 = *semaphore});
        in.wait0 = *semaphore;
      }
    }
    emit(in);
  }

  void argmax() {
    if (!state_.argmax_started) return;
    Instruction in{.opcode = Opcode::kArgmax, .rd = free_register()};
    wait_for(Unit::kSched, {{Space::kMemory, kArgmaxPlace, 1, false}}, &in);
    emit(in);
    state_.registers[in.rd].reset();
  }

  void illegal(const Item& item) {
    if (error_) return;  // the machine stops at the first
    const auto& conditions = program_.conditions;
    const MemoryMap map = make_map(h_, conditions.memory_base);
    const IllegalCode code =
        illegal_cases()[static_cast<size_t>(item.illegal)].make(h_, conditions.window, map, rng_);
    ExpectedError error = code.error;
    if (!code.operations.empty()) {
      operation(code.operations.front());
      error.index = program_words_.size() - 1;
    } else {
      if (code.alone) sync();
      if (error.index) *error.index += program_words_.size();
      for (const auto& word : code.words) program_words_.push_back({{}, word});
    }
    error_ = error;
  }

  const RandomProgram& program_;
  const HardwareParameters& h_;
  std::mt19937_64 rng_;
  TokenAllocator tokens_;
  State state_;
  std::array<bool, isa::kRegisters> locked_{};
  std::vector<Word> program_words_;
  std::optional<ExpectedError> error_;
};

}  // namespace

LoweredProgram lower(const RandomProgram& program, const HardwareParameters& hardware) {
  return Lowerer(program, hardware).run();
}

std::string text_of(const isa::Encoded& word, size_t index) {
  try {
    return isa::disassemble(isa::decode(word), index);
  } catch (const Error&) {
    return fmt::format(".word    {:016x}{:016x}", word.high, word.low);
  }
}

std::string listing(const std::vector<isa::Encoded>& words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) text += fmt::format("{:4}  {}\n", i, text_of(words[i], i));
  return text;
}

}  // namespace pimllm::tb

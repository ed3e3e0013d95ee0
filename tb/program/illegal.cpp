#include "tb/program/illegal.hpp"

#include <algorithm>
#include <array>

#include "golden/error.hpp"

namespace pimllm::tb {
namespace {

using isa::ErrorCode;
using isa::Instruction;
using isa::Opcode;
using isa::Unit;

struct Context {
  const HardwareParameters& h;
  const Window& window;
  const MemoryMap& map;
  std::mt19937_64& rng;

  uint64_t below(uint64_t n) const { return rng() % n; }
  Operation legal(Opcode opcode) const {
    OperationSource source(h, window, map, rng);
    constexpr int kTries = 2000;
    for (int i = 0; i < kTries; ++i) {
      for (const Operation& op : source.draw(isa::opcode_info(opcode).unit)) {
        if (op.opcode == opcode && (op.count != 0 || opcode == Opcode::kStoret)) return op;
      }
    }
    fail("illegal instruction: expected a legal {} to start from, found none", isa::opcode_info(opcode).name);
  }
};

// A legal operation with a change that its unit, or the operand stage, refuses.
IllegalCode changed(const Context& c, std::span<const Opcode> opcodes, ErrorCode cause,
                    void (*change)(const Context&, Operation&)) {
  Operation op = c.legal(opcodes[c.below(opcodes.size())]);
  change(c, op);
  IllegalCode code;
  const Unit unit = op.unit();
  code.operations.push_back(std::move(op));
  code.error = {cause, 0, unit, false};
  return code;
}

// The same for what the unit refuses. All but the DMA take an instruction first, and the next may have come
// to the port by then.
IllegalCode refused(const Context& c, std::span<const Opcode> opcodes, ErrorCode cause,
                    void (*change)(const Context&, Operation&)) {
  IllegalCode code = changed(c, opcodes, cause, change);
  code.error.may_be_behind = true;
  return code;
}

IllegalCode encoded(std::vector<isa::Encoded> words, ErrorCode cause, std::optional<size_t> index) {
  IllegalCode code;
  code.words = std::move(words);
  code.error = {cause, index, Unit::kSched, false};
  return code;
}

isa::Encoded scheduler(Opcode opcode, uint8_t rd, uint8_t rs, uint64_t imm) {
  Instruction in;
  in.opcode = opcode;
  in.rd = rd;
  in.rs = rs;
  in.imm = imm;
  return isa::encode(in);
}

// Where a local operand of the opcode is counted, one past its last place.
uint64_t& act_operand(Operation& op) { return *op.a0; }

#define PIMLLM_CASE(name) \
  IllegalCode name(const HardwareParameters& h, const Window& w, const MemoryMap& m, std::mt19937_64& rng)

PIMLLM_CASE(unknown_opcode) {
  const Context c{h, w, m, rng};
  static constexpr std::array<uint64_t, 9> kFree = {21, 30, 31, 38, 42, 46, 47, 55, 63};
  return encoded({{(rng() & ~uint64_t{0x3F}) | kFree[c.below(kFree.size())], rng()}},
                 ErrorCode::kIllegalOpcode, 0);
}

PIMLLM_CASE(zero_count) {
  static constexpr std::array kOpcodes = {Opcode::kXbar,    Opcode::kXprog, Opcode::kQk,    Opcode::kPv,
                                          Opcode::kSoftmax, Opcode::kNorm,  Opcode::kQuant, Opcode::kJoin,
                                          Opcode::kResadd,  Opcode::kActfn, Opcode::kEmbed, Opcode::kLogit,
                                          Opcode::kSmaxscan};
  return changed({h, w, m, rng}, kOpcodes, ErrorCode::kIllegalOpcode,
                 [](const Context&, Operation& op) { op.count = 0; });
}

PIMLLM_CASE(address_beyond_act) {
  static constexpr std::array kOpcodes = {Opcode::kXbar,   Opcode::kXprog, Opcode::kNorm, Opcode::kQuant,
                                          Opcode::kResadd, Opcode::kActfn, Opcode::kEmbed};
  return changed({h, w, m, rng}, kOpcodes, ErrorCode::kBadAddress, [](const Context& c, Operation& op) {
    const auto words = static_cast<uint64_t>(c.h.act_words);
    act_operand(op) = words + c.below(65536 - words);
  });
}

PIMLLM_CASE(end_beyond_act) {
  static constexpr std::array kOpcodes = {Opcode::kNorm, Opcode::kQuant, Opcode::kResadd, Opcode::kActfn,
                                          Opcode::kXbar};
  return refused({h, w, m, rng}, kOpcodes, ErrorCode::kBadAddress, [](const Context& c, Operation& op) {
    const auto words = static_cast<uint64_t>(c.h.act_words);
    (op.opcode == Opcode::kXbar ? *op.a1 : *op.a0) = words - 1;
    op.count = static_cast<uint16_t>(std::max<uint16_t>(op.count, 2));
    if (op.opcode == Opcode::kQuant) op.mode |= 0x70;   // one group
    if (op.opcode == Opcode::kQuant) op.mode &= 0x77U;  // not into KV
  });
}

PIMLLM_CASE(address_beyond_scr) {
  static constexpr std::array kOpcodes = {Opcode::kQk,       Opcode::kPv,   Opcode::kSoftmax,
                                          Opcode::kSmaxscan, Opcode::kJoin, Opcode::kLogit};
  return changed({h, w, m, rng}, kOpcodes, ErrorCode::kBadAddress, [](const Context& c, Operation& op) {
    const auto halves = static_cast<uint64_t>(2 * c.h.scr_words);
    *op.a0 = halves + 2 * c.below((65536 - halves) / 2);
  });
}

PIMLLM_CASE(end_beyond_scr) {
  static constexpr std::array kOpcodes = {Opcode::kSoftmax, Opcode::kSmaxscan, Opcode::kJoin};
  return refused({h, w, m, rng}, kOpcodes, ErrorCode::kBadAddress, [](const Context& c, Operation& op) {
    if (op.opcode != Opcode::kJoin) op.count = static_cast<uint16_t>(c.h.array_cols + 1);
    *op.a0 = static_cast<uint64_t>(2 * c.h.scr_words) - 2;
  });
}

PIMLLM_CASE(scale_beyond_scl) {
  static constexpr std::array kOpcodes = {Opcode::kSoftmax, Opcode::kNorm,  Opcode::kQuant, Opcode::kJoin,
                                          Opcode::kResadd,  Opcode::kActfn, Opcode::kEmbed, Opcode::kLogit};
  return changed({h, w, m, rng}, kOpcodes, ErrorCode::kBadAddress, [](const Context& c, Operation& op) {
    op.s0 = static_cast<uint64_t>(c.h.scl_words) + c.below(1000);
  });
}

PIMLLM_CASE(transfer_beyond_space) {
  static constexpr std::array kOpcodes = {Opcode::kLoadl, Opcode::kStorel, Opcode::kLoadt, Opcode::kStoret};
  return refused({h, w, m, rng}, kOpcodes, ErrorCode::kBadAddress, [](const Context& c, Operation& op) {
    if (op.opcode == Opcode::kLoadt || op.opcode == Opcode::kStoret) {
      *op.a0 = static_cast<uint64_t>(c.h.kv_rows) - *op.s0 + 1;
      return;
    }
    const std::array words = {c.h.act_words, c.h.scr_words, c.h.kvs_words, c.h.scl_words};
    const auto space = static_cast<size_t>(op.mode & 3);
    *op.a0 = (static_cast<uint64_t>(words[space]) - 1) * (space == 1 ? 2 : 1);
    op.count = static_cast<uint16_t>(op.count + 1);
  });
}

PIMLLM_CASE(unaligned_memory) {
  static constexpr std::array kOpcodes = {Opcode::kLoadl, Opcode::kStorel, Opcode::kLoadt, Opcode::kStoret};
  return refused({h, w, m, rng}, kOpcodes, ErrorCode::kBadAddress, [](const Context& c, Operation& op) {
    *op.a1 += 1 + c.below(static_cast<uint64_t>(c.h.channel_bytes) - 1);
  });
}

PIMLLM_CASE(odd_score_address) {
  static constexpr std::array kOpcodes = {Opcode::kSoftmax, Opcode::kSmaxscan, Opcode::kJoin, Opcode::kLogit};
  return refused({h, w, m, rng}, kOpcodes, ErrorCode::kBadOperand,
                 [](const Context&, Operation& op) { *op.a0 |= 1; });
}

PIMLLM_CASE(odd_result_address) {
  static constexpr std::array kOpcodes = {Opcode::kQk, Opcode::kPv};
  return refused({h, w, m, rng}, kOpcodes, ErrorCode::kBadAddress,
                 [](const Context&, Operation& op) { *op.a2 |= 1; });
}

PIMLLM_CASE(bad_dims) {
  static constexpr std::array kOpcodes = {Opcode::kQk, Opcode::kPv};
  return refused({h, w, m, rng}, kOpcodes, ErrorCode::kBadOperand, [](const Context& c, Operation& op) {
    if (op.opcode == Opcode::kQk) {
      op.s0 = c.below(2) == 0 ? 0 : *op.s0 + 1;
    } else {
      op.s0 = c.below(2) == 0 ? 0 : 3;
    }
  });
}

PIMLLM_CASE(bad_query_rows) {
  static constexpr std::array kOpcodes = {Opcode::kQk, Opcode::kPv};
  return refused({h, w, m, rng}, kOpcodes, ErrorCode::kBadOperand, [](const Context& c, Operation& op) {
    op.mode = static_cast<uint8_t>((op.mode & ~0x18U) | 1U);
    const uint64_t m = c.below(2) == 0 ? 0 : static_cast<uint64_t>(c.h.array_rows) + 1 + c.below(100);
    op.s2 = (*op.s2 & ~uint64_t{0xFFFF}) | m;
  });
}

PIMLLM_CASE(no_row_tiles) {
  static constexpr std::array kOpcodes = {Opcode::kXbar};
  return refused({h, w, m, rng}, kOpcodes, ErrorCode::kBadOperand,
                 [](const Context&, Operation& op) { op.s1 = 0; });
}

PIMLLM_CASE(crossbar_beyond) {
  static constexpr std::array kOpcodes = {Opcode::kXbar, Opcode::kXprog};
  return refused({h, w, m, rng}, kOpcodes, ErrorCode::kBadAddress, [](const Context& c, Operation& op) {
    op.s0 = static_cast<uint64_t>(c.h.crossbars()) + c.below(16);
  });
}

PIMLLM_CASE(no_tile_rows) {
  static constexpr std::array kOpcodes = {Opcode::kLoadt, Opcode::kStoret};
  return refused({h, w, m, rng}, kOpcodes, ErrorCode::kBadOperand,
                 [](const Context&, Operation& op) { op.s0 = 0; });
}

PIMLLM_CASE(bad_vector_mode) {
  static constexpr std::array kOpcodes = {Opcode::kQuant, Opcode::kActfn, Opcode::kJoin};
  return refused({h, w, m, rng}, kOpcodes, ErrorCode::kBadOperand, [](const Context&, Operation& op) {
    switch (op.opcode) {
      case Opcode::kQuant:
        op.mode = static_cast<uint8_t>((op.mode & 0xFU) | 3U);  // a known maximum of a head
        break;
      case Opcode::kActfn:
        op.mode |= 12;  // gated and with bias
        break;
      default:
        op.mode |= 0x70;
    }
  });
}

PIMLLM_CASE(part_of_a_head) {
  static constexpr std::array kOpcodes = {Opcode::kQuant, Opcode::kJoin};
  return refused({h, w, m, rng}, kOpcodes, ErrorCode::kBadOperand, [](const Context&, Operation& op) {
    op.mode = static_cast<uint8_t>((op.mode & 0xFU) | 0x10U);
    op.count = static_cast<uint16_t>(op.count | 1);
  });
}

PIMLLM_CASE(bad_host_register) {
  const Context c{h, w, m, rng};
  static constexpr std::array<uint64_t, 4> kNone = {3, 9, 17, 1ULL << 40};
  if (c.below(2) == 0) {
    return encoded({scheduler(Opcode::kCsrr, 2, 0, kNone[c.below(4)])}, ErrorCode::kBadOperand, 0);
  }
  static constexpr std::array<uint64_t, 4> kReadOnly = {0, 4, 7, 1ULL << 47};
  return encoded({scheduler(Opcode::kCsrw, 0, 2, kReadOnly[c.below(4)])}, ErrorCode::kBadOperand, 0);
}

PIMLLM_CASE(empty_loop) {
  static_cast<void>(h), static_cast<void>(w), static_cast<void>(m);
  return encoded({scheduler(Opcode::kLi, 28, 0, 1 + rng() % 9), scheduler(Opcode::kLoop, 0, 28, 0)},
                 ErrorCode::kBadOperand, 1);
}

PIMLLM_CASE(deep_loops) {
  static_cast<void>(h), static_cast<void>(w), static_cast<void>(m), static_cast<void>(rng);
  std::vector<isa::Encoded> words = {scheduler(Opcode::kLi, 28, 0, 2)};
  for (uint64_t i = 0; i < 5; ++i) words.push_back(scheduler(Opcode::kLoop, 0, 28, 20 - 2 * i));
  return encoded(std::move(words), ErrorCode::kLoopNesting, 5);
}

PIMLLM_CASE(semaphore_overflow) {
  static_cast<void>(h), static_cast<void>(w), static_cast<void>(m), static_cast<void>(rng);
  Instruction post;
  post.opcode = Opcode::kPost;
  post.sig0 = 31;
  IllegalCode code = encoded(std::vector<isa::Encoded>(isa::kSemaphoreLimit + 1, isa::encode(post)),
                             ErrorCode::kSemaphore, isa::kSemaphoreLimit);
  code.alone = true;
  return code;
}

PIMLLM_CASE(token_never_given) {
  static_cast<void>(h), static_cast<void>(w), static_cast<void>(m), static_cast<void>(rng);
  Instruction wait;
  wait.opcode = Opcode::kWait;
  wait.wait0 = static_cast<uint8_t>(1 + rng() % (isa::kSemaphores - 1));
  IllegalCode code = encoded({isa::encode(wait)}, ErrorCode::kWatchdog, 0);
  code.alone = true;
  return code;
}

#undef PIMLLM_CASE

}  // namespace

std::span<const IllegalCase> illegal_cases() {
  static constexpr std::array kCases = {
      IllegalCase{"unknown opcode", unknown_opcode},
      IllegalCase{"zero count", zero_count},
      IllegalCase{"address beyond ACT", address_beyond_act},
      IllegalCase{"end beyond ACT", end_beyond_act},
      IllegalCase{"address beyond SCR", address_beyond_scr},
      IllegalCase{"end beyond SCR", end_beyond_scr},
      IllegalCase{"scale beyond SCL", scale_beyond_scl},
      IllegalCase{"transfer beyond its space", transfer_beyond_space},
      IllegalCase{"unaligned memory address", unaligned_memory},
      IllegalCase{"odd address of full words", odd_score_address},
      IllegalCase{"odd address of array results", odd_result_address},
      IllegalCase{"dims or chunks of the array", bad_dims},
      IllegalCase{"query rows", bad_query_rows},
      IllegalCase{"no row tiles", no_row_tiles},
      IllegalCase{"crossbar beyond the last", crossbar_beyond},
      IllegalCase{"no tile rows", no_tile_rows},
      IllegalCase{"mode of the vector unit", bad_vector_mode},
      IllegalCase{"part of a head", part_of_a_head},
      IllegalCase{"host register", bad_host_register},
      IllegalCase{"empty loop", empty_loop},
      IllegalCase{"loops too deep", deep_loops},
      IllegalCase{"semaphore overflow", semaphore_overflow},
      IllegalCase{"token never given", token_never_given},
  };
  return kCases;
}

}  // namespace pimllm::tb

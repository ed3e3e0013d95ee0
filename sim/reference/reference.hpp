// The instruction-level reference: runs a compiled program on golden's operators, with the machine's
// scratchpad spaces and memory, instruction by instruction. Meanings: docs/isa.md; bits: docs/numerics.md;
// places: docs/architecture.md.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "golden/crossbar.hpp"
#include "models/compiler/compiler.hpp"
#include "models/compiler/hardware.hpp"
#include "models/isa/instruction.hpp"
#include "models/isa/scalar_core.hpp"
#include "sim/reference/hazards.hpp"

namespace pimllm {

// One word written by an instruction. Bytes with mask 0 are not defined by the instruction set.
struct Write {
  Space space = Space::kAct;
  uint32_t bank = 0;  // KV: the bank; else 0
  uint64_t address =
      0;  // word of the space (SCR: full word, KV: row of the bank); memory: byte address of a beat
  std::vector<uint8_t> bytes;
  std::vector<uint8_t> mask;  // 1: written

  friend bool operator==(const Write&, const Write&) = default;
};

struct HostRegisters {
  uint64_t token_in = 0;
  uint64_t position = 0;
  uint64_t tokens_left = 0;
  std::array<uint64_t, 4> arg{};
  uint64_t token_out = 0;
  uint64_t token_count = 0;
};

// A unit instruction in program order.
struct Issued {
  isa::UnitCommand command;
  isa::Instruction instruction;
  isa::Unit unit = isa::Unit::kSched;
  size_t index = 0;  // in the program
};

class Reference {
 public:
  // `crossbar` gives rows per conversion, LSB shift and ADC bits; its xbar_rows are the machine's.
  Reference(const HardwareParameters& hardware, const CrossbarSettings& crossbar);

  // Memory from the lowest to the highest address of the segments; replaces what was there.
  void load(std::span<const MemorySegment> segments);

  HostRegisters& host() { return host_; }

  // Other settings of the crossbars for the programs to come; what is programmed stays.
  void set_crossbar(const CrossbarSettings& crossbar);

  // --- execution of a command, in any legal order of commands ---

  // Executes one resolved instruction and returns its writes, each byte at most once. Throws Error for
  // operands that the machine refuses.
  std::vector<Write> execute(const isa::UnitCommand& command);
  // Token id of the last LOGIT's running maximum.
  int argmax() const { return argmax_; }

  // --- the scheduler, in program order ---

  // Starts at an address; registers, semaphores and the count of tokens are zero.
  void start(uint64_t program_base);
  // Runs scheduler instructions up to the next unit instruction and takes and gives its semaphores; nothing
  // at HALT. Throws Error if program order is not a legal order (a semaphore is empty), on overflow, and for
  // what the scheduler refuses. The caller executes the command before it asks for the next.
  std::optional<Issued> next();

  // start, then next and execute up to HALT. The observer is called after each instruction.
  using Observer = std::function<void(const Issued&, const std::vector<Write>&)>;
  void run(uint64_t program_base, const Observer& observer = {});

  // Checks, from now on, that semaphores order every two accesses of which one is a write (hazards.hpp).
  HazardChecker& check_hazards() {
    hazards_ = std::make_unique<HazardChecker>();
    return *hazards_;
  }

  // --- state ---

  // All bytes of a space; KV: bank after bank.
  std::span<uint8_t> bytes(Space space);
  std::span<const uint8_t> memory(uint64_t address, size_t size) const;
  uint32_t scalar(size_t word) const;
  uint64_t adc_clips() const { return adc_clips_; }
  uint64_t instructions() const { return instructions_; }
  std::span<const uint64_t, isa::kRegisters> registers() const { return core_.registers(); }

 private:
  size_t word_bytes(Space space) const;
  size_t words(Space space) const;
  size_t checked(Space space, uint64_t word, uint64_t count) const;
  void note_read(Space space, uint64_t word, uint64_t count);
  void note_write(Space space, uint64_t word, uint64_t count);

  std::vector<int32_t> read_act(uint64_t word, size_t words);
  std::vector<int32_t> read_scr(uint64_t half_word, size_t words);
  uint32_t read_scl(uint64_t word);
  Scale read_scale(uint64_t word) { return sf_unpack(read_scl(word)); }
  std::vector<Scale> read_kvs(uint64_t word);
  void write_bytes(Space space, uint64_t byte, std::span<const uint8_t> data, uint32_t bank = 0);
  void write_words(Space space, uint64_t word, std::span<const int32_t> values);
  void write_scl(uint64_t word, uint32_t value, size_t defined = 4);
  uint8_t* kv_word(size_t bank, uint64_t row);
  std::span<uint8_t> memory_span(uint64_t address, size_t size);

  void load_tiles(const isa::UnitCommand& cmd);
  void store_tile(const isa::UnitCommand& cmd);
  void linear(const isa::UnitCommand& cmd, bool load);
  void project(const isa::UnitCommand& cmd);
  void program_rows(const isa::UnitCommand& cmd);
  void array(const isa::UnitCommand& cmd, bool pv);
  void softmax(const isa::UnitCommand& cmd, bool scan_only);
  void norm(const isa::UnitCommand& cmd);
  void quantise(const isa::UnitCommand& cmd);
  void join(const isa::UnitCommand& cmd);
  void keep(const isa::UnitCommand& cmd, uint8_t bit, std::span<const int32_t> values);
  void check_kept(std::string_view name, std::span<const int32_t> values) const;
  void residual(const isa::UnitCommand& cmd);
  void activation(const isa::UnitCommand& cmd);
  void embedding(const isa::UnitCommand& cmd);
  void logits(const isa::UnitCommand& cmd);

  void take(uint8_t semaphore, isa::Unit unit);
  void give(uint8_t semaphore, isa::Unit unit);
  uint64_t csr_read(uint64_t csr) const;
  void csr_write(uint64_t csr, uint64_t value);

  HardwareParameters h_;
  CrossbarSettings settings_;
  std::array<std::vector<uint8_t>, 5> spaces_;  // ACT, SCR, KVS, SCL, KV
  uint64_t memory_base_ = 0;
  std::vector<uint8_t> memory_;
  std::vector<int8_t> cells_;  // [crossbar][row][column]
  struct Matrix {
    CrossbarMatrix matrix;
    size_t inputs = 0;  // rows up to the last with a weight
  };
  std::map<std::tuple<uint16_t, uint16_t, uint16_t>, Matrix>
      matrices_;  // by first crossbar, row tiles, words
  int argmax_ = 0;
  struct Kept {
    int64_t max = 0, sum = 0;
    void add(std::span<const int32_t> values);
  };
  Kept kept_;  // of what JOIN, RESADD, EMBED and ACTFN wrote
  int32_t largest_ = 0;
  uint64_t adc_clips_ = 0;
  uint64_t instructions_ = 0;

  HostRegisters host_;
  isa::ScalarCore core_;
  std::array<int, isa::kSemaphores> semaphores_{};
  uint64_t program_base_ = 0;
  std::map<size_t, isa::Instruction> decoded_;

  std::vector<Write>* writes_ = nullptr;
  std::unordered_map<uint64_t, size_t> written_;  // space, bank, word -> place in *writes_
  std::unique_ptr<HazardChecker> hazards_;
};

}  // namespace pimllm

// Decodes tokens on a machine as any AXI host would: memory image, registers, start, wait, read the logits.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/compiler/compiler.hpp"
#include "sim/machine/machine.hpp"
#include "sim/reference/checker.hpp"

namespace pimllm::sim {

// Counters of the machine since they were cleared; names are those of the register map ("PIM_BUSY", ...).
using Counters = std::map<std::string, uint64_t>;

class Decoder {
 public:
  // Loads the image and runs the init program. The machine must have the compiled model's parameters; throws
  // Error otherwise, or if the machine stops with an error. With a checker (may be null) everything is
  // compared.
  Decoder(const CompiledModel& model, Machine& machine, Checker* checker = nullptr);
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  // Decodes one token at the next position; logits [vocab_size] with 16 fraction bits, valid until the next
  // call. Throws Error if the context is full or the machine stops.
  std::span<const int32_t> step(int32_t token);

  // Decodes a prompt token, whose logits nobody asks for.
  void feed(int32_t token);

  // Decodes a block of prompt tokens at once by the prefill program, from a position that is a multiple of
  // the block. Throws Error if the model was compiled without prefill, or the block has another size.
  void prefill(std::span<const int32_t> block);

  // Decodes prompt tokens, whose logits nobody asks for: in blocks where the model has a prefill program, the
  // others one by one. `on_tokens` is called with the number of tokens after each of them.
  void prompt(std::span<const int32_t> tokens, const std::function<void(size_t)>& on_tokens = {});

  // Decodes `token` and then lets the machine go on by itself until it has made `count` tokens; each is
  // reported as it comes. `on_cycles` is called now and then.
  void generate(int32_t token, int count, const std::function<void(int32_t)>& on_token,
                const std::function<void()>& on_cycles = {});

  // The next token is the one at this position, 0 to begin a sequence.
  void jump(int position) { position_ = position; }
  int position() const { return position_; }

  // After an error: soft reset, and the init program again. A new sequence begins at position 0. Throws Error
  // if the machine does not come to rest. Not with a checker, whose reference stopped in the middle.
  void recover();

  Counters counters();
  void clear_counters();

  // Gives up when a run takes longer; in cycles.
  void set_limit(uint64_t cycles) { limit_ = cycles; }

 private:
  void start(const CompiledProgram& program, const HostRegisters& host);
  // Steps until the machine is done; throws Error with cause and instruction if it stopped.
  void finish(const CompiledProgram& program, const std::function<void()>& each = {});
  [[noreturn]] void report_error(const CompiledProgram& program);
  void begin_token(int32_t token, uint32_t tokens_left, bool head);
  void read_logits();
  void check_token(int32_t token) const;

  const CompiledModel& model_;
  Machine& machine_;
  Checker* checker_;
  int position_ = 0;
  uint64_t limit_ = 100'000'000;
  std::vector<int32_t> logits_;
};

}  // namespace pimllm::sim

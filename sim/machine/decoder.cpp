#include "sim/machine/decoder.hpp"

#include <fmt/format.h>

#include "golden/error.hpp"
#include "models/isa/pimllm_regs.h"
#include "sim/machine/registers.hpp"

namespace pimllm::sim {
namespace {

constexpr uint64_t kPollCycles = 64;
constexpr uint64_t kResetCycles = 100'000;     // a soft reset waits for the answers of memory
constexpr uint32_t kWatchdogCycles = 100'000;  // far beyond any instruction and any memory

std::string_view cause_name(uint32_t cause) {
  constexpr std::array<std::string_view, 10> kNames = {"none",
                                                       "illegal opcode",
                                                       "bad address",
                                                       "bus error on a read",
                                                       "bus error on a write",
                                                       "bus error on an instruction fetch",
                                                       "semaphore overflow",
                                                       "loop nesting",
                                                       "watchdog",
                                                       "bad operand"};
  return cause < kNames.size() ? kNames[cause] : "unknown";
}

}  // namespace

Decoder::Decoder(const CompiledModel& model, Machine& machine, Checker* checker)
    : model_(model), machine_(machine), checker_(checker) {
  machine_.listen(checker_);
  if (checker_ != nullptr) checker_->use_clock([&machine] { return machine.cycles(); });
  const auto expect = [&](std::string_view name, int expected) {
    const auto found = machine_.read_register(register_address(name));
    if (found != static_cast<uint32_t>(expected)) {
      fail("register {}: the program was compiled for {}, the machine has {}", name, expected, found);
    }
  };
  const auto& hw = model.hardware;
  expect("ID", PIMLLM_REGS__ID__MAGIC_reset);
  expect("ARRAY_ROWS", hw.array_rows);
  expect("ARRAY_COLS", hw.array_cols);
  expect("MEM_CHANNELS", hw.mem_channels);
  expect("CHANNEL_BYTES", hw.channel_bytes);
  expect("XBAR_ROWS", hw.xbar_rows);
  expect("XBAR_COLS", hw.xbar_cols);
  expect("XBAR_SETS", hw.xbar_sets);
  expect("XBAR_SLOTS", hw.xbar_slots);
  expect("VEC_LANES", hw.vec_lanes);
  expect("KV_ROWS", hw.kv_rows);
  expect("ACT_WORDS", hw.act_words);
  expect("SCR_WORDS", hw.scr_words);
  expect("KVS_WORDS", hw.kvs_words);
  expect("SCL_WORDS", hw.scl_words);
  for (const auto& segment : model.segments) machine_.memory().write(segment.address, segment.bytes);
  for (const auto& write : model.registers) {
    machine_.write_register(register_address(write.name), static_cast<uint32_t>(write.value));
  }
  machine_.write_register(register_address("WATCHDOG_LIMIT"), kWatchdogCycles);
  machine_.write_register(register_address("IRQ_ENABLE"), ~uint32_t{0});
  start(model.init, {});
  finish(model.init);
}

Decoder::~Decoder() {
  machine_.listen(nullptr);
  if (checker_ != nullptr) checker_->use_clock({});
}

void Decoder::start(const CompiledProgram& program, const HostRegisters& host) {
  if (checker_ != nullptr) checker_->on_start(program, host);
  machine_.write_register(register_address("PROGRAM_BASE_LO"), static_cast<uint32_t>(program.address));
  machine_.write_register(register_address("PROGRAM_BASE_HI"), static_cast<uint32_t>(program.address >> 32));
  machine_.write_register(register_address("IRQ_STATE"), ~uint32_t{0});
  machine_.write_register(register_address("CONTROL"), PIMLLM_REGS__CONTROL__START_bm);
}

void Decoder::finish(const CompiledProgram& program, const std::function<void()>& each) {
  const uint64_t begin = machine_.cycles();
  const uint32_t status_address = register_address("STATUS");
  for (;;) {
    if (machine_.irq() || (machine_.cycles() - begin) % (16 * kPollCycles) == 0) {
      const uint32_t status = machine_.read_register(status_address);
      if ((status & PIMLLM_REGS__STATUS__ERROR_bm) != 0) report_error(program);
      if (each) each();
      if ((status & PIMLLM_REGS__STATUS__DONE_bm) != 0) {
        if (checker_ != nullptr) checker_->on_finish();
        return;
      }
      if (machine_.irq()) machine_.write_register(register_address("IRQ_STATE"), ~uint32_t{0});
    }
    machine_.step();
    if (machine_.cycles() - begin > limit_) {
      fail("program {}: expected the end within {} cycles, still running", program.name, limit_);
    }
  }
}

void Decoder::report_error(const CompiledProgram& program) {
  const uint32_t error = machine_.read_register(register_address("ERROR_CAUSE"));
  const uint32_t cause = error & PIMLLM_REGS__ERROR_CAUSE__CAUSE_bm;
  const auto unit = static_cast<isa::Unit>((error & PIMLLM_REGS__ERROR_CAUSE__UNIT_bm) >>
                                           PIMLLM_REGS__ERROR_CAUSE__UNIT_bp);
  const uint64_t address =
      static_cast<uint64_t>(machine_.read_register(register_address("ERROR_PC"))) * isa::kInstructionBytes;
  const uint64_t index = (address - program.address) / isa::kInstructionBytes;
  std::string text = "?";
  if (address >= program.address && index < program.words.size()) {
    text = isa::disassemble(isa::decode(program.words[index]), index, program.symbols);
  }
  const std::string what = fmt::format("the machine stopped: {} at {:#x}, instruction {} of program {}: {}",
                                       cause_name(cause), address, index, program.name, text);
  if (checker_ == nullptr) fail("{}", what);
  const bool hangs = cause == static_cast<uint32_t>(isa::ErrorCode::kWatchdog);
  machine_.end_trace();
  checker_->on_stop(what, std::string(cause_name(cause)), unit,
                    hangs ? std::nullopt : std::optional<size_t>(index));
}

void Decoder::recover() {
  if (checker_ != nullptr) fail("recovery: expected a machine without a checker, found one");
  machine_.write_register(register_address("CONTROL"), PIMLLM_REGS__CONTROL__SOFT_RESET_bm);
  const uint64_t begin = machine_.cycles();
  while ((machine_.read_register(register_address("STATUS")) & PIMLLM_REGS__STATUS__BUSY_bm) != 0) {
    if (machine_.cycles() - begin > kResetCycles) {
      fail("soft reset: expected an idle machine within {} cycles, it is still busy", kResetCycles);
    }
  }
  position_ = 0;
  start(model_.init, {});
  finish(model_.init);
}

void Decoder::check_token(int32_t token) const {
  if (token < 0 || token >= model_.config.vocab_size) {
    fail("token: expected an id below {}, found {}", model_.config.vocab_size, token);
  }
}

void Decoder::begin_token(int32_t token, uint32_t tokens_left, bool head) {
  check_token(token);
  if (position_ >= model_.layout.context) {
    fail("position: the context holds {} tokens, it is full", model_.layout.context);
  }
  machine_.write_register(register_address("TOKEN_IN"), static_cast<uint32_t>(token));
  machine_.write_register(register_address("POSITION"), static_cast<uint32_t>(position_));
  machine_.write_register(register_address("TOKENS_LEFT"), tokens_left);
  const uint64_t arg0 = head ? 0 : kArgNoHead;
  machine_.write_register(register_address("ARG0"), static_cast<uint32_t>(arg0));
  HostRegisters host;
  host.token_in = static_cast<uint64_t>(token);
  host.position = static_cast<uint64_t>(position_);
  host.tokens_left = tokens_left;
  host.arg[0] = arg0;
  start(model_.step, host);
}

void Decoder::read_logits() {
  logits_.resize(static_cast<size_t>(model_.config.vocab_size));
  machine_.memory().read(model_.layout.logits_address,
                         {reinterpret_cast<uint8_t*>(logits_.data()), logits_.size() * sizeof(int32_t)});
}

std::span<const int32_t> Decoder::step(int32_t token) {
  begin_token(token, 0, true);
  finish(model_.step);
  ++position_;
  read_logits();
  return logits_;
}

void Decoder::feed(int32_t token) {
  begin_token(token, 0, false);
  finish(model_.step);
  ++position_;
}

void Decoder::prefill(std::span<const int32_t> block) {
  const int size = model_.options.prefill_tokens;
  if (size == 0) fail("prefill: expected a model compiled with prefill tokens, found none");
  if (block.size() != static_cast<size_t>(size)) {
    fail("prefill: expected a block of {} tokens, found {}", size, block.size());
  }
  if (position_ % size != 0) fail("prefill: expected a position in steps of {}, found {}", size, position_);
  if (position_ + size > model_.layout.context) {
    fail("prefill: the context holds {} tokens, expected room for {} at position {}", model_.layout.context,
         size, position_);
  }
  for (const int32_t token : block) check_token(token);
  const PrefillArguments arguments = prefill_arguments(block);
  HostRegisters host;
  host.token_in = arguments[0];
  host.position = static_cast<uint64_t>(position_);
  machine_.write_register(register_address("TOKEN_IN"), static_cast<uint32_t>(arguments[0]));
  machine_.write_register(register_address("POSITION"), static_cast<uint32_t>(position_));
  static constexpr std::array<std::array<std::string_view, 2>, 3> kArguments = {
      {{"ARG1", "ARG1_HI"}, {"ARG2", "ARG2_HI"}, {"ARG3", "ARG3_HI"}}};
  for (size_t i = 0; i < kArguments.size(); ++i) {
    host.arg[i + 1] = arguments[i + 1];
    machine_.write_register(register_address(kArguments[i][0]), static_cast<uint32_t>(arguments[i + 1]));
    machine_.write_register(register_address(kArguments[i][1]),
                            static_cast<uint32_t>(arguments[i + 1] >> 32));
  }
  start(model_.prefill, host);
  finish(model_.prefill);
  position_ += size;
}

void Decoder::prompt(std::span<const int32_t> tokens, const std::function<void(size_t)>& on_tokens) {
  const int block = model_.options.prefill_tokens;
  while (!tokens.empty()) {
    const bool whole = block != 0 && position_ % block == 0 && tokens.size() >= static_cast<size_t>(block);
    const size_t taken = whole ? static_cast<size_t>(block) : 1;
    if (whole) {
      prefill(tokens.first(taken));
    } else {
      feed(tokens.front());
    }
    tokens = tokens.subspan(taken);
    if (on_tokens) on_tokens(taken);
  }
}

void Decoder::generate(int32_t token, int count, const std::function<void(int32_t)>& on_token,
                       const std::function<void()>& on_cycles) {
  begin_token(token, static_cast<uint32_t>(count - 1), true);
  uint32_t reported = 0;
  const uint32_t count_address = register_address("TOKEN_COUNT"), out_address = register_address("TOKEN_OUT");
  finish(model_.step, [&] {
    if (on_cycles) on_cycles();
    const uint32_t made = machine_.read_register(count_address);
    if (made == reported) return;
    if (made != reported + 1)
      fail("register TOKEN_COUNT: expected {}, found {}: a token was missed", reported + 1, made);
    reported = made;
    ++position_;
    on_token(static_cast<int32_t>(machine_.read_register(out_address)));
  });
}

Counters Decoder::counters() {
  Counters out;
  for (const auto name : counter_names()) {
    const uint64_t low = machine_.read_register(register_address(std::string(name) + "_LO"));
    const uint64_t high = machine_.read_register(register_address(std::string(name) + "_HI"));
    out[std::string(name)] = high << 32 | low;
  }
  return out;
}

void Decoder::clear_counters() {
  machine_.write_register(register_address("CONTROL"), PIMLLM_REGS__CONTROL__CLEAR_COUNTERS_bm);
}

}  // namespace pimllm::sim

#include "tb/program/session.hpp"

#include <fmt/format.h>
#include <verilated.h>

#include <algorithm>

#include "golden/error.hpp"
#include "models/isa/pimllm_regs.h"
#include "sim/machine/registers.hpp"
#include "tb/program/generator.hpp"

namespace pimllm::tb {
namespace {

using isa::Unit;

constexpr uint32_t kWatchdogCycles = 6000;
constexpr uint64_t kLimitCycles = 400'000;
constexpr uint64_t kResetCycles = 100'000;
constexpr uint64_t kPollCycles = 512;
constexpr int kErrorLimit = 1 << 30;

size_t at(Unit unit) { return static_cast<size_t>(unit); }

std::string error_name(uint32_t cause) {
  static constexpr std::array<std::string_view, 10> kNames = {"none",
                                                              "illegal opcode",
                                                              "bad address",
                                                              "bus error on a read",
                                                              "bus error on a write",
                                                              "bus error on a fetch",
                                                              "semaphore",
                                                              "loop nesting",
                                                              "watchdog",
                                                              "bad operand"};
  return fmt::format("error {} ({})", cause, cause < kNames.size() ? kNames[cause] : "unknown");
}

// The scheduler, for words that are no instructions.
Unit unit_at(const Executable& executable, uint64_t index) {
  if (index >= executable.words.size()) return Unit::kSched;
  try {
    return isa::opcode_info(isa::decode(executable.words[index]).opcode).unit;
  } catch (const Error&) {
    return Unit::kSched;
  }
}

std::string at_instruction(const Executable& executable, uint64_t index) {
  std::string text = fmt::format("instruction {}", index);
  if (index < executable.words.size()) text += fmt::format(" ({})", text_of(executable.words[index], index));
  return text;
}

}  // namespace

// Counts busy units and passes everything on to the checker; of a program that must fail, up to where the
// reference refuses it, or its unit takes it. Knows who is to blame for what is no wrong word.
class Session::Watch : public sim::Listener {
 public:
  Watch(const sim::Machine& machine, sim::Checker& checker, const Executable& executable)
      : machine_(machine),
        checker_(checker),
        name_(executable.name),
        must_fail_(executable.error.has_value()),
        last_taken_(machine.cycles()) {
    if (!must_fail_ || !executable.error->index) return;
    refused_pc_ = static_cast<uint32_t>(executable.conditions.program_address / isa::kInstructionBytes +
                                        *executable.error->index);
  }

  void on_command(Unit unit, const isa::UnitCommand& command) override {
    ++running_[at(unit)];
    last_taken_ = machine_.cycles();
    if (command.pc == refused_pc_) refused_ = true;
    guarded([&] { checker_.on_command(unit, command); });
  }
  void on_write(const sim::Write& write) override {
    guarded([&] { checker_.on_write(write); });
  }
  void on_done(Unit unit) override {
    if (running_[at(unit)] > 0) --running_[at(unit)];
    guarded([&] { checker_.on_done(unit); });
  }
  // A unit that has an instruction, if nothing goes on; none has: the scheduler gives none.
  Unit stuck() const {
    for (const Unit unit : {Unit::kDma, Unit::kPim, Unit::kArr, Unit::kSmx, Unit::kVec}) {
      if (running_[at(unit)] != 0) return unit;
    }
    return Unit::kSched;
  }
  // A failure since the last instruction that a unit took.
  sim::Difference failure(Unit unit, std::string element, std::string expected, std::string found) const {
    sim::Difference d;
    d.unit = unit;
    d.program = name_;
    d.element = std::move(element);
    d.expected = std::move(expected);
    d.found = std::move(found);
    d.issued = last_taken_;
    d.noticed = machine_.cycles();
    return d;
  }
  void count(RunResult& result) const {
    int units = 0;
    for (size_t u = 0; u < running_.size(); ++u) {
      if (running_[u] == 0) continue;
      ++units;
      ++result.busy[u];
    }
    if (units >= 2) ++result.two_busy;
  }

 private:
  template <typename Call>
  void guarded(Call&& call) {
    if (refused_) return;
    if (!must_fail_) return call();
    try {
      call();
    } catch (const sim::Mismatch&) {
      throw;
    } catch (const Error&) {
      refused_ = true;
    }
  }

  const sim::Machine& machine_;
  sim::Checker& checker_;
  std::string name_;
  bool must_fail_;
  bool refused_ = false;
  std::optional<uint32_t> refused_pc_;
  std::array<int, 6> running_{};
  uint64_t last_taken_;  // cycle
};

Session::Session(const std::string& config, sim::MachineOptions options) : options_(std::move(options)) {
  model_.hardware = hardware_preset(config);
  set_up_program_ = make_executable(make_set_up(config), model_.hardware, "set-up");
}

Session::~Session() { close(); }

void Session::close() {
  if (machine_) machine_->listen(nullptr);
  machine_.reset();
  stale_ = true;
}

uint32_t Session::get(std::string_view name) { return machine_->read_register(sim::register_address(name)); }
void Session::put(std::string_view name, uint32_t value) {
  machine_->write_register(sim::register_address(name), value);
}

RunResult Session::build() {
  close();
  machine_ = sim::make_machine(set_up_program_.conditions.config, options_);
  // A failed assertion must not end the process: it is a failure like any other, to be shrunk.
  Verilated::threadContextp()->fatalOnError(false);
  Verilated::threadContextp()->errorLimit(kErrorLimit);
  RunResult result = set_up();
  stale_ = !result.passed();
  return result;
}

RunResult Session::set_up() {
  model_.segments = set_up_program_.memory;
  model_.golden.crossbar = {};
  model_.golden.crossbar.xbar_rows = model_.hardware.xbar_rows;
  checker_ = std::make_unique<sim::Checker>(model_);
  checker_->use_clock([this] { return machine_->cycles(); });
  const Tamper tamper = std::exchange(tamper_, nullptr);
  RunResult result = execute(set_up_program_, false);
  tamper_ = tamper;
  if (!result.passed()) result.failure = fmt::format("set-up of the machine: {}", result.failure);
  return result;
}

RunResult Session::run(const Executable& executable, bool fresh) {
  if (fresh || stale_) {
    RunResult built = build();
    if (!built.passed()) return built;
  }
  RunResult result = execute(executable, true);
  if (result.passed() && executable.error) {
    try {
      soft_reset();
      const RunResult again = set_up();
      if (!again.passed()) {
        result.failure = fmt::format("after the error: {}", again.failure);
        result.difference = again.difference;
      }
    } catch (const Error& error) {
      result.failure = fmt::format("after the error: {}", error.what());
    }
  }
  if (!result.passed()) stale_ = true;
  return result;
}

void Session::prepare(const Executable& executable, bool reset) {
  const Conditions& c = executable.conditions;
  Executable of_machine = executable;
  if (tamper_ != nullptr) tamper_(of_machine);
  machine_->set_memory_timing(c.timing, c.seed);
  if (reset) machine_->reset();

  program_ = {};
  program_.name = executable.name;
  program_.address = c.program_address;
  program_.words = executable.words;
  std::vector<uint8_t> words, words_of_machine;
  for (const auto& word : executable.words) {
    for (const uint8_t byte : isa::to_bytes(word)) words.push_back(byte);
  }
  for (const auto& word : of_machine.words) {
    for (const uint8_t byte : isa::to_bytes(word)) words_of_machine.push_back(byte);
  }
  model_.segments = executable.memory;
  model_.segments.push_back({"program", c.program_address, words.size(), words});
  for (const auto& segment : of_machine.memory) {
    std::vector<uint8_t> bytes = segment.bytes;
    bytes.resize(segment.size);
    machine_->memory().write(segment.address, bytes);
  }
  machine_->memory().write(c.program_address, words_of_machine);
  machine_->memory().clear_errors();
  if (c.timing.error_at) machine_->memory().add_error(*c.timing.error_at, *c.timing.error_at + 1);

  CrossbarSettings settings;
  settings.rows_per_conversion = c.crossbar.rows_per_conversion;
  settings.lsb_shift = c.crossbar.lsb_shift;
  settings.adc_bits = c.crossbar.adc_bits;
  auto& reference = checker_->reference();
  reference.load(model_.segments);
  reference.set_crossbar(settings);
  reference.check_hazards();

  put("ROWS_PER_CONV", static_cast<uint32_t>(c.crossbar.rows_per_conversion));
  put("LSB_SHIFT", static_cast<uint32_t>(c.crossbar.lsb_shift));
  put("ADC_BITS", static_cast<uint32_t>(c.crossbar.adc_bits));
  put("WATCHDOG_LIMIT", kWatchdogCycles);
  put("IRQ_ENABLE", ~uint32_t{0});
  put("IRQ_STATE", ~uint32_t{0});
  put("PROGRAM_BASE_LO", static_cast<uint32_t>(c.program_address));
  put("PROGRAM_BASE_HI", static_cast<uint32_t>(c.program_address >> 32));
  put("TOKEN_IN", c.host.token_in);
  put("POSITION", c.host.position);
  put("TOKENS_LEFT", c.host.tokens_left);
  static constexpr std::array<std::array<std::string_view, 2>, 4> kArguments = {
      {{"ARG0", "ARG0_HI"}, {"ARG1", "ARG1_HI"}, {"ARG2", "ARG2_HI"}, {"ARG3", "ARG3_HI"}}};
  for (size_t i = 0; i < kArguments.size(); ++i) {
    put(kArguments[i][0], static_cast<uint32_t>(c.host.arg[i]));
    put(kArguments[i][1], static_cast<uint32_t>(c.host.arg[i] >> 32));
  }
}

RunResult Session::execute(const Executable& executable, bool reset) {
  RunResult result;
  const Conditions& c = executable.conditions;
  const uint64_t instructions = checker_->instructions();
  Watch watch(*machine_, *checker_, executable);
  assertions_.begin();
  try {
    machine_->listen(nullptr);
    prepare(executable, reset);
    // With a bus error the data that were lost are missing before the machine says so: nothing to compare.
    if (!c.timing.error_at) machine_->listen(&watch);
    HostRegisters host;
    host.token_in = c.host.token_in;
    host.position = c.host.position;
    host.tokens_left = c.host.tokens_left;
    host.arg = c.host.arg;
    checker_->on_start(program_, host);
    put("CONTROL", PIMLLM_REGS__CONTROL__START_bm);
    const uint64_t begin = machine_->cycles();
    while (!assertions_.any()) {
      if (machine_->irq() || (machine_->cycles() - begin) % kPollCycles == 0) {
        const uint32_t status = get("STATUS");
        if ((status & (PIMLLM_REGS__STATUS__ERROR_bm | PIMLLM_REGS__STATUS__DONE_bm)) != 0) {
          result.difference = end_of(executable, watch, status);
          break;
        }
        if (machine_->irq()) put("IRQ_STATE", ~uint32_t{0});
      }
      machine_->step();
      ++result.cycles;
      watch.count(result);
      if (result.cycles > kLimitCycles) {
        result.difference = watch.failure(watch.stuck(), "hang",
                                          fmt::format("an end within {} cycles", kLimitCycles), "none");
        break;
      }
    }
    if (const auto& d = result.difference)
      result.failure = fmt::format("{}: expected {}, found {}", d->element, d->expected, d->found);
  } catch (const sim::Mismatch& mismatch) {
    result.failure = mismatch.what();
    result.difference = mismatch.difference();
  } catch (const sim::ProtocolError& error) {
    result.failure = fmt::format("protocol: {}", error.what());
    result.difference =
        watch.failure(error.unit(), "port to memory", "the AXI protocol to be kept", error.what());
  } catch (const Error& error) {
    result.failure = error.what();
  }
  machine_->listen(nullptr);
  machine_->memory().clear_errors();
  result.instructions = checker_->instructions() - instructions;
  if (const auto failed = assertions_.end()) {
    // A wrong word of the same cycle says more.
    if (!result.difference || !result.difference->instruction)
      result.difference = watch.failure(failed->unit, "assertion " + failed->name, "to hold", "failed");
    result.failure = fmt::format("assertion: expected {} to hold{}{}", failed->name,
                                 result.failure.empty() ? "" : "; ", result.failure);
  }
  return result;
}

std::optional<sim::Difference> Session::end_of(const Executable& executable, const Watch& watch,
                                               uint32_t status) {
  const auto& expected = executable.error;
  if ((status & PIMLLM_REGS__STATUS__ERROR_bm) == 0) {
    if (expected) {
      return watch.failure(expected->unit, "end", error_name(static_cast<uint32_t>(expected->cause)), "none");
    }
    checker_->on_finish();
    if (auto difference = compare_host(watch)) return difference;
    return compare_memory(watch);
  }
  const uint32_t cause = get("ERROR_CAUSE") & PIMLLM_REGS__ERROR_CAUSE__CAUSE_bm;
  const uint64_t address = uint64_t{get("ERROR_PC")} * isa::kInstructionBytes;
  constexpr uint64_t kPcMask = (uint64_t{1} << 36) - 1;  // ERROR_PC has 32 bits of it
  const uint64_t index =
      ((address - executable.conditions.program_address) & kPcMask) / isa::kInstructionBytes;
  const std::string found = fmt::format("{} at {}", error_name(cause), at_instruction(executable, index));
  if (!expected) {
    const bool hangs = cause == static_cast<uint32_t>(isa::ErrorCode::kWatchdog);
    return watch.failure(hangs ? watch.stuck() : unit_at(executable, index), "end", "HALT", found);
  }
  const std::string wanted = error_name(static_cast<uint32_t>(expected->cause));
  if (cause != static_cast<uint32_t>(expected->cause))
    return watch.failure(expected->unit, "error", wanted, found);
  if (!expected->index || index == *expected->index) return std::nullopt;
  if (expected->may_be_behind && index > *expected->index && index < executable.words.size() &&
      unit_at(executable, index) == expected->unit) {
    return std::nullopt;
  }
  return watch.failure(expected->unit, "error",
                       fmt::format("{} at {}", wanted, at_instruction(executable, *expected->index)), found);
}

std::optional<sim::Difference> Session::compare_host(const Watch& watch) {
  const HostRegisters& host = checker_->reference().host();
  const std::array<std::pair<std::string_view, uint64_t>, 4> kExpected = {
      {{"TOKEN_OUT", host.token_out},
       {"TOKEN_COUNT", host.token_count},
       {"POSITION", host.position},
       {"TOKENS_LEFT", host.tokens_left}}};
  for (const auto& [name, expected] : kExpected) {
    if (name == "TOKEN_OUT" && host.token_count == 0) continue;
    const uint32_t found = get(name);
    if (found != expected) {
      return watch.failure(Unit::kSched, fmt::format("register {}", name), fmt::format("{:#x}", expected),
                           fmt::format("{:#x}", found));
    }
  }
  return std::nullopt;
}

std::optional<sim::Difference> Session::compare_memory(const Watch& watch) {
  for (const auto& segment : model_.segments) {
    const auto expected = checker_->reference().memory(segment.address, segment.size);
    std::vector<uint8_t> found(segment.size);
    machine_->memory().read(segment.address, found);
    const auto [e, f] = std::mismatch(expected.begin(), expected.end(), found.begin());
    if (e == expected.end()) continue;
    return watch.failure(
        Unit::kDma,
        fmt::format("memory {:#x} at the end", segment.address + static_cast<uint64_t>(e - expected.begin())),
        fmt::format("{:#04x}", *e), fmt::format("{:#04x}", *f));
  }
  return std::nullopt;
}

void Session::soft_reset() {
  put("CONTROL", PIMLLM_REGS__CONTROL__SOFT_RESET_bm);
  const uint64_t begin = machine_->cycles();
  while ((get("STATUS") & PIMLLM_REGS__STATUS__BUSY_bm) != 0) {
    if (machine_->cycles() - begin > kResetCycles) {
      fail("soft reset: expected an idle machine within {} cycles, it is still busy", kResetCycles);
    }
  }
}

}  // namespace pimllm::tb

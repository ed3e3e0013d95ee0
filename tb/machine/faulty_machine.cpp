#include "tb/machine/faulty_machine.hpp"

#include <fnmatch.h>
#include <verilated.h>
#include <verilated_syms.h>

#include "golden/error.hpp"
#include "tb/machine/test_machines.hpp"

namespace pimllm::tb {
namespace {

// A failed assertion of the RTL is printed, and the run goes on: it is the references that must notice.
constexpr int kErrorLimit = 1 << 30;

}  // namespace

FaultyMachine::FaultyMachine(uint64_t seed) : rng_(seed) {
  sim::MachineOptions options;
  options.seed = seed;
  machine_ = make_test_machine("faulty", options);
  Verilated::threadContextp()->fatalOnError(false);
  Verilated::threadContextp()->errorLimit(kErrorLimit);
}

void FaultyMachine::arm(const Injection& injection) {
  injection_ = injection;
  armed_ = true;
  counting_ = fired_ = any_written_ = false;
  seen_ = 0;
}

void FaultyMachine::listen(sim::Listener* listener) {
  next_ = listener;
  machine_->listen(listener == nullptr ? nullptr : this);
}

void FaultyMachine::on_command(isa::Unit unit, const isa::UnitCommand& command) {
  ++taken_[index(unit)];
  if (armed_ && unit == injection_.unit && ++seen_ == injection_.ordinal) {
    counting_ = true;
    at_ = cycles() + injection_.after;
    if (injection_.memory) {
      uint8_t byte = 0;
      memory().read(command.a1, {&byte, 1});
      byte = static_cast<uint8_t>(byte ^ 1U << rng_() % 8);
      memory().write(command.a1, {&byte, 1});
      at_ = cycles();
    }
  }
  if (next_ != nullptr) next_->on_command(unit, command);
}

void FaultyMachine::on_write(const sim::Write& write) {
  if (armed_ && counting_ && write.unit == injection_.unit && write.space == injection_.space) {
    written_ = write.address;
    group_ = write.group;
    any_written_ = true;
  }
  if (next_ != nullptr) next_->on_write(write);
}

void FaultyMachine::on_done(isa::Unit unit) {
  ++done_[index(unit)];
  if (next_ != nullptr) next_->on_done(unit);
}

void FaultyMachine::choose_bit() {
  std::vector<VerilatedVar*> variables;
  for (const auto& [name, scope] : *Verilated::threadContextp()->scopeNameMap()) {
    if (::fnmatch(injection_.state.scope.c_str(), name, 0) != 0) continue;
    if (auto* variable = scope->varFind(injection_.state.variable.c_str())) variables.push_back(variable);
  }
  if (variables.empty()) {
    fail("fault: expected a variable {} in scope {}, found none", injection_.state.variable,
         injection_.state.scope);
  }
  auto* variable = variables[rng_() % variables.size()];
  const size_t element = variable->entSize();
  size_t word = 0;
  if (injection_.last_write && injection_.space == Space::kKv) {
    word = written_;
  } else if (injection_.last_write) {
    // The space's banks, one behind the other.
    const auto bank_words = static_cast<size_t>(variable->elements(1));
    variable = variables.at(written_ / bank_words);
    word = written_ % bank_words;
  } else if (variable->udims() > 0) {
    word = rng_() % static_cast<size_t>(variable->elements(1));
  }
  const auto bit =
      static_cast<size_t>(injection_.state.low_bit) + rng_() % static_cast<size_t>(injection_.state.bits);
  byte_ = static_cast<uint8_t*>(variable->datap()) + word * element + bit / 8;
  mask_ = static_cast<uint8_t>(1U << bit % 8);
}

void FaultyMachine::step() {
  machine_->step();
  if (!armed_ || !counting_ || cycles() <= at_) return;
  if (injection_.last_write && !any_written_) return;
  if (!fired_) {
    fired_ = true;
    fired_at_ = cycles();
    done_then_ = done_[index(injection_.unit)];
    if (!injection_.memory) choose_bit();
  }
  struck_ = taken_[index(injection_.unit)] - done_then_;
  if (!injection_.memory) *byte_ ^= mask_;
  if (cycles() >= fired_at_ + injection_.cycles - 1) armed_ = false;
}

}  // namespace pimllm::tb

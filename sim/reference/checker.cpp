#include "sim/reference/checker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace pimllm::sim {
namespace {

// A word may be seen one done early: a unit may write for the next instruction in the cycle of the done
// before it.
constexpr int kMaxAge = 1;

size_t slot(isa::Unit unit) { return static_cast<size_t>(unit); }

std::string describe(const isa::UnitCommand& c) {
  return fmt::format("opcode {} mode {:#x} count {} a0 {} a1 {:#x} a2 {} s0 {} s1 {} s2 {:#x} pos {}",
                     static_cast<int>(c.opcode), c.mode, c.count, c.a0, c.a1, c.a2, c.s0, c.s1, c.s2, c.pos);
}

CrossbarSettings settings_of(const CompiledModel& model) { return model.golden.crossbar; }

}  // namespace

Checker::Checker(const CompiledModel& model) : model_(model), reference_(model.hardware, settings_of(model)) {
  reference_.load(model.segments);
}

void Checker::on_start(const CompiledProgram& program, const HostRegisters& host) {
  program_ = &program;
  reference_.host() = host;
  reference_.start(program.address);
  ended_ = false;
  if (on_started_) on_started_(program, host);
}

void Checker::on_finish() {
  for (const auto unit :
       {isa::Unit::kDma, isa::Unit::kPim, isa::Unit::kArr, isa::Unit::kSmx, isa::Unit::kVec}) {
    if (!running_[slot(unit)].empty())
      report(running_[slot(unit)].front(), {{}, "it to be done", "the end of the program", {}});
    expect_no_leftovers(unit, nullptr);
  }
  // What the reference still has ahead was never given to a unit.
  if (!ended_) {
    if (const auto issued = reference_.next()) {
      report({*issued, {}, {}}, {{}, "it to be issued", "the end of the program", {}}, isa::Unit::kSched);
    }
    ended_ = true;
  }
  for (const auto& queue : ahead_) {
    if (queue.empty()) continue;
    report(queue.front(), {{}, "it to be issued", "the end of the program", {}}, isa::Unit::kSched);
  }
}

void Checker::on_stop(const std::string& what, const std::string& cause, isa::Unit unit,
                      std::optional<size_t> index) const {
  const Expected* blamed = nullptr;
  for (const auto& queue : running_) {
    for (const auto& expected : queue) {
      const bool named = !index || (expected.issued.unit == unit && expected.issued.index == *index);
      if (named && (blamed == nullptr || *expected.taken < *blamed->taken)) blamed = &expected;
    }
  }
  Difference difference{.unit = unit,
                        .program = program_->name,
                        .instruction = {},
                        .text = {},
                        .element = "end",
                        .expected = "HALT",
                        .found = cause,
                        .issued = last_event_,
                        .written = {},
                        .noticed = now()};
  if (blamed != nullptr) {
    difference.unit = blamed->issued.unit;
    difference.instruction = blamed->issued;
    difference.text = isa::disassemble(blamed->issued.instruction, blamed->issued.index, program_->symbols);
    difference.issued = *blamed->taken;
  }
  throw Stopped(what, std::move(difference));
}

void Checker::advance(isa::Unit unit) {
  while (ahead_[slot(unit)].empty()) {
    const auto issued = ended_ ? std::nullopt : reference_.next();
    if (!issued) {
      ended_ = true;
      report(isa::Unit::kSched, {fmt::format("command of {}", unit_name(unit)),
                                 "the end of program " + program_->name,
                                 "a command",
                                 {}});
    }
    Expected expected{*issued, reference_.execute(issued->command), {}};
    if (on_executed_ && program_ == &model_.step) on_executed_(issued->index);
    ahead_[slot(issued->unit)].push_back(std::move(expected));
  }
}

void Checker::on_command(isa::Unit unit, const isa::UnitCommand& command) {
  advance(unit);
  auto& expected = ahead_[slot(unit)].front();
  expected.taken = last_event_ = now();
  if (!(expected.issued.command == command)) {
    report(expected, {"command", describe(expected.issued.command), describe(command), {}},
           isa::Unit::kSched);
  }
  running_[slot(unit)].push_back(std::move(expected));
  ahead_[slot(unit)].pop_front();
}

uint64_t Checker::key(Space space, uint32_t bank, uint64_t address) {
  constexpr int kAddressBits = 48, kBankBits = 12;
  return (static_cast<uint64_t>(space) << (kAddressBits + kBankBits)) |
         (static_cast<uint64_t>(bank) << kAddressBits) | address;
}

void Checker::on_write(const Write& write) {
  if (write.space != Space::kKv) {
    observe(write, 0, 0, write.data.size());
    return;
  }
  // A row of a group is a word in each of its banks.
  const auto word = static_cast<size_t>(model_.hardware.array_cols);
  const auto banks = static_cast<uint32_t>(model_.hardware.group_banks());
  for (uint32_t bank = 0; bank < banks; ++bank) observe(write, write.group * banks + bank, bank * word, word);
}

void Checker::observe(const Write& write, uint32_t bank, size_t first, size_t count) {
  auto& word = observed_[slot(write.unit)][key(write.space, bank, write.address)];
  word.bytes.resize(count);
  word.written.resize(count);
  word.cycle = now();
  word.age = 0;
  word.bytes_before = word.bytes;
  word.written_before = word.written;
  word.written_last.assign(count, 0);
  bool any = false;
  for (size_t i = 0; i < count; ++i) {
    if (!write.enabled(first + i)) continue;
    word.bytes[i] = write.data[first + i];
    word.written[i] = 1;
    word.written_last[i] = 1;
    any = true;
  }
  if (any) last_written_[slot(write.unit)] = key(write.space, bank, write.address);
  if (!any && std::find(word.written.begin(), word.written.end(), 1) == word.written.end()) {
    observed_[slot(write.unit)].erase(key(write.space, bank, write.address));
  }
}

void Checker::on_done(isa::Unit unit) {
  last_event_ = now();
  auto& running = running_[slot(unit)];
  if (running.empty()) report(unit, {{}, "no done, as no command is running", "a done", {}});
  const Expected expected = std::move(running.front());
  running.pop_front();
  compare(unit, expected);
  ++instructions_;
}

bool Checker::overtaken(isa::Unit unit, uint64_t where, const pimllm::Write& write) const {
  if (running_[slot(unit)].empty() || last_written_[slot(unit)] != where) return false;
  const Word& word = observed_[slot(unit)].at(where);
  for (size_t i = 0; i < write.bytes.size(); ++i) {
    if (write.mask[i] == 0) continue;
    if (word.written_before[i] == 0 || word.bytes_before[i] != write.bytes[i]) return false;
  }
  return true;
}

void Checker::compare(isa::Unit unit, const Expected& expected) {
  auto& observed = observed_[slot(unit)];
  for (const auto& write : expected.writes) {
    const auto found = observed.find(key(write.space, write.bank, write.address));
    const auto first =
        static_cast<size_t>(std::find(write.mask.begin(), write.mask.end(), 1) - write.mask.begin());
    if (first == write.mask.size()) continue;
    const auto where = [&](size_t byte) {
      return fmt::format("{} word {}{}, byte {} (int32 element {})", space_name(write.space), write.address,
                         write.space == Space::kKv ? fmt::format(" of bank {}", write.bank) : "", byte,
                         byte / 4);
    };
    if (found == observed.end()) {
      report(expected, {where(first), fmt::format("{:#04x}", write.bytes[first]), "no write", {}});
    }
    if (overtaken(unit, found->first, write)) {
      found->second.written = found->second.written_last;
      continue;
    }
    for (size_t i = first; i < write.bytes.size(); ++i) {
      if (write.mask[i] == 0) continue;
      if (found->second.written[i] == 0) {
        report(expected, {where(i), fmt::format("{:#04x}", write.bytes[i]), "no write", found->second.cycle});
      }
      if (found->second.bytes[i] != write.bytes[i]) {
        int32_t wanted = 0, seen = 0;
        const size_t element = i / 4 * 4;
        if (element + 4 <= write.bytes.size()) {
          std::memcpy(&wanted, write.bytes.data() + element, 4);
          std::memcpy(&seen, found->second.bytes.data() + element, 4);
        }
        report(expected,
               {where(i), fmt::format("{:#04x} (of int32 {})", write.bytes[i], wanted),
                fmt::format("{:#04x} (of int32 {})", found->second.bytes[i], seen), found->second.cycle});
      }
    }
    observed.erase(found);
  }
  expect_no_leftovers(unit, &expected);
}

void Checker::expect_no_leftovers(isa::Unit unit, const Expected* last) {
  auto& observed = observed_[slot(unit)];
  if (observed.empty()) return;
  // The DMA works on several instructions at once: their words may stay until none is running.
  const bool overlapping = unit == isa::Unit::kDma && !running_[slot(unit)].empty();
  for (auto& [where, word] : observed) {
    if (overlapping) continue;
    if (last != nullptr && !running_[slot(unit)].empty() && word.age < kMaxAge) {
      ++word.age;
      continue;
    }
    constexpr uint64_t kAddressMask = (uint64_t{1} << 48) - 1;
    const Finding finding{
        fmt::format("{} word {}", space_name(static_cast<Space>(where >> 60)), where & kAddressMask),
        "no write", "a write", word.cycle};
    if (last != nullptr) report(*last, finding);
    report(unit, finding);
  }
}

std::string Checker::Finding::sentence() const {
  return fmt::format("{}{}expected {}, found {}", element, element.empty() ? "" : ": ", expected, found);
}

void Checker::report(const Expected& expected, const Finding& finding) const {
  report(expected, finding, expected.issued.unit);
}

void Checker::report(const Expected& expected, const Finding& finding, isa::Unit unit) const {
  const auto& issued = expected.issued;
  const std::string text = isa::disassemble(issued.instruction, issued.index, program_->symbols);
  throw Mismatch(fmt::format("program {} instruction {} ({}), {}: {}", program_->name, issued.index, text,
                             unit_name(unit), finding.sentence()),
                 {.unit = unit,
                  .program = program_->name,
                  .instruction = issued,
                  .text = text,
                  .element = finding.element,
                  .expected = finding.expected,
                  .found = finding.found,
                  .issued = expected.taken.value_or(now()),
                  .written = finding.written,
                  .noticed = now()});
}

void Checker::report(isa::Unit unit, const Finding& finding) const {
  throw Mismatch(fmt::format("{}: {}", unit_name(unit), finding.sentence()),
                 {.unit = unit,
                  .program = program_ == nullptr ? "" : program_->name,
                  .instruction = {},
                  .text = {},
                  .element = finding.element,
                  .expected = finding.expected,
                  .found = finding.found,
                  .issued = now(),
                  .written = finding.written,
                  .noticed = now()});
}

}  // namespace pimllm::sim

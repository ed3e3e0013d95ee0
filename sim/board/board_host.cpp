#include "sim/board/board_host.hpp"

#include <cstring>

#include "models/compiler/image.hpp"
#include "models/isa/pimllm_regs.h"
#include "sim/machine/registers.hpp"

namespace pimllm::sim {
namespace {

constexpr int kAttempts = 3;
constexpr int kRestPolls = 1000;
constexpr uint32_t kAllEvents =
    PIMLLM_REGS__IRQ_STATE__DONE_bm | PIMLLM_REGS__IRQ_STATE__ERROR_bm | PIMLLM_REGS__IRQ_STATE__TOKEN_bm;

uint32_t number(const nlohmann::ordered_json& json) {
  return json.is_string() ? static_cast<uint32_t>(std::stoul(json.get<std::string>(), nullptr, 0))
                          : json.get<uint32_t>();
}

}  // namespace

BoardHost::BoardHost(ByteLine& line, const CompiledModel& compiled, const Board& board, Patience patience)
    : compiled_(compiled),
      board_(board),
      link_(line, patience),
      host_(manifest(compiled, ExampleRun{}).at("host")) {
  if (!compiled.options.preloaded_crossbars || compiled.hardware != hardware_preset(board.config)) {
    fail("model {}: was not compiled for board {}", compiled.config.name, board.name);
  }
}

void BoardHost::connect() {
  link_.resync();
  uint32_t id = 0;
  try {
    id = link_.read(register_address("ID"));
  } catch (const LineError&) {
    fail("{}: no board answers", link_.name());
  }
  if (id != PIMLLM_REGS__ID__MAGIC_reset)
    fail("{}: expected a pimllm machine, found ID {:#010x}", link_.name(), id);
  for (const auto& [parameter, value] : hardware_values(compiled_.hardware)) {
    const uint32_t found = link_.read(register_address(discovery_register(parameter)));
    if (found != static_cast<uint32_t>(value)) {
      fail("{}: board {} has {} {}, this machine has {}", link_.name(), board_.name, parameter, value, found);
    }
  }
  const auto beat = link_.read_beat(static_cast<uint32_t>(board_.memory_bytes / 8 - 1));
  uint64_t found = 0;
  std::memcpy(&found, beat.data(), sizeof found);
  const uint64_t expected = board_identity(compiled_, board_);
  if (found != expected) {
    fail("{}: the board holds another model: expected identity {:016x} of {}, found {:016x}", link_.name(),
         expected, printable(compiled_.config.name), found);
  }
  recover();
}

void BoardHost::recover() {
  link_.resync();
  link_.write(std::vector<std::pair<uint32_t, uint32_t>>{
      {register_address("CONTROL"), PIMLLM_REGS__CONTROL__SOFT_RESET_bm}});
  for (int i = 0; (link_.read(register_address("STATUS")) & PIMLLM_REGS__STATUS__BUSY_bm) != 0; ++i) {
    if (i == kRestPolls) fail("{}: the machine does not come to rest", link_.name());
  }
  set_up();
}

void BoardHost::set_up() {
  run("setup", {}, {});
  link_.write(std::vector<std::pair<uint32_t, uint32_t>>{{register_address("IRQ_STATE"), kAllEvents},
                                                         {register_address("IRQ_ENABLE"), kAllEvents}});
}

void BoardHost::report_stop() {
  const uint32_t cause = link_.read(register_address("ERROR_CAUSE"));
  const uint32_t pc = link_.read(register_address("ERROR_PC"));
  throw MachineStopped(fmt::format("{}: the machine stopped with ERROR_CAUSE {:#x} at instruction {:#x}",
                                   link_.name(), cause, pc));
}

void BoardHost::run(std::string_view sequence, const Values& values,
                    const std::function<void(const BoardEvent&)>& each) {
  std::vector<std::pair<uint32_t, uint32_t>> writes;
  for (const auto& step : host_.at(std::string(sequence))) {
    if (step.contains("write")) {
      const auto& value = step.at("value");
      uint32_t number_of = 0;
      if (value.is_string()) {
        const auto name = value.get<std::string>();
        for (const auto& [key, given] : values) {
          if (key == name) number_of = given;
        }
      } else {
        number_of = value.get<uint32_t>();
      }
      writes.emplace_back(number(step.at("address")), number_of);
      continue;
    }
    // A poll in the manifest: the event says the same.
    link_.write(writes);
    writes.clear();
    for (bool done = false; !done;) {
      const BoardEvent event = link_.wait_event();
      if ((event.irq & PIMLLM_REGS__IRQ_STATE__ERROR_bm) != 0) report_stop();
      if (each) each(event);
      done = (event.irq & PIMLLM_REGS__IRQ_STATE__DONE_bm) != 0;
    }
  }
  link_.write(writes);
}

void BoardHost::attempt(std::span<const int32_t> prompt, uint32_t count,
                        const std::function<void(int32_t)>& on_token, Text& text) {
  // A start would be ignored.
  if ((link_.read(register_address("STATUS")) &
       (PIMLLM_REGS__STATUS__BUSY_bm | PIMLLM_REGS__STATUS__ERROR_bm)) != 0) {
    throw MachineStopped(fmt::format("{}: the machine is not at rest", link_.name()));
  }
  link_.write(std::vector<std::pair<uint32_t, uint32_t>>{
      {register_address("CONTROL"), PIMLLM_REGS__CONTROL__CLEAR_COUNTERS_bm}});
  uint32_t position = 0;
  for (const int32_t token : prompt.first(prompt.size() - 1)) {
    run("prompt_token", {{"token", static_cast<uint32_t>(token)}, {"position", position++}}, {});
  }
  uint32_t seen = 0, before = 0;
  const auto take = [&](const BoardEvent& event) {
    if (before + event.token_count == seen) return;  // shown already, by an event that this one overtook
    if (before + event.token_count != seen + 1) {
      one_by_one_ = true;
      throw LineError(
          fmt::format("{}: expected token {}, found {}", link_.name(), seen + 1, before + event.token_count));
    }
    const auto token = static_cast<int32_t>(event.token);
    if (seen == text.tokens.size()) {
      text.tokens.push_back(token);
      if (on_token) on_token(token);
    } else if (text.tokens[seen] != token) {
      fail("{}: token {} was {} before a restart, and is {} after it", link_.name(), seen + 1,
           text.tokens[seen], token);
    }
    ++seen;
  };
  int32_t token = prompt.back();
  while (seen < count) {
    before = seen;
    const uint32_t wanted = one_by_one_ ? 1 : count;
    run("last_prompt_token",
        {{"token", static_cast<uint32_t>(token)},
         {"position", position++},
         {"tokens wanted - 1", wanted - 1}},
        take);
    if (seen != before + wanted) {
      throw LineError(fmt::format("{}: expected {} tokens, found {}", link_.name(), wanted, seen - before));
    }
    token = text.tokens[seen - 1];
  }
  const uint32_t low = link_.read(register_address("CYCLES_LO"));
  text.cycles = uint64_t{link_.read(register_address("CYCLES_HI"))} << 32 | low;
  text.steps = prompt.size() + count - 1;
}

BoardHost::Text BoardHost::generate(std::span<const int32_t> prompt, int count,
                                    const std::function<void(int32_t)>& on_token) {
  if (prompt.empty()) fail("the prompt: expected at least one token, found none");
  if (count < 1) fail("tokens: expected at least 1, found {}", count);
  for (const int32_t token : prompt) {
    if (token < 0 || token >= compiled_.config.vocab_size)
      fail("the prompt: expected ids below {}, found {}", compiled_.config.vocab_size, token);
  }
  if (prompt.size() + static_cast<size_t>(count) > static_cast<size_t>(compiled_.layout.context)) {
    fail("{} prompt tokens and {} new ones: the context holds {}", prompt.size(), count,
         compiled_.layout.context);
  }
  Text text;
  const auto lost = [&] {
    if (++text.restarts == kAttempts) throw;
    recover();
  };
  for (;;) {
    try {
      attempt(prompt, static_cast<uint32_t>(count), on_token, text);
      return text;
    } catch (const BoardReset&) {
      lost();
    } catch (const LineError&) {
      lost();
    } catch (const MachineStopped&) {
      lost();
    }
  }
}

}  // namespace pimllm::sim

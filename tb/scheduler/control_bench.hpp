// Clock, host, instruction memory and five fake units around `control`.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "models/isa/pimllm_regs.h"
#include "tb/common/axi_lite.hpp"
#include "tb/common/axi_memory.hpp"
#include "tb/common/coverage.hpp"
#include "tb/common/seed.hpp"
#include "tb/common/signal.hpp"
#include "tb/scheduler/interpreter.hpp"

namespace pimllm::tb {

inline UnitCmd unpack(const Signal& port, size_t lsb) {
  UnitCmd cmd;
  const auto take = [&](size_t width) {
    const uint64_t value = bits_of(port, lsb, width);
    lsb += width;
    return value;
  };
  cmd.pos = static_cast<uint16_t>(take(16));
  cmd.s2 = take(48);
  cmd.s1 = static_cast<uint16_t>(take(16));
  cmd.s0 = static_cast<uint16_t>(take(16));
  cmd.a2 = static_cast<uint16_t>(take(16));
  cmd.a1 = take(48);
  cmd.a0 = static_cast<uint16_t>(take(16));
  cmd.count = static_cast<uint16_t>(take(16));
  cmd.mode = static_cast<uint8_t>(take(7));
  cmd.opcode = static_cast<isa::Opcode>(take(6));
  cmd.pc = static_cast<uint32_t>(take(32));
  return cmd;
}

struct UnitBehaviour {
  double refuse = 0.0;  // chance that ready is low
  int min_cycles = 1;   // from taken to done
  int max_cycles = 1;
  size_t in_flight = 1;       // commands taken and not done
  bool done_at_once = false;  // now and then done in the cycle in which the command is taken
};

// A unit that takes commands, keeps them for a while, and is done with them in order.
class FakeUnit {
 public:
  struct Event {
    uint64_t cycle;
    UnitCmd cmd;
  };
  UnitBehaviour behaviour;
  std::vector<Event> taken, done;
  int error_at = -1;  // the command at whose start the unit raises an error
  isa::ErrorCode error_code = isa::ErrorCode::kBadOperand;

  bool ready = false, done_now = false, error_now = false;
  struct Work {
    UnitCmd cmd;
    uint64_t until;
  };
  std::deque<Work> work;

  void clear() {
    work.clear();
    ready = done_now = error_now = false;
  }
};

template <typename Model>
class ControlBench {
 public:
  explicit ControlBench(uint64_t salt, size_t channel_bytes)
      : rng(make_rng(salt)),
        context_(std::make_unique<VerilatedContext>()),
        dut_owner_(std::make_unique<Model>(context_.get())),
        dut(*dut_owner_),
        fetch(memory, fetch_signals(dut)),
        host(dut, [this] { step(); }),
        channel_bytes_(channel_bytes) {
    dut.dma_idle_i = 1;
    reset();
  }
  ~ControlBench() {
    dut.final();
    collect_coverage(*context_);
  }

  std::mt19937_64 rng;

 private:
  std::unique_ptr<VerilatedContext> context_;
  std::unique_ptr<Model> dut_owner_;

 public:
  Model& dut;
  AxiMemory memory;
  AxiReadPort fetch;
  AxiLiteMaster<Model> host;
  std::array<FakeUnit, kUnits> units;
  std::vector<uint64_t> irq_rises;
  uint64_t cycle = 0;

  void reset() {
    dut.rst_ni = 0;
    for (int i = 0; i < 3; ++i) step();
    dut.rst_ni = 1;
    step();
  }

  void step() {
    dut.clk_i = 0;
    drive_units();
    dut.eval();
    late_done();
    dut.eval();
    fetch.before_edge();
    sample_units();
    dut.clk_i = 1;
    dut.eval();
    fetch.after_edge();
    dut.clk_i = 0;
    dut.eval();
    ++cycle;
    const bool irq = dut.irq_o != 0;
    if (irq && !irq_) irq_rises.push_back(cycle);
    irq_ = irq;
  }

  void load(const std::vector<Word>& program, uint64_t base) {
    for (size_t i = 0; i < program.size(); ++i) memory.store(base + 16 * i, program[i]);
  }

  void start(uint64_t base) {
    host.write(offsetof(pimllm_regs_t, PROGRAM_BASE_LO), static_cast<uint32_t>(base));
    host.write(offsetof(pimllm_regs_t, PROGRAM_BASE_HI), static_cast<uint32_t>(base >> 32));
    host.write(offsetof(pimllm_regs_t, CONTROL), PIMLLM_REGS__CONTROL__START_bm);
  }

  uint32_t status() { return host.read(offsetof(pimllm_regs_t, STATUS)); }

  // Until the machine is no longer busy; the interrupt is not needed for it.
  uint32_t wait_end(uint64_t limit = 400000) {
    for (uint64_t end = cycle + limit; cycle < end;) {
      const uint32_t value = status();
      if ((value & PIMLLM_REGS__STATUS__BUSY_bm) == 0) return value;
      for (int i = 0; i < 20; ++i) step();
    }
    ADD_FAILURE() << "machine stays busy";
    return status();
  }

  std::array<uint64_t, kUnits> busy_cycles{};  // of each unit, since somebody cleared it

  uint64_t counter(size_t lo) {
    return host.read(static_cast<uint32_t>(lo)) |
           static_cast<uint64_t>(host.read(static_cast<uint32_t>(lo + 4))) << 32;
  }

  size_t channel_bytes() const { return channel_bytes_; }

 private:
  bool chance(double p) { return std::uniform_real_distribution<double>(0, 1)(rng) < p; }

  void drive_units() {
    uint8_t ready = 0, done = 0, err = 0, busy = 0;
    uint32_t code = 0;
    for (size_t u = 0; u < kUnits; ++u) {
      auto& unit = units[u];
      unit.ready = unit.work.size() < unit.behaviour.in_flight && !chance(unit.behaviour.refuse);
      unit.done_now = !unit.work.empty() && unit.work.front().until <= cycle;
      ready = static_cast<uint8_t>(ready | unit.ready << u);
      done = static_cast<uint8_t>(done | unit.done_now << u);
      err = static_cast<uint8_t>(err | unit.error_now << u);
      busy = static_cast<uint8_t>(busy | !unit.work.empty() << u);
      if (unit.error_now) code |= static_cast<uint32_t>(unit.error_code) << (4 * u);
    }
    dut.cmd_ready_i = ready;
    dut.done_i = done;
    dut.err_i = err;
    dut.err_code_i = code;
    dut.busy_i = busy;
  }

  // A unit may be done in the cycle in which it takes a command.
  void late_done() {
    for (size_t u = 0; u < kUnits; ++u) {
      auto& unit = units[u];
      const bool valid = (dut.cmd_valid_o >> u & 1) != 0;
      if (valid && unit.ready && unit.work.empty() && unit.behaviour.done_at_once && chance(0.5)) {
        dut.done_i = static_cast<uint8_t>(dut.done_i | 1 << u);
        at_once_[u] = true;
      }
    }
  }

  void sample_units() {
    for (size_t u = 0; u < kUnits; ++u) busy_cycles[u] += dut.busy_i >> u & 1;
    if (dut.rst_ni == 0 || dut.soft_reset_o != 0) {
      for (auto& unit : units) unit.clear();
      at_once_ = {};
      return;
    }
    for (size_t u = 0; u < kUnits; ++u) {
      auto& unit = units[u];
      unit.error_now = false;
      if (unit.done_now) {
        unit.done.push_back({cycle, unit.work.front().cmd});
        unit.work.pop_front();
      }
      if ((dut.cmd_valid_o >> u & 1) == 0 || !unit.ready) continue;
      const UnitCmd cmd = unpack(Signal(dut.cmd_o), u * kUnitCmdBits);
      if (static_cast<int>(unit.taken.size()) == unit.error_at) unit.error_now = true;
      unit.taken.push_back({cycle, cmd});
      if (at_once_[u]) {
        unit.done.push_back({cycle, cmd});
        at_once_[u] = false;
        continue;
      }
      const auto& b = unit.behaviour;
      const auto span = static_cast<uint64_t>(b.max_cycles - b.min_cycles + 1);
      uint64_t until = cycle + static_cast<uint64_t>(b.min_cycles) + rng() % span;
      if (!unit.work.empty()) until = std::max(until, unit.work.back().until + 1);
      unit.work.push_back({cmd, until});
    }
  }

  std::array<bool, kUnits> at_once_{};
  size_t channel_bytes_;
  bool irq_ = false;
};

}  // namespace pimllm::tb

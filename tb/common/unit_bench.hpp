// Drives one Verilated unit: clock, reset, command port, memory ports. MODEL has clk_i, rst_ni and the
// command port.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "tb/common/coverage.hpp"
#include "tb/common/functional.hpp"
#include "tb/common/memory_port.hpp"
#include "tb/common/unit_cmd.hpp"

namespace pimllm::tb {

template <typename Model>
class UnitBench {
 public:
  UnitBench()
      : context_(std::make_unique<VerilatedContext>()), dut(std::make_unique<Model>(context_.get())) {}
  ~UnitBench() {
    Verilated::threadContextp(
        context_.get());  // scopes leave the thread's context, which another model may have set
    dut->final();
    collect_coverage(*context_);
  }
  UnitBench(const UnitBench&) = delete;
  UnitBench& operator=(const UnitBench&) = delete;

  void add(Port& port) { ports_.push_back(&port); }

  void reset(int cycles = 3) {
    dut->rst_ni = 0;
    for (int i = 0; i < cycles; ++i) {
      forget_requests();
      step();
    }
    forget_requests();
    dut->rst_ni = 1;
  }

  // Requests may vanish now, as in a reset.
  void forget_requests() {
    functional.reset();
    for (auto* port : ports_) port->forget();
  }

  // One clock cycle.
  void step() {
    dut->clk_i = 0;
    dut->eval();
    for (auto* port : ports_) {
      if (!port->samples_last()) port->before_edge();
    }
    dut->eval();
    for (auto* port : ports_) {
      if (port->samples_last()) port->before_edge();
    }
    sample();
    dut->clk_i = 1;
    dut->eval();
    for (auto* port : ports_) port->after_edge();
    dut->clk_i = 0;
    dut->eval();
    ++cycles_;
  }

  // Every command comes from another address, which no unit looks at.
  void present(const UnitCmd& cmd) {
    issued_ = cmd;
    issued_.pc = static_cast<uint32_t>(pc_());
    Signal(dut->cmd_i).set_bytes(pack(issued_));
    dut->cmd_valid_i = 1;
  }

  // Presents a command until it is taken.
  void issue(const UnitCmd& cmd, int limit = 100000) {
    present(cmd);
    for (int i = 0; i < limit; ++i) {
      taken_ = false;
      step();
      if (taken_) {
        dut->cmd_valid_i = 0;
        return;
      }
    }
    FAIL() << "command not taken in " << limit << " cycles";
  }

  // Steps until `count` instructions are done in all.
  void wait_done(uint64_t count, int limit = 1000000) {
    for (int i = 0; i < limit && done_ < count; ++i) step();
    ASSERT_EQ(done_, count) << "unit hangs";
  }

  // Issues one command and waits until it is done; returns the cycles from taken to done.
  uint64_t run(const UnitCmd& cmd) {
    const uint64_t before = done_;
    issue(cmd);
    const uint64_t start = cycles_;
    wait_done(before + 1);
    return cycles_ - start;
  }

  // Commands whose fields hold anything but for what `spoil` does to them end in `code`, once, and are never
  // done.
  template <typename Spoil>
  void expect_refusals(std::mt19937_64& rng, const std::vector<isa::Opcode>& opcodes, Spoil&& spoil,
                       isa::ErrorCode code, const std::function<void(int)>& before_each = nullptr) {
    constexpr int kRounds = 300;
    constexpr int kSettled = 100;
    for (int i = 0; i < kRounds && !testing::Test::HasFailure(); ++i) {
      if (before_each) before_each(i);
      UnitCmd cmd = any_command(rng, opcodes[rng() % opcodes.size()]);
      spoil(cmd);
      const uint64_t before = done_;
      errors_ = 0;
      issue(cmd);
      for (int k = 0; k < kSettled; ++k) step();
      EXPECT_EQ(errors_, 1);
      EXPECT_EQ(error_code_, code);
      EXPECT_EQ(done_, before);
      reset();  // the array stops at an error
    }
  }

  uint64_t cycles() const { return cycles_; }
  uint64_t done() const { return done_; }

  CommandCoverage functional;

 private:
  void sample() {
    if (dut->rst_ni == 0) return;
    for (const auto* port : ports_) {
      if (port->refused() != Refusal::kNone) functional.refused(port->refused());
    }
    if (dut->done_o != 0) {
      ++done_;
      functional.done();
    }
    if (dut->err_o != 0) {
      ++errors_;
      error_code_ = static_cast<isa::ErrorCode>(dut->err_code_o);
      functional.error(issued_.opcode, error_code_);
    }
    if (dut->cmd_valid_i != 0 && dut->cmd_ready_o != 0) {
      taken_ = true;
      functional.taken(issued_);
    }
  }

  std::unique_ptr<VerilatedContext> context_;
  std::vector<Port*> ports_;
  uint64_t cycles_ = 0, done_ = 0;
  bool taken_ = false;
  int errors_ = 0;
  isa::ErrorCode error_code_ = isa::ErrorCode::kNone;
  UnitCmd issued_;
  std::mt19937_64 pc_;

 public:
  std::unique_ptr<Model> dut;
};

}  // namespace pimllm::tb

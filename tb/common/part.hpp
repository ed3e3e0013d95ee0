// A Verilated module by itself, without a command port: model, clock and reset.
#pragma once

#include <verilated.h>

#include <memory>
#include <random>

#include "tb/common/coverage.hpp"

namespace pimllm::tb {

inline bool chance(std::mt19937_64& rng, double p) {
  return std::uniform_real_distribution<double>(0, 1)(rng) < p;
}

// `state` is the seed of what registers hold before a reset.
template <typename Model>
struct Part {
  explicit Part(int state = 1) : context(prepared(state)), dut(context.get()) {
    dut.clk_i = 0;
    dut.eval();  // an edge needs a level before it
  }
  ~Part() {
    Verilated::threadContextp(context.get());  // scopes leave the thread's context
    dut.final();
    collect_coverage(*context);
  }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  void clock() {
    dut.clk_i = 1;
    dut.eval();
    dut.clk_i = 0;
    dut.eval();
  }

  void reset() {
    dut.rst_ni = 0;
    clock();
    dut.rst_ni = 1;
    dut.eval();
  }

  static std::unique_ptr<VerilatedContext> prepared(int state) {
    constexpr int kRandom = 2;
    auto context = std::make_unique<VerilatedContext>();
    context->randReset(kRandom);
    context->randSeed(state);
    return context;
  }

  std::unique_ptr<VerilatedContext> context;
  Model dut;
};

}  // namespace pimllm::tb

// What a clocked bench calls every cycle, and the coin that makes ports refuse.
#pragma once

#include <random>

namespace pimllm::tb {

// Decides, cycle by cycle, whether a port refuses a request.
struct Stall {
  std::mt19937_64* rng = nullptr;
  double probability = 0.0;
  bool operator()() const {
    return rng != nullptr && std::uniform_real_distribution<double>(0, 1)(*rng) < probability;
  }
};

// Who made the unit wait in a cycle: a port that it reads, one that it writes, or memory.
enum class Refusal { kNone, kRead, kWrite, kMemory };

class Port {
 public:
  virtual ~Port() = default;
  virtual void before_edge() = 0;  // clk low, outputs settled: decide the grants
  // A port that drives nothing before the edge samples last, when the grants of the others have settled.
  virtual bool samples_last() const { return false; }
  virtual void after_edge() = 0;  // clk rose: drive what comes with the new cycle
  virtual void forget() {}        // a reset or flush: requests that waited may vanish
  virtual Refusal refused() const { return Refusal::kNone; }  // between the edges: in this cycle
};

}  // namespace pimllm::tb

// Cycles of a decoder layer and of the LM head of any shape, on a machine with the lanes, ports and latencies
// of a given one; only crossbars and depths of memories grow with the model.
#pragma once

#include <array>
#include <cstdint>

#include "golden/model.hpp"
#include "models/compiler/compiler.hpp"
#include "models/compiler/hardware.hpp"
#include "models/cycles/timeline.hpp"

namespace pimllm::cycles {

struct LayerCycles {
  double layer = 0.0;            // a layer behind another, mean over the tokens of a KV tile
  double plain = 0.0;            // of a token that leaves its tile open
  double full = 0.0;             // of a token that fills its tile, which goes to memory
  double head = 0.0;             // LM head, behind the last layer
  std::array<double, 6> busy{};  // by isa::Unit, in a layer of a `plain` token
};

// What grows with the model beside the depth of memories.
enum class Growth {
  kSlots,  // crossbars behind the converters that are there (XbarSlots)
  kSets,   // crossbars with converters of their own (XbarSets), as many as the largest matrix of a layer has
};

// The machine with as many crossbars and as deep memories as its addresses reach.
HardwareParameters grown(HardwareParameters hardware, Growth growth, const ModelConfig& config);

// A shape's step program, compiled once for the largest context; layers are alike, so a few of them are
// enough.
class LayerModel {
 public:
  // config.layers does not count; contexts up to config.context_length. Throws Error if a layer does not fit.
  // Two walks: a third moves the first layer by some cycles at most, and the others with it (tested).
  LayerModel(const ModelConfig& config, const HardwareParameters& hardware, Growth growth,
             int memory_latency = 40, int walks = 2);

  // `context`: tokens, the new one included.
  LayerCycles at(int context) const;
  const CompiledModel& compiled() const { return compiled_; }

 private:
  Result time(int position, bool head, bool marked) const;

  CompiledModel compiled_;
  Code code_;
  Timing timing_;
  int walks_ = 0;
  double head_ = 0.0;
  size_t mark_ = 0;  // last instruction of a layer
};

}  // namespace pimllm::cycles

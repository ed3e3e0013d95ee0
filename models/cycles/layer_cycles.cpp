#include "models/cycles/layer_cycles.hpp"

#include <algorithm>
#include <bit>

#include "golden/error.hpp"

namespace pimllm::cycles {
namespace {

constexpr int kLayers = 3;  // the first fills queues and buffers, from the second on they are alike
constexpr int kMaxWords = 1 << 15;

CompiledModel compile_layers(ModelConfig config, const HardwareParameters& hardware, Growth growth) {
  config.layers = kLayers;
  return compile_shape(config, grown(hardware, growth, config));
}

}  // namespace

HardwareParameters grown(HardwareParameters hardware, Growth growth, const ModelConfig& c) {
  if (growth == Growth::kSets) {
    const auto tiles = [](int n, int of) { return static_cast<unsigned>((n + of - 1) / of); };
    const int head_dim = static_cast<int>(std::bit_ceil(
        static_cast<unsigned>(std::max({c.head_dim, hardware.vec_lanes, 2 * hardware.array_cols}))));
    const auto matrix = [&](int in, int out) {
      return tiles(in, hardware.xbar_rows) * tiles(out, hardware.xbar_cols);
    };
    const unsigned most = std::max(
        {matrix(c.d_model, (c.heads + 2 * c.kv_heads) * head_dim), matrix(c.heads * head_dim, c.d_model),
         matrix(c.d_model, (c.gated ? 2 : 1) * c.d_ff), matrix(c.d_ff, c.d_model)});
    hardware.xbar_sets = std::max(hardware.xbar_sets, static_cast<int>(std::bit_ceil(most)));
  }
  hardware.xbar_slots = (1 << 16) / hardware.xbar_sets;
  hardware.kv_rows = hardware.act_words = hardware.scr_words = hardware.kvs_words = hardware.scl_words =
      kMaxWords;
  return hardware;
}

LayerModel::LayerModel(const ModelConfig& config, const HardwareParameters& hardware, Growth growth,
                       int memory_latency, int walks)
    : compiled_(compile_layers(config, hardware, growth)),
      code_(decode(compiled_.step)),
      timing_(timing_of(compiled_, memory_latency)),
      walks_(walks) {
  for (size_t i = 0; i < code_.instructions.size(); ++i) {
    if (code_.instructions[i].opcode == isa::Opcode::kResadd) mark_ = i;
  }
  // The head does not see the context.
  head_ =
      static_cast<double>(time(0, true, false).cycles) - static_cast<double>(time(0, false, false).cycles);
}

Result LayerModel::time(int position, bool head, bool marked) const {
  Options options;
  options.timing = timing_;
  options.walks = walks_;
  options.host.position = static_cast<uint64_t>(position);
  options.host.arg0 = head ? 0 : kArgNoHead;
  if (marked) options.mark = mark_;
  return run(code_, compiled_.hardware, options);
}

LayerCycles LayerModel::at(int context) const {
  if (context < 1 || context > compiled_.layout.context) {
    fail("context: expected 1 to {}, found {}", compiled_.layout.context, context);
  }
  const int cols = compiled_.hardware.array_cols;
  // The same number of tiles in memory with the last column of the tile taken, and with another.
  const int last = (context - 1) / cols * cols + cols - 1;
  const int open = cols * ((context - 1) / cols) + cols / 2;
  LayerCycles out;
  const auto per_layer = [&](const Result& r) {
    const size_t n = r.marks.size();
    return static_cast<double>(r.marks[n - 1] - r.marks[n - 2]);
  };
  const int longest = compiled_.layout.context - 1;
  const Result plain = time(std::min(open, longest), false, true);
  out.plain = per_layer(plain);
  for (size_t u = 0; u < out.busy.size(); ++u) {
    const size_t n = plain.busy_at_marks.size();
    out.busy[u] = static_cast<double>(plain.busy_at_marks[n - 1][u] - plain.busy_at_marks[n - 2][u]);
  }
  out.full = last <= longest ? per_layer(time(last, false, true)) : out.plain;
  out.layer = (out.plain * (cols - 1) + out.full) / cols;
  out.head = head_;
  return out;
}

}  // namespace pimllm::cycles

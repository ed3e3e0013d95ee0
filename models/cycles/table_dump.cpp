#include <fmt/format.h>
#include <chrono>
#include "models/cycles/layer_cycles.hpp"
using namespace pimllm;
int main(int argc, char**) {
  struct M { const char* n; int d, h, f, l; bool llama; };
  const M ms[] = {{"gpt2-124m",768,12,768,12,false},{"gpt2-355m",1024,16,1024,24,false},{"gpt2-774m",1280,20,1280,36,false},{"gpt2-1.5b",1600,25,1600,48,false},
   {"opt-350m",1024,16,4096,24,false},{"opt-1.3b",2048,32,8192,24,false},{"opt-2.7b",2560,32,10240,32,false},{"opt-6.7b",4096,32,16384,32,false},{"opt-13b",5120,40,20480,40,false},{"opt-30b",7168,56,28672,48,false},{"llama-7b",4096,32,11008,32,true},{"llama-13b",5120,40,13824,40,true}};
  const auto t0 = std::chrono::steady_clock::now();
  for (auto& m : ms) {
    ModelConfig c; c.name = m.n; c.d_model = m.d; c.heads = c.kv_heads = m.h; c.head_dim = m.d / m.h; c.d_ff = m.f; c.layers = m.l; c.vocab_size = 50257; c.context_length = 4096;
    c.norm = m.llama ? NormKind::kRms : NormKind::kLayer; c.rope = m.llama; c.activation = m.llama ? Activation::kSilu : m.n[0]=='g' ? Activation::kGelu : Activation::kRelu; c.normalizer = Normalizer::kConsmax;
    try {
    const cycles::LayerModel lm(c, hardware_preset("paper"), argc > 1 ? cycles::Growth::kSets : cycles::Growth::kSlots);
    for (int l : {128,256,512,1024,2048,4096}) { auto r = lm.at(l);
      fmt::print("{},{},{},{:.0f},{:.0f},{:.0f},{:.0f},{:.0f},{:.0f},{:.0f},{:.0f},{:.0f}\n", m.n, m.l, l, r.layer, r.plain, r.full, r.head, r.busy[1], r.busy[2], r.busy[3], r.busy[4], r.busy[5]); }
    } catch (const std::exception& e) { fmt::print("{} {}\n", m.n, e.what()); }
  }
  fmt::print(stderr, "{:.1f} ms\n", std::chrono::duration<double>(std::chrono::steady_clock::now()-t0).count()*1e3);
}

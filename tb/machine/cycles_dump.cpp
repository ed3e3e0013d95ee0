#include <fmt/format.h>
#include <cstdlib>
#include "models/cycles/timeline.hpp"
#include "models/random/random_model.hpp"
#include "models/gguf/load_model.hpp"
#include "sim/machine/decoder.hpp"
using namespace pimllm;
struct L : sim::Listener {
  sim::Machine& m; explicit L(sim::Machine& mm) : m(mm) {}
  struct E { isa::Unit u; isa::UnitCommand c; uint64_t t, d = 0; };
  std::vector<E> e; std::array<size_t,6> next{}; std::array<std::vector<size_t>,6> by;
  void on_command(isa::Unit u, const isa::UnitCommand& c) override { by[(size_t)u].push_back(e.size()); e.push_back({u,c,m.cycles()}); }
  void on_write(const sim::Write&) override {}
  void on_done(isa::Unit u) override { auto& n=next[(size_t)u]; e[by[(size_t)u][n++]].d=m.cycles(); }
};
int main(int argc, char** argv) {
  const std::string config = argv[1]; const std::string model = argv[2]; const int pos = atoi(argv[3]); const bool v = argc > 4 && argc < 6;
  auto custom=[&]{ auto c = model=="gpt" ? small_gpt2_config(Normalizer::kSoftmax) : model=="con" ? small_gpt2_config(Normalizer::kConsmax) : small_bitnet_config(); c.context_length=256; c.d_model=atoi(argv[4]); c.d_ff=atoi(argv[5]); c.heads=atoi(argv[6]); c.kv_heads=atoi(argv[7]); c.head_dim=atoi(argv[8]); c.layers=atoi(argv[9]); return c;};
  ModelWeights w = argc > 6 ? make_random_model(custom(), 1) : model == "gpt" ? make_random_model([&]{auto c=small_gpt2_config(Normalizer::kSoftmax); c.d_model=64; return c;}(), 1) : model == "bit" ? make_random_model(small_bitnet_config(), 1) : load_model(model);
  const auto compiled = compile(w, hardware_preset(config));
  auto machine = sim::make_machine(config, {});
  sim::Decoder d(compiled, *machine);
  d.jump(pos); d.clear_counters();
  L l(*machine); machine->listen(&l);
  d.step(1); machine->listen(nullptr);
  auto c = d.counters();
  cycles::Options o; o.timing = cycles::timing_of(compiled); o.host.position = pos; o.host.token_in = 1; o.linear_turn = compiled.layout.crossbars;
  std::vector<cycles::Record> r; o.on_record = [&](const cycles::Record& x){ r.push_back(x); };
  auto res = cycles::run(compiled.step, compiled.hardware, o);
  fmt::print("cycles RTL {} model {}\n", c["CYCLES"], res.cycles);
  const char* n[] = {"", "DMA","PIM","ARR","SMX","VEC"};
  for (int u=1;u<6;++u) fmt::print("{} busy {} {}\n", n[u], c[std::string(n[u])+"_BUSY"], res.busy[u]);
  std::array<size_t,6> k{};
  uint64_t base = l.e[0].t - r[0].span.taken;
  for (auto& x : r) { auto u=(size_t)x.unit; auto& e=l.e[l.by[u][k[u]++]];
    if (e.c.opcode != x.command.opcode || !(e.c == x.command)) { fmt::print("command differs at {}\n", x.index); }
    long dm = x.span.done-x.span.taken, dr = e.d-e.t;
    if (v || dm != dr) fmt::print("{:4} {:9} mode {:02x} n {:4} s0 {:4} s1 {:3} | pres {:6} taken {:6} {:6} ({:+}) done {:6} {:6} ({:+}) dur {:5} {:5} ({:+}){}\n", x.index, isa::opcode_info(e.c.opcode).name, e.c.mode, e.c.count, e.c.s0, e.c.s1, x.presented, e.t-base, x.span.taken, long(x.span.taken)-long(e.t-base), e.d-base, x.span.done, long(x.span.done)-long(e.d-base), dr, dm, dm-dr, dm!=dr?" *":""); }
}

// Random legal unit instructions within a window, with all they read and write.
#pragma once

#include <random>
#include <vector>

#include "tb/program/program.hpp"

namespace pimllm::tb {

class OperationSource {
 public:
  OperationSource(const HardwareParameters& hardware, const Window& window, const MemoryMap& map,
                  std::mt19937_64& rng);

  // Loads every word of the window, in pieces.
  std::vector<Operation> prologue();
  // An instruction of a unit; more than one where one's operands come from the other in a form that nothing
  // else writes (codes of XPROG; numerators with zeros behind the last token).
  std::vector<Operation> draw(isa::Unit unit);
  // Session set-up: zeros into all spaces, and codes into every crossbar that programs use.
  std::vector<Operation> set_up();

 private:
  uint64_t pick(uint64_t low, uint64_t high) {
    return std::uniform_int_distribution<uint64_t>(low, high)(rng_);
  }
  bool coin(double p) { return std::uniform_real_distribution<double>(0, 1)(rng_) < p; }
  uint64_t within(Region region, uint64_t size, uint64_t step = 1);
  uint64_t beats(Region region, uint64_t bytes);  // address of so many bytes
  uint64_t chunks();
  bool apart(uint64_t a, uint64_t na, uint64_t b, uint64_t nb) const { return a + na <= b || b + nb <= a; }
  // Draws the start of a destination of `size` that lies apart from the sources already in `op`.
  uint64_t destination(const Operation& op, Space space, Region region, uint64_t size, uint64_t step = 1);

  Operation linear(bool load, int space, Region region, Region memory, uint64_t count, uint64_t step = 1);
  Operation scalars(bool load, Region region);
  Operation tiles(uint64_t count, uint64_t rows);
  Operation store_tile();
  std::vector<Operation> dma();
  Operation project();
  std::vector<Operation> program_rows();
  Operation attention(bool pv);
  Operation softmax(bool scan);
  std::vector<Operation> softmax_and_pv();
  Operation norm();
  Operation quantise();
  Operation join();
  Operation residual();
  std::vector<Operation> kept();
  Operation activation();
  Operation embedding();
  Operation logits();
  uint64_t lg_head();  // chunks of a head, as a power of two
  // Of the vector unit: now and then more than it has in work at once.
  uint64_t pick_heads();
  uint64_t scale() { return within(w_.scales, 1); }
  uint64_t record() { return w_.records.first + kRecordWords * pick(0, w_.records.size / kRecordWords - 1); }

  const HardwareParameters& h_;
  const Window& w_;
  const MemoryMap& map_;
  std::mt19937_64& rng_;
  uint64_t lanes_, cols_, banks_, groups_, beat_, act_bytes_, scr_bytes_;
};

}  // namespace pimllm::tb

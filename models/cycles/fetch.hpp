// Instruction buffer (rtl/scheduler/ifetch.sv): when the decoder has its next instruction.
#pragma once

#include <cstdint>
#include <vector>

#include "models/cycles/units.hpp"

namespace pimllm::cycles {

class Fetch {
 public:
  // `base`: address of the program in instructions.
  Fetch(const HardwareParameters& hardware, const Timing& timing, uint64_t base);

  // Cycle in which the instruction is at the decoder.
  uint64_t decoded(size_t index);
  // It left the decoder in this cycle; the next one comes from behind it, or from a new place.
  void issued(uint64_t cycle, bool redirected, size_t next);

 private:
  struct Line {
    uint64_t number = ~uint64_t{0};
    uint64_t valid = 0;  // cycle from which it hits
  };
  void scan(uint64_t until);
  void request(uint64_t line, uint64_t cycle);

  Timing timing_;
  uint64_t base_;
  uint64_t beats_;  // of a line
  std::vector<Line> lines_;
  uint64_t line_ = ~uint64_t{0};  // of the instruction that is fetched
  uint64_t entered_ = 0;          // cycle in which it became that
  uint64_t scanned_ = 0;          // the next of the lines to look for, from 0 = this one
  uint64_t scan_at_ = 0;          // cycle of that look
  uint64_t data_free_ = 0;
  std::vector<uint64_t> fills_;  // ends of the last requests
  size_t fill_ = 0;
  uint64_t deliver_ = 0;  // first cycle in which the next instruction may be read
  uint64_t next_entered_ = 0;
};

}  // namespace pimllm::cycles

// Items -> instructions: operands into registers and offsets, semaphores where places ask for them, branches
// and loops around. The result is legal and free of hazards for any list of items, and a function of the
// program alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/isa/instruction.hpp"
#include "tb/program/program.hpp"

namespace pimllm::tb {

// How a run must end if not by HALT.
struct ExpectedError {
  isa::ErrorCode cause = isa::ErrorCode::kNone;
  std::optional<size_t> index;  // of the instruction in ERROR_PC
  isa::Unit unit = isa::Unit::kSched;
  bool may_be_behind = false;  // or a later one of this unit
};

struct LoweredProgram {
  std::vector<isa::Encoded> words;
  std::optional<ExpectedError> error;
};

LoweredProgram lower(const RandomProgram& program, const HardwareParameters& hardware);

// A word, disassembled; one that is no instruction as a number.
std::string text_of(const isa::Encoded& word, size_t index);

// One line a word.
std::string listing(const std::vector<isa::Encoded>& words);

}  // namespace pimllm::tb

// A program as it runs and as it is kept in a file: words, memory, host registers, timing, and how it must
// end. Needs no generator, so that a file stays good when the generator changes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/compiler/compiler.hpp"
#include "tb/program/lower.hpp"
#include "tb/program/program.hpp"

namespace pimllm::tb {

struct Executable {
  std::string name;
  Conditions conditions;  // its window is not needed to run
  std::vector<isa::Encoded> words;
  std::optional<ExpectedError> error;
  std::vector<MemorySegment> memory;  // without the program; a single run of addresses
};

Executable make_executable(const RandomProgram& program, const HardwareParameters& hardware,
                           std::string name);

// JSON; of memory only what the program reads. Throw Error naming the file.
void save_executable(const Executable& executable, const std::string& path);
Executable load_executable(const std::string& path);

}  // namespace pimllm::tb

// A compiled model as files: any AXI host runs the machine from them (docs/compiler.md, "Files").
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "models/compiler/compiler.hpp"

namespace pimllm {

// A prompt and the tokens that greedy decoding gives, so that a host can tell whether its machine works.
struct ExampleRun {
  std::vector<int32_t> prompt;
  std::vector<int32_t> tokens;
};

// Decodes greedily with the integer golden model. Throws Error for an empty prompt, or more than the context.
ExampleRun example_run(const ModelWeights& weights, const CompiledModel& compiled,
                       std::span<const int32_t> prompt, int tokens);

// The initialised part of memory, from options.memory_base on; what follows up to memory_end the machine
// writes first.
std::vector<uint8_t> memory_image(const CompiledModel& compiled);

nlohmann::ordered_json manifest(const CompiledModel& compiled, const ExampleRun& example);

// Writes memory.bin, memory.hex (one beat of a data channel a line, $readmemh), init.bin, step.bin,
// program.txt (disassembly) and manifest.json; each to a temporary name first. Creates the folder. Throws
// Error if it cannot.
void write_compiled(const CompiledModel& compiled, const ExampleRun& example,
                    const std::filesystem::path& folder);

}  // namespace pimllm

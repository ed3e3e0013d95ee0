// FPGA boards that the machine has been brought to (docs/fpga.md): what is in them, and the contents of their
// block RAMs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "golden/model.hpp"
#include "models/compiler/compiler.hpp"

namespace pimllm {

// The values are those of rtl/board.
struct Board {
  std::string name;
  std::string config;  // of the machine, rtl/configs.json
  uint64_t memory_bytes = 0;
  int clock_hz = 0;
  int baud = 0;
};

// "ulx3s"; throws Error for another name.
Board find_board(std::string_view name);

// The model as the board holds it: crossbars preloaded, an identity in the last beat of memory. Throws Error,
// also where the memory is too small.
CompiledModel compile_for_board(const ModelWeights& weights, const Board& board);

// What the last beat of the board's memory holds: a hash of all the rest, crossbars included (FNV-1a, 64
// bits).
uint64_t board_identity(const CompiledModel& compiled, const Board& board);

// A block RAM's contents, a word a line, as $readmemh and ecpbram read them.
struct RamImage {
  std::string file;  // "memory.hex", "crossbar_SET_ROW.hex"
  int width = 0;     // bits of a word
  std::vector<uint64_t> words;
};
std::vector<RamImage> board_images(const CompiledModel& compiled, const Board& board);

// Writes them into a folder, which is created; each to a temporary name first. Throws Error if it cannot.
void write_board_images(const CompiledModel& compiled, const Board& board,
                        const std::filesystem::path& folder);

}  // namespace pimllm

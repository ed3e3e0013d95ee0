#include "models/compiler/board.hpp"

#include <fmt/format.h>

#include <cstring>
#include <system_error>

#include "golden/error.hpp"
#include "models/compiler/hardware.hpp"
#include "models/compiler/image.hpp"
#include "models/io/atomic_file.hpp"

namespace pimllm {
namespace {

constexpr size_t kBeatBytes = 8;
constexpr int kBoardAlignment = 256;  // block RAM is scarce
constexpr int kCellBits = 2;
constexpr uint8_t kUnusedCodes = 0x55;  // four cells of weight 0

class Fnv {
 public:
  void add(std::span<const uint8_t> bytes) {
    for (const uint8_t byte : bytes) hash_ = (hash_ ^ byte) * 0x100000001B3ULL;
  }
  uint64_t hash() const { return hash_; }

 private:
  uint64_t hash_ = 0xCBF29CE484222325ULL;
};

// Memory from 0 up to the identity; zero where nothing is initialised.
std::vector<uint8_t> board_memory(const CompiledModel& compiled, const Board& board) {
  std::vector<uint8_t> bytes = memory_image(compiled);
  bytes.resize(board.memory_bytes - kBeatBytes);
  return bytes;
}

}  // namespace

Board find_board(std::string_view name) {
  if (name == "ulx3s") {
    return {.name = "ulx3s",
            .config = "fpga",
            .memory_bytes = uint64_t{22528} * kBeatBytes,
            .clock_hz = 25'000'000,
            .baud = 1'000'000};
  }
  fail("board: expected ulx3s, found {}", name);
}

CompiledModel compile_for_board(const ModelWeights& weights, const Board& board) {
  CompiledModel compiled = compile(weights, hardware_preset(board.config),
                                   {.preloaded_crossbars = true, .segment_alignment = kBoardAlignment});
  if (compiled.memory_end + kBeatBytes > board.memory_bytes) {
    fail("model {}: needs {} bytes of memory, board {} has {}", weights.config.name,
         compiled.memory_end + kBeatBytes, board.name, board.memory_bytes);
  }
  return compiled;
}

uint64_t board_identity(const CompiledModel& compiled, const Board& board) {
  Fnv fnv;
  fnv.add(board_memory(compiled, board));
  fnv.add(compiled.crossbar_codes);
  return fnv.hash();
}

std::vector<RamImage> board_images(const CompiledModel& compiled, const Board& board) {
  const HardwareParameters& h = compiled.hardware;
  std::vector<RamImage> images;
  RamImage memory{"memory.hex", 8 * kBeatBytes, {}};
  const std::vector<uint8_t> bytes = board_memory(compiled, board);
  for (size_t at = 0; at < bytes.size(); at += kBeatBytes) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, kBeatBytes);
    memory.words.push_back(word);
  }
  memory.words.push_back(board_identity(compiled, board));
  images.push_back(std::move(memory));

  // A row of a set of crossbars is a RAM: slots one after another, their column groups within.
  const int groups = h.xbar_cols / h.xbar_adcs;
  const auto word_bytes = static_cast<size_t>(kCellBits * h.xbar_adcs / 8);
  const auto row_bytes = static_cast<size_t>(kCellBits * h.xbar_cols / 8);
  std::vector<uint8_t> codes = compiled.crossbar_codes;
  codes.resize(static_cast<size_t>(h.crossbars() * h.xbar_bytes()), kUnusedCodes);
  for (int set = 0; set < h.xbar_sets; ++set) {
    for (int row = 0; row < h.xbar_rows; ++row) {
      RamImage cells{fmt::format("crossbar_{}_{}.hex", set, row), kCellBits * h.xbar_adcs, {}};
      for (int slot = 0; slot < h.xbar_slots; ++slot) {
        const auto crossbar = static_cast<size_t>(slot * h.xbar_sets + set);
        const uint8_t* codes_of_row = codes.data() + crossbar * static_cast<size_t>(h.xbar_bytes()) +
                                      static_cast<size_t>(row) * row_bytes;
        for (int group = 0; group < groups; ++group) {
          uint64_t word = 0;
          std::memcpy(&word, codes_of_row + static_cast<size_t>(group) * word_bytes, word_bytes);
          cells.words.push_back(word);
        }
      }
      images.push_back(std::move(cells));
    }
  }
  return images;
}

void write_board_images(const CompiledModel& compiled, const Board& board,
                        const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail("{}: cannot create the folder: {}", folder.string(), error.message());
  for (const RamImage& image : board_images(compiled, board)) {
    std::string text;
    for (const uint64_t word : image.words) text += fmt::format("{:0{}x}\n", word, (image.width + 3) / 4);
    write_file_atomically((folder / image.file).string(), text);
  }
}

}  // namespace pimllm

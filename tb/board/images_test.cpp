// The block RAM files, read back: crossbar cells against the compiler's codes, memory against its image.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "golden/error.hpp"
#include "models/compiler/board.hpp"
#include "models/compiler/image.hpp"
#include "models/random/random_model.hpp"
#include "tb/common/seed.hpp"

namespace pimllm {
namespace {

std::vector<uint64_t> read_words(const std::filesystem::path& path, size_t digits) {
  std::ifstream file(path);
  std::vector<uint64_t> words;
  for (std::string line; std::getline(file, line);) {
    EXPECT_EQ(line.size(), digits) << path;
    words.push_back(std::stoull(line, nullptr, 16));
  }
  return words;
}

TEST(BoardImages, FilesHoldCellsAndMemory) {
  const Board board = find_board("ulx3s");
  const ModelWeights weights = make_random_model(small_bitnet_config(), tb::seed());
  const CompiledModel compiled = compile_for_board(weights, board);
  const auto folder =
      std::filesystem::temp_directory_path() / ("pimllm_images_" + std::to_string(::getpid()));
  write_board_images(compiled, board, folder);

  const auto memory = read_words(folder / "memory.hex", 16);
  ASSERT_EQ(memory.size() * 8, board.memory_bytes);
  const std::vector<uint8_t> image = memory_image(compiled);
  ASSERT_LE(image.size(), board.memory_bytes - 8);
  for (size_t i = 0; i < board.memory_bytes - 8; ++i) {
    ASSERT_EQ(memory[i / 8] >> (i % 8 * 8) & 0xFF, i < image.size() ? image[i] : 0) << "byte " << i;
  }
  EXPECT_EQ(memory.back(), board_identity(compiled, board));

  // Every cell, from the place where the hardware has it: set, row, slot, column group, column.
  const HardwareParameters& h = compiled.hardware;
  const auto groups = static_cast<size_t>(h.xbar_cols / h.xbar_adcs);
  const auto digits = static_cast<size_t>(h.xbar_adcs) / 2;  // of two bits a cell
  size_t cells = 0, files = 0;
  for (int set = 0; set < h.xbar_sets; ++set) {
    for (int row = 0; row < h.xbar_rows; ++row, ++files) {
      const auto words = read_words(folder / fmt::format("crossbar_{}_{}.hex", set, row), digits);
      ASSERT_EQ(words.size(), static_cast<size_t>(h.xbar_slots) * groups);
      for (int slot = 0; slot < h.xbar_slots; ++slot) {
        for (int column = 0; column < h.xbar_cols; ++column) {
          const size_t crossbar = static_cast<size_t>(slot * h.xbar_sets + set);
          const size_t cell = (crossbar * static_cast<size_t>(h.xbar_rows) + static_cast<size_t>(row)) *
                                  static_cast<size_t>(h.xbar_cols) +
                              static_cast<size_t>(column);
          const bool used = cell / 4 < compiled.crossbar_codes.size();
          const unsigned expected = used ? compiled.crossbar_codes[cell / 4] >> (cell % 4 * 2) & 3U : 1U;
          const uint64_t word =
              words[static_cast<size_t>(slot) * groups + static_cast<size_t>(column / h.xbar_adcs)];
          ASSERT_EQ(word >> (column % h.xbar_adcs * 2) & 3, expected) << set << ' ' << row << ' ' << slot;
          ASSERT_LE(expected, 2U);
          if (used) ++cells;
        }
      }
    }
  }
  EXPECT_EQ(cells, compiled.crossbar_codes.size() * 4);
  size_t found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) found += entry.is_regular_file();
  EXPECT_EQ(found, files + 1);
  std::filesystem::remove_all(folder);
}

TEST(BoardImages, IdentityDependsOnEveryWeight) {
  const Board board = find_board("ulx3s");
  const ModelWeights weights = make_random_model(small_bitnet_config(), tb::seed());
  CompiledModel compiled = compile_for_board(weights, board);
  const uint64_t identity = board_identity(compiled, board);
  std::mt19937_64 rng = tb::make_rng(1);
  for (int i = 0; i < 20; ++i) {
    uint8_t& code = compiled.crossbar_codes[rng() % compiled.crossbar_codes.size()];
    const auto bit = static_cast<uint8_t>(1U << rng() % 8);
    code ^= bit;
    EXPECT_NE(board_identity(compiled, board), identity);
    code ^= bit;
  }
  EXPECT_EQ(board_identity(compiled, board), identity);
}

TEST(BoardImages, AModelThatIsTooLargeIsRefused) {
  ModelConfig config = small_bitnet_config();
  config.vocab_size = 4096;
  const ModelWeights weights = make_random_model(config, 1);
  EXPECT_THROW(compile_for_board(weights, find_board("ulx3s")), Error);
  EXPECT_THROW(find_board("nothing"), Error);
}

}  // namespace
}  // namespace pimllm

// Placement of tiles against a search that compares all pairs.
#include "models/cost/placement.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "golden/test_util.hpp"

namespace pimllm::cost {
namespace {

TEST(Placement, ShellsAlternate) {
  const std::vector<TilePosition> expected = {{0, 0}, {0, 1}, {1, 1}, {1, 0}, {2, 0}, {2, 1}, {2, 2},
                                              {1, 2}, {0, 2}, {0, 3}, {1, 3}, {2, 3}, {3, 3}, {3, 2}};
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_EQ(tile_position(static_cast<int64_t>(i)), expected[i]) << i;
}

// Published: GPT-2 124M, after one dummy tile.
TEST(Placement, PublishedHops) {
  const std::vector<int64_t> tiles = {21, 3, 3, 3, 3, 3};
  const std::vector<LayerHops> expected = {{5, 3}, {1, 2}, {1, 4}, {1, 4}, {2, 3}, {1, 0}};
  EXPECT_EQ(place_layers(tiles, 1), expected);
}

int64_t distance(TilePosition a, TilePosition b) {
  return std::abs(a.row - b.row) + std::abs(a.column - b.column);
}

int64_t farthest(TilePosition from, const std::vector<TilePosition>& to) {
  int64_t result = 0;
  for (const auto& position : to) result = std::max(result, distance(from, position));
  return result;
}

TEST(Placement, RandomAgainstAllPairs) {
  std::mt19937_64 rng(test_seed());
  for (int run = 0; run < 50; ++run) {
    std::vector<int64_t> tiles(1 + rng() % 7);
    for (auto& n : tiles) n = 1 + static_cast<int64_t>(rng() % 90);
    const auto first = static_cast<int64_t>(rng() % 3);
    const auto hops = place_layers(tiles, first);
    std::vector<std::vector<TilePosition>> layers(tiles.size());
    int64_t index = first;
    for (size_t i = 0; i < tiles.size(); ++i) {
      for (int64_t k = 0; k < tiles[i]; ++k) layers[i].push_back(tile_position(index++));
    }
    for (size_t i = 0; i < layers.size(); ++i) {
      auto sorted = layers[i];
      std::sort(sorted.begin(), sorted.end(),
                [](auto a, auto b) { return a.row != b.row ? a.row < b.row : a.column < b.column; });
      LayerHops best{1 << 20, 1 << 20};
      for (const auto& candidate : sorted) {
        const LayerHops here{farthest(candidate, layers[i]),
                             i + 1 < layers.size() ? farthest(candidate, layers[i + 1]) : 0};
        if (here.in_layer + here.to_next < best.in_layer + best.to_next) best = here;
      }
      EXPECT_EQ(hops[i], best) << "run " << run << ", layer " << i;
    }
  }
}

}  // namespace
}  // namespace pimllm::cost

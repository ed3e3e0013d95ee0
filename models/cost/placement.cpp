#include "models/cost/placement.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

namespace pimllm::cost {
namespace {

// What is needed of a set of tiles to know the largest Manhattan distance from any point to it.
struct Extent {
  int32_t sum_min = std::numeric_limits<int32_t>::max();
  int32_t sum_max = std::numeric_limits<int32_t>::min();
  int32_t difference_min = std::numeric_limits<int32_t>::max();
  int32_t difference_max = std::numeric_limits<int32_t>::min();

  void add(TilePosition p) {
    sum_min = std::min(sum_min, p.row + p.column);
    sum_max = std::max(sum_max, p.row + p.column);
    difference_min = std::min(difference_min, p.row - p.column);
    difference_max = std::max(difference_max, p.row - p.column);
  }

  int32_t farthest(TilePosition p) const {
    const int32_t sum = p.row + p.column;
    const int32_t difference = p.row - p.column;
    return std::max({sum - sum_min, sum_max - sum, difference - difference_min, difference_max - difference});
  }
};

}  // namespace

TilePosition tile_position(int64_t index) {
  auto shell = static_cast<int64_t>(std::sqrt(static_cast<double>(index)));
  while (shell * shell > index) --shell;
  while ((shell + 1) * (shell + 1) <= index) ++shell;
  const auto k = static_cast<int32_t>(shell);
  const auto step = static_cast<int32_t>(index - shell * shell);
  const TilePosition odd = step <= k ? TilePosition{step, k} : TilePosition{k, 2 * k - step};
  return k % 2 == 1 ? odd : TilePosition{odd.column, odd.row};
}

std::vector<LayerHops> place_layers(std::span<const int64_t> tiles, int64_t first) {
  std::vector<TilePosition> positions;
  std::vector<Extent> extents(tiles.size());
  int64_t index = first;
  for (size_t layer = 0; layer < tiles.size(); ++layer) {
    for (int64_t i = 0; i < tiles[layer]; ++i) {
      positions.push_back(tile_position(index++));
      extents[layer].add(positions.back());
    }
  }
  std::vector<LayerHops> hops(tiles.size());
  auto own = positions.cbegin();
  for (size_t layer = 0; layer < tiles.size(); ++layer) {
    const bool last = layer + 1 == tiles.size();
    const auto end = own + tiles[layer];
    auto best = std::make_tuple(std::numeric_limits<int32_t>::max(), int32_t{0}, int32_t{0});
    for (; own != end; ++own) {
      const int32_t in_layer = extents[layer].farthest(*own);
      const int32_t to_next = last ? 0 : extents[layer + 1].farthest(*own);
      const auto candidate = std::make_tuple(in_layer + to_next, own->row, own->column);
      if (candidate >= best) continue;
      best = candidate;
      hops[layer] = {in_layer, to_next};
    }
  }
  return hops;
}

}  // namespace pimllm::cost

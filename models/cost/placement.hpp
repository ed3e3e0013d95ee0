// Where the tiles of a PIM bank lie, and how far their results travel.
//
// Tiles fill a square grid in shells around tile (0, 0): shell k holds the 2k+1 tiles of row k and column k,
// and the shells alternate direction. Layers follow one another; the partial sums of a layer meet in one of
// its own tiles (the merge tile), and the merge tile sends the result to the next layer. Source: MNSIM 2.0,
// Tile_Connection = 2, which the published PIM-LLM rows follow exactly (docs/cost_models.md).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace pimllm::cost {

struct TilePosition {
  int32_t row = 0;
  int32_t column = 0;
  bool operator==(const TilePosition&) const = default;
};

// Position of the index-th tile (index >= 0).
TilePosition tile_position(int64_t index);

struct LayerHops {
  int64_t in_layer = 0;  // from the farthest own tile to the merge tile, links
  int64_t to_next =
      0;  // from the merge tile to the farthest tile of the next layer, links; 0 for the last layer
  bool operator==(const LayerHops&) const = default;
};

// Hops of every layer. tiles: tiles of each layer in the order in which they are laid (all >= 1); first:
// index of the first tile of the first layer. The merge tile is the own tile that minimises in_layer +
// to_next (the last layer: in_layer alone), on ties the one with the smallest (row, column).
std::vector<LayerHops> place_layers(std::span<const int64_t> tiles, int64_t first);

}  // namespace pimllm::cost

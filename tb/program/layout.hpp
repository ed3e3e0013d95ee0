// Where random programs keep what. A program works in a window of each space, so that it can load all it
// reads in a few hundred cycles; the window lies anywhere. Regions have a type, because not all bits are
// legal everywhere: scales are normalised, weights of norms and RoPE rows fit 16 bits, crossbar codes are 0
// to 2.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "models/compiler/compiler.hpp"
#include "models/compiler/hardware.hpp"

namespace pimllm::tb {

struct Region {
  uint64_t first = 0;
  uint64_t size = 0;
  uint64_t end() const { return first + size; }

  friend bool operator==(const Region&, const Region&) = default;
};

struct Window {
  Region act, act_small, act_scales;  // words: any int32, |value| <= 2^14, scales
  Region scr;                         // half words, |int32| < 2^28 where memory wrote them
  Region kvs;                         // words of scales, even start
  Region scl;                         // words: head records, matrix scales with erefs, 2^-F, scales
  Region records, erefs, points, scales;
  Region kv;  // rows of every group

  friend bool operator==(const Window&, const Window&) = default;
};

inline constexpr uint64_t kRecordWords = 8;
// Words of a group in `erefs`: a matrix scale, then the erefs of its heads.
inline constexpr uint64_t kErefGroup = 8;
inline constexpr uint64_t kErefHeads = kErefGroup - 1;

// Memory, from an address that is a multiple of 4096 on; in bytes. Regions as in Window.
struct MemoryMap {
  uint64_t base = 0;
  Region general, scores, small, scales, images, codes, zeros, program;
  uint64_t image_bytes = 0;  // of one image of Window::scl
};

inline constexpr uint64_t kImages = 3;

Window make_window(const HardwareParameters& hardware, std::mt19937_64& rng);
MemoryMap make_map(const HardwareParameters& hardware, uint64_t base);
// Contents of all regions but the program's, a function of the seed.
std::vector<MemorySegment> memory_image(const HardwareParameters& hardware, const MemoryMap& map,
                                        uint64_t seed);

}  // namespace pimllm::tb

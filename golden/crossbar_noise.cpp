#include "golden/crossbar_noise.hpp"

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "golden/error.hpp"

namespace pimllm {
namespace {

constexpr uint64_t kSpreadDraw = 1;
constexpr uint64_t kStuckDraw = 2;
constexpr uint64_t kReadDraw = 3;
constexpr uint64_t kOffsetDraw = 4;
constexpr int64_t kNoiseUnit = 16;  // 1/256 of a cell's current

uint64_t mix(uint64_t z) {
  z ^= z >> 30;
  z *= 0xBF58476D1CE4E5B9U;
  z ^= z >> 27;
  z *= 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

uint64_t draw(const CrossbarNoise& noise, std::initializer_list<uint64_t> keys) {
  uint64_t x = mix(noise.seed);
  for (const uint64_t key : keys) x = mix(x + 0x9E3779B97F4A7C15U * (key + 1));
  return x;
}

int64_t normal(uint64_t bits, int sigma) {
  const auto field = [bits](int i) { return static_cast<int64_t>((bits >> (16 * i)) & 0xFFFFU); };
  const int64_t product = (field(0) + field(1) + field(2) + field(3) - 131070) * sigma * 113512;
  return (product + (int64_t{1} << 31)) >> 32;
}

uint64_t key(int value) { return static_cast<uint64_t>(value); }

void check(std::string_view what, int value, int most) {
  if (value < 0 || value > most) fail("noise {}: expected 0..{}, found {}", what, most, value);
}

}  // namespace

void check_noise(const CrossbarNoise& noise) {
  check("spread", noise.spread, 4096);
  check("stuck at HRS", noise.stuck_hrs, 65536);
  check("stuck at LRS", noise.stuck_lrs, 65536);
  check("stuck at HRS or LRS", noise.stuck_hrs + noise.stuck_lrs, 65536);
  check("read", noise.read_noise, 65535);
  check("offset", noise.adc_offset, 65535);
}

int32_t device_current(const CrossbarNoise& noise, int crossbar, int row, int column, int device, bool on) {
  const uint64_t number = 2 * key(column) + key(device);
  if (noise.stuck_hrs != 0 || noise.stuck_lrs != 0) {
    const auto u = static_cast<int>(draw(noise, {kStuckDraw, key(crossbar), key(row), number}) % 65536);
    if (u < noise.stuck_hrs) return 0;
    if (u < noise.stuck_hrs + noise.stuck_lrs) on = true;
  }
  if (!on) return 0;
  if (noise.spread == 0) return kNominalCurrent;
  const int64_t current =
      kNominalCurrent + normal(draw(noise, {kSpreadDraw, key(crossbar), key(row), number}), noise.spread);
  return static_cast<int32_t>(std::clamp<int64_t>(current, 0, 2 * kNominalCurrent));
}

int64_t read_current(const CrossbarNoise& noise, int crossbar, int column, uint64_t conversion) {
  if (noise.read_noise == 0) return 0;
  return kNoiseUnit *
         normal(draw(noise, {kReadDraw, key(crossbar), key(column), conversion}), noise.read_noise);
}

int64_t offset_current(const CrossbarNoise& noise, int set, int adc) {
  if (noise.adc_offset == 0) return 0;
  return kNoiseUnit * normal(draw(noise, {kOffsetDraw, key(set), key(adc), 0}), noise.adc_offset);
}

}  // namespace pimllm

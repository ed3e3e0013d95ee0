#include "tb/program/layout.hpp"

#include <algorithm>
#include <string>

#include "golden/scale.hpp"

namespace pimllm::tb {
namespace {

// Sizes of the window. Records, erefs and so on are multiples of the SCL words of a beat.
constexpr uint64_t kActWords = 128, kSmallWords = 24, kActScaleWords = 12;
constexpr uint64_t kScrHalves = 160;
constexpr uint64_t kKvsWords = 24;
constexpr uint64_t kRecords = 6, kErefGroups = 2, kPoints = 8, kScales = 48;
constexpr uint64_t kKvRows = 48;
constexpr uint64_t kPage = 4096;

uint64_t below(std::mt19937_64& rng, uint64_t n) { return rng() % n; }

class Writer {
 public:
  explicit Writer(std::mt19937_64& rng, Region region, std::string name) : rng_(rng) {
    segment_.name = std::move(name);
    segment_.address = region.first;
    segment_.size = region.size;
  }
  void put(uint32_t value) {
    for (int i = 0; i < 4; ++i) segment_.bytes.push_back(static_cast<uint8_t>(value >> (8 * i)));
  }
  bool full() const { return segment_.bytes.size() >= segment_.size; }
  MemorySegment take() { return std::move(segment_); }

  uint32_t scale() {
    if (below(rng_, 24) == 0) return 0;
    const auto m = static_cast<uint16_t>(0x8000 | rng_());
    const int e = below(rng_, 24) == 0 ? static_cast<int16_t>(static_cast<uint16_t>(rng_()))
                                       : static_cast<int>(below(rng_, 30)) - 36;
    return sf_pack({m, wrap16(e)});
  }
  int draw(int low, int high) { return std::uniform_int_distribution<int>(low, high)(rng_); }
  int32_t any(int least_shift) {
    return static_cast<int32_t>(static_cast<uint32_t>(rng_())) >> (least_shift + shift_);
  }
  // The spread of the next values: a word of them has one size.
  void new_size(int most) { shift_ = draw(0, most); }

 private:
  std::mt19937_64& rng_;
  MemorySegment segment_;
  int shift_ = 0;
};

}  // namespace

Window make_window(const HardwareParameters& h, std::mt19937_64& rng) {
  const auto place = [&](int words, uint64_t size, uint64_t step) {
    return below(rng, (static_cast<uint64_t>(words) - size) / step + 1) * step;
  };
  Window w;
  const uint64_t act = place(h.act_words, kActWords + kSmallWords + kActScaleWords, 1);
  w.act = {act, kActWords};
  w.act_small = {w.act.end(), kSmallWords};
  w.act_scales = {w.act_small.end(), kActScaleWords};
  w.scr = {2 * place(h.scr_words, kScrHalves / 2, 1), kScrHalves};
  w.kvs = {place(h.kvs_words, kKvsWords, 2), kKvsWords};
  const uint64_t scl_words = kRecords * kRecordWords + kErefGroups * kErefGroup + kPoints + kScales;
  w.scl = {place(h.scl_words, scl_words, static_cast<uint64_t>(h.channel_bytes) / 4), scl_words};
  w.records = {w.scl.first, kRecords * kRecordWords};
  w.erefs = {w.records.end(), kErefGroups * kErefGroup};
  w.points = {w.erefs.end(), kPoints};
  w.scales = {w.points.end(), kScales};
  w.kv = {place(h.kv_rows, kKvRows, 1), kKvRows};
  return w;
}

MemoryMap make_map(const HardwareParameters& h, uint64_t base) {
  MemoryMap map;
  map.base = base;
  uint64_t next = base;
  const auto region = [&](uint64_t bytes) {
    const Region r{next, bytes};
    next += (bytes + kPage - 1) / kPage * kPage;
    return r;
  };
  map.general = region(2 * kPage + kPage / 2);
  map.scores = region(kPage + kPage / 2);
  map.small = region(kPage / 2);
  map.scales = region(kPage);
  map.image_bytes = 4 * (kRecords * kRecordWords + kErefGroups * kErefGroup + kPoints + kScales);
  map.images = region(kImages * map.image_bytes);
  map.codes = region(static_cast<uint64_t>(h.xbar_bytes()) + kPage / 2);
  map.zeros = region(16 * kPage);
  map.program = region(16 * kPage);
  return map;
}

std::vector<MemorySegment> memory_image(const HardwareParameters& h, const MemoryMap& map, uint64_t seed) {
  std::mt19937_64 rng(seed);
  std::vector<MemorySegment> segments;
  const auto fill = [&](Region region, const char* name, auto&& value) {
    Writer writer(rng, region, name);
    const auto word = static_cast<uint64_t>(h.act_bytes()) / 4;
    for (uint64_t i = 0; !writer.full(); ++i) {
      if (i % word == 0) writer.new_size(28);
      value(writer, i);
    }
    segments.push_back(writer.take());
  };
  fill(map.general, "general", [](Writer& w, uint64_t) {
    const int kind = w.draw(0, 63);
    w.put(kind == 0   ? 0x80000000U
          : kind == 1 ? 0x7FFFFFFFU
          : kind == 2 ? 0U
                      : static_cast<uint32_t>(w.any(0)));
  });
  fill(map.scores, "scores",
       [](Writer& w, uint64_t) { w.put(static_cast<uint32_t>(std::clamp(w.any(0), -(1 << 28), 1 << 28))); });
  fill(map.small, "small", [](Writer& w, uint64_t) { w.put(static_cast<uint32_t>(w.draw(-16384, 16384))); });
  fill(map.scales, "scales", [](Writer& w, uint64_t) { w.put(w.scale()); });
  fill(map.images, "images", [&](Writer& w, uint64_t i) {
    const uint64_t at = i % (map.image_bytes / 4);
    constexpr uint64_t kErefs = kRecords * kRecordWords, kPointsAt = kErefs + kErefGroups * kErefGroup;
    if (at < kErefs) {
      switch (at % kRecordWords) {
        case 2:  // z
          return w.put(static_cast<uint32_t>(w.draw(-3, 8)));
        case 3:  // M
          return w.put(static_cast<uint32_t>(w.draw(0, 3) == 0 ? -32768 : w.draw(-2048, 40)));
        case 4:  // sum
          return w.put(static_cast<uint32_t>(w.draw(0, 1 << 24)));
        case 6:  // clips
          return w.put(static_cast<uint32_t>(w.draw(0, 1 << 20)));
        case 7:  // taken as eref
          return w.put(static_cast<uint32_t>(w.draw(-40, 4)));
        default:
          return w.put(w.scale());
      }
    }
    if (at < kPointsAt) {
      if (at % kErefGroup == 0) return w.put(w.scale());
      return w.put(static_cast<uint32_t>(w.draw(0, 3) == 0 ? -32768 : w.draw(-40, 4)));
    }
    if (at < kPointsAt + kPoints) return w.put(sf_pack(sf_pow2(-w.draw(0, 23))));
    w.put(w.scale());
  });
  fill(map.codes, "codes", [](Writer& w, uint64_t) {
    uint32_t word = 0;
    for (int i = 0; i < 16; ++i) word = word << 2 | static_cast<uint32_t>(w.draw(0, 2));
    w.put(word);
  });
  segments.push_back({"zeros", map.zeros.first, map.zeros.size, {}});
  return segments;
}

}  // namespace pimllm::tb

#include "models/cost/pim_components.hpp"

#include <array>
#include <cmath>

#include "golden/error.hpp"

namespace pimllm::cost {
namespace {

double doublings(int64_t bits, int64_t reference) {
  return std::ldexp(1.0, static_cast<int>(bits - reference));
}

// Levels of a tree of 8-way switches, and one.
double tree_levels(int64_t ratio) {
  double levels = 1;
  for (; ratio > 0; ratio /= 8) ++levels;
  return levels;
}

}  // namespace

double crossbar_ns(int64_t rows, int64_t columns) {
  constexpr double kCellNs = 3.16;
  constexpr double kBitsPerKb = 8 * 1024;
  const double kb = static_cast<double>(rows * columns) / kBitsPerKb;
  return kCellNs + 0.001 * (0.0002 * kb * kb + 5e-6 * kb + 4e-14);
}

double crossbar_um2(int64_t rows, int64_t columns) {
  constexpr double kCellUm2 = 1.44;
  constexpr double kRowDriverUm2 = 1150;
  return static_cast<double>(rows * columns) * kCellUm2 + static_cast<double>(rows) * kRowDriverUm2;
}

double dac_ns(int64_t bits) { return static_cast<double>(bits + 2); }
double dac_w(int64_t bits) { return 3.9e-6 * doublings(bits, 1); }
double dac_um2(int64_t bits) { return 0.166 * doublings(bits, 1); }

double adc_ns(int64_t bits) { return static_cast<double>(bits + 2) / 1.28; }
double adc_w(int64_t bits) { return 2e-3 * doublings(bits, 8); }
double adc_um2(int64_t bits) { return 9600 * doublings(bits, 8); }

BufferKind buffer_kind(int64_t bytes) {
  struct Entry {
    int64_t bytes;
    BufferKind kind;
  };
  static constexpr std::array kKinds = {
      Entry{2048, {0.0075695, 0.0131361, 1.006428e-3, 40580.3}},
      Entry{4096, {0.00854257, 0.0199484, 1.95684e-3, 68694.7}},
      Entry{8192, {0.018382, 0.0211344, 4.1222e-3, 156974.886}},
      Entry{16384, {0.044837, 0.0437094, 8.86342e-3, 616313.686}},
  };
  for (const auto& entry : kKinds) {
    if (bytes <= entry.bytes) return entry.kind;
  }
  fail("PIM buffer of {} bytes: expected at most {}", bytes, kKinds.back().bytes);
}

namespace {
constexpr double kAccessNs = 20;
constexpr double kPortBits = 64;
}  // namespace

double buffer_access_ns(double bits) { return std::ceil(bits / kPortBits) * kAccessNs; }
double read_w(const BufferKind& kind) { return kind.read_nj / kAccessNs + kind.leakage_w; }
double write_w(const BufferKind& kind) { return kind.write_nj / kAccessNs + kind.leakage_w; }

double demultiplexer_ns(int64_t ratio) { return tree_levels(ratio) * 0.27933; }
double multiplexer_ns(int64_t ratio) { return tree_levels(ratio) * 0.032744; }

double multiplexer_w(int64_t ratio) {
  constexpr double kTransistorW = 10 * 1.2e-9;
  double transistors = 8;  // a switch of two; each doubling trebles them, up to 64
  for (int64_t lines = 2; lines < ratio && lines < 64; lines *= 2) transistors *= 3;
  return transistors * kTransistorW;
}

}  // namespace pimllm::cost

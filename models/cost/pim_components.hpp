// Components of a PIM tile: latency (ns), power (W), area (um2). Constants are those of MNSIM 2.0 (its
// sources in brackets) unless a line says otherwise; docs/cost_models.md has the table.
#pragma once

#include <cstdint>

namespace pimllm::cost {

// RRAM cell, read: 0.15 V on one input line in ten, a third of the cells at 10 kOhm, the others at 1 MOhm.
inline constexpr double kCellReadW = 0.1 * 0.15 * 0.15 * (0.67 / 1e6 + 0.33 / 1e4);
inline constexpr double kCrossbarsPerPe = 2;  // positive and negative weights, subtracted before the ADC
double crossbar_ns(int64_t rows, int64_t columns);
double crossbar_um2(int64_t rows, int64_t columns);  // cells and row drivers

// DAC [ISAAC, ISCA 2016]: 1 GS/s; power and area double with each bit.
double dac_ns(int64_t bits);
double dac_w(int64_t bits);
double dac_um2(int64_t bits);

// ADC: 8 bit, 1.28 GS/s, 2 mW [ISAAC]; power and area double with each bit (Walden's figure of merit, JSAC
// 1999).
double adc_ns(int64_t bits);
double adc_w(int64_t bits);
double adc_um2(int64_t bits);

// SRAM buffer with a 64-bit port, 90 nm [CACTI through MNSIM], 20 ns an access.
struct BufferKind {
  double read_nj, write_nj;  // an access
  double leakage_w;
  double area_um2;
};
// The smallest kind that holds `bytes`; throws Error above 16 KB.
BufferKind buffer_kind(int64_t bytes);
double buffer_access_ns(double bits);
double read_w(const BufferKind& kind);
double write_w(const BufferKind& kind);

// Demultiplexers from a DAC to its rows, multiplexers from columns to an ADC; ratio: lines a converter
// serves.
double demultiplexer_ns(int64_t ratio);
double multiplexer_ns(int64_t ratio);
double multiplexer_w(int64_t ratio);  // of either

inline constexpr double kScale45Nm = (45.0 / 65.0) * (45.0 / 65.0);
inline constexpr double kRegisterW = 18.8e-9 * kScale45Nm;
inline constexpr double kShiftRegisterW = 8.1e-7;
inline constexpr double kJointW = 2.64e-4 * kScale45Nm;  // adds the results of two PEs, one column
inline constexpr double kJointUm2 = 353.76 * kScale45Nm;
inline constexpr double kForwardingBufferUm2 = 616313.686;  // 16 KB, one a tile
// Registers and multiplexers, a converter: what the published area of a tile, 9.3388259 mm2, leaves beside
// the rest.
inline constexpr double kSmallDigitalUm2 = 2.57772;

}  // namespace pimllm::cost

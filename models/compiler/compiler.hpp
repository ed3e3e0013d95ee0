// Model -> program and memory image. A model is compiled once; one program serves every position
// (docs/compiler.md).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "golden/integer_model.hpp"
#include "golden/model.hpp"
#include "models/compiler/hardware.hpp"
#include "models/isa/instruction.hpp"

namespace pimllm {

struct CompileOptions {
  int context = 0;                  // positions the program serves; 0: the model's context_length
  uint64_t memory_base = 0;         // first address used
  int residual_fraction_bits = 16;  // Fx
  int rows_per_conversion = 0;      // 0: as many as cannot clip but at the extreme code, at most XbarRows
  int lsb_shift = 0;
  int adc_bits = 0;         // 0: the machine's
  bool norm_to_scr = true;  // NORM mode[1]; else the last norm reaches SCR by way of memory
  // The crossbars hold the weights at power-up (FPGA boards): no init program, and the codes are beside the
  // memory image.
  bool preloaded_crossbars = false;
  int segment_alignment = 4096;  // bytes, a power of two of at least 256; memory_base is a multiple of it
  // Tokens of a block of the prefill program: 2, 4 or 8, a divisor of the array's columns; 0: no such
  // program.
  int prefill_tokens = 0;
};

enum class Space { kAct, kScr, kKvs, kScl, kKv, kMemory };
std::string_view space_name(Space space);

// A part of the memory image. Bytes beyond `bytes` up to `size` are written by the machine and start as zero.
struct MemorySegment {
  std::string name;
  uint64_t address = 0;
  uint64_t size = 0;
  std::vector<uint8_t> bytes;
};

struct CompiledProgram {
  std::string name;
  uint64_t address = 0;  // PROGRAM_BASE
  std::vector<isa::Encoded> words;
  isa::Symbols symbols;
};

// kUint24: bits 23:8, then 7:0, each in the half words of a tile of C elements.
enum class ElementType { kInt8, kUint16, kUint24, kInt32 };

// Where a tensor of the integer golden model (golden/README.md) lies once instruction `pc` of the step
// program is done.
struct TensorTap {
  enum class Kind {
    kPlain,       // element i at address + order[i] (or + i) elements
    kOpenK,       // element d of a kv head in its open tile's row d, column pos mod C (see kv_home)
    kOpenV,       // in row pos mod C of the open tile
    kNumerators,  // head `head`: token t is element t from `address`
  };
  Kind kind = Kind::kPlain;
  std::string name;
  bool per_layer = false;
  size_t pc = 0;  // instruction index in the step program
  Space space = Space::kAct;
  uint64_t address = 0;  // bytes in the space (KV: row)
  uint64_t layer_stride = 0;
  ElementType type = ElementType::kInt32;
  int head = -1;                // of this head only
  std::vector<uint32_t> order;  // [golden element] -> element at the address; empty: the same
  bool has_scale = false;
  uint64_t scale_address = 0;  // SCL word of the (first) scale; K and V: KVS word of layer 0
  uint64_t scale_stride = 0;   // words from scale to scale
  uint64_t scale_layer_stride = 0;
};

// What fits where; all sizes in the units of docs/architecture.md.
struct CompiledLayout {
  int context = 0;
  int head_dim = 0;        // the machine's, padded
  int tile_rows = 0;       // rows of a KV tile in its banks
  int max_tiles = 0;       // KV tiles of the whole context
  int ring_rows = 0;       // ring of KV tiles: rows 0 .. ring_rows - 1
  int slot_rows = 0;       // a slot of it
  int slot_tiles = 0;      // KV tiles in a slot
  bool segmented = false;  // a head's K or V may need more than one slot
  int scale_buffers = 0;
  bool kv_pairs = false;  // kv heads in pairs: tiles of the odd ones half of the groups further
  int head_pieces = 0;    // pieces of the LM head
  int head_piece_tiles = 0;
  int crossbars = 0;
  int crossbars_per_layer = 0;
  int act_words = 0, scr_words = 0, kvs_words = 0, scl_words = 0, kv_rows = 0;  // used

  uint64_t kv_home_row = 0;    // first open tile, rows of all groups
  uint64_t kv_home_scale = 0;  // KVS word of its K scales
  uint64_t states = 0;       // SCL word: of each layer and batch of kv heads, V's matrix scale and the erefs
  uint64_t state_words = 0;  // of all layers
  uint64_t kv_address = 0;   // memory: [layer][kv head]: K tiles, V tiles, scale words
  uint64_t kv_head_bytes = 0;
  uint64_t kv_v_offset = 0;
  uint64_t kv_scale_offset = 0;
  uint64_t logits_address = 0;
};

// What the host writes before a run; names are those of the register block.
struct RegisterWrite {
  std::string name;
  uint64_t value = 0;
};

struct CompiledModel {
  HardwareParameters hardware;
  CompileOptions options;
  ModelConfig config;
  IntegerSettings golden;   // the settings with which IntegerModel gives the same bits
  CompiledProgram init;     // once after power-up: programs the crossbars; no words if they are preloaded
  CompiledProgram step;     // a token; with TOKENS_LEFT > 0 as many more, each fed the one before
  CompiledProgram prefill;  // options.prefill_tokens prompt tokens at once; no words if there is none
  std::vector<MemorySegment> segments;  // programs included
  // Of preloaded crossbars: one after another, a row after another, 2 bits a cell, weight + 1.
  std::vector<uint8_t> crossbar_codes;
  uint64_t memory_end = 0;
  std::vector<RegisterWrite> registers;
  CompiledLayout layout;
  std::vector<TensorTap> taps;
  std::vector<int> wo_rows;  // row of each input of the attention output projection (padded heads)
};

// The step program reads TOKEN_IN, POSITION, TOKENS_LEFT and ARG0.
inline constexpr uint64_t kArgNoHead =
    1;  // ARG0 bit 0: a prompt token, no logits, no TOKEN_OUT; then it halts

// Decode attention of one layer alone, with a KV cache and q of random numbers: for measurements.
struct AttentionOptions {
  int tokens = 1;      // in the context, the new one included
  bool north = false;  // the published feed (M = 1) in place of the banked one
  uint64_t seed = 1;
};

// `init` brings the operands into the scratchpad; `step`, at POSITION = tokens - 1, is the attention of a
// layer: from the first load of KV to the last PV. Of the shape only heads, kv_heads, head_dim, normalizer,
// name and context_length count. Throws Error if it does not fit.
CompiledModel compile_attention(const ModelConfig& shape, const HardwareParameters& hardware,
                                const AttentionOptions& options);

// A prefill block as the host hands it over: [0] is TOKEN_IN, [i] is ARGi with three ids of 16 bits. At most
// 10 tokens.
using PrefillArguments = std::array<uint64_t, 4>;
PrefillArguments prefill_arguments(std::span<const int32_t> tokens);
std::vector<int32_t> prefill_tokens(const PrefillArguments& arguments, int count);

// The step program of a shape, without weights and without a memory image: for cycle models. Biases are there
// where norm is LayerNorm, as in the checkpoints of that kind. Throws Error if the shape does not fit the
// machine.
CompiledModel compile_shape(const ModelConfig& shape, const HardwareParameters& hardware,
                            const CompileOptions& options = {});

// Throws Error if the model is not covered by docs/numerics.md, or does not fit the machine.
CompiledModel compile(const ModelWeights& weights, const HardwareParameters& hardware,
                      const CompileOptions& options = {});

// Non-idealities of the crossbars for both references; the program does not depend on them. Throws Error for
// values out of range, and where the machine's result would depend on what lies in lanes or rows that the
// model does not have (docs/pim.md, "Non-idealities").
void set_noise(CompiledModel& compiled, const CrossbarNoise& noise);

}  // namespace pimllm

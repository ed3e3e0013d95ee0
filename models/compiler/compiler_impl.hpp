// Inside of the compiler: what layout.cpp, image_data.cpp, layers.cpp, step.cpp and prefill.cpp share.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/compiler/compiler.hpp"

namespace pimllm::compiler {

using isa::Instruction;
using isa::Opcode;
using isa::Operand;
using isa::Program;

inline constexpr int kLeastAlignment = 256;  // lines of the instruction buffer, words of ACT
inline constexpr int kMaxLsbShift = 7;       // of register LSB_SHIFT
inline constexpr int kImmediateCount = 2047;
inline constexpr int kAddressOffsetBits = 11;
inline constexpr int kScalarOffsetBits = 7;
inline constexpr int kMaxMulticast = 8;
inline constexpr int kActBanks = 2;  // rtl/common/pimllm_pkg.sv
inline constexpr int kScrBanks = 4;  // rtl/top/pimllm_top.sv, ScrBanks
// kv heads that are quantised and joined at a time: as the vector unit keeps up with the array.
inline constexpr int kHeadsPerBatch = 2;
inline constexpr int kPairsPerBatch = 2;
inline constexpr int kPairSlots = 4;  // least slots of the ring, else heads are worked on one by one
// Words of a projection, from which on its halves are worth two instructions.
inline constexpr int kWordsApart = 32;
inline constexpr int kMaxScaleBuffers = 8;
inline constexpr int kPieceTokens = 1024;  // of the LM head, bounds its buffers
inline constexpr int kRecordWords = 8;
inline constexpr int kRecordFactor = 5;
inline constexpr int kNormWords = 3;
inline constexpr uint8_t kModeNorth = 1;
inline constexpr uint8_t kModeOpen = 4;
inline constexpr uint8_t kModeRotated = 8;  // north feed
inline constexpr uint8_t kModeAccumulate = 2;
inline constexpr uint8_t kModeThreePlanes = 0x20;  // PV
inline constexpr uint8_t kModeJoinThree = 1;
inline constexpr uint8_t kModeSpaceScr = 1;
inline constexpr uint8_t kModeSpaceKvs = 2;
inline constexpr uint8_t kModeSpaceScl = 3;
inline constexpr uint8_t kQuantOneGroup = 7 << 4;
inline constexpr uint8_t kQuantKnown = 3;
inline constexpr uint8_t kNormKnown = 4;
// Maximum and sum of what is written are kept, beginning anew with `kBegin`: JOIN, RESADD, EMBED; ACTFN.
inline constexpr uint8_t kKeep = 2, kBegin = 4;
inline constexpr uint8_t kActKeep = 0x10, kActBegin = 0x20;
inline constexpr int64_t kQuantPairs = 1 << 16;  // of s2
inline constexpr int kTemps = 5;
inline constexpr int kTokenScalars = 5;
inline constexpr int kPrefillTokensLimit = 8;  // what TOKEN_IN and ARG1..3 hold

// Scalars of a layer, in the order of its block (behind the head records of ConSMax).
inline constexpr int kScalarAttnNorm = 0;
inline constexpr int kScalarAttnSub = 3;
inline constexpr int kScalarFfnNorm = 6;
inline constexpr int kScalarFfnSub = 9;
inline constexpr int kScalarQ = 12;
inline constexpr int kScalarK = 13;
inline constexpr int kScalarO = 14;
inline constexpr int kScalarGate = 15;  // and up behind it
inline constexpr int kScalarUp = 16;
inline constexpr int kScalarDown = 17;
inline constexpr int kScalars = 18;

// Resident scalars, at the start of SCL.
inline constexpr int kResidentX = 0;    // scale of the residual stream
inline constexpr int kResidentAtt = 1;  // of the heads' output
inline constexpr int kResidentOne = 2;
inline constexpr int kResidentOutNorm = 3;
inline constexpr int kResidents = kResidentOutNorm + kNormWords;

inline int log2_exact(int v) { return std::bit_width(static_cast<unsigned>(v)) - 1; }
inline int ceil_div(int a, int b) { return (a + b - 1) / b; }
inline int round_up(int a, int b) { return ceil_div(a, b) * b; }
inline uint64_t round_up64(uint64_t a, uint64_t b) { return (a + b - 1) / b * b; }
inline int pow2_ceil(int v) { return static_cast<int>(std::bit_ceil(static_cast<unsigned>(std::max(v, 1)))); }
inline int pow2_floor(int v) {
  return v < 1 ? 0 : static_cast<int>(std::bit_floor(static_cast<unsigned>(v)));
}

// A matrix as the crossbars hold it: values[column * rows + row] in machine order.
struct CrossbarImage {
  int rows = 0;
  int columns = 0;
  std::vector<int8_t> values;
};
// Where a token's vectors and scalars lie while a program works on it (ACT words, SCL words, SCR half words).
struct TokenPlaces {
  int e8 = 0, row = 0, x = 0, n8 = 0, qkv = 0, att = 0, a8 = 0, o = 0, ffn = 0, h = 0, h8 = 0, down = 0;
  int s_row = 0, s_n8 = 0, s_a8 = 0, s_h = 0, s_h8 = 0;
  int q = 0, planes = 0;
};

// Words of a vector.
struct Words {
  int first = 0;
  int count = 0;
};

// Some kv heads, with their query heads.
struct Heads {
  int first = 0;
  int count = 0;
};

class Compiler {
 public:
  Compiler(const ModelWeights& weights, const HardwareParameters& hardware, const CompileOptions& options)
      : w_(weights), c_(weights.config), h_(hardware), o_(options) {}

  CompiledModel run();
  CompiledModel run_attention(const AttentionOptions& options);
  CompiledModel run_shape();

 private:
  // --- layout.cpp: what follows from the sizes of model and machine ---
  void derive();
  void check_crossbars() const;
  void check_biases() const;
  void arrange_constants();
  // Scratchpad of a program that works on `tokens` tokens at once.
  void allocate_scratchpad(int tokens);
  TokenPlaces token(int index) const;
  // Of the matrices that layer_matrices() makes.
  ModelPlaces places() const;

  // --- image_data.cpp ---
  uint64_t segment(std::string name, uint64_t size, std::vector<uint8_t> bytes = {});
  std::vector<CrossbarImage> layer_matrices(const LayerWeights& layer) const;
  void derive_strides();  // of tables in memory
  void fill_crossbars();
  void fill_embedding();
  void fill_positions();
  void fill_constants();
  void allocate_memory();
  std::vector<int32_t> head_order(const std::vector<int32_t>& values, int heads, bool rope) const;
  uint32_t head_lane(int dim, bool rope) const;
  std::vector<uint32_t> heads_order(int heads, bool rope) const;

  // --- layers.cpp: parts of a token's way, for any program ---
  void load_states_and_constants();
  void layer_registers();
  void load_token(const TokenPlaces& t, uint8_t token, uint8_t sig);
  void embed(const TokenPlaces& t, uint8_t wait);
  bool qkv_apart() const;
  // A projection in halves that begin with a crossbar, so that the vector unit has the first while the second
  // is written.
  std::vector<Words> halves(int words) const;
  std::vector<Words> ffn_parts() const;
  size_t project(int in, int out, const std::vector<Words>& parts, int crossbar, int inputs);
  size_t add_residual(const TokenPlaces& t, int y, int scale, int weight_scale, int k_bias);
  void project_qkv(const TokenPlaces& t, uint8_t wait, bool apart);
  // Heads are quantised and joined in batches, so that attention begins with the first.
  Heads batch(int index) const;
  Heads all_heads() const { return {0, c_.kv_heads}; }
  bool ends_batch(int head) const;
  // The array works on a kv head, or on two at a time, whose tiles then lie in opposite halves of the groups.
  Heads unit(int index) const;
  int rotation(int head) const { return l_->kv_pairs && head % 2 == 1 ? groups_ / 2 : 0; }
  // SCL word of V's matrix scale of a batch, and of a kv head's eref, in the states of the layer.
  int batch_state(int index) const { return index * (batch_ + 1); }
  int head_state(int head) const { return batch_state(head / batch_) + 1 + head % batch_; }
  int state_words() const { return c_.kv_heads + batches_; }
  void quantise_k(const TokenPlaces& t, Heads heads, uint8_t wait);
  void quantise_v(const TokenPlaces& t, int batch_index, uint8_t wait, uint8_t sig0 = 0, uint8_t sig1 = 0);
  void quantise_q(const TokenPlaces& t, int index, Heads heads, uint8_t wait, uint8_t sig0, uint8_t sig1);
  void load_next_constants(uint8_t wait);
  // One query head; fills in the operands of an instruction that has its semaphores.
  void softmax(Instruction in, int query, int index, int scores, int numerators, Operand scales);
  void kv_store();
  void join(const TokenPlaces& t, int index, Heads heads, uint8_t wait);
  void project_attention(const TokenPlaces& t);
  void add_attention(const TokenPlaces& t);
  void project_ffn(const TokenPlaces& t);
  void activate_and_project(const TokenPlaces& t);
  void add_ffn(const TokenPlaces& t);
  void layer_next();
  void ring_advance(uint8_t reg);
  // The whole heads' tiles into the next slot, each head's behind its scales if they are wanted.
  void load_kv_tiles(Heads heads, bool is_v, bool scales = false);
  void post(std::string_view semaphore, int times);
  void drain(std::string_view semaphore, int times);
  // A field of a head record of a token, and a scalar of the layer.
  Operand record(int index, int query, int field = 0);
  Operand scalar(int which) { return sc(r("scl"), scl_scalars_ + which); }

  // --- step.cpp ---
  void build_init();
  void build_step();
  void step_registers();
  void token_registers();
  void kv_compute(int item);
  void scale_load(int head);
  void kv_load(int item);
  void attention_ahead();
  void quantise_batch(int index);
  // `whole`: quantisation and join of the heads too.
  void attention_items(bool whole);
  void attention();
  void lm_head();

  // --- prefill.cpp ---
  void check_prefill() const;
  void build_prefill();
  void load_prompt();
  void prefill_attention();

  // --- shape.cpp ---
  void reserve_memory();

  // --- attention.cpp ---
  void fill_attention(int tokens, uint64_t seed);
  void build_attention_init(int tokens);
  void build_attention();

  // --- compiler.cpp: building instructions ---
  uint8_t r(std::string_view name) { return p_->reg(name); }
  uint8_t s(std::string_view name) { return p_->sem(name); }
  uint8_t temp();
  Operand fit(uint8_t reg, int64_t offset, int bits);
  Operand a(uint8_t reg, int64_t offset = 0) { return fit(reg, offset, kAddressOffsetBits); }
  Operand sc(uint8_t reg, int64_t offset = 0) { return fit(reg, offset, kScalarOffsetBits); }
  Operand mem(uint8_t reg, int64_t bytes = 0);
  Operand mem(uint64_t address) { return mem(0, static_cast<int64_t>(address)); }
  void li(uint8_t reg, int64_t value) { p_->li(reg, value); }
  // Sets the count of an instruction, through a register if it is too large for the field.
  void count(Instruction& in, int words);
  size_t emit(const Instruction& in) { return p_->emit(in); }
  size_t linear(Opcode opcode, uint8_t space, int words, Operand local, Operand memory, uint8_t wait = 0,
                uint8_t sig = 0);
  void begin(Program& program);
  CompiledProgram finish(std::string name);
  // A tensor of the step program; another program's are not kept.
  TensorTap& tap(std::string name, size_t pc, Space space, uint64_t address, ElementType type);
  // The same in ACT, in every layer, with or without a scale.
  TensorTap& layer_tap(std::string name, size_t pc, int word, ElementType type, int scale = -1);

  bool layer_norm() const { return c_.norm == NormKind::kLayer; }
  bool consmax() const { return c_.normalizer == Normalizer::kConsmax; }
  // SCR half words of a tile's numerators; byte planes of PV; half words of a head's planes.
  int tile_numerators() const { return consmax() ? 1 : 2; }
  int planes() const { return consmax() ? 2 : 3; }
  int head_planes() const { return 2 * planes() * chunks_; }
  int norm_words(int words) const { return layer_norm() ? 2 * words : words; }
  // What an instruction of a vector in several parts keeps for the one that needs its maximum or sum. Prefill
  // has several tokens' vectors in work, and keeps nothing.
  uint8_t keep(bool first) const {
    return tokens_ != 1 ? uint8_t{0} : static_cast<uint8_t>(kKeep | (first ? kBegin : 0));
  }
  // The last vector written is the norm's.
  uint8_t norm_mode(bool kept = true) const {
    return static_cast<uint8_t>((layer_norm() ? 1 : 0) | (kept && tokens_ == 1 ? kNormKnown : 0));
  }
  uint8_t head_mode() const { return static_cast<uint8_t>(log2_exact(head_chunks_) << 4); }
  uint8_t pv_mode() const { return consmax() ? 0 : kModeThreePlanes; }
  uint8_t join_mode() const { return static_cast<uint8_t>(head_mode() | (consmax() ? 0 : kModeJoinThree)); }

  const ModelWeights& w_;
  const ModelConfig& c_;
  const HardwareParameters& h_;
  CompileOptions o_;
  std::unique_ptr<QuantizedModel> q_;
  CompiledModel out_;
  CompiledLayout* l_ = &out_.layout;

  // sizes
  int lanes_ = 0, cols_ = 0, groups_ = 0, banks_ = 0;
  int head_dim_ = 0, chunks_ = 0, head_chunks_ = 0;
  int query_group_ = 0, batch_heads_ = 0;
  int unit_heads_ = 1, units_ = 0;  // kv heads that the array works on at a time
  int unit_rows_ = 0;               // of the ring, for the K or V of a unit
  int batch_ = 0, batches_ = 0;     // kv heads quantised and joined at a time
  int d_words_ = 0, f_words_ = 0, att_words_ = 0, kv_words_ = 0;  // int32 vectors in ACT
  int d8_words_ = 0, f8_words_ = 0, att8_words_ = 0;              // int8 vectors in ACT
  int ffn_words_ = 0;                                             // gate and up
  int row_words_ = 0;                                             // RoPE or position row
  int ring_slots_ = 0, lead_ = 0;
  int head_dims_ = 0;  // dims of the LM head on the array
  int piece_tokens_ = 0, piece_words_ = 0;
  int xbar_qkv_ = 0, xbar_o_ = 0, xbar_up_ = 0, xbar_down_ = 0;
  int record_words_ = 0;  // head records of a token in the layer's scalars (ConSMax), else 0

  // Scratchpad of the program in work.
  int tokens_ = 1;
  int act_const_ = 0, act_const_words_ = 0, act_out_norm_ = 0, act_row_scales_ = 0, act_logits_ = 0;
  int act_token_ = 0, act_token_words_ = 0, act_rows_ = 0;
  std::array<int, 2> scr_scores_{}, scr_num_{};  // of the units in turn
  int scr_q_ = 0, scr_q_words_ = 0, scr_planes_ = 0, scr_head_q_ = 0, scr_head_acc_ = 0;
  int kvs_buffer_ = 0;
  int scl_token_ = 0, scl_records_ = 0, scl_pers_ = 0, scl_const_ = 0, scl_const_words_ = 0, scl_scalars_ = 0;
  // Offsets in the layer's block of vectors; -1: not there.
  int k_attn_norm_ = 0, k_bq_ = -1, k_bk_ = -1, k_bv_ = -1, k_attn_sub_ = -1, k_bo_ = -1, k_ffn_norm_ = 0,
      k_bup_ = -1, k_ffn_sub_ = -1, k_bdown_ = -1;
  // memory
  uint64_t m_xbar_ = 0, m_embedding_ = 0, m_positions_ = 0, m_head_ = 0, m_row_scales_ = 0, m_act_const_ = 0,
           m_scl_const_ = 0, m_act_resident_ = 0, m_scl_resident_ = 0, m_pers_ = 0, m_bounce_ = 0,
           m_open_tiles_ = 0, m_open_scales_ = 0, m_q_ = 0, m_records_ = 0;
  uint64_t embedding_stride_ = 0, embedding_scale_ = 0, position_stride_ = 0;
  uint64_t act_const_stride_ = 0, scl_const_stride_ = 0;
  uint64_t cursor_ = 0;

  Program* p_ = nullptr;
  bool taps_ = false;
  bool shape_only_ = false;  // no weights: programs without taps or image
  bool north_ = false;       // attention through the north feed
  TensorTap nowhere_;
  int next_temp_ = 0;
};

}  // namespace pimllm::compiler

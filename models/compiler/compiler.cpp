#include "models/compiler/compiler.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <utility>

#include "golden/error.hpp"

namespace pimllm {
namespace {

using isa::Instruction;
using isa::Opcode;
using isa::Operand;
using isa::Program;

constexpr uint64_t kSegmentAlignment = 4096;
constexpr int kImmediateCount = 2047;
constexpr int kAddressOffsetBits = 11;
constexpr int kScalarOffsetBits = 7;
constexpr int kMaxMulticast = 8;
constexpr int kPieceTokens = 1024;  // of the LM head, bounds its buffers
constexpr int kRecordWords = 8;
constexpr int kRecordFactor = 5;
constexpr int kNormWords = 3;
constexpr uint8_t kModeOpen = 4;
constexpr uint8_t kModeAccumulate = 2;
constexpr uint8_t kModeSpaceScr = 1;
constexpr uint8_t kModeSpaceKvs = 2;
constexpr uint8_t kModeSpaceScl = 3;
constexpr uint8_t kQuantOneGroup = 7 << 4;

int log2_exact(int v) { return std::bit_width(static_cast<unsigned>(v)) - 1; }
int ceil_div(int a, int b) { return (a + b - 1) / b; }
int round_up(int a, int b) { return ceil_div(a, b) * b; }
uint64_t round_up64(uint64_t a, uint64_t b) { return (a + b - 1) / b * b; }
int pow2_ceil(int v) { return static_cast<int>(std::bit_ceil(static_cast<unsigned>(std::max(v, 1)))); }
int pow2_floor(int v) { return v < 1 ? 0 : static_cast<int>(std::bit_floor(static_cast<unsigned>(v))); }

// Words of a scratchpad space, handed out in order.
class SpaceAllocator {
 public:
  SpaceAllocator(std::string_view name, int available) : name_(name), available_(available) {}

  int take(int words) {
    const int first = used_;
    used_ += words;
    return first;
  }
  void rewind(int to) {
    peak_ = std::max(peak_, used_);
    used_ = to;
  }
  int used() const { return std::max(peak_, used_); }
  void check(const ModelConfig& c, int context) const {
    if (used() > available_) {
      fail("model {} with context {}: needs {} words of {}, the machine has {}", c.name, context, used(),
           name_, available_);
    }
  }

 private:
  std::string_view name_;
  int available_;
  int used_ = 0;
  int peak_ = 0;
};

// A matrix as the crossbars hold it: values[column * rows + row] in machine order.
struct CrossbarImage {
  int rows = 0;
  int columns = 0;
  std::vector<int8_t> values;
};

void put32(std::vector<uint8_t>& bytes, size_t offset, uint32_t value) {
  for (size_t i = 0; i < 4; ++i) bytes[offset + i] = static_cast<uint8_t>(value >> (8 * i));
}

class Compiler {
 public:
  Compiler(const ModelWeights& weights, const HardwareParameters& hardware, const CompileOptions& options)
      : w_(weights), c_(weights.config), h_(hardware), o_(options) {}

  CompiledModel run();

 private:
  // --- what the machine makes of the model's sizes ---
  void derive();
  void allocate_scratchpad();
  void allocate_memory();

  // --- memory image ---
  uint64_t segment(std::string name, uint64_t size, std::vector<uint8_t> bytes = {});
  std::vector<CrossbarImage> layer_matrices(const LayerWeights& layer) const;
  void fill_crossbars();
  void fill_embedding();
  void fill_positions();
  void fill_constants();
  std::vector<int32_t> head_order(const std::vector<int32_t>& values, int heads, bool rope) const;
  uint32_t head_lane(int dim, bool rope) const;
  std::vector<uint32_t> heads_order(int heads, bool rope) const;

  // --- programs ---
  void build_init();
  void build_step();
  void step_prologue();
  void token_registers();
  void token_embedding();
  void layer();
  void layer_next();
  void kv_load(int item);
  void kv_compute(int item);
  void scale_load(int head);
  void kv_store();
  void attention();
  void ffn();
  void lm_head();
  void ring_advance(uint8_t reg);

  uint8_t r(std::string_view name) { return p_->reg(name); }
  uint8_t s(std::string_view name) { return p_->sem(name); }
  uint8_t temp();
  Operand fit(uint8_t reg, int64_t offset, int bits);
  Operand a(uint8_t reg, int64_t offset = 0) { return fit(reg, offset, kAddressOffsetBits); }
  Operand sc(uint8_t reg, int64_t offset = 0) { return fit(reg, offset, kScalarOffsetBits); }
  Operand mem(uint8_t reg, int64_t bytes = 0);
  void li(uint8_t reg, int64_t value) { p_->li(reg, value); }
  // Sets the count of an instruction, through a register if it is too large for the field.
  void count(Instruction& in, int words);
  size_t emit(const Instruction& in) { return p_->emit(in); }
  size_t linear(Opcode opcode, uint8_t space, int words, Operand local, Operand memory, uint8_t wait = 0,
                uint8_t sig = 0);
  TensorTap& tap(std::string name, size_t pc, Space space, uint64_t address, ElementType type);

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
  int d_words_ = 0, f_words_ = 0, att_words_ = 0, kv_words_ = 0;  // int32 vectors in ACT
  int d8_words_ = 0, f8_words_ = 0, att8_words_ = 0;              // int8 vectors in ACT
  int ring_slots_ = 0, lead_ = 0;
  int head_dims_ = 0;  // dims of the LM head on the array
  int piece_tokens_ = 0;
  int xbar_qkv_ = 0, xbar_o_ = 0, xbar_up_ = 0, xbar_down_ = 0;

  // ACT
  int act_const_ = 0, act_const_words_ = 0, act_x_ = 0, act_n8_ = 0, act_qkv_ = 0, act_row_ = 0, act_att_ = 0,
      act_a8_ = 0, act_o_ = 0, act_ffn_ = 0, act_h_ = 0, act_h8_ = 0, act_down_ = 0, act_e8_ = 0,
      act_out_norm_ = 0, act_row_scales_ = 0, act_logits_ = 0, piece_words_ = 0;
  // offsets in the layer's block of constants; -1: not there
  int k_attn_norm_ = 0, k_bq_ = -1, k_bk_ = -1, k_bv_ = -1, k_attn_sub_ = -1, k_bo_ = -1, k_ffn_norm_ = 0,
      k_bup_ = -1, k_ffn_sub_ = -1, k_bdown_ = -1;
  // SCR (half words)
  int scr_q_ = 0, scr_scores_ = 0, scr_num_ = 0, scr_planes_ = 0, scr_head_q_ = 0, scr_head_acc_ = 0;
  // KVS
  int kvs_buffer_ = 0;
  // SCL
  int scl_x_ = 0, scl_att_ = 0, scl_one_ = 0, scl_out_norm_ = 0, scl_resident_words_ = 0, scl_row_ = 0,
      scl_n8_ = 0, scl_a8_ = 0, scl_h_ = 0, scl_h8_ = 0, scl_records_ = 0, scl_pers_ = 0, scl_const_ = 0,
      scl_const_words_ = 0;
  int ks_attn_norm_ = 0, ks_attn_sub_ = 3, ks_ffn_norm_ = 6, ks_ffn_sub_ = 9, ks_q_ = 12, ks_k_ = 13,
      ks_o_ = 14, ks_gate_ = 15, ks_up_ = 16, ks_down_ = 17, ks_records_ = 18;
  // memory
  uint64_t m_init_ = 0, m_step_ = 0, m_xbar_ = 0, m_embedding_ = 0, m_positions_ = 0, m_head_ = 0,
           m_row_scales_ = 0, m_act_const_ = 0, m_scl_const_ = 0, m_act_resident_ = 0, m_scl_resident_ = 0,
           m_pers_ = 0, m_bounce_ = 0;
  uint64_t embedding_stride_ = 0, embedding_scale_ = 0, position_stride_ = 0;
  uint64_t act_const_stride_ = 0, scl_const_stride_ = 0;
  uint64_t cursor_ = 0;

  Program* p_ = nullptr;
  int next_temp_ = 0;
};

constexpr int kTemps = 5;

// --- sizes and places
// -------------------------------------------------------------------------------------------

void Compiler::derive() {
  lanes_ = h_.vec_lanes;
  cols_ = h_.array_cols;
  groups_ = h_.groups();
  banks_ = h_.group_banks();
  l_->context = o_.context == 0 ? c_.context_length : o_.context;
  if (l_->context < 1 || l_->context > c_.context_length) {
    fail("option context: expected 1..{}, found {}", c_.context_length, l_->context);
  }
  if (l_->context > 65536) fail("option context: expected at most 65536, found {}", l_->context);
  if (c_.vocab_size > 65536) fail("vocabulary: expected at most 65536 tokens, found {}", c_.vocab_size);
  head_dim_ = std::max(lanes_, 2 * cols_);
  while (head_dim_ < c_.head_dim) head_dim_ *= 2;
  chunks_ = head_dim_ / cols_;
  head_chunks_ = head_dim_ / lanes_;
  query_group_ = c_.heads / c_.kv_heads;
  batch_heads_ = 1;
  while (query_group_ % (2 * batch_heads_) == 0 && 2 * batch_heads_ <= std::min(groups_, kMaxMulticast)) {
    batch_heads_ *= 2;
  }
  d_words_ = ceil_div(c_.d_model, lanes_);
  f_words_ = ceil_div(c_.d_ff, lanes_);
  att_words_ = c_.heads * head_chunks_;
  kv_words_ = c_.kv_heads * head_chunks_;
  d8_words_ = ceil_div(d_words_, 4);
  f8_words_ = ceil_div(f_words_, 4);
  att8_words_ = ceil_div(att_words_, 4);
  if (c_.norm == NormKind::kLayer) {
    const auto whole = [&](std::string_view what, int n) {
      if (n % lanes_ != 0) {
        fail("{}: LayerNorm needs a multiple of the machine's {} vector lanes, found {}", what, lanes_, n);
      }
    };
    whole("d_model", c_.d_model);
    if (c_.sub_norms) {
      whole("d_ff", c_.d_ff);
      if (head_dim_ != c_.head_dim) {
        fail("head_dim: LayerNorm of the attention output needs heads of {} on this machine, found {}",
             head_dim_, c_.head_dim);
      }
    }
  }
  if (std::max({d_words_, f_words_, att_words_}) > kImmediateCount) {
    fail("model {}: expected vectors of at most {} elements, found {}", c_.name, kImmediateCount * lanes_,
         std::max({d_words_, f_words_, att_words_}) * lanes_);
  }

  l_->head_dim = head_dim_;
  l_->tile_rows = head_dim_ / banks_;
  l_->max_tiles = ceil_div(l_->context, cols_);

  // KV rows: homes of the open tiles at the top, the ring below.
  const int home_rows = c_.layers * c_.kv_heads * 2 * l_->tile_rows;
  head_dims_ = round_up(c_.d_model, std::max(banks_, lanes_));
  const int head_rows = head_dims_ / banks_;
  const int need =
      std::max(l_->tile_rows, pow2_ceil(ceil_div((l_->context - 1) / cols_, groups_) * l_->tile_rows));
  const int smallest = std::max(l_->tile_rows, pow2_ceil(head_rows));
  l_->ring_rows = pow2_floor(h_.kv_rows - home_rows);
  if (l_->ring_rows < 2 * smallest) {
    fail("model {} with context {}: needs {} words of KV, the machine has {}", c_.name, l_->context,
         home_rows + 2 * smallest, h_.kv_rows);
  }
  l_->slot_rows = std::max({smallest, std::min(need, l_->ring_rows / 2), l_->ring_rows / 8});
  ring_slots_ = l_->ring_rows / l_->slot_rows;
  l_->slot_tiles = l_->slot_rows / l_->tile_rows * groups_;
  l_->segmented = (l_->context - 1) / cols_ > l_->slot_tiles;
  lead_ = l_->segmented ? 0 : std::min({ring_slots_, 2 * c_.kv_heads, std::max(1, h_.queue_depth / 2)});
  l_->kv_home_row = static_cast<uint64_t>(h_.kv_rows - home_rows);
  l_->kv_rows = l_->ring_rows + home_rows;

  // The LM head in pieces of whole tiles and whole vector chunks.
  const int step = std::max(1, lanes_ / cols_);
  const int tiles = round_up(ceil_div(c_.vocab_size, cols_), step);
  const int capacity =
      std::min(l_->slot_rows / head_rows * groups_, std::max(step, kPieceTokens / cols_)) / step * step;
  if (capacity == 0)
    fail("LM head: expected a slot of {} KV rows at least, found {}", head_rows * step, l_->slot_rows);
  l_->head_pieces = ceil_div(tiles, capacity);
  l_->head_piece_tiles = round_up(ceil_div(tiles, l_->head_pieces), step);
  l_->head_pieces = ceil_div(tiles, l_->head_piece_tiles);
  piece_tokens_ = l_->head_piece_tiles * cols_;
  piece_words_ = piece_tokens_ / lanes_;

  // Crossbars of a layer.
  const auto crossbars = [&](int in, int words) {
    return ceil_div(in, h_.xbar_rows) * ceil_div(words * lanes_, h_.xbar_cols);
  };
  xbar_qkv_ = 0;
  xbar_o_ = xbar_qkv_ + crossbars(c_.d_model, att_words_ + 2 * kv_words_);
  xbar_up_ = xbar_o_ + crossbars(c_.heads * head_dim_, d_words_);
  xbar_down_ = xbar_up_ + crossbars(c_.d_model, (c_.gated ? 2 : 1) * f_words_);
  l_->crossbars_per_layer = xbar_down_ + crossbars(c_.d_ff, d_words_);
  l_->crossbars = c_.layers * l_->crossbars_per_layer;
  if (l_->crossbars > h_.crossbars()) {
    fail("model {}: needs {} crossbars of {}x{}, the machine has {}", c_.name, l_->crossbars, h_.xbar_rows,
         h_.xbar_cols, h_.crossbars());
  }
}

void Compiler::allocate_scratchpad() {
  const bool layer_norm = c_.norm == NormKind::kLayer;
  const int norm_factor = layer_norm ? 2 : 1;

  // The layer's constants in ACT.
  int words = 0;
  const auto constant = [&](int n) {
    const int at = words;
    words += n;
    return at;
  };
  const auto has = [&](TernaryMatrix LayerWeights::*m) {
    return std::any_of(w_.layers.begin(), w_.layers.end(),
                       [&](const LayerWeights& l) { return !(l.*m).bias.empty(); });
  };
  k_attn_norm_ = constant(norm_factor * d_words_);
  if (has(&LayerWeights::wq)) k_bq_ = constant(att_words_);
  if (has(&LayerWeights::wk)) k_bk_ = constant(kv_words_);
  if (has(&LayerWeights::wv)) k_bv_ = constant(kv_words_);
  if (c_.sub_norms) k_attn_sub_ = constant(norm_factor * att_words_);
  if (has(&LayerWeights::wo)) k_bo_ = constant(d_words_);
  k_ffn_norm_ = constant(norm_factor * d_words_);
  if (has(&LayerWeights::w_up)) k_bup_ = constant(f_words_);
  if (c_.sub_norms) k_ffn_sub_ = constant(norm_factor * f_words_);
  if (has(&LayerWeights::w_down)) k_bdown_ = constant(d_words_);
  act_const_words_ = words;

  SpaceAllocator act("ACT", h_.act_words);
  act_const_ = act.take(2 * act_const_words_);
  act_out_norm_ = act.take(norm_factor * d_words_);
  act_x_ = act.take(d_words_);
  act_n8_ = act.take(d8_words_);
  act_e8_ = act.take(d8_words_);
  act_row_ = act.take(c_.rope ? head_chunks_ : d_words_);
  act_qkv_ = act.take(att_words_ + 2 * kv_words_);
  act_att_ = act.take(att_words_);
  act_a8_ = act.take(att8_words_);
  act_o_ = act.take(d_words_);
  act_ffn_ = act.take((c_.gated ? 2 : 1) * f_words_);
  act_h_ = act.take(f_words_);
  act_h8_ = act.take(f8_words_);
  act_down_ = act.take(d_words_);
  act_row_scales_ = act.take(2 * piece_words_);
  act_logits_ = act.take(2 * piece_words_);
  // Programming data of two crossbars, before anything else lives.
  const int xbar_words = h_.xbar_bytes() / h_.act_bytes();
  if (2 * xbar_words > h_.act_words) {
    fail("programming a crossbar: needs {} words of ACT, the machine has {}", 2 * xbar_words, h_.act_words);
  }
  act.check(c_, l_->context);

  SpaceAllocator scr("SCR", h_.scr_words);
  scr_q_ = 2 * scr.take(ceil_div(c_.heads * head_dim_, h_.scr_bytes()));
  scr_scores_ = 2 * scr.take(2 * query_group_ * l_->max_tiles);
  scr_num_ = 2 * scr.take(query_group_ * l_->max_tiles);
  scr_planes_ = 2 * scr.take(c_.heads * 2 * chunks_);
  scr.rewind(0);  // the LM head runs when no attention does
  scr_head_q_ = 2 * scr.take(ceil_div(head_dims_, h_.scr_bytes()));
  scr_head_acc_ = 2 * scr.take(2 * l_->head_piece_tiles);
  scr.check(c_, l_->context);
  if (2 * h_.scr_words > 65536) fail("ScrWords: expected at most 32768, found {}", h_.scr_words);

  SpaceAllocator kvs("KVS", h_.kvs_words);
  kvs_buffer_ = pow2_ceil(2 * l_->max_tiles);
  const int home = c_.layers * c_.kv_heads * 2;
  l_->scale_buffers = 2 * kvs_buffer_ + home <= h_.kvs_words ? 2 : 1;
  kvs.take(l_->scale_buffers * kvs_buffer_);
  l_->kv_home_scale = static_cast<uint64_t>(kvs.take(home));
  kvs.check(c_, l_->context);

  const int beat = std::max(1, h_.channel_bytes / 4);
  SpaceAllocator scl("SCL", h_.scl_words);
  scl_resident_words_ = round_up(3 + kNormWords, beat);
  const int resident = scl.take(scl_resident_words_);
  scl_x_ = resident;
  scl_att_ = resident + 1;
  scl_one_ = resident + 2;
  scl_out_norm_ = resident + 3;
  scl_row_ = scl.take(1);
  scl_n8_ = scl.take(1);
  scl_a8_ = scl.take(1);
  scl_h_ = scl.take(1);
  scl_h8_ = scl.take(1);
  scl_pers_ = scl.take(round_up(c_.layers * (c_.kv_heads + 1), beat));
  const bool records_are_constants = c_.normalizer == Normalizer::kConsmax;
  scl_const_words_ = round_up(ks_records_ + (records_are_constants ? c_.heads * kRecordWords : 0), beat);
  scl_const_ = scl.take(2 * scl_const_words_);
  scl_records_ = records_are_constants ? -1 : scl.take(c_.heads * kRecordWords);
  scl.check(c_, l_->context);

  l_->act_words = act.used();
  l_->scr_words = scr.used();
  l_->kvs_words = kvs.used();
  l_->scl_words = scl.used();
}

uint64_t Compiler::segment(std::string name, uint64_t size, std::vector<uint8_t> bytes) {
  const uint64_t address = cursor_;
  cursor_ = round_up64(cursor_ + size, kSegmentAlignment);
  if (cursor_ > isa::kRegisterMask) fail("memory map: expected addresses of 48 bits, found {:#x}", cursor_);
  out_.segments.push_back({std::move(name), address, size, std::move(bytes)});
  return address;
}

// --- memory image
// -----------------------------------------------------------------------------------------------

// Lane of a head's dimension in the machine: RoPE pairs are neighbours.
uint32_t Compiler::head_lane(int dim, bool rope) const {
  if (!rope) return static_cast<uint32_t>(dim);
  const int half = c_.head_dim / 2;
  return static_cast<uint32_t>(dim < half ? 2 * dim : 2 * (dim - half) + 1);
}

std::vector<uint32_t> Compiler::heads_order(int heads, bool rope) const {
  std::vector<uint32_t> order;
  for (int h = 0; h < heads; ++h) {
    for (int d = 0; d < c_.head_dim; ++d) {
      order.push_back(static_cast<uint32_t>(h * head_dim_) + head_lane(d, rope));
    }
  }
  return order;
}

// A vector of heads in the machine's order, zeros between.
std::vector<int32_t> Compiler::head_order(const std::vector<int32_t>& values, int heads, bool rope) const {
  std::vector<int32_t> out(static_cast<size_t>(heads * head_dim_));
  const auto order = heads_order(heads, rope);
  for (size_t i = 0; i < values.size(); ++i) out[order[i]] = values[i];
  return out;
}

std::vector<CrossbarImage> Compiler::layer_matrices(const LayerWeights& w) const {
  const auto make = [](int rows, int columns) {
    CrossbarImage m{rows, columns, {}};
    m.values.resize(static_cast<size_t>(rows) * static_cast<size_t>(columns));
    return m;
  };
  // Copies a matrix; output o goes to column first + (column_of ? (*column_of)[o] : o), input i to row
  // row_of[i].
  const auto copy = [](CrossbarImage& to, const TernaryMatrix& m, int first,
                       const std::vector<uint32_t>& column_of, const std::vector<uint32_t>& row_of) {
    const auto in = static_cast<size_t>(m.in_features);
    for (size_t o = 0; o < static_cast<size_t>(m.out_features); ++o) {
      const size_t column = static_cast<size_t>(first) + (column_of.empty() ? o : column_of[o]);
      for (size_t i = 0; i < in; ++i) {
        const size_t row = row_of.empty() ? i : row_of[i];
        to.values[column * static_cast<size_t>(to.rows) + row] = m.values[o * in + i];
      }
    }
  };
  std::vector<CrossbarImage> matrices;
  CrossbarImage qkv = make(c_.d_model, (att_words_ + 2 * kv_words_) * lanes_);
  copy(qkv, w.wq, 0, heads_order(c_.heads, c_.rope), {});
  copy(qkv, w.wk, att_words_ * lanes_, heads_order(c_.kv_heads, c_.rope), {});
  copy(qkv, w.wv, (att_words_ + kv_words_) * lanes_, heads_order(c_.kv_heads, false), {});
  matrices.push_back(std::move(qkv));
  CrossbarImage o = make(c_.heads * head_dim_, d_words_ * lanes_);
  copy(o, w.wo, 0, {}, heads_order(c_.heads, false));
  matrices.push_back(std::move(o));
  CrossbarImage up = make(c_.d_model, (c_.gated ? 2 : 1) * f_words_ * lanes_);
  if (c_.gated) copy(up, w.w_gate, 0, {}, {});
  copy(up, w.w_up, c_.gated ? f_words_ * lanes_ : 0, {}, {});
  matrices.push_back(std::move(up));
  CrossbarImage down = make(c_.d_ff, d_words_ * lanes_);
  copy(down, w.w_down, 0, {}, {});
  matrices.push_back(std::move(down));
  return matrices;
}

void Compiler::fill_crossbars() {
  const auto row_bytes = static_cast<size_t>(h_.xbar_cols / 4);
  const auto bytes = static_cast<size_t>(h_.xbar_bytes());
  // Every cell 0 (code 1).
  std::vector<uint8_t> image(static_cast<size_t>(l_->crossbars) * bytes, 0x55);
  size_t base = 0;
  for (const LayerWeights& layer : w_.layers) {
    for (const CrossbarImage& m : layer_matrices(layer)) {
      const auto row_tiles = static_cast<size_t>(ceil_div(m.rows, h_.xbar_rows));
      for (int column = 0; column < m.columns; ++column) {
        const auto c = static_cast<size_t>(column / h_.xbar_cols);
        const auto in_c = static_cast<size_t>(column % h_.xbar_cols);
        for (int row = 0; row < m.rows; ++row) {
          const int8_t value =
              m.values[static_cast<size_t>(column) * static_cast<size_t>(m.rows) + static_cast<size_t>(row)];
          if (value == 0) continue;
          const auto tile = static_cast<size_t>(row / h_.xbar_rows);
          const auto in_r = static_cast<size_t>(row % h_.xbar_rows);
          uint8_t& byte = image[(base + c * row_tiles + tile) * bytes + in_r * row_bytes + in_c / 4];
          const size_t shift = 2 * (in_c % 4);
          byte = static_cast<uint8_t>((byte & ~(3U << shift)) | (static_cast<unsigned>(value + 1) << shift));
        }
      }
      base += row_tiles * static_cast<size_t>(ceil_div(m.columns, h_.xbar_cols));
    }
  }
  const size_t size = image.size();
  m_xbar_ = segment("crossbars", size, std::move(image));
}

void Compiler::fill_embedding() {
  // Rows with their scale behind, for EMBED.
  const auto d = static_cast<size_t>(c_.d_model);
  embedding_scale_ = static_cast<uint64_t>(d8_words_ * h_.act_bytes());
  embedding_stride_ = embedding_scale_ + static_cast<uint64_t>(h_.channel_bytes);
  std::vector<uint8_t> rows(embedding_stride_ * static_cast<uint64_t>(c_.vocab_size));
  for (size_t v = 0; v < static_cast<size_t>(c_.vocab_size); ++v) {
    std::memcpy(rows.data() + v * embedding_stride_, q_->embedding.values.data() + v * d, d);
    put32(rows, v * embedding_stride_ + embedding_scale_, sf_pack(q_->embedding.scales[v]));
  }
  const size_t row_bytes = rows.size();
  m_embedding_ = segment("embedding", row_bytes, std::move(rows));

  // The same rows as K tiles [tile][dim][C], and the scales as a vector, for the LM head.
  const auto dims = static_cast<size_t>(head_dims_);
  const auto cols = static_cast<size_t>(cols_);
  const auto tokens = static_cast<size_t>(l_->head_pieces * piece_tokens_);
  std::vector<uint8_t> tiles(tokens * dims);
  std::vector<uint8_t> scales(tokens * 4);
  for (size_t v = 0; v < static_cast<size_t>(c_.vocab_size); ++v) {
    for (size_t i = 0; i < d; ++i) {
      tiles[v / cols * dims * cols + i * cols + v % cols] =
          static_cast<uint8_t>(q_->embedding.values[v * d + i]);
    }
    put32(scales, 4 * v, sf_pack(q_->embedding.scales[v]));
  }
  const size_t tile_bytes = tiles.size();
  m_head_ = segment("lm_head", tile_bytes, std::move(tiles));
  const size_t scale_bytes = scales.size();
  m_row_scales_ = segment("lm_head_scales", scale_bytes, std::move(scales));
}

void Compiler::fill_positions() {
  const int words = c_.rope ? head_chunks_ : d_words_;
  position_stride_ = static_cast<uint64_t>(words * h_.act_bytes());
  std::vector<uint8_t> rows(position_stride_ * static_cast<uint64_t>(l_->context));
  for (size_t p = 0; p < static_cast<size_t>(l_->context); ++p) {
    const size_t at = p * position_stride_;
    if (c_.rope) {
      const RopeRow& row = q_->rope[p];
      for (size_t i = 0; i < row.cos.size(); ++i) {
        put32(rows, at + 8 * i, static_cast<uint32_t>(int32_t{row.cos[i]}));
        put32(rows, at + 8 * i + 4, static_cast<uint32_t>(int32_t{row.sin[i]}));
      }
    } else {
      const auto d = static_cast<size_t>(c_.d_model);
      for (size_t i = 0; i < d; ++i) put32(rows, at + 4 * i, static_cast<uint32_t>(q_->positions[p * d + i]));
    }
  }
  const size_t size = rows.size();
  m_positions_ = segment(c_.rope ? "rope_rows" : "position_rows", size, std::move(rows));
}

void Compiler::fill_constants() {
  const bool layer_norm = c_.norm == NormKind::kLayer;
  std::vector<uint8_t> bytes;
  const auto put_words = [&](size_t at, const std::vector<int32_t>& values) {
    for (size_t i = 0; i < values.size(); ++i) put32(bytes, at + 4 * i, static_cast<uint32_t>(values[i]));
  };
  const auto put_norm = [&](size_t at, const QuantizedNorm& norm, int words, int heads) {
    std::vector<int32_t> g(norm.g.begin(), norm.g.end());
    std::vector<int32_t> b = norm.b;
    if (heads != 0) {
      g = head_order(g, heads, false);
      if (!b.empty()) b = head_order(b, heads, false);
    }
    put_words(at, g);
    if (layer_norm) put_words(at + static_cast<size_t>(words * h_.act_bytes()), b);
  };
  const auto place = [&](size_t block, int offset) {
    return block + static_cast<size_t>(offset) * static_cast<size_t>(h_.act_bytes());
  };

  act_const_stride_ = static_cast<uint64_t>(act_const_words_ * h_.act_bytes());
  bytes.assign(act_const_stride_ * static_cast<uint64_t>(c_.layers), 0);
  for (size_t l = 0; l < static_cast<size_t>(c_.layers); ++l) {
    const QuantizedLayer& q = q_->layers[l];
    const size_t at = l * act_const_stride_;
    put_norm(place(at, k_attn_norm_), q.attn_norm, d_words_, 0);
    put_norm(place(at, k_ffn_norm_), q.ffn_norm, d_words_, 0);
    if (c_.sub_norms) {
      put_norm(place(at, k_attn_sub_), q.attn_sub_norm, att_words_, c_.heads);
      put_norm(place(at, k_ffn_sub_), q.ffn_sub_norm, f_words_, 0);
    }
    if (k_bq_ >= 0) put_words(place(at, k_bq_), head_order(q.wq.bias, c_.heads, c_.rope));
    if (k_bk_ >= 0) put_words(place(at, k_bk_), head_order(q.wk.bias, c_.kv_heads, c_.rope));
    if (k_bv_ >= 0) put_words(place(at, k_bv_), head_order(q.wv.bias, c_.kv_heads, false));
    if (k_bo_ >= 0) put_words(place(at, k_bo_), q.wo.bias);
    if (k_bup_ >= 0) put_words(place(at, k_bup_), q.w_up.bias);
    if (k_bdown_ >= 0) put_words(place(at, k_bdown_), q.w_down.bias);
  }
  size_t size = bytes.size();
  m_act_const_ = segment("layer_vectors", size, std::move(bytes));

  bytes.assign(static_cast<size_t>(((layer_norm ? 2 : 1) * d_words_) * h_.act_bytes()), 0);
  put_norm(0, q_->output_norm, d_words_, 0);
  size = bytes.size();
  m_act_resident_ = segment("output_norm", size, std::move(bytes));

  const auto put_scale = [&](size_t word, Scale scale) { put32(bytes, 4 * word, sf_pack(scale)); };
  const auto put_norm_scales = [&](size_t word, const QuantizedNorm& norm) {
    put_scale(word, norm.sg);
    put_scale(word + 1, norm.eps);
    put_scale(word + 2, norm.invn);
  };
  const auto at = [](size_t block, int offset) { return block + static_cast<size_t>(offset); };
  const auto beat = static_cast<uint64_t>(h_.channel_bytes);
  scl_const_stride_ = round_up64(static_cast<uint64_t>(4 * scl_const_words_), beat);
  bytes.assign(scl_const_stride_ * static_cast<uint64_t>(c_.layers), 0);
  for (size_t l = 0; l < static_cast<size_t>(c_.layers); ++l) {
    const QuantizedLayer& q = q_->layers[l];
    const size_t block = l * scl_const_stride_ / 4;
    put_norm_scales(at(block, ks_attn_norm_), q.attn_norm);
    put_norm_scales(at(block, ks_ffn_norm_), q.ffn_norm);
    if (c_.sub_norms) {
      put_norm_scales(at(block, ks_attn_sub_), q.attn_sub_norm);
      put_norm_scales(at(block, ks_ffn_sub_), q.ffn_sub_norm);
    }
    put_scale(at(block, ks_q_), q.wq.scale);
    put_scale(at(block, ks_k_), q.wk.scale);
    put_scale(at(block, ks_o_), q.wo.scale);
    if (c_.gated) put_scale(at(block, ks_gate_), q.w_gate.scale);
    put_scale(at(block, ks_up_), q.w_up.scale);
    put_scale(at(block, ks_down_), q.w_down.scale);
    for (size_t h = 0; h < q.consmax.size(); ++h) {
      const size_t record = at(block, ks_records_) + h * kRecordWords;
      put_scale(record + 1, q.consmax[h].c);
      put32(bytes, 4 * (record + 2), static_cast<uint32_t>(q.consmax[h].z));
    }
  }
  size = bytes.size();
  m_scl_const_ = segment("layer_scalars", size, std::move(bytes));

  bytes.assign(round_up64(static_cast<uint64_t>(4 * scl_resident_words_), beat), 0);
  put_scale(static_cast<size_t>(scl_x_), sf_pow2(-o_.residual_fraction_bits));
  put_scale(static_cast<size_t>(scl_att_), sf_pow2(-16));
  put_scale(static_cast<size_t>(scl_one_), sf_pow2(0));
  put_norm_scales(static_cast<size_t>(scl_out_norm_), q_->output_norm);
  size = bytes.size();
  m_scl_resident_ = segment("scalars", size, std::move(bytes));

  // V's matrix scale, then eref of its heads before the first token.
  bytes.assign(round_up64(static_cast<uint64_t>(4 * c_.layers * (c_.kv_heads + 1)), beat), 0);
  for (size_t l = 0; l < static_cast<size_t>(c_.layers); ++l) {
    const size_t block = l * static_cast<size_t>(c_.kv_heads + 1);
    put_scale(block, q_->layers[l].wv.scale);
    for (size_t h = 0; h < static_cast<size_t>(c_.kv_heads); ++h) {
      put32(bytes, 4 * (block + 1 + h), static_cast<uint32_t>(kErefStart));
    }
  }
  size = bytes.size();
  m_pers_ = segment("kv_states", size, std::move(bytes));
}

void Compiler::allocate_memory() {
  const auto tile_bytes = static_cast<uint64_t>(head_dim_ * cols_);
  const auto tiles = static_cast<uint64_t>(l_->max_tiles);
  l_->kv_v_offset = tiles * tile_bytes;
  l_->kv_scale_offset = 2 * tiles * tile_bytes;
  l_->kv_head_bytes = round_up64(l_->kv_scale_offset + tiles * static_cast<uint64_t>(2 * h_.scr_bytes()),
                                 static_cast<uint64_t>(h_.channel_bytes));
  l_->kv_address = segment("kv_cache", l_->kv_head_bytes * static_cast<uint64_t>(c_.layers * c_.kv_heads));
  l_->logits_address = segment("logits", static_cast<uint64_t>(l_->head_pieces * piece_tokens_) * 4);
  m_bounce_ = segment("scratch", static_cast<uint64_t>(std::max(d8_words_ * h_.act_bytes(),
                                                                round_up(head_dims_, h_.scr_bytes()))));
}

// --- building instructions
// --------------------------------------------------------------------------------------

uint8_t Compiler::temp() {
  next_temp_ = (next_temp_ + 1) % kTemps;
  return r("t" + std::to_string(next_temp_));
}

Operand Compiler::fit(uint8_t reg, int64_t offset, int bits) {
  if (offset >= 0 && offset < (int64_t{1} << bits)) return {reg, static_cast<uint16_t>(offset)};
  const uint8_t t = temp();
  p_->addi(t, reg, offset);
  return {t, 0};
}

Operand Compiler::mem(uint8_t reg, int64_t bytes) {
  const int64_t unit = h_.channel_bytes;
  if (bytes >= 0 && bytes % unit == 0 && bytes / unit < (int64_t{1} << kAddressOffsetBits)) {
    return {reg, static_cast<uint16_t>(bytes / unit)};
  }
  const uint8_t t = temp();
  p_->addi(t, reg, bytes);
  return {t, 0};
}

void Compiler::count(Instruction& in, int words) {
  if (words <= kImmediateCount) {
    in.count = static_cast<uint16_t>(words);
    return;
  }
  const uint8_t t = temp();
  li(t, words);
  in.count = t;
  in.mode |= isa::kModeCountRegister;
}

size_t Compiler::linear(Opcode opcode, uint8_t space, int words, Operand local, Operand memory, uint8_t wait,
                        uint8_t sig) {
  Instruction in{.opcode = opcode, .wait0 = wait, .sig0 = sig, .mode = space, .a0 = local, .a1 = memory};
  count(in, words);
  return emit(in);
}

TensorTap& Compiler::tap(std::string name, size_t pc, Space space, uint64_t address, ElementType type) {
  TensorTap t;
  t.name = std::move(name);
  t.pc = pc;
  t.space = space;
  t.address = address;
  t.type = type;
  out_.taps.push_back(std::move(t));
  return out_.taps.back();
}

void Compiler::ring_advance(uint8_t reg) {
  p_->addi(reg, reg, l_->slot_rows);
  p_->andi(reg, reg, l_->ring_rows - 1);
}

// --- the init program
// -------------------------------------------------------------------------------------------

void Compiler::build_init() {
  Program program;
  p_ = &program;
  const int words = h_.xbar_bytes() / h_.act_bytes();
  const uint8_t crossbar = r("crossbar");
  const uint8_t address = r("address");
  const uint8_t buffer = r("buffer");
  const uint8_t n = r("n");
  program.comment(fmt::format("programs {} crossbars", l_->crossbars));
  program.post(s("free"));
  program.post(s("free"));
  li(crossbar, 0);
  li(address, static_cast<int64_t>(m_xbar_));
  li(buffer, 0);
  li(n, l_->crossbars);
  program.begin_loop(n);
  linear(Opcode::kLoadl, 0, words, {buffer, 0}, {address, 0}, s("free"), s("loaded"));
  emit({.opcode = Opcode::kXprog,
        .wait0 = s("loaded"),
        .sig0 = s("free"),
        .count = static_cast<uint16_t>(h_.xbar_rows),
        .a0 = {buffer, 0},
        .s0 = {crossbar, 0}});
  program.addi(crossbar, crossbar, 1);
  program.addi(address, address, h_.xbar_bytes());
  const uint8_t t = temp();
  li(t, words);
  program.sub(buffer, t, buffer);
  program.end_loop();
  program.wait(s("free"));
  program.wait(s("free"));
  program.halt();
  out_.init.name = "init";
  out_.init.words = program.assemble();
  out_.init.symbols = program.symbols();
  p_ = nullptr;
}

// --- the step program
// -------------------------------------------------------------------------------------------

void Compiler::step_prologue() {
  Program& p = *p_;
  p.comment("what the host asks for");
  p.csrr(r("pos"), isa::Csr::kPosition);
  p.csrr(r("token"), isa::Csr::kTokenIn);
  p.comment("free slots and buffers");
  const auto post = [&](std::string_view semaphore, int times) {
    const uint8_t t = temp();
    li(t, times);
    p.begin_loop(t);
    p.post(s(semaphore));
    p.end_loop();
  };
  post("ring_free", ring_slots_);
  post("scales_free", l_->scale_buffers);
  for (const char* reg : {"dma_slot", "arr_slot", "kvs_dma", "kvs_smx"}) li(r(reg), 0);
  li(r("act"), act_const_);
  li(r("scl"), scl_const_);
  const auto strides = [](int d, int a) {
    return static_cast<int64_t>(d) << 32 | static_cast<int64_t>(a) << 16;
  };
  if (batch_heads_ > 1) {
    li(r("qk_strides"), strides(2 * l_->max_tiles, head_dim_ / (2 * cols_)));
    li(r("pv_strides"), strides(4 * chunks_, l_->max_tiles));
  }
  p.comment("a new sequence starts with its states");
  const auto keep = p.make_label("keep_states");
  p.branch(Opcode::kBnez, r("pos"), keep);
  linear(Opcode::kLoadl, kModeSpaceScl, c_.layers * (c_.kv_heads + 1), a(0, scl_pers_),
         mem(0, static_cast<int64_t>(m_pers_)));
  p.place(keep);
  p.comment("resident constants, and those of the first layer");
  linear(Opcode::kLoadl, kModeSpaceScl, scl_resident_words_, a(0, scl_x_),
         mem(0, static_cast<int64_t>(m_scl_resident_)));
  linear(Opcode::kLoadl, 0, (c_.norm == NormKind::kLayer ? 2 : 1) * d_words_, a(0, act_out_norm_),
         mem(0, static_cast<int64_t>(m_act_resident_)));
  linear(Opcode::kLoadl, 0, act_const_words_, {r("act"), 0}, mem(0, static_cast<int64_t>(m_act_const_)));
  linear(Opcode::kLoadl, kModeSpaceScl, scl_const_words_, {r("scl"), 0},
         mem(0, static_cast<int64_t>(m_scl_const_)), 0, s("constants"));
}

// What follows from the position, and the layer registers at layer 0.
void Compiler::token_registers() {
  Program& p = *p_;
  const uint8_t pos = r("pos");
  p.comment(
      "tokens, full tiles in memory, words of their scales, is the open tile full after this token (0)");
  p.addi(r("tokens"), pos, 1);
  p.shri(r("tiles"), pos, log2_exact(cols_));
  p.shli(r("pairs"), r("tiles"), 1);
  p.andi(r("not_full"), pos, cols_ - 1);
  p.addi(r("not_full"), r("not_full"), -(cols_ - 1));
  if (l_->segmented) {
    const int shift = log2_exact(l_->slot_tiles);
    p.comment("full segments, tiles and tokens of the last one");
    p.shri(r("segments"), r("tiles"), shift);
    p.andi(r("last_tiles"), r("tiles"), l_->slot_tiles - 1);
    const uint8_t t = temp();
    p.shli(t, r("segments"), shift + log2_exact(cols_));
    p.sub(r("last_tokens"), r("tokens"), t);
  }
  li(r("kv_mem"), static_cast<int64_t>(l_->kv_address));
  li(r("home_row"), static_cast<int64_t>(l_->kv_home_row));
  li(r("home_kvs"), static_cast<int64_t>(l_->kv_home_scale));
  li(r("states"), scl_pers_);
  li(r("xbar"), 0);
  li(r("layers_left"), c_.layers - 1);
  li(r("next_layer"), c_.layers > 1 ? 1 : 0);
}

void Compiler::token_embedding() {
  Program& p = *p_;
  p.comment("embedding row, its scale, row of the position");
  const uint8_t row = r("ptr");
  p.muli(row, r("token"), static_cast<int64_t>(embedding_stride_));
  p.addi(row, row, static_cast<int64_t>(m_embedding_));
  linear(Opcode::kLoadl, 0, d8_words_, a(0, act_e8_), {row, 0});
  linear(Opcode::kLoadl, kModeSpaceScl, 1, a(0, scl_row_), mem(row, static_cast<int64_t>(embedding_scale_)));
  const uint8_t position = r("dst");
  p.muli(position, r("pos"), static_cast<int64_t>(position_stride_));
  p.addi(position, position, static_cast<int64_t>(m_positions_));
  linear(Opcode::kLoadl, 0, c_.rope ? head_chunks_ : d_words_, a(0, act_row_), {position, 0}, 0, s("row"));
  const size_t pc = emit({.opcode = Opcode::kEmbed,
                          .wait0 = s("row"),
                          .mode = static_cast<uint8_t>(c_.rope ? 0 : 1),
                          .count = static_cast<uint16_t>(d_words_),
                          .a0 = a(0, act_e8_),
                          .a1 = c_.rope ? Operand{} : a(0, act_row_),
                          .a2 = a(0, act_x_),
                          .s0 = sc(0, scl_row_),
                          .s2 = sc(0, scl_x_)});
  tap("embedding", pc, Space::kAct, static_cast<uint64_t>(act_x_ * h_.act_bytes()), ElementType::kInt32);
}

// Items of a layer in the order of their slots: K0, K1, V0, K2, V1, ..., V(n-1). Even heads first: {head,
// is_v}.
std::pair<int, bool> kv_item(int item, int heads) {
  if (item == 0) return {0, false};
  if (item == 2 * heads - 1) return {heads - 1, true};
  return item % 2 == 1 ? std::pair{(item + 1) / 2, false} : std::pair{(item - 2) / 2, true};
}

void Compiler::scale_load(int head) {
  if (head >= c_.kv_heads) return;
  Program& p = *p_;
  const uint8_t slot = r("kvs_dma");
  Instruction in{.opcode = Opcode::kLoadl,
                 .wait0 = s("scales_free"),
                 .sig0 = s("scales_full"),
                 .mode = kModeSpaceKvs | isa::kModeCountRegister,
                 .count = r("pairs"),
                 .a0 = {slot, 0},
                 .a1 = mem(r("kv_mem"), static_cast<int64_t>(l_->kv_head_bytes) * head +
                                            static_cast<int64_t>(l_->kv_scale_offset))};
  emit(in);
  if (l_->scale_buffers > 1) {
    p.addi(slot, slot, kvs_buffer_);
    p.andi(slot, slot, l_->scale_buffers * kvs_buffer_ - 1);
  }
}

// The whole head's tiles into the next slot (not segmented).
void Compiler::kv_load(int item) {
  if (item >= 2 * c_.kv_heads) return;
  const auto [head, is_v] = kv_item(item, c_.kv_heads);
  p_->comment(fmt::format("{} tiles of kv head {}", is_v ? "V" : "K", head));
  emit({.opcode = Opcode::kLoadt,
        .wait0 = s("ring_free"),
        .sig0 = s("ring_full"),
        .mode = isa::kModeCountRegister,
        .count = r("tiles"),
        .a0 = {r("dma_slot"), 0},
        .a1 = mem(r("kv_mem"), static_cast<int64_t>(l_->kv_head_bytes) * head +
                                   (is_v ? static_cast<int64_t>(l_->kv_v_offset) : 0)),
        .s0 = sc(0, l_->tile_rows)});
  ring_advance(r("dma_slot"));
}

// QK or PV of a kv head's queries on the slot(s) of an item, and the softmax behind QK.
void Compiler::kv_compute(int item) {
  Program& p = *p_;
  const auto [head, is_v] = kv_item(item, c_.kv_heads);
  const int parity = head % 2;
  const int batches = query_group_ / batch_heads_;
  const auto batch_mode = static_cast<uint8_t>(log2_exact(batch_heads_) << 3);
  const int64_t open_row = 2 * head * l_->tile_rows + (is_v ? l_->tile_rows : 0);

  // All batches on one slot. `tokens`: register of the count, 0: a full slot. `dst`: register added to the
  // scores' address.
  struct Part {
    uint8_t tokens = 0;
    bool open = true;
    bool first = true;  // of the head
    bool last = true;
    uint8_t offset = 0;  // register: half words into the scores (QK) or numerators (PV)
  };
  const auto compute = [&](const Part& part) {
    for (int b = 0; b < batches; ++b) {
      const int query = head * query_group_ + b * batch_heads_;  // first query head
      const int in_set = parity * query_group_ + b * batch_heads_;
      Instruction in;
      in.opcode = is_v ? Opcode::kPv : Opcode::kQk;
      in.mode = batch_mode;
      if (part.open) in.mode |= kModeOpen;
      if (is_v && !part.first) in.mode |= kModeAccumulate;
      if (part.tokens != 0) {
        in.mode |= isa::kModeCountRegister;
        in.count = part.tokens;
      } else {
        count(in, l_->slot_tiles * cols_);
      }
      if (is_v) {
        in.a0 = a(part.offset, scr_num_ + in_set * l_->max_tiles);
        in.a2 = a(0, scr_planes_ + query * 4 * chunks_);
        in.s0 = sc(0, chunks_);
      } else {
        in.a0 = a(0, scr_q_ + query * head_dim_ / (2 * cols_));
        in.a2 = a(part.offset, scr_scores_ + in_set * 2 * l_->max_tiles);
        in.s0 = sc(0, head_dim_);
      }
      in.a1 = {r("arr_slot"), 0};
      if (part.open) in.s1 = sc(r("home_row"), open_row);
      if (batch_heads_ > 1) in.s2 = {r(is_v ? "pv_strides" : "qk_strides"), 0};
      if (b == 0) in.wait0 = s("ring_full");
      if (is_v) {
        if (!part.first) {
          in.wait1 = s("partial");
        } else if (b == 0) {
          in.wait1 = s("numerators");
        }
      } else if (b == 0 && head == 0 && part.first) {
        in.wait1 = s("q");
      }
      if (b == batches - 1) in.sig0 = s("ring_free");
      if (is_v && !part.last) in.sig1 = s("partial");
      if (b == batches - 1 && part.last) {
        if (!is_v) in.sig1 = s("scores");
        if (is_v && head == c_.kv_heads - 1) in.sig1 = s("planes");
      }
      emit(in);
    }
    ring_advance(r("arr_slot"));
  };

  if (!l_->segmented) {
    p.comment(fmt::format("{} of kv head {}", is_v ? "PV" : "QK", head));
    compute({.tokens = r("tokens")});
  } else {
    // Full segments first, the open tile in the last one.
    const uint8_t tiles_at = r("ptr");
    const uint8_t at = r("dst");
    const auto load = [&](uint8_t tiles) {
      Instruction in{.opcode = Opcode::kLoadt,
                     .wait0 = s("ring_free"),
                     .sig0 = s("ring_full"),
                     .a0 = {r("dma_slot"), 0},
                     .a1 = {tiles_at, 0},
                     .s0 = sc(0, l_->tile_rows)};
      if (tiles != 0) {
        in.mode = isa::kModeCountRegister;
        in.count = tiles;
      } else {
        count(in, l_->slot_tiles);
      }
      emit(in);
      ring_advance(r("dma_slot"));
    };
    const auto next = [&] {
      p.addi(tiles_at, tiles_at, int64_t{l_->slot_tiles} * head_dim_ * cols_);
      p.addi(at, at, (is_v ? 1 : 2) * l_->slot_tiles);
    };
    p.comment(fmt::format("{} of kv head {} in segments", is_v ? "PV" : "QK", head));
    p.addi(
        tiles_at, r("kv_mem"),
        static_cast<int64_t>(l_->kv_head_bytes) * head + (is_v ? static_cast<int64_t>(l_->kv_v_offset) : 0));
    li(at, 0);
    const auto single = p.make_label(fmt::format("single_{}{}", is_v ? "v" : "k", head));
    const auto end = p.make_label(fmt::format("end_{}{}", is_v ? "v" : "k", head));
    p.branch(Opcode::kBeqz, r("segments"), single);
    load(0);
    compute({.open = false, .last = false, .offset = at});
    next();
    const uint8_t n = temp();
    p.addi(n, r("segments"), -1);
    p.begin_loop(n);
    load(0);
    compute({.open = false, .first = false, .last = false, .offset = at});
    next();
    p.end_loop();
    load(r("last_tiles"));
    compute({.tokens = r("last_tokens"), .first = false, .offset = at});
    p.branch(Opcode::kJump, 0, end);
    p.place(single);
    load(r("last_tiles"));
    compute({.tokens = r("last_tokens"), .offset = at});
    p.place(end);
  }
  if (is_v) return;

  const bool consmax = c_.normalizer == Normalizer::kConsmax;
  for (int i = 0; i < query_group_; ++i) {
    const int query = head * query_group_ + i;
    const int in_set = parity * query_group_ + i;
    Instruction in{.opcode = Opcode::kSoftmax,
                   .mode = static_cast<uint8_t>((consmax ? 1 : 0) | kModeOpen | isa::kModeCountRegister),
                   .count = r("tokens"),
                   .a0 = a(0, scr_scores_ + in_set * 2 * l_->max_tiles),
                   .a1 = a(0, scr_num_ + in_set * l_->max_tiles),
                   .a2 = {r("kvs_smx"), 0},
                   .s0 = consmax ? sc(r("scl"), ks_records_ + query * kRecordWords)
                                 : sc(0, scl_records_ + query * kRecordWords),
                   .s1 = sc(r("states"), 1 + head),
                   .s2 = sc(r("home_kvs"), 2 * head)};
    if (i == 0) {
      in.wait0 = s("scores");
      in.wait1 = s("scales_full");
    }
    if (i == query_group_ - 1) {
      in.sig0 = s("numerators");
      in.sig1 = s("scales_free");
    }
    const size_t pc = emit(in);
    TensorTap& t =
        tap("numerators", pc, Space::kScr,
            static_cast<uint64_t>(scr_num_ + in_set * l_->max_tiles) * static_cast<uint64_t>(2 * cols_),
            ElementType::kUint16);
    t.kind = TensorTap::Kind::kNumerators;
    t.per_layer = true;
    t.head = query;
    if (!consmax) {
      t.has_scale = true;
      t.scale_address = static_cast<uint64_t>(scl_records_ + query * kRecordWords + kRecordFactor);
    }
  }
  if (l_->scale_buffers > 1) {
    p.addi(r("kvs_smx"), r("kvs_smx"), kvs_buffer_);
    p.andi(r("kvs_smx"), r("kvs_smx"), l_->scale_buffers * kvs_buffer_ - 1);
  }
}

// A tile that this token filled goes to memory. DMA has seen the layer's K and V quantised (wait of the
// prefetch).
void Compiler::kv_store() {
  Program& p = *p_;
  p.comment("the open tile is full: to memory");
  const auto skip = p.make_label("not_full");
  p.branch(Opcode::kBnez, r("not_full"), skip);
  const uint8_t tile = r("ptr");
  const uint8_t scales = r("dst");
  p.shli(tile, r("tiles"), log2_exact(head_dim_ * cols_));
  p.add(tile, tile, r("kv_mem"));
  p.shli(scales, r("tiles"), log2_exact(2 * h_.scr_bytes()));
  p.add(scales, scales, r("kv_mem"));
  for (int h = 0; h < c_.kv_heads; ++h) {
    const int64_t base = static_cast<int64_t>(l_->kv_head_bytes) * h;
    for (const bool is_v : {false, true}) {
      emit({.opcode = Opcode::kStoret,
            .a0 = a(r("home_row"), (2 * h + (is_v ? 1 : 0)) * l_->tile_rows),
            .a1 = mem(tile, base + (is_v ? static_cast<int64_t>(l_->kv_v_offset) : 0)),
            .s0 = sc(0, l_->tile_rows),
            .s1 = {r("tiles"), 0}});
    }
    linear(Opcode::kStorel, kModeSpaceKvs, 2, a(r("home_kvs"), 2 * h),
           mem(scales, base + static_cast<int64_t>(l_->kv_scale_offset)));
  }
  p.place(skip);
}

void Compiler::attention() {
  Program& p = *p_;
  const bool consmax = c_.normalizer == Normalizer::kConsmax;
  const auto bytes = [&](int word) { return static_cast<uint64_t>(word * h_.act_bytes()); };
  if (lead_ > 0) {
    for (int i = 0; i < lead_; ++i) {
      kv_load(i);
      if (i == 0) scale_load(0);
    }
    if (l_->scale_buffers > 1) scale_load(1);
  } else {
    for (int i = 0; i < l_->scale_buffers; ++i) scale_load(i);
  }
  p.comment("norm, then Q, K and V in one projection");
  const uint8_t layer_norm = c_.norm == NormKind::kLayer ? 1 : 0;
  size_t pc = emit({.opcode = Opcode::kNorm,
                    .wait0 = s("constants"),
                    .sig0 = s("to_pim"),
                    .mode = layer_norm,
                    .count = static_cast<uint16_t>(d_words_),
                    .a0 = a(0, act_x_),
                    .a1 = a(r("act"), k_attn_norm_),
                    .a2 = a(0, act_n8_),
                    .s0 = sc(0, scl_x_),
                    .s1 = sc(r("scl"), ks_attn_norm_),
                    .s2 = sc(0, scl_n8_)});
  TensorTap* t = &tap("attn_norm", pc, Space::kAct, bytes(act_n8_), ElementType::kInt8);
  t->per_layer = true;
  t->has_scale = true;
  t->scale_address = static_cast<uint64_t>(scl_n8_);
  emit({.opcode = Opcode::kXbar,
        .wait0 = s("to_pim"),
        .sig0 = s("from_pim"),
        .count = static_cast<uint16_t>(att_words_ + 2 * kv_words_),
        .a0 = a(0, act_n8_),
        .a1 = a(0, act_qkv_),
        .s0 = sc(r("xbar"), xbar_qkv_),
        .s1 = sc(0, ceil_div(c_.d_model, h_.xbar_rows))});

  const auto head_mode = static_cast<uint8_t>(log2_exact(head_chunks_) << 4);
  const auto aux = [&](int bias, bool rotated) {
    return static_cast<uint8_t>(rotated && c_.rope ? 2 : bias >= 0 ? 1 : 0);
  };
  const auto aux_at = [&](int bias, bool rotated) {
    if (rotated && c_.rope) return a(0, act_row_);
    return bias >= 0 ? a(r("act"), bias) : Operand{};
  };
  pc = emit({.opcode = Opcode::kQuant,
             .wait0 = s("from_pim"),
             .mode = static_cast<uint8_t>(head_mode | 2 << 2 | aux(k_bk_, true)),
             .count = static_cast<uint16_t>(kv_words_),
             .a0 = a(0, act_qkv_ + att_words_),
             .a1 = aux_at(k_bk_, true),
             .a2 = {r("home_row"), 0},
             .s0 = sc(0, scl_n8_),
             .s1 = sc(r("scl"), ks_k_),
             .s2 = {r("home_kvs"), 0}});
  t = &tap("k", pc, Space::kKv, l_->kv_home_row, ElementType::kInt8);
  t->kind = TensorTap::Kind::kOpenK;
  const auto open_tile = [&](TensorTap& tap_of, bool rotated, int scale) {
    tap_of.per_layer = true;
    tap_of.layer_stride = static_cast<uint64_t>(c_.kv_heads * 2 * l_->tile_rows);
    tap_of.has_scale = true;
    tap_of.scale_address = l_->kv_home_scale + static_cast<uint64_t>(scale);
    tap_of.scale_stride = 2;
    tap_of.scale_layer_stride = static_cast<uint64_t>(2 * c_.kv_heads);
    tap_of.order = heads_order(c_.kv_heads, rotated && c_.rope);
  };
  open_tile(*t, true, 0);
  pc = emit({.opcode = Opcode::kQuant,
             .mode = static_cast<uint8_t>(head_mode | 3 << 2 | aux(k_bv_, false)),
             .count = static_cast<uint16_t>(kv_words_),
             .a0 = a(0, act_qkv_ + att_words_ + kv_words_),
             .a1 = aux_at(k_bv_, false),
             .a2 = {r("home_row"), 0},
             .s0 = sc(0, scl_n8_),
             .s1 = {r("states"), 0},
             .s2 = {r("home_kvs"), 0}});
  t = &tap("v", pc, Space::kKv, l_->kv_home_row + static_cast<uint64_t>(l_->tile_rows), ElementType::kInt8);
  t->kind = TensorTap::Kind::kOpenV;
  open_tile(*t, false, 1);
  pc = emit({.opcode = Opcode::kQuant,
             .sig0 = s("q"),
             .sig1 = s("kv"),
             .mode = static_cast<uint8_t>(head_mode | 1 << 2 | aux(k_bq_, true)),
             .count = static_cast<uint16_t>(att_words_),
             .a0 = a(0, act_qkv_),
             .a1 = aux_at(k_bq_, true),
             .a2 = a(0, scr_q_),
             .s0 = sc(0, scl_n8_),
             .s1 = sc(r("scl"), ks_q_),
             .s2 = consmax ? sc(r("scl"), ks_records_) : sc(0, scl_records_)});
  t = &tap("q", pc, Space::kScr, static_cast<uint64_t>(scr_q_ * 2 * cols_), ElementType::kInt8);
  t->per_layer = true;
  t->order = heads_order(c_.heads, c_.rope);
  if (!consmax) {
    t->has_scale = true;
    t->scale_address = static_cast<uint64_t>(scl_records_);
    t->scale_stride = kRecordWords;
  }

  p.comment("constants of the next layer (of the first, after the last)");
  const uint8_t block = r("ptr");
  p.muli(block, r("next_layer"), static_cast<int64_t>(act_const_stride_));
  p.addi(block, block, static_cast<int64_t>(m_act_const_));
  uint8_t other = temp();
  li(other, 2 * act_const_ + act_const_words_);
  p.sub(other, other, r("act"));
  linear(Opcode::kLoadl, 0, act_const_words_, {other, 0}, {block, 0}, s("kv"));
  p.muli(block, r("next_layer"), static_cast<int64_t>(scl_const_stride_));
  p.addi(block, block, static_cast<int64_t>(m_scl_const_));
  other = temp();
  li(other, 2 * scl_const_ + scl_const_words_);
  p.sub(other, other, r("scl"));
  linear(Opcode::kLoadl, kModeSpaceScl, scl_const_words_, {other, 0}, {block, 0}, 0, s("constants"));

  for (int item = 0; item < 2 * c_.kv_heads; ++item) {
    kv_compute(item);
    if (lead_ > 0) kv_load(item + lead_);
    const auto [head, is_v] = kv_item(item, c_.kv_heads);
    if (!is_v) scale_load(head + l_->scale_buffers);
  }
  kv_store();

  p.comment("heads joined, output projection");
  pc =
      emit({.opcode = Opcode::kJoin,
            .wait0 = s("planes"),
            .mode = head_mode,
            .count = static_cast<uint16_t>(att_words_),
            .a0 = a(0, scr_planes_),
            .a2 = a(0, act_att_),
            .s0 = consmax ? sc(r("scl"), ks_records_ + kRecordFactor) : sc(0, scl_records_ + kRecordFactor)});
  t = &tap("att", pc, Space::kAct, bytes(act_att_), ElementType::kInt32);
  t->per_layer = true;
  t->order = heads_order(c_.heads, false);
  if (c_.sub_norms) {
    pc = emit({.opcode = Opcode::kNorm,
               .sig0 = s("to_pim"),
               .mode = layer_norm,
               .count = static_cast<uint16_t>(att_words_),
               .a0 = a(0, act_att_),
               .a1 = a(r("act"), k_attn_sub_),
               .a2 = a(0, act_a8_),
               .s0 = sc(0, scl_att_),
               .s1 = sc(r("scl"), ks_attn_sub_),
               .s2 = sc(0, scl_a8_)});
  } else {
    pc = emit({.opcode = Opcode::kQuant,
               .sig0 = s("to_pim"),
               .mode = kQuantOneGroup,
               .count = static_cast<uint16_t>(att_words_),
               .a0 = a(0, act_att_),
               .a2 = a(0, act_a8_),
               .s0 = sc(0, scl_att_),
               .s1 = sc(0, scl_one_),
               .s2 = sc(0, scl_a8_)});
  }
  t = &tap("attn_sub_norm", pc, Space::kAct, bytes(act_a8_), ElementType::kInt8);
  t->per_layer = true;
  t->order = heads_order(c_.heads, false);
  t->has_scale = true;
  t->scale_address = static_cast<uint64_t>(scl_a8_);
  pc = emit({.opcode = Opcode::kXbar,
             .wait0 = s("to_pim"),
             .sig0 = s("from_pim"),
             .count = static_cast<uint16_t>(d_words_),
             .a0 = a(0, act_a8_),
             .a1 = a(0, act_o_),
             .s0 = sc(r("xbar"), xbar_o_),
             .s1 = sc(0, ceil_div(c_.heads * head_dim_, h_.xbar_rows))});
  tap("attn_output", pc, Space::kAct, bytes(act_o_), ElementType::kInt32).per_layer = true;
  pc = emit({.opcode = Opcode::kResadd,
             .wait0 = s("from_pim"),
             .mode = static_cast<uint8_t>(k_bo_ >= 0 ? 1 : 0),
             .count = static_cast<uint16_t>(d_words_),
             .a0 = a(0, act_o_),
             .a1 = k_bo_ >= 0 ? a(r("act"), k_bo_) : Operand{},
             .a2 = a(0, act_x_),
             .s0 = sc(0, scl_a8_),
             .s1 = sc(r("scl"), ks_o_),
             .s2 = sc(0, scl_x_)});
  tap("resid_attn", pc, Space::kAct, bytes(act_x_), ElementType::kInt32).per_layer = true;
}

void Compiler::ffn() {
  Program& p = *p_;
  const auto bytes = [&](int word) { return static_cast<uint64_t>(word * h_.act_bytes()); };
  const uint8_t layer_norm = c_.norm == NormKind::kLayer ? 1 : 0;
  p.comment("feed-forward network");
  size_t pc = emit({.opcode = Opcode::kNorm,
                    .sig0 = s("to_pim"),
                    .mode = layer_norm,
                    .count = static_cast<uint16_t>(d_words_),
                    .a0 = a(0, act_x_),
                    .a1 = a(r("act"), k_ffn_norm_),
                    .a2 = a(0, act_n8_),
                    .s0 = sc(0, scl_x_),
                    .s1 = sc(r("scl"), ks_ffn_norm_),
                    .s2 = sc(0, scl_n8_)});
  TensorTap* t = &tap("ffn_norm", pc, Space::kAct, bytes(act_n8_), ElementType::kInt8);
  t->per_layer = true;
  t->has_scale = true;
  t->scale_address = static_cast<uint64_t>(scl_n8_);
  pc = emit({.opcode = Opcode::kXbar,
             .wait0 = s("to_pim"),
             .sig0 = s("from_pim"),
             .count = static_cast<uint16_t>((c_.gated ? 2 : 1) * f_words_),
             .a0 = a(0, act_n8_),
             .a1 = a(0, act_ffn_),
             .s0 = sc(r("xbar"), xbar_up_),
             .s1 = sc(0, ceil_div(c_.d_model, h_.xbar_rows))});
  if (c_.gated) tap("ffn_gate", pc, Space::kAct, bytes(act_ffn_), ElementType::kInt32).per_layer = true;
  tap("ffn_up", pc, Space::kAct, bytes(act_ffn_ + (c_.gated ? f_words_ : 0)), ElementType::kInt32).per_layer =
      true;
  const auto function = static_cast<uint8_t>(c_.activation == Activation::kRelu    ? 0
                                             : c_.activation == Activation::kRelu2 ? 1
                                             : c_.activation == Activation::kSilu  ? 2
                                                                                   : 3);
  pc = emit({.opcode = Opcode::kActfn,
             .wait0 = s("from_pim"),
             .mode = static_cast<uint8_t>(function | (c_.gated ? 4 : 0) | (k_bup_ >= 0 ? 8 : 0)),
             .count = static_cast<uint16_t>(f_words_),
             .a0 = a(0, act_ffn_),
             .a1 = c_.gated      ? a(0, act_ffn_ + f_words_)
                   : k_bup_ >= 0 ? a(r("act"), k_bup_)
                                 : Operand{},
             .a2 = a(0, act_h_),
             .s0 = sc(0, scl_n8_),
             .s1 = sc(r("scl"), c_.gated ? ks_gate_ : ks_up_),
             .s2 = sc(0, scl_h_)});
  t = &tap("act", pc, Space::kAct, bytes(act_h_), ElementType::kInt32);
  t->per_layer = true;
  t->has_scale = true;
  t->scale_address = static_cast<uint64_t>(scl_h_);
  if (c_.sub_norms) {
    pc = emit({.opcode = Opcode::kNorm,
               .sig0 = s("to_pim"),
               .mode = layer_norm,
               .count = static_cast<uint16_t>(f_words_),
               .a0 = a(0, act_h_),
               .a1 = a(r("act"), k_ffn_sub_),
               .a2 = a(0, act_h8_),
               .s0 = sc(0, scl_h_),
               .s1 = sc(r("scl"), ks_ffn_sub_),
               .s2 = sc(0, scl_h8_)});
  } else {
    pc = emit({.opcode = Opcode::kQuant,
               .sig0 = s("to_pim"),
               .mode = kQuantOneGroup,
               .count = static_cast<uint16_t>(f_words_),
               .a0 = a(0, act_h_),
               .a2 = a(0, act_h8_),
               .s0 = sc(0, scl_h_),
               .s1 = sc(0, scl_one_),
               .s2 = sc(0, scl_h8_)});
  }
  t = &tap("ffn_sub_norm", pc, Space::kAct, bytes(act_h8_), ElementType::kInt8);
  t->per_layer = true;
  t->has_scale = true;
  t->scale_address = static_cast<uint64_t>(scl_h8_);
  pc = emit({.opcode = Opcode::kXbar,
             .wait0 = s("to_pim"),
             .sig0 = s("from_pim"),
             .count = static_cast<uint16_t>(d_words_),
             .a0 = a(0, act_h8_),
             .a1 = a(0, act_down_),
             .s0 = sc(r("xbar"), xbar_down_),
             .s1 = sc(0, ceil_div(c_.d_ff, h_.xbar_rows))});
  tap("ffn_down", pc, Space::kAct, bytes(act_down_), ElementType::kInt32).per_layer = true;
  pc = emit({.opcode = Opcode::kResadd,
             .wait0 = s("from_pim"),
             .mode = static_cast<uint8_t>(k_bdown_ >= 0 ? 1 : 0),
             .count = static_cast<uint16_t>(d_words_),
             .a0 = a(0, act_down_),
             .a1 = k_bdown_ >= 0 ? a(r("act"), k_bdown_) : Operand{},
             .a2 = a(0, act_x_),
             .s0 = sc(0, scl_h8_),
             .s1 = sc(r("scl"), ks_down_),
             .s2 = sc(0, scl_x_)});
  tap("resid_ffn", pc, Space::kAct, bytes(act_x_), ElementType::kInt32).per_layer = true;
}

// Registers of the next layer.
void Compiler::layer_next() {
  Program& p = *p_;
  p.comment("to the next layer");
  const auto advance = [&](std::string_view name, int64_t by) { p.addi(r(name), r(name), by); };
  advance("kv_mem", static_cast<int64_t>(l_->kv_head_bytes) * c_.kv_heads);
  advance("home_row", int64_t{c_.kv_heads} * 2 * l_->tile_rows);
  advance("home_kvs", 2 * c_.kv_heads);
  advance("states", c_.kv_heads + 1);
  advance("xbar", l_->crossbars_per_layer);
  uint8_t t = temp();
  li(t, 2 * act_const_ + act_const_words_);
  p.sub(r("act"), t, r("act"));
  t = temp();
  li(t, 2 * scl_const_ + scl_const_words_);
  p.sub(r("scl"), t, r("scl"));
  // next_layer = layers_left > 1 ? next_layer + 1 : 0
  const auto end = p.make_label("layer_end");
  advance("next_layer", 1);
  advance("layers_left", -1);
  p.branch(Opcode::kBnez, r("layers_left"), end);
  li(r("next_layer"), 0);
  p.place(end);
}

void Compiler::lm_head() {
  Program& p = *p_;
  const int pieces = l_->head_pieces;
  // Registers of the layers are free here.
  const uint8_t tiles_at = r("kv_mem");
  const uint8_t scales_at = r("ptr");
  const uint8_t logits_at = r("dst");
  const uint8_t index = r("xbar");
  const uint8_t acc = r("home_row");
  const uint8_t load_scales = r("home_kvs");  // buffer the next row scales go to
  const uint8_t logits = r("states");
  const int64_t piece_bytes = int64_t{piece_tokens_} * head_dims_;
  const bool many = pieces > 1;
  const auto toggle = [&](uint8_t reg, int64_t sum) {
    if (!many) return;
    const uint8_t t = temp();
    li(t, sum);
    p.sub(reg, t, reg);
  };
  const auto load = [&] {
    linear(Opcode::kLoadl, 0, piece_words_, {load_scales, 0}, {scales_at, 0});
    Instruction in{.opcode = Opcode::kLoadt,
                   .wait0 = s("ring_free"),
                   .sig0 = s("ring_full"),
                   .a0 = {r("dma_slot"), 0},
                   .a1 = {tiles_at, 0},
                   .s0 = sc(0, head_dims_ / banks_)};
    count(in, l_->head_piece_tiles);
    emit(in);
    ring_advance(r("dma_slot"));
    if (many) {
      p.addi(tiles_at, tiles_at, piece_bytes);
      p.addi(scales_at, scales_at, int64_t{piece_tokens_} * 4);
      toggle(load_scales, 2 * act_row_scales_ + piece_words_);
    }
  };
  p.comment("LM head");
  li(tiles_at, static_cast<int64_t>(m_head_));
  li(scales_at, static_cast<int64_t>(m_row_scales_));
  li(logits_at, static_cast<int64_t>(l_->logits_address));
  li(index, 0);
  li(acc, scr_head_acc_);
  li(load_scales, act_row_scales_);
  li(logits, act_logits_);
  load();
  const uint8_t layer_norm = c_.norm == NormKind::kLayer ? 1 : 0;
  p.comment("output norm");
  size_t pc = emit({.opcode = Opcode::kNorm,
                    .sig0 = s("last_norm"),
                    .mode = static_cast<uint8_t>(layer_norm | (o_.norm_to_scr ? 2 : 0)),
                    .count = static_cast<uint16_t>(d_words_),
                    .a0 = a(0, act_x_),
                    .a1 = a(0, act_out_norm_),
                    .a2 = o_.norm_to_scr ? a(0, scr_head_q_) : a(0, act_n8_),
                    .s0 = sc(0, scl_x_),
                    .s1 = sc(0, scl_out_norm_),
                    .s2 = sc(0, scl_n8_)});
  TensorTap& t =
      tap("output_norm", pc, o_.norm_to_scr ? Space::kScr : Space::kAct,
          static_cast<uint64_t>(o_.norm_to_scr ? scr_head_q_ * 2 * cols_ : act_n8_ * h_.act_bytes()),
          ElementType::kInt8);
  t.has_scale = true;
  t.scale_address = static_cast<uint64_t>(scl_n8_);
  uint8_t q_ready = s("last_norm");
  if (!o_.norm_to_scr) {
    p.comment("its result into SCR, by way of memory");
    linear(Opcode::kStorel, 0, d8_words_, a(0, act_n8_), mem(0, static_cast<int64_t>(m_bounce_)),
           s("last_norm"), s("bounce"));
    linear(Opcode::kLoadl, kModeSpaceScr, ceil_div(head_dims_, h_.scr_bytes()), a(0, scr_head_q_),
           mem(0, static_cast<int64_t>(m_bounce_)), s("bounce"), s("head_q"));
    q_ready = s("head_q");
  }
  const auto piece = [&](bool first, bool last) {
    if (!last) load();
    Instruction qk{.opcode = Opcode::kQk,
                   .wait0 = s("ring_full"),
                   .sig0 = s("ring_free"),
                   .wait1 = first ? q_ready : uint8_t{0},
                   .sig1 = s("head_acc"),
                   .a0 = a(0, scr_head_q_),
                   .a1 = {r("arr_slot"), 0},
                   .a2 = {acc, 0},
                   .s0 = sc(0, head_dims_)};
    count(qk, piece_tokens_);
    emit(qk);
    ring_advance(r("arr_slot"));
    // The buffer that was loaded last: the other one once the next piece has been loaded.
    Operand scales{load_scales, 0};
    if (many && last) {
      const uint8_t t2 = temp();
      li(t2, 2 * act_row_scales_ + piece_words_);
      p.sub(t2, t2, load_scales);
      scales = {t2, 0};
    }
    const int valid = last ? c_.vocab_size - (pieces - 1) * piece_tokens_ : piece_tokens_;
    pc = emit({.opcode = Opcode::kLogit,
               .wait0 = s("head_acc"),
               .sig0 = s("logits"),
               .sig1 = last ? s("argmax") : uint8_t{0},
               .mode = static_cast<uint8_t>(first ? 1 : 0),
               .count = static_cast<uint16_t>(piece_words_),
               .a0 = {acc, 0},
               .a1 = scales,
               .a2 = {logits, 0},
               .s0 = sc(0, scl_n8_),
               .s1 = {index, 0},
               .s2 = sc(0, valid)});
    const size_t stored = linear(Opcode::kStorel, 0, piece_words_, {logits, 0}, {logits_at, 0}, s("logits"));
    if (last) tap("logits", stored, Space::kMemory, l_->logits_address, ElementType::kInt32);
    toggle(acc, 2 * scr_head_acc_ + 2 * l_->head_piece_tiles);
    toggle(logits, 2 * act_logits_ + piece_words_);
    if (many) {
      p.addi(logits_at, logits_at, int64_t{piece_tokens_} * 4);
      p.addi(index, index, piece_tokens_);
    }
  };
  p.comment("logits");
  if (pieces == 1) {
    piece(true, true);
  } else {
    piece(true, false);
    if (pieces > 2) {
      const uint8_t n = temp();
      li(n, pieces - 2);
      p.begin_loop(n);
      piece(false, false);
      p.end_loop();
    }
    piece(false, true);
  }
  p.argmax(r("token"), s("argmax"));
}

void Compiler::build_step() {
  Program program;
  p_ = &program;
  next_temp_ = 0;
  Program& p = program;
  const auto token_loop = p.make_label("token");
  const auto no_head = p.make_label("no_head");
  const auto done = p.make_label("done");
  step_prologue();
  p.place(token_loop);
  token_registers();
  token_embedding();
  const uint8_t n = temp();
  li(n, c_.layers);
  p.begin_loop(n);
  p.comment("a layer");
  attention();
  ffn();
  layer_next();
  p.end_loop();
  uint8_t t = temp();
  p.comment("a prompt token needs no logits");
  p.csrr(t, isa::Csr::kArg0);
  p.andi(t, t, kArgNoHead);
  p.branch(Opcode::kBnez, t, no_head);
  lm_head();
  p.comment("everything is in memory before the host hears of it");
  p.sync();
  p.addi(r("pos"), r("pos"), 1);
  p.csrw(r("pos"), isa::Csr::kPosition);
  p.csrw(r("token"), isa::Csr::kTokenOut);
  t = temp();
  p.csrr(t, isa::Csr::kTokensLeft);
  p.branch(Opcode::kBeqz, t, done);
  p.addi(t, t, -1);
  p.csrw(t, isa::Csr::kTokensLeft);
  p.branch(Opcode::kJump, 0, token_loop);
  p.place(no_head);
  p.sync();
  p.addi(r("pos"), r("pos"), 1);
  p.csrw(r("pos"), isa::Csr::kPosition);
  p.place(done);
  p.comment("all semaphores back to zero");
  const auto drain = [&](std::string_view semaphore, int times) {
    const uint8_t m = temp();
    li(m, times);
    p.begin_loop(m);
    p.wait(s(semaphore));
    p.end_loop();
  };
  drain("ring_free", ring_slots_);
  drain("scales_free", l_->scale_buffers);
  p.wait(s("constants"));
  p.halt();
  out_.step.name = "step";
  out_.step.words = program.assemble();
  out_.step.symbols = program.symbols();
  p_ = nullptr;
}

CompiledModel Compiler::run() {
  check_hardware(h_);
  if (o_.memory_base % kSegmentAlignment != 0) {
    fail("option memory base: expected a multiple of {}, found {:#x}", kSegmentAlignment, o_.memory_base);
  }
  out_.hardware = h_;
  out_.config = c_;
  if (o_.adc_bits == 0) o_.adc_bits = h_.adc_bits;
  if (o_.rows_per_conversion == 0) o_.rows_per_conversion = std::min(h_.xbar_rows, 1 << (o_.adc_bits - 1));
  if (o_.adc_bits > h_.adc_bits)
    fail("option adc bits: expected at most {}, found {}", h_.adc_bits, o_.adc_bits);
  if (o_.rows_per_conversion > h_.xbar_rows) {
    fail("option rows per conversion: expected at most {}, found {}", h_.xbar_rows, o_.rows_per_conversion);
  }
  derive();
  out_.golden.crossbar = {.xbar_rows = h_.xbar_rows,
                          .rows_per_conversion = o_.rows_per_conversion,
                          .lsb_shift = o_.lsb_shift,
                          .adc_bits = o_.adc_bits};
  out_.golden.residual_fraction_bits = o_.residual_fraction_bits;
  out_.golden.head_stride = head_dim_;
  q_ = std::make_unique<QuantizedModel>(w_, out_.golden);
  allocate_scratchpad();
  for (const uint32_t row : heads_order(c_.heads, false)) out_.wo_rows.push_back(static_cast<int>(row));

  cursor_ = o_.memory_base;
  // Programs come first; their size does not depend on the addresses, but they need them: build twice.
  const auto build = [&](uint64_t init_bytes, uint64_t step_bytes) {
    out_.segments.clear();
    out_.taps.clear();
    cursor_ = o_.memory_base;
    m_init_ = segment("init", init_bytes);
    m_step_ = segment("step", step_bytes);
    fill_crossbars();
    fill_embedding();
    fill_positions();
    fill_constants();
    allocate_memory();
    build_init();
    build_step();
  };
  const auto size = [](const CompiledProgram& program) {
    return static_cast<uint64_t>(program.words.size()) * isa::kInstructionBytes;
  };
  constexpr uint64_t kGuess = 1 << 16;
  build(kGuess, kGuess);
  build(size(out_.init), size(out_.step));
  const auto place = [&](CompiledProgram& program, MemorySegment& segment) {
    program.address = segment.address;
    if (size(program) > round_up64(segment.size, kSegmentAlignment)) {
      fail("program {}: expected {} bytes, found {}", program.name, segment.size, size(program));
    }
    segment.size = size(program);
    for (const isa::Encoded& word : program.words) {
      const auto bytes = isa::to_bytes(word);
      segment.bytes.insert(segment.bytes.end(), bytes.begin(), bytes.end());
    }
  };
  place(out_.init, out_.segments[0]);
  place(out_.step, out_.segments[1]);
  out_.memory_end = cursor_;
  out_.options = o_;
  out_.registers = {{"ROWS_PER_CONV", static_cast<uint64_t>(o_.rows_per_conversion)},
                    {"LSB_SHIFT", static_cast<uint64_t>(o_.lsb_shift)},
                    {"ADC_BITS", static_cast<uint64_t>(o_.adc_bits)}};
  return std::move(out_);
}

}  // namespace

std::string_view space_name(Space space) {
  switch (space) {
    case Space::kAct:
      return "ACT";
    case Space::kScr:
      return "SCR";
    case Space::kKvs:
      return "KVS";
    case Space::kScl:
      return "SCL";
    case Space::kKv:
      return "KV";
    case Space::kMemory:
      return "memory";
  }
  return "?";
}

CompiledModel compile(const ModelWeights& weights, const HardwareParameters& hardware,
                      const CompileOptions& options) {
  return Compiler(weights, hardware, options).run();
}

}  // namespace pimllm

// Parts of a token's way through the layers, for programs of one or several tokens.
#include <fmt/format.h>

#include "models/compiler/compiler_impl.hpp"

namespace pimllm::compiler {

Operand Compiler::record(int index, int query, int field) {
  if (consmax()) return sc(r("scl"), index * record_words_ + query * kRecordWords + field);
  return sc(0, scl_records_ + (index * c_.heads + query) * kRecordWords + field);
}

void Compiler::post(std::string_view semaphore, int times) {
  const uint8_t t = temp();
  li(t, times);
  p_->begin_loop(t);
  p_->post(s(semaphore));
  p_->end_loop();
}

void Compiler::drain(std::string_view semaphore, int times) {
  const uint8_t t = temp();
  li(t, times);
  p_->begin_loop(t);
  p_->wait(s(semaphore));
  p_->end_loop();
}

void Compiler::ring_advance(uint8_t reg) {
  p_->addi(reg, reg, unit_rows_);
  p_->andi(reg, reg, l_->ring_rows - 1);
}

// The first layer's constants and what stays over layers. The last load gives `constants`.
void Compiler::load_states_and_constants() {
  Program& p = *p_;
  li(r("act"), act_const_);
  li(r("scl"), scl_const_);
  p.comment("a new sequence starts with its states");
  const auto keep = p.make_label("keep_states");
  p.branch(Opcode::kBnez, r("pos"), keep);
  linear(Opcode::kLoadl, kModeSpaceScl, c_.layers * state_words(), a(0, scl_pers_), mem(m_pers_));
  p.place(keep);
  p.comment("resident constants, and those of the first layer");
  linear(Opcode::kLoadl, kModeSpaceScl, kResidents, a(0), mem(m_scl_resident_));
  linear(Opcode::kLoadl, 0, norm_words(d_words_), a(0, act_out_norm_), mem(m_act_resident_));
  li(r("next_layer"), 0);
  li(r("act"), act_const_ + act_const_words_);  // as if the buffers behind were in use
  li(r("scl"), scl_const_ + scl_const_words_);
  load_next_constants(0);
  li(r("act"), act_const_);
  li(r("scl"), scl_const_);
}

// Constants of layer r(next_layer) into the buffers that are not in use.
void Compiler::load_next_constants(uint8_t wait) {
  Program& p = *p_;
  const uint8_t block = r("ptr");
  p.muli(block, r("next_layer"), static_cast<int64_t>(act_const_stride_));
  p.addi(block, block, static_cast<int64_t>(m_act_const_));
  uint8_t other = temp();
  li(other, 2 * act_const_ + act_const_words_);
  p.sub(other, other, r("act"));
  linear(Opcode::kLoadl, 0, act_const_words_, {other, 0}, {block, 0}, wait);
  p.muli(block, r("next_layer"), static_cast<int64_t>(scl_const_stride_));
  p.addi(block, block, static_cast<int64_t>(m_scl_const_));
  other = temp();
  li(other, 2 * scl_const_ + scl_const_words_);
  p.sub(other, other, r("scl"));
  if (tokens_ == 1) {
    linear(Opcode::kLoadl, kModeSpaceScl, scl_const_words_, {other, 0}, {block, 0}, 0, s("constants"));
    return;
  }
  // Every token has head records of its own.
  for (int i = 0; i < tokens_ && record_words_ != 0; ++i) {
    linear(Opcode::kLoadl, kModeSpaceScl, record_words_, a(other, i * record_words_), {block, 0});
  }
  linear(Opcode::kLoadl, kModeSpaceScl, scl_const_words_ - scl_scalars_, a(other, scl_scalars_),
         mem(block, 4 * record_words_), 0, s("constants"));
}

// Registers of layer 0.
void Compiler::layer_registers() {
  li(r("kv_mem"), static_cast<int64_t>(l_->kv_address));
  li(r("home_row"), static_cast<int64_t>(l_->kv_home_row));
  li(r("home_kvs"), static_cast<int64_t>(l_->kv_home_scale));
  if (l_->kv_pairs) li(r("pair_kvs"), static_cast<int64_t>(l_->kv_home_scale) + kQuantPairs);
  li(r("states"), scl_pers_);
  li(r("xbar"), 0);
  li(r("layers_left"), c_.layers - 1);
  li(r("next_layer"), c_.layers > 1 ? 1 : 0);
}

void Compiler::layer_next() {
  Program& p = *p_;
  p.comment("to the next layer");
  const auto advance = [&](std::string_view name, int64_t by) { p.addi(r(name), r(name), by); };
  advance("kv_mem", static_cast<int64_t>(l_->kv_head_bytes) * c_.kv_heads);
  advance("home_row", int64_t{c_.kv_heads} * 2 * l_->tile_rows);
  advance("home_kvs", 2 * c_.kv_heads);
  if (l_->kv_pairs) advance("pair_kvs", 2 * c_.kv_heads);
  advance("states", state_words());
  advance("xbar", l_->crossbars_per_layer);
  uint8_t t = temp();
  li(t, 2 * act_const_ + act_const_words_);
  p.sub(r("act"), t, r("act"));
  t = temp();
  li(t, 2 * scl_const_ + scl_const_words_);
  p.sub(r("scl"), t, r("scl"));
  // The layer after the last is the first again.
  const auto end = p.make_label("layer_end");
  advance("next_layer", 1);
  advance("layers_left", -1);
  p.branch(Opcode::kBnez, r("layers_left"), end);
  li(r("next_layer"), 0);
  p.place(end);
}

// Embedding row, its scale and the row of the position r(pos).
void Compiler::load_token(const TokenPlaces& t, uint8_t token, uint8_t sig) {
  Program& p = *p_;
  const uint8_t row = r("ptr");
  p.muli(row, token, static_cast<int64_t>(embedding_stride_));
  p.addi(row, row, static_cast<int64_t>(m_embedding_));
  linear(Opcode::kLoadl, 0, d8_words_, a(0, t.e8), {row, 0});
  linear(Opcode::kLoadl, kModeSpaceScl, 1, a(0, t.s_row), mem(row, static_cast<int64_t>(embedding_scale_)));
  const uint8_t position = r("dst");
  p.muli(position, r("pos"), static_cast<int64_t>(position_stride_));
  p.addi(position, position, static_cast<int64_t>(m_positions_));
  linear(Opcode::kLoadl, 0, row_words_, a(0, t.row), {position, 0}, 0, sig);
}

void Compiler::embed(const TokenPlaces& t, uint8_t wait) {
  const size_t pc = emit({.opcode = Opcode::kEmbed,
                          .wait0 = wait,
                          .mode = static_cast<uint8_t>((c_.rope ? 0 : 1) | keep(true)),
                          .count = static_cast<uint16_t>(d_words_),
                          .a0 = a(0, t.e8),
                          .a1 = c_.rope ? Operand{} : a(0, t.row),
                          .a2 = a(0, t.x),
                          .s0 = sc(0, t.s_row),
                          .s2 = sc(0, kResidentX)});
  tap("embedding", pc, Space::kAct, static_cast<uint64_t>(t.x * h_.act_bytes()), ElementType::kInt32);
}

// A projection of `inputs` elements from ACT word `in` to `out`, part by part; each gives `from_pim`.
size_t Compiler::project(int in, int out, const std::vector<Words>& parts, int crossbar, int inputs) {
  const int row_tiles = ceil_div(inputs, h_.xbar_rows);
  size_t pc = 0;
  for (const Words& part : parts) {
    pc = emit({.opcode = Opcode::kXbar,
               .wait0 = &part == parts.data() ? s("to_pim") : uint8_t{0},
               .sig0 = s("from_pim"),
               .count = static_cast<uint16_t>(part.count),
               .a0 = a(0, in),
               .a1 = a(0, out + part.first),
               .s0 = sc(r("xbar"), crossbar + part.first * lanes_ / h_.xbar_cols * row_tiles),
               .s1 = sc(0, row_tiles)});
  }
  return pc;
}

std::vector<Words> Compiler::halves(int words) const {
  const int column_tile = std::max(1, h_.xbar_cols / lanes_);
  const int first = words / 2 / column_tile * column_tile;
  if (words < kWordsApart || first == 0) return {{0, words}};
  return {{0, first}, {first, words - first}};
}

// Only what looks for no maximum can activate half a vector.
std::vector<Words> Compiler::ffn_parts() const {
  const bool maximum =
      c_.gated || c_.activation == Activation::kRelu2 || (c_.activation == Activation::kRelu && k_bup_ < 0);
  if (maximum) return {{0, ffn_words_}};
  return halves(ffn_words_);
}

// K, Q and V can be projected one after another if each begins with a crossbar.
bool Compiler::qkv_apart() const {
  return att_words_ * lanes_ % h_.xbar_cols == 0 && kv_words_ * lanes_ % h_.xbar_cols == 0;
}

// Norm, then Q, K and V: in one projection, or `apart` in the order in which they are quantised.
void Compiler::project_qkv(const TokenPlaces& t, uint8_t wait, bool apart) {
  const size_t pc = emit({.opcode = Opcode::kNorm,
                          .wait0 = wait,
                          .sig0 = s("to_pim"),
                          .mode = norm_mode(),
                          .count = static_cast<uint16_t>(d_words_),
                          .a0 = a(0, t.x),
                          .a1 = a(r("act"), k_attn_norm_),
                          .a2 = a(0, t.n8),
                          .s0 = sc(0, kResidentX),
                          .s1 = scalar(kScalarAttnNorm),
                          .s2 = sc(0, t.s_n8)});
  layer_tap("attn_norm", pc, t.n8, ElementType::kInt8, t.s_n8);
  std::vector<Words> parts = {{0, att_words_ + 2 * kv_words_}};
  if (apart) parts = {{att_words_, kv_words_}, {0, att_words_}, {att_words_ + kv_words_, kv_words_}};
  project(t.n8, t.qkv, parts, xbar_qkv_, c_.d_model);
}

namespace {

constexpr uint8_t kAuxBias = 1;
constexpr uint8_t kAuxRope = 2;
constexpr uint8_t kToQ = 1 << 2;
constexpr uint8_t kToK = 2 << 2;
constexpr uint8_t kToV = 3 << 2;

}  // namespace

Heads Compiler::batch(int index) const {
  const int first = index * batch_;
  return {first, std::min(batch_, c_.kv_heads - first)};
}

bool Compiler::ends_batch(int head) const { return (head + 1) % batch_ == 0 || head + 1 == c_.kv_heads; }

Heads Compiler::unit(int index) const {
  const int first = index * unit_heads_;
  return {first, std::min(unit_heads_, c_.kv_heads - first)};
}

void Compiler::quantise_k(const TokenPlaces& t, Heads heads, uint8_t wait) {
  const bool bias = k_bk_ >= 0;
  const int words = heads.first * head_chunks_;
  const size_t pc = emit({.opcode = Opcode::kQuant,
                          .wait0 = wait,
                          .mode = static_cast<uint8_t>(head_mode() | kToK |
                                                       (c_.rope ? kAuxRope
                                                        : bias  ? kAuxBias
                                                                : 0)),
                          .count = static_cast<uint16_t>(heads.count * head_chunks_),
                          .a0 = a(0, t.qkv + att_words_ + words),
                          .a1 = c_.rope ? a(0, t.row)
                                : bias  ? a(r("act"), k_bk_ + words)
                                        : Operand{},
                          .a2 = a(r("home_row"), 2 * heads.first * l_->tile_rows),
                          .s0 = sc(0, t.s_n8),
                          .s1 = scalar(kScalarK),
                          .s2 = sc(r(l_->kv_pairs ? "pair_kvs" : "home_kvs"), 2 * heads.first)});
  if (heads.first + heads.count < c_.kv_heads) return;
  TensorTap& k = tap("k", pc, Space::kKv, l_->kv_home_row, ElementType::kInt8);
  k.kind = TensorTap::Kind::kOpenK;
  k.per_layer = true;
  k.layer_stride = static_cast<uint64_t>(c_.kv_heads * 2 * l_->tile_rows);
  k.has_scale = true;
  k.scale_address = l_->kv_home_scale;
  k.scale_stride = 2;
  k.scale_layer_stride = static_cast<uint64_t>(2 * c_.kv_heads);
  k.order = heads_order(c_.kv_heads, c_.rope);
}

void Compiler::quantise_v(const TokenPlaces& t, int batch_index, uint8_t wait, uint8_t sig0, uint8_t sig1) {
  const bool bias = k_bv_ >= 0;
  const Heads heads = batch(batch_index);
  const int words = heads.first * head_chunks_;
  const size_t pc = emit({.opcode = Opcode::kQuant,
                          .wait0 = wait,
                          .sig0 = sig0,
                          .sig1 = sig1,
                          .mode = static_cast<uint8_t>(head_mode() | kToV | (bias ? kAuxBias : 0)),
                          .count = static_cast<uint16_t>(heads.count * head_chunks_),
                          .a0 = a(0, t.qkv + att_words_ + kv_words_ + words),
                          .a1 = bias ? a(r("act"), k_bv_ + words) : Operand{},
                          .a2 = a(r("home_row"), 2 * heads.first * l_->tile_rows),
                          .s0 = sc(0, t.s_n8),
                          .s1 = sc(r("states"), batch_state(batch_index)),
                          .s2 = sc(r(l_->kv_pairs ? "pair_kvs" : "home_kvs"), 2 * heads.first)});
  if (batch_index + 1 < batches_) return;
  TensorTap& v =
      tap("v", pc, Space::kKv, l_->kv_home_row + static_cast<uint64_t>(l_->tile_rows), ElementType::kInt8);
  v.kind = TensorTap::Kind::kOpenV;
  v.per_layer = true;
  v.layer_stride = static_cast<uint64_t>(c_.kv_heads * 2 * l_->tile_rows);
  v.has_scale = true;
  v.scale_address = l_->kv_home_scale + 1;
  v.scale_stride = 2;
  v.scale_layer_stride = static_cast<uint64_t>(2 * c_.kv_heads);
  v.order = heads_order(c_.kv_heads, false);
}

void Compiler::quantise_q(const TokenPlaces& t, int index, Heads heads, uint8_t wait, uint8_t sig0,
                          uint8_t sig1) {
  const bool bias = k_bq_ >= 0;
  const int query = heads.first * query_group_;
  const int words = query * head_chunks_;
  const size_t pc = emit({.opcode = Opcode::kQuant,
                          .wait0 = wait,
                          .sig0 = sig0,
                          .sig1 = sig1,
                          .mode = static_cast<uint8_t>(head_mode() | kToQ |
                                                       (c_.rope ? kAuxRope
                                                        : bias  ? kAuxBias
                                                                : 0)),
                          .count = static_cast<uint16_t>(heads.count * query_group_ * head_chunks_),
                          .a0 = a(0, t.qkv + words),
                          .a1 = c_.rope ? a(0, t.row)
                                : bias  ? a(r("act"), k_bq_ + words)
                                        : Operand{},
                          .a2 = a(0, t.q + query * head_dim_ / (2 * cols_)),
                          .s0 = sc(0, t.s_n8),
                          .s1 = scalar(kScalarQ),
                          .s2 = record(index, query)});
  if (heads.first + heads.count < c_.kv_heads) return;
  TensorTap& q = tap("q", pc, Space::kScr, static_cast<uint64_t>(t.q * 2 * cols_), ElementType::kInt8);
  q.per_layer = true;
  q.order = heads_order(c_.heads, c_.rope);
  if (!consmax()) {
    q.has_scale = true;
    q.scale_address = static_cast<uint64_t>(scl_records_);
    q.scale_stride = kRecordWords;
  }
}

void Compiler::load_kv_tiles(Heads heads, bool is_v, bool scales) {
  for (int i = 0; i < heads.count; ++i) {
    const int head = heads.first + i;
    if (scales) scale_load(head);
    p_->comment(fmt::format("{} tiles of kv head {}", is_v ? "V" : "K", head));
    emit({.opcode = Opcode::kLoadt,
          .wait0 = i == 0 ? s("ring_free") : uint8_t{0},
          .sig0 = i + 1 == heads.count ? s("ring_full") : uint8_t{0},
          .mode = isa::kModeCountRegister,
          .count = r("tiles"),
          .a0 = a(r("dma_slot"), i * l_->slot_rows),
          .a1 = mem(r("kv_mem"), static_cast<int64_t>(l_->kv_head_bytes) * head +
                                     (is_v ? static_cast<int64_t>(l_->kv_v_offset) : 0)),
          .s0 = sc(0, l_->tile_rows),
          .s1 = sc(0, rotation(head))});
  }
  ring_advance(r("dma_slot"));
}

void Compiler::softmax(Instruction in, int query, int index, int scores, int numerators, Operand scales) {
  const int head = query / query_group_;
  in.opcode = Opcode::kSoftmax;
  in.mode = static_cast<uint8_t>((consmax() ? 1 : 0) | kModeOpen | isa::kModeCountRegister);
  in.count = r("tokens");
  in.a0 = a(0, scores);
  in.a1 = a(0, numerators);
  in.a2 = scales;
  in.s0 = record(index, query);
  in.s1 = sc(r("states"), head_state(head));
  in.s2 = sc(r("home_kvs"), 2 * head);
  const size_t pc = emit(in);
  TensorTap& t =
      tap("numerators", pc, Space::kScr, static_cast<uint64_t>(numerators) * static_cast<uint64_t>(2 * cols_),
          consmax() ? ElementType::kUint16 : ElementType::kUint24);
  t.kind = TensorTap::Kind::kNumerators;
  t.per_layer = true;
  t.head = query;
  if (!consmax()) {
    t.has_scale = true;
    t.scale_address = static_cast<uint64_t>(scl_records_ + query * kRecordWords + kRecordFactor);
  }
}

// The open tiles to memory, if r(not_full) is 0. DMA knows that the layer's K and V are quantised.
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
            .s1 = sc(r("tiles"), rotation(h))});
    }
    linear(Opcode::kStorel, kModeSpaceKvs, 2, a(r("home_kvs"), 2 * h),
           mem(scales, base + static_cast<int64_t>(l_->kv_scale_offset)));
  }
  p.place(skip);
}

void Compiler::join(const TokenPlaces& t, int index, Heads heads, uint8_t wait) {
  const int query = heads.first * query_group_;
  const size_t pc = emit({.opcode = Opcode::kJoin,
                          .wait0 = wait,
                          .mode = static_cast<uint8_t>(join_mode() | keep(heads.first == 0)),
                          .count = static_cast<uint16_t>(heads.count * query_group_ * head_chunks_),
                          .a0 = a(0, t.planes + query * head_planes()),
                          .a2 = a(0, t.att + query * head_chunks_),
                          .s0 = record(index, query, kRecordFactor)});
  if (heads.first + heads.count < c_.kv_heads) return;
  layer_tap("att", pc, t.att, ElementType::kInt32).order = heads_order(c_.heads, false);
}

void Compiler::project_attention(const TokenPlaces& t) {
  size_t pc = 0;
  if (c_.sub_norms) {
    pc = emit({.opcode = Opcode::kNorm,
               .sig0 = s("to_pim"),
               .mode = norm_mode(),
               .count = static_cast<uint16_t>(att_words_),
               .a0 = a(0, t.att),
               .a1 = a(r("act"), k_attn_sub_),
               .a2 = a(0, t.a8),
               .s0 = sc(0, kResidentAtt),
               .s1 = scalar(kScalarAttnSub),
               .s2 = sc(0, t.s_a8)});
  } else {
    pc = emit({.opcode = Opcode::kQuant,
               .sig0 = s("to_pim"),
               .mode = static_cast<uint8_t>(kQuantOneGroup | (tokens_ == 1 ? kQuantKnown : 0)),
               .count = static_cast<uint16_t>(att_words_),
               .a0 = a(0, t.att),
               .a2 = a(0, t.a8),
               .s0 = sc(0, kResidentAtt),
               .s1 = sc(0, kResidentOne),
               .s2 = sc(0, t.s_a8)});
  }
  layer_tap("attn_sub_norm", pc, t.a8, ElementType::kInt8, t.s_a8).order = heads_order(c_.heads, false);
  pc = project(t.a8, t.o, halves(d_words_), xbar_o_, c_.heads * head_dim_);
  layer_tap("attn_output", pc, t.o, ElementType::kInt32);
}

// The residual stream plus the projection at ACT word `y`, in the parts in which it comes.
size_t Compiler::add_residual(const TokenPlaces& t, int y, int scale, int weight_scale, int k_bias) {
  const bool bias = k_bias >= 0;
  size_t pc = 0;
  for (const Words& part : halves(d_words_)) {
    pc = emit({.opcode = Opcode::kResadd,
               .wait0 = s("from_pim"),
               .mode = static_cast<uint8_t>((bias ? 1 : 0) | keep(part.first == 0)),
               .count = static_cast<uint16_t>(part.count),
               .a0 = a(0, y + part.first),
               .a1 = bias ? a(r("act"), k_bias + part.first) : Operand{},
               .a2 = a(0, t.x + part.first),
               .s0 = sc(0, scale),
               .s1 = scalar(weight_scale),
               .s2 = sc(0, kResidentX)});
  }
  return pc;
}

void Compiler::add_attention(const TokenPlaces& t) {
  const size_t pc = add_residual(t, t.o, t.s_a8, kScalarO, k_bo_);
  layer_tap("resid_attn", pc, t.x, ElementType::kInt32);
}

void Compiler::project_ffn(const TokenPlaces& t) {
  size_t pc = emit({.opcode = Opcode::kNorm,
                    .sig0 = s("to_pim"),
                    .mode = norm_mode(),
                    .count = static_cast<uint16_t>(d_words_),
                    .a0 = a(0, t.x),
                    .a1 = a(r("act"), k_ffn_norm_),
                    .a2 = a(0, t.n8),
                    .s0 = sc(0, kResidentX),
                    .s1 = scalar(kScalarFfnNorm),
                    .s2 = sc(0, t.s_n8)});
  layer_tap("ffn_norm", pc, t.n8, ElementType::kInt8, t.s_n8);
  pc = project(t.n8, t.ffn, ffn_parts(), xbar_up_, c_.d_model);
  if (c_.gated) layer_tap("ffn_gate", pc, t.ffn, ElementType::kInt32);
  layer_tap("ffn_up", pc, t.ffn + ffn_words_ - f_words_, ElementType::kInt32);
}

void Compiler::activate_and_project(const TokenPlaces& t) {
  const bool bias = k_bup_ >= 0;
  const auto function = static_cast<uint8_t>(c_.activation == Activation::kRelu    ? 0
                                             : c_.activation == Activation::kRelu2 ? 1
                                             : c_.activation == Activation::kSilu  ? 2
                                                                                   : 3);
  const bool kept = !c_.gated && tokens_ == 1;
  size_t pc = 0;
  for (const Words& part : ffn_parts()) {
    pc = emit({.opcode = Opcode::kActfn,
               .wait0 = s("from_pim"),
               .mode = static_cast<uint8_t>(function | (c_.gated ? 4 : 0) | (bias ? 8 : 0) |
                                            (kept ? kActKeep | (part.first == 0 ? kActBegin : 0) : 0)),
               .count = static_cast<uint16_t>(c_.gated ? f_words_ : part.count),
               .a0 = a(0, t.ffn + part.first),
               .a1 = c_.gated ? a(0, t.ffn + f_words_)
                     : bias   ? a(r("act"), k_bup_ + part.first)
                              : Operand{},
               .a2 = a(0, t.h + part.first),
               .s0 = sc(0, t.s_n8),
               .s1 = scalar(c_.gated ? kScalarGate : kScalarUp),
               .s2 = sc(0, t.s_h)});
  }
  layer_tap("act", pc, t.h, ElementType::kInt32, t.s_h);
  if (c_.sub_norms) {
    pc = emit({.opcode = Opcode::kNorm,
               .sig0 = s("to_pim"),
               .mode = norm_mode(kept),
               .count = static_cast<uint16_t>(f_words_),
               .a0 = a(0, t.h),
               .a1 = a(r("act"), k_ffn_sub_),
               .a2 = a(0, t.h8),
               .s0 = sc(0, t.s_h),
               .s1 = scalar(kScalarFfnSub),
               .s2 = sc(0, t.s_h8)});
  } else {
    pc = emit({.opcode = Opcode::kQuant,
               .sig0 = s("to_pim"),
               .mode = static_cast<uint8_t>(kQuantOneGroup | (kept ? kQuantKnown : 0)),
               .count = static_cast<uint16_t>(f_words_),
               .a0 = a(0, t.h),
               .a2 = a(0, t.h8),
               .s0 = sc(0, t.s_h),
               .s1 = sc(0, kResidentOne),
               .s2 = sc(0, t.s_h8)});
  }
  layer_tap("ffn_sub_norm", pc, t.h8, ElementType::kInt8, t.s_h8);
  pc = project(t.h8, t.down, halves(d_words_), xbar_down_, c_.d_ff);
  layer_tap("ffn_down", pc, t.down, ElementType::kInt32);
}

void Compiler::add_ffn(const TokenPlaces& t) {
  const size_t pc = add_residual(t, t.down, t.s_h8, kScalarDown, k_bdown_);
  layer_tap("resid_ffn", pc, t.x, ElementType::kInt32);
}

}  // namespace pimllm::compiler

// The programs of one token, and the one that programs the crossbars.
#include <fmt/format.h>

#include "models/compiler/compiler_impl.hpp"

namespace pimllm::compiler {
namespace {

struct KvItem {
  int unit;
  bool is_v;
};

// Items of a layer in the order of their slots: K0, K1, V0, K2, V1, ..., V(n-1). Even units first.
KvItem kv_item(int item, int units) {
  if (item == 0) return {0, false};
  if (item == 2 * units - 1) return {units - 1, true};
  return item % 2 == 1 ? KvItem{(item + 1) / 2, false} : KvItem{(item - 2) / 2, true};
}

}  // namespace

void Compiler::build_init() {
  Program program;
  begin(program);
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
  program.sync();
  program.wait(s("free"));
  program.wait(s("free"));
  program.halt();
  out_.init = finish("init");
}

void Compiler::step_registers() {
  Program& p = *p_;
  p.comment("what the host asks for");
  p.csrr(r("pos"), isa::Csr::kPosition);
  p.csrr(r("token"), isa::Csr::kTokenIn);
  p.comment("free slots and buffers");
  post("ring_free", ring_slots_);
  post("scales_free", l_->scale_buffers);
  for (const char* reg : {"dma_slot", "arr_slot", "kvs_dma", "kvs_smx"}) li(r(reg), 0);
  const auto strides = [](int d, int a) {
    return static_cast<int64_t>(d) << 32 | static_cast<int64_t>(a) << 16;
  };
  if (batch_heads_ > 1 || l_->kv_pairs) {
    // Rows from a kv head's tiles to those of the other one of a pair; query heads of one have the same.
    const int64_t rows = l_->kv_pairs ? l_->slot_rows : 0;
    li(r("qk_strides"), strides(2 * l_->max_tiles, head_dim_ / (2 * cols_)) + rows);
    li(r("pv_strides"), strides(head_planes(), tile_numerators() * l_->max_tiles) + rows);
  } else if (north_) {
    li(r("qk_strides"), 1);  // one query row
    li(r("pv_strides"), 1);
  }
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
  layer_registers();
}

void Compiler::scale_load(int head) {
  Program& p = *p_;
  const uint8_t slot = r("kvs_dma");
  Instruction in{.opcode = Opcode::kLoadl,
                 .wait0 = s("scales_free"),
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

// QK or PV of a unit's queries on the slot(s) of an item, and the softmax behind QK.
void Compiler::kv_compute(int item) {
  Program& p = *p_;
  const KvItem kv = kv_item(item, units_);  // Clang 14 does not capture structured bindings
  const Heads heads = unit(kv.unit);
  const int head = heads.first;
  const bool is_v = kv.is_v;
  const auto set = static_cast<size_t>(kv.unit % 2);
  const int queries = heads.count * query_group_;
  const int together = heads.count == 2 ? 2 : batch_heads_;
  const int batches = queries / together;
  const auto batch_mode = static_cast<uint8_t>(log2_exact(together) << 3 | (north_ ? kModeNorth : 0));
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
      const int query = head * query_group_ + b * together;  // first query head
      const int in_set = b * together;
      Instruction in;
      in.opcode = is_v ? Opcode::kPv : Opcode::kQk;
      in.mode = batch_mode;
      if (part.open) in.mode |= kModeOpen;
      if (is_v) in.mode |= pv_mode();
      if (is_v && !part.first) in.mode |= kModeAccumulate;
      if (part.tokens != 0) {
        in.mode |= isa::kModeCountRegister;
        in.count = part.tokens;
      } else {
        count(in, l_->slot_tiles * cols_);
      }
      if (is_v) {
        in.a0 = a(part.offset, scr_num_[set] + in_set * tile_numerators() * l_->max_tiles);
        in.a2 = a(0, scr_planes_ + query * head_planes());
        in.s0 = sc(0, chunks_);
      } else {
        in.a0 = a(0, scr_q_ + query * head_dim_ / (2 * cols_));
        in.a2 = a(part.offset, scr_scores_[set] + in_set * 2 * l_->max_tiles);
        in.s0 = sc(0, head_dim_);
      }
      in.a1 = {r("arr_slot"), 0};
      if (part.open) in.s1 = sc(r("home_row"), open_row);
      if (together > 1 || north_) in.s2 = {r(is_v ? "pv_strides" : "qk_strides"), 0};
      if (b == 0) in.wait0 = s("ring_full");
      if (is_v) {
        if (!part.first) {
          in.wait1 = s("partial");
        } else if (b == 0) {
          in.wait1 = s("numerators");
        }
      } else if (b == 0 && head % batch_ == 0 && part.first) {
        in.wait1 = s("q");
      }
      if (b == batches - 1) in.sig0 = s("ring_free");
      if (is_v && !part.last) in.sig1 = s("partial");
      if (b == batches - 1 && part.last) {
        if (!is_v) in.sig1 = s("scores");
        if (is_v && ends_batch(head + heads.count - 1)) in.sig1 = s("planes");
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
      p.addi(at, at, (is_v ? tile_numerators() : 2) * l_->slot_tiles);
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

  for (int i = 0; i < queries; ++i) {
    Instruction semaphores;
    if (i == 0) {
      semaphores.wait0 = s("scores");
      if (head % batch_ == 0) semaphores.wait1 = s("v");
    }
    if (i == queries - 1) semaphores.sig0 = s("numerators");
    if ((i + 1) % query_group_ == 0) semaphores.sig1 = s("scales_free");
    softmax(semaphores, head * query_group_ + i, 0, scr_scores_[set] + i * 2 * l_->max_tiles,
            scr_num_[set] + i * tile_numerators() * l_->max_tiles, {r("kvs_smx"), 0});
    if ((i + 1) % query_group_ == 0 && l_->scale_buffers > 1) {
      p.addi(r("kvs_smx"), r("kvs_smx"), kvs_buffer_);
      p.andi(r("kvs_smx"), r("kvs_smx"), l_->scale_buffers * kvs_buffer_ - 1);
    }
  }
}

// The tiles of an item, unless they come in segments. The scales of K and V before K: done comes in order, so
// that K's `ring_full` speaks for them, too.
void Compiler::kv_load(int item) {
  if (item >= 2 * units_) return;
  const auto [index, is_v] = kv_item(item, units_);
  const Heads heads = unit(index);
  if (lead_ != 0) {
    load_kv_tiles(heads, is_v, !is_v);
  } else if (!is_v) {
    scale_load(heads.first);
  }
}

// The first loads, before anything needs them.
void Compiler::attention_ahead() {
  for (int i = 0; i < lead_; ++i) kv_load(i);
}

void Compiler::quantise_batch(int index) {
  if (index >= batches_) return;
  const TokenPlaces t = token(0);
  const Heads heads = batch(index);
  const uint8_t projected = index == 0 ? s("from_pim") : uint8_t{0};
  const uint8_t apart = qkv_apart() ? projected : uint8_t{0};
  quantise_k(t, heads, projected);
  quantise_q(t, 0, heads, apart, s("q"), 0);
  quantise_v(t, index, apart, s("v"), index + 1 == batches_ ? s("kv") : uint8_t{0});
}

// QK, softmax and PV of all heads; the other loads behind each instruction that frees a slot or a buffer. The
// vector unit is a batch of heads ahead with q, K and V.
void Compiler::attention_items(bool whole) {
  for (int item = 0; item < 2 * units_; ++item) {
    const auto [index, is_v] = kv_item(item, units_);
    const Heads heads = unit(index);
    const int last = heads.first + heads.count - 1;
    if (whole && !is_v && heads.first % batch_ == 0) quantise_batch(heads.first / batch_ + 1);
    if (lead_ == 0) kv_load(item);
    kv_compute(item);
    if (lead_ != 0) kv_load(item + lead_);
    if (whole && is_v && ends_batch(last)) join(token(0), 0, batch(last / batch_), s("planes"));
  }
}

void Compiler::attention() {
  Program& p = *p_;
  const TokenPlaces t = token(0);
  attention_ahead();
  p.comment("norm, then K, Q and V");
  project_qkv(t, s("constants"), qkv_apart());
  quantise_batch(0);
  attention_items(true);
  p.comment("constants of the next layer (of the first, after the last)");
  load_next_constants(s("kv"));
  kv_store();
  p.comment("output projection");
  project_attention(t);
  add_attention(t);
}

void Compiler::lm_head() {
  Program& p = *p_;
  const int pieces = l_->head_pieces;
  const TokenPlaces token_places = token(0);
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
  p.comment("output norm");
  size_t pc = emit({.opcode = Opcode::kNorm,
                    .sig0 = s("last_norm"),
                    .mode = static_cast<uint8_t>(norm_mode() | (o_.norm_to_scr ? 2 : 0)),
                    .count = static_cast<uint16_t>(d_words_),
                    .a0 = a(0, token_places.x),
                    .a1 = a(0, act_out_norm_),
                    .a2 = o_.norm_to_scr ? a(0, scr_head_q_) : a(0, token_places.n8),
                    .s0 = sc(0, kResidentX),
                    .s1 = sc(0, kResidentOutNorm),
                    .s2 = sc(0, token_places.s_n8)});
  TensorTap& t =
      tap("output_norm", pc, o_.norm_to_scr ? Space::kScr : Space::kAct,
          static_cast<uint64_t>(o_.norm_to_scr ? scr_head_q_ * 2 * cols_ : token_places.n8 * h_.act_bytes()),
          ElementType::kInt8);
  t.has_scale = true;
  t.scale_address = static_cast<uint64_t>(token_places.s_n8);
  uint8_t q_ready = s("last_norm");
  if (!o_.norm_to_scr) {
    p.comment("its result into SCR, by way of memory");
    linear(Opcode::kStorel, 0, d8_words_, a(0, token_places.n8), mem(m_bounce_), s("last_norm"), s("bounce"));
    linear(Opcode::kLoadl, kModeSpaceScr, ceil_div(head_dims_, h_.scr_bytes()), a(0, scr_head_q_),
           mem(m_bounce_), s("bounce"), s("head_q"));
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
               .s0 = sc(0, token_places.s_n8),
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
  begin(program);
  taps_ = !shape_only_;
  Program& p = program;
  const TokenPlaces places = token(0);
  const auto token_loop = p.make_label("token");
  const auto no_head = p.make_label("no_head");
  const auto done = p.make_label("done");
  step_registers();
  load_states_and_constants();
  p.place(token_loop);
  token_registers();
  p.comment("embedding row, its scale, row of the position");
  load_token(places, r("token"), s("row"));
  embed(places, s("row"));
  const uint8_t n = temp();
  li(n, c_.layers);
  p.begin_loop(n);
  p.comment("a layer");
  attention();
  p.comment("feed-forward network");
  project_ffn(places);
  activate_and_project(places);
  add_ffn(places);
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
  drain("ring_free", ring_slots_);
  drain("scales_free", l_->scale_buffers);
  p.wait(s("constants"));
  p.halt();
  taps_ = false;
  out_.step = finish("step");
}

}  // namespace pimllm::compiler

// Where everything lies: sizes that follow from model and machine, scratchpad spaces.
#include "golden/error.hpp"
#include "models/compiler/compiler_impl.hpp"

namespace pimllm::compiler {
namespace {

// Words of a scratchpad space, handed out in order.
class SpaceAllocator {
 public:
  SpaceAllocator(std::string_view name, int available) : name_(name), available_(available) {}

  int take(int words) {
    const int first = used_;
    used_ += words;
    return first;
  }
  void move_to(int word) {
    peak_ = std::max(peak_, used_);
    used_ = word;
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
}  // namespace

void Compiler::derive() {
  lanes_ = h_.vec_lanes;
  cols_ = h_.array_cols;
  groups_ = h_.groups();
  banks_ = h_.group_banks();
  l_->context = o_.context == 0 ? c_.context_length : o_.context;
  if (l_->context < 1 || l_->context > c_.context_length) {
    fail("option context: expected 1..{}, found {}", c_.context_length, l_->context);
  }
  if (l_->context > 65535) fail("option context: expected at most 65535, found {}", l_->context);
  if (c_.vocab_size > 65536) fail("vocabulary: expected at most 65536 tokens, found {}", c_.vocab_size);
  head_dim_ = std::max(lanes_, 2 * cols_);
  while (head_dim_ < c_.head_dim) head_dim_ *= 2;
  chunks_ = head_dim_ / cols_;
  head_chunks_ = head_dim_ / lanes_;
  query_group_ = c_.heads / c_.kv_heads;
  batch_heads_ = 1;
  while (!north_ && query_group_ % (2 * batch_heads_) == 0 &&
         2 * batch_heads_ <= std::min(groups_, kMaxMulticast)) {
    batch_heads_ *= 2;
  }
  d_words_ = ceil_div(c_.d_model, lanes_);
  f_words_ = ceil_div(c_.d_ff, lanes_);
  att_words_ = c_.heads * head_chunks_;
  kv_words_ = c_.kv_heads * head_chunks_;
  d8_words_ = ceil_div(d_words_, 4);
  f8_words_ = ceil_div(f_words_, 4);
  att8_words_ = ceil_div(att_words_, 4);
  if (layer_norm()) {
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

  ffn_words_ = (c_.gated ? 2 : 1) * f_words_;
  row_words_ = c_.rope ? head_chunks_ : d_words_;
  check_biases();

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
  l_->slot_tiles = l_->slot_rows / l_->tile_rows * groups_;
  l_->segmented = (l_->context - 1) / cols_ > l_->slot_tiles;
  // With a query head each, two kv heads in a fold fill the array where a context has few tiles. K and V of
  // the next pair need places beside those that the array reads, or memory waits.
  l_->kv_pairs = !north_ && !l_->segmented && query_group_ == 1 && c_.kv_heads > 1 &&
                 l_->ring_rows / (2 * l_->slot_rows) >= kPairSlots;
  unit_heads_ = l_->kv_pairs ? 2 : 1;
  units_ = ceil_div(c_.kv_heads, unit_heads_);
  unit_rows_ = unit_heads_ * l_->slot_rows;
  ring_slots_ = l_->ring_rows / unit_rows_;
  batch_ = std::min(c_.kv_heads, l_->kv_pairs ? 2 * kPairsPerBatch : kHeadsPerBatch);
  batches_ = ceil_div(c_.kv_heads, batch_);
  kvs_buffer_ = pow2_ceil(2 * l_->max_tiles);
  l_->scale_buffers = kMaxScaleBuffers;
  while (l_->scale_buffers > 1 &&
         l_->scale_buffers * kvs_buffer_ + c_.layers * c_.kv_heads * 2 > h_.kvs_words)
    l_->scale_buffers /= 2;
  // K of unit n, item 2n - 1, comes behind its scales.
  lead_ = l_->segmented ? 0
                        : std::min({ring_slots_, 2 * units_, std::max(1, h_.queue_depth / 2),
                                    std::max(1, 2 * (l_->scale_buffers / unit_heads_) - 1)});
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
  xbar_down_ = xbar_up_ + crossbars(c_.d_model, ffn_words_);
  l_->crossbars_per_layer = xbar_down_ + crossbars(c_.d_ff, d_words_);
  l_->crossbars = c_.layers * l_->crossbars_per_layer;
}

void Compiler::check_crossbars() const {
  if (l_->crossbars > h_.crossbars()) {
    fail("model {}: needs {} crossbars of {}x{}, the machine has {}", c_.name, l_->crossbars, h_.xbar_rows,
         h_.xbar_cols, h_.crossbars());
  }
}

// A bias in some layers only would need another instruction in each: the program is one loop.
void Compiler::check_biases() const {
  const auto check = [&](TernaryMatrix LayerWeights::*m, std::string_view name) {
    const auto with = std::count_if(w_.layers.begin(), w_.layers.end(),
                                    [&](const LayerWeights& l) { return !(l.*m).bias.empty(); });
    if (with != 0 && with != static_cast<std::ptrdiff_t>(w_.layers.size())) {
      fail("model {} {}.bias: expected in all {} layers or in none, found in {}", c_.name, name,
           w_.layers.size(), with);
    }
  };
  check(&LayerWeights::wq, "attn_q");
  check(&LayerWeights::wk, "attn_k");
  check(&LayerWeights::wv, "attn_v");
  check(&LayerWeights::wo, "attn_output");
  check(&LayerWeights::w_up, "ffn_up");
  check(&LayerWeights::w_down, "ffn_down");
}

// The layer's vectors in ACT.
void Compiler::arrange_constants() {
  int words = 0;
  const auto constant = [&](int n) {
    const int at = words;
    words += n;
    return at;
  };
  const auto bias = [&](TernaryMatrix LayerWeights::*m, int n) {
    return (w_.layers.front().*m).bias.empty() ? -1 : constant(n);
  };
  k_attn_norm_ = constant(norm_words(d_words_));
  k_bq_ = bias(&LayerWeights::wq, att_words_);
  k_bk_ = bias(&LayerWeights::wk, kv_words_);
  k_bv_ = bias(&LayerWeights::wv, kv_words_);
  if (c_.sub_norms) k_attn_sub_ = constant(norm_words(att_words_));
  k_bo_ = bias(&LayerWeights::wo, d_words_);
  k_ffn_norm_ = constant(norm_words(d_words_));
  k_bup_ = bias(&LayerWeights::w_up, f_words_);
  if (c_.sub_norms) k_ffn_sub_ = constant(norm_words(f_words_));
  k_bdown_ = bias(&LayerWeights::w_down, d_words_);
  act_const_words_ = words;
}

void Compiler::allocate_scratchpad(int tokens) {
  tokens_ = tokens;
  const bool step = tokens == 1;
  const int context = l_->context;

  // Vectors in one bank, constants in the other: the vector unit reads both in a cycle.
  SpaceAllocator act("ACT", h_.act_words);
  act_token_words_ = 2 * d8_words_ + 3 * d_words_ + 2 * att_words_ + 2 * kv_words_ + att8_words_ +
                     ffn_words_ + f_words_ + f8_words_;
  act_token_ = act.take(tokens * act_token_words_);
  act_logits_ = act.take(step ? 2 * piece_words_ : 0);
  const int constants =
      2 * act_const_words_ + norm_words(d_words_) + tokens * row_words_ + (step ? 2 * piece_words_ : 0);
  const int act_bank = h_.act_words / kActBanks;
  if (std::max(act.used(), constants) <= act_bank) act.move_to(act_bank);
  act_const_ = act.take(2 * act_const_words_);
  act_out_norm_ = act.take(norm_words(d_words_));
  act_rows_ = act.take(tokens * row_words_);
  act_row_scales_ = act.take(step ? 2 * piece_words_ : 0);
  // Programming data of two crossbars, before anything else lives.
  const int xbar_words = h_.xbar_bytes() / h_.act_bytes();
  if (2 * xbar_words > h_.act_words) {
    fail("programming a crossbar: needs {} words of ACT, the machine has {}", 2 * xbar_words, h_.act_words);
  }
  act.check(c_, context);

  // The step program has scores and numerators of two units, in turn; prefill has those of all heads.
  const int unit_queries = unit_heads_ * query_group_;
  const int score_heads = step ? 2 * unit_queries : tokens * c_.heads;
  SpaceAllocator scr("SCR", h_.scr_words);
  scr_q_words_ = ceil_div(c_.heads * head_dim_, h_.scr_bytes());
  const int score_words = unit_queries * l_->max_tiles;  // of a unit
  const int num_words = ceil_div(score_words * tile_numerators(), 2);
  const int plane_words = tokens * c_.heads * planes() * chunks_;
  const int bank = h_.scr_words / kScrBanks;
  const bool banked = step && std::max({scr_q_words_, score_words + num_words, plane_words}) <= bank;
  if (banked) {
    // What array, softmax unit and vector unit have in work at a time lies in banks of its own.
    scr_q_ = 2 * scr.take(scr_q_words_);
    for (const int set : {0, 1}) {
      scr.move_to((1 + set) * bank);
      scr_scores_.at(static_cast<size_t>(set)) = 2 * scr.take(score_words);
      scr_num_.at(static_cast<size_t>(set)) = 2 * scr.take(num_words);
    }
    scr.move_to(3 * bank);
    scr_planes_ = 2 * scr.take(plane_words);
  } else {
    scr_q_ = 2 * scr.take(tokens * scr_q_words_);
    scr_scores_[0] = 2 * scr.take(score_heads * l_->max_tiles);
    scr_scores_[1] = scr_scores_[0] + 2 * score_words;
    scr_num_[0] = 2 * scr.take(ceil_div(score_heads * l_->max_tiles * tile_numerators(), 2));
    scr_num_[1] = scr_num_[0] + score_words * tile_numerators();
    scr_planes_ = 2 * scr.take(plane_words);
  }
  if (step) {
    scr.move_to(0);  // the LM head runs when no attention does
    const int head_q_words = ceil_div(head_dims_, h_.scr_bytes());
    scr_head_q_ = 2 * scr.take(head_q_words);
    if (std::max(head_q_words, 2 * l_->head_piece_tiles) <= bank) scr.move_to(bank);
    scr_head_acc_ = 2 * scr.take(2 * l_->head_piece_tiles);
  }
  scr.check(c_, context);
  if (2 * h_.scr_words > 65536) fail("ScrWords: expected at most 32768, found {}", h_.scr_words);

  // Open tiles' scales stay from program to program, so they lie above the buffers of all.
  SpaceAllocator kvs("KVS", h_.kvs_words);
  const int home = c_.layers * c_.kv_heads * 2;
  const int prefill_buffers = o_.prefill_tokens == 0 ? 0 : c_.kv_heads;
  kvs.take(std::max(l_->scale_buffers, prefill_buffers) * kvs_buffer_);
  l_->kv_home_scale = static_cast<uint64_t>(kvs.take(home));
  kvs.check(c_, context);

  const int beat = std::max(1, h_.channel_bytes / 4);
  SpaceAllocator scl("SCL", h_.scl_words);
  scl.take(round_up(kResidents, beat));
  scl_pers_ = scl.take(round_up(c_.layers * state_words(), beat));
  l_->states = static_cast<uint64_t>(scl_pers_);
  l_->state_words = static_cast<uint64_t>(c_.layers * state_words());
  record_words_ = consmax() ? round_up(c_.heads * kRecordWords, beat) : 0;
  scl_scalars_ = tokens * record_words_;
  scl_const_words_ = scl_scalars_ + round_up(kScalars, beat);
  scl_const_ = scl.take(2 * scl_const_words_);
  scl_records_ = scl.take(consmax() ? 0 : tokens * c_.heads * kRecordWords);
  scl_token_ = scl.take(tokens * kTokenScalars);
  scl.check(c_, context);

  l_->act_words = std::max(l_->act_words, act.used());
  l_->scr_words = std::max(l_->scr_words, scr.used());
  l_->kvs_words = std::max(l_->kvs_words, kvs.used());
  l_->scl_words = std::max(l_->scl_words, scl.used());
}

TokenPlaces Compiler::token(int index) const {
  TokenPlaces t;
  int word = act_token_ + index * act_token_words_;
  const auto take = [&](int words) {
    const int at = word;
    word += words;
    return at;
  };
  t.x = take(d_words_);
  t.n8 = take(d8_words_);
  t.e8 = take(d8_words_);
  t.row = act_rows_ + index * row_words_;
  t.qkv = take(att_words_ + 2 * kv_words_);
  t.att = take(att_words_);
  t.a8 = take(att8_words_);
  t.o = take(d_words_);
  t.ffn = take(ffn_words_);
  t.h = take(f_words_);
  t.h8 = take(f8_words_);
  t.down = take(d_words_);
  const int scalar = scl_token_ + index * kTokenScalars;
  t.s_row = scalar;
  t.s_n8 = scalar + 1;
  t.s_a8 = scalar + 2;
  t.s_h = scalar + 3;
  t.s_h8 = scalar + 4;
  t.q = scr_q_ + 2 * index * scr_q_words_;
  t.planes = scr_planes_ + index * c_.heads * head_planes();
  return t;
}

}  // namespace pimllm::compiler

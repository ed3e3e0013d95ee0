// The memory image: crossbars, embedding, positions, constants.
#include <cstring>

#include "golden/error.hpp"
#include "models/compiler/compiler_impl.hpp"

namespace pimllm::compiler {
namespace {

void put32(std::vector<uint8_t>& bytes, size_t offset, uint32_t value) {
  for (size_t i = 0; i < 4; ++i) bytes[offset + i] = static_cast<uint8_t>(value >> (8 * i));
}

}  // namespace

uint64_t Compiler::segment(std::string name, uint64_t size, std::vector<uint8_t> bytes) {
  const uint64_t address = cursor_;
  cursor_ = round_up64(cursor_ + size, static_cast<uint64_t>(o_.segment_alignment));
  if (cursor_ > isa::kRegisterMask) fail("memory map: expected addresses of 48 bits, found {:#x}", cursor_);
  out_.segments.push_back({std::move(name), address, size, std::move(bytes)});
  return address;
}

void Compiler::derive_strides() {
  const auto beat = static_cast<uint64_t>(h_.channel_bytes);
  embedding_scale_ = static_cast<uint64_t>(d8_words_ * h_.act_bytes());
  embedding_stride_ = embedding_scale_ + beat;
  position_stride_ = static_cast<uint64_t>(row_words_ * h_.act_bytes());
  act_const_stride_ = static_cast<uint64_t>(act_const_words_ * h_.act_bytes());
  scl_const_stride_ =
      round_up64(static_cast<uint64_t>(4 * (record_words_ + round_up(kScalars, h_.channel_bytes / 4))), beat);
}

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
  CrossbarImage up = make(c_.d_model, ffn_words_ * lanes_);
  if (c_.gated) copy(up, w.w_gate, 0, {}, {});
  copy(up, w.w_up, c_.gated ? f_words_ * lanes_ : 0, {}, {});
  matrices.push_back(std::move(up));
  CrossbarImage down = make(c_.d_ff, d_words_ * lanes_);
  copy(down, w.w_down, 0, {}, {});
  matrices.push_back(std::move(down));
  return matrices;
}

ModelPlaces Compiler::places() const {
  const auto columns = [&](int heads, bool rope) {
    const auto order = heads_order(heads, rope);
    return std::vector<int>(order.begin(), order.end());
  };
  const auto tiles = [&](int rows) { return ceil_div(rows, h_.xbar_rows); };
  const int wide = tiles(c_.d_model);
  ModelPlaces p;
  p.per_layer = l_->crossbars_per_layer;
  p.q = {xbar_qkv_, 0, wide, columns(c_.heads, c_.rope)};
  p.k = {xbar_qkv_, att_words_ * lanes_, wide, columns(c_.kv_heads, c_.rope)};
  p.v = {xbar_qkv_, (att_words_ + kv_words_) * lanes_, wide, columns(c_.kv_heads, false)};
  p.o = {xbar_o_, 0, tiles(c_.heads * head_dim_), {}};
  p.gate = {xbar_up_, 0, wide, {}};
  p.up = {xbar_up_, c_.gated ? f_words_ * lanes_ : 0, wide, {}};
  p.down = {xbar_down_, 0, tiles(c_.d_ff), {}};
  return p;
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
  if (o_.preloaded_crossbars) {
    out_.crossbar_codes = std::move(image);
    return;
  }
  const size_t size = image.size();
  m_xbar_ = segment("crossbars", size, std::move(image));
}

void Compiler::fill_embedding() {
  // Rows with their scale behind, for EMBED.
  const auto d = static_cast<size_t>(c_.d_model);
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
    if (layer_norm()) put_words(at + static_cast<size_t>(words * h_.act_bytes()), b);
  };
  const auto place = [&](size_t block, int offset) {
    return block + static_cast<size_t>(offset) * static_cast<size_t>(h_.act_bytes());
  };

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

  bytes.assign(static_cast<size_t>(norm_words(d_words_) * h_.act_bytes()), 0);
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
  bytes.assign(scl_const_stride_ * static_cast<uint64_t>(c_.layers), 0);
  for (size_t l = 0; l < static_cast<size_t>(c_.layers); ++l) {
    const QuantizedLayer& q = q_->layers[l];
    const size_t records = l * scl_const_stride_ / 4;
    const size_t block = records + static_cast<size_t>(record_words_);
    put_norm_scales(at(block, kScalarAttnNorm), q.attn_norm);
    put_norm_scales(at(block, kScalarFfnNorm), q.ffn_norm);
    if (c_.sub_norms) {
      put_norm_scales(at(block, kScalarAttnSub), q.attn_sub_norm);
      put_norm_scales(at(block, kScalarFfnSub), q.ffn_sub_norm);
    }
    put_scale(at(block, kScalarQ), q.wq.scale);
    put_scale(at(block, kScalarK), q.wk.scale);
    put_scale(at(block, kScalarO), q.wo.scale);
    if (c_.gated) put_scale(at(block, kScalarGate), q.w_gate.scale);
    put_scale(at(block, kScalarUp), q.w_up.scale);
    put_scale(at(block, kScalarDown), q.w_down.scale);
    for (size_t h = 0; h < q.consmax.size(); ++h) {
      const size_t record = records + h * kRecordWords;
      put_scale(record + 1, q.consmax[h].c);
      put32(bytes, 4 * (record + 2), static_cast<uint32_t>(q.consmax[h].z));
    }
  }
  size = bytes.size();
  m_scl_const_ = segment("layer_scalars", size, std::move(bytes));

  bytes.assign(round_up64(static_cast<uint64_t>(4 * kResidents), beat), 0);
  put_scale(kResidentX, sf_pow2(-o_.residual_fraction_bits));
  put_scale(kResidentAtt, sf_pow2(-16));
  put_scale(kResidentOne, sf_pow2(0));
  put_norm_scales(kResidentOutNorm, q_->output_norm);
  size = bytes.size();
  m_scl_resident_ = segment("scalars", size, std::move(bytes));

  // Of each batch of heads, V's matrix scale, then eref of the heads before the first token.
  bytes.assign(round_up64(static_cast<uint64_t>(4 * c_.layers * state_words()), beat), 0);
  for (size_t l = 0; l < static_cast<size_t>(c_.layers); ++l) {
    const size_t block = l * static_cast<size_t>(state_words());
    for (int b = 0; b < batches_; ++b) put_scale(at(block, batch_state(b)), q_->layers[l].wv.scale);
    for (int h = 0; h < c_.kv_heads; ++h) {
      put32(bytes, 4 * at(block, head_state(h)), static_cast<uint32_t>(kErefStart));
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

}  // namespace pimllm::compiler

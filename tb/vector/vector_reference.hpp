// What each VEC instruction does to the scratchpad (docs/isa.md), on golden's operators.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "golden/ops.hpp"
#include "tb/common/memory_port.hpp"
#include "tb/common/unit_cmd.hpp"

namespace pimllm::tb {

struct VectorShape {
  int lanes, rows, cols, channels, channel_bytes;
  int kv_rows, act_words, scr_words, kvs_words, scl_words;

  int group_banks() const { return channel_bytes / cols; }
  int groups() const { return rows / group_banks(); }
};

// The spaces that the vector unit sees.
struct VectorMemory {
  explicit VectorMemory(const VectorShape& s)
      : act(static_cast<size_t>(s.act_words), static_cast<size_t>(4 * s.lanes)),
        scr(static_cast<size_t>(s.scr_words), static_cast<size_t>(4 * s.cols)),
        kvs(static_cast<size_t>(s.kvs_words), static_cast<size_t>(4 * s.cols)),
        scl(static_cast<size_t>(s.scl_words), 4),
        kv(static_cast<size_t>(s.groups() * s.kv_rows), static_cast<size_t>(s.channel_bytes)) {}
  Ram act, scr, kvs, scl;
  Ram kv;  // word g * kv_rows + row: a row of the banks of group g
};

class VectorReference {
 public:
  explicit VectorReference(const VectorShape& shape) : shape_(shape) {}

  void execute(const UnitCmd& cmd, VectorMemory& m);
  uint32_t argmax_id() const { return best_id_; }

 private:
  std::span<int32_t> words(Ram& ram, uint64_t word, size_t count) {
    return ram.as<int32_t>().subspan(word * ram.word_bytes() / 4, count);
  }
  Scale scale(VectorMemory& m, uint64_t word) { return sf_unpack(m.scl.as<uint32_t>()[word]); }
  void set_scale(VectorMemory& m, uint64_t word, Scale s) { m.scl.as<uint32_t>()[word] = sf_pack(s); }

  void norm(const UnitCmd& cmd, VectorMemory& m);
  void quantize(const UnitCmd& cmd, VectorMemory& m);
  void join(const UnitCmd& cmd, VectorMemory& m);
  void activation(const UnitCmd& cmd, VectorMemory& m);
  void logits(const UnitCmd& cmd, VectorMemory& m);

  VectorShape shape_;
  bool best_valid_ = false;
  int32_t best_ = 0;
  uint32_t best_id_ = 0;
};

inline void VectorReference::norm(const UnitCmd& cmd, VectorMemory& m) {
  const auto n = static_cast<size_t>(cmd.count) * static_cast<size_t>(shape_.lanes);
  const auto x = words(m.act, cmd.a0, n);
  QuantizedNorm p;
  for (const int32_t g : words(m.act, cmd.a1, n)) p.g.push_back(static_cast<int16_t>(g));
  p.sg = scale(m, cmd.s1);
  p.eps = scale(m, cmd.s1 + 1U);
  p.invn = scale(m, cmd.s1 + 2U);
  std::vector<int8_t> q(n);
  Scale t;
  if ((cmd.mode & 1) != 0) {
    const auto b = words(m.act, cmd.a1 + cmd.count, n);
    p.b.assign(b.begin(), b.end());
    t = layer_norm_into(x, scale(m, cmd.s0), p, q);
  } else {
    t = rms_norm_into(x, scale(m, cmd.s0), p, q);
  }
  const bool to_scr = (cmd.mode & 2) != 0;
  const auto out =
      to_scr ? m.scr.as<int8_t>().subspan(static_cast<size_t>(cmd.a2) * 2 * static_cast<size_t>(shape_.cols))
             : m.act.as<int8_t>().subspan(cmd.a2 * m.act.word_bytes());
  std::copy(q.begin(), q.end(), out.begin());
  set_scale(m, cmd.s2, t);
}

inline void VectorReference::quantize(const UnitCmd& cmd, VectorMemory& m) {
  const auto n = static_cast<size_t>(cmd.count) * static_cast<size_t>(shape_.lanes);
  const int lg = cmd.mode >> 4 & 7;
  const size_t dim = lg == 7 ? n : static_cast<size_t>(shape_.lanes) << lg;
  const int aux = cmd.mode & 3;
  const int dest = cmd.mode >> 2 & 3;
  const Scale s = sf_mul(scale(m, cmd.s0), scale(m, cmd.s1));
  const auto cols = static_cast<size_t>(shape_.cols);
  const size_t column = cmd.pos % cols;
  const auto groups = static_cast<size_t>(shape_.groups());
  const bool pairs = dest >= 2 && (cmd.s2 >> 16 & 1) != 0;
  const size_t tile_rows = dim / static_cast<size_t>(shape_.group_banks());
  for (size_t h = 0; h * dim < n; ++h) {
    const auto y = words(m.act, cmd.a0, n).subspan(h * dim, dim);
    std::vector<int8_t> q(dim);
    Scale t;
    if (aux == 0 || aux == 3) {
      t = quant_into(y, s, q);
    } else if (aux == 1) {
      t = bias_quant_into(y, s, words(m.act, cmd.a1, n).subspan(h * dim, dim), q);
    } else {
      const auto row = words(m.act, cmd.a1, dim);
      std::vector<int32_t> lo, hi;
      std::vector<int16_t> cosine, sine;
      for (size_t i = 0; i < dim; i += 2) {
        lo.push_back(y[i]);
        hi.push_back(y[i + 1]);
        cosine.push_back(static_cast<int16_t>(row[i]));
        sine.push_back(static_cast<int16_t>(row[i + 1]));
      }
      std::vector<int8_t> q_lo(dim / 2), q_hi(dim / 2);
      t = rope_quant_into(lo, hi, cosine, sine, s, q_lo, q_hi);
      for (size_t i = 0; i < dim; ++i) q[i] = i % 2 == 0 ? q_lo[i / 2] : q_hi[i / 2];
    }
    if (dest == 0) {
      std::copy(
          q.begin(), q.end(),
          m.act.as<int8_t>().begin() + static_cast<std::ptrdiff_t>(cmd.a2 * m.act.word_bytes() + h * dim));
      set_scale(m, cmd.s2 + h, t);
    } else if (dest == 1) {
      std::copy(q.begin(), q.end(),
                m.scr.as<int8_t>().begin() + static_cast<std::ptrdiff_t>(cmd.a2 * 2 * cols + h * dim));
      set_scale(m, cmd.s2 + 8 * h, t);
    } else {
      // Memory order of a tile: K [dim][C tokens], V [C tokens][dim], a row of the group holds channel_bytes
      // of it.
      const size_t group = (cmd.pos / cols + (pairs && h % 2 == 1 ? groups / 2 : 0)) % groups;
      const size_t base = group * static_cast<size_t>(shape_.kv_rows) + cmd.a2 + 2 * h * tile_rows +
                          (dest == 3 ? tile_rows : 0);
      const auto tile = m.kv.as<int8_t>().subspan(base * m.kv.word_bytes());
      for (size_t d = 0; d < dim; ++d) tile[dest == 2 ? d * cols + column : column * dim + d] = q[d];
      const size_t word = (cmd.s2 & 0xFFFF) + 2 * h + (dest == 3 ? 1 : 0);
      m.kvs.as<uint32_t>()[word * cols + column] = sf_pack(t);
      if (dest == 3) {
        auto& word = m.scl.as<int32_t>()[cmd.s1 + 1 + h];
        const int before = static_cast<int16_t>(word);
        const int after = next_eref(before, t);
        if (after != before) word = after;
      }
    }
  }
}

inline void VectorReference::join(const UnitCmd& cmd, VectorMemory& m) {
  const auto n = static_cast<size_t>(cmd.count) * static_cast<size_t>(shape_.lanes);
  const size_t dim = static_cast<size_t>(shape_.lanes) << (cmd.mode >> 4 & 7);
  const auto out = words(m.act, cmd.a2, n);
  const size_t planes = (cmd.mode & 1) != 0 ? 3 : 2;
  for (size_t h = 0; h * dim < n; ++h) {
    const auto sums = words(m.scr, cmd.a0 / 2U, planes * n).subspan(planes * h * dim, planes * dim);
    for (size_t d = 0; d < dim; ++d) {
      const int32_t o =
          planes == 3 ? pv_join(sums[d], sums[dim + d], sums[2 * dim + d]) : pv_join(sums[d], sums[dim + d]);
      out[h * dim + d] = attention_value(o, scale(m, cmd.s0 + 8 * h));
    }
  }
}

inline void VectorReference::activation(const UnitCmd& cmd, VectorMemory& m) {
  const auto n = static_cast<size_t>(cmd.count) * static_cast<size_t>(shape_.lanes);
  constexpr Activation kKinds[] = {Activation::kRelu, Activation::kRelu2, Activation::kSilu,
                                   Activation::kGelu};
  const bool gated = (cmd.mode & 4) != 0;
  const bool bias = (cmd.mode & 8) != 0;
  const Scale s0 = scale(m, cmd.s0);
  const auto other = words(m.act, cmd.a1, gated || bias ? n : 0);
  const Activated a = activate(kKinds[cmd.mode & 3], words(m.act, cmd.a0, n), sf_mul(s0, scale(m, cmd.s1)),
                               bias ? other : other.first(0), gated ? other : other.first(0),
                               gated ? sf_mul(s0, scale(m, cmd.s1 + 1U)) : Scale{});
  std::copy(a.h.begin(), a.h.end(), words(m.act, cmd.a2, n).begin());
  set_scale(m, cmd.s2, a.scale);
}

inline void VectorReference::logits(const UnitCmd& cmd, VectorMemory& m) {
  const auto n = static_cast<size_t>(cmd.count) * static_cast<size_t>(shape_.lanes);
  const auto acc = words(m.scr, cmd.a0 / 2U, n);
  const auto rows = words(m.act, cmd.a1, n);
  const auto out = words(m.act, cmd.a2, n);
  if ((cmd.mode & 1) != 0) best_valid_ = false;
  for (size_t i = 0; i < n; ++i) {
    out[i] = logit(acc[i], sf_mul(sf_unpack(static_cast<uint32_t>(rows[i])), scale(m, cmd.s0)));
    const auto id = static_cast<uint32_t>(cmd.s1 + i);
    if (i < cmd.s2 && (!best_valid_ || out[i] > best_ || (out[i] == best_ && id < best_id_))) {
      best_valid_ = true;
      best_ = out[i];
      best_id_ = id;
    }
  }
}

inline void VectorReference::execute(const UnitCmd& cmd, VectorMemory& m) {
  const auto n = static_cast<size_t>(cmd.count) * static_cast<size_t>(shape_.lanes);
  switch (cmd.opcode) {
    case isa::Opcode::kNorm:
      return norm(cmd, m);
    case isa::Opcode::kQuant:
      return quantize(cmd, m);
    case isa::Opcode::kJoin:
      return join(cmd, m);
    case isa::Opcode::kActfn:
      return activation(cmd, m);
    case isa::Opcode::kLogit:
      return logits(cmd, m);
    case isa::Opcode::kResadd: {
      const int fx = -(scale(m, cmd.s2).e + 15);
      residual_add(words(m.act, cmd.a2, n), words(m.act, cmd.a0, n),
                   sf_mul(scale(m, cmd.s0), scale(m, cmd.s1)), fx,
                   words(m.act, cmd.a1, (cmd.mode & 1) != 0 ? n : 0));
      return;
    }
    case isa::Opcode::kEmbed: {
      const int fx = -(scale(m, cmd.s2).e + 15);
      embed(m.act.as<int8_t>().subspan(cmd.a0 * m.act.word_bytes(), n), scale(m, cmd.s0), fx,
            words(m.act, cmd.a1, (cmd.mode & 1) != 0 ? n : 0), words(m.act, cmd.a2, n));
      return;
    }
    default:
      FAIL() << "not an instruction of the vector unit";
  }
}

}  // namespace pimllm::tb

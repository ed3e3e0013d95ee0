// Block prefill: several prompt tokens at a time, K and V streamed once for all of them (north feed). The
// bits of the KV cache and of every state are those of the step program token by token.
//
// K and q of all tokens are quantised first, then QK runs for all of them. V's `eref` grows from token to
// token and the softmax of a token needs its own, so V is quantised token by token, each after the softmax of
// the token before.
#include <fmt/format.h>

#include "golden/error.hpp"
#include "models/compiler/compiler_impl.hpp"

namespace pimllm::compiler {
namespace {

constexpr int kTokenBits = 16;
constexpr int kTokensPerArg = 3;

}  // namespace

// What the host asks for, into r(token0), r(token1), ...: token 0 in TOKEN_IN, three in each of ARG1, ARG2,
// ARG3.
void Compiler::load_prompt() {
  Program& p = *p_;
  static constexpr std::array kArgs = {isa::Csr::kArg1, isa::Csr::kArg2, isa::Csr::kArg3};
  const uint8_t id = r("id");
  for (int i = 0; i < tokens_; ++i) {
    const int index = i - 1;
    p.csrr(id, i == 0 ? isa::Csr::kTokenIn : kArgs[static_cast<size_t>(index / kTokensPerArg)]);
    if (i > 0 && index % kTokensPerArg != 0) p.shri(id, id, kTokenBits * (index % kTokensPerArg));
    p.andi(id, id, (1 << kTokenBits) - 1);
    load_token(token(i), id, s("row"));
    p.addi(r("pos"), r("pos"), 1);
  }
  p.addi(r("pos"), r("pos"), -tokens_);
  for (int i = 0; i < tokens_; ++i) embed(token(i), s("row"));
}

void Compiler::prefill_attention() {
  Program& p = *p_;
  const uint8_t pos = r("pos");
  const int items = 2 * c_.kv_heads;  // K of all kv heads, then V of all
  const auto load = [&](int item) {
    if (item < items) load_kv_tiles({item % c_.kv_heads, 1}, item >= c_.kv_heads);
  };
  const int lead = std::min({ring_slots_, items, std::max(1, h_.queue_depth / 2)});
  for (int i = 0; i < lead; ++i) load(i);
  p.comment("norms, then Q, K and V of every token");
  for (int i = 0; i < tokens_; ++i) project_qkv(token(i), i == 0 ? s("constants") : uint8_t{0}, false);
  for (int i = 0; i < tokens_; ++i) {
    const bool last = i == tokens_ - 1;
    quantise_k(token(i), all_heads(), s("from_pim"));
    for (int b = 0; i == 0 && b < batches_; ++b) quantise_v(token(i), b, 0);
    quantise_q(token(i), i, all_heads(), 0, last ? s("q") : uint8_t{0}, last ? s("kv") : uint8_t{0});
    p.addi(pos, pos, 1);
  }
  p.addi(pos, pos, -tokens_);
  p.comment("constants of the next layer (of the first, after the last)");
  load_next_constants(s("kv"));
  p.comment("scales of all kv heads");
  for (int h = 0; h < c_.kv_heads; ++h) {
    emit({.opcode = Opcode::kLoadl,
          .wait0 = s("scales_free"),
          .sig0 = s("scales_full"),
          .mode = kModeSpaceKvs | isa::kModeCountRegister,
          .count = r("pairs"),
          .a0 = a(0, h * kvs_buffer_),
          .a1 = mem(r("kv_mem"), static_cast<int64_t>(l_->kv_head_bytes) * h +
                                     static_cast<int64_t>(l_->kv_scale_offset))});
  }

  // Scores of query head h and token i: (h * tokens + i) * max_tiles words; numerators alike.
  const auto scores = [&](int query, int i) {
    return scr_scores_[0] + 2 * (query * tokens_ + i) * l_->max_tiles;
  };
  const auto numerators = [&](int query, int i) {
    return scr_num_[0] + (query * tokens_ + i) * tile_numerators() * l_->max_tiles;
  };
  const auto array = [&](int item) {
    const int head = item % c_.kv_heads;
    const bool is_v = item >= c_.kv_heads;
    p.comment(fmt::format("{} of kv head {}", is_v ? "PV" : "QK", head));
    for (int j = 0; j < query_group_; ++j) {
      const int query = head * query_group_ + j;
      const bool first = j == 0;
      const bool last = j == query_group_ - 1;
      Instruction in{.opcode = is_v ? Opcode::kPv : Opcode::kQk,
                     .mode = kModeNorth | kModeOpen | isa::kModeCountRegister,
                     .count = r("all_tokens"),
                     .a1 = {r("arr_slot"), 0},
                     .s1 = sc(r("home_row"), 2 * head * l_->tile_rows + (is_v ? l_->tile_rows : 0)),
                     .s2 = {r(is_v ? "pv_strides" : "qk_strides"), 0}};
      if (rotation(head) != 0) in.mode |= kModeRotated;
      if (is_v) {
        in.a0 = a(0, numerators(query, 0));
        in.mode |= pv_mode();
        in.a2 = a(0, scr_planes_ + query * head_planes());
        in.s0 = sc(0, chunks_);
      } else {
        in.a0 = a(0, scr_q_ + query * head_dim_ / (2 * cols_));
        in.a2 = a(0, scores(query, 0));
        in.s0 = sc(0, head_dim_);
      }
      if (first) in.wait0 = s("ring_full");
      if (first && head == 0) in.wait1 = is_v ? s("numerators") : s("q");
      if (last) {
        in.sig0 = s("ring_free");
        if (!is_v) in.sig1 = s("scores");
        if (is_v && head == c_.kv_heads - 1) in.sig1 = s("planes");
      }
      emit(in);
    }
    ring_advance(r("arr_slot"));
    load(item + lead);
  };
  for (int item = 0; item < c_.kv_heads; ++item) array(item);
  p.comment("softmax token by token, V's scales and eref in between");
  for (int i = 0; i < tokens_; ++i) {
    p.addi(r("tokens"), pos, i + 1);
    for (int query = 0; query < c_.heads; ++query) {
      const int head = query / query_group_;
      Instruction semaphores;
      if (query % query_group_ == 0 && i == 0) {
        semaphores.wait0 = s("scores");
        semaphores.wait1 = s("scales_full");
      }
      if (query == 0 && i > 0) semaphores.wait0 = s("v");
      const bool last_token = i == tokens_ - 1;
      if (query % query_group_ == query_group_ - 1 && last_token) semaphores.sig0 = s("scales_free");
      if (query == c_.heads - 1) semaphores.sig1 = last_token ? s("numerators") : s("next_v");
      softmax(semaphores, query, i, scores(query, i), numerators(query, i), a(0, head * kvs_buffer_));
    }
    if (i + 1 < tokens_) {
      p.addi(pos, pos, i + 1);
      for (int b = 0; b < batches_; ++b) {
        const bool last = b + 1 == batches_;
        quantise_v(token(i + 1), b, b == 0 ? s("next_v") : uint8_t{0}, last ? s("v") : uint8_t{0},
                   last && i + 2 == tokens_ ? s("all_v") : uint8_t{0});
      }
      p.addi(pos, pos, -(i + 1));
    }
  }
  for (int item = c_.kv_heads; item < items; ++item) array(item);
}

void Compiler::check_prefill() const {
  const int n = o_.prefill_tokens;
  if (n == 0) return;
  if (n < 2 || n > kPrefillTokensLimit || cols_ % n != 0 || n > h_.array_rows) {
    fail("option prefill tokens: expected 2, 4 or 8 and a divisor of the {} columns, found {}", cols_, n);
  }
  if (l_->segmented) {
    fail("option prefill tokens: expected a context whose K fits a slot of {} tiles, found {} tiles",
         l_->slot_tiles, l_->max_tiles);
  }
}

void Compiler::build_prefill() {
  Program program;
  begin(program);
  Program& p = program;
  const uint8_t pos = r("pos");
  p.comment(fmt::format("{} tokens from a position that is a multiple of {}", tokens_, tokens_));
  p.csrr(pos, isa::Csr::kPosition);
  p.comment("free slots and buffers");
  post("ring_free", ring_slots_);
  post("scales_free", c_.kv_heads);
  li(r("dma_slot"), 0);
  li(r("arr_slot"), 0);
  const auto strides = [&](int d, int a_stride) {
    return static_cast<int64_t>(d) << 32 | static_cast<int64_t>(a_stride) << 16 |
           static_cast<int64_t>(tokens_);
  };
  li(r("qk_strides"), strides(2 * l_->max_tiles, 2 * scr_q_words_));
  li(r("pv_strides"), strides(c_.heads * head_planes(), tile_numerators() * l_->max_tiles));
  load_states_and_constants();
  p.comment(
      "tokens, full tiles in memory, words of their scales, is the open tile full after this block (0)");
  p.addi(r("all_tokens"), pos, tokens_);
  p.shri(r("tiles"), pos, log2_exact(cols_));
  p.shli(r("pairs"), r("tiles"), 1);
  p.andi(r("not_full"), pos, cols_ - 1);
  p.addi(r("not_full"), r("not_full"), -(cols_ - tokens_));
  layer_registers();
  p.comment("embedding rows");
  load_prompt();
  const uint8_t n = temp();
  li(n, c_.layers);
  p.begin_loop(n);
  p.comment("a layer");
  prefill_attention();
  p.wait(s("all_v"));
  kv_store();
  p.comment("heads joined, output projection");
  for (int i = 0; i < tokens_; ++i) {
    join(token(i), i, all_heads(), i == 0 ? s("planes") : uint8_t{0});
    project_attention(token(i));
  }
  p.comment("feed-forward network");
  for (int i = 0; i < tokens_; ++i) {
    add_attention(token(i));
    project_ffn(token(i));
  }
  for (int i = 0; i < tokens_; ++i) activate_and_project(token(i));
  for (int i = 0; i < tokens_; ++i) add_ffn(token(i));
  layer_next();
  p.end_loop();
  p.comment("everything is in memory before the host hears of it");
  p.sync();
  p.addi(pos, pos, tokens_);
  p.csrw(pos, isa::Csr::kPosition);
  p.comment("all semaphores back to zero");
  drain("ring_free", ring_slots_);
  drain("scales_free", c_.kv_heads);
  p.wait(s("constants"));
  p.halt();
  out_.prefill = finish("prefill");
}

}  // namespace pimllm::compiler

namespace pimllm {
namespace {

// Argument and bit of token i.
struct TokenPlace {
  size_t argument;
  int shift;
};

TokenPlace place(size_t i) {
  if (i == 0) return {0, 0};
  return {1 + (i - 1) / compiler::kTokensPerArg,
          compiler::kTokenBits * static_cast<int>((i - 1) % compiler::kTokensPerArg)};
}

}  // namespace

PrefillArguments prefill_arguments(std::span<const int32_t> tokens) {
  PrefillArguments arguments{};
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto [argument, shift] = place(i);
    arguments.at(argument) |= static_cast<uint64_t>(tokens[i]) << shift;
  }
  return arguments;
}

std::vector<int32_t> prefill_tokens(const PrefillArguments& arguments, int count) {
  std::vector<int32_t> tokens;
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    const auto [argument, shift] = place(i);
    tokens.push_back(
        static_cast<int32_t>(arguments.at(argument) >> shift & ((1 << compiler::kTokenBits) - 1)));
  }
  return tokens;
}

}  // namespace pimllm

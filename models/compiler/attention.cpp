// Decode attention of one layer by itself, for measurements: the instructions of the step program between the
// quantisation of Q, K and V and the join of the heads, on random operands.
#include "golden/attention.hpp"

#include <cmath>
#include <cstring>
#include <random>

#include "golden/error.hpp"
#include "models/compiler/compiler_impl.hpp"

namespace pimllm::compiler {
namespace {

// Operands of a trained model's size: int8 values of any size, scores with a deviation of about 2.
constexpr double kScoreDeviation = 2.0;
constexpr double kInt8Variance = 127.0 * 128.0 / 3.0;
constexpr double kKvScale = 0.01;

void put32(std::vector<uint8_t>& bytes, size_t offset, uint32_t value) {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}

}  // namespace

// KV cache, open tiles, q and head records as a model would have left them at this position.
void Compiler::fill_attention(int tokens, uint64_t seed) {
  std::mt19937_64 rng(seed);
  const auto random_bytes = [&rng](size_t count) {
    std::vector<uint8_t> bytes(count);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(static_cast<int>(rng() % 255) - 127);
    return bytes;
  };
  const auto random_scale = [&rng] {
    return sf_from(kKvScale * std::exp2(static_cast<double>(rng() % 2048) / 1024.0 - 1.0));
  };
  const auto cols = static_cast<size_t>(cols_);
  const auto scale_bytes = static_cast<size_t>(2 * h_.scr_bytes());
  const auto kv_heads = static_cast<size_t>(c_.kv_heads);
  const size_t tile_bytes = static_cast<size_t>(head_dim_) * cols;
  const int last_tile = (tokens - 1) / cols_;

  std::vector<uint8_t> cache(l_->kv_head_bytes * kv_heads);
  std::vector<uint8_t> open_tiles = random_bytes(kv_heads * 2 * tile_bytes);
  std::vector<uint8_t> open_scales(kv_heads * scale_bytes);
  std::vector<uint8_t> states(
      round_up64(static_cast<uint64_t>(4 * state_words()), static_cast<uint64_t>(h_.channel_bytes)));
  for (size_t h = 0; h < kv_heads; ++h) {
    const auto tiles = random_bytes(l_->kv_scale_offset);
    std::copy(tiles.begin(), tiles.end(), cache.begin() + static_cast<std::ptrdiff_t>(h * l_->kv_head_bytes));
    int eref = INT16_MIN;
    for (int t = 0; t < tokens; ++t) {
      const bool open = t / cols_ == last_tile;
      const size_t word =
          open ? h * scale_bytes
               : h * l_->kv_head_bytes + l_->kv_scale_offset + static_cast<size_t>(t / cols_) * scale_bytes;
      std::vector<uint8_t>& to = open ? open_scales : cache;
      const auto column = static_cast<size_t>(t % cols_);
      const Scale sv = random_scale();
      put32(to, word + 4 * column, sf_pack(random_scale()));
      put32(to, word + 4 * (cols + column), sf_pack(sv));
      eref = std::max<int>(eref, sv.e);
    }
    put32(states, 4 * static_cast<size_t>(head_state(static_cast<int>(h))), static_cast<uint32_t>(eref));
  }

  std::vector<uint8_t> q(static_cast<size_t>(scr_q_words_ * h_.scr_bytes()));
  std::vector<uint8_t> records(round_up64(static_cast<uint64_t>(4 * kRecordWords * c_.heads),
                                          static_cast<uint64_t>(h_.channel_bytes)));
  const double score_unit = kScoreDeviation / (kInt8Variance * std::sqrt(c_.head_dim));
  for (size_t h = 0; h < static_cast<size_t>(c_.heads); ++h) {
    const auto values = random_bytes(static_cast<size_t>(c_.head_dim));
    std::copy(values.begin(), values.end(),
              q.begin() + static_cast<std::ptrdiff_t>(h * static_cast<size_t>(head_dim_)));
    const size_t record = 4 * kRecordWords * h;
    put32(records, record, sf_pack(sf_from(score_unit / kKvScale)));
    if (consmax()) {
      const ConsmaxHead head = consmax_head(-std::log(tokens));
      put32(records, record + 4, sf_pack(head.c));
      put32(records, record + 8, static_cast<uint32_t>(head.z));
    }
  }
  const auto place = [this](const char* name, std::vector<uint8_t> bytes) {
    const uint64_t size = bytes.size();
    return segment(name, size, std::move(bytes));
  };
  l_->kv_address = place("kv_cache", std::move(cache));
  m_open_tiles_ = place("open_tiles", std::move(open_tiles));
  m_open_scales_ = place("open_scales", std::move(open_scales));
  m_pers_ = place("kv_states", std::move(states));
  m_q_ = place("q", std::move(q));
  m_records_ = place("head_records", std::move(records));
}

// Into the scratchpad what the step program has there when its attention begins.
void Compiler::build_attention_init(int tokens) {
  Program program;
  begin(program);
  const int group = (tokens - 1) / cols_ % groups_;
  const auto tile_bytes = static_cast<uint64_t>(head_dim_ * cols_);
  program.comment("q, head records, eref");
  linear(Opcode::kLoadl, kModeSpaceScr, scr_q_words_, a(0, scr_q_), mem(m_q_));
  linear(Opcode::kLoadl, kModeSpaceScl, kRecordWords * c_.heads, a(0, consmax() ? scl_const_ : scl_records_),
         mem(m_records_));
  linear(Opcode::kLoadl, kModeSpaceScl, state_words(), a(0, scl_pers_), mem(m_pers_));
  program.comment("open tiles and their scales");
  for (int h = 0; h < c_.kv_heads; ++h) {
    for (int v = 0; v < 2; ++v) {
      emit({.opcode = Opcode::kLoadt,
            .count = 1,
            .a0 = a(0, static_cast<int64_t>(l_->kv_home_row) + (2 * h + v) * l_->tile_rows),
            .a1 = mem(m_open_tiles_ + static_cast<uint64_t>(2 * h + v) * tile_bytes),
            .s0 = sc(0, l_->tile_rows),
            .s1 = sc(0, group + rotation(h))});
    }
    linear(Opcode::kLoadl, kModeSpaceKvs, 2, a(0, static_cast<int64_t>(l_->kv_home_scale) + 2 * h),
           mem(m_open_scales_ + static_cast<uint64_t>(h * 2 * h_.scr_bytes())));
  }
  program.halt();
  out_.init = finish("attention_init");
}

void Compiler::build_attention() {
  Program program;
  begin(program);
  Program& p = program;
  step_registers();
  li(r("scl"), scl_const_);
  token_registers();
  post("q", batches_);
  post("v", batches_);
  attention_ahead();
  attention_items(false);
  p.comment("all semaphores back to zero");
  drain("planes", batches_);
  drain("ring_free", ring_slots_);
  drain("scales_free", l_->scale_buffers);
  p.halt();
  out_.step = finish("attention");
}

CompiledModel Compiler::run_attention(const AttentionOptions& options) {
  check_hardware(h_);
  if (options.tokens < 1 || options.tokens > c_.context_length) {
    fail("option tokens: expected 1..{}, found {}", c_.context_length, options.tokens);
  }
  out_.hardware = h_;
  out_.config = c_;
  north_ = options.north;
  derive();
  arrange_constants();
  allocate_scratchpad(1);
  allocate_memory();
  fill_attention(options.tokens, options.seed);
  build_attention_init(options.tokens);
  build_attention();
  for (CompiledProgram* program : {&out_.init, &out_.step}) {
    std::vector<uint8_t> bytes;
    for (const isa::Encoded& word : program->words) {
      const auto encoded = isa::to_bytes(word);
      bytes.insert(bytes.end(), encoded.begin(), encoded.end());
    }
    const uint64_t size = bytes.size();
    program->address = segment(program->name, size, std::move(bytes));
  }
  out_.memory_end = cursor_;
  out_.registers = {};
  return std::move(out_);
}

}  // namespace pimllm::compiler

namespace pimllm {

CompiledModel compile_attention(const ModelConfig& shape, const HardwareParameters& hardware,
                                const AttentionOptions& options) {
  // Only heads matter; everything else is as small as the machine allows.
  ModelWeights weights;
  ModelConfig& config = weights.config;
  config.name = shape.name;
  config.normalizer = shape.normalizer;
  config.heads = shape.heads;
  config.kv_heads = shape.kv_heads;
  config.head_dim = shape.head_dim;
  config.context_length = shape.context_length;
  config.layers = 1;
  config.vocab_size = 1;
  config.d_model = config.d_ff = shape.head_dim;
  if (shape.heads < 1 || shape.kv_heads < 1 || shape.head_dim < 1 || shape.heads % shape.kv_heads != 0) {
    fail(
        "shape {}: expected heads, kv_heads and head_dim above 0 and heads a multiple of kv_heads, found {}, "
        "{} "
        "and {}",
        shape.name, shape.heads, shape.kv_heads, shape.head_dim);
  }
  weights.layers.resize(1);
  return compiler::Compiler(weights, hardware, {}).run_attention(options);
}

}  // namespace pimllm

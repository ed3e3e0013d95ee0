// The step program of a shape: places as with weights, but nothing in them.
#include "golden/error.hpp"
#include "models/compiler/compiler_impl.hpp"

namespace pimllm::compiler {

// The segments of compile(), empty.
void Compiler::reserve_memory() {
  const auto words = [](int count, int bytes) {
    return static_cast<uint64_t>(count) * static_cast<uint64_t>(bytes);
  };
  const auto beat = static_cast<uint64_t>(h_.channel_bytes);
  const auto layers = static_cast<uint64_t>(c_.layers);
  const auto head_tokens = static_cast<uint64_t>(l_->head_pieces * piece_tokens_);
  derive_strides();
  m_xbar_ = segment("crossbars", words(l_->crossbars, h_.xbar_bytes()));
  m_embedding_ = segment("embedding", embedding_stride_ * static_cast<uint64_t>(c_.vocab_size));
  m_head_ = segment("lm_head", head_tokens * static_cast<uint64_t>(head_dims_));
  m_row_scales_ = segment("lm_head_scales", head_tokens * 4);
  m_positions_ =
      segment(c_.rope ? "rope_rows" : "position_rows", position_stride_ * static_cast<uint64_t>(l_->context));
  m_act_const_ = segment("layer_vectors", act_const_stride_ * layers);
  m_act_resident_ = segment("output_norm", words(norm_words(d_words_), h_.act_bytes()));
  m_scl_const_ = segment("layer_scalars", scl_const_stride_ * layers);
  m_scl_resident_ = segment("scalars", round_up64(4 * kResidents, beat));
  m_pers_ = segment("kv_states", round_up64(4 * layers * static_cast<uint64_t>(state_words()), beat));
  allocate_memory();
}

CompiledModel Compiler::run_shape() {
  check_hardware(h_);
  shape_only_ = true;
  out_.hardware = h_;
  out_.config = c_;
  if (o_.adc_bits == 0) o_.adc_bits = h_.adc_bits;
  if (o_.rows_per_conversion == 0) o_.rows_per_conversion = std::min(h_.xbar_rows, 1 << (o_.adc_bits - 1));
  derive();
  check_crossbars();
  arrange_constants();
  allocate_scratchpad(1);
  // Addresses of programs matter to nothing here: they come last, so that one pass is enough.
  cursor_ = o_.memory_base;
  reserve_memory();
  build_step();
  out_.step.address = segment("step", out_.step.words.size() * isa::kInstructionBytes);
  out_.memory_end = cursor_;
  out_.options = o_;
  out_.registers = {{"ROWS_PER_CONV", static_cast<uint64_t>(o_.rows_per_conversion)},
                    {"LSB_SHIFT", static_cast<uint64_t>(o_.lsb_shift)},
                    {"ADC_BITS", static_cast<uint64_t>(o_.adc_bits)}};
  return std::move(out_);
}

}  // namespace pimllm::compiler

namespace pimllm {

CompiledModel compile_shape(const ModelConfig& shape, const HardwareParameters& hardware,
                            const CompileOptions& options) {
  if (shape.layers < 1 || shape.heads < 1 || shape.kv_heads < 1 || shape.head_dim < 1 || shape.d_model < 1 ||
      shape.d_ff < 1 || shape.vocab_size < 1 || shape.heads % shape.kv_heads != 0) {
    fail("shape {}: expected sizes above 0 and heads a multiple of kv_heads", shape.name);
  }
  ModelWeights weights;
  weights.config = shape;
  weights.layers.resize(1);  // only whether there are biases counts
  if (shape.norm == NormKind::kLayer) {
    LayerWeights& layer = weights.layers.front();
    for (TernaryMatrix* m : {&layer.wq, &layer.wk, &layer.wv, &layer.wo, &layer.w_up, &layer.w_down}) {
      m->bias.resize(1);
    }
  }
  return compiler::Compiler(weights, hardware, options).run_shape();
}

}  // namespace pimllm

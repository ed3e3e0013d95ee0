#include "models/compiler/compiler.hpp"

#include "golden/error.hpp"
#include "models/compiler/compiler_impl.hpp"

namespace pimllm::compiler {

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

void Compiler::begin(Program& program) {
  p_ = &program;
  next_temp_ = 0;
}

CompiledProgram Compiler::finish(std::string name) {
  CompiledProgram program{std::move(name), 0, p_->assemble(), p_->symbols()};
  p_ = nullptr;
  return program;
}

TensorTap& Compiler::tap(std::string name, size_t pc, Space space, uint64_t address, ElementType type) {
  if (!taps_) return nowhere_ = {};
  TensorTap t;
  t.name = std::move(name);
  t.pc = pc;
  t.space = space;
  t.address = address;
  t.type = type;
  out_.taps.push_back(std::move(t));
  return out_.taps.back();
}

TensorTap& Compiler::layer_tap(std::string name, size_t pc, int word, ElementType type, int scale) {
  TensorTap& t = tap(std::move(name), pc, Space::kAct, static_cast<uint64_t>(word * h_.act_bytes()), type);
  t.per_layer = true;
  t.has_scale = scale >= 0;
  t.scale_address = static_cast<uint64_t>(std::max(scale, 0));
  return t;
}

CompiledModel Compiler::run() {
  check_hardware(h_);
  const auto alignment = static_cast<unsigned>(o_.segment_alignment);
  if (o_.segment_alignment < kLeastAlignment || !std::has_single_bit(alignment)) {
    fail("option segment alignment: expected a power of two of at least {}, found {}", kLeastAlignment,
         o_.segment_alignment);
  }
  if (o_.memory_base % alignment != 0) {
    fail("option memory base: expected a multiple of {}, found {:#x}", alignment, o_.memory_base);
  }
  out_.hardware = h_;
  out_.config = c_;
  if (o_.adc_bits == 0) o_.adc_bits = h_.adc_bits;
  const auto expect_range = [](std::string_view option, int value, int least, int most) {
    if (value < least || value > most)
      fail("option {}: expected {}..{}, found {}", option, least, most, value);
  };
  expect_range("adc bits", o_.adc_bits, 1, h_.adc_bits);
  if (o_.rows_per_conversion == 0) o_.rows_per_conversion = std::min(h_.xbar_rows, 1 << (o_.adc_bits - 1));
  expect_range("rows per conversion", o_.rows_per_conversion, 1, h_.xbar_rows);
  expect_range("lsb shift", o_.lsb_shift, 0, kMaxLsbShift);
  derive();
  check_crossbars();
  check_prefill();
  out_.golden.crossbar = {.xbar_rows = h_.xbar_rows,
                          .rows_per_conversion = o_.rows_per_conversion,
                          .lsb_shift = o_.lsb_shift,
                          .adc_bits = o_.adc_bits};
  out_.golden.residual_fraction_bits = o_.residual_fraction_bits;
  out_.golden.head_stride = head_dim_;
  out_.golden.crossbar.bank = {h_.xbar_cols, h_.xbar_sets, h_.xbar_adcs};
  out_.golden.places = places();
  q_ = std::make_unique<QuantizedModel>(w_, out_.golden);
  arrange_constants();
  for (const uint32_t row : heads_order(c_.heads, false)) out_.wo_rows.push_back(static_cast<int>(row));

  // Programs come first; they need the addresses behind them, which need their sizes: built until those stand
  // still.
  uint64_t init_bytes = 0;
  uint64_t step_bytes = 0;
  uint64_t prefill_bytes = 0;
  const auto size = [](const CompiledProgram& program) {
    return static_cast<uint64_t>(program.words.size()) * isa::kInstructionBytes;
  };
  bool stable = false;
  while (!stable) {
    stable = true;
    out_.segments.clear();
    out_.taps.clear();
    cursor_ = o_.memory_base;
    if (!o_.preloaded_crossbars) out_.init.address = segment("init", init_bytes);
    out_.step.address = segment("step", step_bytes);
    if (o_.prefill_tokens != 0) out_.prefill.address = segment("prefill", prefill_bytes);
    allocate_scratchpad(1);
    derive_strides();
    fill_crossbars();
    fill_embedding();
    fill_positions();
    fill_constants();
    allocate_memory();
    const auto build = [&](CompiledProgram& program, uint64_t& bytes, auto make) {
      const uint64_t address = program.address;
      make();
      program.address = address;
      if (size(program) > bytes) {
        bytes = size(program);
        stable = false;
      }
    };
    if (!o_.preloaded_crossbars) build(out_.init, init_bytes, [&] { build_init(); });
    build(out_.step, step_bytes, [&] { build_step(); });
    if (o_.prefill_tokens != 0) {
      allocate_scratchpad(o_.prefill_tokens);
      build(out_.prefill, prefill_bytes, [&] { build_prefill(); });
    }
  }
  const auto place = [&](const CompiledProgram& program) {
    const auto it = std::find_if(out_.segments.begin(), out_.segments.end(),
                                 [&](const MemorySegment& s) { return s.name == program.name; });
    if (it == out_.segments.end()) return;
    it->size = size(program);
    for (const isa::Encoded& word : program.words) {
      const auto bytes = isa::to_bytes(word);
      it->bytes.insert(it->bytes.end(), bytes.begin(), bytes.end());
    }
  };
  place(out_.init);
  place(out_.step);
  place(out_.prefill);
  out_.memory_end = cursor_;
  out_.options = o_;
  out_.registers = {{"ROWS_PER_CONV", static_cast<uint64_t>(o_.rows_per_conversion)},
                    {"LSB_SHIFT", static_cast<uint64_t>(o_.lsb_shift)},
                    {"ADC_BITS", static_cast<uint64_t>(o_.adc_bits)}};
  return std::move(out_);
}

}  // namespace pimllm::compiler

namespace pimllm {

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
  return compiler::Compiler(weights, hardware, options).run();
}

void set_noise(CompiledModel& compiled, const CrossbarNoise& noise) {
  check_noise(noise);
  const ModelConfig& c = compiled.config;
  const HardwareParameters& h = compiled.hardware;
  const auto expect_whole = [](std::string_view what, int size, int part, std::string_view parts) {
    if (size % part != 0)
      fail("noise: expected {} in multiples of the {} {}, found {}", what, part, parts, size);
  };
  if (noise.stuck_lrs != 0 || noise.read_noise != 0 || noise.adc_offset != 0) {
    if (compiled.layout.head_dim != c.head_dim) {
      fail("noise: expected heads of the machine's {} dimensions, found {}", compiled.layout.head_dim,
           c.head_dim);
    }
    expect_whole("d_model", c.d_model, h.vec_lanes, "vector lanes");
    expect_whole("d_ff", c.d_ff, h.vec_lanes, "vector lanes");
  }
  if (noise.stuck_lrs != 0) {
    expect_whole("d_model", c.d_model, h.xbar_rows, "crossbar rows");
    expect_whole("d_ff", c.d_ff, h.xbar_rows, "crossbar rows");
    expect_whole("the attention's width", c.heads * c.head_dim, h.xbar_rows, "crossbar rows");
  }
  compiled.golden.crossbar.noise = noise;
}

}  // namespace pimllm

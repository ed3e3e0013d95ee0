#include "models/compiler/image.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <system_error>

#include "golden/activation.hpp"
#include "golden/error.hpp"
#include "models/io/atomic_file.hpp"
#include "models/isa/pimllm_regs.h"

namespace pimllm {
namespace {

using Json = nlohmann::ordered_json;

std::string hex(uint64_t value) { return fmt::format("{:#x}", value); }

std::vector<uint8_t> program_bytes(const CompiledProgram& program) {
  std::vector<uint8_t> bytes;
  for (const isa::Encoded& word : program.words) {
    const auto part = isa::to_bytes(word);
    bytes.insert(bytes.end(), part.begin(), part.end());
  }
  return bytes;
}

std::vector<const CompiledProgram*> programs(const CompiledModel& m) {
  std::vector<const CompiledProgram*> list;
  for (const CompiledProgram* program : {&m.init, &m.step, &m.prefill}) {
    if (!program->words.empty()) list.push_back(program);
  }
  return list;
}

std::string_view type_name(ElementType type) {
  switch (type) {
    case ElementType::kInt8:
      return "int8";
    case ElementType::kUint16:
      return "uint16";
    case ElementType::kUint24:
      return "uint24";
    default:
      return "int32";
  }
}

Json register_write(std::string_view name, size_t address, const Json& value) {
  return {{"write", name}, {"address", hex(address)}, {"value", value}};
}

#define PIMLLM_WRITE(name, value) register_write(#name, offsetof(pimllm_regs_t, name), value)

Json wait_done() {
  return {{"poll", "STATUS"},
          {"address", hex(offsetof(pimllm_regs_t, STATUS))},
          {"mask", PIMLLM_REGS__STATUS__DONE_bm | PIMLLM_REGS__STATUS__ERROR_bm},
          {"until", PIMLLM_REGS__STATUS__DONE_bm}};
}

void add_start(Json& sequence, const CompiledProgram& program) {
  sequence.push_back(PIMLLM_WRITE(PROGRAM_BASE_LO, program.address & 0xFFFFFFFF));
  sequence.push_back(PIMLLM_WRITE(PROGRAM_BASE_HI, program.address >> 32));
  sequence.push_back(PIMLLM_WRITE(CONTROL, PIMLLM_REGS__CONTROL__START_bm));
  sequence.push_back(wait_done());
}

Json sequences(const CompiledModel& m) {
  Json setup = Json::array();
  for (const RegisterWrite& r : m.registers) {
    if (r.name == "ROWS_PER_CONV") setup.push_back(PIMLLM_WRITE(ROWS_PER_CONV, r.value));
    if (r.name == "LSB_SHIFT") setup.push_back(PIMLLM_WRITE(LSB_SHIFT, r.value));
    if (r.name == "ADC_BITS") setup.push_back(PIMLLM_WRITE(ADC_BITS, r.value));
  }
  if (!m.init.words.empty()) add_start(setup, m.init);
  const auto token = [&](const char* id, const char* position, const Json& left, uint64_t arg) {
    Json sequence = Json::array();
    sequence.push_back(PIMLLM_WRITE(TOKEN_IN, id));
    sequence.push_back(PIMLLM_WRITE(POSITION, position));
    sequence.push_back(PIMLLM_WRITE(TOKENS_LEFT, left));
    sequence.push_back(PIMLLM_WRITE(ARG0, arg));
    add_start(sequence, m.step);
    return sequence;
  };
  Json prefill = Json::array();
  if (!m.prefill.words.empty()) {
    prefill.push_back(PIMLLM_WRITE(TOKEN_IN, "token 0"));
    prefill.push_back(PIMLLM_WRITE(POSITION, "position, a multiple of the block"));
    prefill.push_back(PIMLLM_WRITE(ARG1, "token 1 | token 2 << 16"));
    prefill.push_back(PIMLLM_WRITE(ARG1_HI, "token 3"));
    prefill.push_back(PIMLLM_WRITE(ARG2, "token 4 | token 5 << 16"));
    prefill.push_back(PIMLLM_WRITE(ARG2_HI, "token 6"));
    prefill.push_back(PIMLLM_WRITE(ARG3, "token 7"));
    add_start(prefill, m.prefill);
  }
  return {{"setup", setup},
          {"prompt_block", prefill},
          {"prompt_token", token("token", "position", 0, kArgNoHead)},
          {"last_prompt_token", token("token", "position", "tokens wanted - 1", 0)},
          {"results",
           {{"TOKEN_OUT", hex(offsetof(pimllm_regs_t, TOKEN_OUT))},
            {"TOKEN_COUNT", hex(offsetof(pimllm_regs_t, TOKEN_COUNT))},
            {"POSITION", hex(offsetof(pimllm_regs_t, POSITION))}}}};
}

#undef PIMLLM_WRITE

Json tensor(const TensorTap& t) {
  Json j = {{"name", t.name},
            {"per_layer", t.per_layer},
            {"valid_after", t.pc},
            {"space", space_name(t.space)},
            {t.space == Space::kKv ? "row" : "byte", t.address},
            {"type", type_name(t.type)}};
  if (t.layer_stride != 0) j["layer_stride"] = t.layer_stride;
  if (t.head >= 0) j["head"] = t.head;
  switch (t.kind) {
    case TensorTap::Kind::kOpenK:
      j["layout"] = "open K tile";
      break;
    case TensorTap::Kind::kOpenV:
      j["layout"] = "open V tile";
      break;
    default:
      j["layout"] = "vector";
  }
  if (!t.order.empty()) j["order"] = t.order;
  if (t.has_scale) {
    j["scale"] = {{"space", t.space == Space::kKv ? "KVS" : "SCL"}, {"word", t.scale_address}};
    if (t.scale_stride != 0) j["scale"]["stride"] = t.scale_stride;
    if (t.scale_layer_stride != 0) j["scale"]["layer_stride"] = t.scale_layer_stride;
  }
  return j;
}

}  // namespace

ExampleRun example_run(const ModelWeights& weights, const CompiledModel& compiled,
                       std::span<const int32_t> prompt, int tokens) {
  if (prompt.empty()) fail("example: expected a prompt, found none");
  if (prompt.size() + static_cast<size_t>(tokens) > static_cast<size_t>(compiled.layout.context)) {
    fail("example: expected at most {} tokens, found {} and {} more", compiled.layout.context, prompt.size(),
         tokens);
  }
  ExampleRun run{{prompt.begin(), prompt.end()}, {}};
  IntegerModel golden(weights, compiled.golden);
  auto logits = golden.forward(prompt, prompt.size() - 1);
  for (int i = 0; i < tokens; ++i) {
    run.tokens.push_back(argmax(logits));
    if (i + 1 < tokens) logits = golden.step(run.tokens.back());
  }
  return run;
}

std::vector<uint8_t> memory_image(const CompiledModel& compiled) {
  std::vector<uint8_t> image;
  for (const MemorySegment& s : compiled.segments) {
    if (s.bytes.empty()) continue;
    const size_t at = s.address - compiled.options.memory_base;
    image.resize(std::max(image.size(), at + s.bytes.size()));
    std::copy(s.bytes.begin(), s.bytes.end(), image.begin() + static_cast<std::ptrdiff_t>(at));
  }
  const auto beat = static_cast<size_t>(compiled.hardware.channel_bytes);
  image.resize((image.size() + beat - 1) / beat * beat);
  return image;
}

Json manifest(const CompiledModel& m, const ExampleRun& example) {
  const ModelConfig& c = m.config;
  const CompiledLayout& l = m.layout;
  Json j;
  j["format"] = "pimllm compiled model";
  j["version"] = 1;
  j["model"] = {{"name", c.name},       {"architecture", c.architecture}, {"vocab_size", c.vocab_size},
                {"context", l.context}, {"d_model", c.d_model},           {"layers", c.layers},
                {"heads", c.heads},     {"kv_heads", c.kv_heads},         {"head_dim", c.head_dim},
                {"d_ff", c.d_ff}};
  j["hardware"] = hardware_values(m.hardware);
  j["crossbars"] = {{"used", l.crossbars},
                    {"per_layer", l.crossbars_per_layer},
                    {"rows_per_conversion", m.options.rows_per_conversion},
                    {"lsb_shift", m.options.lsb_shift},
                    {"adc_bits", m.options.adc_bits}};
  j["memory"] = {{"base", hex(m.options.memory_base)},
                 {"end", hex(m.memory_end)},
                 {"image", "memory.bin"},
                 {"image_bytes", memory_image(m).size()},
                 {"hex", "memory.hex"},
                 {"hex_word_bytes", m.hardware.channel_bytes}};
  for (const MemorySegment& s : m.segments) {
    j["memory"]["segments"].push_back(
        {{"name", s.name}, {"address", hex(s.address)}, {"bytes", s.size}, {"initialised", s.bytes.size()}});
  }
  for (const CompiledProgram* p : programs(m)) {
    j["programs"][p->name] = {
        {"address", hex(p->address)}, {"instructions", p->words.size()}, {"file", p->name + ".bin"}};
  }
  j["prefill_tokens"] = m.options.prefill_tokens;
  j["host"] = sequences(m);
  j["scratchpad"] = {{"ACT", l.act_words},
                     {"SCR", l.scr_words},
                     {"KVS", l.kvs_words},
                     {"SCL", l.scl_words},
                     {"KV", l.kv_rows}};
  j["kv_cache"] = {{"address", hex(l.kv_address)},   {"head_dim", l.head_dim},
                   {"tiles", l.max_tiles},           {"bytes_per_layer_and_head", l.kv_head_bytes},
                   {"v_offset", l.kv_v_offset},      {"scales_offset", l.kv_scale_offset},
                   {"open_tile_row", l.kv_home_row}, {"open_tile_scale_word", l.kv_home_scale},
                   {"tile_rows", l.tile_rows},       {"ring_rows", l.ring_rows},
                   {"slot_rows", l.slot_rows},       {"segmented", l.segmented}};
  j["logits"] = {{"address", hex(l.logits_address)}, {"type", "int32"}, {"fraction_bits", 16}};
  j["attention_output_rows"] = m.wo_rows;
  for (const TensorTap& t : m.taps) j["tensors"].push_back(tensor(t));
  j["example"] = {{"prompt", example.prompt}, {"tokens", example.tokens}};
  return j;
}

void write_compiled(const CompiledModel& compiled, const ExampleRun& example,
                    const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail("{}: cannot create the folder: {}", folder.string(), error.message());
  const std::vector<uint8_t> image = memory_image(compiled);
  write_file_atomically((folder / "memory.bin").string(), image);
  const auto beat = static_cast<size_t>(compiled.hardware.channel_bytes);
  std::string text;
  text.reserve(image.size() * 2 + image.size() / beat + 64);
  text += fmt::format("@{:x}\n", compiled.options.memory_base / beat);
  static constexpr std::string_view kDigits = "0123456789abcdef";
  for (size_t at = 0; at < image.size(); at += beat) {
    for (size_t i = beat; i-- > 0;) {
      text += kDigits[image[at + i] >> 4];
      text += kDigits[image[at + i] & 15];
    }
    text += '\n';
  }
  write_file_atomically((folder / "memory.hex").string(), text);
  text.clear();
  for (const CompiledProgram* p : programs(compiled)) {
    write_file_atomically((folder / (p->name + ".bin")).string(), program_bytes(*p));
    text += fmt::format("; program {} at {:#x}\n{}\n", p->name, p->address,
                        isa::disassemble(p->words, p->symbols));
  }
  write_file_atomically((folder / "program.txt").string(), text);
  write_file_atomically((folder / "manifest.json").string(), manifest(compiled, example).dump(1) + "\n");
}

}  // namespace pimllm

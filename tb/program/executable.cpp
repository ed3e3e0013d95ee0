#include "tb/program/executable.hpp"

#include <fmt/format.h>

#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "golden/error.hpp"
#include "models/io/atomic_file.hpp"

namespace pimllm::tb {
namespace {

using nlohmann::json;

constexpr std::string_view kKind = "pimllm random program";
constexpr uint64_t kMostMemory = uint64_t{1} << 26;  // of all segments, far above what is generated

void note_reads(const std::vector<Item>& items, std::set<uint64_t>& beats) {
  for (const Item& item : items) {
    for (const Operation& op : item.operations) {
      for (const Access& a : op.accesses) {
        if (a.space != Space::kMemory || a.write) continue;
        for (uint64_t i = 0; i < a.count; ++i) beats.insert(a.first + i);
      }
    }
    note_reads(item.body, beats);
  }
}

std::string hex(std::span<const uint8_t> bytes) {
  std::string text;
  for (const uint8_t b : bytes) text += fmt::format("{:02x}", b);
  return text;
}

std::vector<uint8_t> from_hex(const std::string& text) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 2 <= text.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

// An integer of the type wanted; the library would convert any number, whatever its range.
template <typename T>
T integer(const json& value) {
  const bool fits = value.is_number_unsigned()
                        ? std::in_range<T>(value.get<uint64_t>())
                        : value.is_number_integer() && std::in_range<T>(value.get<int64_t>());
  if (!fits) {
    fail("expected an integer of {} to {}, found {}", std::numeric_limits<T>::min(),
         std::numeric_limits<T>::max(), value.is_number() ? value.dump() : value.type_name());
  }
  return value.get<T>();
}

template <typename T>
void read(const json& value, T& to) {
  to = integer<T>(value);
}

template <typename T, size_t kSize>
void read(const json& value, std::array<T, kSize>& to) {
  for (size_t i = 0; i < kSize; ++i) read(value.at(i), to[i]);
}

// Parts of a segment that are not zero.
json memory_json(const MemorySegment& segment) {
  json out = {{"address", segment.address}, {"size", segment.size}, {"parts", json::array()}};
  constexpr size_t kGap = 16;  // zeros that are not worth a part of their own
  const auto& bytes = segment.bytes;
  for (size_t i = 0; i < bytes.size();) {
    if (bytes[i] == 0) {
      ++i;
      continue;
    }
    size_t end = i, zeros = 0;
    for (size_t k = i; k < bytes.size() && zeros < kGap; ++k) {
      zeros = bytes[k] == 0 ? zeros + 1 : 0;
      if (zeros == 0) end = k + 1;
    }
    out["parts"].push_back({{"at", i}, {"bytes", hex(std::span(bytes).subspan(i, end - i))}});
    i = end;
  }
  return out;
}

}  // namespace

Executable make_executable(const RandomProgram& program, const HardwareParameters& hardware,
                           std::string name) {
  Executable out;
  out.name = std::move(name);
  out.conditions = program.conditions;
  LoweredProgram lowered = lower(program, hardware);
  out.words = std::move(lowered.words);
  out.error = lowered.error;
  const MemoryMap map = make_map(hardware, program.conditions.memory_base);
  out.memory = memory_image(hardware, map, program.conditions.seed);
  // What nobody reads is zero, so that the file of a short program is short.
  std::set<uint64_t> beats;
  note_reads(program.items, beats);
  const auto beat = static_cast<uint64_t>(hardware.channel_bytes);
  for (auto& segment : out.memory) {
    for (uint64_t at = 0; at < segment.bytes.size(); at += beat) {
      if (beats.contains((segment.address + at) / beat)) continue;
      const auto first = segment.bytes.begin() + static_cast<std::ptrdiff_t>(at);
      std::fill(first, first + static_cast<std::ptrdiff_t>(std::min(beat, segment.bytes.size() - at)),
                uint8_t{0});
    }
  }
  return out;
}

void save_executable(const Executable& e, const std::string& path) {
  const Conditions& c = e.conditions;
  json out = {{"kind", kKind},
              {"name", e.name},
              {"config", c.config},
              {"seed", c.seed},
              {"program_address", c.program_address},
              {"host",
               {{"token_in", c.host.token_in},
                {"position", c.host.position},
                {"tokens_left", c.host.tokens_left},
                {"arg", c.host.arg}}},
              {"crossbar",
               {{"rows_per_conversion", c.crossbar.rows_per_conversion},
                {"lsb_shift", c.crossbar.lsb_shift},
                {"adc_bits", c.crossbar.adc_bits}}},
              {"timing",
               {{"latency", c.timing.latency},
                {"stall", c.timing.stall},
                {"latency_spread", c.timing.latency_spread}}}};
  if (c.timing.error_at) out["timing"]["error_at"] = *c.timing.error_at;
  if (e.error) {
    out["error"] = {{"cause", static_cast<int>(e.error->cause)},
                    {"unit", static_cast<int>(e.error->unit)},
                    {"may_be_behind", e.error->may_be_behind}};
    if (e.error->index) out["error"]["index"] = *e.error->index;
  }
  out["memory"] = json::array();
  for (const auto& segment : e.memory) out["memory"].push_back(memory_json(segment));
  out["program"] = json::array();
  for (size_t i = 0; i < e.words.size(); ++i) {
    std::string line = listing({e.words[i]});
    line = line.substr(6, line.size() - 7);  // without its number and end of line
    out["program"].push_back(fmt::format("{:016x}{:016x}  {}", e.words[i].high, e.words[i].low, line));
  }
  write_file_atomically(path, out.dump(1) + "\n");
}

Executable load_executable(const std::string& path) {
  try {
    const json in = json::parse(read_file(path));
    if (in.at("kind") != kKind) {
      fail("expected kind '{}', found '{}'", kKind, in.at("kind").get<std::string>());
    }
    Executable e;
    e.name = in.at("name");
    Conditions& c = e.conditions;
    c.config = in.at("config");
    read(in.at("seed"), c.seed);
    read(in.at("program_address"), c.program_address);
    read(in.at("host").at("token_in"), c.host.token_in);
    read(in.at("host").at("position"), c.host.position);
    read(in.at("host").at("tokens_left"), c.host.tokens_left);
    read(in.at("host").at("arg"), c.host.arg);
    read(in.at("crossbar").at("rows_per_conversion"), c.crossbar.rows_per_conversion);
    read(in.at("crossbar").at("lsb_shift"), c.crossbar.lsb_shift);
    read(in.at("crossbar").at("adc_bits"), c.crossbar.adc_bits);
    const json& timing = in.at("timing");
    read(timing.at("latency"), c.timing.latency);
    c.timing.stall = timing.at("stall");
    read(timing.at("latency_spread"), c.timing.latency_spread);
    if (timing.contains("error_at")) c.timing.error_at = integer<uint64_t>(timing.at("error_at"));
    if (in.contains("error")) {
      const json& error = in.at("error");
      ExpectedError expected;
      expected.cause = static_cast<isa::ErrorCode>(integer<int>(error.at("cause")));
      expected.unit = static_cast<isa::Unit>(integer<int>(error.at("unit")));
      expected.may_be_behind = error.at("may_be_behind");
      if (error.contains("index")) expected.index = integer<size_t>(error.at("index"));
      e.error = expected;
    }
    uint64_t memory = 0;
    for (const json& segment : in.at("memory")) {
      MemorySegment s{
          "", integer<uint64_t>(segment.at("address")), integer<uint64_t>(segment.at("size")), {}};
      if (s.size > kMostMemory - memory) fail("expected at most {} bytes of memory in all", kMostMemory);
      memory += s.size;
      for (const json& part : segment.at("parts")) {
        const auto bytes = from_hex(part.at("bytes"));
        const auto at = integer<size_t>(part.at("at"));
        if (at > s.size || bytes.size() > s.size - at) fail("expected parts within {} bytes", s.size);
        if (s.bytes.size() < at + bytes.size()) s.bytes.resize(at + bytes.size());
        std::copy(bytes.begin(), bytes.end(), s.bytes.begin() + static_cast<std::ptrdiff_t>(at));
      }
      e.memory.push_back(std::move(s));
    }
    for (const json& line : in.at("program")) {
      const auto text = line.get<std::string>();
      constexpr size_t kDigits = 16;
      if (text.size() < 2 * kDigits) fail("expected 32 hexadecimal digits a word, found '{}'", text);
      e.words.push_back({std::stoull(text.substr(kDigits, kDigits), nullptr, 16),
                         std::stoull(text.substr(0, kDigits), nullptr, 16)});
    }
    return e;
  } catch (const std::exception& error) {
    constexpr size_t kLongest = 300;
    fail("{}: {}", path, printable(error.what(), kLongest));
  }
}

}  // namespace pimllm::tb

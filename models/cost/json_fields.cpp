#include "models/cost/json_fields.hpp"

#include <algorithm>
#include <utility>

#include "golden/error.hpp"
#include "models/io/atomic_file.hpp"

namespace pimllm::cost {

nlohmann::json read_json(const std::string& path) {
  constexpr int kDeepest = 16;  // nlohmann's parser has no limit, its dump() recurses
  const auto shallow = [&](int depth, nlohmann::json::parse_event_t, const nlohmann::json&) {
    if (depth > kDeepest) fail("{}: expected JSON of at most {} levels, found more", path, kDeepest);
    return true;
  };
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(read_file(path), shallow);
  } catch (const nlohmann::json::parse_error& error) {
    fail("{}: not JSON, at byte {}", path, error.byte);
  } catch (const nlohmann::json::out_of_range&) {
    fail("{}: expected numbers that fit a double, found a larger one", path);
  }
  if (!json.is_object()) fail("{}: expected a JSON object, found {}", path, json.type_name());
  return json;
}

JsonFields::JsonFields(std::string where, const nlohmann::json& object)
    : where_(std::move(where)), object_(object) {}

void JsonFields::allow(std::initializer_list<std::string_view> names) const {
  for (const auto& [name, value] : object_.items()) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    std::string known;
    for (const auto allowed : names) known.append(known.empty() ? "" : ", ").append(allowed);
    fail("{}: unknown field \"{}\"; expected {}", where_, printable(name), known);
  }
}

const nlohmann::json& JsonFields::at(const std::string& name) const {
  const auto found = object_.find(name);
  if (found == object_.end()) fail("{}: field \"{}\" is missing", where_, name);
  return *found;
}

std::string JsonFields::text(const std::string& name) const {
  const auto& value = at(name);
  if (!value.is_string()) fail("{}: {}: expected a text, found {}", where_, name, printable(value.dump()));
  return value.get<std::string>();
}

int64_t JsonFields::size(const std::string& name) const { return size_of(where_ + ": " + name, at(name)); }

std::optional<int64_t> JsonFields::optional_size(const std::string& name) const {
  if (!object_.contains(name)) return std::nullopt;
  return size(name);
}

JsonFields JsonFields::object(const std::string& name) const {
  const auto& value = at(name);
  if (!value.is_object()) fail("{}: {}: expected an object, found {}", where_, name, printable(value.dump()));
  return {where_ + ": " + name, value};
}

int64_t size_of(const std::string& where, const nlohmann::json& value) {
  constexpr int64_t kLargest = int64_t{1} << 31;
  if (!value.is_number_integer()) fail("{}: expected an integer, found {}", where, printable(value.dump()));
  const bool huge = value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(kLargest);
  if (huge || value.get<int64_t>() < 1)
    fail("{}: expected 1 to {}, found {}", where, kLargest, printable(value.dump()));
  return value.get<int64_t>();
}

}  // namespace pimllm::cost

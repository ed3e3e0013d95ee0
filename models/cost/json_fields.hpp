// Fields of a JSON object with messages that name file and field.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace pimllm::cost {

// The file as one JSON object. Throws Error naming the file if it cannot be read or is none.
nlohmann::json read_json(const std::string& path);

// A view of an object, which must outlive it. where: file, and the way to the object, for messages.
class JsonFields {
 public:
  JsonFields(std::string where, const nlohmann::json& object);

  // Throws Error if a field is none of these.
  void allow(std::initializer_list<std::string_view> names) const;

  // Each throws Error if the field is missing or of another kind. A size is an integer of 1 .. 2^31.
  std::string text(const std::string& name) const;
  int64_t size(const std::string& name) const;
  std::optional<int64_t> optional_size(const std::string& name) const;
  JsonFields object(const std::string& name) const;

 private:
  const nlohmann::json& at(const std::string& name) const;

  std::string where_;
  const nlohmann::json& object_;
};

// The value as a size; where names file and field.
int64_t size_of(const std::string& where, const nlohmann::json& value);

}  // namespace pimllm::cost

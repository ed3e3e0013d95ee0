// The one exception type of the project: a single clear sentence, ready for stderr.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace pimllm {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Formats the sentence and throws Error.
template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> text, Args&&... args) {
  throw Error(fmt::format(text, std::forward<Args>(args)...));
}

// Foreign text as a message may show it: cut to `longest` bytes, and no byte that would break the line or
// command a terminal.
inline std::string printable(std::string_view text, size_t longest = 80) {
  std::string out;
  for (const char c : text.substr(0, longest)) out += c >= ' ' && c <= '~' ? c : '?';
  return text.size() > longest ? out + "..." : out;
}

}  // namespace pimllm

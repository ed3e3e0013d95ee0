// The one exception type of the project: a single clear sentence, ready for stderr.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
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

}  // namespace pimllm

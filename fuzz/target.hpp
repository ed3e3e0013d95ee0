// Shared by the fuzz targets: what counts as a finding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "golden/error.hpp"

namespace pimllm::fuzz {

// Ends the process with a message, which makes the input a finding.
[[noreturn]] void finding(const std::string& what);

// An Error's text goes to a terminal as one line: printable ASCII, and not the whole input over again.
void check_message(std::string_view message);

// Runs a parser. It may throw Error with such a message; every other exception ends the process.
template <typename Parse>
int run(Parse&& parse) {
  try {
    parse();
  } catch (const Error& error) {
    check_message(error.what());
  }
  return 0;
}

// A file in memory for parsers that take a path; its content is the last one given.
class InputFile {
 public:
  InputFile();
  const std::string& holding(const uint8_t* data, size_t size);  // the path

 private:
  int descriptor_;
  std::string path_;
};

}  // namespace pimllm::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

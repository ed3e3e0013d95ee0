#include "fuzz/target.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace pimllm::fuzz {

void finding(const std::string& what) {
  std::fprintf(stderr, "finding: %s\n", what.c_str());
  std::abort();
}

void check_message(std::string_view message) {
  constexpr size_t kLongest = 1000;
  if (message.size() > kLongest) finding(fmt::format("a message of {} bytes", message.size()));
  const auto shown = [](char c) { return c >= ' ' && c <= '~'; };
  const auto bad = std::find_if_not(message.begin(), message.end(), shown);
  if (bad != message.end())
    finding(fmt::format("byte {} in the message: {}", static_cast<uint8_t>(*bad), message));
}

InputFile::InputFile()
    : descriptor_(memfd_create("input", MFD_CLOEXEC)), path_(fmt::format("/proc/self/fd/{}", descriptor_)) {
  if (descriptor_ < 0) fail("memory file: cannot be created");
}

const std::string& InputFile::holding(const uint8_t* data, size_t size) {
  if (ftruncate(descriptor_, 0) != 0 || pwrite(descriptor_, data, size, 0) != static_cast<ssize_t>(size)) {
    fail("memory file: cannot be written");
  }
  return path_;
}

}  // namespace pimllm::fuzz

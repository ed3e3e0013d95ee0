// Kept random programs (`random_program --replay`), up to the machine that would run them.
#include "fuzz/target.hpp"
#include "tb/program/executable.hpp"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pimllm;
  static fuzz::InputFile file;
  return fuzz::run([&] {
    for (const auto& segment : tb::load_executable(file.holding(data, size)).memory) {
      if (segment.bytes.size() > segment.size) fuzz::finding("more bytes than the segment has");
    }
  });
}

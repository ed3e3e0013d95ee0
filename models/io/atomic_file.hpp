// Files appear whole or not at all: written under a temporary name beside the target, then renamed.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace pimllm {

// Throws Error naming the path if it cannot be created, written (disk full) or renamed; then nothing is left
// behind.
void write_file_atomically(const std::string& path, std::span<const uint8_t> bytes);
void write_file_atomically(const std::string& path, std::string_view text);

// The whole file. Throws Error naming the path if it cannot be read.
std::string read_file(const std::string& path);

}  // namespace pimllm

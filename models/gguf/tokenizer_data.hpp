// The tokenizer's entries of a GGUF file as plain data. Source: docs/training.md and the GGUF keys
// tokenizer.ggml.*.
#pragma once

#include <string>
#include <vector>

namespace pimllm {

// tokens are written in GPT-2's byte-to-unicode alphabet (UTF-8); merges are "A B" in order of rank.
struct TokenizerData {
  std::string model = "gpt2";
  std::string pre = "gpt-2";
  std::vector<std::string> tokens;
  std::vector<std::string> merges;
};

}  // namespace pimllm

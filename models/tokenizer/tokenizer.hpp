// Byte-level BPE with GPT-2's pre-tokenization; bytes of 128 and above count as letters, so that text in any
// encoding (or none) survives encode and decode unchanged.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/gguf/tokenizer_data.hpp"

namespace pimllm {

class Tokenizer {
 public:
  // Throws Error if the model is not gpt2, the pre-tokenizer is not gpt-2 (or unnamed), a token is empty or
  // listed twice, or a merge's parts or result are not tokens. Tokens outside the byte alphabet (control
  // tokens) are never produced by encode and decode to their own text.
  explicit Tokenizer(TokenizerData data);

  // Token ids in [0, vocab_size). Throws Error if a byte of the text has no token.
  std::vector<int32_t> encode(std::string_view text) const;

  // The bytes of the tokens; throws Error if an id is outside [0, vocab_size).
  std::string decode(std::span<const int32_t> ids) const;
  const std::string& token_bytes(int32_t id) const;

  int vocab_size() const { return static_cast<int>(bytes_.size()); }
  const TokenizerData& data() const { return data_; }

 private:
  void encode_word(std::string_view word, std::vector<int32_t>& out) const;

  struct Merge {
    int32_t rank = 0;
    int32_t result = 0;
  };

  TokenizerData data_;
  std::vector<std::string> bytes_;              // [vocab_size]
  std::vector<int32_t> byte_ids_;               // [256], -1 where the byte has no token
  std::unordered_map<uint64_t, Merge> merges_;  // (left id << 32 | right id)
};

// Reads the tokenizer of a GGUF file.
Tokenizer load_tokenizer(const std::string& path);

// One token per byte, id = byte value, without merges. A vocab_size above 256 adds unused tokens
// "<unused256>"...
TokenizerData byte_tokenizer(int vocab_size = 256);

// The byte tokens of a learned vocabulary: all 256 (id = byte value), or only the bytes that the text has, in
// ascending order: more tokens are left for merges, but a text with another byte cannot be encoded.
enum class Alphabet { kAllBytes, kBytesOfText };

// Learns the merges that fill up vocab_size from a text: each time the most frequent adjacent pair, ties to
// the pair with the lowest left id, then the lowest right id. vocab_size is at least that of the alphabet.
TokenizerData train_bpe(std::string_view text, int vocab_size, Alphabet alphabet = Alphabet::kAllBytes);

// Splits a text as GPT-2 does: 's 't 're 've 'm 'll 'd | ?letters+ | ?digits+ | ?other+ | whitespace+ that is
// not followed by non-whitespace | whitespace+. The pieces joined are the text.
std::vector<std::string_view> pre_tokenize(std::string_view text);

}  // namespace pimllm

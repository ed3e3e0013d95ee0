// Tokenizer: a vocabulary and a text. The input's lines up to an empty one are tokens, or merges if they hold
// a blank; the text is what follows.
#include <algorithm>
#include <string_view>

#include "fuzz/target.hpp"
#include "models/tokenizer/tokenizer.hpp"

namespace pimllm::fuzz {
namespace {

TokenizerData take_vocabulary(std::string_view& input) {
  TokenizerData data;
  while (!input.empty()) {
    const size_t end = input.find('\n');
    const std::string_view line = input.substr(0, end);
    input.remove_prefix(end == std::string_view::npos ? input.size() : end + 1);
    if (line.empty()) break;
    (line.find(' ') == std::string_view::npos ? data.tokens : data.merges).emplace_back(line);
  }
  return data;
}

// With every byte as a token any text can be encoded; without, Error names the missing byte.
void tokenize(TokenizerData data, std::string_view text) {
  const Tokenizer tokenizer(std::move(data));
  const auto ids = tokenizer.encode(text);
  if (tokenizer.decode(ids) != text) finding("text changed by encode and decode");
  for (const int32_t id : ids) {
    if (id < 0 || id >= tokenizer.vocab_size()) finding("an id outside the vocabulary");
  }
}

}  // namespace
}  // namespace pimllm::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pimllm;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  TokenizerData vocabulary = fuzz::take_vocabulary(text);
  fuzz::run([&] { fuzz::tokenize(vocabulary, text); });
  static const TokenizerData kBytes = byte_tokenizer();
  TokenizerData whole = kBytes;
  whole.merges = vocabulary.merges;
  for (const auto& token : vocabulary.tokens) {
    if (std::find(whole.tokens.begin(), whole.tokens.end(), token) == whole.tokens.end())
      whole.tokens.push_back(token);
  }
  return fuzz::run([&] { fuzz::tokenize(std::move(whole), text); });
}

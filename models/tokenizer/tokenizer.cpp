#include "models/tokenizer/tokenizer.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <queue>
#include <tuple>
#include <utility>

#include "golden/error.hpp"
#include "models/gguf/load_model.hpp"

namespace pimllm {
namespace {

constexpr int kBytes = 256;

bool is_printable_byte(int byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

// Code point of each byte in GPT-2's alphabet: itself if printable, else 256, 257, ... in order.
std::array<int, kBytes> alphabet_code_points() {
  std::array<int, kBytes> points{};
  int next = kBytes;
  for (int byte = 0; byte < kBytes; ++byte) points[byte] = is_printable_byte(byte) ? byte : next++;
  return points;
}

// All code points of the alphabet are below 2048: one or two bytes of UTF-8.
std::string utf8(int point) {
  if (point < 0x80) return std::string(1, static_cast<char>(point));
  return {static_cast<char>(0xC0 | (point >> 6)), static_cast<char>(0x80 | (point & 0x3F))};
}

std::string to_alphabet(std::string_view bytes) {
  static const std::array<int, kBytes> kPoints = alphabet_code_points();
  std::string out;
  for (const char c : bytes) out += utf8(kPoints[static_cast<uint8_t>(c)]);
  return out;
}

// The bytes a token stands for, or false if a character is outside the alphabet.
bool from_alphabet(std::string_view token, std::string& bytes) {
  static const std::map<int, char> kBytesOf = [] {
    std::map<int, char> map;
    const auto points = alphabet_code_points();
    for (int byte = 0; byte < kBytes; ++byte) map[points[byte]] = static_cast<char>(byte);
    return map;
  }();
  bytes.clear();
  for (size_t i = 0; i < token.size(); ++i) {
    int point = static_cast<uint8_t>(token[i]);
    if (point >= 0x80) {
      if ((point & 0xE0) != 0xC0 || i + 1 == token.size()) return false;
      const int low = static_cast<uint8_t>(token[++i]);
      if ((low & 0xC0) != 0x80) return false;
      point = ((point & 0x1F) << 6) | (low & 0x3F);
    }
    const auto found = kBytesOf.find(point);
    if (found == kBytesOf.end()) return false;
    bytes += found->second;
  }
  return true;
}

uint64_t pair_key(int32_t left, int32_t right) {
  return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) | static_cast<uint32_t>(right);
}

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<uint8_t>(c) >= 128;
}
bool is_other(char c) { return !is_space(c) && !is_digit(c) && !is_letter(c); }

size_t contraction_length(std::string_view rest) {
  for (const std::string_view c : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
    if (rest.starts_with(c)) return c.size();
  }
  return 0;
}

size_t piece_length(std::string_view rest) {
  if (const size_t length = contraction_length(rest); length > 0) return length;
  const size_t start = rest[0] == ' ' ? 1 : 0;
  if (start < rest.size() && !is_space(rest[start])) {
    const auto kind = is_letter(rest[start]) ? is_letter : is_digit(rest[start]) ? is_digit : is_other;
    size_t end = start + 1;
    while (end < rest.size() && kind(rest[end])) ++end;
    return end;
  }
  size_t end = 1;
  while (end < rest.size() && is_space(rest[end])) ++end;
  // Whitespace before a word leaves its last character to the word's piece.
  return end < rest.size() && end > 1 ? end - 1 : end;
}

}  // namespace

std::vector<std::string_view> pre_tokenize(std::string_view text) {
  std::vector<std::string_view> pieces;
  while (!text.empty()) {
    const size_t length = piece_length(text);
    pieces.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return pieces;
}

Tokenizer::Tokenizer(TokenizerData data) : data_(std::move(data)), byte_ids_(kBytes, -1) {
  if (data_.model != "gpt2") {
    fail("tokenizer: tokenizer.ggml.model: expected gpt2, found '{}'", printable(data_.model));
  }
  if (!data_.pre.empty() && data_.pre != "gpt-2") {
    fail("tokenizer: tokenizer.ggml.pre: expected gpt-2, found '{}'", printable(data_.pre));
  }
  std::unordered_map<std::string, int32_t> ids;
  for (size_t id = 0; id < data_.tokens.size(); ++id) {
    const std::string& token = data_.tokens[id];
    if (token.empty()) fail("tokenizer: token {}: expected text, found none", id);
    if (!ids.emplace(token, static_cast<int32_t>(id)).second) {
      fail("tokenizer: token {}: expected a new token, found '{}' a second time", id, printable(token));
    }
    std::string bytes;
    if (!from_alphabet(token, bytes)) {
      bytes = token;
    } else if (bytes.size() == 1) {
      byte_ids_[static_cast<uint8_t>(bytes[0])] = static_cast<int32_t>(id);
    }
    bytes_.push_back(std::move(bytes));
  }
  for (size_t rank = 0; rank < data_.merges.size(); ++rank) {
    const std::string& merge = data_.merges[rank];
    const size_t blank = merge.find(' ');
    if (blank == std::string::npos) {
      fail("tokenizer: merge {}: expected two tokens with a blank between them, found '{}'", rank,
           printable(merge));
    }
    const std::string left = merge.substr(0, blank);
    const std::string right = merge.substr(blank + 1);
    const auto left_id = ids.find(left);
    const auto right_id = ids.find(right);
    const auto result_id = ids.find(left + right);
    if (left_id == ids.end() || right_id == ids.end() || result_id == ids.end()) {
      fail("tokenizer: merge {}: expected tokens that join to a token, found '{}'", rank, printable(merge));
    }
    // The first of two equal merges has the lower rank and stays.
    merges_.emplace(pair_key(left_id->second, right_id->second),
                    Merge{static_cast<int32_t>(rank), result_id->second});
  }
}

void Tokenizer::encode_word(std::string_view word, std::vector<int32_t>& out) const {
  struct Symbol {
    int32_t id, previous, next;
  };
  using Candidate = std::tuple<int32_t, int32_t, int32_t, int32_t>;  // rank, position, left id, right id
  std::vector<Symbol> symbols;
  for (size_t i = 0; i < word.size(); ++i) {
    const int32_t id = byte_ids_[static_cast<uint8_t>(word[i])];
    if (id < 0) {
      fail("tokenizer: text: expected bytes that have a token, found byte {} ('{}')",
           static_cast<uint8_t>(word[i]), printable(word.substr(i, 1)));
    }
    const auto at = static_cast<int32_t>(i);
    symbols.push_back({id, at - 1, i + 1 < word.size() ? at + 1 : -1});
  }
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto offer = [&](int32_t at) {
    if (at < 0 || symbols[at].next < 0) return;
    const int32_t left = symbols[at].id;
    const int32_t right = symbols[symbols[at].next].id;
    const auto found = merges_.find(pair_key(left, right));
    if (found != merges_.end()) queue.emplace(found->second.rank, at, left, right);
  };
  for (size_t i = 0; i + 1 < symbols.size(); ++i) offer(static_cast<int32_t>(i));
  while (!queue.empty()) {
    const auto [rank, at, left, right] = queue.top();
    queue.pop();
    Symbol& symbol = symbols[at];
    // A candidate is stale once either symbol has been merged into another; ids of merged symbols become -1.
    if (symbol.id != left || symbol.next < 0 || symbols[symbol.next].id != right) continue;
    symbol.id = merges_.at(pair_key(left, right)).result;
    Symbol& gone = symbols[symbol.next];
    gone.id = -1;
    symbol.next = gone.next;
    if (gone.next >= 0) symbols[gone.next].previous = at;
    offer(at);
    offer(symbol.previous);
  }
  for (int32_t at = symbols.empty() ? -1 : 0; at >= 0; at = symbols[at].next) out.push_back(symbols[at].id);
}

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
  constexpr size_t kCachedWord = 32;
  std::unordered_map<std::string_view, std::vector<int32_t>> cache;
  std::vector<int32_t> out;
  for (const std::string_view piece : pre_tokenize(text)) {
    if (piece.size() > kCachedWord) {
      encode_word(piece, out);
      continue;
    }
    const auto [entry, fresh] = cache.try_emplace(piece);
    if (fresh) encode_word(piece, entry->second);
    out.insert(out.end(), entry->second.begin(), entry->second.end());
  }
  return out;
}

const std::string& Tokenizer::token_bytes(int32_t id) const {
  if (id < 0 || id >= vocab_size())
    fail("tokenizer: token id: expected 0 to {}, found {}", vocab_size() - 1, id);
  return bytes_[id];
}

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  std::string out;
  for (const int32_t id : ids) out += token_bytes(id);
  return out;
}

Tokenizer load_tokenizer(const std::string& path) {
  TokenizerData data = load_tokenizer_data(path);
  if (data.tokens.empty()) fail("{}: tokenizer.ggml.tokens: expected tokens, found none", path);
  return Tokenizer(std::move(data));
}

TokenizerData byte_tokenizer(int vocab_size) {
  if (vocab_size < 1) fail("byte tokenizer: vocabulary size: expected at least 1, found {}", vocab_size);
  TokenizerData data;
  for (int id = 0; id < vocab_size; ++id) {
    data.tokens.push_back(id < kBytes ? to_alphabet(std::string(1, static_cast<char>(id)))
                                      : fmt::format("<unused{}>", id));
  }
  return data;
}

TokenizerData train_bpe(std::string_view text, int vocab_size, Alphabet alphabet) {
  std::array<bool, kBytes> used{};
  used.fill(alphabet == Alphabet::kAllBytes);
  for (const char c : text) used[static_cast<uint8_t>(c)] = true;
  std::array<int32_t, kBytes> byte_ids{};
  TokenizerData data;
  for (int byte = 0; byte < kBytes; ++byte) {
    if (!used[byte]) continue;
    byte_ids[byte] = static_cast<int32_t>(data.tokens.size());
    data.tokens.push_back(to_alphabet(std::string(1, static_cast<char>(byte))));
  }
  const int bytes = static_cast<int>(data.tokens.size());
  if (vocab_size < bytes)
    fail("BPE training: vocabulary size: expected at least {}, found {}", bytes, vocab_size);
  std::map<std::string_view, int64_t> counts;
  for (const std::string_view piece : pre_tokenize(text)) ++counts[piece];
  struct Word {
    std::vector<int32_t> ids;
    int64_t count;
  };
  std::vector<Word> words;
  for (const auto& [piece, count] : counts) {
    Word word{{}, count};
    for (const char c : piece) word.ids.push_back(byte_ids[static_cast<uint8_t>(c)]);
    words.push_back(std::move(word));
  }
  while (static_cast<int>(data.tokens.size()) < vocab_size) {
    std::map<std::pair<int32_t, int32_t>, int64_t> pairs;
    for (const Word& word : words) {
      for (size_t i = 0; i + 1 < word.ids.size(); ++i) pairs[{word.ids[i], word.ids[i + 1]}] += word.count;
    }
    // Iteration is in order of (left, right), so that max_element, which keeps the first, breaks ties as
    // promised.
    const auto best = std::max_element(pairs.begin(), pairs.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    if (best == pairs.end()) {
      fail("BPE training: text: expected enough text for {} merges, found {}", vocab_size - bytes,
           data.merges.size());
    }
    const auto [left, right] = best->first;
    const auto result = static_cast<int32_t>(data.tokens.size());
    data.merges.push_back(data.tokens[left] + " " + data.tokens[right]);
    data.tokens.push_back(data.tokens[left] + data.tokens[right]);
    for (Word& word : words) {
      size_t kept = 0;
      for (size_t i = 0; i < word.ids.size(); ++i) {
        const bool merged = i + 1 < word.ids.size() && word.ids[i] == left && word.ids[i + 1] == right;
        word.ids[kept++] = merged ? result : word.ids[i];
        if (merged) ++i;
      }
      word.ids.resize(kept);
    }
  }
  return data;
}

}  // namespace pimllm

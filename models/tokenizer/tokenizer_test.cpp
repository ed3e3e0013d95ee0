// Byte-level BPE: pre-tokenization as GPT-2's pattern does it, lossless round trips, deterministic training.
#include "models/tokenizer/tokenizer.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <random>

#include "golden/error.hpp"
#include "models/gguf/load_model.hpp"
#include "models/random/random_model.hpp"
#include "models/train/kjv_text.hpp"

namespace pimllm {
namespace {

std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "expected an Error";
  return {};
}

uint64_t seed() {
  const char* text = std::getenv("PIMLLM_SEED");
  const uint64_t value = text != nullptr ? std::strtoull(text, nullptr, 10) : 1;
  std::printf("seed %llu\n", static_cast<unsigned long long>(value));
  return value;
}

void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text << "\nlacks: " << part;
}

std::string random_bytes(size_t n, std::mt19937_64& generator) {
  std::string text(n, ' ');
  for (char& c : text) c = static_cast<char>(generator());
  return text;
}

constexpr const char* kSample =
    "In the beginning God created the heaven and the earth.\nAnd the earth was without form, and void; and "
    "darkness "
    "was upon the face of the deep. And the Spirit of God moved upon the face of the waters.\n\n";

TEST(PreTokenize, SplitsLikeGpt2) {
  const auto pieces = [](std::string_view text) {
    std::vector<std::string> out;
    for (const std::string_view piece : pre_tokenize(text)) out.emplace_back(piece);
    return out;
  };
  using Pieces = std::vector<std::string>;
  EXPECT_EQ(pieces(""), Pieces{});
  EXPECT_EQ(pieces("Hello world"), (Pieces{"Hello", " world"}));
  EXPECT_EQ(pieces("it's we'll I'd they've you're I'm don't"),
            (Pieces{"it", "'s", " we", "'ll", " I", "'d", " they", "'ve", " you", "'re", " I", "'m", " don",
                    "'t"}));
  EXPECT_EQ(pieces("'S 'quoted'"), (Pieces{"'", "S", " '", "quoted", "'"}));
  EXPECT_EQ(pieces("'store"), (Pieces{"'s", "tore"}));
  EXPECT_EQ(pieces("a  b"), (Pieces{"a", " ", " b"}));
  EXPECT_EQ(pieces("a   b"), (Pieces{"a", "  ", " b"}));
  EXPECT_EQ(pieces("a\nb"), (Pieces{"a", "\n", "b"}));
  EXPECT_EQ(pieces("a\n\nb"), (Pieces{"a", "\n", "\n", "b"}));
  EXPECT_EQ(pieces("a \n b"), (Pieces{"a", " \n", " b"}));
  EXPECT_EQ(pieces("a\t b"), (Pieces{"a", "\t", " b"}));
  EXPECT_EQ(pieces("a  "), (Pieces{"a", "  "}));
  EXPECT_EQ(pieces(" "), (Pieces{" "}));
  EXPECT_EQ(pieces("abc123 456"), (Pieces{"abc", "123", " 456"}));
  EXPECT_EQ(pieces("wait... what?!"), (Pieces{"wait", "...", " what", "?!"}));
  EXPECT_EQ(pieces("\xC3\xA9t\xC3\xA9 x"), (Pieces{"\xC3\xA9t\xC3\xA9", " x"}));
}

TEST(PreTokenize, PiecesJoinToTheText) {
  std::mt19937_64 generator(seed());
  for (int i = 0; i < 200; ++i) {
    std::string text;
    const std::string alphabet = "ab 19'sl\n\t.,\xC3\x01 ";
    for (int n = 0; n < 40; ++n) text += alphabet[generator() % alphabet.size()];
    std::string joined;
    for (const std::string_view piece : pre_tokenize(text)) {
      EXPECT_FALSE(piece.empty());
      joined += piece;
    }
    EXPECT_EQ(joined, text);
  }
}

TEST(Tokenizer, RandomBytesComeBack) {
  std::mt19937_64 generator(seed());
  const Tokenizer bytes(byte_tokenizer());
  const Tokenizer bpe(train_bpe(kSample, 300));
  for (int i = 0; i < 100; ++i) {
    const std::string text = random_bytes(generator() % 500, generator);
    EXPECT_EQ(bytes.decode(bytes.encode(text)), text);
    EXPECT_EQ(bytes.encode(text).size(), text.size());
    EXPECT_EQ(bpe.decode(bpe.encode(text)), text);
  }
}

TEST(Tokenizer, ByteIdsAreByteValues) {
  const Tokenizer bytes(byte_tokenizer());
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    EXPECT_EQ(bytes.encode(text), std::vector<int32_t>{byte});
    EXPECT_EQ(bytes.token_bytes(byte), text);
  }
  // GPT-2's alphabet: a space is U+0120, a newline U+010A, a letter itself.
  EXPECT_EQ(bytes.data().tokens[' '], "\xC4\xA0");
  EXPECT_EQ(bytes.data().tokens['\n'], "\xC4\x8A");
  EXPECT_EQ(bytes.data().tokens['A'], "A");
  EXPECT_EQ(bytes.data().tokens[0], "\xC4\x80");
  EXPECT_EQ(bytes.data().tokens[173], "\xC5\x83");
}

TEST(Tokenizer, MergesApplyByRankThenFromTheLeft) {
  TokenizerData data = byte_tokenizer();
  for (const char* token : {"bc", "ab", "abc", "aa"}) data.tokens.emplace_back(token);
  data.merges = {"b c", "a b", "a bc", "a a"};
  const Tokenizer tokenizer(data);
  EXPECT_EQ(tokenizer.encode("abc"), std::vector<int32_t>{258});
  EXPECT_EQ(tokenizer.encode("ab"), std::vector<int32_t>{257});
  EXPECT_EQ(tokenizer.encode("aaa"), (std::vector<int32_t>{259, 'a'}));
  EXPECT_EQ(tokenizer.encode("aaaa"), (std::vector<int32_t>{259, 259}));
}

TEST(Tokenizer, LongWordsAreQuick) {
  const Tokenizer bpe(train_bpe(kSample, 300));
  const std::string text(1 << 18, 'e');
  EXPECT_EQ(bpe.decode(bpe.encode(text)), text);
}

TEST(Tokenizer, BadDataIsRefused) {
  const auto refused = [](const std::function<void(TokenizerData&)>& damage) {
    TokenizerData data = byte_tokenizer();
    damage(data);
    return error_of([&] { Tokenizer t(data); });
  };
  expect_contains(refused([](auto& d) { d.model = "llama"; }), "tokenizer.ggml.model: expected gpt2");
  expect_contains(refused([](auto& d) { d.pre = "llama-bpe"; }), "tokenizer.ggml.pre: expected gpt-2");
  expect_contains(refused([](auto& d) { d.tokens[5] = d.tokens[6]; }), "a second time");
  expect_contains(refused([](auto& d) { d.tokens[5] = ""; }), "token 5: expected text");
  // Found by fuzzing: foreign bytes in a message.
  expect_contains(refused([](auto& d) { d.model = "gp\x1b[31m"; }), "found 'gp?[31m'");
  expect_contains(refused([](auto& d) { d.pre = "gpt\n2"; }), "found 'gpt?2'");
  expect_contains(refused([](auto& d) { d.tokens[5] = d.tokens[6] = "\x07"; }), "found '?' a second time");
  expect_contains(refused([](auto& d) { d.merges = {std::string(5000, '\n')}; }), "????...'");
  expect_contains(refused([](auto& d) { d.merges = {"a \n"}; }), "found 'a ?'");
  expect_contains(refused([](auto& d) { d.merges = {"ab"}; }), "merge 0: expected two tokens with a blank");
  expect_contains(refused([](auto& d) { d.merges = {"a b"}; }),
                  "merge 0: expected tokens that join to a token");
  const Tokenizer few(byte_tokenizer(100));
  expect_contains(error_of([&] { few.encode("z"); }), "found byte 122");
  const std::vector<int32_t> outside = {100};
  expect_contains(error_of([&] { few.decode(outside); }), "token id: expected 0 to 99, found 100");
  expect_contains(error_of([] { train_bpe("abc", 10); }), "vocabulary size");
  expect_contains(error_of([] { train_bpe("abc", 400); }), "expected enough text for 144 merges, found 2");
}

TEST(Tokenizer, ControlTokensAreKeptAndNeverProduced) {
  TokenizerData data = byte_tokenizer();
  data.tokens.emplace_back("<|\xE2\x96\x81 end|>");
  const Tokenizer tokenizer(data);
  EXPECT_EQ(tokenizer.token_bytes(256), "<|\xE2\x96\x81 end|>");
  EXPECT_EQ(tokenizer.encode("<|").size(), 2U);
}

TEST(TrainBpe, FrequentPairsFirstAndTiesToTheLowest) {
  const TokenizerData data = train_bpe("xy xy ab ab", 258);
  // Twice each: " a", "ab" and "xy". A blank has the lowest id; then x is below the new token " a".
  EXPECT_EQ(data.merges[0], "\xC4\xA0 a");
  EXPECT_EQ(data.merges[1], "x y");
  EXPECT_EQ(train_bpe(kSample, 300).merges, train_bpe(kSample, 300).merges);
  EXPECT_EQ(train_bpe(kSample, 300).tokens.size(), 300U);
}

TEST(TrainBpe, AlphabetOfTheText) {
  const TokenizerData data = train_bpe("xy xy ab ab", 7, Alphabet::kBytesOfText);
  const std::string blank = "\xC4\xA0";
  EXPECT_EQ(data.tokens, (std::vector<std::string>{blank, "a", "b", "x", "y", blank + "a", "xy"}));
  EXPECT_EQ(data.merges, (std::vector<std::string>{blank + " a", "x y"}));
  const Tokenizer tokenizer(data);
  EXPECT_EQ(tokenizer.encode("xy ab"), (std::vector<int32_t>{6, 5, 2}));
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("xy ab")), "xy ab");
  expect_contains(error_of([&] { tokenizer.encode("xz"); }),
                  "text: expected bytes that have a token, found byte 122");
  expect_contains(error_of([] { train_bpe("abc", 2, Alphabet::kBytesOfText); }),
                  "expected at least 3, found 2");
}

TEST(Tokenizer, ComesBackFromACheckpoint) {
  const std::string path =
      (std::filesystem::temp_directory_path() / fmt::format("pimllm_tokenizer_{}.gguf", getpid())).string();
  ModelConfig config = small_bitnet_config();
  config.vocab_size = 300;
  const TokenizerData data = train_bpe(kSample, 300);
  save_model(path, make_random_model(config, 1), data);
  const Tokenizer tokenizer = load_tokenizer(path);
  EXPECT_EQ(tokenizer.data().merges, data.merges);
  EXPECT_EQ(tokenizer.encode(kSample), Tokenizer(data).encode(kSample));
  save_model(path, make_random_model(config, 1), {});
  expect_contains(error_of([&] { load_tokenizer(path); }), "tokenizer.ggml.tokens");
  std::filesystem::remove(path);
}

TEST(KjvText, ChaptersAreParsed) {
  const auto chapters =
      parse_chapters("\nGenesis 1\n\n  1 In the\n  2 And the\n\nPsalms 119\n\n  176 I have\n");
  EXPECT_EQ(chapters, (std::vector<std::string>{"In the\nAnd the\n\n", "I have\n\n"}));
}

TEST(KjvText, BadLinesAreRefused) {
  expect_contains(error_of([] { parse_chapters("  1 In the\n"); }),
                  "expected a heading before the first verse");
  expect_contains(error_of([] { parse_chapters("Genesis 1\n  x\n"); }),
                  "expected a heading, a verse or an empty line");
  expect_contains(error_of([] { parse_chapters(""); }), "expected chapters, found none");
}

TEST(KjvText, SplitAndStatistics) {
  const auto chapters = parse_chapters(run_bible_command());
  ASSERT_EQ(chapters.size(), 1189U);
  EXPECT_TRUE(
      chapters[0].starts_with("In the beginning God created the heaven and the earth.\nAnd the earth"));
  EXPECT_TRUE(chapters[0].ends_with("\n\n"));
  const SplitText text = split_chapters(chapters);
  EXPECT_EQ(text.training.size(), 3943685U);
  EXPECT_EQ(text.held_out.size(), 195354U);
  const Tokenizer tokenizer(train_bpe(text.training, 512));
  const auto ids = tokenizer.encode(text.held_out);
  EXPECT_EQ(tokenizer.decode(ids), text.held_out);
  EXPECT_EQ(ids.size(), 81799U);
  const Tokenizer small(train_bpe(text.training, 256, Alphabet::kBytesOfText));
  const auto more_ids = small.encode(text.held_out);
  EXPECT_EQ(small.decode(more_ids), text.held_out);
  EXPECT_EQ(more_ids.size(), 87848U);
}

}  // namespace
}  // namespace pimllm

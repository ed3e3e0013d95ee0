#include "models/train/kjv_text.hpp"

#include <array>
#include <cstdio>

#include "golden/error.hpp"

namespace pimllm {
namespace {

constexpr const char* kBibleCommand = "bible -l10000 Gen1:1-Rev22:21";

// The verse of a line of two or more blanks, a number, a blank and the verse; empty if the line is no such
// line.
std::string_view verse_of(std::string_view line) {
  const size_t digits = line.find_first_not_of(' ');
  if (digits == std::string_view::npos || digits < 2) return {};
  const size_t blank = line.find_first_not_of("0123456789", digits);
  if (blank == digits || blank == std::string_view::npos || line[blank] != ' ') return {};
  return line.substr(blank + 1);
}

}  // namespace

std::string run_bible_command() {
  std::FILE* pipe = popen(kBibleCommand, "r");
  if (pipe == nullptr) fail("{}: cannot start the command", kBibleCommand);
  std::string printed;
  std::array<char, 65536> buffer{};
  for (size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    printed.append(buffer.data(), n);
  const int status = pclose(pipe);
  if (status != 0) {
    fail("{}: exit status: expected 0, found {} (install bible-kjv and bible-kjv-text)", kBibleCommand,
         status);
  }
  return printed;
}

std::vector<std::string> parse_chapters(std::string_view printed) {
  std::vector<std::string> chapters;
  bool in_chapter = false;
  for (size_t at = 0; at < printed.size();) {
    const size_t end = std::min(printed.find('\n', at), printed.size());
    const std::string_view line = printed.substr(at, end - at);
    at = end + 1;
    const std::string_view verse = verse_of(line);
    if (!verse.empty()) {
      if (!in_chapter)
        fail("KJV text: line '{}': expected a heading before the first verse, found none", line);
      chapters.back() += verse;
      chapters.back() += '\n';
    } else if (!line.empty() && line[0] != ' ') {
      chapters.emplace_back();
      in_chapter = true;
    } else if (!line.empty()) {
      fail("KJV text: line '{}': expected a heading, a verse or an empty line", line);
    }
  }
  if (chapters.empty()) fail("KJV text: expected chapters, found none");
  for (std::string& chapter : chapters) chapter += '\n';
  return chapters;
}

SplitText split_chapters(const std::vector<std::string>& chapters) {
  constexpr size_t kPeriod = 20;
  constexpr size_t kHeldOut = 10;
  SplitText split;
  for (size_t i = 0; i < chapters.size(); ++i) {
    (i % kPeriod == kHeldOut ? split.held_out : split.training) += chapters[i];
  }
  return split;
}

}  // namespace pimllm

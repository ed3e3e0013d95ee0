// The text the shipped models are trained and measured on: the King James Bible as Debian's `bible` prints
// it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pimllm {

// What `bible -l10000 Gen1:1-Rev22:21` prints. Throws Error if the command is missing or fails.
std::string run_bible_command();

// Chapters in order, from that output. Verses without their numbers, a newline between verses, an empty line
// after each chapter. Throws Error if a verse comes before the first heading or nothing is found.
std::vector<std::string> parse_chapters(std::string_view printed);

// Chapters (counted from 0) with i % 20 == 10 are held out of training, and out of learning the tokens.
struct SplitText {
  std::string training;
  std::string held_out;
};
SplitText split_chapters(const std::vector<std::string>& chapters);

}  // namespace pimllm

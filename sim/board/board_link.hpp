// Frames over a line: a command and its answer (docs/fpga.md, "Serial protocol").
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "golden/error.hpp"
#include "sim/board/byte_line.hpp"
#include "sim/board/frame.hpp"

namespace pimllm::sim {

// How long to wait, in milliseconds of the line.
struct Patience {
  int answer = 500;   // for the answer to a frame
  int quiet = 50;     // silence after which nothing more is on its way; longer than the board's gap of 10 ms
  int token = 5'000;  // for the next event of a machine at work
};

// An answer or an event did not come, or came damaged.
class LineError : public Error {
  using Error::Error;
};
// The board was reset while the host worked with it.
class BoardReset : public Error {
  using Error::Error;
};
struct BoardEvent {
  uint32_t irq = 0, status = 0, token_count = 0, token = 0;
};

// Events that come between are kept.
class BoardLink {
 public:
  BoardLink(ByteLine& line, Patience patience) : line_(line), patience_(patience) {}

  // A frame that the board calls broken is sent again, twice at most. Throw LineError without an answer,
  // BoardReset at a hello, Error for a refused command.
  uint32_t read(uint32_t address);
  void write(std::span<const std::pair<uint32_t, uint32_t>> values);  // (address, value), four a frame
  std::array<uint8_t, 8> read_beat(uint32_t beat);
  // The next event; throws LineError if none comes.
  BoardEvent wait_event();

  // Waits for silence and forgets all that came.
  void resync();

  // Sends a frame and returns its ACK or NAK, whatever that is.
  Frame exchange(uint8_t kind, std::span<const uint8_t> payload);

  const std::string& name() const { return line_.name(); }
  std::function<void()> on_wait;  // called ten times a second of the line while it waits; may throw

 private:
  std::optional<Frame> next_frame(int milliseconds);
  std::vector<uint8_t> command(Command command, std::span<const uint8_t> payload, size_t answer);

  ByteLine& line_;
  Patience patience_;
  FrameDecoder decoder_;
  std::deque<BoardEvent> events_;
};

}  // namespace pimllm::sim

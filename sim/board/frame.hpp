// Frames between host and board: docs/fpga.md, "Serial protocol". The values are those of
// rtl/board/board_pkg.sv.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace pimllm::sim {

inline constexpr uint8_t kSyncToBoard = 0xA5;
inline constexpr uint8_t kSyncToHost = 0x5A;
inline constexpr size_t kMaxPayload = 24;  // to the board
inline constexpr size_t kMaxReply = 16;    // to the host
inline constexpr uint8_t kProtocolVersion = 1;

enum class Command : uint8_t { kWrite = 0x01, kRead = 0x02, kMemory = 0x03 };
enum class Reply : uint8_t { kAck = 0x81, kNak = 0x82, kEvent = 0x83, kHello = 0x84 };
enum class Nak : uint8_t { kLine = 1, kGap, kChecksum, kLength, kCommand, kBus };

// "checksum" and the like, for messages.
std::string_view nak_name(uint8_t reason);

struct Frame {
  uint8_t kind = 0;
  std::vector<uint8_t> payload;
  bool is(Reply reply) const { return kind == static_cast<uint8_t>(reply); }
};

// x^8 + x^2 + x + 1, from 0.
uint8_t crc8(std::span<const uint8_t> bytes, uint8_t crc = 0);

// The bytes of a frame to the board; the payload may be longer than the board takes (for tests).
std::vector<uint8_t> encode_frame(uint8_t kind, std::span<const uint8_t> payload);

// Bytes from the board to frames. What is no frame is dropped and counted: bytes before a sync byte, lengths
// and kinds that the board does not send, wrong checksums. After a frame that breaks it looks for the next
// sync byte behind the one that misled it, so that a whole frame behind noise is never lost.
class FrameDecoder {
 public:
  void push(uint8_t byte) { bytes_.push_back(byte); }
  std::optional<Frame> next();
  uint64_t dropped() const { return dropped_; }
  void clear() { bytes_.clear(); }
  // A frame has begun; abandon() gives it up, so that a whole one behind it is found.
  bool pending() const { return !bytes_.empty(); }
  void abandon() {
    if (pending()) drop();
  }

 private:
  void drop() {
    bytes_.erase(bytes_.begin());
    ++dropped_;
  }

  std::vector<uint8_t> bytes_;
  uint64_t dropped_ = 0;
};

}  // namespace pimllm::sim

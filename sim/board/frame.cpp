#include "sim/board/frame.hpp"

namespace pimllm::sim {
namespace {

constexpr uint8_t kPolynomial = 0x07;
constexpr size_t kHead = 3;  // sync, kind, length

bool possible(uint8_t kind, uint8_t length) {
  switch (static_cast<Reply>(kind)) {
    case Reply::kAck:
      return length == 0 || length == 4 || length == 8;
    case Reply::kNak:
    case Reply::kHello:
      return length == 1;
    case Reply::kEvent:
      return length == kMaxReply;
  }
  return false;
}

}  // namespace

std::string_view nak_name(uint8_t reason) {
  switch (static_cast<Nak>(reason)) {
    case Nak::kLine:
      return "a stop bit is missing";
    case Nak::kGap:
      return "the frame broke off";
    case Nak::kChecksum:
      return "wrong checksum";
    case Nak::kLength:
      return "wrong length";
    case Nak::kCommand:
      return "unknown command";
    case Nak::kBus:
      return "no such register or address";
  }
  return "unknown reason";
}

uint8_t crc8(std::span<const uint8_t> bytes, uint8_t crc) {
  for (const uint8_t byte : bytes) {
    crc ^= byte;
    for (int i = 0; i < 8; ++i) {
      crc = static_cast<uint8_t>((crc & 0x80) != 0 ? crc << 1 ^ kPolynomial : crc << 1);
    }
  }
  return crc;
}

std::vector<uint8_t> encode_frame(uint8_t kind, std::span<const uint8_t> payload) {
  std::vector<uint8_t> bytes;
  bytes.reserve(payload.size() + kHead + 1);
  for (const uint8_t byte : {kSyncToBoard, kind, static_cast<uint8_t>(payload.size())}) bytes.push_back(byte);
  for (const uint8_t byte : payload) bytes.push_back(byte);
  bytes.push_back(crc8(std::span(bytes).subspan(1)));
  return bytes;
}

std::optional<Frame> FrameDecoder::next() {
  while (!bytes_.empty()) {
    if (bytes_[0] != kSyncToHost) {
      drop();
      continue;
    }
    if (bytes_.size() < kHead) return std::nullopt;
    if (!possible(bytes_[1], bytes_[2])) {
      drop();
      continue;
    }
    const size_t end = kHead + bytes_[2];
    if (bytes_.size() <= end) return std::nullopt;
    if (crc8(std::span(bytes_).subspan(1, end - 1)) != bytes_[end]) {
      drop();
      continue;
    }
    Frame frame{bytes_[1], {bytes_.begin() + kHead, bytes_.begin() + static_cast<ptrdiff_t>(end)}};
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<ptrdiff_t>(end) + 1);
    return frame;
  }
  return std::nullopt;
}

}  // namespace pimllm::sim

#include "sim/board/board_link.hpp"

#include <algorithm>
#include <cstring>

namespace pimllm::sim {
namespace {

constexpr int kTries = 3;
constexpr int kSlice = 100;  // milliseconds between two calls of on_wait
constexpr size_t kWriteBytes = 6;

template <typename T>
void put(std::vector<uint8_t>& bytes, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) bytes.push_back(static_cast<uint8_t>(value >> 8 * i));
}

uint32_t word(std::span<const uint8_t> bytes, size_t index) {
  uint32_t value = 0;
  std::memcpy(&value, bytes.data() + 4 * index, sizeof value);
  return value;
}

// Reasons after which the board has done nothing and the same frame may come again.
bool broken(const Frame& nak) { return nak.payload[0] <= static_cast<uint8_t>(Nak::kChecksum); }

}  // namespace

std::optional<Frame> BoardLink::next_frame(int milliseconds) {
  for (;;) {
    if (auto frame = decoder_.next()) return frame;
    if (milliseconds <= 0) return std::nullopt;
    if (on_wait) on_wait();
    // A frame that a reset cut off would swallow the hello behind it.
    const int slice = std::min({milliseconds, kSlice, decoder_.pending() ? patience_.quiet : kSlice});
    const auto byte = line_.read(slice);
    if (!byte) {
      milliseconds -= slice;
      decoder_.abandon();
      continue;
    }
    decoder_.push(*byte);
  }
}

Frame BoardLink::exchange(uint8_t kind, std::span<const uint8_t> payload) {
  line_.write(encode_frame(kind, payload));
  const uint64_t dropped = decoder_.dropped();
  for (;;) {
    auto frame = next_frame(patience_.answer);
    if (!frame) {
      if (decoder_.dropped() == dropped) throw LineError(fmt::format("{}: no answer", name()));
      throw LineError(fmt::format("{}: the answer came damaged", name()));
    }
    if (frame->is(Reply::kAck) || frame->is(Reply::kNak)) return *std::move(frame);
    if (frame->is(Reply::kHello)) throw BoardReset(fmt::format("{}: the board was reset", name()));
    const std::span<const uint8_t> p = frame->payload;
    events_.push_back({word(p, 0), word(p, 1), word(p, 2), word(p, 3)});
  }
}

std::vector<uint8_t> BoardLink::command(Command command, std::span<const uint8_t> payload, size_t answer) {
  for (int i = 1;; ++i) {
    const Frame frame = exchange(static_cast<uint8_t>(command), payload);
    if (frame.is(Reply::kAck)) {
      if (frame.payload.size() == answer) return frame.payload;
      throw LineError(
          fmt::format("{}: expected an answer of {} bytes, found {}", name(), answer, frame.payload.size()));
    }
    if (!broken(frame)) fail("{}: the board refuses a command: {}", name(), nak_name(frame.payload[0]));
    if (i == kTries) {
      throw LineError(fmt::format("{}: the board got a broken frame {} times: {}", name(), kTries,
                                  nak_name(frame.payload[0])));
    }
  }
}

uint32_t BoardLink::read(uint32_t address) {
  std::vector<uint8_t> payload;
  put(payload, static_cast<uint16_t>(address));
  return word(command(Command::kRead, payload, 4), 0);
}

void BoardLink::write(std::span<const std::pair<uint32_t, uint32_t>> values) {
  while (!values.empty()) {
    const size_t count = std::min(values.size(), kMaxPayload / kWriteBytes);
    std::vector<uint8_t> payload;
    for (const auto& [address, value] : values.first(count)) {
      put(payload, static_cast<uint16_t>(address));
      put(payload, value);
    }
    command(Command::kWrite, payload, 0);
    values = values.subspan(count);
  }
}

std::array<uint8_t, 8> BoardLink::read_beat(uint32_t beat) {
  std::vector<uint8_t> payload;
  put(payload, beat);
  const std::vector<uint8_t> answer = command(Command::kMemory, payload, 8);
  std::array<uint8_t, 8> bytes{};
  std::copy(answer.begin(), answer.end(), bytes.begin());
  return bytes;
}

BoardEvent BoardLink::wait_event() {
  while (events_.empty()) {
    const auto frame = next_frame(patience_.token);
    if (!frame) throw LineError(fmt::format("{}: the machine works, but says nothing", name()));
    if (frame->is(Reply::kHello)) throw BoardReset(fmt::format("{}: the board was reset", name()));
    if (!frame->is(Reply::kEvent)) continue;  // an answer that came too late
    const std::span<const uint8_t> p = frame->payload;
    events_.push_back({word(p, 0), word(p, 1), word(p, 2), word(p, 3)});
  }
  const BoardEvent event = events_.front();
  events_.pop_front();
  return event;
}

void BoardLink::resync() {
  do {
    if (on_wait) on_wait();
  } while (line_.read(patience_.quiet));
  decoder_.clear();
  events_.clear();
}

}  // namespace pimllm::sim

// A serial line as the host sees it: bytes out, bytes in, and a wait that ends.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace pimllm::sim {

class ByteLine {
 public:
  virtual ~ByteLine() = default;
  virtual const std::string& name() const = 0;  // for messages
  // Both throw Error if the line is gone.
  virtual void write(std::span<const uint8_t> bytes) = 0;
  // The next byte; nothing if none came in `milliseconds`, which a simulated line counts in its own way.
  virtual std::optional<uint8_t> read(int milliseconds) = 0;
};

}  // namespace pimllm::sim

// A serial port of the operating system, raw, 8N1.
#pragma once

#include "sim/board/byte_line.hpp"

namespace pimllm::sim {

class SerialPort : public ByteLine {
 public:
  // Opens the device, sets `baud` (1,000,000 and the usual ones) and drops what has come already. Throws
  // Error if it does not exist, is no serial port, or another program holds it.
  SerialPort(std::string device, int baud);
  ~SerialPort() override;
  SerialPort(const SerialPort&) = delete;
  SerialPort& operator=(const SerialPort&) = delete;

  const std::string& name() const override { return device_; }
  void write(std::span<const uint8_t> bytes) override;
  std::optional<uint8_t> read(int milliseconds) override;

 private:
  std::string device_;
  int fd_ = -1;
};

}  // namespace pimllm::sim

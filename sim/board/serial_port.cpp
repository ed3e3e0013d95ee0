#include "sim/board/serial_port.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "golden/error.hpp"

namespace pimllm::sim {
namespace {

constexpr int kWriteMilliseconds = 2000;

speed_t speed_of(const std::string& device, int baud) {
  switch (baud) {
    case 115'200:
      return B115200;
    case 1'000'000:
      return B1000000;
    case 2'000'000:
      return B2000000;
    default:
      fail("{}: expected 115200, 1000000 or 2000000 baud, found {}", device, baud);
  }
}

[[noreturn]] void fail_errno(const std::string& device, std::string_view what) {
  fail("{}: {}: {}", device, what, std::strerror(errno));
}

}  // namespace

SerialPort::SerialPort(std::string device, int baud) : device_(std::move(device)) {
  const speed_t speed = speed_of(device_, baud);
  fd_ = ::open(device_.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (fd_ < 0) fail_errno(device_, "cannot be opened");
  try {
    termios settings{};
    if (::tcgetattr(fd_, &settings) != 0) fail("{}: is no serial port", device_);
    if (::ioctl(fd_, TIOCEXCL) != 0) fail_errno(device_, "another program holds it");
    ::cfmakeraw(&settings);
    settings.c_cflag &= ~static_cast<tcflag_t>(CSTOPB | CRTSCTS);
    settings.c_cflag |= CLOCAL | CREAD;
    settings.c_cc[VMIN] = 0;
    settings.c_cc[VTIME] = 0;
    ::cfsetispeed(&settings, speed);
    ::cfsetospeed(&settings, speed);
    if (::tcsetattr(fd_, TCSANOW, &settings) != 0) fail_errno(device_, "cannot be set to the board's speed");
    ::tcflush(fd_, TCIOFLUSH);
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

SerialPort::~SerialPort() { ::close(fd_); }

void SerialPort::write(std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t done = ::write(fd_, bytes.data(), bytes.size());
    if (done > 0) {
      bytes = bytes.subspan(static_cast<size_t>(done));
      continue;
    }
    if (done < 0 && errno != EAGAIN && errno != EINTR) fail_errno(device_, "cannot be written");
    pollfd wait{fd_, POLLOUT, 0};
    if (::poll(&wait, 1, kWriteMilliseconds) == 0) fail("{}: takes no bytes", device_);
  }
}

std::optional<uint8_t> SerialPort::read(int milliseconds) {
  uint8_t byte = 0;
  ssize_t got = ::read(fd_, &byte, 1);
  if (got <= 0) {
    pollfd wait{fd_, POLLIN, 0};
    const int ready = ::poll(&wait, 1, milliseconds);
    if (ready <= 0) return std::nullopt;  // an interrupt as well: callers count the time
    got = ::read(fd_, &byte, 1);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) fail("{}: the line is gone", device_);
  }
  if (got == 1) return byte;
  return std::nullopt;
}

}  // namespace pimllm::sim

#include "sim/board/simulated_port.hpp"

#include <fcntl.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "golden/error.hpp"
#include "sim/board/simulated_board.hpp"

namespace pimllm::sim {
namespace {

constexpr int kPollEvery = 256;        // cycles between two looks at the terminal
constexpr int kRestMilliseconds = 20;  // of a board without work

}  // namespace

SimulatedPort::SimulatedPort(const std::filesystem::path& images) {
  if (!std::filesystem::exists(images / "memory.hex"))
    fail("{}: expected the board's memory.hex, found none", images.string());
  master_ = ::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  std::array<char, 64> name{};
  if (master_ < 0 || ::grantpt(master_) != 0 || ::unlockpt(master_) != 0 ||
      ::ptsname_r(master_, name.data(), name.size()) != 0) {
    fail("no pseudo-terminal for the simulated board: {}", std::strerror(errno));
  }
  device_ = name.data();
  // Held open, and raw before anybody writes: what the board says first is kept.
  slave_ = ::open(device_.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);
  termios settings{};
  if (slave_ < 0 || ::tcgetattr(slave_, &settings) != 0) fail("{}: {}", device_, std::strerror(errno));
  ::cfmakeraw(&settings);
  ::tcsetattr(slave_, TCSANOW, &settings);
  thread_ = std::thread([this, images] { serve(images); });
}

SimulatedPort::~SimulatedPort() {
  stop_ = true;
  thread_.join();
  ::close(slave_);
  ::close(master_);
}

void SimulatedPort::serve(const std::filesystem::path& images) {
  SimulatedBoard board(images);
  std::array<uint8_t, 64> bytes{};
  while (!stop_) {
    if (reset_.exchange(false)) board.press_reset();
    const bool rests = !board.busy() && !board.sending() && board.quiet_cycles() > 2 * kGapCycles;
    pollfd wait{master_, POLLIN, 0};
    if (::poll(&wait, 1, rests ? kRestMilliseconds : 0) > 0) {
      const ssize_t got = ::read(master_, bytes.data(), bytes.size());
      for (ssize_t i = 0; i < got; ++i) board.send(bytes[static_cast<size_t>(i)]);
    } else if (rests) {
      continue;
    }
    for (int i = 0; i < kPollEvery; ++i) board.step();
    cycles_ = board.cycles();
    while (const auto byte = board.receive()) {
      // A terminal that nobody reads is full some time: bytes are lost, as on a wire.
      if (::write(master_, &*byte, 1) != 1) break;
    }
  }
}

}  // namespace pimllm::sim

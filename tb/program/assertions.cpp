#include "tb/program/assertions.hpp"

#include <unistd.h>
#include <verilated.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "golden/error.hpp"

namespace pimllm::tb {
namespace {

using isa::Unit;

Unit unit_of(std::string_view path) {
  static constexpr std::array<std::pair<std::string_view, Unit>, 5> kInstances = {
      {{".u_dma.", Unit::kDma},
       {".u_pim.", Unit::kPim},
       {".u_array.", Unit::kArr},
       {".u_softmax.", Unit::kSmx},
       {".u_vector.", Unit::kVec}}};
  for (const auto& [instance, unit] : kInstances) {
    if (path.find(instance) != std::string_view::npos) return unit;
  }
  return Unit::kSched;
}

}  // namespace

std::optional<FailedAssertion> first_failed(std::string_view output) {
  constexpr std::string_view kMark = "Assertion failed in ";
  const size_t mark = output.find(kMark);
  if (mark == std::string_view::npos) return std::nullopt;
  std::string_view path = output.substr(mark + kMark.size());
  path = path.substr(0, path.find(": "));
  return FailedAssertion{unit_of(path), std::string(path)};
}

OutputTap::OutputTap() : file_(std::tmpfile(), std::fclose) {
  if (!file_) fail("a temporary file cannot be made: {}", std::strerror(errno));
}

void OutputTap::start() {
  std::fflush(stdout);
  const int file = ::fileno(file_.get());
  stdout_ = ::dup(STDOUT_FILENO);
  if (stdout_ < 0 || ::ftruncate(file, 0) != 0 || ::lseek(file, 0, SEEK_SET) != 0 ||
      ::dup2(file, STDOUT_FILENO) < 0) {
    fail("stdout cannot be redirected: {}", std::strerror(errno));
  }
}

std::string OutputTap::stop() {
  std::fflush(stdout);
  ::dup2(stdout_, STDOUT_FILENO);
  ::close(stdout_);
  const int file = ::fileno(file_.get());
  std::string text(static_cast<size_t>(std::max<off_t>(::lseek(file, 0, SEEK_END), 0)), '\0');
  if (::pread(file, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    fail("what was printed on stdout cannot be read: {}", std::strerror(errno));
  }
  return text;
}

void AssertionWatch::begin() {
  errors_ = Verilated::threadContextp()->errorCount();
  tap_.start();
}

bool AssertionWatch::any() const { return Verilated::threadContextp()->errorCount() != errors_; }

std::optional<FailedAssertion> AssertionWatch::end() {
  const std::string output = tap_.stop();
  if (!any()) return std::nullopt;
  if (auto failed = first_failed(output)) return failed;
  return FailedAssertion{Unit::kSched, "one without a name"};
}

}  // namespace pimllm::tb

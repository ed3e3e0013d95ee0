// Failed assertions of the RTL: Verilator prints them, and counts.
#pragma once

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "models/isa/isa.hpp"

namespace pimllm::tb {

struct FailedAssertion {
  isa::Unit unit = isa::Unit::kSched;  // it stands in
  std::string name;                    // "TOP.pimllm_top.u_dma.gen_channels[0].u_load.TilesLeft"
};

// The first in what Verilator printed.
std::optional<FailedAssertion> first_failed(std::string_view output);

// Keeps what is printed on stdout from start() to stop().
class OutputTap {
 public:
  OutputTap();
  void start();
  std::string stop();

 private:
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
  int stdout_ = -1;
};

// Failures of assertions, from begin() on.
class AssertionWatch {
 public:
  void begin();
  bool any() const;
  // Ends the watch; the first, if there was one.
  std::optional<FailedAssertion> end();

 private:
  OutputTap tap_;
  int errors_ = 0;
};

}  // namespace pimllm::tb

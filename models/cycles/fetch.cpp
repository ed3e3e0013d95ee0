#include "models/cycles/fetch.hpp"

#include <algorithm>

namespace pimllm::cycles {
namespace {

constexpr uint64_t kLineInstrs = 8;     // sched_pkg::LineInstrs
constexpr size_t kLines = 64;           // IbufLines of scheduler.sv
constexpr uint64_t kPrefetchLines = 6;  // ifetch: PrefetchLines
constexpr uint64_t kBegin = 1;          // StStart; StRun
constexpr uint64_t kToScan = 1;         // base_q follows the line
constexpr uint64_t kToAddress = 1;      // AR register
constexpr uint64_t kFilled = 1;         // valid_q
constexpr uint64_t kDelivered = 1;      // pc_valid_q: read in one cycle, decoded in the next

}  // namespace

Fetch::Fetch(const HardwareParameters& hardware, const Timing& timing, uint64_t base)
    : timing_(timing),
      base_(base),
      beats_(std::max<uint64_t>(
          1, kLineInstrs * isa::kInstructionBytes / static_cast<uint64_t>(hardware.channel_bytes))),
      lines_(kLines),
      fills_(kPrefetchLines + 1),
      deliver_(kBegin),
      next_entered_(kBegin) {}

void Fetch::request(uint64_t line, uint64_t cycle) {
  const uint64_t first =
      std::max(cycle + kToAddress + static_cast<uint64_t>(timing_.memory_latency), data_free_);
  data_free_ = first + beats_;
  fills_[fill_] = data_free_;
  fill_ = (fill_ + 1) % fills_.size();
  lines_[line % kLines] = {line, first + beats_ - 1 + kFilled};
}

// Looks for lines ahead, one a cycle, up to before this cycle.
void Fetch::scan(uint64_t until) {
  while (scanned_ <= kPrefetchLines && scan_at_ < until) {
    const uint64_t line = line_ + scanned_;
    if (lines_[line % kLines].number != line) {
      // Seven requests at most are under way.
      const uint64_t at = std::max(scan_at_, fills_[fill_]);
      if (at >= until) return;
      request(line, at);
      scan_at_ = at;
    }
    ++scanned_;
    ++scan_at_;
  }
}

uint64_t Fetch::decoded(size_t index) {
  const uint64_t line = (base_ + index) / kLineInstrs;
  if (line != line_) {
    scan(next_entered_);
    line_ = line;
    entered_ = next_entered_;
    scanned_ = 0;
    scan_at_ = entered_ + kToScan;
    scan(scan_at_ + 1);
    if (lines_[line % kLines].number != line) scan(fills_[fill_] + 1);  // the buffer of requests is full
  }
  const uint64_t delivered = std::max(deliver_, lines_[line % kLines].valid);
  next_entered_ = delivered + 1;
  return delivered + kDelivered;
}

void Fetch::issued(uint64_t cycle, bool redirected, size_t) {
  if (redirected) {
    deliver_ = cycle + 1;
    next_entered_ = cycle + 1;
  } else {
    deliver_ = cycle;
  }
}

}  // namespace pimllm::cycles

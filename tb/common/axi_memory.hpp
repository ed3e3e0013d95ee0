// Memory behind several AXI4 ports: sparse bytes, and one slave port per read and per write channel of the
// machine.
//
// The ports take what the RTL here sends: INCR bursts of whole, aligned beats without IDs, answered in order.
// They only sample in before_edge() and only drive in after_edge(), so that a cycle needs no evaluation more
// for them. The default timing is deterministic: 40 cycles to the first beat, one beat a cycle and port,
// never not ready. Everything else (stalls, row misses, refresh, error responses) is off until asked for.
// Protocol errors throw Error.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <unordered_map>
#include <vector>

#include "golden/error.hpp"
#include "tb/common/port.hpp"
#include "tb/common/signal.hpp"

namespace pimllm::tb {

// Some bits of a port: packed arrays of channels are one port in Verilator. Runs of bytes must be byte
// aligned.
class Slice {
 public:
  template <typename T>
  requires(!std::is_same_v<std::remove_const_t<T>, Slice>) explicit Slice(T& port)
      : Slice(Signal(port), 0, 8 * sizeof(T)) {}
  Slice(Signal signal, size_t lsb, size_t width) : signal_(signal), lsb_(lsb), width_(width) {}

  // Up to 64 bits.
  uint64_t get() const {
    const auto bytes = signal_.bytes();
    uint64_t value = 0;
    const size_t first = lsb_ / 8, count = std::min<size_t>(bytes.size() - first, 8);
    std::memcpy(&value, bytes.data() + first, count);
    value >>= lsb_ % 8;
    if (lsb_ % 8 + width_ > 64) value |= static_cast<uint64_t>(bytes[first + 8]) << (64 - lsb_ % 8);
    return width_ >= 64 ? value : value & ((uint64_t{1} << width_) - 1);
  }

  void set(uint64_t value) const {
    const auto bytes = signal_.bytes();
    if (lsb_ % 8 == 0 && width_ % 8 == 0) {
      const size_t count = std::min<size_t>(width_ / 8, 8);
      std::memcpy(bytes.data() + lsb_ / 8, &value, count);
      return;
    }
    for (size_t i = 0; i < width_; ++i) {
      const size_t bit = lsb_ + i;
      const auto mask = static_cast<uint8_t>(1u << (bit % 8));
      const bool one = i < 64 && (value >> i & 1) != 0;
      bytes[bit / 8] = static_cast<uint8_t>(one ? bytes[bit / 8] | mask : bytes[bit / 8] & ~mask);
    }
  }

  std::span<uint8_t> bytes() const { return signal_.bytes().subspan(lsb_ / 8, width_ / 8); }

 private:
  Signal signal_;
  size_t lsb_, width_;
};

// AXI responses.
enum class AxiResp : uint8_t { kOkay = 0, kSlaveError = 2, kDecodeError = 3 };

// Bytes of the memory, zero until written, and the places that answer with an error.
class AxiMemory {
 public:
  void write(uint64_t addr, std::span<const uint8_t> data) {
    for (size_t done = 0; done < data.size();) {
      const size_t offset = (addr + done) % kPageBytes,
                   count = std::min(kPageBytes - offset, data.size() - done);
      std::memcpy(page(addr + done) + offset, data.data() + done, count);
      done += count;
    }
  }

  void read(uint64_t addr, std::span<uint8_t> data) {
    for (size_t done = 0; done < data.size();) {
      const size_t offset = (addr + done) % kPageBytes,
                   count = std::min(kPageBytes - offset, data.size() - done);
      std::memcpy(data.data() + done, page(addr + done) + offset, count);
      done += count;
    }
  }

  template <typename T>
  void store(uint64_t addr, const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    write(addr, {reinterpret_cast<const uint8_t*>(&value), sizeof(T)});
  }

  template <typename T>
  T load(uint64_t addr) {
    T value;
    read(addr, {reinterpret_cast<uint8_t*>(&value), sizeof(T)});
    return value;
  }

  // Beats that touch [begin, end) are answered with `resp`; reads and writes alike.
  void add_error(uint64_t begin, uint64_t end, AxiResp resp = AxiResp::kSlaveError) {
    errors_.push_back({begin, end, resp});
  }
  void clear_errors() { errors_.clear(); }
  AxiResp response(uint64_t addr, size_t bytes) const {
    for (const auto& error : errors_) {
      if (addr < error.end && addr + bytes > error.begin) return error.resp;
    }
    return AxiResp::kOkay;
  }

 private:
  static constexpr size_t kPageBytes = 1 << 16;
  struct Error {
    uint64_t begin, end;
    AxiResp resp;
  };

  uint8_t* page(uint64_t addr) {
    const uint64_t index = addr / kPageBytes;
    if (last_ == nullptr || index != last_index_) {
      auto& slot = pages_[index];
      if (!slot) slot = std::make_unique<std::array<uint8_t, kPageBytes>>();
      last_ = slot->data();
      last_index_ = index;
    }
    return last_;
  }

  std::unordered_map<uint64_t, std::unique_ptr<std::array<uint8_t, kPageBytes>>> pages_;
  std::vector<Error> errors_;
  uint8_t* last_ = nullptr;
  uint64_t last_index_ = 0;
};

// Behaviour in time of one port.
struct AxiTiming {
  int latency = 40;            // cycles from address to first beat, or from last beat to write response
  int cycles_per_beat = 1;     // bandwidth
  size_t outstanding = 32;     // bursts taken before the first is answered
  uint64_t row_bytes = 0;      // 0: no rows; else a burst in another row than the last one waits
  int row_miss = 0;            // ... so many cycles more
  uint64_t refresh_every = 0;  // 0: no refresh; else every so many cycles
  int refresh_cycles = 0;      // ... nothing moves for so many
  Stall stall_address, stall_data, stall_response;  // random back-pressure
};

struct AxiReadSignals {
  Slice rst_n, arvalid, arready, araddr, arlen, rvalid, rready, rdata, rresp, rlast;
};

struct AxiWriteSignals {
  Slice rst_n, awvalid, awready, awaddr, awlen, wvalid, wready, wdata, wstrb, wlast, bvalid, bready, bresp;
};

inline constexpr int kAxiAddrBits = 48;
inline constexpr uint64_t kAxiBoundary = 4096;  // bursts do not cross it

// The instruction port (m_axi_fetch_*) of a model.
template <typename Model>
AxiReadSignals fetch_signals(Model& dut) {
  return {Slice(dut.rst_ni),
          Slice(dut.m_axi_fetch_arvalid_o),
          Slice(dut.m_axi_fetch_arready_i),
          Slice(dut.m_axi_fetch_araddr_o),
          Slice(dut.m_axi_fetch_arlen_o),
          Slice(dut.m_axi_fetch_rvalid_i),
          Slice(dut.m_axi_fetch_rready_o),
          Slice(dut.m_axi_fetch_rdata_i),
          Slice(dut.m_axi_fetch_rresp_i),
          Slice(dut.m_axi_fetch_rlast_i)};
}

// Channel `c` of the data ports (m_axi_*, packed arrays over the channels) of a model.
template <typename Model>
AxiReadSignals read_signals(Model& dut, size_t c, size_t beat_bytes) {
  const auto at = [c](auto& port, size_t width) { return Slice(Signal(port), c * width, width); };
  return {Slice(dut.rst_ni),          at(dut.m_axi_arvalid_o, 1),
          at(dut.m_axi_arready_i, 1), at(dut.m_axi_araddr_o, kAxiAddrBits),
          at(dut.m_axi_arlen_o, 8),   at(dut.m_axi_rvalid_i, 1),
          at(dut.m_axi_rready_o, 1),  at(dut.m_axi_rdata_i, 8 * beat_bytes),
          at(dut.m_axi_rresp_i, 2),   at(dut.m_axi_rlast_i, 1)};
}

template <typename Model>
AxiWriteSignals write_signals(Model& dut, size_t c, size_t beat_bytes) {
  const auto at = [c](auto& port, size_t width) { return Slice(Signal(port), c * width, width); };
  return {Slice(dut.rst_ni),
          at(dut.m_axi_awvalid_o, 1),
          at(dut.m_axi_awready_i, 1),
          at(dut.m_axi_awaddr_o, kAxiAddrBits),
          at(dut.m_axi_awlen_o, 8),
          at(dut.m_axi_wvalid_o, 1),
          at(dut.m_axi_wready_i, 1),
          at(dut.m_axi_wdata_o, 8 * beat_bytes),
          at(dut.m_axi_wstrb_o, beat_bytes),
          at(dut.m_axi_wlast_o, 1),
          at(dut.m_axi_bvalid_i, 1),
          at(dut.m_axi_bready_o, 1),
          at(dut.m_axi_bresp_i, 2)};
}

// What read and write ports share: bursts in order, their start times, refresh.
class AxiPort : public Port {
 public:
  AxiTiming timing;
  uint64_t bursts = 0, beats = 0;  // since the start, for figures
  bool idle() const { return queue_.empty(); }
  bool samples_last() const override { return true; }

 protected:
  struct Burst {
    uint64_t addr;
    uint64_t beats;
    uint64_t ready_at;  // first cycle in which data may move
    uint64_t done = 0;
  };

  AxiPort(AxiMemory& memory, size_t beat_bytes, AxiTiming t)
      : timing(t), memory_(memory), beat_bytes_(beat_bytes) {}

  // Checks a burst and puts it into the queue.
  void take(uint64_t addr, uint64_t len, int latency) {
    const uint64_t bytes = (len + 1) * beat_bytes_;
    if (addr % beat_bytes_ != 0)
      fail("AXI address {:#x}: expected a multiple of the beat, {} bytes", addr, beat_bytes_);
    if (addr / kAxiBoundary != (addr + bytes - 1) / kAxiBoundary) {
      fail("AXI burst at {:#x} of {} bytes crosses a 4 KB boundary", addr, bytes);
    }
    uint64_t ready_at = cycle_ + static_cast<uint64_t>(latency);
    if (timing.row_bytes != 0 && addr / timing.row_bytes != row_) {
      ready_at += static_cast<uint64_t>(timing.row_miss);
      row_ = addr / timing.row_bytes;
    }
    queue_.push_back({addr, len + 1, ready_at});
    ++bursts;
  }

  bool refreshing() const {
    return timing.refresh_every != 0 &&
           cycle_ % timing.refresh_every < static_cast<uint64_t>(timing.refresh_cycles);
  }

  // A payload must stay while its valid waits for ready.
  static void check_held(bool held, bool valid, bool same, const char* channel) {
    if (held && (!valid || !same)) fail("AXI {} changed before it was taken", channel);
  }

  AxiMemory& memory_;
  size_t beat_bytes_;
  std::deque<Burst> queue_;
  uint64_t cycle_ = 0, next_beat_ = 0, row_ = ~uint64_t{0};
};

class AxiReadPort : public AxiPort {
 public:
  AxiReadPort(AxiMemory& memory, AxiReadSignals signals, AxiTiming t = {})
      : AxiPort(memory, signals.rdata.bytes().size(), t), s_(signals) {
    drive_idle();
  }
  std::function<void(uint64_t, size_t)> on_read;  // address, bytes of each beat when it is taken

  void before_edge() override {
    if (s_.rst_n.get() == 0) {
      in_reset_ = true;
      return;
    }
    const bool arvalid = s_.arvalid.get() != 0;
    if (arvalid || ar_held_) {
      const uint64_t addr = s_.araddr.get(), len = s_.arlen.get();
      check_held(ar_held_, arvalid, addr == ar_addr_ && len == ar_len_, "AR");
      if (arvalid && arready_) take(addr, len, timing.latency);
      ar_held_ = arvalid && !arready_;
      ar_addr_ = addr;
      ar_len_ = len;
    }
    if (rvalid_ && s_.rready.get() != 0) {
      auto& burst = queue_.front();
      if (on_read) on_read(burst.addr + burst.done * beat_bytes_, beat_bytes_);
      ++beats;
      next_beat_ = cycle_ + static_cast<uint64_t>(timing.cycles_per_beat);
      if (++burst.done == burst.beats) queue_.pop_front();
      rvalid_ = false;
    }
  }

  Refusal refused() const override { return ar_held_ ? Refusal::kMemory : Refusal::kNone; }

  void after_edge() override {
    ++cycle_;
    if (in_reset_) {
      in_reset_ = false;
      queue_.clear();
      drive_idle();
      return;
    }
    const bool ready = queue_.size() < timing.outstanding && !timing.stall_address();
    if (ready != arready_) s_.arready.set(ready ? 1 : 0);
    arready_ = ready;
    if (rvalid_) return;  // waits for rready, unchanged
    if (queue_.empty() || queue_.front().ready_at > cycle_ || next_beat_ > cycle_ || refreshing() ||
        timing.stall_data()) {
      if (driven_) s_.rvalid.set(0);
      driven_ = false;
      return;
    }
    const auto& burst = queue_.front();
    const uint64_t addr = burst.addr + burst.done * beat_bytes_;
    memory_.read(addr, s_.rdata.bytes());
    s_.rresp.set(static_cast<uint64_t>(memory_.response(addr, beat_bytes_)));
    s_.rlast.set(burst.done + 1 == burst.beats ? 1 : 0);
    s_.rvalid.set(1);
    rvalid_ = driven_ = true;
  }

 private:
  void drive_idle() {
    s_.arready.set(0);
    s_.rvalid.set(0);
    arready_ = rvalid_ = driven_ = ar_held_ = false;
  }

  AxiReadSignals s_;
  bool arready_ = false, rvalid_ = false, driven_ = false, ar_held_ = false, in_reset_ = false;
  uint64_t ar_addr_ = 0, ar_len_ = 0;
};

class AxiWritePort : public AxiPort {
 public:
  AxiWritePort(AxiMemory& memory, AxiWriteSignals signals, AxiTiming t = {})
      : AxiPort(memory, signals.wdata.bytes().size(), t), s_(signals) {
    drive_idle();
  }
  std::function<void(uint64_t, size_t)> on_write;  // address, bytes of each beat when it is taken

  void before_edge() override {
    if (s_.rst_n.get() == 0) {
      in_reset_ = true;
      return;
    }
    if (bvalid_ && s_.bready.get() != 0) {
      responses_.pop_front();
      bvalid_ = false;
    }
    const bool awvalid = s_.awvalid.get() != 0;
    if (awvalid || aw_held_) {
      const uint64_t addr = s_.awaddr.get(), len = s_.awlen.get();
      check_held(aw_held_, awvalid, addr == aw_addr_ && len == aw_len_, "AW");
      if (awvalid && awready_) take(addr, len, 0);
      aw_held_ = awvalid && !awready_;
      aw_addr_ = addr;
      aw_len_ = len;
    }
    const bool wvalid = s_.wvalid.get() != 0;
    if (!wvalid && !w_held_) return;
    const auto data = s_.wdata.bytes();
    if (w_held_) {
      check_held(true, wvalid, std::equal(data.begin(), data.end(), w_data_.begin(), w_data_.end()), "W");
    }
    w_held_ = wvalid && !wready_;
    if (w_held_) w_data_.assign(data.begin(), data.end());
    if (wvalid && wready_) take_beat(data);
  }

  Refusal refused() const override {
    return aw_held_ || (w_held_ && refuses_data_) ? Refusal::kMemory : Refusal::kNone;
  }

  void after_edge() override {
    ++cycle_;
    if (in_reset_) {
      in_reset_ = false;
      queue_.clear();
      responses_.clear();
      drive_idle();
      return;
    }
    const bool room = queue_.size() + responses_.size() < timing.outstanding;
    set_if_changed(s_.awready, awready_, room && !timing.stall_address());
    // Data waits for its address, and for the rows and refreshes of the memory.
    const bool takes = !queue_.empty() && queue_.front().ready_at <= cycle_ && next_beat_ <= cycle_ &&
                       !refreshing() && !timing.stall_data();
    set_if_changed(s_.wready, wready_, takes);
    refuses_data_ = !queue_.empty() && !takes;
    if (bvalid_) return;
    const bool respond = !responses_.empty() && responses_.front().at <= cycle_ && !timing.stall_response();
    if (respond) s_.bresp.set(static_cast<uint64_t>(responses_.front().resp));
    if (respond != b_driven_) s_.bvalid.set(respond ? 1 : 0);
    bvalid_ = b_driven_ = respond;
  }

  bool quiet() const { return queue_.empty() && responses_.empty(); }

 private:
  struct Response {
    uint64_t at;
    AxiResp resp;
  };

  static void set_if_changed(const Slice& port, bool& state, bool value) {
    if (value != state) port.set(value ? 1 : 0);
    state = value;
  }

  void take_beat(std::span<const uint8_t> data) {
    auto& burst = queue_.front();
    const uint64_t addr = burst.addr + burst.done * beat_bytes_;
    const auto resp = memory_.response(addr, beat_bytes_);
    if (resp != AxiResp::kOkay) resp_ = resp;
    if (resp == AxiResp::kOkay) {
      const auto strobe = strobes();
      for (size_t i = 0; i < beat_bytes_;) {
        size_t end = i;
        while (end < beat_bytes_ && strobe[end]) ++end;
        if (end > i) memory_.write(addr + i, data.subspan(i, end - i));
        i = end + 1;
      }
    }
    if (on_write) on_write(addr, beat_bytes_);
    ++beats;
    next_beat_ = cycle_ + static_cast<uint64_t>(timing.cycles_per_beat);
    const bool last = ++burst.done == burst.beats;
    if (last != (s_.wlast.get() != 0))
      fail("AXI WLAST does not mark the last beat of the burst at {:#x}", burst.addr);
    if (!last) return;
    queue_.pop_front();
    responses_.push_back({cycle_ + static_cast<uint64_t>(timing.latency), resp_});
    resp_ = AxiResp::kOkay;
  }

  std::vector<bool> strobes() const {
    std::vector<bool> out(beat_bytes_);
    if (beat_bytes_ < 8) {
      const uint64_t bits = s_.wstrb.get();
      for (size_t i = 0; i < beat_bytes_; ++i) out[i] = (bits >> i & 1) != 0;
    } else {
      const auto bits = s_.wstrb.bytes();
      for (size_t i = 0; i < beat_bytes_; ++i) out[i] = (bits[i / 8] >> (i % 8) & 1) != 0;
    }
    return out;
  }

  void drive_idle() {
    s_.awready.set(0);
    s_.wready.set(0);
    s_.bvalid.set(0);
    awready_ = wready_ = bvalid_ = b_driven_ = aw_held_ = w_held_ = false;
    resp_ = AxiResp::kOkay;
  }

  AxiWriteSignals s_;
  std::deque<Response> responses_;
  std::vector<uint8_t> w_data_;
  AxiResp resp_ = AxiResp::kOkay;
  bool awready_ = false, wready_ = false, bvalid_ = false, b_driven_ = false, aw_held_ = false,
       w_held_ = false, in_reset_ = false, refuses_data_ = false;
  uint64_t aw_addr_ = 0, aw_len_ = 0;
};

}  // namespace pimllm::tb

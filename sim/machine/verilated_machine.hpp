// The Machine of one Verilated configuration. MODEL is the class Verilator made, ROOT its ___024root; the
// probed signals of pimllm_top are those of sim/machine/probe.vlt.
#pragma once

#include <verilated.h>
#if VM_TRACE_FST
#include <verilated_fst_c.h>
#endif

#include <array>
#include <cstring>
#include <exception>
#include <memory>
#include <random>
#include <vector>

#include "golden/error.hpp"
#include "rtl/pim/xbar_array_dpi.hpp"
#include "sim/machine/machine.hpp"
#include "sim/machine/packing.hpp"
#include "tb/common/axi_memory.hpp"
#include "tb/common/coverage.hpp"
#include "tb/common/signal.hpp"

namespace pimllm::sim {

template <typename Model>
class VerilatedMachine : public Machine {
 public:
  explicit VerilatedMachine(const MachineOptions& options)
      : options_(options),
        rng_(options.seed),
        context_(std::make_unique<VerilatedContext>()),
        dut_((seed_context(), std::make_unique<Model>(context_.get()))) {
    const size_t beat = sizeof_bytes(dut_->m_axi_fetch_rdata_i);
    const size_t channels = tb::Signal(dut_->m_axi_rdata_i).bytes().size() / beat;
    const tb::Stall stall{&rng_, options.memory.stall};
    fetch_ = std::make_unique<tb::AxiReadPort>(memory_, tb::fetch_signals(*dut_), timing(stall));
    for (size_t c = 0; c < channels; ++c) {
      reads_.push_back(
          std::make_unique<tb::AxiReadPort>(memory_, tb::read_signals(*dut_, c, beat), timing(stall)));
      writes_.push_back(
          std::make_unique<tb::AxiWritePort>(memory_, tb::write_signals(*dut_, c, beat), timing(stall)));
      writes_.back()->on_write = [this](uint64_t address, size_t bytes) { memory_written(address, bytes); };
    }
    if (options.memory.error_at) memory_.add_error(*options.memory.error_at, *options.memory.error_at + 1);
    open_trace();
    find_probes(beat, channels);
    set_noise(options.noise);  // the crossbars take it when they are evaluated first
    reset();
    set_noise({});
  }

  ~VerilatedMachine() override {
    // The model takes its scopes out of the thread's context: make that its own, the last machine's may be
    // gone.
    Verilated::threadContextp(context_.get());
    dut_->final();
    tb::collect_coverage(*context_);
#if VM_TRACE_FST
    if (trace_) trace_->close();
#endif
  }

  void reset() override {
    dut_->rst_ni = 0;
    dut_->s_axil_awvalid_i = 0;
    dut_->s_axil_wvalid_i = 0;
    dut_->s_axil_bready_i = 0;
    dut_->s_axil_arvalid_i = 0;
    dut_->s_axil_rready_i = 0;
    for (int i = 0; i < kResetCycles; ++i) step();
    dut_->rst_ni = 1;
    step();
  }

  void step() override {
    // Inputs changed since the last edge (registers, memory), so the combinational paths settle first.
    dut_->eval();
    dump(0);
    sample(isa::Unit::kSched, *fetch_);
    for (auto& port : reads_) sample(isa::Unit::kDma, *port);
    for (auto& port : writes_) sample(isa::Unit::kDma, *port);
    std::exception_ptr failure;
    if (listener_ != nullptr && dut_->rst_ni != 0) {
      try {
        observe();
      } catch (...) {
        if (!tracing()) throw;
        failure = std::current_exception();
      }
    }
    dut_->clk_i = 1;
    dut_->eval();
    dump(1);
    fetch_->after_edge();
    for (auto& port : reads_) port->after_edge();
    for (auto& port : writes_) port->after_edge();
    dut_->clk_i = 0;
    ++cycles_;
    if (options_.memory.latency_spread != 0) spread_latency();
    if (cycles_ == options_.memory.hang_at) hang_memory(true);
    if (failure) end_with(failure);
  }

  void end_trace() override {
    listener_ = nullptr;
#if VM_TRACE_FST
    const bool ends = options_.trace_to != MachineOptions{}.trace_to;
    while (ends && cycles_ < options_.trace_to) step();
    trace_.reset();
#endif
  }

  uint64_t cycles() const override { return cycles_; }
  bool irq() const override { return dut_->irq_o != 0; }
  tb::AxiMemory& memory() override { return memory_; }
  void listen(Listener* listener) override { listener_ = listener; }

  void hang_memory(bool hang) override {
    const tb::Stall stall{&rng_, hang ? 1.0 : options_.memory.stall};
    const auto set = [&](tb::AxiTiming& t) { t.stall_address = t.stall_data = t.stall_response = stall; };
    set(fetch_->timing);
    for (auto& port : reads_) set(port->timing);
    for (auto& port : writes_) set(port->timing);
  }

  void set_memory_timing(const MemoryTiming& memory, uint64_t seed) override {
    options_.memory = memory;
    rng_.seed(seed);
    const tb::AxiTiming t = timing({&rng_, memory.stall});
    fetch_->timing = t;
    for (auto& port : reads_) port->timing = t;
    for (auto& port : writes_) port->timing = t;
  }

  uint32_t read_register(uint32_t address) override {
    dut_->s_axil_araddr_i = static_cast<uint16_t>(address);
    dut_->s_axil_arvalid_i = 1;
    dut_->s_axil_rready_i = 1;
    bool address_taken = false;
    for (int i = 0; i < kRegisterLimit; ++i) {
      dut_->eval();
      const bool ar = dut_->s_axil_arvalid_i != 0 && dut_->s_axil_arready_o != 0;
      const bool r = dut_->s_axil_rvalid_o != 0;
      const uint32_t value = dut_->s_axil_rdata_o;
      step();
      if (ar) {
        dut_->s_axil_arvalid_i = 0;
        address_taken = true;
      }
      if (r && address_taken) {
        dut_->s_axil_rready_i = 0;
        return value;
      }
    }
    fail("register {:#x}: expected an answer, found none in {} cycles", address, kRegisterLimit);
  }

  void write_register(uint32_t address, uint32_t value) override {
    dut_->s_axil_awaddr_i = static_cast<uint16_t>(address);
    dut_->s_axil_wdata_i = value;
    dut_->s_axil_wstrb_i = 0xF;
    dut_->s_axil_awvalid_i = 1;
    dut_->s_axil_wvalid_i = 1;
    dut_->s_axil_bready_i = 1;
    for (int i = 0; i < kRegisterLimit; ++i) {
      dut_->eval();
      const bool aw = dut_->s_axil_awvalid_i != 0 && dut_->s_axil_awready_o != 0;
      const bool w = dut_->s_axil_wvalid_i != 0 && dut_->s_axil_wready_o != 0;
      const bool b = dut_->s_axil_bvalid_o != 0;
      step();
      if (aw) dut_->s_axil_awvalid_i = 0;
      if (w) dut_->s_axil_wvalid_i = 0;
      if (b) {
        dut_->s_axil_bready_i = 0;
        return;
      }
    }
    fail("register {:#x}: expected a write response, found none in {} cycles", address, kRegisterLimit);
  }

 private:
  static constexpr int kResetCycles = 8;
  static constexpr int kRegisterLimit = 1000;

  // A write port of a unit inside pimllm_top.
  struct Probe {
    isa::Unit unit;
    Space space;
    std::span<const uint8_t> req, gnt, group, address, data, enables;
    size_t port_bit = 0;  // of req and gnt
    size_t address_lsb = 0, address_width = 0;
    size_t group_lsb = 0, group_width = 0;
    size_t data_offset = 0, data_bytes = 0;
  };

  template <typename T>
  static size_t sizeof_bytes(T& port) {
    return tb::Signal(port).bytes().size();
  }

  static void sample(isa::Unit unit, tb::Port& port) {
    try {
      port.before_edge();
    } catch (const Error& error) {
      throw ProtocolError(error.what(), unit);
    }
  }

  static void set_noise(const CrossbarNoise& noise) {
    set_xbar_noise(
        {noise.seed, noise.spread, noise.stuck_hrs, noise.stuck_lrs, noise.read_noise, noise.adc_offset, {}});
  }

  void seed_context() {
    context_->randReset(2);
    context_->randSeed(static_cast<int>(options_.seed & 0x7FFFFFFF) | 1);
    context_->traceEverOn(!options_.trace.empty());
  }

  tb::AxiTiming timing(const tb::Stall& stall) const {
    tb::AxiTiming t;
    t.latency = options_.memory.latency;
    if (stall.probability > 0) t.stall_address = t.stall_data = t.stall_response = stall;
    return t;
  }

  void spread_latency() {
    const auto draw = [this] {
      return options_.memory.latency +
             static_cast<int>(rng_() % static_cast<uint64_t>(options_.memory.latency_spread + 1));
    };
    fetch_->timing.latency = draw();
    for (auto& port : reads_) port->timing.latency = draw();
    for (auto& port : writes_) port->timing.latency = draw();
  }

  void open_trace() {
    if (options_.trace.empty()) return;
#if VM_TRACE_FST
    trace_ = std::make_unique<VerilatedFstC>();
    dut_->trace(trace_.get(), 99);
    trace_->set_time_unit("1ns");
    trace_->set_time_resolution("1ns");
    trace_->open(options_.trace.c_str());
#else
    fail("{}: this build has no tracing, expected a build with -DPIMLLM_TRACE=ON", options_.trace);
#endif
  }

  bool tracing() const {
#if VM_TRACE_FST
    return trace_ != nullptr;
#else
    return false;
#endif
  }

  // Throws what the listener threw, once the trace shows what comes after and is complete.
  [[noreturn]] void end_with(const std::exception_ptr& failure) {
    end_trace();
    std::rethrow_exception(failure);
  }

  void dump([[maybe_unused]] int edge) {
#if VM_TRACE_FST
    if (trace_ && cycles_ >= options_.trace_from && cycles_ < options_.trace_to) {
      trace_->dump(kTraceCycle * cycles_ + (edge != 0 ? kTraceCycle / 2 : 0));
    }
#endif
  }

  template <typename T>
  static std::span<const uint8_t> bytes_of(const T& signal) {
    return {reinterpret_cast<const uint8_t*>(&signal), sizeof(T)};
  }

  static size_t bits_for(size_t values) {
    size_t width = 0;
    while ((size_t{1} << width) < values) ++width;
    return std::max<size_t>(width, 1);
  }

  void find_probes(size_t beat, size_t channels);
  void observe();

  void memory_written(uint64_t address, size_t bytes) {
    if (listener_ == nullptr) return;
    std::vector<uint8_t> data(bytes);
    memory_.read(address, data);
    listener_->on_write({isa::Unit::kDma, Space::kMemory, 0, address, data, {}});
  }

  MachineOptions options_;
  std::mt19937_64 rng_;
  std::unique_ptr<VerilatedContext> context_;
  tb::AxiMemory memory_;
  std::unique_ptr<Model> dut_;
#if VM_TRACE_FST
  std::unique_ptr<VerilatedFstC> trace_;
#endif
  std::unique_ptr<tb::AxiReadPort> fetch_;
  std::vector<std::unique_ptr<tb::AxiReadPort>> reads_;
  std::vector<std::unique_ptr<tb::AxiWritePort>> writes_;
  std::vector<Probe> probes_;
  std::span<const uint8_t> cmd_valid_, cmd_ready_, cmd_, done_;
  Listener* listener_ = nullptr;
  uint64_t cycles_ = 0;
};

template <typename Model>
void VerilatedMachine<Model>::observe() {
  const auto taken = static_cast<unsigned>(cmd_valid_[0] & cmd_ready_[0]);
  for (size_t i = 0; taken != 0 && i < kPortUnits.size(); ++i) {
    if ((taken >> i & 1) != 0) listener_->on_command(kPortUnits[i], unpack_command(cmd_, i));
  }
  for (const auto& probe : probes_) {
    if ((probe.req[0] >> probe.port_bit & probe.gnt[0] >> probe.port_bit & 1) == 0) continue;
    listener_->on_write({probe.unit, probe.space,
                         probe.group.empty() ? 0U
                                             : static_cast<uint32_t>(bit_field(probe.group, probe.group_lsb,
                                                                               probe.group_width)),
                         bit_field(probe.address, probe.address_lsb, probe.address_width),
                         probe.data.subspan(probe.data_offset, probe.data_bytes), probe.enables});
  }
  for (size_t i = 0; done_[0] != 0 && i < kPortUnits.size(); ++i) {
    if ((done_[0] >> i & 1) != 0) listener_->on_done(kPortUnits[i]);
  }
}

template <typename Model>
void VerilatedMachine<Model>::find_probes(size_t beat, size_t channels) {
  auto* root = dut_->rootp;
  cmd_valid_ = bytes_of(root->pimllm_top__DOT__cmd_valid);
  cmd_ready_ = bytes_of(root->pimllm_top__DOT__cmd_ready);
  cmd_ = bytes_of(root->pimllm_top__DOT__cmd);
  done_ = bytes_of(root->pimllm_top__DOT__done);
  const auto linear = [this](isa::Unit unit, Space space, const auto& req, const auto& gnt,
                             const auto& address, const auto& data, const auto& enables, size_t word_bytes) {
    probes_.push_back({unit,
                       space,
                       bytes_of(req),
                       bytes_of(gnt),
                       {},
                       bytes_of(address),
                       bytes_of(data),
                       bytes_of(enables),
                       0,
                       0,
                       8 * sizeof(address),
                       0,
                       0,
                       0,
                       word_bytes});
  };
#define PIMLLM_PROBE(UNIT, prefix, SPACE, space, word_bytes)                                \
  linear(isa::Unit::UNIT, Space::SPACE, root->pimllm_top__DOT__##prefix##_##space##_wr_req, \
         root->pimllm_top__DOT__##prefix##_##space##_wr_gnt,                                \
         root->pimllm_top__DOT__##prefix##_##space##_wr_addr,                               \
         root->pimllm_top__DOT__##prefix##_##space##_wr_data,                               \
         root->pimllm_top__DOT__##prefix##_##space##_wr_be, word_bytes)
  const size_t act_bytes = sizeof(root->pimllm_top__DOT__vec_act_wr_data);
  const size_t scr_bytes = sizeof(root->pimllm_top__DOT__arr_scr_wr_data);
  const size_t scl_bytes = 4;
  PIMLLM_PROBE(kVec, vec, kAct, act, act_bytes);
  PIMLLM_PROBE(kVec, vec, kScr, scr, scr_bytes);
  PIMLLM_PROBE(kVec, vec, kKvs, kvs, scr_bytes);
  PIMLLM_PROBE(kVec, vec, kScl, scl, scl_bytes);
  PIMLLM_PROBE(kPim, pim, kAct, act, act_bytes);
  PIMLLM_PROBE(kArr, arr, kScr, scr, scr_bytes);
  PIMLLM_PROBE(kSmx, smx, kScr, scr, scr_bytes);
  PIMLLM_PROBE(kSmx, smx, kScl, scl, scl_bytes);
  PIMLLM_PROBE(kDma, dma, kAct, act, act_bytes);
  PIMLLM_PROBE(kDma, dma, kScr, scr, scr_bytes);
  PIMLLM_PROBE(kDma, dma, kKvs, kvs, scr_bytes);
  PIMLLM_PROBE(kDma, dma, kScl, scl, scl_bytes);
#undef PIMLLM_PROBE
  const size_t rows = Model::kKvRows, groups = Model::kGroups;
  const size_t address_width = bits_for(rows), group_width = bits_for(groups);
  probes_.push_back({isa::Unit::kVec, Space::kKv, bytes_of(root->pimllm_top__DOT__kva_req),
                     bytes_of(root->pimllm_top__DOT__kva_gnt), bytes_of(root->pimllm_top__DOT__kva_group),
                     bytes_of(root->pimllm_top__DOT__kva_addr), bytes_of(root->pimllm_top__DOT__kva_data),
                     bytes_of(root->pimllm_top__DOT__kva_be), 0, 0, address_width, 0, group_width, 0, beat});
  for (size_t c = 0; c < channels; ++c) {
    probes_.push_back({isa::Unit::kDma,
                       Space::kKv,
                       bytes_of(root->pimllm_top__DOT__dkv_wr_req),
                       bytes_of(root->pimllm_top__DOT__dkv_wr_gnt),
                       bytes_of(root->pimllm_top__DOT__dkv_wr_group),
                       bytes_of(root->pimllm_top__DOT__dkv_wr_addr),
                       bytes_of(root->pimllm_top__DOT__dkv_wr_data),
                       {},
                       c,
                       c * address_width,
                       address_width,
                       c * group_width,
                       group_width,
                       c * beat,
                       beat});
  }
}

}  // namespace pimllm::sim

// AXI4-Lite master on the s_axil_* ports of a model: one register access at a time, with optional random
// delays.
#pragma once

#include <cstdint>
#include <functional>
#include <random>

#include "golden/error.hpp"

namespace pimllm::tb {

struct AxiLiteReply {
  uint32_t data = 0;
  uint8_t resp = 0;  // 0 OKAY, 2 SLVERR
};

// `step` runs one clock cycle in which the model's inputs are held; `settle`d outputs are seen before each
// step.
template <typename Model>
class AxiLiteMaster {
 public:
  AxiLiteMaster(Model& dut, std::function<void()> step) : dut_(dut), step_(std::move(step)) { idle(); }
  std::mt19937_64* rng = nullptr;  // set: address, data and ready come after random delays

  void idle() {
    dut_.s_axil_awvalid_i = dut_.s_axil_wvalid_i = dut_.s_axil_arvalid_i = 0;
    dut_.s_axil_bready_i = dut_.s_axil_rready_i = 0;
  }

  AxiLiteReply write_access(uint32_t addr, uint32_t data, uint8_t strobe = 0xF) {
    int aw_delay = delay(), w_delay = delay(), b_delay = delay();
    bool aw_sent = false, w_sent = false;
    for (int cycle = 0; cycle < kLimit; ++cycle) {
      dut_.s_axil_awvalid_i = !aw_sent && aw_delay-- <= 0;
      dut_.s_axil_awaddr_i = addr;
      dut_.s_axil_wvalid_i = !w_sent && w_delay-- <= 0;
      dut_.s_axil_wdata_i = data;
      dut_.s_axil_wstrb_i = strobe;
      dut_.s_axil_bready_i = b_delay-- <= 0;
      dut_.eval();
      const bool aw = dut_.s_axil_awvalid_i && dut_.s_axil_awready_o;
      const bool w = dut_.s_axil_wvalid_i && dut_.s_axil_wready_o;
      const bool b = dut_.s_axil_bvalid_o && dut_.s_axil_bready_i;
      const uint8_t resp = dut_.s_axil_bresp_o;
      step_();
      aw_sent |= aw;
      w_sent |= w;
      if (b) {
        idle();
        return {0, resp};
      }
    }
    throw Error("AXI4-Lite write is not answered");
  }

  AxiLiteReply read_access(uint32_t addr) {
    int ar_delay = delay(), r_delay = delay();
    bool ar_sent = false;
    for (int cycle = 0; cycle < kLimit; ++cycle) {
      dut_.s_axil_arvalid_i = !ar_sent && ar_delay-- <= 0;
      dut_.s_axil_araddr_i = addr;
      dut_.s_axil_rready_i = r_delay-- <= 0;
      dut_.eval();
      const bool ar = dut_.s_axil_arvalid_i && dut_.s_axil_arready_o;
      const bool r = dut_.s_axil_rvalid_o && dut_.s_axil_rready_i;
      const AxiLiteReply reply{dut_.s_axil_rdata_o, dut_.s_axil_rresp_o};
      step_();
      ar_sent |= ar;
      if (r) {
        idle();
        return reply;
      }
    }
    throw Error("AXI4-Lite read is not answered");
  }

  void write(uint32_t addr, uint32_t data) {
    if (write_access(addr, data).resp != 0) throw Error("AXI4-Lite write is answered with an error");
  }
  uint32_t read(uint32_t addr) {
    const auto reply = read_access(addr);
    if (reply.resp != 0) throw Error("AXI4-Lite read is answered with an error");
    return reply.data;
  }

 private:
  static constexpr int kLimit = 1000;
  static constexpr int kMaxDelay = 5;
  int delay() { return rng == nullptr ? 0 : static_cast<int>((*rng)() % kMaxDelay); }

  Model& dut_;
  std::function<void()> step_;
};

}  // namespace pimllm::tb

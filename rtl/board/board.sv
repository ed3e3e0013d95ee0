// A whole board: the machine, its memory in block RAM and the serial bridge as its host. Boards differ in the module around
// this one (clock, pins), docs/fpga.md.
//
// The memory and the crossbars hold a compiled model at power-up, from files in ImagePath. led_o: 0 alive, 1 memory is
// read, 2 the machine stopped with an error, 3 a byte is on the line.
`include "assert.svh"

module board
  import pimllm_pkg::*;
#(
    parameter int unsigned ArrayRows = 4,
    parameter int unsigned ArrayCols = 4,
    parameter int unsigned MemChannels = 1,
    parameter int unsigned ChannelBytes = 8,
    parameter int unsigned XbarRows = 32,
    parameter int unsigned XbarCols = 32,
    parameter int unsigned XbarSets = 2,
    parameter int unsigned XbarSlots = 256,
    parameter int unsigned XbarAdcs = 4,
    parameter int unsigned AdcBits = 7,
    parameter int unsigned DigitalXbar = 1,
    parameter int unsigned VecLanes = 2,
    parameter int unsigned KvRows = 1024,
    parameter int unsigned ActWords = 2048,
    parameter int unsigned ScrWords = 512,
    parameter int unsigned KvsWords = 256,
    parameter int unsigned SclWords = 512,
    parameter int unsigned QueueDepth = 4,
    parameter int unsigned ScrBanks = 1,
    parameter int unsigned MemWords = 22528,  // of eight bytes
    parameter string ImagePath = "",  // with a slash at its end
    parameter int unsigned ClkPerBit = 25,
    parameter int unsigned GapCycles = 250_000
) (
    input  logic       clk_i,
    input  logic       rst_ni,
    input  logic       rx_i,
    output logic       tx_o,
    output logic [3:0] led_o
);

  // Readers of the memory, in the order of their priority.
  localparam int unsigned Readers = 3;
  localparam int unsigned Data = 0;
  localparam int unsigned Fetch = 1;
  localparam int unsigned Bridge = 2;
  localparam int unsigned BlinkWidth = 24;

  logic irq, stopped;
  logic [BlinkWidth-1:0] blink_q;

  logic axil_awvalid, axil_awready, axil_wvalid, axil_wready, axil_bvalid, axil_bready;
  logic axil_arvalid, axil_arready, axil_rvalid, axil_rready;
  logic [9:0] axil_awaddr, axil_araddr;
  logic [31:0] axil_wdata, axil_rdata;
  logic [1:0] axil_bresp, axil_rresp;

  logic [Readers-1:0] arvalid, arready, rvalid, rready;
  logic [Readers-1:0][MemAddrWidth-1:0] araddr;
  logic [Readers-1:0][7:0] arlen;
  logic [63:0] rdata, wdata;
  logic [1:0] rresp, bresp;
  logic rlast, awvalid, awready, wvalid, wready, wlast, bvalid, bready;
  logic [MemAddrWidth-1:0] awaddr;
  logic [7:0] awlen, wstrb;

  pimllm_top #(
      .ArrayRows(ArrayRows),
      .ArrayCols(ArrayCols),
      .MemChannels(MemChannels),
      .ChannelBytes(ChannelBytes),
      .XbarRows(XbarRows),
      .XbarCols(XbarCols),
      .XbarSets(XbarSets),
      .XbarSlots(XbarSlots),
      .XbarAdcs(XbarAdcs),
      .AdcBits(AdcBits),
      .DigitalXbar(DigitalXbar),
      .XbarInit({ImagePath, "crossbar"}),
      .VecLanes(VecLanes),
      .KvRows(KvRows),
      .ActWords(ActWords),
      .ScrWords(ScrWords),
      .KvsWords(KvsWords),
      .SclWords(SclWords),
      .QueueDepth(QueueDepth),
      .ScrBanks(ScrBanks)
  ) u_machine (
      .clk_i,
      .rst_ni,
      .irq_o(irq),
      .s_axil_awvalid_i(axil_awvalid),
      .s_axil_awready_o(axil_awready),
      .s_axil_awaddr_i(axil_awaddr),
      .s_axil_wvalid_i(axil_wvalid),
      .s_axil_wready_o(axil_wready),
      .s_axil_wdata_i(axil_wdata),
      .s_axil_wstrb_i('1),
      .s_axil_bvalid_o(axil_bvalid),
      .s_axil_bready_i(axil_bready),
      .s_axil_bresp_o(axil_bresp),
      .s_axil_arvalid_i(axil_arvalid),
      .s_axil_arready_o(axil_arready),
      .s_axil_araddr_i(axil_araddr),
      .s_axil_rvalid_o(axil_rvalid),
      .s_axil_rready_i(axil_rready),
      .s_axil_rdata_o(axil_rdata),
      .s_axil_rresp_o(axil_rresp),
      .m_axi_fetch_arvalid_o(arvalid[Fetch]),
      .m_axi_fetch_arready_i(arready[Fetch]),
      .m_axi_fetch_araddr_o(araddr[Fetch]),
      .m_axi_fetch_arlen_o(arlen[Fetch]),
      .m_axi_fetch_rvalid_i(rvalid[Fetch]),
      .m_axi_fetch_rready_o(rready[Fetch]),
      .m_axi_fetch_rdata_i(rdata),
      .m_axi_fetch_rresp_i(rresp),
      .m_axi_fetch_rlast_i(rlast),
      .m_axi_arvalid_o(arvalid[Data]),
      .m_axi_arready_i(arready[Data]),
      .m_axi_araddr_o(araddr[Data]),
      .m_axi_arlen_o(arlen[Data]),
      .m_axi_rvalid_i(rvalid[Data]),
      .m_axi_rready_o(rready[Data]),
      .m_axi_rdata_i(rdata),
      .m_axi_rresp_i(rresp),
      .m_axi_rlast_i(rlast),
      .m_axi_awvalid_o(awvalid),
      .m_axi_awready_i(awready),
      .m_axi_awaddr_o(awaddr),
      .m_axi_awlen_o(awlen),
      .m_axi_wvalid_o(wvalid),
      .m_axi_wready_i(wready),
      .m_axi_wdata_o(wdata),
      .m_axi_wstrb_o(wstrb),
      .m_axi_wlast_o(wlast),
      .m_axi_bvalid_i(bvalid),
      .m_axi_bready_o(bready),
      .m_axi_bresp_i(bresp)
  );

  board_memory #(
      .Words(MemWords),
      .ImageFile({ImagePath, "memory.hex"}),
      .Readers(Readers)
  ) u_memory (
      .clk_i,
      .rst_ni,
      .arvalid_i(arvalid),
      .arready_o(arready),
      .araddr_i (araddr),
      .arlen_i  (arlen),
      .rvalid_o (rvalid),
      .rready_i (rready),
      .rdata_o  (rdata),
      .rresp_o  (rresp),
      .rlast_o  (rlast),
      .awvalid_i(awvalid),
      .awready_o(awready),
      .awaddr_i (awaddr),
      .wvalid_i (wvalid),
      .wready_o (wready),
      .wdata_i  (wdata),
      .wstrb_i  (wstrb),
      .wlast_i  (wlast),
      .bvalid_o (bvalid),
      .bready_i (bready),
      .bresp_o  (bresp)
  );

  uart_bridge #(
      .ClkPerBit(ClkPerBit),
      .GapCycles(GapCycles)
  ) u_bridge (
      .clk_i,
      .rst_ni,
      .rx_i,
      .tx_o,
      .irq_i(irq),
      .stopped_o(stopped),
      .m_axil_awvalid_o(axil_awvalid),
      .m_axil_awready_i(axil_awready),
      .m_axil_awaddr_o(axil_awaddr),
      .m_axil_wvalid_o(axil_wvalid),
      .m_axil_wready_i(axil_wready),
      .m_axil_wdata_o(axil_wdata),
      .m_axil_bvalid_i(axil_bvalid),
      .m_axil_bready_o(axil_bready),
      .m_axil_bresp_i(axil_bresp),
      .m_axil_arvalid_o(axil_arvalid),
      .m_axil_arready_i(axil_arready),
      .m_axil_araddr_o(axil_araddr),
      .m_axil_rvalid_i(axil_rvalid),
      .m_axil_rready_o(axil_rready),
      .m_axil_rdata_i(axil_rdata),
      .m_axil_rresp_i(axil_rresp),
      .m_axi_arvalid_o(arvalid[Bridge]),
      .m_axi_arready_i(arready[Bridge]),
      .m_axi_araddr_o(araddr[Bridge]),
      .m_axi_rvalid_i(rvalid[Bridge]),
      .m_axi_rready_o(rready[Bridge]),
      .m_axi_rdata_i(rdata),
      .m_axi_rresp_i(rresp)
  );
  assign arlen[Bridge] = '0;

  // --- lights --------------------------------------------------------------------------------------------------------
  always_ff @(posedge clk_i) begin
    if (!rst_ni) blink_q <= '0;
    else blink_q <= blink_q + 1'b1;
  end
  assign led_o = {!(rx_i && tx_o), stopped, rvalid != '0, blink_q[BlinkWidth-1]};

  logic unused_len;
  assign unused_len = ^awlen;

  `ASSERT_INIT(OneChannelOfEightBytes, MemChannels == 1 && ChannelBytes == 8)
  `ASSERT_INIT(Synthesizable, DigitalXbar == 1)

endmodule

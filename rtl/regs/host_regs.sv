// Host-visible registers: the block generated from pimllm_regs.rdl, with the machine's parameters in its discovery part.
//
// AXI4-Lite, 32 bits, up to two accesses in flight; read data two cycles after the address. An address without a register
// is answered with SLVERR. The *_o pulses of CONTROL come the cycle after the write is accepted.
`include "assert.svh"

module host_regs
  import sched_pkg::*;
#(
    parameter int unsigned ArrayRows = 4,
    parameter int unsigned ArrayCols = 4,
    parameter int unsigned MemChannels = 2,
    parameter int unsigned ChannelBytes = 8,
    parameter int unsigned XbarRows = 16,
    parameter int unsigned XbarCols = 16,
    parameter int unsigned XbarSets = 2,
    parameter int unsigned XbarSlots = 16,
    parameter int unsigned XbarAdcs = 8,
    parameter int unsigned AdcBits = 5,
    parameter int unsigned VecLanes = 4,
    parameter int unsigned KvRows = 512,
    parameter int unsigned ActWords = 512,
    parameter int unsigned ScrWords = 256,
    parameter int unsigned KvsWords = 128,
    parameter int unsigned SclWords = 256,
    parameter int unsigned QueueDepth = 4,
    parameter int unsigned IbufLines = 64
) (
    input  logic clk_i,
    input  logic rst_ni,

    input  logic        s_axil_awvalid_i,
    output logic        s_axil_awready_o,
    input  logic [9:0]  s_axil_awaddr_i,
    input  logic        s_axil_wvalid_i,
    output logic        s_axil_wready_o,
    input  logic [31:0] s_axil_wdata_i,
    input  logic [3:0]  s_axil_wstrb_i,
    output logic        s_axil_bvalid_o,
    input  logic        s_axil_bready_i,
    output logic [1:0]  s_axil_bresp_o,
    input  logic        s_axil_arvalid_i,
    output logic        s_axil_arready_o,
    input  logic [9:0]  s_axil_araddr_i,
    output logic        s_axil_rvalid_o,
    input  logic        s_axil_rready_i,
    output logic [31:0] s_axil_rdata_o,
    output logic [1:0]  s_axil_rresp_o,

    output logic start_o,
    output logic stop_o,
    output logic soft_reset_o,
    output logic clear_counters_o,

    input  logic                    busy_i,
    input  logic                    done_i,
    input  logic                    error_i,
    input  isa_pkg::error_e         error_code_i,
    input  logic [UnitIdWidth-1:0]  error_unit_i,
    input  logic [TracePcWidth-1:0] error_pc_i,
    input  logic                    done_event_i,
    input  logic                    error_event_i,
    input  logic                    token_event_i,
    output logic                    irq_o,

    output logic [pimllm_pkg::MemAddrWidth-1:0]  program_base_o,
    output logic [31:0]                          watchdog_limit_o,
    output logic [31:0]                          token_in_o,
    output logic [31:0]                          position_o,
    output logic [31:0]                          tokens_left_o,
    output logic [3:0][pimllm_pkg::RegWidth-1:0] args_o,
    input  logic                                 position_we_i,
    input  logic                                 tokens_left_we_i,
    input  logic [31:0]                          csr_data_i,
    input  logic [31:0]                          token_out_i,
    input  logic [31:0]                          token_count_i,

    output logic [15:0] rows_per_conv_o,
    output logic [2:0]  lsb_shift_o,
    output logic [3:0]  adc_bits_o,
    input  logic [31:0] clip_count_i,

    input  logic [CounterWidth-1:0] counters_i[NumCounters]
);

  // After reset a conversion drives as many rows as its codes can tell apart.
  localparam int unsigned CodeRows = 1 << (AdcBits - 1);
  localparam int unsigned DefaultRows = CodeRows < XbarRows ? CodeRows : XbarRows;

  pimllm_regs_pkg::pimllm_regs__in_t hwif_in;
  pimllm_regs_pkg::pimllm_regs__out_t hwif_out;

  pimllm_regs u_regs (
      .clk(clk_i),
      .rst_n(rst_ni),
      .s_axil_awvalid(s_axil_awvalid_i),
      .s_axil_awready(s_axil_awready_o),
      .s_axil_awaddr(s_axil_awaddr_i),
      .s_axil_wvalid(s_axil_wvalid_i),
      .s_axil_wready(s_axil_wready_o),
      .s_axil_wdata(s_axil_wdata_i),
      .s_axil_wstrb(s_axil_wstrb_i),
      .s_axil_bvalid(s_axil_bvalid_o),
      .s_axil_bready(s_axil_bready_i),
      .s_axil_bresp(s_axil_bresp_o),
      .s_axil_arvalid(s_axil_arvalid_i),
      .s_axil_arready(s_axil_arready_o),
      .s_axil_araddr(s_axil_araddr_i),
      .s_axil_rvalid(s_axil_rvalid_o),
      .s_axil_rready(s_axil_rready_i),
      .s_axil_rdata(s_axil_rdata_o),
      .s_axil_rresp(s_axil_rresp_o),
      .s_axil_awprot('0),
      .s_axil_arprot('0),
      .hwif_in,
      .hwif_out
  );

  assign start_o = hwif_out.CONTROL.start.value;
  assign stop_o = hwif_out.CONTROL.stop.value;
  assign soft_reset_o = hwif_out.CONTROL.soft_reset.value;
  assign clear_counters_o = hwif_out.CONTROL.clear_counters.value;
  assign program_base_o = {hwif_out.PROGRAM_BASE_HI.addr.value, hwif_out.PROGRAM_BASE_LO.addr.value};
  assign watchdog_limit_o = hwif_out.WATCHDOG_LIMIT.cycles.value;
  assign token_in_o = hwif_out.TOKEN_IN.value.value;
  assign position_o = hwif_out.POSITION.value.value;
  assign tokens_left_o = hwif_out.TOKENS_LEFT.value.value;
  assign args_o = {
    hwif_out.ARG3_HI.value.value,
    hwif_out.ARG3.value.value,
    hwif_out.ARG2_HI.value.value,
    hwif_out.ARG2.value.value,
    hwif_out.ARG1_HI.value.value,
    hwif_out.ARG1.value.value,
    hwif_out.ARG0_HI.value.value,
    hwif_out.ARG0.value.value
  };
  assign rows_per_conv_o = hwif_out.ROWS_PER_CONV.value.value;
  assign lsb_shift_o = hwif_out.LSB_SHIFT.value.value;
  assign adc_bits_o = hwif_out.ADC_BITS.value.value;
  assign irq_o = (hwif_out.IRQ_STATE.done.value && hwif_out.IRQ_ENABLE.done.value) ||
      (hwif_out.IRQ_STATE.error.value && hwif_out.IRQ_ENABLE.error.value) ||
      (hwif_out.IRQ_STATE.token.value && hwif_out.IRQ_ENABLE.token.value);

  always_comb begin
    hwif_in.default_rows_per_conv = 16'(DefaultRows);
    hwif_in.default_adc_bits = 4'(AdcBits);
    hwif_in.STATUS.busy.next = busy_i;
    hwif_in.STATUS.done.next = done_i;
    hwif_in.STATUS.error.next = error_i;
    hwif_in.ERROR_CAUSE.cause.next = error_code_i;
    hwif_in.ERROR_CAUSE.unit.next = error_unit_i;
    hwif_in.ERROR_PC.pc.next = error_pc_i;
    hwif_in.IRQ_STATE.done.hwset = done_event_i;
    hwif_in.IRQ_STATE.error.hwset = error_event_i;
    hwif_in.IRQ_STATE.token.hwset = token_event_i;
    hwif_in.POSITION.value.next = csr_data_i;
    hwif_in.POSITION.value.we = position_we_i;
    hwif_in.TOKENS_LEFT.value.next = csr_data_i;
    hwif_in.TOKENS_LEFT.value.we = tokens_left_we_i;
    hwif_in.TOKEN_OUT.value.next = token_out_i;
    hwif_in.TOKEN_COUNT.value.next = token_count_i;
    hwif_in.CLIP_COUNT.value.next = clip_count_i;

    hwif_in.ARRAY_ROWS.value.next = 32'(ArrayRows);
    hwif_in.ARRAY_COLS.value.next = 32'(ArrayCols);
    hwif_in.MEM_CHANNELS.value.next = 32'(MemChannels);
    hwif_in.CHANNEL_BYTES.value.next = 32'(ChannelBytes);
    hwif_in.XBAR_ROWS.value.next = 32'(XbarRows);
    hwif_in.XBAR_COLS.value.next = 32'(XbarCols);
    hwif_in.XBAR_SETS.value.next = 32'(XbarSets);
    hwif_in.XBAR_SLOTS.value.next = 32'(XbarSlots);
    hwif_in.XBAR_ADCS.value.next = 32'(XbarAdcs);
    hwif_in.MAX_ADC_BITS.value.next = 32'(AdcBits);
    hwif_in.VEC_LANES.value.next = 32'(VecLanes);
    hwif_in.SMX_LANES.value.next = 32'(ArrayCols / 2);
    hwif_in.KV_ROWS.value.next = 32'(KvRows);
    hwif_in.ACT_WORDS.value.next = 32'(ActWords);
    hwif_in.SCR_WORDS.value.next = 32'(ScrWords);
    hwif_in.KVS_WORDS.value.next = 32'(KvsWords);
    hwif_in.SCL_WORDS.value.next = 32'(SclWords);
    hwif_in.QUEUE_DEPTH.value.next = 32'(QueueDepth);
    hwif_in.IBUF_LINES.value.next = 32'(IbufLines);

    hwif_in.CYCLES_LO.value.next = counters_i[0][31:0];
    hwif_in.CYCLES_HI.value.next = counters_i[0][sched_pkg::CounterWidth-1:32];
    hwif_in.INSTRUCTIONS_LO.value.next = counters_i[1][31:0];
    hwif_in.INSTRUCTIONS_HI.value.next = counters_i[1][sched_pkg::CounterWidth-1:32];
    hwif_in.FETCH_STALL_LO.value.next = counters_i[2][31:0];
    hwif_in.FETCH_STALL_HI.value.next = counters_i[2][sched_pkg::CounterWidth-1:32];
    hwif_in.QUEUE_STALL_LO.value.next = counters_i[3][31:0];
    hwif_in.QUEUE_STALL_HI.value.next = counters_i[3][sched_pkg::CounterWidth-1:32];
    hwif_in.TOKEN_STALL_LO.value.next = counters_i[4][31:0];
    hwif_in.TOKEN_STALL_HI.value.next = counters_i[4][sched_pkg::CounterWidth-1:32];
    hwif_in.DMA_BUSY_LO.value.next = counters_i[5][31:0];
    hwif_in.DMA_BUSY_HI.value.next = counters_i[5][sched_pkg::CounterWidth-1:32];
    hwif_in.DMA_STALL_OPERAND_LO.value.next = counters_i[6][31:0];
    hwif_in.DMA_STALL_OPERAND_HI.value.next = counters_i[6][sched_pkg::CounterWidth-1:32];
    hwif_in.DMA_STALL_OUTPUT_LO.value.next = counters_i[7][31:0];
    hwif_in.DMA_STALL_OUTPUT_HI.value.next = counters_i[7][sched_pkg::CounterWidth-1:32];
    hwif_in.DMA_STALL_MEMORY_LO.value.next = counters_i[8][31:0];
    hwif_in.DMA_STALL_MEMORY_HI.value.next = counters_i[8][sched_pkg::CounterWidth-1:32];
    hwif_in.PIM_BUSY_LO.value.next = counters_i[9][31:0];
    hwif_in.PIM_BUSY_HI.value.next = counters_i[9][sched_pkg::CounterWidth-1:32];
    hwif_in.PIM_STALL_OPERAND_LO.value.next = counters_i[10][31:0];
    hwif_in.PIM_STALL_OPERAND_HI.value.next = counters_i[10][sched_pkg::CounterWidth-1:32];
    hwif_in.PIM_STALL_OUTPUT_LO.value.next = counters_i[11][31:0];
    hwif_in.PIM_STALL_OUTPUT_HI.value.next = counters_i[11][sched_pkg::CounterWidth-1:32];
    hwif_in.PIM_STALL_MEMORY_LO.value.next = counters_i[12][31:0];
    hwif_in.PIM_STALL_MEMORY_HI.value.next = counters_i[12][sched_pkg::CounterWidth-1:32];
    hwif_in.ARR_BUSY_LO.value.next = counters_i[13][31:0];
    hwif_in.ARR_BUSY_HI.value.next = counters_i[13][sched_pkg::CounterWidth-1:32];
    hwif_in.ARR_STALL_OPERAND_LO.value.next = counters_i[14][31:0];
    hwif_in.ARR_STALL_OPERAND_HI.value.next = counters_i[14][sched_pkg::CounterWidth-1:32];
    hwif_in.ARR_STALL_OUTPUT_LO.value.next = counters_i[15][31:0];
    hwif_in.ARR_STALL_OUTPUT_HI.value.next = counters_i[15][sched_pkg::CounterWidth-1:32];
    hwif_in.ARR_STALL_MEMORY_LO.value.next = counters_i[16][31:0];
    hwif_in.ARR_STALL_MEMORY_HI.value.next = counters_i[16][sched_pkg::CounterWidth-1:32];
    hwif_in.SMX_BUSY_LO.value.next = counters_i[17][31:0];
    hwif_in.SMX_BUSY_HI.value.next = counters_i[17][sched_pkg::CounterWidth-1:32];
    hwif_in.SMX_STALL_OPERAND_LO.value.next = counters_i[18][31:0];
    hwif_in.SMX_STALL_OPERAND_HI.value.next = counters_i[18][sched_pkg::CounterWidth-1:32];
    hwif_in.SMX_STALL_OUTPUT_LO.value.next = counters_i[19][31:0];
    hwif_in.SMX_STALL_OUTPUT_HI.value.next = counters_i[19][sched_pkg::CounterWidth-1:32];
    hwif_in.SMX_STALL_MEMORY_LO.value.next = counters_i[20][31:0];
    hwif_in.SMX_STALL_MEMORY_HI.value.next = counters_i[20][sched_pkg::CounterWidth-1:32];
    hwif_in.VEC_BUSY_LO.value.next = counters_i[21][31:0];
    hwif_in.VEC_BUSY_HI.value.next = counters_i[21][sched_pkg::CounterWidth-1:32];
    hwif_in.VEC_STALL_OPERAND_LO.value.next = counters_i[22][31:0];
    hwif_in.VEC_STALL_OPERAND_HI.value.next = counters_i[22][sched_pkg::CounterWidth-1:32];
    hwif_in.VEC_STALL_OUTPUT_LO.value.next = counters_i[23][31:0];
    hwif_in.VEC_STALL_OUTPUT_HI.value.next = counters_i[23][sched_pkg::CounterWidth-1:32];
    hwif_in.VEC_STALL_MEMORY_LO.value.next = counters_i[24][31:0];
    hwif_in.VEC_STALL_MEMORY_HI.value.next = counters_i[24][sched_pkg::CounterWidth-1:32];
  end

  `ASSERT_INIT(ParametersFit, AdcBits >= 1 && AdcBits < 16 && XbarRows < 65536)
  `ASSERT_STABLE(AwStable, s_axil_awvalid_i, s_axil_awready_o, s_axil_awaddr_i)
  `ASSERT_STABLE(WStable, s_axil_wvalid_i, s_axil_wready_o, {s_axil_wdata_i, s_axil_wstrb_i})
  `ASSERT_STABLE(ArStable, s_axil_arvalid_i, s_axil_arready_o, s_axil_araddr_i)
  `ASSERT_STABLE(ReadStable, s_axil_rvalid_o, s_axil_rready_i, {s_axil_rdata_o, s_axil_rresp_o})
  `ASSERT_STABLE(WriteStable, s_axil_bvalid_o, s_axil_bready_i, s_axil_bresp_o)

endmodule

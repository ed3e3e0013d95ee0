// Control: host registers, performance counters, and the scheduler.
//
// soft_reset_o resets the units; it is held until the memory ports of fetch and DMA are quiet (dma_idle_i), so that no
// answer of an old request reaches the machine after it. Vectors of units are in the order DMA, PIM, ARR, SMX, VEC.
`include "assert.svh"

module control
  import sched_pkg::*;
  import pimllm_pkg::unit_cmd_t;
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
    output logic irq_o,

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

    output logic                                m_axi_fetch_arvalid_o,
    input  logic                                m_axi_fetch_arready_i,
    output logic [pimllm_pkg::MemAddrWidth-1:0] m_axi_fetch_araddr_o,
    output logic [7:0]                          m_axi_fetch_arlen_o,
    input  logic                                m_axi_fetch_rvalid_i,
    output logic                                m_axi_fetch_rready_o,
    input  logic [8*ChannelBytes-1:0]           m_axi_fetch_rdata_i,
    input  logic [1:0]                          m_axi_fetch_rresp_i,
    input  logic                                m_axi_fetch_rlast_i,

    output logic        soft_reset_o,
    input  logic        dma_idle_i,
    output logic [15:0] rows_per_conv_o,
    output logic [2:0]  lsb_shift_o,
    output logic [3:0]  adc_bits_o,
    input  logic [31:0] clip_count_i,
    input  logic [31:0] argmax_id_i,

    output logic            [NumUnits-1:0] cmd_valid_o,
    input  logic            [NumUnits-1:0] cmd_ready_i,
    output unit_cmd_t       [NumUnits-1:0] cmd_o,
    input  logic            [NumUnits-1:0] done_i,
    input  logic            [NumUnits-1:0] err_i,
    input  isa_pkg::error_e [NumUnits-1:0] err_code_i,
    input  logic            [NumUnits-1:0] busy_i,
    input  logic            [NumUnits-1:0] stall_operand_i,
    input  logic            [NumUnits-1:0] stall_output_i,
    input  logic            [NumUnits-1:0] stall_memory_i
);

  localparam logic [1:0] MinResetCycles = 2'd2;

  logic start, stop, reset_request, clear_counters;
  logic sched_busy, sched_error, done_q, done_event, error_event, token_event;
  isa_pkg::error_e error_code;
  logic [UnitIdWidth-1:0] error_unit;
  logic [TracePcWidth-1:0] error_pc;
  logic [pimllm_pkg::MemAddrWidth-1:0] program_base;
  logic [31:0] watchdog_limit, token_in, position, tokens_left, csr_data, token_out_q, token_count_q;
  logic [3:0][pimllm_pkg::RegWidth-1:0] args;
  logic csr_we, fetch_idle, soft_reset_q;
  isa_pkg::csr_e csr;
  logic [1:0] reset_cycles_q;
  logic issue, fetch_stall, queue_stall, token_stall;
  logic [NumCounters-1:0] events;
  logic [CounterWidth-1:0] counters[NumCounters];

  host_regs #(
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
      .VecLanes(VecLanes),
      .KvRows(KvRows),
      .ActWords(ActWords),
      .ScrWords(ScrWords),
      .KvsWords(KvsWords),
      .SclWords(SclWords),
      .QueueDepth(QueueDepth),
      .IbufLines(IbufLines)
  ) u_regs (
      .clk_i,
      .rst_ni,
      .s_axil_awvalid_i,
      .s_axil_awready_o,
      .s_axil_awaddr_i,
      .s_axil_wvalid_i,
      .s_axil_wready_o,
      .s_axil_wdata_i,
      .s_axil_wstrb_i,
      .s_axil_bvalid_o,
      .s_axil_bready_i,
      .s_axil_bresp_o,
      .s_axil_arvalid_i,
      .s_axil_arready_o,
      .s_axil_araddr_i,
      .s_axil_rvalid_o,
      .s_axil_rready_i,
      .s_axil_rdata_o,
      .s_axil_rresp_o,
      .start_o(start),
      .stop_o(stop),
      .soft_reset_o(reset_request),
      .clear_counters_o(clear_counters),
      .busy_i(sched_busy || soft_reset_q),
      .done_i(done_q),
      .error_i(sched_error),
      .error_code_i(error_code),
      .error_unit_i(error_unit),
      .error_pc_i(error_pc),
      .done_event_i(done_event),
      .error_event_i(error_event),
      .token_event_i(token_event),
      .irq_o,
      .program_base_o(program_base),
      .watchdog_limit_o(watchdog_limit),
      .token_in_o(token_in),
      .position_o(position),
      .tokens_left_o(tokens_left),
      .args_o(args),
      .position_we_i(csr_we && csr == isa_pkg::CsrPosition),
      .tokens_left_we_i(csr_we && csr == isa_pkg::CsrTokensLeft),
      .csr_data_i(csr_data),
      .token_out_i(token_out_q),
      .token_count_i(token_count_q),
      .rows_per_conv_o,
      .lsb_shift_o,
      .adc_bits_o,
      .clip_count_i,
      .counters_i(counters)
  );

  scheduler #(
      .ChannelBytes(ChannelBytes),
      .KvRows(KvRows),
      .ActWords(ActWords),
      .ScrWords(ScrWords),
      .KvsWords(KvsWords),
      .SclWords(SclWords),
      .QueueDepth(QueueDepth),
      .IbufLines(IbufLines)
  ) u_scheduler (
      .clk_i,
      .rst_ni,
      .clear_i(soft_reset_q),
      .start_i(start && !soft_reset_q),
      .stop_i(stop),
      .program_base_i(program_base),
      .watchdog_limit_i(watchdog_limit),
      .busy_o(sched_busy),
      .done_event_o(done_event),
      .error_event_o(error_event),
      .error_o(sched_error),
      .error_code_o(error_code),
      .error_unit_o(error_unit),
      .error_pc_o(error_pc),
      .fetch_idle_o(fetch_idle),
      .dma_idle_i,
      .token_in_i(token_in),
      .position_i(position),
      .tokens_left_i(tokens_left),
      .args_i(args),
      .argmax_id_i,
      .csr_we_o(csr_we),
      .csr_o(csr),
      .csr_data_o(csr_data),
      .m_axi_fetch_arvalid_o,
      .m_axi_fetch_arready_i,
      .m_axi_fetch_araddr_o,
      .m_axi_fetch_arlen_o,
      .m_axi_fetch_rvalid_i,
      .m_axi_fetch_rready_o,
      .m_axi_fetch_rdata_i,
      .m_axi_fetch_rresp_i,
      .m_axi_fetch_rlast_i,
      .cmd_valid_o,
      .cmd_ready_i,
      .cmd_o,
      .done_i,
      .err_i,
      .err_code_i,
      .busy_i,
      .issue_o(issue),
      .fetch_stall_o(fetch_stall),
      .queue_stall_o(queue_stall),
      .token_stall_o(token_stall)
  );

  // --- counters ----------------------------------------------------------------------------------------------------------
  assign events[SchedCounters-1:0] = {token_stall, queue_stall, fetch_stall, issue, 1'b1};
  for (genvar u = 0; u < NumUnits; u++) begin : gen_events
    assign events[SchedCounters+UnitCounters*u+:UnitCounters] = {
      stall_memory_i[u], stall_output_i[u], stall_operand_i[u], busy_i[u]
    };
  end

  perf_counters u_counters (
      .clk_i,
      .rst_ni,
      .clear_i(clear_counters),
      .enable_i(sched_busy),
      .event_i(events),
      .count_o(counters)
  );

  // --- status ------------------------------------------------------------------------------------------------------------
  assign token_event = csr_we && csr == isa_pkg::CsrTokenOut;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      done_q <= 1'b0;
      token_out_q <= '0;
      token_count_q <= '0;
    end else begin
      if ((start && !sched_busy && !sched_error) || soft_reset_q) begin
        done_q <= 1'b0;
        token_count_q <= '0;
      end else begin
        if (done_event) done_q <= 1'b1;
        if (token_event) begin
          token_out_q <= csr_data;
          token_count_q <= token_count_q + 32'd1;
        end
      end
    end
  end

  // --- reset of the pipeline -----------------------------------------------------------------------------------------------
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      soft_reset_q <= 1'b0;
      reset_cycles_q <= '0;
    end else if (reset_request) begin
      soft_reset_q <= 1'b1;
      reset_cycles_q <= MinResetCycles;
    end else if (soft_reset_q) begin
      if (reset_cycles_q != '0) begin
        reset_cycles_q <= reset_cycles_q - 2'd1;
      end else if (fetch_idle && dma_idle_i) begin
        soft_reset_q <= 1'b0;
      end
    end
  end

  assign soft_reset_o = soft_reset_q;

  `ASSERT(ResetEndsQuiet, !($past(rst_ni) && $past(soft_reset_q) && !soft_reset_q) || ($past(fetch_idle)
          && $past(dma_idle_i)))
  `ASSERT(ResetEmpties, !($past(rst_ni) && $past(soft_reset_q)) || (cmd_valid_o == '0 && !sched_busy))
  `ASSERT(TokenOnlyWhileBusy, !token_event || sched_busy)
  `ASSERT(NotDoneAndError, !(done_q && sched_error))

endmodule

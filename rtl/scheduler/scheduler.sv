// Scheduler: fetches, decodes and executes a program, and feeds the five units through their queues.
//
// start_i begins at program_base_i with empty queues, semaphores and registers at zero. The program runs until HALT
// (done_event_o), stop_i, or an error. An error ends issue at once: its cause, unit and instruction are latched, commands
// already presented stay, and when the memory ports are quiet error_o rises (error_event_o). Only clear_i, the reset of
// the whole pipeline, leaves that state. Vectors of units are in the order DMA, PIM, ARR, SMX, VEC.
`include "assert.svh"

module scheduler
  import sched_pkg::*;
  import pimllm_pkg::unit_cmd_t;
#(
    parameter int unsigned ChannelBytes = 16,
    parameter int unsigned KvRows = 512,
    parameter int unsigned ActWords = 512,
    parameter int unsigned ScrWords = 256,
    parameter int unsigned KvsWords = 128,
    parameter int unsigned SclWords = 256,
    parameter int unsigned QueueDepth = 4,
    parameter int unsigned InFlight = InFlightDepth,  // of a unit
    parameter int unsigned IbufLines = 64
) (
    input  logic clk_i,
    input  logic rst_ni,
    input  logic clear_i,

    input  logic                                start_i,
    input  logic                                stop_i,
    input  logic [pimllm_pkg::MemAddrWidth-1:0] program_base_i,
    input  logic [31:0]                         watchdog_limit_i,
    output logic                                busy_o,
    output logic                                done_event_o,
    output logic                                error_event_o,
    output logic                                error_o,
    output isa_pkg::error_e                     error_code_o,
    output logic [UnitIdWidth-1:0]              error_unit_o,  // isa_pkg::unit_e
    output logic [TracePcWidth-1:0]             error_pc_o,
    output logic                                fetch_idle_o,
    input  logic                                dma_idle_i,

    input  logic [31:0]                          token_in_i,
    input  logic [31:0]                          position_i,
    input  logic [31:0]                          tokens_left_i,
    input  logic [3:0][pimllm_pkg::RegWidth-1:0] args_i,
    input  logic [31:0]                          argmax_id_i,
    output logic                                 csr_we_o,
    output isa_pkg::csr_e                        csr_o,
    output logic [31:0]                          csr_data_o,

    output logic                                m_axi_fetch_arvalid_o,
    input  logic                                m_axi_fetch_arready_i,
    output logic [pimllm_pkg::MemAddrWidth-1:0] m_axi_fetch_araddr_o,
    output logic [7:0]                          m_axi_fetch_arlen_o,
    input  logic                                m_axi_fetch_rvalid_i,
    output logic                                m_axi_fetch_rready_o,
    input  logic [8*ChannelBytes-1:0]           m_axi_fetch_rdata_i,
    input  logic [1:0]                          m_axi_fetch_rresp_i,
    input  logic                                m_axi_fetch_rlast_i,

    output logic            [NumUnits-1:0] cmd_valid_o,
    input  logic            [NumUnits-1:0] cmd_ready_i,
    output unit_cmd_t       [NumUnits-1:0] cmd_o,
    input  logic            [NumUnits-1:0] done_i,
    input  logic            [NumUnits-1:0] err_i,
    input  isa_pkg::error_e [NumUnits-1:0] err_code_i,
    input  logic            [NumUnits-1:0] busy_i,

    // events for the counters
    output logic issue_o,
    output logic fetch_stall_o,
    output logic queue_stall_o,
    output logic token_stall_o
);

  typedef enum logic [2:0] {
    StIdle,
    StStart,  // waits for the instruction port
    StRun,
    StStop,   // asked to stop: waits for what units have begun
    StFault,  // waits for the memory ports
    StError
  } state_e;

  state_e state_q, state_d;
  logic run, hold, clear_all, begin_run;
  logic [31:0] watchdog_q;
  logic watchdog_expired, progress;

  // --- fetch and decode --------------------------------------------------------------------------------------------------
  logic instr_valid, instr_ready, instr_error, core_redirect;
  logic [pimllm_pkg::InstrBits-1:0] instr;
  logic [PcWidth-1:0] instr_pc, core_target;
  logic unit_valid, unit_ready, stage_idle, units_idle;
  fetched_t fetched;
  logic core_error, halt, decoder_gives;
  isa_pkg::error_e core_error_code;
  sem_id_t decoder_take, decoder_give;
  logic [NumPeers-1:0] take_req, take_gnt, give_valid, overflow;
  sem_id_t [NumPeers-1:0][1:0] take_sem, give_sem;

  ifetch #(
      .FetchBytes(ChannelBytes),
      .IbufLines(IbufLines)
  ) u_ifetch (
      .clk_i,
      .rst_ni,
      .run_i(run),
      .idle_o(fetch_idle_o),
      .redirect_valid_i(begin_run || core_redirect),
      .redirect_pc_i(begin_run ? program_base_i[pimllm_pkg::MemAddrWidth-1-:PcWidth] : core_target),
      .instr_valid_o(instr_valid),
      .instr_ready_i(instr_ready),
      .instr_o(instr),
      .instr_pc_o(instr_pc),
      .instr_error_o(instr_error),
      .m_axi_fetch_arvalid_o,
      .m_axi_fetch_arready_i,
      .m_axi_fetch_araddr_o,
      .m_axi_fetch_arlen_o,
      .m_axi_fetch_rvalid_i,
      .m_axi_fetch_rready_o,
      .m_axi_fetch_rdata_i,
      .m_axi_fetch_rresp_i,
      .m_axi_fetch_rlast_i
  );

  sched_core u_core (
      .clk_i,
      .rst_ni,
      .clear_i(clear_all),
      .run_i(run),
      .instr_valid_i(instr_valid),
      .instr_ready_o(instr_ready),
      .instr_i(instr),
      .instr_pc_i(instr_pc),
      .instr_error_i(instr_error),
      .redirect_valid_o(core_redirect),
      .redirect_pc_o(core_target),
      .unit_valid_o(unit_valid),
      .unit_ready_i(unit_ready),
      .unit_o(fetched),
      .units_idle_i(units_idle),
      .take_req_o(take_req[Decoder]),
      .take_sem_o(decoder_take),
      .take_gnt_i(take_gnt[Decoder]),
      .give_valid_o(decoder_gives),
      .give_sem_o(decoder_give),
      .token_in_i,
      .position_i,
      .tokens_left_i,
      .args_i,
      .argmax_id_i,
      .csr_we_o,
      .csr_o,
      .csr_data_o,
      .halt_o(halt),
      .error_o(core_error),
      .error_code_o(core_error_code),
      .issue_o,
      .queue_stall_o,
      .token_stall_o
  );

  assign take_sem[Decoder] = {sem_id_t'(0), decoder_take};
  assign give_valid[Decoder] = decoder_gives;
  assign give_sem[Decoder] = {sem_id_t'(0), decoder_give};
  assign fetch_stall_o = run && !instr_valid;

  // --- dispatch ----------------------------------------------------------------------------------------------------------
  logic [NumUnits-1:0] push_valid, push_ready, queue_idle, queue_quiet;
  entry_t push_entry;
  logic stage_error;
  isa_pkg::error_e stage_error_code;
  logic [TracePcWidth-1:0] stage_error_pc;
  logic [NumUnits-1:0][TracePcWidth-1:0] done_pc, newest_pc;

  operand_stage #(
      .ChannelBytes(ChannelBytes),
      .KvRows(KvRows),
      .ActWords(ActWords),
      .ScrWords(ScrWords),
      .KvsWords(KvsWords),
      .SclWords(SclWords)
  ) u_operands (
      .clk_i,
      .rst_ni,
      .clear_i(clear_all),
      .idle_o(stage_idle),
      .valid_i(unit_valid),
      .ready_o(unit_ready),
      .fetched_i(fetched),
      .push_valid_o(push_valid),
      .push_ready_i(push_ready),
      .push_entry_o(push_entry),
      .error_o(stage_error),
      .error_code_o(stage_error_code),
      .error_pc_o(stage_error_pc)
  );

  for (genvar u = 0; u < NumUnits; u++) begin : gen_queues
    unit_queue #(
        .Depth(QueueDepth),
        .InFlight(InFlight)
    ) u_queue (
        .clk_i,
        .rst_ni,
        .clear_i(clear_all),
        .hold_i(hold),
        .idle_o(queue_idle[u]),
        .quiet_o(queue_quiet[u]),
        .push_valid_i(push_valid[u]),
        .push_ready_o(push_ready[u]),
        .push_entry_i(push_entry),
        .take_req_o(take_req[u]),
        .take_sem_o(take_sem[u]),
        .take_gnt_i(take_gnt[u]),
        .cmd_valid_o(cmd_valid_o[u]),
        .cmd_ready_i(cmd_ready_i[u]),
        .cmd_o(cmd_o[u]),
        .done_i(done_i[u]),
        .give_valid_o(give_valid[u]),
        .give_sem_o(give_sem[u]),
        .done_pc_o(done_pc[u]),
        .newest_pc_o(newest_pc[u])
    );
  end

  semaphores u_semaphores (
      .clk_i,
      .rst_ni,
      .clear_i(clear_all),
      .take_req_i(take_req),
      .take_sem_i(take_sem),
      .take_gnt_o(take_gnt),
      .give_valid_i(give_valid),
      .give_sem_i(give_sem),
      .overflow_o(overflow)
  );

  assign units_idle = stage_idle && (&queue_idle) && busy_i == '0;

  // --- errors: the oldest instruction first ------------------------------------------------------------------------------
  // An overflow is acted on a cycle later: decoding, giving and stopping are too much for one.
  logic fault, fault_seen;
  isa_pkg::error_e fault_code;
  logic [UnitIdWidth-1:0] fault_unit;
  logic [TracePcWidth-1:0] fault_pc;
  logic [NumPeers-1:0] overflow_q;
  logic [NumPeers-1:0][TracePcWidth-1:0] gave_pc_q;

  assign fault_seen = err_i != '0 || overflow_q != '0 || stage_error || core_error || watchdog_expired;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_all) overflow_q <= '0;
    else overflow_q <= overflow;
  end

  always_ff @(posedge clk_i) begin
    for (int unsigned u = 0; u < NumUnits; u++) gave_pc_q[u] <= done_pc[u];
    gave_pc_q[Decoder] <= instr_pc[TracePcWidth-1:0];
  end

  always_comb begin
    fault_code = isa_pkg::ErrNone;
    fault_unit = isa_pkg::UnitSched;
    fault_pc = instr_pc[TracePcWidth-1:0];
    if (fault_seen) begin
      if (watchdog_expired) fault_code = isa_pkg::ErrWatchdog;
      if (core_error) fault_code = core_error_code;
      if (stage_error) begin
        fault_code = stage_error_code;
        fault_pc = stage_error_pc;
      end
      if (overflow_q[Decoder]) begin
        fault_code = isa_pkg::ErrSemaphore;
        fault_pc = gave_pc_q[Decoder];
      end
      for (int unsigned u = 0; u < NumUnits; u++) begin
        if (overflow_q[u]) begin
          fault_code = isa_pkg::ErrSemaphore;
          fault_unit = UnitIdWidth'(u + 1);
          fault_pc = gave_pc_q[u];
        end
      end
      for (int unsigned u = 0; u < NumUnits; u++) begin
        if (err_i[u]) begin
          fault_code = err_code_i[u];
          fault_unit = UnitIdWidth'(u + 1);
          // The bus fails for the oldest instruction, an operand is refused when it comes.
          fault_pc = err_code_i[u] inside {isa_pkg::ErrBusRead, isa_pkg::ErrBusWrite} ? done_pc[u] : newest_pc[u];
        end
      end
    end
  end

  assign fault = fault_seen && (state_q inside {StStart, StRun, StStop});

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_all) begin
      error_code_o <= isa_pkg::ErrNone;
      error_unit_o <= isa_pkg::UnitSched;
      error_pc_o <= '0;
    end else if (fault) begin
      error_code_o <= fault_code;
      error_unit_o <= fault_unit;
      error_pc_o <= fault_pc;
    end
  end

  // --- watchdog ------------------------------------------------------------------------------------------------------------
  assign progress = issue_o || done_i != '0 || (cmd_valid_o & cmd_ready_i) != '0;
  assign watchdog_expired = watchdog_limit_i != '0 && watchdog_q == watchdog_limit_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || state_q == StIdle || state_q == StError || progress || fault || watchdog_expired) begin
      watchdog_q <= '0;
    end else begin
      watchdog_q <= watchdog_q + 32'd1;
    end
  end

  // --- state ---------------------------------------------------------------------------------------------------------------
  always_comb begin
    state_d = state_q;
    done_event_o = 1'b0;
    error_event_o = 1'b0;
    begin_run = 1'b0;
    unique case (state_q)
      StIdle: if (start_i) state_d = StStart;
      StStart: begin
        if (fetch_idle_o) begin
          begin_run = 1'b1;
          state_d = StRun;
        end
      end
      StRun: begin
        if (halt) begin
          state_d = StIdle;
          done_event_o = 1'b1;
        end else if (stop_i) begin
          state_d = StStop;
        end
      end
      StStop: if ((&queue_quiet) && busy_i == '0) state_d = StIdle;
      StFault: begin
        // A bus that never becomes quiet does not hide the error.
        if ((fetch_idle_o && dma_idle_i) || error_code_o == isa_pkg::ErrWatchdog || watchdog_expired) begin
          state_d = StError;
          error_event_o = 1'b1;
        end
      end
      StError: begin
      end
      default: state_d = StIdle;
    endcase
    if (fault) begin
      state_d = StFault;
      done_event_o = 1'b0;
    end
    if (clear_i) begin
      state_d = StIdle;
      done_event_o = 1'b0;
      error_event_o = 1'b0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= StIdle;
    end else begin
      state_q <= state_d;
    end
  end

  assign run = state_q == StRun;
  assign hold = state_q != StRun;
  assign clear_all = clear_i || (state_q == StIdle && start_i);
  assign busy_o = state_q != StIdle && state_q != StError;
  assign error_o = state_q == StError;

  logic unused;
  assign unused = ^program_base_i[pimllm_pkg::MemAddrWidth-PcWidth-1:0];

  `ASSERT(NothingNewAfterError, !($past(rst_ni) && $past(state_q)
          inside {StFault, StError}) || clear_i || $past(clear_i) || (cmd_valid_o & ~$past(cmd_valid_o)
          ) == '0)
  `ASSERT(NoIssueUnlessRunning, !issue_o || run)
  `ASSERT(ErrorHasCause, !error_o || error_code_o != isa_pkg::ErrNone)
  `ASSERT(HaltIsIdle, !halt || ((cmd_valid_o == '0) && busy_i == '0))
  `ASSERT(OneEvent, !(done_event_o && error_event_o))

endmodule

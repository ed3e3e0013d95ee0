// Softmax unit: SOFTMAX (exact and ConSMax) and SMAXSCAN of docs/isa.md, bit for bit docs/numerics.md, section 7.
//
// SmxLanes = ArrayCols / 2 scores a cycle and pass. Exact softmax makes two passes over the scores, the maximum, then
// probabilities and numerators; ConSMax makes one. Beats (half a tile) run through a pipeline of eleven stages that stops as
// a whole (go_q) when an operand is missing or the output is blocked; go_q is decided a cycle ahead from registers only,
// so no grant reaches the pipeline's enables or another request. Operands come from three streams that are read where
// they are used: K scales in stage 0, scores in stage 2, V scales in stage 5.
// The head record of the next instruction is read behind the current one unless that one still writes it.
// Exact: 2 * ceil(T / SmxLanes) + 22 cycles from the command to done, ConSMax: ceil(T / SmxLanes) + 24, rounded up to
// whole tiles, with all requests granted; 4 to 8 cycles less when the head record came early.
// Errors (bad address, odd score address, wrong opcode) are reported instead of done; the instruction is dropped.
`include "assert.svh"

module softmax_unit
  import pimllm_pkg::*;
#(
    parameter int unsigned ArrayCols = 4,
    parameter int unsigned ScrWords = 256,
    parameter int unsigned KvsWords = 128,
    parameter int unsigned SclWords = 256,
    localparam int unsigned SmxLanes = ArrayCols / 2,
    localparam int unsigned WordBytes = 4 * ArrayCols,
    localparam int unsigned WordBits = 8 * WordBytes,
    localparam int unsigned ScrAddrWidth = $clog2(ScrWords),
    localparam int unsigned KvsAddrWidth = $clog2(KvsWords),
    localparam int unsigned SclAddrWidth = $clog2(SclWords)
) (
    input  logic clk_i,
    input  logic rst_ni,

    input  logic            cmd_valid_i,
    output logic            cmd_ready_o,
    // pc, pos and the upper bits of mode are not for this unit.
    // verilator lint_off UNUSEDSIGNAL
    input  unit_cmd_t       cmd_i,
    // verilator lint_on UNUSEDSIGNAL
    output logic            done_o,
    output logic            err_o,
    output isa_pkg::error_e err_code_o,
    output logic            busy_o,
    output logic            stall_operand_o,
    output logic            stall_output_o,
    output logic            stall_memory_o,

    output logic                    scr_rd_req_o,
    output logic [ScrAddrWidth-1:0] scr_rd_addr_o,
    input  logic                    scr_rd_gnt_i,
    input  logic [WordBits-1:0]     scr_rd_data_i,
    output logic                    scr_wr_req_o,
    output logic [ScrAddrWidth-1:0] scr_wr_addr_o,
    output logic [WordBits-1:0]     scr_wr_data_o,
    output logic [WordBytes-1:0]    scr_wr_be_o,
    input  logic                    scr_wr_gnt_i,

    output logic                    kvs_rd_req_o,
    output logic [KvsAddrWidth-1:0] kvs_rd_addr_o,
    input  logic                    kvs_rd_gnt_i,
    input  logic [WordBits-1:0]     kvs_rd_data_i,

    output logic                    scl_rd_req_o,
    output logic [SclAddrWidth-1:0] scl_rd_addr_o,
    input  logic                    scl_rd_gnt_i,
    input  logic [31:0]             scl_rd_data_i,
    output logic                    scl_wr_req_o,
    output logic [SclAddrWidth-1:0] scl_wr_addr_o,
    output logic [31:0]             scl_wr_data_o,
    output logic [3:0]              scl_wr_be_o,
    input  logic                    scl_wr_gnt_i
);
  import sf_pkg::*;

  localparam int unsigned HalfBits = WordBits / 2;
  localparam int unsigned HalfBytes = WordBytes / 2;
  localparam int unsigned LgCols = $clog2(ArrayCols);
  localparam int unsigned RemWidth = $clog2(SmxLanes) + 1;
  localparam int unsigned RecordWords = 8;
  localparam int unsigned ScalesPerTile = 2;  // KVS words: K, then V
  localparam logic signed [15:0] MaxStart = -16'sd32768;
  localparam logic signed [15:0] NumPoint = 16'sd16;  // binary point of the probabilities, and of O (numerics.md)
  localparam int unsigned NumBits = 24;
  localparam int unsigned ConBits = 16;
  localparam int unsigned LowBits = NumBits - ConBits;  // in the upper half of an exact tile's word
  // Bits of mode.
  localparam int unsigned ModeCon = 0;
  localparam int unsigned ModeCont = 1;
  localparam int unsigned ModeOpen = 2;
  // Stages at which things happen.
  localparam int unsigned KStage = 0;
  localparam int unsigned SStage = 2;
  localparam int unsigned VStage = 5;
  localparam int unsigned ScanStage = 5;  // masked maximum and clips of the lanes; a stage later they are merged
  localparam int unsigned SumStage = 9;  // probabilities likewise
  localparam int unsigned NumStage = 10;
  localparam int unsigned NumStages = 11;

  typedef enum logic [2:0] {
    HeadSq = 3'd0,
    HeadC = 3'd1,
    HeadZ = 3'd2,
    HeadMax = 3'd3,
    HeadSum = 3'd4,
    HeadFactor = 3'd5,
    HeadClips = 3'd6,
    HeadEref = 3'd7  // not in the record: the word at s1
  } head_e;

  typedef enum logic [2:0] {
    Idle,
    Scan,
    Gap,
    Emit,
    Drain
  } state_e;

  typedef struct packed {
    logic valid;
    logic num;                // numerator pass
    logic half;               // second beat of its tile
    logic last;               // last beat of its pass
    logic [RemWidth-1:0] rem; // lanes with a token
  } beat_t;

  // ---------------------------------------------------------------------------------------------------------------------
  // Next instruction: checks, head record.
  logic nxt_valid_q, nxt_bad_q, nxt_ready, start, taken;
  logic nxt_con_q, nxt_cont_q, nxt_scan_q, nxt_open_q;
  isa_pkg::error_e nxt_code_q, cmd_code;
  logic [15:0] nxt_count_q, nxt_tiles_q, nxt_a1_q, nxt_s0_q, nxt_s1_q;
  logic [ScrAddrWidth-1:0] nxt_a0_q;
  logic [KvsAddrWidth-1:0] nxt_a2_q, nxt_s2_q;
  logic [7:0] need_q, cmd_need;  // by head_e
  logic head_arriving_q, head_hold, head_gnt;
  head_e head_index, head_index_q;
  logic [16:0] cmd_tiles;
  logic cmd_scan, cmd_con, cmd_bad_address;

  sf_t head_sq_q, head_c_q;
  logic signed [15:0] head_z_q, head_eref_q, head_max_q;
  logic [31:0] head_sum_q, head_clips_q;

  // Current instruction.
  state_e state_q, state_d;
  logic running, con_q, scan_q;
  logic [15:0] count_q, left_q, s0_q;
  logic half_q;
  sf_t sq_q, c_q, sum_norm_q, factor_q;
  logic signed [15:0] z_q, eref_q, max_q, max_old_q;
  logic [31:0] sum_q, clips_q;
  logic [16:0] out_addr_q;

  assign cmd_scan = cmd_i.opcode == isa_pkg::OpSmaxscan;
  assign cmd_con = !cmd_scan && cmd_i.mode[ModeCon];
  assign cmd_tiles = 17'((18'(cmd_i.count) + 18'(ArrayCols - 1)) >> LgCols);

  always_comb begin
    logic open;
    logic [16:0] ring_tiles;
    open = cmd_i.mode[ModeOpen] && cmd_tiles != '0;
    ring_tiles = cmd_tiles - 17'(open);
    cmd_bad_address = 1'b0;
    if (18'(cmd_i.a0[15:1]) + 18'(cmd_tiles) > 18'(ScrWords)) cmd_bad_address = 1'b1;
    if (!cmd_scan && 49'(cmd_i.a1) + (49'(cmd_tiles) << !cmd_con) > 49'(2 * ScrWords)) cmd_bad_address = 1'b1;
    if (19'(cmd_i.a2) + 19'(ScalesPerTile) * 19'(ring_tiles) > 19'(KvsWords)) cmd_bad_address = 1'b1;
    if (open && 49'(cmd_i.s2) + 49'(ScalesPerTile) > 49'(KvsWords)) cmd_bad_address = 1'b1;
    if (17'(cmd_i.s0) + 17'(RecordWords) > 17'(SclWords)) cmd_bad_address = 1'b1;
    if (!cmd_scan && 17'(cmd_i.s1) >= 17'(SclWords)) cmd_bad_address = 1'b1;
    cmd_code = isa_pkg::ErrNone;
    if (!cmd_scan && cmd_i.opcode != isa_pkg::OpSoftmax) cmd_code = isa_pkg::ErrIllegalOpcode;
    else if (cmd_i.a0[0] || (!cmd_scan && !cmd_con && cmd_i.a1[0])) cmd_code = isa_pkg::ErrBadOperand;
    else if (cmd_bad_address) cmd_code = isa_pkg::ErrBadAddress;
    cmd_need = '0;
    cmd_need[HeadSq] = 1'b1;
    cmd_need[HeadC] = cmd_con;
    cmd_need[HeadZ] = cmd_con;
    cmd_need[HeadClips] = cmd_con;
    cmd_need[HeadMax] = !cmd_con && cmd_i.mode[ModeCont];
    cmd_need[HeadSum] = !cmd_con && cmd_i.mode[ModeCont];
    cmd_need[HeadEref] = !cmd_scan;
  end

  assign running = state_q != Idle;
  assign nxt_ready = nxt_valid_q && !nxt_bad_q && need_q == '0 && !head_arriving_q;
  assign start = nxt_ready && (!running || done_o);
  assign cmd_ready_o = !nxt_valid_q || start;
  assign taken = cmd_valid_i && cmd_ready_o;
  assign err_o = nxt_valid_q && nxt_bad_q;
  assign err_code_o = err_o ? nxt_code_q : isa_pkg::ErrNone;

  // The record must not be read while the running instruction may still write a word of it.
  assign head_hold = running && (16'(nxt_s0_q - s0_q + 16'(RecordWords - 1)) < 16'(2 * RecordWords - 1) ||
                                 16'(nxt_s1_q - s0_q) < 16'(RecordWords));
  assign head_gnt = scl_rd_req_o && scl_rd_gnt_i;
  assign scl_rd_req_o = need_q != '0 && !head_hold;
  assign scl_rd_addr_o = head_index == HeadEref ? SclAddrWidth'(nxt_s1_q)
                                                : SclAddrWidth'(nxt_s0_q + 16'(head_index));

  always_comb begin
    head_index = HeadEref;
    for (int i = 6; i >= 0; i--) if (need_q[i]) head_index = head_e'(3'(i));
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      nxt_valid_q <= 1'b0;
      nxt_bad_q <= 1'b0;
      need_q <= '0;
      head_arriving_q <= 1'b0;
    end else begin
      head_arriving_q <= head_gnt;
      if (head_gnt) need_q[head_index] <= 1'b0;
      if (start || err_o) nxt_valid_q <= 1'b0;
      if (taken) begin
        nxt_valid_q <= 1'b1;
        nxt_bad_q <= cmd_code != isa_pkg::ErrNone;
        need_q <= cmd_code == isa_pkg::ErrNone ? cmd_need : '0;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (taken) begin
      nxt_code_q <= cmd_code;
      nxt_con_q <= cmd_con;
      nxt_scan_q <= cmd_scan;
      nxt_cont_q <= cmd_i.mode[ModeCont];
      nxt_open_q <= cmd_i.mode[ModeOpen];
      nxt_count_q <= cmd_i.count;
      nxt_tiles_q <= 16'(cmd_tiles);
      nxt_a0_q <= ScrAddrWidth'(cmd_i.a0 >> 1);
      nxt_a1_q <= 16'(cmd_i.a1);
      nxt_a2_q <= KvsAddrWidth'(cmd_i.a2);
      nxt_s0_q <= cmd_i.s0;
      nxt_s1_q <= cmd_i.s1;
      nxt_s2_q <= KvsAddrWidth'(cmd_i.s2);
    end
    if (head_gnt) head_index_q <= head_index;
    if (head_arriving_q) begin
      unique case (head_index_q)
        HeadSq: head_sq_q <= scl_rd_data_i;
        HeadC: head_c_q <= scl_rd_data_i;
        HeadZ: head_z_q <= scl_rd_data_i[15:0];
        HeadMax: head_max_q <= scl_rd_data_i[15:0];
        HeadSum: head_sum_q <= scl_rd_data_i;
        HeadClips: head_clips_q <= scl_rd_data_i;
        HeadEref: head_eref_q <= scl_rd_data_i[15:0];
        default: ;
      endcase
    end
  end

  // ---------------------------------------------------------------------------------------------------------------------
  // Beats: injected at stage 0, moved by go_q.
  beat_t beat_q[NumStages];
  beat_t beat_d[NumStages];
  beat_t inject;
  logic go_q, go_d, operands_ok, output_ok, stall_operand_q, stall_output_q;
  logic k_full_next, s_full_next, v_full_next;
  logic pass_over, push;
  logic [1:0] held_q;  // tiles in the output buffer
  logic scan_end_q, emit_end_q, factor_end_q, ended_q;

  assign inject.valid = state_q == Scan || state_q == Emit;
  assign inject.num = state_q == Emit;
  assign inject.half = half_q;
  assign inject.last = left_q <= 16'(SmxLanes) && half_q;
  assign inject.rem = left_q < 16'(SmxLanes) ? RemWidth'(left_q) : RemWidth'(SmxLanes);
  assign pass_over = go_q && inject.valid && inject.last;

  always_comb begin
    beat_d = beat_q;
    if (go_q) begin
      for (int unsigned s = NumStages - 1; s > 0; s--) beat_d[s] = beat_q[s-1];
      beat_d[0] = inject;
    end
  end

  // Whether the pipeline may move in the next cycle.
  assign operands_ok = !(beat_d[KStage].valid && !k_full_next) && !(beat_d[SStage].valid && !s_full_next) &&
                       !(beat_d[VStage].valid && beat_d[VStage].num && !v_full_next);
  // (A push in this cycle does not count: the beat after it only fills the low half.)
  assign output_ok = !(beat_d[NumStage].valid && beat_d[NumStage].num && beat_d[NumStage].half && held_q == 2'd2);
  assign go_d = operands_ok && output_ok;
  assign push = go_q && beat_q[NumStage].valid && beat_q[NumStage].num && beat_q[NumStage].half;

  always_comb begin
    state_d = state_q;
    unique case (state_q)
      Idle, Drain: ;
      Scan: if (pass_over) state_d = scan_q ? Drain : Gap;
      Gap: if (go_q) state_d = Emit;  // the maximum is ready when the first beat of the second pass asks for it
      Emit: if (pass_over) state_d = Drain;
      default: state_d = Idle;
    endcase
    if (done_o) state_d = Idle;
    if (start) begin
      if (nxt_tiles_q == '0) state_d = Drain;
      else state_d = nxt_con_q ? Emit : Scan;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
      go_q <= 1'b1;
      for (int unsigned s = 0; s < NumStages; s++) beat_q[s].valid <= 1'b0;
      stall_operand_q <= 1'b0;
      stall_output_q <= 1'b0;
      scan_end_q <= 1'b0;
      emit_end_q <= 1'b0;
      factor_end_q <= 1'b0;
      ended_q <= 1'b0;
    end else begin
      state_q <= state_d;
      go_q <= go_d;
      beat_q <= beat_d;
      stall_operand_q <= !operands_ok;
      stall_output_q <= operands_ok && !output_ok;
      scan_end_q <= (go_q && beat_q[ScanStage+1].valid && beat_q[ScanStage+1].last && !beat_q[ScanStage+1].num) ||
                    (start && nxt_tiles_q == '0 && !nxt_con_q);
      emit_end_q <= (push && beat_q[NumStage].last) || (start && nxt_tiles_q == '0 && !nxt_scan_q);
      factor_end_q <= emit_end_q && !con_q;
      if (start) ended_q <= 1'b0;
      else if ((scan_end_q && scan_q) || (emit_end_q && con_q) || factor_end_q) ended_q <= 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (start) begin
      con_q <= nxt_con_q;
      scan_q <= nxt_scan_q;
      count_q <= nxt_count_q;
      left_q <= nxt_count_q;
      half_q <= 1'b0;
      s0_q <= nxt_s0_q;
      sq_q <= head_sq_q;
      c_q <= head_c_q;
      z_q <= head_z_q;
      eref_q <= head_eref_q;
      max_old_q <= nxt_cont_q ? head_max_q : MaxStart;
    end else if (go_q && inject.valid) begin
      half_q <= !half_q;
      if (pass_over) left_q <= count_q;
      else left_q <= left_q > 16'(SmxLanes) ? left_q - 16'(SmxLanes) : '0;
    end
  end

  // ---------------------------------------------------------------------------------------------------------------------
  // Operand streams.
  logic [WordBits-1:0] k_word, s_word, v_word;
  logic k_req, k_gnt, v_req, v_gnt, kvs_v, kvs_v_q, kvs_kept_q;
  logic [KvsAddrWidth-1:0] k_addr, v_addr;

  softmax_fetch #(
      .Width(WordBits),
      .AddrWidth(KvsAddrWidth),
      .Step(ScalesPerTile)
  ) u_k (
      .clk_i,
      .rst_ni,
      .start_i(start),
      .words_i(nxt_tiles_q),
      .base_i(nxt_a2_q),
      .open_i(nxt_open_q),
      .open_addr_i(nxt_s2_q),
      .twice_i(!nxt_con_q && !nxt_scan_q),
      .use_i(beat_q[KStage].valid),
      .last_i(beat_q[KStage].half),
      .go_i(go_q),
      .go_next_i(go_d),
      .full_next_o(k_full_next),
      .word_o(k_word),
      .req_o(k_req),
      .addr_o(k_addr),
      .gnt_i(k_gnt),
      .data_i(kvs_rd_data_i)
  );

  softmax_fetch #(
      .Width(WordBits),
      .AddrWidth(ScrAddrWidth),
      .Step(1)
  ) u_s (
      .clk_i,
      .rst_ni,
      .start_i(start),
      .words_i(nxt_tiles_q),
      .base_i(nxt_a0_q),
      .open_i(1'b0),
      .open_addr_i('0),
      .twice_i(!nxt_con_q && !nxt_scan_q),
      .use_i(beat_q[SStage].valid),
      .last_i(beat_q[SStage].half),
      .go_i(go_q),
      .go_next_i(go_d),
      .full_next_o(s_full_next),
      .word_o(s_word),
      .req_o(scr_rd_req_o),
      .addr_o(scr_rd_addr_o),
      .gnt_i(scr_rd_req_o && scr_rd_gnt_i),
      .data_i(scr_rd_data_i)
  );

  softmax_fetch #(
      .Width(WordBits),
      .AddrWidth(KvsAddrWidth),
      .Step(ScalesPerTile)
  ) u_v (
      .clk_i,
      .rst_ni,
      .start_i(start && !nxt_scan_q),
      .words_i(nxt_tiles_q),
      .base_i(nxt_a2_q + KvsAddrWidth'(1)),
      .open_i(nxt_open_q),
      .open_addr_i(nxt_s2_q + KvsAddrWidth'(1)),
      .twice_i(1'b0),
      .use_i(beat_q[VStage].valid && beat_q[VStage].num),
      .last_i(beat_q[VStage].half),
      .go_i(go_q),
      .go_next_i(go_d),
      .full_next_o(v_full_next),
      .word_o(v_word),
      .req_o(v_req),
      .addr_o(v_addr),
      .gnt_i(v_gnt),
      .data_i(kvs_rd_data_i)
  );

  // V before K (their beats are an odd number of stages apart, so that they do not meet), but a request stays on.
  assign kvs_v = kvs_kept_q ? kvs_v_q : v_req;
  assign kvs_rd_req_o = k_req || v_req;
  assign kvs_rd_addr_o = kvs_v ? v_addr : k_addr;
  assign v_gnt = kvs_v && v_req && kvs_rd_gnt_i;
  assign k_gnt = !kvs_v && k_req && kvs_rd_gnt_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) kvs_kept_q <= 1'b0;
    else kvs_kept_q <= kvs_rd_req_o && !kvs_rd_gnt_i;
    kvs_v_q <= kvs_v;
  end

  // ---------------------------------------------------------------------------------------------------------------------
  // Lanes.
  logic [NumStage-1:0] stage_valid;
  logic [SmxLanes-1:0] clip, scan_mask, sum_mask, num_mask;
  logic [SmxLanes-1:0][12:0] ceil;
  logic [SmxLanes-1:0][15:0] prob, high;
  logic [SmxLanes-1:0][LowBits-1:0] low;

  for (genvar s = 0; s < NumStage; s++) begin : gen_valid
    assign stage_valid[s] = beat_q[s].valid;
  end

  for (genvar l = 0; l < SmxLanes; l++) begin : gen_lane
    logic [NumBits-1:0] lane_num;
    assign scan_mask[l] = RemWidth'(l) < beat_q[ScanStage].rem;
    assign sum_mask[l] = RemWidth'(l) < beat_q[SumStage].rem;
    assign num_mask[l] = RemWidth'(l) < beat_q[NumStage].rem;
    assign {high[l], low[l]} = !num_mask[l] ? '0 : con_q ? {lane_num[ConBits-1:0], LowBits'(0)} : lane_num;
    softmax_lane u_lane (
        .clk_i,
        .go_i(go_q),
        .v_i(stage_valid),
        .con_i(con_q),
        .sq_i(sq_q),
        .sk_i(beat_q[KStage].half ? k_word[HalfBits+32*l+:32] : k_word[32*l+:32]),
        .acc_i(beat_q[SStage].half ? s_word[HalfBits+32*l+:32] : s_word[32*l+:32]),
        .sv_i(beat_q[VStage].half ? v_word[HalfBits+32*l+:32] : v_word[32*l+:32]),
        .c_i(c_q),
        .max_i(max_q),
        .eref_i(eref_q),
        .z_i(z_q),
        .ceil_o(ceil[l]),
        .clip_o(clip[l]),
        .prob_o(prob[l]),
        .num_o(lane_num)
    );
  end

  // ---------------------------------------------------------------------------------------------------------------------
  // Reductions over the lanes, and the state of the head.
  localparam int unsigned SumWidth = 16 + $clog2(SmxLanes) + 1;
  logic signed [12:0] beat_max_q;
  logic beat_any_q;
  logic [RemWidth-1:0] beat_clips_q;
  logic [SumWidth-1:0] beat_sum_q;
  logic [16:0] max_step;

  assign max_step = 17'(max_q) - 17'(max_old_q);

  always_ff @(posedge clk_i) begin
    logic signed [12:0] best;
    logic [RemWidth-1:0] clips;
    logic [SumWidth-1:0] total;
    if (go_q && beat_q[ScanStage].valid) begin
      best = {1'b1, 12'd0};
      clips = '0;
      for (int unsigned l = 0; l < SmxLanes; l++) begin
        if (scan_mask[l] && $signed(ceil[l]) > best) best = ceil[l];
        clips = clips + RemWidth'(scan_mask[l] && clip[l]);
      end
      beat_any_q <= beat_q[ScanStage].rem != '0;
      beat_max_q <= best;
      beat_clips_q <= clips;
    end
    if (go_q && beat_q[SumStage].valid && beat_q[SumStage].num) begin
      total = '0;
      for (int unsigned l = 0; l < SmxLanes; l++) begin
        if (sum_mask[l]) total = total + SumWidth'(prob[l]);
      end
      beat_sum_q <= total;
    end
  end

  always_ff @(posedge clk_i) begin
    if (start) begin
      max_q <= nxt_cont_q ? head_max_q : MaxStart;
      sum_q <= nxt_cont_q ? head_sum_q : '0;
      clips_q <= head_clips_q;
    end else begin
      if (go_q && beat_q[ScanStage+1].valid) begin
        if (!beat_q[ScanStage+1].num && beat_any_q && 16'(beat_max_q) > max_q) max_q <= 16'(beat_max_q);
        clips_q <= clips_q + 32'(beat_clips_q);
      end
      if (scan_end_q) sum_q <= max_step < 17'd32 ? sum_q >> max_step[4:0] : '0;
      else if (go_q && beat_q[SumStage+1].valid && beat_q[SumStage+1].num) sum_q <= sum_q + 32'(beat_sum_q);
    end
    if (emit_end_q) sum_norm_q <= sf_norm32(sum_q, '0);
    if (con_q) factor_q <= sf_pow2(z_q + eref_q);
    else if (factor_end_q) factor_q <= sf_shift(sf_recip(sum_norm_q), NumPoint + eref_q);
  end

  // ---------------------------------------------------------------------------------------------------------------------
  // Results: numerators through a buffer of two tiles, words of the head record one by one. Of an exact tile the upper
  // 16 bits are the even half word, the lower 8 the odd one; of ConSMax there is one half word, even or odd.
  localparam int unsigned LowWidth = LowBits * ArrayCols;
  localparam int unsigned LowShift = ConBits;  // an element of the odd half word
  logic [HalfBits/2-1:0] first_high_q;
  logic [LowWidth/2-1:0] first_low_q;
  logic [HalfBits-1:0] out_high, out_odd;
  logic [LowWidth-1:0] out_low;
  logic out_valid, out_ready, pop;
  logic [6:3] pend_q;  // by head_e
  logic [6:3] pend_set;
  head_e pend_index;

  always_ff @(posedge clk_i) begin
    if (go_q && beat_q[NumStage].valid && !beat_q[NumStage].half) begin
      first_high_q <= high;
      first_low_q <= low;
    end
  end

  fifo #(
      .Width(HalfBits + LowWidth),
      .Depth(2)
  ) u_out (
      .clk_i,
      .rst_ni,
      .clear_i(1'b0),
      .valid_i(push),
      .ready_o(out_ready),
      .data_i({high, first_high_q, low, first_low_q}),
      .valid_o(out_valid),
      .ready_i(scr_wr_gnt_i),
      .data_o({out_high, out_low})
  );

  assign pop = out_valid && scr_wr_gnt_i;
  assign scr_wr_req_o = out_valid;
  assign scr_wr_addr_o = ScrAddrWidth'(out_addr_q >> 1);
  assign scr_wr_data_o = {con_q ? out_high : out_odd, out_high};
  assign scr_wr_be_o = {{HalfBytes{out_addr_q[0] || !con_q}}, {HalfBytes{!out_addr_q[0] || !con_q}}};

  for (genvar c = 0; c < ArrayCols; c++) begin : gen_odd
    assign out_odd[LowShift*c+:LowShift] = LowShift'(out_low[LowBits*c+:LowBits]);
  end

  assign pend_set[HeadMax] = scan_end_q;
  assign pend_set[HeadSum] = scan_q ? scan_end_q : emit_end_q && !con_q;
  assign pend_set[HeadFactor] = con_q ? emit_end_q : factor_end_q;
  assign pend_set[HeadClips] = con_q && emit_end_q;

  always_comb begin
    unique case (1'b1)
      pend_q[HeadMax]: begin
        pend_index = HeadMax;
        scl_wr_data_o = {{16{max_q[15]}}, max_q};
      end
      pend_q[HeadSum] && !pend_q[HeadMax]: begin
        pend_index = HeadSum;
        scl_wr_data_o = sum_q;
      end
      pend_q[HeadFactor] && pend_q[HeadSum:HeadMax] == '0: begin
        pend_index = HeadFactor;
        scl_wr_data_o = factor_q;
      end
      default: begin
        pend_index = HeadClips;
        scl_wr_data_o = clips_q;
      end
    endcase
  end

  assign scl_wr_req_o = pend_q != '0;
  assign scl_wr_addr_o = SclAddrWidth'(s0_q + 16'(pend_index));
  assign scl_wr_be_o = '1;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      pend_q <= '0;
      held_q <= '0;
    end else begin
      for (int i = 3; i <= 6; i++) begin
        if (pend_set[i]) pend_q[i] <= 1'b1;
        else if (scl_wr_gnt_i && 3'(pend_index) == 3'(i)) pend_q[i] <= 1'b0;
      end
      held_q <= held_q + 2'(push) - 2'(pop);
    end
  end

  always_ff @(posedge clk_i) begin
    if (start) out_addr_q <= 17'(nxt_a1_q);
    else if (pop) out_addr_q <= out_addr_q + (con_q ? 17'd1 : 17'd2);
  end

  assign done_o = state_q == Drain && ended_q && pend_q == '0 && held_q == '0;
  assign busy_o = running || nxt_valid_q;
  assign stall_operand_o = stall_operand_q;
  assign stall_output_o = stall_output_q;
  assign stall_memory_o = 1'b0;

  // ---------------------------------------------------------------------------------------------------------------------
  `ASSERT_INIT(ColsPowerOfTwo, ArrayCols == 1 << LgCols && ArrayCols >= 4)
  `ASSERT_INIT(ScrPowerOfTwo, ScrWords == 1 << ScrAddrWidth && ScrWords <= 32768)
  `ASSERT_INIT(KvsPowerOfTwo, KvsWords == 1 << KvsAddrWidth && KvsWords <= 65536)
  `ASSERT_INIT(SclPowerOfTwo, SclWords == 1 << SclAddrWidth && SclWords <= 65536)
  `ASSERT_INIT(ScaleStreamsAlternate, (VStage - KStage) % 2 == 1)
  `ASSERT(PushWhenReady, !push || out_ready)
  `ASSERT(HeldMatches, (held_q != '0) == out_valid)
  `ASSERT(DoneMeansEmpty, !done_o || (!scr_rd_req_o && !kvs_rd_req_o && !scr_wr_req_o && !scl_wr_req_o))
  `ASSERT(SumShiftForward, !scan_end_q || !max_step[16])
  `ASSERT(KvsHeld, !($past(rst_ni) && $past(kvs_rd_req_o) && !$past(kvs_rd_gnt_i)
          ) || (kvs_rd_req_o && $stable(kvs_rd_addr_o)))
  `ASSERT_STABLE(SclWriteHeld, scl_wr_req_o, scl_wr_gnt_i, scl_wr_addr_o)
  `ASSERT_STABLE(SclReadHeld, scl_rd_req_o, scl_rd_gnt_i, scl_rd_addr_o)
  `ASSERT_STABLE(ScrWriteHeld, scr_wr_req_o, scr_wr_gnt_i, {scr_wr_addr_o, scr_wr_be_o})
  `ASSERT(ErrOrDone, !(err_o && start))
  `ASSERT(NoPassWithoutScores, !start || nxt_tiles_q != '0 || nxt_count_q == '0)
  `COVER(RecordInUse, need_q != '0 && head_hold)
  `COVER(NextReady, nxt_ready && running)
  `COVER(BufferFull, held_q == 2'd2)
  `COVER(RequestKept, kvs_kept_q)

endmodule

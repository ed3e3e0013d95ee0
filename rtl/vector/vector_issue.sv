// Reads the operands of a batch of heads, pass by pass and chunk by chunk, and fires chunks into the lane pipeline.
//
// Two reads a cycle: one of vectors in work (ACT, or a word of SCR), one of constants (the auxiliary port of ACT), each
// in its own order; a chunk is complete with the last of both. Operands are captured in the lanes the cycle after the
// grant (cap_*_o). The registers of a chunk are overwritten by the next one's reads, so a chunk's first read is asked for
// only when the chunk before it is sure to fire by then; that is why the pipeline says one cycle ahead whether it moves
// (en_next_i). A pass that needs results of the one before it has its first operands read while it waits.
`include "assert.svh"

module vector_issue
  import pimllm_pkg::*;
  import vector_pkg::*;
#(
    parameter int unsigned VecLanes = 4,
    parameter int unsigned ArrayCols = 4,
    parameter int unsigned ActWords = 512,
    parameter int unsigned ScrWords = 256,
    localparam int unsigned WordsPerChunk = VecLanes > ArrayCols ? VecLanes / ArrayCols : 1,
    localparam int unsigned ChunksPerWord = ArrayCols > VecLanes ? ArrayCols / VecLanes : 1,
    localparam int unsigned WordWidth = WordsPerChunk > 1 ? $clog2(WordsPerChunk) : 1,
    localparam int unsigned PartWidth = ChunksPerWord > 1 ? $clog2(ChunksPerWord) : 1
) (
    input  logic                        clk_i,
    input  logic                        rst_ni,
    input  logic                        start_i,        // of a batch; the inputs below are stable from the next cycle on
    input  logic                        first_batch_i,  // with start_i
    /* verilator lint_off UNUSEDSIGNAL */  // a part of the fields concerns each piece
    input  unit_cmd_t                   cmd_i,
    /* verilator lint_on UNUSEDSIGNAL */
    input  logic [15:0]                 base_chunk_i,   // first chunk of the batch
    input  logic [15:0]                 head_mask_i,    // chunks of a head, less one
    input  logic [2:0]                  heads_i,        // in the batch
    output logic                        busy_o,

    input  logic                        en_i,
    input  logic                        en_next_i,
    input  logic                        init_done_i,
    input  logic [GroupIdxWidth-1:0]    ready_count_i,  // results of (pass, head) that are ready for the next pass

    output logic                        act_rd_req_o,
    output logic [$clog2(ActWords)-1:0] act_rd_addr_o,
    input  logic                        act_rd_gnt_i,
    output logic                        aux_rd_req_o,
    output logic [$clog2(ActWords)-1:0] aux_rd_addr_o,
    input  logic                        aux_rd_gnt_i,
    output logic                        scr_rd_req_o,
    output logic [$clog2(ScrWords)-1:0] scr_rd_addr_o,
    input  logic                        scr_rd_gnt_i,

    output logic                        cap_x_o,
    output logic                        cap_g_o,
    output logic                        cap_b_o,
    output logic                        cap_g_aux_o,    // with cap_g_o, cap_b_o: from the auxiliary port
    output logic                        cap_b_aux_o,
    output src_e                        cap_src_o,      // of the other operands
    output logic [WordWidth-1:0]        cap_word_o,     // word of the chunk, SCR
    output logic [PartWidth-1:0]        cap_part_o,     // chunk of the word, SCR
    output logic [1:0]                  cap_quarter_o,  // chunk of the word, bytes in ACT

    output logic                        fire_o,
    output logic                        join_o,
    output logic                        three_o,        // with join_o
    output logic                        mean_o,
    output logic                        add_b_o,
    output logic                        add_g_o,
    output stage_t                      stage_o
);

  localparam int unsigned WordShift = $clog2(WordsPerChunk);
  localparam int unsigned PartShift = $clog2(ChunksPerWord);
  localparam logic [WordWidth-1:0] LastWord = WordWidth'(WordsPerChunk - 1);

  typedef enum logic [1:0] {
    StepG,
    StepB,
    StepX
  } step_e;

  // What a chunk brings to the pipeline, and when it may.
  typedef struct packed {
    need_e need;
    logic [GroupIdxWidth-1:0] threshold;
    logic aligned;
    logic [1:0] gap;
    logic join_planes;
    logic three_planes;
    logic sub_mean;
    logic has_b;
    logic add_g;
    stage_t stage;
  } chunk_t;

  // --- position ---
  logic active_q, mid_q, hold_q, main_over_q, aux_over_q;
  logic [PassWidth-1:0] pass_q;
  logic [SlotWidth-1:0] slot_q;
  logic [GroupIdxWidth-1:0] group_q;
  logic [15:0] chunk_q;
  logic [PassWidth-1:0] pass_index;
  logic [GroupIdxWidth-1:0] group_index;
  logic skip;
  logic fresh_q;  // chunk_q is to be taken from base_chunk_i
  step_e step_q, step_first, step;
  logic aux_b_q, aux_b;  // the auxiliary port is at the addend
  logic [WordWidth-1:0] word_q;

  pass_t pass;
  logic [15:0] chunk, in_head;
  logic g_aux, b_aux, main_g, main_b;
  logic from_scr, gnt, main_gnt, aux_gnt, main_req, aux_req, ask, clear;
  logic step_end, main_over, aux_over, chunk_end, head_last, pass_end;

  // What was kept stands for the first pass.
  assign skip = known(cmd_i.opcode, cmd_i.mode);
  assign pass_index = pass_q + PassWidth'(skip);
  assign group_index = group_q + GroupIdxWidth'(skip);
  assign pass = pass_of(cmd_i.opcode, cmd_i.mode, pass_index);
  // Constants, and what lies beside them; the residual stream and planes come through the port of x.
  assign g_aux = pass.has_g && !pass.g_scr && pass.g_base == BaseA1;
  assign b_aux = pass.has_b && !pass.b_scr;
  assign main_g = pass.has_g && !g_aux;
  assign main_b = pass.has_b && !b_aux;
  assign step_first = main_g ? StepG : main_b ? StepB : StepX;
  assign step = mid_q ? step_q : step_first;
  assign aux_b = mid_q ? aux_b_q : !g_aux;
  assign chunk = fresh_q ? base_chunk_i : chunk_q;
  assign in_head = chunk & head_mask_i;
  assign head_last = in_head == head_mask_i || chunk == cmd_i.count - 16'd1;
  assign pass_end = head_last && 3'(slot_q) == heads_i - 3'd1;
  assign from_scr = (step == StepG && pass.g_scr) || (step == StepB && pass.b_scr) || (step == StepX && pass.main_scr);
  assign step_end = !from_scr || word_q == LastWord;
  assign main_over = (mid_q && main_over_q) || (main_gnt && step == StepX && step_end);
  assign aux_over = (mid_q && aux_over_q) || (!g_aux && !b_aux) || (aux_gnt && (aux_b || !b_aux));
  assign chunk_end = gnt && main_over && aux_over;

  // --- addresses ---
  logic [15:0] act_base, act_offset, aux_base, aux_offset, scr_words, head_words, plane_words;
  base_e base;
  assign base = step == StepG ? pass.g_base : pass.main_base;

  always_comb begin
    unique case (base)
      BaseA1: act_base = cmd_i.a1[15:0];
      BaseA2: act_base = cmd_i.a2;
      default: act_base = cmd_i.a0;
    endcase
    act_offset = step == StepX && pass.main_bytes ? chunk >> 2 : chunk;
    aux_base = cmd_i.a1[15:0];
    if (aux_b && pass.b_base == BaseA1Next) aux_base = cmd_i.a1[15:0] + cmd_i.count;
    aux_offset = !aux_b && pass.g_row ? in_head : chunk;
    // SCR words before this chunk; a head's planes of JOIN follow each other, the lowest first.
    scr_words = ((chunk << WordShift) >> PartShift) + 16'(word_q);
    head_words = ((chunk - in_head) << WordShift) >> PartShift;
    plane_words = ((head_mask_i + 16'd1) << WordShift) >> PartShift;
    if (pass.join_planes) begin
      scr_words = scr_words + (pass.three_planes ? head_words << 1 : head_words);
      if (step == StepG) scr_words = scr_words + (pass.three_planes ? plane_words << 1 : plane_words);
      if (step == StepB) scr_words = scr_words + plane_words;
    end
  end

  assign ask = active_q && (hold_q || mid_q || clear);
  assign main_req = ask && !(mid_q && main_over_q);
  assign aux_req = ask && (g_aux || b_aux) && !(mid_q && aux_over_q);
  assign act_rd_req_o = main_req && !from_scr;
  assign aux_rd_req_o = aux_req;
  assign scr_rd_req_o = main_req && from_scr;
  assign act_rd_addr_o = $clog2(ActWords)'(act_base + act_offset);
  assign aux_rd_addr_o = $clog2(ActWords)'(aux_base + aux_offset);
  assign scr_rd_addr_o = $clog2(ScrWords)'((cmd_i.a0 >> 1) + scr_words);
  assign main_gnt = main_req && (from_scr ? scr_rd_gnt_i : act_rd_gnt_i);
  assign aux_gnt = aux_req && aux_rd_gnt_i;
  assign gnt = main_gnt || aux_gnt;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      active_q <= 1'b0;
      mid_q <= 1'b0;
      hold_q <= 1'b0;
    end else if (start_i) begin
      active_q <= 1'b1;
      mid_q <= 1'b0;
      hold_q <= 1'b0;
    end else begin
      hold_q <= ask && !gnt;
      if (gnt) begin
        mid_q <= !chunk_end;
        if (chunk_end && pass_end && pass.last_pass) active_q <= 1'b0;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      pass_q <= '0;
      slot_q <= '0;
      group_q <= '0;
      fresh_q <= 1'b1;
      word_q <= '0;
      step_q <= StepX;
    end else if (gnt) begin
      step_q <= step;
      if (main_gnt) begin
        word_q <= step_end ? '0 : word_q + 1'b1;
        if (step_end) step_q <= step == StepG && main_b ? StepB : StepX;
      end
      aux_b_q <= aux_b || (aux_gnt && b_aux);
      main_over_q <= main_over;
      aux_over_q <= aux_over;
      if (chunk_end) begin
        chunk_q <= chunk + 16'd1;
        fresh_q <= pass_end;
        if (head_last) begin
          slot_q <= pass_end ? '0 : slot_q + 1'b1;
          group_q <= group_q + 1'b1;
        end
        if (pass_end) pass_q <= pass_q + 1'b1;
      end
    end
  end

  // --- capture ---
  chunk_t now, flight_q, held_q;
  logic flight_valid_q, held_valid_q;

  always_comb begin
    now.need = pass.need;
    now.threshold = pass.need == NeedPrev ? group_index - GroupIdxWidth'(heads_i) : group_index;
    now.aligned = pass.aligned;
    now.gap = pass.gap;
    now.join_planes = pass.join_planes;
    now.three_planes = pass.three_planes;
    now.sub_mean = pass.sub_mean;
    now.has_b = pass.has_b;
    now.add_g = pass.add_g;
    now.stage = pass.stage;
    now.stage.slot = pass.stage.slot | slot_q;  // a fixed slot comes with one head only
    now.stage.first = in_head == '0;
    now.stage.last = head_last;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      cap_x_o <= 1'b0;
      cap_g_o <= 1'b0;
      cap_b_o <= 1'b0;
      flight_valid_q <= 1'b0;
      held_valid_q <= 1'b0;
    end else begin
      cap_x_o <= main_gnt && step == StepX;
      cap_g_o <= (main_gnt && step == StepG) || (aux_gnt && !aux_b);
      cap_b_o <= (main_gnt && step == StepB) || (aux_gnt && aux_b);
      flight_valid_q <= chunk_end;
      if (flight_valid_q) held_valid_q <= 1'b1;
      else if (fire_o) held_valid_q <= 1'b0;
    end
  end

  always_ff @(posedge clk_i) begin
    cap_g_aux_o <= aux_gnt && !aux_b;
    cap_b_aux_o <= aux_gnt && aux_b;
    if (main_gnt) begin
      cap_src_o <= from_scr ? SrcScr : step == StepX && pass.main_bytes ? SrcBytes : SrcAct;
      cap_word_o <= word_q;
      cap_part_o <= PartWidth'(chunk);
      cap_quarter_o <= chunk[1:0];
    end
    if (chunk_end) flight_q <= now;
    if (flight_valid_q) held_q <= flight_q;
  end

  // --- fire ---
  logic [1:0] gap_q, gap_next;
  logic odd_q, odd_next, counting_q;
  logic flight_fires, held_fires;  // for sure in the next cycle
  logic next_open;

  function automatic logic is_ready(input need_e need, input logic [GroupIdxWidth-1:0] threshold,
                                    input logic init_done, input logic [GroupIdxWidth-1:0] count);
    unique case (need)
      NeedInit: return init_done;
      NeedPrev, NeedSlot: return count > threshold;
      default: return 1'b1;
    endcase
  endfunction

  assign fire_o = held_valid_q && en_i && gap_q == '0 && !(held_q.aligned && odd_q) && is_ready(
      held_q.need, held_q.threshold, init_done_i, ready_count_i
  );

  always_comb begin
    gap_next = gap_q;
    odd_next = odd_q;
    if (fire_o) begin
      gap_next = held_q.gap;
      odd_next = held_q.aligned;
    end else if (en_i) begin
      if (gap_q != '0) gap_next = gap_q - 2'd1;
      odd_next = counting_q && !odd_q;
    end
  end

  assign next_open = en_next_i && gap_next == '0;
  assign flight_fires = next_open && !(flight_q.aligned && odd_next) &&
      is_ready(flight_q.need, flight_q.threshold, init_done_i, ready_count_i);
  assign held_fires = next_open && !(held_q.aligned && odd_next) &&
      is_ready(held_q.need, held_q.threshold, init_done_i, ready_count_i);
  assign clear = !(held_valid_q && !fire_o && !held_fires) && !(flight_valid_q && !flight_fires);

  always_ff @(posedge clk_i) begin
    if (!rst_ni || (start_i && first_batch_i)) begin
      gap_q <= '0;
      odd_q <= 1'b0;
      counting_q <= 1'b0;
    end else begin
      gap_q <= gap_next;
      odd_q <= odd_next;
      if (fire_o) counting_q <= held_q.aligned;
    end
  end

  assign join_o = held_q.join_planes;
  assign three_o = held_q.three_planes;
  assign mean_o = held_q.sub_mean;
  assign add_b_o = held_q.has_b;
  assign add_g_o = held_q.add_g;
  assign stage_o = held_q.stage;
  assign busy_o = active_q || flight_valid_q || held_valid_q;

  `ASSERT_INIT(LanesPowerOfTwo, VecLanes >= 2 && (VecLanes & (VecLanes - 1)) == 0)
  `ASSERT(NoOverwrite, !(flight_valid_q && held_valid_q && !fire_o))
  `ASSERT(StartWhenIdle, !start_i || !busy_o)
  `ASSERT_STABLE(ActStable, act_rd_req_o, act_rd_gnt_i, act_rd_addr_o)
  `ASSERT_STABLE(AuxStable, aux_rd_req_o, aux_rd_gnt_i, aux_rd_addr_o)
  `ASSERT_STABLE(ScrStable, scr_rd_req_o, scr_rd_gnt_i, scr_rd_addr_o)
  // Five passes of a head or three of four.
  `ASSERT(GroupsFit, !active_q || (!group_q[GroupIdxWidth-1] && !group_index[GroupIdxWidth-1]))
  `ASSERT(StepKnown, step inside {StepG, StepB, StepX})
  `ASSERT(AlignedApart, !(fire_o && held_q.aligned && counting_q && odd_q))

endmodule

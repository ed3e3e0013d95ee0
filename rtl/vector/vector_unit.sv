// The vector unit: NORM, QUANT, JOIN, RESADD, ACTFN, EMBED and LOGIT of docs/isa.md over VecLanes lanes.
//
// An instruction runs as passes over chunks (vector_pkg); vector_issue reads and fires, the lanes compute, the trees
// reduce, vector_scalar handles scales, vector_output writes. QUANT and JOIN work on up to four heads at once.
// Throughput: a chunk in as many cycles as the busier of the two read ports has words of it, two where it goes through a
// multiplier twice (docs/vector.md).
// One instruction at a time; the next is taken in the cycle of done_o, or, while nothing but rows of K are left to be
// written (the tail), before: it writes nothing until they are. Illegal operands pulse err_o instead of done_o.
`include "assert.svh"

module vector_unit
  import pimllm_pkg::*;
  import vector_pkg::*;
#(
    parameter int unsigned VecLanes = 4,
    parameter int unsigned ArrayRows = 4,
    parameter int unsigned ArrayCols = 4,
    parameter int unsigned MemChannels = 2,
    parameter int unsigned ChannelBytes = 8,
    parameter int unsigned KvRows = 512,
    parameter int unsigned ActWords = 512,
    parameter int unsigned ScrWords = 256,
    parameter int unsigned KvsWords = 128,
    parameter int unsigned SclWords = 256,
    localparam int unsigned Groups = ArrayRows * ArrayCols / ChannelBytes,
    localparam int unsigned GroupWidth = Groups > 1 ? $clog2(Groups) : 1,
    localparam int unsigned ActBytes = 4 * VecLanes,
    localparam int unsigned ScrBytes = 4 * ArrayCols
) (
    input  logic clk_i,
    input  logic rst_ni,

    input  logic            cmd_valid_i,
    output logic            cmd_ready_o,
    input  unit_cmd_t       cmd_i,
    output logic            done_o,
    output logic            err_o,
    output isa_pkg::error_e err_code_o,
    output logic            busy_o,
    output logic            stall_operand_o,
    output logic            stall_output_o,
    output logic            stall_memory_o,
    output logic [31:0]     argmax_id_o,

    output logic                        act_rd_req_o,
    output logic [$clog2(ActWords)-1:0] act_rd_addr_o,
    input  logic                        act_rd_gnt_i,
    input  logic [8*ActBytes-1:0]       act_rd_data_i,
    output logic                        aux_rd_req_o,  // ACT, constants
    output logic [$clog2(ActWords)-1:0] aux_rd_addr_o,
    input  logic                        aux_rd_gnt_i,
    input  logic [8*ActBytes-1:0]       aux_rd_data_i,
    output logic                        act_wr_req_o,
    output logic [$clog2(ActWords)-1:0] act_wr_addr_o,
    output logic [8*ActBytes-1:0]       act_wr_data_o,
    output logic [ActBytes-1:0]         act_wr_be_o,
    input  logic                        act_wr_gnt_i,

    output logic                        scr_rd_req_o,
    output logic [$clog2(ScrWords)-1:0] scr_rd_addr_o,
    input  logic                        scr_rd_gnt_i,
    input  logic [8*ScrBytes-1:0]       scr_rd_data_i,
    output logic                        scr_wr_req_o,
    output logic [$clog2(ScrWords)-1:0] scr_wr_addr_o,
    output logic [8*ScrBytes-1:0]       scr_wr_data_o,
    output logic [ScrBytes-1:0]         scr_wr_be_o,
    input  logic                        scr_wr_gnt_i,

    output logic                        scl_rd_req_o,
    output logic [$clog2(SclWords)-1:0] scl_rd_addr_o,
    input  logic                        scl_rd_gnt_i,
    input  logic [31:0]                 scl_rd_data_i,
    output logic                        scl_wr_req_o,
    output logic [$clog2(SclWords)-1:0] scl_wr_addr_o,
    output logic [31:0]                 scl_wr_data_o,
    output logic [3:0]                  scl_wr_be_o,
    input  logic                        scl_wr_gnt_i,

    output logic                        kvs_wr_req_o,
    output logic [$clog2(KvsWords)-1:0] kvs_wr_addr_o,
    output logic [8*ScrBytes-1:0]       kvs_wr_data_o,
    output logic [ScrBytes-1:0]         kvs_wr_be_o,
    input  logic                        kvs_wr_gnt_i,

    output logic                        kva_req_o,
    output logic [GroupWidth-1:0]       kva_group_o,
    output logic [$clog2(KvRows)-1:0]   kva_addr_o,
    output logic [8*ChannelBytes-1:0]   kva_data_o,
    output logic [ChannelBytes-1:0]     kva_be_o,
    input  logic                        kva_gnt_i
);

  localparam int unsigned CountWidth = $clog2(VecLanes + 1);
  localparam int unsigned WordsPerChunk = VecLanes > ArrayCols ? VecLanes / ArrayCols : 1;
  localparam int unsigned ChunksPerWord = ArrayCols > VecLanes ? ArrayCols / VecLanes : 1;
  localparam int unsigned WordWidth = WordsPerChunk > 1 ? $clog2(WordsPerChunk) : 1;
  localparam int unsigned PartWidth = ChunksPerWord > 1 ? $clog2(ChunksPerWord) : 1;
  localparam logic [4:0] HalfShift = 5'd15;  // A = rsh(A * A, 15) of ReLU^2
  localparam logic [ShiftWidth-1:0] GateShift = ShiftWidth'(16);

  // --- command -------------------------------------------------------------------------------------------------------
  logic take, legal, waited_legal_q, bad_operand, bad_address;

  vector_check #(
      .VecLanes(VecLanes),
      .ArrayCols(ArrayCols),
      .ChannelBytes(ChannelBytes),
      .KvRows(KvRows),
      .ActWords(ActWords),
      .ScrWords(ScrWords),
      .KvsWords(KvsWords),
      .SclWords(SclWords)
  ) u_check (
      .cmd_i,
      .bad_operand_o(bad_operand),
      .bad_address_o(bad_address)
  );

  logic run_q, done, batch_done, start, last_batch, computed, tail_q, tail_end, overlap;
  unit_cmd_t cmd_q;
  dest_e dest_q;
  logic [15:0] head_mask_q, base_chunk_q, base_head_q, heads_left_q;
  logic [2:0] heads;
  logic one_group;

  assign cmd_ready_o = !run_q || done || overlap;
  assign take = cmd_valid_i && cmd_ready_o;
  assign legal = !bad_operand && !bad_address;
  // Heads count in QUANT and JOIN only.
  assign one_group = cmd_i.mode[6:4] == OneGroup ||
      (cmd_i.opcode != isa_pkg::OpQuant && cmd_i.opcode != isa_pkg::OpJoin);
  assign start = (take && legal) || (batch_done && !last_batch);
  assign heads = heads_left_q >= 16'(Slots) ? 3'(Slots) : heads_left_q[2:0];
  assign last_batch = heads_left_q <= 16'(Slots);
  assign done = batch_done && last_batch;
  assign done_o = done || tail_end;

  function automatic dest_e dest_of(input isa_pkg::opcode_e opcode, input logic to_scr,
                                    input quant_dest_e quant);
    if (opcode == isa_pkg::OpNorm) return to_scr ? DestScrBytes : DestActBytes;
    if (opcode != isa_pkg::OpQuant) return DestAct;
    unique case (quant)
      QuantQuery: return DestScrBytes;
      QuantKey: return DestKey;
      QuantValue: return DestValue;
      default: return DestActBytes;
    endcase
  endfunction

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      run_q <= 1'b0;
      tail_q <= 1'b0;
      err_o <= 1'b0;
    end else begin
      if (take) run_q <= legal;
      else if (done) run_q <= 1'b0;
      if (take && overlap) tail_q <= 1'b1;
      else if (tail_end) tail_q <= 1'b0;
      err_o <= take && !legal;
    end
  end

  always_ff @(posedge clk_i) begin
    if (take) begin
      cmd_q <= cmd_i;
      dest_q <= dest_of(cmd_i.opcode, cmd_i.mode[1], quant_dest_e'(cmd_i.mode[3:2]));
      head_mask_q <= one_group ? '1 : (16'd1 << cmd_i.mode[6:4]) - 16'd1;
      base_chunk_q <= '0;
      base_head_q <= '0;
      heads_left_q <= one_group ? 16'd1 : cmd_i.count >> cmd_i.mode[6:4];
      err_code_o <= bad_operand ? isa_pkg::ErrBadOperand : isa_pkg::ErrBadAddress;
    end else if (start) begin
      base_chunk_q <= base_chunk_q + 16'(Slots) * (head_mask_q + 16'd1);
      base_head_q <= base_head_q + 16'(Slots);
      heads_left_q <= heads_left_q - 16'(Slots);
    end
  end

  // --- issue ---------------------------------------------------------------------------------------------------------
  logic issue_busy, en_q, en_next, init_done, fire, fire_join, fire_three, fire_mean, fire_b, fire_add_g;
  logic [GroupIdxWidth-1:0] ready_count;
  logic cap_x, cap_g, cap_b, cap_g_aux, cap_b_aux;
  src_e cap_src;
  /* verilator lint_off UNUSEDSIGNAL */  // each is for one relation of lanes and columns
  logic [WordWidth-1:0] cap_word;
  logic [PartWidth-1:0] cap_part;
  /* verilator lint_on UNUSEDSIGNAL */
  logic [1:0] cap_quarter;
  stage_t fire_stage;

  vector_issue #(
      .VecLanes(VecLanes),
      .ArrayCols(ArrayCols),
      .ActWords(ActWords),
      .ScrWords(ScrWords)
  ) u_issue (
      .clk_i,
      .rst_ni,
      .start_i(start),
      .first_batch_i(take),
      .cmd_i(cmd_q),
      .base_chunk_i(base_chunk_q),
      .head_mask_i(head_mask_q),
      .heads_i(heads),
      .busy_o(issue_busy),
      .en_i(en_q),
      .en_next_i(en_next),
      .init_done_i(init_done),
      .ready_count_i(ready_count),
      .act_rd_req_o,
      .act_rd_addr_o,
      .act_rd_gnt_i,
      .aux_rd_req_o,
      .aux_rd_addr_o,
      .aux_rd_gnt_i,
      .scr_rd_req_o,
      .scr_rd_addr_o,
      .scr_rd_gnt_i,
      .cap_x_o(cap_x),
      .cap_g_o(cap_g),
      .cap_b_o(cap_b),
      .cap_g_aux_o(cap_g_aux),
      .cap_b_aux_o(cap_b_aux),
      .cap_src_o(cap_src),
      .cap_word_o(cap_word),
      .cap_part_o(cap_part),
      .cap_quarter_o(cap_quarter),
      .fire_o(fire),
      .join_o(fire_join),
      .three_o(fire_three),
      .mean_o(fire_mean),
      .add_b_o(fire_b),
      .add_g_o(fire_add_g),
      .stage_o(fire_stage)
  );

  // --- pipeline control ----------------------------------------------------------------------------------------------
  // Valid bits and descriptors of the stages; T, S: gate table and interpolation, L: other factor of a gated product,
  // E: that product.
  logic
      c_valid_q,
      n_valid_q,
      p_valid_q,
      a_valid_q,
      m_valid_q,
      w_valid_q,
      t_valid_q,
      s_valid_q,
      l_valid_q,
      e_valid_q;
  logic c_valid_d, n_valid_d, p_valid_d, a_valid_d, m_valid_d, w_valid_d;
  stage_t c_q, n_q, p_q, a_q, m_q, w_q, t_q, s_q, a_d;
  logic second_beat, w_loop, w_out, e_out_next, w_out_next;
  logic to_a_c, to_a_p, to_a_w, to_a_s, chunk_through;

  // A chunk's second beat follows the first through C.
  assign second_beat = c_valid_q && c_q.beats != BeatNone && !c_q.beat;
  assign chunk_through = c_valid_q && !c_q.beat;
  assign c_valid_d = fire || second_beat;
  assign n_valid_d = c_valid_q && c_q.route == RouteLong;
  // The other factor does not go into P by itself.
  assign p_valid_d = (n_valid_q && !(n_q.beat && n_q.beats == BeatOther)) ||
      (c_valid_q && c_q.route == RouteScale);
  assign to_a_c = chunk_through && c_q.route == RouteShort;
  // Of two beats the first goes on, or, in RoPE, the second.
  assign to_a_p = p_valid_q && (p_q.beats == BeatRope) == p_q.beat &&
      (p_q.max_a || p_q.max_w || p_q.out || p_q.loop != LoopNone);
  assign w_loop = w_valid_q && w_q.loop != LoopNone;
  assign to_a_w = w_loop && w_q.loop == LoopQuant;
  assign to_a_s = s_valid_q;
  assign a_valid_d = to_a_c || to_a_p || to_a_w || to_a_s;
  assign m_valid_d = a_valid_q && !a_q.max_a;
  assign w_valid_d = m_valid_q;
  assign w_out = w_valid_q && w_q.out && !w_loop && !w_q.gated;

  always_comb begin
    a_d = c_q;
    unique case (1'b1)
      to_a_p: a_d = p_q;
      to_a_w: begin
        a_d = to_bytes(w_q);
        a_d.second = 1'b1;
      end
      to_a_s: a_d = s_q;
      default: ;
    endcase
  end

  assign w_out_next = en_q ? m_valid_q && m_q.out && m_q.loop == LoopNone && !m_q.gated : w_out;
  assign e_out_next = en_q ? l_valid_q : e_valid_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      {c_valid_q, n_valid_q, p_valid_q, a_valid_q, m_valid_q, w_valid_q} <= '0;
      {t_valid_q, s_valid_q, l_valid_q, e_valid_q} <= '0;
      en_q <= 1'b1;
    end else begin
      en_q <= en_next;
      if (en_q) begin
        c_valid_q <= c_valid_d;
        n_valid_q <= n_valid_d;
        p_valid_q <= p_valid_d;
        a_valid_q <= a_valid_d;
        m_valid_q <= m_valid_d;
        w_valid_q <= w_valid_d;
        t_valid_q <= w_loop && w_q.loop == LoopGate;
        s_valid_q <= t_valid_q;
        l_valid_q <= w_valid_q && !w_loop && w_q.gated;
        e_valid_q <= l_valid_q;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_q) begin
      if (fire) c_q <= fire_stage;
      else c_q.beat <= 1'b1;
      if (n_valid_d) n_q <= c_q;
      if (p_valid_d) p_q <= n_valid_q ? n_q : c_q;
      if (a_valid_d) a_q <= a_d;
      if (m_valid_d) m_q <= a_q;
      if (w_valid_d) w_q <= m_q;
      if (w_loop) begin
        t_q <= w_q;
        t_q.loop <= LoopNone;
        t_q.second <= 1'b1;
        t_q.add <= 1'b0;
        t_q.factor <= FactorGate;
        t_q.shift <= ShiftGate;
      end
      if (t_valid_q) s_q <= t_q;
    end
  end

  // --- scales --------------------------------------------------------------------------------------------------------
  logic scalar_busy, sum_clear, sum_done, sum_busy, max_busy, kept_clear;
  logic [Slots-1:0][31:0] max;
  logic [31:0] kept_max;
  logic signed [47:0] kept_sum;
  logic [GroupIdxWidth-1:0] max_count;
  logic signed [47:0] sum;
  logic signed [31:0] mean;
  sf_t scale;
  logic [ShiftWidth-1:0] common_shift;
  logic [Slots-1:0][4:0] first_d, second_d;
  logic [Slots-1:0][15:0] slot_factor;
  logic [Slots-1:0][ShiftWidth-1:0] slot_shift;

  vector_scalar #(
      .ArrayCols(ArrayCols),
      .KvsWords(KvsWords),
      .SclWords(SclWords)
  ) u_scalar (
      .clk_i,
      .rst_ni,
      .start_i(start),
      .first_batch_i(take),
      .cmd_i(cmd_q),
      .base_head_i(base_head_q),
      .heads_i(heads),
      .busy_o(scalar_busy),
      .hold_i(tail_q),
      .max_i(max),
      .max_count_i(max_count),
      .kept_max_i(kept_max),
      .kept_sum_i(kept_sum),
      .sum_i(sum),
      .sum_done_i(sum_done),
      .sum_clear_o(sum_clear),
      .init_done_o(init_done),
      .ready_count_o(ready_count),
      .mean_o(mean),
      .scale_o(scale),
      .common_shift_o(common_shift),
      .first_d_o(first_d),
      .second_d_o(second_d),
      .slot_factor_o(slot_factor),
      .slot_shift_o(slot_shift),
      .scl_rd_req_o,
      .scl_rd_addr_o,
      .scl_rd_gnt_i,
      .scl_rd_data_i,
      .scl_wr_req_o,
      .scl_wr_addr_o,
      .scl_wr_data_o,
      .scl_wr_be_o,
      .scl_wr_gnt_i,
      .kvs_wr_req_o,
      .kvs_wr_addr_o,
      .kvs_wr_data_o,
      .kvs_wr_be_o,
      .kvs_wr_gnt_i
  );

  // --- lane control --------------------------------------------------------------------------------------------------
  lane_ctl_t ctl;
  logic [$clog2(OtherDepth)-1:0] other_wr_q, other_rd_q;
  logic max_c, max_a, max_w, argmax, sum_c, sum_p, keep, push;

  assign max_c = en_q && c_valid_q && !c_q.beat && c_q.max_c;
  assign max_a = en_q && a_valid_q && a_q.max_a;
  assign keep = en_q && w_out && w_q.keep;
  assign max_w = keep || (en_q && w_valid_q && w_q.max_w);
  assign argmax = en_q && w_valid_q && w_q.argmax;
  assign sum_c = en_q && c_valid_q && c_q.sum_c;
  // Squares: the second beat of a weighted norm, or all there is.
  assign sum_p = en_q && p_valid_q && p_q.sum_p && (p_q.beat || p_q.beats == BeatNone);
  assign push = en_q && (w_out || e_valid_q);

  always_comb begin
    ctl.x_src = cap_src;
    ctl.from_scr = cap_src == SrcScr;
    ctl.g_aux = cap_g_aux;
    ctl.b_aux = cap_b_aux;

    ctl.ld_c = en_q && (fire || (second_beat && c_q.beats == BeatOther));
    ctl.ld_op = fire;
    ctl.c_sel = !fire ? COther : fire_join ? (fire_three ? CJoinThree : CJoin) : fire_mean ? CMean : CMain;
    ctl.use_b = fire_b;
    ctl.add_g = fire_add_g;

    ctl.ld_n = en_q && c_valid_q && c_q.route == RouteLong && (!c_q.beat || c_q.beats == BeatOther);
    ctl.ld_g2 = en_q && chunk_through && c_q.route == RouteLong;
    ctl.relu = c_q.relu && !c_q.beat;
    ctl.d_n = c_q.beat ? first_d[1] : first_d[c_q.slot];
    ctl.ld_other = en_q && c_valid_q && c_q.gated && c_q.beat;
    ctl.other_wr = other_wr_q;
    ctl.other_rd = other_rd_q;

    ctl.ld_p = en_q && (p_valid_d || l_valid_q);
    ctl.mul = MulWeight;
    ctl.mul_second = 1'b0;
    if (l_valid_q) begin
      ctl.mul = MulLate;
    end else if (n_valid_q) begin
      ctl.mul = n_q.beat && n_q.beats == BeatSquare ? MulSquare : n_q.mul;
      ctl.mul_second = n_q.beat;
    end else begin
      ctl.mul = c_q.mul;
    end

    ctl.ld_a = en_q && a_valid_d;
    // LOGIT multiplies the operand by the scale that P made.
    ctl.a_sel = to_a_p && a_d.route != RouteScale ? AFromP : to_a_w ? AFromW : to_a_s ? AFromZ : AFromC;
    ctl.norm_a = a_d.norm != NormNone && !to_a_s;
    ctl.d_a = a_d.norm == NormHalf ? HalfShift : second_d[a_d.slot];
    ctl.factor = a_d.factor;
    unique case (a_d.factor)
      FactorSlot: ctl.factor_value = 17'(slot_factor[a_d.slot]);
      FactorOne: ctl.factor_value = 17'd1;
      default: ctl.factor_value = 17'(scale.m);
    endcase

    ctl.ld_m = en_q && m_valid_d;
    ctl.ld_w = en_q && w_valid_d;
    ctl.lane_shift = m_q.shift == ShiftLane;
    unique case (m_q.shift)
      ShiftSlot: ctl.shift = slot_shift[m_q.slot];
      ShiftZero: ctl.shift = '0;
      ShiftGate: ctl.shift = GateShift;
      default: ctl.shift = common_shift;
    endcase
    ctl.add = m_q.add;

    ctl.ld_t = en_q && w_loop && w_q.loop == LoopGate;
    ctl.gelu = w_q.gelu;
    ctl.ld_s = en_q && t_valid_q;
    ctl.ld_late = en_q && w_valid_q && !w_loop && w_q.gated;

    ctl.max_en = max_c || max_a || max_w || argmax;
    ctl.max_sel = max_a ? MaxA : max_w ? MaxW : argmax ? MaxSigned : MaxC;
    ctl.sum_en = sum_c || sum_p || keep;
    ctl.sum_p = sum_p;
    ctl.sum_w = keep;
    ctl.out_en = push;
    ctl.out_bytes = w_q.out_bytes;
    ctl.out_relu = w_q.out_relu;
    ctl.out_p = e_valid_q;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      other_wr_q <= '0;
      other_rd_q <= '0;
    end else begin
      if (ctl.ld_other) other_wr_q <= other_wr_q + 1'b1;
      if (en_q && l_valid_q) other_rd_q <= other_rd_q + 1'b1;
    end
  end

  // --- lanes ---------------------------------------------------------------------------------------------------------
  logic signed [15:0] lane_n[VecLanes];
  logic signed [15:0] lane_g[VecLanes];
  logic [31:0] lane_key[VecLanes];
  logic signed [31:0] lane_sum[VecLanes];
  logic [31:0] lane_out[VecLanes];

  for (genvar i = 0; i < VecLanes; i++) begin : gen_lane
    logic [31:0] scr;
    logic [7:0] octet;
    logic cap_x_lane, cap_g_lane, cap_b_lane, here;

    if (VecLanes > ArrayCols) begin : gen_words
      assign here = cap_src != SrcScr || cap_word == WordWidth'(i / ArrayCols);
      assign scr = scr_rd_data_i[32*(i%ArrayCols)+:32];
    end else if (ArrayCols > VecLanes) begin : gen_parts
      assign here = 1'b1;
      assign scr = scr_rd_data_i[32*(VecLanes*32'(cap_part)+i)+:32];
    end else begin : gen_equal
      assign here = 1'b1;
      assign scr = scr_rd_data_i[32*i+:32];
    end
    assign octet = act_rd_data_i[8*(VecLanes*32'(cap_quarter)+i)+:8];
    assign cap_x_lane = cap_x && here;
    assign cap_g_lane = cap_g && (cap_g_aux || here);
    assign cap_b_lane = cap_b && (cap_b_aux || here);

    vector_lane #(
        .Odd(i % 2 == 1)
    ) u_lane (
        .clk_i,
        .ctl_i(ctl),
        .cap_x_i(cap_x_lane),
        .cap_g_i(cap_g_lane),
        .cap_b_i(cap_b_lane),
        .act_i(act_rd_data_i[32*i+:32]),
        .aux_i(aux_rd_data_i[32*i+:32]),
        .byte_i(octet),
        .scr_i(scr),
        .mean_i(mean),
        .logit_scale_i(scale),
        .pair_n_i(lane_n[i^1]),
        .pair_g_i(lane_g[i^1]),
        .n_o(lane_n[i]),
        .g_o(lane_g[i]),
        .max_key_o(lane_key[i]),
        .sum_o(lane_sum[i]),
        .out_o(lane_out[i])
    );
  end

  // --- reductions ----------------------------------------------------------------------------------------------------
  /* verilator lint_off UNUSEDSIGNAL */  // only the position counts here
  stage_t max_stage;
  /* verilator lint_on UNUSEDSIGNAL */
  logic [31:0] logit_id_q, logit_left_q;
  logic [CountWidth-1:0] logit_lanes;
  assign kept_clear = take && begins(cmd_i.opcode, cmd_i.mode);
  assign max_stage = max_a ? a_q : max_w ? w_q : c_q;
  assign logit_lanes = logit_left_q >= 32'(VecLanes) ? CountWidth'(VecLanes) : CountWidth'(logit_left_q);

  always_ff @(posedge clk_i) begin
    if (take) begin
      logit_id_q <= 32'(cmd_i.s1);
      logit_left_q <= cmd_i.s2[31:0];
    end else if (argmax) begin
      logit_id_q <= logit_id_q + 32'(VecLanes);
      logit_left_q <= logit_left_q - 32'(logit_lanes);
    end
  end

  vector_max_tree #(
      .VecLanes(VecLanes)
  ) u_max (
      .clk_i,
      .rst_ni,
      .clear_i(start),
      .valid_i(ctl.max_en),
      .argmax_i(argmax),
      .keep_i(keep),
      .slot_i(max_stage.slot),
      .first_i(max_stage.first),
      .last_i(max_stage.last),
      .id_i(logit_id_q),
      .lanes_i(logit_lanes),
      .key_i(lane_key),
      .busy_o(max_busy),
      .max_o(max),
      .count_o(max_count),
      .kept_clear_i(kept_clear),
      .kept_o(kept_max),
      .argmax_clear_i(take && cmd_i.opcode == isa_pkg::OpLogit && cmd_i.mode[0]),
      .argmax_id_o
  );

  vector_sum_tree #(
      .VecLanes(VecLanes)
  ) u_sum (
      .clk_i,
      .rst_ni,
      .clear_i(sum_clear || start),
      .valid_i(ctl.sum_en),
      .keep_i(keep),
      .first_i(sum_p ? p_q.first : c_q.first),
      .last_i(sum_p ? p_q.last : c_q.last),
      .value_i(lane_sum),
      .busy_o(sum_busy),
      .done_o(sum_done),
      .sum_o(sum),
      .kept_clear_i(kept_clear),
      .kept_o(kept_sum)
  );

  // --- output --------------------------------------------------------------------------------------------------------
  logic out_busy, out_room_next;
  assign en_next = out_room_next || !(w_out_next || e_out_next);

  vector_output #(
      .VecLanes(VecLanes),
      .ArrayCols(ArrayCols),
      .ChannelBytes(ChannelBytes),
      .Groups(Groups),
      .KvRows(KvRows),
      .ActWords(ActWords),
      .ScrWords(ScrWords)
  ) u_output (
      .clk_i,
      .rst_ni,
      .start_i((take && !overlap) || tail_end),
      .hold_i(tail_q && !tail_end),
      .cmd_i(cmd_q),
      .dest_i(dest_q),
      .head_mask_i(head_mask_q),
      .push_i(push),
      .data_i(lane_out),
      .busy_o(out_busy),
      .room_next_o(out_room_next),
      .act_wr_req_o,
      .act_wr_addr_o,
      .act_wr_data_o,
      .act_wr_be_o,
      .act_wr_gnt_i,
      .scr_wr_req_o,
      .scr_wr_addr_o,
      .scr_wr_data_o,
      .scr_wr_be_o,
      .scr_wr_gnt_i,
      .kva_req_o,
      .kva_group_o,
      .kva_addr_o,
      .kva_data_o,
      .kva_be_o,
      .kva_gnt_i
  );

  // --- end -----------------------------------------------------------------------------------------------------------
  logic pipe_busy;
  assign pipe_busy = c_valid_q || n_valid_q || p_valid_q || a_valid_q || m_valid_q || w_valid_q || t_valid_q ||
      s_valid_q || l_valid_q || e_valid_q || max_busy || sum_busy;
  assign computed = run_q && !issue_busy && !pipe_busy && !scalar_busy && !tail_q;
  assign batch_done = computed && (!last_batch || !out_busy);
  // Of a command that waited, so that cmd_ready_o does not hang on the check of the operands.
  always_ff @(posedge clk_i) begin
    if (!rst_ni) waited_legal_q <= 1'b0;
    else waited_legal_q <= cmd_valid_i && !cmd_ready_o && legal;
  end
  assign overlap = computed && last_batch && out_busy && dest_q == DestKey && waited_legal_q;
  assign tail_end = tail_q && !out_busy;

  assign busy_o = run_q;
  assign stall_operand_o = (act_rd_req_o && !act_rd_gnt_i) || (aux_rd_req_o && !aux_rd_gnt_i) ||
      (scr_rd_req_o && !scr_rd_gnt_i) || (scl_rd_req_o && !scl_rd_gnt_i);
  assign stall_output_o = (act_wr_req_o && !act_wr_gnt_i) || (scr_wr_req_o && !scr_wr_gnt_i) ||
      (scl_wr_req_o && !scl_wr_gnt_i) || (kvs_wr_req_o && !kvs_wr_gnt_i);
  assign stall_memory_o = kva_req_o && !kva_gnt_i;

  `ASSERT_INIT(GroupsWhole, Groups * ChannelBytes == ArrayRows * ArrayCols)
  `ASSERT_INIT(GroupsOverChannels, Groups % MemChannels == 0)
  `ASSERT_STABLE(CmdStable, cmd_valid_i, cmd_ready_o, cmd_i)
  `ASSERT(OneIntoA, !en_q || $onehot0({to_a_c, to_a_p, to_a_w, to_a_s}))
  `ASSERT(OneIntoP, !en_q || $onehot0({p_valid_d, l_valid_q}))
  `ASSERT(OneIntoMax, $onehot0({max_c, max_a, max_w, argmax}))
  `ASSERT(OneIntoSum, $onehot0({sum_c, sum_p, keep}))
  `ASSERT(OneOut, $onehot0({w_out, e_valid_q}))
  `ASSERT(FireApart, !fire || !second_beat)
  `ASSERT(OtherFits, !ctl.ld_other || other_wr_q + 1'b1 != other_rd_q)
  `ASSERT(DoneIsPulse, !done_o || run_q)
  `ASSERT(IdleMeansQuiet, run_q || (!pipe_busy && !issue_busy && !scalar_busy && !out_busy))
  `ASSERT(ErrNotDone, !err_o || !done_o)
  `COVER(Stalled, !en_q)
  `COVER(SeveralBatches, batch_done && !last_batch)
  `COVER(BackToBack, take && done)
  `COVER(Overlapped, take && overlap)
  `ASSERT(NotBothDone, !(done && tail_end))

endmodule

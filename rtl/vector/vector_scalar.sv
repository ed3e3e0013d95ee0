// Scales of the vector unit: loads an instruction's scales, turns the results of the reduction trees into the shifts
// and factors that the next pass needs, and writes the scales of what comes out. One scale operation a cycle.
//
// For each batch: load and initial products (overlapped with the first pass), then one short program per (pass, head)
// in the order in which the reductions arrive; ready_count_o counts those whose results the pipeline will find in time.
`include "assert.svh"

module vector_scalar
  import pimllm_pkg::*;
  import vector_pkg::*;
#(
    parameter int unsigned ArrayCols = 4,
    parameter int unsigned KvsWords = 128,
    parameter int unsigned SclWords = 256,
    localparam int unsigned ScrBytes = 4 * ArrayCols
) (
    input  logic                        clk_i,
    input  logic                        rst_ni,
    input  logic                        start_i,        // of a batch; the inputs below are stable from the next cycle on
    input  logic                        first_batch_i,  // with start_i
    /* verilator lint_off UNUSEDSIGNAL */  // a part of the fields concerns each piece
    input  unit_cmd_t                   cmd_i,
    /* verilator lint_on UNUSEDSIGNAL */
    input  logic [15:0]                 base_head_i,
    input  logic [2:0]                  heads_i,
    output logic                        busy_o,
    input  logic                        hold_i,         // the instruction before is still written: no writes

    input  logic [Slots-1:0][31:0]      max_i,
    input  logic [GroupIdxWidth-1:0]    max_count_i,
    input  logic [31:0]                 kept_max_i,     // of what earlier instructions wrote
    input  logic signed [47:0]          kept_sum_i,
    input  logic signed [47:0]          sum_i,
    input  logic                        sum_done_i,
    output logic                        sum_clear_o,

    output logic                        init_done_o,
    output logic [GroupIdxWidth-1:0]    ready_count_o,
    output logic signed [31:0]          mean_o,
    output sf_t                         scale_o,         // common factor
    output logic [ShiftWidth-1:0]       common_shift_o,
    output logic [Slots-1:0][4:0]       first_d_o,       // shift of the first block normalisation
    output logic [Slots-1:0][4:0]       second_d_o,      // of the one before quantisation
    output logic [Slots-1:0][15:0]      slot_factor_o,
    output logic [Slots-1:0][ShiftWidth-1:0] slot_shift_o,

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
    input  logic                        kvs_wr_gnt_i
);

  localparam int unsigned ColWidth = $clog2(ArrayCols);
  localparam logic signed [15:0] FractionOperand = 16'sd16;  // biased operands, norms, attention
  localparam logic signed [15:0] FractionGate = 16'sd12;
  localparam logic signed [15:0] FractionGated = 16'sd10;
  localparam logic signed [15:0] RopeFraction = 16'sd14;
  localparam logic signed [15:0] SquareShift = 16'sd15;
  localparam logic signed [15:0] JoinShift = 16'sd4;
  localparam logic [15:0] HeadRecordWords = 16'd8;

  typedef enum logic [4:0] {
    Idle,
    Load,
    InitA,
    InitB,
    InitC,
    InitSlot,
    Wait,
    QuantRecip,
    QuantFactor,
    MeanShift,
    VarNorm,
    VarMean,
    VarAdd,
    VarRsqrt,
    VarScale,
    ActSquare,
    ActShift,
    ActGate,
    ActGateShift,
    OutNorm,
    OutSize,
    OutScale,
    OutEref,
    OutWrite
  } state_e;
  typedef enum logic [2:0] {
    AluNorm32,
    AluNorm64,
    AluMul,
    AluAdd,
    AluRecip,
    AluRsqrt,
    AluPass
  } alu_e;
  typedef enum logic [1:0] {
    KindShift,
    KindQuant,
    KindMean,
    KindVar
  } kind_e;

  state_e state_q, state_d;
  logic is_join, layer, gated;
  aux_e aux;
  quant_dest_e dest;
  assign is_join = cmd_i.opcode == isa_pkg::OpJoin;
  assign layer = cmd_i.mode[0];
  assign gated = cmd_i.mode[2];
  assign aux = aux_e'(cmd_i.mode[1:0]);
  assign dest = quant_dest_e'(cmd_i.mode[3:2]);

  // Decoded ahead: there from the second cycle of a command on, and nothing asks before its scales are loaded.
  // act_block_q: ReLU and ReLU^2 on block-normalised values; the others on fixed point. is_known_q: what was kept stands
  // for the first pass.
  logic is_norm_q, is_quant_q, is_act_q, act_block_q, is_known_q;
  always_ff @(posedge clk_i) begin
    is_norm_q <= cmd_i.opcode == isa_pkg::OpNorm;
    is_quant_q <= cmd_i.opcode == isa_pkg::OpQuant;
    is_act_q <= cmd_i.opcode == isa_pkg::OpActfn;
    act_block_q <= cmd_i.opcode == isa_pkg::OpActfn && (act_e'(cmd_i.mode[1:0]) == Relu2 ||
                                                        (act_e'(cmd_i.mode[1:0]) == Relu && !cmd_i.mode[3]));
    is_known_q <= known(cmd_i.opcode, cmd_i.mode);
  end

  // --- registers ---
  sf_t [3:0] ld_q;
  sf_t t_q, s_q, u_q;
  logic signed [63:0] product_q;
  logic [PassWidth-1:0] pass_q;
  logic [SlotWidth-1:0] slot_q;
  logic [GroupIdxWidth-1:0] max_seen_q;
  logic shift_pending_q;
  logic [SlotWidth-1:0] shift_slot_q;

  // --- loads ---
  logic [1:0] load_q, load_last, arrive_q;
  logic load_req_q, arrive_valid_q;
  logic [15:0] load_addr;

  always_comb begin
    unique case (cmd_i.opcode)
      isa_pkg::OpNorm: load_last = 2'd3;
      isa_pkg::OpResadd: load_last = 2'd2;
      isa_pkg::OpActfn: load_last = gated ? 2'd2 : 2'd1;
      isa_pkg::OpLogit: load_last = 2'd0;
      isa_pkg::OpJoin: load_last = 2'(heads_i - 3'd1);
      default: load_last = 2'd1;
    endcase
    unique case (load_q)
      2'd1: load_addr = cmd_i.opcode == isa_pkg::OpEmbed ? cmd_i.s2[15:0] : cmd_i.s1;
      2'd2: load_addr = cmd_i.opcode == isa_pkg::OpResadd ? cmd_i.s2[15:0] : cmd_i.s1 + 16'd1;
      2'd3: load_addr = cmd_i.s1 + 16'd2;
      default: load_addr = cmd_i.s0;
    endcase
    if (is_join) load_addr = cmd_i.s0 + (base_head_i + 16'(load_q)) * HeadRecordWords;
  end

  // --- running greatest exponent of V scales ---
  logic eref_req_q, eref_arrive_q, eref_valid_q, writes_eref;
  logic signed [15:0] eref_q;
  logic [15:0] head, eref_addr;
  assign head = base_head_i + 16'(slot_q);
  assign eref_addr = cmd_i.s1 + 16'd1 + head;
  assign writes_eref = is_quant_q && dest == QuantValue;

  assign scl_rd_req_o = load_req_q || eref_req_q;
  assign scl_rd_addr_o = $clog2(SclWords)'(load_req_q ? load_addr : eref_addr);

  // --- which program follows a reduction ---
  kind_e kind;
  logic last_pass, has_reductions, available;
  logic [SlotWidth-1:0] d_slot;
  logic known_now;
  assign d_slot = !is_act_q ? slot_q : !act_block_q || pass_q != '0 ? 2'd1 : '0;
  always_comb begin
    kind = KindShift;
    last_pass = 1'b0;
    has_reductions = 1'b1;
    unique case (cmd_i.opcode)
      isa_pkg::OpNorm: begin
        if (!layer) begin
          kind = pass_q == '0 ? KindShift : KindQuant;
          last_pass = pass_q != '0;
        end else begin
          unique case (pass_q)
            3'd0: kind = KindMean;
            3'd1: kind = KindShift;
            3'd2: kind = KindVar;
            default: kind = KindQuant;
          endcase
          last_pass = pass_q == 3'd3;
        end
      end
      isa_pkg::OpQuant: begin
        last_pass = aux != AuxRope || pass_q != '0;
        kind = last_pass ? KindQuant : KindShift;
      end
      isa_pkg::OpActfn: begin
        has_reductions = act_block_q || gated;
        last_pass = !(act_block_q && gated) || pass_q != '0;
      end
      default: has_reductions = 1'b0;
    endcase
    available = known_now || (kind == KindMean || kind == KindVar ? sum_done_i : max_count_i != max_seen_q);
  end

  logic [31:0] max;
  logic signed [47:0] sum;
  assign known_now = is_known_q && pass_q == '0;
  assign max = known_now || (is_known_q && is_quant_q) ? kept_max_i : max_i[d_slot];
  assign sum = known_now ? kept_sum_i : sum_i;

  logic head_end;
  assign head_end = 3'(slot_q) == heads_i - 3'd1;

  // --- arithmetic ---
  alu_e alu;
  sf_t alu_a, alu_b, alu_y, alu_product, out_scale;
  always_comb begin
    unique case (1'b1)
      is_quant_q && aux == AuxRope:
        out_scale = sf_pkg::sf_shift(s_q, $signed({11'd0, first_d_o[slot_q]}) - RopeFraction);
      (is_quant_q && aux == AuxBias) || (is_norm_q && layer): out_scale = sf_pkg::sf_pow2(-FractionOperand);
      default: out_scale = s_q;
    endcase
  end

  logic signed [15:0] d0, d1;
  assign d0 = $signed({11'd0, first_d_o[0]});
  assign d1 = $signed({11'd0, first_d_o[1]});

  always_comb begin
    alu = AluPass;
    alu_a = t_q;
    alu_b = t_q;
    unique case (state_q)
      Load: alu_a = ld_q[0];  // there before the last one; its reciprocal comes first
      InitA: begin
        alu = is_norm_q ? AluRecip : load_last == '0 || cmd_i.opcode == isa_pkg::OpEmbed ? AluPass : AluMul;
        alu_a = ld_q[0];
        alu_b = ld_q[1];
      end
      InitB: begin
        alu = AluMul;
        if (is_act_q) begin
          alu_a = ld_q[0];
          alu_b = ld_q[2];
        end
      end
      InitC: begin
        alu = AluMul;
        alu_b = ld_q[2];
      end
      Wait, OutNorm: alu = AluNorm32;
      QuantRecip: alu = AluRecip;
      QuantFactor: begin
        alu = AluMul;
        alu_b = sf_pkg::K127;
      end
      VarNorm: alu = AluNorm64;
      VarMean: begin
        alu = AluMul;
        alu_b = ld_q[3];
      end
      VarAdd: alu = AluAdd;
      VarRsqrt: alu = AluRsqrt;
      VarScale: begin
        alu = AluMul;
        alu_a = sf_pkg::sf_shift(t_q, d0);
        alu_b = ld_q[1];
      end
      ActSquare: begin
        if (act_block_q) begin
          alu = act_e'(cmd_i.mode[1:0]) == Relu2 ? AluMul : AluPass;
          alu_a = s_q;
          alu_b = s_q;
        end else begin
          alu_a = sf_pkg::sf_pow2(gated ? -FractionGated : -FractionGate);
        end
      end
      ActShift: begin
        if (act_block_q) begin
          alu_a = sf_pkg::sf_shift(t_q, act_e'(cmd_i.mode[1:0]) == Relu2 ? (d0 <<< 1) + SquareShift : d0);
        end
      end
      ActGate: begin
        alu = AluMul;
        alu_b = u_q;
      end
      ActGateShift: alu_a = sf_pkg::sf_shift(t_q, d1);
      OutSize: begin
        alu = AluMul;
        alu_b = sf_pkg::I127;
      end
      OutScale: begin
        alu = AluMul;
        alu_b = out_scale;
      end
      default: ;
    endcase
    alu_product = sf_pkg::sf_mul(alu_a, alu_b);
    unique case (alu)
      AluNorm32: alu_y = sf_pkg::sf_norm32(max, '0);
      AluNorm64: alu_y = sf_pkg::sf_norm64(64'(sum_i), d0 <<< 1);
      AluMul: alu_y = alu_product;
      // The tables are slow, so their operand is always the last result.
      AluAdd: alu_y = sf_pkg::sf_add(t_q, u_q);
      AluRecip: alu_y = sf_pkg::sf_recip(t_q);
      AluRsqrt: alu_y = sf_pkg::sf_rsqrt(t_q);
      default: alu_y = alu_a;
    endcase
  end

  // sat32(rsh(product, -e)) of the mean.
  function automatic logic signed [31:0] mean_of(input logic signed [63:0] p, input logic signed [15:0] e);
    localparam logic signed [16:0] AllGone = 17'sd63;
    localparam logic signed [16:0] AllOver = -17'sd31;
    logic signed [16:0] s;
    logic signed [63:0] r, over;
    logic [4:0] left;
    s = -17'(e);
    if (p == '0) return '0;
    if (s > 0) begin
      if (s >= AllGone) return '0;
      r = p >>> (6'(s) - 6'd1);
      r = (r + 64'sd1) >>> 1;
      over = r >>> 31;
      return over == '0 || over == '1 ? r[31:0] : {p[63], {31{~p[63]}}};
    end
    left = 5'(-s);
    over = p >>> (6'd31 - 6'(left));
    if (s < AllOver || (over != '0 && over != '1)) return {p[63], {31{~p[63]}}};
    return p[31:0] << left;
  endfunction

  // --- control ---
  state_e after_init, after_last;
  logic ready_up, last_arrives, write_scl_q, write_kvs_q;
  assign last_arrives = arrive_valid_q && arrive_q == load_last;
  assign after_init = has_reductions ? Wait : is_act_q ? ActSquare : Idle;
  assign after_last = is_act_q ? ActSquare : is_norm_q && !layer ? VarNorm : OutNorm;

  always_comb begin
    state_d = state_q;
    ready_up = 1'b0;
    sum_clear_o = 1'b0;
    unique case (state_q)
      Load: if (last_arrives) state_d = is_join ? InitSlot : InitA;
      InitA: state_d = is_norm_q || (is_act_q && gated) ? InitB : after_init;
      InitB: state_d = is_norm_q ? InitC : after_init;
      InitC: state_d = after_init;
      InitSlot: begin
        ready_up = 1'b1;
        if (head_end) state_d = Idle;
      end
      Wait: begin
        if (available) begin
          unique case (kind)
            KindQuant: state_d = QuantRecip;
            KindMean: begin
              state_d = MeanShift;
              sum_clear_o = 1'b1;
            end
            KindVar: state_d = VarNorm;
            default: begin
              ready_up = 1'b1;
              if (head_end && last_pass) state_d = after_last;
            end
          endcase
        end
      end
      QuantRecip: begin
        ready_up = 1'b1;
        state_d = QuantFactor;
      end
      QuantFactor: state_d = head_end && last_pass ? after_last : Wait;
      MeanShift: begin
        ready_up = 1'b1;
        state_d = Wait;
      end
      VarNorm: begin
        if (sum_done_i) begin
          sum_clear_o = 1'b1;
          state_d = VarMean;
        end
      end
      VarMean: state_d = VarAdd;
      VarAdd: state_d = VarRsqrt;
      VarRsqrt: state_d = VarScale;
      VarScale: begin
        ready_up = layer;
        state_d = layer ? Wait : OutNorm;
      end
      ActSquare: state_d = ActShift;
      ActShift: state_d = gated ? ActGate : OutWrite;
      ActGate: state_d = ActGateShift;
      ActGateShift: state_d = OutWrite;
      OutNorm: state_d = OutSize;
      OutSize: state_d = OutScale;
      OutScale: state_d = writes_eref ? OutEref : OutWrite;
      OutEref: if (eref_valid_q) state_d = OutWrite;
      OutWrite: begin
        if ((!write_scl_q || scl_wr_gnt_i) && (!write_kvs_q || kvs_wr_gnt_i)) state_d = head_end ? Idle : OutNorm;
      end
      default: state_d = Idle;
    endcase
    if (start_i) state_d = first_batch_i || is_join ? Load : Wait;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
      load_req_q <= 1'b0;
      arrive_valid_q <= 1'b0;
      eref_req_q <= 1'b0;
      eref_arrive_q <= 1'b0;
      eref_valid_q <= 1'b0;
      write_scl_q <= 1'b0;
      write_kvs_q <= 1'b0;
      shift_pending_q <= 1'b0;
    end else begin
      state_q <= state_d;
      if (start_i) load_req_q <= first_batch_i || is_join;
      else if (scl_rd_gnt_i && load_q == load_last) load_req_q <= 1'b0;
      arrive_valid_q <= load_req_q && scl_rd_gnt_i;
      if (state_q == OutNorm && writes_eref) eref_req_q <= 1'b1;
      else if (scl_rd_gnt_i) eref_req_q <= 1'b0;
      eref_arrive_q <= eref_req_q && scl_rd_gnt_i;
      eref_valid_q <= eref_arrive_q || (eref_valid_q && state_q != OutEref);
      if (state_q == OutEref) begin
        write_scl_q <= eref_valid_q && t_q.m != '0 && t_q.e > eref_q;
      end else if (state_d == OutWrite && state_q != OutWrite) begin
        write_scl_q <= !(is_quant_q && dest == QuantKey);
      end else if (scl_wr_gnt_i) begin
        write_scl_q <= 1'b0;
      end
      if (state_q == OutScale && is_quant_q && (dest == QuantKey || dest == QuantValue)) write_kvs_q <= 1'b1;
      else if (kvs_wr_gnt_i) write_kvs_q <= 1'b0;
      shift_pending_q <= state_q == QuantFactor;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || start_i) begin
      ready_count_o <= '0;
      max_seen_q <= '0;
      pass_q <= '0;
      slot_q <= '0;
      load_q <= '0;
    end else begin
      if (ready_up) ready_count_o <= ready_count_o + 1'b1;
      if (state_q == Wait && available && !known_now && (kind == KindShift || kind == KindQuant))
        max_seen_q <= max_seen_q + 1'b1;
      if (load_req_q && scl_rd_gnt_i) load_q <= load_q + 2'd1;
      // End of the program of a (pass, head).
      if (state_q == InitSlot || state_q == QuantFactor || state_q == MeanShift || (state_q == VarScale && layer) ||
          (state_q == Wait && available && kind == KindShift)) begin
        slot_q <= head_end ? '0 : slot_q + 1'b1;
        if (head_end) pass_q <= pass_q + 1'b1;
      end else if (state_q == OutWrite && state_d == OutNorm) begin
        slot_q <= slot_q + 1'b1;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || (start_i && first_batch_i)) init_done_o <= 1'b0;
    else if (state_q == InitA) init_done_o <= 1'b1;
  end

  always_ff @(posedge clk_i) begin
    arrive_q <= load_q;
    if (arrive_valid_q) ld_q[arrive_q] <= sf_t'(scl_rd_data_i);
    if (eref_arrive_q) eref_q <= scl_rd_data_i[15:0];
    if (state_q != Idle && state_q != OutEref && state_q != OutWrite) t_q <= alu_y;
    if ((state_q == InitA && !is_norm_q) || state_q == VarScale) s_q <= alu_y;
    if (state_q == InitB || state_q == InitC) u_q <= alu_product;
    if (state_q == Wait && kind == KindMean) product_q <= 64'(sum) * 64'($signed({1'b0, ld_q[3].m}));
    if (state_q == MeanShift) mean_o <= mean_of(product_q, ld_q[3].e);
    if (state_q == Wait && available && kind == KindShift) first_d_o[d_slot] <= norm_shift(max);
    if (state_q == Wait && available && kind == KindQuant) second_d_o[slot_q] <= norm_shift(max);
    shift_slot_q <= slot_q;
    if (state_q == QuantFactor) slot_factor_o[slot_q] <= alu_product.m;
    if (shift_pending_q) begin
      slot_shift_o[shift_slot_q] <=
          clamp_shift(18'(sf_pkg::scale_shift(t_q.e, $signed({11'd0, second_d_o[shift_slot_q]}))));
    end
    if (state_q == InitSlot) begin
      slot_factor_o[slot_q] <= ld_q[slot_q].m;
      slot_shift_o[slot_q] <= clamp_shift(
          18'(sf_pkg::scale_shift(ld_q[slot_q].e + JoinShift, FractionOperand)));
    end
  end

  // --- common factor and shift ---
  logic signed [15:0] x_exponent;
  logic signed [17:0] common_shift;
  assign x_exponent = cmd_i.opcode == isa_pkg::OpResadd ? ld_q[2].e : ld_q[1].e;
  always_comb begin
    unique case (cmd_i.opcode)
      isa_pkg::OpResadd, isa_pkg::OpEmbed:  // F = -(x_exponent + 15)
        common_shift = 18'(x_exponent) - 18'(sf_pkg::ExpOfOne) - 18'(s_q.e);
      isa_pkg::OpActfn: common_shift = 18'(sf_pkg::scale_shift(s_q.e, FractionGate));
      default: common_shift = 18'(sf_pkg::scale_shift(s_q.e, FractionOperand));
    endcase
  end
  always_ff @(posedge clk_i) common_shift_o <= clamp_shift(common_shift);
  assign scale_o = s_q;

  // --- writes ---
  /* verilator lint_off UNUSEDSIGNAL */  // checked to be in range
  logic [15:0] scl_addr, kvs_addr;
  /* verilator lint_on UNUSEDSIGNAL */
  always_comb begin
    scl_addr = cmd_i.s2[15:0];
    if (is_quant_q && dest == QuantAct) scl_addr = cmd_i.s2[15:0] + head;
    if (is_quant_q && dest == QuantQuery) scl_addr = cmd_i.s2[15:0] + head * HeadRecordWords;
    if (writes_eref) scl_addr = eref_addr;
    kvs_addr = cmd_i.s2[15:0] + 16'(head << 1) + 16'(dest == QuantValue);
  end
  assign scl_wr_req_o = write_scl_q && !hold_i;
  assign scl_wr_addr_o = $clog2(SclWords)'(scl_addr);
  assign scl_wr_data_o = writes_eref ? 32'(t_q.e) : t_q;
  assign scl_wr_be_o = '1;
  assign kvs_wr_req_o = write_kvs_q && !hold_i;
  assign kvs_wr_addr_o = $clog2(KvsWords)'(kvs_addr);
  assign kvs_wr_data_o = {ArrayCols{t_q}};
  assign kvs_wr_be_o = ScrBytes'(4'hF) << {cmd_i.pos[ColWidth-1:0], 2'b00};

  assign busy_o = state_q != Idle || shift_pending_q;

  `ASSERT(ReductionsInOrder, max_count_i >= max_seen_q)
  `ASSERT(StartWhenIdle, !start_i || state_q == Idle)
  `ASSERT_STABLE(SclReadStable, scl_rd_req_o, scl_rd_gnt_i, scl_rd_addr_o)
  `ASSERT_STABLE(SclWriteStable, scl_wr_req_o, scl_wr_gnt_i, {scl_wr_addr_o, scl_wr_data_o})
  `ASSERT_STABLE(KvsWriteStable, kvs_wr_req_o, kvs_wr_gnt_i, {kvs_wr_addr_o, t_q})
  `ASSERT(NoWriteLeft, state_q != Idle || (!write_scl_q && !write_kvs_q))

endmodule

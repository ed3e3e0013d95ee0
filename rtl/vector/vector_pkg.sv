// Passes of the vector unit: what each pass of an instruction reads and what its chunks do in the lanes.
//
// An instruction is a sequence of passes over chunks of VecLanes elements. A chunk is fired into the lane pipeline when
// its operands are captured; its stage_t travels along. Stages: C (operand or difference, join), N (block normalised),
// P (product of the 16-bit multiplier), A (operand of the wide multiplier), M (its product), W (shifted, added,
// saturated). RouteShort goes C-A-M-W, RouteLong C-N-P-A-M-W, RouteScale C-P-A-M-W. A loop sends W back to A.
package vector_pkg;

  localparam int unsigned Slots = 4;  // heads in work at once
  localparam int unsigned SlotWidth = 2;
  localparam int unsigned ShiftWidth = 7;
  localparam int unsigned GroupIdxWidth = 5;  // passes times heads in work
  localparam int unsigned PassWidth = 3;

  // Fields of mode (docs/isa.md).
  localparam logic [2:0] OneGroup = 3'd7;
  localparam int unsigned PairBit = 16;  // of s2, QUANT of K and V
  typedef enum logic [1:0] {
    AuxNone = 2'd0,
    AuxBias = 2'd1,
    AuxRope = 2'd2,
    AuxKnown = 2'd3  // none, and the maximum is the one that was kept
  } aux_e;
  typedef enum logic [1:0] {
    QuantAct = 2'd0,
    QuantQuery = 2'd1,
    QuantKey = 2'd2,
    QuantValue = 2'd3
  } quant_dest_e;
  typedef enum logic [1:0] {
    Relu = 2'd0,
    Relu2 = 2'd1,
    Silu = 2'd2,
    Gelu = 2'd3
  } act_e;

  typedef enum logic [2:0] {
    DestAct,
    DestActBytes,
    DestScrBytes,
    DestKey,
    DestValue
  } dest_e;

  typedef enum logic [1:0] {
    BaseA0,
    BaseA1,
    BaseA2,
    BaseA1Next
  } base_e;
  typedef enum logic [1:0] {
    NeedNone,
    NeedInit,
    NeedPrev,
    NeedSlot
  } need_e;
  typedef enum logic [1:0] {
    RouteNone,
    RouteShort,
    RouteLong,
    RouteScale
  } route_e;
  // Second beat of a chunk: squares of the norm, sine part of RoPE, the other factor of a gated activation.
  typedef enum logic [1:0] {
    BeatNone,
    BeatSquare,
    BeatRope,
    BeatOther
  } beat_e;
  typedef enum logic [2:0] {
    MulWeight,
    MulSquare,
    MulOne,
    MulRope,
    MulScale,
    MulLate
  } mul_e;
  typedef enum logic [1:0] {
    NormNone,
    NormSlot,
    NormHalf
  } norm_e;  // normalisation before the wide multiplier
  typedef enum logic [2:0] {
    FactorCommon,
    FactorSlot,
    FactorOne,
    FactorOther,
    FactorLane,
    FactorGate
  } factor_e;
  typedef enum logic [2:0] {
    ShiftCommon,
    ShiftSlot,
    ShiftZero,
    ShiftLane,
    ShiftGate
  } shift_e;
  typedef enum logic [1:0] {
    LoopNone,
    LoopQuant,
    LoopGate
  } loop_e;

  typedef struct packed {
    logic [SlotWidth-1:0] slot;
    logic first;   // chunk of its head
    logic last;
    logic beat;    // second beat
    logic second;  // second traversal of a loop
    route_e route;
    beat_e beats;
    logic max_c;   // maximum of magnitudes of stage C, A, W
    logic max_a;
    logic max_w;
    logic sum_c;   // sum of stage C
    logic sum_p;   // sum of stage P (squares)
    logic argmax;
    logic keep;    // maximum and sum of what comes out
    mul_e mul;
    logic relu;    // in the normaliser
    norm_e norm;
    factor_e factor;
    shift_e shift;
    logic add;     // the addend, after the shift
    loop_e loop;
    logic gelu;
    logic out;
    logic out_bytes;
    logic out_relu;
    logic gated;   // product with the other factor at the end
  } stage_t;

  typedef struct packed {
    logic main_scr;
    logic main_bytes;
    base_e main_base;
    logic has_g;  // second operand: weight, cos and sin, other factor, high plane, row scales, residual
    logic g_scr;
    base_e g_base;
    logic g_row;  // counted within the head
    logic has_b;  // bias, or middle plane
    logic b_scr;
    base_e b_base;
    need_e need;
    logic aligned;     // fires in even cycles only, so that loops come back in odd ones
    logic [1:0] gap;   // least cycles between two fires, less one
    logic last_pass;
    logic join_planes;
    logic three_planes;
    logic sub_mean;
    logic add_g;  // the second operand is an addend
    stage_t stage;
  } pass_t;

  function automatic pass_t blank_pass();
    pass_t p;
    p = '0;
    p.main_base = BaseA0;
    p.g_base = BaseA1;
    p.b_base = BaseA1;
    p.need = NeedNone;
    p.stage.route = RouteNone;
    p.stage.beats = BeatNone;
    p.stage.mul = MulWeight;
    p.stage.norm = NormNone;
    p.stage.factor = FactorCommon;
    p.stage.shift = ShiftCommon;
    p.stage.loop = LoopNone;
    return p;
  endfunction

  // A pass that only looks for the maximum.
  function automatic pass_t max_pass(input base_e base, input logic [SlotWidth-1:0] slot);
    pass_t p;
    p = blank_pass();
    p.main_base = base;
    p.stage.max_c = 1'b1;
    p.stage.slot = slot;
    return p;
  endfunction

  function automatic stage_t to_bytes(input stage_t s);
    stage_t r;
    r = s;
    r.norm = NormSlot;
    r.factor = FactorSlot;
    r.shift = ShiftSlot;
    r.add = 1'b0;
    r.loop = LoopNone;
    r.out = 1'b1;
    r.out_bytes = 1'b1;
    return r;
  endfunction

  function automatic pass_t norm_pass(input logic layer, input logic [PassWidth-1:0] index);
    pass_t p;
    p = blank_pass();
    p.sub_mean = layer;
    p.need = NeedPrev;
    if (!layer) begin
      p.g_base = BaseA1;
      p.stage.mul = MulWeight;
      unique case (index)
        3'd0: return max_pass(BaseA0, '0);
        3'd1: begin
          p.has_g = 1'b1;
          p.gap = 2'd1;
          p.stage.route = RouteLong;
          p.stage.beats = BeatSquare;
          p.stage.max_a = 1'b1;
          p.stage.sum_p = 1'b1;
        end
        default: begin
          p.has_g = 1'b1;
          p.stage.route = RouteLong;
          p.stage = to_bytes(p.stage);
          p.last_pass = 1'b1;
        end
      endcase
      return p;
    end
    unique case (index)
      3'd0: begin
        p.sub_mean = 1'b0;
        p.need = NeedNone;
        p.stage.sum_c = 1'b1;
      end
      3'd1: p.stage.max_c = 1'b1;
      3'd2: begin
        p.stage.route = RouteLong;
        p.stage.mul = MulSquare;
        p.stage.sum_p = 1'b1;
      end
      default: begin
        p.has_g = 1'b1;
        p.has_b = 1'b1;
        p.b_base = BaseA1Next;
        p.gap = 2'd1;
        p.stage.route = RouteLong;
        p.stage.add = 1'b1;
        if (index == 3'd3) begin
          p.stage.max_w = 1'b1;
        end else begin
          p.aligned = 1'b1;
          p.stage.loop = LoopQuant;
          p.last_pass = 1'b1;
        end
      end
    endcase
    return p;
  endfunction

  function automatic pass_t quant_pass(input aux_e aux, input logic [PassWidth-1:0] index);
    pass_t p;
    p = blank_pass();
    p.need = NeedPrev;
    p.stage.route = RouteShort;
    unique case (aux)
      AuxBias: begin
        p.has_b = 1'b1;
        p.stage.add = 1'b1;
        if (index == '0) begin
          p.need = NeedInit;
          p.stage.max_w = 1'b1;
        end else begin
          p.gap = 2'd1;
          p.aligned = 1'b1;
          p.stage.loop = LoopQuant;
          p.last_pass = 1'b1;
        end
      end
      AuxRope: begin
        if (index == '0) return max_pass(BaseA0, '0);
        p.has_g = 1'b1;
        p.g_row = 1'b1;
        p.gap = 2'd1;
        p.stage.route = RouteLong;
        p.stage.beats = BeatRope;
        p.stage.mul = MulRope;
        if (index == 3'd1) begin
          p.stage.max_a = 1'b1;
        end else begin
          p.stage = to_bytes(p.stage);
          p.last_pass = 1'b1;
        end
      end
      default: begin  // none, or the maximum is known
        if (index == '0) return max_pass(BaseA0, '0);
        p.stage = to_bytes(p.stage);
        p.last_pass = 1'b1;
      end
    endcase
    return p;
  endfunction

  /* verilator lint_off UNUSEDSIGNAL */  // a part of the mode concerns each
  // The first pass only looks for what was kept when the vector was written: it is left out.
  function automatic logic known(input isa_pkg::opcode_e opcode, input logic [6:0] mode);
    if (opcode == isa_pkg::OpNorm) return mode[2];
    return opcode == isa_pkg::OpQuant && aux_e'(mode[1:0]) == AuxKnown;
  endfunction

  // Keeps, or keeps from here on, maximum and sum of what it writes.
  function automatic logic keeps(input isa_pkg::opcode_e opcode, input logic [6:0] mode);
    unique case (opcode)
      isa_pkg::OpJoin, isa_pkg::OpResadd, isa_pkg::OpEmbed: return mode[1];
      isa_pkg::OpActfn: return mode[4];
      default: return 1'b0;
    endcase
  endfunction
  function automatic logic begins(input isa_pkg::opcode_e opcode, input logic [6:0] mode);
    return keeps(opcode, mode) && (opcode == isa_pkg::OpActfn ? mode[5] : mode[2]);
  endfunction
  /* verilator lint_on UNUSEDSIGNAL */

  function automatic pass_t act_pass(input act_e kind, input logic gated, input logic bias,
                                     input logic [PassWidth-1:0] index);
    pass_t p;
    p = blank_pass();
    p.has_g = gated;
    p.gap = gated ? 2'd1 : 2'd0;
    p.stage.out = 1'b1;
    p.stage.beats = gated ? BeatOther : BeatNone;
    if (kind == Relu2 || (kind == Relu && !bias)) begin
      if (index == '0) return max_pass(BaseA0, '0);
      if (index == 3'd1 && gated) return max_pass(BaseA1, 2'd1);
      p.need = NeedPrev;
      p.stage.route = RouteLong;
      p.stage.relu = 1'b1;
      p.stage.mul = kind == Relu2 ? MulSquare : MulOne;
      p.stage.norm = kind == Relu2 ? NormHalf : NormNone;
      p.stage.factor = gated ? FactorOther : FactorOne;
      p.stage.shift = ShiftZero;
      p.last_pass = 1'b1;
      return p;
    end
    if (gated && index == '0) return max_pass(BaseA1, 2'd1);
    p.need = gated ? NeedPrev : NeedInit;
    p.has_b = bias;
    p.stage.add = bias;
    p.stage.route = RouteShort;
    p.last_pass = 1'b1;
    if (kind == Relu) begin
      p.stage.out_relu = 1'b1;
    end else begin
      p.aligned = 1'b1;
      p.stage.loop = LoopGate;
      p.stage.gelu = kind == Gelu;
      p.stage.gated = gated;
    end
    return p;
  endfunction

  // One-pass instructions.
  function automatic pass_t single_pass(input isa_pkg::opcode_e opcode, input logic option);
    pass_t p;
    p = blank_pass();
    p.need = NeedInit;
    p.last_pass = 1'b1;
    p.stage.route = RouteShort;
    p.stage.out = 1'b1;
    unique case (opcode)
      isa_pkg::OpJoin: begin
        p.main_scr = 1'b1;
        p.has_g = 1'b1;
        p.g_scr = 1'b1;
        p.join_planes = 1'b1;
        p.three_planes = option;
        p.has_b = option;
        p.b_scr = 1'b1;
        p.gap = 2'd1;
        p.need = NeedSlot;
        p.stage.factor = FactorSlot;
        p.stage.shift = ShiftSlot;
      end
      isa_pkg::OpResadd: begin
        p.has_g = 1'b1;
        p.g_base = BaseA2;
        p.has_b = option;
        p.add_g = 1'b1;
        p.gap = 2'd1;
        p.stage.add = 1'b1;
      end
      isa_pkg::OpEmbed: begin
        p.main_bytes = 1'b1;
        p.has_b = option;
        p.stage.add = option;
      end
      default: begin  // LOGIT
        p.main_scr = 1'b1;
        p.has_g = 1'b1;
        p.gap = 2'd1;
        p.stage.route = RouteScale;
        p.stage.mul = MulScale;
        p.stage.factor = FactorLane;
        p.stage.shift = ShiftLane;
        p.stage.argmax = 1'b1;
      end
    endcase
    return p;
  endfunction

  function automatic pass_t pass_of(input isa_pkg::opcode_e opcode,
                                    /* verilator lint_off UNUSEDSIGNAL */
                                    input logic [6:0] mode,
                                    /* verilator lint_on UNUSEDSIGNAL */
                                    input logic [PassWidth-1:0] index);
    pass_t p;
    unique case (opcode)
      isa_pkg::OpNorm: p = norm_pass(mode[0], index);
      isa_pkg::OpQuant: p = quant_pass(aux_e'(mode[1:0]), index);
      isa_pkg::OpActfn: p = act_pass(act_e'(mode[1:0]), mode[2], mode[3], index);
      default: p = single_pass(opcode, mode[0]);
    endcase
    p.stage.keep = p.stage.out && keeps(opcode, mode);
    return p;
  endfunction

  typedef enum logic [2:0] {
    CMain,
    CMean,
    CJoin,
    CJoinThree,
    COther
  } c_sel_e;
  typedef enum logic [1:0] {
    SrcAct,
    SrcBytes,
    SrcScr
  } src_e;
  typedef enum logic [1:0] {
    AFromC,
    AFromP,
    AFromW,
    AFromZ
  } a_sel_e;
  typedef enum logic [1:0] {
    MaxC,
    MaxA,
    MaxW,
    MaxSigned
  } max_sel_e;
  localparam int unsigned OtherDepth = 8;  // other factors between their normalisation and the late product

  // What all lanes do in a cycle: load enables of the stages and their selections.
  typedef struct packed {
    src_e x_src;
    logic from_scr;  // second operand and addend, unless from the auxiliary port
    logic g_aux;
    logic b_aux;
    logic ld_c;
    logic ld_op;  // second operand and addend, with the first beat
    c_sel_e c_sel;
    logic use_b;
    logic add_g;
    logic ld_n;
    logic ld_g2;
    logic relu;
    logic [4:0] d_n;
    logic ld_other;
    logic [$clog2(OtherDepth)-1:0] other_wr;
    logic [$clog2(OtherDepth)-1:0] other_rd;
    logic ld_p;
    mul_e mul;
    logic mul_second;  // second beat of RoPE
    logic ld_a;
    a_sel_e a_sel;
    logic norm_a;
    logic [4:0] d_a;
    factor_e factor;
    logic [16:0] factor_value;
    logic ld_m;
    logic ld_w;
    logic lane_shift;
    logic [ShiftWidth-1:0] shift;
    logic add;
    logic ld_t;
    logic gelu;
    logic ld_s;
    logic ld_late;
    logic max_en;
    max_sel_e max_sel;
    logic sum_en;
    logic sum_p;
    logic sum_w;
    logic out_en;
    logic out_bytes;
    logic out_relu;
    logic out_p;
  } lane_ctl_t;

  // A shift amount of the specification in the range that rsh48 tells apart.
  function automatic logic signed [ShiftWidth-1:0] clamp_shift(input logic signed [17:0] s);
    localparam logic signed [17:0] Low = -18'sd34;
    localparam logic signed [17:0] High = 18'sd48;
    if (s > High) return ShiftWidth'(High);
    if (s < Low) return ShiftWidth'(Low);
    return s[ShiftWidth-1:0];
  endfunction

  // d of block normalisation for the largest magnitude a.
  function automatic logic [4:0] norm_shift(input logic [31:0] a);
    logic [5:0] n;
    n = sf_pkg::bitlen32(a);
    return n > 6'd15 ? 5'(n - 6'd15) : '0;
  endfunction

endpackage

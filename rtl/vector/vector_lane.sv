// One lane of the vector unit: a 16x16 and a 32x17 multiplier between normalising and rounding shifters.
//
// All registers are data; ctl_i says which of them load (vector_pkg: stages). RoPE pairs the lanes 2i and 2i + 1: the
// partner's normalised value and table entry come in through pair_*_i. Latency of a stage one cycle.
module vector_lane
  import pimllm_pkg::*;
  import vector_pkg::*;
#(
    parameter bit Odd = 1'b0
) (
    input  logic               clk_i,
    input  lane_ctl_t          ctl_i,
    input  logic               cap_x_i,
    input  logic               cap_g_i,
    input  logic               cap_b_i,
    input  logic [31:0]        act_i,
    input  logic [31:0]        aux_i,
    input  logic [7:0]         byte_i,
    input  logic [31:0]        scr_i,
    input  logic signed [31:0] mean_i,
    input  sf_t                logit_scale_i,
    input  logic signed [15:0] pair_n_i,
    input  logic signed [15:0] pair_g_i,
    output logic signed [15:0] n_o,
    output logic signed [15:0] g_o,
    output logic [31:0]        max_key_o,  // magnitude, or order-preserving unsigned form for argmax
    output logic signed [31:0] sum_o,
    output logic [31:0]        out_o
);

  localparam logic signed [36:0] Max32 = 37'sh7FFFFFFF;
  localparam logic signed [36:0] Min32 = -37'sh80000000;
  localparam logic signed [31:0] ByteLimit = 32'sd127;
  localparam logic [31:0] GateLimit = 32'd32767;
  localparam logic [17:0] GateOne = 18'd65536;
  localparam logic signed [15:0] LogitFraction = 16'sd16;

  function automatic logic signed [31:0] sat37(input logic signed [36:0] v);
    return v > Max32 ? Max32[31:0] : v < Min32 ? Min32[31:0] : v[31:0];
  endfunction

  function automatic logic [31:0] magnitude(input logic signed [31:0] v);
    return v[31] ? 32'(-v) : 32'(v);
  endfunction

  logic signed [31:0] x_q, g_q, b_q;
  logic signed [31:0] c_q, g1_q, a_q, w_q, z_q;
  logic signed [32:0] b1_q, bp_q, ba_q, b2_q;  // addend at C, P, A, M
  logic signed [15:0] n_q, g2_q, late_q;
  logic signed [15:0] other_q[OtherDepth];
  logic signed [32:0] p_q;
  logic signed [17:0] factor_q;
  logic signed [ShiftWidth-1:0] lane_shift_q;
  logic signed [47:0] m_q;
  logic m_zero_q;
  tables_pkg::lut_t entry_q;
  logic [6:0] fraction_q;
  logic [16:0] gate_q;

  // --- operands ---
  always_ff @(posedge clk_i) begin
    if (cap_x_i) begin
      unique case (ctl_i.x_src)
        SrcBytes: x_q <= 32'($signed(byte_i));
        SrcScr: x_q <= $signed(scr_i);
        default: x_q <= $signed(act_i);
      endcase
    end
    if (cap_g_i) g_q <= ctl_i.g_aux ? $signed(aux_i) : ctl_i.from_scr ? $signed(scr_i) : $signed(act_i);
    if (cap_b_i) b_q <= ctl_i.b_aux ? $signed(aux_i) : $signed(scr_i);
  end

  // --- C ---
  // rsh(hi * 256 + lo, 4), or rsh(hi * 2^16 + mid * 256 + lo, 12): what a plane adds below the lowest plane's bits does
  // not take part in the rounding.
  /* verilator lint_off UNUSEDSIGNAL */  // rounded bits are dropped
  logic signed [32:0] lowest;
  logic signed [33:0] lower;
  /* verilator lint_on UNUSEDSIGNAL */
  logic signed [36:0] joined;
  always_comb begin
    lowest = 33'(x_q) + 33'sd2048;
    lower = ctl_i.c_sel == CJoinThree ? 34'(b_q) + 34'($signed(lowest[32:8])) : 34'(x_q) + 34'sd8;
    joined = 37'($signed({g_q, 4'd0})) + 37'($signed(lower[33:4]));
  end

  always_ff @(posedge clk_i) begin
    if (ctl_i.ld_c) begin
      unique case (ctl_i.c_sel)
        CMean: c_q <= sat37(37'(x_q) - 37'(mean_i));
        CJoin, CJoinThree: c_q <= sat37(joined);
        COther: c_q <= g1_q;
        default: c_q <= x_q;
      endcase
    end
    if (ctl_i.ld_op) begin
      g1_q <= g_q;
      b1_q <= (ctl_i.use_b ? 33'(b_q) : 33'sd0) + (ctl_i.add_g ? 33'(g_q) : 33'sd0);
    end
  end

  // --- N ---
  logic signed [15:0] normed;
  always_comb begin
    normed = '0;
    if (ctl_i.ld_n || ctl_i.ld_other) normed = sf_pkg::norm16(c_q, ctl_i.d_n);
  end

  always_ff @(posedge clk_i) begin
    if (ctl_i.ld_n) n_q <= ctl_i.relu && normed[15] ? '0 : normed;
    if (ctl_i.ld_g2) g2_q <= g1_q[15:0];
    if (ctl_i.ld_other) other_q[ctl_i.other_wr] <= normed;
  end
  assign n_o = n_q;
  assign g_o = g2_q;

  // --- P ---
  logic signed [16:0] mul_a, mul_b;
  logic signed [32:0] mul_p;
  always_comb begin
    mul_a = 17'(n_q);
    mul_b = 17'(g2_q);
    mul_p = '0;
    if (ctl_i.ld_p) begin
      unique case (ctl_i.mul)
        MulSquare: mul_b = 17'(n_q);
        MulOne: mul_b = 17'sd1;
        MulRope: begin  // cos is in the even lane, sin in the odd one
          if (ctl_i.mul_second) mul_a = 17'(pair_n_i);
          mul_b = Odd == ctl_i.mul_second ? 17'(g2_q) : 17'(pair_g_i);
        end
        MulScale: begin
          mul_a = $signed({1'b0, logit_scale_i.m});
          mul_b = $signed({1'b0, g1_q[15:0]});
        end
        MulLate: begin
          mul_a = 17'(late_q);
          mul_b = 17'(other_q[ctl_i.other_rd]);
        end
        default: ;
      endcase
      mul_p = 33'(mul_a) * 33'(mul_b);  // one factor is less than 2^16 in magnitude
    end
  end

  always_ff @(posedge clk_i) begin
    if (ctl_i.ld_p) begin
      if (ctl_i.mul == MulRope && ctl_i.mul_second) p_q <= Odd ? p_q + mul_p : p_q - mul_p;
      else p_q <= mul_p;
      bp_q <= b1_q;
    end
  end

  // --- A ---
  logic signed [31:0] a_src;
  sf_t lane_scale;
  always_comb begin
    a_src = c_q;
    lane_scale = '0;
    if (ctl_i.ld_a) begin
      unique case (ctl_i.a_sel)
        AFromP: a_src = p_q[31:0];
        AFromW: a_src = w_q;
        AFromZ: a_src = z_q;
        default: a_src = c_q;
      endcase
      if (ctl_i.factor == FactorLane && p_q[31:0] != '0) begin
        lane_scale = p_q[31] ? sf_pkg::sf_round(p_q[31:15], $signed(g1_q[31:16]) + logit_scale_i.e + 16'sd16)
            : sf_pkg::sf_round(p_q[30:14], $signed(g1_q[31:16]) + logit_scale_i.e + 16'sd15);
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (ctl_i.ld_a) begin
      ba_q <= ctl_i.a_sel == AFromP ? bp_q : b1_q;
      a_q <= ctl_i.norm_a ? 32'(sf_pkg::norm16(a_src, ctl_i.d_a)) : a_src;
      unique case (ctl_i.factor)
        FactorOther: factor_q <= 18'(n_q);
        FactorLane: begin
          factor_q <= $signed({2'b00, lane_scale.m});
          lane_shift_q <= clamp_shift(18'(sf_pkg::scale_shift(lane_scale.e, LogitFraction)));
        end
        FactorGate: factor_q <= $signed({1'b0, gate_q});
        default: factor_q <= $signed({1'b0, ctl_i.factor_value});
      endcase
    end
  end

  // --- M ---
  always_ff @(posedge clk_i) begin
    if (ctl_i.ld_m) begin
      m_q <= 48'(a_q) * 48'(factor_q);
      m_zero_q <= a_q == '0 || factor_q == '0;
      b2_q <= ba_q;
    end
  end

  // --- W ---
  logic signed [ShiftWidth-1:0] shift;
  logic signed [33:0] rounded;
  logic signed [32:0] addend;
  assign shift = ctl_i.lane_shift ? lane_shift_q : $signed(ctl_i.shift);

  always_comb begin
    rounded = '0;
    if (ctl_i.ld_w) rounded = sf_pkg::rsh48(m_q, m_zero_q, 17'(shift));
    addend = ctl_i.add ? b2_q : 33'sd0;
  end

  always_ff @(posedge clk_i) begin
    if (ctl_i.ld_w) begin
      w_q <= sat37(37'(rounded) + 37'(addend));
    end
  end

  // --- gate of SiLU and GELU ---
  logic [31:0] gate_magnitude;
  logic [14:0] gate_u;
  logic [17:0] gate_y;
  always_comb begin
    gate_magnitude = '0;
    if (ctl_i.ld_t) gate_magnitude = magnitude(w_q);
    gate_u = gate_magnitude > GateLimit ? GateLimit[14:0] : gate_magnitude[14:0];
    gate_y = '0;
    if (ctl_i.ld_s) gate_y = sf_pkg::lut_up7(entry_q, fraction_q);
  end

  always_ff @(posedge clk_i) begin
    if (ctl_i.ld_t) begin
      z_q <= w_q;
      entry_q <= ctl_i.gelu ? tables_pkg::GeluLut[gate_u[14:7]] : tables_pkg::SigmoidLut[gate_u[14:7]];
      fraction_q <= gate_u[6:0];
    end
    if (ctl_i.ld_s) gate_q <= z_q[31] ? 17'(GateOne - gate_y) : gate_y[16:0];
    if (ctl_i.ld_late) late_q <= sf_pkg::norm16(w_q, 5'd2);
  end

  // --- to the trees and out ---
  always_comb begin
    max_key_o = '0;
    if (ctl_i.max_en) begin
      unique case (ctl_i.max_sel)
        MaxA: max_key_o = magnitude(a_q);
        MaxW: max_key_o = ctl_i.out_relu && w_q[31] ? '0 : magnitude(w_q);
        MaxSigned: max_key_o = {~w_q[31], w_q[30:0]};
        default: max_key_o = magnitude(c_q);
      endcase
    end
    sum_o = '0;
    if (ctl_i.sum_en) sum_o = ctl_i.sum_w ? w_q : ctl_i.sum_p ? p_q[31:0] : c_q;
    if (ctl_i.sum_w && ctl_i.out_relu && w_q[31]) sum_o = '0;
    out_o = '0;
    if (ctl_i.out_en) begin
      if (ctl_i.out_p) out_o = p_q[31:0];
      else if (ctl_i.out_bytes) out_o = w_q > ByteLimit ? ByteLimit : w_q < -ByteLimit ? -ByteLimit : w_q;
      else out_o = ctl_i.out_relu && w_q[31] ? '0 : w_q;
    end
  end

endmodule

// One lane of the softmax unit: from a raw score to its numerator (docs/numerics.md, section 7).
//
// A pipeline of ten stages, one score a cycle, moved by go_i. The unit keeps the beats' control: v_i[n] says that stage n
// holds a beat in this cycle, con_i which operator is running. Operands are taken where they are used, so that nobody
// has to delay them:
//   stage 0  sk_i, sq_i             product of the scales of q and k
//   stage 1                         ks, shift amount of the score
//   stage 2  acc_i                  product score * ks
//   stage 3, 4                      shift, round, saturate: s
//   stage 5  max_i, sv_i, c_i       exact: distance to the maximum; product of C and the scale of v
//   stage 6  eref_i, z_i            tables; shift amount of the numerator
//   stage 7                         exponential: interpolation, or product of the two tables
//   stage 8                         product exponential * v; exact: probability
//   stage 9                         shift, round, saturate: numerator
// Results are registers: ceil_o and clip_o belong to the beat in stage 5, prob_o to stage 9, num_o to stage 10.
// Data registers only; nothing is reset.
`include "assert.svh"

module softmax_lane
  import pimllm_pkg::sf_t;
(
    input  logic               clk_i,
    input  logic               go_i,
    input  logic [9:0]         v_i,
    input  logic               con_i,   // ConSMax
    input  sf_t                sq_i,
    input  sf_t                sk_i,
    input  logic signed [31:0] acc_i,
    input  sf_t                sv_i,
    input  sf_t                c_i,
    input  logic signed [15:0] max_i,   // exact: running maximum M
    input  logic signed [15:0] eref_i,
    input  logic signed [15:0] z_i,
    output logic signed [12:0] ceil_o,  // exact: ceil(s / 4096)
    output logic               clip_o,  // ConSMax: the score was clamped
    output logic [15:0]        prob_o,
    output logic [23:0]        num_o    // ConSMax: 16 bits of it
);
  import sf_pkg::*;
  import tables_pkg::*;

  localparam int unsigned ScoreBits = 24;  // exact: 12 of them behind the point
  localparam logic signed [15:0] ExactFrac = 16'sd12;
  localparam logic signed [15:0] ConFrac = 16'sd4;
  // Shift amounts of the score: from LeftMost (a left shift by 8; any longer one saturates) to RightMost (0 is left).
  localparam int LeftMost = 8;
  localparam logic signed [16:0] RightMost = 17'sd48;
  // Numerator: exponential times v is in [2^33, 2^38), so that shifts below NumLeast saturate and above NumMost give 0.
  localparam int unsigned NumBits = 24;
  localparam int unsigned ConBits = 16;
  localparam logic signed [18:0] NumLeast = 19'sd10;
  localparam logic signed [18:0] NumMost = 19'sd38;
  localparam int unsigned NumDrop = 9;  // bits of the product that no shift brings back
  localparam logic signed [18:0] ExactPoint = 19'sd11;  // table's 1: 2^17, numerator's: 2^8; exp_q, v_q: a bit each
  localparam logic signed [18:0] ConPoint = 19'sd14;  // what v lost of the product of C and the scale of v

  // Stages 0, 1: scale of the score.
  logic [31:0] kp_q;
  logic signed [15:0] ke_q;
  logic [15:0] km_q;
  logic [5:0] kshift_q;
  logic kzero_q, kover_q;

  always_ff @(posedge clk_i) begin
    if (go_i && v_i[0]) begin
      kp_q <= sq_i.m * sk_i.m;
      ke_q <= sq_i.e + sk_i.e;
    end
  end

  always_ff @(posedge clk_i) begin
    sf_t ks;
    logic signed [16:0] right;
    if (go_i && v_i[1]) begin
      ks = sf_of_product(kp_q, ke_q);
      right = scale_shift(ks.e, con_i ? ConFrac : ExactFrac);
      km_q <= ks.m;
      kshift_q <= 6'(right + 17'(LeftMost));
      kzero_q <= ks.m == '0 || right >= RightMost;
      kover_q <= right < -17'(LeftMost);
    end
  end

  // Stages 2 to 4: score.
  logic signed [47:0] sp_q;
  logic [5:0] sshift_q;
  logic szero_q, sover_q;
  logic signed [ScoreBits:0] sraw_q;  // one more bit behind the point
  logic signed [ScoreBits-1:0] score_q;
  logic clip_q;

  always_ff @(posedge clk_i) begin
    if (go_i && v_i[2]) begin
      sp_q <= 48'(acc_i) * 48'($signed({1'b0, km_q}));
      sshift_q <= kshift_q;
      szero_q <= kzero_q || acc_i == '0;
      sover_q <= kover_q;
    end
  end

  always_ff @(posedge clk_i) begin
    logic signed [48+LeftMost:0] x;
    if (go_i && v_i[3]) begin
      x = $signed({sp_q, (LeftMost + 1)'(0)}) >>> sshift_q;
      if (szero_q) sraw_q <= '0;
      else if (sover_q || (x[48+LeftMost:ScoreBits] != '0 && x[48+LeftMost:ScoreBits] != '1))
        sraw_q <= {sp_q[47], {(ScoreBits - 1) {~sp_q[47]}}, 1'b0};
      else sraw_q <= x[ScoreBits:0];
    end
  end

  always_ff @(posedge clk_i) begin
    logic signed [ScoreBits:0] s;
    if (go_i && v_i[4]) begin
      s = 25'((26'(sraw_q) + 26'sd1) >>> 1);
      clip_q <= con_i && s[ScoreBits:7] != '0 && s[ScoreBits:7] != '1;
      if (con_i && s[ScoreBits:7] != '0 && s[ScoreBits:7] != '1)
        score_q <= ScoreBits'($signed({s[ScoreBits], {7{~s[ScoreBits]}}}));
      else if (s[ScoreBits] != s[ScoreBits-1]) score_q <= {s[ScoreBits], {(ScoreBits - 1) {~s[ScoreBits]}}};
      else score_q <= s[ScoreBits-1:0];
    end
  end

  assign clip_o = clip_q;
  assign ceil_o = 13'((25'(score_q) + 25'sd4095) >>> 12);

  // Stage 5: distance to the maximum, u = 4096 k + f; scale of v.
  logic [15:0] k_q;
  logic [11:0] f_q;
  logic [7:0] con_score_q;
  logic [17:0] v5_q;
  logic signed [16:0] ve_q;

  always_ff @(posedge clk_i) begin
    if (go_i && v_i[5]) begin
      {k_q, f_q} <= {max_i, 12'd0} - 28'(score_q);
      con_score_q <= score_q[7:0];
      v5_q <= con_i ? 18'((33'(c_i.m) * 33'(sv_i.m) + 33'(1 << 13)) >> 14) : {1'b0, sv_i.m, 1'b0};
      ve_q <= con_i ? 17'(c_i.e) + 17'(sv_i.e) : 17'(sv_i.e);
    end
  end

  // Stages 6, 7: exponential. One multiplier serves the interpolation, base - step * fraction, and ConSMax's tables.
  logic [17:0] base_q;
  logic [18:0] factor_a_q, factor_b_q;
  logic [19:0] exp_q;
  logic [4:0] pshift6_q, pshift_q;
  logic [17:0] v6_q, v_q;
  logic [4:0] nshift6_q, nshift_q;
  logic nzero6_q, nover6_q, nzero_q, nover_q;

  always_ff @(posedge clk_i) begin
    lut_t entry;
    logic signed [18:0] right;
    if (go_i && v_i[6]) begin
      entry = Exp2Lut[f_q[11:5]];
      base_q <= entry.base;
      if (con_i) begin
        factor_a_q <= ConsmaxHigh[con_score_q[7:4]];
        factor_b_q <= ConsmaxLow[con_score_q[3:0]];
        right = 19'(z_i) + 19'(eref_i) - 19'(ConsmaxShift[con_score_q[7:4]]) - ConPoint - 19'(ve_q);
      end else begin
        factor_a_q <= 19'(entry.delta);
        factor_b_q <= 19'(f_q[4:0]);
        right = $signed({3'd0, k_q}) + ExactPoint + 19'(eref_i) - 19'(ve_q);
      end
      pshift6_q <= k_q > 16'd31 ? 5'd31 : k_q[4:0];
      v6_q <= v5_q;
      nshift6_q <= 5'(right - NumLeast);
      nzero6_q <= v5_q == '0 || right > NumMost;
      nover6_q <= right < NumLeast;
    end
  end

  always_ff @(posedge clk_i) begin
    logic [37:0] product;
    if (go_i && v_i[7]) begin
      product = 38'(factor_a_q) * 38'(factor_b_q) + (con_i ? 38'(1 << 16) : 38'(1 << 4));
      exp_q <= con_i ? 20'(product >> 17) : {1'b0, base_q - 18'(product >> 5), 1'b0};
      pshift_q <= pshift6_q;
      v_q <= v6_q;
      nshift_q <= nshift6_q;
      nzero_q <= nzero6_q;
      nover_q <= nover6_q;
    end
  end

  // Stages 8, 9: probability and numerator.
  logic [37-NumDrop:0] np_q;
  logic [4:0] nshift8_q;
  logic nzero8_q, nover8_q;
  logic [15:0] prob_q;
  logic [NumBits-1:0] num_q;

  always_ff @(posedge clk_i) begin
    logic [17:0] p;
    if (go_i && v_i[8]) begin
      p = 18'(exp_q >> 1) >> pshift_q;  // one more bit behind the point
      p = (p >> 1) + 18'(p[0]);
      prob_q <= p[17:16] != '0 ? '1 : p[15:0];
      np_q <= (38 - NumDrop)'((38'(exp_q) * 38'(v_q)) >> NumDrop);
      nshift8_q <= nshift_q;
      nzero8_q <= nzero_q;
      nover8_q <= nover_q;
    end
  end

  always_ff @(posedge clk_i) begin
    logic [37-NumDrop:0] n;
    logic over;
    if (go_i && v_i[9]) begin
      n = np_q >> nshift8_q;  // one more bit behind the point
      n = (n >> 1) + (38 - NumDrop)'(n[0]);
      over = nover8_q || n[37-NumDrop:NumBits] != '0;
      if (nzero8_q) num_q <= '0;
      else if (con_i)
        num_q <= over || n[NumBits-1:ConBits] != '0 ? NumBits'(2 ** ConBits - 1) : n[NumBits-1:0];
      else num_q <= over ? '1 : n[NumBits-1:0];
    end
  end

  assign prob_o = prob_q;
  assign num_o = num_q;

endmodule

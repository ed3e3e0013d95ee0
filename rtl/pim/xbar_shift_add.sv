// Shift-and-add of one crossbar set: one accumulator per ADC column, and registers that hold the finished column group
// while the next one is converted.
//
// A code is added in the cycle it is valid; capture_i (the cycle after a group's last code) copies the sums to the hold
// registers, of which word_o shows one word of Lanes sums, zero without word_en_i. The first code of the next group may
// come in the cycle of capture_i. Sums are in units of the ADC's LSB.
`include "assert.svh"

module xbar_shift_add
  import pim_pkg::*;
#(
    parameter int unsigned Adcs = 8,
    parameter int unsigned AdcBits = 5,
    parameter int unsigned Lanes = 4,
    parameter int unsigned AccWidth = 13,
    localparam int unsigned GroupWords = Adcs / Lanes,
    localparam int unsigned WordSelWidth = GroupWords > 1 ? $clog2(GroupWords) : 1
) (
    input  logic                      clk_i,
    input  logic                      rst_ni,
    input  logic                      valid_i,
    input  accum_op_t                 op_i,
    input  logic [Adcs*AdcBits-1:0]   codes_i,
    input  logic                      capture_i,
    input  logic                      word_en_i,
    input  logic [WordSelWidth-1:0]   word_sel_i,
    output logic [Lanes*AccWidth-1:0] word_o
);
  /* verilator no_inline_module */  // one copy of the code for all sets

  logic [Adcs*AccWidth-1:0] acc_q, hold_q;

  // One adder: base - code is the complement of (complement of base) + code.
  function automatic logic [AccWidth-1:0] add_code(input logic [AccWidth-1:0] acc, input accum_op_t op,
                                                   input logic signed [AdcBits-1:0] code);
    logic [AccWidth-1:0] base, flip;
    flip = {AccWidth{op.negate}};
    base = (op.twice ? acc << 1 : acc) & {AccWidth{!op.fresh}};
    return ((base ^ flip) + AccWidth'(code)) ^ flip;
  endfunction

  always_ff @(posedge clk_i) begin : add
    automatic logic [Adcs*AccWidth-1:0] sums;
    if (valid_i) begin
      for (int unsigned w = 0; w < GroupWords; w++) begin
        for (int unsigned l = 0; l < Lanes; l++) begin
          sums[(w*Lanes+l)*AccWidth+:AccWidth] =
              add_code(acc_q[(w*Lanes+l)*AccWidth+:AccWidth], op_i, codes_i[(w*Lanes+l)*AdcBits+:AdcBits]);
        end
      end
      acc_q <= sums;
    end
  end

  always_ff @(posedge clk_i) begin
    if (capture_i) hold_q <= acc_q;
  end

  always_comb begin
    word_o = '0;
    if (word_en_i) word_o = hold_q[32'(word_sel_i)*Lanes*AccWidth+:Lanes*AccWidth];
  end

  `ASSERT_INIT(LanesDivideAdcs, Adcs % Lanes == 0)
  `ASSERT_INIT(AccHoldsCode, AccWidth > AdcBits)
  `ASSERT(FreshIsSignBit, !valid_i || !op_i.fresh || op_i.negate)
  `ASSERT(WordInRange, !word_en_i || word_sel_i <= WordSelWidth'(GroupWords - 1))
  `ASSERT(CaptureNotWhileRead, !capture_i || !word_en_i)

endmodule

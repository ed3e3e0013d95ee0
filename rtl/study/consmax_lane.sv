// A ConSMax lane alone: from a score to C * e^(score/16), for FPGAs without multipliers.
//
// Bit for bit the numerator of docs/numerics.md, section 7, for a value scale of 1 and the eref that brings the largest
// numerator of the head into [2^15, 2^16): w = rsh(H * W, 17) is read from a ROM of all 256 scores, multiplied with the
// mantissa of C in rows (a conditional addition each, which is one LUT a bit) and shifted.
// c_i is the mantissa of C, near_i is set where C.m * e^(127/16) >= 2^27; both are constant while a head is worked on.
// Moved by go_i, one score a cycle; num_o belongs to the score of 4 + 16 / RowsPerStage moves before. Nothing is reset.
`include "assert.svh"

module consmax_lane #(
    parameter int unsigned RowsPerStage = 4
) (
    input  logic              clk_i,
    input  logic              go_i,
    input  logic signed [7:0] score_i,
    input  logic [15:0]       c_i,
    input  logic              near_i,
    output logic [15:0]       num_o
);
  import tables_pkg::*;

  localparam int unsigned ExpWidth = 20;
  localparam int unsigned CWidth = 16;
  localparam int unsigned ShiftWidth = 5;
  localparam int unsigned Stages = CWidth / RowsPerStage;
  localparam int unsigned NumWidth = 17;  // one bit behind the point
  localparam int unsigned WideWidth = ExpWidth - 1;  // of the product's part that is shifted
  localparam logic signed [5:0] LeastShift = -6'sd7;  // x of the largest scores

  typedef struct packed {
    logic [ShiftWidth-1:0] shift;
    logic [ExpWidth-1:0]   exp;
  } entry_t;
  // Contents of the ROM.
  entry_t rom[256];
  initial begin
    for (int unsigned s = 0; s < 256; s++) begin
      rom[s] = {
        ShiftWidth'(LeastShift - ConsmaxShift[s>>4]),
        ExpWidth'((38'(ConsmaxHigh[s>>4]) * 38'(ConsmaxLow[s&15]) + 38'(1 << 16)) >> 17)
      };
    end
  end

  entry_t entry_q;
  always_ff @(posedge clk_i) begin
    if (go_i) entry_q <= rom[$unsigned(score_i)];
  end

  // Product, lowest bit of C first. What falls out below is not needed: no shift brings it back.
  logic [ExpWidth-1:0] exp[Stages+1], sum[Stages+1];
  logic [ShiftWidth-1:0] shift[Stages+1];

  assign exp[0] = entry_q.exp;
  assign shift[0] = entry_q.shift;
  assign sum[0] = '0;

  for (genvar p = 0; p < Stages; p++) begin : gen_stage
    logic [ExpWidth-1:0] exp_q, sum_q, total;
    logic [ShiftWidth-1:0] shift_q;

    always_comb begin
      // verilator lint_off UNUSEDSIGNAL
      logic [ExpWidth:0] more;  // its lowest bit falls out
      // verilator lint_on UNUSEDSIGNAL
      total = sum[p];
      for (int unsigned i = 0; i < RowsPerStage; i++) begin
        more = {1'b0, total} + {1'b0, exp[p]};
        total = c_i[p*RowsPerStage+i] ? more[ExpWidth:1] : total >> 1;
      end
    end

    always_ff @(posedge clk_i) begin
      if (go_i) begin
        exp_q <= exp[p];
        sum_q <= total;
        shift_q <= shift[p];
      end
    end
    assign exp[p+1] = exp_q;
    assign sum[p+1] = sum_q;
    assign shift[p+1] = shift_q;
  end

  // Shift and round.
  logic [ShiftWidth-1:0] right_q;
  logic [WideWidth-1:0] coarse_q;
  logic [NumWidth-1:0] fine_q;

  always_ff @(posedge clk_i) begin
    if (go_i) begin
      right_q <= shift[Stages-1] + ShiftWidth'(near_i);
      coarse_q <= sum[Stages][ExpWidth-1:1] >> {right_q[ShiftWidth-1:2], 2'd0};
    end
  end

  logic [1:0] fine_right_q;
  always_ff @(posedge clk_i) begin
    if (go_i) begin
      fine_right_q <= right_q[1:0];
      fine_q <= NumWidth'(coarse_q >> fine_right_q);
      num_o <= fine_q[NumWidth-1:1] + 16'(fine_q[0] && fine_q[NumWidth-1:1] != '1);
    end
  end

  logic unused;
  assign unused = ^{exp[Stages], shift[Stages], sum[Stages][0]};

  `ASSERT_INIT(WholeStages, Stages * RowsPerStage == CWidth)

endmodule

// One row of the array: a MAC per column, operand A broadcast, a byte of operand B for each.
//
// In the cycle of a step (active_i) every column adds a_i * b_i; operand B is registered on shift_i for the row below, unless
// drop_i makes that zero. The sums are readable from the next cycle on, on acc_o while read_i is high, else acc_o is zero.
// Contract: a_i is zero while active_i is low.
`include "assert.svh"

module array_row #(
    parameter int unsigned ArrayCols = 4,
    parameter bit GateForm = 1'b0
) (
    input  logic                       clk_i,
    input  logic                       rst_ni,
    input  logic                       clr_i,
    input  logic                       active_i,
    input  logic                       shift_i,
    input  logic                       drop_i,
    input  logic signed [8:0]          a_i,
    input  logic [ArrayCols-1:0][7:0]  b_i,
    output logic [ArrayCols-1:0][7:0]  below_o,
    input  logic                       read_i,
    output logic [ArrayCols-1:0][31:0] acc_o
);

  logic [ArrayCols-1:0][7:0] below_q;
  logic [31:0] acc[ArrayCols];

  for (genvar c = 0; c < ArrayCols; c++) begin : gen_col
    mac #(
        .GateForm(GateForm)
    ) u_mac (
        .clk_i,
        .clr_i,
        .active_i,
        .a_i,
        .b_i  (b_i[c]),
        .acc_o(acc[c])
    );
  end

  always_ff @(posedge clk_i) begin
    if (drop_i) below_q <= '0;
    else if (shift_i) below_q <= b_i;
  end

  assign below_o = below_q;

  always_comb begin
    acc_o = '0;
    if (read_i) begin
      for (int unsigned c = 0; c < ArrayCols; c++) acc_o[c] = acc[c];
    end
  end

  `ASSERT_INIT(ColsPowerOfTwo, ArrayCols > 1 && 2 ** $clog2(ArrayCols) == ArrayCols)
  `ASSERT(IdleOperandIsZero, active_i || a_i == '0)
  `ASSERT(NoStepWhileClearing, !clr_i || !active_i)

endmodule

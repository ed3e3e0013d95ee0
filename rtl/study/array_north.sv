// The array with the north feed alone and no overlap: rows of the machine's array (array_row), each fed with operand A
// from the edge and with operand B from the row above. For small FPGAs, and what the cells of a MAC are counted on.
//
// A step enters row 0 and moves down a row a cycle; a_i[r] is taken r cycles after the step_i or clear_i that it belongs
// to, b_i with it. A row's sum is complete two cycles after its last step; the sums of row read_row_i are on acc_o two
// cycles after it. Throughput one step a cycle.
`include "assert.svh"

module array_north #(
    parameter int unsigned ArrayRows = 4,
    parameter int unsigned ArrayCols = 4,
    parameter int unsigned AWidth = 8,  // 9: bytes of either sign, as in the machine
    parameter bit GateForm = 1'b0,
    localparam int unsigned RowWidth = $clog2(ArrayRows)
) (
    input  logic                             clk_i,
    input  logic                             rst_ni,
    input  logic                             step_i,
    input  logic                             clear_i,
    input  logic [ArrayRows-1:0][AWidth-1:0] a_i,
    input  logic [ArrayCols-1:0][7:0]        b_i,
    input  logic [RowWidth-1:0]              read_row_i,
    output logic [ArrayCols-1:0][31:0]       acc_o
);

  logic [ArrayRows-1:0] step, step_q, clear, clear_q;
  logic [RowWidth-1:0] read_row_q;
  logic signed [8:0] a_q[ArrayRows];
  logic [ArrayCols-1:0][7:0] b_q;
  logic [ArrayCols-1:0][7:0] below[ArrayRows];
  logic [ArrayCols-1:0][31:0] row_acc[ArrayRows];

  assign step = {step_q[ArrayRows-2:0], step_i};
  assign clear = {clear_q[ArrayRows-2:0], clear_i};

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      step_q <= '0;
      clear_q <= '0;
    end else begin
      step_q <= step;
      clear_q <= clear;
    end
    b_q <= b_i;
    read_row_q <= read_row_i;
    acc_o <= row_acc[read_row_q];
  end

  for (genvar r = 0; r < ArrayRows; r++) begin : gen_row
    always_ff @(posedge clk_i) begin
      if (!step[r]) a_q[r] <= '0;
      else a_q[r] <= 9'($signed(a_i[r]));
    end

    array_row #(
        .ArrayCols(ArrayCols),
        .GateForm(GateForm)
    ) u_row (
        .clk_i,
        .rst_ni,
        .clr_i(clear_q[r]),
        .active_i(step_q[r]),
        .shift_i(1'b1),
        .drop_i(1'b0),
        .a_i(a_q[r]),
        .b_i(r > 0 ? below[r>0?r-1 : 0] : b_q),
        .below_o(below[r]),
        .read_i(1'b1),
        .acc_o(row_acc[r])
    );
  end

  `ASSERT_INIT(AWidthIsByte, AWidth == 8 || AWidth == 9)
  `ASSERT(StepOrClear, !step_i || !clear_i)

endmodule

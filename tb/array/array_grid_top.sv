// array_grid with operand A in one vector: Verilator 5.006 does not build an assertion on an unpacked port of the top.
module array_grid_top
  import array_pkg::*;
#(
    parameter int unsigned ArrayRows = 4,
    parameter int unsigned ArrayCols = 4,
    parameter int unsigned GroupBanks = 2,
    localparam int unsigned Groups = ArrayRows / GroupBanks,
    localparam int unsigned BankWidth = $clog2(ArrayRows)
) (
    input  logic                                  clk_i,
    input  logic                                  rst_ni,
    input  logic                                  adv_i,
    input  logic                                  step_i,
    input  logic                                  north_i,
    input  logic                                  pair_i,
    input  logic [HeadLgWidth-1:0]                lg_heads_i,
    input  logic [Groups-1:0][StageWidth-1:0]     phase_i,
    input  logic [BankWidth-1:0]                  north_bank_i,
    input  logic [ArrayRows-1:0]                  use_i,
    input  logic [ArrayRows-1:0]                  clear_i,
    input  logic [ArrayRows-1:0][8:0]             a_i,
    input  logic [ArrayRows-1:0][8*ArrayCols-1:0] bank_i,
    input  logic                                  read_i,
    input  logic                                  read_north_i,
    input  logic [StageWidth-1:0]                 read_stage_i,
    output logic [ArrayCols-1:0][31:0]            sums_o[GroupBanks]
);

  logic signed [8:0] a[ArrayRows];

  always_comb begin
    for (int unsigned r = 0; r < ArrayRows; r++) a[r] = a_i[r];
  end

  array_grid #(
      .ArrayRows(ArrayRows),
      .ArrayCols(ArrayCols),
      .GroupBanks(GroupBanks)
  ) u_grid (
      .a_i(a),
      .*
  );

endmodule

// Operand A of the rows of one group: the two slots, and the byte that each row takes in a step.
//
// A fill is written at the end of its cycle. The byte selected by the step of a row (ctl_i, while use_i is high) is on a_o
// in the next cycle, extended to 9 bits (PV: unsigned, QK: signed); a_o is zero in all other cycles.
// Storage is a half word a row. Banked feed: slot s is the half word of row s, for all rows of the group. North feed:
// slot s of a row is half of its own half word. A group of a single row uses the halves in both feeds.
`include "assert.svh"

module array_feeder
  import array_pkg::*;
#(
    parameter int unsigned ArrayCols = 4,
    parameter int unsigned GroupBanks = 2,
    localparam int unsigned HalfBytes = 2 * ArrayCols
) (
    input  logic                              clk_i,
    input  logic                              rst_ni,
    input  logic                              fill_group_i,
    input  logic [GroupBanks-1:0]             fill_row_i,
    input  logic                              fill_slot_i,
    input  logic                              fill_north_i,
    input  logic [HalfBytes-1:0][7:0]         fill_data_i,
    input  logic                              north_i,
    input  logic [GroupBanks-1:0]             use_i,
    /* verilator lint_off UNUSEDSIGNAL */  // a part of the fields concerns each unit
    input  step_ctl_t                         group_ctl_i,
    input  step_ctl_t                         row_ctl_i[GroupBanks],
    /* verilator lint_on UNUSEDSIGNAL */
    output logic signed [8:0]                 a_o[GroupBanks]
);

  localparam int unsigned IndexWidth = $clog2(HalfBytes);

  logic [HalfBytes-1:0][7:0] store_q[GroupBanks];

  for (genvar i = 0; i < GroupBanks; i++) begin : gen_row
    logic [1:0] fill_half;
    logic [IndexWidth-1:0] part, index;
    logic [7:0] byte_sel;

    always_comb begin
      fill_half = '0;
      if (fill_north_i || GroupBanks == 1)
        fill_half[fill_slot_i] = fill_north_i ? fill_row_i[i] : fill_group_i;
      else if (i < 2) fill_half = {2{fill_group_i && fill_slot_i == 1'(i)}};
    end

    always_ff @(posedge clk_i) begin
      if (fill_half[0]) store_q[i][0+:ArrayCols] <= fill_data_i[0+:ArrayCols];
      if (fill_half[1]) store_q[i][ArrayCols+:ArrayCols] <= fill_data_i[ArrayCols+:ArrayCols];
    end

    always_comb begin
      part = '0;
      index = '0;
      byte_sel = '0;
      if (use_i[i]) begin
        if (north_i) begin
          index = row_ctl_i[i].offset[IndexWidth-1:0];
          index[IndexWidth-1] = row_ctl_i[i].slot;
          byte_sel = store_q[i][index];
        end else begin
          part = IndexWidth'(i);
          if (group_ctl_i.pv)
            part = IndexWidth'(2 * (i >> group_ctl_i.lg_chunks)) | IndexWidth'(group_ctl_i.high);
          index = group_ctl_i.offset[IndexWidth-1:0] | part;
          if (GroupBanks == 1) index[IndexWidth-1] = group_ctl_i.slot;
          byte_sel = group_ctl_i.slot ? store_q[GroupBanks>1?1 : 0][index] : store_q[0][index];
        end
      end
    end

    always_ff @(posedge clk_i) begin
      if (!rst_ni) a_o[i] <= '0;
      else a_o[i] <= {byte_sel[7] && !(north_i ? row_ctl_i[i].pv : group_ctl_i.pv), byte_sel};
    end
  end

  `ASSERT_INIT(HalfWordPowerOfTwo, 2 ** IndexWidth == HalfBytes)
  `ASSERT(FillOneFeed, !fill_group_i || fill_north_i || fill_row_i == '0)

endmodule

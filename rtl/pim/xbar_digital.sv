// Synthesizable twin of xbar_array: the same ports, timing and codes at every conversion, clipping included.
//
// A crossbar's cells lie in one RAM, a word per column group, so that a conversion reads Rows x Adcs cells at once; the
// sums are counted behind the RAM, and converted behind a register in the cycle in which they are valid. Contract as in
// xbar_array. There is no noise here.
`include "assert.svh"

module xbar_digital
  import pim_pkg::*;
#(
    parameter int unsigned Rows = 16,
    parameter int unsigned Cols = 16,
    parameter int unsigned Slots = 16,
    parameter int unsigned Adcs = 8,
    parameter int unsigned AdcBits = 5,
    parameter string InitPrefix = "",  // of the rows' initial cells: {InitPrefix, "_", row, ".hex"}
    localparam int unsigned RowWidth = $clog2(Rows),
    localparam int unsigned SlotWidth = Slots > 1 ? $clog2(Slots) : 1,
    localparam int unsigned ColGroups = Cols / Adcs,
    localparam int unsigned GroupWidth = ColGroups > 1 ? $clog2(ColGroups) : 1,
    localparam int unsigned ClipWidth = $clog2(Adcs + 1)
) (
    input  logic                     clk_i,
    input  logic                     rst_ni,

    input  logic [LsbShiftWidth-1:0] lsb_shift_i,
    input  logic [AdcBitsWidth-1:0]  adc_bits_i,

    input  logic                     conv_valid_i,
    input  logic [SlotWidth-1:0]     conv_slot_i,
    input  logic [GroupWidth-1:0]    conv_group_i,
    input  logic [Rows-1:0]          conv_drive_i,
    output logic                     valid_o,
    output logic [Adcs*AdcBits-1:0]  codes_o,
    output logic [ClipWidth-1:0]     clips_o,

    input  logic                     prog_valid_i,
    input  logic [SlotWidth-1:0]     prog_slot_i,
    input  logic [GroupWidth-1:0]    prog_group_i,
    input  logic [RowWidth-1:0]      prog_row_i,
    input  logic [CellBits*Adcs-1:0] prog_codes_i
);

  localparam int unsigned RowBits = CellBits * Adcs;
  localparam int unsigned WordBits = Rows * RowBits;
  localparam int unsigned Depth = Slots * ColGroups;
  localparam int unsigned DepthWidth = Depth > 1 ? $clog2(Depth) : 1;
  localparam int unsigned SumWidth = $clog2(Rows) + 2;  // -Rows..Rows
  localparam int unsigned HalfWidth = 2 ** LsbShiftWidth - 1;  // largest half of an LSB
  localparam int unsigned WideWidth = SumWidth > AdcBits ? SumWidth : AdcBits;
  localparam int unsigned CodeWidth = (WideWidth > HalfWidth ? WideWidth : HalfWidth) + 1;

  logic [DepthWidth-1:0] rd_addr, wr_addr;
  if (ColGroups > 1) begin : gen_group_addr
    assign rd_addr = DepthWidth'({conv_slot_i, conv_group_i});
    assign wr_addr = DepthWidth'({prog_slot_i, prog_group_i});
  end else begin : gen_slot_addr
    assign rd_addr = DepthWidth'(conv_slot_i);
    assign wr_addr = DepthWidth'(prog_slot_i);
    logic unused_group;
    assign unused_group = ^{conv_group_i, prog_group_i};
  end

  // A RAM a row, so that a row is programmed by a plain write. All rows are read at once.
  logic [WordBits-1:0] cells;
  for (genvar r = 0; r < Rows; r++) begin : gen_row
    ram_1r1w #(
        .Depth(Depth),
        .Width(RowBits),
        .InitFile(InitPrefix == "" ? "" : $sformatf("%s_%0d.hex", InitPrefix, r))
    ) u_cells (
        .clk_i,
        .rd_en_i(conv_valid_i),
        .rd_addr_i(rd_addr),
        .rd_data_o(cells[r*RowBits+:RowBits]),
        .wr_en_i(prog_valid_i && prog_row_i == RowWidth'(r)),
        .wr_addr_i(wr_addr),
        .wr_data_i(prog_codes_i),
        .wr_be_i('1)
    );
  end

  logic sample_valid_q;
  logic [Rows-1:0] drive_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      sample_valid_q <= 1'b0;
      valid_o <= 1'b0;
    end else begin
      sample_valid_q <= conv_valid_i;
      valid_o <= sample_valid_q;
    end
  end

  always_ff @(posedge clk_i) begin
    if (conv_valid_i) drive_q <= conv_drive_i;
  end

  // Limits and rounding are the same for all columns.
  logic signed [CodeWidth-1:0] half, most, least;
  always_comb begin
    half = lsb_shift_i == '0 ? '0 : CodeWidth'(1) <<< (lsb_shift_i - 1'b1);
    most = (CodeWidth'(1) <<< (adc_bits_i - 1'b1)) - 1'b1;
    least = ~most;
  end

  logic [Adcs-1:0] clipped;

  for (genvar a = 0; a < Adcs; a++) begin : gen_adc
    logic signed [SumWidth-1:0] column_sum, column_sum_q;
    logic signed [CodeWidth-1:0] rounded, code;

    always_comb begin
      column_sum = '0;
      if (sample_valid_q) begin
        for (int unsigned r = 0; r < Rows; r++) begin
          // Codes are weight + 1, so 2 is +1 and 0 is -1.
          column_sum = column_sum + SumWidth'(drive_q[r] && cells[r*RowBits+a*CellBits+1])
              - SumWidth'(drive_q[r] && cells[r*RowBits+a*CellBits+:CellBits] == '0);
        end
      end
    end

    always_ff @(posedge clk_i) begin
      if (sample_valid_q) column_sum_q <= column_sum;
    end

    always_comb begin
      rounded = '0;
      code = '0;
      clipped[a] = 1'b0;
      if (valid_o) begin
        rounded = (CodeWidth'(column_sum_q) + half) >>> lsb_shift_i;
        code = rounded > most ? most : rounded < least ? least : rounded;
        clipped[a] = code != rounded;
      end
    end
    assign codes_o[a*AdcBits+:AdcBits] = AdcBits'(code);
  end

  always_comb begin
    clips_o = '0;
    for (int unsigned a = 0; a < Adcs; a++) clips_o = clips_o + ClipWidth'(clipped[a]);
  end

  `ASSERT_INIT(AdcsDivideCols, Cols % Adcs == 0)
  `ASSERT_INIT(WholeBytes, RowBits % 8 == 0)
  `ASSERT_INIT(AdcBitsFit, AdcBits >= 1 && AdcBits < 2 ** AdcBitsWidth)
  `ASSERT(NotProgrammedWhileConverting, !prog_valid_i || (!conv_valid_i && !sample_valid_q))
  `ASSERT(AdcBitsInRange,
          !(conv_valid_i || valid_o) || (adc_bits_i != '0 && adc_bits_i <= AdcBitsWidth'(AdcBits)))

endmodule

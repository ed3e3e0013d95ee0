// Behavioural model of one crossbar set: Slots ternary crossbars that share row drivers, sample-and-holds and ADCs.
//
// The only module that does not synthesize: cells and analog values live in C++ (xbar_array_dpi.cpp), one object per
// instance. Ports and timing are those of the hardware, and of xbar_digital: a conversion is sampled in the cycle of
// conv_valid_i, its codes and the number of clipped columns come two cycles later with valid_o; one conversion a
// cycle. Programming writes the codes (weight + 1) of one row and column group a cycle, not together with a
// conversion. Cells keep their contents over a reset. Non-idealities: docs/pim.md.
`include "assert.svh"

module xbar_array
  import pim_pkg::*;
#(
    parameter int unsigned Rows = 16,
    parameter int unsigned Cols = 16,
    parameter int unsigned Slots = 16,
    parameter int unsigned Adcs = 8,
    parameter int unsigned AdcBits = 5,
    parameter int unsigned Sets = 2,      // of the bank, to number crossbars
    parameter int unsigned SetIndex = 0,  // this set
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
    input  logic [15:0]              conv_pos_i,   // keys of the noise: token position, row group and input bit
    input  logic [RowWidth+2:0]      conv_step_i,
    output logic                     valid_o,
    output logic [Adcs*AdcBits-1:0]  codes_o,
    output logic [ClipWidth-1:0]     clips_o,

    input  logic                     prog_valid_i,
    input  logic [SlotWidth-1:0]     prog_slot_i,
    input  logic [GroupWidth-1:0]    prog_group_i,
    input  logic [RowWidth-1:0]      prog_row_i,
    input  logic [CellBits*Adcs-1:0] prog_codes_i
);

  import "DPI-C" function chandle pimllm_xbar_new(
    input int rows,
    input int cols,
    input int slots,
    input int adcs,
    input int adc_bits,
    input int sets,
    input int set_index
  );
  import "DPI-C" function void pimllm_xbar_free(input chandle xbar);
  import "DPI-C" function void pimllm_xbar_program(
    input chandle xbar,
    input int slot,
    input int group,
    input int row,
    input bit [CellBits*Adcs-1:0] codes
  );
  import "DPI-C" function int pimllm_xbar_convert(
    input chandle xbar,
    input int slot,
    input int group,
    input bit [Rows-1:0] drive,
    input int pos,
    input int step,
    input int lsb_shift,
    input int adc_bits,
    output bit [Adcs*AdcBits-1:0] codes
  );

  chandle cells;
  initial cells = pimllm_xbar_new(Rows, Cols, Slots, Adcs, AdcBits, Sets, SetIndex);
  final pimllm_xbar_free(cells);

  // Sample and hold.
  logic sample_valid_q;
  logic [SlotWidth-1:0] slot_q;
  logic [GroupWidth-1:0] group_q;
  logic [Rows-1:0] drive_q;
  logic [15:0] pos_q;
  logic [RowWidth+2:0] step_q;

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
    if (conv_valid_i) begin
      slot_q <= conv_slot_i;
      group_q <= conv_group_i;
      drive_q <= conv_drive_i;
      pos_q <= conv_pos_i;
      step_q <= conv_step_i;
    end
  end

  // Conversion.
  always_ff @(posedge clk_i) begin : convert
    automatic bit [Adcs*AdcBits-1:0] codes;
    if (rst_ni && sample_valid_q) begin
      clips_o <= ClipWidth'(pimllm_xbar_convert(cells, 32'(slot_q), 32'(group_q), drive_q, 32'(pos_q), 32'(step_q),
                                                32'(lsb_shift_i), 32'(adc_bits_i), codes));
      codes_o <= codes;
    end
  end

  always_ff @(posedge clk_i) begin
    if (rst_ni && prog_valid_i) begin
      pimllm_xbar_program(cells, 32'(prog_slot_i), 32'(prog_group_i), 32'(prog_row_i), prog_codes_i);
    end
  end

  `ASSERT_INIT(AdcsDivideCols, Cols % Adcs == 0)
  `ASSERT_INIT(SetExists, SetIndex < Sets)
  `ASSERT_INIT(AdcBitsFit, AdcBits >= 1 && AdcBits <= 8)  // codes are bytes in C++
  `ASSERT(NotProgrammedWhileConverting, !prog_valid_i || (!conv_valid_i && !sample_valid_q))
  `ASSERT(AdcBitsInRange, !conv_valid_i || (adc_bits_i != '0 && adc_bits_i <= AdcBitsWidth'(AdcBits)))
  `ASSERT(ClipsInRange, !valid_o || clips_o <= ClipWidth'(Adcs))

endmodule

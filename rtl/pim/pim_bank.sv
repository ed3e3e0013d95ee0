// The crossbar sets of the PIM unit with their input registers, drivers, ADCs, shift-and-add and the adder tree over
// row tiles.
//
// Input: a row tile is written InWords ACT words at a time, a bank of Sets tiles while the other one is in use. A step
// converts in all enabled sets; its codes are added XbarLatency cycles later under acc_op_i. capture_i freezes the
// sums; a cycle with read_i adds word read_word_i of the sets in read_sets_i into sum_o, valid from the next cycle
// until the next read_i.
`include "assert.svh"

module pim_bank
  import pim_pkg::*;
#(
    parameter int unsigned XbarRows = 16,
    parameter int unsigned XbarCols = 16,
    parameter int unsigned XbarSets = 2,
    parameter int unsigned XbarSlots = 16,
    parameter int unsigned XbarAdcs = 8,
    parameter int unsigned AdcBits = 5,
    parameter int unsigned VecLanes = 4,
    parameter bit Digital = 1'b0,
    parameter string XbarInit = "",
    localparam int unsigned WordBytes = 4 * VecLanes,
    localparam int unsigned InWords = XbarRows / WordBytes,
    localparam int unsigned PartWidth = InWords > 1 ? $clog2(InWords) : 1,
    localparam int unsigned SetWidth = $clog2(XbarSets),
    localparam int unsigned SlotWidth = XbarSlots > 1 ? $clog2(XbarSlots) : 1,
    localparam int unsigned RowWidth = $clog2(XbarRows),
    localparam int unsigned ColGroups = XbarCols / XbarAdcs,
    localparam int unsigned GroupWidth = ColGroups > 1 ? $clog2(ColGroups) : 1,
    localparam int unsigned GroupWords = XbarAdcs / VecLanes,
    localparam int unsigned WordSelWidth = GroupWords > 1 ? $clog2(GroupWords) : 1,
    localparam int unsigned AccWidth = acc_width(XbarRows, AdcBits),
    localparam int unsigned SumWidth = AccWidth + SetWidth
) (
    input  logic clk_i,
    input  logic rst_ni,

    input  logic [LsbShiftWidth-1:0] lsb_shift_i,
    input  logic [AdcBitsWidth-1:0]  adc_bits_i,

    input  logic                     tile_we_i,
    input  logic                     tile_bank_i,
    input  logic [SetWidth-1:0]      tile_index_i,
    input  logic [PartWidth-1:0]     tile_part_i,
    input  logic [8*WordBytes-1:0]   tile_data_i,

    input  logic                               step_valid_i,
    input  logic                               step_bank_i,
    input  logic [GroupWidth-1:0]              step_group_i,
    input  logic [$clog2(InputBits)-1:0]       step_bit_i,
    input  logic [RowWidth-1:0]                step_row_group_i,
    input  logic [XbarRows-1:0]                step_rows_i,
    input  logic [15:0]                        step_pos_i,
    input  logic [XbarSets-1:0]                set_en_i,
    input  logic [XbarSets-1:0][SlotWidth-1:0] set_slot_i,
    input  logic [XbarSets-1:0][SetWidth-1:0]  set_tile_i,
    input  accum_op_t                          acc_op_i,
    input  logic                               capture_i,

    input  logic                               read_i,
    input  logic [WordSelWidth-1:0]            read_word_i,
    input  logic [XbarSets-1:0]                read_sets_i,
    output logic [VecLanes*SumWidth-1:0]       sum_o,

    input  logic                         prog_valid_i,
    input  logic [SetWidth-1:0]          prog_set_i,
    input  logic [SlotWidth-1:0]         prog_slot_i,
    input  logic [GroupWidth-1:0]        prog_group_i,
    input  logic [RowWidth-1:0]          prog_row_i,
    input  logic [CellBits*XbarAdcs-1:0] prog_codes_i,

    output logic [31:0] clip_count_o
);

  localparam int unsigned ClipWidth = $clog2(XbarAdcs + 1);
  localparam int unsigned BytesAtOnce = 8;  // of the transposition

  // --- input registers: bit planes of the row tiles ------------------------------------------------------------------
  // Bit j of byte k goes to bit k of byte j: wires, written as masks and shifts so that it simulates fast.
  function automatic logic [63:0] transpose(input logic [63:0] bytes);
    localparam logic [63:0] Diag1 = 64'haa55_aa55_aa55_aa55, Up1 = 64'h00aa_00aa_00aa_00aa;
    localparam logic [63:0] Diag2 = 64'hcccc_3333_cccc_3333, Up2 = 64'h0000_cccc_0000_cccc;
    localparam logic [63:0] Diag4 = 64'hf0f0_f0f0_0f0f_0f0f, Up4 = 64'h0000_0000_f0f0_f0f0;
    logic [63:0] x;
    x = bytes;
    x = (x & Diag1) | ((x & Up1) << 7) | ((x >> 7) & Up1);
    x = (x & Diag2) | ((x & Up2) << 14) | ((x >> 14) & Up2);
    x = (x & Diag4) | ((x & Up4) << 28) | ((x >> 28) & Up4);
    return x;
  endfunction

  logic [XbarRows-1:0] plane_q[2*XbarSets][InputBits];
  logic [WordBytes-1:0] plane_in[InputBits];

  always_comb begin : transpose_word
    automatic logic [63:0] square;
    square = '0;
    plane_in = '{default: '0};
    if (tile_we_i) begin
      for (int unsigned k = 0; k < WordBytes / BytesAtOnce; k++) begin
        square = transpose(tile_data_i[64*k+:64]);
        for (int unsigned b = 0; b < InputBits; b++) begin
          plane_in[b][BytesAtOnce*k+:BytesAtOnce] = square[BytesAtOnce*b+:BytesAtOnce];
        end
      end
    end
  end

  for (genvar b = 0; b < InputBits; b++) begin : gen_plane
    if (InWords > 1) begin : gen_parts
      always_ff @(posedge clk_i) begin
        if (tile_we_i) begin
          plane_q[{tile_bank_i, tile_index_i}][b][tile_part_i*WordBytes+:WordBytes] <= plane_in[b];
        end
      end
    end else begin : gen_whole
      always_ff @(posedge clk_i) begin
        if (tile_we_i) plane_q[{tile_bank_i, tile_index_i}][b] <= plane_in[b];
      end
    end
  end
  if (InWords == 1) begin : gen_one_part
    logic unused_part;
    assign unused_part = ^tile_part_i;
  end

  // --- crossbar sets -------------------------------------------------------------------------------------------------
  logic [VecLanes*AccWidth-1:0] word[XbarSets];
  logic [XbarSets-1:0] code_valid;
  logic [ClipWidth-1:0] clips[XbarSets];

  for (genvar s = 0; s < XbarSets; s++) begin : gen_set
    logic conv_valid, prog_valid;
    logic [XbarRows-1:0] drive;
    logic [XbarAdcs*AdcBits-1:0] codes;

    assign conv_valid = step_valid_i && set_en_i[s];
    assign prog_valid = prog_valid_i && prog_set_i == SetWidth'(s);

    always_comb begin
      drive = '0;
      if (conv_valid) drive = plane_q[{step_bank_i, set_tile_i[s]}][step_bit_i] & step_rows_i;
    end

    if (Digital) begin : gen_digital
      xbar_digital #(
          .Rows(XbarRows),
          .Cols(XbarCols),
          .Slots(XbarSlots),
          .Adcs(XbarAdcs),
          .AdcBits(AdcBits),
          .InitPrefix(XbarInit == "" ? "" : $sformatf("%s_%0d", XbarInit, s))
      ) u_xbar (
          .clk_i,
          .rst_ni,
          .lsb_shift_i,
          .adc_bits_i,
          .conv_valid_i(conv_valid),
          .conv_slot_i(set_slot_i[s]),
          .conv_group_i(step_group_i),
          .conv_drive_i(drive),
          .valid_o(code_valid[s]),
          .codes_o(codes),
          .clips_o(clips[s]),
          .prog_valid_i(prog_valid),
          .prog_slot_i,
          .prog_group_i,
          .prog_row_i,
          .prog_codes_i
      );
      if (s == 0) begin : gen_no_noise
        logic unused_keys;
        assign unused_keys = ^{step_pos_i, step_row_group_i};
      end
    end else begin : gen_analog
      xbar_array #(
          .Rows(XbarRows),
          .Cols(XbarCols),
          .Slots(XbarSlots),
          .Adcs(XbarAdcs),
          .AdcBits(AdcBits),
          .Sets(XbarSets),
          .SetIndex(s)
      ) u_xbar (
          .clk_i,
          .rst_ni,
          .lsb_shift_i,
          .adc_bits_i,
          .conv_valid_i(conv_valid),
          .conv_slot_i(set_slot_i[s]),
          .conv_group_i(step_group_i),
          .conv_drive_i(drive),
          .conv_pos_i(step_pos_i),
          .conv_step_i({step_row_group_i, step_bit_i}),
          .valid_o(code_valid[s]),
          .codes_o(codes),
          .clips_o(clips[s]),
          .prog_valid_i(prog_valid),
          .prog_slot_i,
          .prog_group_i,
          .prog_row_i,
          .prog_codes_i
      );
    end

    xbar_shift_add #(
        .Adcs(XbarAdcs),
        .AdcBits(AdcBits),
        .Lanes(VecLanes),
        .AccWidth(AccWidth)
    ) u_shift_add (
        .clk_i,
        .rst_ni,
        .valid_i(code_valid[s]),
        .op_i(acc_op_i),
        .codes_i(codes),
        .capture_i,
        .word_en_i(read_i && read_sets_i[s]),
        .word_sel_i(read_word_i),
        .word_o(word[s])
    );
  end

  // --- adder tree over row tiles -------------------------------------------------------------------------------------
  always_ff @(posedge clk_i) begin : add_sets
    automatic logic [VecLanes*SumWidth-1:0] sums;
    automatic logic [SumWidth-1:0] sum;
    if (read_i) begin
      for (int unsigned l = 0; l < VecLanes; l++) begin
        sum = '0;
        for (int unsigned s = 0; s < XbarSets; s++) begin
          sum = sum + SumWidth'($signed(word[s][l*AccWidth+:AccWidth]));
        end
        sums[l*SumWidth+:SumWidth] = sum;
      end
      sum_o <= sums;
    end
  end

  // --- clipped conversions -------------------------------------------------------------------------------------------
  logic [31:0] clips_now;
  always_comb begin
    clips_now = '0;
    if (code_valid != '0) begin
      for (int unsigned s = 0; s < XbarSets; s++) begin
        if (code_valid[s]) clips_now = clips_now + 32'(clips[s]);
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      clip_count_o <= '0;
    end else if (code_valid != '0) begin
      clip_count_o <= clip_count_o + clips_now;
    end
  end

  `ASSERT_INIT(TilesAreWords, XbarRows % WordBytes == 0 && InWords >= 1)
  `ASSERT_INIT(WordsAreSquares, WordBytes % BytesAtOnce == 0)
  `ASSERT_INIT(SetsAtLeastTwo, XbarSets >= 2)
  `ASSERT(StepHasSets, !step_valid_i || set_en_i != '0)
  `ASSERT(LoadNotInUse, !(tile_we_i && step_valid_i) || tile_bank_i != step_bank_i)
  `ASSERT(ReadHasSets, !read_i || read_sets_i != '0)
  `ASSERT(ProgramAlone, !prog_valid_i || (!step_valid_i && code_valid == '0))

endmodule

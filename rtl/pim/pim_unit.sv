// PIM unit: XBAR and XPROG (docs/isa.md, docs/pim.md) on XbarSets converter sets of ternary crossbars.
//
// XBAR: reads the int8 row tiles, converts chunk after chunk at one conversion step a cycle, adds over row tiles and
// writes int32 words, one a cycle; output overlaps the conversions that follow, and the next XBAR's input is read
// meanwhile. Cycles of an XBAR by itself, without refusals: row tiles in words + conversions + output words of the
// last column group + 8. Done comes in order, the cycle after the last write's grant. Settings are stable while
// busy_o. clip_count_o counts clipped conversions of all columns of the crossbars in use.
`include "assert.svh"

module pim_unit
  import pim_pkg::*;
  import pimllm_pkg::*;
#(
    parameter int unsigned XbarRows = 16,
    parameter int unsigned XbarCols = 16,
    parameter int unsigned XbarSets = 2,
    parameter int unsigned XbarSlots = 16,
    parameter int unsigned XbarAdcs = 8,
    parameter int unsigned AdcBits = 5,
    parameter int unsigned VecLanes = 4,
    parameter int unsigned ActWords = 512,
    parameter bit Digital = 1'b0,  // the synthesizable twin instead of the behavioural array
    parameter string XbarInit = "",  // prefix of the files that its cells hold at power-up
    localparam int unsigned WordBytes = 4 * VecLanes,
    localparam int unsigned ActAddrWidth = $clog2(ActWords)
) (
    input  logic clk_i,
    input  logic rst_ni,

    input  logic            cmd_valid_i,
    output logic            cmd_ready_o,
    input  unit_cmd_t       cmd_i,
    output logic            done_o,
    output logic            err_o,
    output isa_pkg::error_e err_code_o,
    output logic            busy_o,
    output logic            stall_operand_o,
    output logic            stall_output_o,
    output logic            stall_memory_o,

    input  logic [15:0] rows_per_conv_i,
    input  logic [2:0]  lsb_shift_i,
    input  logic [3:0]  adc_bits_i,
    output logic [31:0] clip_count_o,

    output logic                    act_rd_req_o,
    output logic [ActAddrWidth-1:0] act_rd_addr_o,
    input  logic                    act_rd_gnt_i,
    input  logic [8*WordBytes-1:0]  act_rd_data_i,
    output logic                    act_wr_req_o,
    output logic [ActAddrWidth-1:0] act_wr_addr_o,
    output logic [8*WordBytes-1:0]  act_wr_data_o,
    output logic [WordBytes-1:0]    act_wr_be_o,
    input  logic                    act_wr_gnt_i
);

  localparam int unsigned InWords = XbarRows / WordBytes;
  localparam int unsigned PartWidth = InWords > 1 ? $clog2(InWords) : 1;
  localparam int unsigned SetWidth = $clog2(XbarSets);
  localparam int unsigned SlotWidth = XbarSlots > 1 ? $clog2(XbarSlots) : 1;
  localparam int unsigned RowWidth = $clog2(XbarRows);
  localparam int unsigned ColGroups = XbarCols / XbarAdcs;
  localparam int unsigned GroupWidth = ColGroups > 1 ? $clog2(ColGroups) : 1;
  localparam int unsigned GroupWords = XbarAdcs / VecLanes;
  localparam int unsigned WordSelWidth = GroupWords > 1 ? $clog2(GroupWords) : 1;
  localparam int unsigned AccWidth = acc_width(XbarRows, AdcBits);
  localparam int unsigned SumWidth = AccWidth + SetWidth;

  logic load_busy, loading, tile_we, tile_bank;
  logic [SetWidth-1:0] tile_index;
  logic [PartWidth-1:0] tile_part;
  logic chunk_valid, chunk_ready;
  chunk_t chunk, step_chunk;
  logic prog_valid, prog_done;
  logic [SetWidth-1:0] prog_set;
  logic [SlotWidth-1:0] prog_slot;
  logic [GroupWidth-1:0] prog_group;
  logic [RowWidth-1:0] prog_row;
  logic [CellBits*XbarAdcs-1:0] prog_codes;

  logic step_valid, step_bank;
  logic [GroupWidth-1:0] step_group;
  logic [$clog2(InputBits)-1:0] step_bit;
  logic [RowWidth-1:0] step_row_group;
  logic [XbarRows-1:0] step_rows;
  logic [15:0] step_pos;
  logic [XbarSets-1:0] set_en, read_sets;
  logic [XbarSets-1:0][SlotWidth-1:0] set_slot;
  logic [XbarSets-1:0][SetWidth-1:0] set_tile, set_col;
  accum_op_t acc_op;
  logic group_start, group_last, capture, hold_free, convert_active, convert_stalled;
  logic read;
  logic [WordSelWidth-1:0] read_word;
  logic [VecLanes*SumWidth-1:0] sum;
  logic reduce_busy, xbar_done;

  pim_load #(
      .XbarRows(XbarRows),
      .XbarCols(XbarCols),
      .XbarSets(XbarSets),
      .XbarSlots(XbarSlots),
      .XbarAdcs(XbarAdcs),
      .AdcBits(AdcBits),
      .VecLanes(VecLanes),
      .ActWords(ActWords)
  ) u_load (
      .clk_i,
      .rst_ni,
      .cmd_valid_i,
      .cmd_ready_o,
      .cmd_i,
      .err_o,
      .err_code_o,
      .busy_o(load_busy),
      .loading_o(loading),
      .rows_per_conv_i,
      .adc_bits_i,
      .act_rd_req_o,
      .act_rd_addr_o,
      .act_rd_gnt_i,
      .act_rd_data_i,
      .tile_we_o(tile_we),
      .tile_bank_o(tile_bank),
      .tile_index_o(tile_index),
      .tile_part_o(tile_part),
      .chunk_valid_o(chunk_valid),
      .chunk_ready_i(chunk_ready),
      .chunk_o(chunk),
      .pipeline_idle_i(!convert_active && !reduce_busy),
      .prog_valid_o(prog_valid),
      .prog_set_o(prog_set),
      .prog_slot_o(prog_slot),
      .prog_group_o(prog_group),
      .prog_row_o(prog_row),
      .prog_codes_o(prog_codes),
      .prog_done_o(prog_done)
  );

  pim_convert #(
      .XbarRows(XbarRows),
      .XbarCols(XbarCols),
      .XbarSets(XbarSets),
      .XbarSlots(XbarSlots),
      .XbarAdcs(XbarAdcs)
  ) u_convert (
      .clk_i,
      .rst_ni,
      .rows_per_conv_i,
      .chunk_valid_i(chunk_valid),
      .chunk_ready_o(chunk_ready),
      .chunk_i(chunk),
      .step_valid_o(step_valid),
      .step_bank_o(step_bank),
      .step_group_o(step_group),
      .step_bit_o(step_bit),
      .step_row_group_o(step_row_group),
      .step_rows_o(step_rows),
      .step_pos_o(step_pos),
      .set_en_o(set_en),
      .set_slot_o(set_slot),
      .set_tile_o(set_tile),
      .set_col_o(set_col),
      .acc_op_o(acc_op),
      .chunk_o(step_chunk),
      .group_start_o(group_start),
      .group_last_o(group_last),
      .capture_o(capture),
      .hold_free_i(hold_free),
      .active_o(convert_active),
      .stalled_o(convert_stalled)
  );

  pim_bank #(
      .XbarRows(XbarRows),
      .XbarCols(XbarCols),
      .XbarSets(XbarSets),
      .XbarSlots(XbarSlots),
      .XbarAdcs(XbarAdcs),
      .AdcBits(AdcBits),
      .VecLanes(VecLanes),
      .Digital(Digital),
      .XbarInit(XbarInit)
  ) u_bank (
      .clk_i,
      .rst_ni,
      .lsb_shift_i,
      .adc_bits_i,
      .tile_we_i(tile_we),
      .tile_bank_i(tile_bank),
      .tile_index_i(tile_index),
      .tile_part_i(tile_part),
      .tile_data_i(act_rd_data_i),
      .step_valid_i(step_valid),
      .step_bank_i(step_bank),
      .step_group_i(step_group),
      .step_bit_i(step_bit),
      .step_row_group_i(step_row_group),
      .step_rows_i(step_rows),
      .step_pos_i(step_pos),
      .set_en_i(set_en),
      .set_slot_i(set_slot),
      .set_tile_i(set_tile),
      .acc_op_i(acc_op),
      .capture_i(capture),
      .read_i(read),
      .read_word_i(read_word),
      .read_sets_i(read_sets),
      .sum_o(sum),
      .prog_valid_i(prog_valid),
      .prog_set_i(prog_set),
      .prog_slot_i(prog_slot),
      .prog_group_i(prog_group),
      .prog_row_i(prog_row),
      .prog_codes_i(prog_codes),
      .clip_count_o
  );

  pim_reduce #(
      .XbarCols(XbarCols),
      .XbarSets(XbarSets),
      .XbarAdcs(XbarAdcs),
      .VecLanes(VecLanes),
      .ActWords(ActWords),
      .SumWidth(SumWidth)
  ) u_reduce (
      .clk_i,
      .rst_ni,
      .lsb_shift_i,
      .group_start_i(group_start),
      .chunk_i(step_chunk),
      .group_i(step_group),
      .group_last_i(group_last),
      .set_en_i(set_en),
      .set_col_i(set_col),
      .capture_i(capture),
      .hold_free_o(hold_free),
      .read_o(read),
      .read_word_o(read_word),
      .read_sets_o(read_sets),
      .sum_i(sum),
      .act_wr_req_o,
      .act_wr_addr_o,
      .act_wr_data_o,
      .act_wr_be_o,
      .act_wr_gnt_i,
      .done_o(xbar_done),
      .busy_o(reduce_busy)
  );

  assign done_o = xbar_done || prog_done;
  assign busy_o = load_busy || convert_active || reduce_busy;
  assign stall_operand_o = loading && !convert_active;
  assign stall_output_o = convert_stalled;
  assign stall_memory_o = (act_rd_req_o && !act_rd_gnt_i) || (act_wr_req_o && !act_wr_gnt_i);

  `ASSERT(OneDoneAtATime, !xbar_done || !prog_done)
  `ASSERT(IdleIsQuiet, busy_o || (!act_rd_req_o && !act_wr_req_o && !done_o && !err_o))
  `ASSERT(SettingsStable, !$past(busy_o) || !busy_o || ($stable(rows_per_conv_i) && $stable(lsb_shift_i)
          && $stable(adc_bits_i)))

endmodule

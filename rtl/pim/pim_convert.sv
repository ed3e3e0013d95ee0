// Conversion sequencer of the PIM unit: turns a chunk into one conversion step a cycle.
//
// Order: column group, input bit from the highest down, row group. The next chunk is taken in the cycle of the last
// step, so that chunks follow without a gap. The last step of a column group waits until the hold registers of the one
// before are read (hold_free_i): group_start_o announces that step, capture_o comes when its sums are complete.
`include "assert.svh"

module pim_convert
  import pim_pkg::*;
#(
    parameter int unsigned XbarRows = 16,
    parameter int unsigned XbarCols = 16,
    parameter int unsigned XbarSets = 2,
    parameter int unsigned XbarSlots = 16,
    parameter int unsigned XbarAdcs = 8,
    localparam int unsigned SetWidth = $clog2(XbarSets),
    localparam int unsigned SlotWidth = XbarSlots > 1 ? $clog2(XbarSlots) : 1,
    localparam int unsigned RowWidth = $clog2(XbarRows),
    localparam int unsigned ColGroups = XbarCols / XbarAdcs,
    localparam int unsigned GroupWidth = ColGroups > 1 ? $clog2(ColGroups) : 1
) (
    input  logic clk_i,
    input  logic rst_ni,

    input  logic [15:0] rows_per_conv_i,  // 1..XbarRows while a chunk is offered or in work

    input  logic   chunk_valid_i,
    output logic   chunk_ready_o,
    input  chunk_t chunk_i,

    output logic                               step_valid_o,
    output logic                               step_bank_o,
    output logic [GroupWidth-1:0]              step_group_o,
    output logic [$clog2(InputBits)-1:0]       step_bit_o,
    output logic [RowWidth-1:0]                step_row_group_o,
    output logic [XbarRows-1:0]                step_rows_o,
    output logic [15:0]                        step_pos_o,
    output logic [XbarSets-1:0]                set_en_o,
    output logic [XbarSets-1:0][SlotWidth-1:0] set_slot_o,
    output logic [XbarSets-1:0][SetWidth-1:0]  set_tile_o,
    output logic [XbarSets-1:0][SetWidth-1:0]  set_col_o,  // column tile within the chunk
    output accum_op_t                          acc_op_o,   // for the codes that are valid now

    output chunk_t chunk_o,
    output logic   group_start_o,
    output logic   group_last_o,
    output logic   capture_o,
    input  logic   hold_free_i,

    output logic active_o,
    output logic stalled_o
);

  localparam logic [$clog2(InputBits)-1:0] TopBit = '1;
  localparam int unsigned CaptureDelay = XbarLatency + 1;
  localparam int unsigned EndWidth = RowWidth + 2;  // row_base + rows a conversion, each up to XbarRows

  logic active_q, hold_busy_q;
  chunk_t chunk_q;
  logic [GroupWidth-1:0] group_q;
  logic [$clog2(InputBits)-1:0] bit_q;
  logic [RowWidth-1:0] row_group_q;
  logic [RowWidth:0] row_base_q;
  logic [XbarRows-1:0] rows_q;
  logic [XbarSets-1:0] set_en_q;
  logic [XbarSets-1:0][SlotWidth-1:0] set_slot_q;
  logic [XbarSets-1:0][SetWidth-1:0] set_tile_q, set_col_q;

  logic take, step, row_last, group_done, chunk_done;

  // --- steps ---------------------------------------------------------------------------------------------------------
  assign row_last = EndWidth'(row_base_q) + EndWidth'(rows_per_conv_i[RowWidth:0]) >= EndWidth'(XbarRows);
  assign group_done = row_last && bit_q == '0;
  assign chunk_done = group_done && group_q == GroupWidth'(ColGroups - 1);
  assign step = active_q && (!group_done || !hold_busy_q || hold_free_i);
  assign chunk_ready_o = !active_q || (step && chunk_done);
  assign take = chunk_valid_i && chunk_ready_o;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      active_q <= 1'b0;
      hold_busy_q <= 1'b0;
    end else begin
      if (take) active_q <= 1'b1;
      else if (step && chunk_done) active_q <= 1'b0;
      if (step && group_done) hold_busy_q <= 1'b1;
      else if (hold_free_i) hold_busy_q <= 1'b0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (take) begin
      group_q <= '0;
      bit_q <= TopBit;
    end else if (step && row_last) begin
      bit_q <= bit_q - 1'b1;  // wraps to the top bit
      if (group_done) group_q <= group_q + 1'b1;
    end
    if (take || (step && row_last)) begin
      row_group_q <= '0;
      row_base_q <= '0;
      rows_q <= ~({XbarRows{1'b1}} << rows_per_conv_i[RowWidth:0]);
    end else if (step) begin
      row_group_q <= row_group_q + 1'b1;
      row_base_q <= row_base_q + rows_per_conv_i[RowWidth:0];
      rows_q <= rows_q << rows_per_conv_i[RowWidth:0];
    end
  end

  // --- which set does what -------------------------------------------------------------------------------------------
  // Crossbar first + k: row tile k mod row_tiles, column tile k / row_tiles, by counting.
  logic [XbarSets-1:0][SetWidth-1:0] tile_of, col_of;
  always_comb begin : count_tiles
    automatic logic [SetWidth-1:0] tile, col;
    tile_of = '0;
    col_of = '0;
    tile = '0;
    col = '0;
    if (take) begin
      for (int unsigned k = 0; k < XbarSets; k++) begin
        tile_of[k] = tile;
        col_of[k] = col;
        if (ChunkCountWidth'(tile) + 1'b1 == chunk_i.row_tiles) begin
          tile = '0;
          col = col + 1'b1;
        end else begin
          tile = tile + 1'b1;
        end
      end
    end
  end

  for (genvar s = 0; s < XbarSets; s++) begin : gen_set
    logic [SetWidth-1:0] k;
    logic [15:0] slot;
    assign k = SetWidth'(s) - chunk_i.first[SetWidth-1:0];
    assign slot = (chunk_i.first + 16'(k)) >> SetWidth;
    if (SlotWidth < 16) begin : gen_unused
      logic unused_slot;
      assign unused_slot = ^slot[15:SlotWidth];
    end
    always_ff @(posedge clk_i) begin
      if (take) begin
        set_en_q[s] <= ChunkCountWidth'(k) < chunk_i.crossbars;
        set_slot_q[s] <= slot[SlotWidth-1:0];
        set_tile_q[s] <= tile_of[k];
        set_col_q[s] <= col_of[k];
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (take) chunk_q <= chunk_i;
  end

  // --- what to do with the codes, XbarLatency cycles after the step --------------------------------------------------
  accum_op_t [XbarLatency-1:0] op_q;
  logic [CaptureDelay-1:0] capture_q;

  always_ff @(posedge clk_i) begin
    if (step) begin
      op_q[0] <= '{
          fresh: bit_q == TopBit && row_group_q == '0,
          twice: row_group_q == '0,
          negate: bit_q == TopBit
      };
    end
    for (int unsigned i = 1; i < XbarLatency; i++) op_q[i] <= op_q[i-1];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) capture_q <= '0;
    else capture_q <= {capture_q[CaptureDelay-2:0], step && group_done};
  end

  assign step_valid_o = step;
  assign step_bank_o = chunk_q.bank;
  assign step_group_o = group_q;
  assign step_bit_o = bit_q;
  assign step_row_group_o = row_group_q;
  assign step_rows_o = rows_q;
  assign step_pos_o = chunk_q.pos;
  assign set_en_o = set_en_q;
  assign set_slot_o = set_slot_q;
  assign set_tile_o = set_tile_q;
  assign set_col_o = set_col_q;
  assign acc_op_o = op_q[XbarLatency-1];
  assign chunk_o = chunk_q;
  assign group_start_o = step && group_done;
  assign group_last_o = chunk_done;
  assign capture_o = capture_q[CaptureDelay-1];
  assign active_o = active_q;
  assign stalled_o = active_q && !step;

  // rows_per_conv_i is checked by pim_load.
  logic unused_rows_per_conv;
  assign unused_rows_per_conv = ^rows_per_conv_i[15:RowWidth+1];

  `ASSERT(ChunkNotEmpty, !take || (chunk_i.crossbars != '0 && chunk_i.row_tiles != '0))
  `ASSERT(ChunkFits, !take || chunk_i.crossbars <= ChunkCountWidth'(XbarSets))
  `ASSERT(WholeColumnTiles, !take || chunk_i.row_tiles * chunk_i.col_tiles == chunk_i.crossbars)
  `ASSERT(RowsPerConvInRange, !active_q || (rows_per_conv_i != '0 && rows_per_conv_i <= 16'(XbarRows)))
  `ASSERT(RowsStartInTile, !active_q || row_base_q < (RowWidth + 1)'(XbarRows))
  `ASSERT(StepDrivesRows, !step || rows_q != '0)
  `ASSERT(FreeOnlyBusy, !hold_free_i || hold_busy_q)
  `COVER(HoldStalls, active_q && !step)
  `COVER(ChunksBackToBack, take && active_q)

endmodule

// Output stage of the PIM unit: reads a finished column group word by word through the adder tree, adds the parts of a
// column tile that has more row tiles than there are sets, and writes int32 words to ACT.
//
// Throughput one word a cycle; two cycles from the read of the hold registers to the write request. done_o comes the
// cycle after the grant of an instruction's last write.
`include "assert.svh"

module pim_reduce
  import pim_pkg::*;
#(
    parameter int unsigned XbarCols = 16,
    parameter int unsigned XbarSets = 2,
    parameter int unsigned XbarAdcs = 8,
    parameter int unsigned VecLanes = 4,
    parameter int unsigned ActWords = 512,
    parameter int unsigned SumWidth = 14,
    localparam int unsigned SetWidth = $clog2(XbarSets),
    localparam int unsigned ColGroups = XbarCols / XbarAdcs,
    localparam int unsigned GroupWidth = ColGroups > 1 ? $clog2(ColGroups) : 1,
    localparam int unsigned TileWords = XbarCols / VecLanes,
    localparam int unsigned TileWordWidth = TileWords > 1 ? $clog2(TileWords) : 1,
    localparam int unsigned GroupWords = XbarAdcs / VecLanes,
    localparam int unsigned WordSelWidth = GroupWords > 1 ? $clog2(GroupWords) : 1,
    localparam int unsigned ActAddrWidth = $clog2(ActWords),
    localparam int unsigned OutBits = 32
) (
    input  logic clk_i,
    input  logic rst_ni,

    input  logic [LsbShiftWidth-1:0] lsb_shift_i,

    input  logic                              group_start_i,
    input  chunk_t                            chunk_i,
    input  logic [GroupWidth-1:0]             group_i,
    input  logic                              group_last_i,
    input  logic [XbarSets-1:0]               set_en_i,
    input  logic [XbarSets-1:0][SetWidth-1:0] set_col_i,
    input  logic                              capture_i,
    output logic                              hold_free_o,

    output logic                              read_o,
    output logic [WordSelWidth-1:0]           read_word_o,
    output logic [XbarSets-1:0]               read_sets_o,
    input  logic [VecLanes*SumWidth-1:0]      sum_i,

    output logic                         act_wr_req_o,
    output logic [ActAddrWidth-1:0]      act_wr_addr_o,
    output logic [OutBits*VecLanes-1:0]  act_wr_data_o,
    output logic [OutBits/8*VecLanes-1:0] act_wr_be_o,
    input  logic                         act_wr_gnt_i,

    output logic done_o,
    output logic busy_o
);

  // --- the column group in the hold registers ------------------------------------------------------------------------
  logic started_q, full_q;
  logic [ChunkCountWidth-1:0] col_tiles_q;
  logic part_first_q, part_last_q, chunk_last_q;
  logic [15:0] out_word_q, words_left_q;
  logic [GroupWidth-1:0] group_q;
  logic [XbarSets-1:0] set_en_q;
  logic [XbarSets-1:0][SetWidth-1:0] set_col_q;
  logic [SetWidth-1:0] col_q;
  logic [15:0] col_word_q;  // first word of column tile col_q, from the chunk's first
  logic [WordSelWidth-1:0] word_q;

  logic word_last, read, read_last;
  logic [TileWordWidth-1:0] tile_word;
  logic [15:0] index;

  // --- stage 1: sum of the row tiles; stage 2: output word -----------------------------------------------------------
  logic sum_valid_q, sum_write_q, sum_last_q, sum_first_q, sum_emit_q;
  logic [ActAddrWidth-1:0] sum_addr_q;
  logic [TileWordWidth-1:0] sum_word_q;
  logic sum_pop;
  logic out_valid_q, out_write_q, out_last_q;
  logic [ActAddrWidth-1:0] out_addr_q;
  logic [OutBits*VecLanes-1:0] out_data_q;
  logic out_pop, done_q;
  logic [OutBits*VecLanes-1:0] part_q[TileWords];

  assign out_pop = out_valid_q && (!out_write_q || act_wr_gnt_i);
  assign sum_pop = sum_valid_q && (!sum_emit_q || !out_valid_q || out_pop);

  assign word_last = word_q == WordSelWidth'(GroupWords - 1);
  assign read = full_q && (!sum_valid_q || sum_pop);
  assign read_last = word_last && ChunkCountWidth'(col_q) + 1'b1 == col_tiles_q;
  assign tile_word = TileWordWidth'(32'(group_q) * GroupWords + 32'(word_q));
  assign index = col_word_q + 16'(tile_word);

  always_comb begin
    read_sets_o = '0;
    if (read) begin
      for (int unsigned s = 0; s < XbarSets; s++) read_sets_o[s] = set_en_q[s] && set_col_q[s] == col_q;
    end
  end
  assign read_o = read;
  assign read_word_o = word_q;
  assign hold_free_o = read && read_last;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      started_q <= 1'b0;
      full_q <= 1'b0;
      sum_valid_q <= 1'b0;
      out_valid_q <= 1'b0;
      done_q <= 1'b0;
    end else begin
      if (group_start_i) started_q <= 1'b1;
      else if (hold_free_o) started_q <= 1'b0;
      if (capture_i) full_q <= 1'b1;
      else if (hold_free_o) full_q <= 1'b0;
      if (read) sum_valid_q <= 1'b1;
      else if (sum_pop) sum_valid_q <= 1'b0;
      if (sum_pop && sum_emit_q) out_valid_q <= 1'b1;
      else if (out_pop) out_valid_q <= 1'b0;
      done_q <= out_pop && out_last_q;
    end
  end

  always_ff @(posedge clk_i) begin
    if (group_start_i) begin
      col_tiles_q <= chunk_i.col_tiles;
      part_first_q <= chunk_i.part_first;
      part_last_q <= chunk_i.part_last;
      chunk_last_q <= chunk_i.last && group_last_i;
      out_word_q <= chunk_i.out_word;
      words_left_q <= chunk_i.words_left;
      group_q <= group_i;
      set_en_q <= set_en_i;
      set_col_q <= set_col_i;
      col_q <= '0;
      col_word_q <= '0;
      word_q <= '0;
    end else if (read) begin
      word_q <= word_last ? '0 : word_q + 1'b1;
      if (word_last) begin
        col_q <= col_q + 1'b1;
        col_word_q <= col_word_q + 16'(TileWords);
      end
    end
    if (read) begin
      sum_write_q <= index < words_left_q;
      sum_addr_q <= ActAddrWidth'(out_word_q + index);
      sum_word_q <= tile_word;
      sum_first_q <= part_first_q;
      sum_emit_q <= part_last_q;
      sum_last_q <= chunk_last_q && read_last;
    end
  end

  always_ff @(posedge clk_i) begin : finish_word
    automatic logic [OutBits*VecLanes-1:0] total, part;
    if (sum_pop) begin
      part = sum_first_q ? '0 : part_q[sum_word_q];
      for (int unsigned l = 0; l < VecLanes; l++) begin
        total[l*OutBits+:OutBits] = part[l*OutBits+:OutBits] +
            (OutBits'($signed(sum_i[l*SumWidth+:SumWidth])) <<< lsb_shift_i);
      end
      if (sum_emit_q) out_data_q <= total;
      else part_q[sum_word_q] <= total;
    end
  end

  always_ff @(posedge clk_i) begin
    if (sum_pop && sum_emit_q) begin
      out_addr_q <= sum_addr_q;
      out_write_q <= sum_write_q;
      out_last_q <= sum_last_q;
    end
  end

  assign act_wr_req_o = out_valid_q && out_write_q;
  assign act_wr_addr_o = out_addr_q;
  assign act_wr_data_o = out_data_q;
  assign act_wr_be_o = '1;
  assign done_o = done_q;
  assign busy_o = started_q || sum_valid_q || out_valid_q || done_q;

  // What only the conversion needs.
  logic unused_chunk;
  assign unused_chunk = ^{chunk_i.bank, chunk_i.first, chunk_i.crossbars, chunk_i.row_tiles, chunk_i.pos};

  `ASSERT_INIT(WordsInGroup, GroupWords * VecLanes == XbarAdcs)
  `ASSERT_STABLE(WriteStable, act_wr_req_o, act_wr_gnt_i, act_wr_addr_o)
  `ASSERT(StartWhenFree, !group_start_i || !started_q || hold_free_o)
  `ASSERT(CaptureAfterStart, !capture_i || (started_q && !full_q))
  `ASSERT(ColumnInChunk, !read || 32'(col_word_q) < XbarSets * TileWords)
  `ASSERT(PartsHaveOneColumn, !read || (part_first_q && part_last_q) || col_tiles_q == 1)
  `ASSERT(DonePulseAfterWrites, !done_q || !$past(out_valid_q) || $past(out_pop))
  `COVER(PartAdded, sum_pop && !sum_first_q)
  `COVER(WordBeyondCount, read && index >= words_left_q)

endmodule

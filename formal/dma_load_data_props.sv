// The data side of one channel's loads: every beat of a descriptor goes where it belongs, once and in order, and nowhere
// else: words from the first to the last one of a linear transfer, tiles in turn to the groups of KV banks, rows below the
// banks' end. The descriptor is done when all of it is written.
`include "assert.svh"

module dma_load_data_props
  import dma_pkg::*;
#(
    parameter int unsigned ChannelBytes = 8,
    parameter int unsigned MemChannels = 2,
    parameter int unsigned Groups = 4,
    parameter int unsigned ActBytes = 16,
    parameter int unsigned ScrBytes = 32
) (
    input logic                         clk_i,
    input logic                         rst_ni,
    input logic                         flush_i,
    input logic                         sink_valid,
    input logic                         sink_pop,
    input logic                         sink_first_q,
    input load_sink_t                   sink,
    input logic                         done_o,
    input logic                         kv_req_o,
    input logic                         kv_gnt_i,
    input logic       [            7:0] kv_group_o,
    input logic       [           15:0] kv_addr_o,
    input logic                         lin_req_o,
    input logic                         lin_gnt_i,
    input logic       [           15:0] lin_addr_o,
    input logic       [            7:0] lin_slice_o,
    input logic       [           15:0] tiles_q,
    input logic       [ BeatsWidth-1:0] beats_q,
    input logic       [           15:0] row_base_q,
    input logic       [            7:0] tile_q,
    input logic       [            7:0] slice_q,
    input logic       [           15:0] word_q
);

  localparam int unsigned KvRows = 64;  // few, as rows are products here

  typedef logic [BeatsWidth-1:0] beats_t;

  // --- the descriptor as dma_unit sends it (job dma_unit), which the FIFO hands on unchanged (job fifo) --------------------
  logic same_q;
  logic [2:0]
      word_shift,
      part_shift,
      beat_shift;  // writes to a word, to a place of lin_slice_o, and of a beat, as shifts
  beats_t words, total, rounds;

  always_ff @(posedge clk_i) same_q <= rst_ni && sink_valid && !sink_pop && !flush_i;

  always_comb begin
    beat_shift = '0;
    unique case (sink.space)
      SpaceAct: word_shift = 3'($clog2(ActBytes / ChannelBytes));
      SpaceScl: word_shift = '0;
      default:  word_shift = 3'($clog2(ScrBytes / ChannelBytes));
    endcase
    part_shift = word_shift;
    if (sink.space == SpaceScl) begin
      part_shift = 3'($clog2(ChannelBytes / 4));
      beat_shift = part_shift;
    end
  end
  assign words  = beats_t'(sink.last_word) - beats_t'(sink.local_addr) + beats_t'(1);
  assign total  = words << word_shift;
  assign rounds = (beats_t'(sink.tile) + (beats_t'(sink.tiles) - beats_t'(1)) * MemChannels) / Groups + beats_t'(1);

  `ASSUME(SinkStays, !same_q || (sink_valid && $stable(sink)))
  `ASSUME(SinkNotEmpty, !sink_valid || (sink.tiles != '0 && sink.beats != '0))
  `ASSUME(LinearWhole,
          !sink_valid || sink.tiled || (sink.tiles == 16'd1 && sink.last_word >= sink.local_addr))
  `ASSUME(
      LinearBeats,
      !sink_valid || sink.tiled || sink.beats == (total + (beats_t'(1) << beat_shift) - beats_t'(1)) >> beat_shift)
  `ASSUME(
      TilesInBank,
      !sink_valid || !sink.tiled || (32'(sink.tile) < Groups && sink.beats < KvRows && 32'(sink.tiles) <= KvRows * Groups && rounds < KvRows && 32'(sink.local_addr) < KvRows && beats_t'(sink.local_addr) + beats_t'(rounds[5:0] * 12'(sink.beats[5:0])) <= KvRows))

  // --- what has been written of it -----------------------------------------------------------------------------------------
  beats_t
      writes_q,
      part,
      beat_q,
      number,
      row;  // of a linear one; of its tile, the tile's number and its first row
  logic [15:0] tile_count_q;
  logic put, ends;

  assign put = kv_req_o && kv_gnt_i;
  assign part = writes_q & ((beats_t'(1) << part_shift) - beats_t'(1));
  assign ends = beat_q + beats_t'(1) == sink.beats;
  assign number = beats_t'(sink.tile) + beats_t'(tile_count_q) * MemChannels;
  assign row = beats_t'(sink.local_addr) + beats_t'(12'(6'(number / Groups)) * 12'(sink.beats[5:0]));

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i || sink_pop) begin
      writes_q <= '0;
      beat_q <= '0;
      tile_count_q <= '0;
    end else begin
      if (lin_req_o && lin_gnt_i) writes_q <= writes_q + beats_t'(1);
      if (put) beat_q <= ends ? '0 : beat_q + beats_t'(1);
      if (put && ends) tile_count_q <= tile_count_q + 16'd1;
    end
  end

  `ASSERT(WordsInOrder,
          !lin_req_o || beats_t'(lin_addr_o) == beats_t'(sink.local_addr) + (writes_q >> word_shift))
  `ASSERT(PartsInOrder, !lin_req_o || beats_t'(lin_slice_o) == part)
  `ASSERT(WordsInBounds, !lin_req_o || (lin_addr_o >= sink.local_addr && lin_addr_o <= sink.last_word))
  `ASSERT(TileToItsGroup, !kv_req_o || 32'(kv_group_o) == (32'(number) + 32'(sink.turn)) % Groups)
  `ASSERT(RowsInOrder, !kv_req_o || beats_t'(kv_addr_o) == row + beat_q)
  `ASSERT(RowsInBank, !kv_req_o || 32'(kv_addr_o) < KvRows)
  `ASSERT(
      AllWritten,
      !done_o || (sink.tiled ? ends && tile_count_q + 16'd1 == sink.tiles : writes_q + beats_t'(1) == total))

  // --- what makes it inductive ---------------------------------------------------------------------------------------------
  `ASSERT(BegunIsHeld, sink_first_q || sink_valid)
  `ASSERT(Fresh, !sink_first_q || (writes_q == '0 && beat_q == '0 && tile_count_q == '0))
  `ASSERT(
      LinearFollows,
      sink_first_q || sink.tiled || (tiles_q == 16'd1 && writes_q < total && beats_t'(word_q) == beats_t'(sink.local_addr) + (writes_q >> word_shift) && beats_t'(slice_q) == part && beats_q == sink.beats - (writes_q >> beat_shift)))
  `ASSERT(
      TilesFollow,
      sink_first_q || !sink.tiled || (tile_count_q < sink.tiles && beat_q < sink.beats && tiles_q == sink.tiles - tile_count_q && beats_q == sink.beats - beat_q && 32'(tile_q) == 32'(number) % Groups && beats_t'(row_base_q) == row))

endmodule

bind dma_load dma_load_data_props #(
    .ChannelBytes(ChannelBytes),
    .MemChannels(MemChannels),
    .Groups(Groups),
    .ActBytes(ActBytes),
    .ScrBytes(ScrBytes)
) u_data_props (.*);

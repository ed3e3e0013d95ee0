// AXI reads of one channel, the side of the requests: every tile of a descriptor is asked for once, beat after beat from
// its address, in bursts that are never empty; bursts under way are counted exactly and never more than allowed.
`include "assert.svh"

module dma_load_props
  import dma_pkg::*;
#(
    parameter int unsigned ChannelBytes = 16,
    parameter int unsigned OutstandingWidth = 12
) (
    input logic                        clk_i,
    input logic                        rst_ni,
    input logic                        flush_i,
    input logic                        desc_valid_i,
    input load_req_t                   desc_req_i,
    input logic                        req_valid,
    input load_req_t                   req_desc,
    input logic                        req_busy_q,
    input logic                        ar_free,
    input logic                        ar_valid_o,
    input logic                        ar_ready_i,
    input logic [                47:0] ar_addr_o,
    input logic [                 7:0] ar_len_o,
    input logic                        r_valid_i,
    input logic                        r_ready_o,
    input logic                        r_last_i,
    input logic [                 7:0] burst,
    input logic [                47:0] req_addr_q,
    input logic [                47:0] req_tile_addr_q,
    input logic [                47:0] req_stride,
    input logic [      BeatsWidth-1:0] req_beats_q,
    input logic [      BeatsWidth-1:0] req_tile_beats_q,
    input logic [                15:0] req_tiles_q,
    input logic [OutstandingWidth-1:0] outstanding_q
);

  localparam int unsigned BeatShift = $clog2(ChannelBytes);
  localparam int unsigned CountWidth = OutstandingWidth + 4;

  logic [BeatsWidth-1:0] asked_q;  // beats of the tile
  logic [15:0] tiles_q, wanted_q;  // tiles asked for whole, tiles of the descriptor
  logic [CountWidth-1:0] open_q;  // bursts asked for and not answered whole
  logic begins, asks, ends_tile, begun_q;

  assign begins = !req_busy_q && req_valid && !flush_i;
  assign asks = req_busy_q && ar_free && !flush_i;
  assign ends_tile = asked_q + BeatsWidth'(burst) == req_tile_beats_q;

  always_ff @(posedge clk_i) begin
    if (begins) begin
      asked_q <= '0;
      tiles_q <= '0;
      wanted_q <= req_desc.tiles;
    end else if (asks) begin
      asked_q <= ends_tile ? '0 : asked_q + BeatsWidth'(burst);
      if (ends_tile) tiles_q <= tiles_q + 16'd1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) begun_q <= 1'b0;
    else if (begins) begun_q <= 1'b1;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) open_q <= '0;
    else
      open_q <= open_q + CountWidth'(ar_valid_o && ar_ready_i) - CountWidth'(r_valid_i && r_ready_o && r_last_i);
  end

  // What dma_unit sends, and what the FIFO of descriptors hands on (job fifo: unchanged, in order).
  `ASSUME(TilesAligned, !req_valid || req_desc.addr[BeatShift-1:0] == '0)
  `ASSUME(TilesNotEmpty, !req_valid || (req_desc.beats != '0 && req_desc.tiles != '0))

  `ASSERT(CountedExactly, CountWidth'(outstanding_q) == open_q)
  `ASSERT(NotTooMany, open_q + CountWidth'(ar_valid_o) < CountWidth'(2 ** OutstandingWidth))
  `ASSERT(AllAsked, !begun_q || req_busy_q || (tiles_q == wanted_q && asked_q == '0))
  `ASSERT(
      BeatsOfTileAddUp,
      !req_busy_q || (asked_q + req_beats_q == req_tile_beats_q && req_beats_q <= req_tile_beats_q && req_beats_q != '0))
  `ASSERT(TilesAddUp,
          !req_busy_q || (tiles_q + req_tiles_q == wanted_q && req_tiles_q <= wanted_q && req_tiles_q != '0))
  `ASSERT(FromItsAddress, !req_busy_q || req_addr_q == req_tile_addr_q + (48'(asked_q) << BeatShift))
  `ASSERT(Aligned, !req_busy_q || (req_addr_q[BeatShift-1:0] == '0 && req_tile_addr_q[BeatShift-1:0] == '0))
  `ASSERT(AskedAligned, !ar_valid_o || (ar_addr_o[BeatShift-1:0] == '0 && 32'(ar_len_o) < MaxBurst))

  logic unused;
  assign unused = ^{desc_valid_i, desc_req_i, req_stride};

endmodule

bind dma_load dma_load_props #(
    .ChannelBytes(ChannelBytes),
    .OutstandingWidth(OutstandingWidth)
) u_props (.*);

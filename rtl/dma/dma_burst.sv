// Length of the next AXI burst: at most MaxBurst beats, at most what is left, not across a page.
//
// Combinational.
`include "assert.svh"

module dma_burst
  import dma_pkg::*;
#(
    parameter int unsigned ChannelBytes = 16
) (
    input  logic [47:0]           addr_i,
    input  logic [BeatsWidth-1:0] beats_left_i,
    output logic [7:0]            beats_o
);

  localparam int unsigned BeatShift = $clog2(ChannelBytes);
  localparam int unsigned PageBits = $clog2(PageBytes);
  localparam int unsigned PageBeats = PageBytes / ChannelBytes;
  localparam int unsigned RoomWidth = PageBits - BeatShift + 1;

  logic [RoomWidth-1:0] room;
  logic [BeatsWidth-1:0] limit;
  logic unused_addr;

  assign room = RoomWidth'(PageBeats) - RoomWidth'(addr_i[PageBits-1:BeatShift]);
  assign limit = BeatsWidth'(room) < BeatsWidth'(MaxBurst) ? BeatsWidth'(room) : BeatsWidth'(MaxBurst);
  assign beats_o = beats_left_i < limit ? 8'(beats_left_i) : 8'(limit);
  assign unused_addr = ^{addr_i[47:PageBits], addr_i[BeatShift-1:0]};

  `ASSERT_INIT(BeatFitsPage, ChannelBytes < PageBytes)

endmodule

// The next burst is as long as it may be: never across a page, never more than what is left, never above the maximum, and
// never empty while something is left.
`include "assert.svh"

module dma_burst_props
  import dma_pkg::*;
#(
    parameter int unsigned ChannelBytes = 16
) (
    input logic                  clk_i,
    input logic                  rst_ni,
    input logic [          47:0] addr_i,
    input logic [BeatsWidth-1:0] beats_left_i
);

  logic [7:0] beats;
  logic [31:0] offset, bytes;

  dma_burst #(
      .ChannelBytes(ChannelBytes)
  ) u_burst (
      .addr_i,
      .beats_left_i,
      .beats_o(beats)
  );

  assign offset = 32'(addr_i) % PageBytes;
  assign bytes = 32'(beats) * ChannelBytes;

  `ASSUME(Aligned, 32'(addr_i) % ChannelBytes == 0)
  `ASSERT(InPage, offset + bytes <= PageBytes)
  `ASSERT(NotMoreThanLeft, BeatsWidth'(beats) <= beats_left_i)
  `ASSERT(NotAboveMaximum, 32'(beats) <= MaxBurst)
  `ASSERT(AsLongAsPossible,
          BeatsWidth'(beats) == beats_left_i || 32'(beats) == MaxBurst || offset + bytes == PageBytes)
  `ASSERT(NotEmpty, beats_left_i == '0 || beats != '0)

endmodule

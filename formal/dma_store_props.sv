// AXI writes of one channel: one burst at a time, as many beats as its length says, WLAST on the last of them alone, no
// response missed; and a descriptor writes each of its beats once, from its address upwards.
`include "assert.svh"

module dma_store_props
  import dma_pkg::*;
#(
    parameter int unsigned ChannelBytes = 16
) (
    input logic                  clk_i,
    input logic                  rst_ni,
    input logic                  desc_valid_i,
    input logic                  desc_ready_o,
    input store_desc_t           desc_i,
    input logic                  done_o,
    input logic                  aw_valid_o,
    input logic                  aw_ready_i,
    input logic [          47:0] aw_addr_o,
    input logic [           7:0] aw_len_o,
    input logic                  w_valid_o,
    input logic                  w_ready_i,
    input logic                  w_last_o,
    input logic                  b_valid_i,
    input logic                  b_ready_o,
    input logic                  reads,          // the FSM's states
    input logic                  sends,
    input logic                  waits,
    input logic                  addresses,
    input logic                  idles,
    input logic [BeatsWidth-1:0] beats_q,
    input logic [          47:0] addr_q,
    input logic [           7:0] burst_left_q
);

  localparam int unsigned BeatShift = $clog2(ChannelBytes);

  logic aw_done_q, w_done_q, in_burst;
  logic [8:0] sent_q;  // beats of the burst
  logic [BeatsWidth-1:0] total_q, written_q;  // beats of the descriptor
  logic [47:0] start_q;
  logic aw, w, b, begins;

  assign aw = aw_valid_o && aw_ready_i;
  assign w = w_valid_o && w_ready_i;
  assign b = b_valid_i && b_ready_o;
  assign begins = desc_valid_i && desc_ready_o;
  assign in_burst = reads || sends || waits;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || b) begin
      aw_done_q <= 1'b0;
      w_done_q <= 1'b0;
      sent_q <= '0;
    end else begin
      if (aw) aw_done_q <= 1'b1;
      if (w && w_last_o) w_done_q <= 1'b1;
      if (w) sent_q <= sent_q + 9'd1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (begins) begin
      total_q <= desc_i.beats;
      written_q <= '0;
      start_q <= desc_i.addr;
    end else if (w) begin
      written_q <= written_q + BeatsWidth'(1);
    end
  end

  `ASSUME(DescAligned, !desc_valid_i || desc_i.addr[BeatShift-1:0] == '0)
  `ASSUME(DescNotEmpty, !desc_valid_i || desc_i.beats != '0)
  `ASSUME(ResponseWhenDue, !b_valid_i || (aw_done_q && w_done_q))

  `ASSERT(LastWhereItBelongs, !w_valid_o || w_last_o == (sent_q == 9'(aw_len_o)))
  `ASSERT(NoBeatAfterLast, !w_valid_o || !w_done_q)
  `ASSERT(OneBurst, !aw_valid_o || !aw_done_q)
  `ASSERT(ResponseTaken, !(aw_done_q && w_done_q) || b_ready_o)
  `ASSERT(BurstStartsThere,
          !aw_valid_o || sent_q != '0 || aw_addr_o == start_q + (48'(written_q) << BeatShift))
  `ASSERT(AllWritten, !done_o || written_q == total_q)

  // Inductive: how the counters hang together in each state.
  `ASSERT(BeatsAddUp, idles || (written_q + beats_q == total_q && beats_q <= total_q))
  `ASSERT(AddressFollows, idles || addr_q == start_q + (48'(written_q) << BeatShift))
  `ASSERT(Aligned, idles || addr_q[BeatShift-1:0] == '0)
  `ASSERT(StartAligned, idles || start_q[BeatShift-1:0] == '0)
  `ASSERT(BeatsToAddress, !addresses || beats_q != '0)
  `ASSERT(QuietOutside, in_burst || (!aw_valid_o && !aw_done_q && !w_done_q && sent_q == '0))
  `ASSERT(
      BurstAddsUp,
      !in_burst || (sent_q + 9'(burst_left_q) == 9'(aw_len_o) + 9'd1 && sent_q <= 9'(MaxBurst) && 32'(aw_len_o) < MaxBurst))
  `ASSERT(
      LeftInBurst,
      !(reads || sends) || (burst_left_q != '0 && !w_done_q && BeatsWidth'(burst_left_q) <= beats_q && 32'(burst_left_q) <= MaxBurst))
  `ASSERT(NoneLeftAtResponse, !waits || (burst_left_q == '0 && w_done_q))
  `ASSERT(BurstFollows, !in_burst || aw_addr_o + (48'(sent_q) << BeatShift) == addr_q)
  `ASSERT(AddressOut, !in_burst || aw_valid_o != aw_done_q)

endmodule

bind dma_store dma_store_props #(
    .ChannelBytes(ChannelBytes)
) u_props (
    .reads(state_q == StRead || state_q == StCapture),
    .sends(state_q == StSend),
    .waits(state_q == StResponse),
    .addresses(state_q == StAddress),
    .idles(state_q == StIdle),
    .*
);

// AXI writes of one channel: one burst at a time, as many beats as its length says, WLAST on the last of them alone, no
// response missed; and a descriptor writes each of its beats once, from its address upwards. What it writes is read in
// order, from the first to the last word or row of the descriptor and nowhere else.
`include "assert.svh"

module dma_store_props
  import dma_pkg::*;
#(
    parameter int unsigned ChannelBytes = 16,
    parameter int unsigned ActBytes = 16,
    parameter int unsigned ScrBytes = 16
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
    input logic [           7:0] burst_left_q,
    input logic                  captures,
    input logic                  killed_q,
    input store_held_t           desc_q,
    input logic [          15:0] word_q,
    input logic [           7:0] slice_q,
    input logic                  rd_req_o,
    input logic [          15:0] rd_addr_o
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

  // --- reads ---------------------------------------------------------------------------------------------------------------
  typedef logic [BeatsWidth-1:0] beats_t;

  logic [15:0] first_q;
  logic [2:0]
      word_shift,
      part_shift,
      beat_shift;  // reads of a word, of what slice_q counts, and of a beat, as shifts
  logic is_scl;
  beats_t reads_q, words, now, next;

  // Reads that n beats take.
  function automatic beats_t reads_of(input beats_t n);
    reads_of = n << beat_shift;
    if (is_scl && reads_of > words) reads_of = words;
  endfunction

  always_comb begin
    is_scl = !desc_q.tiled && desc_q.space == SpaceScl;
    beat_shift = is_scl ? 3'($clog2(ChannelBytes / 4)) : 3'd0;
    unique case (desc_q.space)
      SpaceAct: word_shift = 3'($clog2(ActBytes / ChannelBytes));
      SpaceScl: word_shift = '0;
      default:  word_shift = 3'($clog2(ScrBytes / ChannelBytes));
    endcase
    if (desc_q.tiled) word_shift = '0;
    part_shift = is_scl ? beat_shift : word_shift;
    now = reads_of(written_q);
    next = reads_of(written_q + beats_t'(1));
  end
  assign words = beats_t'(desc_q.last_word) - beats_t'(first_q) + beats_t'(1);

  always_ff @(posedge clk_i) begin
    if (begins) begin
      first_q <= desc_i.local_addr;
      reads_q <= '0;
    end else if (captures) begin
      reads_q <= reads_q + beats_t'(1);
    end
  end

  logic [2:0] desc_shift;
  beats_t desc_words, desc_rest;
  always_comb begin
    unique case (desc_i.space)
      SpaceAct: desc_shift = 3'($clog2(ActBytes / ChannelBytes));
      SpaceScl: desc_shift = '0;
      default:  desc_shift = 3'($clog2(ScrBytes / ChannelBytes));
    endcase
    desc_rest = desc_i.space == SpaceScl ? beats_t'(ChannelBytes / 4 - 1) : '0;
  end
  assign desc_words = beats_t'(desc_i.last_word) - beats_t'(desc_i.local_addr) + beats_t'(1);

  `ASSUME(DescTile, !desc_valid_i || !desc_i.tiled || 32'(desc_i.local_addr) + 32'(desc_i.beats) <= 65536)
  `ASSUME(DescWords, !desc_valid_i || desc_i.tiled || desc_i.last_word >= desc_i.local_addr)
  `ASSUME(
      DescBeats,
      !desc_valid_i || desc_i.tiled || desc_i.beats == ((desc_words << desc_shift) + desc_rest) >> (desc_i.space == SpaceScl ? $clog2
      (ChannelBytes / 4) : 0))

  `ASSERT(
      ReadInBounds,
      !rd_req_o || (rd_addr_o >= first_q && (desc_q.tiled ? beats_t'(rd_addr_o) < beats_t'(first_q) + total_q : rd_addr_o <= desc_q.last_word)))
  `ASSERT(ReadInOrder, !rd_req_o || beats_t'(rd_addr_o) == beats_t'(first_q) + (reads_q >> word_shift))
  `ASSERT(
      ReadsWithBeats,
      idles || killed_q || (reads || captures ? reads_q >= now && reads_q < next : sends ? reads_q == next : reads_q == now))
  `ASSERT(
      WordFollows,
      idles || killed_q || (beats_t'(word_q) & 20'hffff) == ((beats_t'(first_q) + (reads_q >> word_shift)) & 20'hffff))
  `ASSERT(
      SliceFollows,
      idles || killed_q || (is_scl && reads_q == words) || beats_t'(slice_q) == (reads_q & ((beats_t'(1) << part_shift) - beats_t'(1))))
  `ASSERT(TotalOfWords,
          idles || killed_q || desc_q.tiled || (desc_q.last_word >= first_q && (is_scl ? reads_of(total_q
          ) == words && reads_of(total_q - beats_t'(1)
          ) < words && total_q <= words : total_q == words << word_shift)))
  `ASSERT(TileInBank, idles || killed_q || !desc_q.tiled || 32'(first_q) + 32'(total_q) <= 65536)

  // --- writes --------------------------------------------------------------------------------------------------------------
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
    .ChannelBytes(ChannelBytes),
    .ActBytes(ActBytes),
    .ScrBytes(ScrBytes)
) u_props (
    .reads(state_q == StRead || state_q == StCapture),
    .captures(state_q == StCapture),
    .sends(state_q == StSend),
    .waits(state_q == StResponse),
    .addresses(state_q == StAddress),
    .idles(state_q == StIdle),
    .*
);

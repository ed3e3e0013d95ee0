// One memory channel's loads: issues read bursts and delivers the beats to KV banks or to a linear space.
//
// Requests run ahead of the data by up to SinkDepth descriptors, so that the next transfer's latency hides behind the
// current one, in at most 2^OutstandingWidth - 1 bursts. Throughput one beat a cycle. Descriptors complete in order:
// done_o pulses with done_tag_o when the last beat of one has been written. A bad response raises error_o; the data is
// dropped and the transfer goes on.
// flush_i ends everything: no new burst, pending beats are dropped, idle_o tells when the bus is quiet.
`include "assert.svh"

module dma_load
  import dma_pkg::*;
#(
    parameter int unsigned ChannelBytes = 16,
    parameter int unsigned MemChannels = 1,
    parameter int unsigned Groups = 1,
    parameter int unsigned SinkDepth = 8,
    parameter int unsigned ActBytes = 16,
    parameter int unsigned ScrBytes = 16,
    parameter int unsigned OutstandingWidth = 12  // bits of the counter of bursts
) (
    input  logic clk_i,
    input  logic rst_ni,
    input  logic flush_i,
    output logic idle_o,

    input  logic       desc_valid_i,
    output logic       desc_ready_o,
    input  load_req_t  desc_req_i,
    input  load_sink_t desc_sink_i,

    output logic                done_o,
    output logic [TagWidth-1:0] done_tag_o,
    output logic                error_o,

    output logic        ar_valid_o,
    input  logic        ar_ready_i,
    output logic [47:0] ar_addr_o,
    output logic [7:0]  ar_len_o,

    input  logic                      r_valid_i,
    output logic                      r_ready_o,
    input  logic [8*ChannelBytes-1:0] r_data_i,
    input  logic                      r_error_i,
    input  logic                      r_last_i,

    output logic                      kv_req_o,
    input  logic                      kv_gnt_i,
    output logic [7:0]                kv_group_o,
    output logic [15:0]               kv_addr_o,
    output logic [8*ChannelBytes-1:0] kv_data_o,

    output logic                      lin_req_o,
    input  logic                      lin_gnt_i,
    output space_e                    lin_space_o,
    output logic [15:0]               lin_addr_o,
    output logic [7:0]                lin_slice_o,  // which beat of the word (SCL: which word of the beat)
    output logic [8*ChannelBytes-1:0] lin_data_o
);

  localparam int unsigned BeatShift = $clog2(ChannelBytes);
  localparam int unsigned SclPerBeat = ChannelBytes / 4;
  localparam logic [7:0] ActLastSlice = 8'(ActBytes / ChannelBytes - 1);
  localparam logic [7:0] ScrLastSlice = 8'(ScrBytes / ChannelBytes - 1);
  localparam logic [7:0] SclLastSlice = 8'(SclPerBeat - 1);
  // Below it one more may be asked for, beside the one on the port, without the counter's overflow.
  localparam logic [OutstandingWidth-1:0] MaxOutstanding = OutstandingWidth'(2 ** OutstandingWidth - 2);

  // --- requests ------------------------------------------------------------------------------------------------------
  logic req_valid, req_ready, sink_push_ready;
  load_req_t req_desc;
  logic req_busy_q;
  logic [BeatsWidth-1:0] req_tile_beats_q;
  logic [15:0] req_tiles_q;
  logic [BeatsWidth-1:0] req_beats_q;
  logic [47:0] req_addr_q, req_tile_addr_q, req_stride;
  logic [7:0] burst;
  logic ar_valid_q;
  logic [47:0] ar_addr_q;
  logic [7:0] ar_len_q;
  logic ar_free, req_tile_last;
  logic [OutstandingWidth-1:0] outstanding_q;  // bursts requested, last beat not yet seen

  fifo #(
      .Width($bits(load_req_t)),
      .Depth(2)
  ) u_request_fifo (
      .clk_i,
      .rst_ni,
      .clear_i(flush_i),
      .valid_i(desc_valid_i && sink_push_ready && !flush_i),
      .ready_o(req_ready),
      .data_i(desc_req_i),
      .valid_o(req_valid),
      .ready_i(!req_busy_q),
      .data_o(req_desc)
  );
  assign desc_ready_o = req_ready && sink_push_ready && !flush_i;

  dma_burst #(
      .ChannelBytes(ChannelBytes)
  ) u_burst (
      .addr_i(req_addr_q),
      .beats_left_i(req_beats_q),
      .beats_o(burst)
  );

  assign req_stride = (48'(req_tile_beats_q) * 48'(MemChannels)) << BeatShift;
  assign ar_free = (!ar_valid_q || ar_ready_i) && outstanding_q < MaxOutstanding;
  assign req_tile_last = BeatsWidth'(burst) == req_beats_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      req_busy_q <= 1'b0;
      ar_valid_q <= 1'b0;
    end else begin
      if (ar_valid_q && ar_ready_i) ar_valid_q <= 1'b0;
      if (flush_i) begin
        req_busy_q <= 1'b0;
      end else if (!req_busy_q) begin
        req_busy_q <= req_valid;
      end else if (ar_free) begin
        ar_valid_q <= 1'b1;
        if (req_tile_last && req_tiles_q == 16'd1) req_busy_q <= 1'b0;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!req_busy_q) begin
      req_tile_beats_q <= req_desc.beats;
      req_tiles_q <= req_desc.tiles;
      req_beats_q <= req_desc.beats;
      req_addr_q <= req_desc.addr;
      req_tile_addr_q <= req_desc.addr;
    end else if (ar_free) begin
      ar_addr_q <= req_addr_q;
      ar_len_q <= burst - 8'd1;
      if (req_tile_last) begin
        req_tiles_q <= req_tiles_q - 16'd1;
        req_beats_q <= req_tile_beats_q;
        req_addr_q <= req_tile_addr_q + req_stride;
        req_tile_addr_q <= req_tile_addr_q + req_stride;
      end else begin
        req_beats_q <= req_beats_q - BeatsWidth'(burst);
        req_addr_q <= req_addr_q + (48'(burst) << BeatShift);
      end
    end
  end

  assign ar_valid_o = ar_valid_q;
  assign ar_addr_o = ar_addr_q;
  assign ar_len_o = ar_len_q;

  // --- data ----------------------------------------------------------------------------------------------------------
  logic sink_valid, sink_pop, sink_first_q;
  load_sink_t sink;
  logic [15:0] tiles_q, tiles;
  logic [BeatsWidth-1:0] beats_q, beats;
  logic [15:0] row_base_q, row_base;
  logic [7:0] tile_q, tile, next_tile, last_slice, slice_q, slice;
  logic [15:0] word_q, word;
  logic beat_taken, beat_last_write, tile_last, round_ends;

  fifo #(
      .Width($bits(load_sink_t)),
      .Depth(SinkDepth)
  ) u_sink_fifo (
      .clk_i,
      .rst_ni,
      .clear_i(flush_i),
      .valid_i(desc_valid_i && req_ready && !flush_i),
      .ready_o(sink_push_ready),
      .data_i(desc_sink_i),
      .valid_o(sink_valid),
      .ready_i(sink_pop),
      .data_o(sink)
  );

  // The first beat of a descriptor works on its own fields, later ones on the registers.
  assign tiles = sink_first_q ? sink.tiles : tiles_q;
  assign beats = sink_first_q ? sink.beats : beats_q;
  assign row_base = sink_first_q ? sink.local_addr : row_base_q;
  assign tile = sink_first_q ? sink.tile : tile_q;
  assign word = sink_first_q ? sink.local_addr : word_q;
  assign slice = sink_first_q ? 8'd0 : slice_q;

  always_comb begin
    unique case (sink.space)
      SpaceAct: last_slice = ActLastSlice;
      SpaceScr: last_slice = ScrLastSlice;
      SpaceKvs: last_slice = ScrLastSlice;
      SpaceScl: last_slice = SclLastSlice;
      default:  last_slice = '0;
    endcase
  end

  assign kv_req_o = r_valid_i && sink_valid && sink.tiled && !flush_i;
  assign kv_group_o = (tile + sink.turn) & 8'(Groups - 1);
  assign kv_addr_o = row_base + 16'(sink.beats - beats);
  assign kv_data_o = r_data_i;

  assign lin_req_o = r_valid_i && sink_valid && !sink.tiled && !flush_i;
  assign lin_space_o = sink.space;
  assign lin_addr_o = word;
  assign lin_slice_o = slice;
  assign lin_data_o = r_data_i;

  // A beat of SCL takes one write a word (words after the last one are dropped), every other beat one write.
  assign beat_last_write = sink.tiled || sink.space != SpaceScl || slice == SclLastSlice || word == sink.last_word;
  assign r_ready_o = flush_i || (sink_valid && beat_last_write && (sink.tiled ? kv_gnt_i : lin_gnt_i));
  assign beat_taken = r_valid_i && r_ready_o && !flush_i;
  assign tile_last = beats == BeatsWidth'(1);
  assign sink_pop = beat_taken && tile_last && tiles == 16'd1;
  assign next_tile = tile + 8'(MemChannels);
  assign round_ends = next_tile >= 8'(Groups);

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) begin
      sink_first_q <= 1'b1;
    end else if (sink_pop) begin
      sink_first_q <= 1'b1;
    end else if (beat_taken || (lin_req_o && lin_gnt_i)) begin
      sink_first_q <= 1'b0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (beat_taken || (lin_req_o && lin_gnt_i)) begin
      tiles_q <= tiles;
      beats_q <= beats;
      row_base_q <= row_base;
      tile_q <= tile;
      slice_q <= slice == last_slice ? 8'd0 : slice + 8'd1;
      word_q <= slice == last_slice || sink.space == SpaceScl ? word + 16'd1 : word;
      if (beat_taken) begin
        beats_q <= beats - BeatsWidth'(1);
        if (tile_last) begin
          tiles_q <= tiles - 16'd1;
          beats_q <= sink.beats;
          tile_q <= round_ends ? next_tile - 8'(Groups) : next_tile;
          row_base_q <= round_ends ? row_base + 16'(sink.beats) : row_base;
        end
      end
    end
  end

  assign done_o = sink_pop;
  assign done_tag_o = sink.tag;
  assign error_o = r_valid_i && r_ready_o && r_error_i && !flush_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      outstanding_q <= '0;
    end else begin
      outstanding_q <= outstanding_q + OutstandingWidth'(ar_valid_o && ar_ready_i) -
          OutstandingWidth'(r_valid_i && r_ready_o && r_last_i);
    end
  end
  assign idle_o = outstanding_q == '0 && !ar_valid_q && !req_busy_q && !req_valid && !sink_valid;

  `ASSERT_INIT(WordsHoldBeats, ActBytes % ChannelBytes == 0 && ScrBytes % ChannelBytes == 0)
  `ASSERT_INIT(GroupsSpread, Groups % MemChannels == 0)
  `ASSERT_STABLE(ArStable, ar_valid_o, ar_ready_i, {ar_addr_o, ar_len_o})
  `ASSERT_STABLE(DataStable, r_valid_i, r_ready_o, {r_data_i, r_error_i, r_last_i})
  // A flush ends a request.
  `ASSERT_STABLE(KvStable, kv_req_o || flush_i, kv_gnt_i || flush_i, {kv_group_o, kv_addr_o})
  `ASSERT_STABLE(LinStable, lin_req_o || flush_i, lin_gnt_i || flush_i, {lin_space_o, lin_addr_o, lin_slice_o
                 })
  `ASSERT(DataExpected, !r_valid_i || outstanding_q != '0)
  `ASSERT(RequestAligned, !req_busy_q || req_addr_q[BeatShift-1:0] == '0)
  `ASSERT(SliceInWord, !sink_valid || slice <= last_slice)
  `ASSERT(BurstNotEmpty, !req_busy_q || burst != '0)
  `ASSERT(BurstInPage,
          !ar_valid_o || 32'(ar_addr_o[11:0]) + ((32'(ar_len_o) + 32'd1) << BeatShift) <= PageBytes)
  `ASSERT(TilesLeft, !beat_taken || tiles != '0)

endmodule

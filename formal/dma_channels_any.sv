// In the places of dma_load and dma_store: what these ask of who uses them, asserted (jobs dma_load, dma_load_data and
// dma_store assume it), and anything that they may do. A descriptor taken is done at some time, not always in order.
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
    parameter int unsigned OutstandingWidth = 12
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
    output logic [ 7:0] ar_len_o,

    input  logic                      r_valid_i,
    output logic                      r_ready_o,
    input  logic [8*ChannelBytes-1:0] r_data_i,
    input  logic                      r_error_i,
    input  logic                      r_last_i,

    output logic                      kv_req_o,
    input  logic                      kv_gnt_i,
    output logic [               7:0] kv_group_o,
    output logic [              15:0] kv_addr_o,
    output logic [8*ChannelBytes-1:0] kv_data_o,

    output logic                      lin_req_o,
    input  logic                      lin_gnt_i,
    output space_e                    lin_space_o,
    output logic   [            15:0] lin_addr_o,
    output logic   [             7:0] lin_slice_o,
    output logic   [8*ChannelBytes-1:0] lin_data_o
);

  localparam int unsigned BeatShift = $clog2(ChannelBytes);

  typedef logic [BeatsWidth-1:0] beats_t;

  logic [NumTags-1:0] open_q;
  logic done;
  logic [1:0] space;
  logic [2:0] shift;
  beats_t words, parts;

  formal_any u_idle (.Y(idle_o));
  formal_any u_ready (.Y(desc_ready_o));
  formal_any u_done (.Y(done));
  formal_any #(.WIDTH(TagWidth)) u_tag (.Y(done_tag_o));
  formal_any u_error (.Y(error_o));
  formal_any u_kv (.Y(kv_req_o));
  formal_any u_lin (.Y(lin_req_o));
  formal_any #(.WIDTH(2)) u_space (.Y(space));
  formal_any #(.WIDTH(8)) u_slice (.Y(lin_slice_o));

  assign lin_space_o = space_e'(space);
  assign done_o = done && open_q[done_tag_o];
  assign ar_valid_o = 1'b0;
  assign ar_addr_o = '0;
  assign ar_len_o = '0;
  assign r_ready_o = 1'b1;
  assign kv_group_o = '0;
  assign kv_addr_o = '0;
  assign kv_data_o = '0;
  assign lin_addr_o = '0;
  assign lin_data_o = '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) begin
      open_q <= '0;
    end else begin
      if (done_o) open_q[done_tag_o] <= 1'b0;
      if (desc_valid_i && desc_ready_o) open_q[desc_sink_i.tag] <= 1'b1;
    end
  end

  always_comb begin
    unique case (desc_sink_i.space)
      SpaceAct: shift = 3'($clog2(ActBytes / ChannelBytes));
      SpaceScl: shift = '0;
      default:  shift = 3'($clog2(ScrBytes / ChannelBytes));
    endcase
  end
  assign words = beats_t'(desc_sink_i.last_word) - beats_t'(desc_sink_i.local_addr) + beats_t'(1);
  assign parts = (words << shift) + (desc_sink_i.space == SpaceScl ? beats_t'(ChannelBytes / 4 - 1) : '0);

  // PartsInOrder of dma_load_data.
  `ASSUME(PartOfWord, !lin_req_o || lin_space_o != SpaceScr || 32'(lin_slice_o) < ScrBytes / ChannelBytes)

  `ASSERT(Taken, !desc_valid_i || desc_ready_o)
  `ASSERT(TilesAligned, !desc_valid_i || desc_req_i.addr[BeatShift-1:0] == '0)
  `ASSERT(TilesNotEmpty, !desc_valid_i || (desc_req_i.beats != '0 && desc_req_i.tiles != '0))
  `ASSERT(SinkAsAsked,
          !desc_valid_i || (desc_sink_i.beats == desc_req_i.beats && desc_sink_i.tiles == desc_req_i.tiles))
  `ASSERT(
      LinearWhole,
      !desc_valid_i || desc_sink_i.tiled || (desc_sink_i.tiles == 16'd1 && desc_sink_i.last_word >= desc_sink_i.local_addr))
  `ASSERT(
      LinearBeats,
      !desc_valid_i || desc_sink_i.tiled || desc_sink_i.beats == (desc_sink_i.space == SpaceScl ? parts >> $clog2
      (ChannelBytes / 4) : parts))
  `ASSERT(FirstTileInARound, !desc_valid_i || !desc_sink_i.tiled || 32'(desc_sink_i.tile) < Groups)

  logic unused;
  assign unused = ^{ar_ready_i, r_valid_i, r_data_i, r_error_i, r_last_i, kv_gnt_i, lin_gnt_i};

endmodule

module dma_store
  import dma_pkg::*;
#(
    parameter int unsigned ChannelBytes = 16,
    parameter int unsigned ActBytes = 16,
    parameter int unsigned ScrBytes = 16,
    localparam int unsigned WordBytes = ActBytes > ScrBytes ? ActBytes : ScrBytes
) (
    input  logic clk_i,
    input  logic rst_ni,
    input  logic flush_i,
    output logic idle_o,

    input  logic        desc_valid_i,
    output logic        desc_ready_o,
    input  store_desc_t desc_i,

    output logic                done_o,
    output logic [TagWidth-1:0] done_tag_o,
    output logic                error_o,

    output logic                      aw_valid_o,
    input  logic                      aw_ready_i,
    output logic [              47:0] aw_addr_o,
    output logic [               7:0] aw_len_o,
    output logic                      w_valid_o,
    input  logic                      w_ready_i,
    output logic [8*ChannelBytes-1:0] w_data_o,
    output logic [  ChannelBytes-1:0] w_strb_o,
    output logic                      w_last_o,
    input  logic                      b_valid_i,
    output logic                      b_ready_o,
    input  logic                      b_error_i,

    output logic                     rd_req_o,
    input  logic                     rd_gnt_i,
    output logic                     rd_tiled_o,
    output space_e                   rd_space_o,
    output logic   [            7:0] rd_group_o,
    output logic   [           15:0] rd_addr_o,
    input  logic   [8*WordBytes-1:0] rd_data_i
);

  localparam int unsigned BeatShift = $clog2(ChannelBytes);

  logic [NumTags-1:0] open_q;
  logic done;
  logic [1:0] space;

  formal_any u_idle (.Y(idle_o));
  formal_any u_ready (.Y(desc_ready_o));
  formal_any u_done (.Y(done));
  formal_any #(.WIDTH(TagWidth)) u_tag (.Y(done_tag_o));
  formal_any u_error (.Y(error_o));
  formal_any u_read (.Y(rd_req_o));
  formal_any u_tiled (.Y(rd_tiled_o));
  formal_any #(.WIDTH(2)) u_space (.Y(space));

  assign rd_space_o = space_e'(space);
  assign done_o = done && open_q[done_tag_o];
  assign aw_valid_o = 1'b0;
  assign aw_addr_o = '0;
  assign aw_len_o = '0;
  assign w_valid_o = 1'b0;
  assign w_data_o = '0;
  assign w_strb_o = '0;
  assign w_last_o = 1'b0;
  assign b_ready_o = 1'b1;
  assign rd_group_o = '0;
  assign rd_addr_o = '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) begin
      open_q <= '0;
    end else begin
      if (done_o) open_q[done_tag_o] <= 1'b0;
      if (desc_valid_i && desc_ready_o) open_q[desc_i.tag] <= 1'b1;
    end
  end

  `ASSERT(Taken, !desc_valid_i || desc_ready_o)
  `ASSERT(DescAligned, !desc_valid_i || desc_i.addr[BeatShift-1:0] == '0)
  `ASSERT(DescNotEmpty, !desc_valid_i || desc_i.beats != '0)

  logic unused;
  assign unused = ^{aw_ready_i, w_ready_i, b_valid_i, b_error_i, rd_gnt_i, rd_data_i};

endmodule

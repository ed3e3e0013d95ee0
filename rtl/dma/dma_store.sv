// One memory channel's stores: reads words of a linear space or rows of KV banks and writes them out in bursts.
//
// A word is read, then sent beat by beat, the next one read as a beat goes; a burst's address goes out before its data.
// Throughput one beat in two cycles (stores are rare: a full KV tile, the logits). A descriptor is done when all its write responses are in:
// done_o pulses with done_tag_o. A bad response raises error_o. flush_i ends everything: the burst that has begun goes
// on with its byte enables off; idle_o tells when the bus is quiet.
`include "assert.svh"

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
    output logic [47:0]               aw_addr_o,
    output logic [7:0]                aw_len_o,
    output logic                      w_valid_o,
    input  logic                      w_ready_i,
    output logic [8*ChannelBytes-1:0] w_data_o,
    output logic [ChannelBytes-1:0]   w_strb_o,
    output logic                      w_last_o,
    input  logic                      b_valid_i,
    output logic                      b_ready_o,
    input  logic                      b_error_i,

    output logic                   rd_req_o,
    input  logic                   rd_gnt_i,
    output logic                   rd_tiled_o,
    output space_e                 rd_space_o,
    output logic [7:0]             rd_group_o,
    output logic [15:0]            rd_addr_o,
    input  logic [8*WordBytes-1:0] rd_data_i  // the cycle after the grant, low bytes of narrower words
);

  localparam int unsigned BeatShift = $clog2(ChannelBytes);
  localparam int unsigned SclPerBeat = ChannelBytes / 4;
  localparam int unsigned BeatsPerWord = WordBytes / ChannelBytes;
  localparam logic [7:0] ActLastSlice = 8'(ActBytes / ChannelBytes - 1);
  localparam logic [7:0] ScrLastSlice = 8'(ScrBytes / ChannelBytes - 1);
  localparam logic [7:0] SclLastSlice = 8'(SclPerBeat - 1);

  typedef enum logic [2:0] {
    StIdle,
    StAddress,
    StRead,
    StCapture,
    StSend,
    StResponse
  } state_e;

  state_e state_q;
  store_held_t desc_q;
  logic [BeatsWidth-1:0] beats_q;  // left in the descriptor
  logic [47:0] addr_q;
  logic [7:0] burst, burst_left_q, slice_q, last_slice;
  logic [15:0] word_q;
  logic aw_valid_q, killed_q;
  logic [8*ChannelBytes-1:0] beat_q;
  logic is_scl, beat_complete;
  logic strobes_off_q;

  dma_burst #(
      .ChannelBytes(ChannelBytes)
  ) u_burst (
      .addr_i(addr_q),
      .beats_left_i(beats_q),
      .beats_o(burst)
  );

  assign is_scl = !desc_q.tiled && desc_q.space == SpaceScl;
  always_comb begin
    unique case (desc_q.space)
      SpaceAct: last_slice = ActLastSlice;
      SpaceScr: last_slice = ScrLastSlice;
      SpaceKvs: last_slice = ScrLastSlice;
      SpaceScl: last_slice = SclLastSlice;
      default:  last_slice = '0;
    endcase
    if (desc_q.tiled) last_slice = '0;
  end

  // SCL gathers a beat from single words; other spaces cut a word into beats.
  assign beat_complete = !is_scl || slice_q == SclLastSlice || word_q == desc_q.last_word;
  assign desc_ready_o = state_q == StIdle && !flush_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      aw_valid_q <= 1'b0;
      killed_q <= 1'b0;
    end else begin
      if (aw_valid_q && aw_ready_i) aw_valid_q <= 1'b0;
      if (flush_i) killed_q <= 1'b1;
      unique case (state_q)
        StIdle: begin
          killed_q <= 1'b0;
          if (desc_valid_i && desc_ready_o) state_q <= StAddress;
        end
        StAddress: begin
          if (flush_i || killed_q) begin
            state_q <= StIdle;
          end else begin
            aw_valid_q <= 1'b1;
            state_q <= StRead;
          end
        end
        StRead: begin
          if (flush_i || killed_q) state_q <= StSend;
          else if (rd_gnt_i) state_q <= StCapture;
        end
        StCapture: state_q <= beat_complete || flush_i || killed_q ? StSend : StRead;
        StSend: begin
          if (w_ready_i) begin
            if (burst_left_q == 8'd1) state_q <= StResponse;
            else if (!killed_q && !flush_i) state_q <= rd_gnt_i ? StCapture : StRead;
          end
        end
        StResponse: begin
          if (b_valid_i && !aw_valid_q) state_q <= beats_q == '0 || killed_q || flush_i ? StIdle : StAddress;
        end
        default: state_q <= StIdle;
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    unique case (state_q)
      StIdle: begin
        desc_q <= '{
            tag: desc_i.tag,
            tiled: desc_i.tiled,
            space: desc_i.space,
            last_word: desc_i.last_word,
            group: desc_i.group
        };
        beats_q <= desc_i.beats;
        addr_q <= desc_i.addr;
        word_q <= desc_i.local_addr;
        slice_q <= '0;
      end
      StAddress: burst_left_q <= burst;
      StCapture: begin
        if (is_scl) begin
          if (slice_q == '0) beat_q <= '0;  // the tail of a beat that is cut short
          for (int unsigned i = 0; i < SclPerBeat; i++) begin
            if (slice_q == 8'(i)) beat_q[32*i+:32] <= rd_data_i[31:0];
          end
          word_q <= word_q + 16'd1;
          slice_q <= beat_complete ? 8'd0 : slice_q + 8'd1;
        end else begin
          for (int unsigned i = 0; i < BeatsPerWord; i++) begin
            if (slice_q == 8'(i)) beat_q <= rd_data_i[8*ChannelBytes*i+:8*ChannelBytes];
          end
          slice_q <= slice_q == last_slice ? 8'd0 : slice_q + 8'd1;
          if (slice_q == last_slice) word_q <= word_q + 16'd1;
        end
      end
      StSend: begin
        if (w_ready_i) begin
          burst_left_q <= burst_left_q - 8'd1;
          beats_q <= beats_q - BeatsWidth'(1);
          addr_q <= addr_q + 48'(ChannelBytes);
        end
      end
      default: begin
      end
    endcase
  end

  // The burst's address and length are those at StAddress: addr_q moves on with the data, so they are kept apart.
  logic [47:0] aw_addr_q;
  logic [7:0] aw_len_q;
  always_ff @(posedge clk_i) begin
    if (state_q == StAddress) begin
      aw_addr_q <= addr_q;
      aw_len_q <= burst - 8'd1;
    end
  end

  assign aw_valid_o = aw_valid_q;
  assign aw_addr_o = aw_addr_q;
  assign aw_len_o = aw_len_q;
  assign w_valid_o = state_q == StSend;
  assign w_data_o = beat_q;
  assign w_strb_o = {ChannelBytes{!strobes_off_q}};
  assign w_last_o = burst_left_q == 8'd1;
  assign b_ready_o = state_q == StResponse && !aw_valid_q;

  // A beat already offered keeps its strobes; those after a flush are sent without.
  always_ff @(posedge clk_i) begin
    if (!rst_ni || state_q == StIdle) strobes_off_q <= 1'b0;
    else if ((flush_i || killed_q) && (state_q != StSend || w_ready_i)) strobes_off_q <= 1'b1;
  end

  assign rd_req_o = (state_q == StRead || (state_q == StSend && w_ready_i && burst_left_q != 8'd1)) &&
      !flush_i && !killed_q;
  assign rd_tiled_o = desc_q.tiled;
  assign rd_space_o = desc_q.space;
  assign rd_group_o = desc_q.group;
  assign rd_addr_o = word_q;

  assign done_o = state_q == StResponse && b_valid_i && b_ready_o && beats_q == '0 && !flush_i && !killed_q;
  assign done_tag_o = desc_q.tag;
  assign error_o = b_valid_i && b_ready_o && b_error_i;
  assign idle_o = state_q == StIdle && !aw_valid_q;


  `ASSERT_STABLE(AwStable, aw_valid_o, aw_ready_i, {aw_addr_o, aw_len_o})
  `ASSERT_STABLE(WStable, w_valid_o, w_ready_i, {w_data_o, w_strb_o, w_last_o})
  `ASSERT_STABLE(ResponseStable, b_valid_i, b_ready_o, b_error_i)
  `ASSERT(BurstInPage,
          !aw_valid_o || 32'(aw_addr_o[11:0]) + ((32'(aw_len_o) + 32'd1) << BeatShift) <= PageBytes)
  `ASSERT(BeatsLeft, state_q != StSend || beats_q != '0)
  `ASSERT(AwLength, !aw_valid_o || 32'(aw_len_o) < MaxBurst)
  `ASSERT(BurstLeft, !w_valid_o || 32'(burst_left_q) <= MaxBurst)
  `ASSERT(SliceInWord, state_q == StIdle || slice_q <= last_slice)

endmodule

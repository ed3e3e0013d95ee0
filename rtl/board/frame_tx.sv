// A frame for the host, byte by byte: sync, kind, length, payload, CRC.
//
// Ready/valid on both sides; a frame is taken whole and takes length + 4 bytes of the line.
`include "assert.svh"

module frame_tx
  import board_pkg::*;
#(
    localparam int unsigned CountWidth = $clog2(ReplyBytes + 1)
) (
    input  logic                       clk_i,
    input  logic                       rst_ni,
    input  logic                       frame_valid_i,
    output logic                       frame_ready_o,
    input  reply_e                     kind_i,
    input  logic   [CountWidth-1:0]    length_i,
    input  logic   [8*ReplyBytes-1:0]  payload_i,
    output logic                       byte_valid_o,
    input  logic                       byte_ready_i,
    output logic   [7:0]               byte_o
);

  typedef enum logic [2:0] {
    FtIdle,
    FtSync,
    FtKind,
    FtLength,
    FtPayload,
    FtCrc
  } state_e;

  state_e state_q, state_d;
  reply_e kind_q;
  logic [CountWidth-1:0] length_q, left_q;
  logic [8*ReplyBytes-1:0] payload_q;
  logic [7:0] crc_q;
  logic take, sent;

  assign frame_ready_o = state_q == FtIdle;
  assign byte_valid_o = state_q != FtIdle;
  assign take = frame_valid_i && frame_ready_o;
  assign sent = byte_valid_o && byte_ready_i;

  always_comb begin
    state_d = state_q;
    byte_o  = payload_q[7:0];
    unique case (state_q)
      FtIdle: if (frame_valid_i) state_d = FtSync;
      FtSync: begin
        byte_o = SyncToHost;
        if (sent) state_d = FtKind;
      end
      FtKind: begin
        byte_o = kind_q;
        if (sent) state_d = FtLength;
      end
      FtLength: begin
        byte_o = 8'(length_q);
        if (sent) state_d = length_q == '0 ? FtCrc : FtPayload;
      end
      FtPayload: if (sent && left_q == CountWidth'(1)) state_d = FtCrc;
      FtCrc: begin
        byte_o = crc_q;
        if (sent) state_d = FtIdle;
      end
      default: state_d = FtIdle;
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= FtIdle;
    end else begin
      state_q <= state_d;
    end
  end

  always_ff @(posedge clk_i) begin
    if (take) begin
      kind_q <= kind_i;
      length_q <= length_i;
      left_q <= length_i;
      payload_q <= payload_i;
    end else if (sent && state_q == FtPayload) begin
      left_q <= left_q - 1'b1;
      payload_q <= payload_q >> 8;
    end
    if (state_q == FtSync) crc_q <= '0;
    else if (sent) crc_q <= crc8(crc_q, byte_o);
  end

  `ASSERT_STABLE(FrameStable, frame_valid_i, frame_ready_o, {kind_i, length_i})
  `ASSERT_STABLE(ByteStable, byte_valid_o, byte_ready_i, byte_o)
  `ASSERT(PayloadFits, !take || length_i <= CountWidth'(ReplyBytes))
  `ASSERT(StateLegal, state_q <= FtCrc)

endmodule

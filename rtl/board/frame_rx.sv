// Bytes from the line to whole, checked frames for the board: sync, command, length, payload, CRC.
//
// A frame whose checksum holds is offered (frame_valid_o, command_o, length_o) with its payload in a FIFO, until
// frame_done_i; bytes that come meanwhile are dropped. A frame that breaks gives one pulse of error_o with error_code_o,
// and the next frame begins at the next sync byte. Bytes between frames that are no sync byte are dropped.
`include "assert.svh"

module frame_rx
  import board_pkg::*;
#(
    parameter int unsigned GapCycles = 250_000  // longest silence within a frame
) (
    input  logic                   clk_i,
    input  logic                   rst_ni,
    input  logic                   byte_valid_i,
    input  logic                   byte_error_i,
    input  logic [7:0]             byte_i,
    output logic                   frame_valid_o,
    output logic [7:0]             command_o,
    output logic [LengthWidth-1:0] length_o,
    input  logic                   frame_done_i,
    output logic                   payload_valid_o,
    input  logic                   payload_ready_i,
    output logic [7:0]             payload_o,
    output logic                   error_o,
    output nak_e                   error_code_o
);

  localparam int unsigned GapWidth = $clog2(GapCycles + 1);

  typedef enum logic [2:0] {
    FrSync,
    FrCommand,
    FrLength,
    FrPayload,
    FrCrc,
    FrReady
  } state_e;

  state_e state_q, state_d;
  logic [GapWidth-1:0] gap_q;
  logic [LengthWidth-1:0] left_q;
  logic [7:0] crc_q;
  logic in_frame, gap_over, push, clear;
  logic payload_ready;

  assign in_frame = state_q != FrSync && state_q != FrReady;
  assign gap_over = gap_q == GapWidth'(GapCycles);
  assign push     = state_q == FrPayload && byte_valid_i;
  assign clear    = error_o || frame_done_i;
  assign frame_valid_o = state_q == FrReady;

  always_comb begin
    state_d = state_q;
    error_o = 1'b0;
    error_code_o = NakNone;
    if (in_frame && (byte_error_i || gap_over)) begin
      state_d = FrSync;
      error_o = 1'b1;
      error_code_o = byte_error_i ? NakLine : NakGap;
    end else if (state_q == FrReady) begin
      if (frame_done_i) state_d = FrSync;
    end else if (byte_valid_i) begin
      unique case (state_q)
        FrSync: if (byte_i == SyncToBoard) state_d = FrCommand;
        FrCommand: state_d = FrLength;
        FrLength: begin
          if (byte_i > 8'(MaxPayload)) begin
            state_d = FrSync;
            error_o = 1'b1;
            error_code_o = NakLength;
          end else begin
            state_d = byte_i == '0 ? FrCrc : FrPayload;
          end
        end
        FrPayload: if (left_q == LengthWidth'(1)) state_d = FrCrc;
        FrCrc: begin
          if (byte_i == crc_q) begin
            state_d = FrReady;
          end else begin
            state_d = FrSync;
            error_o = 1'b1;
            error_code_o = NakChecksum;
          end
        end
        default: state_d = FrSync;
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= FrSync;
      gap_q   <= '0;
    end else begin
      state_q <= state_d;
      gap_q   <= byte_valid_i || !in_frame ? '0 : gap_q + GapWidth'(!gap_over);
    end
  end

  always_ff @(posedge clk_i) begin
    if (byte_valid_i) begin
      unique case (state_q)
        FrSync: crc_q <= '0;
        FrCommand: begin
          crc_q <= crc8(crc_q, byte_i);
          command_o <= byte_i;
        end
        FrLength: begin
          crc_q <= crc8(crc_q, byte_i);
          length_o <= LengthWidth'(byte_i);
          left_q <= LengthWidth'(byte_i);
        end
        FrPayload: begin
          crc_q  <= crc8(crc_q, byte_i);
          left_q <= left_q - 1'b1;
        end
        default: ;
      endcase
    end
  end

  fifo #(
      .Width(8),
      .Depth(MaxPayload)
  ) u_payload (
      .clk_i,
      .rst_ni,
      .clear_i(clear),
      .valid_i(push),
      .ready_o(payload_ready),
      .data_i (byte_i),
      .valid_o(payload_valid_o),
      .ready_i(payload_ready_i),
      .data_o (payload_o)
  );

  `ASSERT_INIT(GapLongerThanACycle, GapCycles > 1)
  `ASSERT(PayloadFits, !push || payload_ready)
  `ASSERT(TakenWhileOffered, !payload_ready_i || frame_valid_o)
  `ASSERT(DoneWhileOffered, !frame_done_i || frame_valid_o)
  `ASSERT(CodeWithError, error_o == (error_code_o != NakNone))
  `COVER(BrokeOff, error_o && error_code_o == NakGap)

endmodule

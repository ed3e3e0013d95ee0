// Frames between host and board (docs/fpga.md, "Serial protocol").
package board_pkg;

  localparam logic [7:0] SyncToBoard = 8'hA5;
  localparam logic [7:0] SyncToHost = 8'h5A;

  typedef enum logic [7:0] {
    CmdWrite = 8'h01,  // (address 2, data 4) times n
    CmdRead = 8'h02,  // address 2
    CmdMemory = 8'h03  // beat 4
  } command_e;

  typedef enum logic [7:0] {
    ReplyAck = 8'h81,
    ReplyNak = 8'h82,
    ReplyEvent = 8'h83,
    ReplyHello = 8'h84
  } reply_e;

  // Why a frame was refused.
  typedef enum logic [7:0] {
    NakNone = 8'h00,
    NakLine = 8'h01,  // stop bit missing
    NakGap = 8'h02,  // the frame broke off
    NakChecksum = 8'h03,
    NakLength = 8'h04,  // longer than the board takes, or not a length of this command
    NakCommand = 8'h05,  // unknown
    NakBus = 8'h06  // no such register or address
  } nak_e;

  localparam int unsigned MaxPayload = 24;  // of a frame to the board: four register writes
  localparam int unsigned ReplyBytes = 16;  // largest payload to the host
  localparam logic [7:0] ProtocolVersion = 8'd1;

  localparam int unsigned LengthWidth = $clog2(MaxPayload + 1);

  // CRC-8, polynomial x^8 + x^2 + x + 1, starting at 0: over command, length and payload.
  function automatic logic [7:0] crc8(input logic [7:0] crc, input logic [7:0] data);
    localparam logic [7:0] Polynomial = 8'h07;
    logic [7:0] c;
    c = crc ^ data;
    for (int unsigned i = 0; i < 8; i++) c = c[7] ? {c[6:0], 1'b0} ^ Polynomial : {c[6:0], 1'b0};
    return c;
  endfunction

endpackage

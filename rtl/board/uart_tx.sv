// Serial transmitter: 8 data bits, no parity, one stop bit, ClkPerBit cycles a bit.
//
// Ready/valid; ready_o is low for the ten bits of a byte.
`include "assert.svh"

module uart_tx #(
    parameter int unsigned ClkPerBit = 25
) (
    input  logic       clk_i,
    input  logic       rst_ni,
    input  logic       valid_i,
    output logic       ready_o,
    input  logic [7:0] data_i,
    output logic       tx_o
);

  localparam int unsigned TickWidth = $clog2(ClkPerBit);
  localparam logic [TickWidth-1:0] WholeBit = TickWidth'(ClkPerBit - 1);
  localparam int unsigned FrameBits = 10;
  localparam int unsigned LeftWidth = $clog2(FrameBits + 1);

  logic [TickWidth-1:0] tick_q;
  logic [LeftWidth-1:0] left_q;  // bits still on the line
  logic [FrameBits-1:0] shift_q;

  assign ready_o = left_q == '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      left_q <= '0;
      tick_q <= '0;
      tx_o   <= 1'b1;
    end else begin
      if (ready_o) begin
        tick_q <= '0;
        if (valid_i) left_q <= LeftWidth'(FrameBits);
      end else if (tick_q == '0) begin
        tx_o   <= shift_q[0];
        tick_q <= WholeBit;
      end else begin
        tick_q <= tick_q - 1'b1;
        if (tick_q == TickWidth'(1)) left_q <= left_q - 1'b1;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (valid_i && ready_o) shift_q <= {1'b1, data_i, 1'b0};
    else if (tick_q == '0) shift_q <= {1'b1, shift_q[FrameBits-1:1]};
  end

  `ASSERT_INIT(BitHasAMiddle, ClkPerBit >= 4)
  `ASSERT_STABLE(ByteStable, valid_i, ready_o, data_i)
  `ASSERT(LeftInRange, left_q <= LeftWidth'(FrameBits))
  `ASSERT(IdleIsHigh, left_q != '0 || tx_o)

endmodule

// Serial receiver: 8 data bits, no parity, one stop bit, ClkPerBit cycles a bit.
//
// A byte comes as a pulse of valid_o, half a bit after its stop bit began; nobody can make the line wait. If the stop
// bit is missing, error_o comes in its place, and no byte begins before the line was idle again.
`include "assert.svh"

module uart_rx #(
    parameter int unsigned ClkPerBit = 25
) (
    input  logic       clk_i,
    input  logic       rst_ni,
    input  logic       rx_i,
    output logic       valid_o,
    output logic       error_o,
    output logic [7:0] data_o
);

  localparam int unsigned TickWidth = $clog2(ClkPerBit);
  localparam logic [TickWidth-1:0] WholeBit = TickWidth'(ClkPerBit - 1);
  localparam logic [TickWidth-1:0] HalfBit = TickWidth'(ClkPerBit / 2 - 1);
  localparam logic [2:0] LastBit = 3'd7;

  typedef enum logic [2:0] {
    RxIdle,
    RxStart,
    RxData,
    RxStop,
    RxBreak
  } state_e;

  state_e state_q;
  logic [1:0] sync_q;
  logic [TickWidth-1:0] tick_q;
  logic [2:0] bit_q;
  logic line, sample;

  assign line   = sync_q[1];
  assign sample = tick_q == '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      sync_q  <= '1;
      state_q <= RxIdle;
      tick_q  <= '0;
      bit_q   <= '0;
      valid_o <= 1'b0;
      error_o <= 1'b0;
    end else begin
      sync_q  <= {sync_q[0], rx_i};
      valid_o <= 1'b0;
      error_o <= 1'b0;
      tick_q  <= sample ? WholeBit : tick_q - 1'b1;
      unique case (state_q)
        RxIdle: begin
          tick_q <= HalfBit;
          bit_q  <= '0;
          if (!line) state_q <= RxStart;
        end
        RxStart: if (sample) state_q <= line ? RxIdle : RxData;
        RxData: begin
          if (sample) begin
            bit_q <= bit_q + 1'b1;
            if (bit_q == LastBit) state_q <= RxStop;
          end
        end
        RxStop: begin
          if (sample) begin
            valid_o <= line;
            error_o <= !line;
            state_q <= line ? RxIdle : RxBreak;
          end
        end
        RxBreak: if (line) state_q <= RxIdle;
        default: state_q <= RxIdle;
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    if (state_q == RxData && sample) data_o <= {line, data_o[7:1]};
  end

  `ASSERT_INIT(BitHasAMiddle, ClkPerBit >= 4)
  `ASSERT(ByteOrError, !(valid_o && error_o))
  `ASSERT(StateLegal, state_q <= RxBreak)
  `COVER(Broken, error_o)

endmodule

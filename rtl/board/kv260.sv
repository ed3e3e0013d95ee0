// The KV260 (XCK26 of the Kria K26): `board` beside the processing system, which gives it a clock and nothing else. Serial line
// and lights are on the Pmod connector, pins in constraints/kv260.xdc. Not run in Vivado (docs/fpga.md).
module kv260 #(
    parameter string ImagePath = ""
) (
    input  logic       rx,
    output logic       tx,
    output logic [3:0] led
);

  // The board's firmware sets PL clock 0 to 100 MHz; the machine gets a quarter of it.
  localparam int unsigned Divide = 4;
  localparam int unsigned ClockHz = 100_000_000 / Divide;
  localparam int unsigned Baud = 1_000_000;
  localparam int unsigned ResetWidth = 4;

  logic [3:0] pl_clk;
  logic clk_100, clk, rst_n;
  logic [ResetWidth-1:0] reset_q = '0;
  logic unused_clocks;

  PS8 u_ps (.PLCLK(pl_clk));
  BUFG_PS u_buffer (
      .I(pl_clk[0]),
      .O(clk_100)
  );
  BUFGCE_DIV #(
      .BUFGCE_DIVIDE(Divide)
  ) u_divide (
      .I  (clk_100),
      .CE (1'b1),
      .CLR(1'b0),
      .O  (clk)
  );
  assign unused_clocks = ^pl_clk[3:1];

  // In reset after configuration.
  always_ff @(posedge clk) if (!rst_n) reset_q <= reset_q + 1'b1;
  assign rst_n = &reset_q;

  board #(
      .ImagePath(ImagePath),
      .ClkPerBit(ClockHz / Baud),
      .GapCycles(ClockHz / 100)
  ) u_board (
      .clk_i (clk),
      .rst_ni(rst_n),
      .rx_i  (rx),
      .tx_o  (tx),
      .led_o (led)
  );

endmodule

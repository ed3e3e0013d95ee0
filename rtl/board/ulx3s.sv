// The ULX3S with an LFE5U-85F: clock of the 25 MHz oscillator, reset by the button FIRE1, serial line of the USB bridge.
// Pins in constraints/ulx3s.lpf. The parameters of the machine are those of `board`.
module ulx3s #(
    parameter string ImagePath = ""
) (
    input  logic       clk_25mhz,
    input  logic [1:0] btn,  // 0: PWR, low when pressed; 1: FIRE1
    input  logic       ftdi_txd,  // from the host
    output logic       ftdi_rxd,  // to the host
    output logic [7:0] led,
    output logic       wifi_gpio0  // high: the ESP32 stays out of the way, and PWR does not switch off
);

  localparam int unsigned ClockHz = 25_000_000;
  localparam int unsigned Baud = 1_000_000;
  localparam int unsigned ResetWidth = 4;

  logic [1:0] button_q;
  logic [ResetWidth-1:0] reset_q;
  logic rst_n, unused_pwr;

  // Flip-flops are zero after configuration, so the machine starts in reset.
  always_ff @(posedge clk_25mhz) begin
    button_q <= {button_q[0], btn[1]};
    if (button_q[1]) reset_q <= '0;
    else if (!rst_n) reset_q <= reset_q + 1'b1;
  end
  assign rst_n = &reset_q;

  board #(
      .ImagePath(ImagePath),
      .ClkPerBit(ClockHz / Baud),
      .GapCycles(ClockHz / 100)
  ) u_board (
      .clk_i (clk_25mhz),
      .rst_ni(rst_n),
      .rx_i  (ftdi_txd),
      .tx_o  (ftdi_rxd),
      .led_o (led[3:0])
  );

  assign led[7:4] = '0;
  assign wifi_gpio0 = 1'b1;
  assign unused_pwr = btn[0];

endmodule

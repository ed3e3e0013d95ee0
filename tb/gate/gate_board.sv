// A board's netlist with the ports of `board`, for the same bench: the button is the reset.
module gate_board (
    input  logic       clk_i,
    input  logic       rst_ni,
    input  logic       rx_i,
    output logic       tx_o,
    output logic [3:0] led_o
);

  logic [3:0] unused_led;
  logic unused_wifi;

  ulx3s u_netlist (
      .clk_25mhz(clk_i),
      .btn({!rst_ni, 1'b1}),
      .ftdi_txd(rx_i),
      .ftdi_rxd(tx_o),
      .led({unused_led, led_o}),
      .wifi_gpio0(unused_wifi)
  );

endmodule

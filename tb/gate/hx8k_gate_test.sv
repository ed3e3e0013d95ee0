// The netlist of the HX8K's self-test beside its RTL: the same line and lights in every cycle, and a test passed.
module hx8k_gate_test;
  localparam int unsigned Cycles = 135_000;  // a test and its line

  logic clk = 1'b0;
  logic tx, gate_tx;
  logic [7:0] led, gate_led;

  hx8k #(
      .ClkPerBit(4)
  ) u_rtl (
      .clk,
      .tx,
      .led
  );
  hx8k_netlist u_gate (
      .clk,
      .tx (gate_tx),
      .led(gate_led)
  );

  // The lines are high or low from the first cycle on; before it they are unknown in the RTL.
  initial begin
    for (int unsigned i = 0; i < Cycles; i++) begin
      #1 clk = 1'b1;
      #1 clk = 1'b0;
      if (i > 0 && (gate_tx != tx || gate_led != led))
        $fatal(1, "cycle %0d: expected tx %b, led %b of the netlist, found %b, %b", i, tx, led, gate_tx, gate_led);
    end
    if (gate_led[1:0] != 2'b01) $fatal(1, "expected a test that has passed, found led %b", gate_led);
    $display("hx8k: %0d cycles equal to the RTL, test passed", Cycles);
    $finish;
  end
endmodule

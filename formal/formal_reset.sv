// Every proof starts in reset: the state before it is arbitrary. Later resets are free.
module formal_reset (
    input logic clk_i,
    input logic rst_ni
);

  logic started_q = 1'b0;

  always_ff @(posedge clk_i) started_q <= 1'b1;

  StartsInReset :
  assume property (@(posedge clk_i) started_q || !rst_ni);

endmodule

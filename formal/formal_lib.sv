// What the proofs share: reset at the start, and values that the solver chooses.

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

// Any value, another one in every cycle. Yosys' cell $anyseq, hence the names.
(* blackbox *)
module formal_any #(
    parameter int unsigned WIDTH = 1
) (
    output logic [WIDTH-1:0] Y
);
endmodule

// Any value, the same for ever. Yosys' cell $anyconst, hence the names.
(* blackbox *)
module formal_any_const #(
    parameter int unsigned WIDTH = 1
) (
    output logic [WIDTH-1:0] Y
);
endmodule

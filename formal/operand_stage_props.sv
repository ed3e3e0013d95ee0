// The operand stage: an instruction goes to the queue of its unit once, or to none if it has an error.
`include "assert.svh"

module operand_stage_props
  import sched_pkg::*;
(
    input logic                    clk_i,
    input logic                    rst_ni,
    input logic                    clear_i,
    input logic                    valid_i,
    input logic                    ready_o,
    input fetched_t                fetched_i,
    input logic     [NumUnits-1:0] push_valid_o,
    input logic     [NumUnits-1:0] push_ready_i,
    input logic                    error_o,
    input logic                    valid_q,
    input fetched_t                x_q
);

  logic held_q;  // taken, not pushed
  logic [NumUnits-1:0] pushes;

  assign pushes = push_valid_o & push_ready_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) held_q <= 1'b0;
    else if (valid_i && ready_o) held_q <= 1'b1;
    else if (pushes != '0) held_q <= 1'b0;
  end

  // sched_core hands on what unit_of names a unit.
  `ASSUME(ForAUnit, !valid_i || 32'(fetched_i.unit) < NumUnits)

  `ASSERT(HeldUntilPushed, valid_q == held_q)
  `ASSERT(ToItsQueue, push_valid_o == '0 || push_valid_o[x_q.unit])
  `ASSERT(PushedOrWrong, !valid_q || error_o != (push_valid_o != '0))

endmodule

bind operand_stage operand_stage_props u_props (.*);

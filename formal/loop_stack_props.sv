// A loop opened over first .. last with a count of n goes back n - 1 times, to its first instruction and from its last
// one alone, before it is left. Shown for one loop of any choice (`pick` is free).
`include "assert.svh"

module loop_stack_props
  import sched_pkg::*;
  import pimllm_pkg::RegWidth;
#(
    parameter int unsigned DepthWidth = 3,
    parameter int unsigned LevelWidth = 2
) (
    input logic                  clk_i,
    input logic                  rst_ni,
    input logic                  clear_i,
    input logic                  push_i,
    input logic [   PcWidth-1:0] first_i,
    input logic [   PcWidth-1:0] last_i,
    input logic [  RegWidth-1:0] count_i,
    input logic                  full_o,
    input logic                  step_i,
    input logic                  skip_i,
    input logic [   PcWidth-1:0] pc_i,
    input logic                  jump_o,
    input logic [   PcWidth-1:0] target_o,
    input logic [DepthWidth-1:0] depth_q,
    input logic [DepthWidth-1:0] depth_d,
    input logic [LevelWidth-1:0] level,
    input logic [   PcWidth-1:0] first_q [LoopDepth],
    input logic [   PcWidth-1:0] last_q  [LoopDepth],
    input logic [  RegWidth-1:0] left_q  [LoopDepth]
);

  logic pick;
  logic [PcWidth-1:0] pc;
  logic follow_q, starts, steps, goes_back, leaves;
  logic [LevelWidth-1:0] level_q;
  logic [PcWidth-1:0] loop_first_q, loop_last_q;
  logic [RegWidth-1:0] runs_q;  // the one that is under way included

  assign pc = skip_i ? last_i : pc_i;
  formal_any u_pick (.Y(pick));

  assign starts = push_i && pick && !follow_q;
  assign steps = step_i && !push_i && follow_q;
  assign goes_back = steps && jump_o && level == level_q;
  assign leaves = steps && depth_d <= DepthWidth'(level_q);

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i || leaves) follow_q <= 1'b0;
    else if (starts) follow_q <= 1'b1;
  end

  always_ff @(posedge clk_i) begin
    if (starts) begin
      level_q <= depth_q[LevelWidth-1:0];
      loop_first_q <= first_i;
      loop_last_q <= last_i;
      runs_q <= count_i;
    end else if (goes_back) begin
      runs_q <= runs_q - 1'b1;
    end
  end

  `ASSERT(RunsCounted, !leaves || runs_q == RegWidth'(1))
  `ASSERT(LeftAtItsEnd, !leaves || pc == loop_last_q)
  `ASSERT(BackToItsStart, !goes_back || (pc == loop_last_q && target_o == loop_first_q))
  `ASSERT(FullExactly, full_o == (depth_q == DepthWidth'(LoopDepth)))

  // Inductive: what the stack holds of the followed loop.
  `ASSERT(OnTheStack, !follow_q || DepthWidth'(level_q) < depth_q)
  `ASSERT(Kept, !follow_q || (first_q[level_q] == loop_first_q && last_q[level_q] == loop_last_q))
  `ASSERT(LeftRuns, !follow_q || (runs_q != '0 && left_q[level_q] == runs_q))

endmodule

bind loop_stack loop_stack_props #(
    .DepthWidth(DepthWidth),
    .LevelWidth(LevelWidth)
) u_props (.*);

// Hardware loops, nested up to LoopDepth deep.
//
// push_i opens a loop over first_i .. last_i that runs count_i times (at least 1). When an instruction is done (step_i)
// the jump back is decided in the same cycle: several loops may end at one instruction. full_o: no room to push.
`include "assert.svh"

module loop_stack
  import sched_pkg::*;
(
    input  logic clk_i,
    input  logic rst_ni,
    input  logic clear_i,

    input  logic                            push_i,
    input  logic [PcWidth-1:0]              first_i,
    input  logic [PcWidth-1:0]              last_i,
    input  logic [pimllm_pkg::RegWidth-1:0] count_i,
    output logic                            full_o,

    input  logic               step_i,
    input  logic               skip_i,  // late: last_i counts in place of pc_i
    input  logic [PcWidth-1:0] pc_i,
    output logic               jump_o,
    output logic [PcWidth-1:0] target_o
);

  localparam int unsigned DepthWidth = $clog2(LoopDepth + 1);
  localparam int unsigned LevelWidth = $clog2(LoopDepth);

  logic [DepthWidth-1:0] depth_q, depth_d;
  logic [PcWidth-1:0] first_q[LoopDepth];
  logic [PcWidth-1:0] last_q[LoopDepth];
  logic [pimllm_pkg::RegWidth-1:0] left_q[LoopDepth];  // runs of the body not yet complete, this one included
  logic [LevelWidth-1:0] level;
  logic open;
  logic [LoopDepth-1:0] ends;  // the loop of this level ends here

  always_comb begin
    for (int unsigned k = 0; k < LoopDepth; k++) begin
      ends[k] = skip_i ? last_q[k] == last_i : last_q[k] == pc_i;
    end
  end

  // From the innermost loop outwards: loops that end here for good are left, the first that goes on jumps.
  always_comb begin
    jump_o = 1'b0;
    level = '0;
    depth_d = depth_q;
    open = 1'b1;
    if (depth_q != '0) begin
      for (int unsigned k = 0; k < LoopDepth; k++) begin
        if (open && DepthWidth'(LoopDepth - 1 - k) < depth_q) begin
          if (!ends[LoopDepth-1-k]) begin
            open = 1'b0;
          end else if (left_q[LoopDepth-1-k] != pimllm_pkg::RegWidth'(1)) begin
            open = 1'b0;
            jump_o = 1'b1;
            level = LevelWidth'(LoopDepth - 1 - k);
          end else begin
            depth_d = DepthWidth'(LoopDepth - 1 - k);
          end
        end
      end
    end
  end

  assign target_o = first_q[level];
  assign full_o = depth_q == DepthWidth'(LoopDepth);

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) begin
      depth_q <= '0;
    end else if (push_i) begin
      depth_q <= depth_q + 1'b1;
    end else if (step_i) begin
      depth_q <= depth_d;
    end
  end

  always_ff @(posedge clk_i) begin
    if (push_i) begin
      first_q[depth_q[LevelWidth-1:0]] <= first_i;
      last_q[depth_q[LevelWidth-1:0]] <= last_i;
      left_q[depth_q[LevelWidth-1:0]] <= count_i;
    end else if (step_i && jump_o) begin
      left_q[level] <= left_q[level] - 1'b1;
    end
  end

  `ASSERT(NoOverflow, !push_i || !full_o)
  `ASSERT(PushRuns, !push_i || count_i != '0)
  `ASSERT(DepthInRange, depth_q <= DepthWidth'(LoopDepth))

endmodule

// Performance counters: each counts the cycles in which its event is high while enable_i is.
//
// clear_i sets all to zero. Values are seen the cycle after their event.
`include "assert.svh"

module perf_counters
  import sched_pkg::*;
(
    input  logic                    clk_i,
    input  logic                    rst_ni,
    input  logic                    clear_i,
    input  logic                    enable_i,
    input  logic [NumCounters-1:0]  event_i,
    output logic [CounterWidth-1:0] count_o[NumCounters]
);

  for (genvar i = 0; i < NumCounters; i++) begin : gen_counters
    logic [CounterWidth-1:0] count_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni || clear_i) begin
        count_q <= '0;
      end else if (enable_i && event_i[i]) begin
        count_q <= count_q + 1'b1;
      end
    end
    assign count_o[i] = count_q;
    if (i == 0) begin : gen_check
      `ASSERT(NothingCountsWhenOff, !($past(rst_ni) && !$past(enable_i) && !$past(clear_i)) || $stable(count_q
              ))
    end
  end

endmodule

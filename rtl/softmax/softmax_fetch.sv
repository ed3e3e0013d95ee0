// One operand stream of the softmax unit: reads the words of a tile sequence in order and offers each to its pipeline
// stage for two beats, the low and the high half.
//
// start_i loads a sequence of words_i words from base_i in steps of Step, the last one from open_addr_i if open_i, all of
// it twice if twice_i. use_i says that the stage holds a beat of this stream, last_i that it is the second of its word;
// beats move when go_i, and go_next_i is its value of the next cycle. full_next_o tells whether word_o is valid in the
// next cycle; the pipeline must not go without it. One word is buffered; the next is asked for just early enough to
// replace it without a gap (one word in two cycles).
`include "assert.svh"

module softmax_fetch #(
    parameter int unsigned Width = 128,
    parameter int unsigned AddrWidth = 8,
    parameter int unsigned Step = 1
) (
    input  logic                 clk_i,
    input  logic                 rst_ni,
    input  logic                 start_i,
    input  logic [15:0]          words_i,
    input  logic [AddrWidth-1:0] base_i,
    input  logic                 open_i,
    input  logic [AddrWidth-1:0] open_addr_i,
    input  logic                 twice_i,
    input  logic                 use_i,
    input  logic                 last_i,
    input  logic                 go_i,
    input  logic                 go_next_i,
    output logic                 full_next_o,
    output logic [Width-1:0]     word_o,
    output logic                 req_o,
    output logic [AddrWidth-1:0] addr_o,
    input  logic                 gnt_i,
    input  logic [Width-1:0]     data_i
);

  logic full_q, arriving_q, again_q, open_q, leaves;
  logic [15:0] words_q, left_q;
  logic [AddrWidth-1:0] base_q, addr_q, open_addr_q;
  logic [Width-1:0] word_q;

  assign leaves = use_i && last_i && go_i;
  assign full_next_o = arriving_q || (full_q && !leaves);
  // The word must be gone when the next one arrives, at the end of the next cycle.
  assign req_o = left_q != '0 && !arriving_q && (!full_q || leaves || (use_i && go_i && go_next_i));
  assign addr_o = open_q && left_q == 16'd1 ? open_addr_q : addr_q;
  assign word_o = word_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      full_q <= 1'b0;
      arriving_q <= 1'b0;
      again_q <= 1'b0;
      left_q <= '0;
    end else begin
      full_q <= full_next_o;
      arriving_q <= gnt_i;
      if (start_i) begin
        left_q <= words_i;
        again_q <= twice_i;
      end else if (gnt_i) begin
        left_q <= left_q - 1'b1;
        if (left_q == 16'd1 && again_q) begin
          left_q <= words_q;
          again_q <= 1'b0;
        end
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      words_q <= words_i;
      base_q <= base_i;
      addr_q <= base_i;
      open_q <= open_i;
      open_addr_q <= open_addr_i;
    end else if (gnt_i) begin
      addr_q <= left_q == 16'd1 ? base_q : addr_q + AddrWidth'(Step);
    end
    if (arriving_q) word_q <= data_i;
  end

  `ASSERT(RequestHeld, !($past(rst_ni) && $past(req_o) && !$past(gnt_i)) || (req_o && $stable(addr_o)))
  `ASSERT(GrantOnRequest, !gnt_i || req_o)
  `ASSERT(UsedWhenFull, !(use_i && go_i) || full_q)
  `ASSERT(NothingOverwritten, !(arriving_q && full_q) || leaves)
  `ASSERT(StartedWhenIdle, !start_i || (left_q == '0 && !full_q && !arriving_q))

endmodule

// Properties of every fifo: nothing lost, nothing invented, order and data kept, for one entry of any choice.
//
// `pick` is free: whenever no entry is followed, the next push may be the one to follow. As the choice is the solver's, what
// holds for it holds for all.
`include "assert.svh"

module fifo_props #(
    parameter int unsigned Width = 8,
    parameter int unsigned Depth = 4,
    parameter int unsigned PtrWidth = 2,
    parameter int unsigned CountWidth = 3
) (
    input logic                  clk_i,
    input logic                  rst_ni,
    input logic                  clear_i,
    input logic                  valid_i,
    input logic                  ready_o,
    input logic [     Width-1:0] data_i,
    input logic                  valid_o,
    input logic                  ready_i,
    input logic [     Width-1:0] data_o,
    input logic [     Width-1:0] store_q   [Depth],
    input logic [  PtrWidth-1:0] rd_ptr_q,
    input logic [  PtrWidth-1:0] wr_ptr_q,
    input logic [CountWidth-1:0] count_q
);

  localparam int unsigned SumWidth = CountWidth + 1;

  logic pick;
  logic follow_q;
  logic [Width-1:0] followed_q;
  logic [SumWidth-1:0] ahead_q;  // entries up to the followed one, itself included
  logic [SumWidth-1:0] held_q;  // pushed and not popped
  logic push, pop, leaves;

  formal_any u_pick (.Y(pick));

  assign push = valid_i && ready_o;
  assign pop = valid_o && ready_i;
  assign leaves = follow_q && pop && ahead_q == SumWidth'(1);

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) begin
      held_q <= '0;
      follow_q <= 1'b0;
      ahead_q <= '0;
    end else begin
      held_q <= held_q + SumWidth'(push) - SumWidth'(pop);
      if (push && pick && !follow_q) begin
        follow_q <= 1'b1;
        ahead_q <= held_q + SumWidth'(1) - SumWidth'(pop);
      end else if (follow_q && pop) begin
        ahead_q <= ahead_q - SumWidth'(1);
        if (leaves) follow_q <= 1'b0;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (push && pick && !follow_q) followed_q <= data_i;
  end

  `ASSERT(FullExactly, ready_o == (held_q != SumWidth'(Depth)))
  `ASSERT(EmptyExactly, valid_o == (held_q != '0))
  `ASSERT(NoOverflow, held_q <= SumWidth'(Depth))
  `ASSERT(OrderAndData, !leaves || data_o == followed_q)

  // What makes them inductive: where the pointers stand, and where the followed entry lies.
  logic [SumWidth-1:0] wr_expected, slot;
  assign wr_expected = SumWidth'(rd_ptr_q) + held_q;
  assign slot = SumWidth'(rd_ptr_q) + ahead_q - SumWidth'(1);

  function automatic logic [PtrWidth-1:0] wrapped(input logic [SumWidth-1:0] ptr);
    return ptr >= SumWidth'(Depth) ? PtrWidth'(ptr - SumWidth'(Depth)) : PtrWidth'(ptr);
  endfunction

  `ASSERT(CountIsHeld, SumWidth'(count_q) == held_q)
  `ASSERT(PointersInRange, SumWidth'(rd_ptr_q) < SumWidth'(Depth) && wr_ptr_q == wrapped(wr_expected))
  `ASSERT(FollowedIsHeld, !follow_q || (ahead_q != '0 && ahead_q <= held_q))
  `ASSERT(FollowedInPlace, !follow_q || store_q[wrapped(slot)] == followed_q)

endmodule

bind fifo fifo_props #(
    .Width(Width),
    .Depth(Depth),
    .PtrWidth(PtrWidth),
    .CountWidth(CountWidth)
) u_props (.*);

// The queue of a unit: a command with semaphores is granted exactly once before it is taken; none is taken beyond what may
// be in flight; and each `done` gives the semaphores of the oldest command, shown for one command of any choice.
`include "assert.svh"

module unit_queue_props
  import sched_pkg::*;
(
    input logic          clk_i,
    input logic          rst_ni,
    input logic          clear_i,
    input logic          hold_i,
    input logic          take_req_o,
    input logic          take_gnt_i,
    input logic          cmd_valid_o,
    input logic          done_i,
    input logic          give_valid_o,
    input sem_id_t [1:0] give_sem_o,
    input logic          accept,
    input entry_t        head,
    input logic          head_valid,
    input logic          needs_wait,
    input logic          has_waited_q,
    input logic          presented_q,
    input logic          flying,
    input logic          at_once,
    input in_flight_t    store_q[InFlightDepth],
    input logic [2:0]    rd_ptr_q,
    input logic [2:0]    wr_ptr_q,
    input logic [3:0]    count_q,
    input logic          queue_rd_q,
    input logic          queue_wr_q,
    input logic [1:0]    queue_count_q
);

  localparam int unsigned PtrWidth = $clog2(InFlightDepth);
  localparam int unsigned SumWidth = $clog2(InFlightDepth + 1);

  logic pick, follow_q, starts, leaves, granted_q;
  sem_id_t [1:0] sems_q;
  logic [SumWidth-1:0] ahead_q, in_flight_q;
  in_flight_t followed;

  formal_any u_pick (.Y(pick));

  assign starts = accept && !at_once && pick && !follow_q;
  assign leaves = follow_q && done_i && ahead_q == SumWidth'(1);
  assign followed = store_q[PtrWidth'(rd_ptr_q+PtrWidth'(ahead_q-SumWidth'(1)))];

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) begin
      in_flight_q <= '0;
      granted_q <= 1'b0;
      follow_q <= 1'b0;
      ahead_q <= '0;
    end else begin
      in_flight_q <= in_flight_q + SumWidth'(accept) - SumWidth'(done_i);
      granted_q <= (granted_q || take_gnt_i) && !accept;
      if (starts) begin
        follow_q <= 1'b1;
        ahead_q <= in_flight_q + SumWidth'(1) - SumWidth'(done_i);
      end else if (follow_q && done_i) begin
        ahead_q <= ahead_q - SumWidth'(1);
        if (leaves) follow_q <= 1'b0;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (starts) sems_q <= {head.sig1, head.sig0};
  end

  `ASSERT(GrantedOnce, !(take_gnt_i && granted_q))
  `ASSERT(TakenAfterGrant, !accept || granted_q == needs_wait)
  `ASSERT(NotTooManyInFlight, 32'(in_flight_q) <= InFlightDepth)
  `ASSERT(NoMoreTakesWhenFull, !accept || 32'(in_flight_q) < InFlightDepth)
  `ASSERT(HoldStopsTakes, !hold_i || !take_req_o)
  `ASSERT(HoldStopsNew, !hold_i || !cmd_valid_o || presented_q)
  `ASSERT(GivesItsOwn, !leaves || (give_valid_o && give_sem_o == sems_q))
  `ASSERT(GivesAtOnce, !(done_i && in_flight_q == '0 && accept) || give_sem_o == {head.sig1, head.sig0})

  // Inductive; the queue is of depth 2 here.
  `ASSERT(PointersFollow, wr_ptr_q == rd_ptr_q + 3'(count_q))
  `ASSERT(QueuePointersFollow, queue_wr_q == (queue_rd_q ^ queue_count_q[0]) && queue_count_q <= 2'd2)
  `ASSERT(GrantKept, granted_q == has_waited_q && (!has_waited_q || (head_valid && needs_wait)))
  `ASSERT(ShownIsReady,
          !presented_q || (head_valid && needs_wait == has_waited_q && count_q < 4'(InFlightDepth)))
  `ASSERT(CountIsInFlight, count_q == in_flight_q && flying == (in_flight_q != '0))
  `ASSERT(FollowedInFlight, !follow_q || (ahead_q != '0 && ahead_q <= in_flight_q))
  `ASSERT(FollowedInPlace, !follow_q || {followed.sig1, followed.sig0} == sems_q)

endmodule

bind unit_queue unit_queue_props u_props (
    .store_q(u_in_flight.store_q),
    .rd_ptr_q(u_in_flight.rd_ptr_q),
    .wr_ptr_q(u_in_flight.wr_ptr_q),
    .count_q(u_in_flight.count_q),
    .queue_rd_q(u_queue.rd_ptr_q),
    .queue_wr_q(u_queue.wr_ptr_q),
    .queue_count_q(u_queue.count_q),
    .*
);

// Queue of one unit: holds resolved commands, takes the semaphores of the head, presents it, and keeps what is in flight.
//
// A command without wait semaphores is presented the cycle after its push; one with them the cycle after its grant. Units
// finish in order: done_i gives the semaphores of the oldest command in flight. While hold_i is high no command is newly
// presented (one that is stays until it is taken, as the ready/valid contract wants) and no semaphore is taken.
`include "assert.svh"

module unit_queue
  import sched_pkg::*;
#(
    parameter int unsigned Depth = 8,
    parameter int unsigned InFlight = InFlightDepth
) (
    input  logic clk_i,
    input  logic rst_ni,
    input  logic clear_i,
    input  logic hold_i,
    output logic idle_o,     // empty, and nothing in flight
    output logic quiet_o,    // nothing presented, nothing in flight

    input  logic   push_valid_i,
    output logic   push_ready_o,
    input  entry_t push_entry_i,

    output logic          take_req_o,
    output sem_id_t [1:0] take_sem_o,
    input  logic          take_gnt_i,

    output logic                  cmd_valid_o,
    input  logic                  cmd_ready_i,
    output pimllm_pkg::unit_cmd_t cmd_o,

    input  logic          done_i,
    output logic          give_valid_o,
    output sem_id_t [1:0] give_sem_o,

    output logic [TracePcWidth-1:0] done_pc_o,     // of the instruction that done_i is about
    output logic [TracePcWidth-1:0] newest_pc_o    // of the command presented, else of the one taken last
);

  entry_t head;
  in_flight_t taken, oldest, finished;
  logic head_valid, needs_wait, has_waited_q, presented_q, accept;
  logic room, flying, at_once;
  logic [TracePcWidth-1:0] taken_pc_q;

  fifo #(
      .Width($bits(entry_t)),
      .Depth(Depth)
  ) u_queue (
      .clk_i,
      .rst_ni,
      .clear_i,
      .valid_i(push_valid_i),
      .ready_o(push_ready_o),
      .data_i(push_entry_i),
      .valid_o(head_valid),
      .ready_i(accept),
      .data_o(head)
  );

  fifo #(
      .Width($bits(in_flight_t)),
      .Depth(InFlight)
  ) u_in_flight (
      .clk_i,
      .rst_ni,
      .clear_i,
      .valid_i(accept && !at_once),
      .ready_o(room),
      .data_i(taken),
      .valid_o(flying),
      .ready_i(done_i),
      .data_o(oldest)
  );

  assign needs_wait = head.wait0 != '0 || head.wait1 != '0;
  assign take_req_o = head_valid && needs_wait && !has_waited_q && !hold_i && room;
  assign take_sem_o = {head.wait1, head.wait0};

  assign cmd_valid_o = head_valid && room && (presented_q || (!hold_i && (has_waited_q || !needs_wait)));
  assign cmd_o = head.cmd;
  assign accept = cmd_valid_o && cmd_ready_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) begin
      has_waited_q <= 1'b0;
      presented_q <= 1'b0;
    end else begin
      if (accept) begin
        has_waited_q <= 1'b0;
      end else if (take_gnt_i) begin
        has_waited_q <= 1'b1;
      end
      presented_q <= cmd_valid_o && !cmd_ready_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (accept) taken_pc_q <= head.cmd.pc;
  end

  // A unit may be done in the very cycle in which it takes a command.
  assign taken = '{pc: head.cmd.pc, sig1: head.sig1, sig0: head.sig0};
  assign at_once = !flying && done_i;
  assign finished = flying ? oldest : taken;
  assign give_valid_o = done_i;
  assign give_sem_o = {finished.sig1, finished.sig0};
  assign done_pc_o = finished.pc;
  assign newest_pc_o = cmd_valid_o ? head.cmd.pc : taken_pc_q;
  assign idle_o = !head_valid && !flying;
  assign quiet_o = !presented_q && !flying;

  `ASSERT_STABLE(CmdStable, cmd_valid_o, cmd_ready_i || clear_i, cmd_o)
  `ASSERT(DoneExpected, !done_i || flying || accept || clear_i)
  `ASSERT(GrantWanted, !take_gnt_i || take_req_o)
  `ASSERT(WaitedBeforeShown, !cmd_valid_o || !needs_wait || has_waited_q)
  `COVER(DoneAsTaken, at_once && accept)
  `COVER(HeldBack, head_valid && hold_i)
  `COVER(NoRoom, head_valid && !room)

endmodule

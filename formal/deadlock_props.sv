// No program whose own order is a legal order of execution stands still for ever: in every cycle of a run either somebody
// outside owes something (a unit has a command or works on one, the fetch has no instruction), or an instruction moves: it
// is issued, pushed into its queue, or granted its semaphores. As an instruction makes each of these moves once, and units
// and fetch are done some time, a program that is finite ends.
//
// Legal: in program order no instruction takes a token that is not there yet, and none gives one too many; and between two
// SYNCs a semaphore is taken by one unit (or the decoder) only, though given by any. Without the latter a younger
// instruction could take the token that an older one waits for. If a unit that runs ahead overflows a semaphore, the
// machine reports it.
//
// Shown for one instruction and one semaphore of any choice: if all older instructions are done, this one moves or asks for
// its semaphores, and finds the tokens that it needs; that one of those who can be served is served is job semaphores.
// Semaphore 1 stands for all, whose logic is the same.
`include "assert.svh"

module deadlock_props
  import sched_pkg::*;
#(
    parameter int unsigned QueueDepth = 2,
    parameter int unsigned InFlight = 2
) (
    input logic                          clk_i,
    input logic                          rst_ni,
    input logic                          clear_i,
    input logic                          start_i,
    input logic                          stop_i,
    input logic           [        31:0] watchdog_limit_i,
    input logic                          dma_idle_i,
    input logic           [NumUnits-1:0] cmd_ready_i,
    input logic           [NumUnits-1:0] done_i,
    input logic           [NumUnits-1:0] err_i,
    input isa_pkg::error_e [NumUnits-1:0] err_code_i,
    input logic           [NumUnits-1:0] busy_i
);

  localparam int unsigned UsedUnits = 2;  // of the five, whose queues are alike
  localparam sem_id_t Sem = sem_id_t'(1);
  localparam int unsigned SumWidth = 8;
  localparam logic [SumWidth-1:0] MaxCount = SumWidth'(63);

  typedef logic [SumWidth-1:0] sum_t;

  logic [NumUnits-1:0] cmd_valid;

  scheduler #(
      .QueueDepth(QueueDepth),
      .InFlight  (InFlight)
  ) u_scheduler (
      .clk_i,
      .rst_ni,
      .clear_i,
      .start_i,
      .stop_i,
      .program_base_i('0),
      .watchdog_limit_i,
      .busy_o(),
      .done_event_o(),
      .error_event_o(),
      .error_o(),
      .error_code_o(),
      .error_unit_o(),
      .error_pc_o(),
      .fetch_idle_o(),
      .dma_idle_i,
      .token_in_i('0),
      .position_i('0),
      .tokens_left_i('0),
      .args_i('0),
      .argmax_id_i('0),
      .csr_we_o(),
      .csr_o(),
      .csr_data_o(),
      .m_axi_fetch_arvalid_o(),
      .m_axi_fetch_arready_i('0),
      .m_axi_fetch_araddr_o(),
      .m_axi_fetch_arlen_o(),
      .m_axi_fetch_rvalid_i('0),
      .m_axi_fetch_rready_o(),
      .m_axi_fetch_rdata_i('0),
      .m_axi_fetch_rresp_i('0),
      .m_axi_fetch_rlast_i('0),
      .cmd_valid_o(cmd_valid),
      .cmd_ready_i,
      .cmd_o(),
      .done_i,
      .err_i,
      .err_code_i,
      .busy_i,
      .issue_o(),
      .fetch_stall_o(),
      .queue_stall_o(),
      .token_stall_o()
  );

  // --- what happens ----------------------------------------------------------------------------------------------------
  logic run, clear, unit_issue, stage_valid, pick, starts, sound_q;
  fetched_t issued, staged;
  logic [NumPeers-1:0] grant, asks, gives;
  sem_id_t decoder_take, decoder_give;
  logic [NumUnits-1:0] push, queued, flying;
  logic idle_units;

  assign run = u_scheduler.run;
  assign clear = u_scheduler.clear_all;
  assign unit_issue = u_scheduler.unit_valid && u_scheduler.unit_ready;
  assign issued = u_scheduler.fetched;
  assign stage_valid = u_scheduler.u_operands.valid_q;
  assign staged = u_scheduler.u_operands.x_q;
  assign asks = u_scheduler.take_req;
  assign grant = u_scheduler.take_gnt;
  assign gives = u_scheduler.give_valid;
  assign decoder_take = u_scheduler.decoder_take;
  assign decoder_give = u_scheduler.decoder_give;
  assign push = u_scheduler.push_valid & u_scheduler.push_ready;
  assign idle_units = !stage_valid && queued == '0 && flying == '0 && busy_i == '0;

  // No semaphore has overflowed.
  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear) sound_q <= 1'b1;
    else if (u_scheduler.overflow != '0) sound_q <= 1'b0;
  end

  // --- the program: tokens of the semaphore, were instructions done at once ------------------------------------------------
  logic [UnitIdWidth-1:0] any_taker, taker_q;
  sum_t tokens_q, count, takes, made;
  logic decoder_takes, decoder_gives;
  sum_t [UsedUnits-1:0] issued_gives, issued_takes, given, taken, older_to_give, older_to_take;
  sum_t [UsedUnits-1:0] to_give_q, to_take_q;  // of instructions not done, and of those not granted

  formal_any #(.WIDTH(UnitIdWidth)) u_taker (.Y(any_taker));
  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear || (idle_units && !unit_issue)) taker_q <= any_taker;
  end

  assign count = SumWidth'(u_scheduler.u_semaphores.count_q[Sem]);
  assign takes = SumWidth'(issued.wait0 == Sem) + SumWidth'(issued.wait1 == Sem);
  assign made = SumWidth'(issued.sig0 == Sem) + SumWidth'(issued.sig1 == Sem);
  assign decoder_takes = asks[Decoder] && decoder_take == Sem;
  assign decoder_gives = gives[Decoder] && decoder_give == Sem;

  sum_t tokens_d;
  always_comb begin
    tokens_d = tokens_q + SumWidth'(decoder_gives) - SumWidth'(decoder_takes && grant[Decoder]);
    for (int unsigned u = 0; u < UsedUnits; u++) tokens_d = tokens_d + issued_gives[u] - issued_takes[u];
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear) begin
      tokens_q  <= '0;
      to_give_q <= '0;
      to_take_q <= '0;
    end else begin
      tokens_q <= tokens_d;
      for (int unsigned u = 0; u < UsedUnits; u++) begin
        to_give_q[u] <= to_give_q[u] + issued_gives[u] - given[u];
        to_take_q[u] <= to_take_q[u] + issued_takes[u] - taken[u];
      end
    end
  end

  `ASSUME(UsedUnit, !unit_issue || 32'(issued.unit) < UsedUnits)
  `ASSUME(TakesWhatIsThere, !unit_issue || takes <= tokens_q)
  `ASSUME(GivesNotTooMuch, !unit_issue || tokens_q - takes + made <= MaxCount)
  `ASSUME(OneTaker, !unit_issue || takes == '0 || issued.unit == taker_q)
  `ASSUME(DecoderTakesWhatIsThere, !decoder_takes || (tokens_q != '0 && taker_q == UnitIdWidth'(Decoder)))
  `ASSUME(DecoderGivesNotTooMuch, !decoder_gives || tokens_q < MaxCount)

  // --- the instruction that is followed until its unit takes it -------------------------------------------------------------
  logic follow_q;
  logic [UnitIdWidth-1:0] unit_q;
  logic [1:0] needs_q;
  logic [UsedUnits-1:0] leaves, older, granted;

  formal_any u_pick (.Y(pick));

  assign starts = pick && unit_issue && !follow_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear) follow_q <= 1'b0;
    else if (starts) follow_q <= 1'b1;
    else if (leaves != '0) follow_q <= 1'b0;
  end

  always_ff @(posedge clk_i) begin
    if (starts) begin
      unit_q  <= issued.unit;
      needs_q <= 2'(takes);
    end
  end

  // --- units -----------------------------------------------------------------------------------------------------------
  for (genvar u = 0; u < UsedUnits; u++) begin : gen_units
    deadlock_unit #(
        .QueueDepth(QueueDepth),
        .InFlight(InFlight),
        .SumWidth(SumWidth),
        .Sem(Sem)
    ) u_unit (
        .clk_i,
        .rst_ni,
        .clear_i(clear),
        .done_i(done_i[u]),
        .issue_i(unit_issue && issued.unit == UnitIdWidth'(u)),
        .issued_i(issued),
        .stage_valid_i(stage_valid && staged.unit == UnitIdWidth'(u)),
        .staged_i(staged),
        .starts_i(starts),
        .follow_i(follow_q),
        .own_i(follow_q && unit_q == UnitIdWidth'(u)),
        .needs_i(needs_q),
        .accept_i(u_scheduler.gen_queues[u].u_queue.accept),
        .has_waited_i(u_scheduler.gen_queues[u].u_queue.has_waited_q),
        .presented_i(u_scheduler.gen_queues[u].u_queue.presented_q),
        .finished_i(u_scheduler.gen_queues[u].u_queue.finished),
        .grant_i(grant[u]),
        .queue_i(u_scheduler.gen_queues[u].u_queue.u_queue.store_q),
        .queue_rd_i(u_scheduler.gen_queues[u].u_queue.u_queue.rd_ptr_q),
        .queue_wr_i(u_scheduler.gen_queues[u].u_queue.u_queue.wr_ptr_q),
        .queue_count_i(u_scheduler.gen_queues[u].u_queue.u_queue.count_q),
        .flight_i(u_scheduler.gen_queues[u].u_queue.u_in_flight.store_q),
        .flight_rd_i(u_scheduler.gen_queues[u].u_queue.u_in_flight.rd_ptr_q),
        .flight_wr_i(u_scheduler.gen_queues[u].u_queue.u_in_flight.wr_ptr_q),
        .flight_count_i(u_scheduler.gen_queues[u].u_queue.u_in_flight.count_q),
        .queued_o(queued[u]),
        .flying_o(flying[u]),
        .leaves_o(leaves[u]),
        .granted_o(granted[u]),
        .older_o(older[u]),
        .issued_gives_o(issued_gives[u]),
        .issued_takes_o(issued_takes[u]),
        .given_o(given[u]),
        .taken_o(taken[u]),
        .to_give_i(to_give_q[u]),
        .to_take_i(to_take_q[u]),
        .older_to_give_o(older_to_give[u]),
        .older_to_take_o(older_to_take[u])
    );
    `ASSERT(OnlyTheTaker, to_take_q[u] == '0 || taker_q == UnitIdWidth'(u))
  end

  for (genvar u = UsedUnits; u < NumUnits; u++) begin : gen_unused
    assign queued[u] = u_scheduler.gen_queues[u].u_queue.head_valid;
    assign flying[u] = u_scheduler.gen_queues[u].u_queue.flying;
    `ASSERT(Unused, !queued[u] && !flying[u] && !u_scheduler.gen_queues[u].u_queue.presented_q)
  end
  `ASSERT(StageForUsedUnit, !stage_valid || 32'(staged.unit) < UsedUnits)

  // --- what is to be shown -----------------------------------------------------------------------------------------------
  logic goes_on, moves, lacks_q;

  assign goes_on = run && !u_scheduler.fault_seen;
  assign moves = u_scheduler.issue_o || push != '0 || cmd_valid != '0 || flying != '0;

  // Told a cycle later, which is simpler to prove: the oldest, or the decoder when units are idle, lacks a token.
  always_ff @(posedge clk_i) begin
    lacks_q <= rst_ni && goes_on && ((follow_q && older == '0 && granted == '0 && count < SumWidth'(needs_q)) ||
                                     (idle_units && decoder_takes && count == '0));
  end

  `ASSERT(OldestMoves, !(goes_on && follow_q && older == '0) || moves || asks[unit_q])
  `ASSERT(NoTokenIsLacking, !lacks_q)
  `ASSERT(DecoderMoves, !(goes_on && u_scheduler.instr_valid && idle_units) || moves || asks[Decoder])

  // --- what makes it inductive -------------------------------------------------------------------------------------------
  sum_t all_to_give, all_older_to_give, all_to_take, all_older_to_take;
  logic [2:0] state;  // of the scheduler: 0 idle, 1 start, 2 run, 3 stop, 4 fault, 5 error

  assign state = u_scheduler.state_q;

  always_comb begin
    all_to_give = '0;
    all_older_to_give = '0;
    all_to_take = '0;
    all_older_to_take = '0;
    for (int unsigned u = 0; u < UsedUnits; u++) begin
      all_to_give = all_to_give + to_give_q[u];
      all_older_to_give = all_older_to_give + older_to_give[u];
      all_to_take = all_to_take + to_take_q[u];
      all_older_to_take = all_older_to_take + older_to_take[u];
    end
  end

  // The semaphore once more, by what units give and take.
  sum_t expected_q, expected_d;
  always_comb begin
    expected_d = expected_q + SumWidth'(decoder_gives) - SumWidth'(decoder_takes && grant[Decoder]);
    for (int unsigned u = 0; u < UsedUnits; u++) begin
      expected_d = expected_d + given[u] - taken[u];
    end
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear) expected_q <= '0;
    else expected_q <= expected_d;
  end

  `ASSERT(CountedByUnits, !sound_q || count == expected_q)
  `ASSERT(SoundWhileRunning, sound_q || u_scheduler.overflow_q != '0 || !(state inside {3'd1, 3'd2, 3'd3}))
  `ASSERT(TokensInRange, tokens_q <= MaxCount)
  `ASSERT(TokensOfTheProgram, expected_q + all_to_give == tokens_q + all_to_take)
  `ASSERT(
      OlderOnesLeaveEnough,
      !sound_q || !follow_q || granted != '0 || needs_q == '0 || count + all_older_to_give >= all_older_to_take + SumWidth'(needs_q))
  `ASSERT(FollowedMayTake, !follow_q || needs_q == '0 || taker_q == unit_q)
  `ASSERT(FollowedInAUnit, !follow_q || 32'(unit_q) < UsedUnits)

endmodule

// The instructions of one unit that are not done, as the scheduler holds them, and the tokens they are to give and take.
module deadlock_unit
  import sched_pkg::*;
#(
    parameter int unsigned QueueDepth = 2,
    parameter int unsigned InFlight = 2,
    parameter int unsigned SumWidth = 8,
    parameter sem_id_t Sem = '0,
    localparam int unsigned QueuePtrWidth = QueueDepth > 1 ? $clog2(QueueDepth) : 1,
    localparam int unsigned FlightPtrWidth = InFlight > 1 ? $clog2(InFlight) : 1,
    localparam int unsigned QueueCountWidth = $clog2(QueueDepth + 1),
    localparam int unsigned FlightCountWidth = $clog2(InFlight + 1)
) (
    input logic                               clk_i,
    input logic                               rst_ni,
    input logic                               clear_i,
    input logic                               done_i,
    input logic                               issue_i,
    input fetched_t                           issued_i,
    input logic                               stage_valid_i,
    input fetched_t                           staged_i,
    input logic                               starts_i,
    input logic                               follow_i,
    input logic                               own_i,
    input logic [1:0] needs_i,
    input logic                               accept_i,
    input logic                               has_waited_i,
    input logic                               presented_i,
    input in_flight_t                         finished_i,
    input logic                               grant_i,
    input entry_t                             queue_i        [QueueDepth],
    input logic          [ QueuePtrWidth-1:0] queue_rd_i,
    input logic          [ QueuePtrWidth-1:0] queue_wr_i,
    input logic          [QueueCountWidth-1:0] queue_count_i,
    input in_flight_t                         flight_i       [  InFlight],
    input logic          [FlightPtrWidth-1:0] flight_rd_i,
    input logic          [FlightPtrWidth-1:0] flight_wr_i,
    input logic          [FlightCountWidth-1:0] flight_count_i,

    output logic            queued_o,
    output logic            flying_o,
    output logic            leaves_o,         // the followed instruction is taken by the unit
    output logic            granted_o,        // and has its semaphores
    output logic            older_o,          // an older one of this unit is not done
    output logic [SumWidth-1:0] issued_gives_o,  // tokens of the semaphore, in this cycle
    output logic [SumWidth-1:0] issued_takes_o,
    output logic [SumWidth-1:0] given_o,
    output logic [SumWidth-1:0] taken_o,
    input logic [SumWidth-1:0] to_give_i,  // and in all of a unit's instructions
    input logic [SumWidth-1:0] to_take_i,
    output logic [SumWidth-1:0] older_to_give_o,
    output logic [SumWidth-1:0] older_to_take_o
);

  localparam int unsigned NumPlaces = InFlight + QueueDepth + 1;
  typedef logic [3:0] pos_t;  // 0 is the oldest
  typedef logic [SumWidth-1:0] sum_t;

  pos_t older_q, flying, queued;
  entry_t head;

  assign flying = pos_t'(flight_count_i);
  assign queued = pos_t'(queue_count_i);
  assign head = queue_i[queue_rd_i];
  assign flying_o = flying != '0;
  assign queued_o = queued != '0;

  // --- every place that may hold one, and how many are older than it -----------------------------------------------------
  logic [NumPlaces-1:0] held, may_take;
  pos_t [NumPlaces-1:0] position;
  sem_id_t [NumPlaces-1:0][1:0] sigs, waits;

  for (genvar i = 0; i < InFlight; i++) begin : gen_flight
    logic [FlightPtrWidth-1:0] age;
    assign age = FlightPtrWidth'(i) - flight_rd_i;
    assign position[i] = pos_t'(age);
    assign held[i] = position[i] < flying;
    assign sigs[i] = {flight_i[i].sig1, flight_i[i].sig0};
    assign waits[i] = '0;
    assign may_take[i] = 1'b0;
  end

  for (genvar i = 0; i < QueueDepth; i++) begin : gen_queue
    logic [QueuePtrWidth-1:0] age;
    assign age = QueuePtrWidth'(i) - queue_rd_i;
    assign position[InFlight+i] = flying + pos_t'(age);
    assign held[InFlight+i] = pos_t'(age) < queued;
    assign sigs[InFlight+i] = {queue_i[i].sig1, queue_i[i].sig0};
    assign waits[InFlight+i] = {queue_i[i].wait1, queue_i[i].wait0};
    assign may_take[InFlight+i] = held[InFlight+i] && !(age == '0 && has_waited_i);
  end

  assign position[NumPlaces-1] = flying + queued;
  assign held[NumPlaces-1] = stage_valid_i;
  assign sigs[NumPlaces-1] = {staged_i.sig1, staged_i.sig0};
  assign waits[NumPlaces-1] = {staged_i.wait1, staged_i.wait0};
  assign may_take[NumPlaces-1] = stage_valid_i;

  // --- counters ----------------------------------------------------------------------------------------------------------
  sum_t older_to_give_q, older_to_take_q;
  logic granted_ahead, done_ahead;

  assign done_ahead = done_i && older_q != '0;
  assign granted_ahead = grant_i && own_i && older_q > flying;
  assign older_o = older_q != '0;
  assign leaves_o = own_i && accept_i && older_q == flying;
  assign granted_o = own_i && older_q == flying && queued_o && has_waited_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) older_q <= '0;
    else if (starts_i) older_q <= flying + queued + pos_t'(stage_valid_i) - pos_t'(done_i);
    else if (done_ahead) older_q <= older_q - pos_t'(1);
  end

  sum_t issued_gives, issued_takes, done_gives, head_takes;
  assign issued_gives = issue_i ? sum_t'(issued_i.sig0 == Sem) + sum_t'(issued_i.sig1 == Sem) : '0;
  assign issued_takes = issue_i ? sum_t'(issued_i.wait0 == Sem) + sum_t'(issued_i.wait1 == Sem) : '0;
  assign done_gives = done_i ? sum_t'(finished_i.sig0 == Sem) + sum_t'(finished_i.sig1 == Sem) : '0;
  assign head_takes = grant_i ? sum_t'(head.wait0 == Sem) + sum_t'(head.wait1 == Sem) : '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) begin
      older_to_give_q <= '0;
      older_to_take_q <= '0;
    end else begin
      if (starts_i) begin
        older_to_give_q <= to_give_i - done_gives;
        older_to_take_q <= to_take_i - head_takes;
      end else begin
        if (done_ahead) older_to_give_q <= older_to_give_q - done_gives;
        if (granted_ahead) older_to_take_q <= older_to_take_q - head_takes;
      end
    end
  end

  sum_t give_sum, older_give_sum, take_sum, older_take_sum;
  always_comb begin
    give_sum = '0;
    older_give_sum = '0;
    take_sum = '0;
    older_take_sum = '0;
    for (int unsigned i = 0; i < NumPlaces; i++) begin
      for (int unsigned j = 0; j < 2; j++) begin
        if (held[i] && sigs[i][j] == Sem) begin
          give_sum = give_sum + sum_t'(1);
          if (position[i] < older_q) older_give_sum = older_give_sum + sum_t'(1);
        end
        if (may_take[i] && waits[i][j] == Sem) begin
          take_sum = take_sum + sum_t'(1);
          if (position[i] < older_q) older_take_sum = older_take_sum + sum_t'(1);
        end
      end
    end
  end

  `ASSERT(ToGiveHeld, to_give_i == give_sum)
  `ASSERT(ToTakeHeld, to_take_i == take_sum)
  `ASSERT(OlderToGiveHeld, !follow_i || older_to_give_q == older_give_sum)
  `ASSERT(OlderToTakeHeld, !own_i || older_to_take_q == older_take_sum)

  assign issued_gives_o = issued_gives;
  assign issued_takes_o = issued_takes;
  assign given_o = done_gives;
  assign taken_o = head_takes;
  assign older_to_give_o = older_to_give_q;
  assign older_to_take_o = own_i ? older_to_take_q : '0;

  // --- where the followed one is -----------------------------------------------------------------------------------------
  logic followed_held;
  logic [1:0] followed_needs;
  always_comb begin
    followed_held  = 1'b0;
    followed_needs = '0;
    for (int unsigned i = InFlight; i < NumPlaces; i++) begin
      if (held[i] && position[i] == older_q) begin
        followed_held  = 1'b1;
        followed_needs = 2'(waits[i][0] == Sem) + 2'(waits[i][1] == Sem);
      end
    end
  end

  `ASSERT(FollowedInPlace, !own_i || (followed_held && followed_needs == needs_i))
  `ASSERT(OlderOnesNotInStage, !follow_i || older_q <= flying + queued)
  `ASSERT(
      PointersFollow,
      queue_wr_i == QueuePtrWidth'(queue_rd_i + QueuePtrWidth'(queue_count_i)) && flight_wr_i == FlightPtrWidth'(flight_rd_i + FlightPtrWidth'(flight_count_i)))
  `ASSERT(WaitedIsHead, !has_waited_i || (queued_o && {head.wait1, head.wait0} != '0))
  `ASSERT(
      ShownIsReady,
      !presented_i || (queued_o && ({head.wait1, head.wait0} != '0) == has_waited_i && 32'(flying) < InFlight))

endmodule

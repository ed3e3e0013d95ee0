// 32 counters of 6 bits that order instructions of different units; number 0 is "none".
//
// A peer (a unit queue or the decoder) asks for up to two semaphores at once and is granted when both are above zero
// (above one, if it names the same twice); the lowest peer that can be served gets its grant, one a cycle. Any number of
// peers gives up to two each in a cycle. Changes are seen in the next cycle. Giving beyond 63 is an overflow: the counter
// stays at 63 and overflow_o tells which peers gave to it.
`include "assert.svh"

module semaphores
  import sched_pkg::*;
(
    input  logic clk_i,
    input  logic rst_ni,
    input  logic clear_i,

    input  logic    [NumPeers-1:0]      take_req_i,
    input  sem_id_t [NumPeers-1:0][1:0] take_sem_i,
    output logic    [NumPeers-1:0]      take_gnt_o,

    input  logic    [NumPeers-1:0]      give_valid_i,
    input  sem_id_t [NumPeers-1:0][1:0] give_sem_i,
    output logic    [NumPeers-1:0]      overflow_o
);

  localparam int unsigned CountWidth = 6;
  localparam int unsigned SumWidth = CountWidth + 1;
  localparam logic [CountWidth-1:0] MaxCount = '1;
  localparam int unsigned NumSems = pimllm_pkg::NumSems;

  localparam int unsigned GiveWidth = $clog2(2 * NumPeers + 1);

  logic [CountWidth-1:0] count_q[NumSems];
  logic [NumSems-1:0] some, several;  // a counter is above zero, above one
  logic [NumSems-1:0] over;
  logic [SumWidth-1:0] sum[NumSems];
  logic [GiveWidth-1:0] gives;
  sem_id_t take0, take1;
  logic granted, active;

  // --- takes -----------------------------------------------------------------------------------------------------------
  always_comb begin
    for (int unsigned s = 0; s < NumSems; s++) begin
      some[s] = count_q[s] != '0;
      several[s] = count_q[s] > CountWidth'(1);
    end
  end

  always_comb begin
    take_gnt_o = '0;
    take0 = '0;
    take1 = '0;
    granted = 1'b0;
    if (take_req_i != '0) begin
      for (int unsigned p = 0; p < NumPeers; p++) begin
        if (take_req_i[p] && !granted &&
            (take_sem_i[p][0] == '0 || some[take_sem_i[p][0]]) &&
            (take_sem_i[p][1] == '0 ||
             (take_sem_i[p][1] == take_sem_i[p][0] ? several[take_sem_i[p][1]] : some[take_sem_i[p][1]])))
        begin
          take_gnt_o[p] = 1'b1;
          granted = 1'b1;
          take0 = take_sem_i[p][0];
          take1 = take_sem_i[p][1];
        end
      end
    end
  end

  // --- counters --------------------------------------------------------------------------------------------------------
  assign active = granted || give_valid_i != '0;

  always_comb begin
    over = '0;
    overflow_o = '0;
    gives = '0;
    for (int unsigned s = 0; s < NumSems; s++) sum[s] = SumWidth'(count_q[s]);
    if (active) begin
      for (int unsigned s = 1; s < NumSems; s++) begin
        gives = '0;
        for (int unsigned p = 0; p < NumPeers; p++) begin
          for (int unsigned i = 0; i < 2; i++) begin
            gives = gives + GiveWidth'(give_valid_i[p] && give_sem_i[p][i] == sem_id_t'(s));
          end
        end
        sum[s] = sum[s] + SumWidth'(gives) - SumWidth'(take0 == sem_id_t'(s)) - SumWidth'(take1 == sem_id_t'(s));
        over[s] = sum[s] > SumWidth'(MaxCount);
      end
      for (int unsigned p = 0; p < NumPeers; p++) begin
        overflow_o[p] = give_valid_i[p] && (over[give_sem_i[p][0]] || over[give_sem_i[p][1]]);
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) begin
      for (int unsigned s = 0; s < NumSems; s++) count_q[s] <= '0;
    end else if (active) begin
      for (int unsigned s = 1; s < NumSems; s++) count_q[s] <= over[s] ? MaxCount : sum[s][CountWidth-1:0];
    end
  end

  `ASSERT(OneGrant, $onehot0(take_gnt_o))
  `ASSERT(GrantAsked, (take_gnt_o & ~take_req_i) == '0)
  `ASSERT(NoneIsNeverTaken, !granted || take0 != '0 || take1 != '0)
  `COVER(SeveralAsk, $countones(take_req_i) > 1)
  `COVER(TakenAsGiven, granted && give_valid_i != '0)
  `COVER(SameTwice, granted && take0 == take1)
  `COVER(Overflow, overflow_o != '0)

endmodule

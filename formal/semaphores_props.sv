// Tokens are conserved, never taken where there are none, and an overflow is always told to those who gave. Shown for
// the first and the last semaphore, whose logic is that of all others, and for every peer.
`include "assert.svh"

module semaphores_props
  import sched_pkg::*;
#(
    parameter int unsigned CountWidth = 6,
    parameter int unsigned NumSems = 32
) (
    input logic                            clk_i,
    input logic                            rst_ni,
    input logic                            clear_i,
    input logic    [  NumPeers-1:0]        take_req_i,
    input sem_id_t [  NumPeers-1:0][1:0]   take_sem_i,
    input logic    [  NumPeers-1:0]        take_gnt_o,
    input logic    [  NumPeers-1:0]        give_valid_i,
    input sem_id_t [  NumPeers-1:0][1:0]   give_sem_i,
    input logic    [  NumPeers-1:0]        overflow_o,
    input logic    [CountWidth-1:0]        count_q     [NumSems]
);

  localparam int unsigned SumWidth = CountWidth + 1;
  localparam logic [SumWidth-1:0] MaxCount = SumWidth'(2 ** CountWidth - 1);

  localparam sem_id_t [1:0] Sem = {sem_id_t'(NumSems - 1), sem_id_t'(1)};

  logic [1:0][SumWidth-1:0] expected_q, sum;
  logic [1:0][1:0] takes;
  logic [1:0] over;
  logic [NumPeers-1:0] servable, flagged, expected;

  // No peer asks for nothing: unit_queue and sched_core ask when they name a semaphore only.
  for (genvar p = 0; p < NumPeers; p++) begin : gen_contract
    `ASSUME(AsksForSomething, !take_req_i[p] || take_sem_i[p] != '0)
  end

  for (genvar k = 0; k < 2; k++) begin : gen_sem
    always_comb begin
      sum[k] = SumWidth'(count_q[Sem[k]]);
      takes[k] = '0;
      for (int unsigned p = 0; p < NumPeers; p++) begin
        for (int unsigned i = 0; i < 2; i++) begin
          sum[k] = sum[k] + SumWidth'(give_valid_i[p] && give_sem_i[p][i] == Sem[k]);
          takes[k][i] = takes[k][i] || (take_gnt_o[p] && take_sem_i[p][i] == Sem[k]);
        end
      end
      sum[k] = sum[k] - SumWidth'(takes[k][0]) - SumWidth'(takes[k][1]);
    end

    assign over[k] = sum[k] > MaxCount;

    always_ff @(posedge clk_i) begin
      if (!rst_ni || clear_i) expected_q[k] <= '0;
      else expected_q[k] <= over[k] ? MaxCount : sum[k];
    end

    `ASSERT(Conserved, SumWidth'(count_q[Sem[k]]) == expected_q[k])
    `ASSERT(NoUnderflow, SumWidth'(takes[k][0]) + SumWidth'(takes[k][1]) <= SumWidth'(count_q[Sem[k]]))
  end

  always_comb begin
    for (int unsigned p = 0; p < NumPeers; p++) begin
      servable[p] = take_req_i[p] && (take_sem_i[p][0] == '0 || count_q[take_sem_i[p][0]] != '0) &&
          (take_sem_i[p][1] == '0 || count_q[take_sem_i[p][1]] != '0) &&
          (take_sem_i[p][0] != take_sem_i[p][1] || take_sem_i[p][0] == '0 || count_q[take_sem_i[p][0]] > 1);
      // The flag is compared for peers that give to just those two.
      flagged[p] = overflow_o[p] && give_sem_i[p] == Sem;
      expected[p] = give_valid_i[p] && give_sem_i[p] == Sem && over != '0;
    end
  end

  `ASSERT(LowestServableIsServed, take_gnt_o == (servable & (~servable + 1'b1)))
  `ASSERT(OverflowFlagExact, flagged == expected)
  `ASSERT(NoneIsEmpty, count_q[0] == '0)

endmodule

bind semaphores semaphores_props #(
    .CountWidth(CountWidth),
    .NumSems(NumSems)
) u_props (.*);

// The rows of the array with all that feeds and reads them: operand B of each row, and the sums of a stage.
//
// S0 (adv_i): what the stages do. S1, a cycle later: operand A (a_i) and the words of the banks (bank_i) meet in the MACs.
// S2: the sums of the stage named by read_stage_i in the cycle before are on sums_o, those of row r on sums_o[r mod
// GroupBanks]; north feed reads a row, else a row group; what is not read is zero. Throughput a step and a stage a cycle.
// Operand B of a row that works is one of these, and the others are zero: the word of its bank group or of another one that
// may feed the group, what the same row of the group above had (multicast), what the row above had (north feed). Row 0 chooses
// any bank.
// Contract: all stages in S0 are of the same feed, heads and pairs, while S1 may still work on a last step of another kind;
// a_i is zero for rows that had no use_i.
`include "assert.svh"

module array_grid
  import array_pkg::*;
#(
    parameter int unsigned ArrayRows = 4,
    parameter int unsigned ArrayCols = 4,
    parameter int unsigned GroupBanks = 2,
    parameter bit GateForm = 1'b0,
    localparam int unsigned Groups = ArrayRows / GroupBanks,
    localparam int unsigned BankWidth = $clog2(ArrayRows)
) (
    input  logic                                  clk_i,
    input  logic                                  rst_ni,
    // S0
    input  logic                                  adv_i,
    input  logic                                  step_i,
    input  logic                                  north_i,
    input  logic                                  pair_i,
    input  logic [HeadLgWidth-1:0]                lg_heads_i,
    input  logic [Groups-1:0][StageWidth-1:0]     phase_i,  // turn of the bank groups
    input  logic [BankWidth-1:0]                  north_bank_i,  // that the step of row 0 reads in north feed
    input  logic [ArrayRows-1:0]                  use_i,
    input  logic [ArrayRows-1:0]                  clear_i,
    // S1
    input  logic signed [8:0]                     a_i[ArrayRows],
    input  logic [ArrayRows-1:0][8*ArrayCols-1:0] bank_i,
    input  logic                                  read_i,
    input  logic                                  read_north_i,
    input  logic [StageWidth-1:0]                 read_stage_i,
    // S2
    output logic [ArrayCols-1:0][31:0]            sums_o[GroupBanks]
);

  localparam int unsigned LgGroups = $clog2(Groups);
  localparam int unsigned MaxLg = LgGroups < MaxHeadLg ? LgGroups : MaxHeadLg;

  typedef logic [ArrayCols-1:0][7:0] word_t;
  typedef logic [StageWidth-1:0] stage_t;
  typedef logic [LgGroups-1:0] group_t;

  // Bank groups that may feed group g: its own, as the lead of 2^l heads, as a head of a pair.
  function automatic logic [Groups-1:0] sources(int unsigned g);
    logic [Groups-1:0] found;
    found = '0;
    for (int unsigned k = 0; k < Groups; k++) begin
      found[k] = k == g;
      for (int unsigned l = 1; l <= MaxLg; l++) begin
        if ((g & ((1 << l) - 1)) == 0 || l == 1) found[k] = found[k] || (k & ((Groups >> l) - 1)) == g >> l;
      end
    end
    return found;
  endfunction

  logic [ArrayRows-1:0] active_q, clear_q, read_q;
  logic step_q, north_q;
  logic [HeadLgWidth-1:0] lg_multicast;  // heads that share a bank group
  logic [Groups-1:0][LgGroups-1:0] source;  // bank group that feeds a group: tile of the fold + turn
  logic [BankWidth-1:0] edge_bank_q;  // of row 0, whose group leads its heads
  word_t operand_b[ArrayRows];
  word_t below[ArrayRows];  // for the row below, zero but in north feed
  logic [ArrayCols-1:0][31:0] row_acc[ArrayRows];

  assign lg_multicast = pair_i ? '0 : lg_heads_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      active_q <= '0;
      clear_q <= '0;
      step_q <= 1'b0;
    end else begin
      active_q <= use_i;
      clear_q <= clear_i;
      step_q <= adv_i && step_i;
    end
    if (adv_i) begin
      north_q <= north_i;
      edge_bank_q <= north_i ? north_bank_i : BankWidth'(GroupBanks) * BankWidth'(source[0]);
    end
  end

  for (genvar g = 0; g < Groups; g++) begin : gen_group
    localparam int unsigned FirstRow = g * GroupBanks;
    localparam logic [Groups-1:0] Sources = sources(g);
    logic fed, fed_q;  // by the group above (multicast)
    logic [Groups-1:0] source_q;  // one bit at most: none where a row above feeds this one

    assign fed = !north_i && (stage_t'(g) & ((stage_t'(1) << lg_multicast) - stage_t'(1))) != '0;

    always_comb begin
      source[g] = group_t'(g);
      for (int unsigned l = 1; l <= MaxLg; l++) begin
        if (lg_heads_i == HeadLgWidth'(l)) begin
          source[g] = group_t'(g >> l) + group_t'((phase_i[g] ^ stage_t'(pair_i && g % 2 == 1)) << (LgGroups - l));
        end
      end
    end

    always_ff @(posedge clk_i) begin
      if (adv_i) begin
        fed_q <= fed;
        for (int unsigned k = 0; k < Groups; k++) source_q[k] <= source[g] == group_t'(k) && !north_i && !fed;
      end
    end

    `ASSERT(Fed, !active_q[FirstRow] || north_q || source_q != '0 || fed_q)
    `ASSERT(SourceIsWired, !step_q || (source_q & ~Sources) == '0)

    for (genvar i = 0; i < GroupBanks; i++) begin : gen_row
      localparam int unsigned Row = FirstRow + i;

      if (Row == 0) begin : gen_edge
        assign operand_b[Row] = bank_i[edge_bank_q];
      end else begin : gen_inner
        word_t row_above, group_above;

        assign row_above = below[Row-1];

        if (g > 0) begin : gen_group_above
          word_t group_above_q;
          always_ff @(posedge clk_i) begin
            if (adv_i && step_i && !fed) group_above_q <= '0;
            else if (step_q && fed_q) group_above_q <= operand_b[Row-GroupBanks];
          end
          assign group_above = group_above_q;
        end else begin : gen_first_group
          assign group_above = '0;
        end

        // What does not feed is zero.
        always_comb begin
          operand_b[Row] = row_above | group_above;
          for (int unsigned k = 0; k < Groups; k++) begin
            if (Sources[k] && source_q[k]) operand_b[Row] = operand_b[Row] | bank_i[k*GroupBanks+i];
          end
        end
        `ASSERT(BankAlone, !active_q[Row] || source_q == '0 || (row_above == '0 && group_above == '0))
        `ASSERT(OneRowAbove, !active_q[Row] || row_above == '0 || group_above == '0)
      end

      array_row #(
          .ArrayCols(ArrayCols),
          .GateForm (GateForm)
      ) u_row (
          .clk_i,
          .rst_ni,
          .clr_i   (clear_q[Row]),
          .active_i(active_q[Row]),
          .shift_i (step_q && north_q),
          .drop_i  (adv_i && step_i && !north_i),
          .a_i     (a_i[Row]),
          .b_i     (operand_b[Row]),
          .below_o (below[Row]),
          .read_i  (read_q[Row]),
          .acc_o   (row_acc[Row])
      );
    end
  end

  for (genvar r = 0; r < ArrayRows; r++) begin : gen_read
    always_ff @(posedge clk_i) begin
      if (!rst_ni) read_q[r] <= 1'b0;
      else read_q[r] <= read_i && read_stage_i == (read_north_i ? stage_t'(r) : stage_t'(r / GroupBanks));
    end
  end

  // Rows that are not read are zero already; asking spares simulation their sums.
  always_comb begin
    for (int unsigned i = 0; i < GroupBanks; i++) sums_o[i] = '0;
    for (int unsigned r = 0; r < ArrayRows; r++) begin
      if (read_q[r]) sums_o[r%GroupBanks] = sums_o[r%GroupBanks] | row_acc[r];
    end
  end

  `ASSERT_INIT(BanksFillRows, GroupBanks > 0 && Groups * GroupBanks == ArrayRows)
  `ASSERT_INIT(MoreGroupsThanOne, Groups > 1)

endmodule

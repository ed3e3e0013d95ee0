// Exact sum over the lanes and over the chunks of a vector: of int32 values or of squares of 16-bit values; and one that
// is kept over instructions.
//
// A chunk a cycle; sum_o is there, and done_o set until clear_i, three cycles after the last chunk.
`include "assert.svh"

module vector_sum_tree #(
    parameter int unsigned VecLanes = 4,
    localparam int unsigned SumWidth = 48
) (
    input  logic                       clk_i,
    input  logic                       rst_ni,
    input  logic                       clear_i,  // done_o = 0
    input  logic                       valid_i,
    input  logic                       keep_i,
    input  logic                       first_i,
    input  logic                       last_i,
    input  logic signed [31:0]         value_i[VecLanes],
    output logic                       busy_o,
    output logic                       done_o,
    output logic signed [SumWidth-1:0] sum_o,
    input  logic                       kept_clear_i,
    output logic signed [SumWidth-1:0] kept_o
);

  localparam int unsigned Part = VecLanes < 8 ? VecLanes : 8;
  localparam int unsigned Parts = VecLanes / Part;
  localparam int unsigned PartWidth = 32 + $clog2(Part);
  localparam int unsigned WholeWidth = 32 + $clog2(VecLanes);

  logic valid1_q, valid2_q, keep1_q, keep2_q, first1_q, first2_q, last1_q, last2_q;
  logic signed [PartWidth-1:0] part_d[Parts];
  logic signed [PartWidth-1:0] part_q[Parts];
  logic signed [WholeWidth-1:0] whole_d, whole_q;

  always_comb begin
    for (int unsigned i = 0; i < Parts; i++) begin
      part_d[i] = '0;
      if (valid_i) begin
        for (int unsigned k = 0; k < Part; k++) part_d[i] = part_d[i] + PartWidth'(value_i[i*Part+k]);
      end
    end
  end

  always_comb begin
    whole_d = '0;
    if (valid1_q) begin
      for (int unsigned i = 0; i < Parts; i++) whole_d = whole_d + WholeWidth'(part_q[i]);
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid1_q <= 1'b0;
      valid2_q <= 1'b0;
    end else begin
      valid1_q <= valid_i;
      valid2_q <= valid1_q;
    end
  end

  always_ff @(posedge clk_i) begin
    if (valid_i) begin
      part_q <= part_d;
      keep1_q <= keep_i;
      first1_q <= first_i;
      last1_q <= last_i;
    end
    if (valid1_q) begin
      whole_q <= whole_d;
      keep2_q <= keep1_q;
      first2_q <= first1_q;
      last2_q <= last1_q;
    end
    if (valid2_q && !keep2_q) sum_o <= (first2_q ? $signed(SumWidth'(0)) : sum_o) + SumWidth'(whole_q);
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) done_o <= 1'b0;
    else if (valid2_q && !keep2_q && last2_q) done_o <= 1'b1;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || kept_clear_i) kept_o <= '0;
    else if (valid2_q && keep2_q) kept_o <= kept_o + SumWidth'(whole_q);
  end

  assign busy_o = valid1_q || valid2_q;

  `ASSERT_INIT(LanesPowerOfTwo, VecLanes >= 2 && (VecLanes & (VecLanes - 1)) == 0)
  `ASSERT(NotPastTheEnd, !valid2_q || keep2_q || first2_q || !done_o)

endmodule

// A run of any number of uses goes through base + i * stride; if its first and its last address lie in the bank, so do all
// between. Strides may be negative.
`include "assert.svh"

module bank_addr_gen_props #(
    parameter int unsigned AddrWidth = 6,
    parameter int unsigned UseWidth = 4,
    parameter int unsigned Rows = 48
) (
    input logic                 clk_i,
    input logic                 rst_ni,
    input logic                 use_i,
    input logic                 load_i,
    input logic [AddrWidth-1:0] base_i,
    input logic [AddrWidth-1:0] stride_i,
    input logic [ UseWidth-1:0] uses_i     // of the run that load_i begins
);

  localparam int unsigned WideWidth = AddrWidth + UseWidth + 1;
  typedef logic signed [WideWidth-1:0] wide_t;

  logic [AddrWidth-1:0] addr, base_q, base, stride_q;
  logic [UseWidth-1:0] uses_q, uses, index_q, index;
  wide_t exact, last;
  logic running_q;

  bank_addr_gen #(
      .AddrWidth(AddrWidth)
  ) u_gen (
      .clk_i,
      .use_i,
      .load_i,
      .base_i,
      .stride_i,
      .addr_o(addr)
  );

  assign base = load_i ? base_i : base_q;
  assign uses = load_i ? uses_i : uses_q;
  assign index = load_i ? '0 : index_q;

  function automatic wide_t address(input logic [AddrWidth-1:0] from, input logic [UseWidth-1:0] i,
                                    input logic [AddrWidth-1:0] stride);
    return wide_t'($signed({1'b0, from})) + wide_t'($signed({1'b0, i})) * wide_t'($signed(stride));
  endfunction

  assign exact = address(base, index, stride_i);
  assign last = address(base, uses - 1'b1, stride_i);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) running_q <= 1'b0;
    else if (use_i) running_q <= 1'b1;
  end

  always_ff @(posedge clk_i) begin
    if (use_i) begin
      base_q <= base;
      uses_q <= uses;
      index_q <= index + 1'b1;
      stride_q <= stride_i;
    end
  end

  `ASSUME(RunBegins, !use_i || running_q || load_i)
  `ASSUME(StrideStays, !use_i || load_i || stride_i == stride_q)
  `ASSUME(NoMoreUses, !use_i || index < uses)
  `ASSUME(EndsInBank, !use_i || (wide_t'($signed({1'b0, base})
          ) < wide_t'(Rows) && last >= 0 && last < wide_t'(Rows)))

  `ASSERT(AddressExact, !use_i || addr == AddrWidth'(exact))
  `ASSERT(InBank, !use_i || (exact >= 0 && 32'(addr) < Rows))

  // Inductive: what the generator will give next, if the run goes on.
  `ASSERT(NextExact, !running_q || u_gen.next_q == AddrWidth'(address(base_q, index_q, stride_q)))

endmodule

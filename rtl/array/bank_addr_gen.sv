// Address generator of one KV bank: base, then base + stride, base + 2 * stride, ...
//
// addr_o is valid in the cycle of use_i: the base while load_i is high, else the address of the last use plus the stride
// (two's complement, so it may be negative) of that use. Addresses wrap modulo 2^AddrWidth. An indirect mode (addresses
// from a table, for product-quantised KV) is reserved: it will choose addr_o in place of the base.
`include "assert.svh"

module bank_addr_gen #(
    parameter int unsigned AddrWidth = 16
) (
    input  logic                 clk_i,
    input  logic                 use_i,
    input  logic                 load_i,
    input  logic [AddrWidth-1:0] base_i,
    input  logic [AddrWidth-1:0] stride_i,
    output logic [AddrWidth-1:0] addr_o
);

  logic [AddrWidth-1:0] next_q;

  assign addr_o = load_i ? base_i : next_q;

  always_ff @(posedge clk_i) begin
    if (use_i) next_q <= addr_o + stride_i;
  end

  `ASSERT_INIT(WidthPositive, AddrWidth > 0)

endmodule

// Multiply-accumulate: acc += a * b, modulo 2^32, with a synchronous clear.
//
// Operand A is 9 bits signed: a signed or an unsigned byte, extended by the caller. B is a signed byte. A step is held
// back with a = 0: there is no enable, because no FPGA family packs both clear and enable into its DSP block. active_i
// low promises a = 0 and lets Verilator skip the sum; other tools do not see it.
// Latency one cycle, throughput one product a cycle. The accumulator has no reset: it is cleared before it is used.
// GateForm = 0 is the idiom that packs into one DSP block (iCE40, Xilinx: no LUT, no FF); GateForm = 1 sign-extends the
// product explicitly, which is the smaller one in gates. Both compute the same.
module mac #(
    parameter bit GateForm = 1'b0,
    localparam int unsigned AWidth = 9,
    localparam int unsigned BWidth = 8,
    localparam int unsigned AccWidth = 32
) (
    input  logic                     clk_i,
    input  logic                     clr_i,
    input  logic                     active_i,
    input  logic signed [AWidth-1:0] a_i,
    input  logic signed [BWidth-1:0] b_i,
    output logic [AccWidth-1:0]      acc_o
);

  localparam int unsigned ProductWidth = AWidth + BWidth;

  logic signed [AccWidth-1:0] acc_q;

  function automatic logic signed [AccWidth-1:0] add_product(
      logic signed [AccWidth-1:0] augend, logic signed [AWidth-1:0] a, logic signed [BWidth-1:0] b);
    logic signed [ProductWidth-1:0] product;
    if (GateForm) begin
      product = a * b;
      return augend + {{(AccWidth - ProductWidth) {product[ProductWidth-1]}}, product};
    end
    return augend + AccWidth'(a) * AccWidth'(b);
  endfunction

`ifdef VERILATOR
  always_ff @(posedge clk_i) begin
    if (clr_i) acc_q <= '0;
    else if (active_i) acc_q <= add_product(acc_q, a_i, b_i);
  end
`else
  logic unused_active;
  assign unused_active = active_i;

  always_ff @(posedge clk_i) begin
    if (clr_i) acc_q <= '0;
    else acc_q <= add_product(acc_q, a_i, b_i);
  end
`endif

  assign acc_o = acc_q;

endmodule

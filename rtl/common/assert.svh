// Assertion macros, empty in synthesis. Written so that Verilator 5.006 and Yosys' slang front end accept them:
// EXPR is a boolean over $past, $stable, $rose, $onehot0, ...; an implication is written !(a) || b.
`ifndef PIMLLM_ASSERT_SVH
`define PIMLLM_ASSERT_SVH

`ifdef SYNTHESIS
`define ASSERT(Name, Expr)
`define ASSERT_STABLE(Name, Valid, Ready, Payload)
`define ASSERT_INIT(Name, Expr)
`define COVER(Name, Expr)
`define ASSUME(Name, Expr)
`else
// Holds in every cycle out of reset.
`define ASSERT(Name, Expr) \
  Name : assert property (@(posedge clk_i) disable iff (!rst_ni) (Expr)) \
  else $error("%m: %s", `"Expr`");

// The ready/valid contract: once valid, valid and payload stay until taken.
`define ASSERT_STABLE(Name, Valid, Ready, Payload) \
  Name : assert property (@(posedge clk_i) disable iff (!rst_ni) \
      (!($past(rst_ni) && $past(Valid) && !$past(Ready)) || ((Valid) && $stable(Payload)))) \
  else $error("%m: valid or payload changed before ready");

// Holds at elaboration, for parameters.
`define ASSERT_INIT(Name, Expr) \
  if (!(Expr)) begin : gen_fail_``Name \
    $error("%m: %s", `"Expr`"); \
  end

`define COVER(Name, Expr) Name : cover property (@(posedge clk_i) disable iff (!rst_ni) (Expr));
`define ASSUME(Name, Expr) Name : assume property (@(posedge clk_i) disable iff (!rst_ni) (Expr));
`endif

`endif

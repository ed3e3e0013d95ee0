// The decoder hands an instruction to the operand stage unchanged until it is taken, opens loops only where there is room
// and a turn to take, and executes nothing that has an error. ifetch keeps an instruction until it is taken (job ifetch).
`include "assert.svh"

module sched_core_props
  import sched_pkg::*;
#(
    localparam int unsigned RegWidth = pimllm_pkg::RegWidth,
    localparam int unsigned NumRegs = 32
) (
    input logic                             clk_i,
    input logic                             rst_ni,
    input logic                             run_i,
    input logic                             instr_valid_i,
    input logic                             instr_ready_o,
    input logic [pimllm_pkg::InstrBits-1:0] instr_i,
    input logic [PcWidth-1:0]               instr_pc_i,
    input logic                             instr_error_i,
    input isa_pkg::instr_sched_t            sch,
    input logic [RegWidth-1:0]              rs,
    input logic [RegWidth-1:0]              product,
    input logic [RegWidth-1:0]              regs_q[NumRegs],
    input logic [NumRegs-1:0]               nonzero_q
);

  `ASSUME(InstrStable, !($past(rst_ni) && $past(run_i && instr_valid_i && !instr_ready_o)
          ) || !run_i || (instr_valid_i && $stable({instr_i, instr_pc_i, instr_error_i})))
  // 16 by 32 bits fit into 48; the product itself is left out.
  `ASSUME(ProductOfFactors, (product == '0) == (rs[15:0] == '0 || sch.imm[31:0] == '0))

  for (genvar r = 0; r < NumRegs; r++) begin : gen_registers
    `ASSERT(NonzeroIsTold, !nonzero_q[r] || regs_q[r] != '0)
  end

endmodule

bind sched_core sched_core_props u_props (.*);

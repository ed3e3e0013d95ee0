// Decoder: executes scheduler instructions itself, one a cycle, and hands unit instructions to the operand stage.
//
// 32 registers of 48 bits, r0 = 0; all read 0 after clear_i. A taken branch or jump, and the way back in a loop, cost one
// cycle more. WAIT, CSRW and ARGMAX wait for their semaphore, SYNC and HALT for idle units. An instruction with an error
// is not executed: error_o stays up with its cause until clear_i.
`include "assert.svh"

module sched_core
  import sched_pkg::*;
  import isa_pkg::*;
(
    input  logic clk_i,
    input  logic rst_ni,
    input  logic clear_i,
    input  logic run_i,

    input  logic                             instr_valid_i,
    output logic                             instr_ready_o,
    input  logic [pimllm_pkg::InstrBits-1:0] instr_i,
    input  logic [PcWidth-1:0]               instr_pc_i,
    input  logic                             instr_error_i,
    output logic                             redirect_valid_o,
    output logic [PcWidth-1:0]               redirect_pc_o,

    output logic     unit_valid_o,
    input  logic     unit_ready_i,
    output fetched_t unit_o,
    input  logic     units_idle_i,  // all of them, their queues and the operand stage

    output logic    take_req_o,
    output sem_id_t take_sem_o,
    input  logic    take_gnt_i,
    output logic    give_valid_o,
    output sem_id_t give_sem_o,

    input  logic [31:0]                          token_in_i,
    input  logic [31:0]                          position_i,
    input  logic [31:0]                          tokens_left_i,
    input  logic [3:0][pimllm_pkg::RegWidth-1:0] args_i,
    input  logic [31:0]                          argmax_id_i,
    output logic                                 csr_we_o,
    output csr_e                                 csr_o,
    output logic [31:0]                          csr_data_o,

    output logic   halt_o,  // in the cycle in which HALT is complete
    output logic   error_o,
    output error_e error_code_o,

    output logic issue_o,        // an instruction is complete
    output logic queue_stall_o,
    output logic token_stall_o
);

  localparam int unsigned RegWidth = pimllm_pkg::RegWidth;
  localparam int unsigned NumRegs = 32;
  localparam int unsigned ShiftWidth = $clog2(RegWidth);

  typedef logic [RegWidth-1:0] reg_t;

  instr_unit_t uni;
  instr_sched_t sch;
  opcode_e opcode;
  logic [UnitIdWidth-1:0] unit;
  logic is_unit;

  assign uni = instr_unit_t'(instr_i);
  assign sch = instr_sched_t'(instr_i);
  assign opcode = opcode_e'(uni.opcode);
  assign unit = unit_of(opcode);
  assign is_unit = unit < UnitIdWidth'(NumUnits);

  // --- registers: nonzero_q makes those not written since the start read 0, and answers branches without a read -------------
  reg_t regs_q[NumRegs];
  logic [NumRegs-1:0] nonzero_q;
  logic rd_we, rd_nonzero, rs_zero;
  reg_t rd_data, rs, rt;

  assign rs_zero = !nonzero_q[sch.rs];
  assign rs = rs_zero ? '0 : regs_q[sch.rs];
  assign rt = nonzero_q[sch.rt] ? regs_q[sch.rt] : '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) begin
      nonzero_q <= '0;
    end else if (rd_we && sch.rd != '0) begin
      nonzero_q[sch.rd] <= rd_nonzero;
    end
  end

  always_ff @(posedge clk_i) begin
    if (rd_we) regs_q[sch.rd] <= rd_data;
  end

  // --- unit instructions -----------------------------------------------------------------------------------------------
  logic count_names_register;

  assign count_names_register = uni.mode[6] && unit != UnitIdWidth'(Vec);

  always_comb begin
    unit_o = '0;
    if (instr_valid_i && is_unit) begin
      unit_o.pc = instr_pc_i[TracePcWidth-1:0];
      unit_o.unit = unit;
      unit_o.wait1 = uni.wait1;
      unit_o.wait0 = uni.wait0;
      unit_o.sig1 = uni.sig1;
      unit_o.sig0 = uni.sig0;
      unit_o.opcode = opcode;
      unit_o.mode = uni.mode;
      unit_o.count = 16'(uni.count);
      if (count_names_register) unit_o.count = nonzero_q[uni.count[4:0]] ? 16'(regs_q[uni.count[4:0]]) : '0;
      unit_o.a0_base = nonzero_q[uni.a0_reg] ? 16'(regs_q[uni.a0_reg]) : '0;
      unit_o.a0_off = uni.a0_off;
      unit_o.a1_base = nonzero_q[uni.a1_reg] ? regs_q[uni.a1_reg] : '0;
      unit_o.a1_off = uni.a1_off;
      unit_o.a2_base = nonzero_q[uni.a2_reg] ? 16'(regs_q[uni.a2_reg]) : '0;
      unit_o.a2_off = uni.a2_off;
      unit_o.s0_base = nonzero_q[uni.s0_reg] ? 16'(regs_q[uni.s0_reg]) : '0;
      unit_o.s0_off = uni.s0_off;
      unit_o.s1_base = nonzero_q[uni.s1_reg] ? 16'(regs_q[uni.s1_reg]) : '0;
      unit_o.s1_off = uni.s1_off;
      unit_o.s2_base = nonzero_q[uni.s2_reg] ? regs_q[uni.s2_reg] : '0;
      unit_o.s2_off = uni.s2_off;
      unit_o.pos = nonzero_q[1] ? 16'(regs_q[1]) : '0;
    end
  end

  // --- scheduler instructions --------------------------------------------------------------------------------------------
  logic work;  // there is an instruction that may be executed
  logic wait_token, wait_idle, jump, bad_operand, bad_nesting, illegal;
  logic [PcWidth-1:0] target, pc_next;
  logic writes_rd, multiplies, writes_csr, opens_loop, skips_loop, push_loop, gives;
  logic loop_full, loop_jump;
  logic [PcWidth-1:0] loop_target;
  reg_t product, result;

  assign work = run_i && instr_valid_i && !instr_error_i;
  assign pc_next = instr_pc_i + 1'b1;
  assign product = 48'(rs[15:0]) * 48'(sch.imm[31:0]);

  // The product comes late, so whether it is 0 is told by its factors.
  assign multiplies = opcode == OpMuli;
  assign rd_data = multiplies ? product : result;
  assign rd_nonzero = multiplies ? rs[15:0] != '0 && sch.imm[31:0] != '0 : result != '0;

  always_comb begin
    result = '0;
    writes_rd = 1'b0;
    writes_csr = 1'b0;
    wait_token = 1'b0;
    wait_idle = 1'b0;
    jump = 1'b0;
    target = instr_pc_i + sch.imm[PcWidth-1:0];
    opens_loop = 1'b0;
    skips_loop = 1'b0;
    bad_operand = 1'b0;
    bad_nesting = 1'b0;
    illegal = 1'b0;
    gives = 1'b0;
    if (work && !is_unit) begin
      unique case (opcode)
        OpNop: begin
        end
        OpHalt, OpSync: wait_idle = 1'b1;
        OpLi: begin
          writes_rd = 1'b1;
          result = sch.imm;
        end
        OpAddi: begin
          writes_rd = 1'b1;
          result = rs + sch.imm;
        end
        OpAdd: begin
          writes_rd = 1'b1;
          result = rs + rt;
        end
        OpSub: begin
          writes_rd = 1'b1;
          result = rs - rt;
        end
        OpShli: begin
          writes_rd = 1'b1;
          result = sch.imm < RegWidth'(RegWidth) ? rs << sch.imm[ShiftWidth-1:0] : '0;
        end
        OpShri: begin
          writes_rd = 1'b1;
          result = sch.imm < RegWidth'(RegWidth) ? rs >> sch.imm[ShiftWidth-1:0] : '0;
        end
        OpAndi: begin
          writes_rd = 1'b1;
          result = rs & sch.imm;
        end
        OpMuli: writes_rd = 1'b1;
        OpMin: begin
          writes_rd = 1'b1;
          result = rs < rt ? rs : rt;
        end
        OpCsrr: begin
          writes_rd = 1'b1;
          unique case (sch.imm)
            RegWidth'(CsrTokenIn): result = RegWidth'(token_in_i);
            RegWidth'(CsrPosition): result = RegWidth'(position_i);
            RegWidth'(CsrTokensLeft): result = RegWidth'(tokens_left_i);
            RegWidth'(CsrArg0), RegWidth'(CsrArg1), RegWidth'(CsrArg2), RegWidth'(CsrArg3):
            result = args_i[sch.imm[1:0]];
            default: bad_operand = 1'b1;
          endcase
        end
        OpCsrw: begin
          wait_token = 1'b1;
          writes_csr = 1'b1;
          bad_operand = !(sch.imm inside {RegWidth'(CsrTokenOut), RegWidth'(CsrPosition), RegWidth'(CsrTokensLeft)});
        end
        OpLoop: begin
          opens_loop = !rs_zero;
          skips_loop = rs_zero;
          target = pc_next + sch.imm[PcWidth-1:0];
          bad_operand = sch.imm == '0;
          bad_nesting = !rs_zero && loop_full;
        end
        OpBeqz: jump = rs_zero;
        OpBnez: jump = !rs_zero;
        OpJump: jump = 1'b1;
        OpWait: wait_token = 1'b1;
        OpPost: gives = 1'b1;
        OpArgmax: begin
          wait_token = 1'b1;
          writes_rd = 1'b1;
          result = RegWidth'(argmax_id_i);
        end
        default: illegal = 1'b1;
      endcase
    end
  end

  assign error_o = run_i && instr_valid_i && (instr_error_i || illegal || bad_operand || bad_nesting);
  always_comb begin
    error_code_o = ErrNone;
    if (instr_error_i) error_code_o = ErrBusFetch;
    else if (illegal) error_code_o = ErrIllegalOpcode;
    else if (bad_operand) error_code_o = ErrBadOperand;
    else if (bad_nesting) error_code_o = ErrLoopNesting;
  end

  assign take_req_o = wait_token && sch.wait0 != '0 && !bad_operand;
  assign take_sem_o = sch.wait0;
  assign token_stall_o = (take_req_o && !take_gnt_i) || (wait_idle && !units_idle_i);
  assign unit_valid_o = work && is_unit;
  assign queue_stall_o = unit_valid_o && !unit_ready_i;

  assign issue_o = work && !error_o && !token_stall_o && !queue_stall_o;
  assign instr_ready_o = issue_o;
  assign halt_o = issue_o && opcode == OpHalt;
  assign rd_we = issue_o && writes_rd;
  assign csr_we_o = issue_o && writes_csr;
  assign csr_o = csr_e'(sch.imm[3:0]);
  assign csr_data_o = rs[31:0];
  assign give_valid_o = issue_o && gives;
  assign give_sem_o = sch.sig;
  assign push_loop = issue_o && opens_loop;

  loop_stack u_loops (
      .clk_i,
      .rst_ni,
      .clear_i,
      .push_i(push_loop),
      .first_i(pc_next),
      .last_i(instr_pc_i + sch.imm[PcWidth-1:0]),
      .count_i(rs),
      .full_o(loop_full),
      .step_i(issue_o && !jump),
      .skip_i(skips_loop),  // a skipped body may end an outer one
      .pc_i(instr_pc_i),
      .jump_o(loop_jump),
      .target_o(loop_target)
  );

  assign redirect_valid_o = issue_o && (jump || skips_loop || (loop_jump && !push_loop));
  assign redirect_pc_o = loop_jump && !jump ? loop_target : target;

  logic unused;
  assign unused = ^{sch.reserved11, sch.reserved21, sch.reserved41, sch.opcode};

  `ASSERT(RegisterZeroReadsZero, !nonzero_q[0])
  `ASSERT(ErrorIsNotIssued, !(issue_o && error_o))
  `ASSERT(ErrorNamed, !error_o || error_code_o != ErrNone)
  `ASSERT(GrantWanted, !take_gnt_i || take_req_o)
  `ASSERT(NoIssueWithoutInstruction, !issue_o || instr_valid_i)
  `ASSERT(OneStallReason, !(queue_stall_o && token_stall_o))
  // An instruction that waits for the operand stage stays; the end of a run takes it back.
  `ASSERT(UnitStable, !($past(rst_ni) && $past(unit_valid_o) && !$past(unit_ready_i) && !$past(clear_i)
          ) || !run_i || (unit_valid_o && $stable(unit_o)))
  `COVER(QueueFull, queue_stall_o)
  `COVER(TokenMissing, token_stall_o)
  `COVER(LoopSkipped, issue_o && skips_loop)
  `COVER(LoopsFull, loop_full)

endmodule

// Second half of a dispatch: adds offsets to the registers, checks local addresses and counts, and pushes the command.
//
// One instruction a cycle; waits while the queue of the unit is full. An instruction with an error is not pushed: error_o
// stays up with its cause until clear_i. Addresses are checked as far as their base goes; units check what they reach.
`include "assert.svh"

module operand_stage
  import sched_pkg::*;
  import isa_pkg::*;
#(
    parameter int unsigned ChannelBytes = 16,
    parameter int unsigned KvRows = 512,
    parameter int unsigned ActWords = 512,
    parameter int unsigned ScrWords = 256,
    parameter int unsigned KvsWords = 128,
    parameter int unsigned SclWords = 256
) (
    input  logic clk_i,
    input  logic rst_ni,
    input  logic clear_i,
    output logic idle_o,

    input  logic     valid_i,
    output logic     ready_o,
    input  fetched_t fetched_i,

    output logic   [NumUnits-1:0] push_valid_o,
    input  logic   [NumUnits-1:0] push_ready_i,
    output entry_t                push_entry_o,

    output logic                    error_o,
    output error_e                  error_code_o,
    output logic [TracePcWidth-1:0] error_pc_o
);

  localparam int unsigned ChannelShift = $clog2(ChannelBytes);
  localparam int unsigned LimitWidth = pimllm_pkg::LocalAddrWidth + 1;

  logic valid_q;
  fetched_t x_q;
  pimllm_pkg::unit_cmd_t cmd;
  space_e a0_space, a1_space, a2_space, s0_space, s1_space, s2_space;
  logic bad_address, no_count, legal, pushed;

  function automatic logic beyond(input space_e space, input logic [15:0] addr);
    unique case (space)
      SpaceAct: return LimitWidth'(addr) >= LimitWidth'(ActWords);
      SpaceScr: return LimitWidth'(addr) >= LimitWidth'(2 * ScrWords);
      SpaceKvs: return LimitWidth'(addr) >= LimitWidth'(KvsWords);
      SpaceScl: return LimitWidth'(addr) >= LimitWidth'(SclWords);
      SpaceKv:  return LimitWidth'(addr) >= LimitWidth'(KvRows);
      default:  return 1'b0;
    endcase
  endfunction

  assign ready_o = !valid_q || pushed;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) begin
      valid_q <= 1'b0;
    end else if (ready_o) begin
      valid_q <= valid_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (ready_o && valid_i) x_q <= fetched_i;
  end

  // --- operands ----------------------------------------------------------------------------------------------------------
  always_comb begin
    cmd = '{
        pc: x_q.pc,
        opcode: x_q.opcode,
        mode: x_q.mode,
        count: x_q.count,
        a0: x_q.a0_base,
        a1: x_q.a1_base,
        a2: x_q.a2_base,
        s0: x_q.s0_base,
        s1: x_q.s1_base,
        s2: x_q.s2_base,
        pos: x_q.pos
    };
    if (valid_q) begin
      cmd.a0 = x_q.a0_base + 16'(x_q.a0_off);
      cmd.a1 = x_q.a1_base +
          (x_q.unit == UnitIdWidth'(Dma) ? 48'(x_q.a1_off) << ChannelShift : 48'(x_q.a1_off));
      cmd.a2 = x_q.a2_base + 16'(x_q.a2_off);
      cmd.s0 = x_q.s0_base + 16'(x_q.s0_off);
      cmd.s1 = x_q.s1_base + 16'(x_q.s1_off);
      cmd.s2 = x_q.s2_base + 48'(x_q.s2_off);
    end
  end

  // --- where they point --------------------------------------------------------------------------------------------------
  always_comb begin
    a0_space = SpaceNone;
    a1_space = SpaceNone;
    a2_space = SpaceNone;
    s0_space = SpaceNone;
    s1_space = SpaceNone;
    s2_space = SpaceNone;
    unique case (x_q.opcode)
      OpLoadt, OpStoret: a0_space = SpaceKv;
      OpLoadl, OpStorel: begin
        unique case (x_q.mode[1:0])
          2'd0: a0_space = SpaceAct;
          2'd1: a0_space = SpaceScr;
          2'd2: a0_space = SpaceKvs;
          2'd3: a0_space = SpaceScl;
          default: a0_space = SpaceNone;
        endcase
      end
      OpXbar: begin
        a0_space = SpaceAct;
        a1_space = SpaceAct;
      end
      OpXprog: a0_space = SpaceAct;
      OpQk, OpPv: begin
        a0_space = SpaceScr;
        a1_space = SpaceKv;
        a2_space = SpaceScr;
        if (x_q.mode[2]) s1_space = SpaceKv;
      end
      OpSoftmax, OpSmaxscan: begin
        a0_space = SpaceScr;
        if (x_q.opcode == OpSoftmax) a1_space = SpaceScr;
        a2_space = SpaceKvs;
        s0_space = SpaceScl;
        s1_space = SpaceScl;
        if (x_q.mode[2]) s2_space = SpaceKvs;
      end
      OpNorm: begin
        a0_space = SpaceAct;
        a1_space = SpaceAct;
        a2_space = x_q.mode[1] ? SpaceScr : SpaceAct;
        s0_space = SpaceScl;
        s1_space = SpaceScl;
        s2_space = SpaceScl;
      end
      OpQuant: begin
        a0_space = SpaceAct;
        if (x_q.mode[1:0] != '0) a1_space = SpaceAct;
        s0_space = SpaceScl;
        s1_space = SpaceScl;
        unique case (x_q.mode[3:2])
          2'd0: begin
            a2_space = SpaceAct;
            s2_space = SpaceScl;
          end
          2'd1: begin
            a2_space = SpaceScr;
            s2_space = SpaceScl;
          end
          2'd2, 2'd3: begin
            a2_space = SpaceKv;
            s2_space = SpaceKvs;
          end
          default: a2_space = SpaceNone;
        endcase
      end
      OpJoin: begin
        a0_space = SpaceScr;
        a2_space = SpaceAct;
        s0_space = SpaceScl;
      end
      OpResadd, OpActfn: begin
        a0_space = SpaceAct;
        if (x_q.opcode == OpResadd ? x_q.mode[0] : x_q.mode[3:2] != '0) a1_space = SpaceAct;
        a2_space = SpaceAct;
        s0_space = SpaceScl;
        s1_space = SpaceScl;
        s2_space = SpaceScl;
      end
      OpEmbed: begin
        a0_space = SpaceAct;
        if (x_q.mode[0]) a1_space = SpaceAct;
        a2_space = SpaceAct;
        s0_space = SpaceScl;
        s2_space = SpaceScl;
      end
      OpLogit: begin
        a0_space = SpaceScr;
        a1_space = SpaceAct;
        a2_space = SpaceAct;
        s0_space = SpaceScl;
      end
      default: a0_space = SpaceNone;
    endcase
  end

  always_comb begin
    bad_address = 1'b0;
    no_count = 1'b0;
    if (valid_q) begin
      bad_address = beyond(a0_space, cmd.a0) || beyond(a1_space, cmd.a1[15:0]) || beyond(a2_space, cmd.a2) ||
          beyond(s0_space, cmd.s0) || beyond(s1_space, cmd.s1) || beyond(s2_space, cmd.s2[15:0]);
      no_count = x_q.unit != UnitIdWidth'(Dma) && x_q.count == '0;
    end
  end

  assign legal = valid_q && !bad_address && !no_count;
  assign error_o = valid_q && !legal;
  assign error_code_o = no_count ? ErrIllegalOpcode : ErrBadAddress;
  assign error_pc_o = x_q.pc;
  assign idle_o = !valid_q;

  always_comb begin
    push_valid_o = '0;
    pushed = 1'b0;
    for (int unsigned u = 0; u < NumUnits; u++) begin
      if (x_q.unit == UnitIdWidth'(u)) begin
        push_valid_o[u] = legal;
        pushed = legal && push_ready_i[u];
      end
    end
  end

  assign push_entry_o = '{wait1: x_q.wait1, wait0: x_q.wait0, sig1: x_q.sig1, sig0: x_q.sig0, cmd: cmd};

  `ASSERT_INIT(
      SpacesAddressable,
      ActWords <= 65536 && 2 * ScrWords <= 65536 && KvsWords <= 65536 && SclWords <= 65536 && KvRows <= 65536)
  `ASSERT_STABLE(PushStable, push_valid_o != '0, (push_valid_o & push_ready_i) != '0 || clear_i, {
                 push_valid_o, push_entry_o})
  `ASSERT(OneQueue, $onehot0(push_valid_o))
  `ASSERT(UnitExists, !valid_q || x_q.unit < UnitIdWidth'(NumUnits))
  `ASSERT(ErrorStays, !($past(rst_ni) && $past(error_o) && !$past(clear_i)) || error_o)

endmodule

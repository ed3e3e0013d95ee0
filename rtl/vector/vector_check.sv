// Refuses instructions of the vector unit with illegal operands or local addresses beyond their space. Combinational.
`include "assert.svh"

module vector_check
  import pimllm_pkg::*;
  import vector_pkg::*;
#(
    parameter int unsigned VecLanes = 4,
    parameter int unsigned ArrayCols = 4,
    parameter int unsigned ChannelBytes = 8,
    parameter int unsigned KvRows = 512,
    parameter int unsigned ActWords = 512,
    parameter int unsigned ScrWords = 256,
    parameter int unsigned KvsWords = 128,
    parameter int unsigned SclWords = 256
) (
    /* verilator lint_off UNUSEDSIGNAL */  // a part of the fields concerns each piece
    input  unit_cmd_t cmd_i,
    /* verilator lint_on UNUSEDSIGNAL */
    output logic      bad_operand_o,
    output logic      bad_address_o
);

  localparam int unsigned EndWidth = 26;  // ends of spans, in words or bytes
  localparam int unsigned LaneShift = $clog2(VecLanes);
  localparam int unsigned WordShift = $clog2(4 * ArrayCols);
  localparam int unsigned HalfShift = $clog2(2 * ArrayCols);
  localparam int unsigned RowShift = $clog2(ChannelBytes / ArrayCols);
  localparam logic [EndWidth-1:0] ActEnd = EndWidth'(ActWords);
  localparam logic [EndWidth-1:0] SclEnd = EndWidth'(SclWords);
  localparam logic [EndWidth-1:0] KvsEnd = EndWidth'(KvsWords);
  localparam logic [EndWidth-1:0] KvEnd = EndWidth'(KvRows);
  localparam logic [EndWidth-1:0] ScrEnd = EndWidth'(ScrWords) << WordShift;  // bytes

  typedef logic [EndWidth-1:0] end_t;

  logic [2:0] lg;
  logic pairs, one_group, uses_a1, uses_s2, scr_odd, wide;
  end_t count, quads, heads, a0, a1, a2, s0, s1, s2, scr_count;
  logic bad_act, bad_scr, bad_scl, bad_kv;

  assign lg = cmd_i.mode[6:4];
  assign one_group = lg == OneGroup;
  assign pairs = cmd_i.opcode == isa_pkg::OpQuant && cmd_i.mode[3];
  assign count = end_t'(cmd_i.count);
  assign quads = (count + end_t'(3)) >> 2;
  assign heads = one_group ? end_t'(1) : count >> lg;
  assign a0 = end_t'(cmd_i.a0);
  assign a1 = end_t'(cmd_i.a1[15:0]);
  assign a2 = end_t'(cmd_i.a2);
  assign s0 = end_t'(cmd_i.s0);
  assign s1 = end_t'(cmd_i.s1);
  assign s2 = end_t'(cmd_i.s2[15:0]);
  assign scr_count = count << LaneShift;  // elements
  assign scr_odd = cmd_i.a0[0];

  always_comb begin
    bad_operand_o = cmd_i.count == '0;
    bad_act = 1'b0;
    bad_scr = 1'b0;
    bad_scl = s0 >= SclEnd;
    bad_kv = 1'b0;
    uses_a1 = 1'b0;
    uses_s2 = 1'b1;
    unique case (cmd_i.opcode)
      isa_pkg::OpNorm: begin
        uses_a1 = 1'b1;
        bad_act = a0 + count > ActEnd || a1 + (count << cmd_i.mode[0]) > ActEnd ||
            (!cmd_i.mode[1] && a2 + quads > ActEnd);
        bad_scr = cmd_i.mode[1] && (a2 << HalfShift) + scr_count > ScrEnd;
        bad_scl = bad_scl || s1 + end_t'(2) >= SclEnd || s2 >= SclEnd;
      end
      isa_pkg::OpQuant: begin
        uses_a1 = cmd_i.mode[1:0] == AuxBias || cmd_i.mode[1:0] == AuxRope;
        bad_operand_o = bad_operand_o || (cmd_i.mode[1:0] == AuxKnown && !one_group) || (!one_group && (heads << lg) != count) ||
            (one_group && cmd_i.mode[3]);
        bad_act = a0 + count > ActEnd ||
            (cmd_i.mode[1:0] == AuxBias && a1 + count > ActEnd) ||
            (cmd_i.mode[1:0] == AuxRope && a1 + (one_group ? count : end_t'(1) << lg) > ActEnd);
        bad_scl = bad_scl || s1 >= SclEnd;
        unique case (quant_dest_e'(cmd_i.mode[3:2]))
          QuantQuery: begin
            bad_scr = (a2 << HalfShift) + scr_count > ScrEnd;
            bad_scl = bad_scl || s2 + (heads << 3) > SclEnd + end_t'(7);
          end
          QuantKey, QuantValue: begin
            bad_kv = a2 + ((scr_count << 1) >> RowShift) > KvEnd || s2 + (heads << 1) > KvsEnd;
            bad_scl = bad_scl || (cmd_i.mode[2] && s1 + heads >= SclEnd);
          end
          default: begin
            bad_act = bad_act || a2 + quads > ActEnd;
            bad_scl = bad_scl || s2 + heads > SclEnd;
          end
        endcase
      end
      isa_pkg::OpJoin: begin
        uses_s2 = 1'b0;
        bad_operand_o = bad_operand_o || one_group || (heads << lg) != count || scr_odd;
        bad_act = a2 + count > ActEnd;
        bad_scr = (a0 << HalfShift) + (scr_count << 3) + (cmd_i.mode[0] ? scr_count << 2 : '0) > ScrEnd;
        bad_scl = bad_scl || s0 + (heads << 3) > SclEnd + end_t'(7);
      end
      isa_pkg::OpResadd: begin
        uses_a1 = cmd_i.mode[0];
        bad_act = a0 + count > ActEnd || a2 + count > ActEnd || (uses_a1 && a1 + count > ActEnd);
        bad_scl = bad_scl || s1 >= SclEnd || s2 >= SclEnd;
      end
      isa_pkg::OpActfn: begin
        uses_a1 = cmd_i.mode[2] || cmd_i.mode[3];
        bad_operand_o = bad_operand_o || (cmd_i.mode[4] && cmd_i.mode[2]) ||
            (cmd_i.mode[3] && (cmd_i.mode[2] || act_e'(cmd_i.mode[1:0]) == Relu2));
        bad_act = a0 + count > ActEnd || a2 + count > ActEnd || (uses_a1 && a1 + count > ActEnd);
        bad_scl = bad_scl || s1 + end_t'(cmd_i.mode[2]) >= SclEnd || s2 >= SclEnd;
      end
      isa_pkg::OpEmbed: begin
        uses_a1 = cmd_i.mode[0];
        bad_act = a0 + quads > ActEnd || a2 + count > ActEnd || (uses_a1 && a1 + count > ActEnd);
        bad_scl = bad_scl || s2 >= SclEnd;
      end
      isa_pkg::OpLogit: begin
        uses_a1 = 1'b1;
        uses_s2 = 1'b0;
        bad_operand_o = bad_operand_o || scr_odd;
        bad_act = a1 + count > ActEnd || a2 + count > ActEnd;
        bad_scr = (a0 << HalfShift) + (scr_count << 2) > ScrEnd;
      end
      default: bad_operand_o = 1'b1;
    endcase
    wide = (uses_a1 && cmd_i.a1[47:16] != '0) ||
        (uses_s2 && (cmd_i.s2[47:17] != '0 || (cmd_i.s2[PairBit] && !pairs)));
    bad_address_o = bad_act || bad_scr || bad_scl || bad_kv || wide;
  end

  `ASSERT_INIT(LanesPowerOfTwo, VecLanes >= 2 && (VecLanes & (VecLanes - 1)) == 0)
  `ASSERT_INIT(ColsPowerOfTwo, ArrayCols >= 4 && (ArrayCols & (ArrayCols - 1)) == 0)

endmodule

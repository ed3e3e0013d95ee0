// Takes finished chunks and writes them: int32 or bytes to ACT, bytes to SCR, columns and rows of the open KV tile.
//
// Chunks come in the order of the vector, so the position is counted here. A chunk takes one write, a K chunk
// VecLanes / GroupBanks (one a row of the tile). A buffer of three chunks; room_next_o says, without a look at the
// grants, that one more fits in the next cycle: with two, a chunk a cycle would not. While hold_i is up the instruction
// before is still written: what it needs of its command is kept here, and nothing new has room.
`include "assert.svh"

module vector_output
  import pimllm_pkg::*;
  import vector_pkg::*;
#(
    parameter int unsigned VecLanes = 4,
    parameter int unsigned ArrayCols = 4,
    parameter int unsigned ChannelBytes = 8,
    parameter int unsigned Groups = 2,
    parameter int unsigned KvRows = 512,
    parameter int unsigned ActWords = 512,
    parameter int unsigned ScrWords = 256,
    localparam int unsigned GroupWidth = Groups > 1 ? $clog2(Groups) : 1,
    localparam int unsigned ActBytes = 4 * VecLanes,
    localparam int unsigned ScrBytes = 4 * ArrayCols
) (
    input  logic                        clk_i,
    input  logic                        rst_ni,
    input  logic                        start_i,  // of an instruction's chunks; its command is there from the next cycle on
    input  logic                        hold_i,
    /* verilator lint_off UNUSEDSIGNAL */  // a part of the fields concerns each piece
    input  unit_cmd_t                   cmd_i,
    /* verilator lint_on UNUSEDSIGNAL */
    input  dest_e                       dest_i,
    input  logic [15:0]                 head_mask_i,
    input  logic                        push_i,
    input  logic [31:0]                 data_i[VecLanes],
    output logic                        busy_o,
    output logic                        room_next_o,

    output logic                        act_wr_req_o,
    output logic [$clog2(ActWords)-1:0] act_wr_addr_o,
    output logic [8*ActBytes-1:0]       act_wr_data_o,
    output logic [ActBytes-1:0]         act_wr_be_o,
    input  logic                        act_wr_gnt_i,
    output logic                        scr_wr_req_o,
    output logic [$clog2(ScrWords)-1:0] scr_wr_addr_o,
    output logic [8*ScrBytes-1:0]       scr_wr_data_o,
    output logic [ScrBytes-1:0]         scr_wr_be_o,
    input  logic                        scr_wr_gnt_i,
    output logic                        kva_req_o,
    output logic [GroupWidth-1:0]       kva_group_o,
    output logic [$clog2(KvRows)-1:0]   kva_addr_o,
    output logic [8*ChannelBytes-1:0]   kva_data_o,
    output logic [ChannelBytes-1:0]     kva_be_o,
    input  logic                        kva_gnt_i
);

  localparam int unsigned GroupBanks = ChannelBytes / ArrayCols;
  localparam int unsigned KeyRows = VecLanes / GroupBanks;  // rows of a K tile in a chunk
  localparam int unsigned KeyRowWidth = KeyRows > 1 ? $clog2(KeyRows) : 1;
  localparam int unsigned KeyShift = $clog2(KeyRows);
  localparam int unsigned LaneShift = $clog2(VecLanes);
  localparam int unsigned ColWidth = $clog2(ArrayCols);
  localparam int unsigned HalfShift = $clog2(2 * ArrayCols);
  localparam int unsigned ScrShift = $clog2(ScrBytes);
  localparam int unsigned BeatShift = $clog2(ChannelBytes);
  localparam int unsigned ScrCopies = ScrBytes / VecLanes;
  localparam int unsigned KvCopies = ChannelBytes / VecLanes;
  localparam int unsigned AddrWidth = 24;  // byte addresses
  localparam int unsigned Depth = 3;  // chunks in the buffer
  localparam logic [1:0] LastEntry = 2'(Depth - 1);

  logic valid, gnt, last_write, pop;
  logic [1:0] used_q;
  logic [1:0] in_q, out_q;  // entry written, read next
  logic [31:0] word[VecLanes];
  logic [8*VecLanes-1:0] bytes;
  logic [15:0] chunk_q;
  logic [KeyRowWidth-1:0] row_q;
  logic bytes_out;
  dest_e dest_q;
  logic [15:0] head_mask_q, base_q, pos_q;
  logic pairs_q;

  always_ff @(posedge clk_i) begin
    if (!hold_i) begin
      dest_q <= dest_i;
      head_mask_q <= head_mask_i;
      base_q <= cmd_i.a2;
      pos_q <= cmd_i.pos;
      pairs_q <= cmd_i.s2[PairBit];
    end
  end

  assign bytes_out = dest_q != DestAct;
  assign valid = used_q != '0;
  assign act_wr_req_o = valid && (dest_q == DestAct || dest_q == DestActBytes);
  assign scr_wr_req_o = valid && dest_q == DestScrBytes;
  assign kva_req_o = valid && (dest_q == DestKey || dest_q == DestValue);
  assign gnt = (act_wr_req_o && act_wr_gnt_i) || (scr_wr_req_o && scr_wr_gnt_i) || (kva_req_o && kva_gnt_i);
  assign last_write = dest_q != DestKey || row_q == KeyRowWidth'(KeyRows - 1);
  assign pop = gnt && last_write;
  assign busy_o = valid;
  assign room_next_o = !hold_i && 32'(used_q) + 32'(push_i) < Depth;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      used_q <= '0;
      in_q <= '0;
      out_q <= '0;
      row_q <= '0;
    end else begin
      used_q <= used_q + 2'(push_i) - 2'(pop);
      if (push_i) in_q <= in_q == LastEntry ? '0 : in_q + 2'd1;
      if (pop) out_q <= out_q == LastEntry ? '0 : out_q + 2'd1;
      if (gnt) row_q <= last_write ? '0 : row_q + 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (start_i) chunk_q <= '0;
    else if (pop) chunk_q <= chunk_q + 16'd1;
  end

  for (genvar i = 0; i < VecLanes; i++) begin : gen_data
    logic [Depth-1:0][31:0] word_q;
    always_ff @(posedge clk_i) begin
      for (int unsigned e = 0; e < Depth; e++) begin
        if (push_i && in_q == 2'(e)) word_q[e] <= data_i[i];
      end
    end
    assign word[i] = word_q[out_q];
    assign bytes[8*i+:8] = word[i][7:0];
  end

  // --- ACT ---
  assign act_wr_addr_o = $clog2(ActWords)'(base_q + (bytes_out ? chunk_q >> 2 : chunk_q));
  assign act_wr_be_o = bytes_out ? ActBytes'({VecLanes{1'b1}}) << {chunk_q[1:0], LaneShift'(0)} : '1;

  always_comb begin
    act_wr_data_o = '0;
    if (act_wr_req_o) begin
      act_wr_data_o = {4{bytes}};
      if (!bytes_out) begin
        for (int unsigned i = 0; i < VecLanes; i++) act_wr_data_o[32*i+:32] = word[i];
      end
    end
  end

  // --- SCR ---
  logic [AddrWidth-1:0] scr_byte;
  assign scr_byte = (AddrWidth'(base_q) << HalfShift) + (AddrWidth'(chunk_q) << LaneShift);
  assign scr_wr_addr_o = $clog2(ScrWords)'(scr_byte >> ScrShift);
  assign scr_wr_be_o = ScrBytes'({VecLanes{1'b1}}) << scr_byte[ScrShift-1:0];

  always_comb begin
    scr_wr_data_o = '0;
    if (scr_wr_req_o) scr_wr_data_o = {ScrCopies{bytes}};
  end

  // --- KV: rows are counted from the head's K tile; its V tile follows ---
  logic [ColWidth-1:0] column;
  logic [15:0] in_head, head_chunk, row;
  logic [AddrWidth-1:0] value_byte;
  assign column = pos_q[ColWidth-1:0];
  // Of kv heads in pairs the second's tiles lie half of the groups further.
  logic second;
  assign second = pairs_q && (chunk_q & (head_mask_q + 16'd1)) != '0;
  assign kva_group_o = GroupWidth'(((pos_q >> ColWidth) + (second ? 16'(Groups / 2) : '0)) % 16'(Groups));
  assign in_head = chunk_q & head_mask_q;
  assign head_chunk = chunk_q - in_head;
  assign value_byte = (AddrWidth'(column) * (AddrWidth'(head_mask_q) + 1'b1) + AddrWidth'(in_head)) << LaneShift;

  always_comb begin
    if (dest_q == DestKey) begin
      row = ((16'(head_chunk << 1) + in_head) << KeyShift) + 16'(row_q);
    end else begin
      row = ((16'(head_chunk << 1) + head_mask_q + 16'd1) << KeyShift) + 16'(value_byte >> BeatShift);
    end
  end
  assign kva_addr_o = $clog2(KvRows)'(base_q + row);

  always_comb begin
    kva_data_o = '0;
    kva_be_o = '0;
    if (kva_req_o) begin
      if (dest_q == DestKey) begin
        for (int unsigned b = 0; b < GroupBanks; b++) begin
          kva_data_o[8*ArrayCols*b+:8*ArrayCols] =
              {ArrayCols{bytes[8*(32'(row_q)*GroupBanks+b)+:8]}};
          kva_be_o[ArrayCols*b+:ArrayCols] = ArrayCols'(1) << column;
        end
      end else begin
        kva_data_o = {KvCopies{bytes}};
        kva_be_o = ChannelBytes'({VecLanes{1'b1}}) << value_byte[BeatShift-1:0];
      end
    end
  end

  `ASSERT_INIT(LanesFitScr, VecLanes <= 2 * ArrayCols)
  `ASSERT_INIT(LanesFitBeat, VecLanes <= ChannelBytes)
  `ASSERT_INIT(LanesFillRows, VecLanes >= GroupBanks)
  `ASSERT(PushWhenFree, !push_i || 32'(used_q) != Depth)
  `ASSERT_STABLE(ActStable, act_wr_req_o, act_wr_gnt_i, act_wr_addr_o)
  `ASSERT_STABLE(ScrStable, scr_wr_req_o, scr_wr_gnt_i, scr_wr_addr_o)
  `ASSERT_STABLE(KvStable, kva_req_o, kva_gnt_i, {kva_group_o, kva_addr_o, kva_be_o})

endmodule

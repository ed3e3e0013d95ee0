// Loader of operand A: reads the scratchpad ahead of the steps and keeps the books of the slots.
//
// Every stage (row group in banked feed, row in north feed) has two slots, used in turn. A slot is claimed when its read
// is granted, loaded two cycles after (fill_* goes to array_feeder in the cycle after the grant), and free again after
// release_i. The loader runs through an instruction in the order in which the stages need it and goes on with the next
// instruction at once; it waits for all slots when the feed changes, because both feeds share the storage.
// Throughput one load a cycle; operands that fit into the two slots are loaded once an instruction.
`include "assert.svh"

module array_loader
  import array_pkg::*;
#(
    parameter int unsigned ArrayRows = 4,
    parameter int unsigned ArrayCols = 4,
    parameter int unsigned GroupBanks = 2,
    parameter int unsigned ScrWords = 256,
    localparam int unsigned Groups = ArrayRows / GroupBanks,
    localparam int unsigned HalfBytes = 2 * ArrayCols,
    localparam int unsigned ScrAddrWidth = $clog2(ScrWords)
) (
    input  logic                           clk_i,
    input  logic                           rst_ni,
    input  logic                           cmd_valid_i,
    /* verilator lint_off UNUSEDSIGNAL */  // a part of the fields concerns each unit
    input  array_cmd_t                     cmd_i,
    /* verilator lint_on UNUSEDSIGNAL */
    output logic                           cmd_pop_o,
    input  logic [1:0][ArrayRows-1:0]      release_i,
    output logic [1:0][ArrayRows-1:0]      loaded_o,
    output logic                           idle_o,
    output logic                           bad_address_o,
    output logic                           rd_req_o,
    output logic [ScrAddrWidth-1:0]        rd_addr_o,
    input  logic                           rd_gnt_i,
    input  logic [2*HalfBytes-1:0][7:0]    rd_data_i,
    output logic [ArrayRows-1:0]           fill_mask_o,
    output logic                           fill_slot_o,
    output logic                           fill_north_o,
    output logic [HalfBytes-1:0][7:0]      fill_data_o
);

  localparam int unsigned HalfAddrWidth = 24;  // a0 + 127 strides
  localparam bit HalfSlot = GroupBanks == 1;  // slots of half a half word in banked feed, too

  // One hot in the targets that head or row h of a fold feeds.
  function automatic logic [ArrayRows-1:0] head_mask(logic [HeadLgWidth-1:0] lg_heads,
                                                     logic [StageWidth-1:0] head);
    logic [ArrayRows-1:0] mask;
    mask = '0;
    for (int unsigned j = 0; j < Groups; j++) begin
      mask[j] = (StageWidth'(j) & ((StageWidth'(1) << lg_heads) - StageWidth'(1))) == head;
    end
    return mask;
  endfunction

  logic [1:0][ArrayRows-1:0] claimed_q, loaded_q;
  logic slot_q, north_q;
  logic [PlaneWidth-1:0] plane_q, plane;
  logic [CountWidth-1:0] sweep_q, segment_q, block_q, tile_q;
  logic [StageWidth-1:0] member_q, head_q, target_q;
  logic [HalfAddrWidth-1:0] stride_q;

  logic nothing, switching, active, take;
  logic head_last, member_last, block_last, segment_last, plane_end, sweep_last, lowest;
  logic [StageWidth-1:0] heads, members;
  logic [CountWidth-1:0] half_block;
  logic [ArrayRows-1:0] mask;
  logic [HalfAddrWidth-1:0] half_addr;
  logic in_range;

  // Loops: plane > sweep > segment > block > member (tile of the fold, or plane in the rows) > head or query row.
  always_comb begin
    heads = StageWidth'(1) << cmd_i.lg_heads;
    members = StageWidth'(1);
    if (cmd_i.north) begin
      heads = cmd_i.rows;
      members = StageWidth'(cmd_i.row_plane_last) + StageWidth'(1);
    end else if (cmd_i.pv) members = segment_last ? cmd_i.tail : cmd_i.full;
  end

  assign head_last = head_q == heads - StageWidth'(1);
  assign member_last = member_q == members - StageWidth'(1);
  assign block_last = block_q == cmd_i.blocks - CountWidth'(1);
  assign segment_last = segment_q == cmd_i.segments - CountWidth'(1);
  // What is kept is loaded once: of three planes the lowest, then the others, which share a half word.
  assign plane_end = cmd_i.keep || sweep_q == cmd_i.sweeps - CountWidth'(1);
  assign sweep_last = plane_end && plane_q == (cmd_i.keep ? PlaneWidth'(cmd_i.three) : cmd_i.plane_last);
  assign plane = cmd_i.north ? plane_q + member_q[PlaneWidth-1:0] : plane_q;
  assign lowest = cmd_i.three && plane == '0;

  always_comb begin
    mask = '0;
    if (cmd_valid_i) begin
      if (!cmd_i.north && !cmd_i.pv) mask = head_mask(cmd_i.lg_heads, head_q);
      else mask[target_q[$clog2(ArrayRows)-1:0]] = 1'b1;
    end
  end

  assign half_block = HalfSlot || cmd_i.north ? block_q >> 1 : block_q;
  assign half_addr = HalfAddrWidth'(cmd_i.a0) + (HalfAddrWidth'(tile_q) << cmd_i.three) + HalfAddrWidth'(lowest) +
                     HalfAddrWidth'(half_block) + stride_q;
  assign in_range = half_addr < HalfAddrWidth'(2 * ScrWords);

  assign nothing = cmd_valid_i && cmd_i.tail == '0;  // PV over no tokens: operands are all absent
  assign switching = cmd_i.north != north_q && claimed_q != '0;
  assign active = cmd_valid_i && !nothing && !switching && (claimed_q[slot_q] & mask) == '0;
  assign bad_address_o = active && !in_range;
  assign rd_req_o = active && in_range;
  assign rd_addr_o = half_addr[ScrAddrWidth:1];
  assign take = rd_req_o && rd_gnt_i;
  assign cmd_pop_o = nothing || (take && head_last && member_last && block_last && segment_last && sweep_last);
  assign idle_o = claimed_q == '0;
  assign loaded_o = loaded_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      slot_q <= 1'b0;
      north_q <= 1'b0;
      plane_q <= '0;
      sweep_q <= '0;
      segment_q <= '0;
      block_q <= '0;
      tile_q <= '0;
      member_q <= '0;
      head_q <= '0;
      target_q <= '0;
      stride_q <= '0;
    end else if (take) begin
      north_q <= cmd_i.north;
      head_q <= head_q + StageWidth'(1);
      target_q <= target_q + StageWidth'(1);
      stride_q <= stride_q + HalfAddrWidth'(cmd_i.a_stride);
      if (head_last) begin
        head_q <= '0;
        stride_q <= '0;
        member_q <= member_q + StageWidth'(1);
        if (cmd_i.pv && (!cmd_i.north || member_last)) tile_q <= tile_q + CountWidth'(1);
        if (member_last) begin
          member_q <= '0;
          target_q <= '0;
          slot_q <= !slot_q;
          block_q <= block_q + CountWidth'(1);
          if (!block_last) begin
            // The next block is of the same tiles.
            tile_q <= tile_q - CountWidth'(member_q);
          end else begin
            block_q <= '0;
            segment_q <= segment_q + CountWidth'(1);
            if (segment_last) begin
              segment_q <= '0;
              tile_q <= '0;
              sweep_q <= plane_end ? '0 : sweep_q + CountWidth'(1);
              if (plane_end) plane_q <= sweep_last ? '0 : plane_q + PlaneWidth'(1);
            end
          end
        end
      end
    end
  end

  // The read in flight.
  logic [ArrayRows-1:0] fill_mask_q;
  logic fill_slot_q, fill_north_q, fill_pv_q, fill_high_q;
  logic [1:0] fill_quarter_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) fill_mask_q <= '0;
    else fill_mask_q <= take ? mask : '0;
    if (take) begin
      fill_slot_q <= slot_q;
      fill_north_q <= cmd_i.north;
      fill_pv_q <= cmd_i.pv;
      fill_high_q <= plane == (cmd_i.three ? PlaneWidth'(2) : PlaneWidth'(1));
      fill_quarter_q <= {half_addr[0], block_q[0]};
    end
  end

  for (genvar s = 0; s < 2; s++) begin : gen_slot
    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        claimed_q[s] <= '0;
        loaded_q[s] <= '0;
      end else begin
        claimed_q[s] <= (claimed_q[s] & ~release_i[s]) | (take && slot_q == 1'(s) ? mask : '0);
        loaded_q[s] <= (loaded_q[s] & ~release_i[s]) | (fill_slot_q == 1'(s) ? fill_mask_q : '0);
      end
    end
  end

  assign fill_mask_o = fill_mask_q;
  assign fill_slot_o = fill_slot_q;
  assign fill_north_o = fill_north_q;

  // A whole half word; or half of one, twice; or one plane of the numerators of a half word, twice.
  always_comb begin
    fill_data_o = '0;
    if (fill_mask_q != '0) begin
      fill_data_o = fill_quarter_q[1] ? rd_data_i[HalfBytes+:HalfBytes] : rd_data_i[0+:HalfBytes];
      if (fill_north_q && fill_pv_q) begin
        for (int unsigned c = 0; c < ArrayCols; c++) begin
          fill_data_o[c] = rd_data_i[(fill_quarter_q[1]?HalfBytes : 0)+2*c+(fill_high_q?1 : 0)];
        end
        fill_data_o[ArrayCols+:ArrayCols] = fill_data_o[0+:ArrayCols];
      end else if ((HalfSlot || fill_north_q) && fill_quarter_q[0]) begin
        fill_data_o[0+:ArrayCols] = fill_data_o[ArrayCols+:ArrayCols];
      end else if (HalfSlot || fill_north_q) begin
        fill_data_o[ArrayCols+:ArrayCols] = fill_data_o[0+:ArrayCols];
      end
    end
  end

  `ASSERT_INIT(StridesFit, AddrWidth + StageWidth <= HalfAddrWidth)
  `ASSERT(ReadStable, !$past(rst_ni) || !$past(rd_req_o) || $past(rd_gnt_i) || (rd_req_o && $stable
          (rd_addr_o)))
  `ASSERT(TileInSpace, HalfAddrWidth'(tile_q) <= HalfAddrWidth'(2 * ScrWords))
  `ASSERT(LoadedIsClaimed, (loaded_q & ~claimed_q) == '0)
  `ASSERT(NoReleaseOfFree, (release_i & ~claimed_q) == '0)
  `ASSERT(FillsClaimed, fill_mask_q == '0 || (claimed_q[fill_slot_q] & fill_mask_q) == fill_mask_q)

endmodule

// Turns a unit command into the loop counts of the array unit and checks its operands. Combinational.
//
// empty_o: a QK over no tokens, done without any work. error_o != ErrNone: the command must not run.
`include "assert.svh"

module array_decode
  import array_pkg::*;
#(
    parameter int unsigned ArrayRows = 4,
    parameter int unsigned ArrayCols = 4,
    parameter int unsigned GroupBanks = 2
) (
    input  pimllm_pkg::unit_cmd_t cmd_i,
    output array_cmd_t            cmd_o,
    output logic                  empty_o,
    output isa_pkg::error_e       error_o
);

  localparam int unsigned Groups = ArrayRows / GroupBanks;
  localparam int unsigned LgCols = $clog2(ArrayCols);
  localparam int unsigned LgBanks = $clog2(GroupBanks);
  localparam int unsigned LgGroups = $clog2(Groups);
  localparam int unsigned MaxLg = LgGroups < MaxHeadLg ? LgGroups : MaxHeadLg;
  // A slot of operand A holds a half word, or half of that where a group has a single row.
  localparam int unsigned SlotBytes = GroupBanks > 1 ? 2 * ArrayCols : ArrayCols;
  localparam int unsigned LgSlot = $clog2(SlotBytes);
  localparam int unsigned TileBlocks = 2 * ArrayCols / SlotBytes;
  localparam int unsigned WideWidth = CountWidth + 1;
  localparam int unsigned ModeNorth = 0;
  localparam int unsigned ModeAccumulate = 1;
  localparam int unsigned ModeOpen = 2;
  localparam int unsigned ModeHeads = 3;
  localparam int unsigned ModeThree = 5;

  logic pv, north;
  logic [HeadLgWidth-1:0] lg_heads;
  logic [WideWidth-1:0] tiles, folds, dims_up, sweep_blocks;
  logic [StageWidth-1:0] fold_tiles, fold_tail;
  logic [LgWidth-1:0] lg_ch;
  logic ch_legal;
  logic [AddrWidth-1:0] rows_m;
  logic [StageWidth-1:0] query_rows, rows;
  logic [PlaneWidth-1:0] plane_last;
  logic in_rows;
  logic unused;

  assign pv = cmd_i.opcode == isa_pkg::OpPv;
  assign north = cmd_i.mode[ModeNorth];
  assign rows_m = cmd_i.s2[15:0];
  // North PV of few query rows: row p * m + i of a sweep is plane p of query row i.
  assign plane_last = cmd_i.mode[ModeThree] ? PlaneWidth'(2) : PlaneWidth'(1);
  assign in_rows = pv && north && rows_m <= (cmd_i.mode[ModeThree] ? AddrWidth'(ArrayRows / 3) : AddrWidth'(ArrayRows / 2));
  assign query_rows = StageWidth'(rows_m);
  assign rows = !in_rows ? query_rows : cmd_i.mode[ModeThree] ? query_rows + (query_rows << 1) : query_rows << 1;
  assign unused = ^{cmd_i.pc, cmd_i.pos, cmd_i.mode[6]};

  always_comb begin
    lg_heads = north ? '0 : cmd_i.mode[ModeHeads+:HeadLgWidth];
    tiles = ({1'b0, cmd_i.count} + WideWidth'(ArrayCols - 1)) >> LgCols;
    fold_tiles = StageWidth'(Groups) >> lg_heads;
    folds = (tiles + WideWidth'(fold_tiles) - WideWidth'(1)) >> (LgWidth'(LgGroups) - LgWidth'(lg_heads));
    fold_tail = '0;
    if (tiles != '0) begin
      fold_tail = ((StageWidth'(tiles) - StageWidth'(1)) & (fold_tiles - StageWidth'(1))) + StageWidth'(1);
    end
    lg_ch = '0;
    ch_legal = 1'b0;
    for (int unsigned i = 0; i < 2 ** LgWidth; i++) begin
      if (cmd_i.s0 == CountWidth'(1 << i)) begin
        lg_ch = LgWidth'(i);
        ch_legal = 1'b1;
      end
    end
    dims_up = north ? ({1'b0, cmd_i.s0} + WideWidth'(ArrayCols - 1)) >> LgCols
                    : ({1'b0, cmd_i.s0} + WideWidth'(SlotBytes - 1)) >> LgSlot;
  end

  always_comb begin
    cmd_o = '0;
    cmd_o.pv = pv;
    cmd_o.north = north;
    cmd_o.accumulate = cmd_i.mode[ModeAccumulate];
    cmd_o.open = cmd_i.mode[ModeOpen];
    cmd_o.lg_heads = lg_heads;
    cmd_o.pair = lg_heads == HeadLgWidth'(1) && rows_m != '0;
    cmd_o.rotated = north && cmd_i.mode[ModeHeads];
    cmd_o.pair_stride = rows_m;
    cmd_o.a0 = cmd_i.a0;
    cmd_o.a_stride = cmd_i.s2[16+:AddrWidth];
    cmd_o.dst = cmd_i.a2[AddrWidth-1:1];
    cmd_o.dst_stride = cmd_i.s2[33+:AddrWidth-1];
    cmd_o.base = cmd_i.a1[AddrWidth-1:0];
    cmd_o.open_base = cmd_i.s1;
    cmd_o.rows = query_rows;
    cmd_o.full = north ? rows : fold_tiles;
    cmd_o.tail = north ? (tiles != '0 ? rows : '0) : fold_tail;
    cmd_o.used = north ? rows : folds > WideWidth'(1) ? fold_tiles : fold_tail;
    if (cmd_o.used == '0) cmd_o.used = StageWidth'(1);
    if (pv) begin
      cmd_o.three = cmd_i.mode[ModeThree];
      if (in_rows) cmd_o.row_plane_last = plane_last;
      else cmd_o.plane_last = plane_last;
      cmd_o.lg_chunks = lg_ch > LgWidth'(LgBanks) ? LgWidth'(LgBanks) : lg_ch;
      cmd_o.lg_passes = lg_ch - cmd_o.lg_chunks;
      cmd_o.tile_rows = cmd_i.s0 << (LgCols - LgBanks);
      cmd_o.sweeps = north ? cmd_i.s0 : CountWidth'(1) << cmd_o.lg_passes;
      cmd_o.segments = north ? CountWidth'(tiles) : CountWidth'(folds);
      if (tiles == '0) cmd_o.segments = CountWidth'(1);
      cmd_o.steps = north ? CountWidth'(ArrayCols) : CountWidth'(ArrayCols / GroupBanks) << cmd_o.lg_chunks;
      cmd_o.blocks = north ? CountWidth'(1) : CountWidth'(TileBlocks);
      sweep_blocks = {1'b0, cmd_o.segments} << (north ? 0 : $clog2(TileBlocks));
      // North feed loads one plane of a tile at a time, so a slot is never good for another sweep.
      cmd_o.keep = !north && sweep_blocks <= WideWidth'(2);
    end else begin
      cmd_o.tile_rows = cmd_i.s0 >> LgBanks;
      cmd_o.sweeps = north ? CountWidth'(tiles) : CountWidth'(folds);
      cmd_o.segments = CountWidth'(1);
      cmd_o.steps = north ? cmd_i.s0 : cmd_i.s0 >> LgBanks;
      cmd_o.blocks = CountWidth'(dims_up);
      sweep_blocks = dims_up;
      cmd_o.keep = dims_up <= WideWidth'(2);
    end
    cmd_o.keep_one = cmd_o.keep && sweep_blocks == WideWidth'(1);
  end

  assign empty_o = !pv && cmd_i.count == '0;

  always_comb begin
    error_o = isa_pkg::ErrNone;
    if (!pv && cmd_i.opcode != isa_pkg::OpQk) begin
      error_o = isa_pkg::ErrIllegalOpcode;
    end else if (cmd_i.a2[0] || cmd_i.s2[32] || cmd_i.a1[pimllm_pkg::MemAddrWidth-1:AddrWidth] != '0) begin
      error_o = isa_pkg::ErrBadAddress;
    end else if (pv && !ch_legal || pv && cmd_i.s0 > CountWidth'(2 ** (CountWidth - 1) >> LgCols) ||
                 !pv && (cmd_i.s0 == '0 || (cmd_i.s0 & CountWidth'(GroupBanks - 1)) != '0) ||
                 (StageWidth'(1) << lg_heads) > StageWidth'(1 << MaxLg) ||
                 north && (rows_m == '0 || rows_m > AddrWidth'(ArrayRows))) begin
      error_o = isa_pkg::ErrBadOperand;
    end
  end

  `ASSERT_INIT(GroupsAtLeastTwo, Groups > 1 && 2 ** LgGroups == Groups)
  `ASSERT_INIT(BanksDivideCols, GroupBanks <= ArrayCols && 2 ** LgBanks == GroupBanks)
  `ASSERT_INIT(SlotFitsOffset, 2 * ArrayCols <= 2 ** OffsetWidth && ArrayRows < 2 ** StageWidth)

endmodule

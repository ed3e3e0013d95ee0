// Sequencer: walks through the steps of an instruction, one a cycle, for stage 0 of the array.
//
// The step on the outputs is valid while cmd_valid_i is high and moves on in a cycle of take_i. clear_o marks the step
// that clears the accumulators (before the first fold of QK, before every other sweep); sweep_end_o the last step before
// a drain; cmd_pop_o (with take_i) the last step of the instruction. No latency: the first step of an instruction is
// there in the cycle in which the instruction is.
// A pair of heads changes halves of the bank groups with each fold; the second head's stages are a cycle behind the first
// one's, so no step is there for a cycle between two folds (ready_o low).
`include "assert.svh"

module array_seq
  import array_pkg::*;
#(
    parameter int unsigned ArrayCols = 4,
    parameter int unsigned GroupBanks = 2,
    parameter int unsigned Groups = 2,
    parameter int unsigned KvRows = 512
) (
    input  logic       clk_i,
    input  logic       rst_ni,
    input  logic       cmd_valid_i,
    /* verilator lint_off UNUSEDSIGNAL */  // a part of the fields concerns each unit
    input  array_cmd_t cmd_i,
    /* verilator lint_on UNUSEDSIGNAL */
    input  logic       take_i,
    input  logic       adv_i,          // the stages move on
    output logic       ready_o,
    output logic       cmd_pop_o,
    output logic       first_o,
    output logic       clear_o,
    output logic       sweep_end_o,
    output logic       bad_address_o,
    output step_ctl_t  ctl_o,
    output step_addr_t addr_o
);

  localparam int unsigned LgBanks = $clog2(GroupBanks);
  localparam int unsigned SlotBytes = GroupBanks > 1 ? 2 * ArrayCols : ArrayCols;
  localparam int unsigned RowWidth = AddrWidth + 2;
  localparam logic [StageWidth-1:0] Half = StageWidth'(Groups / 2);

  logic clear_q, clear_next, bubble_q;
  logic slot_q;
  logic [PlaneWidth-1:0] plane_q;
  logic [CountWidth-1:0] sweep_q, segment_q, step_q;
  logic [OffsetWidth-1:0] offset_q;
  logic [StageWidth-1:0] phase_q;
  logic [RowWidth-1:0] row_q;

  logic step_last, segment_last, plane_end, sweep_last, operand_last, block_end, slot_next;
  logic phase_step, phase_wrap;
  logic [OffsetWidth-1:0] offset_inc, offset_next;
  logic [CountWidth-1:0] chunk, pass, load_steps;
  logic [RowWidth-1:0] base, open_base, pair_base, pair_open_base;

  assign step_last = step_q == cmd_i.steps - CountWidth'(1);
  assign segment_last = segment_q == cmd_i.segments - CountWidth'(1);
  assign plane_end = sweep_q == cmd_i.sweeps - CountWidth'(1);
  assign sweep_last = plane_end && plane_q == cmd_i.plane_last;
  // The last sweep on the half words loaded: of three planes, the lowest has its own.
  assign operand_last = sweep_last || (cmd_i.three && plane_q == '0 && plane_end);
  assign phase_wrap = phase_q == (cmd_i.north ? StageWidth'(Groups - 1)
                                              : (StageWidth'(1) << cmd_i.lg_heads) - StageWidth'(1));
  // A tile (north) or a fold (banked) is a segment of PV, a sweep of QK; both have one segment a sweep or more.
  assign phase_step = step_last;

  // Sweeps of a plane of PV: chunks (north) or passes (banked).
  always_comb begin
    chunk = '0;
    pass = '0;
    if (cmd_i.pv) begin
      chunk = sweep_q;
      pass = cmd_i.north ? chunk >> LgBanks : chunk;
    end
    base = RowWidth'(cmd_i.base) + row_q + RowWidth'(pass);
    open_base = RowWidth'(cmd_i.open_base) + RowWidth'(pass);
    pair_base = '0;
    pair_open_base = '0;
    if (cmd_i.pair) begin
      pair_base = base + RowWidth'(cmd_i.pair_stride);
      pair_open_base = open_base + (RowWidth'(cmd_i.tile_rows) << 1);
    end
  end

  // Bytes of operand A: a row i of a group adds its own part (array_feeder).
  always_comb begin
    offset_inc = OffsetWidth'(GroupBanks);
    if (cmd_i.north) offset_inc = OffsetWidth'(1);
    else if (cmd_i.pv) offset_inc = OffsetWidth'(2 * GroupBanks) >> cmd_i.lg_chunks;
    offset_next = offset_q + offset_inc;
    block_end = step_last || offset_next == (cmd_i.north ? OffsetWidth'(ArrayCols) : OffsetWidth'(SlotBytes));
    slot_next = slot_q;
    if (block_end && cmd_i.tail != '0 && (!cmd_i.keep_one || operand_last)) slot_next = !slot_q;
  end

  // North feed takes the words of a tile in turn from the banks of its group, each bank starts at the base.
  always_comb begin
    load_steps = CountWidth'(1);
    if (cmd_i.north) load_steps = CountWidth'(GroupBanks) >> cmd_i.lg_chunks;
  end

  always_comb begin
    ctl_o = '0;
    ctl_o.pv = cmd_i.pv;
    ctl_o.high = cmd_i.pv && plane_q == cmd_i.plane_last;
    ctl_o.slot = slot_q;
    ctl_o.block_end = block_end && (!cmd_i.keep || operand_last);
    ctl_o.lg_chunks = cmd_i.lg_chunks;
    ctl_o.offset = offset_q;
    ctl_o.limit = cmd_i.full;
    if (!clear_q && segment_last && (cmd_i.pv || sweep_last)) ctl_o.limit = cmd_i.tail;
    addr_o = '0;
    addr_o.load = step_q < load_steps;
    addr_o.open = cmd_i.open && segment_last && (cmd_i.pv || sweep_last);
    addr_o.lg_stride = cmd_i.lg_passes;
    addr_o.phase = cmd_i.rotated ? phase_q ^ Half : phase_q;
    addr_o.bank = StageWidth'(((step_q << cmd_i.lg_chunks) + chunk) & CountWidth'(GroupBanks - 1));
    addr_o.base = base[AddrWidth-1:0];
    addr_o.open_base = open_base[AddrWidth-1:0];
    addr_o.pair_base = pair_base[AddrWidth-1:0];
    addr_o.pair_open_base = pair_open_base[AddrWidth-1:0];
  end

  assign first_o = clear_q && sweep_q == '0 && plane_q == '0;
  assign clear_o = clear_q;
  assign sweep_end_o = !clear_q && step_last && segment_last;
  assign cmd_pop_o = sweep_end_o && sweep_last;
  // A base beyond the bank; a tile that starts inside and ends outside is seen at its bank's generator.
  function automatic logic beyond(input logic [RowWidth-1:0] row);
    return row >= RowWidth'(KvRows);
  endfunction
  assign bad_address_o = cmd_valid_i && !clear_q && ctl_o.limit != '0 &&
                         (((beyond(base) || beyond(pair_base)) &&
                           !(addr_o.open && (cmd_i.north || ctl_o.limit == StageWidth'(1)))) ||
                          (addr_o.open && (beyond(open_base) || beyond(pair_open_base))));

  assign ready_o = !bubble_q;
  always_comb begin
    clear_next = 1'b0;
    if (segment_last) clear_next = cmd_i.pv || cmd_i.north || sweep_last;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      clear_q <= 1'b1;
      bubble_q <= 1'b0;
      slot_q <= 1'b0;
      plane_q <= '0;
      sweep_q <= '0;
      segment_q <= '0;
      step_q <= '0;
      offset_q <= '0;
      phase_q <= '0;
      row_q <= '0;
    end else if (!take_i) begin
      if (adv_i) bubble_q <= 1'b0;
    end else begin
      clear_q <= 1'b0;
      if (!clear_q) begin
        slot_q <= slot_next;
        step_q <= step_q + CountWidth'(1);
        offset_q <= block_end ? '0 : offset_next;
        if (phase_step) begin
          step_q <= '0;
          phase_q <= phase_q + StageWidth'(1);
          if (phase_wrap) begin
            phase_q <= '0;
            row_q <= row_q + RowWidth'(cmd_i.tile_rows);
          end
          segment_q <= segment_q + CountWidth'(1);
          if (segment_last) begin
            segment_q <= '0;
            sweep_q <= plane_end ? '0 : sweep_q + CountWidth'(1);
            if (plane_end) plane_q <= sweep_last ? '0 : plane_q + PlaneWidth'(1);
            clear_q <= clear_next;
            if (cmd_i.pv || sweep_last) begin
              phase_q <= '0;
              row_q <= '0;
            end
          end
          bubble_q <= cmd_i.pair && !clear_next;
        end
      end
    end
  end

  `ASSERT(TakeOnlyValid, !take_i || (cmd_valid_i && ready_o && adv_i))
  `ASSERT(StepInSegment, !cmd_valid_i || step_q < cmd_i.steps)
  `ASSERT(SegmentInSweep, !cmd_valid_i || segment_q < cmd_i.segments)
  `ASSERT(PhaseInGroups, phase_q < StageWidth'(Groups))
  `ASSERT(SweepInCommand, !cmd_valid_i || sweep_q < cmd_i.sweeps)

endmodule

// ARR: the array of MACs and everything that feeds and drains it. Executes QK and PV (docs/isa.md, docs/array.md).
//
// A step starts at stage 0 and moves down one stage a cycle: a stage is a row group in banked feed and a row in north
// feed, so sums become complete, and are drained, one stage a cycle. Pipeline of a stage: S0 bank address and byte of
// operand A, S1 multiply-accumulate, S2 capture of a complete sum. A missing operand or result buffer freezes S0 as a
// whole; steps in S1 are always executed. Up to four instructions are in work: one loads, one steps, one drains.
// Latency and throughput: docs/array.md. Ports and ordering contract: docs/architecture.md.
`include "assert.svh"

module array_unit
  import array_pkg::*;
#(
    parameter int unsigned ArrayRows = 4,
    parameter int unsigned ArrayCols = 4,
    parameter int unsigned MemChannels = 2,
    parameter int unsigned ChannelBytes = 8,
    parameter int unsigned KvRows = 512,
    parameter int unsigned ScrWords = 256,
    parameter bit GateForm = 1'b0,
    localparam int unsigned GroupBanks = ChannelBytes / ArrayCols,
    localparam int unsigned Groups = ArrayRows / GroupBanks,
    localparam int unsigned WordBytes = 4 * ArrayCols,
    localparam int unsigned ScrAddrWidth = $clog2(ScrWords),
    localparam int unsigned KvAddrWidth = $clog2(KvRows)
) (
    input  logic                                  clk_i,
    input  logic                                  rst_ni,
    // Commands
    input  logic                                  cmd_valid_i,
    output logic                                  cmd_ready_o,
    input  pimllm_pkg::unit_cmd_t                 cmd_i,
    output logic                                  done_o,
    output logic                                  err_o,
    output isa_pkg::error_e                       err_code_o,
    output logic                                  busy_o,
    output logic                                  stall_operand_o,
    output logic                                  stall_output_o,
    output logic                                  stall_memory_o,
    // SCR
    output logic                                  scr_rd_req_o,
    output logic [ScrAddrWidth-1:0]               scr_rd_addr_o,
    input  logic                                  scr_rd_gnt_i,
    input  logic [8*WordBytes-1:0]                scr_rd_data_i,
    output logic                                  scr_wr_req_o,
    output logic [ScrAddrWidth-1:0]               scr_wr_addr_o,
    output logic [8*WordBytes-1:0]                scr_wr_data_o,
    output logic [WordBytes-1:0]                  scr_wr_be_o,
    input  logic                                  scr_wr_gnt_i,
    // KV banks
    output logic [ArrayRows-1:0]                  kv_rd_en_o,
    output logic [ArrayRows-1:0][KvAddrWidth-1:0] kv_rd_addr_o,
    input  logic [ArrayRows-1:0][8*ArrayCols-1:0] kv_rd_data_i
);

  localparam int unsigned LgGroups = $clog2(Groups);
  localparam int unsigned MaxLg = LgGroups < MaxHeadLg ? LgGroups : MaxHeadLg;
  localparam int unsigned RingDepth = 4;
  localparam int unsigned RingWidth = $clog2(RingDepth);
  localparam int unsigned BankWidth = $clog2(ArrayRows);
  typedef logic [RingWidth:0] ring_ptr_t;

  // ---- Commands in work ----
  array_cmd_t ring_q[RingDepth];
  ring_ptr_t wr_ptr_q, ld_ptr_q, seq_ptr_q, dr_ptr_q;
  array_cmd_t decoded, ld_cmd, seq_cmd, dr_cmd;
  logic decoded_empty, ld_valid, seq_valid, dr_valid, ld_pop, seq_pop, dr_pop;
  logic cmd_take, cmd_push, halt_q, empty_done_q, err_q;
  isa_pkg::error_e decoded_error, err_code_q;
  logic drain_busy, drain_done, ring_busy, chain_busy;
  logic loader_bad, seq_bad, drain_bad, bank_bad_q, any_bad;

  array_decode #(
      .ArrayRows(ArrayRows),
      .ArrayCols(ArrayCols),
      .GroupBanks(GroupBanks)
  ) u_decode (
      .cmd_i,
      .cmd_o  (decoded),
      .empty_o(decoded_empty),
      .error_o(decoded_error)
  );

  assign ld_cmd = ring_q[ld_ptr_q[RingWidth-1:0]];
  assign seq_cmd = ring_q[seq_ptr_q[RingWidth-1:0]];
  assign dr_cmd = ring_q[dr_ptr_q[RingWidth-1:0]];
  assign ld_valid = ld_ptr_q != wr_ptr_q;
  assign seq_valid = seq_ptr_q != wr_ptr_q;
  assign dr_valid = dr_ptr_q != wr_ptr_q;
  assign ring_busy = dr_valid || drain_busy;

  // An instruction without work waits until it is alone, so that done pulses stay in order.
  assign cmd_ready_o = !halt_q && wr_ptr_q - dr_ptr_q != ring_ptr_t'(RingDepth) && !(decoded_empty && ring_busy);
  assign cmd_take = cmd_valid_i && cmd_ready_o;
  assign cmd_push = cmd_take && decoded_error == isa_pkg::ErrNone && !decoded_empty;
  assign any_bad = loader_bad || seq_bad || drain_bad || bank_bad_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      wr_ptr_q <= '0;
      ld_ptr_q <= '0;
      seq_ptr_q <= '0;
      dr_ptr_q <= '0;
      halt_q <= 1'b0;
      err_q <= 1'b0;
      err_code_q <= isa_pkg::ErrNone;
      empty_done_q <= 1'b0;
    end else begin
      if (cmd_push) wr_ptr_q <= wr_ptr_q + ring_ptr_t'(1);
      if (ld_pop) ld_ptr_q <= ld_ptr_q + ring_ptr_t'(1);
      if (seq_pop) seq_ptr_q <= seq_ptr_q + ring_ptr_t'(1);
      if (dr_pop) dr_ptr_q <= dr_ptr_q + ring_ptr_t'(1);
      empty_done_q <= cmd_take && decoded_empty && decoded_error == isa_pkg::ErrNone;
      err_q <= 1'b0;
      if (!halt_q && cmd_take && decoded_error != isa_pkg::ErrNone) begin
        halt_q <= 1'b1;
        err_q <= 1'b1;
        err_code_q <= decoded_error;
      end else if (!halt_q && any_bad) begin
        halt_q <= 1'b1;
        err_q <= 1'b1;
        err_code_q <= isa_pkg::ErrBadAddress;
      end
    end
  end

  for (genvar e = 0; e < RingDepth; e++) begin : gen_ring
    always_ff @(posedge clk_i) begin
      if (cmd_push && wr_ptr_q[RingWidth-1:0] == RingWidth'(e)) ring_q[e] <= decoded;
    end
  end

  assign done_o = drain_done || empty_done_q;
  assign err_o = err_q;
  assign err_code_o = err_code_q;
  assign busy_o = ring_busy || empty_done_q || chain_busy;

  // ---- Loader of operand A ----
  logic [1:0][ArrayRows-1:0] slot_release, slot_loaded;
  logic ld_req, ld_gnt, loader_idle;
  logic [ScrAddrWidth-1:0] ld_addr;
  logic [ArrayRows-1:0] fill_mask;
  logic fill_slot, fill_north;
  logic [2*ArrayCols-1:0][7:0] fill_data;

  array_loader #(
      .ArrayRows(ArrayRows),
      .ArrayCols(ArrayCols),
      .GroupBanks(GroupBanks),
      .ScrWords(ScrWords)
  ) u_loader (
      .clk_i,
      .rst_ni,
      .cmd_valid_i  (ld_valid),
      .cmd_i        (ld_cmd),
      .cmd_pop_o    (ld_pop),
      .release_i    (slot_release),
      .loaded_o     (slot_loaded),
      .idle_o       (loader_idle),
      .bad_address_o(loader_bad),
      .rd_req_o     (ld_req),
      .rd_addr_o    (ld_addr),
      .rd_gnt_i     (ld_gnt),
      .rd_data_i    (scr_rd_data_i),
      .fill_mask_o  (fill_mask),
      .fill_slot_o  (fill_slot),
      .fill_north_o (fill_north),
      .fill_data_o  (fill_data)
  );

  // ---- Sequencer ----
  step_ctl_t seq_ctl;
  step_addr_t seq_addr;
  logic seq_first, seq_clear, seq_sweep_end, seq_cmd_last, seq_bad_base, seq_ready, take;

  logic adv;  // the stages move on
  array_seq #(
      .ArrayCols(ArrayCols),
      .GroupBanks(GroupBanks),
      .Groups(Groups),
      .KvRows(KvRows)
  ) u_seq (
      .clk_i,
      .rst_ni,
      .cmd_valid_i  (seq_valid),
      .cmd_i        (seq_cmd),
      .take_i       (take),
      .adv_i        (adv),
      .ready_o      (seq_ready),
      .cmd_pop_o    (seq_cmd_last),
      .first_o      (seq_first),
      .clear_o      (seq_clear),
      .sweep_end_o  (seq_sweep_end),
      .bad_address_o(seq_bad_base),
      .ctl_o        (seq_ctl),
      .addr_o       (seq_addr)
  );

  assign seq_pop = take && seq_cmd_last;
  assign seq_bad = seq_bad_base && !halt_q;

  // ---- S0: stages ----
  step_ctl_t ctl_s[ArrayRows];
  step_addr_t addr_s[Groups];
  logic [ArrayRows-1:1] valid_q, clear_q;  // stage 0 is the sequencer
  logic [ArrayRows-1:0] valid_s, clear_s, act_s, slot_s, end_s, missing_s;
  logic [ArrayRows-1:1] need_q, pass_s;
  logic need_0;
  logic north_q, north_s, pair_q, pair_s;
  logic [HeadLgWidth-1:0] lg_heads_q, lg_heads_s;
  logic start, freeze;
  logic hold_switch, hold_operand, hold_output;
  logic direct, sweep_end, token_q, token_direct_q, room;
  logic [StageWidth-1:0] token_stage_q, token_stages_q, stages;
  logic cap_s, pv_busy;

  // All steps in the chain are of the same feed and kind of heads: others wait until it is empty.
  assign chain_busy = valid_q != '0 || token_q;
  assign north_s = chain_busy ? north_q : seq_cmd.north;
  assign lg_heads_s = chain_busy ? lg_heads_q : seq_cmd.lg_heads;
  assign pair_s = chain_busy ? pair_q : seq_cmd.pair;
  assign hold_switch = chain_busy &&
      (seq_cmd.north != north_q || seq_cmd.lg_heads != lg_heads_q || seq_cmd.pair != pair_q);

  assign direct = seq_cmd.north || !seq_cmd.pv;
  assign hold_output = seq_sweep_end && (token_q || pv_busy || (direct && !room));
  assign hold_operand = need_0 && missing_s[0];
  assign start = seq_valid && seq_ready && !halt_q && !seq_bad && !hold_switch && !hold_operand && !hold_output;
  assign take = start && adv;
  assign sweep_end = take && seq_sweep_end;

  // S0 freezes for an operand that is missing in a later stage, or for want of a result buffer.
  assign freeze = (need_q & missing_s[ArrayRows-1:1]) != '0 || (token_q && token_direct_q && !room);
  assign adv = !freeze;

  assign valid_s = {valid_q, start};
  assign clear_s = {clear_q, seq_clear};
  assign ctl_s[0] = seq_ctl;
  assign addr_s[0] = seq_addr;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= '0;
    end else if (adv) begin
      valid_q <= valid_s[ArrayRows-2:0] & pass_s;
    end
    if (adv) clear_q <= clear_s[ArrayRows-2:0];
    if (take && seq_first) begin
      north_q <= seq_cmd.north;
      lg_heads_q <= seq_cmd.lg_heads;
      pair_q <= seq_cmd.pair;
    end
  end

  for (genvar r = 0; r < ArrayRows; r++) begin : gen_stage
    if (r > 0) begin : gen_ctl
      step_ctl_t ctl_q;
      always_ff @(posedge clk_i) begin
        if (adv && valid_s[r-1]) ctl_q <= ctl_s[r-1];
      end
      assign ctl_s[r] = ctl_q;
    end
    if (r > 0 && r < Groups) begin : gen_addr
      step_addr_t addr_q;
      always_ff @(posedge clk_i) begin
        if (adv && valid_s[r-1] && !north_s) addr_q <= addr_s[r-1];
      end
      assign addr_s[r] = addr_q;
    end
    // Does the stage take part; does it need operand A (a head of QK is loaded for all its groups at once).
    assign act_s[r] = north_s ? StageWidth'(r) < ctl_s[r].limit
                              : r < Groups && StageWidth'(r) >> lg_heads_s < ctl_s[r].limit;
    // A step ends at the last stage that takes part.
    if (r > 0) begin : gen_need
      assign pass_s[r] = north_s ? StageWidth'(r) < ctl_s[r-1].limit : r < Groups;
      assign need_q[r] = valid_q[r] && !clear_q[r] && (act_s[r] || (r < Groups && !north_s && !ctl_s[r].pv));
    end
    assign slot_s[r] = ctl_s[r].slot;
    assign end_s[r] = ctl_s[r].block_end;
  end

  assign need_0 = seq_valid && !seq_clear && (act_s[0] || (!north_s && !seq_ctl.pv));
  assign missing_s = ~((slot_loaded[1] & slot_s) | (slot_loaded[0] & ~slot_s));
  assign slot_release[0] = adv ? {need_q, need_0 && start} & end_s & ~slot_s : '0;
  assign slot_release[1] = adv ? {need_q, need_0 && start} & end_s & slot_s : '0;

  // The end of a sweep moves down the stages that are to be drained.
  always_comb begin
    stages = seq_cmd.full;
    if (!seq_cmd.north) stages = (seq_cmd.pv ? seq_cmd.used : seq_ctl.limit) << seq_cmd.lg_heads;
  end

  assign cap_s = adv && (sweep_end || token_q);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      token_q <= 1'b0;
    end else if (sweep_end) begin
      token_q <= stages != StageWidth'(1);
    end else if (adv && token_q && token_stage_q == token_stages_q - StageWidth'(1)) begin
      token_q <= 1'b0;
    end
    if (sweep_end) begin
      token_stage_q <= StageWidth'(1);
      token_stages_q <= stages;
      token_direct_q <= direct;
    end else if (adv && token_q) begin
      token_stage_q <= token_stage_q + StageWidth'(1);
    end
  end

  // ---- Bank addresses ----
  logic [ArrayRows-1:0] bank_bad;
  logic [AddrWidth-1:0] bank_addr[ArrayRows];

  for (genvar g = 0; g < Groups; g++) begin : gen_bank_group
    // Stages of a pair that read the group: the first head's in one phase, the second's in the other.
    localparam int unsigned First = (g & ((Groups >> 1) - 1)) << 1;
    localparam int unsigned Second = First + 1;
    step_addr_t addr;
    logic use_group, open;
    logic [AddrWidth-1:0] base, stride;
    logic [StageWidth-1:0] tile;

    // Group g is read by the stage of the first row group (head) that it feeds.
    always_comb begin
      addr = addr_s[g];
      use_group = valid_s[g] && !clear_s[g] && act_s[g];
      tile = StageWidth'(g);
      open = addr.open && tile == ctl_s[g].limit - StageWidth'(1);
      for (int unsigned l = 1; l <= MaxLg; l++) begin
        if (lg_heads_s == HeadLgWidth'(l)) begin
          addr = addr_s[(g&((Groups>>l)-1))<<l];
          tile = StageWidth'(g & ((Groups >> l) - 1));
          use_group = valid_s[(g&((Groups>>l)-1))<<l] && !clear_s[(g&((Groups>>l)-1))<<l] &&
                      act_s[(g&((Groups>>l)-1))<<l] && addr.phase == StageWidth'(g >> (LgGroups - l));
          open = addr.open && tile == ctl_s[(g&((Groups>>l)-1))<<l].limit - StageWidth'(1);
        end
      end
      if (north_s) begin
        addr = addr_s[0];
        use_group = valid_s[0] && !clear_s[0] && act_s[0] && addr.phase == StageWidth'(g);
        open = addr.open;
      end
      base = open ? addr.open_base : addr.base;
      if (pair_s && !use_group) begin
        addr = addr_s[Second];
        use_group = valid_s[Second] && !clear_s[Second] && act_s[Second] &&
                    addr.phase != StageWidth'(g >> (LgGroups - 1));
        base = addr.open && tile == ctl_s[Second].limit - StageWidth'(1) ? addr.pair_open_base : addr.pair_base;
      end
      stride = AddrWidth'(1) << addr.lg_stride;
    end

    for (genvar i = 0; i < GroupBanks; i++) begin : gen_bank
      localparam int unsigned Bank = g * GroupBanks + i;
      logic use_bank;

      assign use_bank = adv && use_group && (!north_s || addr.bank == StageWidth'(i));

      bank_addr_gen #(
          .AddrWidth(AddrWidth)
      ) u_addr (
          .clk_i,
          .use_i   (use_bank),
          .load_i  (addr.load),
          .base_i  (base),
          .stride_i(stride),
          .addr_o  (bank_addr[Bank])
      );

      assign kv_rd_en_o[Bank] = use_bank;
      assign bank_bad[Bank] = use_bank && {1'b0, bank_addr[Bank]} >= (AddrWidth + 1)'(KvRows);
    end
  end

  always_comb begin
    for (int unsigned b = 0; b < ArrayRows; b++) kv_rd_addr_o[b] = bank_addr[b][KvAddrWidth-1:0];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) bank_bad_q <= 1'b0;
    else bank_bad_q <= bank_bad != '0;
  end

  // ---- S1 and S2: operand A, rows, capture ----
  logic [ArrayRows-1:0] use_row, clear_row;
  logic signed [8:0] operand_a[ArrayRows];
  logic [Groups-1:0][StageWidth-1:0] phase_s;
  logic cap_1_q, cap_2_q, cap_north_q;
  logic [StageWidth-1:0] cap_stage_1_q, cap_stage_2_q;
  logic [ArrayCols-1:0][31:0] cap_acc[GroupBanks];

  for (genvar g = 0; g < Groups; g++) begin : gen_group
    localparam int unsigned FirstRow = g * GroupBanks;
    step_ctl_t row_ctl[GroupBanks];
    logic signed [8:0] group_a[GroupBanks];

    assign phase_s[g] = addr_s[g].phase;

    array_feeder #(
        .ArrayCols(ArrayCols),
        .GroupBanks(GroupBanks)
    ) u_feeder (
        .clk_i,
        .rst_ni,
        .fill_group_i(fill_mask[g] && !fill_north),
        .fill_row_i  (fill_north ? fill_mask[FirstRow+:GroupBanks] : '0),
        .fill_slot_i (fill_slot),
        .fill_north_i(fill_north),
        .fill_data_i (fill_data),
        .north_i     (north_s),
        .use_i       (use_row[FirstRow+:GroupBanks]),
        .group_ctl_i (ctl_s[g]),
        .row_ctl_i   (row_ctl),
        .a_o         (group_a)
    );

    for (genvar i = 0; i < GroupBanks; i++) begin : gen_row
      localparam int unsigned Row = FirstRow + i;

      assign row_ctl[i] = ctl_s[Row];
      assign operand_a[Row] = group_a[i];
      assign use_row[Row] = north_s ? adv && valid_s[Row] && !clear_s[Row] && act_s[Row]
                                    : adv && valid_s[g] && !clear_s[g] && act_s[g];
      assign clear_row[Row] = adv && (north_s ? valid_s[Row] && clear_s[Row] : valid_s[g] && clear_s[g]);
    end
  end

  array_grid #(
      .ArrayRows(ArrayRows),
      .ArrayCols(ArrayCols),
      .GroupBanks(GroupBanks),
      .GateForm(GateForm)
  ) u_grid (
      .clk_i,
      .rst_ni,
      .adv_i       (adv),
      .step_i      (valid_s != '0),
      .north_i     (north_s),
      .pair_i      (pair_s),
      .lg_heads_i  (lg_heads_s),
      .phase_i     (phase_s),
      .north_bank_i(BankWidth'(addr_s[0].phase * StageWidth'(GroupBanks) + addr_s[0].bank)),
      .use_i       (use_row),
      .clear_i     (clear_row),
      .a_i         (operand_a),
      .bank_i      (kv_rd_data_i),
      .read_i      (cap_1_q),
      .read_north_i(cap_north_q),
      .read_stage_i(cap_stage_1_q),
      .sums_o      (cap_acc)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      cap_1_q <= 1'b0;
      cap_2_q <= 1'b0;
    end else begin
      cap_1_q <= cap_s;
      cap_2_q <= cap_1_q;
    end
    cap_stage_1_q <= sweep_end ? '0 : token_stage_q;
    cap_stage_2_q <= cap_stage_1_q;
    cap_north_q   <= north_s;
  end

  logic dr_rd_req, rd_drain, ld_waits_q;
  logic [ScrAddrWidth-1:0] dr_rd_addr;

  array_drain #(
      .ArrayCols(ArrayCols),
      .GroupBanks(GroupBanks),
      .Groups(Groups),
      .ScrWords(ScrWords)
  ) u_drain (
      .clk_i,
      .rst_ni,
      .cmd_valid_i  (dr_valid),
      .cmd_i        (dr_cmd),
      .cmd_pop_o    (dr_pop),
      .cap_valid_i  (cap_2_q),
      .cap_stage_i  (cap_stage_2_q),
      .cap_acc_i    (cap_acc),
      .reserve_i    (cap_s && (sweep_end ? direct : token_direct_q)),
      .room_o       (room),
      .pv_start_i   (sweep_end && !direct),
      .pv_busy_o    (pv_busy),
      .busy_o       (drain_busy),
      .done_o       (drain_done),
      .bad_address_o(drain_bad),
      .rd_req_o     (dr_rd_req),
      .rd_addr_o    (dr_rd_addr),
      .rd_gnt_i     (scr_rd_gnt_i && rd_drain),
      .rd_data_i    (scr_rd_data_i),
      .wr_req_o     (scr_wr_req_o),
      .wr_addr_o    (scr_wr_addr_o),
      .wr_data_o    (scr_wr_data_o),
      .wr_gnt_i     (scr_wr_gnt_i)
  );

  // ---- SCR read port: the drain first, unless a request of the loader is waiting for its grant ----
  assign rd_drain = dr_rd_req && !ld_waits_q;
  assign scr_rd_req_o = dr_rd_req || ld_req;
  assign scr_rd_addr_o = rd_drain ? dr_rd_addr : ld_addr;
  assign ld_gnt = scr_rd_gnt_i && !rd_drain;
  assign scr_wr_be_o = '1;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) ld_waits_q <= 1'b0;
    else ld_waits_q <= ld_req && !rd_drain && !scr_rd_gnt_i;
  end

  // ---- Counters' levels ----
  assign stall_operand_o = seq_valid && (hold_operand || (need_q & missing_s[ArrayRows-1:1]) != '0);
  assign stall_output_o = (seq_valid && hold_output) || (token_q && token_direct_q && !room);
  assign stall_memory_o = (scr_rd_req_o && !scr_rd_gnt_i) || (scr_wr_req_o && !scr_wr_gnt_i);

  `ASSERT_INIT(ChannelsFitGroups, MemChannels > 0 && Groups % MemChannels == 0)
  `ASSERT_INIT(BanksFillRows, GroupBanks > 0 && Groups * GroupBanks == ArrayRows)
  `ASSERT_INIT(KvRowsFit, KvRows <= 2 ** AddrWidth && 2 ** KvAddrWidth == KvRows)
  `ASSERT(ReadPortStable, !$past(rst_ni) || !$past(scr_rd_req_o) || $past(scr_rd_gnt_i)
          || (scr_rd_req_o && $stable(scr_rd_addr_o)))
  `ASSERT(NoStepWithoutOperand, !take || !need_0 || !missing_s[0])
  `ASSERT(DrainFollowsSequencer, dr_ptr_q - seq_ptr_q == '0 || seq_valid || dr_valid)
  `ASSERT(RingNotOverfull, wr_ptr_q - dr_ptr_q <= ring_ptr_t'(RingDepth))
  `ASSERT(OneTokenAtATime, !sweep_end || !token_q)
  `ASSERT(SlotsFreeWhenIdle, busy_o || seq_valid || ld_valid || loader_idle)
  `COVER(Frozen, freeze)
  `COVER(FeedSwitches, seq_valid && hold_switch)
  `COVER(NoOperand, hold_operand)
  `COVER(NoRoom, seq_valid && hold_output)
  `COVER(AllInWork, wr_ptr_q - dr_ptr_q == ring_ptr_t'(RingDepth))

endmodule

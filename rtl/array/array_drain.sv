// Drain: sums of rows into result words, and result words into the scratchpad.
//
// Capture: cap_valid_i with the number of the stage and the accumulators of its group (north feed: zero but for the row).
// A tree adds rows of the same chunk. Banked QK never clears between folds, so that folds follow each other without a
// bubble: the difference to the sum of the fold before, kept per group, is the result. PV sums are kept per group and
// chunk and added over the groups of a head afterwards, while the next sweep computes (pv_busy_o until all are taken).
// Results of QK and north feed come out one a capture, two cycles after it; the array asks for room with reserve_i
// (room_o high) one step ahead of the capture. Accumulating instructions read, add, write: three cycles a word.
// done_o comes in the cycle after the grant of the last write of an instruction.
`include "assert.svh"

module array_drain
  import array_pkg::*;
#(
    parameter int unsigned ArrayCols = 4,
    parameter int unsigned GroupBanks = 2,
    parameter int unsigned Groups = 2,
    parameter int unsigned ScrWords = 256,
    localparam int unsigned WordBits = 32 * ArrayCols,
    localparam int unsigned ScrAddrWidth = $clog2(ScrWords)
) (
    input  logic                    clk_i,
    input  logic                    rst_ni,
    input  logic                    cmd_valid_i,
    /* verilator lint_off UNUSEDSIGNAL */  // a part of the fields concerns each unit
    input  array_cmd_t              cmd_i,
    /* verilator lint_on UNUSEDSIGNAL */
    output logic                    cmd_pop_o,
    input  logic                    cap_valid_i,
    input  logic [StageWidth-1:0]   cap_stage_i,
    input  logic [ArrayCols-1:0][31:0] cap_acc_i[GroupBanks],
    input  logic                    reserve_i,
    output logic                    room_o,
    input  logic                    pv_start_i,
    output logic                    pv_busy_o,
    output logic                    busy_o,
    output logic                    done_o,
    output logic                    bad_address_o,
    output logic                    rd_req_o,
    output logic [ScrAddrWidth-1:0] rd_addr_o,
    input  logic                    rd_gnt_i,
    input  logic [WordBits-1:0]     rd_data_i,
    output logic                    wr_req_o,
    output logic [ScrAddrWidth-1:0] wr_addr_o,
    output logic [WordBits-1:0]     wr_data_o,
    input  logic                    wr_gnt_i
);

  localparam int unsigned FifoDepth = 5;  // a word a cycle from reservation to write
  localparam int unsigned CreditWidth = $clog2(FifoDepth + 1);
  localparam int unsigned LgBanks = $clog2(GroupBanks);
  localparam int unsigned GroupWidth = $clog2(Groups);
  localparam int unsigned ChunkWidth = GroupBanks > 1 ? LgBanks : 1;
  localparam int unsigned WordAddrWidth = 24;  // any destination + 127 strides

  typedef logic [ArrayCols-1:0][31:0] lanes_t;
  typedef struct packed {
    logic last;
    logic accumulate;
    logic [ScrAddrWidth-1:0] addr;
    logic [WordBits-1:0] data;
  } entry_t;

  logic emit_head_end, emit_sweep_end;
  logic push_accumulate_q;

  // ---- Capture: position in the instruction, tree ----
  logic [PlaneWidth-1:0] plane_q;
  logic [CountWidth-1:0] sweep_q;
  logic [StageWidth-1:0] head_q, captured_q;
  logic [CountWidth-1:0] word_q, plane_word_q;
  logic [WordAddrWidth-1:0] stride_q;
  logic plane_end, sweep_last, sweep_done, cap_direct, head_last, cap_last;
  logic [StageWidth-1:0] heads, stages;
  logic [WordAddrWidth-1:0] cap_addr;

  assign plane_end = sweep_q == cmd_i.sweeps - CountWidth'(1);
  assign sweep_last = plane_end && plane_q == cmd_i.plane_last;
  assign heads = cmd_i.north ? cmd_i.rows : StageWidth'(1) << cmd_i.lg_heads;
  assign stages = cmd_i.north ? cmd_i.full
                              : (cmd_i.pv ? cmd_i.used : sweep_last ? cmd_i.tail : cmd_i.full) << cmd_i.lg_heads;
  assign head_last = head_q == heads - StageWidth'(1);
  assign cap_last = cap_stage_i == stages - StageWidth'(1);
  assign cap_direct = cap_valid_i && (cmd_i.north || !cmd_i.pv);
  assign sweep_done = (cap_direct && cap_last) || emit_sweep_end;
  assign cap_addr = WordAddrWidth'(cmd_i.dst) + WordAddrWidth'(word_q) + WordAddrWidth'(plane_word_q) + stride_q;

  // node[n + i], n = 1, 2, 4 .. GroupBanks: sum of the rows equal to i modulo n.
  lanes_t node[2*GroupBanks];

  always_comb begin
    for (int unsigned n = 0; n < 2 * GroupBanks; n++) node[n] = '0;
    if (cap_valid_i) begin
      for (int unsigned i = 0; i < GroupBanks; i++) node[GroupBanks+i] = cap_acc_i[i];
      for (int unsigned n = GroupBanks / 2; n > 0; n = n / 2) begin
        for (int unsigned i = 0; i < n; i++) begin
          for (int unsigned c = 0; c < ArrayCols; c++) node[n+i][c] = node[2*n+i][c] + node[3*n+i][c];
        end
      end
    end
  end

  // ---- Sums of the groups ----
  logic tree_valid_q, tree_direct_q, tree_differ_q, tree_last_q;
  logic [GroupWidth-1:0] tree_group_q;
  logic [WordAddrWidth-1:0] tree_addr_q;
  lanes_t tree_total;

  logic emit_read;
  logic [GroupWidth-1:0] emit_group;
  logic [ChunkWidth-1:0] emit_chunk_q;
  lanes_t sums[GroupBanks];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      tree_valid_q <= 1'b0;
    end else begin
      tree_valid_q <= cap_valid_i;
    end
    if (cap_valid_i) begin
      tree_direct_q <= cap_direct;
      tree_differ_q <= !cmd_i.north && sweep_q != '0;
      tree_last_q <= cap_last && sweep_last;
      tree_group_q <= cap_stage_i[GroupWidth-1:0];
      tree_addr_q <= cap_addr;
    end
  end

  for (genvar i = 0; i < GroupBanks; i++) begin : gen_sum
    logic write, read;

    lanes_t tree_q;

    // With n chunks, chunk i is the sum of the rows equal to i modulo n; QK and north feed sum up all rows.
    always_ff @(posedge clk_i) begin
      if (cap_valid_i) begin
        tree_q <= node[GroupBanks+i];
        for (int unsigned n = 1; n < GroupBanks; n = 2 * n) begin
          if (i < n && (cap_direct ? n == 1 : LgWidth'($clog2(n)) == cmd_i.lg_chunks)) tree_q <= node[n+i];
        end
      end
    end

    if (i == 0) begin : gen_total
      assign tree_total = tree_q;
    end

    assign write = tree_valid_q && (!tree_direct_q || i == 0);
    assign read = emit_read || (cap_direct && i == 0);

    ram_1r1w #(
        .Depth(Groups),
        .Width(WordBits)
    ) u_sums (
        .clk_i,
        .rd_en_i  (read),
        .rd_addr_i(emit_read ? emit_group : cap_stage_i[GroupWidth-1:0]),
        .rd_data_o(sums[i]),
        .wr_en_i  (write),
        .wr_addr_i(tree_group_q),
        .wr_data_i(tree_q),
        .wr_be_i  ('1)
    );
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      plane_q <= '0;
      sweep_q <= '0;
    end else if (sweep_done) begin
      sweep_q <= plane_end ? '0 : sweep_q + CountWidth'(1);
      if (plane_end) plane_q <= sweep_last ? '0 : plane_q + PlaneWidth'(1);
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      head_q <= '0;
      word_q <= '0;
      plane_word_q <= '0;
      stride_q <= '0;
    end else if (cap_direct) begin
      head_q <= head_q + StageWidth'(1);
      stride_q <= stride_q + WordAddrWidth'(cmd_i.dst_stride);
      if (head_last) begin
        head_q <= '0;
        stride_q <= '0;
        // Planes in the rows are a sweep's words apart.
        if (cmd_i.row_plane_last != '0 && !cap_last) begin
          plane_word_q <= plane_word_q + cmd_i.sweeps;
        end else begin
          plane_word_q <= '0;
          word_q <= word_q + CountWidth'(1);
        end
      end
      if (cap_last && sweep_last) word_q <= '0;
    end else if (emit_sweep_end) begin
      word_q <= sweep_last ? '0 : word_q + (CountWidth'(1) << cmd_i.lg_chunks);
    end else if (emit_head_end) begin
      stride_q <= stride_q + WordAddrWidth'(cmd_i.dst_stride);
      head_q <= head_q + StageWidth'(1);
    end
    if (rst_ni && emit_sweep_end) begin
      stride_q <= '0;
      head_q <= '0;
    end
  end

  // ---- Emission of PV: heads > chunks > groups of the head ----
  logic pv_busy_q, emit_valid_q, emit_first_q, emit_end_q, emit_last_q;
  logic [ChunkWidth-1:0] chunk_q;
  logic [StageWidth-1:0] member_q;
  logic [WordAddrWidth-1:0] emit_addr_q;
  logic [StageWidth-1:0] emit_stage;
  logic member_last, chunk_last, emit_chunk_end;
  logic [CreditWidth-1:0] credit_q;

  assign emit_stage = (member_q << cmd_i.lg_heads) + head_q;
  assign emit_group = emit_stage[GroupWidth-1:0];
  assign member_last = member_q == cmd_i.used - StageWidth'(1);
  assign chunk_last = StageWidth'(chunk_q) == (StageWidth'(1) << cmd_i.lg_chunks) - StageWidth'(1);
  assign emit_read = pv_busy_q && emit_stage < captured_q && (!member_last || credit_q != '0);
  assign emit_chunk_end = emit_read && member_last;
  assign emit_head_end = emit_chunk_end && chunk_last;
  assign emit_sweep_end = emit_head_end && head_last;
  assign pv_busy_o = pv_busy_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      pv_busy_q <= 1'b0;
      captured_q <= '0;
      chunk_q <= '0;
      member_q <= '0;
      emit_valid_q <= 1'b0;
    end else begin
      if (pv_start_i) pv_busy_q <= 1'b1;
      else if (emit_sweep_end) pv_busy_q <= 1'b0;
      if (emit_sweep_end) captured_q <= '0;
      else if (tree_valid_q && !tree_direct_q) captured_q <= StageWidth'(tree_group_q) + StageWidth'(1);
      if (emit_read) member_q <= member_last ? '0 : member_q + StageWidth'(1);
      if (emit_chunk_end) chunk_q <= chunk_last ? '0 : chunk_q + ChunkWidth'(1);
      emit_valid_q <= emit_read;
    end
    if (emit_read) begin
      emit_first_q <= member_q == '0;
      emit_end_q <= member_last;
      emit_last_q <= emit_sweep_end && sweep_last;
      emit_chunk_q <= chunk_q;
      emit_addr_q <= WordAddrWidth'(cmd_i.dst) + WordAddrWidth'(word_q) + WordAddrWidth'(chunk_q) + stride_q;
    end
  end

  // ---- One adder for the difference of QK and the sum of PV ----
  lanes_t partial_q, augend, addend, value;
  logic push, subtract;
  logic [WordAddrWidth-1:0] push_addr;
  entry_t push_entry, head_entry;
  logic fifo_ready, fifo_valid, pop;

  assign push = (tree_valid_q && tree_direct_q) || (emit_valid_q && emit_end_q);
  assign push_addr = emit_valid_q ? emit_addr_q : tree_addr_q;
  assign subtract = !emit_valid_q;

  always_comb begin
    augend = '0;
    addend = '0;
    value = '0;
    if (emit_valid_q) begin
      if (!emit_first_q) augend = partial_q;
      addend = sums[emit_chunk_q];
    end else if (tree_valid_q) begin
      augend = tree_total;
      if (tree_differ_q) addend = sums[0];
    end
    if (emit_valid_q || tree_valid_q) begin
      for (int unsigned c = 0; c < ArrayCols; c++) begin
        value[c] = augend[c] + (addend[c] ^ {32{subtract}}) + 32'(subtract);
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (emit_valid_q) partial_q <= value;
  end

  assign bad_address_o = push && push_addr >= WordAddrWidth'(ScrWords);
  assign push_entry.last = emit_valid_q ? emit_last_q : tree_last_q;
  assign push_entry.accumulate = push_accumulate_q;
  assign push_entry.addr = push_addr[ScrAddrWidth-1:0];
  assign push_entry.data = value;

  fifo #(
      .Width($bits(entry_t)),
      .Depth(FifoDepth)
  ) u_words (
      .clk_i,
      .rst_ni,
      .clear_i(1'b0),
      .valid_i(push && !bad_address_o),
      .ready_o(fifo_ready),
      .data_i (push_entry),
      .valid_o(fifo_valid),
      .ready_i(pop),
      .data_o (head_entry)
  );

  logic reserve_emit;
  assign reserve_emit = emit_chunk_end;
  assign room_o = credit_q != '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) credit_q <= CreditWidth'(FifoDepth);
    else credit_q <= credit_q + CreditWidth'(pop) - CreditWidth'(reserve_i) - CreditWidth'(reserve_emit);
  end

  // The instruction ends with its last capture or its last emission; the flag of accumulation is kept for the push.
  assign cmd_pop_o = (cap_direct && cap_last && sweep_last) || (emit_sweep_end && sweep_last);

  always_ff @(posedge clk_i) begin
    if (cap_direct || emit_read) push_accumulate_q <= cmd_i.accumulate;
  end

  // ---- Writes ----
  typedef enum logic [1:0] {
    WrPlain,
    WrAdd,
    WrSum
  } write_state_e;

  write_state_e wr_state_q;
  lanes_t sum_q;
  lanes_t memory_word;
  logic done_q;

  assign memory_word = rd_data_i;
  assign rd_req_o = fifo_valid && head_entry.accumulate && wr_state_q == WrPlain;
  assign rd_addr_o = head_entry.addr;
  assign wr_req_o = fifo_valid && (head_entry.accumulate ? wr_state_q == WrSum : 1'b1);
  assign wr_addr_o = head_entry.addr;
  assign wr_data_o = head_entry.accumulate ? sum_q : head_entry.data;
  assign pop = wr_req_o && wr_gnt_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      wr_state_q <= WrPlain;
    end else begin
      unique case (wr_state_q)
        WrPlain: if (rd_req_o && rd_gnt_i) wr_state_q <= WrAdd;
        WrAdd: wr_state_q <= WrSum;
        WrSum: if (wr_gnt_i) wr_state_q <= WrPlain;
        default: wr_state_q <= WrPlain;
      endcase
    end
  end

  for (genvar c = 0; c < ArrayCols; c++) begin : gen_accumulate
    always_ff @(posedge clk_i) begin
      if (wr_state_q == WrAdd) sum_q[c] <= head_entry.data[32*c+:32] + memory_word[c];
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) done_q <= 1'b0;
    else done_q <= pop && head_entry.last;
  end

  assign done_o = done_q;
  assign busy_o = pv_busy_q || tree_valid_q || emit_valid_q || fifo_valid || done_q;

  `ASSERT(NoPushWithoutRoom, !push || bad_address_o || fifo_ready)
  `ASSERT(CreditInRange, credit_q <= CreditWidth'(FifoDepth))
  `ASSERT(NoReserveWithoutRoom, !reserve_i || room_o)
  `ASSERT(CaptureHasCommand, !cap_valid_i || cmd_valid_i)
  `ASSERT(CaptureInStages, !cap_valid_i || cap_stage_i < stages)
  `ASSERT(OneSourceOfWords, !(emit_valid_q && tree_valid_q && tree_direct_q))
  `ASSERT(NoCaptureWhileEmitting, !cap_direct || captured_q == '0)
  `ASSERT(WriteStable, !$past(rst_ni) || !$past(wr_req_o) || $past(wr_gnt_i) || (wr_req_o && $stable
          (wr_addr_o)))
  `ASSERT(ReadStable, !$past(rst_ni) || !$past(rd_req_o) || $past(rd_gnt_i) || (rd_req_o && $stable
          (rd_addr_o)))
  `ASSERT_INIT(ScrWordsFit, ScrWords <= 2 ** (AddrWidth - 1))

endmodule

// Front end of the PIM unit: checks instructions, reads the input row tiles, cuts XBAR into chunks and executes XPROG.
//
// One instruction at a time: an XBAR is finished here when its last chunk is taken, so that the next one's input is
// read while it converts. Row tiles go to the bank of input registers that the chunk in work does not use. XPROG
// starts when all earlier work is written (pipeline_idle_i) and programs one row and column group a cycle. An illegal
// instruction pulses err_o, writes nothing (but for XPROG's rows before an illegal code) and is dropped.
`include "assert.svh"

module pim_load
  import pim_pkg::*;
  import pimllm_pkg::*;
#(
    parameter int unsigned XbarRows = 16,
    parameter int unsigned XbarCols = 16,
    parameter int unsigned XbarSets = 2,
    parameter int unsigned XbarSlots = 16,
    parameter int unsigned XbarAdcs = 8,
    parameter int unsigned AdcBits = 5,
    parameter int unsigned VecLanes = 4,
    parameter int unsigned ActWords = 512,
    localparam int unsigned WordBytes = 4 * VecLanes,
    localparam int unsigned WordBits = 8 * WordBytes,
    localparam int unsigned InWords = XbarRows / WordBytes,
    localparam int unsigned PartWidth = InWords > 1 ? $clog2(InWords) : 1,
    localparam int unsigned SetWidth = $clog2(XbarSets),
    localparam int unsigned SlotWidth = XbarSlots > 1 ? $clog2(XbarSlots) : 1,
    localparam int unsigned RowWidth = $clog2(XbarRows),
    localparam int unsigned ColGroups = XbarCols / XbarAdcs,
    localparam int unsigned GroupWidth = ColGroups > 1 ? $clog2(ColGroups) : 1,
    localparam int unsigned ActAddrWidth = $clog2(ActWords)
) (
    input  logic clk_i,
    input  logic rst_ni,

    input  logic            cmd_valid_i,
    output logic            cmd_ready_o,
    input  unit_cmd_t       cmd_i,
    output logic            err_o,
    output isa_pkg::error_e err_code_o,
    output logic            busy_o,
    output logic            loading_o,

    input  logic [15:0]             rows_per_conv_i,
    input  logic [AdcBitsWidth-1:0] adc_bits_i,

    output logic                    act_rd_req_o,
    output logic [ActAddrWidth-1:0] act_rd_addr_o,
    input  logic                    act_rd_gnt_i,
    input  logic [WordBits-1:0]     act_rd_data_i,

    output logic                tile_we_o,  // act_rd_data_i is part tile_part_o of row tile tile_index_o
    output logic                tile_bank_o,
    output logic [SetWidth-1:0] tile_index_o,
    output logic [PartWidth-1:0] tile_part_o,

    output logic   chunk_valid_o,
    input  logic   chunk_ready_i,
    output chunk_t chunk_o,

    input  logic                         pipeline_idle_i,
    output logic                         prog_valid_o,
    output logic [SetWidth-1:0]          prog_set_o,
    output logic [SlotWidth-1:0]         prog_slot_o,
    output logic [GroupWidth-1:0]        prog_group_o,
    output logic [RowWidth-1:0]          prog_row_o,
    output logic [CellBits*XbarAdcs-1:0] prog_codes_o,
    output logic                         prog_done_o
);

  localparam int unsigned TileWords = XbarCols / VecLanes;
  localparam int unsigned InShift = $clog2(InWords);
  localparam int unsigned TileShift = $clog2(TileWords);
  localparam int unsigned Crossbars = XbarSets * XbarSlots;
  localparam int unsigned SliceBits = CellBits * XbarAdcs;
  localparam int unsigned SlicesPerWord = WordBits / SliceBits;
  localparam int unsigned SliceWidth = SlicesPerWord > 1 ? $clog2(SlicesPerWord) : 1;
  localparam int unsigned RowsPerWord = SlicesPerWord / ColGroups;
  localparam int unsigned RowsPerWordShift = $clog2(RowsPerWord);
  localparam int unsigned CrossbarWidth = $clog2(
      Crossbars
  ) == 16 ? 16 : $clog2(
      Crossbars
  ) + 1;  // of a number of them
  localparam int unsigned SpanWidth = 34;  // sums and products of 16-bit fields

  typedef enum logic [2:0] {
    Idle,      // takes an instruction
    Check,
    Load,      // reads row tiles
    Emit,      // offers the chunk
    ProgWait,
    Prog
  } state_e;

  state_e state_q, state_d;

  // --- the instruction -----------------------------------------------------------------------------------------------
  isa_pkg::opcode_e opcode_q;
  logic [15:0] input_q;       // ACT address of the input (a0)
  logic [15:0] row_tiles_q;   // s1 (XPROG: first row, counts up)
  logic [15:0] pos_q;
  // What is left: first crossbar, output address and words (XPROG: rows), column tiles, row tiles of this column tile.
  logic [15:0] first_q, out_q, count_q, cols_left_q, rows_left_q;
  logic bank_q;

  // --- checks --------------------------------------------------------------------------------------------------------
  logic [15:0] col_tiles;
  logic [SpanWidth-1:0] in_end;
  logic [16:0] out_end, prog_words, prog_end, row_end;
  logic [2*CrossbarWidth-1:0] crossbar_span;
  logic [SpanWidth-1:0] crossbar_end;
  logic too_many;
  logic is_xbar, is_prog, bad_address, bad_operand;

  always_comb begin
    is_xbar = opcode_q == isa_pkg::OpXbar;
    is_prog = opcode_q == isa_pkg::OpXprog;
    col_tiles = '0;
    in_end = '0;
    out_end = '0;
    crossbar_span = '0;
    crossbar_end = '0;
    too_many = 1'b0;
    prog_words = '0;
    prog_end = '0;
    row_end = '0;
    bad_operand = 1'b0;
    bad_address = 1'b0;
    if (state_q == Check) begin
      col_tiles = 16'((17'(count_q) + 17'(TileWords - 1)) >> TileShift);
      in_end = SpanWidth'(input_q) + (SpanWidth'(row_tiles_q) << InShift);
      out_end = 17'(out_q) + 17'(count_q);
      too_many = 32'(col_tiles) > Crossbars || 32'(row_tiles_q) > Crossbars;
      crossbar_span = (2 * CrossbarWidth)'(col_tiles[CrossbarWidth-1:0])
          * (2 * CrossbarWidth)'(row_tiles_q[CrossbarWidth-1:0]);
      crossbar_end = SpanWidth'(first_q) + SpanWidth'(crossbar_span);
      prog_words = (17'(count_q) + 17'(RowsPerWord - 1)) >> RowsPerWordShift;
      prog_end = 17'(input_q) + prog_words;
      row_end = 17'(row_tiles_q) + 17'(count_q);
      if (is_xbar) begin
        bad_operand = count_q == '0 || row_tiles_q == '0 || rows_per_conv_i == '0 ||
            rows_per_conv_i > 16'(XbarRows) || adc_bits_i == '0 || adc_bits_i > AdcBitsWidth'(AdcBits);
        bad_address = in_end > SpanWidth'(ActWords) || out_end > 17'(ActWords) || too_many ||
            crossbar_end > SpanWidth'(Crossbars);
      end else begin
        bad_operand = count_q == '0;
        bad_address = prog_end > 17'(ActWords) || row_end > 17'(XbarRows) || 32'(first_q) >= Crossbars;
      end
    end
  end

  // --- chunks --------------------------------------------------------------------------------------------------------
  // Column tiles that fit into a chunk, by row tiles.
  function automatic logic [ChunkCountWidth-1:0] col_tiles_at_once(input logic [15:0] row_tiles);
    logic [ChunkCountWidth-1:0] n;
    n = ChunkCountWidth'(1);
    for (int unsigned i = 1; i < XbarSets; i++) begin
      if (row_tiles == 16'(i)) n = ChunkCountWidth'(XbarSets / i);
    end
    return n;
  endfunction

  logic parted;  // a column tile takes several chunks
  logic [ChunkCountWidth-1:0] fit, chunk_cols, chunk_rows;
  chunk_t chunk;

  always_comb begin
    parted = row_tiles_q > 16'(XbarSets);
    fit = '0;
    chunk_cols = '0;
    chunk_rows = '0;
    chunk = '0;
    if (state_q == Load || state_q == Emit) begin
      fit = col_tiles_at_once(row_tiles_q);
      chunk_cols = cols_left_q < 16'(fit) ? ChunkCountWidth'(cols_left_q) : fit;
      chunk_rows = rows_left_q < 16'(XbarSets) ? ChunkCountWidth'(rows_left_q) : ChunkCountWidth'(XbarSets);
      chunk.bank = bank_q;
      chunk.first = first_q;
      chunk.crossbars = chunk_rows * chunk_cols;
      chunk.row_tiles = chunk_rows;
      chunk.col_tiles = chunk_cols;
      chunk.part_first = rows_left_q == row_tiles_q;
      chunk.part_last = rows_left_q == 16'(chunk_rows);
      chunk.last = chunk.part_last && cols_left_q == 16'(chunk_cols);
      chunk.out_word = out_q;
      chunk.words_left = count_q;
      chunk.pos = pos_q;
    end
  end

  // --- reading -------------------------------------------------------------------------------------------------------
  logic [ActAddrWidth-1:0] rd_addr_q;
  logic [15:0] words_left_q;  // not yet granted
  logic data_q;               // data comes this cycle
  logic [SetWidth-1:0] tile_q;
  logic [PartWidth-1:0] part_q;
  logic rd_req, rd_gnt, enter_load, loaded, taken;
  logic [15:0] load_words;
  logic [15:0] load_rows;

  assign rd_gnt = rd_req && act_rd_gnt_i;
  assign loaded = state_q == Emit || (state_q == Load && data_q && words_left_q == '0);
  assign taken = loaded && chunk_ready_i;

  // --- programming ---------------------------------------------------------------------------------------------------
  logic [WordBits-1:0] prog_word_q;
  logic have_q;
  logic [SliceWidth-1:0] slice_q;
  logic [GroupWidth-1:0] group_q;
  logic prog_step, slice_last, group_last, row_is_last, bad_code;

  assign prog_step = state_q == Prog && have_q;
  assign slice_last = slice_q == SliceWidth'(SlicesPerWord - 1);
  assign group_last = group_q == GroupWidth'(ColGroups - 1);
  assign row_is_last = group_last && count_q == 16'd1;

  always_comb begin
    bad_code = 1'b0;
    if (prog_step) begin
      for (int unsigned c = 0; c < XbarAdcs; c++) bad_code |= &prog_word_q[CellBits*c+:CellBits];
    end
  end

  always_comb begin
    unique case (state_q)
      Load: rd_req = words_left_q != '0;
      Prog: rd_req = words_left_q != '0 && !data_q && (!have_q || (slice_last && !bad_code));
      default: rd_req = 1'b0;
    endcase
  end

  // --- order -----------------------------------------------------------------------------------------------------------
  // All words that XBARs write since the pipeline was idle lie in [written_first_q, written_end_q): an XBAR that reads in
  // there waits until it is idle again.
  logic [15:0] written_first_q;
  logic [16:0] written_end_q;
  logic unwritten;

  assign unwritten = !pipeline_idle_i && 17'(input_q) < written_end_q && in_end > SpanWidth'(written_first_q);

  always_ff @(posedge clk_i) begin
    if (state_q == Check && enter_load) begin
      if (pipeline_idle_i || out_q < written_first_q) written_first_q <= out_q;
      if (pipeline_idle_i || out_end > written_end_q) written_end_q <= out_end;
    end
  end

  // --- control -------------------------------------------------------------------------------------------------------
  always_comb begin
    state_d = state_q;
    err_o = 1'b0;
    err_code_o = isa_pkg::ErrNone;
    enter_load = 1'b0;
    unique case (state_q)
      Idle: if (cmd_valid_i) state_d = Check;
      Check: begin
        if (!is_xbar && !is_prog) err_code_o = isa_pkg::ErrIllegalOpcode;
        else if (bad_operand) err_code_o = isa_pkg::ErrBadOperand;
        else if (bad_address) err_code_o = isa_pkg::ErrBadAddress;
        err_o = err_code_o != isa_pkg::ErrNone;
        enter_load = is_xbar && !err_o && !unwritten;
        if (err_o) state_d = Idle;
        else if (is_prog) state_d = ProgWait;
        else state_d = unwritten ? Check : Load;
      end
      Load, Emit: begin
        if (taken) begin
          enter_load = parted && !chunk.last;
          state_d = chunk.last ? Idle : parted ? Load : Emit;
        end else if (loaded) begin
          state_d = Emit;
        end
      end
      ProgWait: if (pipeline_idle_i) state_d = Prog;
      Prog: begin
        if (bad_code) begin
          err_o = 1'b1;
          err_code_o = isa_pkg::ErrBadOperand;
          state_d = Idle;
        end else if (prog_step && row_is_last) begin
          state_d = Idle;
        end
      end
      default: state_d = Idle;
    endcase
  end

  // Row tiles that a load reads: all of them, or as many as there are sets.
  always_comb begin
    load_rows = row_tiles_q;
    if (state_q != Check) load_rows = chunk.part_last ? row_tiles_q : rows_left_q - 16'(chunk_rows);
    load_words = (load_rows < 16'(XbarSets) ? load_rows : 16'(XbarSets)) << InShift;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
      bank_q <= 1'b0;
      data_q <= 1'b0;
    end else begin
      state_q <= state_d;
      if (enter_load) bank_q <= !bank_q;
      data_q <= rd_gnt;
    end
  end

  always_ff @(posedge clk_i) begin
    if (state_q == Idle && cmd_valid_i) begin
      opcode_q <= cmd_i.opcode;
      input_q <= cmd_i.a0;
      out_q <= cmd_i.a1[15:0];
      count_q <= cmd_i.count;
      first_q <= cmd_i.s0;
      row_tiles_q <= cmd_i.s1;
      pos_q <= cmd_i.pos;
    end
    if (state_q == Check) begin
      cols_left_q <= col_tiles;
      rows_left_q <= row_tiles_q;
    end
    if (taken) begin
      first_q <= first_q + 16'(chunk.crossbars);
      if (chunk.part_last) begin
        rows_left_q <= row_tiles_q;
        cols_left_q <= cols_left_q - 16'(chunk_cols);
        out_q <= out_q + (16'(chunk_cols) << TileShift);
        count_q <= count_q - (16'(chunk_cols) << TileShift);
      end else begin
        rows_left_q <= rows_left_q - 16'(chunk_rows);
      end
    end
    if (prog_step && group_last) begin
      count_q <= count_q - 1'b1;
      row_tiles_q <= row_tiles_q + 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (state_q == Check) begin
      rd_addr_q <= input_q[ActAddrWidth-1:0];
      words_left_q <= is_xbar ? load_words : prog_words[15:0];
    end else if (enter_load) begin
      // The next part goes on where this one ended, the next column tile starts over.
      if (chunk.part_last) rd_addr_q <= input_q[ActAddrWidth-1:0];
      words_left_q <= load_words;
    end else if (rd_gnt) begin
      rd_addr_q <= rd_addr_q + 1'b1;
      words_left_q <= words_left_q - 1'b1;
    end
    if (enter_load) begin
      tile_q <= '0;
      part_q <= '0;
    end else if (tile_we_o) begin
      part_q <= part_q == PartWidth'(InWords - 1) ? '0 : part_q + 1'b1;
      if (part_q == PartWidth'(InWords - 1)) tile_q <= tile_q + 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (state_q == ProgWait) begin
      have_q <= 1'b0;
      group_q <= '0;
    end else if (state_q == Prog) begin
      if (data_q) begin
        prog_word_q <= act_rd_data_i;
        have_q <= 1'b1;
        slice_q <= '0;
      end else if (prog_step) begin
        prog_word_q <= prog_word_q >> SliceBits;
        slice_q <= slice_q + 1'b1;
        if (slice_last) have_q <= 1'b0;
      end
      if (prog_step) group_q <= group_last ? '0 : group_q + 1'b1;
    end
  end

  assign cmd_ready_o = state_q == Idle;
  assign act_rd_req_o = rd_req;
  assign act_rd_addr_o = rd_addr_q;
  assign tile_we_o = state_q == Load && data_q;
  assign tile_bank_o = bank_q;
  assign tile_index_o = tile_q;
  assign tile_part_o = part_q;
  assign chunk_valid_o = loaded;
  assign chunk_o = chunk;
  assign prog_valid_o = prog_step && !bad_code;
  assign prog_set_o = first_q[SetWidth-1:0];
  assign prog_slot_o = SlotWidth'(first_q >> SetWidth);
  assign prog_group_o = group_q;
  assign prog_row_o = row_tiles_q[RowWidth-1:0];
  assign prog_codes_o = prog_word_q[SliceBits-1:0];
  assign prog_done_o = prog_step && row_is_last && !bad_code;
  assign busy_o = state_q != Idle;
  assign loading_o = state_q == Check || state_q == Load;

  // XBAR and XPROG have no flags and use neither a2 nor s2; a1 is local, its low 16 bits count.
  logic unused_cmd;
  assign unused_cmd = ^{cmd_i.pc, cmd_i.mode, cmd_i.a2, cmd_i.s2, cmd_i.a1[MemAddrWidth-1:16], 1'b0};

  `ASSERT_INIT(PowersOfTwo, $onehot(XbarRows) && $onehot(XbarCols) && $onehot(XbarSets) && $onehot(XbarSlots)
               && $onehot(XbarAdcs) && $onehot(VecLanes) && $onehot(ActWords))
  `ASSERT_INIT(CrossbarsNumbered, Crossbars <= 2 ** 16)
  `ASSERT_INIT(ActAddressed, ActWords <= 2 ** 16)
  `ASSERT_INIT(RowsInWord, RowsPerWord >= 1)
  `ASSERT_INIT(SetsCounted, XbarSets < 2 ** ChunkCountWidth)
  `ASSERT_STABLE(ReadStable, act_rd_req_o, act_rd_gnt_i, act_rd_addr_o)
  `ASSERT_STABLE(ChunkStable, chunk_valid_o, chunk_ready_i, chunk_o)
  `ASSERT(ChunkInBank, !chunk_valid_o || chunk.crossbars <= ChunkCountWidth'(XbarSets))
  `ASSERT(ProgramInRange, !prog_valid_o || 32'(row_tiles_q) < XbarRows)
  `ASSERT(ProgramNotAcrossWord, !(prog_step && data_q))
  `ASSERT(ErrorHasCode, !err_o || err_code_o != isa_pkg::ErrNone)
  `COVER(PartedTile, taken && parted)
  `COVER(ReadsUnwritten, state_q == Check && is_xbar && unwritten)
  `COVER(UnalignedChunk, taken && first_q[SetWidth-1:0] != '0)

endmodule

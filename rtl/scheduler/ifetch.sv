// Instruction buffer: direct-mapped, lines of 8 instructions, filled through an AXI4 read port of its own.
//
// Delivers one instruction a cycle while it hits; a redirect costs one cycle without an instruction. While the decoder
// works on a line, the next PrefetchLines lines are fetched ahead. A line whose fetch failed is delivered with
// instr_error_o set, so that only an executed instruction can fail. While run_i is low the buffer is emptied and what is
// still on the bus is dropped; run_i may rise only while idle_o is high, so that no line of an older program stays.
`include "assert.svh"

module ifetch
  import sched_pkg::*;
#(
    parameter int unsigned FetchBytes = 16,
    parameter int unsigned IbufLines = 64,
    parameter int unsigned PrefetchLines = 6
) (
    input  logic clk_i,
    input  logic rst_ni,
    input  logic run_i,
    output logic idle_o,

    input  logic               redirect_valid_i,
    input  logic [PcWidth-1:0] redirect_pc_i,

    output logic                             instr_valid_o,
    input  logic                             instr_ready_i,
    output logic [pimllm_pkg::InstrBits-1:0] instr_o,
    output logic [PcWidth-1:0]               instr_pc_o,
    output logic                             instr_error_o,

    output logic                                m_axi_fetch_arvalid_o,
    input  logic                                m_axi_fetch_arready_i,
    output logic [pimllm_pkg::MemAddrWidth-1:0] m_axi_fetch_araddr_o,
    output logic [7:0]                          m_axi_fetch_arlen_o,
    input  logic                                m_axi_fetch_rvalid_i,
    output logic                                m_axi_fetch_rready_o,
    input  logic [8*FetchBytes-1:0]             m_axi_fetch_rdata_i,
    input  logic [1:0]                          m_axi_fetch_rresp_i,
    input  logic                                m_axi_fetch_rlast_i
);

  localparam int unsigned LineShift = $clog2(LineInstrs);
  localparam int unsigned LineWidth = PcWidth - LineShift;  // a line's number
  localparam int unsigned IndexWidth = $clog2(IbufLines);
  localparam int unsigned TagWidth = LineWidth - IndexWidth;
  localparam int unsigned LineBeats = LineBytes / FetchBytes;
  localparam int unsigned BeatWidth = LineBeats > 1 ? $clog2(LineBeats) : 1;
  localparam int unsigned AheadWidth = $clog2(PrefetchLines + 2);
  // A word of the RAM is a beat, but at least an instruction.
  localparam int unsigned WordBytes = FetchBytes > InstrBytes ? FetchBytes : InstrBytes;
  localparam int unsigned WordInstrs = WordBytes / InstrBytes;
  localparam int unsigned WordShift = $clog2(WordInstrs);
  localparam int unsigned BeatsPerWord = WordBytes / FetchBytes;
  localparam int unsigned RamWords = IbufLines * LineInstrs / WordInstrs;
  localparam int unsigned RamAddrWidth = $clog2(RamWords);

  function automatic logic [LineWidth-1:0] line_of(input logic [PcWidth-1:0] pc);
    return LineWidth'(pc >> LineShift);
  endfunction
  function automatic logic [TagWidth-1:0] tag_of(input logic [LineWidth-1:0] line);
    return TagWidth'(line >> IndexWidth);
  endfunction

  // --- lines -----------------------------------------------------------------------------------------------------------
  logic [IbufLines-1:0] valid_q, pending_q, bad_q;  // bad_q only counts for valid lines
  logic [TagWidth-1:0] tag_q[IbufLines];

  // --- delivery --------------------------------------------------------------------------------------------------------
  logic [PcWidth-1:0] next_pc_q, pc_q;
  logic pc_valid_q, word_valid_q, error_q;
  logic [LineWidth-1:0] line;
  logic [IndexWidth-1:0] index;
  logic hit, deliver, same_word;
  logic [8*WordBytes-1:0] word;

  assign line = line_of(next_pc_q);
  assign index = line[IndexWidth-1:0];
  assign hit = valid_q[index] && tag_q[index] == tag_of(line);
  assign deliver = run_i && hit && !redirect_valid_i && (!pc_valid_q || instr_ready_i);
  assign same_word = word_valid_q && pc_q[PcWidth-1:WordShift] == next_pc_q[PcWidth-1:WordShift];

  always_ff @(posedge clk_i) begin
    if (!rst_ni || !run_i) begin
      pc_valid_q <= 1'b0;
      word_valid_q <= 1'b0;
    end else begin
      if (deliver) begin
        pc_valid_q <= 1'b1;
        word_valid_q <= 1'b1;
      end else if (instr_ready_i) begin
        pc_valid_q <= 1'b0;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (redirect_valid_i) begin
      next_pc_q <= redirect_pc_i;
    end else if (deliver) begin
      next_pc_q <= next_pc_q + 1'b1;
    end
    if (deliver) begin
      pc_q <= next_pc_q;
      error_q <= bad_q[index];
    end
  end

  assign instr_valid_o = pc_valid_q;
  assign instr_pc_o = pc_q;
  assign instr_error_o = error_q;
  if (WordInstrs > 1) begin : gen_select
    assign instr_o = word[pimllm_pkg::InstrBits*pc_q[WordShift-1:0]+:pimllm_pkg::InstrBits];
  end else begin : gen_word
    assign instr_o = word;
  end

  // --- requests: the line of the decoder first, then the ones behind it --------------------------------------------------
  logic [LineWidth-1:0] base_q, candidate;
  logic [IndexWidth-1:0] slot;
  logic [AheadWidth-1:0] ahead_q;
  logic wanted, slot_pending, present, request;
  logic ar_valid_q, order_ready, order_valid;
  logic [LineWidth-1:0] ar_line_q;
  logic [IndexWidth-1:0] fill_index;
  logic beat, line_done;

  assign candidate = base_q + LineWidth'(ahead_q);
  assign slot = candidate[IndexWidth-1:0];
  assign wanted = run_i && base_q == line && ahead_q <= AheadWidth'(PrefetchLines);
  assign slot_pending = pending_q[slot];
  assign present = (valid_q[slot] || slot_pending) &&
      tag_q[slot] == tag_of(candidate);
  assign request = wanted && !present && !slot_pending && order_ready && (!ar_valid_q || m_axi_fetch_arready_i);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      ar_valid_q <= 1'b0;
      ahead_q <= '0;
    end else begin
      if (m_axi_fetch_arready_i) ar_valid_q <= 1'b0;
      if (request) ar_valid_q <= 1'b1;
      if (!run_i || base_q != line) begin
        ahead_q <= '0;
      end else if (wanted && (present || request)) begin
        ahead_q <= ahead_q + 1'b1;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    base_q <= line;
    if (request) begin
      ar_line_q <= candidate;
      tag_q[slot] <= tag_of(candidate);
    end
  end

  assign m_axi_fetch_arvalid_o = ar_valid_q;
  assign m_axi_fetch_araddr_o = {ar_line_q, {$clog2(LineBytes){1'b0}}};
  assign m_axi_fetch_arlen_o = 8'(LineBeats - 1);

  // --- fills, in the order of the requests -------------------------------------------------------------------------------
  logic [BeatWidth-1:0] beat_q;
  logic beat_bad_q;
  logic [RamAddrWidth-1:0] wr_addr, rd_addr;
  logic [WordBytes-1:0] wr_be;

  fifo #(
      .Width(IndexWidth),
      .Depth(PrefetchLines + 1)
  ) u_order (
      .clk_i,
      .rst_ni,
      .clear_i(1'b0),
      .valid_i(request),
      .ready_o(order_ready),
      .data_i(slot),
      .valid_o(order_valid),
      .ready_i(line_done),
      .data_o(fill_index)
  );

  assign m_axi_fetch_rready_o = 1'b1;
  assign beat = m_axi_fetch_rvalid_i;
  assign line_done = beat && beat_q == BeatWidth'(LineBeats - 1);
  assign idle_o = !ar_valid_q && !order_valid;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      beat_q <= '0;
      beat_bad_q <= 1'b0;
      valid_q <= '0;
      pending_q <= '0;
    end else begin
      if (beat) begin
        beat_q <= line_done ? '0 : beat_q + 1'b1;
        beat_bad_q <= line_done ? 1'b0 : beat_bad_q || m_axi_fetch_rresp_i[1];
      end
      if (!run_i) begin
        valid_q <= '0;
        pending_q <= '0;
      end else begin
        if (request) begin
          valid_q[slot] <= 1'b0;
          pending_q[slot] <= 1'b1;
        end
        if (line_done) begin
          valid_q[fill_index] <= 1'b1;
          pending_q[fill_index] <= 1'b0;
          bad_q[fill_index] <= beat_bad_q || m_axi_fetch_rresp_i[1];
        end
      end
    end
  end

  if (LineBeats / BeatsPerWord > 1) begin : gen_fill_address
    assign wr_addr = {fill_index, beat_q[BeatWidth-1:$clog2(BeatsPerWord)]};
  end else begin : gen_fill_line
    assign wr_addr = fill_index;
  end
  if (BeatsPerWord > 1) begin : gen_fill_part
    for (genvar i = 0; i < BeatsPerWord; i++) begin : gen_part
      assign wr_be[FetchBytes*i+:FetchBytes] = {FetchBytes{beat_q[$clog2(BeatsPerWord)-1:0] == i}};
    end
  end else begin : gen_fill_word
    assign wr_be = '1;
  end
  assign rd_addr = next_pc_q[WordShift+:RamAddrWidth];

  ram_1r1w #(
      .Depth(RamWords),
      .Width(8 * WordBytes)
  ) u_ram (
      .clk_i,
      .rd_en_i(deliver && !same_word),
      .rd_addr_i(rd_addr),
      .rd_data_o(word),
      .wr_en_i(beat),
      .wr_addr_i(wr_addr),
      .wr_data_i({BeatsPerWord{m_axi_fetch_rdata_i}}),
      .wr_be_i(wr_be)
  );

  logic unused;
  assign unused = ^{m_axi_fetch_rlast_i, m_axi_fetch_rresp_i[0], order_valid};

  `ASSERT_INIT(BeatFitsLine,
               FetchBytes >= 8 && FetchBytes <= LineBytes && (FetchBytes & (FetchBytes - 1)) == 0)
  `ASSERT_INIT(LinesPowerOfTwo, (IbufLines & (IbufLines - 1)) == 0 && IbufLines > PrefetchLines)
  `ASSERT(ArStable, !($past(rst_ni) && $past(ar_valid_q) && !$past(m_axi_fetch_arready_i)
          ) || (ar_valid_q && $stable(ar_line_q)))
  `ASSERT(BeatExpected, !beat || order_valid)
  `ASSERT(LastWhereExpected, !beat || m_axi_fetch_rlast_i == line_done)
  `ASSERT(FilledLineWasPending, !(line_done && run_i && $past(run_i)) || pending_q[fill_index])
  `ASSERT(OneState, (valid_q & pending_q) == '0)
  `ASSERT(StartsIdle, !(run_i && !$past(run_i)) || idle_o)
  `ASSERT(InstrStable, !($past(rst_ni) && $past(pc_valid_q) && $past(run_i) && run_i && !$past(instr_ready_i)
          && !$past(redirect_valid_i)) || (pc_valid_q && $stable(pc_q)))
  `COVER(LinePending, run_i && !hit && pending_q[index])
  `COVER(RequestWaits, ar_valid_q && !m_axi_fetch_arready_i)

endmodule

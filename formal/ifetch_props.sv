// Instruction fetch: an AXI read master whose requests are whole lines, counted exactly; a line is filled once for each
// time it was asked for; and what is delivered is what memory returned for that address, or marked as an error.
//
// The latter for one instruction of any choice, by its lowest bit: of memory it is assumed that it answers in order, with
// as many beats as asked for, and with the same bit each time.
`include "assert.svh"

module ifetch_props
  import sched_pkg::*;
#(
    parameter int unsigned FetchBytes = 16,
    parameter int unsigned IbufLines = 64,
    parameter int unsigned PrefetchLines = 6,
    localparam int unsigned LineWidth = PcWidth - $clog2(LineInstrs),
    localparam int unsigned IndexWidth = $clog2(IbufLines),
    localparam int unsigned TagWidth = LineWidth - IndexWidth,
    localparam int unsigned LineBeats = LineBytes / FetchBytes,
    localparam int unsigned BeatWidth = $clog2(LineBeats),
    localparam int unsigned WordInstrs = FetchBytes / InstrBytes,
    localparam int unsigned Depth = PrefetchLines + 1,
    localparam int unsigned PtrWidth = $clog2(Depth),
    localparam int unsigned CountWidth = $clog2(Depth + 1)
) (
    input logic                                        clk_i,
    input logic                                        rst_ni,
    input logic                                        run_i,
    input logic                                        idle_o,
    input logic                                        redirect_valid_i,
    input logic                                        instr_valid_o,
    input logic                                        instr_ready_i,
    input logic                                        instr_error_o,
    input logic [              pimllm_pkg::InstrBits-1:0] instr_o,
    input logic [                         PcWidth-1:0] pc_q,
    input logic [                    8*FetchBytes-1:0] word,
    input logic                                        word_valid_q,
    input logic                                        error_q,
    input logic                                        m_axi_fetch_arvalid_o,
    input logic                                        m_axi_fetch_arready_i,
    input logic [      pimllm_pkg::MemAddrWidth-1:0] m_axi_fetch_araddr_o,
    input logic [                                 7:0] m_axi_fetch_arlen_o,
    input logic                                        m_axi_fetch_rvalid_i,
    input logic                                        m_axi_fetch_rready_o,
    input logic [                    8*FetchBytes-1:0] m_axi_fetch_rdata_i,
    input logic [                                 1:0] m_axi_fetch_rresp_i,
    input logic                                        m_axi_fetch_rlast_i,
    input logic                                        request,
    input logic [                       LineWidth-1:0] candidate,
    input logic [                       LineWidth-1:0] ar_line_q,
    input logic [                       IbufLines-1:0] valid_q,
    input logic [                       IbufLines-1:0] pending_q,
    input logic [                       IbufLines-1:0] bad_q,
    input logic [                        TagWidth-1:0] tag_q                [IbufLines],
    input logic [                       BeatWidth-1:0] beat_q,
    input logic                                        beat_bad_q,
    input logic                                        order_valid,
    input logic [                      IndexWidth-1:0] order_q              [    Depth],
    input logic [                        PtrWidth-1:0] order_rd_q,
    input logic [                        PtrWidth-1:0] order_wr_q,
    input logic [                      CountWidth-1:0] order_count_q,
    input logic [                    8*FetchBytes-1:0] stored               // in the RAM, where the one of choice belongs
);

  localparam int unsigned Bits = pimllm_pkg::InstrBits;
  localparam int unsigned LineShift = $clog2(LineBytes);

  logic ar, beat, was_run_q;
  logic [CountWidth-1:0] open_q;  // lines that memory has accepted and not answered whole
  logic [Depth-1:0][LineWidth-1:0] line_q;  // the lines of u_order
  logic [Depth-1:0] held;
  logic [Depth-1:0][PtrWidth-1:0] age;

  assign ar = m_axi_fetch_arvalid_o && m_axi_fetch_arready_i;
  assign beat = m_axi_fetch_rvalid_i && m_axi_fetch_rready_o;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      open_q <= '0;
      was_run_q <= 1'b0;
    end else begin
      open_q <= open_q + CountWidth'(ar) - CountWidth'(beat && m_axi_fetch_rlast_i);
      was_run_q <= run_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (request) line_q[order_wr_q] <= candidate;
  end

  for (genvar i = 0; i < Depth; i++) begin : gen_order
    // Depth is a power of two here.
    assign age[i]  = PtrWidth'(i) - order_rd_q;
    assign held[i] = CountWidth'(age[i]) < order_count_q;
    `ASSERT(SlotOfLine, !held[i] || order_q[i] == line_q[i][IndexWidth-1:0])
    `ASSERT(TagOfLine, !held[i] || !was_run_q || tag_q[order_q[i]] == line_q[i][LineWidth-1:IndexWidth])
    `ASSERT(HeldIsPending, !held[i] || !was_run_q || pending_q[order_q[i]])
    for (genvar j = 0; j < i; j++) begin : gen_other
      `ASSERT(AskedOnce, !held[i] || !held[j] || !was_run_q || order_q[i] != order_q[j])
    end
  end

  // Memory, and who uses the fetch: an instruction that could not be fetched is not executed.
  `ASSUME(BeginsIdle, !run_i || was_run_q || idle_o)
  `ASSUME(AnswersWhatIsOpen, !m_axi_fetch_rvalid_i || open_q != '0)
  `ASSUME(ErrorIsNotTaken,
          !(instr_valid_o && instr_error_o) || (!instr_ready_i && !redirect_valid_i) || !run_i)

  `ASSERT(CountedExactly, order_count_q == open_q + CountWidth'(m_axi_fetch_arvalid_o))
  `ASSERT(NotTooMany, open_q <= CountWidth'(Depth))
  `ASSERT(InBurst, beat_q == '0 || open_q != '0)
  `ASSERT(WholeLine, 32'(m_axi_fetch_arlen_o) + 1 == LineBeats && m_axi_fetch_araddr_o[LineShift-1:0] == '0)
  `ASSERT(PointersFollow, order_wr_q == PtrWidth'(order_rd_q + PtrWidth'(order_count_q)))
  `ASSERT(NewestOnPort, !m_axi_fetch_arvalid_o || ar_line_q == line_q[PtrWidth'(order_wr_q-1'b1)])
  `ASSERT(PendingIsHeld, !was_run_q || $countones(pending_q) == int'(order_count_q))
  `ASSERT(NoneUnlessRunning, was_run_q || (pending_q == '0 && valid_q == '0))

  // --- one instruction -----------------------------------------------------------------------------------------------
  logic [PcWidth-1:0] pc;
  logic value, here, answered;
  logic [BeatWidth-1:0] its_beat;

  // The lowest bit of the instruction, of its word.
  function automatic logic bit_of(input logic [8*FetchBytes-1:0] data, input logic [PcWidth-1:0] at);
    bit_of = 1'b0;
    for (int unsigned i = 0; i < WordInstrs; i++) if (at % WordInstrs == PcWidth'(i)) bit_of = data[Bits*i];
  endfunction
  logic [IndexWidth-1:0] index;
  logic [LineWidth-1:0] line;

  formal_any_const #(.WIDTH(PcWidth)) u_pc (.Y(pc));
  formal_any_const u_value (.Y(value));

  assign line = LineWidth'(pc >> $clog2(LineInstrs));
  assign index = line[IndexWidth-1:0];
  assign its_beat = BeatWidth'(pc / WordInstrs);
  assign answered = order_valid && line_q[order_rd_q] == line;
  assign here = tag_q[index] == line[LineWidth-1:IndexWidth];

  `ASSUME(MemoryHolds, !beat || !answered || beat_q != its_beat || m_axi_fetch_rresp_i[1] || bit_of(
          m_axi_fetch_rdata_i, pc) == value)

  `ASSERT(DeliveredAsInMemory, !instr_valid_o || pc_q != pc || instr_error_o || instr_o[0] == value)
  `ASSERT(BufferedAsInMemory, !valid_q[index] || !here || bad_q[index] || bit_of(stored, pc) == value)
  `ASSERT(FilledAsInMemory, !answered || beat_q <= its_beat || beat_bad_q || bit_of(stored, pc) == value)
  `ASSERT(ReadAsInMemory, !word_valid_q || pc_q / WordInstrs != pc / WordInstrs || error_q || bit_of(word, pc
          ) == value)
  `ASSERT(ErrorWaits, !(word_valid_q && error_q) || instr_valid_o)

endmodule

bind ifetch ifetch_props #(
    .FetchBytes(FetchBytes),
    .IbufLines(IbufLines),
    .PrefetchLines(PrefetchLines)
) u_props (
    .order_q(u_order.store_q),
    .order_rd_q(u_order.rd_ptr_q),
    .order_wr_q(u_order.wr_ptr_q),
    .order_count_q(u_order.count_q),
    .stored(u_ram.mem[u_props.pc[WordShift+:RamAddrWidth]]),
    .*
);

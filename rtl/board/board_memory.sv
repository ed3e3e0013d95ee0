// The board's memory: block RAM behind AXI4, for the machine's instruction port, its data channel and the serial bridge.
//
// Readers have priority by index, one burst at a time, a beat a cycle and one cycle between bursts; first data the cycle
// after the address is taken. One write burst at a time, beside reads. INCR bursts of whole beats; an address beyond the
// memory is answered with SLVERR, beat by beat, and nothing is written there.
`include "assert.svh"

module board_memory
  import pimllm_pkg::*;
#(
    parameter int unsigned Words = 1024,  // beats of eight bytes
    parameter string ImageFile = "",
    parameter int unsigned Readers = 3,
    localparam int unsigned BeatBytes = 8,
    localparam int unsigned BeatBits = 8 * BeatBytes,
    localparam int unsigned ReaderWidth = $clog2(Readers)
) (
    input  logic clk_i,
    input  logic rst_ni,

    input  logic [Readers-1:0]                   arvalid_i,
    output logic [Readers-1:0]                   arready_o,
    input  logic [Readers-1:0][MemAddrWidth-1:0] araddr_i,
    input  logic [Readers-1:0][7:0]              arlen_i,
    output logic [Readers-1:0]                   rvalid_o,
    input  logic [Readers-1:0]                   rready_i,
    output logic [BeatBits-1:0]                  rdata_o,  // of the reader whose rvalid_o is high
    output logic [1:0]                           rresp_o,
    output logic                                 rlast_o,

    input  logic                    awvalid_i,
    output logic                    awready_o,
    input  logic [MemAddrWidth-1:0] awaddr_i,
    input  logic                    wvalid_i,
    output logic                    wready_o,
    input  logic [BeatBits-1:0]     wdata_i,
    input  logic [BeatBytes-1:0]    wstrb_i,
    input  logic                    wlast_i,
    output logic                    bvalid_o,
    input  logic                    bready_i,
    output logic [1:0]              bresp_o
);

  localparam int unsigned ByteWidth = $clog2(BeatBytes);
  localparam int unsigned WordWidth = $clog2(Words);
  localparam int unsigned BeatAddrWidth = MemAddrWidth - ByteWidth;
  localparam logic [1:0] RespOkay = 2'b00;
  localparam logic [1:0] RespSlvErr = 2'b10;

  // --- reads ---------------------------------------------------------------------------------------------------------
  logic reading_q, out_valid_q, out_last_q, out_error_q;
  logic [ReaderWidth-1:0] reader_q, out_reader_q, next_reader;
  logic [BeatAddrWidth-1:0] rd_beat_q;
  logic [7:0] left_q;
  logic issue, out_taken, rd_inside;

  always_comb begin
    arready_o   = '0;
    next_reader = '0;
    for (int unsigned i = 0; i < Readers; i++) begin
      if (arvalid_i[Readers-1-i]) next_reader = ReaderWidth'(Readers - 1 - i);
    end
    if (!reading_q) arready_o[next_reader] = arvalid_i[next_reader];
  end

  assign out_taken = out_valid_q && rready_i[out_reader_q];
  assign issue = reading_q && (!out_valid_q || out_taken);
  assign rd_inside = rd_beat_q < BeatAddrWidth'(Words);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      reading_q   <= 1'b0;
      out_valid_q <= 1'b0;
    end else begin
      if (!reading_q) reading_q <= |arvalid_i;
      else if (issue && left_q == '0) reading_q <= 1'b0;
      out_valid_q <= issue || (out_valid_q && !out_taken);
    end
  end

  always_ff @(posedge clk_i) begin
    if (!reading_q) begin
      reader_q  <= next_reader;
      rd_beat_q <= araddr_i[next_reader][MemAddrWidth-1:ByteWidth];
      left_q    <= arlen_i[next_reader];
    end else if (issue) begin
      rd_beat_q <= rd_beat_q + 1'b1;
      left_q <= left_q - 1'b1;
      out_reader_q <= reader_q;
      out_last_q <= left_q == '0;
      out_error_q <= !rd_inside;
    end
  end

  always_comb begin
    rvalid_o = '0;
    rvalid_o[out_reader_q] = out_valid_q;
    rresp_o = out_error_q ? RespSlvErr : RespOkay;
    rlast_o = out_last_q;
  end

  // --- writes --------------------------------------------------------------------------------------------------------
  logic writing_q, wr_error_q, wr_inside;
  logic [BeatAddrWidth-1:0] wr_beat_q;

  assign awready_o = !writing_q && !bvalid_o;
  assign wready_o  = writing_q;
  assign bresp_o   = wr_error_q ? RespSlvErr : RespOkay;
  assign wr_inside = wr_beat_q < BeatAddrWidth'(Words);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      writing_q <= 1'b0;
      bvalid_o  <= 1'b0;
    end else begin
      if (awvalid_i && awready_o) writing_q <= 1'b1;
      else if (wvalid_i && wready_o && wlast_i) writing_q <= 1'b0;
      bvalid_o <= (wvalid_i && wready_o && wlast_i) || (bvalid_o && !bready_i);
    end
  end

  always_ff @(posedge clk_i) begin
    if (awvalid_i && awready_o) begin
      wr_beat_q  <= awaddr_i[MemAddrWidth-1:ByteWidth];
      wr_error_q <= 1'b0;
    end else if (wvalid_i && wready_o) begin
      wr_beat_q <= wr_beat_q + 1'b1;
      if (!wr_inside) wr_error_q <= 1'b1;
    end
  end

  ram_1r1w #(
      .Depth(Words),
      .Width(BeatBits),
      .InitFile(ImageFile)
  ) u_ram (
      .clk_i,
      .rd_en_i  (issue),
      .rd_addr_i(WordWidth'(rd_beat_q)),
      .rd_data_o(rdata_o),
      .wr_en_i  (wvalid_i && wready_o && wr_inside),
      .wr_addr_i(WordWidth'(wr_beat_q)),
      .wr_data_i(wdata_i),
      .wr_be_i  (wstrb_i)
  );

  logic unused_addr;
  always_comb begin
    unused_addr = ^awaddr_i[ByteWidth-1:0];
    for (int unsigned i = 0; i < Readers; i++) unused_addr = unused_addr ^ (^araddr_i[i][ByteWidth-1:0]);
  end

  `ASSERT_INIT(SomeReaders, Readers > 1)
  `ASSERT(OneReaderServed, $onehot0(rvalid_o) && $onehot0(arready_o))
  `ASSERT(DataHeld, !$past(rst_ni && out_valid_q && !out_taken) || (out_valid_q && $stable
          ({out_reader_q, out_last_q, out_error_q})))
  `ASSERT(AnswerHeld, !$past(rst_ni && bvalid_o && !bready_i) || bvalid_o)
  `ASSERT(WriteAlone, !(writing_q && bvalid_o))
  `COVER(ReadAndWrite, issue && wvalid_i && wready_o)

endmodule

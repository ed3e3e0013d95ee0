// One address space of the scratchpad: RAM in Banks banks (the upper address bits name the bank), each with an arbiter
// for reads and one for writes. Priority is fixed and falls with the index of the port; it may starve those behind.
//
// Latency: a grant in the cycle of the request, read data in the cycle after the grant. Throughput: a read and a write a
// cycle and bank. Reads and writes of the same word in one cycle return unspecified data. A bank is read for a grant only.
`include "assert.svh"

module space_ram #(
    parameter int unsigned Words = 256,
    parameter int unsigned Bytes = 16,
    parameter int unsigned Banks = 1,
    parameter int unsigned Readers = 2,
    parameter int unsigned Writers = 2,
    localparam int unsigned AddrWidth = $clog2(Words)
) (
    input  logic                 clk_i,
    input  logic                 rst_ni,
    input  logic [Readers-1:0] rd_req_i,
    input  logic [Readers-1:0][AddrWidth-1:0] rd_addr_i,
    output logic [Readers-1:0] rd_gnt_o,
    output logic [Readers-1:0][8*Bytes-1:0] rd_data_o,
    input  logic [Writers-1:0] wr_req_i,
    input  logic [Writers-1:0][AddrWidth-1:0] wr_addr_i,
    input  logic [Writers-1:0][8*Bytes-1:0] wr_data_i,
    input  logic [Writers-1:0][Bytes-1:0] wr_be_i,
    output logic [Writers-1:0] wr_gnt_o
);

  localparam int unsigned BankWords = Words / Banks;
  localparam int unsigned WordWidth = $clog2(BankWords);
  localparam int unsigned BankWidth = Banks > 1 ? $clog2(Banks) : 1;

  logic [8*Bytes-1:0] bank_data[Banks];
  logic [Readers-1:0][BankWidth-1:0] rd_bank;
  logic [Writers-1:0][BankWidth-1:0] wr_bank;

  always_comb begin
    for (int unsigned r = 0; r < Readers; r++) begin
      rd_bank[r]  = BankWidth'(32'(rd_addr_i[r]) >> WordWidth);
      rd_gnt_o[r] = rd_req_i[r];
      for (int unsigned q = 0; q < r; q++) begin
        if (rd_req_i[q] && rd_bank[q] == rd_bank[r]) rd_gnt_o[r] = 1'b0;
      end
    end
    for (int unsigned w = 0; w < Writers; w++) begin
      wr_bank[w]  = BankWidth'(32'(wr_addr_i[w]) >> WordWidth);
      wr_gnt_o[w] = wr_req_i[w];
      for (int unsigned q = 0; q < w; q++) begin
        if (wr_req_i[q] && wr_bank[q] == wr_bank[w]) wr_gnt_o[w] = 1'b0;
      end
    end
  end

  for (genvar b = 0; b < Banks; b++) begin : gen_bank
    logic rd_en, wr_en;
    logic [WordWidth-1:0] rd_addr, wr_addr;
    logic [8*Bytes-1:0] wr_data;
    logic [Bytes-1:0] wr_be;

    // The last port to assign has the highest priority.
    always_comb begin
      rd_en   = 1'b0;
      rd_addr = WordWidth'(rd_addr_i[Readers-1]);
      for (int unsigned i = 0; i < Readers; i++) begin
        if (rd_req_i[Readers-1-i] && rd_bank[Readers-1-i] == BankWidth'(b)) begin
          rd_en   = 1'b1;
          rd_addr = WordWidth'(rd_addr_i[Readers-1-i]);
        end
      end
    end
    always_comb begin
      wr_en   = 1'b0;
      wr_addr = WordWidth'(wr_addr_i[Writers-1]);
      wr_data = wr_data_i[Writers-1];
      wr_be   = wr_be_i[Writers-1];
      for (int unsigned i = 0; i < Writers; i++) begin
        if (wr_req_i[Writers-1-i] && wr_bank[Writers-1-i] == BankWidth'(b)) begin
          wr_en   = 1'b1;
          wr_addr = WordWidth'(wr_addr_i[Writers-1-i]);
          wr_data = wr_data_i[Writers-1-i];
          wr_be   = wr_be_i[Writers-1-i];
        end
      end
    end

    ram_1r1w #(
        .Depth(BankWords),
        .Width(8 * Bytes)
    ) u_ram (
        .clk_i,
        .rd_en_i  (rd_en),
        .rd_addr_i(rd_addr),
        .rd_data_o(bank_data[b]),
        .wr_en_i  (wr_en),
        .wr_addr_i(wr_addr),
        .wr_data_i(wr_data),
        .wr_be_i  (wr_be)
    );
  end

  for (genvar r = 0; r < Readers; r++) begin : gen_reader
    if (Banks == 1) begin : gen_one_bank
      assign rd_data_o[r] = bank_data[0];
    end else begin : gen_banks
      logic [BankWidth-1:0] bank_q;
      always_ff @(posedge clk_i) begin
        if (rd_gnt_o[r]) bank_q <= rd_bank[r];
      end
      assign rd_data_o[r] = bank_data[bank_q];
    end
    for (genvar q = 0; q < r; q++) begin : gen_other
      `ASSERT(OneReadOfABank, !(rd_gnt_o[q] && rd_gnt_o[r] && rd_bank[q] == rd_bank[r]))
    end
  end
  for (genvar w = 0; w < Writers; w++) begin : gen_writer
    for (genvar q = 0; q < w; q++) begin : gen_other
      `ASSERT(OneWriteOfABank, !(wr_gnt_o[q] && wr_gnt_o[w] && wr_bank[q] == wr_bank[w]))
    end
  end

  `ASSERT(FirstReaderServed, rd_gnt_o[0] == rd_req_i[0])
  `ASSERT(FirstWriterServed, wr_gnt_o[0] == wr_req_i[0])
  `COVER(ReadRefused, (rd_req_i & ~rd_gnt_o) != '0)
  `COVER(WriteRefused, (wr_req_i & ~wr_gnt_o) != '0)

  // Powers of two make every address of a port an address of the space.
  `ASSERT_INIT(PowersOfTwo, Words == 1 << AddrWidth && Banks == 1 << $clog2(Banks) && Words > Banks)
  `ASSERT_INIT(Ports, Readers > 0 && Writers > 0)

endmodule

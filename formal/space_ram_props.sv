// One space of the scratchpad: in each bank the first of the ports that ask gets its grant, and a read returns the byte
// written last, whichever ports they were. Shown for one byte of any choice.
`include "assert.svh"

module space_ram_props #(
    parameter int unsigned Words = 4,
    parameter int unsigned Bytes = 2,
    parameter int unsigned Banks = 2,
    parameter int unsigned Readers = 3,
    parameter int unsigned Writers = 3,
    localparam int unsigned AddrWidth = $clog2(Words),
    localparam int unsigned BankWords = Words / Banks
) (
    input logic                                clk_i,
    input logic                                rst_ni,
    input logic [Readers-1:0]                  rd_req_i,
    input logic [Readers-1:0][  AddrWidth-1:0] rd_addr_i,
    input logic [Writers-1:0]                  wr_req_i,
    input logic [Writers-1:0][  AddrWidth-1:0] wr_addr_i,
    input logic [Writers-1:0][    8*Bytes-1:0] wr_data_i,
    input logic [Writers-1:0][      Bytes-1:0] wr_be_i
);

  logic [Readers-1:0] rd_gnt;
  logic [Writers-1:0] wr_gnt;
  logic [Readers-1:0][8*Bytes-1:0] rd_data;
  logic [AddrWidth-1:0] addr;
  logic [$clog2(Bytes)-1:0] lane;
  logic writes, clashes, known_q;
  logic [7:0] byte_q, byte_d, expected_q, stored;
  logic [Readers-1:0] expect_q;

  space_ram #(
      .Words(Words),
      .Bytes(Bytes),
      .Banks(Banks),
      .Readers(Readers),
      .Writers(Writers)
  ) u_space (
      .clk_i,
      .rst_ni,
      .rd_req_i,
      .rd_addr_i,
      .rd_gnt_o (rd_gnt),
      .rd_data_o(rd_data),
      .wr_req_i,
      .wr_addr_i,
      .wr_data_i,
      .wr_be_i,
      .wr_gnt_o (wr_gnt)
  );

  formal_any_const #(.WIDTH($bits(addr))) u_addr (.Y(addr));
  formal_any_const #(.WIDTH($bits(lane))) u_lane (.Y(lane));

  always_comb begin
    writes  = 1'b0;
    clashes = 1'b0;
    byte_d  = '0;
    for (int unsigned w = 0; w < Writers; w++) begin
      if (wr_gnt[w] && wr_addr_i[w] == addr) begin
        clashes = 1'b1;
        if (wr_be_i[w][lane]) begin
          writes = 1'b1;
          byte_d = wr_data_i[w][8*lane+:8];
        end
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      known_q  <= 1'b0;
      expect_q <= '0;
    end else begin
      if (writes) known_q <= 1'b1;
      for (int unsigned r = 0; r < Readers; r++) begin
        expect_q[r] <= rd_gnt[r] && known_q && rd_addr_i[r] == addr && !clashes;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (writes) byte_q <= byte_d;
    expected_q <= byte_q;
  end

  logic [Banks-1:0][7:0] of_bank;
  for (genvar b = 0; b < Banks; b++) begin : gen_bank
    logic [8*Bytes-1:0] word;
    assign word = u_space.gen_bank[b].u_ram.mem[addr%BankWords];
    assign of_bank[b] = word[8*lane+:8];
  end
  assign stored = of_bank[addr/BankWords];
  `ASSERT(Stored, !known_q || stored == byte_q)

  for (genvar r = 0; r < Readers; r++) begin : gen_read
    logic earlier;
    always_comb begin
      earlier = 1'b0;
      for (int unsigned q = 0; q < r; q++) begin
        if (rd_req_i[q] && rd_addr_i[q] / BankWords == rd_addr_i[r] / BankWords) earlier = 1'b1;
      end
    end
    `ASSERT(FirstOfBankReads, rd_gnt[r] == (rd_req_i[r] && !earlier))
    `ASSERT(ReadsWhatWasWritten, !expect_q[r] || rd_data[r][8*lane+:8] == expected_q)
  end

  for (genvar w = 0; w < Writers; w++) begin : gen_write
    logic earlier;
    always_comb begin
      earlier = 1'b0;
      for (int unsigned q = 0; q < w; q++) begin
        if (wr_req_i[q] && wr_addr_i[q] / BankWords == wr_addr_i[w] / BankWords) earlier = 1'b1;
      end
    end
    `ASSERT(FirstOfBankWrites, wr_gnt[w] == (wr_req_i[w] && !earlier))
  end

endmodule

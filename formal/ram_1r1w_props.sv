// A read returns the byte written last. Shown for one byte of any choice (`addr` and `lane` are the solver's choice).
`include "assert.svh"

module ram_1r1w_props #(
    parameter int unsigned Depth = 4,
    parameter int unsigned Width = 16,
    localparam int unsigned AddrWidth = $clog2(Depth),
    localparam int unsigned Bytes = Width / 8
) (
    input logic                 clk_i,
    input logic                 rst_ni,
    input logic                 rd_en_i,
    input logic [AddrWidth-1:0] rd_addr_i,
    input logic                 wr_en_i,
    input logic [AddrWidth-1:0] wr_addr_i,
    input logic [    Width-1:0] wr_data_i,
    input logic [    Bytes-1:0] wr_be_i
);

  logic [Width-1:0] rd_data, word;
  logic [AddrWidth-1:0] addr;
  logic [$clog2(Bytes)-1:0] lane;
  logic writes, known_q, expect_q;
  logic [7:0] byte_q, expected_q;

  ram_1r1w #(
      .Depth(Depth),
      .Width(Width)
  ) u_ram (
      .clk_i,
      .rd_en_i,
      .rd_addr_i,
      .rd_data_o(rd_data),
      .wr_en_i,
      .wr_addr_i,
      .wr_data_i,
      .wr_be_i
  );

  formal_any_const #(.WIDTH($bits(addr))) u_addr (.Y(addr));
  formal_any_const #(.WIDTH($bits(lane))) u_lane (.Y(lane));

  assign writes = wr_en_i && wr_addr_i == addr && wr_be_i[lane];
  assign word = u_ram.mem[addr];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      known_q <= 1'b0;
      expect_q <= 1'b0;
    end else begin
      if (writes) known_q <= 1'b1;
      // The word written in the cycle of its read is unspecified; data stays until the next read.
      if (rd_en_i) expect_q <= known_q && rd_addr_i == addr && !(wr_en_i && wr_addr_i == addr);
    end
  end

  always_ff @(posedge clk_i) begin
    if (writes) byte_q <= wr_data_i[8*lane+:8];
    if (rd_en_i) expected_q <= byte_q;
  end

  `ASSERT(ReadsWhatWasWritten, !expect_q || rd_data[8*lane+:8] == expected_q)
  `ASSERT(Stored, !known_q || word[8*lane+:8] == byte_q)

endmodule

// What a board's netlist is made of, small: block RAMs in their three shapes, multipliers signed and unsigned.
module gate_sample #(
    parameter string ImagePath = ""
) (
    input  logic               clk_i,
    input  logic               wr_en_i,
    input  logic        [10:0] wr_addr_i,
    input  logic        [10:0] rd_addr_i,
    input  logic        [31:0] wr_data_i,
    input  logic        [ 3:0] wr_be_i,
    output logic        [ 7:0] bytes_o,
    output logic        [15:0] halves_o,
    output logic        [31:0] words_o,
    input  logic signed [17:0] a_i,
    input  logic signed [17:0] b_i,
    output logic signed [35:0] signed_o,
    output logic        [35:0] unsigned_o
);

  ram_1r1w #(
      .Depth(2048),
      .Width(8),
      .InitFile({ImagePath, "bytes.hex"})
  ) u_bytes (
      .clk_i,
      .rd_en_i  (1'b1),
      .rd_addr_i(rd_addr_i),
      .rd_data_o(bytes_o),
      .wr_en_i,
      .wr_addr_i(wr_addr_i),
      .wr_data_i(wr_data_i[7:0]),
      .wr_be_i  (1'b1)
  );
  ram_1r1w #(
      .Depth(1024),
      .Width(16),
      .InitFile({ImagePath, "halves.hex"})
  ) u_halves (
      .clk_i,
      .rd_en_i  (1'b1),
      .rd_addr_i(rd_addr_i[9:0]),
      .rd_data_o(halves_o),
      .wr_en_i,
      .wr_addr_i(wr_addr_i[9:0]),
      .wr_data_i(wr_data_i[15:0]),
      .wr_be_i  ('1)
  );
  ram_1r1w #(
      .Depth(512),
      .Width(32),
      .InitFile({ImagePath, "words.hex"})
  ) u_words (
      .clk_i,
      .rd_en_i  (1'b1),
      .rd_addr_i(rd_addr_i[8:0]),
      .rd_data_o(words_o),
      .wr_en_i,
      .wr_addr_i(wr_addr_i[8:0]),
      .wr_data_i(wr_data_i),
      .wr_be_i  (wr_be_i)
  );

  assign signed_o   = a_i * b_i;
  assign unsigned_o = 36'($unsigned(a_i)) * 36'($unsigned(b_i));

endmodule

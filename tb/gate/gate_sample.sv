// What a board's netlist is made of, small: block RAMs in their three shapes, multipliers signed and unsigned, tables of five
// to seven inputs, carry chains, distributed RAM with contents, and flip-flops of every kind.
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
    output logic        [35:0] unsigned_o,
    input  logic               rst_ni,
    input  logic               clear_i,
    output logic        [ 2:0] table_o,
    output logic        [18:0] sum_o,
    output logic               less_o,
    output logic        [11:0] count_q,
    output logic        [ 7:0] slots_o,
    output logic        [ 7:0] flops_q,
    output logic        [ 3:0] written_q
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

  // Random functions: of five, six and seven inputs.
  localparam logic [127:0] Random = 128'h9f3c_52e8_07b4_d16a_c85d_3e91_f420_6b7c;

  assign table_o = {Random[a_i[6:0]], Random[{1'b0, b_i[5:0]}], Random[{2'b10, a_i[11:7]}]};

  // Carry in, carries out, and a carry out that is nothing else.
  assign sum_o  = 19'($unsigned(a_i)) + 19'($unsigned(b_i)) + 19'(clear_i);
  assign less_o = a_i < b_i;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) count_q <= '0;
    else if (clear_i) count_q <= wr_data_i[11:0];
    else if (wr_en_i) count_q <= count_q + 1'b1;
  end

  logic [7:0] slots[16];

  initial begin
    for (int unsigned i = 0; i < 16; i++) slots[i] = 8'(Random >> (5 * i));
  end
  always_ff @(posedge clk_i) begin
    if (wr_en_i) slots[wr_addr_i[3:0]] <= wr_data_i[7:0];
  end
  assign slots_o = slots[rd_addr_i[3:0]];

  // With reset, set, enable, each alone and together, asynchronous (7, 6, 5) or not; from logic or from another one (0); set
  // from the start (1).
  initial flops_q[2:0] = 3'b010;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      flops_q[7:5] <= 3'b101;
    end else begin
      if (wr_en_i) flops_q[7:6] <= {a_i[0] ^ b_i[0], wr_data_i[1]};
      flops_q[5] <= a_i[1] & b_i[1];
    end
  end
  always_ff @(posedge clk_i) begin
    if (clear_i) flops_q[4:3] <= 2'b10;
    else if (wr_en_i) flops_q[4:3] <= a_i[3:2];

    if (wr_en_i) flops_q[2] <= !clear_i && b_i[2];

    if (!wr_en_i) flops_q[1] <= a_i[4] || b_i[4];

    flops_q[0] <= flops_q[1];
  end

  // The first one is never enabled, which synthesis finds too late to make it a constant.
  always_ff @(posedge clk_i) begin
    if (clear_i) written_q <= '0;
    else if (wr_en_i && wr_addr_i[1:0] != '0) written_q[wr_addr_i[1:0]] <= a_i[5];
  end

  assign signed_o   = a_i * b_i;
  assign unsigned_o = 36'($unsigned(a_i)) * 36'($unsigned(b_i));

endmodule

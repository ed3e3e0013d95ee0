// The netlist of gate_sample beside its RTL, on random operands, each cycle.
module gate_cells_test;

  localparam int unsigned Cycles = 20000;

  logic clk = 1'b0;
  logic wr_en = 1'b0;
  logic [10:0] wr_addr = '0, rd_addr = '0;
  logic [31:0] wr_data = '0;
  logic [3:0] wr_be = '0;
  logic signed [17:0] a = '0, b = '0;
  logic [7:0] bytes[2];
  logic [15:0] halves[2];
  logic [31:0] words[2];
  logic signed [35:0] product[2];
  logic [35:0] magnitude[2];
  int unsigned cycle = 0;

  gate_sample u_rtl (
      .clk_i(clk),
      .wr_en_i(wr_en),
      .wr_addr_i(wr_addr),
      .rd_addr_i(rd_addr),
      .wr_data_i(wr_data),
      .wr_be_i(wr_be),
      .bytes_o(bytes[0]),
      .halves_o(halves[0]),
      .words_o(words[0]),
      .a_i(a),
      .b_i(b),
      .signed_o(product[0]),
      .unsigned_o(magnitude[0])
  );
  gate_netlist u_netlist (
      .clk_i(clk),
      .wr_en_i(wr_en),
      .wr_addr_i(wr_addr),
      .rd_addr_i(rd_addr),
      .wr_data_i(wr_data),
      .wr_be_i(wr_be),
      .bytes_o(bytes[1]),
      .halves_o(halves[1]),
      .words_o(words[1]),
      .a_i(a),
      .b_i(b),
      .signed_o(product[1]),
      .unsigned_o(magnitude[1])
  );

  always #5 clk = !clk;

  // Read and write meet in no RAM: what is read then is unspecified.
  always @(negedge clk) begin
    if (cycle > 1 && (bytes[0] != bytes[1] || halves[0] != halves[1] || words[0] != words[1] ||
                      product[0] != product[1] || magnitude[0] != magnitude[1])) begin
      $display("cycle %0d: %h %h, %h %h, %h %h, %h %h, %h %h", cycle, bytes[0], bytes[1], halves[0], halves[1],
               words[0], words[1], product[0], product[1], magnitude[0], magnitude[1]);
      $fatal(1, "the netlist differs from the RTL");
    end
    if (cycle == Cycles) begin
      $display("%0d cycles, 0 differences", cycle);
      $finish;
    end
    cycle = cycle + 1;
    wr_en = cycle % 3 == 0;
    wr_addr = 11'($urandom);
    rd_addr = 11'($urandom);
    if (rd_addr[8:0] == wr_addr[8:0]) rd_addr[0] = !wr_addr[0];
    wr_data = $urandom;
    wr_be = 4'($urandom);
    a = 18'($urandom);
    b = 18'($urandom);
  end

endmodule

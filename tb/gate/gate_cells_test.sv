// The netlist of gate_sample beside its RTL, on random operands, each cycle.
module gate_cells_test;

  localparam int unsigned Cycles = 20000;

  typedef struct packed {
    logic [7:0]         bytes;
    logic [15:0]        halves;
    logic [31:0]        words;
    logic signed [35:0] product;
    logic [35:0]        magnitude;
    logic [2:0]         tables;
    logic [18:0]        sum;
    logic               less;
    logic [11:0]        count;
    logic [7:0]         slots;
    logic [7:0]         flops;
    logic [3:0]         written;
  } results_t;

  logic clk = 1'b0;
  logic rst_n = 1'b0, clear = 1'b1;
  logic wr_en = 1'b0;
  logic [10:0] wr_addr = '0, rd_addr = '0;
  logic [31:0] wr_data = '0;
  logic [3:0] wr_be = '0;
  logic signed [17:0] a = '0, b = '0;
  results_t rtl, netlist;
  int unsigned cycle = 0;

  gate_sample u_rtl (
      .clk_i(clk),
      .wr_en_i(wr_en),
      .wr_addr_i(wr_addr),
      .rd_addr_i(rd_addr),
      .wr_data_i(wr_data),
      .wr_be_i(wr_be),
      .bytes_o(rtl.bytes),
      .halves_o(rtl.halves),
      .words_o(rtl.words),
      .a_i(a),
      .b_i(b),
      .signed_o(rtl.product),
      .unsigned_o(rtl.magnitude),
      .rst_ni(rst_n),
      .clear_i(clear),
      .table_o(rtl.tables),
      .sum_o(rtl.sum),
      .less_o(rtl.less),
      .count_q(rtl.count),
      .slots_o(rtl.slots),
      .flops_q(rtl.flops),
      .written_q(rtl.written)
  );
  gate_netlist u_netlist (
      .clk_i(clk),
      .wr_en_i(wr_en),
      .wr_addr_i(wr_addr),
      .rd_addr_i(rd_addr),
      .wr_data_i(wr_data),
      .wr_be_i(wr_be),
      .bytes_o(netlist.bytes),
      .halves_o(netlist.halves),
      .words_o(netlist.words),
      .a_i(a),
      .b_i(b),
      .signed_o(netlist.product),
      .unsigned_o(netlist.magnitude),
      .rst_ni(rst_n),
      .clear_i(clear),
      .table_o(netlist.tables),
      .sum_o(netlist.sum),
      .less_o(netlist.less),
      .count_q(netlist.count),
      .slots_o(netlist.slots),
      .flops_q(netlist.flops),
      .written_q(netlist.written)
  );

  always #5 clk = !clk;

  // Read and write meet in no RAM: what is read then is unspecified. Resets come and go between the clock's edges.
  always @(negedge clk) begin
    if (rtl != netlist) begin
      $display("cycle %0d: expected %p, found %p", cycle, rtl, netlist);
      $fatal(1, "the netlist differs from the RTL");
    end
    if (cycle == Cycles) begin
      $display("%0d cycles, 0 differences", cycle);
      $finish;
    end
    cycle = cycle + 1;
    rst_n = cycle > 1 && 4'($urandom) != 0;
    clear = cycle < 2 || 3'($urandom) == 0;
    wr_en = cycle % 3 == 0;
    wr_addr = 11'($urandom);
    rd_addr = 11'($urandom);
    if (rd_addr[8:0] == wr_addr[8:0]) rd_addr[0] = !wr_addr[0];
    wr_data = $urandom;
    wr_be = 4'($urandom);
    a = 18'($urandom);
    b = 18'($urandom);
  end

  // What the reset does at once, before the next clock.
  always @(posedge clk) begin
    if (cycle > 2 && rtl != netlist) $fatal(1, "cycle %0d, before the clock: expected %p, found %p", cycle, rtl, netlist);
  end

endmodule

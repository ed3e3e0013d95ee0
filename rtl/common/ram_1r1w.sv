// RAM with one read and one write port and byte enables: the one place where FPGA or ASIC memories go in.
//
// Latency: read data one cycle after rd_en_i, held until the next read. Throughput: a read and a write a cycle.
// A read of the word that is written in the same cycle returns the old or the new word, unspecified which.
// InitFile ($readmemh) is what it holds at power-up, undefined without. A simulation looks for the file in the folder of
// +image=FOLDER, so that one model serves every image; synthesis takes the name as it is.
module ram_1r1w #(
    parameter int unsigned Depth = 512,
    parameter int unsigned Width = 64,
    parameter string InitFile = "",
    localparam int unsigned AddrWidth = Depth > 1 ? $clog2(Depth) : 1,
    localparam int unsigned Bytes = Width / 8
) (
    input  logic                 clk_i,
    input  logic                 rd_en_i,
    input  logic [AddrWidth-1:0] rd_addr_i,
    output logic [Width-1:0]     rd_data_o,
    input  logic                 wr_en_i,
    input  logic [AddrWidth-1:0] wr_addr_i,
    input  logic [Width-1:0]     wr_data_i,
    input  logic [Bytes-1:0]     wr_be_i
);

  // verilator coverage_off
  (* no_rw_check *) logic [Width-1:0] mem[Depth];
  // verilator coverage_on

`ifdef VERILATOR
  if (InitFile != "") begin : gen_init
    string folder;
    initial begin
      if (!$value$plusargs("image=%s", folder)) $fatal(1, "%m: expected +image=FOLDER, found none");
      $readmemh({folder, "/", InitFile}, mem);
    end
  end

  // The same RAM for the simulator: bytes go into the array in place, after the read has sampled it. Delayed assignments
  // would carry every bank's word, idle or not, through a copy in every cycle.
  always_ff @(posedge clk_i) begin
    if (rd_en_i) rd_data_o <= mem[rd_addr_i];
    if (wr_en_i) begin
      for (int unsigned i = 0; i < Bytes; i++) begin
        // verilator lint_off BLKSEQ
        // verilog_lint: waive always-ff-non-blocking (in place, see above)
        if (wr_be_i[i]) mem[wr_addr_i][8*i+:8] = wr_data_i[8*i+:8];
        // verilator lint_on BLKSEQ
      end
    end
  end
`else
  if (InitFile != "") begin : gen_init
    initial $readmemh(InitFile, mem);
  end

  // The merge with the old word is how byte enables are written here: Yosys' opt_mem_feedback turns it into enables of
  // the write port.
  always_ff @(posedge clk_i) begin
    logic [Width-1:0] word;
    if (wr_en_i) begin
      word = mem[wr_addr_i];
      for (int unsigned i = 0; i < Bytes; i++) begin
        if (wr_be_i[i]) word[8*i+:8] = wr_data_i[8*i+:8];
      end
      mem[wr_addr_i] <= word;
    end
  end

  always_ff @(posedge clk_i) begin
    if (rd_en_i) rd_data_o <= mem[rd_addr_i];
  end
`endif

endmodule

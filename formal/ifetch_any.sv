// In the place of ifetch: any instructions, at any time. What is delivered stays until it is taken.
module ifetch
  import sched_pkg::*;
#(
    parameter int unsigned FetchBytes = 16,
    parameter int unsigned IbufLines  = 64
) (
    input  logic clk_i,
    input  logic rst_ni,
    input  logic run_i,
    output logic idle_o,

    input  logic               redirect_valid_i,
    input  logic [PcWidth-1:0] redirect_pc_i,

    output logic                             instr_valid_o,
    input  logic                             instr_ready_i,
    output logic [pimllm_pkg::InstrBits-1:0] instr_o,
    output logic [PcWidth-1:0]               instr_pc_o,
    output logic                             instr_error_o,

    output logic                                m_axi_fetch_arvalid_o,
    input  logic                                m_axi_fetch_arready_i,
    output logic [pimllm_pkg::MemAddrWidth-1:0] m_axi_fetch_araddr_o,
    output logic [7:0]                          m_axi_fetch_arlen_o,
    input  logic                                m_axi_fetch_rvalid_i,
    output logic                                m_axi_fetch_rready_o,
    input  logic [8*FetchBytes-1:0]             m_axi_fetch_rdata_i,
    input  logic [1:0]                          m_axi_fetch_rresp_i,
    input  logic                                m_axi_fetch_rlast_i
);

  logic valid, error;
  logic [pimllm_pkg::InstrBits-1:0] instr;

  formal_any u_idle (.Y(idle_o));
  formal_any u_valid (.Y(valid));
  formal_any u_error (.Y(error));
  formal_any #(.WIDTH(pimllm_pkg::InstrBits)) u_instr (.Y(instr));
  formal_any #(.WIDTH(PcWidth)) u_pc (.Y(instr_pc_o));

  always_ff @(posedge clk_i) begin
    if (!rst_ni || !run_i) instr_valid_o <= 1'b0;
    else if (!instr_valid_o || instr_ready_i) instr_valid_o <= valid;
  end

  always_ff @(posedge clk_i) begin
    if (!instr_valid_o || instr_ready_i) begin
      instr_o <= instr;
      instr_error_o <= error;
    end
  end

  assign m_axi_fetch_arvalid_o = 1'b0;
  assign m_axi_fetch_araddr_o = '0;
  assign m_axi_fetch_arlen_o = '0;
  assign m_axi_fetch_rready_o = 1'b1;

  logic unused;
  assign unused = ^{redirect_valid_i, redirect_pc_i, m_axi_fetch_arready_i, m_axi_fetch_rvalid_i, m_axi_fetch_rdata_i,
                    m_axi_fetch_rresp_i, m_axi_fetch_rlast_i};

endmodule

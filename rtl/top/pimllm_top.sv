// The machine: host registers and scheduler, DMA, PIM bank, array, softmax unit and vector unit around the scratchpad.
//
// Host side: AXI4-Lite slave (registers) and an interrupt. Memory side: one AXI4 read master for instructions and
// MemChannels AXI4 masters for data. docs/architecture.md has the picture, the parameters and the contracts.
module pimllm_top
  import pimllm_pkg::*;
#(
    parameter int unsigned ArrayRows = 4,
    parameter int unsigned ArrayCols = 4,
    parameter int unsigned MemChannels = 2,
    parameter int unsigned ChannelBytes = 8,
    parameter int unsigned XbarRows = 16,
    parameter int unsigned XbarCols = 16,
    parameter int unsigned XbarSets = 2,
    parameter int unsigned XbarSlots = 16,
    parameter int unsigned XbarAdcs = 8,
    parameter int unsigned AdcBits = 5,
    parameter int unsigned DigitalXbar = 0,  // 1: the synthesizable crossbars
    parameter string XbarInit = "",  // with them: prefix of the files that they hold at power-up
    parameter int unsigned VecLanes = 4,
    parameter int unsigned KvRows = 512,
    parameter int unsigned ActWords = 512,
    parameter int unsigned ScrWords = 256,
    parameter int unsigned KvsWords = 128,
    parameter int unsigned SclWords = 256,
    parameter int unsigned QueueDepth = 4,
    parameter int unsigned ScrBanks = 4,  // fewer: smaller, units wait for each other more often
    localparam int unsigned BeatBits = 8 * ChannelBytes
) (
    input  logic clk_i,
    input  logic rst_ni,
    output logic irq_o,

    input  logic        s_axil_awvalid_i,
    output logic        s_axil_awready_o,
    input  logic [9:0]  s_axil_awaddr_i,
    input  logic        s_axil_wvalid_i,
    output logic        s_axil_wready_o,
    input  logic [31:0] s_axil_wdata_i,
    input  logic [3:0]  s_axil_wstrb_i,
    output logic        s_axil_bvalid_o,
    input  logic        s_axil_bready_i,
    output logic [1:0]  s_axil_bresp_o,
    input  logic        s_axil_arvalid_i,
    output logic        s_axil_arready_o,
    input  logic [9:0]  s_axil_araddr_i,
    output logic        s_axil_rvalid_o,
    input  logic        s_axil_rready_i,
    output logic [31:0] s_axil_rdata_o,
    output logic [1:0]  s_axil_rresp_o,

    output logic                    m_axi_fetch_arvalid_o,
    input  logic                    m_axi_fetch_arready_i,
    output logic [MemAddrWidth-1:0] m_axi_fetch_araddr_o,
    output logic [7:0]              m_axi_fetch_arlen_o,
    input  logic                    m_axi_fetch_rvalid_i,
    output logic                    m_axi_fetch_rready_o,
    input  logic [BeatBits-1:0]     m_axi_fetch_rdata_i,
    input  logic [1:0]              m_axi_fetch_rresp_i,
    input  logic                    m_axi_fetch_rlast_i,

    output logic [MemChannels-1:0]                   m_axi_arvalid_o,
    input  logic [MemChannels-1:0]                   m_axi_arready_i,
    output logic [MemChannels-1:0][MemAddrWidth-1:0] m_axi_araddr_o,
    output logic [MemChannels-1:0][7:0]              m_axi_arlen_o,
    input  logic [MemChannels-1:0]                   m_axi_rvalid_i,
    output logic [MemChannels-1:0]                   m_axi_rready_o,
    input  logic [MemChannels-1:0][BeatBits-1:0]     m_axi_rdata_i,
    input  logic [MemChannels-1:0][1:0]              m_axi_rresp_i,
    input  logic [MemChannels-1:0]                   m_axi_rlast_i,
    output logic [MemChannels-1:0]                   m_axi_awvalid_o,
    input  logic [MemChannels-1:0]                   m_axi_awready_i,
    output logic [MemChannels-1:0][MemAddrWidth-1:0] m_axi_awaddr_o,
    output logic [MemChannels-1:0][7:0]              m_axi_awlen_o,
    output logic [MemChannels-1:0]                   m_axi_wvalid_o,
    input  logic [MemChannels-1:0]                   m_axi_wready_i,
    output logic [MemChannels-1:0][BeatBits-1:0]     m_axi_wdata_o,
    output logic [MemChannels-1:0][ChannelBytes-1:0] m_axi_wstrb_o,
    output logic [MemChannels-1:0]                   m_axi_wlast_o,
    input  logic [MemChannels-1:0]                   m_axi_bvalid_i,
    output logic [MemChannels-1:0]                   m_axi_bready_o,
    input  logic [MemChannels-1:0][1:0]              m_axi_bresp_i
);

  // Order of the units on the command ports.
  localparam int unsigned NumUnits = 5;
  localparam int unsigned Dma = 0;
  localparam int unsigned Pim = 1;
  localparam int unsigned Arr = 2;
  localparam int unsigned Smx = 3;
  localparam int unsigned Vec = 4;
  localparam int unsigned GroupBanks = ChannelBytes / ArrayCols;
  localparam int unsigned Groups = ArrayRows / GroupBanks;
  localparam int unsigned GroupWidth = Groups > 1 ? $clog2(Groups) : 1;
  localparam int unsigned ActBytes = 4 * VecLanes;
  localparam int unsigned ScrBytes = 4 * ArrayCols;
  localparam int unsigned SclBytes = 4;
  localparam int unsigned ActAddrWidth = $clog2(ActWords);
  localparam int unsigned ScrAddrWidth = $clog2(ScrWords);
  localparam int unsigned KvsAddrWidth = $clog2(KvsWords);
  localparam int unsigned SclAddrWidth = $clog2(SclWords);
  localparam int unsigned KvAddrWidth = $clog2(KvRows);

  logic [NumUnits-1:0] cmd_valid, cmd_ready, done, err, busy, stall_operand, stall_output, stall_memory;
  unit_cmd_t [NumUnits-1:0] cmd;
  isa_pkg::error_e [NumUnits-1:0] err_code;
  logic soft_reset, unit_rst_n, dma_idle;
  logic [15:0] rows_per_conv;
  logic [2:0] lsb_shift;
  logic [3:0] adc_bits;
  logic [31:0] clip_count, argmax_id;

  logic vec_act_rd_req, vec_act_rd_gnt;
  logic [ActAddrWidth-1:0] vec_act_rd_addr;
  logic [8*ActBytes-1:0] vec_act_rd_data;
  logic vec_aux_rd_req, vec_aux_rd_gnt;
  logic [ActAddrWidth-1:0] vec_aux_rd_addr;
  logic [8*ActBytes-1:0] vec_aux_rd_data;
  logic vec_act_wr_req, vec_act_wr_gnt;
  logic [ActAddrWidth-1:0] vec_act_wr_addr;
  logic [8*ActBytes-1:0] vec_act_wr_data;
  logic [ActBytes-1:0] vec_act_wr_be;
  logic vec_scr_rd_req, vec_scr_rd_gnt;
  logic [ScrAddrWidth-1:0] vec_scr_rd_addr;
  logic [8*ScrBytes-1:0] vec_scr_rd_data;
  logic vec_scr_wr_req, vec_scr_wr_gnt;
  logic [ScrAddrWidth-1:0] vec_scr_wr_addr;
  logic [8*ScrBytes-1:0] vec_scr_wr_data;
  logic [ScrBytes-1:0] vec_scr_wr_be;
  logic vec_scl_rd_req, vec_scl_rd_gnt;
  logic [SclAddrWidth-1:0] vec_scl_rd_addr;
  logic [8*SclBytes-1:0] vec_scl_rd_data;
  logic vec_scl_wr_req, vec_scl_wr_gnt;
  logic [SclAddrWidth-1:0] vec_scl_wr_addr;
  logic [8*SclBytes-1:0] vec_scl_wr_data;
  logic [SclBytes-1:0] vec_scl_wr_be;
  logic vec_kvs_wr_req, vec_kvs_wr_gnt;
  logic [KvsAddrWidth-1:0] vec_kvs_wr_addr;
  logic [8*ScrBytes-1:0] vec_kvs_wr_data;
  logic [ScrBytes-1:0] vec_kvs_wr_be;
  logic pim_act_rd_req, pim_act_rd_gnt;
  logic [ActAddrWidth-1:0] pim_act_rd_addr;
  logic [8*ActBytes-1:0] pim_act_rd_data;
  logic pim_act_wr_req, pim_act_wr_gnt;
  logic [ActAddrWidth-1:0] pim_act_wr_addr;
  logic [8*ActBytes-1:0] pim_act_wr_data;
  logic [ActBytes-1:0] pim_act_wr_be;
  logic arr_scr_rd_req, arr_scr_rd_gnt;
  logic [ScrAddrWidth-1:0] arr_scr_rd_addr;
  logic [8*ScrBytes-1:0] arr_scr_rd_data;
  logic arr_scr_wr_req, arr_scr_wr_gnt;
  logic [ScrAddrWidth-1:0] arr_scr_wr_addr;
  logic [8*ScrBytes-1:0] arr_scr_wr_data;
  logic [ScrBytes-1:0] arr_scr_wr_be;
  logic smx_scr_rd_req, smx_scr_rd_gnt;
  logic [ScrAddrWidth-1:0] smx_scr_rd_addr;
  logic [8*ScrBytes-1:0] smx_scr_rd_data;
  logic smx_scr_wr_req, smx_scr_wr_gnt;
  logic [ScrAddrWidth-1:0] smx_scr_wr_addr;
  logic [8*ScrBytes-1:0] smx_scr_wr_data;
  logic [ScrBytes-1:0] smx_scr_wr_be;
  logic smx_kvs_rd_req, smx_kvs_rd_gnt;
  logic [KvsAddrWidth-1:0] smx_kvs_rd_addr;
  logic [8*ScrBytes-1:0] smx_kvs_rd_data;
  logic smx_scl_rd_req, smx_scl_rd_gnt;
  logic [SclAddrWidth-1:0] smx_scl_rd_addr;
  logic [8*SclBytes-1:0] smx_scl_rd_data;
  logic smx_scl_wr_req, smx_scl_wr_gnt;
  logic [SclAddrWidth-1:0] smx_scl_wr_addr;
  logic [8*SclBytes-1:0] smx_scl_wr_data;
  logic [SclBytes-1:0] smx_scl_wr_be;
  logic dma_act_rd_req, dma_act_rd_gnt;
  logic [ActAddrWidth-1:0] dma_act_rd_addr;
  logic [8*ActBytes-1:0] dma_act_rd_data;
  logic dma_act_wr_req, dma_act_wr_gnt;
  logic [ActAddrWidth-1:0] dma_act_wr_addr;
  logic [8*ActBytes-1:0] dma_act_wr_data;
  logic [ActBytes-1:0] dma_act_wr_be;
  logic dma_scr_rd_req, dma_scr_rd_gnt;
  logic [ScrAddrWidth-1:0] dma_scr_rd_addr;
  logic [8*ScrBytes-1:0] dma_scr_rd_data;
  logic dma_scr_wr_req, dma_scr_wr_gnt;
  logic [ScrAddrWidth-1:0] dma_scr_wr_addr;
  logic [8*ScrBytes-1:0] dma_scr_wr_data;
  logic [ScrBytes-1:0] dma_scr_wr_be;
  logic dma_kvs_rd_req, dma_kvs_rd_gnt;
  logic [KvsAddrWidth-1:0] dma_kvs_rd_addr;
  logic [8*ScrBytes-1:0] dma_kvs_rd_data;
  logic dma_kvs_wr_req, dma_kvs_wr_gnt;
  logic [KvsAddrWidth-1:0] dma_kvs_wr_addr;
  logic [8*ScrBytes-1:0] dma_kvs_wr_data;
  logic [ScrBytes-1:0] dma_kvs_wr_be;
  logic dma_scl_rd_req, dma_scl_rd_gnt;
  logic [SclAddrWidth-1:0] dma_scl_rd_addr;
  logic [8*SclBytes-1:0] dma_scl_rd_data;
  logic dma_scl_wr_req, dma_scl_wr_gnt;
  logic [SclAddrWidth-1:0] dma_scl_wr_addr;
  logic [8*SclBytes-1:0] dma_scl_wr_data;
  logic [SclBytes-1:0] dma_scl_wr_be;
  logic [ArrayRows-1:0] kv_rd_en;
  logic [ArrayRows-1:0][KvAddrWidth-1:0] kv_rd_addr;
  logic [ArrayRows-1:0][8*ArrayCols-1:0] kv_rd_data;
  logic kva_req, kva_gnt;
  logic [GroupWidth-1:0] kva_group;
  logic [KvAddrWidth-1:0] kva_addr;
  logic [BeatBits-1:0] kva_data;
  logic [ChannelBytes-1:0] kva_be;
  logic dkv_rd_req, dkv_rd_gnt;
  logic [GroupWidth-1:0] dkv_rd_group;
  logic [KvAddrWidth-1:0] dkv_rd_addr;
  logic [BeatBits-1:0] dkv_rd_data;
  logic [MemChannels-1:0] dkv_wr_req, dkv_wr_gnt;
  logic [MemChannels-1:0][GroupWidth-1:0] dkv_wr_group;
  logic [MemChannels-1:0][KvAddrWidth-1:0] dkv_wr_addr;
  logic [MemChannels-1:0][BeatBits-1:0] dkv_wr_data;

  assign unit_rst_n = rst_ni && !soft_reset;

  control #(
      .ArrayRows(ArrayRows),
      .ArrayCols(ArrayCols),
      .MemChannels(MemChannels),
      .ChannelBytes(ChannelBytes),
      .XbarRows(XbarRows),
      .XbarCols(XbarCols),
      .XbarSets(XbarSets),
      .XbarSlots(XbarSlots),
      .XbarAdcs(XbarAdcs),
      .AdcBits(AdcBits),
      .VecLanes(VecLanes),
      .KvRows(KvRows),
      .ActWords(ActWords),
      .ScrWords(ScrWords),
      .KvsWords(KvsWords),
      .SclWords(SclWords),
      .QueueDepth(QueueDepth)
  ) u_control (
      .clk_i,
      .rst_ni,
      .irq_o,
      .s_axil_awvalid_i,
      .s_axil_awready_o,
      .s_axil_awaddr_i,
      .s_axil_wvalid_i,
      .s_axil_wready_o,
      .s_axil_wdata_i,
      .s_axil_wstrb_i,
      .s_axil_bvalid_o,
      .s_axil_bready_i,
      .s_axil_bresp_o,
      .s_axil_arvalid_i,
      .s_axil_arready_o,
      .s_axil_araddr_i,
      .s_axil_rvalid_o,
      .s_axil_rready_i,
      .s_axil_rdata_o,
      .s_axil_rresp_o,
      .m_axi_fetch_arvalid_o,
      .m_axi_fetch_arready_i,
      .m_axi_fetch_araddr_o,
      .m_axi_fetch_arlen_o,
      .m_axi_fetch_rvalid_i,
      .m_axi_fetch_rready_o,
      .m_axi_fetch_rdata_i,
      .m_axi_fetch_rresp_i,
      .m_axi_fetch_rlast_i,
      .soft_reset_o(soft_reset),
      .dma_idle_i(dma_idle),
      .rows_per_conv_o(rows_per_conv),
      .lsb_shift_o(lsb_shift),
      .adc_bits_o(adc_bits),
      .clip_count_i(clip_count),
      .argmax_id_i(argmax_id),
      .cmd_valid_o(cmd_valid),
      .cmd_ready_i(cmd_ready),
      .cmd_o(cmd),
      .done_i(done),
      .err_i(err),
      .err_code_i(err_code),
      .busy_i(busy),
      .stall_operand_i(stall_operand),
      .stall_output_i(stall_output),
      .stall_memory_i(stall_memory)
  );

  dma_unit #(
      .ArrayRows(ArrayRows),
      .ArrayCols(ArrayCols),
      .MemChannels(MemChannels),
      .ChannelBytes(ChannelBytes),
      .VecLanes(VecLanes),
      .KvRows(KvRows),
      .ActWords(ActWords),
      .ScrWords(ScrWords),
      .KvsWords(KvsWords),
      .SclWords(SclWords)
  ) u_dma (
      .clk_i,
      .rst_ni,
      .flush_i(soft_reset),
      .idle_o(dma_idle),
      .cmd_valid_i(cmd_valid[Dma]),
      .cmd_ready_o(cmd_ready[Dma]),
      .cmd_i(cmd[Dma]),
      .done_o(done[Dma]),
      .err_o(err[Dma]),
      .err_code_o(err_code[Dma]),
      .busy_o(busy[Dma]),
      .stall_operand_o(stall_operand[Dma]),
      .stall_output_o(stall_output[Dma]),
      .stall_memory_o(stall_memory[Dma]),
      .m_axi_arvalid_o,
      .m_axi_arready_i,
      .m_axi_araddr_o,
      .m_axi_arlen_o,
      .m_axi_rvalid_i,
      .m_axi_rready_o,
      .m_axi_rdata_i,
      .m_axi_rresp_i,
      .m_axi_rlast_i,
      .m_axi_awvalid_o,
      .m_axi_awready_i,
      .m_axi_awaddr_o,
      .m_axi_awlen_o,
      .m_axi_wvalid_o,
      .m_axi_wready_i,
      .m_axi_wdata_o,
      .m_axi_wstrb_o,
      .m_axi_wlast_o,
      .m_axi_bvalid_i,
      .m_axi_bready_o,
      .m_axi_bresp_i,
      .act_rd_req_o(dma_act_rd_req),
      .act_rd_addr_o(dma_act_rd_addr),
      .act_rd_gnt_i(dma_act_rd_gnt),
      .act_rd_data_i(dma_act_rd_data),
      .act_wr_req_o(dma_act_wr_req),
      .act_wr_addr_o(dma_act_wr_addr),
      .act_wr_data_o(dma_act_wr_data),
      .act_wr_be_o(dma_act_wr_be),
      .act_wr_gnt_i(dma_act_wr_gnt),
      .scr_rd_req_o(dma_scr_rd_req),
      .scr_rd_addr_o(dma_scr_rd_addr),
      .scr_rd_gnt_i(dma_scr_rd_gnt),
      .scr_rd_data_i(dma_scr_rd_data),
      .scr_wr_req_o(dma_scr_wr_req),
      .scr_wr_addr_o(dma_scr_wr_addr),
      .scr_wr_data_o(dma_scr_wr_data),
      .scr_wr_be_o(dma_scr_wr_be),
      .scr_wr_gnt_i(dma_scr_wr_gnt),
      .kvs_rd_req_o(dma_kvs_rd_req),
      .kvs_rd_addr_o(dma_kvs_rd_addr),
      .kvs_rd_gnt_i(dma_kvs_rd_gnt),
      .kvs_rd_data_i(dma_kvs_rd_data),
      .kvs_wr_req_o(dma_kvs_wr_req),
      .kvs_wr_addr_o(dma_kvs_wr_addr),
      .kvs_wr_data_o(dma_kvs_wr_data),
      .kvs_wr_be_o(dma_kvs_wr_be),
      .kvs_wr_gnt_i(dma_kvs_wr_gnt),
      .scl_rd_req_o(dma_scl_rd_req),
      .scl_rd_addr_o(dma_scl_rd_addr),
      .scl_rd_gnt_i(dma_scl_rd_gnt),
      .scl_rd_data_i(dma_scl_rd_data),
      .scl_wr_req_o(dma_scl_wr_req),
      .scl_wr_addr_o(dma_scl_wr_addr),
      .scl_wr_data_o(dma_scl_wr_data),
      .scl_wr_be_o(dma_scl_wr_be),
      .scl_wr_gnt_i(dma_scl_wr_gnt),
      .dkv_rd_req_o(dkv_rd_req),
      .dkv_rd_group_o(dkv_rd_group),
      .dkv_rd_addr_o(dkv_rd_addr),
      .dkv_rd_gnt_i(dkv_rd_gnt),
      .dkv_rd_data_i(dkv_rd_data),
      .dkv_wr_req_o(dkv_wr_req),
      .dkv_wr_group_o(dkv_wr_group),
      .dkv_wr_addr_o(dkv_wr_addr),
      .dkv_wr_data_o(dkv_wr_data),
      .dkv_wr_gnt_i(dkv_wr_gnt)
  );

  pim_unit #(
      .XbarRows(XbarRows),
      .XbarCols(XbarCols),
      .XbarSets(XbarSets),
      .XbarSlots(XbarSlots),
      .XbarAdcs(XbarAdcs),
      .AdcBits(AdcBits),
      .VecLanes(VecLanes),
      .ActWords(ActWords),
      .Digital(DigitalXbar != 0),
      .XbarInit(XbarInit)
  ) u_pim (
      .clk_i,
      .rst_ni(unit_rst_n),
      .cmd_valid_i(cmd_valid[Pim]),
      .cmd_ready_o(cmd_ready[Pim]),
      .cmd_i(cmd[Pim]),
      .done_o(done[Pim]),
      .err_o(err[Pim]),
      .err_code_o(err_code[Pim]),
      .busy_o(busy[Pim]),
      .stall_operand_o(stall_operand[Pim]),
      .stall_output_o(stall_output[Pim]),
      .stall_memory_o(stall_memory[Pim]),
      .rows_per_conv_i(rows_per_conv),
      .lsb_shift_i(lsb_shift),
      .adc_bits_i(adc_bits),
      .clip_count_o(clip_count),
      .act_rd_req_o(pim_act_rd_req),
      .act_rd_addr_o(pim_act_rd_addr),
      .act_rd_gnt_i(pim_act_rd_gnt),
      .act_rd_data_i(pim_act_rd_data),
      .act_wr_req_o(pim_act_wr_req),
      .act_wr_addr_o(pim_act_wr_addr),
      .act_wr_data_o(pim_act_wr_data),
      .act_wr_be_o(pim_act_wr_be),
      .act_wr_gnt_i(pim_act_wr_gnt)
  );

  array_unit #(
      .ArrayRows(ArrayRows),
      .ArrayCols(ArrayCols),
      .MemChannels(MemChannels),
      .ChannelBytes(ChannelBytes),
      .KvRows(KvRows),
      .ScrWords(ScrWords)
  ) u_array (
      .clk_i,
      .rst_ni(unit_rst_n),
      .cmd_valid_i(cmd_valid[Arr]),
      .cmd_ready_o(cmd_ready[Arr]),
      .cmd_i(cmd[Arr]),
      .done_o(done[Arr]),
      .err_o(err[Arr]),
      .err_code_o(err_code[Arr]),
      .busy_o(busy[Arr]),
      .stall_operand_o(stall_operand[Arr]),
      .stall_output_o(stall_output[Arr]),
      .stall_memory_o(stall_memory[Arr]),
      .scr_rd_req_o(arr_scr_rd_req),
      .scr_rd_addr_o(arr_scr_rd_addr),
      .scr_rd_gnt_i(arr_scr_rd_gnt),
      .scr_rd_data_i(arr_scr_rd_data),
      .scr_wr_req_o(arr_scr_wr_req),
      .scr_wr_addr_o(arr_scr_wr_addr),
      .scr_wr_data_o(arr_scr_wr_data),
      .scr_wr_be_o(arr_scr_wr_be),
      .scr_wr_gnt_i(arr_scr_wr_gnt),
      .kv_rd_en_o(kv_rd_en),
      .kv_rd_addr_o(kv_rd_addr),
      .kv_rd_data_i(kv_rd_data)
  );

  softmax_unit #(
      .ArrayCols(ArrayCols),
      .ScrWords(ScrWords),
      .KvsWords(KvsWords),
      .SclWords(SclWords)
  ) u_softmax (
      .clk_i,
      .rst_ni(unit_rst_n),
      .cmd_valid_i(cmd_valid[Smx]),
      .cmd_ready_o(cmd_ready[Smx]),
      .cmd_i(cmd[Smx]),
      .done_o(done[Smx]),
      .err_o(err[Smx]),
      .err_code_o(err_code[Smx]),
      .busy_o(busy[Smx]),
      .stall_operand_o(stall_operand[Smx]),
      .stall_output_o(stall_output[Smx]),
      .stall_memory_o(stall_memory[Smx]),
      .scr_rd_req_o(smx_scr_rd_req),
      .scr_rd_addr_o(smx_scr_rd_addr),
      .scr_rd_gnt_i(smx_scr_rd_gnt),
      .scr_rd_data_i(smx_scr_rd_data),
      .scr_wr_req_o(smx_scr_wr_req),
      .scr_wr_addr_o(smx_scr_wr_addr),
      .scr_wr_data_o(smx_scr_wr_data),
      .scr_wr_be_o(smx_scr_wr_be),
      .scr_wr_gnt_i(smx_scr_wr_gnt),
      .kvs_rd_req_o(smx_kvs_rd_req),
      .kvs_rd_addr_o(smx_kvs_rd_addr),
      .kvs_rd_gnt_i(smx_kvs_rd_gnt),
      .kvs_rd_data_i(smx_kvs_rd_data),
      .scl_rd_req_o(smx_scl_rd_req),
      .scl_rd_addr_o(smx_scl_rd_addr),
      .scl_rd_gnt_i(smx_scl_rd_gnt),
      .scl_rd_data_i(smx_scl_rd_data),
      .scl_wr_req_o(smx_scl_wr_req),
      .scl_wr_addr_o(smx_scl_wr_addr),
      .scl_wr_data_o(smx_scl_wr_data),
      .scl_wr_be_o(smx_scl_wr_be),
      .scl_wr_gnt_i(smx_scl_wr_gnt)
  );

  vector_unit #(
      .VecLanes(VecLanes),
      .ArrayRows(ArrayRows),
      .ArrayCols(ArrayCols),
      .MemChannels(MemChannels),
      .ChannelBytes(ChannelBytes),
      .KvRows(KvRows),
      .ActWords(ActWords),
      .ScrWords(ScrWords),
      .KvsWords(KvsWords),
      .SclWords(SclWords)
  ) u_vector (
      .clk_i,
      .rst_ni(unit_rst_n),
      .cmd_valid_i(cmd_valid[Vec]),
      .cmd_ready_o(cmd_ready[Vec]),
      .cmd_i(cmd[Vec]),
      .done_o(done[Vec]),
      .err_o(err[Vec]),
      .err_code_o(err_code[Vec]),
      .busy_o(busy[Vec]),
      .stall_operand_o(stall_operand[Vec]),
      .stall_output_o(stall_output[Vec]),
      .stall_memory_o(stall_memory[Vec]),
      .argmax_id_o(argmax_id),
      .act_rd_req_o(vec_act_rd_req),
      .act_rd_addr_o(vec_act_rd_addr),
      .act_rd_gnt_i(vec_act_rd_gnt),
      .act_rd_data_i(vec_act_rd_data),
      .aux_rd_req_o(vec_aux_rd_req),
      .aux_rd_addr_o(vec_aux_rd_addr),
      .aux_rd_gnt_i(vec_aux_rd_gnt),
      .aux_rd_data_i(vec_aux_rd_data),
      .act_wr_req_o(vec_act_wr_req),
      .act_wr_addr_o(vec_act_wr_addr),
      .act_wr_data_o(vec_act_wr_data),
      .act_wr_be_o(vec_act_wr_be),
      .act_wr_gnt_i(vec_act_wr_gnt),
      .scr_rd_req_o(vec_scr_rd_req),
      .scr_rd_addr_o(vec_scr_rd_addr),
      .scr_rd_gnt_i(vec_scr_rd_gnt),
      .scr_rd_data_i(vec_scr_rd_data),
      .scr_wr_req_o(vec_scr_wr_req),
      .scr_wr_addr_o(vec_scr_wr_addr),
      .scr_wr_data_o(vec_scr_wr_data),
      .scr_wr_be_o(vec_scr_wr_be),
      .scr_wr_gnt_i(vec_scr_wr_gnt),
      .scl_rd_req_o(vec_scl_rd_req),
      .scl_rd_addr_o(vec_scl_rd_addr),
      .scl_rd_gnt_i(vec_scl_rd_gnt),
      .scl_rd_data_i(vec_scl_rd_data),
      .scl_wr_req_o(vec_scl_wr_req),
      .scl_wr_addr_o(vec_scl_wr_addr),
      .scl_wr_data_o(vec_scl_wr_data),
      .scl_wr_be_o(vec_scl_wr_be),
      .scl_wr_gnt_i(vec_scl_wr_gnt),
      .kvs_wr_req_o(vec_kvs_wr_req),
      .kvs_wr_addr_o(vec_kvs_wr_addr),
      .kvs_wr_data_o(vec_kvs_wr_data),
      .kvs_wr_be_o(vec_kvs_wr_be),
      .kvs_wr_gnt_i(vec_kvs_wr_gnt),
      .kva_req_o(kva_req),
      .kva_group_o(kva_group),
      .kva_addr_o(kva_addr),
      .kva_data_o(kva_data),
      .kva_be_o(kva_be),
      .kva_gnt_i(kva_gnt)
  );

  scratchpad #(
      .ArrayRows(ArrayRows),
      .ArrayCols(ArrayCols),
      .MemChannels(MemChannels),
      .ChannelBytes(ChannelBytes),
      .VecLanes(VecLanes),
      .KvRows(KvRows),
      .ActWords(ActWords),
      .ScrWords(ScrWords),
      .KvsWords(KvsWords),
      .SclWords(SclWords),
      .ScrBanks(ScrBanks)
  ) u_scratchpad (
      .clk_i,
      .rst_ni,
      .vec_act_rd_req_i(vec_act_rd_req),
      .vec_act_rd_addr_i(vec_act_rd_addr),
      .vec_act_rd_gnt_o(vec_act_rd_gnt),
      .vec_act_rd_data_o(vec_act_rd_data),
      .vec_aux_rd_req_i(vec_aux_rd_req),
      .vec_aux_rd_addr_i(vec_aux_rd_addr),
      .vec_aux_rd_gnt_o(vec_aux_rd_gnt),
      .vec_aux_rd_data_o(vec_aux_rd_data),
      .vec_act_wr_req_i(vec_act_wr_req),
      .vec_act_wr_addr_i(vec_act_wr_addr),
      .vec_act_wr_data_i(vec_act_wr_data),
      .vec_act_wr_be_i(vec_act_wr_be),
      .vec_act_wr_gnt_o(vec_act_wr_gnt),
      .vec_scr_rd_req_i(vec_scr_rd_req),
      .vec_scr_rd_addr_i(vec_scr_rd_addr),
      .vec_scr_rd_gnt_o(vec_scr_rd_gnt),
      .vec_scr_rd_data_o(vec_scr_rd_data),
      .vec_scr_wr_req_i(vec_scr_wr_req),
      .vec_scr_wr_addr_i(vec_scr_wr_addr),
      .vec_scr_wr_data_i(vec_scr_wr_data),
      .vec_scr_wr_be_i(vec_scr_wr_be),
      .vec_scr_wr_gnt_o(vec_scr_wr_gnt),
      .vec_scl_rd_req_i(vec_scl_rd_req),
      .vec_scl_rd_addr_i(vec_scl_rd_addr),
      .vec_scl_rd_gnt_o(vec_scl_rd_gnt),
      .vec_scl_rd_data_o(vec_scl_rd_data),
      .vec_scl_wr_req_i(vec_scl_wr_req),
      .vec_scl_wr_addr_i(vec_scl_wr_addr),
      .vec_scl_wr_data_i(vec_scl_wr_data),
      .vec_scl_wr_be_i(vec_scl_wr_be),
      .vec_scl_wr_gnt_o(vec_scl_wr_gnt),
      .vec_kvs_wr_req_i(vec_kvs_wr_req),
      .vec_kvs_wr_addr_i(vec_kvs_wr_addr),
      .vec_kvs_wr_data_i(vec_kvs_wr_data),
      .vec_kvs_wr_be_i(vec_kvs_wr_be),
      .vec_kvs_wr_gnt_o(vec_kvs_wr_gnt),
      .pim_act_rd_req_i(pim_act_rd_req),
      .pim_act_rd_addr_i(pim_act_rd_addr),
      .pim_act_rd_gnt_o(pim_act_rd_gnt),
      .pim_act_rd_data_o(pim_act_rd_data),
      .pim_act_wr_req_i(pim_act_wr_req),
      .pim_act_wr_addr_i(pim_act_wr_addr),
      .pim_act_wr_data_i(pim_act_wr_data),
      .pim_act_wr_be_i(pim_act_wr_be),
      .pim_act_wr_gnt_o(pim_act_wr_gnt),
      .arr_scr_rd_req_i(arr_scr_rd_req),
      .arr_scr_rd_addr_i(arr_scr_rd_addr),
      .arr_scr_rd_gnt_o(arr_scr_rd_gnt),
      .arr_scr_rd_data_o(arr_scr_rd_data),
      .arr_scr_wr_req_i(arr_scr_wr_req),
      .arr_scr_wr_addr_i(arr_scr_wr_addr),
      .arr_scr_wr_data_i(arr_scr_wr_data),
      .arr_scr_wr_be_i(arr_scr_wr_be),
      .arr_scr_wr_gnt_o(arr_scr_wr_gnt),
      .smx_scr_rd_req_i(smx_scr_rd_req),
      .smx_scr_rd_addr_i(smx_scr_rd_addr),
      .smx_scr_rd_gnt_o(smx_scr_rd_gnt),
      .smx_scr_rd_data_o(smx_scr_rd_data),
      .smx_scr_wr_req_i(smx_scr_wr_req),
      .smx_scr_wr_addr_i(smx_scr_wr_addr),
      .smx_scr_wr_data_i(smx_scr_wr_data),
      .smx_scr_wr_be_i(smx_scr_wr_be),
      .smx_scr_wr_gnt_o(smx_scr_wr_gnt),
      .smx_kvs_rd_req_i(smx_kvs_rd_req),
      .smx_kvs_rd_addr_i(smx_kvs_rd_addr),
      .smx_kvs_rd_gnt_o(smx_kvs_rd_gnt),
      .smx_kvs_rd_data_o(smx_kvs_rd_data),
      .smx_scl_rd_req_i(smx_scl_rd_req),
      .smx_scl_rd_addr_i(smx_scl_rd_addr),
      .smx_scl_rd_gnt_o(smx_scl_rd_gnt),
      .smx_scl_rd_data_o(smx_scl_rd_data),
      .smx_scl_wr_req_i(smx_scl_wr_req),
      .smx_scl_wr_addr_i(smx_scl_wr_addr),
      .smx_scl_wr_data_i(smx_scl_wr_data),
      .smx_scl_wr_be_i(smx_scl_wr_be),
      .smx_scl_wr_gnt_o(smx_scl_wr_gnt),
      .dma_act_rd_req_i(dma_act_rd_req),
      .dma_act_rd_addr_i(dma_act_rd_addr),
      .dma_act_rd_gnt_o(dma_act_rd_gnt),
      .dma_act_rd_data_o(dma_act_rd_data),
      .dma_act_wr_req_i(dma_act_wr_req),
      .dma_act_wr_addr_i(dma_act_wr_addr),
      .dma_act_wr_data_i(dma_act_wr_data),
      .dma_act_wr_be_i(dma_act_wr_be),
      .dma_act_wr_gnt_o(dma_act_wr_gnt),
      .dma_scr_rd_req_i(dma_scr_rd_req),
      .dma_scr_rd_addr_i(dma_scr_rd_addr),
      .dma_scr_rd_gnt_o(dma_scr_rd_gnt),
      .dma_scr_rd_data_o(dma_scr_rd_data),
      .dma_scr_wr_req_i(dma_scr_wr_req),
      .dma_scr_wr_addr_i(dma_scr_wr_addr),
      .dma_scr_wr_data_i(dma_scr_wr_data),
      .dma_scr_wr_be_i(dma_scr_wr_be),
      .dma_scr_wr_gnt_o(dma_scr_wr_gnt),
      .dma_kvs_rd_req_i(dma_kvs_rd_req),
      .dma_kvs_rd_addr_i(dma_kvs_rd_addr),
      .dma_kvs_rd_gnt_o(dma_kvs_rd_gnt),
      .dma_kvs_rd_data_o(dma_kvs_rd_data),
      .dma_kvs_wr_req_i(dma_kvs_wr_req),
      .dma_kvs_wr_addr_i(dma_kvs_wr_addr),
      .dma_kvs_wr_data_i(dma_kvs_wr_data),
      .dma_kvs_wr_be_i(dma_kvs_wr_be),
      .dma_kvs_wr_gnt_o(dma_kvs_wr_gnt),
      .dma_scl_rd_req_i(dma_scl_rd_req),
      .dma_scl_rd_addr_i(dma_scl_rd_addr),
      .dma_scl_rd_gnt_o(dma_scl_rd_gnt),
      .dma_scl_rd_data_o(dma_scl_rd_data),
      .dma_scl_wr_req_i(dma_scl_wr_req),
      .dma_scl_wr_addr_i(dma_scl_wr_addr),
      .dma_scl_wr_data_i(dma_scl_wr_data),
      .dma_scl_wr_be_i(dma_scl_wr_be),
      .dma_scl_wr_gnt_o(dma_scl_wr_gnt),
      .kv_rd_en_i(kv_rd_en),
      .kv_rd_addr_i(kv_rd_addr),
      .kv_rd_data_o(kv_rd_data),
      .kva_req_i(kva_req),
      .kva_group_i(kva_group),
      .kva_addr_i(kva_addr),
      .kva_data_i(kva_data),
      .kva_be_i(kva_be),
      .kva_gnt_o(kva_gnt),
      .dkv_rd_req_i(dkv_rd_req),
      .dkv_rd_group_i(dkv_rd_group),
      .dkv_rd_addr_i(dkv_rd_addr),
      .dkv_rd_gnt_o(dkv_rd_gnt),
      .dkv_rd_data_o(dkv_rd_data),
      .dkv_wr_req_i(dkv_wr_req),
      .dkv_wr_group_i(dkv_wr_group),
      .dkv_wr_addr_i(dkv_wr_addr),
      .dkv_wr_data_i(dkv_wr_data),
      .dkv_wr_gnt_o(dkv_wr_gnt)
  );

endmodule

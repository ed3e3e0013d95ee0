// The ports of the scratchpad: the highest of those that ask gets its grant, in the cycle of the request, and it is the one
// whose address, data and byte enables reach the memory.
`include "assert.svh"

// One port with fixed priority; requester 0 is the highest.
module port_props #(
    parameter int unsigned Requesters = 2,
    parameter int unsigned Width = 8
) (
    input logic                             clk_i,
    input logic                             rst_ni,
    input logic [Requesters-1:0]            req,
    input logic [Requesters-1:0]            gnt,
    input logic [Requesters-1:0][Width-1:0] access,
    input logic                             used,
    input logic [     Width-1:0]            access_used
);

  logic [Width-1:0] granted;

  always_comb begin
    granted = '0;
    for (int unsigned r = 0; r < Requesters; r++) granted = granted | (gnt[r] ? access[r] : '0);
  end

  `ASSERT(HighestWins, gnt == (req & (~req + 1'b1)))
  `ASSERT(UsedIfAsked, used == (req != '0))
  `ASSERT(GrantedReachesMemory, !used || access_used == granted)

endmodule

// KV: an append always wins; what is granted to a channel reaches its group.
module kv_props #(
    parameter int unsigned MemChannels = 2,
    parameter int unsigned Groups = 2,
    parameter int unsigned GroupWidth = 1
) (
    input logic                                   clk_i,
    input logic                                   rst_ni,
    input logic                                   kva_req_i,
    input logic [ GroupWidth-1:0]                 kva_group_i,
    input logic                                   kva_gnt_o,
    input logic [MemChannels-1:0]                 dkv_wr_req_i,
    input logic [MemChannels-1:0][GroupWidth-1:0] dkv_wr_group_i,
    input logic [MemChannels-1:0]                 dkv_wr_gnt_o,
    input logic                                   dkv_rd_req_i,
    input logic [ GroupWidth-1:0]                 dkv_rd_group_i,
    input logic                                   dkv_rd_gnt_o,
    input logic [     Groups-1:0]                 group_read,
    input logic [     Groups-1:0]                 group_append,
    input logic [     Groups-1:0]                 group_load
);

  `ASSERT(AppendAlwaysWins,
          kva_gnt_o == kva_req_i && (!kva_req_i || group_append == Groups'(1) << kva_group_i))
  `ASSERT(DmaReadWaitsForArray, dkv_rd_gnt_o == (dkv_rd_req_i && !group_read[dkv_rd_group_i]))
  for (genvar c = 0; c < MemChannels; c++) begin : gen_channel
    `ASSERT(LoadWaitsForAppend, dkv_wr_gnt_o[c] == (dkv_wr_req_i[c] && !group_append[dkv_wr_group_i[c]]))
    `ASSERT(LoadReachesGroup, !dkv_wr_gnt_o[c] || group_load[dkv_wr_group_i[c]])
  end

endmodule

bind scratchpad kv_props #(
    .MemChannels(MemChannels),
    .Groups(Groups),
    .GroupWidth(GroupWidth)
) u_kv_props (.*);

bind scratchpad port_props #(
    .Requesters(3),
    .Width(ActAddrWidth)
) u_act_rd_props (
    .clk_i,
    .rst_ni,
    .req({dma_act_rd_req_i, pim_act_rd_req_i, vec_act_rd_req_i}),
    .gnt({dma_act_rd_gnt_o, pim_act_rd_gnt_o, vec_act_rd_gnt_o}),
    .access({dma_act_rd_addr_i, pim_act_rd_addr_i, vec_act_rd_addr_i}),
    .used(act_rd_en),
    .access_used(act_rd_addr)
);

bind scratchpad port_props #(
    .Requesters(3),
    .Width(ActAddrWidth + 9 * ActBytes)
) u_act_wr_props (
    .clk_i,
    .rst_ni,
    .req({dma_act_wr_req_i, pim_act_wr_req_i, vec_act_wr_req_i}),
    .gnt({dma_act_wr_gnt_o, pim_act_wr_gnt_o, vec_act_wr_gnt_o}),
    .access({
      dma_act_wr_addr_i, dma_act_wr_data_i, dma_act_wr_be_i,
      pim_act_wr_addr_i, pim_act_wr_data_i, pim_act_wr_be_i,
      vec_act_wr_addr_i, vec_act_wr_data_i, vec_act_wr_be_i
    }),
    .used(act_wr_en),
    .access_used({act_wr_addr, act_wr_data, act_wr_be})
);

bind scratchpad port_props #(
    .Requesters(4),
    .Width(ScrAddrWidth)
) u_scr_rd_props (
    .clk_i,
    .rst_ni,
    .req({dma_scr_rd_req_i, vec_scr_rd_req_i, smx_scr_rd_req_i, arr_scr_rd_req_i}),
    .gnt({dma_scr_rd_gnt_o, vec_scr_rd_gnt_o, smx_scr_rd_gnt_o, arr_scr_rd_gnt_o}),
    .access({dma_scr_rd_addr_i, vec_scr_rd_addr_i, smx_scr_rd_addr_i, arr_scr_rd_addr_i}),
    .used(scr_rd_en),
    .access_used(scr_rd_addr)
);

bind scratchpad port_props #(
    .Requesters(4),
    .Width(ScrAddrWidth + 9 * ScrBytes)
) u_scr_wr_props (
    .clk_i,
    .rst_ni,
    .req({dma_scr_wr_req_i, vec_scr_wr_req_i, smx_scr_wr_req_i, arr_scr_wr_req_i}),
    .gnt({dma_scr_wr_gnt_o, vec_scr_wr_gnt_o, smx_scr_wr_gnt_o, arr_scr_wr_gnt_o}),
    .access({
      dma_scr_wr_addr_i, dma_scr_wr_data_i, dma_scr_wr_be_i,
      vec_scr_wr_addr_i, vec_scr_wr_data_i, vec_scr_wr_be_i,
      smx_scr_wr_addr_i, smx_scr_wr_data_i, smx_scr_wr_be_i,
      arr_scr_wr_addr_i, arr_scr_wr_data_i, arr_scr_wr_be_i
    }),
    .used(scr_wr_en),
    .access_used({scr_wr_addr, scr_wr_data, scr_wr_be})
);

bind scratchpad port_props #(
    .Requesters(2),
    .Width(KvsAddrWidth)
) u_kvs_rd_props (
    .clk_i,
    .rst_ni,
    .req({dma_kvs_rd_req_i, smx_kvs_rd_req_i}),
    .gnt({dma_kvs_rd_gnt_o, smx_kvs_rd_gnt_o}),
    .access({dma_kvs_rd_addr_i, smx_kvs_rd_addr_i}),
    .used(kvs_rd_en),
    .access_used(kvs_rd_addr)
);

bind scratchpad port_props #(
    .Requesters(2),
    .Width(KvsAddrWidth + 9 * KvsBytes)
) u_kvs_wr_props (
    .clk_i,
    .rst_ni,
    .req({dma_kvs_wr_req_i, vec_kvs_wr_req_i}),
    .gnt({dma_kvs_wr_gnt_o, vec_kvs_wr_gnt_o}),
    .access({
      dma_kvs_wr_addr_i, dma_kvs_wr_data_i, dma_kvs_wr_be_i,
      vec_kvs_wr_addr_i, vec_kvs_wr_data_i, vec_kvs_wr_be_i
    }),
    .used(kvs_wr_en),
    .access_used({kvs_wr_addr, kvs_wr_data, kvs_wr_be})
);

bind scratchpad port_props #(
    .Requesters(3),
    .Width(SclAddrWidth)
) u_scl_rd_props (
    .clk_i,
    .rst_ni,
    .req({dma_scl_rd_req_i, vec_scl_rd_req_i, smx_scl_rd_req_i}),
    .gnt({dma_scl_rd_gnt_o, vec_scl_rd_gnt_o, smx_scl_rd_gnt_o}),
    .access({dma_scl_rd_addr_i, vec_scl_rd_addr_i, smx_scl_rd_addr_i}),
    .used(scl_rd_en),
    .access_used(scl_rd_addr)
);

bind scratchpad port_props #(
    .Requesters(3),
    .Width(SclAddrWidth + 9 * SclBytes)
) u_scl_wr_props (
    .clk_i,
    .rst_ni,
    .req({dma_scl_wr_req_i, vec_scl_wr_req_i, smx_scl_wr_req_i}),
    .gnt({dma_scl_wr_gnt_o, vec_scl_wr_gnt_o, smx_scl_wr_gnt_o}),
    .access({
      dma_scl_wr_addr_i, dma_scl_wr_data_i, dma_scl_wr_be_i,
      vec_scl_wr_addr_i, vec_scl_wr_data_i, vec_scl_wr_be_i,
      smx_scl_wr_addr_i, smx_scl_wr_data_i, smx_scl_wr_be_i
    }),
    .used(scl_wr_en),
    .access_used({scl_wr_addr, scl_wr_data, scl_wr_be})
);

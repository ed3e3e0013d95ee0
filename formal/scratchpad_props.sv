// KV banks of the scratchpad: an append always wins; what is granted to a channel reaches its group.
`include "assert.svh"

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

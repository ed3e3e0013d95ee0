// The banked scratchpad: all memories of the machine (docs/architecture.md, "Address spaces", "Memory ports").
//
// ACT, SCR, KVS and SCL are each a space_ram; priority falls in the order in which the requesters are listed. A grant
// comes in the cycle of the request, read data in the cycle after the grant.
// KV is ArrayRows banks in Groups groups. Reads of the array are always served; a DMA read takes all banks of a group and
// waits while the array reads one of them. A bank is written by the vector unit's append port, which always wins, or by
// the one DMA channel that serves its group.
// The only state besides the memories is the group of the last DMA read. Reads and writes of the same word in one cycle
// return unspecified data.
`include "assert.svh"

module scratchpad #(
    parameter int unsigned ArrayRows = 4,
    parameter int unsigned ArrayCols = 4,
    parameter int unsigned MemChannels = 2,
    parameter int unsigned ChannelBytes = 8,
    parameter int unsigned VecLanes = 4,
    parameter int unsigned KvRows = 512,
    parameter int unsigned ActWords = 512,
    parameter int unsigned ScrWords = 256,
    parameter int unsigned KvsWords = 128,
    parameter int unsigned SclWords = 256,
    parameter int unsigned ScrBanks = 4,  // of equal size, one behind the other
    localparam int unsigned GroupBanks = ChannelBytes / ArrayCols,
    localparam int unsigned Groups = ArrayRows / GroupBanks,
    localparam int unsigned GroupWidth = Groups > 1 ? $clog2(Groups) : 1,
    localparam int unsigned BeatBits = 8 * ChannelBytes,
    localparam int unsigned BankBits = 8 * ArrayCols,
    localparam int unsigned ActBytes = 4 * VecLanes,
    localparam int unsigned ScrBytes = 4 * ArrayCols,
    localparam int unsigned KvsBytes = 4 * ArrayCols,
    localparam int unsigned SclBytes = 4,
    localparam int unsigned ActAddrWidth = $clog2(ActWords),
    localparam int unsigned ScrAddrWidth = $clog2(ScrWords),
    localparam int unsigned KvsAddrWidth = $clog2(KvsWords),
    localparam int unsigned SclAddrWidth = $clog2(SclWords),
    localparam int unsigned KvAddrWidth = $clog2(KvRows)
) (
    input  logic clk_i,
    input  logic rst_ni,

    input  logic                    vec_act_rd_req_i,
    input  logic [ActAddrWidth-1:0] vec_act_rd_addr_i,
    output logic                    vec_act_rd_gnt_o,
    output logic [8*ActBytes-1:0]   vec_act_rd_data_o,

    input  logic                    vec_aux_rd_req_i,
    input  logic [ActAddrWidth-1:0] vec_aux_rd_addr_i,
    output logic                    vec_aux_rd_gnt_o,
    output logic [8*ActBytes-1:0]   vec_aux_rd_data_o,

    input  logic                    pim_act_rd_req_i,
    input  logic [ActAddrWidth-1:0] pim_act_rd_addr_i,
    output logic                    pim_act_rd_gnt_o,
    output logic [8*ActBytes-1:0]   pim_act_rd_data_o,

    input  logic                    dma_act_rd_req_i,
    input  logic [ActAddrWidth-1:0] dma_act_rd_addr_i,
    output logic                    dma_act_rd_gnt_o,
    output logic [8*ActBytes-1:0]   dma_act_rd_data_o,

    input  logic                    vec_act_wr_req_i,
    input  logic [ActAddrWidth-1:0] vec_act_wr_addr_i,
    input  logic [8*ActBytes-1:0]   vec_act_wr_data_i,
    input  logic [ActBytes-1:0]     vec_act_wr_be_i,
    output logic                    vec_act_wr_gnt_o,

    input  logic                    pim_act_wr_req_i,
    input  logic [ActAddrWidth-1:0] pim_act_wr_addr_i,
    input  logic [8*ActBytes-1:0]   pim_act_wr_data_i,
    input  logic [ActBytes-1:0]     pim_act_wr_be_i,
    output logic                    pim_act_wr_gnt_o,

    input  logic                    dma_act_wr_req_i,
    input  logic [ActAddrWidth-1:0] dma_act_wr_addr_i,
    input  logic [8*ActBytes-1:0]   dma_act_wr_data_i,
    input  logic [ActBytes-1:0]     dma_act_wr_be_i,
    output logic                    dma_act_wr_gnt_o,

    input  logic                    arr_scr_rd_req_i,
    input  logic [ScrAddrWidth-1:0] arr_scr_rd_addr_i,
    output logic                    arr_scr_rd_gnt_o,
    output logic [8*ScrBytes-1:0]   arr_scr_rd_data_o,

    input  logic                    smx_scr_rd_req_i,
    input  logic [ScrAddrWidth-1:0] smx_scr_rd_addr_i,
    output logic                    smx_scr_rd_gnt_o,
    output logic [8*ScrBytes-1:0]   smx_scr_rd_data_o,

    input  logic                    vec_scr_rd_req_i,
    input  logic [ScrAddrWidth-1:0] vec_scr_rd_addr_i,
    output logic                    vec_scr_rd_gnt_o,
    output logic [8*ScrBytes-1:0]   vec_scr_rd_data_o,

    input  logic                    dma_scr_rd_req_i,
    input  logic [ScrAddrWidth-1:0] dma_scr_rd_addr_i,
    output logic                    dma_scr_rd_gnt_o,
    output logic [8*ScrBytes-1:0]   dma_scr_rd_data_o,

    input  logic                    arr_scr_wr_req_i,
    input  logic [ScrAddrWidth-1:0] arr_scr_wr_addr_i,
    input  logic [8*ScrBytes-1:0]   arr_scr_wr_data_i,
    input  logic [ScrBytes-1:0]     arr_scr_wr_be_i,
    output logic                    arr_scr_wr_gnt_o,

    input  logic                    smx_scr_wr_req_i,
    input  logic [ScrAddrWidth-1:0] smx_scr_wr_addr_i,
    input  logic [8*ScrBytes-1:0]   smx_scr_wr_data_i,
    input  logic [ScrBytes-1:0]     smx_scr_wr_be_i,
    output logic                    smx_scr_wr_gnt_o,

    input  logic                    vec_scr_wr_req_i,
    input  logic [ScrAddrWidth-1:0] vec_scr_wr_addr_i,
    input  logic [8*ScrBytes-1:0]   vec_scr_wr_data_i,
    input  logic [ScrBytes-1:0]     vec_scr_wr_be_i,
    output logic                    vec_scr_wr_gnt_o,

    input  logic                    dma_scr_wr_req_i,
    input  logic [ScrAddrWidth-1:0] dma_scr_wr_addr_i,
    input  logic [8*ScrBytes-1:0]   dma_scr_wr_data_i,
    input  logic [ScrBytes-1:0]     dma_scr_wr_be_i,
    output logic                    dma_scr_wr_gnt_o,

    input  logic                    smx_kvs_rd_req_i,
    input  logic [KvsAddrWidth-1:0] smx_kvs_rd_addr_i,
    output logic                    smx_kvs_rd_gnt_o,
    output logic [8*KvsBytes-1:0]   smx_kvs_rd_data_o,

    input  logic                    dma_kvs_rd_req_i,
    input  logic [KvsAddrWidth-1:0] dma_kvs_rd_addr_i,
    output logic                    dma_kvs_rd_gnt_o,
    output logic [8*KvsBytes-1:0]   dma_kvs_rd_data_o,

    input  logic                    vec_kvs_wr_req_i,
    input  logic [KvsAddrWidth-1:0] vec_kvs_wr_addr_i,
    input  logic [8*KvsBytes-1:0]   vec_kvs_wr_data_i,
    input  logic [KvsBytes-1:0]     vec_kvs_wr_be_i,
    output logic                    vec_kvs_wr_gnt_o,

    input  logic                    dma_kvs_wr_req_i,
    input  logic [KvsAddrWidth-1:0] dma_kvs_wr_addr_i,
    input  logic [8*KvsBytes-1:0]   dma_kvs_wr_data_i,
    input  logic [KvsBytes-1:0]     dma_kvs_wr_be_i,
    output logic                    dma_kvs_wr_gnt_o,

    input  logic                    smx_scl_rd_req_i,
    input  logic [SclAddrWidth-1:0] smx_scl_rd_addr_i,
    output logic                    smx_scl_rd_gnt_o,
    output logic [8*SclBytes-1:0]   smx_scl_rd_data_o,

    input  logic                    vec_scl_rd_req_i,
    input  logic [SclAddrWidth-1:0] vec_scl_rd_addr_i,
    output logic                    vec_scl_rd_gnt_o,
    output logic [8*SclBytes-1:0]   vec_scl_rd_data_o,

    input  logic                    dma_scl_rd_req_i,
    input  logic [SclAddrWidth-1:0] dma_scl_rd_addr_i,
    output logic                    dma_scl_rd_gnt_o,
    output logic [8*SclBytes-1:0]   dma_scl_rd_data_o,

    input  logic                    smx_scl_wr_req_i,
    input  logic [SclAddrWidth-1:0] smx_scl_wr_addr_i,
    input  logic [8*SclBytes-1:0]   smx_scl_wr_data_i,
    input  logic [SclBytes-1:0]     smx_scl_wr_be_i,
    output logic                    smx_scl_wr_gnt_o,

    input  logic                    vec_scl_wr_req_i,
    input  logic [SclAddrWidth-1:0] vec_scl_wr_addr_i,
    input  logic [8*SclBytes-1:0]   vec_scl_wr_data_i,
    input  logic [SclBytes-1:0]     vec_scl_wr_be_i,
    output logic                    vec_scl_wr_gnt_o,

    input  logic                    dma_scl_wr_req_i,
    input  logic [SclAddrWidth-1:0] dma_scl_wr_addr_i,
    input  logic [8*SclBytes-1:0]   dma_scl_wr_data_i,
    input  logic [SclBytes-1:0]     dma_scl_wr_be_i,
    output logic                    dma_scl_wr_gnt_o,

    input  logic [ArrayRows-1:0]                  kv_rd_en_i,
    input  logic [ArrayRows-1:0][KvAddrWidth-1:0] kv_rd_addr_i,
    output logic [ArrayRows-1:0][BankBits-1:0]    kv_rd_data_o,

    input  logic                    kva_req_i,
    input  logic [GroupWidth-1:0]   kva_group_i,
    input  logic [KvAddrWidth-1:0]  kva_addr_i,
    input  logic [BeatBits-1:0]     kva_data_i,
    input  logic [ChannelBytes-1:0] kva_be_i,
    output logic                    kva_gnt_o,

    input  logic                   dkv_rd_req_i,
    input  logic [GroupWidth-1:0]  dkv_rd_group_i,
    input  logic [KvAddrWidth-1:0] dkv_rd_addr_i,
    output logic                   dkv_rd_gnt_o,
    output logic [BeatBits-1:0]    dkv_rd_data_o,

    input  logic [MemChannels-1:0]                  dkv_wr_req_i,
    input  logic [MemChannels-1:0][GroupWidth-1:0]  dkv_wr_group_i,
    input  logic [MemChannels-1:0][KvAddrWidth-1:0] dkv_wr_addr_i,
    input  logic [MemChannels-1:0][BeatBits-1:0]    dkv_wr_data_i,
    output logic [MemChannels-1:0]                  dkv_wr_gnt_o
);

  // ACT: VEC > VEC's constants > PIM > DMA. In banks, so that vectors and constants do not meet.
  space_ram #(
      .Words(ActWords),
      .Bytes(ActBytes),
      .Banks(pimllm_pkg::ActBanks),
      .Readers(4),
      .Writers(3)
  ) u_act (
      .clk_i,
      .rst_ni,
      .rd_req_i({dma_act_rd_req_i, pim_act_rd_req_i, vec_aux_rd_req_i, vec_act_rd_req_i}),
      .rd_addr_i({dma_act_rd_addr_i, pim_act_rd_addr_i, vec_aux_rd_addr_i, vec_act_rd_addr_i}),
      .rd_gnt_o({dma_act_rd_gnt_o, pim_act_rd_gnt_o, vec_aux_rd_gnt_o, vec_act_rd_gnt_o}),
      .rd_data_o({dma_act_rd_data_o, pim_act_rd_data_o, vec_aux_rd_data_o, vec_act_rd_data_o}),
      .wr_req_i({dma_act_wr_req_i, pim_act_wr_req_i, vec_act_wr_req_i}),
      .wr_addr_i({dma_act_wr_addr_i, pim_act_wr_addr_i, vec_act_wr_addr_i}),
      .wr_data_i({dma_act_wr_data_i, pim_act_wr_data_i, vec_act_wr_data_i}),
      .wr_be_i({dma_act_wr_be_i, pim_act_wr_be_i, vec_act_wr_be_i}),
      .wr_gnt_o({dma_act_wr_gnt_o, pim_act_wr_gnt_o, vec_act_wr_gnt_o})
  );

  // SCR: ARR > SMX > VEC > DMA. In banks, so that the array's scores, the softmax unit's and the joined sums do not meet.
  space_ram #(
      .Words(ScrWords),
      .Bytes(ScrBytes),
      .Banks(ScrBanks),
      .Readers(4),
      .Writers(4)
  ) u_scr (
      .clk_i,
      .rst_ni,
      .rd_req_i({dma_scr_rd_req_i, vec_scr_rd_req_i, smx_scr_rd_req_i, arr_scr_rd_req_i}),
      .rd_addr_i({dma_scr_rd_addr_i, vec_scr_rd_addr_i, smx_scr_rd_addr_i, arr_scr_rd_addr_i}),
      .rd_gnt_o({dma_scr_rd_gnt_o, vec_scr_rd_gnt_o, smx_scr_rd_gnt_o, arr_scr_rd_gnt_o}),
      .rd_data_o({dma_scr_rd_data_o, vec_scr_rd_data_o, smx_scr_rd_data_o, arr_scr_rd_data_o}),
      .wr_req_i({dma_scr_wr_req_i, vec_scr_wr_req_i, smx_scr_wr_req_i, arr_scr_wr_req_i}),
      .wr_addr_i({dma_scr_wr_addr_i, vec_scr_wr_addr_i, smx_scr_wr_addr_i, arr_scr_wr_addr_i}),
      .wr_data_i({dma_scr_wr_data_i, vec_scr_wr_data_i, smx_scr_wr_data_i, arr_scr_wr_data_i}),
      .wr_be_i({dma_scr_wr_be_i, vec_scr_wr_be_i, smx_scr_wr_be_i, arr_scr_wr_be_i}),
      .wr_gnt_o({dma_scr_wr_gnt_o, vec_scr_wr_gnt_o, smx_scr_wr_gnt_o, arr_scr_wr_gnt_o})
  );

  // KVS: reads SMX > DMA, writes VEC > DMA.
  space_ram #(
      .Words(KvsWords),
      .Bytes(KvsBytes),
      .Readers(2),
      .Writers(2)
  ) u_kvs (
      .clk_i,
      .rst_ni,
      .rd_req_i({dma_kvs_rd_req_i, smx_kvs_rd_req_i}),
      .rd_addr_i({dma_kvs_rd_addr_i, smx_kvs_rd_addr_i}),
      .rd_gnt_o({dma_kvs_rd_gnt_o, smx_kvs_rd_gnt_o}),
      .rd_data_o({dma_kvs_rd_data_o, smx_kvs_rd_data_o}),
      .wr_req_i({dma_kvs_wr_req_i, vec_kvs_wr_req_i}),
      .wr_addr_i({dma_kvs_wr_addr_i, vec_kvs_wr_addr_i}),
      .wr_data_i({dma_kvs_wr_data_i, vec_kvs_wr_data_i}),
      .wr_be_i({dma_kvs_wr_be_i, vec_kvs_wr_be_i}),
      .wr_gnt_o({dma_kvs_wr_gnt_o, vec_kvs_wr_gnt_o})
  );

  // SCL: SMX > VEC > DMA.
  space_ram #(
      .Words(SclWords),
      .Bytes(SclBytes),
      .Readers(3),
      .Writers(3)
  ) u_scl (
      .clk_i,
      .rst_ni,
      .rd_req_i({dma_scl_rd_req_i, vec_scl_rd_req_i, smx_scl_rd_req_i}),
      .rd_addr_i({dma_scl_rd_addr_i, vec_scl_rd_addr_i, smx_scl_rd_addr_i}),
      .rd_gnt_o({dma_scl_rd_gnt_o, vec_scl_rd_gnt_o, smx_scl_rd_gnt_o}),
      .rd_data_o({dma_scl_rd_data_o, vec_scl_rd_data_o, smx_scl_rd_data_o}),
      .wr_req_i({dma_scl_wr_req_i, vec_scl_wr_req_i, smx_scl_wr_req_i}),
      .wr_addr_i({dma_scl_wr_addr_i, vec_scl_wr_addr_i, smx_scl_wr_addr_i}),
      .wr_data_i({dma_scl_wr_data_i, vec_scl_wr_data_i, smx_scl_wr_data_i}),
      .wr_be_i({dma_scl_wr_be_i, vec_scl_wr_be_i, smx_scl_wr_be_i}),
      .wr_gnt_o({dma_scl_wr_gnt_o, vec_scl_wr_gnt_o, smx_scl_wr_gnt_o})
  );

  // KV.
  logic [Groups-1:0] group_read, group_append, group_load;
  logic [GroupWidth-1:0] dkv_group_q;

  logic [BankBits-1:0] bank_data[ArrayRows];

  // In a loop, not slice by slice: Verilator 5.006 makes a chain of ever longer concatenations of the latter.
  always_comb begin
    for (int unsigned b = 0; b < ArrayRows; b++) kv_rd_data_o[b] = bank_data[b];
  end

  assign dkv_rd_gnt_o = dkv_rd_req_i && !group_read[dkv_rd_group_i];
  assign dkv_rd_data_o = kv_rd_data_o[GroupBanks*dkv_group_q+:GroupBanks];
  assign kva_gnt_o = kva_req_i;

  always_ff @(posedge clk_i) begin
    if (dkv_rd_gnt_o) dkv_group_q <= dkv_rd_group_i;
  end

  for (genvar c = 0; c < MemChannels; c++) begin : gen_channel
    assign dkv_wr_gnt_o[c] = dkv_wr_req_i[c] && !(kva_req_i && kva_group_i == dkv_wr_group_i[c]);
    // A channel writes its own groups only.
    `ASSERT(ChannelServesGroup, !dkv_wr_req_i[c] || 32'(dkv_wr_group_i[c]) % MemChannels == c)
  end

  for (genvar g = 0; g < Groups; g++) begin : gen_group
    localparam int unsigned Channel = g % MemChannels;
    logic dkv_read, wr_en;
    logic [KvAddrWidth-1:0] wr_addr;
    logic [BeatBits-1:0] wr_data;
    logic [ChannelBytes-1:0] wr_be;

    assign group_read[g] = |kv_rd_en_i[GroupBanks*g+:GroupBanks];
    assign dkv_read = dkv_rd_gnt_o && dkv_rd_group_i == GroupWidth'(g);
    assign group_append[g] = kva_req_i && kva_group_i == GroupWidth'(g);
    assign group_load[g] = dkv_wr_gnt_o[Channel] && dkv_wr_group_i[Channel] == GroupWidth'(g);
    assign wr_en = group_append[g] || group_load[g];
    assign wr_addr = group_append[g] ? kva_addr_i : dkv_wr_addr_i[Channel];
    assign wr_data = group_append[g] ? kva_data_i : dkv_wr_data_i[Channel];
    assign wr_be = group_append[g] ? kva_be_i : '1;

    for (genvar b = 0; b < GroupBanks; b++) begin : gen_bank
      localparam int unsigned Bank = g * GroupBanks + b;
      ram_1r1w #(
          .Depth(KvRows),
          .Width(BankBits)
      ) u_kv (
          .clk_i,
          .rd_en_i(kv_rd_en_i[Bank] || dkv_read),
          .rd_addr_i(kv_rd_en_i[Bank] ? kv_rd_addr_i[Bank] : dkv_rd_addr_i),
          .rd_data_o(bank_data[Bank]),
          .wr_en_i(wr_en),
          .wr_addr_i(wr_addr),
          .wr_data_i(wr_data[BankBits*b+:BankBits]),
          .wr_be_i(wr_be[ArrayCols*b+:ArrayCols])
      );
    end

    `ASSERT(OneWriter, !(group_append[g] && group_load[g]))
    `ASSERT(ArrayReadsUndisturbed, !(dkv_read && group_read[g]))
  end

  `ASSERT(AppendGroupInRange, !kva_req_i || 32'(kva_group_i) < Groups)
  `ASSERT(ReadGroupInRange, !dkv_rd_req_i || 32'(dkv_rd_group_i) < Groups)

  `ASSERT_INIT(KvPowerOfTwo, KvRows == 1 << KvAddrWidth && KvRows > 1)
  `ASSERT_INIT(BeatFillsBanks, ChannelBytes % ArrayCols == 0 && GroupBanks > 0)
  `ASSERT_INIT(RowsFillGroups, ArrayRows % GroupBanks == 0)
  `ASSERT_INIT(GroupsFillChannels, Groups % MemChannels == 0)

endmodule

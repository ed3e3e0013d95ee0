// The banked scratchpad: all memories of the machine (docs/architecture.md, "Address spaces", "Memory ports").
//
// ACT, SCR, KVS and SCL are each one RAM behind two fixed-priority arbiters, one for reads and one for writes; priority
// falls in the order in which the requesters are listed. A grant comes in the cycle of the request, read data in the
// cycle after the grant. A requester below another may starve while that one asks in every cycle.
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

  // ACT: reads VEC > PIM > DMA, writes VEC > PIM > DMA.
  logic act_rd_en, act_wr_en;
  logic [ActAddrWidth-1:0] act_rd_addr, act_wr_addr;
  logic [8*ActBytes-1:0] act_rd_data, act_wr_data;
  logic [ActBytes-1:0] act_wr_be;

  assign vec_act_rd_gnt_o = vec_act_rd_req_i;
  assign pim_act_rd_gnt_o = pim_act_rd_req_i && !vec_act_rd_req_i;
  assign dma_act_rd_gnt_o = dma_act_rd_req_i && !(vec_act_rd_req_i || pim_act_rd_req_i);
  assign vec_act_wr_gnt_o = vec_act_wr_req_i;
  assign pim_act_wr_gnt_o = pim_act_wr_req_i && !vec_act_wr_req_i;
  assign dma_act_wr_gnt_o = dma_act_wr_req_i && !(vec_act_wr_req_i || pim_act_wr_req_i);
  assign act_rd_en = vec_act_rd_req_i || pim_act_rd_req_i || dma_act_rd_req_i;
  assign act_wr_en = vec_act_wr_req_i || pim_act_wr_req_i || dma_act_wr_req_i;
  assign vec_act_rd_data_o = act_rd_data;
  assign pim_act_rd_data_o = act_rd_data;
  assign dma_act_rd_data_o = act_rd_data;

  always_comb begin
    if (vec_act_rd_req_i) begin
      act_rd_addr = vec_act_rd_addr_i;
    end else if (pim_act_rd_req_i) begin
      act_rd_addr = pim_act_rd_addr_i;
    end else begin
      act_rd_addr = dma_act_rd_addr_i;
    end
    if (vec_act_wr_req_i) begin
      act_wr_addr = vec_act_wr_addr_i;
      act_wr_data = vec_act_wr_data_i;
      act_wr_be = vec_act_wr_be_i;
    end else if (pim_act_wr_req_i) begin
      act_wr_addr = pim_act_wr_addr_i;
      act_wr_data = pim_act_wr_data_i;
      act_wr_be = pim_act_wr_be_i;
    end else begin
      act_wr_addr = dma_act_wr_addr_i;
      act_wr_data = dma_act_wr_data_i;
      act_wr_be = dma_act_wr_be_i;
    end
  end

  ram_1r1w #(
      .Depth(ActWords),
      .Width(8 * ActBytes)
  ) u_act (
      .clk_i,
      .rd_en_i(act_rd_en),
      .rd_addr_i(act_rd_addr),
      .rd_data_o(act_rd_data),
      .wr_en_i(act_wr_en),
      .wr_addr_i(act_wr_addr),
      .wr_data_i(act_wr_data),
      .wr_be_i(act_wr_be)
  );

  // SCR: reads ARR > SMX > VEC > DMA, writes ARR > SMX > VEC > DMA.
  logic scr_rd_en, scr_wr_en;
  logic [ScrAddrWidth-1:0] scr_rd_addr, scr_wr_addr;
  logic [8*ScrBytes-1:0] scr_rd_data, scr_wr_data;
  logic [ScrBytes-1:0] scr_wr_be;

  assign arr_scr_rd_gnt_o = arr_scr_rd_req_i;
  assign smx_scr_rd_gnt_o = smx_scr_rd_req_i && !arr_scr_rd_req_i;
  assign vec_scr_rd_gnt_o = vec_scr_rd_req_i && !(arr_scr_rd_req_i || smx_scr_rd_req_i);
  assign dma_scr_rd_gnt_o = dma_scr_rd_req_i && !(arr_scr_rd_req_i || smx_scr_rd_req_i || vec_scr_rd_req_i);
  assign arr_scr_wr_gnt_o = arr_scr_wr_req_i;
  assign smx_scr_wr_gnt_o = smx_scr_wr_req_i && !arr_scr_wr_req_i;
  assign vec_scr_wr_gnt_o = vec_scr_wr_req_i && !(arr_scr_wr_req_i || smx_scr_wr_req_i);
  assign dma_scr_wr_gnt_o = dma_scr_wr_req_i && !(arr_scr_wr_req_i || smx_scr_wr_req_i || vec_scr_wr_req_i);
  assign scr_rd_en = arr_scr_rd_req_i || smx_scr_rd_req_i || vec_scr_rd_req_i || dma_scr_rd_req_i;
  assign scr_wr_en = arr_scr_wr_req_i || smx_scr_wr_req_i || vec_scr_wr_req_i || dma_scr_wr_req_i;
  assign arr_scr_rd_data_o = scr_rd_data;
  assign smx_scr_rd_data_o = scr_rd_data;
  assign vec_scr_rd_data_o = scr_rd_data;
  assign dma_scr_rd_data_o = scr_rd_data;

  always_comb begin
    if (arr_scr_rd_req_i) begin
      scr_rd_addr = arr_scr_rd_addr_i;
    end else if (smx_scr_rd_req_i) begin
      scr_rd_addr = smx_scr_rd_addr_i;
    end else if (vec_scr_rd_req_i) begin
      scr_rd_addr = vec_scr_rd_addr_i;
    end else begin
      scr_rd_addr = dma_scr_rd_addr_i;
    end
    if (arr_scr_wr_req_i) begin
      scr_wr_addr = arr_scr_wr_addr_i;
      scr_wr_data = arr_scr_wr_data_i;
      scr_wr_be = arr_scr_wr_be_i;
    end else if (smx_scr_wr_req_i) begin
      scr_wr_addr = smx_scr_wr_addr_i;
      scr_wr_data = smx_scr_wr_data_i;
      scr_wr_be = smx_scr_wr_be_i;
    end else if (vec_scr_wr_req_i) begin
      scr_wr_addr = vec_scr_wr_addr_i;
      scr_wr_data = vec_scr_wr_data_i;
      scr_wr_be = vec_scr_wr_be_i;
    end else begin
      scr_wr_addr = dma_scr_wr_addr_i;
      scr_wr_data = dma_scr_wr_data_i;
      scr_wr_be = dma_scr_wr_be_i;
    end
  end

  ram_1r1w #(
      .Depth(ScrWords),
      .Width(8 * ScrBytes)
  ) u_scr (
      .clk_i,
      .rd_en_i(scr_rd_en),
      .rd_addr_i(scr_rd_addr),
      .rd_data_o(scr_rd_data),
      .wr_en_i(scr_wr_en),
      .wr_addr_i(scr_wr_addr),
      .wr_data_i(scr_wr_data),
      .wr_be_i(scr_wr_be)
  );

  // KVS: reads SMX > DMA, writes VEC > DMA.
  logic kvs_rd_en, kvs_wr_en;
  logic [KvsAddrWidth-1:0] kvs_rd_addr, kvs_wr_addr;
  logic [8*KvsBytes-1:0] kvs_rd_data, kvs_wr_data;
  logic [KvsBytes-1:0] kvs_wr_be;

  assign smx_kvs_rd_gnt_o = smx_kvs_rd_req_i;
  assign dma_kvs_rd_gnt_o = dma_kvs_rd_req_i && !smx_kvs_rd_req_i;
  assign vec_kvs_wr_gnt_o = vec_kvs_wr_req_i;
  assign dma_kvs_wr_gnt_o = dma_kvs_wr_req_i && !vec_kvs_wr_req_i;
  assign kvs_rd_en = smx_kvs_rd_req_i || dma_kvs_rd_req_i;
  assign kvs_wr_en = vec_kvs_wr_req_i || dma_kvs_wr_req_i;
  assign smx_kvs_rd_data_o = kvs_rd_data;
  assign dma_kvs_rd_data_o = kvs_rd_data;

  always_comb begin
    if (smx_kvs_rd_req_i) begin
      kvs_rd_addr = smx_kvs_rd_addr_i;
    end else begin
      kvs_rd_addr = dma_kvs_rd_addr_i;
    end
    if (vec_kvs_wr_req_i) begin
      kvs_wr_addr = vec_kvs_wr_addr_i;
      kvs_wr_data = vec_kvs_wr_data_i;
      kvs_wr_be = vec_kvs_wr_be_i;
    end else begin
      kvs_wr_addr = dma_kvs_wr_addr_i;
      kvs_wr_data = dma_kvs_wr_data_i;
      kvs_wr_be = dma_kvs_wr_be_i;
    end
  end

  ram_1r1w #(
      .Depth(KvsWords),
      .Width(8 * KvsBytes)
  ) u_kvs (
      .clk_i,
      .rd_en_i(kvs_rd_en),
      .rd_addr_i(kvs_rd_addr),
      .rd_data_o(kvs_rd_data),
      .wr_en_i(kvs_wr_en),
      .wr_addr_i(kvs_wr_addr),
      .wr_data_i(kvs_wr_data),
      .wr_be_i(kvs_wr_be)
  );

  // SCL: reads SMX > VEC > DMA, writes SMX > VEC > DMA.
  logic scl_rd_en, scl_wr_en;
  logic [SclAddrWidth-1:0] scl_rd_addr, scl_wr_addr;
  logic [8*SclBytes-1:0] scl_rd_data, scl_wr_data;
  logic [SclBytes-1:0] scl_wr_be;

  assign smx_scl_rd_gnt_o = smx_scl_rd_req_i;
  assign vec_scl_rd_gnt_o = vec_scl_rd_req_i && !smx_scl_rd_req_i;
  assign dma_scl_rd_gnt_o = dma_scl_rd_req_i && !(smx_scl_rd_req_i || vec_scl_rd_req_i);
  assign smx_scl_wr_gnt_o = smx_scl_wr_req_i;
  assign vec_scl_wr_gnt_o = vec_scl_wr_req_i && !smx_scl_wr_req_i;
  assign dma_scl_wr_gnt_o = dma_scl_wr_req_i && !(smx_scl_wr_req_i || vec_scl_wr_req_i);
  assign scl_rd_en = smx_scl_rd_req_i || vec_scl_rd_req_i || dma_scl_rd_req_i;
  assign scl_wr_en = smx_scl_wr_req_i || vec_scl_wr_req_i || dma_scl_wr_req_i;
  assign smx_scl_rd_data_o = scl_rd_data;
  assign vec_scl_rd_data_o = scl_rd_data;
  assign dma_scl_rd_data_o = scl_rd_data;

  always_comb begin
    if (smx_scl_rd_req_i) begin
      scl_rd_addr = smx_scl_rd_addr_i;
    end else if (vec_scl_rd_req_i) begin
      scl_rd_addr = vec_scl_rd_addr_i;
    end else begin
      scl_rd_addr = dma_scl_rd_addr_i;
    end
    if (smx_scl_wr_req_i) begin
      scl_wr_addr = smx_scl_wr_addr_i;
      scl_wr_data = smx_scl_wr_data_i;
      scl_wr_be = smx_scl_wr_be_i;
    end else if (vec_scl_wr_req_i) begin
      scl_wr_addr = vec_scl_wr_addr_i;
      scl_wr_data = vec_scl_wr_data_i;
      scl_wr_be = vec_scl_wr_be_i;
    end else begin
      scl_wr_addr = dma_scl_wr_addr_i;
      scl_wr_data = dma_scl_wr_data_i;
      scl_wr_be = dma_scl_wr_be_i;
    end
  end

  ram_1r1w #(
      .Depth(SclWords),
      .Width(8 * SclBytes)
  ) u_scl (
      .clk_i,
      .rd_en_i(scl_rd_en),
      .rd_addr_i(scl_rd_addr),
      .rd_data_o(scl_rd_data),
      .wr_en_i(scl_wr_en),
      .wr_addr_i(scl_wr_addr),
      .wr_data_i(scl_wr_data),
      .wr_be_i(scl_wr_be)
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

  `ASSERT(ActOneRead, $onehot0({vec_act_rd_gnt_o, pim_act_rd_gnt_o, dma_act_rd_gnt_o}))
  `ASSERT(ActOneWrite, $onehot0({vec_act_wr_gnt_o, pim_act_wr_gnt_o, dma_act_wr_gnt_o}))
  `ASSERT(ScrOneRead, $onehot0({arr_scr_rd_gnt_o, smx_scr_rd_gnt_o, vec_scr_rd_gnt_o, dma_scr_rd_gnt_o}))
  `ASSERT(ScrOneWrite, $onehot0({arr_scr_wr_gnt_o, smx_scr_wr_gnt_o, vec_scr_wr_gnt_o, dma_scr_wr_gnt_o}))
  `ASSERT(KvsOneRead, $onehot0({smx_kvs_rd_gnt_o, dma_kvs_rd_gnt_o}))
  `ASSERT(KvsOneWrite, $onehot0({vec_kvs_wr_gnt_o, dma_kvs_wr_gnt_o}))
  `ASSERT(SclOneRead, $onehot0({smx_scl_rd_gnt_o, vec_scl_rd_gnt_o, dma_scl_rd_gnt_o}))
  `ASSERT(SclOneWrite, $onehot0({smx_scl_wr_gnt_o, vec_scl_wr_gnt_o, dma_scl_wr_gnt_o}))
  `ASSERT(AppendGroupInRange, !kva_req_i || 32'(kva_group_i) < Groups)
  `ASSERT(ReadGroupInRange, !dkv_rd_req_i || 32'(dkv_rd_group_i) < Groups)

  // Power-of-two sizes make every address of a port an address of its space.
  `ASSERT_INIT(ActPowerOfTwo, ActWords == 1 << ActAddrWidth && ActWords > 1)
  `ASSERT_INIT(ScrPowerOfTwo, ScrWords == 1 << ScrAddrWidth && ScrWords > 1)
  `ASSERT_INIT(KvsPowerOfTwo, KvsWords == 1 << KvsAddrWidth && KvsWords > 1)
  `ASSERT_INIT(SclPowerOfTwo, SclWords == 1 << SclAddrWidth && SclWords > 1)
  `ASSERT_INIT(KvPowerOfTwo, KvRows == 1 << KvAddrWidth && KvRows > 1)
  `ASSERT_INIT(BeatFillsBanks, ChannelBytes % ArrayCols == 0 && GroupBanks > 0)
  `ASSERT_INIT(RowsFillGroups, ArrayRows % GroupBanks == 0)
  `ASSERT_INIT(GroupsFillChannels, Groups % MemChannels == 0)

endmodule

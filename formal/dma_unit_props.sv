// The DMA around its channels: descriptors keep what the channels ask of them (dma_channels_any), tiles of a load stay
// below the end of the KV banks, linear transfers within their space; and an instruction is done once, in order, when each
// channel that has a part of it is done.
`include "assert.svh"

module dma_unit_props
  import dma_pkg::*;
#(
    parameter int unsigned MemChannels = 2,
    parameter int unsigned Groups = 4,
    parameter int unsigned KvRows = 64,
    parameter int unsigned ActWords = 512,
    parameter int unsigned ScrWords = 256,
    parameter int unsigned KvsWords = 128,
    parameter int unsigned SclWords = 256
) (
    input logic                                                      clk_i,
    input logic                                                      rst_ni,
    input logic                                                      flush_i,
    input logic                                                      cmd_valid_i,
    input logic                                                      cmd_ready_o,
    input pimllm_pkg::unit_cmd_t                                     cmd_i,
    input logic                                                      done_o,
    input logic                                                      accept,
    input logic                                                      legal,
    input logic                                                      tiled,
    input logic                                                      is_load,
    input logic                                                      nothing,
    input logic                  [MemChannels-1:0]                   wanted,
    input load_sink_t            [MemChannels-1:0]                   load_sink,
    input store_desc_t                                               store_desc,
    input logic                  [          32:0]                    rows_end,
    input logic                  [          16:0]                    tile_span,
    input logic                  [    TagWidth-1:0]                  head_q,
    input logic                  [    TagWidth-1:0]                  tail_q,
    input logic                  [      TagWidth:0]                  inflight_q,
    input logic                  [     NumTags-1:0][MemChannels-1:0] pending_q,
    input logic                  [MemChannels-1:0][     NumTags-1:0] load_open,
    input logic                  [MemChannels-1:0][     NumTags-1:0] store_open
);

  // --- instructions in flight ------------------------------------------------------------------------------------------
  logic [NumTags-1:0] active;
  logic [TagWidth:0] count_q;  // accepted, not done

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) count_q <= '0;
    else count_q <= count_q + (TagWidth + 1)'(accept) - (TagWidth + 1)'(done_o);
  end

  `ASSERT(Counted, inflight_q == count_q)
  `ASSERT(TailFollows, tail_q == TagWidth'(head_q + TagWidth'(inflight_q)))
  `ASSERT(NoneTooMany, !accept || count_q < (TagWidth + 1)'(NumTags))

  for (genvar t = 0; t < NumTags; t++) begin : gen_tags
    logic [TagWidth-1:0] age;
    assign age = TagWidth'(t) - head_q;
    assign active[t] = (TagWidth + 1)'(age) < inflight_q;
    for (genvar c = 0; c < MemChannels; c++) begin : gen_channels
      `ASSERT(PendingWhileOpen, pending_q[t][c] == (load_open[c][t] || store_open[c][t]))
      `ASSERT(OneOfBoth, !load_open[c][t] || !store_open[c][t])
    end
    `ASSERT(OpenIsActive, active[t] || pending_q[t] == '0)
  end

  for (genvar c = 0; c < MemChannels; c++) begin : gen_done
    `ASSERT(DoneByAll, !done_o || (!load_open[c][head_q] && !store_open[c][head_q]))
  end

  // --- bounds ------------------------------------------------------------------------------------------------------------
  logic loads, stores;
  logic [16:0] end_word, space_end;

  assign loads = accept && is_load && !nothing;
  assign stores = accept && !is_load && !nothing;
  assign end_word = 17'(cmd_i.opcode == isa_pkg::OpLoadl ? load_sink[0].last_word : store_desc.last_word);

  always_comb begin
    unique case (space_e'(cmd_i.mode[1:0]))
      SpaceAct: space_end = 17'(ActWords);
      SpaceScr: space_end = 17'(ScrWords);
      SpaceKvs: space_end = 17'(KvsWords);
      default:  space_end = 17'(SclWords);
    endcase
  end

  `ASSERT(LinearInSpace, !(loads || stores) || tiled || end_word < space_end)
  `ASSERT(OneRoundAtLeast, !loads || !tiled || tile_span != '0)
  `ASSERT(StoreInBank, !stores || !tiled || 32'(store_desc.local_addr) + 32'(store_desc.beats) <= KvRows)
  for (genvar c = 0; c < MemChannels; c++) begin : gen_bounds
    logic [16:0] last_tile;
    assign last_tile = 17'(load_sink[c].tile) + (17'(load_sink[c].tiles) - 17'd1) * MemChannels;
    // Rounds of the groups that the channel's tiles take, times a tile's rows, end at rows_end or before: so in the bank.
    `ASSERT(TilesInRounds, !loads || !tiled || !wanted[c] || last_tile / Groups < tile_span)
    `ASSERT(RoundsInBank, !loads || !tiled || rows_end <= 33'(KvRows))
  end

  logic unused;
  assign unused = ^{cmd_valid_i, cmd_ready_o, legal};

endmodule

bind dma_unit dma_unit_props #(
    .MemChannels(MemChannels),
    .Groups(Groups),
    .KvRows(KvRows),
    .ActWords(ActWords),
    .ScrWords(ScrWords),
    .KvsWords(KvsWords),
    .SclWords(SclWords)
) u_props (
    .load_open({gen_channels[1].u_load.open_q, gen_channels[0].u_load.open_q}),
    .store_open({gen_channels[1].u_store.open_q, gen_channels[0].u_store.open_q}),
    .*
);

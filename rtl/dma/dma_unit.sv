// DMA between memory and scratchpad: LOADT, STORET, LOADL, STOREL (docs/isa.md) over MemChannels AXI4 masters.
//
// Tiles of a LOADT go to all channels, a linear transfer to one channel, in turn. Several instructions are in flight;
// done_o comes in order. Throughput of loads: one beat a cycle and channel, back to back over instructions; latency is
// that of memory plus about five cycles. A bus error or an illegal operand pulses err_o with its code a cycle later. flush_i (soft
// reset) drops everything; idle_o is high when no transaction is open on any bus.
`include "assert.svh"

module dma_unit
  import dma_pkg::*;
  import pimllm_pkg::*;
#(
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
    localparam int unsigned Groups = ArrayRows * ArrayCols / ChannelBytes,
    localparam int unsigned GroupWidth = Groups > 1 ? $clog2(Groups) : 1,
    localparam int unsigned ActBytes = 4 * VecLanes,
    localparam int unsigned ScrBytes = 4 * ArrayCols,
    localparam int unsigned BeatBits = 8 * ChannelBytes
) (
    input  logic clk_i,
    input  logic rst_ni,
    input  logic flush_i,
    output logic idle_o,

    input  logic            cmd_valid_i,
    output logic            cmd_ready_o,
    input  unit_cmd_t       cmd_i,
    output logic            done_o,
    output logic            err_o,
    output isa_pkg::error_e err_code_o,
    output logic            busy_o,
    output logic            stall_operand_o,
    output logic            stall_output_o,
    output logic            stall_memory_o,

    // AXI4, one master a channel; bursts are INCR of full beats, IDs are not used.
    output logic [MemChannels-1:0]                    m_axi_arvalid_o,
    input  logic [MemChannels-1:0]                    m_axi_arready_i,
    output logic [MemChannels-1:0][MemAddrWidth-1:0]  m_axi_araddr_o,
    output logic [MemChannels-1:0][7:0]               m_axi_arlen_o,
    input  logic [MemChannels-1:0]                    m_axi_rvalid_i,
    output logic [MemChannels-1:0]                    m_axi_rready_o,
    input  logic [MemChannels-1:0][BeatBits-1:0]      m_axi_rdata_i,
    input  logic [MemChannels-1:0][1:0]               m_axi_rresp_i,
    input  logic [MemChannels-1:0]                    m_axi_rlast_i,
    output logic [MemChannels-1:0]                    m_axi_awvalid_o,
    input  logic [MemChannels-1:0]                    m_axi_awready_i,
    output logic [MemChannels-1:0][MemAddrWidth-1:0]  m_axi_awaddr_o,
    output logic [MemChannels-1:0][7:0]               m_axi_awlen_o,
    output logic [MemChannels-1:0]                    m_axi_wvalid_o,
    input  logic [MemChannels-1:0]                    m_axi_wready_i,
    output logic [MemChannels-1:0][BeatBits-1:0]      m_axi_wdata_o,
    output logic [MemChannels-1:0][ChannelBytes-1:0]  m_axi_wstrb_o,
    output logic [MemChannels-1:0]                    m_axi_wlast_o,
    input  logic [MemChannels-1:0]                    m_axi_bvalid_i,
    output logic [MemChannels-1:0]                    m_axi_bready_o,
    input  logic [MemChannels-1:0][1:0]               m_axi_bresp_i,

    output logic                         act_rd_req_o,
    output logic [$clog2(ActWords)-1:0]  act_rd_addr_o,
    input  logic                         act_rd_gnt_i,
    input  logic [8*ActBytes-1:0]        act_rd_data_i,
    output logic                         act_wr_req_o,
    output logic [$clog2(ActWords)-1:0]  act_wr_addr_o,
    output logic [8*ActBytes-1:0]        act_wr_data_o,
    output logic [ActBytes-1:0]          act_wr_be_o,
    input  logic                         act_wr_gnt_i,

    output logic                         scr_rd_req_o,
    output logic [$clog2(ScrWords)-1:0]  scr_rd_addr_o,
    input  logic                         scr_rd_gnt_i,
    input  logic [8*ScrBytes-1:0]        scr_rd_data_i,
    output logic                         scr_wr_req_o,
    output logic [$clog2(ScrWords)-1:0]  scr_wr_addr_o,
    output logic [8*ScrBytes-1:0]        scr_wr_data_o,
    output logic [ScrBytes-1:0]          scr_wr_be_o,
    input  logic                         scr_wr_gnt_i,

    output logic                         kvs_rd_req_o,
    output logic [$clog2(KvsWords)-1:0]  kvs_rd_addr_o,
    input  logic                         kvs_rd_gnt_i,
    input  logic [8*ScrBytes-1:0]        kvs_rd_data_i,
    output logic                         kvs_wr_req_o,
    output logic [$clog2(KvsWords)-1:0]  kvs_wr_addr_o,
    output logic [8*ScrBytes-1:0]        kvs_wr_data_o,
    output logic [ScrBytes-1:0]          kvs_wr_be_o,
    input  logic                         kvs_wr_gnt_i,

    output logic                         scl_rd_req_o,
    output logic [$clog2(SclWords)-1:0]  scl_rd_addr_o,
    input  logic                         scl_rd_gnt_i,
    input  logic [31:0]                  scl_rd_data_i,
    output logic                         scl_wr_req_o,
    output logic [$clog2(SclWords)-1:0]  scl_wr_addr_o,
    output logic [31:0]                  scl_wr_data_o,
    output logic [3:0]                   scl_wr_be_o,
    input  logic                         scl_wr_gnt_i,

    output logic                         dkv_rd_req_o,
    output logic [GroupWidth-1:0]        dkv_rd_group_o,
    output logic [$clog2(KvRows)-1:0]    dkv_rd_addr_o,
    input  logic                         dkv_rd_gnt_i,
    input  logic [BeatBits-1:0]          dkv_rd_data_i,
    output logic [MemChannels-1:0]                          dkv_wr_req_o,
    output logic [MemChannels-1:0][GroupWidth-1:0]          dkv_wr_group_o,
    output logic [MemChannels-1:0][$clog2(KvRows)-1:0]      dkv_wr_addr_o,
    output logic [MemChannels-1:0][BeatBits-1:0]            dkv_wr_data_o,
    input  logic [MemChannels-1:0]                          dkv_wr_gnt_i
);

  localparam int unsigned BeatShift = $clog2(ChannelBytes);
  localparam int unsigned ChannelShift = $clog2(MemChannels);
  localparam int unsigned GroupShift = $clog2(Groups);
  localparam int unsigned ActShift = $clog2(ActBytes / ChannelBytes);
  localparam int unsigned ScrShift = $clog2(ScrBytes / ChannelBytes);
  localparam int unsigned SclPerBeat = ChannelBytes / 4;
  localparam int unsigned SclShift = $clog2(SclPerBeat);
  localparam int unsigned WordBytes = ActBytes > ScrBytes ? ActBytes : ScrBytes;
  localparam int unsigned ChannelWidth = MemChannels > 1 ? $clog2(MemChannels) : 1;

  // --- decode --------------------------------------------------------------------------------------------------------
  logic is_load, tiled;
  space_e space;
  logic [15:0] first_word, last_word;
  logic [BeatsWidth-1:0] linear_beats;
  logic [16:0] tile_span;
  logic [32:0] rows_end;
  logic [17:0] words_end, space_words;
  logic nothing, bad_address, bad_operand, legal;

  assign is_load = cmd_i.opcode == isa_pkg::OpLoadt || cmd_i.opcode == isa_pkg::OpLoadl;
  assign tiled = cmd_i.opcode == isa_pkg::OpLoadt || cmd_i.opcode == isa_pkg::OpStoret;
  assign space = space_e'(cmd_i.mode[1:0]);

  always_comb begin
    unique case (space)
      SpaceAct: begin
        first_word = cmd_i.a0;
        linear_beats = BeatsWidth'(cmd_i.count) << ActShift;
        space_words = 18'(ActWords);
      end
      SpaceScr: begin
        first_word = cmd_i.a0 >> 1;
        linear_beats = BeatsWidth'(cmd_i.count) << ScrShift;
        space_words = 18'(ScrWords);
      end
      SpaceKvs: begin
        first_word = cmd_i.a0;
        linear_beats = BeatsWidth'(cmd_i.count) << ScrShift;
        space_words = 18'(KvsWords);
      end
      SpaceScl: begin
        first_word = cmd_i.a0;
        linear_beats = (BeatsWidth'(cmd_i.count) + BeatsWidth'(SclPerBeat - 1)) >> SclShift;
        space_words = 18'(SclWords);
      end
      default: begin
        first_word = '0;
        linear_beats = '0;
        space_words = '0;
      end
    endcase
  end

  assign last_word = first_word + cmd_i.count - 16'd1;
  assign words_end = 18'(first_word) + 18'(cmd_i.count);
  // Rows used in the fullest group: whole rounds of the groups, the last one possibly begun.
  assign tile_span = cmd_i.opcode == isa_pkg::OpLoadt ?
      (17'(cmd_i.count) + 17'(Groups - 1)) >> GroupShift : 17'd1;
  assign rows_end = 33'(cmd_i.a0) + 33'(tile_span) * 33'(cmd_i.s0);

  assign nothing = cmd_i.opcode == isa_pkg::OpStoret ? 1'b0 : cmd_i.count == '0;
  assign bad_operand = tiled && cmd_i.s0 == '0 && !nothing;
  assign bad_address = !nothing && (cmd_i.a1[BeatShift-1:0] != '0 ||
      (tiled ? rows_end > 33'(KvRows) : words_end > space_words) ||
      (!tiled && space == SpaceScr && cmd_i.a0[0]));
  assign legal = !bad_operand && !bad_address;

  // --- instructions in flight ----------------------------------------------------------------------------------------
  logic [TagWidth-1:0] head_q, tail_q;
  logic [TagWidth:0] inflight_q;
  logic [NumTags-1:0][MemChannels-1:0] pending_q;
  logic [MemChannels-1:0] wanted, load_ready, store_ready, load_done, store_done, load_error, store_error;
  logic [MemChannels-1:0] load_idle, store_idle;
  logic [MemChannels-1:0][TagWidth-1:0] load_tag, store_tag;
  logic [ChannelWidth-1:0] turn_q, channel;
  logic accept, table_free, retire;

  if (MemChannels > 1) begin : gen_channel
    assign channel = tiled ? ChannelWidth'(cmd_i.s1) : turn_q;  // of a store or linear transfer; group mod MemChannels
  end else begin : gen_one_channel
    assign channel = '0;
  end

  load_req_t [MemChannels-1:0] load_req;
  load_sink_t [MemChannels-1:0] load_sink;
  store_desc_t store_desc;

  for (genvar c = 0; c < MemChannels; c++) begin : gen_split
    // LOADT: this channel's first tile is the smallest t with (t + s1) mod MemChannels = c.
    logic [15:0] first_tile, my_tiles;
    if (MemChannels > 1) begin : gen_first
      logic [ChannelWidth-1:0] distance;
      assign distance = ChannelWidth'(c) - cmd_i.s1[ChannelWidth-1:0];
      assign first_tile = 16'(distance);
    end else begin : gen_only
      assign first_tile = '0;
    end
    assign my_tiles = (cmd_i.count - first_tile + 16'(MemChannels - 1)) >> ChannelShift;

    always_comb begin
      wanted[c] = channel == ChannelWidth'(c);
      load_req[c].addr = cmd_i.a1;
      load_req[c].tiles = 16'd1;
      load_req[c].beats = linear_beats;
      load_sink[c].local_addr = first_word;
      load_sink[c].tile = '0;
      if (cmd_i.opcode == isa_pkg::OpLoadt) begin
        wanted[c] = first_tile < cmd_i.count;
        load_req[c].addr = cmd_i.a1 + ((48'(first_tile) * 48'(cmd_i.s0)) << BeatShift);
        load_req[c].tiles = my_tiles;
        load_req[c].beats = BeatsWidth'(cmd_i.s0);
        load_sink[c].local_addr = cmd_i.a0;
        load_sink[c].tile = 8'(first_tile);
      end
      load_sink[c].tag = tail_q;
      load_sink[c].turn = 8'(cmd_i.s1[GroupWidth-1:0]) & 8'(Groups - 1);
      load_sink[c].tiled = tiled;
      load_sink[c].space = space;
      load_sink[c].tiles = load_req[c].tiles;
      load_sink[c].beats = load_req[c].beats;
      load_sink[c].last_word = last_word;
    end
  end

  assign store_desc = '{
          tag: tail_q,
          tiled: tiled,
          space: space,
          addr: cmd_i.a1,
          beats: tiled ? BeatsWidth'(cmd_i.s0) : linear_beats,
          local_addr: tiled ? cmd_i.a0 : first_word,
          last_word: last_word,
          group: 8'(cmd_i.s1[GroupWidth-1:0]) & 8'(Groups - 1)
      };

  assign table_free = inflight_q != (TagWidth + 1)'(NumTags);
  // All channels that take part must have room, so that no channel starts an instruction alone.
  assign accept = cmd_valid_i && table_free && !flush_i && legal &&
      (nothing || (is_load ? (wanted & ~load_ready) == '0 : (wanted & ~store_ready) == '0));
  assign cmd_ready_o = accept || (cmd_valid_i && !legal && !flush_i);
  assign retire = inflight_q != '0 && pending_q[head_q] == '0;
  assign done_o = retire && !flush_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) begin
      head_q <= '0;
      tail_q <= '0;
      inflight_q <= '0;
      turn_q <= '0;
      pending_q <= '0;
    end else begin
      for (int unsigned c = 0; c < MemChannels; c++) begin
        if (load_done[c]) pending_q[load_tag[c]][c] <= 1'b0;
        if (store_done[c]) pending_q[store_tag[c]][c] <= 1'b0;
      end
      if (accept) begin
        tail_q <= tail_q + 1'b1;
        pending_q[tail_q] <= nothing ? '0 : wanted;
        if (!tiled) turn_q <= turn_q + 1'b1;
      end
      if (retire) head_q <= head_q + 1'b1;
      inflight_q <= inflight_q + (TagWidth + 1)'(accept) - (TagWidth + 1)'(retire);
    end
  end

  // --- channels ------------------------------------------------------------------------------------------------------
  logic [MemChannels-1:0] lin_req, lin_gnt, srd_req, srd_gnt, srd_tiled, r_taken;
  space_e [MemChannels-1:0] lin_space, srd_space;
  logic [MemChannels-1:0][15:0] lin_addr, srd_addr, kv_addr;
  logic [MemChannels-1:0][7:0] lin_slice, srd_group, kv_group;
  logic [MemChannels-1:0][BeatBits-1:0] lin_data;
  logic [MemChannels-1:0][8*WordBytes-1:0] srd_data;

  for (genvar c = 0; c < MemChannels; c++) begin : gen_channels
    dma_load #(
        .ChannelBytes(ChannelBytes),
        .MemChannels(MemChannels),
        .Groups(Groups),
        .ActBytes(ActBytes),
        .ScrBytes(ScrBytes)
    ) u_load (
        .clk_i,
        .rst_ni,
        .flush_i,
        .idle_o(load_idle[c]),
        .desc_valid_i(accept && is_load && !nothing && wanted[c]),
        .desc_ready_o(load_ready[c]),
        .desc_req_i(load_req[c]),
        .desc_sink_i(load_sink[c]),
        .done_o(load_done[c]),
        .done_tag_o(load_tag[c]),
        .error_o(load_error[c]),
        .ar_valid_o(m_axi_arvalid_o[c]),
        .ar_ready_i(m_axi_arready_i[c]),
        .ar_addr_o(m_axi_araddr_o[c]),
        .ar_len_o(m_axi_arlen_o[c]),
        .r_valid_i(m_axi_rvalid_i[c]),
        .r_ready_o(m_axi_rready_o[c]),
        .r_data_i(m_axi_rdata_i[c]),
        .r_error_i(m_axi_rresp_i[c][1]),
        .r_last_i(m_axi_rlast_i[c]),
        .kv_req_o(dkv_wr_req_o[c]),
        .kv_gnt_i(dkv_wr_gnt_i[c]),
        .kv_group_o(kv_group[c]),
        .kv_addr_o(kv_addr[c]),
        .kv_data_o(dkv_wr_data_o[c]),
        .lin_req_o(lin_req[c]),
        .lin_gnt_i(lin_gnt[c]),
        .lin_space_o(lin_space[c]),
        .lin_addr_o(lin_addr[c]),
        .lin_slice_o(lin_slice[c]),
        .lin_data_o(lin_data[c])
    );
    assign dkv_wr_group_o[c] = kv_group[c][GroupWidth-1:0];
    assign dkv_wr_addr_o[c] = kv_addr[c][$clog2(KvRows)-1:0];

    dma_store #(
        .ChannelBytes(ChannelBytes),
        .ActBytes(ActBytes),
        .ScrBytes(ScrBytes)
    ) u_store (
        .clk_i,
        .rst_ni,
        .flush_i,
        .idle_o(store_idle[c]),
        .desc_valid_i(accept && !is_load && !nothing && wanted[c]),
        .desc_ready_o(store_ready[c]),
        .desc_i(store_desc),
        .done_o(store_done[c]),
        .done_tag_o(store_tag[c]),
        .error_o(store_error[c]),
        .aw_valid_o(m_axi_awvalid_o[c]),
        .aw_ready_i(m_axi_awready_i[c]),
        .aw_addr_o(m_axi_awaddr_o[c]),
        .aw_len_o(m_axi_awlen_o[c]),
        .w_valid_o(m_axi_wvalid_o[c]),
        .w_ready_i(m_axi_wready_i[c]),
        .w_data_o(m_axi_wdata_o[c]),
        .w_strb_o(m_axi_wstrb_o[c]),
        .w_last_o(m_axi_wlast_o[c]),
        .b_valid_i(m_axi_bvalid_i[c]),
        .b_ready_o(m_axi_bready_o[c]),
        .b_error_i(m_axi_bresp_i[c][1]),
        .rd_req_o(srd_req[c]),
        .rd_gnt_i(srd_gnt[c]),
        .rd_tiled_o(srd_tiled[c]),
        .rd_space_o(srd_space[c]),
        .rd_group_o(srd_group[c]),
        .rd_addr_o(srd_addr[c]),
        .rd_data_i(srd_data[c])
    );
    assign r_taken[c] = m_axi_rvalid_i[c] && m_axi_rready_o[c];

    always_comb begin
      if (srd_tiled[c]) begin
        srd_data[c] = (8 * WordBytes)'(dkv_rd_data_i);
      end else begin
        unique case (srd_space[c])
          SpaceAct: srd_data[c] = (8 * WordBytes)'(act_rd_data_i);
          SpaceScr: srd_data[c] = (8 * WordBytes)'(scr_rd_data_i);
          SpaceKvs: srd_data[c] = (8 * WordBytes)'(kvs_rd_data_i);
          SpaceScl: srd_data[c] = (8 * WordBytes)'(scl_rd_data_i);
          default:  srd_data[c] = '0;
        endcase
      end
    end
  end

  // --- local ports: the lowest channel that wants a space gets it ------------------------------------------------------
  // One bit a channel; requests and grants are kept in blocks of their own, as a grant may follow from a request.
  logic [MemChannels-1:0] act_wr_want, scr_wr_want, kvs_wr_want, scl_wr_want;
  logic [MemChannels-1:0] act_wr_pick, scr_wr_pick, kvs_wr_pick, scl_wr_pick;
  logic [MemChannels-1:0] act_rd_want, scr_rd_want, kvs_rd_want, scl_rd_want, dkv_rd_want;
  logic [MemChannels-1:0] act_rd_pick, scr_rd_pick, kvs_rd_pick, scl_rd_pick, dkv_rd_pick;

  for (genvar c = 0; c < MemChannels; c++) begin : gen_want
    assign act_wr_want[c] = lin_req[c] && lin_space[c] == SpaceAct;
    assign scr_wr_want[c] = lin_req[c] && lin_space[c] == SpaceScr;
    assign kvs_wr_want[c] = lin_req[c] && lin_space[c] == SpaceKvs;
    assign scl_wr_want[c] = lin_req[c] && lin_space[c] == SpaceScl;
    assign act_rd_want[c] = srd_req[c] && !srd_tiled[c] && srd_space[c] == SpaceAct;
    assign scr_rd_want[c] = srd_req[c] && !srd_tiled[c] && srd_space[c] == SpaceScr;
    assign kvs_rd_want[c] = srd_req[c] && !srd_tiled[c] && srd_space[c] == SpaceKvs;
    assign scl_rd_want[c] = srd_req[c] && !srd_tiled[c] && srd_space[c] == SpaceScl;
    assign dkv_rd_want[c] = srd_req[c] && srd_tiled[c];
  end

  // The lowest set bit.
  assign act_wr_pick = act_wr_want & (~act_wr_want + 1'b1);
  assign scr_wr_pick = scr_wr_want & (~scr_wr_want + 1'b1);
  assign kvs_wr_pick = kvs_wr_want & (~kvs_wr_want + 1'b1);
  assign scl_wr_pick = scl_wr_want & (~scl_wr_want + 1'b1);
  assign act_rd_pick = act_rd_want & (~act_rd_want + 1'b1);
  assign scr_rd_pick = scr_rd_want & (~scr_rd_want + 1'b1);
  assign kvs_rd_pick = kvs_rd_want & (~kvs_rd_want + 1'b1);
  assign scl_rd_pick = scl_rd_want & (~scl_rd_want + 1'b1);
  assign dkv_rd_pick = dkv_rd_want & (~dkv_rd_want + 1'b1);

  assign lin_gnt = (act_wr_gnt_i ? act_wr_pick : '0) | (scr_wr_gnt_i ? scr_wr_pick : '0) |
      (kvs_wr_gnt_i ? kvs_wr_pick : '0) | (scl_wr_gnt_i ? scl_wr_pick : '0);
  assign srd_gnt = (act_rd_gnt_i ? act_rd_pick : '0) | (scr_rd_gnt_i ? scr_rd_pick : '0) |
      (kvs_rd_gnt_i ? kvs_rd_pick : '0) | (scl_rd_gnt_i ? scl_rd_pick : '0) | (dkv_rd_gnt_i ? dkv_rd_pick : '0);

  assign act_wr_req_o = act_wr_want != '0;
  assign scr_wr_req_o = scr_wr_want != '0;
  assign kvs_wr_req_o = kvs_wr_want != '0;
  assign scl_wr_req_o = scl_wr_want != '0;
  assign act_rd_req_o = act_rd_want != '0;
  assign scr_rd_req_o = scr_rd_want != '0;
  assign kvs_rd_req_o = kvs_rd_want != '0;
  assign scl_rd_req_o = scl_rd_want != '0;
  assign dkv_rd_req_o = dkv_rd_want != '0;

  always_comb begin
    act_wr_addr_o = '0;
    act_wr_data_o = '0;
    act_wr_be_o = '0;
    scr_wr_addr_o = '0;
    scr_wr_data_o = '0;
    scr_wr_be_o = '0;
    kvs_wr_addr_o = '0;
    kvs_wr_data_o = '0;
    kvs_wr_be_o = '0;
    scl_wr_addr_o = '0;
    scl_wr_data_o = '0;
    scl_wr_be_o = '1;
    if (lin_req != '0) begin
      for (int unsigned c = 0; c < MemChannels; c++) begin
        if (act_wr_pick[c]) begin
          act_wr_addr_o = lin_addr[c][$clog2(ActWords)-1:0];
          for (int unsigned i = 0; i < ActBytes / ChannelBytes; i++) begin
            act_wr_data_o[BeatBits*i+:BeatBits] = lin_data[c];
            act_wr_be_o[ChannelBytes*i+:ChannelBytes] = {ChannelBytes{lin_slice[c] == 8'(i)}};
          end
        end
        if (scr_wr_pick[c]) begin
          scr_wr_addr_o = lin_addr[c][$clog2(ScrWords)-1:0];
          for (int unsigned i = 0; i < ScrBytes / ChannelBytes; i++) begin
            scr_wr_data_o[BeatBits*i+:BeatBits] = lin_data[c];
            scr_wr_be_o[ChannelBytes*i+:ChannelBytes] = {ChannelBytes{lin_slice[c] == 8'(i)}};
          end
        end
        if (kvs_wr_pick[c]) begin
          kvs_wr_addr_o = lin_addr[c][$clog2(KvsWords)-1:0];
          for (int unsigned i = 0; i < ScrBytes / ChannelBytes; i++) begin
            kvs_wr_data_o[BeatBits*i+:BeatBits] = lin_data[c];
            kvs_wr_be_o[ChannelBytes*i+:ChannelBytes] = {ChannelBytes{lin_slice[c] == 8'(i)}};
          end
        end
        if (scl_wr_pick[c]) begin
          scl_wr_addr_o = lin_addr[c][$clog2(SclWords)-1:0];
          for (int unsigned i = 0; i < SclPerBeat; i++) begin
            if (lin_slice[c] == 8'(i)) scl_wr_data_o = lin_data[c][32*i+:32];
          end
        end
      end
    end
  end

  always_comb begin
    act_rd_addr_o = '0;
    scr_rd_addr_o = '0;
    kvs_rd_addr_o = '0;
    scl_rd_addr_o = '0;
    dkv_rd_group_o = '0;
    dkv_rd_addr_o = '0;
    if (srd_req != '0) begin
      for (int unsigned c = 0; c < MemChannels; c++) begin
        if (act_rd_pick[c]) act_rd_addr_o = srd_addr[c][$clog2(ActWords)-1:0];
        if (scr_rd_pick[c]) scr_rd_addr_o = srd_addr[c][$clog2(ScrWords)-1:0];
        if (kvs_rd_pick[c]) kvs_rd_addr_o = srd_addr[c][$clog2(KvsWords)-1:0];
        if (scl_rd_pick[c]) scl_rd_addr_o = srd_addr[c][$clog2(SclWords)-1:0];
        if (dkv_rd_pick[c]) begin
          dkv_rd_group_o = srd_group[c][GroupWidth-1:0];
          dkv_rd_addr_o = srd_addr[c][$clog2(KvRows)-1:0];
        end
      end
    end
  end

  // --- status --------------------------------------------------------------------------------------------------------
  // Registered: the pulse comes the cycle after the response or the refused command.
  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) begin
      err_o <= 1'b0;
      err_code_o <= isa_pkg::ErrNone;
    end else begin
      err_o <= load_error != '0 || store_error != '0 || (cmd_valid_i && !legal);
      if (load_error != '0) err_code_o <= isa_pkg::ErrBusRead;
      else if (store_error != '0) err_code_o <= isa_pkg::ErrBusWrite;
      else err_code_o <= bad_operand ? isa_pkg::ErrBadOperand : isa_pkg::ErrBadAddress;
    end
  end

  assign busy_o = inflight_q != '0;
  assign idle_o = (&load_idle) && (&store_idle);
  assign stall_operand_o = busy_o && (srd_req & ~srd_gnt) != '0;
  assign stall_output_o = busy_o && ((lin_req & ~lin_gnt) != '0 || (dkv_wr_req_o & ~dkv_wr_gnt_i) != '0);
  assign stall_memory_o = busy_o && r_taken == '0 && (m_axi_wvalid_o & m_axi_wready_i) == '0;

  logic unused;
  assign unused = ^{cmd_i.pc, cmd_i.mode[6:2], cmd_i.a2, cmd_i.s2, cmd_i.pos, m_axi_rresp_i, m_axi_bresp_i, kv_addr,
                    kv_group, lin_addr, srd_addr, srd_group};

  `ASSERT_INIT(PowersOfTwo, (Groups & (Groups - 1)) == 0 && (MemChannels & (MemChannels - 1)) == 0)
  `ASSERT_INIT(GroupsHoldChannels, Groups >= MemChannels)
  `ASSERT_INIT(WordHoldsBeat, ActBytes % ChannelBytes == 0 && ScrBytes % ChannelBytes == 0)
  `ASSERT_STABLE(CmdStable, cmd_valid_i, cmd_ready_o || flush_i, cmd_i)
  `ASSERT(
      OneOfOurs,
      !cmd_valid_i || cmd_i.opcode inside {isa_pkg::OpLoadt, isa_pkg::OpStoret, isa_pkg::OpLoadl, isa_pkg::OpStorel})
  `ASSERT(LoadDoneExpected, load_done == '0 || inflight_q != '0)
  `ASSERT(StoreDoneExpected, store_done == '0 || inflight_q != '0)
  `ASSERT(InflightBounded, inflight_q <= (TagWidth + 1)'(NumTags))
  `ASSERT(OneWriter, $onehot0(act_wr_pick) && $onehot0(scr_wr_pick) && $onehot0(kvs_wr_pick) && $onehot0
          (scl_wr_pick))
  `ASSERT(OneReader, $onehot0(act_rd_pick) && $onehot0(scr_rd_pick) && $onehot0(kvs_rd_pick) && $onehot0
          (dkv_rd_pick))
  `ASSERT(OneScrGrant, !scr_wr_req_o || $countones(scr_wr_be_o) == int'(ChannelBytes))
  `COVER(TableFull, !table_free)
  `COVER(LoadAndStore, !(&load_idle) && !(&store_idle))

endmodule

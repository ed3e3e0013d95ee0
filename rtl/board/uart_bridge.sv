// The host of the board's machine: register accesses and beats of memory on behalf of frames from the serial line, and a
// frame of its own after a reset (hello) and at every interrupt (event). docs/fpga.md has the protocol.
//
// One frame at a time; each is answered by one ACK or NAK. Events come between answers, never within one. A register
// write takes 3 cycles, which is nothing beside the 240 bits of the line.
`include "assert.svh"

module uart_bridge
  import board_pkg::*;
  import pimllm_pkg::*;
#(
    parameter int unsigned ClkPerBit = 25,
    parameter int unsigned GapCycles = 250_000
) (
    input  logic clk_i,
    input  logic rst_ni,
    input  logic rx_i,
    output logic tx_o,
    input  logic irq_i,
    output logic stopped_o,  // the last event was an error

    output logic        m_axil_awvalid_o,
    input  logic        m_axil_awready_i,
    output logic [9:0]  m_axil_awaddr_o,
    output logic        m_axil_wvalid_o,
    input  logic        m_axil_wready_i,
    output logic [31:0] m_axil_wdata_o,
    input  logic        m_axil_bvalid_i,
    output logic        m_axil_bready_o,
    input  logic [1:0]  m_axil_bresp_i,
    output logic        m_axil_arvalid_o,
    input  logic        m_axil_arready_i,
    output logic [9:0]  m_axil_araddr_o,
    input  logic        m_axil_rvalid_i,
    output logic        m_axil_rready_o,
    input  logic [31:0] m_axil_rdata_i,
    input  logic [1:0]  m_axil_rresp_i,

    output logic                    m_axi_arvalid_o,
    input  logic                    m_axi_arready_i,
    output logic [MemAddrWidth-1:0] m_axi_araddr_o,
    input  logic                    m_axi_rvalid_i,
    output logic                    m_axi_rready_o,
    input  logic [63:0]             m_axi_rdata_i,
    input  logic [1:0]              m_axi_rresp_i
);

  localparam int unsigned CountWidth = $clog2(ReplyBytes + 1);
  localparam int unsigned BeatBytes = 8;
  localparam int unsigned RegBytes = 4;
  localparam int unsigned AddrBytes = 2;  // of a register
  localparam int unsigned RegAddrWidth = 10;
  localparam int unsigned WriteBytes = AddrBytes + RegBytes;
  localparam int unsigned BeatAddrBytes = 4;
  localparam int unsigned EventRegs = ReplyBytes / RegBytes;

  // Registers of an event (rtl/regs/pimllm_regs.rdl): which interrupts, then, once those are cleared, the rest.
  localparam logic [9:0] IrqState = 10'h038;
  localparam int unsigned IrqErrorBit = 1;
  localparam logic [EventRegs-1:0][9:0] EventAddr = {10'h02C, 10'h030, 10'h00C, IrqState};

  typedef enum logic [3:0] {
    BrHello,
    BrIdle,
    BrCollect,  // bytes of one access
    BrWrite,
    BrWritten,
    BrRead,
    BrReadData,
    BrMemory,
    BrMemoryData,
    BrEventRead,
    BrEventData,
    BrEventClear,
    BrEventCleared,
    BrReply
  } state_e;

  state_e state_q, state_d;
  logic byte_valid, byte_error, tx_valid, tx_ready;
  logic [7:0] rx_byte, tx_byte;
  logic frame_valid, frame_done, payload_valid, payload_ready, rx_error, reply_ready;
  logic [7:0] command, payload;
  logic [LengthWidth-1:0] length;
  nak_e rx_error_code, nak_d;
  logic bus_done;
  logic [1:0] bus_resp;

  logic [8*WriteBytes-1:0] access_q;  // its bytes, the first one lowest once all are there
  logic [2:0] bytes_q, bytes_d;  // of the access that are still to come
  logic aw_done_q, aw_done_d, w_done_q, w_done_d;
  logic broken_q, take_broken;
  nak_e broken_code_q;
  reply_e kind_q, kind_d;
  logic [CountWidth-1:0] reply_length_q, reply_length_d;
  logic [8*ReplyBytes-1:0] reply_q, reply_d;
  logic [$clog2(EventRegs)-1:0] event_q, event_d;

  uart_rx #(
      .ClkPerBit(ClkPerBit)
  ) u_rx (
      .clk_i,
      .rst_ni,
      .rx_i,
      .valid_o(byte_valid),
      .error_o(byte_error),
      .data_o (rx_byte)
  );

  frame_rx #(
      .GapCycles(GapCycles)
  ) u_frame_rx (
      .clk_i,
      .rst_ni,
      .byte_valid_i(byte_valid),
      .byte_error_i(byte_error),
      .byte_i(rx_byte),
      .frame_valid_o(frame_valid),
      .command_o(command),
      .length_o(length),
      .frame_done_i(frame_done),
      .payload_valid_o(payload_valid),
      .payload_ready_i(payload_ready),
      .payload_o(payload),
      .error_o(rx_error),
      .error_code_o(rx_error_code)
  );

  frame_tx u_frame_tx (
      .clk_i,
      .rst_ni,
      .frame_valid_i(state_q == BrReply),
      .frame_ready_o(reply_ready),
      .kind_i(kind_q),
      .length_i(reply_length_q),
      .payload_i(reply_q),
      .byte_valid_o(tx_valid),
      .byte_ready_i(tx_ready),
      .byte_o(tx_byte)
  );

  uart_tx #(
      .ClkPerBit(ClkPerBit)
  ) u_tx (
      .clk_i,
      .rst_ni,
      .valid_i(tx_valid),
      .ready_o(tx_ready),
      .data_i (tx_byte),
      .tx_o
  );

  // Bytes of an access of this command, 0 for one that is unknown.
  logic [2:0] access_bytes;
  logic length_right;
  always_comb begin
    unique case (command)
      CmdWrite: begin
        access_bytes = 3'(WriteBytes);
        length_right = length != '0 && length % LengthWidth'(WriteBytes) == '0;
      end
      CmdRead: begin
        access_bytes = 3'(AddrBytes);
        length_right = length == LengthWidth'(AddrBytes);
      end
      CmdMemory: begin
        access_bytes = 3'(BeatAddrBytes);
        length_right = length == LengthWidth'(BeatAddrBytes);
      end
      default: begin
        access_bytes = '0;
        length_right = 1'b0;
      end
    endcase
  end

  // A register address beyond the 10 bits that the bus has; its high byte is the second of a write, whose last byte is
  // still to come in, and the last of a read.
  logic wild;
  always_comb begin
    unique case (command)
      CmdWrite: wild = access_q[8*AddrBytes+RegAddrWidth-8+:16-RegAddrWidth] != '0;
      CmdRead:  wild = payload[7:RegAddrWidth-8] != '0;
      default:  wild = 1'b0;
    endcase
  end

  assign m_axil_awvalid_o = (state_q == BrWrite || state_q == BrEventClear) && !aw_done_q;
  assign m_axil_wvalid_o = (state_q == BrWrite || state_q == BrEventClear) && !w_done_q;
  assign m_axil_awaddr_o = state_q == BrEventClear ? IrqState : access_q[9:0];
  assign m_axil_wdata_o = state_q == BrEventClear ? reply_q[31:0] : access_q[8*AddrBytes+:32];
  assign m_axil_bready_o = state_q == BrWritten || state_q == BrEventCleared;
  assign m_axil_arvalid_o = state_q == BrRead || state_q == BrEventRead;
  // A read's address is in the upper bytes, where the last bytes went in.
  assign m_axil_araddr_o = state_q == BrEventRead ? EventAddr[event_q] : access_q[8*(WriteBytes-AddrBytes)+:10];
  assign m_axil_rready_o = state_q == BrReadData || state_q == BrEventData;
  assign m_axi_arvalid_o = state_q == BrMemory;
  assign m_axi_araddr_o = MemAddrWidth'(access_q[8*(WriteBytes-BeatAddrBytes)+:8*BeatAddrBytes]) << $clog2(BeatBytes);
  assign m_axi_rready_o = state_q == BrMemoryData;

  always_comb begin
    state_d = state_q;
    bytes_d = bytes_q;
    aw_done_d = 1'b0;
    w_done_d = 1'b0;
    kind_d = kind_q;
    reply_length_d = reply_length_q;
    reply_d = reply_q;
    nak_d = NakNone;
    event_d = event_q;
    frame_done = 1'b0;
    payload_ready = 1'b0;
    take_broken = 1'b0;
    bus_done = 1'b0;
    bus_resp = '0;
    unique case (state_q)
      BrHello: begin
        kind_d = ReplyHello;
        reply_length_d = CountWidth'(1);
        reply_d[7:0] = ProtocolVersion;
        state_d = BrReply;
      end
      BrIdle: begin
        event_d = '0;
        if (broken_q) begin
          take_broken = 1'b1;
          nak_d = broken_code_q;
        end else if (frame_valid) begin
          bytes_d = access_bytes;
          if (access_bytes == '0) nak_d = NakCommand;
          else if (!length_right) nak_d = NakLength;
          else state_d = BrCollect;
        end else if (irq_i) begin
          state_d = BrEventRead;
        end
      end
      BrCollect: begin
        payload_ready = 1'b1;
        bytes_d = bytes_q - 1'b1;
        if (bytes_q == 3'd1) begin
          unique case (command)
            CmdWrite: state_d = BrWrite;
            CmdRead:  state_d = BrRead;
            default:  state_d = BrMemory;
          endcase
          if (wild) nak_d = NakBus;
        end
      end
      BrWrite, BrEventClear: begin
        aw_done_d = aw_done_q || m_axil_awready_i;
        w_done_d  = w_done_q || m_axil_wready_i;
        if (aw_done_d && w_done_d) begin
          aw_done_d = 1'b0;
          w_done_d = 1'b0;
          state_d = state_q == BrWrite ? BrWritten : BrEventCleared;
        end
      end
      BrWritten: begin
        bytes_d = access_bytes;
        kind_d = ReplyAck;
        reply_length_d = '0;
        bus_done = m_axil_bvalid_i;
        bus_resp = m_axil_bresp_i;
      end
      BrRead: if (m_axil_arready_i) state_d = BrReadData;
      BrReadData: begin
        kind_d = ReplyAck;
        reply_length_d = CountWidth'(RegBytes);
        reply_d[31:0] = m_axil_rdata_i;
        bus_done = m_axil_rvalid_i;
        bus_resp = m_axil_rresp_i;
      end
      BrMemory: if (m_axi_arready_i) state_d = BrMemoryData;
      BrMemoryData: begin
        kind_d = ReplyAck;
        reply_length_d = CountWidth'(BeatBytes);
        reply_d[63:0] = m_axi_rdata_i;
        bus_done = m_axi_rvalid_i;
        bus_resp = m_axi_rresp_i;
      end
      BrEventRead: if (m_axil_arready_i) state_d = BrEventData;
      BrEventData: begin
        kind_d = ReplyEvent;
        reply_length_d = CountWidth'(ReplyBytes);
        if (m_axil_rvalid_i) begin
          for (int unsigned i = 0; i < EventRegs; i++) begin
            if (event_q == $bits(event_q)'(i)) reply_d[32*i+:32] = m_axil_rdata_i;
          end
          event_d = event_q + 1'b1;
          if (event_q == '0) state_d = BrEventClear;
          else if (event_q == '1) state_d = BrReply;
          else state_d = BrEventRead;
        end
      end
      BrEventCleared: if (m_axil_bvalid_i) state_d = BrEventRead;
      BrReply: if (reply_ready) state_d = BrIdle;
      default: state_d = BrIdle;
    endcase
    // The answer of the bus to an access: the next one of the frame, or the end of it.
    if (bus_done) begin
      if (bus_resp != '0) begin
        nak_d = NakBus;
      end else if (payload_valid) begin
        state_d = BrCollect;
      end else begin
        frame_done = 1'b1;
        state_d = BrReply;
      end
    end
    if (nak_d != NakNone) begin
      frame_done = frame_valid && !take_broken;
      kind_d = ReplyNak;
      reply_length_d = CountWidth'(1);
      reply_d[7:0] = nak_d;
      state_d = BrReply;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q   <= BrHello;
      aw_done_q <= 1'b0;
      w_done_q  <= 1'b0;
      broken_q  <= 1'b0;
      stopped_o <= 1'b0;
    end else begin
      state_q   <= state_d;
      aw_done_q <= aw_done_d;
      w_done_q  <= w_done_d;
      if (state_q == BrEventData && m_axil_rvalid_i && event_q == '0)
        stopped_o <= m_axil_rdata_i[IrqErrorBit];
      if (rx_error) broken_q <= 1'b1;
      else if (take_broken) broken_q <= 1'b0;
    end
  end

  always_ff @(posedge clk_i) begin
    bytes_q <= bytes_d;
    kind_q <= kind_d;
    reply_length_q <= reply_length_d;
    reply_q <= reply_d;
    event_q <= event_d;
    if (rx_error) broken_code_q <= rx_error_code;
    if (payload_ready) access_q <= {payload, access_q[8*WriteBytes-1:8]};
  end

  `ASSERT_INIT(EventIsAReply, EventRegs * RegBytes == ReplyBytes && EventRegs == 1 << $clog2(EventRegs))
  `ASSERT(PayloadIsThere, !payload_ready || payload_valid)
  `ASSERT_STABLE(AwStable, m_axil_awvalid_o, m_axil_awready_i, m_axil_awaddr_o)
  `ASSERT_STABLE(WStable, m_axil_wvalid_o, m_axil_wready_i, m_axil_wdata_o)
  `ASSERT_STABLE(ArStable, m_axil_arvalid_o, m_axil_arready_i, m_axil_araddr_o)
  `ASSERT_STABLE(MemoryArStable, m_axi_arvalid_o, m_axi_arready_i, m_axi_araddr_o)
  `ASSERT(OneAnswerAFrame, !frame_done || (frame_valid && state_d == BrReply))
  `ASSERT(StateLegal, state_q <= BrReply)
  `COVER(Event, state_q == BrEventCleared)

endmodule

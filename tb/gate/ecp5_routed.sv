// Cells of the ECP5 as nextpnr packs and places them, as far as the boards' designs use them: function without delay. What
// they do not use ends the build. Inputs that nextpnr leaves open have got their values in routed.py.
// verilator lint_off DECLFILENAME

// Half a slice's logic: a table of four inputs, or half a carry cell, or a bit of distributed RAM, and the multiplexer behind
// it. UPPER (routed.py) is the slice's upper half: its multiplexer joins the neighbours' outputs, the lower one's the tables of
// the slice.
module TRELLIS_COMB (
    input logic A, B, C, D, M,
    input logic F1, FXA, FXB,
    input logic FCI,
    input logic WD, WAD3, WAD2, WAD1, WAD0, WRE, WCK,
    output logic F, FCO, OFX
);
  parameter MODE = "LOGIC";
  parameter [15:0] INITVAL = 16'h0000;
  parameter CCU2_INJECT1 = "NO";
  parameter WREMUX = "WRE";
  parameter WCKMUX = "WCK";
  parameter UPPER = 0;

  if (MODE == "LOGIC") begin : gen_logic
    assign F = INITVAL[{D, C, B, A}];
  end else if (MODE == "CCU2") begin : gen_carry
    logic propagate, generated, carry;
    assign propagate = INITVAL[{D, C, B, A}];
    assign generated = CCU2_INJECT1 == "NO" && INITVAL[{2'b00, B, A}];
    assign carry = CCU2_INJECT1 == "NO" && FCI;
    assign F = propagate ^ carry;
    assign FCO = propagate ? FCI : generated;
  end else if (MODE == "DPRAM") begin : gen_ram
    // The table is the RAM, so a word stands where the inputs that are the read address point to.
    logic [15:0] mem = INITVAL;
    always @(posedge WCK) if (WRE) mem[{WAD0, WAD2, WAD1, WAD3}] <= WD;
    assign F = mem[{D, C, B, A}];
    if (WREMUX != "WRE" || WCKMUX != "WCK") $error("TRELLIS_COMB: expected a RAM that is written at the clock's rise");
  end else begin : gen_unknown
    $error("TRELLIS_COMB: expected mode LOGIC, CCU2 or DPRAM, found %s", MODE);
  end

  if (UPPER == 1) assign OFX = M ? FXB : FXA;
  else assign OFX = M ? F1 : F;
endmodule

// Write side of four bits of distributed RAM: wires.
module TRELLIS_RAMW (
    input logic A0, B0, C0, D0, A1, B1, C1, D1,
    output logic WADO3, WADO2, WADO1, WADO0, WDO3, WDO2, WDO1, WDO0
);
  assign {WADO3, WADO2, WADO1, WADO0} = {A0, C0, B0, D0};
  assign {WDO3, WDO2, WDO1, WDO0} = {B1, D1, A1, C1};
endmodule

// Flip-flop: its data come from the table beside it (SD 1) or from the wiring. After configuration it holds what it is reset to.
module TRELLIS_FF (
    input logic CLK, CE, LSR, DI, M,
    output logic Q
);
  parameter GSR = "DISABLED";
  parameter CEMUX = "1";
  parameter CLKMUX = "CLK";
  parameter LSRMUX = "LSR";
  parameter SRMODE = "LSR_OVER_CE";
  parameter REGSET = "RESET";
  parameter SD = "0";

  localparam logic Value = REGSET == "SET";

  logic enable, data;

  assign enable = CEMUX == "1" || (CEMUX != "0" && (CEMUX == "INV" ? !CE : CE));
  assign data = SD == "1" ? DI : M;

  initial Q = Value;
  if (SRMODE == "ASYNC") begin : gen_async
    always @(posedge CLK or posedge LSR) begin
      if (LSR) Q <= Value;
      else if (enable) Q <= data;
    end
  end else begin : gen_sync
    always @(posedge CLK) begin
      if (LSR) Q <= Value;
      else if (enable) Q <= data;
    end
  end

  if (GSR != "DISABLED" || CLKMUX != "CLK" || LSRMUX != "LSR" || !(SRMODE == "ASYNC" || SRMODE == "LSR_OVER_CE") ||
      !(CEMUX == "1" || CEMUX == "0" || CEMUX == "CE" || CEMUX == "INV"))
    $error("TRELLIS_FF: expected CLK, LSR and a reset over the enable, found GSR %s, CLKMUX %s, LSRMUX %s, SRMODE %s, CEMUX %s",
           GSR, CLKMUX, LSRMUX, SRMODE, CEMUX);
endmodule

// Driver of a clock net.
module DCCA (
    input logic CLKI,
    output logic CLKO
);
  assign CLKO = CLKI;
endmodule

// TRELLIS_IO by direction (routed.py), so that no pin is driven from two sides.
module TRELLIS_INPUT (
    input logic B,
    output logic O
);
  assign O = B;
endmodule

module TRELLIS_OUTPUT (
    input logic I,
    output logic B
);
  assign B = I;
endmodule

// Cells of the ECP5 that Yosys ships no simulation model of, as far as the boards' netlists use them. What they do not use
// ends the simulation. Names are Lattice's.
// verilator lint_off DECLFILENAME

// Block RAM: written through port A, read through port B one cycle later, without output registers. 36 bits wide, the data
// are those of both ports. CONTENTS is not Lattice's: it is the number of the file that the RAM holds at first (netlist.py).
module DP16KD (
    input logic [15:0] CONTENTS,
    input logic DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0,
    input logic DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0,
    input logic ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
    input logic ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
    input logic CEA, OCEA, CLKA, WEA, RSTA, CEB, OCEB, CLKB, WEB, RSTB,
    input logic CSA2, CSA1, CSA0, CSB2, CSB1, CSB0,
    output logic DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0,
    output logic DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0
);
  parameter DATA_WIDTH_A = 18;
  parameter DATA_WIDTH_B = 18;
  parameter REGMODE_A = "NOREG";
  parameter REGMODE_B = "NOREG";
  parameter RESETMODE = "SYNC";
  parameter ASYNC_RESET_RELEASE = "SYNC";
  parameter CSDECODE_A = "0b000";
  parameter CSDECODE_B = "0b000";
  parameter WRITEMODE_A = "NORMAL";
  parameter WRITEMODE_B = "NORMAL";
  parameter CLKAMUX = "CLKA";
  parameter CLKBMUX = "CLKB";
  parameter GSR = "ENABLED";

  localparam int Rows = 1024;

  logic [17:0] mem[Rows];
  logic [13:0] ada, adb;
  logic [17:0] dia, dib, doa_q, dob_q;
  logic loaded = 1'b0;
  string folder;

  assign ada = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
  assign adb = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
  assign dia = {DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0};
  assign dib = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0};
  assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0} = doa_q;
  assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0} = dob_q;

  // Reads see what was there before the write of the same cycle.
  always @(posedge CLKA) begin
    if (!loaded) begin
      if (!$value$plusargs("image=%s", folder)) $fatal(1, "%m: expected +image=FOLDER, found none");
      $readmemh($sformatf("%s/ram_%0d.hex", folder, CONTENTS), mem);
      loaded = 1'b1;
    end
    if (CEB && OCEB) begin
      if (DATA_WIDTH_B == 36) begin
        doa_q <= mem[{adb[13:5], 1'b0}];
        dob_q <= mem[{adb[13:5], 1'b1}];
      end else if (DATA_WIDTH_B == 18) begin
        dob_q <= mem[adb[13:4]];
      end else begin
        dob_q <= {9'b0, adb[3] ? mem[adb[13:4]][17:9] : mem[adb[13:4]][8:0]};
      end
    end
    if (CEA && WEA) begin
      if (DATA_WIDTH_A == 36) begin
        if (ada[0]) mem[{ada[13:5], 1'b0}][8:0] = dia[8:0];
        if (ada[1]) mem[{ada[13:5], 1'b0}][17:9] = dia[17:9];
        if (ada[2]) mem[{ada[13:5], 1'b1}][8:0] = dib[8:0];
        if (ada[3]) mem[{ada[13:5], 1'b1}][17:9] = dib[17:9];
      end else if (DATA_WIDTH_A == 18) begin
        if (ada[0]) mem[ada[13:4]][8:0] = dia[8:0];
        if (ada[1]) mem[ada[13:4]][17:9] = dia[17:9];
      end else if (ada[3]) begin
        mem[ada[13:4]][17:9] = dia[8:0];
      end else begin
        mem[ada[13:4]][8:0] = dia[8:0];
      end
    end
    if (WEB || RSTA || RSTB || CSA0 || CSA1 || CSA2 || CSB0 || CSB1 || CSB2)
      $fatal(1, "%m: a write through port B, a reset or a chip select");
  end

  if (DATA_WIDTH_A != DATA_WIDTH_B || !(DATA_WIDTH_A inside {9, 18, 36}) || REGMODE_A != "NOREG" || REGMODE_B != "NOREG")
    $error("DP16KD: expected two ports of 9, 18 or 36 bits without registers");

endmodule

// Multiplier of 18 x 18 bits, without registers.
module MULT18X18D (
    input logic A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0,
    input logic B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0,
    input logic C17, C16, C15, C14, C13, C12, C11, C10, C9, C8, C7, C6, C5, C4, C3, C2, C1, C0,
    input logic SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
    input logic CLK3, CLK2, CLK1, CLK0,
    input logic CE3, CE2, CE1, CE0,
    input logic RST3, RST2, RST1, RST0,
    input logic SRIA17, SRIA16, SRIA15, SRIA14, SRIA13, SRIA12, SRIA11, SRIA10, SRIA9, SRIA8, SRIA7, SRIA6, SRIA5, SRIA4, SRIA3, SRIA2, SRIA1, SRIA0,
    input logic SRIB17, SRIB16, SRIB15, SRIB14, SRIB13, SRIB12, SRIB11, SRIB10, SRIB9, SRIB8, SRIB7, SRIB6, SRIB5, SRIB4, SRIB3, SRIB2, SRIB1, SRIB0,
    output logic SROA17, SROA16, SROA15, SROA14, SROA13, SROA12, SROA11, SROA10, SROA9, SROA8, SROA7, SROA6, SROA5, SROA4, SROA3, SROA2, SROA1, SROA0,
    output logic SROB17, SROB16, SROB15, SROB14, SROB13, SROB12, SROB11, SROB10, SROB9, SROB8, SROB7, SROB6, SROB5, SROB4, SROB3, SROB2, SROB1, SROB0,
    output logic ROA17, ROA16, ROA15, ROA14, ROA13, ROA12, ROA11, ROA10, ROA9, ROA8, ROA7, ROA6, ROA5, ROA4, ROA3, ROA2, ROA1, ROA0,
    output logic ROB17, ROB16, ROB15, ROB14, ROB13, ROB12, ROB11, ROB10, ROB9, ROB8, ROB7, ROB6, ROB5, ROB4, ROB3, ROB2, ROB1, ROB0,
    output logic ROC17, ROC16, ROC15, ROC14, ROC13, ROC12, ROC11, ROC10, ROC9, ROC8, ROC7, ROC6, ROC5, ROC4, ROC3, ROC2, ROC1, ROC0,
    output logic P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0,
    output logic SIGNEDP
);
  parameter REG_INPUTA_CLK = "NONE";
  parameter REG_INPUTB_CLK = "NONE";
  parameter REG_PIPELINE_CLK = "NONE";
  parameter REG_OUTPUT_CLK = "NONE";

  logic signed [18:0] a, b;

  assign a = {SIGNEDA && A17, A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0};
  assign b = {SIGNEDB && B17, B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0};
  assign {P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0} = 36'(38'(a) * 38'(b));
  assign SIGNEDP = SIGNEDA || SIGNEDB;

  if (REG_INPUTA_CLK != "NONE" || REG_INPUTB_CLK != "NONE" || REG_PIPELINE_CLK != "NONE" || REG_OUTPUT_CLK != "NONE")
    $error("MULT18X18D: expected no registers");

endmodule

// This one Yosys has too, with a wire for each level of the multiplexer; with fifty thousand of them that is what Verilator
// would work on.
module LUT4 (
    input A, B, C, D,
    output Z
);
  parameter [15:0] INIT = 16'h0000;
  assign Z = INIT[{D, C, B, A}];
endmodule

// Ports of AMD's cells in rtl/board/kv260.sv, for tools that do not know them. Not for Vivado.
// verilator lint_off DECLFILENAME
// verilator lint_off MULTITOP
// verilator lint_off UNDRIVEN
// verilator lint_off UNUSEDSIGNAL
// verilator lint_off UNUSEDPARAM
module PS8 (
    output logic [3:0] PLCLK
);
endmodule

module BUFG_PS (
    input  logic I,
    output logic O
);
endmodule

module BUFGCE_DIV #(
    parameter int BUFGCE_DIVIDE = 1
) (
    input  logic I,
    input  logic CE,
    input  logic CLR,
    output logic O
);
endmodule

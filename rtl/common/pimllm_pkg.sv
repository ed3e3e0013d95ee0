// Types shared by the scheduler and the units (docs/architecture.md, docs/isa.md).
package pimllm_pkg;

  localparam int unsigned LocalAddrWidth = 16;
  localparam int unsigned MemAddrWidth = 48;
  localparam int unsigned RegWidth = 48;
  localparam int unsigned NumSems = 32;
  localparam int unsigned SemIdWidth = 5;
  localparam int unsigned InstrBits = 128;
  localparam int unsigned ActBanks = 2;  // of equal size, one behind the other

  // A resolved unit instruction, as the scheduler presents it to a unit.
  typedef struct packed {
    logic [31:0] pc;  // address of the instruction / 16, for traces and error reports
    isa_pkg::opcode_e opcode;
    logic [6:0] mode;
    logic [LocalAddrWidth-1:0] count;
    logic [LocalAddrWidth-1:0] a0;
    logic [MemAddrWidth-1:0] a1;
    logic [LocalAddrWidth-1:0] a2;
    logic [LocalAddrWidth-1:0] s0;
    logic [LocalAddrWidth-1:0] s1;
    logic [RegWidth-1:0] s2;
    logic [LocalAddrWidth-1:0] pos;
  } unit_cmd_t;

  // A scale, m * 2^e (docs/numerics.md, section 2), as packed in a scratchpad word.
  typedef struct packed {
    logic signed [15:0] e;
    logic [15:0] m;
  } sf_t;

endpackage

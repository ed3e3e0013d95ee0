// Types inside the scheduler.
package sched_pkg;

  localparam int unsigned NumUnits = 5;  // DMA, PIM, ARR, SMX, VEC: the number of a unit here is isa_pkg::unit_e - 1
  localparam int unsigned UnitIdWidth = 3;
  localparam int unsigned Dma = 0;
  localparam int unsigned Pim = 1;
  localparam int unsigned Arr = 2;
  localparam int unsigned Smx = 3;
  localparam int unsigned Vec = 4;

  localparam int unsigned InstrBytes = 16;
  localparam int unsigned PcWidth = pimllm_pkg::MemAddrWidth - 4;  // addresses in instructions
  localparam int unsigned TracePcWidth = 32;  // what commands and ERROR_PC keep of it
  localparam int unsigned LineInstrs = 8;
  localparam int unsigned LineBytes = LineInstrs * InstrBytes;
  localparam int unsigned LoopDepth = 4;
  localparam int unsigned InFlightDepth = 8;  // instructions that a unit has taken and not done

  localparam int unsigned NumPeers = NumUnits + 1;  // who takes and gives semaphores: the units and the decoder
  localparam int unsigned Decoder = NumUnits;

  localparam int unsigned CounterWidth = 48;
  localparam int unsigned SchedCounters = 5;  // cycles, instructions, fetch, queue and token stalls
  localparam int unsigned UnitCounters = 4;  // busy, stall operand, output, memory
  localparam int unsigned NumCounters = SchedCounters + NumUnits * UnitCounters;

  typedef logic [pimllm_pkg::SemIdWidth-1:0] sem_id_t;

  // An entry of a unit queue.
  typedef struct packed {
    sem_id_t wait1;
    sem_id_t wait0;
    sem_id_t sig1;
    sem_id_t sig0;
    pimllm_pkg::unit_cmd_t cmd;
  } entry_t;

  // What remains of an instruction while its unit works on it.
  typedef struct packed {
    logic [TracePcWidth-1:0] pc;
    sem_id_t sig1;
    sem_id_t sig0;
  } in_flight_t;

  // An instruction with its registers read, offsets not yet added.
  typedef struct packed {
    logic [TracePcWidth-1:0] pc;
    logic [UnitIdWidth-1:0] unit;
    sem_id_t wait1;
    sem_id_t wait0;
    sem_id_t sig1;
    sem_id_t sig0;
    isa_pkg::opcode_e opcode;
    logic [6:0] mode;
    logic [15:0] count;
    logic [15:0] a0_base;
    logic [10:0] a0_off;
    logic [47:0] a1_base;
    logic [10:0] a1_off;
    logic [15:0] a2_base;
    logic [10:0] a2_off;
    logic [15:0] s0_base;
    logic [6:0] s0_off;
    logic [15:0] s1_base;
    logic [6:0] s1_off;
    logic [47:0] s2_base;
    logic [6:0] s2_off;
    logic [15:0] pos;
  } fetched_t;

  // What an operand of a unit instruction addresses.
  typedef enum logic [2:0] {
    SpaceNone,
    SpaceAct,
    SpaceScr,  // half words
    SpaceKvs,
    SpaceScl,
    SpaceKv
  } space_e;

  // The unit of an opcode, NumUnits for the scheduler's own, all ones for codes that are none.
  localparam logic [UnitIdWidth-1:0] UnitIllegal = '1;
  function automatic logic [UnitIdWidth-1:0] unit_of(input isa_pkg::opcode_e opcode);
    unique case (opcode)
      isa_pkg::OpNop, isa_pkg::OpHalt, isa_pkg::OpLi, isa_pkg::OpAddi, isa_pkg::OpAdd, isa_pkg::OpSub,
      isa_pkg::OpShli, isa_pkg::OpShri, isa_pkg::OpAndi, isa_pkg::OpMuli, isa_pkg::OpMin, isa_pkg::OpCsrr,
      isa_pkg::OpCsrw, isa_pkg::OpLoop, isa_pkg::OpBeqz, isa_pkg::OpBnez, isa_pkg::OpJump, isa_pkg::OpWait,
      isa_pkg::OpPost, isa_pkg::OpSync, isa_pkg::OpArgmax: return UnitIdWidth'(Decoder);
      isa_pkg::OpLoadt, isa_pkg::OpStoret, isa_pkg::OpLoadl, isa_pkg::OpStorel: return UnitIdWidth'(Dma);
      isa_pkg::OpXbar, isa_pkg::OpXprog: return UnitIdWidth'(Pim);
      isa_pkg::OpQk, isa_pkg::OpPv: return UnitIdWidth'(Arr);
      isa_pkg::OpSoftmax, isa_pkg::OpSmaxscan: return UnitIdWidth'(Smx);
      isa_pkg::OpNorm, isa_pkg::OpQuant, isa_pkg::OpJoin, isa_pkg::OpResadd, isa_pkg::OpActfn, isa_pkg::OpEmbed,
      isa_pkg::OpLogit: return UnitIdWidth'(Vec);
      default: return UnitIllegal;
    endcase
  endfunction

endpackage

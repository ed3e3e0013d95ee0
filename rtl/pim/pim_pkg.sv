// Types between the stages of the PIM unit (docs/pim.md).
package pim_pkg;

  localparam int unsigned InputBits = 8;  // of an activation; a crossbar sees one of them at a time
  localparam int unsigned CellBits = 2;  // of a programmed cell: weight + 1
  localparam int unsigned ChunkCountWidth = 8;
  localparam int unsigned LsbShiftWidth = 3;  // of the run-time setting LSB_SHIFT
  localparam int unsigned AdcBitsWidth = 4;  // of the run-time setting ADC_BITS
  localparam int unsigned XbarLatency = 2;  // cycles from a conversion step to its codes

  // Up to XbarSets consecutive crossbars, converted together.
  typedef struct packed {
    logic                       bank;        // input registers that hold its row tiles
    logic [15:0]                first;       // first crossbar
    logic [ChunkCountWidth-1:0] crossbars;   // 1..XbarSets
    logic [ChunkCountWidth-1:0] row_tiles;   // crossbars that make up a column tile in this chunk
    logic [ChunkCountWidth-1:0] col_tiles;
    logic                       part_first;  // first crossbars of their column tile
    logic                       part_last;   // last crossbars of their column tile
    logic                       last;        // of the instruction
    logic [15:0]                out_word;    // ACT address of the first word of the first column tile
    logic [15:0]                words_left;  // output words of the instruction from there on
    logic [15:0]                pos;         // position of the token in work
  } chunk_t;

  // What the shift-and-add does with a code: bits go in from the highest down.
  typedef struct packed {
    logic fresh;   // first conversion of a column group: start from zero
    logic twice;   // first row group of a bit: double what is there
    logic negate;  // the sign bit
  } accum_op_t;

  // Bits of a crossbar's sum over input bits and row groups, in LSBs: within +-2^7 * rows, 2^7 * rows included
  // (docs/pim.md), and at least a code and a bit.
  function automatic int unsigned acc_width(input int unsigned rows, input int unsigned adc_bits);
    int unsigned width;
    width = $clog2(rows) + InputBits + 1;
    return width > adc_bits ? width : adc_bits + 1;
  endfunction

endpackage

// Types inside the array unit. Widths are those of the largest supported array (128 rows, 128 columns).
package array_pkg;

  localparam int unsigned CountWidth = 16;
  localparam int unsigned AddrWidth = pimllm_pkg::LocalAddrWidth;
  localparam int unsigned StageWidth = 8;  // number of a row or of a row group, or how many
  localparam int unsigned OffsetWidth = 8;  // byte in a slot of operand A
  localparam int unsigned LgWidth = 4;
  localparam int unsigned HeadLgWidth = 2;
  localparam int unsigned MaxHeadLg = 3;
  localparam int unsigned PlaneWidth = 2;

  // A decoded instruction: its loops are plane > sweep > segment > step. A sweep ends with a drain.
  typedef struct packed {
    logic pv;
    logic north;
    logic accumulate;
    logic open;
    logic keep;  // operand A of a sweep fits into the two slots: loaded once for all sweeps on the same half words
    logic keep_one;  // and it is one slot
    logic three;  // planes of PV: a full word a tile, the lowest plane in its upper half; else two in a half word
    logic [PlaneWidth-1:0] plane_last;  // planes swept one after the other, less one
    logic [PlaneWidth-1:0] row_plane_last;  // north PV: planes in the rows of one sweep, less one
    logic [StageWidth-1:0] rows;  // north: query rows
    logic [HeadLgWidth-1:0] lg_heads;
    logic pair;  // banked: the two heads have tiles of their own, the second's half of the groups further
    logic rotated;  // north: all tiles lie half of the groups further
    logic [LgWidth-1:0] lg_chunks;  // chunks in one pass
    logic [LgWidth-1:0] lg_passes;
    logic [AddrWidth-1:0] a0;  // half words
    logic [AddrWidth-1:0] a_stride;
    logic [AddrWidth-2:0] dst;  // words
    logic [AddrWidth-2:0] dst_stride;
    logic [AddrWidth-1:0] base;  // rows of the KV banks
    logic [AddrWidth-1:0] open_base;
    logic [AddrWidth-1:0] pair_stride;  // rows from the first head's tiles to the second's
    logic [CountWidth-1:0] tile_rows;
    logic [CountWidth-1:0] sweeps;  // of a plane
    logic [CountWidth-1:0] segments;  // of a sweep
    logic [CountWidth-1:0] steps;  // of a segment
    logic [CountWidth-1:0] blocks;  // loads of operand A for a segment and row
    logic [StageWidth-1:0] full;  // tiles of a segment (banked) or rows (north)
    logic [StageWidth-1:0] tail;  // the same in the last segment
    logic [StageWidth-1:0] used;  // the same for the drain of a PV sweep
  } array_cmd_t;

  // One step as it moves down the stages: what the operand A feeders and accumulators do.
  typedef struct packed {
    logic pv;
    logic high;  // PV: the upper byte of a numerator's 16 bits
    logic slot;
    logic block_end;  // the last step that needs this slot
    logic [LgWidth-1:0] lg_chunks;
    logic [OffsetWidth-1:0] offset;
    logic [StageWidth-1:0] limit;  // tiles (banked) or rows (north) that take part
  } step_ctl_t;

  // The same step for the bank address generators.
  typedef struct packed {
    logic load;
    logic open;
    logic [LgWidth-1:0] lg_stride;
    logic [StageWidth-1:0] phase;  // banked: turn of the bank groups; north: the bank group
    logic [StageWidth-1:0] bank;  // north only
    logic [AddrWidth-1:0] base;
    logic [AddrWidth-1:0] open_base;
    logic [AddrWidth-1:0] pair_base;  // of a pair's second head
    logic [AddrWidth-1:0] pair_open_base;
  } step_addr_t;

endpackage

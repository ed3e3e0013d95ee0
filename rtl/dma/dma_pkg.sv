// Descriptors between the DMA's dispatcher and its channels.
package dma_pkg;

  localparam int unsigned TagWidth = 3;
  localparam int unsigned NumTags = 1 << TagWidth;
  localparam int unsigned BeatsWidth = 20;
  localparam int unsigned MaxBurst = 16;  // beats
  localparam int unsigned PageBytes = 4096;  // AXI bursts do not cross it

  // Spaces of linear transfers, as in mode[1:0] of LOADL and STOREL.
  typedef enum logic [1:0] {
    SpaceAct = 2'd0,
    SpaceScr = 2'd1,
    SpaceKvs = 2'd2,
    SpaceScl = 2'd3
  } space_e;

  // What a load asks of memory: `tiles` runs of `beats` beats, a fixed stride apart.
  typedef struct packed {
    logic [47:0] addr;
    logic [15:0] tiles;  // at least 1; 1 if not tiled
    logic [BeatsWidth-1:0] beats;  // a tile
  } load_req_t;

  // Where its beats go.
  typedef struct packed {
    logic [TagWidth-1:0] tag;
    logic tiled;  // into KV banks, else into `space`
    space_e space;
    logic [15:0] tiles;
    logic [BeatsWidth-1:0] beats;
    logic [15:0] local_addr;  // row of the first tile, or first word
    logic [15:0] last_word;  // of a linear transfer
    logic [7:0] tile;  // the first one
    logic [7:0] turn;  // group of tile 0
  } load_sink_t;

  typedef struct packed {
    logic [TagWidth-1:0] tag;
    logic tiled;  // from KV banks
    space_e space;
    logic [47:0] addr;
    logic [BeatsWidth-1:0] beats;
    logic [15:0] local_addr;
    logic [15:0] last_word;
    logic [7:0] group;
  } store_desc_t;

  // What a store keeps of its descriptor beside its counters.
  typedef struct packed {
    logic [TagWidth-1:0] tag;
    logic tiled;
    space_e space;
    logic [15:0] last_word;
    logic [7:0] group;
  } store_held_t;

endpackage

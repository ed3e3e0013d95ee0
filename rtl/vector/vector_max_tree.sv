// Maximum over the lanes and over the chunks of a head, the running argmax of logits, and a maximum that is kept over
// instructions.
//
// A chunk a cycle; the result of a head (max_o of its slot, count_o one more) is there three cycles after its last
// chunk, the argmax likewise. Ties go to the lowest lane and the lowest id.
`include "assert.svh"

module vector_max_tree
  import vector_pkg::*;
#(
    parameter int unsigned VecLanes = 4,
    localparam int unsigned LaneWidth = $clog2(VecLanes),
    localparam int unsigned CountWidth = $clog2(VecLanes + 1)
) (
    input  logic                     clk_i,
    input  logic                     rst_ni,
    input  logic                     clear_i,  // count_o = 0
    input  logic                     valid_i,
    input  logic                     argmax_i,
    input  logic                     keep_i,
    input  logic [SlotWidth-1:0]     slot_i,
    input  logic                     first_i,
    input  logic                     last_i,
    input  logic [31:0]              id_i,     // of lane 0
    input  logic [CountWidth-1:0]    lanes_i,  // that take part in argmax
    input  logic [31:0]              key_i[VecLanes],
    output logic                     busy_o,
    output logic [Slots-1:0][31:0]   max_o,
    output logic [GroupIdxWidth-1:0] count_o,
    input  logic                     kept_clear_i,
    output logic [31:0]              kept_o,
    input  logic                     argmax_clear_i,
    output logic [31:0]              argmax_id_o
);

  localparam int unsigned Part = VecLanes < 8 ? VecLanes : 8;  // lanes reduced in the first stage
  localparam int unsigned Parts = VecLanes / Part;

  typedef struct packed {
    logic argmax;
    logic keep;
    logic some;  // a lane takes part
    logic [SlotWidth-1:0] slot;
    logic first;
    logic last;
    logic [31:0] id;
  } tag_t;

  typedef struct packed {
    logic [31:0] key;
    logic [LaneWidth-1:0] lane;
  } entry_t;

  logic valid1_q, valid2_q;
  tag_t tag1_q, tag2_q;
  entry_t [Parts-1:0] part_d, part_q;
  entry_t whole_d, whole_q;

  always_comb begin
    entry_t node[VecLanes];
    part_d = '0;
    if (valid_i) begin
      for (int unsigned i = 0; i < VecLanes; i++) begin
        node[i].key = argmax_i && CountWidth'(i) >= lanes_i ? '0 : key_i[i];
        node[i].lane = LaneWidth'(i);
      end
      for (int unsigned step = 1; step < Part; step = step * 2) begin
        for (int unsigned i = 0; i < VecLanes; i = i + 2 * step) begin
          if (node[i+step].key > node[i].key) node[i] = node[i+step];
        end
      end
      for (int unsigned i = 0; i < Parts; i++) part_d[i] = node[i*Part];
    end else begin
      for (int unsigned i = 0; i < VecLanes; i++) node[i] = '0;
    end
  end

  always_comb begin
    entry_t node[Parts];
    for (int unsigned i = 0; i < Parts; i++) node[i] = part_q[i];
    if (valid1_q) begin
      for (int unsigned step = 1; step < Parts; step = step * 2) begin
        for (int unsigned i = 0; i < Parts; i = i + 2 * step) begin
          if (node[i+step].key > node[i].key) node[i] = node[i+step];
        end
      end
    end
    whole_d = node[0];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid1_q <= 1'b0;
      valid2_q <= 1'b0;
    end else begin
      valid1_q <= valid_i;
      valid2_q <= valid1_q;
    end
  end

  always_ff @(posedge clk_i) begin
    if (valid_i) begin
      part_q <= part_d;
      tag1_q <= '{argmax: argmax_i, keep: keep_i, some: lanes_i != '0, slot: slot_i, first: first_i, last: last_i, id: id_i};
    end
    if (valid1_q) begin
      whole_q <= whole_d;
      tag2_q <= tag1_q;
    end
  end

  // Over chunks.
  logic [31:0] run_q, run_d;
  assign run_d = tag2_q.first || whole_q.key > run_q ? whole_q.key : run_q;

  always_ff @(posedge clk_i) begin
    if (valid2_q && !tag2_q.argmax) begin
      run_q <= run_d;
      if (tag2_q.last) max_o[tag2_q.slot] <= run_d;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) count_o <= '0;
    else if (valid2_q && !tag2_q.argmax && tag2_q.last) count_o <= count_o + 1'b1;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || kept_clear_i) kept_o <= '0;
    else if (valid2_q && tag2_q.keep && whole_q.key > kept_o) kept_o <= whole_q.key;
  end

  // Argmax.
  logic best_valid_q;
  logic [31:0] best_key_q, id;
  logic better;
  assign id = tag2_q.id + 32'(whole_q.lane);
  assign better = valid2_q && tag2_q.argmax && tag2_q.some &&
      (!best_valid_q || whole_q.key > best_key_q || (whole_q.key == best_key_q && id < argmax_id_o));

  always_ff @(posedge clk_i) begin
    if (!rst_ni || argmax_clear_i) best_valid_q <= 1'b0;
    else if (better) best_valid_q <= 1'b1;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) argmax_id_o <= '0;
    else if (better) argmax_id_o <= id;
  end

  always_ff @(posedge clk_i) begin
    if (better) best_key_q <= whole_q.key;
  end

  assign busy_o = valid1_q || valid2_q;

  `ASSERT_INIT(LanesPowerOfTwo, VecLanes >= 2 && (VecLanes & (VecLanes - 1)) == 0)
  `ASSERT(NoClearWhileBusy, !clear_i || !valid2_q)
  `ASSERT(LanesInRange, !valid_i || lanes_i <= CountWidth'(VecLanes))

endmodule

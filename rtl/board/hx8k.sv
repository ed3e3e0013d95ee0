// Self-test for the iCE40-HX8K breakout board: the array at 4 x 4 (array_north) and a ConSMax lane on random operands, all
// results folded into a signature, for ever. Pins in constraints/hx8k.pcf.
//
// A round clears, steps Depth times with operands of a 64-bit xorshift generator and reads the sums of every row. After
// Rounds of them a line goes over the serial line, "P" where the signature is Expected and "F" where not, and the
// signature in hex; then the same again. led: 0 lit since a test has passed, 1 since one has failed, 7 alive.
// Expected is worked out by tb/board/hx8k_test.cpp from plain arithmetic.
module hx8k #(
    parameter int unsigned ClkPerBit = 104,  // 12 MHz, 115,200 baud
    parameter int unsigned Rounds = 1024,
    parameter logic [31:0] Expected = 32'h73ad_0151
) (
    input  logic       clk,
    output logic       tx,
    output logic [7:0] led
);

  localparam int unsigned Rows = 4;
  localparam int unsigned Cols = 4;
  localparam int unsigned Depth = 64;
  localparam logic [63:0] Start = 64'h9e37_79b9_7f4a_7c15;
  localparam int unsigned LaneStages = 4;  // of the product
  localparam int unsigned LaneLatency = 4 + LaneStages;
  // A round by its cycle: clear, steps, the last of them through rows and lane, reads.
  localparam int unsigned CycleWidth = 7;
  localparam logic [CycleWidth-1:0] FirstStep = CycleWidth'(1);
  localparam logic [CycleWidth-1:0] LastStep = CycleWidth'(Depth);
  localparam logic [CycleWidth-1:0] FirstRead = CycleWidth'(Depth + Rows + LaneLatency);
  localparam logic [CycleWidth-1:0] LastRead = FirstRead + CycleWidth'(Rows - 1);
  localparam int unsigned ReadLatency = 2;
  localparam int unsigned RoundWidth = $clog2(Rounds);
  localparam logic [15:0] NearLeast = 16'd47931;  // least C.m with C.m * e^(127/16) >= 2^27
  // A line: verdict, 8 digits, line feed.
  localparam int unsigned LineBytes = 10;
  localparam int unsigned ByteWidth = $clog2(LineBytes);

  // --- clock and reset: in reset after configuration ----------------------------------------------------------------
  logic [3:0] reset_q = '0;
  logic rst_n;
  always_ff @(posedge clk) if (!rst_n) reset_q <= reset_q + 1'b1;
  assign rst_n = &reset_q;

  // --- rounds ----------------------------------------------------------------------------------------------------------
  logic run_q;
  logic [CycleWidth-1:0] cycle_q;
  logic [RoundWidth-1:0] round_q;
  logic stepping, clearing, reading, run_end, line_end;
  logic [63:0] random_q;

  function automatic logic [63:0] xorshift(input logic [63:0] x);
    logic [63:0] y;
    y = x ^ (x << 13);
    y = y ^ (y >> 7);
    return y ^ (y << 17);
  endfunction

  assign clearing = run_q && cycle_q == '0;
  assign stepping = run_q && cycle_q >= FirstStep && cycle_q <= LastStep;
  assign reading = run_q && cycle_q >= FirstRead && cycle_q <= LastRead;
  assign run_end = run_q && cycle_q == '1 && round_q == RoundWidth'(Rounds - 1);

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      run_q <= 1'b1;
      cycle_q <= '0;
      round_q <= '0;
      random_q <= Start;
    end else if (run_q) begin
      cycle_q <= cycle_q + 1'b1;
      random_q <= xorshift(random_q);
      if (cycle_q == '1) round_q <= round_q + 1'b1;
      if (run_end) run_q <= 1'b0;
    end else if (line_end) begin
      run_q <= 1'b1;
      random_q <= Start;
      round_q <= '0;
    end
  end

  // --- array: operands of row r are those of r cycles before -----------------------------------------------------------
  logic [Rows-1:0][7:0] operand_a;
  logic [Cols-1:0][31:0] acc;

  for (genvar r = 0; r < Rows; r++) begin : gen_skew
    logic [7:0] late[r+1];
    assign late[0] = random_q[8*r+:8];
    for (genvar i = 0; i < r; i++) begin : gen_late
      logic [7:0] late_q;
      always_ff @(posedge clk) late_q <= late[i];
      assign late[i+1] = late_q;
    end
    assign operand_a[r] = late[r];
  end

  array_north #(
      .ArrayRows(Rows),
      .ArrayCols(Cols),
      .GateForm(1'b1)
  ) u_array (
      .clk_i(clk),
      .rst_ni(rst_n),
      .step_i(stepping),
      .clear_i(clearing),
      .a_i(operand_a),
      .b_i(random_q[63:32]),
      .read_row_i($clog2(Rows)'(cycle_q - FirstRead)),
      .acc_o(acc)
  );

  // --- lane: a score in every step, C changes with the round ------------------------------------------------------------
  logic [15:0] c_q, num;

  always_ff @(posedge clk) if (clearing) c_q <= {1'b1, random_q[14:0]};

  consmax_lane #(
      .RowsPerStage(16 / LaneStages)
  ) u_lane (
      .clk_i(clk),
      .go_i(1'b1),
      .score_i(random_q[7:0]),
      .c_i(c_q),
      .near_i(c_q >= NearLeast),
      .num_o(num)
  );

  // --- signature ---------------------------------------------------------------------------------------------------------
  logic [ReadLatency-1:0] read_q;
  logic [LaneLatency-1:0] step_q;
  logic [31:0] signature_q;

  function automatic logic [31:0] fold(input logic [31:0] state, input logic [31:0] word);
    return {state[30:0], 1'b0} ^ (state[31] ? 32'h04c1_1db7 : '0) ^ word;
  endfunction

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      read_q <= '0;
      step_q <= '0;
    end else begin
      read_q <= {read_q[ReadLatency-2:0], reading};
      step_q <= {step_q[LaneLatency-2:0], stepping};
    end
    if (!rst_n || line_end) signature_q <= '0;
    else if (read_q[ReadLatency-1])
      signature_q <= fold(
          signature_q,
          acc[0] ^ {acc[1][23:0], acc[1][31:24]} ^ {acc[2][15:0], acc[2][31:16]} ^ {acc[3][7:0], acc[3][31:8]}
      );
    else if (step_q[LaneLatency-1]) signature_q <= fold(signature_q, 32'(num));
  end

  // --- serial line and lights --------------------------------------------------------------------------------------------
  logic [ByteWidth-1:0] byte_q;
  logic [31:0] digits_q;
  logic [7:0] line_byte;
  logic tx_valid, tx_ready, good, passed_q, failed_q;
  logic [22:0] blink_q;

  assign good = signature_q == Expected;
  assign tx_valid = rst_n && !run_q;
  assign line_end = tx_valid && tx_ready && byte_q == ByteWidth'(LineBytes - 1);

  always_comb begin
    line_byte = 8'(digits_q[31:28]) + (digits_q[31:28] > 4'd9 ? "a" - 8'd10 : "0");
    if (byte_q == '0) line_byte = good ? "P" : "F";
    else if (byte_q == ByteWidth'(LineBytes - 1)) line_byte = 8'h0a;
  end

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      byte_q <= '0;
      passed_q <= 1'b0;
      failed_q <= 1'b0;
      blink_q <= '0;
    end else begin
      blink_q <= blink_q + 1'b1;
      if (tx_valid && tx_ready) begin
        byte_q <= line_end ? '0 : byte_q + 1'b1;
        if (byte_q == '0) begin
          passed_q <= passed_q || good;
          failed_q <= failed_q || !good;
        end
      end
    end
    if (byte_q == '0) digits_q <= signature_q;
    else if (tx_ready) digits_q <= digits_q << 4;
  end

  uart_tx #(
      .ClkPerBit(ClkPerBit)
  ) u_tx (
      .clk_i(clk),
      .rst_ni(rst_n),
      .valid_i(tx_valid),
      .ready_o(tx_ready),
      .data_i(line_byte),
      .tx_o(tx)
  );

  assign led = {blink_q[22], 5'd0, failed_q, passed_q};

endmodule

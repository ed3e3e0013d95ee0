// Yardstick of the digital crossbar: ternary weights on operands of a byte, an operand broadcast to Lanes accumulators,
// each of which adds it, subtracts it or leaves it. One weight a lane and cycle; weights as in the crossbar, weight + 1.
module ternary_adder #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned AccWidth = 32
) (
    input  logic                           clk_i,
    input  logic                           clear_i,
    input  logic signed [7:0]              operand_i,
    input  logic [Lanes-1:0][1:0]          weight_i,
    output logic [Lanes-1:0][AccWidth-1:0] sum_o
);

  logic [Lanes-1:0][AccWidth-1:0] sum_q;

  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    logic negative;
    logic signed [8:0] masked;
    assign negative = weight_i[l] == 2'd0;
    assign masked = weight_i[l] == 2'd1 ? '0 : 9'(operand_i) ^ {9{negative}};

    always_ff @(posedge clk_i) begin
      if (clear_i) sum_q[l] <= '0;
      else sum_q[l] <= sum_q[l] + AccWidth'(masked) + AccWidth'(negative);
    end
  end

  assign sum_o = sum_q;

endmodule

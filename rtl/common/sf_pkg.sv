// Arithmetic shared by the softmax and the vector unit: rounding shifts, table interpolation and scales
// (docs/numerics.md, sections 1 and 2).
//
// All functions are combinational and synthesize; none is meant to be chained with another in one cycle at speed.
// Scales given to them are normalised (m >= 2^15, or m = 0 and e = 0), as every sf function returns them.
package sf_pkg;

  import pimllm_pkg::sf_t;
  import tables_pkg::lut_t;

  localparam sf_t SfZero = '{e: 16'sd0, m: 16'd0};
  localparam sf_t K127 = '{e: -16'sd9, m: 16'hFE00};  // sf_from(127)
  localparam sf_t I127 = '{e: -16'sd22, m: 16'h8102};  // sf_from(1/127)
  localparam logic signed [15:0] ExpOfOne = -16'sd15;  // 1 = 2^15 * 2^-15

  // 2^k.
  function automatic sf_t sf_pow2(input logic signed [15:0] k);
    return '{e: k + ExpOfOne, m: 16'h8000};
  endfunction

  // The scale with its exponent raised by d; zero stays zero.
  function automatic sf_t sf_shift(input sf_t a, input logic signed [15:0] d);
    return '{e: a.m == '0 ? 16'sd0 : a.e + d, m: a.m};
  endfunction

  // Rounds a mantissa of 17 bits, m[16] set, the lowest one behind the point; e counts for m[16:1].
  function automatic sf_t sf_round(input logic [16:0] m, input logic signed [15:0] e);
    logic [16:0] up;
    up = {1'b0, m[16:1]} + 17'(m[0]);
    return up[16] ? '{e: e + 16'sd1, m: 16'h8000} : '{e: e, m: up[15:0]};
  endfunction

  // Bits of v, 0 for 0.
  function automatic logic [5:0] bitlen32(input logic [31:0] v);
    logic [31:0] x;
    logic [5:0] n;
    x = v;
    n = 6'd32;
    if (x[31:16] == '0) begin
      x = {x[15:0], 16'd0};
      n = n - 6'd16;
    end
    if (x[31:24] == '0) begin
      x = {x[23:0], 8'd0};
      n = n - 6'd8;
    end
    if (x[31:28] == '0) begin
      x = {x[27:0], 4'd0};
      n = n - 6'd4;
    end
    if (x[31:30] == '0) begin
      x = {x[29:0], 2'd0};
      n = n - 6'd2;
    end
    if (!x[31]) begin
      x = {x[30:0], 1'd0};
      n = n - 6'd1;
    end
    if (!x[31]) n = 6'd0;
    return n;
  endfunction

  // v * 2^e as a scale.
  function automatic sf_t sf_norm64(input logic [63:0] v, input logic signed [15:0] e);
    logic [63:0] x;
    logic signed [15:0] exp;
    x = v;
    exp = e + 16'sd48;
    if (x[63:32] == '0) begin
      x = {x[31:0], 32'd0};
      exp = exp - 16'sd32;
    end
    if (x[63:48] == '0) begin
      x = {x[47:0], 16'd0};
      exp = exp - 16'sd16;
    end
    if (x[63:56] == '0) begin
      x = {x[55:0], 8'd0};
      exp = exp - 16'sd8;
    end
    if (x[63:60] == '0) begin
      x = {x[59:0], 4'd0};
      exp = exp - 16'sd4;
    end
    if (x[63:62] == '0) begin
      x = {x[61:0], 2'd0};
      exp = exp - 16'sd2;
    end
    if (!x[63]) begin
      x = {x[62:0], 1'd0};
      exp = exp - 16'sd1;
    end
    return x[63] ? sf_round(x[63:47], exp) : SfZero;
  endfunction

  // The same for 32 bits.
  function automatic sf_t sf_norm32(input logic [31:0] v, input logic signed [15:0] e);
    logic [31:0] x;
    logic signed [15:0] exp;
    x = v;
    exp = e + 16'sd16;
    if (x[31:16] == '0) begin
      x = {x[15:0], 16'd0};
      exp = exp - 16'sd16;
    end
    if (x[31:24] == '0) begin
      x = {x[23:0], 8'd0};
      exp = exp - 16'sd8;
    end
    if (x[31:28] == '0) begin
      x = {x[27:0], 4'd0};
      exp = exp - 16'sd4;
    end
    if (x[31:30] == '0) begin
      x = {x[29:0], 2'd0};
      exp = exp - 16'sd2;
    end
    if (!x[31]) begin
      x = {x[30:0], 1'd0};
      exp = exp - 16'sd1;
    end
    return x[31] ? sf_round(x[31:15], exp) : SfZero;
  endfunction

  // A product of two mantissas, in [2^30, 2^32) or 0, times 2^e.
  function automatic sf_t sf_of_product(input logic [31:0] p, input logic signed [15:0] e);
    if (p == '0) return SfZero;
    return p[31] ? sf_round(p[31:15], e + 16'sd16) : sf_round(p[30:14], e + 16'sd15);
  endfunction

  function automatic sf_t sf_mul(input sf_t a, input sf_t b);
    return sf_of_product(a.m * b.m, a.e + b.e);
  endfunction

  function automatic sf_t sf_add(input sf_t a, input sf_t b);
    sf_t hi, lo;
    logic [16:0] k;
    logic [31:0] low;
    logic [32:0] total;
    if (a.m == '0) return b;
    if (b.m == '0) return a;
    if (a.e >= b.e) begin
      hi = a;
      lo = b;
    end else begin
      hi = b;
      lo = a;
    end
    k = 17'(hi.e) - 17'(lo.e);
    low = k < 17'd32 ? {lo.m, 16'd0} >> k[4:0] : '0;
    total = {1'b0, hi.m, 16'd0} + {1'b0, low};
    return total[32] ? sf_round(17'(total >> 16), hi.e + 16'sd1) : sf_round(17'(total >> 15), hi.e);
  endfunction

  // Falling table: base - round(delta * f / 2^bits), for fractions of 7 and 8 bits. One subtraction: with the half less
  // one behind the base's point, what is cut off afterwards is what rounding the product would have cut off.
  function automatic logic [17:0] lut_down7(input lut_t entry, input logic [6:0] f);
    return 18'(({entry.base, 7'd63} - 25'(18'(entry.delta) * 18'(f))) >> 7);
  endfunction

  function automatic logic [17:0] lut_down8(input lut_t entry, input logic [7:0] f);
    return 18'(({entry.base, 8'd127} - 26'(18'(entry.delta) * 18'(f))) >> 8);
  endfunction

  // Rising table: base + round(delta * f / 2^7).
  function automatic logic [17:0] lut_up7(input lut_t entry, input logic [6:0] f);
    logic [17:0] p;
    p = 18'(entry.delta) * 18'(f) + 18'd64;
    return entry.base + (p >> 7);
  endfunction

  // An interpolated value y in [2^16, 2^17] times 2^e.
  function automatic sf_t sf_of_lut(input logic [17:0] y, input logic signed [15:0] e);
    return y[17] ? '{e: e + 16'sd2, m: 16'h8000} : sf_round(y[16:0], e + 16'sd1);
  endfunction

  function automatic sf_t sf_recip(input sf_t a);
    return a.m == '0 ? SfZero :
        sf_of_lut(lut_down7(tables_pkg::RecipLut[a.m[14:7]], a.m[6:0]), -16'sd32 - a.e);
  endfunction

  function automatic sf_t sf_rsqrt(input sf_t a);
    logic signed [16:0] e;
    e = 17'(a.e) + 17'sd15;
    return a.m == '0 ? SfZero : sf_of_lut(
        lut_down8(tables_pkg::RsqrtLut[{e[0], a.m[14:8]}], a.m[7:0]), -16'sd17 - e[16:1]
    );
  endfunction

  // The shift amount of scale(y, s, F): -(s.e + F), exact.
  function automatic logic signed [16:0] scale_shift(input logic signed [15:0] e,
                                                     input logic signed [15:0] frac);
    return -(17'(e) + 17'(frac));
  endfunction

  // rsh(p, s) of a product of up to 48 bits for any s, saturated to 34 bits: wide enough to add two int32 and still
  // saturate as the exact sum does. zero: p is 0, which its factors tell sooner.
  function automatic logic signed [33:0] rsh48(input logic signed [47:0] p, input logic zero,
                                               input logic signed [16:0] s);
    localparam logic signed [16:0] AllGone = 17'sd48;
    localparam logic signed [16:0] AllOver = -17'sd33;
    logic signed [48:0] right;
    logic signed [47:0] over;
    logic [5:0] left;
    if (s >= AllGone) return '0;
    if (!s[16]) begin
      right = $signed({p, 1'b0}) >>> s[5:0];
      right = (right + 49'sd1) >>> 1;
      return right[48:33] == '0 || right[48:33] == '1 ? right[33:0] : {p[47], {33{~p[47]}}};
    end
    left = 6'(-s);
    over = p >>> (6'd33 - left);  // bits that the shift would push into or beyond the sign
    if ((s < AllOver && !zero) || (over != '0 && over != '1)) return {p[47], {33{~p[47]}}};
    return p[33:0] <<< left;
  endfunction

  // sat16(rsh(y, d)) of block normalisation, d = max(0, bitlen(largest) - 15).
  function automatic logic signed [15:0] norm16(input logic signed [31:0] y, input logic [4:0] d);
    logic signed [32:0] x;
    x = $signed({y, 1'b0}) >>> d;
    x = (x + 33'sd1) >>> 1;
    return x[32:15] == '0 || x[32:15] == '1 ? x[15:0] : {x[32], {15{~x[32]}}};
  endfunction

endpackage

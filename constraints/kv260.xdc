# KV260 (XCK26-SFVC784): Pmod connector J2. Not run in Vivado (docs/fpga.md).

# PL clock 0, as the board's firmware sets it; Vivado derives the quarter of it behind BUFGCE_DIV.
create_clock -name pl_clk0 -period 10.000 [get_pins {u_ps/PLCLK[0]}]

# Upper row: 2 to the board's serial adapter (its RXD), 3 from it (its TXD).
set_property -dict {PACKAGE_PIN E10 IOSTANDARD LVCMOS33 SLEW SLOW DRIVE 4} [get_ports tx]
set_property -dict {PACKAGE_PIN D10 IOSTANDARD LVCMOS33 PULLTYPE PULLUP} [get_ports rx]

# Lower row: lights.
set_property -dict {PACKAGE_PIN B10 IOSTANDARD LVCMOS33 SLEW SLOW DRIVE 4} [get_ports {led[0]}]
set_property -dict {PACKAGE_PIN E12 IOSTANDARD LVCMOS33 SLEW SLOW DRIVE 4} [get_ports {led[1]}]
set_property -dict {PACKAGE_PIN D11 IOSTANDARD LVCMOS33 SLEW SLOW DRIVE 4} [get_ports {led[2]}]
set_property -dict {PACKAGE_PIN B11 IOSTANDARD LVCMOS33 SLEW SLOW DRIVE 4} [get_ports {led[3]}]

# The line is sampled by two flip-flops; lights have no clock to meet.
set_false_path -from [get_ports rx]
set_false_path -to [get_ports {tx led[*]}]

set_property BITSTREAM.GENERAL.COMPRESS TRUE [current_design]

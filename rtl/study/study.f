// Modules beside the machine: parts of it alone, for small FPGAs and for counting cells (docs/fpga.md, docs/ppa.md).
// Checked by rtl/check_lists.py.
rtl/study/array_north.sv
rtl/study/consmax_lane.sv
rtl/study/ternary_adder.sv

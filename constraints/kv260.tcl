# Bitstream of the KV260 in Vivado's non-project mode, from the top of the repository; IMAGES is a folder of block RAM files
# (`pimllm compile --board ulx3s -o IMAGES`: the boards hold the same machine):
#   vivado -mode batch -source constraints/kv260.tcl -tclargs IMAGES
# NOT RUN: this script has never been near a Vivado. Only its syntax, and what it reads, are checked (kv260_check.tcl).
set part xck26-sfvc784-2LV-c
set out out/fpga/kv260
if {[llength $argv] != 1} {
  error "expected a folder of block RAM files, found [llength $argv] arguments"
}
set images [lindex $argv 0]
if {![file exists $images/memory.hex]} {
  error "$images: expected memory.hex, found none"
}
file mkdir $out

# Files of a list of the repository, without comments and options; the crossbars that call C++ are for simulation.
proc listed {name} {
  set files {}
  set stream [open $name]
  foreach line [split [read $stream] "\n"] {
    if {[regexp {^rtl/\S+$} $line] && $line ne "rtl/pim/xbar_array.sv"} {
      lappend files $line
    }
  }
  close $stream
  return $files
}

read_verilog -sv [concat [listed rtl/pimllm.f] [listed rtl/board/board.f]]
read_xdc constraints/kv260.xdc

synth_design -top kv260 -part $part -include_dirs rtl/common -verilog_define SYNTHESIS -generic "ImagePath=\"$images/\""
opt_design
place_design
phys_opt_design
route_design

report_utilization -hierarchical -file $out/utilization.txt
report_timing_summary -file $out/timing.txt
set slack [get_property SLACK [get_timing_paths -setup]]
if {$slack < 0} {
  error "kv260: expected timing to be met, found a slack of $slack ns (see $out/timing.txt); no bitstream"
}
write_bitstream -force $out/kv260.bit
puts "kv260: slack $slack ns, bitstream $out/kv260.bit"

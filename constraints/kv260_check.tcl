# What can be checked of the KV260's script and constraints without Vivado (`.ci/lint`): they run through Tcl with commands
# that do nothing, the files that they read exist, and every port of the top has one pin of its own.
set seen(pins) {}
set seen(ports) {}
set seen(steps) {}

proc unknown {name args} {
  global seen
  switch -- $name {
    read_verilog {
      foreach file [lindex $args 1] {
        if {![file exists $file]} { error "kv260.tcl reads $file, which does not exist" }
      }
    }
    read_xdc { uplevel #0 source $args }
    get_ports { return $args }
    get_timing_paths { return path }
    get_property { return 1.0 }
    set_property {
      if {[lindex $args 0] eq "-dict"} {
        lappend seen(pins) [dict get [lindex $args 1] PACKAGE_PIN]
        lappend seen(ports) [lindex $args 2 0]
      }
    }
    synth_design - opt_design - place_design - phys_opt_design - route_design - write_bitstream { lappend seen(steps) $name }
    create_clock - get_pins - set_false_path - current_design - report_utilization - report_timing_summary {}
    default { error "kv260.tcl: expected a known command, found $name" }
  }
  return {}
}

set folder out/fpga/kv260/check
file mkdir $folder
close [open $folder/memory.hex w]
set argv [list $folder]
rename puts tcl_puts
proc puts {text} {}
source constraints/kv260.tcl
file delete -force $folder
if {[lsort -unique $seen(pins)] ne [lsort $seen(pins)]} { error "kv260.xdc: a pin is used twice: $seen(pins)" }
set expected [list "led\[0\]" "led\[1\]" "led\[2\]" "led\[3\]" rx tx]
if {[lsort $seen(ports)] ne $expected} { error "kv260.xdc: expected pins of $expected, found $seen(ports)" }
if {[lindex $seen(steps) end] ne "write_bitstream"} { error "kv260.tcl: expected a bitstream at the end" }

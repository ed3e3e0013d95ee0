#!/usr/bin/env python3
"""rtl/pimllm.f is the one list of the machine's RTL files, rtl/board/board.f that of what boards add, rtl/study/study.f that
of modules beside the machine. Checks that they hold every file on disk once, and that the FuseSoC core file and Bender.yml
name the machine's files in the same order. With --write it rewrites these two from the list."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
CORE_HEAD = """CAPI=2:
name: pimllm:ip:pimllm:0.1.0
description: PIM-LLM, a processing-in-memory accelerator for 1-bit transformers

filesets:
  rtl:
    file_type: systemVerilogSource
    files:
"""
CORE_TAIL = """  headers:
    file_type: systemVerilogSource
    files:
      - rtl/common/assert.svh: {is_include_file: true, include_path: rtl/common}
  dpi:
    file_type: cppSource
    files:
      - rtl/pim/xbar_array_dpi.cpp

targets:
  default: &default
    filesets: [headers, rtl]
    toplevel: pimllm_top
  sim:
    <<: *default
    filesets_append: [dpi]
  lint:
    <<: *default
    default_tool: verilator
    tools:
      verilator:
        mode: lint-only
        verilator_options: [-Wall]
"""
BENDER_HEAD = """package:
  name: pimllm
  authors: ["the pimllm authors"]

export_include_dirs:
  - rtl/common

sources:
"""


def listed(name):
    lines = (ROOT / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith(("//", "+", "-"))]


def core_text(files):
    return CORE_HEAD + "".join(f"      - {f}\n" for f in files) + CORE_TAIL


def bender_text(files):
    return BENDER_HEAD + "".join(f"  - {f}\n" for f in files)


def main():
    files = listed("rtl/pimllm.f")
    every = files + listed("rtl/board/board.f") + listed("rtl/study/study.f")
    problems = []
    on_disk = {str(p.relative_to(ROOT)) for p in (ROOT / "rtl").rglob("*.sv")}
    problems += [f"{f} is on disk but in no list" for f in sorted(on_disk - set(every))]
    problems += [f"{f} is listed but not on disk" for f in sorted(set(every) - on_disk)]
    problems += [f"{f} is listed twice" for f in sorted({f for f in every if every.count(f) > 1})]
    for name, text in (("pimllm.core", core_text(files)), ("Bender.yml", bender_text(files))):
        path = ROOT / name
        if "--write" in sys.argv[1:]:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            problems.append(f"{name} differs from rtl/pimllm.f (rtl/check_lists.py --write)")
    for file in every:
        module = pathlib.Path(file).stem
        if file in on_disk and not re.search(rf"^(module|package)\s+{module}\b", (ROOT / file).read_text(), re.M):
            problems.append(f"{file} does not define {module}")
    if problems:
        sys.exit("\n".join(problems))


main()

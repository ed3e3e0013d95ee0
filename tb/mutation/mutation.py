#!/usr/bin/env python3
"""Mutants of every leaf module of the RTL, and which bench notices them (docs/mutation.md).

mutation.py [--jobs N] [--fresh] [ENTRY...]; exit 1 if a mutant survives or an entry could not be tried. Results are kept in
out/mutation/results, one file an entry: a second run tries only what is new, and survivors where the bench has changed.
"""

import argparse
import concurrent.futures
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import tomllib

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import netlist  # noqa: E402
from netlist import OUT, ROOT, Entry  # noqa: E402

MUTANTS = 50
SEED = 1
FLOOR = 95.0
PROOF_S = 60
LEAST_TIMEOUT_S = 20
BASELINE_TIMEOUT_S = 600
MACHINE = ["--config", "unit", "--programs", "20", "--seed", "1", "--no-coverage"]

PASSED, FAILED, CRASHED, TIMEOUT, UNSELECTED = "passed", "failed", "crashed", "timeout", "unselected"
KILLED, EQUIVALENT, SURVIVED = (FAILED, CRASHED, TIMEOUT), "equivalent", "survived"


@dataclasses.dataclass
class Bench:
    """A program, and what it is called with to run the tests of the mutated size."""
    name: str
    command: list[str]
    seconds: float = 0.0  # of a run without a mutant, once that has passed

    def digest(self) -> str:
        return hashlib.sha256(pathlib.Path(self.command[0]).read_bytes() + repr(self.command[1:]).encode()).hexdigest()


def run(bench: Bench, entry: Entry, mutant: int, timeout: float) -> str:
    """What became of a run. A mutant that the simulation did not say it selected has not been tried."""
    environment = {**os.environ, entry.variable: str(mutant)}
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(["nice", *bench.command], stdout=output, stderr=subprocess.STDOUT,
                                   env=environment, cwd=OUT, start_new_session=True)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = None
        output.seek(0)
        text = output.read().decode(errors="replace")
    if mutant and f"mutant {entry.name} {mutant}\n" not in text:
        return UNSELECTED
    if code is None:
        return TIMEOUT
    if code == 0:
        return PASSED
    return FAILED if re.search(r"Failure\n|FAILED", text) else CRASHED


def load(text: str) -> tuple[dict[str, dict[str, str]], list[Entry]]:
    table = tomllib.loads(text)
    entries = [Entry(name, t.get("module", name), t["benches"], t.get("parameters", {}), t.get("mutants", MUTANTS),
                     t.get("inside", []), t.get("only_if", []), t.get("assume", []),
                     t.get("whole", []))
               for name, t in table["modules"].items()]
    for entry in entries:
        for bench in entry.benches:
            if bench not in table["benches"]:
                raise ValueError(f"modules.toml: {entry.name}: no bench {bench}, expected one of {', '.join(table['benches'])}")
    return table["benches"], entries


def build(benches: dict[str, dict[str, str]], used: list[str], folder: pathlib.Path, jobs: int) -> None:
    """Configures for the mutants of all benches, and builds those in use and the machine."""
    libraries = ";".join(library for b in benches.values() for library in b["libraries"])
    configure = ["cmake", "-S", ".", "-B", str(folder), "-G", "Ninja", "-DPIMLLM_CONFIGS=unit",
                 f"-DPIMLLM_RTL_DIR={OUT}/rtl", f"-DPIMLLM_RTL_FOR={libraries}"]
    targets = [*{pathlib.Path(benches[name]["executable"]).name: None for name in used}, "random_program"]
    for command in (configure, ["cmake", "--build", str(folder), "-j", str(jobs), "--target", *targets]):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"build with the mutants failed:\n{(done.stdout + done.stderr)[-3000:]}")


class Results:
    """Verdicts of an entry, by number of the mutant; those of another netlist are forgotten."""

    def __init__(self, entry: Entry, fresh: bool):
        self.path = OUT / f"results/{entry.name}.json"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256((OUT / f"netlists/{entry.name}.v").read_bytes()).hexdigest()
        self.data = {"netlist": digest, "tried": "", "grounds": "", "seconds": 0.0, "verdicts": {}}
        if self.path.exists() and not fresh:
            kept = json.loads(self.path.read_text())
            if kept["netlist"] == digest:
                self.data |= kept

    def verdicts(self) -> dict[int, str]:
        return {int(m): v for m, v in self.data["verdicts"].items()}

    def forget_what_changed(self, tried: str, grounds: str) -> None:
        """Survivors, where benches are new; what was proven, where that rests on something else now."""
        stale = (SURVIVED,) * (self.data["tried"] != tried) + (SURVIVED, EQUIVALENT) * (self.data["grounds"] != grounds)
        self.data["verdicts"] = {m: v for m, v in self.data["verdicts"].items() if not v.startswith(stale)}
        self.data |= {"tried": tried, "grounds": grounds}

    def set(self, mutant: int, verdict: str) -> None:
        self.data["verdicts"][str(mutant)] = verdict
        self.save()

    def save(self) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(self.data, indent=1))
        new.replace(self.path)


def try_all(bench: Bench, entry: Entry, mutants: list[int], results: Results, jobs: int) -> None:
    """Runs the mutants on a bench, once that has passed without one; what fails is killed."""
    if not bench.seconds:
        began = time.monotonic()
        if (unchanged := run(bench, entry, 0, BASELINE_TIMEOUT_S)) != PASSED:
            raise RuntimeError(f"{entry.name}: {bench.name} without a mutant: {unchanged}, expected passed")
        bench.seconds = time.monotonic() - began
    timeout = max(LEAST_TIMEOUT_S, 10 * bench.seconds)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(run, bench, entry, m, timeout): m for m in mutants}
        for future in concurrent.futures.as_completed(futures):
            if (result := future.result()) in KILLED:
                results.set(futures[future], f"{result}: {bench.name}")
            elif result == UNSELECTED and bench.name != "machine":
                raise RuntimeError(f"{entry.name}: mutant {futures[future]} is not in what {bench.name} runs")


def source_of(line: str) -> str:
    """Mode, place in the cell and lines of the RTL of a mutant."""
    mode = re.search(r"-mode (\w+)", line)[1]
    port = re.search(r"-cell (\S+) -port (\S+) -portbit (\d+)", line)
    wire = re.search(r"-wire (\S+) -wirebit (\d+)", line)
    place = f"{wire[1]}[{wire[2]}]" if wire else f"{port[2]}[{port[3]}] of {port[1]}"
    return " ".join([mode, place, *re.findall(r"-src (\S+)", line)])


def run_entry(entry: Entry, listed: list[str], benches: dict[str, Bench], machine: Bench, fresh: bool, jobs: int) -> Results:
    began = time.monotonic()
    results = Results(entry, fresh)
    results.forget_what_changed("".join(b.digest() for b in [*(benches[n] for n in entry.benches), machine]),
                                netlist.grounds(entry))

    def left() -> list[int]:
        return [m for m in range(1, len(listed) + 1) if m not in results.verdicts()]

    for name in entry.benches:
        if left():
            try_all(benches[name], entry, left(), results, jobs)
    if left():
        for mutant in netlist.prove(entry, left(), PROOF_S):
            results.set(mutant, EQUIVALENT)
    if left():
        try_all(machine, entry, left(), results, jobs)
    for mutant in left():
        results.set(mutant, SURVIVED)
    results.data["seconds"] += time.monotonic() - began
    results.save()
    return results


def count(results: Results) -> dict[str, int]:
    verdicts = list(results.verdicts().values())
    machine = sum(v.endswith(": machine") for v in verdicts)
    timeouts = sum(v.startswith(TIMEOUT) for v in verdicts)
    equivalent, survived = verdicts.count(EQUIVALENT), verdicts.count(SURVIVED)
    return {"mutants": len(verdicts), "bench": len(verdicts) - machine - equivalent - survived, "machine": machine,
            "timeouts": timeouts, "equivalent": equivalent, "survivors": survived}


def rate(counts: dict[str, int]) -> float:
    """Killed, in percent of those that are not proven equivalent."""
    able = counts["mutants"] - counts["equivalent"]
    return 100.0 * (counts["bench"] + counts["machine"]) / able if able else 100.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2, help="benches at the same time")
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build-mutation", help="build folder")
    parser.add_argument("names", nargs="*", metavar="ENTRY", help="of modules.toml; all")
    args = parser.parse_args()
    began = time.monotonic()
    bench_table, entries = load((ROOT / "tb/mutation/modules.toml").read_text())
    unknown = set(args.names) - {e.name for e in entries}
    if unknown:
        print(f"mutation: no entry {unknown.pop()}, expected one of {', '.join(e.name for e in entries)}", file=sys.stderr)
        return 2

    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        lists = dict(zip((e.name for e in entries), pool.map(lambda e: netlist.elaborate(e, SEED), entries)))
    netlist.write_overlay(entries)
    print(f"{sum(map(len, lists.values()))} mutants of {len(entries)} entries in the RTL, {time.monotonic() - began:.0f} s",
          flush=True)
    chosen = [e for e in entries if not args.names or e.name in args.names]
    used = [name for name in bench_table if any(name in e.benches for e in chosen)]
    build(bench_table, used, args.build, args.jobs)
    print(f"built, {time.monotonic() - began:.0f} s", flush=True)
    benches = {name: Bench(name, [str(args.build / bench_table[name]["executable"]), "--seed", "1",
                                  "--gtest_break_on_failure", f"--gtest_filter={bench_table[name]['filter']}"])
               for name in used}
    machine = Bench("machine", [str(args.build / "tb/program/random_program"), *MACHINE])

    total = dict.fromkeys(("mutants", "bench", "machine", "timeouts", "equivalent", "survivors"), 0)
    width = max(len(e.name) for e in chosen)
    print(f"{'module':{width}}  mutants  by bench  by machine  (timeouts)  equivalent  survivors  kill rate  seconds")
    bad, survivors = [], []
    for entry in chosen:
        try:
            results = run_entry(entry, lists[entry.name], benches, machine, args.fresh, args.jobs)
        except RuntimeError as error:
            bad.append(str(error))
            continue
        c = count(results)
        total = {k: total[k] + c[k] for k in total}
        print(f"{entry.name:{width}}  {c['mutants']:7}  {c['bench']:8}  {c['machine']:10}  {c['timeouts']:10}  {c['equivalent']:10}"
              f"  {c['survivors']:9}  {rate(c):8.1f}%  {results.data['seconds']:7.0f}", flush=True)
        survivors += [f"{entry.name} {m}: {source_of(lists[entry.name][m - 1])}"
                      for m, v in sorted(results.verdicts().items()) if v == SURVIVED]
    print(f"{'all':{width}}  {total['mutants']:7}  {total['bench']:8}  {total['machine']:10}  {total['timeouts']:10}"
          f"  {total['equivalent']:10}  {total['survivors']:9}  {rate(total):8.1f}%  {time.monotonic() - began:7.0f}")
    (OUT / "survivors.txt").write_text("".join(line + "\n" for line in survivors))
    for text in bad:
        print(f"not tried: {text}")
    if survivors:
        print(f"survivors: {OUT.relative_to(ROOT)}/survivors.txt")
    return 1 if bad or rate(total) < FLOOR else 0


if __name__ == "__main__":
    sys.exit(main())

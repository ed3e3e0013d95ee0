#!/usr/bin/env python3
"""Regression of the RTL: both checkpoints in every setting and random programs, of one or more seeds.

A job that has passed is not run again while its command, its seed among it, its program and its checkpoint are the
same (compared by content). So the same command goes on after a run that was cut off, and runs again what failed.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

import jobs as job_list
import report
import runner


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="build folder (default: build)")
    parser.add_argument("--out", default="out/regress", help="folder of results (default: out/regress)")
    parser.add_argument("--seeds", type=int, default=1, help="how many (default: 1)")
    parser.add_argument("--seed", type=int, default=1, help="the first (default: 1)")
    parser.add_argument("--programs", type=int, default=500, help="random programs of a seed (default: 500)")
    parser.add_argument("--filter", default="", metavar="REGEX", help="only jobs with this in their name")
    parser.add_argument("--jobs", type=int, default=1, help="at once (default: 1)")
    parser.add_argument("--timeout", type=float, default=7200, metavar="S", help="longest a job may take (default: 7200)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--fresh", action="store_true", help="forget earlier results of these jobs")
    what.add_argument("--list", action="store_true", help="print the names of the jobs, run none")
    what.add_argument("--report", action="store_true", help="report on the results that are there, run none")
    what.add_argument("--one", metavar="NAME", help="run this job without a report (for a cluster)")
    return parser


def conclude(jobs: list[job_list.Job], results: dict[str, runner.Result], out: Path, took: float) -> int:
    out.mkdir(parents=True, exist_ok=True)
    junit = out / "junit.xml"
    report.write_junit(junit, jobs, results, out)
    print(f"\n{report.table(jobs, results)}")
    if bad := report.failures(jobs, results, out):
        print(f"\n{bad}")
    found = [report.status_of(results, job) for job in jobs]
    counts = ", ".join(f"{found.count(status)} {status}" for status in report.STATUSES if status in found)
    earlier = sum(result.earlier for result in results.values())
    before = f" ({earlier} of them before this run)" if earlier else ""
    print(f"\n{len(jobs)} jobs: {counts}{before}; {took:.0f} s; {junit}")
    return 0 if all(status == "passed" for status in found) else 1


def run(jobs: list[job_list.Job], out: Path, parallel: int, timeout_s: float) -> int:
    began = time.monotonic()
    passed = sum(1 for job in jobs if (known := runner.known_result(out, job)) and known.status == "passed")
    to_do = len(jobs) - passed
    print(f"{len(jobs)} jobs, {passed} passed before, {to_do} to run, {parallel} at once", flush=True)
    done = 0

    def show(result: runner.Result) -> None:
        nonlocal done
        done += 1
        print(f"[{done:{len(str(to_do))}}/{to_do}] {result.status:7} {result.seconds:7.1f} s  {result.name}: "
              f"{result.last_line[:report.LINE_SHOWN]}", flush=True)

    results = runner.run_all(jobs, out, parallel, timeout_s, show)
    return conclude(jobs, results, out, time.monotonic() - began)


def programs_folder(args: argparse.Namespace) -> str:
    """Where random_program keeps what failed."""
    return f"{args.out}/programs"


def arguments_and_jobs(arguments: list[str]) -> tuple[argparse.Namespace, list[job_list.Job]]:
    args = options().parse_args(arguments)
    jobs = job_list.all_jobs(args.build, args.seed, args.seeds, args.programs, programs_folder(args))
    return args, job_list.select(jobs, args.filter)


def main(arguments: list[str]) -> int:
    args, jobs = arguments_and_jobs(arguments)
    os.chdir(runner.ROOT)
    out = Path(args.out)
    if args.one:
        jobs = [job for job in jobs if job.name == args.one]
    if not jobs:
        print("regress: expected a job of that name, found none; --list shows them", file=sys.stderr)
        return 2
    if args.list:
        print("\n".join(job.name for job in jobs))
        return 0
    missing = [path for job in jobs for path in job.inputs if not Path(path).is_file()]
    if missing:
        print(f"regress: expected {missing[0]}, found no such file", file=sys.stderr)
        return 2
    Path(programs_folder(args)).mkdir(parents=True, exist_ok=True)
    if args.report:
        known = {job.name: runner.known_result(out, job) for job in jobs}
        results = {name: result for name, result in known.items() if result}
        return conclude(jobs, results, out, sum(result.seconds for result in results.values()))
    if args.fresh:
        runner.forget(out, jobs)
    if args.one:
        results = runner.run_all(jobs, out, 1, args.timeout, lambda result: None)
        print(report.failures(jobs, results, out) or f"{args.one}: passed")
        return 0 if results[args.one].status == "passed" else 1
    return run(jobs, out, args.jobs, args.timeout)


if __name__ == "__main__":
    # A termination ends the jobs as an interrupt does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("regress: interrupted; the same command goes on", file=sys.stderr)
        sys.exit(130)

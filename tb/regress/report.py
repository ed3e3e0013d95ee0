"""What a regression found: a table, JUnit XML, and a line per failure that runs the job again."""

from __future__ import annotations

import re
import xml.etree.ElementTree as xml
from pathlib import Path

from jobs import Job
from runner import Result, write_atomically

STATUSES = ("passed", "failed", "killed", "timeout", "not run")
LINE_SHOWN = 200  # characters of a log's last line
LOG_TAIL = 4000  # characters of a failing job's log in the XML


def status_of(results: dict[str, Result], job: Job) -> str:
    return results[job.name].status if job.name in results else "not run"


def table(jobs: list[Job], results: dict[str, Result]) -> str:
    """A line a job over all seeds."""
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.group, []).append(job)
    width = max(len(group) for group in groups)
    lines = [f"{'job':{width}}" + "".join(f"  {status:>7}" for status in STATUSES) + "  mean s   max s"]
    for group, members in groups.items():
        found = [status_of(results, job) for job in members]
        seconds = [results[job.name].seconds for job in members if job.name in results]
        times = f"{sum(seconds) / len(seconds):6.1f}  {max(seconds):6.1f}" if seconds else "     -       -"
        lines.append(f"{group:{width}}" + "".join(f"  {found.count(status):7}" for status in STATUSES) + f"  {times}")
    return "\n".join(lines)


def failures(jobs: list[Job], results: dict[str, Result], out: Path) -> str:
    lines = []
    for job in jobs:
        result = results.get(job.name)
        if result and result.status != "passed":
            lines += [f"{result.status.upper()}  {job.name}, exit code {result.exit_code}: {result.last_line[:LINE_SHOWN]}",
                      f"  log:    {out / job.name}.log", f"  repeat: {job.command}"]
    return "\n".join(lines)


def xml_text(text: str) -> str:
    """Without the control characters that XML does not allow."""
    return re.sub(r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)


def write_junit(path: Path, jobs: list[Job], results: dict[str, Result], out: Path) -> None:
    found = [status_of(results, job) for job in jobs]
    errors = found.count("killed") + found.count("timeout")
    suite = xml.Element("testsuite", name="regress", tests=str(len(jobs)), failures=str(found.count("failed")),
                        errors=str(errors), skipped=str(found.count("not run")),
                        time=f"{sum(result.seconds for result in results.values()):.3f}")
    for job, status in zip(jobs, found):
        case = xml.SubElement(suite, "testcase", classname=f"regress.{job.group}", name=job.name)
        if status == "not run":
            case.set("time", "0")
            xml.SubElement(case, "skipped")
            continue
        result = results[job.name]
        case.set("time", f"{result.seconds:.3f}")
        if status == "passed":
            continue
        kind = "failure" if status == "failed" else "error"
        bad = xml.SubElement(case, kind, type=status, message=xml_text(result.last_line[:LINE_SHOWN]))
        log = out / f"{job.name}.log"
        tail = log.read_text(errors="replace")[-LOG_TAIL:] if log.exists() else ""
        bad.text = xml_text(f"repeat: {job.command}\n{tail}")
    xml.indent(suite)
    write_atomically(path, xml.tostring(suite, encoding="unicode", xml_declaration=True) + "\n")

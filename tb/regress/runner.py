"""Runs jobs side by side and keeps a result file for each, so that a run that was cut off goes on where it was."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import hashlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from jobs import Job

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclasses.dataclass(frozen=True)
class Result:
    name: str
    identity: str
    status: str  # "passed", "failed", "killed" or "timeout"
    exit_code: int  # negative: of a signal
    seconds: float
    last_line: str
    earlier: bool = False  # it passed before this run


@functools.cache
def content_hash(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def identity(job: Job) -> str:
    """Changes with the command (which names the seed) and with the content of the program and of every other input."""
    parts = [job.command] + [content_hash(ROOT / path) for path in job.inputs]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def result_path(out: Path, job: Job) -> Path:
    return out / f"{job.name}.json"


def known_result(out: Path, job: Job) -> Result | None:
    """What an earlier run found, if the job is still the same."""
    try:
        result = Result(**json.loads(result_path(out, job).read_text()))
    except (FileNotFoundError, json.JSONDecodeError, TypeError):
        return None
    return result if result.identity == identity(job) else None


def write_atomically(path: Path, text: str) -> None:
    temporary = path.with_name(f"{path.name}.tmp{os.getpid()}")
    temporary.write_text(text)
    temporary.rename(path)


def forget(out: Path, jobs: Iterable[Job]) -> None:
    for job in jobs:
        for suffix in ("json", "log", "passed"):
            (out / f"{job.name}.{suffix}").unlink(missing_ok=True)


class Processes:
    """The groups of running processes, to be ended together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[int] = set()
        self._stopped = False

    def start(self, job: Job, log) -> subprocess.Popen | None:
        with self._lock:
            if self._stopped:
                return None
            process = subprocess.Popen(["bash", "-c", job.command], stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.STDOUT, cwd=ROOT, start_new_session=True)
            self._running.add(process.pid)
            return process

    def ended(self, process: subprocess.Popen) -> None:
        with self._lock:
            self._running.discard(process.pid)

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            for pid in self._running:
                os.killpg(pid, signal.SIGTERM)


def run_job(job: Job, out: Path, timeout_s: float, processes: Processes) -> Result | None:
    """Runs one job and writes its result; nothing if the run is being stopped."""
    began = time.monotonic()
    log = out / f"{job.name}.log"
    partial = log.with_name(f"{log.name}.tmp{os.getpid()}")
    late = False
    with open(partial, "wb") as file:
        process = processes.start(job, file)
        if process is None:
            partial.unlink()
            return None
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            late = True
            os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
        processes.ended(process)
    partial.rename(log)
    lines = log.read_text(errors="replace").split("\n")
    last_line = next((line for line in reversed(lines) if line.strip()), "")
    # bash says 128 + n of a child that signal n ended.
    status = "timeout" if late else "passed" if code == 0 else "killed" if code < 0 or code > 128 else "failed"
    result = Result(job.name, identity(job), status, code, time.monotonic() - began, last_line)
    write_atomically(result_path(out, job), json.dumps(dataclasses.asdict(result)) + "\n")
    return result


def run_all(jobs: list[Job], out: Path, parallel: int, timeout_s: float,
            done: Callable[[Result], None]) -> dict[str, Result]:
    """Runs what has not passed yet, `parallel` jobs at once. On KeyboardInterrupt ends what runs, and raises it."""
    out.mkdir(parents=True, exist_ok=True)
    known = {job.name: known_result(out, job) for job in jobs}
    results = {name: dataclasses.replace(result, earlier=True) for name, result in known.items()
               if result and result.status == "passed"}
    processes = Processes()
    with concurrent.futures.ThreadPoolExecutor(max(1, parallel)) as pool:
        futures = [pool.submit(run_job, job, out, timeout_s, processes) for job in jobs if job.name not in results]
        try:
            for future in concurrent.futures.as_completed(futures):
                result = future.result()
                if result:
                    results[result.name] = result
                    done(result)
        except KeyboardInterrupt:
            for future in futures:
                future.cancel()
            processes.stop()
            raise
    return results

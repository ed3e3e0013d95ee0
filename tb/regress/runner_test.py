#!/usr/bin/env python3
"""The regression runner with jobs that need no machine: what it runs, keeps, repeats and reports."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path

import jobs as job_list
import regress
import report
import runner
from jobs import Job


class RunnerTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.out = self.folder / "out"
        self.program = self.folder / "program"
        self.program.write_text("first")

    def job(self, name: str, command: str) -> Job:
        return Job(f"seed1.{name}", command, (str(self.program),))

    def run_all(self, jobs: list[Job], parallel: int = 1, timeout_s: float = 60) -> tuple[dict, list[str]]:
        """Results, and the names of the jobs that were run."""
        runner.content_hash.cache_clear()
        ran: list[str] = []
        results = runner.run_all(jobs, self.out, parallel, timeout_s, lambda result: ran.append(result.name))
        return results, ran

    def counting(self, name: str, end: str) -> Job:
        """Appends a line to a file at each run, then ends as told."""
        return self.job(name, f"echo {name} >> {self.folder}/runs; {end}")

    def runs(self) -> list[str]:
        path = self.folder / "runs"
        return sorted(path.read_text().split()) if path.exists() else []

    def test_only_what_has_not_passed_runs_again(self):
        jobs = [self.counting("good", "true"), self.counting("bad", "exit 3"), self.counting("late", "sleep 60")]
        results, _ = self.run_all(jobs, timeout_s=1)
        self.assertEqual([results[job.name].status for job in jobs], ["passed", "failed", "timeout"])
        self.assertEqual(results["seed1.bad"].exit_code, 3)
        results, ran = self.run_all(jobs, timeout_s=1)
        self.assertEqual(sorted(ran), ["seed1.bad", "seed1.late"])
        self.assertEqual(self.runs(), ["bad", "bad", "good", "late", "late"])
        self.assertTrue(results["seed1.good"].earlier)

    def test_another_program_or_command_runs_again(self):
        job = self.counting("job", "true")
        self.run_all([job])
        self.program.write_text("second")
        self.assertEqual(self.run_all([job])[1], ["seed1.job"])
        self.assertEqual(self.run_all([job])[1], [])
        self.assertEqual(self.run_all([self.counting("job", "true # other seed")])[1], ["seed1.job"])
        os.utime(self.program)  # the same content, only newer
        self.assertEqual(self.run_all([self.counting("job", "true # other seed")])[1], [])

    def test_fresh_forgets(self):
        job = self.counting("job", "true")
        self.run_all([job])
        runner.forget(self.out, [job])
        self.assertEqual(self.run_all([job])[1], ["seed1.job"])

    def test_a_damaged_result_runs_again(self):
        job = self.counting("job", "true")
        self.run_all([job])
        for text in ("", "{\"name\": \"se", "[1]", "{}"):
            runner.result_path(self.out, job).write_text(text)
            self.assertEqual(self.run_all([job])[1], ["seed1.job"])

    def test_a_killed_job_is_told_apart_and_resumes(self):
        pid_file, again = self.folder / "pid", self.folder / "again"
        job = self.job("job", f"test -e {again} || {{ echo $$ > {pid_file}.tmp; mv {pid_file}.tmp {pid_file}; exec sleep 60; }}")

        def kill():
            while not pid_file.exists():
                time.sleep(0.01)
            os.kill(int(pid_file.read_text()), signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        results, _ = self.run_all([job, self.job("other", "true")], parallel=2)
        killer.join()
        self.assertEqual(results[job.name].status, "killed")
        self.assertEqual(results["seed1.other"].status, "passed")
        again.touch()
        results, ran = self.run_all([job, self.job("other", "true")])
        self.assertEqual(ran, [job.name])
        self.assertEqual(results[job.name].status, "passed")

    def test_a_run_that_is_interrupted_ends_its_jobs_and_resumes(self):
        script = (f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
                  "import signal, runner; from pathlib import Path; from jobs import Job\n"
                  "signal.signal(signal.SIGTERM, signal.default_int_handler)\n"
                  f"jobs = [Job('seed1.quick', 'true', ()), Job('seed1.slow', 'echo $$ > {self.folder}/pid; sleep 60', ())]\n"
                  f"runner.run_all(jobs, Path({str(self.out)!r}), 1, 90, lambda result: print(result.name, flush=True))\n")
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        pid_file = self.folder / "pid"
        while not (pid_file.exists() and pid_file.read_text().strip()):
            time.sleep(0.01)
        process.terminate()
        process.communicate()
        self.assertNotEqual(process.returncode, 0)
        with self.assertRaises(ProcessLookupError):
            os.kill(int(pid_file.read_text()), 0)
        jobs = [Job("seed1.quick", "true", ()), Job("seed1.slow", "true", ())]
        self.assertEqual(self.run_all(jobs)[1], ["seed1.slow"])

    def test_as_many_at_once_as_told(self):
        for parallel, fits in ((3, True), (1, False)):
            meet = self.folder / f"meet{parallel}"
            meet.mkdir()
            command = f"touch {meet}/$$; for i in $(seq 20); do test $(ls {meet} | wc -l) = 3 && exit; sleep 0.1; done; exit 1"
            jobs = [self.job(f"job{parallel}{i}", f"{command} # {i}") for i in range(3)]
            results, _ = self.run_all(jobs, parallel)
            self.assertEqual(all(result.status == "passed" for result in results.values()), fits)

    def test_table_and_junit_and_the_line_that_repeats(self):
        jobs = [self.job("good", "echo fine"), self.job("bad", "echo 'wrong <here> \x1b[1m' \"$(echo twice)\"; exit 3"),
                Job("seed2.bad", "true", ()), self.job("dead", "kill -9 $$")]
        results, _ = self.run_all([job for job in jobs if job.name != "seed2.bad"])
        rows = [line.split() for line in report.table(jobs, results).splitlines()[1:]]
        self.assertEqual([row[:6] for row in rows], [["good", "1", "0", "0", "0", "0"], ["bad", "0", "1", "0", "0", "1"],
                                                     ["dead", "0", "0", "1", "0", "0"]])
        text = report.failures(jobs, results, self.out)
        self.assertIn("FAILED  seed1.bad, exit code 3: wrong <here>", text)
        self.assertIn("KILLED  seed1.dead, exit code -9", text)
        repeat = re.findall(r"repeat: (.*)", text)[0]
        again = subprocess.run(["bash", "-c", repeat], capture_output=True, text=True, check=False)
        self.assertEqual((again.returncode, again.stdout), (3, "wrong <here> \x1b[1m twice\n"))

        path = self.out / "junit.xml"
        report.write_junit(path, jobs, results, self.out)
        suite = xml.parse(path).getroot()
        self.assertEqual({key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")},
                         {"tests": "4", "failures": "1", "errors": "1", "skipped": "1"})
        cases = {case.get("name"): case for case in suite}
        self.assertEqual([len(cases[job.name]) for job in jobs], [0, 1, 1, 1])
        self.assertEqual(cases["seed1.bad"].find("failure").get("message"), "wrong <here> ?[1m twice")
        self.assertIn("exit 3", cases["seed1.bad"].find("failure").text)
        self.assertIsNotNone(cases["seed1.dead"].find("error"))
        self.assertIsNotNone(cases["seed2.bad"].find("skipped"))

    def test_exit_codes(self):
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(regress.run([self.job("good", "true")], self.out, 1, 60), 0)
            self.assertEqual(regress.run([self.job("good", "true"), self.job("bad", "false")], self.out, 1, 60), 1)
        with contextlib.redirect_stderr(io.StringIO()) as error:
            self.assertEqual(regress.main(["--filter", "no such job", "--out", str(self.out)]), 2)
            self.assertEqual(regress.main(["--build", str(self.folder), "--out", str(self.out)]), 2)
        self.assertEqual(len(error.getvalue().splitlines()), 2)


class JobsTest(unittest.TestCase):
    def test_the_list(self):
        jobs = job_list.all_jobs("build", 7, 3, 500, "out/programs")
        self.assertEqual(len(jobs), 3 * 25)
        self.assertEqual(len({job.name for job in jobs}), len(jobs))
        self.assertEqual(len({job.command for job in jobs}), len(jobs))
        self.assertEqual({job.name.split(".")[0] for job in jobs}, {"seed7", "seed8", "seed9"})
        names = [job.name for job in job_list.select(jobs, r"seed8\..*consmax\.paper\.prompt1\.")]
        self.assertEqual(names, ["seed8.kjv-consmax.paper.prompt1.steady", "seed8.kjv-consmax.paper.prompt1.stalled"])

    def test_random_programs_of_two_seeds_do_not_overlap(self):
        jobs = job_list.select(job_list.all_jobs("build", 1, 2, 500, "out/programs"), "random")
        seeds = [int(re.search(r"--seed (\d+)", job.command).group(1)) for job in jobs]
        self.assertGreater(seeds[1] - seeds[0], 500)


if __name__ == "__main__":
    unittest.main()

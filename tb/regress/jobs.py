"""The jobs of `make regress`: one list, for the runner and for the Snakefile."""

from __future__ import annotations

import re
from dataclasses import dataclass

POSITIONS = 256  # of prompt and new tokens together
PROMPT_TOKENS = (1, 17, 128)
TIMINGS = {"steady": "", "stalled": " --memory-latency 20 --memory-latency-spread 60 --memory-stall 0.2"}
PROGRAM_SEEDS = 1_000_000  # between the random programs of one seed and of the next


@dataclass(frozen=True)
class Job:
    name: str  # "seed1.kjv-bitnet.paper.prompt17.stalled"; its files are named so, too
    command: str  # for bash, in the repository's root
    inputs: tuple[str, ...]  # files that decide its result

    @property
    def group(self) -> str:
        """The name without the seed."""
        return self.name.split(".", 1)[1]


def checkpoint_job(build: str, seed: int, model: str, config: str, prompt: int, timing: str) -> Job:
    pimllm, checkpoint, text = f"{build}/sim/pimllm", f"models/checkpoints/{model}.gguf", "tb/regress/prompt.txt"
    return Job(
        f"seed{seed}.{model}.{config}.prompt{prompt}.{timing}",
        f'{pimllm} generate --model {checkpoint} --config {config} --engine rtl --check --prompt "$(cat {text})"'
        f" --prompt-tokens {prompt} --tokens {POSITIONS - prompt} --seed {seed}{TIMINGS[timing]}",
        (pimllm, checkpoint, text))


def random_job(build: str, seed: int, programs: int, save: str) -> Job:
    random_program = f"{build}/tb/program/random_program"
    return Job(
        f"seed{seed}.random.small",
        f"{random_program} --config small --seed {seed * PROGRAM_SEEDS} --programs {programs} --no-coverage --save {save}",
        (random_program,))


def all_jobs(build: str, first_seed: int, seeds: int, programs: int, save: str) -> list[Job]:
    """Of every seed both checkpoints in every setting, and a batch of random programs; the long ones first."""
    numbers = range(first_seed, first_seed + seeds)
    jobs = [checkpoint_job(build, seed, model, config, prompt, timing)
            for config in ("small", "paper")
            for seed in numbers
            for model in ("kjv-bitnet", "kjv-consmax")
            for prompt in PROMPT_TOKENS
            for timing in TIMINGS]
    return jobs + [random_job(build, seed, programs, save) for seed in numbers]


def select(jobs: list[Job], pattern: str) -> list[Job]:
    """Those with the regular expression in their name."""
    return [job for job in jobs if re.search(pattern, job.name)]

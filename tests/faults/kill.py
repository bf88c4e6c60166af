"""Steps of the study, killed by SIGKILL at chosen moments and run again by the same call.

    python -m tests.faults.kill STEP ... --points 7 --seeds 3

A step runs undisturbed once. Then, for every moment, a copy of what it began with is given to a child process, which
is killed at that moment; another child runs the same call in the same folder. What it leaves must be what the
undisturbed one left, byte by byte but for times and durations, and no temporary file or folder may be left.

Children are forked from a process that has imported everything. Nothing is changed in the library: a child that is to
be killed has other functions in the places of `os.fsync`, `os.replace`, `os.rename` and `Tensor.backward`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.steps import STEPS, Step

Facts = dict[str, str]


@dataclass(frozen=True)
class Moment:
    """When a child is killed.

    Attributes:
        what: "half" (a file was written to a half of its bytes), "written" (whole, not renamed yet), "renamed" (in its
            place, nothing else done), or "backward" (in a training step).
        call: which one, from 1.
    """

    what: str
    call: int

    def __str__(self) -> str:
        return f"{self.what} {self.call}"


class Deaths:
    """Counts the moments of this process, and ends it at one of them."""

    def __init__(self, at: Moment | None) -> None:
        self.at = at
        self.counts = {"written": 0, "renamed": 0, "backward": 0}

    def patch(self) -> None:
        """Put the counting functions in their places: for a process that will end soon."""
        fsync, replace, rename = os.fsync, os.replace, os.rename

        def counted_fsync(descriptor: int) -> None:
            self.counts["written"] += 1
            if self.at == Moment("half", self.counts["written"]):
                os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
                self._die()
            fsync(descriptor)
            self._die_at("written")

        def counted_replace(*names: Any, **options: Any) -> None:
            replace(*names, **options)
            self.counts["renamed"] += 1
            self._die_at("renamed")

        def counted_rename(*names: Any, **options: Any) -> None:
            rename(*names, **options)
            self.counts["renamed"] += 1
            self._die_at("renamed")

        os.fsync, os.replace, os.rename = counted_fsync, counted_replace, counted_rename
        if "torch" in sys.modules:
            import torch

            backward = torch.Tensor.backward

            def counted_backward(tensor: Any, *arguments: Any, **options: Any) -> None:
                backward(tensor, *arguments, **options)
                self.counts["backward"] += 1
                self._die_at("backward")

            torch.Tensor.backward = counted_backward  # type: ignore[method-assign, assignment]

    def _die_at(self, what: str) -> None:
        if self.at == Moment(what, self.counts[what]):
            self._die()

    @staticmethod
    def _die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)


def in_child(
    act: Callable[[], object], at: Moment | None = None, log: Path | None = None
) -> tuple[int, dict[str, int]]:
    """Run a function in a forked process.

    Returns:
        Its exit status (negative: the signal that ended it), and how many moments of each kind it passed.
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        status = 1
        try:
            os.close(reading)
            if log:
                file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.dup2(file, 1)
                os.dup2(file, 2)
                sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
            deaths = Deaths(at)
            deaths.patch()
            act()
            os.write(writing, json.dumps(deaths.counts).encode())
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    os.close(writing)
    content = b""
    while part := os.read(reading, 65536):
        content += part
    os.close(reading)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status), json.loads(content) if content else {}


def moments(counts: dict[str, int], points: int, seed: int) -> list[Moment]:
    """So many of a step's moments, of all kinds and spread over its length; other ones for another seed."""
    kinds = {"half": counts["written"], "written": counts["written"], "renamed": counts["renamed"]}
    every = [Moment(kind, call) for kind, total in kinds.items() for call in range(1, total + 1)]
    steps = [Moment("backward", call) for call in range(1, counts["backward"] + 1)]
    rng = random.Random(seed)
    chosen = rng.sample(steps, min(len(steps), max(points // 3, 1))) if steps else []
    rest = sorted(every, key=lambda one: (one.call, one.what))
    wanted = min(points - len(chosen), len(rest))
    stride = len(rest) / wanted if wanted else 0
    return chosen + [rest[int((k + rng.random()) * stride)] for k in range(wanted)]


def leftovers(folder: Path) -> list[str]:
    """Temporary files and folders below a folder."""
    return [str(path.relative_to(folder)) for path in folder.rglob(".*") if path.suffix in (".tmp", ".old")]


def facts(folder: Path, step: Step) -> Facts:
    """A digest of every file below a folder, without times; locks and the caches' own tables are left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and path.name not in (".lock", "provenance.json") and not step.ignores(name):
            found[name] = hashlib.sha256(step.timeless(name, path.read_bytes())).hexdigest()
    return found


@dataclass
class Outcome:
    """What killing a step found: its moments, and a line for each that did not end as it should."""

    killed: int = 0
    left_behind: int = 0  # moments after which a temporary file lay there, until the step ran again
    faults: list[str] = None  # type: ignore[assignment]
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.faults = self.faults or []


def kill_step(name: str, points: int, seed: int, folder: Path) -> Outcome:
    """Kill a step at some moments, each followed by the same call."""
    step, outcome, started = STEPS[name], Outcome(), time.monotonic()
    template, log = folder / "template", folder / "log"
    template.mkdir(parents=True)
    place = folder / "place"  # each of the runs is in one and the same place

    def fresh() -> None:
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(template, place, symlinks=True)

    template.rename(place)  # prepared where it will run: saved paths are of that place
    status, _ = in_child(lambda: step.prepare(place, seed), log=log)
    if status:
        raise AssertionError(f"{name} could not be prepared: {log.read_text()[-3000:]}")
    shutil.copytree(place, template, symlinks=True)
    status, counts = in_child(lambda: step.run(place, seed), log=log)
    if status:
        raise AssertionError(f"{name} failed undisturbed: {log.read_text()[-3000:]}")
    whole = facts(place, step)
    for moment in moments(counts, points, seed):
        fresh()
        status, _ = in_child(lambda: step.run(place, seed), moment, log)
        if status != -signal.SIGKILL:
            outcome.faults.append(f"{name}, seed {seed}, {moment}: was not killed there (status {status})")
            continue
        outcome.killed += 1
        outcome.left_behind += bool(leftovers(place))
        status, _ = in_child(lambda: step.run(place, seed), log=log)
        again = facts(place, step)
        if status:
            outcome.faults.append(f"{name}, seed {seed}, {moment}: the same call failed: {log.read_text()[-1500:]}")
        elif again != whole:
            differing = sorted(key for key in whole.keys() | again.keys() if whole.get(key) != again.get(key))
            outcome.faults.append(f"{name}, seed {seed}, {moment}: other results: {', '.join(differing[:5])}")
        if left := leftovers(place):
            outcome.faults.append(f"{name}, seed {seed}, {moment}: left behind {', '.join(left[:5])}")
    outcome.seconds = time.monotonic() - started
    return outcome


def main(arguments: list[str]) -> int:
    """Kill some steps, or all; 1 if one did not end as it should."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("steps", nargs="*", metavar="STEP", help=", ".join(STEPS))
    parser.add_argument("--points", type=int, default=7, help="moments of each step (default: 7)")
    parser.add_argument("--seeds", type=int, default=1, help="seeds of the study and of the moments (default: 1)")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--out", type=Path, help="a JSON line a step and seed is added here")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.steps if name not in STEPS]:
        parser.error(f"no step {unknown[0]!r}")
    total, faults = 0, 0
    for seed in range(given.first, given.first + given.seeds):
        for name in given.steps or STEPS:
            STEPS[name].load()
            with tempfile.TemporaryDirectory(prefix="carseg-kill-") as folder:
                outcome = kill_step(name, given.points, seed, Path(folder))
            total, faults = total + outcome.killed, faults + len(outcome.faults)
            print(
                f"{name}, seed {seed}: killed {outcome.killed} times ({outcome.left_behind} left a temporary file), "
                f"{len(outcome.faults)} faults, {outcome.seconds:.0f} s",
                flush=True,
            )
            for fault in outcome.faults:
                print(f"    {fault}", flush=True)
            if given.out:
                with given.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"step": name, "seed": seed} | vars(outcome)) + "\n")
    print(f"{total} kills, {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

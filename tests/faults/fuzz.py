"""Mutation fuzzing of every reader: what is refused is refused by name, and nothing else happens.

    python -m tests.faults.fuzz READER ... --inputs 1000 --seed 0
    python -m tests.faults.fuzz --total 1000000 --out fuzz.jsonl

What is watched of each input:

- the error: a CarsegError, or one that the reader's docstring names;
- what Python does (`sys.addaudithook`): no process, no connection, no file written or opened outside the folder;
- the time: at most SECONDS of the processor;
- the memory: the process may not grow by more than MEMORY, and its address space is limited.
"""

from __future__ import annotations

import argparse
import base64
import collections
import json
import math
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.reader import Reader
from tests.faults.readers import READERS, SHARES, variants

SECONDS = 5.0  # of the processor, an input
MEMORY = 600e6  # bytes, an input
SPACE = 6e9  # bytes of address space beyond what the process has: torch maps much that it does not use
RUNS = {"os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "subprocess.Popen", "pty.spawn"}
NETWORK = {
    "socket.connect",
    "socket.bind",
    "socket.getaddrinfo",
    "socket.sendto",
    "urllib.Request",
    "http.client.connect",
}
CHANGES = {
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
    "shutil.rmtree",
}
BY_DESCRIPTOR = {"os.remove", "os.rmdir"}
CODE = tuple(str(Path(place).resolve()) for place in (sys.prefix, sys.base_prefix, Path(__file__).parents[2]))
SYSTEM = (
    "/proc/self",
    "/sys/",
    "/dev/null",
    "/dev/urandom",
    "/usr/share/zoneinfo",
    "/etc/mime.types",
    "/usr/lib",
    "/lib",
)


class TooLong(BaseException):
    """The input took too long; no `except Exception` of a reader holds it."""


@dataclass
class Found:
    """What fuzzing a reader found.

    Attributes:
        inputs: tried.
        accepted: of them, read without an error.
        refused: of them, refused by a named error, by its class.
        faults: a line each kind of fault → an input that shows it, as {"file", "content" (base64), "trace"}.
        counts: how many inputs showed each.
    """

    inputs: int = 0
    accepted: int = 0
    refused: collections.Counter[str] = field(default_factory=collections.Counter)
    faults: dict[str, dict[str, str]] = field(default_factory=dict)
    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    seconds: float = 0.0
    processor_seconds: float = 0.0


class Watch:
    """The audit hook: what Python did since the last look that a reader has no business to do. It cannot be removed."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.folder is None:
            return
        if event in RUNS or event in NETWORK:
            self.seen.append(event)
        elif event == "open":
            path, _, flags = arguments
            if isinstance(path, int) or path is None:
                return
            text = os.fsdecode(path)
            if ".." in text or not text.startswith("/"):
                text = os.path.realpath(text)
            writes = bool(isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            if text.startswith(self.folder):
                return
            if writes or not text.startswith((*CODE, *SYSTEM)):
                self.seen.append(f"open {'to write' if writes else 'to read'} outside")
        elif event in CHANGES:
            # shutil.rmtree names a file by its folder's descriptor, which is the last argument
            folder = f"/proc/self/fd/{arguments[-1]}" if event in BY_DESCRIPTOR and arguments[-1] >= 0 else ""
            for one in arguments:
                if isinstance(one, str | bytes | os.PathLike):
                    text = os.path.realpath(Path(folder, os.fsdecode(one)))
                    if not text.startswith(self.folder):
                        self.seen.append(f"{event} outside")

    @contextmanager
    def on(self, folder: Path) -> Iterator[None]:
        self.seen.clear()
        self.folder = str(folder.resolve())
        try:
            yield
        finally:
            self.folder = None


WATCH: Watch | None = None


def fuzz(name: str, reader: Reader, inputs: int, seed: int, folder: Path, seconds: float = float("inf")) -> Found:
    """Try broken variants of a reader's files, until their number or the time is over."""
    global WATCH
    WATCH = WATCH or Watch()
    place = folder / name.replace("/", "-")
    place.mkdir(parents=True)
    _plant(folder)
    call = reader.build(place)
    found, rng, started = Found(), random.Random(f"{name} {seed}"), time.monotonic()
    used = time.process_time()
    peak = _peak()
    for path, valid, broken in variants(reader, place, rng):
        if found.inputs == inputs or time.monotonic() - started > seconds:
            break
        path.write_bytes(broken)
        found.inputs += 1
        fault = _try(call, path, place, reader, found)
        if _peak() > peak + MEMORY:
            fault = fault or (f"grew by {(_peak() - peak) / 1e6:,.0f} MB"[:-6] + "00 MB", "")
            peak = _peak()
        if fault:
            kind, trace = fault
            found.counts[kind] += 1
            if kind not in found.faults or len(broken) < len(base64.b64decode(found.faults[kind]["content"])):
                content = base64.b64encode(broken).decode()
                found.faults[kind] = {"file": str(path.relative_to(place)), "content": content, "trace": trace}
        path.write_bytes(valid)
    found.seconds, found.processor_seconds = time.monotonic() - started, time.process_time() - used
    return found


def inputs_of(readers: Sequence[str], total: int) -> dict[str, int]:
    """How many inputs each reader is given of so many, by `readers.SHARES`; rounded up."""
    shares = {name: SHARES[name] for name in readers}
    return {name: math.ceil(total * share / sum(shares.values())) for name, share in shares.items()}


def _plant(folder: Path) -> None:
    """A photo beside the data, which no path in them may reach."""
    from PIL import Image

    Image.new("RGB", (60, 40)).save(folder / "outside.jpg")


def _try(call: Any, path: Path, place: Path, reader: Reader, found: Found) -> tuple[str, str] | None:
    """Call the reader; a line for the kind of fault, and its trace, or None."""
    from carseg_lib.core.errors import CarsegError

    assert WATCH is not None
    fault = None
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        with WATCH.on(place):
            call(path)
        found.accepted += 1
    except CarsegError as error:
        found.refused["CarsegError"] += 1
        text = str(error)
        if "\n" in text or not text.strip() or len(text) > 4000:
            fault = (f"a message of {text.count(chr(10)) + 1} lines, {len(text) // 1000}k characters", text[:3000])
    except (KeyboardInterrupt, SystemExit) as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        fault = ("SystemExit", "")
    except BaseException as error:
        if type(error).__name__ in reader.errors:
            found.refused[type(error).__name__] += 1
        else:
            fault = (_kind(error), traceback.format_exc()[-6000:])
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    seen = [one for one in WATCH.seen if one not in reader.allowed]
    return fault or ((seen[0], "\n".join(seen[:9])) if seen else None)


def _kind(error: BaseException) -> str:
    """The class of an error and the last line of the project that it passed."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "carseg_lib" in frame.filename]
    frames = frames or traceback.extract_tb(error.__traceback__)
    last = frames[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno} {last.line}"


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def _too_long(*_: object) -> None:
    raise TooLong


def main(arguments: list[str]) -> int:
    """Fuzz some readers, or all; 1 if there are faults."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("readers", nargs="*", metavar="READER", help=", ".join(READERS))
    parser.add_argument("--inputs", type=int, default=1000, help="broken files a reader (default: 1000)")
    parser.add_argument("--total", type=int, default=0, help="broken files of all readers, in place of --inputs")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="at most, a reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a JSON line a reader is added here")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.readers if name not in READERS]:
        parser.error(f"no reader {unknown[0]!r}")
    prepare()
    faulty = 0
    names = given.readers or list(READERS)
    inputs = inputs_of(names, given.total) if given.total else dict.fromkeys(names, given.inputs)
    for name in names:
        with tempfile.TemporaryDirectory(prefix="carseg-fuzz-") as folder:
            found = fuzz(name, READERS[name], inputs[name], given.seed, Path(folder), given.seconds)
        faulty += len(found.faults)
        refused = ", ".join(f"{count:,} {kind}" for kind, count in found.refused.items())
        print(
            f"{name}: {found.inputs:,} inputs in {found.seconds:,.0f} s, {found.accepted:,} read, refused: "
            f"{refused or 0}, {sum(found.counts.values()):,} faults of {len(found.faults)} kinds",
            flush=True,
        )
        for kind, count in found.counts.most_common():
            print(f"    {count:,} × {kind}", flush=True)
        if given.out:
            row = {"reader": name, "seed": given.seed, "inputs": found.inputs}
            row |= {"seconds": round(found.seconds, 1), "processor_seconds": round(found.processor_seconds, 1)}
            row |= {
                "read": found.accepted,
                "refused": dict(found.refused),
                "counts": dict(found.counts),
                "faults": found.faults,
            }
            with given.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
    return 1 if faulty else 0


def _in_process(name: str, inputs: int, given: argparse.Namespace) -> bool:
    """Fuzz a reader in a process of its own, whose memory is its own; whether it found a fault or did not end well."""
    words = [name, f"--inputs={inputs}", f"--seed={given.seed}", f"--seconds={given.seconds}"]
    words += [f"--out={given.out}"] if given.out else []
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.faults.fuzz", *words]
    status = subprocess.run(command, check=False).returncode
    if status not in (0, 1):
        print(f"{name}: ended with status {status}", flush=True)
    return status != 0


def prepare() -> None:
    """Time and memory are limited from here on, and nothing is said on the terminal."""
    import logging
    import warnings

    signal.signal(signal.SIGVTALRM, _too_long)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

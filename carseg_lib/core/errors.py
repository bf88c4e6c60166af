"""The exception for mistakes that a user can correct."""

import os
import re

_LONGEST = 2000  # characters
_SECRET = re.compile("KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.I)  # in names of variables of the environment


def secrets_in_environment() -> list[str]:
    """The values of variables whose names say that they hold credentials, the longest first."""
    found = (value for name, value in os.environ.items() if _SECRET.search(name) and len(value) >= 8)
    return sorted(found, key=len, reverse=True)


def without_secrets(text: str) -> str:
    """A text without the values of variables that hold credentials: the error of a download may quote its request."""
    for value in secrets_in_environment():
        text = text.replace(value, "(hidden)")
    return text


def first_line(error: BaseException, most: int) -> str:
    """What an error is and says, without credentials: its first line, of so many characters at most."""
    return f"{type(error).__name__}: {without_secrets(str(error))}".partition("\n")[0][:most]


class CarsegError(Exception):
    """A user's mistake or a broken input: one line with what is wrong, where, and what to do.

    The command line prints its text without a traceback and exits with 2; a notebook shows that line alone. What a file
    says may be part of the text: it is put on one line, and cut where it is longer than any message need be.
    """

    def __init__(self, text: str = "") -> None:
        line = without_secrets(" ".join(text.splitlines()))
        super().__init__(line if len(line) <= _LONGEST else f"{line[: _LONGEST // 2]} … {line[-_LONGEST // 2 :]}")

    def _render_traceback_(self) -> list[str]:  # asked for by IPython
        return [f"carseg: {self}"]


# What Python and torch say where the machine has no more of something, and what to say instead.
_EXHAUSTED = (
    (
        r"MemoryError|can't allocate memory|[Oo]ut of memory|Cannot allocate memory|can't start new thread",
        "The memory is full: use less of it (SET=batch_size=4, SET=num_workers=0, NPROC=1), or end other programs",
    ),
    (
        r"DataLoader worker .*(?:exited unexpectedly|is killed by signal)",
        "A process that loads photos was ended, perhaps for want of memory: SET=num_workers=0 needs less",
    ),
    (r"Errno 28\b|No space left on device", "The disk is full: free some space"),
    (r"Errno 24\b|Too many open files", "Too many files are open: allow more, by ulimit -n, or SET=num_workers=0"),
)


def exhaustion(error: BaseException | str) -> CarsegError | None:
    """The line for an error that says, or whose cause says, that the machine has no more of something; or None.

    Args:
        error: The error, or what is known of it as text: its class, what it says.
    """
    texts = [error] if isinstance(error, str) else []
    one = error if isinstance(error, BaseException) else None
    while one is not None:
        texts.append(f"{type(one).__name__}: {one}")
        one = one.__cause__ or one.__context__
    said = next((said for text in texts for pattern, said in _EXHAUSTED if re.search(pattern, text)), None)
    return CarsegError(f"{said}; the same command goes on from what is finished.") if said else None

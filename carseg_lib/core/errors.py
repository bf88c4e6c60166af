"""The exception for mistakes that a user can correct."""


class CarsegError(Exception):
    """A user's mistake or a broken input: one line with what is wrong, where, and what to do.

    The command line prints its text without a traceback and exits with 2; a notebook shows that line alone.
    """

    def _render_traceback_(self) -> list[str]:  # asked for by IPython
        return [f"carseg: {self}"]

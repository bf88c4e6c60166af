"""The one exception that stands for a mistake a person can mend."""


class CarsegError(Exception):
    """A user's mistake or a broken input: one line that says what is wrong, where, and what to do.

    The command line prints its text without a traceback and exits with 2.
    """

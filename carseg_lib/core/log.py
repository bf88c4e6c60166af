"""Messages for people: modules log, the command line and the notebooks show.

A module says `logger = logging.getLogger(__name__)` and `logger.info(...)`; nothing is shown until a program asks.
"""

from __future__ import annotations

import logging
import sys

_ROOT = "carseg_lib"


class _StdoutHandler(logging.StreamHandler):
    """Writes to what `sys.stdout` is at the time: notebooks and tests replace it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> object:  # type: ignore[override]
        """Standard output."""
        return sys.stdout


def show_log(level: int = logging.INFO) -> None:
    """Show the library's messages on standard output, each as a line of its own; calling it again changes nothing."""
    logger = logging.getLogger(_ROOT)
    logger.setLevel(level)
    if not any(isinstance(handler, _StdoutHandler) for handler in logger.handlers):
        handler = _StdoutHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
    logger.propagate = True

"""Messages for users: modules log them, the command line and the notebooks show them.

A module has `logger = logging.getLogger(__name__)` and calls `logger.info(...)`; `show_log` makes messages visible.
"""

from __future__ import annotations

import logging
import sys


class _StdoutHandler(logging.StreamHandler):
    """Writes to the present `sys.stdout`, which notebooks and tests replace."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> object:
        """Standard output."""
        return sys.stdout


def show_log(level: int = logging.INFO) -> None:
    """Show the library's messages on standard output, a line each; a second call changes nothing."""
    logger = logging.getLogger("carseg_lib")
    logger.setLevel(level)
    if not any(isinstance(handler, _StdoutHandler) for handler in logger.handlers):
        handler = _StdoutHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)

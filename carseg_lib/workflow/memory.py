"""The peak memory of a stage, and an end for the processes that it started."""

from __future__ import annotations

import threading
from contextlib import suppress

import psutil


class MemoryWatch:
    """Measures the peak memory of this process and all it starts, and can end what it started."""

    def __init__(self) -> None:
        self.peak_mb = 0.0  # the largest sum of resident memory seen, 1e6 bytes; shared pages count in each process
        self._started: dict[int, psutil.Process] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        here = psutil.Process()
        while not self._stop.wait(0.25):
            total = 0
            for process in [here, *here.children(recursive=True)]:
                with suppress(psutil.Error):
                    total += process.memory_info().rss
                if process.pid != here.pid:
                    self._started.setdefault(process.pid, process)
            self.peak_mb = max(self.peak_mb, total / 1e6)

    def end_processes(self) -> None:
        """End every process seen that still lives, the kernel's own children too."""
        # psutil compares the time of creation: another program that got the same number is left alone.
        alive = [process for process in self._started.values() if process.is_running()]
        for process in alive:
            with suppress(psutil.Error):
                process.terminate()
        for process in psutil.wait_procs(alive, timeout=3)[1]:
            with suppress(psutil.Error):
                process.kill()

"""The results of a step's batches, shared by several processes and read in order.

Batches are cut as one process would cut them and dealt in whole blocks, so that each photo meets the same others. What
a process finds in its blocks it leaves as files in a folder that all can read, on one machine or several; whoever needs
all results reads them in the batches' order. What is there already and whole is not worked on again, and what is
missing or damaged when it is read is worked on there and then: the folder decides how long it takes, never what comes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from carseg_lib.core import files
from carseg_lib.core.progress import counted
from carseg_lib.engine import distributed

_BLOCK = 32  # photos of a file, or as many as the batches that reach this number have

Batch = Sequence[Any]  # of what is worked on together: indices, paths
_Result = TypeVar("_Result")
Work = Callable[[Sequence[Batch]], Iterable[_Result]]


class Shares:
    """Works on batches, alone or as one of several processes.

    Args:
        folder: of the results, which this class alone writes; None to work alone and keep nothing.
    """

    def __init__(self, folder: Path | None = None):
        self.folder = folder

    def results(
        self, name: str, batches: Sequence[Batch], work: Work[_Result], kind: Any, what: str
    ) -> Iterator[_Result]:
        """The result of each item of the batches, in order; those of other processes once they are there.

        Args:
            name: of the step, and of its folder; it says all that the results follow from and `folder` does not say.
            batches: the same in every process.
            work: yields a result an item, of the batches that it is given; each depends on its batch alone.
            kind: type of a result, of which pydantic makes JSON and which it makes of JSON again, to the last bit.
            what: is done, in words, for the progress.
        """
        if self.folder is None:
            yield from counted(work(batches), what, sum(map(len, batches)))
            return
        self.take(name, batches, work, kind, what)
        adapter = TypeAdapter(list[kind])
        for path, block in self._blocks(name, batches):
            kept = files.read_sealed_json(path)
            yield from work(block) if kept is None else adapter.validate_python(kept["results"])

    def take(self, name: str, batches: Sequence[Batch], work: Work[Any], kind: Any, what: str) -> None:
        """Work on this process's share, then wait until all have; arguments as for `results`."""
        adapter = TypeAdapter(list[kind])
        share = distributed.share_of(self._blocks(name, batches))
        missing = [(path, block) for path, block in share if files.read_sealed_json(path) is None]
        todo = [batch for _, block in missing for batch in block]
        found: Iterator[Any] = iter(work(todo)) if todo else iter(())
        if distributed.rank_and_size()[0] == 0:
            found = counted(found, what, sum(map(len, todo)))
        progress = distributed.logged_progress(what)
        done, total = 0, sum(map(len, todo))
        for path, block in missing:
            results = list(islice(found, sum(map(len, block))))
            files.write_sealed_json(path, {"results": adapter.dump_python(results, mode="json")})
            done += len(results)
            progress(done, total)
        distributed.wait_for_all()

    def remove(self) -> None:
        """Remove what is kept."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _blocks(self, name: str, batches: Sequence[Batch]) -> list[tuple[Path, list[Batch]]]:
        """The file of each block, and its batches."""
        assert self.folder is not None
        blocks: list[list[Batch]] = []
        photos = _BLOCK
        for batch in batches:
            if photos >= _BLOCK:
                blocks.append([])
                photos = 0
            blocks[-1].append(batch)
            photos += len(batch)
        return [(self.folder / name / f"{number:06d}.json", block) for number, block in enumerate(blocks)]


ALONE = Shares()

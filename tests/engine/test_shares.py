import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carseg_lib.core import files
from carseg_lib.engine import distributed, shares
from carseg_lib.engine.distributed import share_of
from carseg_lib.engine.inference import Detection
from carseg_lib.engine.shares import ALONE, Shares

BATCHES = [range(start, start + 3) for start in range(0, 30, 3)]


def detections(i: int) -> list[Detection]:
    """Of one photo, with values that only the last bit tells from others."""
    score = float(np.nextafter(np.float32(1 / (i + 3)), np.float32(1)))
    one = Detection("suv", score, (0.1 * i, 1 / 3, 2.0, 1e-17), "counts", (score, 1 - score), None, score / 3)
    return [one] * (i % 3)


class Worker:
    """Yields each item's detections, and remembers the batches that it was given."""

    def __init__(self):
        self.batches = []

    def __call__(self, batches):
        self.batches += batches
        return (detections(i) for batch in batches for i in batch)


def results(part: Shares, worker: Worker) -> list[list[Detection]]:
    return list(part.results("photos", BATCHES, worker, list[Detection], "photos predicted"))


@pytest.fixture
def worked(tmp_path, monkeypatch, caplog):
    """What two processes did, one after the other."""
    caplog.set_level("INFO", logger="carseg_lib")
    workers = [Worker(), Worker()]
    monkeypatch.setattr(shares, "_BLOCK", 6)
    with monkeypatch.context() as processes:
        processes.setattr(distributed, "wait_for_all", lambda: None)
        processes.setenv("TORCHELASTIC_RUN_ID", "none")
        processes.setenv("WORLD_SIZE", "2")
        for rank, worker in enumerate(workers):
            processes.setenv("RANK", str(rank))
            Shares(tmp_path / "s").take("photos", BATCHES, worker, list[Detection], "photos predicted")
    return Shares(tmp_path / "s"), workers


def test_shares_are_whole_batches_and_all_results_come_in_order(worked, caplog):
    part, (first, second) = worked
    assert first.batches == [range(start, start + 3) for start in (0, 3, 12, 15, 24, 27)]
    assert sorted(first.batches + second.batches, key=lambda batch: batch.start) == BATCHES
    assert caplog.get_records("setup")[-1].getMessage() == "photos predicted: 12 of 12 photos, 0 s left"
    reader = Worker()
    assert results(part, reader) == results(ALONE, Worker()) == [detections(i) for i in range(30)]
    assert not reader.batches  # all was there
    part.remove()
    assert not part.folder.exists()


def test_what_is_missing_or_damaged_is_worked_on_again(worked):
    part, _ = worked
    (part.folder / "photos" / "000001.json").unlink()
    content = files.read_json(part.folder / "photos" / "000003.json")
    files.write_json(part.folder / "photos" / "000003.json", content | {"results": content["results"][:-1]})
    reader = Worker()
    assert results(part, reader) == [detections(i) for i in range(30)]
    assert reader.batches == [range(6, 9), range(9, 12), range(18, 21), range(21, 24)]


@given(st.integers(0, 50), st.integers(1, 9))
def test_every_item_is_dealt_once(items, processes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHELASTIC_RUN_ID", "none")
        patch.setenv("WORLD_SIZE", str(processes))
        dealt = []
        for rank in range(processes):
            patch.setenv("RANK", str(rank))
            dealt.append(share_of(range(items)))
    assert sorted(item for share in dealt for item in share) == list(range(items))
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1

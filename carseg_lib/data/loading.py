"""The order of photos in an epoch, batches shared by processes, and the loader that reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from carseg_lib.data.dataset import sample_seed
from carseg_lib.data.rounding import largest_remainders


def balanced_epoch_order(body_types: pd.Series, epoch: int, seed: int, class_balance: float) -> list[tuple[int, int]]:
    """The photos of one training epoch, as many as there are, shuffled.

    Each type has a quota, the same every epoch: its number of photos to the power 1 - class_balance, scaled. Passes
    over the type's photos, each in a new order, fill it: within a type, every photo comes as often as the others, and a
    photo that comes twice in an epoch gets other random steps.

    Args:
        body_types: The type of each photo.
        epoch: Number of the epoch, from 1.
        seed: Seed of all orders.
        class_balance: 0: every photo comes once; 1: every type comes as often as the others.

    Returns:
        Pairs (pass, i) of photo i: indices of `CarDataset`.
    """
    counts = body_types.value_counts().sort_index()
    chosen = []
    for body_type, quota in class_quotas(counts, class_balance).items():
        of_type = np.flatnonzero(body_types == body_type)
        taken = order_in_passes(len(of_type), quota, epoch, seed, f"order of {body_type}")
        chosen += [(int(of_type[i]), number) for number, i in taken]
    chosen.sort()
    return [chosen[k][::-1] for k in _shuffle(len(chosen), sample_seed(seed, epoch, "order"))]


def order_in_passes(photos: int, quota: int, epoch: int, seed: int, name: str) -> list[tuple[int, int]]:
    """A number of photos for one epoch, by passes over all of them that go on from epoch to epoch.

    Args:
        photos: Number of photos; at least 1 if the quota is.
        quota: How many an epoch has, the same every epoch.
        epoch: Number of the epoch, from 1.
        seed: Seed of the passes' orders.
        name: Text that names them.

    Returns:
        Pairs (pass, i) of photo i, in the order of the passes.
    """
    passes: dict[int, np.ndarray] = {}
    taken = []
    for position in range((epoch - 1) * quota, epoch * quota):
        number, rank = position // photos + 1, position % photos
        if number not in passes:
            passes[number] = _shuffle(photos, sample_seed(seed, number, name))
        taken.append((number, int(passes[number][rank])))
    return taken


def mix_orders(
    cars: Sequence[tuple[int, int]], others: Sequence[tuple[int, int]], epoch: int, seed: int
) -> list[tuple[int, int]]:
    """Two orders as one, at random places by the seed; the photos of cars keep their order among themselves."""
    places = _shuffle(len(cars) + len(others), sample_seed(seed, epoch, "places of photos without a car"))
    mixed = dict(zip(places[: len(others)].tolist(), others, strict=True))
    rest = iter(cars)
    return [mixed[k] if k in mixed else next(rest) for k in range(len(places))]


def class_quotas(counts: pd.Series, class_balance: float) -> dict[str, int]:
    """Whole numbers with the sum of the counts, by largest remainder."""
    wanted = counts.astype(float) ** (1 - class_balance)
    wanted *= counts.sum() / wanted.sum()
    return dict(zip(counts.index, largest_remainders(wanted.to_numpy()).tolist(), strict=True))


def _shuffle(n: int, seed: int) -> np.ndarray:
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed)).numpy()


class DistributedBatchSampler(Sampler):
    """Batches of indices for one process of several; all processes know the same global batches and share each.

    Batches have `batch_size` photos over all processes, or one or a few fewer where that does not divide their number:
    a last batch of a few photos would weigh them more than the others.

    Args:
        order: Indices of a `PhotoDataset`.
        batch_size: Most photos per step over all processes.
        rank: Number of this process, from 0.
        processes: Number of processes.
    """

    def __init__(self, order: Sequence[tuple[int, int]], batch_size: int, rank: int = 0, processes: int = 1):
        batches = np.array_split(np.arange(len(order)), max(-(-len(order) // batch_size), 1))
        self.smallest = len(batches[-1])
        self.batches = [[order[k] for k in batch[rank::processes]] for batch in batches]

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def collate(items: list[tuple[Tensor, dict]]) -> tuple[Tensor, list[dict]]:
    """Photos of one size → images (B, 3, H, W), channels last, and their targets; no photos → no images."""
    if not items:  # validation shared by more processes than its last batch has photos
        return torch.empty(0), []
    images, targets = zip(*items, strict=True)
    batch = torch.stack([image.permute(1, 2, 0) for image in images])
    return batch.permute(0, 3, 1, 2), list(targets)


def make_loader(
    dataset: Dataset, batches: DistributedBatchSampler | Sequence[Any], workers: int = 0, *, pin: bool = False
) -> DataLoader:
    """A loader of the given batches of indices, with `workers` processes that read photos ahead.

    With `pin` they lie in page-locked memory, which a GPU copies while it computes.
    """
    options: dict[str, Any] = {"prefetch_factor": 4, "multiprocessing_context": "forkserver"} if workers else {}
    return DataLoader(
        dataset, batch_sampler=batches, collate_fn=collate, num_workers=workers, pin_memory=pin, **options
    )

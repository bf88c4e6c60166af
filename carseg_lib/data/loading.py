"""The order of photos in an epoch, batches shared by processes, and the loader that reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from carseg_lib.data.dataset import CarDataset, sample_seed
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
        passes: dict[int, np.ndarray] = {}
        for position in range((epoch - 1) * quota, epoch * quota):
            number, rank = position // len(of_type) + 1, position % len(of_type)
            if number not in passes:
                passes[number] = _shuffle(len(of_type), sample_seed(seed, number, f"order of {body_type}"))
            chosen.append((int(of_type[passes[number][rank]]), number))
    chosen.sort()
    return [chosen[k][::-1] for k in _shuffle(len(chosen), sample_seed(seed, epoch, "order"))]


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
        order: Indices of a `CarDataset`.
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


def make_loader(dataset: CarDataset, batches: DistributedBatchSampler, workers: int = 0) -> DataLoader:
    """A loader of the given batches, with `workers` processes that read photos ahead."""
    options: dict[str, Any] = {"prefetch_factor": 4, "multiprocessing_context": "forkserver"} if workers else {}
    return DataLoader(dataset, batch_sampler=batches, collate_fn=collate, num_workers=workers, **options)

"""Training photos of two sources in one data set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from carseg_lib.core.config import InputConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import CarDataset
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.splits import assign_splits
from carseg_lib.experiments.mixture import mixed_dataset


@pytest.fixture
def sources(places) -> tuple[Catalogue, Catalogue]:
    """Two sources of 16 training photos each."""
    own, other = (assign_splits(load_catalogue(places[name]), seed=0) for name in ("real", "rendered-full"))
    return own, other


def test_photos_of_both_sources_are_learned_from_and_the_own_ones_alone_watch(sources, tmp_path):
    own, other = sources
    mixed = mixed_dataset(own, other, 3, tmp_path)
    expected = {f"own/{name}" for name in own.photos.photo_id}
    expected |= {f"added/{name}" for name in other.split("train").photos.photo_id}
    assert set(mixed.photos.photo_id) == expected and mixed.photos.photo_id.is_monotonic_increasing
    assert set(mixed.split("validation").photos.photo_id) == {
        f"own/{n}" for n in own.split("validation").photos.photo_id
    }
    assert set(mixed.instances.photo_id) == expected and mixed.has_masks == own.has_masks

    saved = tmp_path / "saved"
    mixed.save(saved)
    loaded = CarDataset(Catalogue.load(saved), "train", InputConfig(), seed=0)
    for i in range(len(loaded)):
        source, name = loaded.name(i).split("/", 1)
        root = {"own": own, "added": other}[source].root
        assert np.array_equal(loaded.load(i)[0], np.asarray(Image.open(root / name).convert("RGB")))


def test_as_many_photos_are_added_as_there_are_own_ones_whatever_the_order(sources, tmp_path):
    own, other = sources
    fewer = own.without(own.split("train").photos.photo_id[:8], "not sampled", pd.Series([""] * 8))
    mixed = mixed_dataset(fewer, other, 3, tmp_path)
    assert mixed.split("train").photos.photo_id.str.startswith("added/").sum() == 8
    assert mixed.fingerprint == mixed_dataset(fewer, other, 3, tmp_path / "elsewhere").fingerprint
    assert mixed.fingerprint != mixed_dataset(fewer, other, 4, tmp_path).fingerprint  # another sample


def test_masks_of_some_cars_alone_are_never_learned(sources, tmp_path):
    own, other = sources
    bare = replace(own, instances=own.instances.assign(mask="", mask_origin="none"))
    assert not (mixed_dataset(bare, other, 0, tmp_path).instances["mask"] != "").any()
    with pytest.raises(CarsegError, match="has no masks"):
        mixed_dataset(other, bare, 0, tmp_path)


def test_other_body_types_are_refused(sources, tmp_path):
    own, other = sources
    with pytest.raises(CarsegError, match="has the body types minivan, suv"):
        mixed_dataset(own, replace(other, body_types=("minivan", "suv")), 0, tmp_path)

"""The data card of a rendered data set: contents, making, limits."""

from __future__ import annotations

from collections import Counter
from typing import Any

from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.data.catalogue import SPLITS
from carseg_rendering.dataset.background_plan import EMPTY, FAMILY_SHARES, background_splits
from carseg_rendering.dataset.plan import DatasetPlan
from carseg_rendering.dataset.shards import Shard, renderer_versions

# The parameters whose shares the card lists.
COUNTED = ("view", "light", "ground", "background", "occluder", "roof")
_CARD = """# Rendered cars

{photos:,} photos that no camera took: cars of four body types, modelled by parameters and path-traced. Type, box
and mask of every car are exact, and all that a photo was made from stands in a table. Made for carseg, a study of
Mask R-CNN on car body types.

Licence: CC0 1.0 (public domain), https://creativecommons.org/publicdomain/zero/1.0/. No photograph, texture, 3D
model or brand of anyone is in it.

## What is in it

| photos | {splits} | all |
|---|{rules}---:|
{counts}

The photos of a type are unevenly many, as in real sets. {cars:,} cars are labelled: besides each photo's main car,
those that stand about. JPEG, {width} × {height} pixels.

- `images/NNNNN.jpg`: the photos. A photo depends on its number, the seed and the version of the renderer, nothing
  else.
- `annotations/{{train,validation,test}}.json`: COCO instances, categories 1 to 4.
- `parameters.csv`: a row a photo (`photo_id` is COCO's `file_name`): view, camera, light, place, paint, and the
  car's shape (`shape_*`, in metres, degrees or shares).
- `strips/`: one car in a row of frames, with the parameter that the file is named after varied from left to right.
- `SHA256SUMS`: `sha256sum -c SHA256SUMS` checks it all.

How many photos have which view and light, and stand where:

{shares}

## Boxes and masks

A mask holds the pixels of which at least half is seen to be that car, at {points} × {points} points a pixel: no
half-transparent edge. What hides a car is cut out of its mask; its shadow and its mirror image are not in it; what is
seen through its windows is. Motion blur and the lens' blur smear the photo, not the mask, which belongs to the middle
of the exposure. A box is its mask's extent to the pixel. A photo's type is that of its main car, which has the
largest box.

{background}## How it was made

`make dataset` of carseg ({plan}), with {packages}. A type has several body styles, drawn from ranges of real
proportions that overlap between types (`shape_style` in `parameters.csv`); scenes are drawn at random, with an eye on
how cars for sale are photographed. A pixel has {samples} light paths; Intel's Open Image Denoise, a network that was
trained on path-traced pictures, takes their noise out, then a simulated camera adds blur, noise, sharpening and JPEG of
its own. The same code, packages and kind of processor give the same bytes.

## What it is not

- No real cars: no makes, no models, no wear beyond dust. What tells the types apart here is body shape alone; real
  types are told apart by makes and fashions, too.
- Four types, one main car a photo. Pick-ups, estates, hatchbacks, coupés, vans and lorries are absent.
- The places are simple, few and repeated; people are shapes; there is no night, no rain, no crowd.
- Shares of types, views, colours and light are chosen, not measured. A model that does well here has shown that it
  can tell these shapes apart, not that it can do so in the street.
"""
_BACKGROUND = "## Pictures without a car\n"
_AFTER_BACKGROUND = "## How it was made\n"
_BACKGROUND_SECTION = """{heading}
{count:,} pictures show no car, so that a detector learns, and is measured on, whether there is a car at all. They are
rendered as the photos of cars are, in the same places and light: empty scenes, and {kinds} kinds of things that are no
cars, as large in the middle as the cars are. They are not among the photos counted above, nor in the COCO files.

- `images/background/<split>/NNNNN.jpg`: the pictures, {width} × {height} pixels. A test split has a fifth as many as
  photos of cars, the others a tenth.
- `background.csv`: a row a picture (`photo_id`, `split`): family and kind of the thing, number of things (`pieces`),
  its share of the picture's width and height, and the scene's columns of `parameters.csv`.

| pictures | {splits} | all |
|---|{rules}---:|
{counts}

"Empty scene" has nothing where a car would stand; "surfaces" fill the picture with bricks, cloth, grass and the like;
"car parts" are wheels, tyres, bumpers, bonnets, doors, seats, alone. Everything was modelled by parameters for this
data set: CC0 1.0, as the rest.

"""


def dataset_card(plan: DatasetPlan, shards: list[Shard], splits: list[str], backgrounds: list[Shard]) -> str:
    """The text of README.md in a data set.

    Args:
        plan: The plan of the data set.
        shards: Its photos, by index.
        splits: The split of each photo, by index.
        backgrounds: Its pictures without a car, by index.
    """
    counts = Counter((shard["cars"][0]["body_type"], split) for shard, split in zip(shards, splits, strict=True))
    rows: list[list[Any]] = [[body_type, *(counts[body_type, split] for split in SPLITS)] for body_type in BODY_TYPES]
    rows.append(["all", *(sum(row[k] for row in rows) for k in range(1, len(SPLITS) + 1))])
    height, width = shards[0]["cars"][0]["segmentation"]["size"]
    from carseg_rendering.camera.render import SAMPLES, SUBSAMPLES

    packages = ", ".join(f"{name} {version}" for name, version in renderer_versions().items())
    return _CARD.format(
        photos=plan.photos,
        splits=" | ".join(SPLITS),
        rules="---:|" * len(SPLITS),
        counts="\n".join(_row([name, *numbers, sum(numbers)]) for name, *numbers in rows),
        cars=sum(len(shard["cars"]) for shard in shards),
        width=width,
        height=height,
        shares="\n".join(_shares(shards, name) for name in COUNTED),
        plan=f"{plan.photos:,} photos, seed {plan.seed}, version {plan.realism}",
        packages=packages,
        points=SUBSAMPLES,
        samples=SAMPLES,
        background=background_section(plan, backgrounds),
    )


def background_section(plan: DatasetPlan, backgrounds: list[Shard]) -> str:
    """The card's section on the pictures without a car: where they are, and how many of each family.

    Args:
        plan: The plan of the data set.
        backgrounds: The pictures, by index.
    """
    from carseg_rendering.camera.tracing import HEIGHT, WIDTH

    pairs = zip(backgrounds, background_splits(plan), strict=True)
    counts = Counter((shard["parameters"]["family"], split) for shard, split in pairs)
    things = {(shard["parameters"]["family"], shard["parameters"]["kind"]) for shard in backgrounds}
    rows: list[list[Any]] = [[family, *(counts[family, split] for split in SPLITS)] for family in FAMILY_SHARES]
    rows.append(["all", *(sum(row[k] for row in rows) for k in range(1, len(SPLITS) + 1))])
    return _BACKGROUND_SECTION.format(
        heading=_BACKGROUND,
        count=len(backgrounds),
        kinds=sum(family != EMPTY for family, _ in things),
        width=WIDTH,
        height=HEIGHT,
        splits=" | ".join(SPLITS),
        rules="---:|" * len(SPLITS),
        counts="\n".join(_row([name, *numbers, sum(numbers)]) for name, *numbers in rows),
    )


def with_background_section(card: str, section: str) -> str:
    """A data set's card with the section on its pictures without a car put in, or put in anew.

    Args:
        card: The card of a rendered data set.
        section: As of `background_section`.

    Raises:
        ValueError: The card is of another form.
    """
    before, found, after = card.partition(_AFTER_BACKGROUND)
    if not found:
        raise ValueError(f"the card has no section {_AFTER_BACKGROUND.strip()!r}")
    return before.partition(_BACKGROUND)[0].rstrip("\n") + f"\n\n{section}{found}{after}"


def _row(cells: list[Any]) -> str:
    return "| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in cells) + " |"


def _shares(shards: list[Shard], name: str) -> str:
    """A line with the share of each level of a parameter, most frequent first."""
    found = Counter(str(shard["parameters"][name]) for shard in shards)
    levels = ", ".join(f"{level} {number / len(shards):.0%}" for level, number in found.most_common())
    return f"- {name}: {levels}"

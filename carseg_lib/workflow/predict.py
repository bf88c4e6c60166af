"""A trained model on your own photos: an overlay PNG and a JSON for each."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from carseg_lib.core import files
from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.run import Run
from carseg_lib.data.cache import cache_side
from carseg_lib.data.dataset import preprocess
from carseg_lib.data.formats.image_folder import PHOTO_SUFFIXES
from carseg_lib.data.masks import decode_mask
from carseg_lib.data.photos import ImageError, read_photo
from carseg_lib.engine.inference import Detection, detect, load_trained
from carseg_lib.reporting.palette import class_color
from carseg_lib.reporting.plots.overlay import overlay

LARGEST_SIDE = (
    1600  # pixels of the overlay; a phone's photo is shown smaller, its JSON is in the photo's own pixels
)


def predict_path(
    run: Run, photo: Path, folder: Path, progress: Callable[[str], None] = print
) -> list[tuple[Path, str]]:
    """Writes an overlay (`car.jpg.png`) and a JSON (`car.jpg.json`) for a photo or each photo of a folder.

    Args:
        study: of a trained run.
        photo: a file, or a folder that is searched with its subfolders.
        folder: where the results go; a photo in a subfolder keeps it.
        progress: is given a line for each photo.

    Returns:
        Each photo read, with its answer ("no car found" included). Photos that cannot be read are told and left out.

    Raises:
        CarsegError: there is no such file or folder, it holds no photo, or none that can be read.
    """
    if not photo.exists():
        raise CarsegError(f"PHOTO={photo}: there is no such file or folder")
    root = photo if photo.is_dir() else photo.parent
    paths = [photo]
    if photo.is_dir():
        candidates = (p for p in photo.rglob("*") if p.is_file() and p.suffix.lower() in PHOTO_SUFFIXES)
        paths = sorted(p for p in candidates if not p.name.startswith("."))
    if not paths:
        raise CarsegError(f"PHOTO={photo}: this folder holds no photo ({', '.join(PHOTO_SUFFIXES)})")
    model, card = load_trained(run.config, run)
    answers: list[tuple[Path, str]] = []
    for path in paths:
        try:
            image = read_photo(path)
            seen = np.array(read_photo(path, cache_side(run.config.inputs.size)))
        except ImageError as bad:
            progress(f"{path}: left out ({bad})")
            continue
        found = next(
            detect(
                model,
                [(preprocess(seen, run.config.inputs.size), [image.size])],
                card["body_types"],
                run.config.model,
            )
        )
        stem = folder / path.relative_to(root)
        files.make_folder(stem.parent)
        write_prediction(path, image, found, stem, tuple(card["body_types"]))
        answer = f"{found[0].body_type}, score {found[0].score:.2f}" if found else "no car found"
        progress(f"{path}: {answer} -> {stem.name}.png, {stem.name}.json")
        answers.append((path, found[0].body_type if found else "no car found"))
    if not answers:
        raise CarsegError(f"PHOTO={photo}: no photo in it can be read")
    return answers


def write_prediction(
    path: Path,
    image: Image.Image,
    found: list[Detection],
    stem: Path,
    body_types: tuple[str, ...] = BODY_TYPES,
) -> None:
    """Writes the overlay and the JSON of one photo; `stem` is their path without .png and .json."""
    width, height = image.size
    best = found[0] if found else None
    picture = image
    if best:
        mask = decode_mask(best.mask, height, width) if best.mask else None
        tone = class_color(best.body_type, body_types)
        picture = overlay(image, best.box, mask, f"{best.body_type} {best.score:.2f}", colour=tone)
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    with files.atomic(stem.parent / f"{stem.name}.png") as temporary:
        picture.save(temporary, format="PNG")
    content = {
        "photo": path.name,
        "width": width,
        "height": height,
        "answer": best.body_type if best else None,
        "detections": [
            {
                "body_type": one.body_type,
                "score": one.score,
                "box": list(one.box),
                "mask": {"size": [height, width], "counts": one.mask} if one.mask else None,
            }
            for one in found
        ],
    }
    files.write_json(stem.parent / f"{stem.name}.json", content)

"""Find the cars in photos with model.onnx beside this file: the type, the score and a mask of each photo's best car.

    pip install onnxruntime numpy pillow
    python run_model.py photo.jpg …

Writes photo.jpg.mask.png, white where the car is. Nothing but these three packages is needed.
"""

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def open_photo(path: Path, longest_side: int) -> tuple[tuple[int, int], np.ndarray]:
    """A photo's width and height, and its pixels (h, w, 3) uint8: upright RGB on white, shrunk as for training."""
    with Image.open(path) as image:
        shrink, turned = longest_side / max(image.size), image.getexif().get(0x0112, 1)
        size = (image.width, image.height) if turned < 5 else (image.height, image.width)
        if shrink < 1:
            image.draft(None, (round(2 * shrink * image.width), round(2 * shrink * image.height)))
        photo = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if photo.mode == "RGBA":
        photo = Image.alpha_composite(Image.new("RGBA", photo.size, "white"), photo).convert("RGB")
    photo.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    photo.getexif()[0x0112] = turned
    return size, np.asarray(ImageOps.exif_transpose(photo))


def weights(start: float, end: float, cells: int, size: int) -> tuple[slice, np.ndarray]:
    """The pixels whose centres lie between two edges, and the weight of each cell of a mask at each of them."""
    first, last = max(math.ceil(start - 0.5), 0), min(math.ceil(end - 0.5), size)
    centres = np.arange(first, max(last, first)) + 0.5
    at = ((centres - start) / max(end - start, 1e-6) * cells - 0.5).clip(0, cells - 1)
    return slice(first, max(last, first)), (1 - abs(at[:, None] - np.arange(cells))).clip(0)


def paste(mask: np.ndarray, box: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """The mask of a box as a picture of the whole photo: 255 where the car is."""
    rows, down = weights(box[1], box[3], mask.shape[0], size[1])
    columns, across = weights(box[0], box[2], mask.shape[1], size[0])
    picture = np.zeros((size[1], size[0]), np.uint8)
    picture[rows, columns] = 255 * (down @ mask @ across.T >= 0.5)
    return Image.fromarray(picture)


def find(session: onnxruntime.InferenceSession, path: Path) -> Iterator[tuple[str, float, np.ndarray, Image.Image]]:
    """All cars of a photo, best first: type, score, box (x1, y1, x2, y2) in its pixels, and mask."""
    about = json.loads(session.get_modelmeta().custom_metadata_map["carseg"])
    size, photo = open_photo(path, about["longest_side"])
    scale = np.array([size[0] / photo.shape[1], size[1] / photo.shape[0]] * 2)
    boxes, labels, scores, _, masks, car_scores = session.run(None, {"photo": photo})
    for box, label, score, mask, car in zip(boxes * scale, labels, scores, masks, car_scores, strict=True):
        if car >= about["car_threshold"]:
            yield about["body_types"][label - 1], float(score), box, paste(mask, box, size)


def main(paths: list[str]) -> None:
    """Print and write what is found in each photo."""
    session = onnxruntime.InferenceSession(Path(__file__).with_name("model.onnx"))
    for path in paths:
        best = next(find(session, Path(path)), None)
        if best is None:
            print(f"{path}: no car")
            continue
        body_type, score, box, mask = best
        mask.save(f"{path}.mask.png")
        print(f"{path}: {body_type}, score {score:.2f}, box {', '.join(f'{edge:.0f}' for edge in box)}")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Labels that cannot be true: each kind is refused or counted, and honest labels are not touched."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.boxes import box_iou
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.formats.detect import detect_and_list
from carseg_lib.data.formats.segmentations import tidy
from carseg_lib.data.loader import load_catalogue, read_listing
from carseg_lib.data.masks import box_of_mask, decode_mask, encode_mask, mask_iou
from carseg_lib.data.orientation import turn_mask
from carseg_lib.data.remarks import REASONS
from tests.helpers.dataset_formats import voc_object, voc_xml, write_csv
from tests.helpers.drawn_cars import SPLITS, TYPES, draw_car, make_car_photos

WIDTH, HEIGHT = 120, 80
N = 24


@pytest.fixture(scope="module")
def honest(tmp_path_factory) -> Path:
    return make_car_photos(tmp_path_factory.mktemp("labels") / "cars", 6, (WIDTH, HEIGHT))


@pytest.fixture(scope="module")
def truth(honest) -> Catalogue:
    return load_catalogue(honest)


def tables(folder: Path) -> dict[str, Any]:
    return {split: json.loads((folder / "annotations" / f"{split}.json").read_text()) for split in SPLITS}


def changed(honest: Path, folder: Path, change: Callable[[dict[str, Any], dict[str, Any]], Any]) -> Path:
    """A copy of the drawn cars in which a function has changed each image's entry and annotation."""
    shutil.copytree(honest, folder)
    for split, table in tables(folder).items():
        for image, annotation in zip(table["images"], table["annotations"], strict=True):
            change(image, annotation)
        (folder / "annotations" / f"{split}.json").write_text(json.dumps(table))
    return folder


def polygons(annotation: dict[str, Any]) -> list[list[float]]:
    """Rows of a mask as polygons, each of the run of a row's pixels."""
    mask = decode_mask(annotation["segmentation"]["counts"], HEIGHT, WIDTH)
    rows = [(y, np.flatnonzero(mask[y])) for y in range(HEIGHT) if mask[y].any()]
    left = [edge for y, xs in rows for edge in (float(xs[0]), y + 0.5)]
    right = [edge for y, xs in reversed(rows) for edge in (float(xs[-1] + 1), y + 0.5)]
    return [left + right]


def run_lengths(mask: np.ndarray) -> dict[str, Any]:
    return {"size": list(mask.shape), "counts": encode_mask(mask)}


def mask_of(annotation: dict[str, Any]) -> np.ndarray:
    return decode_mask(annotation["segmentation"]["counts"], HEIGHT, WIDTH)


def set_mask(annotation: dict[str, Any], mask: np.ndarray) -> None:
    annotation["segmentation"] = run_lengths(mask)


def corners(annotation: dict[str, Any]) -> None:
    x, y, w, h = annotation["bbox"]
    annotation["bbox"] = [x, y, x + w, y + h]


def scaled(factor: float) -> Callable[[dict[str, Any]], None]:
    def change(annotation: dict[str, Any]) -> None:
        annotation["bbox"] = [factor * v for v in annotation["bbox"]]
        annotation.pop("segmentation", None)

    return change


def shares(annotation: dict[str, Any]) -> None:
    parts = [[v / (WIDTH, HEIGHT)[k % 2] for k, v in enumerate(part)] for part in polygons(annotation)]
    annotation["segmentation"] = parts


# ---------------------------------------------------------------- whole sets


@pytest.mark.parametrize(
    ("change", "bad", "words"),
    [
        (lambda i, a: corners(a), N, "the last two numbers"),
        (lambda i, a: (corners(a), a.pop("segmentation")), None, "must be width and height"),
        (lambda i, a: shares(a), N, "shares of the photo, not pixels"),
        (lambda i, a: set_mask(a, ~mask_of(a)), N, "car and ground are exchanged"),
        (lambda i, a: (set_mask(a, ~mask_of(a)), a.pop("bbox")), N, "car and ground are exchanged"),
        (lambda i, a: set_mask(a, np.ones((HEIGHT, WIDTH), bool)), N, "is the whole photo; draw the car alone"),
        (lambda i, a: set_mask(a, np.arange(WIDTH * HEIGHT).reshape(HEIGHT, WIDTH) == 5), N, "has 1 of 9,600 pixels"),
        (lambda i, a: set_mask(a, np.roll(mask_of(a), 50, axis=1)), None, "is outside of its box"),
        (
            lambda i, a: a.update(bbox=[0, 0, WIDTH, HEIGHT], segmentation=[[0, 0, 9, 0, 9, 9]]),
            N,
            "takes 1% of its box",
        ),
        (lambda i, a: (scaled(1.5)(a), i.pop("width")), None, "labels of photos 1."),
        (
            lambda i, a: i.update(width=2 * WIDTH, height=2 * HEIGHT),
            N,
            "it was scaled afterwards by 0.5; use the photo",
        ),
        (lambda i, a: i.update(width=str(HEIGHT), height=str(WIDTH)), N, "it was turned afterwards; turn it back"),
        (lambda i, a: a.update(bbox=[0.1, 0.2, 0.5, 0.6], segmentation=None), N, "multiply them by its width and"),
    ],
)
def test_a_set_of_labels_that_cannot_be_true_is_refused(honest, tmp_path, change, bad, words):
    folder = changed(honest, tmp_path / "cars", change)
    with pytest.raises(CarsegError, match=r"of 24 photos .* cannot be used: ") as caught:
        load_catalogue(folder)
    message = str(caught.value)
    assert words in message and "\n" not in message
    assert bad is None or f": {bad} of 24 photos (100.0%" in message


@pytest.mark.parametrize(
    ("change", "reason", "words", "least"),
    [
        (lambda a: a.update(segmentation=polygons(a)[0]), "mask in another form", "one flat list of numbers", 0.75),
        (
            lambda a: a.update(segmentation=np.reshape(polygons(a)[0], (-1, 2)).tolist()),
            "mask in another form",
            "a list of points",
            0.75,
        ),
        (
            lambda a: a.update(segmentation=[np.reshape(polygons(a)[0], (-1, 2)).tolist()]),
            "mask in another form",
            "lists of points",
            0.75,
        ),
        (
            lambda a: a.update(segmentation=[*polygons(a), [1, 1, 2, 2], [3, 3]]),
            "stray parts of a mask",
            "2 of 3 parts",
            0.75,
        ),
        (
            lambda a: a["segmentation"].update(counts=str(a["segmentation"]["counts"].encode())),
            "mask in another form",
            "b'...'",
            1,
        ),
    ],
)
def test_masks_in_other_forms_are_read_and_counted(honest, truth, tmp_path, change, reason, words, least):
    catalogue = load_catalogue(changed(honest, tmp_path / "cars", lambda image, annotation: change(annotation)))
    assert catalogue.excluded[["photo_id", "reason"]].values.tolist() == [["images/", reason]]
    assert catalogue.excluded["detail"].item().startswith("24 photos; the first: ")
    assert words in catalogue.excluded["detail"].item()
    for found, true in zip(catalogue.instances["mask"], truth.instances["mask"], strict=True):
        assert mask_iou(decode_mask(found, HEIGHT, WIDTH), decode_mask(true, HEIGHT, WIDTH)) >= least


def test_honest_sets_give_no_line(honest, truth, tmp_path):
    assert truth.excluded.empty
    for k, change in enumerate(
        (
            lambda i, a: a.update(segmentation=polygons(a)),
            lambda i, a: a.pop("segmentation"),
            lambda i, a: a.pop("bbox"),
            lambda i, a: (i.pop("width"), i.pop("height")),
            lambda i, a: a.update(bbox=[a["bbox"][0] - 1, a["bbox"][1] - 1, a["bbox"][2] + 2, a["bbox"][3] + 2]),
            lambda i, a: i.update(width=0, height=None),
        )
    ):
        catalogue = load_catalogue(changed(honest, tmp_path / f"cars-{k}", change))
        assert catalogue.excluded.empty, k
        assert len(catalogue.photos) == N


def test_labels_that_reach_beyond_all_sides_are_cut_and_counted(honest, tmp_path):
    def larger(image: dict[str, Any], annotation: dict[str, Any]) -> None:
        annotation["bbox"] = [-20, -10, WIDTH + 40, HEIGHT + 20]
        del annotation["segmentation"]

    catalogue = load_catalogue(changed(honest, tmp_path / "cars", larger))
    assert catalogue.excluded["reason"].tolist() == ["cut at the photo's edge"]
    assert "reaches 20 pixels beyond it" in catalogue.excluded["detail"].item()
    assert catalogue.instances[["x1", "y1", "x2", "y2"]].drop_duplicates().values.tolist() == [[0, 0, WIDTH, HEIGHT]]


def test_labels_of_smaller_photos_are_said(honest, tmp_path):
    catalogue = load_catalogue(changed(honest, tmp_path / "cars", lambda i, a: scaled(0.5)(a)))
    assert catalogue.excluded["reason"].tolist() == ["labels in one corner"]
    assert "not those of smaller photos, or in percent" in catalogue.excluded["detail"].item()


def test_a_size_that_is_no_number_is_said(honest, tmp_path):
    catalogue = load_catalogue(changed(honest, tmp_path / "cars", lambda i, a: i.update(width="wide")))
    assert set(catalogue.excluded["reason"]) == {"size not stated"}
    assert catalogue.excluded["detail"].iloc[0].startswith("width and height of 4 images are no numbers above 0; the")


# ---------------------------------------------------------------- mask files of a table


@pytest.fixture(scope="module")
def drawn_masks(tmp_path_factory) -> tuple[Path, list[tuple[str, str, np.ndarray]]]:
    folder = tmp_path_factory.mktemp("table") / "cars"
    folder.mkdir()
    rows = []
    for number in range(12):
        photo, mask = draw_car(TYPES[number % 4], (WIDTH, HEIGHT), np.random.default_rng(number))
        photo.save(folder / f"{number:02d}.jpg", quality=92)
        rows.append((f"{number:02d}", TYPES[number % 4], mask))
    return folder, rows


TRIMAP = lambda mask: np.where(mask, 1, 2)  # noqa: E731


@pytest.mark.parametrize(
    ("levels", "boxes", "words"),
    [
        (lambda mask: np.where(mask, 0, 255), True, "car and ground are exchanged"),
        (lambda mask: np.where(mask, 0, 255), False, "car and ground are exchanged"),
        (TRIMAP, True, "no pixel is 0 (its values are 1, 2), so that all of it would be the car"),
        (TRIMAP, False, "no pixel is 0 (its values are 1, 2)"),
        (lambda mask: np.where(mask, 255, 128), False, "no pixel is 0 (its values are 128, 255)"),
        (lambda mask: np.where(mask, 1, np.where(np.roll(mask, 4, 0), 0, 2)), True, "car and ground are exchanged"),
        (lambda mask: np.full(mask.shape, 255), False, "no pixel is 0 (its values are 255)"),
        (lambda mask: np.arange(mask.size).reshape(mask.shape) == 700, False, "has 1 of 9,600 pixels"),
        (lambda mask: mask[::2, ::2] * 255, True, "has 60×40, not 120×80"),
    ],
)
def test_mask_files_that_are_of_no_car_are_refused(drawn_masks, tmp_path, levels, boxes, words):
    source, rows = drawn_masks
    folder = Path(shutil.copytree(source, tmp_path / "cars"))
    table: list[list[object]] = [["photo", "type", "mask", *(["x1", "y1", "x2", "y2"] if boxes else [])]]
    for name, body_type, mask in rows:
        Image.fromarray(levels(mask).astype(np.uint8)).save(folder / f"{name}.png")
        table.append([f"{name}.jpg", body_type, f"{name}.png", *(box_of_mask(mask) if boxes else [])])
    write_csv(folder / "photos.csv", table)
    with pytest.raises(CarsegError, match="12 of 12 photos") as caught:
        load_catalogue(folder)
    if "60×40" in words:
        words = "annotated as 60×40, the photo has 120×80: it was scaled afterwards by 2"
    assert words in str(caught.value)


def test_a_cut_out_with_transparency_is_refused(drawn_masks, tmp_path):
    source, rows = drawn_masks
    folder = Path(shutil.copytree(source, tmp_path / "cars"))
    table: list[list[object]] = [["photo", "type", "mask"]]
    for name, body_type, mask in rows:
        white = Image.new("RGB", (WIDTH, HEIGHT), "white")
        white.putalpha(Image.fromarray(mask.astype(np.uint8) * 255))
        white.save(folder / f"{name}.png")
        table.append([f"{name}.jpg", body_type, f"{name}.png"])
    write_csv(folder / "photos.csv", table)
    with pytest.raises(CarsegError, match="no pixel is 0, and its transparency is not read, so that"):
        load_catalogue(folder)


# ---------------------------------------------------------------- photos on their side


def sideways(folder: Path, drawn_on: str, stated: str, orientation: int, masks: bool, per_type: int = 4) -> list[Any]:
    """COCO photos stored on their side: labels drawn on the stored or upright picture, either one's size stated.

    Returns:
        The true mask of each photo, upright.
    """
    (folder / "images").mkdir(parents=True)
    table: dict[str, Any] = {"categories": [{"id": k, "name": name} for k, name in enumerate(TYPES)]}
    table |= {"images": [], "annotations": []}
    exif = Image.Exif()
    exif[0x0112] = orientation
    true = []
    for number in range(4 * per_type):
        photo, stored = draw_car(TYPES[number % 4], (WIDTH, HEIGHT), np.random.default_rng(number))
        photo.save(folder / "images" / f"{number:02d}.jpg", exif=exif)
        upright = turn_mask(stored, orientation) if orientation >= 5 else stored
        drawn, size = (stored if drawn_on == "stored" else upright), (stored if stated == "stored" else upright).shape
        x1, y1, x2, y2 = box_of_mask(drawn)
        image = {"id": number, "file_name": f"{number:02d}.jpg"}
        table["images"].append(image | ({"width": size[1], "height": size[0]} if stated else {}))
        annotation = {"id": number, "image_id": number, "category_id": number % 4, "bbox": [x1, y1, x2 - x1, y2 - y1]}
        table["annotations"].append(annotation | ({"segmentation": run_lengths(drawn)} if masks else {}))
        true.append(upright)
    (folder / "annotations").mkdir()
    (folder / "annotations" / "all.json").write_text(json.dumps(table))
    return true


@pytest.mark.parametrize(
    ("orientation", "masks"), [(5, False), (6, False), (7, False), (8, False), (6, True), (8, True)]
)
@pytest.mark.parametrize("stated", ["stored", "upright", ""])
@pytest.mark.parametrize("drawn_on", ["stored", "upright"])
def test_what_labels_fit_decides_on_which_picture_they_are_drawn(tmp_path, drawn_on, stated, masks, orientation):
    true = sideways(tmp_path / "cars", drawn_on, stated, orientation, masks)
    catalogue = load_catalogue(tmp_path / "cars")
    assert len(catalogue.instances) == len(true)
    for car, mask in zip(catalogue.instances.itertuples(), true, strict=True):
        assert box_iou((car.x1, car.y1, car.x2, car.y2), box_of_mask(mask)) == 1
        assert not masks or mask_iou(decode_mask(car.mask, *mask.shape), mask) == 1
    reason = "labels turned with the photo" if drawn_on == "stored" else "labels of the upright photo"
    assert catalogue.excluded[["photo_id", "reason"]].values.tolist() == [["images/", reason]]
    first = f"16 photos; the first: 00.jpg, EXIF orientation {orientation}: its labels are drawn on the {drawn_on}"
    assert catalogue.excluded["detail"].item().startswith(first)


def test_one_photo_that_fits_the_other_picture_alone_is_left_out(tmp_path):
    sideways(tmp_path / "cars", "stored", "stored", 6, masks=False, per_type=6)
    path = tmp_path / "cars" / "annotations" / "all.json"
    table = json.loads(path.read_text())
    table["annotations"][3]["bbox"] = [2, 2, 70, 110]
    path.write_text(json.dumps(table))
    catalogue = load_catalogue(tmp_path / "cars")
    assert catalogue.excluded["reason"].tolist() == ["labels turned", "labels turned with the photo"]
    assert catalogue.excluded["photo_id"].iloc[0] == "03.jpg"
    assert catalogue.excluded["detail"].iloc[0].startswith("its labels fit the upright photo alone, those of ")


@pytest.mark.parametrize("orientation", [2, 3, 4])
def test_photos_upside_down_are_said_to_be_taken_as_upright(tmp_path, orientation):
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "JPEGImages").mkdir()
    exif = Image.Exif()
    exif[0x0112] = orientation
    for number in range(12):
        photo, mask = draw_car(TYPES[number % 4], (WIDTH, HEIGHT), np.random.default_rng(number))
        photo.save(tmp_path / "JPEGImages" / f"{number:02d}.jpg", **({"exif": exif} if number else {}))
        xml = voc_xml(f"{number:02d}.jpg", [voc_object(TYPES[number % 4], box_of_mask(mask))], (WIDTH, HEIGHT))
        (tmp_path / "Annotations" / f"{number:02d}.xml").write_text(xml)
    assert load_catalogue(tmp_path).excluded[["reason", "detail"]].values.tolist() == [
        [
            "upside down or mirrored",
            f"11 photos; the first: 01.jpg, EXIF orientation {orientation}: stored and upright it has the same size; "
            "its labels are taken as drawn on the upright one, which nothing proves",
        ]
    ]


@pytest.mark.parametrize("first_has_mask", [True, False])
def test_a_car_that_is_labelled_twice_counts_once(honest, truth, tmp_path, first_has_mask):
    shutil.copytree(honest, tmp_path / "cars")
    path = tmp_path / "cars" / "annotations" / "train.json"
    table = json.loads(path.read_text())
    again = [one | {"id": 900 + k, "segmentation": None} for k, one in enumerate(table["annotations"][:3])]
    table["annotations"] = [*table["annotations"], *again] if first_has_mask else [*again, *table["annotations"]]
    path.write_text(json.dumps(table))
    catalogue = load_catalogue(tmp_path / "cars")
    assert catalogue.excluded_counts() == {"a car labelled twice": 1}
    assert "3 photos; the first: " in catalogue.excluded["detail"].iloc[0]
    columns = ["photo_id", "body_type", "x1", "y1", "x2", "y2", "mask"]
    assert catalogue.instances[columns].values.tolist() == truth.instances[columns].values.tolist()


def test_a_car_of_two_types_is_left_out(honest, truth, tmp_path):
    shutil.copytree(honest, tmp_path / "cars")
    path = tmp_path / "cars" / "annotations" / "train.json"
    table = json.loads(path.read_text())
    one = table["annotations"][0]
    table["annotations"].append(one | {"id": 900, "category_id": one["category_id"] % 4 + 1})
    path.write_text(json.dumps(table))
    catalogue = load_catalogue(tmp_path / "cars")
    assert catalogue.excluded["reason"].tolist() == ["one car of two types"]
    assert "IoU of 1.00; keep one of them" in catalogue.excluded["detail"].iloc[0]
    assert len(catalogue.photos) == len(truth.photos) - 1


def boxed(annotation: dict[str, Any]) -> None:
    x, y, w, h = annotation["bbox"]
    annotation["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]


def test_filled_boxes_are_no_masks(honest, tmp_path):
    boxes = load_catalogue(changed(honest, tmp_path / "all", lambda i, a: boxed(a)))
    assert not boxes.has_some_masks and boxes.excluded_counts() == {"boxes in place of masks": 1}
    assert "all 24 masks are filled boxes: they outline no car" in boxes.excluded["detail"].iloc[0]
    most = load_catalogue(changed(honest, tmp_path / "most", lambda i, a: boxed(a) if i["id"] % 4 else None))
    assert most.has_masks and most.excluded_counts() == {}


# ---------------------------------------------------------------- one label among honest ones


def shifted(annotation: dict[str, Any]) -> None:
    x, y, w, h = annotation["bbox"]
    annotation["bbox"] = [x + 0.6 * w if x + 1.1 * w < WIDTH else x - 0.6 * w, y, w, h]


def mirrored_values(annotation: dict[str, Any]) -> None:
    x, y, w, h = annotation["bbox"]
    annotation["bbox"] = [y, x, h, w]


CORRUPTIONS: dict[str, Callable[[dict[str, Any], dict[str, Any]], Any]] = {
    "box of corners": lambda i, a: corners(a),
    "box moved": lambda i, a: shifted(a),
    "box half as large": lambda i, a: a.update(bbox=[0.5 * v for v in a["bbox"]]),
    "box twice as large": lambda i, a: a.update(bbox=[2 * v for v in a["bbox"]]),
    "box of y, x": lambda i, a: mirrored_values(a),
    "box turned": lambda i, a: a.update(bbox=[*a["bbox"][:2], a["bbox"][3], a["bbox"][2]]),
    "box outside": lambda i, a: a.update(bbox=[WIDTH + 5, 5, 30, 20]),
    "box in shares": lambda i, a: a.update(bbox=[v / 120 for v in a["bbox"]]),
    "polygon in shares": lambda i, a: shares(a),
    "mask of the ground": lambda i, a: set_mask(a, ~mask_of(a)),
    "mask of the ground, no box": lambda i, a: (set_mask(a, ~mask_of(a)), a.pop("bbox")),
    "mask of one pixel": lambda i, a: set_mask(a, np.arange(WIDTH * HEIGHT).reshape(HEIGHT, WIDTH) == 7),
    "mask of all": lambda i, a: set_mask(a, np.ones((HEIGHT, WIDTH), bool)),
    "mask of nothing": lambda i, a: set_mask(a, np.zeros((HEIGHT, WIDTH), bool)),
    "mask shifted": lambda i, a: set_mask(a, np.roll(mask_of(a), WIDTH // 2, axis=1)),
    "mask upside down": lambda i, a: set_mask(a, mask_of(a)[::-1]),
    "mask of another size": lambda i, a: a.update(segmentation=run_lengths(mask_of(a)[::2, ::2])),
    "size of another photo": lambda i, a: i.update(width=4 * WIDTH, height=4 * HEIGHT),
    "flat polygon": lambda i, a: a.update(segmentation=polygons(a)[0]),
    "stray part": lambda i, a: a.update(segmentation=[*polygons(a), [4, 4]]),
    "iscrowd": lambda i, a: a.update(iscrowd=1),
    "another category": lambda i, a: a.update(category_id=99),
    "file of another case": lambda i, a: i.update(file_name=i["file_name"].upper()),
}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory, honest) -> Path:
    return Path(shutil.copytree(honest, tmp_path_factory.mktemp("one") / "cars"))


@pytest.mark.parametrize("kind", CORRUPTIONS)
@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(number=st.integers(0, N - 1))
def test_one_wrong_label_is_counted_and_the_others_stay(honest, truth, scratch, kind, number):
    entries = [(split, k) for split, table in tables(honest).items() for k in range(len(table["images"]))]
    split, k = entries[number]
    table = tables(honest)[split]
    before = json.dumps(table["annotations"][k]["bbox"])
    CORRUPTIONS[kind](table["images"][k], table["annotations"][k])
    x, y, w, h = json.loads(before)
    path = scratch / "annotations" / f"{split}.json"
    try:
        path.write_text(json.dumps(table))
        catalogue = read_listing(detect_and_list(scratch))
    finally:
        shutil.copy(honest / "annotations" / f"{split}.json", path)
    bad = catalogue.excluded[~catalogue.excluded["reason"].isin(REASONS)]
    said = catalogue.excluded[catalogue.excluded["reason"].isin(REASONS)]
    still = truth.instances[~truth.instances["photo_id"].isin(bad["photo_id"])]
    assert len(catalogue.photos) >= N - 1
    if bad.empty and said.empty:  # as near to the truth as a box may be drawn, so that nobody can tell
        car = catalogue.instances[catalogue.instances["photo_id"] == table["images"][k]["file_name"]].iloc[0]
        limit = {"box of corners": 0.84, "mask upside down": 0.6, "box of y, x": 0.6, "box twice as large": 0.6}
        limit |= {"box turned": 0.6, "mask shifted": 0.8}
        assert box_iou((car.x1, car.y1, car.x2, car.y2), (x, y, x + w, y + h)) > limit[kind]
    others = still["photo_id"] != table["images"][k]["file_name"]
    found = catalogue.instances[catalogue.instances["photo_id"].isin(still.loc[others, "photo_id"])]
    assert found.drop(columns="mask_quality").values.tolist() == (
        still[others & still["photo_id"].isin(found["photo_id"])].drop(columns="mask_quality").values.tolist()
    )


numbers = st.integers(-3, 130) | st.floats(-3, 130)
parts = st.lists(
    st.lists(numbers, max_size=9) | numbers | st.lists(st.lists(numbers, min_size=2, max_size=2), max_size=4),
    max_size=4,
)


@given(
    parts
    | st.lists(numbers, max_size=12)
    | st.text(max_size=5)
    | st.dictionaries(st.just("counts"), st.text(max_size=8))
)
def test_tidying_changes_nothing_without_a_word_and_never_fails(segmentation):
    before = json.dumps(segmentation)
    tidied, remarks = tidy(segmentation)
    assert json.dumps(segmentation) == before
    assert bool(remarks) == (json.dumps(tidied) != before)
    assert tidy(tidied)[0] == tidied

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import REJECTED_COLUMNS, Catalogue, table
from carseg_lib.data.export import export
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.masks import decode_mask
from tests.helpers.small_run import small_run, with_dataset


@pytest.fixture
def run(monkeypatch, tmp_path, synthetic_cars):
    run = small_run(monkeypatch, tmp_path, synthetic_cars)
    with_dataset(run)
    files.write_csv(run.rejected_masks, table([], REJECTED_COLUMNS))
    return run


def exported(run, folder, form="coco"):
    export(run.dataset, run.rejected_masks, folder, form)
    return folder


def leave_out(run, photo_id, mask):
    """Moves a photo to the rejected ones, as pseudo-labelling does."""
    dataset = Catalogue.load(run.dataset)
    car = dataset.instances[dataset.instances.photo_id == photo_id].iloc[0].to_dict()
    split = dataset.photos.set_index("photo_id").split[photo_id]
    row = car | {"mask": mask, "mask_origin": "pseudo", "mask_quality": 0.3}
    row |= {"split": split, "reason": "rejected mask", "detail": "quality 0.30"}
    files.write_csv(run.rejected_masks, table([row], REJECTED_COLUMNS))
    dataset.without(pd.Series([photo_id]), "rejected mask", pd.Series(["quality 0.30"])).save(run.dataset)
    return car


@pytest.mark.parametrize("form", ["coco", "coco-rle"])
def test_what_is_exported_is_read_back_as_it_was(run, tmp_path, form):
    dataset = Catalogue.load(run.dataset)
    models = ["" if k % 3 == 0 else f"model {k % 3}" for k in range(len(dataset.photos))]
    replace(dataset, photos=dataset.photos.assign(group=models)).save(run.dataset)
    folder = exported(run, tmp_path / "export", form)
    again = load_catalogue(folder)
    assert again.photos.photo_id.tolist() == dataset.photos.photo_id.tolist()
    assert again.photos.split.tolist() == dataset.photos.split.tolist()
    assert again.photos.group.tolist() == models
    assert again.instances["mask"].tolist() == dataset.instances["mask"].tolist()
    boxes = ["x1", "y1", "x2", "y2"]
    np.testing.assert_allclose(again.instances[boxes], dataset.instances[boxes], atol=0.011)
    assert again.instances.body_type.tolist() == dataset.instances.body_type.tolist()
    exported(run, tmp_path / "export", form)  # over itself


@pytest.mark.parametrize("form", ["coco", "coco-rle"])
def test_pycocotools_reads_it(run, tmp_path, capsys, form):
    exported(run, tmp_path / "export", form)
    dataset = Catalogue.load(run.dataset)
    coco = COCO(str(tmp_path / "export" / "annotations" / "instances_train.json"))
    capsys.readouterr()
    part = dataset.split("train")
    assert len(coco.imgs) == len(part.photos) and len(coco.anns) == len(part.instances)
    assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == list(dataset.body_types)
    for annotation in coco.loadAnns(coco.getAnnIds()):
        photo = coco.imgs[annotation["image_id"]]
        car = part.instances[part.instances.photo_id == photo["file_name"]].iloc[0]
        assert np.array_equal(coco.annToMask(annotation), decode_mask(car["mask"], 160, 240))
        assert annotation["area"] == decode_mask(car["mask"], 160, 240).sum()
        assert annotation["attributes"] == {"rejected": False, "mask_origin": "given", "mask_quality": None}


def test_a_rejected_mask_that_a_person_corrects_is_used(run, tmp_path):
    photo_id = Catalogue.load(run.dataset).split("train").photos.photo_id[2]
    wrong = np.zeros((160, 240), bool)
    wrong[:10, :10] = True
    car = leave_out(run, photo_id, coco_mask.encode(np.asfortranarray(wrong))["counts"].decode())
    path = exported(run, tmp_path / "export") / "annotations" / "instances_train.json"
    content = json.loads(path.read_text())
    ids = {image["file_name"]: image["id"] for image in content["images"]}
    (annotation,) = [a for a in content["annotations"] if a["image_id"] == ids[photo_id]]
    assert annotation["attributes"] == {"rejected": True, "mask_origin": "pseudo", "mask_quality": 0.3}
    right = decode_mask(car["mask"], 160, 240)
    right[:, :60] = False  # as an annotator would cut it
    encoded = coco_mask.encode(np.asfortranarray(right.astype(np.uint8)))
    annotation["segmentation"] = encoded | {"counts": encoded["counts"].decode()}
    path.write_text(json.dumps(content))
    again = load_catalogue(tmp_path / "export")
    used = again.instances[again.instances.photo_id == photo_id].iloc[0]
    assert np.array_equal(decode_mask(used["mask"], 160, 240), right)
    assert again.photos.set_index("photo_id").split[photo_id] == "train"


def test_a_photo_in_which_nothing_was_seen_is_exported_without_a_mask(run, tmp_path):
    photo_id = Catalogue.load(run.dataset).split("validation").photos.photo_id[0]
    leave_out(run, photo_id, "")
    content = json.loads((exported(run, tmp_path / "e") / "annotations" / "instances_validation.json").read_text())
    (image,) = [i for i in content["images"] if i["file_name"] == photo_id]
    assert (image["width"], image["height"]) == (240, 160)
    (annotation,) = [a for a in content["annotations"] if a["image_id"] == image["id"]]
    assert annotation["segmentation"] == [] and annotation["attributes"]["rejected"]


@pytest.mark.parametrize("attributes", [{"rejected": False}, {"doubtful": False}, None])
def test_files_of_an_earlier_export_are_removed_and_those_of_others_refused(run, tmp_path, attributes):
    folder = exported(run, tmp_path / "export")
    for split in ("train", "validation", "test"):  # as they were named before
        path = folder / "annotations" / f"instances_{split}.json"
        content = json.loads(path.read_text())
        if attributes is not None:
            del content["info"]["contributor"]
            for row in content["annotations"]:
                row["attributes"] = attributes | {"mask_origin": "given", "mask_quality": None}
        path.rename(folder / "annotations" / f"{split}.json")
        (folder / "annotations" / f"{split}.json").write_text(json.dumps(content))
    lines = export(run.dataset, run.rejected_masks, folder, "coco")
    assert lines[1:] == [
        "removed test.json, train.json, validation.json of an earlier export: photos would be listed twice"
    ]
    names = sorted(path.name for path in (folder / "annotations").iterdir())
    assert names == ["instances_test.json", "instances_train.json", "instances_validation.json"]
    load_catalogue(folder)
    others = [json.dumps(content | {"info": {}, "annotations": [{"id": 1}]}), "{", '{"info": {}, "annotations": []}']
    for text in others:
        (folder / "annotations" / "mine.json").write_text(text)
        with pytest.raises(CarsegError, match=r"mine.json: not of an export, and would be read together with it; move"):
            exported(run, folder)
        assert (folder / "annotations" / "mine.json").read_text() == text


def test_it_does_not_overwrite_a_persons_photos_and_needs_a_data_set(run, tmp_path):
    (tmp_path / "export" / "images").mkdir(parents=True)
    with pytest.raises(CarsegError, match="not a link of an export"):
        exported(run, tmp_path / "export")
    run.rejected_masks.unlink()
    with pytest.raises(CarsegError, match="make preprocess"):
        exported(run, tmp_path / "other")

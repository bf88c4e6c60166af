import json
from functools import partial

import numpy as np
import pytest
import torch
from torchvision.models.detection import maskrcnn_resnet50_fpn_v2

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.dataset import preprocess
from carseg_lib.engine.pseudo_labels import annotators
from carseg_lib.engine.pseudo_labels.annotators import MIN_SCORE, Instance, NetworkAnnotator, load_annotator
from carseg_lib.models.mask_rcnn import build_model
from tests.helpers.small_run import small_run

CPU = torch.device("cpu")
PHOTOS = [np.random.default_rng(0).integers(0, 256, (h, w, 3), np.uint8) for h, w in ((80, 120), (90, 60))]


def soft(inside, edge):
    """Probabilities of 28 x 28 cells: `inside` within a border of `edge`."""
    mask = torch.full((28, 28), edge)
    mask[2:-2, 2:-2] = inside
    return mask


def seeing(*found):
    """An annotator that finds the same in every photo: (box, score, probabilities)."""
    boxes, scores, masks = zip(*found, strict=True)
    seen = (torch.tensor(boxes), torch.tensor(scores), torch.stack(masks))
    return NetworkAnnotator("a test", "00", lambda photos: [seen] * len(photos))


def test_instances_are_pasted_into_their_photos_and_rated():
    box = (10.0, 20.0, 38.0, 48.0)
    sharp, vague = seeing((box, 0.9, soft(0.99, 0.01))), seeing((box, 0.9, soft(0.55, 0.45)))
    (one,), (other,) = (t.instances(PHOTOS[:1], [[]])[0] for t in (sharp, vague))
    assert one.mask.shape == (80, 120) and one.mask.sum() == 24 * 24 and one.mask[22:46, 12:36].all()
    assert one.score == pytest.approx(0.9) and one.stability > 0.9
    assert one.quality == pytest.approx(0.9 * one.stability)
    assert other.stability == 0.0  # nothing of it is surely car
    assert np.array_equal(one.mask, other.mask)


def test_one_car_is_seen_once_and_faint_ones_not_at_all():
    full = soft(1.0, 1.0)
    seen = seeing(
        ((10.0, 20.0, 60.0, 60.0), 0.6, full),
        ((11.0, 20.0, 61.0, 60.0), 0.8, full),
        ((70.0, 5.0, 110.0, 30.0), 0.3, full),
        ((0.0, 0.0, 9.0, 9.0), MIN_SCORE / 2, full),
    ).instances(PHOTOS[:1], [[]])[0]
    assert [round(one.score, 2) for one in seen] == [0.8, 0.3]


def test_a_mask_that_is_nowhere_sure_has_no_quality():
    assert Instance((0, 0, 1, 1), np.zeros((2, 2), bool), 0.9, 0.0).quality == 0


@pytest.fixture
def run(monkeypatch, tmp_path, synthetic_cars):
    """A run with a model of random weights and its card, and that model."""
    run = small_run(monkeypatch, tmp_path, synthetic_cars)
    torch.manual_seed(0)
    model = build_model(run.config.model, 5, with_masks=True)
    run.checkpoints.mkdir(parents=True)
    torch.save(model.state_dict(), run.best_weights)
    card = {
        "body_types": ["suv", "sedan", "convertible", "minivan"],
        "with_masks": True,
        "config": run.config.model_dump(mode="json"),
    }
    files.write_json(run.best_card, card)
    return run, model.eval()


def test_a_runs_model_annotates_what_it_finds(run):
    run, model = run
    annotator = load_annotator(str(run.best_weights), CPU)
    boxes, scores, masks = annotator.detect(PHOTOS)[1]
    with torch.no_grad():
        _, (alone,) = model(preprocess(PHOTOS[1], run.config.inputs.size))
    scale = torch.tensor([60 / 96, 90 / 96] * 2)  # of 60 x 90 pixels, seen as 96 x 96
    torch.testing.assert_close(boxes, alone["boxes"] * scale, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(scores, alone["scores"], atol=1e-5, rtol=1e-4)
    assert masks.shape == (len(boxes), 28, 28)
    assert len(annotator.sha256) == 64
    assert [len(found) >= 0 for found in annotator.instances(PHOTOS, [[], []])] == [True, True]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.best_card.unlink(), "best.json is missing"),
        (lambda r: _change_card(r, with_masks=False), "trained without masks"),
        (lambda r: _change_card(r, body_types=["car"]), "does not fit its card"),
        (lambda r: r.best_weights.write_bytes(b"no tensors"), "not a checkpoint of tensors"),
    ],
)
def test_what_cannot_annotate_says_so(run, change, message):
    run, _ = run
    change(run)
    with pytest.raises(CarsegError, match=message):
        load_annotator(str(run.best_weights), CPU)


def _change_card(run, **values):
    run.best_card.write_text(json.dumps(json.loads(run.best_card.read_text()) | values))


@pytest.mark.slow
def test_of_cocos_classes_car_bus_and_truck_are_cars(monkeypatch):
    """A stand-in for torchvision's file, of the same format, as there is no network; smaller images than its 800 px."""
    torch.manual_seed(0)
    small = partial(maskrcnn_resnet50_fpn_v2, min_size=160, max_size=240)
    monkeypatch.setattr(annotators, "maskrcnn_resnet50_fpn_v2", small)
    model = small(weights=None, weights_backbone=None)
    state = model.state_dict()
    fetched = []

    def fetch(fetcher, origin, url):
        fetched.append((origin, url))
        return state

    monkeypatch.setattr(annotators, "download", fetch)
    coco = load_annotator("coco", CPU)
    assert "COCO_V1" in fetched[0][0] and fetched[0][1].endswith(".pth")
    photo = PHOTOS[0]
    model.roi_heads.score_thresh = MIN_SCORE
    with torch.no_grad():
        expected = model.eval()([torch.from_numpy(photo).permute(2, 0, 1) / 255])[0]
    is_car = torch.isin(expected["labels"], torch.tensor([3, 6, 8]))  # COCO's car, bus and truck
    boxes, scores, masks = coco.detect([photo])[0]
    torch.testing.assert_close(boxes, expected["boxes"][is_car], atol=1e-2, rtol=1e-3)
    torch.testing.assert_close(scores, expected["scores"][is_car])
    assert masks.shape[1:] == (28, 28)

"""Each part of the model gives on the second device what it gives on the CPU, from the same input."""

import pytest
import torch

from carseg_lib.engine.device_check import made_batch
from carseg_lib.engine.postprocess import filter_detections, on_cpu
from carseg_lib.models.matching import PaddedTargets
from tests.gpu.conftest import agrees

pytestmark = pytest.mark.gpu
SIZE, PHOTOS = (96, 96), 3


@pytest.fixture
def batch():
    return made_batch(SIZE, PHOTOS)


@pytest.fixture
def stages(model, batch):
    """What each part hands to the next, on the CPU."""
    images, _ = batch
    with torch.no_grad():
        pyramid, features = model.eval()._features(images)
        scored = model.rpn(pyramid, images)
        boxes, valid = model.rpn.generate_proposals(scored, model.config.rpn_post_nms_top_n)
    return {"pyramid": pyramid, "features": features, "scored": scored, "boxes": boxes, "valid": valid}


def test_backbone_and_pyramid(model, batch, stages, second):
    with torch.no_grad():
        _, found = second.put(model)._features(second.put(batch[0]))
    assert list(found) == list(stages["features"]) and len(found) == 4
    for name, map_ in found.items():
        assert agrees(map_, stages["features"][name]), name


def test_scores_of_anchors(model, batch, stages, second):
    with torch.no_grad():
        found = second.put(model).rpn(second.put(dict(stages["pyramid"])), second.put(batch[0]))
    for name in ("anchors", "objectness", "offsets"):
        assert agrees(getattr(found, name), getattr(stages["scored"], name)), name


def test_proposals_and_their_suppression(model, stages, second):
    top_n = model.config.rpn_post_nms_top_n
    boxes, valid = second.put(model).rpn.generate_proposals(second.moved(stages["scored"]), top_n)
    assert torch.equal(valid.cpu(), stages["valid"]) and valid.sum() > PHOTOS
    assert agrees(boxes, stages["boxes"])


@pytest.mark.parametrize("part", ["box_roi_pool", "mask_roi_pool"])
def test_features_of_regions_and_their_gradient(part, model, stages, second):
    regions = stages["boxes"].reshape(-1, 4)
    photo = torch.arange(PHOTOS).repeat_interleave(stages["boxes"].shape[1])
    results = []
    for heads, put in ((model.roi_heads, lambda x: x.detach()), (second.put(model).roi_heads, second.put)):
        maps = {name: put(map_).requires_grad_() for name, map_ in stages["features"].items()}
        place = maps[next(iter(maps))].device
        found = getattr(heads, part)(maps, regions.to(place), photo.to(place))
        found = found if isinstance(found, tuple) else (found,)
        sum((x.double() ** 2).sum() for x in found).backward()
        gradients = [map_.grad for map_ in maps.values() if map_.grad is not None]
        results.append([*found, *gradients])
    assert len(results[0]) == len(results[1]) > 1
    for expected, computed in zip(*results, strict=True):
        assert agrees(computed, expected)


def test_losses_of_anchors_and_heads(model, batch, stages, second):
    results = []
    for network, place in ((model, None), (second.put(model), second)):
        features, scored, boxes, valid = (stages[name] for name in ("features", "scored", "boxes", "valid"))
        if place:
            features, scored, boxes, valid = place.put(dict(features)), *map(place.moved, (scored, boxes, valid))
        truth = PaddedTargets.of(batch[1], boxes.device)
        with torch.no_grad():
            of_anchors, anchors = network.rpn.losses(scored, truth)
            masks = [target["masks"] for target in batch[1]]
            of_heads, *counts = network.roi_heads.losses(features, boxes, valid, truth, masks)
        results.append((of_anchors | of_heads, [int(n) for n in (anchors, *counts)]))
    (expected, counts), (computed, their_counts) = results
    assert counts == their_counts and counts[2] > 0
    assert set(computed) == {
        "loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg", "loss_mask",
    }  # fmt: skip
    for name, loss in computed.items():
        assert agrees(loss, expected[name]), name


def test_detections_and_the_photo_s_rule(model, stages, second):
    rule = {"score_threshold": 0.0, "nms_iou": 0.5}
    results = []
    for network, place in ((model, None), (second.put(model), second)):
        features, boxes, valid = (stages[name] for name in ("features", "boxes", "valid"))
        if place:
            features, boxes, valid = place.put(dict(features)), *map(place.moved, (boxes, valid))
        with torch.no_grad():
            results.append(network.roi_heads.detect(features, boxes, valid, SIZE))
    found = on_cpu(results[1])
    assert sum(len(of_photo["labels"]) for of_photo in found) > 0
    for expected, computed in zip(results[0], found, strict=True):
        assert torch.equal(computed["labels"], expected["labels"])
        for name, column in expected.items():
            assert agrees(computed[name], column), name
        columns = [[of[name] for name in ("boxes", "scores", "labels")] for of in (expected, computed)]
        assert torch.equal(filter_detections(*columns[0], **rule), filter_detections(*columns[1], **rule))

"""carseg_lib.engine.inside: what each part of the network makes of a photo, and the figure of it."""

import numpy as np
import pytest
import torch

from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import CarDataset
from carseg_lib.engine.inference import load_trained
from carseg_lib.engine.inside import look_inside
from carseg_lib.reporting.plots.inside import inside_mask_rcnn
from tests.helpers.figures import assert_texts_inside


@pytest.mark.parametrize("score_threshold", [0.0, 0.99])
def test_the_parts_fit_each_other_and_the_model(trained_run, score_threshold):
    config = trained_run.config.updated(model={"score_threshold": score_threshold})
    dataset = Catalogue.load(trained_run.dataset)
    model, _ = load_trained(config, trained_run)
    photos = CarDataset(dataset, "validation", config.inputs, config.seed)
    seen = look_inside(model, photos, 1, proposals=5)
    assert seen.image.shape == (96, 96, 3) and seen.image.dtype == np.uint8
    assert {stride: values.shape for stride, values in seen.feature_maps.items()} == {
        stride: (96 // stride, 96 // stride) for stride in model.backbone.strides
    }
    assert seen.proposals.shape == (5, 4) and seen.candidates <= config.model.rpn_post_nms_top_n
    assert (seen.proposals >= 0).all() and (seen.proposals <= 96).all()
    assert seen.true_type == photos.photos.body_type[1]
    with torch.inference_mode():
        _, (found,) = model(photos[0, 1][0][None])
    figure = inside_mask_rcnn(seen, dataset.body_types)
    assert_texts_inside(figure, "inside")
    if score_threshold:
        assert len(found["scores"]) == 0
        assert (seen.box, seen.mask, seen.body_type) == (None, None, "")
        assert figure.finding.endswith("no detection reaches the score threshold.")
    else:
        best = int(found["scores"].argmax())
        assert seen.score == pytest.approx(float(found["scores"][best]))
        assert seen.box.tolist() == pytest.approx(found["boxes"][best].tolist())
        assert seen.mask.shape == (28, 28) and seen.pasted.shape == (96, 96)
        assert f"its type is {seen.body_type}" in figure.finding

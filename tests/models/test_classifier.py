"""The image classifier: its classes, its loss, what is trained, and its initial weights."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torchvision.models import resnet18

from carseg_lib.core.config import ModelConfig, RunConfig, TrainConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.engine.optim import make_optimizer
from carseg_lib.models import weights
from carseg_lib.models.classifier import ImageClassifier
from carseg_lib.models.mask_rcnn import MaskRCNN
from carseg_lib.models.networks import build_network
from carseg_lib.models.weights import imagenet_state, load_weights


def classifier(**settings: object) -> ImageClassifier:
    values = {"architecture": "classifier", "backbone": "efficientnet_lite0", "weights": "imagenet", "frozen_stages": 0}
    network = build_network(ModelConfig(**values | settings), 5, with_masks=False)
    assert isinstance(network, ImageClassifier)
    return network


def targets(*classes: int) -> list[dict]:
    return [{"class_id": c} for c in classes]


def test_the_setting_chooses_the_network():
    small = {"backbone": "efficientnet_lite0", "fpn_out_channels": 16, "box_head_dim": 16, "mask_head_channels": 8}
    assert isinstance(build_network(ModelConfig(**small, weights="none"), 5, with_masks=False), MaskRCNN)
    assert classifier(weights="none").network.get_classifier().out_features == 4  # no background


def test_its_detection_is_the_photo_and_its_loss_is_cross_entropy():
    torch.manual_seed(0)
    model = classifier(weights="none").eval()
    photos = torch.randn(3, 3, 64, 96)
    with torch.no_grad():
        losses, found = model(photos, targets(1, 4, 2))
        logits = model.network(photos)
    expected = F.cross_entropy(logits, torch.tensor([0, 3, 1]))
    assert losses["loss_classifier"] == pytest.approx(float(expected), rel=1e-5)
    for one, of_photo in zip(found, logits.softmax(1), strict=True):
        assert one["boxes"].tolist() == [[0, 0, 96, 64]]
        assert int(one["labels"]) == int(of_photo.argmax()) + 1
        assert float(one["scores"]) == pytest.approx(float(of_photo.max()), rel=1e-5)
    right = (logits.argmax(1) == torch.tensor([0, 3, 1])).sum()
    correct, of = model.class_counts()
    assert (int(correct), int(of)) == (int(right), 3) and model.loss_counts()["regions"] == 3


def test_a_photo_and_its_mirror_image_are_averaged():
    torch.manual_seed(0)
    network = build_network(
        ModelConfig(architecture="classifier", backbone="resnet18", weights="none", frozen_stages=0), 5, False, "hflip"
    ).eval()
    photos = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        both = [network(images)[1] for images in (photos, photos.flip(3))]
    for one, other in zip(*both, strict=True):
        torch.testing.assert_close(one["scores"], other["scores"])


@pytest.mark.parametrize("backbone", ["efficientnet_lite0", "resnet18", "googlenet", "densenet121"])
def test_the_new_layer_alone_is_trained_and_the_body_keeps_its_statistics(backbone, monkeypatch):
    if backbone != "efficientnet_lite0":  # a stand-in of random weights, with a classifier of other classes
        donor = ModelConfig(architecture="classifier", backbone=backbone, weights="none", frozen_stages=0)
        torch.manual_seed(1)
        state = ImageClassifier(8, donor).network.state_dict()
        monkeypatch.setattr(weights, "imagenet_state", lambda name: (state, f"a stand-in of {name}"))
    model = classifier(backbone=backbone, trainable="new_layers")
    info = load_weights(model, backbone, "imagenet")
    body = {name: t.clone() for name, t in model.network.state_dict().items() if name not in model.new_tensors}
    assert info.source == "imagenet" and info.loaded == len(body) and info.fresh == 2  # weight and bias
    assert {p.shape[0] for p in model.parameters() if p.requires_grad} == {4}
    optimizer = make_optimizer(model, TrainConfig(lr=0.1))
    new = [p for name, p in model.network.named_parameters() if name in model.new_tensors]
    before = [p.detach().clone() for p in new]
    model.train()(torch.randn(4, 3, 64, 64), targets(1, 2, 3, 4))[0]["loss_classifier"].backward()
    optimizer.step()
    after = model.network.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in body.items())
    assert not any(torch.equal(a, b) for a, b in zip(before, new, strict=True))


def test_all_of_it_learns_from_imagenet_weights():
    torch.manual_seed(0)
    model = classifier()
    load_weights(model, "efficientnet_lite0", "imagenet")
    stem = imagenet_state("efficientnet_lite0")[0]["conv_stem.weight"]
    assert torch.equal(model.network.conv_stem.weight, stem)
    optimizer = make_optimizer(model, TrainConfig(lr=0.003, optimizer="adamw"))
    photos, losses = torch.randn(4, 3, 64, 64), []
    for _ in range(8):
        loss = model.train()(photos, targets(1, 2, 3, 4))[0]["loss_classifier"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert not torch.equal(model.network.conv_stem.weight, stem)


def test_torchvisions_networks_are_torchvisions():
    torch.manual_seed(0)
    model = classifier(backbone="resnet18", weights="none").eval()
    reference = resnet18(weights=None, num_classes=4).eval()
    reference.load_state_dict(model.network.state_dict())
    photos = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(reference(photos), model.network(photos))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"weights": "coco", "backbone": "resnet50"}, "a classifier starts from imagenet or none"),
        ({"frozen_stages": 2}, "set model.frozen_stages = 0"),
        ({"weights": "none", "trainable": "new_layers"}, "with none, all layers are new"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(settings, said):
    base = RunConfig(name="x", profile="paper", model=ModelConfig(weights="imagenet", frozen_stages=0))
    with pytest.raises(CarsegError, match=said):
        base.updated(model={"architecture": "classifier"} | settings)


def test_a_detectors_new_layers_alone_are_trained():
    small = {"backbone": "efficientnet_lite0", "fpn_out_channels": 16, "box_head_dim": 16, "mask_head_channels": 8}
    model = build_network(ModelConfig(**small, weights="imagenet", trainable="new_layers"), 5, with_masks=True)
    load_weights(model, "efficientnet_lite0", "imagenet")
    assert not any(p.requires_grad for p in model.body_parameters())
    heads = [*model.backbone.fpn.parameters(), *model.rpn.parameters(), *model.roi_heads.parameters()]
    assert all(p.requires_grad for p in heads)
    donor = model.state_dict()
    other = build_network(ModelConfig(**small, weights="imagenet", trainable="new_layers"), 4, with_masks=True)
    weights.load_detector(other, donor, "file", "a stand-in")
    trained = {name.rpartition(".")[0] for name, p in other.named_parameters() if p.requires_grad}
    assert trained == {
        "roi_heads.box_predictor.cls_score", "roi_heads.box_predictor.bbox_pred",
        "roi_heads.mask_predictor.mask_fcn_logits",
    }  # fmt: skip

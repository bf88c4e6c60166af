"""The baselines: torchvision's Mask R-CNN as it is, and the classifier."""

import pytest
import torch
from torchvision.models import ResNet50_Weights, resnet50

from carseg_lib.core.errors import CarsegError
from carseg_lib.evaluation.tables import PREDICTIONS, probabilities, probability_columns
from carseg_lib.experiments.baselines import Classifier, TorchvisionMaskRCNN, predict_classes, train_baseline_classifier
from tests.helpers.small_run import small_run, with_dataset

SIZE = (64, 96)


def target():
    masks = torch.zeros(1, *SIZE, dtype=torch.uint8)
    masks[0, 10:50, 20:80] = 1
    boxes = torch.tensor([[20.0, 10.0, 80.0, 50.0]])
    return {"boxes": boxes, "labels": torch.tensor([2]), "masks": masks, "index": torch.tensor(0)}


def test_the_torchvision_model_is_torchvisions_and_changes_neither_size_nor_values():
    torch.manual_seed(0)
    model = TorchvisionMaskRCNN(5, SIZE, "shape")
    photos = torch.randn(1, 3, *SIZE)
    batch, _ = model.network.transform(list(photos))
    assert batch.image_sizes == [SIZE]
    torch.testing.assert_close(batch.tensors[..., : SIZE[0], : SIZE[1]], photos)
    losses, nothing = model.train()(photos, [target()])
    assert nothing == [] and set(losses) == {
        "loss_objectness",
        "loss_rpn_box_reg",
        "loss_classifier",
        "loss_box_reg",
        "loss_mask",
    }
    with torch.inference_mode():
        _, (found,) = model.eval()(photos)
        (given,) = model.predict(photos)
    torch.testing.assert_close(found["boxes"], given["boxes"])
    torch.testing.assert_close(found["scores"], given["scores"])
    assert found["masks"].shape[-2:] == (28, 28) and given["masks"].shape[-2:] == SIZE


def test_an_untrained_torchvision_model_has_activations_of_usual_sizes_and_proposes_regions():
    torch.manual_seed(0)
    model = TorchvisionMaskRCNN(5, SIZE, "shape").train()
    photos = torch.randn(2, 3, *SIZE)
    with torch.no_grad():
        maps = model.network.backbone(photos)
        losses, _ = model(photos, [target(), target()])
        proposals, _ = model.eval().network.rpn(*_batch_and_features(model, photos))
    assert all(0.01 < features.std() < 100 for features in maps.values())
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert min(len(of_photo) for of_photo in proposals) > 100


def _batch_and_features(model, photos):
    batch, _ = model.network.transform(list(photos))
    return batch, model.network.backbone(batch.tensors)


def test_as_it_comes_it_enlarges_photos_and_gives_boxes_in_their_own_pixels():
    torch.manual_seed(0)
    model = TorchvisionMaskRCNN(5, None, "shape").eval()
    photos = torch.randn(1, 3, 32, 64)
    batch, _ = model.network.transform(list(photos))
    assert batch.image_sizes == [(666, 1333)]
    with torch.inference_mode():
        _, (found,) = model(photos)
        (given,) = model.predict(photos)
    torch.testing.assert_close(found["boxes"], given["boxes"])
    assert len(found["boxes"]) and found["boxes"].max() <= 64 and given["masks"].shape[-2:] == (32, 64)


def test_what_is_trained_follows_the_start():
    frozen = TorchvisionMaskRCNN(5, SIZE, "shape").network.backbone.body
    assert not any(p.requires_grad for p in frozen.layer1.parameters())
    assert all(p.requires_grad for p in frozen.layer2.parameters())
    scratch = TorchvisionMaskRCNN(5, SIZE, "none").network.backbone.body
    assert all(p.requires_grad for p in scratch.parameters())


def test_the_torchvision_models_weights_are_torchvisions(monkeypatch):
    torch.manual_seed(1)
    state = resnet50(weights=None).state_dict()
    monkeypatch.setattr(ResNet50_Weights.IMAGENET1K_V1.__class__, "get_state_dict", lambda *_, **__: state)
    body = TorchvisionMaskRCNN(5, SIZE, "imagenet").network.backbone.body
    assert torch.equal(body.layer4[2].conv3.weight, state["layer4.2.conv3.weight"])
    assert TorchvisionMaskRCNN(5, SIZE, "shape").make_optimizer(8).param_groups[0]["lr"] == 0.01


def test_the_classifier_learns_from_imagenet_weights():
    torch.manual_seed(0)
    model = Classifier("efficientnet_lite0", 4, "imagenet").train()
    photos, types = torch.randn(4, 3, 64, 64), torch.tensor([0, 1, 2, 3])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(8):
        loss = model(photos, types)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert model.eval()(photos).shape == (4, 4)
    with pytest.raises(CarsegError, match="must be one of efficientnet_lite0"):
        Classifier("mobilenetv3", 4, "imagenet")


def test_a_classifier_learns_what_it_is_shown(monkeypatch, tmp_path, synthetic_cars):
    settings = {"max_images_per_split": 0, "epochs": 12, "lr": 0.005, "min_crop_scale": 1.0, "height": 64, "width": 64}
    run = small_run(monkeypatch, tmp_path, synthetic_cars, **settings)
    dataset = with_dataset(run)
    model, again = (train_baseline_classifier(run.config, dataset, run.caches) for _ in range(2))
    predictions, same = (predict_classes(network, dataset, run.config) for network in (model, again))
    types = list(dataset.body_types)
    assert predictions.equals(same) and list(predictions) == [*PREDICTIONS, *probability_columns(types)]
    likely = probabilities(predictions, types)
    assert likely.sum(1) == pytest.approx(1) and (likely.max(1) == predictions.score).all()
    assert [types[i] for i in likely.argmax(1)] == predictions.predicted.tolist()
    assert set(predictions.predicted) <= set(dataset.body_types) and predictions.mask_iou.isna().all()
    assert len(predictions) == len(dataset.split("validation").photos)
    assert (predictions.predicted == predictions.body_type).mean() > 0.3
    mirrored = predict_classes(model, dataset, run.config.updated(eval={"tta": "hflip"}))
    assert not mirrored.score.equals(predictions.score)

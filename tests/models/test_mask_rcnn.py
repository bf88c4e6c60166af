import pytest
import torch
from torchvision.models.detection import maskrcnn_resnet50_fpn

from carseg_lib.models.mask_rcnn import LOSS_TERMS, build_model, summarize
from carseg_lib.models.roi_heads import hflip_boxes


def batch(n=2, size=96):
    images = torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(0))
    targets = []
    for i in range(n):
        masks = torch.zeros(1, size, size, dtype=torch.uint8)
        masks[:, 30:60, 10:80] = 1
        box = torch.tensor([[10.0, 30.0, 80.0, 60.0]])
        targets.append({"boxes": box, "labels": torch.tensor([i % 4 + 1]), "masks": masks, "seed": i})
    return images, targets


def loss_counts(model):
    return {name: int(number) for name, number in model.loss_counts().items()}


def test_training_gives_the_five_finite_losses_and_no_detections(run, tiny_model):
    model = tiny_model.train()
    losses, detections = model(*batch())
    assert set(losses) == set(LOSS_TERMS) and detections == []
    assert all(torch.isfinite(loss) and loss > 0 for loss in losses.values())
    counts = loss_counts(model)
    assert counts["anchors"] == 2 * run.config.model.rpn_batch_size_per_image
    assert 0 < counts["positives"] <= counts["regions"] <= 2 * run.config.model.box_batch_size_per_image


def test_evaluation_gives_losses_and_detections_from_one_pass_and_losses_as_in_training(run, tiny_model):
    model = tiny_model
    images, targets = batch()
    with torch.no_grad():
        trained, _ = model.train()(images, targets)
        evaluated, detections = model.eval()(images, targets)
        _, alone = model(images)
    # normalisation is frozen and nothing drops out: only the number of proposals differs (twice as many in training)
    assert evaluated["loss_objectness"] == trained["loss_objectness"]
    for both, only in zip(detections, alone, strict=True):
        assert torch.equal(both["boxes"], only["boxes"]) and torch.equal(both["scores"], only["scores"])
        assert both["masks"].shape == (len(both["boxes"]), 1, 28, 28)
        assert len(both["boxes"]) <= run.config.model.max_detections


def test_a_region_of_several_types_has_one_mask_and_answers_need_none(run, monkeypatch, tiny_model):
    model = tiny_model.eval()
    images, _ = batch(2)
    drawn = []
    heads = model.roi_heads
    draw = heads._mask_logits
    monkeypatch.setattr(heads, "_mask_logits", lambda f, boxes, p: drawn.append(len(boxes)) or draw(f, boxes, p))
    with torch.no_grad():
        features, top = model.backbone(images)
        _, found = model(images)
        _, bare = model(images, with_masks=False)
        features = features | {"top": top}
        for i, (one, plain) in enumerate(zip(found, bare, strict=True)):
            assert "masks" not in plain and torch.equal(one["boxes"], plain["boxes"])
            alone = draw(features, one["boxes"], torch.full((len(one["boxes"]),), i))
            of_label = alone[torch.arange(len(one["boxes"])), one["labels"]].sigmoid()
            assert torch.allclose(one["masks"][:, 0], of_label, atol=1e-5)
    boxes = sum(len(one["boxes"].unique(dim=0)) for one in found)
    assert drawn == [boxes] and boxes < sum(len(one["boxes"]) for one in found)


def test_two_views_are_the_mean_of_a_photo_and_its_mirror_image(run):
    torch.manual_seed(0)
    model = build_model(run.config.model, 5, with_masks=True, tta="hflip").eval()
    heads, (images, _) = model.roi_heads, batch(2)
    with torch.no_grad():
        losses, found = model(images)
        pyramid, features = model._features(images)
        _, mirrored = model._features(images.flip(3))
        scored = model.rpn(pyramid, images)
        boxes, _ = model.rpn.generate_proposals(scored, model.config.rpn_post_nms_top_n)
        plain_scores, plain = heads._predict_boxes(features, boxes)
        flipped_scores, flipped = heads._predict_boxes(mirrored, hflip_boxes(boxes, 96))
        scores, mean = (plain_scores + flipped_scores) / 2, (plain + hflip_boxes(flipped, 96)) / 2
        mean = mean.clamp(0, 96)
    assert losses == {} and not torch.allclose(plain_scores, flipped_scores)
    for i, one in enumerate(found):
        region = slice(i * boxes.shape[1], (i + 1) * boxes.shape[1])
        columns = (one[k] for k in ("boxes", "labels", "scores", "masks", "probabilities"))
        for box, label, score, mask, likely in zip(*columns, strict=True):
            place = (scores[region, label] - score).abs().argmin()
            assert torch.allclose(scores[region, label][place], score) and likely[label - 1] == score
            assert torch.allclose(scores[region, 1:][place], likely)
            assert torch.allclose(mean[region][place, label], box, atol=1e-4)
            views = [
                heads._mask_logits(maps, at[None], torch.tensor([i]))[0, label].sigmoid()
                for maps, at in ((features, box), (mirrored, hflip_boxes(box, 96)))
            ]
            assert torch.allclose(mask[0], (views[0] + views[1].flip(1)) / 2, atol=1e-5)


def test_the_second_view_is_not_part_of_training(run, tiny_model):
    model = tiny_model.train()
    once, _ = model(*batch())
    model.tta = "hflip"
    again, _ = model(*batch())
    assert all(torch.equal(once[name], again[name]) for name in once)


def test_a_photos_losses_do_not_depend_on_its_batch(run, tiny_model):
    model = tiny_model.eval()
    images, targets = batch(3)
    sums = dict.fromkeys(LOSS_TERMS, 0.0)
    counts = dict.fromkeys(("anchors", "regions", "positives"), 0)
    with torch.no_grad():
        for i in range(3):
            losses, _ = model(images[i : i + 1], targets[i : i + 1])
            for name, loss in losses.items():
                sums[name] += float(loss) * loss_counts(model)[LOSS_TERMS[name]]
            counts = {name: counts[name] + n for name, n in loss_counts(model).items()}
        together, _ = model(images, targets)
    assert loss_counts(model) == counts
    for name, loss in together.items():
        assert float(loss) == pytest.approx(sums[name] / counts[LOSS_TERMS[name]], rel=1e-4)


def test_a_photo_without_a_car_trains(run, tiny_model):
    model = tiny_model.train()
    images, targets = batch(2)
    targets[1] |= {
        "boxes": torch.zeros(0, 4),
        "labels": torch.zeros(0, dtype=torch.int64),
        "masks": torch.zeros(0, 96, 96, dtype=torch.uint8),
    }
    losses, _ = model(images, targets)
    assert all(torch.isfinite(loss) for loss in losses.values())


def test_what_is_frozen_is_frozen_only_where_there_are_weights_to_keep(run):
    def frozen(**changes):
        model = build_model(run.updated(model=changes).config.model, 5, with_masks=True)
        kernels = [
            m.weight
            for part in model.backbone.backbone_modules()
            for m in part.modules()
            if isinstance(m, torch.nn.Conv2d)
        ]
        depthwise = [not k.requires_grad for k in kernels if k.shape[1] == 1 and k.shape[2] > 1]
        return depthwise, [not k.requires_grad for k in kernels if k.shape[2] == 1]

    kept = {"weights": "imagenet", "frozen_stages": 1}
    depthwise, pointwise = frozen(freeze_depthwise=True, **kept)
    assert all(depthwise) and len(depthwise) == 16 and 0 < sum(pointwise) < len(pointwise)
    assert not all(frozen(freeze_depthwise=False, **kept)[0])
    from_scratch = frozen(freeze_depthwise=True, weights="none", frozen_stages=1)
    assert not any(from_scratch[0]) and not any(from_scratch[1])


def test_without_masks_there_is_no_mask_branch_and_no_mask_loss(run):
    model = build_model(run.config.model, 5, with_masks=False).train()
    losses, _ = model(*batch())
    assert set(losses) == set(LOSS_TERMS) - {"loss_mask"}
    assert not any("mask" in name for name in model.state_dict())
    with torch.no_grad():
        assert "masks" not in model.eval()(batch()[0])[1][0]


def test_paper_profiles_model_has_the_names_and_shapes_of_torchvisions(monkeypatch, tmp_path, synthetic_cars):
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path))
    from carseg_lib.core.run import Run

    paper = Run.create(profile="paper", data=synthetic_cars).config.model
    ours = build_model(paper, 91, with_masks=True).state_dict()
    theirs = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None).state_dict()
    theirs = {k: v for k, v in theirs.items() if not k.endswith("num_batches_tracked")}
    assert {k: v.shape for k, v in ours.items() if not k.endswith("num_batches_tracked")} == {
        k: v.shape for k, v in theirs.items()
    }


@pytest.mark.parametrize("detections", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_paper_profiles_model_computes_what_torchvisions_does(monkeypatch, tmp_path, synthetic_cars, detections):
    """Same weights, same photo, resized and normalised by each in its own place: the same detections.

    In float64: the scores of a random network lie so near to each other that rounding decides which boxes are kept.
    """
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path))
    from carseg_lib.core.constants import IMAGENET_MEAN, IMAGENET_STD
    from carseg_lib.core.run import Run

    torch.manual_seed(0)
    theirs = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, min_size=128, max_size=128).eval()
    theirs.roi_heads.detections_per_img = detections
    run = Run.create(
        profile="paper", data=synthetic_cars, overrides={"score_threshold": "0.0", "max_detections": detections}
    )
    ours = build_model(run.config.model, 91, with_masks=True).eval()
    ours.load_state_dict(theirs.state_dict(), strict=False)
    theirs.roi_heads.score_thresh = 0.0
    theirs, ours = theirs.double(), ours.double()
    photo = torch.rand(3, 128, 128).double()
    mean, std = (torch.tensor(values).double()[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    with torch.no_grad():
        expected = theirs([photo])[0]
        _, found = ours(((photo - mean) / std)[None])
    assert len(expected["boxes"]) > 0
    # ours gives its answers in float32
    torch.testing.assert_close(found[0]["boxes"], expected["boxes"].float(), atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(found[0]["scores"], expected["scores"].float(), atol=1e-5, rtol=1e-4)


def test_summary_counts_parameters_and_flops_of_each_part(run, tiny_model):
    model = tiny_model
    summary = summarize(model, run.config.inputs.size)
    assert summary.loc["all", "parameters"] == sum(p.numel() for p in model.parameters())
    assert summary.loc["all", "trainable"] == sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert (summary.gflop > 0).all()
    # the RPN by hand: 3x3 and two 1x1 convolutions (6 anchors: 6 scores and 24 offsets) on 12x12, 6x6 and 3x3 cells
    channels, cells = run.config.model.fpn_out_channels, 144 + 36 + 9
    by_hand = 2 * cells * (9 * channels * channels + channels * 6 + channels * 24)
    assert summary.loc["region proposals", "gflop"] == pytest.approx(by_hand / 1e9)


def test_jittered_boxes_of_cars_are_proposals_of_the_losses(run):
    torch.manual_seed(0)
    images, targets = batch(2)

    def positives(**changes):
        torch.manual_seed(0)
        changed = run.updated(model={"box_positive_fraction": 1.0, "rpn_post_nms_top_n": 1} | changes)
        model = build_model(changed.config.model, 5, with_masks=True).train()
        losses, _ = model(images, targets)
        assert all(torch.isfinite(loss) for loss in losses.values())
        return loss_counts(model)["positives"]

    assert positives(gt_box_jitter=0.1) == positives() + 2  # one more of each photo's one car


def carless(target):
    """The same photo's target without its cars."""
    masks = target["masks"]
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64), "masks": masks[:0]}
    return target | nothing


@pytest.mark.parametrize(
    "changed", [{}, {"gt_box_jitter": 0.2}, {"precision": "bf16-mixed"}, {"class_features": "pyramid"}]
)
def test_losses_are_finite_without_any_car_and_every_parameter_gets_a_gradient(run, changed):
    """Also where a process's share of a batch has photos without a car alone: DDP waits for each gradient."""
    torch.manual_seed(0)
    run = run.updated(model=changed)
    model = build_model(run.config.model, 5, with_masks=True).train()
    images, targets = batch(2)
    losses, _ = model(images, [carless(target) for target in targets])
    assert set(losses) == set(LOSS_TERMS)
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert [losses[name].item() for name in ("loss_rpn_box_reg", "loss_box_reg", "loss_mask")] == [0, 0, 0]
    assert losses["loss_objectness"] > 0 and losses["loss_classifier"] > 0
    counts = loss_counts(model)
    assert counts["positives"] == 0 and counts["anchors"] == 2 * run.config.model.rpn_batch_size_per_image
    assert counts["regions"] == 2 * run.config.model.box_batch_size_per_image
    assert [int(number) for number in model.class_counts()] == [0, 0]
    sum(losses.values()).backward()
    missing = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert missing == []
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_evaluation_losses_are_finite_without_any_car(tiny_model):
    images, targets = batch(2)
    with torch.no_grad():
        losses, detections = tiny_model.eval()(images, [carless(target) for target in targets])
    assert all(torch.isfinite(loss) for loss in losses.values()) and len(detections) == 2


def test_a_photo_without_a_car_changes_the_losses_of_none_beside_it(tiny_model):
    """The sums behind the means: those of the car's photo alone, and those of the photo without a car."""
    model = tiny_model.train()
    images, targets = batch(2)
    targets = [targets[0], carless(targets[1])]
    sums = {}
    for name, part in (("both", slice(0, 2)), ("car", slice(0, 1)), ("carless", slice(1, 2))):
        losses, _ = model(images[part], targets[part])
        counts = loss_counts(model)
        sums[name] = {term: losses[term].item() * counts[of] for term, of in LOSS_TERMS.items()}
    for term in LOSS_TERMS:
        assert sums["both"][term] == pytest.approx(sums["car"][term] + sums["carless"][term], rel=1e-4, abs=1e-6)
    assert sums["carless"]["loss_mask"] == 0 and sums["car"]["loss_mask"] > 0

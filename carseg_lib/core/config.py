"""The configuration of a run: every setting with its type, range, unit and default.

A run's configuration has six parts: `data`, `pseudo_labels`, `inputs`, `model`, `train`, `eval`. A function takes the
part that it needs. The default of a setting is the paper's value, or torchvision's where the paper is silent; a profile
(`notebooks/profiles/*.yaml`, see `core.profiles`) names what differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.setting_values import describe_range

WEIGHTS = ("coco", "imagenet", "segmenter", "none")  # `model.weights`; anything else is a checkpoint's path
ANNOTATORS = ("builtin", "coco", "grabcut", "none")  # `pseudo_labels.source`; anything else is a checkpoint's path
MOST_PROCESSES = 64  # of `num_processes`
Unlabelled = Literal["exclude", "background"]  # `data.unlabelled`
DataFormat = Literal[  # `data.format`
    "auto",
    "coco",
    "csv",
    "cvat",
    "folders",
    "label-studio",
    "labelme",
    "stanford-cars",
    "supervisely",
    "via",
    "voc",
    "yolo",
]


class _Part(BaseModel):
    """Frozen; unknown names, wrong types and values out of range are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _setting(default: Any, description: str, **limits: Any) -> Any:
    return Field(default=default, description=description, **limits)


class DataConfig(_Part):
    """Which photos, and which classes they have."""

    source: str = _setting(
        "rendered", "absolute path of the photos' folder or annotation file; `rendered`; or kaggle:owner/slug@version"
    )
    classes: ClassMap = _setting(
        ClassMap(), "the body types in order, with their other names; or the type folders' names"
    )
    split_by: Literal["photo", "group"] = _setting(
        "photo",
        "photo: the data's own splits, missing ones cut photo by photo; group: all photos divided anew, so that no "
        "group (car model, scene) stands in two splits",
    )
    format: DataFormat = _setting("auto", "format of the annotations; auto: found by the files")
    unlabelled: Unlabelled = _setting(
        "exclude", "photos without any annotation: excluded, or background, photos known to show no car"
    )


class PseudoLabelConfig(_Part):
    """Masks for photos that have none."""

    source: str = _setting(
        "builtin",
        "annotator of photos without masks: builtin (the car segmenter), coco, grabcut, none, or a run's best.pt",
        min_length=1,
    )
    min_quality: float = _setting(0.75, "quality of a pseudo-mask below which its photo is left out", ge=0, le=1)


class InputConfig(_Part):
    """From a photo to the network's input."""

    max_images_per_split: int = _setting(0, "photos kept of each split; 0 keeps all", ge=0)
    height: int = _setting(224, "height of the network's input, pixels", ge=64, le=1024, multiple_of=32)
    width: int = _setting(224, "width of the network's input, pixels", ge=64, le=1024, multiple_of=32)
    augmentation: Literal["rotate_and_flip", "quarter_turns", "flip_only", "none"] = _setting(
        "rotate_and_flip", "reading of the paper's 'flipped using an interval of [-90, 90]'"
    )
    max_rotation: float = _setting(90.0, "largest rotation either way, degrees", ge=0, le=90)
    min_crop_scale: float = _setting(
        0.8, "smallest share of the photo's area that a random crop keeps; 1 = no crop", gt=0, le=1
    )
    min_visible: float = _setting(0.6, "smallest share of the car's pixels that a random crop keeps", ge=0, le=1)
    hflip_prob: float = _setting(0.5, "probability of a horizontal flip", ge=0, le=1)
    color_jitter: float = _setting(0.0, "largest change of brightness, contrast and saturation, as a share", ge=0, lt=1)
    num_workers: int = _setting(4, "processes that load photos ahead; 0 = none", ge=0, le=64)
    cache_gb: float = _setting(4.0, "disk space for photos decoded once for all epochs, GB; 0 = none", ge=0, le=10_000)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the network's input, pixels."""
        return self.height, self.width


class ModelConfig(_Part):
    """The network, all of it: also how its losses sample and which detections it keeps."""

    architecture: Literal["mask_rcnn", "classifier"] = _setting(
        "mask_rcnn", "the network: mask_rcnn, or classifier, which names the photo's class and finds no box or mask"
    )
    backbone: str = _setting("resnet50", "name of the feature extractor", min_length=1, max_length=100)
    weights: str = _setting(
        "coco", "initial weights: coco, imagenet, segmenter, none, or a checkpoint's path", min_length=1
    )
    trainable: Literal["all", "new_layers"] = _setting(
        "all", "what is trained: all that is not frozen otherwise, or the layers alone that the initial weights lack"
    )
    frozen_stages: int = _setting(
        2, "first stages of the backbone that are not trained; 0 where weights=none", ge=0, le=5
    )
    freeze_depthwise: bool = _setting(
        False, "whether the backbone's depthwise kernels, slow to train on a CPU, stay as they are"
    )
    precision: Literal["auto", "32-true", "bf16-mixed"] = _setting(
        "32-true", "number format: 32-true, bf16-mixed, or auto: bf16-mixed where the machine multiplies in it"
    )
    fpn_out_channels: int = _setting(256, "channels of each level of the feature pyramid", ge=8, le=1024)
    fpn_min_stride: Literal[4, 8] = _setting(4, "stride of the pyramid's finest level, pixels")
    rpn_batch_size_per_image: int = _setting(256, "anchors sampled a photo for the RPN's loss", ge=2, le=4096)
    rpn_positive_fraction: float = _setting(0.5, "largest share of the sampled anchors that are positive", gt=0, le=1)
    rpn_fg_iou: float = _setting(0.7, "IoU from which an anchor is positive", gt=0, le=1)
    rpn_bg_iou: float = _setting(0.3, "IoU below which an anchor is negative", ge=0, le=1)
    rpn_nms_iou: float = _setting(0.7, "IoU above which the weaker of two proposals is dropped", gt=0, le=1)
    rpn_post_nms_top_n: int = _setting(1000, "proposals kept a photo", ge=1, le=4000)
    box_batch_size_per_image: int = _setting(512, "proposals sampled a photo for the heads' losses", ge=2, le=4096)
    box_positive_fraction: float = _setting(
        0.25, "largest share of the sampled proposals that are positive", gt=0, le=1
    )
    box_fg_iou: float = _setting(0.5, "IoU from which a proposal is positive; below it is background", gt=0, le=1)
    gt_box_jitter: float = _setting(
        0.0,
        "the heads also learn from labelled boxes moved by at most this share of their sides; 0 = not",
        ge=0,
        le=0.5,
    )
    class_features: Literal["pyramid", "backbone"] = _setting(
        "pyramid", "what a class is read from: the pyramid, or the backbone's last layer"
    )
    box_head_dim: int = _setting(1024, "units of the box head's hidden layers", ge=8, le=4096)
    mask_head_channels: int = _setting(256, "channels of the mask head", ge=4, le=1024)
    mask_head_layers: int = _setting(4, "convolutions of the mask head", ge=1, le=8)
    label_smoothing: float = _setting(0.0, "share of a car's label that is spread over all classes", ge=0, lt=1)
    score_threshold: float = _setting(0.05, "lowest score of a detection that is kept", ge=0, lt=1)
    per_class_nms_iou: float = _setting(
        0.5, "IoU above which the weaker of two detections of one class is dropped", gt=0, le=1
    )
    class_agnostic_nms_iou: float = _setting(
        0.5, "IoU above which the weaker of two detections is dropped, whatever their classes", gt=0, le=1
    )
    max_detections: int = _setting(100, "detections kept a photo", ge=1, le=1000)


class TrainConfig(_Part):
    """How the weights are trained."""

    epochs: int = _setting(30, "passes over the training photos", ge=1, le=1000)
    batch_size: int = _setting(8, "photos a step, over all processes", ge=1, le=1024)
    class_balance: float = _setting(
        0.0, "0: every photo once an epoch; 1: every class as often as the others", ge=0, le=1
    )
    optimizer: Literal["adam", "adamw", "sgd"] = _setting("adam", "optimizer")
    lr: float = _setting(0.002, "peak learning rate", gt=0, le=10)
    backbone_lr_mult: float = _setting(1.0, "the backbone's share of the learning rate", gt=0, le=1)
    momentum: float = _setting(0.9, "momentum of sgd", ge=0, lt=1)
    weight_decay: float = _setting(0.0, "weight decay", ge=0, le=1)
    lr_schedule: Literal["constant", "cosine"] = _setting("constant", "learning rate after the warm-up")
    warmup_ratio: float = _setting(0.0, "share of the steps that raise the learning rate", ge=0, lt=1)
    max_grad_norm: float = _setting(0.0, "largest norm of the gradients; 0 = off", ge=0, le=1000)
    ema_decay: float = _setting(
        0.0, "share of the average of the weights that a step keeps; 0 = no average", ge=0, lt=1
    )
    background_share: float = _setting(
        0.0, "share of an epoch's photos without a car, the data's own or built-in; none for a classifier", ge=0, lt=1
    )
    pieces_share: float = _setting(
        0.0, "share of pieces, training photos made carless, in an epoch; none for a classifier", ge=0, le=0.5
    )
    train_eval_size: int = _setting(500, "training photos that measure training accuracy", ge=1)


class EvalConfig(_Part):
    """How a trained network is measured; no setting here trains anything anew."""

    tta: Literal["none", "hflip"] = _setting(
        "none", "test-time augmentation: none, or hflip (a photo and its mirror image, averaged)"
    )
    negatives: str = _setting(
        "", "absolute path of a folder of photos without a car, to measure false alarms on; empty = none"
    )
    keep_cars: float = _setting(
        0.99, "share of the validation cars that the threshold of car or no car keeps", gt=0, lt=1
    )
    likeness: Literal["imagenet", "none"] = _setting(
        "imagenet", "second look at a detection: imagenet, by a classifier that no fine-tuning has touched, or none"
    )
    second_opinion: Literal["auto", "on", "off"] = _setting(
        "auto",
        "whether its opinion on a car's type counts where new photos are answered; auto: of a model of the rendered "
        "cars, whose new photos are of another source",
    )
    bootstrap_samples: int = _setting(
        1000, "draws behind the 95% intervals of averages, means and AP", ge=100, le=100_000
    )
    robustness_photos: int = _setting(
        200, "validation photos that `make certainty` corrupts and rotates; 0 = all", ge=0
    )


class RunConfig(_Part):
    """The whole configuration of one run."""

    name: str = Field(description="name of the run, and of its folder under reports/")
    profile: str = Field(description="name of the profile the values came from")
    seed: int = _setting(0, "seed of every random choice; 0 is a seed", ge=0, le=2**32 - 1)
    device: Literal["auto", "cpu", "cuda", "mps"] = _setting("auto", "where it runs")
    num_processes: int = _setting(1, "processes that train and evaluate", ge=1, le=MOST_PROCESSES)
    data_as_given: str = _setting("", "data.source as the user wrote it")
    classes_as_given: str = _setting("", "data.classes as the user wrote it")
    negatives_as_given: str = _setting("", "eval.negatives as the user wrote it")
    data: DataConfig = DataConfig()
    pseudo_labels: PseudoLabelConfig = PseudoLabelConfig()
    inputs: InputConfig = InputConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    eval: EvalConfig = EvalConfig()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.train.batch_size % self.num_processes:
            raise ValueError(
                f"train.batch_size = {self.train.batch_size} is not a multiple of NPROC = {self.num_processes}: "
                "each process takes an equal share of a batch"
            )
        if self.model.weights == "coco" and self.model.backbone != "resnet50":
            raise ValueError(
                f"model.weights = coco exist for model.backbone = resnet50 only, not {self.model.backbone!r}: "
                "take another of the two, for instance WEIGHTS=imagenet"
            )
        if self.model.trainable == "new_layers" and self.model.weights == "none":
            raise ValueError("model.trainable = new_layers needs initial weights: with none, all layers are new")
        if self.model.architecture == "classifier":
            if self.model.weights not in ("imagenet", "none"):
                raise ValueError(
                    f"model.weights = {self.model.weights} are a detector's: a classifier starts from imagenet or none"
                )
            if self.model.frozen_stages or self.model.freeze_depthwise:
                raise ValueError(
                    "a classifier is trained whole, or its new layer alone (model.trainable): set "
                    "model.frozen_stages = 0 and model.freeze_depthwise = false"
                )
        return self

    def select(self, *names: str) -> dict[str, Any]:
        """Settings of parts ("model"), of a part ("data.source") or of the run ("seed"), by dotted name."""
        found: dict[str, Any] = {}
        for name in names:
            part, _, setting = name.partition(".")
            value = getattr(self, part)
            if setting:
                found[name] = getattr(value, setting)
            elif isinstance(value, BaseModel):
                found |= {f"{part}.{field}": getattr(value, field) for field in type(value).model_fields}
            else:
                found[name] = value
        return {name: value.text if isinstance(value, ClassMap) else value for name, value in found.items()}

    def updated(self, **changes: Any) -> Self:
        """The same configuration with other values, checked as a whole; a part takes a mapping: `train={"epochs": 3}`.

        Raises:
            CarsegError: a value is refused.
        """
        values = {name: getattr(self, name) for name in type(self).model_fields}
        for name, change in changes.items():
            part = values[name]
            if isinstance(part, BaseModel) and isinstance(change, Mapping):
                change = {field: getattr(part, field) for field in type(part).model_fields} | dict(change)
            values[name] = change
        return validate(type(self), values, {})


PARTS: dict[str, type[BaseModel]] = {
    name: field.annotation
    for name, field in RunConfig.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}


def fields() -> Iterator[tuple[str, FieldInfo]]:
    """Every setting of every part: its dotted name and its field."""
    for part, kind in PARTS.items():
        for name, field in kind.model_fields.items():
            yield f"{part}.{name}", field


def field_of(name: str) -> FieldInfo:
    """The field of a dotted name, or of a setting of the run itself."""
    part, _, setting = name.partition(".")
    return PARTS[part].model_fields[setting] if setting else RunConfig.model_fields[name]


_AnyPart = TypeVar("_AnyPart", bound=_Part)


def validate(kind: type[_AnyPart], values: Mapping[str, Any], where: Mapping[str, str]) -> _AnyPart:
    """Check the values of a configuration.

    Args:
        kind: the class to make.
        values: its values, nested as the class is.
        where: for each dotted name, the origin of its value, for messages.

    Raises:
        CarsegError: one line with every refused value, its origin and the values that are allowed.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise CarsegError("; ".join(_problems(kind, error, where)) + ".") from error


def _problems(kind: type[BaseModel], error: ValidationError, where: Mapping[str, str]) -> Iterable[str]:
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"])
        if not name:  # a check of several settings together
            yield problem["msg"].removeprefix("Value error, ")
            continue
        part, _, setting = name.rpartition(".")
        field = PARTS.get(part, kind).model_fields.get(setting)
        limits = f"must be {describe_range(field)}" if field else "there is no such setting"
        yield f"{name} = {problem['input']!r} ({where.get(name, 'config.json')}): {limits}"

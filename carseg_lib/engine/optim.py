"""How the weights move: the optimizer, which parts of the network it moves how fast, and the rate of each step."""

import math

import torch

from carseg_lib.core.config import TrainConfig
from carseg_lib.models.mask_rcnn import MaskRCNN


def make_optimizer(model: MaskRCNN, config: TrainConfig) -> torch.optim.Optimizer:
    """The study's optimizer; weight decay spares biases and normalisation, as is usual.

    The backbone's first weights are good already and the heads' are random: each group of parameters has its `share` of
    the learning rate, `backbone_lr_share` for the backbone (discriminative fine-tuning, Howard and Ruder 2018, §3.2,
    arXiv:1801.06146). A rate that suits the heads undoes what a small backbone knows.
    """
    groups = []
    body = {id(p) for part in model.backbone.backbone_modules() for p in part.parameters()}
    for in_body, share in ((True, config.backbone_lr_mult), (False, 1.0)):
        trained = [p for p in model.parameters() if p.requires_grad and (id(p) in body) == in_body]
        groups += [
            {
                "params": [p for p in trained if p.ndim > 1],
                "weight_decay": config.weight_decay,
                "share": share,
            },
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0, "share": share},
        ]
    groups = [group for group in groups if group["params"]]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, fused=True)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.optimizer]
    return kind(groups, lr=config.lr, fused=True)


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """The rate of one step: a linear warm-up over a share of all steps, then constant or half a cosine to 0."""
    warmup = round(config.warmup_ratio * steps)
    if step < warmup:
        return config.lr * (step + 1) / warmup
    if config.lr_schedule == "constant":
        return config.lr
    return config.lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))

"""The optimizer, its groups of parameters, and the learning rate of each step."""

import math

import torch

from carseg_lib.core.config import TrainConfig
from carseg_lib.models.networks import Network


def make_optimizer(model: Network, config: TrainConfig) -> torch.optim.Optimizer:
    """The optimizer of a model; biases and normalisation have no weight decay, as is usual.

    The backbone's initial weights are pre-trained and the heads' are random: each group of parameters has a `share` of
    the learning rate, `backbone_lr_mult` for the backbone (discriminative fine-tuning, Howard and Ruder 2018, §3.2,
    arXiv:1801.06146). A rate that suits the heads destroys the weights of a small backbone.

    Args:
        model: with its frozen parameters frozen.
        config: optimizer, learning rate and weight decay.
    """
    groups = []
    body = {id(p) for p in model.body_parameters()}
    for in_body, share in ((True, config.backbone_lr_mult), (False, 1.0)):
        trained = [p for p in model.parameters() if p.requires_grad and (id(p) in body) == in_body]
        groups += [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay, "share": share},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0, "share": share},
        ]
    groups = [group for group in groups if group["params"]]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, fused=True)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.optimizer]
    return kind(groups, lr=config.lr, fused=True)


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """The learning rate of a step: a linear warm-up over a share of all steps, then constant or half a cosine to 0.

    Args:
        config: peak rate, warm-up and schedule.
        step: from 0.
        steps: of the whole training.
    """
    warmup = round(config.warmup_ratio * steps)
    if step < warmup:
        return config.lr * (step + 1) / warmup
    if config.lr_schedule == "constant":
        return config.lr
    return config.lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))

"""A check before the first notebook runs: can the device, the backbone and the initial weights be had?"""

from carseg_lib.core.config import RunConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.engine.device import choose_device
from carseg_lib.engine.device_check import require_agreement
from carseg_lib.models.mask_rcnn import build_model
from carseg_lib.models.weights import load_weights


def check(config: RunConfig) -> None:
    """Builds a run's model and loads its initial weights, as training will.

    Raises:
        CarsegError: a network without boxes and masks, no such device, an unknown backbone or one without the pyramid's
            strides, weights that cannot be had or do not fit; MPS whose numbers are not the CPU's.
    """
    if config.model.architecture != "mask_rcnn":
        raise CarsegError(
            f"model.architecture = {config.model.architecture} finds no boxes and masks, which the study measures: "
            "make readings and make ablation train it"
        )
    device = choose_device(config.device)
    model = build_model(config.model, 5, with_masks=True)
    load_weights(model, config.model.backbone, config.model.weights)
    if device.type == "mps":
        require_agreement(model, config.inputs.size, device)

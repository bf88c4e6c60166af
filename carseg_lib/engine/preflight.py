"""What can be known to fail before the first notebook runs: device, backbone, first weights."""

from carseg_lib.core.run import Run
from carseg_lib.engine.inference import choose_device
from carseg_lib.models.mask_rcnn import build_model
from carseg_lib.models.weights import load_weights


def check(run: Run) -> None:
    """Builds the study's model and loads its first weights, as training will.

    Raises:
        CarsegError: no such device, an unknown backbone or one without the pyramid's strides, weights that cannot be
            had or do not fit.
    """
    choose_device(run.config.device)
    config = run.config.model
    load_weights(build_model(config, 5, with_masks=True), config.backbone, config.weights)

"""What can be known to fail before the first notebook runs: device, backbone, first weights."""

from carseg_lib.core.run import Study
from carseg_lib.engine.inference import choose_device
from carseg_lib.models.mask_rcnn import build_model
from carseg_lib.models.weights import load_weights


def check(study: Study) -> None:
    """Builds the study's model and loads its first weights, as training will.

    Raises:
        CarsegError: no such device, an unknown backbone or one without the pyramid's strides, weights that cannot be
            had or do not fit.
    """
    choose_device(study.device)
    load_weights(build_model(study, 5, with_masks=True), study.backbone, study.weights)

"""Other photos that the trials of an experiment are measured on: cars of another source, and photos without a car.

What a recipe gains on the photos of its own source may be lost on others; and a detector that was only ever shown cars
finds one everywhere. Both are measured with the networks of an experiment as they are: nothing is trained or chosen by
these photos. Whether a photo shows a car is asked of the detector alone, and of the detector with a second look
(`carseg_lib.engine.second_look`); each answers at the score that keeps 99%, `eval.keep_cars`, of the validation cars of
the training's own source.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from torch import nn

from carseg_lib.core import files
from carseg_lib.core.run import Run
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import BackgroundDataset, CarDataset
from carseg_lib.engine.inference import Detection
from carseg_lib.engine.likeness import ImageNetClassifier
from carseg_lib.engine.second_look import SecondLook
from carseg_lib.evaluation.presence import GIVEN, NO_CAR, OWN, PRESENCE
from carseg_lib.evaluation.presence_run import learn_classes, look_again, presence_rows
from carseg_lib.experiments.subsets import code_digest
from carseg_lib.experiments.trial_network import find_in, tables_of

OTHER_SOURCE, REGIONS = "other_source.csv", "presence.csv"  # in a trial's folder
LOOKING = "from carseg_lib.experiments import elsewhere"  # the code that decides these tables, with all that it imports
_LEARNED_FROM = 200  # training photos that teach which ImageNet classes the object has


@dataclass(frozen=True)
class Elsewhere:
    """Other photos for the trials of an experiment; at least one of the two is given.

    Attributes:
        other: cars of another source, of which the validation photos are predicted; of the same body types.
        without_car: a catalogue of photos without a car, of the split "test".
    """

    other: Catalogue | None = None
    without_car: Catalogue | None = None

    @property
    def needs(self) -> dict[str, str]:
        """What the tables of a trial are made from."""
        named = {"other": self.other, "without_car": self.without_car}
        return {"looking": code_digest(LOOKING)} | {
            name: photos.fingerprint for name, photos in named.items() if photos
        }

    def measure(
        self,
        model: nn.Module,
        run: Run,
        folder: Path,
        training: CarDataset,
        validation: CarDataset,
        found: list[list[Detection]],
    ) -> list[Path]:
        """Write the tables of a trial.

        Args:
            model: of the trial, in evaluation mode.
            run: of the trial.
            folder: of the trial.
            training: photos that teach which ImageNet classes the object has.
            validation: photos that choose the thresholds.
            found: in them, by the model.

        Returns:
            The files: predictions of the other source's photos, and the regions of the validation cars and of the
            photos without a car, columns as `evaluation.presence.PRESENCE`.
        """
        config, made = run.config, []
        types = list(validation.class_ids)
        if self.other is not None:
            photos = CarDataset(self.other, "validation", config.inputs, config.seed)
            predictions, _ = tables_of(model, photos, find_in(model, photos, types, config))
            made.append(files.write_csv(folder / OTHER_SOURCE, predictions))
        if self.without_car is not None:
            classifier = ImageNetClassifier(next(model.parameters()).device)
            classes = learn_classes(classifier, training.sample(_LEARNED_FROM))
            second_look = SecondLook(classifier, classes.tolist())
            others = BackgroundDataset(self.without_car, "test", config.inputs, config.seed)
            rows = []
            for part, regions, source in ((validation, found, OWN), (others, None, GIVEN)):
                labels = part.photos[["photo_id"]].assign(body_type=part.photos.get("body_type", NO_CAR))
                looks = look_again(second_look, part, regions or find_in(model, part, types, config))
                rows += presence_rows(labels.to_dict("records"), looks, source=source, split="validation")
            table = pd.DataFrame(rows, columns=list(PRESENCE)).astype(PRESENCE)
            made.append(files.write_csv(folder / REGIONS, table))
        return made

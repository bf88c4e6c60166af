"""The model of the paper's four body types that comes with carseg, as a run: it predicts before anything is trained.

One file holds its tensors, its settings, and from which score a region is a car. Opened, it is a run like any other,
`reports/packaged/`, so that what takes a trained run takes it too. `carseg_lib.experiments.packing` makes the file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from carseg_lib.core import files
from carseg_lib.core.config import RunConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.formatting import interval, percent
from carseg_lib.core.paths import PACKAGED, builtin_model, checksum_path
from carseg_lib.core.run import Run
from carseg_lib.engine.checkpoint import write_tensors
from carseg_lib.engine.inference import load_trained
from carseg_lib.models.pretrained import read_card, read_packed, write_packed
from carseg_lib.models.weights import read_checkpoint

_WHAT, _ADVICE = "the model that comes with carseg", "restore it from git, or train one: make reproduce"
_ORIGIN = "packed"  # in the card of the run: the sha256 of the file that it is from


def pack(run: Run, path: Path, measured: dict[str, Any]) -> Path:
    """Write a run's model as one file.

    Args:
        run: Trained and evaluated.
        path: Of the file; ends in .safetensors.
        measured: What is known of its accuracy, for the file's card; see `carseg_lib.experiments.packing`.

    Raises:
        CarsegError: The run has no trained model, or was not evaluated.
    """
    _, card = load_trained(run.config, run)
    if not run.presence.is_file():
        raise CarsegError(f"run {run.name!r} was not evaluated; run make evaluate RUN={run.name} first")
    config = run.config.updated(
        name=PACKAGED, device="auto", num_processes=1, negatives_as_given="", eval={"negatives": ""}
    )
    return write_packed(
        path,
        read_checkpoint(run.best_weights),
        {
            "config": config.model_dump(mode="json"),
            "card": {name: value for name, value in card.items() if name not in ("config", "sha256")},
            "presence": files.read_json(run.presence),
            "measured": measured,
        },
    )


def open_packaged(device: str = "", path: Path | None = None) -> Run:
    """The run of the packaged model; its files are written first, unless they are there.

    Args:
        device: auto, cpu, cuda or mps; empty for auto.
        path: Of another file that `pack` wrote.

    Raises:
        CarsegError: The file is missing or damaged, or is of another version of carseg.
    """
    path = path or builtin_model()
    content = read_card(path, _WHAT, _ADVICE)
    origin = checksum_path(path).read_text(encoding="ascii").split()[0]
    try:
        run = Run(RunConfig.model_validate_json(json.dumps(content["config"])))
    except ValidationError:
        raise CarsegError(f"{path} is of another version of carseg; {_ADVICE}") from None
    if not (run.best_card.is_file() and files.read_json(run.best_card).get(_ORIGIN) == origin):
        run.save()
        digest = write_tensors(read_packed(path, _WHAT, _ADVICE)[0], run.best_weights)
        files.write_json(run.presence, content["presence"] | {"model_sha256": digest})
        files.write_json(
            run.best_card, content["card"] | {"config": content["config"], "sha256": digest, _ORIGIN: origin}
        )
    return Run.open(run.name, device=device)


def about_packaged(path: Path | None = None) -> str:
    """What the packaged model is and how well it names types, in a sentence.

    Raises:
        CarsegError: As `open_packaged`.
    """
    measured = read_card(path or builtin_model(), _WHAT, _ADVICE)["measured"]
    parts = [
        f"{percent(of['accuracy']['value'])} ({interval(of['accuracy'])}) of {of['accuracy']['n']:,} {of['photos']}"
        for of in measured["cars"]
    ]
    names = "; of ".join(parts)
    return f"the model that comes with carseg, trained on {measured['trained_on']}, names the type of {names}"

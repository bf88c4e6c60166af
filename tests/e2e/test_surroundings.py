"""What other machines have set: schedulers' variables, a matplotlibrc, disks without locks."""

from __future__ import annotations

import errno
import fcntl
import os

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from carseg_lib.core.errors import CarsegError
from carseg_lib.core.locks import folder_lock
from carseg_lib.core.run import Run
from carseg_lib.engine import distributed
from carseg_lib.engine.trainer import make_fabric
from carseg_lib.reporting.plots.style import empty_figure, png_bytes, with_theme

SLURM = {"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "train", "SLURM_JOB_ID": "1", "SLURM_PROCID": "1", "SLURM_NODEID": "0"}
KUBEFLOW = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "10.255.255.1", "MASTER_PORT": "1"}


@pytest.mark.parametrize("variables", [SLURM, KUBEFLOW, SLURM | KUBEFLOW], ids=["slurm", "kubeflow", "both"])
def test_a_training_in_one_process_takes_no_part_in_a_schedulers_job(monkeypatch, variables, tmp_path):
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    fabric = make_fabric(Run.create(profile="smoke", device="cpu").config)
    assert (fabric.world_size, fabric.global_rank, fabric.is_global_zero) == (1, 0, True)
    assert distributed.rank_and_size() == (0, 1) and not distributed.inside()


def test_figures_do_not_follow_a_users_matplotlibrc():
    draw = with_theme(empty_figure)
    plain = png_bytes(draw("A title", "A note of 5%."))
    with mpl.rc_context({"text.usetex": True, "font.size": 30, "savefig.dpi": 20, "axes.grid": True}):
        figure = draw("A title", "A note of 5%.")
        assert isinstance(figure, Figure) and png_bytes(figure) == plain
        assert mpl.rcParams["text.usetex"]  # the user's own settings are as they were
    assert np.frombuffer(plain[:8], np.uint8)[0] == 0x89


@pytest.mark.skipif(os.name == "nt", reason="locks of POSIX")
@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_disk_without_locks_is_one_line(monkeypatch, tmp_path, code):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        pytest.raises(CarsegError, match=r"this disk takes no locks .* CARSEG_REPORTS=folder"),
        folder_lock(tmp_path / "run", "Run 'x'"),
    ):
        pass

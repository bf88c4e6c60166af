"""The files for schedulers in docs/cluster: what can be checked of them without a scheduler."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml

from carseg_lib.core.paths import project_folder
from carseg_lib.engine import trainer

CLUSTER = project_folder() / "docs" / "cluster"
SCRIPTS = sorted(CLUSTER.glob("*.sbatch"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_bash_and_says_what_is_missing(script):
    subprocess.run(["bash", "-n", script], check=True)
    environment = {"PATH": "/usr/bin:/bin", "SLURM_JOB_ID": "7", "SLURM_SUBMIT_DIR": "/nowhere"}
    done = subprocess.run(["bash", script], env=environment, capture_output=True, text=True)
    assert done.returncode and re.search(r"(RUN|DATA): name the (run|photos): sbatch --export=ALL,", done.stderr)
    head, _, body = script.read_text().partition("set -euo pipefail")
    assert head.startswith("#!/bin/bash\n") and "#SBATCH --requeue" in head and "#SBATCH" not in body


def test_the_training_of_slurm_and_kubernetes_is_the_module_that_trains():
    assert f"-m {trainer.MODULE} " in (CLUSTER / "train.sbatch").read_text()
    job = yaml.safe_load((CLUSTER / "train.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("kubeflow.org/v1", "PyTorchJob")
    (worker,) = job["spec"]["pytorchReplicaSpecs"].values()
    elastic = job["spec"]["elasticPolicy"]
    assert elastic["minReplicas"] == elastic["maxReplicas"] == worker["replicas"]  # as many as the run was written for
    pod = worker["template"]["spec"]
    (container,) = pod["containers"]
    assert container["name"] == "pytorch" and container["command"][1:3] == ["-m", "torch.distributed.run"]
    assert container["args"] == ["-m", trainer.MODULE, "cars"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert pod["securityContext"]["runAsNonRoot"] and not container["securityContext"]["allowPrivilegeEscalation"]
    per_node = int(container["command"][3].removeprefix("--nproc-per-node="))
    said = re.search(r"make preprocess .* NPROC=(\d+)", (CLUSTER / "train.yaml").read_text())
    assert int(said[1]) == per_node * worker["replicas"]

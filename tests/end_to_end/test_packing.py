"""The Python of executors, from one archive."""

import site
import subprocess
import tarfile
from pathlib import Path

import numpy
import pytest
from mlflow.tracking import MlflowClient

from machines import DESK, SHARED
from standalone import standalone

PACKAGES = site.getsitepackages()
LOOPBACK = [f"cluster.conf.spark.driver.{name}=127.0.0.1" for name in ("host", "bindAddress")]


@pytest.mark.by_hand
def test_executors_have_the_packages_of_an_archive(command, environment, tmp_path):
    """A cluster starts, and 100 MB are packed, sent and taken apart."""
    done = command("experiments", "pack", "--to", "here/environment.tar.gz")
    assert done.returncode == 0, done.stderr
    assert f"numpy {numpy.__version__}" in done.stdout
    assert "tensorflow" not in done.stdout
    archive = tmp_path / "here" / "environment.tar.gz"
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "there", filter="fully_trusted")
    code = "import numpy, pandas, pyarrow; print(numpy.__version__, numpy.__file__)"
    said = subprocess.run(
        [tmp_path / "there" / "bin" / "python", "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert said.split()[0] == numpy.__version__
    assert str(tmp_path / "there") in said
    with standalone(tmp_path) as cluster:
        own = [f"cluster.master={cluster.address}", f"cluster.shared_folder={tmp_path}"]
        looked = command(
            "experiments", "doctor", "cluster=standalone", *own, f"cluster.environment={archive}", *LOOPBACK
        )
    assert "packages there  warning  executors have none of" in looked.stdout
    (missing,) = [line for line in looked.stdout.splitlines() if "executors have none of" in line]
    assert "tensorflow" in missing
    assert "numpy" not in missing


HIDDEN = ("tensorflow", "keras", "numpy", "pandas", "pyarrow", "horovod")


@pytest.mark.by_hand
def test_a_network_trains_on_machines_that_have_its_packages_from_an_archive_alone(hosts, command, store, tmp_path):
    """Half a gigabyte is packed, and sent to two machines."""
    hosts.hidden = [Path(site) / name for name in HIDDEN for site in PACKAGES if Path(site, name).is_dir()]
    assert len(hosts.hidden) >= 5
    archive = hosts.shared / "environment.tar.gz"
    done = command("experiments", "pack", "--extra", "tensorflow", "--to", str(archive))
    assert done.returncode == 0, done.stderr
    network = ["model=keras_regressor", "model.estimator.engine=tensorflow", "model.estimator.numWorkers=2"]
    with standalone(tmp_path, hosts) as cluster:
        words = ["cluster=standalone", f"cluster.master={cluster.address}", "cluster.memory=700m", "cluster.cores=1"]
        words += ["cluster.executors=2", f"cluster.shared_folder={SHARED}/models", "registry=none", "data=diabetes"]
        run = [*hosts.on(DESK), "experiments", *network, "model.estimator.epochs=3", *words]
        without = command(*run)
        assert without.returncode == 1
        assert "numpy" in without.stderr or "pandas" in without.stderr or "pyarrow" in without.stderr
        done = command(*run, f"cluster.environment={SHARED}/environment.tar.gz", timeout=900)
    assert done.returncode == 0, done.stderr
    (run, _) = MlflowClient(store).search_runs(["1"])
    assert run.info.status == "FINISHED"


def test_what_cannot_be_packed_is_said(command, tmp_path):
    done = command("experiments", "pack", "--to", f"{tmp_path}/")
    assert done.returncode == 2
    assert "--to must be a file, got the folder" in done.stderr
    assert "numpy" not in done.stdout
    done = command("experiments", "pack", "--to", "environment.tar.gz", "--extra", "tensorflw")
    assert done.returncode == 2
    assert (
        "--extra must be one of tensorflow, horovod, xgboost, got 'tensorflw'; did you mean 'tensorflow'?"
        in done.stderr
    )

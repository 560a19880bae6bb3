"""The other ways to install and start: an environment that MLflow makes, and a wheel."""

import os
import sys

import pytest


@pytest.mark.by_hand
def test_mlflow_run_makes_its_environment_with_uv(command, store, runs, environment, request, tmp_path):
    """By hand, as some 150 packages are installed for it."""
    environment["UV_COMPILE_BYTECODE"] = "0"  # of some packages of many
    environment["MLFLOW_ENV_ROOT"] = str(tmp_path / "environments")
    words = ["mlflow", "run", str(request.config.rootpath), "--env-manager", "uv", "--experiment-name", "uv"]
    done = command(*words, "-P", "model=ridge", "-P", "data=diabetes", timeout=500)
    assert done.returncode == 0, done.stderr
    (run,) = runs(store, "uv")
    assert run.info.status == "FINISHED"
    assert run.data.metrics["rmse"] > 0


@pytest.mark.by_hand
def test_an_installed_wheel_runs_in_an_empty_folder(command, store, runs, environment, request, tmp_path):
    """By hand, as some 150 packages are installed for it."""
    environment["UV_COMPILE_BYTECODE"] = "0"
    steps = [
        ["uv", "build", "--wheel", "--out-dir", str(tmp_path / "built"), str(request.config.rootpath)],
        ["uv", "venv", "--python", sys.executable, str(tmp_path / "installed")],
    ]
    for words in steps:
        done = command(*words)
        assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "built").glob("*.whl")
    python = tmp_path / "installed" / "bin" / "python"
    done = command("uv", "pip", "install", "--python", str(python), str(wheel), timeout=500)
    assert done.returncode == 0, done.stderr
    (tmp_path / "empty").mkdir()
    program = python.with_name("experiments")
    environment["PATH"] = os.environ["PATH"]
    done = command("bash", "-c", f"cd '{tmp_path}/empty' && '{program}' model=ridge data=diabetes")
    assert done.returncode == 0, done.stderr
    (run,) = runs(store, "diabetes")
    assert run.info.status == "FINISHED"
    listed = command(str(program), "models")
    assert "model=random_forest" in listed.stdout
    # An installation without the extra says what to do.
    done = command(str(program), "model=keras_horovod")
    assert done.returncode == 2
    assert "model.estimator.engine must have TensorFlow and Keras, which are not installed" in done.stderr
    assert "pip install 'spark-experiments[horovod]'" in done.stderr

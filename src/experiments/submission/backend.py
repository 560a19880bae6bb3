"""`mlflow run . -b spark-submit --backend-config cluster.json`: a project on the cluster that a file names."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.projects.backend.abstract_backend import AbstractBackend

from experiments.redaction import is_secret
from experiments.tracking.handed_over import close_left

if TYPE_CHECKING:
    from mlflow.projects.submitted_run import SubmittedRun

_NAME = "spark-submit"


class SparkSubmitBackend(AbstractBackend):  # type: ignore[misc]  # MLflow has no types
    """Runs MLproject's entry point with the words of `cluster.json` beside those of `-P`, which win.

    On YARN the driver is in the cluster, as by `experiments submit`; elsewhere it is in this command. It blocks, as
    MLflow's command line waits for backends of its own alone.
    """

    def run(
        self,
        project_uri: str,
        entry_point: str,
        params: Mapping[str, str] | None,
        version: str | None,
        backend_config: Mapping[str, Any],
        tracking_uri: str,
        experiment_id: str,
    ) -> SubmittedRun:
        """Run the project to its end.

        Raises:
            ExecutionException: a config that cannot be taken, or a run that did not finish, as it says itself.
        """
        from mlflow.projects import utils

        words = {**_words(backend_config), "submit": "auto"}
        folder = utils.fetch_and_validate_project(project_uri, version, entry_point, params)
        project = utils.load_project(folder)
        opened = utils.get_or_create_run(None, project_uri, experiment_id, folder, version, entry_point, params)
        (command,) = utils.get_entry_point_command(project, entry_point, {**words, **(params or {})}, None)
        variables = {
            **os.environ,
            **utils.get_run_env_vars(opened.info.run_id, experiment_id),
            # So that `python` is the one that runs this, whether its environment is activated or not.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        }
        return _ended(
            opened.info.run_id, tracking_uri, subprocess.Popen(["bash", "-c", command], cwd=folder, env=variables)
        )


def _words(backend_config: Mapping[str, Any]) -> dict[str, str]:
    """The words of a backend's config, without MLflow's own entries.

    Raises:
        ExecutionException: what is no word of the cluster, a secret, or another environment.
    """
    from mlflow.exceptions import ExecutionException
    from mlflow.projects import utils

    own = {name for key, name in vars(utils).items() if key.startswith("PROJECT_")}
    manager = backend_config.get(utils.PROJECT_ENV_MANAGER)
    if manager not in (None, "local"):
        raise ExecutionException(f"--env-manager must be local with -b {_NAME}, got {manager}; leave it out")
    words = {key: value for key, value in backend_config.items() if key not in own}
    for key, value in words.items():
        if key != "cluster" and not key.startswith("cluster."):
            raise ExecutionException(
                f"--backend-config must have words of the cluster, as cluster and cluster.executors, got '{key}'; "
                f"others are -P {key}=…"
            )
        if is_secret(key) and not str(value).startswith("${oc.env:"):
            raise ExecutionException(
                f"--backend-config must have no secrets, got one as '{key}'; name a variable of the environment: "
                f'"{key}": "${{oc.env:NAME}}"'
            )
        if isinstance(value, dict | list) or value is None:
            raise ExecutionException(
                f'--backend-config must have texts and numbers, got {value} as \'{key}\'; "cluster.conf.spark.…": "…"'
            )
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in words.items()}


def _ended(run_id: str, tracking_uri: str, process: subprocess.Popen[bytes]) -> SubmittedRun:
    """Wait for the command, and return the run that it closed.

    Raises:
        ExecutionException: it has not finished.
    """
    from mlflow.exceptions import ExecutionException
    from mlflow.projects.submitted_run import LocalSubmittedRun

    submitted = LocalSubmittedRun(run_id, process)
    try:
        has_finished = submitted.wait()
    except KeyboardInterrupt:  # which the command hears too, and closes its run if it has taken that up
        process.wait()
        close_left(run_id, tracking_uri, process.returncode)
        raise
    close_left(run_id, tracking_uri, process.returncode)
    if not has_finished:
        raise ExecutionException(f"Run (ID '{run_id}') failed")
    return submitted

"""Names under which runs are found again, as they stand in MLflow."""

from __future__ import annotations

LONGEST_PARAM = 6000  # of MLflow's tables
PARENT = "mlflow.parentRunId"
NOTE_TAG = "mlflow.note.content"
VERSIONS_TAG = "mlflow.modelVersions"
HASH_TAG = "experiments.config_hash"
FAILURE_TAG = "experiments.failure"
SWEEP_TAG = "experiments.sweep"
STUDY_TAG = "experiments.study"
CHOICE_TAG = "experiments.choice"

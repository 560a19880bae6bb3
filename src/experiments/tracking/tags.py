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
WARNING_TAG = "experiments.warning"
# Of a run whose model is no better than one answer for all rows.
GUESS_TAG = "experiments.no_better_than_a_guess"
# Of a trial: the metric by which its sweep chose.
CHOSEN_BY_TAG = "experiments.chosen_by"
CHOICE_TAG = "experiments.choice"
# Of a run or model that is made: the same wherever it is recorded.
ONCE_TAG = "experiments.once"
# Of a run or model in the spool: that of the chosen store which it goes on with.
GOES_ON_TAG = "experiments.goes_on_with"
# Of a run in the spool: the process that had the run which it goes on with.
OPENED_TAG = "experiments.opened_by"
# Of a run in the spool: the store that did not take it.
STORE_TAG = "experiments.store"
# Of a run in the spool: the experiment, by its id, that it is to be delivered to.
EXPERIMENT_TAG = "experiments.experiment"
# Of a run whose driver is in a cluster: what the cluster calls it.
APPLICATION_TAG = "experiments.application"
# Of a run that was delivered: where to.
DELIVERED_TAG = "experiments.delivered"

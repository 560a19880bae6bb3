"""The schema of every config group.

Our own nodes are dataclasses, so an unknown key is an error. Some mappings are open, because their keys belong to
others: `preprocessing`, `model.stages` and `model.estimator` (Spark's parameters), `tuning.grid` (overrides),
`data.options` and `cluster.conf` (Spark's settings), `data.parameters` (the generator's). These need no `+`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf

from experiments.config.enums import Balance as Balance
from experiments.config.enums import JudgedBy as JudgedBy
from experiments.config.enums import LoggedModels as LoggedModels
from experiments.config.enums import Missing as Missing
from experiments.config.enums import Moves as Moves
from experiments.config.enums import SweepMethod as SweepMethod
from experiments.config.enums import Task as Task
from experiments.config.enums import TuningMethod as TuningMethod


@dataclass
class DataConfig:
    """What every data set says, whatever it is read from."""

    # What runs and the registered model are called.
    name: str = MISSING
    # Column to predict; none for clustering and decomposition.
    label: str | None = None
    # Column names or patterns (`sensor_*`); none given: every column but the label.
    features: list[str] = field(default_factory=list)
    # Names or patterns never used as features.
    exclude: list[str] = field(default_factory=list)
    # What is done where a value is missing: fail, fill, drop the row, or keep it for a stage; a label must be there.
    missing: Missing = Missing.fail
    # What `missing: fill` writes into features.
    fill_value: float = 0.0
    # Names or patterns of columns that are names, whatever they look like: codes, ids, years.
    categories: list[str] = field(default_factory=list)
    # What a row counts, in the fit and in the metrics; no feature, as the next three.
    weight: str | None = None
    # Who or what a row is.
    id: str | None = None
    # With which rows it stays on one side of a split or a fold.
    group: str | None = None
    # When it was: the last rows are held out.
    time: str | None = None
    # Of two classes the one that precision, recall, f1 and model.threshold are about; unset: the second in order.
    positive: str | None = None
    # Whether rows count in the fit inversely as much as there is of their class.
    balance: Balance = Balance.none
    # Only so many rows, for a quick look.
    limit: int | None = None
    # Share of rows held out; unset: 0.2 where there is a label to predict, 0 otherwise.
    test_fraction: float | None = None
    # Hold out the same share of every class (classification).
    stratified: bool = False
    # A Spark storage level, or NONE to keep nothing.
    cache: str = "MEMORY_AND_DISK"
    # Number of partitions; unset: as many as the data is worth.
    partitions: int | None = None


@dataclass
class GeneratedData(DataConfig):
    """Rows made on the executors by a generator of `experiments.data.generators`."""

    generator: str = MISSING
    rows: int = 10_000
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass
class BundledData(DataConfig):
    """A real data set that ships inside scikit-learn."""

    bundled: str = MISSING


@dataclass
class TableData(DataConfig):
    """Files or tables, by any reader that Spark has."""

    # Name of a temporary view of the running session, or of a table of its catalog, in place of files.
    table: str | None = None
    # Of Spark's readers: csv, parquet, json, orc, jdbc …
    format: str = "csv"
    # Any URI that Spark reads, globs included; a list for several; none for readers without one (jdbc).
    path: Any = None
    # Rows held out, instead of a share of `path`.
    test_path: Any = None
    options: dict[str, Any] = field(default_factory=dict)
    # DDL, as in `age INT, name STRING`; unset: what the reader finds.
    schema: str | None = None
    # SQL over what was read, which it calls `source`.
    query: str | None = None
    # Texts that stand for a missing value, as `NA` and `?`.
    missing_values: list[str] = field(default_factory=list)
    # Names or patterns of columns of text that are numbers.
    numbers: list[str] = field(default_factory=list)
    # Of texts that are numbers: the decimal sign, and below it the one between thousands.
    decimal: str = "."
    thousands: str | None = None
    # Signs beside them that are left out, as $ and %.
    units: list[str] = field(default_factory=list)
    # How texts are dates, as in dd.MM.yyyy.
    date_format: str | None = None


@dataclass
class ModelConfig:
    """A pipeline: named stages in order, then the estimator. Keys inside them are Spark's own parameter names."""

    name: str = MISSING
    task: Task = MISSING
    # A stage that is null is left out.
    stages: dict[str, Any] = field(default_factory=dict)
    estimator: dict[str, Any] = MISSING
    # Of two classes: from which probability on a row is of the second; unset: 0.5.
    threshold: float | None = None
    # Into so many at least data is parted for a fit that works long on each row, unless data.partitions is set.
    least_partitions: int = 1


@dataclass
class TuningConfig:
    """How the best of several parameters is found before the model is fitted on all training rows."""

    method: TuningMethod = TuningMethod.none
    # Key of a stage's parameter, as in an override, to the list of its values; none: the experiment itself is judged.
    grid: dict[str, Any] = field(default_factory=dict)
    # Parts of the training rows of which each is judged once (cross-validation).
    folds: int = 3
    # Share of the training rows on which candidates are fitted; the rest judges them (train-validation).
    train_fraction: float = 0.75
    # Metric that decides; unset: the task's.
    metric: str | None = None
    # Candidates fitted at a time; unset: as many as Spark has cores, 8 at the most.
    parallelism: int | None = None


@dataclass
class ClusterConfig:
    """Where Spark runs."""

    # Its address: local[*], spark://host:7077.
    master: str = "local[*]"
    # How many processes on the cluster's machines; unset: as many as Spark takes.
    executors: int | None = None
    # Of each executor: cores; memory, as 4g; memory beside Java's, for Python and networks.
    cores: int | None = None
    memory: str | None = None
    memory_overhead: str | None = None
    # Of each executor; Spark gives each of its tasks one, as the workers of a network are.
    gpus: int | None = None
    # Memory of the process that the command starts.
    driver_memory: str | None = None
    # Python of the executors, which must have the driver's version; MLlib's own models need none.
    python: str | None = None
    # Archive that `experiments pack` made, at a URI that executors read: it is shipped to them, and has their `python`.
    environment: str | None = None
    # Folder that the driver and all executors see; models pass through it. Needed where the cluster has no HDFS or S3.
    shared_folder: str | None = None
    # What Spark's Java loads besides: s3, gcs, abfs, or Maven's coordinates, as org.postgresql:postgresql:42.7.4.
    packages: list[str] = field(default_factory=list)
    # How long executors are waited for.
    seconds_to_start: float = 120.0
    # Spark's own settings, written nested or with dots; they win over those above.
    conf: dict[str, Any] = field(default_factory=dict)


@dataclass
class TrackingConfig:
    """Where runs are recorded."""

    # A tracking server, or a database.
    uri: str | None = None
    # Folder of a sqlite store; with neither this nor `uri`: MLFLOW_TRACKING_URI, else the current folder.
    folder: str | None = None
    # Where models are registered; unset: MLFLOW_REGISTRY_URI unless a folder is chosen, else where runs are recorded.
    registry_uri: str | None = None
    # Experiment name; unset: what MLFLOW_EXPERIMENT_NAME or `mlflow.set_experiment` says, else the data's name.
    experiment: str | None = None
    # Run name; unset: the model and what was overridden.
    run: str | None = None
    # Folder for what the store does not take, which `experiments sync` delivers; null: a run then fails.
    spool: str | None = "spool"


@dataclass
class RegistryConfig:
    """Whether and how the fitted model is registered."""

    register: bool = False
    # Registered model; unset: the data's name.
    name: str | None = None
    alias: str = "candidate"
    # When the alias moves to a new version.
    moves: Moves = Moves.better


@dataclass
class SweepConfig:
    """How the trials of one command go (`-m`)."""

    # How values are chosen: every combination (grid), or `trials` of them at random or by tpe (Optuna).
    method: SweepMethod = SweepMethod.grid
    trials: int | None = None
    # Sets of words of which each trial has one, as in `model=ridge model.estimator.regParam=0.1,1`.
    cases: list[str] = field(default_factory=list)
    # Metrics: the first decides which trial is the best, tpe looks for the best of all; none given: the task's.
    objectives: list[str] = field(default_factory=list)
    # Rows by which the best is chosen, where rows are held out; how they are parted says `tuning`.
    judged_by: JudgedBy = JudgedBy.validation
    # Trials at a time; unset: one more than Spark has cores, 8 at the most.
    n_jobs: int | None = None
    # The best is logged once, from its own fit, when all have ended.
    models: LoggedModels = LoggedModels.best
    # As soon as more than that many have failed no more start and the running ones end; unset: the others go on.
    max_failures: int | None = None
    # How often a trial is tried again whose store, network or executor failed it.
    retries: int = 1
    # Run what is done already once more.
    rerun: bool = False
    # List the trials, and run none (`--dry-run`).
    dry_run: bool = False


@dataclass
class Config:
    """One experiment, whole."""

    data: DataConfig = MISSING
    # Named stages before the model's own; the groups chosen stand in the order in which they are named.
    preprocessing: dict[str, Any] = field(default_factory=dict)
    model: ModelConfig = MISSING
    tuning: TuningConfig = MISSING
    cluster: ClusterConfig = MISSING
    tracking: TrackingConfig = MISSING
    registry: RegistryConfig = MISSING
    sweep: SweepConfig = MISSING
    seed: int = 42
    # Packages, beside our own and pyspark.ml, whose classes may be stages.
    allowed_packages: list[str] = field(default_factory=list)


def register_schemas() -> None:
    """Tell Hydra the types of our groups. `defaults: [table_schema]` in a data file chooses one.

    Once, as it is a twelfth of a composition, unless somebody else's `schema` came in its place.
    """
    store = ConfigStore.instance()
    known = store.repo.get("schema.yaml")
    if known is not None and OmegaConf.get_type(known.node) is Config:
        return
    store.store(name="schema", node=Config)
    store.store(group="data", name="generated_schema", node=GeneratedData)
    store.store(group="data", name="bundled_schema", node=BundledData)
    store.store(group="data", name="table_schema", node=TableData)

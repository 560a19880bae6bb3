"""A fitted pipeline as files that MLflow knows: signature, input example, requirements, Spark's own format."""

from __future__ import annotations

import atexit
import contextlib
import io
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.cluster.existing import running_session
from experiments.cluster.session import start_session
from experiments.config.schema import Config
from experiments.data.dataset import Dataset
from experiments.data.names import quoted, sql_text
from experiments.errors import ConfigError, ExperimentError, suggest
from experiments.redaction import redact_text
from experiments.tracking.runs import whole_id
from experiments.tracking.signature import answers_of, example_of, predicted, signature_of
from experiments.tracking.store import open_store, sqlite_file, tracking_uri
from experiments.tracking.tags import PARENT, SWEEP_TAG
from experiments.tracking.trust import check_saved

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel, Run
    from mlflow.tracking import MlflowClient
    from pyspark.ml import PipelineModel

    from experiments.tracking.experiments_pyfunc import Answers

_settling = threading.Lock()
_copying = threading.Lock()
OUR_PACKAGE = Path(__file__).parents[1]
_OTHER_STORE = "another is chosen by MLFLOW_TRACKING_URI, or by words such as tracking.folder=my_runs"
PYFUNC = Path(__file__).with_name("experiments_pyfunc")
MOST_NAMED = 20


def save_model(
    fitted: PipelineModel, dataset: Dataset, logged: LoggedModel, path: Path, shared_folder: str | None
) -> None:
    """Save a model to a folder of this machine.

    `mlflow.spark.log_model` as it comes starts a second JVM to find the requirements that are written here.

    Args:
        shared_folder: that the driver and all executors see; a folder of this machine if None.

    Raises:
        ExperimentError: where the executors did not write to that folder.
    """
    import mlflow.spark
    from mlflow.models import Model

    _settle_connect()
    answers = answers_of(fitted, dataset)
    model = Model(
        logged.artifact_location,
        run_id=logged.source_run_id,
        model_uuid=logged.model_id,
        model_id=logged.model_id,
        metadata={"experiments": answers},
    )
    code = [str(PYFUNC), *([str(OUR_PACKAGE)] if _needs_our_code(fitted) else [])]
    with _copied_by_the_file_system_of(shared_folder):
        mlflow.spark.save_model(
            for_others(fitted, dataset),
            path,
            model,
            pip_requirements=[f"{package}=={version(package)}" for package in _requirements(fitted)],
            signature=signature_of(dataset, answers),
            input_example=example_of(dataset, answers["columns"]),
            dfs_tmpdir=shared_folder,
            code_paths=code,
        )
    model.flavors["python_function"]["loader_module"] = PYFUNC.name
    model.save(str(path / "MLmodel"))
    _check_parts(path / "sparkml")


@contextlib.contextmanager
def _copied_by_the_file_system_of(folder: str | None) -> Iterator[None]:
    """MLflow copies what Spark has saved by the default file system alone: have it know the folder's, for the while."""
    from mlflow.spark import _HadoopFileSystem
    from pyspark import SparkContext

    context = SparkContext.getOrCreate()
    settings, files = context._jsc.hadoopConfiguration(), context._jvm.org.apache.hadoop.fs
    own = files.Path(folder or "/").getFileSystem(settings)
    if own.getUri().equals(files.FileSystem.get(settings).getUri()):
        yield
        return
    with _copying:
        _HadoopFileSystem._filesystem = own
        try:
            yield
        finally:
            _HadoopFileSystem._filesystem = None  # found anew by whoever is next


def _settle_connect() -> None:
    """Import Spark Connect, for which MLflow asks at each model, or let nobody find it.

    Where a package of its is missing and the main module has no file, as in `python -c`, PySpark takes the process for
    one of its doctests and ends it, with the exit code 0.
    """
    with _settling:
        if "pyspark.ml.connect" not in sys.modules:
            try:
                with contextlib.redirect_stderr(io.StringIO()):
                    import pyspark.ml.connect  # noqa: F401
            except (ImportError, SystemExit):
                sys.modules["pyspark.ml.connect"] = None  # type: ignore[assignment]  # so that an import of it fails


def for_others(fitted: PipelineModel, dataset: Dataset) -> PipelineModel:
    """The pipeline for rows that have not been through loading, with predictions in the data's own words.

    Before its stages it makes of the features what loading did. After those of a classifier comes `predicted_LABEL`:
    the label's own texts or whole numbers.
    """
    from pyspark.ml import PipelineModel
    from pyspark.ml.feature import SQLTransformer

    stages = [*fitted.stages]
    if conversions := dataset.given.conversions:
        made = ", ".join(f"{sql} AS {quoted(name)}" for name, sql in conversions.items())
        names = ", ".join(map(quoted, conversions))
        stages.insert(0, SQLTransformer(statement=f"SELECT * EXCEPT ({names}), {made} FROM __THIS__"))
    if dataset.class_values is not None:
        values = ", ".join(sql_text(value) if isinstance(value, str) else f"{value}L" for value in dataset.class_values)
        name = quoted(predicted(dataset))
        value = f"element_at(array({values}), CAST(prediction AS INT) + 1)"
        stages.append(SQLTransformer(statement=f"SELECT *, {value} AS {name} FROM __THIS__"))
    return PipelineModel(stages)


def _requirements(fitted: PipelineModel) -> list[str]:
    """Packages that the model needs; a stage may say what it needs beside Spark."""
    own = [package for stage in fitted.stages for package in getattr(stage, "pip_requirements", ())]
    return ["mlflow", "pyspark", "numpy", *dict.fromkeys(own)]


def _needs_our_code(fitted: PipelineModel) -> bool:
    return any(type(stage).__module__.startswith("experiments.") for stage in fitted.stages)


def _check_parts(folder: Path) -> None:
    """Every part of a saved pipeline must have arrived: executors may have written to disks of their own.

    Raises:
        ExperimentError: naming a part that is empty.
    """
    for data in folder.rglob("data"):
        # Some models keep a folder of that name within it.
        if data.is_dir() and not any(data.rglob("part-*")):
            raise ExperimentError(
                f"cluster.shared_folder must be a folder that the driver and all executors see: the saved model came "
                f"back without the content of {data.relative_to(folder)}"
            )


def opened_model(config: Config, uri: str) -> Answers:
    """A logged model of the config's store, copied to this machine, as `experiments_pyfunc` loads it.

    Args:
        uri: `models:/m-…`, `models:/NAME@ALIAS` or `models:/NAME/VERSION`; the id of a run, also as `runs:/ID/…`.

    Raises:
        ConfigError: no registered model has the name, or no version the alias or the number; a class of it that nobody
            has trusted.
    """
    import mlflow

    # Here, as it imports pandas, for which every command would wait.
    from experiments.tracking.experiments_pyfunc import _load_pyfunc

    file, where = sqlite_file(config.tracking), redact_text(tracking_uri(config.tracking))
    if file is not None and not file.exists():  # which opening it would make
        raise ConfigError(
            [f"tracking must be where runs are recorded, got {where}, which is not there; {_OTHER_STORE}"]
        )
    client = open_store(config)
    place = _place_of(client, uri, where)
    folder = tempfile.mkdtemp(prefix="experiments-model-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = mlflow.artifacts.download_artifacts(place, dst_path=folder, tracking_uri=client.tracking_uri)
    check_saved(Path(path) / "sparkml", config.allowed_packages)
    if running_session() is None:  # else it would be MLflow's own, with settings of nobody's choice
        start_session(config.cluster)
    try:
        return _load_pyfunc(str(Path(path) / "sparkml"))
    except ValueError as error:
        raise ConfigError([f"model must be one of this version, got '{uri}': {error}"]) from error


def _place_of(client: MlflowClient, uri: str, where: str) -> str:
    """Where the files of a model are kept.

    Args:
        where: the store, as it is said in errors.
    """
    from mlflow.exceptions import MlflowException

    parts = re.fullmatch(r"models:/([^@/]+)([@/]?)(.*)", uri)
    name, mark, which = parts.groups() if parts else ("", "", "")
    if mark:
        try:
            client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            names = [each.name for each in client.search_registered_models()]
            there = f" ({', '.join(sorted(names)[:MOST_NAMED])})" if names else ""
            said = f"model must be registered in {where}{there}, got '{name}'{suggest(name, names)}; {_OTHER_STORE}"
            raise ConfigError([said]) from None
        try:
            version_of = client.get_model_version_by_alias if mark == "@" else client.get_model_version
            return str(version_of(name, which).source)
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            raise ConfigError([_no_version(client, name, which)]) from None
    try:
        return str(client.get_logged_model(name or _model_of_run(client, uri)).artifact_location)
    except MlflowException:
        example = "models:/m-…, models:/houses@candidate or the id of a run that has logged a model"
        names = [] if name.startswith("m-") else [each.name for each in client.search_registered_models()]
        bare = uri.removeprefix("models:/")
        meant = f"; did you mean 'models:/{bare}@candidate'?" if bare in names else ""
        raise ConfigError([f"model must be a URI such as {example}, got '{uri}'{meant}"]) from None


def _no_version(client: MlflowClient, name: str, which: str) -> str:
    versions = [version.version for version in client.search_model_versions(f"name = '{name}'")]
    aliases = [f"@{alias}" for alias in client.get_registered_model(name).aliases]
    there = ", ".join([*aliases, *map(str, sorted(map(int, versions)))]) or "none"
    none_yet = "" if aliases else "; no version of it has an alias yet, as where none was better than a guess"
    return f"model must be a version or an alias of '{name}' ({there}), got '{which}'{none_yet}"


def _model_of_run(client: MlflowClient, run: str) -> str:
    """Id of the model that a run has logged; the text itself where it is no run.

    Raises:
        ConfigError: a run that has logged none.
    """
    found = re.fullmatch(r"(?:runs:/)?([0-9a-f]{32})(?:/.*)?", whole_id(client, run))
    known = client.get_run(found[1]) if found else None
    models = known.outputs.model_outputs if known is not None and known.outputs is not None else []
    if known is not None and not models and not run.startswith("runs:"):  # which may have one of another kind
        raise ConfigError([f"model must be one that was logged, got run '{run}', which has none{_why_none(known)}"])
    return str(models[0].model_id) if models else run


def _why_none(run: Run) -> str:
    tags = run.data.tags
    if SWEEP_TAG in tags:
        return ", as it is a sweep; its trials are runs of their own, and its description names the best"
    if PARENT in tags:
        return ", as only the best trial's is kept; sweep.models=all logs all"
    return f" and is {run.info.status}"

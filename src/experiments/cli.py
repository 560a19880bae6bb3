"""Commands of the terminal, and the words of `mlflow run` as Hydra overrides."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from experiments.errors import EXIT_BAD_CONFIG, EXIT_FAILED, ConfigError, ExperimentError, readable_cause

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from experiments.config import Config
    from experiments.experiment import Result

HELP = """Machine learning experiments on Spark, composed by Hydra and recorded by MLflow.

\b
  experiments model=ridge                                   one tracked run
  experiments model=ridge data=diabetes                     on another data set
  experiments model=ridge model.estimator.regParam=0.1,1 -m one run for each value
  experiments data=table data.path=houses.csv data.label=price
  mlflow ui                                                 compare the runs

Words of the form key=value override the config; `experiments models` and `experiments data` list what there is,
`experiments validate …` checks without running. All other options are Hydra's (--cfg job shows the config).
"""


class _RunByDefault(click.Group):
    """A group whose words are overrides of a run unless the first is a command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ("--help", "--version")):
            args = ["run", *args]
        return super().parse_args(ctx, args)


_WORDS = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


@click.group(cls=_RunByDefault, help=HELP)
@click.version_option(package_name="spark-experiments")
def main() -> None:
    pass


@main.command(context_settings=_WORDS, add_help_option=False)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def run(words: tuple[str, ...]) -> None:
    """Run one experiment, or several with -m (the default command)."""
    _exit_by(lambda: _run(list(words)))


@main.command("from-mlflow", hidden=True, context_settings=_WORDS, add_help_option=False)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def from_mlflow(words: tuple[str, ...]) -> None:
    """Run what `mlflow run . -P key=value` passes on as `--key value`."""
    _exit_by(lambda: _run(overrides_of_mlflow(words)))


@main.command()
@click.option("--config-dir", type=click.Path(exists=True, file_okay=False), help="A folder with configs of your own.")
@click.argument("words", nargs=-1)
def validate(words: tuple[str, ...], config_dir: str | None) -> None:
    """Check a config without running it and without Java."""

    def check() -> None:
        from experiments.config import load
        from experiments.experiment import validate as validate_config

        config = load(words, config_dir)
        validate_config(config)
        click.echo(f"valid: model={config.model.name} data={config.data.name}")

    _exit_by(check)


@main.command()
@click.option("--config-dir", type=click.Path(exists=True, file_okay=False), help="A folder with configs of your own.")
def models(config_dir: str | None) -> None:
    """List the models."""
    _list("model", config_dir)


@main.command()
@click.option("--config-dir", type=click.Path(exists=True, file_okay=False), help="A folder with configs of your own.")
def data(config_dir: str | None) -> None:
    """List the data sets."""
    _list("data", config_dir)


def _list(group: str, config_dir: str | None) -> None:
    from rich.console import Console
    from rich.table import Table

    from experiments.composition import choices

    table = Table(box=None, show_header=False)
    for name, line in choices(group, config_dir).items():
        table.add_row(f"{group}={name}", line)
    Console().print(table)


def overrides_of_mlflow(words: Sequence[str]) -> list[str]:
    """`--key value` pairs as Hydra's words; `multirun` and `config_dir` stand for Hydra's options.

    Raises:
        ConfigError: words that are no pairs.
    """
    if len(words) % 2 or any(not key.startswith("--") for key in words[::2]):
        raise ConfigError([f"-P must be key=value, got {' '.join(words)}"])
    overrides = []
    for key, value in zip(words[::2], words[1::2], strict=True):
        name = key.removeprefix("--")
        if name == "multirun":
            overrides += ["--multirun"] if value.lower() == "true" else []
        elif name == "config_dir":
            overrides += ["--config-dir", value]
        else:
            overrides.append(f"{name}={value}")
    return overrides


def _run(words: list[str]) -> None:
    """Hydra composes the words and calls `_job` for each config they make."""
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from experiments.composition import explain
    from experiments.config import config_folder, open_override, register_schemas

    register_schemas()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # so that errors arrive here
    # Words that are options or an option's value are left as they are.
    sys.argv = ["experiments", *(open_override(word) for word in words)]
    main_function = hydra.main(config_path=str(config_folder()), config_name="config", version_base="1.3")(_job)
    try:
        main_function()
    except (HydraException, OmegaConfBaseException) as error:
        overrides = [word for word in words if "=" in word and not word.startswith("-")]
        raise explain(error, overrides, _config_dir(words)) from error


def _config_dir(words: Sequence[str]) -> str | None:
    for word, following in zip(words, [*words[1:], None], strict=True):
        if word in ("--config-dir", "-cd"):
            return following
        if word.startswith("--config-dir="):
            return word.partition("=")[2]
    return None


def _job(composed: DictConfig) -> float | None:
    """One job of Hydra's; returns the objective, which sweepers read."""
    from hydra.core.hydra_config import HydraConfig

    from experiments.config import from_composed
    from experiments.experiment import run as run_experiment

    config = from_composed(composed)
    task = HydraConfig.get().overrides.task
    result = run_experiment(config, config.tracking.run or _run_name(config, task))
    _summarise(config, result)
    return result.objective


def _run_name(config: Config, overrides: Sequence[str]) -> str:
    """The model and what was overridden in it, as in `ridge regParam=0.1`."""
    changed = [word.lstrip("+").removeprefix("model.estimator.") for word in overrides if "model." in word]
    return " ".join([config.model.name, *changed])


def _summarise(config: Config, result: Result) -> None:
    from rich.console import Console
    from rich.table import Table

    from experiments.config import redact_text
    from experiments.tracking import tracking_uri

    table = Table("metric", "value", title=f"{config.model.name} on {config.data.name}")
    for name, value in result.metrics.items():
        table.add_row(name, f"{value:.6g}")
    console = Console()
    console.print(table)
    uri = redact_text(tracking_uri(config.tracking))
    look = uri if uri.startswith("http") else f"mlflow ui --backend-store-uri {uri}"
    console.print(f"run    {result.run_id}\nmodel  {result.model_uri}\nlook   {look}", soft_wrap=True, highlight=False)


def _exit_by(action: object) -> None:
    """Call it; what goes wrong becomes one readable message and an exit code."""
    assert callable(action)
    try:
        action()
    except ConfigError as error:
        for problem in error.problems:
            click.echo(f"error: {problem}", err=True)
        sys.exit(EXIT_BAD_CONFIG)
    except ExperimentError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(EXIT_FAILED)
    except Exception as error:  # whatever Spark, MLflow or a library of a stage raises
        click.echo(f"error: {readable_cause(error)}", err=True)
        sys.exit(EXIT_FAILED)

"""Commands of the terminal, and the words of `mlflow run` as Hydra overrides."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from experiments.errors import ConfigError
from experiments.jobs import exit_code, run_words, tell

if TYPE_CHECKING:
    import pandas as pd

MOST_LINES = 50

HELP = """Machine learning experiments on Spark, composed by Hydra and recorded by MLflow.

\b
  experiments model=ridge                                   one tracked run
  experiments model=ridge data=diabetes                     on another data set
  experiments model=ridge,lasso model.estimator.regParam=0.1,1 -m    a sweep: a run for each, in one session
  experiments model=ridge,lasso --dry-run                   which trials there are, and which are done already
  experiments -m sweep=tpe 'model.estimator.regParam=interval(0,1)'    values chosen by what earlier trials yielded
  experiments data=table data.path=houses.csv data.label=price
  experiments compare diabetes                              finished runs side by side, over their seeds
  mlflow ui                                                 the same with figures

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
    """The program `experiments`; its help is HELP."""


@main.command(context_settings=_WORDS, add_help_option=False)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def run(words: tuple[str, ...]) -> None:
    """Run one experiment, or several with -m (the default command)."""
    _exit_by(lambda: run_words(words))


@main.command("from-mlflow", hidden=True, context_settings=_WORDS, add_help_option=False)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def from_mlflow(words: tuple[str, ...]) -> None:
    """Run what `mlflow run . -P key=value` passes on as `--key value`."""
    _exit_by(lambda: run_words(overrides_of_mlflow(words)))


@main.command()
@click.option("--config-dir", type=click.Path(exists=True, file_okay=False), help="A folder with configs of your own.")
@click.argument("words", nargs=-1)
def validate(words: tuple[str, ...], config_dir: str | None) -> None:
    """Check a config without running it and without Java."""

    def check() -> None:
        from experiments.config.compose import load
        from experiments.validation import validate as validate_config

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


@main.command()
@click.argument("words", nargs=-1)
def doctor(words: tuple[str, ...]) -> None:
    """Close runs that look as if they ran while their process is gone, as after kill -9 (words: tracking.…)."""

    def close() -> None:
        from experiments.config.compose import load
        from experiments.tracking.store import check_store, open_store
        from experiments.tracking.sweeps import close_gone

        config = load(words)
        check_store(config.tracking)
        closed = close_gone(open_store(config))
        for run_id in closed:
            click.echo(f"run {run_id} is KILLED: its process is gone")
        click.echo(f"{len(closed)} runs were closed; runs of other machines are looked at by `doctor` there")

    _exit_by(close)


@main.command()
@click.option("--to", type=click.Path(dir_okay=False), help="Write the runs, one by one, to a .csv or .parquet file.")
@click.argument("words", nargs=-1)
def compare(words: tuple[str, ...], to: str | None) -> None:
    """Show finished runs side by side, over their seeds: [EXPERIMENT | run id of a sweep] [tracking.…]."""

    def show() -> None:
        from pathlib import Path

        from experiments.tracking.runs import over_seeds, runs, save

        named = [word for word in words if "=" not in word]
        if len(named) > 1:
            raise ConfigError([f"compare must be given one experiment or sweep, got {', '.join(named)}"])
        found = runs(named[0] if named else None, [word for word in words if "=" in word])
        if to is not None:
            save(found, Path(to))
            click.echo(f"{len(found)} runs written to {to}")
        compared = over_seeds(found)
        if len(compared):
            _print_comparison(compared)
        else:
            click.echo("no run has finished here yet; `experiments model=ridge` makes one")

    _exit_by(show)


def _print_comparison(compared: pd.DataFrame) -> None:
    """Means, with the deviation where there are several runs; training metrics are left to `--to`."""
    from rich.console import Console
    from rich.table import Table

    shown = [
        name
        for name in compared.columns[2:]
        if not name.startswith(("train_", "test_rows", "cluster_size_")) and not name.endswith("_deviation")
    ]
    table = Table("run", "runs", *shown)
    for row in compared.head(MOST_LINES).to_dict("records"):
        cells = []
        for name in shown:
            deviation = row[f"{name}_deviation"]
            text = "" if math.isnan(row[name]) else f"{row[name]:.5g}"
            cells.append(text if math.isnan(deviation) else f"{text} ± {deviation:.2g}")
        table.add_row(row["name"], str(row["runs"]), *cells)
    Console().print(table)
    if len(compared) > MOST_LINES:
        click.echo(f"{len(compared) - MOST_LINES} more are left out")


def _list(group: str, config_dir: str | None) -> None:
    from rich.console import Console
    from rich.table import Table

    from experiments.config.choices import choices

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


def _exit_by(action: Callable[[], int | None]) -> None:
    """End with the exit code that an action returns, or with the one of its error, which is told."""
    try:
        code = action() or 0
    except Exception as error:
        tell(error)
        code = exit_code([error])
    sys.exit(code)

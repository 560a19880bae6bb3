"""Commands of the terminal, and the words of `mlflow run` as Hydra overrides."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click
from click.shell_completion import CompletionItem

from experiments import submission
from experiments.config.choices import choices
from experiments.errors import EXIT_FAILED, ConfigError
from experiments.jobs import exit_code, run_words, tell
from experiments.terminal.completion import complete_word
from experiments.terminal.first_word import refuse_unknown
from experiments.terminal.harmless import harmless

HELP = """Machine learning experiments on Spark, composed by Hydra and recorded by MLflow.

\b
  experiments model=ridge                                   one tracked run
  experiments model=ridge data=diabetes                     on another data set
  experiments model=ridge,lasso model.estimator.regParam=0.1,1 -m    a sweep: a run for each, in one session
  experiments model=ridge,lasso --dry-run                   which trials there are, and which are done already
  experiments -m sweep=tpe 'model.estimator.regParam=interval(0,1)'    values chosen by what earlier trials yielded
  experiments data=table data.path=houses.csv data.label=price
  experiments profile data=table data.path=houses.csv       what its columns hold, and the config that suits them
  experiments compare diabetes                              finished runs side by side, over their seeds
  experiments compare diabetes --sort rmse --columns rmse,r2,seconds_fit
  experiments submit cluster=yarn …                         a run whose driver is in the cluster (`submit --help`)
  mlflow ui                                                 the same with figures
  experiments sync tracking=server                          deliver what a server did not take

Words of the form key=value override the config; `experiments models` and `experiments data` list what there is,
`experiments model=ridge --help` explains a choice, `experiments validate …` checks without running. `-m` runs each of
values with commas, `--config-dir FOLDER` has configs of your own; all other options are Hydra's (--cfg job shows the
config).
"""


class _RunByDefault(click.Group):
    """A group whose words are overrides of a run unless the first is a command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args == ["help"]:
            args = ["--help"]
        is_completed = not args and ctx.resilient_parsing  # the first word, which may become a command
        if not is_completed and (not args or (args[0] not in self.commands and args[0] not in _OPTIONS)):
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        return [*super().shell_complete(ctx, incomplete), *complete_word(ctx, None, incomplete)]


_OPTIONS = ("--help", "--version")
_WORDS = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
_config_dir = click.option(
    "--config-dir", type=click.Path(exists=True, file_okay=False), help="A folder with configs of your own."
)
_words = click.argument("words", nargs=-1, shell_complete=complete_word)
_words_as_they_are = click.argument("words", nargs=-1, type=click.UNPROCESSED, shell_complete=complete_word)


@click.group(cls=_RunByDefault, help=HELP)
@click.version_option(package_name="spark-experiments")
def main() -> None:
    """The program `experiments`; its help is HELP."""


@main.command(context_settings=_WORDS, add_help_option=False)
@_words_as_they_are
@click.pass_context
def run(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Run one experiment, or several with -m (the default command)."""

    def start() -> int:
        if "--help" in words:
            from experiments.terminal.explanation import explain_words

            if not explain_words(words):
                click.echo(main.get_help(ctx.find_root()))
                if others := harmless(" ".join(word for word in words if not word.startswith("-"))):
                    click.echo(f"\nno choice is among '{others}': `experiments data=table --help` tells of one")
            return 0
        refuse_unknown(words, (name for name, command in main.commands.items() if not command.hidden))
        return run_words(words)

    _exit_by(start)


@main.command("from-mlflow", hidden=True, context_settings=_WORDS, add_help_option=False)
@_words_as_they_are
def from_mlflow(words: tuple[str, ...]) -> None:
    """Run what `mlflow run . -P key=value` passes on as `--key value`."""

    def start() -> int:
        # Here, so that help waits for no import of Hydra's.
        from experiments.config.words import overrides_of_mlflow, submits_of_mlflow

        overrides, submits = overrides_of_mlflow(words), submits_of_mlflow(words)
        if submits is None:
            return run_words(overrides)
        from experiments.submission.command import submit_or_run

        return submit_or_run(overrides, submits)

    _exit_by(start)


@main.command(help=submission.HELP, context_settings={"ignore_unknown_options": True})
@_config_dir
@_words
def submit(words: tuple[str, ...], config_dir: str | None) -> None:
    """Have the cluster run one experiment, its driver too."""
    from experiments.submission.command import submit as submit_run

    _exit_by(lambda: submit_run(words, config_dir))


@main.command()
@_config_dir
@_words
def validate(words: tuple[str, ...], config_dir: str | None) -> None:
    """Check a config without running it and without Java."""

    def check() -> None:
        from experiments.config.compose import load
        from experiments.validation import validate as validate_config

        config = load(words, config_dir)
        validate_config(config)
        said = f"valid: model={config.model.name} data={config.data.name} (the data itself is not looked at)"
        click.echo(harmless(said))

    _exit_by(check)


@main.command()
@click.option("--to", type=click.Path(dir_okay=False), help="Write the YAML that suits it: my_conf/data/NAME.yaml.")
@click.option("--html", type=click.Path(dir_okay=False), help="Write the same as a page, with histograms.")
@_config_dir
@_words
def profile(words: tuple[str, ...], to: str | None, html: str | None, config_dir: str | None) -> None:
    """Look at a table once: what its columns hold, what is doubtful, and the config that suits it."""

    def look() -> None:
        from pathlib import Path

        from experiments.config.compose import load
        from experiments.profile.command import profile_data

        profile_data(load(words, config_dir), Path(to) if to else None, Path(html) if html else None)

    _exit_by(look)


def _listing(name: str, group: str, what: str) -> None:
    """A command that lists what a group offers."""

    @main.command(name, help=f"List {what}.")
    @_config_dir
    def listed(config_dir: str | None) -> None:
        from experiments.terminal.screen import show_table

        rows = [(f"{group}={name}", line) for name, line in choices(group, config_dir).items()]
        show_table(("", ""), rows, folded=1)


for _name, _group, _what in (
    ("models", "model", "the models"),
    ("data", "data", "the data sets"),
    ("preprocessing", "preprocessing", "what is done to columns before the model"),
    ("tuning", "tuning", "the ways to tune"),
    ("sweep", "sweep", "the ways to choose a sweep's values"),
    ("cluster", "cluster", "the clusters"),
    ("tracking", "tracking", "where runs are recorded"),
    ("registry", "registry", "whether models are registered"),
):
    _listing(_name, _group, _what)


@main.command()
@click.option("--close", is_flag=True, help="Close runs whose process is gone, as after kill -9, and look at no more.")
@click.option("--json", "as_json", is_flag=True, help="What was found as JSON.")
@_config_dir
@_words
def doctor(words: tuple[str, ...], close: bool, as_json: bool, config_dir: str | None) -> None:
    """Look whether all that a run needs is there: Java, packages, the store, executors, data (model=… cluster=…).

    What it writes to look it takes away. Ends with 1 where something has failed.
    """

    def look() -> int:
        from experiments.config.compose import load
        from experiments.doctor.command import close_gone_runs, examine

        if close and as_json:
            raise ConfigError(["--json must be left out with --close, got both; call one after the other"])
        config = load(words, config_dir)
        return close_gone_runs(config) if close else examine(config, as_json)

    _exit_by(look)


@main.command()
@click.option("--to", type=click.Path(dir_okay=False), help="Write the runs, one by one, to a .csv or .parquet file.")
@click.option("--columns", help="Metrics and params to show, as in rmse,seconds_fit,model.estimator.regParam.")
@click.option("--sort", help="A metric by which the best comes first; without it the one that decides.")
@_words
def compare(words: tuple[str, ...], to: str | None, columns: str | None, sort: str | None) -> None:
    """Show finished runs side by side, over their seeds: [EXPERIMENT | run id of a sweep] [tracking.…]."""

    def show() -> None:
        from pathlib import Path

        from experiments.terminal.comparison import show_comparison
        from experiments.tracking.runs import over_seeds, runs, save

        named = [word for word in words if "=" not in word]
        if len(named) > 1:
            raise ConfigError([f"compare must be given one experiment or sweep, got {', '.join(named)}"])
        found = runs(named[0] if named else None, [word for word in words if "=" in word])
        if to is not None:
            save(found, Path(to))
            click.echo(harmless(f"{len(found)} runs written to {to}"))
        compared = over_seeds(found, sort)
        if len(compared):
            show_comparison(compared, found, columns.split(",") if columns else [])
        else:
            others = f"; {len(found)} runs have not" if len(found) else ""
            click.echo(f"no run has finished here yet{others}; `experiments model=ridge` makes one")

    _exit_by(show)


@main.command("sync", context_settings={"ignore_unknown_options": True})
@_words
def synchronise(words: tuple[str, ...]) -> None:
    """Deliver runs that the tracking server did not take: [FOLDER of a store, else the spool] [tracking.…].

    Each arrives once, with its times, status, metrics, files, model and registered version, however often this is
    done. Any folder with a mlflow.db can be delivered.
    """

    def deliver() -> int:
        from pathlib import Path

        from experiments.config.compose import load
        from experiments.tracking.sync import sync

        folders = [word for word in words if "=" not in word]
        config = load([word for word in words if "=" in word])
        if len(folders) > 1:
            raise ConfigError([f"sync must be given one folder, got {', '.join(folders)}"])
        folder = folders[0] if folders else config.tracking.spool
        if folder is None:
            raise ConfigError(["sync must be given the folder of a store, got none while tracking.spool is null"])
        made = sync(config, Path(folder), not folders, lambda line: click.echo(harmless(line)))
        lines = made.said() or [f"nothing to deliver; {made.before} runs were delivered before"]
        click.echo(harmless("\n".join(lines), lines=True))
        return EXIT_FAILED if made.failed else 0

    _exit_by(deliver)


@main.command("pack")
@click.option("--to", required=True, help="The archive: a file, or any URI that Spark writes.")
@click.option("--extra", "extras", multiple=True, help="tensorflow, horovod or xgboost: what such models need there.")
@click.option("--driver", is_flag=True, help="All that a run needs, for `experiments submit`.")
@_config_dir
@_words
def pack_environment(
    words: tuple[str, ...], to: str, extras: tuple[str, ...], driver: bool, config_dir: str | None
) -> None:
    """Make the archive with the Python packages that executors need, for cluster.environment=… [cluster.…].

    MLlib's own models need none. Python itself must be on each machine, of this version and at this place.
    """

    def make() -> None:
        from experiments.cluster.packing import pack
        from experiments.config.compose import load

        made = pack(extras, to, load(words, config_dir).cluster, lambda line: click.echo(harmless(line)), driver)
        click.echo(harmless(f"{len(made.packages)} packages, {made.size / 1e6:.0f} MB: cluster.environment={to}"))

    _exit_by(make)


def _exit_by(action: Callable[[], int | None]) -> None:
    """End with the exit code that an action returns, or with the one of its error, which is told."""
    try:
        code = action() or 0
    except Exception as error:
        tell(error)
        code = exit_code([error])
    sys.exit(code)

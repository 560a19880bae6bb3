"""The trials that a command's words make, all composed and checked before the first one starts. No Java is needed."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from experiments.config.identity import config_hash
from experiments.config.loader import from_composed, strip_hydra
from experiments.config.schema import Config, JudgedBy, SweepConfig, SweepMethod, TuningMethod
from experiments.config.words import NAMED, OF_COLUMNS, run_name
from experiments.data.dataset import test_fraction
from experiments.errors import ConfigError, suggest
from experiments.evaluation.objectives import METRICS, judging
from experiments.sweeps.composer import Composer
from experiments.sweeps.space import CASES, Combination, Space, redacted, space_of
from experiments.tracking.sweeps import RecordedSweep
from experiments.validation import validate

# Of a space to choose from so many combinations are checked whole, of a larger one each value once.
MOST_CHECKED_WHOLE = 500
_METHODS = {JudgedBy.validation: TuningMethod.train_validation, JudgedBy.folds: TuningMethod.cross_validation}
SECONDS = ("seconds_tune", "seconds_fit", "seconds_evaluate")


@dataclass(frozen=True)
class Trial:
    """One combination of what is swept.

    Attributes:
        number: its place among the trials.
        words: its overrides, as Hydra takes them.
        config: what they compose to.
        hash: of what is computed, by which a finished run is found again.
        name: of its run: the model, what was overridden in it, and what else is swept.
        values: of what is swept, by key, secrets out.
    """

    number: int
    words: tuple[str, ...]
    config: Config
    hash: str
    name: str
    values: dict[str, str]


class Plan:
    """All trials of a sweep; of one that chooses its values those that it has chosen so far.

    Attributes:
        space: what is swept.
        trials: each with another hash.
        checked: of a grid its trials, else those at the ends of what there is to choose from.
        config: what all trials have in common: where they run and are recorded, and how the sweep goes.
        hash: identity of the sweep: of a grid its trials in whatever order, else what there is to choose from.
        swept: key to its values as typed, as in `model` and `ridge,lasso`, secrets out.
        fixed: key to value of the words that are the same for all, secrets out.
    """

    def __init__(self, space: Space, composer: Composer, checked: Sequence[Trial]) -> None:
        self.space = space
        self.swept, self.fixed = space.swept(), space.fixed()
        self.config = checked[0].config
        self.checked = checked
        self.trials = list(checked) if self.is_grid else []
        self._by_hash = {trial.hash: trial for trial in self.trials}
        self._composer = composer
        parts = sorted(trial.hash for trial in checked)
        if not self.is_grid:
            open_to = [[each.key, each.typed] for each in space.dimensions if each.key in self.swept]
            parts.append(json.dumps(open_to))
        self.hash = hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]

    @property
    def is_grid(self) -> bool:
        return self.config.sweep.method is SweepMethod.grid

    @property
    def size(self) -> int:
        """How many trials there will be; of one that chooses, for each of its seeds."""
        return len(self.trials) if self.is_grid else (self.config.sweep.trials or 0) * len(self.space.seeds())

    def recorded(self) -> RecordedSweep:
        """What its run says of it."""
        # How many trials there are may change when the sweep goes on.
        words = {key: value for key, value in {**self.fixed, **self.swept}.items() if key != "sweep.trials"}
        words |= {f"case.{number}": text for number, text in enumerate(self.space.case_words())}
        name = f"sweep of {', '.join(self.swept) or self.config.model.name}"
        return RecordedSweep(self.config, self.hash, name, words)

    def trial_of(self, config: Config) -> Trial:
        """The trial that has the config."""
        return self._by_hash[config_hash(config)]

    def trial(self, combination: Combination) -> Trial:
        """The trial of one combination, which is added unless it is there already."""
        made = _trial(self._composer, len(self.trials), combination, self.swept)
        known = self._by_hash.setdefault(made.hash, made)
        if known is made:
            self.trials.append(made)
        return known


def plan(loader: ConfigLoader, master: DictConfig, words: Sequence[str], typed: Sequence[str] | None = None) -> Plan:
    """The cross product of all values, as Hydra's own sweeper makes it, in each case; or the space to choose from.

    Args:
        typed: the words of the command, where a file may have changed what Hydra hands on.

    Raises:
        ConfigError: everything that is wrong with any of the trials.
        HydraException: words that do not compose.
    """
    composer = Composer(loader, master, words if typed is None else typed)
    settings = _settings(loader, composer, words)
    space = space_of(loader, words, settings.cases)
    _check_method(settings, space)
    trials: dict[str, Trial] = {}
    problems: dict[str, str] = {}  # to the words of the first trial that has it
    first: Config | None = None
    swept = space.swept()
    for combination in space.grid() if settings.method is SweepMethod.grid else _probes(space):
        trial = _trial(composer, len(trials), combination, swept)
        first = first or trial.config
        _check_settings(settings, first.sweep)
        for problem in [*_problems(trial.config), *_differences(trial.config, first)]:
            problems.setdefault(problem, " ".join(_shown(combination)))
        # Two spellings of one value, as in 1 and 1.0, are one trial.
        trials.setdefault(trial.hash, trial)
    if problems:
        raise ConfigError(f"{problem} (in: {words})" for problem, words in problems.items())
    return Plan(space, composer, list(trials.values()))


def _settings(loader: ConfigLoader, composer: Composer, words: Sequence[str]) -> SweepConfig:
    """How the sweep goes, which must be known before its trials are."""
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(list(words))
    fixed = [each for each in overrides if not each.is_sweep_override()]
    own = [str(each.input_line) for each in fixed if each.key_or_group.split(".")[0] == "sweep"]
    settings = OmegaConf.to_object(composer.compose(own).sweep)
    assert isinstance(settings, SweepConfig)
    return settings


def _check_settings(known: SweepConfig, composed: SweepConfig) -> None:
    """Compare the sweep's settings with those of a whole trial.

    Raises:
        ConfigError: a file that other words choose says how the sweep goes, which must be known before its trials are.
    """
    for name in ("method", "trials", "cases"):
        if getattr(known, name) != getattr(composed, name):
            raise ConfigError([f"sweep.{name} must be set by sweep=… or sweep.{name}=…, got it from another file"])


def _check_method(settings: SweepConfig, space: Space) -> None:
    """Hold the settings against the values that are swept.

    Raises:
        ConfigError: settings that do not suit each other, or the values.
    """
    if settings.method is SweepMethod.grid:
        problems = [
            f"{each.key} must be a list of values such as 0.1,1,10 or range(…), got an interval; "
            "sweep=random or sweep=tpe choose from intervals"
            for each in space.dimensions
            if each.interval
        ]
        if settings.trials is not None:
            problems.append(f"sweep.trials must be unset with sweep=grid, which runs all, got {settings.trials}")
    else:
        problems = []
        if settings.trials is None or settings.trials < 1:
            problems.append(f"sweep.trials must be 1 or more with sweep={settings.method.value}, got {settings.trials}")
        if not space.is_open:
            problems.append(
                f"values must be several to choose from with sweep={settings.method.value}, got one of each"
            )
        if any(each.is_seed and (each.interval or each not in space.common) for each in space.dimensions):
            problems.append("seed must be a list outside of sweep.cases, as each choice of values is tried with all")
        problems += [
            f"{each.key} must be an interval of finite numbers, with tag(log,…) above 0, got {each.typed}"
            for each in space.dimensions
            if each.interval and not each.interval.is_sound
        ]
    if problems:
        raise ConfigError(problems)


def _probes(space: Space) -> Iterator[Combination]:
    """Combinations by which a space to choose from is checked: all, or so many that each value is there once."""
    few = list(itertools.islice(space.grid(), MOST_CHECKED_WHOLE + 1))
    if len(few) <= MOST_CHECKED_WHOLE:
        yield from few
        return
    for case in space.cases:
        longest = max(len(each.values) for each in case)
        # Of a long list of numbers those at equal distances, and the last, say enough.
        for number in sorted({*range(0, longest, -(-longest // MOST_CHECKED_WHOLE)), longest - 1}):
            yield tuple((each, each.values[number % len(each.values)]) for each in case)


def _trial(composer: Composer, number: int, combination: Combination, swept: Iterable[str]) -> Trial:
    words = tuple(dimension.word(value) for dimension, value in combination)
    composed = composer.compose(words)
    HydraConfig.instance().set_config(composed)  # what `${hydra:…}` looks at
    config = _judged(config_of(composed, composer.typed))
    values = {each.key: redacted(each.key, value) for each, value in combination if each.key in swept}
    # What is the same for all trials says nothing of one.
    common = (*NAMED, *OF_COLUMNS)
    told = [each.word(value) for each, value in combination if each.key not in common or each.key in swept]
    elsewhere = (*common, CASES)
    others = [
        f"{key}={value}" for key, value in values.items() if key.split(".")[0] != "model" and key not in elsewhere
    ]
    return Trial(number, words, config, config_hash(config), " ".join([run_name(config, told), *others]), values)


def holds_out(config: Config) -> bool:
    """Whether some rows judge that are not fitted on."""
    return test_fraction(config.data, config.model.task) > 0 or bool(getattr(config.data, "test_path", None))


def _judged(config: Config) -> Config:
    """A trial that is judged within its training rows, as its sweep says, is one that a lone run could be too."""
    method = _METHODS.get(config.sweep.judged_by)
    if method is None or not holds_out(config) or config.tuning.method is not TuningMethod.none:
        return config
    return replace(config, tuning=replace(config.tuning, method=method))


def _shown(combination: Combination) -> list[str]:
    """The words as they were typed, secrets out."""
    return [f"{each.key}={redacted(each.key, value)}" for each, value in combination if each.key != CASES]


def config_of(composed: DictConfig, typed: Sequence[str]) -> Config:
    """The typed config of what Hydra composed for a job.

    Args:
        typed: the words of the command.
    """
    strip_hydra(composed)
    return from_composed(composed, typed)


def _problems(config: Config) -> list[str]:
    limits = (("n_jobs", 1), ("max_failures", 0), ("retries", 0))
    problems = [
        f"sweep.{key} must be {least} or more, got {value}"
        for key, least in limits
        if (value := getattr(config.sweep, key)) is not None and value < least
    ]
    known = [*METRICS[config.model.task], *SECONDS]
    problems += [
        f"sweep.objectives must be among {', '.join(known)}, got '{name}'{suggest(name, known)}"
        for name in config.sweep.objectives
        if name not in known
    ]
    try:
        validate(config)
    except ConfigError as error:
        problems += error.problems
    return problems


def _differences(config: Config, first: Config) -> list[str]:
    """Settings that must be the same for all trials: they share a session, a store and one way to go on."""
    problems = [
        f"{group} must be the same for all trials of a sweep, got several; run them one command each"
        for group in ("cluster", "tracking", "sweep")
        if getattr(config, group) != getattr(first, group)
    ]
    is_comparable = (config.data.name, config.model.task) == (first.data.name, first.model.task)
    if is_comparable and judging(config) != judging(first):
        problems.append(
            f"sweep.judged_by must be one way for trials that are compared, got {judging(first)[0]} for some and "
            f"{judging(config)[0]} for others; sweep.judged_by=folds suits models that tune themselves by folds"
        )
    if first.sweep.method is SweepMethod.grid:
        return problems
    return problems + [
        f"{key} must be the same for all trials where values are chosen by what earlier ones yielded, got "
        f"'{one}' and '{other}'; use sweep=grid"
        for key, one, other in (
            ("data", first.data.name, config.data.name),
            ("model.task", first.model.task.value, config.model.task.value),
        )
        if one != other
    ]

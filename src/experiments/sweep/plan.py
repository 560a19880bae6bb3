"""The trials that a command's words make, all composed and checked before the first one starts. No Java is needed."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import yaml
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import OverrideParseException
from omegaconf import DictConfig, OmegaConf, open_dict

from experiments.config import Config, config_hash, from_composed, run_name
from experiments.errors import ConfigError
from experiments.experiment import validate
from experiments.redaction import REDACTED, redact


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


@dataclass(frozen=True)
class Plan:
    """All trials of a sweep.

    Attributes:
        trials: each with another hash.
        swept: key to its values as typed, as in `model` and `ridge,lasso`, secrets out.
        fixed: key to value of the words that are the same for all, secrets out.
    """

    trials: list[Trial]
    swept: dict[str, str]
    fixed: dict[str, str]

    @property
    def hash(self) -> str:
        """Identity of the sweep: its trials, in whatever order."""
        return hashlib.sha256(" ".join(sorted(trial.hash for trial in self.trials)).encode()).hexdigest()[:16]

    @property
    def config(self) -> Config:
        """What all trials have in common: where they run and are recorded, and how the sweep goes."""
        return self.trials[0].config


def plan(loader: ConfigLoader, master: DictConfig, words: Sequence[str]) -> Plan:
    """The cross product of all values, as Hydra's own sweeper makes it.

    Raises:
        ConfigError: everything that is wrong with any of the trials.
        HydraException: words that do not compose.
    """
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(list(words))
    choices = [_spellings(override) for override in overrides]
    swept = {_key(each): spellings for each, spellings in zip(overrides, choices, strict=True) if len(spellings) > 1}
    trials: dict[str, Trial] = {}
    problems: dict[str, str] = {}  # to the words of the first trial that has it
    first: Config | None = None
    for combination in itertools.product(*choices):
        config = _composed(loader, master, combination)
        first = first or config
        for problem in [*_problems(config), *_differences(config, first)]:
            problems.setdefault(problem, " ".join(map(_shown, combination)))
        values = {
            _key(each): _value(word) for each, word in zip(overrides, combination, strict=True) if _key(each) in swept
        }
        identity = config_hash(config)
        others = [f"{key}={value}" for key, value in values.items() if key.split(".")[0] != "model"]
        name = " ".join([run_name(config, combination), *others])
        # Two spellings of one value, as in 1 and 1.0, are one trial.
        trials.setdefault(identity, Trial(len(trials), combination, config, identity, name, values))
    if problems:
        raise ConfigError(f"{problem} (in: {words})" for problem, words in problems.items())
    return Plan(
        list(trials.values()),
        {key: ",".join(map(_value, spellings)) for key, spellings in swept.items()},
        {word.partition("=")[0].lstrip("+"): _value(word) for (word,) in (each for each in choices if len(each) == 1)},
    )


def _spellings(override: Override) -> list[str]:
    """The words of one override, one for each of its values.

    Raises:
        ConfigError: an interval, of which there is no end of values.
    """
    key = override.get_key_element()
    if not override.is_sweep_override():
        return [f"{key}={override.get_value_element_as_str()}"]
    if not override.is_discrete_sweep():
        raise ConfigError([f"{key.lstrip('+')} must be a list of values such as 0.1,1,10 or range(…), got an interval"])
    return [f"{key}={value}" for value in override.sweep_string_iterator()]


def _key(override: Override) -> str:
    return override.get_key_element().lstrip("+")


def _shown(word: str) -> str:
    """A word as it was typed, secrets out."""
    return f"{word.partition('=')[0].lstrip('+')}={_value(word)}"


def _value(word: str) -> str:
    """What a word sets, secrets out."""
    key, _, value = word.partition("=")
    if value.startswith(("{", "[")):
        try:
            parsed = OverridesParser.create().parse_override(f"x={value}").value()
        except OverrideParseException:
            return REDACTED
        return str(yaml.safe_dump(redact(parsed), default_flow_style=True, width=1_000_000).strip())
    return str(redact(value, key))


def _composed(loader: ConfigLoader, master: DictConfig, words: Sequence[str]) -> Config:
    try:
        composed = loader.load_sweep_config(master, list(words))
    except Exception as error:
        error.words = [word.lstrip("+") for word in words]  # type: ignore[attr-defined]  # of the trial, to explain it
        raise
    HydraConfig.instance().set_config(composed)  # what `${hydra:…}` looks at
    return typed(composed)


def typed(composed: DictConfig) -> Config:
    """The typed config of what Hydra composed for a job."""
    OmegaConf.set_readonly(composed, False)
    with open_dict(composed):
        del composed["hydra"]
    return from_composed(composed)


def _problems(config: Config) -> list[str]:
    problems = [
        f"sweep.{key} must be {least} or more, got {value}"
        for key, value, least in (("n_jobs", config.sweep.n_jobs, 1), ("max_failures", config.sweep.max_failures, 0))
        if value is not None and value < least
    ]
    try:
        validate(config)
    except ConfigError as error:
        problems += error.problems
    return problems


def _differences(config: Config, first: Config) -> list[str]:
    """Settings that must be the same for all trials: they share a session, a store and one way to go on."""
    return [
        f"{group} must be the same for all trials of a sweep, got several; run them one command each"
        for group in ("cluster", "tracking", "sweep")
        if getattr(config, group) != getattr(first, group)
    ]

"""What a command's words span: values for each key, in one case or several. Nothing is composed here."""

from __future__ import annotations

import itertools
import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.errors import OverrideParseException

from experiments.config.words import as_typed, composable
from experiments.errors import ConfigError
from experiments.redaction import REDACTED, redact


@dataclass(frozen=True)
class Interval:
    """All numbers from `low` to `high`, both included; whole ones if those are.

    Attributes:
        is_log: small and large ones are equally likely by their magnitude.
    """

    low: float
    high: float
    is_log: bool

    @property
    def is_sound(self) -> bool:
        """Whether there is something to choose, by magnitude too."""
        least = (1 if isinstance(self.low, int) else math.ulp(0)) if self.is_log else -math.inf
        return math.isfinite(self.low) and math.isfinite(self.high) and self.low >= least

    def spell(self, value: float) -> str:
        """A number of it as an override has it: six digits can be read, unless they lie outside."""
        short = spell(value)
        return short if self.low <= float(short) <= self.high else repr(value)


@dataclass(frozen=True)
class Dimension:
    """One key and the values that it may have.

    Attributes:
        element: the key as an override has it, with its `+` or `~`.
        values: as typed; of an interval its lowest and its highest.
        interval: that the values are the ends of, or None.
        typed: what stood behind the key.
    """

    element: str
    values: tuple[str, ...]
    interval: Interval | None
    typed: str

    @property
    def key(self) -> str:
        return as_typed(self.element.lstrip("+"))

    @property
    def is_swept(self) -> bool:
        return len(self.values) > 1

    @property
    def is_seed(self) -> bool:
        """Of the run. A choice of values is tried with each of them."""
        return self.key == "seed"

    @property
    def shown(self) -> str:
        """The values, secrets out."""
        return self.typed if self.interval else ",".join(redacted(self.key, value) for value in self.values)

    def word(self, value: str) -> str:
        """The override that sets one of the values."""
        return f"{self.element}={value}"


# Their words stand in a text, where secrets cannot be told by their keys.
CASES = "sweep.cases"

Case = tuple[Dimension, ...]
Combination = tuple[tuple[Dimension, str], ...]


@dataclass(frozen=True)
class Space:
    """A grid, or a space to choose from; or several, of which each trial has one.

    Attributes:
        common: to all trials.
        own: what each case has beside, which may be nothing.
    """

    common: Case
    own: tuple[Case, ...] = ((),)

    @property
    def cases(self) -> list[Case]:
        return [(*self.common, *own) for own in self.own]

    @property
    def dimensions(self) -> list[Dimension]:
        """All of them, once each."""
        return [*self.common, *itertools.chain(*self.own)]

    def grid(self) -> Iterator[Combination]:
        """Every combination of every case."""
        for case in self.cases:
            for values in itertools.product(*(each.values for each in case)):
                yield tuple(zip(case, values, strict=True))

    @property
    def is_open(self) -> bool:
        """Whether there is anything to choose, seeds apart."""
        return len(self.own) > 1 or any(each.is_swept and not each.is_seed for each in self.dimensions)

    def seeds(self) -> tuple[str, ...]:
        """The values of `seed`, of a space to choose from: each choice is tried with all of them."""
        return next((tuple(dict.fromkeys(each.values)) for each in self.common if each.is_seed), ("",))

    def swept(self) -> dict[str, str]:
        """Key to its values as typed, secrets out, of whatever differs between trials."""
        found: dict[str, list[str]] = {}
        for case in self.cases:
            for each in case:
                found.setdefault(each.key, []).append(each.shown)
        differs = {each.key for case in self.cases for each in case if each.is_swept}
        differs |= {key for key, shown in found.items() if len(set(shown)) > 1 or len(shown) < len(self.cases)}
        return {key: ",".join(dict.fromkeys(shown)) for key, shown in found.items() if key in differs}

    def case_words(self) -> list[str]:
        """What each case has beside what is common, as typed, secrets out; empty without cases."""
        return [" ".join(f"{each.key}={each.shown}" for each in case) for case in self.own if case]

    def fixed(self) -> dict[str, str]:
        """Key to value, secrets out, of what is the same for all trials."""
        swept = self.swept()
        left_out = {*swept, CASES}  # whose values are among what is swept
        return {each.key: each.shown for each in self.dimensions if each.key not in left_out}


def space_of(loader: ConfigLoader, words: Sequence[str], cases: Sequence[str]) -> Space:
    """What the words span, in each of the cases.

    Args:
        cases: `sweep.cases`: the words of each.

    Raises:
        ConfigError: a case that sets what stands outside of it too, or is no words.
    """
    common = _dimensions(loader, words)
    _check_once(common, "")
    if not cases:
        return Space(common)
    made = []
    for number, text in enumerate(cases):
        key = f"sweep.cases.{number}"
        try:
            own = _dimensions(loader, composable(shlex.split(text)))
        except (OverrideParseException, ValueError) as error:
            raise ConfigError(
                [f"{key} must be words such as 'model=ridge seed=1,2', got some that are none"]
            ) from error
        wrong = [each.key for each in own if each.key.split(".")[0] in ("hydra", "sweep")]
        if wrong:
            raise ConfigError([f"{key} must not set how the sweep goes, got {', '.join(wrong)}"])
        _check_once((*common, *own), f"{key}: ")
        made.append(own)
    return Space(common, tuple(made))


def _check_once(case: Case, where: str) -> None:
    """Take each key for once in a case.

    Raises:
        ConfigError: a key that is set twice, of which only the last value would count.
    """
    keys = [each.key for each in case]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise ConfigError(
            [f"{where}{key} must be set once, got it twice; put all values into one list" for key in twice]
        )


def _dimensions(loader: ConfigLoader, words: Sequence[str]) -> Case:
    return tuple(map(_dimension, OverridesParser.create(config_loader=loader).parse_overrides(list(words))))


def _dimension(override: Override) -> Dimension:
    element, typed = override.get_key_element(), (override.input_line or "").partition("=")[2]
    value = override.value()
    if isinstance(value, IntervalSweep):
        assert value.start is not None
        assert value.end is not None
        low, high = sorted((value.start, value.end))
        return Dimension(element, (spell(low), spell(high)), Interval(low, high, "log" in value.tags), typed)
    if override.is_sweep_override():
        return Dimension(element, tuple(map(str, override.sweep_string_iterator())), None, typed)
    return Dimension(element, (override.get_value_element_as_str(),), None, typed)


def spell(value: float) -> str:
    """A number as an override has it: six digits say enough, and can be read."""
    return str(value) if isinstance(value, int) else repr(float(f"{value:.6g}"))


def redacted(key: str, value: str) -> str:
    """A value as it was typed, secrets out."""
    if value.startswith(("{", "[")):
        try:
            parsed = OverridesParser.create().parse_override(f"x={value}").value()
        except OverrideParseException:
            return REDACTED
        return str(yaml.safe_dump(redact(parsed), default_flow_style=True, width=1_000_000).strip())
    return str(redact(value, key))

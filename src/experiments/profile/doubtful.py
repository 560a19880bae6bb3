"""What a person should know of a table before a model is fitted on it: a sentence each, with the word that helps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from experiments.config.schema import Balance, DataConfig, TableData
from experiments.data.classes import said_of_gap_classes
from experiments.data.counting import counts_rows
from experiments.data.doubts import (
    LEAK,
    LEAST_ROWS,
    LOPSIDED,
    MANY_VALUES,
    SENTENCE,
    said_of_constant,
    said_of_counting,
    said_of_leaks,
    said_of_many_values,
    said_of_misread,
    said_of_sentences,
)
from experiments.data.kinds import NUMBERS, WHOLE
from experiments.data.made import made_by_query, with_made
from experiments.data.names import matches, quoted
from experiments.data.spelling import Look, Spelling, spelling_of
from experiments.data.texts import said_of_texts
from experiments.data.totals import said_of_totals, without_totals
from experiments.data.variants import is_encoded_otherwise, letters, said_of_variants
from experiments.data.ways import other_ways
from experiments.errors import override
from experiments.profile.gaps import (
    needed_of,
    query_of_needed,
    said_of_gaps_to_pandas,
    said_of_missing,
    said_of_other_gaps,
    typed_columns,
)
from experiments.profile.look import Column, Profile

# Whole numbers of so few values may be names.
MOST_CODES = 20
# Written for a missing value, below and above all others.
LOW, HIGH = (-99.0, -999.0, -9999.0, -99999.0), (999.0, 9999.0, 99999.0, 999999.0)


def doubtful(profile: Profile, data: DataConfig) -> list[str]:
    """A sentence for each doubt, what stops a run first."""
    features = [column for column in profile.columns if column.name != data.label]
    said = said_of_misread({column.name: column.misread for column in profile.columns})
    looks = {column.name: column.look for column in typed_columns(profile, data) if column.look is not None}
    if looks:
        is_table = isinstance(data, TableData)  # a config is shown for it
        query = getattr(data, "query", None)
        said.append(said_of_texts(looks, f"data={data.name} has text", _spelling(data), query, is_table))
        said += said_of_two_ways(looks, _spelling(data))
    needed = needed_of(profile, data)
    looked = with_looks(profile, data)
    if needed and isinstance(looked, TableData):
        looked = replace(looked, query=query_of_needed(profile, looked, needed))
    said += said_of_missing(profile, data, needed)
    # Among numbers they are said with the numbers.
    totals = {name: rows for name, rows in profile.totals.items() if name not in looks}
    said += said_of_totals(totals, looked)
    if totals and isinstance(looked, TableData):
        looked = replace(looked, query=without_totals(totals, looked.query))
    if profile.rows >= LEAST_ROWS:
        more, looked = _of_doubled(profile, looked)
        said += more
        said += said_of_constant([column.name for column in features if is_constant(column)])
        said += said_of_counting([column.name for column in features if is_counting(column)])
        sizes = {column.name: column.distinct or 0 for column in features if names_rows(column, profile, data)}
        words = {column.name: column.words for column in features}
        said += said_of_many_values(sizes, profile.rows, is_exact=False, words=words)
        said += said_of_sentences({column.name: column.words for column in features if is_of_sentences(column)})
        labels = [column for column in profile.columns if column.name == data.label and not is_constant(column)]
        said += said_of_leaks(leaks_of(profile, data))
        said += [*said_of_gaps_to_pandas(features, data), *said_of_other_gaps(features, data)]
        for label in labels:
            said += said_of_gap_classes(dict(label.values) if label.kind == "string" else {}, data)
        said += _of_empty_texts(features, data)
        said += _of_codes(profile, features, data)
        said += _of_other_meaning(profile, features, looked)
        said += _of_lopsided([column for column in profile.columns if column.name == data.label], data)
    return [*profile.warnings, *said]


def _spelling(data: DataConfig) -> Spelling:
    return spelling_of(data) if isinstance(data, TableData) else Spelling()


def said_of_two_ways(looks: Mapping[str, Look], known: Spelling) -> list[str]:
    """Of texts that can be read in two ways, of which no value tells which is meant."""
    said = []
    for name, way in other_ways(looks, known).items():
        who = f"the config that suits it says {way.now}" if way.words else f"a query reads it by {way.now}"
        instead = f"it is {way.words}" if way.words else "the query must say so"
        said.append(
            f"data has '{name}', whose values can be read in two ways, and none tells which is meant: {who}; where "
            f"{way.example} is {way.otherwise}, {instead}"
        )
    return said


def with_looks(profile: Profile, data: DataConfig) -> DataConfig:
    """The config with the query that makes what no setting reads; itself where there is no such column."""
    looks = {column.name: column.look for column in typed_columns(profile, data) if column.look is not None}
    made = made_by_query(looks, _spelling(data))
    if not made or not isinstance(data, TableData):
        return data
    return replace(data, query=with_made(made, data.query))


def _of_doubled(profile: Profile, data: DataConfig) -> tuple[list[str], DataConfig]:
    """Of rows that are there twice, where columns tell rows apart: a random split may have one on each side.

    Returns:
        What is said, and the config with the query that leaves them out.
    """
    rows = profile.rows - profile.doubled
    # Of a few categories all rows are like others; a file that was put together thrice has a third left.
    are_told_apart = any((column.distinct or 0) > MANY_VALUES * rows for column in profile.columns)
    if not profile.doubled or rows < 0.3 * profile.rows or not are_told_apart or not isinstance(data, TableData):
        return [], data
    query = f"SELECT DISTINCT * FROM {'source' if data.query is None else f'({data.query})'}"
    are = "rows that are" if profile.doubled > 1 else "row that is"
    said = f"data has {profile.doubled:,} {are} there once more, alike in all columns: {override('data.query', query)}"
    return [said], replace(data, query=query)


def _of_empty_texts(features: list[Column], data: DataConfig) -> list[str]:
    """Of texts without a letter, as files other than CSV have them."""
    empty = [
        f"{column.name} ({column.empty:,} rows)"
        for column in features
        if column.empty and not matches(column.name, data.categories)
    ]
    if not empty or not isinstance(data, TableData):
        return []
    return [
        f"data has empty texts, which are a value of their own and no gap: {', '.join(empty)}; to have them missing: "
        + override("data.missing_values", [*dict.fromkeys([*data.missing_values, ""])])
    ]


def _of_codes(profile: Profile, features: list[Column], data: DataConfig) -> list[str]:
    codes = [
        column.name
        for column in features
        if column.kind in WHOLE
        and column.name not in profile.codes
        and 2 < (column.distinct or 0) <= MOST_CODES
        and not matches(column.name, data.categories)
    ]
    if not codes:
        return []
    return [
        f"data has whole numbers of few values: {', '.join(codes)}; they are read as numbers: where they are names, "
        + override("data.categories", codes)
    ]


def _of_other_meaning(profile: Profile, features: list[Column], data: DataConfig) -> Iterator[str]:
    """Of values that are read, but mean something else, and the one query that makes that of all of them.

    Args:
        data: with what the query does already for other reasons.
    """
    if not isinstance(data, TableData):
        return  # which takes no query
    days = [column.name for column in features if column.kind in WHOLE and column.quantiles and _are_days(column)]
    made = {name: f"to_date(string({quoted(name)}), 'yyyyMMdd')" for name in days}
    if days:
        yield f"data has days written as numbers, and read as numbers: {', '.join(days)}; see the query below"
    stand_ins = {column.name: value for column in features if (value := _stand_in(column)) is not None}
    if stand_ins:
        listed = ", ".join(f"{value:.0f} in {name}" for name, value in stand_ins.items())
        made |= {name: f"nullif({quoted(name)}, {value:.0f})" for name, value in stand_ins.items()}
        yield (
            f"data has numbers far from all others, as may be written for missing values: {listed}; they are read as "
            "numbers; if they are none, see the query below"
        )
    for column in profile.columns:
        if (alike := _variants(column)) is not None:
            what = "classes" if column.name == data.label else "categories"
            said = said_of_variants(column.name, *alike, f"{what} of their own")
            if is_encoded_otherwise(*alike):
                yield said
                continue
            made[column.name] = f"lower(trim({quoted(column.name)}))"
            yield f"{said}; see the query below"
    if made:
        query = override("data.query", with_made(made, data.query))
        yield (
            f"data has values that mean something else, in {', '.join(made)}, which the config leaves as they are; to "
            f"have them mended say this to `profile` too, which then writes it into the config: {query}"
        )


def _are_days(column: Column) -> bool:
    for value in {f"{quantile:.0f}" for quantile in column.quantiles}:
        try:
            day = datetime.strptime(value, "%Y%m%d")
        except ValueError:
            return False
        if len(value) != len("yyyymmdd") or not 1900 <= day.year <= 2100:
            return False
    return True


def _stand_in(column: Column) -> float | None:
    """A number that lies far from the others and looks like what is written for a missing value."""
    values = sorted(set(column.quantiles)) if column.kind in NUMBERS else []
    if len(values) > 2 and values[0] in LOW and values[1] > values[0] / 2:
        return values[0]
    return values[-1] if len(values) > 2 and values[-1] in HIGH and values[-2] < values[-1] / 2 else None


def _variants(column: Column) -> tuple[str, str] | None:
    """Two of the most frequent texts that a person reads as one."""
    by_letters: dict[str, str] = {}
    for text, _ in column.values if column.kind == "string" and column.look is None else ():
        if (other := by_letters.setdefault(letters(text), text)) is not text:
            return other, text
    return None


def _of_lopsided(labels: list[Column], data: DataConfig) -> Iterator[str]:
    """Of a label that has one class in nearly all rows; one of many numbers is no class."""
    for label in labels:
        (most, rows), *others = label.values or (("", 0),)
        is_class = others and (label.distinct or 0) <= MOST_CODES
        if is_class and rows >= LOPSIDED * label.rows and data.balance is Balance.none:
            yield (
                f"data.label={data.label} is '{most}' in {rows / label.rows:.1%} of the rows, so that accuracy will "
                "say little: look at balanced_accuracy and the confusion matrix; data.balance=classes weighs the "
                "classes alike in the fit, and "
                f"{override('sweep.objectives', ['balanced_accuracy'])} has a sweep choose by it"
            )


def is_constant(column: Column) -> bool:
    """Whether there is one value in all rows, or none."""
    if column.missing == column.rows:
        return True
    if column.quantiles:
        return column.missing == 0 and column.quantiles[0] == column.quantiles[-1]
    # The most frequent values are exact while they are few, which the number of different ones is not.
    return column.missing == 0 and [rows for _, rows in column.values] == [column.rows]


def leaks_of(profile: Profile, data: DataConfig) -> list[str]:
    """Features of which a label of numbers is a straight line."""
    if profile.rows < LEAST_ROWS or any(each.name == data.label and is_constant(each) for each in profile.columns):
        return []
    return [column.name for column in profile.columns if column.name != data.label and column.explains > LEAK]


def is_counting(column: Column) -> bool:
    """Whether whole numbers number the rows."""
    ends = column.quantiles
    if column.kind not in WHOLE or not ends:
        return False
    return counts_rows(ends[0], ends[-1], column.mean, column.deviation**2, column.rows)


def is_of_sentences(column: Column) -> bool:
    """Whether a text is to be read by its words."""
    is_varied = column.kind == "string" and column.look is None and (column.distinct or 0) > MOST_CODES
    return is_varied and column.words >= SENTENCE


def names_rows(column: Column, profile: Profile, data: DataConfig) -> bool:
    """Whether a text or a code has a value for every second row, and is nothing else."""
    return (
        (column.kind == "string" or column.name in profile.codes)
        and not is_of_sentences(column)
        and (column.look is None or matches(column.name, data.categories))
        and (column.distinct or 0) > MANY_VALUES * column.rows
    )

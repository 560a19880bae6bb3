"""Columns of text that are something else: read as what they are where the config says how, else said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from experiments.config.schema import DataConfig, Missing, TableData
from experiments.data.dates import WEEKDAY
from experiments.data.made import made_by_query, names_of_made, with_made
from experiments.data.missing import (
    SurelyMissing,
    gap_counts,
    is_spelled,
    number_sql,
    present_sql,
    said_of_blanks,
    said_of_gaps,
)
from experiments.data.names import matches, quoted
from experiments.data.spelling import Look, Spelling, as_number, look_at, settings_of, spelling_of
from experiments.data.tokens import said_of_tokens
from experiments.data.units import said_of_units, unit_counts
from experiments.data.ways import agreed, other_ways
from experiments.errors import ExperimentError, override

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

SAMPLE = 1_000
# What stands for a missing value wherever it is found among numbers.
MISSING = {"", "NA", "N/A", "n/a", "na", "#N/A", "NaN", "nan", "NULL", "null", "None", "none", "?", "-", "--", "."}
_TRUTHS = ("true", "false")
# Texts that begin as numbers and dates do, or are truths. Anchored, so that it is cheap on long texts.
LOOKS_TYPED = (
    r"^\s*(?:[-+$€£¥₹~≈(\[.,]{0,2}\s?[0-9]|(?i:true|false)\s*$|(?:EUR|USD|GBP|CHF|Rs\.?)\s?[0-9]|"
    r"(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?[ -][0-9]|"
    rf"{WEEKDAY}(?:[0-9]|[a-zA-Z]{{3,9}}\.? [0-9]))"
)


def typed(rows: DataFrame, data: TableData) -> tuple[DataFrame, list[str]]:
    """Columns of text as numbers, dates or truths where every value is one by the config's spelling; numbers that stand
    for a missing value as null.

    One aggregate, and only where the config says anything of spellings. With it what is to be said of the label.

    Raises:
        ExperimentError: a column of `data.numbers` with other values.
    """
    from pyspark.sql import functions as F

    spelling, kinds = spelling_of(data), dict(rows.dtypes)
    texts = [name for name, kind in kinds.items() if kind == "string" and not matches(name, data.categories)]
    gaps = gap_counts(kinds, data)
    if (not texts and not gaps) or not is_spelled(data):
        return rows, []
    present = {name: _present(name, spelling) for name in texts}
    units = [unit_counts(present[name], spelling.units) for name in texts]
    blanks = [F.max(F.when(_column(name) != present[name], _column(name))) for name in texts if name == data.label]
    found = rows.agg(
        *(_struct(_checks(present[name], spelling)).alias(f"{place}") for place, name in enumerate(texts)),
        *(_struct(counts).alias(f"{place}_units") for place, counts in enumerate(units) if counts),
        *(column.alias("blanks") for column in blanks),
        *(F.expr(sql).alias(f"{name} gaps") for name, sql in gaps.items()),
    ).first()
    assert found is not None
    made = {name: F.expr(number_sql(quoted(name), kinds[name], data)) for name in gaps}
    said = said_of_gaps({name: found[f"{name} gaps"] for name in gaps}, data)
    for place, name in enumerate(texts):
        counts = found[f"{place}"].asDict()
        kind = _kind(counts, matches(name, data.numbers))
        if matches(name, data.numbers) and counts["numbers"] < counts["rows"]:
            raise ExperimentError(_said_of_others(rows, name, spelling, data.query))
        made[name] = _as(kind, present[name], spelling)
        if kind in ("number", "whole") and units[place]:
            said += said_of_units(name, found[f"{place}_units"].asDict())
        if kind == "text" and name == data.label and found["blanks"] is not None:
            said.append(said_of_blanks(name, found["blanks"], data))
    return rows.select(*(made.get(name, _column(name)).alias(name) for name in rows.columns)), said


def _checks(text: Column, spelling: Spelling) -> dict[str, Column]:
    """How many values of a column there are, and how many of these are of each kind."""
    from pyspark.sql import functions as F

    bare = _bare(text, spelling)
    return {
        "rows": F.count(text),
        "numbers": F.count_if(bare.rlike(f"^(?:{spelling.number})$")),
        "whole": F.count_if(bare.rlike(r"^[+-]?\d{1,18}$")),
        "codes": F.count_if(text.rlike(r"^[+-]?0\d+$")),
        "truths": F.count_if(F.lower(text).isin(*_TRUTHS)),
        "dates": F.count(_date(text, spelling)),
    }


def _struct(columns: Mapping[str, Column]) -> Column:
    from pyspark.sql import functions as F

    return F.struct(*(column.alias(name) for name, column in columns.items()))


def _column(name: str) -> Column:
    from pyspark.sql import functions as F

    return F.col(quoted(name))


def _present(name: str, spelling: Spelling) -> Column:
    """The text without blanks around it, null where it stands for a missing value."""
    from pyspark.sql import functions as F

    return F.expr(present_sql(quoted(name), spelling.missing))


def _bare(text: Column, spelling: Spelling) -> Column:
    from pyspark.sql import functions as F

    return F.trim(F.regexp_replace(text, spelling.unit, "")) if spelling.unit else text


def _date(text: Column, spelling: Spelling) -> Column:
    from pyspark.sql import functions as F

    if spelling.date_format is None:
        return F.lit(None).cast("timestamp")
    return F.try_to_timestamp(text, F.lit(spelling.date_format))


def _kind(counts: Mapping[str, int], is_told: bool) -> str:
    total = counts["rows"]
    if total == 0:
        return "text"
    if counts["numbers"] == total and (is_told or not counts["codes"]):
        return "whole" if counts["whole"] == total else "number"
    if counts["truths"] == total:
        return "truth"
    return "date" if counts["dates"] == total else "text"


def _as(kind: str, text: Column, spelling: Spelling) -> Column:
    from pyspark.sql import functions as F

    if kind == "truth":
        return text.cast("boolean")
    if kind == "date":
        return _date(text, spelling)
    if kind == "text":
        return text
    bare = _bare(text, spelling)
    if spelling.thousands is not None:
        bare = F.regexp_replace(bare, spelling.between, "")
    if spelling.decimal != ".":
        bare = F.replace(bare, F.lit(spelling.decimal), F.lit("."))
    return bare.cast("bigint" if kind == "whole" else "double")


def check_texts(rows: DataFrame, suspects: Sequence[str], data: DataConfig) -> None:
    """Look once more at columns of text many of whose values begin as numbers, dates and truths do.

    Raises:
        ExperimentError: those that are nearly that, with one word each that reads them.
    """
    spelling = spelling_of(data) if isinstance(data, TableData) else Spelling()
    found = agreed({name: look for name in suspects if (look := look_through(rows, name, spelling)) is not None})
    if not found:
        return
    query = getattr(data, "query", None)
    sentence = said_of_texts(found, f"data={data.name} has text", spelling, query, missing=data.missing)
    tokens = {value.strip() for look in found.values() for value in look.spelling.missing}
    plain = all(replace(look.spelling, missing=()) == replace(spelling, missing=()) for look in found.values())
    if isinstance(data, TableData) and data.missing is not Missing.fail and plain and tokens <= MISSING and tokens:
        raise SurelyMissing(sentence, sorted(tokens), list(found))
    raise ExperimentError(f"{sentence}; `experiments profile … --to my_conf/data/mine.yaml` writes a config of it")


def look_through(rows: DataFrame, name: str, spelling: Spelling) -> Look | None:
    """What a sample says that a column is; then its tokens counted among all rows."""
    from pyspark.sql import functions as F

    text = F.trim(_column(name)).alias("text")
    plain = F.col("text").rlike(f"^(?:{spelling.number})$")
    texts = rows.select(text).where("text IS NOT NULL")
    # Those that are no numbers as they stand may be few, and must be among what is looked at.
    counted = texts.groupBy("text").agg(F.count("*").alias("rows"))
    odd = counted.where(~plain).orderBy(F.desc("rows"), "text").limit(SAMPLE).collect()
    usual = counted.where(plain).orderBy(F.desc("rows"), "text").limit(SAMPLE).collect()
    look = look_at({row["text"]: row["rows"] for row in (*odd, *usual)}, spelling)
    if look is None and len(usual) == SAMPLE and 0 < len(odd) < SAMPLE:
        (plain_rows,) = counted.where(plain).agg(F.sum("rows").alias("rows")).collect()
        look = look_at({**{row["text"]: row["rows"] for row in odd}, usual[0]["text"]: plain_rows["rows"]}, spelling)
    return look


def _said_of_others(rows: DataFrame, name: str, spelling: Spelling, query: str | None) -> str:
    """What a column of `data.numbers` has besides numbers."""
    from pyspark.sql import functions as F

    look = look_through(rows, name, spelling)
    if look is not None:
        return said_of_texts({name: look}, f"data.numbers has '{name}'", spelling, query)
    text = _present(name, spelling)
    odd = rows.where(~_bare(text, spelling).rlike(f"^(?:{spelling.number})$")).groupBy(text.alias("text"))
    found = odd.agg(F.count("*").alias("rows")).orderBy(F.desc("rows"), "text").limit(3).collect()
    shown = ", ".join(f"'{row['text']}' ({_rows(row['rows'])})" for row in found)
    return (
        f"data.numbers must be columns of numbers, got values such as {shown} in '{name}'; take it out of "
        "data.numbers, or say what stands for a missing value: "
        f"{override('data.missing_values', [*spelling.missing, found[0]['text']])}"
    )


def said_of_texts(
    looks: Mapping[str, Look],
    begin: str,
    known: Spelling,
    query: str | None = None,
    is_written: bool = False,
    missing: Missing = Missing.fail,
) -> str:
    """What columns are, and the words that read them.

    Args:
        begin: of the sentence.
        known: what the config says of spellings.
        query: the config's own.
        is_written: whether a config that has these words is shown below the sentence.
        missing: what becomes of gaps; `keep` is said by what takes texts and dates apart, too.
    """
    said = [f"'{name}' is {_what(look)}" for name, look in looks.items()]
    made = made_by_query(looks, known)
    settings = settings_of({name: look for name, look in looks.items() if name not in made})
    words = (
        ["the config that suits it reads it so"]
        if is_written
        else [override(key, value) for key, value in settings.items()]
    )
    if made and is_written:
        words.append(f"(and makes {names_of_made(looks, made)})")
    elif made:
        words.append(f"{override('data.query', with_made(made, query))} (which makes {names_of_made(looks, made)})")
    if not is_written:  # there each is a doubt of its own
        ways = other_ways(looks, known).values()
        words += [f"(where {way.example} is {way.otherwise} instead: {way.words})" for way in ways if way.words]
    has_gaps = any(look.spelling.missing for look in looks.values()) and missing is Missing.fail
    after = ", then preprocessing=impute or data.missing=drop" if has_gaps and not is_written else ""
    dated = any(look.kind == "dates" for look in looks.values()) and missing is not Missing.keep
    after += ", and preprocessing=auto or dates, which take features apart" if dated and not is_written else ""
    after += said_of_tokens(looks, with_made(made, query) if made else query)
    names = override("data.categories", list(looks))
    return (
        f"{begin} that must be read as what it is: {'; '.join(said)}; {' '.join(words)}{after}; "
        f"or, where they are names: {names}"
    )


def _what(look: Look) -> str:
    """In words, as `numbers but for 'NA' (12 rows)`."""
    shown = [f"'{value}' ({_rows(rows)})" for value, rows in list(look.tokens.items())[:5]]
    but = f" but for {', '.join(shown)}{' …' if len(look.tokens) > 5 else ''}" if look.tokens else ""
    is_parted = look.spelling.thousands and look.kind == "numbers"
    as_read = f", read as {as_number(look.example, look.spelling):.10g}" if is_parted else ""
    return f"{look.kind} such as {look.example!r}{as_read}{but}"


def _rows(count: int) -> str:
    return f"{count:,} row{'s' if count > 1 else ''}"

"""SQL that makes of columns of text what no setting reads."""

from __future__ import annotations

from collections.abc import Mapping

from experiments.data.dates import WEEKDAY
from experiments.data.names import quoted, sql_text
from experiments.data.spelling import Look, Spelling, unlike_others


def made_by_query(looks: Mapping[str, Look], known: Spelling) -> dict[str, str]:
    """Columns that no setting reads, with the SQL that does: those written unlike others, as one setting reads all, and
    times, as the number of their last part, seconds mostly.

    Args:
        known: what the config says of spellings.
    """
    unlike = unlike_others(looks, known)
    made = {}
    for name, look in looks.items():
        text, own = f"string({quoted(name)})", look.spelling
        if look.kind == "times":
            text = f"replace({text}, ',', '.')"
            made[name] = f"aggregate(split({text}, ':'), 0D, (all, part) -> all * 60 + try_cast(part AS DOUBLE))"
        elif look.kind == "dates" and (look.has_weekdays or name in unlike or has_numbers(look)):
            text = f"regexp_replace(trim({text}), {sql_text(f'^{WEEKDAY}')}, '')" if look.has_weekdays else text
            made[name] = f"try_to_timestamp({text}, {sql_text(own.date_format or '')})"
        elif look.kind == "true and false" and has_numbers(look):
            made[name] = f"CASE WHEN lower(trim({text})) IN ('true', 'false') THEN boolean(trim({text})) END"
        elif name in unlike:
            text = f"replace({text}, {sql_text(own.thousands)}, '')" if own.thousands else text
            made[name] = f"replace({text}, {sql_text(own.decimal)}, {sql_text(unlike[name].decimal)})"
    return made


def with_made(made: Mapping[str, str], query: str | None) -> str:
    """The rows of `source`, or of the query that there is, with these columns made anew."""
    columns = ", ".join(f"{sql} AS {quoted(name)}" for name, sql in made.items())
    return f"SELECT * EXCEPT ({', '.join(map(quoted, made))}), {columns} FROM {f'({query})' if query else 'source'}"


def names_of_made(looks: Mapping[str, Look], made: Mapping[str, str]) -> str:
    """What a query makes of which columns, in words."""
    times = [name for name in made if looks[name].kind == "times"]
    dated = [name for name in made if looks[name].has_weekdays]
    others = [name for name in made if name not in (*times, *dated)]
    shorter = [f"{looks[name].shorter} as 00:{looks[name].shorter}" for name in times if looks[name].shorter]
    as_what = f", {', '.join(shorter)}" if shorter else ""
    said = [f"numbers of {', '.join(times)}, in the unit of the last part{as_what}"] if times else []
    said += [f"dates of {', '.join(dated)}, without their weekdays"] if dated else []
    said += [f"{', '.join(others)} like the others, as one setting reads all"] if others else []
    return " and ".join(said)


def has_numbers(look: Look) -> bool:
    """Whether a column of dates or truths has numbers, which as gaps would be gaps of all columns."""
    return look.kind != "numbers" and any(map(Spelling().is_number, look.tokens))

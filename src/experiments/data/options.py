"""Options of Spark's readers of files: it passes over those that it does not know, so that a misspelt one is lost."""

from __future__ import annotations

from experiments.config.schema import TableData
from experiments.errors import suggest

# As Spark's own `getAllOptions` has them.
_CSV = (
    "charToEscapeQuoteEscaping charset codec columnNameOfCorruptRecord columnPruning comment compression "
    "dateFormat delimiter emptyValue enableDateTimeParsingFallback encoding enforceSchema escape escapeQuotes "
    "extension header ignoreLeadingWhiteSpace ignoreTrailingWhiteSpace inferSchema inputBufferSize lineSep locale "
    "maxCharsPerColumn maxColumns mode multiLine nanValue negativeInf nullValue positiveInf preferDate quote "
    "quoteAll samplingRatio sep singleVariantColumn timeFormat timeZone timestampFormat timestampNTZFormat "
    "unescapedQuoteHandling "
)
_JSON = (
    "allowBackslashEscapingAnyCharacter allowComments allowNonNumericNumbers allowNumericLeadingZeros "
    "allowSingleQuotes allowUnquotedControlChars allowUnquotedFieldNames charset columnNameOfCorruptRecord "
    "compression dateFormat dropFieldIfAllNull enableDateTimeParsingFallback encoding ignoreNullFields "
    "inferTimestamp lineSep locale mode multiLine prefersDecimal pretty primitivesAsString samplingRatio "
    "singleVariantColumn sortKeys timeFormat timeZone timestampFormat timestampNTZFormat useUnsafeRow "
    "writeNonAsciiCharacterAsCodePoint "
)
# Of all files; `mergeSchema` of CSV is ours.
_FILES = (
    "basePath ignoreCorruptFiles ignoreMissingFiles mergeSchema modifiedAfter modifiedBefore pathGlobFilter "
    "recursiveFileLookup"
)
KNOWN = {
    "csv": (*_CSV.split(), *_FILES.split()),
    "json": (*_JSON.split(), *_FILES.split()),
    "parquet": ("datetimeRebaseMode", "int96RebaseMode", *_FILES.split()),
    "orc": tuple(_FILES.split()),
}
# What pandas calls it.
_OURS = {
    "na_values": "data.missing_values says which texts stand for a gap",
    "thousands": "data.thousands says it",
    "decimal": "data.decimal says it",
    "dtype": "data.categories names columns that are texts",
    "usecols": "data.features names the columns that are used",
    "nrows": "data.limit says how many rows are read",
}


def check_options(data: TableData) -> list[str]:
    """A sentence for each option that the reader does not know; names with dots are Hadoop's."""
    known = KNOWN.get(data.format)
    if known is None or data.table is not None:
        return []
    names = {name.casefold() for name in known}
    return [
        f"data.options must be those of Spark's reader of {data.format}, got '{key}'"
        + (f"; {_OURS[key.casefold()]}" if key.casefold() in _OURS else suggest(key, known))
        for key in data.options
        if "." not in key and key.casefold() not in names
    ]

"""What goes wrong, in words a user can act on."""

from __future__ import annotations

import contextlib
import difflib
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar

EXIT_FAILED = 1
EXIT_BAD_CONFIG = 2


class ExperimentError(Exception):
    """A run that cannot go on: one readable cause. The command line ends with exit code 1."""


class ConfigError(ExperimentError):
    """A configuration that cannot work, found before Spark starts. Exit code 2.

    Attributes:
        problems: one sentence each, in the form `<key> must <law>, got <value>; <what to do>`.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


def suggest(wrong: str, valid: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest valid spelling, or nothing when none is near."""
    by_lower = {word.lower(): word for word in valid}
    near = difflib.get_close_matches(wrong.lower(), by_lower, n=1, cutoff=0.6)
    return f"; did you mean '{by_lower[near[0]]}'?" if near else ""


def wrong_choice(key: str, value: object, valid: Iterable[str]) -> str:
    """The sentence for a value that is not among the valid ones, which it lists sorted, nearest last."""
    names = sorted(valid)
    return f"{key} must be one of {', '.join(names)}, got '{value}'{suggest(str(value), names)}"


_PLAIN = re.compile(r"[A-Za-z_][\w./:+*-]*|-?\d+(\.\d+)?")
_HYDRA_CONSTANTS = ("null", "true", "false", "nan", "inf")


# Lists of the data to which a hint adds something.
_GROWING = ("exclude", "categories", "missing_values", "numbers", "units")
_SET: ContextVar[Mapping[str, Sequence[str]]] = ContextVar("lists of the config")


@contextlib.contextmanager
def lists_of(data: object) -> Iterator[None]:
    """Within the block `override` has what the config's lists have already: who pastes its word loses nothing."""
    before = _SET.set({f"data.{key}": getattr(data, key, None) or () for key in _GROWING})
    try:
        yield
    finally:
        _SET.reset(before)


def override(key: str, value: str | Iterable[str]) -> str:
    """A word that sets a key to a text or a list of texts, as it can be pasted into a shell; within `lists_of` a list
    has first what the config's has."""
    if isinstance(value, str):
        return shlex.quote(f"{key}={_as_hydra_takes_it(value)}")
    all_of_it = dict.fromkeys([*map(str, _SET.get({}).get(key, ())), *value])
    return shlex.quote(f"{key}=[{','.join(map(_as_hydra_takes_it, all_of_it))}]")


def _as_hydra_takes_it(value: str) -> str:
    """A text, in quotes where it needs them; `true` and `false` are what they say."""
    if value in ("true", "false") or (_PLAIN.fullmatch(value) and value.casefold() not in _HYDRA_CONSTANTS):
        return value
    return in_hydra_quotes(value)


def in_hydra_quotes(text: str) -> str:
    """A text in those of Hydra's quotes that it holds fewer of."""
    mark = "'" if text.count('"') > text.count("'") else '"'
    # A backslash escapes before a quote, and nowhere else.
    escaped = re.sub(rf"(\\*){mark}", lambda found: f"{found[1] * 2}\\{mark}", text)
    return f"{mark}{escaped}{escaped[len(escaped.rstrip(chr(92))) :]}{mark}"


# What Spark says where an executor, and not the work, has failed.
_LOST = re.compile("ExecutorLostFailure|FetchFailed|Connection reset|Connection refused|Broken pipe", re.IGNORECASE)
# Of requests, urllib3 and SQLAlchemy, which need not be imported to know them.
_UNREACHED = ("ConnectionError", "ConnectTimeout", "ReadTimeout", "MaxRetryError", "OperationalError")
_BUSY = ("TEMPORARILY_UNAVAILABLE", "RESOURCE_EXHAUSTED", "REQUEST_LIMIT_EXCEEDED")


def is_of_infrastructure(error: BaseException) -> bool:
    """Whether a store, a network or an executor failed a run, which may well succeed when it is tried again."""
    if not isinstance(error, Exception):
        return False
    return any(
        isinstance(cause, ConnectionError | TimeoutError)
        or type(cause).__name__ in _UNREACHED
        or getattr(cause, "error_code", "") in _BUSY
        or _LOST.search(str(cause)) is not None
        for cause in causes(error)
    )


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error, and those that it came of, the last first."""
    cause: BaseException | None = error
    for _ in range(20):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def readable_cause(error: BaseException) -> str:
    """What went wrong in a sentence or two: the root cause of a Spark failure without its JVM and Python traces."""
    java = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    text = _java_root(java) if java is not None else ""
    own = f"{type(error).__name__}: {error}" if isinstance(error, LookupError) else str(error)  # of which it is a key
    text = text or _spark_message(error) or own or type(error).__name__
    if not isinstance(error, ExperimentError) and (raised := _raised_in_python(text)):
        return _short(raised + _why(raised))
    kept = []
    for line in text.split("JVM stacktrace:")[0].splitlines():
        # Hadoop says `File file:/data/x.csv does not exist`, Python's traces `File "x.py", line 3`.
        if line.lstrip().startswith(("at ", 'File "', "Traceback ")):
            break
        if line.strip():
            kept.append(line.strip())
    sentence = " ".join(kept[:6]).removeprefix("requirement failed: ") or type(error).__name__
    return _short(sentence + _why(sentence))


def _short(sentence: str) -> str:
    return sentence if len(sentence) <= 1000 else f"{sentence[:1000]} […]"


MOST_RAISED = 3


def _raised_in_python(text: str) -> str:
    """What a Python worker of Spark raised: the last line of its trace, and where; nothing where there is no trace."""
    _, found, trace = text.rpartition("Traceback (most recent call last):")
    if not found:
        return ""
    lines = [line for line in trace.split("\n\n")[0].split("\n\tat ")[0].splitlines() if line.strip()]
    last = max((place for place, line in enumerate(lines) if line.lstrip().startswith('File "')), default=-1)
    # What was raised may say so in several lines.
    raised = [line.strip() for line in lines[last + 1 :] if not line.startswith((" ", "\t"))]
    places = re.findall(r'File "([^"]+)", line (\d+)', trace)
    if not raised:
        return ""
    where = f" ({places[-1][0].rpartition('/')[2]}, line {places[-1][1]})" if places else ""
    return f"a Python worker of Spark raised {' '.join(raised[:MOST_RAISED])}{where}"


# What it means, and what helps, of words that say neither.
_MEANINGS = (
    (  # Py4J has nobody to talk to
        r"^\[Errno 111\] Connection refused$|Answer from Java side is empty|connect to the Java server",
        "; Spark's Java has ended, most often as it was killed when the machine's memory ran out: less for it "
        "(cluster.conf.spark.driver.memory), fewer cores at a time (cluster.master), or a larger machine",
    ),
    (
        r"^(?!.*HTTP).*(Python worker exited unexpectedly|Connection reset|SIGKILL|exit code:? 137)",
        "; something ended a process, most often the machine as its memory ran out: fewer cores at a time "
        "(cluster.master), less for Java (cluster.conf.spark.driver.memory), or a larger machine",
    ),
    (
        "No space left on device",
        "; the disk is full that holds the path, or where none is named the one for what Spark keeps meanwhile: "
        "cluster.conf.spark.local.dir=…",
    ),
    (
        "OutOfMemoryError|Java heap space|GC overhead limit",
        "; Java's memory was not enough: cluster.conf.spark.driver.memory=8g, or data.cache=DISK_ONLY",
    ),
    (
        r"error code 40[13]|PERMISSION_DENIED|403 Client Error|401 Client Error",
        "; the server knows this user and refuses, or does not know them: look at MLFLOW_TRACKING_USERNAME, "
        "MLFLOW_TRACKING_PASSWORD or MLFLOW_TRACKING_TOKEN, and at what the experiment allows",
    ),
    (
        r"Service: S3, Status Code: 40[13]|InvalidAccessKeyId|SignatureDoesNotMatch",
        "; S3 does not know the key, or refuses it: look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and at what "
        "the bucket allows",
    ),
    (
        "No FileSystem for scheme|(S3A|GoogleHadoop|AzureBlob)FileSystem not found",
        "; Spark has no reader of such places unless it gets one: 'cluster.packages=[s3]' for s3a://, [gcs] for gs://, "
        "[abfs] for abfss://",
    ),
    (
        r"ComputeEngineCredentials|metadata\.google\.internal",
        "; Google Cloud does not know who you are: name the file of a service account's key by "
        "cluster.conf.spark.hadoop.fs.gs.auth.type=SERVICE_ACCOUNT_JSON_KEYFILE and "
        "cluster.conf.spark.hadoop.fs.gs.auth.service.account.json.keyfile=/path/key.json",
    ),
    (
        r"value detected for fs\.azure\.account\.key",
        "; Azure does not know who you are: set fs.azure.account.key.ACCOUNT.dfs.core.windows.net, or the keys of "
        "OAuth, in HADOOP_CONF_DIR's core-site.xml",
    ),
    (
        r"Path does not exist: (?!file:)\w+:/",
        "; if it was written without a scheme, it is one of the default file system, which HADOOP_CONF_DIR or "
        "cluster.conf.spark.hadoop.fs.defaultFS names, and a file of this machine is file:///…",
    ),
    (
        "raised ModuleNotFoundError",
        "; the package is missing where Spark's workers run, whose Python is cluster.python",
    ),
)


def _why(sentence: str) -> str:
    """What a sentence means, unless it says so already, as one that quotes another does."""
    found = next((meaning for words, meaning in _MEANINGS if re.search(words, sentence)), "")
    return "" if found in sentence else found


def parted(sentence: str) -> tuple[str, str]:
    """A sentence of `readable_cause` without what we know of its meaning, and that: what helps, or nothing."""
    found = next((meaning for _, meaning in _MEANINGS if sentence.endswith(meaning)), "")
    return sentence.removesuffix(found), found.removeprefix("; ")


def _spark_message(error: BaseException) -> str:
    get_message = getattr(error, "getMessage", None)
    return str(get_message()) if callable(get_message) and hasattr(error, "getCondition") else ""


def _java_root(java: object) -> str:
    """Message of the innermost Java cause that has one."""
    message = ""
    for _ in range(20):
        if java is None:
            break
        message = java.getMessage() or message  # type: ignore[attr-defined]
        java = java.getCause()  # type: ignore[attr-defined]
    return message

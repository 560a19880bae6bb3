"""Rows that stay in memory for a while and are freed whatever happens."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from experiments.cluster.jobs import end_jobs

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SECONDS_TO_CANCEL = 10


@contextlib.contextmanager
def cached(rows: DataFrame, level: str = "MEMORY_AND_DISK") -> Iterator[DataFrame]:
    """The same rows, kept at a storage level of Spark's when first used, and freed at the end of the block.

    When the block is interrupted Spark's jobs are cancelled too. That is asked for from another thread: this one's
    connection to Java still waits for the answer to the call that was interrupted.
    """
    from pyspark import StorageLevel

    kept = rows if level == "NONE" else rows.persist(getattr(StorageLevel, level))
    try:
        yield kept
    except (KeyboardInterrupt, SystemExit):
        thread = threading.Thread(target=_abandon, args=(kept,), daemon=True)
        thread.start()
        thread.join(SECONDS_TO_CANCEL)
        raise
    except BaseException:
        kept.unpersist()
        raise
    else:
        kept.unpersist()


def _abandon(rows: DataFrame) -> None:
    # Java may have been told to end as well.
    end_jobs()
    with contextlib.suppress(Exception):
        rows.unpersist()

"""The driver in the cluster: what spark-submit runs there. It runs one experiment as a command does."""

from __future__ import annotations

import os
import sys

from experiments.cluster.existing import HANDED_OVER
from experiments.jobs import exit_code, heed_signals, run_config, stopped, tell
from experiments.submission.handed import read
from experiments.tracking.handed_over import close_given


def main() -> None:
    """Run what was handed over; ends with the exit code that the command would have."""
    handed = read()
    os.environ.update(handed.variables)
    os.environ[HANDED_OVER] = "true"
    heed_signals()
    try:
        run_config(handed.config, handed.name)
    except KeyboardInterrupt as told:
        close_given(handed.config, handed.name, told)
        sys.exit(stopped(told))
    except Exception as error:  # whatever Spark, MLflow or a library of a stage raises
        close_given(handed.config, handed.name, error)
        tell(error)
        sys.exit(exit_code([error]))

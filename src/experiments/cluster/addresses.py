"""What the addresses of a cluster and its storage say, and whether anybody answers there; without Spark."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from experiments.cluster import kubernetes, yarn

SECONDS_TO_ANSWER = 5
S3_ENDPOINT = "spark.hadoop.fs.s3a.endpoint"


# As Spark reads it.
LOCAL = r"local(?:\[(\*|[1-9]\d*)(?:\s*,\s*\d+)?\])?"


def local_cores(master: str) -> int | None:
    """Cores of a local master, None for a cluster."""
    match = re.fullmatch(LOCAL, master)
    if match is None:
        return None
    written = match.group(1) or "1"
    return (os.cpu_count() or 1) if written == "*" else int(written)


def unreachable(master: str, settings: Mapping[str, str]) -> list[str]:
    """A sentence for each address at which nobody answers: Spark itself tries for minutes.

    Args:
        settings: as Spark takes them.
    """
    problems = []
    if master.startswith("spark://") and (why := _unanswered(master.removeprefix("spark://").split(","))):
        problems.append(
            f"cluster.master must be the address of a cluster that answers, got '{master}' ({why}); its page, mostly "
            "at port 8080, says what it is"
        )
    file = yarn.site() if master == "yarn" else None
    if file is not None and (addresses := yarn.managers(file)) and (why := _unanswered(addresses)):
        problems.append(
            f"cluster.master must be a cluster that answers, got 'yarn', whose resource manager {file} has at "
            f"{', '.join(addresses)} ({why}); start it, or point HADOOP_CONF_DIR at another cluster's settings"
        )
    if master.startswith(kubernetes.SCHEME) and (why := _unanswered([_address_of(kubernetes.address(master), {})])):
        problems.append(
            f"cluster.master must be the address of an API that answers, got '{master}' ({why}); `kubectl "
            "cluster-info` says where it is"
        )
    # Behind a proxy it is the proxy that finds it.
    endpoint = None if "spark.hadoop.fs.s3a.proxy.host" in settings else settings.get(S3_ENDPOINT)
    if endpoint and (why := _unanswered([_address_of(endpoint, settings)])):
        problems.append(
            f"cluster.conf.{S3_ENDPOINT} must be the address of a server that answers, got '{endpoint}' ({why}); "
            "start it, or leave it out for AWS's own"
        )
    return problems


def _address_of(endpoint: str, settings: Mapping[str, str]) -> str:
    """Host and port of an endpoint with or without a scheme; of one that has no such form the text itself."""
    scheme = "http" if settings.get("spark.hadoop.fs.s3a.connection.ssl.enabled", "true") == "false" else "https"
    try:
        parts = urlsplit(endpoint if "://" in endpoint else f"{scheme}://{endpoint}")
        return f"{parts.hostname}:{parts.port or (80 if parts.scheme == 'http' else 443)}"
    except ValueError:
        return endpoint


def _unanswered(addresses: list[str]) -> str:
    """Why none of them answers; empty where one does."""
    reasons = []
    for address in addresses:
        try:
            host, _, port = address.rpartition(":")
            with socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_ANSWER):
                return ""
        except (OSError, ValueError) as error:
            reasons.append(f"{address}: {getattr(error, 'strerror', None) or error}")
    return "; ".join(reasons)

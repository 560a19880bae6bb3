"""Storages without an account: Spark gets their classes, which say who they lack; docs/clusters/gcs_and_abfs.md."""

import re
import shlex
from pathlib import Path

import pytest

# Java's classes for them are fetched, and all that can be seen without an account is what is missing.
pytestmark = pytest.mark.by_hand
PAGE = (Path(__file__).parents[2] / "docs" / "clusters" / "gcs_and_abfs.md").read_text()
COMMANDS = [shlex.split(line) for line in re.findall(r"^ {4}(experiments .*)$", PAGE, re.MULTILINE)]


def test_google_is_asked_and_what_it_lacks_is_said(command):
    without_key, with_key, _ = COMMANDS
    done = command(*without_key)
    assert done.returncode == 1
    assert "Google Cloud does not know who you are" in done.stderr
    done = command(*with_key)
    assert done.returncode == 1
    assert "/path/key.json" in done.stderr  # it looks for the file


def test_azure_is_asked_and_what_it_lacks_is_said(command, environment, tmp_path):
    *_, azure = COMMANDS
    done = command(*azure)
    assert done.returncode == 1
    assert "fs.azure.account.key.ACCOUNT.dfs.core.windows.net" in done.stderr
    key = "<name>fs.azure.account.key.account.dfs.core.windows.net</name><value>Zm9v</value>"
    (tmp_path / "core-site.xml").write_text(f"<configuration><property>{key}</property></configuration>")
    environment["HADOOP_CONF_DIR"] = str(tmp_path)
    done = command(*azure, "cluster.conf.spark.hadoop.fs.azure.io.retry.max.retries=0")
    assert done.returncode == 1
    assert "account.dfs.core.windows.net" in done.stderr
    assert "does not know who you are" not in done.stderr

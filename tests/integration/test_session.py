"""Settings on their way to Java."""

import threading
import time

import pytest

from experiments.cluster.gateway import properties
from experiments.cluster.jobs import end_jobs, named_jobs, share_jobs


def test_java_reads_settings_as_they_were_written(spark):
    settings = {
        "spark.a": "plain",
        "spark.b": ' -Dx="a b"  -XX:+Use\\G ',
        "spark.c": "a\nb\tc",
        "spark.d": "#no:comment=!",
        "spark.e key": "münchen 中",
        "spark.f": "",
        "#g": "1",
    }
    read = spark._jvm.java.util.Properties()
    read.load(spark._jvm.java.io.StringReader(properties(list(settings.items()))))
    assert dict(read) == settings


def test_no_setting_stands_in_the_command_line_of_java(spark, secret):
    """Everybody on the machine can read that."""
    java = spark._jvm.java.lang.ProcessHandle.current()
    with open(f"/proc/{java.pid()}/cmdline") as file:
        words = file.read()
    assert "org.apache.spark.deploy.SparkSubmit" in words
    assert "-XX:Tier4InvocationThreshold" in words  # Java's own options do
    assert secret not in words
    assert "spark.example" not in words
    assert spark.conf.get("spark.example.password") == secret
    # The file is gone, and Spark does not tell of it to whoever asks.
    assert not spark._jvm.java.io.File(words.split("--properties-file\0")[1].split("\0")[0]).exists()


def _slow(spark, seconds, done):
    def wait(number):
        time.sleep(seconds)
        return number

    try:
        done.append(spark.sparkContext.parallelize([1], 1).map(wait).collect())
    except Exception as error:
        done.append(str(error))


@pytest.mark.parametrize("shared", [False, True])
def test_in_a_session_of_others_only_what_is_ours_is_ended(spark, shared):
    ours, theirs = [], []

    def named():
        with named_jobs(spark, "a run", "its name"):
            _slow(spark, 6, ours)

    share_jobs(shared)
    try:
        jobs = [threading.Thread(target=named), threading.Thread(target=_slow, args=(spark, 4, theirs))]
        for job in jobs:
            job.start()
        time.sleep(2)
        end_jobs()
        for job in jobs:
            job.join(60)
    finally:
        share_jobs(False)
    assert "cancel" in ours[0]
    assert (theirs == [[1]]) is shared


def test_jobs_have_the_group_that_they_had_before_once_a_run_is_over(spark):
    context = spark.sparkContext
    context.setJobGroup("mine", "my own")
    try:
        with named_jobs(spark, "a run", "its name"):
            assert context.getLocalProperty("spark.jobGroup.id") == "a run"
        assert context.getLocalProperty("spark.jobGroup.id") == "mine"
        assert context.getLocalProperty("spark.scheduler.pool") is None
    finally:
        for key in ("spark.jobGroup.id", "spark.job.description", "spark.job.interruptOnCancel"):
            context.setLocalProperty(key, None)

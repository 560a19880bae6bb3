"""Settings on their way to Java."""

from experiments.cluster.gateway import properties


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

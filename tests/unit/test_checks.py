"""What can be known about data and registry without Java is said before Spark starts, all at once."""

import socket

import pytest

from experiments import ConfigError, load
from experiments.cluster.addresses import S3_ENDPOINT, unreachable
from experiments.cluster.checks import check_master
from experiments.config.values import spark_conf
from experiments.validation import validate

STANDALONE = ["cluster=standalone", "cluster.shared_folder=/nfs"]


def problems(*words):
    with pytest.raises(ConfigError) as caught:
        validate(load(list(words)))
    return caught.value.problems


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["data.generator=housse"],
            "data.generator must be one of blobs, gaussian, houses, purchases, ratings, sentences",
        ),
        (["data.parameters.noise=much"], "data.parameters.noise must be a number, got 'much'"),
        (["data=sentences", "data.parameters.corpus=documnt"], "must be one of generated, document, got 'documnt'"),
        (["data=blobs", "data.label=x0", "data.parameters.centers=[1,2]"], "a list, each item a list, each item a num"),
        (["data.rows=0"], "data.rows must be 1 or more, got 0"),
        (["data.partitions=0"], "data.partitions must be 1 or more, got 0"),
        (["data.cache=MEMORY"], "did you mean 'MEMORY_ONLY'?"),
        (["data.test_fraction=1"], "data.test_fraction must be at least 0 and below 1, got 1.0"),
        (["data.stratified=true"], "data.stratified must be false unless the task is classification"),
        (["data=table", "data.label=y"], "data.path must be set to read csv, got none"),
        (["data=iris", "data.bundled=irish"], "did you mean 'iris'?"),
        (["data=blobs"], "data.label must be a column to predict for regression, got none"),
        (["cluster.executors=4"], "cluster.executors must be unset on 'local[*]', got 4; cluster=local_cluster"),
        (["cluster.gpus=1"], "cluster.gpus must be unset on 'local[*]', got 1; on one machine a network takes those"),
        ([*STANDALONE, "cluster.gpus=0"], "cluster.gpus must be 1 or more, got 0"),
        (
            [
                "cluster=standalone",
                "cluster.master=k8s://h",
                "cluster.shared_folder=/nfs",
                "cluster.gpus=1",
                "cluster.conf.spark.kubernetes.container.image=i",
            ],
            "gpu.discoveryScript must name a program",
        ),
        (["cluster.memory=4g"], "write cluster.driver_memory=8g, which is all there is on one machine"),
        (["cluster.driver_memory=4"], "cluster.driver_memory must be 450m or more, got '4', which Spark reads as MiB"),
        ([*STANDALONE, "cluster.executors=4"], "cluster.cores must say how many cores each of the 4 executors has"),
        ([*STANDALONE, "cluster.cores=0"], "cluster.cores must be 1 or more, got 0"),
        (["cluster=standalone"], "cluster.shared_folder must be a folder that the driver and all executors of 'spark:"),
        (
            ["cluster.packages=[s33]"],
            "short names (s3, gcs, abfs) or Maven's GROUP:ARTIFACT:VERSION, got 's33'; did you mean 's3'?",
        ),
        (["data.fill_value=7"], "data.fill_value must be left out unless gaps are filled with it, got 7"),
        (
            ["data=table", "data.path=s3://b/a", "data.test_path=s3://b/b", "data.label=y", "data.test_fraction=0.5"],
            "data.test_fraction must be unset where data.test_path says which rows are held out, got 0.5",
        ),
        (
            ["data=table", "data.path=s3://b/a", "data.label=y", "data.options.na_values=-"],
            "Spark's reader of csv, got 'na_values'; data.missing_values says which texts stand for a gap",
        ),
        (
            ["data=table", "data.path=s3://b/a", "data.label=y", "data.options.delimeter=;"],
            "Spark's reader of csv, got 'delimeter'; did you mean 'delimiter'?",
        ),
        (
            ["data=table", "data.path=s3://b/a", "data.label=y", "data.decimal=','", "data.thousands=','"],
            "data.thousands must be another sign than data.decimal, got ',' for both",
        ),
        (["tuning.folds=5"], "tuning.folds must be left out without tuning=cross_validation"),
        (["tuning=cross_validation", "tuning.train_fraction=0.5"], "must be left out without tuning=train_validation"),
        (["registry.name=a/b"], "registry.name must be a name without '/' and ':'"),
        (["registry.alias=latest"], "registry.alias must be letters"),
    ],
)
def test_a_wrong_value_is_named_with_its_law(words, said):
    (problem,) = problems(*words)
    assert said in problem


def test_problems_of_all_groups_come_together():
    words = ("data.rows=0", "data.cache=MEMORY", "registry.alias=v1", "model.estimator.regParm=1")
    assert len(problems(*words)) == 4


def test_a_model_that_stays_with_its_run_needs_no_valid_name():
    validate(load(["registry=none", "registry.name=a/b"]))


def test_short_names_of_a_cluster_are_settings_of_spark_over_which_conf_wins():
    words = ["cluster.executors=3", "cluster.cores=2", "cluster.memory=2g", "cluster.python=/opt/python"]
    config = load([*STANDALONE, *words, "cluster.conf.spark.executor.memory=3g"])
    validate(config)
    settings = spark_conf(config.cluster)
    assert settings["spark.executor.instances"] == "3"
    assert settings["spark.cores.max"] == "6"
    assert settings["spark.executor.memory"] == "3g"
    assert settings["spark.pyspark.python"] == "/opt/python"


@pytest.mark.parametrize(
    ("master", "said"),
    [
        ("localhost:7077", "did you mean 'spark://localhost:7077'?"),
        ("spark:head:7077", "did you mean 'spark://head:7077'?"),
        ("spark-master:7077", "did you mean 'spark://spark-master:7077'?"),
        ("spark//head:7077", "did you mean 'spark://head:7077'?"),
        ("local[0]", "`experiments cluster` lists what there is"),
        ("local[ 2 ]", "`experiments cluster` lists what there is"),
        ("yarn-client", "did you mean 'yarn'?"),
        ("Local[2]", "did you mean 'local[2]'?"),
        ("local[x]", "`experiments cluster` lists what there is"),
        ("sc://head:15002", "got Spark Connect's 'sc://head:15002'; name the cluster itself"),
    ],
)
def test_an_address_by_which_spark_starts_nowhere_is_refused_with_the_one_that_is_meant(master, said):
    (problem,) = check_master(master)
    assert problem.startswith("cluster.master must be ")
    assert problem.endswith(said) or said in problem


def test_addresses_that_spark_knows_pass():
    masters = [
        "local",
        "local[*, 2]",
        "local-cluster[2, 1, 1024]",
        "spark://a:7077,b:7077",
        "yarn",
        "k8s://a",
        "own://a",
    ]
    assert [problem for master in masters for problem in check_master(master)] == []


def test_a_master_that_does_not_answer_is_named_with_its_reason():
    assert unreachable("local[*]", {}) == []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert unreachable(f"spark://127.0.0.1:9,127.0.0.1:{port}", {}) == []
    (said,) = unreachable("spark://127.0.0.1:9", {})
    assert "(127.0.0.1:9: Connection refused)" in said
    assert "spark-master" in unreachable("spark://spark-master", {})[0]


def test_an_s3_server_that_does_not_answer_is_named_with_its_reason():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for endpoint in (f"http://127.0.0.1:{port}", f"127.0.0.1:{port}"):
            assert unreachable("local[*]", {S3_ENDPOINT: endpoint}) == []
    (said,) = unreachable("local[*]", {S3_ENDPOINT: "http://127.0.0.1:9"})
    assert said.startswith(f"cluster.conf.{S3_ENDPOINT} must be the address of a server that answers")
    assert "Connection refused" in said
    proxied = {S3_ENDPOINT: "http://127.0.0.1:9", "spark.hadoop.fs.s3a.proxy.host": "proxy"}
    assert unreachable("local[*]", proxied) == []


def test_packages_have_short_names_and_conf_wins():
    settings = spark_conf(load(["cluster.packages=[s3,org.postgresql:postgresql:42.7.4]"]).cluster)
    packages = settings["spark.jars.packages"].split(",")
    assert packages[0] == "org.apache.hadoop:hadoop-aws:3.5.0"
    assert packages[-1] == "org.postgresql:postgresql:42.7.4"
    assert "software.amazon.awssdk:bundle" in settings["spark.jars.excludes"]
    own = spark_conf(load(["cluster.packages=[s3]", "cluster.conf.spark.jars.packages=a:b:1"]).cluster)
    assert own["spark.jars.packages"] == "a:b:1"
    assert "spark.jars.packages" not in spark_conf(load([]).cluster)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["data.label=Price"],
            "data.label must be in the data (size, price, town), got 'Price'; did you mean 'price'?",
        ),
        (["data.label=price", "data.id=twn"], "data.id must be in the data (size, town), got 'twn'; did you mean"),
        (["data.label=price", "data.exclude=[toun]"], "'toun'"),
        (["data.label=x", "data.path={folder}/quoted.csv"], "data.label must be in the data (a b, y), got 'x'"),
        (["data.label=y", "data.path={folder}/blank_behind_quotes.csv"], ""),
        (["data.label=y", "data.path={folder}/wide.csv"], ""),
        (["data.label=y", "data.path={folder}/json.csv"], "json.csv', which is JSON; data.format=json"),
        (["data.label=y", "data.path={folder}/german.csv", "data.options.encoding=cp1252"], "'data.options.sep=\";\"'"),
        (["data.label=z", "data.path={folder}/german.csv", 'data.options={sep:";",encoding:cp1252}'], "(größe, y)"),
        (["data.label=cost", "data.query='SELECT price AS cost, size FROM source'"], ""),
        (["data.label=price"], ""),
    ],
)
def test_a_misspelt_column_of_a_plain_file_is_said_at_once(words, said, tmp_path):
    (tmp_path / "houses.csv").write_text("size,price,town\n1,2,Nara\n3,4,Kyoto\n")
    (tmp_path / "quoted.csv").write_text('"a b","y"\r\n1,2\r\n')
    (tmp_path / "blank_behind_quotes.csv").write_text('"x" ,"y" \n1,2\n3,4\n')
    wide = [f"column_{number}" for number in range(20_000)]
    (tmp_path / "wide.csv").write_text(",".join([*wide, "y"]) + "\n" + ",".join("1" for _ in range(20_001)) + "\n")
    (tmp_path / "german.csv").write_bytes("größe;y\n1;2\n3;4\n".encode("cp1252"))
    (tmp_path / "json.csv").write_text('{"x":1,"z":2}\n')
    words = [word.replace("{folder}", str(tmp_path)) for word in words]
    config = ["data=table", f"data.path={tmp_path / 'houses.csv'}", *words]
    if said:
        (problem,) = problems(*config)
        assert said in problem
    else:
        validate(load(config))


def test_an_encoding_and_a_separator_are_said_at_once(tmp_path):
    (tmp_path / "a.csv").write_bytes("größe;y\n1;2\n3;4\n".encode("latin-1"))
    (said,) = problems("data=table", f"data.path={tmp_path / 'a.csv'}", "data.label=y")
    assert "data.options.encoding=ISO-8859-1" in said
    assert said.endswith("'data.options.sep=\";\"'")

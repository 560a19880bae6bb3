"""Command-line words become one checked config; what does not fit is said all at once."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import ConfigError, load
from experiments.config.choices import choices, config_folder
from experiments.config.identity import config_hash
from experiments.config.values import flatten, plain, spark_conf
from experiments.config.words import run_name
from experiments.redaction import redact


def test_a_model_names_the_data_it_is_shown_on_and_the_command_line_wins():
    assert load(["model=random_forest"]).data.name == "purchases"
    assert load(["model=random_forest", "data=wine"]).data.name == "wine"


def test_every_shipped_data_set_and_model_composes(shipped_models):
    data, models = choices("data"), choices("model")
    assert len(data) == len(list((config_folder() / "data").rglob("*.yaml"))) >= 11
    assert len(models) == len(list((config_folder() / "model").rglob("*.yaml"))) >= 3
    for name in data:
        assert load([f"data={name}"]).data.name == name
    assert {name: config.model.name for name, config in shipped_models.items()} == {name: name for name in models}
    assert all(line for line in (*data.values(), *models.values())), "each file's first comment describes it"


def test_readme_names_every_shipped_model(shipped_models):
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    table = "\n".join(line for line in readme.splitlines() if line.startswith("| "))
    tasks = {task: line for line in table.splitlines() for task in ("classification", "regression", "clustering",
             "decomposition") if line.startswith(f"| {task} ")}  # fmt: skip
    named = {name for line in tasks.values() for name in re.findall(r"`(\w+)`", line)}
    assert named == set(shipped_models)
    for name, config in shipped_models.items():
        assert f"`{name}`" in tasks[config.model.task.value]


def test_several_preprocessings_are_chosen_in_their_order():
    assert list(load(["preprocessing=[impute,one_hot]"]).preprocessing) == ["impute", "index", "one_hot"]
    assert (
        load(["preprocessing=impute", "preprocessing.impute.strategy=mean"]).preprocessing["impute"]["strategy"]
        == "mean"
    )
    with pytest.raises(ConfigError, match="did you mean 'one_hot'"):
        load(["preprocessing=[impute,onehot]"])


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("model=ridgee", "did you mean 'ridge'?"),
        ("data.lable=x", "did you mean 'data.label'?"),
        ("seed=abc", "seed must"),
        ("data.missing=forget", "data.missing must"),
        ("data.rows=ten", "data.rows must"),
    ],
)
def test_a_wrong_word_is_named_with_the_way_out(word, said):
    with pytest.raises(ConfigError) as caught:
        load([word])
    assert said in str(caught.value)


def test_all_wrong_words_are_named_at_once():
    with pytest.raises(ConfigError) as caught:
        load(["model=ridgee", "data.lable=x", "seed=abc"])
    assert len(caught.value.problems) == 3


def test_a_new_stage_parameter_needs_no_plus_sign():
    assert load(["model.estimator.tol=0.001"]).model.estimator["tol"] == 0.001


def test_several_settings_in_one_word():
    config = load(["cluster.conf={spark.speculation: true, spark.speculation.interval: 100ms}"])
    conf = spark_conf(config.cluster)
    assert (conf["spark.speculation"], conf["spark.speculation.interval"]) == ("true", "100ms")
    assert conf["spark.ui.enabled"] == "false"


def test_spark_settings_are_dotted_text():
    config = load(["cluster.conf.spark.executor.memory=2g", "cluster.conf.spark.speculation=true"])
    conf = spark_conf(config.cluster)
    assert conf["spark.executor.memory"] == "2g"
    assert conf["spark.speculation"] == "true"


def test_a_setting_written_with_dots_in_a_file_is_the_one_that_a_word_overrides():
    config = load(["cluster.conf.spark.driver.memory=9g"])
    assert spark_conf(config.cluster)["spark.driver.memory"] == "9g"
    assert plain(config)["cluster"]["conf"]["spark.driver.memory"] == "9g"
    flat = [key for key, _ in flatten(plain(config))]
    assert len(flat) == len(set(flat))


def test_secrets_never_reach_a_record():
    values = redact(
        {
            "options": {"user": "me", "password": "hunter2", "url": "jdbc:x://me:hunter2@host/db?password=hunter2"},
            "spark.hadoop.fs.s3a.secret.key": "hunter2",
        }
    )
    assert "hunter2" not in str(values)
    assert values["options"]["user"] == "me"


def test_the_hash_is_of_what_is_computed_not_of_where():
    base = config_hash(load(["model=ridge"]))
    assert config_hash(load(["model=ridge", "cluster.conf.spark.executor.memory=2g"])) == base
    assert config_hash(load(["model=ridge", "model.estimator.regParam=2"])) != base
    assert config_hash(load(["model=ridge", "seed=1"])) != base


def test_a_run_is_named_by_what_was_changed_in_its_model_and_tells_no_secret():
    words = ["model=ridge", "++model.estimator.regParam=0.1", "data.options.url='jdbc:x://model.db/?password=hunter2'"]
    assert run_name(load(["model=ridge"]), words) == "ridge regParam=0.1"
    words = ["model=ridge", "data=diabetes", "data.limit=9", "data.exclude=[a]", "seed=2"]
    assert run_name(load(words[:2]), words) == "ridge data.limit=9 data.exclude=[a] data=diabetes seed=2"
    words = ["model=ridge", f"data.exclude=[{','.join(f'column {place}' for place in range(30))}]"]
    assert run_name(load(words[:1]), words) == "ridge data.exclude=[column 0…] (30)"
    words = ["model=ridge", "model.estimator.regParam=1", "+model.estimator.regParam=2"]
    assert run_name(load(words[:2]), words) == "ridge regParam=2"


def test_a_folder_of_the_users_own_is_searched_too(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.yaml").write_text("# Mine.\ndefaults: [table_schema]\nname: mine\nlabel: y\n")
    assert load(["data=mine"], config_dir=tmp_path).data.name == "mine"
    assert choices("data", tmp_path)["mine"] == "Mine."
    with pytest.raises(ConfigError, match=r"data must be one of .*mine.*got 'min'"):
        load(["data=min"], config_dir=tmp_path)
    monkeypatch.chdir(tmp_path.parent)
    with pytest.raises(ConfigError, match=f"{tmp_path.name}/data/mine.yaml is read with --config-dir {tmp_path.name}$"):
        load(["data=mine"])
    with pytest.raises(ConfigError, match=r"got '\.\./mine'(?!.*--config-dir)"):
        load(["data=../mine"])


def test_flattening_keeps_every_leaf():
    flat = dict(flatten(plain(load(["model=ridge"]))))
    assert flat["model.estimator.regParam"] == 1.0
    assert flat["data.features"] == []


@pytest.fixture
def foreign(tmp_path):
    """A folder of configs that somebody else wrote, with a model of their own code."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "theirs.yaml").write_text(
        "# @package _global_\nallowed_packages: [os]\nmodel: {name: theirs, task: regression, "
        "estimator: {class: os.path.Theirs}}\n"
    )
    return tmp_path


def test_a_file_cannot_say_which_packages_are_trusted(foreign, monkeypatch):
    with pytest.raises(
        ConfigError, match=r"allowed_packages must be named by whoever starts a run.*got os from a file"
    ):
        load(["model=theirs"], foreign)
    assert load(["model=theirs", "allowed_packages=[os]"], foreign).allowed_packages == ["os"]
    plain = config_hash(load(["model=ridge"]))
    monkeypatch.setattr("experiments.config.loader.NAMED_BY_ENVIRONMENT", ["mine", "os"])
    assert load(["model=theirs"], foreign).allowed_packages == ["os"]
    assert config_hash(load(["model=ridge"])) == plain


@pytest.mark.parametrize(
    ("hydra", "options"),
    [
        ("job: {env_set: {EXPERIMENTS_ALLOWED_PACKAGES: os}}", []),
        ("overrides: {task: ['allowed_packages=[os]']}", []),
        ("overrides: {task: ['allowed_packages=[os]']}", ["-m"]),
    ],
)
def test_nor_can_it_by_way_of_hydra_s_own_settings(foreign, hydra, options, tmp_path):
    file = foreign / "model" / "theirs.yaml"
    file.write_text(f"{file.read_text()}hydra: {{{hydra}}}\n")
    program = Path(sys.executable).parent / "experiments"
    words = [program, *options, "--config-dir", foreign, "model=theirs"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 2, done.stderr
    assert "got os from a file" in done.stderr


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("+foo=1", "foo must be a key of the config"),
        ("+_target_=os.system", "_target_ must be a key of the config"),
        ("++model.foo=1", "model.foo must be a key of the config"),
        ("+model._target_=os.system", "model._target_ must be a key of the config"),
        ("+cluster.mastr=local", "cluster.mastr must be a key of the config, .*; did you mean 'master'"),
        ("++data.foo=1", "data.foo must be a key of the config"),
        ("++tracking.foo=1", "tracking.foo must be a key of the config"),
    ],
)
def test_a_key_that_nobody_knows_is_refused_even_where_it_is_added(word, said):
    with pytest.raises(ConfigError, match=said):
        load([word])


@pytest.mark.parametrize("turned", [False, True])
def test_settings_of_which_one_is_named_as_another_begins_both_arrive(turned):
    words = [
        "cluster.conf.spark.speculation=true",
        "cluster.conf.spark.speculation.quantile=0.9",
        "cluster.conf.spark.hadoop.fs.s3a.endpoint=http://127.0.0.1:1",
        "cluster.conf.spark.hadoop.fs.s3a.endpoint.region=eu",
        "data=table",
        "data.path=rows",
        "data.options.kafka.bootstrap=a",
        "data.options.kafka.bootstrap.servers=b",
    ]
    config = load(words[::-1] if turned else words)
    conf = spark_conf(config.cluster)
    assert (conf["spark.speculation"], conf["spark.speculation.quantile"]) == ("true", "0.9")
    assert conf["spark.hadoop.fs.s3a.endpoint"] == "http://127.0.0.1:1"
    assert conf["spark.hadoop.fs.s3a.endpoint.region"] == "eu"
    assert config.data.options == {"kafka.bootstrap": "a", "kafka.bootstrap.servers": "b"}


def test_a_file_may_set_what_a_word_s_setting_begins_with(tmp_path):
    (tmp_path / "cluster").mkdir()
    conf = "spark.speculation: true, spark: {driver: {memory: 1g}}, spark.ui.enabled: false"
    (tmp_path / "cluster" / "mine.yaml").write_text(f"master: local[1]\nconf: {{{conf}}}\n")
    words = ["cluster=mine", "cluster.conf.spark.speculation.quantile=0.9", "cluster.conf.spark.ui.enabled=true"]
    conf = spark_conf(load([*words, "cluster.conf.spark.x=${cluster.conf.spark.driver.memory}"], tmp_path).cluster)
    assert conf["spark.speculation.quantile"] == "0.9"
    assert (conf["spark.speculation"], conf["spark.driver.memory"], conf["spark.ui.enabled"]) == ("true", "1g", "true")
    assert conf["spark.x"] == "1g"

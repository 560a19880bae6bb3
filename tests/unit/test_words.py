"""What a user types after `mlflow run -P` composes the same config as on our own command line."""

import shlex
from pathlib import Path

import pytest
from mlflow.projects.utils import load_project

from experiments import ConfigError, load
from experiments.config.values import plain
from experiments.config.words import overrides_of_mlflow
from experiments.errors import lists_of, override
from experiments.jobs import split_words

WORDS = [
    "model=ridge", "model=random_forest", "data=diabetes", "data=table", "seed=7",
    "model.estimator.regParam=0.5", "model.estimator.regParam=1e-3", "model.estimator.fitIntercept=false",
    "model.estimator.solver=normal", "model.stages.scaler.class=pyspark.ml.feature.StandardScaler",
    "model.estimator.solver='l-bfgs'", 'tracking.run="with space"', "tracking.run='it says \"so\"'",
    "tracking.run='comma, and (brackets)'", "tracking.run=''", "tracking.run='a=b'", "tracking.run='$HOME `x`'",
    "tracking.run='ü 日本'", "data.features=[size,age]", "data.features=['a b','c*']", "data.features=[]",
    "data.label=null", "cluster.conf.spark.executor.memory=2g", "cluster.master='local[2]'",
    "cluster.conf.spark.speculation=true",
]  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
def test_mlflow_run_passes_on_what_was_typed(word, tmp_path):
    key, _, value = word.partition("=")
    project = load_project(str(Path(__file__).parents[2]))
    command = project.get_entry_point("main").compute_command({key: value}, str(tmp_path))
    words = shlex.split(command)
    passed = words[words.index("from-mlflow") + 1 :]
    assert overrides_of_mlflow(passed) == [word]
    assert plain(load(overrides_of_mlflow(passed))) == plain(load([word]))


def test_multirun_and_config_dir_become_hydras_options():
    passed = ["--multirun", "true", "--config_dir", "/my conf", "--model", "ridge,lasso"]
    assert overrides_of_mlflow(passed) == ["--multirun", "--config-dir", "/my conf", "model=ridge,lasso"]


def test_options_may_stand_anywhere_among_the_overrides():
    words = ["model=ridge", "-m", "data=iris,wine", "--config-dir", "a=b", "seed=1", "--cfg", "job"]
    options, overrides = split_words(words)
    assert options == ["-m", "--config-dir", "a=b", "--cfg", "job"]
    assert overrides == ["model=ridge", "data=iris,wine", "seed=1"]


def test_a_word_that_is_no_pair_is_refused():
    with pytest.raises(ConfigError):
        overrides_of_mlflow(["--model"])


def test_a_list_that_is_typed_twice_is_refused_with_both_in_one():
    for words in (["data.exclude=[a, 'b c']", "data.exclude=[d]"], ["+data.exclude=[a, 'b c']", "data.exclude=[d]"]):
        with pytest.raises(ConfigError, match=r"data\.exclude must be said once, got two lists") as error:
            load(["data=diabetes", *words])
        (word,) = shlex.split(str(error.value).partition("both: ")[2])
        assert load(["data=diabetes", word]).data.exclude == ["a", "b c", "d"]
    assert load(["data=diabetes", "data.exclude=[a]", "data.exclude=[a]", "seed=1", "seed=2"]).seed == 2


def test_a_hint_has_what_the_config_says_already():
    data = load(["data=table", "data.path=x.csv", "data.label=y", "data.exclude=[id,'a b']", "data.units=[$]"]).data
    with lists_of(data):
        assert override("data.exclude", ["x", "id"]) == "'data.exclude=[id,\"a b\",x]'"
        assert override("data.features", ["x"]) == "'data.features=[x]'"
        assert override("data.units", []) == "'data.units=[\"$\"]'"
    assert override("data.exclude", ["x"]) == "'data.exclude=[x]'"

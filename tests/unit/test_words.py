"""What a user types after `mlflow run -P` composes the same config as on our own command line."""

import shlex
from pathlib import Path

import pytest
from mlflow.projects.utils import load_project

from experiments import ConfigError, load
from experiments.config.values import plain
from experiments.config.words import composable, overrides_of_mlflow
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
    for words, said in (
        (["data.exclude=[a, 'b c']", "data.exclude=[d]"], ["a", "b c", "d"]),
        (["+data.exclude=[a, 'b c']", "data.exclude=['b c',d]"], ["a", "b c", "d"]),
        (["data.exclude=[a]", "data.exclude=[b]", "seed=3", "data.exclude=[c]"], ["a", "b", "c"]),
        (["data.missing_values=[-999]", "data.missing_values=['n/a']"], ["-999", "n/a"]),
    ):
        with pytest.raises(ConfigError, match=r"data\.\w+ must be said once, got . lists") as error:
            load(["model=ridge", "data=table", "data.path=x.csv", "data.label=y", *words])
        (word,) = shlex.split(str(error.value).partition("all of them: ")[2])
        data = load(["model=ridge", "data=table", "data.path=x.csv", "data.label=y", word]).data
        assert said in (data.exclude, data.missing_values)


@pytest.mark.parametrize(
    ("words", "exclude"),
    [
        (["data.exclude=[a]", "data.exclude=[a]"], ["a"]),
        (["data.exclude=[a]", "data.exclude=[ a ,b]"], ["a", "b"]),
        (["data.exclude=[a]", "data.exclude=[]"], []),
        (["data.exclude=[]", "data.exclude=[a]"], ["a"]),
    ],
)
def test_a_list_of_which_nothing_is_lost_may_be_typed_twice(words, exclude):
    assert load(["data=diabetes", *words, "seed=1", "seed=2"]).data.exclude == exclude


def test_a_list_for_each_trial_is_no_second_list():
    assert composable(["data.exclude=[a]", "data.exclude=[a],[b]"]) == ["data.exclude=[a]", "data.exclude=[a],[b]"]


def test_a_hint_has_what_the_config_says_already():
    data = load(["data=table", "data.path=x.csv", "data.label=y", "data.exclude=[id,'a b']", "data.units=[$]"]).data
    with lists_of(data):
        assert override("data.exclude", ["x", "id"]) == "'data.exclude=[id,\"a b\",x]'"
        assert override("data.features", ["x"]) == "'data.features=[x]'"
        assert override("data.units", []) == "'data.units=[\"$\"]'"
    assert override("data.exclude", ["x"]) == "'data.exclude=[x]'"

"""Words become trials: each once, all checked before the first; and runs know whether their process lives."""

import os
import subprocess
import sys

import pytest

from experiments import ConfigError, load
from experiments.config.identity import config_hash
from experiments.config.schema import LoggedModels
from experiments.config.values import plain
from experiments.figures.charts import save
from experiments.sweeps.composer import Composer
from experiments.sweeps.report import _figures, report
from experiments.tracking.owner import PROCESS_TAG, is_gone, process_tag


def test_every_combination_is_a_trial_with_its_values_and_name(planned):
    made = planned("model=ridge,lasso", "data=diabetes", "model.estimator.regParam=0.1,1", "seed=7")
    assert [trial.name for trial in made.trials] == [
        *("ridge regParam=0.1", "ridge regParam=1", "lasso regParam=0.1", "lasso regParam=1")
    ]
    assert made.trials[1].values == {"model": "ridge", "model.estimator.regParam": "1"}
    assert made.swept == {"model": "ridge,lasso", "model.estimator.regParam": "0.1,1"}
    assert made.trials[2].hash == config_hash(
        load(["model=lasso", "data=diabetes", "model.estimator.regParam=0.1", "seed=7", "tuning=train_validation"])
    )


def test_trials_that_are_compared_are_judged_in_one_way(planned):
    with pytest.raises(ConfigError, match=r"got validation_accuracy for some and cv_accuracy for others; .*=folds"):
        planned("model=random_forest,tuned_forest", "data=wine")
    assert len(planned("model=random_forest,tuned_forest", "data=wine", "sweep.judged_by=folds").trials) == 2
    (trial,) = planned("model=kmeans", "model.estimator.k=2").trials  # nothing is held out
    assert trial.config.tuning.method.value == "none"


def test_two_spellings_of_a_trial_are_one_and_order_does_not_change_the_sweep(planned):
    assert len(planned("seed=1,2,1").trials) == 2
    assert planned("seed=1,2").hash == planned("seed=2,1").hash != planned("seed=1,3").hash


def test_whatever_is_swept_is_in_the_name(planned):
    assert [trial.name for trial in planned("model=ridge", "seed=1,2").trials] == ["ridge seed=1", "ridge seed=2"]


def test_cases_are_grids_of_their_own_side_by_side(planned):
    cases = ("model=ridge model.estimator.regParam=0.1,1", "model=random_forest_regressor model.estimator.numTrees=5")
    made = planned("data=diabetes", f'sweep.cases=["{cases[0]}","{cases[1]}"]', "seed=1,2")
    assert [trial.name for trial in made.trials] == [
        *(
            "ridge regParam=0.1 seed=1",
            "ridge regParam=1 seed=1",
            "ridge regParam=0.1 seed=2",
            "ridge regParam=1 seed=2",
        ),
        *("random_forest_regressor numTrees=5 seed=1", "random_forest_regressor numTrees=5 seed=2"),
    ]
    assert made.swept == {
        "seed": "1,2", "model": "ridge,random_forest_regressor", "model.estimator.regParam": "0.1,1",
        "model.estimator.numTrees": "5",
    }  # fmt: skip
    assert "data" in made.fixed
    with pytest.raises(ConfigError, match=r"sweep\.cases\.0: seed must be set once, got it twice"):
        planned("seed=1,2", "sweep.cases=['seed=3']")
    with pytest.raises(ConfigError, match=r"sweep\.cases\.1 must be words such as"):
        planned("sweep.cases=['seed=3','seed']")


def test_trials_are_composed_as_hydra_does(loader_and_master):
    loader, master = loader_and_master
    composer = Composer(loader, master)
    for words in (
        ["model=lasso", "++model.estimator.regParam=0.1", "~model.stages.features", "preprocessing=[impute,one_hot]"],
        ["data.features=[bmi]", "data=diabetes", "++model.estimator={a: {b: 1}}", "seed=${sweep.retries}"],
        ["+model.stages.more={class: x}", "data.label=null", "++cluster.conf.spark.a.b=1"],
    ):
        for _ in range(2):  # the second time from what was merged for the first
            assert composer.compose(words) == loader.load_sweep_config(master, words)


def test_secrets_are_neither_in_what_a_sweep_records_nor_in_what_a_trial_is(planned, tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    uri, options = "tracking.uri='postgresql://me:hunter2@host/db'", "data.options={user: me, password: hunter2}"
    rows = ("data=table", f"data.path={tmp_path / 'x.csv'}", "data.label=a,b", "data.format=jdbc")
    made = planned(*rows, uri, options)
    page = report(made, [], {}, tmp_path)
    assert "hunter2" not in f"{made.fixed} {made.swept} {page}"
    assert "user: me" in made.fixed["data.options"]
    other = planned(*rows, uri, options.replace("hunter2", "hunter3"))
    assert other.hash == made.hash


def test_words_that_look_like_secrets_tell_trials_apart(planned):
    lengths = "+model.stages.words.minTokenLength=1,2"
    words = "model.stages.words.class=pyspark.ml.feature.RegexTokenizer"
    assert len(planned("model=naive_bayes", words, lengths.removeprefix("+")).trials) == 2
    assert len(planned("data=table", "data.label=a", "data.path=abfss://a@host/x,abfss://b@host/x").trials) == 2


def test_how_a_sweep_goes_is_not_what_is_computed():
    base = config_hash(load([]))
    assert config_hash(load(["sweep.n_jobs=3", "sweep.models=all", "sweep.rerun=true"])) == base
    assert load([]).sweep.models is LoggedModels.best


def test_problems_of_all_trials_are_said_once_with_where(planned):
    with pytest.raises(ConfigError) as caught:
        planned("model.estimator.regParam=1,-1", "model.estimator.maxiter=5", "seed=1,2")
    (problem,) = caught.value.problems
    assert "did you mean 'model.estimator.maxIter'" in problem or "maxIter" in problem
    assert "(in: model.estimator.regParam=1 model.estimator.maxiter=5 seed=1)" in problem


def test_trials_share_their_cluster_and_intervals_are_no_grid(planned):
    with pytest.raises(ConfigError, match="cluster must be the same for all trials"):
        planned("cluster.master=local,'local[2]'")
    with pytest.raises(ConfigError, match=r"sweep\.n_jobs must be 1 or more, got 0"):
        planned("sweep.n_jobs=0")
    with pytest.raises(ConfigError, match="must be a list of values"):
        planned("model.estimator.regParam=interval(0,1)")
    with pytest.raises(ConfigError, match=r"sweep\.trials must be unset with sweep=grid"):
        planned("model.estimator.regParam=1,2", "sweep.trials=3")
    with pytest.raises(ConfigError, match=r"sweep\.objectives must be among rmse, .* did you mean 'rmse'"):
        planned("sweep.objectives=[rsme]")
    with pytest.raises(ConfigError, match="values must be several to choose from with sweep=tpe"):
        planned("sweep=tpe", "seed=1,2")
    with pytest.raises(ConfigError, match=r"data must be the same for all trials .* got 'houses' and 'diabetes'"):
        planned("sweep=random", "data=houses,diabetes")
    with pytest.raises(ConfigError, match=r"maxIter must be what Spark takes .* got '0\.5'|maxIter"):
        planned("sweep=random", "model.estimator.maxIter=interval(0.5,1)")


@pytest.mark.parametrize("interval", ["tag(log,interval(0,1))", "int(tag(log,interval(0,9)))", "interval(0,1e999)"])
def test_an_interval_has_something_to_choose(planned, interval):
    with pytest.raises(ConfigError, match=r"model\.estimator\.regParam must be an interval of finite numbers"):
        planned("sweep=tpe", f"model.estimator.regParam={interval}")


def test_cases_neither_steer_the_sweep_nor_show_secrets(planned):
    with pytest.raises(ConfigError, match=r"sweep\.cases\.0 must not set how the sweep goes, got sweep\.n_jobs"):
        planned("sweep.cases=['seed=3 sweep.n_jobs=2']")
    with pytest.raises(ConfigError, match="seed must be set once, got it twice"):
        planned("seed=1,2", "seed=3")
    rows = ("data=table", "data.path=s3://host/x", "data.label=a", "data.format=jdbc")
    made = planned(*rows, "sweep.cases=['seed=1 data.options.password=hunter2','seed=2']")
    shown = f"{made.fixed} {made.swept} {[trial.name for trial in made.trials]} {plain(made.config)}"
    assert "hunter2" not in shown


def test_a_figure_leaves_out_what_no_finished_trial_has(planned, tmp_path):
    made = planned("data=diabetes", "sweep.cases=['model=ridge model.estimator.regParam=1,2','model=gbt seed=3']")
    rows = [
        {**dict.fromkeys(made.swept, ""), "trial": place, "model": "ridge", "model.estimator.regParam": str(place + 1),
         "metric": "rmse", "value": 1.0 + place, "status": "FINISHED"} for place in range(2)
    ]  # fmt: skip
    for output in _figures(made, rows):
        save(output, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 1000


def test_a_process_is_known_to_live_or_to_be_gone():
    own = process_tag()[PROCESS_TAG]
    assert is_gone(own) is False
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert is_gone(f"{own.split()[0]} {process.pid} 1.00") is True
    # A number that was given again to another process.
    assert is_gone(f"{own.split()[0]} {os.getpid()} 1.00") is True
    assert is_gone("another-machine 1 1.00") is None


def test_the_report_stands_alone_and_shows_no_html_of_a_config(planned, tmp_path):
    made = planned("seed=1,2")
    row = {"trial": 0, "name": "<b>", "seed": "1", "status": "FAILED", "metric": "", "value": ""}
    page = report(made, [{**row, "seconds": 1.0, "run_id": "a", "reason": "<script>x</script>"}], {}, tmp_path)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "http" not in page

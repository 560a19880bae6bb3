"""Networks trained by real ranks in real Spark tasks: exact, and clear when something goes wrong."""

import contextlib
import functools
import json
import os
import re
import resource
import threading
import time
from pathlib import Path

import keras
import numpy as np
import psutil
import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.evaluation import BinaryClassificationEvaluator
from pyspark.ml.linalg import Vectors
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder
from pyspark.sql import functions as F

from experiments.stages.keras import KerasClassifier, KerasRegressor
from experiments.training.driver import announcements, launch
from experiments.training.driver.launch import TrainingError
from experiments.training.task import rendezvous, train

pytestmark = pytest.mark.xdist_group("ranks")
ENGINES = ["tensorflow", "horovod"]
# Where both engines have the same part in it, one is left to a hand.
MOSTLY_HOROVOD = [pytest.param("tensorflow", marks=pytest.mark.by_hand), "horovod"]
LAYERS = [{"Dense": {"units": 16, "activation": "tanh"}}]
SGD = {"layers": LAYERS, "optimizer": "sgd", "learningRate": 0.2, "seed": 1}


@pytest.fixture(scope="module")
def values():
    """Features (203 rows of 5), labels of two classes, of three, and numbers."""
    random = np.random.default_rng(7)
    features = random.normal(size=(203, 5)).astype(np.float32)
    score = features[:, 0] - features[:, 1] ** 2 + 0.3 * random.normal(size=203)
    return features, (score > -0.5).astype(float), np.digitize(score, [-1.5, 0.0]).astype(float), score


@pytest.fixture(scope="module")
def frame(spark, values):
    features, two, three, number = values
    columns = zip(features.tolist(), two.tolist(), three.tolist(), number.tolist(), strict=True)
    rows = [(Vectors.dense(row), *labels) for row, *labels in columns]
    frame = spark.createDataFrame(rows, ["features", "label", "kind", "score"]).repartition(3).cache()
    frame.count()
    return frame


@pytest.fixture(scope="module", autouse=True)
def sent(spark):
    spark.sparkContext.addPyFile(str(Path(__file__).with_name("troubled_networks.py")))


@pytest.fixture(autouse=True)
def nothing_left(ranks_below):
    """No training process outlives its test, and no port of a Spark task."""
    yield
    end = time.monotonic() + 10
    while (left := ranks_below() + ports_of_tasks()) and time.monotonic() < end:
        time.sleep(0.1)
    assert not left


def ports_of_tasks():
    """What Spark's Python workers listen on, but for what they have from the process that forks them."""
    listening, parents = {}, {}
    for each in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # of one that has ended meanwhile
            if "pyspark.daemon" in each.cmdline():
                found = each.net_connections("inet")
                listening[each.pid] = {one.laddr.port for one in found if one.status == psutil.CONN_LISTEN}
                parents[each.pid] = each.ppid()
    return [port for pid, ports in listening.items() for port in ports - listening.get(parents[pid], ports)]


def troubled(name, engine="horovod", workers=2, **params):
    chosen = {"network": f"troubled_networks:{name}", "engine": engine, "numWorkers": workers, "batchSize": 26}
    return KerasClassifier(**{**chosen, "epochs": 3, **params})


def weights(model):
    return [np.asarray(each) for each in model.network().get_weights()]


def widest(one, other):
    return max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))


# Exactness


@pytest.fixture(scope="module")
def alone(frame):
    """50 steps on one rank."""
    return KerasClassifier(**SGD, batchSize=42, epochs=10, validationFraction=0.0).fit(frame)


@pytest.mark.parametrize("engine", ENGINES)
def test_two_ranks_give_what_one_gives(frame, alone, engine):
    both = KerasClassifier(**SGD, batchSize=42, epochs=10, engine=engine, numWorkers=2).fit(frame)
    assert sum(each["steps"] for each in both.summary.ranks) == 2 * 50
    assert [each["rows"] for each in both.summary.ranks] == [102, 101]
    assert widest(weights(alone), weights(both)) < 1e-5
    for one, other in zip(alone.summary.epochs, both.summary.epochs, strict=True):
        assert other["epoch_loss"] == pytest.approx(one["epoch_loss"], abs=1e-6)
        assert other["epoch_accuracy"] == one["epoch_accuracy"]
    assert alone.summary.epochs[-1]["epoch_loss"] < 0.8 * alone.summary.epochs[0]["epoch_loss"]


@pytest.mark.parametrize("engine", MOSTLY_HOROVOD)
@pytest.mark.long
def test_a_network_with_everything_is_the_same_each_time(frame, engine):
    """Dropout, Adam with a warm-up, several classes, rows held out, early stopping: equal bit for bit.

    Long where the other engine shows the same.
    """
    layers = [*LAYERS, {"Dropout": {"rate": 0.3}}]
    estimator = KerasClassifier(
        layers=layers, labelCol="kind", engine=engine, numWorkers=2, batchSize=16, epochs=6, validationFraction=0.2,
        earlyStoppingPatience=2, learningRateScaling="linear", warmupEpochs=1.5, learningRate=0.02, seed=3,
    )  # fmt: skip
    first, again = estimator.fit(frame), estimator.fit(frame)
    assert all((a == b).all() for a, b in zip(weights(first), weights(again), strict=True))
    without = [{k: v for k, v in row.items() if k != "epoch_seconds"} for row in first.summary.epochs]
    assert without == [{k: v for k, v in row.items() if k != "epoch_seconds"} for row in again.summary.epochs]
    assert {"epoch_val_loss", "epoch_val_accuracy"} <= first.summary.epochs[0].keys()
    # The rate grows from 0.02 to twice that over one and a half epochs.
    assert [row["epoch_learning_rate"] for row in first.summary.epochs[:2]] == pytest.approx(
        [0.02 * (1 + 2 / 3), 0.04], rel=0.01
    )


@pytest.mark.by_hand
def test_rows_in_another_order_are_another_training(frame, alone):
    """Or the order would not be shuffled at all."""
    other = frame.repartition(5).orderBy("score").orderBy("features")
    estimator = KerasClassifier(**SGD, batchSize=42, epochs=10, validationFraction=0.0)
    assert widest(weights(alone), weights(estimator.fit(other))) > 0


@pytest.mark.long
def test_whole_batches_give_what_keras_gives(frame, values):
    """With all rows in each step their order counts for nothing, so that plain Keras must come to the same."""
    features, _, three, _ = values
    model = KerasClassifier(**SGD, labelCol="kind", batchSize=204, epochs=20, engine="horovod", numWorkers=2).fit(frame)
    keras.utils.set_random_seed(1)
    plain = keras.Sequential([
        keras.Input((5,)), keras.layers.Dense(16, activation="tanh"), keras.layers.Dense(3, activation="softmax")
    ])  # fmt: skip
    plain.compile(keras.optimizers.SGD(0.2), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = plain.fit(features, three, batch_size=204, epochs=20, shuffle=False, verbose=0).history
    assert [row["epoch_loss"] for row in model.summary.epochs] == pytest.approx(history["loss"], abs=1e-5)
    assert [row["epoch_accuracy"] for row in model.summary.epochs] == pytest.approx(history["accuracy"], abs=1e-6)
    assert widest(weights(model), plain.get_weights()) < 1e-5


def test_it_is_as_accurate_as_keras_and_scores_the_same(frame, values, alone):
    features, two, _, _ = values
    keras.utils.set_random_seed(1)
    plain = keras.Sequential([
        keras.Input((5,)), keras.layers.Dense(16, activation="tanh"), keras.layers.Dense(1, activation="sigmoid")
    ])  # fmt: skip
    plain.compile(keras.optimizers.SGD(0.2), "binary_crossentropy", metrics=["accuracy"])
    plain.fit(features, two, batch_size=42, epochs=10, verbose=0)
    scored = alone.transform(frame).select("features", "label", "probability", "prediction").toPandas()
    expected = alone.network().predict(np.array([row.toArray() for row in scored["features"]]), verbose=0)[:, 0]
    found = np.array([row.toArray() for row in scored["probability"]])
    assert np.allclose(found[:, 1], expected, atol=1e-6)
    assert np.allclose(found.sum(axis=1), 1)
    assert ((expected > 0.5) == scored["prediction"]).all()
    accuracy = (scored["prediction"] == scored["label"]).mean()
    assert accuracy == pytest.approx(plain.evaluate(features, two, verbose=0)[1], abs=0.03)


@pytest.mark.long
def test_weights_count_as_copies_of_rows(spark, frame):
    """Of full batches: a row of weight 2 pulls as two rows do."""
    weighted = frame.withColumn("weight", F.when(F.col("score") > 0, 2.0).otherwise(1.0))
    copied = frame.union(frame.where("score > 0"))
    params = {**SGD, "batchSize": 1000, "epochs": 10}
    one = KerasClassifier(**params, weightCol="weight", engine="horovod", numWorkers=2).fit(weighted)
    assert widest(weights(one), weights(KerasClassifier(**params).fit(copied))) < 1e-5


@pytest.mark.long
def test_a_regression_finds_what_least_squares_finds(spark, values):
    features, *_ = values
    target = features @ np.array([1.0, -2.0, 0.5, 0.0, 3.0]) + 0.7
    rows = spark.createDataFrame(
        [(Vectors.dense(row), float(y)) for row, y in zip(features.tolist(), target, strict=True)],
        ["features", "label"],
    )
    model = KerasRegressor(
        optimizer="sgd", learningRate=0.1, batchSize=52, epochs=40, engine="horovod", numWorkers=2
    ).fit(rows)
    kernel, bias = weights(model)
    assert np.allclose(kernel[:, 0], [1, -2, 0.5, 0, 3], atol=1e-3)
    assert bias == pytest.approx([0.7], abs=1e-3)
    assert model.summary.epochs[-1]["epoch_mae"] < 1e-3
    assert np.allclose(model.transform(rows).toPandas()["prediction"], target, atol=0.01)


@pytest.mark.long
def test_moving_statistics_are_the_same_on_all_ranks(frame):
    model = troubled("normalised", epochs=2).fit(frame)
    assert len(model.summary.epochs) == 2
    assert float(np.abs(weights(model)[4]).max()) > 0  # the moving mean


@pytest.mark.long
def test_a_penalty_and_an_optimizer_with_options(frame):
    layers = [{"Dense": {"units": 8, "kernel_regularizer": {"class_name": "L2", "config": {"l2": 0.5}}}}]
    params = {"layers": layers, "optimizer": {"SGD": {"momentum": 0.5}}, "learningRate": 0.05, "epochs": 5, "seed": 1}
    one = KerasClassifier(**params).fit(frame)
    two = KerasClassifier(**params, engine="horovod", numWorkers=2).fit(frame)
    assert widest(weights(one), weights(two)) < 1e-5
    assert np.abs(weights(one)[0]).max() < 0.2  # of 0.6 and more without


@pytest.mark.long
def test_gradients_that_are_not_summed_are_noticed(frame):
    with pytest.raises(TrainingError, match=r"all ranks must hold the same weights, but after epoch 1 ranks 1 differ"):
        troubled("unsynchronised").fit(frame)


# Rows


@pytest.mark.by_hand
def test_rows_of_any_kind(spark, values):
    """Sparse vectors, arrays of double, empty partitions, one row in the last batch: the same network.

    By hand, as each kind of rows is a training of two ranks.
    """
    features, two, *_ = values
    features, two = features[:53], two[:53]

    def fitted(make, parts):
        rows = spark.createDataFrame(
            [(make(row), float(label)) for row, label in zip(features.tolist(), two, strict=True)],
            ["features", "label"],
        ).coalesce(1)
        parted = rows if parts == 1 else rows.union(rows.where("label > 7").repartition(parts))
        return weights(KerasClassifier(**SGD, batchSize=26, epochs=2, engine="horovod", numWorkers=2).fit(parted))

    dense = fitted(Vectors.dense, 1)
    for other in (fitted(lambda row: Vectors.sparse(5, range(5), row), 6), fitted(list, 1)):
        assert all((a == b).all() for a, b in zip(dense, other, strict=True))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT *, 1.0 AS w FROM rows WHERE score > 1e9", "there must be rows to train on, got none"),
        ("SELECT *, 1.0 AS w FROM rows LIMIT 1", r"numWorkers must be at most the rows to train on, 1, got 2"),
        ("SELECT if(score > 0, NULL, features) AS features, label, 1.0 AS w FROM rows", "nulls; data.missing=drop"),
        ("SELECT features, if(score > 0, NULL, label) AS label, 1.0 AS w FROM rows", "label must be numbers, got"),
        ("SELECT features, score AS label, 1.0 AS w FROM rows", "label must be numbers of classes, 0, 1, 2"),
        ("SELECT features, label, -1.0 AS w FROM rows", "w must be 0 or more, got 203 rows"),
        ("SELECT array(1D, if(score > 0, double('NaN'), 2D)) AS features, label, 1.0 AS w FROM rows", "nan in entry 1"),
        ("SELECT if(score > 0, array(1D), array(1D, 2D)) AS features, label, 1.0 AS w FROM rows",
         "all feature vectors must have [12] entr"),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_trained_on(spark, frame, query, message):
    frame.createOrReplaceTempView("rows")
    started = time.monotonic()
    with pytest.raises(ValueError, match=message):
        KerasClassifier(**SGD, weightCol="w", engine="horovod", numWorkers=2).fit(spark.sql(query))
    assert time.monotonic() - started < 60


def test_rows_that_change_are_noticed(spark):
    """A source that gives others each time it is read."""

    def rows(start):
        return [(float(start + i), float(i % 2)) for i in range(20 + time.time_ns() % 997)]

    changing = spark.createDataFrame(
        spark.sparkContext.parallelize([0, 100], 2).flatMap(rows), "x DOUBLE, label DOUBLE"
    )
    with pytest.raises(ValueError, match="the rows must be the same each time that Spark computes them"):
        KerasClassifier(**SGD).fit(changing.select(F.array("x").alias("features"), "label"))


def test_rows_behind_a_shuffle_are_computed_once(spark, frame):
    """Which Spark may part otherwise the second time."""
    shuffled = frame.groupBy("features", "label").agg(F.max("score").alias("score"))
    model = KerasClassifier(**SGD, epochs=1).fit(shuffled)
    assert model.summary.ranks[0]["rows"] == 203


# When something goes wrong


@pytest.mark.parametrize("engine", MOSTLY_HOROVOD)
def test_a_rank_that_raises_is_heard(frame, engine):
    started = time.monotonic()
    with pytest.raises(TrainingError) as caught:
        troubled("raises", engine).fit(frame)
    told = str(caught.value)
    assert re.match(r"rank 1 on 127\.0\.0\.1: \w+: ", told)
    assert "ArithmeticError: the third step went wrong" in told
    assert "troubled_networks.py" in told
    assert time.monotonic() - started < 60


class Fitting(threading.Thread):
    """A fit beside the test."""

    def __init__(self, fit):
        super().__init__()
        self._fit, self._caught, self._is_stepping = fit, None, threading.Event()
        self.start()

    def run(self):
        try:
            with announcements.heard(lambda *_: self._is_stepping.set()):
                self._fit()
        except Exception as error:
            self._caught = error

    def wait_for_steps(self):
        """Until the ranks have made an epoch of them."""
        assert self._is_stepping.wait(90)

    def error(self):
        self.join(90)
        assert not self.is_alive()
        return self._caught


@pytest.mark.parametrize("engine", [pytest.param("tensorflow", marks=pytest.mark.long), "horovod"])
@pytest.mark.long
def test_a_training_process_that_is_killed(frame, ranks_below, engine):
    fitting = Fitting(lambda: troubled("slow", engine, epochs=1000).fit(frame))
    fitting.wait_for_steps()
    ranks_below()[1].kill()
    killed = time.monotonic()
    told = str(fitting.error())
    assert time.monotonic() - killed < 20
    assert re.search(
        r"rank \d on 127.0.0.1: its training process was ended by SIGKILL, as the operating system does", told
    )


@pytest.mark.long
def test_a_spark_worker_that_is_killed(frame, ranks_below):
    fitting = Fitting(lambda: troubled("slow", epochs=1000).fit(frame))
    fitting.wait_for_steps()
    ranks = ranks_below()
    worker = ranks[1].parent()
    assert "pyspark" in " ".join(worker.cmdline())
    worker.kill()
    assert "Python worker exited unexpectedly" in str(fitting.error())
    # Also the rank that lost its parent, and is below nobody any more.
    assert psutil.wait_procs(ranks, 10)[1] == []


@pytest.mark.long
def test_a_rank_that_hangs_is_ended(frame):
    """Long, as it waits until a rank has been silent for long enough."""
    with pytest.raises(TrainingError) as caught:
        troubled("hangs", stallTimeout=6.0).fit(frame)
    told = str(caught.value)
    assert told.startswith("rank 1 on 127.0.0.1: did not get on for 6 s (stallTimeout)")
    assert "in hanging_here" in told  # where it stood


def test_fewer_slots_than_ranks(frame):
    started = time.monotonic()
    with pytest.raises(
        ValueError, match=r"numWorkers must be at most the tasks that the cluster runs at a time, 2, got 3"
    ):
        KerasClassifier(engine="horovod", numWorkers=3, batchSize=30).fit(frame)
    assert time.monotonic() - started < 20


@pytest.mark.by_hand
def test_two_trainings_at_once(frame):
    """On two cores: of one rank each they run beside each other, of two after one another.

    By hand, as it is four trainings.
    """
    found = {}

    def fit(engine, workers):
        found[engine, workers] = KerasClassifier(**SGD, epochs=2, engine=engine, numWorkers=workers).fit(frame)

    fittings = [Fitting(functools.partial(fit, engine, workers)) for engine in ENGINES for workers in (1, 2)]
    assert [fitting.error() for fitting in fittings] == [None] * 4
    first, *others = map(weights, found.values())
    assert max(widest(first, other) for other in others) < 1e-5


def on_second(setup):
    """`train_rank` after something was done in the task of the second partition."""

    def run(batches, order):
        from pyspark import BarrierTaskContext

        if BarrierTaskContext.get().partitionId() == 1:
            with setup():
                yield from train.train_rank(batches, order)
        else:
            yield from train.train_rank(batches, order)

    return run


def test_ranks_of_several_versions(frame, monkeypatch):
    @contextlib.contextmanager
    def other_keras():
        real = rendezvous.versions
        rendezvous.versions = lambda: {**real(), "keras": "2.15.0"}
        try:
            yield
        finally:
            rendezvous.versions = real

    monkeypatch.setattr(launch, "train_rank", on_second(other_keras))
    with pytest.raises(
        ValueError, match=r"all ranks must have the same keras, got 3\.[\d.]+ on 127.0.0.1, 2.15.0 on 127"
    ):
        KerasClassifier(**SGD, engine="horovod", numWorkers=2).fit(frame)


def test_a_disk_that_is_full(frame, monkeypatch):
    @contextlib.contextmanager
    def small_files():
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (512, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    monkeypatch.setattr(launch, "train_rank", on_second(small_files))
    with pytest.raises(ValueError, match=r"the disk of 127.0.0.1 must have room for a rank's rows, 2,828 bytes in /"):
        KerasClassifier(**SGD, engine="horovod", numWorkers=2).fit(frame)


@pytest.mark.long
def test_a_function_that_makes_no_network(frame):
    with pytest.raises(TrainingError, match=r"network must be a function that returns a keras.Model, got str"):
        troubled("not_a_model").fit(frame)


def test_a_network_that_could_not_be_loaded_where_it_scores(frame):
    with pytest.raises(TrainingError, match=r"the network must be made of Keras's own layers.*Twice"):
        troubled("own_layer").fit(frame)


@pytest.mark.long
def test_a_loss_that_does_not_fit_the_label(frame):
    with pytest.raises(ValueError, match=r"loss must be one of a single probability for two classes, got 'categ"):
        KerasClassifier(**SGD, loss="categorical_crossentropy").fit(frame)
    focal = KerasClassifier(**SGD, labelCol="kind", loss="categorical_crossentropy", epochs=1).fit(frame)
    sparse = KerasClassifier(**SGD, labelCol="kind", epochs=1).fit(frame)
    assert widest(weights(focal), weights(sparse)) < 1e-6


def test_a_loss_that_is_not_finite(frame):
    with pytest.raises(TrainingError, match=r"loss must stay finite, got (nan|inf).* lower learningRate"):
        KerasRegressor(labelCol="score", optimizer="sgd", learningRate=1e9, epochs=3).fit(frame)


def test_a_training_process_holds_neither_spark_nor_hydra_nor_mlflow(frame):
    assert len(troubled("of_imports", "local", 1, epochs=1).fit(frame).summary.epochs) == 1


# Checkpoints


@pytest.fixture
def kept(tmp_path):
    return {**SGD, "batchSize": 26, "checkpointDir": str(tmp_path / "kept")}


@pytest.fixture(scope="module")
def uninterrupted(frame):
    """The weights that four epochs of `kept` come to without a checkpoint."""
    return weights(KerasClassifier(**SGD, batchSize=26, epochs=4).fit(frame))


@pytest.mark.long
def test_an_interrupted_training_goes_on_to_the_same_end(spark, frame, tmp_path, monkeypatch):
    mark, shared = (
        tmp_path / "mark",
        {"optimizer": "adam", "learningRate": 0.05, "epochs": 4, "earlyStoppingPatience": 3},
    )
    folder = str(tmp_path / "kept")
    whole = troubled("fails_once", **shared).fit(frame)

    def marked(batches, order):
        os.environ["TROUBLE_MARK"] = str(mark)
        try:
            yield from train.train_rank(batches, order)
        finally:
            del os.environ["TROUBLE_MARK"]

    monkeypatch.setattr(launch, "train_rank", marked)
    estimator = troubled("fails_once", checkpointDir=folder, **shared)
    with pytest.raises(TrainingError, match="the third epoch went wrong"):
        estimator.fit(frame)
    told = []
    with announcements.heard(lambda epoch, epochs, values: told.append((epoch, epochs))):
        resumed = estimator.fit(frame)
    assert "resumed after epoch 2" in resumed.summary.logs[0]
    assert sorted(told) == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert all((a == b).all() for a, b in zip(weights(whole), weights(resumed), strict=True))
    assert [row["epoch_loss"] for row in resumed.summary.epochs] == [row["epoch_loss"] for row in whole.summary.epochs]


@pytest.mark.long
def test_a_checkpoint_that_is_broken_is_passed_over(frame, kept, uninterrupted):
    KerasClassifier(**kept, epochs=3).fit(frame)
    files = sorted(Path(kept["checkpointDir"]).iterdir())
    assert [file.name for file in files] == ["epoch-000002.npz", "epoch-000003.npz"]
    files[1].write_bytes(files[1].read_bytes()[:-300])
    model = KerasClassifier(**kept, epochs=4).fit(frame)
    assert "resumed after epoch 2" in model.summary.logs[0]
    assert "cannot be read" in model.summary.logs[0]
    assert all((a == b).all() for a, b in zip(weights(model), uninterrupted, strict=True))


@pytest.mark.by_hand
def test_early_stopping_begins_where_a_training_goes_on(frame, kept):
    KerasClassifier(**kept, epochs=2).fit(frame)
    model = KerasClassifier(**kept, epochs=4, earlyStoppingPatience=2).fit(frame)
    assert len(model.summary.epochs) == 4


@pytest.mark.long
def test_a_checkpoint_goes_on_with_another_number_of_ranks(frame, kept, uninterrupted):
    KerasClassifier(**kept, epochs=2).fit(frame)
    model = KerasClassifier(**kept, epochs=4, engine="horovod", numWorkers=2).fit(frame)
    assert "resumed after epoch 2" in model.summary.logs[0]
    assert widest(weights(model), uninterrupted) < 1e-5
    with pytest.raises(TrainingError, match=r"epochs must be at least the 4 of the checkpoint"):
        KerasClassifier(**kept, epochs=1).fit(frame)


@pytest.mark.long
def test_a_checkpoint_of_something_else_is_refused(frame, kept):
    KerasClassifier(**kept, epochs=1).fit(frame)
    with pytest.raises(TrainingError, match=r"checkpointDir must be empty or .* which is of another config; choose"):
        KerasClassifier(**{**kept, "learningRate": 0.3}, epochs=2, engine="horovod", numWorkers=2).fit(frame)
    other = frame.withColumn("label", F.when(F.col("score") > 2, 0.0).otherwise(F.col("label")))
    with pytest.raises(TrainingError, match=r"which is of another data; choose another folder"):
        KerasClassifier(**kept, epochs=2).fit(other)


# As a stage of Spark's


@pytest.mark.by_hand
def test_a_pipeline_is_saved_loaded_and_tuned_as_any_other(frame, tmp_path):
    """By hand, as two folds of two candidates and the best are five trainings."""
    estimator = KerasClassifier(**{**SGD, "epochs": 2}, engine="tensorflow")
    evaluator = BinaryClassificationEvaluator(rawPredictionCol="probability")
    grid = ParamGridBuilder().addGrid(estimator.learningRate, [1e-6, 0.3]).build()
    tuned = CrossValidator(estimator=estimator, estimatorParamMaps=grid, evaluator=evaluator, numFolds=2, parallelism=2)
    best = tuned.fit(frame)
    assert best.avgMetrics[1] > best.avgMetrics[0]
    pipeline = Pipeline(stages=[estimator])
    pipeline.write().save(str(tmp_path / "pipeline"))
    assert Pipeline.load(str(tmp_path / "pipeline")).getStages()[0].getOrDefault("layers") == LAYERS
    fitted = PipelineModel([best.bestModel])
    fitted.write().save(str(tmp_path / "fitted"))
    loaded = PipelineModel.load(str(tmp_path / "fitted"))
    expected, found = (model.transform(frame).orderBy("score").toPandas() for model in (fitted, loaded))
    assert found["prediction"].equals(expected["prediction"])
    assert (found["probability"] == expected["probability"]).all()
    # No other stage would notice what it stands beside.
    LogisticRegression(
        featuresCol="probability", predictionCol="second", rawPredictionCol="raw", probabilityCol="p"
    ).fit(loaded.transform(frame))


def test_rows_of_another_length_are_refused_when_scored(spark, alone):
    other = spark.createDataFrame([(Vectors.dense([1.0, 2.0]),)], ["features"])
    with pytest.raises(Exception, match=r"features must be vectors of 5 entries, as those that the network"):
        alone.transform(other).collect()


def test_a_pipeline_that_was_saved_before_modules_moved_scores_as_it_did(spark):
    """By the code of aa37962: an assembler, an SVD and a network, whose class paths stand in it."""
    saved = Path(__file__).with_name("saved")
    loaded = PipelineModel.load(str(saved / "pipeline"))
    assert [type(stage).__name__ for stage in loaded.stages] == [
        "VectorAssembler",
        "SVDModel",
        "KerasClassificationModel",
    ]
    expected = json.loads((saved / "scores.json").read_text())
    rows = spark.createDataFrame([(row["x"], row["y"]) for row in expected], ["x", "y"]).coalesce(1)
    scores = [row["probability"].toArray() for row in loaded.transform(rows).collect()]
    assert np.allclose(scores, [row["probability"] for row in expected], atol=1e-6)

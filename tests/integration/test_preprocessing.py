"""Texts, categories, missing values and labels of any kind, down to the names in what a run shows."""

import shlex

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from experiments import ExperimentError, load, load_model
from experiments.data.loading import load_data
from experiments.experiment import run


def output(tmp_path, result, name):
    client = MlflowClient(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    return pd.read_csv(client.download_artifacts(result.run_id, f"{name}.csv"))


def towns(rows=400):
    """Rents by town, with a tenth of the sizes missing."""
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"town": random.choice(["Kyoto", "Nara", "Osaka"], rows), "size": random.normal(50, 9, rows)})
    frame["rent"] = frame["town"].map({"Kyoto": 100, "Nara": 50, "Osaka": 0}) + 2 * frame["size"]
    frame.loc[frame.index % 10 == 0, "size"] = np.nan
    return frame


def test_categories_become_named_coefficients_and_missing_sizes_a_median(spark, words, table, tmp_path):
    chosen = ["model=linear_regression", "model.estimator.regParam=0", "preprocessing=[impute,one_hot]"]
    result = run(load([*chosen, *table(towns()), "data.label=rent", *words]))
    learnt = output(tmp_path, result, "coefficients").set_index("feature")["coefficient"]
    assert learnt["size"] == pytest.approx(2, abs=0.2)
    assert learnt["town=Kyoto"] - learnt["town=Osaka"] == pytest.approx(100, abs=4)
    assert learnt["town=Nara"] - learnt["town=Osaka"] == pytest.approx(50, abs=4)


def test_a_label_of_text_keeps_its_names_in_every_output_and_in_the_model(spark, words, table, tmp_path):
    frame = towns().dropna()
    chosen = ["model=logistic_regression", "data.label=town", *table(frame)]
    result = run(load([*chosen, *words]))
    assert set(output(tmp_path, result, "confusion_matrix")["true"]) == {"Kyoto", "Nara", "Osaka"}
    assert set(output(tmp_path, result, "coefficients")["class"]) == {"Kyoto", "Nara", "Osaka"}
    assert set(output(tmp_path, result, "roc_curve")["class"]) == {"Kyoto", "Nara", "Osaka"}
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    scored = mlflow.spark.load_model(result.model_uri).transform(spark.createDataFrame(frame)).toPandas()
    assert set(scored["predicted_town"]) <= {"Kyoto", "Nara", "Osaka"}


def test_numbers_that_do_not_start_at_0_are_classes_too(spark, words, table, tmp_path):
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"x": random.normal(size=200)})
    frame["grade"] = np.where(frame["x"] > 0, 5, 3)
    result = run(load(["model=decision_tree", "data.label=grade", *table(frame), *words]))
    assert result.metrics["accuracy"] > 0.9
    assert set(output(tmp_path, result, "confusion_matrix")["true"]) == {3, 5}


@pytest.mark.long
def test_naive_bayes_reads_a_folder_of_texts_and_a_csv_of_them(spark, words, table, tmp_path):
    random = np.random.default_rng(1)
    texts = [(topic, " ".join(random.choice([*own, "the", "of", "and"], 12)))
             for topic, own in (("sea life", ["fish", "wave", "salt"]), ("sky", ["bird", "cloud", "wind"]))
             for _ in range(60)]  # fmt: skip
    for number, (topic, text) in enumerate(texts):
        (tmp_path / "texts" / topic).mkdir(parents=True, exist_ok=True)
        (tmp_path / "texts" / topic / f"{number}.txt").write_text(text)
    folder = ["data=text_folder", f"data.path={tmp_path / 'texts'}"]
    csv = [*table(pd.DataFrame(texts, columns=["topic", "text"])), "data.label=topic"]
    for source in (folder, csv):
        result = run(load(["model=naive_bayes", *source, *words]))
        assert result.metrics["accuracy"] == 1
        deciding = output(tmp_path, result, "deciding_features").groupby("class").head(3)
        assert set(deciding[deciding["class"] == "sea life"]["feature"]) == {"fish", "wave", "salt"}


def test_an_extreme_imbalance_is_warned_of(spark, words, table, tmp_path):
    frame = pd.DataFrame({"x": np.arange(2000.0), "rare": np.arange(2000) % 200 == 0})
    result = run(load(["model=decision_tree", "data.label=rare", "data.stratified=true", *table(frame), *words]))
    client = MlflowClient(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    said = client.get_run(result.run_id).data.tags["experiments.warning"]
    assert "imbalanced: 8 of 1,600 training rows are 'true' in 'rare', and only 2 held-out rows" in said
    assert "and at data.stratified" not in said


@pytest.mark.parametrize("model", ["linear_regression", "linear_svc", "pca", "kmeans", "glm"])
@pytest.mark.long
def test_a_constant_column_changes_nothing_for_the_worse(spark, words, table, model):
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"x": random.normal(size=200), "z": random.normal(size=200), "constant": 7.0})
    frame["y"] = (frame["x"] + frame["z"] > 0).astype(int)
    task = [] if model in ("pca", "kmeans") else ["data.label=y"]
    extra = ["model.estimator.family=gaussian", "model.estimator.link=identity"] if model == "glm" else []
    if not task:
        frame = frame.drop(columns="y")
    result = run(load([f"model={model}", *task, *extra, *table(frame), *words]))
    assert all(np.isfinite(value) for value in result.metrics.values())


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        (
            ["model=pca", "data=iris", "model.estimator.k=9"],
            "PCA says: source vector size 4 must be",
        ),
        (["model=svd", "data=iris", "model.estimator.k=9"], "k=9"),
        (["model=mlp", "data=iris", "model.estimator.layers=[5,3]"], "layers must begin with the 4 features"),
        (["model=lda", "model.stages.counts.minDF=20000"], "model.stages.counts must find words"),
        (["model=gbt_classifier", "data=wine"], "model.estimator.class must be for 3 classes, got GBTClassifier"),
        (["model=kmeans", "data=iris", "model.estimator.k=200"], "model.estimator.k must be at most the number of tra"),
    ],
)
def test_what_does_not_suit_the_data_is_said_with_the_stage(spark, words, chosen, said):
    with pytest.raises(ExperimentError) as caught:
        run(load([*chosen, *words]))
    assert said in str(caught.value)


def test_negative_features_are_refused_by_multinomial_naive_bayes(spark, words, table):
    frame = pd.DataFrame({"x": np.arange(-20.0, 20.0), "y": np.arange(40) % 2})
    text_stages = [f"model.stages.{stage}=null" for stage in ("words", "hashes", "idf")]
    assembler = "model.stages.features={class: pyspark.ml.feature.VectorAssembler}"
    with pytest.raises(
        ExperimentError, match=r"model\.estimator must be able to fit the training rows, but NaiveBayes"
    ):
        run(load(["model=naive_bayes", *text_stages, assembler, *table(frame), "data.label=y", *words]))


def test_centres_behind_the_preprocessing_that_scales_are_in_the_datas_own_units(spark, words, tmp_path):
    result = run(load(["model=kmeans", "preprocessing=scale", *words]))
    centres = output(tmp_path, result, "cluster_centres")[["x0", "x1"]].to_numpy()
    assert np.allclose(sorted(map(tuple, centres)), [(2, 2), (5, 8), (8, 3)], atol=0.05)


def test_a_multinomial_family_shows_two_classes_by_class(spark, words, tmp_path):
    result = run(load(["model=logistic_regression", "model.estimator.family=multinomial", *words]))
    learnt = output(tmp_path, result, "coefficients").pivot(index="feature", columns="class", values="coefficient")
    # Each class has its own; what counts is their difference, which is the law's.
    assert learnt.loc["age", 1] - learnt.loc["age", 0] == pytest.approx(0.1, rel=0.15)


def test_a_feature_with_the_name_of_a_stage_in_capitals_is_no_obstacle(spark, words, table):
    frame = pd.DataFrame({"Features": np.arange(50.0), "y": 2 * np.arange(50.0)})
    result = run(load(["model=linear_regression", "model.estimator.regParam=0", "data.label=y", *table(frame), *words]))
    assert result.metrics["rmse"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("columns", [["x", "Prediction"], ["Probability", "y"]])
def test_a_name_that_a_model_gives_is_refused(spark, words, table, columns):
    frame = pd.DataFrame({name: np.arange(50.0) for name in columns})
    with pytest.raises(ExperimentError, match="must be columns that no model adds"):
        run(load(["model=linear_regression", f"data.label={columns[-1]}", *table(frame), *words]))


def test_clusters_are_counted_on_each_side_of_a_split(spark, words, tmp_path):
    result = run(load(["model=kmeans", "data.test_fraction=0.25", *words]))
    for side, rows in (("", result.rows["test_rows"]), ("train_", result.rows["train_rows"])):
        assert sum(result.metrics[f"{side}cluster_size_{cluster}"] for cluster in range(3)) == rows
    assert output(tmp_path, result, "cluster_centres")["(rows)"].sum() == 10_000


@pytest.mark.long
def test_ratings_of_users_that_were_never_seen_are_said(spark, words, table, tmp_path):
    known = pd.DataFrame({"user": np.arange(60) % 6, "item": np.arange(60) % 5, "rating": np.arange(60) % 4 + 1.0})
    unknown = known.assign(user=known["user"] + 100)
    chosen = [*table(known), "data.label=rating", f"data.test_path={tmp_path / 'unknown.csv'}"]
    unknown.to_csv(tmp_path / "unknown.csv", index=False)
    with pytest.raises(ExperimentError, match="model must score at least one of the held-out rows"):
        run(load(["model=als", *chosen, *words]))


def test_columns_that_we_add_are_refused(spark, words, table):
    frame = pd.DataFrame({"x": np.arange(50.0), "_Held_Out": True, "y": np.arange(50.0)})
    with pytest.raises(ExperimentError, match="data must be without a column _held_out, which we add"):
        run(load(["model=linear_regression", "data.label=y", *table(frame), *words]))


def test_the_only_row_of_a_class_is_learnt_from(spark, words, table, tmp_path):
    frame = pd.DataFrame({"x": np.arange(61.0), "y": ["a", "b"] * 30 + ["c"]})
    frame = pd.concat([frame, pd.DataFrame({"x": [99.0, 99.0], "y": ["d", "d"]})])  # alike: on the same side
    stratified = ["data.label=y", "data.stratified=true", *table(frame)]
    result = run(load(["model=decision_tree", *stratified, *words]))
    assert result.rows == {"train_rows": 51, "test_rows": 12}
    assert set(output(tmp_path, result, "confusion_matrix")["true"]) == {"a", "b"}


def test_a_stage_that_fills_a_column_in_place_keeps_its_name(spark, words, table, tmp_path):
    imputer = "{class: pyspark.ml.feature.Imputer, inputCols: [size], outputCols: [size]}"
    indexer = "{class: pyspark.ml.feature.StringIndexer, inputCol: town, outputCol: number}"
    encoder = "{class: pyspark.ml.feature.OneHotEncoder, inputCol: number, outputCol: which, dropLast: false}"
    assembler = "{class: pyspark.ml.feature.VectorAssembler, inputCols: [size, which]}"
    last = ["model.stages.features=null", f"model.stages.both={assembler}"]
    stages = [f"model.stages.fill={imputer}", f"model.stages.index={indexer}", f"model.stages.encode={encoder}", *last]
    chosen = ["model=linear_regression", "data.missing=keep", "data.label=rent", *table(towns())]
    result = run(load([*chosen, *stages, *words]))
    names = set(output(tmp_path, result, "coefficients")["feature"])
    assert names == {"size", "town=Kyoto", "town=Nara", "town=Osaka", "(intercept)"}


def test_rows_that_a_stage_leaves_out_are_not_counted_as_judged(spark, words, table, tmp_path):
    frame = towns()
    assembler = "model.stages.features={class: pyspark.ml.feature.VectorAssembler, handleInvalid: skip}"
    chosen = [
        "model=decision_tree",
        "data.label=town",
        "data.features=[size]",
        "data.missing=keep",
        "data.test_fraction=0",
    ]
    result = run(load([*chosen, *table(frame), assembler, *words]))
    assert output(tmp_path, result, "confusion_matrix")["rows"].sum() == 360 < result.rows["train_rows"]


def test_constants_keep_their_value_behind_a_scaler_without_mean(spark, words, table, tmp_path):
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"x": random.normal(9, 2, 200), "constant": 7.0})
    scaler = "model.stages.scaler={class: pyspark.ml.feature.StandardScaler, withStd: true, withMean: false}"
    result = run(load(["model=kmeans", "model.estimator.k=2", scaler, *table(frame), *words]))
    centres = output(tmp_path, result, "cluster_centres")
    assert centres["constant"].tolist() == [7, 7]
    assert centres["x"].between(4, 14).all()


@pytest.mark.listens  # XGBoost, see conf/model/xgboost.yaml
@pytest.mark.long
def test_a_vector_without_names_has_numbered_importances_and_a_scatter(spark, words, tmp_path):
    lines = [f"{i % 2} 1:{i % 7} 2:{i % 2} 3:{i % 3}" for i in range(80)]
    (tmp_path / "rows.libsvm").write_text("\n".join(lines))
    read = ["data=table", "data.format=libsvm", f"data.path={tmp_path / 'rows.libsvm'}"]
    without = ["model.stages.features=null"]
    result = run(load(["model=xgboost", *read, "data.label=label", *without, *words]))
    learnt = output(tmp_path, result, "feature_importances")
    assert learnt["feature"].iloc[0] == "features_1"
    assert learnt["importance"].sum() == pytest.approx(1)
    result = run(load(["model=kmeans", *read, "data.exclude=[label]", *without, *words]))
    assert len(output(tmp_path, result, "clusters")) == 80


def test_a_label_may_be_called_true(spark, words, table):
    frame = pd.DataFrame({"x": np.arange(60.0), "True": np.arange(60) // 30})
    result = run(load(["model=decision_tree", "data.label=True", *table(frame), *words]))
    assert result.metrics["accuracy"] > 0.8


@pytest.mark.parametrize("without", [[], ["preprocessing.idf=null"]])
@pytest.mark.long
def test_texts_are_projected_with_their_label(spark, words, tmp_path, without):
    chosen = ["model=pca", "data=sentences", "data.rows=500", "preprocessing=hash_text"]
    result = run(load([*chosen, *without, *words]))
    assert 0 < len(output(tmp_path, result, "projection")) <= 1000


def test_rows_that_are_held_out_are_not_seen_by_a_stage_that_looks_at_all_rows(spark, words, table, tmp_path):
    frame = pd.DataFrame({"x": np.arange(100.0), "y": np.arange(100.0)})
    stages = [
        "model.stages.mean={class: pyspark.ml.feature.SQLTransformer}",
        "model.stages.mean.statement='SELECT *, x - avg(x) OVER () AS centred FROM __THIS__'",
        "model.stages.features=null",
        "model.stages.both={class: pyspark.ml.feature.VectorAssembler, inputCols: [centred]}",
        "model.estimator.featuresCol=both",
    ]
    chosen = ["model=linear_regression", "model.estimator.regParam=0", "data.label=y", *table(frame)]
    config = load([*chosen, *stages, *words])
    result = run(config)
    learnt = output(tmp_path, result, "coefficients").set_index("feature")["coefficient"]
    with load_data(spark, config.data, config.model.task, config.seed) as data:
        mean = data.train.toPandas()["y"].mean()
    assert learnt["(intercept)"] == pytest.approx(mean)


def test_auto_takes_every_type_and_makes_a_right_model_of_it(spark, words, table, tmp_path):
    """Dates, truths, numbers with holes, few texts and many: one group for all of them, which the run records."""
    random = np.random.default_rng(3)
    frame = towns(600)
    frame["street"] = random.choice([f"street {number}" for number in range(40)], 600, p=np.arange(1, 41) / 820)
    frame["new"] = random.random(600) < 0.5
    frame["since"] = pd.date_range("2020-01-01", periods=600, freq="D").strftime("%Y-%m-%d")
    share = frame["street"].map(frame["street"].value_counts(normalize=True))
    frame["rent"] += 1000 * share + 10 * frame["new"]
    frame.loc[frame["rent"].isna(), "rent"] = 100.0
    chosen = ["model=linear_regression", "model.estimator.regParam=0", "preprocessing=auto", "data.label=rent"]
    result = run(load([*chosen, *table(frame), *words]))
    names = set(output(tmp_path, result, "coefficients")["feature"])
    assert {"size", "new", "since_year", "street=share of rows"} < names
    assert (
        len(names & {"town=Kyoto", "town=Nara", "town=Osaka"}) == 2
    )  # the most frequent is what they are compared with
    assert result.metrics["r2"] > 0.6
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    new = frame.head(3).assign(town=["Rome", None, "Nara"], street=["street 39", "a new one", None])
    new["new"] = new["new"].astype(float)  # as an Imputer takes it
    new["since"] = pd.to_datetime(new["since"]).dt.date
    scored = mlflow.spark.load_model(result.model_uri).transform(spark.createDataFrame(new)).toPandas()
    assert np.isfinite(scored["prediction"]).all()


def test_the_encoder_is_what_pandas_says(spark):
    from experiments.stages.categories import CategoryEncoder

    frame = pd.DataFrame({"few": ["a", "b", "a", None, "c", "a"], "many": list("uvwxyu")})
    rows = spark.createDataFrame(frame)
    dotted = CategoryEncoder(inputCols=["`m.n`"], outputCols=["m.n_v"], mostValues=1)
    renamed = rows.withColumnRenamed("many", "m.n")
    assert dotted.fit(renamed).transform(renamed).columns[-1] == "m.n_v"
    fitted = CategoryEncoder(inputCols=["few", "many"], outputCols=["few_v", "many_v"], mostValues=4).fit(rows)
    made = fitted.transform(rows).toPandas()
    few = pd.get_dummies(frame["few"].fillna("(missing)"))[["(missing)", "b", "c"]].astype(float)
    assert sorted(map(tuple, made["few_v"].map(lambda v: v.toArray()))) == sorted(map(tuple, few.to_numpy()))
    share = frame["many"].map(frame["many"].value_counts(normalize=True))
    np.testing.assert_allclose([v[0] for v in made["many_v"]], share)
    new = spark.createDataFrame([("d", "z"), (None, None)], "few string, many string")
    # Neither was seen: as rare as the rarest.
    np.testing.assert_allclose([row["many_v"][0] for row in fitted.transform(new).collect()], [1 / 6, 1 / 6])
    assert fitted.transform(new).first()["few_v"].toArray().sum() == 0  # as the most frequent


@pytest.mark.long
def test_sentences_beside_other_columns_are_read_by_their_words_and_a_gap_has_none(spark, words, table, tmp_path):
    random = np.random.default_rng(1)
    stays = random.random(400) < 0.5
    notes = [f"spoke of {'praise' if stay else 'delay'} on call {number % 97}" for number, stay in enumerate(stays)]
    frame = pd.DataFrame({"note": notes, "size": random.normal(size=400), "stays": np.where(stays, "yes", "no")})
    frame.loc[frame.index % 10 == 0, "note"] = None
    chosen = ["model=logistic_regression", "model.estimator.regParam=0.01", "data.label=stays", *table(frame), *words]
    warned = run(load([*chosen, "preprocessing=auto"]))
    client = MlflowClient(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    said = client.get_run(warned.run_id).data.tags["experiments.warning"]
    by_words = "'preprocessing=[hash_text,auto]' preprocessing.words.inputCol=note"
    assert "data has sentences in 'note' (about 6 words in each), of which preprocessing=auto" in said
    assert by_words in said
    result = run(load([*chosen, *shlex.split(by_words)]))
    names = set(output(tmp_path, result, "coefficients")["feature"])
    assert {"size", "note: praise", "note: delay"} <= {name.partition(" (")[0] for name in names}
    assert result.metrics["accuracy"] > 0.9 > warned.metrics["accuracy"]
    loaded = load_model(result.model_uri, words)
    answers = loaded.predict(pd.DataFrame({"note": [None, "a praise", "a delay"], "size": 0.0}))["predicted_stays"]
    assert answers.tolist()[1:] == ["yes", "no"]

"""Stages are checked against Spark's own parameters and their columns wire themselves, without a JVM."""

from types import SimpleNamespace

import pytest

from experiments import ConfigError, ExperimentError, load
from experiments.pipeline.stages import check_stages, stages_of
from experiments.pipeline.wiring import wire, wire_to
from experiments.tuning.grid import candidates_of, check_tuning


def problems(*words):
    config = load(list(words) if words[0].startswith("model=") else ["model=ridge", *words])
    with pytest.raises(ConfigError) as caught:
        stages_of(config)
    return caught.value.problems


def wired(features, *words, label="price"):
    return [each.params for each in wire(stages_of(load(list(words))), label, features, seed=7)]


def test_the_shipped_models_are_valid(shipped_models):
    for config in shipped_models.values():
        assert check_stages(config) + check_tuning(config) == []


def test_a_misspelt_parameter_is_named_with_the_nearest():
    (problem,) = problems("model.estimator.regParm=1")
    assert problem.startswith("model.estimator.regParm must be a parameter of LinearRegression")
    assert problem.endswith("did you mean 'regParam'?")


def test_a_value_of_the_wrong_type_is_refused():
    (problem,) = problems("model.estimator.maxIter=ten")
    assert problem.startswith("model.estimator.maxIter must be what Spark takes for it, got 'ten'")


def test_a_class_outside_the_allowed_packages_is_never_imported():
    (problem,) = problems("model.estimator.class=this.Poem")
    assert "must lie in an allowed package (pyspark.ml, experiments.stages, xgboost.spark), got 'this.Poem'" in problem


def test_a_fit_has_at_least_one_partition():
    assert check_stages(load(["model=ridge", "model.least_partitions=0"])) == [
        "model.least_partitions must be 1 or more, got 0"
    ]


def test_a_class_that_is_no_spark_stage_is_refused():
    (problem,) = problems("model.estimator.class=pyspark.ml.regression.LinearRegresion")
    assert problem.endswith("did you mean 'LinearRegression'?")


def test_an_output_column_is_not_to_be_renamed():
    (problem,) = problems("model.estimator.predictionCol=guess")
    assert problem == "model.estimator.predictionCol must be left as Spark has it, got 'guess'"


def test_all_stage_problems_come_together():
    words = ("model.estimator.regParm=1", "model.estimator.maxIter=ten", "model.stages.features.class=os.system")
    assert len(problems(*words)) == 3


def test_columns_and_seed_wire_themselves():
    assembler, forest = wired({"age": "double", "income": "int"}, "model=random_forest", label="purchase")
    assert assembler == {"inputCols": ["age", "income"], "outputCol": "features"}
    assert (forest["featuresCol"], forest["labelCol"], forest["seed"]) == ("features", "purchase", 7)


def test_preprocessing_reads_the_columns_of_its_kind_and_is_left_out_where_there_are_none():
    words = ("model=ridge", "preprocessing=[impute,one_hot]")
    impute, index, one_hot, assembler, _ = wired({"town": "string", "size": "double"}, *words)
    assert (impute["inputCols"], index["inputCols"]) == (["size"], ["town"])
    assert one_hot["inputCols"] == index["outputCols"]
    assert assembler["inputCols"] == [*impute["outputCols"], *one_hot["outputCols"]]
    assert len(wired({"size": "double"}, "model=ridge", "preprocessing=one_hot")) == 2


def test_hashed_text_stands_beside_numbers():
    *_, idf, assembler, _ = wired({"title": "string", "size": "double"}, "model=ridge", "preprocessing=hash_text")
    assert assembler["inputCols"] == ["size", idf["outputCol"]]


def test_texts_that_were_hashed_before_a_model_takes_them_apart_are_said_so():
    with pytest.raises(ExperimentError, match=r"something else \(title\): leave that out of preprocessing"):
        wired({"title": "string"}, "model=naive_bayes", "preprocessing=hash_text")
    with pytest.raises(ExperimentError, match=r"reads string: set data.features to such a column"):
        wired({"size": "double"}, "model=naive_bayes")


def test_a_stage_that_is_null_is_left_out():
    assert len(wired({"age": "double"}, "model=mlp", "model.stages.scaler=null")) == 2


def test_text_among_numbers_is_refused_with_the_preprocessing_to_add():
    with pytest.raises(ExperimentError, match=r"must be numbers or vectors, got town \(string\).*preprocessing=auto"):
        wired({"town": "string", "size": "double"}, "model=ridge")


def test_an_estimator_inside_another_is_checked_and_seeded():
    (problem,) = problems("model=one_vs_rest", "model.estimator.classifier.regParm=1")
    assert problem.startswith("model.estimator.classifier.regParm must be a parameter of LogisticRegression")
    words = ("model=one_vs_rest", "model.estimator.classifier.class=pyspark.ml.classification.RandomForestClassifier")
    classifier = "model.estimator.classifier"
    words += (f"~{classifier}.maxIter", f"~{classifier}.regParam")
    assert wired({"x": "double"}, *words)[-1]["classifier"].params["seed"] == 7


def test_missing_values_are_kept_only_for_a_stage_that_takes_them():
    (problem,) = check_stages(load(["model=ridge", "data.missing=keep"]))
    assert "add preprocessing=impute, or where features are texts or dates preprocessing=auto, or set" in problem
    assert check_stages(load(["model=ridge", "preprocessing=impute"])) == []


def test_a_grid_is_every_combination_of_its_overrides():
    candidates = candidates_of(load(["model=tuned_forest"]))
    assert len(candidates) == 9
    assert candidates[1].values == {"model.estimator.numTrees": 50, "model.estimator.maxDepth": 10}
    assert candidates[1].config.model.estimator["maxDepth"] == 10


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["'tuning.grid.model.estimator.regParm=[1]'"], "did you mean 'regParam'?"),
        (["'tuning.grid.model.estimator.maxIter=[10,ten]'"], "got 'ten'"),
        (["tuning.grid.model.estimator.maxIter=10"], "must be a list of values, got 10"),
        (["'tuning.grid.model.regParam=[1]'"], "did you mean 'model.estimator.regParam'?"),
        (["tuning.folds=1", "'tuning.grid.model.estimator.maxIter=[1]'"], "tuning.folds must be 2 or more, got 1"),
        (["tuning.metric=rmsee", "'tuning.grid.model.estimator.maxIter=[1]'"], "did you mean 'rmse'?"),
        (
            ["tuning.metric=accuracy", "'tuning.grid.model.estimator.maxIter=[1]'"],
            "must be one of explained_var",
        ),
        (
            [
                f"'tuning.grid.model.estimator.{name}=[{','.join(map(str, range(1, 200)))}]'"
                for name in ("maxIter", "aggregationDepth")
            ],
            "at most 1,000 combinations, got 39,601",
        ),
    ],
)
def test_a_wrong_grid_is_said_before_spark_starts(words, said):
    config = load(["model=ridge", "tuning=cross_validation", *(word.strip("'") for word in words)])
    assert said in " ".join(check_tuning(config))


def test_several_columns_for_a_stage_that_takes_one_is_an_error_with_a_way_out():
    stages = stages_of(load(["model=ridge"]))[1:]
    with pytest.raises(ExperimentError, match="VectorAssembler"):
        wire(stages, "price", {"size": "double", "age": "double"}, seed=7)


def test_names_with_dots_and_quotes_are_spelt_for_spark_and_others_left():
    (assembler, estimator) = wired({"x.1": "double", "a`b": "double", "plain name": "double"}, "model=ridge")
    assert assembler["inputCols"] == ["`x.1`", "`a``b`", "plain name"]
    assert estimator["featuresCol"] == "features"


def test_users_are_the_first_feature_and_items_the_second_also_where_one_of_them_is_text():
    words = ("model=als", "preprocessing=index")
    *_, estimator = wired({"person": "string", "film": "int"}, *words, label="stars")
    assert (estimator["userCol"], estimator["itemCol"]) == ("person_index", "film")
    *_, estimator = wired({"user": "int", "item": "int"}, "model=als", label="stars")
    assert (estimator["userCol"], estimator["itemCol"]) == ("user", "item")
    with pytest.raises(ExperimentError, match="preprocessing=index"):
        wired({"person": "string", "film": "int"}, "model=als", label="stars")
    with pytest.raises(ExperimentError, match=r"'data.features=\[person,film\]', the users first"):
        wired({"person": "int", "film": "int", "at": "int"}, "model=als", label="stars")


@pytest.mark.parametrize(
    ("words", "rows", "keeps"),
    [
        (["model=random_forest"], 10_000, True),
        (["model=random_forest"], 10_000_000, None),
        (["model=random_forest_regressor", "model.estimator.cacheNodeIds=false"], 10_000, False),
        (["model=random_forest", "model.estimator.cacheNodeIds=true"], 10_000_000, True),
        (["model=gbt_classifier"], 10_000, None),
    ],
)
def test_a_forest_of_few_rows_keeps_the_node_of_each_unless_the_config_says_otherwise(words, rows, keeps):
    dataset = SimpleNamespace(label="y", feature_types={"a": "double"}, fit_weight=None, train_rows=rows)
    assert wire_to(dataset, load(words))[-1].params.get("cacheNodeIds") is keeps

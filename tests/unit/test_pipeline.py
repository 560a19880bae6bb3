"""Stages are checked against Spark's own parameters and their columns wire themselves, without a JVM."""

import pytest

from experiments import ConfigError, ExperimentError, load
from experiments.pipeline import stages_of, wire


def problems(*words):
    config = load(["model=ridge", *words])
    with pytest.raises(ConfigError) as caught:
        stages_of(config.model, config.allowed_packages)
    return caught.value.problems


def test_the_shipped_models_are_valid():
    for name in ("ridge", "random_forest", "kmeans"):
        assert stages_of(load([f"model={name}"]).model)


def test_a_misspelt_parameter_is_named_with_the_nearest():
    (problem,) = problems("model.estimator.regParm=1")
    assert problem.startswith("model.estimator.regParm must be a parameter of LinearRegression")
    assert problem.endswith("did you mean 'regParam'?")


def test_a_value_of_the_wrong_type_is_refused():
    (problem,) = problems("model.estimator.maxIter=ten")
    assert problem.startswith("model.estimator.maxIter must be what Spark takes for it, got 'ten'")


def test_a_class_outside_the_allowed_packages_is_never_imported():
    (problem,) = problems("model.estimator.class=this.Poem")
    assert "must lie in an allowed package (pyspark.ml, experiments.stages), got 'this.Poem'" in problem


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
    stages = stages_of(load(["model=random_forest"]).model)
    assembler, forest = wire(stages, "purchase", ["age", "income"], seed=7)
    assert assembler == {"inputCols": ["age", "income"], "outputCol": "features"}
    assert (forest["featuresCol"], forest["labelCol"], forest["seed"]) == ("features", "purchase", 7)


def test_several_columns_for_a_stage_that_takes_one_is_an_error_with_a_way_out():
    stages = stages_of(load(["model=ridge"]).model)[1:]
    with pytest.raises(ExperimentError, match="VectorAssembler"):
        wire(stages, "price", ["size", "age"], seed=7)

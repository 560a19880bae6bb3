"""A model that somebody else has saved imports nothing that nobody has trusted."""

import json

import pytest

from experiments import ConfigError
from experiments.tracking.trust import check_saved


@pytest.fixture
def saved(tmp_path):
    """A function that writes the description of a stage as Spark does, and returns the pipeline's folder."""

    def write(*stages, name="part-00000-x.txt"):
        own = {"class": "pyspark.ml.pipeline.PipelineModel", "paramMap": {}}
        for place, stage in enumerate((own, *stages)):
            folder = tmp_path / ("metadata" if place == 0 else f"stages/{place}_x/metadata")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "_SUCCESS").touch()
            (folder / name).write_text(stage if isinstance(stage, str) else json.dumps(stage))
        return tmp_path

    return write


@pytest.mark.parametrize(
    "name",
    [
        "org.apache.spark.ml.feature.VectorAssembler",
        "org.apache.spark.mllib.clustering.BisectingKMeansModel$SaveLoadV3_0$",
        "pyspark.ml.classification.OneVsRestModel",
        "experiments.stages.keras.KerasModel",
        "xgboost.spark.core.SparkXGBModel",
    ],
)
def test_classes_of_spark_and_ours_are_trusted(saved, name):
    check_saved(saved({"class": name}), [])


@pytest.mark.parametrize(
    "name", ["evil.Stage", "pyspark.ml_evil.Stage", "os", "experiments.jobs.run", "java.lang.Runtime"]
)
def test_other_classes_are_refused_until_they_are_named(saved, name):
    folder = saved({"class": name})
    with pytest.raises(ConfigError, match=r"must be made of classes of pyspark\.ml, .*; to trust the package: "):
        check_saved(folder, [])
    if "." in name:
        check_saved(folder, [name.rpartition(".")[0]])


@pytest.mark.parametrize("name", ["part-00000", "aaa.txt", "part-00000.json"])
@pytest.mark.parametrize("text", ["\x1f\x8b\x08", "[1]", "{", '{"class": "pyspark.ml.x.Y"}\n{"class": "evil.Stage"}'])
def test_what_cannot_be_read_is_refused(saved, text, name):
    with pytest.raises(ConfigError):
        check_saved(saved(text, name=name), [])


def test_functions_that_would_be_unpickled_are_refused(saved):
    with pytest.raises(ConfigError, match="got serialized_callbacks in "):
        check_saved(saved({"class": "xgboost.spark.core.SparkXGBModel", "serialized_callbacks": "gASV"}), [])

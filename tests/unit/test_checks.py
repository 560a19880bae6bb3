"""What can be known about data and registry without Java is said before Spark starts, all at once."""

import pytest

from experiments import ConfigError, load
from experiments.validation import validate


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

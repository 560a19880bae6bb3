"""Values are taken as people type them, or refused with a spelling that is right."""

import re
import shlex

import pytest

from experiments import ConfigError, load
from experiments.config.quoting import parsed, readable
from experiments.config.words import open_override
from experiments.errors import in_hydra_quotes

TAKEN = {
    "tracking.run=lr=0.1": "lr=0.1",
    "tracking.run=x=y=z": "x=y=z",
    "tracking.run=#1": "#1",
    "tracking.run=it's": "it's",
    "tracking.run=it's fine": "it's fine",
    "tracking.run=1.10": "1.10",
    "tracking.run=1e3": "1e3",
    "tracking.run=true": "true",
    "tracking.run=12": "12",
    "tracking.run=(a)": "(a)",
    "tracking.run=f(x)": "f(x)",
    'tracking.run="x': '"x',
    "tracking.run=x]": "x]",
    "tracking.run=a;b&c|d <e> !f ~g `h` 100%": "a;b&c|d <e> !f ~g `h` 100%",
    "tracking.run=a\\'b\\": "a\\'b\\",
    "tracking.run=a b": "a b",
    "tracking.run=line\n(next)": "line\n(next)",
    "tracking.run=": "",
    "tracking.run=null": None,
    "tracking.run='quoted, as before'": "quoted, as before",
    "tracking.run=${data.name}": "table",
    "tracking.run=lr=${seed}": "lr=42",
    "data.label=größe": "größe",
    "data.label=价格": "价格",
    "data.label=Größe (m)": "Größe (m)",
    "data.label=007": "007",
    "data.features=[Body Mass (g),x]": ["Body Mass (g)", "x"],
    "data.features=[price, net]": ["price", "net"],
    "data.features=[größe,'a, b',x_*]": ["größe", "a, b", "x_*"],
    "data.features=[it's,#]": ["it's", "#"],
    "data.path=data [1].csv": "data [1].csv",
    "data.path=a{1,2}.csv": "a{1,2}.csv",
    "data.path=C:\\x\\y.csv": "C:\\x\\y.csv",
    "data.path=C:\\x (1)\\": "C:\\x (1)\\",
    "data.path=[a [1].csv,b.csv]": ["a [1].csv", "b.csv"],
    "data.schema=age DECIMAL(10,2)": "age DECIMAL(10,2)",
    "data.query=select * from source where x > 1": "select * from source where x > 1",
    "data.options.sep=;": ";",
    "data.options.sep=,": ",",
    'data.options.quote="': '"',
    "data.options.header=true": True,
    "cluster.master=local[4]": "local[4]",
    "cluster.master=local[*]": "local[*]",
    "cluster.master=local-cluster[2,1,1024]": "local-cluster[2,1,1024]",
    "cluster.conf.spark.driver.extraJavaOptions=-Da=b -Dc=d": "-Da=b -Dc=d",
    "sweep.cases=[model=ridge seed=1,model=lasso]": ["model=ridge seed=1", "model=lasso"],
}


@pytest.mark.parametrize("word", TAKEN)
def test_a_value_is_taken_as_it_is_typed(word):
    found = load(["data=table", word])
    for name in word.partition("=")[0].split("."):
        found = getattr(found, name) if hasattr(found, name) else found.get(name, found)
    while isinstance(found, dict):  # Spark's settings are nested
        (found,) = [found[name] for name in found if name in word]
    assert found == TAKEN[word]


MEANT = {
    "tracking.run={a}": "{a}",
    "tracking.run=[x]": "[x]",
    "tracking.run=[a": "[a",
    "tracking.run='x' y": "'x' y",
    "tracking.run=a,b": "a,b",
    "tracking.run=range(1,2)": "range(1,2)",
    "data.query=select a, b from source where c='x'": "select a, b from source where c='x'",
    "data.schema=age INT, name STRING": "age INT, name STRING",
    "data.path=a.csv,b.csv": "a.csv,b.csv",
    "data.features=größe": ["größe"],
    "data.features=age": ["age"],
    "data.parameters.x=größe": "größe",
    "preprocessing.x.inputCol=Größe (m)": "Größe (m)",
    "model.estimator.layers=[{Dense:{activation:größe}}]": [{"Dense": {"activation": "größe"}}],
    "model.estimator.a=[1,größe,'x']": [1, "größe", "x"],
}


@pytest.mark.parametrize("word", MEANT)
def test_what_is_in_doubt_is_refused_with_a_spelling_that_a_shell_takes(word):
    (problem,) = problems_of(word)
    spelt = problem.split("write ", 1)[1]
    (typed,) = shlex.split(spelt)
    assert typed.partition("=")[0] == word.partition("=")[0]
    read = parsed(open_override(typed))
    assert not read.is_sweep_override()
    assert read.value() == MEANT[word]
    assert "must " in problem


NOTHING_TO_WRITE = {
    "größe=1": "a key must be made of",
    "preprocessing.größe.class=x": "a key must be made of",
    "=x": "a key must be made of",
    "model.estimator.layers=[{Dense:{units:64}": "close its brackets",
    "data.features=[a,b (c]": "close its brackets",
    "tracking.run={\x1b[31m}": "close its brackets",  # which could not be read in the error
    "data.options.password=[hunter2": "close its brackets",
    "seed=x=1": "seed must fit its type",
    "seed=1,2": "add -m",
    "model=größe": "model must be one of",
    "data.lable=größe": "did you mean 'data.label'?",
    "modles": "must be of the form key=value",
    "ridge": "did you mean 'model=ridge'?",
    "hydra.launcher.n_jobs=1": "write sweep.n_jobs=1",
}


@pytest.mark.parametrize("word", NOTHING_TO_WRITE)
def test_no_spelling_is_said_that_would_not_work(word):
    (problem,) = problems_of(word)
    assert NOTHING_TO_WRITE[word] in problem
    assert "hunter2" not in problem
    for spelt in re.findall(r"write (\S+)$", problem):
        load([spelt])


def test_a_space_that_the_shell_took_is_found():
    (problem,) = problems_of("data.path=my", "rents (1).csv")
    (typed,) = shlex.split(problem.split("write ", 1)[1])
    assert load(["data=table", typed]).data.path == "my rents (1).csv"


def test_sweeps_lists_and_functions_stay_what_they_are():
    for word in (
        "data.path=a,b", "data.label=a,b", "data.features=[a],[b]", "seed=range(1,4)", "model=ridge,lasso",
        "data.label=choice(a,b)", "data.path=null", "data.features=[]", "tracking.run=${oc.env:HOME}",
        "data.label='a b'", 'data.label="a b"', "cluster.conf.spark.speculation=true", "data.path=[a,b]",
    ):  # fmt: skip
        assert readable(word) == word
    for word, spelt in {
        "data.label=größe,x (y),z": 'data.label="größe","x (y)",z',
        "cluster.master=local[1],local-cluster[2,1,9]": 'cluster.master="local[1]","local-cluster[2,1,9]"',
        "data.features=[größe,a],[b]": 'data.features=["größe",a],[b]',
    }.items():
        assert readable(word) == spelt
        assert parsed(spelt).is_sweep_override()


@pytest.mark.parametrize(
    "text", ["a", "'", '"', "'\"", '\\"', "\\\\'\"\\", "\\", "a\\\\", "", " x ", "\n", "${x", "#'"]
)
def test_quotes_hold_any_text(text):
    assert parsed(f"x={in_hydra_quotes(text)}").value() == text


def problems_of(*words):
    table = ["data=table"] if words[0].startswith("data.") else []
    with pytest.raises(ConfigError) as refused:
        load([*table, *words])
    return refused.value.problems

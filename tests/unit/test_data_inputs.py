"""What a run's data came from, as MLflow is told."""

import json
from types import SimpleNamespace

from experiments import load
from experiments.data.dataset import HELD_OUT
from experiments.tracking.data_inputs import data_inputs, source_of


def test_each_kind_of_data_says_where_it_came_from(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert source_of(load(["data=iris"]).data, 1) == ("code", {"tags": {"bundled": "scikit-learn iris"}})
    table = load(["data=table", "data.path=[a.csv,s3a://b/c.csv]", "data.test_path=/x/t.csv", "data.label=y"]).data
    assert source_of(table, 1)[1] == {"path": [f"{tmp_path}/a.csv", "s3a://b/c.csv"], "format": "csv"}
    assert source_of(table, 1, is_held_out=True)[1] == {"path": "/x/t.csv", "format": "csv"}
    delta = load(["data=table", "data.format=delta", "data.path=/d", "data.options.versionAsOf=3", "data.label=y"]).data
    assert source_of(delta, 1)[1] == {"path": "/d", "format": "delta", "options": {"versionAsOf": 3}}
    named = load(["data=table", "data.table=sales", "data.label=y"]).data
    assert source_of(named, 1) == ("spark", {"table_name": "sales"})


def test_a_source_holds_no_secret():
    words = [
        "data.format=jdbc",
        "data.options.url='jdbc:postgresql://me:hidden@host/x'",
        "data.options.password=hidden",
    ]
    query = "data.query=\"SELECT * FROM source WHERE token='hidden123'\""
    told = json.dumps(source_of(load(["data=table", "data.label=y", *words, query]).data, 1))
    assert "hidden" not in told
    assert "jdbc:postgresql://" in told


def test_a_source_is_as_long_as_mlflow_takes_it():
    paths = ",".join(f"s3a://a/long/folder/of/a/cluster/part-{number:06}.parquet" for number in range(3000))
    data = load(["data=table", "data.format=parquet", f"data.path=[{paths}]", "data.label=y"]).data
    rows = SimpleNamespace(drop=lambda name: SimpleNamespace(dtypes=[("x", "double")]) if name == HELD_OUT else None)
    dataset = SimpleNamespace(rows=rows, train_digest="a", train_rows=1, test_digest="b", test_rows=0)
    (made,) = data_inputs(dataset, data, 1)
    assert len(made.dataset.source) < 65_535
    assert "config.yaml" in made.dataset.source

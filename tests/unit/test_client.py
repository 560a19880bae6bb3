"""What the client writes, and what it takes back."""

from pathlib import Path

import pytest

from experiments import ConfigError, load
from experiments.tracking.client import Client
from experiments.tracking.lifecycle import experiment_name


@pytest.fixture
def client(new_store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    uri = new_store(tmp_path)
    return Client(tracking_uri=uri, registry_uri=uri)


def test_a_model_that_is_taken_back_leaves_no_files(client, tmp_path):
    place = client.create_experiment("houses", artifact_location=str(tmp_path / "kept"))
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "MLmodel").write_text("flavors: {}\n")
    models = [client.create_logged_model(place, name) for name in ("ridge", "lasso")]
    for model in models:
        client.log_model_artifacts(model.model_id, str(tmp_path / "made"))
    back, kept = (Path(model.artifact_location) for model in models)
    assert (back / "MLmodel").exists()
    client.delete_logged_model(models[0].model_id)
    assert not back.exists()
    assert (kept / "MLmodel").exists()
    assert [model.model_id for model in client.search_logged_models([place])] == [models[1].model_id]


def test_runs_go_where_mlflow_was_told_unless_the_config_says_it(client, tmp_path, monkeypatch):
    config, place = load(["data=diabetes"]), client.create_experiment("of mine")
    assert experiment_name(client, config) == "diabetes"
    # As `mlflow.set_experiment` leaves it.
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", place)
    assert experiment_name(client, config) == "of mine"
    assert experiment_name(client, load(["data=diabetes", "tracking.experiment=said"])) == "said"
    elsewhere = load(["data=diabetes", f"tracking.folder={tmp_path / 'other'}"])
    assert experiment_name(client, elsewhere) == "diabetes"  # where the id would be another experiment's
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "named")
    assert experiment_name(client, config) == "named"
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "77")
    with pytest.raises(
        ConfigError, match=r"MLFLOW_EXPERIMENT_ID must be an experiment of sqlite:.* got '77'; unset it"
    ):
        experiment_name(client, config)

"""What the client writes, and what it takes back."""

from pathlib import Path

import pytest

from experiments.tracking.client import Client


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

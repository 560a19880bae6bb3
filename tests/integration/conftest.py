import json
import threading
import time

import pandas as pd
import pytest


@pytest.fixture
def words(tmp_path, cluster_words, new_store):
    """The words for a run on `spark` whose store is in `tmp_path / "runs"`."""
    new_store(tmp_path / "runs")
    return [f"tracking.folder={tmp_path / 'runs'}", *cluster_words]


@pytest.fixture(scope="module")
def store(tmp_path_factory, new_store):
    """A store for all tests of a file."""
    return new_store(tmp_path_factory.mktemp("store"))


@pytest.fixture
def table(tmp_path):
    """A function that writes a frame as CSV and returns the words that choose it."""

    def write(frame):
        frame.to_csv(tmp_path / "rows.csv", index=False)
        return ["data=table", f"data.path={tmp_path / 'rows.csv'}"]

    return write


@pytest.fixture
def over_http():
    """A function from a loaded model and a frame to what `mlflow models serve` answers: its own server, on loopback.

    With another status than 200: what it says of its error.
    """
    import requests
    import uvicorn
    from mlflow.pyfunc.scoring_server import init

    def answer(model, frame, status=200):
        server = uvicorn.Server(uvicorn.Config(init(model), host="127.0.0.1", port=0, log_level="error"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            port = server.servers[0].sockets[0].getsockname()[1]
            rows = json.loads(frame.to_json(orient="split", index=False))
            answered = requests.post(f"http://127.0.0.1:{port}/invocations", json={"dataframe_split": rows}, timeout=60)
            assert answered.status_code == status, answered.text
            if status != 200:
                return answered.json()
            return pd.DataFrame(answered.json()["predictions"])
        finally:
            server.should_exit = True
            thread.join()

    return answer

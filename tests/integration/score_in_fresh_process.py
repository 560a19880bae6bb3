"""Scores rows by logged models in a process that knows nothing but their URIs."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd


def made_of(spark, uri, rows):
    """The last numeric or vector column that a model makes of rows, in their order, as a flat list."""
    model = mlflow.spark.load_model(uri)
    given = spark.createDataFrame(rows).coalesce(1)
    scored = model.transform(given).toPandas()
    column = "prediction" if "prediction" in scored else scored.columns[-1]
    return np.ravel([getattr(value, "toArray", lambda v=value: v)() for value in scored[column]]).tolist()


if __name__ == "__main__":
    from experiments import load
    from experiments.cluster.session import start_session

    store, folder, uris = sys.argv[1:]
    mlflow.set_tracking_uri(store)
    spark = start_session(load(["cluster.conf.spark.driver.memory=1g"]).cluster)
    models = json.loads(uris)
    frames = {name: pd.read_pickle(Path(folder) / f"{name}.pickle") for name in models}
    with ThreadPoolExecutor(2) as pool:
        made = pool.map(lambda name: made_of(spark, models[name], frames[name]), models)
        print(json.dumps(dict(zip(models, made, strict=True))))

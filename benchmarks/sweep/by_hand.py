"""What a user writes without us: Hydra's own multirun over a script that fits, judges and tracks by hand.

python by_hand.py -m model=ridge regParam=0.1,1 train=TRAIN_PARQUET test=TEST_PARQUET [hydra/launcher=joblib]
"""

import sys
import tempfile
from pathlib import Path

import hydra
import matplotlib
import matplotlib.pyplot as plt
import mlflow
import pandas as pd
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig
from pyspark.ml import Pipeline
from pyspark.ml.classification import RandomForestClassifier
from pyspark.ml.evaluation import MulticlassClassificationEvaluator, RegressionEvaluator
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.sql import SparkSession

matplotlib.use("Agg")
ConfigStore.instance().store(
    name="config", node={"model": "ridge", "regParam": 1.0, "maxDepth": 5, "train": "", "test": ""}
)


@hydra.main(config_path=None, config_name="config", version_base="1.3")
def main(config: DictConfig) -> float:
    spark = SparkSession.builder.appName("sweep").config("spark.ui.enabled", "false").getOrCreate()
    if config.model == "ridge":
        features, label, names = ["size", "age", "distance"], "price", ["rmse", "mae", "r2"]
        estimator = LinearRegression(labelCol=label, maxIter=100, regParam=config.regParam, elasticNetParam=0.0)
        evaluator = RegressionEvaluator(labelCol=label)
    else:
        features, label, names = ["age", "income", "purchase_history"], "purchase", ["accuracy", "f1"]
        estimator = RandomForestClassifier(labelCol=label, numTrees=20, maxDepth=config.maxDepth, seed=42)
        evaluator = MulticlassClassificationEvaluator(labelCol=label)
    train, test = spark.read.parquet(config.train), spark.read.parquet(config.test)
    mlflow.set_experiment("sweep")
    with mlflow.start_run():
        mlflow.log_params(dict(config))
        fitted = Pipeline(stages=[VectorAssembler(inputCols=features, outputCol="features"), estimator]).fit(train)
        values = {}
        for prefix, rows in (("", test), ("train_", train)):
            predicted = fitted.transform(rows).cache()
            for name in names:
                values[prefix + name] = evaluator.evaluate(predicted, {evaluator.metricName: name})
            predicted.unpersist()
        mlflow.log_metrics(values)
        model = fitted.stages[-1]
        learnt = model.coefficients if config.model == "ridge" else model.featureImportances
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "learnt.csv"
            pd.DataFrame({"feature": features, "value": learnt.toArray()}).to_csv(path, index=False)
            figure, axes = plt.subplots()
            axes.barh(features, learnt.toArray())
            figure.savefig(Path(folder) / "learnt.png")
            plt.close(figure)
            shown = fitted.transform(test).select(label, "prediction").limit(2_000).toPandas()
            figure, axes = plt.subplots(1, 2)
            axes[0].scatter(shown[label], shown["prediction"], s=4)
            axes[1].hist(shown[label] - shown["prediction"], bins=40)
            figure.savefig(Path(folder) / "residuals.png")
            plt.close(figure)
            mlflow.log_artifacts(folder)
    return values[names[0]]


if __name__ == "__main__":
    sys.exit(main())

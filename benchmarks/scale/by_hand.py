"""What a user writes without us for a large table: read, assemble, fit, judge the test rows.

No tracking and no model, unless MLflow's autologging does that.

python by_hand.py (ridge | random_forest | kmeans) (cached | read | autologged) FOLDER
"""

import sys

from pyspark import StorageLevel
from pyspark.ml import Pipeline
from pyspark.ml.classification import RandomForestClassifier
from pyspark.ml.clustering import KMeans
from pyspark.ml.evaluation import ClusteringEvaluator, MulticlassClassificationEvaluator, RegressionEvaluator
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.sql import SparkSession

model, reading, folder = sys.argv[1:]
spark = SparkSession.builder.master("local[*]").config("spark.driver.memory", "4g").getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
estimator, evaluator = {
    "ridge": (
        LinearRegression(labelCol="y", regParam=1.0, elasticNetParam=0.0),
        RegressionEvaluator(labelCol="y", metricName="rmse"),
    ),
    "random_forest": (
        RandomForestClassifier(labelCol="c", numTrees=20, maxDepth=5, seed=42),
        MulticlassClassificationEvaluator(labelCol="c", metricName="accuracy"),
    ),
    "kmeans": (KMeans(k=8, maxIter=20, seed=42), ClusteringEvaluator(metricName="silhouette")),
}[model]
features = [f"x{number}" for number in range(10)]
columns = features if model == "kmeans" else [*features, evaluator.getLabelCol()]
train = spark.read.parquet(f"{folder}/train").select(columns)
test = spark.read.parquet(f"{folder}/test").select(columns)
if reading == "cached":
    train = train.persist(StorageLevel.MEMORY_AND_DISK)
pipeline = Pipeline(stages=[VectorAssembler(inputCols=features, outputCol="features"), estimator])
if reading == "autologged":
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder}/autologged.db")
    mlflow.set_experiment(model)
    mlflow.pyspark.ml.autolog()
    with mlflow.start_run():
        value = evaluator.evaluate(pipeline.fit(train).transform(test))
else:
    value = evaluator.evaluate(pipeline.fit(train).transform(test))
print(f"{evaluator.getMetricName()} {value}")

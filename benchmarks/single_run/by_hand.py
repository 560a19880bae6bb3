"""What a user writes without us: the document's listing as a script, with or without MLflow's autologging.

python by_hand.py (ridge | random_forest) (untracked | autologged) TRAIN_PARQUET TEST_PARQUET
"""

import sys

from pyspark.ml import Pipeline
from pyspark.ml.classification import RandomForestClassifier
from pyspark.ml.evaluation import MulticlassClassificationEvaluator, RegressionEvaluator
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.sql import SparkSession

name, tracking, train_path, test_path = sys.argv[1:]
spark = (
    SparkSession.builder.appName("DistributedMachineLearning")
    .config("spark.sql.adaptive.enabled", "true")
    .getOrCreate()
)
if name == "ridge":
    features, label = ["size", "age", "distance"], "price"
    estimator = LinearRegression(labelCol=label, featuresCol="features", maxIter=100, regParam=1.0, elasticNetParam=0.0)
    evaluator = RegressionEvaluator(labelCol=label, predictionCol="prediction", metricName="rmse")
else:
    features, label = ["age", "income", "purchase_history"], "purchase"
    estimator = RandomForestClassifier(labelCol=label, featuresCol="features", numTrees=100, maxDepth=10, seed=42)
    evaluator = MulticlassClassificationEvaluator(labelCol=label, predictionCol="prediction", metricName="accuracy")

train_data = spark.read.parquet(train_path)
test_data = spark.read.parquet(test_path)
pipeline = Pipeline(stages=[VectorAssembler(inputCols=features, outputCol="features"), estimator])

if tracking == "autologged":
    import mlflow

    mlflow.set_experiment(name)
    mlflow.pyspark.ml.autolog()
    with mlflow.start_run():
        model = pipeline.fit(train_data)
        value = evaluator.evaluate(model.transform(test_data))
else:
    model = pipeline.fit(train_data)
    value = evaluator.evaluate(model.transform(test_data))
print(f"{evaluator.getMetricName()} {value}")

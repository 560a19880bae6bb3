"""The document's listings, one function each: from its DataFrame to the number that it prints."""

from collections.abc import Callable

from pyspark.ml import Estimator, Pipeline
from pyspark.ml.classification import (
    LinearSVC,
    MultilayerPerceptronClassifier,
    NaiveBayes,
    RandomForestClassifier,
)
from pyspark.ml.clustering import BisectingKMeans, KMeans
from pyspark.ml.evaluation import ClusteringEvaluator, MulticlassClassificationEvaluator, RegressionEvaluator
from pyspark.ml.feature import IDF, PCA, HashingTF, StandardScaler, Tokenizer, VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder
from pyspark.sql import DataFrame

PURCHASES = ["age", "income", "purchase_history"]
HOUSES = ["size", "age", "distance"]


def _supervised(stages: list, evaluator, rows: DataFrame) -> float:
    train, test = rows.randomSplit([0.8, 0.2], seed=42)
    return evaluator.evaluate(Pipeline(stages=stages).fit(train).transform(test))


def _accuracy(label: str) -> MulticlassClassificationEvaluator:
    return MulticlassClassificationEvaluator(labelCol=label, predictionCol="prediction", metricName="accuracy")


def _scaler(read: str, made: str) -> StandardScaler:
    return StandardScaler(inputCol=read, outputCol=made, withStd=True, withMean=True)


def random_forest(rows: DataFrame) -> float:
    forest = RandomForestClassifier(labelCol="purchase", featuresCol="features", numTrees=100, maxDepth=10, seed=42)
    return _supervised(
        [VectorAssembler(inputCols=PURCHASES, outputCol="features"), forest], _accuracy("purchase"), rows
    )


def linear_svc(rows: DataFrame) -> float:
    svm = LinearSVC(labelCol="purchase", featuresCol="scaled_features", maxIter=100, regParam=0.1)
    assembler = VectorAssembler(inputCols=PURCHASES, outputCol="features")
    return _supervised([assembler, _scaler("features", "scaled_features"), svm], _accuracy("purchase"), rows)


def naive_bayes(rows: DataFrame) -> float:
    stages = [
        Tokenizer(inputCol="sentence", outputCol="words"),
        HashingTF(inputCol="words", outputCol="rawFeatures", numFeatures=1000),
        IDF(inputCol="rawFeatures", outputCol="features"),
        NaiveBayes(labelCol="label", featuresCol="features", smoothing=1.0),
    ]
    return _supervised(stages, _accuracy("label"), rows)


def _linear(rows: DataFrame, **params: float) -> float:
    regression = LinearRegression(labelCol="price", featuresCol="features", maxIter=100, **params)
    assembler = VectorAssembler(inputCols=HOUSES, outputCol="features")
    return _supervised([assembler, regression], RegressionEvaluator(labelCol="price", metricName="rmse"), rows)


def linear_regression(rows: DataFrame) -> float:
    return _linear(rows, regParam=0.1)


def ridge(rows: DataFrame) -> float:
    return _linear(rows, regParam=1.0, elasticNetParam=0.0)


def _clustered(estimator: Estimator, rows: DataFrame) -> float:
    stages = [VectorAssembler(inputCols=["x0", "x1"], outputCol="features"), estimator]
    return ClusteringEvaluator().evaluate(Pipeline(stages=stages).fit(rows).transform(rows))


def kmeans(rows: DataFrame) -> float:
    return _clustered(KMeans(featuresCol="features", k=3, seed=42, maxIter=20), rows)


def bisecting_kmeans(rows: DataFrame) -> float:
    return _clustered(BisectingKMeans(featuresCol="features", k=3, seed=42, maxIter=20), rows)


def pca(rows: DataFrame) -> float:
    stages = [
        VectorAssembler(inputCols=rows.columns, outputCol="features"),
        _scaler("features", "scaled_features"),
        PCA(inputCol="scaled_features", outputCol="pca_features", k=2),
    ]
    fitted = Pipeline(stages=stages).fit(rows)
    fitted.transform(rows).select("pca_features").write.format("noop").mode("overwrite").save()
    return float(fitted.stages[2].explainedVariance.toArray().sum())


def mlp(rows: DataFrame) -> float:
    perceptron = MultilayerPerceptronClassifier(
        labelCol="purchase", featuresCol="features", layers=[3, 128, 64, 2], maxIter=100, seed=42
    )
    assembler = VectorAssembler(inputCols=PURCHASES, outputCol="features")
    return _supervised([assembler, perceptron], _accuracy("purchase"), rows)


def tuned_forest(rows: DataFrame) -> float:
    rows = rows.na.fill(0)
    forest = RandomForestClassifier(labelCol="purchase", featuresCol="features", numTrees=100, maxDepth=10, seed=42)
    grid = ParamGridBuilder().addGrid(forest.numTrees, [50, 100, 200]).addGrid(forest.maxDepth, [5, 10, 15]).build()
    evaluator = _accuracy("purchase")
    tuned = CrossValidator(estimator=forest, estimatorParamMaps=grid, evaluator=evaluator, numFolds=3)
    assembler = VectorAssembler(inputCols=PURCHASES, outputCol="raw_features")
    return _supervised([assembler, _scaler("raw_features", "features"), tuned], evaluator, rows)


LISTINGS: dict[str, Callable[[DataFrame], float]] = {
    function.__name__: function
    for function in (
        *(linear_regression, ridge, kmeans, bisecting_kmeans, pca, naive_bayes),
        *(linear_svc, mlp, random_forest, tuned_forest),
    )
}

"""Rows made on the executors, each from nothing but the seed and its own number.

So the same seed gives the same rows whatever the partitioning, and any number of rows takes the same driver memory.
Random numbers come from hashing (seed, stream, row number); a stream is one independent sequence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pyspark.sql import Column, DataFrame

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROWS_PER_PARTITION = 250_000
_MANTISSA = 1 << 53


def generate(spark: SparkSession, generator: str, rows: int, seed: int, parameters: Mapping[str, Any]) -> DataFrame:
    """The rows of a generator of `GENERATORS`, in partitions of at most `ROWS_PER_PARTITION`."""
    numbers = spark.range(0, rows, 1, numPartitions=math.ceil(rows / ROWS_PER_PARTITION))
    return GENERATORS[generator](numbers, seed, **parameters)


def uniform(seed: int, stream: int, key: str = "id") -> Column:
    """Uniform on (0, 1), from 53 bits of a hash of seed, stream and row number, or another key."""
    from pyspark.sql import functions as F

    bits = F.shiftrightunsigned(F.xxhash64(F.lit(seed), F.lit(stream), F.col(key)), 11)
    return (bits + F.lit(0.5)) / F.lit(float(_MANTISSA))


def normal(seed: int, stream: int, mean: float = 0.0, deviation: float = 1.0, key: str = "id") -> Column:
    """Normal by the Box-Muller transform of two uniforms; uses streams 2 `stream` and 2 `stream` + 1."""
    from pyspark.sql import functions as F

    radius = F.sqrt(-2.0 * F.log(uniform(seed, 2 * stream, key)))
    return radius * F.cos(2.0 * math.pi * uniform(seed, 2 * stream + 1, key)) * F.lit(deviation) + F.lit(mean)


def poisson(seed: int, stream: int, mean: float) -> Column:
    """Poisson by inversion: how many steps of the distribution function lie below a uniform. For small means."""
    from pyspark.sql import functions as F

    u = uniform(seed, 2 * stream)
    probability, reached, steps = math.exp(-mean), 0.0, []
    for count in range(1, int(mean + 12 * math.sqrt(mean) + 20)):
        reached += probability
        steps.append(F.lit(reached))
        probability *= mean / count
    # The table is sorted, so the count is the number of entries that do not exceed u.
    return F.size(F.filter(F.array(*steps), lambda step: step <= u)).cast("double")


def houses(numbers: DataFrame, seed: int, noise: float = 100.0) -> DataFrame:
    """size ~ N(100, 30), age ~ N(20, 10), distance ~ N(500, 200), and
    price = 3000 + 50 size - 20 age - 0.5 distance + N(0, noise)."""
    from pyspark.sql import functions as F

    features = numbers.select(
        "id",
        normal(seed, 0, 100.0, 30.0).alias("size"),
        normal(seed, 1, 20.0, 10.0).alias("age"),
        normal(seed, 2, 500.0, 200.0).alias("distance"),
    )
    price = 3000 + 50 * F.col("size") - 20 * F.col("age") - 0.5 * F.col("distance") + normal(seed, 3, 0.0, noise)
    return features.select("size", "age", "distance", price.alias("price"))


def purchases(numbers: DataFrame, seed: int, constant: float = -6.0) -> DataFrame:
    """age ~ N(35, 10), income ~ N(500, 150), purchase_history ~ Poisson(5), and purchase, which is 1 with probability
    sigmoid(0.1 age + 0.002 income + 0.3 purchase_history + constant)."""
    from pyspark.sql import functions as F

    features = numbers.select(
        "id",
        normal(seed, 0, 35.0, 10.0).alias("age"),
        normal(seed, 1, 500.0, 150.0).alias("income"),
        poisson(seed, 2, 5.0).alias("purchase_history"),
    )
    score = 0.1 * F.col("age") + 0.002 * F.col("income") + 0.3 * F.col("purchase_history") + F.lit(constant)
    purchase = (uniform(seed, 6) < 1 / (1 + F.exp(-score))).cast("double")
    return features.select("age", "income", "purchase_history", purchase.alias("purchase"))


def blobs(numbers: DataFrame, seed: int, centers: Sequence[Sequence[float]], deviation: float = 0.5) -> DataFrame:
    """Columns x0, x1, ...: normal around the centres, which take turns by row number."""
    from pyspark.sql import functions as F

    turn = (F.col("id") % len(centers)).cast("int")
    columns = []
    for axis in range(len(centers[0])):
        along = F.array(*(F.lit(float(center[axis])) for center in centers))
        columns.append((along[turn] + normal(seed, axis, 0.0, deviation)).alias(f"x{axis}"))
    return numbers.select(*columns)


def gaussian(numbers: DataFrame, seed: int, features: int = 10) -> DataFrame:
    """Columns x0, x1, ...: independent standard normals."""
    return numbers.select(*(normal(seed, index).alias(f"x{index}") for index in range(features)))


TASTES = 3


def ratings(numbers: DataFrame, seed: int, users: int = 300, items: int = 100, noise: float = 0.1) -> DataFrame:
    """user, item (whole numbers, any pair as likely) and rating = taste of the user . taste of the item + N(0, noise).
    A taste has `TASTES` entries of N(1, 0.4), so ratings lie around 3."""
    from pyspark.sql import functions as F

    pairs = numbers.select(
        "id",
        F.floor(uniform(seed, 0) * users).cast("int").alias("user"),
        F.floor(uniform(seed, 1) * items).cast("int").alias("item"),
    )
    rating = normal(seed, 1, 0.0, noise)
    for taste in range(TASTES):
        of_user, of_item = normal(seed, 2 + 2 * taste, 1.0, 0.4, "user"), normal(seed, 3 + 2 * taste, 1.0, 0.4, "item")
        rating = rating + of_user * of_item
    return pairs.select("user", "item", rating.alias("rating"))


DOCUMENT_SENTENCES = (
    ("Python is a great programming language", 1.0),
    ("Java is also a popular language", 0.0),
    ("I love Python for data science", 1.0),
    ("JavaScript is used for web development", 0.0),
    ("Python has many machine learning libraries", 1.0),
)
_OPENINGS = ("I think that", "Many people say that", "In our team", "Last year we saw how", "It is clear that")
_PYTHON = ("Python", "NumPy", "a pandas notebook", "Django", "a Python script")
_OTHERS = ("Java", "JavaScript", "a Rust crate", "Go", "a C++ template", "Kotlin")
_VERBS = ("helps with", "is slow at", "makes short work of", "was chosen for", "is taught for", "shines in")
_TOPICS = ("data science", "web pages", "games", "machine learning", "small tools", "large services", "teaching")
_ENDINGS = ("at home", "at work", "these days", "on most laptops", "in the cloud", "without much code")


def sentences(numbers: DataFrame, seed: int, corpus: Literal["generated", "document"] = "generated") -> DataFrame:
    """sentence and label, 1 when it is about Python. `corpus`: `generated`, or `document` for its five sentences,
    which are repeated when more rows are asked for."""
    from pyspark.sql import functions as F

    if corpus == "document":
        turn = (F.col("id") % len(DOCUMENT_SENTENCES)).cast("int")
        texts, labels = zip(*DOCUMENT_SENTENCES, strict=True)
        chosen = (F.array(*map(F.lit, words))[turn] for words in (texts, labels))
        return numbers.select(*(column.alias(name) for column, name in zip(chosen, ("sentence", "label"), strict=True)))

    def one_of(words: Sequence[str], stream: int) -> Column:
        return F.array(*map(F.lit, words))[F.floor(uniform(seed, stream) * len(words)).cast("int")]

    label = (uniform(seed, 0) < 0.5).cast("double")
    subject = F.when(label == 1.0, one_of(_PYTHON, 1)).otherwise(one_of(_OTHERS, 2))
    words = (one_of(_OPENINGS, 3), subject, one_of(_VERBS, 4), one_of(_TOPICS, 5), one_of(_ENDINGS, 6))
    return numbers.select(F.concat_ws(" ", *words).alias("sentence"), label.alias("label"))


GENERATORS: dict[str, Callable[..., DataFrame]] = {
    function.__name__: function for function in (houses, purchases, blobs, gaussian, ratings, sentences)
}

"""Generated rows follow their formulas, and depend on seed and row number only."""

import numpy as np
import pytest

from experiments.data.bundled import BUNDLED, bundled, read_bundled
from experiments.data.generators import DOCUMENT_SENTENCES, generate

CENTERS = {"centers": [[2.0, 2.0], [8.0, 3.0], [5.0, 8.0]]}


def frame(spark, generator, rows=20_000, seed=42, **parameters):
    return generate(spark, generator, rows, seed, parameters).toPandas()


def test_house_prices_are_the_documents_formula(spark):
    rows = frame(spark, "houses")
    design = np.column_stack([np.ones(len(rows)), rows[["size", "age", "distance"]]])
    found, *_ = np.linalg.lstsq(design, rows["price"], rcond=None)
    # Five standard errors at 20,000 rows, which are 3.4 for the intercept and 0.024, 0.07, 0.0035 for the slopes.
    assert np.all(np.abs(found - [3000, 50, -20, -0.5]) < [17, 0.12, 0.36, 0.018])
    assert np.std(rows["price"] - design @ found) == pytest.approx(100, rel=0.03)
    assert rows["size"].mean() == pytest.approx(100, abs=1.1)
    assert rows["age"].std() == pytest.approx(10, rel=0.03)
    assert rows["distance"].mean() == pytest.approx(500, abs=7.1)


def test_purchases_follow_the_sigmoid(spark):
    rows = frame(spark, "purchases")
    history = rows["purchase_history"]
    assert history.mean() == pytest.approx(5, abs=0.08)
    assert history.var() == pytest.approx(5, rel=0.06)
    assert (history == 0).mean() == pytest.approx(np.exp(-5), abs=0.003)
    chance = 1 / (1 + np.exp(-(0.1 * rows["age"] + 0.002 * rows["income"] + 0.3 * history - 6)))
    assert rows["purchase"].mean() == pytest.approx(chance.mean(), abs=0.018)
    # Within each tenth of the predicted chance, too: five standard errors of 2,000 rows.
    by_tenth = rows["purchase"].groupby(chance.rank(pct=True).mul(9.999).astype(int)).mean()
    assert np.allclose(by_tenth, chance.groupby(chance.rank(pct=True).mul(9.999).astype(int)).mean(), atol=0.056)


def test_blobs_lie_around_their_centres(spark):
    rows = frame(spark, "blobs", rows=9_000, **CENTERS).to_numpy()
    nearest = np.argmin(((rows[:, None] - np.array(CENTERS["centers"])) ** 2).sum(-1), axis=1)
    for index, center in enumerate(CENTERS["centers"]):
        mine = rows[nearest == index]
        assert len(mine) == pytest.approx(3_000, abs=5)
        assert np.allclose(mine.mean(axis=0), center, atol=0.05)
        assert np.allclose(mine.std(axis=0), 0.5, rtol=0.07)


def test_gaussian_columns_are_standard_and_independent(spark):
    rows = frame(spark, "gaussian").to_numpy()
    assert rows.shape == (20_000, 10)
    assert np.allclose(rows.mean(axis=0), 0, atol=0.036)
    assert np.allclose(np.cov(rows.T), np.eye(10), atol=0.051)


def test_generated_sentences_are_labelled_by_their_subject(spark):
    rows = frame(spark, "sentences", rows=2_000)
    about_python = rows["sentence"].str.contains("Python|NumPy|pandas|Django")
    assert (about_python == (rows["label"] == 1)).all()
    assert rows["label"].mean() == pytest.approx(0.5, abs=0.06)


def test_the_documents_five_sentences(spark):
    rows = frame(spark, "sentences", rows=5, corpus="document")
    assert [tuple(row) for row in rows.itertuples(index=False)] == list(DOCUMENT_SENTENCES)


@pytest.mark.parametrize(
    ("generator", "parameters"),
    [("houses", {}), ("purchases", {}), ("gaussian", {}), ("sentences", {}), ("blobs", CENTERS)],
)
def test_rows_do_not_depend_on_partitioning_but_on_the_seed(spark, monkeypatch, generator, parameters):
    whole = frame(spark, generator, rows=300, **parameters)
    monkeypatch.setattr("experiments.data.generators.ROWS_PER_PARTITION", 50)
    parts = generate(spark, generator, 300, 42, parameters)
    assert parts.rdd.getNumPartitions() == 6
    assert parts.toPandas().equals(whole)
    assert not frame(spark, generator, rows=300, seed=43, **parameters).equals(whole)


def test_bundled_sets_are_scikit_learns_rows(spark):
    from sklearn import datasets

    sizes = {
        "iris": (150, 5),
        "wine": (178, 14),
        "digits": (1797, 65),
        "breast_cancer": (569, 31),
        "diabetes": (442, 11),
    }
    for name, label in BUNDLED.items():
        rows = bundled(name)
        assert rows.shape == sizes[name]
        original = getattr(datasets, f"load_{name}")()
        assert np.array_equal(rows[label], original.target)
        assert np.array_equal(rows.drop(columns=label), original.data)
    assert list(bundled("iris").columns)[:2] == ["sepal_length_cm", "sepal_width_cm"]
    assert read_bundled(spark, "iris").toPandas().equals(bundled("iris"))

"""Figures stay readable whatever the table holds. What is checked is the figure's own content, not its pixels."""

import numpy as np
import pytest
from matplotlib.image import imread

from experiments.figures import charts
from experiments.figures.labels import shortened
from experiments.figures.output import Output
from experiments.inspection import model_charts, prediction_charts
from experiments.sweeps.figures import history

LONG = "the_average_number_of_items_that_a_customer_returned_within_a_year"


def test_of_a_thousand_features_the_largest_are_shown_and_counted():
    rows = [{"feature": f"f{i}", "importance": i / 1000} for i in range(1000)]
    figure = charts.bars(rows, name="feature", value="importance", title="Importances", unit="share")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [f"f{i}" for i in range(999, 974, -1)]
    assert axes.get_title() == "Importances: the 25 largest of 1000"
    assert axes.get_xlabel() == "share"


def test_a_negative_coefficient_counts_by_its_size():
    rows = [{"feature": f"f{i}", "coefficient": float(-i)} for i in range(100)]
    (axes,) = charts.bars(rows, name="feature", value="coefficient", title="", unit="").axes
    assert axes.get_yticklabels()[0].get_text() == "f99"


def test_two_names_that_shorten_to_the_same_have_a_bar_each():
    rows = [{"feature": f"{LONG[:20]}_{i}_{LONG[-20:]}", "value": float(i)} for i in range(3)]
    (axes,) = charts.bars(rows, name="feature", value="value", title="", unit="").axes
    assert len(axes.patches) == len({bar.get_y() for bar in axes.patches}) == 3
    named = [label.get_text() for label in axes.get_yticklabels()]
    assert len(set(named)) == 3
    assert all(f"_{i}_" in name for i, name in zip((2, 1, 0), named, strict=True))


ALIKE = [f"reading of sensor number {i} in the north hall" for i in (1, 12, 123)]


@pytest.mark.parametrize(
    "names",
    [
        ALIKE,
        [*ALIKE, "age", "reading of another sensor in the north hall"],
        ["a" * 50, "a" * 51, "a" * 80],
        ["x" * 40 + middle + "y" * 40 + last for middle in "12" for last in "pq"],
        ["/data/warehouse/sales/2024/part.parquet", "/data/warehouse/sales/2025/part.parquet"],
    ],
)
def test_names_that_differ_differ_when_they_are_shortened(names):
    found = shortened(names, 24)
    assert len(set(found)) == len(names)
    assert max(map(len, found)) <= 24
    assert shortened([*names, names[0]], 24)[-1] == found[0]


def test_a_long_name_loses_its_middle():
    assert len(charts.shorten(LONG)) <= charts.LONGEST_NAME
    assert charts.shorten(LONG).startswith("the_average")
    assert charts.shorten(LONG).endswith("within_a_year"[-10:])
    assert charts.shorten("age") == "age"


def test_confusion_counts_stand_in_their_cells_and_shares_are_of_the_true_class():
    rows = [
        {"true": "0", "predicted": "0", "rows": 8},
        {"true": "0", "predicted": "1", "rows": 2},
        {"true": "1", "predicted": "1", "rows": 5},
    ]
    axes = prediction_charts.confusion_matrix(rows, title="t", classes=["0", "1"], label="y").axes[0]
    assert [text.get_text() for text in axes.texts] == ["8\n80%", "2\n20%", "0\n0%", "5\n100%"]
    assert axes.get_xlabel() == "predicted y"
    assert axes.images[0].get_array().tolist() == [[0.8, 0.2], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("rows", "draw"),
    [
        ([{"(cluster)": i, "(rows)": 9, **{f"f{j}": i * j for j in range(300)}} for i in range(3)],
         model_charts.centres),
        ([{"(cluster)": i, "(rows)": 9, "x": float(i)} for i in range(800)], model_charts.centres),
        ([{"(cluster)": 0, "(rows)": 1, LONG: 2.0}], model_charts.centres),
        ([{"(cluster)": i, "(rows)": 9, "x": float(i)} for i in range(2)],
         lambda rows: model_charts.centres(rows, ["x"], {"x": (0.5, 4.0)})),
        ([{"iteration": 0, "loss": 2.0}, {"iteration": 1, "loss": 1.0}],
         lambda rows: charts.lines(rows, x="iteration", y=["loss"], title="Loss")),
        ([{"feature": f"$ {LONG} {i}", "value": float(i)} for i in range(3)],
         lambda rows: charts.bars(rows, name="feature", value="value", title="$", unit="")),
        ([{"true": 1.0, "predicted": float("nan"), "residual": float("nan")}],
         lambda rows: prediction_charts.residuals(rows, title="1 of 1 rows", label=LONG)),
        ([{"true": 1.0, "predicted": 1.5, "residual": -0.5}],
         lambda rows: prediction_charts.residuals(rows, title="1 of 1 rows", label=LONG)),
        ([{"(cluster)": i % 30, "x": float(i), "y": 0.0} for i in range(90)],
         lambda rows: charts.groups(rows, title="Clusters", group="(cluster)", axes=["x", "y"])),
        ([{"feature": f"{LONG}{i}", **{f"component_{k}": i * k / 9 for k in range(12)}} for i in range(1000)],
         lambda rows: model_charts.components(rows, title="Principal components")),
        ([{"trial": place, "value": 1.0 / (1 + place), "metric": "rmse"} for place in range(3)],
         lambda rows: history(rows, larger_is_better=False)),
        ([{"component": 1, "explained_variance": 0.4, "cumulative": 0.4}], model_charts.scree),
        ([{"node": 1, "parent": None, "cluster": None, "rows": 9, "cost": 1.0, "height": 2.0},
          {"node": 2, "parent": 1, "cluster": 0, "rows": 4, "cost": 1.0, "height": 0.0},
          {"node": 3, "parent": 1, "cluster": 1, "rows": 5, "cost": 1.0, "height": 0.0}], model_charts.hierarchy),
        ([{"class": f"c{c}", "feature": f"{LONG}{i}", "weight": float(i)} for c in range(12) for i in range(200)],
         lambda rows: charts.bars_by_group(rows, group="class", name="feature", value="weight", title="T", unit="u")),
        ([{"predicted": 0.2, "observed": 0.3, "rows": 9}], lambda rows: prediction_charts.calibration(rows, title="C")),
        ([{"a": a, "b": b, "mean": a + b, "deviation": 0.1, "best": a + b == 3} for a in (1, 2) for b in (0, 1)],
         lambda rows: model_charts.tuning(rows, keys=["a", "b"], metric="accuracy")),
        ([{"a": a, "mean": a / 9, "deviation": 0.1, "best": a == 2} for a in (1, 2)],
         lambda rows: model_charts.tuning(rows, keys=["a"], metric="accuracy")),
    ],
)  # fmt: skip
def test_every_figure_is_saved_as_a_picture(tmp_path, rows, draw):
    charts.save(Output("figure", rows, draw), tmp_path / "figure.png")
    height, width, _ = imread(tmp_path / "figure.png").shape
    assert 200 < height < 2000
    assert 200 < width < 2000


def test_curves_say_of_what_they_are_and_are_perfect_only_if_they_are():
    rows = [{"class": name, "recall": at, "precision": 1.0} for name in ("a", "b") for at in (0.5, 0.9999)]
    whole, corner = prediction_charts.precision_recall(rows, title="t", label="kind", shares=[0.25, 0.75]).axes
    assert whole.get_xlim()[1] - whole.get_xlim()[0] > 4 * (corner.get_xlim()[1] - corner.get_xlim()[0])
    assert [line.get_xdata()[-1] for line in corner.get_lines()] == [0.9999, 0.9999]
    legend = corner.get_legend()
    assert legend.get_title().get_text() == "kind"
    assert [text.get_text() for text in legend.get_texts()] == [
        "a, average precision >0.999 (guessing 0.25)",
        "b, average precision >0.999 (guessing 0.75)",
    ]
    rows = [{"recall": place / 24, "precision": 1.0} for place in range(1, 25)]  # their sum is a little less than 1
    (axes,) = prediction_charts.precision_recall(rows, title="t", label="kind", shares=[0.5]).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["average precision 1.000", "guessing (0.5)"]


@pytest.mark.parametrize("form", ["bars", "heat map", "by group"])
def test_no_title_and_no_label_is_cut_by_the_edge(form):
    words = "coefficient times deviation of the scaled feature; above 0 for a class with a name"
    if form == "heat map":
        figure, _ = charts.heat_map(np.eye(3), None, ["a", "b", "c"], ["a", "b", "c"], unit=words)
    else:
        rows = [{"feature": f"mean_of_feature_{n}", "value": n - 9.0, "class": "only"} for n in range(40)]
        groups = {"group": "class"} if form == "by group" else {}
        draw = charts.bars_by_group if groups else charts.bars
        figure = draw(rows, **groups, name="feature", value="value", title=f"{words}\nintercept 3", unit=words)
    figure.draw_without_rendering()
    assert any(box_of(text).max() > 1 or box_of(text).min() < 0 for text in texts_of(figure))
    charts.break_long_texts(figure)
    figure.draw_without_rendering()
    for text in texts_of(figure):
        assert box_of(text).min() >= 0, text
        assert box_of(text).max() <= 1, text
        assert "\n" in text.get_text() or len(text.get_text()) < len(words)


def texts_of(figure):
    texts = [
        *figure.texts,
        *(text for axes in figure.axes for text in (axes.title, axes.xaxis.label, axes.yaxis.label)),
    ]
    return [text for text in texts if text.get_text() and text.get_visible()]


def box_of(text):
    """Its ends, as shares of the figure."""
    figure = text.get_figure(root=True)
    return figure.transFigure.inverted().transform(text.get_window_extent())

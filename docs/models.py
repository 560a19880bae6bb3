"""Make docs/models.md: every model on real data where there is some, its metrics and its figures side by side.

Each is run for real, all in one Spark session, and tracked in a folder that is thrown away; about five minutes:

    uv run --all-extras python docs/models.py [--only pca]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from mlflow.tracking import MlflowClient
from PIL import Image

from experiments import load
from experiments.config.choices import choices
from experiments.experiment import Result, run

PAGE = Path(__file__).with_name("models.md")
PICTURES = Path(__file__).with_name("models")
METRICS = 6
COLUMNS = 2
# Pixels beyond which a picture has a line of its own, as its words could not be read at half of it.
WIDE = 800
# What each is shown on, where that is not the data that its config names.
WORDS = {
    "decision_tree": ["data=iris"],
    "decision_tree_regressor": ["data=diabetes"],
    "elastic_net": ["data=diabetes"],
    "gaussian_mixture": ["data=iris"],
    "gbt": ["data=diabetes"],
    "gbt_classifier": ["data=breast_cancer"],
    "keras_horovod": ["data=digits", "model.estimator.validationFraction=0.1"],
    "keras_local": ["data=wine", "model.estimator.epochs=20", "model.estimator.validationFraction=0.2"],
    "keras_regressor": ["model.estimator.validationFraction=0.1"],
    "keras_tensorflow": ["data=breast_cancer", "model.estimator.validationFraction=0.1"],
    "kmeans": ["data=iris"],
    "bisecting_kmeans": ["data=iris"],
    "lasso": ["data=diabetes"],
    "linear_regression": ["data=diabetes"],
    "linear_svc": ["data=breast_cancer"],
    "logistic_regression": ["data=breast_cancer"],
    "mlp": ["data=digits"],
    "pca": ["data=digits"],
    "random_forest": ["data=wine"],
    "random_forest_regressor": ["data=diabetes"],
    "ridge": ["data=diabetes"],
    "svd": ["data=wine"],
    "tuned_forest": ["data=wine"],
    "xgboost": ["data=breast_cancer"],
}
TOP = """# What the models show

Made by `docs/models.py` from real runs: of each model its command, what it is judged by, and all its figures. Behind \
each figure a run holds a CSV with the same name.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    models = choices("model")
    parser.add_argument("--only", choices=models, help="make one model's part anew, and leave the others as they are")
    chosen = parser.parse_args().only
    PICTURES.mkdir(exist_ok=True)
    kept = PICTURES / "runs.json"
    parts = json.loads(kept.read_text()) if chosen and kept.is_file() else {}
    for model, line in models.items():
        if chosen in (None, model):
            words = [f"model={model}", *WORDS.get(model, [])]
            parts[model] = {"words": words, "line": line.partition("   ")[0], **shown(model, words)}
    kept.write_text(json.dumps(parts, indent=1) + "\n")
    PAGE.write_text("\n".join([TOP, *(section(model, parts[model]) for model in sorted(parts))]))


def shown(model: str, words: list[str]) -> dict[str, object]:
    """A real run's metrics and the names of its pictures, which are put into `PICTURES`."""
    with tempfile.TemporaryDirectory() as folder:
        config = load([*words, f"tracking.folder={folder}", "registry=none"])
        result: Result = run(config)
        client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
        figures = sorted(each.path for each in client.list_artifacts(result.run_id) if each.path.endswith(".png"))
        for old in PICTURES.glob(f"{model}-*.webp"):
            old.unlink()
        pictures = []
        for figure in figures:
            name = f"{model}-{figure.removesuffix('.png')}.webp"
            Image.open(client.download_artifacts(result.run_id, figure)).save(PICTURES / name, quality=70, method=6)
            pictures.append(name)
    return {"metrics": result.metrics, "pictures": pictures}


def section(model: str, part: dict) -> str:
    held_out = {
        name: value for name, value in part["metrics"].items() if not name.startswith(("train_", "cluster_size_"))
    }
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in list(held_out.items())[:METRICS])
    wide = [name for name in part["pictures"] if Image.open(PICTURES / name).width > WIDE]
    cells = [picture(name, 430) for name in part["pictures"] if name not in wide]
    lines = [cells[start : start + COLUMNS] for start in range(0, len(cells), COLUMNS)]
    lines += [[picture(name, 870, COLUMNS)] for name in wide]
    table = "\n".join(f"<tr>{''.join(line)}</tr>" for line in lines)
    command = f"    experiments {' '.join(part['words'])}\n"
    return f"## {model}\n\n{part['line']}\n\n{command}\n{metrics}\n\n<table>\n{table}\n</table>\n"


def picture(name: str, width: int, columns: int = 1) -> str:
    spanned = f' colspan="{columns}"' if columns > 1 else ""
    return f'<td{spanned}><img src="models/{name}" width="{width}" alt="{title(name)}"></td>'


def title(picture: str) -> str:
    model, _, name = picture.removesuffix(".webp").partition("-")
    return f"{name.replace('_', ' ')} of {model}"


if __name__ == "__main__":
    main()

"""The house is as docs/architecture.md says: its rooms, which of them may know which, and how large they are."""

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "experiments"
FILES = {path.relative_to(SOURCE).as_posix(): path.read_text() for path in SOURCE.rglob("*.py")}
MOST_LINES, MOST_LINES_OF_A_FUNCTION, MOST_AT_THE_TOP = 300, 40, 9


def test_rooms_import_from_the_floors_below_them():
    # A process of its own: it changes the logging of this one.
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_map_names_every_module_and_no_other():
    text = (ROOT / "docs" / "architecture.md").read_text()
    named = set()
    for room, files in re.findall(r"^\| `(\S*?)/?` \| [^|]+ \| ([^|]+) \|$", text, re.MULTILINE):
        named |= {f"{room}/{name}.py".lstrip("./") for name in re.findall(r"`(\w+)`", files)}
    assert named == {name for name in FILES if not name.endswith("__init__.py")}


def test_the_top_is_small_and_files_and_functions_fit_on_a_screen():
    assert sum("/" not in name for name in FILES) <= MOST_AT_THE_TOP
    assert {name for name, text in FILES.items() if text.count("\n") > MOST_LINES} == set()
    long = {
        f"{name}:{node.name}"
        for name, text in FILES.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and lines_of(node) > MOST_LINES_OF_A_FUNCTION
    }
    assert long == set()


def lines_of(function):
    """Without its docstring."""
    said = ast.get_docstring(function, clean=False)
    return function.end_lineno - function.lineno + 1 - (said.count("\n") + 1 if said else 0)


def test_scripts_import_modules_that_are_there():
    """Also in the code that they hand to other processes, which no linter reads."""
    scripts = [path for folder in ("benchmarks", "docs", "tests") for path in (ROOT / folder).rglob("*.py")]
    named = {
        (path.name, name)
        for path in scripts
        for name in re.findall(r"from experiments\.([\w.]+) import", path.read_text())
    }
    assert len(named) > 50
    missing = {
        (script, name)
        for script, name in named
        if not {f"{name.replace('.', '/')}.py", f"{name.replace('.', '/')}/__init__.py"} & FILES.keys()
    }
    assert missing == set()


def test_the_folder_that_is_copied_into_models_knows_the_same_types():
    """It can import nothing of ours."""
    from experiments.data import kinds
    from experiments.tracking.experiments_pyfunc import frames

    for name in ("WHOLE", "DECIMALS", "DATES"):
        assert getattr(frames, name) == getattr(kinds, name)
    copied = [text for name, text in FILES.items() if name.startswith("tracking/experiments_pyfunc/")]
    assert len(copied) == 4
    for text in copied:
        roots = {root.split(".")[0] for root in re.findall(r"^\s*(?:from|import) (\S+)", text, re.M)}
        assert "experiments" not in roots


def test_only_tracking_talks_to_mlflow_about_runs():
    asking = re.compile(r"(?<!\.)client\.")  # behind a point it is a package of Java's
    assert {name for name, text in FILES.items() if asking.search(text) and not name.startswith("tracking/")} == set()


def test_a_law_stands_once():
    laws = {
        "which metric is better": r"METRICS\[[^\]]+\]\.get\(|METRICS\[[^\]]+\]\[",
        "what no identity has": r'"registry", "sweep"',
        "Hydra's own node": r'del composed\["hydra"\]',
        "pages of runs": r"page_token=",
        "where a sqlite file is": r'"sqlite:///"',
        "what is a user's is no markup": r"Console\(|markup=",
        "how runs are looked at": r"mlflow ui --backend-store-uri",
    }
    for law, pattern in laws.items():
        found = [name for name, text in FILES.items() if re.search(pattern, text)]
        assert len(found) == 1, (law, found)

"""Every command that README shows is run, in the order and the spelling in which it stands there."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
# What installs, what this very run is, and what does not end by itself.
NOT_RUN = {"pip install uv", "uv run --all-extras pytest", "mlflow ui"}


def blocks():
    """The indented blocks: files, which begin with a comment that is their path, and commands."""
    found = re.findall(r"(?:^ {4}.*\n)+", README.read_text(), re.MULTILINE)
    texts = [re.sub("^ {4}", "", block, flags=re.MULTILINE) for block in found]
    files = {text.splitlines()[0].removeprefix("# "): text for text in texts if text.startswith("# ")}
    commands = [line for text in texts if not text.startswith("# ") for line in text.splitlines()]
    return files, commands


FILES, COMMANDS = blocks()


def test_readme_shows_what_these_tests_know():
    assert set(COMMANDS) >= NOT_RUN
    assert len(COMMANDS) >= 14
    assert len(FILES) == 1


@pytest.mark.parametrize("line", [line for line in COMMANDS if line not in NOT_RUN])
def test_a_command_of_readme_works(line, command, server, environment, tmp_path):
    environment["UV_NO_SYNC"] = "1"  # the environment of this test is not `uv run`'s to change
    environment["UV_PROJECT_ENVIRONMENT"] = environment["PATH"].split("/bin:")[0]
    (tmp_path / "houses.csv").write_text("size,price\n" + "".join(f"{i},{5 * i + i % 3}\n" for i in range(100)))
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    if "127.0.0.1:5000" in line:
        line = line.replace("http://127.0.0.1:5000", server()[0])
    folder = README.parent if " . " in line else tmp_path
    done = command("bash", "-c", f"cd '{folder}' && {line}")
    assert done.returncode == 0, done.stderr
    if "experiments models" in line:
        assert "model=ridge" in done.stdout

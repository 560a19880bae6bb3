"""The two files that state what the project needs state the same."""

import tomllib
from pathlib import Path

import yaml

PROJECT = Path(__file__).parents[2]


def test_python_env_states_what_pyproject_states():
    stated = yaml.safe_load((PROJECT / "python_env.yaml").read_text())["dependencies"]
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert sorted(stated) == sorted(project["dependencies"])

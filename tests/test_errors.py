import inspect
import tomllib
from pathlib import Path

import pytest

from chimera import errors
from chimera.errors import ChimeraError, MissingExtraError, ProjectLockedError, SourceError


def test_every_error_is_a_chimera_error_and_a_builtin() -> None:
    classes = [getattr(errors, name) for name in errors.__all__ if name != "ChimeraError"]
    assert len(classes) > 10
    for error in classes:
        builtin = [base for base in inspect.getmro(error) if base.__module__ == "builtins"]
        assert issubclass(error, ChimeraError)
        assert builtin[0] is not Exception, error


def test_all_lists_every_class() -> None:
    defined = {name for name, _ in inspect.getmembers(errors, inspect.isclass)}
    assert {name for name in defined if name.endswith("Error")} == set(errors.__all__)


def test_source_error_keeps_its_diagnostics() -> None:
    finding = {"file": "t.py", "line": 3, "column": 4, "construct": "dict", "message": "m"}
    error = SourceError("t.py:3:4: dict: m", [finding])
    assert error.diagnostics == [finding]
    assert str(error) == "t.py:3:4: dict: m"
    assert SourceError("alone").diagnostics == []


def test_locked_error_names_the_process() -> None:
    assert ProjectLockedError("busy", 12).pid == 12


def test_missing_extra_says_what_to_install() -> None:
    with pytest.raises(ImportError, match=r"pip install 'chimera-engine\[plot\]'"):
        raise MissingExtraError("plot", "matplotlib")


def test_the_distribution_is_called_as_the_project_says() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["name"] == errors.DISTRIBUTION

from pathlib import Path
from typing import Any

import pytest

from chimera.config import Budget, Settings, environment_int, parse_duration, resolve_project
from chimera.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60.0), ("5m", 300.0), ("1h30m", 5400.0), ("250ms", 0.25), (" 1H 5s ", 3605.0),
     ("1.5m", 90.0), ("7", 7.0), (2.5, 2.5), ("2d", 172_800.0)],
)  # fmt: skip
def test_duration_is_read(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "60x", "5m!", "m5", "sixty", "1h-5m"])
def test_duration_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected a duration such as 60s"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0", "0s", 0, -1.0, "-5", "nan", "inf", "31d"])
def test_duration_out_of_range_is_refused(text: str | float) -> None:
    with pytest.raises(ConfigError, match="expected a budget above zero"):
        parse_duration(text)


def test_budget_defaults_to_a_minute() -> None:
    assert Budget.of(None, None) == Budget(seconds=60.0)
    assert str(Budget.of(None, None)) == "60s"
    assert str(Budget.of(None, 500)) == "500 evaluations"


def test_budget_takes_one_limit_only() -> None:
    with pytest.raises(ConfigError, match="only one of --budget and --evaluations"):
        Budget.of("60s", 100)


@pytest.mark.parametrize("evaluations", [0, -1, True, 10**13])
def test_budget_of_evaluations_is_bounded(evaluations: int) -> None:
    with pytest.raises(ConfigError, match="expected evaluations"):
        Budget.of(None, evaluations)


@pytest.mark.parametrize(
    "change",
    [{"seed": -1}, {"seed": 2**63}, {"threads": -1}, {"n_train": 0}, {"n_holdout": 7},
     {"n_holdout": 5_000}, {"n_probes": 0}, {"checkpoint_s": -1.0}, {"seed": True}],
)  # fmt: skip
def test_settings_are_bounded(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        Settings(**change)


def test_settings_accept_their_limits() -> None:
    assert Settings(seed=2**63 - 1, n_holdout=8, n_train=4_096).n_holdout == 8


def test_project_lies_beside_the_task(tmp_path: Path) -> None:
    assert resolve_project(None, tmp_path / "task.py", {}) == tmp_path / ".chimera"
    assert resolve_project(None, None, {}) == Path.cwd() / ".chimera"


def test_project_argument_wins_over_the_environment(tmp_path: Path) -> None:
    variables = {"CHIMERA_PROJECT": str(tmp_path / "b")}
    assert resolve_project(tmp_path / "a", None, variables) == tmp_path / "a"
    assert resolve_project(None, tmp_path / "task.py", variables) == tmp_path / "b"


def test_environment_number_is_checked() -> None:
    assert environment_int("threads", 3, {}) == 3
    assert environment_int("threads", 3, {"CHIMERA_THREADS": "2"}) == 2
    with pytest.raises(ConfigError, match="CHIMERA_THREADS"):
        environment_int("threads", 3, {"CHIMERA_THREADS": "two"})

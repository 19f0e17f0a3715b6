from typing import Any

import pytest

import chimera
from chimera.errors import TaskError
from chimera.improve.marks import MARK, Mark


def function(x: float) -> float:
    return x


def test_decorators_return_the_function_itself() -> None:
    def local(x: float) -> float:
        return x

    assert chimera.evolve(local) is local
    assert getattr(local, MARK) == Mark("evolve")
    assert local(2.0) == 2.0


def test_objective_carries_its_direction() -> None:
    @chimera.objective(direction="maximize")
    def local(x: float) -> float:
        return x

    assert getattr(local, MARK) == Mark("objective", direction="maximize")


def test_workload_works_with_and_without_parentheses() -> None:
    @chimera.workload
    def train(seed: int) -> tuple[int]:
        return (seed,)

    @chimera.workload(holdout=True)
    def unseen(seed: int) -> tuple[int]:
        return (seed,)

    assert not getattr(train, MARK).is_holdout
    assert getattr(unseen, MARK).is_holdout


@pytest.mark.parametrize("direction", ["", "min", "Minimize"])
def test_unknown_direction_is_refused(direction: str) -> None:
    with pytest.raises(TaskError, match="direction='minimize'"):
        chimera.objective(direction=direction)


def test_objective_without_parentheses_is_refused() -> None:
    with pytest.raises(TaskError, match="got no direction"):
        chimera.objective(function)


@pytest.mark.parametrize("target", [int, 3, "text", len])
def test_only_plain_functions_are_marked(target: Any) -> None:
    with pytest.raises(TaskError, match="expected a plain function"):
        chimera.evolve(target)


def test_two_marks_on_one_function_are_refused() -> None:
    def local(x: float) -> float:
        return x

    with pytest.raises(TaskError, match="expected one Chimera decorator"):
        chimera.workload(chimera.evolve(local))


def test_names_serve_as_annotations() -> None:
    assert chimera.ints == list[int]
    assert chimera.float_matrix == list[list[float]]
    assert chimera.tunable[float].__args__ == (float,)  # type: ignore[attr-defined]

"""What a task file imports: decorators that mark functions, and names for annotations.

At run time the decorators return the function itself with one attribute added, so a task file
runs under plain CPython as it is. Nothing here imports the rest of Chimera but its errors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Annotated, Any, Final, Literal, TypeVar, overload

from chimera.errors import TaskError

__all__ = [
    "MARK",
    "Mark",
    "bool_matrix",
    "bools",
    "evolve",
    "float_matrix",
    "floats",
    "int_matrix",
    "ints",
    "objective",
    "tunable",
    "workload",
]

MARK: Final = "__chimera__"

bools = list[bool]
ints = list[int]
floats = list[float]
bool_matrix = list[list[bool]]
int_matrix = list[list[int]]
float_matrix = list[list[float]]

_T = TypeVar("_T")
_F = TypeVar("_F", bound=Callable[..., Any])

tunable = Annotated[_T, "chimera.tunable"]
"""Annotation of a module constant that evolution may tune: ``W: chimera.tunable[float] = 0.5``."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a decorator says about a function.

    Attributes:
        kind: Its part in the task.
        direction: For the objective, which scores are better.
        is_holdout: For a workload, whether its instances are unseen until the verdict.
    """

    kind: Literal["evolve", "objective", "workload"]
    direction: str = ""
    is_holdout: bool = False


def _marked(function: _F, mark: Mark) -> _F:
    if not isinstance(function, FunctionType):
        raise TaskError(
            f"expected a plain function below @chimera.{mark.kind}, got "
            f"{type(function).__name__}; write def below the decorator"
        )
    present: Mark | None = getattr(function, MARK, None)
    if present is not None:
        raise TaskError(
            f"expected one Chimera decorator on {function.__name__}, got @chimera.{present.kind} "
            f"and @chimera.{mark.kind}; keep one"
        )
    setattr(function, MARK, mark)
    return function


def evolve(function: _F) -> _F:
    """Mark a function whose body evolution may change.

    Args:
        function: A function in the compiled subset, with annotated parameters and result.
    """
    return _marked(function, Mark("evolve"))


def objective(function: object = None, /, *, direction: str = "") -> Callable[[_F], _F]:
    """Mark the function that scores one instance by calling the evolvable ones.

    Args:
        function: Never given; it catches the decorator being used without parentheses.
        direction: ``"minimize"`` or ``"maximize"``.

    Raises:
        TaskError: If the direction is another word.
    """
    if direction not in ("minimize", "maximize"):
        raise TaskError(
            "expected @chimera.objective(direction='minimize') or (direction='maximize'), got "
            + (f"direction={direction!r}" if function is None else "no direction")
            + "; say which scores are better"
        )
    return lambda function: _marked(function, Mark("objective", direction=direction))


@overload
def workload(function: _F, /) -> _F: ...
@overload
def workload(*, holdout: bool = False) -> Callable[[_F], _F]: ...
def workload(function: _F | None = None, /, *, holdout: bool = False) -> _F | Callable[[_F], _F]:
    """Mark a function of one seed that returns one instance: the objective's arguments.

    Args:
        function: The function, when used without parentheses.
        holdout: True for unseen instances, from which alone the verdict comes.
    """
    mark = Mark("workload", is_holdout=holdout)
    if function is not None:
        return _marked(function, mark)
    return lambda decorated: _marked(decorated, mark)

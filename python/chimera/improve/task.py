"""Task files: one Python file that says what may change, what counts, and on which data.

A file is executed under a module name of its own, with its folder importable meanwhile, so that
two tasks never meet in ``sys.modules``. Loading checks everything that can be checked without
running the workloads.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import itertools
import sys
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Final

from chimera.errors import SourceError, TaskError
from chimera.improve.foreign import describe
from chimera.improve.marks import MARK, Mark

__all__ = ["Task", "execute_source", "load_task", "path_of", "same_helpers"]

TASK_BYTES_MAX: Final = 1 << 20
NESTING_MAX: Final = 400
"""Levels of the syntax tree; a chain of as many operators has as many levels."""
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Task:
    """A loaded task file.

    Attributes:
        path: The file, absolute.
        name: The file's stem; the registry knows the task by it.
        source: The file's text.
        source_hash: sha256 (hex) of the text.
        module: The executed module.
        evolvable: Names of the functions that may change, in file order.
        objective: Name of the scoring function.
        direction: ``"minimize"`` or ``"maximize"``.
        parameters: The objective's parameter names and types, in order.
        train: The training workload.
        holdout: The workload of unseen instances.
    """

    path: Path
    name: str
    source: str
    source_hash: str
    module: ModuleType
    evolvable: tuple[str, ...]
    objective: str
    direction: str
    parameters: dict[str, Any]
    train: Callable[[int], Any]
    holdout: Callable[[int], Any]

    @property
    def sign(self) -> float:
        """Factor that turns a score difference into a gain: positive is better."""
        return 1.0 if self.direction == "maximize" else -1.0

    @contextmanager
    def importable(self) -> Iterator[None]:
        """Put the task's folder first on ``sys.path`` during the block."""
        with _importable(self.path.parent):
            yield


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    entry = str(folder)
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        if entry in sys.path:
            sys.path.remove(entry)


def load_task(path: str | Path, source: str | None = None) -> Task:
    """Load and check a task file.

    Args:
        path: The file.
        source: Text to use instead of the file's, as replaying an older state needs.

    Raises:
        SourceError: If the text is no valid Python.
        TaskError: If the file is missing, raises on import, or lacks a part of a task.
    """
    file = path_of(path)
    text = _read(file) if source is None else source
    module = execute_source(text, file)
    marked = _marked(module)
    objective, mark = _only(marked, "objective", file)
    evolvable = tuple(name for name, (_, found) in marked.items() if found.kind == "evolve")
    if not evolvable:
        raise _missing("@chimera.evolve", "the function that may change", file)
    return Task(
        path=file,
        name=file.stem,
        source=text,
        source_hash=hashlib.sha256(text.encode()).hexdigest(),
        module=module,
        evolvable=evolvable,
        objective=objective.__name__,
        direction=mark.direction,
        parameters=_parameters(objective, file),
        train=_workload(marked, file, is_holdout=False),
        holdout=_workload(marked, file, is_holdout=True),
    )


def path_of(path: object) -> Path:
    """Return a task file's absolute path.

    Raises:
        TaskError: If it is neither text nor a path, or names no place.
    """
    if not isinstance(path, str | Path) or "\0" in str(path) or not str(path):
        raise TaskError(
            f"expected the path of a task file as text or pathlib.Path, got {type(path).__name__} "
            f"{path!r}; write for example 'task.py'"
        )
    return Path(path).expanduser().absolute()


def _read(file: Path) -> str:
    try:
        is_special = file.exists() and not file.is_file() and not file.is_dir()
        data = b"" if is_special else file.read_bytes()
    except OSError as error:
        raise TaskError(
            f"expected a task file, got {error.strerror} for {file}; give the path of a Python file"
        ) from error
    if is_special:  # reading a pipe or a device may never end
        raise TaskError(f"expected a task file, got a pipe or a device: {file}; give a Python file")
    if len(data) > TASK_BYTES_MAX:
        raise TaskError(f"expected a task file up to 1 MiB, got {len(data)} bytes: {file}")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise TaskError(f"expected a UTF-8 text file, got {error.reason} in {file}") from error


def execute_source(text: str, file: Path) -> ModuleType:
    """Execute module text under a module name of its own and return the module.

    Args:
        text: Python source.
        file: Where it stands, for tracebacks and imports of its neighbours.

    Raises:
        SourceError: If it is no valid Python.
        TaskError: If it raises.
    """
    try:
        tree = ast.parse(text, str(file))
        if _is_deeper(tree, NESTING_MAX):
            raise _too_deep(file)
        code = compile(tree, str(file), "exec", dont_inherit=True)
    except (RecursionError, MemoryError) as error:
        raise _too_deep(file) from error
    except SourceError:
        raise
    except (SyntaxError, ValueError) as error:
        raise _syntax_error(error, file) from error
    module = types.ModuleType(f"_chimera_task_{next(_numbers)}_{file.stem}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module
    try:
        with _importable(file.parent):
            exec(code, module.__dict__)  # noqa: S102
    except TaskError:
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise TaskError(
            f"expected {file.name} to import cleanly, got {describe(error)}; run it with "
            f"python to see the traceback ({file})"
        ) from error
    return module


def _is_deeper(tree: ast.AST, limit: int) -> bool:
    """Whether the syntax tree has more levels than the native compiler's stack is sure to hold."""
    level = [tree]
    for _ in range(limit):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return False
    return True


def _syntax_error(error: SyntaxError | ValueError, file: Path) -> SourceError:
    return _unreadable(
        file,
        line=getattr(error, "lineno", None) or 1,
        column=getattr(error, "offset", None) or 1,
        message=getattr(error, "msg", None) or str(error),
        remedy="correct the line so that Python accepts it",
    )


def _too_deep(file: Path) -> SourceError:
    remedy = "split it: give the parts of the deepest expression or block names of their own"
    message = (
        f"expected at most {NESTING_MAX} levels of nesting, got code nested too deeply; {remedy}"
    )
    return _unreadable(file, line=1, column=1, message=message, remedy=remedy)


def _unreadable(file: Path, *, line: int, column: int, message: str, remedy: str) -> SourceError:
    return SourceError(
        f"{file}:{line}:{column}: syntax: {message}",
        [
            {
                "file": str(file),
                "line": line,
                "column": column,
                "construct": "syntax",
                "message": message,
                "help": remedy,
            }
        ],
    )


def _marked(module: ModuleType) -> dict[str, tuple[FunctionType, Mark]]:
    """Return the file's own functions that carry a mark, by name, in file order."""
    found: dict[str, tuple[FunctionType, Mark]] = {}
    for value in list(module.__dict__.values()):
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            mark = getattr(value, MARK, None)
            if isinstance(mark, Mark):
                found[value.__name__] = (value, mark)
    return dict(sorted(found.items(), key=lambda item: item[1][0].__code__.co_firstlineno))


def _missing(decorator: str, purpose: str, file: Path) -> TaskError:
    return TaskError(
        f"expected a function with {decorator}, got none; put it above {purpose} ({file})"
    )


def _only(
    marked: dict[str, tuple[FunctionType, Mark]], kind: str, file: Path
) -> tuple[FunctionType, Mark]:
    found = [pair for pair in marked.values() if pair[1].kind == kind]
    if not found:
        raise _missing(
            "@chimera.objective(direction=...)", "the function that scores an instance", file
        )
    if len(found) > 1:
        names = ", ".join(function.__name__ for function, _ in found)
        raise TaskError(
            f"expected one @chimera.objective, got {len(found)} ({names}); keep one and call the "
            f"others from it ({file})"
        )
    return found[0]


def _workload(
    marked: dict[str, tuple[FunctionType, Mark]], file: Path, *, is_holdout: bool
) -> FunctionType:
    found = [
        function
        for function, mark in marked.values()
        if mark.kind == "workload" and mark.is_holdout == is_holdout
    ]
    decorator = "@chimera.workload(holdout=True)" if is_holdout else "@chimera.workload"
    if not found:
        raise _missing(decorator, "a function of one seed that returns an instance", file)
    if len(found) > 1:
        names = ", ".join(function.__name__ for function in found)
        raise TaskError(f"expected one {decorator}, got {len(found)} ({names}); keep one ({file})")
    if len(inspect.signature(found[0]).parameters) != 1:
        raise TaskError(
            f"expected {found[0].__name__}(seed) to take one parameter, got "
            f"{inspect.signature(found[0])}; write def {found[0].__name__}(seed: int) ({file})"
        )
    return found[0]


def _parameters(objective: FunctionType, file: Path) -> dict[str, Any]:
    try:
        hints = typing.get_type_hints(objective)
    except Exception as error:
        raise TaskError(
            f"expected readable annotations on {objective.__name__}, got {describe(error)}; "
            f"use bool, int, float, chimera.ints, chimera.floats and their matrices ({file})"
        ) from error
    returned = hints.pop("return", None)
    names = list(inspect.signature(objective).parameters)
    if missing := [name for name in names if name not in hints]:
        raise TaskError(
            f"expected annotations on every parameter of {objective.__name__}, got none on "
            f"{', '.join(missing)}; write for example {missing[0]}: int ({file})"
        )
    if returned is not float:
        raise TaskError(
            f"expected {objective.__name__} to return float, got "
            f"{'no annotation' if returned is None else returned}; write -> float ({file})"
        )
    if not names:
        raise TaskError(
            f"expected {objective.__name__} to take the instance as parameters, got none ({file})"
        )
    return {name: hints[name] for name in names}


def same_helpers(left: str, right: str, evolvable: Sequence[str]) -> bool:
    """Return whether two versions of a task file agree in every function that may not change."""
    return _helpers(left, evolvable) == _helpers(right, evolvable)


def _helpers(source: str, evolvable: Sequence[str]) -> dict[str, str]:
    functions = (node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef))
    return {node.name: ast.dump(node) for node in functions if node.name not in evolvable}

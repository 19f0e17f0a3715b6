"""Shrinks a program on which CPython and the sandbox disagree, keeping the disagreement.

Works on Python's syntax tree: drop statements and functions, replace compound statements by their
bodies, expressions by their operands or by literals, and shorten arguments. A candidate counts only
if it is shorter and still shows the same verdict; programs that the front end refuses do not.
"""

import ast
import copy
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from chimera._chimera.execution import Engine
from chimera.errors import ChimeraError

from .compare import Comparison, Verdict, compare
from .differential import Difference, Sandbox, reprinted
from .parts import Signature
from .reference import Reference
from .values import Value

ATTEMPTS_MAX = 1_500
SECONDS_MAX = 0.5
PLACES = re.compile(r"[\w<>.]+:\d+:\d+: |`[^`]*`")


class Endless(BaseException):  # passes through what catches the errors of generated programs
    """A simplified program lost what ended its loop."""


@contextmanager
def limited() -> Iterator[None]:
    """Stop CPython inside the block when it takes too long."""

    def stop(*_: object) -> None:
        raise Endless

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS_MAX)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def minimised(engine: Engine, difference: Difference) -> Difference:
    """The smallest program found that shows the same verdict."""
    return Minimiser(engine, difference).run()


class Minimiser:
    """Greedy reduction to a fixed point, with a bound on the attempts."""

    def __init__(self, engine: Engine, difference: Difference) -> None:
        self.engine = engine
        self.best = difference
        self.attempts = 0

    def run(self) -> Difference:
        changed = True
        while changed and self.attempts < ATTEMPTS_MAX:
            changed = self._shrink_program() or self._shrink_arguments()
        return self.best

    def _shrink_program(self) -> bool:
        changed = False
        idx = 0
        while self.attempts < ATTEMPTS_MAX:
            tree = ast.parse(self.best.source)
            edits = list(_edits(tree))
            if idx >= len(edits):
                return changed
            edits[idx]()
            if self._try(tree, self.best.args):
                changed = True
            else:
                idx += 1
        return changed

    def _shrink_arguments(self) -> bool:
        changed = False
        tree = ast.parse(self.best.source)
        for at in range(len(self.best.args)):
            for smaller in _smaller(self.best.args[at]):
                args = list(self.best.args)
                args[at] = smaller
                if self._try(tree, args):
                    changed = True
                    break
        return changed

    def _try(self, tree: ast.Module, args: list[Value]) -> bool:
        self.attempts += 1
        try:
            source = ast.unparse(ast.fix_missing_locations(tree)) + "\n"
            size = (len(source), len(repr(args)))
            if size >= (len(self.best.source), len(repr(self.best.args))):
                return False
            with limited():
                found = self._judge(source, args)
        except (
            Endless,
            MemoryError,
            ChimeraError,
            SyntaxError,
            ValueError,
            NameError,
            TypeError,
            KeyError,
            IndexError,
        ):
            return False
        if found is None or found[0].verdict is not self.best.comparison.verdict:
            return False
        if found[0].detail != self.best.comparison.detail:
            return False
        seed, is_evolvable = self.best.seed, self.best.is_evolvable
        self.best = Difference(seed, source, found[1], args, found[0], is_evolvable)
        return True

    def _judge(self, source: str, args: list[Value]) -> tuple[Comparison, Signature] | None:
        old = self.best.signature
        definitions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
        roots = [node.name for node in definitions]
        if self.best.comparison.verdict is Verdict.REFUSED:
            return self._refused(source, roots)
        own = next((node for node in definitions if node.name == old.name), None)
        if own is None:
            return None
        params = tuple(
            (arg.arg, ast.unparse(arg.annotation)) for arg in own.args.args if arg.annotation
        )
        signature = Signature(old.name, params, old.returns)
        # An engine keeps compiled forms by what they compute, with the lines of the first program.
        by_line = self.best.comparison.verdict is Verdict.OTHER_REASON
        engine = Engine(threads=1) if by_line else self.engine
        sandbox = Sandbox(engine, source, roots, is_evolvable=self.best.is_evolvable)
        ran = sandbox.run(old.name, args)
        return compare(Reference(source), signature, args, ran), signature

    def _refused(self, source: str, roots: list[str]) -> tuple[Comparison, Signature] | None:
        """Keep refusals that are about printing or about the same construct."""
        try:
            reprinted(source, roots)
        except AssertionError as error:
            message = str(error)
        else:
            return None
        if complaint(message) != complaint(self.best.comparison.got):
            return None
        return Comparison(Verdict.REFUSED, "", "", message), self.best.signature


def complaint(message: str) -> str:
    """The first line of a refusal without places and names."""
    return PLACES.sub("", message.partition("\n")[0])


def _smaller(item: Value) -> Iterator[Value]:
    if isinstance(item, bool):
        if item:
            yield False
    elif isinstance(item, list):
        for at in range(len(item)):
            yield item[:at] + item[at + 1 :]
        for at, inner in enumerate(item):
            for simpler in _smaller(inner):
                yield [*item[:at], simpler, *item[at + 1 :]]
    elif isinstance(item, int):
        yield from (value for value in (0, 1, -1, 2) if len(str(value)) < len(str(item)))
    elif isinstance(item, float):
        yield from (value for value in (0.0, 1.0, 0.5) if len(repr(value)) < len(repr(item)))


def _edits(tree: ast.Module) -> Iterator[Callable[[], None]]:
    """Every single simplification of the tree, the largest first."""
    for body in list(_bodies(tree)):
        for at, stmt in enumerate(body):
            yield _replace(body, at, [])
            for inner in _bodies(stmt, own=True):
                yield _replace(body, at, inner)
    for node in ast.walk(tree):
        for name, child in ast.iter_fields(node):
            if isinstance(child, ast.expr) and name not in {
                "annotation",
                "returns",
                "func",
                "target",
            }:
                for simpler in _simpler(child):
                    yield _set(node, name, simpler)
            elif isinstance(child, list) and child and isinstance(child[0], ast.expr):
                for at, item in enumerate(child):
                    if len(child) > 1 and isinstance(
                        node, ast.List | ast.Call | ast.BoolOp | ast.Tuple
                    ):
                        yield _replace(child, at, [])
                    for simpler in _simpler(item):
                        yield _replace(child, at, [simpler])
            elif name == "ifs" and child:
                yield _replace(child, 0, [])


def _bodies(node: ast.AST, *, own: bool = False) -> Iterator[list[ast.stmt]]:
    for inner in [node] if own else ast.walk(node):
        for name in ("body", "orelse"):
            found = getattr(inner, name, None)
            if isinstance(found, list):
                yield found


def _simpler(expr: ast.expr) -> Iterator[ast.expr]:
    if isinstance(expr, ast.Name | ast.Attribute) or isinstance(
        getattr(expr, "ctx", None), ast.Store
    ):
        return
    if not isinstance(expr, ast.Constant):
        for child in ast.iter_child_nodes(expr):
            if isinstance(child, ast.expr):
                yield copy.deepcopy(child)
        for literal in ("0", "1", "0.0", "1.0", "True", "[]", "[0]", "[0.0]"):
            yield ast.parse(literal, mode="eval").body
    elif isinstance(expr.value, float) and expr.value not in (0.0, 1.0):
        yield from (ast.Constant(0.0), ast.Constant(1.0))
    elif type(expr.value) is int and expr.value not in (0, 1):
        yield from (ast.Constant(0), ast.Constant(1), ast.Constant(2))


def _replace(items: list[Any], at: int, new: list[Any]) -> Callable[[], None]:
    def edit() -> None:
        items[at : at + 1] = new

    return edit


def _set(node: ast.AST, name: str, value: ast.expr) -> Callable[[], None]:
    return lambda: setattr(node, name, value)

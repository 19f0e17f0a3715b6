"""CPython as the reference: what a program answers, and which limits of the subset it crosses.

Compiled code may stop where CPython goes on, but only for documented reasons. A second run of the
same text, with every operator and every call watched, tells which of those reasons really occurred;
a trap that no event justifies counts as a difference.
"""

import ast
import builtins
import math
import operator
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .values import Value, copied

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
EXACT_MAX = 2**53
FILE = "<generated>"
WATCHED_CALLS = frozenset({"int", "round", "abs", "pow"})
OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow,
    ast.LShift: operator.lshift, ast.RShift: operator.rshift, ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_, ast.BitXor: operator.xor,
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """CPython returned."""

    value: Any


@dataclass(frozen=True)
class Raised:
    """CPython raised: the exception's class and the function and line it came from."""

    name: str
    function: str
    line: int


class Watch:
    """Operations that note where a program leaves what compiled code can represent."""

    def __init__(self) -> None:
        self.events: set[str] = set()

    def seen(self, result: Any) -> Any:
        if type(result) is int and not INT_MIN <= result <= INT_MAX:
            self.events.add("int overflow")
        elif type(result) is complex:
            self.events.add("complex power")
        return result

    def binary(self, name: str, lhs: Any, rhs: Any) -> Any:
        if name == "Div" and isinstance(lhs, int) and isinstance(rhs, int):
            if max(abs(lhs), abs(rhs)) > EXACT_MAX:
                self.events.add("inexact division")
        if name == "Pow" and isinstance(lhs, int) and isinstance(rhs, int) and rhs < 0:
            self.events.add("negative exponent")
        if name == "Pow" and isinstance(lhs, int | float) and isinstance(rhs, float):
            if lhs < 0 and math.isfinite(rhs) and rhs != math.floor(rhs):
                self.events.add("complex power")  # CPython may overflow on the way
        return self.seen(BY_NAME[name](lhs, rhs))

    def unary(self, name: str, operand: Any) -> Any:
        return self.seen(-operand if name == "USub" else ~operand)

    def augment(self, name: str, place: Any, index: Any, value: Callable[[], Any]) -> None:
        old = place[index]
        place[index] = self.binary(name, old, value())

    def sum(self, items: Any, *start: Any) -> Any:
        total: Any = start[0] if start else 0
        kept = []
        for item in items:
            kept.append(item)
            if isinstance(item, int):
                total = self.seen(total + item)
        if not kept and not start:
            self.events.add("empty sum")
        return builtins.sum(kept, *start)

    def reversed(self, items: range) -> Any:
        if INT_MIN in (items.start, items.stop):
            self.events.add("int overflow")
        return builtins.reversed(items)

    def divmod(self, lhs: Any, rhs: Any) -> Any:
        quotient, rest = builtins.divmod(lhs, rhs)
        return self.seen(quotient), rest

    def copysign(self, x: float, y: float) -> float:
        if math.isnan(y):
            self.events.add("NaN sign")
        return math.copysign(x, y)


BY_NAME = {kind.__name__: function for kind, function in OPERATORS.items()}


class Watched(ast.NodeTransformer):
    """Rewrites operators and calls into calls of a ``Watch`` named ``_watch``."""

    def _watch(self, node: ast.expr, member: str, *args: ast.expr) -> ast.expr:
        function = ast.Attribute(ast.Name("_watch", ast.Load()), member, ast.Load())
        return ast.copy_location(ast.Call(function, list(args), []), node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        name = ast.Constant(type(node.op).__name__)
        return self._watch(node, "binary", name, node.left, node.right)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.op, ast.USub | ast.Invert):
            return self._watch(node, "unary", ast.Constant(type(node.op).__name__), node.operand)
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name in {"sum", "reversed", "copysign", "divmod"}:
            return self._watch(node, name, *node.args)
        if name in WATCHED_CALLS or not isinstance(node.func, ast.Name):
            return self._watch(node, "seen", node)
        return (
            self._watch(node, "seen", node) if name in {"floor", "ceil", "trunc", "gcd"} else node
        )

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        self.generic_visit(node)
        name = ast.Constant(type(node.op).__name__)
        if isinstance(node.target, ast.Subscript):
            value = ast.Lambda(
                ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[]),
                node.value,
            )
            place = (node.target.value, node.target.slice)
            call = self._watch(node.value, "augment", name, *place, value)
            return ast.copy_location(ast.Expr(call), node)
        assert isinstance(node.target, ast.Name)
        load = ast.copy_location(ast.Name(node.target.id, ast.Load()), node)
        value_now = self._watch(node.value, "binary", name, load, node.value)
        return ast.copy_location(ast.Assign([node.target], value_now), node)


def statement_lines(tree: ast.Module) -> dict[int, int]:
    """The first line of the statement, or of the head of the compound one, that a line is part
    of."""
    lines: dict[int, int] = {}
    for node in ast.walk(tree):  # parents come before children
        if isinstance(node, ast.stmt):
            lines.update(dict.fromkeys(range(node.lineno, (node.end_lineno or 0) + 1), node.lineno))
    return lines


class Reference:
    """A program run by CPython."""

    def __init__(self, source: str) -> None:
        self.tree = ast.parse(source)
        self.namespace: dict[str, Any] = {}
        exec(compile(self.tree, FILE, "exec"), self.namespace)
        self.statement_lines = statement_lines(self.tree)
        self._watched: dict[str, Any] | None = None

    def call(self, name: str, args: list[Value]) -> Answer | Raised:
        """What CPython does with fresh copies of the arguments."""
        try:
            return Answer(self.namespace[name](*map(copied, args)))
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            inside = [frame for frame in frames if frame.filename == FILE]
            last = inside[-1]
            own = next((f for f in reversed(inside) if not f.name.startswith("<")), last)
            line = last.lineno or 0
            return Raised(type(error).__name__, own.name, self.statement_lines.get(line, line))

    def events(self, name: str, args: list[Value]) -> set[str]:
        """Which limits of the subset the call crosses before it ends."""
        if self._watched is None:
            self._watched = {"_watch": Watch()}
            tree = ast.fix_missing_locations(Watched().visit(ast.parse(ast.unparse(self.tree))))
            exec(compile(tree, "<watched>", "exec"), self._watched)
        watch = self._watched["_watch"] = Watch()
        try:
            self._watched[name](*map(copied, args))
        except RecursionError:
            watch.events.add("recursion")
        except Exception:
            pass
        return watch.events

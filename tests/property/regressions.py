"""Minimised programs on which compiled code once differed from CPython, replayed by the tests.

A corpus file is a Python module; each ``# call`` comment holds the arguments of one call of its
last function. The file says in its docstring what went wrong.
"""

import ast
import math
import re
from collections.abc import Iterator
from pathlib import Path

from .parts import Signature
from .values import Value

FOLDER = Path(__file__).parent / "corpus"
CALL = re.compile(r"^# call (\w+)\((.*)\)$", re.MULTILINE)


def files() -> list[Path]:
    """Every corpus file, in order of name."""
    return sorted(FOLDER.glob("*.py"))


def functions(source: str) -> list[str]:
    """The names of the functions a corpus file defines."""
    return [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]


def calls(source: str) -> Iterator[tuple[Signature, list[Value]]]:
    """The calls a corpus file asks for."""
    signatures = {
        node.name: signature_of(node)
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
    }
    for name, text in CALL.findall(source):
        args = eval(f"[{text}]", {"inf": math.inf, "nan": math.nan})
        yield signatures[name], args


def signature_of(node: ast.FunctionDef) -> Signature:
    """The signature as its annotations say."""
    params = tuple(
        (arg.arg, ast.unparse(arg.annotation)) for arg in node.args.args if arg.annotation
    )
    returns = ast.unparse(node.returns) if node.returns else "None"
    if returns.startswith("tuple["):
        return Signature(node.name, params, tuple(returns[6:-1].split(", ")))
    return Signature(node.name, params, returns)

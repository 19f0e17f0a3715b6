"""The import rule of ARCHITECTURE.md, read from the syntax trees: nothing imports upward.

Deferred imports inside functions count as well. Imports for type checkers alone (below
``if TYPE_CHECKING``) keep to the floors too, but make no cycle.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

PACKAGE = Path(__file__).parents[2] / "python" / "chimera"

FLOORS = [
    {"_chimera", "config", "errors", "ledger", "storage"},
    {"causal", "evolution", "execution", "memory", "programs"},
    {
        "coordination",
        "discovery",
        "gpu",
        "kernels",
        "meta",
        "monitoring",
        "planning",
        "refinement",
        "resources",
        "validation",
    },
    {"improve", "selfmod"},
    {"orchestrator"},
    {"cli", "service"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
ENGINES = FLOORS[1]
GPU_LIBRARIES = ("cupy", "numba.cuda")


def _module_name(path: Path) -> str:
    parts = ["chimera", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _modules() -> dict[str, Path]:
    return {_module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


MODULES = _modules()


def _room(module: str) -> str:
    """The room of a module; the empty string for the package itself."""
    return module.split(".")[1] if "." in module else ""


def _floor(module: str) -> int:
    """The floor; the package itself is the front door, beside the top floor."""
    return FLOOR_OF[_room(module)] if _room(module) else len(FLOORS) - 1


def _absolute(node: ast.ImportFrom, module: str, path: Path) -> str:
    if node.level == 0:
        return node.module or ""
    base = module.split(".")
    keep = len(base) - node.level + (path.name == "__init__.py")
    return ".".join([*base[:keep], *([node.module] if node.module else [])])


def _is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def _nodes(tree: ast.AST, *, typing: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if typing or not _is_for_type_checkers(node):
            yield node
            yield from _nodes(node, typing=typing)


def _imports(module: str, path: Path, *, typing: bool = True) -> Iterator[str]:
    """Every imported name, as deep as it can be told without importing."""
    for node in _nodes(ast.parse(path.read_text(encoding="utf-8")), typing=typing):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(node, module, path)
            for alias in node.names:
                yield f"{source}.{alias.name}"


def _is_own(name: str) -> bool:
    return name == "chimera" or name.startswith("chimera.")


def _target(name: str) -> str:
    """The module that an imported name lives in: the longest known prefix, else the room."""
    parts = name.split(".")
    for end in range(len(parts), 1, -1):
        if ".".join(parts[:end]) in MODULES:
            return ".".join(parts[:end])
    return ".".join(parts[:2]) if len(parts) > 1 and parts[1] in FLOOR_OF else "chimera"


def _edges(*, typing: bool = True) -> list[tuple[str, str]]:
    return [
        (module, _target(name))
        for module, path in MODULES.items()
        for name in _imports(module, path, typing=typing)
        if _is_own(name)
    ]


def test_every_room_has_a_floor() -> None:
    rooms = {_room(module) for module in MODULES} - {""}
    assert rooms <= set(FLOOR_OF), "give the new room a floor here and in ARCHITECTURE.md"


def test_nothing_imports_upward() -> None:
    upward = [
        f"{module} imports {target}"
        for module, target in _edges()
        if _floor(target) > _floor(module)
    ]
    assert upward == []


def test_engines_do_not_import_each_other() -> None:
    sideways = [
        f"{module} imports {target}"
        for module, target in _edges()
        if _room(module) in ENGINES and _room(target) in ENGINES and _room(module) != _room(target)
    ]
    assert sideways == []


@pytest.mark.parametrize("what", ["modules", "rooms"])
def test_there_are_no_import_cycles(what: str) -> None:
    edges = [(a, b) for a, b in _edges(typing=False) if "chimera" not in (a, b)]
    if what == "rooms":
        edges = [(_room(a), _room(b)) for a, b in edges if _room(a) != _room(b)]
    graph = nx.DiGraph((a, b) for a, b in edges if a != b)
    assert list(nx.simple_cycles(graph)) == []


def test_only_the_gpu_room_imports_gpu_libraries() -> None:
    outside = [
        f"{module} imports {name}"
        for module, path in MODULES.items()
        if _room(module) not in {"gpu", "kernels"}
        for name in _imports(module, path)
        if any(name == library or name.startswith(f"{library}.") for library in GPU_LIBRARIES)
        or _target(name).startswith("chimera.kernels")
    ]
    assert outside == []


def test_the_reader_resolves_relative_and_deep_imports() -> None:
    tree = "from chimera.errors import ChimeraError\nfrom . import _loader\n"
    path = PACKAGE / "gpu" / "__init__.py"
    node = ast.parse(tree).body[1]
    assert isinstance(node, ast.ImportFrom)
    assert _absolute(node, "chimera.gpu", path) == "chimera.gpu"
    assert _target("chimera.gpu._loader.raw_module") == "chimera.gpu._loader"
    assert _target("chimera.improve.anything") in {"chimera.improve", "chimera.improve.anything"}
    assert _target("chimera.not_a_room") == "chimera"

"""
The program representation: Python in, WebAssembly between, Python out.
"""

from _typeshed import SupportsGetItem
from typing import SupportsIndex, final

__all__ = ["Program"]

@final
class Program:
    """
    A program: typed functions that call each other, and module constants.

    Immutable. Made by `Program.parse`, by variation, or by `Program.from_bytes`.
    """
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __repr__(self, /) -> str: ...
    @property
    def evolvable(self, /) -> list[str]:
        """
        Names of the functions that variation may change.
        """
    @staticmethod
    def from_bytes(data: bytes) -> Program:
        """
        Read what `to_bytes` wrote.

        Raises:
            StateError: The bytes are damaged or of another version.
        """
    def function_source(self, /, name: str) -> str | None:
        """
        One function as formatted Python; None when the program has no such function.
        """
    @property
    def functions(self, /) -> list[str]:
        """
        Names of all functions.
        """
    @property
    def id(self, /) -> str:
        """
        SHA-256 of `source()`, in hexadecimal.
        """
    @staticmethod
    def parse(source: str, *, roots: SupportsGetItem[int, str], evolvable: SupportsGetItem[int, str] = ..., file: str = "<string>") -> Program:
        """
        Parse Python source and lower `roots` and everything they call.

        Args:
            source: Text of a Python module.
            file: Name for diagnostics.
            roots: Functions to compile.
            evolvable: Functions that variation may change.

        Raises:
            SourceError: The text leaves the subset; all findings are reported at once.
        """
    def reductions(self, /) -> list[Program]:
        """
        Smaller programs that lack one part of this one, smallest first.
        """
    def rounded(self, /, digits: SupportsIndex) -> Program:
        """
        The program with every tunable float rounded to this many significant digits (1 to 17).
        """
    def signature(self, /, name: str) -> tuple[list[tuple[str, str]], str] | None:
        """
        Parameters (name, annotation) and return annotation of a function.
        """
    def simplify(self, /) -> Program:
        """
        An equal program with dead code removed, constants folded and expressions simplified.
        """
    @property
    def size(self, /) -> int:
        """
        Number of nodes of the evolvable functions.
        """
    def source(self, /) -> str:
        """
        The evolvable functions and the constants they read, as formatted Python.
        """
    def splice(self, /, original: str) -> str:
        """
        The original file with its evolvable functions replaced by this program's.
        """
    def to_bytes(self, /) -> bytes:
        """
        The program as bytes.
        """

"""
Sandboxed runs under limits.
"""

from .programs import Program
from _typeshed import SupportsGetItem
from numpy import float64, int64, uint64, uint8
from numpy.typing import NDArray
from typing import Any, SupportsIndex, final

__all__ = ["CallOutcome", "Engine", "Evaluations", "Instances"]

@final
class CallOutcome:
    """
    The outcome of one call. A trap is a result, not an exception.
    """
    @property
    def fuel(self, /) -> int:
        """
        Work done; deterministic.
        """
    @property
    def ns(self, /) -> int:
        """
        Wall clock time, in nanoseconds.
        """
    @property
    def reason(self, /) -> str | None:
        """
        Why the call stopped; None when `ok`.
        """
    @property
    def status(self, /) -> str:
        """
        `ok`, `trap`, `fuel`, `deadline`, `memory`, `stack` or `cancelled`.
        """
    @property
    def value(self, /) -> Any:
        """
        What the function returned; None unless `ok`.
        """

@final
class Engine:
    """
    Runs compiled programs in WebAssembly under limits.

    Args:
        threads: Worker threads; 0 means one per core.
        memory_bytes_max: Linear memory of one run, in bytes.
        fuel_max: Work of one run; roughly one unit per executed statement.
        timeout_ms: Wall clock time of one run, in milliseconds.

    Example:
        >>> engine = Engine(threads=1)
        >>> program = Program.parse("def f(x: int) -> int:\\n    return x // 2\\n", roots=["f"])
        >>> engine.call(program, "f", (-3,)).value
        -2
    """
    def __new__(cls, /, *, threads: SupportsIndex = 0, memory_bytes_max: SupportsIndex = ..., fuel_max: SupportsIndex = 2000000000, timeout_ms: SupportsIndex = 10000) -> Engine: ...
    def call(self, /, program: Program, function: str, args: "tuple[object, ...]") -> CallOutcome:
        """
        Call one function once. Arguments are copied in; what the function does to its lists stays
        in the sandbox.

        Raises:
            ArgumentError: An argument does not have the declared type.
        """
    def evaluate(self, /, programs: SupportsGetItem[int, Program], function: str, instances: Instances, pairs: NDArray[int64] | None = None) -> Evaluations:
        """
        Score programs on instances, in parallel, without the interpreter lock.

        Args:
            programs: Programs that all hold `function`.
            function: Returns one int or float: the score.
            instances: Arguments of the calls.
            pairs: (k, 2) int64 rows of (program index, instance index); None for all pairs,
                program-major.

        Returns:
            Scores, statuses, fuel and times of the k calls, in order.
        """

@final
class Evaluations:
    """
    Scores of a batch, in the order of its pairs.
    """
    @property
    def fuel(self, /) -> NDArray[uint64]:
        """
        (k,) uint64: work done.
        """
    @property
    def ns(self, /) -> NDArray[uint64]:
        """
        (k,) uint64: wall clock nanoseconds.
        """
    @property
    def reasons(self, /) -> list[str | None]:
        """
        (k,) reasons; None where ok.
        """
    @property
    def scores(self, /) -> NDArray[float64]:
        """
        (k,) float64; NaN where the call did not return.
        """
    @property
    def status(self, /) -> NDArray[uint8]:
        """
        (k,) uint8: 0 ok, 1 trap, 2 fuel, 3 deadline, 4 memory, 5 stack, 6 cancelled.
        """

@final
class Instances:
    """
    Arguments of many calls of one function, checked and encoded once.

    Args:
        program: The program that holds the function.
        function: Its name.
        args: One tuple of arguments per instance.

    Raises:
        ArgumentError: Naming instance, parameter and index of the first ill-typed value.
    """
    def __len__(self, /) -> int: ...
    def __new__(cls, /, program: Program, function: str, args: "list[tuple[object, ...]]") -> Instances: ...

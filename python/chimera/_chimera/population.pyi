"""
Population search over arrays.
"""

from _typeshed import Incomplete, SupportsGetItem
from numpy import float64, int64
from numpy.typing import NDArray
from typing import Any, SupportsFloat, SupportsIndex
from typing_extensions import disjoint_base

__all__ = ["Archive", "Run", "crowding_distance", "front_indicator", "hypervolume", "hypervolume_contributions", "hypervolume_estimate", "neighbours", "pareto_ranks"]

@disjoint_base
class Archive:
    """
    Elites, at most one per cell of descriptor space.

    The archive classes of ``chimera.evolution`` derive from it. What it holds comes as read-only
    views that stay valid and unchanged while they are held.

    Args:
        settings: A JSON object: layout, n_genes, rule, outside.
        is_narrow: Hold float32 solutions and descriptors instead of float64.
        threads: Threads to use, 0 for one per core; the result does not depend on it.
        state: What ``dump`` returned, instead of ``settings``.

    Raises:
        ConfigError: A setting is outside its range.
        StateError: The saved state is damaged or of another version.
    """
    def __len__(self, /) -> int: ...
    def __new__(cls, /, settings: str = "{}", *, is_narrow: bool = False, threads: SupportsIndex = 1, state: bytes | None = None) -> Archive: ...
    @property
    def best(self, /) -> Any | None:
        """
        The best elite ever inserted: ``(solution, objective, descriptors, cell, id)``; None before.
        """
    @property
    def boundaries(self, /) -> list[Any]:
        """
        Boundaries of the cells along each descriptor, for sliding ones; else empty.
        """
    def cell_of(self, /, descriptors: Any) -> Incomplete:
        """
        Return the cell of each row of descriptors, ``(n,)`` uint32.
        """
    @property
    def cells(self, /) -> Any:
        """
        Cells ``(n_elites,)`` uint32, in the same order.
        """
    @property
    def centroids(self, /) -> Any | None:
        """
        Centroids ``(n_cells, n_descriptors)``, a view; None for other cells.
        """
    def clear(self, /) -> None:
        """
        Take all elites away.
        """
    @property
    def descriptors(self, /) -> Any:
        """
        Descriptors ``(n_elites, n_descriptors)``, a view, in the same order.
        """
    def dump(self, /) -> bytes:
        """
        Return the whole archive as bytes, for ``state=``.
        """
    def figures(self, /, offset: SupportsFloat | SupportsIndex = 0.0) -> tuple[int, float, float, float, float | None, float | None]:
        """
        Return ``(n_elites, coverage, qd_score, normalized_qd_score, best, mean)``.
        """
    @property
    def ids(self, /) -> Any:
        """
        Identities ``(n_elites,)`` uint64, in the same order: how many rows were added before.
        """
    def insert(self, /, solutions: Any, objectives: Any, descriptors: Any, *, failed: Any | None = None) -> tuple[Incomplete, Incomplete]:
        """
        Insert a batch of evaluated solutions.

        Every row is judged against the archive as it was before the batch. Arrays of the archive's
        dtype in C order are borrowed; others are copied. Objectives may be float32 or float64.

        Args:
            solutions: ``(n, n_genes)``.
            objectives: ``(n,)``.
            descriptors: ``(n, n_descriptors)``.
            failed: ``(n,)`` bool, rows that stay out; their values may be NaN.

        Returns:
            ``status`` ``(n,)`` uint8: 0 not added, 1 better than the elite of its cell, 2 first of
            its cell; and ``values`` ``(n,)`` float64: improvement over the cell's threshold, or the
            objective itself in a new cell without threshold.

        Raises:
            BatchError: Shapes do not fit, values are not finite, descriptors are out of range. The
                archive is unchanged.
        """
    @property
    def is_narrow(self, /) -> bool:
        """
        Whether solutions and descriptors are float32.
        """
    @property
    def n_cells(self, /) -> int:
        """
        Number of cells.
        """
    @property
    def n_descriptors(self, /) -> int:
        """
        Number of descriptors of a solution.
        """
    @property
    def n_genes(self, /) -> int:
        """
        Number of genes of a solution.
        """
    @property
    def objectives(self, /) -> Any:
        """
        Objectives ``(n_elites,)`` float64, in the same order.
        """
    @property
    def ranges(self, /) -> tuple[list[float], list[float]]:
        """
        Least and greatest descriptors, two lists.
        """
    def row_of(self, /, cells: SupportsGetItem[int, SupportsIndex]) -> Incomplete:
        """
        Return the row of the elite in each cell, ``(n,)`` int64; -1 where there is none.
        """
    @property
    def shape(self, /) -> list[int]:
        """
        Cells along each descriptor; empty for cells around centroids.
        """
    @property
    def solutions(self, /) -> Any:
        """
        Solutions ``(n_elites, n_genes)``, a view, in the order in which cells were first filled.
        """
    @property
    def thresholds(self, /) -> Incomplete:
        """
        Thresholds ``(n_elites,)`` float64, in the same order.
        """

@disjoint_base
class Run:
    """
    A search under way: ask for candidates, tell their scores.

    The classes of ``chimera.evolution`` derive from it. Asked batches are read-only views of the
    search's own memory; they stay valid and unchanged for as long as they are held.

    Args:
        method: Name of the method.
        space: Blocks ``(name, kind, lower, upper)``.
        settings: The method's settings as a JSON object.
        seed: Seed of every random stream.
        threads: Threads to use, 0 for one per core; the result does not depend on it.
        state: What ``save`` returned, instead of everything but ``threads``.

    Raises:
        ConfigError: A setting or a bound is outside its range.
        StateError: The saved state is damaged or of another version.
    """
    def __new__(cls, /, method: str = "", space: SupportsGetItem[int, tuple[str, str, SupportsGetItem[int, SupportsFloat | SupportsIndex], SupportsGetItem[int, SupportsFloat | SupportsIndex]]] = ..., settings: str = "{}", *, seed: SupportsIndex = 0, threads: SupportsIndex = 1, state: bytes | None = None) -> Run: ...
    def ask(self, /, n: SupportsIndex | None = None) -> Any:
        """
        Return candidates to evaluate.

        Asking again without telling returns the same batch, except for steady-state methods.

        Args:
            n: How many; by default as many as the method likes.

        Returns:
            A read-only view ``(n, n_genes)``, or one per block by name for mixed spaces.

        Raises:
            BatchError: The method cannot give that many.
        """
    @property
    def batch_size(self, /) -> int:
        """
        Rows that ``ask`` returns by default.
        """
    @property
    def best(self, /) -> Any | None:
        """
        The best row so far, as ``(genomes, score, violation, id)``; None before the first score and
        for several objectives.
        """
    @property
    def blocks(self, /) -> list[tuple[str, str, list[float], list[float]]]:
        """
        The blocks ``(name, kind, lower, upper)`` of the space.
        """
    def dump(self, /) -> bytes:
        """
        Return the whole state, from which ``state=`` goes on as if never interrupted.
        """
    @property
    def figures(self, /) -> Any:
        """
        Figures of the method by name, for example ``sigma``.
        """
    @property
    def generation(self, /) -> int:
        """
        Batches told.
        """
    def holdings(self, /) -> Any:
        """
        What the method holds, as views: ``genomes``, ``objectives``, ``violations``,
        ``descriptors`` and ``ids``.
        """
    @property
    def is_size_free(self, /) -> bool:
        """
        Whether ``ask`` may be given another number of rows.
        """
    @property
    def is_steady(self, /) -> bool:
        """
        Whether rows may be told in any order and number.
        """
    def maximize(self, /, maximized: SupportsGetItem[int, bool]) -> None:
        """
        Say which objectives are maximised, one claim per objective.
        """
    @property
    def maximized(self, /) -> list[bool]:
        """
        Per objective, whether it is maximised; empty when none is.
        """
    @property
    def method(self, /) -> str:
        """
        Name of the method.
        """
    @property
    def n_descriptors(self, /) -> int:
        """
        Number of behaviour descriptors.
        """
    @property
    def n_evaluations(self, /) -> int:
        """
        Rows told.
        """
    @property
    def n_failed(self, /) -> int:
        """
        Rows told that were marked failed.
        """
    @property
    def n_objectives(self, /) -> int:
        """
        Number of objectives.
        """
    @property
    def operators(self, /) -> list[str]:
        """
        Names of the variation operators, which ``origins`` counts from 0.
        """
    @property
    def origins(self, /) -> Any:
        """
        Lineage of the batch asked last: ``(first_id, parents (n, k) uint64, operators (n,) uint8)``.

        Identities count the rows asked in the run, from 0; 2**64 - 1 stands for no parent.
        """
    @property
    def seed(self, /) -> int:
        """
        Seed of every random stream.
        """
    @property
    def stop_reason(self, /) -> str | None:
        """
        Why the method would stop by itself, for example ``tolerance``; None while it moves.
        """
    def tell(self, /, batch: Any, scores: Any, *, violations: Any | None = None, descriptors: Any | None = None, cases: Any | None = None, failed: Any | None = None) -> None:
        """
        Hand in scores of a batch.

        Arrays of the right dtype in C order are borrowed; others are copied.

        Args:
            batch: What ``ask`` returned, or rows evaluated instead of it.
            scores: Objectives, ``(n,)`` or ``(n, n_objectives)`` float64.
            violations: Total constraint violation ``(n,)``, 0 where feasible.
            descriptors: Behaviour descriptors ``(n, n_descriptors)``.
            cases: Error per case ``(n, n_cases)``, for lexicase selection.
            failed: True where evaluation failed ``(n,)``; scores there may be NaN.

        Raises:
            OrderError: Nothing was asked.
            BatchError: Shapes do not fit, scores are not finite, genomes are outside the space. The
                search is unchanged.
        """

def crowding_distance(objectives: NDArray[float64], ranks: SupportsGetItem[int, SupportsIndex] | None) -> NDArray[float64]:
    """
    Return the crowding distance of every row within its front ``(n,)`` float64.
    """

def front_indicator(name: str, objectives: NDArray[float64], reference: NDArray[float64]) -> float:
    """
    Return one indicator of rows against reference rows: ``gd``, ``igd``, ``igd_plus``,
    ``epsilon_additive`` or ``epsilon_multiplicative``.
    """

def hypervolume(objectives: NDArray[float64], reference: NDArray[float64]) -> float:
    """
    Return the hypervolume that rows dominate up to a reference point.
    """

def hypervolume_contributions(objectives: NDArray[float64], reference: NDArray[float64]) -> NDArray[float64]:
    """
    Return the hypervolume that only this row dominates, for every row ``(n,)`` float64.
    """

def hypervolume_estimate(objectives: NDArray[float64], reference: NDArray[float64], *, n_samples: SupportsIndex, confidence: SupportsFloat | SupportsIndex, seed: SupportsIndex) -> tuple[float, float]:
    """
    Return an estimate of the hypervolume and how far the true one is away at most.
    """

def neighbours(queries: Any, points: Any, k: SupportsIndex, *, own_from: SupportsIndex | None = None, threads: SupportsIndex = 1) -> Any:
    """
    Return the ``k`` nearest points of each query, exactly.

    Args:
        queries: ``(n, d)``, float32 or float64.
        points: ``(m, d)``, of the same dtype.
        k: Neighbours wanted; as many as there are points, at most.
        own_from: Query ``i`` is point ``own_from + i`` and not its own neighbour.
        threads: Threads to use, 0 for one per core; the result does not depend on it.

    Returns:
        Squared Euclidean distances ``(n, k)`` float64, ascending, and rows ``(n, k)`` uint32; the
        lower row first among equals.

    Raises:
        BatchError: Values are not finite, shapes do not fit, there is no point.
        ConfigError: ``k`` is 0.
    """

def pareto_ranks(objectives: NDArray[float64]) -> NDArray[int64]:
    """
    Return the non-dominated rank of every row, 0 for the front ``(n,)`` int64.
    """

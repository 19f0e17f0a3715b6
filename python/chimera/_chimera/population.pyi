"""
Population search over arrays.
"""

from _typeshed import SupportsGetItem
from numpy import float32, float64, int64, uint32, uint64, uint8
from numpy.typing import NDArray
from typing import Any, SupportsFloat, SupportsIndex, final
from typing_extensions import disjoint_base

__all__ = ["Archive", "Columns", "Expression", "Run", "TreeSearch", "Trees", "crowding_distance", "duplicates", "front_indicator", "hypervolume", "hypervolume_contributions", "hypervolume_estimate", "neighbours", "pareto_ranks"]

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
    def cell_of(self, /, descriptors: Any) -> NDArray[uint32]:
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
    def insert(self, /, solutions: Any, objectives: Any, descriptors: Any, *, failed: Any | None = None) -> tuple[NDArray[uint8], NDArray[float64]]:
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
            BatchError: Shapes do not fit, values are not finite (solutions are looked at when they
                would enter), descriptors are out of range. The archive is unchanged.
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
    def row_of(self, /, cells: SupportsGetItem[int, SupportsIndex]) -> NDArray[int64]:
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
    def thresholds(self, /) -> NDArray[float64]:
        """
        Thresholds ``(n_elites,)`` float64, in the same order.
        """

@final
class Columns:
    """
    A matrix laid out for evaluation; copied.

    Args:
        x: ``(n_rows, n_columns)`` float32 in C order, finite.

    Raises:
        BatchError: It is empty, or not finite.
    """
    def __new__(cls, /, x: NDArray[float32]) -> Columns: ...
    @property
    def shape(self, /) -> tuple[int, int]:
        """
        Number of rows and columns.
        """

@final
class Expression:
    """
    ``slope * tree + intercept``: one model that a search found.
    """
    def __reduce__(self, /) -> tuple[Any, tuple[bytes]]:
        """
        Support pickling.
        """
    def calibrate(self, /, x: NDArray[float32], labels: NDArray[float64]) -> Expression:
        """
        Return the model with slope and intercept fitted to the log loss (Platt, 1999).

        Args:
            x: ``(n_rows, n_columns)`` float32.
            labels: ``(n_rows,)`` float64, positive for the positive class.

        Raises:
            BatchError: Shapes do not fit.
        """
    @property
    def error(self, /) -> float:
        """
        Mean squared error on the rows of the search.
        """
    @staticmethod
    def from_bytes(data: bytes) -> Expression:
        """
        Return the model that ``to_bytes`` wrote.

        Raises:
            StateError: The bytes are damaged or of another version.
        """
    @property
    def intercept(self, /) -> float:
        """
        Added to it.
        """
    @property
    def n_columns(self, /) -> int:
        """
        Number of columns that it takes.
        """
    @property
    def n_nodes(self, /) -> int:
        """
        Number of nodes of the tree, leaves included.
        """
    def predict(self, /, x: NDArray[float32]) -> NDArray[float64]:
        """
        Return ``slope * tree + intercept`` for every row of ``x``, ``(n_rows,)`` float64.

        Raises:
            BatchError: Another number of columns, or values that are not finite.
        """
    def probabilities(self, /, x: NDArray[float32]) -> NDArray[float64]:
        """
        Return probabilities of the positive class: the logistic of ``predict``.

        Raises:
            BatchError: Another number of columns, or values that are not finite.
        """
    @property
    def slope(self, /) -> float:
        """
        Factor of the tree's value.
        """
    def source(self, /) -> str:
        """
        Return a Python module with a function ``predict(x)`` over NumPy.
        """
    def text(self, /, names: SupportsGetItem[int, str] = ...) -> str:
        """
        Return the simplified tree as text over column names; ``x0``, ``x1``, ... by default.
        """
    def to_bytes(self, /) -> bytes:
        """
        Return the model as bytes.
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
            CapacityError: They need more memory than there is.
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
        ``descriptors``, ``ids``, and where known ``parents``, ``operators`` and ``generations``.
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

        Identities count the rows of the run from 0: those asked, and those told without having been
        asked. 2**64 - 1 stands for no parent.
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
    def tell(self, /, batch: Any, scores: Any, descriptors: Any | None = None, *, violations: Any | None = None, cases: Any | None = None, failed: Any | None = None, skipped: SupportsIndex = ...) -> None:
        """
        Hand in scores of a batch.

        Arrays of the right dtype in C order are borrowed; others are copied.

        Args:
            batch: What ``ask`` returned, or rows evaluated instead of it.
            scores: Objectives, ``(n,)`` or ``(n, n_objectives)`` float64.
            descriptors: Behaviour descriptors ``(n, n_descriptors)``.
            violations: Total constraint violation ``(n,)``, 0 where feasible.
            cases: Error per case ``(n, n_cases)``, for lexicase selection.
            failed: True where evaluation failed ``(n,)``; scores there may be NaN.
            skipped: How many rows at the end were never evaluated, because a budget ended before
                them. They must be marked failed, and count neither as evaluated nor as failed.

        Raises:
            OrderError: Nothing was asked.
            BatchError: Shapes do not fit, scores are not finite, genomes are outside the space. The
                search is unchanged.
            KeyboardInterrupt: Ctrl-C came while a method whose selection may take long was at it. The
                search is unchanged.
        """
    @property
    def told(self, /) -> Any:
        """
        Lineage of the rows told last, until rows are asked again: ``(ids (n,) uint64, parents (n, k)
        uint64, operators (n,) uint8)``.

        Rows of earlier batches of a steady search are found by their genes. What was never asked has
        an identity of its own, no parents, and the operator 255. Empty when nothing was told.
        """

@final
class TreeSearch:
    """
    Tree genetic programming on one data set.

    Args:
        x: Inputs ``(n_rows, n_columns)`` float32 in C order; copied.
        y: Targets ``(n_rows,)`` float64; copied.
        settings: Settings as a JSON object.
        seed: Seed of every random stream.
        threads: Threads to use, 0 for one per core; the result does not depend on it.
        state: What ``save`` returned on the same data, instead of settings and seed.

    Raises:
        BatchError: Shapes do not fit, or values are not finite.
        ConfigError: A setting is outside its range.
        StateError: The saved state is damaged, or belongs to another data set or version.
    """
    def __new__(cls, /, x: NDArray[float32], y: NDArray[float64], settings: str = "{}", *, seed: SupportsIndex = 0, threads: SupportsIndex = 1, state: bytes | None = None) -> TreeSearch: ...
    @property
    def best_error(self, /) -> float:
        """
        Least mean squared error so far; infinite before the first step.
        """
    @property
    def front(self, /) -> list[Expression]:
        """
        The best models by size, smallest first: each is better than all smaller ones.
        """
    @property
    def generation(self, /) -> int:
        """
        Generations made so far.
        """
    def most_plausible(self, /) -> int | None:
        """
        Return the index in ``front`` of the model of least Akaike information criterion.
        """
    @property
    def n_evaluations(self, /) -> int:
        """
        Trees measured so far, those of constant tuning included.
        """
    def population(self, /) -> tuple[NDArray[float64], NDArray[uint64]]:
        """
        Errors and sizes of the last generation: ``(n_trees,)`` float64 and uint64.
        """
    def save(self, /) -> bytes:
        """
        Return the state as bytes, without the data.
        """
    def step(self, /, n: SupportsIndex = 1) -> None:
        """
        Make generations; the first is random.
        """
    @property
    def variance(self, /) -> float:
        """
        Variance of the targets: the error of the best constant.
        """

@final
class Trees:
    """
    Expression trees in flat postfix arrays.

    Args:
        codes: Of every node, tree after tree: index into ``Trees.functions()``, 254 for a constant,
            255 for a column; ``(n_nodes,)`` uint8.
        values: Column index, or the bits of a float32 constant; ``(n_nodes,)`` uint32.
        ends: End of each tree in the arrays; ``(n_trees,)`` int64.
        n_columns: Number of input columns.

    Raises:
        BatchError: A tree is not one well-formed expression.
    """
    def __new__(cls, /, codes: NDArray[uint8], values: NDArray[uint32], ends: NDArray[int64], n_columns: SupportsIndex) -> Trees: ...
    @property
    def codes(self, /) -> NDArray[uint8]:
        """
        The codes of all nodes; a copy.
        """
    @property
    def ends(self, /) -> NDArray[int64]:
        """
        The ends of the trees; a copy.
        """
    def errors(self, /, x: Columns, y: NDArray[float64], *, is_scaled: bool = True, threads: SupportsIndex = 1) -> NDArray[float64]:
        """
        Return the mean squared error of every tree, ``(n_trees,)`` float64.

        Args:
            x: The inputs.
            y: The targets, ``(n_rows,)`` float64.
            is_scaled: Whether each tree gets its best slope and intercept.
            threads: Threads to use, 0 for one per core.

        Raises:
            BatchError: Shapes do not fit.
        """
    def evaluate(self, /, x: Columns, *, threads: SupportsIndex = 1) -> NDArray[float32]:
        """
        Return the prediction of every tree for every row, ``(n_trees, n_rows)`` float32.

        Raises:
            BatchError: The matrix has another number of columns.
        """
    @staticmethod
    def functions() -> list[tuple[str, int]]:
        """
        Names and arities of the functions in the order of their codes.
        """
    @property
    def n_nodes(self, /) -> int:
        """
        Number of nodes of all trees, leaves included.
        """
    @property
    def n_trees(self, /) -> int:
        """
        Number of trees.
        """
    @staticmethod
    def random(n_trees: SupportsIndex, n_columns: SupportsIndex, settings: str, seed: SupportsIndex) -> Trees:
        """
        Return random trees, made as the first population of a search.

        Args:
            n_trees: How many.
            n_columns: Number of input columns.
            settings: Settings of `TreeSearch` as a JSON object.
            seed: Seed of the random streams.
        """
    @property
    def values(self, /) -> NDArray[uint32]:
        """
        The values of all nodes; a copy.
        """

def crowding_distance(objectives: NDArray[float64], ranks: SupportsGetItem[int, SupportsIndex] | None) -> NDArray[float64]:
    """
    Return the crowding distance of every row within its front ``(n,)`` float64.
    """

def duplicates(rows: Any) -> Any:
    """
    Return which rows equal an earlier row exactly.

    Args:
        rows: ``(n, d)`` float64, float32, int64 or bool; other types are copied to float64.

    Returns:
        ``(n,)`` bool.

    Raises:
        BatchError: ``rows`` is not a 2-D array.
    """

def front_indicator(name: str, objectives: NDArray[float64], reference: NDArray[float64]) -> float:
    """
    Return one indicator of rows against reference rows: ``gd``, ``igd``, ``igd_plus``,
    ``epsilon_additive`` or ``epsilon_multiplicative``.
    """

def hypervolume(objectives: NDArray[float64], reference: NDArray[float64], *, max_steps: SupportsIndex) -> float:
    """
    Return the hypervolume that rows dominate up to a reference point.
    """

def hypervolume_contributions(objectives: NDArray[float64], reference: NDArray[float64], *, max_steps: SupportsIndex) -> NDArray[float64]:
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

"""
Population search over arrays.
"""

from _typeshed import SupportsGetItem
from typing import Any, SupportsFloat, SupportsIndex
from typing_extensions import disjoint_base

__all__ = ["Run"]

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

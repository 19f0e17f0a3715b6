"""A small search with lineage, for tests of what is stored: truncation, copies and noise."""

from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

NO_PARENT = 2**64 - 1


class Breeder:
    """Has the face of `chimera.evolution.Algorithm`; minimises, and keeps the last generation."""

    method = "breeder"
    operators = ("copy", "noise")
    stop_reason = None
    settings = MappingProxyType({"size": 1})

    def __init__(
        self, n_genes: int = 10, size: int = 20, *, seed: int = 1, maximized: tuple[bool, ...] = ()
    ) -> None:
        self.blocks = [("x", "f64", [-1.0] * n_genes, [1.0] * n_genes)]
        self.n_genes, self.size, self.seed = n_genes, size, seed
        self.maximized = list(maximized)
        self.generation = self.n_evaluations = 0
        self.figures = {"spread": 0.0}
        self._elite: NDArray[np.int64] = np.empty(0, np.int64)
        self._first_id = -size
        self._pending = False

    def ask(self, n: int | None = None) -> NDArray[np.float64]:  # noqa: ARG002
        if not self._pending:
            rng = np.random.default_rng([self.seed, self.generation])
            self._first_id += self.size
            size = (self.size, 2)
            if len(self._elite):
                self._parents = self._elite[rng.integers(0, len(self._elite), size)]
            else:
                self._parents = np.empty((self.size, 0), np.uint64)
            self._operators = rng.integers(0, 2, self.size).astype(np.uint8)
            self._batch = rng.uniform(-1, 1, (self.size, self.n_genes))
            self._batch.flags.writeable = False
            self._pending = True
        return self._batch

    @property
    def origins(self) -> tuple[int, NDArray[np.uint64], NDArray[np.uint8]]:
        return self._first_id, self._parents.astype(np.uint64), self._operators

    @property
    def told(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint8]]:
        first_id, parents, operators = self.origins
        return np.arange(first_id, first_id + self.size, dtype=np.uint64), parents, operators

    def tell(self, batch: Any, scores: Any, **_: Any) -> None:
        values = np.asarray(scores, dtype=np.float64).reshape(len(batch), -1)[:, 0]
        order = np.argsort(np.where(np.isfinite(values), values, np.inf), kind="stable")
        self._elite = self._first_id + order[: max(self.size // 4, 1)]
        self.figures = {"spread": float(np.std(batch))}
        self.generation += 1
        self.n_evaluations += len(batch)
        self._pending = False


def sphere(batch: NDArray[np.float64]) -> NDArray[np.float64]:
    return (batch**2).sum(axis=1)


def breed(search: Any, n: int = 4) -> list[Any]:
    """Run generations; return ``(ids, genomes, scores, parents, operators)`` of each."""
    seen = []
    for _ in range(n):
        batch = search.ask()
        first_id, parents, operators = search.origins
        scores = sphere(batch)
        search.tell(batch, scores)
        ids = np.arange(first_id, first_id + len(batch))
        seen.append((ids, batch.copy(), scores, parents, operators))
    return seen

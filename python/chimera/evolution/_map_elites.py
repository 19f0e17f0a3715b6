"""MAP-Elites: the best solution in every cell of descriptor space."""

from __future__ import annotations

from typing import Self

from chimera.evolution._algorithm import Algorithm
from chimera.evolution._cells import Cells
from chimera.evolution._space import Bounds


class MapElites(Algorithm, method="map_elites"):
    """MAP-Elites with iso+line variation.

    ``tell`` takes ``descriptors=``, ``(n, n_descriptors)``. Batches may be told in any order.
    Failed rows and rows that violate constraints stay out of the archive. ``holdings()`` shows the
    archive; ``figures`` has ``coverage`` and ``qd_score``.

    Args:
        space: A bounded space of one block of float64 or float32, or bounds.
        cells: How descriptor space is divided: `Grid`, `CVT` or `SlidingGrid`.
        batch_size: Rows that ``ask`` returns by default.
        n_initial: Uniform solutions to begin with; by default one batch.
        iso_sigma: Standard deviation of the isotropic part, as a share of each gene's range.
        line_sigma: Standard deviation along the line between two elites.
        outside: ``error`` refuses descriptors outside their ranges; ``clip`` puts them at the edge.
        qd_offset: Score that counts as 0 in the QD score, normally the worst possible one.
        direction: ``maximize``, the field's habit, or ``minimize``.
        seed: Seed of every random stream.
        threads: Threads to use, 0 for one per core; the result does not depend on it.

    Raises:
        ConfigError: A bound is infinite, or a setting is outside its range.

    Source:
        Mouret & Clune, 2015, "Illuminating search spaces by mapping elites"; variation: Vassiliades
        & Mouret, 2018, "Discovering the elite hypervolume by leveraging interspecies correlation".

    Example:
        >>> search = MapElites([(-1.0, 1.0)] * 5, cells=Grid((20, 20), [(-1.0, 1.0)] * 2), seed=1)
        >>> for _ in range(20):
        ...     batch = search.ask()
        ...     search.tell(batch, -(batch**2).sum(axis=1), descriptors=batch[:, :2])
        >>> bool(search.figures["coverage"] > 0.8)
        True
    """

    def __new__(
        cls,
        space: Bounds,
        *,
        cells: Cells,
        batch_size: int = 256,
        n_initial: int | None = None,
        iso_sigma: float = 0.01,
        line_sigma: float = 0.2,
        outside: str = "error",
        qd_offset: float = 0.0,
        direction: str = "maximize",
        seed: int = 0,
        threads: int = 1,
    ) -> Self:
        """Start a search."""
        settings = {
            "batch_size": batch_size,
            "layout": cells.to_layout(),
            "outside": outside,
            "n_initial": batch_size if n_initial is None else n_initial,
            "iso_sigma": iso_sigma,
            "line_sigma": line_sigma,
            "qd_offset": -qd_offset if direction == "maximize" else qd_offset,
        }
        return cls._start(
            "map_elites", space, settings, seed=seed, threads=threads, direction=direction
        )

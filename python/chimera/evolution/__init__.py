"""Population search: ask and tell over arrays, the same result on any number of threads.

Every algorithm is an `Algorithm`: ``ask`` returns a batch of candidates as a NumPy view, ``tell``
takes their scores, ``save`` and ``load`` go on as if never interrupted.
"""

from chimera.evolution._algorithm import NO_PARENT, Algorithm, Origins
from chimera.evolution._archives import (
    Added,
    Archive,
    ArchiveStats,
    CVTArchive,
    Elites,
    GridArchive,
    SlidingBoundariesArchive,
)
from chimera.evolution._cells import CVT, Grid, SlidingGrid
from chimera.evolution._map_elites import MapElites
from chimera.evolution._novelty import Neighbours, NoveltySearch, nearest_neighbours, novelty
from chimera.evolution._programs import ProgramSearch
from chimera.evolution._random import RandomSearch
from chimera.evolution._space import (
    Block,
    Space,
    boolean,
    category,
    integer,
    mixed,
    permutation,
    real,
)

__all__ = [
    "CVT",
    "NO_PARENT",
    "Added",
    "Algorithm",
    "Archive",
    "ArchiveStats",
    "Block",
    "CVTArchive",
    "Elites",
    "Grid",
    "GridArchive",
    "MapElites",
    "Neighbours",
    "NoveltySearch",
    "Origins",
    "ProgramSearch",
    "RandomSearch",
    "SlidingBoundariesArchive",
    "SlidingGrid",
    "Space",
    "boolean",
    "category",
    "integer",
    "mixed",
    "nearest_neighbours",
    "novelty",
    "permutation",
    "real",
]
